"""Each branch's slice of the evaluation as a folder of its own: all that its page may read.

A page that opened the whole evaluation would read five hundred branches to print one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from stockcust_analysis.atomic import sha256
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation

_SAFE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
SLICES: Final = "branches"
"""The folder of slices inside the evaluation's folder."""


def folder_name(branch_id: str) -> str:
    """Return a branch's folder: its number where that is a safe name, otherwise encoded.

    >>> folder_name("D01"), folder_name("../x")
    ('D01', '~2e2e2f78')
    """
    return branch_id if _SAFE_ID.fullmatch(branch_id) else "~" + branch_id.encode().hex()


def save_slices(evaluation: Evaluation, folder: Path) -> dict[str, str]:
    """Write every branch's slice into `<folder>/branches/<branch>`, and return their digests."""
    tables = ((field.name, getattr(evaluation, field.name)) for field in fields(evaluation))
    rows: dict[str, dict[Any, Any]] = {
        name: frame.groupby("branch_id", sort=False).indices
        for name, frame in tables
        if isinstance(frame, pd.DataFrame) and "branch_id" in frame
    }
    digests = {}
    for branch_id in evaluation.branches["branch_id"]:
        place = folder / SLICES / folder_name(branch_id)
        _slice(evaluation, branch_id, rows).save(place)
        digests[branch_id] = folder_digest(place)
    return digests


def _slice(evaluation: Evaluation, branch_id: str, rows: dict[str, dict[Any, Any]]) -> Evaluation:
    """Return what `Evaluation.of_branch` does, without searching all rows for every branch."""
    kept = {}
    for name, places in rows.items():
        found = [places[each] for each in (branch_id, WHOLE_BANK) if each in places]
        positions = np.sort(np.concatenate([np.array([], dtype=int), *found]))
        kept[name] = getattr(evaluation, name).take(positions).reset_index(drop=True)
    return evaluation.sliced(branch_id, kept)


def folder_digest(folder: Path) -> str:
    """Return one hash of the names and bytes of a folder's files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        digest.update(f"{path.name} {sha256(path)}\n".encode())
    return digest.hexdigest()
