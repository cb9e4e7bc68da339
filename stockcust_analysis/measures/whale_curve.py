"""The whale curve (鲸鱼曲线): which share of the profit do the best customers bring."""

from __future__ import annotations

from stockcust_analysis.measures.bases import counted
from stockcust_analysis.measures.frames import (
    Frame,
    Groups,
    collected,
    group_names,
    lazily,
    table_of,
)
from stockcust_analysis.measures.lorenz_steps import running_steps
from stockcust_analysis.measures.pareto import curve_points, percent_steps


def whale_curve(
    customers: Frame, *, value: str = "contribution", by: Groups = None, base: str = "all"
) -> Frame:
    """Return which share of the profit the best customers bring, at 0, 1, …, 100 % of customers.

    The curve runs from the most profitable customer to the least: it rises above 1 (100 %) where
    some earn what others cost, and comes back to 1. Its peak is what the bank would earn without
    the customers that cost it money; a high, early peak means profit that hangs on few.

    Parameters
    ----------
    customers, by, base
        As for `concentration`.
    value : str
        Column of CNY: each customer's contribution, negative for those who cost money.

    Returns
    -------
    table
        `[*by], customer_share, value_share`, 101 rows per group. Value shares are empty where a
        group's total is zero or a loss: there is no profit to take a share of.

    Raises
    ------
    UsageError
        An unknown column or base; a missing or infinite value, with the count.

    Notes
    -----
    Source: Kaplan and Narayanan, *Measuring and managing customer profitability* (2001).

    Examples
    --------
    >>> import pandas as pd
    >>> curve = whale_curve(pd.DataFrame({"contribution": [-1.0, 0, 2, 3]}))
    >>> curve.iloc[[25, 50, 75, 100]].values.tolist()
    [[0.25, 0.75], [0.5, 1.25], [0.75, 1.25], [1.0, 1.0]]
    """
    groups = group_names(by)
    table = counted(lazily(customers), by=groups, base=base, amounts=[value], signed=[value])
    running = running_steps(table, value=f"{value}_cents", by=groups, base=base)
    points = curve_points(collected(percent_steps(running, by=groups)), groups)
    lowest = points["value_share"]
    # The best p % bring what the others, the lowest 100 − p %, leave over.
    turned = [lowest[row - row % 101 + 100 - row % 101] for row in range(len(lowest))]
    points["value_share"] = [None if share is None else 1 - share for share in turned]
    return table_of(points, customers)
