"""The batch's side of warm kernels: the client of the warm process, and a Jupyter provisioner.

A kernel specification names it like any other provisioner:

```json
{"argv": […], "metadata": {"kernel_provisioner": {"provisioner_name": "stockcust-warm"}}}
```
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from subprocess import Popen
from typing import Any, Final, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from nbclient.exceptions import DeadKernelError

from stockcust_analysis.kernels.server import LARGEST_MESSAGE

logger = logging.getLogger(__name__)

PROVISIONER: Final = "stockcust-warm"
_SERVER: Final = "stockcust_analysis.kernels.server"
_POLLS: Final = 20  # of a killed kernel, 5 ms apart
_ENDED: Final = 1  # reported exit code: only a parent can read the true one
# A fork copies one thread only: thread pools must not exist before it.
_ONE_THREAD: Final = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL")}
# A kernel sets this before Matplotlib is imported; here Matplotlib comes first.
_INLINE: Final = "module://matplotlib_inline.backend_inline"


class WarmSpecs(KernelSpecManager):
    """The installed kernel specifications, each with the warm provisioner."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return a specification with the warm provisioner in its metadata."""
        spec = super().get_kernel_spec(kernel_name)
        spec.metadata = {**spec.metadata, "kernel_provisioner": {"provisioner_name": PROVISIONER}}
        return spec


class WarmProvisioner(LocalProvisioner):
    """Starts IPython kernels by forking the warm process, all other kernels as usual."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork a kernel, or start it the ordinary way where forking is not safe."""
        warm = warm_start.process() if "ipykernel_launcher" in cmd else None
        if warm is None:
            return await super().launch_kernel(cmd, **kwargs)
        kernel = warm.fork(
            argv=cmd[cmd.index("ipykernel_launcher") + 1 :],
            cwd=str(kwargs.get("cwd") or os.getcwd()),  # noqa: PTH109 - as in the base class
            env=kwargs.get("env") or dict(os.environ),
        )
        self.process = cast("Popen[bytes]", kernel)
        self.pid = self.pgid = kernel.pid
        self.cwd = kwargs.get("cwd")
        return self.connection_info

    async def kill(self, restart: bool = False) -> None:
        """Kill the kernel and wait until it is dead: its manager polls only every 0.1 s."""
        await super().kill(restart)
        for _ in range(_POLLS):
            if await self.poll() is not None:
                break
            await asyncio.sleep(0.005)


class ForkedKernel:
    """A kernel process that is not our child, with the part of `Popen` that Jupyter uses."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, handle: int) -> None:
        self.pid = pid
        self._handle = handle

    def poll(self) -> int | None:
        """Return None while the kernel lives; the handle becomes readable when it ends."""
        if self._handle < 0:
            return _ENDED
        ended, _, _ = select.select([self._handle], [], [], 0)
        return _ENDED if ended else None

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

    def kill(self) -> None:
        """Kill the kernel."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask the kernel to end."""
        self.send_signal(signal.SIGTERM)

    def __del__(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)


class WarmProcess:
    """The process that kernels are forked from, and the socket to it; safe to use from threads."""

    def __init__(self, preloaded: Sequence[str] = ()) -> None:
        self.owner = os.getpid()
        self._lock = threading.Lock()
        self._channel, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {**os.environ, **_ONE_THREAD}
        environment.setdefault("MPLBACKEND", _INLINE)
        environment.pop("JPY_PARENT_PID", None)  # else it ends with the notebook that started it
        with other_end:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _SERVER, str(other_end.fileno()), *preloaded],
                pass_fds=[other_end.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        self.threads: list[str] = self._receive()[0].get("threads", ["none: it did not start"])

    def fork(self, *, argv: list[str], cwd: str, env: dict[str, str]) -> ForkedKernel:
        """Return a new kernel; DeadKernelError when there is none."""
        message = json.dumps({"argv": argv, "cwd": cwd, "env": env}).encode()
        with self._lock:
            try:
                self._channel.send(message)
                answer, handles = self._receive()
            except OSError as error:
                raise DeadKernelError("Kernel died: the warm process is gone.") from error
        if not handles:
            raise DeadKernelError("Kernel died as soon as it was forked.")
        return ForkedKernel(answer["pid"], handles[0])

    def alive(self) -> bool:
        """Return whether the process is running."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process and all its kernels."""
        if self.owner == os.getpid():
            self._process.kill()
            self._process.wait()
        self._channel.close()

    def _receive(self) -> tuple[dict[str, Any], list[int]]:
        message, handles, _, _ = socket.recv_fds(
            self._channel, LARGEST_MESSAGE, 1, socket.MSG_CMSG_CLOEXEC
        )
        return json.loads(message or b"{}"), list(handles)


class WarmStart:
    """The warm process of this process: started when first needed, again when it has died.

    `preloaded` names the modules that it imports besides those of a kernel.
    """

    def __init__(self) -> None:
        self.preloaded: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._warm: WarmProcess | None = None
        self._cold_because = "" if sys.platform == "linux" else f"{sys.platform} has no safe fork"

    def process(self) -> WarmProcess | None:
        """Return the running warm process; None where kernels must start the ordinary way."""
        with self._lock:
            if self._cold_because:
                return None
            if self._warm is None or self._warm.owner != os.getpid() or not self._warm.alive():
                self._close()
                self._warm = WarmProcess(self.preloaded)
                if self._warm.threads:
                    self._cold_because = f"threads run after imports: {self._warm.threads}"
                    self._close()
                logger.info("kernels start %s", self.describe())
            return self._warm

    def describe(self) -> str:
        """Return how kernels start, and why."""
        if not self._cold_because:
            return "warm: each is forked from a process that has imported everything"
        return f"the ordinary way: {self._cold_because}"

    def close(self) -> None:
        """End the warm process and every kernel forked from it."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._warm is not None:
            self._warm.close()
            self._warm = None


warm_start = WarmStart()
atexit.register(warm_start.close)
