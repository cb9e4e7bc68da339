"""Tiers with memory (升降级): up at once, down only after a row of short months.

One month's dip is no downgrade: the customer keeps the tier, on watch (关注), until as many months
in a row were short as the bank's rule says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise

import narwhals.stable.v2 as nw

from stockcust_analysis.core.calendar import PERIOD
from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import ONE, ZERO, Table, as_lazy, flag, same_kind
from stockcust_analysis.errors import PolicyError, UsageError
from stockcust_analysis.measures.bases import customers_of
from stockcust_analysis.measures.tiers import tier_at, tier_rank
from stockcust_analysis.periods import Day, as_day
from stockcust_analysis.policy import TierMemory, TierScheme

STATE = ("tier", "on_watch", "short_periods", "periods_known", "by_quarter")


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
    periods = [customers_of(dated[each], str(each), by=[], value=value) for each in days]
    states = _tiers_with_memory(
        periods, scheme, memory, value=f"{value}_cents", months_apart=months_apart
    )
    newest = as_lazy(dated[days[-1]]).drop(*STATE, strict=False)
    return same_kind(dated[days[-1]], newest.join(states, on="customer_id", how="inner"))


def _months_apart(days: Sequence[date]) -> int:
    """Return 1 for consecutive month ends, 3 for consecutive quarter ends or a single one."""
    if not days:
        raise UsageError("there are no snapshots. Give at least one date with its customers.")
    numbers = [each.year * 12 + each.month for each in days]
    ends = all((each + timedelta(days=1)).day == 1 for each in days)
    quarters = all(number % 3 == 0 for number in numbers)
    steps = {later - earlier for earlier, later in pairwise(numbers)} or {3 if quarters else 1}
    if ends and (steps == {1} or (steps == {3} and quarters)):
        return steps.pop()
    raise UsageError(
        f"snapshots from {days[0]} to {days[-1]} are neither consecutive month ends nor "
        "consecutive quarter ends. Add the missing dates or leave the others out."
    )


def _tiers_with_memory(
    periods: Sequence[Table],
    scheme: TierScheme,
    memory: TierMemory,
    *,
    value: str,
    months_apart: int,
) -> Table:
    """Return `customer_id` and `STATE` of the newest period's customers; `value` is in cents."""
    unknown = {one.tier for one in memory.exceptions} - set(scheme.names)
    if unknown:
        raise PolicyError(
            f"tier memory '{memory.name}' excepts {', '.join(sorted(unknown))}, "
            f"but tier scheme '{scheme.name}' has {', '.join(scheme.names)}."
        )
    last, lagging = len(periods) - 1, memory.lag_months == 1 and months_apart == 1
    table = _follow(periods, scheme, memory, value=value, months_apart=months_apart)
    rank = nw.col("place")
    if lagging:
        rank = nw.when(nw.col("known") > 1).then(nw.col("held")).otherwise(rank)
    return table.filter(nw.col(f"here_{last}") == 1).select(
        "customer_id",
        tier=tier_at(rank, scheme),
        on_watch=flag(nw.col("short") > 0),
        short_periods=nw.col("short"),
        periods_known=nw.col("known"),
        by_quarter=nw.lit(int(months_apart == 3), dtype=nw.Int64),
    )


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
                nw.lit(period, dtype=nw.Int64).alias(PERIOD),
                remembered=tier_at(nw.col(f"rank_{period}"), scheme),
            )
            for period in range(len(periods))
        ]
    )


def _follow(
    periods: Sequence[Table],
    scheme: TierScheme,
    memory: TierMemory,
    *,
    value: str,
    months_apart: int,
) -> Table:
    """Return one row per customer with the state after the newest period, and `rank_<n>` of all."""
    start = dict.fromkeys(("place", "known", "short", "short_cents", "short_most"), ZERO)
    table = _side_by_side(periods, value).with_columns(**start)
    last, lagging = len(periods) - 1, memory.lag_months == 1 and months_apart == 1
    for period in range(len(periods)):
        table = _judged(table.with_columns(held=nw.col("place")), period, scheme)
        if period < last or not lagging:
            table = _downgraded(table, scheme, memory, months_apart)
        table = table.with_columns(nw.col("place").alias(f"rank_{period}"))
    return table


def _side_by_side(periods: Sequence[Table], value: str) -> Table:
    """Return one row per customer with `here_<n>` and `cents_<n>` of every period."""
    places = range(len(periods))
    parts = [
        table.select(
            "customer_id",
            **{f"here_{each}": ONE if each == place else ZERO for each in places},
            **{f"cents_{each}": nw.col(value) if each == place else ZERO for each in places},
        )
        for place, table in enumerate(periods)
    ]
    names = [f"{kind}_{place}" for kind in ("here", "cents") for place in places]
    summed = nw.concat(parts).group_by("customer_id").agg(nw.col(*names).sum())
    return summed.with_columns(nw.col(name).cast(nw.Int64) for name in names)


def _judged(table: Table, period: int, scheme: TierScheme) -> Table:
    """Return the states after a period's upgrades, and the run of short periods so far."""
    amount = nw.col(f"cents_{period}")
    came = ONE == ONE if period == 0 else nw.col(f"here_{period - 1}") == 0
    reached = table.with_columns(reached=tier_rank(amount, scheme)).with_columns(
        place=nw.when(came | (nw.col("reached") > nw.col("place")))
        .then(nw.col("reached"))
        .otherwise(nw.col("place")),
        known=nw.when(came).then(ONE).otherwise(nw.col("known") + 1),
    )
    below = reached.with_columns(below=flag(nw.col("reached") < nw.col("place")))
    return below.with_columns(
        short=nw.col("below") * (nw.col("short") + 1),
        short_cents=nw.col("below") * (nw.col("short_cents") + amount),
        short_most=nw.col("below") * nw.max_horizontal(nw.col("short_most"), amount),
    )


def _downgraded(table: Table, scheme: TierScheme, memory: TierMemory,
                months_apart: int) -> Table:  # fmt: skip
    """Return the states after downgrades: who was short long enough lands, and starts anew."""
    borne = ZERO
    for place, tier in enumerate(scheme.names):
        needed = nw.lit(memory.periods_of(tier, months_apart=months_apart), dtype=nw.Int64)
        borne = nw.when(nw.col("place") == place).then(needed).otherwise(borne)
    landing = {
        "last": nw.col("reached"),
        "mean": tier_rank(nw.col("short_cents"), scheme, times=nw.col("short")),
        "maximum": tier_rank(nw.col("short_most"), scheme),
    }[memory.landing]
    run = ("short", "short_cents", "short_most")
    lands = table.with_columns(keeps=flag(nw.col("short") < borne), landing=landing)
    stays = nw.when(nw.col("keeps") == 1).then(nw.col("place")).otherwise(nw.col("landing"))
    return lands.with_columns(place=stays, **{name: nw.col("keeps") * nw.col(name) for name in run})
