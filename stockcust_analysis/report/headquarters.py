"""Headquarters' set of a quarter: the review as PDF, the workbook, the index, the long table.

```
evaluation ── make_review ──> evaluation/headquarters/ ──> measures.csv, headquarters.xlsx,
                                                          index.html, headquarters_review.pdf
```

All four are made of the circulated tables, in which what may not be told is already withheld. A
quarter that is issued leaves its tables under `issued/`: later quarters are told against them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pandas as pd

from stockcust_analysis.atomic import sha256, whole, write_json
from stockcust_analysis.errors import ReportError
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.evaluation.review import Review, make_review, open_review
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import load_policy
from stockcust_analysis.report.index_html import write_index
from stockcust_analysis.report.manifest import digest_of, package_digest
from stockcust_analysis.report.notebooks import check_parameters, notebook_path
from stockcust_analysis.report.plan import RECORDS, ReportOptions, action_for, finished
from stockcust_analysis.report.records import PageRecord, least_status
from stockcust_analysis.report.render import PageJob, PageResult, render_page
from stockcust_analysis.report.slices import folder_digest, folder_name
from stockcust_analysis.report.staging import EVALUATION
from stockcust_analysis.report.workbook import write_workbook
from stockcust_analysis.show.headquarters_page import HeadquartersPage, headquarters_page
from stockcust_analysis.show.units import SUPPRESSED

HEADQUARTERS: Final = "@headquarters"
"""Whom headquarters' page belongs to, where a branch's would have the branch."""
TABLES: Final = "headquarters"
ISSUED: Final = "issued"
REVIEW, WORKBOOK, INDEX, MEASURES = (
    "headquarters_review", "headquarters.xlsx", "index.html", "measures.csv",
)  # fmt: skip
_STAMP: Final = "made_from.json"
_QUARTERS_BACK: Final = 4


def write_headquarters(
    evaluation: Evaluation,
    *,
    cells: pd.DataFrame,
    records: Mapping[str, PageRecord],
    failed: Mapping[str, str],
    folder: Path,
    options: ReportOptions,
) -> PageResult:
    """Write headquarters' files into the quarter's folder, and return how that ended.

    Parameters
    ----------
    evaluation, cells
        The quarter with scorecard, scores and comparison, and its cell facts.
    records
        The finished pages by branch: their review status is the set's, the least of them.
    failed
        Branch → why its page could not be made. Those in neither have not been made.
    folder
        The quarter's folder; those of earlier quarters stand beside it.
    options
        Policy, language, time limits.

    Returns
    -------
    PageResult
        `files` are all that were written. A review notebook that fails is a result with an error;
        workbook, index and long table are there all the same. Where a figure to withhold could be
        worked out there are none, neither new ones nor those of an earlier run.
    """
    status = least_status(records.values())
    issued = issued_reviews(folder.parent, Quarter.parse(str(evaluation.quarter)))
    tables = folder / EVALUATION / TABLES
    made_from = _made_from(folder, options, issued)
    try:
        review = _review(evaluation, cells, tables, options, issued, made_from)
    except ReportError as error:
        for name in (MEASURES, WORKBOOK, INDEX, f"{REVIEW}.pdf", f"{REVIEW}.ipynb"):
            (folder / name).unlink(missing_ok=True)
        return PageResult(HEADQUARTERS, 0.0, error=str(error))
    review = review.with_pages(
        _state(branch, records, failed) for branch in evaluation.branches["branch_id"]
    )
    review.save(tables)
    write_json(tables / _STAMP, {"made_from": made_from})
    page = headquarters_page(review, language=options.language)  # type: ignore[arg-type]
    write_measures(review, folder / MEASURES)
    write_workbook(folder / WORKBOOK, page, status=status)
    result = _print_review(tables, folder, options, status)
    files = [folder / name for name in (MEASURES, WORKBOOK, INDEX)]
    _index(page, folder, records, failed, status, with_review=not result.failed)
    if status == ISSUED:
        review.save(folder / ISSUED)
    return replace(result, files=(*files, *result.files))


def issued_reviews(out: Path, quarter: Quarter) -> list[Review]:
    """Return what was issued of this quarter and the four before it, the latest first."""
    places = (out / str(quarter.shifted(-back)) / ISSUED for back in range(_QUARTERS_BACK + 1))
    return [open_review(place) for place in places if (place / "review.json").exists()]


def write_measures(review: Review, path: Path) -> None:
    """Write the long table of figures, "*" where withheld; the BOM lets Excel read Chinese."""
    told = review.circulated
    names = told.branches[["branch_id", "name"]].rename(columns={"name": "branch_name"})
    table = told.measures.merge(names, how="left", on="branch_id", validate="m:1")
    table.insert(3, "branch_name", table.pop("branch_name").fillna(""))
    withheld = table.pop("withheld").astype(bool)
    for name in ("n", "numerator", "denominator", "value"):
        gone = table[name].isna() & (withheld | (name == "n"))
        table[name] = table[name].astype(object).mask(gone, SUPPRESSED)
    with whole(path) as beside:
        table.to_csv(beside, index=False, encoding="utf-8-sig", lineterminator="\n")


def _made_from(folder: Path, options: ReportOptions, issued: Sequence[Review]) -> str:
    """Return a digest of all that a review depends on."""
    places = [folder.parent / str(one.circulated.quarter) / ISSUED for one in issued]
    return digest_of({
        "evaluation": folder_digest(folder / EVALUATION), "code": package_digest(),
        "policy": load_policy(options.policy).digest,
        "issued": [folder_digest(place) for place in places],
    })  # fmt: skip


def _review(
    evaluation: Evaluation, cells: pd.DataFrame, tables: Path, options: ReportOptions,
    issued: Sequence[Review], made_from: str,
) -> Review:  # fmt: skip
    """Return the review: the one in the folder if it is of these tables, else a new one."""
    stamp = tables / _STAMP
    if stamp.exists() and stamp.read_text(encoding="utf-8").find(made_from) >= 0:
        return open_review(tables)
    shutil.rmtree(tables, ignore_errors=True)
    policy = load_policy(options.policy)
    return make_review(evaluation, cells=cells, policy=policy, issued=issued)


def _state(
    branch: str, records: Mapping[str, PageRecord], failed: Mapping[str, str]
) -> tuple[str, str, str]:
    state = "failed" if branch in failed else "made" if branch in records else "missing"
    return branch, state, failed.get(branch, "")


def _print_review(tables: Path, folder: Path, options: ReportOptions, status: str) -> PageResult:
    """Run the review's notebook if it is not of these tables, and print it with the status."""
    notebook = notebook_path(REVIEW)
    parameters: dict[str, Any] = {"review": str(tables), "language": options.language}
    check_parameters(notebook, parameters)
    job = PageJob(
        branch_id=HEADQUARTERS, notebook=notebook, parameters=parameters, folder=folder,
        failed_folder=folder / "failed" / TABLES, record=folder / RECORDS / f"~{TABLES}.json",
        made_from=digest_of({"tables": folder_digest(tables), "notebook": sha256(notebook),
                             "language": options.language, "code": package_digest()}),
        status=status, brand=options.brand, look=options.look, name=REVIEW,
        cell_seconds=options.cell_seconds, page_seconds=options.page_seconds,
        substitutes=True,  # one branch's name stops no review
    )  # fmt: skip
    done = {} if options.force else finished([job])
    job = replace(job, action=action_for(job, done.get(HEADQUARTERS)))
    made = (folder / f"{REVIEW}.pdf", folder / f"{REVIEW}.ipynb")
    if job.action == "keep":
        return PageResult(HEADQUARTERS, 0.0, files=made, action="keep")
    return render_page(job)


def _index(
    page: HeadquartersPage, folder: Path, records: Mapping[str, PageRecord],
    failed: Mapping[str, str], status: str, *, with_review: bool,
) -> None:  # fmt: skip
    """Write the index with links to what there is."""
    links = {}
    for branch in page.names:
        place = folder_name(branch)
        if branch in records:
            links[branch] = f"branches/{place}/report.pdf"
        elif branch in failed and (folder / "failed" / place / "report.ipynb").exists():
            links[branch] = f"failed/{place}/report.ipynb"
    others = {"review_pdf": f"{REVIEW}.pdf"} if with_review else {}
    others |= {"workbook": WORKBOOK, "measures_csv": MEASURES}
    write_index(
        folder / INDEX, page, status=status, links=links,
        others={page.word(key, "index"): path for key, path in others.items()},
    )  # fmt: skip
