"""What is said of a delivery, in English and in Chinese.

Templates stand in TOML files by name, in both languages; facts fill their blanks in their order. A
name with two texts in each language says what is wrong, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from stockcust_analysis.bank.contract import table
from stockcust_analysis.errors import close_matches
from stockcust_analysis.policy.file import read_toml

FILES = ("words.toml", "doubts.toml", "layouts/words.toml")
_BETWEEN = {"en": ", ", "zh": "、"}


class Words(str):
    """A text in English that can be said in Chinese, too; with others added to it it still can."""

    zh: str

    def __new__(cls, en: str, zh: str | None = None) -> Words:
        """Keep both; without `zh` they are the same."""
        words = super().__new__(cls, en)
        words.zh = en if zh is None else zh
        return words

    def __add__(self, other: str) -> Words:
        return Words(f"{self}{other}", f"{self.zh}{in_language(other, 'zh')}")

    def text(self, language: str) -> str:
        """Return the text in a language."""
        return self.zh if language == "zh" else str(self)


NOTHING = Words("")


@cache
def templates() -> dict[str, dict[str, Any]]:
    """Return name → language → template, or the two of what is wrong and what to do."""
    files = (read_toml(Path(__file__).parent / name) for name in FILES)
    return {name: entry for file in files for name, entry in file.items()}


def say(name: str, *facts: object) -> Words:
    """Return the words that have this name, with their facts."""
    entry = templates()[name]
    return _filled(entry["en"], entry["zh"], facts)


def advise(name: str, *facts: object) -> tuple[Words, Words]:
    """Return what is wrong and what to do, by name, with their facts."""
    entry = templates()[name]
    what, remedy = (_filled(*both, facts) for both in zip(entry["en"], entry["zh"], strict=True))
    return what, remedy


def in_language(said: object, language: str) -> object:
    """Return words, or an error made of them, in a language; any other fact as it is.

    Of several there is a comma between each two.
    """
    if isinstance(said, Exception) and said.args:
        return in_language(said.args[0], language)
    if isinstance(said, (list, tuple)):
        return _BETWEEN[language].join(str(in_language(entry, language)) for entry in said)
    return said.text(language) if hasattr(said, "text") else said


def counted(name: str, number: int) -> Words:
    """Return a number of rows, tables or problems."""
    return say(name if number == 1 else f"{name}s", number)


def listed(head: Words, entries: Iterable[object]) -> Words:
    """Return a heading with the entries below it, numbered."""
    for number, entry in enumerate(entries, start=1):
        head += say("numbered", number, entry)
    return head


def named(table_name: str, column: str = "", header: str = "", source: str = "") -> Words:
    """Return a table of the contract, or one of its columns, with its Chinese name.

    Of a table it is said what its file, or its table in a database, is called otherwise.
    """
    if not column:
        names = [table_name, *([source] if source.split(".")[0] not in ("", table_name) else [])]
        return Words(table_name, f"{table(table_name).zh}表（{'，'.join(names)}）")
    name = f"{table_name}.{column}"
    return Words(name, f"“{_title(table_name, column, header)}”（{name}）")


def figure(name: str) -> Words:
    """Return a column, or the rows, of a table by `table.column`."""
    return named(*name.split("."))


def called(table_name: str, column: str, header: str = "") -> Words:
    """Return a column of a table under the bank's header, where that is not its name."""
    if isinstance(column, Words):
        return column
    title = _title(table_name, column, header)
    own = f" ('{title}')" if title == header else ""
    return Words(column + own, f"“{title}”列（{column}）")


def _title(table_name: str, column: str, header: str) -> str:
    """Return the header of a column, or its Chinese name where that is the contract's."""
    titles = {"rows": "行数", **{entry.name: entry.zh for entry in table(table_name).columns}}
    return titles[column] if header.casefold() in ("", column) else header


def did_you_mean(name: str, available: Iterable[str], *code: str) -> Words:
    """Ask, perhaps of a code, whether a name like this one was meant; nothing where none is."""
    close = either(close_matches(name, available))
    return say("for_code" if code else "did_you_mean", *code, close) if close else NOTHING


def either(names: Iterable[str]) -> Words:
    """Return names in quotation marks, one of which is meant."""
    shown = [*names]
    return Words(" or ".join(f"'{n}'" for n in shown), "或".join(f"“{n}”" for n in shown))


def _filled(en: str, zh: str, facts: Iterable[object]) -> Words:
    texts = (
        template.format(*(in_language(fact, language) for fact in facts))
        for template, language in ((en, "en"), (zh, "zh"))
    )
    return Words(*texts)
