"""What a change of assets is made of (AUM变动分解): more customers, or more with each."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.bases import counted
from stockcust_analysis.measures.frames import (
    ZERO,
    Frame,
    Groups,
    Ratio,
    collected,
    group_names,
    lazily,
    measures_of,
    sums,
)
from stockcust_analysis.policy import PolicyLike, as_policy

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
    policy: PolicyLike = None,
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
    policy : Policy, name or path, optional
        Borders of the bases, where no column says who is in them; default: the shipped policy.

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
    groups, bases = group_names(by), as_policy(policy).bases
    tables = [counted(lazily(frame), by=groups, base=base, amounts=[value], bases=bases)
              for frame in (opening, closing)]  # fmt: skip
    both = collected(_sums_of_both(*tables, value=f"{value}_cents", by=groups, base=base))
    return measures_of(change_parts(both), AUM_CHANGE, by=groups, base=base, given=closing)


def _sums_of_both(
    opening: nw.LazyFrame[Any], closing: nw.LazyFrame[Any], *, value: str, by: list[str], base: str
) -> nw.LazyFrame[Any]:
    """Return customers and cents of both dates per group; `value` is a column of cents."""
    inside = nw.col(f"in_{base}")
    held = inside * nw.col(value)
    before = opening.select(
        *by, opening_customers=inside, customers=ZERO, opening_cents=held, closing_cents=ZERO
    )
    after = closing.select(
        *by, opening_customers=ZERO, customers=inside, opening_cents=ZERO, closing_cents=held
    )
    names = ("opening_customers", "customers", "opening_cents", "closing_cents")
    return sums(nw.concat([before, after]), by, {name: nw.col(name) for name in names})


def change_parts(groups: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the sums of both dates with the change and its two parts, in whole cents."""
    change = [
        after - before
        for before, after in zip(groups["opening_cents"], groups["closing_cents"], strict=True)
    ]
    names = ("opening_customers", "customers", "opening_cents", "closing_cents")
    by_number = [_by_number(*row) for row in zip(*(groups[name] for name in names), strict=True)]
    by_size = [whole - part for whole, part in zip(change, by_number, strict=True)]
    return dict(groups) | {
        "change_cents": change, "by_number_cents": by_number, "by_size_cents": by_size
    }  # fmt: skip


def _by_number(before: int, after: int, opening_cents: int, closing_cents: int) -> int:
    """Return the number effect in whole cents; all of the change where a date has nobody."""
    if min(before, after) <= 0:
        return closing_cents - opening_cents
    means = opening_cents / before + closing_cents / after
    return floor((after - before) * means / 2 + 0.5)
