"""Everything this package raises on purpose.

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

Messages say what is wrong, where, how often and what to do. They end up in logs, so they never
carry a customer's id, name or balance.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from traceback import extract_tb
from typing import Final

from stockcust_analysis.words import chosen_language, did_you_mean, either, say, templates, words_of

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
        close = say("did_you_mean", either(meant)) if meant else did_you_mean(str(name), names)
        thing = say(f"{what}_word", *facts) if f"{what}_word" in templates() else what
        return cls(say("unknown_name", thing, name, close, shown or say("none"), str(thing)))


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
