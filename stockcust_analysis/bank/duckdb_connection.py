"""DuckDB connections that keep to a memory limit, fetch nothing and show no progress bar."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from stockcust_analysis.errors import UsageError

DEFAULT_MEMORY_LIMIT = "60%"
_SIZE = re.compile(r"\d+(\.\d+)? ?([KMGT]i?B)|[1-9]\d?%|100%")


def limited_connection(memory_limit: str, folder: Path) -> duckdb.DuckDBPyConnection:
    """Return a connection to a DuckDB in memory that spills what exceeds the limit into a folder.

    `memory_limit` is a size ("4GB") or a share of the machine ("60%"); else UsageError.
    """
    if not _SIZE.fullmatch(memory_limit):
        raise UsageError(f"memory limit '{memory_limit}' is not a size. Write 4GB, or 60%.")
    return quiet_connection(memory_limit=memory_limit, temp_directory=str(folder / "spill"))


def quiet_connection(**settings: str) -> duckdb.DuckDBPyConnection:
    """Return a connection to a DuckDB in memory that shows no progress bar of its own.

    It has one on a terminal. In a Jupyter kernel without ipywidgets it has none, and there DuckDB
    refuses every setting of it, even the one that would turn it off.
    """
    # Nothing may be fetched: an extension that is not in the wheel must fail, not download.
    offline = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    connection = duckdb.connect(":memory:", config={**offline, **settings})
    shows = connection.execute("SELECT current_setting('enable_progress_bar')").fetchall()
    if shows != [(False,)]:
        connection.execute("SET enable_progress_bar = false")
    return connection


def quoted(name: str) -> str:
    """Return a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a SQL string."""
    return "'" + text.replace("'", "''") + "'"
