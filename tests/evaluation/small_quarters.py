"""Measure frames of a few branches, written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from stockcust_analysis.policy import ComparisonRule, Policy, Scorecard, load_policy

NOW, BEFORE = "2026Q3", "2026Q2"
Values = Mapping[tuple[str, str], Sequence[float | None]]


def quarter_of(
    values: Values,
    *,
    quarter: str = NOW,
    branches: Sequence[str] = "ABC",
    n: int = 1000,
    denominator: float | None = None,
) -> pd.DataFrame:
    """Return a measure frame of {(measure, base): one value per branch}."""
    rows = [
        {
            "quarter": quarter,
            "branch_id": branch,
            "dimension": "",
            "member": "",
            "measure": measure,
            "base": base,
            "n": n,
            "numerator": None,
            "denominator": float(denominator or n),
            "value": value,
        }
        for (measure, base), told in values.items()
        for branch, value in zip(branches, told, strict=True)
    ]
    table = pd.DataFrame(rows).astype({"value": float, "numerator": float})
    return table.assign(numerator=table["value"] * table["denominator"])


def named(branches: Sequence[str] = "ABC", kinds: Sequence[str] = ()) -> pd.DataFrame:
    """Return the table of branches, with their types if given."""
    table = pd.DataFrame({"branch_id": list(branches)})
    return table.assign(type=list(kinds)) if kinds else table


def policy_of(*indicators: Any, comparison: ComparisonRule | None = None, **more: Any) -> Policy:
    """Return the shipped policy with a scorecard of these indicators."""
    points = sum(one.weight for one in indicators)
    rules = Scorecard("hand", tuple(indicators), points=points, **more)
    return replace(
        load_policy(), scorecard=rules, comparison=comparison or ComparisonRule(), themes=()
    )
