"""What a sum hides: contributors, the two largest and winsorised squares, alike on all engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from stockcust_analysis.measures.cell_facts import PARTS, Term, capped, cell_facts

from stockcust_analysis.core.frames import as_lazy, collect_rows
from tests.frames import Columns

Make = Callable[[Columns], Any]
EACH_ONE: dict[str, list[Any]] = {
    "branch_id": ["A", "A", "A", "A", "B", "B", "C"],
    "moved_cents": [500, -500, 0, 100, 900, 300, 0],
    "held_cents": [1000, 400, 0, 100, 1000, 300, 0],
    "customers": [1, 1, 1, 1, 1, 1, 0],
}


def facts_of(table: Any, **more: Any) -> pd.DataFrame:
    """Return the cell facts by branch, in order."""
    found = collect_rows(cell_facts(as_lazy(table), by=["branch_id"], **more))
    return pd.DataFrame(found).set_index("branch_id").sort_index()


def test_contributors_and_the_two_largest(make: Make) -> None:
    """Signs apart; two of one size are the largest and the second; alone there is no second."""
    table = facts_of(make(EACH_ONE), amounts=["moved_cents"])
    names = ["contributors", "largest", "second_largest"]
    assert table[[f"{name}|moved_cents" for name in names]].values.tolist() == [
        [3, 500, 500], [2, 900, 300], [0, 0, 0],
    ]  # fmt: skip


def test_the_percentile_is_an_amount_that_exists(make: Make) -> None:
    """Of 100, 300, 500, 500, 900 moved 70 % is the fourth; who holds and moves nothing is out."""
    (term,) = capped(as_lazy(make(EACH_ONE)), [Term("moved_cents", "held_cents")], share=0.7)
    assert (term.numerator_cap, term.denominator_cap) == (500, 1000)
    (term,) = capped(as_lazy(make(EACH_ONE)), [Term("moved_cents", "customers")], share=0.7)
    assert (term.numerator_cap, term.denominator_cap) == (500, 0)


def test_a_percentile_of_zero_caps_nothing(make: Make) -> None:
    """Where hardly anybody moves money, the cap is the largest amount, not zero."""
    columns = {"branch_id": ["A"] * 4, "x_cents": [0, 0, 0, 70], "d_cents": [10, 10, 10, 10]}
    (term,) = capped(as_lazy(make(columns)), [Term("x_cents", "d_cents")], share=0.5)
    assert term.numerator_cap == 70


def test_winsorised_sums_by_hand(make: Make) -> None:
    """Capped at 500 and 400: A moves 500 − 500 + 100 and holds 400 + 400 + 100, squares in parts.

    In parts of the caps A moves 1, −1, 0, 0.2 and holds 1, 1, 0, 0.25.
    """
    term = Term("moved_cents", "held_cents", 500, 400)
    table = facts_of(make(EACH_ONE), amounts=[], terms=[term])
    row = table.loc["A"]
    assert (row["x|0"], row["d|0"], row["customers|0"]) == (100, 900, 3)
    squares = np.array([row["xx|0"], row["dd|0"], row["xd|0"]]) / PARTS**2
    assert squares == pytest.approx([1 + 1 + 0.04, 1 + 1 + 0.0625, 1 - 1 + 0.05], abs=1e-9)
    assert table.loc["B", ["x|0", "d|0"]].tolist() == [800, 700]


def test_counts_are_squared_as_they_are(make: Make) -> None:
    """A mean per customer has d = 1 each: its squares are the number of customers."""
    term = Term("moved_cents", "customers", 500, 0)
    row = facts_of(make(EACH_ONE), amounts=[], terms=[term]).loc["A"]
    assert (row["d|0"], row["dd|0"], row["xd|0"]) == (4, 4, PARTS - PARTS + PARTS // 5)


def test_squares_of_a_large_bank_fit() -> None:
    """Ten million customers at a cap of a billion CNY: 10¹⁰ parts each stay below 2⁶³."""
    assert 10_000_000 * PARTS**2 * 10 < 2**63
