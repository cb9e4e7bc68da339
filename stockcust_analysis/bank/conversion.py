"""How delivered cells are read as the contract's types: SQL on DuckDB, Narwhals elsewhere.

Both give the value, NULL where a cell cannot be read as such, and conditions that say why. Text is
trimmed, empty text is nothing, and the bank's codes are translated. Files hold text for
everything, so dates and numbers are understood in the forms banks write them; other engines have
types of their own, and a date written as text is not guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import zip_longest
from numbers import Integral, Number
from types import NoneType
from typing import Any, Generic, TypeVar

import narwhals.stable.v2 as nw
from numpy import ndarray

from stockcust_analysis.bank import grammar
from stockcust_analysis.bank.contract import Column, Kind
from stockcust_analysis.bank.mapping import TableMapping
from stockcust_analysis.core.engines import literal, quoted
from stockcust_analysis.core.frames import AnyFrame

TEXTS = (Kind.TEXT, Kind.CODE)
_NUMBER_AS_TEXT, _TOO_LARGE, _WITHOUT_CENTS = "number_as_text", "too_large", "without_cents"
_EXACT = 1 << 17
"""From here on numbers of 32 bits lie further apart than a cent."""
SQL_TYPES = {
    **dict.fromkeys((Kind.TEXT, Kind.CODE, Kind.QUARTER), "VARCHAR"),
    Kind.DATE: "DATE",
    Kind.MONEY: "DECIMAL(18,2)",
    Kind.INTEGER: "BIGINT",
    Kind.FLAG: "BOOLEAN",
    Kind.NUMBER: "DOUBLE",
}
"""The types of DuckDB that hold columns of each kind."""
INT96 = "INT96"
"""The type of a Parquet column of moments in the old form, which DuckDB shows as TIMESTAMP."""
_SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_FLOATS = ("DOUBLE", "FLOAT")
_INTEGERS = (*_SIGNED, *(f"U{name}" for name in _SIGNED))
_NOT_TEXT = ("STRUCT", "MAP", "UNION", "BOOLEAN", "DATE", "TIME", "INTERVAL", "BIT", INT96)
_PLAIN = (
    "url_encode({0}) = {0} AND NOT (contains({1}, '_x000') OR suffix({1}, 'otal') "
    "OR suffix({1}, 'OTAL'))"
)
_TOTAL = "(?:otal|OTAL)[^0-9A-Za-z]*$"
# Text is plain when it is visible ASCII but +, = and @: it needs no trimming and hides nothing.
_NOT_PLAIN = f"^'|:$|[^!-*,-<>?A-~]|[?][?]|{grammar.ESCAPED}|{grammar.HIDDEN}|{_TOTAL}"
# Lists come as text of JSON and of PostgreSQL, too.
_LIST_MARKS = r"^[\[{]|[\]}]$|[\"']"
_NESTED = r"^\s*[\[{](?:.*[,;，；、|])?\s*[\[{]"
_SLASH = r"[a-z一-鿿][/:\\][a-z一-鿿]"
_OF_LISTS = {"nested_list": _NESTED, "not_parted": _SLASH}
# \x02 stands between the entries of Hive's arrays.
_SEPARATOR = f"[{grammar.BLANKS}]*[;；,，、|\x02][;；,，、|\x02{grammar.BLANKS}]*"
_SUMS = ("sum", "average", "trailer", "eof")
_TOTALS = tuple(form(word) for word in _SUMS for form in (str.lower, str.title, str.upper))
"""Sums whose name is as plain as any."""
_ODD_LIST = r"[,|\[{\"'/:\\]|;;|^;|;$"

Expression = TypeVar("Expression", str, nw.Expr)


@dataclass(frozen=True)
class Reading(Generic[Expression]):
    """How a column's cells are read.

    `faults` maps what may be wrong with a cell that has no value to the condition that it is;
    `odd` is the condition that text is not plain and wants a closer look. `steps` are names of SQL
    → what they stand for, each built on those before: see `with_steps`.
    """

    value: Expression
    faults: Mapping[str, Expression] = field(default_factory=dict)
    odd: Expression | None = None
    steps: Mapping[str, str] = field(default_factory=dict)


def with_readings(values: Mapping[str, Reading[Any]]) -> dict[str, Any]:
    """Return the columns of a table's readings, by name."""
    columns = {name: reading.value for name, reading in values.items()}
    for name, reading in values.items():
        columns |= {f"{name}|{what}": fault for what, fault in reading.faults.items()}
        if reading.odd is not None:
            columns[f"{name}|"] = reading.odd
    return columns


def with_steps(source: str, readings: Iterable[Reading[str]]) -> str:
    """Return the SQL of a source with the steps of readings, each computed once.

    Written out where they are asked for they would fill a hundred thousand characters.
    """
    for level in zip_longest(*(reading.steps.items() for reading in readings)):
        computed = ", ".join(f"{sql} AS {name}" for name, sql in filter(None, level))
        source = f"(SELECT *, {computed} FROM {source})"
    return source


def sql_reading(
    column: Column, cell: str, source_type: str, mapping: TableMapping, *, trimmed: bool, zone: str
) -> Reading[str]:
    """Return the SQL that reads a column of a file or a DuckDB table.

    `cell` is SQL, `source_type` the type it comes in, `zone` where moments with a time zone become
    days. Only where `trimmed` are cells read by the whole grammar, without blanks around them: that
    costs several times as much as the plain form.
    """
    if source_type == "BLOB":
        text = f"TRY(decode({cell}))"
        reading = sql_reading(column, text, "VARCHAR", mapping, trimmed=trimmed, zone=zone)
        lost = {"not_utf8": f"({cell} IS NOT NULL AND {text} IS NULL)"}
        return replace(reading, faults={**reading.faults, **lost})
    if column.kind in TEXTS:
        return _sql_text(column, cell, source_type, mapping, trimmed=trimmed)
    if mapping.null:
        cell = _sql_given(cell, source_type, mapping)
    factor = _factor(column, mapping)
    is_number = source_type in (*_INTEGERS, *_FLOATS) or source_type.startswith("DECIMAL")
    if column.kind.is_numeric and is_number:
        return _sql_number(column, cell, source_type, factor)
    if column.kind is Kind.DATE and source_type == "DATE":
        return _sql_day(cell, trimmed=trimmed)
    if column.kind is Kind.DATE and source_type.startswith(("TIMESTAMP", INT96)):
        return _sql_moment(cell, source_type, zone, trimmed=trimmed)
    if column.kind is Kind.FLAG and source_type == "BOOLEAN":
        return Reading(cell)
    text = cell if source_type == "VARCHAR" else f"{cell}::VARCHAR"
    if not trimmed:
        value = grammar.plain_value(column.kind, text, factor)
        for day in mapping.null_days if column.kind is Kind.DATE else ():
            value = f"nullif({value}, DATE '{day.date()}')"
        return Reading(value, odd=f"({text} IS NOT NULL AND {value} IS NULL)")
    names = [quoted(f"{column.name}|{step}") for step in ("text", "given", "value", "fault")]
    text = grammar.clean(text, grammar.null_marks(column.kind, mapping.null))
    days = mapping.date_order, mapping.null_days
    steps, known = grammar.whole_value(column.kind, names, factor, *days)
    faults = {what: f"{names[-1]} = '{what}'" for what in known}
    return Reading(names[2], faults, steps=dict(zip(names, [text, *steps], strict=True)))


def _sql_given(cell: str, source_type: str, mapping: TableMapping) -> str:
    """Return the SQL of a cell without the bank's own null marks, which may be numbers and days."""
    if source_type == "VARCHAR":
        return f"(CASE WHEN NOT {grammar.is_one_of(f'trim({cell})', mapping.null)} THEN {cell} END)"
    values: list[object] = []
    if source_type in (*_INTEGERS, *_FLOATS) or source_type.startswith("DECIMAL"):
        values += _numbers_of(mapping.null)
    elif source_type in ("DATE", INT96) or re.fullmatch("TIMESTAMP(_M?[NS]S?)?", source_type):
        values += [f"TIMESTAMP '{day}'" for day in mapping.null_days]
    unequal = " AND ".join(f"{cell} <> {value}" for value in values)
    return f"(CASE WHEN {unequal} THEN {cell} END)" if unequal else cell


def _frame_given(cell: nw.Expr, kind: nw.dtypes.DType, mapping: TableMapping) -> nw.Expr:
    """Return a cell of a frame as `_sql_given` does."""
    days = mapping.null_days if isinstance(kind, (nw.Date, nw.Datetime)) else []
    for value in _numbers_of(mapping.null) if kind.is_numeric() else days:
        cell = nw.when(cell != value).then(cell)
    return cell


def _numbers_of(marks: Sequence[str]) -> list[int | float]:
    """Return the null marks that are numbers."""
    numbers = [mark for mark in marks if re.fullmatch(r"-?\d+(\.\d+)?", mark)]
    return [float(number) if "." in number else int(number) for number in numbers]


def _factor(column: Column, mapping: TableMapping) -> int:
    return mapping.factor if column.kind is Kind.MONEY else 1


def _sql_moment(cell: str, source_type: str, zone: str, *, trimmed: bool) -> Reading[str]:
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
    reading = _sql_day(day, trimmed=trimmed)
    return replace(reading, faults={**reading.faults, grammar.NOT_MIDNIGHT: f"{local} <> {day}"})


def _sql_text(
    column: Column, cell: str, source_type: str, mapping: TableMapping, *, trimmed: bool
) -> Reading[str]:
    codes = mapping.codes.get(column.name, {})
    marks = grammar.null_marks(column.kind, mapping.null, codes)
    faults, steps, text = {}, {}, cell if source_type == "VARCHAR" else f"{cell}::VARCHAR"
    if source_type == "VARCHAR[]" and column.separated:
        text = f"array_to_string({cell}, ';')"
    elif source_type.startswith(_NOT_TEXT) or source_type.endswith("]"):
        return Reading("NULL::VARCHAR", {"no_text": f"{cell} IS NOT NULL"})
    if source_type in _FLOATS or re.fullmatch(r"DECIMAL\(.*,[1-9]\d*\)", source_type):
        is_whole = f"{cell} = floor({cell}) AND abs({cell}) < 1e15"
        text = f"(CASE WHEN {is_whole} THEN {cell}::BIGINT::VARCHAR END)"
        faults = {_NUMBER_AS_TEXT: f"({cell} IS NOT NULL AND {text} IS NULL)"}
    given = text
    if not trimmed and source_type == "VARCHAR":  # the commonest marks need no closer look
        for mark in sorted({"", *column.allowed} & {*marks}):
            text = f"nullif({text}, {literal(mark)})"
        marks = [mark for mark in marks if mark]
    if trimmed:
        steps = {quoted(f"{column.name}|text"): grammar.clean(text, marks)}
        (text,) = steps
        if column.separated:
            faults |= {w: f"regexp_matches({text}, {literal(m)})" for w, m in _OF_LISTS.items()}
            text = f"regexp_replace({text}, {literal(_LIST_MARKS)}, '', 'g')"
            text = f"nullif(trim(regexp_replace({text}, '{_SEPARATOR}', ';', 'g'), ';'), '')"
    cases = " ".join(f"WHEN {literal(c)} THEN nullif({literal(w)}, '')" for c, w in codes.items())
    value = f"(CASE {text} {cases} ELSE {text} END)" if codes else text
    if trimmed or source_type in _INTEGERS or faults:
        return Reading(value, faults, steps=steps)
    if column.allowed:
        return Reading(value, odd=f"NOT {grammar.is_one_of(value, column.allowed)}")
    # Letters, digits and -_.~ are what a URL leaves as it is; a regular expression is dearer.
    plain = _PLAIN.format(f"replace({given}, ';', '~')" if column.separated else given, given)
    unusual = f"{_NOT_PLAIN}|{_ODD_LIST}" if column.separated else _NOT_PLAIN
    if column.separated:
        plain += f" AND NOT contains(';' || {given} || ';', ';;')"
    is_mark = grammar.is_one_of(given, (*marks, *_TOTALS))
    is_short = f"strlen({given}) <= {max(map(len, (*marks, *_TOTALS)))}"
    closer = f"regexp_matches({given}, {literal(unusual)})"
    cases = f"WHEN {is_short} AND {is_mark} THEN true WHEN {plain} THEN false ELSE {closer}"
    return Reading(value, odd=f"(CASE {cases} END)")


def _sql_number(column: Column, cell: str, source_type: str, factor: int) -> Reading[str]:
    wanted, faults = SQL_TYPES[column.kind], {}
    if source_type in _FLOATS:
        faults = {grammar.NOT_FINITE: f"NOT isfinite({cell})"}
    if source_type == "FLOAT" and column.kind is Kind.MONEY:
        faults[_WITHOUT_CENTS] = f"(isfinite({cell}) AND abs({cell}) >= {_EXACT})"
    if source_type == wanted and factor == 1:
        return Reading(cell, faults)
    double = f"TRY_CAST({cell} AS DOUBLE)"
    number = cell if factor == 1 else f"{cell} * {factor}"
    whole = f" AND {double} = floor({double})" if column.kind is Kind.INTEGER else ""
    value = f"(CASE WHEN isfinite({double}){whole} THEN TRY_CAST({number} AS {wanted}) END)"
    if source_type in _INTEGERS:
        value = f"TRY_CAST({number} AS {wanted})"
    known = "".join(f" AND NOT ({fault})" for fault in faults.values())
    faults[column.kind.unreadable] = f"{cell} IS NOT NULL AND {value} IS NULL{known}"
    return Reading(value, faults)


def _sql_day(cell: str, *, trimmed: bool) -> Reading[str]:
    """Return the SQL of a day that lies within the span; a sentinel stands for no day."""
    outside = f"({cell} < DATE '{grammar.FIRST_DAY}' OR {cell} > DATE '{grammar.LAST_DAY}')"
    if not trimmed:
        return Reading(cell, odd=outside)
    absent = ", ".join(f"DATE '{day}'" for day in (*grammar.SENTINELS, "infinity"))
    wrong = f"({outside} AND {cell} NOT IN ({absent}))"
    return Reading(f"(CASE WHEN NOT {outside} THEN {cell} END)", {grammar.OUT_OF_SPAN: wrong})


def frame_reading(
    column: Column, kind: nw.dtypes.DType, mapping: TableMapping, *, trimmed: bool, has_dates: bool
) -> Reading[nw.Expr] | None:
    """Return how a column of a frame or database is read; None when its type cannot hold it.

    `kind` is the type it comes in. pandas has no type for dates: there they stay moments.
    """
    cell, codes = nw.col(column.name), mapping.codes.get(column.name, {})
    if mapping.null and column.kind not in TEXTS:
        cell = _frame_given(cell, kind, mapping)
    if column.kind is Kind.DATE:
        return _frame_date(cell, kind, has_dates=has_dates)
    if column.kind.is_numeric:
        factor = _factor(column, mapping)
        number = cell if factor == 1 else cell * nw.lit(factor)
        return _frame_number(column, number, kind) if kind.is_numeric() else None
    if column.kind is Kind.FLAG:
        return _frame_flag(column, cell, kind, mapping.null)
    if kind.is_integer():
        return Reading(_translate(cell.cast(nw.String), codes))
    if kind.is_float():  # whole numbers with gaps, to pandas
        is_whole = (cell == cell.floor()) & (cell.abs() < 1e15)
        number = nw.when(is_whole).then(cell).otherwise(nw.lit(0)).cast(nw.Int64)
        digits = nw.when(is_whole).then(number.cast(nw.String))
        return Reading(_translate(digits, codes), {_NUMBER_AS_TEXT: ~is_whole & ~cell.is_null()})
    if isinstance(kind, (nw.Categorical, nw.Enum)):
        cell = cell.cast(nw.String)
    elif kind != nw.String:
        return None
    absent = grammar.null_marks(column.kind, mapping.null, codes)
    text = _frame_text(cell, column)
    text = nw.when(~text.is_in(absent)).then(text)
    if codes:
        return Reading(_translate(text, codes))
    value = text if trimmed else cell
    there = ~value.is_null()
    unusual = f"{_NOT_PLAIN}|{_ODD_LIST}" if column.separated else _NOT_PLAIN
    # Most text is bare, which is seen for less; pandas would look for both.
    closer = value.str.contains(f"[^0-9A-Za-z.-]|{_TOTAL}") if has_dates else there
    is_odd = ((closer & value.str.contains(unusual)) | value.is_in((*absent, *_TOTALS))) & there
    odd = None if trimmed or column.kind is Kind.CODE else is_odd
    wrong = ~value.str.contains(f"^{grammar.QUARTER}$") & there
    faults = {column.kind.unreadable: wrong} if column.kind is Kind.QUARTER else {}
    if trimmed and column.separated:
        faults |= {what: cell.str.contains(mark) & there for what, mark in _OF_LISTS.items()}
    return Reading(value, faults, odd)


def _frame_date(
    cell: nw.Expr, kind: nw.dtypes.DType, *, has_dates: bool
) -> Reading[nw.Expr] | None:
    """Return how days, and moments without a time zone that are midnights, are read as days are.

    `_sql_day` does it for files.
    """
    if not isinstance(kind, (nw.Date, nw.Datetime)) or getattr(kind, "time_zone", None):
        return None
    day = cell.cast(nw.Date if has_dates else nw.Datetime("us"))
    read = date.fromisoformat if has_dates else datetime.fromisoformat
    first, last, *absent = map(read, (grammar.FIRST_DAY, grammar.LAST_DAY, *grammar.SENTINELS))
    outside = (day < first) | (day > last)
    wrong = outside & ~day.is_null()
    # By their parts: PySpark takes no literal of a day before the year 1000.
    year, number = day.dt.year(), day.dt.ordinal_day()
    for none in absent:
        wrong &= (year != none.year) | (number != none.timetuple().tm_yday)
    faults = {grammar.OUT_OF_SPAN: wrong}
    if kind != nw.Date:
        faults[grammar.NOT_MIDNIGHT] = (cell != cell.dt.truncate("1d")) & ~cell.is_null()
    return Reading(nw.when(~outside).then(day), faults)


def _frame_text(cell: nw.Expr, column: Column) -> nw.Expr:
    """Return text as `grammar.clean` does."""
    blanks = f"[{grammar.BLANKS}]"
    text = cell.str.replace_all(f"[{grammar.INVISIBLE}]", "")
    text = text.str.replace_all(f"^{blanks}+|{blanks}+$", "")
    bare = text.str.replace_all('^="|"$', "")
    text = nw.when(text.str.contains('^=".*"$')).then(bare).otherwise(text)
    bare = text.str.replace_all("^'", "")
    text = nw.when(text.str.contains(r"^'\d[^']*$")).then(bare).otherwise(text)
    if column.separated:
        text = text.str.replace_all(_LIST_MARKS, "").str.replace_all(_SEPARATOR, ";")
        text = text.str.replace_all("^;|;$", "")
    return text


def _frame_number(column: Column, cell: nw.Expr, kind: nw.dtypes.DType) -> Reading[nw.Expr]:
    faults = {}
    if column.kind is Kind.MONEY:
        faults[_TOO_LARGE] = (cell.abs() >= 10**16) & ~cell.is_null()
    if kind.is_integer():
        return Reading(cell, faults)
    # To pandas an empty cell differs from itself, and is not finite.
    number, there = cell.cast(nw.Float64), ~cell.is_null()
    faults = {grammar.NOT_FINITE: ~number.is_finite() & there, **faults}
    if column.kind is Kind.MONEY:
        faults[_TOO_LARGE] &= number.is_finite()
        if kind == nw.Float32:
            faults[_WITHOUT_CENTS] = (cell.abs() >= _EXACT) & number.is_finite() & there
    if column.kind is Kind.INTEGER:
        faults[column.kind.unreadable] = (number != number.floor()) & number.is_finite() & there
    return Reading(cell, faults)


def _frame_flag(
    column: Column, cell: nw.Expr, kind: nw.dtypes.DType, null: Sequence[str]
) -> Reading[nw.Expr] | None:
    if kind == nw.Boolean:
        return Reading(cell)
    there = ~cell.is_null()
    if kind.is_numeric():
        true, false = cell == 1, cell == 0
    elif kind == nw.String:
        text = _frame_text(cell, column)
        there = there & ~text.is_in(grammar.null_marks(column.kind, null))
        word = text.str.to_lowercase()
        true, false = (word.is_in(words) for words in (grammar.TRUE_WORDS, grammar.FALSE_WORDS))
    else:
        return None
    value = nw.when(true).then(True).otherwise(nw.when(false).then(False))
    return Reading(value, {column.kind.unreadable: value.is_null() & there})


def _translate(text: nw.Expr, codes: Mapping[str, str]) -> nw.Expr:
    """Return the text with the bank's codes in the contract's words, none for ""; others stay."""
    words = (nw.when(text == code).then(nw.lit(word)) for code, word in codes.items())
    named = nw.coalesce(*words, text) if codes else text
    return nw.when(named != "").then(named) if "" in codes.values() else named


def with_plain_types(frame: AnyFrame, columns: Sequence[Column]) -> AnyFrame:
    """Return a pandas or Polars frame without columns of objects, of gaps alone and of lists.

    They get the types of the contract. pandas has dates, Decimals, and text and flags with gaps as
    objects: all are looked at, for hundreds of gaps may come first.
    """
    native = nw.to_native(frame)
    if frame.implementation.is_polars():
        import polars as pl

        found, lists = native.collect_schema(), [pl.List(pl.String), pl.List(pl.Null)]
        types: dict[Kind, Any] = {Kind.DATE: pl.Date, Kind.FLAG: pl.Boolean}
        unlike = [c.name for c in columns if found[c.name] == pl.String and c.kind not in TEXTS]
        empty = native.lazy().select(pl.col(unlike).is_null().all()).collect()
        typed = [
            pl.col(c.name).cast(types.get(c.kind, pl.Float64 if c.kind.is_numeric else pl.String))
            for c in columns
            if found[c.name] == pl.Null or (c.name in unlike and empty[c.name][0])
        ]
        texts = [c.name for c in columns if c.separated and found[c.name] in lists]
        typed += [pl.col(name).cast(lists[0]).list.join(";") for name in texts]
        return nw.from_native(native.with_columns(*typed)) if typed else frame
    if not frame.implementation.is_pandas_like():
        return frame
    kinds = {column: str(native[column.name].dtype) for column in columns}
    gaps = [column for column in columns if native[column.name].isna().all()]
    odd = [c for c, kind in kinds.items() if c in gaps or re.match("object$|null|list", kind)]
    converted = {column.name: _without_objects(native[column.name], column) for column in odd}
    for column, kind in kinds.items():  # pandas joins no days of Arrow with others
        if re.fullmatch(r"(date\d\d|timestamp)\[\w+\]\[pyarrow\]", kind):
            converted[column.name] = native[column.name].astype("datetime64[us]")
    return nw.from_native(native.assign(**converted)) if converted else frame


def _without_objects(values: Any, column: Column) -> Any:
    """Return a pandas column of objects as the contract's; as it is where some are of another."""
    kind, there = column.kind, values[values.notna()]
    values = values.astype(object).where(values.notna(), None)
    types = {*map(type, there)}
    if column.separated and types and types <= {list, tuple, ndarray}:
        texts = {type(text) for entry in there for text in entry}
        if not all(issubclass(each, (str, NoneType)) for each in texts):
            return values
        return values.map(lambda e: ";".join(filter(None, e)), na_action="ignore").astype("str")
    if kind is Kind.FLAG:
        return values.convert_dtypes() if types else values.astype("boolean")
    if kind is Kind.DATE and all(issubclass(each, date) for each in types):
        zones = {getattr(moment, "tzinfo", None) is not None for moment in there}
        if zones == {True}:
            moments = values.map(lambda moment: moment.astimezone(UTC), na_action="ignore")
            return moments.astype("datetime64[us, UTC]")
        return values if True in zones else values.astype("datetime64[us]")
    if bool in types or kind is Kind.DATE:
        return values
    if kind.is_numeric and all(issubclass(each, (Number, Decimal)) for each in types):
        return values.astype(float)
    if not kind.is_numeric and all(issubclass(each, (str, Integral)) for each in types):
        return values.map(str, na_action="ignore").astype("str")
    return values
