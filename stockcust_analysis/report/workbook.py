"""Headquarters' workbook: one sheet per question, typed cells, the same bytes every time.

What a sheet says is decided in `workbook_bank` and `workbook_branches`; here it is written. A
withheld figure is the text "*", never blank and never 0; one that does not exist is blank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import xlsxwriter
from xlsxwriter.utility import xl_range_abs

from stockcust_analysis.atomic import whole
from stockcust_analysis.report import workbook_bank, workbook_branches
from stockcust_analysis.report.sheets import Column, Sheet
from stockcust_analysis.show.headquarters_page import HeadquartersPage
from stockcust_analysis.show.wording import SUPPRESSED

HEADER_ROW: Final = 2
"""Above the header: the title with the review status, and a line of explanation."""
_A4, _WIDEST = 9, 46
_FONT: Final = {"font_name": "Noto Sans CJK SC", "font_size": 10}
_NUMBERS: Final[dict[str, dict[str, Any]]] = {
    "text": {"indent": 1}, "long": {"text_wrap": True, "valign": "top", "indent": 1},
    "count": {"num_format": "#,##0"}, "plain": {"num_format": "#,##0.00"},
    "index": {"num_format": "0.000"}, "share": {"num_format": "0.0%"},
    **{f"change_{kind}": {"num_format": f'"▲ "{size};"▼ "{size};{size}'} for kind, size in
       {"money": "0.0%", "count": "0.0%", "share": '0.0" pp"', "ratio": "0.00",
        "index": "0.000"}.items()},
    "wan": {"num_format": "#,##0.00"},
    "cny": {"num_format": "#,##0.00"}, "points": {"num_format": "0.0"},
    "z": {"num_format": "+0.0;-0.0;0.0"},
}  # fmt: skip
_GOOD, _BAD, _PALE = "#DCE9F5", "#FBE3D0", "#F2F5F8"


def write_workbook(path: Path, page: HeadquartersPage, *, status: str) -> None:
    """Write headquarters' workbook.

    Parameters
    ----------
    path
        Where to; it appears whole or not at all.
    page
        The review and its language.
    status
        "draft", "reviewed" or "issued": on the first line of every sheet, and printed below.
    """
    told = page.review.evaluation
    options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    title = f"{told.bank_name} · {page.text('title')} · {page.quarter}"
    state = page.text("status_line").format(status=page.text(status, "review_status"))
    state = f"{page.edition} · {state}"
    with whole(path) as beside:
        book = xlsxwriter.Workbook(str(beside), options)
        end = told.quarter.end
        book.set_properties({
            "title": title, "company": told.bank_name, "status": state,
            "created": datetime(end.year, end.month, end.day),
        })  # fmt: skip
        book.formats[0].set_font_name(_FONT["font_name"])
        book.formats[0].set_font_size(_FONT["font_size"])
        formats = _formats(book)
        for sheet in _sheets(page):
            _write(book, sheet, formats, f"{title} · {state}")
        book.close()


def _sheets(page: HeadquartersPage) -> Iterator[Sheet]:
    """Yield the workbook's sheets in order; a question without an answer has none."""
    bank, branches = workbook_bank, workbook_branches
    for made in (
        bank.overview_sheet, branches.exceptions_sheet, branches.scores_sheet,
        branches.decomposition_sheet, branches.comparison_sheet, bank.migration_sheet,
        bank.bridge_sheet, bank.concentration_sheet, bank.measures_sheet, bank.quality_sheet,
        bank.pages_sheet, bank.restatements_sheet, bank.definitions_sheet,
    ):  # fmt: skip
        sheet = made(page)
        if sheet.rows:
            yield sheet


def _formats(book: xlsxwriter.Workbook) -> dict[str, Any]:
    styles: dict[str, dict[str, Any]] = {
        **_NUMBERS,
        "gone": {"align": "right", "font_color": "#7B8794"},
        "title": {"bold": True, "font_color": "#1B4F72"},
        "note": {"font_color": "#52606D"},
        "head": {"bold": True, "text_wrap": True, "valign": "vcenter", "bg_color": _PALE,
                 "top": 2, "bottom": 1, "indent": 1},
        "head_right": {"bold": True, "text_wrap": True, "valign": "vcenter", "align": "right",
                       "bg_color": _PALE, "top": 2, "bottom": 1},
        "good": {"bg_color": _GOOD}, "bad": {"bg_color": _BAD},
    }  # fmt: skip
    return {name: book.add_format({**_FONT, **style}) for name, style in styles.items()}


def _write(book: xlsxwriter.Workbook, sheet: Sheet, formats: Mapping[str, Any], title: str) -> None:
    """Write one sheet: header that stays, filters, a line per row, then what helps the eye."""
    place = book.add_worksheet(sheet.name)
    place.write_string(0, 0, title, formats["title"])
    place.write_string(1, 0, " · ".join(filter(None, (sheet.caption, sheet.note))), formats["note"])
    place.set_row(HEADER_ROW, 30)
    rows = sheet.rows
    for at, column in enumerate(sheet.columns):
        worded = column.kind in ("text", "long")
        place.write_string(
            HEADER_ROW, at, column.label, formats["head" if worded else "head_right"]
        )
        place.set_column(at, at, _width(column, sheet, at))
        for row, cells in enumerate(rows, start=HEADER_ROW + 1):
            at_row = row - HEADER_ROW - 1
            by_row = {"mixed": sheet.kinds, "change": sheet.changes}.get(column.kind)
            kind = by_row[at_row] if by_row else column.kind
            _write_cell(place, row, at, cells[at], formats, kind)
    last = HEADER_ROW + len(rows)
    place.freeze_panes(HEADER_ROW + 1, sheet.frozen)
    if rows:
        place.autofilter(HEADER_ROW, 0, last, len(sheet.columns) - 1)
        _emphasise(place, sheet, formats, last)
    place.set_paper(_A4)
    place.set_landscape()
    place.fit_to_pages(1, 0)
    place.repeat_rows(HEADER_ROW)
    place.set_footer(f"&L{title.replace('&', '&&')}&R&P / &N")
    for chart in sheet.charts:
        place.insert_chart(chart.row, chart.column, _chart(book, sheet, chart))


def _write_cell(
    place: Any, row: int, at: int, value: Any, formats: Mapping[str, Any], kind: str
) -> None:
    if value is None or value != value:
        return
    if value == SUPPRESSED:
        place.write_string(row, at, SUPPRESSED, formats["gone"])
    elif isinstance(value, str):
        place.write_string(row, at, value, formats[kind if kind == "long" else "text"])
    else:
        place.write_number(row, at, value, formats[kind])


def _width(column: Column, sheet: Sheet, at: int) -> float:
    """Return a width in which the cells fit: a Chinese character takes two places."""
    if column.width:
        return column.width
    shown = [column.label] if column.kind not in ("text", "long") else []
    lengths = [sum(1 + (ord(letter) > 0x2E7F) for letter in text) / 2 + 1 for text in shown]
    words = (str(row[at]) for row in sheet.rows if isinstance(row[at], str))
    lengths += [sum(1 + (ord(letter) > 0x2E7F) for letter in text) for text in {*words}]
    numbers = [abs(row[at]) for row in sheet.rows if isinstance(row[at], (int, float))]
    lengths.append(len(f"{max((n for n in numbers if n == n), default=0):,.2f}"))
    return min(max(8.0, *lengths) + 2.5, _WIDEST)


def _emphasise(place: Any, sheet: Sheet, formats: Mapping[str, Any], last: int) -> None:
    """Colour what is good or bad, draw bars for points, and lines for quarters."""
    for at, column in enumerate(sheet.columns):
        area = (HEADER_ROW + 1, at, last, at)
        for words, name in ((column.good, "good"), (column.bad, "bad")):
            for word in words:
                rule = {"type": "cell", "criteria": "==", "value": f'"{word}"'}
                place.conditional_format(*area, {**rule, "format": formats[name]})
        if column.bars:
            place.conditional_format(
                *area, {"type": "data_bar", "bar_color": "#9DB8CF", "bar_solid": True}
            )
    first, final = sheet.trend
    for row in range(HEADER_ROW + 1, last + 1 if final else 0):
        place.add_sparkline(row, final + 1, {
            "range": f"'{sheet.name}'!{xl_range_abs(row, first, row, final)}",
            "series_color": "#1B4F72", "last_point": True,
        })  # fmt: skip


def _chart(book: xlsxwriter.Workbook, sheet: Sheet, wanted: Any) -> Any:
    """Return a bar chart of one column over another."""
    chart = book.add_chart({"type": wanted.kind})
    first, last = HEADER_ROW + 1, HEADER_ROW + min(len(sheet.rows), wanted.most)
    for at in wanted.values:
        chart.add_series({
            "name": [sheet.name, HEADER_ROW, at],
            "categories": [sheet.name, first, wanted.categories, last, wanted.categories],
            "values": [sheet.name, first, at, last, at],
            "fill": {"color": "#2E6A9E" if at == wanted.values[0] else "#E08B3E"},
        })  # fmt: skip
    chart.set_title({"name": sheet.caption, "name_font": {"size": 11}})
    chart.set_legend({"none": len(wanted.values) < 2, "position": "bottom"})
    chart.set_size({"width": 640, "height": 340})
    chart.set_y_axis({"num_format": "0%", "major_gridlines": {"visible": True}})
    if wanted.kind == "bar":
        chart.set_y_axis({"reverse": True})
    return chart
