"""Report notebooks: where they are, and that the parameters given are the parameters declared.

papermill only warns of an unknown parameter and runs on with the default, which would print a
beautiful page of the wrong branch. Here every mismatch is an error before anything runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from stockcust_analysis.errors import NotebookError, UsageError, did_you_mean

_PACKAGE = Path(__file__).resolve().parent.parent
# In a checkout the notebooks stand beside the package; in an installed wheel, inside it.
_FOLDERS = (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks")
_DECLARATION = re.compile(r"^(?P<name>[A-Za-z_]\w*)\s*:\s*(?P<type>\w+)\s*=", re.MULTILINE)


def notebook_path(name: str) -> Path:
    """Return the file of a notebook that ships with the package, such as 'branch_report'."""
    for folder in _FOLDERS:
        if (path := folder / f"{name}.ipynb").exists():
            return path
    available = {path.stem for folder in _FOLDERS for path in folder.glob("*.ipynb")}
    raise UsageError.unknown("notebook", name, available)


def declared_parameters(path: Path) -> dict[str, str]:
    """Return name → type of the parameters that a notebook's `parameters` cell declares."""
    notebook = nbformat.read(path, as_version=4)
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise NotebookError(
            f"{path.name} has {len(tagged)} cells tagged 'parameters'; it needs exactly one."
        )
    return {match["name"]: match["type"] for match in _DECLARATION.finditer(tagged[0].source)}


def check_parameters(path: Path, given: Mapping[str, Any]) -> None:
    """Raise one NotebookError for all unknown, missing and ill-typed parameters."""
    declared = declared_parameters(path)
    complaints = [
        f"unknown parameter '{name}'.{did_you_mean(name, declared)}"
        for name in given
        if name not in declared
    ]
    complaints += [f"parameter '{name}' is missing." for name in declared if name not in given]
    complaints += [
        f"parameter '{name}' must be {declared[name]}, not {type(value).__name__}."
        for name, value in given.items()
        if name in declared and type(value).__name__ != declared[name]
    ]
    if complaints:
        listed = "\n".join(f"  {number}. {text}" for number, text in enumerate(complaints, 1))
        raise NotebookError(f"{path.name} cannot be run with these parameters:\n{listed}")
