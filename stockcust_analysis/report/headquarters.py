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
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stockcust_analysis.atomic import sha256, whole, write_json
from stockcust_analysis.errors import FileInUseError, PolicyError, ReportError
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.evaluation.review import Review, make_review, open_review
from stockcust_analysis.policy import load_policy
from stockcust_analysis.report.editions import (
    INDEX,
    ISSUED,
    MEASURES,
    REVIEW,
    STAMP,
    WORKBOOK,
    EditionFolders,
    editions_of,
    stamp_of,
)
from stockcust_analysis.report.index_html import write_index
from stockcust_analysis.report.manifest import digest_of, package_digest
from stockcust_analysis.report.notebooks import check_parameters, notebook_path
from stockcust_analysis.report.plan import RECORDS, ReportOptions, action_for, finished
from stockcust_analysis.report.records import PageRecord, least_status, status_of
from stockcust_analysis.report.render import PageJob, PageResult, render_page
from stockcust_analysis.report.slices import folder_digest, folder_name
from stockcust_analysis.report.staging import Staged
from stockcust_analysis.report.workbook import write_workbook
from stockcust_analysis.show.headquarters_page import HeadquartersPage, headquarters_page
from stockcust_analysis.show.wording import SUPPRESSED


def plan_headquarters(
    staged: Staged, statuses: Mapping[str, str], options: ReportOptions, folder: Path
) -> list[PageJob]:
    """Return one job per edition with what a run will do; `statuses` are the pages' after it."""
    planned = []
    for edition in editions_of(folder, options):
        job = _page_job(edition, options, least_status(statuses.values()))
        if not staged.is_new and stamp_of(edition.tables) == edition.made_from(options)[0]:
            states = open_review(edition.tables).pages[["branch_id", "state"]].to_numpy()
            if all(state == ("made" if b in statuses else "missing") for b, state in states):
                job = _with_action(job, options)
        planned.append(job)
    return planned


def write_headquarters(
    evaluation: Evaluation,
    *,
    records: Mapping[str, PageRecord],
    failed: Mapping[str, str],
    folder: Path,
    options: ReportOptions,
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

    Returns
    -------
    tuple of PageResult
        The internal edition first. `files` are all that were written. A review notebook that fails
        is a result with an error; workbook, index and long table are there all the same. Of a
        circulated edition in which a figure to withhold could be worked out there are none, neither
        new ones nor those of an earlier run.
    """
    results = []
    for edition in editions_of(folder, options):
        started = time.perf_counter()
        try:
            result = _write_edition(edition, evaluation, records, failed, options)
        except (ReportError, PolicyError) as error:
            if edition.edition == "internal":
                raise
            for left in (edition.files, edition.tables):  # would pass for what was not made
                shutil.rmtree(left, ignore_errors=True)
            result = PageResult(f"@{edition.edition}", 0.0, error=str(error))
        except FileInUseError as error:
            result = PageResult(f"@{edition.edition}", 0.0, error=str(error))
        results.append(replace(result, seconds=time.perf_counter() - started))
    return tuple(results)


def _write_edition(
    edition: EditionFolders, evaluation: Evaluation, records: Mapping[str, PageRecord],
    failed: Mapping[str, str], options: ReportOptions,
) -> PageResult:  # fmt: skip
    status, folder = status_of(records), edition.files
    made_from, issued = edition.made_from(options)
    review = _review(edition, evaluation, options, made_from, issued).with_pages(
        _state(branch, records, failed) for branch in evaluation.branches["branch_id"]
    )
    review.save(edition.tables)
    write_json(edition.tables / STAMP, {"made_from": made_from})
    page = headquarters_page(review, language=options.language)  # type: ignore[arg-type]
    write_measures(review, folder / MEASURES)
    write_workbook(folder / WORKBOOK, page, status=status)
    job = _with_action(_page_job(edition, options, status), options)
    made = tuple(folder / f"{REVIEW}{ending}" for ending in (".pdf", ".ipynb"))
    result = PageResult(job.branch_id, 0.0, files=made, action="keep")
    if job.action != "keep":
        result = render_page(job)
    links = _links(page, records, failed, edition)
    _write_index(page, folder, links, status, with_review=not result.failed)
    files = (*(folder / name for name in (MEASURES, WORKBOOK, INDEX)), *result.files)
    if status == ISSUED:
        review.save(edition.issued)
        write_json(edition.issued / STAMP, {"made_from": made_from})
        files += tuple(sorted(path for path in edition.issued.iterdir() if path.is_file()))
    return replace(result, files=files)


def write_measures(review: Review, path: Path) -> None:
    """Write the long table of figures, "*" where withheld; the BOM lets Excel read Chinese."""
    evaluation = review.evaluation
    names = evaluation.branches[["branch_id", "name"]].rename(columns={"name": "branch_name"})
    table = evaluation.measures.merge(names, how="left", on="branch_id", validate="m:1")
    table.insert(3, "branch_name", table.pop("branch_name").fillna(""))
    withheld = table.pop("withheld").astype(bool)
    for name in ("n", "numerator", "denominator", "value"):
        gone = table[name].isna() & (withheld | (name == "n"))
        table[name] = table[name].astype(object).mask(gone, SUPPRESSED)
    with whole(path) as beside:
        table.to_csv(beside, index=False, encoding="utf-8-sig", lineterminator="\n")


def _review(
    edition: EditionFolders, evaluation: Evaluation, options: ReportOptions, made_from: str,
    issued: Sequence[Path],
) -> Review:  # fmt: skip
    """Return the review: the one in the folder if it is of these facts, else a new one."""
    if stamp_of(edition.tables) == made_from:
        return open_review(edition.tables)
    shutil.rmtree(edition.tables, ignore_errors=True)
    return make_review(
        evaluation, policy=load_policy(options.policy), edition=edition.edition,
        issued=[open_review(folder) for folder in issued],
    )  # fmt: skip


def _state(
    branch: str, records: Mapping[str, PageRecord], failed: Mapping[str, str]
) -> tuple[str, str, str]:
    state = "failed" if branch in failed else "made" if branch in records else "missing"
    return branch, state, failed.get(branch, "")


def _page_job(edition: EditionFolders, options: ReportOptions, status: str) -> PageJob:
    """Return the job of an edition's review notebook."""
    notebook, tables, folder = notebook_path(REVIEW), edition.tables, edition.quarter_folder
    parameters: dict[str, Any] = {"review": str(tables), "language": options.language}
    check_parameters(notebook, parameters)
    return PageJob(
        branch_id=f"@{edition.edition}", notebook=notebook, parameters=parameters,
        folder=edition.files, failed_folder=folder / "failed" / edition.name,
        record=folder / RECORDS / f"~{edition.name}.json",
        made_from=digest_of({"tables": folder_digest(tables) if tables.is_dir() else "",
                             "notebook": sha256(notebook), "language": options.language,
                             "code": package_digest()}),
        status=status, brand=options.brand, look=options.look, name=REVIEW,
        cell_seconds=options.cell_seconds, page_seconds=options.page_seconds,
        substitutes=True,  # one branch's name stops no review
    )  # fmt: skip


def _with_action(job: PageJob, options: ReportOptions) -> PageJob:
    """Return the job with what is to be done: everything, printing with a status, or nothing."""
    done = {} if options.force else finished([job])
    return replace(job, action=action_for(job, done.get(job.branch_id)))


def _links(
    page: HeadquartersPage, records: Mapping[str, PageRecord], failed: Mapping[str, str],
    edition: EditionFolders,
) -> dict[str, str]:  # fmt: skip
    """Return branch → its report or what is left of it; the branches' files are not circulated."""
    links = {}
    for branch in page.names if edition.edition == "internal" else ():
        place = folder_name(branch)
        if branch in records:
            links[branch] = f"branches/{place}/report.pdf"
        elif branch in failed and (edition.files / "failed" / place / "report.ipynb").exists():
            links[branch] = f"failed/{place}/report.ipynb"
    return links


def _write_index(
    page: HeadquartersPage, folder: Path, links: Mapping[str, str], status: str, *,
    with_review: bool,
) -> None:  # fmt: skip
    """Write the index with links to what there is."""
    others = {"review_pdf": f"{REVIEW}.pdf"} if with_review else {}
    others |= {"workbook": WORKBOOK, "measures_csv": MEASURES}
    write_index(
        folder / INDEX, page, status=status, links=links,
        others={page.text(key, "index"): path for key, path in others.items()},
    )  # fmt: skip
