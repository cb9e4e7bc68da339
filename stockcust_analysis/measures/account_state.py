"""The state of accounts (账户状态): in use, idle, or long suspended (久悬) by the rule's period.

This is about accounts and their legal state; whether their owner is dormant is another question,
asked of all the owner has (see `dormancy`).
"""

from __future__ import annotations

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.checks import require_columns
from stockcust_analysis.measures.dormancy import require_past_activity
from stockcust_analysis.measures.dormancy_evidence import below_cap, is_exempt, looked_at
from stockcust_analysis.measures.frames import Frame, after, cents_or_zero, day, flag, lazily, like
from stockcust_analysis.measures.holdings import snapshot
from stockcust_analysis.periods import Day, as_day
from stockcust_analysis.policy import DormancyRule, PolicyLike, as_policy


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
    rules, as_of = as_policy(policy), as_day(as_of)
    rule, families = rules.dormancy_rule(rule), rules.families
    accounts = snapshot(lazily(holdings), as_of, "holdings")
    needed = ["customer_id", "product", "balance", "last_active_on"]
    require_columns(accounts, needed, "holdings")
    require_past_activity(accounts, as_of, "holdings")
    names = accounts.collect_schema().names()
    table = accounts.with_columns(spared=flag(is_exempt(accounts, rule, families, as_of)))
    used = nw.lit(False)
    for name in ("last_active_on", "opened_on", "matures_on"):
        used = used | after(day(accounts, name), rule.cutoff(as_of)) if name in names else used
    exempt = nw.col("spared").max().over("customer_id") == 1
    small = below_cap(cents_or_zero("balance"), rule) & ~exempt
    state = nw.when(small).then(nw.lit("suspended")).otherwise(nw.lit("idle"))
    state = nw.when(used).then(nw.lit("in_use")).otherwise(state)
    told = table.with_columns(account_state=nw.when(looked_at(rule, families)).then(state))
    return like(holdings, told.select(*names, "account_state"))
