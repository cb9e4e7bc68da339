"""One branch's page: run the notebook in a warm kernel, typeset it, put both in place.

```
job ── "run" ──> notebook executed ──┐
    └─ "print" > notebook kept ──────┴─> report.ipynb, report.pdf, then the page's record
```
"""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from stockcust_analysis import errors
from stockcust_analysis.atomic import Access, access, remove_unfinished, whole, write_bytes
from stockcust_analysis.report.notebooks import plain_parameters
from stockcust_analysis.report.records import PageRecord, slowest_cells, write_record
from stockcust_analysis.report.scratch import NO_PLACE, output_errors, working_folder

KERNEL: Final = "python3"
CELL_SECONDS: Final = 300.0
PAGE_SECONDS: Final = 1200.0
Action = Literal["run", "print", "keep"]

stopping = threading.Event()
"""Set when a batch is interrupted: a kernel that dies then is not started again."""


@dataclass(frozen=True)
class PageJob:
    """All that one page needs; plain values, so that it can travel to another machine."""

    branch_id: str
    notebook: Path
    parameters: dict[str, Any]
    folder: Path
    failed_folder: Path
    record: Path
    made_from: str = ""
    status: str = "draft"
    brand: str = ""
    look: str = ""
    name: str = "report"
    action: Action = "run"
    cell_seconds: float = CELL_SECONDS
    page_seconds: float = PAGE_SECONDS
    access: Access | None = None
    substitutes: bool = False


@dataclass(frozen=True)
class PageResult:
    """How one page ended: its files, or why it failed; what it took."""

    branch_id: str
    seconds: float
    files: tuple[Path, ...] = ()
    error: str = ""
    action: Action = "run"
    attempts: int = 1
    peak_megabytes: float | None = None

    @property
    def failed(self) -> bool:
        """Whether the page could not be made."""
        return bool(self.error)


def render_page(job: PageJob) -> PageResult:
    """Make one branch's PDF and keep its executed notebook; a failure is a result, not an error.

    A kernel that dies is started once more. OutputError when files cannot be written at all.
    """
    started = time.perf_counter()
    granted = nullcontext() if job.access is None else access(job.access)
    with output_errors(job.folder), granted:
        result = _attempts(job)
    return replace(result, seconds=time.perf_counter() - started)


def _attempts(job: PageJob) -> PageResult:
    from nbclient.exceptions import DeadKernelError

    attempts = 0
    while True:
        attempts += 1
        with working_folder() as folder:
            executed = folder / "report.ipynb"
            try:
                return replace(_make(job, executed, folder), attempts=attempts)
            except Exception as error:
                if isinstance(error, OSError) and error.errno in NO_PLACE:
                    raise
                if isinstance(error, DeadKernelError) and attempts == 1 and not stopping.is_set():
                    continue
                message = _reason(error, job) if not stopping.is_set() else "interrupted."
                if not stopping.is_set():
                    message += _keep_failed(job, executed)
                return PageResult(job.branch_id, 0.0, error=message, attempts=attempts)


def _make(job: PageJob, executed: Path, folder: Path) -> PageResult:
    """Run or reuse the notebook, print it, put both in place and write down that they are."""
    from stockcust_analysis.report.exporter import export_pdf

    started = time.perf_counter()
    for place in (job.folder, job.failed_folder):
        remove_unfinished(place)
    report, notebook = (job.folder / f"{job.name}{ending}" for ending in (".pdf", ".ipynb"))
    facts: dict[str, Any] = {}
    if job.action == "run":
        facts = _execute(job, executed, folder)
    else:
        shutil.copyfile(notebook, executed)
    pdf = export_pdf(
        executed, language=job.parameters["language"], status=job.status, brand=job.brand,
        substitutes=job.substitutes,
    )  # fmt: skip
    if job.action == "run":
        with whole(notebook) as beside:
            shutil.copyfile(executed, beside)
    write_bytes(report, pdf)
    record = PageRecord.of(
        job.branch_id, made_from=job.made_from, status=job.status, files=(report, notebook),
        seconds=time.perf_counter() - started, look=job.look, **facts,
    )  # fmt: skip
    write_record(job.record, record)
    shutil.rmtree(job.failed_folder, ignore_errors=True)
    return PageResult(
        job.branch_id,
        record.seconds,
        files=(report, notebook),
        action=job.action,
        peak_megabytes=record.peak_megabytes,
    )


def _execute(job: PageJob, executed: Path, folder: Path) -> dict[str, Any]:
    """Run the notebook in a kernel of its own, and return what it took."""
    import papermill

    from stockcust_analysis.report.kernels import engine

    engine.register()
    notebook = papermill.execute_notebook(
        job.notebook,
        executed,
        parameters=plain_parameters(job.parameters),
        engine_name=engine.ENGINE,
        kernel_name=KERNEL,
        progress_bar=False,
        # papermill's own `cwd` moves this whole process, and every other page with it.
        folder=str(folder),
        cell_seconds=job.cell_seconds,
        page_seconds=job.page_seconds,
        stopping=stopping,
    )
    return {
        "peak_megabytes": notebook.metadata.papermill.get("peak_megabytes"),
        "slowest_cells": slowest_cells(notebook),
    }


def _keep_failed(job: PageJob, executed: Path) -> str:
    """Keep the failed notebook, remove an earlier page that would pass for this one, say where."""
    made = (job.folder / f"{job.name}{ending}" for ending in (".pdf", ".ipynb"))
    for path in (job.record, *made):
        with suppress(OSError):  # open elsewhere; without its record it passes for no page
            path.unlink(missing_ok=True)
    with suppress(OSError):
        job.folder.rmdir()
    if not executed.exists():
        return ""
    with whole(job.failed_folder / "report.ipynb") as beside:
        shutil.copyfile(executed, beside)
    return f" See {job.failed_folder.name}/report.ipynb under 'failed'."


def _reason(error: Exception, job: PageJob) -> str:
    """Say why a page failed without quoting data that a foreign exception may carry."""
    if isinstance(error, errors.StockcustError):
        return str(error)
    name = getattr(error, "ename", None)
    if name is None:
        return f"{type(error).__name__} outside the notebook's cells."
    where = f"the cell that ran as In [{getattr(error, 'exec_count', None) or '?'}]"
    if name == "KeyboardInterrupt":  # nobody else sends one to a kernel
        limits = f"{job.cell_seconds:g} s for a cell, {job.page_seconds:g} s for a page"
        return f"{where} ran into the time limit ({limits})."
    place = f"{name} in {where}"
    return f"{place}: {getattr(error, 'evalue', '')}" if hasattr(errors, name) else f"{place}."
