"""Branch structure: mergers one after another, in the order they took effect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.population import restate_branches, successor_of
from tests.frames import Columns, as_pandas, rows_of

Make = Callable[[Columns], Any]
APRIL, JULY = date(2026, 4, 1), date(2026, 7, 1)
LATER = date(2026, 12, 31)


def mergers(*rows: tuple[str, str, date]) -> dict[str, list[Any]]:
    """Return successors as columns."""
    names = ("old_branch_id", "new_branch_id", "effective_on")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def test_branches_on_a_later_structure(make: Make) -> None:
    """A went to B in April, B to C in July: each date has its own structure, D is as it was."""
    bank = make({"customer_id": ["1", "2", "3"], "branch_id": ["A", "B", "D"]})
    events = make(mergers(("B", "C", JULY), ("A", "B", APRIL)))
    for as_of, expected in (
        (date(2026, 3, 31), ["A", "B", "D"]),
        (date(2026, 6, 30), ["B", "B", "D"]),
        (JULY, ["C", "C", "D"]),
    ):
        found = restate_branches(bank, events, as_of=as_of)
        rows = sorted(rows_of(found), key=lambda row: row["customer_id"])
        assert [row["branch_id"] for row in rows] == expected
        assert list(rows[0]) == ["customer_id", "branch_id"]
        assert type(found) is type(bank)


def test_another_column_of_branches(make: Make) -> None:
    """Holdings are put on the structure by their booking branch, the owning one stays."""
    accounts = make({"booking_branch_id": ["A"], "branch_id": ["A"]})
    found = restate_branches(
        accounts, make(mergers(("A", "B", APRIL))), as_of=LATER, branch="booking_branch_id"
    )
    assert rows_of(found) == [{"booking_branch_id": "B", "branch_id": "A"}]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([("A", "B", APRIL), ("B", "C", APRIL)], {"A": "C", "B": "C"}),
        ([("B", "C", APRIL), ("A", "B", APRIL)], {"A": "C", "B": "C"}),
        # B gave its people to A, which opens again under its old number
        ([("A", "B", APRIL), ("B", "A", JULY)], {"B": "A"}),
        ([], {}),
    ],
)
def test_chains(events: list[tuple[str, str, date]], expected: dict[str, str]) -> None:
    """Mergers of one day may stand in any order; a branch that comes back keeps its customers."""
    assert successor_of(as_pandas(mergers(*events)), LATER) == expected


def test_missing_columns_are_named(make: Make) -> None:
    """Both tables are checked, and the message says which one lacks what."""
    with pytest.raises(UsageError, match="unknown column of customers 'branch_id'"):
        restate_branches(make({"branch": ["A"]}), make(mergers(("A", "B", APRIL))), as_of=LATER)
    with pytest.raises(UsageError, match="unknown column of branch_successors 'effective_on'"):
        successor_of(make({"old_branch_id": ["A"], "new_branch_id": ["B"]}), LATER)
