"""Tiers (客户分层): which customers are of which size, and how many there are of each.

Borders come from the policy, half-open [lower, upper), and never from the data.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.bases import counted
from stockcust_analysis.measures.checks import require_amounts, require_columns
from stockcust_analysis.measures.frames import (
    Frame,
    Groups,
    Ratio,
    cents,
    cents_of,
    flag,
    group_names,
    lazily,
    like,
    measure_frame,
    sums,
)
from stockcust_analysis.policy import TierScheme


def assign_tiers(customers: Frame, scheme: TierScheme) -> Frame:
    """Return the customers with the name of each one's tier.

    Parameters
    ----------
    customers : table
        With the scheme's column, CNY.
    scheme : TierScheme
        Tiers; an amount equal to a border belongs to the upper tier.

    Returns
    -------
    table
        Of the kind given, with the column `tier` added; lazy stays lazy.

    Raises
    ------
    UsageError
        The scheme's column is not there, or holds a missing, infinite or negative amount.

    Examples
    --------
    >>> import pandas as pd
    >>> from stockcust_analysis.policy import load_policy
    >>> bank = pd.DataFrame({"aum_average_quarter": [99.99, 100, 50_000]})
    >>> assign_tiers(bank, load_policy().tiers)["tier"].tolist()
    ['residual', 'potential', 'mid']
    """
    table = lazily(customers)
    require_columns(table, [scheme.value], "customers")
    require_amounts(table, [scheme.value], "customers")
    return like(customers, table.with_columns(tier=tier_name(cents(scheme.value), scheme)))


def tier_counts(
    customers: Frame, scheme: TierScheme, *, by: Groups = None, base: str = "all"
) -> Frame:
    """Return how many customers and how much AUM each tier has, by branch or any other column.

    Measures: `tier_customers` (count), `tier_customer_share` (of the base), `tier_aum` (CNY) and
    `tier_aum_share` (of the base's AUM). Every tier has its rows, also when nobody is in it.

    Parameters
    ----------
    customers : table
        One row per customer of one as-of date, with the columns of `by` and of the scheme.
    scheme : TierScheme
        Tiers and the AUM column they look at.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    base : str
        `all`, `funded`, `effective` or `managed`.

    Returns
    -------
    measure frame
        `[*by], measure, tier, base, n, numerator, denominator, value`; n is the base's customers.
        Counts and sums have the denominator 1. A share of nothing is empty.

    Raises
    ------
    UsageError
        An unknown column or base; a missing, infinite or negative amount, with the count.

    Examples
    --------
    >>> import pandas as pd
    >>> from stockcust_analysis.policy import load_policy
    >>> bank = pd.DataFrame({"aum_average_quarter": [50.0, 150, 250, 60_000]})
    >>> counts = tier_counts(bank, load_policy().tiers).query("measure == 'tier_customers'")
    >>> dict(zip(counts["tier"], counts["value"].astype(int)))
    {'residual': 1, 'potential': 2, 'effective': 0, 'mid': 1, 'high': 0, 'private': 0}
    """
    groups = group_names(by)
    table = counted(lazily(customers), by=groups, base=base, amounts=[scheme.value])
    amount = f"{scheme.value}_cents"
    table = table.with_columns(tier=tier_name(nw.col(amount), scheme))
    totals = _tier_sums(table, scheme, by=groups, base=base)
    return measure_frame(totals, tier_ratios(scheme), by=groups, base=base, given=customers)


def tier_ratios(scheme: TierScheme) -> list[Ratio]:
    """Return the four measures of every tier."""
    return [
        ratio
        for name in scheme.names
        for ratio in (
            Ratio("tier_customers", f"customers_{name}", None, (("tier", name),)),
            Ratio("tier_customer_share", f"customers_{name}", "customers", (("tier", name),)),
            Ratio("tier_aum", f"{name}_cents", None, (("tier", name),)),
            Ratio("tier_aum_share", f"{name}_cents", "total_cents", (("tier", name),)),
        )
    ]


def tier_name(amount: nw.Expr, scheme: TierScheme) -> nw.Expr:
    """Return the name of the tier of an amount in cents."""
    name = nw.lit(scheme.tiers[0].name)
    for tier in scheme.tiers[1:]:
        name = nw.when(amount >= cents_of(tier.lower)).then(nw.lit(tier.name)).otherwise(name)
    return name


def _tier_sums(
    facts: nw.LazyFrame[Any], scheme: TierScheme, *, by: list[str], base: str
) -> nw.LazyFrame[Any]:
    """Return customers and cents per group, in all and per tier."""
    counts, amount = nw.col(f"in_{base}"), nw.col(f"{scheme.value}_cents")
    columns = {"customers": counts, "total_cents": counts * amount}
    for name in scheme.names:
        inside = counts * flag(nw.col("tier") == name)
        columns |= {f"customers_{name}": inside, f"{name}_cents": inside * amount}
    return sums(facts, by, columns)
