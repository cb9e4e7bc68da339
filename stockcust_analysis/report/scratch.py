"""Where a run works: its lock, its working folders, and what is wrong when it cannot write."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from stockcust_analysis.errors import OutputError
from stockcust_analysis.locks import exclusive_lock as held
from stockcust_analysis.temporary import SOCKET_PATH, WorkingFolder

__all__ = ["NO_PLACE", "held", "output_errors", "working_folder"]

NO_PLACE: Final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
"""What is wrong with the machine and would go wrong for every page, as the system numbers it."""


def working_folder() -> WorkingFolder:
    """Make a folder only its owner can read, with a path short enough for kernels' sockets."""
    return WorkingFolder(SOCKET_PATH)


@contextmanager
def output_errors(folder: Path) -> Iterator[None]:
    """Turn a full disk or a read-only folder into one OutputError that says so."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_PLACE:
            raise
        raise OutputError.of(error, folder) from error
