"""Columns of frames and databases in the contract's words and types, as Narwhals expressions.

The same rules as for files where they make sense: text is trimmed and empty text is nothing, codes
are translated, a flag may be written as 1 or 是. A date written as text is not guessed at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.casting import FALSE_WORDS, TRUE_WORDS
from stockcust_analysis.bank.contract import Column, Kind

Narwhal: TypeAlias = nw.DataFrame[Any] | nw.LazyFrame[Any]

_NUMERIC = (Kind.MONEY, Kind.INTEGER, Kind.NUMBER)


def fitting(
    column: Column, kind: nw.dtypes.DType, codes: Mapping[str, str], *, has_dates: bool
) -> nw.Expr | None:
    """Return the column in the contract's type; None when its type cannot hold such values.

    `kind` is the type it comes in. pandas has no type for dates: there they stay moments.
    """
    cell = nw.col(column.name)
    if column.kind is Kind.DATE:
        moment = isinstance(kind, nw.Datetime)
        dated = cell.cast(nw.Date) if moment and has_dates else cell
        return dated if moment or kind == nw.Date else None
    if column.kind in _NUMERIC:
        return cell if kind.is_numeric() else None
    if column.kind is Kind.FLAG:
        return _flag(cell, kind)
    if kind.is_integer():
        return _translated(cell.cast(nw.String), codes)
    if isinstance(kind, (nw.Categorical, nw.Enum)):
        cell = cell.cast(nw.String)
    elif kind != nw.String:
        return None
    text = cell.str.strip_chars()
    return _translated(nw.when(text != "").then(text), codes)


def without_objects(frame: Narwhal, columns: Mapping[str, Column]) -> Narwhal:
    """Return a pandas frame whose columns of objects have the types of the contract.

    Dates, Decimals and flags with gaps come as objects; other engines have none.
    """
    kinds = frame.collect_schema()
    objects = [name for name in columns if kinds[name] == nw.Object]
    if not objects or not frame.implementation.is_pandas_like():
        return frame
    native = nw.to_native(frame)
    put_right: dict[str, Any] = {}
    for name in objects:
        kind = columns[name].kind
        if kind is Kind.FLAG:
            put_right[name] = native[name].convert_dtypes()
        elif kind is Kind.DATE:
            put_right[name] = native[name].astype("datetime64[us]")
        elif kind in _NUMERIC:
            put_right[name] = native[name].astype(float)
    told: Narwhal = nw.from_native(native.assign(**put_right))
    return told


def _flag(cell: nw.Expr, kind: nw.dtypes.DType) -> nw.Expr | None:
    if kind == nw.Boolean:
        return cell
    if kind.is_numeric():
        return nw.when(cell == 1).then(True).otherwise(nw.when(cell == 0).then(False))
    if kind != nw.String:
        return None
    word = cell.str.strip_chars().str.to_lowercase()
    negated = nw.when(word.is_in(FALSE_WORDS)).then(False)
    return nw.when(word.is_in(TRUE_WORDS)).then(True).otherwise(negated)


def _translated(text: nw.Expr, codes: Mapping[str, str]) -> nw.Expr:
    """Return the text with the bank's codes in the contract's words; others stay."""
    if not codes:
        return text
    return nw.coalesce(
        *(nw.when(text == code).then(nw.lit(word)) for code, word in codes.items()), text
    )
