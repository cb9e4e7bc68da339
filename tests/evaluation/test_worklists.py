"""What is to be done first, and the lists in figures, counted by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.worklists import make_lists, most_pressing, worklist_tables
from stockcust_analysis.policy import load_policy
from tests.tiny_bank import as_frames, write_tiny_bank


def lists(*rows: tuple[str, str, int, float, str]) -> pd.DataFrame:
    """Return (branch, list, customers, amount, due) as the evaluation keeps them."""
    return pd.DataFrame(rows, columns=["branch_id", "list", "customers", "amount", "due_on"])


ASSETS = pd.DataFrame(
    {
        "quarter": "2026Q3", "branch_id": ["B01", "@bank"], "measure": "aum_period_end",
        "base": "all", "value": [1e7, 1e8],
    }
)  # fmt: skip


def test_the_most_pressing_comes_first() -> None:
    """First what falls due early; then the most money beyond a tenth of the bank's; then by money.

    B01 holds a tenth of the bank's assets. Of the dormant it has 5 where 2 would be usual, of the
    silent 9 where 5 would be (in 10,000 CNY); of the next product no more than usual, and of the
    unassigned less. Set aside is no task, and what is due in November none of October.
    """
    table = lists(
        ("B01", "unassigned", 1, 1e4, "2026-10-31"),
        ("B01", "dormant", 4, 5e4, "2026-10-31"),
        ("B01", "silent_with_assets", 2, 9e4, "2026-10-31"),
        ("B01", "maturing", 1, 1e4, "2026-10-05"),
        ("B01", "next_product", 9, 30e4, "2026-10-31"),
        ("B01", "reclaim", 0, 0.0, ""),
        ("B01", "set_aside", 8, 99e4, "2026-10-31"),
        ("B01", "incomplete_profile", 8, 99e4, "2026-11-20"),
        ("@bank", "unassigned", 40, 40e4, ""),
        ("@bank", "dormant", 40, 20e4, ""),
        ("@bank", "silent_with_assets", 20, 50e4, ""),
        ("@bank", "maturing", 10, 10e4, ""),
        ("@bank", "next_product", 90, 300e4, ""),
        ("@bank", "set_aside", 80, 99e4, ""),
    )
    found = most_pressing(table, ASSETS, branch_id="B01")
    assert found["list"].tolist() == [
        "maturing", "silent_with_assets", "dormant", "next_product", "unassigned",
    ]  # fmt: skip
    assert most_pressing(table, ASSETS, branch_id="B01", most=2)["list"].tolist() == [
        "maturing", "silent_with_assets",
    ]  # fmt: skip


def test_a_branch_without_lists_has_nothing_to_do() -> None:
    """Neither a bank without lists nor a branch on none of them is an error."""
    assert most_pressing(pd.DataFrame(), ASSETS, branch_id="B01").empty
    assert most_pressing(lists(("B02", "dormant", 1, 1.0, "")), ASSETS, branch_id="B01").empty


def test_lists_in_figures(tmp_path: Path) -> None:
    """C3 alone (70,000 CNY, idle over a quarter, one family) of branch 002 is on lists; bank alike.

    C2 has 250.75 and never acted: dormant in branch 001. Without contacts no outcomes.
    """
    with open_bank(as_frames(write_tiny_bank(tmp_path))) as bank:
        quarter, policy = Quarter.parse("2026Q3"), load_policy()
        lists = make_lists(bank, as_of=quarter.end, policy=policy)
        table, outcomes = worklist_tables(bank, lists, quarter=quarter, policy=policy)
    asleep = table[table["list"] == "dormant"].set_index("branch_id")
    assert asleep["customers"].to_dict() == {"001": 1, "002": 0, "@bank": 1}
    assert asleep["amount"].to_dict() == {"001": 250.75, "002": 0.0, "@bank": 250.75}
    assert asleep["due_on"].to_dict() == {"001": "2026-10-31", "002": "", "@bank": ""}
    assert asleep["due_in_month"].to_dict() == {"001": 1, "002": 0, "@bank": 1}
    assert outcomes.empty


@pytest.mark.filterwarnings("ignore:contacts hold no row")
@pytest.mark.parametrize("row", ["", "C1,M1,2026-07-10,phone,reached\n"], ids=["none", "of others"])
def test_a_list_that_nobody_was_contacted_of_has_outcomes(tmp_path: Path, row: str) -> None:
    """In June C2 was on one list and C3 on another: their rate of contacts is 0, no error.

    No rows of contacts were a column of numbers, which is no column of customers.
    """
    contacts = f"customer_id,manager_id,contacted_on,channel,outcome\n{row}"
    with open_bank(write_tiny_bank(tmp_path, contacts=contacts)) as bank:
        quarter, policy = Quarter.parse("2026Q3"), load_policy()
        lists = make_lists(bank, as_of=quarter.end, policy=policy)
        _, outcomes = worklist_tables(bank, lists, quarter=quarter, policy=policy)
    rates = outcomes[outcomes["measure"] == "outcome_contacted_rate"].set_index("branch_id")
    of_branches = rates.drop("@bank")[["list", "n", "value"]]
    assert of_branches.to_dict("index") == {
        "001": {"list": "dormant", "n": 1, "value": 0},
        "002": {"list": "next_product", "n": 1, "value": 0},
    }
