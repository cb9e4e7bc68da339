"""Tiers: borders to the cent, and counts that add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.tiers import assign_tiers, tier_counts
from stockcust_analysis.policy import load_policy
from tests.frames import Columns, as_polars, rows_of, two_branches, values_of, without_activity

Make = Callable[[Columns], Any]
SCHEME = load_policy().tiers


def test_borders_belong_to_the_upper_tier(make: Make) -> None:
    """One cent below each border is the lower tier, the border itself the upper one."""
    amounts = [0.0, 99.99, 100.0, 9_999.99, 10_000.0, 49_999.99, 50_000.0, 499_999.99, 500_000.0,
               5_999_999.99, 6_000_000.0]  # fmt: skip
    rows = rows_of(assign_tiers(make({"aum_average_quarter": amounts}), SCHEME))
    assert [row["tier"] for row in sorted(rows, key=lambda row: row["aum_average_quarter"])] == [
        "residual", "residual", "potential", "potential", "effective", "effective", "mid", "mid",
        "high", "high", "private",
    ]  # fmt: skip


def test_table_keeps_its_kind_and_columns(make: Make) -> None:
    """The same kind of table comes back, with one column more; the one given is unchanged."""
    customers, _ = two_branches()
    bank = make(without_activity(customers))
    tiered = assign_tiers(bank, SCHEME)
    assert type(tiered) is type(bank)
    assert list(rows_of(tiered)[0]) == [*rows_of(bank)[0], "tier"]


@pytest.mark.parametrize("amount", [None, float("nan"), -0.01])
def test_amounts_without_a_tier_are_refused(make: Make, amount: float | None) -> None:
    """Missing and negative amounts belong to no tier and are counted in the refusal."""
    with pytest.raises(UsageError, match=r"'aum_average_quarter' is .* in 1 rows"):
        assign_tiers(make({"aum_average_quarter": [1.0, amount]}), SCHEME)


def test_missing_column_is_named(make: Make) -> None:
    """A frame without the scheme's column is refused by the column's name."""
    with pytest.raises(UsageError, match="unknown column of customers 'aum_average_quarter'"):
        assign_tiers(make({"aum_average_quater": [1.0]}), SCHEME)


def test_hand_counted_tiers(make: Make) -> None:
    """A: one mid, two potential, one residual; B: two potential, two residual."""
    customers, _ = two_branches()
    found = tier_counts(make(without_activity(customers)), SCHEME, by="branch_id")
    counts = values_of(found, "branch_id", "measure", "tier")
    assert [counts["A", "tier_customers", tier] for tier in SCHEME.names] == [1, 2, 0, 1, 0, 0]
    assert [counts["B", "tier_customers", tier] for tier in SCHEME.names] == [2, 2, 0, 0, 0, 0]
    assert counts["A", "tier_aum", "potential"] == pytest.approx(5_150)
    assert counts["A", "tier_aum_share", "mid"] == pytest.approx(60_000 / 65_200)
    assert counts["B", "tier_customer_share", "residual"] == 0.5


def test_result_is_the_measure_frame_with_tier(make: Make) -> None:
    """The extra column stands after the measure; tiers come in their order; counts divide by 1."""
    customers, _ = two_branches()
    rows = rows_of(tier_counts(make(without_activity(customers)), SCHEME, base="funded"))
    columns = ["measure", "tier", "base", "n", "numerator", "denominator", "value"]
    assert list(rows[0]) == columns
    counted = [row for row in rows if row["measure"] == "tier_customers"]
    assert [row["tier"] for row in counted] == list(SCHEME.names)
    # 1, 2, 4, 5 and 6 have 100 CNY; 7's loan is not in this frame.
    assert {(row["base"], row["n"], row["denominator"]) for row in counted} == {("funded", 5, 1)}


def test_loan_in_customers_makes_funded(make: Make) -> None:
    """With a loan balance in the frame customer 7 is funded too; an empty one is no loan."""
    customers, _ = two_branches()
    loans = {"loan_balance": [None, None, 0.0, None, None, None, 1_000.0, None]}
    bank = make(without_activity(customers) | loans)
    assert {row["n"] for row in rows_of(tier_counts(bank, SCHEME, base="funded"))} == {6}


def test_empty_base_keeps_the_branch(make: Make) -> None:
    """Branch B has no effective customer: the potential ones do not count, shares are empty."""
    customers, _ = two_branches()
    found = tier_counts(make(without_activity(customers)), SCHEME, by="branch_id", base="effective")
    counts = values_of(found, "branch_id", "measure", "tier")
    assert counts["B", "tier_customers", "potential"] == 0
    assert counts["B", "tier_customer_share", "potential"] is None
    assert counts["A", "tier_customers", "mid"] == 1


CUSTOMERS = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 10**10)), min_size=1,
                     max_size=30)  # fmt: skip


@settings(max_examples=12)
@given(CUSTOMERS)
def test_branches_add_up_to_the_bank(customers: list[tuple[str, int]]) -> None:
    """Counts and sums of branches, and of tiers, add up to the bank's, to the cent."""
    bank = as_polars({
        "branch_id": [branch for branch, _ in customers],
        "aum_average_quarter": [cents / 100 for _, cents in customers],
    })  # fmt: skip
    whole = values_of(tier_counts(bank, SCHEME), "measure", "tier")
    parts = Counter[tuple[str, str]]()
    for row in rows_of(tier_counts(bank, SCHEME, by="branch_id")):
        parts[row["measure"], row["tier"]] += row["value"] or 0
    for measure in ("tier_customers", "tier_aum"):
        for tier in SCHEME.names:
            assert parts[measure, tier] == pytest.approx(whole[measure, tier])
    assert sum(whole["tier_customers", tier] for tier in SCHEME.names) == len(customers)
    assert sum(whole["tier_aum", tier] for tier in SCHEME.names) == (
        pytest.approx(sum(cents for _, cents in customers) / 100)
    )
