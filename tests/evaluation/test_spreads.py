"""What a sum hides: contributors, the two largest and winsorised squares, alike on all engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd
import pytest

from stockcust_analysis.core.frames import Calendar, as_lazy
from stockcust_analysis.evaluation.cells import PARTS, SIZE_COLUMNS, size_table, spread_table
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.registry import Measure, Question, specs_for
from stockcust_analysis.policy import ComparedMeasure, ComparisonRule, load_policy
from tests.frames import BACKENDS, Columns

Make = Callable[[Columns], Any]
CALENDAR = Calendar((date(2026, 9, 30),))
CUSTOMERS: dict[str, list[Any]] = {
    "branch_id": ["A", "A", "A", "A", "B", "B", "C"],
    "moved": [500, -500, 0, 100, 900, 300, 0],
    "held": [1000, 400, 0, 100, 1000, 300, 0],
    "counted": [1, 1, 1, 1, 1, 1, 0],
}
MEAN = Measure("aum_per_customer", "moved_cents", "customers")
RATIO = Measure("silent_aum_share", "moved_cents", "held_cents")
QUESTION = Question(
    "moves",
    lambda *_: {
        "customers": nw.col("counted"),
        "moved_cents": nw.col("moved"),
        "held_cents": nw.col("held"),
    },
    lambda _: (MEAN, RATIO),
)


@pytest.fixture(params=list(BACKENDS))
def make(request: pytest.FixtureRequest) -> Make:
    """Return what turns columns into a table of one engine."""
    return BACKENDS[request.param]


def spreads_of(make: Make, columns: Columns, measure: Measure, *, share: float) -> pd.DataFrame:
    """Return the spreads of one measure by branch, amounts above a percentile capped."""
    rule = ComparisonRule(measures=(ComparedMeasure(measure.name),), winsorised_at=share)
    policy = replace(load_policy(), comparison=rule)
    view = as_lazy(make({**columns, "period": [0] * len(columns["branch_id"])}))
    specs = specs_for(view, [QUESTION])
    return spread_table(view, specs, policy, CALENDAR).set_index("branch_id")


def test_contributors_and_the_two_largest(make: Make) -> None:
    """Signs apart; two of one size are the largest and the second; alone there is no second."""
    view = as_lazy(make({**CUSTOMERS, "period": [0] * 7}))
    sizes = size_table(view, specs_for(view, [QUESTION]), load_policy())
    table = sizes[sizes["measure"] == MEAN.name].set_index("branch_id")[[*SIZE_COLUMNS]]
    assert table.loc[["A", "B", "C", WHOLE_BANK]].to_numpy().tolist() == [
        [3, 5.0, 5.0],
        [2, 9.0, 3.0],
        [0, 0.0, 0.0],
        [5, 9.0, 5.0],
    ]


def test_the_percentile_is_an_amount_that_exists(make: Make) -> None:
    """Of 100, 300, 500, 500, 900 moved 70 % is the fourth; who holds and moves nothing is out.

    Of both that move and hold, 500 and 1,000 are the caps; customers have none.
    """
    table = spreads_of(make, CUSTOMERS, RATIO, share=0.7)
    assert table["winsorised_sum"].to_dict() == {"A": 1.0, "B": 8.0, "C": 0.0, WHOLE_BANK: 9.0}
    assert table["winsorised_denominator"].to_dict() == {"A": 15, "B": 13, "C": 0, WHOLE_BANK: 28}
    table = spreads_of(make, CUSTOMERS, MEAN, share=0.7)
    assert table["winsorised_sum"].to_dict() == {"A": 1.0, "B": 8.0, "C": 0.0, WHOLE_BANK: 9.0}
    assert table["winsorised_denominator"].to_dict() == {"A": 4, "B": 2, "C": 0, WHOLE_BANK: 6}


def test_a_percentile_of_zero_caps_nothing(make: Make) -> None:
    """Where hardly anybody moves money, the cap is the largest amount, not zero."""
    columns = {"branch_id": ["A"] * 4, "moved": [0, 0, 0, 70], "held": [10] * 4, "counted": [1] * 4}
    assert spreads_of(make, columns, RATIO, share=0.7).loc["A", "winsorised_sum"] == 0.7


def test_winsorised_sums_by_hand(make: Make) -> None:
    """Capped at 500 and 400: A moves 500 − 500 + 100 and holds 400 + 400 + 100, in CNY squared.

    In parts of the caps A moves 1, −1, 0, 0.2 and holds 1, 1, 0, 0.25.
    """
    table = spreads_of(make, CUSTOMERS, RATIO, share=0.6)
    row = table.loc["A"]
    assert (row["winsorised_sum"], row["winsorised_denominator"]) == (1.0, 9.0)
    squares = row[["winsorised_squares", "denominator_squares", "products"]].tolist()
    assert squares == pytest.approx(
        [25 * (1 + 1 + 0.04), 16 * (1 + 1 + 0.0625), 20 * (1 - 1 + 0.05)], abs=1e-9
    )
    assert table.loc["B", ["winsorised_sum", "winsorised_denominator"]].tolist() == [8.0, 7.0]


def test_counts_are_squared_as_they_are(make: Make) -> None:
    """A mean per customer has d = 1 each: its squares are the number of customers."""
    row = spreads_of(make, CUSTOMERS, MEAN, share=0.7).loc["A"]
    names = ["winsorised_denominator", "denominator_squares", "products"]
    assert row[names].tolist() == pytest.approx([4, 4, 5 * (1 - 1 + 0.2)], abs=1e-9)


def test_squares_of_a_large_bank_fit() -> None:
    """Ten million customers at a cap of a billion CNY: 10¹⁰ parts each stay below 2⁶³."""
    assert 10_000_000 * PARTS**2 * 10 < 2**63
