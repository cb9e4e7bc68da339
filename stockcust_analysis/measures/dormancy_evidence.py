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
    ProductFamilies,
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
