"""Tiers (客户分层): which customers are of which size, and how many there are of each.

Borders come from the policy, half-open [lower, upper), and never from the data.
"""

from __future__ import annotations

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import counted
from stockcust_analysis.measures.checks import require_amounts, require_columns
from stockcust_analysis.measures.frames import (
    ONE,
    ZERO,
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
from stockcust_analysis.policy import PolicyLike, TierScheme, as_policy


def assign_tiers(
    customers: Frame,
    scheme: TierScheme | None = None,
    *,
    policy: PolicyLike = None,
) -> Frame:
    """Return the customers with the name of each one's tier.

    Parameters
    ----------
    customers : table
        With the scheme's column, CNY.
    scheme : TierScheme, optional
        Tiers; an amount equal to a border belongs to the upper tier. Default: the policy's.
    policy : Policy, name or path, optional
        The shipped policy when left out.

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
    >>> bank = pd.DataFrame({"aum_average_quarter": [99.99, 100, 50_000]})
    >>> assign_tiers(bank)["tier"].tolist()
    ['residual', 'potential', 'mid']
    """
    table, scheme = lazily(customers), scheme or as_policy(policy).tiers
    require_columns(table, [scheme.value], "customers")
    require_amounts(table, [scheme.value], "customers")
    return like(customers, table.with_columns(tier=tier_name(cents(scheme.value), scheme)))


def tier_counts(
    customers: Frame,
    scheme: TierScheme | None = None,
    *,
    by: Groups = None,
    base: str = "all",
    policy: PolicyLike = None,
) -> Frame:
    """Return how many customers and how much AUM each tier has, by branch or any other column.

    Measures: `tier_customers` (count), `tier_customer_share` (of the base), `tier_aum` (CNY) and
    `tier_aum_share` (of the base's AUM). Every tier has its rows, also when nobody is in it.

    Parameters
    ----------
    customers : table
        One row per customer of one as-of date, with the columns of `by` and of the scheme.
    scheme : TierScheme, optional
        Tiers and the AUM column they look at. Default: the policy's, and where the customers have
        a column `tier` (as from `bank.customers` or `tiers_with_memory`) it stands.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    base : str
        `all`, `funded`, `effective` or `managed`.
    policy : Policy, name or path, optional
        Tiers and bases; the shipped policy when left out.

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
    >>> bank = pd.DataFrame({"aum_average_quarter": [50.0, 150, 250, 60_000]})
    >>> counts = tier_counts(bank).query("measure == 'tier_customers'")
    >>> dict(zip(counts["tier"], counts["value"].astype(int)))
    {'residual': 1, 'potential': 2, 'effective': 0, 'mid': 1, 'high': 0, 'private': 0}
    """
    groups, rules, table = group_names(by), as_policy(policy), lazily(customers)
    stands = scheme is None and "tier" in table.collect_schema().names()
    scheme = scheme or rules.tiers
    table = counted(table, by=groups, base=base, amounts=[scheme.value], bases=rules.bases)
    if not stands:
        table = table.with_columns(tier=tier_name(nw.col(f"{scheme.value}_cents"), scheme))
    totals = sums(table, groups, tier_columns(scheme, base=base))
    return measure_frame(totals, tier_ratios(scheme), by=groups, base=base, given=customers)


def near_border(
    customers: Frame,
    scheme: TierScheme | None = None,
    *,
    share: float = 0.8,
    policy: PolicyLike = None,
) -> Frame:
    """Return the customers who are close below the border of the next tier.

    Near is share · border ≤ AUM < border: at 0.8 the last fifth below the border.

    Parameters
    ----------
    customers : table
        With the scheme's column, CNY.
    scheme : TierScheme, optional
        Tiers; who is in the highest one has no border ahead. Default: the policy's.
    share : float
        From which part of the border on a customer is near; above 0, below 1.
    policy : Policy, name or path, optional
        The shipped policy when left out.

    Returns
    -------
    table
        Of the kind given: the customers near a border, with `next_tier`, `next_border` (CNY) and
        `missing` (CNY up to it, above 0; small is near); lazy stays lazy.

    Raises
    ------
    UsageError
        As for `assign_tiers`; a share out of range.

    Notes
    -----
    Source: practice notes on existing-customer management (offers near 50,000 CNY). Deposits must
    not be rewarded with gifts or cash.

    Examples
    --------
    >>> import pandas as pd
    >>> bank = pd.DataFrame({"aum_average_quarter": [39_999.99, 40_000, 50_000]})
    >>> near = near_border(bank)
    >>> near[["next_tier", "missing"]].values.tolist()
    [['mid', 10000.0]]
    """
    if not 0 < share < 1:
        raise UsageError(f"share must lie between 0 and 1; given {share}.")
    table, scheme = lazily(customers), scheme or as_policy(policy).tiers
    require_columns(table, [scheme.value], "customers")
    require_amounts(table, [scheme.value], "customers")
    amount, ahead = cents(scheme.value), scheme.tiers[1:]
    near = nw.lit(False)
    name, border = nw.lit(""), ZERO
    for tier in reversed(ahead):
        lower = nw.lit(cents_of(tier.lower), dtype=nw.Int64)
        near = near | ((amount >= cents_of(share * tier.lower)) & (amount < lower))
        name = nw.when(amount < lower).then(nw.lit(tier.name)).otherwise(name)
        border = nw.when(amount < lower).then(lower).otherwise(border)
    found = table.filter(near).with_columns(next_tier=name, next_border=border / 100,
                                            missing=(border - amount) / 100)  # fmt: skip
    return like(customers, found)


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


def tier_place(amount: nw.Expr, scheme: TierScheme, *, times: nw.Expr = ONE) -> nw.Expr:
    """Return the place of an amount's tier, 0 for the lowest; `amount` is of `times` periods."""
    reached = [flag(amount >= times * cents_of(tier.lower)) for tier in scheme.tiers[1:]]
    return nw.sum_horizontal(ONE - 1, *reached)


def place_of(column: str, scheme: TierScheme) -> nw.Expr:
    """Return the place of the tier whose name a column holds, 0 for the lowest."""
    at = (place * flag(nw.col(column) == name) for place, name in enumerate(scheme.names))
    return nw.sum_horizontal(*at)


def named_tier(place: nw.Expr, scheme: TierScheme) -> nw.Expr:
    """Return the name of the tier at a place."""
    name = nw.lit(scheme.names[0])
    for number, tier in enumerate(scheme.names[1:], start=1):
        name = nw.when(place >= number).then(nw.lit(tier)).otherwise(name)
    return name


def tier_columns(scheme: TierScheme, *, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: customers and cents, in all and per tier."""
    counts, amount = nw.col(f"in_{base}"), nw.col(f"{scheme.value}_cents")
    columns = {"customers": counts, "total_cents": counts * amount}
    for name in scheme.names:
        inside = counts * flag(nw.col("tier") == name)
        columns |= {f"customers_{name}": inside, f"{name}_cents": inside * amount}
    return columns
