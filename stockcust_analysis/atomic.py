"""Files that appear whole or not at all, readable by their owner alone unless a run says otherwise.

A file is written beside its place, then renamed into it. Its mode and group, and those of the
folders made for it, are the `Access` in force: one place decides them for all that is written.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stockcust_analysis.errors import FileInUseError, UsageError

_IN_USE: Final = {errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY}
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}(\.\w+)?")


@dataclass(frozen=True)
class Access:
    """Who may read what is written: the mode of files, and the group they are given to.

    Whoever may read a file may enter its folder. Where the system knows no groups, none is given.

    >>> Access().folder_mode == 0o700, Access(0o640).folder_mode == 0o750
    (True, True)
    """

    mode: int = 0o600
    group: str = ""

    @property
    def folder_mode(self) -> int:
        """Mode of folders: entered by those who may read the files."""
        return self.mode | (self.mode & 0o444) >> 2

    def give(self, path: Path) -> None:
        """Set the mode and the group of a file or folder; UsageError for a group that cannot be."""
        try:
            if self.group:
                shutil.chown(path, group=self.group)
        except (LookupError, PermissionError) as error:
            raise UsageError(
                f"files cannot be given to the group '{self.group}': {error}. Name a group that "
                "exists and that this user belongs to."
            ) from error
        path.chmod(self.folder_mode if path.is_dir() else self.mode)


OWNER_ONLY: Final = Access()
_access: ContextVar[Access] = ContextVar("access", default=OWNER_ONLY)


@contextmanager
def access(granted: Access) -> Iterator[None]:
    """Let all that is written while the block runs be readable as granted.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "list.txt"
    >>> with access(Access(0o640)):
    ...     write_text(file, "1")
    >>> oct(file.stat().st_mode & 0o777)
    '0o640'
    """
    token = _access.set(granted)
    try:
        yield
    finally:
        _access.reset(token)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, with the access in force."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        with suppress(FileExistsError):  # another process was quicker
            path.mkdir(mode=0o700)
            _access.get().give(path)


def make_file(path: Path) -> None:
    """Make an empty file with the access in force, where there is none."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with suppress(FileNotFoundError):  # a lock not yet held: who clears up has removed it
            _access.get().give(path)


def give_tree(folder: Path) -> None:
    """Make a folder, and give it and all that stands in it the access in force."""
    make_folder(folder)
    for path in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError, PermissionError):  # gone by now, or another user's
            if not path.is_symlink():
                _access.get().give(path)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a neighbour to write to; it takes the place of `path` only when the block ends well.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "measures.csv"
    >>> with atomic_write(target) as beside:
    ...     _ = beside.write_text("measure,value")
    >>> target.read_text()
    'measure,value'

    FileInUseError when the file that is there cannot be replaced, as one open elsewhere.
    """
    make_folder(path.parent)
    # The ending stays last: writers such as papermill choose the format by it.
    beside = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    make_file(beside)
    try:
        yield beside
        _access.get().give(beside)
        try:
            beside.replace(path)
        except OSError as error:  # its neighbour could be written: it is this file alone
            if error.errno not in _IN_USE:
                raise
            raise FileInUseError([path], str(error.strerror)) from error
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()


def remove_unfinished(folder: Path) -> None:
    """Remove what `atomic_write` was writing in a folder when its process was killed.

    Only for folders in which nobody else is writing.
    """
    for path in folder.glob(".*"):
        if _UNFINISHED.fullmatch(path.name):
            path.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole."""
    with atomic_write(path) as beside:
        beside.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a text file whole, in UTF-8 with plain line ends."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole, with sorted keys and Chinese as it is."""
    text = json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True)
    write_text(path, text + "\n")


def sha256(path: Path) -> str:
    """Return the hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
