"""The attrition warning (流失预警): whose money is leaving faster than that of the peers."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.frames import (
    Frame,
    Groups,
    Ratio,
    cents_of,
    flag,
    group_names,
    lazily,
    like,
    measure_frame,
    sums,
)
from stockcust_analysis.measures.pairs import customers_of
from stockcust_analysis.measures.tiers import tier_name
from stockcust_analysis.policy import AttritionRule, PolicyLike, TierScheme, as_policy

ATTRITION = (
    Ratio("attrition_warning_rate", "warned", "at_risk"),
    Ratio("attrition_outflow_share", "fall_cents", "at_risk_cents"),
)
_AVERAGE = "aum_average_quarter"


def attrition_warning(
    opening: Frame,
    closing: Frame,
    rule: AttritionRule | None = None,
    *,
    scheme: TierScheme | None = None,
    peers: str = "branch_id",
    policy: PolicyLike = None,
) -> Frame:
    """Return the customers with the warning whether money is leaving (流失预警).

    Warned: previous average ≥ `lowest_average`, change < 0 and change < median − `margin`, where
    change = average / previous average − 1 and the median is that of the customers of the same
    tier (at the opening) and branch, so that after harvest or the New Year, when everybody draws
    money, the list does not hold everybody. An early sign, and neither silent nor dormant.

    Parameters
    ----------
    opening, closing : table
        Customers of the previous and of this quarter's end: `customer_id`,
        `aum_average_quarter` (CNY), and at the closing the column `peers`.
    rule : AttritionRule, optional
        Lowest average, margin, and how few peers are too few; default: the policy's.
    scheme : TierScheme, optional
        Tiers of the quarter's average; default: the policy's.
    peers : str
        Column whose members are compared with each other, within their tier.
    policy : Policy, name or path, optional
        Rule, tiers and bases; the shipped policy when left out.

    Returns
    -------
    table
        The closing customers, of the kind given, with `attrition` (1 or 0), `previous_average`
        (CNY), `change` and `median_change`; the three are empty for who was not at risk. Those
        who left the bank are not among them (see `migration_matrix`).

    Raises
    ------
    UsageError
        A column is not there; a customer twice in one table; unusable amounts.

    Examples
    --------
    >>> import pandas as pd
    >>> from stockcust_analysis.policy import load_policy
    >>> before = pd.DataFrame({"customer_id": ["1", "2", "3"], "branch_id": ["A"] * 3,
    ...                        "aum_average_quarter": [20_000.0] * 3})
    >>> after = before.assign(aum_average_quarter=[18_000.0, 18_000.0, 5_000.0])
    >>> rule = AttritionRule(smallest_group=3)
    >>> told = attrition_warning(before, after, rule, scheme=load_policy().tiers)
    >>> told[["change", "median_change", "attrition"]].round(2).values.tolist()[1:]
    [[-0.1, -0.1, 0.0], [-0.75, -0.1, 1.0]]
    """
    rules = as_policy(policy)
    before = customers_of(opening, "opening", by=[], value=_AVERAGE)
    now = customers_of(closing, "closing", by=[peers], value=_AVERAGE)
    told = with_attrition(
        before, now, rule or rules.attrition, scheme=scheme or rules.tiers, peers=peers
    )
    names = [*lazily(closing).collect_schema().names(), "attrition"]
    return like(closing, told.select(*names, "previous_average", "change", "median_change"))


def attrition_rate(
    opening: Frame,
    closing: Frame,
    rule: AttritionRule | None = None,
    *,
    scheme: TierScheme | None = None,
    peers: str = "branch_id",
    by: Groups = None,
    base: str = "all",
    policy: PolicyLike = None,
) -> Frame:
    """Return how many of the customers who may leave are warned of, and how much they took.

    Measures: `attrition_warning_rate`, of the customers at risk (previous average ≥
    `lowest_average`); `attrition_outflow_share`, what the warned have less than before, of the
    previous averages of all at risk. Both from 0 to 1; high is bad. By its median the warning
    compares customers with their own branch: the rate says how uneven the changes are, not how
    good the branch is.

    Parameters
    ----------
    opening, closing, rule, scheme, peers, policy
        As for `attrition_warning`, with the columns of `by` and of the base at the closing.
    by, base
        As for `dormancy_rate`; but the base is everybody, since who has drawn all money is not
        funded any more.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; n counts the closing customers.

    Raises
    ------
    UsageError
        As for `attrition_warning`; an unknown base.

    Examples
    --------
    >>> import pandas as pd
    >>> from stockcust_analysis.policy import load_policy
    >>> before = pd.DataFrame({"customer_id": ["1", "2"], "branch_id": ["A", "A"],
    ...                        "aum_average_quarter": [20_000.0, 20_000.0]})
    >>> after = before.assign(aum_average_quarter=[20_000.0, 10_000.0])
    >>> tiers, rule = load_policy().tiers, AttritionRule(smallest_group=2)
    >>> attrition_rate(before, after, rule, scheme=tiers)["value"].tolist()
    [0.25, 0.5]
    """
    groups, rules = group_names(by), as_policy(policy)
    before = customers_of(opening, "opening", by=[], value=_AVERAGE)
    now = customers_of(
        closing, "closing", by=[*groups, peers], value=_AVERAGE, base=base, bases=rules.bases
    )
    told = with_attrition(
        before, now, rule or rules.attrition, scheme=scheme or rules.tiers, peers=peers
    )
    totals = sums(told, groups, attrition_columns(base=base))
    return measure_frame(totals, ATTRITION, by=groups, base=base, given=closing)


def with_attrition(
    opening: nw.LazyFrame[Any], closing: nw.LazyFrame[Any], rule: AttritionRule, *,
    scheme: TierScheme, peers: str,
) -> nw.LazyFrame[Any]:  # fmt: skip
    """Return the closing customers, or facts, with the columns of `attrition_warning`."""
    amount = f"{_AVERAGE}_cents"
    earlier = opening.select("customer_id", previous_cents=nw.col(amount))
    table = closing.join(earlier, on="customer_id", how="left")
    previous = nw.col("previous_cents").fill_null(0).cast(nw.Int64)
    return judged(table.with_columns(previous_cents=previous), rule, scheme=scheme, peers=peers)


def judged(
    customers: nw.LazyFrame[Any], rule: AttritionRule, *, scheme: TierScheme, peers: str
) -> nw.LazyFrame[Any]:
    """Return customers who know their `previous_cents` with the columns of the warning."""
    amount = f"{_AVERAGE}_cents"
    table = customers.with_columns(
        at_risk=flag(nw.col("previous_cents") >= cents_of(rule.lowest_average)),
        previous_tier=tier_name(nw.col("previous_cents"), scheme),
    )
    at_risk = nw.when(nw.col("at_risk") == 1)
    previous = nw.max_horizontal(nw.col("previous_cents"), nw.lit(1)).cast(nw.Float64)
    change = (nw.col(amount) - nw.col("previous_cents")).cast(nw.Float64) / previous
    table = table.with_columns(
        change=at_risk.then(change), previous_average=at_risk.then(previous / 100)
    )
    # Medians of groups, joined back: databases know no median over a window.
    those = table.filter(nw.col("at_risk") == 1)
    changes = nw.col("change").median()
    of_group = those.group_by(peers, "previous_tier").agg(
        group_size=nw.col("at_risk").sum(), group_median=changes
    )
    of_tier = those.group_by("previous_tier").agg(tier_median=changes)
    table = table.join(of_group, on=[peers, "previous_tier"], how="left")
    table = table.join(of_tier, on="previous_tier", how="left")
    enough = nw.when(nw.col("group_size") >= rule.smallest_group)
    median = enough.then(nw.col("group_median")).otherwise(nw.col("tier_median"))
    table = table.with_columns(median_change=at_risk.then(median))
    beyond = nw.col("change") < nw.col("median_change") - rule.margin
    return table.with_columns(attrition=flag(beyond & (nw.col("change") < 0)))


def attrition_columns(*, base: str) -> dict[str, nw.Expr]:
    """Return what is summed of customers with the warning: at risk and warned of, and cents."""
    inside, warned = nw.col(f"in_{base}"), nw.col(f"in_{base}") * nw.col("attrition")
    fall = nw.col("previous_cents") - nw.col(f"{_AVERAGE}_cents")
    at_risk = inside * nw.col("at_risk")
    return {
        "customers": inside,
        "at_risk": at_risk,
        "warned": warned,
        "at_risk_cents": at_risk * nw.col("previous_cents"),
        "fall_cents": warned * fall,
    }
