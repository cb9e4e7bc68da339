"""Locks that a dead process does not hold.

A lock is a file that its holder keeps locked through the operating system, so it is released when
the holder ends, however that happens.
"""

from __future__ import annotations

import errno
import getpass
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from stockcust_analysis.atomic import make_file, make_folder
from stockcust_analysis.errors import UsageError

_HELD: Final = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}
"""How systems report that another process holds a lock; all else is a share without locks."""

_logger = logging.getLogger(__name__)
_BEYOND: Final = 1 << 20  # where Windows locks: what it locks nobody can read


class LocksUnavailableError(OSError):
    """The file system locks no files (ENOLCK of NFS, ENOSYS, …)."""


@contextmanager
def exclusive_lock(lock: Path, *, what: str, rivals: str = "") -> Iterator[None]:
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
        Pattern of the other locks beside it that nobody may hold meanwhile: of two processes that
        try at once, at most one goes on.

    Raises
    ------
    UsageError
        Another process holds the lock, or a rival; the message names it.
    """
    new_folders = [folder for folder in (lock.parent, *lock.parent.parents) if not folder.exists()]
    make_folder(lock.parent)
    handle = lock_or_open(lock, what)
    if handle is None:
        raise _in_use(what, lock)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "user": user_name(), "since": since}
    with handle:
        handle.truncate(0)
        handle.write(json.dumps(holder))
        handle.flush()
        try:
            for rival in lock.parent.glob(rivals) if rivals else ():
                _require_free(rival, what)
            yield
        finally:
            with suppress(OSError):  # Windows removes no file that is open; it is not locked
                lock.unlink()
            with suppress(OSError):  # only folders that are empty go
                for folder in new_folders:
                    folder.rmdir()


def lock_or_open(lock: Path, what: str = "") -> IO[str] | None:
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


def _require_free(lock: Path, what: str) -> None:
    """Remove a lock that a dead process left; UsageError when a living one holds it."""
    try:
        handle = lock_file(lock)
    except LocksUnavailableError:
        return  # whoever left it has been warned as we were
    if handle is None:
        raise _in_use(what, lock)
    with handle, suppress(OSError):
        lock.unlink()


def _in_use(what: str, lock: Path) -> UsageError:
    """Return the error that names the holder of a lock, as it has written itself down."""
    try:
        facts = json.loads(lock.read_text(encoding="utf-8"))
        holder = "process {pid} of {user} on {host}, since {since}".format(**facts)
    except (OSError, ValueError, KeyError):
        holder = "another process"
    return UsageError(
        f"{what} is in use by {holder}. Wait for it to end, or end it: its lock goes with it."
    )


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
