"""Extracts on DuckDB: a folder of files, or the tables of a DuckDB database.

Files are described, validated and then only scanned when their rows are needed. All problems of
all tables come in one error.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Mapping as Dictionary
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from math import sqrt
from pathlib import Path

import duckdb

from stockcust_analysis.bank import file_names, validation
from stockcust_analysis.bank import problems as bank_problems
from stockcust_analysis.bank.bank import Input
from stockcust_analysis.bank.contract import TABLES, Column, called, named
from stockcust_analysis.bank.conversion import Reading, sql_reading, with_readings, with_steps
from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.bank.doubts import EQUAL_BY_CHANCE
from stockcust_analysis.bank.file_names import ENDINGS, TEXT_ENDINGS, assign_files
from stockcust_analysis.bank.files import FileGroup, FileReader, column_types, damaged_parquet
from stockcust_analysis.bank.headers import match_headers, missing_tables, warn_of_absent
from stockcust_analysis.bank.layouts.east5 import make_tables
from stockcust_analysis.bank.layouts.reader import LayoutFiles, has_layout_names
from stockcust_analysis.bank.mapping import Mapping, TableMapping, Tolerance
from stockcust_analysis.bank.problems import ABSENT, POSITION, Delivery, Problem, Rows, raise_if_any
from stockcust_analysis.core import engines
from stockcust_analysis.core.engines import DuckDBEngine, hash_of, literal, quoted
from stockcust_analysis.core.files import WorkingFolder
from stockcust_analysis.core.frames import as_lazy
from stockcust_analysis.errors import UsageError, Words, advise, say

_NO_RESOURCES = (duckdb.OutOfMemoryException, duckdb.InterruptException)
_PACKED = (".zip", ".rar", ".7z", ".tar", ".tgz")
_OWN_FILES = ("assignments", "contacts", "customer_moves")
_LARGE = 500_000
"""Rows from which on reading them costs more than asking for them."""
_PART, _LEAST_OF_PART = 64, 300_000
"""One row in so many shows that no file holds another's, and in many rows that few are equal."""
_ROWS_OF_A_FILE = 1 << 40
"""Positions count a table's files in these steps, and the rows of a file in ones."""
_REPEATED = """
WITH counted AS MATERIALIZED (FROM counts),
part AS MATERIALIZED (FROM counted WHERE row % {part} = 0),
files AS (SELECT file, sum(n) AS rows FROM part GROUP BY ALL),
shared AS (
    SELECT a.file, b.file AS other, sum(least(a.n, b.n)) AS rows
    FROM part AS a JOIN part AS b ON a.row = b.row AND a.file <> b.file GROUP BY ALL
)
SELECT files.file, same.file, files.rows, files.rows = same.rows,
    (SELECT count(DISTINCT row) FROM counted)
FROM files LEFT JOIN shared ON shared.file = files.file AND shared.rows = files.rows
LEFT JOIN files AS same ON same.file = shared.other ORDER BY ALL
"""
"""Files, each with every other one that holds all of its rows, or none, and whether no more.

The last column counts all different rows.
"""


def open_folder(folder: Path, mapping: Mapping, memory_limit: str, layout: str | None) -> Bank:
    """Open a folder of extracts; a layout makes tables of the contract from files of its own."""
    with _opening(memory_limit) as engine:
        files, problems, left_out = assign_files(folder, mapping)
        own, approximations = list[Input](), dict[str, list[str]]()
        if layout:
            where = say("by_layout", folder, layout)
            made, mapping = _layout_tables(engine, folder, mapping, where)
            left_out, approximations = _left_out(folder, left_out, made), made.approximations
            own = [Input(path.name, path, notes) for path, notes in made.notes.items()]
            for name, path in made.tables.items():
                files[name].append(path)
        groups: dict[str, list[FileGroup]] = {}
        unread, inputs = dict[str, bool](), list[Input]()
        counts, flags_alone = file_names.read_row_counts([*chain(*files.values())])
        for contract in TABLES:
            name, paths = contract.name, files[contract.name]
            title = Words(name, contract.zh)
            reader = FileReader(engine.connection, engine.folder, contract, mapping.of(name))
            if paths:
                groups[name] = reader.read(paths)
            for path in paths:
                reader.compare_rows(path, counts.get(path, ()))
            if reader.problems:
                unread[name] = reader.is_part
            problems += reader.problems
            inputs += [
                Input(str(path.relative_to(folder)), path, (title, *reader.notes.get(path, ())))
                for path in paths
                if path.is_relative_to(folder)
            ]
        problems = _missing_files(folder, groups, layout) + problems
        source, name = f"'{folder}'", folder.resolve().name
        with _naming_damaged_files(engine, files, source):
            bank = _bank(engine, groups, mapping, problems, source, name, own + inputs, unread)
        bank.left_out = (*left_out, *(str(path.relative_to(folder)) for path in flags_alone))
        bank.layout, bank.approximations = layout or "", approximations
        return bank


def _missing_files(folder: Path, tables: Collection[str], layout: str | None) -> list[Problem]:
    """Return the required tables that no file holds; of a layout's files, how to read them."""
    stems = [p.name.split(".")[0] for p in folder.iterdir() if p.name.lower().endswith(ENDINGS)]
    missing = missing_tables(tables, stems, holder="file")
    if missing and not layout and has_layout_names(folder):
        missing = [replace(p, remedy=p.remedy + say("east5_there")) for p in missing]
    return missing


def _layout_tables(
    engine: DuckDBEngine, source: Path | Dictionary[str, str], mapping: Mapping, where: str
) -> tuple[LayoutFiles, Mapping]:
    """Return the tables made from a layout's, and a mapping by which files beside them are read.

    The bank's own files also name customers that no table of the layout has.
    """
    made = make_tables(engine.connection, engine.folder, source, mapping.layout)
    raise_if_any(made.problems, where)
    own = {(name, "customer_id"): Tolerance(None) for name in _OWN_FILES}
    return made, replace(mapping, tolerance={**own, **mapping.tolerance})


def _left_out(folder: Path, names: Iterable[str], made: LayoutFiles) -> list[str]:
    """Return what is not read; warn of texts neither the contract's nor called as the layout's."""
    below = {path.relative_to(folder).as_posix() for path in folder.glob("*/**/*.txt")}
    known = {name.split(" (")[0] for name in made.left_out} | {path.name for path in made.notes}
    unread = sorted(n for n in below.union(names) - known if n.lower().endswith(TEXT_ENDINGS))
    inside = (n for n in made.left_out if "/" in n)
    packed = [n for n in inside if n.lower().endswith((*TEXT_ENDINGS, *_PACKED))]
    packed += sorted(p.name for p in folder.iterdir() if p.suffix.lower() in _PACKED[1:])
    if unread or packed:
        warnings.warn(say("not_of_layout", _shown([*unread, *packed])), stacklevel=2)
    return [*made.left_out, *unread]


@contextmanager
def _naming_damaged_files(
    engine: DuckDBEngine, files: Dictionary[str, list[Path]], source: str
) -> Iterator[None]:
    """Say which Parquet files are damaged, where their rows cannot be read."""
    try:
        yield
    except _NO_RESOURCES:
        raise
    except duckdb.Error:
        raise_if_any([*damaged_parquet(engine.connection, files)], source)
        raise


def open_duckdb_file(
    path: Path, mapping: Mapping, names: Dictionary[str, str], memory_limit: str, layout: str | None
) -> Bank:
    """Open a DuckDB database for reading; its tables are named as in the contract or as given.

    With a layout those of the layout are its own, such as a mart's.
    """
    with _opening(memory_limit) as engine:
        there = _attach(engine.connection, path)
        wanted = {c.name: _written(names.get(c.name, c.name), there) for c in TABLES}
        if absent := [name for table, name in names.items() if wanted[table] not in there]:
            raise UsageError(say("no_table_there", absent[0]))
        groups = {
            name: [_database_table(engine.connection, source, *there[source])]
            for name, source in wanted.items()
            if source in there
        }
        if layout:
            own = {n.rpartition(".")[2].strip('"').upper(): sql for n, (sql, _) in there.items()}
            made, mapping = _layout_tables(engine, own, mapping, say("by_layout", path, layout))
            for contract in (c for c in TABLES if c.name in made.tables):
                reader = FileReader(engine.connection, engine.folder, contract, TableMapping())
                groups.setdefault(contract.name, [])
                groups[contract.name] += reader.read([made.tables[contract.name]])
        problems = missing_tables(groups, there)
        inputs = [Input(path.name, path)]
        bank = _bank(engine, groups, mapping, problems, f"'{path}'", path.stem, inputs, {})
        if layout:
            bank.layout, bank.approximations = layout, made.approximations
            bank.left_out = tuple(made.left_out)
        return bank


def open_relations(
    relations: Dictionary[str, duckdb.DuckDBPyRelation], mapping: Mapping, *, memory_limit: str
) -> Bank:
    """Open copies of DuckDB's relations: their connection stays the caller's, and may change."""
    with _opening(memory_limit) as engine:
        groups, inputs = {}, []
        for contract in (c for c in TABLES if c.name in relations):
            name, relation = contract.name, relations[contract.name]
            path = engine.folder / f"{name}.parquet"
            try:
                relation.write_parquet(str(path))
            except _NO_RESOURCES:
                raise
            except duckdb.Error:
                raise UsageError(say("relation_fails", name)) from None
            reader = FileReader(engine.connection, engine.folder, contract, mapping.of(name))
            groups[name] = reader.read([path])
            inputs.append(Input(name, f"DuckDB: {relation.shape[0]} rows"))
        problems = missing_tables(groups, relations)
        return _bank(engine, groups, mapping, problems, "DuckDB", "bank", inputs, {})


@contextmanager
def _opening(memory_limit: str) -> Iterator[DuckDBEngine]:
    """Start DuckDB; close it again if the bank cannot be opened."""
    folder = WorkingFolder()
    connection = engines.limited_connection(memory_limit, folder.path)
    engine = DuckDBEngine(connection, folder.path, folder.remove)
    try:
        yield engine
    except BaseException:
        engine.close()
        raise


def _attach(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, tuple[str, str]]:
    """Attach a database for reading; return its tables and views → SQL of them, and of their rows.

    A schema or a table whose name holds a dot stands in quotation marks.
    """
    if not path.is_file():
        raise UsageError(say("no_duckdb_file" if path.exists() else "no_such_file", path))
    try:
        connection.execute(f"ATTACH {literal(str(path))} AS source (READ_ONLY)")
        # Views of the database find its tables; what is made here is made in memory.
        connection.execute("SET search_path = 'memory.main,source.main'")
    except duckdb.Error:
        raise UsageError(say("duckdb_not_opened", path)) from None
    names = connection.execute(
        "SELECT schema_name, table_name, 'rowid + 1' FROM duckdb_tables() "
        "WHERE database_name = 'source' UNION ALL SELECT schema_name, view_name, "
        "'row_number() OVER ()' FROM duckdb_views() WHERE database_name = 'source' AND NOT internal"
    ).fetchall()
    tables = {}
    for schema, name, number in names:
        parts = (f'"{part}"' if "." in part else part for part in (schema, name))
        known = ".".join(parts).removeprefix("main.")
        tables[known] = f"source.{quoted(schema)}.{quoted(name)}", number
    return tables


def _written(name: str, there: Iterable[str]) -> str:
    """Return a table's name as it is written there: dots in quotation marks part nothing.

    Without marks a dot parts schema and table; only where there is no such table it parts nothing.

    >>> _written('DM."Cust"', ["dm.cust", '"dm.cust"']), _written('"dm.cust"', ['"dm.cust"'])
    ('dm.cust', '"dm.cust"')
    """
    plain = re.sub(r'"([^".]*)"', r"\1", name).lower().removeprefix("main.")
    known = {each.replace('"', "").lower(): each for each in there}
    return (known | {each.lower(): each for each in there}).get(plain, name)


def _database_table(
    connection: duckdb.DuckDBPyConnection, name: str, source: str, row_number: str
) -> FileGroup:
    """Return a table of the attached database as files are read."""
    numbered = f"(SELECT *, 0 AS _file, {row_number} AS _row FROM {source})"
    return FileGroup((name,), column_types(connection, source), source, numbered, is_columnar=True)


def _bank(
    engine: DuckDBEngine,
    groups: Dictionary[str, list[FileGroup]],
    mapping: Mapping,
    problems: list[Problem],
    source: str,
    name: str,
    inputs: Sequence[Input],
    unread: Dictionary[str, bool],
) -> Bank:
    """Validate tables and return their bank; of those that were not read only the headers.

    `unread` says of these whether headers are lacking, too. The mapping's name wins over `name`.
    """
    deliveries, spare = {}, dict[str, list[str]]()
    for contract in (c for c in TABLES if c.name in groups):
        words, files = mapping.of(contract.name), groups[contract.name]
        columns = [group.columns for group in files]
        shown = [_shown(group.names) for group in files]
        is_part = unread.get(contract.name, False)
        doubtful, headers, unmeant = match_headers(contract, columns, words, shown, is_part=is_part)
        problems += doubtful
        spare |= {name: own for name, own in zip(shown, unmeant, strict=True) if own}
        if all(headers) and contract.name not in unread:
            delivered = [c for c in contract.columns if any(c.name in header for header in headers)]
            if not doubtful:
                _warn_of_lacking_columns(contract.name, delivered, files, headers)
            deliveries[contract.name] = _DuckDBDelivery(
                contract, delivered, words, headers, engine, files, mapping.zone
            )
    facts = validation.validate(deliveries.values(), problems, source, mapping.tolerance, engine)
    repeats = {
        table: delivery.find_repeats(facts[table])
        for table, delivery in deliveries.items()
        if not delivery.contract.key
    }
    raise_if_any([problem for _, again in repeats.values() for problem in again], source)
    warn_of_absent(mapping.tables, groups)
    bank = Bank(engine, facts, mapping.name or name, tuple(inputs), spare, mapping.as_errors)
    bank.equal_rows = {table: rows for table, (rows, _) in repeats.items()}
    return bank


def _warn_of_lacking_columns(
    table_name: str,
    delivered: Iterable[Column],
    files: Sequence[FileGroup],
    headers: Sequence[Dictionary[str, str]],
) -> None:
    """Warn of files without columns that other files of their table have."""
    for group, header in zip(files, headers, strict=True):
        there = {name: title for others in headers for name, title in others.items()}
        absent = (c.name for c in delivered if c.name not in header)
        lacking = [called(table_name, name, there[name].strip()) for name in absent]
        if lacking:
            facts = _shown(group.names), lacking, named(table_name)
            warnings.warn(say("columns_lacking", *facts), stacklevel=2)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


@dataclass(frozen=True)
class _DuckDBDelivery(Delivery):
    """Files of a table, or a table of a DuckDB database, whose rows have numbers.

    `headers` are those of the groups.
    """

    engine: DuckDBEngine
    groups: list[FileGroup]
    zone: str

    @property
    def _files(self) -> list[str]:
        return sorted(name for group in self.groups for name in group.names)

    @property
    def source(self) -> str:
        """Name of the one file, or of the table of a database."""
        return self._files[0] if len(self._files) == 1 else ""

    @cached_property
    def is_columnar(self) -> bool:
        """Whether the table is large, and lies by columns."""
        if not all(group.is_columnar for group in self.groups):
            return False
        counts = " UNION ALL ".join(f"SELECT count(*) FROM {group.scan}" for group in self.groups)
        rows = self.engine.connection.execute(counts).fetchall()
        return bool(sum(count for (count,) in rows) > _LARGE)

    def read(self, trimmed: Collection[str] = (), *, numbered: bool = False) -> Rows:
        """Return the rows: values, and whether they are at fault or odd.

        Text, and what is small, is converted once and kept: every later look would do all of it
        again.
        """
        make = self.engine.connection.sql if self.is_columnar else self.engine.create
        return as_lazy(make(self._select(trimmed, numbered=numbered)))

    def numbered(self, trimmed: Collection[str]) -> Rows:
        """Return the rows with their positions."""
        return self.read(trimmed, numbered=True)

    def name_rows(self, positions: Iterable[int]) -> tuple[str, ...]:
        """Return the numbers of rows; with the names of their files if there are several."""
        files = self._files
        rows = [divmod(position, _ROWS_OF_A_FILE) for position in positions]
        return tuple(str(row) if len(files) == 1 else f"{files[file]}:{row}" for file, row in rows)

    def find_repeats(self, facts: bank_problems.TableFacts) -> tuple[int, list[Problem]]:
        """Return how many rows are the same as another, and files whose rows all stand in another.

        The hashes of a part of the rows show that there are none, or few (0), but for a chance of
        one in millions (five standard deviations).
        """
        most = facts.rows * EQUAL_BY_CHANCE
        one_in = 1 << min(facts.rows // _LEAST_OF_PART, _PART).bit_length() >> 1 or 1
        numbered = self.engine.connection.sql(self._select(facts.trimmed, numbered=True))
        row = f"{hash_of(column.name for column in self.columns)} AS row"
        file = f"{quoted(POSITION)} // {_ROWS_OF_A_FILE} AS file"
        rows = facts.keep(as_lazy(numbered)).to_native().project(f"{row}, {file}")
        for step, part in ((one_in, _PART), (1, 1)):
            some = rows.filter(f"row % {step} = 0") if step > 1 else rows
            found = []
            if len(self._files) > 1:
                counts = some.aggregate("file, row, count(*) AS n")
                found = counts.query("counts", _REPEATED.format(part=part)).fetchall()
            different = found[0][-1] if found else engines.count_different(some, "row")
            equal, spread = facts.rows - step * different, 5 * sqrt((step - 1) * facts.rows)
            alone = [index for index, same, *_ in found if same is None]
            if equal + spread <= most and (len(self._files) == 1 or len(alone) == len(self._files)):
                return 0, []
        problems: dict[int, Problem] = {}
        for index, other, count, are_same, _ in found:
            if other is not None and (not are_same or other < index):
                said = advise("rows_again", self._files[index], self._files[other])
                problems.setdefault(index, Problem(self.contract.name, "", *said, int(count)))
        return equal, [*problems.values()]

    def _select(self, trimmed: Collection[str], *, numbered: bool = False) -> str:
        """Return the SQL of all groups, one below the other."""
        readings = [
            self._readings(group, header, trimmed)
            for group, header in zip(self.groups, self.headers, strict=True)
        ]
        cells = [with_readings(own) for own in readings]
        for columns in cells:
            columns |= {f"{c.name}|{ABSENT}": "true" for c in self.columns if c.name not in columns}
        # A condition that one group lacks does not hold in its rows.
        conditions = {name for columns in cells for name in columns if "|" in name}
        selects = []
        for group, own, columns in zip(self.groups, readings, cells, strict=True):
            columns |= dict.fromkeys(sorted(conditions - {*columns}), "false")
            source = group.scan
            if numbered:
                source, files = group.numbered, [self._files.index(name) for name in group.names]
                file = f"{files}[_file::BIGINT + 1]::BIGINT"
                columns[POSITION] = f"{file} * {_ROWS_OF_A_FILE} + _row"
            values = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in columns.items())
            selects.append(f"SELECT {values} FROM {with_steps(source, own.values())}")
        return " UNION ALL BY NAME ".join(selects)

    def _readings(
        self, group: FileGroup, header: Dictionary[str, str], trimmed: Collection[str]
    ) -> dict[str, Reading[str]]:
        """Return how a group's columns are read, by name."""
        read, types = partial(sql_reading, mapping=self.mapping, zone=self.zone), group.columns
        columns = {name: self.contract.column(name) for name in header}
        return {
            name: read(columns[name], quoted(source), types[source], trimmed=name in trimmed)
            for name, source in header.items()
        }
