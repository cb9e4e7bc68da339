"""A branch's page: what it shows, what it leaves out, and in which units."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest

from stockcust_analysis.show import branch_figures, branch_page, branch_tables
from stockcust_analysis.show.blocks import Drawing
from stockcust_analysis.show.branch_page import (
    counted_heading,
    growth_words,
    key_figures,
    page_conclusions,
    section_sentence,
)
from tests.report.small_review import small_evaluation
from tests.show.measure_tables import members, page_of, story

BRIDGE = pd.DataFrame(
    [
        ("today", branch, component, 1, amount)
        for branch in ("B01", "@bank")
        for component, amount in (("opening", 1e8), ("new", 2e7), ("closing", 1.2e8))
    ],
    columns=["structure", "branch_id", "component", "customers", "amount"],
)
LISTS = pd.DataFrame(
    [
        ("B01", "maturing", 12, 1.2e6, 1, 12, "2026-10-05", 5),
        ("B01", "silent_with_assets", 40, 8.4e6, 2, 30, "2026-10-31", 30),
        ("@bank", "maturing", 500, 6e7, 9, 400, "", 0),
        ("@bank", "silent_with_assets", 900, 1e8, 9, 700, "", 0),
    ],
    columns=[
        "branch_id",
        "list",
        "customers",
        "amount",
        "left_out",
        "listed",
        "due_on",
        "due_in_month",
    ],
)


def test_inactive_customers_are_one_of_the_six_numbers() -> None:
    """28.0 % are silent or dormant, a quarter ago 27.0 %: up one point, bank 28.0 %."""
    page = page_of(story(before={"inactive_rate": 0.27}))
    tile = next(each for each in key_figures(page).figures if "沉默" in each.label)
    assert (tile.value, tile.unit) == ("28.0%", "")
    assert tile.comparisons == (("环比", "▲1.0个百分点"), ("全行", "28.0%"))


def test_five_things_name_task_sheet_money_and_deadline() -> None:
    """The day's task first, then the larger; 1,200,000 and 8,400,000 CNY in one unit, 万元."""
    told = branch_tables.five_things(page_of(story(), worklists=LISTS))
    assert told is not None
    assert told.look == "steps"
    first, second = told.rows
    assert first[:2] == ("1", "联系到期客户，谈续作\n产品近期到期，资金可能转走")
    assert first[2:] == ("12", "120.0", "最早10月5日，10月内5户", "到期")
    assert second[:2] == ("2", "走访有资产的沉默客户\n有资产，长期没有主动交易")
    assert second[2:] == ("40", "840.0", "10月31日", "沉默待访（30户）")
    english = branch_tables.five_things(page_of(story(), "en", worklists=LISTS))
    assert english is not None
    assert english.rows[0][-2:] == ("first 5 Oct; 5\u00a0in\u00a0Oct", "Maturing")


def test_english_tasks_of_a_million_are_not_in_thousands() -> None:
    """The assets above them are in millions; where no list is as large, thousands stay."""
    for scale, unit, shown in ((0.25, "million", ["0.30", "2.10"]),
                               (0.1, "thousand", ["120.0", "840.0"])):  # fmt: skip
        lists = LISTS.assign(amount=LISTS["amount"] * scale)
        lists = pd.concat([lists, lists.iloc[:1].assign(list="emptied", amount=1e5)])
        things = branch_tables.five_things(page_of(story(), "en", worklists=lists))
        assert things is not None
        assert things.columns[3].label == f"At stake,\nCNY {unit}"
        assert sorted(row[3] for row in things.rows)[-2:] == shown


def test_no_task_with_money_is_printed_as_0_00() -> None:
    """4,000 CNY beside 8.4 million: both in CNY thousand; 9 and 10 million stay in million.

    400 CNY beside 3 million has two decimals in 万元: with the one of 300.0 it would be 0.0.
    """
    for amounts, unit, shown in (([4_000.0, 8.4e6], "CNY thousand", ["4.0", "8,400.0"]),
                                 ([9e6, 1e7], "CNY million", ["9.00", "10.00"]),
                                 ([400.0, 3e6], "万元", ["0.04", "300.00"]),
                                 ([30.0, 4e5], "CNY thousand", ["0.03", "400.00"])):  # fmt: skip
        lists = LISTS.assign(amount=[*amounts, 6e7, 1e8])
        page = page_of(story(), "zh" if unit == "万元" else "en", worklists=lists)
        things, table = branch_tables.five_things(page), branch_tables.worklist_table(page)
        assert things is not None and table is not None
        assert unit in things.columns[3].label and table.unit.endswith(unit)
        assert sorted((row[3] for row in things.rows), key=len) == shown
        assert sorted((row[3] for row in table.rows), key=len) == shown


def test_a_bank_without_lists_scores_and_history_has_fewer_chapters() -> None:
    """What is not there is left out, not printed empty."""
    page = page_of(story())
    assert branch_tables.five_things(page) is None
    assert branch_tables.outcomes_table(page) is None
    assert branch_tables.worklist_table(page) is None
    assert branch_figures.place_figure(page) is None
    assert branch_figures.scorecard_figure(page) is None
    assert branch_figures.scorecard_table(page) is None
    assert branch_figures.bridge_figure(page) is None
    assert branch_figures.migration_figure(page) is None
    assert branch_tables.bridge_table(page) is None
    assert growth_words(page) is None


def test_indicators_of_one_measure_are_told_apart() -> None:
    """Two families of one measure: the scorecard names the family of each."""
    card = small_evaluation(1).scorecard.assign(
        branch_id="B01", measure="penetration", member=["wealth", "fund"]
    )
    table = branch_figures.scorecard_table(page_of(story(), scorecard=card))
    assert table is not None
    named = sorted(row[0] for row in table.rows[:2])
    assert [name.split(" · ")[1] for name in named] == ["基金", "理财"]
    assert len({name.split(" · ")[0] for name in named}) == 1


def test_an_indicator_on_another_base_than_the_pages_says_so() -> None:
    """Dormancy is shown of funded customers; where the scorecard counts all, it says of all."""
    cells = {"customers": 400.0, "dormancy_rate": 0.0, "profile_completion": 0.5}
    card = (
        small_evaluation(1)
        .scorecard[:2]
        .assign(
            branch_id="B01",
            indicator=["dormancy", "own"],
            measure="dormancy_rate",
            member=None,
            base=["all", "funded"],
            weight=[2.0, 1.0],
        )
    )
    table = branch_figures.scorecard_table(page_of(story(cells), "en", scorecard=card))
    assert table is not None
    names = [row[0] for row in table.rows[:2]]
    assert names == ["Dormant customers · all customers", "Dormant customers"]


def test_weights_that_are_spread_are_not_rounded_to_another_sum() -> None:
    """50 of 110 and 60 of 110 points are 45.5 and 54.5, of 100; whole ones have no decimals."""
    card = small_evaluation(1).scorecard.assign(branch_id="B01")
    for weights, printed in (
        ([5000 / 110, 6000 / 110], ["54.5", "45.5"]),
        ([40, 60.0], ["60", "40"]),
    ):
        table = branch_figures.scorecard_table(
            page_of(story(), scorecard=card.assign(weight=weights))
        )
        assert table is not None
        place = [column.label for column in table.columns].index("权重")
        assert [row[place] for row in table.rows] == [*printed, "100"]


def test_a_branch_without_a_score_says_why() -> None:
    """Without points the reason stands below the table, and in its place where there is none."""
    made = small_evaluation(1)
    scores = made.scores.assign(branch_id="B01", points=None, note="not_scored:too_little_data")
    card = made.scorecard.assign(branch_id="B01")
    page = page_of(story(), "en", scorecard=card, scores=scores)
    table = branch_figures.scorecard_table(page)
    assert table is not None
    assert str(table.note).startswith("Not scored: too little data. Points = ")
    page = page_of(story(), scorecard=card.assign(weight=0.0), scores=scores)
    assert getattr(branch_figures.scorecard_figure(page), "text", "") == "未评分：数据不足。"


def test_the_assets_of_active_customers_are_told_with_the_small() -> None:
    """No share is of the active alone: 1 - 0.12 - 0.03 is of them with those of small balances."""
    rates = {"active_rate": 0.6, "active_small_rate": 0.1, "silent_rate": 0.2}
    shares = {"silent_aum_share": 0.12, "dormant_aum_share": 0.03, "dormancy_rate": 0.1}
    table = branch_tables.dormancy_table(page_of(story({"customers": 400.0, **rates, **shares})))
    assert table is not None
    assert "活跃客户（含低额活跃）持有AUM的85.0%" in str(table.note)


def test_a_tiny_branch_gets_the_short_report() -> None:
    """Below 30 customers no share is judged or drawn; the conclusion says why."""
    page = page_of(story({"customers": 12}), bridge=BRIDGE)
    assert [each.lead for each in page_conclusions(page).sentences] == ["户数过少，不作判断"]
    assert section_sentence(page, "dormancy") is None
    assert branch_figures.dormancy_figure(page) is None
    assert branch_tables.measure_table(page, "concentration") is None
    assert growth_words(page) is None
    assert branch_figures.bridge_figure(page) is not None
    shares = [each for each in key_figures(page).figures if each.value.endswith("%")]
    assert all(name == "全行" for each in shares for name, _ in each.comparisons)


def test_overview_has_one_unit_and_no_empty_column() -> None:
    """Amounts of 1.2 billion CNY read 亿元 in every row; without last year there is no 同比."""
    shown = branch_tables.overview_table(page_of(story()))
    assert shown is not None
    labels = [column.label for column in shown.columns]
    assert labels == ["指标", "单位", "本季", "环比", "全行"]
    assert {row[1] for row in shown.rows if "元" in row[1]} == {"亿元"}


def test_classes_name_their_base_and_contacts_in_time() -> None:
    """20 and 37 of class A and B are all 57 managed, not the 56 with assets; half were in time."""
    planted = {
        (measure, "customer_class", name): value
        for name, customers in (("A", 20.0), ("B", 37.0))
        for measure, value in (
            ("class_customers", customers),
            ("class_aum", 1e7),
            ("class_contact_coverage", 0.5),
        )
    }
    shown = branch_tables.class_table(page_of(story(planted)))
    assert shown is not None
    assert [column.label for column in shown.columns][-1] == "按期联络"
    assert shown.rows[0][-1] == "50.0%"
    assert shown.note is not None
    assert "全部管户客户57户，含无资产的" in shown.note
    english = branch_tables.class_table(page_of(story(planted), "en"))
    assert english is not None
    assert english.columns[-1].label == "Contacted in time"
    assert "Managed customers, those without assets included: 57" in str(english.note)


def test_a_figure_says_what_is_drawn_of_its_axes() -> None:
    """Of product counts each share is told, and no tick of the axis that is not drawn."""
    shares = [0.1, 0.6, 0.2, 0.06, 0.04]
    rows = [
        members("product_count_share", "families_held", shares, branch_id=branch)
        for branch in ("B01", "@bank")
    ]
    drawn = branch_figures.product_count_figure(page_of(pd.concat([story(), *rows])))
    assert drawn is not None
    _, _, told = drawn.alt.partition("：")
    words = told.split("；")
    assert [word for word in words if word in {"10.0%", "60.0%", "20.0%", "6.0%", "4.0%"}] == [
        f"{share:.1%}" for share in shares
    ]
    assert not [word for word in words if re.fullmatch(r"[\d.]+", word)]


def ranked(low: int, high: int) -> pd.DataFrame:
    """Return one comparison of B01, seventh of 23, with its range."""
    return pd.DataFrame(
        [("B01", "multi_product_share", 7.0, float(low), float(high), 23.0)],
        columns=["branch_id", "measure", "rank", "rank_low", "rank_high", "rank_of"],
    )


def test_places_are_drawn_where_they_can_be_told_apart() -> None:
    """A range of 3 to 12 of 23 is drawn; one of 1 to 23 is a sentence with the number of peers."""
    drawn = branch_figures.place_figure(page_of(story(), comparison=ranked(3, 12)))
    assert isinstance(drawn, Drawing)
    said = branch_figures.place_figure(page_of(story(), comparison=ranked(1, 23)))
    assert isinstance(said, branch_page.Remark)
    assert said.text.startswith("23家可比网点同时比较")
    assert "分不出先后" in said.text


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ({"opened_on": "2026-07-01"}, "2026-07-01开业"),
        ({"opened_on": "2026-04-01", "merged_on": "2026-04-01"}, "2026-04-01合并"),
        ({"opened_on": "2025-12-31", "merged_on": "2026-10-01"}, ""),
    ],
)
def test_a_branch_in_its_first_year_is_not_ranked(days: dict[str, str], words: str) -> None:
    """Opened or merged from 1 January to the quarter's end; neither place nor rank is given."""
    scores = pd.DataFrame(
        [("B01", 88.25, 4.0, 22.0)], columns=["branch_id", "points", "rank", "rank_of"]
    )
    branches = pd.DataFrame({"branch_id": ["B01"], "name": ["城关支行"], **days})
    page = page_of(story(), comparison=ranked(3, 12), scores=scores, branches=branches)
    heading = counted_heading(page, "figures", key_figures(page))
    said = branch_figures.place_figure(page)
    assert heading is not None
    if not words:
        assert isinstance(said, Drawing)
        assert heading.text.endswith("；季度评价88.3分，第4名（共22家，不计偶然波动）")
        return
    assert isinstance(said, branch_page.Remark)
    assert words in said.text
    assert heading.text.endswith("；季度评价88.3分，本年新开或合并，不排名次")


def test_growth_with_who_left_leads_and_that_of_who_stayed_stands_beside_it() -> None:
    """They grew by 1.0 %; with those who left, who took 4.3 % along, it is -3.3 %.

    That is below the bank's -2.0 %, although who stayed grew faster than the bank's, who fell.
    """
    growth = {"same_customer_growth": 0.01, "asset_retention_net": 0.967}
    of_bank = {"same_customer_growth": -0.01, "asset_retention_net": 0.98}
    page = page_of(story(growth, bank_now=of_bank))
    sentence = section_sentence(page, "customers")
    assert sentence is not None
    words = sentence.sentences[0]
    assert (
        "的季日均AUM变动-3.3%（含已离开者；仍在册者+1.0%），比全行（-2.0%）低1.3个百分点"
        in words.text
    )
    assert "上季客户的AUM增速低于全行" in words.lead
    table = branch_tables.measure_table(page_of(story(growth)), "retention")
    assert table is not None
    names = [row[0] for row in table.rows]
    first = names.index("两期均在册客户AUM增速")
    assert names[first + 1] == "净资产留存率"
    assert "含已离开者" in table.note
    # Without the quarter before last there is no column of last quarter's, and a reason.
    assert [column.label for column in table.columns] == ["指标", "本季"]
    assert "没有上季值" in table.note


def test_the_whole_bank_is_not_set_beside_itself() -> None:
    """A branch's table has the bank's figures; on the bank's own page they are the page's."""
    for branch, expected in (("B01", True), ("@bank", False)):
        shown = branch_tables.overview_table(page_of(story(), branch_id=branch))
        assert shown is not None
        assert ("全行" in [column.label for column in shown.columns]) is expected


def test_classes_have_the_policys_words() -> None:
    """The note below the classes speaks of the policy's classes, not of A to D."""
    classes = ("核心", "一般", "待识别")
    zh, en = "待识别资产与意向未明。", "of 待识别, assets and intent are unknown."
    facts = {"classes": [{"name": name, "zh": name, "en": name} for name in classes]}
    planted = {("class_customers", "customer_class", classes[0]): 57.0}
    for page, words in ((page_of(story(planted)), zh), (page_of(story(planted), "en"), en)):
        changed = replace(page.evaluation, policy_facts={**page.evaluation.policy_facts, **facts})
        shown = branch_tables.class_table(replace(page, evaluation=changed))
        assert shown is not None
        assert words in str(shown.note)
