"""What a run will do: which pages to run, which only to print again, which to keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from stockcust_analysis.atomic import OWNER_ONLY, Access, sha256
from stockcust_analysis.errors import UsageError
from stockcust_analysis.report import fonts
from stockcust_analysis.report.brand import brand_files
from stockcust_analysis.report.manifest import digest_of, package_digest, package_versions
from stockcust_analysis.report.notebooks import check_parameters, notebook_path
from stockcust_analysis.report.records import PageRecord, read_record
from stockcust_analysis.report.render import CELL_SECONDS, PAGE_SECONDS, Action, PageJob
from stockcust_analysis.report.slices import SLICES, folder_name
from stockcust_analysis.report.staging import EVALUATION, Staged

RECORDS: Final = ".pages"


@dataclass(frozen=True)
class ReportOptions:
    """What to report, and how."""

    quarter: str
    policy: str = "rural_commercial_bank"
    branches: tuple[str, ...] = ()
    language: str = "zh"
    workers: int | None = None
    status: str = "draft"
    brand: str = ""
    first_quarter: bool = False
    circulated: bool = False
    notebook: str = "branch_report"
    shard: tuple[int, int] = (1, 1)
    collect: bool = False
    force: bool = False
    cell_seconds: float = CELL_SECONDS
    page_seconds: float = PAGE_SECONDS
    access: Access = OWNER_ONLY

    def __post_init__(self) -> None:
        """Refuse a look that cannot be printed, or no such shard, before anything else is done."""
        brand_files(self.brand)
        number, of = self.shard
        if not 1 <= number <= of:
            raise UsageError(f"there is no shard {number}/{of}: write 1/{of} to {of}/{of}.")

    @property
    def look(self) -> str:
        """One hash of the bank's look with its logo and fonts; "" for the shipped one."""
        files = brand_files(self.brand)
        return digest_of({str(at): sha256(path) for at, path in enumerate(files)}) if files else ""

    @property
    def is_part(self) -> bool:
        """Whether other runs make the rest of the quarter."""
        return self.shard[1] > 1


def plan_pages(staged: Staged, options: ReportOptions, folder: Path) -> list[PageJob]:
    """Return the jobs of this run, each with what is to be done.

    Raises
    ------
    UsageError
        A branch does not report, or an issued page would change.
    NotebookError
        The notebook does not declare the parameters that a branch report is given.
    """
    jobs = page_jobs(staged, options, folder)
    if jobs:
        check_parameters(jobs[0].notebook, jobs[0].parameters)
    done = {} if options.force else finished(jobs)
    jobs = [replace(job, action=action_for(job, done.get(job.branch_id))) for job in jobs]
    if not options.force:
        refuse_to_change_issued(jobs, folder)
    return jobs


def page_jobs(staged: Staged, options: ReportOptions, folder: Path) -> list[PageJob]:
    """Return one job for each branch that is asked for and falls to this shard."""
    available = staged.evaluation.branches["branch_id"].tolist()
    require_branches(options, available)
    number, of = options.shard
    chosen = [b for b in available if not options.branches or b in options.branches]
    notebook, common = notebook_path(options.notebook), _common(options)
    return [
        _job(branch_id, staged.slices[branch_id], options, folder, notebook, common)
        for branch_id in chosen[number - 1 :: of]
    ]


def require_branches(options: ReportOptions, available: Sequence[str]) -> None:
    """Raise UsageError for a branch that is asked for and does not report, with close matches."""
    for branch_id in options.branches:
        if branch_id not in available:
            raise UsageError.unknown(f"branch in {options.quarter}", branch_id, available)


def refuse_to_change_issued(jobs: Sequence[PageJob], folder: Path) -> None:
    """Raise UsageError when a page that was issued would become another."""
    issued = [
        job.branch_id
        for job in jobs
        if job.action != "keep"
        and (record := read_record(job.record))
        and record.status == "issued"
    ]
    if issued:
        raise UsageError(
            f"{len(issued)} pages in '{folder}' are issued, and this run would change them (other "
            "numbers, rules, notebook, language, packages, status or look, or a file was touched). "
            "Nothing was written. To issue them anew, add --force."
        )


def finished(jobs: Sequence[PageJob]) -> dict[str, PageRecord]:
    """Return branch → record of the pages that are whole and made from today's facts."""
    records = ((job, read_record(job.record)) for job in jobs)
    return {
        job.branch_id: record
        for job, record in records
        if record and record.made_from == job.made_from and record.is_whole(job.folder)
    }


def counts(jobs: Sequence[PageJob]) -> dict[str, int]:
    """Return how many pages are to be run, printed again and kept."""
    found = Counter(job.action for job in jobs)
    return {action: found[action] for action in ("run", "print", "keep")}


def _job(
    branch_id: str,
    slice_digest: str,
    options: ReportOptions,
    folder: Path,
    notebook: Path,
    common: dict[str, Any],
) -> PageJob:
    name = folder_name(branch_id)
    return PageJob(
        branch_id=branch_id,
        notebook=notebook,
        parameters={
            "evaluation": str(folder / EVALUATION / SLICES / name),
            "branch_id": branch_id,
            "language": options.language,
        },
        folder=folder / "branches" / name,
        failed_folder=folder / "failed" / name,
        record=folder / RECORDS / f"{name}.json",
        made_from=digest_of({**common, "slice": slice_digest, "branch_id": branch_id}),
        status=options.status,
        brand=options.brand,
        look=options.look,
        cell_seconds=options.cell_seconds,
        page_seconds=options.page_seconds,
        access=options.access,
    )


def _common(options: ReportOptions) -> dict[str, Any]:
    """Return all that every page depends on, besides its slice and its review status."""
    return {
        "notebook": sha256(notebook_path(options.notebook)),
        "language": options.language,
        "packages": package_versions(),
        "code": package_digest(),
        "fonts": fonts.FONT_HASHES,
    }


def action_for(job: PageJob, record: PageRecord | None) -> Action:
    """Say what a page needs: everything, printing with another status or look, or nothing."""
    if record is None:
        return "run"
    return "keep" if (record.status, record.look) == (job.status, job.look) else "print"
