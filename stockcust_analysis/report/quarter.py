"""The main job: evaluate the quarter, make every branch's page, write headquarters' files.

```
evaluation (taken over, or staged) ── plan ── batch ── headquarters' files ── manifest, run.json
```
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from stockcust_analysis.atomic import remove_unfinished
from stockcust_analysis.bank.source import Bank
from stockcust_analysis.evaluation.snapshots import reporting_branches
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import load_policy
from stockcust_analysis.report.batch import run_batch
from stockcust_analysis.report.headquarters import write_headquarters
from stockcust_analysis.report.kernels.warm import warm_start
from stockcust_analysis.report.manifest import write_manifest
from stockcust_analysis.report.plan import (
    RECORDS,
    ReportOptions,
    counts,
    finished,
    page_jobs,
    plan_pages,
    require_branches,
)
from stockcust_analysis.report.records import PageRecord
from stockcust_analysis.report.render import PageJob, PageResult
from stockcust_analysis.report.runs import logged, note, write_run
from stockcust_analysis.report.scratch import held, output_errors, working_folder
from stockcust_analysis.report.staging import EVALUATION, Staged, put_in_place, staged
from stockcust_analysis.report.worklist_batch import WORKLISTS, make_worklists


@dataclass(frozen=True)
class ReportRun:
    """Where the output stands, how each page ended, and which no run has made yet.

    `headquarters` is how headquarters' set ended; a shard makes none.
    """

    folder: Path
    results: tuple[PageResult, ...]
    missing: tuple[str, ...] = ()
    headquarters: PageResult | None = None

    @property
    def failed(self) -> tuple[PageResult, ...]:
        """The pages that could not be made, headquarters' among them."""
        whole = (*self.results, *filter(None, [self.headquarters]))
        return tuple(result for result in whole if result.failed)


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


def make_reports(
    bank: Bank,
    options: ReportOptions,
    *,
    out: Path,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> ReportRun:
    """Evaluate a quarter and make one PDF per branch, with headquarters' tables beside them.

    Only what is missing or changed is made; a run that was broken off goes on where it stopped.
    Nothing is written before the bank, the quarter, the branches and the notebook's parameters
    have been found good. A branch that fails leaves its notebook under `failed/`; the others go
    on. A shard (`options.shard`) makes its pages only; `options.collect` makes none, and writes the
    headquarters' files and the manifest of what all shards have made.

    Parameters
    ----------
    bank
        Tables of the bank, as opened by `open_bank`.
    options
        Quarter, policy, branches, language, review status, shard, limits.
    out
        Folder in which the quarter's folder is made.
    progress
        Told of each finished page.
    executor
        Where pages are made, as in `run_batch`.

    Raises
    ------
    UsageError
        No such quarter or branch, another run holds the folder, or an issued page would change.
    NotebookError
        The notebook does not declare the parameters that a branch report is given.
    OutputError
        Files cannot be written: disk full, or folder read-only.
    """
    progress = progress or Silent()
    folder = _folder(options, out)
    with output_errors(folder), _alone(folder, options):
        started = time.perf_counter()
        ready, jobs = _ready(bank, options, folder, progress)
        with logged(folder / _of_shard("run.log", options)):
            note("started", quarter=options.quarter, status=options.status, **counts(jobs))
            to_make = [job for job in jobs if job.action != "keep" and not options.collect]
            progress.start(len(to_make))
            made = run_batch(
                to_make, executor=executor, workers=options.workers, progress=_noted(progress)
            )
            progress.finish()
            if not options.collect:
                _write_worklists(bank, ready, jobs, options)
            results = [*made, *_kept(jobs)]
            missing: list[str] = []
            headquarters: PageResult | None = None
            if not options.is_part:
                records = finished(page_jobs(ready, _whole_quarter(options), folder))
                missing = [job.branch_id for job in jobs if job.branch_id not in records]
                failed = {each.branch_id: each.error for each in results if each.failed}
                headquarters = _finish(bank, ready, options, folder, records, failed)
                write_run(folder, records, results, seconds=time.perf_counter() - started)
            failures = sum(result.failed for result in results)
            note("ended", missing=len(missing), failed=failures, kernels=warm_start.describe())
    return ReportRun(folder, tuple(results), tuple(missing), headquarters)


def _write_worklists(
    bank: Bank, ready: Staged, jobs: Sequence[PageJob], options: ReportOptions
) -> None:
    """Write the work lists that are missing or old, beside the pages that are there."""
    listed = set(ready.evaluation.worklists.get("branch_id", ()))
    wanted = [
        job for job in jobs
        if job.branch_id in listed
        and job.record.exists()
        and (ready.is_new or not (job.folder / WORKLISTS).exists())
    ]  # fmt: skip
    if wanted:
        make_worklists(
            bank, as_of=Quarter.parse(options.quarter).end, policy=load_policy(options.policy),
            out=wanted[0].folder.parent, branches=[job.branch_id for job in wanted],
            language=options.language,  # type: ignore[arg-type]
        )  # fmt: skip


def plan_reports(bank: Bank, options: ReportOptions, *, out: Path) -> list[PageJob]:
    """Return what `make_reports` would do, page by page; nothing is written.

    The errors are those of `make_reports`.
    """
    folder = _folder(options, out)
    with working_folder() as beside:
        new = _staged(bank, options, folder, beside / EVALUATION, Silent())
        return plan_pages(new, options, folder)


def write_evaluation(
    bank: Bank, options: ReportOptions, *, out: Path, progress: Progress | None = None
) -> Staged:
    """Evaluate a quarter into its folder, for the pages that other processes will make.

    Takes over what is there if it is of the same extracts, rules and packages.
    """
    folder = _folder(options, out)
    with output_errors(folder), _alone(folder, _whole_quarter(options)):
        return _ready(bank, replace(options, branches=()), folder, progress or Silent())[0]


def _ready(
    bank: Bank, options: ReportOptions, folder: Path, progress: Progress
) -> tuple[Staged, list[PageJob]]:
    """Return the evaluation, in its place, and the jobs, once everything was found good."""
    beside = folder / _of_shard(".evaluation", options)
    shutil.rmtree(beside, ignore_errors=True)
    try:
        new = _staged(bank, options, folder, beside, progress)
        jobs = plan_pages(new, options, folder)
        return put_in_place(new, folder / EVALUATION), jobs
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _staged(
    bank: Bank, options: ReportOptions, folder: Path, beside: Path, progress: Progress
) -> Staged:
    """Return the evaluation; a slip of the pen in a branch's number is told before its minutes."""
    quarter = Quarter.parse(options.quarter)
    if options.branches and quarter in bank.quarters:
        policy = load_policy(options.policy)
        require_branches(options, reporting_branches(bank, policy, quarter))
    return staged(
        bank, quarter=options.quarter, policy=options.policy, first_quarter=options.first_quarter,
        known=folder / EVALUATION, beside=beside, force=options.force, progress=progress.evaluated,
    )  # fmt: skip


def _folder(options: ReportOptions, out: Path) -> Path:
    return (out / str(Quarter.parse(options.quarter))).resolve()


def _alone(folder: Path, options: ReportOptions) -> AbstractContextManager[None]:
    """Hold the folder: shards run beside one another, but not beside a run of the whole quarter."""
    lock = folder / _of_shard(".lock", options)
    return held(lock, what=f"'{folder}'", rivals=".lock" if options.is_part else ".lock-*")


def _of_shard(name: str, options: ReportOptions) -> str:
    """Return a name that shards which run at the same time do not share."""
    number, of = options.shard
    stem, dot, ending = name.rpartition(".") if not name.startswith(".") else (name, "", "")
    return f"{stem}-{number}-of-{of}{dot}{ending}" if options.is_part else name


def _whole_quarter(options: ReportOptions) -> ReportOptions:
    return replace(options, branches=(), shard=(1, 1))


def _noted(progress: Progress) -> Callable[[PageResult], None]:
    """Return a watcher that tells `progress` and the log of each page."""

    def noted(result: PageResult) -> None:
        note("page", branch=result.branch_id, action=result.action, error=result.error,
             seconds=round(result.seconds, 2), attempts=result.attempts)  # fmt: skip
        progress(result)

    return noted


def _kept(jobs: Sequence[PageJob]) -> list[PageResult]:
    """Return the pages that were up to date, as results."""
    return [PageResult(job.branch_id, 0.0, action="keep") for job in jobs if job.action == "keep"]


def _finish(
    bank: Bank, ready: Staged, options: ReportOptions, folder: Path,
    records: dict[str, PageRecord], failed: dict[str, str],
) -> PageResult:  # fmt: skip
    """Write headquarters' files and the manifest of everything that is finished."""
    for place in (folder, folder / RECORDS):
        remove_unfinished(place)
    for left in folder.glob(".evaluation*"):
        shutil.rmtree(left, ignore_errors=True)
    evaluation = ready.evaluation
    headquarters = write_headquarters(
        evaluation, cells=evaluation.cells, records=records, failed=failed, folder=folder,
        options=options,
    )  # fmt: skip
    pages = {
        job.branch_id: job.folder
        for job in page_jobs(ready, _whole_quarter(options), folder)
        if job.branch_id in records
    }
    write_manifest(
        folder, bank=bank, evaluation=evaluation, options=options, records=records,
        outputs=[
            *headquarters.files,
            *(pages[b] / name for b in pages for name in records[b].files),
            *filter(Path.exists, (pages[b] / WORKLISTS for b in pages)),
        ],
    )  # fmt: skip
    return headquarters
