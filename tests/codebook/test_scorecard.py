"""Plans, points, scores and ranks are those that the codebook's text describes."""

import tomllib
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.evaluation.scorecard import level_targets, scorecard
from stockcust_analysis.policy import load_policy
from tests.codebook.recompute_scorecard import Figures, Line, attainments, plans, score

QUARTER, BEFORE, YEAR_START = "2026Q3", "2026Q2", "2025Q4"
SHIPPED = Path("stockcust_analysis/policies/rural_commercial_bank.toml")
# Every method, target and way of missing data, with bounds that some branches reach.
ODD = """
[scorecard]
name = "odd"
points = 120
least_weight = 0.75
indicator_groups = [{ name = "volume", most_points = 36 }]

[[scorecard.indicators]]
name = "aum_average_quarter"
weight = 30
group = "volume"
ceiling = 1.05

[[scorecard.indicators]]
name = "customers"
weight = 10
group = "volume"
missing = "no_points"

[[scorecard.indicators]]
name = "dormancy_rate"
weight = 10
customer_base = "all"
direction = "lower"
target = "peer_median"
floor = 0.9

[[scorecard.indicators]]
name = "share"
measure = "multi_product_share"
weight = 15
target = "fixed"
fixed = 0.4
method = "deduction"
points_per_percent = 0.5
limit = 9

[[scorecard.indicators]]
name = "customer_retention"
weight = 15
method = "min_max"

[[scorecard.indicators]]
name = "silent_rate"
weight = 10
method = "percentile"
direction = "lower"

[[scorecard.indicators]]
name = "upgrade_rate"
weight = 10
method = "z"
missing = "not_scored"

[[scorecard.indicators]]
name = "profile_completion"
weight = 20
customer_base = "managed"
target = "previous_quarter"
method = "full_marks_then_bonus"
points_per_percent = 0.3
limit = 2
floor = 0.97

[[scorecard.vetoes]]
name = "few_contacts"
measure = "contact_coverage"
customer_base = "managed"
below = 0.5
most_points = 60

"""


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    """Return the shipped policy as it is written."""
    return tomllib.loads(SHIPPED.read_text("utf-8"))


def figures(measures: pd.DataFrame, quarter: str) -> Figures:
    """Return a quarter's values of the branches, measures with members left out."""
    rows = measures[(measures["quarter"] == quarter) & (measures["member"].fillna("") == "")]
    rows = rows.dropna(subset=["value"])
    keys = rows[["measure", "base", "branch_id"]].itertuples(index=False, name=None)
    return dict(zip(keys, rows["value"], strict=True))


def recompute(
    policy: dict[str, Any], measures: pd.DataFrame, targets: pd.DataFrame, branches: list[str]
) -> tuple[dict[tuple[str, str], Line], dict[str, float]]:
    """Return (branch, indicator) → line, and branch → score, from the codebook's text."""
    card, least = policy["scorecard"], policy["comparison"]["least_customers"]
    now, before, start = (figures(measures, q) for q in (QUARTER, BEFORE, YEAR_START))
    plan = plans(targets.to_dict("records"), start, card["indicators"])
    reached: dict[str, dict[str, float]] = defaultdict(dict)
    for rule in card["indicators"]:
        for branch, a in attainments(rule, now, before, plan, branches).items():
            reached[branch][rule["name"]] = a
    lines, scores = {}, {}
    for branch in branches:
        vetoed = []
        for veto in card.get("vetoes", ()):
            value = now.get((veto["measure"], veto.get("customer_base", "funded"), branch))
            beyond = value is not None and (
                value > veto["above"] if "above" in veto else value < veto["below"]
            )
            vetoed += [veto["most_points"]] if beyond else []
        customers = now.get(("customers", "funded", branch), 0.0)
        own, scores[branch] = score(card, reached[branch], customers, least, vetoed)
        lines |= {(branch, name): line for name, line in own.items()}
    return lines, scores


def branches_of_the_year() -> set[str]:
    """Return the sample's branches that opened or took another over in 2026, up to September."""
    opened = pd.read_csv("data/sample/branches.csv", dtype=str)
    merged = pd.read_csv("data/sample/branch_successors.csv", dtype=str)
    days = pd.concat(
        [
            opened.set_index("branch_id")["opened_on"],
            merged.set_index("new_branch_id")["effective_on"],
        ]
    )
    return set(days.index[days.between("2026-01-01", "2026-09-30")])


def assert_recomputed(
    evaluation: Evaluation,
    policy_text: dict[str, Any],
    card: pd.DataFrame,
    scores: pd.DataFrame,
    targets: pd.DataFrame,
) -> None:
    """Compare every line, score and rank with the recomputation."""
    branches = sorted(scores["branch_id"])
    lines, totals = recompute(policy_text, evaluation.measures, targets, branches)
    assert len(card) == len(lines)
    for row in card.itertuples():
        line, total = lines[row.branch_id, row.indicator], totals[row.branch_id]
        np.testing.assert_allclose(row.attainment, line.attainment, rtol=1e-9)
        np.testing.assert_allclose(row.weight, line.weight, rtol=1e-9)
        expected = line.points if total == total else np.nan
        np.testing.assert_allclose(row.points, expected, rtol=1e-9, atol=1e-12)
    new = branches_of_the_year()
    known = [total for branch, total in totals.items() if total == total and branch not in new]
    for row in scores.itertuples():
        total = totals[row.branch_id]
        np.testing.assert_allclose(row.points, total, rtol=1e-9)
        if total != total or row.branch_id in new:
            assert np.isnan([row.rank, row.rank_of]).all()
        else:
            assert (row.rank, row.rank_of) == (1 + sum(t > total for t in known), len(known))


def test_scores_of_the_sample(sample_evaluation: Evaluation, shipped: dict[str, Any]) -> None:
    """Every branch's points, score and rank under the shipped scorecard are the text's."""
    targets = pd.read_csv("data/sample/targets.csv").query("quarter == @QUARTER")
    card, scores = sample_evaluation.scorecard, sample_evaluation.scores
    assert_recomputed(sample_evaluation, shipped, card, scores, targets)


def test_increases_and_every_method(sample_evaluation: Evaluation, tmp_path: Path) -> None:
    """Increases, peers, deductions, floors, caps, vetoes and gaps are the text's."""
    text = SHIPPED.read_text("utf-8")
    before, after = text.index("[scorecard]"), text.index("[comparison]")
    text = text[:before] + ODD + text[after:]
    file = tmp_path / "odd.toml"
    file.write_text(text, "utf-8")
    measures, policy = sample_evaluation.measures, load_policy(file)
    start = figures(measures, YEAR_START)
    branches = sorted(sample_evaluation.branches["branch_id"])
    rows = [
        {
            "branch_id": branch,
            "quarter": QUARTER,
            "measure": "aum_average_quarter",
            "kind": "increase",
            "target": (0.08 - 0.01 * place)
            * start.get(("aum_average_quarter", "funded", branch), 1e6),
        }
        for place, branch in enumerate(branches)
    ]
    rows += [
        {
            "branch_id": branch,
            "quarter": QUARTER,
            "measure": "customers",
            "kind": "level",
            "target": 600.0,
        }
        for branch in branches[::2]
    ]
    targets = pd.DataFrame(rows)
    # One branch has no upgrades to count, one no contacts, one nothing at the year's start, and
    # of the first three, whose volume is capped, the retention is not known.
    gone = {(branches[3], "upgrade_rate"), (branches[4], "contact_coverage")}
    gone |= {(branch, "customer_retention") for branch in branches[:3]}
    absent = [key in gone for key in zip(measures["branch_id"], measures["measure"], strict=True)]
    new = measures["branch_id"].eq(branches[5]) & measures["quarter"].eq(YEAR_START)
    measures = measures[~(np.array(absent) | new)]
    levels = level_targets(targets, measures, policy=policy, quarter=Quarter.parse(QUARTER))
    card, scores = scorecard(
        measures, sample_evaluation.branches, targets=levels, policy=policy, quarter=QUARTER
    )
    notes = " ".join([*card["note"], *scores["note"]])
    for note in (
        "below_floor",
        "limited",
        "capped",
        "group_capped",
        "no_points",
        "too_little_data",
        "not_scored:indicator_missing",
        " few_contacts",
        "veto_unknown:few_contacts",
        "no_target",
    ):
        assert note in notes, f"{note}: not tried"
    evaluation = replace(sample_evaluation, measures=measures)
    assert_recomputed(evaluation, tomllib.loads(text), card, scores, targets)
