"""The work lists of branches as Excel workbooks: one sheet per list, with columns to fill in.

No phone and no name. The same lists give the same bytes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd

from stockcust_analysis.bank.contacts_import import AS_OF, CHANNELS, HEADINGS, OUTCOMES
from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.frames import as_lazy, collect_rows
from stockcust_analysis.errors import FileInUseError, UsageError
from stockcust_analysis.evaluation.worklists import bank_worklist_facts, listed
from stockcust_analysis.measures.worklist_reasons import list_name
from stockcust_analysis.policy import Policy
from stockcust_analysis.report.cache import folder_name
from stockcust_analysis.report.workbook import new_workbook, set_up_printing

WORKLISTS: Final = "worklists.xlsx"
Language = Literal["zh", "en"]
_WIDTHS: Final = {
    "priority": 8,
    "customer_id": 16,
    "manager_id": 12,
    "tier": 9,
    "groups": 16,
    "amount_at_stake": 16,
    "due_date": 12,
    "reason": 44,
    "action": 52,
    "warning": 44,
    "last_contact_on": 13,
    "channel": 9,
    "outcome": 10,
    "contacted_on": 12,
    "next_contact_on": 12,
    "note": 30,
}
_INPUTS: Final = ("channel", "outcome", "contacted_on", "next_contact_on", "note")
_MOST_ROWS: Final = 10_000
_TOP: Final = {"valign": "top"}
_WRAPPED: Final = {**_TOP, "text_wrap": True}
_DAY: Final = {"num_format": "yyyy-mm-dd"}
_INPUT: Final = {"bg_color": "#F2F7FC"}
_STYLES: Final[dict[str, dict[str, Any]]] = {
    "head": {**_WRAPPED, "bold": True, "bottom": 1},
    "input_head": {**_WRAPPED, "bold": True, "bottom": 1, "bg_color": "#DCE9F5"},
    "text": _WRAPPED,
    "money": {**_TOP, "num_format": "#,##0.00"},
    "date": {**_TOP, **_DAY},
    "input": {**_WRAPPED, **_INPUT},
    "input_date": {**_TOP, **_INPUT, **_DAY},
}


def make_worklists(
    bank: Bank,
    *,
    as_of: date,
    policy: Policy,
    out: Path,
    branches: Sequence[str] = (),
    language: Language = "zh",
) -> list[Path]:
    """Write the work lists of every branch as of a month's end, and return the files.

    Parameters
    ----------
    bank
        As opened by `open_bank`.
    as_of
        A day of which the bank has customers and holdings.
    policy
        Rules in force; with a `hold_out_share` that part of the customers is on no sheet.
    out
        Folder; a branch's workbook is `<out>/<branch_id>/worklists.xlsx`.
    branches
        Only these; all that have customers when empty.
    language
        "zh" or "en".

    Raises
    ------
    UsageError
        No snapshot of that day, or no such branch.
    FileInUseError
        Some cannot be replaced, as those open elsewhere; all others are written.
    """
    facts = bank.materialize(bank_worklist_facts(bank, as_of=as_of, policy=policy))
    lists, counts = listed(facts, as_of=as_of, policy=policy)
    rows_of_lists = lists.groupby("branch_id").indices
    rows_of_counts = counts.groupby("branch_id").indices
    rows = collect_rows(as_lazy(bank.table("branches")).select("branch_id", "name"))
    names = dict(zip(rows["branch_id"], rows["name"], strict=True))
    for branch in branches:
        if branch not in rows_of_counts:
            raise UsageError.unknown(f"branch on {as_of}", branch, rows_of_counts)
    written: list[Path] = []
    in_use: list[FileInUseError] = []
    for branch in branches or sorted(counts["branch_id"].unique()):
        path = out / folder_name(branch) / WORKLISTS
        try:
            write_worklists(
                path,
                lists.iloc[rows_of_lists.get(branch, [])],
                counts.iloc[rows_of_counts[branch]],
                branch_name=names.get(branch, branch),
                policy=policy,
                as_of=as_of,
                language=language,
            )
            written.append(path)
        except FileInUseError as error:
            in_use.append(error)
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
    branch_name, policy, as_of
        Printed on the first sheet; the day is needed to read the workbook back.
    language
        "zh" or "en".
    """
    has_control_group = "held_out" in lists
    shown = lists[lists["held_out"] == 0] if has_control_group else lists
    with new_workbook(path, created=as_of) as book:
        writer = _Writer(book, policy, language)
        facts = {
            AS_OF[writer.side]: as_of.isoformat(),
            writer.word("about", "branch"): branch_name,
            writer.word("about", "policy"): f"{policy.name} {policy.version}",
        }
        notes = ["how", "held"] if has_control_group else ["how"]
        writer.write_about(facts, notes, _summary(shown, counts))
        for name in policy.worklists.lists:
            rows = shown[shown["list"] == name]
            if len(rows):
                writer.write_list(name, rows)


def _summary(shown: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Return the counts with the number of customers on the sheets."""
    summary = counts.drop(columns="branch_id")
    listed = summary["list"].map(shown["list"].value_counts()).fillna(0).astype(int)
    summary.insert(2, "listed", listed)
    return summary


class _Writer:
    """Writes the sheets of one workbook in a language."""

    def __init__(self, book: Any, policy: Policy, language: Language) -> None:
        self._book, self._policy, self._language = book, policy, language
        self._formats = {name: book.add_format(style) for name, style in _STYLES.items()}
        self.side = 0 if language == "zh" else 1  # of a pair of words

    def word(self, section: str, key: str) -> str:
        """Return a word; a bank's own reason for exclusion stays as it is."""
        return str(_words()[section].get(key, {}).get(self._language, key))

    def write_about(
        self, facts: Mapping[str, str], notes: Sequence[str], summary: pd.DataFrame
    ) -> None:
        """Write the first sheet: what the lists are, how many they hold, how to fill them in."""
        sheet = self._book.add_worksheet(self.word("about", "sheet"))
        sheet.set_column(0, 0, 20)
        sheet.set_column(1, 20, 14)
        sheet.write_string(0, 0, self.word("about", "title"), self._formats["head"])
        for row, (head, value) in enumerate(facts.items(), start=1):
            sheet.write_string(row, 0, head)
            sheet.write_string(row, 1, value)
        for row, note in enumerate(notes, start=len(facts) + 2):
            sheet.write_string(row, 0, self.word("about", note))
        top = len(facts) + len(notes) + 3
        for column, key in enumerate(map(str, summary)):
            sheet.write_string(top, column, self.word("about", key), self._formats["head"])
            style = self._formats["money"] if key == "amount_at_stake" else None
            for row, value in enumerate(summary[key], start=top + 1):
                if key == "list":
                    sheet.write_string(row, column, list_name(value, self._language))
                else:
                    sheet.write_number(row, column, value, style)

    def write_list(self, name: str, rows: pd.DataFrame) -> None:
        """Write one list: header that stays, filters and repeats, and a line per customer."""
        table = self._translate(rows)
        sheet = self._book.add_worksheet(list_name(name, self._language))
        for column, key in enumerate(map(str, table)):
            heading = HEADINGS[key][self.side] if key in HEADINGS else self.word("headings", key)
            head = "input_head" if key in _INPUTS else "head"
            sheet.write_string(0, column, heading, self._formats[head])
            sheet.set_column(column, column, _WIDTHS[key])
            style = self._formats[_style_of(key)]
            for row, value in enumerate(table[key], start=1):
                _write_cell(sheet, row, column, value, style)
        sheet.freeze_panes(1, 2)
        sheet.autofilter(0, 0, len(table), len(table.columns) - 1)
        set_up_printing(sheet, 0)
        self._validate(sheet, list(map(str, table)))

    def _translate(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the lines in the reader's language, with the columns to fill in."""
        policy, language = self._policy, self._language
        tiers = {tier.name: getattr(tier, language) for tier in policy.tiers.tiers}
        groups = {group.name: getattr(group, language) for group in policy.groups}
        separator = "、" if language == "zh" else ", "
        texts = {f"{name}_{language}": name for name in ("reason", "action", "warning")}
        table = rows.rename(columns=texts)
        table["tier"] = table["tier"].map(tiers)
        # A group the policy does not name stays as it is.
        table["groups"] = [
            separator.join(groups.get(code, code) for code in codes.split(";") if code)
            for codes in table["groups"]
        ]
        table["channel"] = [CHANNELS[code][self.side] for code in table["channel"]]
        table = table.assign(outcome="", contacted_on=None, next_contact_on=None, note="")
        columns = [key for key in _WIDTHS if key != "warning" or table["warning"].any()]
        return table[columns].astype(object)

    def _validate(self, sheet: Any, keys: Sequence[str]) -> None:
        """Let results and channels be chosen, and dates be dates."""
        day = {"validate": "date", "criteria": ">", "value": date(2000, 1, 1)}
        rules: dict[str, dict[str, Any]] = {"contacted_on": day, "next_contact_on": day}
        for key, choices in (("channel", CHANNELS), ("outcome", OUTCOMES)):
            source = [words[self.side] for words in choices.values()]
            rules[key] = {"validate": "list", "source": source}
        for column, key in enumerate(keys):
            if key in rules:
                sheet.data_validation(1, column, _MOST_ROWS, column, rules[key])


def _write_cell(sheet: Any, row: int, column: int, value: Any, style: Any) -> None:
    if value is None or value != value or value == "":
        sheet.write_blank(row, column, None, style)
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, style)
    elif isinstance(value, str):
        sheet.write_string(row, column, value, style)
    else:
        sheet.write_number(row, column, value, style)


def _style_of(key: str) -> str:
    """Return the name of a column's format."""
    if key.endswith("_on") or key == "due_date":
        return "input_date" if key in _INPUTS else "date"
    if key in _INPUTS:
        return "input"
    return "money" if key == "amount_at_stake" else "text"


@cache
def _words() -> dict[str, Any]:
    """Read the words once."""
    text = files(__package__).joinpath("worklists.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
