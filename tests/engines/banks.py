"""A bank's tables on the engines of this process, and what makes two evaluations the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
from pandas.testing import assert_frame_equal

from stockcust_analysis.bank.contract import table
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.evaluation.evaluate import evaluate
from stockcust_analysis.evaluation.results import Evaluation
from tests.engines.servers import typed

QUARTER = "2026Q3"
Tables = Mapping[str, pd.DataFrame]
_HALF_A_CENT = 0.005
_MONEY = [
    "numerator", "denominator", "opening_aum", "closing_aum", "amount", "left", "right", "target",
]  # fmt: skip


def assert_same(found: Evaluation, expected: Evaluation) -> None:
    """Compare all tables: texts and whole numbers exactly, money to the cent, the rest to 1e-9."""
    for name in (field.name for field in fields(Evaluation)):
        ours, theirs = getattr(found, name), getattr(expected, name)
        if not isinstance(theirs, pd.DataFrame):
            continue
        assert_frame_equal(ours, theirs, rtol=1e-9, atol=1e-9, obj=name)
        money = [column for column in _MONEY if column in theirs]
        apart = (ours[money] - theirs[money]).abs().to_numpy(dtype=float)
        assert not (apart >= _HALF_A_CENT).any(), name


def in_pandas(tables: Tables, _: Path) -> dict[str, Any]:
    """Return the tables as pandas reads them."""
    return dict(tables)


def in_polars(tables: Tables, _: Path) -> dict[str, Any]:
    """Return the tables as lazy Polars frames, with real dates and exact money."""
    return {
        name: pl.DataFrame(
            typed(name, frame).fetchall(),
            schema={c: _POLARS_TYPES[table(name).column(c).kind.name] for c in frame.columns},
            orient="row",
        ).lazy()
        for name, frame in tables.items()
    }


_POLARS_TYPES: dict[str, Any] = {
    "TEXT": pl.String, "CODE": pl.Categorical, "DATE": pl.Date, "MONEY": pl.Decimal(18, 2),
    "INTEGER": pl.Int64, "FLAG": pl.Boolean, "QUARTER": pl.String, "NUMBER": pl.Float64,
}  # fmt: skip


def in_duckdb(tables: Tables, folder: Path) -> str:
    """Return the URL of a DuckDB database that holds the tables."""
    path = folder / "bank.duckdb"
    path.unlink(missing_ok=True)
    for name, frame in tables.items():
        typed(name, frame).to_parquet(str(folder / f"{name}.parquet"))
    with duckdb.connect(str(path)) as connection:
        for name in tables:
            connection.execute(f"CREATE TABLE {name} AS FROM '{folder / name}.parquet'")
    return f"duckdb://{path}"


def with_moves(tables: Tables) -> dict[str, pd.DataFrame]:
    """Return the bank after thirty customers of its first branch were handed over to the second."""
    customers = tables["customers"].copy()
    now, before = (customers["as_of"] == day for day in ("2026-09-30", "2026-06-30"))
    first, second = sorted(set(customers.loc[now, "branch_id"]))[:2]
    ours = customers.loc[before & (customers["branch_id"] == first), "customer_id"]
    moved = customers["customer_id"].isin(sorted(ours)[:30])
    customers.loc[now & moved, "branch_id"] = second
    moves = {"customer_id": sorted(ours)[:30], "from_branch_id": first, "to_branch_id": second}
    table = pd.DataFrame(moves).assign(effective_on=pd.Timestamp("2026-07-01"))
    return {**tables, "customers": customers, "customer_moves": table}


def moved_by_hand(people: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    """Return the customers of the quarter before with those handed over in the new branch.

    `managers` marks one customer of each branch, who may be another now: it is left out.
    """
    names, moves = ["branch_id", "branch_name", "branch_type", "region"], tables["customer_moves"]
    known = people.drop_duplicates("branch_id").set_index("branch_id", drop=False)[names]
    moved = people["customer_id"].isin(moves["customer_id"])
    result = people.drop(columns="managers")
    result.loc[moved, names] = known.loc[moves["to_branch_id"].iloc[0]].to_numpy()
    return result


def population(source: Any, **more: Any) -> pd.DataFrame:
    """Return the customers of the quarter before, on today's structure, of a source's bank."""
    with open_bank(source, **more) as bank:
        return bank.customers("2026Q2", structure=QUARTER)


def evaluated(source: Any, **more: Any) -> Evaluation:
    """Evaluate the bank that a source holds."""
    with open_bank(source, **more) as bank:
        return evaluate(bank, quarter=QUARTER, sizes=True)
