"""Pages: one notebook run in a warm kernel, typeset and put in place; and many of them at once.

```
job ── "run" ──> notebook executed ──┐
    └─ "print" > notebook as it is ──┴─> report.ipynb, report.pdf, then the page's record
```
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Protocol

from stockcust_analysis import errors
from stockcust_analysis.core import files
from stockcust_analysis.errors import Words, say, words_of
from stockcust_analysis.report.plan import Action, PageJob, PageRecord, signatures, with_actions

if TYPE_CHECKING:
    from nbformat import NotebookNode

_SLOWEST_CELLS: Final = 5
PRELOADED: Final = (
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.pyplot",
    "seaborn",
    "stockcust_analysis.evaluation.results",
    "stockcust_analysis.policy:load_policy",
    "stockcust_analysis.show.canvas:prepare_drawing",
    "stockcust_analysis.show.branch_figures",
    "stockcust_analysis.show.branch_tables",
    "stockcust_analysis.show.pages",
)
"""What a page's cells import and prepare: done once, before the kernels are forked."""

_stopping = threading.Event()  # a batch was interrupted: a kernel that dies is not started again


@dataclass(frozen=True)
class PageResult:
    """How one page ended: its files, or why it failed; what it took."""

    branch_id: str
    seconds: float
    files: tuple[Path, ...] = ()
    error: str = ""
    action: Action = "run"
    attempts: int = 1

    @property
    def failed(self) -> bool:
        """Whether the page could not be made."""
        return bool(self.error)

    @property
    def edition(self) -> str:
        """The edition of headquarters' set, "" for a branch's page."""
        return self.branch_id[1:] if self.branch_id.startswith("@") else ""


def render_page(job: PageJob) -> PageResult:
    """Make one branch's PDF and its executed notebook; a failure is a result, not an error.

    A kernel that dies is started once more.

    Raises
    ------
    OutputError
        Files cannot be written at all.
    """
    started = time.perf_counter()
    with output_errors(job.folder), files.access(job.options.access):
        result = _attempt(job, attempt=1)
    return replace(result, seconds=time.perf_counter() - started)


@contextmanager
def output_errors(folder: Path) -> Iterator[None]:
    """Turn a full disk or a read-only folder into one OutputError that says so."""
    try:
        yield
    except OSError as error:
        if error.errno not in errors.UNWRITABLE:
            raise
        raise errors.OutputError.of(error, folder) from error


def _attempt(job: PageJob, attempt: int) -> PageResult:
    from nbclient.exceptions import DeadKernelError

    with files.WorkingFolder(files.SOCKET_PATH) as folder:
        executed = folder / "report.ipynb"
        try:
            return replace(_make_page(job, executed), attempts=attempt)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in errors.UNWRITABLE:
                raise
            message = say("page_interrupted")
            if not _stopping.is_set():
                if isinstance(error, DeadKernelError) and attempt == 1:
                    return _attempt(job, attempt + 1)
                message = _reason(error, job) + _save_failed_notebook(job, executed)
                _record_failure(job, message)
            return PageResult(job.branch_id, 0.0, error=message, attempts=attempt)


def _record_failure(job: PageJob, reason: Words) -> None:
    """Write why a page could not be made, for `--collect`, `--plan` and the next run."""
    both = [reason.text(language) for language in ("en", "zh")]
    failed = PageRecord(job.branch_id, job.made_from, "draft", {}, 0.0, error=both)
    files.write_json(job.record, asdict(failed))


def _make_page(job: PageJob, executed: Path) -> PageResult:
    """Run or reuse the notebook, print it, put both in place and record that they are."""
    from stockcust_analysis.report.exporter import export_pdf

    started = time.perf_counter()
    for folder in (job.folder, job.failed_folder):
        files.remove_unfinished(folder)
    (pdf_path, notebook_path), options = job.files, job.options
    facts: dict[str, Any] = {}
    if job.action == "run":
        facts = _execute(job, executed)
    else:
        shutil.copyfile(notebook_path, executed)
    signed = signatures(job.people, options.language)
    look = {"language": options.language, "brand": options.brand, "substitutes": job.substitutes}
    pdf = export_pdf(executed, status=options.status, signed=signed, **look)
    if job.action == "run":
        files.write_bytes(notebook_path, executed.read_bytes())
    files.write_bytes(pdf_path, pdf)
    known = {path.name: files.sha256(path) for path in job.files}
    seconds = round(time.perf_counter() - started, 2)
    facts |= {"people": job.people, "look": job.look}
    record = PageRecord(job.branch_id, job.made_from, options.status, known, seconds, **facts)
    files.write_json(job.record, asdict(record))
    shutil.rmtree(job.failed_folder, ignore_errors=True)
    return PageResult(job.branch_id, seconds, job.files, action=job.action)


def _execute(job: PageJob, executed: Path) -> dict[str, Any]:
    """Run the notebook in a kernel of its own, and return what it took."""
    import papermill

    from stockcust_analysis.kernels import warm

    warm.register(PRELOADED)
    notebook = papermill.execute_notebook(
        job.notebook,
        executed,
        parameters=job.parameters,
        engine_name=warm.ENGINE,
        kernel_name="python3",
        progress_bar=False,
        request_save_on_cell_execute=False,  # nor at start and end: once is enough
        broken_off=str(executed),
        # papermill's own `cwd` moves this whole process, and every other page with it.
        folder=str(executed.parent),
        cell_seconds=job.options.cell_seconds,
        page_seconds=job.options.page_seconds,
        stopping=_stopping,
    )
    peak = notebook.metadata.papermill.get("peak_megabytes")
    return {"peak_megabytes": peak, "slowest_cells": _slowest_cells(notebook)}


def _slowest_cells(notebook: NotebookNode) -> list[dict[str, Any]]:
    """Return the cells that took longest, by papermill's times: position, last line, seconds."""
    timed = [
        {
            "cell": position,
            "source": cell.source.strip().split("\n")[-1][:80],
            "seconds": round(cell.metadata.papermill.duration or 0.0, 3),
        }
        for position, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and "papermill" in cell.metadata
    ]
    return sorted(timed, key=lambda cell: -cell["seconds"])[:_SLOWEST_CELLS]


def _save_failed_notebook(job: PageJob, executed: Path) -> str:
    """Save the failed notebook, remove an earlier page that would pass for this one, say where."""
    job.withdraw()
    if not executed.exists():
        return ""
    with files.atomic_write(job.failed_folder / "report.ipynb") as beside:
        shutil.copyfile(executed, beside)
    return say("see_failed", job.failed_folder.name)


def _reason(error: Exception, job: PageJob) -> Words:
    """Say why a page failed without quoting data that a foreign exception may carry."""
    from stockcust_analysis.kernels.warm import StuckNotebookError

    if isinstance(error, StuckNotebookError):
        return say("page_killed", *error.args)
    if isinstance(error, errors.StockcustError):
        return words_of(error)
    name = getattr(error, "ename", None)
    if name is None:
        return say("failed_outside", type(error).__name__)
    where = say("cell", getattr(error, "exec_count", None) or "?")
    if name == "KeyboardInterrupt":  # nobody else sends one to a kernel
        options = job.options
        return say("out_of_time", where, options.cell_seconds, options.page_seconds)
    reason = say("in_cell", name, where)
    if hasattr(errors, name):
        said = getattr(error, "evalue", "")
        # The notebook shows it in its own language: `StockcustError._render_traceback_`.
        shown = (getattr(error, "traceback", None) or [""])[-1]
        own = shown.removeprefix(f"{name}: ") if shown.startswith(name) else said
        return say("of_place", reason, Words(said, own))
    return say("sentence", reason)


class Progress(Protocol):
    """Receives how far a run is: "evaluation", "branches" or "headquarters", done and all steps."""

    def __call__(
        self, stage: str, done: int, total: int, page: PageResult | None = None, /
    ) -> None:
        """Receive a step that is done; `page` is the page or the edition that it ended."""


def show_nothing(stage: str, done: int, total: int, page: PageResult | None = None, /) -> None:
    """Receive a step and do nothing with it."""


def default_workers() -> int:
    """Return how many pages to make at once: one for each core this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_batch(
    jobs: Iterable[PageJob],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Callable[[PageResult], None] = lambda result: None,
) -> list[PageResult]:
    """Make every page and return the results in the order of the jobs.

    Parameters
    ----------
    jobs
        One per page; taken one after the other while the first are already being made.
    executor
        Where to run: any `concurrent.futures.Executor`, such as a Dask cluster's
        `client.get_executor()`; all its machines must see the jobs' folders. Default: threads on
        this machine, for every page already runs in a kernel process of its own.
    workers
        Pages at once when no executor is given; default one for each core.
    progress
        Called with each result as it comes in.

    Raises
    ------
    OutputError
        Files cannot be written. Pages that were finished are kept.
    """
    submitted: dict[Future[PageResult], PageJob] = {}
    results: dict[Future[PageResult], PageResult] = {}
    finished: SimpleQueue[Future[PageResult]] = SimpleQueue()

    def receive() -> None:
        # An interrupt that comes just as a wait begins does not end it: look again soon.
        future = finished.get(timeout=0.5)
        results[future] = _result(future, submitted[future])
        progress(results[future])

    own = nullcontext(executor) if executor else _own_threads(workers or default_workers())
    with own as pool:
        try:
            for job in jobs:
                future = pool.submit(render_page, job)
                submitted[future] = job
                future.add_done_callback(finished.put)
                while not finished.empty():
                    receive()
            while len(results) < len(submitted):
                with suppress(Empty):
                    receive()
        except BaseException:
            for future in submitted:
                future.cancel()
            raise
    return [results[future] for future in submitted]


@contextmanager
def _own_threads(workers: int) -> Iterator[Executor]:
    """Yield threads; when the batch is broken off, end their kernels, and them, at once."""
    from stockcust_analysis.kernels.warm import kill_kernels

    _stopping.clear()
    with ThreadPoolExecutor(workers) as threads:
        try:
            yield threads
        except BaseException:
            _stopping.set()
            threads.shutdown(wait=False, cancel_futures=True)
            kill_kernels()
            raise


def _result(future: Future[PageResult], job: PageJob) -> PageResult:
    """Return a page's result; a worker that was lost is the failure of a page it has not made."""
    try:
        return future.result()
    except errors.OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - an executor has errors of its own
        # With --force the page that is there may be an earlier one. Whole and of the same inputs it
        # stays, but nobody knows that it was made again: it counts as failed.
        there = with_actions([replace(job, options=replace(job.options, force=False))])[0].action
        if there == "keep" and not job.options.force:  # finished, though nobody was told
            return PageResult(job.branch_id, 0.0, job.files, action=job.action)
        reason = say("worker_lost", type(error).__name__)
        if there == "run":  # a page that was to be printed again is as it was
            with output_errors(job.folder), files.access(job.options.access):
                job.withdraw()
                _record_failure(job, reason)
        return PageResult(job.branch_id, 0.0, error=reason, action=job.action)
