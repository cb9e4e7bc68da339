"""Traps that only figures show: few branches, few customers, twins, growth from nothing."""

from __future__ import annotations

import pandas as pd

from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.evaluation.scorecard import lint_scorecard, scorecard
from stockcust_analysis.policy import ComparisonRule, Indicator, Override, Policy
from stockcust_analysis.policy.describe import LintWarning
from tests.evaluation.small_quarters import NOW, named, policy_of, quarter_of

NAMES = [f"B{number:02}" for number in range(12)]
RISING = [0.10 + 0.01 * place for place in range(12)]
ZIGZAG = [0.2 if place % 2 else 0.3 for place in range(12)]


def found(
    measures: pd.DataFrame, policy: Policy, kinds: list[str] | None = None
) -> list[LintWarning]:
    """Return the warnings of a quarter."""
    branches = named(NAMES, kinds or [])
    table, _ = scorecard(measures, branches, targets=pd.DataFrame(), policy=policy, quarter=NOW)
    others = [pd.DataFrame()] * 6
    quarter = Evaluation(Quarter.parse(NOW), "", {}, branches, measures, *others, scorecard=table)
    return lint_scorecard(quarter, policy)


def two(**more: object) -> Policy:
    """Return a scorecard of two indicators with fixed targets."""
    return policy_of(
        Indicator("vip_share", 50, target="fixed", fixed=0.2),
        Indicator("multi_product_share", 50, target="fixed", fixed=0.2),
        **more,  # type: ignore[arg-type]
    )


def test_nothing_to_warn_of() -> None:
    """Twelve branches of 1,000 customers and two indicators that go their own ways: silence."""
    measures = quarter_of(
        {("vip_share", "funded"): RISING, ("multi_product_share", "funded"): ZIGZAG}, branches=NAMES
    )
    assert found(measures, two()) == []


def test_twins_are_told() -> None:
    """Two indicators on one line, one falling as the other rises, are paid for twice."""
    falling = [1 - value for value in RISING]
    measures = quarter_of(
        {("vip_share", "funded"): RISING, ("multi_product_share", "funded"): falling},
        branches=NAMES,
    )
    reasons = (Override("correlated", "known"),)
    assert found(measures, two(overrides=reasons)) == [
        LintWarning("correlated", "multi_product_share, vip_share", "(r = -1.00)", "known")
    ]


def test_few_customers_and_few_branches() -> None:
    """29 customers behind a share are few, 30 are not; so are groups of nine branches or less."""
    measures = quarter_of(
        {("vip_share", "funded"): RISING, ("multi_product_share", "funded"): ZIGZAG}, branches=NAMES
    )
    few = (measures["measure"] == "vip_share") & measures["branch_id"].isin(["B00", "B01"])
    measures.loc[few, "denominator"] = [29.0, 30.0]
    policy = two(comparison=ComparisonRule(peers="type"))
    assert found(measures, policy, ["urban"] * 10 + ["county"] * 2) == [
        LintWarning("small_peer_group", "county", "(2 < 10)"),
        LintWarning("small_denominator", "vip_share", "(1/12 < 30)"),
    ]


def test_growth_from_next_to_nothing() -> None:
    """A branch whose opening AUM is under a tenth of the median grows by any rate you like."""
    values = {("same_customer_growth", "funded"): RISING}
    measures = quarter_of(values, branches=NAMES, denominator=5e6)
    measures.loc[0, "denominator"] = 4e5
    policy = policy_of(Indicator("same_customer_growth", 100, target="fixed", fixed=0.1))
    assert found(measures, policy) == [LintWarning("tiny_base", "same_customer_growth", "(1/12)")]
