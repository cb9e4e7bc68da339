"""Flag files beside the data (`customers_20260930.ok`, `.flg`, `.log`, …): how many rows it has.

Warehouses write them in many forms: a number alone; file name, bytes, rows and day on one line,
with any separator; one value a line; an export's messages; one line for each of many data files.
What is neither the name, the size, a day nor a time of the data file is its number of rows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

FLAG_ENDINGS = (".ok", ".flg", ".flag", ".log", ".ctl", ".verf", ".chk", ".cnt", ".done")
_LARGEST = 1 << 20
_MOST_NUMBERS, _MOST_WORDS = 2, 2
_LABELLED = re.compile(
    r"(?i)(?:记录|行|条|笔)数\D{0,12}?(\d+)|(?:row|record|line)s?\W{0,5}(\d+)"
    r"|(?:count|cnt|(?:row|rec|record)_?num)\W{0,5}(\d+)|\b(\d+)\W{0,3}(?:rows|records|条|行|笔)"
)
_TIMES = re.compile(
    r"\d{4}[-/.年]\d\d?[-/.月]\d\d?日?([ T-]\d\d?[.:]\d\d[.:]\d\d[.\d]*)?|\d\d?:\d\d(:\d\d)?"
)
_NEGATIVE = re.compile(r"(?<![\w)-])-\d")
_FILE_NAME = re.compile(r"[\w-]+\.[A-Za-z]\w*(\.gz)?")
_DAY = re.compile(r"(19|20)\d\d[01]\d([0-3]\d)?(\d{6,9})?")


@dataclass(frozen=True)
class RowCount:
    """What a flag file says of a data file: numbers that may be its rows; none: not understood."""

    flag_file: str
    numbers: frozenset[int]

    def note(self, rows: Collection[int]) -> str:
        """Return what `check` says of it; `rows` are those of the file, with and without totals."""
        if not self.numbers:
            return f"{self.flag_file} left out: it says no number of rows"
        return f"{self.flag_file} counts {max(self.numbers & {*rows}):,} rows, too"

    def contradicts(self, rows: Collection[int]) -> str:
        """Return how it differs from the rows of the file; empty if it does not."""
        if not self.numbers or self.numbers & {*rows}:
            return ""
        stated = " or ".join(f"{number:,}" for number in sorted(self.numbers))
        return f"{max(rows):,} rows, and {self.flag_file} says {stated}"


def read_row_counts(files: Collection[Path]) -> tuple[dict[Path, list[RowCount]], list[Path]]:
    """Return what flag files say of data files, and those that belong to none of them."""
    names: dict[tuple[Path, str], Path] = {}
    for path in sorted(files):
        for name in (path.name, path.name.removesuffix(".gz"), path.name.split(".")[0]):
            names.setdefault((path.parent, name.casefold()), path)
    counts: dict[Path, list[RowCount]] = {}
    alone = []
    flags = (path for folder in {path.parent for path in files} for path in folder.iterdir())
    for flag in sorted(path for path in flags if path.suffix.lower() in FLAG_ENDINGS):
        if not flag.is_file() or flag.name.startswith("."):
            continue
        text = ""
        if flag.stat().st_size <= _LARGEST:
            text = decode(flag.read_bytes())
        parts = [*_parts(flag, text, names)]
        for path, part in parts:
            numbers = _possible_rows(path, flag, part)
            counts.setdefault(path, []).append(RowCount(flag.name, numbers))
        alone += [] if parts else [flag]
    return counts, alone


def decode(raw: bytes) -> str:
    """Return the text of a file in UTF-8 or GB18030."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("gb18030", errors="replace")


def _parts(
    flag: Path, text: str, names: dict[tuple[Path, str], Path]
) -> Iterator[tuple[Path, str]]:
    """Yield the data files that a flag file speaks of, each with what it says of it."""
    path = names.get((flag.parent, flag.stem.casefold()))
    path = path or names.get((flag.parent, flag.name.split(".")[0].casefold()))
    said, is_named = list[str](), False
    for line in text.splitlines():
        words = re.findall(r"[^\s/\\|,;:=\x01\x80\ufffd\"]+", line)
        keys = [(flag.parent, word.casefold()) for word in words]
        named = next((names[key] for key in keys if key in names), None)
        if named or (is_named and any(map(_FILE_NAME.fullmatch, words))):
            if is_named and path:
                yield path, "\n".join(said)
            path, said, is_named = named, [] if is_named else said, True
        said.append(line)
    if path:
        yield path, "\n".join(said)


def _possible_rows(path: Path, flag: Path, text: str) -> frozenset[int]:
    """Return the numbers of a text that may be a file's rows, none where it is not understood."""
    # A control file of SQL*Loader, whose ROWS is no count, or a number that is none.
    if "load data" in text.lower() or _NEGATIVE.search(text):
        return frozenset()
    labelled = [number for match in _LABELLED.findall(text) for number in match if number]
    if labelled:
        return frozenset(map(int, labelled))
    own = {path.name.casefold(), path.name.split(".")[0].casefold(), flag.stem.casefold()}
    tokens = [
        token
        for token in re.findall(r"[\w.-]+", _TIMES.sub(" ", text))
        if token.casefold() not in own
    ]
    words = [token for token in tokens if not token.isdecimal() and len(token) > 1]
    said = {int(token) for token in tokens if token.isdecimal() and not _DAY.fullmatch(token)}
    # A file of no bytes has as many rows.
    numbers = said - {path.stat().st_size} or said & {0}
    understood = len(words) <= _MOST_WORDS and 1 <= len(numbers) <= _MOST_NUMBERS
    return frozenset(numbers if understood else ())
