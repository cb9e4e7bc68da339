"""Files delivered by a layout: their names, licences and parts, archives and first lines.

Nothing here knows what a table means: a file is a licence, a table's code and a day.
"""

from __future__ import annotations

import csv
import gzip
import re
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field
from datetime import date
from io import BufferedIOBase
from pathlib import Path, PurePosixPath
from typing import Any

from stockcust_analysis.bank.file_names import decode
from stockcust_analysis.core.periods import is_month_end
from stockcust_analysis.errors import UsageError

_NAME = re.compile(r"(?i)([^-]+)-([A-Z]+)-(\d{8})(?:-(?:(\d{1,3})|\d+))?\.(?:txt|csv)(?:\.gz)?")
_SEPARATORS = ("\x01", ",", "|")
_NOTHING = b" \t\r\n,|\x01\xef\xbb\xbf"


def has_layout_names(folder: Path) -> bool:
    """Return whether files of a folder are called as those of a layout."""
    return any(_NAME.fullmatch(path.name) for path in folder.iterdir())


@dataclass
class DeliveredFiles:
    """Files of a folder by table and day, and what is not read of it.

    `origins` are files of the folder itself, archives too, with the code of one of their tables.
    """

    tables: Dictionary[str, Any]
    files: dict[str, dict[date, list[Path]]] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    licences: set[str] = field(default_factory=set)

    def unpack(self, folder: Path, target: Path) -> Iterator[tuple[Path, Path]]:
        """Yield the files of a folder, and those of its archives, each with where it came from."""
        for path in sorted(path for path in folder.iterdir() if not path.is_dir()):
            if path.suffix.lower() != ".zip":
                yield path, path
                continue
            try:
                yield from ((path, member) for member in self._unpack_archive(path, target))
            except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError):
                what = f"'{path.name}' cannot be unpacked: it is damaged, or locked by a password"
                raise UsageError(f"{what}. Deliver it again, or its files without it.") from None

    def _unpack_archive(self, path: Path, target: Path) -> Iterator[Path]:
        """Yield an archive's files that are named as a layout's, with the logs that count them."""
        with zipfile.ZipFile(path) as archive:
            for number, member in enumerate(archive.namelist()):
                name = PurePosixPath(member).name
                if name.lower().endswith(".log"):
                    continue
                if not _NAME.fullmatch(name):
                    self.left_out += [f"{path.name}/{member}"] if name else []
                    continue
                copy = target / path.stem / str(number) / name
                copy.parent.mkdir(parents=True)
                log = str(PurePosixPath(member).with_suffix(".log"))
                beside = path.parent / PurePosixPath(log).name
                if log in archive.namelist():
                    copy.with_suffix(".log").write_bytes(archive.read(log))
                elif beside.exists():
                    shutil.copy(beside, copy.parent)
                with archive.open(member) as source, copy.open("wb") as file:
                    shutil.copyfileobj(source, file)
                yield copy

    def warn_of_logs(self, folder: Path) -> None:
        """Warn of logs that count the rows of no file."""
        names = tuple(p.name for days in self.files.values() for ps in days.values() for p in ps)
        logs = [p for p in sorted(folder.iterdir()) if p.suffix.lower() == ".log"]
        alone = [p.name for p in logs if not any(name.startswith(p.stem) for name in names)]
        alone = [name for name in alone if _NAME.fullmatch(str(Path(name).with_suffix(".txt")))]
        if alone:
            warnings.warn(
                f"logs without their files: {', '.join(alone)}. Deliver those.", stacklevel=3
            )

    def warn_of_licences(self) -> None:
        """Warn of several licences, and of months of a table without one that others have."""
        if len(self.licences) == 1:
            return
        warnings.warn(
            f"files of {len(self.licences)} licences: branches' sets overlap and leave gaps in "
            "the accounts' balances, so that rows that stand twice are taken once, and no "
            "averages are rebuilt. Better use the whole bank's set.",
            stacklevel=3,
        )
        gaps = list[str]()
        for code, by_day in self.files.items():
            found = {day: {*map(licence_of, paths)} for day, paths in sorted(by_day.items())}
            every = set[str]().union(*found.values())
            name = f"{code} ({self.tables[code]['number']})"
            gaps += [
                f"{name} of {day} has {len(some)} of {len(every)} licences, without "
                + ", ".join(sorted(every - some))
                for day, some in found.items()
                if some < every
            ]
        if gaps:
            what = f"files of licences that other months have: {'; '.join(gaps)}"
            warnings.warn(f"{what}. Without them their customers seem to leave.", stacklevel=3)


def find_files(folder: Path, target: Path, tables: Dictionary[str, Any]) -> DeliveredFiles:
    """Return the files of a folder that hold tables of a layout; archives are unpacked."""
    found = DeliveredFiles(tables)
    for origin, path in found.unpack(folder, target):
        match = _NAME.fullmatch(path.name)
        code = match[2].upper() if match else ""
        day = day_of(match[3]) if match else None
        if day is None or code not in tables:
            found.left_out += [path.name] if match else []
        elif not is_month_end(day):
            found.left_out.append(f"{path.name} (no month's last day)")
        else:
            found.files.setdefault(code, {}).setdefault(day, []).append(path)
            found.licences.add(licence_of(path))
            found.origins.setdefault(origin, code)
    if not found.files:
        what = "named as 'licence-TABLE-20260930.txt', of a table that is known"
        raise UsageError(f"'{folder}' holds no file {what}.")
    return found


def missing_parts(code: str, day: date, paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Yield what is missing of files in parts (`-1.txt`, `-2.txt`), and the first one's name."""
    parts: dict[str, set[int]] = {}
    for path in paths:
        match = _NAME.fullmatch(path.name)
        parts.setdefault(licence_of(path), set()).add(int(match[4] or 1) if match else 1)
    for licence, found in sorted(parts.items()):
        if lacking := sorted({*range(1, max(found))} - found):
            what = f"no part {', '.join(map(str, lacking))} of {day}, and a part {max(found)}"
            yield what, f"{licence}-{code}-{day:%Y%m%d}-{lacking[0]}.txt"


def day_of(text: str) -> date | None:
    """Return the day of eight digits; None where they are none."""
    try:
        return date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:]}")
    except ValueError:
        return None


def licence_of(path: Path) -> str:
    """Return whose file it is, by its name."""
    return path.name.split("-")[0].upper()


def _open(path: Path) -> BufferedIOBase:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def is_blank(path: Path) -> bool:
    """Return whether no line of a file has a cell; UsageError where it cannot be read."""
    try:
        with _open(path) as file:
            return not any(line.strip(_NOTHING) for line in file)
    except (OSError, EOFError, zlib.error):
        what = f"'{path.name}' cannot be read: it is damaged, locked or a link to nowhere"
        raise UsageError(f"{what}. Deliver it again.") from None


def first_line(path: Path) -> tuple[str, list[str]]:
    """Return the separator of a file, and the cells of its first line."""
    with _open(path) as file:
        line = file.readline()
        while b"\x01" not in line and line.count(b'"') % 2 and (more := file.readline()):
            line += more  # a cell with a line break
    text = decode(line).rstrip("\r\n")
    rows = {
        separator: next(csv.reader([text], delimiter=separator), [])
        if separator == ","
        else text.split(separator)
        for separator in _SEPARATORS
    }
    separator = max(
        rows, key=lambda name: (name == "\x01" and len(rows[name]) > 1, len(rows[name]))
    )
    return separator, rows[separator]
