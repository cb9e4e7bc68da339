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


JUNE, NAMES = date(2026, 6, 30), ("customer_id", "from_branch_id", "to_branch_id", "effective_on")
Move = tuple[str, str, str, date]


@pytest.mark.parametrize(
    ("events", "moves", "expected"),
    [
        # 1 goes to B and on to C, 2 to D; 3 was not in X, so that its move says nothing.
        (
            [],
            [
                ("1", "A", "B", APRIL),
                ("1", "B", "C", JULY),
                ("2", "A", "D", JULY),
                ("3", "X", "Y", APRIL),
            ],
            {"1": "C", "2": "D", "3": "A"},
        ),
        # A is split into B and C: 3 has no move, and stays.
        (
            [("A", "B", JULY), ("A", "C", JULY)],
            [("1", "A", "B", JULY), ("2", "A", "C", JULY)],
            {"1": "B", "2": "C", "3": "A"},
        ),
        # A is merged into B but for 1, which goes to C on the same day; C goes to D later.
        (
            [("A", "B", JULY), ("C", "D", date(2026, 8, 1))],
            [("1", "A", "C", JULY)],
            {"1": "D", "2": "B", "3": "B"},
        ),
        # The two successors are one again later; the move of 3 lies ahead.
        (
            [("A", "B", APRIL), ("A", "C", APRIL), ("B", "C", JULY)],
            [("1", "A", "B", APRIL), ("2", "A", "C", APRIL), ("3", "A", "D", date(2027, 1, 1))],
            {"1": "C", "2": "C", "3": "A"},
        ),
    ],
)
def test_customers_follow_their_moves(
    make: Make, events: list[tuple[str, str, date]], moves: list[Move], expected: dict[str, str]
) -> None:
    """Rows of March count with the branch of December; nobody is lost or stands twice."""
    bank = make(
        {
            "as_of": [date(2026, 3, 31)] * 3,
            "customer_id": ["1", "2", "3"],
            "branch_id": ["A", "A", "A"],
            "amount": [1.25, 2.5, 4.0],
        }
    )
    table = make({name: [row[place] for row in moves] for place, name in enumerate(NAMES)})
    found = rows_of(restate_branches(bank, make(mergers(*events)), as_of=LATER, moves=table))
    assert {row["customer_id"]: row["branch_id"] for row in found} == expected
    assert sorted(row["amount"] for row in found) == [1.25, 2.5, 4.0]
    assert list(found[0]) == ["as_of", "customer_id", "branch_id", "amount"]


def test_a_move_counts_before_its_day_alone(make: Make) -> None:
    """Moved on 1 July: March and June are restated, September is not, nor anything before July."""
    days = [date(2026, 3, 31), JUNE, JULY, date(2026, 9, 30)]
    bank = make({"as_of": days, "customer_id": ["1"] * 4, "branch_id": ["A"] * 4})
    moves = make(dict(zip(NAMES, (["1"], ["A"], ["B"], [JULY]), strict=True)))
    for as_of, expected in ((JUNE, "AAAA"), (JULY, "BBAA")):
        found = rows_of(restate_branches(bank, None, as_of=as_of, moves=moves))
        assert "".join(row["branch_id"] for row in sorted(found, key=by_day)) == expected


@pytest.mark.parametrize(
    ("moved_from", "expected"),
    [
        # B in March, A in June, from A to C on the day A is merged: it left A, not B.
        ("A", "BCC"),
        ("B", "CBC"),
    ],
)
def test_a_move_on_the_day_of_a_merger_is_from_the_branch_before(
    make: Make, moved_from: str, expected: str
) -> None:
    """Only rows of the branch it names follow a move; the others of the new branch stay there."""
    days = [date(2026, 3, 31), JUNE, date(2026, 9, 30)]
    bank = make({"as_of": days, "customer_id": ["1"] * 3, "branch_id": ["B", "A", "C"]})
    moves = make(dict(zip(NAMES, (["1"], [moved_from], ["C"], [JULY]), strict=True)))
    merged = make(mergers(("A", "B", JULY)))
    found = rows_of(restate_branches(bank, merged, as_of=LATER, moves=moves))
    assert "".join(row["branch_id"] for row in sorted(found, key=by_day)) == expected


def test_a_move_after_a_merger_is_from_the_branch_that_took_over(make: Make) -> None:
    """A went to B in April, the customer from B to C in July, C to D in August: all are D's."""
    days = [date(2026, 3, 31), JUNE, date(2026, 9, 30)]
    bank = make({"as_of": days, "customer_id": ["1"] * 3, "branch_id": ["A", "B", "D"]})
    moves = make(dict(zip(NAMES, (["1"], ["B"], ["C"], [JULY]), strict=True)))
    merged = make(mergers(("A", "B", APRIL), ("C", "D", date(2026, 8, 1))))
    found = rows_of(restate_branches(bank, merged, as_of=LATER, moves=moves))
    assert [row["branch_id"] for row in found] == ["D", "D", "D"]


def by_day(row: dict[str, Any]) -> date:
    """Return a row's day."""
    as_of: date = row["as_of"]
    return as_of


def test_missing_columns_are_named(make: Make) -> None:
    """Both tables are checked, and the message says which one lacks what."""
    with pytest.raises(UsageError, match="unknown column of customers 'branch_id'"):
        restate_branches(make({"branch": ["A"]}), make(mergers(("A", "B", APRIL))), as_of=LATER)
    with pytest.raises(UsageError, match="unknown column of branch_successors 'effective_on'"):
        successor_of(make({"old_branch_id": ["A"], "new_branch_id": ["B"]}), LATER)
    moves = make({"customer_id": ["1"]})
    bank = make({"as_of": [JUNE], "customer_id": ["1"], "branch_id": ["A"]})
    with pytest.raises(UsageError, match="unknown column of customer_moves 'from_branch_id'"):
        restate_branches(bank, None, as_of=LATER, moves=moves)
