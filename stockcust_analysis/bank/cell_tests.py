"""What may be wrong in what could be read: a cell's code, size or text, a branch that was split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import narwhals.stable.v2 as nw

from stockcust_analysis.bank import grammar
from stockcust_analysis.bank.contract import Column
from stockcust_analysis.core.frames import Table, after, collect_rows, count_rows, height
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


def value_tests(column: Column, cell: nw.Expr) -> list[CellTest]:
    """Return the tests of codes, of measures, and of the lowest and the highest value."""
    tests, codes = [], column.allowed or [*defined_measures()] * (column.name == "measure")
    if codes:
        unknown, name = ~cell.is_in(codes) & ~cell.is_null(), Words(column.name, column.zh)
        words = advise("unknown_code" if column.allowed else "unknown_measure", name, [*codes])
        tests.append(CellTest(column, unknown, *words, codes=codes))
    if column.maximum is not None:
        words = advise("above", column.maximum)
        tests.append(CellTest(column, cell > column.maximum, *words))
    if column.minimum is not None:
        words = advise("below_aum" if column.name.startswith("aum") else "below", column.minimum)
        tests.append(CellTest(column, cell < column.minimum, *words))
    return tests


def text_tests(column: Column, cell: nw.Expr, *, has_nul: bool) -> list[CellTest]:
    """Return the tests of text that is not plain; databases take no NUL, not even in a query."""
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
    tests = [CellTest(column, is_odd & there, *advise(name)) for name, is_odd in found.items()]
    if column.name == "branch_id" and column.references is None:
        is_reserved = cell.str.starts_with(_OWN_PREFIX) & there
        tests.append(CellTest(column, is_reserved, *advise("reserved", _OWN_PREFIX)))
    return tests


def has_rounded(rows: Table, columns: Sequence[str]) -> bool:
    """Whether most values of one of some columns are long numbers that a spreadsheet rounded."""
    texts = [name for name in columns if rows.collect_schema()[name] == nw.String]
    found = count_rows(rows, {name: nw.col(name).str.contains(ROUNDED) for name in texts})
    return any(2 * count > height(rows) for count in found.values())


def lost_digits(rows: Table, column: str, target: Table, key: str) -> Words:
    """Return what to do where keys do not agree as one side lost digits; '' for other reasons."""
    if has_rounded(rows, [column]) or has_rounded(target, [key]):
        return say("rounded_keys")
    ours, theirs = (
        table.collect_schema()[name] == nw.String
        and height(table.filter(nw.col(name).str.starts_with("0")).head(1)) > 0
        for table, name in ((rows, column), (target, key))
    )
    return say("zeros_on_one_side") if theirs > ours else NOTHING


def unexplained_splits(
    successors: Table, customers: Table, moves: Table | None, newest: date
) -> set[str]:
    """Return the branches that several took over, and no move says which customers went where.

    Splits after the newest as-of date, and those of branches without customers, need no moves.
    """
    columns = ["old_branch_id", "new_branch_id"]
    if not {*columns, "effective_on"} <= {*successors.collect_schema().names()}:
        return set()
    begun = successors.filter(~after(nw.col("effective_on"), newest))
    split = split_branches(*collect_rows(begun.select(columns)).values())
    known = _values_among(split, customers, "branch_id")
    return known - _values_among(known, moves, "from_branch_id")


def _values_among(values: set[str], table: Table | None, column: str) -> set[str]:
    """Return which of some values a table's column holds; none where there is no such column."""
    if not values or table is None or column not in table.collect_schema().names():
        return set()
    rows = table.filter(nw.col(column).is_in(values)).select(column).unique()
    return {*collect_rows(rows)[column]}
