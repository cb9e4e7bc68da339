"""EAST 5.0: what in the tables has no meaning, and what of them is left out or not exact.

What would give wrong figures is a problem; what is left out is counted in a warning.
"""

from __future__ import annotations

import warnings
from datetime import date

from stockcust_analysis.bank.layouts.reader import LayoutFiles

_CUT_AT = 1000
_WITHOUT_RATE = "BZ <> 'CNY' AND (as_of, BZ) NOT IN (SELECT (as_of, BZ) FROM rates)"
_LEDGER_ROWS = "SELECT count(*) FROM ZZKJQKMB WHERE BSZQ = '月报' AND BZ = 'BWB' AND KJRQ = as_of"
_ORDER = "Are the fields in another order? State it: [layout.orders] {0} = [...]."
# What must have an owner: name, the table that it is from, where it is, what is open, the owner.
_OWNED = (
    ("accounts", "GRCKFHZ", "accounts", "NOT is_closed", "customer_id"),
    ("loans", "GRXDFHZ", "loans", "is_open", "customer_id"),
    ("credit cards", "XYKSXQKB", "cards", "ZHZT IS DISTINCT FROM '销户'", "customer_id"),
    ("positions of wealth products", "KHLCCPCYXXB", "wealth", "true", "customer_id"),
    ("debit cards", "JJKXXB", "JJKXXB", "KPZT IS DISTINCT FROM '注销'", "KHTYBH"),
)
_OWNERS = """
SELECT count(*) FILTER (NOT is_known), count({owner}) FILTER (NOT is_known), count({owner})
FROM (SELECT *, COALESCE(
        (as_of, {owner}) IN (SELECT (as_of, customer_id) FROM persons), false) AS is_known
    FROM {table} WHERE {is_open}) GROUP BY as_of"""
# Records of transactions of customers that no file has, of anybody, and all.
_STRANGERS = """
SELECT sum(n) FILTER (NOT is_known AND KHTYBH IS NOT NULL), sum(n) FILTER (KHTYBH IS NOT NULL),
    sum(n)
FROM (SELECT KHTYBH, count(*) AS n, COALESCE(KHTYBH IN (
        SELECT customer_id FROM persons UNION ALL SELECT customer_id FROM leavers), false)
        AS is_known
    FROM records WHERE kind IS NOT NULL GROUP BY KHTYBH)"""
# What in one row may be so, and in most of a month's tells that columns are in each other's place:
# table, columns, the rows at fault, what is wrong, and of which rows, where not of all.
_DAYS = "(ZHZT = '正常' AND XHRQ IS NOT NULL) OR SCDHRQ < KHRQ"
_IN_USE = "accounts in use have a day of closing, or moved last before they were opened"
_ELSEWHERE = "NBJGH NOT IN (SELECT NBJGH FROM JGXXB)"
_LACKING = "are of institutions that JGXXB (101) lacks"
_PAID = "records of what customers are paid are taken from them (借)"
_HARDLY = (
    ("GRJCXXB", "NBJGH", _ELSEWHERE, f"customers {_LACKING}"),
    ("GRCKFHZ", "NBJGH", _ELSEWHERE, f"accounts {_LACKING}"),
    ("GRCKFHZ", "KHRQ, XHRQ, SCDHRQ", _DAYS, _IN_USE),
    ("DGCKFHZ", "KHRQ, XHRQ, SCDHRQ", _DAYS, _IN_USE),
    ("GRJCXXB", "BHYGBZ", "BHYGBZ = '是'", "persons are the bank's own staff"),
    ("GRCKFHZMX", "CBMBZ", "CBMBZ = '冲补抹'", "records are reversals"),
    ("GRCKFHZMX", "JYJDBZ", "JYJDBZ = '借'", _PAID, "JYLX IN ('代发', '结息', '存现')"),
    ("GRXDFHZ", "FFRQ, DQRQ", "DQRQ < FFRQ", "loans are due before they were made"),
    ("GRXDFHZ", "DKYE", "DKYE < 0", "loans owe less than nothing", "DKYE <> 0"),
    ("XYKSXQKB", "TZJE", "TZJE < 0", "credit cards owe less than nothing", "TZJE <> 0"),
)
_MOST = """
SELECT sum(n) FROM (
    SELECT count(*) FILTER ({wrong}) AS n FROM {code} WHERE {of} GROUP BY as_of
    HAVING 2 * n > count(*))"""
_PER_UNIT = "(1, 10, 100, 1000, 10000)"
_RATES = (
    (
        "WBSL",
        f"SELECT count(*) FROM HLXXB WHERE WBSL > 0 AND WBSL NOT IN {_PER_UNIT}",
        "rates for a number of units that is neither 1 nor 100",
    ),
    (
        "WBSL, ZBBSL",
        """SELECT count(*) FROM (SELECT WBBZ FROM HLXXB WHERE WBSL > 0 AND ZBBSL > 0
            GROUP BY WBBZ, BBBZ HAVING max(ZBBSL / WBSL) > 10 * min(ZBBSL / WBSL))""",
        "rates of one currency that differ more than ten times",
    ),
)
_CHANNELS = "柜面|ATM|VTM|POS|网银|手机银行|银联交易|第?三方支付|其他"
# What is left out or taken for something else, and how often.
_LEFT_OUT = {
    "closed accounts (销户) that still have a balance": """
        SELECT count(*) FROM accounts WHERE is_closed AND amount <> 0""",
    "loans whose accounts show different balances, of which the largest is taken": """
        SELECT count(*) FROM (SELECT 1 FROM GRXDFHZ WHERE DKZT IN ('正常', '逾期')
            GROUP BY as_of, XDJJH, BZ HAVING min(DKYE) < max(DKYE))""",
    "persons without any account (guarantors, spouses)": """
        SELECT count(DISTINCT KHTYBH) FROM GRJCXXB
        WHERE KHTYBH NOT IN (SELECT customer_id FROM persons)""",
    "sole traders without an account in DGCKFHZ (405)": """
        SELECT count(DISTINCT KHTYBH) FROM sole_traders
        WHERE KHTYBH NOT IN (SELECT customer_id FROM persons)""",
    "institutions that are no 营业机构, taken for branches as customers are theirs": """
        SELECT count(DISTINCT NBJGH) FROM JGXXB
        WHERE JGLB <> '营业机构' AND NBJGH IN (SELECT NBJGH FROM persons)""",
    "institutions of customers or accounts that JGXXB (101) lacks, shown by their number": """
        SELECT count(*) FROM east_branches WHERE branch_id NOT IN (SELECT NBJGH FROM JGXXB)""",
    "branches gone from JGXXB without 停业, closed at the end of their last month": """
        SELECT count(*) FROM (
            SELECT max(as_of) AS last, bool_or(YYZT = '停业') AS stopped FROM JGXXB
            WHERE JGLB = '营业机构' GROUP BY NBJGH)
        WHERE NOT stopped AND last < (SELECT max(as_of) FROM JGXXB)""",
    "rates of currencies in use that are more than a month old": """
        SELECT count(*) FROM rates WHERE day < as_of - 31
        AND (as_of, BZ) IN (SELECT (as_of, BZ) FROM accounts)""",
    "rates of more than 100 CNY for one unit: is WBSL that of ZBBSL?": """
        SELECT count(*) FROM rates WHERE rate > 100 AND BZ NOT LIKE 'X%'
        AND (as_of, BZ) IN (SELECT (as_of, BZ) FROM accounts)""",
    "records of transactions of a day that is not in their file's month": """
        SELECT count(*) FROM GRCKFHZMX WHERE last_day(HXJYRQ) IS DISTINCT FROM as_of""",
    "persons without a kind (BXYGBZ), taken for personal customers": """
        SELECT count(DISTINCT KHTYBH) FROM GRJCXXB WHERE BXYGBZ IS NULL""",
    "customers of DGKHXXB (203), of which none is called 个体 in KHLX": """
        SELECT count(*) FROM DGKHXXB WHERE NOT EXISTS (FROM sole_traders)""",
    "credit cards in a state (ZHZT) that no account has, taken for cards in use": """
        SELECT count(*) FROM cards
        WHERE NOT regexp_matches(ZHZT, '^(正常|预?销户|冻结|止付|其他)')""",
    "records of transactions by channels (JYQD) that the standard does not list": f"""
        SELECT sum(n) FROM (SELECT JYQD, count(*) AS n FROM GRCKFHZMX GROUP BY ALL)
        WHERE NOT regexp_full_match(JYQD, '(({_CHANNELS})[^;]*(;|$))+')""",
    "records of transactions of other kinds, or of nobody": """
        SELECT count(*) FROM records WHERE KHTYBH IS NULL OR kind IS NULL""",
    "accounts without a state (ZHZT), taken for accounts in use": """
        SELECT count(*) FROM (SELECT ZHZT FROM GRCKFHZ UNION ALL SELECT ZHZT FROM DGCKFHZ)
        WHERE ZHZT IS NULL""",
    "month(s) with as many accounts (403) as another, and as much: is one there twice?": """
        SELECT count(*) - count(DISTINCT sums) FROM (
            SELECT (count(*), sum(amount)) AS sums FROM accounts WHERE is_persons
            GROUP BY as_of HAVING count(*) > 100)""",
    "month(s) of GRCKFHZMX (404) with less than half the records of another: cut off?": """
        SELECT count(*) FILTER (2 * n < most AND most > 100) FROM (
            SELECT count(*) AS n, max(count(*)) OVER () AS most FROM GRCKFHZMX
            WHERE JYLX NOT LIKE '其他%' GROUP BY as_of)""",
    "positions of KHLCCPCYXXB (1108) that the next month lacks without 销户: is it full?": """
        SELECT count(*) FROM KHLCCPCYXXB WHERE ZHZT IS DISTINCT FROM '销户'
        AND last_day(as_of + 1) IN (SELECT as_of FROM KHLCCPCYXXB)
        AND (LCZH, LCCPDM, last_day(as_of + 1)) NOT IN (
            SELECT (LCZH, LCCPDM, as_of) FROM KHLCCPCYXXB)""",
}
_NUMBERS = r"""
SELECT count(*) FILTER (regexp_matches(KHTYBH, '[0-9a-f]{64}')), count(*) FILTER (
    regexp_matches(KHTYBH, '\d{6}(19|20)\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dX]')) FROM (
    SELECT KHTYBH FROM GRJCXXB UNION SELECT customer_id FROM owned
    UNION SELECT KHTYBH FROM GRCKFHZMX)"""
_HAS_PERSONS = "SELECT count(*) FROM persons"


def check_days(files: LayoutFiles) -> None:
    """Note full tables that lack a month which the accounts have."""
    for code, entry in files.layout["tables"].items():
        other = "GRJCXXB" if code == "GRCKFHZ" else "GRCKFHZ"
        lacking = sorted({*files.days[other]} - {*files.days[code]})
        if entry.get("full") and files.days[code] and lacking:
            what = f"no file of {', '.join(map(str, lacking))}, which {other} has"
            files.note(code, "", what, "Deliver every table for every month's last day.")


def check_meaning(files: LayoutFiles) -> None:
    """Note what no rule says the meaning of: currencies without a rate, kinds of account."""
    amounts = {table: (code, "balance IS NULL") for _, code, table, *_ in _OWNED if table != code}
    amounts["GRCKFHZMX"] = ("GRCKFHZMX", _WITHOUT_RATE)
    for table, (code, where) in amounts.items():
        remedy = "Deliver HLXXB (1001) with the day's rate, or one of an earlier day."
        sql = f"SELECT count(*) FROM {table} WHERE {where}"
        _check(files, code, "BZ", "a foreign currency without a rate", remedy, sql)
    if files.count("SELECT count(*) FROM accounts") and not files.count(_HAS_PERSONS):
        what = "none of these customers has an account, a loan or a card in the other tables"
        files.note("GRJCXXB", "KHTYBH", what, _ORDER.format("GRJCXXB"))
    else:
        _check_owners(files)
        for code, column, table in (("GRXDFHZ", "XDJJH", "loans"), ("XYKSXQKB", "XYKZH", "cards")):
            shared = f"SELECT 1 FROM {table} GROUP BY as_of, account_id HAVING count(*) > 1"
            what, sql = "one number of several customers", f"SELECT count(*) FROM ({shared})"
            _check(files, code, column, what, _ORDER.format(code), sql)
    for code, column, wrong, what, *of in _HARDLY:
        sql = _MOST.format(code=code, wrong=wrong, of=of[0] if of else "true")
        _check(files, code, column, what, _ORDER.format(code), sql)
    for column, sql, what in _RATES:
        _check(files, "HLXXB", column, what, _ORDER.format("HLXXB"), sql)
    masked, plain = files.connection.execute(_NUMBERS).fetchall()[0]
    if masked and plain:
        what = (
            f"{masked:,} customers' numbers are masked (变形) and {plain:,} hold an identity number"
        )
        files.note("GRJCXXB", "KHTYBH", what, "They do not join: deliver all masked or none.")
    elif masked:
        what = "customers' numbers are masked (变形): those of files beside these must be, too"
        files.notes_of_gaps.append(f"{masked:,} {what}")
    sql = "SELECT count(*) FROM accounts WHERE product IS NULL AND NOT is_closed"
    remedy = 'Say what it is in the mapping: [layout.products] "…" = "time_deposit".'
    _check(files, "GRCKFHZ", "GRCKZHLX", "a kind of account that is not known", remedy, sql)
    sql = "SELECT count(*) FROM accounts WHERE state NOT IN ('open', 'closed', 'frozen')"
    remedy = 'Say what it is in the mapping: [layout.states] "…" = "open" (closed, frozen).'
    _check(files, "GRCKFHZ", "ZHZT", "a state of an account that is not known", remedy, sql)


def _check(files: LayoutFiles, code: str, column: str, what: str, remedy: str, sql: str) -> None:
    """Note a problem where a query counts rows of a table delivered that have it."""
    if files.days[code] and (rows := files.count(sql)):
        files.note(code, column, what, remedy, rows)


def _check_owners(files: LayoutFiles) -> None:
    """Note tables most of whose customers are in no other in a month; count what is of nobody."""
    what = "most customers {} are in no file of customers".format
    remedy = "{} If they are numbered otherwise, leave the file out.".format
    strange, owned, moves = (n or 0 for n in files.connection.execute(_STRANGERS).fetchall()[0])
    if 2 * strange > owned or (moves and not owned):
        said = remedy(_ORDER.format("GRCKFHZMX"))
        files.note("GRCKFHZMX", "KHTYBH", what("with transactions"), said)
    elif strange:
        records = "records of transactions of customers that are in no file of customers"
        files.notes_of_gaps.append(f"{strange:,} {records}")
    for name, code, table, is_open, owner in (e for e in _OWNED if files.days[e[1]]):
        sql = _OWNERS.format(table=table, is_open=is_open, owner=owner)
        days = files.connection.execute(sql).fetchall()
        if most := sum(strange for _, strange, owned in days if 2 * strange > owned):
            files.note(code, "KHTYBH", what("of a month"), remedy(_ORDER.format(code)), most)
        if rows := sum(unknown for unknown, *_ in days):
            of_nobody = "whose customer is empty or in no file of customers"
            files.notes_of_gaps.append(f"{rows:,} {name} {of_nobody}")


def cut_months(files: LayoutFiles) -> list[date]:
    """Return the months whose transactions are those delivered: none below 1,000."""
    sql = f"""SELECT as_of FROM GRCKFHZMX WHERE BZ = 'CNY'
        GROUP BY as_of HAVING min(abs(JYJE)) >= {_CUT_AT} ORDER BY as_of"""
    return [day for (day,) in files.connection.execute(sql).fetchall()]


def warn_of_gaps(files: LayoutFiles) -> None:
    """Warn of what was left out, with its number, and of what is not exact."""
    notes = [f"{n:,} {what}" for what, sql in _LEFT_OUT.items() if (n := files.count(sql))]
    notes += files.notes_of_gaps
    if months := ", ".join(map(str, cut_months(files))):
        notes.append(
            f"GRCKFHZMX (404) of {months} has nothing below {_CUT_AT:,}, as it is delivered: the "
            "last activity is also taken from SCDHRQ, which interest may move; no number of "
            "transactions, no payroll, no mobile banking"
        )
    elif not files.days["GRCKFHZMX"]:
        notes.append("without GRCKFHZMX (404) the last activity is SCDHRQ, which interest may move")
    elif quarters := ", ".join(files.approximations.get("cut", [])):
        notes.append(
            f"GRCKFHZMX (404) lacks months of {quarters}: no number of transactions, no payroll "
            "and no mobile banking there"
        )
    no_ledger = "ZZKJQKMB (401) gives no ledger"
    if files.days["ZZKJQKMB"] and not files.count(_LEDGER_ROWS):
        notes.append(f"{no_ledger}: it has no 月报 in BWB of the month's last day")
    elif files.days["ZZKJQKMB"] and not files.days["JGGXB"]:
        below = "it holds what is below an institution twice"
        notes.append(f"{no_ledger} without JGGXB (105): {below}")
    elif files.days["ZZKJQKMB"] and "ledger" not in files.tables:
        notes.append(f"{no_ledger}: state products in [layout.subjects]")
    if not files.days["KHLCCPCYXXB"]:
        notes.append("deposits are all that is known of AUM, but for files that add to holdings")
    for note in notes:
        warnings.warn(f"EAST 5.0: {note}.".replace("?.", "?"), stacklevel=2)
