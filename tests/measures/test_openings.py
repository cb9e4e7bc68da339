"""Openings nobody uses: when an account comes of age, and what counts as use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.holdings import unused_openings
from stockcust_analysis.measures.population import customer_facts
from tests.frames import AS_OF, Columns, as_polars, rows_of

Make = Callable[[Columns], Any]
AGES = ("90_days", "6_months")


def account(**columns: Any) -> dict[str, list[Any]]:
    """Return an empty fund account opened on 1 June 2026, with some columns changed."""
    held = {"customer_id": "1", "product": "fund", "balance": 0.0, "opened_on": date(2026, 6, 1)}
    return {name: [value] for name, value in (held | columns).items()}


def facts(make: Make, customers: list[str], holdings: Columns, as_of: date = AS_OF) -> Any:
    """Return customers, each in a branch of the same number, with what they opened."""
    bank = {"customer_id": customers, "branch_id": customers,
            "customer_type": ["personal"] * len(customers),
            "last_active_on": [date(2025, 1, 1)] * len(customers)}  # fmt: skip
    return customer_facts(make(bank), make(holdings), as_of=as_of)


def told(make: Make, holdings: Columns, age: str = "90_days", as_of: date = AS_OF) -> Any:
    """Return (unused, opened) of one customer's accounts at an age."""
    rows = rows_of(unused_openings(facts(make, ["1"], holdings, as_of)))
    row = next(row for row in rows if row["measure"] == f"unused_openings_{age}")
    return row["numerator"], row["denominator"]


@pytest.mark.parametrize(
    ("opened", "age", "counts"),
    [
        (date(2026, 7, 2), "90_days", 1),
        (date(2026, 7, 3), "90_days", 0),
        (date(2026, 4, 2), "90_days", 1),
        (date(2026, 4, 1), "90_days", 0),
        (date(2026, 3, 31), "6_months", 1),
        (date(2026, 4, 1), "6_months", 0),
        (date(2026, 1, 1), "6_months", 1),
        (date(2025, 12, 31), "6_months", 0),
        (None, "6_months", 0),
    ],
)
def test_coming_of_age(make: Make, opened: date | None, age: str, counts: int) -> None:
    """90 days before 30 September is 2 July; the quarter before began 90 days before 30 June."""
    holdings = {name: values * 2 for name, values in account(opened_on=opened).items()}
    holdings |= {"customer_id": ["1", "x"], "opened_on": [opened, date(2001, 1, 1)]}
    assert told(make, holdings, age) == (counts, counts)


@pytest.mark.parametrize(
    ("columns", "unused"),
    [
        ({}, 1),
        ({"balance": 0.01}, 0),
        ({"product": "credit_card", "used_recently": True}, 0),
        ({"product": "credit_card", "used_recently": False}, 1),
        ({"product": "insurance", "matures_on": date(2027, 1, 1)}, 0),
        ({"last_active_on": date(2026, 6, 1)}, 1),
        ({"last_active_on": date(2026, 6, 2)}, 0),
        ({"last_active_on": None, "matures_on": None}, 1),
        # Banks that deliver closed accounts show a deposit paid back when it fell due at 0.
        ({"product": "time_deposit", "matures_on": date(2026, 9, 30)}, 0),
        ({"product": "time_deposit", "matures_on": date(2026, 10, 1)}, 1),
        ({"product": "time_deposit", "matures_on": date(2026, 6, 1)}, 1),
    ],
)
def test_what_counts_as_use(make: Make, columns: dict[str, Any], unused: int) -> None:
    """A balance, a card used, a policy in force, a maturity passed, any move after opening."""
    assert told(make, account(**columns)) == (unused, 1)


def test_channels_are_no_openings(make: Make) -> None:
    """Mobile banking is a channel and not counted, here as elsewhere."""
    assert told(make, account(product="mobile_banking")) == (0, 0)


def test_every_opening_is_judged_once_at_each_age() -> None:
    """Over eight quarter ends each day's opening comes up exactly once at 90 days and 6 months."""
    ends = [date(year, month, day) for year in (2025, 2026)
            for month, day in ((3, 31), (6, 30), (9, 30), (12, 31))]  # fmt: skip
    days = [date(2025, 2, 28), date(2025, 3, 31), date(2025, 7, 1), date(2025, 12, 31)]
    customers = [str(number) for number in range(len(days))]
    holdings = {name: values * len(days) for name, values in account().items()}
    holdings |= {"customer_id": customers, "opened_on": days}
    judged = Counter[tuple[str, str]]()
    for end in ends:
        bank = facts(as_polars, customers, holdings, end)
        for row in rows_of(unused_openings(bank, by="branch_id")):
            judged[row["branch_id"], row["measure"]] += row["denominator"]
    assert judged == {(one, f"unused_openings_{age}"): 1 for one in customers for age in AGES}


def test_branches_and_unfunded_customers(make: Make) -> None:
    """Who holds nothing but the unused account counts, in his branch; others have no rate."""
    bank = facts(make, ["1", "2"], account())
    rows = rows_of(unused_openings(bank, by="branch_id"))
    found = {(row["branch_id"], row["measure"]): (row["base"], row["n"], row["value"])
             for row in rows}  # fmt: skip
    assert found["1", "unused_openings_90_days"] == ("all", 1, 1)
    assert found["2", "unused_openings_90_days"] == ("all", 1, None)


def test_days_of_opening_are_needed(make: Make) -> None:
    """Without `opened_on` there is nothing to tell."""
    bare = {name: values for name, values in account().items() if name != "opened_on"}
    with pytest.raises(UsageError, match="do not say what they opened"):
        told(make, bare)
