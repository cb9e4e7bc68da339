"""In and out of Narwhals, money and dates inside it, and the measure frame.

Inside, money is whole cents (Int64) in columns that end in `_cents`, and what is counted is a
column of 0 and 1: sums of integers are the same on every engine and in every run. Outside, money
is CNY.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import isnan
from typing import Any, TypeAlias

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.engines import ONE as ONE
from stockcust_analysis.bank.engines import ZERO as ZERO
from stockcust_analysis.bank.engines import Frame as Frame
from stockcust_analysis.bank.engines import collected as collected
from stockcust_analysis.bank.engines import flag as flag
from stockcust_analysis.errors import UsageError

Groups: TypeAlias = str | Sequence[str] | None

WHOLE = "whole_bank"


@dataclass(frozen=True)
class Ratio:
    """One measure: which sum of a group is divided by which, and any further labels of its row.

    Sums whose names end in `_cents` are told in CNY. Without a denominator the measure is a plain
    total. Every group also has the sum `customers`, which becomes `n`.
    """

    measure: str
    numerator: str
    denominator: str | None = "customers"
    labels: tuple[tuple[str, str | int], ...] = ()


def lazily(frame: Frame) -> nw.LazyFrame[Any]:
    """Return any engine's table as a Narwhals LazyFrame."""
    try:
        table = nw.from_native(frame)
    except TypeError:
        raise UsageError(f"expected a table, given {type(frame).__name__}.") from None
    lazy = _with_numpy_types(table).lazy() if isinstance(table, nw.DataFrame) else table
    if not lazy.implementation.is_polars():
        return lazy
    # Two tables may know different categories of one column; only text compares everywhere.
    kinds = lazy.collect_schema().items()
    labels = [name for name, kind in kinds if isinstance(kind, (nw.Categorical, nw.Enum))]
    return lazy.with_columns(nw.col(*labels).cast(nw.String)) if labels else lazy


def _with_numpy_types(table: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Return a pandas table without columns of Arrow types, whose casts refuse large numbers.

    Categories become what they stand for: text or numbers.
    """
    if not table.implementation.is_pandas_like():
        return table
    native, kinds = table.to_native(), table.schema
    plain: dict[str, Any] = {}
    for name, kind in kinds.items():
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


def like(given: Frame, made: nw.LazyFrame[Any]) -> Frame:
    """Return a table made from `given` in the kind `given` was: lazy stays lazy."""
    eager = isinstance(nw.from_native(given), nw.DataFrame)
    return made.collect().to_native() if eager else made.to_native()


def group_names(by: Groups) -> list[str]:
    """Return the names to group by as a list; None means the whole bank."""
    if by is None:
        return []
    return [by] if isinstance(by, str) else list(by)


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


def day(frame: nw.LazyFrame[Any], name: str) -> nw.Expr:
    """Return a column of dates ready to compare; pandas keeps plain dates as objects."""
    kind = frame.collect_schema()[name]
    if kind == nw.String:
        raise UsageError(f"column '{name}' holds text, not dates. Read it as dates first.")
    return nw.col(name).cast(nw.Datetime("us")) if kind == nw.Object else nw.col(name)


def after(days: nw.Expr, border: date) -> nw.Expr:
    """Return whether a day, whatever its hour, is later than `border`; an empty one is not."""
    next_day = datetime(border.year, border.month, border.day) + timedelta(days=1)
    return (days >= nw.lit(next_day)).fill_null(False)


def keyed(frame: nw.LazyFrame[Any], by: list[str]) -> tuple[nw.LazyFrame[Any], list[str]]:
    """Return the frame and the keys to group by: one constant key for the whole bank."""
    return (frame, by) if by else (frame.with_columns(ONE.alias(WHOLE)), [WHOLE])


def sums(
    frame: nw.LazyFrame[Any], by: list[str], columns: Mapping[str, nw.Expr]
) -> nw.LazyFrame[Any]:
    """Return the Int64 sums of whole-number expressions per group, with the group's labels.

    The expressions become columns first: inside `agg` pandas takes a path a hundred times slower.
    There they are copied, too: a copy lays columns side by side that were each made alone.
    """
    table, keys = keyed(frame, by)
    asked = table.select(*keys, **columns)
    if asked.implementation.is_pandas_like():
        asked = lazily(asked.to_native().copy())
    totals = asked.group_by(*keys).agg(nw.col(*columns).sum())
    return totals.select(*by, *(nw.col(name).cast(nw.Int64) for name in columns))


def table_of(columns: Mapping[str, list[Any]], given: Frame) -> Frame:
    """Return lists as a table of the kind of `given` when that was eager, else of pandas."""
    table = nw.from_native(given)
    backend = table.implementation if isinstance(table, nw.DataFrame) else nw.Implementation.PANDAS
    return _typed(nw.from_dict(dict(columns), backend=backend)).to_native()


def _typed(table: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """Give numbers their type, which a column of empty cells or of no rows does not show."""
    whole = {"n", "holders_a", "holders_b", "both"}
    floats = {"numerator", "denominator", "value", "conditional_rate", "lift"}
    floats |= {"rate_low", "rate_high", "lift_low", "lift_high"}
    return table.with_columns(
        nw.col(name).cast(nw.Int64 if name in whole else nw.Float64)
        for name in table.columns
        if name in whole | floats
    )


def measure_frame(
    totals: nw.LazyFrame[Any], ratios: Sequence[Ratio], *, by: list[str], base: str, given: Frame
) -> Frame:
    """Return the measure frame: one row per group and ratio, sorted by group and measure.

    Columns: `[*by], measure, [labels], base, n, numerator, denominator, value`. A ratio without
    anything to divide by has an empty value.
    """
    return measures_of(collected(totals), ratios, by=by, base=base, given=given)


def measures_of(
    groups: Mapping[str, list[Any]], ratios: Sequence[Ratio], *, by: list[str], base: str,
    given: Frame,
) -> Frame:  # fmt: skip
    """Return the measure frame of sums that are already collected."""
    size = len(next(iter(groups.values())))
    order = sorted(range(size), key=lambda row: [groups[name][row] for name in by])
    rows = [
        _row(groups, row, ratio, by, base)
        for row in order
        for ratio in sorted(ratios, key=lambda one: one.measure)
    ]
    labels = [name for name, _ in ratios[0].labels]
    names = [*by, "measure", *labels, "base", "n", "numerator", "denominator", "value"]
    return table_of({name: [row[name] for row in rows] for name in names}, given)


def _row(
    groups: Mapping[str, list[Any]], row: int, ratio: Ratio, by: list[str], base: str
) -> dict[str, Any]:
    """Return one row of the measure frame."""
    numerator = _told(groups, row, ratio.numerator)
    denominator = 1.0 if ratio.denominator is None else _told(groups, row, ratio.denominator)
    return {
        **{name: groups[name][row] for name in by},
        "measure": ratio.measure,
        **dict(ratio.labels),
        "base": base,
        "n": groups["customers"][row],
        "numerator": numerator,
        "denominator": denominator,
        "value": numerator / denominator if numerator is not None and denominator else None,
    }


def _told(groups: Mapping[str, list[Any]], row: int, name: str) -> float | None:
    """Return a group's sum as it is told outside: cents as CNY, an undefined one as None."""
    amount = groups[name][row]
    if amount is None or isnan(amount):
        return None
    return amount / 100 if name.endswith("_cents") else float(amount)
