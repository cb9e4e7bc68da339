"""Checks that all measures share: what is wrong, in how many rows, and what to do; no names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import narwhals.stable.v2 as nw

from stockcust_analysis.core.frames import Table, collect_rows, count_rows
from stockcust_analysis.errors import UsageError

MOST = 2**53 / 100
"""The largest amount, and sum of amounts, that is exact to the cent in CNY: 90 million million."""


def require_columns(table: Table, names: Iterable[str], what: str) -> None:
    """Raise unless all columns are there; close matches are offered."""
    present = table.collect_schema().names()
    for name in names:
        if name not in present:
            raise UsageError.unknown(f"column of {what}", name, present)


def require_same_engine(customers: Table, holdings: Table) -> None:
    """Raise when two tables cannot be joined because they are of different engines."""
    left, right = customers.implementation.value, holdings.implementation.value
    if left != right:
        raise UsageError(
            f"customers are a {left} table, holdings a {right} one: give both alike, such as "
            "bank.customers_frame(…) with bank.table('holdings'), or both as pandas (.df())."
        )


def require_snapshot(table: Table, what: str) -> None:
    """Raise when a table shows more than one as-of date: each customer would count again."""
    if "as_of" in table.collect_schema().names():
        days = len(collect_rows(table.select("as_of").unique())["as_of"])
        if days > 1:
            raise UsageError(f"{what} hold {days} as-of dates. Keep the rows of one of them.")


def require_amounts(
    table: Table, names: Iterable[str], what: str, *, signed: Iterable[str] = ()
) -> None:
    """Raise when an amount is missing, infinite or negative; all columns are named at once.

    Those named in `signed` may be negative. Amounts so large, or adding up to so much, that their
    cents are not exact any more are refused, too.
    """
    kinds, conditions = table.collect_schema(), dict[str, nw.Expr]()
    amounts = {name: nw.col(name).cast(nw.Float64) for name in names}
    for name, amount in amounts.items():
        if kinds[name] == nw.String:
            raise UsageError(f"column '{name}' of {what} holds text, not numbers.")
        conditions[f"{name}|missing or infinite"] = amount.is_null() | ~amount.is_finite()
        if name not in signed:
            conditions[f"{name}|negative"] = amount < 0
    _refuse(table, conditions, what)
    if not amounts:
        return
    sizes = table.select(amount.abs() for amount in amounts.values())
    totals = collect_rows(sizes.select(nw.all().sum()))
    beyond = [f"'{name}'" for name, (total,) in totals.items() if (total or 0) >= MOST]
    if beyond:
        raise UsageError(
            f"{what}: {', '.join(beyond)} add up to {MOST:,.0f} or more, beyond what is exact to "
            "the cent. Are they CNY? Give amounts in the currency's larger unit."
        )


def require_labels(table: Table, names: Iterable[str], what: str) -> None:
    """Raise when a column to group by is empty in some rows: they would belong nowhere."""
    _refuse(table, {f"{name}|empty": nw.col(name).is_null() for name in names}, what)


def _refuse(table: Table, conditions: Mapping[str, nw.Expr], what: str) -> None:
    """Raise one error for all rows that meet a condition, named `column|what is wrong`."""
    problems = []
    for name, count in count_rows(table, conditions).items():
        column, wrong = name.rsplit("|", 1)
        problems += [f"'{column}' is {wrong} in {count:,} rows"] if count else []
    if problems:
        raise UsageError(f"{what}: {'; '.join(problems)}. Fill them or leave those rows out.")
