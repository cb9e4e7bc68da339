"""Opening a bank, wherever its tables are."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

import duckdb
import narwhals.stable.v2 as nw
from narwhals.exceptions import DuplicateError

from stockcust_analysis.bank import conversion, suspicions, validation
from stockcust_analysis.bank.bank import Input
from stockcust_analysis.bank.contract import TABLES, Column, Kind
from stockcust_analysis.bank.conversion import Reading
from stockcust_analysis.bank.customers import Bank as Bank
from stockcust_analysis.bank.doubts import warn_of_doubts
from stockcust_analysis.bank.file_names import require_no_banks_within
from stockcust_analysis.bank.folder import open_duckdb_file, open_folder, open_relations
from stockcust_analysis.bank.headers import match_headers, missing_tables, warn_of_absent
from stockcust_analysis.bank.mapping import Mapping, read_mapping, require_no_file_options
from stockcust_analysis.bank.problems import Delivery, Problem, Rows
from stockcust_analysis.bank.totals import totals_of
from stockcust_analysis.core import engines
from stockcust_analysis.core.engines import Frame, class_names, engine_failures
from stockcust_analysis.core.frames import AnyFrame, with_local_moments
from stockcust_analysis.errors import StockcustError, UsageError, advise, either, require_known, say

MAPPING_NAME = "mapping.toml"
_MOST_HELD = 5_000_000
"""Holdings up to which opening holds them against customers' AUM: it costs a join."""
LAYOUTS = ("east5",)
_DUCKDB = "duckdb://"
_TYPES = (
    *("String", "Boolean", "Date", "Datetime", "Duration", "Time"),
    *("List", "Array", "Struct", "Binary", "Object"),
)
"""Types of a frame's columns that have words."""
_POSTGRES = ("postgres", "postgresql")
# Names of the classes by which drivers (PEP 249), Ibis and the system say that it cannot be.
_NO_CONNECTION = {"Error", "DatabaseError", "IbisError", "OSError", "ValueError", "TypeError"}


def open_bank(
    source: str | Path | Dictionary[str, Frame] | Any,
    *,
    mapping: str | Path | None = None,
    tables: Dictionary[str, str] | None = None,
    layout: str | None = None,
    memory_limit: str = engines.DEFAULT_MEMORY_LIMIT,
) -> Bank:
    """Open a bank's tables where they are and check them against the contract.

    Parameters
    ----------
    source
        One of:

        - a folder with one or several files per table: CSV in UTF-8 or GB18030/GBK (found out by
          looking), gzip-compressed CSV, Parquet or Excel;
        - `duckdb://FILE`, a DuckDB database, opened for reading;
        - the URL of a database that Ibis speaks to, such as `postgresql://user@host/database`;
        - a Spark session, or an open connection of DuckDB;
        - table name → pandas, Polars (eager or lazy), Spark or Ibis frame, PyArrow table or DuckDB
          relation, all of one kind. DuckDB's and PyArrow's are copied.
    mapping
        TOML file that renames tables, headers and codes; default: `mapping.toml` in the folder.
    tables
        Contract table → its name ("schema.table") in the database or Spark catalogue, or, for
        Spark, a path of Parquet files; it wins over the mapping. Default: the contract's names.
    layout
        What the files of a folder or the tables of a DuckDB database are, if they are not the
        contract's: "east5".
    memory_limit
        Memory to keep to: "4GB", or a share of the machine. DuckDB takes nine tenths of it and
        spills to disk what exceeds them. Other engines have limits of their own.

    Returns
    -------
    Bank
        Tables of the source's own engine, scanned only when asked for.

    Raises
    ------
    UsageError
        The source or the mapping does not exist, or an extra is not installed.
    BankDataError
        The extracts break the contract. All problems of all tables are in the one error, with
        table, column, number of rows, first rows (of files) and what to do; never a customer's
        number.
    EngineError
        The database or cluster failed while the tables were checked.

    Examples
    --------
    >>> bank = open_bank("data/sample")
    >>> [str(quarter) for quarter in bank.quarters]
    ['2025Q3', '2025Q4', '2026Q1', '2026Q2', '2026Q3']
    >>> bank.close()
    """
    with engine_failures():
        bank = _open(source, mapping, tables or {}, layout, memory_limit)
        try:
            warn_of_doubts(bank)
            newest = totals_of(bank, bank.quarters[-2:])
            bank.suspicions = tuple(suspicions.suspicions_of(bank, newest, _MOST_HELD))
            bank.too_few = suspicions.too_few(newest)
            suspicions.tell(bank.suspicions, bank.as_errors, bank.name)
        except BaseException:
            bank.close()
            raise
    return bank


def _open(
    source: Any,
    mapping_file: str | Path | None,
    tables: Dictionary[str, str],
    layout: str | None,
    memory_limit: str,
) -> Bank:
    """Open whatever kind of source is given."""
    url = source if isinstance(source, str) and "://" in source else ""
    if layout and layout not in LAYOUTS:
        raise UsageError.unknown("layout", layout, LAYOUTS)
    if isinstance(source, (str, Path)) and not url:
        return _open_folder(Path(source), mapping_file, layout, memory_limit)
    if layout and not url.startswith(_DUCKDB):
        raise UsageError(say("layout_of_files"))
    mapping = Mapping() if mapping_file is None else read_mapping(Path(mapping_file))
    require_no_file_options(mapping)
    names = {name: entry.table for name, entry in mapping.tables.items() if entry.table}
    names |= _require_known(tables)
    if url.startswith(_DUCKDB):
        return open_duckdb_file(Path(url[len(_DUCKDB) :]), mapping, names, memory_limit, layout)
    if url:
        return _open_database(url, mapping, names)
    if isinstance(source, Dictionary):
        return _open_frames(_require_known(source), mapping, memory_limit)
    if isinstance(source, duckdb.DuckDBPyConnection):
        return open_relations(_relations_of(source, names), mapping, memory_limit=memory_limit)
    return _open_spark(source, mapping, names)


def _require_known(tables: Dictionary[str, Any]) -> dict[str, Any]:
    """Return the tables given; UsageError for one that the contract does not know."""
    names = [contract.name for contract in TABLES]
    return {require_known("table", name, names): given for name, given in tables.items()}


def _open_folder(
    folder: Path, mapping_file: str | Path | None, layout: str | None, memory_limit: str
) -> Bank:
    if not folder.is_dir():
        raise UsageError(say("a_file" if folder.is_file() else "no_folder", folder))
    beside = folder / MAPPING_NAME
    chosen = Path(mapping_file or beside) if mapping_file or beside.exists() else None
    if chosen is None and not layout:
        require_no_banks_within(folder)
    mapping = Mapping() if chosen is None else read_mapping(chosen)
    bank = open_folder(folder, mapping, memory_limit, layout)
    if chosen is not None:  # what it says decides what the files mean
        bank.inputs = (*bank.inputs, Input(chosen.name, chosen))
    return bank


def _relations_of(
    connection: duckdb.DuckDBPyConnection, names: Dictionary[str, str]
) -> dict[str, duckdb.DuckDBPyRelation]:
    """Return the tables of an open connection of DuckDB; those in `names` must be there."""
    relations = {}
    for contract in TABLES:
        name = names.get(contract.name, contract.name)
        try:
            relations[contract.name] = connection.table(name)
        except duckdb.ConnectionException:
            raise UsageError(say("connection_closed")) from None
        except duckdb.Error:
            if contract.name in names:
                raise UsageError(say("connection_lacks", name)) from None
    return relations


def _open_frames(frames: Dictionary[str, Frame], mapping: Mapping, memory_limit: str) -> Bank:
    """Open a bank whose tables are frames, all of one kind."""
    if not frames:
        raise UsageError(say("no_frames", [table.name for table in TABLES if table.required]))
    tables = {name: _narwhals_frame(name, frame) for name, frame in frames.items()}
    kinds = {str(table.implementation): table.implementation for table in tables.values()}
    if len(kinds) != 1:
        raise UsageError(say("several_engines", sorted(kinds)))
    ((name, kind),) = kinds.items()
    if kind.is_pyarrow():
        try:
            frames = {table: duckdb.from_arrow(frame) for table, frame in frames.items()}
        except duckdb.Error:
            raise UsageError(say("arrow_type")) from None
    if kind.is_pyarrow() or kind.is_duckdb():
        return open_relations(frames, mapping, memory_limit=memory_limit)
    if kind.is_polars():
        tables = {table: frame.lazy() for table, frame in tables.items()}
    engine = _engine_of(kind, next(iter(frames.values())))
    try:
        return _bank_of(tables, mapping, engine, location=f"{name} frames", name="bank")
    except Exception as error:
        if not kind.is_polars() or isinstance(error, StockcustError):
            raise
        raise UsageError(say("lazy_frame_fails")) from None


def _narwhals_frame(name: str, frame: Frame) -> AnyFrame:
    """Return a frame given for a table; UsageError where it is none that can be read."""
    try:
        table: AnyFrame = nw.from_native(frame)
    except TypeError:
        raise UsageError(say("no_frame", name, type(frame).__name__)) from None
    except DuplicateError:
        columns = "column_names" if hasattr(frame, "column_names") else "columns"
        headers = [str(header) for header in getattr(frame, columns)]
        twice = sorted({header for header in headers if headers.count(header) > 1})[:3]
        raise UsageError(say("frame_repeats", name, [either([h]) for h in twice])) from None
    return table


def _engine_of(kind: nw.Implementation, frame: Frame) -> engines.Engine:
    """Return the engine that computes a frame."""
    if kind.is_pandas_like():
        return engines.Engine()
    if kind.is_polars():
        return engines.PolarsEngine()
    if kind.is_spark_like():
        return engines.SparkEngine()
    if kind.is_ibis():
        return engines.DatabaseEngine(frame.get_backend(), owned=False)
    raise UsageError(say("frames_of_kind", kind))


def _open_spark(session: Any, mapping: Mapping, tables: Dictionary[str, str]) -> Bank:
    """Open the tables that a Spark session sees; those named in `tables` must be there."""
    if not (hasattr(session, "read") and hasattr(session, "catalog")):
        raise UsageError(say("cannot_open", type(session).__name__))
    if find_spec("pyarrow") is None:
        raise UsageError(say("spark_needs"))
    frames = {
        contract.name: _spark_table(session, tables.get(contract.name, contract.name))
        for contract in TABLES
        if contract.name in tables or session.catalog.tableExists(contract.name)
    }
    location = "the Spark session"
    return _bank_of(frames, mapping, engines.SparkEngine(), location=location, name="bank")


def _spark_table(session: Any, name: str) -> Frame:
    """Return a table by its name, or the Parquet files of a path."""
    is_path = "/" in name or name.endswith(".parquet")
    try:
        return session.read.parquet(name) if is_path else session.table(name)
    except Exception as error:
        if "AnalysisException" not in class_names(error):
            raise
        raise UsageError(say("spark_cannot_read", name)) from None


def _open_database(url: str, mapping: Mapping, tables: Dictionary[str, str]) -> Bank:
    """Open the tables of a database that Ibis speaks to; those in `tables` must be there.

    They stay where they are, and the work is done there.
    """
    # SQLAlchemy names its driver, too (postgresql+psycopg2://): Ibis has one of its own.
    url = re.sub(r"^(\w+)\+\w+:", r"\1:", url)
    backend = _connect(url)
    engine = engines.DatabaseEngine(backend, owned=True)
    try:
        called = {contract.name: tables.get(contract.name, contract.name) for contract in TABLES}
        if backend.name == "postgres":
            needed = {c.name for c in TABLES if c.required} | {*tables, *mapping.tables}
            _look_at_tables(backend, called.values(), [called[name] for name in needed])
        existing = {*tables, *backend.list_tables()}
        names = {table: name for table, name in called.items() if table in existing}
        frames = {table: _database_table(backend, name) for table, name in names.items()}
        name = urlsplit(url).path.strip("/").split("/")[0] or urlsplit(url).scheme
        return _bank_of(frames, mapping, engine, location=without_secrets(url), name=name)
    except BaseException:
        engine.close()
        raise


def without_secrets(url: str) -> str:
    """Return a database's URL without user, password and options, fit for messages.

    >>> without_secrets("postgresql://ana:secret@db:5432/bank?password=x")
    'postgresql://db:5432/bank'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _connect(url: str) -> Any:
    """Return a connection; UsageError when there is none, with the driver's reason."""
    scheme, place, path, *_ = urlsplit(url)
    # As Ibis reads it; it would make one that is missing.
    file = Path(place, path[1:] if place else path)
    if scheme in ("sqlite", "file") and not (file.is_file() or str(file) in (".", ":memory:")):
        raise UsageError(say("no_database_file", file, f"{scheme}://{file.name}"))
    extra = "stockcust_analysis[postgres]" if scheme in _POSTGRES else f"ibis-framework[{scheme}]"
    try:
        import ibis

        return ibis.connect(url)
    except ImportError:
        raise UsageError(say("packages_lacking", scheme, extra)) from None
    except Exception as error:
        if not class_names(error) & _NO_CONNECTION:
            raise
        reason = _redact(str(error).strip(), url)
        raise UsageError(say("no_connection", without_secrets(url), reason)) from None


def _redact(text: str, url: str) -> str:
    """Return a driver's words without the password or any option of the URL."""
    parts = urlsplit(url)
    secrets = {url, parts.query, *(value for _, value in parse_qsl(parts.query))}
    if parts.password:
        secrets |= {parts.password, unquote(parts.password), unquote_plus(parts.password)}
    for secret in sorted(secrets - {""}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _parts(name: str) -> list[str]:
    """Return schema and table of a name as SQL writes it: dots in quotation marks part nothing.

    >>> _parts('dm."cust.2026"'), _parts("cust")
    (['dm', 'cust.2026'], ['cust'])
    """
    return [part.strip('"') for part in re.findall(r'"[^"]+"|[^".]+', name)]


def _database_table(backend: Any, name: str) -> Frame:
    """Return a table by its name, with its schema in front where it has one."""
    *schema, table = _parts(name)
    try:
        return backend.table(table, database=".".join(schema) or None)
    except Exception as error:
        if "TableNotFound" not in class_names(error):
            raise
        raise UsageError(say("no_table_there", name)) from None


def _look_at_tables(backend: Any, names: Collection[str], needed: Collection[str]) -> None:
    """Refuse tables of PostgreSQL without the right to read them, which lists of tables leave out.

    Warn of those that are not needed, which may be another application's, and of those that were
    never analysed, on which it plans blindly.
    """
    quoted = {".".join(f'"{part}"' for part in _parts(name)[-2:]): name for name in names}
    rows = backend.con.execute(
        "SELECT name, has_any_column_privilege(oid, 'SELECT'), reltuples < 0 AND relkind IN "
        "('r', 'm', 'p') FROM unnest(%s::text[]) AS name JOIN pg_class ON oid = to_regclass(name)",
        [list(quoted)],
    ).fetchall()
    refused = sorted(quoted[name] for name, readable, _ in rows if not readable)
    if lacking := [name for name in refused if name in needed]:
        raise UsageError(say("may_not_read", lacking, ", ".join(lacking)))
    if refused:
        warnings.warn(say("opened_without", refused, ", ".join(refused)), stacklevel=6)
    if never := sorted(quoted[name] for name, readable, is_new in rows if readable and is_new):
        warnings.warn(say("never_analysed", never, ", ".join(never)), stacklevel=6)


def _bank_of(
    frames: Dictionary[str, Frame],
    mapping: Mapping,
    engine: engines.Engine,
    *,
    location: str,
    name: str,
) -> Bank:
    """Return the bank whose tables are those given, by the contract's names.

    `location` says in errors and manifests where the tables are; it never holds a password.
    """
    problems = missing_tables(frames, frames)
    deliveries, spare = {}, dict[str, list[str]]()
    for contract in (c for c in TABLES if c.name in frames):
        words = mapping.of(contract.name)
        frame = _narwhals_frame(contract.name, frames[contract.name])
        schema: Dictionary[Any, Any] = frame.collect_schema()  # pandas takes anything for a header
        header = [name for name in schema if isinstance(name, str)]
        doubtful, (columns,), (unread,) = match_headers(contract, [header], words)
        problems += doubtful
        spare |= {contract.name: unread} if unread else {}
        if columns:
            delivered = [column for column in contract.columns if column.name in columns]
            frame = frame.select(*(nw.col(columns[c.name]).alias(c.name) for c in delivered))
            frame = conversion.with_plain_types(frame, delivered)
            types = frame.collect_schema()
            dates = [c.name for c in delivered if c.kind is Kind.DATE]
            aware = [name for name in dates if getattr(types[name], "time_zone", None)]
            frame = with_local_moments(frame, aware, mapping.zone) if aware else frame
            delivery = _FrameDelivery(contract, delivered, words, [columns], frame)
            unfit = delivery.type_problems()
            problems += unfit
            kept = [c for c in delivered if c.name not in {problem.column for problem in unfit}]
            deliveries[contract.name] = replace(delivery, columns=kept)
    facts = validation.validate(deliveries.values(), problems, location, mapping.tolerance, engine)
    warn_of_absent(mapping.tables, frames)
    inputs = tuple(Input(table, f"{location}: {fact.rows} rows") for table, fact in facts.items())
    return Bank(engine, facts, mapping.name or name, inputs, spare, mapping.as_errors)


@dataclass(frozen=True)
class _FrameDelivery(Delivery):
    """A frame, or a table of a database; its rows have no numbers."""

    frame: AnyFrame

    def type_problems(self) -> list[Problem]:
        """Return the columns whose type cannot hold what they should."""
        kinds, problems = self.frame.collect_schema(), []
        for column in self.columns:
            if self._reading(column) is None:
                kind = kinds[column.name]
                held = "NUMBER" if kind.is_numeric() else type(kind).__name__
                held = held if held in ("NUMBER", *_TYPES) else "unknown_type"
                said = advise("wrong_type", say(held), say(column.kind.name))
                problems.append(self.problem(column.name, *said))
        return problems

    def read(self, trimmed: Collection[str] = ()) -> Rows:
        """Return the rows: values, and whether they are at fault or odd."""
        fitting = {c.name: reading for c in self.columns if (reading := self._reading(c, trimmed))}
        rows: Rows = self.frame.lazy().select(**conversion.with_readings(fitting))
        return rows

    def _reading(self, column: Column, trimmed: Collection[str] = ()) -> Reading[nw.Expr] | None:
        return conversion.frame_reading(
            column,
            self.frame.collect_schema()[column.name],
            self.mapping,
            trimmed=column.name in trimmed,
            has_dates=not self.frame.implementation.is_pandas_like(),
        )
