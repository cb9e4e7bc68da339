"""A review made by hand: any number of branches, a few measures, in both editions."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd

from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.comparison import comparison
from stockcust_analysis.evaluation.results import MEASURE_COLUMNS, WHOLE_BANK, Evaluation
from stockcust_analysis.evaluation.review import Edition, Review, make_review, mask_scores
from stockcust_analysis.evaluation.scorecard import scorecard
from stockcust_analysis.policy import (
    ComparedMeasure,
    ComparisonRule,
    Indicator,
    Policy,
    Scorecard,
    load_policy,
)

QUARTERS = ("2025Q3", "2025Q4", "2026Q1", "2026Q2", "2026Q3")
SHARES = {
    ("multi_product_share", "funded"): 0.4,
    ("dormancy_rate", "all"): 0.1,
    ("customer_retention", "funded"): 0.95,
}
WEAK = "B002"
"""The branch that sells one product to nearly everybody."""
WITHHELD = ("B003", "dormancy_rate")


def rules() -> Policy:
    """Return a policy with two indicators, that compares three shares."""
    card = Scorecard(
        "two",
        (
            Indicator("multi_product_share", 60, target="fixed", fixed=0.4),
            Indicator(
                "dormancy_rate",
                40,
                customer_base="all",
                direction="lower",
                target="fixed",
                fixed=0.1,
            ),
        ),
    )
    compared = ComparisonRule(measures=tuple(ComparedMeasure(*one) for one in SHARES))
    return replace(load_policy(), scorecard=card, comparison=compared)


def small_review(
    branches: int = 24,
    *,
    details: int = 0,
    edition: Edition = "internal",
    issued: Review | None = None,
) -> Review:
    """Return a review; `details` adds so many rows by member for every branch.

    In the circulated edition one figure of one branch is withheld, by hand.
    """
    policy = rules()
    review = make_review(
        small_evaluation(branches, details=details),
        policy=policy,
        issued=[] if issued is None else [issued],
    )
    return review if edition == "internal" else _with_a_gap(review)


def small_evaluation(branches: int = 24, *, details: int = 0) -> Evaluation:
    """Return an evaluation of so many branches with scores and comparison, a copy of its own."""
    return deepcopy(_made_evaluation(branches, details))


@cache
def _made_evaluation(branches: int, details: int) -> Evaluation:
    names = [f"B{number:03}" for number in range(1, branches + 1)]
    measures = _measures(names, details)
    table = pd.DataFrame(
        {
            "branch_id": names,
            "name": [f"{name[1:]}支行" for name in names],
            "region": ["东片区", "西片区"] * (branches // 2) + ["东片区"] * (branches % 2),
            "type": np.where(np.arange(branches) % 3 == 0, "urban", "township"),
        }
    )
    policy = rules()
    evaluation = Evaluation(
        quarter=Quarter.parse("2026Q3"),
        bank_name="示例农村商业银行",
        policy_facts={
            **policy.members,
            "name": "hand",
            "version": "1",
            "digest": "0" * 64,
            "funded": 100,
            "effective": 10000,
            "tiers": [
                {"name": "mid", "lower": 0, "zh": "中端", "en": "Mid"},
                {"name": "high", "lower": 500_000, "zh": "高端", "en": "High"},
            ],
            "dormancy": {"name": "six", "idle_months": 6, "idle_days": None, "cap": 500},
        },
        branches=table,
        measures=measures,
        lorenz=pd.DataFrame(columns=["branch_id"]),
        co_holding=pd.DataFrame(columns=["branch_id"]),
        migration=_migration(),
        bridge=_bridge(names),
        targets=_targets(names),
        reconciliation=pd.DataFrame(
            {"check": ["ledger_and_accounts"], "left": [1.0], "right": [1.0], "difference": [0.0]}
        ),
    )
    card, scores = scorecard(
        measures, table, targets=pd.DataFrame(), policy=policy, quarter="2026Q3"
    )
    compared = comparison(
        measures, table, cells=pd.DataFrame(columns=["quarter"]), policy=policy, quarter="2026Q3"
    )
    return replace(evaluation, scorecard=card, scores=scores, comparison=compared)


def _measures(names: list[str], details: int) -> pd.DataFrame:
    chance = np.random.default_rng(7)
    rows = []
    for quarter in QUARTERS:
        for place, branch in enumerate(names):
            n = 200 + 37 * (place % 11)
            key = (quarter, Quarter.parse(quarter).end.isoformat(), branch)
            for (measure, base), rate in SHARES.items():
                chosen = 0.02 if (branch, measure) == (WEAK, "multi_product_share") else rate
                count = float(chance.binomial(n, chosen))
                rows.append((*key, "", "", measure, base, n, count, float(n), count / n))
            amount = 1e7 + 1e5 * place + 1e4 * QUARTERS.index(quarter)
            for measure, value in (("aum_average_quarter", amount), ("customers", float(n))):
                rows.append((*key, "", "", measure, "funded", n, value, 1.0, value))
            for number in range(details if quarter == QUARTERS[-1] else details // 3):
                rows.append(
                    (
                        *key,
                        "family",
                        f"{number}",
                        "penetration",
                        "funded",
                        n,
                        50.0,
                        float(n),
                        50 / n,
                    )
                )
    columns = list(MEASURE_COLUMNS)
    table = pd.DataFrame(rows, columns=columns)
    keys = [name for name in columns if name not in ("branch_id", *columns[-4:])]
    bank = table.groupby(keys, sort=False)[["n", "numerator", "denominator"]].sum().reset_index()
    amount = bank["measure"].isin(["aum_average_quarter", "customers"])
    bank["value"] = bank["numerator"] / bank["denominator"].where(~amount, 1.0)
    return pd.concat([table, bank.assign(branch_id=WHOLE_BANK)[columns]], ignore_index=True)


def _bridge(names: list[str]) -> pd.DataFrame:
    steps = {"opening": 1e7, "new": 3e5, "grown": 4e5, "shrunk": -1e5, "closing": 1.06e7}
    size = dict.fromkeys(names, 1.0) | {WHOLE_BANK: float(len(names))}
    rows = [
        ("today", branch, step, 10.0 * share, amount * share)
        for branch, share in size.items()
        for step, amount in steps.items()
    ]
    return pd.DataFrame(
        rows, columns=["structure", "branch_id", "component", "customers", "amount"]
    )


def _migration() -> pd.DataFrame:
    rows = [("mid", "mid", 90.0), ("mid", "high", 7.0), ("high", "high", 20.0), ("NEW", "mid", 6.0)]
    return pd.DataFrame(rows, columns=["from", "to", "customers"]).assign(
        structure="today", branch_id=WHOLE_BANK, opening_aum=1e6, closing_aum=1.1e6
    )


def _targets(names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "branch_id": names,
            "quarter": "2026Q3",
            "measure": "aum_average_quarter",
            "target": 1.02e7,
        }
    )


def _with_a_gap(review: Review) -> Review:
    """Return the circulated edition: one figure of one branch is withheld, nothing merged."""
    measures = review.evaluation.measures.copy()
    gone = (
        (measures["quarter"] == "2026Q3")
        & (measures["branch_id"] == WITHHELD[0])
        & (measures["measure"] == WITHHELD[1])
    )
    measures.loc[gone, ["numerator", "value"]] = np.nan
    with_gap = replace(review.evaluation, measures=measures.assign(withheld=gone))
    report = pd.DataFrame(
        {
            "quarter": ["2026Q3"] * 2,
            "kind": ["count"] * 2,
            "reason": ["printed", "small_cell"],
            "cells": [99, 1],
        }
    )
    return replace(review, evaluation=mask_scores(with_gap), edition="circulated", report=report)


def without_ranks(review: Review, branch_id: str) -> Review:
    """Return a review in which a branch has too few customers to be given ranks."""
    table = review.evaluation.comparison.copy()
    ranks = ["rank", "rank_low", "rank_high"]
    table.loc[table["branch_id"] == branch_id, ranks] = float("nan")
    return replace(review, evaluation=replace(review.evaluation, comparison=table))
