"""Headquarters' set of a quarter: the review as PDF, the workbook, the index, the long table.

```
evaluation ── make_review ──> evaluation/headquarters/ ──> measures.csv, headquarters.xlsx,
                                                          index.html, headquarters_review.pdf
```

The internal edition stands in the quarter's folder, the circulated one, where it is wanted, in
`circulated/`; both are made by the same code from their own review. A quarter that is issued leaves
the tables of its editions under `issued/`: later quarters are compared with them, and so is the
quarter itself when it is issued again. What was issued before then stays in `issued/earlier/001`.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from stockcust_analysis.core.files import atomic_write, make_folder, sha256, write_bytes, write_json
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import FileInUseError, PolicyError, ReportError, words_of
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.evaluation.review import Edition, Review, make_review, open_review
from stockcust_analysis.policy import load_policy
from stockcust_analysis.report import plan
from stockcust_analysis.report.index_html import write_index
from stockcust_analysis.report.manifest import STAMP, EvaluationCache, read_stamp, write_stamp
from stockcust_analysis.report.plan import EVALUATION, PageJob, PageRecord, ReportOptions
from stockcust_analysis.report.render import PageResult, render_page
from stockcust_analysis.report.workbook_sheets import write_workbook
from stockcust_analysis.show.headquarters_page import HeadquartersPage, headquarters_page
from stockcust_analysis.show.page_data import mark_withheld, without_unlike_quarters

_WORKBOOK, _INDEX, _MEASURES = "headquarters.xlsx", "index.html", "measures.csv"
_QUARTERS_BACK: Final = 4
_STEPS: Final = 5  # of an edition, for those who watch


@dataclass(frozen=True)
class _Edition:
    """One edition of a quarter: where its files, its tables and what was issued of it stand.

    `records` are the finished pages of branches; `failed` says why others could not be made.
    """

    edition: Edition
    quarter_folder: Path
    options: ReportOptions
    records: Mapping[str, PageRecord]
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What its folders are called."""
        return "headquarters" if self.edition == "internal" else plan.CIRCULATED

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
        return self._within(self.quarter_folder / plan.ISSUED)

    def _within(self, folder: Path) -> Path:
        return folder if self.edition == "internal" else folder / plan.CIRCULATED

    def issues(self) -> list[Path]:
        """Return the folders of all reviews that were issued, the latest first."""
        earlier = self.issued.glob("earlier/*/review.json")
        found = [*sorted(earlier), *self.issued.glob("review.json")]
        # By their bytes: a move that was broken off has left one of them twice.
        return [*{plan.folder_digest(path.parent): path.parent for path in found}.values()][::-1]

    def compared(self) -> list[Path]:
        """Return the issues of this quarter and of the four before, the latest first."""
        out, quarter = self.quarter_folder.parent, Quarter.parse(self.options.quarter)
        earlier = (out / str(quarter.shifted(-back)) for back in range(1, _QUARTERS_BACK + 1))
        quarters = [self, *(replace(self, quarter_folder=folder) for folder in earlier)]
        return [issue for edition in quarters for issue in edition.issues()]

    def made_from(self) -> tuple[dict[str, Any], list[Path]]:
        """Return a digest of all that a review of today depends on, and the issued reviews in it.

        An issue that was made from the same as today's is today's own. The digests of those in it
        stand beside the one of all.
        """
        issued, evaluation = self.compared(), self.quarter_folder / EVALUATION
        sizes = sha256(evaluation / "cells.csv") if self.edition == "circulated" else ""
        today = {
            # What the extracts say, not their bytes: rows of later quarters make no other review.
            "evaluation": [plan.read_json(evaluation / STAMP)["slices"], sizes],
            "packages": plan.package_versions(),
            "code": plan.package_digest(),
            "policy": load_policy(self.options.policy).digest,
        }

        def stamp(issues: list[Path]) -> dict[str, Any]:
            known = list(map(plan.folder_digest, issues))
            return {"made_from": plan.digest_of({**today, "issued": known}), "issued": known}

        before = [issue for issue in issued if issue != self.issued]
        if _stamp(self.issued) == stamp(before)["made_from"]:
            issued = before
        return stamp(issued), issued

    @property
    def status(self) -> str:
        """The review status: the least of the finished pages'."""
        return plan.least_status(self.records.values())

    def state_of(self, branch: str) -> str:
        """Return what became of a branch's page."""
        known = "made" if branch in self.records else "missing"
        return "failed" if branch in self.failed else known

    def page_job(self) -> PageJob:
        """Return the job of the edition's review notebook, with what is to be done."""
        notebook, tables = plan.notebook_path(plan.REVIEW), self.tables
        parameters = {"review": str(tables), "language": self.options.language}
        plan.check_parameters(notebook, parameters)
        made_from = {
            "tables": plan.folder_digest(tables) if tables.is_dir() else "",
            "notebook": sha256(notebook),
            "language": self.options.language,
            "code": plan.package_digest(),
        }
        job = PageJob(
            branch_id=f"@{self.edition}",
            options=replace(self.options, status=self.status, collect=False),
            notebook=notebook,
            parameters=parameters,
            folder=self.files,
            failed_folder=self.quarter_folder / "failed" / self.name,
            record=self.quarter_folder / plan.RECORDS / f"~{self.name}.json",
            made_from=plan.digest_of(made_from),
            look=self.options.look,
            name=plan.REVIEW,
            substitutes=True,  # one branch's name stops no review
            people=plan.people_of(self.records.values()),
        )
        return plan.with_actions([job])[0]

    def write(self, evaluation: Evaluation, step: Callable[[], None]) -> PageResult:
        """Write review, long table, workbook, page and index, with a `step` after each."""
        status, made_from = self.status, self.made_from()
        # What a failing cell says may be a customer's.
        errors = self.failed if self.edition == "internal" else {}
        review = self._review(evaluation, *made_from).with_pages(
            (branch, self.state_of(branch), errors.get(branch, ""))
            for branch in evaluation.branches["branch_id"]
        )
        review.save(self.tables)
        write_stamp(self.tables, made_from[0])
        step()
        page = headquarters_page(review, language=self.options.language)
        write_measures(review, self.files / _MEASURES)
        step()
        job = self.page_job()
        signed = plan.signatures(job.people, self.options.language)
        write_workbook(self.files / _WORKBOOK, page, status=status, signed=signed)
        step()
        kept = PageResult(job.branch_id, 0.0, files=job.files, action="keep")
        result = kept if job.action == "keep" else render_page(job)
        step()
        others = {} if result.failed else {"review_pdf": f"{plan.REVIEW}.pdf"}
        others |= {"workbook": _WORKBOOK, "measures_csv": _MEASURES}
        others = {page.text(key, "index"): file for key, file in others.items()}
        links = self._links(page)
        write_index(
            self.files / _INDEX, page, status=status, signed=signed, links=links, others=others
        )
        step()
        files = [*(self.files / name for name in (_MEASURES, _WORKBOOK, _INDEX)), *result.files]
        if status == plan.ISSUED:
            self._issue(review, *made_from)
            files += [path for issue in self.issues() for path in issue.iterdir() if path.is_file()]
        return replace(result, files=tuple(files))

    def _issue(self, review: Review, stamp: dict[str, Any], compared: list[Path]) -> None:
        """Keep the review as issued; the issue it was compared with stays beside it."""
        if self.issued in compared:
            _move(self.issued, self.issued / "earlier" / f"{len(self.issues()):03}")
        # The stamp first: an issue that was broken off is today's own, not one to compare with.
        write_json(self.issued / STAMP, stamp)
        review.save(self.issued)

    def _review(self, evaluation: Evaluation, stamp: dict[str, Any], issued: list[Path]) -> Review:
        """Return the review: the one in the folder if it is of these facts, else a new one."""
        if _stamp(self.tables) == stamp["made_from"]:
            return open_review(self.tables)
        shutil.rmtree(self.tables, ignore_errors=True)
        policy, before = load_policy(self.options.policy), list(map(open_review, issued))
        return make_review(evaluation, policy=policy, edition=self.edition, issued=before)

    def _links(self, page: HeadquartersPage) -> dict[str, str]:
        """Return branch → what there is of its page; the branches' files are not circulated."""
        links = {}
        for branch in page.names if self.edition == "internal" else ():
            notebook = f"failed/{plan.folder_name(branch)}/report.ipynb"
            if branch in self.records:
                links[branch] = f"branches/{plan.folder_name(branch)}/report.pdf"
            elif branch in self.failed and (self.files / notebook).exists():
                links[branch] = notebook
        return links


def _stamp(folder: Path) -> str:
    """Return the digest written beside tables; empty where there is none, or they were changed."""
    return str(read_stamp(folder).get("made_from", ""))


def editions(folder: Path, options: ReportOptions, *pages: Mapping[str, Any]) -> list[_Edition]:
    """Return the editions of a run: the internal one, and the circulated one if it is wanted.

    `folder` is the quarter's; those of earlier quarters stand beside it. `pages` are the records of
    the finished ones by branch, whose least review status is the set's, and branch → why its page
    could not be made. Those in neither have not been made.
    """
    names: tuple[Edition, ...] = ("internal", "circulated") if options.circulated else ("internal",)
    return [_Edition(name, folder, options, *pages) for name in names]


def copy_issues(folder: Path, options: ReportOptions, copy: Path) -> None:
    """Copy, beside another folder for a quarter, the issues that its reviews were compared with."""
    for edition in editions(folder, options, {}):
        stamp = plan.read_json(edition.tables / STAMP) or plan.read_json(edition.issued / STAMP)
        for issue in edition.compared():
            if plan.folder_digest(issue) in stamp.get("issued", ()):
                _copy(issue, (copy / os.path.relpath(issue, folder)).resolve())


def _copy(issue: Path, place: Path) -> None:
    """Copy an issued review; what makes it one comes last."""
    for path in sorted(issue.glob("*.*"), key=lambda path: path.name == "review.json"):
        write_bytes(place / path.name, path.read_bytes())


def _move(issue: Path, place: Path) -> None:
    """Move an issued review; without its review nothing passes for an issue, so that goes first."""
    _copy(issue, place)
    for path in sorted(issue.glob("*.*"), key=lambda path: path.name != "review.json"):
        path.unlink()


def plan_headquarters(cache: EvaluationCache, wanted: Iterable[_Edition]) -> list[PageJob]:
    """Return one job per edition with what a run will do, after which its pages will be there."""
    planned = []
    for edition in wanted:
        job = edition.page_job()
        known = not cache.is_new and _stamp(edition.tables) == edition.made_from()[0]["made_from"]
        names = ["branch_id", "state"]
        pages = open_review(edition.tables).pages[names].to_numpy() if known else ()
        if not known or any(state != edition.state_of(branch) for branch, state in pages):
            job = replace(job, action="run")
        planned.append(job)
    return planned


def write_headquarters(
    evaluation: Evaluation,
    wanted: Sequence[_Edition],
    progress: Callable[..., None] = lambda done, total, page=None: None,
) -> tuple[PageResult, ...]:
    """Write headquarters' files into the quarter's folder, and return how each edition ended.

    Parameters
    ----------
    evaluation
        The quarter with scorecard, scores and comparison, and its cell facts.
    wanted
        The `editions` to write.
    progress
        Called with the number of steps done and of all, and with each edition when it has ended.

    Returns
    -------
    tuple of PageResult
        The internal edition first. `files` are all that were written. A review notebook that fails
        is a result with an error; workbook, index and long table are there all the same. Of a
        circulated edition in which a figure to withhold could be worked out there are none, neither
        new ones nor those of an earlier run.
    """
    done, total, results = itertools.count(1), _STEPS * len(wanted), []

    def step() -> None:
        progress(next(done), total)

    for number, edition in enumerate(wanted, start=1):
        started = time.perf_counter()
        try:
            result = edition.write(evaluation, step)
        except (ReportError, PolicyError) as error:
            if not isinstance(error, FileInUseError):
                if edition.edition == "internal":
                    raise
                for leftover in (edition.files, edition.tables):  # would pass for what was not made
                    shutil.rmtree(leftover, ignore_errors=True)
                make_folder(edition.files)  # while it stands, later runs try again
            result = PageResult(f"@{edition.edition}", 0.0, error=words_of(error))
        results.append(replace(result, seconds=time.perf_counter() - started))
        progress(_STEPS * number, total, results[-1])
        done = itertools.count(_STEPS * number + 1)  # an edition that failed took fewer steps
    return tuple(results)


def write_measures(review: Review, path: Path) -> None:
    """Write the long table of figures, "*" where withheld; the BOM lets Excel read Chinese.

    What pages do not compare is not in it. A name that Excel would compute as a formula begins with
    an apostrophe.
    """
    evaluation = without_unlike_quarters(review.evaluation)
    names = evaluation.branches[["branch_id", "name"]].rename(columns={"name": "branch_name"})
    table = evaluation.measures.merge(names, how="left", on="branch_id", validate="m:1")
    table.insert(3, "branch_name", table.pop("branch_name").fillna(""))
    computed = table["branch_name"].str.match(r"[=+\-@\t]")
    table.loc[computed, "branch_name"] = "'" + table.loc[computed, "branch_name"]
    table = table.astype({"n": "Int64", "withheld": bool})
    table = mark_withheld(table, True, ["n"])
    table = mark_withheld(table, table.pop("withheld"), ["numerator", "denominator", "value"])
    with atomic_write(path) as beside:
        table.to_csv(beside, index=False, encoding="utf-8-sig", lineterminator="\n")
