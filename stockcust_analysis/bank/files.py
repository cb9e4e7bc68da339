"""Files as a bank delivers them, each turned into rows of raw text or typed Parquet for DuckDB.

A table is one file (`customers.csv`, `.csv.gz`, `.parquet`, `.xlsx`) or several with the table's
name in front (`customers_2026Q3.csv`) or inside a folder of that name.
"""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import duckdb

from stockcust_analysis.bank.encoding import (
    damaged_rows,
    decoded_blocks,
    detect_encoding,
    write_utf8,
)
from stockcust_analysis.bank.problems import Problem

TEXT_ENDINGS = (".csv", ".csv.gz", ".txt", ".tsv")
EXCEL_ENDINGS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
ENDINGS = (*TEXT_ENDINGS, ".parquet", *EXCEL_ENDINGS)
_FIRST_SHOWN = 3


@dataclass(frozen=True)
class Reading:
    """How DuckDB reads files of one kind, one or many of them."""

    function: str
    options: str = ""
    row: str = "row_number() OVER () + 1"
    numbers_many: bool = False
    """Whether rows know their number, and their file, when several files are read at once."""

    def of(self, paths: Iterable[Path]) -> str:
        """Return the SQL that reads these files."""
        files = ", ".join(literal(str(path)) for path in paths)
        return f"{self.function}([{files}]{self.options})"


@dataclass(frozen=True)
class RawFile:
    """One readable file or table: SQL that scans it, and its columns with DuckDB types.

    The scan yields the columns and `_row`, the row number with the header as row 1. `reading` is
    how `readable`, the file itself or a converted copy, is read; tables have none.
    """

    path: Path
    scan: str
    columns: dict[str, str]
    reading: Reading | None = None
    readable: Path = Path()

    @classmethod
    def read(cls, path: Path, readable: Path, columns: dict[str, str], how: Reading) -> Self:
        """Return the file with the SQL that scans it."""
        scan = f"SELECT *, {how.row} AS _row FROM {how.of([readable])}"
        return cls(path, scan, columns, how, readable)


def quoted(name: str) -> str:
    """Return a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a SQL string."""
    return "'" + text.replace("'", "''") + "'"


def files_of(folder: Path, table_name: str, pattern: str | None) -> list[Path]:
    """Return the files that hold a table, sorted by name; the mapping's pattern wins."""
    patterns = (
        [pattern]
        if pattern
        else [f"{table_name}{{}}", f"{table_name}_*{{}}", f"{table_name}/*{{}}"]
    )
    found = {
        path
        for template in patterns
        for ending in ([""] if pattern else ENDINGS)
        for path in folder.glob(template.format(ending))
        if path.is_file() and path.name.lower().endswith(ENDINGS)
    }
    return sorted(path for path in found if not path.name.startswith((".", "~$")))


_PARQUET = Reading("read_parquet", row="file_row_number + 2", numbers_many=True)


class FileReader:
    """Turns files into RawFiles on one connection; converted copies go to a scratch folder."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, scratch: Path) -> None:
        self._connection = connection
        self._scratch = scratch
        self._made = 0
        self.problems: list[Problem] = []

    def read(self, path: Path, table_name: str) -> RawFile | None:
        """Return the file ready to scan, or None after noting why it cannot be read."""
        name = path.name.lower()
        try:
            if name.endswith(".parquet"):
                return self._parquet(path)
            if name.endswith(EXCEL_ENDINGS):
                return self._excel(path)
            return self._text(path, table_name)
        except duckdb.OutOfMemoryException:
            raise  # no fault of the file
        except (duckdb.Error, OSError, ValueError, EOFError) as error:
            reason = type(error).__name__
            self._note(
                table_name, f"{path.name} cannot be read ({reason})", "Check that it is whole."
            )
            return None

    def _parquet(self, path: Path) -> RawFile:
        described = self._connection.sql(f"SELECT * FROM {_PARQUET.of([path])} LIMIT 0")
        columns = dict(zip(described.columns, map(str, described.types), strict=True))
        return RawFile.read(path, path, columns, _PARQUET)

    def _text(self, path: Path, table_name: str) -> RawFile | None:
        encoding = detect_encoding(path)
        if encoding is None:
            what = f"{path.name} is neither UTF-8 nor GB18030/GBK"
            self._note(table_name, what, "Export it again in one encoding.")
            return None
        damaged = damaged_rows(path, encoding)
        if damaged:
            self._note_damage(table_name, damaged)
            return None
        header, delimiter = _header(path, encoding)
        if not header:
            self._note(table_name, f"{path.name} is empty", "Deliver the header and the rows.")
            return None
        readable = path
        if encoding != "utf-8":
            readable = self._scratch / f"{self._next()}.csv"
            write_utf8(path, encoding, readable)
        return self._checked_csv(path, readable, header, delimiter, table_name)

    def _checked_csv(
        self, path: Path, readable: Path, header: list[str], delimiter: str, table_name: str
    ) -> RawFile | None:
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
        how = Reading(
            "read_csv",
            f", auto_detect=false, header=true, columns={{{columns}}}, "
            f"delim={literal(delimiter)}, quote='\"', escape='\"'",
        )
        rejects = f"rejects_{self._next()}"
        noting = (
            f"{how.options}, store_rejects=true, "
            f"rejects_table={literal(rejects)}, rejects_scan={literal(rejects + '_scan')}"
        )
        every_row = replace(how, options=noting).of([readable])
        self._connection.sql(f"SELECT count(*) FROM {every_row}").fetchall()
        bad = self._connection.sql(f"SELECT DISTINCT line FROM {rejects} ORDER BY line").fetchall()
        if bad:
            first = tuple(str(line) for (line,) in bad[:_FIRST_SHOWN])
            what = f"{path.name} has more or fewer cells than the header's {len(header)}"
            remedy = "Quote cells that hold the separator or a line break."
            self.problems.append(Problem(table_name, "", what, remedy, len(bad), first))
            return None
        return RawFile.read(path, readable, dict.fromkeys(header, "VARCHAR"), how)

    def _excel(self, path: Path) -> RawFile:
        import pandas as pd

        sheet = pd.read_excel(path, engine="calamine", dtype=object)
        text = sheet.map(_cell_text).astype("string") if len(sheet) else sheet.astype("string")
        text.columns = [str(name).strip() for name in sheet.columns]
        view = f"excel_{self._next()}"
        self._connection.register(view, text)
        scan = f"SELECT *, row_number() OVER () + 1 AS _row FROM {view}"
        return RawFile(path, scan, dict.fromkeys(text.columns, "VARCHAR"))

    def _note(self, table_name: str, what: str, remedy: str) -> None:
        self.problems.append(Problem(table_name, "", what, remedy))

    def _note_damage(self, table_name: str, rows: list[int]) -> None:
        what = "characters were lost when GBK text was read as UTF-8"
        remedy = "Export the file again; the lost text cannot be restored."
        first = tuple(str(row) for row in rows[:_FIRST_SHOWN])
        self.problems.append(Problem(table_name, "", what, remedy, len(rows), first))

    def _next(self) -> int:
        self._made += 1
        return self._made


def _header(path: Path, encoding: str) -> tuple[list[str], str]:
    """Return the header's names and the separator, told by which one splits the header most."""
    first = next(_lines(path, encoding), "").lstrip("\ufeff").rstrip("\r\n")
    delimiter = max(",;\t|", key=first.count)
    names = next(csv.reader([first], delimiter=delimiter), [])
    return [name.strip() for name in names], delimiter


def _lines(path: Path, encoding: str) -> Iterator[str]:
    rest = ""
    for block in decoded_blocks(path, encoding):
        *lines, rest = (rest + block).split("\n")
        yield from lines
    if rest:
        yield rest


def _cell_text(cell: object) -> str | None:
    """Write an Excel cell as the text that a CSV export would hold."""
    if cell is None or cell != cell:
        return None
    if isinstance(cell, datetime.datetime):
        return cell.date().isoformat() if cell.time() == datetime.time() else cell.isoformat(" ")
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell)
