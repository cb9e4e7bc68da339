"""The warm process: it imports what pages need, then forks one kernel per request.

```
batch ── {"argv", "cwd", "env"} ──> warm process ── fork ──> kernel
      <── {"pid"} and its pidfd ──
```

It only imports. A process in which Polars, a database or a pool of threads has run must not be
forked, so its threads are counted before the first fork. It ends when the batch ends, however
that happens, and no kernel outlives it.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Final

PRELOADED: Final = (
    "ipykernel.debugger",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "IPython.core.completerlib",
    "IPython.core.display_functions",
    "IPython.core.history",
    "IPython.core.pylabtools",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.pyplot",
    "seaborn",
    "stockcust_analysis.evaluation.results",
    "stockcust_analysis.show.branch_figures",
    "stockcust_analysis.show.branch_tables",
    "stockcust_analysis.show.pages",
)
"""What a report's cells import. Not `matplotlib_inline`: it looks for the kernel it is in."""

HARMLESS_THREADS: Final = ("jemalloc_bg_thd",)
"""Threads that a fork may leave behind: allocators' housekeeping."""

LARGEST_MESSAGE: Final = 1 << 20
_PR_SET_PDEATHSIG: Final = 1
Request = dict[str, Any]


def main() -> None:
    """Serve forks over the socket whose number is the argument, until the other end closes."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    preload()
    threads = unexpected_threads()
    channel.send(json.dumps({"threads": threads}).encode())
    request = None if threads else _serve(channel)
    channel.close()
    if request is not None:
        _become_kernel(request)


def preload() -> None:
    """Import what pages need, and put it out of the garbage collector's reach."""
    # No page is debugged: with debugpy every kernel starts 0.2 s later and opens a port.
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # Python's way to say: not there
    for name in PRELOADED:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    gc.collect()
    gc.freeze()


def unexpected_threads() -> list[str]:
    """Return the names of threads, besides the main one, that make a fork unsafe."""
    own = str(os.getpid())
    others = (task for task in Path("/proc/self/task").iterdir() if task.name != own)
    names = ((task / "comm").read_text().strip() for task in others)
    return sorted(name for name in names if name not in HARMLESS_THREADS)


def _serve(channel: socket.socket) -> Request | None:
    """Fork for each request. Returns the request in the child, None when the batch is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries dead kernels
    server = os.getpid()
    while message := channel.recv(LARGEST_MESSAGE):
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            _die_with(server)
            request: Request = json.loads(message)
            return request
        try:
            os.setpgid(pid, pid)  # both sides do it, whoever comes first
            handle = os.pidfd_open(pid)
        except (ProcessLookupError, PermissionError):
            channel.send(b'{"pid": 0}')
            continue
        socket.send_fds(channel, [json.dumps({"pid": pid}).encode()], [handle])
        os.close(handle)
    return None


def _die_with(server: int) -> None:
    """Let the system kill this kernel as soon as the warm process ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:  # it ended before the wish was known
        os._exit(1)


def _become_kernel(request: Request) -> None:
    """Turn this fork into an IPython kernel in a folder and an environment of its own."""
    from ipykernel.kernelapp import IPKernelApp

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    # The parent is known, and watched by the system: no note how to quit, no thread to poll it.
    IPKernelApp.launch_instance(argv=[*request["argv"], "--IPKernelApp.parent_handle=1"])


if __name__ == "__main__":
    main()
