"""Dormancy: the two axes, the calendar at its edges, exemptions, clocks and refusals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pandas as pd
import pytest

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.dormancy import dormancy_rate, dormancy_status
from stockcust_analysis.policy import DormancyRule, load_policy
from tests.frames import AS_OF, Columns, rows_of, two_branches, values_of

Make = Callable[[Columns], Any]
RULE = load_policy().dormancy
PLAIN = DormancyRule("plain", cap=500, idle_months=6)


def status_of(make: Make, last: date | None, amount: float, rule: DormancyRule = PLAIN,
              as_of: date = AS_OF) -> str:  # fmt: skip
    """Return the status of one customer."""
    bank = make({"last_active_on": [last], "aum_period_end": [amount]})
    return str(rows_of(dormancy_status(bank, rule, as_of=as_of))[0]["status"])


@pytest.mark.parametrize(
    ("last", "amount", "status"),
    [
        (date(2026, 9, 1), 500.0, "active"),
        (date(2026, 9, 1), 499.99, "active_small"),
        (date(2026, 1, 1), 500.0, "silent"),
        (date(2026, 1, 1), 499.99, "dormant"),
    ],
)
def test_two_axes(make: Make, last: date, amount: float, status: str) -> None:
    """Activity and money give four states; an amount at the cap is not small."""
    assert status_of(make, last, amount) == status


@pytest.mark.parametrize(
    ("as_of", "last", "status"),
    [
        (date(2026, 9, 30), date(2026, 3, 31), "dormant"),
        (date(2026, 9, 30), date(2026, 4, 1), "active_small"),
        (date(2026, 9, 30), date(2026, 9, 30), "active_small"),
        (date(2024, 8, 31), date(2024, 2, 29), "dormant"),
        (date(2024, 8, 31), date(2024, 3, 1), "active_small"),
        (date(2026, 9, 30), None, "dormant"),
    ],
)
def test_period_at_its_edges(make: Make, as_of: date, last: date | None, status: str) -> None:
    """Month ends, 29 February, activity on the day itself, and customers who never acted."""
    assert status_of(make, last, 1.0, as_of=as_of) == status


def test_an_inclusive_cap_takes_the_border_in(make: Make) -> None:
    """Where the rule says 'up to 10 CNY', 10.00 is small and 10.01 is not."""
    rule = DormancyRule("d", cap=10, cap_inclusive=True, idle_days=365)
    assert status_of(make, None, 10.0, rule) == "dormant"
    assert status_of(make, None, 10.01, rule) == "silent"


def test_idle_days(make: Make) -> None:
    """365 days before 30 September 2026 is 30 September 2025: that day is idle, the next not."""
    rule = DormancyRule("d", cap=500, idle_days=365)
    assert status_of(make, date(2025, 9, 30), 1.0, rule) == "dormant"
    assert status_of(make, date(2025, 10, 1), 1.0, rule) == "active_small"


def test_hours_of_the_day_do_not_count() -> None:
    """A time stamp late on the border's day is that day, and on the as-of date is not after it."""
    bank = pd.DataFrame({
        "last_active_on": [datetime(2026, 3, 31, 23, 59), datetime(2026, 9, 30, 23, 59)],
        "aum_period_end": [1.0, 1.0],
    })  # fmt: skip
    status = dormancy_status(bank, PLAIN, as_of=AS_OF)["status"].tolist()
    assert status == ["dormant", "active_small"]


def test_plain_dates_in_pandas() -> None:
    """Python dates in a pandas frame work, also with an empty cell among them; text does not."""
    days = [date(2026, 4, 1), None, date(2026, 3, 31)]
    bank = pd.DataFrame({"last_active_on": days, "aum_period_end": [1.0, 1.0, 1.0]})
    found = dormancy_status(bank, PLAIN, as_of=AS_OF)
    assert found["status"].tolist() == ["active_small", "dormant", "dormant"]
    assert found["last_active_on"].tolist()[0] == date(2026, 4, 1)
    with pytest.raises(UsageError, match="'last_active_on' holds text, not dates"):
        dormancy_status(bank.assign(last_active_on="2026-04-01"), PLAIN, as_of=AS_OF)


def test_hand_counted_bank(make: Make) -> None:
    """Exemption by an unmatured deposit, and every state, as counted by hand."""
    customers, holdings = two_branches()
    found = dormancy_status(make(customers), RULE, as_of=AS_OF, holdings=make(holdings))
    assert values_of(found, "customer_id", value="status") == {
        "1": "active", "2": "silent", "3": "dormant", "4": "active_small", "5": "dormant",
        "6": "silent", "7": "active_small", "8": "dormant",
    }  # fmt: skip
    assert list(rows_of(found)[0]) == [*customers, "status"]
    assert type(found) is type(make(customers))


def test_hand_counted_rates(make: Make) -> None:
    """Among three funded customers of each branch, by number and by money."""
    customers, holdings = two_branches()
    found = dormancy_rate(
        make(customers), RULE, as_of=AS_OF, by="branch_id", holdings=make(holdings)
    )
    values = values_of(found, "branch_id", "measure")
    third = pytest.approx(1 / 3)
    assert values == {
        ("A", "active_rate"): third, ("A", "active_small_rate"): third, ("A", "silent_rate"): third,
        ("A", "dormancy_rate"): 0, ("A", "dormant_aum_share"): 0, ("A", "inactive_rate"): third,
        ("A", "silent_aum_share"): pytest.approx(5_000 / 85_100),
        ("B", "active_rate"): 0, ("B", "active_small_rate"): third, ("B", "silent_rate"): third,
        ("B", "dormancy_rate"): third, ("B", "dormant_aum_share"): pytest.approx(400 / 700),
        ("B", "silent_aum_share"): pytest.approx(300 / 700),
        ("B", "inactive_rate"): pytest.approx(2 / 3),
    }  # fmt: skip
    assert {(row["base"], row["n"]) for row in rows_of(found)} == {("funded", 3)}


def test_column_exempt_stands_in_for_holdings(make: Make) -> None:
    """A true/false column says who is exempt, and stays as it was; an empty cell is no."""
    bank = make({
        "last_active_on": [None, None, None],
        "aum_period_end": [1.0, 1.0, 1.0],
        "exempt": [True, False, False],
    })  # fmt: skip
    rows = rows_of(dormancy_status(bank, RULE, as_of=AS_OF))
    assert [row["status"] for row in rows] == ["silent", "dormant", "dormant"]
    assert [row["exempt"] for row in rows] == [True, False, False]


def test_exemptions_unknown_are_refused(make: Make) -> None:
    """A rule with exemptions needs holdings or the column that says who is exempt."""
    customers, _ = two_branches()
    with pytest.raises(
        UsageError, match=r"'rural_6m_500' exempts unmatured_time_deposit.*holdings"
    ):
        dormancy_rate(make(customers), RULE, as_of=AS_OF)


@pytest.mark.parametrize(
    ("matures", "status"),
    [
        (date(2026, 3, 31), "dormant"),
        (date(2026, 4, 1), "active_small"),
        (AS_OF, "active_small"),
        (date(2026, 10, 1), "dormant"),
        (None, "dormant"),
    ],
)
def test_last_maturity_restarts_the_clock(make: Make, matures: date | None, status: str) -> None:
    """A holding that matured inside the period counts as activity; one yet to mature does not."""
    bank = make({"customer_id": ["1"], "last_active_on": [None], "aum_period_end": [1.0]})
    accounts = make({
        "customer_id": ["1"], "product": ["wealth"], "balance": [1.0], "matures_on": [matures],
    })  # fmt: skip
    found = dormancy_status(bank, PLAIN, as_of=AS_OF, holdings=accounts)
    assert rows_of(found)[0]["status"] == status


@pytest.mark.parametrize(
    ("product", "balance", "matures", "used", "status"),
    [
        ("time_deposit", 1.0, date(2026, 10, 1), None, "silent"),
        ("time_deposit", 1.0, None, None, "silent"),
        ("time_deposit", 0.0, date(2026, 10, 1), None, "dormant"),
        ("time_deposit", 1.0, date(2026, 1, 1), None, "dormant"),
        ("loan", 1.0, None, None, "silent"),
        ("loan", 0.0, None, None, "dormant"),
        ("insurance", 0.0, date(2030, 1, 1), None, "silent"),
        ("social_security_card", 0.0, None, None, "silent"),
        ("payroll", 0.0, None, True, "silent"),
        ("payroll", 0.0, None, False, "dormant"),
        ("demand_deposit", 1.0, None, None, "dormant"),
    ],
)
def test_what_exempts(make: Make, product: str, balance: float, matures: date | None,
                      used: bool | None, status: str) -> None:  # fmt: skip
    """Each exemption of the rural rule holds while the product is in use, and not after."""
    bank = make({"customer_id": ["1"], "last_active_on": [None], "aum_period_end": [1.0]})
    accounts = make({
        "customer_id": ["1", "other"],
        "product": [product, "demand_deposit"],
        "balance": [balance, 0.0],
        "matures_on": [matures, None],
        "used_recently": [used, False],
    })  # fmt: skip
    found = dormancy_status(bank, RULE, as_of=AS_OF, holdings=accounts)
    assert rows_of(found)[0]["status"] == status


def test_activity_after_the_as_of_date_is_refused(make: Make) -> None:
    """A snapshot of another day is recognised, and told with the number of rows, no names."""
    bank = make({"last_active_on": [date(2026, 10, 1), AS_OF], "aum_period_end": [1.0, 1.0]})
    with pytest.raises(UsageError, match="'last_active_on' is after 2026-09-30 in 1 rows"):
        dormancy_status(bank, PLAIN, as_of=AS_OF)


def test_missing_amounts_are_refused(make: Make) -> None:
    """NaN is neither small nor large: it is refused."""
    bank = make({"last_active_on": [None, None], "aum_period_end": [1.0, float("nan")]})
    with pytest.raises(UsageError, match="'aum_period_end' is missing or infinite in 1 rows"):
        dormancy_status(bank, PLAIN, as_of=AS_OF)


def test_two_snapshots_in_one_table_are_refused(make: Make) -> None:
    """A rate over two as-of dates would count every customer twice."""
    customers, holdings = two_branches()
    customers["as_of"][0] = date(2026, 6, 30)
    with pytest.raises(UsageError, match="customers hold 2 as-of dates"):
        dormancy_rate(make(customers), RULE, as_of=AS_OF, holdings=make(holdings))
