"""What became of the previous quarter's customers, counted by hand on the tiny bank."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from stockcust_analysis.bank.suspicions import SuspicionWarning
from stockcust_analysis.evaluation.results import Evaluation
from tests.evaluation.test_evaluate import evaluation_of, value
from tests.tiny_bank import BRANCHES, CUSTOMERS, as_frames, write_tiny_bank

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


MOVE = "customer_id,from_branch_id,to_branch_id,effective_on\nC2,001,003,2026-07-01\n"
SPLIT = "old_branch_id,new_branch_id,effective_on\n001,003,2026-07-01\n001,004,2026-07-01\n"


def handed_over(folder: Path, moved: dict[str, str], **tables: str) -> Path:
    """Write the tiny bank with branches 003 and 004, some customers' rows of September there."""
    rows = CUSTOMERS
    for customer, branch in moved.items():
        rows = rows.replace(f"2026-09-30,{customer},001", f"2026-09-30,{customer},{branch}")
    branches = f"{BRANCHES}003,河东支行,东区,urban\n004,河西支行,西区,urban\n"
    return write_tiny_bank(folder, branches=branches, customers=rows, **tables)


def sides(evaluation: Evaluation) -> dict[str, tuple[float, float]]:
    """Return opening and closing amount of each branch's bridge on today's structure."""
    names = sorted(set(evaluation.bridge["branch_id"]))
    return {
        name: (
            component(evaluation.bridge, "opening", name)[1],
            component(evaluation.bridge, "closing", name)[1],
        )
        for name in names
    }


def test_a_hand_over_is_neither_growth_nor_migration(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    """C2 went from 001 to the new 003: June counts it there, and 002 reads as without the move."""
    found = evaluation_of(as_frames(handed_over(tmp_path, {"C2": "003"}, customer_moves=MOVE)))
    assert sides(found) == {
        "001": (1_000.00, 1_200.00),
        "002": (70_000.00, 70_000.00),
        "003": (250.50, 250.75),
        "@bank": (71_250.50, 71_450.75),
    }
    assert value(found, "customer_retention", "003") == 1
    assert value(found, "same_customer_growth", "003") == pytest.approx(0.10 / 250.50)
    assert value(found, "customers", "001", quarter="2026Q2") == 1
    assert value(found, "customers", "003", quarter="2026Q2") == 1
    moved = found.migration[found.migration[["from", "to"]].eq("TRANSFERRED").any(axis=1)]
    assert dict(zip(moved["structure"], moved["customers"], strict=False)) == {"issued": 1}
    assert found.policy_facts["moves"]

    def of(result: Evaluation, branch: str) -> pd.DataFrame:
        rows = result.measures[result.measures["branch_id"] == branch]
        return rows.reset_index(drop=True)

    assert "moves" not in evaluation.policy_facts
    for branch in ("002", "@bank"):
        assert_frame_equal(of(found, branch), of(evaluation, branch), check_exact=True)


def test_who_has_no_move_stays_with_the_branch_that_was_split(tmp_path: Path) -> None:
    """001 became 003 (C1, moved) and 004 (C2, whose move is missing): said, and no money lost."""
    moves = MOVE.replace("C2,", "C1,")
    folder = handed_over(
        tmp_path, {"C1": "003", "C2": "004"}, customer_moves=moves, branch_successors=SPLIT
    )
    words = r"1 customers of branch 001, which several took over, .*\(split_without_moves\)"
    with pytest.warns(SuspicionWarning, match=words):
        found = evaluation_of(as_frames(folder))
    assert sides(found) == {
        "001": (250.50, 0.0),
        "002": (70_000.00, 70_000.00),
        "003": (1_000.00, 1_200.00),
        "004": (0.0, 250.75),
        "@bank": (71_250.50, 71_450.75),
    }
    assert component(found.bridge, "transferred_out", "001")[0] == 1
