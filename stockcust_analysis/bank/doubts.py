"""What may be wrong in what could be read, and what may not be what the bank meant.

A cell's code, size or text is wrong, or a branch that was split; then there is a problem. A number
whose leading zeros are gone is a number, and a day of another century is a day: what cannot be
wrong for sure is read, and said in one warning each.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import narwhals.stable.v2 as nw

from stockcust_analysis.bank import grammar
from stockcust_analysis.bank.contract import TABLES, Column
from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.core import frames
from stockcust_analysis.core.periods import as_day
from stockcust_analysis.errors import NOTHING, Words, advise, say
from stockcust_analysis.measures.codebook import defined_measures
from stockcust_analysis.measures.population import split_branches

# What no page, sheet or file can hold, and what breaks a name in two.
_CONTROLS = "".join(map(chr, (*range(1, 32), *range(127, 160), 0x2028, 0x2029, 0xFFFE, 0xFFFF)))
_OWN_PREFIX = "@"
"""With which this package begins the names it makes itself, such as the whole bank's."""
ROUNDED = "^[0-9]{15}0+$"
"""Long numbers of which a spreadsheet has kept fifteen digits."""
_NAMED = ("branch_id", "name", "customer_id", "account_id", "manager_id")
_FEWEST_DIGITS = 6
_EXCEL_KEEPS = 15
_LONGEST_GAP = 2 * 366
_LOOKED_AT = 1_000
_AMOUNT = r"^\d+\.0+$|^\d\.\d+[eE]\d+$"
"""Numbers of customers as programs write amounts."""
_EPOCH = date(1970, 1, 1)
EQUAL_BY_CHANCE = 0.01
"""Share of rows without a key that may be equal: two payments of a day in a hundred at most."""


@dataclass(frozen=True)
class CellTest:
    """A condition under which a cell is wrong, and what to say; nothing if it is merely odd.

    What happened after the newest as-of date is not wrong, but `is_late`: it is set aside.
    Cells that could not be read have no value.
    """

    column: Column
    wrong: nw.Expr
    what: Words = NOTHING
    remedy: Words = NOTHING
    is_late: bool = False
    has_value: bool = True
    codes: Sequence[str] = ()


def value_tests(column: Column, cell: nw.Expr) -> Iterator[CellTest]:
    """Yield the tests of codes, of measures, and of the lowest and the highest value."""
    codes = column.allowed or [*defined_measures()] * (column.name == "measure")
    if codes:
        unknown, name = ~cell.is_in(codes) & ~cell.is_null(), Words(column.name, column.zh)
        words = advise("unknown_code" if column.allowed else "unknown_measure", name, [*codes])
        yield CellTest(column, unknown, *words, codes=codes)
    if column.maximum is not None:
        yield CellTest(column, cell > column.maximum, *advise("above", column.maximum))
    if column.minimum is not None:
        words = advise("below_aum" if column.name.startswith("aum") else "below", column.minimum)
        yield CellTest(column, cell < column.minimum, *words)


def text_tests(column: Column, cell: nw.Expr, *, has_nul: bool) -> Iterator[CellTest]:
    """Yield the tests of text that is not plain; databases take no NUL, not even in a query."""
    there = ~cell.is_null()
    marks = {
        "scientific": r"^\d(?:\.\d+)?[eE]\+\d+$",
        "control": f"[{_CONTROLS}\0]" if has_nul else f"[{_CONTROLS}]",
        "lost": grammar.LOST,
        "escaped": grammar.ESCAPED,
        "hidden": grammar.HIDDEN,
    }
    found = {name: cell.str.contains(mark) for name, mark in marks.items()}
    if column.name in _NAMED and column.references is None:
        found["total"] = cell.str.to_lowercase().str.contains(f"^(?:{grammar.TOTALS})$")
    for name, is_odd in found.items():
        yield CellTest(column, is_odd & there, *advise(name))
    if column.name == "branch_id" and column.references is None:
        is_reserved = cell.str.starts_with(_OWN_PREFIX) & there
        yield CellTest(column, is_reserved, *advise("reserved", _OWN_PREFIX))


def has_rounded(rows: frames.Table, columns: Sequence[str]) -> bool:
    """Whether most values of one of some columns are long numbers that a spreadsheet rounded."""
    texts = [name for name in columns if rows.collect_schema()[name] == nw.String]
    found = frames.count_rows(rows, {name: nw.col(name).str.contains(ROUNDED) for name in texts})
    return any(2 * count > frames.height(rows) for count in found.values())


def lost_digits(rows: frames.Table, column: str, target: frames.Table, key: str) -> Words:
    """Return what to do where keys do not agree as one side lost digits; '' for other reasons."""
    if has_rounded(rows, [column]) or has_rounded(target, [key]):
        return say("rounded_keys")
    ours, theirs = (
        table.collect_schema()[name] == nw.String
        and frames.height(table.filter(nw.col(name).str.starts_with("0")).head(1)) > 0
        for table, name in ((rows, column), (target, key))
    )
    if theirs == ours:
        return NOTHING
    return say("zeros_on_one_side" if theirs else "zeros_on_other_side")


def unexplained_splits(
    successors: frames.Table, customers: frames.Table, moves: frames.Table | None, newest: date
) -> set[str]:
    """Return the branches that several took over, and no move says which customers went where.

    Splits after the newest as-of date, and those of branches without customers, need no moves.
    """
    columns = ["old_branch_id", "new_branch_id"]
    if not {*columns, "effective_on"} <= {*successors.collect_schema().names()}:
        return set()
    begun = successors.filter(~frames.after(nw.col("effective_on"), newest))
    split = split_branches(*frames.collect_rows(begun.select(columns)).values())
    known = _values_among(split, customers, "branch_id")
    return known - _values_among(known, moves, "from_branch_id")


def _values_among(values: set[str], table: frames.Table | None, column: str) -> set[str]:
    """Return which of some values a table's column holds; none where there is no such column."""
    if not values or table is None or column not in table.collect_schema().names():
        return set()
    rows = table.filter(nw.col(column).is_in(values)).select(column).unique()
    return {*frames.collect_rows(rows)[column]}


def warn_of_doubts(bank: Bank) -> None:
    """Warn of days, numbers and rows that may not be meant.

    Parameters
    ----------
    bank : Bank
        An opened bank.
    """
    doubts = _of_days(bank)
    for table, name in (("customers", "customer_id"), ("holdings", "account_id")):
        found = _of_numbers(frames.as_lazy(bank.table(table)), name)
        doubts += [say("of_place", bank.named(table, name), doubt) for doubt in found]
    for name in (table.name for table in TABLES if not table.key and table.name in bank.columns):
        twice = bank.equal_rows.get(name)
        if twice is None:  # no engine of files has counted them
            twice = bank.rows(name) - frames.height(frames.as_lazy(bank.table(name)).unique())
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
    seen = frames.collect_rows(frames.as_lazy(bank.table("customers")).select(**ends))
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


def _of_numbers(rows: frames.Table, name: str) -> list[Words]:
    """Return the doubts about customers' and accounts' numbers: digits that a program took.

    The engine counts them: no number leaves it.

    >>> import pandas as pd
    >>> def doubts(*numbers):
    ...     return _of_numbers(nw.from_native(pd.DataFrame({"id": numbers})).lazy(), "id")
    >>> doubts("1234567", "83456789", "12345678")[0][:40]
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
    marks = {"amount": _AMOUNT, "small": "[a-z]", "capital": "[A-Z]", "other": "[^0-9]"}
    forms = {form: number.str.contains(mark) for form, mark in marks.items()}
    seen = frames.count_rows(first, forms)
    if seen["amount"]:
        return [say("written_as_amounts")]
    if seen["small"] and seen["capital"]:
        keys = rows.select("as_of", name)
        alike = keys.with_columns(number.str.to_lowercase())
        if twice := frames.height(keys.unique()) - frames.height(alike.unique()):
            return [say("case_alone", twice)]
    if seen["other"]:
        return []  # one that is no number says it for all
    kinds = {
        "width": width,
        "other": frames.flag(other),
        "zero": frames.flag(number.str.starts_with("0")),
        "long": frames.flag(width > _EXCEL_KEEPS),
        "rounded": frames.flag(number.str.contains(ROUNDED)),
    }
    counted = [nw.col(kind).sum() for kind in kinds if kind != "width"]
    widths = nw.col("width").min().alias("least"), nw.col("width").max().alias("most")
    facts = frames.collect_rows(rows.select(**kinds).select(nw.len().alias("n"), *widths, *counted))
    of = {kind: int(values[0] or 0) for kind, values in facts.items()}
    # Numbers counted from 1 fill what the longest leave room for; a part of them does not, but has
    # seldom come to half of it. Of numbers of one width a tenth begin with a zero, a hundredth with
    # two: much shorter ones are of another kind.
    doubts, lost = list[Words](), 10 ** (of["most"] - of["least"])
    is_sparse, is_mixed = 10 * of["n"] < 10 ** (of["most"] - 1), 1 < lost <= 100 * of["n"]
    is_mixed &= of["most"] >= _FEWEST_DIGITS and not of["zero"]
    upper = rows.filter(width == of["most"], number.str.slice(0, 1).is_in([*"56789"]))
    if is_mixed and is_sparse and frames.height(upper):
        doubts.append(say("zeros_lost", of["least"], of["most"]))
    if of["rounded"] > 1 and 2 * of["rounded"] > of["long"]:
        doubts.append(say("digits_lost", of["rounded"]))
    return [] if of["other"] else doubts
