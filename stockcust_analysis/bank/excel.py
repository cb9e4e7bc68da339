"""Excel workbooks, sheet by sheet and cell by cell.

Every sheet is accounted for: sheets that hold the table are put together, others are named. What a
person sees in Excel and a reader does not (errors, merged cells, hidden sheets, digits beyond the
fifteenth) is a problem, never an empty cell.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import python_calamine as calamine

from stockcust_analysis.bank.contract import Table
from stockcust_analysis.bank.lost_cells import ERROR, MERGED, NOT_COMPUTED, Lost, find_lost_cells
from stockcust_analysis.bank.validation import Problem

_LOOKED_AT = 30
_SHOWN = 3
_REMEDIES = {
    ERROR: "Mend it in Excel, or empty the cell.",
    MERGED: "Unmerge them, and fill every cell with its value.",
    NOT_COMPUTED: "Open the workbook in Excel and save it, or paste the values.",
}


class WorkbookError(Exception):
    """A workbook that cannot be read; its arguments are what is wrong and what to do."""


@dataclass(frozen=True)
class Sheet:
    """A sheet's cells from A1 on, None where empty, and what a reader cannot see in them."""

    name: str
    is_visible: bool
    rows: list[list[Any]]
    lost: Lost


@dataclass(frozen=True)
class SheetTable:
    """A sheet that holds a table: its header's texts by column, and the header's row, from 0."""

    sheet: Sheet
    header_row: int
    headers: Mapping[int, str]

    def rows(self) -> Iterator[tuple[int, list[str | None]]]:
        """Yield the number of each row that is not empty, as Excel shows it, and its texts."""
        for number, row in enumerate(self.sheet.rows[self.header_row + 1 :], self.header_row + 2):
            cells = [cell_text(row[column]) for column in self.headers]
            if any(cell is not None for cell in cells):
                yield number, cells


def read_workbook(path: Path) -> list[Sheet]:
    """Return all sheets of a workbook that hold cells; WorkbookError when it cannot be read."""
    try:
        # From an open file calamine goes by the content, whatever the name's ending.
        with path.open("rb") as file, calamine.load_workbook(file) as book:
            lost = find_lost_cells(path, book.sheet_names)
            sheets = [
                _sheet(book.get_sheet_by_name(entry.name), entry.visible, lost.get(entry.name, {}))
                for entry in book.sheets_metadata
                if entry.typ is calamine.SheetTypeEnum.WorkSheet
            ]
    except calamine.PasswordError:
        what, remedy = f"{path.name} is protected by a password", "Save it without one."
        raise WorkbookError(what, remedy) from None
    except Exception:  # noqa: BLE001  # the reader's errors are of many kinds
        raise _unreadable(path) from None
    except BaseException as error:  # a panic of the reader, which is written in Rust
        if type(error).__name__ != "PanicException":
            raise
        raise _unreadable(path) from None
    return [sheet for sheet in sheets if sheet.rows]


def _unreadable(path: Path) -> WorkbookError:
    remedy = "Open it in Excel and save it as .xlsx; text and web pages are often named .xls."
    return WorkbookError(f"{path.name} cannot be read as an Excel workbook", remedy)


def _sheet(cells: calamine.CalamineSheet, visible: calamine.SheetVisibleEnum, lost: Lost) -> Sheet:
    rows = [
        [None if cell == "" else cell for cell in row]
        for row in cells.to_python(skip_empty_area=False)
    ]
    covered = {
        (row, column): MERGED
        for (top, left), (bottom, right) in cells.merged_cell_ranges or []
        for row in range(top, bottom + 1)
        for column in range(left, right + 1)
        if (row, column) != (top, left)
    }
    is_visible = visible is calamine.SheetVisibleEnum.Visible
    return Sheet(cells.name, is_visible, rows, covered | lost)


def cell_text(cell: object) -> str | None:
    """Return a cell as the text that a CSV export would hold.

    Numbers have 15 digits, as in Excel; longer ones come in scientific notation, which is refused
    where they are names.

    >>> cell_text(1200.0), cell_text(0.1 + 0.2), cell_text(622202123456789012)
    ('1200', '0.3', '6.22202123456789e+17')
    """
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        text = format(cell, ".15g")
        return format(cell, ".15f") if "e-" in text else text
    if isinstance(cell, datetime):
        return cell.isoformat(" ") if cell.time() != datetime.min.time() else str(cell.date())
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def read_tables(
    path: Path, contract: Table, names: Mapping[str, str]
) -> tuple[list[SheetTable], list[Problem]]:
    """Return the sheets of a workbook that hold a table, and what is wrong with its sheets.

    `names` maps the headers that are understood to columns of the contract. Sheets that hold
    nothing of the table are named in a warning.
    """
    tables = [_locate_header(sheet, names) for sheet in read_workbook(path)]
    if not tables:
        raise WorkbookError(f"{path.name} is empty", "Deliver the header and the rows.")
    visible = [table for table in tables if table.sheet.is_visible]
    taken = [table for table in visible if not _lacking(table, contract, names)]
    taken = taken or sorted(visible, key=lambda table: -len(_known(table, names)))[:1]
    problems, left_out = [], []
    for table in tables:
        lacking, title = _lacking(table, contract, names), f"sheet '{table.sheet.name}'"
        if table in taken:
            found = _find_problems(table, names)
        elif not lacking:
            remedy = "Unhide the sheet if its rows count, or else delete it."
            found = [("", "holds this table and is hidden", remedy, [])]
        elif table.sheet.is_visible and 2 * len(lacking) <= len(contract.required_names):
            what = f"lacks headers that another sheet has ({', '.join(sorted(lacking))})"
            found = [("", what, "Complete the header row, or delete the sheet.", [])]
        else:
            left_out.append(title if table.sheet.is_visible else f"{title} (hidden)")
            continue
        problems += [
            Problem(
                contract.name, column, f"{path.name}, {title}: {what}", remedy,
                len(rows), tuple(str(row + 1) for row in rows[:_SHOWN]),
            )
            for column, what, remedy, rows in found
        ]  # fmt: skip
    if left_out:
        listed = ", ".join(left_out)
        warnings.warn(f"{path.name}: no table, and left out: {listed}.", stacklevel=2)
    return taken, problems


def _locate_header(sheet: Sheet, names: Mapping[str, str]) -> SheetTable:
    """Return the sheet with the row, among its first, that holds most of the table's headers."""
    candidates = [SheetTable(sheet, row, _headers(sheet.rows[row])) for row in _filled_rows(sheet)]
    return max(candidates[:_LOOKED_AT], key=lambda table: len(_known(table, names)))


def _filled_rows(sheet: Sheet) -> list[int]:
    return [index for index, row in enumerate(sheet.rows) if row.count(None) < len(row)]


def _headers(row: list[Any]) -> dict[int, str]:
    texts = {column: (cell_text(cell) or "").strip() for column, cell in enumerate(row)}
    return {column: text for column, text in texts.items() if text}


def _known(table: SheetTable, names: Mapping[str, str]) -> set[str]:
    """Return the columns of the contract that a sheet has headers of."""
    return {names[header] for header in table.headers.values() if header in names}


def _lacking(table: SheetTable, contract: Table, names: Mapping[str, str]) -> set[str]:
    """Return the required columns that a sheet has no headers of."""
    return {*contract.required_names} - _known(table, names)


def _find_problems(
    table: SheetTable, names: Mapping[str, str]
) -> list[tuple[str, str, str, list[int]]]:
    """Return what is wrong in a sheet: the column, what, what to do, and the rows from 0."""
    sheet, header_row = table.sheet, table.header_row
    found: list[tuple[str, str, str, list[int]]] = []
    above = [row for row in _filled_rows(sheet) if row < header_row]
    if above:
        what = f"the header stands in row {header_row + 1}, below other text"
        found.append(("", what, "Delete the rows above the header.", above))
    counts = Counter(header.casefold() for header in table.headers.values())
    for header in dict.fromkeys(table.headers.values()):
        if counts.pop(header.casefold(), 1) > 1:
            what = f"header '{header}' stands twice"
            found.append((names.get(header, ""), what, "Keep one.", []))
    for column, cells in enumerate(zip(*sheet.rows, strict=True)):
        rows = [row for row, cell in enumerate(cells) if row > header_row and cell is not None]
        if rows and column not in table.headers:
            what = f"column {column + 1} has no header"
            found.append(("", what, "Write its header, or delete the column.", rows))
    lost: dict[tuple[str, str], list[int]] = {}
    for (row, column), what in sorted(sheet.lost.items()):
        name = names.get(table.headers.get(column, ""))
        if name and row > header_row:
            lost.setdefault((name, what), []).append(row)
    return found + [(name, what, _REMEDIES[what], rows) for (name, what), rows in lost.items()]
