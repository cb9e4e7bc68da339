"""Locks that a dead process does not hold, and working folders that do not stay behind.

A lock is a file that its holder keeps locked through the system, so it falls open when the
holder ends, however that happens. Working folders stand in one folder per process that is locked
in the same way: whoever comes next removes what the dead have left.
"""

from __future__ import annotations

import errno
import getpass
import json
import logging
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from stockcust_analysis.atomic import make_file, make_folder
from stockcust_analysis.errors import OutputError, UsageError

NO_PLACE: Final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
"""What is wrong with the machine and would go wrong for every page, as the system numbers it."""

_HELD: Final = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}
"""How systems say that another process holds a lock; all else is a share that locks no files."""

_logger = logging.getLogger(__name__)
_PREFIX: Final = "stockcust-"
_LONGEST_PLACE: Final = 70  # a socket's whole path must stay under 100 bytes
_BEYOND: Final = 1 << 20  # where Windows locks: what it locks nobody can read


class _NoLocksError(OSError):
    """The file system locks no files (ENOLCK of NFS, ENOSYS, …)."""


@contextmanager
def held(lock: Path, *, what: str, rivals: str = "") -> Iterator[None]:
    """Hold a lock file while the block runs; UsageError, naming the holder, when another does.

    `what` says what is being held, for the message. `rivals` matches the other locks beside it
    that nobody may hold meanwhile: of two who try at once, at most one goes on. On a share without
    locks the block runs all the same, with a warning: nothing else could tell who is alive.
    """
    made = [folder for folder in (lock.parent, *lock.parent.parents) if not folder.exists()]
    make_folder(lock.parent)
    handle = _locked_or_open(lock, what)
    if handle is None:
        raise _in_use(what, lock)
    facts = {"pid": os.getpid(), "host": socket.gethostname(), "user": user_name(),
             "since": datetime.now(UTC).isoformat(timespec="seconds")}  # fmt: skip
    with handle:
        handle.truncate(0)
        handle.write(json.dumps(facts))
        handle.flush()
        try:
            for rival in lock.parent.glob(rivals) if rivals else ():
                _require_free(rival, what)
            yield
        finally:
            with suppress(OSError):  # Windows removes no file that is open; it is not locked
                lock.unlink()
            with suppress(OSError):  # a folder that was made for nothing goes again
                for folder in made:
                    folder.rmdir()


def _require_free(lock: Path, what: str) -> None:
    """Remove a lock that the dead have left; UsageError when somebody holds it."""
    try:
        handle = _locked(lock)
    except _NoLocksError:
        return  # whoever left it has been warned as we were
    if handle is None:
        raise _in_use(what, lock)
    with handle, suppress(OSError):
        lock.unlink()


def user_name() -> str:
    """Return who runs this: the user's name, or the number where no name is known (containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def _in_use(what: str, lock: Path) -> UsageError:
    holder = _holder(lock)
    return UsageError(
        f"{what} is in use by {holder}. Wait for it to end, or end it: its lock goes with it."
    )


@contextmanager
def output_errors(folder: Path) -> Iterator[None]:
    """Turn a full disk or a read-only folder into one OutputError that says so."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_PLACE:
            raise
        raise OutputError.of(error, folder) from error


@contextmanager
def working_folder() -> Iterator[Path]:
    """Make a folder only its owner can read, with a short path, removed when the block ends.

    Folders of processes that were killed are removed as well.
    """
    place = next((p for p in _places() if len(str(p)) <= _LONGEST_PLACE), _places()[0])
    for abandoned in place.glob(f"{_PREFIX}*.lock"):
        with suppress(OSError):
            _remove(abandoned, _locked(abandoned))
    handle = None
    while handle is None:
        lock = place / f"{_PREFIX}{secrets.token_hex(4)}.lock"
        handle = _locked_or_open(lock)
    folder = lock.with_suffix("")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        _remove(lock, handle)


@contextmanager
def all_temporary_files_in(folder: Path) -> Iterator[None]:
    """Let this process's other temporary files stand there too; for a command, not a library."""
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _places() -> list[Path]:
    """Return where working folders may stand, the system's own choice first."""
    others = (Path(name) for name in ("/tmp", "/dev/shm"))
    return [Path(tempfile.gettempdir()), *(p for p in others if os.access(p, os.W_OK))]


def _locked_or_open(lock: Path, what: str = "") -> IO[str] | None:
    """Return the lock file, locked where files can be; None when another process holds it.

    Where they cannot, a warning says so of `what`, if it is anything that others may share.
    """
    try:
        return _locked(lock)
    except _NoLocksError as error:
        if what:
            _logger.warning(
                "%s is on a share that locks no files (%s): two runs would not notice each other. "
                "Start one at a time.", what, error.strerror,
            )  # fmt: skip
        return lock.open("a+", encoding="utf-8")


def _remove(lock: Path, handle: IO[str] | None) -> None:
    """Remove a working folder whose lock is ours."""
    if handle is not None:
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        handle.close()
        lock.unlink(missing_ok=True)


def _locked(path: Path) -> IO[str] | None:
    """Return the file, locked, or None when another process holds it."""
    while True:
        make_file(path)
        handle = path.open("a+", encoding="utf-8")
        try:
            _lock(handle)
            if os.fstat(handle.fileno()).st_ino == path.stat().st_ino:
                return handle
        except FileNotFoundError:
            pass  # the holder took its file away as it left: make a new one
        except OSError as error:
            handle.close()
            if error.errno in _HELD:
                return None
            raise _NoLocksError(error.errno, error.strerror) from error
        handle.close()


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


def _holder(lock: Path) -> str:
    """Say who holds a lock, as they have written it down."""
    try:
        facts = json.loads(lock.read_text(encoding="utf-8"))
        return "process {pid} of {user} on {host}, since {since}".format(**facts)
    except (OSError, ValueError, KeyError):
        return "another process"
