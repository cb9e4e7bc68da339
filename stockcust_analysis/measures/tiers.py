"""Tiers (客户分层): which customers are of which size, with or without memory (升降级).

Borders come from the policy, half-open [lower, upper), and never from the data. With memory one
month's dip is no downgrade: the customer keeps the tier, on watch (关注), until as many months in a
row were short as the bank's rule says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise

import narwhals.stable.v2 as nw

from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import ONE, ZERO, Frame, Groups, Table, as_lazy, cents_of, flag
from stockcust_analysis.core.periods import Day, as_day, is_month_end
from stockcust_analysis.core.results import Result
from stockcust_analysis.errors import PolicyError, UsageError, say
from stockcust_analysis.measures import bases
from stockcust_analysis.measures.registry import Measure, Question, answer, measure
from stockcust_analysis.policy import Policy, PolicyLike, TierMemory, TierScheme, as_policy

STATE = ("tier", "on_watch", "short_periods", "periods_known", "by_quarter")


def assign_tiers(
    customers: Frame, scheme: TierScheme | None = None, *, policy: PolicyLike = None
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
    bases.require_columns(table, [scheme.value], "customers")
    bases.require_amounts(table, [scheme.value], "customers")
    tier = tier_name(frames.cents(scheme.value), scheme)
    table = table.drop(bases.TIERED_BY, strict=False)
    return frames.same_kind(customers, table.with_columns(tier=tier))


@measure("tier_pyramid")
def tier_counts(
    customers: Frame,
    scheme: TierScheme | None = None,
    *,
    by: Groups = None,
    over: str | None = None,
    base: str = "all",
    policy: PolicyLike = None,
) -> Result:
    """Return how many customers and how much AUM each tier has, by branch or any other column.

    Measures: `tier_customers` (count), `tier_customer_share` (of the base), `tier_aum` (CNY) and
    `tier_aum_share` (of the base's AUM). Every tier has its rows, also when it is empty.

    Parameters
    ----------
    customers : table
        One row per customer of one as-of date, with the columns of `by` and of the scheme.
    scheme : TierScheme, optional
        Tiers and the AUM column they look at. Default: the policy's, and where the customers have
        a column `tier` (as from `bank.customers` or `tiers_with_memory`) it stands, unless that
        was made by another scheme than a stated policy's.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    over : "quarter", optional
        One result per quarter, of several quarters of `bank.customers(…, quarters=5)`.
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
    request = bases.Request.of(customers, by, base, policy).under(tiers=scheme)
    table, tiers = as_lazy(customers), request.policy.tiers
    stands = scheme is None and "tier" in table.collect_schema().names()
    table = bases.with_base(table, request, [tiers.value])
    if not stands:
        table = table.with_columns(tier=tier_name(nw.col(f"{tiers.value}_cents"), tiers))
    return answer(table, TIERS, request)


def tier_ahead(
    amount: nw.Expr, scheme: TierScheme, share: float, least: float = 0
) -> tuple[nw.Expr, nw.Expr]:
    """Return the next tier and its border in cents, "" and 0 unless an amount is near it.

    Near is from a share of the border on, and from `least` CNY. Of several borders the next counts.
    """
    name, border = nw.lit(""), ZERO
    for tier in reversed(scheme.tiers[1:]):
        lower = nw.lit(cents_of(tier.lower), dtype=nw.Int64)
        near = (amount >= cents_of(max(share * tier.lower, least))) & (amount < lower)
        name = nw.when(near).then(nw.lit(tier.name)).otherwise(name)
        border = nw.when(near).then(lower).otherwise(border)
    return name, border


def label_reached(labels: Sequence[str], reached: Iterable[nw.Expr]) -> nw.Expr:
    """Return the last of rising labels whose border is reached; the first has none."""
    return frames.first_true(reversed([*zip(reached, labels[1:], strict=True)]), labels[0])


def tier_name(amount: nw.Expr, scheme: TierScheme) -> nw.Expr:
    """Return the name of the tier of an amount in cents."""
    borders = (amount >= cents_of(tier.lower) for tier in scheme.tiers[1:])
    return label_reached(scheme.names, borders)


def tier_rank(amount: nw.Expr, scheme: TierScheme, *, times: nw.Expr = ONE) -> nw.Expr:
    """Return the rank of an amount's tier, 0 for the lowest; `amount` is of `times` periods."""
    reached = [flag(amount >= times * cents_of(tier.lower)) for tier in scheme.tiers[1:]]
    return nw.sum_horizontal(ZERO, *reached)


def rank_of_tier(column: str, scheme: TierScheme) -> nw.Expr:
    """Return the rank of the tier whose name a column holds, 0 for the lowest."""
    higher = enumerate(scheme.names[1:], start=1)
    return frames.first_true([(nw.col(column) == name, rank) for rank, name in higher], 0)


def tier_at(rank: nw.Expr, scheme: TierScheme) -> nw.Expr:
    """Return the name of the tier at a rank."""
    return label_reached(scheme.names, (rank >= n for n in range(1, len(scheme.names))))


def _volume_columns(_: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: customers and their assets."""
    counts = nw.col(f"in_{base}")
    return {
        "customers": counts,
        "end_cents": counts * nw.col(bases.PERIOD_END),
        "average_cents": counts * nw.col(bases.AVERAGE),
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


def tiers_with_memory(
    snapshots: Mapping[Day, Frame], scheme: TierScheme, *, memory: TierMemory
) -> Frame:
    """Return the newest snapshot's customers with the tier each one's history gives.

    Of every snapshot in turn: an amount in a higher tier lifts to it at once; an amount below the
    tier's border is a short period; after `memory.periods_of(tier)` of them in a row the tier
    becomes that of the last, the mean or the highest of those amounts. With `lag_months` 1 both
    take effect in the month after.

    Parameters
    ----------
    snapshots : mapping of date to table
        Customers on consecutive month ends (judged by `memory.value`) or quarter ends (judged by
        `scheme.value`), CNY, all of one engine.
    scheme : TierScheme
        Tiers and borders.
    memory : TierMemory
        The bank's rule. Quarters convert its months by calendar (3 are 1 quarter, 6 are 2, the
        lag is none): `by_quarter` says so, to be printed as 按季近似.

    Returns
    -------
    table
        Of the kind of the newest snapshot, with `tier` (replaced when there), `on_watch` (0 or 1),
        `short_periods` in a row so far, `periods_known` (1: no history, hence the threshold
        tier) and `by_quarter` (0 or 1). History begins again where a customer was missing.

    Raises
    ------
    UsageError
        No snapshots, or dates that do not follow one another; an amount missing or negative; a
        customer in two rows.
    PolicyError
        The rule excepts a tier that the scheme does not have.

    Notes
    -----
    The general shape is China Bohai Bank's published standard: presets name their sources.

    Examples
    --------
    >>> import pandas as pd
    >>> from stockcust_analysis.policy import load_policy
    >>> from stockcust_analysis.policy import TierMemory
    >>> rule = TierMemory("own", months_to_downgrade=2)
    >>> months = {
    ...     date(2026, month, 30): pd.DataFrame({"customer_id": ["1"], "aum_average_month": [aum]})
    ...     for month, aum in ((4, 60_000.0), (6, 40_000.0))
    ... }
    >>> months[date(2026, 5, 31)] = months[date(2026, 6, 30)]
    >>> april_and_may = {day: months[day] for day in (date(2026, 4, 30), date(2026, 5, 31))}
    >>> tiers = load_policy().tiers
    >>> tiers_with_memory(april_and_may, tiers, memory=rule)[["tier", "on_watch"]].values.tolist()
    [['mid', 1]]
    >>> tiers_with_memory(months, tiers, memory=rule)[["tier", "on_watch"]].values.tolist()
    [['effective', 0]]
    """
    dated = {as_day(day): frame for day, frame in snapshots.items()}
    days = sorted(dated)
    months_apart = _months_apart(days)
    value = memory.value if months_apart == 1 else scheme.value
    unknown = {exception.tier for exception in memory.exceptions} - set(scheme.names)
    if unknown:
        raise PolicyError(
            say("unknown_exception", memory.name, [*sorted(unknown)], scheme.name, [*scheme.names])
        )
    periods = [
        bases.customers_of(bases.Request.of(dated[day], None, "all", None), str(day), value)
        for day in days
    ]
    table = _follow(periods, scheme, memory, value=f"{value}_cents", months_apart=months_apart)
    states = table.filter(nw.col(f"here_{len(periods) - 1}") == 1).select(
        "customer_id",
        tier=tier_at(nw.col("rank"), scheme),
        on_watch=flag(nw.col("short") > 0),
        short_periods=nw.col("short"),
        periods_known=nw.col("known"),
        by_quarter=nw.lit(int(months_apart == 3), dtype=nw.Int64),
    )
    newest = as_lazy(dated[days[-1]]).drop(*STATE, bases.TIERED_BY, strict=False)
    return frames.same_kind(dated[days[-1]], newest.join(states, on="customer_id", how="inner"))


def _months_apart(days: Sequence[date]) -> int:
    """Return 1 for consecutive month ends, 3 for consecutive quarter ends or a single one."""
    if not days:
        raise UsageError(say("no_snapshots"))
    numbers = [day.year * 12 + day.month for day in days]
    ends = all(map(is_month_end, days))
    quarters = all(number % 3 == 0 for number in numbers)
    steps = {later - earlier for earlier, later in pairwise(numbers)} or {3 if quarters else 1}
    if ends and (steps == {1} or (steps == {3} and quarters)):
        return steps.pop()
    raise UsageError(say("days_not_consecutive", days[0], days[-1]))


def tiers_by_period(
    periods: Sequence[Table], scheme: TierScheme, memory: TierMemory, *, value: str
) -> Table:
    """Return `customer_id`, `period` (0 for the oldest) and `remembered`, the tier in each quarter.

    `periods` are consecutive quarters, oldest first, with the amount `value` in cents.
    """
    table = _follow(periods, scheme, memory, value=value, months_apart=3)
    return nw.concat(
        [
            table.filter(nw.col(f"here_{period}") == 1).select(
                "customer_id",
                nw.lit(period, dtype=nw.Int64).alias(frames.PERIOD),
                remembered=tier_at(nw.col(f"rank_{period}"), scheme),
            )
            for period in range(len(periods))
        ]
    )


def _follow(
    periods: Sequence[Table], scheme: TierScheme, memory: TierMemory, value: str, months_apart: int
) -> Table:
    """Return one row per customer with the state after the newest period, and `rank_<n>` of all."""
    start = dict.fromkeys(("rank", "known", "short", "short_cents", "short_most"), ZERO)
    table = _side_by_side(periods, value).with_columns(**start)
    last, lagging = len(periods) - 1, memory.lag_months == 1 and months_apart == 1
    for period in range(len(periods)):
        table = _upgrade(table.with_columns(held=nw.col("rank")), period, scheme)
        if period < last or not lagging:
            table = _downgrade(table, scheme, memory, months_apart)
        table = table.with_columns(nw.col("rank").alias(f"rank_{period}"))
    if lagging:
        in_force = nw.when(nw.col("known") > 1).then(nw.col("held")).otherwise(nw.col("rank"))
        table = table.with_columns(rank=in_force)
    return table


def _side_by_side(periods: Sequence[Table], value: str) -> Table:
    """Return one row per customer with `here_<n>` and `cents_<n>` of every period."""
    names = [f"{kind}_{number}" for kind in ("here", "cents") for number in range(len(periods))]
    parts = []
    for number, table in enumerate(periods):
        own = {f"here_{number}": ONE, f"cents_{number}": nw.col(value)}
        parts.append(table.select("customer_id", **dict.fromkeys(names, ZERO) | own))
    summed = nw.concat(parts).group_by("customer_id").agg(nw.col(*names).sum())
    return summed.with_columns(nw.col(name).cast(nw.Int64) for name in names)


def _upgrade(table: Table, period: int, scheme: TierScheme) -> Table:
    """Return the states after a period's upgrades, and the run of short periods so far."""
    amount, rank = nw.col(f"cents_{period}"), nw.col("rank")
    came = ONE == ONE if period == 0 else nw.col(f"here_{period - 1}") == 0
    table = table.with_columns(reached=tier_rank(amount, scheme))
    rises = came | (nw.col("reached") > rank)
    table = table.with_columns(
        rank=nw.when(rises).then(nw.col("reached")).otherwise(rank),
        known=nw.when(came).then(ONE).otherwise(nw.col("known") + 1),
    )
    table = table.with_columns(below=flag(nw.col("reached") < rank))
    return table.with_columns(
        short=nw.col("below") * (nw.col("short") + 1),
        short_cents=nw.col("below") * (nw.col("short_cents") + amount),
        short_most=nw.col("below") * nw.max_horizontal(nw.col("short_most"), amount),
    )


def _downgrade(table: Table, scheme: TierScheme, memory: TierMemory, months_apart: int) -> Table:
    """Return the states after downgrades: who was short long enough lands, and starts anew."""
    periods = (memory.periods_of(tier, months_apart=months_apart) for tier in scheme.names)
    cases = ((nw.col("rank") == rank, number) for rank, number in enumerate(periods))
    allowed = frames.first_true(cases, 0)
    landing = {
        "last": nw.col("reached"),
        "mean": tier_rank(nw.col("short_cents"), scheme, times=nw.col("short")),
        "maximum": tier_rank(nw.col("short_most"), scheme),
    }[memory.landing]
    run = ("short", "short_cents", "short_most")
    table = table.with_columns(keeps=flag(nw.col("short") < allowed), landing=landing)
    rank = nw.when(nw.col("keeps") == 1).then(nw.col("rank")).otherwise(nw.col("landing"))
    return table.with_columns(rank=rank, **{name: nw.col("keeps") * nw.col(name) for name in run})
