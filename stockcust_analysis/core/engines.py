"""What differs between engines: materialising a shared step, releasing it, and failing.

Everything else is Narwhals. An engine that fails while it computes raises one EngineError: what
databases say may quote the row they stumbled over, so their own words are not passed on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

from stockcust_analysis.errors import EngineError, say

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

Frame: TypeAlias = Any
"""A table of any engine that Narwhals knows: pandas, Polars, DuckDB, Ibis, PySpark, …"""

# Names of the base classes by which database drivers (PEP 249), Java and Spark say what happened.
# A ProgrammingError is a fault of ours and passes through, unless a right is missing.
_DRIVERS = {"OperationalError", "InterfaceError", "InternalError", "DataError"}
_FAILURES = _DRIVERS | {"Py4JError", "PySparkException", "ConnectionError", "InsufficientPrivilege"}
_OURS = {"AnalysisException", "ParseException", "PySparkTypeError", "PySparkValueError"}
# How databases, and Ibis for them, say that they make no temporary table.
_REFUSALS = {"ReadOnlySqlTransaction", "InsufficientPrivilege", "NotImplementedError"}
_NO_TABLES = _REFUSALS | {"UnsupportedOperationError", "UnsupportedBackendFeatureError"}
_EXPLAINED = ("OutOfMemoryException", "InsufficientPrivilege", "DataError")
_NUMBERS = count(1)


class Engine:
    """Where a bank's tables are computed: here frames in this process, at once."""

    def materialize(self, frame: Frame) -> Frame:
        """Compute a shared step once and hold its result until `release` or `close`."""
        return frame

    def release(self, frame: Frame) -> None:
        """Free the memory of a materialised step."""

    def close(self) -> None:
        """Release everything; never raises."""


class PolarsEngine(Engine):
    """Lazy Polars frames."""

    def materialize(self, frame: Frame) -> Frame:
        """Collect the frame and go on lazily."""
        return frame.collect().lazy()


@dataclass
class DuckDBEngine(Engine):
    """A DuckDB connection of our own with the folder it spills to, which `on_close` removes."""

    connection: duckdb.DuckDBPyConnection
    folder: Path
    on_close: Callable[[], object]
    tables: int = 0

    def materialize(self, frame: Frame) -> Frame:
        """Write the relation into a table of the connection, which goes with it."""
        name = self._next_name()
        frame.create(name)
        return self.connection.table(name)

    def create(self, sql: str) -> Frame:
        """Write what a query gives into a table, as `materialize` does with a relation."""
        name = self._next_name()
        self.connection.execute(f"CREATE TABLE {name} AS {sql}")
        return self.connection.table(name)

    def _next_name(self) -> str:
        self.tables += 1
        return f"step_{self.tables}"

    def release(self, frame: Frame) -> None:
        """Drop the table."""
        self.connection.execute(f"DROP TABLE IF EXISTS {frame.alias}")

    def close(self) -> None:
        """Close the connection and remove what was written beside it."""
        self.connection.close()
        self.on_close()


@dataclass
class DatabaseEngine(Engine):
    """A database that Ibis speaks to; shared steps become temporary tables."""

    backend: Any
    owned: bool
    allows_tables: bool = True
    tables: list[str] = field(default_factory=list)

    def materialize(self, frame: Frame) -> Frame:
        """Write the step into a temporary table; where none may be made, it is computed again.

        PostgreSQL plans blindly on tables without statistics, so the new table is analysed.
        """
        if not self.allows_tables:
            return frame
        name = f"stockcust_step_{next(_NUMBERS)}"
        try:
            table = self.backend.create_table(name, frame, temp=True)
        except Exception as error:
            if not class_names(error) & _NO_TABLES:
                raise
            self.allows_tables = False
            warnings.warn(say("computed_again"), stacklevel=4)
            return frame
        self.tables.append(name)
        if self.backend.name == "postgres":
            self.backend.raw_sql(f"ANALYZE {name}").close()
        return table

    def release(self, frame: Frame) -> None:
        """Drop the temporary table, where one was made."""
        if self.allows_tables:
            self._drop(frame.get_name())

    def close(self) -> None:
        """End our own session, and its temporary tables with it; or drop them from a given one."""
        with suppress(Exception):
            if self.owned:
                self.backend.disconnect()
            else:
                for name in [*self.tables]:
                    self._drop(name)

    def _drop(self, name: str) -> None:
        # Plain SQL: Ibis 12's own drop_table forgets the name under sqlglot 30.
        self.backend.raw_sql(f"DROP TABLE {name}").close()
        self.tables.remove(name)


@dataclass
class SparkEngine(Engine):
    """A Spark session that the caller started and will stop."""

    held: dict[Any, Any] = field(default_factory=dict)

    def materialize(self, frame: Frame) -> Frame:
        """Compute the step, which counting does, and let the executors hold it.

        The result no longer knows how it was made: Spark would analyse that again at every look.
        """
        settings, name = frame.sparkSession.conf, "spark.sql.inMemoryColumnarStorage.compressed"
        stated = settings.get(name)
        settings.set(name, "false")  # to seek what compresses a step is a quarter of its work
        try:
            result = held = frame.persist()
            held.count()
        finally:
            settings.set(name, stated)
        with suppress(Exception):  # a Spark of another process shows no plans
            session, plan = held.sparkSession, held._jdf.queryExecution().withCachedData()
            result = type(held)(held._jdf.ofRows(session._jsparkSession, plan), session)
        self.held[result] = held
        return result

    def release(self, frame: Frame) -> None:
        """Unpersist the step."""
        self.held.pop(frame).unpersist()

    def close(self) -> None:
        """Unpersist all steps."""
        with suppress(Exception):
            for frame in self.held.values():
                frame.unpersist()


@contextmanager
def engine_failures() -> Iterator[None]:
    """Turn the failure of a database, a cluster or a disk into one EngineError.

    The driver's own words are left out: they may quote a row, an address or a query.
    """
    try:
        yield
    except Exception as error:
        names = class_names(error)
        if not names & _FAILURES or names & _OURS:
            raise
        known = (name for name in _EXPLAINED if name in names)
        raise EngineError(say(next(known, "engine_stopped"))) from None


def class_names(error: BaseException) -> set[str]:
    """Return the names of an error's classes."""
    return {base.__name__ for base in type(error).__mro__}
