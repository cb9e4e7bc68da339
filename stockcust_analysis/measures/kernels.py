"""Concentration of one list of balances: strict array functions that return one number.

The curve behind all of them is piecewise linear, so that a share that falls inside one customer
takes the matching part of that customer. Balances are zero or more; where there is nothing to
divide (no customers, or nothing but zeros) no concentration is defined and the answer is NaN.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stockcust_analysis.errors import UsageError

Balances = npt.NDArray[np.float64]


def gini(values: npt.ArrayLike) -> float:
    """Return the Gini coefficient (基尼系数): 0 when all hold the same, near 1 when one holds all.

    Population form, without the n/(n−1) correction: Σ (2i − n − 1)·xᵢ / (n·Σx), x ascending.

    Parameters
    ----------
    values : array-like of shape (n,)
        Balances in any unit, zero or more.

    Returns
    -------
    float
        From 0 to 1 − 1/n; 0 for one customer; NaN for none, or when all balances are zero.

    Raises
    ------
    UsageError
        A value is negative, missing or infinite.

    Notes
    -----
    Source: Gini (1912); formula as in the R package `ineq`, `Gini(corr = FALSE)`.

    Examples
    --------
    >>> gini([5, 5, 5, 5])
    0.0
    >>> gini([0, 0, 0, 8])
    0.75
    """
    balances = _ascending(values)
    count, total = balances.size, balances.sum()
    if total == 0:
        return float("nan")
    weights = 2 * np.arange(1, count + 1) - count - 1
    return float(weights @ (balances / total) / count)


def top_share(values: npt.ArrayLike, fraction: float = 0.2) -> float:
    """Return the share of all assets that the largest `fraction` of customers hold (前N%占比).

    Parameters
    ----------
    values : array-like of shape (n,)
        Balances in any unit, zero or more.
    fraction : float
        Above 0, up to 1. A fraction that ends inside a customer takes that part of the balance.

    Returns
    -------
    float
        From `fraction` (all equal) to 1; NaN for no customers, or when all balances are zero.

    Raises
    ------
    UsageError
        A value is negative, missing or infinite, or `fraction` is outside (0, 1].

    Examples
    --------
    >>> top_share([6, 1, 1, 1, 1])
    0.6
    >>> top_share([6, 1, 1, 1, 1], fraction=0.1)
    0.3
    """
    _check_fraction("fraction", fraction)
    descending = _ascending(values)[::-1]
    total = descending.sum()
    if total == 0:
        return float("nan")
    counted = np.clip(fraction * descending.size - np.arange(descending.size), 0, 1)
    return float(counted @ (descending / total))


def share_of_customers_holding(values: npt.ArrayLike, share: float = 0.8) -> float:
    """Return the smallest part of the customers that holds `share` of all assets.

    The inverse of `top_share`: it puts a number on "few customers hold most of the assets".

    Parameters
    ----------
    values : array-like of shape (n,)
        Balances in any unit, zero or more.
    share : float
        Above 0, up to 1, of the total.

    Returns
    -------
    float
        Above 0, up to `share` (all equal); NaN for no customers, or when all balances are zero.

    Raises
    ------
    UsageError
        A value is negative, missing or infinite, or `share` is outside (0, 1].

    Examples
    --------
    >>> share_of_customers_holding([8, 1, 1, 0, 0])
    0.2
    >>> share_of_customers_holding([8, 1, 1, 0, 0], share=0.4)
    0.1
    """
    _check_fraction("share", share)
    descending = _ascending(values)[::-1]
    total = descending.sum()
    if total == 0:
        return float("nan")
    wanted = share * total
    through = descending.cumsum()
    position = min(int(np.searchsorted(through, wanted)), int(np.count_nonzero(descending)) - 1)
    before = through[position] - descending[position]
    return float((position + (wanted - before) / descending[position]) / descending.size)


def herfindahl(values: npt.ArrayLike) -> float:
    """Return the Herfindahl index (HHI): the sum of the squared shares of all customers.

    Parameters
    ----------
    values : array-like of shape (n,)
        Balances in any unit, zero or more.

    Returns
    -------
    float
        From 1/n (all equal) to 1 (one holds all); NaN for no customers, or when all are zero.

    Raises
    ------
    UsageError
        A value is negative, missing or infinite.

    Examples
    --------
    >>> herfindahl([1, 1, 1, 1])
    0.25
    >>> herfindahl([9, 0, 0])
    1.0
    """
    balances = _ascending(values)
    total = balances.sum()
    if total == 0:
        return float("nan")
    shares = balances / total
    return float(shares @ shares)


def _ascending(values: npt.ArrayLike) -> Balances:
    """Return the balances sorted, or raise when they are not all finite and zero or more."""
    try:
        balances = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError("values must be numbers, one per customer, none missing.") from None
    if balances.ndim != 1:
        raise UsageError(f"values must be one list of numbers; given {balances.ndim} dimensions.")
    unusable = int(np.count_nonzero(~np.isfinite(balances)))
    if unusable:
        raise UsageError(
            f"{unusable} of {balances.size} values are missing or infinite. "
            "Fill them, or leave those customers out."
        )
    negative = int(np.count_nonzero(balances < 0))
    if negative:
        raise UsageError(
            f"{negative} of {balances.size} values are negative; concentration is defined for "
            "zero or more. Leave overdrafts and loans out, or set them to 0."
        )
    return np.sort(balances)


def _check_fraction(name: str, given: float) -> None:
    """Raise unless `given` lies in (0, 1]."""
    if not 0 < given <= 1:
        raise UsageError(f"{name} must be above 0 and at most 1; given {given}.")
