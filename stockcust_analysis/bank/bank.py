"""A bank's tables by the contract, whatever engine computes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import date
from html import escape
from pathlib import Path
from typing import Self

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.contract import called, named
from stockcust_analysis.bank.problems import SetAside, TableFacts
from stockcust_analysis.core import engines
from stockcust_analysis.core.engines import Engine, Frame, engine_failures
from stockcust_analysis.core.files import sha256
from stockcust_analysis.core.frames import count_each, on_day
from stockcust_analysis.core.periods import Day, Quarter, as_day, require_day
from stockcust_analysis.errors import UsageError, Words, require_known, say
from stockcust_analysis.measures.population import restate_branches


@dataclass(frozen=True)
class Input:
    """A file or table a bank was read from; `notes` say as what: table, rows, encoding, separator.

    Of a table `source` says where it stands (never a password) and how many rows it has.
    """

    name: str
    source: Path | str
    notes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """What tells it from another: of a file the hash of its bytes; a table has none."""
        return self.source if isinstance(self.source, str) else sha256(self.source)


@dataclass(eq=False)
class BankTables:
    """A bank's tables by the contract, checked: what `Bank` is without its customers."""

    _engine: Engine
    _facts: Mapping[str, TableFacts]
    name: str
    inputs: tuple[Input, ...]
    unread: Mapping[str, Sequence[str]]
    as_errors: Sequence[str]
    left_out: tuple[str, ...] = ()
    layout: str = ""
    approximations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    suspicions: tuple[tuple[str, Words], ...] = ()
    too_few: Sequence[Quarter] = ()
    equal_rows: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, tuple[str, ...]] = field(init=False)
    _tables: Mapping[str, Frame] = field(init=False)
    _is_closed: bool = False

    def __post_init__(self) -> None:
        """Note the columns that were delivered; tables that replace these may have others."""
        self._tables = {name: facts.kept for name, facts in self._facts.items()}
        schemas = {n: nw.from_native(frame).collect_schema() for n, frame in self._tables.items()}
        self.columns = {name: tuple(schema.names()) for name, schema in schemas.items()}

    def table(self, name: str) -> Frame:
        """Return a table of the contract, lazily; UsageError when the bank does not deliver it."""
        if self._is_closed:
            raise UsageError(say("closed", self.name))
        return self._tables[require_known("table", name, self._tables)]

    def named(self, name: str, column: str = "") -> Words:
        """Return a table, or one of its columns under the bank's own header, as warnings do."""
        header = self._facts[name].headers.get(column, "") if name in self._facts else ""
        words = named(name, column, header)
        return Words(f"{name}.{called(name, column, header)}", words.zh) if column else words

    def lacks(self, name: str, column: str, day: date) -> bool:
        """Return whether no file of a day has a column that other files of its table have."""
        rows = self._facts[name].partial.get(column)
        return rows is not None and day not in map(as_day, count_each(rows, "as_of"))

    def with_tables(self, tables: Mapping[str, Frame]) -> Self:
        """Return the same bank, on the same engine, with these tables instead."""
        other = copy(self)
        other._tables = tables
        return other

    def in_polars(self) -> Self:
        """Return a bank of DuckDB's in Polars, which measures in half the time, if memory allows.

        To bind and plan hundreds of steps costs DuckDB more than the steps themselves.
        """
        rows = sum(map(self.rows, self.columns))
        if not (isinstance(self._engine, engines.DuckDBEngine) and self._engine.has_room_for(rows)):
            return self
        with engine_failures():
            other = self.with_tables({n: engines.polars_of(t) for n, t in self._tables.items()})
        other._engine = engines.PolarsEngine()
        return other

    def snapshot(self, name: str, *, as_of: Day) -> Frame:
        """Return a table's rows of one as-of date, lazily; UsageError where there are none.

        The day is a date, "2026-09-30", or "2026Q3" for the quarter's last day.
        """
        as_of = as_day(as_of)
        require_day(as_of, self.days(name), self.named(name))
        return nw.from_native(self.table(name)).filter(on_day(nw.col("as_of"), as_of)).to_native()

    def restate_branches(self, customers: Frame, *, as_of: Day) -> Frame:
        """Return rows of customers under the branches of a day, after mergers, splits and moves."""
        successors, moves = (self._tables.get(n) for n in ("branch_successors", "customer_moves"))
        return restate_branches(customers, successors, as_of=as_of, moves=moves)

    def materialize(self, frame: Frame) -> Frame:
        """Compute a shared step once and hold its result until `release`, or the bank is closed."""
        with engine_failures():
            return self._engine.materialize(frame)

    def release(self, frame: Frame) -> None:
        """Free the memory of a materialised step."""
        with engine_failures():
            self._engine.release(frame)

    def rows(self, name: str) -> int:
        """Return the number of a table's rows."""
        self.table(name)  # or an error
        return self._facts[name].rows

    @property
    def quarters(self) -> tuple[Quarter, ...]:
        """The quarters whose last day is an as-of date of both customers and holdings."""
        both = self.days("customers") & self.days("holdings")
        return tuple(filter(None, map(Quarter.ending_on, sorted(both))))

    @property
    def set_aside(self) -> tuple[SetAside, ...]:
        """Rows in no figure: within the mapping's tolerance, or later than all quarters."""
        return tuple(entry for facts in self._facts.values() for entry in facts.set_aside)

    def days(self, name: str) -> set[date]:
        """Return the as-of dates of a table."""
        self.table(name)  # or an error
        return set(self._facts[name].days)

    def close(self) -> None:
        """Close the connection and delete the temporary files; the bank cannot be read any more."""
        self._is_closed = True
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        """Return what is held, and how to go on."""
        if self._is_closed:
            return f"<Bank {self.name!r}, closed>"
        quarters = [str(quarter) for quarter in self.quarters]
        span = f"{quarters[0]} to {quarters[-1]} ({len(quarters)})" if quarters else "none"
        last = quarters[-1] if quarters else "2026Q3"
        tables = ", ".join(f"{name} {self.rows(name):,}" for name in self.columns)
        few = ", ".join(map(str, self.too_few))
        words = "units, lost branches and the like are not looked at"
        note = f"Fewer than 100 customers in {few}: {words}.\n" if few else ""
        return (
            f"<Bank {self.name!r}, quarters {span}; rows: {tables}>\n{note}"
            f"Go on: bank.customers({last!r}), then measures such as sca.concentration(customers); "
            f"or sca.evaluate(bank, quarter={last!r})"
        )

    def _repr_html_(self) -> str:
        return f"<pre style='white-space:pre-wrap'>{escape(repr(self))}</pre>"
