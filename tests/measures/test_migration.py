"""Migration: every customer and every cent in one cell, counted by hand, and on merged branches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings

from stockcust_analysis.core.frames import as_lazy
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.population import customer_facts, restate_branches
from stockcust_analysis.measures.two_dates import (
    by_group,
    compared_columns,
    migration_cells,
    migration_matrix,
    pair_dates,
    tier_move_rates,
)
from stockcust_analysis.policy import load_policy
from tests.frames import Columns, rows_of, values_of
from tests.measures.two_dates import (
    BANKS,
    JUNE,
    SCHEME,
    SEPTEMBER,
    Move,
    nine_customers,
    totals,
    two_tables,
)

Make = Callable[[Columns], Any]
VALUE = "aum_average_quarter"

WHOLE_BANK = [
    ("residual", "residual", 2, 90, 100),
    ("potential", "DRAINED", 1, 5_000, 50),
    ("potential", "CLOSED", 1, 150, 0),
    ("effective", "potential", 1, 12_000, 9_000),
    ("mid", "mid", 1, 60_000, 70_000),
    ("high", "CLOSED", 1, 700_000, 0),
    ("NEW", "potential", 1, 0, 300),
    ("RETURNED", "potential", 1, 20, 800),
]
BRANCHES = [
    ("A", "potential", "DRAINED", 1, 5_000, 50),
    ("A", "effective", "TRANSFERRED", 1, 12_000, 0),
    ("A", "mid", "mid", 1, 60_000, 70_000),
    ("A", "high", "CLOSED", 1, 700_000, 0),
    ("A", "RETURNED", "potential", 1, 20, 800),
    ("B", "residual", "residual", 2, 90, 100),
    ("B", "potential", "CLOSED", 1, 150, 0),
    ("B", "NEW", "potential", 1, 0, 300),
    ("B", "TRANSFERRED", "potential", 1, 0, 9_000),
]


def cells(matrix: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a matrix in their order."""
    return [tuple(row.values()) for row in rows_of(matrix)]


def test_hand_counted_bank(make: Make) -> None:
    """Nine customers, eight cells, tiers in their order and the states after them."""
    opening, closing = nine_customers()
    matrix = migration_matrix(make(opening), make(closing), scheme=SCHEME)
    assert list(rows_of(matrix)[0]) == ["from", "to", "customers", "opening_aum", "closing_aum"]
    assert cells(matrix) == WHOLE_BANK


def test_hand_counted_branches(make: Make) -> None:
    """Customer 5 leaves A with the opening amount and arrives in B with the closing one."""
    opening, closing = nine_customers()
    matrix = migration_matrix(make(opening), make(closing), scheme=SCHEME, by="branch_id")
    assert cells(matrix) == BRANCHES


@settings(max_examples=12)
@given(BANKS)
def test_cells_add_up_to_both_dates(moves: list[Move]) -> None:
    """Per branch the cells give back the customers and the cents of the opening and the closing."""
    tables = two_tables(moves, VALUE)
    matrix = pd.DataFrame(rows_of(migration_matrix(*tables, scheme=SCHEME, by="branch_id")))
    absent = ({"from": {"NEW", "TRANSFERRED"}}, {"to": {"CLOSED", "TRANSFERRED"}})
    for side, (date_, states) in enumerate(zip(("opening", "closing"), absent, strict=True)):
        customers, cents = totals(moves, side)
        (column, states_), *_ = states.items()
        counted = matrix[~matrix[column].isin(states_)].groupby("branch_id")["customers"].sum()
        amounts = (matrix[f"{date_}_aum"] * 100).round().astype("int64")
        added = amounts.groupby(matrix["branch_id"]).sum()
        assert {key: n for key, n in counted.items() if n} == dict(customers)
        assert {key: n for key, n in added.items() if n} == {k: n for k, n in cents.items() if n}


def test_a_tier_delivered_stands(make: Make) -> None:
    """With a column `tier` on both dates, as memory gives it, the borders are not looked at."""
    tables = [
        make({"customer_id": ["1"], VALUE: [amount], "tier": ["mid"]})
        for amount in (60_000.0, 40_000.0)
    ]
    assert cells(migration_matrix(*tables, scheme=SCHEME)) == [("mid", "mid", 1, 60_000, 40_000)]


def test_a_tier_on_one_date_only_is_refused(make: Make) -> None:
    """Tiers by memory against tiers by borders would be a migration of rules."""
    plain = make({"customer_id": ["1"], VALUE: [1.0]})
    tiered = make({"customer_id": ["1"], VALUE: [1.0], "tier": ["mid"]})
    with pytest.raises(UsageError, match="only closing has a column 'tier'"):
        migration_matrix(plain, tiered, scheme=SCHEME)


@pytest.mark.parametrize("tier", ["gold", None])
def test_a_strange_tier_is_refused(make: Make, tier: str | None) -> None:
    """A name that the scheme does not have, or none, is counted in the refusal."""
    known = {"customer_id": ["1", "2"], VALUE: [1.0, 1.0], "tier": ["mid", "mid"]}
    with pytest.raises(UsageError, match=r"opening: 'tier' is none of residual.* in 1 rows"):
        migration_matrix(make(known | {"tier": ["mid", tier]}), make(known), scheme=SCHEME)


def test_a_merger_is_no_migration_on_the_later_structure(make: Make) -> None:
    """As issued the merged branch's customer is TRANSFERRED; on today's structure nothing moved."""
    june = make({"customer_id": ["1"], "branch_id": ["old"], VALUE: [500.0]})
    september = make({"customer_id": ["1"], "branch_id": ["new"], VALUE: [500.0]})
    mergers = make({
        "old_branch_id": ["old"], "new_branch_id": ["new"], "effective_on": [date(2026, 7, 1)],
    })  # fmt: skip
    issued = migration_matrix(june, september, scheme=SCHEME, by="branch_id")
    assert cells(issued) == [
        ("new", "TRANSFERRED", "potential", 1, 0, 500),
        ("old", "potential", "TRANSFERRED", 1, 500, 0),
    ]
    told = restate_branches(june, mergers, as_of=SEPTEMBER)
    today = migration_matrix(told, september, scheme=SCHEME, by="branch_id")
    assert cells(today) == [("new", "potential", "potential", 1, 500, 500)]


def test_customer_facts_give_the_same_matrix(make: Make) -> None:
    """The evaluation's way, over customer facts of both dates, ends in the same cells."""
    policy, labels, facts = load_policy(), ["branch_id", "tier"], []
    loans = make({"customer_id": ["7"], "product": ["loan"], "balance": [1_000.0]})
    for columns, as_of in zip(nine_customers(), (JUNE, SEPTEMBER), strict=True):
        count = len(columns["customer_id"])
        bank = columns | {"customer_type": ["personal"] * count, "last_active_on": [None] * count}
        table = as_lazy(customer_facts(make(bank), loans, policy=policy, as_of=as_of))
        facts.append(compared_columns(table, policy, labels))
    pairs = by_group(pair_dates(*facts, labels), ["branch_id"])
    assert cells(migration_cells(pairs, SCHEME, by=["branch_id"])) == BRANCHES


def test_move_rates_counted_by_hand(make: Make) -> None:
    """Funded on both dates are 1, 5 and 7; 5 fell from effective to potential."""
    opening, closing = nine_customers()
    rates = tier_move_rates(make(opening), make(closing), scheme=SCHEME)
    third = pytest.approx(1 / 3)
    assert values_of(rates, "measure") == {
        "upgrade_rate": 0, "downgrade_rate": third, "net_upgrade_rate": pytest.approx(-1 / 3),
    }  # fmt: skip
    assert {(row["base"], row["n"], row["denominator"]) for row in rows_of(rates)} == {
        ("funded", 3, 3)
    }


def test_move_rates_of_branches_leave_out_who_moved(make: Make) -> None:
    """By branch customer 5 is in neither; going up by two tiers counts once."""
    opening, closing = nine_customers()
    closing["aum_average_quarter"][0] = 6_000_000.0
    rates = values_of(
        tier_move_rates(make(opening), make(closing), scheme=SCHEME, by="branch_id"),
        "branch_id", "measure",
    )  # fmt: skip
    assert rates["A", "upgrade_rate"] == rates["A", "net_upgrade_rate"] == 1
    assert rates["B", "upgrade_rate"] == rates["B", "downgrade_rate"] == 0
