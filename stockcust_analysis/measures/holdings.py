"""What each customer holds: accounts turned into 0/1 columns and sums, one row per customer.

Openings nobody uses (开而不用) are a check on conduct, for quotas breed unwanted accounts.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import reduce
from itertools import chain
from operator import or_

import narwhals.stable.v2 as nw

from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import ZERO, Calendar, Frame, Groups, Table, as_lazy, day, flag
from stockcust_analysis.core.periods import as_day, cutoff, require_day
from stockcust_analysis.core.results import Result
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.measures import bases
from stockcust_analysis.measures.registry import Measure, Question, answer, measure
from stockcust_analysis.policy import DormancyRule, Family, Policy, PolicyLike, ProductFamilies

BALANCE = "balance_cents"
OPENING_AGES: dict[str, frames.Border] = {
    "90_days": lambda as_of: as_of - timedelta(days=90),
    "6_months": frames.months_before(6),
}
_AMOUNTS = [f"{what}_{age}" for what in ("opened", "unused") for age in OPENING_AGES]
_LOAN = Family("loan", "", "", ("loan",))
_POLICY = Family("insurance", "", "", ("insurance",), ("balance", "in_force"))


def snapshot(table: Table, as_of: date, what: str = "customers") -> Table:
    """Return the rows of the as-of date; a table without that column is one snapshot already.

    A day without rows is an error that names the days there are.
    """
    if "as_of" not in table.collect_schema().names():
        return table
    days = day(table, "as_of")
    present = frames.collect_rows(table.select(as_of=days).unique())["as_of"]
    require_day(as_of, (as_day(moment) for moment in present if moment is not None), what)
    return table.filter(frames.on_day(days, as_of))


def own_calendar(holdings: Table) -> Calendar:
    """Return the calendar of a snapshot's own as-of date; without one nothing is yet to mature."""
    bases.require_amounts(holdings, (), "holdings", one_day=True)  # or customers would count again
    if "as_of" not in holdings.collect_schema().names():
        return Calendar((date.max - timedelta(days=1),))
    days = frames.collect_rows(holdings.select(day(holdings, "as_of")).unique())["as_of"]
    return Calendar((as_day(days[0] if days else date.max),))


def with_balance(holdings: Table) -> Table:
    """Return the accounts with their balance in cents, 0 where it is empty."""
    bases.require_columns(holdings, ["customer_id", "product", "balance"], "holdings")
    return holdings.with_columns(frames.cents_or_zero("balance").alias(BALANCE))


def warn_of_unknown_products(holdings: Table, families: ProductFamilies) -> None:
    """Warn of accounts of products that the policy does not know: they count towards nothing."""
    every = (family.products for family in (*families.families, *families.channels))
    known = sorted({*families.aum_products, *chain.from_iterable(every)})
    others = holdings.filter(~nw.col("product").is_in(known).fill_null(False))
    counts = frames.count_each(others, "product")
    if rows := sum(counts.values()):
        names = sorted(name for name in counts if isinstance(name, str))
        some = say("some_of", names[:5], len(names)) if len(names) > 5 else names
        warnings.warn(say("count_towards_nothing", rows, some or say("no_product")), stacklevel=2)


def join_accounts(
    customers: Table,
    accounts: Table,
    *,
    keys: Sequence[str],
    flags: Mapping[str, nw.Expr],
    amounts: Mapping[str, nw.Expr] | None = None,
    first_days: Mapping[str, nw.Expr] | None = None,
) -> Table:
    """Return customers with what their accounts show.

    A flag is 1 if it is true of any account; amounts are summed; of days the first is taken. A
    customer without accounts gets zeros; accounts of customers not in the table are left out.
    """
    amounts, days = amounts or {}, first_days or {}
    bases.require_joinable(customers, accounts)
    held = accounts.select(*keys, **flags, **amounts, **days)
    held = held.group_by(*keys).agg(
        *(nw.col(name).any() for name in flags),
        *(nw.col(name).sum() for name in amounts),
        *(nw.col(name).min() for name in days),
    )
    return customers.join(held, on=[*keys], how="left").with_columns(
        *(flag(nw.col(name).fill_null(False)).cast(nw.Int8).alias(name) for name in flags),
        *(nw.col(name).fill_null(0).cast(nw.Int64) for name in amounts),
    )


def family_flags(
    holdings: Table, families: ProductFamilies, calendar: Calendar
) -> dict[str, nw.Expr]:
    """Return `holds_<family>` and `uses_<channel>`: the account is of it, and active."""
    return {
        f"{verb}_{family.name}": is_active(holdings, family, calendar)
        for verb, group in (("holds", families.families), ("uses", families.channels))
        for family in group
    }


def is_obligation(holdings: Table, calendar: Calendar) -> nw.Expr:
    """Return whether an account is a loan or an insurance policy in force."""
    return is_active(holdings, _LOAN, calendar) | is_active(holdings, _POLICY, calendar)


def aum_amounts(holdings: Table, families: ProductFamilies) -> dict[str, nw.Expr]:
    """Return the AUM of an account in cents, at period end and on average; overdrafts are zero.

    Where the bank delivers no `average_balance` the balance of the as-of date stands in for it.
    """
    counts = flag(nw.col("product").is_in(families.aum_products))
    names = holdings.collect_schema().names()
    average = "average_balance" if "average_balance" in names else "balance"
    return {
        "held_cents": nw.col(BALANCE).clip(0) * counts,
        "held_average_cents": frames.cents_or_zero(average).clip(0) * counts,
    }


def is_active(holdings: Table, family: Family, calendar: Calendar) -> nw.Expr:
    """Return whether an account belongs to the family and is active.

    When the bank delivers none of the columns that would show it, the account itself does.
    """
    columns = holdings.collect_schema().names()
    evidence: list[nw.Expr] = []
    if "balance" in family.active_if:
        evidence.append(nw.col(BALANCE) > 0)
    if "in_force" in family.active_if and "matures_on" in columns:
        evidence.append(calendar.after_as_of(day(holdings, "matures_on")))
    if "used" in family.active_if and "used_recently" in columns:
        evidence.append((nw.col("used_recently") == nw.lit(True)).fill_null(False))
    of_family = nw.col("product").is_in(family.products).fill_null(False)
    return of_family & reduce(or_, evidence) if evidence else of_family


@measure()
def unused_openings(
    customers: Frame, *, by: Groups = None, base: str = "all", policy: PolicyLike = None
) -> Result:
    """Return which part of newly opened accounts is still unused after 90 days and 6 months.

    Measures `unused_openings_90_days` and `unused_openings_6_months`: of the accounts that came of
    that age within the last three months, those unused. An account is unused while its family's
    evidence is missing (no balance, not in force, not used) and, where holdings tell its
    `last_active_on`, nothing happened after the day it was opened; one that fell due since
    (`matures_on`) was used. Every opening is judged once
    at each age, in the quarter it reaches it. From 0 to 1; high is bad.

    Parameters
    ----------
    customers : table
        One row per customer as `bank.customers` or `customer_facts` return them, who know their
        openings (`opened_<age>`, `unused_<age>`), with the columns of `by` and of the base. Only
        products of families count, not channels; accounts closed again cannot be counted.
    by : str, list of str or None
        Columns of customers to group by; None for the whole bank.
    base : str
        `all`, `funded`, `established`, `effective` or `managed`. By default everybody: a customer
        who holds nothing but an unused account is not funded.
    policy : Policy, name or path, optional
        Families and thresholds; the shipped policy when left out.

    Returns
    -------
    measure frame
        `[*by], measure, base, n, numerator, denominator, value`: n counts customers, numerator and
        denominator accounts. A rate of no openings is empty.

    Raises
    ------
    UsageError
        An unknown column or base.

    Notes
    -----
    Source: sales quotas bred some 3.5 million accounts at Wells Fargo that customers may not have
    authorised (Independent Directors of the Board, Sales Practices Investigation Report, 2017).

    Examples
    --------
    >>> import pandas as pd
    >>> ages = {f"opened_{age}": [2] for age in OPENING_AGES}
    >>> ages |= {f"unused_{age}": [1] for age in OPENING_AGES}
    >>> unused = unused_openings(pd.DataFrame(ages))
    >>> unused["value"].tolist()
    [0.5, 0.5]
    """
    request, table = bases.Request.of(customers, by, base, policy), as_lazy(customers)
    if missing := [n for n in _AMOUNTS if n not in table.collect_schema().names()]:
        raise UsageError(say("opened_unknown", missing[0]))
    return answer(bases.with_base(table, request), UNUSED_OPENINGS, request)


def opening_amounts(
    holdings: Table, families: ProductFamilies, calendar: Calendar
) -> dict[str, nw.Expr]:
    """Return `opened_<age>` and `unused_<age>` of each account, to be summed: 0 or 1.

    A bank that does not deliver `opened_on` has no openings.
    """
    columns = holdings.collect_schema().names()
    if "opened_on" not in columns:
        return {}
    opened = day(holdings, "opened_on")
    products = [product for family in families.families for product in family.products]
    counts = nw.col("product").is_in(products).fill_null(False)
    used = reduce(or_, (is_active(holdings, family, calendar) for family in families.families))
    if "last_active_on" in columns:
        used = used | (day(holdings, "last_active_on") > opened).fill_null(False)
    if "matures_on" in columns:  # what was kept until it fell due is no empty opening
        due = day(holdings, "matures_on")
        used = used | ((due > opened) & ~calendar.after_as_of(due)).fill_null(False)
    amounts: dict[str, nw.Expr] = {}
    for age, reached_by in OPENING_AGES.items():
        # Every opening is judged once at each age: in the quarter in which it reaches it.
        before = calendar.after(opened, _three_months_before(reached_by))
        came_of_age = counts & before & ~calendar.after(opened, reached_by)
        amounts |= {f"opened_{age}": flag(came_of_age), f"unused_{age}": flag(came_of_age & ~used)}
    return amounts


def _three_months_before(border: frames.Border) -> frames.Border:
    """Return where a border lay three months earlier."""
    return lambda as_of: border(cutoff(as_of, 3))


def _opening_columns(_: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: accounts that came of age, and the unused among them."""
    counts = nw.col(f"in_{base}")
    return {"customers": counts} | {name: counts * nw.col(name) for name in _AMOUNTS}


_UNUSED = [Measure(f"unused_openings_{a}", f"unused_{a}", f"opened_{a}") for a in OPENING_AGES]
UNUSED_OPENINGS = Question(
    "unused_openings", _opening_columns, lambda _: _UNUSED, ("all",), ("opened_90_days",)
)


UNMATURED_TIME_DEPOSIT = "unmatured_time_deposit"


def require_past_activity(table: Table, as_of: date, what: str = "customers") -> None:
    """Raise when a row was last active after the as-of date: the snapshot is not of that day."""
    late = frames.height(table.filter(frames.after(day(table, "last_active_on"), as_of)))
    if late:
        raise UsageError(say("active_later", what, as_of, late))


def with_status(
    customers: Table,
    rule: DormancyRule,
    as_of: date,
    holdings: Frame | None,
    contacts: Frame | None,
    policy: Policy,
) -> Table:
    """Return checked customers with `status`, what shows it in `_…`, and `obliged` of holdings.

    Without holdings a column `last_matured_on` says what has matured, and `exempt` who is exempt.
    """
    bases.require_columns(customers, [rule.value], "customers")
    require_evidence(customers, rule, holdings=holdings is not None, contacts=contacts is not None)
    require_past_activity(customers, as_of)
    bases.require_amounts(customers, [rule.value], "customers")
    calendar, families, keys = Calendar((as_of,)), policy.families, ["customer_id"]
    if holdings is None:
        evidence = _own_evidence(customers, rule, calendar)
        table = customers.with_columns(**{f"_{name}": evidence[name] for name in evidence})
    else:
        accounts = with_balance(snapshot(as_lazy(holdings), as_of, "holdings"))
        evidence = account_evidence(accounts, rule, families, calendar)
        flags = {f"_{name}": evidence[name] for name in evidence}
        if "obliged" not in customers.collect_schema().names():
            flags["obliged"] = is_obligation(accounts, calendar)
        amounts = {"_looked_at_cents": looked_at_cents(rule, families)}
        table = join_accounts(customers, accounts, keys=keys, flags=flags, amounts=amounts)
    if contacts is not None:
        calls, outcomes = as_lazy(contacts), policy.coverage.effective_outcomes
        answered = {"_contacted_lately": was_contacted_lately(calls, rule, outcomes, calendar)}
        table = join_accounts(table, calls, keys=keys, flags=answered)
    amount = frames.cents(rule.value)
    return table.with_columns(status=status_name(table, rule, calendar, amount=amount, prefix="_"))


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
    """Return `exempt`, `matured_lately`, `seen_account` and `large_account` of each account.

    A holding that matured inside the idle period restarted its owner's clock.
    """
    looked_at, matured = is_looked_at(rule, families), nw.lit(False)
    if "matures_on" in holdings.collect_schema().names():
        matured = _is_lately(day(holdings, "matures_on"), rule, calendar)
        matured = matured & looked_at if rule.products else matured
    return {
        "exempt": is_exempt(holdings, rule, families, calendar),
        "matured_lately": matured,
        "seen_account": looked_at,
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
    cap = frames.cents_of(rule.cap)
    return amount <= cap if rule.cap_inclusive else amount < cap


def was_contacted_lately(
    contacts: Table, rule: DormancyRule, outcomes: tuple[str, ...], calendar: Calendar
) -> nw.Expr:
    """Return whether a contact lies inside the rule's idle period and had one of the outcomes."""
    bases.require_columns(contacts, ["customer_id", "contacted_on", "outcome"], "contacts")
    answered = nw.col("outcome").is_in(outcomes).fill_null(False)
    return answered & _is_lately(day(contacts, "contacted_on"), rule, calendar)


def require_evidence(
    customers: Table, rule: DormancyRule, *, holdings: bool, contacts: bool
) -> None:
    """Raise unless the tables say all that the rule asks for."""
    scope = ["customer_type"] if rule.scope else []
    opening = ["relationship_since"] if "opening" in rule.clock else []
    bases.require_columns(customers, ["last_active_on", *scope, *opening], "customers")
    known = holdings or "exempt" in customers.collect_schema().names()
    if rule.exempt and not known:
        raise UsageError(say("exempt_unknown", rule.name, [*rule.exempt]))
    if rule.looks_at_accounts and not holdings:
        raise UsageError(say("balances_unknown", rule.name))
    if "contact" in rule.clock and not contacts:
        raise UsageError(say("contacts_unknown", rule.name))


def status_name(
    customers: Table, rule: DormancyRule, calendar: Calendar, *, amount: nw.Expr, prefix: str = ""
) -> nw.Expr:
    """Return the status of customers that have their evidence; `amount` is their AUM in cents."""
    small = below_cap(nw.col(f"{prefix}looked_at_cents") if rule.products else amount, rule)
    if rule.cap is not None and rule.cap_per == "account":
        small = nw.col(f"{prefix}large_account") == 0
    if rule.looks_at_accounts:  # who has none of them has none that could be small or dormant
        small = small & (nw.col(f"{prefix}seen_account") == 1)
    name_of_small = "active" if rule.cap is None else "active_small"
    when_acted = nw.when(small).then(nw.lit(name_of_small)).otherwise(nw.lit("active"))
    dormant = small & (nw.col(f"{prefix}exempt") == 0)
    idle = nw.when(dormant).then(nw.lit("dormant")).otherwise(nw.lit("silent"))
    status = nw.when(_has_acted(customers, rule, calendar, prefix)).then(when_acted).otherwise(idle)
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
    unmatured = nw.col("product") == "time_deposit"
    if "matures_on" in holdings.collect_schema().names():
        matures = day(holdings, "matures_on")
        unmatured = unmatured & (calendar.after_as_of(matures) | matures.is_null())
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
