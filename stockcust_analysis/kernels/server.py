"""The warm process: it imports what notebooks need, then forks one kernel per request.

```
batch ── {"argv", "cwd", "env"} ──> warm process ── fork ──> kernel
      <── {"pid"} and its pidfd ──
```

It only imports and prepares. A process in which Polars, a database or a thread pool has run must
not be forked, so its threads are checked before the first fork. It ends when the batch ends, for
whatever reason, and no kernel outlives it.
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
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

KERNEL_MODULES: Final = (
    "ipykernel.debugger",
    "ipykernel.kernelapp",
    "IPython.core.completerlib",
    "IPython.core.pylabtools",
)
"""What every kernel imports. Not `matplotlib_inline`: it looks for the kernel it runs in."""

HARMLESS_THREADS: Final = ("jemalloc_bg_thd",)
"""Threads that a fork may leave behind: housekeeping of memory allocators."""

LARGEST_MESSAGE: Final = 1 << 20
_PR_SET_PDEATHSIG: Final = 1
Request = dict[str, Any]


def main() -> None:
    """Serve forks until the other end closes; arguments: the socket's number, modules to import."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    preload(*KERNEL_MODULES, *sys.argv[2:])
    threads = unexpected_threads()
    channel.send(json.dumps({"threads": threads}).encode())
    request = None if threads else _serve(channel)
    channel.close()
    if request is not None:
        _become_kernel(request)


def preload(*modules: str) -> None:
    """Import modules, as far as they are installed, and exempt them from garbage collection.

    A function behind a colon, as in "package.module:function", is called.
    """
    # Nobody debugs these kernels; with debugpy each would start 0.2 s later and open a port.
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # makes its import fail
    for entry in modules:
        name, _, function = entry.partition(":")
        with suppress(ImportError):
            module = importlib.import_module(name)
            if function:
                getattr(module, function)()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000)  # charts make many objects, and few cycles


def unexpected_threads() -> list[str]:
    """Return the names of threads, besides the main one, that make a fork unsafe."""
    own = str(os.getpid())
    others = (task for task in Path("/proc/self/task").iterdir() if task.name != own)
    names = ((task / "comm").read_text().strip() for task in others)
    return sorted(name for name in names if name not in HARMLESS_THREADS)


def _serve(channel: socket.socket) -> Request | None:
    """Fork once per request; return the request in the child, None when the batch is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps dead kernels
    server = os.getpid()
    while message := channel.recv(LARGEST_MESSAGE):
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            # The system kills this kernel as soon as the warm process ends.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != server:  # it ended before the call above
                os._exit(1)
            request: Request = json.loads(message)
            return request
        try:
            os.setpgid(pid, pid)  # parent and child both do it: whichever runs first
            handle = os.pidfd_open(pid)
        except (ProcessLookupError, PermissionError):
            channel.send(b'{"pid": 0}')
            continue
        socket.send_fds(channel, [json.dumps({"pid": pid}).encode()], [handle])
        os.close(handle)
    return None


def _become_kernel(request: Request) -> None:
    """Turn this fork into an IPython kernel with its own folder and environment."""
    from ipykernel.kernelapp import IPKernelApp

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    # The system watches the parent: no hint on how to quit, no thread that polls for it.
    IPKernelApp.launch_instance(argv=[*request["argv"], "--IPKernelApp.parent_handle=1"])


if __name__ == "__main__":
    main()
