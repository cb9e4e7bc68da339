"""When customers last acted by their transactions, and the state of each account (久悬).

Beside the dormancy of customers: for banks whose own "last active" counts interest, and for the
law, which looks at accounts.
"""

from __future__ import annotations

import narwhals.stable.v2 as nw

from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import Calendar, Frame, after, as_lazy, day, flag
from stockcust_analysis.core.periods import Day, as_day
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.measures import holdings as held
from stockcust_analysis.measures.bases import require_columns
from stockcust_analysis.policy import DormancyRule, PolicyLike, as_policy


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
    >>> last = last_activity(moves, rule, as_of="2026-09-30")
    >>> last["last_active_on"].dt.strftime("%Y-%m-%d").tolist()
    ['2026-03-01']
    """
    table, on = as_lazy(transactions), as_day(as_of)
    rule = as_policy(policy).dormancy_rule(rule)
    require_columns(table, ["customer_id", "transacted_on", "kind"], "transactions")
    days = day(table, "transacted_on")
    early = ~days.is_null() & ~after(days, rule.cutoff(on))
    if not frames.count_rows(table, {"early": early})["early"]:
        raise UsageError(say("transactions_begin_late", rule.cutoff(on), rule.name))
    counts = ~after(days, on)
    if rule.active_kinds:
        counts = counts & nw.col("kind").is_in(rule.active_kinds)
    moves = table.filter(counts).select("customer_id", last_active_on=days)
    latest = moves.group_by("customer_id").agg(nw.col("last_active_on").max())
    return frames.same_kind(transactions, latest)


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
        Idle period, products, cap (of each account) and exemptions (of the owner);
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
    calendar, accounts = Calendar((on,)), held.snapshot(as_lazy(holdings), on, "holdings")
    require_columns(accounts, ["customer_id", "product", "balance", "last_active_on"], "holdings")
    held.require_past_activity(accounts, on, "holdings")
    names = accounts.collect_schema().names()
    table = held.with_balance(accounts)
    table = table.with_columns(spared=flag(held.is_exempt(table, rule, families, calendar)))
    used = nw.lit(False)
    for name in ("last_active_on", "opened_on", "matures_on"):
        used = used | after(day(table, name), rule.cutoff(on)) if name in names else used
    exempt = nw.col("spared").max().over("customer_id") == 1
    small = held.below_cap(nw.col(held.BALANCE), rule) & ~exempt
    state = frames.first_true([(used, "in_use"), (small, "suspended")], "idle")
    result = table.with_columns(
        account_state=nw.when(held.is_looked_at(rule, families)).then(state)
    )
    return frames.same_kind(holdings, result.select(*names, "account_state"))
