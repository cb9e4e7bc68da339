"""Cells of workbooks whose value the reader shows as empty: errors, and formulas never computed.

calamine gives an empty cell for #REF! and for a formula without a stored value, so the files are
looked through for them: the XML of .xlsx and .ods, the records of .xls and .et. In .xlsb they
cannot be seen.
"""

from __future__ import annotations

import re
import struct
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import reduce
from pathlib import Path
from posixpath import join, normpath
from typing import IO
from xml.etree import ElementTree

from stockcust_analysis.errors import say

ERROR, NOT_COMPUTED, MERGED = "error_cell", "not_computed", "merged_cell"
"""Names of what is said of cells."""
Lost = dict[tuple[int, int], str]
"""Row and column, both from 0, → what the cell holds."""

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


def find_lost_cells(path: Path, sheets: Iterable[str]) -> dict[str, Lost]:
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
        lost = dict[str, Lost]()
        for name, part in _sheet_parts(archive).items():
            xml = archive.read(part)
            if _area(xml) > _LARGEST_AREA:
                raise FarCellError(name)
            lost[name] = dict(_lost_in_xml(xml))
        return lost
    return {}


def unit_shown(path: Path) -> str:
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


class FarCellError(Exception):
    """A sheet with a cell so far from the others that its reader would ask for all memory."""


def _area(part: bytes) -> int:
    """Return the number of cells from A1 to the last row and column of a sheet of an .xlsx."""
    rows = re.findall(rb"<(?:\w+:)?row\s[^>]*?\br=[\"'](\d+)", part)
    letters = {letters for letters, _ in _REFERENCE.findall(part)}
    width = max(map(_column_number, letters), default=0)
    return width * max(map(int, rows), default=0)


def _column_number(letters: bytes) -> int:
    return reduce(lambda number, letter: number * 26 + letter - 64, letters, 0)


def _sheet_parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return sheet → its part of an .xlsx."""
    relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    parts = {
        relation.get("Id", ""): normpath(join("/xl", relation.get("Target", "")))[1:]
        for relation in relations
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
        reference = _REFERENCE.search(attributes) if what else None
        if reference:
            letters, row = reference.groups()
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
            table = _numbers(_chain(body, size, following, small_table))
            return _chain(small, 64, table, first)
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
