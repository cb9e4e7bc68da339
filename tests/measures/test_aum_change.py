"""What a change of assets is made of: number and size, exact to the cent."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.growth import aum_change
from tests.frames import Columns, as_pandas, rows_of

Make = Callable[[Columns], Any]


def told(frame: Any) -> dict[tuple[str, str], tuple[float, float | None]]:
    """Return numerator and value by branch and measure."""
    return {(row["branch_id"], row["measure"]): (row["numerator"], row["value"])
            for row in rows_of(frame)}  # fmt: skip


def bank(make: Make, **branches: list[float]) -> Any:
    """Return the customers of some branches with their AUM."""
    rows = [(name, amount) for name, amounts in branches.items() for amount in amounts]
    return make({"branch_id": [name for name, _ in rows],
                 "aum_period_end": [amount for _, amount in rows]})  # fmt: skip


def test_split_by_hand(make: Make) -> None:
    """A: 4 of mean 100 become 5 of 120: 110 by number, 90 by size. B is new, C is gone."""
    opening = bank(make, A=[100.0] * 4, C=[70.0])
    closing = bank(make, A=[100.0, 100.0, 100.0, 100.0, 200.0], B=[40.0])
    found = told(aum_change(opening, closing, by="branch_id", base="all"))
    assert found["A", "aum_change"] == (200, 0.5)
    assert found["A", "aum_change_by_number"] == (110, 0.275)
    assert found["A", "aum_change_by_size"] == (90, 0.225)
    assert found["B", "aum_change_by_number"] == (40, None)
    assert found["B", "aum_change_by_size"] == (0, None)
    assert found["C", "aum_change_by_number"] == (-70, -1)
    rows = rows_of(aum_change(opening, closing, by="branch_id", base="all"))
    assert {row["branch_id"]: row["n"] for row in rows} == {"A": 5, "B": 1, "C": 0}


def test_the_base_is_judged_at_each_date(make: Make) -> None:
    """Who enters the base between the dates adds to its number."""
    tables = [make({"aum_period_end": amounts, "aum_average_quarter": amounts})
              for amounts in ([200.0, 50.0], [200.0, 200.0])]  # fmt: skip
    rows = {row["measure"]: row["numerator"] for row in rows_of(aum_change(*tables))}
    assert rows == {"aum_change": 200, "aum_change_by_number": 200, "aum_change_by_size": 0}


def test_unusable_amounts_are_refused(make: Make) -> None:
    """Missing amounts are refused at either date."""
    with pytest.raises(UsageError, match="'aum_period_end' is missing or infinite in 1 rows"):
        aum_change(bank(make, A=[1.0]), bank(make, A=[float("nan")]), base="all")


CENTS = st.lists(st.integers(0, 10**12), max_size=12)


@settings(max_examples=12)
@given(CENTS, CENTS)
def test_parts_add_up_to_the_cent(before: list[int], after: list[int]) -> None:
    """Number and size add up to the change exactly, and are right to half a cent."""
    frames = [bank(as_pandas, A=[amount / 100 for amount in cents]) for cents in (before, after)]
    frames = [frame.astype({"aum_period_end": float}) for frame in frames]
    found = {key: round(value[0] * 100) for key, value in
             told(aum_change(*frames, by="branch_id", base="all")).items()}  # fmt: skip
    if before or after:
        change = sum(after) - sum(before)
        number, size = found["A", "aum_change_by_number"], found["A", "aum_change_by_size"]
        assert number + size == found["A", "aum_change"] == change
    if before and after:
        means = [Fraction(sum(cents), len(cents)) for cents in (before, after)]
        assert abs(number - (len(after) - len(before)) * sum(means) / 2) <= Fraction(51, 100)
