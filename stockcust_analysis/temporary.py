"""Working folders that do not stay behind, and where temporary files go.

A working folder `stockcust-x` is guarded by the lock `stockcust-x.lock` beside it. The lock is
released with its process, so whoever comes next removes what killed processes have left.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from stockcust_analysis.locks import lock_file, lock_or_open

SOCKET_PATH: Final = 70
"""Longest parent of a folder for sockets, whose whole path must stay under 100 bytes."""
_PREFIX: Final = "stockcust-"


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
        parent = _parent(longest_parent)
        for abandoned in parent.glob(f"{_PREFIX}*.lock"):
            with suppress(OSError):
                _remove(abandoned, lock_file(abandoned), os.getpid())
        handle = None
        while handle is None:
            lock = parent / f"{_PREFIX}{secrets.token_hex(4)}.lock"
            handle = lock_or_open(lock)
        self.path = lock.with_suffix("")
        self.path.mkdir(mode=0o700)
        self._finalize = weakref.finalize(self, _remove, lock, handle, os.getpid())

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


def _parent(longest: int | None) -> Path:
    """Return where working folders go: the system's own choice, unless its path is too long."""
    chosen = Path(tempfile.gettempdir())
    others = (Path(name) for name in ("/tmp", "/dev/shm") if os.access(name, os.W_OK))
    short = (path for path in (chosen, *others) if longest is None or len(str(path)) <= longest)
    return next(short, chosen)


def _remove(lock: Path, handle: IO[str] | None, owner: int) -> None:
    """Remove a working folder whose lock is ours."""
    if handle is None or os.getpid() != owner:
        return
    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)  # follows no link
    handle.close()
    lock.unlink(missing_ok=True)
