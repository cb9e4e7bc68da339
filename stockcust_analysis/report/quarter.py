"""The main job: evaluate the quarter, make every branch's page, write headquarters' files.

```
evaluation (cached, or made) ── plan ── batch ── headquarters' files ── manifest, run.json
```
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from stockcust_analysis import errors
from stockcust_analysis.bank.customers import reporting_branches, require_branches
from stockcust_analysis.bank.source import Bank, open_bank
from stockcust_analysis.core import files
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import NOTHING, FileInUseError, StockcustError, Words, say, words_of
from stockcust_analysis.evaluation.results import open_evaluation
from stockcust_analysis.policy import load_policy
from stockcust_analysis.report import manifest, plan, render
from stockcust_analysis.report.manifest import EvaluationCache
from stockcust_analysis.report.manifest import ReportRun as ReportRun
from stockcust_analysis.report.plan import EVALUATION, PageJob, PageRecord
from stockcust_analysis.report.plan import ReportOptions as ReportOptions
from stockcust_analysis.report.render import PageResult, Progress
from stockcust_analysis.report.worklists import make_worklists

_NOT_DELIVERED: Final = {
    *(EVALUATION, plan.ISSUED, plan.RECEIPTS, "failed", manifest.MANIFEST, manifest.RUN)
}


def make_reports(
    bank: Bank,
    options: ReportOptions,
    *,
    out: Path,
    progress: Progress = render.show_nothing,
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
        Called with each step of the evaluation, each finished page, each step of headquarters' set
        and each finished edition.
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
    folder = options.folder(out)
    with _locked_run(bank, options, folder, progress) as run:
        cache, jobs = run.prepare()
        from stockcust_analysis.kernels.warm import warm_start  # slow to import

        with manifest.run_log(folder / options.shard_name("run.log")):
            facts = {"quarter": options.quarter, "status": options.status}
            manifest.log_event("started", **facts, **plan.count_actions(jobs))
            if bank.too_few:
                manifest.log_event("too_few_customers", quarters=[*map(str, bank.too_few)])
            for name, words in bank.suspicions:
                manifest.log_event("suspicion", name=name, words=words)
            results = run.make_pages(cache, jobs, executor)
            report = ReportRun(folder, results)
            if not options.is_part:
                report = run.finish(cache, jobs, results)
            counts = {"missing": len(report.missing), "failed": len(report.failed)}
            manifest.log_event("ended", **counts, kernels=warm_start.describe())
    return report


def plan_reports(bank: Bank, options: ReportOptions, *, out: Path) -> list[PageJob]:
    """Return what `make_reports` would do, page by page; nothing is written.

    Headquarters' editions come last. Of the pages a run that collects keeps those that are there,
    and makes none: the others say what it would refuse. The errors are those of `make_reports`, but
    that issued pages may change, and anybody sign them.
    """
    from stockcust_analysis.report.headquarters import editions, plan_headquarters

    folder = options.folder(out)
    options = _with_earlier_editions(options, folder)
    with files.WorkingFolder(files.SOCKET_PATH) as beside:
        (beside / "empty").touch()
        options.access.give(beside / "empty")  # a group that cannot be is an error here, too
        run = _Run(bank, options, folder, render.show_nothing, time.perf_counter())
        cache = run.evaluate(beside / EVALUATION)
        jobs = plan.plan_pages(cache.slices, options, folder, only_shown=True)
        if options.is_part:
            return jobs
        all_jobs = plan.page_jobs(cache.slices, options.whole_quarter, folder)
        records, failed = plan.finished_pages(all_jobs), plan.failed_pages(all_jobs)
    for job in () if options.collect else jobs:
        branch, status = job.branch_id, job.options.status
        records[branch] = PageRecord(branch, job.made_from, status, {}, 0.0, job.people)
        failed.pop(branch, None)
    return [*jobs, *plan_headquarters(cache, editions(folder, options, records, failed))]


def write_evaluation(
    bank: Bank, options: ReportOptions, *, out: Path, progress: Progress = render.show_nothing
) -> EvaluationCache:
    """Evaluate a quarter into its folder, for the pages that other processes will make.

    Takes over what is there if it is of the same extracts, rules and packages.
    """
    with _locked_run(bank, options.whole_quarter, options.folder(out), progress) as run:
        return run.prepare()[0]


@contextmanager
def _locked_run(
    bank: Bank, options: ReportOptions, folder: Path, progress: Progress
) -> Iterator[_Run]:
    """Lock the folder: shards run beside one another, but not beside a run of the whole quarter."""
    lock, of = folder / options.shard_name(".lock"), options.shard[1]
    # Shards of other cuts are rivals as well: they would make the same pages.
    rivals = rf"\.lock(-\d+-of-(?!{of}$)\d+)?" if options.is_part else r"\.lock-.+"
    locked = files.exclusive_lock(lock, what=errors.either([folder]), rivals=rivals)
    with render.output_errors(folder), files.access(options.access), locked:
        files.give_tree(folder)
        options = _with_earlier_editions(options, folder)
        yield _Run(bank, options, folder, progress, time.perf_counter())


def _with_earlier_editions(options: ReportOptions, folder: Path) -> ReportOptions:
    """Return the options with the circulated edition, if an earlier run made one: it stays true."""
    return replace(options, circulated=options.circulated or (folder / plan.CIRCULATED).is_dir())


@dataclass(frozen=True)
class _Run:
    """One run over a quarter's folder, which is locked."""

    bank: Bank
    options: ReportOptions
    folder: Path
    progress: Progress
    started: float

    def evaluate(self, beside: Path) -> EvaluationCache:
        """Return the evaluation in the folder if untouched and of these inputs, else a new one.

        A new one is written to `beside`, which the caller promotes or removes. Only the circulated
        edition needs the sizes of cells. A misspelt branch is an error before minutes are spent.
        """
        from stockcust_analysis.evaluation.evaluate import evaluate_with_lists

        bank, options, quarter = self.bank, self.options, Quarter.parse(self.options.quarter)
        if options.branches and quarter.end in bank.days("customers"):
            available = reporting_branches(bank, load_policy(options.policy), quarter)
            asked, end = options.branches, quarter.end
            require_branches(bank, asked, available, end, "branch_in", options.quarter)
        known, made_from = self.folder / EVALUATION, manifest.made_from(bank, options)
        stamp = {} if options.force else manifest.read_stamp(known)
        if bank.inputs and stamp.get("made_from") == made_from:
            evaluation = open_evaluation(known)
            if evaluation.has_sizes == options.circulated:
                slices = {b: stamp["slices"][b] for b in evaluation.branches["branch_id"]}
                return EvaluationCache(known, evaluation, slices, is_new=False)
        evaluation, lists = evaluate_with_lists(
            bank,
            quarter=options.quarter,
            policy=options.policy,
            first_quarter=options.first_quarter,
            sizes=options.circulated,
            progress=partial(self.progress, "evaluation"),
        )
        evaluation.save(beside)
        evaluation = open_evaluation(beside)  # pages are made from what is written
        slices = manifest.slice_digests(evaluation)
        manifest.write_stamp(beside, {"made_from": made_from, "slices": slices})
        return EvaluationCache(beside, evaluation, slices, is_new=True, lists=lists)

    def prepare(self) -> tuple[EvaluationCache, list[PageJob]]:
        """Return the evaluation, in its place, and the jobs, once every check has passed."""
        beside = self.folder / self.options.shard_name(".evaluation")
        shutil.rmtree(beside, ignore_errors=True)
        try:
            cache = self.evaluate(beside)
            jobs = plan.plan_pages(cache.slices, self.options, self.folder)
            return cache.promote(self.folder / EVALUATION, shared=self.options.is_part), jobs
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def make_pages(
        self, cache: EvaluationCache, jobs: list[PageJob], executor: Executor | None
    ) -> tuple[PageResult, ...]:
        """Make the pages and their work lists; pages that are up to date are results as well."""
        collect = self.options.collect
        to_make = [job for job in jobs if job.action != "keep" and not collect]
        if to_make:
            self.progress("branches", 0, len(to_make))
        done = itertools.count(1)
        results = render.run_batch(
            _with_slices(to_make, cache),
            executor=executor,
            workers=self.options.workers,
            progress=lambda page: self._receive("branches", next(done), len(to_make), page),
        )
        results += [PageResult(j.branch_id, 0.0, action="keep") for j in jobs if j.action == "keep"]
        if collect:
            failed = plan.failed_pages(jobs).items()
            return (*results, *(PageResult(branch, 0.0, error=error) for branch, error in failed))
        unwritten = self._write_worklists(cache, jobs)
        return tuple(
            replace(page, error=page.error or unwritten.get(page.branch_id, "")) for page in results
        )

    def _write_worklists(self, cache: EvaluationCache, jobs: list[PageJob]) -> dict[str, str]:
        """Write the work lists that are missing or old, beside the pages that are there.

        Those beside other branches' finished pages as well, unless other shards do. Those of
        branches that have none today are removed. Return the branches whose lists are open
        elsewhere, with the error that says so.
        """
        options, listed = self.options, set(cache.evaluation.worklists.get("branch_id", ()))
        forced = {job.branch_id for job in jobs if options.force}
        if not options.is_part:
            jobs = plan.page_jobs(cache.slices, options.whole_quarter, self.folder)
        old = [j for j in jobs if j.branch_id in forced or not _has_lists(j, cache)]
        finished = plan.finished_pages([job for job in old if job.branch_id in listed])
        to_write = {job.branch_id: job for job in old if job.branch_id in finished}
        for job in old:
            if job.branch_id not in listed:
                with suppress(FileInUseError):  # their stamp says that they are old
                    plan.withdraw_lists(*job.lists)
        if not to_write:
            return {}
        try:
            make_worklists(
                self.bank,
                as_of=Quarter.parse(options.quarter).end,
                policy=load_policy(options.policy),
                out=jobs[0].folder.parent,
                branches=list(to_write),
                language=options.language,
                lists=cache.lists,
                facts={branch: _lists_facts(job, cache) for branch, job in to_write.items()},
            )
        except FileInUseError as error:
            in_use, reason = {Path(str(file)).parent for file in error.files}, words_of(error)
            return {branch: reason for branch, job in to_write.items() if job.folder in in_use}
        return {}

    def finish(
        self, cache: EvaluationCache, jobs: list[PageJob], results: tuple[PageResult, ...]
    ) -> ReportRun:
        """Write headquarters' files, and the manifest of everything that is finished."""
        from stockcust_analysis.report import headquarters

        files.remove_unfinished(self.folder)
        for folder in self.folder.glob(".evaluation*"):
            shutil.rmtree(folder, ignore_errors=True)
        self._withdraw_vanished(cache)
        all_jobs = plan.page_jobs(cache.slices, self.options.whole_quarter, self.folder)
        records, failed = plan.finished_pages(all_jobs), plan.failed_pages(all_jobs)
        for branch in (*records, *failed):  # kept pages as well can be run again in Jupyter
            cache.write_slice(branch)
        unmade = failed | {page.branch_id: page.error for page in results if page.failed}
        unmade = {b: str(errors.in_language(e, self.options.language)) for b, e in unmade.items()}
        wanted = headquarters.editions(self.folder, self.options, records, unmade)
        receive = partial(self._receive, "headquarters")
        editions = headquarters.write_headquarters(cache.evaluation, wanted, receive)
        outputs = [path for edition in editions for path in edition.files]
        for job in all_jobs:
            if job.branch_id in records:
                outputs += [job.folder / name for name in records[job.branch_id].files]
                outputs += [job.lists[0]] if _has_lists(job, cache) else []
        manifest.write_manifest(
            self.folder,
            bank=self.bank,
            evaluation=cache.evaluation,
            options=self.options,
            records=records,
            outputs=outputs,
        )
        missing = tuple(job.branch_id for job in jobs if job.branch_id not in records)
        run = ReportRun(self.folder, results, missing, editions)
        seconds = time.perf_counter() - self.started
        manifest.write_run(run, records, seconds=seconds, by=self.options.by)
        return run

    def _withdraw_vanished(self, cache: EvaluationCache) -> None:
        """Remove drafts of branches that report no longer; what was reviewed or issued by force.

        And the record of a circulated edition that somebody has removed.
        """
        if not self.options.circulated:
            (self.folder / plan.RECORDS / f"~{plan.CIRCULATED}.json").unlink(missing_ok=True)
        whole, known = self.options.whole_quarter, {*cache.slices, "@internal", "@circulated"}
        for record in map(PageRecord.read, (self.folder / plan.RECORDS).glob("*.json")):
            gone = record is not None and record.branch_id not in known
            if record and gone and (whole.force or record.status == plan.STATUSES[0]):
                plan.page_jobs({record.branch_id: ""}, whole, self.folder)[0].withdraw()

    def _receive(self, stage: str, done: int, total: int, page: PageResult | None = None) -> None:
        """Show a step, and write to the log how the page or edition that it ended has ended."""
        if page is not None:
            subject = {"edition": page.edition} if page.edition else {"branch": page.branch_id}
            facts = {"seconds": round(page.seconds, 2), "attempts": page.attempts}
            event = "headquarters" if page.edition else "page"
            manifest.log_event(event, **subject, action=page.action, error=page.error, **facts)
        self.progress(stage, done, total, page)


def _with_slices(jobs: Iterable[PageJob], cache: EvaluationCache) -> Iterator[PageJob]:
    """Yield the jobs, each with the slice its notebook reads written just before."""
    for job in jobs:
        if job.action == "run":
            cache.write_slice(job.branch_id)
        yield job


def _has_lists(job: PageJob, cache: EvaluationCache) -> bool:
    """Return whether a branch has work lists of this evaluation, be they filled in since."""
    known = plan.read_json(job.lists[1]).items()
    return job.lists[0].exists() and known >= _lists_facts(job, cache).items()


def _lists_facts(job: PageJob, cache: EvaluationCache) -> dict[str, str]:
    return {"evaluation": cache.stamp, "page": job.made_from}


def verify_folder(
    folder: Path,
    *,
    data: Path | None = None,
    mapping: Path | None = None,
    layout: str | None = None,
    workers: int | None = None,
) -> list[Words]:
    """Return what differs from the manifest, one sentence each; nothing when all is as it says.

    Parameters
    ----------
    folder
        A quarter's folder, such as `reports/2026Q3`.
    data
        The extracts. With them everything is made again elsewhere and compared byte for byte;
        without them each page is printed again from its executed notebook.
    mapping, layout
        As for `open_bank`.
    workers
        Pages at once; default one for each core.

    Raises
    ------
    UsageError
        The folder has no manifest.
    """
    facts = manifest.read_manifest(folder)
    differences = [say("not_made", facts["missing"])] if "missing" in facts else []
    if not manifest.has_ended(folder / "run.log"):
        differences.append(say("run_not_ended"))
    differences += [*manifest.differences(folder, facts["files"])]
    differences += _unlisted(folder, facts["files"])
    if data is None:
        return differences + _print_again(folder, facts, workers or render.default_workers())
    bank = open_bank(data, mapping=mapping, layout=layout)
    return differences + _make_again(folder, facts, bank, workers)


def _unlisted(folder: Path, known: Collection[str]) -> Iterator[Words]:
    """Yield which files are not in the manifest."""
    for path in sorted(folder.rglob("*")):
        name, top = path.relative_to(folder).as_posix(), path.relative_to(folder).parts[0]
        if path.name.startswith(plan.FILLED):  # the managers' own
            continue
        delivered = top not in _NOT_DELIVERED and not top.startswith(".") and path.is_file()
        if delivered and name not in known and path.suffix not in {".ipynb", ".log"}:
            yield say("file_unlisted", name)


def _print_again(folder: Path, facts: dict[str, Any], workers: int) -> list[Words]:
    """Print every page again from its executed notebook and compare."""
    from stockcust_analysis.report.exporter import export_pdf

    pages = [name for name in facts["outputs"] if name.endswith(".pdf")]
    look = {name: facts["parameters"][name] for name in ("language", "brand")}
    branches = {plan.folder_name(page.branch_id): page for page in _pages_of(facts)}

    def check(name: str) -> Words:
        path = folder / name
        pages = [*branches.values()] if path.stem == plan.REVIEW else [branches[path.parent.name]]
        status = plan.least_status(pages)
        signed = plan.signatures(plan.people_of(pages), look["language"])
        try:
            pdf = export_pdf(path.with_suffix(".ipynb"), status=status, signed=signed, **look)
        except (OSError, StockcustError) as error:
            return say("not_printed_again", name, error)
        same = path.is_file() and pdf == path.read_bytes()
        return NOTHING if same else say("printed_otherwise", name)

    with ThreadPoolExecutor(workers) as threads:
        return list(filter(None, threads.map(check, pages)))


def _pages_of(facts: dict[str, Any]) -> list[PageRecord]:
    """Return what a manifest says of the branches' pages."""
    return [PageRecord(b, files={}, seconds=0, **page) for b, page in facts["branches"].items()]


def _make_again(
    folder: Path, facts: dict[str, Any], bank: Bank, workers: int | None
) -> list[Words]:
    """Make the whole quarter again in a folder of its own and compare the two manifests."""
    from stockcust_analysis.report.headquarters import copy_issues

    options = ReportOptions(**facts["parameters"], workers=workers)
    with files.WorkingFolder(files.SOCKET_PATH) as out, bank:
        # Not resolved: behind a link, the quarters compared with are those beside the link.
        copy_issues(Path(os.path.abspath(folder)), options, options.folder(out))  # noqa: PTH100
        for signed in [*_signings(facts, options)] or [options]:
            run = make_reports(bank, signed, out=out)
        again = manifest.read_manifest(run.folder)
    made_of = ["inputs", "policy", "notebook", "packages", "code", "fonts", "look"]
    differences = [say("made_from_else", name) for name in made_of if again[name] != facts[name]]
    before = facts["files"]
    after = again["files" if "evaluation" in facts else "outputs"]  # which old ones do not know
    other = (name for name in sorted({*before, *after}) if before.get(name) != after.get(name))
    return differences + [say("made_otherwise", name) for name in other]


def _signings(facts: dict[str, Any], options: ReportOptions) -> Iterator[ReportOptions]:
    """Yield the runs that give pages what a manifest says: one status after the other, by whom."""
    pages, whole = _pages_of(facts), "missing" not in facts
    for given in plan.STATUSES:
        reached = [page for page in pages if given in page.people or given == page.status]
        signed = {page.branch_id: page.people.get(given, "") for page in reached}
        for by in sorted({*signed.values()}):
            own = tuple(branch for branch, name in signed.items() if name == by)
            branches = () if whole and len(own) == len(pages) else own
            yield replace(options, status=given, by=by, branches=branches)
