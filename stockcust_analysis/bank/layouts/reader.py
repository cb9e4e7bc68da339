"""Files of a layout, read into tables of DuckDB: names, orders of fields and forms of cells.

A file is a licence, a table's code and a day, perhaps in an archive. It has no header: an order of
fields is believed only where every line has as many as it says and the cells below have the form
that it says. Only columns that are needed are kept.
"""

from __future__ import annotations

import re
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb

from stockcust_analysis.bank.contract import Table
from stockcust_analysis.bank.file_names import decode, read_row_counts
from stockcust_analysis.bank.files import FileReader, column_types
from stockcust_analysis.bank.grammar import TOTALS
from stockcust_analysis.bank.headers import NAMELESS, distinct_headers, normalize
from stockcust_analysis.bank.mapping import TableMapping
from stockcust_analysis.bank.problems import Problem
from stockcust_analysis.bank.text_files import DAMAGE, TextFile, open_file, records
from stockcust_analysis.core.engines import literal, quoted
from stockcust_analysis.core.periods import is_month_end
from stockcust_analysis.errors import UsageError, Words, advise, joined, say

_NAME = re.compile(r"(?i)([^-]+)-([A-Z]+)-(\d{8})(?:-(?:(\d{1,3})|\d+))?\.(?:txt|csv)(?:\.gz)?")
_NOTHING = b" \t\r\n,|\x01\xef\xbb\xbf"
_SPLIT_TAG = "GSFZJG"
_Files = dict[str, dict[date, list[Path]]]
"""Files by the code of their table, and by day."""
_SHORTEST = 12  # a row of the day alone is shorter
_EMPTY = {"date": "'', '99991231'", "month": "'', '999912'", "number": "''", "currency": "''"}
_SOUND = "false AS is_odd"
_DAY = "try_strptime({0}, '%Y%m%d')::DATE"
_READ = {
    "date": _DAY,
    "month": "try_strptime({0} || '01', '%Y%m%d')::DATE",
    "number": "TRY_CAST({0} AS DECIMAL(24, 6))",
    "currency": "CASE WHEN regexp_full_match({0}, '[A-Z]{{3}}') THEN {0} END",
}
_TYPES = {"date": "DATE", "month": "DATE", "number": "DECIMAL(24, 6)"}


def has_layout_names(folder: Path) -> bool:
    """Return whether files of a folder are called as those of a layout."""
    return any(_NAME.fullmatch(path.name) for path in folder.iterdir())


@dataclass
class LayoutFiles:
    """Tables of a layout as views of DuckDB, named by their codes; empty where there is no file.

    `days` are those of each table's files, `tables` files of the contract's tables made from them.
    """

    connection: duckdb.DuckDBPyConnection
    copies: Path
    layout: Mapping[str, Any]
    orders: Mapping[str, list[str]]
    problems: list[Problem] = field(default_factory=list)
    days: dict[str, list[date]] = field(default_factory=dict)
    notes: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    notes_of_gaps: list[Words] = field(default_factory=list)
    approximations: dict[str, list[str]] = field(default_factory=dict)
    tables: dict[str, Path] = field(default_factory=dict)
    licences: set[str] = field(default_factory=set)
    _empty: list[Path] = field(default_factory=list)
    _unread_logs: list[str] = field(default_factory=list)
    _files: int = 0

    def read(self, folder: Path) -> None:
        """Read every file of the folder that is named as one of the layout's."""
        files = self._find(folder)
        for code in self.layout["tables"]:
            self._read_table(code, files.get(code, {}))
        _warn_of_logs(folder, files)
        if self._unread_logs:
            warnings.warn(say("logs_unread", self._unread_logs), stacklevel=2)
        self._warn_of_licences(files)

    def _find(self, folder: Path) -> _Files:
        """Return the files of a folder that hold tables of the layout; archives are unpacked."""
        files: _Files = {}
        for origin, path in self._unpack(folder):
            match = _NAME.fullmatch(path.name)
            code = match[2].upper() if match else ""
            day = _day_of(match[3]) if match else None
            if day is None or code not in self.layout["tables"]:
                self.left_out += [path.name] if match else []
            elif not is_month_end(day):
                self.left_out.append(say("no_month_end", path.name))
            else:
                files.setdefault(code, {}).setdefault(day, []).append(path)
                self.licences.add(_licence_of(path))
                self.notes.setdefault(origin, (Words(code, self.layout["tables"][code]["zh"]),))
        if not files:
            raise UsageError(say("no_layout_files", folder))
        return files

    def _unpack(self, folder: Path) -> Iterator[tuple[Path, Path]]:
        """Yield the files of a folder, and those of its archives, each with where it came from."""
        for path in sorted(path for path in folder.iterdir() if not path.is_dir()):
            if path.suffix.lower() != ".zip":
                yield path, path
                continue
            try:
                yield from ((path, member) for member in self._unpack_archive(path))
            except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError):
                raise UsageError(say("not_unpacked", path.name)) from None

    def _unpack_archive(self, path: Path) -> Iterator[Path]:
        """Yield an archive's files that are named as a layout's, with the logs that count them."""
        with zipfile.ZipFile(path) as archive:
            for number, member in enumerate(archive.namelist()):
                name = PurePosixPath(member).name
                if name.lower().endswith(".log"):
                    continue
                if not _NAME.fullmatch(name):
                    self.left_out += [f"{path.name}/{member}"] if name else []
                    continue
                copy = self.copies / "unpacked" / path.stem / str(number) / name
                copy.parent.mkdir(parents=True)
                log = str(PurePosixPath(member).with_suffix(".log"))
                beside = path.parent / PurePosixPath(log).name
                if log in archive.namelist():
                    copy.with_suffix(".log").write_bytes(archive.read(log))
                elif beside.exists():
                    shutil.copy(beside, copy.parent)
                with archive.open(member) as source, copy.open("wb") as file:
                    shutil.copyfileobj(source, file)
                yield copy

    def _warn_of_licences(self, files: _Files) -> None:
        """Warn of several licences, and of months of a table without one that others have."""
        if len(self.licences) == 1:
            return
        warnings.warn(say("several_licences", len(self.licences)), stacklevel=3)
        gaps = list[Words]()
        for code, by_day in files.items():
            found = {day: {*map(_licence_of, paths)} for day, paths in sorted(by_day.items())}
            every = set[str]().union(*found.values())
            for day, some in found.items():
                facts = self._named(code), day, len(some), len(every), sorted(every - some)
                gaps += [say("licence_lacking", *facts)] if some < every else []
        if gaps:
            warnings.warn(say("licences_lacking", joined(gaps, "; ", "；")), stacklevel=3)

    def note(self, code: str, columns: str, what: Words, remedy: Words, rows: int = 0) -> None:
        """Note a problem of a table, under the title and the number that the standard gives it."""
        titles = self.layout["tables"][code]["titles"]
        names = [titles.get(name, name) for name in columns.split(", ")]
        column = Words(columns, f"“{'、'.join(names)}”列（{columns}）") if columns else columns
        problem = Problem(self._named(code), column, what, remedy, rows)
        self.problems += [problem] if problem not in self.problems else []

    def _named(self, code: str) -> Words:
        """Return a table with the number, and in Chinese the title, that the standard gives it."""
        entry = self.layout["tables"][code]
        return Words(f"{code} ({entry['number']})", f"{entry['zh']}（{code}，{entry['number']}）")

    def count(self, rows: str) -> int:
        """Return how many rows there are, as SQL says behind FROM which."""
        return int(self.connection.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0])

    def _read_table(self, code: str, files: Mapping[date, list[Path]]) -> None:
        """Define a table's view; note what is wrong with its files and cells."""
        entry = self.layout["tables"][code]
        if entry.get("required") and not files:
            self.note(code, "", *advise("no_file_of", entry["zh"]))
        copies, filled = list[Path](), set[str]()
        for day, paths in sorted(files.items()):
            for facts in _missing_parts(code, day, paths):
                self.note(code, "", *advise("no_part", *facts))
            for path in paths:
                found = [*self._copies(code, path, day)]
                copies += found
                filled |= {_licence_of(path)} if found and path not in self._empty else set()
        for path in (path for paths in files.values() for path in paths if path in self._empty):
            if entry.get("has_rows") or _licence_of(path) in filled:
                self.note(code, "", *advise("holds_no_rows", path.name))
        self.days[code] = sorted(files)
        self._define_view(code, copies)

    def read_tables(self, tables: Mapping[str, str]) -> None:
        """Read tables of a database, by code → SQL: by the names of their columns, day by CJRQ."""
        for code, entry in self.layout["tables"].items():
            copies, days = list[Path](), set[date]()
            types = column_types(self.connection, tables[code]) if code in tables else {}
            names = {normalize(name): name for name in types}
            if types and (lacking := self._lacking(code, names)):
                self.note(code, ", ".join(lacking), *advise("table_lacks"))
            elif types:
                (as_of,) = (names[word] for word in self._words(code, "CJRQ")[:2] if word in names)
                cells = ", ".join(_text(name, kind) for name, kind in types.items())
                rows = f"(SELECT {cells} FROM {tables[code]})"
                found = f"SELECT DISTINCT trim({quoted(as_of)}) FROM {rows} ORDER BY 1"
                for (text,) in self.connection.execute(found).fetchall():
                    day = _day_of(text or "")
                    if day is None or not is_month_end(day):
                        self.left_out.append(say("no_month_end", say("table_of_day", code, text)))
                        continue
                    copies.append(self.copies / f"{code}_{day}.parquet")
                    where = f"trim({quoted(as_of)}) = '{text}'"
                    own = f"(SELECT *, {_SOUND} FROM {rows} WHERE {where})"
                    self._copy(code, types, own, day, copies[-1])
                    days.add(day)
            elif entry.get("required"):
                self.note(code, "", *advise("no_table_of", entry["zh"]))
            self.days[code] = sorted(days)
            self._define_view(code, copies)
        self.licences.add("")

    def _define_view(self, code: str, copies: Sequence[Path]) -> None:
        """Define a table's view from its copies; note what is wrong with its cells."""
        columns = self.layout["tables"][code]["read"]
        cells = (f"NULL::{_TYPES.get(self._form(c), 'VARCHAR')} AS {c}" for c in columns)
        sql = f"SELECT {', '.join(cells)}, NULL::DATE AS as_of WHERE false"
        if copies:
            rows = f"read_parquet([{', '.join(literal(str(copy)) for copy in copies)}])"
            self._note_faults(code, rows)
            distinct = "DISTINCT" if self._rows_again(code, columns, rows) else ""
            sql = f"SELECT {distinct} * EXCLUDE (faults) FROM {rows}"
        self.connection.execute(f"CREATE VIEW {code} AS {sql}")

    def _copies(self, code: str, path: Path, day: date) -> Iterator[Path]:
        """Yield a file's columns that are needed as Parquet; none where it is not understood.

        Its text is scanned once, and what is wrong with a row stands beside its values. Only where
        anything is, it is read again as any extract, to say what and where.
        """
        is_empty = _is_blank(path)
        stated, header = (TableMapping(), ()) if is_empty else self._fields(code, path)
        if stated is None:
            return
        entry = self.layout["tables"][code]
        names = [*entry["read"], "CJRQ"]
        words = {word: word for name in names for word in self._words(code, name)}
        self._files += 1
        contract = Table(f"{code}_{self._files}", entry["zh"], "", (), ())
        reader = FileReader(self.connection, self.copies, contract, stated, words)
        skip = 0 if stated.header else 1
        text = TextFile(path, path, header, stated.delimiter, False, skip, skip + 1, ())
        copy = self.copies / f"{contract.name}.parquet"
        rows = 0 if is_empty else self._copy_sound(code, reader, text, day, copy)
        if rows is None:
            for number, group in enumerate(reader.read([path])):
                copy = self.copies / f"{contract.name}_{number}.parquet"
                scan = f"(SELECT *, {_SOUND} FROM {group.scan})"
                self._copy(code, group.columns, scan, day, copy)
                yield copy
        else:
            reader.rows[path], reader.notes[path] = {rows}, ()
            if not is_empty:
                yield copy
        counts = read_row_counts([path])[0].get(path, ())
        self._unread_logs += [count.flag_file for count in counts if not count.numbers]
        self._empty += [path] if rows == 0 and not any(c.numbers for c in counts) else []
        reader.compare_rows(path, counts)
        self.problems += [replace(p, table=self._named(code)) for p in reader.problems]

    def _copy_sound(
        self, code: str, reader: FileReader, text: TextFile, day: date, copy: Path
    ) -> int | None:
        """Copy a text in one pass, and return how many rows it has; None where any is odd."""
        scan = f"read_csv({literal(str(text.path))}, {reader.csv_options(text)})"
        scan = f"(SELECT *, {_is_odd(text.header)} AS is_odd FROM {scan})"
        try:
            rows = self._copy(code, text.header, scan, day, copy)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            return None
        return None if self.count(f"read_parquet({literal(str(copy))}) WHERE faults <> 0") else rows

    def _copy(self, code: str, columns: Iterable[str], scan: str, day: date, copy: Path) -> int:
        """Copy the columns that are needed, with the day of the file's name; return the rows."""
        names = {normalize(name): name for name in columns}
        wanted = self.layout["tables"][code]["read"]
        meant = {c: next(w for w in self._words(code, c) if w in names) for c in [*wanted, "CJRQ"]}
        cells = [f"trim({quoted(names[word])}) AS {column}" for column, word in meant.items()]
        values = [f"{self._value(column)} AS {column}" for column in wanted]
        faults = enumerate([*self._faults(code).values(), "is_odd"])
        bits = (f"CASE WHEN {sql} THEN {1 << n} ELSE 0 END" for n, sql in faults)
        self.connection.execute(
            f"COPY (SELECT {', '.join(values)}, as_of, {' + '.join(bits)} AS faults FROM (SELECT "
            f"{', '.join(cells)}, DATE '{day}' AS as_of, is_odd FROM {scan})) "
            f"TO {literal(str(copy))} (FORMAT parquet)"
        )
        return int(self.connection.fetchall()[0][0])

    def _rows_again(self, code: str, columns: list[str], rows: str) -> int:
        """Return how many rows stand twice, as in the sets of two branches; note a key that does.

        Day by day, for of thousands of thousands of rows only hashes fit beside one another.
        """
        key, again, other = self.layout["tables"][code].get("key", columns), 0, 0
        for day in self.days[code]:
            total, distinct, keys = self.connection.execute(
                f"SELECT count(*), count(DISTINCT hash({', '.join(columns)})), "
                f"count(DISTINCT hash({', '.join(key)})) FROM {rows} WHERE as_of = DATE '{day}'"
            ).fetchall()[0]
            again, other = again + total - distinct, other + distinct - keys
        if again:
            warnings.warn(say("twice_taken_once", code, again), stacklevel=3)
        if other:
            self.note(code, ", ".join(key), *advise("key_of_others"), other)
        return again

    def _words(self, code: str, column: str) -> list[str]:
        """Return what a column may be called, normalized."""
        titles = self.layout["tables"][code]["titles"]
        return [normalize(word) for word in (column, titles.get(column, column))]

    def _lacking(self, code: str, headers: Iterable[str]) -> list[str]:
        """Return the columns of a table that are needed, and that no header names."""
        names, wanted = {*map(normalize, headers)}, [*self.layout["tables"][code]["read"], "CJRQ"]
        return [column for column in wanted if not names & {*self._words(code, column)}]

    def _fields(self, code: str, path: Path) -> tuple[TableMapping | None, tuple[str, ...]]:
        """Return how a file is read, and its fields; none, and a problem, if they are unknown."""
        entry, said = self.layout["tables"][code], None
        separator, first = _first_line(path)
        lacking = self._lacking(code, first)
        has_header = 2 * len(lacking) <= len(entry["read"])
        order = [] if has_header else self.orders.get(code, entry.get("columns", []))
        if has_header and lacking:
            said = advise("file_lacks", path.name)
        elif not has_header and not order:
            said = advise("no_order", code)
        elif order and (absent := self._lacking(code, order)):
            said = advise("order_lacks", absent, code)
        elif order and len(first) not in (len(order), len(order) + 1):
            said = advise("other_width", path.name, len(first), len(order), code)
        if said:
            self.note(code, ", ".join(lacking) if has_header else "", *said)
            return None, ()
        header = [*order, *[_SPLIT_TAG] * (len(first) - len(order))] if order else []
        fields = tuple(distinct_headers(header or first))
        return TableMapping(delimiter=separator, header=header), fields

    def _form(self, column: str) -> str:
        return next((k for k, names in self.layout["forms"].items() if column in names), "")

    def _value(self, column: str) -> str:
        form = self._form(column)
        if not form:
            return f"nullif({column}, '')"
        return f"CASE WHEN {column} NOT IN ({_EMPTY[form]}) THEN {_READ[form].format(column)} END"

    def _faults(self, code: str) -> dict[tuple[str, str], str]:
        """Return the SQL of wrong cells by column and what is wrong: the form, as in another order.

        A column that is `filled` has no empty cell either.
        """
        entry, odd = self.layout["tables"][code], "odd_cell"
        other_day = f"COALESCE({_DAY.format('CJRQ')} <> as_of, true)"
        faults = {("CJRQ", "other_day"): other_day}
        for column in entry["read"]:
            form, listed = self._form(column), self.layout["values"].get(column)
            if form:
                is_read = f"({_READ[form].format(column)}) IS NOT NULL"
                faults[column, odd] = f"{column} NOT IN ({_EMPTY[form]}) AND NOT {is_read}"
            elif listed:
                values = ", ".join(map(literal, ["", *listed]))
                several = literal(f"(({'|'.join(listed)}|其他[^;]*)(;|$))+")
                is_listed = f"{column} IN ({values}) OR regexp_full_match({column}, {several})"
                faults[column, odd] = f"NOT ({is_listed})"
        for column in entry.get("filled", ()):
            faults[column, "empty_field"] = f"COALESCE({column}, '') = ''"
        return faults

    def _note_faults(self, code: str, rows: str) -> None:
        faults = self._faults(code)
        counts = ", ".join(f"count(*) FILTER (faults & {1 << n} > 0)" for n in range(len(faults)))
        found = self.connection.execute(f"SELECT {counts} FROM {rows}").fetchall()[0]
        for (column, name), number in zip(faults, found, strict=True):
            if number:
                self.note(code, column, *advise(name, code), number)


def _is_odd(header: Sequence[str]) -> str:
    """Return the SQL of rows with anything that the reader of extracts leaves out or complains of.

    A row without the day of the file, blank or the header again, is at fault already.
    """
    cells = ", ".join(map(quoted, header))
    damaged = " OR ".join(f"contains(concat({cells}), {literal(mark)})" for mark in DAMAGE)
    nameless = [quoted(name) for name in header if name.startswith(NAMELESS)]
    return (
        f"({damaged} OR length(concat({cells})) < {_SHORTEST} "
        f"OR regexp_full_match(lower(trim(COALESCE({cells}))), '{TOTALS}') "
        f"OR concat('', {', '.join(nameless) or 'NULL'}) <> '')"
    )


def _text(name: str, kind: str) -> str:
    """Return the SQL of a column of a database as the text that files have."""
    is_day = kind == "DATE" or kind.startswith("TIMESTAMP")
    text = f"strftime({quoted(name)}, '%Y%m%d')" if is_day else f"{quoted(name)}::VARCHAR"
    return f"COALESCE({text}, '') AS {quoted(name)}"


def _warn_of_logs(folder: Path, files: _Files) -> None:
    """Warn of logs that count the rows of no file."""
    names = tuple(path.name for days in files.values() for paths in days.values() for path in paths)
    logs = [path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".log"]
    alone = [path.name for path in logs if not any(name.startswith(path.stem) for name in names)]
    alone = [name for name in alone if _NAME.fullmatch(str(Path(name).with_suffix(".txt")))]
    if alone:
        warnings.warn(say("logs_alone", alone), stacklevel=3)


def _missing_parts(code: str, day: date, paths: Iterable[Path]) -> Iterator[tuple[object, ...]]:
    """Yield of files in parts (`-1.txt`, `-2.txt`) which are missing, of which day and up to what.

    And the name of the first one.
    """
    parts: dict[str, set[int]] = {}
    for path in paths:
        match = _NAME.fullmatch(path.name)
        parts.setdefault(_licence_of(path), set()).add(int(match[4] or 1) if match else 1)
    for licence, found in sorted(parts.items()):
        if lacking := sorted({*range(1, max(found))} - found):
            name = f"{licence}-{code}-{day:%Y%m%d}-{lacking[0]}.txt"
            yield lacking, day, max(found), name


def _day_of(text: str) -> date | None:
    """Return the day of eight digits; None where they are none."""
    try:
        return date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:]}")
    except ValueError:
        return None


def _licence_of(path: Path) -> str:
    """Return whose file it is, by its name."""
    return path.name.split("-")[0].upper()


def _is_blank(path: Path) -> bool:
    """Return whether no line of a file has a cell; UsageError where it cannot be read."""
    try:
        with open_file(path) as file:
            return not any(line.strip(_NOTHING) for line in file)
    except (OSError, EOFError, zlib.error):
        raise UsageError(say("not_read", path.name)) from None


def _first_line(path: Path) -> tuple[str, list[str]]:
    """Return the separator of a file, and the cells of its first line."""
    with open_file(path) as file:
        line = file.readline()
        while b"\x01" not in line and line.count(b'"') % 2 and (more := file.readline()):
            line += more  # a cell with a line break
    text = decode(line).rstrip("\r\n")
    rows = {mark: next(records(text, mark), ([""], 1))[0] for mark in ("\x01", ",", "|")}
    if len(rows["\x01"]) > 1:
        return "\x01", rows["\x01"]
    return max(rows.items(), key=lambda entry: len(entry[1]))
