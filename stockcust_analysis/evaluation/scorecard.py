"""The scorecard (季度评价): from measures and targets to points, step by step, and its traps.

value → attainment (完成率) → raw points → less what floor, cap and group cap took → points; the
points of a branch's rows add up to its score. Scores rank branches of one peer group; equal scores
share a rank.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.peers import Peers, Values, branch_figures, peer_groups
from stockcust_analysis.evaluation.results import Evaluation, new_branches
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.policy import AMONG_PEERS, Indicator, Policy, Scorecard
from stockcust_analysis.policy.describe import LintWarning, add_reasons, lint, lints

_RULES = ("indicator", "measure", "member", "base", "group", "method", "direction", "weight")
_REACHED = ("value", "start", "target", "target_source", "attainment")
_LOSSES = ("lost_to_floor", "lost_to_cap", "lost_to_group")
SCORECARD_COLUMNS = ("branch_id", *_RULES, *_REACHED, "raw_points", *_LOSSES, "points", "note")
SCORE_COLUMNS = ("branch_id", "peer_group", "points", "rank", "rank_of", "vetoed", "note")
_AMOUNTS = ["raw_points", "lost_to_floor", "lost_to_cap", "points"]
_DECIMALS = 6  # of a score: sums of the same points in another order must tie
_NOT_SCORED = ("too_few_customers", "indicator_missing", "too_little_data")
_CUSTOMERS = ("customers", "funded", "")
_FEWEST = 10  # branches, for a correlation to say anything


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
        = points, whose sum is the branch's score before any veto; all empty where the branch is not
        scored. `start` is the figure at the year's start that a planned increase is added to, and
        empty for all other targets: attainment = (value − start) / (target − start). `weight` is
        the weight in force: where an indicator is left out for want of data it is 0, and the others
        weigh more. `note`: `no_value`, `no_target`, `plans_differ` (of merged branches),
        `target_not_above_zero`, `not_comparable`, `no_peers`, with `left_out`, `no_points` or
        `not_scored`; `below_floor`, `capped`, `limited`, `group_capped`.
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
    if not rules.indicators:
        return pd.DataFrame(columns=SCORECARD_COLUMNS), pd.DataFrame(columns=SCORE_COLUMNS)
    peers = peer_groups(branches, measures, rule=policy.comparison, quarter=quarter)
    keys = [(i.measure_name, i.customer_base, i.member) for i in rules.indicators]
    keys += [(veto.measure, veto.customer_base, "") for veto in rules.vetoes]
    for measure, _, _ in keys:
        measure_definition(measure)  # refuses a name that the codebook does not know
    names, before = list(peers.group_of), str(Quarter.parse(quarter).previous)
    now, then, number = (
        branch_figures(measures, when, figures, names)["value"]
        for when, figures in ((quarter, keys), (before, keys), (quarter, [_CUSTOMERS]))
    )
    rows = len(rules.indicators) * len(names)
    table = _with_targets(now[:rows].reset_index(), then.to_numpy()[:rows], targets, rules)
    table = _cap_groups(_reweigh(_with_points(table, rules, peers), rules), rules)
    too_small = (number < policy.comparison.least_customers).to_numpy()
    new = new_branches(branches, Quarter.parse(quarter))
    unranked = np.array([branch in new for branch in names], bool)
    scores = _scores(table, now.to_numpy()[rows:], rules, peers, too_small, unranked)
    table = table.sort_values("branch_id", kind="stable", ignore_index=True)
    # Points whose sum would be the score that the branch is not to have.
    unscored = table["branch_id"].isin(scores.loc[scores["points"].isna(), "branch_id"])
    table["start"] = table["start"].where(table["start"] != 0)
    table.loc[unscored, ["raw_points", *_LOSSES, "points"]] = np.nan
    return table[list(SCORECARD_COLUMNS)], scores


def with_previous(
    card: pd.DataFrame, scores: pd.DataFrame, *, before: tuple[pd.DataFrame, pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return scorecard and scores with the quarter before, in columns that end in `_before`.

    These are `points_before`, `rank_before` and `rank_of_before`, by today's rows and rules. They
    are empty for a branch whose points were then made of other indicators than now: without those
    of a first year, say.
    """
    keys = ["branch_id", "indicator"]
    then = before[0].set_index(keys).reindex(pd.MultiIndex.from_frame(card[keys]))
    unlike = then["attainment"].isna().to_numpy() != card["attainment"].isna().to_numpy()
    alike = ~card["branch_id"].isin(card.loc[unlike, "branch_id"])
    card = card.assign(points_before=pd.Series(then["points"].to_numpy()).where(alike))
    stood = before[1].set_index("branch_id")[["points", "rank", "rank_of"]].add_suffix("_before")
    stood = stood[stood.index.isin(card.loc[alike, "branch_id"])]
    return card, scores.join(stood, on="branch_id")


def level_targets(
    targets: pd.DataFrame, measures: pd.DataFrame, *, policy: Policy, quarter: Quarter
) -> pd.DataFrame:
    """Return the plans as levels to reach, with the figure at the year's start that each is from.

    An increase is from the branch's figure at the end of last year, on the base of the indicator
    that has the plan, else of funded customers; a branch without a figure then starts from nothing.
    Where the whole bank has no such figure, or that quarter is not delivered, it is unknown: then
    `start` is NaN. A level is from zero. A plan whose `start` is NaN already stays so: nothing is
    held against it.
    """
    increases = targets["kind"].eq("increase").to_numpy(bool)
    start, year_start = np.zeros(len(targets)), str(quarter.year_start)
    if increases.any():
        then = measures[(measures["quarter"] == year_start) & (measures["member"] == "")]
        planned = [i for i in policy.scorecard.indicators if i.target == "plan"]
        bases = {i.measure_name: i.customer_base for i in planned}
        figures = then.set_index(["branch_id", "measure", "base"])["value"]
        keys = zip(targets["branch_id"], targets["measure"], strict=True)
        known = {*zip(then["measure"], then["base"], strict=True)}
        based = [(branch, name, bases.get(name, "funded")) for branch, name in keys]
        found = np.nan_to_num([float(figures.get(key, 0.0)) for key in based])
        found[[key[1:] not in known for key in based]] = np.nan
        start = np.where(increases, found, 0.0)
    start = start + targets.get("start", 0.0)
    level = targets["target"].astype(float) + np.where(increases, start, 0.0)
    return targets.assign(target=level, start=start)


def _with_targets(
    table: pd.DataFrame, before: Values, targets: pd.DataFrame, rules: Scorecard
) -> pd.DataFrame:
    """Return values with their indicators' rules and targets; `before` is last quarter's value."""
    stated = pd.DataFrame(map(asdict, rules.indicators)).drop(columns=["measure", "member"])
    stated = stated.loc[stated.index.repeat(len(table) // len(stated))].reset_index(drop=True)
    table = table.join(stated.rename(columns={"name": "indicator", "target": "target_source"}))
    source = table["target_source"].mask(table["method"].isin(AMONG_PEERS), "peers")
    plan, start = np.full_like(before, np.nan), np.zeros_like(before)
    planned = pd.Series(False, index=table.index)
    if not targets.empty:
        plans = targets.assign(start=targets.get("start", 0.0)).set_index(["measure", "branch_id"])
        keys = pd.MultiIndex.from_frame(table[["measure", "branch_id"]])
        planned, plans = (source == "plan") & keys.isin(plans.index), plans.reindex(keys)
        plan[:], start[:] = plans["target"], np.where(planned, plans["start"], 0.0)
    fixed = table["fixed"].to_numpy(float)
    known = {"fixed": fixed, "previous_quarter": before, "plan": plan}
    target = np.select([source == name for name in known], list(known.values()), np.nan)
    return table.assign(target_source=source, target=target, start=start, planned=planned)


def _with_points(table: pd.DataFrame, rules: Scorecard, peers: Peers) -> pd.DataFrame:
    """Return the rows with attainment and points, before groups and missing data are settled."""
    results = []
    blocks = table[["value", "target", "start"]].to_numpy().T.reshape(3, -1, len(peers.group_of))
    for indicator, value, target, start in zip(rules.indicators, *blocks, strict=True):
        if indicator.method in AMONG_PEERS:
            options = {"method": indicator.method, "direction": indicator.direction}
            reached = peers.among(value, partial(place_among_peers, **options))
        else:
            if indicator.target == "peer_median":
                target = peers.among(value, lambda x: np.full_like(x, np.median(x)))
            reached = attainment(value - start, target - start, indicator.direction)
        results.append([target, reached, *earned(indicator, reached)])
    names = ("target", "attainment", "raw_points", "lost_to_floor", "lost_to_cap")
    table = table.assign(**dict(zip(names, np.concatenate(results, axis=1), strict=True)))
    by_peers, below = table["target_source"] == "peers", table["lost_to_floor"] != 0
    reasons = {
        "no_value": table["value"].isna(),
        "no_peers": by_peers & table["attainment"].isna(),
        "not_comparable": table["start"].isna(),
        "plans_differ": table["planned"] & table["target"].isna(),
        "no_target": ~by_peers & table["target"].isna(),
        "target_not_above_zero": table["target"] <= 0,
        "limited": below & (table["method"] == "deduction"),
        "below_floor": below,
        "capped": table["lost_to_cap"] != 0,
    }
    points = table["raw_points"] - table["lost_to_floor"] - table["lost_to_cap"]
    return table.assign(points=points, note=np.select(list(reasons.values()), list(reasons), ""))


def _reweigh(table: pd.DataFrame, rules: Scorecard) -> pd.DataFrame:
    """Settle indicators without data: left out, so that the others weigh more, or no points."""
    absent, stated = table["attainment"].isna(), table["weight"]
    weight = stated.mask(absent & (table["missing"] == "left_out"), 0.0)
    total = weight.groupby(table["branch_id"]).transform("sum")
    scale = np.divide(rules.points, total, out=np.zeros(len(table)), where=total > 0)
    amounts = table[_AMOUNTS].mul(scale, axis=0).mask(absent, 0.0)
    note = table["note"] + np.where(absent, " " + table["missing"], "")
    return table.assign(**amounts, weight=weight * scale, note=note, scale=scale, stated=stated)


def _cap_groups(table: pd.DataFrame, rules: Scorecard) -> pd.DataFrame:
    """Cut the points of groups that earned more than they may, pro rata."""
    table = table.assign(lost_to_group=0.0)
    for group in rules.indicator_groups:
        inside = table["group"] == group.name
        points = table["points"].where(inside, 0.0)
        total = points.groupby(table["branch_id"]).transform("sum")
        most = group.most_points * table["scale"]
        over = inside & (total > most)
        table.loc[over, "lost_to_group"] = (points * (1 - most / total.where(over, 1.0)))[over]
        table.loc[over, "note"] = (table["note"] + " group_capped").str.strip()[over]
    return table.assign(points=table["points"] - table["lost_to_group"])


def _scores(
    table: pd.DataFrame,
    veto_values: Values,
    rules: Scorecard,
    peers: Peers,
    too_small: npt.NDArray[np.bool_],
    unranked: npt.NDArray[np.bool_],
) -> pd.DataFrame:
    """Return one row per branch: its points after vetoes, and its rank among its peers."""
    absent = table["attainment"].isna()
    table = table.assign(
        refused=absent & (table["missing"] == "not_scored"), known=table["stated"].mask(absent, 0.0)
    )
    sums = table.groupby("branch_id").agg({"points": "sum", "refused": "any", "known": "sum"})
    sums = sums.reindex(list(peers.group_of))
    points, notes = sums["points"].round(_DECIMALS).to_numpy(), []
    vetoed = np.zeros(len(points), bool)
    for veto, value in zip(rules.vetoes, veto_values.reshape(-1, len(peers.group_of)), strict=True):
        hit = value > veto.above if veto.above is not None else value < (veto.below or 0.0)
        points, vetoed = np.where(hit, np.minimum(points, veto.most_points), points), vetoed | hit
        words = [veto.name, f"veto_unknown:{veto.name}"]
        notes.append(np.select([hit, np.isnan(value)], words, ""))
    thin = (sums["known"] < rules.least_weight * rules.points).to_numpy()
    reasons = [f"not_scored:{reason}" for reason in _NOT_SCORED]
    notes.append(np.select([too_small, sums["refused"].to_numpy(), thin], reasons, ""))
    points = np.where(notes[-1] == "", points, np.nan)
    ranked = np.where(unranked, np.nan, points)
    columns = {
        "branch_id": list(peers.group_of),
        "peer_group": list(peers.group_of.values()),
        "points": points,
        "rank": peers.among(ranked, lambda x: np.asarray(pd.Series(-x).rank(method="min"))),
        "rank_of": peers.among(ranked, lambda x: np.full_like(x, x.size)),
        "vetoed": vetoed,
        "note": [" ".join(filter(None, words)) for words in zip(*notes, strict=True)],
    }
    return pd.DataFrame(columns)[list(SCORE_COLUMNS)]


class Earned(NamedTuple):
    """Points before any bound, and what floor and cap took (what a limit gave is negative)."""

    raw: Values
    lost_to_floor: Values
    lost_to_cap: Values


def attainment(values: npt.ArrayLike, targets: npt.ArrayLike, direction: str) -> Values:
    """Return value / target, or 2 − value / target where low is good; NaN unless target > 0.

    >>> attainment([90.0, 0.1], [100.0, 0.0], "higher").tolist()
    [0.9, nan]
    >>> attainment([0.12], [0.1], "lower").round(9).tolist()
    [0.8]
    """
    value, target = np.asarray(values, float), np.asarray(targets, float)
    ratio: Values = np.divide(value, target, out=np.full_like(value, np.nan), where=target > 0)
    return ratio if direction == "higher" else np.subtract(2, ratio)


def place_among_peers(values: npt.ArrayLike, method: str, direction: str) -> Values:
    """Return the attainment of each of a group's branches by the methods that look at peers.

    Alone, a branch has none (NaN); where all are alike each stands in the middle, at 0.5.

    >>> place_among_peers([1.0, 2.0, 4.0], "min_max", "higher").round(3).tolist()
    [0.0, 0.333, 1.0]
    >>> place_among_peers([1.0, 2.0, 2.0], "percentile", "higher").tolist()
    [0.0, 0.75, 0.75]
    >>> place_among_peers([1.0, 3.0], "z", "lower").tolist()
    [0.6, 0.4]
    """
    value: Values = np.asarray(values, float) * (1 if direction == "higher" else -1)
    if value.size < 2:
        return np.full_like(value, np.nan)
    if np.ptp(value) == 0:
        return np.full_like(value, 0.5)
    if method == "min_max":
        return np.asarray((value - value.min()) / np.ptp(value))
    if method == "percentile":
        return np.asarray((pd.Series(value).rank() - 1) / (value.size - 1))
    return np.asarray(0.5 + 0.1 * (value - value.mean()) / value.std())


def earned(indicator: Indicator, reached: npt.ArrayLike) -> Earned:
    """Return the points that an attainment earns, with what the bounds took.

    >>> points = earned(Indicator("gini", 20, floor=0.6, ceiling=1.25), [0.5, 1.0, 1.5])
    >>> points.raw.tolist(), points.lost_to_floor.tolist(), points.lost_to_cap.tolist()
    ([10.0, 20.0, 30.0], [10.0, 0.0, 0.0], [0.0, 0.0, 5.0])
    """
    rate, weight = np.asarray(reached, float), indicator.weight
    step = 100 * (indicator.points_per_percent or 0)
    if indicator.method == "deduction":
        deducted = step * np.maximum(1 - rate, 0)
        beyond = np.maximum(deducted - (indicator.limit or weight), 0)
        return Earned(weight - deducted, -beyond, np.zeros_like(rate))
    if indicator.method == "full_marks_then_bonus":
        bonus = step * np.maximum(rate - 1, 0)
        raw = weight * np.minimum(rate, 1) + bonus
        most = step * max(indicator.ceiling - 1, 0)
        over = np.maximum(bonus - min(indicator.limit or 0, most), 0)
    else:
        raw = weight * rate
        over = weight * np.maximum(rate - indicator.ceiling, 0)
    return Earned(raw, np.where(rate < indicator.floor, raw, 0.0), over)


def lint_scorecard(evaluation: Evaluation, policy: Policy) -> list[LintWarning]:
    """Return all traps of a quarter's scorecard: those of its rules, and those of its figures.

    Parameters
    ----------
    evaluation : Evaluation
        Its measures, its branches, and its scorecard by that policy.
    policy : Policy
        Its `scorecard`, and the peers of its `comparison`.

    Returns
    -------
    list of LintWarning
        One for each trap and indicator (or peer group), with the bank's reason where it is kept.
    """
    measures, table, quarter = evaluation.measures, evaluation.scorecard, str(evaluation.quarter)
    peers = peer_groups(evaluation.branches, measures, rule=policy.comparison, quarter=quarter)
    sizes = {group: len(members) for group, members in peers.members.items()}
    fewest = lints()["small_peer_group"].limit or 0
    warnings = [
        LintWarning("small_peer_group", group, f"({size} < {fewest:g})")
        for group, size in sorted(sizes.items())
        if size < fewest
    ]
    for indicator in policy.scorecard.indicators:
        key = (indicator.measure_name, indicator.customer_base, indicator.member)
        figures = branch_figures(measures, quarter, [key], list(peers.group_of)).dropna(subset="n")
        targets = table.loc[table["indicator"] == indicator.name, "target"].dropna()
        warnings += _lint_figures(indicator, figures, targets)
    warnings += _correlated_indicators(table, lints()["correlated"].limit or 1)
    return lint(policy) + add_reasons(warnings, policy)


def _lint_figures(
    indicator: Indicator, figures: pd.DataFrame, targets: pd.Series
) -> list[LintWarning]:
    """Return the traps of one indicator: few customers, or growth from next to nothing."""
    small, tiny = lints()["small_denominator"], lints()["tiny_base"]
    n, warnings = figures["n"], []
    # A total, whose denominator is 1, stands on its customers.
    number = figures["denominator"].where(figures["denominator"] != 1, n).clip(upper=n)
    if few := int((number < (small.limit or 0)).sum()):
        detail = f"({few}/{len(figures)} < {small.limit:g})"
        warnings.append(LintWarning(small.name, indicator.name, detail))
    grows, opening = tiny.applies_to(indicator), targets
    if grows:
        opening = figures["denominator"]
    few = int((opening < (tiny.limit or 0) * opening.median()).sum())
    if few and (grows or indicator.target == "previous_quarter"):
        detail = f"({few}/{len(opening)})"
        warnings.append(LintWarning(tiny.name, indicator.name, detail))
    return warnings


def _correlated_indicators(table: pd.DataFrame, limit: float) -> list[LintWarning]:
    """Return the pairs of indicators whose attainments go together over the branches."""
    reached = table.pivot(index="branch_id", columns="indicator", values="attainment")
    names = sorted(map(str, reached))
    correlations = reached[names].corr(min_periods=_FEWEST).to_numpy()
    return [
        LintWarning("correlated", f"{first}, {second}", f"(r = {r:.2f})")
        for (row, first), (column, second) in combinations(enumerate(names), 2)
        if abs(r := float(correlations[row, column])) > limit
    ]
