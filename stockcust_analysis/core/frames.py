"""Tables of any engine through Narwhals: in, out, sums; money as whole cents and days as days.

Money is whole cents (Int64) in columns that end in `_cents`, and what is counted is a column of 0
and 1: sums of integers are the same on every engine and in every run.

One pass measures several quarters, each with its own cut-off dates: rows carry a `period`, the
position of their as-of date among the dates measured. A border that depends on the as-of date is a
literal when there is one date, else chosen by the row's period.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeAlias

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.core.engines import Frame as Frame
from stockcust_analysis.core.engines import engine_failures
from stockcust_analysis.core.periods import cutoff
from stockcust_analysis.errors import UsageError, say

Table: TypeAlias = nw.LazyFrame[Any]
AnyFrame: TypeAlias = nw.DataFrame[Any] | nw.LazyFrame[Any]
DEFAULT_ZONE = "Asia/Shanghai"
"""Where a moment with a time zone becomes a day, if nothing else is stated."""
Groups: TypeAlias = str | Sequence[str] | None
Border: TypeAlias = Callable[[date], date]
PERIOD = "period"
KEYS = ["customer_id", PERIOD]
ONE, ZERO = (nw.lit(number, dtype=nw.Int64) for number in (1, 0))
WHOLE = "whole_bank"
_AS_IN_PANDAS: Mapping[type, Callable[[Any], Any]] = {nw.Decimal: float, nw.Date: pd.Timestamp}


def as_lazy(frame: Frame) -> Table:
    """Return any engine's table as a Narwhals LazyFrame, its labels as plain text.

    Two tables may know different categories of one column; only text compares everywhere. Moments
    with a time zone become those of Shanghai, except on Spark, which has no others. What PyArrow
    has no way to aggregate DuckDB computes on its tables.
    """
    try:
        table = nw.from_native(frame)
    except TypeError:
        raise UsageError(say("expected_table", type(frame).__name__)) from None
    if table.implementation.is_pyarrow():
        import duckdb

        table = nw.from_native(duckdb.from_arrow(frame))
    lazy = _with_numpy_types(table).lazy() if isinstance(table, nw.DataFrame) else table
    if lazy.implementation.is_spark_like():
        return lazy
    kinds = lazy.collect_schema().items()
    aware = [name for name, kind in kinds if getattr(kind, "time_zone", None)]
    lazy = with_local_moments(lazy, aware, DEFAULT_ZONE).lazy() if aware else lazy
    if not lazy.implementation.is_polars():
        return lazy
    labels = [name for name, kind in kinds if isinstance(kind, (nw.Categorical, nw.Enum))]
    return lazy.with_columns(nw.col(*labels).cast(nw.String)) if labels else lazy


def with_local_moments(frame: AnyFrame, aware: Sequence[str], zone: str) -> AnyFrame:
    """Return a frame whose columns of moments with a time zone are what clocks show in `zone`.

    Databases other than PostgreSQL and DuckDB keep theirs, which then are no days.
    """
    native, kind = nw.to_native(frame), frame.implementation
    if kind.is_duckdb():
        local = (f'timezone(\'{zone}\', "{name}") AS "{name}"' for name in aware)
        native = native.project(f"* REPLACE ({', '.join(local)})")
    elif kind.is_ibis():
        import ibis

        if native.get_backend().name in ("postgres", "duckdb"):
            signature = ((str, "timestamp('UTC')"), "timestamp")
            timezone = ibis.udf.scalar.builtin(_timezone, name="timezone", signature=signature)
            native = native.mutate(**{name: timezone(zone, native[name]) for name in aware})
    elif kind.is_spark_like():
        from pyspark.sql import functions as sf

        native = native.withColumns(
            {name: sf.convert_timezone(None, sf.lit(zone), sf.col(name)) for name in aware}
        )
    else:
        moments = nw.col(*aware).dt.convert_time_zone(zone)
        return frame.with_columns(moments.dt.replace_time_zone(None))
    result: AnyFrame = nw.from_native(native)
    return result


def _timezone(zone: Any, moment: Any) -> Any:
    """Stand for the database's function of that name."""


def _with_numpy_types(table: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Return a pandas table without columns of Arrow types, whose casts refuse large numbers.

    Categories become what they stand for: text or numbers.
    """
    if not table.implementation.is_pandas_like():
        return table
    native = table.to_native()
    plain: dict[str, Any] = {}
    for name, kind in table.schema.items():
        type_name = str(native[name].dtype)
        if type_name == "category":
            plain[name] = native[name].astype(native[name].dtype.categories.dtype)
        elif type_name.endswith("[pyarrow]"):
            plain[name] = native[name].astype(_numpy_type(kind, has_gaps=native[name].isna().any()))
    return nw.from_native(native.assign(**plain), eager_only=True) if plain else table


def _numpy_type(kind: nw.dtypes.DType, *, has_gaps: bool) -> str:
    """Return the pandas type, without Arrow, of a column of an Arrow type."""
    if kind.is_numeric():
        return "int64" if kind.is_integer() and not has_gaps else "float64"
    if kind.is_temporal():
        return "datetime64[us]"
    return "boolean" if kind == nw.Boolean else "str"


def native_like(table: pd.DataFrame, given: Frame) -> Frame:
    """Return a small result as the kind of table given when that was eager, else as pandas."""
    kind = nw.from_native(given)
    if not isinstance(kind, nw.DataFrame) or kind.implementation.is_pandas_like():
        return table
    names = [str(name) for name in table]
    columns = {
        name: [None if value is pd.NaT or value != value else value for value in table[name]]
        for name in names
    }
    # A column of empty cells, or of no rows, does not show that it holds numbers.
    numbers = {"i": nw.Int64, "f": nw.Float64}
    kinds = {name: numbers.get(table[name].dtype.kind) for name in names}
    result = nw.from_dict(columns, backend=kind.implementation)
    casts = (nw.col(name).cast(kind) for name, kind in kinds.items() if kind is not None)
    return result.with_columns(*casts).to_native()


def to_pandas(frame: Frame) -> pd.DataFrame:
    """Return a table of any engine as a pandas frame of its own: moments for dates, text, numbers.

    The types do not depend on the engine; DuckDB and Polars need no pyarrow for it.
    """
    table = nw.from_native(frame).lazy()
    kinds = table.collect_schema()
    rows = _collect(table)
    # As arrays, for as Python's objects a million customers would fill the memory; but not truths,
    # whose gaps engines mark in several ways.
    columns = pd.DataFrame({name: rows[name].to_numpy() for name in kinds.names()})
    truths = [name for name, kind in kinds.items() if kind == nw.Boolean]
    columns[truths] = pd.DataFrame(rows.select(truths).to_dict(as_series=False))
    names: dict[object, str] = dict.fromkeys((nw.Date, nw.Datetime), "datetime64[us]")
    names[nw.String] = "str"
    types = {name: names[type(kind)] for name, kind in kinds.items() if type(kind) in names}
    return columns.astype(types | dict.fromkeys(columns.select_dtypes("integer"), "int64"))


def same_kind(given: Frame, result: Table) -> Frame:
    """Return a result as the kind of table that was given: lazy stays lazy."""
    eager = isinstance(nw.from_native(given), nw.DataFrame)
    return result.collect().to_native() if eager else result.to_native()


def collect_rows(frame: Table) -> dict[str, list[Any]]:
    """Return a small result as lists; Polars and DuckDB need no pyarrow for it."""
    if not frame.implementation.is_duckdb():
        return _collect(frame).to_dict(as_series=False)
    kinds = frame.collect_schema().items()
    given = {name: _AS_IN_PANDAS.get(type(kind)) for name, kind in kinds}
    with engine_failures():  # by way of pandas it would cost twice as much
        rows = frame.to_native().fetchall()
    columns = zip(*rows, strict=True) if rows else [()] * len(given)
    return {
        name: [None if cell is None else kind(cell) for cell in cells] if kind else [*cells]
        for (name, kind), cells in zip(given.items(), columns, strict=True)
    }


def _collect(frame: Table) -> nw.DataFrame[Any]:
    """Return a lazy table computed, in memory."""
    kind = frame.implementation
    if kind.is_polars() or kind.is_pandas_like():
        return frame.collect()
    # Spark's own way to pandas warns of pandas 3, and is slower.
    with engine_failures():
        return frame.collect("pyarrow" if kind.is_spark_like() else "pandas")


def group_names(by: Groups) -> list[str]:
    """Return the names to group by as a list; None means the whole bank."""
    if by is None:
        return []
    several = hasattr(by, "__iter__") and not isinstance(by, str)
    names: list[Any] = list(by) if several else [by]
    if not all(isinstance(name, str) for name in names) or len({*names}) < len(names):
        raise UsageError(say("by_takes", repr(by)))
    return names


def cents(name: str) -> nw.Expr:
    """Return a CNY column as whole cents; float and DECIMAL come out alike."""
    return (nw.col(name).cast(nw.Float64) * 100 + 0.5).floor().cast(nw.Int64)


def cents_or_zero(name: str) -> nw.Expr:
    """Return a CNY column as whole cents, 0 where it is empty or NaN."""
    amount = nw.col(name).cast(nw.Float64).fill_nan(None).fill_null(0)
    return (amount * 100 + 0.5).floor().cast(nw.Int64)


def cents_of(amount: float) -> int:
    """Return a policy's CNY amount as whole cents."""
    return int((Decimal(str(amount)) * 100).quantize(Decimal(1), ROUND_HALF_UP))


def day(frame: Table, name: str) -> nw.Expr:
    """Return a column of dates ready to compare; pandas keeps plain dates as objects."""
    kind = frame.collect_schema()[name]
    if kind == nw.String:
        raise UsageError(say("text_for_dates", name))
    return nw.col(name).cast(nw.Datetime("us")) if kind == nw.Object else nw.col(name)


def after(days: nw.Expr, border: date) -> nw.Expr:
    """Return whether a day, whatever its hour, is later than `border`; an empty one is not."""
    next_day = datetime(border.year, border.month, border.day) + timedelta(days=1)
    return (days >= nw.lit(next_day)).fill_null(False)


def on_day(days: nw.Expr, on: date) -> nw.Expr:
    """Return whether a day, whatever its hour, is `on`."""
    return after(days, on - timedelta(days=1)) & ~after(days, on)


def flag(condition: nw.Expr) -> nw.Expr:
    """Return a condition as 0 and 1; a comparison with what is unknown is 0.

    Chosen from two numbers it takes DuckDB two thirds of the time of a truth turned into one.
    Truths that a join left open are filled first: pandas takes no gaps in a condition.
    """
    return nw.when(condition).then(ONE).otherwise(ZERO)


def first_true(cases: Iterable[tuple[nw.Expr, Any]], default: Any) -> nw.Expr:
    """Return the value of the first condition that holds; whole numbers become Int64."""
    result = _literal(default)
    for condition, value in reversed([*cases]):
        result = nw.when(condition).then(_literal(value)).otherwise(result)
    return result


def _literal(value: Any) -> nw.Expr:
    if isinstance(value, nw.Expr):
        return value
    return nw.lit(value, dtype=nw.Int64 if isinstance(value, int) else None)


def is_true(frame: Table, name: str) -> nw.Expr:
    """Return whether a column of yes and no says yes; not where it is empty or not delivered."""
    if name not in frame.collect_schema().names():
        return nw.lit(False)
    return (nw.col(name) == nw.lit(True)).fill_null(False)


def sums(frame: Table, by: Sequence[str], columns: Mapping[str, nw.Expr]) -> Table:
    """Return the Int64 sums of whole-number expressions per group, with the group's labels.

    In memory the expressions become columns first: inside `agg` pandas takes a path a hundred times
    slower. There they are copied, too: a copy lays columns side by side that were each made alone.
    DuckDB adds whole numbers up to HUGEINT, which would arrive as floats; it is asked in its own
    words, as each step by way of Narwhals costs it more than to add up a small table.
    """
    if frame.implementation.is_duckdb():
        added = [f'coalesce(sum("{name}"), 0)::BIGINT AS "{name}"' for name in columns]
        labels = [f'"{name}"' for name in by]
        native = frame.select(*by, **columns).to_native()
        return as_lazy(native.aggregate(", ".join([*labels, *added]), ", ".join(labels)))
    keys = list(by) or [WHOLE]
    table = frame if by else frame.with_columns(ONE.alias(WHOLE))
    rows = table.select(*keys, **columns)
    if rows.implementation.is_pandas_like():
        rows = as_lazy(rows.to_native().copy())
    totals = rows.group_by(*keys).agg(nw.col(*columns).sum())
    totals = totals.with_columns(nw.col(*columns).cast(nw.Int64))
    return totals if by else totals.drop(WHOLE)


def collect_sums(frame: Table, by: Sequence[str], columns: Mapping[str, nw.Expr]) -> pd.DataFrame:
    """Return `sums` as a small pandas table, in the order of its groups; nobody adds up to 0."""
    totals = pd.DataFrame(collect_rows(sums(frame, by, columns)))
    if not by and totals.empty:
        return pd.DataFrame([dict.fromkeys(totals, 0)])
    return totals.sort_values([*by], ignore_index=True) if by else totals


def height(table: Table) -> int:
    """Return the number of rows of a table."""
    return int(collect_rows(table.select(n=nw.len()))["n"][0])


def count_each(table: Table, column: str) -> dict[Any, int]:
    """Return how many rows have each value of a column."""
    found = collect_rows(sums(table, [column], {"n": ONE}))
    return {value: int(n) for value, n in zip(*found.values(), strict=True)}


def count_rows(table: Table, conditions: Mapping[str, nw.Expr]) -> dict[str, int]:
    """Return how many rows meet each condition, in one look at the data; unknown counts as no."""
    if not conditions:
        return {}
    flags = {name: flag(condition) for name, condition in conditions.items()}
    return {name: sum(values) for name, values in collect_rows(sums(table, [], flags)).items()}


@dataclass(frozen=True)
class Calendar:
    """The as-of dates measured together, in ascending order.

    >>> Calendar((date(2026, 6, 30), date(2026, 9, 30))).period_of(date(2026, 9, 30))
    1
    """

    days: tuple[date, ...]

    def period_of(self, as_of: date) -> int:
        """Return the position of an as-of date."""
        return self.days.index(as_of)

    def rows(self, table: Table) -> Table:
        """Return a table's rows of these dates with their `period`, in place of `as_of`.

        A table without `as_of` is one snapshot, and must be the only one.
        """
        schema = table.collect_schema()
        if "as_of" not in schema.names():
            return table.with_columns(ZERO.alias(PERIOD))
        # pandas and databases may carry hours; a plain date compares with plain dates alone.
        plain = schema["as_of"] == nw.Date
        as_of = day(table, "as_of")
        days = [on if plain else datetime(on.year, on.month, on.day) for on in self.days]
        period = self.choose(list(range(len(days))), as_of, days).alias(PERIOD)
        return table.filter(as_of.is_in(days)).with_columns(period).drop("as_of")

    def on_every_day(self, table: Table) -> Table:
        """Return the rows of a table that has no as-of date once for every date measured."""
        periods = (nw.lit(period, dtype=nw.Int64) for period in range(len(self.days)))
        return nw.concat([table.with_columns(period.alias(PERIOD)) for period in periods])

    def choose(
        self, values: list[Any], key: nw.Expr | None = None, keys: list[Any] | None = None
    ) -> nw.Expr:
        """Return the value that belongs to a row's period, given one value per as-of date."""
        key = nw.col(PERIOD) if key is None else key
        pairs = zip(keys or range(len(values)), values, strict=True)
        return first_true([(key == period, value) for period, value in pairs][:-1], values[-1])

    def after(self, days: nw.Expr, of: Border) -> nw.Expr:
        """Return whether days, whatever their hour, lie after a border; an empty day does not.

        Each border is compared by itself: of a number that stands there Spark compares plain days.
        """
        return self.choose([after(days, of(on)) for on in self.days])

    def after_as_of(self, days: nw.Expr) -> nw.Expr:
        """Return whether days lie after the as-of date."""
        return self.after(days, lambda as_of: as_of)


def months_before(months: int) -> Border:
    """Return the border after which less than so many months have passed, day to day."""
    return lambda as_of: cutoff(as_of, months)
