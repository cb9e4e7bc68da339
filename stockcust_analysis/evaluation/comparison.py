"""Fair comparison (网点比较): which branches differ from their peers, and by more than chance.

A proportion is compared with mid-P limits around its peers' rate; a mean and a ratio of sums, both
winsorised, with normal limits from the spread of all peers' customers. Array kernels of the funnel
plot and of ranks take one entry per branch. Sources: Spiegelhalter, *Funnel plots for comparing
institutional performance* (Statistics in Medicine, 2005) for limits and additive overdispersion;
Paule and Mandel (1982), DerSimonian and Kacker (2007) for its estimate; Klein, Wright and
Wieczorek, *A joint confidence region for an overall ranking of populations* (JRSS C, 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import PolicyError, say
from stockcust_analysis.evaluation.cells import SPREAD_COLUMNS
from stockcust_analysis.evaluation.peers import Flags, Peers, Values, branch_figures, peer_groups
from stockcust_analysis.evaluation.results import new_branches
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.policy import ComparedMeasure, ComparisonRule, Policy

LEVELS = (0.95, 0.998)
"""Of the two pairs of limits: two and three standard errors, in round numbers."""

_TESTED_AT = 0.05
_FARTHEST = 37.0  # standard errors; beyond, the probability is too small for a float
_KEYS = ("branch_id", "peer_group", "measure", "base", "kind", "n", "value", "compared")
_LIMITS = ("lower_95", "upper_95", "lower_998", "upper_998")
_RANKS = ("rank", "rank_of", "rank_low", "rank_high")
_CONTEXT = ("expected_ratio", "shrunk_value", "movement", "movement_standard_error")
COMPARISON_COLUMNS = (*_KEYS, "centre", *_LIMITS, "z", "verdict", *_RANKS, *_CONTEXT)
_CELL_KEYS = ("quarter", "branch_id", "dimension", "measure", "base")
_ARRAYS = ("n", "numerator", "denominator", "compared", "x", "xx", "d", "dd", "xd", "new")
_FACTS = dict(zip(SPREAD_COLUMNS, (*_ARRAYS[4:-1], "standard_error", "expected"), strict=True))


def comparison(
    measures: pd.DataFrame,
    branches: pd.DataFrame,
    *,
    cells: pd.DataFrame,
    policy: Policy,
    quarter: str,
) -> pd.DataFrame:
    """Return how each branch stands among its peers in the measures the policy compares.

    Parameters
    ----------
    measures : DataFrame
        Of an evaluation, with the quarter before for movements.
    branches : DataFrame
        Those to compare: `branch_id`, and `type` where peers are of one type.
    cells : DataFrame
        Cell facts of the same quarters: winsorised sums of means and ratios, expected numerators.
    policy : Policy
        Its `comparison`.
    quarter : str
        Such as "2026Q3". Movements are measured from the quarter before, which stands in `measures`
        on today's structure.

    Returns
    -------
    DataFrame
        One row per branch and measure that has a value. `kind`: proportion, mean or ratio. `value`
        is the measure as printed everywhere; `compared` is what is compared with the limits: the
        same for a proportion, else winsorised. Limits lie around `centre`; `z` says how many
        standard errors, and `verdict` far_below, below, within, above or far_above (beyond 99.8 %,
        95 %), empty among fewer than `least_branches` peers, where limits show chance alone. A
        branch of fewer than `least_customers`, where chance explains everything, or opened this
        year, where nobody can be dormant yet, has neither limits nor z nor verdict nor rank, and
        moves nobody else's. One that took over another this year has no rank. No limit lies outside
        what the measure can be. `rank` is among the `rank_of` peers that have one; equals share it.
        `rank_low` to `rank_high`: best and worst rank, jointly certain at the policy's level; rank
        1 is the best, for a neutral measure the highest; all four empty where there are none.
        `expected_ratio`: numerator / what the bank's rates by tier and tenure would give.
        `shrunk_value` is for display only, never for scores. `movement` is that of `compared`, and
        missing where only one quarter's is winsorised. `movement_standard_error` takes the two
        quarters as independent; as they share most customers it is rather too large.

    Raises
    ------
    PolicyError
        A measure that is no proportion and has no winsorised sums. One without values is left out.
    """
    rule = policy.comparison
    peers = peer_groups(branches, measures, rule=rule, quarter=quarter)
    if not rule.measures:
        return pd.DataFrame(columns=COMPARISON_COLUMNS)
    before = str(Quarter.parse(quarter).previous)
    now, then = (_figures(rule, peers, measures, cells, when) for when in (quarter, before))
    new = new_branches(branches, Quarter.parse(quarter))
    events = [new[branch][0] if branch in new else "" for branch in peers.group_of]
    now["new"] = np.tile(events, len(rule.measures))
    compared = _compare(now, peers, policy)
    variance = _own_variance(now, compared["kind"]) + _own_variance(then, compared["kind"])
    table = now.assign(
        **compared,
        peer_group=list(peers.group_of.values()) * len(rule.measures),
        expected_ratio=(now["numerator"] / now["expected"]).where(now["expected"] > 0),
        movement=(now["compared"] - then["compared"]).where(now["d"].isna() == then["d"].isna()),
        movement_standard_error=np.sqrt(variance),
    )
    table = table[table["compared"].notna()].reset_index()
    return table.reindex(columns=COMPARISON_COLUMNS)


def _figures(
    rule: ComparisonRule, peers: Peers, measures: pd.DataFrame, cells: pd.DataFrame, quarter: str
) -> pd.DataFrame:
    """Return figures and sums of the compared measures, one row per measure and branch.

    `compared` is winsorised where a measure has sums of any branch.
    """
    names = list(peers.group_of)
    keys = [(measure.name, measure.customer_base, "") for measure in rule.measures]
    table = branch_figures(measures, quarter, keys, names)
    cells = cells.reindex(columns=[*_CELL_KEYS, *_FACTS]).assign(member="")
    whole = cells[cells["dimension"].fillna("") == ""]
    facts = branch_figures(whole, quarter, keys, names, list(_FACTS)).rename(columns=_FACTS)
    facts = facts.where(table["n"].notna())
    summed = facts["d"].notna().to_numpy().reshape(len(keys), -1).any(axis=1)
    winsorised = (facts["x"] / facts["d"]).where(facts["d"] > 0)
    compared = winsorised.where(summed.repeat(len(names)), table["value"])
    return pd.concat([table, facts], axis=1).assign(compared=compared)


def _compare(table: pd.DataFrame, peers: Peers, policy: Policy) -> dict[str, npt.NDArray[Any]]:
    """Return the columns that come of comparing each measure's branches with their peers."""
    size = len(peers.group_of)
    arrays = {name: table[name].to_numpy() for name in _ARRAYS}
    columns: dict[str, npt.NDArray[Any]] = {"kind": np.full(len(table), "", "<U10")}
    for number, measure in enumerate(policy.comparison.measures):
        block = slice(number * size, (number + 1) * size)
        figures = {name: array[block] for name, array in arrays.items()}
        known = ~np.isnan(figures["compared"])
        kind = _kind(measure, {name: array[known] for name, array in figures.items()})
        columns["kind"][block] = kind
        for inside, own, ranks in peers.known(known):
            group = {name: array[inside] for name, array in figures.items()}
            for name, column in _compare_peers(group, kind, measure, policy).items():
                result = columns.setdefault(name, np.zeros(len(table), column.dtype))
                result[block.start + own] = column[ranks]
    return columns


def _kind(measure: ComparedMeasure, figures: Mapping[str, Values]) -> str:
    """Return what a measure is: sums make a mean or a ratio, whole counts a proportion."""
    if not np.isnan(figures["d"]).all():
        return "mean" if (figures["d"] == figures["n"]).all() else "ratio"
    count, number = figures["numerator"], figures["denominator"]
    if not ((count % 1 == 0) & (count >= 0) & (count <= number)).all():
        raise PolicyError(say("no_proportion", measure.name))
    return "proportion"


def _compare_peers(
    group: Mapping[str, Values], kind: str, measure: ComparedMeasure, policy: Policy
) -> dict[str, npt.NDArray[Any]]:
    """Return the comparison of the members of one peer group with each other."""
    rule, proportion = policy.comparison, kind == "proportion"
    upwards = measure_definition(measure.name).higher_is_better != "no"
    bounds = possible_values(measure.name, policy)
    n, value = group["denominator" if proportion else "n"], group["compared"]
    variance = _variance_by_chance(group, kind, n)
    judged = (n >= rule.least_customers) & (group["new"] != "opened")
    enough = int(judged.sum()) >= rule.least_branches
    centre, tau2, width = _spread(value, variance, enough, judged)
    level = sidak(rule.rank_level, max(int(judged.sum()), 1))
    if proportion:
        limits, z = _proportion_limits(value, n, centre, width)
        low, high = proportion_intervals(group["numerator"], n, level)
    else:
        limits, z = _normal_limits(value, np.sqrt(variance) * width, centre)
        reach = normal_quantile(level) * np.sqrt(variance)
        low, high = value - reach, value + reach
    z = np.where(judged, z, np.nan)
    own = tau2 / (tau2 + variance) if tau2 else np.zeros_like(value)
    shrunk = centre + own * (value - centre)
    return {
        "n": n.astype(int),
        "centre": np.full_like(value, centre),
        **dict(zip(_LIMITS, np.where(judged, limits, np.nan).clip(*bounds), strict=True)),
        "z": z,
        "verdict": _verdict(z) if enough else np.full(value.size, "", "<U9"),
        **_ranks(value, low, high, judged & (group["new"] == ""), upwards=upwards),
        "shrunk_value": shrunk if enough else np.full_like(value, np.nan),
    }


def _ranks(
    value: Values, low: Values, high: Values, judged: Flags, *, upwards: bool
) -> dict[str, Values]:
    """Return the ranks of the branches that are judged, with the ranks compatible with chance."""
    ranks = {name: np.full_like(value, np.nan) for name in _RANKS}
    if judged.any():
        value, low, high = value[judged], low[judged], high[judged]
        if not upwards:
            value, low, high = -value, -high, -low
        best, worst = rank_sets(low, high)
        columns: list[Any] = [pd.Series(-value).rank(method="min"), value.size, best, worst]
        for name, column in zip(_RANKS, columns, strict=True):
            ranks[name][judged] = column
    return ranks


def _variance_by_chance(group: Mapping[str, Values], kind: str, n: Values) -> Values:
    """Return the variance of each branch's figure if all were alike, from all their customers."""
    if kind == "proportion":
        rate = group["numerator"].sum() / n.sum()
        return np.asarray(rate * (1 - rate) / n)
    ratio = group["x"].sum() / group["d"].sum()
    # Σ (x − ratio · d)² of all customers: the delta method's residuals.
    squares = group["xx"] - 2 * ratio * group["xd"] + ratio**2 * group["dd"]
    return np.asarray(max(squares.sum(), 0.0) / n.sum() * n / group["d"] ** 2)


def _own_variance(table: pd.DataFrame, kind: npt.NDArray[np.str_]) -> pd.Series:
    """Return the variance of each branch's figure from its own customers."""
    proportion = table["value"] * (1 - table["value"]) / table["denominator"]
    return proportion.where(kind == "proportion", table["standard_error"] ** 2)


def _spread(
    value: Values, variance: Values, enough: bool, judged: Flags
) -> tuple[float, float, Values]:
    """Return centre, τ² and, for each branch, how much wider its limits are than by chance alone.

    Centre and τ² are of the branches that are judged; where none is, the centre is that of all. A
    branch's own weight in the centre narrows its limits.
    """
    if not judged.any():
        judged = np.ones_like(judged)
    if (variance <= 0).all() or judged.sum() < 2:
        return float(value[judged].mean()), 0.0, np.ones_like(value)
    weight = judged / variance
    centre, tau2 = float(weight @ value / weight.sum()), 0.0
    if enough:
        centre, tau2 = overdispersion(value[judged], variance[judged])
    weight = judged / (variance + tau2)
    own = 1 - weight / weight.sum()
    return centre, tau2, np.sqrt((1 + tau2 / variance) * own)


def _proportion_limits(
    value: Values, n: Values, centre: float, width: Values
) -> tuple[list[Values], Values]:
    """Return mid-P limits and z, their distance from the centre scaled alike.

    A limit of 0 or 1 stays: chance alone goes that far, and no value lies beyond.
    """
    centre = min(max(centre, 0.0), 1.0)
    limits = [limit for level in LEVELS for limit in mid_p_limits(n, centre, level)]
    scaled = [np.clip(centre + (limit - centre) * width, 0, 1) for limit in limits]
    both = zip(limits, scaled, strict=True)
    limits = [np.where((limit > 0) & (limit < 1), inner, limit) for limit, inner in both]
    return limits, mid_p_z(np.clip(centre + _divide(value - centre, width), 0, 1) * n, n, centre)


def _normal_limits(value: Values, error: Values, centre: float) -> tuple[list[Values], Values]:
    """Return normal limits and z."""
    reaches = [normal_quantile(level) * error for level in LEVELS]
    limits = [centre + side * reach for reach in reaches for side in (-1, 1)]
    return limits, _divide(value - centre, error)


def _divide(value: Values, by: Values) -> Values:
    """Return the quotient, 0 where the divisor is not above 0."""
    return np.divide(value, by, out=np.zeros_like(value), where=by > 0)


def _verdict(z: Values) -> npt.NDArray[np.str_]:
    """Return a word for how far beyond chance each branch lies."""
    near, far = map(normal_quantile, LEVELS)
    conditions = [np.isnan(z), z < -far, z < -near, z > far, z > near]
    return np.select(conditions, ["", "far_below", "below", "far_above", "above"], "within")


def possible_values(measure: str, policy: Policy) -> tuple[float, float]:
    """Return the lowest and the highest value a measure can have under a policy.

    >>> from stockcust_analysis.policy import load_policy
    >>> possible_values("products_per_customer", load_policy())
    (0.0, 9.0)
    """
    bounds = measure_definition(measure).bounds
    lowest, highest = (*bounds, *(-inf, inf)[len(bounds) :])
    if measure == "products_per_customer":
        highest = float(len(policy.families.families))
    return lowest, highest


def exceptions(
    comparison: pd.DataFrame, *, most: int = 8, per_branch: int = 2, rate: float = 0.05
) -> pd.DataFrame:
    """Return the exceptions (例外): figures beyond chance, the most certain first.

    Hundreds of branches in a dozen measures make thousands of comparisons; one in twenty lies
    outside its 95 % limits although nothing is the matter. Here the false discovery rate is held.

    Parameters
    ----------
    comparison : DataFrame
        As `comparison` returns it: branch_id, measure, base, value, centre, z, verdict.
    most, per_branch : int
        How many are returned, in all and of one branch.
    rate : float
        The share of all exceptions that may be chance.

    Returns
    -------
    DataFrame
        `evidence`: `very_strong` where the chance that even one of all comparisons lies so far out
        is below `rate` (Bonferroni), otherwise `strong` (Benjamini and Hochberg, 1995).
        `favourable`: yes, no, or neutral. `tests`: how many comparisons were made. Those without
        a verdict, as among too few peers, are none.

    Examples
    --------
    >>> rows = pd.DataFrame({"branch_id": ["A", "B", "C"], "measure": "dormancy_rate",
    ...     "base": "all", "value": [0.3, 0.1, 0.12], "centre": 0.11, "z": [6.0, -0.4, 2.0],
    ...     "verdict": ["far_above", "within", "above"]})
    >>> exceptions(rows)[["branch_id", "evidence", "favourable"]].values.tolist()
    [['A', 'very_strong', 'no']]
    """
    rows = comparison[(comparison["verdict"] != "") & comparison["z"].notna()]
    tests = len(rows)
    chance = 2 * special.ndtr(-rows["z"].abs().to_numpy(float))
    ordered, rank = np.sort(chance), np.arange(1, tests + 1)  # scipy.stats is slow to import
    certain: Flags = chance <= ordered[ordered * (tests / rank) <= rate].max(initial=-1.0)
    rows = rows.assign(chance=chance)[certain]
    good = rows["measure"].map(lambda name: measure_definition(name).higher_is_better)
    favourable = np.where((rows["z"] > 0) == (good == "yes"), "yes", "no")
    rows = rows.assign(
        evidence=np.where(rows["chance"] * tests <= rate, "very_strong", "strong"),
        favourable=np.where(good == "neutral", "neutral", favourable),
        nearness=-rows["z"].abs(),
        tests=tests,
    )
    rows = rows.sort_values(["nearness", "branch_id", "measure"], kind="stable")
    rows = rows[rows.groupby("branch_id").cumcount() < per_branch].head(most)
    columns = ["branch_id", "measure", "base", "value", "centre", "z"]
    return rows[[*columns, "evidence", "favourable", "tests"]].reset_index(drop=True)


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
