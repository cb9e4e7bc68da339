"""What holdings, contacts and transactions show about a customer under a dormancy rule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import reduce
from operator import or_
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.checks import require_columns
from stockcust_analysis.measures.frames import (
    Frame,
    after,
    cents_of,
    cents_or_zero,
    collected,
    day,
    flag,
    lazily,
    like,
)
from stockcust_analysis.measures.holdings import (
    active_account,
    balance,
    is_obliged,
    join_flags,
    snapshot,
    unmatured,
)
from stockcust_analysis.periods import Day, as_day
from stockcust_analysis.policy import (
    DormancyRule,
    Family,
    Policy,
    PolicyLike,
    ProductFamilies,
    as_policy,
)

UNMATURED_TIME_DEPOSIT = "unmatured_time_deposit"


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
    table, as_of = lazily(transactions), as_day(as_of)
    rule = as_policy(policy).dormancy_rule(rule)
    require_columns(table, ["customer_id", "transacted_on", "kind"], "transactions")
    days = day(table, "transacted_on")
    early = ~days.is_null() & ~after(days, rule.cutoff(as_of))
    _require_whole_period(table.select(early=flag(early)), rule, as_of)
    counts = ~after(days, as_of)
    if rule.active_kinds:
        counts = counts & nw.col("kind").is_in(rule.active_kinds)
    moves = table.filter(counts).select("customer_id", last_active_on=days)
    return like(transactions, moves.group_by("customer_id").agg(nw.col("last_active_on").max()))


def _require_whole_period(early: nw.LazyFrame[Any], rule: DormancyRule, as_of: date) -> None:
    """Raise unless some transaction is as old as the idle period: younger ones prove nothing."""
    if not collected(early.select(nw.col("early").max()))["early"][0]:
        raise UsageError(
            f"transactions begin after {rule.cutoff(as_of)}, inside the idle period of "
            f"'{rule.name}'. Give earlier ones too, or the bank's own 'last_active_on'."
        )


def with_evidence(
    customers: nw.LazyFrame[Any],
    rules: Mapping[str, DormancyRule],
    as_of: date,
    holdings: Frame | None,
    contacts: Frame | None,
    policy: Policy,
) -> nw.LazyFrame[Any]:
    """Return the customers with what the tables show, under each rule's prefix; and `obliged`.

    Without holdings a column `last_matured_on` says what has matured, and `exempt` who is exempt.
    """
    if holdings is None:
        delivered = "exempt" in customers.collect_schema().names()
        exempt = nw.col("exempt").cast(nw.Int64).fill_null(0) if delivered else nw.lit(0)
        unseen = {
            prefix: {"exempt": exempt, "matured_lately": _told_matured(customers, rule, as_of)}
            for prefix, rule in rules.items()
        }
        table = customers.with_columns(**_prefixed(unseen))
    else:
        accounts, families = snapshot(lazily(holdings), as_of, "holdings"), policy.families
        flags = {prefix: holding_flags(accounts, rule, families, as_of)
                 for prefix, rule in rules.items()}  # fmt: skip
        amounts = {f"{prefix}looked_at_cents": looked_at_cents(rule, families)
                   for prefix, rule in rules.items()}  # fmt: skip
        told = "obliged" in customers.collect_schema().names()
        own = {} if told else {"obliged": is_obliged(accounts, as_of)}
        table = join_flags(customers, accounts, _prefixed(flags) | own, amounts)
    return with_contacts(table, rules, as_of, contacts, policy)


def _told_matured(customers: nw.LazyFrame[Any], rule: DormancyRule, as_of: date) -> nw.Expr:
    """Return 1 where the customers themselves say that something matured in the idle period."""
    if "last_matured_on" not in customers.collect_schema().names():
        return nw.lit(0)
    return flag(lately(day(customers, "last_matured_on"), rule, as_of))


def with_contacts(
    customers: nw.LazyFrame[Any],
    rules: Mapping[str, DormancyRule],
    as_of: date,
    contacts: Frame | None,
    policy: Policy,
) -> nw.LazyFrame[Any]:
    """Return the customers with `contacted_lately` under each rule's prefix, if any are given."""
    if contacts is None:
        return customers
    made, outcomes = lazily(contacts), policy.coverage.effective_outcomes
    answered = {f"{prefix}contacted_lately": was_contacted_lately(made, rule, outcomes, as_of)
                for prefix, rule in rules.items()}  # fmt: skip
    return join_flags(customers, made, answered)


def _prefixed(flags: Mapping[str, Mapping[str, nw.Expr]]) -> dict[str, nw.Expr]:
    """Return the columns of all rules under their full names."""
    return {f"{prefix}{name}": column for prefix, columns in flags.items()
            for name, column in columns.items()}  # fmt: skip


def holding_flags(holdings: nw.LazyFrame[Any], rule: DormancyRule, families: ProductFamilies,
                  as_of: date) -> dict[str, nw.Expr]:  # fmt: skip
    """Return `exempt`, `matured_lately` and `large_account` of each account."""
    require_columns(holdings, ["customer_id", "product", "balance"], "holdings")
    large = looked_at(rule, families) & ~below_cap(balance(holdings), rule)
    return {
        "exempt": is_exempt(holdings, rule, families, as_of),
        "matured_lately": has_matured_lately(holdings, rule, families, as_of),
        "large_account": large,
    }


def looked_at_cents(rule: DormancyRule, families: ProductFamilies) -> nw.Expr:
    """Return the balance of an account the rule looks at, in cents; overdrafts are zero."""
    return flag(looked_at(rule, families)) * cents_or_zero("balance").clip(0)


def looked_at(rule: DormancyRule, families: ProductFamilies) -> nw.Expr:
    """Return whether the rule looks at an account: at its products, or at all that are AUM."""
    return nw.col("product").is_in(rule.products or families.aum_products).fill_null(False)


def below_cap(amount: nw.Expr, rule: DormancyRule) -> nw.Expr:
    """Return whether an amount in cents is small; without a cap any amount above zero is."""
    if rule.cap is None:
        return amount > 0
    return amount <= cents_of(rule.cap) if rule.cap_inclusive else amount < cents_of(rule.cap)


def is_exempt(holdings: nw.LazyFrame[Any], rule: DormancyRule, families: ProductFamilies,
                as_of: date) -> nw.Expr:  # fmt: skip
    """Return whether an account keeps its owner from being dormant under the rule.

    A product is judged as its family is (an unused credit card exempts nobody). A time deposit
    without a maturity date counts as unmatured as long as it has a balance.
    """
    known = {
        product: Family(product, "", "", (product,), one.active_if)
        for one in families.families + families.channels
        for product in one.products
    }
    conditions = [
        unmatured(holdings, as_of) & (nw.col("product") == "time_deposit") & (balance(holdings) > 0)
        if code == UNMATURED_TIME_DEPOSIT
        else active_account(holdings, known.get(code, Family(code, "", "", (code,))), as_of)
        for code in rule.exempt
    ]
    return reduce(or_, conditions, nw.lit(False))


def has_matured_lately(holdings: nw.LazyFrame[Any], rule: DormancyRule, families: ProductFamilies,
                        as_of: date) -> nw.Expr:  # fmt: skip
    """Return whether a holding matured inside the rule's idle period: its clock began there."""
    if "matures_on" not in holdings.collect_schema().names():
        return nw.lit(False)
    matured = lately(day(holdings, "matures_on"), rule, as_of)
    return matured & looked_at(rule, families) if rule.products else matured


def was_contacted_lately(contacts: nw.LazyFrame[Any], rule: DormancyRule,
                          outcomes: tuple[str, ...], as_of: date) -> nw.Expr:  # fmt: skip
    """Return whether a contact lies inside the rule's idle period and had one of the outcomes."""
    require_columns(contacts, ["customer_id", "contacted_on", "outcome"], "contacts")
    answered = nw.col("outcome").is_in(outcomes).fill_null(False)
    return answered & lately(day(contacts, "contacted_on"), rule, as_of)


def lately(days: nw.Expr, rule: DormancyRule, as_of: date) -> nw.Expr:
    """Return whether a day lies inside the rule's idle period."""
    return after(days, rule.cutoff(as_of)) & ~after(days, as_of)
