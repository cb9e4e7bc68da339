"""The quarter's evaluation as a folder: computed when its inputs changed, taken over otherwise.

A new evaluation is written beside the old one and takes its place in one step, so that a page
never reads half of each.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stockcust_analysis.atomic import write_json
from stockcust_analysis.bank.source import Bank
from stockcust_analysis.evaluation.evaluate import Steps
from stockcust_analysis.evaluation.missing import evaluate_with_lists
from stockcust_analysis.evaluation.results import Evaluation, open_evaluation
from stockcust_analysis.policy import load_policy
from stockcust_analysis.report.manifest import digest_of, package_digest, package_versions
from stockcust_analysis.report.slices import save_slices

EVALUATION: Final = "evaluation"
_STAMP: Final = "made_from.json"


@dataclass(frozen=True)
class Staged:
    """An evaluation in a folder, and the digest of each branch's slice of it."""

    folder: Path
    slices: Mapping[str, str]
    evaluation: Evaluation
    is_new: bool


def staged(
    bank: Bank, *, quarter: str, policy: str, first_quarter: bool, known: Path, beside: Path,
    sizes: bool = False, force: bool = False, progress: Steps = lambda done, total: None,
) -> Staged:  # fmt: skip
    """Return the quarter's evaluation: the one in `known` if it is of these inputs, else a new one.

    A new one is written to `beside`, which the caller moves or removes. With `sizes` only one that
    has them will do.
    """
    made_from = _made_from(bank, quarter, policy, first_quarter)
    stamp = {} if force else _stamp(known)
    if bank.inputs and stamp.get("made_from") == made_from:
        evaluation = open_evaluation(known)
        if evaluation.has_sizes or not sizes:
            return Staged(known, stamp["slices"], evaluation, is_new=False)
    evaluate_with_lists(
        bank, quarter=quarter, policy=policy, first_quarter=first_quarter, sizes=sizes,
        progress=progress,
    ).save(beside)  # fmt: skip
    evaluation = open_evaluation(beside)  # pages are made from what is written, and so are slices
    slices = save_slices(evaluation, beside)
    write_json(beside / _STAMP, {"made_from": made_from, "slices": slices})
    return Staged(beside, slices, evaluation, is_new=True)


def put_in_place(new: Staged, folder: Path) -> Staged:
    """Let a new evaluation take the place of the old one."""
    if not new.is_new:
        return new
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.folder.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return Staged(folder, new.slices, new.evaluation, is_new=True)


def _stamp(folder: Path) -> dict[str, Any]:
    try:
        stamp: dict[str, Any] = json.loads((folder / _STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp


def _made_from(bank: Bank, quarter: str, policy: str, first_quarter: bool) -> str:
    """Return a digest of all that an evaluation depends on."""
    return digest_of(
        {
            "bank": bank.name,
            "inputs": {one.name: one.fingerprint for one in bank.inputs},
            "quarter": quarter,
            "policy": load_policy(policy).digest,
            "first_quarter": first_quarter,
            "packages": package_versions(),
            "code": package_digest(),
        }
    )
