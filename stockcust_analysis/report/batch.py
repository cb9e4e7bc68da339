"""Many pages at once, on any executor; one failed branch never stops the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Protocol

from stockcust_analysis.errors import OutputError
from stockcust_analysis.report.render import PageJob, PageResult, render_page, stopping


class Progress(Protocol):
    """Somebody who wants to know how far the run is: the evaluation first, then the pages."""

    def evaluated(self, done: int, total: int) -> None:
        """Take note of the steps of the evaluation."""

    def start(self, total: int) -> None:
        """Take note of the number of pages."""

    def __call__(self, result: PageResult) -> None:
        """Take note of a finished page."""

    def finish(self) -> None:
        """Take note of the end."""


class Silent:
    """Nobody watches."""

    def evaluated(self, done: int, total: int) -> None:
        """Ignore the steps of the evaluation."""

    def start(self, total: int) -> None:
        """Ignore the number of pages."""

    def __call__(self, result: PageResult) -> None:
        """Ignore a finished page."""

    def finish(self) -> None:
        """Ignore the end."""


def default_workers() -> int:
    """Return how many pages to make at once: one for each core this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_batch(
    jobs: Sequence[PageJob],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Callable[[PageResult], None] = lambda result: None,
) -> list[PageResult]:
    """Make every page and return the results in the order of the jobs.

    Parameters
    ----------
    jobs
        One per page.
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
    if executor is not None:
        return _run(jobs, executor, progress)
    with _threads(workers or default_workers()) as own:
        return _run(jobs, own, progress)


@contextmanager
def _threads(workers: int) -> Iterator[Executor]:
    """Give threads; when the batch is broken off, end their kernels, and them, at once."""
    from stockcust_analysis.report.kernels.engine import kill_kernels

    stopping.clear()
    with ThreadPoolExecutor(workers) as own:
        try:
            yield own
        except BaseException:
            stopping.set()
            own.shutdown(wait=False, cancel_futures=True)
            kill_kernels()
            raise


def _run(
    jobs: Sequence[PageJob], executor: Executor, progress: Callable[[PageResult], None]
) -> list[PageResult]:
    futures = {executor.submit(render_page, job): index for index, job in enumerate(jobs)}
    results: dict[int, PageResult] = {}
    try:
        for future in as_completed(futures):
            index = futures[future]
            results[index] = _result(future, jobs[index])
            progress(results[index])
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return [results[index] for index in range(len(jobs))]


def _result(future: Future[PageResult], job: PageJob) -> PageResult:
    """Return a page's result; a worker that was lost is that page's failure."""
    try:
        return future.result()
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - an executor has errors of its own
        reason = f"its worker was lost ({type(error).__name__}). Run the same command again."
        return PageResult(job.branch_id, 0.0, error=reason, action=job.action)
