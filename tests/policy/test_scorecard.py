"""Rules of scorecard, disclosure and groups: what a policy may not state is refused when read."""

from __future__ import annotations

from pathlib import Path

import pytest

from stockcust_analysis.errors import PolicyError
from stockcust_analysis.measures.codebook import defined_measures
from stockcust_analysis.policy import (
    DisclosureRule,
    Indicator,
    Scorecard,
    load_policy,
)


def test_the_shipped_scorecard_counts_measures_that_exist() -> None:
    """Every indicator is a measure of the codebook, and the weights add up to 100."""
    scorecard = load_policy().scorecard
    assert {indicator.name for indicator in scorecard.indicators} <= set(defined_measures())
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
    ],
)
def test_an_indicator_has_possible_bounds(more: dict[str, float], message: str) -> None:
    """No weight, a floor above the ceiling and a negative floor are errors with the name."""
    with pytest.raises(PolicyError, match=f"indicator 'gini': {message}"):
        Indicator("gini", **more)


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
