"""The attrition warning (流失预警): whose money is leaving faster than that of the peers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import narwhals.stable.v2 as nw

from stockcust_analysis.core import frames
from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import ONE, ZERO, Groups, Table, as_lazy, cents_of, flag
from stockcust_analysis.core.results import Result
from stockcust_analysis.measures.bases import AVERAGE, Request, customers_of, require_comparable
from stockcust_analysis.measures.cuts import measure
from stockcust_analysis.measures.registry import Measure, Question, answer
from stockcust_analysis.measures.tiers import tier_name
from stockcust_analysis.measures.two_dates import averages
from stockcust_analysis.policy import AttritionRule, Policy, PolicyLike, TierScheme

_AVERAGE = "aum_average_quarter"


def with_attrition(
    pairs: Table, rule: AttritionRule, scheme: TierScheme, *, peers: str, within: Sequence[str] = ()
) -> Table:
    """Return the pairs with `at_risk`, `change`, `median_change` and `attrition` (0 or 1).

    Warned (流失预警) is whose average fell by more than the median change of the same tier and
    branch, so that after harvest or the New Year the list does not hold everybody. Only rows that
    are equal `within` some columns are compared.
    """
    before, after = averages()
    table = pairs.with_columns(
        at_risk=flag(before >= cents_of(rule.lowest_average)) * nw.col("closing_there"),
        previous_tier=tier_name(before, scheme),
    )
    at_risk = nw.when(nw.col("at_risk") == 1)
    change = (after - before).cast(nw.Float64) / nw.max_horizontal(before, ONE).cast(nw.Float64)
    table = table.with_columns(change=at_risk.then(change))
    # Medians of groups, joined back: databases know no median over a window.
    those = table.filter(nw.col("at_risk") == 1)
    tier = [*within, "previous_tier"]
    for name, keys in {"group": [peers, *tier], "tier": tier}.items():
        medians = {
            f"{name}_size": nw.col("at_risk").sum(),
            f"{name}_median": nw.col("change").median(),
        }
        table = table.join(those.group_by(keys).agg(**medians), on=keys, how="left")
    enough = nw.when(nw.col("group_size") >= rule.smallest_group)
    median = enough.then(nw.col("group_median")).otherwise(nw.col("tier_median"))
    table = table.with_columns(median_change=at_risk.then(median))
    beyond = nw.col("change") < nw.col("median_change") - rule.margin
    warned = flag(beyond & (nw.col("change") < 0))
    drop = ("previous_tier", "group_size", "group_median", "tier_size", "tier_median")
    return table.with_columns(attrition=warned).drop(*drop)


def _attrition_columns(_: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed of closing customers: at risk and warned of, and cents."""
    inside = nw.col("closing_there") * (1 - nw.col("departed"))
    before, after = averages()
    warned, at_risk = inside * nw.col("attrition"), inside * nw.col("at_risk")
    return {
        "customers": inside,
        "at_risk": at_risk,
        "warned": warned,
        "at_risk_cents": at_risk * before,
        "fall_cents": warned * (before - after),
    }


_ATTRITION = (
    Measure("attrition_warning_rate", "warned", "at_risk"),
    Measure("attrition_outflow_share", "fall_cents", "at_risk_cents"),
)
ATTRITION = Question(
    "attrition",
    _attrition_columns,
    lambda _: _ATTRITION,
    bases=("all",),
    needs=("attrition",),
    present_if="customers",
)


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
    >>> warned = attrition_warning(before, after, rule, scheme=load_policy().tiers)
    >>> warned[["change", "median_change", "attrition"]].round(2).values.tolist()[1:]
    [[-0.1, -0.1, 0.0], [-0.75, -0.1, 1.0]]
    """
    require_comparable({"opening": opening, "closing": closing})
    request = Request.of(closing, [], "all", policy).under(attrition=rule, tiers=scheme)
    table = _customers_with_warning(opening, request, peers)
    previous = nw.when(nw.col("at_risk") == 1).then(nw.col(f"opening_{AVERAGE}") / 100)
    names = [*as_lazy(closing).collect_schema().names(), "attrition", "previous_average"]
    result = table.with_columns(previous_average=previous)
    return frames.same_kind(closing, result.select(*names, "change", "median_change"))


@measure("bars", "attrition_rate")
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
) -> Result:
    """Return how many of the customers who may leave are warned of, and how much they took.

    Measures: `attrition_warning_rate`, of the customers at risk (previous average ≥
    `lowest_average`); `attrition_outflow_share`, what the warned have less than before, of the
    previous averages of all at risk. Both from 0 to 1; high is bad. By its median the warning
    compares customers with their own branch: the rate says how uneven the changes are, not how
    good the branch is.

    Parameters
    ----------
    opening, closing : table
        Customers of the previous and of this quarter's end: `customer_id`, `aum_average_quarter`
        (CNY), and at the closing the column `peers` and those of `by` and of the base.
    rule : AttritionRule, optional
        Lowest average, margin, and how few peers are too few; default: the policy's.
    scheme : TierScheme, optional
        Tiers of the quarter's average; default: the policy's.
    peers : str
        Column whose members are compared with each other, within their tier.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`. By default everybody: a customer
        who has drawn all money is not funded any more.
    policy : Policy, name or path, optional
        Rule, tiers and bases; the shipped policy when left out.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; n counts the closing customers.

    Raises
    ------
    UsageError
        A column or base is not there; a customer twice in one table; unusable amounts.

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
    request = Request.of(closing, by, base, policy).under(attrition=rule, tiers=scheme)
    table = _customers_with_warning(opening, request, peers)
    view = table.with_columns(closing_there=nw.col(f"in_{base}"))
    return answer(view, ATTRITION, request)


def _customers_with_warning(opening: Frame, request: Request, peers: str) -> Table:
    """Return the customers of the closing date with `attrition`."""
    policy = request.policy
    before = customers_of(Request(opening, [], "all", policy), "opening", _AVERAGE)
    now = customers_of(replace(request, by=[*request.by, peers]), "closing", _AVERAGE)
    table = with_opening_average(now, before)
    return with_attrition(table, policy.attrition, policy.tiers, peers=peers)


def with_opening_average(closing: Table, opening: Table) -> Table:
    """Return closing customers with `opening_` and `closing_` averages in cents, as pairs have."""
    earlier = opening.select("customer_id", nw.col(AVERAGE).alias(f"opening_{AVERAGE}"))
    table = closing.join(earlier, on="customer_id", how="left")
    return table.with_columns(
        nw.col(f"opening_{AVERAGE}").fill_null(0).cast(nw.Int64),
        nw.col(AVERAGE).alias(f"closing_{AVERAGE}"),
        closing_there=ONE,
        departed=ZERO,
    )
