"""Opening a bank: its tables by the contract, in CNY, lazily on DuckDB.

Files are described, checked and then only scanned when somebody asks; `keep` holds on to a
shared step. All problems of all tables come in one error.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from stockcust_analysis.atomic import sha256
from stockcust_analysis.bank import checks
from stockcust_analysis.bank.casting import typed
from stockcust_analysis.bank.contract import TABLES, Table
from stockcust_analysis.bank.files import FileReader, RawFile, files_of, quoted
from stockcust_analysis.bank.mapping import Mapping, TableMapping, contract_names, read_mapping
from stockcust_analysis.bank.problems import Problem, raise_if_any
from stockcust_analysis.errors import UsageError
from stockcust_analysis.periods import Quarter

MAPPING_NAME = "mapping.toml"
# Nothing may be fetched: an extension that is not in the wheel must fail, not download.
_OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}


@dataclass(frozen=True)
class InputFile:
    """One file a bank was read from, for the manifest."""

    name: str
    path: Path

    @property
    def sha256(self) -> str:
        """Hash of the file's bytes."""
        return sha256(self.path)


class Bank:
    """A bank's tables, checked against the contract; made by `open_bank`.

    Money is in CNY with two decimals (DECIMAL), dates are dates; columns that the bank does not
    deliver are absent. Use it in a `with` block, or call `close` when done.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        name: str,
        tables: dict[str, tuple[str, ...]],
        inputs: tuple[InputFile, ...],
        scratch: tempfile.TemporaryDirectory[str],
    ) -> None:
        self.connection = connection
        self.name = name
        self.columns = tables
        self.inputs = inputs
        self._scratch = scratch
        self._kept = 0

    def table(self, name: str) -> duckdb.DuckDBPyRelation:
        """Return a table of the contract, lazily; UsageError when the bank does not deliver it."""
        if name not in self.columns:
            raise UsageError.unknown("table", name, self.columns)
        return self.connection.view(name)

    def snapshot(self, name: str, *, as_of: date) -> duckdb.DuckDBPyRelation:
        """Return a table's rows of one as-of date, lazily."""
        return self.table(name).filter(f"as_of = DATE '{as_of.isoformat()}'")

    def keep(self, frame: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Compute a shared step once and hold on to it until the bank is closed."""
        self._kept += 1
        name = f"kept_{self._kept}"
        frame.create(name)
        return self.connection.table(name)

    @property
    def quarters(self) -> tuple[Quarter, ...]:
        """The quarters whose last day is an as-of date of both customers and holdings."""
        found = self.connection.sql(
            "SELECT as_of FROM customers INTERSECT SELECT as_of FROM holdings ORDER BY as_of"
        ).fetchall()
        ends = (Quarter.ending_on(day) for (day,) in found)
        return tuple(quarter for quarter in ends if quarter is not None)

    def close(self) -> None:
        """Let go of the connection and of everything written beside it."""
        self.connection.close()
        self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Bank {self.name!r}: {', '.join(self.columns)}>"


def open_bank(source: str | Path, *, mapping: str | Path | None = None) -> Bank:
    """Open a bank's extracts and check them against the contract.

    Parameters
    ----------
    source
        Folder with one or several files per table: CSV in UTF-8 or GB18030/GBK (found out by
        looking), gzip-compressed CSV, Parquet or Excel.
    mapping
        TOML file that renames headers and codes; default: `mapping.toml` in the folder, if any.

    Returns
    -------
    Bank
        Tables on DuckDB, scanned only when asked for.

    Raises
    ------
    UsageError
        The folder or the mapping does not exist.
    BankDataError
        The extracts break the contract. All problems of all tables are in the one error, with
        table, column, number of rows, first rows and what to do; never a customer's number.

    Examples
    --------
    >>> bank = open_bank("data/sample")
    >>> [str(quarter) for quarter in bank.quarters]
    ['2025Q3', '2025Q4', '2026Q1', '2026Q2', '2026Q3']
    >>> bank.close()
    """
    folder = Path(source)
    if not folder.is_dir():
        raise UsageError(f"'{folder}' is not a folder. Give the folder that holds the extracts.")
    words = _mapping(folder, mapping)
    scratch = tempfile.TemporaryDirectory(prefix="stockcust-")
    config = {**_OFFLINE, "temp_directory": str(Path(scratch.name) / "spill")}
    connection = duckdb.connect(":memory:", config=config)  # type: ignore[arg-type]
    try:
        bank = _open(folder, words, connection, scratch)
        used = Path(mapping or folder / MAPPING_NAME)  # what it says decides what the files mean
        bank.inputs += (InputFile(used.name, used),) if used.exists() else ()
        return bank
    except BaseException:
        connection.close()
        scratch.cleanup()
        raise


def _mapping(folder: Path, given: str | Path | None) -> Mapping:
    if given is not None:
        return read_mapping(Path(given))
    beside = folder / MAPPING_NAME
    return read_mapping(beside) if beside.exists() else Mapping()


def _open(
    folder: Path,
    words: Mapping,
    connection: duckdb.DuckDBPyConnection,
    scratch: tempfile.TemporaryDirectory[str],
) -> Bank:
    reader = FileReader(connection, Path(scratch.name))
    problems: list[Problem] = []
    delivered: dict[str, tuple[str, ...]] = {}
    files = {c.name: files_of(folder, c.name, words.of(c.name).file) for c in TABLES}
    for contract in TABLES:
        mapping, paths = words.of(contract.name), files[contract.name]
        if not paths:
            problems += checks.missing_table(contract, folder)
            continue
        raw = [file for path in paths if (file := reader.read(path, contract.name))]
        found, headers = checks.headers(contract, raw, contract_names(mapping, contract))
        problems += found
        if len(raw) == len(paths) and not found:
            _create_view(connection, contract, raw, headers, mapping)
            problems += checks.cells(connection, contract, raw, headers, mapping)
            delivered[contract.name] = _delivered(contract, headers)
    problems += reader.problems
    names_of_files = {name: [path.name for path in paths] for name, paths in files.items()}
    problems += checks.between_tables(connection, delivered, names_of_files)
    raise_if_any(problems, f"'{folder}'")
    inputs = (InputFile(str(path.relative_to(folder)), path) for p in files.values() for path in p)
    return Bank(
        connection,
        name=words.name or folder.resolve().name,
        tables=delivered,
        inputs=tuple(inputs),
        scratch=scratch,
    )


def _create_view(
    connection: duckdb.DuckDBPyConnection,
    contract: Table,
    raw: list[RawFile],
    headers: list[dict[str, str]],
    mapping: TableMapping,
) -> None:
    """Define the table as a view, and the same with file and row numbers for the checks."""
    selects = []
    for index, (file, names) in enumerate(zip(raw, headers, strict=True)):
        cells = [
            f"{typed(contract.column(name), header, file.columns[header], codes)} AS {quoted(name)}"
            for name, header in names.items()
            for codes in [mapping.codes.get(name, {})]
        ]
        selects.append(f"SELECT {', '.join(cells)}, {index} AS _file, _row FROM ({file.scan})")
    union = " UNION ALL BY NAME ".join(selects)
    connection.execute(f"CREATE VIEW {checks.rows_view(contract.name)} AS {union}")
    delivered = ", ".join(map(quoted, _delivered(contract, headers)))
    connection.execute(
        f"CREATE VIEW {quoted(contract.name)} AS "
        f"SELECT {delivered} FROM {checks.rows_view(contract.name)}"
    )


def _delivered(contract: Table, headers: list[dict[str, str]]) -> tuple[str, ...]:
    """Return the contract's columns that at least one file holds, in the contract's order."""
    return tuple(name for name in contract.column_names if any(name in file for file in headers))
