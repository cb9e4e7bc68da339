"""What a run was made of: `manifest.json` for the facts, `run.json` for times and people.

The same input, policy, notebook and packages give the same manifest, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stockcust_analysis.atomic import sha256, write_json
from stockcust_analysis.report import fonts
from stockcust_analysis.report.notebooks import notebook_path
from stockcust_analysis.report.records import PageRecord, status_of

if TYPE_CHECKING:
    from stockcust_analysis.bank.source import Bank
    from stockcust_analysis.evaluation.results import Evaluation
    from stockcust_analysis.report.plan import ReportOptions

MANIFEST: Final = "manifest.json"
_PARAMETERS = (
    "quarter", "policy", "language", "brand", "first_quarter", "notebook", "circulated",
)  # fmt: skip

# Packages whose version can change a number or a page.
_PACKAGES = (
    "stockcust_analysis", "narwhals", "duckdb", "numpy", "pandas", "matplotlib", "seaborn",
    "papermill", "nbconvert", "typst", "pypandoc_binary", "mpl-font", "XlsxWriter", "itables",
)  # fmt: skip
_PACKAGE = Path(__file__).resolve().parent.parent
_CODE = {".py", ".toml", ".mplstyle", ".j2", ".typ", ".css", ".js"}
_LEFT_OUT = {".ipynb"}  # executed notebooks carry time stamps


def package_versions() -> dict[str, str]:
    """Return the versions of all packages that can change a number or a page."""
    return {name: version(name) for name in _PACKAGES}


@cache
def package_digest() -> str:
    """Return one hash of this package's files: an edited chart or word makes pages anew."""
    digest = hashlib.sha256()
    files = (path for path in sorted(_PACKAGE.rglob("*")) if path.suffix in _CODE)
    for path in files:
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()} {sha256(path)}\n".encode())
    return digest.hexdigest()


def digest_of(facts: Mapping[str, Any]) -> str:
    """Return one hash of plain facts."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def output_hashes(folder: Path, paths: Sequence[Path]) -> dict[str, str]:
    """Return path inside the folder → hash, sorted, without executed notebooks."""
    kept = sorted(path for path in paths if path.suffix not in _LEFT_OUT)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in kept}


def write_manifest(
    folder: Path,
    *,
    bank: Bank,
    evaluation: Evaluation,
    options: ReportOptions,
    records: Mapping[str, PageRecord],
    outputs: Sequence[Path],
) -> None:
    """Write what the quarter's files were made of; no time, no person, no number of hands.

    `records` are the finished pages, `outputs` all files that are delivered.
    """
    write_json(
        folder / MANIFEST,
        {
            "quarter": str(evaluation.quarter),
            "parameters": {name: getattr(options, name) for name in _PARAMETERS},
            "status": status_of(records),
            "policy": evaluation.policy_facts,
            "inputs": {one.name: one.fingerprint for one in bank.inputs},
            "notebook": sha256(notebook_path(options.notebook)),
            "packages": package_versions(),
            "code": package_digest(),
            "fonts": fonts.FONT_HASHES,
            "look": options.look,
            "branches": {
                branch_id: {"made_from": record.made_from, "status": record.status}
                for branch_id, record in records.items()
            },
            "outputs": output_hashes(folder, outputs),
        },
    )
