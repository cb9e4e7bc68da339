"""The scorecard (季度评价): from measures and targets to points, step by step, and its traps.

value → attainment (完成率) → raw points → less what floor, cap and group cap took → points; the
points of a branch's rows add up to its score. Scores rank branches of one peer group; equal scores
share a rank.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from stockcust_analysis.evaluation.comparison import (
    BranchFigures,
    Peers,
    Positions,
    among_peers,
    branch_rows,
    group_positions,
    peer_groups,
)
from stockcust_analysis.evaluation.funnel import Values
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import AMONG_PEERS, Indicator, Policy, Scorecard, Veto
from stockcust_analysis.policy.lint import LintWarning, add_reasons, lint, lints

SCORECARD_COLUMNS = (
    "branch_id",
    "indicator",
    "measure",
    "member",
    "base",
    "group",
    "method",
    "direction",
    "weight",
    "value",
    "target",
    "target_source",
    "attainment",
    "raw_points",
    "lost_to_floor",
    "lost_to_cap",
    "lost_to_group",
    "points",
    "note",
)
SCORE_COLUMNS = ("branch_id", "peer_group", "points", "rank", "rank_of", "vetoed", "note")
_AMOUNTS = ["raw_points", "lost_to_floor", "lost_to_cap", "points"]
_DECIMALS = 6  # of a score: sums of the same points in another order must tie
_FEWEST = 10  # branches, for a correlation to say anything


class _Quarter(NamedTuple):
    """What the branches of a quarter are scored with."""

    name: str
    figures: BranchFigures
    targets: pd.DataFrame
    peers: dict[str, Peers]
    groups: list[tuple[Positions, Positions]]

    def values(self, measure: str, base: str, member: str = "", *, quarter: str = "") -> Values:
        """Return a measure's values of the branches to score; NaN for a branch without any."""
        name = measure_definition(measure).name
        rows = self.figures.of(quarter or self.name, name, base, member)
        return rows["value"].reindex(list(self.peers)).to_numpy(float)


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
    if not rules.indicators:
        return pd.DataFrame(columns=SCORECARD_COLUMNS), pd.DataFrame(columns=SCORE_COLUMNS)
    peers = peer_groups(branches, measures, rule=policy.comparison, quarter=quarter)
    names = [indicator.measure_name for indicator in rules.indicators]
    names += [veto.measure for veto in rules.vetoes]
    rows = branch_rows(measures, names, quarter, str(Quarter.parse(quarter).previous))
    scored = _Quarter(quarter, BranchFigures(rows), targets, peers, group_positions(peers))
    table = pd.concat([_score(each, scored) for each in rules.indicators], ignore_index=True)
    table = _cap_groups(_reweigh(table, rules), rules)
    table = table.sort_values("branch_id", kind="stable", ignore_index=True)
    return table[list(SCORECARD_COLUMNS)], _add_up(table, rules, scored)


def _score(indicator: Indicator, scored: _Quarter) -> pd.DataFrame:
    """Return one indicator's rows, one per branch, before groups and missing data are settled."""
    method, direction = indicator.method, indicator.direction
    by_peers = method in AMONG_PEERS
    value = scored.values(indicator.measure_name, indicator.customer_base, indicator.member)
    target = _targets(indicator, value, scored)
    if by_peers:
        reached = among_peers(
            value, scored.groups, lambda group: place_among_peers(group, method, direction)
        )
    else:
        reached = attainment(value, target, direction)
    raw, lost_to_floor, lost_to_cap = earned(indicator, reached)
    reasons = {
        "no_value": np.isnan(value),
        "no_peers" if by_peers else "no_target": np.isnan(reached if by_peers else target),
        "target_not_above_zero": target <= 0,
        "limited" if method == "deduction" else "below_floor": lost_to_floor != 0,
        "capped": lost_to_cap != 0,
    }
    return pd.DataFrame(
        {
            "branch_id": list(scored.peers),
            "indicator": indicator.name,
            "measure": indicator.measure_name,
            "member": indicator.member,
            "base": indicator.customer_base,
            "group": indicator.group,
            "method": method,
            "direction": direction,
            "weight": indicator.weight,
            "value": value,
            "target": target,
            "target_source": "peers" if by_peers else indicator.target,
            "attainment": reached,
            "raw_points": raw,
            "lost_to_floor": lost_to_floor,
            "lost_to_cap": lost_to_cap,
            "points": raw - lost_to_floor - lost_to_cap,
            "missing": indicator.missing,
            "note": np.select(list(reasons.values()), list(reasons), default=""),
        }
    )


def _targets(indicator: Indicator, value: Values, scored: _Quarter) -> Values:
    """Return each branch's target, NaN where it has none."""
    none, measure = np.full_like(value, np.nan), indicator.measure_name
    if indicator.method in AMONG_PEERS:
        return none
    if indicator.target == "fixed":
        return np.full_like(value, indicator.fixed)
    if indicator.target == "peer_median":
        return among_peers(
            value, scored.groups, lambda group: np.full_like(group, np.median(group))
        )
    if indicator.target == "previous_quarter":
        before = str(Quarter.parse(scored.name).previous)
        return scored.values(measure, indicator.customer_base, indicator.member, quarter=before)
    if scored.targets.empty:
        return none
    plan = scored.targets[scored.targets["measure"] == measure].set_index("branch_id")["target"]
    return plan.reindex(list(scored.peers)).to_numpy(float)


def _reweigh(table: pd.DataFrame, rules: Scorecard) -> pd.DataFrame:
    """Settle indicators without data: left out, so that the others weigh more, or no points."""
    absent = table["attainment"].isna()
    weight = table["weight"].mask(absent & (table["missing"] == "left_out"), 0.0)
    total = weight.groupby(table["branch_id"]).transform("sum")
    scale = np.divide(rules.points, total, out=np.zeros(len(table)), where=total > 0)
    amounts = table[_AMOUNTS].mul(scale, axis=0).mask(absent, 0.0)
    note = table["note"] + np.where(absent, " " + table["missing"], "")
    return table.assign(weight=weight * scale, **amounts, note=note, scale=scale)


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


def _add_up(table: pd.DataFrame, rules: Scorecard, scored: _Quarter) -> pd.DataFrame:
    """Return one row per branch: its points after vetoes, and its rank among its peers."""
    names = list(scored.peers)
    points = table.groupby("branch_id")["points"].sum().reindex(names).round(_DECIMALS).to_numpy()
    scores = pd.DataFrame(
        {
            "branch_id": names,
            "peer_group": [peers.group for peers in scored.peers.values()],
            "points": points,
            "vetoed": False,
            "note": "",
        }
    )
    for veto in rules.vetoes:
        scores = _apply_veto(scores, veto, scored)
    reason = _reasons_for_no_score(table, rules).reindex(names).fillna("").to_numpy()
    points = scores["points"].where(reason == "").to_numpy()
    note = scores["note"] + np.where(reason == "", "", " not_scored:" + reason)
    scores = scores.assign(
        points=points,
        note=note.str.strip(),
        rank=among_peers(points, scored.groups, descending_ranks),
        rank_of=among_peers(points, scored.groups, lambda group: np.full_like(group, group.size)),
    )
    return scores[list(SCORE_COLUMNS)]


def _apply_veto(scores: pd.DataFrame, veto: Veto, scored: _Quarter) -> pd.DataFrame:
    """Return the scores with one veto applied; a missing value vetoes nothing."""
    value = scored.values(veto.measure, veto.customer_base)
    hit = value > veto.above if veto.above is not None else value < (veto.below or 0.0)
    reasons = [" " + veto.name, f" veto_unknown:{veto.name}"]
    return scores.assign(
        points=scores["points"].where(~hit, scores["points"].clip(upper=veto.most_points)),
        vetoed=scores["vetoed"] | hit,
        note=(scores["note"] + np.select([hit, np.isnan(value)], reasons, "")).str.strip(),
    )


def _reasons_for_no_score(table: pd.DataFrame, rules: Scorecard) -> pd.Series:
    """Return why each branch has no score; empty for one that has."""
    absent = table["attainment"].isna()
    refused = (absent & (table["missing"] == "not_scored")).groupby(table["branch_id"]).any()
    weights = {indicator.name: indicator.weight for indicator in rules.indicators}
    stated = table["indicator"].map(weights).where(~absent, 0.0)
    thin = stated.groupby(table["branch_id"]).sum() < rules.least_weight * rules.points
    reasons = np.select([refused, thin], ["indicator_missing", "too_little_data"], default="")
    return pd.Series(reasons, index=refused.index)


def descending_ranks(group: Values) -> Values:
    """Return the rank of each value, the largest first; equal values share one.

    >>> descending_ranks(np.array([75.0, 90.0, 75.0])).tolist()
    [2.0, 1.0, 2.0]
    """
    return np.asarray((group[:, None] < group).sum(axis=1) + 1.0)


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
        place: Values = (value - value.min()) / np.ptp(value)
    elif method == "percentile":
        below = (value[:, None] > value).sum(axis=1)
        alike = (value[:, None] == value).sum(axis=1) - 1
        place = (below + alike / 2) / (value.size - 1)
    else:
        place = 0.5 + 0.1 * (value - value.mean()) / value.std()
    return place


def earned(indicator: Indicator, reached: npt.ArrayLike) -> Earned:
    """Return the points that an attainment earns, with what the bounds took.

    >>> points = earned(Indicator("gini", 20, floor=0.6, ceiling=1.25), [0.5, 1.0, 1.5])
    >>> points.raw.tolist(), points.lost_to_floor.tolist(), points.lost_to_cap.tolist()
    ([10.0, 20.0, 30.0], [10.0, 0.0, 0.0], [0.0, 0.0, 5.0])
    """
    rate, weight = np.asarray(reached, float), indicator.weight
    step = 100 * (indicator.points_per_percent or 0)
    nothing = np.zeros_like(rate)
    if indicator.method == "deduction":
        deducted = step * np.maximum(1 - rate, 0)
        beyond = np.maximum(deducted - (indicator.limit or weight), 0)
        return Earned(weight - deducted, -beyond, nothing)
    if indicator.method == "full_marks_then_bonus":
        bonus = step * np.maximum(rate - 1, 0)
        raw = weight * np.minimum(rate, 1) + bonus
        most = step * max(indicator.ceiling - 1, 0)
        over = np.maximum(bonus - min(indicator.limit or 0, most), 0)
    else:
        raw = weight * rate
        over = weight * np.maximum(rate - indicator.ceiling, 0)
    return Earned(raw, np.where(rate < indicator.floor, raw, 0.0), over)


def lint_scorecard(
    table: pd.DataFrame,
    measures: pd.DataFrame,
    *,
    branches: pd.DataFrame,
    policy: Policy,
    quarter: str,
) -> list[LintWarning]:
    """Return all traps of a quarter's scorecard: those of its rules, and those of its figures.

    Parameters
    ----------
    table : DataFrame
        The scorecard's rows, as `scorecard` returns them.
    measures, branches, policy, quarter
        As for `scorecard`.

    Returns
    -------
    list of LintWarning
        One for each trap and indicator (or peer group), with the bank's reason where it is kept.
    """
    indicators = policy.scorecard.indicators
    peers = peer_groups(branches, measures, rule=policy.comparison, quarter=quarter)
    sizes = {group: len(members) for group, members in peers.values()}
    fewest = lints()["small_peer_group"].limit or 0
    warnings = [
        LintWarning("small_peer_group", group, f"({size} < {fewest:g})")
        for group, size in sorted(sizes.items())
        if size < fewest
    ]
    names = [indicator.measure_name for indicator in indicators]
    figures = BranchFigures(branch_rows(measures, names, quarter))
    for indicator in indicators:
        keys = indicator.measure_name, indicator.customer_base, indicator.member
        warnings += _lint_figures(indicator, table, figures.of(quarter, *keys))
    warnings += _correlated_indicators(table, lints()["correlated"].limit or 1)
    return lint(policy) + add_reasons(warnings, policy)


def _lint_figures(
    indicator: Indicator, table: pd.DataFrame, figures: pd.DataFrame
) -> list[LintWarning]:
    """Return the traps of one indicator: few customers, or growth from next to nothing."""
    small, tiny = lints()["small_denominator"], lints()["tiny_base"]
    n, warnings = figures["n"], []
    # A total stands on its customers.
    number = figures["denominator"].where(figures["denominator"] != 1, n).clip(upper=n)
    if few := int((number < (small.limit or 0)).sum()):
        detail = f"({few}/{len(figures)} < {small.limit:g})"
        warnings.append(LintWarning(small.name, indicator.name, detail))
    base = pd.Series(dtype=float)
    if tiny.applies_to(indicator):
        base = figures["denominator"]
    elif indicator.target == "previous_quarter":
        base = table.loc[table["indicator"] == indicator.name, "target"].dropna()
    if few := int((base < (tiny.limit or 0) * base.median()).sum()):
        warnings.append(LintWarning(tiny.name, indicator.name, f"({few}/{len(base)})"))
    return warnings


def _correlated_indicators(table: pd.DataFrame, limit: float) -> list[LintWarning]:
    """Return the pairs of indicators whose attainments go together over the branches."""
    reached = table.pivot(index="branch_id", columns="indicator", values="attainment")
    warnings = []
    for first, second in combinations(sorted(map(str, reached)), 2):
        both = reached[[first, second]].dropna()
        if len(both) < _FEWEST or (both.nunique() < 2).any():
            continue
        r = float(np.corrcoef(both[first], both[second])[0, 1])
        if abs(r) > limit:
            warnings.append(LintWarning("correlated", f"{first}, {second}", f"(r = {r:.2f})"))
    return warnings
