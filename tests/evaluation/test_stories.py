"""Each story planted in the sample bank is found by the measure that should find it."""

from __future__ import annotations

import pandas as pd
import pytest

from stockcust_analysis.evaluation.results import Evaluation


@pytest.fixture(scope="module")
def now(sample_evaluation: Evaluation) -> pd.DataFrame:
    """Return branch by measure, of branches large enough to compare, on their own base."""
    rows = sample_evaluation.measures
    here = rows[(rows["quarter"] == "2026Q3") & (rows["dimension"] == "")]
    funded = here[(here["base"] == "funded") & (here["branch_id"] != "@bank")]
    table = funded.pivot(index="branch_id", columns="measure", values="value")
    return table[table["customers"] >= 200]


def test_ten_customers(now: pd.DataFrame) -> None:
    """B002 depends on ten customers more than any other branch, with over 60 %."""
    assert now["ten_largest_share"].idxmax() == "B002"
    assert now.loc["B002", "ten_largest_share"] > 0.6


def test_sleeping_money(now: pd.DataFrame) -> None:
    """B003 has the largest silent share of assets, over twice the next one."""
    shares = now["silent_aum_share"].sort_values()
    assert shares.index[-1] == "B003"
    assert shares.iloc[-1] > 2 * shares.iloc[-2]


def test_weak_cross_sell(now: pd.DataFrame) -> None:
    """B004 has by far the fewest customers with two families."""
    shares = now["multi_product_share"].sort_values()
    assert shares.index[0] == "B004"
    assert shares.iloc[0] < 0.5 * shares.iloc[1]


def test_growth_by_new_customers_alone(sample_evaluation: Evaluation) -> None:
    """B005's bridge rises by its new customers, while those it had hold less than before."""
    bridge = sample_evaluation.bridge
    own = bridge[(bridge["branch_id"] == "B005") & (bridge["structure"] == "today")]
    amount = own.set_index("component")["amount"]
    assert amount["closing"] > amount["opening"]
    assert amount["closing"] - amount["new"] < amount["opening"]
    parts = amount.drop(["opening", "closing"]).sum()
    assert amount["opening"] + parts == pytest.approx(amount["closing"], abs=0.005)


def test_tiny_and_new_branch(sample_evaluation: Evaluation) -> None:
    """B006 has under 30 customers; B007 has no figures before 2026Q3."""
    rows = sample_evaluation.measures
    customers = rows[(rows["measure"] == "customers") & (rows["base"] == "all")]
    tiny = customers[(customers["branch_id"] == "B006") & (customers["quarter"] == "2026Q3")]
    assert tiny["value"].item() < 30
    assert set(customers.loc[customers["branch_id"] == "B007", "quarter"]) == {"2026Q3"}


def test_a_merger_is_told_on_todays_structure(sample_evaluation: Evaluation) -> None:
    """B008 has the customers of B025 and B026 in every quarter before the merger."""
    rows = sample_evaluation.measures
    customers = rows[(rows["measure"] == "customers") & (rows["base"] == "all")]
    assert set(customers["branch_id"]) & {"B025", "B026"} == set()
    by_quarter = customers[customers["branch_id"] == "B008"].set_index("quarter")["value"]
    assert len(by_quarter) == 5
    assert by_quarter["2026Q1"] == pytest.approx(by_quarter["2026Q2"], rel=0.1)
