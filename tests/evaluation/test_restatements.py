"""Restatements: what was issued and would read otherwise today is listed, and nothing else."""

from __future__ import annotations

import pandas as pd

from stockcust_analysis.evaluation.review import restatements
from tests.evaluation.small_quarters import BEFORE, NOW, quarter_of

COLUMNS = ["quarter", "branch_id", "dimension", "member", "measure", "base", "issued", "restated"]
ISSUED = quarter_of({("customers", "all"): [10.0, 20.0, 0.1 + 0.2]}, quarter=BEFORE)


def listed(
    issued: pd.DataFrame, today: pd.DataFrame
) -> list[tuple[str, float | None, float | None]]:
    """Return branch, issued and restated value of each restatement."""
    table = restatements(issued, today, quarter=BEFORE)
    assert list(table.columns) == COLUMNS
    plain = table.astype(object).where(table.notna(), None)
    return list(zip(plain["branch_id"], plain["issued"], plain["restated"], strict=True))


def test_what_changed_is_listed() -> None:
    """A late entry in B is a restatement; the last digit of a float in C is none."""
    today = quarter_of({("customers", "all"): [10.0, 21.0, 0.3]}, quarter=BEFORE)
    assert listed(ISSUED, today) == [("B", 20.0, 21.0)]


def test_a_merged_branch_is_listed_on_both_sides() -> None:
    """C went into B: C has no figure any more, B another one."""
    today = quarter_of({("customers", "all"): [10.0, 20.3]}, branches="AB", quarter=BEFORE)
    assert listed(ISSUED, today) == [("B", 20.0, 20.3), ("C", 0.1 + 0.2, None)]


def test_a_value_that_became_empty_is_listed() -> None:
    """Empty is not equal to a number, but equal to empty."""
    today = quarter_of({("customers", "all"): [None, 20.0, 0.3]}, quarter=BEFORE)
    assert listed(ISSUED, today) == [("A", 10.0, None)]
    assert listed(today, today) == []


def test_only_the_issued_quarter_and_what_both_tell() -> None:
    """Another quarter's figures, and a measure one of the two does not know, are none."""
    other = quarter_of({("customers", "all"): [1.0, 2.0, 3.0]}, quarter=NOW)
    new = quarter_of({("vip_share", "funded"): [0.1] * 3}, quarter=BEFORE)
    assert listed(pd.concat([ISSUED]), pd.concat([ISSUED, other, new])) == []
