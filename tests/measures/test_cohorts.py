"""Lost customers and cohorts; expected values are counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from stockcust_analysis import StockcustError, cohorts, lost_customers
from tests.frames import Columns, as_polars, rows_of, values_of

Make = Callable[[Columns], Any]
OPENING = {
    "customer_id": ["1", "2", "3", "4", "5"],
    "branch_id": ["A", "A", "B", "B", "B"],
    "manager_id": ["M1", None, None, "M2", None],
    "aum_average_quarter": [1000.0, 800.0, 500.0, 900.0, 50.0],
}
# 1 left; 2 fell by 400; 3 fell below 100; 4 grew; 5 was not funded
CLOSING = {
    "customer_id": ["2", "3", "4", "5"],
    "branch_id": ["A", "A", "B", "B"],
    "aum_average_quarter": [400.0, 99.0, 950.0, 0.0],
}


def test_who_took_most(make: Make) -> None:
    """Falls of 1,000, 400 and 401 CNY: in their order, of 1,801 in all."""
    rows = rows_of(lost_customers(make(OPENING), make(CLOSING)))
    assert [(row["rank"], row["customer_id"], row["became"], row["fall"]) for row in rows] == [
        (1, "1", "closed", 1000.0),
        (2, "3", "drained", 401.0),
        (3, "2", "shrunk", 400.0),
    ]
    assert rows[0]["share_of_falls"] == pytest.approx(1000 / 1801)
    assert rows[1]["fall_share"] == pytest.approx(401 / 500)
    assert [row["branch_id"] for row in rows] == ["A", "B", "A"]
    assert [row["manager_id"] for row in rows] == ["M1", None, None]


def test_ties_are_listed_and_said(make: Make) -> None:
    """Two fell by as much as the first: both are listed for one, and the note counts them."""
    closing = CLOSING | {"aum_average_quarter": [400.0, 100.0, 500.0, 0.0]}
    opening = OPENING | {"aum_average_quarter": [400.0, 800.0, 500.0, 900.0, 50.0]}
    result = lost_customers(make(opening), make(closing), top=1)
    assert values_of(result, "customer_id", value="rank") == {"1": 1, "2": 1, "3": 1, "4": 1}
    assert "减少额并列，前1名共4户。" in repr(result)
    assert "并列" not in repr(lost_customers(make(opening), make(closing), top=4))


def test_nobody_lost(make: Make) -> None:
    """Without a fall the table is empty, its columns the same; nobody at all is no number."""
    result = lost_customers(make(OPENING), make(OPENING))
    assert len(result) == 0
    assert [*result][:2] == ["rank", "customer_id"]
    with pytest.raises(StockcustError, match="top must be"):
        lost_customers(make(OPENING), make(OPENING), top=0)


def quarter(on: date, since: dict[str, date], amounts: dict[str, float]) -> Columns:
    """Return the customers of a date."""
    return {
        "customer_id": [*amounts],
        "as_of": [on] * len(amounts),
        "relationship_since": [since[name] for name in amounts],
        "aum_average_quarter": [*amounts.values()],
    }


SINCE = {"1": date(2020, 5, 1), "2": date(2020, 6, 1), "3": date(2026, 5, 1), "4": date(2026, 8, 1)}
QUARTERS = [
    quarter(date(2026, 3, 31), SINCE, {"1": 1000.0, "2": 1000.0}),
    quarter(date(2026, 6, 30), SINCE, {"1": 500.0, "2": 1200.0, "3": 400.0}),
    quarter(date(2026, 9, 30), SINCE, {"2": 900.0, "3": 500.0, "4": 700.0}),
]
ALL = {name: [cell for table in QUARTERS for cell in table[name]] for name in QUARTERS[0]}


def test_cohorts_of_an_opening_year(make: Make) -> None:
    """Of 2020's two one is left, with 900 of 2,000; of 2026's one, then two, both are."""
    result = cohorts(make(ALL))
    kept = [row for row in rows_of(result) if row["measure"] == "customer_retention"]
    assert [(row["quarter"], row["cohort"], row["n"], row["value"]) for row in kept] == [
        ("2026Q1", "2020", 2, 1.0),
        ("2026Q2", "2020", 2, 1.0),
        ("2026Q2", "2026", 1, 1.0),
        ("2026Q3", "2020", 2, 0.5),
        ("2026Q3", "2026", 2, 1.0),
    ]
    money = values_of(result, "quarter", "cohort", "measure")
    assert money["2026Q2", "2020", "asset_retention"] == 0.75
    assert money["2026Q2", "2020", "asset_retention_net"] == 0.85
    assert money["2026Q3", "2020", "asset_retention"] == 0.45
    assert money["2026Q3", "2026", "asset_retention_net"] == pytest.approx(1200 / 1100)


def test_cohorts_of_a_first_product(make: Make) -> None:
    """The earliest account decides; of two on one day the policy's first; others are unknown."""
    holdings = {
        "customer_id": ["1", "1", "2", "2", "3"],
        "product": ["fund", "demand_deposit", "fund", "demand_deposit", "custody"],
        "opened_on": [
            *(date(2020, 5, 1), date(2021, 1, 1)),
            *(date(2020, 6, 1), date(2020, 6, 1)),
            date(2026, 5, 1),
        ],
    }
    result = cohorts(make(ALL), "first_product", holdings=make(holdings))
    sizes = values_of(result.query("quarter == '2026Q3'"), "cohort", value="n")
    assert sizes == {"deposit": 1, "fund": 1, "unknown": 2}
    with pytest.raises(StockcustError, match="needs holdings"):
        cohorts(make(ALL), "first_product")
    with pytest.raises(StockcustError, match="column of customers 'colour'"):
        cohorts(make(ALL), "colour")


def test_cohorts_of_any_cut(make: Make) -> None:
    """By what a customer was when first seen: 2 moved to B in June, and still counts in A."""
    branches = {"branch_id": ["A", "A", "A", "B", "B", "B", "B", "A"]}
    groups = {"groups": ["women", "women;seniors", "women", None, "women", None, "women", None]}
    bank = ALL | branches | groups
    kept = cohorts(make(bank), "branch").query("measure == 'customer_retention'")
    assert values_of(kept, "quarter", "cohort", value="n") == {
        ("2026Q1", "A"): 2,
        ("2026Q2", "A"): 2,
        ("2026Q2", "B"): 1,
        ("2026Q3", "A"): 3,
        ("2026Q3", "B"): 1,
    }
    assert values_of(kept, "quarter", "cohort")["2026Q3", "A"] == pytest.approx(2 / 3)
    several = cohorts(make(bank), "customer_group").query("quarter == '2026Q1'")
    assert values_of(several, "cohort", value="n") == {"women": 2, "seniors": 1}
    assert "同一客户可属于多个客群" in repr(several)
    with pytest.raises(StockcustError, match="by quarter already"):
        cohorts(make(bank | {"quarter": ["x"] * 8}), "quarter")


def test_cohorts_are_called_by_their_words() -> None:
    """By a column's other name, too; a tier's name is printed in words."""
    bank = as_polars(ALL | {"age_group": ["60+"] * 8, "tier": ["mid"] * 8})
    assert set(cohorts(bank, "age_band")["cohort"]) == {"60+"}
    assert "中端" in repr(cohorts(bank, "tier"))
