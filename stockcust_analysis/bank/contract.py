"""The contract: which tables and columns a bank delivers, of which type and in which unit.

`contract.toml` states it. The readers cast by it, validation complains by it, the sample bank
writes it and the data dictionary (`docs/reference/data-dictionary.md`) is printed from it.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from stockcust_analysis.errors import Words
from stockcust_analysis.policy.file import read_toml


class Kind(Enum):
    """What a column holds. The value is the word that error messages and the dictionary use."""

    TEXT = "text"
    CODE = "code"
    DATE = "date"
    MONEY = "money"
    INTEGER = "whole number"
    FLAG = "true/false"
    QUARTER = "quarter"
    NUMBER = "number"

    @property
    def is_numeric(self) -> bool:
        """Whether values are numbers."""
        return self in (Kind.MONEY, Kind.INTEGER, Kind.NUMBER)

    @property
    def unreadable(self) -> str:
        """Name of what is said of a cell that cannot be read as such."""
        return f"not_{self.name.lower()}"


@dataclass(frozen=True)
class Column:
    """One column of the contract.

    `allowed` lists the codes of a CODE column; `references` names the table and column that a
    value must be found in; a number may be `minimum` at least, and `maximum` at most; `separated`
    texts are lists, with ';' between their entries.
    """

    name: str
    kind: Kind
    zh: str
    meaning: str
    required: bool = True
    allowed: tuple[str, ...] = ()
    references: tuple[str, str] | None = None
    minimum: int | None = None
    maximum: int | None = None
    nullable: bool = False
    separated: bool = False

    @property
    def unit(self) -> str:
        """Unit printed in the data dictionary."""
        units = {Kind.MONEY: "CNY, two decimals", Kind.DATE: "YYYY-MM-DD", Kind.QUARTER: "2026Q3"}
        return units.get(self.kind, "")


@dataclass(frozen=True)
class Table:
    """One table of the contract with its key; an optional table may be absent."""

    name: str
    zh: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    required: bool = True

    def column(self, name: str) -> Column:
        """Return the column called `name`; KeyError when the contract has none."""
        return {column.name: column for column in self.columns}[name]

    def money_column(self, names: Container[str]) -> str | None:
        """Return the column by which rows are weighed: the first of money among `names`."""
        columns = (c.name for c in self.columns if c.kind is Kind.MONEY and c.name in names)
        return next(columns, None)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all columns, in the order they are written."""
        return tuple(column.name for column in self.columns)

    @property
    def required_names(self) -> tuple[str, ...]:
        """Names of the columns that must be delivered."""
        return tuple(column.name for column in self.columns if column.required)


def _column(name: str, entry: dict[str, Any]) -> Column:
    allowed = entry.get("allowed", ())
    if isinstance(allowed, str):
        table_name, column_name = allowed.split(".")
        allowed = _CONTENT[table_name]["columns"][column_name]["allowed"]
    references = tuple(entry["references"]) if "references" in entry else None
    more = {"kind": Kind(entry["kind"]), "allowed": tuple(allowed), "references": references}
    return Column(name, **{"nullable": not entry.get("required", True), **entry, **more})


def _table(name: str, entry: dict[str, Any]) -> Table:
    columns = tuple(_column(key, value) for key, value in entry["columns"].items())
    return Table(name, **{**entry, "key": tuple(entry["key"]), "columns": columns})


_CONTENT = read_toml(Path(__file__).with_suffix(".toml"))
TABLES = tuple(_table(name, entry) for name, entry in _CONTENT.items())


def table(name: str) -> Table:
    """Return the contract of the table called `name`; KeyError when there is none."""
    return {entry.name: entry for entry in TABLES}[name]


PRODUCTS = table("holdings").column("product").allowed


def title_of(path: str) -> str:
    """Return the Chinese name of a table, or of one of its columns: 客户·销户日期.

    >>> title_of("customers.closed_on")
    '客户·销户日期'
    """
    name, _, column = path.partition(".")
    known = table(name)
    return f"{known.zh}·{known.column(column).zh}" if column else known.zh


def named(table_name: str, column: str = "", header: str = "", source: str = "") -> Words:
    """Return a table of the contract, or one of its columns, with its Chinese name.

    Of a table it is said what its file, or its table in a database, is called otherwise.
    """
    if not column:
        names = [table_name, *([source] if source.split(".")[0] not in ("", table_name) else [])]
        return Words(table_name, f"{table(table_name).zh}表（{'，'.join(names)}）")
    name = f"{table_name}.{column}"
    return Words(name, f"“{_title(table_name, column, header)}”（{name}）")


def called(table_name: str, column: str, header: str = "") -> Words:
    """Return a column of a table under the bank's header, where that is not its name."""
    if isinstance(column, Words):
        return column
    title = _title(table_name, column, header)
    own = f" ('{title}')" if title == header else ""
    return Words(column + own, f"“{title}”列（{column}）")


def _title(table_name: str, column: str, header: str) -> str:
    """Return the header of a column, or its Chinese name where that is the contract's."""
    titles = {"rows": "行数", **{entry.name: entry.zh for entry in table(table_name).columns}}
    return titles[column] if header.casefold() in ("", column) else header
