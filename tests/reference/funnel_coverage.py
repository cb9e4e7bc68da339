"""Measure how many branches lie outside their limits by chance alone: the figures of the docs.

Many banks in which no branch differs, put through the whole comparison: centre, spread, τ² and
limits are estimated anew for each. Takes some minutes: `python -m tests.reference.funnel_coverage`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from stockcust_analysis.evaluation.cells import CELL_COLUMNS
from stockcust_analysis.evaluation.comparison import comparison
from stockcust_analysis.policy import (
    ComparedMeasure,
    ComparisonRule,
    PeerGroup,
    Policy,
    load_policy,
)
from tests.evaluation.small_quarters import NOW, named, quarter_of

BRANCHES, SEED = 45, 20260930
SUMS = ("aum_per_customer", "asset_retention", "silent_aum_share")
NO_CELLS = pd.DataFrame(columns=list(CELL_COLUMNS))


def comparing(name: str, base: str = "funded", **rule: Any) -> Policy:
    """Return the shipped policy with one measure compared."""
    rules = ComparisonRule(measures=(ComparedMeasure(name, base),), **rule)
    return replace(load_policy(), comparison=rules)


def counted(
    counts: np.ndarray, n: np.ndarray, *, measure: str = "dormancy_rate", quarter: str = NOW
) -> pd.DataFrame:
    """Return the measure frame of counts of n, one branch each, named 0000, 0001, …."""
    names = [f"{place:05}" for place in range(len(counts))]
    table = quarter_of({(measure, "funded"): counts / n}, branches=names, quarter=quarter)
    return table.assign(n=n, numerator=counts.astype(float), denominator=n.astype(float))


def cells_of(measure: str, branch: np.ndarray, x: np.ndarray, d: np.ndarray) -> pd.DataFrame:
    """Return the sums behind a mean or a ratio of customers' amounts, by branch."""
    columns = {
        "winsorised_sum": x,
        "winsorised_squares": x * x,
        "winsorised_denominator": d,
        "denominator_squares": d * d,
        "products": x * d,
    }
    table = pd.DataFrame({name: np.bincount(branch, each) for name, each in columns.items()})
    table["branch_id"] = [f"{place:05}" for place in range(len(table))]
    told = table.assign(quarter=NOW, measure=measure, base="funded", dimension="")
    return told.reindex(columns=list(CELL_COLUMNS))


def flagged_by_chance(case: str | float, *, times: int, share: float = 0.995) -> list[float]:
    """Return how many percent lie outside 95 %: of small, middling and large branches.

    `times` banks of 45 branches of 300 to some 10,000 customers. `case` is the rate of a
    proportion, or the name of a mean or ratio of log-normal amounts (σ = 2), winsorised at `share`.
    """
    random = np.random.default_rng(SEED)
    n = _sizes(random, times)
    measure, cells = str(case), NO_CELLS
    if isinstance(case, float):
        measure, counts = "dormancy_rate", random.binomial(n, case)
    else:
        branch = np.repeat(np.arange(n.size), n)
        x, d = (np.minimum(each, np.quantile(each, share)) for each in _amounts(case, random, n))
        cells, counts = cells_of(case, branch, x, d), np.bincount(branch, x)
    measures = counted(counts, n, measure=measure)
    names = sorted(measures["branch_id"])
    banks = [tuple(names[first : first + BRANCHES]) for first in range(0, len(names), BRANCHES)]
    groups = tuple(PeerGroup(f"bank {place}", bank) for place, bank in enumerate(banks))
    policy = comparing(measure, peers="given", peer_groups=groups)
    table = comparison(measures, named(names), cells=cells, policy=policy, quarter=NOW)
    hit = (table["compared"] < table["lower_95"]) | (table["compared"] > table["upper_95"])
    return _by_size(hit.to_numpy(), times)


def flagged_by_own_spread(case: str, *, times: int) -> list[float]:
    """Return the same if each branch were judged by the spread of its own customers alone."""
    random = np.random.default_rng(SEED)
    n = _sizes(random, times)
    branch = np.repeat(np.arange(n.size), n)
    x, d = (np.minimum(each, np.quantile(each, 0.995)) for each in _amounts(case, random, n))
    total_x, total_d = (np.bincount(branch, each) for each in (x, d))
    residual = x - np.repeat(total_x / total_d, n) * d
    error = np.sqrt(np.bincount(branch, residual**2) * n / (n - 1)) / total_d
    hit = np.abs(total_x / total_d - total_x.sum() / total_d.sum()) > 1.96 * error
    return _by_size(hit, times)


def _sizes(random: np.random.Generator, times: int) -> np.ndarray:
    """Return the customers of each branch, smallest first, the same in each bank."""
    size = np.sort(300 + np.exp(random.normal(6.5, 1.0, BRANCHES)).astype(int))
    return np.tile(size, times)


def _by_size(hit: np.ndarray, times: int) -> list[float]:
    """Return the percentages of small, middling and large branches that were hit."""
    thirds = np.array_split(hit.reshape(times, BRANCHES), 3, axis=1)
    return [round(100 * float(part.mean()), 1) for part in thirds]


def _amounts(
    case: str, random: np.random.Generator, n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what each customer brings to numerator and denominator, heavy tails and all."""
    number = int(n.sum())
    held = np.exp(random.normal(8, 2, number))
    if case == "aum_per_customer":
        return held, np.ones(number)
    if case == "silent_aum_share":
        return held * (random.random(number) < 0.1), held
    kept = np.where(random.random(number) < 0.9, random.beta(8, 1, number), 0.0)
    return held * kept, held


if __name__ == "__main__":
    for rate in (0.08, 0.35):
        print(f"proportion of {rate:.0%}: {flagged_by_chance(rate, times=1_000)}")  # noqa: T201
    for measure in SUMS:
        print(f"{measure}: {flagged_by_chance(measure, times=300)}")  # noqa: T201
        print(f"  by its own spread: {flagged_by_own_spread(measure, times=300)}")  # noqa: T201
