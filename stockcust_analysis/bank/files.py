"""Files as a bank delivers them, each read by DuckDB as rows of raw text or of typed Parquet.

A table is one file (`customers.csv`, `.csv.gz`, `.parquet`, `.xlsx`) or several with the table's
name in front (`customers_2026Q3.csv`) or inside a folder of that name. Text is UTF-8, with or
without BOM, or GB18030/GBK: found out by reading the whole file, never asked. Files that are alike
are read by one scan: DuckDB gives each scan memory of its own, and plans badly with hundreds.
"""

from __future__ import annotations

import codecs
import csv
import gzip
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from stockcust_analysis.bank.contract import Table
from stockcust_analysis.bank.conversion import INT96
from stockcust_analysis.bank.duckdb_connection import literal
from stockcust_analysis.bank.excel import WorkbookError, read_tables
from stockcust_analysis.bank.validation import Problem

TEXT_ENDINGS = (".csv", ".csv.gz", ".txt", ".tsv")
EXCEL_ENDINGS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".et")
ENDINGS = (*TEXT_ENDINGS, ".parquet", *EXCEL_ENDINGS)
_FIRST_SHOWN = 3
_BLOCK = 1 << 20
# What is left where GBK bytes were decoded as UTF-8 with replacement, and encoded once more.
_DAMAGE = ("\ufffd", "锟斤拷")


@dataclass(frozen=True)
class FileGroup:
    """Files (or one table of a database) that one scan reads, with columns of the same types.

    `names` are those of messages, in the order of the scan. `scan` is SQL to select from;
    `numbered` is the same with `_file`, the position in `names`, and `_row`, the row's number in
    its file with the header as row 1.
    """

    names: tuple[str, ...]
    columns: Mapping[str, str]
    scan: str
    numbered: str


@dataclass(frozen=True)
class _TextFile:
    """A text file that DuckDB can read at `readable`, the file itself or a copy in UTF-8."""

    path: Path
    readable: Path
    header: tuple[str, ...]
    delimiter: str


class _UnusableFileError(Exception):
    """A file that cannot be used; its arguments are those of `FileReader._note`."""


def files_of(folder: Path, table_name: str, pattern: str | None) -> list[Path]:
    """Return the files that hold a table, sorted by name; the mapping's pattern wins."""
    stems = [table_name, f"{table_name}_*", f"{table_name}/*"]
    patterns = [pattern] if pattern else [stem + ending for stem in stems for ending in ENDINGS]
    matches = {path for pattern in patterns for path in folder.glob(pattern)}
    readable = (path for path in matches if path.name.lower().endswith(ENDINGS) and path.is_file())
    return sorted(path for path in readable if not path.name.startswith((".", "~$")))


class FileReader:
    """Makes files of one table ready to scan; notes what cannot be read in `problems`."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        copies: Path,
        contract: Table,
        names: Mapping[str, str],
    ) -> None:
        self._connection = connection
        self._copies = copies
        self._contract = contract
        self._table_name = contract.name
        self._names = names
        self._made = 0
        self.problems: list[Problem] = []

    def read(self, paths: Sequence[Path]) -> list[FileGroup]:
        """Return the files in groups that are alike; those with problems are left out."""
        groups: list[FileGroup] = []
        texts: dict[Hashable, list[_TextFile]] = {}
        parquet: dict[tuple[tuple[str, str], ...], list[Path]] = {}
        for path in paths:
            name = path.name.lower()
            with self._noting_problems(path):
                if name.endswith(".parquet"):
                    columns = _parquet_types(self._connection, path)
                    parquet.setdefault(tuple(columns.items()), []).append(path)
                elif name.endswith(EXCEL_ENDINGS):
                    groups += self._excel(path)
                else:
                    text = self._text(path)
                    texts.setdefault((text.header, text.delimiter), []).append(text)
        groups += [_parquet(alike, dict(columns)) for columns, alike in parquet.items()]
        return groups + [group for alike in texts.values() for group in self._csv(alike)]

    @contextmanager
    def _noting_problems(self, path: Path) -> Iterator[None]:
        """Note a file that cannot be read; too little memory is no fault of the file."""
        try:
            yield
        except duckdb.OutOfMemoryException:
            raise
        except (_UnusableFileError, WorkbookError) as error:
            self._note(*error.args)
        except (duckdb.Error, OSError, ValueError, EOFError) as error:
            what = f"{path.name} cannot be read ({type(error).__name__})"
            self._note(what, "Check that it is whole.")

    def _note(self, what: str, remedy: str, rows: int = 0, first: Sequence[int] = ()) -> None:
        shown = tuple(map(str, first[:_FIRST_SHOWN]))
        self.problems.append(Problem(self._table_name, "", what, remedy, rows, shown))

    def _excel(self, path: Path) -> list[FileGroup]:
        """Return the sheets of a workbook that hold the table; their rows are numbered as there."""
        import pandas as pd

        tables, problems = read_tables(path, self._contract, self._names)
        self.problems += problems
        groups = []
        for table in [] if problems else tables:
            columns = list(table.headers.values())
            rows = list(table.rows())
            frame = pd.DataFrame([cells for _, cells in rows], columns=columns, dtype="string")
            view = self._new_name("excel")
            self._connection.register(view, frame.assign(_row=[number for number, _ in rows]))
            name = path.name if len(tables) == 1 else f"{path.name} {table.sheet.name}"
            types = dict.fromkeys(columns, "VARCHAR")
            groups.append(FileGroup((name,), types, view, f"(SELECT *, 0 AS _file FROM {view})"))
        return groups

    def _text(self, path: Path) -> _TextFile:
        """Return a text file, once its encoding and its header are known."""
        encoding, first_line, damaged = _inspect(path)
        if damaged:
            what = "characters were lost when GBK text was read as UTF-8"
            remedy = "Export the file again; the lost text cannot be restored."
            raise _UnusableFileError(what, remedy, len(damaged), damaged)
        # The separator is the one that splits the header most.
        delimiter = max(",;\t|", key=first_line.count)
        names = next(csv.reader([first_line], delimiter=delimiter), [])
        if not names:
            raise _UnusableFileError(f"{path.name} is empty", "Deliver the header and the rows.")
        readable = path
        if encoding != "utf-8":
            readable = self._copies / f"{self._new_name('copy')}.csv"
            with readable.open("w", encoding="utf-8", newline="") as copy:
                copy.writelines(_decoded_blocks(path, encoding))
        return _TextFile(path, readable, tuple(name.strip() for name in names), delimiter)

    def _csv(self, files: Sequence[_TextFile]) -> list[FileGroup]:
        """Return text files that are alike as one group; one by one where they cannot be read."""
        groups = []
        with self._noting_problems(files[0].path):
            try:
                groups = self._checked_csv(files)
            except duckdb.Error as error:
                if len(files) == 1 or isinstance(error, duckdb.OutOfMemoryException):
                    raise
                groups = [group for file in files for group in self._csv([file])]
        return groups

    def _checked_csv(self, files: Sequence[_TextFile]) -> list[FileGroup]:
        """Return the files as a group, without those whose rows do not fit the header."""
        header = files[0].header
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
        options = (
            f"auto_detect=false, header=true, columns={{{columns}}}, "
            f"delim={literal(files[0].delimiter)}, quote='\"', escape='\"'"
        )
        rejects = self._new_name("rejects")
        store = f"store_rejects=true, rejects_table='{rejects}', rejects_scan='{rejects}_scan'"
        names = {str(file.readable): file.path.name for file in files}
        scan = f"read_csv({_sql_list(names)}, {options}, {store})"
        self._connection.sql(f"SELECT count(*) FROM {scan}").fetchall()
        ragged = self._connection.sql(
            f"SELECT file_path, count(*), min(line, {_FIRST_SHOWN}) FROM (SELECT DISTINCT "
            f"file_path, line FROM {rejects} JOIN {rejects}_scan USING (scan_id, file_id)) "
            "GROUP BY file_path ORDER BY file_path"
        ).fetchall()
        for path, rows, first in ragged:
            what = f"{names.pop(path)} has more or fewer cells than the header's {len(header)}"
            self._note(what, "Quote cells that hold the separator or a line break.", rows, first)
        if not names:
            return []
        scan = f"read_csv({_sql_list(names)}, {options})"
        # Rows come in the order of the files, and have no number in theirs.
        in_order = f"SELECT *, file_index AS _file, row_number() OVER () AS _n FROM {scan}"
        numbered = "* EXCLUDE (_n), _n - min(_n) OVER (PARTITION BY _file) + 2 AS _row"
        numbered = f"(SELECT {numbered} FROM ({in_order}))"
        types = dict.fromkeys(header, "VARCHAR")
        return [FileGroup(tuple(names.values()), types, scan, numbered)]

    def _new_name(self, what: str) -> str:
        self._made += 1
        return f"{what}_{self._table_name}_{self._made}"


def column_types(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """Return column → DuckDB type of what a query can select from."""
    described = connection.sql(f"SELECT * FROM {source} LIMIT 0")
    return dict(zip(described.columns, map(str, described.types), strict=True))


def _parquet_types(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """Return column → DuckDB type of a Parquet file, INT96 where moments are stored as such."""
    types = column_types(connection, f"read_parquet({_sql_list([path])})")
    if "TIMESTAMP" in types.values():
        schema = f"parquet_schema({_sql_list([path])})"
        old = connection.sql(f"SELECT name FROM {schema} WHERE type = 'INT96'").fetchall()
        types |= {name: INT96 for (name,) in old if name in types}
    return types


def _parquet(paths: Sequence[Path], columns: Mapping[str, str]) -> FileGroup:
    """Return Parquet files of the same columns as a group."""
    scan = f"read_parquet({_sql_list(paths)})"
    numbered = f"(SELECT *, file_index AS _file, file_row_number + 2 AS _row FROM {scan})"
    return FileGroup(tuple(path.name for path in paths), columns, scan, numbered)


def _sql_list(paths: Iterable[object]) -> str:
    return f"[{', '.join(literal(str(path)) for path in paths)}]"


def _inspect(path: Path) -> tuple[str, str, list[int]]:
    """Return a text file's encoding, its first line and the rows that were damaged before.

    Characters of damaged rows (header = 1) were lost in an earlier conversion. The encoding is
    "utf-8" or "gb18030", whichever reads the whole file.
    """
    for encoding in ("utf-8", "gb18030"):
        with suppress(UnicodeDecodeError):
            first_line, damaged, ended = "", list[int](), 0
            for block in _decoded_blocks(path, encoding):
                if not ended:
                    first_line += block.split("\n", 1)[0]
                if any(mark in block for mark in _DAMAGE):
                    lines = enumerate(block.split("\n"), start=ended + 1)
                    damaged += [row for row, line in lines if any(m in line for m in _DAMAGE)]
                ended += block.count("\n")
            return encoding, first_line.lstrip("\ufeff").rstrip("\r"), damaged
    what, remedy = (
        f"{path.name} is neither UTF-8 nor GB18030/GBK",
        "Export it again in one encoding.",
    )
    raise _UnusableFileError(what, remedy)


def _decoded_blocks(path: Path, encoding: str) -> Iterator[str]:
    """Yield the text of a plain or gzip-compressed file in blocks.

    UnicodeDecodeError where the bytes do not fit the encoding.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield decoder.decode(block)
    yield decoder.decode(b"", final=True)
