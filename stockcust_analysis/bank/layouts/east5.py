"""EAST 5.0 (监管数据标准化规范, 2021版): what tables that banks make monthly mean.

An account is a number, a currency and a kind of note (钞汇); balances are in its own currency.
What the tables cannot say (maturities, managers, successors of branches, funds, insurance) is
absent, or delivered beside them in files of the contract.
"""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Mapping as Dictionary
from pathlib import Path
from typing import Any

import duckdb

from stockcust_analysis.bank.duckdb_connection import literal
from stockcust_analysis.bank.layouts.reader import LayoutFiles

_OPTIONS = ("products", "kinds", "subjects")
_CUT_AT = 1000
_PASSIVE = ("interest", "fee", "salary", "utility_debit", "loan_repayment")

_RATES = """
CREATE VIEW rates AS
SELECT d.as_of, WBBZ AS BZ, arg_max(ZBBSL / WBSL, HLRQ)::DECIMAL(18, 8) AS rate
FROM (SELECT DISTINCT as_of FROM GRCKFHZ) d JOIN HLXXB ON HLRQ <= d.as_of
WHERE BBBZ = 'CNY' AND WBSL > 0 GROUP BY ALL"""
_ACCOUNTS = """
CREATE TABLE accounts AS
SELECT as_of, number || '/' || BZ || '/' || COALESCE(CHLB, '') AS account_id, number, NBJGH,
    customer_id, kind, BZ, KHRQ, XHRQ, SCDHRQ, ZHZT, {cny} AS balance,
    (COALESCE(ZHZT, '') = '销户' OR ZHZT LIKE '其他%删除%' OR ZHZT LIKE '其他%抹账%') AS is_closed,
    {product} AS product
FROM (
    SELECT as_of, GRCKZH AS number, BZ, CHLB, NBJGH, KHTYBH AS customer_id, GRCKZHLX AS kind, KHRQ,
        XHRQ, SCDHRQ, ZHZT, CKYE AS amount FROM GRCKFHZ
    UNION ALL
    SELECT as_of, DGCKZH, BZ, CHLB, NBJGH, KHTYBH, DGCKZHLX, KHRQ, XHRQ, SCDHRQ, ZHZT, CKYE
    FROM DGCKFHZ WHERE KHTYBH IN (SELECT KHTYBH FROM sole_traders)
) LEFT JOIN rates USING (as_of, BZ)"""
# A loan of several accounts shows its whole balance on each.
_LOANS = """
CREATE TABLE loans AS
SELECT as_of, XDJJH AS account_id, KHTYBH AS customer_id, min(NBJGH) AS NBJGH, BZ,
    min(FFRQ) AS FFRQ, max(DQRQ) AS DQRQ, max({cny}) AS balance,
    bool_and(DKZT IN ('正常', '逾期')) AS is_open
FROM (SELECT *, DKYE AS amount FROM GRXDFHZ) LEFT JOIN rates USING (as_of, BZ) GROUP BY ALL"""
_CARDS = """
CREATE TABLE cards AS
SELECT as_of, XYKZH AS account_id, KHTYBH AS customer_id, NBJGH, BZ, {cny} AS balance,
    DYLJJYBS > 0 AS is_used, ZHZT
FROM (SELECT *, TZJE AS amount FROM XYKSXQKB) LEFT JOIN rates USING (as_of, BZ)"""
# A reversal and the record that it takes back (same account, day and amount) are no transactions.
_TRANSACTIONS = """
CREATE TABLE east_transactions AS
SELECT * EXCLUDE (n, reversals) FROM (
    SELECT as_of, KHTYBH AS customer_id, HXJYRQ AS transacted_on, {kind} AS kind, JYLX, JYQD,
        CASE JYJDBZ WHEN '借' THEN -{cny} ELSE {cny} END AS amount, CBMBZ = '冲补抹' AS is_reversal,
        row_number() OVER (PARTITION BY GRCKZH, BZ, abs(JYJE), HXJYRQ, CBMBZ
            ORDER BY HXJYSJ DESC, JYXLH) AS n,
        count(*) FILTER (CBMBZ = '冲补抹') OVER (PARTITION BY GRCKZH, BZ, abs(JYJE), HXJYRQ)
            AS reversals
    FROM (SELECT *, JYJE AS amount FROM GRCKFHZMX) LEFT JOIN rates USING (as_of, BZ)
) WHERE NOT is_reversal AND n > reversals AND customer_id IS NOT NULL"""
_PERSONS = """
CREATE TABLE persons AS
WITH seen AS (
    SELECT customer_id, min(as_of) AS first FROM (
        SELECT customer_id, as_of FROM accounts UNION ALL SELECT customer_id, as_of FROM loans
        UNION ALL SELECT customer_id, as_of FROM cards UNION ALL SELECT KHTYBH, as_of FROM JJKXXB
    ) GROUP BY ALL
), known AS (
    SELECT as_of, KHTYBH AS customer_id, NBJGH, XB,
        contains(COALESCE(BXYGBZ, ''), '个体工商户') AS trades,
        CSNY, SFNH = '是' AS farms, BHYGBZ = '是' AS works_here FROM GRJCXXB
    UNION ALL
    SELECT as_of, KHTYBH, NBJGH, NULL, true, NULL, false, false FROM sole_traders
    WHERE KHTYBH IN (SELECT customer_id FROM accounts)
        AND (as_of, KHTYBH) NOT IN (SELECT (as_of, KHTYBH) FROM GRJCXXB)
)
SELECT known.* FROM known JOIN seen USING (customer_id) WHERE seen.first <= as_of"""
# Who has left is in no file of customers: his accounts have one last row, in the month they closed.
_LEFT = """
CREATE TABLE leavers AS
WITH ended AS (
    SELECT as_of AS seen_on, customer_id, max(XHRQ) AS closed_on, min(NBJGH) AS NBJGH FROM accounts
    WHERE customer_id IS NOT NULL AND (as_of, customer_id) NOT IN (
        SELECT (as_of, customer_id) FROM persons)
    GROUP BY ALL HAVING bool_and(is_closed) AND max(XHRQ) IS NOT NULL
)
SELECT d.as_of, e.customer_id, closed_on, COALESCE(p.NBJGH, e.NBJGH) AS NBJGH,
    COALESCE(p.trades, false) AS trades, p.XB, p.CSNY, p.farms, p.works_here
FROM ended e
JOIN (SELECT DISTINCT as_of FROM persons) d
    ON d.as_of >= seen_on AND date_trunc('quarter', d.as_of) = date_trunc('quarter', closed_on)
ASOF LEFT JOIN persons p ON p.customer_id = e.customer_id AND p.as_of <= e.seen_on
WHERE (d.as_of, e.customer_id) NOT IN (SELECT (as_of, customer_id) FROM persons)"""
_CUSTOMERS = """
WITH people AS (
    SELECT *, NULL::DATE AS closed_on FROM persons
    UNION ALL BY NAME SELECT * FROM leavers
), since AS (
    SELECT customer_id, min(day) AS day FROM (
        SELECT customer_id, KHRQ AS day FROM accounts UNION ALL SELECT KHTYBH, KKRQ FROM JJKXXB
        UNION ALL SELECT customer_id, FFRQ FROM loans) GROUP BY ALL
), moved AS (
    SELECT as_of, customer_id, max(SCDHRQ) AS day, bool_and(ZHZT IN ('冻结', '止付')) AS is_frozen
    FROM accounts WHERE NOT is_closed OR XHRQ IS NOT NULL GROUP BY ALL
), active AS (
    SELECT p.as_of, p.customer_id, max(transacted_on) AS day,
        count(*) FILTER (transacted_on >= date_trunc('quarter', p.as_of)) AS n
    FROM people p JOIN east_transactions t ON t.customer_id = p.customer_id
        AND transacted_on <= p.as_of AND kind NOT IN ({passive}) GROUP BY ALL
)
SELECT as_of, customer_id, NBJGH AS branch_id,
    CASE WHEN trades THEN 'sole_trader' ELSE 'personal' END AS customer_type,
    since.day AS relationship_since, closed_on, {last_active} AS last_active_on, {transactions}
    CSNY AS birth_date, CASE XB WHEN '男' THEN 'male' WHEN '女' THEN 'female' END AS gender,
    CASE WHEN farms THEN 'farmers' END AS groups,
    CASE WHEN works_here THEN 'staff' WHEN is_frozen THEN 'frozen'
        WHEN CSNY + INTERVAL 18 YEAR > as_of THEN 'minor' END AS exclusion
FROM people LEFT JOIN since USING (customer_id) LEFT JOIN moved USING (as_of, customer_id)
LEFT JOIN active USING (as_of, customer_id)"""
_HOLDINGS = """
WITH held AS (
    SELECT as_of, account_id, customer_id, product, balance, NBJGH, KHRQ AS opened_on,
        NULL::DATE AS matures_on, NULL::BOOLEAN AS used_recently FROM accounts WHERE NOT is_closed
    UNION ALL SELECT as_of, account_id, customer_id, 'loan', balance, NBJGH, FFRQ, DQRQ, NULL
    FROM loans WHERE is_open
    UNION ALL SELECT c.as_of, account_id, customer_id, 'credit_card', balance, NBJGH, NULL, NULL,
        EXISTS (FROM cards b WHERE b.account_id = c.account_id AND is_used AND b.as_of <= c.as_of
            AND b.as_of >= date_trunc('quarter', c.as_of)) FROM cards c WHERE ZHZT <> '销户'
    UNION ALL SELECT as_of, KH, KHTYBH, 'social_security_card', 0, min(NBJGH), min(KKRQ), NULL, NULL
    FROM JJKXXB WHERE KPZT <> '注销' AND (JJKCPMC LIKE '%社保%' OR JJKCPMC LIKE '%社会保障%')
    GROUP BY ALL
    UNION ALL SELECT p.as_of, s.product || '/' || p.customer_id, p.customer_id, s.product, 0,
        p.NBJGH, NULL, NULL, true FROM persons p JOIN (
        SELECT DISTINCT customer_id, date_trunc('quarter', transacted_on) AS quarter,
            unnest({services}) AS product FROM east_transactions) s
        ON s.customer_id = p.customer_id AND s.quarter = date_trunc('quarter', p.as_of)
    WHERE s.product IS NOT NULL
)
SELECT held.* EXCLUDE (NBJGH), NBJGH AS booking_branch_id FROM held
SEMI JOIN persons USING (as_of, customer_id)"""
_SERVICES = """[CASE WHEN kind = 'salary' AND amount > 0 THEN 'payroll' END,
    CASE WHEN JYQD LIKE '%手机银行%' THEN 'mobile_banking' END]"""
_BRANCHES = """
WITH newest AS (
    SELECT NBJGH, arg_max(YHJGMC, as_of) AS name, arg_max(JGLB, as_of) AS JGLB,
        arg_max(XZQHDM, as_of) AS area, max(CLRQ) AS opened_on,
        min(as_of) FILTER (YYZT = '停业') AS stopped, max(as_of) AS last FROM JGXXB GROUP BY NBJGH
), tree AS (
    SELECT NBJGH, arg_max(SJGLNBJGH, as_of) AS parent, arg_max(SJGLJGMC, as_of) AS parent_name
    FROM JGGXB GROUP BY NBJGH
)
SELECT n.NBJGH AS branch_id, name, opened_on,
    CASE WHEN (SELECT count(*) FROM tree) = 0 THEN left(area, 4)
        WHEN above.parent <> '0' THEN t.parent_name END AS region,
    COALESCE(stopped, CASE WHEN last < (SELECT max(as_of) FROM JGXXB) THEN last END) AS closed_on
FROM newest n LEFT JOIN tree t USING (NBJGH) LEFT JOIN tree above ON above.NBJGH = t.parent
WHERE JGLB = '营业机构' OR n.NBJGH IN (
    SELECT NBJGH FROM persons UNION ALL SELECT NBJGH FROM accounts WHERE NOT is_closed)"""
# Institutions with others below them hold those figures too.
_LEDGER = """
SELECT NBJGH AS branch_id, as_of, {product} AS product,
    sum(CASE WHEN {product} IN ('loan', 'credit_card') THEN QMJFYE - QMDFYE
        ELSE QMDFYE - QMJFYE END) AS balance
FROM ZZKJQKMB WHERE BSZQ = '月报' AND BZ = 'BWB' AND KJRQ = as_of AND {product} IS NOT NULL
    AND NBJGH NOT IN (SELECT SJGLNBJGH FROM JGGXB WHERE SJGLNBJGH IS NOT NULL) GROUP BY ALL"""
_TRANSACTION_ROWS = """
SELECT customer_id, transacted_on, round(amount, 2) AS amount,
    CASE WHEN kind = 'payment' AND (JYQD LIKE '%第三方支付%' OR JYQD LIKE '%三方支付%')
        THEN 'wechat_alipay' ELSE kind END AS kind
FROM east_transactions WHERE kind IS NOT NULL
    AND customer_id IN (
        SELECT customer_id FROM persons UNION ALL SELECT customer_id FROM leavers)"""


def make_tables(
    connection: duckdb.DuckDBPyConnection,
    copies: Path,
    folder: Path,
    options: Dictionary[str, Any],
) -> LayoutFiles:
    """Return a folder's EAST files, with the contract's tables that they can fill.

    `options` is the mapping's `[layout]`. With problems no table is made.
    """
    layout = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    files = LayoutFiles(connection, copies, layout, options.get("orders", {}))
    files.read(folder)
    _check_days(files)
    if files.problems:
        return files
    words = {name: {**layout.get(name, {}), **options.get(name, {})} for name in _OPTIONS}
    _define(files, words)
    _check_meaning(files, words)
    if files.problems:
        return files
    tables = {"branches": _BRANCHES, "customers": _customers(files), "holdings": _holdings(files)}
    if files.days["GRCKFHZMX"]:
        tables["transactions"] = _TRANSACTION_ROWS
    if files.days["ZZKJQKMB"] and words["subjects"]:
        tables["ledger"] = _LEDGER.format(product=_cases("KJKMBH", words["subjects"]))
    files.tables = {name: copies / f"{name}.parquet" for name in tables}
    for name, sql in tables.items():
        connection.execute(f"COPY ({sql}) TO {literal(str(files.tables[name]))} (FORMAT parquet)")
    _warn_of_gaps(files)
    return files


def _define(files: LayoutFiles, words: Dictionary[str, Dictionary[str, str]]) -> None:
    """Define what the tables of the contract are made from."""
    run = files.connection.execute
    cny = "(CASE BZ WHEN 'CNY' THEN amount ELSE amount::DECIMAL(20, 2) * rate END)"
    run("CREATE VIEW sole_traders AS SELECT * FROM DGKHXXB WHERE contains(KHLX, '个体')")
    run(_RATES)
    rounded = f"round({cny}, 2)::DECIMAL(18, 2)"
    run(_ACCOUNTS.format(cny=rounded, product=_cases("kind", words["products"])))
    run(_LOANS.format(cny=rounded))
    run(_CARDS.format(cny=rounded))
    run(_TRANSACTIONS.format(cny=rounded, kind=_cases("JYLX", words["kinds"])))
    run(_PERSONS)
    run(_LEFT)


def _cases(column: str, words: Dictionary[str, str]) -> str:
    cases = " ".join(f"WHEN {literal(key)} THEN {literal(word)}" for key, word in words.items())
    return f"(CASE {column} {cases} END)" if cases else "NULL::VARCHAR"


def _check_days(files: LayoutFiles) -> None:
    """Note full tables that lack a month which the accounts have."""
    wanted = files.days["GRCKFHZ"]
    for code, entry in files.layout["tables"].items():
        lacking = sorted({*wanted} - {*files.days[code]})
        if entry.get("full") and files.days[code] and lacking:
            what = f"no file of {', '.join(map(str, lacking))}, which GRCKFHZ has"
            files.note(code, "", what, "Deliver every table for every month's last day.")


def _check_meaning(files: LayoutFiles, words: Dictionary[str, Dictionary[str, str]]) -> None:
    """Note what no rule says the meaning of: currencies without a rate, kinds of account."""
    for name, code in (("accounts", "GRCKFHZ"), ("loans", "GRXDFHZ"), ("cards", "XYKSXQKB")):
        rows = files.count(f"SELECT count(*) FROM {name} WHERE balance IS NULL")
        if rows:
            remedy = "Deliver HLXXB (1001) with the day's rate, or one of an earlier day."
            files.note(code, "BZ", "a foreign currency without a rate", remedy, rows)
    rows = files.count("SELECT count(*) FROM accounts WHERE product IS NULL AND NOT is_closed")
    if rows:
        remedy = 'Say what it is in the mapping: [layout.products] "…" = "time_deposit".'
        files.note("GRCKFHZ", "GRCKZHLX", "a kind of account that is not known", remedy, rows)


def _is_cut(files: LayoutFiles) -> bool:
    """Return whether the transactions are those delivered: none below 1,000."""
    smallest = "SELECT COALESCE(min(abs(JYJE)), 0) FROM GRCKFHZMX WHERE BZ = 'CNY'"
    return bool(files.days["GRCKFHZMX"]) and files.count(smallest) >= _CUT_AT


def _customers(files: LayoutFiles) -> str:
    """Return the SQL of customers; activity as far as the transactions tell it."""
    months = files.days["GRCKFHZMX"]
    is_whole = bool(months) and not _is_cut(files)
    last = "COALESCE(greatest(active.day, moved.day), closed_on)"
    if is_whole:
        # Before the first month that is told nothing is known but that no account moved later.
        before = f"DATE '{months[0].replace(day=1)}' - 1"
        last = f"COALESCE(active.day, least(moved.day, {before}))"
    counted = "CASE WHEN {} THEN COALESCE(n, 0) END AS active_transactions,"
    whole = [
        day
        for day in files.days["GRCKFHZ"]
        if sum(
            (m.year, (m.month - 1) // 3) == (day.year, (day.month - 1) // 3) and m <= day
            for m in months
        )
        == (day.month - 1) % 3 + 1
    ]
    days = ", ".join(f"DATE '{day}'" for day in whole)
    transactions = counted.format(f"as_of IN ({days})") if is_whole and whole else ""
    passive = ", ".join(map(literal, _PASSIVE))
    return _CUSTOMERS.format(last_active=last, transactions=transactions, passive=passive)


def _holdings(files: LayoutFiles) -> str:
    is_whole = files.days["GRCKFHZMX"] and not _is_cut(files)
    return _HOLDINGS.format(services=_SERVICES if is_whole else "[NULL::VARCHAR]")


def _warn_of_gaps(files: LayoutFiles) -> None:
    """Warn of what was left out, with its number, and of what is not exact."""
    left_out = {
        "accounts whose customer is empty or in no file of customers": "SELECT count(*) FROM "
        "accounts WHERE NOT is_closed AND (as_of, COALESCE(customer_id, '')) NOT IN "
        "(SELECT (as_of, customer_id) FROM persons)",
        "persons without any account (guarantors, spouses)": "SELECT count(DISTINCT KHTYBH) FROM "
        "GRJCXXB WHERE KHTYBH NOT IN (SELECT customer_id FROM persons)",
        "sole traders without an account in DGCKFHZ (405)": "SELECT count(DISTINCT KHTYBH) FROM "
        "sole_traders WHERE KHTYBH NOT IN (SELECT customer_id FROM persons)",
        "institutions that are no 营业机构, taken for branches as customers are theirs": "SELECT "
        "count(DISTINCT NBJGH) FROM JGXXB WHERE JGLB <> '营业机构' AND NBJGH IN "
        "(SELECT NBJGH FROM persons)",
        "records of transactions of other kinds, or of nobody": "SELECT count(*) FROM "
        "GRCKFHZMX WHERE KHTYBH IS NULL OR starts_with(JYLX, '其他')",
    }
    notes = [f"{n:,} {what}" for what, sql in left_out.items() if (n := files.count(sql))]
    if _is_cut(files):
        notes.append(
            f"GRCKFHZMX (404) has nothing below {_CUT_AT:,}, as it is delivered: the last activity "
            "is also taken from SCDHRQ, which interest may move; no payroll, no mobile banking"
        )
    elif not files.days["GRCKFHZMX"]:
        notes.append("without GRCKFHZMX (404) the last activity is SCDHRQ, which interest may move")
    notes.append("AUM is deposits alone, but for what files beside them add to holdings")
    for note in notes:
        warnings.warn(f"EAST 5.0: {note}.", stacklevel=2)
