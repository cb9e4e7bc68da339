"""One branch's page: run the notebook with papermill, typeset it, put both in place."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traitlets.config import Config

from stockcust_analysis import errors
from stockcust_analysis.atomic import whole, write_bytes

CELL_SECONDS = 300
KERNEL = "python3"


@dataclass(frozen=True)
class PageJob:
    """All that one page needs; plain values, so that it can travel to another machine."""

    branch_id: str
    notebook: Path
    parameters: dict[str, Any]
    folder: Path
    failed_folder: Path
    status: str = "draft"


@dataclass(frozen=True)
class PageResult:
    """How one page ended: its files, or why it failed and where the notebook lies."""

    branch_id: str
    seconds: float
    files: tuple[Path, ...] = ()
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether the page could not be made."""
        return bool(self.error)


def render_page(job: PageJob) -> PageResult:
    """Make one branch's PDF and keep its executed notebook; a failure is a result, not an error."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="stockcust-page-") as folder:
        executed = Path(folder) / "report.ipynb"
        try:
            files = _render(job, executed)
        except Exception as error:  # noqa: BLE001 - whatever one branch does, the others go on
            message = _reason(error)
            shutil.rmtree(job.folder, ignore_errors=True)  # an earlier page would pass for this one
            if executed.exists():
                with whole(job.failed_folder / "report.ipynb") as beside:
                    shutil.copyfile(executed, beside)
                message += f" See {job.failed_folder.name}/report.ipynb under 'failed'."
            return PageResult(job.branch_id, time.perf_counter() - started, error=message)
    shutil.rmtree(job.failed_folder, ignore_errors=True)
    return PageResult(job.branch_id, time.perf_counter() - started, files=files)


def _render(job: PageJob, executed: Path) -> tuple[Path, Path]:
    import papermill

    from stockcust_analysis.report.exporter import export_pdf

    papermill.execute_notebook(
        job.notebook,
        executed,
        parameters=job.parameters,
        kernel_name=KERNEL,
        progress_bar=False,
        execution_timeout=CELL_SECONDS,
        # papermill's own `cwd` moves this whole process, and every other page with it.
        shutdown_kernel="immediate",
        resources={"metadata": {"path": str(executed.parent)}},
        config=_kernel_config(executed.parent),
    )
    pdf = export_pdf(executed, language=job.parameters["language"], status=job.status)
    report, notebook = job.folder / "report.pdf", job.folder / "report.ipynb"
    with whole(notebook) as beside:
        shutil.copyfile(executed, beside)
    write_bytes(report, pdf)
    return report, notebook


def _kernel_config(folder: Path) -> Config:
    """Let notebook and kernel talk over sockets in the page's own folder.

    TCP ports are handed out by guessing, and two kernels that start at once may guess alike.
    """
    config = Config()
    if os.name == "posix":
        config.KernelManager.transport = "ipc"
        config.KernelManager.connection_file = str(folder / "kernel.json")
    return config


def _reason(error: Exception) -> str:
    """Say why a page failed without quoting data that a foreign exception may carry."""
    if isinstance(error, errors.StockcustError):
        return str(error)
    name = getattr(error, "ename", None)
    if name is None:
        return f"{type(error).__name__} outside the notebook's cells."
    place = f"{name} in the cell that ran as In [{getattr(error, 'exec_count', '?')}]"
    return f"{place}: {getattr(error, 'evalue', '')}" if hasattr(errors, name) else f"{place}."
