"""The flow of dormancy: every way in and out, and that stock and flow agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.dormancy import dormancy_flow
from stockcust_analysis.policy import DormancyRule
from tests.frames import Columns, as_polars, rows_of, values_of

Make = Callable[[Columns], Any]
RULE = DormancyRule("plain", cap=500, idle_months=6)
Customer = tuple[str, str | None, int]


def bank(*customers: tuple[str, str, str | None, float]) -> dict[str, list[Any]]:
    """Return customers: number, branch, status, AUM of the day, which is also the average."""
    numbers, branches, statuses, amounts = (list(column) for column in zip(*customers, strict=True))
    return {"customer_id": numbers, "branch_id": branches, "status": statuses,
            "aum_period_end": amounts, "aum_average_quarter": amounts}  # fmt: skip


def two_dates() -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Return eight customers before and eight after.

    In A: 1 sleeps on, 2 wakes with 700 more, 3 is silent now, 4 left, 5 lost its money (and the
    base), 6 falls asleep, 7 is new. 8 wakes and moves to B; 9 of B left the rule's scope.
    """
    opening = bank(
        ("1", "A", "dormant", 200.0), ("2", "A", "dormant", 300.0), ("3", "A", "dormant", 400.0),
        ("4", "A", "dormant", 100.0), ("5", "A", "dormant", 150.0), ("6", "A", "active", 800.0),
        ("8", "A", "dormant", 250.0), ("9", "B", "dormant", 120.0),
    )  # fmt: skip
    closing = bank(
        ("1", "A", "dormant", 210.0), ("2", "A", "active", 1_000.0), ("3", "A", "silent", 600.0),
        ("5", "A", "dormant", 0.0), ("6", "A", "dormant", 130.0), ("7", "A", "dormant", 140.0),
        ("8", "B", "active_small", 251.0), ("9", "B", None, 120.0),
    )  # fmt: skip
    return opening, closing


def test_flow_by_hand(make: Make) -> None:
    """Eight customers in two branches, each way in and out once."""
    opening, closing = (make(table) for table in two_dates())
    found = values_of(dormancy_flow(opening, closing, RULE, by="branch_id"), "branch_id", "measure")
    of_a = {measure: value for (branch, measure), value in found.items() if branch == "A"}
    assert of_a == {
        "dormant_opening": 5, "newly_dormant": 1, "dormant_arrived": 1, "reactivated": 1,
        "dormant_moved": 1, "dormant_left": 2, "dormant_closing": 3,
        "newly_dormant_rate": 1, "reactivation_rate": pytest.approx(1 / 5),
        "dormant_opening_aum": 1_150, "newly_dormant_aum": 130, "reactivated_aum": 1_000,
        "returned_aum": 700, "dormant_closing_aum": 480,
    }  # fmt: skip
    assert found["B", "reactivated"] == 1
    assert found["B", "returned_aum"] == 1
    assert found["B", "dormant_left"] == 1
    assert found["B", "newly_dormant_rate"] is None


def test_result_is_the_measure_frame(make: Make) -> None:
    """The closing customers of the base that have a status are n."""
    rows = rows_of(dormancy_flow(*(make(table) for table in two_dates()), RULE))
    assert list(rows[0]) == ["measure", "base", "n", "numerator", "denominator", "value"]
    assert {(row["base"], row["n"]) for row in rows} == {("funded", 6)}


def test_statuses_are_needed(make: Make) -> None:
    """Tables that were not judged are refused, and so is a customer twice."""
    opening, closing = two_dates()
    bare = {name: values for name, values in opening.items() if name != "status"}
    with pytest.raises(UsageError, match="unknown column of opening 'status'"):
        dormancy_flow(make(bare), make(closing), RULE)
    closing["customer_id"][1] = "1"
    with pytest.raises(UsageError, match="closing: customers: 1 rows repeat a 'customer_id'"):
        dormancy_flow(make(opening), make(closing), RULE)


STATUSES = st.sampled_from(["active", "active_small", "silent", "dormant", None])
PEOPLE = st.dictionaries(
    st.sampled_from("abcdefgh"), st.tuples(STATUSES, st.integers(0, 300)), min_size=1
)


@settings(max_examples=12)
@given(PEOPLE, PEOPLE, st.sampled_from(["all", "funded"]))
def test_stock_and_flow_agree(
    before: dict[str, tuple[str | None, int]], after: dict[str, tuple[str | None, int]], base: str
) -> None:
    """Opening + newly + arrived − reactivated − moved − left = closing, for any two banks."""
    tables = [
        as_polars(bank(*((name, "A", status, float(amount)) for name, (status, amount) in
                         people.items())))
        for people in (before, after)
    ]  # fmt: skip
    tables = [table.with_columns(pl.col("status").cast(pl.String)) for table in tables]
    found = values_of(dormancy_flow(*tables, RULE, base=base), "measure")
    came = found["newly_dormant"] + found["dormant_arrived"]
    went = found["reactivated"] + found["dormant_moved"] + found["dormant_left"]
    assert found["dormant_opening"] + came - went == found["dormant_closing"]
    asleep = [status == "dormant" and (base == "all" or amount >= 100)
              for status, amount in after.values()]  # fmt: skip
    assert found["dormant_closing"] == sum(asleep)
