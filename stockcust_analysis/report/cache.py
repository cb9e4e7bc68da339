"""The quarter's evaluation as a folder: taken over while its inputs are the same, else made anew.

A new evaluation is written beside the old one and takes its place in one step, so that no page
ever reads half of each. A branch's page reads its slice alone, a folder of its own inside the
evaluation's, which is written when the page is about to be made:

```
evaluation/                 all branches
evaluation/branches/B001/   the rows of B001 and of the whole bank, written just before its page
```
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from stockcust_analysis.atomic import write_json
from stockcust_analysis.bank.source import Bank
from stockcust_analysis.evaluation.policy_check import read_policy
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation, open_evaluation
from stockcust_analysis.report.plan import (
    digest_of,
    package_digest,
    package_versions,
    read_json,
    slice_folder,
)

STAMP: Final = "made_from.json"
"""The file beside tables that holds the digest of all they were made from."""


@dataclass(frozen=True)
class EvaluationCache:
    """An evaluation in its folder, and the digest of each branch's slice of it."""

    folder: Path
    evaluation: Evaluation
    slices: Mapping[str, str]
    is_new: bool

    @classmethod
    def open_or_make(
        cls,
        bank: Bank,
        *,
        quarter: str,
        policy: str,
        first_quarter: bool,
        sizes: bool,
        known: Path,
        beside: Path,
        force: bool = False,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> EvaluationCache:
        """Return the evaluation in `known` if it is of these inputs, else a new one.

        A new one is written to `beside`, which the caller promotes or removes. `sizes` asks for
        the cell facts that only the circulated edition needs.
        """
        from stockcust_analysis.evaluation.evaluate import evaluate_with_lists

        made_from = _made_from(bank, quarter, policy, first_quarter)
        stamp = {} if force else read_json(known / STAMP)
        if bank.inputs and stamp.get("made_from") == made_from:
            evaluation = open_evaluation(known)
            if evaluation.has_sizes or not sizes:
                slices = {b: stamp["slices"][b] for b in evaluation.branches["branch_id"]}
                return cls(known, evaluation, slices, is_new=False)
        evaluate_with_lists(
            bank,
            quarter=quarter,
            policy=policy,
            first_quarter=first_quarter,
            sizes=sizes,
            progress=progress,
        ).save(beside)
        evaluation = open_evaluation(beside)  # pages are made from what is written
        slices = slice_digests(evaluation)
        write_json(beside / STAMP, {"made_from": made_from, "slices": slices})
        return cls(beside, evaluation, slices, is_new=True)

    def promote(self, folder: Path) -> EvaluationCache:
        """Let a new evaluation take the place of the one in a folder."""
        if not self.is_new:
            return self
        old = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        self.folder.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
        return replace(self, folder=folder)

    def write_slice(self, branch_id: str) -> None:
        """Write a branch's slice, where it is not there yet."""
        folder = slice_folder(self.folder, branch_id)
        if read_json(folder / STAMP).get("slice") != self.slices[branch_id]:
            self.evaluation.of_branch(branch_id).save(folder)
            write_json(folder / STAMP, {"slice": self.slices[branch_id]})


def slice_digests(evaluation: Evaluation) -> dict[str, str]:
    """Return branch → one hash of all that its page may read, without making any slice."""
    facts = (str(evaluation.quarter), evaluation.bank_name, dict(evaluation.policy_facts))
    common = hashlib.sha256(repr(facts).encode())
    parts: list[tuple[np.ndarray, dict[str, np.ndarray]]] = []
    for table in fields(evaluation):
        frame = getattr(evaluation, table.name)
        if not isinstance(frame, pd.DataFrame) or frame.empty or table.name == "cells":
            continue
        common.update(f"{table.name} {list(frame)} ".encode())
        hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
        rows = evaluation.rows_by_branch.get(table.name)
        common.update((hashes if rows is None else hashes[rows.get(WHOLE_BANK, [])]).tobytes())
        if rows is not None:
            parts.append((hashes, rows))
    digests = {}
    for branch_id in evaluation.branches["branch_id"]:
        own = common.copy()
        for hashes, rows in parts:
            own.update(b"|" + hashes[rows.get(branch_id, [])].tobytes())
        digests[branch_id] = own.hexdigest()
    return digests


def _made_from(bank: Bank, quarter: str, policy: str, first_quarter: bool) -> str:
    """Return a digest of all that an evaluation depends on."""
    return digest_of(
        {
            "bank": bank.name,
            "inputs": {entry.name: entry.fingerprint for entry in bank.inputs},
            "quarter": quarter,
            "policy": read_policy(policy).digest,
            "first_quarter": first_quarter,
            "packages": package_versions(),
            "code": package_digest(),
        }
    )
