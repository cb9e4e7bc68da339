"""Headquarters' set of a quarter: the review as PDF, the workbook, the index, the long table.

```
evaluation ── make_review ──> evaluation/headquarters/ ──> measures.csv, headquarters.xlsx,
                                                          index.html, headquarters_review.pdf
```

The internal edition stands in the quarter's folder, the circulated one, where it is wanted, in
`circulated/`; both are made by the same code from their own review. A quarter that is issued leaves
the tables of its editions under `issued/`: later quarters are compared with them.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from stockcust_analysis.atomic import atomic_write, sha256, write_json
from stockcust_analysis.errors import FileInUseError, PolicyError, ReportError
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.evaluation.review import Edition, Review, make_review, open_review
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import load_policy
from stockcust_analysis.report.cache import EVALUATION, STAMP, EvaluationCache, folder_name
from stockcust_analysis.report.index_html import write_index
from stockcust_analysis.report.manifest import status_of
from stockcust_analysis.report.plan import RECORDS, ReportOptions, common_fields, with_actions
from stockcust_analysis.report.records import (
    PageRecord,
    check_parameters,
    digest_of,
    folder_digest,
    least_status,
    notebook_path,
    package_digest,
    read_json,
)
from stockcust_analysis.report.render import PageJob, PageResult, render_page
from stockcust_analysis.report.workbook_sheets import write_workbook
from stockcust_analysis.show.headquarters_page import HeadquartersPage, headquarters_page
from stockcust_analysis.show.wording import SUPPRESSED

CIRCULATED: Final = "circulated"
ISSUED: Final = "issued"
REVIEW: Final = "headquarters_review"
_WORKBOOK, _INDEX, _MEASURES = "headquarters.xlsx", "index.html", "measures.csv"
_QUARTERS_BACK: Final = 4
_STEPS: Final = 5  # of an edition, for those who watch


@dataclass(frozen=True)
class EditionFolders:
    """Where one edition of a quarter stands: its files, its tables, what was issued of it."""

    edition: Edition
    quarter_folder: Path

    @property
    def name(self) -> str:
        """What its folders are called."""
        return "headquarters" if self.edition == "internal" else CIRCULATED

    @property
    def files(self) -> Path:
        """The folder of its four files."""
        return self._within(self.quarter_folder)

    @property
    def tables(self) -> Path:
        """The folder of the review they are made from."""
        return self.quarter_folder / EVALUATION / self.name

    @property
    def issued(self) -> Path:
        """The folder of the review that was issued."""
        return self._within(self.quarter_folder / ISSUED)

    def _within(self, folder: Path) -> Path:
        return folder if self.edition == "internal" else folder / CIRCULATED

    def made_from(self, options: ReportOptions) -> tuple[str, list[Path]]:
        """Return a digest of all that a review of today depends on, and the issued reviews in it.

        Those are of the four quarters before, the latest first, and of this quarter itself where
        it was issued from something else than today's facts.
        """
        out, quarter = self.quarter_folder.parent, Quarter.parse(self.quarter_folder.name)
        earlier = (out / str(quarter.shifted(-back)) for back in range(1, _QUARTERS_BACK + 1))
        folders = (replace(self, quarter_folder=folder).issued for folder in earlier)
        issued = [folder for folder in folders if (folder / "review.json").exists()]
        facts = {
            "evaluation": folder_digest(self.quarter_folder / EVALUATION),
            "code": package_digest(),
            "policy": load_policy(options.policy).digest,
        }
        digest = digest_of({**facts, "issued": [folder_digest(folder) for folder in issued]})
        if (self.issued / "review.json").exists() and _stamp(self.issued) != digest:
            issued = [self.issued, *issued]
            digest = digest_of({**facts, "issued": [folder_digest(folder) for folder in issued]})
        return digest, issued

    def page_job(self, options: ReportOptions, status: str) -> PageJob:
        """Return the job of the edition's review notebook, with what is to be done."""
        notebook, tables = notebook_path(REVIEW), self.tables
        parameters = {"review": str(tables), "language": options.language}
        check_parameters(notebook, parameters)
        facts = {
            "tables": folder_digest(tables) if tables.is_dir() else "",
            "notebook": sha256(notebook),
            "language": options.language,
            "code": package_digest(),
        }
        job = PageJob(
            branch_id=f"@{self.edition}",
            notebook=notebook,
            parameters=parameters,
            folder=self.files,
            failed_folder=self.quarter_folder / "failed" / self.name,
            record=self.quarter_folder / RECORDS / f"~{self.name}.json",
            made_from=digest_of(facts),
            name=REVIEW,
            substitutes=True,  # one branch's name stops no review
            **{**common_fields(options), "status": status},
        )
        return with_actions([job], force=options.force)[0]


def _stamp(folder: Path) -> str:
    """Return the digest written beside tables; empty where there is none."""
    return str(read_json(folder / STAMP).get("made_from", ""))


def _editions(folder: Path, options: ReportOptions) -> list[EditionFolders]:
    """Return the editions of a run: the internal one, and the circulated one if it is wanted."""
    names: tuple[Edition, ...] = ("internal", "circulated") if options.circulated else ("internal",)
    return [EditionFolders(name, folder) for name in names]


def plan_headquarters(
    cache: EvaluationCache, statuses: Mapping[str, str], options: ReportOptions, folder: Path
) -> list[PageJob]:
    """Return one job per edition with what a run will do; `statuses` are the pages' after it."""
    planned = []
    for edition in _editions(folder, options):
        job = edition.page_job(options, least_status(statuses.values()))
        known = not cache.is_new and _stamp(edition.tables) == edition.made_from(options)[0]
        if not known or not _same_pages(open_review(edition.tables), statuses):
            job = replace(job, action="run")
        planned.append(job)
    return planned


def _same_pages(review: Review, statuses: Mapping[str, str]) -> bool:
    """Return whether a review says of every branch's page what will be the case."""
    states = review.pages[["branch_id", "state"]].to_numpy()
    return all(state == ("made" if b in statuses else "missing") for b, state in states)


def write_headquarters(
    evaluation: Evaluation,
    *,
    records: Mapping[str, PageRecord],
    failed: Mapping[str, str],
    folder: Path,
    options: ReportOptions,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[PageResult, ...]:
    """Write headquarters' files into the quarter's folder, and return how each edition ended.

    Parameters
    ----------
    evaluation
        The quarter with scorecard, scores and comparison, and its cell facts.
    records
        The finished pages by branch: their review status is the set's, the least of them.
    failed
        Branch → why its page could not be made. Those in neither have not been made.
    folder
        The quarter's folder; those of earlier quarters stand beside it.
    options
        Policy, language, time limits, whether the circulated edition is wanted.
    progress
        Called with the number of steps done and of all.

    Returns
    -------
    tuple of PageResult
        The internal edition first. `files` are all that were written. A review notebook that fails
        is a result with an error; workbook, index and long table are there all the same. Of a
        circulated edition in which a figure to withhold could be worked out there are none, neither
        new ones nor those of an earlier run.
    """
    editions = _editions(folder, options)
    steps = _count_steps(progress, _STEPS * len(editions))
    results = []
    for edition in editions:
        started = time.perf_counter()
        try:
            result = _write_edition(edition, evaluation, records, failed, options, steps)
        except FileInUseError as error:
            result = PageResult(f"@{edition.edition}", 0.0, error=str(error))
        except (ReportError, PolicyError) as error:
            if edition.edition == "internal":
                raise
            for left in (edition.files, edition.tables):  # would pass for what was not made
                shutil.rmtree(left, ignore_errors=True)
            result = PageResult(f"@{edition.edition}", 0.0, error=str(error))
        results.append(replace(result, seconds=time.perf_counter() - started))
    return tuple(results)


def _count_steps(progress: Callable[[int, int], None], total: int) -> Iterator[None]:
    """Report one more step as done at each `next`."""
    for done in range(1, total + 1):
        progress(done, total)
        yield


def _write_edition(
    edition: EditionFolders,
    evaluation: Evaluation,
    records: Mapping[str, PageRecord],
    failed: Mapping[str, str],
    options: ReportOptions,
    steps: Iterator[None],
) -> PageResult:
    status, folder = status_of(records), edition.files
    made_from, issued = edition.made_from(options)
    review = _open_or_make_review(edition, evaluation, options, made_from, issued).with_pages(
        (branch, _state(branch, records, failed), failed.get(branch, ""))
        for branch in evaluation.branches["branch_id"]
    )
    review.save(edition.tables)
    write_json(edition.tables / STAMP, {"made_from": made_from})
    next(steps)
    page = headquarters_page(review, language=options.language)  # type: ignore[arg-type]
    write_measures(review, folder / _MEASURES)
    next(steps)
    write_workbook(folder / _WORKBOOK, page, status=status)
    next(steps)
    job = edition.page_job(options, status)
    result = PageResult(job.branch_id, 0.0, files=job.files, action="keep")
    if job.action != "keep":
        result = render_page(job)
    next(steps)
    _write_index(page, edition, records, failed, with_review=not result.failed)
    next(steps)
    files = (*(folder / name for name in (_MEASURES, _WORKBOOK, _INDEX)), *result.files)
    if status == ISSUED:
        review.save(edition.issued)
        write_json(edition.issued / STAMP, {"made_from": made_from})
        files += tuple(sorted(path for path in edition.issued.iterdir() if path.is_file()))
    return replace(result, files=files)


def _open_or_make_review(
    edition: EditionFolders,
    evaluation: Evaluation,
    options: ReportOptions,
    made_from: str,
    issued: Sequence[Path],
) -> Review:
    """Return the review: the one in the folder if it is of these facts, else a new one."""
    if _stamp(edition.tables) == made_from:
        return open_review(edition.tables)
    shutil.rmtree(edition.tables, ignore_errors=True)
    return make_review(
        evaluation,
        policy=load_policy(options.policy),
        edition=edition.edition,
        issued=[open_review(folder) for folder in issued],
    )


def _state(branch: str, records: Mapping[str, PageRecord], failed: Mapping[str, str]) -> str:
    return "failed" if branch in failed else "made" if branch in records else "missing"


def write_measures(review: Review, path: Path) -> None:
    """Write the long table of figures, "*" where withheld; the BOM lets Excel read Chinese.

    A name that Excel would compute as a formula begins with an apostrophe.
    """
    evaluation = review.evaluation
    names = evaluation.branches[["branch_id", "name"]].rename(columns={"name": "branch_name"})
    table = evaluation.measures.merge(names, how="left", on="branch_id", validate="m:1")
    table.insert(3, "branch_name", table.pop("branch_name").fillna(""))
    computed = table["branch_name"].str.match(r"[=+\-@\t]")
    table.loc[computed, "branch_name"] = "'" + table.loc[computed, "branch_name"]
    withheld = table.pop("withheld").astype(bool)
    for name in ("n", "numerator", "denominator", "value"):
        gone = table[name].isna() & (withheld | (name == "n"))
        table[name] = table[name].astype(object).mask(gone, SUPPRESSED)
    with atomic_write(path) as beside:
        table.to_csv(beside, index=False, encoding="utf-8-sig", lineterminator="\n")


def _write_index(
    page: HeadquartersPage,
    edition: EditionFolders,
    records: Mapping[str, PageRecord],
    failed: Mapping[str, str],
    *,
    with_review: bool,
) -> None:
    """Write the index with links to what there is; the branches' files are not circulated."""
    links = {}
    for branch in page.names if edition.edition == "internal" else ():
        notebook = f"failed/{folder_name(branch)}/report.ipynb"
        if branch in records:
            links[branch] = f"branches/{folder_name(branch)}/report.pdf"
        elif branch in failed and (edition.files / notebook).exists():
            links[branch] = notebook
    others = {"review_pdf": f"{REVIEW}.pdf"} if with_review else {}
    others |= {"workbook": _WORKBOOK, "measures_csv": _MEASURES}
    write_index(
        edition.files / _INDEX,
        page,
        status=status_of(records),
        links=links,
        others={page.text(key, "index"): path for key, path in others.items()},
    )
