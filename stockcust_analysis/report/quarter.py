"""The main job: evaluate the quarter, make every branch's page, write headquarters' files.

```
evaluation (taken over, or staged) ── plan ── batch ── headquarters' files ── manifest, run.json
```
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from stockcust_analysis.atomic import access, give_tree, remove_unfinished
from stockcust_analysis.bank.source import Bank
from stockcust_analysis.evaluation.views import reporting_branches
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import load_policy
from stockcust_analysis.report.batch import Progress, Silent, run_batch
from stockcust_analysis.report.editions import CIRCULATED
from stockcust_analysis.report.headquarters import plan_headquarters, write_headquarters
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
from stockcust_analysis.report.worklist_batch import WORKLISTS, lists_beside_pages


@dataclass(frozen=True)
class ReportRun:
    """Where the output stands, how each page ended, and which no run has made yet.

    `headquarters` says how each edition of headquarters' set ended; a shard makes none.
    """

    folder: Path
    results: tuple[PageResult, ...]
    missing: tuple[str, ...] = ()
    headquarters: tuple[PageResult, ...] = ()

    @property
    def failed(self) -> tuple[PageResult, ...]:
        """The pages that could not be made, headquarters' among them."""
        return tuple(page for page in (*self.results, *self.headquarters) if page.failed)


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
        Files cannot be written: disk full, or folder read-only. One file that is open elsewhere is
        its branch's failure alone.
    """
    progress = progress or Silent()
    folder = _folder(options, out)
    options = _with_what_is_there(options, folder)
    with output_errors(folder), access(options.access), _alone(folder, options):
        give_tree(folder)
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
            results = [*made, *_kept(jobs)]
            if not options.collect:
                in_use = lists_beside_pages(bank, ready, jobs, options)
                results = [_with_lists(result, in_use) for result in results]
            missing: list[str] = []
            headquarters: tuple[PageResult, ...] = ()
            if not options.is_part:
                records = finished(page_jobs(ready, _whole_quarter(options), folder))
                missing = [job.branch_id for job in jobs if job.branch_id not in records]
                failed = {each.branch_id: each.error for each in results if each.failed}
                headquarters = _finish(bank, ready, options, folder, records, failed)
                write_run(
                    folder, records, results, headquarters, seconds=time.perf_counter() - started
                )
            failures = sum(result.failed for result in (*results, *headquarters))
            note("ended", missing=len(missing), failed=failures, kernels=warm_start.describe())
    return ReportRun(folder, tuple(results), tuple(missing), headquarters)


def _with_lists(result: PageResult, in_use: Mapping[str, str]) -> PageResult:
    """Return a branch's result, failed where its work lists could not be replaced."""
    error = in_use.get(result.branch_id, "")
    return result if result.failed or not error else replace(result, error=error)


def plan_reports(bank: Bank, options: ReportOptions, *, out: Path) -> list[PageJob]:
    """Return what `make_reports` would do, page by page; nothing is written.

    Headquarters' editions come last. The errors are those of `make_reports`.
    """
    folder = _folder(options, out)
    options = _with_what_is_there(options, folder)
    with working_folder() as beside:
        new = _staged(bank, options, folder, beside / EVALUATION, Silent())
        jobs = plan_pages(new, options, folder)
        if options.is_part:
            return jobs
        records = finished(page_jobs(new, _whole_quarter(options), folder))
    after = {branch: record.status for branch, record in records.items()}
    after |= {job.branch_id: job.status for job in jobs}
    return [*jobs, *plan_headquarters(new, after, options, folder)]


def write_evaluation(
    bank: Bank, options: ReportOptions, *, out: Path, progress: Progress | None = None
) -> Staged:
    """Evaluate a quarter into its folder, for the pages that other processes will make.

    Takes over what is there if it is of the same extracts, rules and packages.
    """
    folder = _folder(options, out)
    with output_errors(folder), access(options.access), _alone(folder, _whole_quarter(options)):
        give_tree(folder)
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
        known=folder / EVALUATION, beside=beside, sizes=options.circulated, force=options.force,
        progress=progress.evaluated,
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


def _with_what_is_there(options: ReportOptions, folder: Path) -> ReportOptions:
    """Return the options with the circulated edition, if an earlier run made one: it stays true."""
    return replace(options, circulated=options.circulated or (folder / CIRCULATED).is_dir())


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
) -> tuple[PageResult, ...]:  # fmt: skip
    """Write headquarters' files and the manifest of everything that is finished."""
    for place in (folder, folder / RECORDS):
        remove_unfinished(place)
    for left in folder.glob(".evaluation*"):
        shutil.rmtree(left, ignore_errors=True)
    evaluation = ready.evaluation
    headquarters = write_headquarters(
        evaluation, records=records, failed=failed, folder=folder, options=options
    )
    for edition in headquarters:
        note("headquarters", edition=edition.branch_id.removeprefix("@"), action=edition.action,
             error=edition.error, seconds=round(edition.seconds, 2))  # fmt: skip
    pages = {
        job.branch_id: job.folder
        for job in page_jobs(ready, _whole_quarter(options), folder)
        if job.branch_id in records
    }
    write_manifest(
        folder, bank=bank, evaluation=evaluation, options=options, records=records,
        outputs=[
            *(path for edition in headquarters for path in edition.files),
            *(pages[b] / name for b in pages for name in records[b].files),
            *filter(Path.exists, (pages[b] / WORKLISTS for b in pages)),
        ],
    )  # fmt: skip
    return headquarters
