"""Exceptions (例外): the few figures of a quarter that chance does not explain.

Hundreds of branches in a dozen measures make thousands of comparisons; one in twenty lies outside
its 95 % limits although nothing is the matter. Here the false discovery rate is held instead.
"""

from __future__ import annotations

from math import erfc, sqrt

import numpy as np
import pandas as pd

from stockcust_analysis.measures.codebook import measure_definition

EXCEPTION_COLUMNS = (
    "branch_id", "measure", "base", "value", "centre", "z", "evidence", "favourable", "tests",
)  # fmt: skip


def exceptions(
    comparison: pd.DataFrame, *, most: int = 8, per_branch: int = 2, rate: float = 0.05
) -> pd.DataFrame:
    """Return the figures beyond chance, the most certain first.

    Parameters
    ----------
    comparison : DataFrame
        As `comparison` returns it: branch_id, measure, base, value, centre, z, verdict.
    most, per_branch : int
        How many are told, of all and of one branch.
    rate : float
        Of all that would be told, the share that may be chance.

    Returns
    -------
    DataFrame
        `evidence`: `very_strong` where the chance that even one of all comparisons lies so far out
        is below `rate` (Bonferroni), otherwise `strong` (Benjamini and Hochberg, 1995).
        `favourable`: yes, no, or neutral. `tests`: how many comparisons were made. Those without
        a verdict, as among too few peers, are none.

    Examples
    --------
    >>> rows = pd.DataFrame({"branch_id": ["A", "B", "C"], "measure": "dormancy_rate",
    ...     "base": "all", "value": [0.3, 0.1, 0.12], "centre": 0.11, "z": [6.0, -0.4, 2.0],
    ...     "verdict": ["far_above", "within", "above"]})
    >>> exceptions(rows)[["branch_id", "evidence", "favourable"]].values.tolist()
    [['A', 'very_strong', 'no']]
    """
    rows = comparison[(comparison["verdict"] != "") & comparison["z"].notna()]
    tests = len(rows)
    chance = np.array([erfc(abs(z) / sqrt(2)) for z in rows["z"]])
    told = rows.assign(chance=chance)[chance <= _threshold(chance, rate)]
    told = told.assign(
        evidence=np.where(told["chance"] * tests <= rate, "very_strong", "strong"),
        favourable=[_favourable(*one) for one in zip(told["measure"], told["z"], strict=True)],
        size=told["z"].abs(),
        tests=tests,
    )
    order = ["size", "branch_id", "measure"]
    told = told.sort_values(order, ascending=[False, True, True], kind="stable")
    told = told[told.groupby("branch_id").cumcount() < per_branch].head(most)
    return told.reindex(columns=list(EXCEPTION_COLUMNS)).reset_index(drop=True)


def _threshold(chance: np.ndarray, rate: float) -> float:
    """Return the largest p value that is told: p(k) ≤ k · rate / m."""
    ordered = np.sort(chance)
    below = ordered <= rate * np.arange(1, ordered.size + 1) / max(ordered.size, 1)
    return float(ordered[below][-1]) if below.any() else -1.0


def _favourable(measure: str, z: float) -> str:
    """Return whether a figure lies on the good side."""
    good = measure_definition(measure).higher_is_better
    if good == "neutral":
        return "neutral"
    return "yes" if (z > 0) == (good == "yes") else "no"
