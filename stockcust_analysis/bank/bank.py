"""The bank: its tables by the contract, whatever engine computes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import narwhals.stable.v2 as nw

from stockcust_analysis.atomic import sha256
from stockcust_analysis.core.engines import Engine, Frame, engine_failures
from stockcust_analysis.core.frames import collect_rows
from stockcust_analysis.errors import UsageError
from stockcust_analysis.periods import Quarter


class Input(Protocol):
    """Something a bank was read from, for the manifest."""

    @property
    def name(self) -> str:
        """Name of the file or table."""

    @property
    def fingerprint(self) -> str:
        """What tells it from another: the hash of a file, the number of rows of a table."""


@dataclass(frozen=True)
class InputFile:
    """One file a bank was read from."""

    name: str
    path: Path

    @property
    def fingerprint(self) -> str:
        """Hash of the file's bytes."""
        return sha256(self.path)


@dataclass(frozen=True)
class InputTable:
    """One table a bank was read from: where it stands (never a password) and its rows."""

    name: str
    place: str
    rows: int

    @property
    def fingerprint(self) -> str:
        """Where the table stands and how many rows it has; it has no bytes to hash."""
        return f"{self.place}: {self.rows} rows"


class Bank:
    """A bank's tables, checked against the contract; made by `open_bank`.

    Money is in CNY with two decimals, dates are dates; columns that the bank does not deliver are
    absent. Use it in a `with` block, or call `close` when done.
    """

    def __init__(
        self, tables: Mapping[str, Frame], engine: Engine, *, name: str, inputs: Sequence[Input]
    ) -> None:
        self.name = name
        self.inputs = tuple(inputs)
        self.columns = {
            table: tuple(nw.from_native(frame).collect_schema().names())
            for table, frame in tables.items()
        }
        self._tables = dict(tables)
        self._engine = engine

    def table(self, name: str) -> Frame:
        """Return a table of the contract, lazily; UsageError when the bank does not deliver it."""
        if name not in self._tables:
            raise UsageError.unknown("table", name, self._tables)
        return self._tables[name]

    def snapshot(self, name: str, *, as_of: date) -> Frame:
        """Return a table's rows of one as-of date, lazily."""
        table = nw.from_native(self.table(name))
        # pandas has no dates, only the first moment of a day.
        hours = table.collect_schema()["as_of"] != nw.Date
        day = datetime(as_of.year, as_of.month, as_of.day) if hours else as_of
        return table.filter(nw.col("as_of") == nw.lit(day)).to_native()

    def materialize(self, frame: Frame) -> Frame:
        """Compute a shared step once and hold on to it until `let_go`, or the bank is closed."""
        with engine_failures():
            return self._engine.materialize(frame)

    def release(self, kept: Frame) -> None:
        """Make room of a kept step that is no longer asked for."""
        with engine_failures():
            self._engine.release(kept)

    def rows(self, name: str) -> int:
        """Return the number of a table's rows."""
        table = nw.from_native(self.table(name)).lazy()
        return int(collect_rows(table.select(n=nw.len()))["n"][0])

    @property
    def quarters(self) -> tuple[Quarter, ...]:
        """The quarters whose last day is an as-of date of both customers and holdings."""
        both = self.days("customers") & self.days("holdings")
        ends = (Quarter.ending_on(day) for day in sorted(both))
        return tuple(quarter for quarter in ends if quarter is not None)

    def days(self, name: str) -> set[date]:
        """Return the as-of dates of a table."""
        days = nw.from_native(self.table(name)).lazy().select("as_of").unique()
        return {
            day.date() if isinstance(day, datetime) else day for day in collect_rows(days)["as_of"]
        }

    def close(self) -> None:
        """Let go of the connection and of everything written beside it."""
        self._engine.close()

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
