"""The review: the evaluation itself or its own figures with gaps; exceptions exceed chance."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, norm

from stockcust_analysis.disclosure import Protected
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation import review as review_module
from stockcust_analysis.evaluation.comparison import exceptions
from stockcust_analysis.evaluation.review import (
    Edition,
    Review,
    make_review,
    mask_scores,
    open_review,
    restatements,
)
from stockcust_analysis.policy import Veto
from tests.report.small_review import WEAK, WITHHELD, rules, small_evaluation, small_review

BRANCH, MEASURE = WITHHELD
POINTS = ["attainment", "raw_points", "points"]


@pytest.fixture(scope="module")
def review() -> Review:
    """Return the circulated review of 24 branches, one figure of one branch being withheld."""
    return small_review(edition="circulated")


def test_the_internal_edition_is_the_evaluation() -> None:
    """Figures, points, ranks and limits are the evaluation's own, and none is withheld."""
    truth, told = small_evaluation(), small_review().evaluation
    for name in ("measures", "bridge", "migration", "scorecard", "scores", "comparison"):
        table = getattr(told, name)
        assert not table.pop("withheld").any()
        pd.testing.assert_frame_equal(table, getattr(truth, name))
    assert small_review().report.empty


def test_the_internal_edition_needs_no_disclosure_control() -> None:
    """Nothing of it is loaded: five hundred branches wait for no linear program."""
    code = (
        "import sys; from tests.report.small_review import small_evaluation, rules\n"
        "from stockcust_analysis.evaluation.review import make_review\n"
        "make_review(small_evaluation(), policy=rules())\n"
        "print([name for name in sys.modules if 'disclosure' in name and 'policy' not in name])"
    )
    root = Path(__file__).resolve().parents[2]
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert shown.stdout.strip() == "[]"


def test_a_withheld_figure_takes_its_points_with_it(review: Review) -> None:
    """From attainment or points a withheld figure could be worked out: they go, no others do."""
    card = review.evaluation.scorecard
    gone = card["withheld"]
    rows = card[gone]
    assert rows[["branch_id", "measure"]].to_numpy().tolist() == [[BRANCH, MEASURE]]
    assert rows[["value", *POINTS]].isna().all(axis=None)
    assert card.loc[~gone, ["value", *POINTS]].notna().all(axis=None)


def test_no_remark_stands_beside_withheld_points() -> None:
    """A figure that is capped, or not, is so far from its target, which may be printed."""
    truth = small_evaluation()
    gone = truth.measures["branch_id"].eq(BRANCH) & truth.measures["measure"].eq(MEASURE)
    measures = truth.measures.assign(withheld=gone, value=truth.measures["value"].mask(gone))
    card = truth.scorecard.assign(note="capped")
    told = mask_scores(replace(truth, measures=measures, scorecard=card)).scorecard
    assert told["withheld"].sum() == 1
    assert set(told.loc[told["withheld"], "note"]) == {""}
    assert set(told.loc[~told["withheld"], "note"]) == {"capped"}


@pytest.mark.parametrize("lost", [0.0, 2.5])
def test_a_group_that_was_cut_or_not_tells_nothing_of_a_withheld_figure(lost: float) -> None:
    """Its most points less those of the others bound the withheld ones: all of the group go."""
    truth = small_evaluation()
    gone = truth.measures["branch_id"].eq(BRANCH) & truth.measures["measure"].eq(MEASURE)
    measures = truth.measures.assign(withheld=gone, value=truth.measures["value"].mask(gone))
    card = truth.scorecard.assign(lost_to_group=lost, group="volume")
    told = mask_scores(replace(truth, measures=measures, scorecard=card)).scorecard
    own = told["branch_id"] == BRANCH
    assert own.sum() > 1 and told.loc[own, POINTS].isna().all(axis=None)
    assert told.loc[~own, POINTS].equals(card.loc[~own, POINTS])


@pytest.mark.parametrize("column", ["target", "value"])
def test_what_is_left_out_for_a_withheld_figure_does_not_show_in_the_weights(column: str) -> None:
    """A target that is 0, a figure of nobody: the other indicators weigh more, and earn more."""
    truth, card = small_evaluation(), small_evaluation().scorecard
    one = card["branch_id"].eq(BRANCH) & card["measure"].eq(MEASURE)
    card = card.assign(target_source="previous_quarter", note="")
    card.loc[one, column] = 0.0 if column == "target" else np.nan
    card.loc[one, ["attainment", "weight"]] = np.nan, 0.0
    quarter = truth.quarter.previous if column == "target" else truth.quarter
    gone = truth.measures["branch_id"].eq(BRANCH) & truth.measures["measure"].eq(MEASURE)
    gone &= truth.measures["quarter"].eq(str(quarter))
    before = truth.measures.assign(withheld=gone, value=truth.measures["value"].mask(gone))
    told = mask_scores(replace(truth, measures=before, scorecard=card)).scorecard
    own = told["branch_id"] == BRANCH
    assert own.sum() > 1 and told.loc[own, ["weight", *POINTS]].isna().all(axis=None)
    assert told.loc[own, "withheld"].all()
    assert told.loc[~own, "weight"].equals(card.loc[~own, "weight"])


@pytest.mark.parametrize("circulated", [True, False])
def test_a_veto_does_not_tell_on_which_side_a_withheld_figure_lies(circulated: bool) -> None:
    """Neither the remark nor a score that is no more than vetoed branches get; others keep both.

    A figure that is circulated of no branch is withheld in all of them that have one.
    """
    truth, veto = small_evaluation(), Veto("unused", "unused_openings_90_days", "all", above=0.25)
    rows = truth.measures[truth.measures["measure"] == MEASURE]
    rows = rows.assign(measure=veto.measure, base="all").iloc[: len(rows) * circulated]
    measures = pd.concat([truth.measures, rows], ignore_index=True)
    gone = measures["branch_id"].eq(BRANCH) & measures["measure"].eq(veto.measure)
    measures = measures.assign(withheld=gone, value=measures["value"].mask(gone))
    unknown = truth.scores["branch_id"] == WEAK
    scores = truth.scores.assign(vetoed=~unknown, note="unused not_scored:too_little_data")
    scores["note"] = scores["note"].mask(unknown, "veto_unknown:unused")
    told = mask_scores(replace(truth, measures=measures, scores=scores), [veto]).scores
    hidden = told["branch_id"].eq(BRANCH) | (~unknown & (not circulated))
    assert told["vetoed"].tolist() == (~hidden & ~unknown).tolist()
    assert set(told.loc[hidden, "note"]) == {"not_scored:too_little_data"}
    pd.testing.assert_series_equal(told.loc[~hidden, "note"], scores.loc[~hidden, "note"])
    assert told["points"].isna().tolist() == (hidden | scores["points"].isna()).tolist()


def test_a_score_is_the_evaluations_own_or_not_there(review: Review) -> None:
    """The score less the printed points would be the withheld ones, and ranks would bound it."""
    truth, told = (one.evaluation.scores.set_index("branch_id") for one in (small_review(), review))
    assert np.isnan(told.loc[BRANCH, "points"])
    others = told.drop(index=BRANCH)
    assert others["points"].tolist() == truth.drop(index=BRANCH)["points"].tolist()
    assert told["rank"].isna().all()
    assert told.columns.tolist() == truth.columns.tolist()


def test_limits_and_places_are_the_evaluations_own_or_not_there(review: Review) -> None:
    """Of a measure with a gap nothing is told that was made of all figures; of others, all."""
    truth, told = (one.evaluation.comparison for one in (small_review(), review))
    rows = told["measure"] == MEASURE
    of_all = [
        "centre",
        "lower_95",
        "upper_95",
        "z",
        "rank",
        "rank_low",
        "rank_high",
        "shrunk_value",
    ]
    assert told.loc[rows, of_all].isna().all(axis=None)
    assert set(told.loc[rows, "verdict"]) == {""}
    assert told.loc[rows & (told["branch_id"] != BRANCH), "value"].notna().all()
    unlike = ["expected_ratio"]
    pd.testing.assert_frame_equal(
        told[~rows].drop(columns=unlike), truth[~rows].drop(columns=unlike), check_dtype=False
    )


def test_what_tiers_and_tenures_let_expect_is_not_circulated() -> None:
    """Value / ratio is Σ customers × the bank's rate by tier and tenure: small cells follow."""
    truth = small_evaluation()
    table = truth.comparison.assign(expected_ratio=1.25)
    told = mask_scores(replace(truth, comparison=table)).comparison
    assert told["value"].notna().all() and told["expected_ratio"].isna().all()


@pytest.mark.parametrize("kind", ["mean", "ratio"])
@pytest.mark.parametrize("capped", [0.9, 1.0])
def test_what_is_no_proportion_is_not_compared_in_public(kind: str, capped: float) -> None:
    """(value − compared) × customers would be what the largest have above the cap.

    Whether or not anybody is above it, limits and errors would be sums of squares of amounts, and
    of numbers of families: 10 with one family and 2 with three have the sum 28, and any one with
    four 38.
    """
    truth = small_evaluation()
    winsorised = truth.comparison["measure"].eq(MEASURE) & truth.comparison["branch_id"].eq("B002")
    table = truth.comparison.assign(movement=0.01, movement_standard_error=0.01)
    table["kind"] = table["kind"].mask(table["measure"] == MEASURE, kind)
    table["compared"] = table["compared"].mask(winsorised, table["compared"] * capped)
    told = mask_scores(replace(truth, comparison=table)).comparison
    rows = told["measure"] == MEASURE
    following = ["compared", "centre", "lower_95", "upper_998", "z", "rank", "shrunk_value"]
    following += ["movement", "movement_standard_error"]
    assert told.loc[rows, following].isna().all(axis=None)
    assert set(told.loc[rows, "verdict"]) == {""}
    assert told.loc[rows, "value"].notna().all()
    pd.testing.assert_frame_equal(
        told[~rows].drop(columns=["withheld", "expected_ratio"]),
        table[~rows].drop(columns="expected_ratio"),
        check_dtype=False,
    )


@pytest.mark.parametrize(("kind", "shown"), [("mean", False), ("proportion", True)])
def test_a_withheld_number_of_customers_stands_in_no_comparison(kind: str, shown: bool) -> None:
    """Beside a printed mean it is withheld; of a proportion the printed denominator stands."""
    truth = small_evaluation()
    measures, compared = truth.measures.copy(), truth.comparison.assign(kind=kind)
    one = measures["branch_id"].eq(BRANCH) & measures["measure"].eq(MEASURE)
    measures["n"] = measures["n"].astype(float).mask(one)
    told = mask_scores(replace(truth, measures=measures, comparison=compared)).comparison
    rows = told["branch_id"].eq(BRANCH) & told["measure"].eq(MEASURE)
    assert told.loc[rows, "value"].notna().all() and not told.loc[rows, "withheld"].any()
    assert told.loc[rows, "n"].notna().tolist() == [shown]
    assert told.loc[~rows, "n"].notna().all()


def test_what_the_scorecards_rules_warn_of_is_made_of_what_is_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How well two indicators go together over all branches would bound an attainment withheld."""
    truth = small_evaluation()
    card = truth.scorecard.sort_values(["indicator", "branch_id"], ignore_index=True)
    reached = card.groupby("indicator").cumcount() / 10
    alone = card["branch_id"].eq(BRANCH) & card["measure"].eq(MEASURE)
    truth = replace(truth, scorecard=card.assign(attainment=reached.mask(alone, 99.0)))
    gap = truth.measures["branch_id"].eq(BRANCH) & truth.measures["measure"].eq(MEASURE)
    told = truth.measures.assign(withheld=gap, value=truth.measures["value"].mask(gap))
    done = mask_scores(replace(truth, measures=told)), Protected({}, {}, pd.DataFrame(), 0)
    monkeypatch.setattr(review_module, "circulate", lambda *_, **__: done)
    warned = {
        edition: make_review(truth, policy=rules(), edition=edition).warnings["lint"].tolist()
        for edition in get_args(Edition)
    }
    assert "correlated" not in warned["internal"]
    assert "correlated" in warned["circulated"]


def test_a_review_is_read_back_as_it_was_written(review: Review, tmp_path: Path) -> None:
    """The notebook sees the same tables that were made, and they are written alike again."""
    told = review.with_pages([("B001", "failed", "too slow"), ("B002", "made", "")])
    told.save(tmp_path)
    again = open_review(tmp_path)
    for name in ("measures", "scorecard", "scores", "comparison"):
        pd.testing.assert_frame_equal(
            getattr(told.evaluation, name), getattr(again.evaluation, name)
        )
    pd.testing.assert_frame_equal(told.pages, again.pages)
    assert (again.edition, again.issued) == ("circulated", "")
    again.save(tmp_path / "again")
    for path in tmp_path.glob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    with pytest.raises(UsageError, match="holds no review"):
        open_review(tmp_path / "elsewhere")


def test_the_planted_branch_is_the_exception() -> None:
    """Of 72 comparisons only the branch planted at 2 % beside 40 % exceeds chance."""
    found = exceptions(small_review().evaluation.comparison)
    assert found[["branch_id", "measure", "evidence", "favourable"]].to_numpy().tolist() == [
        [WEAK, "multi_product_share", "very_strong", "no"]
    ]
    assert found["tests"].tolist() == [3 * 24]


def test_exceptions_are_those_of_benjamini_and_hochberg() -> None:
    """At a rate of 5 % the same comparisons are told as SciPy's adjusted p values tell."""
    z = np.concatenate([np.random.default_rng(3).normal(size=300), [2.9, -3.2, 3.6, 4.4, -5.0]])
    rows = pd.DataFrame(
        {
            "branch_id": [f"B{n:03}" for n in range(len(z))],
            "measure": "dormancy_rate",
            "base": "all",
            "value": 0.1,
            "centre": 0.1,
            "z": z,
            "verdict": "within",
        }
    )
    adjusted = false_discovery_control(2 * norm.sf(np.abs(z)))
    expected = set(rows.loc[adjusted <= 0.05, "branch_id"])
    found = exceptions(rows, most=999)
    assert set(found["branch_id"]) == expected
    strong = set(rows.loc[2 * norm.sf(np.abs(z)) * len(z) <= 0.05, "branch_id"])
    assert set(found.loc[found["evidence"] == "very_strong", "branch_id"]) == strong


def test_a_restated_figure_is_listed_and_a_withheld_one_is_not() -> None:
    """A number that reads otherwise today is listed with both readings, unless one is withheld."""
    row = {
        "quarter": "2026Q2",
        "dimension": "",
        "member": "",
        "measure": "customers",
        "base": "all",
    }
    issued = pd.DataFrame(
        [row | {"branch_id": "A", "value": 10.0}, row | {"branch_id": "B", "value": np.nan}]
    )
    today = pd.DataFrame(
        [row | {"branch_id": "A", "value": 12.0}, row | {"branch_id": "B", "value": 4.0}]
    )
    found = restatements(issued, today, quarter="2026Q2").dropna(subset=["issued", "restated"])
    assert found[["branch_id", "issued", "restated"]].to_numpy().tolist() == [["A", 10.0, 12.0]]
