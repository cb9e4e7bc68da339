"""Scores and comparison without the numbers from which a withheld figure could be worked out.

A figure takes with it its attainment and points; they take the score of their branch, and with it
all ranks by score.
Limits around a centre of all branches would give it away as well: they are told of the printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from stockcust_analysis.evaluation.comparison import COMPARISON_COLUMNS, comparison
from stockcust_analysis.evaluation.disclosure import Circulated
from stockcust_analysis.evaluation.peers import Peers, among_peers, descending_ranks
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import AMONG_PEERS, Policy, Scorecard

_KEYS = ["quarter", "branch_id", "measure", "member", "base"]
_POINTS = ["attainment", "raw_points", "lost_to_floor", "lost_to_cap", "lost_to_group", "points"]
_OWN = ["n", "value", "compared", "rank_low", "rank_high", "expected_ratio", "movement",
        "movement_standard_error"]  # fmt: skip
_DECIMALS = 9  # sums of floats that should be equal are


def printed(measures: pd.DataFrame) -> pd.MultiIndex:
    """Return the places of the figures that are printed: quarter, branch, measure, member, base."""
    return pd.MultiIndex.from_frame(measures.loc[measures["value"].notna(), _KEYS])


def masked_scorecard(card: pd.DataFrame, measures: pd.DataFrame, quarter: str) -> pd.DataFrame:
    """Return the scorecard without the numbers that would give away a withheld figure."""
    if card.empty:
        return card.assign(withheld=False)
    told = printed(measures)
    previous = str(Quarter.parse(quarter).previous)
    now, before = (
        ~pd.MultiIndex.from_frame(card.assign(quarter=when)[_KEYS]).isin(told)
        for when in (quarter, previous)
    )
    value_gone = card["value"].notna() & now
    target_gone = card["target_source"].eq("previous_quarter") & card["target"].notna() & before
    # A median, a place between lowest and highest: made of all figures, the withheld among them.
    of_all = card["target_source"].isin(["peer_median", "peers"]) | card["method"].isin(AMONG_PEERS)
    some_gone = value_gone.groupby(card["indicator"]).transform("any")
    target_gone |= of_all & some_gone
    gone = value_gone | target_gone
    # The cut of a group tells what its indicators earned together.
    keys = [card["branch_id"], card["group"].astype(str)]
    cut = gone.groupby(keys).transform("any") & card["lost_to_group"].ne(0)
    masked = card.assign(withheld=gone | cut)
    masked["value"] = masked["value"].mask(value_gone)
    masked["target"] = masked["target"].mask(target_gone)
    masked.loc[gone | cut, _POINTS] = np.nan
    return masked


def masked_scores(
    scores: pd.DataFrame, card: pd.DataFrame, rules: Scorecard, peers: Mapping[str, Peers]
) -> pd.DataFrame:
    """Return the scores without those of which a part is withheld, and what is told instead.

    Of every branch `told_points` of `told_weight` is what it earned on the indicators that are
    printed, `told_rate` (得分率) the one by the other, and `told_rank` its place by that rate. They
    are made of printed points alone. A rate that stands for too little, or is cut by a veto beside
    a withheld part, is not told. A rank by points is told where no peer's points are withheld.
    """
    if scores.empty:
        return scores.assign(withheld=False)
    told = card[~card["withheld"]].groupby("branch_id")[["points", "weight"]].sum()
    told = told.reindex(scores["branch_id"]).set_axis(scores.index)
    part = card.loc[card["withheld"], "branch_id"]
    gone = scores["branch_id"].isin(part) & scores["points"].notna()
    enough = told["weight"] >= rules.least_weight * rules.points
    stands = scores["points"].notna() & enough & ~(gone & scores["vetoed"].astype(bool))
    points = told["points"].where(gone, scores["points"]).where(stands)
    rate = (points / told["weight"]).round(_DECIMALS).set_axis(scores["branch_id"])
    beside = among_peers(gone.astype(float).set_axis(scores["branch_id"]), peers,
                         lambda group: np.full_like(group, group.max()))  # fmt: skip
    return scores.assign(
        withheld=gone, points=scores["points"].mask(gone),
        rank=scores["rank"].mask(beside.to_numpy() > 0),
        told_points=points, told_weight=told["weight"].where(stands), told_rate=rate.to_numpy(),
        told_rank=among_peers(rate, peers, descending_ranks).to_numpy(),
    )  # fmt: skip


def masked_comparison(
    evaluation: Evaluation, shown: Circulated, cells: pd.DataFrame, policy: Policy
) -> pd.DataFrame:
    """Return the comparison of the branches whose figure is printed."""
    table = evaluation.comparison
    if table.empty:
        return table.reindex(columns=[*COMPARISON_COLUMNS, "rank_of"]).assign(withheld=False)
    quarter, told = str(evaluation.quarter), printed(shown.measures)
    before = str(evaluation.quarter.previous)
    now, then = (
        pd.MultiIndex.from_frame(table.assign(quarter=when, member="")[_KEYS]).isin(told)
        for when in (quarter, before)
    )
    known = pd.MultiIndex.from_frame(evaluation.measures[_KEYS]).isin(told)
    compared = table.loc[now, ["measure", "base"]].drop_duplicates()
    wanted = set(compared.itertuples(index=False, name=None))
    rule = policy.comparison
    kept = tuple(one for one in rule.measures if (one.name, one.customer_base) in wanted)
    anew = comparison(
        evaluation.measures[known], evaluation.branches, cells=cells, quarter=quarter,
        policy=replace(policy, comparison=replace(rule, measures=kept)),
    )  # fmt: skip
    keys = ["branch_id", "measure", "base"]
    both = table[keys].merge(anew, on=keys, how="left", validate="1:1")
    both.index = table.index
    both[_OWN] = table.loc[now, _OWN].reindex(table.index)
    both["rank_of"] = table.groupby(["measure", "base", "peer_group"])["value"].transform("count")
    movement = ["movement", "movement_standard_error"]
    both[movement] = table.loc[now & then, movement].reindex(table.index)
    for name in ("peer_group", "kind"):
        both[name] = table[name]
    verdict = [each if isinstance(each, str) else "" for each in both["verdict"]]
    return both.assign(verdict=verdict, withheld=~now)
