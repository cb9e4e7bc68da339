"""The batch's side of warm kernels: the warm process, and the provisioner Jupyter knows.

A kernel specification asks for it by name, as for any other provisioner:

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
from contextlib import suppress
from subprocess import Popen
from typing import Any, Final, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from nbclient.exceptions import DeadKernelError

from stockcust_analysis.report.kernels.server import LARGEST_MESSAGE

logger = logging.getLogger(__name__)

PROVISIONER: Final = "stockcust-warm"
_SERVER: Final = "stockcust_analysis.report.kernels.server"
_LOOKS: Final = 20  # at a kernel that was killed, 5 ms apart
_ENDED: Final = 1  # what a kernel's exit is reported as: nobody can wait for a foreign child
# A fork copies one thread only: pools of threads must not exist before it.
_ONE_THREAD: Final = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
# A kernel sets this before Matplotlib is imported; here Matplotlib comes first.
_INLINE: Final = "module://matplotlib_inline.backend_inline"


class WarmSpecs(KernelSpecManager):
    """The kernel specifications there are, each asking for the warm provisioner."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the specification, with the warm provisioner in its metadata."""
        spec = super().get_kernel_spec(kernel_name)
        spec.metadata = {**spec.metadata, "kernel_provisioner": {"provisioner_name": PROVISIONER}}
        return spec


class WarmProvisioner(LocalProvisioner):
    """Start IPython kernels by forking the warm process; any other kernel starts as usual."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork a kernel, or start it the ordinary way where that cannot be."""
        warm = warm_start.process() if "ipykernel_launcher" in cmd else None
        if warm is None:
            return await super().launch_kernel(cmd, **kwargs)
        kernel = warm.fork(
            argv=cmd[cmd.index("ipykernel_launcher") + 1 :],
            cwd=str(kwargs.get("cwd") or os.getcwd()),  # noqa: PTH109 - as the base class says it
            env=kwargs.get("env") or dict(os.environ),
        )
        self.process = cast("Popen[bytes]", kernel)
        self.pid = self.pgid = kernel.pid
        self.cwd = kwargs.get("cwd")
        return self.connection_info

    async def kill(self, restart: bool = False) -> None:
        """Kill the kernel and see it dead: its manager would look again only after 0.1 s."""
        await super().kill(restart)
        for _ in range(_LOOKS):
            if await self.poll() is not None:
                break
            await asyncio.sleep(0.005)


class ForkedKernel:
    """A kernel process that is not our child, with as much of `Popen` as Jupyter needs."""

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
        """Wait for the end and let go of the handle."""
        if self._handle >= 0:
            select.select([self._handle], [], [], timeout)
            os.close(self._handle)
            self._handle = -1
        return _ENDED

    def send_signal(self, number: int) -> None:
        """Send a signal to this very process, never to another that got its number."""
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
    """The process that kernels are forked from, and the socket to it. Safe to use from threads."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._turn = threading.Lock()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {**os.environ, **_ONE_THREAD}
        environment.setdefault("MPLBACKEND", _INLINE)
        environment.pop("JPY_PARENT_PID", None)  # it would end when a notebook's kernel does
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _SERVER, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        self.threads: list[str] = self._received()[0].get("threads", ["none: it did not start"])

    def fork(self, *, argv: list[str], cwd: str, env: dict[str, str]) -> ForkedKernel:
        """Return a new kernel; DeadKernelError when there is none."""
        message = json.dumps({"argv": argv, "cwd": cwd, "env": env}).encode()
        with self._turn:
            try:
                self._channel.send(message)
                answer, handles = self._received()
            except OSError as error:
                raise DeadKernelError("Kernel died: the warm process is gone.") from error
        if not handles:
            raise DeadKernelError("Kernel died as soon as it was forked.")
        return ForkedKernel(answer["pid"], handles[0])

    def alive(self) -> bool:
        """Tell whether it can be asked for kernels."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process and, with it, all its kernels."""
        if self.owner == os.getpid():
            self._process.kill()
            self._process.wait()
        self._channel.close()

    def _received(self) -> tuple[dict[str, Any], list[int]]:
        message, handles, _, _ = socket.recv_fds(
            self._channel, LARGEST_MESSAGE, 1, socket.MSG_CMSG_CLOEXEC
        )
        return json.loads(message or b"{}"), list(handles)


class WarmStart:
    """The one warm process of this process: started when first needed, anew when it has died."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._warm: WarmProcess | None = None
        self._cold_because = "" if sys.platform == "linux" else f"{sys.platform} has no safe fork"

    def process(self) -> WarmProcess | None:
        """Return the warm process; None where kernels must start the ordinary way."""
        with self._turn:
            if self._cold_because:
                return None
            if self._warm is None or self._warm.owner != os.getpid() or not self._warm.alive():
                self._close()
                self._warm = WarmProcess()
                if self._warm.threads:
                    self._cold_because = f"threads run after imports: {self._warm.threads}"
                    self._close()
                logger.info("kernels start %s", self.describe())
            return self._warm

    def describe(self) -> str:
        """Say how kernels start, and why."""
        if not self._cold_because:
            return "warm: each is forked from a process that has imported everything"
        return f"the ordinary way: {self._cold_because}"

    def close(self) -> None:
        """End the warm process, and with it every kernel forked from it."""
        with self._turn:
            self._close()

    def _close(self) -> None:
        if self._warm is not None:
            self._warm.close()
            self._warm = None


warm_start = WarmStart()
atexit.register(warm_start.close)
