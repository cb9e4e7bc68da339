"""Openings nobody uses (开而不用): a check on conduct, for quotas breed unwanted accounts."""

from __future__ import annotations

from datetime import date, timedelta
from functools import reduce
from operator import or_

import narwhals.stable.v2 as nw

from stockcust_analysis.core.calendar import Border, Calendar
from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import Groups, Table, as_lazy, day, flag, group_names
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import with_base
from stockcust_analysis.measures.holdings import (
    is_active,
    is_obligation,
    join_accounts,
    snapshot,
    with_balance,
)
from stockcust_analysis.measures.registry import Measure, Question, answer
from stockcust_analysis.measures.validation import require_columns
from stockcust_analysis.periods import Day, as_day, cutoff
from stockcust_analysis.policy import Policy, PolicyLike, ProductFamilies, as_policy

OPENING_AGES: dict[str, Border] = {
    "90_days": lambda as_of: as_of - timedelta(days=90),
    "6_months": lambda as_of: cutoff(as_of, 6),
}
_AMOUNTS = [f"{what}_{age}" for what in ("opened", "unused") for age in OPENING_AGES]


def unused_openings(
    customers: Frame,
    *,
    holdings: Frame | None = None,
    as_of: Day | None = None,
    by: Groups = None,
    base: str = "all",
    policy: PolicyLike = None,
) -> Frame:
    """Return which part of newly opened accounts is still unused after 90 days and 6 months.

    Measures `unused_openings_90_days` and `unused_openings_6_months`: of the accounts that came of
    that age within the last three months, those unused. An account is unused while its family's
    evidence is missing (no balance, not in force, not used) and, where holdings tell its
    `last_active_on`, nothing happened after the day it was opened. Every opening is judged once
    at each age, in the quarter it reaches it. From 0 to 1; high is bad.

    Parameters
    ----------
    customers : table
        One row per customer, with the columns of `by` and of the base; those of `bank.customers`
        know their openings (`opened_<age>`, `unused_<age>`).
    holdings : table, optional
        For customers who do not: accounts, `customer_id, product, balance, opened_on`; only
        products of families count, not channels. Accounts closed again are not among them and
        cannot be counted.
    as_of : date, "2026-09-30" or "2026Q3"
        With holdings: the snapshot, and the day on which ages are told.
    by, base, policy
        As for `products_per_customer`; but the base is everybody, since who holds nothing but an
        unused account is not funded.

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
    >>> accounts = pd.DataFrame({
    ...     "customer_id": ["1", "1"], "product": ["fund", "wealth"], "balance": [0.0, 5.0],
    ...     "opened_on": pd.to_datetime(["2026-06-01", "2026-06-01"]),
    ... })
    >>> bank = pd.DataFrame({"customer_id": ["1"]})
    >>> found = unused_openings(bank, holdings=accounts, as_of=date(2026, 9, 30))
    >>> found.loc[found["measure"] == "unused_openings_90_days", "value"].tolist()
    [0.5]
    """
    rules, groups, table = as_policy(policy), group_names(by), as_lazy(customers)
    if holdings is not None:
        if as_of is None:
            raise UsageError("holdings have no age without a day: give as_of='2026Q3', or a date.")
        table = _with_openings(table, as_lazy(holdings), rules, as_day(as_of))
    elif missing := [n for n in _AMOUNTS if n not in table.collect_schema().names()]:
        raise UsageError(
            f"customers do not say what they opened ('{missing[0]}' missing). Give holdings=… and "
            "as_of=…, or the customers of bank.customers(quarter)."
        )
    table = with_base(table, by=groups, base=base, bases=rules.bases)
    return answer(table, UNUSED_OPENINGS, policy=rules, by=groups, base=base, given=customers)


def _with_openings(customers: Table, holdings: Table, policy: Policy, as_of: date) -> Table:
    """Return the customers of the day with the openings among their accounts."""
    present = snapshot(customers, as_of)
    accounts, calendar = snapshot(holdings, as_of, "holdings"), Calendar((as_of,))
    require_columns(accounts, ["customer_id", "product", "balance", "opened_on"], "holdings")
    accounts = with_balance(accounts)
    flags = {"obliged": is_obligation(accounts, calendar)}
    amounts = opening_amounts(accounts, policy.families, calendar)
    present = present.drop(*flags, *amounts, strict=False)
    return join_accounts(present, accounts, keys=["customer_id"], flags=flags, amounts=amounts)


def opening_amounts(
    holdings: Table, families: ProductFamilies, calendar: Calendar
) -> dict[str, nw.Expr]:
    """Return `opened_<age>` and `unused_<age>` of each account, to be summed: 0 or 1.

    A bank that does not deliver `opened_on` has no openings.
    """
    if "opened_on" not in holdings.collect_schema().names():
        return {}
    opened = day(holdings, "opened_on")
    products = [product for family in families.families for product in family.products]
    counts = nw.col("product").is_in(products).fill_null(False)
    unused = ~_is_used(holdings, families, calendar)
    amounts: dict[str, nw.Expr] = {}
    for age, reached_by in OPENING_AGES.items():
        # Every opening is judged once at each age: in the quarter in which it reaches it.
        before = calendar.after(opened, _three_months_before(reached_by))
        came_of_age = counts & before & ~calendar.after(opened, reached_by)
        amounts |= {f"opened_{age}": flag(came_of_age), f"unused_{age}": flag(came_of_age & unused)}
    return amounts


def _three_months_before(border: Border) -> Border:
    """Return where a border lay three months earlier."""
    return lambda as_of: border(cutoff(as_of, 3))


def _is_used(holdings: Table, families: ProductFamilies, calendar: Calendar) -> nw.Expr:
    """Return whether an account is active, or was after the day it was opened."""
    active = reduce(or_, (is_active(holdings, one, calendar) for one in families.families))
    if "last_active_on" not in holdings.collect_schema().names():
        return active
    moved = day(holdings, "last_active_on") > day(holdings, "opened_on")
    return active | moved.fill_null(False)


def _opening_columns(_: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: accounts that came of age, and the unused among them."""
    counts = nw.col(f"in_{base}")
    return {"customers": counts} | {name: counts * nw.col(name) for name in _AMOUNTS}


_UNUSED = [Measure(f"unused_openings_{a}", f"unused_{a}", f"opened_{a}") for a in OPENING_AGES]
UNUSED_OPENINGS = Question(
    "unused_openings",
    _opening_columns,
    lambda _: _UNUSED,
    bases=("all",),
    needs=("opened_90_days",),
)
