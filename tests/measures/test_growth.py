"""Growth: the bridge closes to the cent, branch by branch and tier by tier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings

from stockcust_analysis.measures.growth import (
    COMPONENTS,
    growth_bridge,
)
from stockcust_analysis.measures.tiers import assign_tiers
from tests.frames import Columns, rows_of, values_of
from tests.measures.two_dates import (
    BANKS,
    SCHEME,
    Move,
    bridge_by_hand,
    nine_customers,
    totals,
    two_tables,
)

Make = Callable[[Columns], Any]
VALUE = "aum_period_end"

# component: (customers, amount) of branch A and of branch B
HAND_COUNTED = {
    "opening": ((5, 777_020), (3, 240)),
    "new": ((0, 0), (1, 300)),
    "returned": ((1, 780), (0, 0)),
    "grown": ((1, 10_000), (1, 10)),
    "transferred_in": ((0, 0), (1, 12_000)),
    "transferred_out": ((1, -12_000), (0, 0)),
    "shrunk": ((0, 0), (1, -3_000)),
    "drained": ((1, -4_950), (0, 0)),
    "closed": ((1, -700_000), (1, -150)),
    "closing": ((3, 70_850), (4, 9_400)),
}


def cents_of(bridge: Any) -> dict[tuple[str, str], int]:
    """Return the amounts of a bridge by branch as whole cents, without the zeros."""
    found = values_of(bridge, "branch_id", "component", value="amount")
    return {key: round(amount * 100) for key, amount in found.items() if amount}


def test_hand_counted_branches(make: Make) -> None:
    """Who moves leaves A with the opening amount, and B tells what became of it."""
    opening, closing = nine_customers()
    rows = rows_of(growth_bridge(make(opening), make(closing), by="branch_id"))
    assert list(rows[0]) == ["branch_id", "component", "customers", "amount"]
    assert [row["component"] for row in rows] == [*COMPONENTS, *COMPONENTS]
    told = {(row["branch_id"], row["component"]): (row["customers"], row["amount"]) for row in rows}
    assert told == {
        (branch, component): pair
        for component, pairs in HAND_COUNTED.items()
        for branch, pair in zip("AB", pairs, strict=True)
    }


def test_the_bank_has_no_transfers(make: Make) -> None:
    """Over the whole bank the components are the branches' sums, and nobody is transferred."""
    opening, closing = nine_customers()
    rows = rows_of(growth_bridge(make(opening), make(closing)))
    amounts = {row["component"]: row["amount"] for row in rows}
    expected = {name: a[1] + b[1] for name, (a, b) in HAND_COUNTED.items()}
    assert amounts == expected | {"transferred_in": 0, "transferred_out": 0}


@settings(max_examples=12)
@given(BANKS)
def test_the_bridge_closes_to_the_cent(moves: list[Move]) -> None:
    """Each component is what one customer after the other adds up to, and they lead to closing."""
    tables = two_tables(moves, VALUE)
    found = cents_of(growth_bridge(*tables, by="branch_id"))
    expected = bridge_by_hand(moves)
    added: Counter[str] = Counter(totals(moves, 0)[1])
    for (branch, _), amount in expected.items():
        added[branch] += amount
    assert added == totals(moves, 1)[1]
    for side, date in enumerate(("opening", "closing")):
        expected.update({(branch, date): n for branch, n in totals(moves, side)[1].items()})
    assert found == {key: amount for key, amount in expected.items() if amount}
    transfers = [n for (_, name), n in found.items() if name.startswith("transferred")]
    assert sum(transfers) == 0


def test_by_tier_upgrades_are_the_transfers(make: Make) -> None:
    """From effective to mid: out with the opening amount, in with the same, and grown in mid."""
    tables = [
        assign_tiers(
            make({
                "customer_id": ["1"], "aum_average_quarter": [amount], "aum_period_end": [amount],
            }), SCHEME,
        ) for amount in (40_000.0, 60_000.0)
    ]  # fmt: skip
    found = values_of(growth_bridge(*tables, by="tier"), "tier", "component", value="amount")
    assert {key: amount for key, amount in found.items() if amount} == {
        ("effective", "opening"): 40_000, ("effective", "transferred_out"): -40_000,
        ("mid", "transferred_in"): 40_000, ("mid", "grown"): 20_000, ("mid", "closing"): 60_000,
    }  # fmt: skip


def test_whole_number_groups_stay_whole_numbers(make: Make) -> None:
    """A group that is a number keeps its type, also where customers came or left."""
    opening = make({"customer_id": ["1", "2"], "cohort": [2024, 2024], VALUE: [1.0, 2.0]})
    closing = make({"customer_id": ["2", "3"], "cohort": [2025, 2026], VALUE: [2.0, 4.0]})
    rows = rows_of(growth_bridge(opening, closing, by="cohort"))
    assert sorted({repr(row["cohort"]) for row in rows}) == ["2024", "2025", "2026"]


def test_an_empty_date(make: Make) -> None:
    """Of a branch without an opening everything is new; the frames may even have no rows."""
    nobody = make({"customer_id": ["9"], VALUE: [0.0]})
    bank = make({"customer_id": ["1"], VALUE: [500.0]})
    found = values_of(growth_bridge(nobody, bank), "component", value="amount")
    assert {key: amount for key, amount in found.items() if amount} == {"new": 500, "closing": 500}
