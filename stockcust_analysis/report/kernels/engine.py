"""The papermill engine of pages: warm kernels, time limits, one save, and what it all took.

It is registered by `register` and not by an entry point: papermill loads those while it is itself
being imported, which this module would be the first to do.
"""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import entry_points
from pathlib import Path
from queue import Empty
from typing import Any, Final

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from traitlets import Type, default
from traitlets.config import Config

from stockcust_analysis.errors import NotebookError
from stockcust_analysis.report.kernels.warm import PROVISIONER, WarmSpecs

logger = logging.getLogger(__name__)

ENGINE: Final = "stockcust"
START_SECONDS: Final = 60
_A_DAY: Final = 86_400.0  # the limits of somebody who sets none
_GRACE_SECONDS: Final = 5  # between asking a stuck cell to stop and killing its kernel


def register() -> None:
    """Make the engine known to papermill."""
    papermill_engines.register(ENGINE, PageEngine)


class PageKernelClient(AsyncKernelClient):
    """Listens to a kernel as soon as it answers; Jupyter's own waits for silence first."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel answers on both channels; RuntimeError when it does not."""
        deadline = time.monotonic() + (timeout or START_SECONDS)
        while time.monotonic() < deadline:
            self.kernel_info()
            with suppress(Empty):
                await self.get_shell_msg(timeout=1)
                await self.get_iopub_msg(timeout=0.2)
                return
            if not await self.is_alive():
                raise DeadKernelError("Kernel died before it answered.")
        raise DeadKernelError(f"Kernel did not answer within {timeout} s.")


class PageKernelManager(AsyncKernelManager):
    """Starts kernels warm where that can be."""

    client_factory = Type(PageKernelClient)

    @default("kernel_spec_manager")
    def _default_specs(self) -> KernelSpecManager:
        if entry_points(group="jupyter_client.kernel_provisioners", name=PROVISIONER):
            return WarmSpecs(parent=self)
        logger.warning("kernels start the ordinary way: install this package anew to start warm")
        return KernelSpecManager(parent=self)


class PageClient(PapermillNotebookClient):  # type: ignore[misc]  # papermill has no types
    """Runs a page's cells and notes what became of the kernel."""

    stopped_after = 0.0  # seconds, once a page that went on for ever was killed

    def execute_cell(self, cell: NotebookNode, cell_index: int, **more: Any) -> NotebookNode:
        """Run a cell; when the kernel dies of it, the notebook says so at this cell."""
        try:
            done: NotebookNode = super().execute_cell(cell, cell_index, **more)
            return done
        except DeadKernelError as error:
            if self.stopped_after:
                raise NotebookError(
                    f"the page ran for {self.stopped_after:g} s, heeded no request to stop, and "
                    "was killed."
                ) from None
            words = f"The kernel died while this cell ran: {error}"
            cell.outputs.append(
                new_output("error", ename="DeadKernelError", evalue=words, traceback=[words])
            )
            raise

    def papermill_execute_cells(self) -> None:
        """Run all cells and note the kernel's peak memory before it is gone."""
        try:
            super().papermill_execute_cells()
        finally:
            self.nb.metadata.papermill["peak_megabytes"] = peak_megabytes(self.kernel_pid)

    def kill_kernel(self) -> None:
        """Kill the kernel, whatever it is doing."""
        if self.kernel_pid:
            with suppress(ProcessLookupError):
                os.kill(self.kernel_pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    @property
    def kernel_pid(self) -> int:
        """Number of the kernel's process, 0 when there is none."""
        provisioner: Any = getattr(self.km, "provisioner", None)
        return provisioner.pid if provisioner is not None and provisioner.has_process else 0


_LIVE: set[PageClient] = set()


class PageEngine(NBClientEngine):  # type: ignore[misc]  # papermill has no types
    """Runs a notebook in a kernel of its own, within limits, and saves it once at the end."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        folder: str | None = None,
        cell_seconds: float = _A_DAY,
        page_seconds: float = _A_DAY,
        **_: Any,
    ) -> None:
        """Run all cells. `folder`, for sockets, must have a short path that others cannot read."""
        output, nb_man.output_path = nb_man.output_path, None  # by itself it saves twice a cell
        nb_man.autosave_cell_every = 0
        with tempfile.TemporaryDirectory(prefix="stockcust-page-") as own:
            place = folder or own
            client = PageClient(
                nb_man,
                kernel_name=kernel_name,
                kernel_manager_class=PageKernelManager,
                timeout_func=_limit(cell_seconds, time.monotonic() + page_seconds),
                interrupt_on_timeout=True,
                startup_timeout=START_SECONDS,
                shutdown_kernel="immediate",
                resources={"metadata": {"path": place}},
                config=_sockets_in(Path(place)),
            )
            _LIVE.add(client)
            try:
                with _killed_after(page_seconds + _GRACE_SECONDS, client):
                    client.execute()
            finally:
                _LIVE.discard(client)
                nb_man.output_path = output


def kill_kernels() -> None:
    """Kill every kernel that this process is running pages in."""
    for client in list(_LIVE):
        client.kill_kernel()


def _limit(cell_seconds: float, deadline: float) -> Callable[[NotebookNode], float]:
    """Return how long a cell may run: its own limit, or what is left of the page's."""
    return lambda _: max(0.001, min(cell_seconds, deadline - time.monotonic()))


@contextmanager
def _killed_after(seconds: float, client: PageClient) -> Iterator[None]:
    """Kill the kernel of a page that is still running then: it did not heed the interrupt."""

    def stop() -> None:
        client.stopped_after = seconds
        client.kill_kernel()

    watchdog = threading.Timer(seconds, stop)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def _sockets_in(folder: Path) -> Config:
    """Let notebook and kernel talk over sockets in the page's own folder.

    TCP ports are handed out by guessing, and two kernels that start at once may guess alike.
    """
    config = Config()
    if os.name == "posix":
        config.KernelManager.transport = "ipc"
        config.KernelManager.connection_file = str(folder / "k.json")
    return config


def peak_megabytes(pid: int) -> float | None:
    """Return the largest memory a living process has held, in MB; None where nobody counts."""
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024, 1)
    return None
