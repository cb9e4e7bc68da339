"""Dormancy (睡眠): did the customer act in the period, and is there money.

| | AUM from the cap up | AUM below the cap |
|---|---|---|
| acted | active 活跃 | active_small 低额活跃 |
| did not act | silent 沉默 | dormant 睡眠 |

Silent customers are good customers to visit; only the dormant are asleep. Who holds something the
rule exempts (an unmatured time deposit, a loan) is never dormant but silent.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import counted
from stockcust_analysis.measures.checks import count_rows, require_amounts, require_columns
from stockcust_analysis.measures.frames import (
    Frame,
    Groups,
    Ratio,
    after,
    cents,
    cents_of,
    day,
    flag,
    group_names,
    lazily,
    like,
    measure_frame,
    sums,
)
from stockcust_analysis.measures.holdings import (
    exempt_flag,
    join_flags,
    matured_lately_flag,
    obliged_flag,
    snapshot,
)
from stockcust_analysis.policy import DormancyRule, load_policy

STATUSES = ("active", "active_small", "silent", "dormant")
DORMANCY = (
    Ratio("active_rate", "active"),
    Ratio("active_small_rate", "active_small"),
    Ratio("silent_rate", "silent"),
    Ratio("dormancy_rate", "dormant"),
    Ratio("silent_aum_share", "silent_cents", "total_cents"),
    Ratio("dormant_aum_share", "dormant_cents", "total_cents"),
)


def dormancy_status(
    customers: Frame, rule: DormancyRule, *, as_of: date, holdings: Frame | None = None
) -> Frame:
    """Return the customers with the status of each: active, active_small, silent or dormant.

    Parameters
    ----------
    customers : table
        One row per customer, with `last_active_on` (empty: never) and the rule's AUM column, CNY.
        A column `exempt` (true/false) stands in for `holdings`.
    rule : DormancyRule
        Idle period, cap and exemptions.
    as_of : date
        Day the idle period ends on.
    holdings : table, optional
        Accounts: they show who is exempt, and a maturity inside the period restarts the clock.

    Returns
    -------
    table
        Of the kind given, with the column `status` added; lazy stays lazy. Who last acted on
        `rule.cutoff(as_of)` or earlier, or never, did not act.

    Raises
    ------
    UsageError
        Somebody was last active after `as_of`; an amount is missing or negative; or the rule
        exempts holders of products and neither `holdings` nor `exempt` says who they are.

    Examples
    --------
    >>> import pandas as pd
    >>> rule = DormancyRule("half_year", cap=500, idle_months=6)
    >>> bank = pd.DataFrame({
    ...     "last_active_on": pd.to_datetime(["2026-04-01", "2026-03-31", "2026-03-31"]),
    ...     "aum_period_end": [800.0, 800.0, 20.0],
    ... })
    >>> dormancy_status(bank, rule, as_of=date(2026, 9, 30))["status"].tolist()
    ['active', 'silent', 'dormant']
    """
    table = lazily(customers)
    names = table.collect_schema().names()
    _require_activity(table, rule, as_of, holdings)
    require_amounts(table, [rule.value], "customers")
    return like(customers, _judged(table, rule, as_of, holdings).select(*names, "status"))


def dormancy_rate(
    customers: Frame,
    rule: DormancyRule,
    *,
    as_of: date,
    by: Groups = None,
    base: str = "funded",
    holdings: Frame | None = None,
) -> Frame:
    """Return which part of the customers, and of their AUM, is active, silent or dormant.

    Measures: `active_rate`, `active_small_rate`, `silent_rate`, `dormancy_rate` (of the base's
    customers; they add up to 1), `silent_aum_share` and `dormant_aum_share` (of the base's AUM).
    A high dormancy rate is bad; a high silent share is money to visit.

    Parameters
    ----------
    customers : table
        As for `dormancy_status`, one as-of date, with the columns of `by` and of the base.
    rule : DormancyRule
        Idle period, cap and exemptions.
    as_of : date
        Day the idle period ends on.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    base : str
        `all`, `funded`, `effective` or `managed`.
    holdings : table, optional
        Accounts; see `dormancy_status`.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`; a rate of nobody is empty.

    Raises
    ------
    UsageError
        As for `dormancy_status`; an unknown column or base.

    Examples
    --------
    >>> import pandas as pd
    >>> rule = DormancyRule("half_year", cap=500, idle_months=6)
    >>> days = pd.to_datetime(["2026-09-01", None, None, None])
    >>> bank = pd.DataFrame({"last_active_on": days, "aum_period_end": [900.0, 600, 20, 30]})
    >>> rates = dormancy_rate(bank, rule, as_of=date(2026, 9, 30), base="all")
    >>> rates.query("measure == 'dormancy_rate'")["value"].tolist()
    [0.5]
    """
    table = lazily(customers)
    groups = group_names(by)
    _require_activity(table, rule, as_of, holdings)
    judged = _judged(table, rule, as_of, holdings)
    judged = counted(judged, by=groups, base=base, amounts=[rule.value])
    totals = _dormancy(judged, value=f"{rule.value}_cents", by=groups, base=base)
    return measure_frame(totals, DORMANCY, by=groups, base=base, given=customers)


def require_past_activity(customers: nw.LazyFrame[Any], as_of: date) -> None:
    """Raise when somebody was last active after the as-of date: the snapshot is not of that day."""
    late = count_rows(customers, {"late": after(day(customers, "last_active_on"), as_of)})["late"]
    if late:
        raise UsageError(
            f"customers: 'last_active_on' is after {as_of} in {late:,} rows. "
            "Take the snapshot of that date, or a later as_of."
        )


def status_name(
    customers: nw.LazyFrame[Any], rule: DormancyRule, as_of: date, *, amount: nw.Expr,
    exempt: nw.Expr, matured_lately: nw.Expr,
) -> nw.Expr:  # fmt: skip
    """Return the status of customers: `amount` in cents, the two flags 0 or 1."""
    acted = after(day(customers, "last_active_on"), rule.cutoff(as_of)) | (matured_lately == 1)
    cap = cents_of(rule.cap)
    small = amount <= cap if rule.cap_inclusive else amount < cap
    when_acted = nw.when(small).then(nw.lit("active_small")).otherwise(nw.lit("active"))
    asleep = nw.when(small & (exempt == 0)).then(nw.lit("dormant")).otherwise(nw.lit("silent"))
    return nw.when(acted).then(when_acted).otherwise(asleep)


def _require_activity(table: nw.LazyFrame[Any], rule: DormancyRule, as_of: date,
                      holdings: Frame | None) -> None:  # fmt: skip
    """Raise unless the columns say who acted, who is exempt, and nobody acted in the future."""
    require_columns(table, [rule.value, "last_active_on"], "customers")
    known = holdings is not None or "exempt" in table.collect_schema().names()
    if rule.exempt and not known:
        raise UsageError(
            f"rule '{rule.name}' exempts {', '.join(rule.exempt)}: give holdings=…, "
            "or a column 'exempt' in customers."
        )
    require_past_activity(table, as_of)


def _judged(table: nw.LazyFrame[Any], rule: DormancyRule, as_of: date,
            holdings: Frame | None) -> nw.LazyFrame[Any]:  # fmt: skip
    """Return the customers with `status`, and `obliged` when holdings show it."""
    delivered = "exempt" in table.collect_schema().names()
    exempt = nw.col("exempt").cast(nw.Int64).fill_null(0) if delivered else nw.lit(0)
    matured = nw.lit(0)
    if holdings is not None:
        accounts = snapshot(lazily(holdings), as_of)
        flags = {
            "is_exempt": exempt_flag(accounts, rule, load_policy().families, as_of),
            "matured_lately": matured_lately_flag(accounts, rule, as_of),
            "obliged": obliged_flag(accounts, as_of),
        }
        table = join_flags(table, accounts, flags)
        exempt = exempt if delivered else nw.col("is_exempt")
        matured = nw.col("matured_lately")
    return table.with_columns(
        status=status_name(table, rule, as_of, amount=cents(rule.value), exempt=exempt,
                           matured_lately=matured)
    )  # fmt: skip


def _dormancy(
    facts: nw.LazyFrame[Any], *, value: str, by: list[str], base: str
) -> nw.LazyFrame[Any]:
    """Return customers and cents per group, in all and per status; `value` is a column of cents."""
    counts, amount = nw.col(f"in_{base}"), nw.col(value)
    columns = {"customers": counts, "total_cents": counts * amount}
    for status in STATUSES:
        inside = counts * flag(nw.col("status") == status)
        columns |= {status: inside, f"{status}_cents": inside * amount}
    return sums(facts, by, columns)
