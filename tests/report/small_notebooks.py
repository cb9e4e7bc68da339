"""Notebooks of a few cells for tests of the batch, and the job that runs one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.evaluation import evaluate
from stockcust_analysis.evaluation.policy_check import read_policy
from stockcust_analysis.report import plan
from stockcust_analysis.report.plan import PageJob, ReportOptions, notebook_path

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
PARAMETERS = 'evaluation: str = ""\nbranch_id: str = ""\nlanguage: str = "zh"'


def small_notebook(path: Path, *cells: str) -> Path:
    """Write a notebook with the parameters of a branch report and these cells."""
    first = new_code_cell(PARAMETERS)
    first.metadata["tags"] = ["parameters"]
    body = [first, *(new_code_cell(cell) for cell in cells)]
    nbformat.write(new_notebook(cells=body, metadata=KERNEL), path)
    return path


def small_job(folder: Path, *cells: str, branch_id: str = "001", **more: Any) -> PageJob:
    """Return the job that runs these cells for a branch, with its output below the folder."""
    return PageJob(
        branch_id=branch_id,
        options=ReportOptions("2026Q3", **more),
        notebook=small_notebook(folder / f"{branch_id}.ipynb", *cells),
        parameters={"evaluation": "", "branch_id": branch_id, "language": "zh"},
        folder=folder / "branches" / branch_id,
        failed_folder=folder / "failed" / branch_id,
        record=folder / ".pages" / f"{branch_id}.json",
    )


def outputs(path: Path) -> list[str]:
    """Return what an executed notebook's cells printed, showed or failed with, in order."""
    told = []
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                told.append(output.text.strip())
            elif output.output_type == "error":
                words = "\n".join([output.ename, output.evalue, *output.traceback])
                told.append(re.sub(r"\x1b\[[\d;]*m", "", words))
            else:
                told.append(output.data["text/plain"])
    return told


@contextmanager
def report_of_one_cell(folder: Path, cell: str = "branch_id") -> Iterator[None]:
    """Let a branch's report be one cell long: what is tested is what is around it."""
    path = small_notebook(folder / "branch_report.ipynb", cell)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "notebook_path", find_instead(path))
        yield


@contextmanager
def evaluated_once() -> Iterator[None]:
    """Let a bank be evaluated once while its tables are the same: not the figures are tested."""
    made: dict[Any, Any] = {}
    anew = evaluate.evaluate_with_lists

    def once(bank: Bank, *, progress: Any, policy: str, **options: Any) -> Any:
        inputs = [(entry.name, entry.fingerprint) for entry in bank.inputs]
        key = (*inputs, read_policy(policy).digest, *options.items())
        if not inputs or key not in made:
            made[key] = anew(bank, policy=policy, **options)
        evaluation, lists = made[key]
        return replace(evaluation, bank_name=bank.name), lists

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "evaluate_with_lists", once)
        yield


def find_instead(path: Path) -> Callable[[str], Path]:
    """Return what finds a shipped notebook by its name, but this one for the branch report."""
    return lambda name: path if name == "branch_report" else notebook_path(name)
