"""Bases (客户口径): among whom a rate is counted. Each is a column of 0 and 1, `in_<base>`.

`all` · `funded` (有资产: quarter-average AUM from 100 CNY, or a loan or policy in force) ·
`established` (funded, and with the bank for twelve months: the column `established` of
`assign_tenure` says so) · `effective` (有效: from 10,000 CNY) · `managed` (管户: the column
`in_managed` says so).
Customers outside the base stay in the table, so that a branch with an empty base keeps its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.checks import (
    require_amounts,
    require_columns,
    require_labels,
    require_snapshot,
)
from stockcust_analysis.measures.frames import ONE, cents, cents_of, cents_or_zero, flag
from stockcust_analysis.policy import Bases

BASES = ("all", "funded", "established", "effective", "managed")
_BY_AMOUNT = ("funded", "established", "effective")
_SAID_BY = {"established": "established", "managed": "in_managed"}


def counted(
    customers: nw.LazyFrame[Any],
    *,
    by: Sequence[str],
    base: str,
    amounts: Sequence[str] = (),
    bases: Bases | None = None,
    signed: Sequence[str] = (),
) -> nw.LazyFrame[Any]:
    """Return checked customers with their amounts in cents and the 0/1 column of the base.

    Customers owe nothing where `loan_balance` is absent or empty; `obliged` (a loan or a policy
    in force, from holdings) counts towards `funded` when it is there. Amounts named in `signed` may
    be negative.
    """
    if base not in BASES:
        raise UsageError.unknown("base", base, BASES)
    judged_by = ["aum_average_quarter"] if base in _BY_AMOUNT else []
    money = list(dict.fromkeys([*amounts, *judged_by]))
    said_by = [_SAID_BY[base]] if base in _SAID_BY else []
    require_columns(customers, [*by, *money, *said_by], "customers")
    require_snapshot(customers, "customers")
    require_labels(customers, by, "customers")
    require_amounts(customers, money, "customers", signed=signed)
    table = customers.with_columns(cents(name).alias(f"{name}_cents") for name in money)
    return table.with_columns(base_flag(table, base, bases or Bases()).alias(f"in_{base}"))


def base_flag(
    table: nw.LazyFrame[Any], base: str, bases: Bases, *, amount: nw.Expr | None = None
) -> nw.Expr:
    """Return 1 for customers in the base, else 0; a column says who is managed or established.

    `amount` is in cents; by default the quarter's average judges who is funded or effective.
    """
    if base == "all":
        return ONE
    if base in _SAID_BY:
        said = flag(nw.col(_SAID_BY[base]).cast(nw.Float64) > 0)
        return said if base == "managed" else said * base_flag(table, "funded", bases)
    average = nw.col("aum_average_quarter_cents") if amount is None else amount
    if base == "effective":
        return flag(average >= cents_of(bases.effective))
    present = table.collect_schema().names()
    funded = average >= cents_of(bases.funded)
    if "loan_balance" in present:
        funded = funded | (cents_or_zero("loan_balance") > 0)
    if "loan_balance_cents" in present:
        funded = funded | (nw.col("loan_balance_cents") > 0)
    if "obliged" in present:
        funded = funded | (nw.col("obliged") == 1)
    return flag(funded)
