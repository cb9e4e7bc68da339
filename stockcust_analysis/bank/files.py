"""Files as a bank delivers them, each read by DuckDB as rows of raw text or of typed Parquet.

A table is one file (`customers.csv`, `.csv.gz`, `.parquet`, `.xlsx`) or several with the table's
name in front (`customers_2026Q3.csv`) or inside a folder of that name. Text is UTF-8, with or
without BOM, or GB18030/GBK: found out by reading the whole file, never asked. Files that are alike
are read by one scan: DuckDB gives each scan memory of its own, and plans badly with hundreds.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from stockcust_analysis.bank import file_names
from stockcust_analysis.bank.contract import Table
from stockcust_analysis.bank.conversion import INT96
from stockcust_analysis.bank.excel import read_tables
from stockcust_analysis.bank.grammar import TOTALS, is_one_of, leave_totals_out, other_units
from stockcust_analysis.bank.headers import NAMELESS, normalize
from stockcust_analysis.bank.mapping import TableMapping, contract_names
from stockcust_analysis.bank.problems import Problem, UnusableFileError
from stockcust_analysis.bank.text_files import TextFile, inspect
from stockcust_analysis.core.engines import literal, quoted
from stockcust_analysis.errors import Words, advise, say

UNREADABLE = (duckdb.Error, OSError, ValueError, EOFError)
"""What the readers raise of a file that is damaged, besides errors of their own."""
_FIRST_SHOWN, _MOST_LOOKED_AT = 3, 999
_Constants = tuple[tuple[str, str], ...]
_Counts = dict[Path, dict[str, int]]
_LEFT_OUT, _NAMELESS = "left out", "nameless"
_TOTAL_LINES, _SPARE = "total_lines_in", "spare_cells_in"
"""Names of what is said of rows that are none of the table's."""


@dataclass(frozen=True)
class FileGroup:
    """Files (or one table of a database) that one scan reads, with columns of the same types.

    `names` are those of messages, in the order of the scan. `scan` is SQL to select from;
    `numbered` is the same with `_file`, the position in `names`, and `_row`, the row's number in
    its file with the header as row 1. Where it `is_columnar` a condition on one
    column reads no other, and often none of its rows.
    """

    names: tuple[str, ...]
    columns: Mapping[str, str]
    scan: str
    numbered: str
    is_columnar: bool = False


@dataclass
class FileReader:
    """Makes files of one table ready to scan; notes what cannot be read in `problems`.

    `names` maps headers to columns, by default as the contract and the mapping say; `is_part` says
    that some files were left out.
    """

    connection: duckdb.DuckDBPyConnection
    copies: Path
    contract: Table
    mapping: TableMapping
    names: Mapping[str, str] = field(default_factory=dict)
    is_part: bool = False
    problems: list[Problem] = field(default_factory=list)
    notes: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    rows: dict[Path, set[int]] = field(default_factory=dict)
    _shown: dict[Path, str] = field(default_factory=dict)
    _made: int = 0

    def __post_init__(self) -> None:
        """Keep what headers mean, normalized."""
        self.names = self.names or contract_names(self.mapping, self.contract)
        self._known = {normalize(header): column for header, column in self.names.items()}

    def read(self, paths: Sequence[Path]) -> list[FileGroup]:
        """Return the files in groups that are alike; those with problems are left out."""
        groups: list[tuple[FileGroup, _Constants]] = []
        texts: dict[tuple[TextFile, _Constants], list[TextFile]] = {}
        parquet: dict[tuple[tuple[tuple[str, str], ...], _Constants], list[Path]] = {}
        self._shown = file_names.distinct_names(paths)
        for path in paths:
            with self._noting_problems(path):
                constants = self._constants(path)
                if self.mapping.unit == "元" and (unit := other_units(path.name, "元")):
                    doubt = say("unit_doubt", say("unit_of_name", path.name, unit))
                    warnings.warn(doubt, stacklevel=2)
                is_parquet = file_names.is_parquet(path)
                is_excel = path.name.lower().endswith(file_names.EXCEL_ENDINGS)
                is_of_text = self.mapping.is_of_text or (is_parquet and self.mapping.skip_rows)
                if is_of_text and (is_parquet or is_excel):
                    raise UnusableFileError(*advise("no_text_options", path.name))
                if self.mapping.sheet and not is_excel:
                    raise UnusableFileError(*advise("has_no_sheet", path.name))
                if is_parquet:
                    columns = _parquet_types(self.connection, path)
                    parquet.setdefault((tuple(columns.items()), constants), []).append(path)
                    self.notes[path] = ("Parquet",)
                elif is_excel:
                    groups += [(group, constants) for group in self._excel(path)]
                else:
                    copy = self.copies / f"{self._new_name('copy')}.csv"
                    text = inspect(path, copy, self._known, self.mapping)
                    self.notes[path] = text.notes
                    texts.setdefault((text, constants), []).append(text)
        for (types, constants), paths_alike in parquet.items():
            groups.append((self._parquet(paths_alike, dict(types)), constants))
        for (_, constants), files in texts.items():
            groups += [(group, constants) for group in self._csv(files)]
        read = {name for group, _ in groups for name in group.names}
        unread = (f"{name} " for name in self._shown.values() if name not in read)
        # Of a workbook with several sheets, these are read: their names follow its own.
        self.is_part = not all(any(name.startswith(book) for name in read) for book in unread)
        return [self._shape(group, constants) for group, constants in groups]

    def compare_rows(self, path: Path, counts: Sequence[file_names.RowCount]) -> None:
        """Note whether a file that was read has as many rows as its flag files say."""
        if counts and path in self.notes and file_names.is_parquet(path):
            rows = f"SELECT count(*) FROM read_parquet({_sql_list([path])})"
            self.rows[path] = {self.connection.execute(rows).fetchall()[0][0]}
        for count in counts if path in self.rows else ():
            if stated := count.contradicts(self.rows[path]):
                name = self._shown.get(path, path.name)  # of one read otherwise, its own
                facts = name, max(self.rows[path]), count.flag_file, stated
                self._note(*advise("rows_differ", *facts))
            else:
                self.notes[path] += (count.note(self.rows[path]),)

    def _constants(self, path: Path) -> _Constants:
        """Return what the mapping says of all rows of a file: column → text."""
        constants = {name: str(value) for name, value in self.mapping.constants.items()}
        if self.mapping.as_of:
            pattern = (self.mapping.file or "").replace("**/", "")  # which may stand for no folder
            day = file_names.nearest_day(path, max(1, pattern.count("/")) if pattern else 0)
            if day is None:
                raise UnusableFileError(*advise("no_day_in_name", path.name))
            constants["as_of"] = str(day)
        return tuple(constants.items())

    def _shape(self, group: FileGroup, constants: _Constants) -> FileGroup:
        """Return a group with the columns that the mapping states, without the rows it drops."""
        dropped = self._dropped(group.columns)
        if not constants and dropped == "false":
            return group
        taken = {name.casefold() for name in group.columns}
        meant = {self._known.get(normalize(name)) for name in group.columns}
        for name in (name for name, _ in constants if name in meant):
            self._note(*advise("stated_twice", self.mapping.file or group.names, name))
        constants = tuple(entry for entry in constants if entry[0] not in meant)
        values = {name + " " * (name in taken): text for name, text in constants}
        extra = "".join(f", {literal(text)} AS {quoted(name)}" for name, text in values.items())
        scan, numbered = (
            f"(SELECT *{extra} FROM {rows} WHERE NOT {dropped})"
            for rows in (group.scan, group.numbered)
        )
        columns = {**group.columns, **dict.fromkeys(values, "VARCHAR")}
        return replace(group, columns=columns, scan=scan, numbered=numbered)

    def _dropped(self, columns: Iterable[str]) -> str:
        """Return the SQL of the rows that the mapping drops."""
        conditions = list[str]()
        headers = {normalize(column): column for column in columns}
        for header, values in self.mapping.drop_rows_where.items():
            column = headers.get(normalize(header))
            if column is None:
                self._note(*advise("dropped_header_gone", header))
            else:
                cell = f"trim({quoted(column)}::VARCHAR)"
                conditions.append(f"COALESCE({is_one_of(cell, values)}, false)")
        return f"({' OR '.join(conditions)})" if conditions else "false"

    @contextmanager
    def _noting_problems(self, path: Path) -> Iterator[None]:
        """Note a file that cannot be read; too little memory is no fault of the file."""
        try:
            yield
        except duckdb.OutOfMemoryException:
            raise
        except UnusableFileError as error:
            what, *others = error.args
            self._note(file_names.renamed(path, self._shown[path], what), *others)
        except UNREADABLE as error:
            line = re.search(r"CSV Error on Line: (\d+)", str(error))
            if line:
                self._note(*advise("quote_open", self._shown[path]), 1, [int(line[1])])
            else:
                self._note(*unreadable(path, self._shown[path]))

    def _note(self, what: str, remedy: str, rows: int = 0, first: Sequence[object] = ()) -> None:
        shown = tuple(map(str, first[:_FIRST_SHOWN]))
        problem = Problem(self.contract.name, "", what, remedy, rows, shown)
        if problem not in self.problems:
            self.problems.append(problem)

    def _parquet(self, paths: Sequence[Path], columns: Mapping[str, str]) -> FileGroup:
        """Return Parquet files of the same columns as a group."""
        scan, names = _scan_parquet(paths), tuple(self._shown[path] for path in paths)
        numbered = f"(SELECT *, file_index AS _file, file_row_number + 2 AS _row FROM {scan})"
        return FileGroup(names, columns, scan, numbered, is_columnar=True)

    def _excel(self, path: Path) -> list[FileGroup]:
        """Return the sheets of a workbook that hold the table; their rows are numbered as there."""
        import pandas as pd

        tables, problems, left_out = read_tables(path, self.contract, self._known, self.mapping)
        self.problems += problems
        groups, notes = [], [Words("Excel")]
        for table in [] if problems else tables:
            columns = list(table.headers)
            every = table.rows(table.header_row + 1)
            rows = {n: r for n, r in every.items() if not self._is_header(r, table.columns)}
            nameless = [n for n, header in enumerate(columns) if header.startswith(NAMELESS)]
            if sum(any(cells[n] for n in nameless) for cells in rows.values()) > 1:
                warnings.warn(say("nameless_in_sheet", path.name, table.sheet.name), stacklevel=2)
            notes.append(say("rows_of_sheet", table.sheet.name, len(rows)))
            if len(rows) < len(every):
                notes.append(say("rows_left_out", len(every) - len(rows)))
            self.rows[path] = {sum(self.rows.get(path, ())) + len(rows)}
            cells = [[cell or None for cell in row] for row in rows.values()]
            frame = pd.DataFrame(cells, columns=columns, dtype="string")
            view = self._new_name("excel")
            self.connection.register(view, frame.assign(_row=[row + 1 for row in rows]))
            count = f"SELECT count(*) FROM {view} WHERE {self._dropped(columns)}"
            if dropped := self.connection.execute(count).fetchall()[0][0]:
                notes.append(say("rows_dropped", dropped))
            name = self._shown[path] + (f" {table.sheet.name}" if tables[1:] else "")
            types = dict.fromkeys(columns, "VARCHAR")
            groups.append(FileGroup((name,), types, view, f"(SELECT *, 0 AS _file FROM {view})"))
        self.notes[path] = (*notes, *(say("note_left_out", sheet) for sheet in left_out))
        return groups

    def _is_header(self, cells: Sequence[str], columns: Sequence[str]) -> bool:
        """Whether a row of a sheet names its columns once more, perhaps in another language."""
        filled = [(c, name) for c, name in zip(cells, columns, strict=True) if c and name]
        return len(filled) > 1 and all(self._known.get(normalize(c)) == name for c, name in filled)

    def _csv(self, files: Sequence[TextFile]) -> list[FileGroup]:
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

    def _checked_csv(self, files: Sequence[TextFile]) -> list[FileGroup]:
        """Return the files as a group, without those whose rows do not fit the header."""
        alike, paths = files[0], {str(file.readable): file.path for file in files}
        rejects = self._new_name("rejects")
        store = f"store_rejects=true, rejects_table='{rejects}', rejects_scan='{rejects}_scan'"
        options = self.csv_options(alike)
        counts = self._count_odd_rows(files, f"{options}, {store}")
        offset = alike.first_row - 1 - alike.skip
        ragged = (
            f"SELECT file_path, count(*), min(line + {offset}, {_FIRST_SHOWN}), "
            f"min(csv_line, {_FIRST_SHOWN}), "
            f"bool_or(contains(csv_line, {literal(alike.delimiter)})) "
            f"FROM (SELECT DISTINCT file_path, line, csv_line FROM {rejects} "
            f"JOIN {rejects}_scan USING (scan_id, file_id) WHERE NOT {self._dropped_line(alike)}) "
            "GROUP BY file_path ORDER BY file_path"
        )
        are_there = self.connection.execute(f"FROM {rejects} LIMIT 1").fetchall()
        found = self.connection.execute(ragged).fetchall() if are_there else []
        for path, rows, first, lines, has_cells in found:
            width = len(alike.header) - alike.is_spare
            what, remedy = advise("ragged", self._shown[paths.pop(path)], width)
            if not has_cells:
                lines_out = leave_totals_out(alike.header[0], map(str.strip, lines))
                remedy = say("no_separator", lines_out)
            self._note(what, remedy, rows, first)
        if not paths:
            return []
        if self.mapping.drop_rows_where:
            options += ", ignore_errors=true"
        scan = f"read_csv({_sql_list(paths)}, {options})"
        # Rows come in the order of the files, and have no number in theirs.
        in_order = f"SELECT *, file_index AS _file, row_number() OVER () AS _n FROM {scan}"
        first = f"_n - min(_n) OVER (PARTITION BY _file) + {alike.first_row} AS _row"
        numbered = f"(SELECT * EXCLUDE (_n), {first} FROM ({in_order}))"
        left_out = self._odd_rows(alike)[_LEFT_OUT]
        counts = {path: counts[path] for path in paths.values() if path in counts}
        if any(odd[_LEFT_OUT] for odd in counts.values()):
            where = f"WHERE NOT COALESCE({left_out}, false)"
            scan, numbered = (f"(SELECT * FROM {rows} {where})" for rows in (scan, numbered))
        names = tuple(self._shown[path] for path in paths.values())
        self._note_odd_rows(alike, counts, numbered, names)
        return [FileGroup(names, dict.fromkeys(alike.header, "VARCHAR"), scan, numbered)]

    def _note_odd_rows(
        self, alike: TextFile, counts: _Counts, numbered: str, files: Sequence[str]
    ) -> None:
        """Note rows of sums and with cells to spare; warn of cells without a header."""
        for what in (_NAMELESS, _TOTAL_LINES, _SPARE):
            held = {self._shown[path]: odd[what] for path, odd in counts.items() if odd[what]}
            names, number = ", ".join(held), sum(held.values())
            if held and what == _NAMELESS:
                warnings.warn(say("nameless", names, number), stacklevel=2)
            elif held:
                cells, header = ", ".join(map(quoted, alike.header)), alike.header
                first = f"COALESCE({cells})"
                rows = f"SELECT _file, _row, list_position([{cells}], {first}), {first}"
                most = _MOST_LOOKED_AT if what == _TOTAL_LINES else _FIRST_SHOWN
                where = f"{self._odd_rows(alike)[what]} ORDER BY _file, _row LIMIT {most}"
                odd = self.connection.execute(f"{rows} FROM {numbered} WHERE {where}").fetchall()
                said = advise(_SPARE, names)
                if what == _TOTAL_LINES:
                    remedy = leave_totals_out(header[odd[0][2] - 1], (c.strip() for *_, c in odd))
                    said = say(what, names), remedy
                places = [f"{files[n]}:{row}" if len(held) > 1 else row for n, row, *_ in odd]
                self._note(*said, number, places)

    def csv_options(self, file: TextFile) -> str:
        """Return the options by which DuckDB reads a text file."""
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in file.header)
        # Hive's mark costs nothing here, and the whole grammar at every scan if it is left to that.
        codes = {code for column in self.mapping.codes.values() for code in column}
        nulls = "['']" if "\\N" in codes else "['', '\\N']"
        return (
            f"auto_detect=false, header=false, skip={file.skip}, columns={{{columns}}}, "
            f"delim={literal(file.delimiter)}, quote='{file.quote}', escape='{file.quote}', "
            f"nullstr={nulls}, hive_partitioning=false"
        )

    def _count_odd_rows(self, files: Sequence[TextFile], options: str) -> _Counts:
        """Return how many rows of each file are none of the table's, and note them beside it."""
        alike = files[0]
        odd = self._odd_rows(alike)
        counts = ", ".join(f"count(*) FILTER ({condition})" for condition in odd.values())
        counts += f", count(*) FILTER ({self._dropped(alike.header)}), count(*)"
        readable = _sql_list(file.readable for file in files)
        counted = self.connection.execute(
            f"SELECT file_index::BIGINT, {counts} FROM read_csv({readable}, {options}) GROUP BY ALL"
        ).fetchall()
        for index, left_out, *_, dropped, rows in counted:
            path = files[index].path
            self.rows[path] = {rows - left_out, rows - left_out - dropped}
            self.notes[path] = (say("rows", rows - left_out), *self.notes[path])
            if left_out:
                self.notes[path] += (say("rows_left_out", left_out),)
            if dropped:
                self.notes[path] += (say("rows_dropped", dropped),)
        return {files[index].path: dict(zip(odd, n, strict=False)) for index, *n in counted}

    def _odd_rows(self, file: TextFile) -> dict[str, str]:
        """Return the SQL of rows that are none of the table's."""
        cells = {name: quoted(name) for name in file.header}
        # Each name is compared alone: regular expressions cost, and IN becomes a join.
        again = " AND ".join(
            "(" + " OR ".join(f"trim({cells[name]}) = {literal(word)}" for word in words) + ")"
            for name in cells
            if (words := self._words(name))
        )
        # What stands alone in a line is a remark, or a sum.
        listed = ", ".join(cells.values())
        every, first = f"concat_ws('', {listed})", f"COALESCE({listed})"
        is_alone = f"{every} <> '' AND {every} = {first}" if len(cells) > 3 else "false"
        total = f"(regexp_full_match(lower(trim({first})), '{TOTALS}') OR {is_alone})"
        dropped = self._dropped(file.header)
        last = len(file.header) - file.is_spare
        nameless = (cells[name] for name in file.header[:last] if name.startswith(NAMELESS))
        return {
            _LEFT_OUT: f"({every} = '' OR {again or 'false'})",
            _TOTAL_LINES: f"({total} AND NOT {dropped})",
            _NAMELESS: f"concat('', {', '.join(nameless) or 'NULL'}) <> ''",
            _SPARE: f"{list(cells.values())[-1]} IS NOT NULL" if file.is_spare else "false",
        }

    def _words(self, header: str) -> list[str]:
        """Return the headers that mean the same column as one does, none for one not known."""
        column = self._known.get(normalize(header))
        words = [word for word, name in self.names.items() if name == column]
        return [*{header: 0, f"\ufeff{header}": 0, **dict.fromkeys(words)}] if column else []

    def _dropped_line(self, file: TextFile) -> str:
        """Return the SQL of lines that do not fit the header, and begin with what is dropped."""
        values = [value for values in self.mapping.drop_rows_where.values() for value in values]
        start = f"trim(split_part(csv_line, {literal(file.delimiter)}, 1))"
        return f"COALESCE({is_one_of(start, values)}, false)" if values else "false"

    def _new_name(self, what: str) -> str:
        self._made += 1
        return f"{what}_{self.contract.name}_{self._made}"


def column_types(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """Return column → DuckDB type of what a query can select from."""
    described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    return {name: kind for name, kind, *_ in described}


def unreadable(path: Path, shown: str = "") -> tuple[Words, Words]:
    """Return why a file cannot be read, and what to do."""
    return advise("damaged" if os.access(path, os.R_OK) else "not_permitted", shown or path.name)


def damaged_parquet(
    connection: duckdb.DuckDBPyConnection, files: Mapping[str, Sequence[Path]]
) -> Iterator[Problem]:
    """Yield the Parquet files of tables that cannot be read to their end."""
    for table, paths in files.items():
        for path in filter(file_names.is_parquet, paths):
            try:
                rows = f"read_parquet({_sql_list([path])})"
                connection.execute(f"SELECT max(hash(COLUMNS(*))) FROM {rows}").fetchall()
            except duckdb.Error:
                yield Problem(table, "", *unreadable(path, file_names.distinct_names(paths)[path]))


def _parquet_types(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """Return column → DuckDB type of a Parquet file, INT96 where moments are stored as such."""
    types = column_types(connection, _scan_parquet([path]))
    if "TIMESTAMP" in types.values():
        schema = f"parquet_schema({_sql_list([path])})"
        old = connection.execute(f"SELECT name FROM {schema} WHERE type = 'INT96'").fetchall()
        types |= {name: INT96 for (name,) in old if name in types}
    lower = {name.lower() for name in types}
    for name in types:  # DuckDB gives the second column of a name another
        first = re.sub(r"_\d+$", "", name)
        own = f"SELECT 1 FROM parquet_schema({_sql_list([path])}) WHERE name = {literal(name)}"
        if first != name and first.lower() in lower and not connection.execute(own).fetchall():
            raise UnusableFileError(*advise("column_twice", path.name, first))
    return types


def _scan_parquet(paths: Iterable[object]) -> str:
    """Return the SQL of Parquet files; a column that their folders hold is text, with its zeros."""
    return f"read_parquet({_sql_list(paths)}, hive_types_autocast=false)"


def _sql_list(paths: Iterable[object]) -> str:
    return f"[{', '.join(literal(str(path)) for path in paths)}]"
