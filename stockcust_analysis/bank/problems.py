"""Delivered tables as validation takes them, on every engine, and what it finds out about them.

What is wrong with them is listed in one error; rows that a mapping tolerates, and those after the
last as-of date, are set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.contract import Column, Table, called, named
from stockcust_analysis.bank.mapping import TableMapping, Tolerance
from stockcust_analysis.core.frames import ONE, Frame, cents, collect_rows, sums
from stockcust_analysis.core.periods import as_day
from stockcust_analysis.errors import BankDataError, Words, counted, listed, say

Rows = nw.LazyFrame[Any]
POSITION = "row position"
"""Column of numbered rows: where a row stands in its table, in ascending order."""
ABSENT = "absent"
"""What is said of the cells of a column that the row's file lacks: they are not empty cells."""
BRANCH = "branch of the row"
"""Column that says which branch a row belongs to, empty where nothing tells it."""
_DIGITS, _FEW = 2, 5
"""Digits of an amount in messages, and rows from which on it is said: it is somebody's balance."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong in one column (or a whole table), with where it first shows and what to do.

    `rows` counts the rows concerned (0 when the table itself is the problem); `first` names the
    first of them, as row numbers in the file with the header as row 1. `header` is what the bank
    calls the column.
    """

    table: str
    column: str
    what: str
    remedy: str
    rows: int = 0
    first: tuple[str, ...] = ()
    header: str = ""

    @property
    def words(self) -> Words:
        """Where it is, in how many rows, what is wrong, and what to do."""
        place = self.table if isinstance(self.table, Words) else named(self.table)
        if self.column:
            place = say("of_column", place, called(self.table, self.column, self.header))
        first = [self.first] if self.first else []
        rows = say("in_rows_first" if first else "in_rows", counted("row", self.rows), *first)
        return say("problem_said", place, rows if self.rows else "", self.what, self.remedy)

    def text(self, language: str) -> str:
        """Return the problem in a language."""
        return self.words.text(language)

    def __str__(self) -> str:
        return str(self.words)


class UnusableFileError(Exception):
    """A file that cannot be used: what is wrong, what to do, and how many and which rows."""


def raise_if_any(problems: Sequence[Problem], source: str) -> None:
    """Raise one BankDataError that lists all problems; return when there are none."""
    if not problems:
        return
    tables = counted("table", len({problem.table for problem in problems}))
    head = say("found", counted("problem", len(problems)), tables, source)
    raise BankDataError(listed(head, problems), problems)


@dataclass(frozen=True)
class Delivery:
    """A delivered table, whose columns are named and read as the contract says.

    `headers` maps them to what they are called, in each group of files of their own.
    """

    contract: Table
    columns: Sequence[Column]
    mapping: TableMapping
    headers: Sequence[Mapping[str, str]]

    def header(self, column: str) -> str:
        """Return what the bank calls a column that it delivers; '' for others."""
        return next((names[column].strip() for names in self.headers if column in names), "")

    def named(self, column: str) -> Words:
        """Return a column as other tables' problems call it, in Chinese by its header."""
        return named(self.contract.name, column, self.header(column))

    def called(self, column: str) -> Words:
        """Return a column as problems of this table call it, in Chinese by its header."""
        return Words(column, called(self.contract.name, column, self.header(column)).zh)

    def problem(
        self, column: str, what: str, remedy: str, rows: int = 0, first: tuple[str, ...] = ()
    ) -> Problem:
        """Return a problem of a column, with its header, or of the table."""
        name = named(self.contract.name, source=self.source)
        return Problem(name, column, what, remedy, rows, first, self.header(column))

    @property
    def source(self) -> str:
        """Name of the one file, or the table of a database, that it is; '' for others."""
        return ""

    @property
    def is_columnar(self) -> bool:
        """Whether many rows lie by columns, so that one is asked alone for less than with all."""
        return False

    def read(self, trimmed: Collection[str] = ()) -> Rows:
        """Return each column's value and `column|fault`; text is trimmed in the columns named."""
        raise NotImplementedError

    def numbered(self, trimmed: Collection[str]) -> Rows | None:
        """Return the rows with their POSITION; None where rows have none."""
        del trimmed
        return None

    def name_rows(self, positions: Iterable[int]) -> tuple[str, ...]:
        """Return what rows at these positions are called in messages."""
        return tuple(map(str, positions))


class Part(NamedTuple):
    """Rows set aside of one as-of date and branch, where these are known."""

    as_of: date | None
    branch_id: str | None
    rows: int
    cents: int


@dataclass(frozen=True)
class SetAside:
    """Rows of a table left out of every figure, why, and how many were `allowed`.

    Without `allowed` they were left out because they are later than the newest as-of date, and no
    figure would have counted them.
    """

    table: str
    column: str
    what: Words
    parts: tuple[Part, ...]
    has_amount: bool
    allowed: Tolerance | None = None
    header: str = ""

    @property
    def rows(self) -> int:
        """How many rows."""
        return sum(part.rows for part in self.parts)

    @property
    def amount(self) -> float | None:
        """Their amounts without signs, in CNY; None where the table holds no money."""
        return sum(part.cents for part in self.parts) / 100 if self.has_amount else None

    @property
    def is_allowed(self) -> bool:
        """Whether it is within the tolerance."""
        limit = self.allowed.rows if self.allowed else None
        return limit is None or (self.rows <= limit and not self._is_too_much)

    @property
    def size(self) -> Words:
        """Rows and, about, their amount; of few rows only that it is more than is allowed."""
        if self.amount is not None and self.rows >= _FEW:
            return Tolerance(self.rows, round(float(f"{self.amount:.{_DIGITS}g}"))).size
        rows = counted("row", self.rows)
        return say("more_amount", rows) if self._is_too_much else rows

    @property
    def _is_too_much(self) -> bool:
        return self.allowed is not None and (self.amount or 0) > (self.allowed.amount or 0)

    def text(self, language: str) -> str:
        """Return where, how much and why, in a language."""
        allowed = say("allowed", self.allowed.size) if self.allowed else ""
        facts = named(self.table, self.column, self.header), self.size, self.what, allowed
        return say("set_aside", *facts).text(language)

    def __str__(self) -> str:
        return self.text("en")


def parts_of(rows: Rows, contract: Table) -> tuple[tuple[Part, ...], bool]:
    """Return how many rows of which as-of date and BRANCH, and whether the table holds money."""
    money = contract.money_column(rows.collect_schema().names())
    by = ["as_of"] if "as_of" in contract.column_names else []
    size = {"rows": ONE, "cents": ONE if money is None else cents(money).abs()}
    found = collect_rows(sums(rows, [*by, BRANCH], size))
    days = [as_day(day) for day in found["as_of"]] if by else [None] * len(found["rows"])
    branches = [name if isinstance(name, str) else None for name in found[BRANCH]]
    groups = zip(days, branches, found["rows"], found["cents"], strict=True)
    parts = (Part(on, branch, int(n), int(size)) for on, branch, n, size in groups)
    return tuple(sorted(parts, key=str)), money is not None


@dataclass(frozen=True)
class TableFacts:
    """What validation found out about a table.

    `rows` counts its rows, `days` those of each as-of date; text in the columns `trimmed` needs
    trimming, that of others does not. The rows `set_aside` are not counted, and not in the table
    that is `kept`. `headers` say what the bank calls its columns; `partial` are the rows of files
    that have a column which others lack.
    """

    rows: int
    days: Mapping[date, int]
    trimmed: Collection[str]
    set_aside: Sequence[SetAside]
    filters: Sequence[Callable[[Rows], Rows]]
    kept: Frame
    headers: Mapping[str, str]
    partial: Mapping[str, Rows]

    def keep(self, rows: Rows) -> Rows:
        """Return rows of the table without those that are set aside."""
        for keep in self.filters:
            rows = keep(rows)
        return rows
