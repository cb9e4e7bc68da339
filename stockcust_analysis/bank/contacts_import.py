"""Filled-in work lists (名单回填) read back as rows of the contacts table.

A line counts when a result or a date was filled in. The next date and the note stay in the file:
the contract has no place for them, and a note may hold anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from stockcust_analysis.bank.contract import table
from stockcust_analysis.bank.excel import ERROR, MERGED, NOT_COMPUTED, cell_text, read_workbook
from stockcust_analysis.bank.file_names import distinct_names, renamed
from stockcust_analysis.bank.problems import Problem, UnusableFileError, raise_if_any
from stockcust_analysis.errors import UsageError, Words, advise, say
from stockcust_analysis.policy.file import read_toml

Names = Mapping[str, Sequence[str]]
"""Code → how it is written in Chinese and in English."""
_WORDS = read_toml(Path(__file__).with_suffix(".toml"))
OUTCOMES: Names = _WORDS["outcome"]
CHANNELS: Names = _WORDS["channel"]
HEADINGS: Names = {
    name: (table("contacts").column(name).zh, en) for name, en in _WORDS["heading"].items()
}
_NAMES = {text: name for name, both in HEADINGS.items() for text in (name, *both)}
AS_OF = ("统计时点", "As of")
_CHOICES = {"channel": CHANNELS, "outcome": OUTCOMES}
_LATEST = timedelta(days=366)
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d")
_SHOWN = 3


def import_contacts(files: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Return the contacts that managers filled into their work lists.

    Parameters
    ----------
    files
        Workbooks, or one, as `stockcust worklists` wrote them, filled in, in Chinese or English.

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
        A file is no work list, or one of its sheets lacks a heading; a result, date, channel or
        manager is missing or not understood; a date lies before the list's or more than a year
        after. All problems in one error, with file, sheet and row; never a customer's number.
    """
    files = [files] if isinstance(files, (str, Path)) else files
    paths = [Path(file) for file in files]
    absent = [path.name for path in paths if not path.is_file()]
    if absent or not paths:
        raise UsageError(say("no_such_file", absent) if absent else say("give_a_file"))
    problems: list[Problem] = []
    shown = distinct_names(paths)  # the lists of all branches are called alike
    lines = [line for each in shown.items() for line in _read_lines(*each, problems)]
    contacts = [{name: _parse(name, line[name]) for name in HEADINGS} for line in lines]
    problems += _find_problems(lines, contacts)
    raise_if_any(problems, say("work_lists"))
    frame = pd.DataFrame(contacts, columns=list(HEADINGS))
    frame["contacted_on"] = pd.to_datetime(frame["contacted_on"])
    return frame.drop_duplicates().sort_values(list(HEADINGS), ignore_index=True)


def _read_lines(path: Path, shown: str, problems: list[Problem]) -> list[dict[str, Any]]:
    """Return the filled-in lines of a workbook: cells, `position` and the list's day, `listed_on`.

    In messages the file is called as `shown`. One that is no work list is noted as a problem.
    """
    try:
        sheets = read_workbook(path)
    except UnusableFileError as error:
        said, advice = error.args
        problems.append(Problem("contacts", "", renamed(path, shown, said), advice))
        return []
    days = [_parse_day(*row[1:2]) for sheet in sheets for row in sheet.rows if row[0] in AS_OF]
    heads = {sheet.name: _find_header(sheet.rows) for sheet in sheets}
    if not (days and days[0] and any(columns for _, columns in heads.values())):
        problems.append(Problem("contacts", "", *advise("no_work_list", shown)))
        return []
    lines = []
    for sheet in sheets:
        start, columns = heads[sheet.name]
        absent = [Words(en, zh) for name, (zh, en) in HEADINGS.items() if name not in columns]
        if columns and absent:
            said = advise("heading_absent", shown, sheet.name, absent)
            problems.append(Problem("contacts", "", *said))
            continue
        indexes = columns.items()
        for index, row in enumerate(sheet.rows[start:] if indexes else [], start):
            lost = {name: sheet.lost[index, n] for name, n in indexes if (index, n) in sheet.lost}
            line = {name: row[n] for name, n in indexes} | lost
            if _parse_text(line["outcome"]) or _parse_text(line["contacted_on"]):
                position = f"{shown} {sheet.name}:{index + 1}"
                lines.append({**line, "position": position, "listed_on": days[0]})
    return lines


def _find_header(rows: list[list[object]]) -> tuple[int, dict[str, int]]:
    """Return where a list begins below its headings, and contract column → index in the sheet.

    A sheet that holds fewer than half of the headings in one row is no list, but the first one,
    notes or a summary.
    """
    found = [{_NAMES[c]: n for n, c in reversed([*enumerate(row)]) if c in _NAMES} for row in rows]
    columns = max(found, key=len)
    return found.index(columns) + 1, columns if len(columns) > len(HEADINGS) / 2 else {}


def _find_problems(lines: list[dict[str, Any]], contacts: list[dict[str, Any]]) -> list[Problem]:
    """Return everything that is wrong in the lines, column by column."""
    positions: dict[tuple[str, str], list[str]] = {}
    for line, contact in zip(lines, contacts, strict=True):
        for name, value in contact.items():
            if value is None:
                what = "contact_unclear" if _parse_text(line[name]) else "contact_empty"
                positions.setdefault((name, what), []).append(line["position"])
        day, listed_on = contact["contacted_on"], line["listed_on"]
        if day and not listed_on <= day <= listed_on + _LATEST:
            positions.setdefault(("contacted_on", "contact_day"), []).append(line["position"])
    remedies = {name: say(f"fill_{name}") for name in HEADINGS if name not in _CHOICES}
    for name, words in _CHOICES.items():
        remedies[name] = say("fill_choice", [Words(en, zh) for zh, en in words.values()])
    return [
        Problem("contacts", name, say(what), remedies[name], len(rows), tuple(rows[:_SHOWN]))
        for (name, what), rows in positions.items()
    ]


def _parse(name: str, cell: object) -> object:
    """Return a column's cell as the contacts table holds it, None when it is not understood.

    A result or a channel is the contract's code, or its word in either language.
    """
    if name == "contacted_on":
        return _parse_day(cell)
    if name not in _CHOICES:
        return _parse_id(cell)
    text, words = _parse_text(cell), _CHOICES[name]
    return next((code for code, both in words.items() if text in (code, *both)), None)


def _parse_text(cell: object) -> str | None:
    """Return a cell as text, None when it is empty; a number without its decimal point."""
    return (cell_text(cell) or "").strip() or None


def _parse_id(cell: object) -> str | None:
    """Return a cell as text, None when it is empty, lost or has more digits than Excel keeps."""
    text = None if cell in (ERROR, MERGED, NOT_COMPUTED) else _parse_text(cell)
    return text if isinstance(cell, str) or "e" not in (text or "") else None


def _parse_day(cell: object = None) -> date | None:
    """Return a cell as a date, None when it is none."""
    if isinstance(cell, date):
        return cell.date() if isinstance(cell, datetime) else cell
    for pattern in _DATES:
        with suppress(ValueError):
            return datetime.strptime(_parse_text(cell) or "", pattern).date()
    return None
