"""The whale curve: profit of the best customers, losses of the last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.concentration import whale_curve
from tests.frames import Columns, as_polars, rows_of, values_of

Make = Callable[[Columns], Any]


def test_profit_and_losses_by_hand(make: Make) -> None:
    """Of 60, 50, 0, −10: 60 %, 110 % and 110 % after each, and 100 % in the end."""
    curve = values_of(whale_curve(make({"contribution": [-10.0, 50.0, 0.0, 60.0]})),
                      "customer_share", value="value_share")  # fmt: skip
    assert [curve[share] for share in (0, 0.25, 0.5, 0.75, 1)] == pytest.approx(
        [0, 0.6, 1.1, 1.1, 1]
    )
    assert curve[0.1] == pytest.approx(0.24)


def test_losses_have_no_shares(make: Make) -> None:
    """A branch whose customers cost more than they earn, or exactly that, has no curve."""
    bank = make({"branch_id": [*"AABBCC"], "contribution": [2.0, -5.0, 3.0, -3.0, 3.0, -1.0]})
    rows = rows_of(whale_curve(bank, by="branch_id"))
    shares = {branch: {row["value_share"] is None for row in rows if row["branch_id"] == branch}
              for branch in "ABC"}  # fmt: skip
    assert shares == {"A": {True}, "B": {True}, "C": {False}}
    peak = max(row["value_share"] for row in rows if row["branch_id"] == "C")
    assert peak == pytest.approx(1.5)


def test_missing_contributions_are_refused(make: Make) -> None:
    """Negative is allowed here, missing is not."""
    with pytest.raises(UsageError, match="'contribution' is missing or infinite in 1 rows"):
        whale_curve(make({"contribution": [-1.0, None]}))


@settings(max_examples=12)
@given(st.lists(st.integers(-1_000, 1_000), min_size=1, max_size=100).filter(lambda c: sum(c) > 0))
def test_the_curve_adds_up_the_best(contributions: list[int]) -> None:
    """At every whole customer the curve is the sum of the best so far; its peak, all gains."""
    values = [float(amount) for amount in contributions]
    curve = values_of(whale_curve(as_polars({"contribution": values})), "customer_share",
                      value="value_share")  # fmt: skip
    best, size, total = sorted(values, reverse=True), len(values), sum(values)
    for customers in range(size + 1):
        if customers * 100 % size == 0:
            expected = sum(best[:customers]) / total
            assert curve[customers * 100 // size / 100] == pytest.approx(expected, abs=1e-9)
    assert max(curve.values()) <= sum(value for value in values if value > 0) / total + 1e-9
