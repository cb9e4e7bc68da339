"""Fair comparison (网点比较): which branches differ, by how much, and by more than chance.

A proportion is held against mid-P limits of its peers' rate; a mean and a ratio of sums, both
winsorised, against normal limits with the spread of all peers' customers. `funnel` has the kernels
and their sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from stockcust_analysis.errors import PolicyError
from stockcust_analysis.evaluation.funnel import (
    LEVELS,
    Values,
    mid_p_limits,
    mid_p_z,
    normal_quantile,
    overdispersion,
    proportion_intervals,
    rank_sets,
    sidak,
)
from stockcust_analysis.evaluation.peers import Peers, peer_groups, possible_values, values_of
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import ComparedMeasure, ComparisonRule, Policy

COMPARISON_COLUMNS = (
    "branch_id", "peer_group", "measure", "base", "kind", "n", "value", "compared",
    "centre", "lower_95", "upper_95", "lower_998", "upper_998", "z", "verdict",
    "rank", "rank_of", "rank_low", "rank_high", "expected_ratio", "shrunk_value", "movement",
    "movement_standard_error",
)  # fmt: skip
_SUMS = {
    "winsorised_sum": "x", "winsorised_squares": "xx", "winsorised_denominator": "d",
    "denominator_squares": "dd", "products": "xd",
}  # fmt: skip
_NEEDED = ["quarter", "branch_id", "dimension", "measure", "base", "standard_error", "expected",
           *_SUMS]  # fmt: skip


_LIMITS = ["lower_95", "upper_95", "lower_998", "upper_998"]
_ARRAYS = ("n", "numerator", "denominator", "compared", *_SUMS.values())
_WORD = "<U9"
Judged = npt.NDArray[np.bool_]


class _Spread(NamedTuple):
    """Centre, τ² and, for each branch, by how much its limits are wider than by chance alone."""

    centre: float
    tau2: float
    width: Values


def comparison(
    measures: pd.DataFrame,
    branches: pd.DataFrame,
    *,
    cells: pd.DataFrame,
    policy: Policy,
    quarter: str,
    since: str | None = None,
) -> pd.DataFrame:
    """Return how each branch stands among its peers in the measures the policy compares.

    Parameters
    ----------
    measures : DataFrame
        Of an evaluation, with the quarter `since` for movements.
    branches : DataFrame
        Those to compare: `branch_id`, and `type` where peers are of one type.
    cells : DataFrame
        Cell facts of the same quarters: winsorised sums of means and ratios, expected numerators.
    policy : Policy
        Its `comparison`.
    quarter, since : str
        Such as "2026Q3". Movements are told against `since`, the last quarter that was issued; the
        quarter before unless stated. Both stand in `measures` on today's structure.

    Returns
    -------
    DataFrame
        One row per branch and measure that has a value. `kind`: proportion, mean or ratio. `value`
        is the measure as printed everywhere; `compared` is what is held against the limits: the
        same for a proportion, else winsorised. Limits lie around `centre`; `z` says how many
        standard errors, and `verdict` far_below, below, within, above or far_above (beyond 99.8 %,
        95 %), empty among fewer than `least_branches` peers, where limits show chance alone. A
        branch of fewer than `least_customers` has neither limits nor z nor verdict, and widens
        nobody else's: of so few, chance explains everything. No limit lies outside what the
        measure can be: a share stays within 0 and 1, an average within what a customer can have.
        `rank` among `rank_of` peers, equals sharing one; `rank_low` to `rank_high`: best and worst
        rank, jointly certain at the policy's level; rank 1 is the best, for a neutral measure the
        highest. `expected_ratio`: numerator / what the
        bank's rates by tier and tenure would give. `shrunk_value` is for display only, never for
        scores. `movement_standard_error` takes the two quarters as independent; as they share most
        customers it is rather too large.

    Raises
    ------
    PolicyError
        A measure that is no proportion and has no winsorised sums. One without values is left out.
    """
    rule = policy.comparison
    peers = peer_groups(branches, measures, rule=rule, quarter=quarter)
    before = since or str(Quarter.parse(quarter).previous)
    told = cells.reindex(columns=_NEEDED)
    told = told[told["dimension"].fillna("") == ""]
    tables = [_compared(one, measures, told, peers, policy, quarter, before)
              for one in rule.measures]  # fmt: skip
    tables = [table for table in tables if len(table)]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return table.reindex(columns=COMPARISON_COLUMNS)


def _compared(one: ComparedMeasure, measures: pd.DataFrame, cells: pd.DataFrame,
              peers: Mapping[str, Peers], policy: Policy, quarter: str,
              before: str) -> pd.DataFrame:  # fmt: skip
    """Return the comparison of one measure."""
    now = _figures(one, measures, cells, quarter).reindex(list(peers))
    now = now[now["compared"].notna()].rename_axis("branch_id")
    if now.empty:
        return now
    kind = _kind(one, now)
    upwards = measure_definition(one.name).higher_is_better != "no"
    table = now.assign(**_by_peers(now, kind, upwards, peers, policy.comparison))
    lowest, highest = possible_values(one.name, policy)
    table[_LIMITS] = table[_LIMITS].clip(lowest, highest)
    then = _figures(one, measures, cells, before).reindex(table.index)
    error = [_own_variance(each, kind) for each in (table, then)]
    return table.assign(
        peer_group=[peers[name].group for name in table.index], measure=one.name,
        base=one.customer_base, kind=kind,
        expected_ratio=(table["numerator"] / table["expected"]).where(table["expected"] > 0),
        movement=table["compared"] - then["compared"],
        movement_standard_error=np.sqrt(error[0] + error[1]),
    ).reset_index()  # fmt: skip


def _by_peers(now: pd.DataFrame, kind: str, upwards: bool, peers: Mapping[str, Peers],
              rule: ComparisonRule) -> dict[str, Any]:  # fmt: skip
    """Return the new columns: every branch held against its peers, each group of them once."""
    place = {branch: row for row, branch in enumerate(now.index)}
    alike: dict[tuple[str, ...], list[int]] = {}
    for branch, row in place.items():
        alike.setdefault(peers[branch].branches, []).append(row)
    arrays = {name: now[name].to_numpy(float) for name in _ARRAYS}
    made: dict[str, Any] = {}
    for members, rows in alike.items():
        group = np.array([place[branch] for branch in members if branch in place])
        found = _among({name: each[group] for name, each in arrays.items()}, kind, upwards, rule)
        own = np.searchsorted(group, rows)
        for name, each in found.items():
            made.setdefault(name, np.full(len(now), each[0], each.dtype))[rows] = each[own]
    return made


def _figures(
    one: ComparedMeasure, measures: pd.DataFrame, cells: pd.DataFrame, quarter: str
) -> pd.DataFrame:
    """Return a measure's values and sums by branch; `compared` is winsorised where sums are."""
    values = values_of(measures, quarter=quarter, measure=one.name, base=one.customer_base)
    here = (
        (cells["quarter"] == quarter)
        & (cells["measure"] == one.name)
        & (cells["base"] == one.customer_base)
    )
    facts = cells[here].set_index("branch_id").rename(columns=_SUMS)
    sums = facts[[*_SUMS.values(), "standard_error", "expected"]].astype(float)
    table = values.join(sums)
    winsorised = (table["x"] / table["d"]).where(table["d"] > 0)
    return table.assign(compared=winsorised if table["d"].notna().any() else table["value"])


def _kind(one: ComparedMeasure, table: pd.DataFrame) -> str:
    """Return what a measure is: sums make a mean or a ratio, whole counts a proportion."""
    if table["d"].notna().any():
        return "mean" if (table["d"] == table["n"]).all() else "ratio"
    count, number = table["numerator"], table["denominator"]
    if not ((count % 1 == 0) & (count >= 0) & (count <= number)).all():
        raise PolicyError(
            f"comparison: '{one.name}' is no proportion of customers, and there are no winsorised "
            "sums of it. Compare another measure."
        )
    return "proportion"


def _among(
    group: Mapping[str, Values], kind: str, upwards: bool, rule: ComparisonRule
) -> dict[str, Any]:
    """Return the members of one peer group held against each other."""
    proportion = kind == "proportion"
    n, value = group["denominator" if proportion else "n"], group["compared"]
    variance = _variance_by_chance(group, kind, n)
    judged = n >= rule.least_customers
    enough = int(judged.sum()) >= rule.least_branches
    spread = _spread(value, variance, enough, judged)
    level = sidak(rule.rank_level, value.size)
    if proportion:
        limits, z = _proportion_limits(value, n, spread)
        low, high = proportion_intervals(group["numerator"], n, level)
    else:
        limits, z = _normal_limits(value, variance, spread)
        reach = normal_quantile(level) * np.sqrt(variance)
        low, high = value - reach, value + reach
    best, worst = rank_sets(low, high) if upwards else rank_sets(-high, -low)
    limits = {name: np.where(judged, limit, np.nan) for name, limit in limits.items()}
    z = np.where(judged, z, np.nan)
    kept = spread.tau2 / (spread.tau2 + variance) if spread.tau2 else np.zeros_like(value)
    shrunk = spread.centre + kept * (value - spread.centre)
    return {
        "n": n.astype(int), "centre": np.full_like(value, spread.centre), **limits, "z": z,
        "verdict": _verdict(z) if enough else np.full(value.size, "", _WORD),
        "rank": rankdata(-value if upwards else value, "min"),
        "rank_of": np.full(value.size, value.size), "rank_low": best, "rank_high": worst,
        "shrunk_value": shrunk if enough else np.full_like(value, np.nan),
    }  # fmt: skip


def _variance_by_chance(group: Mapping[str, Values], kind: str, n: Values) -> Values:
    """Return the variance of each branch's figure if all were alike, from all their customers."""
    if kind == "proportion":
        rate = group["numerator"].sum() / n.sum()
        return np.asarray(rate * (1 - rate) / n)
    ratio = group["x"].sum() / group["d"].sum()
    # Σ (x − ratio · d)² of all customers: the delta method's residuals.
    squares = group["xx"] - 2 * ratio * group["xd"] + ratio**2 * group["dd"]
    return np.asarray(max(squares.sum(), 0.0) / n.sum() * n / group["d"] ** 2)


def _own_variance(table: pd.DataFrame, kind: str) -> pd.Series:
    """Return the variance of each branch's figure from its own customers."""
    if kind == "proportion":
        return table["value"] * (1 - table["value"]) / table["denominator"]
    return table["standard_error"] ** 2


def _spread(value: Values, variance: Values, enough: bool, judged: Judged) -> _Spread:
    """Return centre, τ² and widths; a branch's own weight in the centre narrows its limits.

    Both are of the branches that are judged; where none is, the centre is that of all.
    """
    if not judged.any():
        judged = np.ones_like(judged)
    alike = bool((variance <= 0).all()) or judged.sum() < 2
    if alike:
        return _Spread(float(value[judged].mean()), 0.0, np.ones_like(value))
    weight = judged / variance
    centre, tau2 = float(weight @ value / weight.sum()), 0.0
    if enough:
        centre, tau2 = overdispersion(value[judged], variance[judged])
    weight = judged / (variance + tau2)
    own = 1 - weight / weight.sum()
    return _Spread(centre, tau2, np.sqrt((1 + tau2 / variance) * own))


def _proportion_limits(
    value: Values, n: Values, spread: _Spread
) -> tuple[dict[str, Values], Values]:
    """Return mid-P limits and z, their distance from the centre widened alike."""
    centre, limits = min(max(spread.centre, 0.0), 1.0), {}
    for level, name in zip(LEVELS, ("95", "998"), strict=True):
        low, high = mid_p_limits(n, centre, level)
        limits[f"lower_{name}"] = np.clip(centre + (low - centre) * spread.width, 0, 1)
        limits[f"upper_{name}"] = np.clip(centre + (high - centre) * spread.width, 0, 1)
    inside = centre + np.divide(value - centre, spread.width, out=np.zeros_like(value),
                                where=spread.width > 0)  # fmt: skip
    return limits, mid_p_z(np.clip(inside, 0, 1) * n, n, centre)


def _normal_limits(
    value: Values, variance: Values, spread: _Spread
) -> tuple[dict[str, Values], Values]:
    """Return normal limits and z."""
    error, limits = np.sqrt(variance) * spread.width, {}
    for level, name in zip(LEVELS, ("95", "998"), strict=True):
        reach = normal_quantile(level) * error
        limits[f"lower_{name}"] = spread.centre - reach
        limits[f"upper_{name}"] = spread.centre + reach
    z = np.divide(value - spread.centre, error, out=np.zeros_like(value), where=error > 0)
    return limits, z


def _verdict(z: Values) -> Any:
    """Return a word for how far beyond chance each branch lies."""
    near, far = (normal_quantile(level) for level in LEVELS)
    words = ["far_below", "below", "far_above", "above"]
    told = np.select([np.isnan(z), z < -far, z < -near, z > far, z > near], ["", *words],
                     default="within")  # fmt: skip
    return np.asarray(told.astype(_WORD))
