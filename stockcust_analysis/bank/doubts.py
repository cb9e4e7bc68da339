"""Doubts: what can be read, and yet may not be what the bank meant; each is one warning.

A number whose leading zeros are gone is a number, and a day of another century is a day. What
cannot be wrong for sure is read, and said.
"""

from __future__ import annotations

import warnings
from datetime import date
from itertools import pairwise

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.cell_tests import ROUNDED
from stockcust_analysis.bank.contract import TABLES
from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.core.frames import Table, as_lazy, collect_rows, count_rows, flag, height
from stockcust_analysis.core.periods import as_day
from stockcust_analysis.errors import Words, say

_FEWEST_DIGITS = 6
_EXCEL_KEEPS = 15
_LONGEST_GAP = 2 * 366
_LOOKED_AT = 1_000
_AMOUNT = r"^\d+\.0+$|^\d\.\d+[eE]\d+$"
"""Numbers of customers as programs write amounts."""
_EPOCH = date(1970, 1, 1)
EQUAL_BY_CHANCE = 0.01
"""Share of rows without a key that may be equal: two payments of a day in a hundred at most."""


def warn_of_doubts(bank: Bank) -> None:
    """Warn of days, numbers and rows that may not be meant.

    Parameters
    ----------
    bank : Bank
        An opened bank.
    """
    doubts = _of_days(bank)
    for table, name in (("customers", "customer_id"), ("holdings", "account_id")):
        found = _of_numbers(as_lazy(bank.table(table)), name)
        doubts += [say("of_place", bank.named(table, name), doubt) for doubt in found]
    for name in (table.name for table in TABLES if not table.key and table.name in bank.columns):
        twice = bank.equal_rows.get(name)
        if twice is None:  # no engine of files has counted them
            twice = bank.rows(name) - height(as_lazy(bank.table(name)).unique())
        if twice > bank.rows(name) * EQUAL_BY_CHANCE:
            doubts.append(say("rows_alike", bank.named(name), twice))
    for doubt in doubts:
        warnings.warn(say("sentence", doubt), stacklevel=3)


def _of_days(bank: Bank) -> list[Words]:
    """Return the doubts about as-of dates: far from all others, or without holdings."""
    days, doubts = sorted(bank.days("customers")), list[Words]()

    def doubt(name: str, key: str, *facts: object, column: str = "as_of") -> None:
        doubts.append(say("of_place", bank.named(name, column), say(key, *facts)))

    for before, after in pairwise(days):
        if (after - before).days > _LONGEST_GAP:
            doubt("customers", "far_day", after, (after - before).days // 365, before)
    for earlier, later in pairwise(bank.quarters):
        if later in (earlier.shifted(2), earlier.shifted(3)):
            doubt("customers", "quarter_lacking", earlier.shifted(1), earlier, later)
    day = nw.col("last_active_on")
    ends = {"first": day.min(), "last": day.max()}
    seen = collect_rows(as_lazy(bank.table("customers")).select(**ends))
    first, last = (next(iter(seen[end]), None) for end in ends)
    if first == first and first and as_day(first) == _EPOCH:
        doubt("customers", "first_day", _EPOCH, column="last_active_on")
    if days and last == last and last and (days[-1] - as_day(last)).days > _LONGEST_GAP:
        doubt("customers", "nobody_active", days[-1])
    for name in ("holdings", "ledger"):
        if name not in bank.columns:
            continue
        known = bank.days(name)
        lacking, spare = sorted({*days} - known), sorted(known - {*days})
        if lacking and name == "holdings":
            doubt("customers", "holdings_lacking", lacking)
        within = [q.end for q in bank.quarters[:-1] if known and q.end > min(known)]
        if gone := [day for day in within if day not in known]:
            doubt(name, "days_lacking", gone)
        if spare:
            doubt(name, "customers_lacking", spare)
    return doubts


def _of_numbers(rows: Table, name: str) -> list[Words]:
    """Return the doubts about customers' and accounts' numbers: digits that a program took.

    The engine counts them: no number leaves it.

    >>> import pandas as pd
    >>> def doubts(*numbers):
    ...     return _of_numbers(nw.from_native(pd.DataFrame({"id": numbers})).lazy(), "id")
    >>> doubts("1234567", "23456789", "12345678")[0][:40]
    'numbers of 7 to 8 digits, none of which '
    >>> doubts("6222021234567890000", "6222021234567810000")[0][:40]
    'numbers that end in zeros from the 16th '
    >>> doubts("12345.0", "12346.0")[0][:36]
    'numbers written as amounts are (1234'
    >>> doubts("0123456", "23456789"), doubts("1", "12345")
    ([], [])
    """
    number, width = nw.col(name), nw.col(name).str.len_chars()
    other, first = number.str.contains("[^0-9]"), rows.head(_LOOKED_AT).select(name)
    forms = {"amount": _AMOUNT, "small": "[a-z]", "capital": "[A-Z]", "other": "[^0-9]"}
    seen = count_rows(first, {form: number.str.contains(mark) for form, mark in forms.items()})
    if seen["amount"]:
        return [say("written_as_amounts")]
    if seen["small"] and seen["capital"]:
        keys = rows.select("as_of", name)
        alike = keys.with_columns(number.str.to_lowercase())
        if twice := height(keys.unique()) - height(alike.unique()):
            return [say("case_alone", twice)]
    if seen["other"]:
        return []  # one that is no number says it for all
    kinds = {
        "width": width,
        "other": flag(other),
        "zero": flag(number.str.starts_with("0")),
        "long": flag(width > _EXCEL_KEEPS),
        "rounded": flag(number.str.contains(ROUNDED)),
    }
    counted = [nw.col(kind).sum() for kind in kinds if kind != "width"]
    widths = nw.col("width").min().alias("least"), nw.col("width").max().alias("most")
    facts = collect_rows(rows.select(**kinds).select(nw.len().alias("n"), *widths, *counted))
    of = {kind: int(values[0] or 0) for kind, values in facts.items()}
    if not of["n"] or of["other"]:
        return []
    doubts, is_sparse = list[Words](), 10 * of["n"] < 10 ** of["least"]
    if of["least"] < of["most"] >= _FEWEST_DIGITS and is_sparse and not of["zero"]:
        doubts.append(say("zeros_lost", of["least"], of["most"]))
    if of["rounded"] > 1 and 2 * of["rounded"] > of["long"]:
        doubts.append(say("digits_lost", of["rounded"]))
    return doubts
