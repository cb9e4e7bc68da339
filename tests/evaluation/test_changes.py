"""What became of the previous quarter's customers, counted by hand on the tiny bank."""

from __future__ import annotations

import pandas as pd
import pytest

from stockcust_analysis.evaluation.results import Evaluation
from tests.evaluation.test_evaluate import evaluation_of, value
from tests.tiny_bank import as_frames, write_tiny_bank

MERGER = "old_branch_id,new_branch_id,effective_on\n001,002,2026-07-01\n"


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Evaluate the tiny bank as it is, once for all tests that only look."""
    return evaluation_of(as_frames(write_tiny_bank(tmp_path_factory.mktemp("tiny"))))


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Evaluate the tiny bank after branch 001 went to 002, its customers' rows moved too."""
    folder = write_tiny_bank(tmp_path_factory.mktemp("merged"), branch_successors=MERGER)
    customers = (folder / "customers.csv").read_text(encoding="utf-8")
    june, september = customers.split("2026-09-30", 1)
    moved = june + ("2026-09-30" + september).replace(",001,", ",002,")
    (folder / "customers.csv").write_text(moved, encoding="utf-8")
    return evaluation_of(as_frames(folder))


def component(table: pd.DataFrame, name: str, branch: str = "@bank") -> tuple[int, float]:
    """Return customers and amount of one component of the bridge on today's structure."""
    wanted = ["today", branch, name]
    row = table[table[["structure", "branch_id", "component"]].eq(wanted).all(axis=1)]
    return int(row["customers"].iloc[0]), float(row["amount"].iloc[0])


def test_the_bridge_closes_to_the_cent(evaluation: Evaluation) -> None:
    """C1 grew by 200.00, C2 by 0.25, C3 stayed, C4 came with nothing: 71,250.50 to 71,450.75."""
    bridge = evaluation.bridge
    assert component(bridge, "opening") == (3, 71_250.50)
    assert component(bridge, "new") == (1, 0.0)
    assert component(bridge, "grown") == (2, 200.25)
    assert component(bridge, "shrunk") == (0, 0.0)
    assert component(bridge, "closing") == (4, 71_450.75)


def test_migration_adds_up_to_both_quarters(evaluation: Evaluation) -> None:
    """By quarter average: C1 and C2 stay potential, C3 stays mid, C4 is NEW and residual."""
    table = evaluation.migration
    bank = table[(table["branch_id"] == "@bank") & (table["structure"] == "today")]
    cells = {(a, b): n for a, b, n in bank[["from", "to", "customers"]].to_numpy()}
    assert cells == {
        ("potential", "potential"): 2,
        ("mid", "mid"): 1,
        ("NEW", "residual"): 1,
    }
    assert bank["opening_aum"].sum() == pytest.approx(70_150.50)
    assert bank["closing_aum"].sum() == pytest.approx(71_362.94)


def test_retention_and_growth_of_the_same_customers(evaluation: Evaluation) -> None:
    """All three stayed; their quarter averages grew by 200 + 0.10 + 1,000 on 70,150.50."""
    assert value(evaluation, "customer_retention") == 1
    assert value(evaluation, "same_customer_growth") == pytest.approx(1_200.10 / 70_150.50)
    assert value(evaluation, "all_customer_growth") == pytest.approx(1_212.44 / 70_150.50)


def test_a_merger_is_no_migration_on_todays_structure(merged: Evaluation) -> None:
    """On today's structure nobody moved; as issued, two customers were transferred."""
    table = merged.migration
    moved = table[(table["from"] == "TRANSFERRED") | (table["to"] == "TRANSFERRED")]
    assert set(moved["structure"]) == {"issued"}
    arrived = moved[(moved["branch_id"] == "002") & (moved["from"] == "TRANSFERRED")]
    departed = moved[(moved["branch_id"] == "001") & (moved["to"] == "TRANSFERRED")]
    assert arrived["customers"].sum() == departed["customers"].sum() == 2


def test_transfers_net_to_zero_over_the_bank(merged: Evaluation) -> None:
    """As issued, what left branch 001 arrived at branch 002, to the cent."""
    issued = merged.bridge[merged.bridge["structure"] == "issued"]
    moved = issued[issued["component"].str.startswith("transferred")]
    branches = moved[moved["branch_id"] != "@bank"]
    assert branches["amount"].abs().sum() > 0
    assert branches["amount"].sum() == 0
    assert moved.loc[moved["branch_id"] == "@bank", "amount"].abs().sum() == 0
