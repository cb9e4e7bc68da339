"""Sheets and columns of the workbook in the words of a page, with money in ten thousands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import pandas as pd

from stockcust_analysis.report.workbook import Column, Sheet
from stockcust_analysis.show.headquarters_page import HeadquartersPage
from stockcust_analysis.show.headquarters_tables import note_words, peer_name, type_name
from stockcust_analysis.show.wording import SUPPRESSED, assumptions, measure_words

_TEN_THOUSAND: Final = 10_000
CELL_KINDS: Final = {
    "money": "wan",
    "count": "count",
    "share": "share",
    "ratio": "plain",
    "index": "index",
}


class SheetBuilder:
    """Makes sheets of one review: columns by the keys of their headers, codes by their words."""

    def __init__(self, page: HeadquartersPage) -> None:
        self._page = page
        self._evaluation = page.review.evaluation
        dimensions = ("customer_class", "channel", "family", "tier")
        self._members = {
            name: word for each in dimensions for name, word in page.members(each).items()
        }

    def _sheet(self, key: str, columns: Sequence[Column], **more: Any) -> Sheet:
        """Return a sheet by its key, with its name and caption in the page's language."""
        word = self._page.text
        return Sheet(word(key, "sheet_name"), word(key, "sheet_caption"), columns, **more)

    def _column(
        self,
        key: str,
        values: Sequence[Any],
        kind: str | Sequence[str] = "text",
        within: str = "hq_header",
        **more: Any,
    ) -> Column:
        """Return a column by the key of its header."""
        return Column(self._page.text(key, within), values, kind, **more)

    def _named(
        self,
        key: str,
        values: Iterable[Any],
        name: Callable[[Any], str],
        within: str = "hq_header",
        **more: Any,
    ) -> Column:
        """Return a column of codes by their names, each looked up once."""
        codes = list(values)
        known = {code: name(code) for code in dict.fromkeys(codes)}
        return self._column(key, [known[code] for code in codes], within=within, **more)

    def _coded(
        self,
        key: str,
        values: Iterable[str],
        section: str = "",
        within: str = "hq_header",
        **more: Any,
    ) -> Column:
        """Return a column of codes by the words of a section, by default the header's key."""

        def name(code: str) -> str:
            return self._page.text(code, section or key) if code else ""

        return self._named(key, values, name, within, **more)

    def _branch(self, branch_ids: Iterable[str], *, with_region: bool = False) -> list[Column]:
        """Return the columns that say which branch a row is about; the bank has its name alone."""
        page, ids = self._page, list(branch_ids)
        facts = self._evaluation.branches.set_index("branch_id")
        bank = page.text("bank", "word")
        columns = [
            self._column("branch_id", ids, within="sheet"),
            self._named("branch", ids, lambda branch: str(page.names.get(branch, bank))),
        ]
        if with_region:
            rows = facts.reindex(columns=["region", "type"], fill_value="").reindex(ids)
            regions = rows["region"].fillna("").astype(str)
            types = [type_name(page, kind) for kind in rows["type"].fillna("")]
            columns.append(self._column("region", regions.tolist(), within="sheet"))
            columns.append(self._column("type", types, within="sheet"))
        return columns

    def _peers(self, groups: Iterable[str]) -> Column:
        return self._named("peer_group", groups, lambda group: peer_name(self._page, group))

    def _notes(self, notes: Iterable[str]) -> Column:
        return self._named("note", notes, lambda note: note_words(self._page, note), "sheet")

    def _units(self, kinds: Sequence[str]) -> Column:
        """Return the units of figures on the sheets of one question: money in ten thousands."""

        def unit(kind: str) -> str:
            word = self._page.text
            return word("wan", "sheet") if kind == "money" else word(kind, "kind_unit")

        return self._named("unit", kinds, unit, within="header")

    def _figures(
        self, key: str, values: Iterable[Any], kinds: Sequence[str], within: str = "hq_header"
    ) -> Column:
        """Return a column whose cells are of different kinds."""
        return self._column(key, scaled(values, kinds), cell_kinds(kinds), within)

    def _member(self, code: str) -> str:
        return self._members.get(code, code)

    def _assumptions(self) -> list[str]:
        """Return what the figures assume where the bank did not deliver something."""
        return assumptions(self._page.bank.evaluation.policy_facts, self._page.language)


def kinds_of(measures: Iterable[str]) -> list[str]:
    """Return the kind of each measure, looked up once."""
    codes = list(measures)
    kinds = {code: measure_words(code).kind for code in dict.fromkeys(codes)}
    return [kinds[code] for code in codes]


def cell_kinds(kinds: Iterable[str]) -> list[str]:
    """Return how cells show figures of these kinds."""
    return [CELL_KINDS[kind] for kind in kinds]


def scaled(values: Iterable[Any], kinds: Iterable[str]) -> list[Any]:
    """Return values as cells hold them: money in ten thousands."""
    return [
        value / _TEN_THOUSAND if kind == "money" and isinstance(value, (int, float)) else value
        for value, kind in zip(values, kinds, strict=True)
    ]


def in_ten_thousands(values: Sequence[Any]) -> list[Any]:
    """Return amounts of money as cells hold them."""
    return scaled(values, ["money"] * len(values))


def with_gaps(values: pd.Series[Any], withheld: Iterable[Any] | None = None) -> list[Any]:
    """Return numbers; a withheld one as "*", one that does not exist as nothing."""
    marks = [False] * len(values) if withheld is None else withheld
    return [
        (SUPPRESSED if mark else None) if value != value else value
        for value, mark in zip(values.astype(float).tolist(), marks, strict=True)
    ]
