"""What a change of assets is made of (AUM变动分解): more customers, or more with each."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.bases import counted
from stockcust_analysis.measures.frames import (
    Frame,
    Groups,
    Ratio,
    group_names,
    lazily,
    measure_frame,
    sums,
)

AUM_CHANGE = (
    Ratio("aum_change", "change_cents", "opening_cents"),
    Ratio("aum_change_by_number", "by_number_cents", "opening_cents"),
    Ratio("aum_change_by_size", "by_size_cents", "opening_cents"),
)


def aum_change(
    opening: Frame,
    closing: Frame,
    *,
    value: str = "aum_period_end",
    by: Groups = None,
    base: str = "funded",
) -> Frame:
    """Return how much of the change of assets is of number of customers, how much of their size.

    With N customers of mean m at each date: number effect = (N₁ − N₀)·(m₀ + m₁)/2, size effect =
    (m₁ − m₀)·(N₀ + N₁)/2; the two add up to the change, to the cent. Measures `aum_change`,
    `aum_change_by_number`, `aum_change_by_size`: the numerators are CNY, the values shares of the
    opening assets; high is good.

    Parameters
    ----------
    opening, closing : table
        One row per customer of each date, of the same engine, with the columns `value` and `by`.
    value, by, base
        As for `concentration`; a customer counts at each date in the group he then belongs to.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; n counts the closing customers.
        Where one of the dates has nobody the whole change is of number. The value is empty where
        the opening assets are zero.

    Raises
    ------
    UsageError
        As for `concentration`.

    Notes
    -----
    Source: the complete decomposition of a product of two factors, which halves what they share,
    Sun, *Changes in energy consumption and energy intensity* (Energy Economics, 1998).

    Examples
    --------
    >>> import pandas as pd
    >>> before = pd.DataFrame({"aum_period_end": [100.0, 100.0]})
    >>> after = pd.DataFrame({"aum_period_end": [100.0, 100.0, 160.0]})
    >>> aum_change(before, after, base="all")["numerator"].tolist()
    [160.0, 110.0, 50.0]
    """
    groups = group_names(by)
    tables = [counted(lazily(frame), by=groups, base=base, amounts=[value])
              for frame in (opening, closing)]  # fmt: skip
    totals = _aum_change(*tables, value=f"{value}_cents", by=groups, base=base)
    return measure_frame(totals, AUM_CHANGE, by=groups, base=base, given=closing)


def _aum_change(
    opening: nw.LazyFrame[Any], closing: nw.LazyFrame[Any], *, value: str, by: list[str], base: str
) -> nw.LazyFrame[Any]:
    """Return the change and its two parts per group; `value` is a column of cents at both dates."""
    inside, zero = nw.col(f"in_{base}"), nw.lit(0, dtype=nw.Int64)
    held = inside * nw.col(value)
    before = opening.select(
        *by, before=inside, customers=zero, opening_cents=held, closing_cents=zero
    )
    after = closing.select(
        *by, before=zero, customers=inside, opening_cents=zero, closing_cents=held
    )
    names = ("before", "customers", "opening_cents", "closing_cents")
    totals = sums(nw.concat([before, after]), by, {name: nw.col(name) for name in names})
    change = nw.col("closing_cents") - nw.col("opening_cents")
    totals = totals.with_columns(change_cents=change, by_number_cents=_by_number())
    return totals.with_columns(by_size_cents=nw.col("change_cents") - nw.col("by_number_cents"))


def _by_number() -> nw.Expr:
    """Return the number effect in whole cents; all of the change where a date has nobody."""
    before, after = nw.col("before"), nw.col("customers")
    change = (nw.col("closing_cents") - nw.col("opening_cents")).cast(nw.Float64)
    means = [
        nw.col(f"{date}_cents").cast(nw.Float64) / nw.max_horizontal(number, nw.lit(1))
        for date, number in (("opening", before), ("closing", after))
    ]
    effect = (after - before).cast(nw.Float64) * (means[0] + means[1]) / 2
    both = nw.min_horizontal(before, after) > 0
    return (nw.when(both).then(effect).otherwise(change) + 0.5).floor().cast(nw.Int64)
