"""The work lists of a branch as a workbook, a sheet per list, with columns to fill in.

No phone and no name stands in them; the same lists are the same bytes every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, Final

import pandas as pd

from stockcust_analysis.bank.contacts_import import AS_OF, CHANNELS, HEADINGS, OUTCOMES
from stockcust_analysis.bank.customers import require_branches
from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.files import atomic_write, sha256, write_json
from stockcust_analysis.core.frames import as_lazy, collect_rows
from stockcust_analysis.errors import FileInUseError
from stockcust_analysis.evaluation.provided import aum_of_deposits, lists_left_out
from stockcust_analysis.evaluation.worklists import Lists, make_lists
from stockcust_analysis.measures.worklist_outcomes import without_control_group
from stockcust_analysis.measures.worklists import Language, list_name
from stockcust_analysis.policy import Policy
from stockcust_analysis.policy.file import PACKAGE, read_toml
from stockcust_analysis.report import plan
from stockcust_analysis.report.workbook import LINE_HEIGHT, count_lines, set_up_printing
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
_TEXTS: Final = read_toml(PACKAGE / "report" / "worklists.toml")


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
    lists_of, counts_of = (dict(list(table.groupby("branch_id"))) for table in (customers, counts))
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
        choices = self._choices()
        for column, key in enumerate(columns):
            width, style = _LIST_COLUMNS[key]
            heading = HEADINGS[key][self.side] if key in HEADINGS else self.text(key, "headings")
            head = "input_head" if style.startswith("input") else "head"
            sheet.write_string(0, column, heading, self._formats[head])
            sheet.write_column(1, column, _cells(rows[key]), self._formats[style])
            sheet.set_column(column, column, width)
            if key in choices:
                sheet.data_validation(1, column, _MOST_ROWS, column, choices[key])
        texts = ((_LIST_COLUMNS[key][0], rows[key]) for key in _LONG_TEXTS)
        for row, lines in enumerate(count_lines(texts), start=1):
            sheet.set_row(row, lines * LINE_HEIGHT)
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

    def _choices(self) -> dict[str, dict[str, Any]]:
        """Return what may be filled in: results and channels of a list, dates that are dates."""
        day = {"validate": "date", "criteria": ">", "value": date(2000, 1, 1)}
        rules: dict[str, dict[str, Any]] = {"contacted_on": day, "next_contact_on": day}
        for key, choices in (("channel", CHANNELS), ("outcome", OUTCOMES)):
            rules[key] = {"validate": "list", "source": [w[self.side] for w in choices.values()]}
        return rules


def _cells(values: Iterable[Any]) -> list[Any]:
    """Return values as cells: what is missing stays blank."""
    return [None if pd.isna(value) else value for value in values]
