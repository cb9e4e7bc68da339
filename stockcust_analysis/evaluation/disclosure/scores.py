"""Scores and comparison without the numbers from which a withheld figure could be worked out.

What is left is the evaluation's own or nothing: no score, rank or limit is made of the printed
figures alone. A figure takes with it its attainment and points; they take the score of their
branch, and with it all ranks by score. Limits and ranks of a measure go for all branches when one
figure of it is withheld: they tell its place among the others, and so about what it is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import AMONG_PEERS

_KEYS = ["quarter", "branch_id", "measure", "member", "base"]
_POINTS = ["attainment", "raw_points", "lost_to_floor", "lost_to_cap", "lost_to_group", "points"]
_OWN = ["n", "value", "compared", "expected_ratio"]
_MOVEMENT = ["movement", "movement_standard_error"]
_AMONG_ALL = ["centre", "lower_95", "upper_95", "lower_998", "upper_998", "z", "rank", "rank_low",
              "rank_high", "shrunk_value"]  # fmt: skip


def mask_scores(evaluation: Evaluation) -> Evaluation:
    """Return an evaluation whose scores and comparison tell nothing that its measures withhold.

    The measures have their gaps already; scorecard, scores and comparison get the column
    `withheld`: of a branch's points, of its score, of its figure in the comparison.
    """
    quarter = evaluation.quarter
    card = _mask_scorecard(evaluation.scorecard, evaluation.measures, quarter)
    return replace(
        evaluation,
        scorecard=card,
        scores=_mask_scores(evaluation.scores, card),
        comparison=_mask_comparison(evaluation.comparison, evaluation.measures, quarter),
    )


def _withheld(table: pd.DataFrame, measures: pd.DataFrame, quarter: Quarter) -> pd.Series:
    """Return for each row whether its figure of a quarter is not printed."""
    printed = pd.MultiIndex.from_frame(measures.loc[measures["value"].notna(), _KEYS])
    rows = pd.MultiIndex.from_frame(table.assign(quarter=str(quarter))[_KEYS])
    return pd.Series(~rows.isin(printed), index=table.index)


def _mask_scorecard(card: pd.DataFrame, measures: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    if card.empty:
        return card.assign(withheld=False)
    value_gone = card["value"].notna() & _withheld(card, measures, quarter)
    from_before = card["target_source"].eq("previous_quarter") & card["target"].notna()
    target_gone = from_before & _withheld(card, measures, quarter.previous)
    # A median, a place between lowest and highest: made of all figures, the withheld among them.
    of_all = card["target_source"].isin(["peer_median", "peers"]) | card["method"].isin(AMONG_PEERS)
    target_gone |= of_all & value_gone.groupby(card["indicator"]).transform("any")
    gone = value_gone | target_gone
    # The cut of a group tells what its indicators earned together.
    keys = [card["branch_id"], card["group"].astype(str)]
    gone |= gone.groupby(keys).transform("any") & card["lost_to_group"].ne(0)
    masked = card.assign(
        withheld=gone,
        value=card["value"].mask(value_gone),
        target=card["target"].mask(target_gone),
    )
    masked.loc[gone, _POINTS] = np.nan
    return masked


def _mask_scores(scores: pd.DataFrame, card: pd.DataFrame) -> pd.DataFrame:
    if scores.empty:
        return scores.assign(withheld=False)
    partly = card.loc[card["withheld"], "branch_id"]
    gone = scores["branch_id"].isin(partly) & scores["points"].notna()
    rank = scores["rank"].mask(pd.Series(gone.any(), index=scores.index))
    return scores.assign(withheld=gone, points=scores["points"].mask(gone), rank=rank)


def _mask_comparison(table: pd.DataFrame, measures: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    if table.empty:
        return table.assign(withheld=False)
    plain = table.assign(member="")
    gone, before_gone = (_withheld(plain, measures, q) for q in (quarter, quarter.previous))
    some_gone = gone.groupby([table["measure"], table["base"]]).transform("any")
    masked = table.assign(withheld=gone, verdict=table["verdict"].mask(some_gone, ""))
    for columns, rows in ((_OWN, gone), (_MOVEMENT, gone | before_gone), (_AMONG_ALL, some_gone)):
        masked.loc[rows, columns] = np.nan
    return masked
