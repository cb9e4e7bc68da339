"""Plans as banks set them: increases over the year's start, and the part due by a quarter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.evaluate import evaluate, targets_of
from stockcust_analysis.evaluation.provided import targets_today
from stockcust_analysis.evaluation.review import mask_scores
from stockcust_analysis.evaluation.scorecard import level_targets, scorecard
from stockcust_analysis.policy import Indicator, load_policy
from stockcust_analysis.report.index_html import write_index
from stockcust_analysis.report.workbook_sheets import write_workbook
from stockcust_analysis.show import branch_figures
from stockcust_analysis.show import headquarters_page as hq
from stockcust_analysis.show import headquarters_tables as tables
from tests.evaluation.small_quarters import NOW, named, policy_of, quarter_of
from tests.report.small_review import small_evaluation, small_review
from tests.show.measure_tables import page_of, story
from tests.tiny_bank import BRANCHES, TinyBank, as_frames

AUM, YEAR_START = "aum_average_quarter", "2025Q4"
KEY = (AUM, "funded")
POLICY = policy_of(Indicator(AUM, 100))
# From 3.0 to 3.1 billion; a fall; a branch that opened this year and shall reach 0.2.
INCREASES = pd.DataFrame(
    {
        "branch_id": list("ABC"),
        "measure": AUM,
        "kind": "increase",
        "target": [1e8, 1e8, 2e8],
        "phased_share": 0.75,
    }
)
MEASURES = pd.concat(
    [
        quarter_of({KEY: [30e8, 20e8, None]}, quarter=YEAR_START),
        quarter_of({KEY: [30.5e8, 19.5e8, 1e8]}),
    ]
)


# Funded: 1,100 and 250.60 in 001; in 002, beside 70,000, 12.34 with a loan.
TWO = {"001": 1_350.60 / 1000, "002": 70_012.34 / 70_000}


def test_an_increase_is_attained_by_what_was_added() -> None:
    """30 to 31 with 30.5 is half, not 98 %; 20 to 21 with 19.5 a fall; 0 to 2 with 1 half."""
    levels = level_targets(INCREASES, MEASURES, policy=POLICY, quarter=Quarter.parse(NOW))
    assert levels["target"].tolist() == [31e8, 21e8, 2e8]
    assert levels["start"].tolist() == [30e8, 20e8, 0.0]
    card, _ = scorecard(MEASURES, named(), targets=levels, policy=POLICY, quarter=NOW)
    assert card["attainment"].tolist() == pytest.approx([0.5, -0.5, 0.5])


@pytest.mark.parametrize("quarter", [YEAR_START, "2026Q1"])
def test_an_increase_from_an_unknown_start_is_held_against_nobody(quarter: str) -> None:
    """No such figure then, or no such quarter: 30.5 of 1 would be 3,050 %."""
    others = MEASURES[MEASURES["quarter"] == YEAR_START].assign(measure="customers")
    known = pd.concat([others.assign(quarter=quarter), MEASURES[MEASURES["quarter"] == NOW]])
    levels = level_targets(INCREASES, known, policy=POLICY, quarter=Quarter.parse(NOW))
    assert levels[["target", "start"]].isna().all(axis=None)
    card, _ = scorecard(known, named(), targets=levels, policy=POLICY, quarter=NOW)
    assert card["attainment"].isna().all()
    assert {note.split()[0] for note in card["note"]} == {"not_comparable"}


def test_a_level_stays_what_it_was() -> None:
    """30.5 of 31 is 98.4 %, without any figure of the year's start."""
    plan = INCREASES.assign(kind="level", target=[31e8, 21e8, 2e8])
    levels = level_targets(plan, MEASURES[MEASURES["quarter"] == NOW], policy=POLICY,
                           quarter=Quarter.parse(NOW))  # fmt: skip
    assert levels["start"].tolist() == [0.0, 0.0, 0.0]
    card, _ = scorecard(MEASURES, named(), targets=levels, policy=POLICY, quarter=NOW)
    assert card["attainment"].tolist() == pytest.approx([30.5 / 31, 19.5 / 21, 0.5])


@pytest.mark.filterwarnings("ignore:.*increases over 2025Q4")
def test_the_table_of_plans_says_kind_and_part_due(tiny_bank: TinyBank) -> None:
    """Both columns may be left out or empty: a level, due in full."""
    header = "branch_id,quarter,measure,target,kind,phased_share\n"
    first, second = (line.split(",")[0] for line in BRANCHES.splitlines()[1:3])
    rows = f"{first},2026Q3,customers,5,increase,0.75\n{second},2026Q3,customers,9,,\n"
    with open_bank(tiny_bank(targets=header + rows)) as bank:
        found = targets_of(bank, Quarter.parse("2026Q3"))
    assert found["kind"].tolist() == ["increase", "level"]
    assert found["phased_share"].tolist() == [0.75, 1.0]
    with open_bank(
        tiny_bank(targets=f"branch_id,quarter,measure,target\n{first},2026Q3,customers,5\n")
    ) as bank:
        plain = targets_of(bank, Quarter.parse("2026Q3"))
    assert (plain["kind"].tolist(), plain["phased_share"].tolist()) == (["level"], [1.0])


def test_plans_of_pandas_frames_without_a_kind_are_levels(tiny_bank: TinyBank) -> None:
    """A column in which nothing stands has another type there, which is no reason to warn."""
    folder = tiny_bank()
    frames = {
        name: pd.read_csv(folder / f"{name}.csv", dtype="str")
        for name in ("branches", "customers", "holdings")
    }
    first = frames["branches"]["branch_id"].iloc[0]
    plan = {"branch_id": first, "quarter": "2026Q3", "measure": "customers", "target": 5.0}
    frames["targets"] = pd.DataFrame([{**plan, "kind": None, "phased_share": None}])
    frames["targets"] = frames["targets"].astype({"kind": float, "phased_share": float})
    for name, frame in frames.items():
        days = [c for c in frame if c.endswith(("_on", "_since", "as_of"))]
        numbers = [c for c in frame if c.startswith(("aum", "balance"))]
        kinds = dict.fromkeys(days, "datetime64[us]") | dict.fromkeys(numbers, float)
        frames[name] = frame.astype(kinds)
    with open_bank(frames) as bank:
        found = targets_of(bank, Quarter.parse("2026Q3"))
    assert (found["kind"].tolist(), found["phased_share"].tolist()) == (["level"], [1.0])


MERGER = "old_branch_id,new_branch_id,effective_on\n001,002,{day}\n"


@pytest.mark.parametrize(
    ("plans", "expected"),
    [
        # 1,350.60 of 001 and 70,012.34 of 002 are held against both their plans.
        (["aum_average_quarter,800,level,", "aum_average_quarter,70000,level,"], 70_800),
        # A measure that does not add up keeps a plan that is the same; 0.5 is not 0.4.
        (["multi_product_share,0.4,level,", "multi_product_share,0.4,level,"], 0.4),
        (["multi_product_share,0.5,level,", "multi_product_share,0.4,level,"], None),
        (["aum_per_customer,600,level,", "aum_per_customer,70000,level,"], None),
        # What is to be added is no level, and what is due by half not due in full.
        (["customers,3,level,", "customers,1,increase,"], None),
        (["customers,3,level,0.5", "customers,1,level,"], None),
        (["customers,3,level,0.5", "customers,1,level,0.5"], 4),
        # A branch that took over what had no plan of its own keeps its plan, one without gets it.
        (["customers,3,level,", ""], 3),
        (["", "customers,1,level,"], 1),
    ],
)
@pytest.mark.filterwarnings("ignore:.*increases over 2025Q4")
def test_the_plan_of_a_merged_branch_is_its_successors(
    tiny_bank: TinyBank, plans: list[str], expected: float | None
) -> None:
    """001 was merged into 002 within the quarter: where its customers count, its plan does."""
    rows = ((branch, plan) for branch, plan in zip(("001", "002"), plans, strict=True) if plan)
    table = "branch_id,quarter,measure,target,kind,phased_share\n"
    table += "".join(f"{branch},2026Q3,{plan}\n" for branch, plan in rows)
    tables = {"targets": table, "branch_successors": MERGER.format(day="2026-08-01")}
    with open_bank(tiny_bank(**tables)) as bank:
        found = targets_today(targets_of(bank, Quarter.parse("2026Q3")), {"001": "002"})
    assert found["branch_id"].tolist() == ["002"]
    assert [None if np.isnan(target) else target for target in found["target"]] == [expected]


@pytest.mark.parametrize(
    ("day", "expected"), [("2026-08-01", {"002": 71_362.94 / 71_000}), ("2026-10-01", TWO)]
)
def test_a_successor_is_held_against_both_plans(
    tiny_bank: TinyBank, day: str, expected: dict[str, float]
) -> None:
    """Merged, both hold 71,362.94 of 71,000; a merger after the quarter changes no plan."""
    table = "branch_id,quarter,measure,target\n"
    table += "".join(f"{b},2026Q3,{AUM},{n}\n" for b, n in (("001", 1000), ("002", 70_000)))
    folder = tiny_bank(targets=table, branch_successors=MERGER.format(day=day))
    policy = replace(load_policy(), scorecard=POLICY.scorecard)
    with open_bank(as_frames(folder)) as bank:
        evaluation = evaluate(bank, quarter=NOW, policy=policy)
    card = evaluation.scorecard.set_index("branch_id")["attainment"]
    assert card.to_dict() == pytest.approx(expected)
    assert sorted(evaluation.targets["branch_id"]) == sorted(expected)


def test_plans_that_cannot_be_joined_are_told_from_none(tiny_bank: TinyBank) -> None:
    """Of AUM half was due in one branch and all in the other: the scorecard says so, not 无目标."""
    table = "branch_id,quarter,measure,target,kind,phased_share\n"
    table += f"001,2026Q3,{AUM},1000,level,0.5\n002,2026Q3,{AUM},70000,level,1\n"
    folder = tiny_bank(targets=table, branch_successors=MERGER.format(day="2026-08-01"))
    policy = replace(load_policy(), scorecard=POLICY.scorecard)
    with open_bank(as_frames(folder)) as bank:
        evaluation = evaluate(bank, quarter=NOW, policy=policy)
    assert [note.split()[0] for note in evaluation.scorecard["note"]] == ["plans_differ"]
    assert evaluation.targets.empty


def test_the_banks_plan_is_of_what_adds_up_alone() -> None:
    """Branches' plans of AUM are added; those of AUM per customer, a mean, are not."""
    review = small_review()
    targets = small_evaluation().targets
    evaluation = replace(
        review.evaluation,
        targets=pd.concat([targets, targets.assign(measure="aum_per_customer")]),
    )
    page = hq.headquarters_page(replace(review, evaluation=evaluation), language="zh")
    assert {*page.bank.targets} == {*targets["measure"]}


def review_page(start: float) -> hq.HeadquartersPage:
    """Return the small review's page, whose branches are to come from a start to 10.2 million."""
    targets = small_evaluation().targets
    targets = targets.assign(kind="increase", start=start, phased_share=0.75)
    review = small_review()
    evaluation = replace(review.evaluation, targets=targets)
    return hq.headquarters_page(replace(review, evaluation=evaluation), language="zh")


def test_the_scorecard_says_what_an_increase_starts_from() -> None:
    """Attainment is (30.5 − 30) / (31 − 30): all four stand in the row, a level has no start."""
    levels = level_targets(INCREASES, MEASURES, policy=POLICY, quarter=Quarter.parse(NOW))
    card, _ = scorecard(MEASURES, named(), targets=levels, policy=POLICY, quarter=NOW)
    assert card["start"].fillna(0).tolist() == [30e8, 20e8, 0.0]
    for row in card.fillna({"start": 0.0}).itertuples():
        way = (row.value - row.start) / (row.target - row.start)
        assert row.attainment == pytest.approx(way)
    own = card[:1].assign(branch_id="B01", points_before=np.nan)
    shown = branch_figures.scorecard_table(page_of(story(), scorecard=own))
    assert shown is not None
    assert [column.label for column in shown.columns[1:4]] == ["实际", "年初", "目标"]
    assert "30.00亿元" in shown.rows[0] and "增量计划" in str(shown.note)
    plain = branch_figures.scorecard_table(page_of(story(), scorecard=own.assign(start=np.nan)))
    assert plain is not None
    assert "年初" not in {column.label for column in plain.columns} and "增量计划" not in str(
        plain.note
    )


def test_plans_are_met_by_what_is_due() -> None:
    """At 20 % and 70 % of the way, with half of it due, one branch is behind and no other."""
    page = review_page(1e7)
    evaluation = page.evaluation
    evaluation = replace(evaluation, targets=evaluation.targets.assign(phased_share=0.5))
    page = hq.headquarters_page(replace(page.review, evaluation=evaluation), language="zh")
    table = tables.plan_table(page)
    assert table is not None
    branches = len(page.attainments[AUM])
    assert table.rows[0][-1] == f"{branches - 1} / {branches}"
    assert hq.review_conclusions(page).sentences[0].lead.startswith("1家网点季日均AUM落后")


def test_pages_count_who_is_behind_the_part_that_is_due() -> None:
    """From 10 to 10.2 million, with 10.04 and 10.14: 20 % and 70 % of the way, 0.15 m due."""
    first = hq.review_conclusions(review_page(1e7)).sentences[0]
    assert first.lead == "2家网点季日均AUM落后序时进度（至2026-09-30应完成75%）"
    # The bank: 268.56 million, from 240 to 244.8.
    assert first.text == (
        "完成率最低：001支行（20.0%）、002支行（70.0%）。"
        "缺口最大：001支行（11.00万元）、002支行（1.00万元）。全行完成率595.0%。"
    )


def test_a_fall_is_called_one() -> None:
    """From 10.1 million to 10.04 there is no part of the way to speak of."""
    first = hq.review_conclusions(review_page(10.1e6)).sentences[0]
    assert "001支行（负增长）" in first.text


@pytest.mark.filterwarnings("ignore:.* extension is not supported:UserWarning")
def test_review_index_and_workbook_say_the_same_of_an_increase(tmp_path: Path) -> None:
    """The bank went 595 % of the way; a branch that fell did, wherever its attainment stands."""
    page = review_page(1e7)
    write_workbook(tmp_path / "one.xlsx", page, status="draft")
    rows = openpyxl.load_workbook(tmp_path / "one.xlsx")["总览"].iter_rows(values_only=True)
    cells = {row[0]: row for row in rows}
    assert cells["季日均AUM"][cells["指标"].index("完成率")] == pytest.approx(28.56 / 4.8)
    plans = tables.plan_table(page)
    assert plans is not None
    assert "595.0%" in plans.rows[0]
    fallen = review_page(10.1e6)
    shown = tables.branch_table(fallen)
    assert shown is not None
    assert "负增长" in shown.rows[0]
    write_index(tmp_path / "one.html", fallen, status="draft", links={}, others={})
    assert ">负增长</td>" in (tmp_path / "one.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("circulated", [True, False])
def test_no_withheld_figure_follows_from_a_plan(circulated: bool) -> None:
    """A branch whose figure of the year's start is withheld has no plan that is made of it.

    Neither has one whose figure is circulated of no branch.
    """
    page = review_page(1e7)
    measures = page.evaluation.measures
    gone = (measures["branch_id"] == "B003") & (measures["quarter"] == YEAR_START)
    gone &= measures["measure"] == AUM
    hidden = measures.assign(withheld=gone, value=measures["value"].mask(gone, np.nan))
    masked = mask_scores(replace(page.evaluation, measures=hidden[~gone | circulated]))
    assert sorted(masked.targets["branch_id"]) == sorted(set(page.names) - {"B003"})
