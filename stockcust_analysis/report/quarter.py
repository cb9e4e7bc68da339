"""The main job: evaluate the quarter, make every branch's page, write headquarters' files.

```
evaluation (cached, or made) ── plan ── batch ── headquarters' files ── manifest, run.json
```
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from stockcust_analysis.atomic import access, give_tree, remove_unfinished, sha256
from stockcust_analysis.bank.source import Bank, open_bank
from stockcust_analysis.errors import FileInUseError, StockcustError, UsageError
from stockcust_analysis.evaluation.views import reporting_branches
from stockcust_analysis.kernels.warm import warm_start
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import load_policy
from stockcust_analysis.report.cache import EVALUATION, EvaluationCache, folder_name
from stockcust_analysis.report.headquarters import (
    CIRCULATED,
    ISSUED,
    REVIEW,
    plan_headquarters,
    write_headquarters,
)
from stockcust_analysis.report.manifest import (
    MANIFEST,
    RUN,
    log_event,
    run_log,
    write_manifest,
    write_run,
)
from stockcust_analysis.report.plan import (
    RECORDS,
    ReportOptions,
    count_actions,
    finished_pages,
    page_jobs,
    plan_pages,
    require_branches,
)
from stockcust_analysis.report.render import (
    PageJob,
    PageResult,
    Progress,
    default_workers,
    run_batch,
)
from stockcust_analysis.report.scratch import held, output_errors, working_folder
from stockcust_analysis.report.worklists import WORKLISTS, make_worklists

__all__ = [
    "ReportOptions",
    "ReportRun",
    "make_reports",
    "plan_reports",
    "verify_folder",
    "write_evaluation",
]

_NOT_DELIVERED: Final = {EVALUATION, ISSUED, "failed", MANIFEST, RUN}


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
    have passed every check. A branch that fails leaves its notebook under `failed/`; the others go
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
        Called with each step of the evaluation, each finished page, each step of headquarters' set.
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
    progress = progress or Progress()
    folder = options.folder(out)
    options = _with_earlier_editions(options, folder)
    with output_errors(folder), access(options.access), _exclusive(folder, options):
        give_tree(folder)
        run = _Run(bank, options, folder, progress, time.perf_counter())
        cache, jobs = run.prepare()
        with run_log(folder / options.shard_name("run.log")):
            log_event(
                "started", quarter=options.quarter, status=options.status, **count_actions(jobs)
            )
            results = run.make_pages(cache, jobs, executor)
            done = ReportRun(folder, results)
            if not options.is_part:
                done = run.finish(cache, jobs, results)
            log_event(
                "ended",
                missing=len(done.missing),
                failed=len(done.failed),
                kernels=warm_start.describe(),
            )
    return done


def plan_reports(bank: Bank, options: ReportOptions, *, out: Path) -> list[PageJob]:
    """Return what `make_reports` would do, page by page; nothing is written.

    Headquarters' editions come last. The errors are those of `make_reports`.
    """
    folder = options.folder(out)
    options = _with_earlier_editions(options, folder)
    with working_folder() as beside:
        run = _Run(bank, options, folder, Progress(), time.perf_counter())
        cache = run.evaluate(beside / EVALUATION)
        jobs = plan_pages(cache, options, folder)
        if options.is_part:
            return jobs
        records = finished_pages(page_jobs(cache, options.whole_quarter, folder))
    after = {branch: record.status for branch, record in records.items()}
    after |= {job.branch_id: job.status for job in jobs}
    return [*jobs, *plan_headquarters(cache, after, options, folder)]


def write_evaluation(
    bank: Bank, options: ReportOptions, *, out: Path, progress: Progress | None = None
) -> EvaluationCache:
    """Evaluate a quarter into its folder, for the pages that other processes will make.

    Takes over what is there if it is of the same extracts, rules and packages.
    """
    folder, options = options.folder(out), options.whole_quarter
    with output_errors(folder), access(options.access), _exclusive(folder, options):
        give_tree(folder)
        run = _Run(bank, options, folder, progress or Progress(), time.perf_counter())
        return run.prepare()[0]


def _exclusive(folder: Path, options: ReportOptions) -> AbstractContextManager[None]:
    """Lock the folder: shards run beside one another, but not beside a run of the whole quarter."""
    rivals = ".lock" if options.is_part else ".lock-*"
    return held(folder / options.shard_name(".lock"), what=f"'{folder}'", rivals=rivals)


def _with_earlier_editions(options: ReportOptions, folder: Path) -> ReportOptions:
    """Return the options with the circulated edition, if an earlier run made one: it stays true."""
    return replace(options, circulated=options.circulated or (folder / CIRCULATED).is_dir())


@dataclass(frozen=True)
class _Run:
    """One run over a quarter's folder, which is locked."""

    bank: Bank
    options: ReportOptions
    folder: Path
    progress: Progress
    started: float

    def evaluate(self, beside: Path) -> EvaluationCache:
        """Return the evaluation; a misspelt branch is an error before its minutes are spent."""
        options, quarter = self.options, Quarter.parse(self.options.quarter)
        if options.branches and quarter in self.bank.quarters:
            policy = load_policy(options.policy)
            require_branches(options, reporting_branches(self.bank, policy, quarter))
        return EvaluationCache.open_or_make(
            self.bank,
            quarter=options.quarter,
            policy=options.policy,
            first_quarter=options.first_quarter,
            sizes=options.circulated,
            known=self.folder / EVALUATION,
            beside=beside,
            force=options.force,
            progress=self.progress.evaluated,
        )

    def prepare(self) -> tuple[EvaluationCache, list[PageJob]]:
        """Return the evaluation, in its place, and the jobs, once every check has passed."""
        beside = self.folder / self.options.shard_name(".evaluation")
        shutil.rmtree(beside, ignore_errors=True)
        try:
            cache = self.evaluate(beside)
            jobs = plan_pages(cache, self.options, self.folder)
            return cache.promote(self.folder / EVALUATION), jobs
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def make_pages(
        self, cache: EvaluationCache, jobs: list[PageJob], executor: Executor | None
    ) -> tuple[PageResult, ...]:
        """Make the pages and their work lists; pages that are up to date are results as well."""
        collect = self.options.collect
        to_make = [job for job in jobs if job.action != "keep" and not collect]
        self.progress.start(len(to_make))
        made = run_batch(
            _with_slices(to_make, cache),
            executor=executor,
            workers=self.options.workers,
            progress=_logged(self.progress),
        )
        self.progress.finish()
        kept = [PageResult(j.branch_id, 0.0, action="keep") for j in jobs if j.action == "keep"]
        errors = {} if collect else _write_worklists(self.bank, cache, jobs, self.options)
        return tuple(
            replace(page, error=page.error or errors.get(page.branch_id, ""))
            for page in (*made, *kept)
        )

    def finish(
        self, cache: EvaluationCache, jobs: list[PageJob], results: tuple[PageResult, ...]
    ) -> ReportRun:
        """Write headquarters' files, and the manifest of everything that is finished."""
        for place in (self.folder, self.folder / RECORDS):
            remove_unfinished(place)
        for left in self.folder.glob(".evaluation*"):
            shutil.rmtree(left, ignore_errors=True)
        all_jobs = page_jobs(cache, self.options.whole_quarter, self.folder)
        records = finished_pages(all_jobs)
        editions = write_headquarters(
            cache.evaluation,
            records=records,
            failed={page.branch_id: page.error for page in results if page.failed},
            folder=self.folder,
            options=self.options,
            progress=self.progress.headquarters,
        )
        _log_editions(editions)
        done = {job.branch_id: job.folder for job in all_jobs if job.branch_id in records}
        write_manifest(
            self.folder,
            bank=self.bank,
            evaluation=cache.evaluation,
            options=self.options,
            records=records,
            outputs=[
                *(path for edition in editions for path in edition.files),
                *(done[branch] / name for branch in done for name in records[branch].files),
                *filter(Path.exists, (folder / WORKLISTS for folder in done.values())),
            ],
        )
        seconds = time.perf_counter() - self.started
        write_run(self.folder, records, results, editions, seconds=seconds)
        missing = tuple(job.branch_id for job in jobs if job.branch_id not in records)
        return ReportRun(self.folder, results, missing, editions)


def _with_slices(jobs: list[PageJob], cache: EvaluationCache) -> Iterator[PageJob]:
    """Yield the jobs, each with the slice its notebook reads written just before."""
    for job in jobs:
        if job.action == "run":
            cache.write_slice(job.branch_id)
        yield job


def _logged(progress: Progress) -> Callable[[PageResult], None]:
    """Return a function that hands each page to `progress` and writes it to the log."""

    def receive(page: PageResult) -> None:
        log_event(
            "page",
            branch=page.branch_id,
            action=page.action,
            error=page.error,
            seconds=round(page.seconds, 2),
            attempts=page.attempts,
        )
        progress(page)

    return receive


def _log_editions(editions: tuple[PageResult, ...]) -> None:
    for edition in editions:
        log_event(
            "headquarters",
            edition=edition.branch_id.removeprefix("@"),
            action=edition.action,
            error=edition.error,
            seconds=round(edition.seconds, 2),
        )


def _write_worklists(
    bank: Bank, cache: EvaluationCache, jobs: list[PageJob], options: ReportOptions
) -> dict[str, str]:
    """Write the work lists that are missing or old, beside the pages that are there.

    Return the branches whose lists are open elsewhere, with the error that says so.
    """
    listed = set(cache.evaluation.worklists.get("branch_id", ()))
    due = [
        job
        for job in jobs
        if job.branch_id in listed
        and job.record.exists()
        and (cache.is_new or not (job.folder / WORKLISTS).exists())
    ]
    if not due:
        return {}
    try:
        make_worklists(
            bank,
            as_of=Quarter.parse(options.quarter).end,
            policy=load_policy(options.policy),
            out=due[0].folder.parent,
            branches=[job.branch_id for job in due],
            language=options.language,  # type: ignore[arg-type]
        )
    except FileInUseError as error:
        folders = {Path(str(file)).parent for file in error.files}
        return {job.branch_id: str(error) for job in due if job.folder in folders}
    return {}


def verify_folder(
    folder: Path,
    *,
    data: Path | None = None,
    mapping: Path | None = None,
    workers: int | None = None,
) -> list[str]:
    """Return what differs from the manifest, one sentence each; nothing when all is as it says.

    Parameters
    ----------
    folder
        A quarter's folder, such as `reports/2026Q3`.
    data
        The extracts. With them everything is made again elsewhere and compared byte for byte;
        without them each page is printed again from its executed notebook.
    mapping
        As for `open_bank`.
    workers
        Pages at once; default one for each core.

    Raises
    ------
    UsageError
        The folder has no manifest.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"'{folder}' has no {MANIFEST}: no run has ended there.") from None
    differences = _compare_files(folder, manifest["outputs"])
    if data is None:
        return differences + _print_again(folder, manifest, workers or default_workers())
    return differences + _make_again(manifest, data, mapping, workers)


def _compare_files(folder: Path, outputs: dict[str, str]) -> list[str]:
    """Return which files are missing, changed, or not in the manifest."""
    differences = []
    for name, expected in outputs.items():
        if not (folder / name).is_file():
            differences.append(f"{name} is missing.")
        elif sha256(folder / name) != expected:
            differences.append(f"{name} was changed after the run.")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name, top = path.relative_to(folder).as_posix(), path.relative_to(folder).parts[0]
        delivered = top not in _NOT_DELIVERED and not top.startswith(".")
        if delivered and name not in outputs and path.suffix not in {".ipynb", ".log"}:
            differences.append(f"{name} is not in the manifest.")
    return differences


def _print_again(folder: Path, manifest: dict[str, Any], workers: int) -> list[str]:
    """Print every page again from its executed notebook and compare."""
    from stockcust_analysis.report.exporter import export_pdf

    pages = [name for name in manifest["outputs"] if name.endswith(".pdf")]
    look = {name: manifest["parameters"][name] for name in ("language", "brand")}
    statuses = {folder_name(b): facts["status"] for b, facts in manifest["branches"].items()}

    def check(name: str) -> str:
        path = folder / name
        status = manifest["status"] if path.stem == REVIEW else statuses[path.parent.name]
        try:
            pdf = export_pdf(path.with_suffix(".ipynb"), status=status, **look)
        except (OSError, StockcustError) as error:
            return f"{name} cannot be printed again: {error}"
        same = path.is_file() and pdf == path.read_bytes()
        return "" if same else f"{name} prints differently from its notebook."

    with ThreadPoolExecutor(workers) as threads:
        return [difference for difference in threads.map(check, pages) if difference]


def _make_again(
    manifest: dict[str, Any], data: Path, mapping: Path | None, workers: int | None
) -> list[str]:
    """Make the whole quarter again in a folder of its own and compare the two manifests."""
    options = ReportOptions(**manifest["parameters"], status=manifest["status"], workers=workers)
    with working_folder() as out, open_bank(data, mapping=mapping) as bank:
        run = make_reports(bank, options, out=out)
        again = json.loads((run.folder / MANIFEST).read_text(encoding="utf-8"))
    facts = ("inputs", "policy", "notebook", "packages", "code", "fonts", "look")
    before, after = manifest["outputs"], again["outputs"]
    return [
        *(
            f"{fact} differs: the quarter was made from something else."
            for fact in facts
            if again[fact] != manifest[fact]
        ),
        *(
            f"{name} differs when made again."
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        ),
    ]
