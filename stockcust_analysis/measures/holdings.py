"""What each customer holds: accounts turned into 0/1 columns and sums, one row per customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import reduce
from operator import or_

import narwhals.stable.v2 as nw

from stockcust_analysis.core.calendar import Calendar
from stockcust_analysis.core.frames import Table, after, cents_or_zero, collect_rows, day, flag
from stockcust_analysis.measures.validation import (
    require_columns,
    require_same_engine,
    require_snapshot,
)
from stockcust_analysis.periods import as_day, require_day
from stockcust_analysis.policy import Family, ProductFamilies

BALANCE = "balance_cents"
_LOAN = Family("loan", "", "", ("loan",))
_POLICY = Family("insurance", "", "", ("insurance",), ("balance", "in_force"))


def snapshot(table: Table, as_of: date, what: str = "customers") -> Table:
    """Return the rows of the as-of date; a table without that column is one snapshot already.

    A day without rows is an error that names the days there are.
    """
    if "as_of" not in table.collect_schema().names():
        return table
    days = day(table, "as_of")
    present = collect_rows(table.select(as_of=days).unique())["as_of"]
    require_day(as_of, (as_day(moment) for moment in present if moment is not None), what)
    return table.filter(after(days, as_of - timedelta(days=1)) & ~after(days, as_of))


def own_calendar(holdings: Table) -> Calendar:
    """Return the calendar of a snapshot's own as-of date; without one nothing is yet to mature."""
    require_snapshot(holdings, "holdings")
    if "as_of" not in holdings.collect_schema().names():
        return Calendar((date.max - timedelta(days=1),))
    (moment,) = collect_rows(holdings.select(day(holdings, "as_of")).unique())["as_of"] or [
        date.max
    ]
    return Calendar((as_day(moment),))


def with_balance(holdings: Table) -> Table:
    """Return the accounts with their balance in cents, 0 where it is empty."""
    require_columns(holdings, ["customer_id", "product", "balance"], "holdings")
    return holdings.with_columns(cents_or_zero("balance").alias(BALANCE))


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

    A flag is 1 if it is true of any account; amounts are summed; of days the first is kept. A
    customer without accounts gets zeros; accounts of customers not in the table are left out.
    """
    sums, days = amounts or {}, first_days or {}
    require_same_engine(customers, accounts)
    selected = accounts.select(*keys, **flags, **sums, **days)
    held = selected.group_by(*keys).agg(
        *(nw.col(name).any() for name in flags),
        *(nw.col(name).sum() for name in sums),
        *(nw.col(name).min() for name in days),
    )
    return customers.join(held, on=list(keys), how="left").with_columns(
        *(flag(nw.col(name).fill_null(False)).cast(nw.Int8).alias(name) for name in flags),
        *(nw.col(name).fill_null(0).cast(nw.Int64) for name in sums),
    )


def family_flags(
    holdings: Table, families: ProductFamilies, calendar: Calendar
) -> dict[str, nw.Expr]:
    """Return `holds_<family>` and `uses_<channel>`: the account is of it, and active."""
    held = {
        f"holds_{family.name}": is_active(holdings, family, calendar)
        for family in families.families
    }
    used = {
        f"uses_{channel.name}": is_active(holdings, channel, calendar)
        for channel in families.channels
    }
    return held | used


def is_obligation(holdings: Table, calendar: Calendar) -> nw.Expr:
    """Return whether an account is a loan or an insurance policy in force."""
    return is_active(holdings, _LOAN, calendar) | is_active(holdings, _POLICY, calendar)


def aum_amounts(holdings: Table, families: ProductFamilies) -> dict[str, nw.Expr]:
    """Return the AUM of an account in cents, at period end and on average; overdrafts are zero.

    Where the bank delivers no `average_balance` the balance of the as-of date stands in for it.
    """
    counts = flag(nw.col("product").is_in(families.aum_products))
    average = "average_balance"
    if average not in holdings.collect_schema().names():
        average = "balance"
    return {
        "held_cents": nw.col(BALANCE).clip(0) * counts,
        "held_average_cents": cents_or_zero(average).clip(0) * counts,
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


def is_unmatured(holdings: Table, calendar: Calendar) -> nw.Expr:
    """Return whether a deposit has yet to mature; an unknown maturity counts as yet to come."""
    if "matures_on" not in holdings.collect_schema().names():
        return nw.lit(True)
    matures = day(holdings, "matures_on")
    return calendar.after_as_of(matures) | matures.is_null()
