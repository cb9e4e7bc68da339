"""What pages are made from: notebook, parameters, package; and the record of a finished page.

A page's record is written after its files. It is how an interrupted batch, another shard or the
next run knows that the page is there and up to date; it carries times, so no manifest lists it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from stockcust_analysis.core.files import sha256, write_json
from stockcust_analysis.errors import NotebookError, UsageError, did_you_mean
from stockcust_analysis.show.pages import wrong_type

_STATUSES: Final = ("draft", "reviewed", "issued")

# Packages whose version can change a number or a page.
_PACKAGES: Final = (
    "stockcust_analysis",
    "narwhals",
    "duckdb",
    "numpy",
    "pandas",
    "matplotlib",
    "seaborn",
    "papermill",
    "nbconvert",
    "typst",
    "pypandoc_binary",
    "mpl-font",
    "XlsxWriter",
    "itables",
)
_PACKAGE: Final = Path(__file__).resolve().parent.parent
# In a checkout the notebooks stand beside the package; in an installed wheel, inside it.
_NOTEBOOKS: Final = (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks")
_DECLARATION: Final = re.compile(r"^(?P<name>[A-Za-z_]\w*)\s*:\s*(?P<type>\w+)\s*=", re.MULTILINE)
_CODE: Final = {".py", ".toml", ".mplstyle", ".j2", ".typ", ".css", ".js"}


@dataclass(frozen=True)
class PageRecord:
    """One finished page. `files` maps the names of its files to their hashes."""

    branch_id: str
    made_from: str
    status: str
    files: dict[str, str]
    seconds: float
    look: str = ""
    peak_megabytes: float | None = None
    slowest_cells: list[dict[str, Any]] = field(default_factory=list)

    def is_complete(self, folder: Path) -> bool:
        """Return whether every file is in the folder and as it was written."""
        return all(
            (folder / name).is_file() and sha256(folder / name) == known
            for name, known in self.files.items()
        )

    def write(self, path: Path) -> None:
        """Write the record as JSON."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> PageRecord | None:
        """Read a record; None when there is none, or none that this version understands."""
        try:
            return cls(**read_json(path))
        except TypeError:
            return None


def least_status(pages: Iterable[PageRecord]) -> str:
    """Return the review status that every page has reached."""
    return min((page.status for page in pages), key=_STATUSES.index, default=_STATUSES[0])


def read_json(path: Path) -> dict[str, Any]:
    """Return the facts in a JSON file; none where the file is missing or damaged."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def digest_of(facts: Mapping[str, Any]) -> str:
    """Return one hash of plain facts."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def folder_digest(folder: Path) -> str:
    """Return one hash of the names and bytes of a folder's files."""
    return _files_digest(folder, (path for path in folder.iterdir() if path.is_file()))


@cache
def package_versions() -> dict[str, str]:
    """Return the versions of all packages that can change a number or a page."""
    return {name: version(name) for name in _PACKAGES}


@cache
def package_digest() -> str:
    """Return one hash of this package's files: an edited chart or word makes pages anew."""
    return _files_digest(_PACKAGE, (p for p in _PACKAGE.rglob("*") if p.suffix in _CODE))


def _files_digest(folder: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.relative_to(folder).as_posix()} {sha256(path)}\n".encode())
    return digest.hexdigest()


def notebook_path(name: str) -> Path:
    """Return the file of a notebook that ships with the package, such as 'branch_report'."""
    for folder in _NOTEBOOKS:
        if (path := folder / f"{name}.ipynb").exists():
            return path
    available = {path.stem for folder in _NOTEBOOKS for path in folder.glob("*.ipynb")}
    raise UsageError.unknown("notebook", name, available)


def declared_parameters(path: Path) -> dict[str, str]:
    """Return name → type of the parameters that a notebook's `parameters` cell declares."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    if len(tagged) != 1:
        raise NotebookError(
            f"{path.name} has {len(tagged)} cells tagged 'parameters'; it needs exactly one."
        )
    source = "".join(tagged[0]["source"])
    return {match["name"]: match["type"] for match in _DECLARATION.finditer(source)}


def check_parameters(path: Path, parameters: Mapping[str, Any]) -> None:
    """Raise one NotebookError for all unknown, missing and ill-typed parameters.

    papermill only warns of an unknown parameter and runs on with the default, which would print a
    beautiful page of the wrong branch.
    """
    declared = declared_parameters(path)
    problems = [
        f"unknown parameter '{name}'.{did_you_mean(name, declared)}"
        for name in parameters
        if name not in declared
    ]
    problems += [f"parameter '{name}' is missing." for name in declared if name not in parameters]
    for name, value in plain_parameters(parameters).items():
        if name in declared and (problem := wrong_type(name, declared[name], value)):
            problems.append(problem)
    if problems:
        listed = "\n".join(f"  {number}. {text}" for number, text in enumerate(problems, 1))
        raise NotebookError(f"{path.name} cannot be run with these parameters:\n{listed}")


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as papermill can write them into a notebook without bending them.

    It makes texts of tuples and of NumPy's numbers, and stops at NumPy's flags and at dates.

    >>> import datetime
    >>> plain_parameters({"as_of": datetime.date(2026, 9, 30), "branches": ("0110", "0111")})
    {'as_of': '2026-09-30', 'branches': ['0110', '0111']}
    """
    plain: dict[str, Any] = json.loads(json.dumps(parameters, default=_plain))
    return plain


def _plain(value: Any) -> Any:
    """Return what JSON does not know as what it knows, or as a step towards it."""
    if isinstance(value, np.ndarray | np.generic) and not isinstance(value, np.datetime64):
        return value.tolist()
    return value.isoformat() if isinstance(value, date) else str(value)
