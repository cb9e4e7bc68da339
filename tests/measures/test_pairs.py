"""Two dates side by side: who is there, who left, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from stockcust_analysis.core.frames import as_lazy
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import PERIOD_END, Request, customers_of
from stockcust_analysis.measures.two_dates import by_group, pair_customers, with_states
from stockcust_analysis.policy import Bases, load_policy
from tests.frames import Columns, rows_of

Make = Callable[[Columns], Any]
VALUE = "aum_period_end"


def pairs_of(
    opening: Any, closing: Any, *, labels: Sequence[str] = (), bases: Bases | None = None
) -> Any:
    """Return the pairs of two analysts' tables."""
    policy = load_policy()
    policy = replace(policy, bases=bases or policy.bases)
    return pair_customers(opening, Request.of(closing, labels, "all", policy), VALUE)


def checked(bank: Any, when: str, *, by: Sequence[str] = ()) -> Any:
    """Return one date's customers, checked."""
    return customers_of(Request.of(bank, by, "all", None), when, VALUE)


def test_one_row_per_customer_of_either_date(make: Make) -> None:
    """Who is not there counts 0, has 0 cents, is not funded, and keeps the other date's label."""
    opening = make({"customer_id": ["1", "2"], "branch_id": ["A", "B"], VALUE: [0.29, 500.0]})
    closing = make({"customer_id": ["2", "3"], "branch_id": ["C", "D"], VALUE: [99.99, 100.0]})
    found = rows_of(pairs_of(opening, closing, labels=["branch_id"]).to_native())
    rows = {row["customer_id"]: row for row in found}
    assert len(found) == len(rows)
    dates = ("opening", "closing")
    columns = ("there", f"funded_by_{PERIOD_END}", PERIOD_END, "branch_id")
    told = {
        number: [tuple(row[f"{d}_{name}"] for name in columns) for d in dates]
        for number, row in rows.items()
    }
    assert told == {
        "1": [(1, 0, 29, "A"), (0, 0, 0, "A")],
        "2": [(1, 1, 50_000, "B"), (1, 0, 9_999, "C")],
        "3": [(0, 0, 0, "D"), (1, 1, 10_000, "D")],
    }


def test_funded_is_judged_by_the_amount_compared(make: Make) -> None:
    """The quarter's average plays no part, a loan and another border do."""
    bank = make({
        "customer_id": ["1", "2"], VALUE: [50.0, 0.0], "aum_average_quarter": [500.0, 500.0],
        "loan_balance": [0.0, 1.0],
    })  # fmt: skip
    for bases, expected in ((None, [0, 1]), (Bases(funded=50), [1, 1])):
        rows = rows_of(pairs_of(bank, bank, bases=bases).to_native())
        found = {row["customer_id"]: row[f"opening_funded_by_{PERIOD_END}"] for row in rows}
        assert list(map(found.get, "12")) == expected


def test_states_exclude_each_other(make: Make) -> None:
    """New, closed, drained, returned or none of them; of two rows the departing one has none."""
    opening = make({
        "customer_id": ["1", "2", "3", "4"], "branch_id": ["A"] * 4,
        VALUE: [500.0, 500.0, 1.0, 500.0],
    })  # fmt: skip
    closing = make({
        "customer_id": ["2", "3", "4", "5"], "branch_id": ["B", "A", "A", "A"],
        VALUE: [1.0, 500.0, 400.0, 9.0],
    })  # fmt: skip
    pairs = by_group(pairs_of(opening, closing, labels=["branch_id"]), ["branch_id"])
    went = with_states(pairs, PERIOD_END)
    states = ("new", "closed", "drained", "returned", "arrived", "departed")
    found = {
        (row["customer_id"], row["branch_id"]): [name for name in states if row[name]]
        for row in rows_of(went.to_native())
    }
    assert found == {
        ("1", "A"): ["closed"], ("2", "A"): ["departed"], ("2", "B"): ["drained", "arrived"],
        ("3", "A"): ["returned"], ("4", "A"): [], ("5", "A"): ["new"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("closed", "dated", "kept"),
    [
        (date(2026, 9, 30), True, 0),
        (date(2026, 10, 1), True, 1),
        (None, True, 1),
        (date(2026, 10, 1), False, 0),
        (None, False, 1),
    ],
)
def test_who_has_left(make: Make, closed: date | None, dated: bool, kept: int) -> None:
    """A closing day up to the row's as-of date ends the relationship; without as_of any does."""
    bank = {"customer_id": ["1", "2"], "closed_on": [closed, None], VALUE: [1.0, 1.0]}
    bank |= {"as_of": [date(2026, 9, 30)] * 2} if dated else {}
    table = checked(make(bank), "closing")
    assert len(rows_of(table.to_native())) == kept + 1


def test_a_customer_in_two_rows_is_refused(make: Make) -> None:
    """Rows that repeat a customer are counted, by date, and nobody is named."""
    bank = make({"customer_id": ["7777", "7777", "7777", "2"], VALUE: [1.0] * 4})
    with pytest.raises(UsageError, match="closing: customers: 2 rows repeat") as caught:
        checked(bank, "closing")
    assert "7777" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"customer_id": ["1", None]}, "opening: customers: 'customer_id' is empty in 1 rows"),
        ({"branch_id": ["A", None]}, "opening: customers: 'branch_id' is empty in 1 rows"),
        ({VALUE: [1.0, -1.0]}, "opening: customers: 'aum_period_end' is negative in 1 rows"),
        ({VALUE: [1.0, None]}, "opening: .*'aum_period_end' is missing or infinite in 1 rows"),
        ({"as_of": [date(2026, 6, 30), date(2026, 9, 30)]}, "opening: customers hold 2 as-of"),
    ],
)
def test_rows_that_cannot_be_placed_are_refused(make: Make, change: Columns, message: str) -> None:
    """Without an id, a group or an amount, or with two dates, a row belongs nowhere."""
    bank = {"customer_id": ["1", "2"], "branch_id": ["A", "A"], VALUE: [1.0, 1.0]}
    with pytest.raises(UsageError, match=message):
        checked(make(bank | change), "opening", by=["branch_id"])


def test_ids_are_needed(make: Make) -> None:
    """Two dates cannot be compared without the customers' numbers."""
    with pytest.raises(UsageError, match="opening: unknown column of customers 'customer_id'"):
        checked(as_lazy(make({VALUE: [1.0]})).to_native(), "opening")
