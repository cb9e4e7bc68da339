"""The golden quarter: the sample bank's measures are what they were when they were accepted.

It detects change and proves nothing else: that the figures are right is for the other tests.
"""

from __future__ import annotations

from stockcust_analysis.evaluation.results import Evaluation
from tests.golden.renew import GOLDEN, measured_quarter

_KEYS = 7  # quarter, as_of, branch_id, dimension, member, measure, base


def changes(accepted: str, measured: str) -> list[str]:
    """Return the rows that came, went or changed, by their keys, with both values."""
    before, after = _rows(accepted), _rows(measured)
    return [
        f"{key}: {before.get(key, 'not there')} -> {after.get(key, 'gone')}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]


def _rows(text: str) -> dict[str, str]:
    """Return a measure table as key → figures."""
    cells = [line.split(",") for line in text.splitlines()]
    return {",".join(row[:_KEYS]): ",".join(row[_KEYS:]) for row in cells}


def test_the_golden_quarter_has_not_changed(sample_evaluation: Evaluation) -> None:
    """Every measure of every branch of the sample equals the accepted table, digit by digit."""
    found = changes(GOLDEN.read_text(encoding="utf-8"), measured_quarter(sample_evaluation))
    shown = "\n  ".join(found[:10])
    assert not found, (
        f"{len(found)} rows of the golden quarter changed:\n  {shown}\n"
        "If this is meant, add a line under 'Definition changes' in CHANGELOG.md, then run "
        "python -m tests.golden.renew."
    )


def test_changes_tell_what_came_went_and_differs() -> None:
    """A new row, a lost row and a changed figure are each told with both values."""
    head = "quarter,as_of,branch_id,dimension,member,measure,base,n,value\n"
    row = "2026Q3,2026-09-30,{},,,gini,funded,{},0.5\n"
    told = changes(head + row.format("A", 1) + row.format("B", 2),
                   head + row.format("B", 3) + row.format("C", 4))  # fmt: skip
    assert told == [
        "2026Q3,2026-09-30,A,,,gini,funded: 1,0.5 -> gone",
        "2026Q3,2026-09-30,B,,,gini,funded: 2,0.5 -> 3,0.5",
        "2026Q3,2026-09-30,C,,,gini,funded: not there -> 4,0.5",
    ]
