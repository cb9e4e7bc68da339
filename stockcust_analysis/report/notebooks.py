"""Report notebooks: where they are, and that the parameters given are the parameters declared.

papermill only warns of an unknown parameter and runs on with the default, which would print a
beautiful page of the wrong branch. Here every mismatch is an error before anything runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

from stockcust_analysis.errors import NotebookError, UsageError, did_you_mean
from stockcust_analysis.show.pages import wrong_type

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
        problem
        for name, value in plain_parameters(given).items()
        if name in declared and (problem := wrong_type(name, declared[name], value))
    ]
    if complaints:
        listed = "\n".join(f"  {number}. {text}" for number, text in enumerate(complaints, 1))
        raise NotebookError(f"{path.name} cannot be run with these parameters:\n{listed}")


def plain_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as papermill can write them into a notebook without bending them.

    It makes texts of tuples and of NumPy's numbers, and stops at NumPy's flags and at dates.

    >>> import datetime
    >>> plain_parameters({"as_of": datetime.date(2026, 9, 30), "branches": ("0110", "0111")})
    {'as_of': '2026-09-30', 'branches': ['0110', '0111']}
    """
    return {name: _plain(value) for name, value in given.items()}


def _plain(value: Any) -> Any:
    match value:
        case np.datetime64():
            return str(value)
        case np.generic():
            return value.item()
        case Mapping():
            return {str(name): _plain(each) for name, each in value.items()}
        case list() | tuple() | np.ndarray():
            return [_plain(each) for each in value]
        case datetime() | date():
            return value.isoformat()
        case Path():
            return str(value)
    return value
