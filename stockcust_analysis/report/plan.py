"""What a run will do: which pages to run, which only to print again, which to keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from stockcust_analysis.core.files import OWNER_ONLY, Access, sha256
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import UsageError
from stockcust_analysis.report.brand import brand_files
from stockcust_analysis.report.cache import EVALUATION, EvaluationCache, folder_name, slice_folder
from stockcust_analysis.report.records import (
    PageRecord,
    check_parameters,
    digest_of,
    notebook_path,
    package_digest,
    package_versions,
)
from stockcust_analysis.report.render import CELL_SECONDS, PAGE_SECONDS, PageJob
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.figures import FONT_HASHES

RECORDS: Final = ".pages"
CIRCULATED: Final = "circulated"
ISSUED: Final = "issued"
REVIEW: Final = "headquarters_review"


@dataclass(frozen=True)
class ReportOptions:
    """What to report, and how."""

    quarter: str
    policy: str = "rural_commercial_bank"
    branches: tuple[str, ...] = ()
    language: Language = "zh"
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
        hashes = {str(i): sha256(path) for i, path in enumerate(brand_files(self.brand))}
        return digest_of(hashes) if hashes else ""

    @property
    def is_part(self) -> bool:
        """Whether other runs make the rest of the quarter."""
        return self.shard[1] > 1

    @property
    def whole_quarter(self) -> ReportOptions:
        """The same options for all branches."""
        return replace(self, branches=(), shard=(1, 1))

    def folder(self, out: Path) -> Path:
        """Return the quarter's folder inside the folder for output."""
        return (out / str(Quarter.parse(self.quarter))).resolve()

    def shard_name(self, name: str) -> str:
        """Return a file's name that shards which run at the same time do not share."""
        if not self.is_part:
            return name
        number, of = self.shard
        path = Path(name)
        return f"{path.stem}-{number}-of-{of}{path.suffix}"


def plan_pages(cache: EvaluationCache, options: ReportOptions, folder: Path) -> list[PageJob]:
    """Return the jobs of this run, each with what is to be done.

    Raises
    ------
    UsageError
        A branch does not report, or an issued page would change.
    NotebookError
        The notebook does not declare the parameters that a branch report is given.
    """
    jobs = page_jobs(cache, options, folder)
    if jobs:
        check_parameters(jobs[0].notebook, jobs[0].parameters)
    jobs = with_actions(jobs, force=options.force)
    if not options.force:
        _refuse_to_change_issued(jobs, folder)
    return jobs


def page_jobs(cache: EvaluationCache, options: ReportOptions, folder: Path) -> list[PageJob]:
    """Return one job for each branch that is requested and falls to this shard."""
    available = cache.evaluation.branches["branch_id"].tolist()
    require_branches(options, available)
    number, of = options.shard
    requested = [b for b in available if not options.branches or b in options.branches]
    notebook = notebook_path(options.notebook)
    fields = common_fields(options)
    common = {
        "notebook": sha256(notebook),
        "language": options.language,
        "packages": package_versions(),
        "code": package_digest(),
        "fonts": FONT_HASHES,
    }
    return [
        PageJob(
            branch_id=branch_id,
            notebook=notebook,
            parameters={
                "evaluation": str(slice_folder(folder / EVALUATION, branch_id)),
                "branch_id": branch_id,
                "language": options.language,
            },
            folder=folder / "branches" / folder_name(branch_id),
            failed_folder=folder / "failed" / folder_name(branch_id),
            record=folder / RECORDS / f"{folder_name(branch_id)}.json",
            made_from=digest_of(
                {**common, "slice": cache.slices[branch_id], "branch_id": branch_id}
            ),
            **fields,
        )
        for branch_id in requested[number - 1 :: of]
    ]


def common_fields(options: ReportOptions) -> dict[str, Any]:
    """Return the fields of a job that are the same for all pages of a run."""
    names = ("status", "brand", "look", "cell_seconds", "page_seconds", "access")
    return {name: getattr(options, name) for name in names}


def require_branches(options: ReportOptions, available: Sequence[str]) -> None:
    """Raise UsageError for a requested branch that does not report, with close matches."""
    for branch_id in options.branches:
        if branch_id not in available:
            raise UsageError.unknown(f"branch in {options.quarter}", branch_id, available)


def with_actions(jobs: Sequence[PageJob], *, force: bool) -> list[PageJob]:
    """Return the jobs with what each page needs: everything, printing again, or nothing."""
    records = {} if force else finished_pages(jobs)
    return [_with_action(job, records.get(job.branch_id)) for job in jobs]


def _with_action(job: PageJob, record: PageRecord | None) -> PageJob:
    if record is None:
        return replace(job, action="run")
    unchanged = (record.status, record.look) == (job.status, job.look)
    return replace(job, action="keep" if unchanged else "print")


def finished_pages(jobs: Sequence[PageJob]) -> dict[str, PageRecord]:
    """Return branch → record of the pages that are complete and made from today's facts."""
    records = ((job, PageRecord.read(job.record)) for job in jobs)
    return {
        job.branch_id: record
        for job, record in records
        if record and record.made_from == job.made_from and record.is_complete(job.folder)
    }


def _refuse_to_change_issued(jobs: Sequence[PageJob], folder: Path) -> None:
    """Raise UsageError when a page that was issued would become another."""
    changed = (PageRecord.read(job.record) for job in jobs if job.action != "keep")
    issued = sum(record is not None and record.status == "issued" for record in changed)
    if issued:
        raise UsageError(
            f"{issued} pages in '{folder}' are issued, and this run would change them (other "
            "numbers, rules, notebook, language, packages, status or look, or a file was touched). "
            "Nothing was written. To issue them anew, add --force."
        )


def count_actions(jobs: Sequence[PageJob]) -> dict[str, int]:
    """Return how many pages are to be run, printed again and kept."""
    actions = Counter(job.action for job in jobs)
    return {action: actions[action] for action in ("run", "print", "keep")}
