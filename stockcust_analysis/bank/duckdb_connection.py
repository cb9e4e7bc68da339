"""DuckDB connections that keep to a memory limit, fetch nothing and show no progress bar."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb

from stockcust_analysis.errors import UsageError, say

DEFAULT_MEMORY_LIMIT = "60%"
_MOST_RUNS = 1000
_SIZE = re.compile(r"\d+(\.\d+)? ?([KMGT]i?B)|[1-9]\d?%|100%")


def limited_connection(memory_limit: str, folder: Path) -> duckdb.DuckDBPyConnection:
    """Return a connection to a DuckDB in memory that spills what exceeds the limit into a folder.

    `memory_limit` is what the process may use, a size ("4GB") or a share of the machine ("60%");
    else UsageError. DuckDB gets nine tenths of it.
    """
    if not _SIZE.fullmatch(memory_limit):
        raise UsageError(say("memory_limit", memory_limit))
    # Python, its libraries and what DuckDB takes beyond its limit need 0.3 GB.
    limit = re.sub(r"[\d.]+", lambda number: f"{0.9 * float(number[0]):.2f}", memory_limit)
    return quiet_connection(memory_limit=limit, temp_directory=str(folder / "spill"))


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


def keys_ascend(
    relation: duckdb.DuckDBPyRelation, key: Sequence[str], wrong: str = "false"
) -> bool:
    """Return whether rows come in ascending runs of keys that do not overlap: no key is twice.

    The SQL of what is `wrong` must hold in no row.

    Extracts mostly do, a run for each file and as-of date. It costs little more than reading the
    keys, and where they are in no order the first thousands of rows show it.
    """
    now = f"ROW({', '.join(map(quoted, key))})"
    pairs = relation.project(f"{now} AS now, lead({now}) OVER () AS next, {wrong} AS wrong")
    same_day = "now[1] = next[1]" if key[0] == "as_of" else "true"
    run_ends = f"({same_day} AND now < next) IS NOT TRUE OR wrong"
    ends = pairs.filter(run_ends).limit(_MOST_RUNS + 1).fetchall()
    starts = [now for now, *_ in pairs.limit(1).fetchall()] + [after for _, after, _ in ends[:-1]]
    runs = [(start, end) for start, (end, *_) in zip(starts, ends, strict=True)]
    is_unfit = any(is_wrong for *_, is_wrong in ends)
    if len(runs) > _MOST_RUNS or is_unfit or any(None in (*start, *end) for start, end in runs):
        return False
    return all(end < start for (_, end), (start, _) in pairwise(sorted(runs)))


def hash_of(columns: Iterable[str]) -> str:
    """Return the SQL of the hash of some columns."""
    return f"hash({', '.join(map(quoted, columns))})"


def sql_of(rows: Any) -> str:
    """Return the SQL of a relation's rows as Narwhals holds it, to be put into parentheses."""
    return str(rows.to_native().sql_query())


def count_different(relation: duckdb.DuckDBPyRelation, expression: str) -> int:
    """Return how many values an expression of SQL has in a relation's rows."""
    return int(relation.aggregate(f"count(DISTINCT {expression})").fetchall()[0][0])
