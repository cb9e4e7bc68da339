"""The work lists of a branch as an Excel workbook: one sheet per list, with columns to fill in.

No phone and no name. The same lists give the same bytes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import xlsxwriter

from stockcust_analysis.atomic import whole
from stockcust_analysis.bank.contacts_import import AS_OF, CHANNELS, HEADINGS, OUTCOMES
from stockcust_analysis.measures.worklist_reasons import list_name
from stockcust_analysis.policy import Policy

Language = Literal["zh", "en"]
_WIDTHS = {
    "priority": 8, "customer_id": 16, "manager_id": 12, "tier": 9, "groups": 16,
    "amount_at_stake": 16, "due_date": 12, "reason": 44, "action": 52, "warning": 44,
    "last_contact_on": 13, "channel": 9, "outcome": 10, "contacted_on": 12,
    "next_contact_on": 12, "note": 30,
}  # fmt: skip
_INPUTS = ("channel", "outcome", "contacted_on", "next_contact_on", "note")
_MOST_ROWS, _A4 = 10_000, 9


def write_worklists(
    path: Path, lists: pd.DataFrame, counts: pd.DataFrame, *, branch_name: str, policy: Policy,
    as_of: date, language: Language = "zh",
) -> None:  # fmt: skip
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
    options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    with whole(path) as beside:
        book = xlsxwriter.Workbook(str(beside), options)
        book.set_properties({"created": datetime(as_of.year, as_of.month, as_of.day)})
        formats = {name: book.add_format(style) for name, style in _STYLES.items()}
        held = "held_out" in lists
        shown = lists[lists["held_out"] == 0] if held else lists
        heads = [(AS_OF, as_of.isoformat()), (_words("about", "branch"), branch_name),
                 (_words("about", "policy"), f"{policy.name} {policy.version}")]  # fmt: skip
        notes = [_words("about", "how"), *([_words("about", "held")] if held else [])]
        _about(book, formats, heads, notes, _summary(shown, counts), language)
        for name in policy.worklists.lists:
            rows = shown[shown["list"] == name]
            if len(rows):
                _sheet(book, formats, name, rows, policy, language)
        book.close()


_STYLES: dict[str, dict[str, Any]] = {
    "head": {"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"},
    "input_head": {"bold": True, "bottom": 1, "bg_color": "#DCE9F5", "text_wrap": True,
                   "valign": "top"},
    "text": {"valign": "top", "text_wrap": True},
    "money": {"valign": "top", "num_format": "#,##0.00"},
    "date": {"valign": "top", "num_format": "yyyy-mm-dd"},
    "input": {"valign": "top", "bg_color": "#F2F7FC", "text_wrap": True},
    "input_date": {"valign": "top", "bg_color": "#F2F7FC", "num_format": "yyyy-mm-dd"},
}  # fmt: skip


def _about(
    book: xlsxwriter.Workbook, formats: Mapping[str, Any],
    heads: Sequence[tuple[tuple[str, str], str]], notes: Sequence[tuple[str, str]],
    summary: pd.DataFrame, language: Language,
) -> None:  # fmt: skip
    """Write the first sheet: what the lists are, how many they found, how to fill them in."""
    side = _side(language)
    sheet = book.add_worksheet(_words("about", "sheet")[side])
    sheet.set_column(0, 0, 20)
    sheet.set_column(1, 20, 14)
    sheet.write_string(0, 0, _words("about", "title")[side], formats["head"])
    for row, (head, value) in enumerate(heads, start=1):
        sheet.write_string(row, 0, head[side])
        sheet.write_string(row, 1, value)
    for row, note in enumerate(notes, start=len(heads) + 2):
        sheet.write_string(row, 0, note[side])
    top = len(heads) + len(notes) + 3
    for column, key in enumerate(map(str, summary)):
        sheet.write_string(top, column, _words("about", key)[side], formats["head"])
        style = formats["money"] if key == "amount_at_stake" else None
        for row, value in enumerate(summary[key], start=top + 1):
            if key == "list":
                sheet.write_string(row, column, list_name(value, language))
            else:
                sheet.write_number(row, column, value, style)


def _summary(shown: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Return the counts with the number of customers on the sheets."""
    summary = counts.drop(columns="branch_id")
    listed = summary["list"].map(shown["list"].value_counts()).fillna(0).astype(int)
    summary.insert(2, "listed", listed)
    return summary


def _sheet(book: xlsxwriter.Workbook, formats: Mapping[str, Any], name: str, rows: pd.DataFrame,
           policy: Policy, language: Language) -> None:  # fmt: skip
    """Write one list: header that stays, filters and repeats, and a line per customer."""
    side = _side(language)
    table = _told(rows, policy, language)
    sheet = book.add_worksheet(list_name(name, language))
    for column, key in enumerate(map(str, table)):
        heading = (HEADINGS.get(key) or _words("headings", key))[side]
        ours = key in _INPUTS
        sheet.write_string(0, column, heading, formats["input_head" if ours else "head"])
        sheet.set_column(column, column, _WIDTHS[key])
        kind = _format(key)
        for row, value in enumerate(table[key], start=1):
            if value is None or value != value or value == "":
                sheet.write_blank(row, column, None, formats[kind])
            elif isinstance(value, date):
                sheet.write_datetime(row, column, value, formats[kind])
            elif isinstance(value, str):
                sheet.write_string(row, column, value, formats[kind])
            else:
                sheet.write_number(row, column, value, formats[kind])
    sheet.freeze_panes(1, 2)
    sheet.autofilter(0, 0, len(table), len(table.columns) - 1)
    sheet.set_paper(_A4)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    _validate(sheet, list(map(str, table)), language)


def _told(rows: pd.DataFrame, policy: Policy, language: Language) -> pd.DataFrame:
    """Return the lines in the reader's language, with the columns to fill in."""
    tiers = {tier.name: getattr(tier, language) for tier in policy.tiers.tiers}
    words = {group.name: getattr(group, language) for group in policy.groups}
    table = rows.rename(columns={f"{name}_{language}": name for name in
                                 ("reason", "action", "warning")})  # fmt: skip
    table["tier"] = table["tier"].map(tiers)
    table["groups"] = [_groups(groups, words, language) for groups in table["groups"]]
    table["channel"] = [CHANNELS[code][_side(language)] for code in table["channel"]]
    table = table.assign(outcome="", contacted_on=None, next_contact_on=None, note="")
    columns = [key for key in _WIDTHS if key != "warning" or table["warning"].any()]
    return table[columns].astype(object)


def _validate(sheet: Any, keys: Sequence[str], language: Language) -> None:
    """Let results and channels be chosen, and dates be dates."""
    choices = {"channel": CHANNELS, "outcome": OUTCOMES}
    for column, key in enumerate(keys):
        rule: dict[str, Any] = {}
        if key in choices:
            source = [words[_side(language)] for words in choices[key].values()]
            rule = {"validate": "list", "source": source}
        elif key in ("contacted_on", "next_contact_on"):
            rule = {"validate": "date", "criteria": ">", "value": date(2000, 1, 1)}
        if rule:
            sheet.data_validation(1, column, _MOST_ROWS, column, rule)


def _format(key: str) -> str:
    """Return the name of a column's format."""
    dated = key.endswith("_on") or key == "due_date"
    if key in _INPUTS:
        return "input_date" if dated else "input"
    return "date" if dated else "money" if key == "amount_at_stake" else "text"


def _groups(codes: str, words: Mapping[str, str], language: Language) -> str:
    """Return a customer's groups in words; one the policy does not name stays as it is."""
    names = [words.get(code, code) for code in codes.split(";") if code]
    return ("、" if language == "zh" else ", ").join(names)


def _side(language: Language) -> int:
    """Return the place of a language in a pair of words."""
    return 0 if language == "zh" else 1


def _words(section: str, key: str) -> tuple[str, str]:
    """Return a word in both languages; a bank's own reason for exclusion stays as it is."""
    both = _texts()[section].get(key, {"zh": key, "en": key})
    return both["zh"], both["en"]


@cache
def _texts() -> dict[str, Any]:
    """Read the words once."""
    return tomllib.loads(Path(__file__).with_name("worklists.toml").read_text(encoding="utf-8"))
