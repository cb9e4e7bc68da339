"""Rules of coverage and work lists: what is shipped, and what nobody could follow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stockcust_analysis.errors import PolicyError
from stockcust_analysis.policy import (
    LISTS,
    CoverageRule,
    CustomerClass,
    ProfileTarget,
    WorkListRule,
    load_policy,
)

POLICY = load_policy()


def test_shipped_coverage_is_that_of_the_practice_notes() -> None:
    """Managers from 50,000 and 500,000; three months; two days; five contacts; 70 % and 100 %."""
    rule = POLICY.coverage
    assert (rule.manage_from, rule.vip_from) == (50_000, 500_000)
    assert (rule.contact_months, rule.first_call_days, rule.set_aside_after) == (3, 2, 5)
    assert "none" not in rule.effective_outcomes
    assert [(one.name, one.share) for one in rule.classes[:2]] == [("A", 0.2), ("B", 0.3)]
    assert {target.tier: target.share for target in rule.profile_targets} == {
        "mid": 0.7,
        "high": 1,
        "private": 1,
    }


def test_the_file_states_what_a_bank_gets_without_it() -> None:
    """A policy that leaves the tables out follows the same rules; only the source is unsaid."""
    assert replace(POLICY.coverage, source="") == CoverageRule()
    assert replace(POLICY.worklists, source="") == WorkListRule()
    assert POLICY.coverage.source
    assert POLICY.worklists.source


def test_rules_name_what_there_is() -> None:
    """Profile targets are of tiers, offers are families of the policy, all lists are asked for."""
    assert {target.tier for target in POLICY.coverage.profile_targets} <= set(POLICY.tiers.names)
    assert set(POLICY.worklists.next_products) <= set(POLICY.families.names)
    assert set(POLICY.worklists.lists) == set(LISTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"contact_months": 0}, "contact_months must be at least 1"),
        ({"first_call_days": 0}, "first_call_days must be at least 1"),
        ({"reclaim_months": 2}, "reclaim_months must not be shorter than contact_months"),
        ({"manage_from": 500_000}, "manage_from must lie above 0 and below vip_from"),
        ({"manage_from": 0}, "manage_from must lie above 0"),
        ({"classes": (CustomerClass("A", 0, 3),)}, "classes must be two or more"),
        ({"classes": (CustomerClass("A", 0, 3), CustomerClass("B", 0, 0))}, "contact_months from"),
        ({"classes": (CustomerClass("A", 0.6, 3), CustomerClass("B", 0.5, 3))}, "or exceed 1"),
        ({"classes": (CustomerClass("A", -0.1, 3), CustomerClass("B", 0, 3))}, "not be negative"),
        ({"profile_targets": (ProfileTarget("mid", 70),)}, "between 0 and 1"),
        ({"vip_roles": ("vip", "counter")}, "roles stated twice: counter"),
        ({"counter_roles": ()}, "counter_roles and vip_roles must each name a role"),
    ],
)
def test_coverage_rules_that_cannot_be_followed(changes: dict[str, Any], message: str) -> None:
    """Each is refused by name."""
    with pytest.raises(PolicyError, match=f"^coverage: .*{message}"):
        CoverageRule(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lists": ("dorment",)}, "there is no list of this name: dorment"),
        ({"longest": 0}, "longest must be at least 1"),
        ({"maturing_months": 0}, "maturing_months must be at least 1"),
        ({"near_border": 1.0}, "near_border must lie between 0 and 1"),
        ({"hold_out_share": 1.0}, "hold_out_share must be 0 or more, and below 1"),
        ({"hold_out_share": -0.1}, "hold_out_share must be 0 or more, and below 1"),
    ],
)
def test_worklist_rules_that_cannot_be_followed(changes: dict[str, Any], message: str) -> None:
    """Each is refused by name."""
    with pytest.raises(PolicyError, match=f"^worklists: .*{message}"):
        WorkListRule(**changes)


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Two mistakes, one error."""
    with pytest.raises(PolicyError, match=r"longest .*; near_border"):
        WorkListRule(longest=0, near_border=0)
