"""Files of a layout, read into tables of DuckDB: names, orders of fields and forms of cells.

The files have no header: an order of fields is believed only where every line has as many as it
says and the cells below have the form that it says. Only columns that are needed are kept.
"""

from __future__ import annotations

import csv
import gzip
import re
import warnings
import zipfile
from collections.abc import Iterator
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb

from stockcust_analysis.bank.contract import Table
from stockcust_analysis.bank.duckdb_connection import literal, quoted
from stockcust_analysis.bank.files import FileGroup, FileReader
from stockcust_analysis.bank.headers import normalize
from stockcust_analysis.bank.mapping import TableMapping
from stockcust_analysis.bank.problems import Problem
from stockcust_analysis.bank.row_counts import read_row_counts
from stockcust_analysis.errors import UsageError

_NAME = re.compile(r"(?i)([^-]+)-([A-Z]+)-(\d{8})(?:-\d+)?\.(?:txt|csv)(?:\.gz)?")
_SEPARATORS = ("\x01", ",", "|")
_SPLIT_TAG = "GSFZJG"
_EMPTY = {"date": ("", "99991231"), "month": ("", "999912"), "number": ("",), "currency": ("",)}
_DAY = "try_strptime({0}, '%Y%m%d')::DATE"
_READ = {
    "date": _DAY,
    "month": "try_strptime({0} || '01', '%Y%m%d')::DATE",
    "number": "TRY_CAST({0} AS DECIMAL(24, 6))",
    "currency": "CASE WHEN regexp_full_match({0}, '[A-Z]{{3}}') THEN {0} END",
}
_TYPES = {"date": "DATE", "month": "DATE", "number": "DECIMAL(24, 6)"}


@dataclass
class LayoutFiles:
    """Tables of a layout as views of DuckDB, named by their codes; empty where there is no file.

    `days` are those of each table's files, `tables` files of the contract's tables made from them.
    """

    connection: duckdb.DuckDBPyConnection
    copies: Path
    layout: Dictionary[str, Any]
    orders: Dictionary[str, list[str]]
    problems: list[Problem] = field(default_factory=list)
    days: dict[str, list[date]] = field(default_factory=dict)
    notes: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    approximations: dict[str, list[str]] = field(default_factory=dict)
    tables: dict[str, Path] = field(default_factory=dict)
    licences: set[str] = field(default_factory=set)
    _files: int = 0

    def read(self, folder: Path) -> None:
        """Read every file of the folder that is named as one of the layout's."""
        files: dict[str, dict[date, list[Path]]] = {}
        for origin, path in self._unpacked(folder):
            match = _NAME.fullmatch(path.name)
            code = match[2].upper() if match else ""
            day = _day(match[3]) if match else None
            if day is None or code not in self.layout["tables"]:
                self.left_out += [path.name] if match else []
            elif (day + timedelta(days=1)).day != 1:
                self.left_out.append(f"{path.name} (no month's last day)")
            else:
                files.setdefault(code, {}).setdefault(day, []).append(path)
                self.licences.add(match[1] if match else "")
                self.notes.setdefault(origin, (code,))
        if not files:
            what = "named as 'licence-TABLE-20260930.txt', of a table that is known"
            raise UsageError(f"'{folder}' holds no file {what}.")
        for code in self.layout["tables"]:
            self._read_table(code, files.get(code, {}))
        if len(self.licences) > 1:
            warnings.warn(
                f"files of {len(self.licences)} licences: branches' sets overlap and leave gaps in "
                "the accounts' balances, so that rows that stand twice are taken once, and no "
                "averages are rebuilt. Better use the whole bank's set.",
                stacklevel=2,
            )

    def note(self, code: str, column: str, what: str, remedy: str, rows: int = 0) -> None:
        """Note a problem of a table, with the number that the standard gives it."""
        number = self.layout["tables"][code]["number"]
        self.problems.append(Problem(f"{code} ({number})", column, what, remedy, rows))

    def count(self, sql: str) -> int:
        """Return the one number of a query."""
        return int(self.connection.sql(sql).fetchall()[0][0] or 0)

    def _unpacked(self, folder: Path) -> Iterator[tuple[Path, Path]]:
        """Yield the files of a folder, and those of its archives, each with where it came from."""
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() != ".zip":
                yield path, path
                continue
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    name = PurePosixPath(member).name
                    if _NAME.fullmatch(name) or name.lower().endswith(".log"):
                        target = self.copies / "unpacked" / path.stem / name
                        target.parent.mkdir(parents=True, exist_ok=True)
                        target.write_bytes(archive.read(member))
                        yield path, target

    def _read_table(self, code: str, files: Dictionary[date, list[Path]]) -> None:
        """Define a table's view; note what is wrong with its files and cells."""
        entry = self.layout["tables"][code]
        columns = entry["read"]
        if entry.get("required") and not files:
            self.note(code, "", f"no file of {entry['zh']}", "Deliver it.")
        selects = [
            self._select(code, group, day)
            for day, paths in sorted(files.items())
            for path in paths
            for group in self._groups(code, path)
        ]
        self.days[code] = sorted(files)
        if not selects:
            types = ", ".join(
                f"NULL::{_TYPES.get(self._form(column), 'VARCHAR')} AS {column}"
                for column in columns
            )
            sql = f"SELECT {types}, NULL::DATE AS as_of WHERE false"
            self.connection.execute(f"CREATE VIEW {code} AS {sql}")
            return
        faults = self._faults(columns)
        values = [f"{self._value(column)} AS {column}" for column in columns]
        bits = (
            f"CASE WHEN {sql} THEN {1 << n} ELSE 0 END" for n, sql in enumerate(faults.values())
        )
        copy = literal(str(self.copies / f"{code}.parquet"))
        # The text is looked at once: what is wrong with a row stands beside its values.
        self.connection.execute(
            f"COPY (SELECT {', '.join(values)}, as_of, {' + '.join(bits)} AS faults "
            f"FROM ({' UNION ALL '.join(selects)})) TO {copy} (FORMAT parquet)"
        )
        self._note_faults(code, [*faults], f"read_parquet({copy})")
        again = self._rows_again(code, columns, f"read_parquet({copy})")
        sql = f"SELECT {'DISTINCT' if again else ''} * EXCLUDE (faults) FROM read_parquet({copy})"
        self.connection.execute(f"CREATE VIEW {code} AS {sql}")

    def _select(self, code: str, group: FileGroup, day: date) -> str:
        """Return the SQL of a file's cells that are needed, as text, with the day of its name."""
        names = {normalize(name): name for name in group.columns}
        cells = [
            next(
                f"trim({quoted(names[word])}) AS {column}"
                for word in self._words(code, column)
                if word in names
            )
            for column in [*self.layout["tables"][code]["read"], "CJRQ"]
        ]
        return f"SELECT {', '.join(cells)}, DATE '{day}' AS as_of FROM {group.scan}"

    def _rows_again(self, code: str, columns: list[str], rows: str) -> int:
        """Return how many rows stand twice, as in the sets of two branches; note a key that does.

        Day by day, for of thousands of thousands of rows only hashes fit beside one another.
        """
        key, again, other = self.layout["tables"][code].get("key", columns), 0, 0
        for day in self.days[code]:
            total, distinct, keys = self.connection.sql(
                f"SELECT count(*), count(DISTINCT hash({', '.join(columns)})), "
                f"count(DISTINCT hash({', '.join(key)})) FROM {rows} WHERE as_of = DATE '{day}'"
            ).fetchall()[0]
            again, other = again + total - distinct, other + distinct - keys
        if again:
            warnings.warn(f"{code}: {again:,} rows stand twice, and are taken once.", stacklevel=3)
        if other:
            what = "rows that differ have the same key"
            self.note(code, ", ".join(key), what, "Deliver one row of each.", other)
        return again

    def _words(self, code: str, column: str) -> list[str]:
        """Return what a column may be called, normalized."""
        titles = self.layout["tables"][code]["titles"]
        return [normalize(word) for word in (column, titles.get(column, column))]

    def _groups(self, code: str, path: Path) -> list[FileGroup]:
        """Return a file ready to scan; none, and a problem, where its fields are not understood."""
        entry = self.layout["tables"][code]
        if not path.stat().st_size:  # a month without any
            return []
        wanted = [*entry["read"], "CJRQ"]
        separator, first = _first_line(path)
        names = {normalize(cell) for cell in first}
        lacking = [c for c in wanted if not names & {*self._words(code, c)}]
        has_header = len(lacking) < len(wanted) / 2
        order = [] if has_header else self.orders.get(code, entry.get("columns", []))
        if has_header and lacking:
            self.note(code, ", ".join(lacking), f"{path.name} lacks the column", "Deliver it.")
            return []
        if not has_header and not order:
            what = "no order of its fields is proven, and there is no header"
            self.note(code, "", what, f"State it in the mapping: [layout.orders] {code} = [...].")
            return []
        if order and len(first) not in (len(order), len(order) + 1):
            what = f"{path.name} has {len(first)} fields, not {len(order)} (or one more: the tag)"
            remedy = f"Is it EAST 5.0? Or state its order: [layout.orders] {code} = [...]."
            self.note(code, "", what, remedy)
            return []
        header = [*order, *[_SPLIT_TAG] * (len(first) - len(order))] if order else []
        words = {word: word for column in wanted for word in self._words(code, column)}
        stated = TableMapping(delimiter=separator, header=header)
        self._files += 1
        contract = Table(f"{code}_{self._files}", entry["zh"], "", (), ())
        reader = FileReader(self.connection, self.copies, contract, words, stated)
        groups = reader.read([path])
        reader.compare_rows(path, read_row_counts([path])[0].get(path, ()))
        for problem in reader.problems:
            name = f"{code} ({entry['number']})"
            self.problems.append(replace(problem, table=name))
        return groups

    def _form(self, column: str) -> str:
        return next((k for k, names in self.layout["forms"].items() if column in names), "")

    def _value(self, column: str) -> str:
        form = self._form(column)
        if not form:
            return f"nullif({column}, '')"
        empty = ", ".join(map(literal, _EMPTY[form]))
        value = f"CASE WHEN {column} NOT IN ({empty}) THEN {_READ[form].format(column)} END"
        return f"COALESCE({value}, 0)" if form == "number" else value

    def _faults(self, columns: list[str]) -> dict[str, str]:
        """Return the SQL of cells that are not of their column's form, as in another order."""
        faults = {"CJRQ": f"COALESCE({_DAY.format('CJRQ')}, DATE '0001-01-01') <> as_of"}
        for column in columns:
            form, listed = self._form(column), self.layout["values"].get(column)
            if form:
                empty = ", ".join(map(literal, _EMPTY[form]))
                faults[column] = (
                    f"{column} NOT IN ({empty}) AND ({_READ[form].format(column)}) IS NULL"
                )
            elif listed:
                values = ", ".join(map(literal, ["", *listed]))
                faults[column] = f"{column} NOT IN ({values}) AND NOT starts_with({column}, '其他')"
        return faults

    def _note_faults(self, code: str, faults: list[str], rows: str) -> None:
        counts = ", ".join(f"count(*) FILTER (faults & {1 << n} > 0)" for n in range(len(faults)))
        found = self.connection.sql(f"SELECT {counts} FROM {rows}").fetchall()[0]
        remedy = f"Are the fields in another order? State it: [layout.orders] {code} = [...]."
        for column, number in zip(faults, found, strict=True):
            if number:
                what = "not what this column holds"
                what = "another day than the file's name" if column == "CJRQ" else what
                self.note(code, column, what, remedy, number)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:]}")
    except ValueError:
        return None


def _first_line(path: Path) -> tuple[str, list[str]]:
    """Return the separator of a file, and the cells of its first line."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        line = file.readline()
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = line.decode("gb18030", errors="replace")
    text = text.rstrip("\r\n")
    rows = {
        separator: next(csv.reader([text], delimiter=separator), [])
        if separator == ","
        else text.split(separator)
        for separator in _SEPARATORS
    }
    separator = max(
        rows, key=lambda name: (name == "\x01" and len(rows[name]) > 1, len(rows[name]))
    )
    return separator, rows[separator]
