"""Cell facts of the sample bank, against sums, sorts and groups written out in pandas."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.core.frames import as_lazy
from stockcust_analysis.evaluation.cells import CELL_COLUMNS
from stockcust_analysis.evaluation.comparison import comparison
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from stockcust_analysis.measures.population import customer_facts
from stockcust_analysis.policy import ComparedMeasure, ComparisonRule, load_policy

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
AS_OF, QUARTER = date(2026, 9, 30), "2026Q3"


@pytest.fixture(scope="module")
def facts() -> pd.DataFrame:
    """Return the customer facts of the newest quarter, as pandas."""
    with open_bank(SAMPLE) as bank:
        tables = [bank.snapshot(name, as_of=AS_OF) for name in ("customers", "holdings")]
        made = customer_facts(*tables, policy=load_policy(), as_of=AS_OF)
        return as_lazy(made).collect("pandas").to_native()


@pytest.fixture(scope="module")
def cells(sample_evaluation: Evaluation) -> pd.DataFrame:
    """Return the cell facts of the newest quarter."""
    table = sample_evaluation.cells
    return table[table["quarter"] == QUARTER]


def rows(cells: pd.DataFrame, measure: str, base: str = "funded", member: str = "") -> pd.DataFrame:
    """Return one measure's cell facts by branch."""
    told = (cells["measure"] == measure) & (cells["base"] == base) & (cells["member"] == member)
    return cells[told].set_index("branch_id")


def test_the_two_largest_of_each_branch_and_of_the_bank(
    cells: pd.DataFrame, facts: pd.DataFrame
) -> None:
    """Sorting the funded customers by hand gives the same two, and as many contributors."""
    funded = facts[(facts["in_funded"] == 1) & (facts["aum_average_quarter_cents"] > 0)]
    amount = funded["aum_average_quarter_cents"] / 100
    table = rows(cells, "aum_average_quarter")
    for branch in ("B001", "B002", "B006", WHOLE_BANK):
        own = amount if branch == WHOLE_BANK else amount[funded["branch_id"] == branch]
        two = own.sort_values(ascending=False).head(2).tolist()
        assert table.loc[branch, ["largest", "second_largest"]].tolist() == two
        assert table.loc[branch, "contributors"] == len(own)


def test_members_have_their_own_cells(cells: pd.DataFrame, facts: pd.DataFrame) -> None:
    """The cell of a tier counts that tier's customers alone."""
    high = facts[(facts["tier"] == "high") & (facts["branch_id"] == "B001")]
    row = rows(cells, "tier_aum", "all", "high").loc["B001"]
    assert row["dimension"] == "tier"
    assert row["contributors"] == len(high)
    assert row["largest"] == high["aum_average_quarter_cents"].max() / 100


def test_winsorised_sums(cells: pd.DataFrame, facts: pd.DataFrame) -> None:
    """Amounts above the bank's 99.5 percentile count as that amount, in sums and in squares."""
    funded = facts[facts["in_funded"] == 1]
    cents = np.sort(funded["aum_average_quarter_cents"].to_numpy())
    cap = cents[int(np.ceil(0.995 * cents.size)) - 1] / 100
    own = funded.loc[funded["branch_id"] == "B002", "aum_average_quarter_cents"] / 100
    kept = own.clip(upper=cap)
    row = rows(cells, "aum_per_customer").loc["B002"]
    assert row["winsorised_sum"] == pytest.approx(kept.sum())
    assert row["winsorised_squares"] == pytest.approx((kept**2).sum(), rel=1e-4)
    assert row["winsorised_denominator"] == row["denominator_squares"] == len(own)
    assert row["products"] == pytest.approx(kept.sum(), rel=1e-4)
    assert row["standard_error"] == pytest.approx(kept.std() / len(own) ** 0.5, rel=1e-4)


def test_expected_by_tier_and_tenure(cells: pd.DataFrame, facts: pd.DataFrame) -> None:
    """Each customer is expected to be silent as often as the bank's of the same tier and tenure."""
    funded = facts[facts["in_funded"] == 1]
    silent = (funded["status"] == "silent").astype(float)
    due = silent.groupby([funded["tier"], funded["tenure"]]).transform("mean")
    expected = due.groupby(funded["branch_id"]).sum()
    table = rows(cells, "silent_rate")
    assert table.loc[expected.index, "expected"].to_numpy() == pytest.approx(expected.to_numpy())
    assert table.loc[WHOLE_BANK, "expected"] == pytest.approx(silent.sum())


def test_columns_and_what_is_left_out(cells: pd.DataFrame) -> None:
    """Concentration has no cells: its sums are not what customers bring."""
    assert tuple(cells.columns) == CELL_COLUMNS
    assert not cells["measure"].str.contains("gini|top_|herfindahl|ten_largest").any()
    assert set(cells["quarter"]) == {QUARTER}


def test_planted_stories_are_far_beyond_chance(
    cells: pd.DataFrame, sample_evaluation: Evaluation
) -> None:
    """Of all branches only B003 sleeps far too much, and only B004 sells far too little."""
    names = ("silent_aum_share", "silent_rate", "multi_product_share", "products_per_customer")
    rule = ComparisonRule(measures=tuple(map(ComparedMeasure, names)))
    table = comparison(
        sample_evaluation.measures, sample_evaluation.branches, cells=cells,
        policy=replace(load_policy(), comparison=rule), quarter=QUARTER,
    )  # fmt: skip
    far = table[table["verdict"].str.startswith("far")]
    assert set(zip(far["branch_id"], far["measure"], far["verdict"], strict=True)) == {
        ("B003", "silent_aum_share", "far_above"), ("B003", "silent_rate", "far_above"),
        ("B004", "multi_product_share", "far_below"),
        ("B004", "products_per_customer", "far_below"),
    }  # fmt: skip
    assert (far["expected_ratio"] > 1).tolist() == (far["verdict"] == "far_above").tolist()


def test_the_bridge_knows_whose_the_new_money_is(
    facts: pd.DataFrame, sample_evaluation: Evaluation
) -> None:
    """New customers of a branch, found by hand: those that no earlier quarter's table holds."""
    with open_bank(SAMPLE) as bank:
        earlier = as_lazy(bank.snapshot("customers", as_of=date(2026, 6, 30))).collect("pandas")
    new = facts[~facts["customer_id"].isin(earlier["customer_id"].to_list())]
    amount = new[new["aum_period_end_cents"] > 0].set_index("branch_id")["aum_period_end_cents"]
    told = sample_evaluation.cells
    own = told[(told["dimension"] == "bridge") & (told["member"] == "new")].set_index("branch_id")
    for branch in ("B001", "B002", "B005"):
        largest = amount[branch].sort_values(ascending=False)
        assert own.loc[branch, "contributors"] == len(largest) > 1
        two = own.loc[branch, ["largest", "second_largest"]].tolist()
        assert two == (largest.head(2) / 100).tolist()
    assert own.loc[WHOLE_BANK, "contributors"] == len(amount)


def test_amounts_of_every_quarter_and_below_the_line_have_facts(
    sample_evaluation: Evaluation,
) -> None:
    """Without facts an amount must be withheld: none of a branch is, of five quarters."""
    told, measures = sample_evaluation.cells, sample_evaluation.measures
    volume = measures["measure"].eq("aum_average_quarter") & measures["numerator"].gt(0)
    keys = ["quarter", "branch_id", "base"]
    own = told[told["measure"] == "aum_average_quarter"].set_index(keys)["contributors"]
    assert own.reindex(pd.MultiIndex.from_frame(measures.loc[volume, keys])).ge(1).all()
    # Whoever is at risk had assets: as many stand behind the amount that outflow is a part of.
    base = rows(told, "attrition_outflow_share.denominator", "all")["contributors"]
    at_risk = measures[measures["measure"].eq("attrition_warning_rate")
                       & measures["quarter"].eq(QUARTER) & measures["member"].eq("")]  # fmt: skip
    at_risk = at_risk.set_index("branch_id")["denominator"]
    assert set(base.index) == {*sample_evaluation.branches["branch_id"], WHOLE_BANK}
    assert base.to_dict() == at_risk.reindex(base.index).to_dict()
