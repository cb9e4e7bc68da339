"""Outcomes of work lists: contacted and not, listed and held out, counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.worklist_outcomes import worklist_outcomes
from tests.frames import AS_OF, Columns, rows_of, values_of

Make = Callable[[Columns], Any]
LISTED_ON = date(2026, 6, 30)
LISTS = {
    "list": ["dormant", "dormant", "dormant", "maturing", "maturing", "maturing"],
    "branch_id": ["A", "A", "B", "A", "A", "A"],
    "customer_id": ["1", "2", "3", "1", "4", "5"],
    "held_out": [0, 1, 0, 0, 0, 0],
}
CONTACTS = {
    "customer_id": ["1", "1", "2", "3", "4", "5", "9"],
    "contacted_on": [
        date(2026, 7, 1),
        AS_OF,
        LISTED_ON,
        date(2026, 10, 1),
        *[date(2026, 8, 1)] * 3,
    ],
    "outcome": ["none", "sale", "sale", "sale", "reached", "reached", "sale"],
}
OPENING = {
    "customer_id": ["1", "2", "3", "4", "5"],
    "status": ["dormant", "dormant", "silent", "active", "active"],
    "aum_period_end": [100.0, 200.0, 300.0, 1_000.0, 500.0],
}
CLOSING = {
    "customer_id": ["1", "2", "3", "5"],
    "status": ["active", "active_small", "silent", "active"],
    "aum_period_end": [150.10, 200.0, 330.0, 500.0],
}


def outcomes(make: Make, lists: Columns = LISTS, by: str | None = None) -> Any:
    """Return the outcomes of the lists of 30 June by 30 September."""
    return worklist_outcomes(
        make(lists), make(CONTACTS), opening=make(OPENING), closing=make(CLOSING),
        listed_on=LISTED_ON, as_of=AS_OF, by=by,
    )  # fmt: skip


def test_hand_counted_outcomes(make: Make) -> None:
    """Only 1, 4 and 5 were contacted in time; 4 left with its 1,000; 2 was held out."""
    found = values_of(outcomes(make), "list", "group", "measure")
    assert found["dormant", "contacted", "outcome_aum_change"] == pytest.approx(0.501)
    assert found["dormant", "not_contacted", "outcome_aum_change"] == pytest.approx(0.1)
    assert found["maturing", "contacted", "outcome_aum_change"] == pytest.approx(-949.9 / 1_600)
    assert found["dormant", "contacted", "outcome_reactivated_rate"] == 1
    assert found["dormant", "not_contacted", "outcome_reactivated_rate"] == 0
    assert found["dormant", "contacted", "outcome_sold_rate"] == 1
    assert found["maturing", "contacted", "outcome_sold_rate"] == pytest.approx(1 / 3)
    assert found["maturing", "contacted", "outcome_reactivated_rate"] == 1
    assert found["dormant", "held_out", "outcome_aum_change"] == 0
    assert found["dormant", "held_out", "outcome_reactivated_rate"] == 1
    assert found["dormant", "listed", "outcome_aum_change"] == pytest.approx(80.1 / 400)
    assert found["dormant", "listed", "outcome_contacted_rate"] == 1 / 2


def test_only_the_draw_is_evidence(make: Make) -> None:
    """Contacted against not is observational; listed against held out is randomised."""
    rows = rows_of(outcomes(make))
    assert list(rows[0]) == ["list", "evidence", "group", "measure", "base", "n", "numerator",
                             "denominator", "value"]  # fmt: skip
    assert {(row["evidence"], row["group"]) for row in rows} == {
        ("observational", "contacted"), ("observational", "not_contacted"),
        ("randomised", "listed"), ("randomised", "held_out"),
    }  # fmt: skip
    assert {row["base"] for row in rows} == {"listed"}


def test_without_a_hold_out_nothing_is_randomised(make: Make) -> None:
    """All customers count, 2 among those not contacted."""
    lists = {name: values for name, values in LISTS.items() if name != "held_out"}
    rows = rows_of(outcomes(make, lists, by="branch_id"))
    assert {row["evidence"] for row in rows} == {"observational"}
    counts = {(row["branch_id"], row["list"], row["group"]): row["n"] for row in rows}
    assert counts == {
        ("A", "dormant", "contacted"): 1, ("A", "dormant", "not_contacted"): 1,
        ("B", "dormant", "not_contacted"): 1, ("A", "maturing", "contacted"): 3,
    }  # fmt: skip


def test_facts_in_cents_will_do(make: Make) -> None:
    """Customer facts carry cents: the same amounts give the same change."""
    cents = {k: v for k, v in OPENING.items() if k != "aum_period_end"} | {
        "aum_period_end_cents": [10_000, 20_000, 30_000, 100_000, 50_000]
    }
    found = worklist_outcomes(make(LISTS), make(CONTACTS), opening=make(cents),
                              closing=make(CLOSING), listed_on=LISTED_ON, as_of=AS_OF)  # fmt: skip
    assert rows_of(found) == rows_of(outcomes(make))


def test_missing_columns_are_named(make: Make) -> None:
    """Customers without a status cannot be told reactivated."""
    opening = {name: OPENING[name] for name in ("customer_id", "aum_period_end")}
    with pytest.raises(UsageError, match="unknown column of opening customers 'status'"):
        worklist_outcomes(make(LISTS), make(CONTACTS), opening=make(opening),
                          closing=make(CLOSING), listed_on=LISTED_ON, as_of=AS_OF)  # fmt: skip
