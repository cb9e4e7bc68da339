"""The population: one row per customer and as-of date, with everything the measures sum.

In scope are the policy's customer types who had not left by the as-of date, under the branch that
has them on today's structure. Every measure is then one look at this table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from itertools import pairwise

import narwhals.stable.v2 as nw

from stockcust_analysis.core.calendar import PERIOD, Calendar
from stockcust_analysis.core.frames import ONE, Table, cents, cents_of, cents_or_zero, day, flag
from stockcust_analysis.measures.cross_sell import families_held, opening_amounts
from stockcust_analysis.measures.dormancy import (
    account_evidence,
    looked_at_cents,
    require_evidence,
    status_name,
    was_contacted_lately,
)
from stockcust_analysis.measures.holdings import (
    aum_amounts,
    family_flags,
    is_obligation,
    join_accounts,
    with_balance,
)
from stockcust_analysis.measures.tiers import tier_name
from stockcust_analysis.periods import cutoff
from stockcust_analysis.policy import Bases, Policy

AUM = ("aum_period_end", "aum_average_month", "aum_average_quarter")
TENURE_YEARS = (1, 3, 5, 10)
_KEYS = (PERIOD, "customer_id")


def population(
    customers: Table,
    holdings: Table,
    *,
    policy: Policy,
    calendar: Calendar,
    contacts: Table | None = None,
) -> Table:
    """Return the customers in scope on the calendar's dates, with all that measures look at.

    Columns: `period`, those of customers with money as Int64 cents, 0/1 columns
    `holds_<family>`, `uses_<channel>`, `obliged` (a loan or policy in force), `in_<base>`, the
    number of `families`, `tier`, `status`, `tenure` (years its band begins with), new accounts and
    the unused among them. AUM that the bank does not deliver is made from holdings.
    """
    families, rule = policy.families, policy.dormancy
    table = _in_scope(calendar.rows(customers), policy, calendar)
    require_evidence(table, rule, holdings=True, contacts=contacts is not None)
    accounts = with_balance(calendar.rows(holdings))
    flags = family_flags(accounts, families, calendar)
    flags |= account_evidence(accounts, rule, families, calendar)
    flags["obliged"] = is_obligation(accounts, calendar)
    amounts = aum_amounts(accounts, families) | opening_amounts(accounts, families, calendar)
    amounts["looked_at_cents"] = looked_at_cents(rule, families)
    table = join_accounts(table, accounts, keys=_KEYS, flags=flags, amounts=amounts)
    table = _in_cents(table)
    if contacts is not None and "contact" in rule.clock:
        table = _with_contacts(table, contacts, policy, calendar)
    tenure = tenure_columns(table, calendar) if "relationship_since" in table.columns else {}
    table = table.with_columns(families=families_held(families), **tenure)
    amount = nw.col(f"{rule.value}_cents")
    return table.with_columns(
        tier=tier_name(nw.col(f"{policy.tiers.value}_cents"), policy.tiers),
        status=status_name(table, rule, calendar, amount=amount),
        **base_columns(table, policy.bases),
    )


def aum_origins(customer_columns: Iterable[str], holding_columns: Iterable[str]) -> dict[str, str]:
    """Return where each AUM column comes from, to be printed with the figures.

    The quarter's and the month's average fall back on the quarter's average balance of the
    accounts, and where there is none on the balance of the as-of date.

    >>> aum_origins(["customer_id", "aum_period_end"], ["balance"])["aum_average_quarter"]
    'holdings.balance'
    """
    delivered = set(customer_columns)
    average = "average_balance" if "average_balance" in set(holding_columns) else "balance"
    made = dict.fromkeys(AUM, f"holdings.{average}") | {"aum_period_end": "holdings.balance"}
    return {name: f"customers.{name}" if name in delivered else made[name] for name in AUM}


def base_columns(table: Table, bases: Bases) -> dict[str, nw.Expr]:
    """Return `in_<base>` of every base that the columns can tell (客户口径)."""
    names = table.collect_schema().names()
    funded = funded_flag(names, bases, nw.col("aum_average_quarter_cents"))
    effective = flag(nw.col("aum_average_quarter_cents") >= cents_of(bases.effective))
    columns = {"in_all": ONE, "in_funded": funded, "in_effective": effective}
    if "established" in names:
        columns["in_established"] = nw.col("established") * funded
    return columns


def funded_flag(names: Iterable[str], bases: Bases, amount: nw.Expr) -> nw.Expr:
    """Return 1 for customers with an amount in cents from the border up, a loan or a policy."""
    present = set(names)
    funded = amount >= cents_of(bases.funded)
    if "loan_balance_cents" in present:
        funded = funded | (nw.col("loan_balance_cents") > 0)
    if "obliged" in present:
        funded = funded | (nw.col("obliged") == 1)
    return flag(funded)


def tenure_columns(table: Table, calendar: Calendar) -> dict[str, nw.Expr]:
    """Return `tenure`, the years a customer's band begins with, and `established` (12 months)."""
    since = day(table, "relationship_since")

    def has_been(years: int) -> nw.Expr:
        return flag(~calendar.after(since, lambda as_of: cutoff(as_of, 12 * years)))

    steps = [has_been(upper) * (upper - lower) for lower, upper in pairwise([0, *TENURE_YEARS])]
    return {"tenure": nw.sum_horizontal(*steps), "established": has_been(1)}


def _in_scope(customers: Table, policy: Policy, calendar: Calendar) -> Table:
    """Return customers of the policy's types who had not left by the as-of date."""
    kept = customers.filter(nw.col("customer_type").is_in(policy.customer_types))
    if "closed_on" not in kept.collect_schema().names():
        return kept
    closed = day(kept, "closed_on")
    return kept.filter(closed.is_null() | calendar.after_as_of(closed))


def _in_cents(table: Table) -> Table:
    """Replace money in CNY by cents, and make the AUM that was not delivered from holdings."""
    columns = table.collect_schema().names()
    money = [name for name in (*AUM, "loan_balance") if name in columns]
    amounts: Mapping[str, nw.Expr] = {
        name: cents(name)
        if name in columns
        else nw.col("held_cents" if name == "aum_period_end" else "held_average_cents")
        for name in AUM
    }
    loans = {"loan_balance_cents": cents_or_zero("loan_balance")} if "loan_balance" in money else {}
    whole = {f"{name}_cents": amount for name, amount in amounts.items()} | loans
    return table.with_columns(**whole).drop(*money, "held_cents", "held_average_cents")


def _with_contacts(table: Table, contacts: Table, policy: Policy, calendar: Calendar) -> Table:
    """Return the customers with `contacted_lately`: an answered contact in the idle period."""
    dated = calendar.on_every_day(contacts)
    outcomes = policy.coverage.effective_outcomes
    answered = was_contacted_lately(dated, policy.dormancy, outcomes, calendar)
    return join_accounts(table, dated, keys=_KEYS, flags={"contacted_lately": answered})
