"""Files written whole or not at all, locks that a dead process does not hold, working folders.

A file is written beside its place, then renamed into it. Its mode and group, and those of the
folders made for it, are the `Access` in force: one place decides them for all that is written.

A lock is a file that its holder keeps locked through the operating system, so it is released when
the holder ends, however that happens. A working folder `stockcust-x` is guarded by the lock
`stockcust-x.lock` beside it: the next process removes the folders of those that were killed.
"""

from __future__ import annotations

import errno
import getpass
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import socket
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from stockcust_analysis.errors import UNWRITABLE, FileInUseError, UsageError, say, words_of

_IN_USE: Final = {errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY}
_HELD: Final = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}
"""How systems report that another process holds a lock; all else is a share without locks."""
_BEYOND: Final = 1 << 20  # where Windows locks: no process can read a locked byte
SOCKET_PATH: Final = 70
"""Longest parent of a folder for sockets, whose whole path must stay under 100 bytes."""
_WORKING: Final = "stockcust-"
_logger = logging.getLogger(__name__)
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}(\.\w+)?")


@dataclass(frozen=True)
class Access:
    """Who may read what is written: the mode of files, and the group they are given to.

    Those who may read a file may enter its folder. No group is given where the system has none.

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
            reason = error if isinstance(error, OSError) else say("no_such_group")
            raise UsageError(say("no_group", self.group, reason)) from error
        path.chmod(self.folder_mode if path.is_dir() else self.mode)


def read_mode(octal: str) -> int:
    """Return the mode of octal digits, as chmod takes them.

    UsageError for others, or unless the owner can read and write, and not execute.

    >>> read_mode("640") == 0o640
    True
    """
    if not re.fullmatch("0?[0-7]{3}", octal) or int(octal, 8) & 0o700 != 0o600:
        raise UsageError(say("no_mode", octal))
    return int(octal, 8)


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
        with _naming(beside):
            yield beside
        _access.get().give(beside)
        try:
            beside.replace(path)
        except OSError as error:  # its neighbour could be written: it is this file alone
            if error.errno not in _IN_USE:
                raise
            raise FileInUseError([path], words_of(error)) from error
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let a full disk name what was being written; the system names it where it is opened only."""
    try:
        yield
    except OSError as error:
        if error.errno in UNWRITABLE:
            error.filename = error.filename or str(path)
        raise


def remove_unfinished(folder: Path, pattern: str = "**/.*") -> None:
    """Remove what `atomic_write` was writing anywhere in a folder when its process was killed.

    Only for folders in which no other process is writing.
    """
    for path in folder.glob(pattern):
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
    write_text(path, json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True) + "\n")


def sha256(path: Path) -> str:
    """Return the hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class LocksUnavailableError(OSError):
    """The file system locks no files (ENOLCK of NFS, ENOSYS, …)."""


@contextmanager
def exclusive_lock(lock: Path, *, what: object, rivals: str = "") -> Iterator[None]:
    """Hold a lock file while the block runs.

    On a share that locks no files the block runs all the same, with a warning: nothing else could
    tell whether another holder is alive.

    Parameters
    ----------
    lock
        The file; it and the folders made for it are removed in the end.
    what
        What is locked, for messages.
    rivals
        Regular expression for the names of other locks beside it that nobody may hold meanwhile:
        of two processes that try at once, at most one goes on.

    Raises
    ------
    UsageError
        Another process holds the lock, or a rival; the message names it.
    """
    new_folders = [folder for folder in (lock.parent, *lock.parent.parents) if not folder.exists()]
    make_folder(lock.parent)
    handle = lock_or_open(lock, what)
    if handle is None:
        raise _in_use_by(what, lock)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "user": user_name(), "since": since}
    with handle:
        with _naming(lock):
            handle.truncate(0)
            handle.write(json.dumps(holder))
            handle.flush()
        try:
            for rival in lock.parent.iterdir():
                if re.fullmatch(rivals, rival.name):
                    _require_free(rival, what)
            yield
        finally:
            with suppress(OSError):  # Windows removes no file that is open; it is not locked
                lock.unlink()
            with suppress(OSError):  # only folders that are empty go
                for folder in new_folders:
                    folder.rmdir()


def lock_or_open(lock: Path, what: object = "") -> IO[str] | None:
    """Return the lock file, locked where files can be; None when another process holds it.

    Where files cannot be locked, a warning names `what`, if it is anything that others may share.
    """
    try:
        return lock_file(lock)
    except LocksUnavailableError as error:
        if what:
            _logger.warning(
                "%s is on a share that locks no files (%s): two runs would not notice each other. "
                "Start one at a time.",
                what,
                error.strerror,
            )
        return lock.open("a+", encoding="utf-8")


def lock_file(path: Path) -> IO[str] | None:
    """Return the file, locked for as long as it is open; None when another process holds it.

    LocksUnavailableError where the file system locks no files.
    """
    while True:
        make_file(path)
        try:
            handle = path.open("r+", encoding="utf-8")
        except FileNotFoundError:
            continue  # removed by who clears up: make a new one
        try:
            _lock(handle)
            if os.fstat(handle.fileno()).st_ino == path.stat().st_ino:
                return handle
        except FileNotFoundError:
            pass  # the holder removed its file as it ended: make a new one
        except OSError as error:
            handle.close()
            if error.errno in _HELD:
                return None
            raise LocksUnavailableError(error.errno, error.strerror) from error
        handle.close()


def user_name() -> str:
    """Return who runs this: the user's name, or the number where no name is known (containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def _require_free(lock: Path, what: object) -> None:
    """Remove a lock that a dead process left; UsageError when a living one holds it."""
    try:
        handle = lock_file(lock)
    except LocksUnavailableError:
        return  # its holder has been warned as we were
    if handle is None:
        raise _in_use_by(what, lock)
    with handle, suppress(OSError):
        lock.unlink()


def _in_use_by(what: object, lock: Path) -> UsageError:
    """Return the error that names the holder of a lock, as it has written itself down."""
    try:
        facts = json.loads(lock.read_text(encoding="utf-8"))
        holder = say("process", *map(facts.__getitem__, ("pid", "user", "host", "since")))
    except (OSError, ValueError, KeyError):
        holder = say("another_process")
    return UsageError(say("locked", what, holder))


def _lock(handle: IO[str]) -> None:
    """Lock a file through the system; OSError when another process has."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        handle.seek(_BEYOND)
        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


class WorkingFolder:
    """A folder that only its owner can read, removed by `remove`, at the latest with the process.

    As a context manager it yields its path. Folders of processes that were killed are removed when
    one is made; a forked child leaves its parent's folder alone.

    >>> with WorkingFolder() as path:
    ...     _ = (path / "rows.csv").write_text("n")
    >>> path.exists()
    False

    Parameters
    ----------
    longest_parent
        Characters that the path of the parent may have, where that matters; else the system's own
        choice (TMPDIR) is taken.
    """

    def __init__(self, longest_parent: int | None = None) -> None:
        parent = _working_parent(longest_parent)
        for abandoned in parent.glob(f"{_WORKING}*.lock"):
            with suppress(OSError):
                _remove_folder(abandoned, lock_file(abandoned), os.getpid())
        handle = None
        while handle is None:
            lock = parent / f"{_WORKING}{secrets.token_hex(4)}.lock"
            handle = lock_or_open(lock)
        self.path = lock.with_suffix("")
        self.path.mkdir(mode=0o700)
        self._finalize = weakref.finalize(self, _remove_folder, lock, handle, os.getpid())

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        self._finalize()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.remove()


@contextmanager
def all_temporary_files_in(folder: Path) -> Iterator[None]:
    """Let this process's other temporary files go there too; for a command, not a library."""
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _working_parent(longest: int | None) -> Path:
    """Return where working folders go: the system's own choice, unless its path is too long."""
    chosen = Path(tempfile.gettempdir())
    others = (Path(name) for name in ("/tmp", "/dev/shm") if os.access(name, os.W_OK))
    short = (path for path in (chosen, *others) if longest is None or len(str(path)) <= longest)
    return next(short, chosen)


def _remove_folder(lock: Path, handle: IO[str] | None, owner: int) -> None:
    """Remove a working folder whose lock is ours."""
    if handle is None or os.getpid() != owner:
        return
    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)  # follows no link
    handle.close()
    lock.unlink(missing_ok=True)
