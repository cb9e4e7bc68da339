"""Excel workbooks, sheet by sheet and cell by cell.

Every sheet is accounted for: sheets that hold the table are put together, others are named. What a
person sees in Excel and a reader does not (errors, merged cells, hidden sheets, digits beyond the
fifteenth) is a problem, never an empty cell.

calamine gives an empty cell for #REF! and for a formula without a stored value, so the files are
looked through for them: the XML of .xlsx and .ods, the records of .xls and .et. In .xlsb they
cannot be seen.
"""

from __future__ import annotations

import re
import struct
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, reduce
from pathlib import Path
from posixpath import join, normpath
from typing import IO, Any
from xml.etree import ElementTree

import python_calamine as calamine

from stockcust_analysis.bank import grammar
from stockcust_analysis.bank.contract import Table
from stockcust_analysis.bank.headers import distinct_headers, has_rows, header_row, normalize
from stockcust_analysis.bank.mapping import TableMapping
from stockcust_analysis.bank.problems import Problem, UnusableFileError
from stockcust_analysis.errors import Words, advise, either, say

ERROR, NOT_COMPUTED, MERGED = "error_cell", "not_computed", "merged_cell"
"""Names of what is said of cells."""
_Lost = dict[tuple[int, int], str]
"""Row and column, both from 0, → what the cell holds."""

_SHOWN = 3
_LARGEST_AREA = 1 << 25
_COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LAST_SECTOR = 0xFFFFFFF9
_CELL = re.compile(rb"<(?:\w+:)?c\s([^>]*[^/>])>(.*?)</(?:\w+:)?c>", re.S)
_REFERENCE = re.compile(rb"""\br=["']([A-Z]+)(\d+)["']""")
_ERROR_TYPE = re.compile(rb"""\bt=["']e["']""")
_TEXT_TYPE = re.compile(rb"""\bt=["']str["']""")
_UNIT_BEHIND = re.compile(r"""[^!\\;]*[0#](?:\.[0#]+)?[ "_]*((?:千|百?万|亿)元?)""")
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s>/]")
_VALUE = re.compile(rb"<(?:\w+:)?(?:v>[^<]|is>)")
_Finding = tuple[str, str, str, list[int]]
"""The column of the contract, what is wrong, what to do, and the rows, from 0."""


@dataclass(frozen=True)
class Sheet:
    """A sheet's cells from A1 on, None where empty, and what a reader cannot see in them."""

    name: str
    is_visible: bool
    rows: list[list[Any]]
    lost: _Lost

    @cached_property
    def texts(self) -> list[list[str]]:
        """The cells as text, '' where empty."""
        return [[cell_text(cell) or "" for cell in row] for row in self.rows]


@dataclass(frozen=True)
class SheetTable:
    """A sheet that holds a table: its header row, from 0, and the header of each column.

    `columns` are those of the contract that the headers mean, '' where they mean none.
    """

    sheet: Sheet
    header_row: int
    headers: tuple[str, ...]
    columns: tuple[str, ...]

    def rows(self, start: int, end: int | None = None) -> dict[int, list[str]]:
        """Return the texts of the rows between two positions that are not empty, by position."""
        rows = enumerate(self.sheet.texts[start:end], start)
        return {position: cells for position, cells in rows if any(cells)}


def read_workbook(path: Path) -> list[Sheet]:
    """Return all sheets of a workbook that hold cells; UnusableFileError when it cannot be read."""
    try:
        # From an open file calamine goes by the content, whatever the name's ending.
        with path.open("rb") as file, calamine.load_workbook(file) as book:
            lost = _find_lost_cells(path, book.sheet_names)
            sheets = [
                _sheet(book.get_sheet_by_name(entry.name), entry.visible, lost.get(entry.name, {}))
                for entry in book.sheets_metadata
                if entry.typ is calamine.SheetTypeEnum.WorkSheet
            ]
    except BaseException as error:
        # The reader's errors are of many kinds, and a panic of it, as it is in Rust, is none.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        known: dict[type, str] = {calamine.PasswordError: "password", _FarCellError: "far_cell"}
        name = known.get(type(error), "no_workbook")
        raise UnusableFileError(*advise(name, path.name, error)) from None
    return [sheet for sheet in sheets if sheet.rows]


def _sheet(cells: calamine.CalamineSheet, visible: calamine.SheetVisibleEnum, lost: _Lost) -> Sheet:
    read = cells.to_python(skip_empty_area=False)
    rows = [[None if cell == "" else cell for cell in row] for row in read]
    covered = {
        (row, column): MERGED
        for (top, left), (bottom, right) in cells.merged_cell_ranges or []
        for row in range(top, bottom + 1)
        for column in range(left, right + 1)
        if (row, column) != (top, left)
    }
    return Sheet(cells.name, visible is calamine.SheetVisibleEnum.Visible, rows, covered | lost)


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
    if isinstance(cell, date) and (cell.year, cell.month, cell.day) == (1900, 2, 28):
        return "1900-02-29"  # what Excel makes of 60, and the reader of it
    if isinstance(cell, datetime):
        return cell.isoformat(" ") if cell.time() != datetime.min.time() else str(cell.date())
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def read_tables(
    path: Path, contract: Table, known: Mapping[str, str], mapping: TableMapping
) -> tuple[list[SheetTable], list[Problem], list[Words]]:
    """Return the sheets that hold a table, what is wrong with sheets, and those left out.

    `known` maps normalized headers to columns of the contract. Sheets that hold nothing of the
    table are left out, and named in a warning.
    """
    tables = [_locate_header(sheet, known, mapping) for sheet in read_workbook(path)]
    if not tables:
        raise UnusableFileError(*advise("empty_file", path.name))
    supplied = {*mapping.constants, *(["as_of"] if mapping.as_of else [])}
    required = {*contract.required_names} - supplied
    taken = _choose(tables, required, mapping.sheet)
    is_complete = any(required <= {*table.columns} for table in taken)
    problems, left_out = list[Problem](), list[Words]()
    for table in tables:
        is_taken = table in taken
        findings = [*_find_problems(table, mapping)] if is_taken else []
        if not (is_taken or mapping.sheet):
            findings = _left_out_problems(table, required, is_complete)
        if not (is_taken or findings):
            name = "sheet" if table.sheet.is_visible else "sheet_hidden"
            left_out.append(say(name, table.sheet.name))
        for column, what, remedy, rows in findings:
            shown = tuple(str(row + 1) for row in rows[:_SHOWN])
            where = say("in_sheet", path.name, table.sheet.name, what)
            problems.append(Problem(contract.name, column, where, remedy, len(rows), shown))
    units = {
        "unit_of_format": _unit_shown(path),
        "unit_of_sheet": grammar.other_units(" ".join(t.sheet.name for t in taken), "元"),
    }
    for name, unit in units.items() if mapping.unit == "元" else ():
        if unit:
            warnings.warn(say("unit_doubt", say(name, path.name, unit)), stacklevel=2)
    if left_out and not mapping.sheet:
        warnings.warn(say("sheets_left_out", path.name, left_out), stacklevel=2)
    if not taken:
        names = [either([table.sheet.name]) for table in tables]
        said = advise("no_such_sheet", path.name, mapping.sheet, names)
        problems = [Problem(contract.name, "", *said)]
    return taken, problems, left_out


def _locate_header(sheet: Sheet, known: Mapping[str, str], mapping: TableMapping) -> SheetTable:
    """Return the sheet with the row, among its first, that holds most of the table's headers."""
    first = min(mapping.skip_rows, len(sheet.rows) - 1)
    row = first - header_row(sheet.texts[first:], known)[-1]
    headers = tuple(distinct_headers(sheet.texts[row]))
    columns = tuple(known.get(normalize(header), "") for header in headers)
    return SheetTable(sheet, row, headers, columns)


def _columns_meant(table: SheetTable) -> int:
    return len({*table.columns} - {""})


def _choose(tables: list[SheetTable], required: set[str], name: str) -> list[SheetTable]:
    """Return the sheets called so, or all visible ones with all required headers.

    Where none has them, the one that has most, with those laid out as it is.
    """
    if name:
        return [table for table in tables if is_called(table.sheet.name, name)]
    visible = [table for table in tables if table.sheet.is_visible] or tables
    complete = [table for table in visible if required <= {*table.columns}]
    best = max(visible, key=_columns_meant)
    alike = [table for table in visible if {*table.columns} == {*best.columns}]
    return complete or (alike if _columns_meant(best) else [best])


def is_called(name: str, pattern: str) -> bool:
    """Return whether a sheet bears a name, in which `*` and `?` stand for any characters.

    >>> is_called("客户6月末", "客户*"), is_called("客户", "客户?")
    (True, False)
    """
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), name))


def _left_out_problems(table: SheetTable, required: set[str], is_complete: bool) -> list[_Finding]:
    """Return why a sheet must not be left out in silence: it may hold rows of the table."""
    lacking = required - {*table.columns}
    if not table.sheet.is_visible:
        return [] if lacking else [("", *advise("hidden_sheet"), [])]
    widest = max(len(row) - row.count("") for row in table.sheet.texts)
    is_other = widest < len(required) and 2 * len(lacking) > len(required)
    if is_other or not is_complete:  # then what the sheet taken lacks is the problem
        return []
    return [("", *advise("sheet_lacks", sorted(lacking)), [])]


def _find_problems(table: SheetTable, mapping: TableMapping) -> Iterator[_Finding]:
    """Yield what is wrong in a sheet that is read."""
    sheet, below = table.sheet, table.rows(table.header_row + 1)
    above = table.rows(mapping.skip_rows, table.header_row)
    if has_rows(above.values(), len(table.headers)):
        yield "", *advise("rows_above_sheet"), [*above]
    title = " ".join(cell for cells in above.values() for cell in cells)
    if stated := grammar.other_units(title, mapping.unit):
        yield "", say("unit_above", stated), grammar.unit_remedy(stated), [*above]
    summed, dropped = _rows_of_no_table(table, mapping)
    if summed:
        starts = [next(c for c in enumerate(sheet.texts[row]) if c[1]) for row in summed]
        totals = (cell.strip() for _, cell in starts)
        remedy = grammar.leave_totals_out(table.headers[starts[0][0]], totals)
        yield "", say("total_lines"), remedy, summed
    for at, name in enumerate(table.columns):
        cells = {row: sheet.rows[row][at] for row in below if name}
        texts = [row for row, cell in cells.items() if grammar.YEAR_LAST.match(str(cell))]
        if texts and any(isinstance(cell, date) for cell in cells.values()):
            yield name, *advise("swapped_days"), texts
    lost, passed_over = dict[tuple[str, str], dict[int, None]](), {*summed, *dropped}
    for (row, column), what in sorted(sheet.lost.items()):
        name = table.columns[column] if column < len(table.columns) else ""
        is_below = row > table.header_row and row not in passed_over
        if row == table.header_row or (name and is_below):
            lost.setdefault((name, what), {})[row] = None  # of a header's cells once
    for (name, what), rows_lost in lost.items():
        yield name, *advise(what), [*rows_lost]


def _rows_of_no_table(table: SheetTable, mapping: TableMapping) -> tuple[list[int], list[int]]:
    """Return the rows, from 0, of sums (合计), and those that the mapping drops."""
    stated = {normalize(header): values for header, values in mapping.drop_rows_where.items()}
    marks = [stated.get(normalize(header), ()) for header in table.headers]
    summed, dropped = list[int](), list[int]()
    for position, row in table.rows(table.header_row + 1).items():
        if any(cell.strip() in values for cell, values in zip(row, marks, strict=True)):
            dropped.append(position)
        else:
            summed += [position] if grammar.is_total([*filter(None, row)], len(row)) else []
    return summed, dropped


def _find_lost_cells(path: Path, sheets: Iterable[str]) -> dict[str, _Lost]:
    """Return the lost cells of each sheet of a workbook; `sheets` names all in their order."""
    with path.open("rb") as file:
        if file.read(8) == _COMPOUND_FILE:
            stream = _workbook_stream(path.read_bytes())
            records = _records(stream, 0)
            starts = (struct.unpack_from("<I", head)[0] for kind, head in records if kind == 0x0085)
            return {
                name: dict(_lost_in_records(stream, start))
                for name, start in zip(sheets, starts, strict=False)
            }
    with suppress(zipfile.BadZipFile, KeyError), zipfile.ZipFile(path) as archive:
        if "content.xml" in archive.namelist():
            with archive.open("content.xml") as content:
                return {name: dict(lost) for name, lost in _lost_in_ods(content)}
        if "xl/workbook.bin" in archive.namelist():
            warnings.warn(say("errors_unseen", path.name), stacklevel=2)
            return {}
        lost = dict[str, _Lost]()
        for name, part in _sheet_parts(archive).items():
            xml = archive.read(part)
            if _area(xml) > _LARGEST_AREA:
                raise _FarCellError(name)
            lost[name] = dict(_lost_in_xml(xml))
        return lost
    return {}


def _unit_shown(path: Path) -> str:
    """Return the unit that a number format of an .xlsx writes behind cells as they are stored.

    A format that divides what it shows (`0!.0,"万"`) says nothing of what is stored.
    """
    with suppress(zipfile.BadZipFile, KeyError), zipfile.ZipFile(path) as archive:
        styles = ElementTree.fromstring(archive.read("xl/styles.xml"))
        used = {style.get("numFmtId") for style in styles.iterfind("{*}cellXfs/{*}xf")}
        for form in styles.iterfind("{*}numFmts/{*}numFmt"):
            match = _UNIT_BEHIND.match(form.get("formatCode", ""))
            if match and form.get("numFmtId") in used:
                return match[1]
    return ""


class _FarCellError(Exception):
    """A sheet with a cell so far from the others that its reader would ask for all memory."""


def _area(part: bytes) -> int:
    """Return the number of cells from A1 to the last row and column of a sheet of an .xlsx."""
    rows = re.findall(rb"<(?:\w+:)?row\s[^>]*?\br=[\"'](\d+)", part)
    letters = {letters for letters, _ in _REFERENCE.findall(part)}
    return max(map(_column_number, letters), default=0) * max(map(int, rows), default=0)


def _column_number(letters: bytes) -> int:
    return reduce(lambda number, letter: number * 26 + letter - 64, letters, 0)


def _sheet_parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return sheet → its part of an .xlsx."""
    parts = {
        relation.get("Id", ""): normpath(join("/xl", relation.get("Target", "")))[1:]
        for relation in ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    }
    sheets = ElementTree.fromstring(archive.read("xl/workbook.xml")).iterfind(".//{*}sheet")
    keys = {
        sheet.get("name", ""): next(v for k, v in sheet.attrib.items() if k.endswith("}id"))
        for sheet in sheets
    }
    return {name: parts[key] for name, key in keys.items() if key in parts}


def _lost_in_xml(part: bytes) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield the lost cells of a sheet of an .xlsx."""
    for attributes, body in _CELL.findall(part):
        what = ERROR if _ERROR_TYPE.search(attributes) else ""
        if not what and _FORMULA.search(body) and not _VALUE.search(body):
            what = "" if _TEXT_TYPE.search(attributes) else NOT_COMPUTED
        for letters, row in _REFERENCE.findall(attributes)[:1] if what else ():
            yield (int(row) - 1, _column_number(letters) - 1), what


def _lost_in_ods(content: IO[bytes]) -> Iterator[tuple[str, list[tuple[tuple[int, int], str]]]]:
    """Yield each sheet of an .ods with its lost cells, those that merging covers among them."""
    for _, element in ElementTree.iterparse(content):
        if not element.tag.endswith("}table"):
            continue
        lost, row = [], 0
        for cells in element.iterfind(".//{*}table-row"):
            column = 0
            for cell in cells:
                kind = cell.tag.rpartition("}")[2]
                facts = {key.rpartition("}")[2]: value for key, value in cell.attrib.items()}
                types = {v for k, v in cell.attrib.items() if k.endswith("}value-type")}
                what = MERGED if kind == "covered-table-cell" else ""
                if "error" in types:
                    what = ERROR
                elif "formula" in facts and not types:
                    what = NOT_COMPUTED
                repeated = int(facts.get("number-columns-repeated", 1))
                lost += [((row, column + n), what) for n in range(repeated if what else 0)]
                column += repeated
            row += int(next((v for k, v in cells.items() if k.endswith("rows-repeated")), 1))
        yield next(v for k, v in element.items() if k.endswith("}name")), lost
        element.clear()


def _workbook_stream(raw: bytes) -> bytes:
    """Return the stream of an .xls within its compound file."""
    size = 1 << raw[30]
    body = raw[size:]
    directory, small_table, more = _numbers(raw, 48, 60, 68)
    tables = [*_numbers(raw[76:512])]
    while more <= _LAST_SECTOR and 4 * len(tables) <= len(raw):
        *numbers, more = _numbers(body[more * size : (more + 1) * size])
        tables += numbers
    sectors = [body[table * size : (table + 1) * size] for table in tables if table <= _LAST_SECTOR]
    following = _numbers(b"".join(sectors))
    entries = _chain(body, size, following, directory)
    for start in range(0, len(entries), 128):
        entry = entries[start : start + 128]
        name = entry[: max(entry[64] - 2, 0)].decode("utf-16-le", "replace")
        first, length = _numbers(entry, 116, 120)
        if name == "Root Entry":
            small = _chain(body, size, following, first)
        elif name in ("Workbook", "Book") and length < 4096:
            return _chain(small, 64, _numbers(_chain(body, size, following, small_table)), first)
        elif name in ("Workbook", "Book"):
            return _chain(body, size, following, first)
    return b""


def _numbers(block: bytes, *positions: int) -> tuple[int, ...]:
    """Return the whole numbers at some positions of a block, or all of it as numbers."""
    return tuple(
        int.from_bytes(block[position : position + 4], "little")
        for position in positions or range(0, len(block) - 3, 4)
    )


def _chain(body: bytes, size: int, following: Sequence[int], index: int) -> bytes:
    """Return the sectors of a stream, each of which names the next."""
    sectors: list[bytes] = []
    while index < len(following) and len(sectors) <= len(following):
        sectors.append(body[index * size : (index + 1) * size])
        index = following[index]
    return b"".join(sectors)


def _records(stream: bytes, position: int) -> Iterator[tuple[int, bytes]]:
    """Yield kind and content of the records of an .xls up to the end of what begins there."""
    depth = 0
    while position + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, position)
        yield kind, stream[position + 4 : position + 4 + size]
        depth += (kind == 0x0809) - (kind == 0x000A)
        position += 4 + size
        if depth <= 0:
            return


def _lost_in_records(stream: bytes, start: int) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield the lost cells of a sheet of an .xls."""
    for kind, record in _records(stream, start):
        is_error = kind == 0x0205 and record[7] == 1
        if is_error or (kind == 0x0006 and record[12:14] == b"\xff\xff" and record[6] == 2):
            yield struct.unpack_from("<HH", record), ERROR
