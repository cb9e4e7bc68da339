"""Rules: what tiers, dormancy rules and families refuse, and that a policy cannot be changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from datetime import date

import pytest

from stockcust_analysis.errors import PolicyError
from stockcust_analysis.policy import (
    AttritionRule,
    Bases,
    DormancyRule,
    Family,
    Indicator,
    Policy,
    ProductFamilies,
    Tier,
    TierScheme,
    Veto,
    WorkListRule,
    load_policy,
)
from stockcust_analysis.policy.service import ModelRule
from stockcust_analysis.report.plan import ReportOptions


@pytest.mark.parametrize(
    ("borders", "message"),
    [
        ([], "must begin at 0"),
        ([1, 2], "must begin at 0"),
        ([0, 5, 5], "must rise from tier to tier: t1 5 ≥ t2 5.$"),
        ([0, 5, 4, 9], "must rise from tier to tier: t1 5 ≥ t2 4.$"),
        ([0, 6e6, 5_000_000.5], "t1 6,000,000 ≥ t2 5,000,000.5"),
    ],
)
def test_tier_scheme_covers_every_amount_once(borders: list[float], message: str) -> None:
    """Borders that would leave an amount without a tier, or with two, are refused."""
    tiers = tuple(Tier(f"t{place}", lower, "", "") for place, lower in enumerate(borders))
    with pytest.raises(PolicyError, match=message):
        TierScheme("own", tiers)


def test_tier_names_are_unique() -> None:
    """Two tiers of one name are refused."""
    with pytest.raises(PolicyError, match="name twice"):
        TierScheme("own", (Tier("a", 0, "", ""), Tier("a", 5, "", "")))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bases(funded=-3), "bases: funded must not be negative"),
        (lambda: Bases(50_000, 100), "bases: funded must not lie above effective"),
        (lambda: AttritionRule(margin=20), "margin must lie between 0 and 1: 20% is 0.2"),
        (lambda: AttritionRule(margin=-0.1), "margin must lie between 0 and 1"),
        (lambda: WorkListRule(upgrade_from=-1, silent_from=-1), "upgrade_from, silent_from must"),
        (lambda: ModelRule("early_warning", "P", seed=-1), "seed must not be negative"),
        (lambda: Veto("v", "gini", above=1, most_points=-5), "most_points must not be negative"),
        (
            lambda: Indicator("gini", 9, floor=80, ceiling=120),
            "floor must lie below the ceiling, from 0 to 1",
        ),
    ],
)
def test_impossible_numbers_are_refused(make: Callable[[], object], message: str) -> None:
    """Amounts and points below zero, borders in the wrong order, percentages for shares."""
    with pytest.raises(PolicyError, match=message):
        make()


def test_no_customers_need_to_be_apart() -> None:
    """A bank may count everybody as funded, and every funded customer as effective."""
    assert (Bases(0, 0).funded, AttritionRule(margin=0).margin) == (0, 0)


@pytest.mark.parametrize("period", [{}, {"idle_months": 6, "idle_days": 180}, {"idle_days": 0}])
def test_dormancy_rule_has_one_idle_period(period: dict[str, int]) -> None:
    """A rule has months or days, not both, not neither, and at least one of them."""
    with pytest.raises(PolicyError, match="either idle_months or idle_days"):
        DormancyRule("own", cap=500, **period)  # type: ignore[arg-type]


def test_dormancy_cap_is_not_negative() -> None:
    """A cap below zero is refused."""
    with pytest.raises(PolicyError, match="cap cannot be negative"):
        DormancyRule("own", cap=-1, idle_months=6)


def test_idle_days_are_counted_one_by_one() -> None:
    """365 days before 1 March 2025 is 1 March 2024: the leap day lies before."""
    assert DormancyRule("d", cap=1, idle_days=365).cutoff(date(2025, 3, 1)) == date(2024, 3, 1)
    assert DormancyRule("d", cap=1, idle_days=365).cutoff(date(2024, 3, 1)) == date(2023, 3, 2)


def test_one_name_is_no_list_of_letters() -> None:
    """A rule made by hand takes a text for a list of one: letters would be nobody's scope."""
    given = {"scope": "personal", "products": "fund", "exempt": "loan", "clock": "maturity"}
    lists = {name: (value,) for name, value in given.items()}
    assert DormancyRule("d", idle_months=6, **given) == DormancyRule("d", idle_months=6, **lists)  # type: ignore[arg-type]
    assert replace(load_policy(), customer_types="personal").customer_types == ("personal",)  # type: ignore[arg-type]
    assert ReportOptions("2026Q3", branches="001").branches == ("001",)  # type: ignore[arg-type]


def test_every_rule_takes_one_name_for_a_list_of_one() -> None:
    """A family, what is AUM, whom nobody calls, lists, themes and merged tiers."""
    family = Family("fund", "基金", "Funds", products="fund")  # type: ignore[arg-type]
    policy = load_policy()
    changes = {
        "families": {"families": (family,), "channels": (), "aum_products": "fund"},
        "coverage": {"never_contact": "deceased"},
        "worklists": {"lists": "maturing"},
        "disclosure": {"merged_tiers": "private"},
    }
    for name, changed in changes.items():
        last = [*changed][-1]
        assert getattr(replace(getattr(policy, name), **changed), last) == (changed[last],)
    assert family.products == ("fund",)
    assert replace(policy.themes[0], measures="customers").measures == ("customers",)


def test_a_product_has_one_family() -> None:
    """A product in two families, or unknown evidence of use, is refused."""
    fund = Family("fund", "", "", ("fund",))
    with pytest.raises(PolicyError, match="more than one family: fund"):
        ProductFamilies((fund, replace(fund, name="other")))
    with pytest.raises(PolicyError, match="active_if takes balance, in_force, used, held"):
        Family("fund", "", "", ("fund",), ("owned",))


def test_policies_cannot_be_changed_in_place() -> None:
    """A loaded policy is frozen, so that every branch is measured by the same rules."""
    policy: Policy = load_policy()
    with pytest.raises(FrozenInstanceError):
        policy.version = "other"  # type: ignore[misc]
