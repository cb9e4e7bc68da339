"""Doubts: what can be read, and yet may not be what the bank meant; each is one warning.

A number whose leading zeros are gone is a number, and a day of another century is a day. What
cannot be wrong for sure is read, and said.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from itertools import pairwise

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.bank import Bank
from stockcust_analysis.bank.contract import TABLES
from stockcust_analysis.core.frames import Table, collect_rows
from stockcust_analysis.core.periods import as_day

_LOOKED_AT = 10_000
_FEWEST_DIGITS = 6
_EXCEL_KEEPS = 15
_LONGEST_GAP = 2 * 366


def warn_of_doubts(bank: Bank) -> None:
    """Warn of days, numbers and rows that may not be meant.

    Parameters
    ----------
    bank : Bank
        An opened bank. Of its numbers the first ten thousand are looked at.
    """
    doubts = _of_days(bank)
    for table, name in (("customers", "customer_id"), ("holdings", "account_id")):
        numbers = collect_rows(_rows(bank, table).select(name).head(_LOOKED_AT))[name]
        doubts += [f"{table}.{name}: {doubt}" for doubt in _of_numbers({*numbers})]
    for name in (table.name for table in TABLES if not table.key and table.name in bank.columns):
        twice = bank.rows(name) - _count(_rows(bank, name).unique())
        if twice:
            doubts.append(
                f"{name}: {twice:,} rows are the same as another in every column, and count. "
                "Take them out if they were delivered twice"
            )
    for doubt in doubts:
        warnings.warn(f"{doubt}.", stacklevel=3)


def _rows(bank: Bank, name: str) -> Table:
    rows: Table = nw.from_native(bank.table(name)).lazy()
    return rows


def _count(rows: Table) -> int:
    return int(collect_rows(rows.select(n=nw.len()))["n"][0])


def _of_days(bank: Bank) -> list[str]:
    """Return the doubts about as-of dates: far from all others, or without holdings."""
    days, doubts = sorted(bank.days("customers")), list[str]()
    for before, after in pairwise(days):
        if (after - before).days > _LONGEST_GAP:
            years = (after - before).days // 365
            doubts.append(
                f"customers.as_of: {after} lies {years} years after {before}. Is its year right"
            )
    seen = collect_rows(_rows(bank, "customers").select(nw.col("last_active_on").max()))
    last = next(iter(seen["last_active_on"]), None)
    if days and last == last and last and (days[-1] - as_day(last)).days > _LONGEST_GAP:
        doubts.append(f"customers.as_of: nobody was active within two years before {days[-1]}")
    for name in ("holdings", "ledger"):
        if name not in bank.columns:
            continue
        lacking, spare = (
            ", ".join(map(str, sorted(some)))
            for some in ({*days} - bank.days(name), bank.days(name) - {*days})
        )
        if lacking and name == "holdings":
            doubts.append(f"customers.as_of: no holdings of {lacking}, which is no quarter then")
        if spare:
            doubts.append(f"{name}.as_of: no customers of {spare}")
    return doubts


def _of_numbers(numbers: Collection[str]) -> list[str]:
    """Return the doubts about customers' and accounts' numbers: digits that a program took.

    >>> _of_numbers({"1234567", "23456789", "12345678"})[0][:40]
    'numbers of 7 to 8 digits, none of which '
    >>> _of_numbers(["6222021234567890000", "6222021234567810000"])[0][:40]
    '2 numbers end in zeros from the 16th dig'
    >>> _of_numbers(["0123456", "23456789"]), _of_numbers(["1", "12345"])
    ([], [])
    """
    digits = [number for number in numbers if number.isascii() and number.isdigit()]
    widths, doubts = [*map(len, digits)], list[str]()
    if not digits or len(digits) < len(numbers):
        return []
    shortest, longest = min(widths), max(widths)
    is_sparse = 10 * len(digits) < 10**shortest
    if shortest < longest >= _FEWEST_DIGITS and is_sparse and min(digits) >= "1":
        doubts.append(
            f"numbers of {shortest} to {longest} digits, none of which begins with 0. Were leading "
            "zeros lost? Export the column as text"
        )
    long = [number for number in digits if len(number) > _EXCEL_KEEPS]
    rounded = [number for number in long if re.fullmatch(r"\d{15}0+", number)]
    if len(rounded) > 1 and 2 * len(rounded) > len(long):
        doubts.append(
            f"{len(rounded):,} numbers end in zeros from the 16th digit on. Did Excel round them? "
            "Export the column as text"
        )
    return doubts
