"""Dormancy (睡眠): did the customer act in the period, and is there money.

| | AUM from the cap up | AUM below the cap |
|---|---|---|
| acted | active 活跃 | active_small 低额活跃 |
| did not act | silent 沉默 | dormant 睡眠 |

Silent customers are good customers to visit; only the dormant are asleep. Who holds something the
rule exempts (an unmatured time deposit, a loan) is never dormant but silent. A rule without a cap
knows no small amounts: idle customers with any balance are dormant, those without are silent.
Customers outside the rule's scope have no status and are counted nowhere.
"""

from __future__ import annotations

from datetime import date
from functools import reduce
from operator import or_
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import counted
from stockcust_analysis.measures.checks import count_rows, require_amounts, require_columns
from stockcust_analysis.measures.dormancy_evidence import below_cap, with_evidence
from stockcust_analysis.measures.frames import (
    Frame,
    Groups,
    Ratio,
    after,
    cents,
    collected,
    day,
    flag,
    group_names,
    lazily,
    like,
    measure_frame,
    sums,
)
from stockcust_analysis.periods import Day, as_day
from stockcust_analysis.policy import DormancyRule, Policy, PolicyLike, as_policy

JUDGED_BY = "dormancy_rule"
"""The column that names the rule by which customers have their `status`."""
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
    customers: Frame,
    rule: DormancyRule | str | None = None,
    *,
    as_of: Day,
    holdings: Frame | None = None,
    contacts: Frame | None = None,
    policy: PolicyLike = None,
) -> Frame:
    """Return the customers with the status of each: active, active_small, silent or dormant.

    Parameters
    ----------
    customers : table
        One row per customer, with `last_active_on` (empty: never) and the rule's AUM column, CNY;
        `customer_type` or `relationship_since` where the rule's scope or clock asks for it. A
        column `exempt` (true/false) goes before what holdings show.
    rule : DormancyRule or name of a preset, optional
        Idle period, clock, cap, exemptions and scope, such as "crm_6m"; default: the policy's.
    as_of : date, "2026-09-30" or "2026Q3"
        Day the idle period ends on.
    holdings : table, optional
        Accounts: they show who is exempt, balances per account, and a maturity inside the period,
        which restarts the clock. Without them no maturity is seen but `last_matured_on`.
    contacts : table, optional
        Contacts, for a rule whose clock an answered contact restarts.
    policy : Policy, name or path, optional
        Rules, families and effective outcomes of contacts; the shipped policy when left out.

    Returns
    -------
    table
        Of the kind given, with the column `status` added; lazy stays lazy. Who last acted on
        `rule.cutoff(as_of)` or earlier, or never, did not act. Empty outside the rule's scope.

    Raises
    ------
    UsageError
        Somebody was last active after `as_of`; an amount is missing or negative; or the rule asks
        for holdings or contacts that are not given.

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
    table, rules = lazily(customers), as_policy(policy)
    names = [name for name in table.collect_schema().names() if name not in ("status", JUDGED_BY)]
    judged = _judged(table, rules.dormancy_rule(rule), as_day(as_of), holdings, contacts, rules)
    return like(customers, judged.select(*names, "status"))


def dormancy_rate(
    customers: Frame,
    rule: DormancyRule | str | None = None,
    *,
    as_of: Day | None = None,
    by: Groups = None,
    base: str = "funded",
    holdings: Frame | None = None,
    contacts: Frame | None = None,
    policy: PolicyLike = None,
) -> Frame:
    """Return which part of the customers, and of their AUM, is active, silent or dormant.

    Measures: `active_rate`, `active_small_rate`, `silent_rate`, `dormancy_rate` (of the base's
    customers in the rule's scope; they add up to 1), `silent_aum_share` and `dormant_aum_share`
    (of the same customers' AUM). A high dormancy rate is bad; a high silent share is money to
    visit.

    Parameters
    ----------
    customers : table
        As for `dormancy_status`, one as-of date, with the columns of `by` and of the base. The
        `status` that `bank.customers` tells stands for the rule and the day it was told by.
    rule, as_of, holdings, contacts, policy
        As for `dormancy_status`; the day is needed for another rule, or where there is no status.
    by : str, list of str or None
        Columns to group by; None for the whole bank.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`.

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
    table, rules = lazily(customers), as_policy(policy)
    groups, rule = group_names(by), rules.dormancy_rule(rule)
    day_of = None if as_of is None else as_day(as_of)
    if holdings is not None or contacts is not None or not _is_judged_by(table, rule, day_of):
        if day_of is None:
            raise UsageError(
                f"customers have no 'status' by the rule '{rule.name}'. Give as_of='2026Q3', or a "
                "date, to judge them, or take them from bank.customers(quarter)."
            )
        table = _judged(table, rule, day_of, holdings, contacts, rules)
    judged = counted(table, by=groups, base=base, amounts=[rule.value], bases=rules.bases)
    totals = sums(judged, groups, dormancy_columns(value=f"{rule.value}_cents", base=base))
    return measure_frame(totals, DORMANCY, by=groups, base=base, given=customers)


def _is_judged_by(customers: nw.LazyFrame[Any], rule: DormancyRule, as_of: date | None) -> bool:
    """Return whether the customers' `status` is that of a rule, and of a day if one is given."""
    names = [JUDGED_BY] if as_of is None else [JUDGED_BY, "as_of"]
    if not {"status", *names} <= set(customers.collect_schema().names()):
        return False
    told = collected(customers.select(names).unique())
    days = {as_day(one) for one in told.get("as_of", []) if one is not None}
    return set(told[JUDGED_BY]) == {rule.name} and days <= {as_of}


def require_past_activity(table: nw.LazyFrame[Any], as_of: date, what: str = "customers") -> None:
    """Raise when a row was last active after the as-of date: the snapshot is not of that day."""
    late = count_rows(table, {"late": after(day(table, "last_active_on"), as_of)})["late"]
    if late:
        raise UsageError(
            f"{what}: 'last_active_on' is after {as_of} in {late:,} rows. "
            "Take the snapshot of that date, or a later as_of."
        )


def require_evidence(customers: nw.LazyFrame[Any], rule: DormancyRule,
                     holdings: Frame | None, contacts: Frame | None) -> None:  # fmt: skip
    """Raise unless the tables say all that the rule asks for."""
    scope = ["customer_type"] if rule.scope else []
    opening = ["relationship_since"] if "opening" in rule.clock else []
    require_columns(customers, ["last_active_on", *scope, *opening], "customers")
    known = holdings is not None or "exempt" in customers.collect_schema().names()
    if rule.exempt and not known:
        raise UsageError(
            f"rule '{rule.name}' exempts {', '.join(rule.exempt)}: give holdings=…, "
            "or a column 'exempt' in customers."
        )
    if rule.looks_at_accounts and holdings is None:
        raise UsageError(f"rule '{rule.name}' looks at balances of accounts: give holdings=….")
    if "contact" in rule.clock and contacts is None:
        raise UsageError(f"rule '{rule.name}' counts contacts as activity: give contacts=….")


def status_name(
    customers: nw.LazyFrame[Any], rule: DormancyRule, as_of: date, *, amount: nw.Expr,
    prefix: str = "",
) -> nw.Expr:  # fmt: skip
    """Return the status of customers that have their evidence; `amount` is their AUM in cents."""
    small = below_cap(nw.col(f"{prefix}looked_at_cents") if rule.products else amount, rule)
    if rule.cap is not None and rule.cap_per == "account":
        small = nw.col(f"{prefix}large_account") == 0
    name_of_small = "active" if rule.cap is None else "active_small"
    when_acted = nw.when(small).then(nw.lit(name_of_small)).otherwise(nw.lit("active"))
    dormant = small & (nw.col(f"{prefix}exempt") == 0)
    idle = nw.when(dormant).then(nw.lit("dormant")).otherwise(nw.lit("silent"))
    status = nw.when(_acted(customers, rule, as_of, prefix)).then(when_acted).otherwise(idle)
    if not rule.scope:
        return status
    return nw.when(nw.col("customer_type").is_in(rule.scope)).then(status)


def _acted(customers: nw.LazyFrame[Any], rule: DormancyRule, as_of: date, prefix: str) -> nw.Expr:
    """Return whether something restarted the customer's clock inside the idle period."""
    border = rule.cutoff(as_of)
    dated = {"transaction": "last_active_on", "opening": "relationship_since"}
    flagged = {"maturity": f"{prefix}matured_lately", "contact": f"{prefix}contacted_lately"}
    restarts = [
        after(day(customers, dated[kind]), border) if kind in dated else nw.col(flagged[kind]) == 1
        for kind in rule.clock
    ]
    return reduce(or_, restarts)


def _judged(table: nw.LazyFrame[Any], rule: DormancyRule, as_of: date, holdings: Frame | None,
            contacts: Frame | None, policy: Policy) -> nw.LazyFrame[Any]:  # fmt: skip
    """Return checked customers with `status`, and `obliged` when holdings show it."""
    require_columns(table, [rule.value], "customers")
    require_evidence(table, rule, holdings, contacts)
    require_past_activity(table, as_of)
    require_amounts(table, [rule.value], "customers")
    mark = "rule_"
    table = with_evidence(table, {mark: rule}, as_of, holdings, contacts, policy)
    status = status_name(table, rule, as_of, amount=cents(rule.value), prefix=mark)
    return table.with_columns(status=status)


def dormancy_columns(*, value: str, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: customers and cents, in all and per status; `value` is in cents."""
    amount = nw.col(value)
    judged = nw.col(f"in_{base}") * flag(~nw.col("status").is_null())
    columns = {"customers": judged, "total_cents": judged * amount}
    for status in STATUSES:
        among = judged * flag(nw.col("status") == status)
        columns |= {status: among, f"{status}_cents": among * amount}
    return columns
