"""What differs between engines: holding on to a shared step, bringing a result home, failing.

Everything else is Narwhals. An engine that fails while it computes raises one EngineError: what
databases say may quote the row they stumbled over, so their own words are not passed on.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import EngineError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from stockcust_analysis.bank.spill import Scratch

Frame: TypeAlias = Any
"""A table of any engine that Narwhals knows: pandas, Polars, DuckDB, Ibis, PySpark, …"""

# Names of the base classes by which database drivers (PEP 249), Java and Spark say what happened.
# A ProgrammingError is a fault of ours and passes through, unless a right is missing.
_FAILURES = {
    "OperationalError", "InterfaceError", "InternalError", "DataError", "InsufficientPrivilege",
    "Py4JError", "PySparkException", "ConnectionError",
}  # fmt: skip
_OURS = {"AnalysisException", "ParseException", "PySparkTypeError", "PySparkValueError"}
# How databases say that they make no temporary table.
_NO_TABLES = {
    "ReadOnlySqlTransaction", "InsufficientPrivilege", "NotImplementedError",
    "UnsupportedOperationError", "UnsupportedBackendFeatureError",
}  # fmt: skip
_COMPUTED_AGAIN = (
    "the database allows no temporary tables: shared steps are computed again and again. Ask for "
    "the right to make them (PostgreSQL: GRANT TEMPORARY ON DATABASE)."
)
_NUMBERS = count(1)
ONE, ZERO = (nw.lit(number, dtype=nw.Int64) for number in (1, 0))


class Engine(Protocol):
    """Where a bank's tables are computed."""

    def keep(self, frame: Frame) -> Frame:
        """Compute a shared step once and hold on to it until `let_go` or `close`."""

    def let_go(self, kept: Frame) -> None:
        """Make room of a kept step that is no longer asked for."""

    def close(self) -> None:
        """Let go of everything; never raises."""


class PandasEngine:
    """Frames in this process that are computed at once."""

    def keep(self, frame: Frame) -> Frame:
        """Return the frame: it is computed already."""
        return frame

    def let_go(self, kept: Frame) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is held."""


class PolarsEngine(PandasEngine):
    """Lazy Polars frames."""

    def keep(self, frame: Frame) -> Frame:
        """Collect the frame and go on lazily."""
        return frame.collect().lazy()


@dataclass
class DuckDBEngine:
    """A DuckDB connection of our own, with the folder it spills to."""

    connection: duckdb.DuckDBPyConnection
    scratch: Scratch
    kept: int = 0

    def keep(self, frame: Frame) -> Frame:
        """Write the relation into a table of the connection, which goes with it."""
        self.kept += 1
        name = f"kept_{self.kept}"
        frame.create(name)
        return self.connection.table(name)

    def let_go(self, kept: Frame) -> None:
        """Drop the table."""
        self.connection.execute(f"DROP TABLE IF EXISTS {kept.alias}")

    def close(self) -> None:
        """Close the connection and remove what was written beside it."""
        self.connection.close()
        self.scratch.remove()


@dataclass
class DatabaseEngine:
    """A database that Ibis speaks to; it keeps shared steps in temporary tables."""

    backend: Any
    owned: bool
    keeps: bool = True
    kept: list[str] = field(default_factory=list)

    def keep(self, frame: Frame) -> Frame:
        """Write the step into a temporary table; where none may be made, it is computed again."""
        if not self.keeps:
            return frame
        name = f"stockcust_kept_{next(_NUMBERS)}"
        try:
            table = self.backend.create_table(name, frame, temp=True)
        except Exception as error:
            if not class_names(error) & _NO_TABLES:
                raise
            self.keeps = False
            warnings.warn(_COMPUTED_AGAIN, stacklevel=4)
            return frame
        self.kept.append(name)
        return table

    def let_go(self, kept: Frame) -> None:
        """Drop the temporary table, where one was made."""
        if self.keeps:
            self._drop(kept.get_name())

    def close(self) -> None:
        """End our own session, and its temporary tables with it; or drop them from a given one."""
        with suppress(Exception):
            if self.owned:
                self.backend.disconnect()
            else:
                for name in [*self.kept]:
                    self._drop(name)

    def _drop(self, name: str) -> None:
        # Plain SQL: Ibis 12's own drop_table forgets the name under sqlglot 30.
        self.backend.raw_sql(f"DROP TABLE {name}").close()
        self.kept.remove(name)


@dataclass
class SparkEngine:
    """A Spark session that somebody else started and will stop."""

    kept: list[Any] = field(default_factory=list)

    def keep(self, frame: Frame) -> Frame:
        """Compute the step, which counting does, and let the executors hold it."""
        self.kept.append(frame.persist())
        self.kept[-1].count()
        return self.kept[-1]

    def let_go(self, kept: Frame) -> None:
        """Let the executors forget the step."""
        kept.unpersist()
        self.kept.remove(kept)

    def close(self) -> None:
        """Let the executors forget what was kept."""
        with suppress(Exception):
            for frame in self.kept:
                frame.unpersist()


def collected(frame: nw.LazyFrame[Any]) -> dict[str, list[Any]]:
    """Return a small result as lists; Polars and DuckDB need no pyarrow for it."""
    kind = frame.implementation
    if kind.is_polars() or kind.is_pandas_like():
        return frame.collect().to_dict(as_series=False)
    # Spark's own way to pandas warns of pandas 3, and is slower.
    with failures_told():
        home = frame.collect("pyarrow" if kind.is_spark_like() else "pandas")
    return home.to_dict(as_series=False)


def to_pandas(frame: Frame) -> pd.DataFrame:
    """Return a table of any engine as a pandas frame of its own: moments for dates, text, numbers.

    The types do not depend on the engine; DuckDB and Polars need no pyarrow for it.
    """
    import pandas as pd

    table = nw.from_native(frame).lazy()
    kinds = table.collect_schema()
    columns = pd.DataFrame(collected(table), columns=kinds.names())
    dates = [name for name, kind in kinds.items() if kind in (nw.Date, nw.Datetime)]
    return columns.astype(dict.fromkeys(dates, "datetime64[us]"))


def flag(condition: nw.Expr) -> nw.Expr:
    """Return a condition as 0 and 1; a comparison with what is unknown is 0.

    Chosen from two numbers it takes DuckDB two thirds of the time of a truth turned into one.
    Truths that a join left open are filled first: pandas takes no gaps in a condition.
    """
    return nw.when(condition).then(ONE).otherwise(ZERO)


def count_rows(table: nw.LazyFrame[Any], conditions: Mapping[str, nw.Expr]) -> dict[str, int]:
    """Return how many rows meet each condition, in one look at the data; unknown counts as no."""
    if not conditions:
        return {}
    flags = table.select(**{name: flag(condition) for name, condition in conditions.items()})
    counted = collected(flags.select(nw.all().sum()))
    return {name: int(values[0] or 0) for name, values in counted.items()}


@contextmanager
def failures_told() -> Iterator[None]:
    """Turn the failure of a database, a cluster or a disk into one EngineError.

    The driver's own words are left out: they may quote a row, an address or a query.
    """
    try:
        yield
    except Exception as error:
        names = class_names(error)
        if not names & _FAILURES or names & _OURS:
            raise
        raise EngineError(_told(error, names)) from None


def class_names(error: BaseException) -> set[str]:
    """Return the names of an error's classes."""
    return {base.__name__ for base in type(error).__mro__}


def _told(error: Exception, names: set[str]) -> str:
    """Return what happened and what to do."""
    kind = type(error).__name__
    if "OutOfMemoryException" in names:
        return (
            f"memory and the folder for spilling are full ({kind}). Raise --memory-limit, or make "
            "room where temporary files go (TMPDIR names the place)."
        )
    if "InsufficientPrivilege" in names:
        return f"the database refuses a query ({kind}). Ask for the right to read all tables."
    if "DataError" in names:
        return f"a value cannot be computed with ({kind}). Check the extracts with stockcust check."
    return (
        f"the data's engine stopped answering while it was computing ({kind}). Nothing of this "
        "step was written. See that database, cluster, network and disk are well, then run again."
    )
