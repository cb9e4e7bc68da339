"""The work lists of a branch as a workbook, a sheet per list, and what was filled in (名单回填).

No phone and no name stands in them; the same lists are the same bytes every time.

Read back, a line counts when a result or a date was filled in. The next date and the note stay in
the file: the contract has no place for them, and a note may hold anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd

from stockcust_analysis.bank.contract import table
from stockcust_analysis.bank.customers import require_branches
from stockcust_analysis.bank.excel import ERROR, MERGED, NOT_COMPUTED, cell_text, read_workbook
from stockcust_analysis.bank.file_names import distinct_names, renamed
from stockcust_analysis.bank.problems import Problem, UnusableFileError, raise_if_any
from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.files import atomic_write, sha256, write_json
from stockcust_analysis.core.frames import as_lazy, collect_rows
from stockcust_analysis.errors import FileInUseError, UsageError, Words, advise, say
from stockcust_analysis.evaluation.provided import aum_of_deposits, lists_left_out
from stockcust_analysis.evaluation.worklists import Lists, make_lists
from stockcust_analysis.measures.worklist_outcomes import without_control_group
from stockcust_analysis.measures.worklists import Language, list_name
from stockcust_analysis.policy import Policy
from stockcust_analysis.policy.file import PACKAGE, read_toml
from stockcust_analysis.report import plan
from stockcust_analysis.report.workbook import LINE_HEIGHT, fit_rows, set_up_printing
from stockcust_analysis.show.page_data import lists_not_provided
from stockcust_analysis.show.results import new_workbook
from stockcust_analysis.show.wording import name_deposits

# Width and format of each column; those to fill in have the formats of inputs.
_LIST_COLUMNS: Final = {
    "priority": (8, "text"),
    "customer_id": (16, "text"),
    "manager_id": (12, "text"),
    "tier": (9, "text"),
    "groups": (16, "text"),
    "amount_at_stake": (16, "money"),
    "due_date": (12, "date"),
    "reason": (44, "text"),
    "action": (52, "text"),
    "warning": (44, "text"),
    "last_contact_on": (13, "date"),
    "channel": (9, "input"),
    "outcome": (10, "input"),
    "contacted_on": (12, "input_date"),
    "next_contact_on": (12, "input_date"),
    "note": (30, "input"),
}
_LONG_TEXTS: Final = ("groups", "reason", "action", "warning")
_MOST_ROWS: Final = 10_000
_TOP: Final = {"valign": "top"}
_WRAPPED: Final = {**_TOP, "text_wrap": True}
_LIST_HEAD: Final = {**_WRAPPED, "bold": True, "bottom": 1}
_DAY: Final = {"num_format": "yyyy-mm-dd"}
_INPUT: Final = {"bg_color": "#F2F7FC"}
_LIST_STYLES: Final[dict[str, dict[str, Any]]] = {
    "head": _LIST_HEAD,
    "input_head": {**_LIST_HEAD, "bg_color": "#DCE9F5"},
    "text": _WRAPPED,
    "money": {**_TOP, "num_format": "#,##0.00"},
    "date": {**_TOP, **_DAY},
    "input": {**_WRAPPED, **_INPUT},
    "input_date": {**_TOP, **_INPUT, **_DAY},
}
Names = Mapping[str, Sequence[str]]
"""Code → how it is written in Chinese and in English."""
_TEXTS: Final = read_toml(PACKAGE / "report" / "worklists.toml")
OUTCOMES: Final[Names] = _TEXTS["outcome"]
CHANNELS: Final[Names] = _TEXTS["contact_channel"]
HEADINGS: Final[Names] = {
    name: (table("contacts").column(name).zh, en) for name, en in _TEXTS["contact"].items()
}
_NAMES: Final = {text: name for name, both in HEADINGS.items() for text in (name, *both)}
AS_OF: Final = ("统计时点", "As of")
_CHOICES: Final = {"channel": CHANNELS, "outcome": OUTCOMES}
_DAYS: Final = {"validate": "date", "criteria": ">", "value": date(2000, 1, 1)}
_LATEST: Final = timedelta(days=366)
_DATES: Final = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d")
_SHOWN: Final = 3


def make_worklists(
    bank: Bank,
    *,
    as_of: date,
    policy: Policy,
    out: Path,
    branches: str | Sequence[str] = (),
    language: Language = "zh",
    lists: Lists | None = None,
    facts: Mapping[str, Mapping[str, str]] | None = None,
) -> list[Path]:
    """Write the work lists of every branch as of a month's end, and return the files.

    What was written into lists that stand there is kept beside. Those of branches that are no more
    go, unless only some branches are asked for.

    Parameters
    ----------
    bank, as_of
        As opened by `open_bank`, and a day of which it has customers and holdings.
    policy
        Rules in force; with a `hold_out_share` that part of the customers is on no sheet.
    out
        Folder; a branch's workbook is `<out>/<branch_id>/worklists.xlsx`.
    branches, language
        Only these, or this one, all that have customers when empty; "zh" or "en".
    lists
        Of that day under that policy, where they are made already.
    facts
        Branch → what its lists are made of, for their stamps. A quarter's stand beside `out`.

    Raises
    ------
    UsageError
        No snapshot of that day, or no such branch.
    FileInUseError
        Some cannot be replaced, as those open elsewhere; all others are written.
    """
    customers, counts, _ = lists or make_lists(bank, as_of=as_of, policy=policy)
    branches = [branches] if branches and isinstance(branches, str) else branches
    about: dict[str, Any] = {"policy": policy, "as_of": as_of, "language": language}
    about["left_out"] = lists_not_provided(lists_left_out(bank, policy, as_of), language)
    about["of_deposits"] = aum_of_deposits(bank, policy, as_of) != ""
    lists_of, counts_of = (dict(list(rows.groupby("branch_id"))) for rows in (customers, counts))
    rows = collect_rows(as_lazy(bank.table("branches")).select("branch_id", "name"))
    names = {b: name for b, name in zip(*rows.values(), strict=True) if b in counts_of}
    require_branches(bank, branches, names, as_of, "branch_on", as_of)
    records = (out if facts is None else out.parent) / plan.RECORDS
    every, ending = sorted(map(str, counts_of)), plan.LISTS_STAMP
    stamps = {branch: records / f"{plan.folder_name(branch)}{ending}" for branch in every}
    for stamp in {*records.glob(f"*{ending}")} - {*stamps.values()} if not branches else ():
        path = out / stamp.name.removesuffix(ending) / plan.WORKLISTS
        with suppress(OSError, FileInUseError):  # more is in the folder, or they are open
            plan.withdraw_lists(path, stamp)
            path.parent.rmdir()
    written, in_use = list[Path](), list[FileInUseError]()
    for branch in branches or stamps:
        path = out / plan.folder_name(branch) / plan.WORKLISTS
        own, name = lists_of.get(branch, customers[:0]), names.get(branch, branch)
        try:
            plan.withdraw_lists(path, stamps[branch])
            with atomic_write(path) as beside:
                write_worklists(beside, own, counts_of[branch], branch_name=name, **about)
                made_of = {**(facts or {}).get(branch, {}), plan.WORKLISTS: sha256(beside)}
                # First the stamp: without it lists would pass for filled in.
                write_json(stamps[branch], made_of)
            written.append(path)
        except FileInUseError as error:
            in_use.append(FileInUseError([path], error.reason))
    if in_use:
        raise FileInUseError([path for error in in_use for path in error.files], in_use[0].reason)
    return written


def write_worklists(
    path: Path,
    lists: pd.DataFrame,
    counts: pd.DataFrame,
    *,
    branch_name: str,
    policy: Policy,
    as_of: date,
    left_out: str = "",
    of_deposits: bool = False,
    language: Language = "zh",
) -> None:
    """Write one branch's lists as a workbook.

    Parameters
    ----------
    path
        Where to; it appears whole or not at all.
    lists, counts
        The branch's rows of `worklists` and of `worklist_counts`. Customers with `held_out` 1 are
        not written.
    branch_name, policy, as_of, left_out
        Printed on the first sheet: the day to read it back, `left_out` lists not provided.
    of_deposits
        Lists are named by deposits, which are all that is known of AUM.
    language
        "zh" or "en".
    """
    shown = without_control_group(lists)
    summary = counts.drop(columns="branch_id")
    listed = summary["list"].map(shown["list"].value_counts()).fillna(0).astype(int)
    summary.insert(2, "listed", listed)
    with new_workbook(path, created=as_of) as book:
        writer = _ListWriter(book, policy, language, of_deposits)
        facts = {AS_OF[writer.side]: as_of.isoformat(), writer.text("branch"): branch_name}
        facts[writer.text("policy")] = f"{policy.name} {policy.version}"
        if policy.worklists.model:
            facts[writer.text("model")] = policy.worklists.model.impact_assessment
        notes = ["how", "held" if "held_out" in lists else "", left_out]
        writer.write_about(facts, [*filter(None, notes)], summary)
        lines = writer.translate(shown)
        for name in policy.worklists.sheets:
            if len(rows := lines[lines["list"] == name]):
                writer.write_list(name, rows)


class _ListWriter:
    """Writes the sheets of one workbook in a language."""

    def __init__(self, book: Any, policy: Policy, language: Language, of_deposits: bool) -> None:
        self._book, self._policy = book, policy
        self._language, self._of_deposits = language, of_deposits
        self._formats = {name: book.add_format(style) for name, style in _LIST_STYLES.items()}
        self.side = 0 if language == "zh" else 1  # of a pair of words

    def text(self, key: str, section: str = "about") -> str:
        """Return a text; a bank's own reason for exclusion stays as it is."""
        return str(_TEXTS[section].get(key, {}).get(self._language, key))

    def _list_name(self, name: str) -> str:
        words = list_name(name, self._language)
        return name_deposits(words, self._language) if self._of_deposits else words

    def write_about(
        self, facts: Mapping[str, str], notes: Sequence[str], summary: pd.DataFrame
    ) -> None:
        """Write the first sheet: what the lists are, how many they hold, how to fill them in."""
        sheet = self._book.add_worksheet(self.text("sheet"))
        sheet.set_column(0, 0, 20)
        sheet.set_column(1, 20, 14)
        sheet.write_string(0, 0, self.text("title"), self._formats["head"])
        for row, pair in enumerate(facts.items(), start=1):
            sheet.write_row(row, 0, pair)
        sheet.write_column(len(facts) + 2, 0, map(self.text, notes))
        top = len(facts) + len(notes) + 3
        for column, key in enumerate(map(str, summary)):
            values = summary[key].map(self._list_name) if key == "list" else summary[key]
            style = self._formats["money"] if key == "amount_at_stake" else None
            sheet.write_string(top, column, self.text(key), self._formats["head"])
            sheet.write_column(top + 1, column, _cells(values), style)
        sheet.set_row(top, 2 * LINE_HEIGHT)
        set_up_printing(sheet, top)

    def write_list(self, name: str, rows: pd.DataFrame) -> None:
        """Write one list: header that stays, filters and repeats, and a line per customer."""
        columns = [key for key in _LIST_COLUMNS if key != "warning" or rows["warning"].any()]
        sheet = self._book.add_worksheet(self._list_name(name))
        for column, key in enumerate(columns):
            width, style = _LIST_COLUMNS[key]
            heading = HEADINGS[key][self.side] if key in HEADINGS else self.text(key, "headings")
            head = "input_head" if style.startswith("input") else "head"
            sheet.write_string(0, column, heading, self._formats[head])
            sheet.write_column(1, column, _cells(rows[key]), self._formats[style])
            sheet.set_column(column, column, width)
            if key in _CHOICES or style == "input_date":
                words = [both[self.side] for both in _CHOICES.get(key, {}).values()]
                rule = {"validate": "list", "source": words} if words else _DAYS
                sheet.data_validation(1, column, _MOST_ROWS, column, rule)
        fit_rows(sheet, 1, ((_LIST_COLUMNS[key][0], rows[key]) for key in _LONG_TEXTS))
        sheet.freeze_panes(1, 2)
        sheet.autofilter(0, 0, len(rows), len(columns) - 1)
        set_up_printing(sheet, 0)

    def translate(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the lines in the reader's language, with the columns to fill in."""
        policy, language = self._policy, self._language
        tiers = {tier.name: getattr(tier, language) for tier in policy.tiers.tiers}
        groups = {group.name: getattr(group, language) for group in policy.groups}
        separator = "、" if language == "zh" else ", "
        texts = {f"{name}_{language}": name for name in ("reason", "action", "warning")}
        table = rows.rename(columns=texts).assign(
            tier=rows["tier"].map(tiers),
            # A group the policy does not name stays as it is.
            groups=[
                separator.join(groups.get(code, code) for code in codes.split(";") if code)
                for codes in rows["groups"]
            ],
            channel=[CHANNELS[code][self.side] for code in rows["channel"]],
            **{"outcome": "", "contacted_on": None, "next_contact_on": None, "note": ""},
        )
        return table.astype(object)


def _cells(values: Iterable[Any]) -> list[Any]:
    """Return values as cells: what is missing stays blank."""
    return [None if pd.isna(value) else value for value in values]


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
