"""Tenure (客户年限): for how long a customer has been with the bank, in bands and as a border."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.checks import require_columns
from stockcust_analysis.measures.frames import Frame, after, day, flag, lazily, like
from stockcust_analysis.periods import Day, as_day, cutoff

YEARS = (1, 3, 5, 10)


def assign_tenure(customers: Frame, *, as_of: Day, years: Sequence[int] = YEARS) -> Frame:
    """Return the customers with the band of years each has been with the bank.

    Parameters
    ----------
    customers : table
        With `relationship_since`.
    as_of : date, "2026-09-30" or "2026Q3"
        Day the years end on, counted day to day.
    years : list of int
        Borders of the bands in whole years, rising; a customer of exactly three years is in the
        band that begins with three. One whose day is not known counts as new.

    Returns
    -------
    table
        Of the kind given, with two columns added; lazy stays lazy. `tenure`: the years its band
        begins with (0, 1, 3, 5 or 10). `established`: 1 from twelve months on, else 0; the base
        `established` counts these, since cross-sell of newcomers has had no time yet.

    Raises
    ------
    UsageError
        No column `relationship_since`; years that do not rise.

    Examples
    --------
    >>> import pandas as pd
    >>> since = pd.to_datetime(["2023-09-30", "2025-09-30", "2025-10-01"])
    >>> bank = pd.DataFrame({"relationship_since": since})
    >>> assign_tenure(bank, as_of=date(2026, 9, 30))[["tenure", "established"]].values.tolist()
    [[3, 1], [1, 1], [0, 0]]
    """
    if any(lower >= upper for lower, upper in pairwise([0, *years])):
        raise UsageError(f"years must rise from 1; given {list(years)}.")
    table = lazily(customers)
    require_columns(table, ["relationship_since"], "customers")
    return like(customers, table.with_columns(**tenure_columns(table, as_day(as_of), years)))


def tenure_columns(
    customers: nw.LazyFrame[Any], as_of: date, years: Sequence[int] = YEARS
) -> dict[str, nw.Expr]:
    """Return `tenure` and `established` of customers; those of an unknown day count as new."""
    since = day(customers, "relationship_since")
    known = ~since.is_null()
    steps = [
        flag(known & ~after(since, cutoff(as_of, 12 * upper))) * (upper - lower)
        for lower, upper in pairwise([0, *years])
    ]
    return {
        "tenure": nw.sum_horizontal(*steps),
        "established": flag(known & ~after(since, cutoff(as_of, 12))),
    }
