"""EAST 5.0: what in the tables has no meaning, and what of them is left out or not exact.

What would give wrong figures is a problem; what is left out is counted in a warning.
"""

from __future__ import annotations

import warnings
from datetime import date

from stockcust_analysis.bank.layouts.reader import LayoutFiles

_CUT_AT = 1000
_IN_CURRENCY = {
    "accounts": "GRCKFHZ",
    "loans": "GRXDFHZ",
    "cards": "XYKSXQKB",
    "wealth": "KHLCCPCYXXB",
    "GRCKFHZMX": "GRCKFHZMX",
}
_WITHOUT_RATE = "BZ <> 'CNY' AND (as_of, BZ) NOT IN (SELECT (as_of, BZ) FROM rates)"
_LEDGER_ROWS = "SELECT count(*) FROM ZZKJQKMB WHERE BSZQ = '月报' AND BZ = 'BWB' AND KJRQ = as_of"
# What is left out or taken for something else, and how often.
_OF_NOBODY = """
    SELECT count(*) FROM {} WHERE {} AND (as_of, COALESCE({}, '')) NOT IN (
        SELECT (as_of, customer_id) FROM persons)"""
_NOWHERE = "whose customer is empty or in no file of customers"
_LEFT_OUT = {
    f"accounts {_NOWHERE}": _OF_NOBODY.format("accounts", "NOT is_closed", "customer_id"),
    f"loans {_NOWHERE}": _OF_NOBODY.format("loans", "is_open", "customer_id"),
    f"credit cards {_NOWHERE}": _OF_NOBODY.format(
        "cards", "ZHZT IS DISTINCT FROM '销户'", "customer_id"
    ),
    f"positions of wealth products {_NOWHERE}": _OF_NOBODY.format("wealth", "true", "customer_id"),
    f"debit cards {_NOWHERE}": _OF_NOBODY.format(
        "JJKXXB", "KPZT IS DISTINCT FROM '注销'", "KHTYBH"
    ),
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
    "branches gone from JGXXB without 停业, closed at the end of their last month": """
        SELECT count(*) FROM (
            SELECT max(as_of) AS last, bool_or(YYZT = '停业') AS stopped FROM JGXXB
            WHERE JGLB = '营业机构' GROUP BY NBJGH)
        WHERE NOT stopped AND last < (SELECT max(as_of) FROM JGXXB)""",
    "rates of currencies in use that are more than a month old": """
        SELECT count(*) FROM rates WHERE day < as_of - 31
        AND (as_of, BZ) IN (SELECT (as_of, BZ) FROM accounts)""",
    "records of transactions of a day that is not in their file's month": """
        SELECT count(*) FROM GRCKFHZMX WHERE last_day(HXJYRQ) IS DISTINCT FROM as_of""",
    "records of transactions of other kinds, or of nobody": """
        SELECT count(*) FROM records WHERE KHTYBH IS NULL OR kind IS NULL""",
    "records of transactions of customers that are in no file of customers": """
        SELECT sum(n) FROM (
            SELECT KHTYBH AS customer_id, count(*) AS n FROM records
            WHERE kind IS NOT NULL AND KHTYBH IS NOT NULL GROUP BY ALL)
        ANTI JOIN (SELECT customer_id FROM persons UNION ALL SELECT customer_id FROM leavers)
            USING (customer_id)""",
    "positions of KHLCCPCYXXB (1108) that the next month lacks without 销户: is it full?": """
        SELECT count(*) FROM KHLCCPCYXXB WHERE ZHZT IS DISTINCT FROM '销户'
        AND last_day(as_of + 1) IN (SELECT as_of FROM KHLCCPCYXXB)
        AND (LCZH, LCCPDM, last_day(as_of + 1)) NOT IN (
            SELECT (LCZH, LCCPDM, as_of) FROM KHLCCPCYXXB)""",
}
_NUMBERS = r"""
SELECT count(*) FILTER (regexp_matches(KHTYBH, '[0-9a-f]{64}')), count(*) FILTER (
    regexp_matches(KHTYBH, '\d{6}(19|20)\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dX]')) FROM (
    SELECT KHTYBH FROM GRJCXXB UNION SELECT customer_id FROM accounts
    UNION SELECT customer_id FROM loans UNION SELECT customer_id FROM cards
    UNION SELECT customer_id FROM wealth UNION SELECT KHTYBH FROM JJKXXB
    UNION SELECT KHTYBH FROM GRCKFHZMX)"""
_HAS_PERSONS = "SELECT count(*) FROM persons"
_ODD_DAYS = """
SELECT count(*) FROM accounts WHERE is_persons
AND ((ZHZT = '正常' AND XHRQ IS NOT NULL) OR SCDHRQ < KHRQ)"""


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
    for name, code in _IN_CURRENCY.items():
        where = _WITHOUT_RATE if name == code else "balance IS NULL"
        rows = files.count(f"SELECT count(*) FROM {name} WHERE {where}")
        if rows:
            remedy = "Deliver HLXXB (1001) with the day's rate, or one of an earlier day."
            files.note(code, "BZ", "a foreign currency without a rate", remedy, rows)
    remedy = "Are the fields in another order? State it: [layout.orders] {0} = [...]."
    if files.count("SELECT count(*) FROM accounts") and not files.count(_HAS_PERSONS):
        what = "none of these customers has an account, a loan or a card in the other tables"
        files.note("GRJCXXB", "KHTYBH", what, remedy.format("GRJCXXB"))
    rows = files.count(_ODD_DAYS)
    if 2 * rows > files.count("SELECT count(*) FROM accounts WHERE is_persons"):
        what = "accounts in use have a day of closing, or moved last before they were opened"
        files.note("GRCKFHZ", "KHRQ, XHRQ, SCDHRQ", what, remedy.format("GRCKFHZ"), rows)
    masked, plain = files.connection.sql(_NUMBERS).fetchall()[0]
    if masked and plain:
        what = (
            f"{masked:,} customers' numbers are masked (变形) and {plain:,} hold an identity number"
        )
        files.note("GRJCXXB", "KHTYBH", what, "They do not join: deliver all masked or none.")
    rows = files.count("SELECT count(*) FROM accounts WHERE product IS NULL AND NOT is_closed")
    if rows:
        remedy = 'Say what it is in the mapping: [layout.products] "…" = "time_deposit".'
        files.note("GRCKFHZ", "GRCKZHLX", "a kind of account that is not known", remedy, rows)


def cut_months(files: LayoutFiles) -> list[date]:
    """Return the months whose transactions are those delivered: none below 1,000."""
    smallest = "SELECT as_of FROM GRCKFHZMX WHERE BZ = 'CNY' GROUP BY as_of HAVING min(abs(JYJE))"
    return [day for (day,) in files.connection.sql(f"{smallest} >= {_CUT_AT}").fetchall()]


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
    if files.days["ZZKJQKMB"] and not files.count(_LEDGER_ROWS):
        notes.append(
            "ZZKJQKMB (401) gives no ledger: it has no 月报 in BWB of the month's last day"
        )
    elif files.days["ZZKJQKMB"] and "ledger" not in files.tables:
        notes.append("ZZKJQKMB (401) gives no ledger: state products in [layout.subjects]")
    if not files.days["KHLCCPCYXXB"]:
        notes.append("deposits are all that is known of AUM, but for files that add to holdings")
    for note in notes:
        warnings.warn(f"EAST 5.0: {note}.", stacklevel=2)
