"""Problems of delivered tables, and the one error that lists them all."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stockcust_analysis.errors import BankDataError

WORDS: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("words.toml").read_text(encoding="utf-8")
)
"""What is said of cells, and of what may not be meant or is hardly true."""


def say(name: str, *facts: object) -> str:
    """Return the words of a doubt with its names and figures."""
    return str(WORDS["doubts"][name]).format(*facts)


@dataclass(frozen=True)
class Problem:
    """One thing wrong in one column (or a whole table), with where it first shows and what to do.

    `rows` counts the rows concerned (0 when the table itself is the problem); `first` names the
    first of them, as row numbers in the file with the header as row 1.
    """

    table: str
    column: str
    what: str
    remedy: str
    rows: int = 0
    first: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f"{self.table}.{self.column}" if self.column else self.table
        count = f"{self.rows:,} row{'s' if self.rows != 1 else ''}" if self.rows else ""
        first = f" (first: {', '.join(self.first)})" if self.first else ""
        what = f"{count}{first}: {self.what}" if self.rows else self.what
        return f"{place}: {what}. {self.remedy}"


def raise_if_any(problems: Sequence[Problem], source: str) -> None:
    """Raise one BankDataError that lists all problems; return when there are none."""
    if not problems:
        return
    tables = len({problem.table for problem in problems})
    head = (
        f"{len(problems)} problem{'s' if len(problems) > 1 else ''} "
        f"in {tables} table{'s' if tables > 1 else ''} of {source}:"
    )
    lines = [f"  {number}. {problem}" for number, problem in enumerate(problems, start=1)]
    raise BankDataError("\n".join([head, *lines]), problems)
