"""Opening a bank, wherever its tables are."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from pathlib import Path
from typing import Any

from stockcust_analysis.bank.bank import Bank as Bank
from stockcust_analysis.bank.bank import InputFile
from stockcust_analysis.bank.duckdb_connection import DEFAULT_MEMORY_LIMIT
from stockcust_analysis.bank.mapping import Mapping, read_mapping
from stockcust_analysis.core.engines import Frame, engine_failures
from stockcust_analysis.errors import UsageError

MAPPING_NAME = "mapping.toml"
_DUCKDB = "duckdb://"


def open_bank(
    source: str | Path | Dictionary[str, Frame] | Any,
    *,
    mapping: str | Path | None = None,
    tables: Dictionary[str, str] | None = None,
    memory_limit: str = DEFAULT_MEMORY_LIMIT,
) -> Bank:
    """Open a bank's tables where they are and check them against the contract.

    Parameters
    ----------
    source
        One of:

        - a folder with one or several files per table: CSV in UTF-8 or GB18030/GBK (found out by
          looking), gzip-compressed CSV, Parquet or Excel;
        - `duckdb://FILE`, a DuckDB database, opened for reading;
        - the URL of a database that Ibis speaks to, such as `postgresql://user@host/database`;
        - a Spark session;
        - table name → pandas, Polars (eager or lazy), Spark or Ibis frame, all of one kind.
    mapping
        TOML file that renames tables, headers and codes; default: `mapping.toml` in the folder.
    tables
        Contract table → its name ("schema.table") in the database or Spark catalogue, or, for
        Spark, a path of Parquet files; it wins over the mapping. Default: the contract's names.
    memory_limit
        What DuckDB may use before it spills to disk: "4GB", or a share of the machine. Other
        engines have limits of their own.

    Returns
    -------
    Bank
        Tables of the source's own engine, scanned only when asked for.

    Raises
    ------
    UsageError
        The source or the mapping does not exist, or an extra is not installed.
    BankDataError
        The extracts break the contract. All problems of all tables are in the one error, with
        table, column, number of rows, first rows (of files) and what to do; never a customer's
        number.
    EngineError
        The database or cluster failed while the tables were checked.

    Examples
    --------
    >>> bank = open_bank("data/sample")
    >>> [str(quarter) for quarter in bank.quarters]
    ['2025Q3', '2025Q4', '2026Q1', '2026Q2', '2026Q3']
    >>> bank.close()
    """
    with engine_failures():
        return _opened(source, mapping, tables or {}, memory_limit)


def _opened(
    source: Any, mapping: str | Path | None, tables: Dictionary[str, str], memory_limit: str
) -> Bank:
    """Open whatever kind of source is given."""
    url = source if isinstance(source, str) and "://" in source else ""
    if isinstance(source, (str, Path)) and not url:
        return _folder(Path(source), mapping, memory_limit)
    words = Mapping() if mapping is None else read_mapping(Path(mapping))
    named = {name: entry.table for name, entry in words.tables.items() if entry.table}
    named |= _known(tables)
    if url.startswith(_DUCKDB):
        from stockcust_analysis.bank.folder import open_duckdb_file

        path = Path(url.removeprefix(_DUCKDB))
        return open_duckdb_file(path, words, tables=named, memory_limit=memory_limit)
    if url:
        from stockcust_analysis.bank.database import open_database

        return open_database(url, words, tables=named)
    if isinstance(source, Dictionary):
        from stockcust_analysis.bank.frames import open_frames

        return open_frames(_known(source), words)
    from stockcust_analysis.bank.spark import open_spark

    return open_spark(source, words, tables=named)


def _folder(folder: Path, mapping: str | Path | None, memory_limit: str) -> Bank:
    from stockcust_analysis.bank.folder import open_folder

    if not folder.is_dir():
        raise UsageError(f"'{folder}' is not a folder. Give the folder that holds the extracts.")
    beside = folder / MAPPING_NAME
    chosen = Path(mapping) if mapping is not None else beside if beside.exists() else None
    words = Mapping() if chosen is None else read_mapping(chosen)
    bank = open_folder(folder, words, memory_limit=memory_limit)
    if chosen is not None:  # what it says decides what the files mean
        bank.inputs = (*bank.inputs, InputFile(chosen.name, chosen))
    return bank


def _known(tables: Dictionary[str, Any]) -> dict[str, Any]:
    """Return the tables given; UsageError for one that the contract does not know."""
    from stockcust_analysis.bank.contract import TABLES

    names = [contract.name for contract in TABLES]
    for name in tables:
        if name not in names:
            raise UsageError.unknown("table", name, names)
    return dict(tables)
