"""EAST 5.0 (监管数据标准化规范, 2021版): what tables that banks make monthly mean.

An account is a number, a currency and a kind of note (钞汇); balances are in its own currency.
What the tables cannot say (maturities, managers, successors of branches, funds, insurance) is
absent, or delivered beside them in files of the contract. `east5.toml` describes the tables,
`east5_sql.toml` what the contract's are made of and what has no meaning.

What would give wrong figures is a problem; what is left out is counted in a warning.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping as Dictionary
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from stockcust_analysis.bank.duckdb_connection import literal
from stockcust_analysis.bank.layouts.reader import LayoutFiles
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import UsageError
from stockcust_analysis.policy.file import read_toml
from stockcust_analysis.words import Words, advise, say

_OPTIONS = ("products", "states", "kinds", "subjects", "branch_types")
_MONTHS, _DAYS = 3, 366
_PASSIVE = ("interest", "fee", "salary", "utility_debit", "loan_repayment")
_CUT_AT = 1000
_WITHOUT_RATE = "BZ <> 'CNY' AND (as_of, BZ) NOT IN (SELECT (as_of, BZ) FROM rates)"
_LEDGER_ROWS = "SELECT count(*) FROM ZZKJQKMB WHERE BSZQ = '月报' AND BZ = 'BWB' AND KJRQ = as_of"


@cache
def _layout() -> dict[str, Any]:
    """Return how the tables read, and the SQL of what they mean."""
    path = Path(__file__)
    return read_toml(path.with_suffix(".toml")) | read_toml(path.with_name("east5_sql.toml"))


def make_tables(
    connection: duckdb.DuckDBPyConnection,
    copies: Path,
    source: Path | Dictionary[str, str],
    options: Dictionary[str, Any],
) -> LayoutFiles:
    """Return EAST tables, of a folder or of a database, with the contract's that they can fill.

    `options` is the mapping's `[layout]`. With problems no table is made.
    """
    layout = _layout()
    orders = options.get("orders", {})
    for code, order in orders.items():
        if code not in layout["tables"]:
            raise UsageError.unknown("order", code, layout["tables"])
        if twice := sorted({name for name in order if order.count(name) > 1}):
            raise UsageError(say("order_states_twice", code, twice))
    files = LayoutFiles(connection, copies, layout, orders)
    if isinstance(source, Path):
        files.read(source)
    else:
        files.read_tables(source)
    _check_days(files)
    if files.problems:
        return files
    words = {name: {**layout.get(name, {}), **options.get(name, {})} for name in _OPTIONS}
    _define(files, words)
    _check_meaning(files)
    if files.problems:
        return files
    tables = _tables(files, words["subjects"])
    files.tables = {name: copies / f"{name}.parquet" for name in tables}
    for name, sql in tables.items():
        connection.execute(f"COPY ({sql}) TO {literal(str(files.tables[name]))} (FORMAT parquet)")
    _warn_of_gaps(files)
    return files


def _define(files: LayoutFiles, words: Dictionary[str, Dictionary[str, str]]) -> None:
    """Define what the tables of the contract are made from."""
    cny = "(CASE BZ WHEN 'CNY' THEN amount ELSE amount::DECIMAL(20, 2) * rate END)"
    blanks = {
        "cny": f"round({cny}, 2)::DECIMAL(18, 2)",
        "product": _cases("kind", words["products"]),
        "state": _cases("ZHZT", words["states"]),
        "kind": _cases("JYLX", words["kinds"]),
        "type": _cases("n.NBJGH", words["branch_types"]),
    }
    for sql in files.layout["steps"].values():
        files.connection.execute(sql.format(**blanks))
    _define_whole(files)
    _define_averages(files)


def _cases(column: str, words: Dictionary[str, str]) -> str:
    cases = " ".join(f"WHEN {literal(key)} THEN {literal(word)}" for key, word in words.items())
    return f"(CASE {column} {cases} END)" if cases else "NULL::VARCHAR"


def _quarter_start(day: date) -> date:
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)


def _define_whole(files: LayoutFiles) -> None:
    """Define since when the transactions up to each day are whole; and if its quarter's are."""
    cut, whole = _cut_months(files), list[tuple[date, date | None, bool]]()
    for as_of in files.days["GRCKFHZ"]:
        day, start = as_of, None
        while day in files.days["GRCKFHZMX"] and day not in cut:
            start = day.replace(day=1)
            day = start - timedelta(days=1)
        is_quarter = start is not None and start <= _quarter_start(as_of)
        whole.append((as_of, start, is_quarter))
        for key, holds in (
            ("cut", not is_quarter),
            ("last_moved", start is None or (as_of - start).days < _DAYS),
            ("no_maturities", True),
        ):
            if holds and (quarter := Quarter.ending_on(as_of)):
                files.approximations.setdefault(key, []).append(str(quarter))
    files.connection.execute("CREATE TABLE whole (as_of DATE, whole_from DATE, is_quarter BOOLEAN)")
    files.connection.executemany("INSERT INTO whole VALUES (?, ?, ?)", whole)


def _define_averages(files: LayoutFiles) -> None:
    """Define the quarter's average of each account: rebuilt day by day, or from month ends."""
    made, run, ends = files.layout["averages"], files.connection.execute, files.days["GRCKFHZ"]
    run("CREATE TABLE averages (as_of DATE, account_id VARCHAR, average DECIMAL(18, 2))")
    whole = run("SELECT as_of FROM whole WHERE is_quarter").fetchall()
    for end in (day for day in ends if day.month % 3 == 0):
        start = _quarter_start(end)
        blanks = {"start": f"DATE '{start}'", "end": f"DATE '{end}'"}
        blanks["days"] = str((end - start).days + 1)
        is_rebuilt = (end,) in whole and len(files.licences) == 1
        is_rebuilt = is_rebuilt and start - timedelta(days=1) in ends
        of_months = len([day for day in ends if start <= day <= end]) == _MONTHS
        if is_rebuilt:
            run(made["rebuilt"].format(**blanks))
            rows = files.count(made["untold"].format(**blanks))
            files.notes_of_gaps += [say("no_average", rows, end)] if rows else []
        if of_months:
            run(made["month_ends"].format(**blanks))
        way = "rebuilt" if is_rebuilt else "month_ends" if of_months else "period_ends"
        files.approximations.setdefault(way, []).append(str(Quarter.ending_on(end)))


def _tables(files: LayoutFiles, subjects: Dictionary[str, str]) -> dict[str, str]:
    """Return the SQL of the contract's tables; activity as far as the transactions tell it."""
    transactions = average = ""
    if files.count("SELECT count(*) FROM whole WHERE is_quarter"):
        transactions = "CASE WHEN is_quarter AND traded IS NULL THEN COALESCE(n, 0) END"
        transactions += " AS active_transactions,"
    if files.count("SELECT count(*) FROM averages"):
        average = ", COALESCE(average, balance) AS average_balance"
    else:  # said of every bank without averages
        files.approximations.pop("period_ends", None)
    passive = ", ".join(map(literal, _PASSIVE))
    made = files.layout["made"]
    tables = {
        "branches": made["branches"],
        "customers": made["customers"].format(transactions=transactions, passive=passive),
        "holdings": made["holdings"].format(average=average),
    }
    if files.days["GRCKFHZMX"] and not _cut_months(files):
        tables["transactions"] = made["transactions"]
    if files.days["ZZKJQKMB"] and files.days["JGGXB"] and subjects:
        tables["ledger"] = made["ledger"].format(product=_cases("KJKMBH", subjects))
    return tables


def _check_days(files: LayoutFiles) -> None:
    """Note full tables that lack a month which the accounts have."""
    for code, entry in files.layout["tables"].items():
        other = "GRJCXXB" if code == "GRCKFHZ" else "GRCKFHZ"
        lacking = sorted({*files.days[other]} - {*files.days[code]})
        if entry.get("full") and files.days[code] and lacking:
            files.note(code, "", *advise("month_lacking", lacking, other))


def _check_meaning(files: LayoutFiles) -> None:
    """Note what no rule says the meaning of: currencies without a rate, kinds of account."""
    owned = files.layout["owned"].values()
    amounts = {e["table"]: (e["code"], "balance IS NULL") for e in owned if e["table"] != e["code"]}
    amounts["GRCKFHZMX"] = ("GRCKFHZMX", _WITHOUT_RATE)
    for table, (code, where) in amounts.items():
        sql = f"SELECT count(*) FROM {table} WHERE {where}"
        _check(files, code, "BZ", *advise("without_rate"), sql)
    accounts, persons = (files.count(f"SELECT count(*) FROM {t}") for t in ("accounts", "persons"))
    if accounts and not persons:
        files.note("GRJCXXB", "KHTYBH", say("nobody_owns"), say("other_order", "GRJCXXB"))
    else:
        _check_owners(files)
        for code, column, table in (("GRXDFHZ", "XDJJH", "loans"), ("XYKSXQKB", "XYKZH", "cards")):
            shared = f"SELECT 1 FROM {table} GROUP BY as_of, account_id HAVING count(*) > 1"
            sql = f"SELECT count(*) FROM ({shared})"
            _check(files, code, column, say("several_owners"), say("other_order", code), sql)
    checks = files.layout["checks"]
    for entry in checks["hardly"]:
        said = say(entry["said"]), say("other_order", entry["code"])
        sql = entry.get("sql") or checks["in_most"].format(**{"of": "true"} | entry)
        _check(files, entry["code"], entry["columns"], *said, sql)
    masked, plain = files.connection.execute(checks["numbers"]).fetchall()[0]
    if masked and plain:
        files.note("GRJCXXB", "KHTYBH", *advise("masked_and_plain", masked, plain))
    elif masked:
        files.notes_of_gaps.append(say("masked", masked))
    sql = "SELECT count(*) FROM accounts WHERE product IS NULL AND NOT is_closed"
    _check(files, "GRCKFHZ", "GRCKZHLX", *advise("kind_of_account"), sql)
    sql = "SELECT count(*) FROM accounts WHERE state NOT IN ('open', 'closed', 'frozen')"
    _check(files, "GRCKFHZ", "ZHZT", *advise("state_of_account"), sql)


def _check(
    files: LayoutFiles, code: str, column: str, what: Words, remedy: Words, sql: str
) -> None:
    """Note a problem where a query counts rows of a table delivered that have it."""
    if files.days[code] and (rows := files.count(sql)):
        files.note(code, column, what, remedy, rows)


def _check_owners(files: LayoutFiles) -> None:
    """Note tables most of whose customers are in no other in a month; count what is of nobody."""
    checks = files.layout["checks"]
    counts = files.connection.execute(checks["strangers"]).fetchall()[0]
    strange, owned, moves = (count or 0 for count in counts)
    if 2 * strange > owned or (moves and not owned):
        files.note("GRCKFHZMX", "KHTYBH", *advise("most_who_trade", "GRCKFHZMX"))
    elif strange:
        files.notes_of_gaps.append(say("records_of_strangers", strange))
    tables = files.layout["owned"].items()
    for name, entry in ((name, entry) for name, entry in tables if files.days[entry["code"]]):
        code, sql = entry["code"], checks["of_owners"].format(**entry)
        days = files.connection.execute(sql).fetchall()
        if most := sum(strange for _, strange, owned in days if 2 * strange > owned):
            files.note(code, "KHTYBH", *advise("most_of_a_month", code), most)
        if rows := sum(unknown for unknown, *_ in days):
            files.notes_of_gaps.append(say("of_nobody", rows, say(name)))


def _cut_months(files: LayoutFiles) -> list[date]:
    """Return the months whose transactions are those delivered: none below 1,000."""
    sql = f"""SELECT as_of FROM GRCKFHZMX WHERE BZ = 'CNY'
        GROUP BY as_of HAVING min(abs(JYJE)) >= {_CUT_AT} ORDER BY as_of"""
    return [day for (day,) in files.connection.execute(sql).fetchall()]


def _warn_of_gaps(files: LayoutFiles) -> None:
    """Warn of what was left out, with its number, and of what is not exact."""
    counts = {name: files.count(sql) for name, sql in files.layout["left_out"].items()}
    notes = [*(say(name, rows) for name, rows in counts.items() if rows), *files.notes_of_gaps]
    if months := _cut_months(files):
        notes.append(say("transactions_cut", months, _CUT_AT))
    elif not files.days["GRCKFHZMX"]:
        notes.append(say("no_transactions"))
    elif quarters := files.approximations.get("cut", []):
        notes.append(say("months_of_transactions", quarters))
    if files.days["ZZKJQKMB"] and not files.count(_LEDGER_ROWS):
        notes.append(say("ledger_without_report"))
    elif files.days["ZZKJQKMB"] and not files.days["JGGXB"]:
        notes.append(say("ledger_without_tree"))
    elif files.days["ZZKJQKMB"] and "ledger" not in files.tables:
        notes.append(say("ledger_without_subjects"))
    if not files.days["KHLCCPCYXXB"]:
        notes.append(say("deposits_alone"))
    for note in notes:
        warnings.warn(say("east_note", note), stacklevel=2)
