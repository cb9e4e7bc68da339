"""Measure how often the intervals for samples hold the truth: the figures of their docstrings.

Draws samples from populations whose Gini coefficient and top share are known in closed form, and
counts. Takes some minutes: `python -m tests.reference.interval_coverage`.

| population | Gini | share of the top f |
|---|---|---|
| log-normal, σ | 2·Φ(σ/√2) − 1 | Φ(Φ⁻¹(f) + σ) |
| Pareto, α | 1/(2α − 1) | f^(1 − 1/α) |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from stockcust_analysis.measures.inequality import gini_interval, top_share_interval

NORMAL = NormalDist()
SAMPLES, RESAMPLES, SEED, TOP = 1_000, 399, 20260930, 0.2


@dataclass(frozen=True)
class Population:
    """Balances of a known distribution, with its true Gini coefficient and top share."""

    name: str
    draw: Callable[[np.random.Generator, int], np.ndarray]
    gini: float
    top_share: float


def log_normal(sigma: float) -> Population:
    """Return a log-normal population."""
    return Population(
        f"log-normal {sigma}",
        lambda random, size: random.lognormal(0, sigma, size),
        2 * NORMAL.cdf(sigma / sqrt(2)) - 1,
        NORMAL.cdf(NORMAL.inv_cdf(TOP) + sigma),
    )


def pareto(alpha: float) -> Population:
    """Return a Pareto population."""
    return Population(
        f"Pareto {alpha}",
        lambda random, size: 1 + random.pareto(alpha, size),
        1 / (2 * alpha - 1),
        TOP ** (1 - 1 / alpha),
    )


def coverage(population: Population, size: int, samples: int = SAMPLES) -> tuple[float, float]:
    """Return how often the intervals of Gini coefficient and top share held the truth."""
    random = np.random.default_rng(SEED)
    held = np.zeros(2)
    for sample in range(samples):
        balances = population.draw(random, size)
        low, high = gini_interval(balances, seed=sample, resamples=RESAMPLES)
        held[0] += low <= population.gini <= high
        low, high = top_share_interval(balances, TOP, seed=sample, resamples=RESAMPLES)
        held[1] += low <= population.top_share <= high
    return tuple(held / samples)  # type: ignore[return-value]


if __name__ == "__main__":
    for each in (log_normal(1.5), log_normal(2.5), pareto(1.5), pareto(1.2)):
        for size in (200, 2_000):
            of_gini, of_top_share = coverage(each, size)
            print(f"{each.name}, n = {size}: Gini {of_gini:.3f}, top 20 % {of_top_share:.3f}")  # noqa: T201
