"""The checks that extracts must pass: headers, cells, keys, references, dates.

Each check adds Problems; nothing is raised here. A message may quote a header or a code that
resembles an allowed one, never another cell: cells hold customers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import duckdb

from stockcust_analysis.bank import casting
from stockcust_analysis.bank.contract import TABLES, Column, Kind, Table, table
from stockcust_analysis.bank.files import RawFile, literal, quoted
from stockcust_analysis.bank.mapping import TableMapping
from stockcust_analysis.bank.problems import Problem
from stockcust_analysis.errors import did_you_mean

_FIRST = 3


def rows_view(table_name: str) -> str:
    """Name of the view that carries file and row numbers beside a table's columns."""
    return quoted(f"{table_name} rows")


def missing_tables(
    delivered: Collection[str], there: Iterable[str], *, holder: str = "table"
) -> list[Problem]:
    """Complain about required tables that no file or table holds, of those that are there."""
    problems = []
    for contract in TABLES:
        if contract.required and contract.name not in delivered:
            close = did_you_mean(contract.name, there)
            wanted = contract.name + (".csv, .parquet or .xlsx" if holder == "file" else "")
            remedy = f"Deliver {wanted}, or name its {holder} in the mapping.{close}"
            problems.append(Problem(contract.name, "", f"no {holder} holds this table", remedy))
    return problems


def headers(
    contract: Table, columns: Sequence[Collection[str]], names: Mapping[str, str]
) -> tuple[list[Problem], list[dict[str, str]]]:
    """Match each file's columns to the contract's; complain about missing and doubtful ones."""
    problems: dict[Problem, None] = {}
    matched = []
    for file in columns:
        found: dict[str, str] = {}
        for header in file:
            name = names.get(header)
            if name is not None and name in found:
                what = f"headers '{found[name]}' and '{header}' both mean this column"
                problems[Problem(contract.name, name, what, "Keep one.")] = None
            elif name is not None:
                found[name] = header
        spare = [header for header in file if header not in names]
        problems.update(dict.fromkeys(_absent(contract, found, spare)))
        matched.append(found)
    return list(problems), matched


def _absent(contract: Table, found: Mapping[str, str], spare: Sequence[str]) -> list[Problem]:
    absent = [column for column in contract.columns if column.name not in found]
    meant = _meant(absent, spare)
    problems = []
    for column in absent:
        close = f" Did you mean '{meant[column.name]}'?" if column.name in meant else ""
        if column.required:
            remedy = f"Add it, or map the bank's header to it ({column.zh}).{close}"
            problems.append(Problem(contract.name, column.name, "column is missing", remedy))
        elif close:
            what = "optional column is absent, but a header looks like it"
            remedy = f"Rename or drop that header.{close}"
            problems.append(Problem(contract.name, column.name, what, remedy))
    return problems


def _meant(absent: Sequence[Column], spare: Sequence[str]) -> dict[str, str]:
    """Return absent column → the unknown header that was probably meant for it."""
    words = {word: column.name for column in absent for word in (column.zh, column.name)}
    close = {header: get_close_matches(header, words, n=1, cutoff=0.7) for header in spare}
    return {words[found[0]]: header for header, found in close.items() if found}


def cells(
    connection: duckdb.DuckDBPyConnection,
    contract: Table,
    raw: Sequence[RawFile],
    headers: Sequence[Mapping[str, str]],
    mapping: TableMapping,
) -> list[Problem]:
    """Check every cell of a table, its key and that it has rows, in one pass per file."""
    problems = []
    rows = 0
    for file, names in zip(raw, headers, strict=True):
        tests = [
            test
            for name, header in names.items()
            for test in _cell_tests(contract.column(name), header, file, mapping)
        ]
        counted = ", ".join(
            f"count(*) FILTER (WHERE {test.wrong}), min(_row, {_FIRST}) FILTER (WHERE {test.wrong})"
            for test in tests
        )
        result = connection.sql(f"SELECT count(*), {counted} FROM ({file.scan})").fetchall()[0]
        rows += result[0]
        for test, count, first in zip(tests, result[1::2], result[2::2], strict=True):
            if count:
                where = tuple(
                    f"{file.path.name}:{row}" if len(raw) > 1 else str(row) for row in first
                )
                remedy = test.remedy + _resembling_codes(connection, test, file)
                name = test.column.name
                problems.append(Problem(contract.name, name, test.what, remedy, count, where))
    if not rows and contract.required:
        problems.append(Problem(contract.name, "", "the table has no rows", "Deliver its rows."))
    return problems + _duplicate_keys(connection, contract, [file.path.name for file in raw])


@dataclass(frozen=True)
class _CellTest:
    """A SQL condition under which a cell is wrong, and what to say then."""

    column: Column
    value: str
    wrong: str
    what: str
    remedy: str


def _cell_tests(
    column: Column, header: str, file: RawFile, mapping: TableMapping
) -> list[_CellTest]:
    text = casting.cell_text(header)
    value = casting.typed(column, header, file.columns[header], mapping.codes.get(column.name, {}))
    tests: list[_CellTest] = []

    def wrong_if(condition: str, what: str, remedy: str) -> None:
        tests.append(_CellTest(column, value, condition, what, remedy))

    if not column.nullable:
        wrong_if(f"{text} IS NULL", "the cell is empty", "Fill it in.")
    unreadable = f"{text} IS NOT NULL AND {value} IS NULL"
    if column.kind in (Kind.MONEY, Kind.NUMBER, Kind.INTEGER):
        odd = casting.not_finite(header)
        wrong_if(odd, "NaN or infinite", "Leave the cell empty or correct the export.")
        unreadable += f" AND NOT {odd}"
    if column.kind is Kind.DATE:
        serial = casting.excel_serial(header)
        what = "a bare number where a date belongs (an Excel date?)"
        wrong_if(serial, what, "Format the column as a date in Excel and export again.")
        unreadable += f" AND NOT {serial}"
    if column.kind is Kind.TEXT:
        remedy = "Excel shortened a long number; export the column as text."
        wrong_if(casting.mangled_number(header), "number in scientific notation", remedy)
    elif column.kind is not Kind.CODE:
        remedy = f"Write it as {column.unit or column.kind.value}."
        wrong_if(unreadable, f"not a {column.kind.value}", remedy)
    if column.allowed:
        allowed = ", ".join(column.allowed)
        remedy = f"Map the bank's codes in the mapping file. Allowed: {allowed}."
        condition = f"{value} NOT IN ({', '.join(map(literal, column.allowed))})"
        wrong_if(condition, f"unknown {column.name}", remedy)
    if column.minimum is not None:
        wrong_if(f"{value} < {column.minimum}", f"less than {column.minimum}", mend_sign(column))
    return tests


def _resembling_codes(connection: duckdb.DuckDBPyConnection, test: _CellTest, file: RawFile) -> str:
    """Offer close matches; a code that resembles no allowed one may be anything, so say nothing."""
    if not test.column.allowed:
        return ""
    query = (
        f"SELECT DISTINCT {test.value} FROM ({file.scan}) WHERE {test.wrong} ORDER BY 1 LIMIT 50"
    )
    unknown = [code for (code,) in connection.sql(query).fetchall() if code]
    close = [(code, did_you_mean(code, test.column.allowed)) for code in unknown]
    return "".join(f" For '{code}':{hint.lower()}" for code, hint in close[:_FIRST] if hint)


def mend_sign(column: Column) -> str:
    """Say what to do about an amount that is too small."""
    if column.name.startswith("aum"):
        return "Overdrafts and loans belong in loan_balance; assets are never negative."
    return "Correct the sign or the value."


def _duplicate_keys(
    connection: duckdb.DuckDBPyConnection, contract: Table, files: Sequence[str]
) -> list[Problem]:
    if not contract.key:
        return []
    key = ", ".join(map(quoted, contract.key))
    rows, first = connection.sql(
        f"SELECT sum(n - 1)::BIGINT, min(place, {_FIRST}) FROM (SELECT count(*) AS n, "
        f"max({{'file': _file, 'row': _row}}) AS place FROM {rows_view(contract.name)} "
        f"GROUP BY {key} HAVING count(*) > 1)"
    ).fetchall()[0]
    if not rows:
        return []
    return [key_twice(contract, rows, _places(first, files))]


def key_twice(contract: Table, rows: int, first: tuple[str, ...] = ()) -> Problem:
    """Complain about rows whose key another row has."""
    what = f"the key ({', '.join(contract.key)}) occurs twice"
    return Problem(contract.name, "", what, "Keep one row for each key.", rows, first)


def between_tables(
    connection: duckdb.DuckDBPyConnection,
    delivered: Mapping[str, Sequence[str]],
    files: Mapping[str, Sequence[str]],
) -> list[Problem]:
    """Check that references lead somewhere and that dates stand in the right order."""
    problems = []
    for name, columns in delivered.items():
        for column in (table(name).column(entry) for entry in columns):
            target = column.references
            if target and target[0] in delivered and target[1] in delivered[target[0]]:
                problems += _dangling(connection, table(name), column, files[name])
        problems += _date_order(connection, name, columns, files[name])
    return problems


@dataclass(frozen=True)
class Reference:
    """Where a column leads: the target's keys beside ours, and what to say of those that miss."""

    target: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    what: str
    remedy: str


def reference_of(contract: Table, column: Column) -> Reference:
    """Return where a column that refers to another table leads; dates of both must agree."""
    assert column.references is not None
    target, target_column = column.references
    both = "as_of" in contract.column_names and "as_of" in table(target).column_names
    shared = ("as_of",) if both else ()
    return Reference(
        target,
        (*shared, column.name),
        (*shared, target_column),
        f"not in {target}.{target_column}" + (" at the same as_of" if both else ""),
        f"Deliver the missing {target}, or correct the column.",
    )


def _dangling(
    connection: duckdb.DuckDBPyConnection, contract: Table, column: Column, files: Sequence[str]
) -> list[Problem]:
    reference = reference_of(contract, column)
    ours, theirs = (", ".join(map(quoted, keys)) for keys in (reference.ours, reference.theirs))
    condition = (
        f"{quoted(column.name)} IS NOT NULL "
        f"AND ({ours}) NOT IN (SELECT ({theirs}) FROM {reference.target})"
    )
    told = reference.what, reference.remedy
    return _rows_where(connection, contract.name, column.name, condition, *told, files)


# column, how it must not stand to the other column, what to say, what to do
DATE_ORDER = (
    ("last_active_on", ">", "as_of", "later than as_of", "Correct the date."),
    ("relationship_since", ">", "as_of", "later than as_of", "Correct the date."),
    ("valid_to", "<", "valid_from", "earlier than valid_from", "Correct the dates."),
)
MONTH_END = ("not the last day of a month", "Use month ends.")


def _date_order(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Sequence[str], files: Sequence[str]
) -> list[Problem]:
    rules = [("as_of", "as_of <> last_day(as_of)", *MONTH_END)]
    rules += [(c, f"{c} {sign} {other}", what, do) for c, sign, other, what, do in DATE_ORDER]
    problems = []
    for column, condition, what, remedy in rules:
        if column in columns:
            problems += _rows_where(connection, name, column, condition, what, remedy, files)
    return problems


def _rows_where(
    connection: duckdb.DuckDBPyConnection,
    table_name: str,
    column: str,
    condition: str,
    what: str,
    remedy: str,
    files: Sequence[str],
) -> list[Problem]:
    rows, first = connection.sql(
        f"SELECT count(*), min({{'file': _file, 'row': _row}}, {_FIRST}) "
        f"FROM {rows_view(table_name)} WHERE {condition}"
    ).fetchall()[0]
    return [Problem(table_name, column, what, remedy, rows, _places(first, files))] if rows else []


def _places(first: Sequence[Mapping[str, int]], files: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        f"{files[place['file']]}:{place['row']}" if len(files) > 1 else str(place["row"])
        for place in first
    )
