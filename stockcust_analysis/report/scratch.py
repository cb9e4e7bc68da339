"""The lock and the working folder of a run, by the names under which scripts know them."""

from __future__ import annotations

from stockcust_analysis.core.files import SOCKET_PATH, WorkingFolder
from stockcust_analysis.core.files import exclusive_lock as held

__all__ = ["held", "working_folder"]


def working_folder() -> WorkingFolder:
    """Make a folder only its owner can read, with a path short enough for kernels' sockets."""
    return WorkingFolder(SOCKET_PATH)
