"""The headline measures in DuckDB SQL, written by hand: the statements of `sql/`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb

from benchmarks.headline import DATES, Sums, files, period_ends, statement, successors

_COMPARED = "customer_id, branch, tier, average_cents, end_cents, funded, funded_by_end, effective"


def answer(folder: Path, quarter: str, *, memory_limit: str = "") -> Sums:
    """Return the sums of a bank's quarter and the one before."""
    ends, levels, concentration = period_ends(quarter), {}, {}
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
        connection.execute(f"SET enable_progress_bar = false; SET temp_directory = '{spill}'")
        if memory_limit:
            connection.execute(f"SET memory_limit = '{memory_limit}'")
        for table in ("customers", "holdings", "assignments", "contacts"):
            rows = f"FROM read_parquet({files(folder, table)})"
            connection.execute(f"CREATE TEMP VIEW {table} AS {rows}")
        connection.execute("CREATE TEMP TABLE successors (old_branch_id TEXT, new_branch_id TEXT)")
        for merger in successors(folder, ends[quarter]).items():
            connection.execute("INSERT INTO successors VALUES (?, ?)", merger)
        for (name, end), date in zip(ends.items(), DATES, strict=True):
            connection.execute(f"SET VARIABLE as_of = DATE '{end.date()}'")
            connection.execute(statement("facts"))
            levels[name] = connection.sql(statement("levels")).df()
            concentration[name] = connection.sql(statement("concentration")).df()
            connection.execute(f"CREATE TEMP TABLE {date} AS SELECT {_COMPARED} FROM facts")
        connection.execute("DROP TABLE facts")
        return Sums(levels, concentration, connection.sql(statement("pairs")).df())
