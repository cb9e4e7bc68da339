"""Filled-in work lists (名单回填) read back as rows of the contacts table.

A line counts when a result or a date was filled in. The next date and the note stay in the file:
the contract has no place for them, and a note may hold anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from stockcust_analysis.bank.contract import table
from stockcust_analysis.bank.validation import Problem, raise_if_any
from stockcust_analysis.errors import UsageError

Words = Mapping[str, tuple[str, str]]
OUTCOMES: Words = {
    "none": ("未接通", "Not answered"), "reached": ("已接通", "Reached"),
    "appointment": ("已预约", "Appointment"), "visit": ("已面访", "Visit"),
    "sale": ("已成交", "Sale"), "refused": ("拒绝", "Refused"),
}  # fmt: skip
CHANNELS: Words = {
    "phone": ("电话", "Phone"), "message": ("短信", "Message"), "wechat": ("微信", "WeChat"),
    "visit": ("上门", "Visit"), "branch": ("网点", "Branch"),
}  # fmt: skip
_ENGLISH = {"customer_id": "Customer", "manager_id": "Manager", "contacted_on": "Contacted on",
            "channel": "Channel", "outcome": "Result"}  # fmt: skip
HEADINGS: Words = {name: (table("contacts").column(name).zh, en) for name, en in _ENGLISH.items()}
AS_OF = ("统计时点", "As of")
_LATEST = timedelta(days=366)
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d")
_SHOWN = 3


def import_contacts(files: Iterable[str | Path]) -> pd.DataFrame:
    """Return the contacts that managers filled into their work lists.

    Parameters
    ----------
    files
        Workbooks as `stockcust worklists` wrote them, filled in, in Chinese or English.

    Returns
    -------
    DataFrame
        Rows of the contacts table: `customer_id, manager_id, contacted_on, channel, outcome`,
        sorted. One contact noted on several lists, or in several files, is one row.

    Raises
    ------
    UsageError
        No file is given, or one is not there.
    BankDataError
        A file is no work list; a result, date, channel or manager is missing or not understood; a
        date lies before the list's or more than a year after. All problems in one error, with
        file, sheet and row; never a customer's number.
    """
    paths = [Path(file) for file in files]
    absent = [path.name for path in paths if not path.is_file()]
    if absent or not paths:
        raise UsageError(f"no such file: {', '.join(absent)}." if absent else "give a file.")
    problems: list[Problem] = []
    lines = [line for path in paths for line in _lines(path, problems)]
    read = [(line, _contact(line)) for line in lines]
    problems += _wrong(read)
    raise_if_any(problems, "the work lists")
    contacts = pd.DataFrame([contact for _, contact in read], columns=list(_ENGLISH))
    contacts["contacted_on"] = pd.to_datetime(contacts["contacted_on"])
    return contacts.drop_duplicates().sort_values(list(_ENGLISH), ignore_index=True)


def _lines(path: Path, problems: list[Problem]) -> list[dict[str, Any]]:
    """Return the filled-in lines of a workbook with their place and the day of the list."""
    try:
        sheets = pd.read_excel(path, sheet_name=None, header=None, dtype=object, engine="calamine")
    except Exception as error:  # noqa: BLE001  # the reader's errors are of many kinds
        _refuse(path, f"cannot be read ({type(error).__name__})", problems)
        return []
    cells = {name: sheet.values.tolist() for name, sheet in sheets.items() if len(sheet)}
    days = [_day(*row[1:2]) for rows in cells.values() for row in rows if row[0] in AS_OF]
    listed_on = next(iter(days), None)
    found = {name: columns for name, rows in cells.items() if (columns := _columns(rows[0]))}
    if listed_on is None or not found:
        _refuse(path, "is no work list", problems)
        return []
    return [
        {"place": f"{path.name} {name}:{number}", "listed_on": listed_on} | line
        for name, columns in found.items()
        for number, row in enumerate(cells[name][1:], start=2)
        for line in [{key: row[place] for key, place in columns.items()}]
        if _text(line["outcome"]) or _text(line["contacted_on"])
    ]


def _refuse(path: Path, what: str, problems: list[Problem]) -> None:
    """Note a file that is none of ours."""
    remedy = "Give workbooks that `stockcust worklists` wrote, with their first sheet."
    problems.append(Problem("contacts", "", f"{path.name} {what}", remedy))


def _columns(header: list[object]) -> dict[str, int]:
    """Return contract column → its place in the sheet; nothing when the sheet is no list."""
    places = {
        name: header.index(word)
        for name, words in HEADINGS.items()
        for word in (name, *words)
        if word in header
    }
    return places if len(places) == len(HEADINGS) else {}


def _contact(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line as a row of the contacts table; None for what cannot be understood."""
    return {
        "customer_id": _text(line["customer_id"]),
        "manager_id": _text(line["manager_id"]),
        "contacted_on": _day(line["contacted_on"]),
        "channel": _code(line["channel"], CHANNELS),
        "outcome": _code(line["outcome"], OUTCOMES),
    }


def _wrong(read: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[Problem]:
    """Return everything that is wrong in the lines, column by column."""
    cases: dict[tuple[str, str], list[str]] = {}
    for line, contact in read:
        place, on, listed_on = line["place"], contact["contacted_on"], line["listed_on"]
        for name, value in contact.items():
            if value is None:
                what = "not understood" if _text(line[name]) else "empty"
                cases.setdefault((name, what), []).append(place)
        if on and not listed_on <= on <= listed_on + _LATEST:
            case = ("contacted_on", "before the list's day, or over a year after")
            cases.setdefault(case, []).append(place)
    return [
        Problem("contacts", name, what, _REMEDIES[name], len(places), tuple(places[:_SHOWN]))
        for (name, what), places in cases.items()
    ]


_REMEDIES = {
    "customer_id": "Restore the customer number of the list.",
    "manager_id": "Fill in who made the contact.",
    "contacted_on": "Write the day of the contact, such as 2026-09-05.",
    "channel": f"Choose one of {', '.join(zh for zh, _ in CHANNELS.values())}.",
    "outcome": f"Choose one of {', '.join(zh for zh, _ in OUTCOMES.values())}.",
}


def _code(cell: object, words: Words) -> str | None:
    """Return the contract's code for a word in either language, or for the code itself."""
    said = _text(cell)
    return next((code for code, both in words.items() if said in (code, *both)), None)


def _text(cell: object) -> str | None:
    """Return a cell as text, None when it is empty; a number without its decimal point."""
    if cell is None or cell != cell:
        return None
    whole = isinstance(cell, float) and cell.is_integer()
    return str(int(cell) if whole else cell).strip() or None  # type: ignore[call-overload]


def _day(cell: object = None) -> date | None:
    """Return a cell as a date, None when it is none."""
    if isinstance(cell, date):
        return cell.date() if isinstance(cell, datetime) else cell
    for pattern in _DATES:
        try:
            return datetime.strptime(_text(cell) or "", pattern).date()
        except ValueError:
            continue
    return None
