"""Peer groups (可比组): with whom each branch is compared, and whether a difference is chance.

Array kernels of the funnel plot and of ranks take one entry per branch. Sources: Spiegelhalter,
*Funnel plots for comparing institutional performance* (Statistics in Medicine, 2005) for limits and
additive overdispersion; Paule and Mandel (1982), DerSimonian and Kacker (2007) for its estimate;
Klein, Wright and Wieczorek, *A joint confidence region for an overall ranking of populations*
(JRSS C, 2020) for ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from stockcust_analysis.errors import PolicyError
from stockcust_analysis.policy import ComparisonRule

Values = npt.NDArray[np.float64]
LEVELS = (0.95, 0.998)
"""Of the two pairs of limits: two and three standard errors, in round numbers."""

_TESTED_AT = 0.05
_FARTHEST = 37.0  # standard errors; beyond, the probability is too small for a float


def mid_p_limits(n: npt.ArrayLike, centre: float, level: float) -> tuple[Values, Values]:
    """Return the proportions of n between which chance stays, by mid-P, when the rate is `centre`.

    A count is outside when P(less) + P(equal)/2 falls below (1 − level)/2, or likewise above; in
    between counts the limits are interpolated. Exact limits without the half would flag too few.

    >>> low, high = mid_p_limits([10], 0.5, 0.95)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.171], [0.829])
    """
    number = np.asarray(n, float)
    tail = (1 - level) / 2
    return _lower(number, centre, tail) / number, 1 - _lower(number, 1 - centre, tail) / number


def mid_p_z(count: npt.ArrayLike, n: npt.ArrayLike, centre: float) -> Values:
    """Return how many standard errors of a normal the mid-P of a count amounts to.

    Beyond the limits of `mid_p_limits` exactly when beyond their normal quantile. Counts between
    whole numbers are interpolated.

    >>> mid_p_z([9, 1], [10, 10], 0.5).round(3).tolist()
    [2.521, -2.521]
    """
    y, number = np.asarray(count, float), np.asarray(n, float)
    below, above = _mid_p(y, number, centre), _mid_p(number - y, number, 1 - centre)
    z = np.where(below < above, special.ndtri(below), -special.ndtri(above))
    return np.asarray(np.clip(z, -_FARTHEST, _FARTHEST))


def paule_mandel(values: npt.ArrayLike, variances: npt.ArrayLike) -> tuple[float, float]:
    """Return the mean and the variance τ² of what lies behind values of known variances.

    τ² ≥ 0 makes Σ (vᵢ − mean)² / (sᵢ² + τ²) the number of values less one, the mean weighing each
    by 1 / (sᵢ² + τ²); 0 where even without it the sum is no larger.

    >>> paule_mandel([1.0, 2.0, 3.0], [0.0001] * 3)[1].__round__(4)
    0.9999
    """
    value, variance = np.asarray(values, float), np.asarray(variances, float)
    free, tau2 = value.size - 1, 0.0
    for _ in range(200):
        weight = 1 / (variance + tau2)
        mean = float(weight @ value / weight.sum())
        excess = float(weight @ (value - mean) ** 2) - free
        if excess <= 1e-10 * max(free, 1):
            break
        tau2 += excess / float(weight**2 @ (value - mean) ** 2)
    return mean, tau2


def overdispersion(values: npt.ArrayLike, variances: npt.ArrayLike) -> tuple[float, float]:
    """Return centre and τ² for limits: τ² is 0 unless the spread is more than chance (Q, 5 %).

    Without the test the estimate, which cannot be negative, would on average be above zero where
    nothing differs, and large branches would escape their limits.
    """
    value, variance = np.asarray(values, float), np.asarray(variances, float)
    weight = 1 / variance
    mean = float(weight @ value / weight.sum())
    spread = float(weight @ (value - mean) ** 2)
    if value.size < 2 or special.chdtrc(value.size - 1, spread) > _TESTED_AT:
        return mean, 0.0
    return paule_mandel(value, variance)


def proportion_intervals(
    count: npt.ArrayLike, n: npt.ArrayLike, level: float
) -> tuple[Values, Values]:
    """Return exact (Clopper-Pearson) intervals: they hold at least the level, also for few.

    >>> low, high = proportion_intervals([0, 5], [10, 10], 0.95)
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.0, 0.1871], [0.3085, 0.8129])
    """
    y, number, tail = np.asarray(count, float), np.asarray(n, float), (1 - level) / 2
    low = special.betaincinv(np.maximum(y, 1), number - y + 1, tail)
    high = special.betaincinv(y + 1, np.maximum(number - y, 1), 1 - tail)
    return np.where(y > 0, low, 0.0), np.where(y < number, high, 1.0)


def normal_quantile(level: float) -> float:
    """Return how many standard errors each side hold the level.

    >>> round(normal_quantile(0.95), 3)
    1.96
    """
    return float(special.ndtri((1 + level) / 2))


def sidak(level: float, number: int) -> float:
    """Return the level of each of so many intervals that together hold `level`.

    >>> round(sidak(0.95, 10), 6)
    0.994884
    """
    return float(level ** (1 / number))


def rank_sets(low: npt.ArrayLike, high: npt.ArrayLike) -> tuple[Values, Values]:
    """Return the best and worst rank of each, all at once, from joint intervals; 1 is the highest.

    Best: 1 + how many lie wholly above; worst: all but those that lie wholly below.

    >>> best, worst = rank_sets([5.0, 2.0, 1.0], [6.0, 4.0, 3.0])
    >>> best.tolist(), worst.tolist()
    ([1.0, 2.0, 2.0], [1.0, 3.0, 3.0])
    """
    lower, upper = np.asarray(low, float), np.asarray(high, float)
    above = (lower[None, :] > upper[:, None]).sum(axis=1)
    below = (upper[None, :] < lower[:, None]).sum(axis=1)
    return 1.0 + above, lower.size - below.astype(float)


def _mid_p(y: Values, n: Values, p: float) -> Values:
    """Return P(less than y) + P(y)/2, linear between whole numbers."""
    whole = np.floor(y)
    up_to = [_binomial(whole + step, n, p) for step in (-1, 0, 1)]
    here, after = (up_to[0] + up_to[1]) / 2, (up_to[1] + up_to[2]) / 2
    return np.asarray(here + (y - whole) * (after - here))


def _binomial(count: Values, n: Values, p: float) -> Values:
    """Return the probability of at most so many of n."""
    inside = special.betainc(np.maximum(n - count, 1), np.maximum(count, 0) + 1, 1 - p)
    return np.where(count < 0, 0.0, np.where(count >= n, 1.0, inside))


def _lower(n: Values, p: float, tail: float) -> Values:
    """Return the count at which the mid-P reaches the tail; 0 where it is above it all along."""
    start = np.ceil(np.nan_to_num(special.bdtrik(tail, n, p)))
    start = np.where(_mid_p(start, n, p) >= tail, start - 1, start)
    at, step = _mid_p(start, n, p), _mid_p(start + 1, n, p)
    return np.asarray(np.maximum(start + (tail - at) / (step - at), 0.0))


NO_TYPE = "untyped"
"""The peer group of branches whose type the bank does not state."""

Positions = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


class Peers(NamedTuple):
    """The group a branch belongs to and all its branches, itself among them, in order."""

    group: str
    branches: tuple[str, ...]


def branch_figures(
    measures: pd.DataFrame,
    quarter: str,
    keys: Sequence[tuple[str, str, str]],
    branches: Sequence[str],
    columns: Sequence[str] = ("n", "numerator", "denominator", "value"),
) -> pd.DataFrame:
    """Return figures of a quarter: one row per key and branch in their order, NaN where unknown.

    Parameters
    ----------
    measures : DataFrame
        Of an evaluation.
    quarter : str
        Such as "2026Q3".
    keys : sequence of (measure, base, member)
        Which figures; the member is empty where a measure has none.
    branches : sequence of str
    columns : sequence of str
        Those to return, as floats.
    """
    index_columns = ["measure", "base", "member", "branch_id"]
    rows_of = [(*key, branch) for key in keys for branch in branches]
    index = pd.MultiIndex.from_tuples(rows_of, names=index_columns)
    rows = measures[measures["quarter"] == quarter]
    for column, values in zip(index_columns[:3], zip(*keys, strict=True), strict=True):
        rows = rows[rows[column].isin(values)]
    table = rows.set_index(index_columns).reindex(columns=list(columns))
    return table.reindex(index).astype(float)


def peer_groups(
    branches: pd.DataFrame, measures: pd.DataFrame, *, rule: ComparisonRule, quarter: str
) -> dict[str, Peers]:
    """Return with whom each branch is compared, under a policy's rule.

    Parameters
    ----------
    branches : DataFrame
        `branch_id`, and `type` where the rule looks at it.
    measures : DataFrame
        Of an evaluation: size is the quarter-average AUM of all customers.
    rule : ComparisonRule
        By `type_and_size` the classes of a type hold equally many branches, the largest first
        (`urban_1`), branches without a type being a group of their own; `nearest` has for each
        branch its own group, the branch and so many whose AUM is nearest by ratio, ties by number.
    quarter : str
        Such as "2026Q3".

    Returns
    -------
    dict
        branch_id → its peers.

    Raises
    ------
    PolicyError
        Branches that belong to no group.

    Examples
    --------
    >>> town = pd.DataFrame({"branch_id": ["A", "B", "C"], "type": ["urban", "urban", "county"]})
    >>> none = pd.DataFrame(columns=["quarter", "measure", "base", "member", "branch_id"])
    >>> peer_groups(town, none, rule=ComparisonRule(peers="type"), quarter="2026Q3")["A"]
    Peers(group='urban', branches=('A', 'B'))
    """
    names = sorted(branches["branch_id"])
    if rule.peers == "nearest":
        return _nearest(_sizes(measures, quarter, names), rule.nearest)
    group_of = pd.Series("all", index=names)
    if rule.peers in ("type", "type_and_size"):
        group_of = branches.set_index("branch_id")["type"].loc[names].replace("", NO_TYPE)
    if rule.peers == "type_and_size":
        by_type = _sizes(measures, quarter, names).groupby(group_of)
        rank = by_type.rank(method="first", ascending=False)
        size_class = (rank - 1) * rule.size_classes // by_type.transform("size") + 1
        group_of = group_of + "_" + size_class.astype(int).astype(str)
    if rule.peers == "given":
        stated = {branch: group.name for group in rule.peer_groups for branch in group.branches}
        without = [name for name in names if name not in stated]
        if without:
            problem = f"{len(without)} branches in no peer group: {without[:5]}"
            raise PolicyError(f"comparison: {problem}.")
        group_of = pd.Series(stated).loc[names]
    members = {group: tuple(rows.index) for group, rows in group_of.groupby(group_of)}
    return {name: Peers(group_of[name], members[group_of[name]]) for name in names}


def _sizes(measures: pd.DataFrame, quarter: str, names: list[str]) -> pd.Series:
    """Return each branch's quarter-average AUM; a branch without any is of size zero."""
    values = branch_figures(measures, quarter, [("aum_average_quarter", "all", "")], names)["value"]
    return values.droplevel([0, 1, 2]).fillna(0.0)


def _nearest(sizes: pd.Series, nearest: int) -> dict[str, Peers]:
    """Return each branch with those whose AUM is nearest by ratio."""
    logs, groups = np.log1p(sizes), {}
    for branch in sizes.index:
        gaps = (logs - logs[branch]).abs().drop(branch).sort_values(kind="stable")
        groups[branch] = Peers(branch, tuple(sorted([branch, *gaps.index[:nearest]])))
    return groups


def group_positions(peers: Mapping[str, Peers]) -> list[tuple[Positions, Positions]]:
    """Return for each peer group the positions of its members, and of those compared in it."""
    positions = {branch: position for position, branch in enumerate(peers)}
    own: dict[tuple[str, ...], list[int]] = {}
    for branch, position in positions.items():
        own.setdefault(peers[branch].branches, []).append(position)
    return [
        (np.array([positions[branch] for branch in members]), np.array(rows))
        for members, rows in own.items()
    ]


def known_members(
    groups: list[tuple[Positions, Positions]], known: Flags
) -> Iterator[tuple[Positions, Positions, Positions]]:
    """Yield each group's members with a value, the branches compared in it, and their places."""
    for members, own in groups:
        inside, branches = members[known[members]], own[known[own]]
        if branches.size:
            yield inside, branches, np.searchsorted(inside, branches)


def among_peers(
    values: Values,
    groups: list[tuple[Positions, Positions]],
    of_group: Callable[[Values], Values],
) -> Values:
    """Return for each branch what `of_group` makes of its peers' values, the missing left out.

    `of_group` takes the values of a group and returns one value for each.
    """
    result = np.full_like(values, np.nan)
    for inside, branches, rows in known_members(groups, ~np.isnan(values)):
        result[branches] = of_group(values[inside])[rows]
    return result
