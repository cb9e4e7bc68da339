"""Notebook parameters: what is given must be what is declared, before anything runs."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from stockcust_analysis.errors import NotebookError, UsageError
from stockcust_analysis.report.plan import (
    check_parameters,
    declared_parameters,
    notebook_path,
)

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "notebooks").glob("*.ipynb"))
TAGS = {"parameters", "hide", "hide-input", "hide-output", "zh", "en"}


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """Write a notebook with two typed parameters."""
    branch = 'if True:\n    pass\nelse:\n    other = 1\nbranch_id: str = "001"  # which'
    cell = new_code_cell(branch + "\nlimit: int = 3")
    cell.metadata["tags"] = ["parameters"]
    path = tmp_path / "small.ipynb"
    nbformat.write(new_notebook(cells=[cell]), path)
    return path


def test_declared_parameters_have_types(notebook: Path) -> None:
    """Names and types are read from the parameters cell."""
    assert declared_parameters(notebook) == {"branch_id": "str", "limit": "int"}


def test_matching_parameters_pass(notebook: Path) -> None:
    """Nothing is raised when names and types agree."""
    check_parameters(notebook, {"branch_id": "002", "limit": 5})


def test_every_mismatch_is_named_at_once(notebook: Path) -> None:
    """Unknown, missing and ill-typed parameters come in one error, with close matches."""
    with pytest.raises(NotebookError) as caught:
        check_parameters(notebook, {"brunch_id": "002", "limit": "5"})
    message = str(caught.value)
    assert "unknown parameter 'brunch_id'. Did you mean 'branch_id'?" in message
    assert "parameter 'branch_id' is missing" in message
    assert "parameter 'limit' must be a whole number (int), not text ('5')" in message


@pytest.mark.parametrize(
    ("value", "words"), [(110, "a whole number"), (72.5, "a number"), (False, "a flag")]
)
def test_a_text_that_papermill_bent_is_named_with_the_remedy(
    notebook: Path, value: object, words: str
) -> None:
    """A branch that arrives as a number is refused, and the option that leaves it alone named."""
    with pytest.raises(NotebookError, match=rf"not {words}.* -r branch_id"):
        check_parameters(notebook, {"branch_id": value, "limit": 3})


def test_a_type_that_papermill_cannot_write_is_refused(tmp_path: Path) -> None:
    """A parameter declared as a date or a tuple is an error that says what to declare."""
    cell = new_code_cell("from datetime import date\nas_of: date = date(2026, 9, 30)")
    cell.metadata["tags"] = ["parameters"]
    path = tmp_path / "dated.ipynb"
    nbformat.write(new_notebook(cells=[cell]), path)
    with pytest.raises(NotebookError, match="declared date, which papermill cannot write"):
        check_parameters(path, {"as_of": date(2026, 9, 30)})


def test_a_notebook_without_parameters_cell_is_refused(tmp_path: Path) -> None:
    """By itself papermill would run it with defaults; here it is an error."""
    path = tmp_path / "no_parameters.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), path)
    with pytest.raises(NotebookError, match="0 cells tagged 'parameters'"):
        declared_parameters(path)


def test_an_unknown_notebook_offers_those_there_are() -> None:
    """A misspelt notebook name is answered with the nearest one."""
    with pytest.raises(UsageError, match="Did you mean 'branch_report'"):
        notebook_path("branch_reports")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_notebooks_are_clean(path: Path) -> None:
    """Every notebook is stored without outputs, defines no function, keeps its cells short."""
    book = nbformat.read(path, as_version=4)
    assert declared_parameters(path)
    for cell in book.cells:
        assert set(cell.metadata.get("tags", [])) <= TAGS
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert "def " not in cell.source
            assert len(cell.source.splitlines()) <= 10


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_notebooks_speak_both_languages(path: Path) -> None:
    """Every markdown cell says which language it is, and each language has as many.

    Exploring notebooks have none: JupyterLab would show both, so they look their texts up.
    """
    book = nbformat.read(path, as_version=4)
    if "folder" in declared_parameters(path):
        assert {cell.cell_type for cell in book.cells} == {"code"}
        assert sum("lab.text(" in cell.source for cell in book.cells) > 2
        return
    tags = [cell.metadata.get("tags", []) for cell in book.cells if cell.cell_type == "markdown"]
    assert sum("zh" in tag for tag in tags) == sum("en" in tag for tag in tags) > 0
    assert all(("zh" in tag) != ("en" in tag) for tag in tags)
