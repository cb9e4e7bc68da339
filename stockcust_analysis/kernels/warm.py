"""The batch's side of warm kernels: the client of the warm process, and what runs a notebook.

A kernel specification names the Jupyter provisioner like any other:

```json
{"argv": […], "metadata": {"kernel_provisioner": {"provisioner_name": "stockcust-warm"}}}
```

A papermill engine starts kernels by it, within time limits, and notes their peak memory. `register`
makes the engine known rather than an entry point: papermill loads entry points while it is itself
being imported, and this module would be the first to import it.
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
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import EntryPoint
from pathlib import Path
from queue import Empty
from subprocess import DEVNULL, Popen
from typing import Any, Final, cast

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from traitlets import Type
from traitlets.config import Config

from stockcust_analysis.kernels import server

logger = logging.getLogger(__name__)

PROVISIONER: Final = "stockcust-warm"
ENGINE: Final = "stockcust"
START_SECONDS: Final = 60
_GRACE_SECONDS: Final = 5  # between interrupting a stuck cell and killing its kernel
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
                self.close()  # killed, it may still be seen as running
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
            command = [sys.executable, "-P", "-m", server.__name__, str(end), *self.preloaded]
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
        limits = server.LARGEST_MESSAGE, 1, socket.MSG_CMSG_CLOEXEC
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


def register(preloaded: Sequence[str] = ()) -> None:
    """Make the engine known to papermill and the provisioner to Jupyter.

    Parameters
    ----------
    preloaded
        Modules that the notebooks import; the warm process imports them before the first fork.
    """
    papermill_engines.register(ENGINE, PageEngine)
    factory = KernelProvisionerFactory.instance()
    # By hand, so that it is found where the package is on the path but not installed.
    entry = EntryPoint(PROVISIONER, f"{__name__}:WarmProvisioner", factory.GROUP_NAME)
    factory.provisioners[entry.name] = entry
    warm_start.preloaded = preloaded


class StuckNotebookError(RuntimeError):
    """A notebook ran so many seconds, ignored the interrupt, and its kernel was killed."""

    def __str__(self) -> str:
        """Say so in words; `args` holds the seconds."""
        return f"the notebook ran {self.args[0]:g} s, ignored the interrupt, and was killed"


class PageKernelClient(AsyncKernelClient):
    """Uses a kernel as soon as it answers; Jupyter's own client waits for silence first."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel answers on both channels; DeadKernelError when it does not."""
        for _ in range(int(timeout or START_SECONDS)):
            self.kernel_info()
            with suppress(Empty):
                await self.get_shell_msg(timeout=1)
                await self.get_iopub_msg(timeout=0.2)
                return
            if not await self.is_alive():
                break
        raise DeadKernelError("Kernel died before it answered, or did not answer in time.")


class PageKernelManager(AsyncKernelManager):
    """Starts kernels warm where the platform allows it."""

    client_factory = Type(PageKernelClient)

    @property
    def kernel_spec(self) -> KernelSpec | None:
        """The installed kernel specification, with the warm provisioner in its metadata."""
        if (spec := super().kernel_spec) is not None:
            spec.metadata["kernel_provisioner"] = {"provisioner_name": PROVISIONER}
        return spec


class PageClient(PapermillNotebookClient):  # type: ignore[misc]  # papermill has no types
    """Runs a notebook's cells and records how its kernel ended."""

    stopped_after = 0.0  # seconds after which an endless notebook was killed, 0 before
    stopping = threading.Event()  # set when the whole batch is interrupted

    def execute_cell(self, cell: NotebookNode, cell_index: int, **more: Any) -> Any:
        """Run a cell; if the kernel dies in it, the cell's output says so."""
        if self.stopping.is_set():  # set while the kernel was starting and could not be killed
            raise DeadKernelError("The batch was broken off.")
        if self.stopped_after:  # likewise
            raise StuckNotebookError(self.stopped_after)
        try:
            return super().execute_cell(cell, cell_index, **more)
        except DeadKernelError as error:
            if self.stopped_after:
                raise StuckNotebookError(self.stopped_after) from None
            text = f"The kernel died while this cell ran: {error}"
            output = new_output("error", ename="DeadKernelError", evalue=text, traceback=[text])
            cell.outputs.append(output)
            raise

    def papermill_execute_cells(self) -> None:
        """Run all cells and record the kernel's peak memory while it still lives."""
        try:
            super().papermill_execute_cells()
        finally:
            self.nb.metadata.papermill["peak_megabytes"] = peak_megabytes(self.kernel_pid)

    def kill_kernel(self, stopped_after: float = 0.0) -> None:
        """Kill the kernel at once; `stopped_after` so many seconds it ignored the interrupt."""
        self.stopped_after = stopped_after
        if self.kernel_pid:
            with suppress(ProcessLookupError):
                os.kill(self.kernel_pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    @property
    def kernel_pid(self) -> int:
        """Process id of the kernel, 0 when there is none."""
        provisioner: Any = getattr(self.km, "provisioner", None)
        return provisioner.pid if provisioner is not None and provisioner.has_process else 0


_RUNNING: set[PageClient] = set()


class PageEngine(NBClientEngine):  # type: ignore[misc]  # papermill has no types
    """Runs a notebook in a kernel of its own, within limits, and saves it once at the end."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        folder: str,
        cell_seconds: float,
        page_seconds: float,
        stopping: threading.Event,
        broken_off: str,
        **_: Any,
    ) -> None:
        """Run all cells; the sockets lie in `folder`, a short path that others cannot read.

        Papermill saves what ends, also with a cell's error; anything else is saved `broken_off`.
        """
        deadline, limit = time.monotonic() + page_seconds, page_seconds + _GRACE_SECONDS
        client = PageClient(
            nb_man,
            kernel_name=kernel_name,
            kernel_manager_class=PageKernelManager,
            timeout_func=lambda _: max(0.001, min(cell_seconds, deadline - time.monotonic())),
            interrupt_on_timeout=True,
            startup_timeout=START_SECONDS,
            shutdown_kernel="immediate",
            resources={"metadata": {"path": folder}},
            config=_sockets_in(Path(folder)),
        )
        client.stopping = stopping
        watchdog = threading.Timer(limit, client.kill_kernel, [limit])
        watchdog.daemon = True
        watchdog.start()
        _RUNNING.add(client)
        try:
            client.execute()
        except BaseException:
            nb_man.output_path = broken_off
            raise
        finally:
            _RUNNING.discard(client)
            watchdog.cancel()


def kill_kernels() -> None:
    """Kill every kernel in which this process is running a notebook."""
    for client in list(_RUNNING):
        client.kill_kernel()


def _sockets_in(folder: Path) -> Config:
    """Return a configuration in which kernels are reached over sockets in a folder.

    TCP ports are chosen by guessing, and two kernels that start at once may guess the same.
    """
    ipc = {"transport": "ipc", "connection_file": str(folder / "k.json")}
    return Config({"KernelManager": ipc} if os.name == "posix" else {})


def peak_megabytes(pid: int) -> float | None:
    """Return a living process's peak memory in MB; None where the system does not count it."""
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024, 1)
    return None
