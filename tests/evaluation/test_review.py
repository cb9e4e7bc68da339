"""The review: what is withheld in one table is withheld in all, and exceptions exceed chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, norm

from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.exceptions import exceptions
from stockcust_analysis.evaluation.peers import Peers
from stockcust_analysis.evaluation.restatements import restatements
from stockcust_analysis.evaluation.review import Review, open_review
from stockcust_analysis.evaluation.withheld import masked_scores
from stockcust_analysis.policy import Indicator, Scorecard
from tests.report.small_review import WEAK, WITHHELD, small_review

BRANCH, MEASURE = WITHHELD
POINTS = ["attainment", "raw_points", "points"]


@pytest.fixture(scope="module")
def review() -> Review:
    """Return a review of 24 branches in which one figure of one branch is withheld."""
    return small_review()


def test_a_withheld_figure_takes_its_points_with_it(review: Review) -> None:
    """From attainment or points a withheld figure could be worked out: they go, no others do."""
    gone = review.scorecard["withheld"]
    rows = review.scorecard[gone]
    assert rows[["branch_id", "measure"]].to_numpy().tolist() == [[BRANCH, MEASURE]]
    assert rows[["value", *POINTS]].isna().all(axis=None)
    assert review.scorecard.loc[~gone, ["value", *POINTS]].notna().all(axis=None)


def test_a_score_with_a_withheld_part_is_withheld(review: Review) -> None:
    """The score less the printed points would be the withheld ones, and ranks would bound it."""
    own = review.scores[review.scores["branch_id"] == BRANCH].iloc[0]
    assert np.isnan(own["points"])
    assert np.isnan(own["rank"])
    others = review.scores[review.scores["branch_id"] != BRANCH]
    assert others["points"].notna().all()
    assert others["rank"].isna().all()


def test_what_is_told_of_a_score_is_made_of_printed_points(review: Review) -> None:
    """Every branch has a rate of the points and weights in the scorecard, added up by hand."""
    shown = review.scorecard[~review.scorecard["withheld"]]
    told = review.scores.set_index("branch_id")
    for branch, rows in shown.groupby("branch_id"):
        assert told.loc[branch, "told_points"] == pytest.approx(sum(rows["points"]), abs=1e-5)
        assert told.loc[branch, "told_weight"] == pytest.approx(sum(rows["weight"]))
    rate = told["told_points"] / told["told_weight"]
    better = [(rate > own + 1e-9).sum() for own in rate]
    assert told["told_rank"].tolist() == [1 + count for count in better]
    assert told.loc[BRANCH, "told_weight"] < told["told_weight"].max()


def test_a_rate_of_little_weight_or_under_a_veto_is_not_told() -> None:
    """A veto's cut beside a withheld part would tell of that part; 40 of 100 mislead."""
    scores = pd.DataFrame({
        "branch_id": ["A", "B", "C"], "peer_group": "all", "points": [70.0, 60.0, 40.0],
        "rank": [1.0, 2.0, 3.0], "rank_of": 3.0, "vetoed": [False, False, True], "note": "",
    })  # fmt: skip
    card = pd.DataFrame({
        "branch_id": ["A", "A", "B", "B", "C", "C"], "weight": [60.0, 40.0] * 3,
        "points": [40.0, 30.0, 40.0, 20.0, 20.0, 20.0],
        "withheld": [True, False, False, True, False, True],
    })  # fmt: skip
    rules = Scorecard("hand", (Indicator("vip_share", 100, target="fixed", fixed=0.02),))
    peers = {name: Peers("all", ("A", "B", "C")) for name in "ABC"}
    told = masked_scores(scores, card, rules, peers).set_index("branch_id")
    assert told["told_rate"].round(9).fillna(-1).tolist() == [-1, round(40 / 60, 9), -1]
    assert told["points"].isna().all()


def test_limits_are_of_the_printed_branches_alone(review: Review) -> None:
    """A centre of all branches would give the withheld figure away: 23 printed ones make it."""
    rows = review.comparison[review.comparison["measure"] == MEASURE]
    own, others = rows[rows["branch_id"] == BRANCH], rows[rows["branch_id"] != BRANCH]
    assert own.drop(columns=["branch_id", "measure", "base", "peer_group", "kind", "verdict",
                             "rank_of", "withheld"]).isna().all(axis=None)  # fmt: skip
    told = review.circulated.measures
    shown = told[(told["quarter"] == "2026Q3") & (told["measure"] == MEASURE)
                 & (told["branch_id"] != "@bank")].dropna(subset=["value"])  # fmt: skip
    assert len(shown) == 23
    # Without differences beyond chance the centre is the printed branches' common rate.
    rate = shown["numerator"].sum() / shown["denominator"].sum()
    assert others["centre"].unique() == pytest.approx([rate], rel=1e-3)


def test_a_review_is_read_back_as_it_was_written(review: Review, tmp_path: Path) -> None:
    """The notebook sees the same tables that were made, and they are written alike again."""
    told = review.with_pages([("B001", "failed", "too slow"), ("B002", "made", "")])
    told.save(tmp_path)
    again = open_review(tmp_path)
    for name in ("scorecard", "scores", "comparison", "pages"):
        pd.testing.assert_frame_equal(getattr(told, name), getattr(again, name))
    pd.testing.assert_frame_equal(told.circulated.measures, again.circulated.measures)
    again.save(tmp_path / "again")
    for path in tmp_path.glob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    with pytest.raises(UsageError, match="holds no review"):
        open_review(tmp_path / "elsewhere")


def test_the_planted_branch_is_the_exception(review: Review) -> None:
    """Of 71 comparisons only the branch planted at 2 % beside 40 % exceeds chance."""
    found = exceptions(review.comparison)
    assert found[["branch_id", "measure", "evidence", "favourable"]].to_numpy().tolist() == [
        [WEAK, "multi_product_share", "very_strong", "no"]
    ]
    assert found["tests"].tolist() == [3 * 24 - 1]


def test_exceptions_are_those_of_benjamini_and_hochberg() -> None:
    """At a rate of 5 % the same comparisons are told as SciPy's adjusted p values tell."""
    z = np.concatenate([np.random.default_rng(3).normal(size=300), [2.9, -3.2, 3.6, 4.4, -5.0]])
    rows = pd.DataFrame({
        "branch_id": [f"B{n:03}" for n in range(len(z))], "measure": "dormancy_rate",
        "base": "all", "value": 0.1, "centre": 0.1, "z": z, "verdict": "within",
    })  # fmt: skip
    adjusted = false_discovery_control(2 * norm.sf(np.abs(z)))
    expected = set(rows.loc[adjusted <= 0.05, "branch_id"])
    found = exceptions(rows, most=999)
    assert set(found["branch_id"]) == expected
    strong = set(rows.loc[2 * norm.sf(np.abs(z)) * len(z) <= 0.05, "branch_id"])
    assert set(found.loc[found["evidence"] == "very_strong", "branch_id"]) == strong


def test_a_restated_figure_is_listed_and_a_withheld_one_is_not() -> None:
    """A number that reads otherwise today is listed with both readings, unless one is withheld."""
    row = {"quarter": "2026Q2", "dimension": "", "member": "", "measure": "customers",
           "base": "all"}  # fmt: skip
    issued = pd.DataFrame([row | {"branch_id": "A", "value": 10.0},
                           row | {"branch_id": "B", "value": np.nan}])  # fmt: skip
    today = pd.DataFrame([row | {"branch_id": "A", "value": 12.0},
                          row | {"branch_id": "B", "value": 4.0}])  # fmt: skip
    found = restatements(issued, today, quarter="2026Q2").dropna(subset=["issued", "restated"])
    assert found[["branch_id", "issued", "restated"]].to_numpy().tolist() == [["A", 10.0, 12.0]]
