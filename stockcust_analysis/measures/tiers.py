"""Tiers (客户分层): which customers are of which size, and how many there are of each.

Borders come from the policy, half-open [lower, upper), and never from the data.
"""

from __future__ import annotations

import narwhals.stable.v2 as nw

from stockcust_analysis.core.frames import ONE, ZERO, cents_of, flag
from stockcust_analysis.measures.registry import Measure, Question
from stockcust_analysis.policy import Policy, TierScheme

_AVERAGE = "aum_average_quarter_cents"
_PERIOD_END = "aum_period_end_cents"


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
