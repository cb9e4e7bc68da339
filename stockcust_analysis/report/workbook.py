"""Headquarters' workbook: one sheet per question, with typed cells; the same bytes every time.

A sheet is declared column by column (`workbook_sheets`); here it is written. A withheld figure is
the text "*", never blank and never 0; one that does not exist is blank, or "—" where a note says
why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any, Final

import xlsxwriter
from xlsxwriter.utility import xl_range_abs

from stockcust_analysis.policy.describe import text_width
from stockcust_analysis.show.blocks import MISSING
from stockcust_analysis.show.results import new_workbook
from stockcust_analysis.show.wording import SUPPRESSED

HEADER_ROW: Final = 2  # above it: the title with the review status, and a line of explanation
_FIRST_ROW: Final = HEADER_ROW + 1
_CELLS_IN_MEMORY: Final = 2_000_000  # a larger workbook is written row by row: slower to open
PRINTED_ROWS: Final = 80  # on two pages or three
_A4, _WIDEST, _ROWS_IN_CHART = 9, 46, 30
LINE_HEIGHT: Final = 15
_FONT: Final = {"font_name": "Noto Sans CJK SC", "font_size": 10, "valign": "top"}
_PALE: Final = {"bg_color": "#F2F5F8"}
_HEAD: Final = {"bold": True, "text_wrap": True, "valign": "vcenter", **_PALE, "top": 2}
_CHANGES: Final = {
    "money": "0.0%",
    "count": "0.0%",
    "share": '0.0" pp"',
    "points": '0.0"个百分点"',
    "ratio": "0.00",
    "index": "0.000",
}
_FORMATS: Final[dict[str, dict[str, Any]]] = {
    "text": {"align": "left", "indent": 1},
    "long": {"text_wrap": True, "align": "left", "indent": 1},
    "count": {"num_format": "#,##0"},
    **{kind: {"num_format": "#,##0.00"} for kind in ("plain", "wan", "cny")},
    "index": {"num_format": "0.000"},
    "herfindahl": {"num_format": "0.0000"},
    "share": {"num_format": "0.0%"},
    **{f"change_{kind}": {"num_format": f'"▲ "{x};"▼ "{x};{x}'} for kind, x in _CHANGES.items()},
    "million": {"num_format": "#,##0.000"},
    "points": {"num_format": "0.0"},
    "z": {"num_format": "+0.0;-0.0;0.0"},
    "gone": {"align": "right", "font_color": "#7B8794"},
    "title": {"bold": True, "font_color": "#1B4F72"},
    "note": {"font_color": "#52606D"},
    "head": {**_HEAD, "bottom": 1, "indent": 1},
    "head_right": {**_HEAD, "align": "right", "bottom": 1},
    "good": {"bg_color": "#DCE9F5"},
    "bad": {"bg_color": "#FBE3D0"},
}


@dataclass(frozen=True)
class Column:
    """One column: its header, its cells, how they are typed, which words in it are good or bad.

    `kind` is a format's name for all cells, or one for each of them.
    """

    label: str
    values: Sequence[Any]
    kind: str | Sequence[str] = "text"
    width: float = 0
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    bars: bool = False

    @property
    def is_text(self) -> bool:
        """Whether its cells hold words."""
        return self.kind in ("text", "long")

    @property
    def fitting_width(self) -> float:
        """The width in which its cells fit: a Chinese character is as wide as two others."""
        if self.width:
            return self.width
        texts = {value for value in self.values if isinstance(value, str)}
        numbers = [abs(v) for v in self.values if isinstance(v, (int, float)) and v == v]
        kinds = {self.kind} if isinstance(self.kind, str) else {*self.kind}
        signs = max((text_width(_signs_of(kind)) for kind in kinds), default=0)
        digits = len(f"{max(numbers, default=0):,.2f}")
        widths: list[float] = [*map(text_width, texts), digits + signs]
        if not self.is_text:
            widths.append(text_width(self.label) / 2 + 1)
        return min(max(8.0, *widths) + 2.5, _WIDEST)


def _signs_of(kind: str) -> str:
    """Return what a format puts around a number: arrow and unit."""
    return "".join(re.findall('"(.*?)"', _FORMATS[kind].get("num_format", "").partition(";")[0]))


@dataclass(frozen=True)
class Sheet:
    """One question's sheet: its columns, how many of them stay in sight, lines and a chart.

    Of more rows than `PRINTED_ROWS` the first are printed; all of them on as many `pages` as are
    stated, upright where it is one, 0 for what they need.
    `trend` are the first and the last column that a line in the next column is drawn of; `chart`
    is the column that is drawn against the second one, beside the table.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    note: str = ""
    frozen: int = 1
    pages: int | None = None
    trend: tuple[int, int] | None = None
    chart: int | None = None

    @property
    def rows(self) -> int:
        """How many rows it has below the header."""
        return len(self.columns[0].values) if self.columns else 0


def fit_rows(worksheet: Any, first: int, texts: Iterable[tuple[float, Iterable[Any]]]) -> None:
    """Make rows as high as the lines of their long texts: width and cells of each such column.

    Rows need their height stated: left to itself LibreOffice prints one line of each.
    """
    rows = [
        [-(-text_width(str(c or "")) // int(width - 2)) for c in cells] for width, cells in texts
    ]
    for row, lines in enumerate(zip(*rows, strict=True), first):
        worksheet.set_row(row, max(1, *lines) * LINE_HEIGHT)


def set_up_printing(worksheet: Any, header_row: int) -> None:
    """Print a sheet on A4 across, as wide as the page, with its header on every page."""
    worksheet.set_paper(_A4)
    worksheet.set_landscape()
    worksheet.fit_to_pages(1, 0)
    worksheet.repeat_rows(header_row)


def write_sheets(
    path: Path, sheets: Sequence[Sheet], *, title: str, state: str, company: str, created: date
) -> None:
    """Write a workbook of the sheets that have rows.

    Parameters
    ----------
    path
        Where to; it appears whole or not at all.
    sheets
        In their order; those without rows are left out.
    title, state
        On the first line of every sheet, and printed below.
    company, created
        Properties of the file.
    """
    shown = [sheet for sheet in sheets if sheet.rows]
    in_memory = sum(sheet.rows * len(sheet.columns) for sheet in shown) <= _CELLS_IN_MEMORY
    properties = {"title": title, "company": company, "status": state}
    memory = {"in_memory": in_memory, "constant_memory": not in_memory}
    with new_workbook(path, created=created, properties=properties, **memory) as book:
        book.formats[0].set_font_name(_FONT["font_name"])
        book.formats[0].set_font_size(_FONT["font_size"])
        formats = {name: book.add_format({**_FONT, **style}) for name, style in _FORMATS.items()}
        for sheet in shown:
            _write_sheet(book, sheet, formats, f"{title} · {state}")


def _write_sheet(book: Any, sheet: Sheet, formats: Mapping[str, Any], title: str) -> None:
    """Write one sheet: header that stays, filters, a line per row, then what helps the eye."""
    worksheet = book.add_worksheet(sheet.name)
    worksheet.write_string(0, 0, title, formats["title"])
    explanation = " · ".join(filter(None, (sheet.caption, sheet.note)))
    worksheet.write_string(1, 0, explanation, formats["note"])
    worksheet.set_row(HEADER_ROW, 30)
    for position, column in enumerate(sheet.columns):
        worksheet.set_column(position, position, column.fitting_width)
    long = ((column.width, column.values) for column in sheet.columns if column.kind == "long")
    fit_rows(worksheet, _FIRST_ROW, long)
    _write_cells(worksheet, sheet, formats)
    worksheet.freeze_panes(_FIRST_ROW, sheet.frozen)
    worksheet.autofilter(HEADER_ROW, 0, HEADER_ROW + sheet.rows, len(sheet.columns) - 1)
    _emphasise(worksheet, sheet, formats)
    set_up_printing(worksheet, HEADER_ROW)
    if sheet.pages == 1:
        worksheet.set_portrait()
    if sheet.pages is not None:
        worksheet.fit_to_pages(1, sheet.pages)
    elif sheet.rows > PRINTED_ROWS:
        worksheet.print_area(0, 0, HEADER_ROW + PRINTED_ROWS, len(sheet.columns) - 1)
    worksheet.set_footer(f"&L{title.replace('&', '&&')}&R&P / &N")
    if sheet.chart is not None:
        worksheet.insert_chart(_FIRST_ROW, len(sheet.columns) + 1, _draw(book, sheet, sheet.chart))


def _write_cells(worksheet: Any, sheet: Sheet, formats: Mapping[str, Any]) -> None:
    """Write headers and cells, row by row: a large workbook cannot go back to one."""
    for row, position in product(range(-1, sheet.rows), range(len(sheet.columns))):
        column, line = sheet.columns[position], _FIRST_ROW + row
        if row < 0:
            style = "head" if column.is_text else "head_right"
            worksheet.write_string(line, position, column.label, formats[style])
            continue
        value = column.values[row]
        if value is None or value != value:
            continue
        kind = column.kind if isinstance(column.kind, str) else column.kind[row]
        if value in (SUPPRESSED, MISSING):
            kind = "gone"
        elif isinstance(value, str) and not column.is_text:
            kind = "text"
        worksheet.write(line, position, value, formats[kind])


def _emphasise(worksheet: Any, sheet: Sheet, formats: Mapping[str, Any]) -> None:
    """Colour what is good or bad, draw bars for points, and lines for quarters."""
    last = HEADER_ROW + sheet.rows
    for position, column in enumerate(sheet.columns):
        area = (_FIRST_ROW, position, last, position)
        for words, name in ((column.good, "good"), (column.bad, "bad")):
            for word in words:
                rule = {"type": "cell", "criteria": "==", "value": f'"{word}"'}
                worksheet.conditional_format(*area, {**rule, "format": formats[name]})
        if column.bars:
            bars = {"type": "data_bar", "bar_color": "#9DB8CF", "bar_solid": True}
            worksheet.conditional_format(*area, bars)
    if sheet.trend:
        first, final = sheet.trend
        for row in range(_FIRST_ROW, last + 1):
            cells = f"'{sheet.name}'!{xl_range_abs(row, first, row, final)}"
            line = {"range": cells, "series_color": "#1B4F72", "last_point": True}
            worksheet.add_sparkline(row, final + 1, line)


def _draw(book: xlsxwriter.Workbook, sheet: Sheet, column: int) -> Any:
    """Return the chart of one column over the second, for the first rows."""
    last = HEADER_ROW + min(sheet.rows, _ROWS_IN_CHART)
    chart = book.add_chart({"type": "column"})
    chart.add_series(
        {
            "name": [sheet.name, HEADER_ROW, column],
            "categories": [sheet.name, _FIRST_ROW, 1, last, 1],
            "values": [sheet.name, _FIRST_ROW, column, last, column],
            "fill": {"color": "#2E6A9E"},
        }
    )
    chart.set_title({"name": sheet.caption, "name_font": {"size": 11}})
    chart.set_legend({"none": True, "position": "bottom"})
    chart.set_size({"width": 640, "height": 340})
    chart.set_y_axis({"num_format": "0%", "major_gridlines": {"visible": True}})
    return chart
