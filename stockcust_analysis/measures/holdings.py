"""What each customer holds: accounts turned into 0/1 columns and sums, one row per customer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import reduce
from operator import or_
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.checks import require_columns, require_same_engine
from stockcust_analysis.measures.frames import after, cents_or_zero, collected, day, flag
from stockcust_analysis.periods import as_day, require_day
from stockcust_analysis.policy import Family, ProductFamilies

_BALANCE = "balance_cents"
_LOAN = Family("loan", "", "", ("loan",))
_POLICY = Family("insurance", "", "", ("insurance",), ("balance", "in_force"))


def snapshot(table: nw.LazyFrame[Any], as_of: date, what: str = "customers") -> nw.LazyFrame[Any]:
    """Return the rows of the as-of date; a table without that column is one snapshot already.

    A day without rows is an error that names the days there are.
    """
    if "as_of" not in table.collect_schema().names():
        return table
    days = day(table, "as_of")
    there = collected(table.select(as_of=days).unique())["as_of"]
    require_day(as_of, (as_day(one) for one in there if one is not None), what)
    return table.filter(after(days, as_of - timedelta(days=1)) & ~after(days, as_of))


def with_balance(holdings: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return the accounts with their balance in cents, for whoever asks for it many times."""
    return holdings.with_columns(cents_or_zero("balance").alias(_BALANCE))


def balance(holdings: nw.LazyFrame[Any]) -> nw.Expr:
    """Return the balance of an account in cents, 0 where it is empty."""
    made = _BALANCE in holdings.collect_schema().names()
    return nw.col(_BALANCE) if made else cents_or_zero("balance")


def join_flags(
    customers: nw.LazyFrame[Any],
    holdings: nw.LazyFrame[Any],
    flags: Mapping[str, nw.Expr],
    amounts: Mapping[str, nw.Expr] | None = None,
) -> nw.LazyFrame[Any]:
    """Return customers with what they hold: 1 if a flag is true of any account, `amounts` summed.

    A customer without accounts gets zeros; accounts of customers not in the table are left out.
    """
    sums = amounts or {}
    require_same_engine(customers, holdings)
    require_columns(customers, ["customer_id"], "customers")
    accounts = holdings.select("customer_id", **flags, **sums)
    held = accounts.group_by("customer_id").agg(
        *(nw.col(name).any() for name in flags), *(nw.col(name).sum() for name in sums)
    )
    return customers.join(held, on="customer_id", how="left").with_columns(
        *(flag(nw.col(name).fill_null(False)).cast(nw.Int8).alias(name) for name in flags),
        *(nw.col(name).fill_null(0).cast(nw.Int64) for name in sums),
    )


def family_flags(
    holdings: nw.LazyFrame[Any], families: ProductFamilies, as_of: date | None = None
) -> dict[str, nw.Expr]:
    """Return `holds_<family>` and `uses_<channel>`: the account is of it, and active."""
    require_columns(holdings, ["customer_id", "product", "balance"], "holdings")
    held = {f"holds_{one.name}": active_account(holdings, one, as_of) for one in families.families}
    used = {f"uses_{one.name}": active_account(holdings, one, as_of) for one in families.channels}
    return held | used


def is_obliged(holdings: nw.LazyFrame[Any], as_of: date | None = None) -> nw.Expr:
    """Return whether an account is a loan or an insurance policy in force."""
    return active_account(holdings, _LOAN, as_of) | active_account(holdings, _POLICY, as_of)


def aum_amounts(holdings: nw.LazyFrame[Any], families: ProductFamilies) -> dict[str, nw.Expr]:
    """Return the AUM of an account in cents, at period end and on average; overdrafts are zero.

    Where the bank delivers no `average_balance` the balance of the as-of date stands in for it.
    """
    counts = flag(nw.col("product").is_in(families.aum_products))
    average = "average_balance"
    if average not in holdings.collect_schema().names():
        average = "balance"
    return {
        "held_cents": balance(holdings).clip(0) * counts,
        "held_average_cents": cents_or_zero(average).clip(0) * counts,
    }


def active_account(holdings: nw.LazyFrame[Any], family: Family, as_of: date | None) -> nw.Expr:
    """Return whether an account belongs to the family and is active.

    When the bank delivers none of the columns that would show it, the account itself does.
    """
    columns = holdings.collect_schema().names()
    evidence: list[nw.Expr] = []
    if "balance" in family.active_if:
        evidence.append(balance(holdings) > 0)
    if "in_force" in family.active_if and "matures_on" in columns:
        evidence.append(_in_force(holdings, as_of))
    if "used" in family.active_if and "used_recently" in columns:
        evidence.append((nw.col("used_recently") == nw.lit(True)).fill_null(False))
    of_family = nw.col("product").is_in(family.products).fill_null(False)
    return of_family & reduce(or_, evidence) if evidence else of_family


def _in_force(holdings: nw.LazyFrame[Any], as_of: date | None) -> nw.Expr:
    """Return whether a holding has yet to mature, on the given day or on its row's own as-of."""
    matures = day(holdings, "matures_on")
    if as_of is not None:
        return after(matures, as_of)
    if "as_of" not in holdings.collect_schema().names():
        return nw.lit(False)
    return (matures > day(holdings, "as_of")).fill_null(False)


def unmatured(holdings: nw.LazyFrame[Any], as_of: date) -> nw.Expr:
    """Return whether a deposit has yet to mature; an unknown maturity counts as yet to come."""
    if "matures_on" not in holdings.collect_schema().names():
        return nw.lit(True)
    matures = day(holdings, "matures_on")
    return after(matures, as_of) | matures.is_null()
