"""EAST 5.0 (监管数据标准化规范, 2021版): what tables that banks make monthly mean.

An account is a number, a currency and a kind of note (钞汇); balances are in its own currency.
What the tables cannot say (maturities, managers, successors of branches, funds, insurance) is
absent, or delivered beside them in files of the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from stockcust_analysis.bank.layouts import east5_checks
from stockcust_analysis.bank.layouts.reader import LayoutFiles
from stockcust_analysis.core.engines import literal
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import UsageError, require_known, say
from stockcust_analysis.policy.file import read_toml

_OPTIONS = ("products", "states", "kinds", "subjects", "branch_types")
_MONTHS, _DAYS = 3, 366
_read_once = cache(read_toml)
_PASSIVE = ("interest", "fee", "salary", "utility_debit", "loan_repayment")

_SOLE_TRADERS = "CREATE VIEW sole_traders AS SELECT * FROM DGKHXXB WHERE contains(KHLX, '个体')"
_RATES = """
CREATE TABLE rates AS
SELECT d.as_of, WBBZ AS BZ, arg_max(ZBBSL / WBSL, HLRQ)::DECIMAL(18, 8) AS rate, max(HLRQ) AS day
FROM (SELECT as_of FROM GRCKFHZ UNION SELECT as_of FROM GRCKFHZMX) d JOIN HLXXB ON HLRQ <= d.as_of
WHERE BBBZ = 'CNY' AND WBSL > 0 AND ZBBSL > 0 GROUP BY d.as_of, WBBZ"""
_ACCOUNTS = """
CREATE TABLE accounts AS -- a renewed time deposit begins with its first term
SELECT as_of, number || '/' || BZ || '/' || COALESCE(CHLB, '') AS account_id, number, NBJGH,
    customer_id, kind, BZ, min(KHRQ) OVER (PARTITION BY number, BZ, CHLB) AS KHRQ, XHRQ, SCDHRQ,
    amount, rate, is_persons, {cny} AS balance, {product} AS product,
    CASE WHEN ZHZT LIKE '其他%删除%' OR ZHZT LIKE '其他%抹账%' THEN 'closed'
        WHEN ZHZT IS NULL OR ZHZT LIKE '其他%' THEN 'open' ELSE COALESCE({state}, '') END AS state,
    state = 'closed' AS is_closed
FROM (
    SELECT as_of, GRCKZH AS number, BZ, CHLB, NBJGH, KHTYBH AS customer_id, GRCKZHLX AS kind, KHRQ,
        XHRQ, SCDHRQ, ZHZT, CKYE AS amount, true AS is_persons FROM GRCKFHZ
    UNION ALL
    SELECT as_of, DGCKZH, BZ, CHLB, NBJGH, KHTYBH, DGCKZHLX, KHRQ, XHRQ, SCDHRQ, ZHZT, CKYE, false
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
CREATE TABLE cards AS -- several currencies of one account are one debt
SELECT as_of, XYKZH AS account_id, KHTYBH AS customer_id, min(NBJGH) AS NBJGH,
    CASE WHEN count(*) = count({cny}) THEN sum({cny})::DECIMAL(18, 2) END AS balance,
    bool_or(DYLJJYBS > 0) AS is_used, min(ZHZT) AS ZHZT
FROM (SELECT *, TZJE AS amount FROM XYKSXQKB) LEFT JOIN rates USING (as_of, BZ) GROUP BY ALL"""
# Positions of wealth products, which most banks do not have.
_WEALTH = """
CREATE TABLE wealth AS
SELECT as_of, LCZH || '/' || LCCPDM AS account_id, KHTYBH AS customer_id, LCZHKHRQ, {cny} AS balance
FROM (SELECT *, SJZHCYLCYE AS amount FROM KHLCCPCYXXB WHERE COALESCE(ZHZT, '') <> '销户')
LEFT JOIN rates USING (as_of, BZ)"""
# A reversal and the record that it takes back (same account, day and amount) are no transactions.
_TRANSACTIONS = """
CREATE VIEW records AS SELECT *, {kind} AS kind FROM GRCKFHZMX;
CREATE VIEW east_transactions AS
WITH reversals AS (
    SELECT GRCKZH, BZ, abs(JYJE) AS size, HXJYRQ, count(*) AS n FROM GRCKFHZMX
    WHERE CBMBZ = '冲补抹' GROUP BY ALL
), reversed AS (
    SELECT GRCKZH, HXJYRQ, JYXLH, HXJYSJ FROM (
        SELECT t.*, n, row_number() OVER (PARTITION BY t.GRCKZH, t.BZ, size, t.HXJYRQ
            ORDER BY HXJYSJ DESC, JYXLH) AS nth
        FROM GRCKFHZMX t JOIN reversals r ON t.GRCKZH = r.GRCKZH AND t.BZ = r.BZ
            AND abs(JYJE) = size AND t.HXJYRQ = r.HXJYRQ
        WHERE CBMBZ IS DISTINCT FROM '冲补抹') WHERE nth <= n
)
SELECT KHTYBH AS customer_id, HXJYRQ AS transacted_on, kind, JYLX, JYQD,
    CASE JYJDBZ WHEN '借' THEN -{cny} ELSE {cny} END AS amount
FROM (SELECT *, JYJE AS amount FROM records) LEFT JOIN rates USING (as_of, BZ)
ANTI JOIN reversed USING (GRCKZH, HXJYRQ, JYXLH, HXJYSJ)
WHERE CBMBZ IS DISTINCT FROM '冲补抹' AND KHTYBH IS NOT NULL"""
# The balance of each day is that after its last record; before the first it is the opening one. An
# account whose last record does not leave its balance, or whose number is not its own, is left out.
_REBUILT = """
INSERT INTO averages
WITH own AS (
    SELECT number, BZ, any_value(account_id) AS account_id, arg_max(rate, as_of) AS rate,
        COALESCE(sum(amount) FILTER (as_of = {end} AND NOT is_closed), 0) AS closing
    FROM accounts WHERE as_of BETWEEN {start} - 1 AND {end} AND is_persons
    GROUP BY ALL HAVING count(DISTINCT account_id) = 1
), days AS (
    SELECT GRCKZH AS number, BZ, HXJYRQ AS day,
        arg_max(ZHYE, concat(HXJYSJ, chr(length(JYXLH)::INTEGER), JYXLH)) AS balance
    FROM GRCKFHZMX WHERE HXJYRQ BETWEEN {start} AND {end} GROUP BY ALL
    UNION ALL SELECT number, BZ, {start} - 1, amount FROM accounts
    WHERE as_of = {start} - 1 AND is_persons
), steps AS (
    SELECT *, lead(day, 1, {end} + 1) OVER (PARTITION BY number, BZ ORDER BY day)
        - greatest(day, {start}) AS length FROM days
)
SELECT {end} AS as_of, any_value(account_id),
    -- Whole cents, rounded half away from zero: the quotient would be a float.
    (sign(sum(balance * length)) * ((200 * abs(sum(balance * length)))::HUGEINT + {days})
        // (2 * {days}) / 100)::DECIMAL(18, 2) * COALESCE(any_value(rate), 1)
FROM own JOIN steps USING (number, BZ) GROUP BY number, BZ, closing
HAVING arg_max(balance, day) = closing AND count(*) = count(balance)"""
_UNTOLD = """accounts WHERE as_of = {end} AND is_persons AND NOT is_closed
AND account_id NOT IN (SELECT account_id FROM averages WHERE as_of = {end})"""
_MONTH_ENDS = """
INSERT INTO averages
SELECT {end}, account_id, round(sum(balance) / 3, 2) FROM (
    SELECT as_of, account_id, balance FROM accounts WHERE NOT is_closed
    UNION ALL SELECT as_of, account_id, balance FROM wealth)
WHERE as_of BETWEEN {start} AND {end}
    AND account_id NOT IN (SELECT account_id FROM averages WHERE as_of = {end}) GROUP BY ALL"""
_OWNED = """
CREATE VIEW owned AS -- what customers have, and since when
SELECT as_of, customer_id, KHRQ AS day FROM accounts
UNION ALL SELECT as_of, KHTYBH, KKRQ FROM JJKXXB
UNION ALL SELECT as_of, customer_id, FFRQ FROM loans
UNION ALL SELECT as_of, customer_id, NULL FROM cards
UNION ALL SELECT as_of, customer_id, LCZHKHRQ FROM wealth"""
_PERSONS = """
CREATE TABLE persons AS
WITH seen AS (SELECT customer_id, min(as_of) AS first FROM owned GROUP BY ALL), known AS (
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
), since AS (SELECT customer_id, min(day) AS day FROM owned GROUP BY ALL), moved AS (
    SELECT as_of, customer_id, max(SCDHRQ) AS day,
        -- Of accounts on a business licence no transactions are read.
        max(SCDHRQ) FILTER (NOT is_persons) AS traded,
        bool_and(state = 'frozen') AS is_frozen
    FROM accounts WHERE NOT is_closed OR XHRQ IS NOT NULL GROUP BY ALL
), active AS (
    SELECT d.as_of, customer_id, max(day) AS day,
        (sum(n) FILTER (day >= date_trunc('quarter', d.as_of)))::BIGINT AS n
    FROM (SELECT customer_id, max(transacted_on) AS day, count(*) AS n FROM east_transactions
        WHERE kind NOT IN ({passive}) GROUP BY customer_id, last_day(transacted_on)) t
    JOIN (SELECT DISTINCT as_of FROM people) d ON day <= d.as_of GROUP BY ALL
)
SELECT as_of, customer_id, NBJGH AS branch_id,
    CASE WHEN trades THEN 'sole_trader' ELSE 'personal' END AS customer_type,
    since.day AS relationship_since, closed_on,
    -- Before the first whole month nothing is known but that no account moved later.
    CASE WHEN whole_from IS NULL THEN COALESCE(greatest(active.day, moved.day), closed_on)
        ELSE greatest(active.day, traded,
            CASE WHEN active.day IS NULL AND moved.day IS NOT NULL
                THEN least(moved.day, whole_from - 1) END)
        END AS last_active_on,
    {transactions}
    CSNY AS birth_date, CASE XB WHEN '男' THEN 'male' WHEN '女' THEN 'female' END AS gender,
    CASE WHEN farms THEN 'farmers' END AS groups,
    CASE WHEN works_here THEN 'staff' WHEN is_frozen THEN 'frozen'
        WHEN CSNY + INTERVAL 18 YEAR > as_of THEN 'minor' END AS exclusion
FROM people LEFT JOIN since USING (customer_id) LEFT JOIN moved USING (as_of, customer_id)
LEFT JOIN active USING (as_of, customer_id) LEFT JOIN whole USING (as_of)"""
_HOLDINGS = """
WITH held AS (
    SELECT as_of, account_id, customer_id, product, balance, NBJGH, KHRQ AS opened_on,
        NULL::DATE AS matures_on, NULL::BOOLEAN AS used_recently FROM accounts WHERE NOT is_closed
    UNION ALL -- closed within the quarter: of its average only
    SELECT v.as_of, v.account_id, arg_max(customer_id, a.as_of), arg_max(product, a.as_of), 0,
        arg_max(NBJGH, a.as_of), NULL, NULL, NULL FROM averages v JOIN accounts a USING (account_id)
    WHERE a.as_of <= v.as_of AND average > 0 AND product IS NOT NULL GROUP BY ALL
    HAVING max(a.as_of) < v.as_of OR bool_or(is_closed AND a.as_of = v.as_of)
    UNION ALL SELECT w.as_of, account_id, w.customer_id, 'wealth', w.balance, p.NBJGH, LCZHKHRQ,
        NULL, NULL FROM wealth w JOIN persons p USING (as_of, customer_id)
    UNION ALL SELECT as_of, account_id, customer_id, 'loan', balance, NBJGH, FFRQ, DQRQ, NULL
    FROM loans WHERE is_open
    UNION ALL SELECT c.as_of, account_id, customer_id, 'credit_card', balance, NBJGH, NULL, NULL,
        EXISTS (FROM cards b WHERE b.account_id = c.account_id AND is_used AND b.as_of <= c.as_of
            AND b.as_of >= date_trunc('quarter', c.as_of)) FROM cards c
    WHERE ZHZT IS DISTINCT FROM '销户'
    UNION ALL SELECT as_of, KH, KHTYBH, 'social_security_card', 0, min(NBJGH), min(KKRQ), NULL, NULL
    FROM JJKXXB WHERE KPZT IS DISTINCT FROM '注销'
        AND (JJKCPMC LIKE '%社保%' OR JJKCPMC LIKE '%社会保障%')
    GROUP BY ALL
    UNION ALL SELECT p.as_of, s.product || '/' || p.customer_id, p.customer_id, s.product, 0,
        p.NBJGH, NULL, NULL, true FROM persons p JOIN (
        SELECT customer_id, date_trunc('quarter', transacted_on) AS quarter,
            CASE WHEN kind = 'salary' AND amount > 0 THEN 'payroll' ELSE 'mobile_banking' END
            AS product
        FROM east_transactions WHERE JYQD LIKE '%手机银行%' OR (kind = 'salary' AND amount > 0)
        GROUP BY ALL) s
        ON s.customer_id = p.customer_id AND s.quarter = date_trunc('quarter', p.as_of)
    WHERE p.as_of IN (SELECT as_of FROM whole WHERE is_quarter)
)
SELECT held.* EXCLUDE (NBJGH), NBJGH AS booking_branch_id {average} FROM held
LEFT JOIN averages USING (as_of, account_id) SEMI JOIN persons USING (as_of, customer_id)"""
_ABOVE = """
CREATE TABLE above AS -- every institution with all that are above it
WITH RECURSIVE tree AS (
    SELECT DISTINCT NBJGH, SJGLNBJGH AS parent FROM JGGXB WHERE SJGLNBJGH IS NOT NULL
), above AS (
    FROM tree UNION SELECT a.NBJGH, t.parent FROM above a JOIN tree t ON t.NBJGH = a.parent
) FROM above WHERE parent <> NBJGH"""
# An institution that a merger took from JGXXB may still own customers and accounts.
_BRANCHES = """
CREATE TABLE east_branches AS
WITH owning AS (
    SELECT NBJGH FROM persons UNION SELECT NBJGH FROM accounts WHERE NOT is_closed
    UNION SELECT NBJGH FROM loans UNION SELECT NBJGH FROM cards UNION SELECT NBJGH FROM JJKXXB
), newest AS (
    SELECT NBJGH, arg_max(YHJGMC, as_of) AS name, arg_max(JGLB, as_of) AS JGLB,
        arg_max(XZQHDM, as_of) AS area, max(CLRQ) AS opened_on,
        min(as_of) FILTER (YYZT = '停业') AS stopped, max(as_of) AS last FROM JGXXB GROUP BY NBJGH
    UNION ALL SELECT NBJGH, NBJGH, NULL, NULL, NULL, NULL, NULL FROM owning
    WHERE NBJGH IS NOT NULL AND NBJGH NOT IN (SELECT NBJGH FROM JGXXB)
), tree AS (
    SELECT NBJGH, arg_max(SJGLNBJGH, as_of) AS parent, arg_max(SJGLJGMC, as_of) AS parent_name
    FROM JGGXB GROUP BY NBJGH
)
SELECT n.NBJGH AS branch_id, name, opened_on, {type} AS type,
    CASE WHEN (SELECT count(*) FROM tree) = 0 THEN left(area, 4)
        WHEN above.parent <> '0' THEN t.parent_name END AS region,
    COALESCE(stopped, CASE WHEN last < (SELECT max(as_of) FROM JGXXB) THEN last END) AS closed_on
FROM newest n LEFT JOIN tree t USING (NBJGH) LEFT JOIN tree above ON above.NBJGH = t.parent
WHERE JGLB = '营业机构' OR n.NBJGH IN (FROM owning)"""
_STEPS = (
    *(_SOLE_TRADERS, _RATES, _ACCOUNTS, _LOANS, _CARDS, _WEALTH, _TRANSACTIONS),
    *(_OWNED, _PERSONS, _LEFT, _ABOVE, _BRANCHES),
)
# Institutions hold the figures of those below them, too; the lowest may have none of their own.
_LEDGER = """
WITH own AS (
    FROM ZZKJQKMB WHERE BSZQ = '月报' AND BZ = 'BWB' AND KJRQ = as_of AND {product} IS NOT NULL
)
SELECT NBJGH AS branch_id, as_of, {product} AS product,
    sum((COALESCE(QMDFYE, 0) - COALESCE(QMJFYE, 0))
        * CASE WHEN {product} IN ('loan', 'credit_card') THEN -1 ELSE 1 END) AS balance
FROM own WHERE NBJGH IN (SELECT branch_id FROM east_branches)
    AND (as_of, NBJGH) NOT IN (SELECT (as_of, parent) FROM own JOIN above USING (NBJGH))
GROUP BY ALL"""
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
    source: Path | Mapping[str, str],
    options: Mapping[str, Any],
) -> LayoutFiles:
    """Return EAST tables, of a folder or of a database, with the contract's that they can fill.

    `options` is the mapping's `[layout]`. With problems no table is made.
    """
    layout = _read_once(Path(__file__).with_suffix(".toml"))
    orders = options.get("orders", {})
    for code, order in orders.items():
        require_known("order", code, layout["tables"])
        if twice := sorted({name for name in order if order.count(name) > 1}):
            raise UsageError(say("order_states_twice", code, twice))
    files = LayoutFiles(connection, copies, layout, orders)
    if isinstance(source, Path):
        files.read(source)
    else:
        files.read_tables(source)
    east5_checks.check_days(files)
    if files.problems:
        return files
    words = {name: {**layout.get(name, {}), **options.get(name, {})} for name in _OPTIONS}
    _define(files, words)
    east5_checks.check_meaning(files)
    if files.problems:
        return files
    tables = _tables(files, words["subjects"])
    files.tables = {name: copies / f"{name}.parquet" for name in tables}
    for name, sql in tables.items():
        connection.execute(f"COPY ({sql}) TO {literal(str(files.tables[name]))} (FORMAT parquet)")
    east5_checks.warn_of_gaps(files)
    return files


def _define(files: LayoutFiles, words: Mapping[str, Mapping[str, str]]) -> None:
    """Define what the tables of the contract are made from."""
    cny = "(CASE BZ WHEN 'CNY' THEN amount ELSE amount::DECIMAL(20, 2) * rate END)"
    blanks = {
        "cny": f"round({cny}, 2)::DECIMAL(18, 2)",
        "product": _cases("kind", words["products"]),
        "state": _cases("ZHZT", words["states"]),
        "kind": _cases("JYLX", words["kinds"]),
        "type": _cases("n.NBJGH", words["branch_types"]),
    }
    for sql in _STEPS:
        files.connection.execute(sql.format(**blanks))
    _define_whole(files)
    _define_averages(files)


def _cases(column: str, words: Mapping[str, str]) -> str:
    cases = " ".join(f"WHEN {literal(key)} THEN {literal(word)}" for key, word in words.items())
    return f"(CASE {column} {cases} END)" if cases else "NULL::VARCHAR"


def _quarter_start(day: date) -> date:
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)


def _define_whole(files: LayoutFiles) -> None:
    """Define since when the transactions up to each day are whole; and if its quarter's are."""
    cut, whole = east5_checks.cut_months(files), list[tuple[date, date | None, bool]]()
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
    run, ends, is_one = files.connection.execute, files.days["GRCKFHZ"], len(files.licences) == 1
    run("CREATE TABLE averages (as_of DATE, account_id VARCHAR, average DECIMAL(18, 2))")
    whole = run("SELECT as_of FROM whole WHERE is_quarter").fetchall()
    for end in (day for day in ends if day.month % 3 == 0):
        start = _quarter_start(end)
        blanks = {"start": f"DATE '{start}'", "end": f"DATE '{end}'"}
        blanks["days"] = str((end - start).days + 1)
        is_rebuilt = is_one and (end,) in whole and start - timedelta(days=1) in ends
        of_months = len([day for day in ends if start <= day <= end]) == _MONTHS
        if is_rebuilt:
            run(_REBUILT.format(**blanks))
            rows = files.count(_UNTOLD.format(**blanks))
            files.notes_of_gaps += [say("no_average", rows, end)] if rows else []
        if of_months:
            run(_MONTH_ENDS.format(**blanks))
        way = "rebuilt" if is_rebuilt else "month_ends" if of_months else "period_ends"
        files.approximations.setdefault(way, []).append(str(Quarter.ending_on(end)))


def _tables(files: LayoutFiles, subjects: Mapping[str, str]) -> dict[str, str]:
    """Return the SQL of the contract's tables; activity as far as the transactions tell it."""
    transactions = average = ""
    if files.count("whole WHERE is_quarter"):
        transactions = "CASE WHEN is_quarter AND traded IS NULL THEN COALESCE(n, 0) END"
        transactions += " AS active_transactions,"
    if files.count("averages"):
        average = ", COALESCE(average, balance) AS average_balance"
    else:  # said of every bank without averages
        files.approximations.pop("period_ends", None)
    passive = ", ".join(map(literal, _PASSIVE))
    tables = {
        "branches": "FROM east_branches",
        "customers": _CUSTOMERS.format(transactions=transactions, passive=passive),
        "holdings": _HOLDINGS.format(average=average),
    }
    if files.days["GRCKFHZMX"] and not east5_checks.cut_months(files):
        tables["transactions"] = _TRANSACTION_ROWS
    if files.days["ZZKJQKMB"] and files.days["JGGXB"] and subjects:
        tables["ledger"] = _LEDGER.format(product=_cases("KJKMBH", subjects))
    return tables
