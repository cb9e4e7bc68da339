"""The work lists of branches as Excel workbooks: one sheet per list, with columns to fill in.

No phone and no name. The same lists give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import pandas as pd

from stockcust_analysis.bank.contacts_import import AS_OF, CHANNELS, HEADINGS, OUTCOMES
from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.frames import as_lazy, collect_rows
from stockcust_analysis.errors import FileInUseError, UsageError
from stockcust_analysis.evaluation.worklists import make_lists
from stockcust_analysis.measures.worklist_outcomes import without_control_group
from stockcust_analysis.measures.worklists import Language, list_name
from stockcust_analysis.policy import Policy
from stockcust_analysis.policy.file import PACKAGE, read_toml
from stockcust_analysis.report.plan import folder_name
from stockcust_analysis.report.workbook import new_workbook, set_up_printing

WORKLISTS: Final = "worklists.xlsx"
# Width and format of each column; those to fill in have the formats of inputs.
_COLUMNS: Final = {
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
_MOST_ROWS: Final = 10_000
_TOP: Final = {"valign": "top"}
_WRAPPED: Final = {**_TOP, "text_wrap": True}
_HEAD: Final = {**_WRAPPED, "bold": True, "bottom": 1}
_DAY: Final = {"num_format": "yyyy-mm-dd"}
_INPUT: Final = {"bg_color": "#F2F7FC"}
_STYLES: Final[dict[str, dict[str, Any]]] = {
    "head": _HEAD,
    "input_head": {**_HEAD, "bg_color": "#DCE9F5"},
    "text": _WRAPPED,
    "money": {**_TOP, "num_format": "#,##0.00"},
    "date": {**_TOP, **_DAY},
    "input": {**_WRAPPED, **_INPUT},
    "input_date": {**_TOP, **_INPUT, **_DAY},
}
_TEXTS: Final = read_toml(PACKAGE / "report" / "worklists.toml")


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
    _, lists, counts = make_lists(bank, as_of=as_of, policy=policy)
    lists_of, counts_of = (dict(list(table.groupby("branch_id"))) for table in (lists, counts))
    rows = collect_rows(as_lazy(bank.table("branches")).select("branch_id", "name"))
    names = dict(zip(rows["branch_id"], rows["name"], strict=True))
    for branch in branches:
        if branch not in counts_of:
            raise UsageError.unknown(f"branch on {as_of}", branch, counts_of)
    written: list[Path] = []
    in_use: list[FileInUseError] = []
    for branch in branches or sorted(map(str, counts_of)):
        path = out / folder_name(branch) / WORKLISTS
        about = {"branch_name": names.get(branch, branch), "policy": policy, "as_of": as_of}
        own = lists_of.get(branch, lists[:0])
        try:
            write_worklists(path, own, counts_of[branch], **about, language=language)
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
    shown = without_control_group(lists)
    summary = counts.drop(columns="branch_id")
    listed = summary["list"].map(shown["list"].value_counts()).fillna(0).astype(int)
    summary.insert(2, "listed", listed)
    with new_workbook(path, created=as_of) as book:
        writer = _Writer(book, policy, language)
        facts = {
            AS_OF[writer.side]: as_of.isoformat(),
            writer.text("branch"): branch_name,
            writer.text("policy"): f"{policy.name} {policy.version}",
        }
        writer.write_about(facts, ["how", "held"] if "held_out" in lists else ["how"], summary)
        lines = writer.translate(shown)
        for name in policy.worklists.lists:
            rows = lines[lines["list"] == name]
            if len(rows):
                writer.write_list(name, rows)


class _Writer:
    """Writes the sheets of one workbook in a language."""

    def __init__(self, book: Any, policy: Policy, language: Language) -> None:
        self._book, self._policy, self._language = book, policy, language
        self._formats = {name: book.add_format(style) for name, style in _STYLES.items()}
        self.side = 0 if language == "zh" else 1  # of a pair of words

    def text(self, key: str, section: str = "about") -> str:
        """Return a text; a bank's own reason for exclusion stays as it is."""
        return str(_TEXTS[section].get(key, {}).get(self._language, key))

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
            values = summary[key]
            if key == "list":
                values = values.map(lambda name: list_name(name, self._language))
            style = self._formats["money"] if key == "amount_at_stake" else None
            sheet.write_string(top, column, self.text(key), self._formats["head"])
            _write_cells(sheet, top + 1, column, values, style)

    def write_list(self, name: str, rows: pd.DataFrame) -> None:
        """Write one list: header that stays, filters and repeats, and a line per customer."""
        columns = [key for key in _COLUMNS if key != "warning" or rows["warning"].any()]
        sheet = self._book.add_worksheet(list_name(name, self._language))
        choices = self._choices()
        for column, key in enumerate(columns):
            width, style = _COLUMNS[key]
            heading = HEADINGS[key][self.side] if key in HEADINGS else self.text(key, "headings")
            head = "input_head" if style.startswith("input") else "head"
            sheet.write_string(0, column, heading, self._formats[head])
            _write_cells(sheet, 1, column, rows[key], self._formats[style])
            sheet.set_column(column, column, width)
            if key in choices:
                sheet.data_validation(1, column, _MOST_ROWS, column, choices[key])
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
        table = rows.rename(columns=texts)
        table = table.assign(
            tier=table["tier"].map(tiers),
            # A group the policy does not name stays as it is.
            groups=[
                separator.join(groups.get(code, code) for code in codes.split(";") if code)
                for codes in table["groups"]
            ],
            channel=[CHANNELS[code][self.side] for code in table["channel"]],
            outcome="",
            contacted_on=None,
            next_contact_on=None,
            note="",
        )
        return table.astype(object)

    def _choices(self) -> dict[str, dict[str, Any]]:
        """Return what may be filled in: results and channels of a list, dates that are dates."""
        day = {"validate": "date", "criteria": ">", "value": date(2000, 1, 1)}
        rules: dict[str, dict[str, Any]] = {"contacted_on": day, "next_contact_on": day}
        for key, choices in (("channel", CHANNELS), ("outcome", OUTCOMES)):
            source = [words[self.side] for words in choices.values()]
            rules[key] = {"validate": "list", "source": source}
        return rules


def _write_cells(sheet: Any, top: int, column: int, values: Iterable[Any], style: Any) -> None:
    """Write values below one another; no text is taken for a formula or a link."""
    for row, value in enumerate(values, start=top):
        if value is None or value != value or value == "":
            sheet.write_blank(row, column, None, style)
        elif isinstance(value, date):
            sheet.write_datetime(row, column, value, style)
        elif isinstance(value, str):
            sheet.write_string(row, column, value, style)
        else:
            sheet.write_number(row, column, value, style)
