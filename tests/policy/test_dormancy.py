"""Rules of dormancy and of the attrition warning: the calendar, and what cannot be followed."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from stockcust_analysis.errors import PolicyError
from stockcust_analysis.policy import AttritionRule, DormancyRule, load_policy


@pytest.mark.parametrize(
    ("months", "as_of", "border"),
    [
        (12, date(2025, 2, 28), date(2024, 2, 29)),
        (12, date(2024, 2, 29), date(2023, 2, 28)),
        (12, date(2025, 2, 27), date(2024, 2, 27)),
        (6, date(2026, 9, 30), date(2026, 3, 31)),
        (6, date(2026, 8, 31), date(2026, 2, 28)),
        (180, date(2026, 9, 30), date(2011, 9, 30)),
    ],
)
def test_idle_months_day_to_day(months: int, as_of: date, border: date) -> None:
    """On a month's last day the earlier month counts whole, also in leap years."""
    assert DormancyRule("d", idle_months=months).cutoff(as_of) == border


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "needs either idle_months or idle_days, at least 1"),
        ({"idle_months": 6, "idle_days": 180}, "needs either idle_months or idle_days"),
        ({"idle_days": 0}, "needs either idle_months or idle_days, at least 1"),
        ({"idle_months": 6, "cap": -1.0}, "the cap cannot be negative"),
        ({"idle_months": 6, "cap_per": "card"}, "cap_per takes total, account; not 'card'"),
        ({"idle_months": 6, "clock": ()}, "clock takes one or more of transaction, maturity"),
        ({"idle_months": 6, "clock": ("login",)}, r"contact, opening; not \[login\]"),
    ],
)
def test_rules_nobody_could_follow(wrong: dict[str, Any], message: str) -> None:
    """Each impossible setting is named, with what is allowed."""
    with pytest.raises(PolicyError, match=f"dormancy rule 'own': .*{message}"):
        DormancyRule("own", **wrong)


def test_all_that_is_wrong_is_told_at_once() -> None:
    """Three mistakes make one error."""
    with pytest.raises(PolicyError, match=r"idle_months.*negative.*cap_per"):
        DormancyRule("own", cap=-1, cap_per="card")


@pytest.mark.parametrize(
    ("rule", "accounts"),
    [
        (DormancyRule("d", idle_months=6), False),
        (DormancyRule("d", idle_months=6, cap_per="account"), True),
        (DormancyRule("d", idle_months=6, products=("fund",)), True),
    ],
)
def test_which_rules_look_at_accounts(rule: DormancyRule, accounts: bool) -> None:
    """A cap per account, or of some products, cannot be told from the customer's AUM."""
    assert rule.looks_at_accounts == accounts


@pytest.mark.parametrize("wrong", [{"lowest_average": 0}, {"smallest_group": 0}])
def test_impossible_attrition_rules(wrong: dict[str, Any]) -> None:
    """An average of nothing and no peers at all are refused."""
    with pytest.raises(PolicyError, match="attrition: lowest_average must be above 0, smallest"):
        AttritionRule(**wrong)


def test_shipped_attrition_rule() -> None:
    """The shipped policy warns from 10,000 CNY on."""
    assert load_policy().attrition.lowest_average == 10_000
