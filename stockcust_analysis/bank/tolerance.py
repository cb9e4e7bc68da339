"""What may be set aside of a delivery, and was: dangling references, rows after the last day.

A bank states in its mapping how many rows, and how much money, it tolerates for each reference:

```toml
[tolerance.holdings]
customer_id = { rows = 20, amount = 100_000 }
```
Within it the rows are left out of every figure, and counted on every page; beyond it nothing runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.contract import TABLES, Kind, Table, named
from stockcust_analysis.core.frames import ONE, cents, collect_rows, sums
from stockcust_analysis.core.periods import as_day
from stockcust_analysis.words import Words, counted, say

BRANCH = "branch of the row"
"""Column that says which branch a row belongs to, empty where nothing tells it."""
_ROWS, _AMOUNT = "rows", "amount"
_DIGITS, _FEW = 2, 5
"""Digits of an amount in messages, and rows from which on it is said: it is somebody's balance."""


class Part(NamedTuple):
    """Rows set aside of one as-of date and branch, where these are known."""

    as_of: date | None
    branch_id: str | None
    rows: int
    cents: int


@dataclass(frozen=True)
class Tolerance:
    """How many rows, and how much CNY where the table holds money, may be set aside.

    Without `rows` any number may be but all: a layout's customers are not all that the bank's own
    files know.
    """

    rows: int | None
    amount: float | None = None

    @property
    def size(self) -> Words:
        """How much that is, in words."""
        return say("any") if self.rows is None else _size(self.rows, self.amount)


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
            return _size(self.rows, round(float(f"{self.amount:.{_DIGITS}g}")))
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


def _size(rows: int, amount: float | None) -> Words:
    words = counted("row", rows)
    return words if amount is None else say("rows_and_amount", words, amount)


def money_column(contract: Table, names: Any) -> str | None:
    """Return the column by which rows of a table are weighed: its first of money among `names`."""
    columns = (c.name for c in contract.columns if c.kind is Kind.MONEY and c.name in names)
    return next(columns, None)


def parts_of(rows: nw.LazyFrame[Any], contract: Table) -> tuple[tuple[Part, ...], bool]:
    """Return how many rows of which as-of date and BRANCH, and whether the table holds money."""
    names = rows.collect_schema().names()
    money = money_column(contract, names)
    by = ["as_of"] if "as_of" in contract.column_names else []
    size = {"rows": ONE, "cents": ONE if money is None else cents(money).abs()}
    found = collect_rows(sums(rows, [*by, BRANCH], size))
    days = [as_day(day) for day in found["as_of"]] if by else [None] * len(found["rows"])
    branches = [name if isinstance(name, str) else None for name in found[BRANCH]]
    groups = zip(days, branches, found["rows"], found["cents"], strict=True)
    parts = (Part(on, branch, int(n), int(size)) for on, branch, n, size in groups)
    return tuple(sorted(parts, key=str)), money is not None


def read_tolerance(content: Any) -> dict[tuple[str, str], Tolerance]:
    """Return table and column → tolerance of a mapping's `[tolerance]` without complaints."""
    return {
        (table, column): Tolerance(**limits)
        for table, columns in content.items()
        for column, limits in columns.items()
    }


def complaints(content: Any) -> Iterator[Words]:
    """Yield what cannot be followed in a mapping's `[tolerance]`."""
    tables = content if isinstance(content, Mapping) else {"": content}
    references = {
        contract.name: [column.name for column in contract.columns if column.references]
        for contract in TABLES
    }
    for name, columns in tables.items():
        if not isinstance(columns, Mapping) or name not in references:
            yield say("tolerance_table", name)
            continue
        (contract,) = (table for table in TABLES if table.name == name)
        has_amount = money_column(contract, contract.column_names) is not None
        wanted = {_ROWS, _AMOUNT} if has_amount else {_ROWS}
        shape = "{ rows = 20, amount = 100_000 }" if has_amount else "{ rows = 20 }"
        for column, limits in columns.items():
            if column not in references[name]:
                yield say("tolerance_column", name, column, references[name] or say("none"))
            elif not isinstance(limits, Mapping) or {*limits} != wanted:
                yield say("tolerance_limits", name, column, shape)
            elif not all(_is_count(value, whole=key == _ROWS) for key, value in limits.items()):
                yield say("tolerance_numbers", name, column, shape)


def _is_count(value: Any, *, whole: bool) -> bool:
    """Return whether a value is a number from 0."""
    return type(value) in ((int,) if whole else (int, float)) and 0 <= value < float("inf")
