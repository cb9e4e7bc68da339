"""Rules of scorecard, comparison, disclosure, groups: impossible ones are refused when read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stockcust_analysis.errors import PolicyError
from stockcust_analysis.measures.codebook import defined_measures
from stockcust_analysis.policy import (
    ComparisonRule,
    DisclosureRule,
    Indicator,
    IndicatorGroup,
    PeerGroup,
    Scorecard,
    Theme,
    Veto,
    load_policy,
)


def test_the_shipped_scorecard_counts_measures_that_exist() -> None:
    """Every indicator is a measure of the codebook, and the weights add up to 100."""
    scorecard = load_policy().scorecard
    assert {indicator.measure_name for indicator in scorecard.indicators} <= set(defined_measures())
    assert sum(indicator.weight for indicator in scorecard.indicators) == 100


def test_weights_must_add_up() -> None:
    """60 and 30 are not 100; the message says both."""
    with pytest.raises(PolicyError, match="the weights add up to 90, not 100"):
        Scorecard("short", (Indicator("gini", 60), Indicator("vip_share", 30)))


def test_a_measure_counts_once() -> None:
    """The same measure twice would weigh double in hiding."""
    with pytest.raises(PolicyError, match="counts twice: gini"):
        Scorecard("double", (Indicator("gini", 50), Indicator("gini", 50)))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"weight": 0}, "the weight must be above 0"),
        ({"weight": 10, "floor": 1.3}, "the floor must lie below the ceiling"),
        ({"weight": 10, "floor": -0.1}, "the floor must lie below the ceiling"),
        ({"weight": 10, "target": "fixed"}, "a fixed target needs `fixed`"),
        ({"weight": 10, "target": "fixed", "fixed": 0.0}, "the target must be above 0"),
        ({"weight": 10, "fixed": 1.0}, "`fixed` is for a fixed target"),
        ({"weight": 10, "method": "deduction"}, "needs `points_per_percent` above 0"),
        (
            {"weight": 10, "method": "deduction", "points_per_percent": 1.0, "limit": 11.0},
            "a deduction is at most the weight",
        ),
        (
            {"weight": 10, "method": "deduction", "points_per_percent": 1.0, "floor": 0.5},
            "a deduction has a `limit` instead of a floor",
        ),
        (
            {"weight": 10, "method": "full_marks_then_bonus", "points_per_percent": 1.0},
            "a bonus needs a `limit` above 0",
        ),
        ({"weight": 10, "limit": 2.0}, "`points_per_percent` and `limit` are for bonus"),
    ],
)
def test_an_indicator_has_possible_bounds(more: dict[str, Any], message: str) -> None:
    """Bounds, targets and steps that contradict each other are errors with the name."""
    with pytest.raises(PolicyError, match=f"indicator 'gini': .*{message}"):
        Indicator("gini", **more)


def test_all_that_is_wrong_with_an_indicator_is_told_at_once() -> None:
    """No weight and no target: one error, both reasons."""
    with pytest.raises(PolicyError, match=r"above 0; a fixed target needs"):
        Indicator("gini", 0, target="fixed")


def test_a_scorecard_of_unknown_groups_is_refused() -> None:
    """A group that is not stated, and a share that is none, are told with the wrong sum."""
    with pytest.raises(PolicyError, match=r"add up to 90, not 100; no such group: volume; least"):
        Scorecard("s", (Indicator("gini", 90, group="volume"),), least_weight=2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IndicatorGroup("volume", 0), "most_points must be above 0"),
        (lambda: Veto("v", "gini"), "state either `above` or `below`"),
        (lambda: Veto("v", "gini", above=1, below=0), "state either `above` or `below`"),
        (lambda: Theme("t", 5, "zh", "en", ()), "the quarter is 1, 2, 3 or 4"),
        (lambda: ComparisonRule(peers="given"), "no peer_groups"),
        (lambda: ComparisonRule(peer_groups=(PeerGroup("g", ()),)), "without a branch: g"),
        (
            lambda: ComparisonRule(peer_groups=(PeerGroup("g", ("A",)), PeerGroup("h", ("A",)))),
            "in two peer groups: A",
        ),
        (lambda: ComparisonRule(size_classes=1, nearest=1), "size_classes .*; nearest"),
        (lambda: ComparisonRule(least_branches=2), "least_branches must be at least 3"),
        (lambda: ComparisonRule(winsorised_at=0.4), "winsorised_at"),
        (lambda: ComparisonRule(rank_level=1.0), "rank_level"),
    ],
)
def test_impossible_rules_are_refused(make: Callable[[], object], message: str) -> None:
    """Groups of nobody, vetoes without a border and limits that compare nothing are errors."""
    with pytest.raises(PolicyError, match=message):
        make()


def test_each_quarter_has_its_theme() -> None:
    """The shipped themes follow the practice notes; a policy without themes has none."""
    policy = load_policy()
    themes = [policy.theme(quarter) for quarter in (1, 2, 3, 4)]
    names = [theme.name for theme in themes if theme]
    assert names == ["existing_customers", "acquisition", "experience", "upgrading"]
    assert {measure for theme in themes if theme for measure in theme.measures} <= set(
        defined_measures()
    )
    assert replace(policy, themes=()).theme(1) is None


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"smallest_cell": 1}, "at least 2"),
        ({"two_largest": 0.0}, "above 0 up to 1"),
        ({"amount_protection": 0.1}, "must lie from 0.176"),
        ({"amount_protection": 1.0}, "to below 1"),
        ({"lorenz_customers": 49}, "ten times smallest_cell"),
    ],
)
def test_limits_must_withhold_something(limits: dict[str, float], message: str) -> None:
    """A cell limit of one customer, or a share of nothing, protects nobody."""
    with pytest.raises(PolicyError, match=message):
        DisclosureRule(**limits)  # type: ignore[arg-type]


def test_an_impossible_scorecard_in_a_file_is_one_error(tmp_path: Path) -> None:
    """A bank's file whose weights do not add up is refused when it is read."""
    own = tmp_path / "own.toml"
    own.write_text(
        'base = "rural_commercial_bank"\nname = "own"\nversion = "1"\n'
        '[scorecard]\nname = "own"\nindicators = [{ name = "vip_share", weight = 30 }]\n',
        encoding="utf-8",
    )
    with pytest.raises(PolicyError, match="the weights add up to"):
        load_policy(own)


def test_the_shipped_groups_are_those_of_the_sample() -> None:
    """The five groups of the practice notes have words in both languages."""
    groups = load_policy().groups
    names = [group.name for group in groups]
    assert names == ["executives", "seniors", "merchants", "women", "farmers"]
    assert all(group.zh and group.en for group in groups)
