"""Everything this package raises on purpose, and the words of all that it says.

```
StockcustError (ValueError)          catch this to catch all
├── UsageError                       a wrong argument: unknown quarter, branch, column, option
├── PolicyError                      a rule file that cannot be followed
├── BankDataError                    the extracts break the contract; every problem at once
├── EngineError                      the database or cluster failed while it was computing
└── ReportError                      a page could not be made
    ├── OutputError                  files cannot be written: disk full, folder read-only
    ├── FileInUseError               one file cannot be replaced: it is open in another program
    ├── NotebookError                a notebook lacks its parameters cell, or a cell failed
    ├── MissingAltTextError          a figure without words for those who cannot see it
    ├── MissingGlyphError            a character that no shipped font can draw
    └── TypesettingError             the typesetter refused the page
```

Messages say what is wrong, where, how often and what to do, in English and in Chinese. They end up
in logs, so they never carry a customer's id, name or balance. Templates stand in TOML files by
name, in both languages; facts fill their blanks in their order. A name with two texts in each
language says what is wrong, and what to do.
"""

from __future__ import annotations

import errno
import re
import sys
import tomllib
import warnings
from bisect import bisect
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final, TypeVar

_OF_BANKS = ("bank/words.toml", "bank/doubts.toml", "bank/layouts/words.toml")
_OF_ANALYSES = ("measures/words.toml", "models/problems.toml", "show/words.toml")
WORD_FILES = ("words.toml", "policy/problems.toml", *_OF_BANKS, *_OF_ANALYSES)
_BETWEEN = {"en": ", ", "zh": "、"}
_CHOSEN = {"language": "zh"}
_Name = TypeVar("_Name")


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
    texts = ((Path(__file__).parent / name).read_text("utf-8") for name in WORD_FILES)
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


if getattr(sys.modules.get("IPython"), "get_ipython", bool)():  # in a notebook
    _plainly = warnings.formatwarning
    # Where in the package a warning was made says nothing to whoever ran the cell.
    warnings.formatwarning = lambda message, category, *where, **more: (
        f"{category.__name__}: {in_language(message, chosen_language())}\n"
        if any(isinstance(said, Words) for said in getattr(message, "args", ()))
        else _plainly(message, category, *where, **more)
    )


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

    Names in which it begins a word come first: it may be all that somebody remembers.

    >>> did_you_mean("balanse", ["balance", "product"])
    " Did you mean 'balance'?"
    >>> did_you_mean("age", ["average_balance", "age_group"])
    " Did you mean 'age_group'?"
    >>> did_you_mean("zzz", ["balance", "product"])
    ''
    """
    names, word = [*available], re.compile(f"(?<![a-z0-9]){re.escape(name)}", re.IGNORECASE)
    begun = [option for option in names if len(name) > 1 and word.search(option)]
    alike = get_close_matches(name, begun, 2, cutoff=0.0) + get_close_matches(name, names, 2)
    close = either(list(dict.fromkeys(alike))[:2])
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


_REMEDIES: Final = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make_room"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "ask_to_write"),
    errno.ENOTDIR: "name_a_folder",
}
UNWRITABLE: Final = frozenset(_REMEDIES)
"""What is wrong with the place that is written to, as the operating system numbers it."""


class StockcustError(ValueError):
    """Base of all errors raised on purpose by this package."""

    def _render_traceback_(self) -> list[str]:
        """Show in a notebook which line failed and why, in the language of `set_language`.

        IPython asks for this; the frames inside the package help nobody there, and `%debug` still
        has them.
        """
        lines = [frame for frame in extract_tb(self.__traceback__) if frame.name == "<module>"]
        where = [f"----> {frame.lineno} {frame.line}" for frame in lines[:1]]
        return [*where, f"{type(self).__name__}: {words_of(self).text(chosen_language())}"]


class UsageError(StockcustError):
    """An argument or option cannot be used as given."""

    @classmethod
    def unknown(
        cls, what: str, name: object, available: Iterable[object], *facts: object
    ) -> UsageError:
        """Build the error for a name that is not among those available, with close matches.

        A mapping says what else those available are called, as branches by their names. What the
        name is of is said by its word in words.toml, with its facts, where there is one.
        """
        titles = available.items() if isinstance(available, Mapping) else ()
        meant = [key for key, title in titles if isinstance(title, str) and title == name]
        names = sorted(map(str, available))
        shown = say("some_of", names[:12], len(names)) if len(names) > 12 else names
        if names and re.match(r"\d{4}(Q|-\d\d-)", str(name)):  # those before and after it in time
            index = bisect(names, str(name))
            meant = names[max(index - 1, 0) : index + 1]
        close = say("did_you_mean", either(meant)) if meant else did_you_mean(str(name), names)
        thing = say(f"{what}_word", *facts) if f"{what}_word" in templates() else what
        return cls(say("unknown_name", thing, name, close, shown or say("none"), str(thing)))


def require_known(what: str, name: _Name, available: Any, *facts: object) -> _Name:
    """Return a name that is among those available; UsageError with close matches for another.

    `what` it is of, and its facts, are as for `UsageError.unknown`.

    >>> require_known("unit", "household", ("customer", "household"))
    'household'
    """
    if name not in available:
        raise UsageError.unknown(what, name, available, *facts)
    return name


class PolicyError(StockcustError):
    """A policy file states a rule that cannot be followed; `problems` are its reasons, if many."""

    def __init__(self, message: str, problems: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class BankDataError(StockcustError):
    """The bank's extracts break the contract; `problems` lists every one of them."""

    def __init__(self, message: str, problems: Iterable[object] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class EngineError(StockcustError):
    """The database, cluster or disk under the tables failed while it was computing."""


class ReportError(StockcustError):
    """A page could not be made."""


class OutputError(ReportError):
    """Files cannot be written: the disk is full, or the folder is read-only."""

    @classmethod
    def of(cls, error: OSError, folder: object) -> OutputError:
        """Build the error from the operating system's."""
        path = Path(str(error.filename or folder))
        path = path.parent if path.name.startswith(".") else path  # a file that is half written
        remedy = say(_REMEDIES.get(error.errno or 0, "look_what_holds"))
        return cls(say("cannot_write", path, error, remedy))


class FileInUseError(ReportError):
    """`files` cannot be replaced, as when another program has them open; others can."""

    def __init__(self, files: Iterable[object], reason: object) -> None:
        self.files, self.reason = tuple(files), reason
        shown = [either([file]) for file in self.files[:3]]
        more = say("some_files", shown, len(self.files)) if len(self.files) > 3 else shown
        super().__init__(say("files_in_use", more, reason))

    def __reduce__(self) -> tuple[type[FileInUseError], tuple[tuple[object, ...], object]]:
        """Survive pickling, so that a worker process can hand the error to its parent."""
        return (type(self), (self.files, self.reason))


class NotebookError(ReportError):
    """A notebook cannot be run as a report, or one of its cells failed."""


class MissingAltTextError(ReportError):
    """A figure has no alternative text or caption."""


class MissingGlyphError(ReportError):
    """A text holds characters that the report's fonts cannot draw."""


class TypesettingError(ReportError):
    """The typesetter refused a page."""


def is_quotable(text: str) -> bool:
    """Return whether a delivered code or header may stand in a message: not with a long number.

    >>> is_quotable("time-deposit"), is_quotable("time_deposit 62220000103")
    (True, False)
    """
    return not re.search(r"\d{4}", text)
