"""Concentration of one list of balances: strict array functions that return one number.

The curve behind all of them is piecewise linear, so that a share that falls inside one customer
takes the matching part of that customer. Balances are zero or more; where there is nothing to
divide (no customers, or nothing but zeros) no concentration is defined and the answer is NaN.

A bank counts all its customers, so the pages print no interval (置信区间) of a concentration:
intervals are for samples.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stockcust_analysis.errors import UsageError

Balances = npt.NDArray[np.float64]
_FILL = ". Fill them, or leave those customers out."
_NO_DEBTS = (
    "; concentration is defined for zero or more. Leave overdrafts and loans out, or set them to 0."
)


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
    balances, counts = ascending(values, weights)
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
    balances, counts = ascending(values, weights)
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
        raise UsageError(f"{balances.size} values, but {counts.size} weights: give one for each.")
    order = np.argsort(balances, kind="stable")
    return balances[order], counts[order]


def _usable(name: str, values: npt.ArrayLike) -> Balances:
    """Return numbers that are all finite and zero or more, or raise saying how many are not."""
    if hasattr(values, "columns"):
        raise UsageError(
            f"{name} are one column, given a table of {len(values.columns)}: "
            "give a column, or use concentration."
        )
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"{name} must be numbers, one per customer, none missing.") from None
    if numbers.ndim != 1:
        raise UsageError(f"{name} must be one list of numbers; given {numbers.ndim} dimensions.")
    for wrong, rows, advice in (
        ("missing or infinite", ~np.isfinite(numbers), _FILL),
        ("negative", numbers < 0, _NO_DEBTS),
    ):
        if count := int(np.count_nonzero(rows)):
            raise UsageError(f"{count} of {numbers.size} {name} are {wrong}{advice}")
    return numbers


def check_fraction(name: str, value: float) -> None:
    """Raise unless a value lies in (0, 1]."""
    if not 0 < value <= 1:
        raise UsageError(f"{name} must be above 0 and at most 1; given {value}.")
