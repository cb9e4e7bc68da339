"""How much memory DuckDB may use, and the folder it spills to when that is not enough.

The folder goes when the bank is closed. One that a killed process left behind is removed by the
next: a lock, which the system releases with the process, tells whether its owner lives.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import weakref
from pathlib import Path
from typing import IO

import duckdb

from stockcust_analysis.errors import UsageError

DEFAULT_MEMORY_LIMIT = "60%"
_SIZE = re.compile(r"\d+(\.\d+)? ?([KMGT]i?B)|[1-9]\d?%|100%")
_PREFIX, _LOCK = "stockcust-", "owner.lock"
# Nothing may be fetched: an extension that is not in the wheel must fail, not download.
_OFFLINE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}


class Scratch:
    """A folder of this process for converted files and for spilling; `remove` it in the end."""

    def __init__(self) -> None:
        remove_stale()
        # Under another name until it is locked: nobody can take it for a dead process's.
        made = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
        lock = (made / _LOCK).open("w")
        _lock(lock)
        self.path = made.rename(made.with_name(made.name.removeprefix(".")))
        self.remove = weakref.finalize(self, _remove, self.path, lock, os.getpid())
        """Remove the folder with all that is in it; at the latest when the process ends."""


def _remove(folder: Path, lock: IO[str], owner: int) -> None:
    lock.close()
    if os.getpid() == owner:  # a forked child leaves its parent's folder alone
        shutil.rmtree(folder, ignore_errors=True)


def connected(scratch: Scratch, memory_limit: str) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection that keeps to a memory limit and spills into the folder.

    `memory_limit` is a size ("4GB") or a share of the machine ("60%"); else UsageError.
    """
    if not _SIZE.fullmatch(memory_limit):
        raise UsageError(f"memory limit '{memory_limit}' is not a size. Write 4GB, or 60%.")
    config = {
        **_OFFLINE,
        "memory_limit": memory_limit,
        "temp_directory": str(scratch.path / "spill"),
    }
    return quiet_connection(config)


def quiet_connection(config: dict[str, str] | None = None) -> duckdb.DuckDBPyConnection:
    """Return a connection to a DuckDB in memory that shows no progress bar of its own.

    It has one on a terminal. In a Jupyter kernel without ipywidgets it has none, and there DuckDB
    refuses every setting of it, even the one that would turn it off.
    """
    connection = duckdb.connect(":memory:", config=config or {})  # type: ignore[arg-type]
    shows = connection.execute("SELECT current_setting('enable_progress_bar')").fetchall()
    if shows != [(False,)]:
        connection.execute("SET enable_progress_bar = false")
    return connection


def remove_stale() -> None:
    """Remove the folders of processes that have died without cleaning up."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            with (folder / _LOCK).open("r+") as lock:
                if _lock(lock):
                    shutil.rmtree(folder, ignore_errors=True)  # follows no link
        except OSError:
            continue  # not ours, or its owner has just removed it


def _lock(file: IO[str]) -> bool:
    """Lock a file for as long as it is open; False when another process holds it.

    Windows and some network disks have no such lock: there nothing is ever taken for stale.
    """
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
