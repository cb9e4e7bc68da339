"""What a run will do: its options, a job for each page, and which pages are there already.

A page's record is written after its files. It is how an interrupted batch, another shard or the
next run knows that the page is there and up to date; it carries times, so no manifest lists it.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version
from itertools import chain, count
from pathlib import Path
from typing import Any, Final, Literal

from stockcust_analysis.core.files import OWNER_ONLY, Access, sha256
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import FileInUseError, NotebookError, UsageError, Words, listed, say
from stockcust_analysis.policy.file import take_one_as_list
from stockcust_analysis.report.typst import brand_files
from stockcust_analysis.show.blocks import FONT_HASHES, Language
from stockcust_analysis.show.pages import unknown_parameters, wrong_type
from stockcust_analysis.show.wording import text

EVALUATION: Final = "evaluation"
RECORDS: Final = ".pages"
CIRCULATED: Final = "circulated"
ISSUED: Final = "issued"
RECEIPTS: Final = "receipts"
REVIEW: Final = "headquarters_review"
WORKLISTS: Final = "worklists.xlsx"
LISTS_STAMP: Final = ".lists.json"
FILLED: Final = "worklists.filled"  # how names of filled-in lists that are kept begin
Action = Literal["run", "print", "keep"]
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")

STATUSES: Final = ("draft", "reviewed", "issued")
_LONGEST_NAME: Final = 40
# Packages whose version can change a number or a page.
_PACKAGES: Final = (
    "stockcust_analysis narwhals duckdb polars numpy pandas matplotlib seaborn papermill nbconvert "
    "typst pypandoc_binary mpl-font XlsxWriter itables"
)
_PACKAGE: Final = Path(__file__).resolve().parent.parent
# In a checkout the notebooks stand beside the package; in an installed wheel, inside it.
_NOTEBOOKS: Final = (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks")
_DECLARATION: Final = re.compile(r"^(?P<name>[^\W\d]\w*) *: *(?P<type>\w+) *=", re.MULTILINE)
_CODE: Final = {".py", ".toml", ".mplstyle", ".j2", ".typ", ".css", ".js"}


@dataclass(frozen=True)
class ReportOptions:
    """What to report, and how."""

    quarter: str
    policy: str = "rural_commercial_bank"
    branches: tuple[str, ...] = ()
    language: Language = "zh"
    workers: int | None = None
    status: str = "draft"
    by: str = ""
    brand: str = ""
    first_quarter: bool = False
    circulated: bool = False
    notebook: str = "branch_report"
    shard: tuple[int, int] = (1, 1)
    collect: bool = False
    force: bool = False
    cell_seconds: float = 300.0
    page_seconds: float = 1200.0
    access: Access = OWNER_ONLY

    def __post_init__(self) -> None:
        """Refuse a look that cannot be printed and impossible shards before anything is done."""
        take_one_as_list(self)
        brand_files(self.brand)
        if not self.by.isprintable() or len(self.by) > _LONGEST_NAME:
            raise UsageError(say("name_too_long", _LONGEST_NAME))
        number, of = self.shard
        if not 1 <= number <= of:
            raise UsageError(say("no_shard", number, of, of, of, of))
        if self.collect and self.is_part:
            raise UsageError(say("shard_or_collect"))

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
        return out.resolve() / str(Quarter.parse(self.quarter))

    def shard_name(self, name: str) -> str:
        """Return a file's name that shards which run at the same time do not share."""
        path, (number, of) = Path(name), self.shard
        return f"{path.stem}-{number}-of-{of}{path.suffix}" if self.is_part else name


@dataclass(frozen=True)
class PageJob:
    """All that one page needs; plain values, so that it can travel to another machine."""

    branch_id: str
    options: ReportOptions
    notebook: Path
    parameters: dict[str, str]
    folder: Path
    failed_folder: Path
    record: Path
    made_from: str = ""
    look: str = ""
    people: dict[str, str] = field(default_factory=dict)  # who gave it each status
    name: str = "report"
    action: Action = "run"
    substitutes: bool = False

    @property
    def files(self) -> tuple[Path, Path]:
        """The page's PDF and its executed notebook."""
        return self.folder / f"{self.name}.pdf", self.folder / f"{self.name}.ipynb"

    @property
    def lists(self) -> tuple[Path, Path]:
        """The branch's work lists, and the file that says what they were made from."""
        return self.folder / WORKLISTS, self.record.with_suffix(LISTS_STAMP)

    def withdraw(self) -> None:
        """Remove page and work lists, which would pass for today's."""
        with suppress(FileInUseError):  # their stamp says what they are made from
            withdraw_lists(*self.lists)
        for path in (self.record, *self.files):
            with suppress(OSError):  # open elsewhere; without its record it passes for no page
                path.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()
        shutil.rmtree(self.failed_folder, ignore_errors=True)


@dataclass(frozen=True)
class PageRecord:
    """One finished page, or why it failed: the `error` in English and in Chinese.

    `files` maps the names of its files to their hashes.
    """

    branch_id: str
    made_from: str
    status: str
    files: dict[str, str]
    seconds: float
    people: dict[str, str] = field(default_factory=dict)
    look: str = ""
    peak_megabytes: float | None = None
    slowest_cells: list[dict[str, Any]] = field(default_factory=list)
    error: Sequence[str] = ()

    def is_complete(self, folder: Path) -> bool:
        """Return whether every file is in the folder and as it was written."""
        return not self.error and all(
            (folder / name).is_file() and sha256(folder / name) == known
            for name, known in self.files.items()
        )

    @classmethod
    def of(cls, job: PageJob) -> PageRecord | None:
        """Return the record of a page that was made from today's facts, be it complete or not."""
        record = cls.read(job.record)
        return record if record and record.made_from == job.made_from else None

    @classmethod
    def read(cls, path: Path) -> PageRecord | None:
        """Read a record; None when there is none, or none that this version understands."""
        try:
            return cls(**read_json(path))
        except TypeError:
            return None


def plan_pages(
    slices: Mapping[str, str], options: ReportOptions, folder: Path, *, only_shown: bool = False
) -> list[PageJob]:
    """Return the jobs of this run, each with what is to be done.

    `slices` are the reporting branches, each with the digest of what its page may read. A plan that
    is `only_shown` may change issued pages: it says which.

    Raises
    ------
    UsageError
        A branch does not report; unless the plan is only shown, an issued page would change, or who
        issues pages prepared them.
    NotebookError
        The notebook does not declare the parameters that a branch report is given.
    """
    jobs = page_jobs(slices, options, folder)
    if jobs:
        check_parameters(jobs[0].notebook, jobs[0].parameters)
    jobs = with_actions(jobs, by=options.by)
    if not options.force and not only_shown and (issued := count_issued(jobs)):
        raise UsageError(say("would_change_issued", issued, folder))
    if not only_shown and (refusal := refuse_own_work(jobs)):
        raise UsageError(refusal)
    return jobs


def page_jobs(slices: Mapping[str, str], options: ReportOptions, folder: Path) -> list[PageJob]:
    """Return one job for each branch that is requested and falls to this shard."""
    number, of = options.shard
    requested = [branch for branch in slices if branch in (options.branches or slices)]
    notebook, look = notebook_path(options.notebook), options.look
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
            options=options,
            notebook=notebook,
            parameters={
                "evaluation": str(slice_folder(folder / EVALUATION, branch_id)),
                "branch_id": branch_id,
                "language": options.language,
            },
            folder=folder / "branches" / folder_name(branch_id),
            failed_folder=folder / "failed" / folder_name(branch_id),
            record=folder / RECORDS / f"{folder_name(branch_id)}.json",
            made_from=digest_of({**common, "slice": slices[branch_id], "branch_id": branch_id}),
            look=look,
        )
        for branch_id in requested[number - 1 :: of]
    ]


def folder_name(branch_id: str) -> str:
    """Return a branch's folder: its number where that is a safe name, otherwise encoded.

    One of more than 100 bytes by its hash: the name of a file has 255 at most.

    >>> folder_name("D01"), folder_name("../x")
    ('D01', '~2e2e2f78')
    """
    given = branch_id.encode()
    name = given.hex() if len(given) <= 100 else hashlib.sha256(given).hexdigest()
    return branch_id if _SAFE_ID.fullmatch(branch_id) else f"~{name}"


def withdraw_lists(lists: Path, stamp: Path) -> None:
    """Remove work lists; those into which somebody has written since are kept beside.

    FileInUseError when they cannot be moved, as those open elsewhere; their stamp stays, too.
    """
    try:
        if sha256(lists) == read_json(stamp).get(WORKLISTS):
            lists.unlink()
        else:
            names = chain([f"{FILLED}.xlsx"], (f"{FILLED}-{number}.xlsx" for number in count(2)))
            lists.replace(next(p for p in map(lists.with_name, names) if not p.exists()))
    except FileNotFoundError:
        pass  # there are none
    except OSError as error:
        raise FileInUseError([lists], error) from error
    stamp.unlink(missing_ok=True)


def slice_folder(evaluation: Path, branch_id: str) -> Path:
    """Return the folder of a branch's slice inside an evaluation's folder."""
    return evaluation / "branches" / folder_name(branch_id)


def with_actions(jobs: Sequence[PageJob], *, by: str | None = None) -> list[PageJob]:
    """Return the jobs with what each page needs: everything, printing again, or nothing.

    `by` gives the status of all; who gave a page an earlier one stays known while its figures do.
    """
    planned = []
    for job in jobs:
        options, record = job.options, None if job.options.force else PageRecord.of(job)
        action: Action = "run"
        if by is not None:
            known = record.people if record else {}
            reached = STATUSES[: STATUSES.index(options.status) + 1]
            people = {status: known[status] for status in reached if status in known}
            job = replace(job, people=people | ({options.status: by} if by else {}))
        if record is not None and record.is_complete(job.folder):
            printed = (record.status, record.people, record.look)
            action = "keep" if printed == (options.status, job.people, job.look) else "print"
        planned.append(replace(job, action=action))
    return planned


def signatures(people: Mapping[str, str], language: Language) -> str:
    """Return in words who gave a page each review status.

    >>> signatures({"draft": "张三", "issued": "李四"}, "zh")
    '编制：张三 · 签发：李四'
    """
    return " · ".join(text(key, language, within="signed") + who for key, who in people.items())


def people_of(pages: Iterable[PageRecord]) -> dict[str, str]:
    """Return who gave the pages each status that all have: several names where pages differ."""
    records, people = list(pages), dict[str, str]()
    for reached in STATUSES[: STATUSES.index(least_status(records)) + 1]:
        names = sorted({page.people[reached] for page in records if reached in page.people})
        people |= {reached: "、".join(names)} if names else {}
    return people


def refuse_own_work(jobs: Sequence[PageJob]) -> Words:
    """Say that pages are issued by who prepared them, or that nobody says who did; else nothing."""
    signed = [job for job in jobs if job.options.status == ISSUED and job.options.by]
    own = sum(job.people.get("draft") == job.options.by for job in signed)
    unknown = sum("draft" not in job.people for job in signed)
    if own:
        return say("issued_by_preparer", signed[0].options.by, own, len(signed))
    return say("no_preparer", unknown, len(signed)) if unknown else Words("")


def finished_pages(jobs: Sequence[PageJob]) -> dict[str, PageRecord]:
    """Return branch → record of the pages that are complete, of today's facts and in this look."""
    return {
        job.branch_id: record
        for job, record in ((job, PageRecord.of(job)) for job in jobs)
        if record and record.look == job.look and record.is_complete(job.folder)
    }


def failed_pages(jobs: Sequence[PageJob]) -> dict[str, Words]:
    """Return branch → why its page failed when it was last made of today's facts, by any run."""
    records = filter(None, map(PageRecord.of, jobs))
    return {record.branch_id: Words(*record.error) for record in records if record.error}


def count_issued(jobs: Sequence[PageJob]) -> int:
    """Return how many pages that were issued would become others."""
    changed = (PageRecord.read(job.record) for job in jobs if job.action != "keep")
    return sum(record is not None and record.status == ISSUED for record in changed)


def count_actions(jobs: Sequence[PageJob]) -> dict[str, int]:
    """Return how many pages are to be run, printed again and kept."""
    actions = Counter(job.action for job in jobs)
    return {action: actions[action] for action in ("run", "print", "keep")}


def least_status(pages: Iterable[PageRecord]) -> str:
    """Return the review status that every page has reached."""
    return min((page.status for page in pages), key=STATUSES.index, default=STATUSES[0])


def read_json(path: Path) -> dict[str, Any]:
    """Return the facts in a JSON file; none where the file is missing or damaged."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def digest_of(facts: Mapping[str, Any]) -> str:
    """Return one hash of plain facts."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def folder_digest(folder: Path, without: str = "") -> str:
    """Return one hash of the names and bytes of a folder's files, but hidden ones and one more."""
    paths = (path for path in folder.glob("[!.]*") if path.name != without)
    return _files_digest(folder, filter(Path.is_file, paths))


@cache
def package_versions() -> dict[str, str]:
    """Return the versions of all packages that can change a number or a page."""
    return {name: version(name) for name in _PACKAGES.split()}


@cache
def package_digest() -> str:
    """Return one hash of this package's files: an edited chart or word makes pages anew."""
    return _files_digest(_PACKAGE, (p for p in _PACKAGE.rglob("*") if p.suffix in _CODE))


def _files_digest(folder: Path, paths: Iterable[Path]) -> str:
    lines = (f"{path.relative_to(folder).as_posix()} {sha256(path)}\n" for path in sorted(paths))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def notebook_path(name: str) -> Path:
    """Return the file of a notebook that ships with the package, such as 'branch_report'."""
    for folder in _NOTEBOOKS:
        if (path := folder / f"{name}.ipynb").exists():
            return path
    available = {path.stem for folder in _NOTEBOOKS for path in folder.glob("*.ipynb")}
    raise UsageError.unknown("notebook", name, available)


def declared_parameters(path: Path) -> dict[str, str]:
    """Return name → type of the parameters that a notebook's `parameters` cell declares."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    if len(tagged) != 1:
        raise NotebookError(say("parameters_cells", path.name, len(tagged)))
    source = "".join(tagged[0]["source"])
    return {match["name"]: match["type"] for match in _DECLARATION.finditer(source)}


def check_parameters(path: Path, parameters: Mapping[str, Any]) -> None:
    """Raise one NotebookError for all unknown, missing and ill-typed parameters."""
    declared = declared_parameters(path)
    problems = unknown_parameters(parameters, declared)
    problems += [say("parameter_missing", name) for name in declared if name not in parameters]
    wrong = (wrong_type(n, declared[n], value) for n, value in parameters.items() if n in declared)
    problems += filter(None, wrong)
    if problems:
        raise NotebookError(listed(say("bad_parameters", path.name), problems))
