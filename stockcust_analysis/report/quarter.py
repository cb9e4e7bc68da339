"""The main job: evaluate the quarter, make every branch's page, write headquarters' tables."""

from __future__ import annotations

import getpass
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from stockcust_analysis.atomic import sha256, whole
from stockcust_analysis.bank.source import Bank
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.evaluate import evaluate
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.evaluation.worklists import with_worklists
from stockcust_analysis.policy import load_policy
from stockcust_analysis.report import fonts
from stockcust_analysis.report.batch import run_batch
from stockcust_analysis.report.manifest import output_hashes, package_versions, write_json
from stockcust_analysis.report.notebooks import check_parameters, notebook_path
from stockcust_analysis.report.render import PageJob, PageResult

_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True)
class ReportOptions:
    """What to report, and how."""

    quarter: str
    policy: str = "rural_commercial_bank"
    branches: tuple[str, ...] = ()
    language: str = "zh"
    workers: int | None = None
    status: str = "draft"
    first_quarter: bool = False
    notebook: str = "branch_report"


@dataclass(frozen=True)
class ReportRun:
    """Where the output stands and how each page ended."""

    folder: Path
    results: tuple[PageResult, ...]


class Progress(Protocol):
    """Somebody who wants to know how far the batch is."""

    def start(self, total: int) -> None:
        """Take note of the number of pages."""

    def __call__(self, result: PageResult) -> None:
        """Take note of a finished page."""

    def finish(self) -> None:
        """Take note of the end."""


class Silent:
    """Nobody watches."""

    def start(self, total: int) -> None:
        """Ignore the number of pages."""

    def __call__(self, result: PageResult) -> None:
        """Ignore a finished page."""

    def finish(self) -> None:
        """Ignore the end."""


def make_reports(
    bank: Bank, options: ReportOptions, *, out: Path, progress: Progress | None = None
) -> ReportRun:
    """Evaluate a quarter and make one PDF per branch, with headquarters' tables beside them.

    Nothing is written before the bank, the quarter, the branches and the notebook's parameters
    have been found good. A branch that fails leaves its notebook under `failed/`; the others go
    on.

    Parameters
    ----------
    bank
        Tables of the bank, as opened by `open_bank`.
    options
        Quarter, policy, branches, language, review status.
    out
        Folder in which the quarter's folder is made.
    progress
        Told of each finished page.

    Raises
    ------
    UsageError
        No such quarter or branch.
    NotebookError
        The notebook does not declare the parameters that a branch report is given.
    """
    started = time.perf_counter()
    progress = progress or Silent()
    evaluation = evaluate(
        bank,
        quarter=options.quarter,
        policy=options.policy,
        first_quarter=options.first_quarter,
    )
    evaluation = with_worklists(evaluation, bank, policy=load_policy(options.policy))
    folder = out / str(evaluation.quarter)
    jobs = _jobs(evaluation, options, folder.resolve())
    evaluation.save(folder / "evaluation")
    measures = folder / "measures.csv"
    write_measures(evaluation, measures)
    progress.start(len(jobs))
    results = run_batch(jobs, workers=options.workers, progress=progress)
    progress.finish()
    pages = [file for result in results for file in result.files]
    _write_manifest(bank, evaluation, options, folder, [measures, *pages])
    _write_run(folder, results, time.perf_counter() - started)
    return ReportRun(folder, tuple(results))


def write_measures(evaluation: Evaluation, path: Path) -> None:
    """Write headquarters' long table of measures; the BOM lets Excel read Chinese names."""
    names = evaluation.branches[["branch_id", "name"]].rename(columns={"name": "branch_name"})
    table = evaluation.measures.merge(names, how="left", on="branch_id", validate="m:1")
    table.insert(3, "branch_name", table.pop("branch_name").fillna(""))
    with whole(path) as beside:
        table.to_csv(beside, index=False, encoding="utf-8-sig", lineterminator="\n")


def folder_name(branch_id: str) -> str:
    """Return a branch's folder: its number where that is a safe name, otherwise encoded.

    >>> folder_name("D01"), folder_name("../x")
    ('D01', '~2e2e2f78')
    """
    return branch_id if _SAFE_ID.fullmatch(branch_id) else "~" + branch_id.encode().hex()


def _jobs(evaluation: Evaluation, options: ReportOptions, folder: Path) -> list[PageJob]:
    notebook = notebook_path(options.notebook)
    available = evaluation.branches["branch_id"].tolist()
    for branch_id in options.branches:
        if branch_id not in available:
            raise UsageError.unknown(f"branch in {options.quarter}", branch_id, available)
    chosen = [b for b in available if not options.branches or b in options.branches]
    jobs = [
        PageJob(
            branch_id=branch_id,
            notebook=notebook,
            parameters={
                "evaluation": str(folder / "evaluation"),
                "branch_id": branch_id,
                "language": options.language,
            },
            folder=folder / "branches" / folder_name(branch_id),
            failed_folder=folder / "failed" / folder_name(branch_id),
            status=options.status,
        )
        for branch_id in chosen
    ]
    for job in jobs:
        check_parameters(notebook, job.parameters)
    return jobs


def _write_manifest(
    bank: Bank,
    evaluation: Evaluation,
    options: ReportOptions,
    folder: Path,
    outputs: Sequence[Path],
) -> None:
    resolved = folder.resolve()
    parameters = asdict(options)
    del parameters["workers"]  # how many hands made it changes no byte
    write_json(
        folder / "manifest.json",
        {
            "quarter": str(evaluation.quarter),
            "parameters": parameters,
            "policy": evaluation.policy_facts,
            "inputs": {file.name: file.sha256 for file in bank.inputs},
            "notebook": sha256(notebook_path(options.notebook)),
            "packages": package_versions(),
            "fonts": fonts.FONT_HASHES,
            "outputs": output_hashes(resolved, [path.resolve() for path in outputs]),
        },
    )


def _write_run(folder: Path, results: Sequence[PageResult], seconds: float) -> None:
    write_json(
        folder / "run.json",
        {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "user": getpass.getuser(),
            "seconds": round(seconds, 1),
            "branches": {
                result.branch_id: {"seconds": round(result.seconds, 2), "error": result.error}
                for result in results
            },
        },
    )
