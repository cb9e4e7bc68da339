"""Delivered tables as validation takes them, on every engine, and what it finds out about them.

What is wrong with them is listed in one error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.contract import Column, Table
from stockcust_analysis.bank.mapping import TableMapping
from stockcust_analysis.bank.tolerance import SetAside
from stockcust_analysis.errors import BankDataError
from stockcust_analysis.policy.file import read_toml

WORDS = read_toml(Path(__file__).with_name("words.toml"))
"""What is said of cells, and of what may not be meant or is implausible."""
Rows = nw.LazyFrame[Any]
POSITION = "row position"
"""Column of numbered rows: where a row stands in its table, in ascending order."""
ABSENT = "absent"
"""What is said of the cells of a column that the row's file lacks: they are not empty cells."""


def say(name: str, *facts: object) -> str:
    """Return the words of a doubt with its names and figures."""
    return str(WORDS["doubts"][name]).format(*facts)


@dataclass(frozen=True)
class Problem:
    """One thing wrong in one column (or a whole table), with where it first shows and what to do.

    `rows` counts the rows concerned (0 when the table itself is the problem); `first` names the
    first of them, as row numbers in the file with the header as row 1.
    """

    table: str
    column: str
    what: str
    remedy: str
    rows: int = 0
    first: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f"{self.table}.{self.column}" if self.column else self.table
        count = f"{self.rows:,} row{'s' if self.rows != 1 else ''}" if self.rows else ""
        first = f" (first: {', '.join(self.first)})" if self.first else ""
        what = f"{count}{first}: {self.what}" if self.rows else self.what
        return f"{place}: {what}. {self.remedy}"


class UnusableFileError(Exception):
    """A file that cannot be used: what is wrong, what to do, and how many and which rows."""


def raise_if_any(problems: Sequence[Problem], source: str) -> None:
    """Raise one BankDataError that lists all problems; return when there are none."""
    if not problems:
        return
    tables = len({problem.table for problem in problems})
    head = (
        f"{len(problems)} problem{'s' if len(problems) > 1 else ''} "
        f"in {tables} table{'s' if tables > 1 else ''} of {source}:"
    )
    lines = [f"  {number}. {problem}" for number, problem in enumerate(problems, start=1)]
    raise BankDataError("\n".join([head, *lines]), problems)


@dataclass(frozen=True)
class Delivery:
    """A delivered table, whose columns are named and read as the contract says."""

    contract: Table
    columns: Sequence[Column]
    mapping: TableMapping

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


@dataclass(frozen=True)
class TableFacts:
    """What validation found out about a table.

    `rows` counts its rows, `days` those of each as-of date; text in the columns `trimmed` needs
    trimming, that of others does not. The rows `set_aside` are not counted, and not `kept`.
    """

    rows: int
    days: Mapping[date, int]
    trimmed: Collection[str]
    set_aside: Sequence[SetAside]
    filters: Sequence[Callable[[Rows], Rows]]
    kept: Rows

    def keep(self, rows: Rows) -> Rows:
        """Return rows of the table without those that are set aside."""
        for keep in self.filters:
            rows = keep(rows)
        return rows
