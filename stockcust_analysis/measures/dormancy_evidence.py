"""What holdings, contacts, transactions and customers themselves show under a dormancy rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import reduce
from operator import or_

import narwhals.stable.v2 as nw

from stockcust_analysis.core import frames
from stockcust_analysis.core.calendar import Calendar
from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import ZERO, Table, after, as_lazy, cents_of, day, flag
from stockcust_analysis.core.periods import Day, as_day
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import require_columns
from stockcust_analysis.measures.holdings import (
    BALANCE,
    is_active,
    is_obligation,
    is_unmatured,
    join_accounts,
    snapshot,
    with_balance,
)
from stockcust_analysis.policy import (
    DormancyRule,
    Family,
    Policy,
    PolicyLike,
    ProductFamilies,
    as_policy,
)

UNMATURED_TIME_DEPOSIT = "unmatured_time_deposit"


def require_past_activity(table: Table, as_of: date, what: str = "customers") -> None:
    """Raise when a row was last active after the as-of date: the snapshot is not of that day."""
    late = frames.count_rows(table, {"late": after(day(table, "last_active_on"), as_of)})["late"]
    if late:
        raise UsageError(
            f"{what}: 'last_active_on' is after {as_of} in {late:,} rows. "
            "Take the snapshot of that date, or a later as_of."
        )


def with_evidence(
    customers: Table,
    rules: Sequence[DormancyRule],
    as_of: date,
    holdings: Frame | None,
    contacts: Frame | None,
    policy: Policy,
) -> Table:
    """Return the customers with what the tables show, under each rule's name; and `obliged`.

    Without holdings a column `last_matured_on` says what has matured, and `exempt` who is exempt.
    """
    calendar, families = Calendar((as_of,)), policy.families

    def by_rule(evidence: Callable[[DormancyRule], Mapping[str, nw.Expr]]) -> dict[str, nw.Expr]:
        columns = ((rule, evidence(rule)) for rule in rules)
        return {f"{rule.name}_{name}": own[name] for rule, own in columns for name in own}

    if holdings is None:
        table = customers.with_columns(**by_rule(lambda r: _own_evidence(customers, r, calendar)))
    else:
        accounts = with_balance(snapshot(as_lazy(holdings), as_of, "holdings"))
        flags = by_rule(lambda rule: account_evidence(accounts, rule, families, calendar))
        if "obliged" not in customers.collect_schema().names():
            flags["obliged"] = is_obligation(accounts, calendar)
        amounts = by_rule(lambda rule: {"looked_at_cents": looked_at_cents(rule, families)})
        keys = ["customer_id"]
        table = join_accounts(customers, accounts, keys=keys, flags=flags, amounts=amounts)
    if contacts is None:
        return table
    calls, outcomes = as_lazy(contacts), policy.coverage.effective_outcomes
    answered = by_rule(
        lambda rule: {"contacted_lately": was_contacted_lately(calls, rule, outcomes, calendar)}
    )
    return join_accounts(table, calls, keys=["customer_id"], flags=answered)


def _own_evidence(customers: Table, rule: DormancyRule, calendar: Calendar) -> dict[str, nw.Expr]:
    """Return what customers themselves say: who is exempt, and what matured in the idle period."""
    columns = customers.collect_schema().names()
    exempt, matured = ZERO, ZERO
    if "exempt" in columns:
        exempt = nw.col("exempt").cast(nw.Int64).fill_null(0)
    if "last_matured_on" in columns:
        matured = flag(_is_lately(day(customers, "last_matured_on"), rule, calendar))
    return {"exempt": exempt, "matured_lately": matured}


def account_evidence(
    holdings: Table, rule: DormancyRule, families: ProductFamilies, calendar: Calendar
) -> dict[str, nw.Expr]:
    """Return `exempt`, `matured_lately` and `large_account` of each account.

    A holding that matured inside the idle period restarted its owner's clock.
    """
    looked_at, matured = is_looked_at(rule, families), nw.lit(False)
    if "matures_on" in holdings.collect_schema().names():
        matured = _is_lately(day(holdings, "matures_on"), rule, calendar)
        matured = matured & looked_at if rule.products else matured
    return {
        "exempt": is_exempt(holdings, rule, families, calendar),
        "matured_lately": matured,
        "large_account": looked_at & ~below_cap(nw.col(BALANCE), rule),
    }


def looked_at_cents(rule: DormancyRule, families: ProductFamilies) -> nw.Expr:
    """Return the balance of an account the rule looks at, in cents; overdrafts are zero."""
    return flag(is_looked_at(rule, families)) * nw.col(BALANCE).clip(0)


def is_looked_at(rule: DormancyRule, families: ProductFamilies) -> nw.Expr:
    """Return whether the rule looks at an account: at its products, or at all that are AUM."""
    return nw.col("product").is_in(rule.products or families.aum_products).fill_null(False)


def below_cap(amount: nw.Expr, rule: DormancyRule) -> nw.Expr:
    """Return whether an amount in cents is small; without a cap any amount above zero is."""
    if rule.cap is None:
        return amount > 0
    return amount <= cents_of(rule.cap) if rule.cap_inclusive else amount < cents_of(rule.cap)


def was_contacted_lately(
    contacts: Table, rule: DormancyRule, outcomes: tuple[str, ...], calendar: Calendar
) -> nw.Expr:
    """Return whether a contact lies inside the rule's idle period and had one of the outcomes."""
    require_columns(contacts, ["customer_id", "contacted_on", "outcome"], "contacts")
    answered = nw.col("outcome").is_in(outcomes).fill_null(False)
    return answered & _is_lately(day(contacts, "contacted_on"), rule, calendar)


def require_evidence(
    customers: Table, rule: DormancyRule, *, holdings: bool, contacts: bool
) -> None:
    """Raise unless the tables say all that the rule asks for."""
    scope = ["customer_type"] if rule.scope else []
    opening = ["relationship_since"] if "opening" in rule.clock else []
    require_columns(customers, ["last_active_on", *scope, *opening], "customers")
    known = holdings or "exempt" in customers.collect_schema().names()
    if rule.exempt and not known:
        raise UsageError(
            f"rule '{rule.name}' exempts {', '.join(rule.exempt)}: give holdings=…, "
            "or a column 'exempt' in customers."
        )
    if rule.looks_at_accounts and not holdings:
        raise UsageError(f"rule '{rule.name}' looks at balances of accounts: give holdings=….")
    if "contact" in rule.clock and not contacts:
        raise UsageError(f"rule '{rule.name}' counts contacts as activity: give contacts=….")


def status_name(
    customers: Table, rule: DormancyRule, calendar: Calendar, *, amount: nw.Expr, prefix: str = ""
) -> nw.Expr:
    """Return the status of customers that have their evidence; `amount` is their AUM in cents."""
    small = below_cap(nw.col(f"{prefix}looked_at_cents") if rule.products else amount, rule)
    if rule.cap is not None and rule.cap_per == "account":
        small = nw.col(f"{prefix}large_account") == 0
    name_of_small = "active" if rule.cap is None else "active_small"
    when_acted = nw.when(small).then(nw.lit(name_of_small)).otherwise(nw.lit("active"))
    dormant = small & (nw.col(f"{prefix}exempt") == 0)
    idle = nw.when(dormant).then(nw.lit("dormant")).otherwise(nw.lit("silent"))
    acted = _has_acted(customers, rule, calendar, prefix)
    status = nw.when(acted).then(when_acted).otherwise(idle)
    if not rule.scope:
        return status
    return nw.when(nw.col("customer_type").is_in(rule.scope)).then(status)


def _has_acted(customers: Table, rule: DormancyRule, calendar: Calendar, prefix: str) -> nw.Expr:
    """Return whether something restarted the customer's clock inside the idle period."""
    dated = {"transaction": "last_active_on", "opening": "relationship_since"}
    flagged = {"maturity": f"{prefix}matured_lately", "contact": f"{prefix}contacted_lately"}
    restarts = [
        calendar.after(day(customers, dated[kind]), rule.cutoff)
        if kind in dated
        else nw.col(flagged[kind]) == 1
        for kind in rule.clock
    ]
    return reduce(or_, restarts)


def is_exempt(
    holdings: Table, rule: DormancyRule, families: ProductFamilies, calendar: Calendar
) -> nw.Expr:
    """Return whether an account keeps its owner from being dormant under the rule.

    A product is judged as its family is (an unused credit card exempts nobody). A time deposit
    without a maturity date counts as unmatured as long as it has a balance.
    """
    known = {
        product: Family(product, "", "", (product,), family.active_if)
        for family in families.families + families.channels
        for product in family.products
    }
    unmatured = is_unmatured(holdings, calendar) & (nw.col("product") == "time_deposit")
    conditions = [
        unmatured & (nw.col(BALANCE) > 0)
        if code == UNMATURED_TIME_DEPOSIT
        else is_active(holdings, known.get(code, Family(code, "", "", (code,))), calendar)
        for code in rule.exempt
    ]
    return reduce(or_, conditions, nw.lit(False))


def _is_lately(days: nw.Expr, rule: DormancyRule, calendar: Calendar) -> nw.Expr:
    """Return whether a day lies inside the rule's idle period."""
    return calendar.after(days, rule.cutoff) & ~calendar.after_as_of(days)


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
    if not frames.count_rows(table, {"early": early})["early"]:
        raise UsageError(
            f"transactions begin after {rule.cutoff(on)}, inside the idle period of "
            f"'{rule.name}'. Give earlier ones too, or the bank's own 'last_active_on'."
        )
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
    state = frames.first_true([(used, "in_use"), (small, "suspended")], "idle")
    result = table.with_columns(account_state=nw.when(is_looked_at(rule, families)).then(state))
    return frames.same_kind(holdings, result.select(*names, "account_state"))
