"""The scorecard (季度评价): from measures and targets to points, told step by step.

value → attainment → raw points → less what floor, cap and group cap took → points; the points of a
branch's rows add up to its score. Scores rank branches of one peer group; equal scores share a
rank.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stockcust_analysis.evaluation.attainment import attainment, earned, place_among_peers
from stockcust_analysis.evaluation.peers import (
    Peers,
    Values,
    among_peers,
    descending_ranks,
    peer_groups,
    values_of,
)
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import AMONG_PEERS, Indicator, Policy, Scorecard, Veto

SCORECARD_COLUMNS = (
    "branch_id", "indicator", "measure", "member", "base", "group", "method", "direction", "weight",
    "value", "target", "target_source", "attainment", "raw_points",
    "lost_to_floor", "lost_to_cap", "lost_to_group", "points", "note",
)  # fmt: skip
SCORE_COLUMNS = ("branch_id", "peer_group", "points", "rank", "rank_of", "vetoed", "note")
_AMOUNTS = ("raw_points", "lost_to_floor", "lost_to_cap", "points")
_DECIMALS = 6  # of a score: sums of the same points in another order must tie


def scorecard(
    measures: pd.DataFrame,
    branches: pd.DataFrame,
    *,
    targets: pd.DataFrame,
    policy: Policy,
    quarter: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how each branch's score is made, and the scores with their ranks.

    Parameters
    ----------
    measures : DataFrame
        Of an evaluation, with the previous quarter where a target is made of it.
    branches : DataFrame
        Those to score: `branch_id`, and `type` where peers are of one type.
    targets : DataFrame
        `branch_id, measure, target` of the quarter; for indicators whose target is the plan.
    policy : Policy
        Its `scorecard`, and the peers of its `comparison`.
    quarter : str
        Such as "2026Q3".

    Returns
    -------
    (DataFrame, DataFrame)
        One row per branch and indicator: raw_points − lost_to_floor − lost_to_cap − lost_to_group
        = points, whose sum is the branch's score before any veto. `weight` is the weight in force:
        where an indicator is left out for want of data it is 0, and the others weigh more. `note`:
        `no_value`, `no_target`, `target_not_above_zero`, `no_peers`, with `left_out`, `no_points`
        or `not_scored`; `below_floor`, `capped`, `limited`, `group_capped`.
        One row per branch: `points`, `rank` among `rank_of` peers (both empty when not scored),
        `vetoed`, and `note`: names of vetoes in force, `veto_unknown:…`, `not_scored:…`.

    Raises
    ------
    UsageError
        A measure that the codebook does not know. One without values counts as missing data.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from stockcust_analysis.policy import load_policy
    >>> rules = Scorecard("one", (Indicator("vip_share", 100, target="fixed", fixed=0.02),))
    >>> measures = pd.DataFrame({
    ...     "quarter": "2026Q3", "branch_id": ["A", "B"], "member": "", "measure": "vip_share",
    ...     "base": "funded", "n": 100, "numerator": [1.0, 2.0], "denominator": 100.0,
    ...     "value": [0.01, 0.02]})
    >>> _, scores = scorecard(
    ...     measures, measures[["branch_id"]], targets=pd.DataFrame(), quarter="2026Q3",
    ...     policy=replace(load_policy(), scorecard=rules))
    >>> scores[["branch_id", "points", "rank"]].values.tolist()
    [['A', 50.0, 2.0], ['B', 100.0, 1.0]]
    """
    rules = policy.scorecard
    peers = peer_groups(branches, measures, rule=policy.comparison, quarter=quarter)
    rows = [_rows(one, measures, targets, peers, quarter) for one in rules.indicators]
    if not rows:
        return pd.DataFrame(columns=SCORECARD_COLUMNS), pd.DataFrame(columns=SCORE_COLUMNS)
    table = pd.concat(rows, ignore_index=True)
    table = _grouped(_reweighted(table, rules), rules)
    table = table.sort_values("branch_id", kind="stable", ignore_index=True)
    return table[list(SCORECARD_COLUMNS)], _scores(table, measures, rules, peers, quarter)


def _rows(one: Indicator, measures: pd.DataFrame, targets: pd.DataFrame,
          peers: Mapping[str, Peers], quarter: str) -> pd.DataFrame:  # fmt: skip
    """Return one indicator's rows, one per branch, before groups and missing data are settled."""
    value = _measured(one.measure_name, one.member, one.customer_base, measures, quarter, peers)
    target = _targets(one, value, measures, targets, peers, quarter)
    if one.method in AMONG_PEERS:
        reached = among_peers(
            value, peers, lambda group: place_among_peers(group, one.method, one.direction)
        )
    else:
        reached = pd.Series(attainment(value, target, one.direction), index=value.index)
    points = earned(one, reached)
    table = pd.DataFrame(
        {
            "indicator": one.name, "measure": one.measure_name, "member": one.member,
            "base": one.customer_base, "group": one.group, "method": one.method,
            "direction": one.direction, "weight": one.weight, "value": value, "target": target,
            "target_source": "peers" if one.method in AMONG_PEERS else one.target,
            "attainment": reached, "raw_points": points.raw, "lost_to_floor": points.lost_to_floor,
            "lost_to_cap": points.lost_to_cap, "missing": one.missing,
        }
    )  # fmt: skip
    table["points"] = table["raw_points"] - table["lost_to_floor"] - table["lost_to_cap"]
    table["note"] = _notes(one, table)
    return table.rename_axis("branch_id").reset_index()


def _measured(measure: str, member: str, base: str, measures: pd.DataFrame, quarter: str,
              peers: Mapping[str, Peers]) -> pd.Series:  # fmt: skip
    """Return a measure's values of the branches to score; a branch without it has none."""
    name = measure_definition(measure).name
    found = values_of(measures, quarter=quarter, measure=name, base=base, member=member)
    return found["value"].reindex(list(peers)).astype(float)


def _targets(one: Indicator, value: pd.Series, measures: pd.DataFrame, targets: pd.DataFrame,
             peers: Mapping[str, Peers], quarter: str) -> pd.Series:  # fmt: skip
    """Return each branch's target, empty where it has none."""
    none = pd.Series(np.nan, index=value.index)
    if one.method in AMONG_PEERS:
        return none
    if one.target == "fixed":
        return none.fillna(one.fixed)
    if one.target == "peer_median":
        return among_peers(value, peers, lambda group: np.full_like(group, np.median(group)))
    if one.target == "previous_quarter":
        before = values_of(
            measures, quarter=str(Quarter.parse(quarter).previous), measure=one.measure_name,
            base=one.customer_base, member=one.member,
        )  # fmt: skip
        return before["value"].reindex(value.index).astype(float)
    if targets.empty:
        return none
    planned = targets[targets["measure"] == one.measure_name].set_index("branch_id")["target"]
    return planned.reindex(value.index).astype(float)


def _notes(one: Indicator, table: pd.DataFrame) -> Values:
    """Return what happened to each branch's points, in one word."""
    target, relative = table["target"], one.method in AMONG_PEERS
    limit = "limited" if one.method == "deduction" else "below_floor"
    return np.select(
        [
            table["value"].isna(),
            relative & table["attainment"].isna(),
            ~pd.Series(relative, index=table.index) & target.isna(),
            target <= 0,
            table["lost_to_floor"] != 0,
            table["lost_to_cap"] != 0,
        ],
        ["no_value", "no_peers", "no_target", "target_not_above_zero", limit, "capped"],
        default="",
    )


def _reweighted(table: pd.DataFrame, rules: Scorecard) -> pd.DataFrame:
    """Settle indicators without data: left out, so that the others weigh more, or no points."""
    absent = table["attainment"].isna()
    out = absent & (table["missing"] == "left_out")
    weighed = table["weight"].where(~out, 0.0)
    whole = weighed.groupby(table["branch_id"]).transform("sum")
    scale = np.divide(rules.points, whole, out=np.zeros(len(table)), where=whole > 0)
    settled = table.assign(weight=weighed * scale)
    settled[list(_AMOUNTS)] = settled[list(_AMOUNTS)].mul(scale, axis=0).mask(absent, 0.0)
    settled["note"] = table["note"] + np.where(absent, " " + table["missing"], "")
    return settled.assign(scale=scale)


def _grouped(table: pd.DataFrame, rules: Scorecard) -> pd.DataFrame:
    """Cut the points of groups that earned more than they may, pro rata."""
    table = table.assign(lost_to_group=0.0)
    for group in rules.indicator_groups:
        inside = table["group"] == group.name
        points = table["points"].where(inside, 0.0)
        total = points.groupby(table["branch_id"]).transform("sum")
        over = inside & (total > group.most_points * table["scale"])
        kept = group.most_points * table["scale"] / total.where(over, 1.0)
        table.loc[over, "lost_to_group"] = (points * (1 - kept))[over]
        table.loc[over, "note"] = (table["note"] + " group_capped").str.strip()[over]
    return table.assign(points=table["points"] - table["lost_to_group"])


def _scores(table: pd.DataFrame, measures: pd.DataFrame, rules: Scorecard,
            peers: Mapping[str, Peers], quarter: str) -> pd.DataFrame:  # fmt: skip
    """Return one row per branch: its points after vetoes, and its rank among its peers."""
    by_branch = table.groupby("branch_id")
    names = list(peers)
    scores = pd.DataFrame({
        "branch_id": names,
        "peer_group": [peers[name].group for name in names],
        "points": by_branch["points"].sum().reindex(names).round(_DECIMALS).to_numpy(),
        "vetoed": False,
        "note": "",
    })  # fmt: skip
    for veto in rules.vetoes:
        scores = _vetoed(scores, veto, measures, quarter, peers)
    why = _not_scored(table, rules).reindex(names).fillna("").to_numpy()
    scores["points"] = scores["points"].where(why == "")
    scores["note"] = (scores["note"] + np.where(why == "", "", " not_scored:" + why)).str.strip()
    points = scores.set_index("branch_id")["points"]
    scores["rank"] = among_peers(points, peers, descending_ranks).to_numpy()
    scores["rank_of"] = among_peers(
        points, peers, lambda group: np.full_like(group, group.size)
    ).to_numpy()
    return scores[list(SCORE_COLUMNS)]


def _vetoed(scores: pd.DataFrame, veto: Veto, measures: pd.DataFrame, quarter: str,
            peers: Mapping[str, Peers]) -> pd.DataFrame:  # fmt: skip
    """Return the scores with one veto laid over them; a missing value vetoes nothing."""
    value = _measured(veto.measure, "", veto.customer_base, measures, quarter, peers).to_numpy()
    hit = value > veto.above if veto.above is not None else value < veto.below
    unknown = np.isnan(value)
    words = np.where(hit, " " + veto.name, np.where(unknown, f" veto_unknown:{veto.name}", ""))
    return scores.assign(
        points=scores["points"].where(~hit, scores["points"].clip(upper=veto.most_points)),
        vetoed=scores["vetoed"] | hit,
        note=(scores["note"] + words).str.strip(),
    )


def _not_scored(table: pd.DataFrame, rules: Scorecard) -> pd.Series:
    """Return for each branch without a score the reason."""
    absent = table["attainment"].isna()
    refused = (absent & (table["missing"] == "not_scored")).groupby(table["branch_id"]).any()
    stated = table["indicator"].map({one.name: one.weight for one in rules.indicators})
    known = stated.where(~absent, 0.0).groupby(table["branch_id"]).sum()
    thin = known < rules.least_weight * rules.points
    reasons = np.select([refused, thin], ["indicator_missing", "too_little_data"], default="")
    return pd.Series(reasons, index=refused.index)
