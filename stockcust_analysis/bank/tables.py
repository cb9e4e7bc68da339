"""Tables that exist already (frames, a database, Spark), told in the contract's words and types."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary

import narwhals.stable.v2 as nw

from stockcust_analysis.bank import checks, table_checks
from stockcust_analysis.bank.bank import Bank, InputTable
from stockcust_analysis.bank.casts import Narwhal, fitting, without_objects
from stockcust_analysis.bank.contract import TABLES, Table
from stockcust_analysis.bank.mapping import Mapping, TableMapping, contract_names
from stockcust_analysis.bank.problems import Problem, raise_if_any
from stockcust_analysis.core.engines import Engine, Frame


def bank_of(
    given: Dictionary[str, Frame], words: Mapping, engine: Engine, *, place: str, name: str
) -> Bank:
    """Return the bank whose tables are those given, by the contract's names.

    `place` says in errors and manifests where the tables are; it never holds a password.
    """
    problems = checks.missing_tables(given, given)
    tables: dict[str, Narwhal] = {}
    rows: dict[str, int] = {}
    for contract in (c for c in TABLES if c.name in given):
        mapping = words.of(contract.name)
        frame, found = _in_contract_words(given[contract.name], contract, mapping)
        problems += found
        if frame is None:
            continue
        fitted, found = _types(frame, contract, mapping)
        rows[contract.name], wrong = table_checks.cells(frame, contract, fitted)
        problems += found + wrong
        if not found:
            tables[contract.name] = frame.with_columns(**fitted)
            problems += table_checks.keys(tables[contract.name], contract)
    problems += table_checks.between_tables(tables)
    raise_if_any(problems, place)
    return Bank(
        {entry: frame.to_native() for entry, frame in tables.items()},
        engine,
        name=words.name or name,
        inputs=[InputTable(entry, place, count) for entry, count in rows.items()],
    )


def _in_contract_words(
    given: Frame, contract: Table, mapping: TableMapping
) -> tuple[Narwhal | None, list[Problem]]:
    """Return a table's columns that the contract knows; None when a header is doubtful."""
    frame = nw.from_native(given)
    present = frame.collect_schema().names()
    problems, (found,) = checks.headers(contract, [present], contract_names(mapping, contract))
    if problems:
        return None, problems
    columns = {name: contract.column(name) for name in contract.column_names if name in found}
    renamed = frame.select(*(nw.col(found[name]).alias(name) for name in columns))
    return without_objects(renamed, columns), []


def _types(
    frame: Narwhal, contract: Table, mapping: TableMapping
) -> tuple[dict[str, nw.Expr], list[Problem]]:
    """Return each column in the contract's type, and the columns whose type cannot hold it."""
    has_dates = not frame.implementation.is_pandas_like()
    fitted: dict[str, nw.Expr] = {}
    problems = []
    for name, kind in frame.collect_schema().items():
        column, codes = contract.column(name), mapping.codes.get(name, {})
        expression = fitting(column, kind, codes, has_dates=has_dates)
        if expression is not None:
            fitted[name] = expression
            continue
        wanted = column.kind.value
        what = f"the column's type is {kind}, which does not hold a {wanted}"
        remedy = f"Convert it to a {wanted} in the source, or in a view of it."
        problems.append(Problem(contract.name, name, what, remedy))
    return fitted, problems
