"""Intervals (置信区间): how far a figure from a sample, or a rate of a few, may lie from the truth.

A bank counts all its customers, so the pages print no interval of a concentration: these are for
samples. Rates of few customers have one all the same, as next quarter's few will be others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import exp, inf, log, nan, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.inequality import (
    Balances,
    ascending,
    check_fraction,
    gini_of,
    top_share_of,
)

Interval = tuple[float, float]
_Estimate = Callable[[Balances, Balances], tuple[float, float]]


def gini_interval(
    values: npt.ArrayLike, *, seed: int, level: float = 0.95, resamples: int = 999
) -> Interval:
    """Return the interval in which the Gini coefficient lies of all customers a sample is from.

    Bootstrap-t on the log-odds of the coefficient, with the standard error by linearisation.

    Parameters
    ----------
    values : array-like of shape (n,)
        Balances of a random sample, zero or more.
    seed : int
        The same seed gives the same interval.
    level : float
        Wanted coverage, between 0 and 1.
    resamples : int
        Number of bootstrap samples, 99 or more.

    Returns
    -------
    (float, float)
        Low and high, inside 0 to 1; NaN where the sample shows no spread (nobody, one customer,
        all the same, or a share of 1).

    Raises
    ------
    UsageError
        A value is negative, missing or infinite; a level or number of resamples out of range.

    Notes
    -----
    Balances have heavy tails, and a sample without the few who matter cannot know of them: the
    interval holds the truth less often than it promises. Measured coverage where 0.95 was wanted
    (1,000 samples each of 200 and of 2,000 customers, 399 resamples):

    ====================  =====  =====
    population              200  2,000
    ====================  =====  =====
    log-normal, σ = 1.5    0.89   0.93
    log-normal, σ = 2.5    0.71   0.84
    Pareto, α = 1.5        0.84   0.83
    Pareto, α = 1.2        0.69   0.64
    ====================  =====  =====

    Source: Davidson, *Reliable inference for the Gini index* (Journal of Econometrics, 2009).

    Examples
    --------
    >>> from stockcust_analysis.measures.inequality import gini
    >>> low, high = gini_interval([1, 2, 3, 4, 5, 6, 7, 8], seed=1)
    >>> low < gini([1, 2, 3, 4, 5, 6, 7, 8]) < high
    True
    """
    return _bootstrap_t(values, gini_and_error, level, resamples, seed)


def top_share_interval(
    values: npt.ArrayLike,
    fraction: float = 0.2,
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 999,
) -> Interval:
    """Return the interval in which the top share lies of all customers a sample is from.

    Bootstrap-t on the log-odds of the share, with the standard error by linearisation.

    Parameters
    ----------
    values : array-like of shape (n,)
        Balances of a random sample, zero or more.
    fraction : float
        Above 0, up to 1: of how many of the largest customers.
    seed : int
        The same seed gives the same interval.
    level : float
        Wanted coverage, between 0 and 1.
    resamples : int
        Number of bootstrap samples, 99 or more.

    Returns
    -------
    (float, float)
        Low and high, inside 0 to 1; NaN where the sample shows no spread.

    Raises
    ------
    UsageError
        A value is negative, missing or infinite; a fraction, level or number of resamples out of
        range.

    Notes
    -----
    Measured coverage of the top 20 %, as for `gini_interval`: log-normal σ = 1.5: 0.89, 0.93;
    σ = 2.5: 0.80, 0.85; Pareto α = 1.5: 0.85, 0.84; α = 1.2: 0.69, 0.64. Smaller fractions hang
    on fewer customers.

    Examples
    --------
    >>> low, high = top_share_interval([1, 2, 3, 4, 5, 6, 7, 8], 0.25, seed=1)
    >>> low < 15 / 36 < high
    True
    """
    check_fraction("fraction", fraction)

    def estimate(balances: Balances, counts: Balances) -> tuple[float, float]:
        return top_share_and_error(balances, counts, fraction)

    return _bootstrap_t(values, estimate, level, resamples, seed)


def proportion_interval(count: int, n: int, *, level: float = 0.95) -> Interval:
    """Return the Wilson interval of the rate `count` / `n`; NaN for a rate of nobody.

    Never outside 0 to 1, and sensible for rates of few, of none and of all.

    Parameters
    ----------
    count, n : int
        How many of how many customers.
    level : float
        Wanted coverage, between 0 and 1.

    Returns
    -------
    (float, float)
        Low and high, inside 0 to 1.

    Raises
    ------
    UsageError
        A count below 0 or above n; a level out of range.

    Notes
    -----
    Source: Wilson (1927); method 3 of Newcombe, *Two-sided confidence intervals for the single
    proportion* (Statistics in Medicine, 1998).

    Examples
    --------
    >>> low, high = proportion_interval(15, 148)
    >>> round(low, 4), round(high, 4)
    (0.0624, 0.1605)
    """
    _check_counts(0 <= count <= n, "count must be 0 to n")
    if n == 0:
        return nan, nan
    z = _quantile(level)
    middle = count + z * z / 2
    spread = z * sqrt(count * (n - count) / n + z * z / 4)
    low, high = (middle - spread) / (n + z * z), (middle + spread) / (n + z * z)
    return max(low, 0.0) if count else 0.0, min(high, 1.0) if count < n else 1.0


def lift_interval(
    n: int, *, holders_a: int, holders_b: int, both: int, level: float = 0.95
) -> Interval:
    """Return the interval of the lift n · both / (holders_a · holders_b) of two families.

    Normal on the log scale, by the delta method on the four cells of the table of a by b: the
    variance of log(lift) is 1/both − 1/holders_a − 1/holders_b + (2·lift − 1)/n. Where it does
    not hold 1, the families go together more (or less) often than by chance. NaN where nobody
    holds both: a logarithm has no interval there.

    Parameters
    ----------
    n : int
        Customers in all.
    holders_a, holders_b, both : int
        Holders of the one family, of the other, and of both.
    level : float
        Wanted coverage, between 0 and 1.

    Returns
    -------
    (float, float)
        Low and high, above 0.

    Raises
    ------
    UsageError
        Counts that contradict each other; a level out of range.

    Notes
    -----
    Source: delta method for multinomial counts, Agresti, *Categorical Data Analysis* (3rd edition,
    section 16.1).

    Examples
    --------
    >>> low, high = lift_interval(1000, holders_a=100, holders_b=100, both=10)
    >>> low < 1 < high
    True
    """
    _check_counts(0 <= both <= min(holders_a, holders_b), "both must be 0 to the holders of each")
    _check_counts(holders_a + holders_b - both <= n, "holders must not be more than n")
    z = _quantile(level)
    if both == 0:
        return nan, nan
    lift = n * both / (holders_a * holders_b)
    variance = 1 / both - 1 / holders_a - 1 / holders_b + (2 * lift - 1) / n
    width = z * sqrt(max(variance, 0))
    return lift * exp(-width), lift * exp(width)


def gini_and_error(balances: Balances, counts: Balances) -> tuple[float, float]:
    """Return the Gini coefficient of ascending balances and its linearised standard error."""
    held, customers = balances * counts, counts.sum()
    estimate, mean = gini_of(balances, counts), held.sum() / customers
    rank = (counts.cumsum() - counts / 2) / customers
    below = (held.cumsum() - held / 2) / customers
    influence = 2 * (balances * rank + mean - below) - (estimate + 1) * (balances + mean)
    return estimate, sqrt(counts @ influence**2) / (customers * mean)


def top_share_and_error(
    balances: Balances, counts: Balances, fraction: float
) -> tuple[float, float]:
    """Return the top share of ascending balances and its linearised standard error."""
    customers = counts.sum()
    estimate, mean = top_share_of(balances, counts, fraction), balances @ counts / customers
    border = balances[np.searchsorted(counts.cumsum(), (1 - fraction) * customers)]
    influence = np.maximum(balances - border, 0) + fraction * border - estimate * balances
    return estimate, sqrt(counts @ influence**2) / (customers * mean)


def _bootstrap_t(
    values: npt.ArrayLike, estimate: _Estimate, level: float, resamples: int, seed: int
) -> Interval:
    """Return the bootstrap-t interval of an estimate between 0 and 1, taken on its log-odds."""
    balances, counts = ascending(values)
    _check_level(level)
    if resamples < 99:
        raise UsageError(f"resamples must be 99 or more; given {resamples}.")
    if balances.size == 0 or balances.sum() == 0:
        return nan, nan
    centre, error = _log_odds(*estimate(balances, counts))
    if error == inf:
        return nan, nan
    random, size, errors = np.random.default_rng(seed), balances.size, []
    for _ in range(resamples):
        drawn = np.bincount(random.integers(size, size=size), minlength=size).astype(np.float64)
        if balances @ drawn:
            again, spread = _log_odds(*estimate(balances, drawn))
            errors += [(again - centre) / spread] if spread < inf else []
    tail = (1 - level) / 2
    lowest, highest = np.quantile(errors, [tail, 1 - tail])
    ends = [1 / (1 + exp(float(end) * error - centre)) for end in (highest, lowest)]
    return ends[0], ends[1]


def _log_odds(estimate: float, error: float) -> tuple[float, float]:
    """Return log(p / (1 − p)) and its standard error, infinite where the sample has no spread."""
    if not 0 < estimate < 1 or error == 0:
        return 0.0, inf
    return log(estimate / (1 - estimate)), error / (estimate * (1 - estimate))


@cache
def _quantile(level: float) -> float:
    """Return how many standard errors each side of the estimate an interval of the level takes."""
    _check_level(level)
    return NormalDist().inv_cdf((1 + level) / 2)


def _check_level(level: float) -> None:
    """Raise unless the level lies between 0 and 1."""
    if not 0 < level < 1:
        raise UsageError(f"level must lie between 0 and 1; given {level}.")


def _check_counts(possible: bool, rule: str) -> None:
    """Raise when counts contradict each other."""
    if not possible:
        raise UsageError(f"{rule}. Check the counts.")
