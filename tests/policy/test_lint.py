"""Traps of a scorecard: each is seen, none where there is none, and a reason hides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from stockcust_analysis.cli import cli
from stockcust_analysis.policy import Indicator, Override, load_policy
from stockcust_analysis.policy.describe import LintWarning, lint, lints
from tests.evaluation.small_quarters import policy_of


@pytest.mark.parametrize(
    ("indicator", "trap"),
    [
        (Indicator("aum_period_end", 100, method="proportional"), "period_end_balance"),
        (Indicator("aum_average_quarter", 100, method="min_max"), "ranking_of_deposits"),
        (Indicator("managed_aum", 100, method="percentile"), "ranking_of_deposits"),
        (
            Indicator("deposit_growth", 100, measure="same_customer_growth", method="z"),
            "ranking_of_deposits",
        ),
        (
            Indicator("deposit_market_share", 100, measure="aum_average_quarter"),
            "market_share",
        ),
        (
            Indicator("dormancy_rate", 100, customer_base="all", direction="lower"),
            "closing_accounts",
        ),
        (Indicator("products_per_customer", 100), "quota_of_openings"),
        (Indicator("shrunken_retention", 100, measure="customer_retention"), "shrunken_value"),
    ],
)
def test_each_trap_is_seen(indicator: Indicator, trap: str) -> None:
    """One indicator steps into one trap, which is named with it."""
    assert lint(policy_of(indicator)) == [LintWarning(trap, indicator.name)]


@pytest.mark.parametrize(
    "indicator",
    [
        Indicator("aum_average_quarter", 100),
        Indicator("products_per_customer", 100, target="peer_median"),
        Indicator("customer_retention", 100, method="percentile"),
    ],
)
def test_no_trap_where_there_is_none(indicator: Indicator) -> None:
    """An average against plan, a ratio among peers, retention by percentile are no traps."""
    assert lint(policy_of(indicator)) == []


def test_a_reason_is_printed_and_hides_nothing() -> None:
    """A trap the bank keeps is still told, with the reason."""
    policy = policy_of(
        Indicator("aum_period_end", 100), overrides=(Override("period_end_balance", "board 2026"),)
    )
    (warning,) = lint(policy)
    assert warning.reason == "board 2026"
    assert warning.text("en").endswith("Use an average. Overridden: board 2026")
    assert warning.text("zh").endswith("应改用日均。 已知悉：board 2026")
    twins = LintWarning("correlated", "a, b")
    assert twins.text("en", str.upper).startswith("A, B: Two indicators go together")


def test_borders_in_ten_thousands_are_a_trap() -> None:
    """Tiers from 1, 5, 50 and 600 are 万元 in a policy whose amounts are CNY."""
    rules = load_policy()
    tiers = tuple(replace(tier, lower=tier.lower / 10_000) for tier in rules.tiers.tiers)
    own = replace(rules, tiers=replace(rules.tiers, tiers=tiers))
    assert lint(own) == [LintWarning("borders_in_ten_thousands", "tiers")]


@pytest.mark.parametrize("name", ["effective", "valuable"])
def test_a_tier_that_is_called_as_a_base_is_a_trap(name: str) -> None:
    """有效 from 20,000 as a tier and from 10,000 as a base are two kinds of 有效客户 on a page."""
    rules = load_policy()
    (effective,) = (tier for tier in rules.tiers.tiers if tier.name == "effective")
    other = replace(effective, name=name, lower=20_000)
    tiers = tuple(other if tier == effective else tier for tier in rules.tiers.tiers)
    own = replace(rules, tiers=replace(rules.tiers, tiers=tiers))
    (warning,) = lint(own)
    assert (warning.lint, warning.detail) == ("tier_is_not_its_base", "20,000 / 10,000")
    assert lint(replace(own, bases=replace(rules.bases, effective=20_000))) == []


def test_every_trap_has_words_and_a_source() -> None:
    """All twelve are told in both languages, and say where they come from."""
    assert len(lints()) == 12
    assert all(one.zh and one.en and one.source for one in lints().values())


def test_the_command_prints_traps_and_is_no_error(tmp_path: Any) -> None:
    """`stockcust policy lint` names them and exits 0; the shipped policy has none."""
    own = tmp_path / "own.toml"
    own.write_text(
        'base = "rural_commercial_bank"\nname = "own"\nversion = "1"\n[scorecard]\n'
        'indicators = [{ name = "aum_average_quarter", method = "min_max" }]\n',
        encoding="utf-8",
    )
    result = CliRunner().invoke(cli, ["policy", "lint", str(own), "--language", "en"])
    assert result.exit_code == 0
    assert result.output.startswith("Quarter-average AUM: A volume that holds deposits is ranked")
    clean = CliRunner().invoke(cli, ["policy", "lint"])
    assert clean.output == "rural_commercial_bank：没有发现问题。\n"
