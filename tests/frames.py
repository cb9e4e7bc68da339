"""Tiny banks whose every figure can be counted by hand, on every engine the tests know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from math import isfinite, isnan
from typing import Any

import duckdb
import pandas as pd
import polars as pl

Columns = Mapping[str, Sequence[Any]]
AS_OF = date(2026, 9, 30)

R_INEQ_INCOMES = [541, 1463, 2445, 3438, 4437, 5401, 6392, 8304, 11904, 22261]
"""Example vector of the R package `ineq`, which publishes its Gini and Herfindahl."""

REAT_SALES = [20, 50, 20, 10]
"""Example of the R package REAT, which publishes its Gini and Herfindahl."""


def two_branches() -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Return (customers, holdings) of branches A and B with four customers each.

    Funded are 1, 2, 4 of A (3 has only 50 CNY) and 5, 6, 7 of B (7 by its loan; 8 has nothing).
    Under `rural_6m_500`: 1 active; 4, 7 active_small; 2 silent, 6 silent by its unmatured time
    deposit; 3, 5, 8 dormant. Families: 1 deposit and fund; 4 deposit and payroll; 2, 3, 5, 6
    deposit; 7 loan; 8 none (its policy has matured). 2 owns a card it never uses.
    """
    customers = {
        "as_of": [AS_OF] * 8,
        "customer_id": ["1", "2", "3", "4", "5", "6", "7", "8"],
        "branch_id": ["A", "A", "A", "A", "B", "B", "B", "B"],
        "customer_type": ["personal"] * 7 + ["sole_trader"],
        "last_active_on": [
            date(2026, 9, 1),
            date(2026, 3, 31),
            None,
            date(2026, 4, 1),
            date(2025, 1, 1),
            date(2025, 1, 1),
            AS_OF,
            None,
        ],
        "aum_period_end": [80_000.0, 5_000.0, 20.0, 100.0, 400.0, 300.0, 0.0, 0.0],
        "aum_average_month": [70_000.0, 5_000.0, 20.0, 100.0, 400.0, 300.0, 0.0, 0.0],
        "aum_average_quarter": [60_000.0, 5_000.0, 50.0, 150.0, 400.0, 300.0, 0.0, 0.0],
    }
    accounts = [
        ("1", "demand_deposit", 20_000.0, None, None),
        ("1", "time_deposit", 40_000.0, date(2027, 9, 30), None),
        ("1", "fund", 20_000.0, None, None),
        ("1", "mobile_banking", 0.0, None, True),
        ("2", "demand_deposit", 5_000.0, None, None),
        ("2", "credit_card", 0.0, None, False),
        ("3", "demand_deposit", 20.0, None, None),
        ("4", "demand_deposit", 100.0, None, None),
        ("4", "payroll", 0.0, None, True),
        ("5", "demand_deposit", 400.0, None, None),
        ("6", "time_deposit", 300.0, date(2026, 12, 31), None),
        ("7", "demand_deposit", 0.0, None, None),
        ("7", "loan", 1_000.0, date(2027, 1, 1), None),
        ("8", "insurance", 0.0, date(2026, 1, 1), None),
    ]
    names = ("customer_id", "product", "balance", "matures_on", "used_recently")
    holdings: dict[str, list[Any]] = {
        "as_of": [AS_OF] * len(accounts),
        "account_id": [f"a{number}" for number in range(len(accounts))],
    }
    return customers, holdings | {
        name: [account[place] for account in accounts] for place, name in enumerate(names)
    }


def without_activity(columns: Columns) -> dict[str, list[Any]]:
    """Return only ids and amounts: what an analyst's own frame may look like."""
    kept = ("customer_id", "branch_id", "aum_period_end", "aum_average_quarter")
    return {name: list(columns[name]) for name in kept}


def as_pandas(columns: Columns) -> pd.DataFrame:
    """Return a pandas frame; dates become datetime64, as `read_parquet` and DuckDB give them."""
    frame = pd.DataFrame({name: list(values) for name, values in columns.items()})
    for name in frame.columns:
        if _is_date(name):
            frame[name] = pd.to_datetime(frame[name])
    return frame


def as_polars(columns: Columns) -> pl.DataFrame:
    """Return a Polars frame with real dates."""
    dates: dict[str, Any] = {name: pl.Date for name in columns if _is_date(name)}
    return pl.DataFrame(
        {name: list(values) for name, values in columns.items()}, schema_overrides=dates
    )


def as_polars_lazy(columns: Columns) -> pl.LazyFrame:
    """Return a lazy Polars frame: what the eager one becomes within every measure."""
    return as_polars(columns).lazy()


def as_duckdb(columns: Columns) -> duckdb.DuckDBPyRelation:
    """Return a DuckDB relation, with DATE and, for finite money, DECIMAL(18,2) columns."""
    types = ", ".join(f"{name} {_sql_type(name, values)}" for name, values in columns.items())
    connection = duckdb.default_connection()
    table = f"tiny_{next(_TABLE_NUMBERS)}"
    connection.execute(f"create temp table {table} ({types})")
    rows = list(zip(*columns.values(), strict=True))
    if rows:
        marks = f"({', '.join('?' * len(columns))})"
        values = ", ".join([marks] * len(rows))
        cells = [cell for row in rows for cell in row]
        connection.execute(f"insert into {table} values {values}", cells)
    return connection.table(table)


def computed(table: Any) -> Any:
    """Return a table worked out once where the engine would do so for every look at it."""
    if not isinstance(table, duckdb.DuckDBPyRelation):
        return table
    name = f"tiny_{next(_TABLE_NUMBERS)}"
    table.create(name)
    return duckdb.default_connection().table(name)


_TABLE_NUMBERS = iter(range(10**9))
BACKENDS: dict[str, Callable[[Columns], Any]] = {
    "pandas": as_pandas,
    "polars": as_polars,
    "duckdb": as_duckdb,
}


def rows_of(table: Any) -> list[dict[str, Any]]:
    """Return any engine's table as rows of plain Python values; NaN and NaT become None."""
    if isinstance(table, pl.LazyFrame):
        table = table.collect()
    if isinstance(table, pl.DataFrame):
        rows = table.to_dicts()
    elif isinstance(table, pd.DataFrame):
        rows = table.to_dict("records")
    else:
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.fetchall()]
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def values_of(table: Any, *keys: str, value: str = "value") -> dict[Any, Any]:
    """Return one column of a result by its keys (one key: plain, several: a tuple)."""
    rows = rows_of(table)
    if len(keys) == 1:
        return {row[keys[0]]: row[value] for row in rows}
    return {tuple(row[key] for key in keys): row[value] for row in rows}


def _plain(value: Any) -> Any:
    if value is None or value is pd.NaT or (isinstance(value, float) and isnan(value)):
        return None
    return value.date() if isinstance(value, datetime) else value


def _is_date(name: str) -> bool:
    return name in ("as_of", "relationship_since", "valid_from", "valid_to") or name.endswith("_on")


def _sql_type(name: str, values: Sequence[Any]) -> str:
    known = [value for value in values if value is not None]
    if _is_date(name):
        return "DATE"
    if known and all(isinstance(value, bool) for value in known):
        return "BOOLEAN"
    if known and all(isinstance(value, int) for value in known):
        return "BIGINT"
    if any(isinstance(value, str) for value in known):
        return "VARCHAR"
    return "DECIMAL(18, 2)" if all(isfinite(value) for value in known) else "DOUBLE"
