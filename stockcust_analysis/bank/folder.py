"""Extracts on DuckDB: a folder of files, or the tables of a DuckDB database.

Files are described, checked and then only scanned when somebody asks. All problems of all tables
come in one error.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from collections.abc import Mapping as Dictionary
from contextlib import contextmanager
from pathlib import Path

import duckdb

from stockcust_analysis.bank import checks
from stockcust_analysis.bank.bank import Bank, InputFile
from stockcust_analysis.bank.casting import typed
from stockcust_analysis.bank.contract import TABLES, Table
from stockcust_analysis.bank.duckdb_connection import limited_connection
from stockcust_analysis.bank.files import (
    ENDINGS,
    FileReader,
    RawFile,
    Reading,
    files_of,
    literal,
    quoted,
)
from stockcust_analysis.bank.mapping import Mapping, TableMapping, contract_names
from stockcust_analysis.bank.problems import Problem, raise_if_any
from stockcust_analysis.core.engines import DuckDBEngine
from stockcust_analysis.errors import UsageError
from stockcust_analysis.temporary import WorkingFolder

Extracts = Dictionary[str, list[RawFile]]


def open_folder(folder: Path, words: Mapping, *, memory_limit: str) -> Bank:
    """Open a folder of extracts."""
    with _opening(memory_limit) as engine:
        reader = FileReader(engine.connection, engine.folder)
        files = {c.name: files_of(folder, c.name, words.of(c.name).file) for c in TABLES}
        extracts = {
            name: [file for path in paths if (file := reader.read(path, name))]
            for name, paths in files.items()
            if paths
        }
        stems = [p.name.split(".")[0] for p in folder.iterdir() if p.name.lower().endswith(ENDINGS)]
        unread = {name for name, raw in extracts.items() if len(raw) < len(files[name])}
        found = checks.missing_tables(extracts, stems, holder="file") + reader.problems
        delivered = _checked(engine.connection, extracts, words, found, f"'{folder}'", unread)
        inputs = [
            InputFile(str(p.relative_to(folder)), p) for paths in files.values() for p in paths
        ]
        return Bank(delivered, engine, name=words.name or folder.resolve().name, inputs=inputs)


def open_duckdb_file(
    path: Path, words: Mapping, *, tables: Dictionary[str, str], memory_limit: str
) -> Bank:
    """Open a DuckDB database for reading; its tables are named as in the contract or as given."""
    with _opening(memory_limit) as engine:
        rows = _attached(engine.connection, path)
        wanted = {c.name: tables.get(c.name, c.name) for c in TABLES}
        extracts = {
            name: [_described(engine.connection, place, rows[place])]
            for name, place in wanted.items()
            if place in rows
        }
        found = checks.missing_tables(extracts, rows)
        delivered = _checked(engine.connection, extracts, words, found, f"'{path}'")
        inputs = [InputFile(path.name, path)]
        return Bank(delivered, engine, name=words.name or path.stem, inputs=inputs)


@contextmanager
def _opening(memory_limit: str) -> Iterator[DuckDBEngine]:
    """Start DuckDB; close it again if the bank cannot be opened."""
    scratch = WorkingFolder()
    connection = limited_connection(memory_limit, scratch.path)
    engine = DuckDBEngine(connection, scratch.path, scratch.remove)
    try:
        yield engine
    except BaseException:
        engine.close()
        raise


def _attached(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """Attach a database for reading; return its tables and views → SQL of their row numbers."""
    if not path.is_file():
        raise UsageError(f"'{path}' is not a DuckDB database file.")
    try:
        connection.execute(f"ATTACH {literal(str(path))} AS source (READ_ONLY)")
        # Views of the database find its tables; what is made here is made in memory.
        connection.execute("SET search_path = 'memory.main,source.main'")
    except duckdb.Error as error:
        raise UsageError(
            f"'{path}' cannot be opened as a DuckDB database ({type(error).__name__}). "
            "Close the program that writes to it, and see that its version is not newer."
        ) from None
    found = connection.sql(
        "SELECT schema_name, table_name, 'rowid + 1' FROM duckdb_tables() "
        "WHERE database_name = 'source' UNION ALL SELECT schema_name, view_name, "
        "'row_number() OVER ()' FROM duckdb_views() WHERE database_name = 'source' AND NOT internal"
    ).fetchall()
    return {
        name if schema == "main" else f"{schema}.{name}": number for schema, name, number in found
    }


def _described(connection: duckdb.DuckDBPyConnection, place: str, number: str) -> RawFile:
    """Return a table of the attached database as the checks read files."""
    *schema, name = place.split(".", 1)
    source = f"source.{quoted(schema[0] if schema else 'main')}.{quoted(name)}"
    described = connection.sql(f"SELECT * FROM {source} LIMIT 0")
    columns = dict(zip(described.columns, map(str, described.types), strict=True))
    return RawFile(Path(place), f"SELECT *, {number} AS _row FROM {source}", columns)


def _checked(
    connection: duckdb.DuckDBPyConnection, extracts: Extracts, words: Mapping,
    found: list[Problem], source: str, unread: Collection[str] = (),
) -> dict[str, duckdb.DuckDBPyRelation]:  # fmt: skip
    """Define the contract's tables as views and check them; raise everything found at once.

    Of tables that could not be read whole only the headers are looked at.
    """
    problems = list(found)
    files = {name: [file.path.name for file in raw] for name, raw in extracts.items()}
    delivered: dict[str, tuple[str, ...]] = {}
    for contract in (c for c in TABLES if c.name in extracts):
        mapping, raw = words.of(contract.name), extracts[contract.name]
        names = contract_names(mapping, contract)
        doubtful, headers = checks.headers(contract, [file.columns for file in raw], names)
        problems += doubtful
        if not doubtful and contract.name not in unread:
            wrong, untidy = checks.cells(connection, contract, raw, headers, mapping)
            _create_views(connection, contract, raw, headers, mapping, untidy)
            problems += wrong
            problems += checks.duplicate_keys(connection, contract, files[contract.name])
            delivered[contract.name] = _delivered(contract, headers)
    problems += checks.between_tables(connection, delivered, files)
    raise_if_any(problems, source)
    return {name: connection.view(name) for name in delivered}


def _create_views(
    connection: duckdb.DuckDBPyConnection, contract: Table, raw: list[RawFile],
    headers: list[dict[str, str]], mapping: TableMapping, untidy: list[set[str]],
) -> None:  # fmt: skip
    """Define the table as a view, and the same with file and row numbers for the checks."""
    told = []
    for file, names, blanks in zip(raw, headers, untidy, strict=True):
        cells = (
            f"""{typed(contract.column(name), header, file.columns[header],
                       mapping.codes.get(name, {}), tidy=name not in blanks)} AS {quoted(name)}"""
            for name, header in names.items()
        )  # fmt: skip
        told.append(", ".join(cells))
    rows = _union(raw, told, numbered=True)
    connection.execute(f"CREATE VIEW {checks.rows_view(contract.name)} AS {rows}")
    delivered = ", ".join(map(quoted, _delivered(contract, headers)))
    connection.execute(
        f"CREATE VIEW {quoted(contract.name)} AS "
        f"SELECT {delivered} FROM ({_union(raw, told, numbered=False)})"
    )


def _union(raw: list[RawFile], told: list[str], *, numbered: bool) -> str:
    """Return the SQL of all files' cells, with `_file` and `_row` where they are to be numbered.

    Files that are read alike are read by one scan: DuckDB gives every scan of a union memory of
    its own, and guesses badly how many rows the hundreds of them have together.
    """
    alike: dict[object, list[int]] = {}
    for index, (file, cells) in enumerate(zip(raw, told, strict=True)):
        how = _read_together(file, numbered=numbered)
        key = (how, cells, *file.columns.items()) if how else index
        alike.setdefault(key, []).append(index)
    selects = []
    for places in alike.values():
        files = [raw[place] for place in places]
        how = _read_together(files[0], numbered=numbered)
        source = how.of(file.readable for file in files) if how else f"({files[0].scan})"
        place = f"{places}[file_index::BIGINT + 1]" if how else str(places[0])
        number = f", {place} AS _file, {how.row if how else '_row'} AS _row" if numbered else ""
        selects.append(f"SELECT {told[places[0]]}{number} FROM {source}")
    return " UNION ALL BY NAME ".join(selects)


def _read_together(file: RawFile, *, numbered: bool) -> Reading | None:
    """Return how the file can be read with others of its kind; None where it must be alone."""
    how = file.reading
    return how if how and (how.numbers_many or not numbered) else None


def _delivered(contract: Table, headers: list[dict[str, str]]) -> tuple[str, ...]:
    """Return the contract's columns that at least one file holds, in the contract's order."""
    return tuple(name for name in contract.column_names if any(name in file for file in headers))
