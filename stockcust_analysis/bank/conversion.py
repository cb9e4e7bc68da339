"""How delivered cells are read as the contract's types: SQL on DuckDB, Narwhals elsewhere.

Both give the value, NULL where a cell cannot be read as such, and conditions that say why. Text is
trimmed, empty text is nothing, and the bank's codes are translated. Files hold text for
everything, so dates and numbers are understood in the forms banks write them; other engines have
types of their own, and a date written as text is not guessed at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from decimal import Decimal
from numbers import Integral, Number
from typing import Any, Generic, TypeAlias, TypeVar

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.contract import Column, Kind
from stockcust_analysis.bank.duckdb_connection import literal, quoted

TEXTS = (Kind.TEXT, Kind.CODE)
NOT_FINITE = "NaN or infinite"
NOT_MIDNIGHT = "a moment within a day where a day belongs"
EXCEL_SERIAL = "a bare number where a date belongs (an Excel date?)"
TRUE_WORDS = ("true", "t", "1", "y", "yes", "是")
FALSE_WORDS = ("false", "f", "0", "n", "no", "否")

_SQL_TYPES = {
    Kind.TEXT: "VARCHAR",
    Kind.CODE: "VARCHAR",
    Kind.DATE: "DATE",
    Kind.MONEY: "DECIMAL(18,2)",
    Kind.INTEGER: "BIGINT",
    Kind.FLAG: "BOOLEAN",
    Kind.QUARTER: "VARCHAR",
    Kind.NUMBER: "DOUBLE",
}
INT96 = "INT96"
"""The type of a Parquet column of moments in the old form, which DuckDB shows as TIMESTAMP."""
_SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_INTEGERS = (*_SIGNED, *(f"U{name}" for name in _SIGNED))
_QUARTER = r"\d{4}Q[1-4]"
# Text is plain when it is visible ASCII but + and @: it needs no trimming and hides nothing.
_NOT_PLAIN = "^$|[^!-*,-?A-~]"

AnyFrame: TypeAlias = nw.DataFrame[Any] | nw.LazyFrame[Any]
Expression = TypeVar("Expression", str, nw.Expr)


@dataclass(frozen=True)
class Reading(Generic[Expression]):
    """How a column's cells are read.

    `faults` maps what may be wrong with a cell that has no value to the condition that it is;
    `odd` is the condition that text is not plain and wants a closer look.
    """

    value: Expression
    faults: Mapping[str, Expression] = field(default_factory=dict)
    odd: Expression | None = None


def unreadable(column: Column) -> str:
    """Return what is said of a cell that cannot be read as the column's kind."""
    return f"not a {column.kind.value}"


def sql_type(kind: Kind) -> str:
    """Return the DuckDB type that holds a column of this kind."""
    return _SQL_TYPES[kind]


def sql_reading(
    column: Column,
    header: str,
    source_type: str,
    codes: Mapping[str, str],
    *,
    trimmed: bool,
    zone: str,
) -> Reading[str]:
    """Return the SQL that reads a column of a file or a DuckDB table.

    `source_type` is the type it comes in, `zone` where moments with a time zone become days. Only
    where `trimmed` are blanks around text removed: that costs as much as reading it.
    """
    cell, wanted = quoted(header), sql_type(column.kind)
    text = f"NULLIF(trim({cell}::VARCHAR), '')"
    if column.kind in TEXTS:
        return _sql_text(cell, text, source_type, codes, trimmed=trimmed)
    if column.kind.is_numeric:
        return _sql_number(column, cell, text, source_type)
    if source_type == wanted and column.kind is not Kind.QUARTER:
        return Reading(cell)
    if column.kind is Kind.DATE and source_type.startswith(("TIMESTAMP", INT96)):
        return _sql_moment(cell, source_type, zone)
    faults: dict[str, str] = {}
    if column.kind is Kind.DATE:
        value = _sql_date(text)
        faults = {EXCEL_SERIAL: f"regexp_full_match({text}, '[1-9]\\d{{4}}(\\.\\d+)?')"}
    elif column.kind is Kind.FLAG:
        value = (
            f"(CASE WHEN lower({text}) IN {_sql_list(TRUE_WORDS)} THEN true "
            f"WHEN lower({text}) IN {_sql_list(FALSE_WORDS)} THEN false END)"
        )
    else:
        value = f"(CASE WHEN regexp_full_match({text}, '{_QUARTER}') THEN {text} END)"
    return Reading(value, faults | _sql_unreadable(column, text, value, faults))


def _sql_moment(cell: str, source_type: str, zone: str) -> Reading[str]:
    """Return the SQL of the day that begins at a moment.

    INT96 does not say whether it holds UTC (Hive, Spark) or local time (Impala): a local midnight
    is a day as it stands, any other moment is taken for UTC.
    """
    local = cell
    if "WITH TIME ZONE" in source_type:
        local = f"timezone({literal(zone)}, {cell})"
    elif source_type == INT96:
        from_utc = f"timezone({literal(zone)}, timezone('UTC', {cell}))"
        local = f"(CASE WHEN {cell} = {cell}::DATE THEN {cell} ELSE {from_utc} END)"
    day = f"TRY_CAST({local} AS DATE)"
    return Reading(day, {NOT_MIDNIGHT: f"{local} <> {day}"})


def _sql_text(
    cell: str, text: str, source_type: str, codes: Mapping[str, str], *, trimmed: bool
) -> Reading[str]:
    if codes:
        cases = " ".join(f"WHEN {literal(k)} THEN {literal(v)}" for k, v in codes.items())
        return Reading(f"(CASE {text} {cases} ELSE {text} END)")
    if source_type in _INTEGERS:
        return Reading(f"{cell}::VARCHAR")
    value = cell if source_type == "VARCHAR" and not trimmed else text
    # Letters, digits and -_.~ are what a URL leaves as it is; a regular expression is dearer.
    closer = f"regexp_matches({value}, '{_NOT_PLAIN}')"
    odd = f"(CASE WHEN url_encode({value}) = {value} THEN {value} = '' ELSE {closer} END)"
    return Reading(value, odd=odd)


def _sql_number(column: Column, cell: str, text: str, source_type: str) -> Reading[str]:
    wanted = sql_type(column.kind)
    number, given, faults = cell, cell, {}
    if source_type in ("DOUBLE", "FLOAT"):
        faults = {NOT_FINITE: f"NOT isfinite({cell})"}
    elif source_type not in _INTEGERS and not source_type.startswith("DECIMAL"):
        number, given = f"replace({text}, ',', '')", text
        words = literal("[+-]?(nan|inf|infinity)|#(n/a|num!|div/0!)")
        faults = {NOT_FINITE: f"regexp_full_match(lower({text}), {words})"}
    if source_type == wanted:
        return Reading(cell, faults)
    double = f"TRY_CAST({number} AS DOUBLE)"
    whole = f" AND {double} = floor({double})" if column.kind is Kind.INTEGER else ""
    value = f"(CASE WHEN isfinite({double}){whole} THEN TRY_CAST({number} AS {wanted}) END)"
    if source_type in _INTEGERS:
        value = f"TRY_CAST({number} AS {wanted})"
    return Reading(value, faults | _sql_unreadable(column, given, value, faults))


def _sql_unreadable(
    column: Column, given: str, value: str, faults: Mapping[str, str]
) -> dict[str, str]:
    """Return the condition that a cell is there, has no value, and no other fault says why."""
    known = "".join(f" AND NOT ({fault})" for fault in faults.values())
    return {unreadable(column): f"{given} IS NOT NULL AND {value} IS NULL{known}"}


def _sql_date(text: str) -> str:
    return (
        f"(CASE WHEN regexp_full_match({text}, '\\d{{8}}') "
        f"THEN TRY_CAST(try_strptime({text}, '%Y%m%d') AS DATE) "
        f"ELSE COALESCE(TRY_CAST({text} AS DATE), "
        f"TRY_CAST(try_strptime({text}, '%Y年%m月%d日') AS DATE)) END)"
    )


def _sql_list(words: Iterable[str]) -> str:
    return f"({', '.join(map(literal, words))})"


def frame_reading(
    column: Column,
    kind: nw.dtypes.DType,
    codes: Mapping[str, str],
    *,
    trimmed: bool,
    has_dates: bool,
) -> Reading[nw.Expr] | None:
    """Return how a column of a frame or database is read; None when its type cannot hold it.

    `kind` is the type it comes in. pandas has no type for dates: there they stay moments.
    """
    cell = nw.col(column.name)
    if column.kind is Kind.DATE:
        if not isinstance(kind, nw.Datetime):
            return Reading(cell) if kind == nw.Date else None
        within = (cell != cell.dt.truncate("1d")) & ~cell.is_null()
        value = cell.cast(nw.Date) if has_dates else cell
        return None if kind.time_zone else Reading(value, {NOT_MIDNIGHT: within})
    if column.kind.is_numeric:
        return _frame_number(column, cell, kind) if kind.is_numeric() else None
    if column.kind is Kind.FLAG:
        return _frame_flag(column, cell, kind)
    if kind.is_integer():
        return Reading(_translate(cell.cast(nw.String), codes))
    if isinstance(kind, (nw.Categorical, nw.Enum)):
        cell = cell.cast(nw.String)
    elif kind != nw.String:
        return None
    text = cell.str.strip_chars()
    text = nw.when(text != "").then(text)
    if codes:
        return Reading(_translate(text, codes))
    value = text if trimmed else cell
    there = ~value.is_null()
    odd = value.str.contains(_NOT_PLAIN) & there if column.kind is not Kind.CODE else None
    if column.kind is not Kind.QUARTER:
        return Reading(value, odd=odd)
    wrong = ~value.str.contains(f"^{_QUARTER}$") & there
    return Reading(value, {unreadable(column): wrong}, odd)


def _frame_number(column: Column, cell: nw.Expr, kind: nw.dtypes.DType) -> Reading[nw.Expr]:
    if kind.is_integer():
        return Reading(cell)
    # To pandas an empty cell differs from itself, and is not finite.
    number, there = cell.cast(nw.Float64), ~cell.is_null()
    faults = {NOT_FINITE: ~number.is_finite() & there}
    if column.kind is Kind.INTEGER:
        faults[unreadable(column)] = (number != number.floor()) & number.is_finite() & there
    return Reading(cell, faults)


def _frame_flag(column: Column, cell: nw.Expr, kind: nw.dtypes.DType) -> Reading[nw.Expr] | None:
    if kind == nw.Boolean:
        return Reading(cell)
    there = ~cell.is_null()
    if kind.is_numeric():
        value = nw.when(cell == 1).then(True).otherwise(nw.when(cell == 0).then(False))
    elif kind == nw.String:
        word = cell.str.strip_chars().str.to_lowercase()
        negated = nw.when(word.is_in(FALSE_WORDS)).then(False)
        value = nw.when(word.is_in(TRUE_WORDS)).then(True).otherwise(negated)
        there = there & (word != "")
    else:
        return None
    return Reading(value, {unreadable(column): value.is_null() & there})


def _translate(text: nw.Expr, codes: Mapping[str, str]) -> nw.Expr:
    """Return the text with the bank's codes in the contract's words; others stay."""
    words = (nw.when(text == code).then(nw.lit(word)) for code, word in codes.items())
    return nw.coalesce(*words, text) if codes else text


def without_objects(frame: AnyFrame, columns: Sequence[Column]) -> AnyFrame:
    """Return a pandas frame whose columns of objects have the types of the contract.

    Dates, Decimals, and text and flags with gaps come as objects; other engines have none. All
    objects are looked at, for hundreds of gaps may come first.
    """
    if not frame.implementation.is_pandas_like():
        return frame
    native = nw.to_native(frame)
    objects = [column for column in columns if native[column.name].dtype == object]
    if not objects:
        return frame
    typed = {column.name: _without_objects(native[column.name], column.kind) for column in objects}
    result: AnyFrame = nw.from_native(native.assign(**typed))
    return result


def _without_objects(values: Any, kind: Kind) -> Any:
    """Return a pandas column of objects as a kind; as it is where some are of another."""
    there = values[values.notna()]
    types = {*map(type, there)}
    if kind is Kind.FLAG:
        return values.convert_dtypes() if types else values.astype("boolean")
    if kind is Kind.DATE and all(issubclass(each, date) for each in types):
        zones = {getattr(moment, "tzinfo", None) is not None for moment in there}
        if zones == {True}:
            return values.map(lambda moment: moment.astimezone(UTC), na_action="ignore").astype(
                "datetime64[us, UTC]"
            )
        return values if True in zones else values.astype("datetime64[us]")
    if bool in types or kind is Kind.DATE:
        return values
    if kind.is_numeric and all(issubclass(each, (Number, Decimal)) for each in types):
        return values.astype(float)
    if not kind.is_numeric and all(issubclass(each, (str, Integral)) for each in types):
        return values.map(str, na_action="ignore").astype("str")
    return values


def with_local_moments(frame: AnyFrame, columns: Sequence[Column], zone: str) -> AnyFrame:
    """Return a frame whose moments with a time zone are those that clocks show in `zone`.

    Databases other than PostgreSQL and DuckDB keep theirs, which then are no days.
    """
    kinds = frame.collect_schema()
    dates = [column.name for column in columns if column.kind is Kind.DATE]
    aware = [name for name in dates if getattr(kinds[name], "time_zone", None)]
    if not aware:
        return frame
    native = nw.to_native(frame)
    if frame.implementation.is_ibis():
        return _with_local_ibis_moments(native, aware, zone)
    if frame.implementation.is_spark_like():
        from pyspark.sql import functions as sf

        local = {name: sf.convert_timezone(None, sf.lit(zone), sf.col(name)) for name in aware}
        result: AnyFrame = nw.from_native(native.withColumns(local))
        return result
    return frame.with_columns(nw.col(*aware).dt.convert_time_zone(zone).dt.replace_time_zone(None))


def _with_local_ibis_moments(native: Any, aware: Sequence[str], zone: str) -> AnyFrame:
    import ibis

    if native.get_backend().name in ("postgres", "duckdb"):
        signature = ((str, "timestamp('UTC')"), "timestamp")
        timezone = ibis.udf.scalar.builtin(_timezone, name="timezone", signature=signature)
        native = native.mutate(**{name: timezone(zone, native[name]) for name in aware})
    result: AnyFrame = nw.from_native(native)
    return result


def _timezone(zone: Any, moment: Any) -> Any:
    """Stand for the database's function of that name."""
