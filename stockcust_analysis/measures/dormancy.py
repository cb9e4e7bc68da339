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

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.core.calendar import Calendar
from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import (
    Groups,
    Table,
    after,
    as_lazy,
    cents,
    collect_rows,
    count_rows,
    day,
    flag,
    group_names,
    native_like,
    same_kind,
)
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import with_base
from stockcust_analysis.measures.dormancy_evidence import (
    below_cap,
    is_exempt,
    is_looked_at,
    require_evidence,
    require_past_activity,
    status_name,
    with_evidence,
)
from stockcust_analysis.measures.holdings import (
    BALANCE,
    snapshot,
    with_balance,
)
from stockcust_analysis.measures.registry import Measure, Question, answer
from stockcust_analysis.measures.validation import require_amounts, require_columns
from stockcust_analysis.periods import Day, as_day
from stockcust_analysis.policy import (
    DormancyRule,
    Policy,
    PolicyLike,
    as_policy,
)

_PANDAS = pd.DataFrame()

JUDGED_BY = "dormancy_rule"
"""The column that names the rule by which customers have their `status`."""
STATUSES = ("active", "active_small", "silent", "dormant")
_MEASURES = (
    Measure("active_rate", "active"),
    Measure("active_small_rate", "active_small"),
    Measure("silent_rate", "silent"),
    Measure("dormancy_rate", "dormant"),
    Measure("silent_aum_share", "silent_cents", "total_cents"),
    Measure("dormant_aum_share", "dormant_cents", "total_cents"),
)


def _columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: customers with a status and their cents, in all and per status."""
    amount = nw.col(f"{policy.dormancy.value}_cents")
    judged = nw.col(f"in_{base}") * flag(~nw.col("status").is_null())
    columns = {"customers": judged, "total_cents": judged * amount}
    for status in STATUSES:
        among = judged * flag(nw.col("status") == status)
        columns |= {status: among, f"{status}_cents": among * amount}
    return columns


DORMANCY = Question("dormancy", _columns, lambda _: _MEASURES, bases=("all", "funded"))


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
    table, rules = as_lazy(customers), as_policy(policy)
    names = [name for name in table.collect_schema().names() if name not in ("status", JUDGED_BY)]
    rule = rules.dormancy_rule(rule)
    result = _with_status(table, rule, as_day(as_of), holdings, contacts, rules)
    return same_kind(customers, result.select(*names, "status"))


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
    table, rules = as_lazy(customers), as_policy(policy)
    groups, rule = group_names(by), rules.dormancy_rule(rule)
    on = None if as_of is None else as_day(as_of)
    if holdings is not None or contacts is not None or not _has_status_by(table, rule, on):
        if on is None:
            raise UsageError(
                f"customers have no 'status' by the rule '{rule.name}'. Give as_of='2026Q3', or a "
                "date, to judge them, or take them from bank.customers(quarter)."
            )
        table = _with_status(table, rule, on, holdings, contacts, rules)
    rules = replace(rules, dormancy=rule)
    view = with_base(table, by=groups, base=base, amounts=[rule.value], bases=rules.bases)
    return answer(view, DORMANCY, policy=rules, by=groups, base=base, given=customers)


def compare_rules(
    customers: Frame,
    rules: Sequence[DormancyRule | str],
    *,
    as_of: Day,
    by: Groups = None,
    base: str = "funded",
    holdings: Frame | None = None,
    contacts: Frame | None = None,
    policy: PolicyLike = None,
) -> Frame:
    """Return the dormancy measures of the same customers under each of several rules.

    Which definition is in force decides how many sleep. Measures, parameters and errors are those
    of `dormancy_rate`, but for `rules`: rules, or names of presets, each under a name of its own.

    Returns
    -------
    measure frame
        `[*by], rule, measure, base, n, numerator, denominator, value`; n counts the customers of
        the base that the rule judges.

    Examples
    --------
    >>> import pandas as pd
    >>> rules = [DormancyRule("year", cap=500, idle_months=12), DormancyRule("any", idle_months=6)]
    >>> days = pd.to_datetime(["2026-09-01", "2026-01-01", None, None])
    >>> bank = pd.DataFrame({"last_active_on": days, "aum_period_end": [900.0, 20, 600, 30]})
    >>> found = compare_rules(bank, rules, as_of=date(2026, 9, 30), base="all")
    >>> dict(found.query("measure == 'dormancy_rate'")[["rule", "value"]].values.tolist())
    {'any': 0.75, 'year': 0.25}
    """
    table, policy, groups = as_lazy(customers), as_policy(policy), group_names(by)
    on, compared = as_day(as_of), [policy.dormancy_rule(rule) for rule in rules]
    if not compared or len({rule.name for rule in compared}) < len(compared):
        raise UsageError("compare one rule or more, each under a name of its own.")
    amounts = list(dict.fromkeys(rule.value for rule in compared))
    require_columns(table, amounts, "customers")
    for rule in compared:
        require_evidence(table, rule, holdings=holdings is not None, contacts=contacts is not None)
    require_past_activity(table, on)
    table = with_evidence(table, compared, on, holdings, contacts, policy)
    table = with_base(table, by=groups, base=base, amounts=amounts, bases=policy.bases)
    calendar = Calendar((on,))
    tables: list[pd.DataFrame] = []
    for rule in compared:
        amount = nw.col(f"{rule.value}_cents")
        status = status_name(table, rule, calendar, amount=amount, prefix=f"{rule.name}_")
        rates = answer(
            table.with_columns(status=status),
            DORMANCY,
            policy=replace(policy, dormancy=rule),
            by=groups,
            base=base,
            given=_PANDAS,
        )
        rates.insert(len(groups), "rule", rule.name)
        tables.append(rates)
    order = [*groups, "rule", "measure"]
    result = pd.concat(tables).sort_values(order, kind="stable", ignore_index=True)
    return native_like(result, customers)


def last_activity(
    transactions: Frame,
    rule: DormancyRule | str | None = None,
    *,
    as_of: Day,
    policy: PolicyLike = None,
) -> Frame:
    """Return when each customer last acted, by the kinds of transaction that the rule counts.

    For banks whose own "last active" counts interest, fees or salaries: join the result to the
    customers in its place.

    Parameters
    ----------
    transactions : table
        `customer_id, transacted_on, kind`, from before the rule's idle period on.
    rule : DormancyRule or name of a preset, optional
        Its `active_kinds` count; any kind, if it names none. Default: the policy's rule.
    as_of : date, "2026-09-30" or "2026Q3"
        Transactions after this day are left out.
    policy : Policy, name or path, optional
        Where the rule's name is looked up; the shipped policy when left out.

    Returns
    -------
    table
        `customer_id, last_active_on`, of the kind given; customers who never acted are not in it.

    Raises
    ------
    UsageError
        A column is not there; or the transactions begin inside the idle period, so that somebody
        who acted just before them would pass for idle too long.

    Examples
    --------
    >>> import pandas as pd
    >>> moves = pd.DataFrame({
    ...     "customer_id": ["1", "1"], "kind": ["transfer", "interest"],
    ...     "transacted_on": pd.to_datetime(["2026-03-01", "2026-06-21"]),
    ... })
    >>> rule = DormancyRule("half_year", cap=500, idle_months=6, active_kinds=("transfer",))
    >>> last = last_activity(moves, rule, as_of=date(2026, 9, 30))
    >>> last["last_active_on"].dt.strftime("%Y-%m-%d").tolist()
    ['2026-03-01']
    """
    table, on = as_lazy(transactions), as_day(as_of)
    rule = as_policy(policy).dormancy_rule(rule)
    require_columns(table, ["customer_id", "transacted_on", "kind"], "transactions")
    days = day(table, "transacted_on")
    early = ~days.is_null() & ~after(days, rule.cutoff(on))
    if not count_rows(table, {"early": early})["early"]:
        raise UsageError(
            f"transactions begin after {rule.cutoff(on)}, inside the idle period of "
            f"'{rule.name}'. Give earlier ones too, or the bank's own 'last_active_on'."
        )
    counts = ~after(days, on)
    if rule.active_kinds:
        counts = counts & nw.col("kind").is_in(rule.active_kinds)
    moves = table.filter(counts).select("customer_id", last_active_on=days)
    latest = moves.group_by("customer_id").agg(nw.col("last_active_on").max())
    return same_kind(transactions, latest)


def account_state(
    holdings: Frame,
    rule: DormancyRule | str | None = None,
    *,
    as_of: Day,
    policy: PolicyLike = None,
) -> Frame:
    """Return the accounts with the state of each: in_use, idle or suspended (久悬).

    Parameters
    ----------
    holdings : table
        Accounts: `customer_id, product, balance, last_active_on` (empty: never), and, where the
        bank has them, `opened_on` and `matures_on`.
    rule : DormancyRule or name of a preset, optional
        Idle period, products, cap (asked of each account) and exemptions (of the owner);
        default: the policy's.
    as_of : date, "2026-09-30" or "2026Q3"
        The snapshot, and the day the idle period ends on.
    policy : Policy, name or path, optional
        Rules, families and AUM products; the shipped policy when left out.

    Returns
    -------
    table
        Accounts of the snapshot, of the kind given, with the column `account_state`. An account
        is in use when it was moved or opened inside the idle period, or fell due then or has yet
        to; else suspended when its balance is small and its owner not exempt; else idle. Empty
        for products the rule does not look at. The rule's clock and scope are about customers
        and play no part.

    Raises
    ------
    UsageError
        A column is not there; an account was last active after `as_of`.

    Notes
    -----
    Source: People's Bank of China, *Administrative Measures for RMB Bank Settlement Accounts*
    (2003), article 56, on accounts without receipts or payments for a year.

    Examples
    --------
    >>> import pandas as pd
    >>> accounts = pd.DataFrame({
    ...     "customer_id": ["1", "1", "2"], "product": ["demand_deposit"] * 3,
    ...     "balance": [5.0, 5.0, 900.0],
    ...     "last_active_on": pd.to_datetime(["2026-09-01", None, "2020-01-01"]),
    ... })
    >>> rule = DormancyRule("year", cap=10, idle_months=12)
    >>> account_state(accounts, rule, as_of="2026-09-30")["account_state"].tolist()
    ['in_use', 'suspended', 'idle']
    """
    rules, on = as_policy(policy), as_day(as_of)
    rule, families = rules.dormancy_rule(rule), rules.families
    calendar, accounts = Calendar((on,)), snapshot(as_lazy(holdings), on, "holdings")
    needed = ["customer_id", "product", "balance", "last_active_on"]
    require_columns(accounts, needed, "holdings")
    require_past_activity(accounts, on, "holdings")
    names = accounts.collect_schema().names()
    table = with_balance(accounts)
    table = table.with_columns(spared=flag(is_exempt(table, rule, families, calendar)))
    used = nw.lit(False)
    for name in ("last_active_on", "opened_on", "matures_on"):
        used = used | after(day(table, name), rule.cutoff(on)) if name in names else used
    exempt = nw.col("spared").max().over("customer_id") == 1
    small = below_cap(nw.col(BALANCE), rule) & ~exempt
    state = nw.when(small).then(nw.lit("suspended")).otherwise(nw.lit("idle"))
    state = nw.when(used).then(nw.lit("in_use")).otherwise(state)
    result = table.with_columns(account_state=nw.when(is_looked_at(rule, families)).then(state))
    return same_kind(holdings, result.select(*names, "account_state"))


def _has_status_by(customers: Table, rule: DormancyRule, as_of: date | None) -> bool:
    """Return whether the customers' `status` is that of a rule, and of a day if one is given."""
    names = [JUDGED_BY] if as_of is None else [JUDGED_BY, "as_of"]
    if not {"status", *names} <= set(customers.collect_schema().names()):
        return False
    stated = collect_rows(customers.select(names).unique())
    days = {as_day(moment) for moment in stated.get("as_of", []) if moment is not None}
    return set(stated[JUDGED_BY]) == {rule.name} and days <= {as_of}


def _with_status(
    table: Table,
    rule: DormancyRule,
    as_of: date,
    holdings: Frame | None,
    contacts: Frame | None,
    policy: Policy,
) -> Table:
    """Return checked customers with `status`, and `obliged` when holdings show it."""
    require_columns(table, [rule.value], "customers")
    require_evidence(table, rule, holdings=holdings is not None, contacts=contacts is not None)
    require_past_activity(table, as_of)
    require_amounts(table, [rule.value], "customers")
    table = with_evidence(table, [rule], as_of, holdings, contacts, policy)
    amount, prefix = cents(rule.value), f"{rule.name}_"
    status = status_name(table, rule, Calendar((as_of,)), amount=amount, prefix=prefix)
    return table.with_columns(status=status)
