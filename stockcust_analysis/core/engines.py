"""What differs between engines: materialising a shared step, releasing it, and failing.

Everything else is Narwhals. An engine that fails while it computes raises one EngineError: what
databases say may quote the row they stumbled over, so their own words are not passed on. DuckDB,
in which files are read, keeps to a memory limit, fetches nothing and shows no progress bar.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from stockcust_analysis.errors import EngineError, UsageError, say

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

Frame: TypeAlias = Any
"""A table of any engine that Narwhals knows: pandas, Polars, DuckDB, Ibis, PySpark, …"""

# Names of the base classes by which database drivers (PEP 249), Java and Spark say what happened.
# A ProgrammingError is a fault of ours and passes through, unless a right is missing or a column
# has a type of that database alone.
_DRIVERS = {"OperationalError", "InterfaceError", "InternalError", "DataError"}
_REFUSED = ("InsufficientPrivilege", "CannotCoerce")
_UNKNOWN = "OperationNotDefinedError"
_FAILURES = _DRIVERS | {"Py4JError", "PySparkException", "ConnectionError", *_REFUSED, _UNKNOWN}
_OURS = {"AnalysisException", "ParseException", "PySparkTypeError", "PySparkValueError"}
# How databases, and Ibis for them, say that they make no temporary table.
_REFUSALS = {"ReadOnlySqlTransaction", "InsufficientPrivilege", "NotImplementedError"}
_NO_TABLES = _REFUSALS | {"UnsupportedOperationError", "UnsupportedBackendFeatureError"}
_EXPLAINED = ("OutOfMemoryException", *_REFUSED, _UNKNOWN, "DataError")
_NUMBERS = count(1)
DEFAULT_MEMORY_LIMIT = "60%"
_SIZE = re.compile(r"\d+(\.\d+)? ?([KMGT]i?B)|[1-9]\d?%|100%")
_MOST_RUNS = 1000
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
_BYTES_A_ROW = 700
"""What an evaluation in Polars takes at most for each row of a bank's tables."""


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

    def has_room_for(self, rows: int) -> bool:
        """Return whether Polars, measuring a bank of so many rows, keeps to the limit."""
        ((limit,),) = self.connection.execute("SELECT current_setting('memory_limit')").fetchall()
        number, unit = str(limit).split()
        return bool(rows * _BYTES_A_ROW < float(number) * 1024 ** _UNITS.index(unit))

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
            is_reader = "ReadOnlySqlTransaction" in class_names(error)
            reason = say("only_read" if is_reader else "right_to_tables")
            warnings.warn(say("computed_again", reason), stacklevel=4)
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
        # Plain SQL: from sqlglot 30.18 on, Ibis 12's own drop_table forgets the name.
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


@dataclass
class _Rows:
    """A relation's rows, given to Polars under a class of ours.

    It would keep DuckDB's own class to the end of the process, which then reports leaks.
    """

    relation: duckdb.DuckDBPyRelation

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.relation.__arrow_c_stream__(requested_schema)


def polars_of(relation: duckdb.DuckDBPyRelation) -> Frame:
    """Return a relation of DuckDB computed, as a lazy frame of Polars."""
    import polars

    return polars.DataFrame(_Rows(relation)).lazy()


@contextmanager
def engine_failures() -> Iterator[None]:
    """Turn the failure of a database, a cluster or a disk into one EngineError.

    The driver's own words are left out: they may quote a row, an address or a query. But a refusal
    of PostgreSQL names a table or a type alone.
    """
    try:
        yield
    except Exception as error:
        names = class_names(error)
        if not names & _FAILURES or names & _OURS:
            raise
        reason = next((name for name in _EXPLAINED if name in names), "engine_stopped")
        primary = getattr(getattr(error, "diag", None), "message_primary", None)
        raise EngineError(say(reason, *([primary] if reason in _REFUSED else []))) from None


def class_names(error: BaseException) -> set[str]:
    """Return the names of an error's classes."""
    return {base.__name__ for base in type(error).__mro__}


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
    import duckdb

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
