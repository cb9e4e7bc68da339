"""Tiers (客户分层): which customers are of which size, and how many there are of each.

Borders come from the policy, half-open [lower, upper), and never from the data.
"""

from __future__ import annotations

from dataclasses import replace

import narwhals.stable.v2 as nw

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import (
    ONE,
    ZERO,
    Groups,
    as_lazy,
    cents,
    cents_of,
    flag,
    group_names,
    same_kind,
)
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import with_base
from stockcust_analysis.measures.registry import Measure, Question, answer
from stockcust_analysis.measures.validation import require_amounts, require_columns
from stockcust_analysis.policy import Policy, PolicyLike, TierScheme, as_policy

_AVERAGE = "aum_average_quarter_cents"
_PERIOD_END = "aum_period_end_cents"


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
    table, scheme = as_lazy(customers), scheme or as_policy(policy).tiers
    require_columns(table, [scheme.value], "customers")
    require_amounts(table, [scheme.value], "customers")
    return same_kind(customers, table.with_columns(tier=tier_name(cents(scheme.value), scheme)))


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
    groups, rules, table = group_names(by), as_policy(policy), as_lazy(customers)
    stands = scheme is None and "tier" in table.collect_schema().names()
    rules = replace(rules, tiers=scheme or rules.tiers)
    value = rules.tiers.value
    table = with_base(table, by=groups, base=base, amounts=[value], bases=rules.bases)
    if not stands:
        table = table.with_columns(tier=tier_name(nw.col(f"{value}_cents"), rules.tiers))
    return answer(table, TIERS, policy=rules, by=groups, base=base, given=customers)


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
    table, scheme = as_lazy(customers), scheme or as_policy(policy).tiers
    require_columns(table, [scheme.value], "customers")
    require_amounts(table, [scheme.value], "customers")
    amount = cents(scheme.value)
    near = nw.lit(False)
    name, border = nw.lit(""), ZERO
    for tier in reversed(scheme.tiers[1:]):
        lower = nw.lit(cents_of(tier.lower), dtype=nw.Int64)
        near = near | ((amount >= cents_of(share * tier.lower)) & (amount < lower))
        name = nw.when(amount < lower).then(nw.lit(tier.name)).otherwise(name)
        border = nw.when(amount < lower).then(lower).otherwise(border)
    result = table.filter(near).with_columns(
        next_tier=name, next_border=border / 100, missing=(border - amount) / 100
    )
    return same_kind(customers, result)


def tier_name(amount: nw.Expr, scheme: TierScheme) -> nw.Expr:
    """Return the name of the tier of an amount in cents."""
    name = nw.lit(scheme.tiers[0].name)
    for tier in scheme.tiers[1:]:
        name = nw.when(amount >= cents_of(tier.lower)).then(nw.lit(tier.name)).otherwise(name)
    return name


def tier_rank(amount: nw.Expr, scheme: TierScheme, *, times: nw.Expr = ONE) -> nw.Expr:
    """Return the rank of an amount's tier, 0 for the lowest; `amount` is of `times` periods."""
    reached = [flag(amount >= times * cents_of(tier.lower)) for tier in scheme.tiers[1:]]
    return nw.sum_horizontal(ZERO, *reached)


def rank_of_tier(column: str, scheme: TierScheme) -> nw.Expr:
    """Return the rank of the tier whose name a column holds, 0 for the lowest."""
    at = (rank * flag(nw.col(column) == name) for rank, name in enumerate(scheme.names))
    return nw.sum_horizontal(*at)


def tier_at(rank: nw.Expr, scheme: TierScheme) -> nw.Expr:
    """Return the name of the tier at a rank."""
    name = nw.lit(scheme.names[0])
    for number, tier in enumerate(scheme.names[1:], start=1):
        name = nw.when(rank >= number).then(nw.lit(tier)).otherwise(name)
    return name


def _volume_columns(_: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: customers and their assets."""
    counts = nw.col(f"in_{base}")
    return {
        "customers": counts,
        "end_cents": counts * nw.col(_PERIOD_END),
        "average_cents": counts * nw.col(_AVERAGE),
    }


_VOLUME = (
    Measure("customers", "customers", None),
    Measure("aum_period_end", "end_cents", None),
    Measure("aum_average_quarter", "average_cents", None),
    Measure("aum_per_customer", "average_cents"),
)
VOLUME = Question("volume", _volume_columns, lambda _: _VOLUME, ("all", "funded", "effective"))


def _tier_columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: customers and cents, in all and per tier."""
    counts, amount = nw.col(f"in_{base}"), nw.col(f"{policy.tiers.value}_cents")
    columns = {"customers": counts, "total_cents": counts * amount}
    for name in policy.tiers.names:
        inside = counts * flag(nw.col("tier") == name)
        columns |= {f"customers_{name}": inside, f"{name}_cents": inside * amount}
    return columns


def _tier_measures(policy: Policy) -> list[Measure]:
    """Return the four measures of every tier."""
    return [
        measure
        for name in policy.tiers.names
        for measure in (
            Measure("tier_customers", f"customers_{name}", None, "tier", name),
            Measure("tier_customer_share", f"customers_{name}", "customers", "tier", name),
            Measure("tier_aum", f"{name}_cents", None, "tier", name),
            Measure("tier_aum_share", f"{name}_cents", "total_cents", "tier", name),
        )
    ]


TIERS = Question("tiers", _tier_columns, _tier_measures, bases=("all",), needs=("tier",))
