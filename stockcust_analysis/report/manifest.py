"""What a run was made of: `manifest.json` for the facts, `run.json` for times and people.

The same input, policy, notebook and packages give the same manifest, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stockcust_analysis.atomic import sha256, write_text

# Packages whose version can change a number or a page.
_PACKAGES = (
    "stockcust_analysis", "narwhals", "duckdb", "numpy", "pandas", "matplotlib", "seaborn",
    "papermill", "nbconvert", "typst", "pypandoc_binary", "mpl-font",
)  # fmt: skip
_LEFT_OUT = {".ipynb"}  # executed notebooks carry time stamps


def package_versions() -> dict[str, str]:
    """Return the versions of all packages that can change a number or a page."""
    return {name: version(name) for name in _PACKAGES}


def output_hashes(folder: Path, paths: Sequence[Path]) -> dict[str, str]:
    """Return path inside the folder → hash, sorted, without executed notebooks."""
    kept = sorted(path for path in paths if path.suffix not in _LEFT_OUT)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in kept}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole, with sorted keys and Chinese as it is."""
    text = json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True)
    write_text(path, text + "\n")
