"""Tenure: bands day to day, and the customers of a year."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from stockcust_analysis.core.frames import Calendar, as_lazy
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.cross_sell import products_per_customer
from stockcust_analysis.measures.population import tenure_columns
from tests.frames import AS_OF, Columns, rows_of, two_branches

Make = Callable[[Columns], Any]


def with_tenure(frame: Any, as_of: date = AS_OF) -> Any:
    """Return customers with their band of years and whether they are established."""
    table = as_lazy(frame)
    return table.with_columns(**tenure_columns(table, Calendar((as_of,)))).to_native()


@pytest.mark.parametrize(
    ("since", "tenure", "established"),
    [
        (date(2026, 9, 30), 0, 0),
        (date(2025, 10, 1), 0, 0),
        (date(2025, 9, 30), 1, 1),
        (date(2023, 10, 1), 1, 1),
        (date(2023, 9, 30), 3, 1),
        (date(2021, 9, 30), 5, 1),
        (date(1999, 1, 1), 10, 1),
    ],
)
def test_bands_at_their_borders(make: Make, since: date, tenure: int, established: int) -> None:
    """A customer of exactly so many years is in the band that begins with them."""
    found = rows_of(with_tenure(make({"relationship_since": [since]})))[0]
    assert (found["tenure"], found["established"]) == (tenure, established)


def test_leap_day(make: Make) -> None:
    """Since 29 February 2024: a year on 28 February 2025, a month's last day, not a day before."""
    bank = make({"relationship_since": [date(2024, 2, 29)]})
    told = [rows_of(with_tenure(bank, date(2025, 2, day)))[0]["tenure"] for day in (27, 28)]
    assert told == [0, 1]


def test_an_unknown_first_day_counts_as_new(make: Make) -> None:
    """Empty: no years, not established; on every engine alike."""
    days = [date(2020, 1, 1), None, AS_OF]
    told = rows_of(with_tenure(make({"relationship_since": days})))
    assert sorted((row["tenure"], row["established"]) for row in told) == [(0, 0), (0, 0), (5, 1)]


def test_cross_sell_of_established_customers(make: Make) -> None:
    """Of the funded customers of A, 4 is new: 1 and 2 hold three families."""
    customers, holdings = two_branches()
    customers["relationship_since"] = [date(2020, 1, 1)] * 3 + [AS_OF] * 5
    bank = with_tenure(make(customers))
    rows = rows_of(
        products_per_customer(bank, holdings=make(holdings), by="branch_id", base="established")
    )
    assert [(row["base"], row["n"], row["numerator"]) for row in rows] == [
        ("established", 2, 3), ("established", 0, 0)]  # fmt: skip


def test_the_base_needs_its_column(make: Make) -> None:
    """Without a first day nobody knows who is established."""
    customers, holdings = two_branches()
    with pytest.raises(UsageError, match="base 'established': 'established' missing"):
        products_per_customer(make(customers), holdings=make(holdings), base="established")
