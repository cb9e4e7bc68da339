"""What is said of deliveries, arguments and runs, in English and in Chinese.

Templates stand in TOML files by name, in both languages; facts fill their blanks in their order. A
name with two texts in each language says what is wrong, and what to do.
"""

from __future__ import annotations

import errno
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

_OF_BANKS = ("bank/words.toml", "bank/doubts.toml", "bank/layouts/words.toml")
_OF_ANALYSES = ("measures/words.toml", "models/problems.toml", "show/words.toml")
FILES = ("words.toml", "policy/problems.toml", *_OF_BANKS, *_OF_ANALYSES)
_BETWEEN = {"en": ", ", "zh": "、"}
_CHOSEN = {"language": "zh"}


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
    texts = ((Path(__file__).parent / name).read_text("utf-8") for name in FILES)
    return {name: entry for text in texts for name, entry in tomllib.loads(text).items()}


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

    Of several there is a comma between each two; of the system's errors why it refused.
    """
    if isinstance(said, Exception):
        return words_of(said).text(language)
    if isinstance(said, (list, tuple)):
        return _BETWEEN[language].join(str(in_language(entry, language)) for entry in said)
    return said.text(language) if hasattr(said, "text") else said


def choose_language(language: str) -> None:
    """Set the language in which notebooks show results and errors."""
    _CHOSEN["language"] = language


def chosen_language() -> str:
    """Return the language in which notebooks show results and errors."""
    return _CHOSEN["language"]


def words_of(error: Exception) -> Words:
    """Return what an error says; of the system's errors why it refused."""
    if isinstance(error, OSError) and error.strerror:
        known = templates().get(errno.errorcode.get(error.errno or 0, ""), {})
        return Words(error.strerror, known.get("zh"))
    return error.args[0] if error.args and isinstance(error.args[0], Words) else Words(str(error))


def counted(name: str, number: int) -> Words:
    """Return a number of rows, tables or problems."""
    return say(name if number == 1 else f"{name}s", number)


def listed(head: Words, entries: Iterable[object]) -> Words:
    """Return a heading with the entries below it, numbered."""
    for number, entry in enumerate(entries, start=1):
        head += say("numbered", number, entry)
    return head


def bulleted(head: Words, entries: Iterable[object]) -> Words:
    """Return a heading with the entries below it, behind dashes."""
    for entry in entries:
        head += say("dashed", entry)
    return head


def joined(parts: Iterable[object], en: str = "\n", zh: str = "\n") -> Words:
    """Return lines, or parts with other marks between each two, as one text."""
    texts, marks = [*parts], {"en": en, "zh": zh}
    return Words(*(mark.join(str(in_language(t, of)) for t in texts) for of, mark in marks.items()))


def did_you_mean(name: str, available: Iterable[str], *code: str) -> Words:
    """Ask, perhaps of a code, whether a name like this one was meant; nothing where none is.

    >>> did_you_mean("balanse", ["balance", "product"])
    " Did you mean 'balance'?"
    >>> did_you_mean("zzz", ["balance", "product"])
    ''
    """
    close = either(get_close_matches(name, list(available), n=2, cutoff=0.6))
    return say("for_code" if code else "did_you_mean", *code, close) if close else NOTHING


def either(names: Iterable[object]) -> Words:
    """Return names in quotation marks, one of which is meant."""
    return joined((Words(f"'{name}'", f"“{name}”") for name in names), " or ", "或")


def _filled(en: str, zh: str, facts: Iterable[object]) -> Words:
    texts = (
        template.format(*(in_language(fact, language) for fact in facts))
        for template, language in ((en, "en"), (zh, "zh"))
    )
    return Words(*texts)
