"""Whether a quarter's files are still what their manifest says, and could be made again."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from stockcust_analysis.atomic import sha256
from stockcust_analysis.errors import StockcustError, UsageError
from stockcust_analysis.report.batch import default_workers
from stockcust_analysis.report.editions import ISSUED, REVIEW
from stockcust_analysis.report.manifest import MANIFEST
from stockcust_analysis.report.plan import ReportOptions
from stockcust_analysis.report.quarter import make_reports
from stockcust_analysis.report.runs import RUN
from stockcust_analysis.report.scratch import working_folder
from stockcust_analysis.report.slices import folder_name
from stockcust_analysis.report.staging import EVALUATION

_REVIEW = f"{REVIEW}.pdf"
_NOT_DELIVERED = {EVALUATION, ISSUED, "failed", MANIFEST, RUN}


def verify_folder(
    folder: Path,
    *,
    data: Path | None = None,
    mapping: Path | None = None,
    workers: int | None = None,
) -> list[str]:
    """Return what differs from the manifest, one sentence each; nothing when all is as it says.

    Parameters
    ----------
    folder
        A quarter's folder, such as `reports/2026Q3`.
    data
        The extracts. With them everything is made again elsewhere and compared byte for byte;
        without them each page is printed again from its executed notebook.
    mapping
        As for `open_bank`.
    workers
        Pages at once; default one for each core.

    Raises
    ------
    UsageError
        The folder has no manifest.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"'{folder}' has no {MANIFEST}: no run has ended there.") from None
    found = _touched(folder, manifest["outputs"]) + _not_listed(folder, manifest["outputs"])
    if data is None:
        return found + _printed_otherwise(folder, manifest, workers or default_workers())
    return found + _made_otherwise(manifest, data, mapping, workers)


def _touched(folder: Path, known: dict[str, str]) -> list[str]:
    """Compare the files that are there with their hashes."""
    found = []
    for name, expected in known.items():
        if not (folder / name).is_file():
            found.append(f"{name} is missing.")
        elif sha256(folder / name) != expected:
            found.append(f"{name} was changed after the run.")
    return found


def _not_listed(folder: Path, known: dict[str, str]) -> list[str]:
    """Look for files that no manifest answers for, such as pages of an earlier run."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    names = [path.relative_to(folder) for path in paths if path.suffix not in {".ipynb", ".log"}]
    return [
        f"{name.as_posix()} is not in the manifest."
        for name in names
        if name.as_posix() not in known
        and name.parts[0] not in _NOT_DELIVERED
        and not name.parts[0].startswith(".")
    ]


def _printed_otherwise(folder: Path, manifest: dict[str, Any], workers: int) -> list[str]:
    """Print every page again from its executed notebook and compare."""
    from stockcust_analysis.report.exporter import export_pdf

    pages = [name for name in manifest["outputs"] if name.endswith(".pdf")]
    look = {name: manifest["parameters"][name] for name in ("language", "brand")}
    statuses = {folder_name(b): facts["status"] for b, facts in manifest["branches"].items()}

    def check(name: str) -> str:
        path = folder / name
        status = manifest["status"] if path.name == _REVIEW else statuses[path.parent.name]
        try:
            pdf = export_pdf(path.with_suffix(".ipynb"), status=status, **look)
        except (OSError, StockcustError) as error:
            return f"{name} cannot be printed again: {error}"
        same = path.is_file() and pdf == path.read_bytes()
        return "" if same else f"{name} prints differently from its notebook."

    with ThreadPoolExecutor(workers) as threads:
        return [difference for difference in threads.map(check, pages) if difference]


def _made_otherwise(
    manifest: dict[str, Any], data: Path, mapping: Path | None, workers: int | None
) -> list[str]:
    """Make the whole quarter again in a folder of its own and compare the two manifests."""
    from stockcust_analysis.bank.source import open_bank

    with working_folder() as place, open_bank(data, mapping=mapping) as bank:
        options = ReportOptions(
            **manifest["parameters"], status=manifest["status"], workers=workers
        )
        run = make_reports(bank, options, out=place)
        again = json.loads((run.folder / MANIFEST).read_text(encoding="utf-8"))
    found = [
        f"{part} differs: the quarter was made from something else."
        for part in ("inputs", "policy", "notebook", "packages", "code", "fonts", "look")
        if again[part] != manifest[part]
    ]
    return found + [
        f"{name} differs when made again."
        for name in sorted({*manifest["outputs"], *again["outputs"]})
        if manifest["outputs"].get(name) != again["outputs"].get(name)
    ]
