"""The attrition warning: compared with peers, at its borders, and with too few peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.growth import attrition_rate, attrition_warning
from stockcust_analysis.policy import AttritionRule, load_policy
from tests.frames import Columns, as_polars, rows_of, values_of

Make = Callable[[Columns], Any]
POLICY = load_policy()
RULE = AttritionRule(margin=0, smallest_group=3)


def quarter(amounts: dict[str, float], branch: str = "A") -> dict[str, list[Any]]:
    """Return customers with their quarter average; the branch of `B…` is B."""
    branches = ["B" if name.startswith("B") else branch for name in amounts]
    return {"customer_id": list(amounts), "branch_id": branches,
            "aum_average_quarter": list(amounts.values())}  # fmt: skip


def warned(make: Make, before: dict[str, float], after: dict[str, float],
           rule: AttritionRule = RULE) -> set[str]:  # fmt: skip
    """Return the numbers of the customers with a warning."""
    policy = replace(POLICY, attrition=rule)
    found = attrition_warning(make(quarter(before)), make(quarter(after)), policy=policy)
    return {row["customer_id"] for row in rows_of(found) if row["attrition"] == 1}


def test_a_fall_beyond_the_branch_s_median(make: Make) -> None:
    """Everybody lost a tenth after the New Year; only who lost more is warned of."""
    before = dict.fromkeys(["1", "2", "3", "4"], 20_000.0)
    after = {"1": 18_000.0, "2": 18_000.0, "3": 17_999.0, "4": 30_000.0}
    assert warned(make, before, after) == {"3"}


def test_who_did_not_fall_is_not_warned_of(make: Make) -> None:
    """Where most gained, who gained less or stayed the same is no warning."""
    before = dict.fromkeys(["1", "2", "3"], 20_000.0)
    assert warned(make, before, {"1": 30_000.0, "2": 30_000.0, "3": 20_000.0}) == set()


def test_peers_are_of_one_tier(make: Make) -> None:
    """Large customers fell by half, small ones did not: half is no warning among the large."""
    before = dict.fromkeys(["1", "2", "3"], 20_000.0) | dict.fromkeys(["5", "6", "7"], 80_000.0)
    after = before | {"1": 10_000.0} | dict.fromkeys(["5", "6"], 40_000.0) | {"7": 39_000.0}
    assert warned(make, before, after) == {"1", "7"}


def test_lowest_average_and_newcomers(make: Make) -> None:
    """From 10,000 CNY in the previous quarter on; who was not there has nothing to lose."""
    before = {"1": 9_999.99, "2": 10_000.0, "3": 10_000.0, "4": 10_000.0}
    after = {"1": 0.0, "2": 0.0, "3": 10_000.0, "4": 10_000.0, "9": 50_000.0}
    assert warned(make, before, after) == {"2"}
    policy = replace(POLICY, attrition=RULE)
    found = rows_of(attrition_warning(make(quarter(before)), make(quarter(after)), policy=policy))
    rows = {row["customer_id"]: row for row in found}
    assert (rows["9"]["change"], rows["9"]["previous_average"]) == (None, None)
    assert (rows["2"]["change"], rows["2"]["previous_average"]) == (-1, 10_000)
    assert (rows["2"]["median_change"], rows["1"]["median_change"]) == (0, None)


@pytest.mark.parametrize(("smallest", "expected"), [(2, {"A3"}), (3, {"A3", "B2", "B1"})])
def test_too_few_peers_are_compared_with_the_bank(
    make: Make, smallest: int, expected: set[str]
) -> None:
    """Two customers of B who both lost nearly all are each other's median, unless too few."""
    before = dict.fromkeys(["A1", "A2", "A3", "A4", "B1", "B2"], 20_000.0)
    after = before | {"A3": 15_000.0, "B1": 1_000.0, "B2": 1_000.0}
    assert warned(make, before, after, replace(RULE, smallest_group=smallest)) == expected


@pytest.mark.parametrize(("margin", "expected"), [(0.19, {"3"}), (0.2, set())])
def test_margin(make: Make, margin: float, expected: set[str]) -> None:
    """20 % below a median of 0 is beyond a margin of 0.19, and not beyond 0.2."""
    before = dict.fromkeys(["1", "2", "3"], 20_000.0)
    after = before | {"3": 16_000.0}
    assert warned(make, before, after, replace(RULE, margin=margin)) == expected


def test_rates_by_hand(make: Make) -> None:
    """Of three at risk in A one is warned of, with 5,000 of 60,000; B has nobody at risk.

    That another customer of A has 3,000 more does not make up for it.
    """
    before = dict.fromkeys(["1", "2", "3"], 20_000.0) | {"B1": 50.0}
    after = before | {"2": 23_000.0, "3": 15_000.0}
    policy = replace(POLICY, attrition=RULE)
    rows = rows_of(attrition_rate(make(quarter(before)), make(quarter(after)), by="branch_id",
                                  policy=policy))  # fmt: skip
    told = {(row["branch_id"], row["measure"]): row for row in rows}
    rate, outflow = told["A", "attrition_warning_rate"], told["A", "attrition_outflow_share"]
    assert (rate["n"], rate["numerator"], rate["denominator"]) == (3, 1, 3)
    assert (outflow["numerator"], outflow["denominator"]) == (5_000, 60_000)
    assert told["B", "attrition_warning_rate"]["value"] is None


def test_unusable_tables_are_refused(make: Make) -> None:
    """A missing column is told with the date it is missing at."""
    good = quarter({"1": 1.0})
    bad = {name: values for name, values in good.items() if name != "aum_average_quarter"}
    with pytest.raises(UsageError, match=r"opening: unknown column .* 'aum_average_quarter'"):
        attrition_warning(make(bad), make(good))
    bare = {name: values for name, values in good.items() if name != "branch_id"}
    with pytest.raises(UsageError, match="closing: unknown column of customers 'branch_id'"):
        attrition_rate(make(good), make(bare))


AMOUNTS = st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), min_size=1, max_size=15)


@settings(max_examples=12)
@given(AMOUNTS, st.integers(0, 50))
def test_at_most_half_are_warned_of_and_a_margin_warns_of_fewer(
    amounts: list[tuple[int, int]], percent: int
) -> None:
    """Below a median lies at most half of a group; a margin never adds anybody."""
    before = {str(place): float(amount) for place, (amount, _) in enumerate(amounts)}
    after = {str(place): float(amount) for place, (_, amount) in enumerate(amounts)}
    lax = replace(RULE, smallest_group=1)
    found = warned(as_polars, before, after, lax)
    assert warned(as_polars, before, after, replace(lax, margin=percent / 100)) <= found
    policy = replace(POLICY, attrition=lax)
    rates = values_of(attrition_rate(as_polars(quarter(before)), as_polars(quarter(after)),
                                     policy=policy), "measure")  # fmt: skip
    assert (rates["attrition_warning_rate"] or 0) <= 0.5
