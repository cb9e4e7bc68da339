"""The quarterly evaluation, counted by hand on a bank of four customers."""

from __future__ import annotations

import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from stockcust_analysis.bank.source import Bank, open_bank
from stockcust_analysis.bank.suspicions import SuspicionWarning
from stockcust_analysis.core.engines import DuckDBEngine, Frame
from stockcust_analysis.core.frames import Calendar
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation import measuring
from stockcust_analysis.evaluation.evaluate import evaluate
from stockcust_analysis.evaluation.measuring import Views
from stockcust_analysis.evaluation.results import Evaluation, open_evaluation
from stockcust_analysis.policy import Policy
from stockcust_analysis.report.manifest import EvaluationCache, slice_digests
from stockcust_analysis.report.plan import slice_folder
from tests.conftest import SAMPLE
from tests.tiny_bank import CUSTOMERS, HOLDINGS, TinyBank, as_frames, write_tiny_bank

evaluate_module = sys.modules[evaluate.__module__]
MATERIALIZE, RELEASE = Bank.materialize, Bank.release


def evaluation_of(source: Any, quarter: str = "2026Q3", **more: bool) -> Evaluation:
    """Evaluate the bank in a folder, or that of some frames."""
    with open_bank(source) as bank:
        return evaluate(bank, quarter=quarter, **more)  # type: ignore[arg-type]


def value(
    evaluation: Evaluation,
    measure: str,
    branch_id: str = "@bank",
    *,
    quarter: str = "2026Q3",
    base: str = "funded",
    member: str = "",
) -> float:
    """Return one value of the measure table, which must stand there exactly once."""
    rows = evaluation.measures
    wanted = [measure, branch_id, quarter, base, member]
    columns = ["measure", "branch_id", "quarter", "base", "member"]
    found = rows.loc[rows[columns].eq(wanted).all(axis=1), "value"]
    assert len(found) == 1
    return float(found.iloc[0])


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Evaluate the tiny bank as it is, once for all tests that only look."""
    return evaluation_of(as_frames(write_tiny_bank(tmp_path_factory.mktemp("tiny"))))


# C1 1,200 (active), C2 250.75 (never active: dormant), C3 70,000 (time deposit, last active
# 2026-05-20: within six months), C4 no assets but a loan (active): all four are funded.
HAND_COUNTED = {
    ("customers", "@bank", "funded"): 4,
    ("customers", "001", "funded"): 2,
    ("customers", "002", "effective"): 1,
    ("aum_period_end", "@bank", "funded"): 71_450.75,
    ("aum_average_quarter", "@bank", "funded"): 71_362.94,
    ("dormancy_rate", "@bank", "funded"): 1 / 4,
    ("dormancy_rate", "001", "funded"): 1 / 2,
    ("active_rate", "@bank", "funded"): 2 / 4,
    ("active_small_rate", "@bank", "funded"): 1 / 4,
    ("top_20_share", "@bank", "funded"): 0.8 * 70_000 / 71_450.75,
    ("ten_largest_share", "@bank", "funded"): 1,
    # (−3·0 − 1·250.75 + 1·1,200 + 3·70,000) / (4 · 71,450.75)
    ("gini", "@bank", "funded"): 210_949.25 / 285_803.00,
    ("products_per_customer", "@bank", "funded"): 1,
    ("multi_product_share", "@bank", "funded"): 0,
}


@pytest.mark.parametrize(("key", "expected"), HAND_COUNTED.items(), ids=str)
def test_measures_counted_by_hand(
    evaluation: Evaluation, key: tuple[str, str, str], expected: float
) -> None:
    """Each measure of the tiny bank is what a person counts."""
    measure, branch_id, base = key
    assert value(evaluation, measure, branch_id, base=base) == pytest.approx(expected, abs=1e-12)


def test_tiers_and_families_stand_in_their_own_rows(evaluation: Evaluation) -> None:
    """Breakdowns have a dimension and a member, also where nobody is in it."""
    assert value(evaluation, "tier_customers", base="all", member="mid") == 1
    assert value(evaluation, "tier_customers", base="all", member="private") == 0
    assert value(evaluation, "penetration", member="loan") == 1 / 4
    assert value(evaluation, "product_count_share", member="1") == 1


def test_the_previous_quarter_is_told_too(evaluation: Evaluation) -> None:
    """Every quarter up to four back has its own rows, counted on its own snapshot."""
    assert sorted(evaluation.measures["quarter"].unique()) == ["2026Q2", "2026Q3"]
    assert value(evaluation, "customers", quarter="2026Q2") == 3
    assert evaluation.previous_migration.empty
    assert evaluation.previous_bridge.empty


def a_quarter_before(table: str) -> str:
    """Return a table of the tiny bank with its June rows once more, as those of March."""
    june = [line for line in table.splitlines() if line.startswith("2026-06-30")]
    march = "".join(f"{line}\n" for line in june).replace("2026-06-30", "2026-03-31")
    return table + re.sub("2026-0[56]", "2026-03", march)


def test_earlier_quarters_make_room(monkeypatch: pytest.MonkeyPatch, tiny_bank: TinyBank) -> None:
    """A chunk begins beside what it is compared with alone, and in the end nothing is held."""
    held: list[str] = []
    steps: dict[str, int] = {}
    begin = measuring.views_of
    monkeypatch.setattr(DuckDBEngine, "has_room_for", lambda engine, rows: False)

    def materialize(bank: Bank, frame: Frame) -> Frame:
        table = MATERIALIZE(bank, frame)
        held.append(table.alias)
        return table

    def release(bank: Bank, frame: Frame) -> None:
        held.remove(frame.alias)
        RELEASE(bank, frame)

    def views_of(bank: Bank, policy: Policy, calendar: Calendar, *, structure: Quarter) -> Views:
        steps[" ".join(str(Quarter.ending_on(day)) for day in calendar.days)] = len(held)
        return begin(bank, policy, calendar, structure=structure)

    monkeypatch.setattr(Bank, "materialize", materialize)
    monkeypatch.setattr(Bank, "release", release)
    monkeypatch.setattr(measuring, "views_of", views_of)
    monkeypatch.setattr(evaluate_module, "_ROWS_AT_ONCE", 1)
    three = {"customers": a_quarter_before(CUSTOMERS), "holdings": a_quarter_before(HOLDINGS)}
    evaluation_of(tiny_bank(**three))
    assert steps == {"2026Q1": 0, "2026Q2": 1, "2026Q3": 1}
    assert not held


def test_what_changed_in_the_previous_quarter_stands_beside(tiny_bank: TinyBank) -> None:
    """March was as June: all three stayed, with what they had; without March nothing is told."""
    three = {"customers": a_quarter_before(CUSTOMERS), "holdings": a_quarter_before(HOLDINGS)}
    told = evaluation_of(as_frames(tiny_bank(**three)))
    assert value(told, "customer_retention", quarter="2026Q2") == 1
    assert value(told, "all_customer_growth", quarter="2026Q2") == 0
    moves, bridge = (
        table[table["branch_id"] == "@bank"]
        for table in (told.previous_migration, told.previous_bridge)
    )
    assert moves[["from", "to", "customers"]].values.tolist() == [
        ["potential", "potential", 2],
        ["mid", "mid", 1],
    ]
    amounts = bridge.set_index("component")["amount"]
    assert amounts[amounts != 0].to_dict() == {"opening": 71_250.50, "closing": 71_250.50}
    assert told.of_branch("001").previous_bridge["branch_id"].unique().tolist() == ["001"]


def test_a_quarter_that_is_not_there(tiny_bank: TinyBank) -> None:
    """An unknown quarter is an error that lists those there are."""
    with pytest.raises(UsageError, match=r"unknown quarter '2027Q1'.*2026Q2, 2026Q3"):
        evaluation_of(tiny_bank(), "2027Q1")
    with pytest.raises(UsageError, match="Write it like 2026Q3"):
        evaluation_of(tiny_bank(), "2026-09")


def test_a_quarter_without_previous_one(tiny_bank: TinyBank) -> None:
    """A missing previous quarter is an error, unless it is stated that there is none."""
    folder = tiny_bank()
    with pytest.raises(UsageError, match=r"2026Q2 has no previous quarter.*first_quarter=True"):
        evaluation_of(folder, "2026Q2")
    evaluation = evaluation_of(as_frames(folder), "2026Q2", first_quarter=True)
    assert value(evaluation, "customers", quarter="2026Q2") == 3


def test_merged_branches_are_told_on_todays_structure(tiny_bank: TinyBank) -> None:
    """After a merger, earlier quarters count the old branch's customers with the new one."""
    successors = "old_branch_id,new_branch_id,effective_on\n001,002,2026-07-01\n"
    evaluation = evaluation_of(as_frames(tiny_bank(branch_successors=successors)))
    assert evaluation.branches["branch_id"].tolist() == ["002"]
    assert value(evaluation, "customers", "002", quarter="2026Q2") == 3
    later = successors.replace("2026-07-01", "2026-10-01")
    evaluation = evaluation_of(as_frames(tiny_bank(branch_successors=later)))
    assert value(evaluation, "customers", "002", quarter="2026Q2") == 1


def test_reconciliation_shows_the_difference(tiny_bank: TinyBank) -> None:
    """Assets by customer and by account are compared to the cent."""
    evaluation = evaluation_of(as_frames(tiny_bank()))
    assert evaluation.reconciliation["difference"].tolist() == [0.0]
    short = HOLDINGS.replace("2026-09-30,A2,C2,demand_deposit,250.75", "2026-09-30,A2,C2,sms,0")
    evaluation = evaluation_of(as_frames(tiny_bank(holdings=short)))
    assert evaluation.reconciliation["difference"].tolist() == [250.75]


def test_an_overdraft_is_no_difference(tiny_bank: TinyBank) -> None:
    """Of a customer's assets an overdraft counts as 0: what the accounts add up to, does too."""
    drawn = f"{HOLDINGS.rstrip()}\n2026-09-30,A9,C2,demand_deposit,-88.80\n"
    bank = tiny_bank(holdings=drawn)
    with pytest.warns(SuspicionWarning, match="negative_balance"):
        evaluation = evaluation_of(as_frames(bank))
    assert evaluation.reconciliation["difference"].tolist() == [0.0]


def test_counts_of_branches_add_up_to_the_bank(evaluation: Evaluation) -> None:
    """Numerators of counts and sums over the branches equal the whole bank's."""
    rows = evaluation.measures
    counts = rows[rows["measure"].isin(["customers", "aum_period_end", "dormancy_rate"])]
    keys = ["quarter", "measure", "base"]
    bank = counts[counts["branch_id"] == "@bank"].set_index(keys)["numerator"]
    branches = counts[counts["branch_id"] != "@bank"].groupby(keys)["numerator"].sum()
    pd.testing.assert_series_equal(branches.sort_index(), bank.sort_index())


def test_what_is_saved_is_what_is_opened(evaluation: Evaluation, tmp_path: Path) -> None:
    """Every table comes back equal, bit by bit, and only the owner may look into the folder."""
    evaluation.save(tmp_path / "evaluation")
    opened = open_evaluation(tmp_path / "evaluation")
    for field in fields(Evaluation):
        left, right = getattr(evaluation, field.name), getattr(opened, field.name)
        if isinstance(left, pd.DataFrame):
            assert_frame_equal(left, right, check_exact=True, check_dtype=not left.empty)
        else:
            assert left == right
    assert (tmp_path / "evaluation").stat().st_mode & 0o777 == 0o700


def test_a_slice_holds_one_branch_and_the_bank(evaluation: Evaluation) -> None:
    """A branch's page sees its own rows and the bank's, nobody else's."""
    piece = evaluation.of_branch("001")
    assert set(piece.measures["branch_id"]) == {"001", "@bank"}
    assert piece.branches["branch_id"].tolist() == ["001"]
    with pytest.raises(UsageError, match="unknown branch in 2026Q3 '003'"):
        piece.of_branch("003")


def test_no_slice_knows_the_largest_customers(evaluation: Evaluation, tmp_path: Path) -> None:
    """Cell facts, which hold single customers' amounts, stay out of what a page reads."""
    assert len(evaluation.cells)
    assert evaluation.of_branch("001").cells.empty
    cache = EvaluationCache(tmp_path, evaluation, slice_digests(evaluation), is_new=True)
    cache.write_slice("001")
    assert open_evaluation(slice_folder(tmp_path, "001")).cells.empty


def test_a_folder_without_evaluation(tmp_path: Path) -> None:
    """Opening an evaluation that was not made says how to make it."""
    with pytest.raises(UsageError, match="stockcust evaluate"):
        open_evaluation(tmp_path)


def test_an_evaluation_says_what_it_holds(evaluation: Evaluation) -> None:
    """Quarter, branches, tables with their rows and how to go on, in a few lines."""
    shown = repr(evaluation)
    assert shown.startswith("<Evaluation 2026Q3 of ")
    assert f"measures {len(evaluation.measures):,}," in shown
    assert "ev.of_branch(" in shown
    assert len(shown) < 500
    assert "&lt;Evaluation" in evaluation._repr_html_()


def test_whoever_measures_the_same_bytes_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Polars measures and lists what DuckDB does, where it has room."""
    for name in ("Polars", "DuckDB"):
        with open_bank(SAMPLE) as bank:
            assert (bank.in_polars() is bank) == (name == "DuckDB")
            evaluation, lists = evaluate_module.evaluate_with_lists(bank, quarter="2026Q3")
        evaluation.save(tmp_path / name)
        lists.rows.to_csv(tmp_path / name / "lists.csv")
        lists.counts.to_csv(tmp_path / name / "counts.csv")
        monkeypatch.setattr(DuckDBEngine, "has_room_for", lambda engine, rows: False)
    files = sorted(path.name for path in (tmp_path / "DuckDB").iterdir())
    assert len(files) > 15
    for file in files:
        assert (tmp_path / "Polars" / file).read_bytes() == (
            tmp_path / "DuckDB" / file
        ).read_bytes()


@pytest.mark.parametrize(
    ("limit", "has_room"), [("170MB", False), ("200MB", True), ("2000TB", True)]
)
def test_polars_keeps_to_the_memory_limit(limit: str, has_room: bool) -> None:
    """The sample's 241,954 rows, of which 32,574 are transactions, take 169 MB at most."""
    with open_bank(SAMPLE, memory_limit=limit) as bank:
        assert sum(map(bank.rows, bank.columns)) == 241_954
        assert (bank.in_polars() is not bank) == has_room


@pytest.mark.parametrize("measure", [evaluate, evaluate_module.evaluate_with_lists])
def test_a_closed_bank_is_said(tiny_bank: TinyBank, measure: Any) -> None:
    """Whether it fits in memory DuckDB is not asked once it is closed: that was its own error."""
    with open_bank(tiny_bank()) as bank:
        pass
    with pytest.raises(UsageError, match="is closed"):
        measure(bank, quarter="2026Q3")
