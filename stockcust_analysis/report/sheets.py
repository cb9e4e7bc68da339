"""The shape of a workbook's sheets, and how figures become cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pandas as pd

from stockcust_analysis.show.headquarters_page import HeadquartersPage
from stockcust_analysis.show.headquarters_tables import type_name
from stockcust_analysis.show.wording import SUPPRESSED, change_between

Kind = Literal["text", "long", "count", "plain", "index", "share", "change", "wan", "cny",
               "points", "z", "mixed"]  # fmt: skip
_TEN_THOUSAND: Final = 10_000
KINDS: Final[dict[str, Kind]] = {
    "money": "wan", "count": "count", "share": "share", "ratio": "plain", "index": "index",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column: its header, how its cells are typed, which words in it are good or bad."""

    label: str
    kind: Kind = "text"
    width: float = 0
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    bars: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart beside a sheet's table: which columns, where, of how many rows at most."""

    categories: int
    values: tuple[int, ...]
    column: int
    row: int = 3
    kind: Literal["bar", "column"] = "column"
    most: int = 30


@dataclass(frozen=True)
class Sheet:
    """One question's sheet.

    Cells of "mixed" columns are typed row by row by `kinds`, those of "change" by `changes`.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    kinds: Sequence[Kind] = ()
    changes: Sequence[str] = ()
    frozen: int = 1
    trend: tuple[int, int] = (0, 0)
    charts: tuple[Chart, ...] = field(default_factory=tuple)


def sheet(page: HeadquartersPage, key: str, columns: Sequence[Column],
           rows: Sequence[Sequence[Any]], **more: Any) -> Sheet:  # fmt: skip
    """Return a sheet by its key, with its name and caption in the page's language."""
    return Sheet(
        page.text(key, "sheet_name"), page.text(key, "sheet_caption"), columns, rows, **more
    )


def heads(page: HeadquartersPage, *keys: str, kind: Kind = "text") -> list[Column]:
    """Return columns whose headers the review's tables have, too."""
    return [Column(page.text(key, "hq_header"), kind) for key in keys]


def branch_columns(page: HeadquartersPage) -> list[Column]:
    """Return the columns that say which branch a row is about."""
    return [Column(page.text("branch_id", "sheet")), *heads(page, "branch"),
            Column(page.text("region", "sheet")), Column(page.text("type", "sheet"))]  # fmt: skip


def branch_cells(page: HeadquartersPage, branch_id: str) -> list[str]:
    """Return a branch's number, name, region and type; the bank has its name alone."""
    branches = page.review.evaluation.branches
    if branch_id not in page.names:
        return [branch_id, page.text("bank", "word"), "", ""]
    row = branches.iloc[page.places[branch_id]]
    return [
        branch_id,
        str(row["name"]),
        str(row.get("region", "")),
        type_name(page, row.get("type", "")),
    ]


def unit_of(page: HeadquartersPage, kind: str) -> str:
    """Return the unit of a kind's cells on the sheets of one question: money in 万元."""
    return page.text("wan", "sheet") if kind == "money" else page.text(kind, "kind_unit")


def scaled(value: Any, kind: str) -> Any:
    """Return a value as its cell holds it: money in ten thousands."""
    if value is None or isinstance(value, str) or value != value:
        return value
    return value / _TEN_THOUSAND if kind == "money" else float(value)


def gap(value: Any, *, gone: bool) -> Any:
    """Return a withheld number as "*", one that does not exist as nothing."""
    return (SUPPRESSED if gone else None) if pd.isna(value) else float(value)


def plain(value: Any) -> Any:
    """Return a number, or nothing."""
    return None if pd.isna(value) else float(value)


def change_cell(now: Any, earlier: Any, kind: Any) -> Any:
    """Return a change as a cell holds it, of shares in points; "*" where one is withheld."""
    if SUPPRESSED in (now, earlier):
        return SUPPRESSED
    change = change_between(now, earlier, kind)
    return None if change is None else float(change) * (100 if kind == "share" else 1)
