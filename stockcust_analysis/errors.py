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
from difflib import get_close_matches
from pathlib import Path
from typing import Final

_REMEDIES: Final = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "ask for the right to write there"),
    errno.ENOTDIR: "name a folder, not a file",
}
UNWRITABLE: Final = frozenset(_REMEDIES)
"""What is wrong with the place that is written to, as the operating system numbers it."""


class StockcustError(ValueError):
    """Base of all errors raised on purpose by this package."""


class UsageError(StockcustError):
    """An argument or option cannot be used as given."""

    @classmethod
    def unknown(cls, what: str, name: object, available: Iterable[object]) -> UsageError:
        """Build the error for a name that is not among those available, with close matches.

        A mapping says what else those available are called, as branches by their names.
        """
        titles = available.items() if isinstance(available, Mapping) else ()
        meant = [f"'{key}'" for key, title in titles if isinstance(title, str) and title == name]
        names = sorted(map(str, available))
        shown = ", ".join(names[:12]) + (f", … ({len(names)} in all)" if len(names) > 12 else "")
        close = f" Did you mean {' or '.join(meant)}?" if meant else did_you_mean(str(name), names)
        return cls(f"unknown {what} '{name}'.{close} Available: {shown}.")


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
        remedy = _REMEDIES.get(error.errno or 0, "look what holds it")
        return cls(
            f"cannot write to '{path}': {error.strerror}. What was finished is kept: {remedy}, or "
            "choose another folder (--out, --html), and run the same command again."
        )


class FileInUseError(ReportError):
    """`files` cannot be replaced, as when another program has them open; others can."""

    def __init__(self, files: Iterable[object], reason: str) -> None:
        self.files, self.reason = tuple(files), reason
        shown = ", ".join(f"'{file}'" for file in self.files[:3])
        more = f", … ({len(self.files)} files)" if len(self.files) > 3 else ""
        super().__init__(
            f"cannot replace {shown}{more}: {reason}. Close what is open elsewhere, or make it "
            "writable, and run the same command again."
        )

    def __reduce__(self) -> tuple[type[FileInUseError], tuple[tuple[object, ...], str]]:
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


def did_you_mean(name: str, available: Iterable[str]) -> str:
    """Return ' Did you mean "x" or "y"?', or an empty text when nothing is close.

    >>> did_you_mean("balanse", ["balance", "product"])
    " Did you mean 'balance'?"
    >>> did_you_mean("zzz", ["balance", "product"])
    ''
    """
    close = close_matches(name, available)
    return f" Did you mean {' or '.join(repr(match) for match in close)}?" if close else ""


def close_matches(name: str, available: Iterable[str]) -> list[str]:
    """Return the names that are most like one, two at most."""
    return get_close_matches(name, list(available), n=2, cutoff=0.6)
