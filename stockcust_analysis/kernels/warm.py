"""The batch's side of warm kernels: the client of the warm process, and a Jupyter provisioner.

A kernel specification names it like any other provisioner:

```json
{"argv": […], "metadata": {"kernel_provisioner": {"provisioner_name": "stockcust-warm"}}}
```
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any, Final, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from nbclient.exceptions import DeadKernelError

from stockcust_analysis.kernels.server import LARGEST_MESSAGE

logger = logging.getLogger(__name__)

PROVISIONER: Final = "stockcust-warm"
_SERVER: Final = "stockcust_analysis.kernels.server"
_KILL_SECONDS: Final = 1.0  # a killed kernel is dead within milliseconds
_ENDED: Final = 1  # reported exit code: only a parent can read the true one
# A fork copies one thread only: thread pools must not exist before it.
_ONE_THREAD: Final = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL")}
# A kernel sets this before Matplotlib is imported; here Matplotlib comes first.
_INLINE: Final = "module://matplotlib_inline.backend_inline"


class WarmProvisioner(LocalProvisioner):
    """Starts IPython kernels by forking the warm process, all other kernels as usual."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork a kernel, or start it the ordinary way where forking is not safe."""
        if "ipykernel_launcher" not in cmd:
            return await super().launch_kernel(cmd, **kwargs)
        arguments, self.cwd = cmd[cmd.index("ipykernel_launcher") + 1 :], kwargs.get("cwd")
        environment = kwargs.get("env") or dict(os.environ)
        kernel = warm_start.fork(arguments, str(self.cwd or Path.cwd()), environment)
        if kernel is None:
            return await super().launch_kernel(cmd, **kwargs)
        self.process = cast("Popen[bytes]", kernel)
        self.pid = self.pgid = kernel.pid
        return self.connection_info

    async def kill(self, restart: bool = False) -> None:
        """Kill the kernel and wait until it is dead: its manager polls only every 0.1 s."""
        await super().kill(restart)
        process: object = self.process
        if isinstance(process, ForkedKernel):
            process.wait(timeout=_KILL_SECONDS)


class ForkedKernel:
    """A kernel process that is not our child, with the part of `Popen` that Jupyter uses."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, handle: int) -> None:
        self.pid, self._handle = pid, handle

    def poll(self) -> int | None:
        """Return None while the kernel lives; the handle becomes readable when it ends."""
        lives = self._handle >= 0 and not select.select([self._handle], [], [], 0)[0]
        return None if lives else _ENDED

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and close the handle."""
        if self._handle >= 0:
            select.select([self._handle], [], [], timeout)
            os.close(self._handle)
            self._handle = -1
        return _ENDED

    def send_signal(self, number: int) -> None:
        """Send a signal to this very process, never to another that was given its id."""
        if self._handle >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def __del__(self) -> None:
        self.wait(timeout=0)


class WarmStart:
    """The warm process of this process: started when first needed, again when it has died.

    `preloaded` names the modules that it imports besides those of a kernel. Safe to use from
    threads; a process that was itself forked starts a warm process of its own.
    """

    def __init__(self) -> None:
        self.preloaded: Sequence[str] = ()
        self._lock = threading.RLock()
        self._process: Popen[bytes] | None = None
        self._owner = 0
        self._cold_because = "" if sys.platform == "linux" else f"{sys.platform} has no safe fork"

    def fork(self, argv: list[str], cwd: str, env: dict[str, str]) -> ForkedKernel | None:
        """Return a new kernel; None where kernels must start the ordinary way.

        Raises DeadKernelError when there is no new kernel.
        """
        message = json.dumps({"argv": argv, "cwd": cwd, "env": env}).encode()
        with self._lock:
            if not self._ready():
                return None
            try:
                self._channel.send(message)
                answer, handles = self._receive()
            except OSError as error:
                raise DeadKernelError("Kernel died: the warm process is gone.") from error
        if not handles:
            raise DeadKernelError("Kernel died as soon as it was forked.")
        return ForkedKernel(answer["pid"], handles[0])

    def _ready(self) -> bool:
        """Return whether the warm process runs, started now if it did not and it may be forked."""
        own = self._process if self._owner == os.getpid() else None
        if self._cold_because or (own is not None and own.poll() is None):
            return not self._cold_because
        self.close()
        self._channel, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {"MPLBACKEND": _INLINE, **os.environ, **_ONE_THREAD}
        environment.pop("JPY_PARENT_PID", None)  # else it ends with the notebook that started it
        with other_end:
            end = other_end.fileno()
            command = [sys.executable, "-P", "-m", _SERVER, str(end), *self.preloaded]
            self._process = Popen(
                command, pass_fds=[end], stdin=DEVNULL, env=environment, start_new_session=True
            )
        self._owner = os.getpid()
        threads = self._receive()[0].get("threads", ["none: it did not start"])
        if threads:
            self._cold_because = f"threads run after imports: {threads}"
            self.close()
        logger.info("kernels start %s", self.describe())
        return not threads

    def _receive(self) -> tuple[dict[str, Any], list[int]]:
        """Return the next message and the handles that came with it."""
        limits = LARGEST_MESSAGE, 1, socket.MSG_CMSG_CLOEXEC
        message, handles, *_ = socket.recv_fds(self._channel, *limits)
        return json.loads(message or b"{}"), list(handles)

    def describe(self) -> str:
        """Return how kernels start, and why."""
        if not self._cold_because:
            return "warm: each is forked from a process that has imported everything"
        return f"the ordinary way: {self._cold_because}"

    def close(self) -> None:
        """End the warm process and every kernel forked from it."""
        with self._lock:
            if self._process is not None:
                if self._owner == os.getpid():
                    self._process.kill()
                    self._process.wait()
                self._channel.close()
            self._process = None


warm_start = WarmStart()
atexit.register(warm_start.close)
