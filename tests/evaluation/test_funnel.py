"""Kernels of the funnel and of ranks, against published examples and other implementations."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binom, chi2, norm

from stockcust_analysis.evaluation.comparison import (
    LEVELS,
    mid_p_limits,
    mid_p_z,
    overdispersion,
    paule_mandel,
    proportion_intervals,
    rank_sets,
    sidak,
)

# Measurements of one thing by nine laboratories, and their variances: the example of DerSimonian
# and Kacker's comparison of methods (Table 1, first row, gives τ by Paule-Mandel as 0.8399).
LABORATORIES = [61.00, 61.40, 62.21, 62.30, 62.34, 62.60, 62.70, 62.84, 65.90]
VARIANCES = [0.2025, 1.2100, 0.0900, 0.2025, 0.3844, 0.5625, 0.0676, 0.0225, 1.8225]


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(81, 263, 0.2544, 0.3658), (15, 148, 0.0601, 0.1581), (1, 29, 0.0017, 0.1585)],
)
def test_mid_p_as_newcombe_printed_it(count: int, n: int, low: float, high: float) -> None:
    """The ends of Newcombe's mid-P intervals (1998, Table I) are where z reaches ±1.96."""
    assert mid_p_z([count], [n], low)[0] == pytest.approx(1.96, abs=0.03)
    assert mid_p_z([count], [n], high)[0] == pytest.approx(-1.96, abs=0.003)


@pytest.mark.parametrize("n", [1, 5, 24, 306, 2000])
@pytest.mark.parametrize("rate", [0.001, 0.02, 0.1, 0.5, 0.97])
def test_mid_p_limits_by_hand(n: int, rate: float) -> None:
    """Limits are where the mid-P of all counts, written out with scipy, crosses its tail."""
    counts = np.arange(n + 1)
    below = binom.cdf(counts - 1, n, rate) + binom.pmf(counts, n, rate) / 2
    above = (binom.sf(counts, n, rate) + binom.pmf(counts, n, rate) / 2)[::-1]
    for level in LEVELS:
        tail = (1 - level) / 2
        low, high = mid_p_limits([n], rate, level)
        expected = np.interp(tail, below, counts) if below[0] < tail else 0.0
        assert low[0] * n == pytest.approx(expected, abs=1e-9)
        expected = np.interp(tail, above, counts[::-1]) if above[0] < tail else n
        assert high[0] * n == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("level", LEVELS)
def test_outside_the_limits_is_beyond_the_quantile(level: float) -> None:
    """For every count of 60 the limits and z agree on who is outside."""
    counts, n, border = np.arange(61), np.full(61, 60), norm.ppf((1 + level) / 2)
    for rate in (0.03, 0.2, 0.5, 0.9):
        low, high = mid_p_limits(n, rate, level)
        z = mid_p_z(counts, n, rate)
        assert ((counts / n < low) == (z < -border)).all()
        assert ((counts / n > high) == (z > border)).all()


def test_far_counts_have_a_finite_z() -> None:
    """Even where the probability is too small for a float, z is a number on the right side."""
    z = mid_p_z([0, 100_000], [100_000, 100_000], 0.5)
    assert z.tolist() == [-37.0, 37.0]
    assert mid_p_z([0], [50], 0.0)[0] == 0


def test_paule_mandel_as_published() -> None:
    """τ of the nine laboratories is 0.8399, and the estimating equation holds."""
    mean, tau2 = paule_mandel(LABORATORIES, VARIANCES)
    assert np.sqrt(tau2) == pytest.approx(0.8399, abs=6e-5)
    weight = 1 / (np.array(VARIANCES) + tau2)
    assert weight @ (np.array(LABORATORIES) - mean) ** 2 == pytest.approx(8, abs=1e-6)


def test_paule_mandel_against_a_root_finder() -> None:
    """On random sets, τ² is the root that scipy finds, or 0 where there is none."""
    random = np.random.default_rng(7)
    for spread in (0.0, 0.5, 3.0):
        variance = random.uniform(0.05, 4, 30)
        value = random.normal(0, np.sqrt(variance + spread**2))

        def gap(tau2: float, v: np.ndarray = value, s: np.ndarray = variance) -> float:
            weight = 1 / (s + tau2)
            return float(weight @ (v - weight @ v / weight.sum()) ** 2 - (v.size - 1))

        expected = brentq(gap, 0, 100) if gap(0) > 0 else 0.0
        assert paule_mandel(value, variance)[1] == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("chance", [0.5, 0.06, 0.04])
def test_no_overdispersion_without_evidence(chance: float) -> None:
    """A spread that chance makes in more than one case of twenty widens no limit."""
    value = np.linspace(-1, 1, 30)
    value *= np.sqrt(chi2.isf(chance, 29) / (value @ value))
    mean, tau2 = overdispersion(value, np.ones(30))
    assert mean == pytest.approx(0, abs=1e-12)
    assert (tau2 > 0) == (chance < 0.05)


def test_one_branch_alone_is_its_own_centre() -> None:
    """A group of one has no spread."""
    assert overdispersion([3.0], [1.0]) == (3.0, 0.0)


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_exact_intervals_as_newcombe_printed_them(
    count: int, n: int, low: float, high: float
) -> None:
    """Clopper-Pearson of Newcombe (1998, Table I)."""
    found = proportion_intervals([count], [n], 0.95)
    assert (round(float(found[0][0]), 4), round(float(found[1][0]), 4)) == (low, high)
    mirrored = proportion_intervals([n - count], [n], 0.95)
    assert mirrored[0][0] == pytest.approx(1 - found[1][0])


def test_sidak_holds_together() -> None:
    """Ten independent intervals of the adjusted level hold all at once with 95 %."""
    assert sidak(0.95, 10) ** 10 == pytest.approx(0.95)
    assert sidak(0.95, 1) == 0.95


def test_rank_sets_hold_every_order_the_intervals_allow() -> None:
    """Best and worst rank are those met when each truth stands anywhere in its interval.

    All corners of the box of Klein, Wright and Wieczorek are tried, ties broken both ways.
    """
    random = np.random.default_rng(3)
    for _ in range(40):
        middle, reach = random.integers(0, 12, 6), random.integers(1, 4, 6)
        low, high = middle - reach, middle + reach
        best, worst = rank_sets(low, high)
        corners = np.array(list(product(*zip(low, high, strict=True))))
        above = (corners[:, None, :] > corners[:, :, None]).sum(axis=2)
        at_least = (corners[:, None, :] >= corners[:, :, None]).sum(axis=2)
        assert (best == 1 + above.min(axis=0)).all()
        assert (worst == at_least.max(axis=0)).all()
