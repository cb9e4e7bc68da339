"""EAST 5.0: what in the tables has no meaning, and what of them is left out or not exact.

What would give wrong figures is a problem; what is left out is counted in a warning.
"""

from __future__ import annotations

import warnings
from datetime import date

from stockcust_analysis.bank.layouts.reader import LayoutFiles
from stockcust_analysis.errors import Words, advise, say

_CUT_AT = 1000
_WITHOUT_RATE = "BZ <> 'CNY' AND (as_of, BZ) NOT IN (SELECT (as_of, BZ) FROM rates)"
_LEDGER_ROWS = "ZZKJQKMB WHERE BSZQ = '月报' AND BZ = 'BWB' AND KJRQ = as_of"
# What must have an owner: its name, the table it is from, where it is, what is open, the owner.
_OWNED = (
    ("accounts", "GRCKFHZ", "accounts", "NOT is_closed", "customer_id"),
    ("loans", "GRXDFHZ", "loans", "is_open", "customer_id"),
    ("cards", "XYKSXQKB", "cards", "ZHZT IS DISTINCT FROM '销户'", "customer_id"),
    ("wealth", "KHLCCPCYXXB", "wealth", "true", "customer_id"),
    ("debit_cards", "JJKXXB", "JJKXXB", "KPZT IS DISTINCT FROM '注销'", "KHTYBH"),
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
# table, columns, the rows at fault, what is said of it, and of which rows, where not of all.
_DAYS = "(ZHZT = '正常' AND XHRQ IS NOT NULL) OR SCDHRQ < KHRQ"
_ELSEWHERE = "NBJGH NOT IN (SELECT NBJGH FROM JGXXB)"
_HARDLY = (
    ("GRJCXXB", "NBJGH", _ELSEWHERE, "customers_elsewhere"),
    ("GRCKFHZ", "NBJGH", _ELSEWHERE, "accounts_elsewhere"),
    ("GRCKFHZ", "KHRQ, XHRQ, SCDHRQ", _DAYS, "in_use_closed"),
    ("DGCKFHZ", "KHRQ, XHRQ, SCDHRQ", _DAYS, "in_use_closed"),
    ("GRJCXXB", "BHYGBZ", "BHYGBZ = '是'", "own_staff"),
    ("GRCKFHZMX", "CBMBZ", "CBMBZ = '冲补抹'", "reversals"),
    ("GRCKFHZMX", "JYJDBZ", "JYJDBZ = '借'", "paid_taken", "JYLX IN ('代发', '结息', '存现')"),
    ("GRXDFHZ", "FFRQ, DQRQ", "DQRQ < FFRQ", "due_before"),
    ("GRXDFHZ", "DKYE", "DKYE < 0", "loans_below", "DKYE <> 0"),
    ("XYKSXQKB", "TZJE", "TZJE < 0", "cards_below", "TZJE <> 0"),
)
_MOST = """(SELECT unnest(range(n)) FROM (
    SELECT count(*) FILTER ({wrong}) AS n FROM {code} WHERE {of} GROUP BY as_of
    HAVING 2 * n > count(*)))"""
_RATES = (
    ("WBSL", "HLXXB WHERE WBSL > 0 AND WBSL NOT IN (1, 10, 100, 1000, 10000)", "odd_units"),
    (
        "WBSL, ZBBSL",
        """(SELECT WBBZ FROM HLXXB WHERE WBSL > 0 AND ZBBSL > 0
            GROUP BY WBBZ, BBBZ HAVING max(ZBBSL / WBSL) > 10 * min(ZBBSL / WBSL))""",
        "rates_apart",
    ),
)
_CHANNELS = "柜面|ATM|VTM|POS|网银|手机银行|银联交易|第?三方支付|其他"
_IN_USE = "(as_of, BZ) IN (SELECT (as_of, BZ) FROM accounts)"
# Rows that are left out or taken for something else.
_LEFT_OUT = {
    "closed_with_balance": "accounts WHERE is_closed AND amount <> 0",
    "loans_differ": """(SELECT 1 FROM GRXDFHZ WHERE DKZT IN ('正常', '逾期')
        GROUP BY as_of, XDJJH, BZ HAVING min(DKYE) < max(DKYE))""",
    "without_account": """(SELECT DISTINCT KHTYBH FROM GRJCXXB)
        WHERE KHTYBH NOT IN (SELECT customer_id FROM persons)""",
    "traders_without_account": """(SELECT DISTINCT KHTYBH FROM sole_traders)
        WHERE KHTYBH NOT IN (SELECT customer_id FROM persons)""",
    "no_branch_but_owning": """(SELECT DISTINCT NBJGH FROM JGXXB WHERE JGLB <> '营业机构')
        WHERE NBJGH IN (SELECT NBJGH FROM persons)""",
    "unknown_institutions": "east_branches WHERE branch_id NOT IN (SELECT NBJGH FROM JGXXB)",
    "gone_without_closing": """(
            SELECT max(as_of) AS last, bool_or(YYZT = '停业') AS stopped FROM JGXXB
            WHERE JGLB = '营业机构' GROUP BY NBJGH)
        WHERE NOT stopped AND last < (SELECT max(as_of) FROM JGXXB)""",
    "old_rates": f"rates WHERE day < as_of - 31 AND {_IN_USE}",
    "high_rates": f"rates WHERE rate > 100 AND BZ NOT LIKE 'X%' AND {_IN_USE}",
    "day_of_other_month": "GRCKFHZMX WHERE last_day(HXJYRQ) IS DISTINCT FROM as_of",
    "persons_without_kind": "(SELECT DISTINCT KHTYBH FROM GRJCXXB WHERE BXYGBZ IS NULL)",
    "no_traders": "DGKHXXB WHERE NOT EXISTS (FROM sole_traders)",
    "states_of_cards": """cards
        WHERE NOT regexp_matches(ZHZT, '^(正常|预?销户|冻结|止付|其他)')""",
    "unlisted_channels": f"""(
        SELECT unnest(range(n)) FROM (SELECT JYQD, count(*) AS n FROM GRCKFHZMX GROUP BY ALL)
        WHERE NOT regexp_full_match(JYQD, '(({_CHANNELS})[^;]*(;|$))+'))""",
    "other_kinds": "records WHERE KHTYBH IS NULL OR kind IS NULL",
    "accounts_without_state": """(FROM GRCKFHZ SELECT ZHZT UNION ALL FROM DGCKFHZ SELECT ZHZT)
        WHERE ZHZT IS NULL""",
    "months_alike": """(SELECT (count(*), sum(amount)) AS sums FROM accounts WHERE is_persons
        GROUP BY as_of HAVING count(*) > 100 QUALIFY row_number() OVER (PARTITION BY sums) > 1)""",
    "months_cut": """(
            SELECT count(*) AS n, max(count(*)) OVER () AS most FROM GRCKFHZMX
            WHERE JYLX NOT LIKE '其他%' GROUP BY as_of)
        WHERE 2 * n < most AND most > 100""",
    "positions_gone": """KHLCCPCYXXB WHERE ZHZT IS DISTINCT FROM '销户'
        AND last_day(as_of + 1) IN (SELECT as_of FROM KHLCCPCYXXB)
        AND (LCZH, LCCPDM, last_day(as_of + 1)) NOT IN (
            SELECT (LCZH, LCCPDM, as_of) FROM KHLCCPCYXXB)""",
}
_NUMBERS = r"""
SELECT count(*) FILTER (regexp_matches(KHTYBH, '[0-9a-f]{64}')), count(*) FILTER (
    regexp_matches(KHTYBH, '\d{6}(19|20)\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dX]')) FROM (
    SELECT KHTYBH FROM GRJCXXB UNION SELECT customer_id FROM owned
    UNION SELECT KHTYBH FROM GRCKFHZMX)"""


def check_days(files: LayoutFiles) -> None:
    """Note full tables that lack a month which the accounts have."""
    for code, entry in files.layout["tables"].items():
        other = "GRJCXXB" if code == "GRCKFHZ" else "GRCKFHZ"
        lacking = sorted({*files.days[other]} - {*files.days[code]})
        if entry.get("full") and files.days[code] and lacking:
            files.note(code, "", *advise("month_lacking", lacking, other))


def check_meaning(files: LayoutFiles) -> None:
    """Note what no rule says the meaning of: currencies without a rate, kinds of account."""
    amounts = {table: (code, "balance IS NULL") for _, code, table, *_ in _OWNED if table != code}
    amounts["GRCKFHZMX"] = ("GRCKFHZMX", _WITHOUT_RATE)
    for table, (code, where) in amounts.items():
        _check(files, code, "BZ", *advise("without_rate"), f"{table} WHERE {where}")
    if files.count("accounts") and not files.count("persons"):
        files.note("GRJCXXB", "KHTYBH", say("nobody_owns"), say("other_order", "GRJCXXB"))
    else:
        _check_owners(files)
        for code, column, table in (("GRXDFHZ", "XDJJH", "loans"), ("XYKSXQKB", "XYKZH", "cards")):
            shared = f"(SELECT 1 FROM {table} GROUP BY as_of, account_id HAVING count(*) > 1)"
            _check(files, code, column, say("several_owners"), say("other_order", code), shared)
    for code, column, wrong, what, *of in _HARDLY:
        rows = _MOST.format(code=code, wrong=wrong, of=of[0] if of else "true")
        _check(files, code, column, say(what), say("other_order", code), rows)
    for column, rows, what in _RATES:
        _check(files, "HLXXB", column, say(what), say("other_order", "HLXXB"), rows)
    masked, plain = files.connection.execute(_NUMBERS).fetchall()[0]
    if masked and plain:
        files.note("GRJCXXB", "KHTYBH", *advise("masked_and_plain", masked, plain))
    elif masked:
        files.notes_of_gaps.append(say("masked", masked))
    rows = "accounts WHERE product IS NULL AND NOT is_closed"
    _check(files, "GRCKFHZ", "GRCKZHLX", *advise("kind_of_account"), rows)
    rows = "accounts WHERE state NOT IN ('open', 'closed', 'frozen')"
    _check(files, "GRCKFHZ", "ZHZT", *advise("state_of_account"), rows)


def _check(
    files: LayoutFiles, code: str, column: str, what: Words, remedy: Words, rows: str
) -> None:
    """Note a problem where there are rows, made from those of a table delivered, that have it."""
    if files.days[code] and (count := files.count(rows)):
        files.note(code, column, what, remedy, count)


def _check_owners(files: LayoutFiles) -> None:
    """Note tables most of whose customers are in no other in a month; count what is of nobody."""
    strange, owned, moves = (n or 0 for n in files.connection.execute(_STRANGERS).fetchall()[0])
    if 2 * strange > owned or (moves and not owned):
        files.note("GRCKFHZMX", "KHTYBH", *advise("most_who_trade", "GRCKFHZMX"))
    elif strange:
        files.notes_of_gaps.append(say("records_of_strangers", strange))
    for name, code, table, is_open, owner in (e for e in _OWNED if files.days[e[1]]):
        sql = _OWNERS.format(table=table, is_open=is_open, owner=owner)
        days = files.connection.execute(sql).fetchall()
        if most := sum(strange for _, strange, owned in days if 2 * strange > owned):
            files.note(code, "KHTYBH", *advise("most_of_a_month", code), most)
        if rows := sum(unknown for unknown, *_ in days):
            files.notes_of_gaps.append(say("of_nobody", rows, say(name)))


def cut_months(files: LayoutFiles) -> list[date]:
    """Return the months whose transactions are those delivered: none below 1,000."""
    sql = f"""SELECT as_of FROM GRCKFHZMX WHERE BZ = 'CNY'
        GROUP BY as_of HAVING min(abs(JYJE)) >= {_CUT_AT} ORDER BY as_of"""
    return [day for (day,) in files.connection.execute(sql).fetchall()]


def warn_of_gaps(files: LayoutFiles) -> None:
    """Warn of what was left out, with its number, and of what is not exact."""
    notes = [say(name, n) for name, rows in _LEFT_OUT.items() if (n := files.count(rows))]
    notes += files.notes_of_gaps
    if months := cut_months(files):
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
