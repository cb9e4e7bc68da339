"""A delivered table as validation takes it, on every engine, and what validation finds out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.contract import Column, Table
from stockcust_analysis.bank.mapping import TableMapping
from stockcust_analysis.bank.tolerance import SetAside

Rows = nw.LazyFrame[Any]
POSITION = "row position"
"""Column of numbered rows: where a row stands in its table, in ascending order."""
ABSENT = "absent"
"""What is said of the cells of a column that the row's file lacks: they are not empty cells."""


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
    trimming, that of others does not. The rows `set_aside` are not counted, and not in `keep`.
    """

    rows: int
    days: Mapping[date, int]
    trimmed: Collection[str]
    set_aside: Sequence[SetAside]
    filters: Sequence[Callable[[Rows], Rows]]

    def keep(self, rows: Rows) -> Rows:
        """Return the table's rows without those that are set aside."""
        for keep in self.filters:
            rows = keep(rows)
        return rows
