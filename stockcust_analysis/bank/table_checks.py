"""The checks of tables that exist already, as Narwhals expressions.

They are those of `checks` as far as typed tables can break them, counted where the data are: only
counts and the as-of dates come home. Rows have no numbers there, so none is named.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import narwhals.stable.v2 as nw

from stockcust_analysis.bank import rules
from stockcust_analysis.bank.casts import Narwhal
from stockcust_analysis.bank.contract import Column, Kind, Table, table
from stockcust_analysis.bank.problems import Problem
from stockcust_analysis.core.frames import collect_rows, count_rows

_ORDERS = {">": operator.gt, "<": operator.lt}
_ROWS = "rows"


@dataclass(frozen=True)
class _Test:
    """A condition under which a row is wrong, and what to say then."""

    column: str
    wrong: nw.Expr
    what: str
    remedy: str


def cells(
    frame: Narwhal, contract: Table, fitted: Mapping[str, nw.Expr]
) -> tuple[int, list[Problem]]:
    """Return a table's number of rows and what is wrong in its cells, in one look.

    `fitted` holds its columns in the contract's types.
    """
    kinds = frame.collect_schema()
    # Databases hold no NUL, and take none in a question.
    controls = rules.CONTROLS if frame.implementation.is_ibis() else "\0" + rules.CONTROLS
    tests = [
        test
        for name, cell in fitted.items()
        for test in _tests(
            contract.column(name), cell, is_text=kinds[name] == nw.String, controls=controls
        )
    ] + [
        _Test(name, _ORDERS[order](fitted[name], fitted[other]), what, remedy)
        for name, order, other, what, remedy in rules.DATE_ORDER
        if name in fitted and other in fitted
    ]
    conditions = {f"test_{place}": test.wrong for place, test in enumerate(tests)}
    counts = count_rows(frame.lazy(), {_ROWS: nw.lit(True), **conditions})
    rows = counts.pop(_ROWS)
    problems = [
        Problem(contract.name, test.column, test.what, test.remedy, count)
        for test, count in zip(tests, counts.values(), strict=True)
        if count
    ]
    if not rows and contract.required:
        problems.append(Problem(contract.name, "", "the table has no rows", "Deliver its rows."))
    return rows, problems


def _tests(column: Column, cell: nw.Expr, *, is_text: bool, controls: str) -> list[_Test]:
    """Return what may be wrong in the cells of a column; empty cells are wrong only once."""
    tests: list[_Test] = []

    def wrong_if(condition: nw.Expr, what: str, remedy: str) -> None:
        tests.append(_Test(column.name, condition, what, remedy))

    if not column.nullable:
        wrong_if(cell.is_null(), *rules.EMPTY)
    if column.kind is Kind.TEXT:
        wrong_if(cell.str.contains(f"[{controls}]") & ~cell.is_null(), *rules.CONTROL)
        if rules.is_own_number(column):
            begins = cell.str.starts_with(rules.RESERVED_START)
            wrong_if(begins & ~cell.is_null(), *rules.RESERVED)
    if column.kind in (Kind.MONEY, Kind.NUMBER, Kind.INTEGER):
        number = cell.cast(nw.Float64)
        odd = ~number.is_finite() & ~cell.is_null()
        wrong_if(odd, "NaN or infinite", "Leave the cell empty or correct the source.")
        if column.kind is Kind.INTEGER:
            # To pandas an empty cell differs from itself.
            broken = (number != number.floor()) & ~cell.is_null()
            wrong_if(broken, "not a whole number", "Correct the value.")
    if column.kind is Kind.FLAG:
        given = nw.col(column.name)
        said = ~given.is_null()
        if is_text:
            said = said & (given.str.strip_chars() != "")
        wrong_if(cell.is_null() & said, "not a true/false", "Write it as true/false.")
    if column.allowed:
        allowed = ", ".join(column.allowed)
        remedy = f"Map the bank's codes in the mapping file. Allowed: {allowed}."
        unknown = ~cell.is_in(column.allowed) & ~cell.is_null()
        wrong_if(unknown, f"unknown {column.name}", remedy)
    if column.minimum is not None:
        what = f"less than {column.minimum}"
        wrong_if(cell < column.minimum, what, rules.mend_sign(column))
    return tests


def keys(frame: Narwhal, contract: Table) -> list[Problem]:
    """Check that no key occurs twice and that as-of dates are ends of months."""
    problems = []
    lazy = frame.lazy()
    if contract.key:
        sizes = lazy.group_by(*contract.key).agg(n=nw.len()).filter(nw.col("n") > 1)
        twice = collect_rows(sizes.select((nw.col("n") - 1).sum()))["n"][0]
        if twice:
            problems.append(rules.key_twice(contract, int(twice)))
    if "as_of" in contract.column_names:
        days = collect_rows(lazy.group_by("as_of").agg(n=nw.len()))
        told = zip(days["as_of"], days["n"], strict=True)
        odd = sum(n for day, n in told if not _ends_month(day))
        if odd:
            problems.append(Problem(contract.name, "as_of", *rules.MONTH_END, odd))
    return problems


def between_tables(tables: Mapping[str, Narwhal]) -> list[Problem]:
    """Check that references lead somewhere."""
    problems = []
    for name, frame in tables.items():
        for column in map(table(name).column, frame.collect_schema().names()):
            if column.references and column.references[0] in tables:
                reference = rules.reference_of(table(name), column)
                lost = _lost(frame, reference, tables[reference.target])
                if lost:
                    told = reference.what, reference.remedy
                    problems.append(Problem(name, column.name, *told, lost))
    return problems


def _lost(frame: Narwhal, reference: rules.Reference, target: Narwhal) -> int:
    """Return how many rows refer to nothing in the target; empty cells refer to nothing at all."""
    ours, theirs = list(reference.ours), list(reference.theirs)
    known = target.lazy().select(*theirs).unique()
    given = frame.lazy().select(*ours).filter(~nw.col(ours[-1]).is_null())
    lost = given.join(known, left_on=ours, right_on=theirs, how="anti")
    return int(collect_rows(lost.select(n=nw.len()))["n"][0])


def _ends_month(day: date | None) -> bool:
    return day is None or (day + timedelta(days=1)).day == 1
