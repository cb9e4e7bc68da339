"""The branch's notebook run in this process: its whole page, without the seconds of a kernel."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.report.exporter import TypstPDFExporter
from tests.report.printed import Printed, shown

BOOK = Path(__file__).resolve().parents[2] / "notebooks" / "branch_report.ipynb"


def executed(evaluation: Evaluation, folder: Path, *, language: str = "zh") -> NotebookNode:
    """Run the notebook on a saved evaluation of one branch; what a cell ends with is shown."""
    (branch_id,) = evaluation.branches["branch_id"]
    evaluation.of_branch(branch_id).save(folder)
    names: dict[str, Any] = {}
    given = {"evaluation": str(folder), "branch_id": branch_id, "language": language}
    book = nbformat.read(BOOK, as_version=4)
    for position, cell in enumerate(book.cells):
        if cell.cell_type != "code":
            continue
        value = _value_of(cell.source, names)
        if "parameters" in cell.metadata["tags"]:
            names.update(given)
        elif value is not None:
            book.cells[position].outputs = shown(value).outputs
    return book


def _value_of(source: str, names: dict[str, Any]) -> Any:
    """Run a cell and return what its last line evaluates to."""
    *before, last = ast.parse(source).body
    exec(compile(ast.Module(before, []), "cell", "exec"), names)
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    exec(compile(ast.Module([last], []), "cell", "exec"), names)
    return None


def branch_report(evaluation: Evaluation, folder: Path, *, language: str = "zh") -> Printed:
    """Print the report of the evaluation's one branch."""
    book = executed(evaluation, folder, language=language)
    pdf, _ = TypstPDFExporter(language=language).from_notebook_node(book)
    return Printed(pdf)
