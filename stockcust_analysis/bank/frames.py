"""Tables that are frames of this process or of a session: pandas, Polars, Ibis, Spark."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.bank import Bank
from stockcust_analysis.bank.mapping import Mapping
from stockcust_analysis.bank.tables import bank_of
from stockcust_analysis.core.engines import (
    DatabaseEngine,
    Engine,
    Frame,
    PandasEngine,
    PolarsEngine,
    SparkEngine,
)
from stockcust_analysis.errors import UsageError


def open_frames(given: Dictionary[str, Frame], words: Mapping) -> Bank:
    """Open a bank whose tables are frames, all of one kind."""
    try:
        tables = {name: nw.from_native(frame) for name, frame in given.items()}
    except TypeError:
        types = ", ".join(sorted({type(frame).__name__ for frame in given.values()}))
        raise UsageError(f"tables must be frames, given {types}.") from None
    kinds = sorted({str(table.implementation) for table in tables.values()})
    if len(kinds) != 1:
        raise UsageError(f"all tables must be of one engine, given {', '.join(kinds) or 'none'}.")
    frames = {
        name: table.lazy().to_native() if table.implementation.is_polars() else given[name]
        for name, table in tables.items()
    }
    engine = _engine(next(iter(tables.values())).implementation, next(iter(frames.values())))
    return bank_of(frames, words, engine, place=f"{kinds[0]} frames", name="bank")


def _engine(kind: nw.Implementation, frame: Frame) -> Engine:
    """Return the engine that computes a frame."""
    if kind.is_pandas_like():
        return PandasEngine()
    if kind.is_polars():
        return PolarsEngine()
    if kind.is_spark_like():
        return SparkEngine()
    if kind.is_ibis():
        return DatabaseEngine(frame.get_backend(), owned=False)
    raise UsageError(
        f"tables of {kind} cannot be opened. Give pandas, Polars, Spark or Ibis frames."
    )
