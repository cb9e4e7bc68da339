"""Concentration (集中度): do a few customers hold most of the assets? Measured, not assumed.

All measures come from one table of steps: equal balances are one step of the Lorenz curve, so no
tie can change a result. Sums are whole numbers; only shares inside a step are fractions. Everybody
is counted, so no interval is told; what one customer can do shows in the same measures `without`
the largest.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import counted, missing_for
from stockcust_analysis.measures.concentration_sums import concentration_sums, sums_without
from stockcust_analysis.measures.frames import (
    ONE,
    Frame,
    Groups,
    Ratio,
    collected,
    group_names,
    lazily,
    measures_of,
    table_of,
)
from stockcust_analysis.measures.lorenz_steps import left_of, lorenz_steps, running_steps, weighted

CONCENTRATION = (
    Ratio("gini", "gini_cents", "total_cents"),
    Ratio("top_1_share", "top_1_cents", "total_cents"),
    Ratio("top_5_share", "top_5_cents", "total_cents"),
    Ratio("top_10_share", "top_10_cents", "total_cents"),
    Ratio("top_20_share", "top_20_cents", "total_cents"),
    Ratio("share_of_customers_holding_80", "holders_of_80"),
    Ratio("ten_largest_share", "ten_largest_cents", "total_cents"),
    Ratio("herfindahl", "herfindahl_cents", "total_cents"),
)


def concentration(
    customers: Frame,
    *,
    value: str = "aum_period_end",
    by: Groups = None,
    base: str | None = None,
    weight: str | None = None,
    without: int = 0,
) -> Frame:
    """Return how concentrated assets are among customers, by branch or any other column.

    Measures: `gini`, `top_1_share`, `top_5_share`, `top_10_share`, `top_20_share` (前N%占比),
    `share_of_customers_holding_80`, `ten_largest_share` (最大十户占比) and `herfindahl`,
    with the formulas of `kernels`. High means concentrated, but for
    `share_of_customers_holding_80`, where low does.

    Parameters
    ----------
    customers : table
        One row per customer of one as-of date, with the columns `value` and `by`; those of
        `bank.customers` give the figures of the page.
    value : str
        Column of CNY, zero or more.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    base : str, optional
        `all`, `funded`, `established`, `effective` or `managed`. Left out, it is `funded`, as on
        the page; in a table of bare amounts, which cannot tell who is funded, it is `all`, and a
        warning says so.
    weight : str, optional
        Column of whole numbers: how many equal customers a row stands for.
    without : int
        Leave out so many of each group's largest customers, for the sensitivity: the measures are
        then called `gini_without_10`, ….

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`. Numerators are CNY, but
        customers for `share_of_customers_holding_80`. The value is empty where a group's total
        is zero. A group of fewer than ten has `ten_largest_share` 1.

    Raises
    ------
    UsageError
        An unknown column or base; a missing, infinite or negative value, with the count; a weight
        that is no whole number.

    Examples
    --------
    >>> import pandas as pd
    >>> bank = pd.DataFrame({"branch_id": ["A"] * 5, "aum_period_end": [6.0, 1, 1, 1, 1]})
    >>> result = concentration(bank, by="branch_id", base="all").set_index("measure")["value"]
    >>> result.loc[["gini", "top_20_share"]].round(6).to_dict()
    {'gini': 0.4, 'top_20_share': 0.6}
    """
    if without < 0:
        raise UsageError(f"without must be 0 or more customers; given {without}.")
    groups = group_names(by)
    base = base or _default_base(customers)
    table = counted(lazily(customers), by=groups, base=base, amounts=[value])
    table = weighted(table, weight, f"in_{base}")
    running = running_steps(table, value=f"{value}_cents", by=groups, base=base)
    found = collected(concentration_sums(running, by=groups, without=[without]))
    ratios = concentration_ratios(without)
    return measures_of(sums_without(without, found), ratios, by=groups, base=base, given=customers)


def lorenz_curve(
    customers: Frame,
    *,
    value: str = "aum_period_end",
    by: Groups = None,
    base: str | None = None,
    weight: str | None = None,
) -> Frame:
    """Return the Lorenz curve at 0, 1, …, 100 % of customers, smallest first.

    Parameters
    ----------
    customers, value, by, base, weight
        As for `concentration`.

    Returns
    -------
    table
        `[*by], customer_share, value_share`, 101 rows per group, both from 0 to 1. A group
        without customers in the base, or whose total is zero, has empty value shares.

    Raises
    ------
    UsageError
        As for `concentration`.

    Examples
    --------
    >>> import pandas as pd
    >>> curve = lorenz_curve(pd.DataFrame({"aum_period_end": [1.0, 3.0]}), base="all")
    >>> curve.iloc[[0, 50, 100]].values.tolist()
    [[0.0, 0.0], [0.5, 0.25], [1.0, 1.0]]
    """
    groups = group_names(by)
    base = base or _default_base(customers)
    table = counted(lazily(customers), by=groups, base=base, amounts=[value])
    table = weighted(table, weight, f"in_{base}")
    running = running_steps(table, value=f"{value}_cents", by=groups, base=base)
    steps = percent_steps(running, by=groups)
    return table_of(curve_points(collected(steps), groups), customers)


def _default_base(customers: Frame) -> str:
    """Return the page's base; everybody where bare amounts cannot tell who is funded."""
    missing = missing_for(lazily(customers), "funded")
    if not missing:
        return "funded"
    warnings.warn(
        f"customers do not say who is funded ({missing[0]} missing): everybody is counted. Take "
        "them from bank.customers(quarter) for the figures of the page, or say base='all'.",
        stacklevel=3,
    )
    return "all"


def concentration_ratios(without: int) -> tuple[Ratio, ...]:
    """Return the measures of concentration without so many of the largest customers."""
    suffix = f"_without_{without}" if without else ""
    return tuple(replace(ratio, measure=f"{ratio.measure}{suffix}") for ratio in CONCENTRATION)


def curve_points(steps: dict[str, list[Any]], by: list[str]) -> dict[str, list[Any]]:
    """Return the curve's 101 points per group from the steps that hold them."""
    points: dict[str, list[Any]] = {name: [] for name in (*by, "customer_share", "value_share")}
    members: dict[tuple[Any, ...], list[int]] = {}
    for row in range(len(steps["customers"])):
        members.setdefault(tuple(steps[name][row] for name in by), []).append(row)
    for group in sorted(members):
        rows = sorted(members[group], key=lambda row: steps["customers_through"][row])
        for name, label in zip(by, group, strict=True):
            points[name] += [label] * 101
        points["customer_share"] += [percent / 100 for percent in range(101)]
        points["value_share"] += _value_shares(steps, rows)
    return points


def _value_shares(steps: dict[str, list[Any]], rows: list[int]) -> list[float | None]:
    """Return the share of assets at each percent, on the straight line within its step."""
    customers, total = steps["customers"][rows[0]], steps["total_cents"][rows[0]]
    if total <= 0:
        return [None] * 101
    shares: list[float | None] = [0.0]
    position = 0
    for percent in range(1, 101):
        while steps["customers_through"][rows[position]] * 100 < customers * percent:
            position += 1
        row = rows[position]
        beyond = steps["customers_through"][row] - customers * percent / 100
        shares.append((steps["cents_through"][row] - beyond * steps["amount_cents"][row]) / total)
    return shares


def percent_steps(running: nw.LazyFrame[Any], *, by: list[str]) -> nw.LazyFrame[Any]:
    """Return the steps of the Lorenz curve in which a whole percent lies: at most 101 per group."""
    steps = lorenz_steps(running, by=by)
    customers, through = left_of("customers", 0), left_of("customers_through", 0)
    before = through - nw.col("held_by")
    divisor = nw.max_horizontal(customers, ONE)
    holds_percent = (through * 100) // divisor > (before * 100) // divisor
    # A group whose base is empty has no percent, but keeps its rows.
    return steps.filter(holds_percent | (customers == 0)).select(
        *by,
        customers=customers,
        total_cents=left_of("total_cents", 0),
        customers_through=through,
        cents_through=left_of("cents_through", 0),
        amount_cents=nw.col("amount"),
    )
