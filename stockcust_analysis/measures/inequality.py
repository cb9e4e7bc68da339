"""Concentration of one list of balances: strict array functions that return one number.

The curve behind all of them is piecewise linear, so that a share that falls inside one customer
takes the matching part of that customer. Balances are zero or more; where there is nothing to
divide (no customers, or nothing but zeros) no concentration is defined and the answer is NaN.

A bank counts all its customers, so the pages print no interval (置信区间) of a concentration:
intervals are for samples.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import exp, inf, log, nan, sqrt

import numpy as np
import numpy.typing as npt

from stockcust_analysis.errors import UsageError, say

Balances = npt.NDArray[np.float64]
Interval = tuple[float, float]
_Estimate = Callable[[Balances, Balances], tuple[float, float]]


def gini(values: npt.ArrayLike, *, weights: npt.ArrayLike | None = None) -> float:
    """Return the Gini coefficient (基尼系数): 0 when all hold the same, near 1 when one holds all.

    Population form, without the n/(n−1) correction: Σ (2i − n − 1)·xᵢ / (n·Σx), x ascending.

    Parameters
    ----------
    values : array-like of shape (n,)
        Balances in any unit, zero or more.
    weights : array-like of shape (n,), optional
        How many customers each balance stands for, zero or more; one each when left out. A
        weight counts as so many equal customers.

    Returns
    -------
    float
        From 0 to 1 − 1/n; 0 for one customer; NaN for none, or when all balances are zero.

    Raises
    ------
    UsageError
        A value or weight is negative, missing or infinite, or their numbers differ.

    Notes
    -----
    Source: Gini (1912); formula as in the R package `ineq`, `Gini(corr = FALSE)`.

    Examples
    --------
    >>> gini([5, 5, 5, 5])
    0.0
    >>> gini([0, 0, 0, 8])
    0.75
    >>> gini([0, 8], weights=[3, 1])
    0.75
    """
    return gini_of(*ascending(values, weights))


def gini_of(balances: Balances, counts: Balances) -> float:
    """Return the Gini coefficient of ascending balances, each held by `counts` customers."""
    held = balances * counts
    customers, total = counts.sum(), held.sum()
    if total == 0:
        return float("nan")
    ranks = 2 * counts.cumsum() - counts - customers
    return float(ranks @ (held / total) / customers)


def top_share(
    values: npt.ArrayLike, fraction: float = 0.2, *, weights: npt.ArrayLike | None = None
) -> float:
    """Return the share of all assets that the largest `fraction` of customers hold (前N%占比).

    Of all values given, zeros among them. The report's share is of funded customers: for that and
    for shares by branch use `concentration`.

    Parameters
    ----------
    values : array-like of shape (n,)
        Balances in any unit, zero or more.
    fraction : float
        Above 0, up to 1. A fraction that ends inside a customer takes that part of the balance.
    weights : array-like of shape (n,), optional
        How many customers each balance stands for, zero or more; one each when left out.

    Returns
    -------
    float
        From `fraction` (all equal) to 1; NaN for no customers, or when all balances are zero.

    Raises
    ------
    UsageError
        A value or weight is negative, missing or infinite, or their numbers differ; or
        `fraction` is outside (0, 1].

    Examples
    --------
    >>> top_share([6, 1, 1, 1, 1])
    0.6
    >>> top_share([6, 1, 1, 1, 1], fraction=0.1)
    0.3
    """
    check_fraction("fraction", fraction)
    return top_share_of(*ascending(values, weights), fraction)


def top_share_of(balances: Balances, counts: Balances, fraction: float) -> float:
    """Return the top share of ascending balances, each held by `counts` customers."""
    total = balances @ counts
    if total == 0:
        return float("nan")
    above = counts.sum() - counts.cumsum()
    inside = np.clip(fraction * counts.sum() - above, 0, counts)
    return float(inside @ (balances / total))


def share_of_customers_holding(
    values: npt.ArrayLike, share: float = 0.8, *, weights: npt.ArrayLike | None = None
) -> float:
    """Return the smallest part of the customers that holds `share` of all assets.

    The inverse of `top_share`: it puts a number on "few customers hold most of the assets".

    Parameters
    ----------
    values : array-like of shape (n,)
        Balances in any unit, zero or more.
    share : float
        Above 0, up to 1, of the total.
    weights : array-like of shape (n,), optional
        How many customers each balance stands for, zero or more; one each when left out.

    Returns
    -------
    float
        Above 0, up to `share` (all equal); NaN for no customers, or when all balances are zero.

    Raises
    ------
    UsageError
        A value or weight is negative, missing or infinite, or their numbers differ; or
        `share` is outside (0, 1].

    Examples
    --------
    >>> share_of_customers_holding([8, 1, 1, 0, 0])
    0.2
    >>> share_of_customers_holding([8, 1, 1, 0, 0], share=0.4)
    0.1
    """
    check_fraction("share", share)
    balances, counts = (column[::-1] for column in ascending(values, weights))
    held = balances * counts
    if held.sum() == 0:
        return float("nan")
    wanted = share * held.sum()
    through = held.cumsum()
    position = min(int(np.searchsorted(through, wanted)), int(np.flatnonzero(held)[-1]))
    before = through[position] - held[position]
    holders = counts[:position].sum() + (wanted - before) / balances[position]
    return float(holders / counts.sum())


def herfindahl(values: npt.ArrayLike, *, weights: npt.ArrayLike | None = None) -> float:
    """Return the Herfindahl index (HHI): the sum of the squared shares of all customers.

    Parameters
    ----------
    values : array-like of shape (n,)
        Balances in any unit, zero or more.
    weights : array-like of shape (n,), optional
        How many customers each balance stands for, zero or more; one each when left out.

    Returns
    -------
    float
        From 1/n (all equal) to 1 (one holds all); NaN for no customers, or when all are zero.

    Raises
    ------
    UsageError
        A value or weight is negative, missing or infinite, or their numbers differ.

    Examples
    --------
    >>> herfindahl([1, 1, 1, 1])
    0.25
    >>> herfindahl([9, 0, 0])
    1.0
    """
    balances, counts = ascending(values, weights)
    total = balances @ counts
    if total == 0:
        return float("nan")
    shares = balances / total
    return float(counts @ (shares * shares))


def ascending(
    values: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> tuple[Balances, Balances]:
    """Return the balances sorted, with their weights, or raise when they cannot be used."""
    balances = _usable("values", values)
    counts = np.ones_like(balances) if weights is None else _usable("weights", weights)
    if counts.size != balances.size:
        raise UsageError(say("weights_unlike", balances.size, counts.size))
    order = np.argsort(balances, kind="stable")
    return balances[order], counts[order]


def _usable(name: str, values: npt.ArrayLike) -> Balances:
    """Return numbers that are all finite and zero or more, or raise saying how many are not."""
    if hasattr(values, "columns"):
        raise UsageError(say("table_for_column", name, len(values.columns)))
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError(say("no_numbers", name)) from None
    if numbers.ndim != 1:
        raise UsageError(say("no_list", name, numbers.ndim))
    for wrong, rows in (("infinite", ~np.isfinite(numbers)), ("negative", numbers < 0)):
        if count := int(np.count_nonzero(rows)):
            raise UsageError(say(f"values_{wrong}", count, numbers.size, name))
    return numbers


def check_fraction(name: str, value: float) -> None:
    """Raise unless a value lies in (0, 1]."""
    if not 0 < value <= 1:
        raise UsageError(say("fraction_to_1", name, value))


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
    estimate = partial(top_share_and_error, fraction=fraction)
    return _bootstrap_t(values, estimate, level, resamples, seed)


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
    if not 0 < level < 1:
        raise UsageError(say("level_of_interval", level))
    if resamples < 99:
        raise UsageError(say("resamples_too_few", resamples))
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
