"""A papermill engine: warm kernels, time limits, one save at the end, peak memory.

`register` makes it known rather than an entry point: papermill loads entry points while it is
itself being imported, and this module would be the first to import it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import EntryPoint
from pathlib import Path
from queue import Empty
from typing import Any, Final

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from traitlets import Type
from traitlets.config import Config

from stockcust_analysis.kernels import warm

ENGINE: Final = "stockcust"
START_SECONDS: Final = 60
_GRACE_SECONDS: Final = 5  # between interrupting a stuck cell and killing its kernel


class StuckNotebookError(RuntimeError):
    """A notebook ran past its limit, ignored the interrupt, and its kernel was killed."""


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
    entry = EntryPoint(warm.PROVISIONER, f"{warm.__name__}:WarmProvisioner", factory.GROUP_NAME)
    factory.provisioners[entry.name] = entry
    warm.warm_start.preloaded = preloaded


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
            spec.metadata["kernel_provisioner"] = {"provisioner_name": warm.PROVISIONER}
        return spec


class PageClient(PapermillNotebookClient):  # type: ignore[misc]  # papermill has no types
    """Runs a notebook's cells and records how its kernel ended."""

    stopped_after = 0.0  # seconds after which an endless notebook was killed, 0 before
    stopping = threading.Event()  # set when the whole batch is interrupted

    def execute_cell(self, cell: NotebookNode, cell_index: int, **more: Any) -> Any:
        """Run a cell; if the kernel dies in it, the cell's output says so."""
        if self.stopping.is_set():  # set while the kernel was starting and could not be killed
            raise DeadKernelError("The batch was broken off.")
        try:
            return super().execute_cell(cell, cell_index, **more)
        except DeadKernelError as error:
            if self.stopped_after:
                raise StuckNotebookError(
                    f"the page ran for {self.stopped_after:g} s, heeded no request to stop, and "
                    "was killed."
                ) from None
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
