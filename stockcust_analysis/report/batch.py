"""Many pages at once, on any executor; one failed branch never stops the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed

from stockcust_analysis.report.render import PageJob, PageResult, render_page

Progress = Callable[[PageResult], None]


def default_workers() -> int:
    """Return how many pages to make at once: one for each core this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_batch(
    jobs: Sequence[PageJob],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress = lambda result: None,
) -> list[PageResult]:
    """Make every page and return the results in the order of the jobs.

    Parameters
    ----------
    jobs
        One per page.
    executor
        Where to run: any `concurrent.futures.Executor`. Default: threads on this machine, for
        every page already runs in a kernel process of its own.
    workers
        Pages at once when no executor is given; default one for each core.
    progress
        Called with each result as it comes in.
    """
    if executor is None:
        with ThreadPoolExecutor(workers or default_workers()) as own:
            return _run(jobs, own, progress)
    return _run(jobs, executor, progress)


def _run(jobs: Sequence[PageJob], executor: Executor, progress: Progress) -> list[PageResult]:
    futures = {executor.submit(render_page, job): index for index, job in enumerate(jobs)}
    results: dict[int, PageResult] = {}
    try:
        for future in as_completed(futures):
            results[futures[future]] = future.result()
            progress(future.result())
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    return [results[index] for index in range(len(jobs))]
