"""Tables as data: what a cell says is decided here, how it looks is decided by the page.

```
frame ── table(frame, caption=…, unit=…, formats=…) ──> Table ──> html, JSON for the page, text
```

A `Table` holds finished strings, never markup: a branch named `<b>` or `#read("x")` is text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from numbers import Integral, Number
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from stockcust_analysis.errors import ReportError, UsageError
from stockcust_analysis.show.units import MISSING

TABLE_MIME: Final = "application/vnd.stockcust.table+json"

Look = Literal["rules", "steps"]
Alignment = Literal["left", "right", "center"]
_LOOKS_LIKE_A_NUMBER = re.compile(r"[▲▼+\-−*\s]*([\d,]+(\.\d+)?)?\s*(%|‰|个百分点|pp)?|—|持平|flat")


@dataclass(frozen=True)
class Column:
    """One column of a table: its header, how its cells are aligned, the header group above it."""

    label: str
    align: Alignment = "left"
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A finished table (三线表): caption, unit, columns, rows of strings, note.

    `emphasised` holds the positions of the rows printed in bold, such as a total. The look "steps"
    is for what is to be done: large numbers, the task in bold, what follows a line end below it.
    Two halves in a row stand side by side.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    unit: str = ""
    note: str = ""
    emphasised: frozenset[int] = frozenset()
    look: Look = "rules"
    half: bool = False

    def payload(self) -> dict[str, Any]:
        """Return the table as plain values, ready for JSON."""
        return {
            "caption": self.caption,
            "unit": self.unit,
            "note": self.note,
            "columns": [
                {"label": column.label, "align": column.align, "group": column.group}
                for column in self.columns
            ],
            "rows": [list(row) for row in self.rows],
            "emphasised": sorted(self.emphasised),
            "look": self.look,
            "half": self.half,
        }

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {TABLE_MIME: self.payload(), "text/html": _html(self), "text/plain": _plain(self)}


def table(
    frame: pd.DataFrame,
    *,
    caption: str,
    unit: str = "",
    note: str = "",
    labels: Mapping[str, str] | None = None,
    formats: Mapping[str, Callable[[Any], str]] | None = None,
    align: Mapping[str, Alignment] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    emphasise: Collection[int] = (),
    look: Look = "rules",
    half: bool = False,
) -> Table:
    """Make a table of a frame's columns; the index is not shown.

    `formats` turns values into text; strings and whole numbers need none, other numbers do.
    `labels`, `formats`, `align` and `groups` (header group → its columns, side by side) speak of
    the frame's own column names. `emphasise` holds row positions, from the end when negative.

    >>> people = pd.DataFrame({"branch": ["城关支行", "合计"], "customers": [1200, 1200]})
    >>> shown = table(people, caption="客户数", unit="单位:户", emphasise=[-1])
    >>> shown.rows
    (('城关支行', '1,200'), ('合计', '1,200'))
    >>> [column.align for column in shown.columns], sorted(shown.emphasised)
    (['left', 'right'], [1])
    """
    labels, formats, align, groups = labels or {}, formats or {}, align or {}, groups or {}
    group_of = {name: group for group, names in groups.items() for name in names}
    for unknown in sorted({*labels, *formats, *align, *group_of} - set(map(str, frame.columns))):
        raise UsageError.unknown("column", unknown, frame.columns)
    columns, cells = [], []
    for name, values in frame.items():
        key = str(name)
        texts = _texts(values, key, formats.get(key))
        side = align.get(key) or natural_alignment(texts)
        columns.append(Column(labels.get(key, key), side, group_of.get(key, "")))
        cells.append(texts)
    emphasised = frozenset(range(len(frame))[position] for position in emphasise)
    rows = tuple(zip(*cells, strict=True))
    return Table(caption, tuple(columns), rows, unit, note, emphasised, look, half)


def _texts(values: pd.Series[Any], name: str, text_of: Callable[[Any], str] | None) -> list[str]:
    """Return a column's cells as text; the column's name is for the error message only."""
    texts = []
    for value in values:
        if pd.isna(value):
            texts.append(MISSING)
        elif text_of is not None:
            texts.append(text_of(value))
        elif isinstance(value, (str, bool, np.bool)):
            texts.append(str(value))
        elif isinstance(value, Integral):
            texts.append(f"{value:,}")
        elif isinstance(value, Number):
            raise ReportError(
                f"column '{name}' holds decimal numbers and no format: how many decimals to print "
                f"is a decision, make it with formats={{'{name}': …}}."
            )
        else:
            texts.append(str(value))
    return texts


def natural_alignment(texts: Sequence[str]) -> Alignment:
    """Return "right" for a column of numbers, "left" for one of words."""
    numbers = texts and all(_LOOKS_LIKE_A_NUMBER.fullmatch(text) for text in texts)
    return "right" if numbers else "left"


def header_groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Return the header groups from left to right, each with the number of columns it spans.

    >>> header_groups([Column("支行"), Column("户数", group="本季"), Column("金额", group="本季")])
    [('', 1), ('本季', 2)]
    """
    spans: list[tuple[str, int]] = []
    for column in columns:
        if spans and spans[-1][0] == column.group:
            spans[-1] = (column.group, spans[-1][1] + 1)
        else:
            spans.append((column.group, 1))
    return spans


def _plain(shown: Table) -> str:
    """Return the table as tab-separated lines, for logs and consoles."""
    title = "  ".join(part for part in (shown.caption, shown.unit) if part)
    header = "\t".join(column.label for column in shown.columns)
    lines = [title, header, *("\t".join(row) for row in shown.rows), shown.note]
    return "\n".join(line for line in lines if line)


def _html(shown: Table) -> str:
    """Return the table as escaped HTML with its three rules, for JupyterLab."""
    thick, thin, bare = "1.5px solid #333", "0.75px solid #333", "border:0;background:none"
    body = "".join(
        f'<tr style="{bare};font-weight:{"700" if position in shown.emphasised else "400"}">'
        + "".join(
            f'<td style="text-align:{column.align}">{escape(text)}</td>'
            for column, text in zip(shown.columns, row, strict=True)
        )
        + "</tr>"
        for position, row in enumerate(shown.rows)
    )
    spans = header_groups(shown.columns)
    upper = "".join(
        f'<th colspan="{width}" style="text-align:center">{escape(group)}</th>'
        for group, width in spans
    )
    labels = "".join(
        f'<th style="text-align:{column.align}">{escape(column.label)}</th>'
        for column in shown.columns
    )
    group_row = f'<tr style="{bare}">{upper}</tr>' if any(group for group, _ in spans) else ""
    return (
        f'<table style="border-collapse:collapse;border-top:{thick};border-bottom:{thick}">'
        f'<caption style="text-align:left"><b>{escape(shown.caption)}</b>'
        f'<span style="float:right">{escape(shown.unit)}</span></caption>'
        f'<thead style="border-bottom:{thin}">{group_row}<tr style="{bare}">{labels}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
        + (f"<small>{escape(shown.note)}</small>" if shown.note else "")
    )
