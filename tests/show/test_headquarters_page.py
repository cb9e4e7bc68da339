"""Headquarters' first two pages: who misses the plan, where growth came from, every branch."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.policy.describe import LintWarning
from stockcust_analysis.show import headquarters_figures as figures
from stockcust_analysis.show import headquarters_page as hq
from stockcust_analysis.show import headquarters_tables as tables
from stockcust_analysis.show.blocks import Drawing, Language, Sentences, Table
from stockcust_analysis.show.branch_page import Remark
from stockcust_analysis.show.branch_tables import dormancy_table
from stockcust_analysis.show.wording import STATUS_RATES
from tests.report.small_review import WEAK, small_evaluation, small_review

MIGRATIONS = ("previous_migration", "migration")
# Of 24 branches the n-th, counted from 0, has 10.04 + 0.1 n million; the plan is 10.2 million.
BEHIND = {"001支行": "98.4%", "002支行": "99.4%"}


def page_of(language: Language = "zh", **tables: pd.DataFrame) -> hq.HeadquartersPage:
    """Return the page of the small review, some of its evaluation's tables replaced."""
    review = small_review()
    evaluation = replace(review.evaluation, **tables)
    return hq.headquarters_page(replace(review, evaluation=evaluation), language=language)


def leads(page: hq.HeadquartersPage) -> list[str]:
    """Return the headings of the conclusions."""
    return [sentence.lead for sentence in hq.review_conclusions(page).sentences]


@pytest.mark.parametrize(
    ("quarter", "language", "caption"),
    [
        ("2026Q3", "zh", "全行AUM从上季末到本季末（可比口径）"),
        ("2026Q3-08", "zh", "全行AUM从上季末到数据日期（可比口径）"),
        ("2026Q3-08", "en", "The bank's AUM from the end of last quarter to the data date"),
    ],
)
def test_a_quarter_to_date_does_not_speak_of_its_end(
    quarter: str, language: Language, caption: str
) -> None:
    """As of 31 August nothing is said to run to the end of September."""
    page = page_of(language)
    to_date = replace(page.evaluation, quarter=Quarter.parse(quarter))
    page = hq.headquarters_page(replace(page.review, evaluation=to_date), language=language)
    assert page.text("bridge", page.captions) == caption


@pytest.mark.parametrize(("ranked", "median"), [(("B001", "B003"), "80.0"), ((), "—")])
def test_the_median_of_a_peer_group_is_of_those_it_counts(
    ranked: tuple[str, ...], median: str
) -> None:
    """90, 100 and 70 points: without the branch that merged in the year the middle is 80."""
    scores = small_evaluation().scores.head(3).assign(points=[90.0, 100.0, 70.0], withheld=False)
    scores["rank_of"] = scores["rank_of"].where(scores["branch_id"].isin(ranked))
    table = tables.peers_table(page_of(scores=scores))
    assert table is not None
    (row,) = table.rows
    assert row[1:] == ("3", f"{len(ranked)}", median)


def test_a_missed_plan_comes_first_with_its_number() -> None:
    """How many, who is last, what they lack, what the whole bank reached: 268.56 of 244.8 m.

    The plan of each is 10.2 million: 10.04 and 10.14 lack 160,000 and 60,000.
    """
    first = hq.review_conclusions(page_of()).sentences[0]
    assert first.lead == "2家网点未达季日均AUM计划"
    assert first.text == (
        "完成率最低：001支行（98.4%）、002支行（99.4%）。"
        "缺口最大：001支行（16.00万元）、002支行（6.00万元）。全行完成率109.7%。"
    )
    english = hq.review_conclusions(page_of("en")).sentences[0]
    assert english.lead == "Branches behind plan for Quarter-average AUM: 2"
    assert (
        english.text
        == "Lowest attainment: 001支行 (98.4%), 002支行 (99.4%). Largest shortfall: 001支行 (CNY "
        "160.0 thousand), 002支行 (CNY 60.0 thousand). The bank reached 109.7%."
    )


def test_a_branch_that_makes_most_of_the_change_is_named() -> None:
    """Existing customers brought 7.2 million; of 001支行 they take 20 million more.

    Then the bank's lost 12.8 million, of which 19.7 in that branch, and the others won 6.9.
    """
    bridge = page_of().evaluation.bridge
    texts = [s.text for s in hq.review_conclusions(page_of()).sentences]
    assert not any("主要在" in text for text in texts)
    moved = bridge["branch_id"].isin(["B001", "@bank"]) & bridge["component"].isin(
        ["grown", "closing"]
    )
    changed = bridge.assign(amount=bridge["amount"] - 2e7 * moved)
    texts = [s.text for s in hq.review_conclusions(page_of(bridge=changed)).sentences]
    found = next(text for text in texts if "主要在" in text)
    assert found.endswith("原有客户的变动主要在001支行（-1,970万元），其余网点合计+690万元。")


def test_differences_are_counted_with_their_branches_where_all_are_unfavourable() -> None:
    """One of one branch; turned to the other side it is favourable, and counted as before."""
    table = small_evaluation().comparison
    assert "1家网点有1项不利差异超出偶然" in leads(page_of())
    turned = page_of(comparison=table.assign(z=-table["z"]))
    assert "1项差异超出偶然，其中不利0项" in leads(turned)


def test_a_plan_that_all_meet_says_so() -> None:
    """Of 24 branches with a plan of 1 million none is behind."""
    targets = small_evaluation().targets.assign(target=1e6)
    assert leads(page_of(targets=targets))[0] == "24家网点全部完成季日均AUM计划"


@pytest.mark.parametrize(
    ("plan", "lead"),
    [
        (1e6, "24家网点季日均AUM均达各自的序时进度"),
        (1e12, "24家网点季日均AUM落后各自的序时进度"),
    ],
)
def test_plans_due_in_different_parts_are_behind_their_own(plan: float, lead: str) -> None:
    """One branch has half of its plan due and the others all: no part is due of all of them."""
    targets = small_evaluation().targets
    due = targets["branch_id"].eq("B001").map({True: 0.5, False: 1.0})
    page = page_of(targets=targets.assign(target=plan, phased_share=due))
    assert leads(page)[0] == lead


def test_without_plans_growth_comes_first_and_branches_go_by_change() -> None:
    """No plan, no sentence of one, no column of attainment."""
    page = page_of(targets=small_evaluation().targets.iloc[:0])
    assert "计划" not in "".join(leads(page))
    shown = tables.branch_table(page)
    assert shown is not None
    assert "完成率" not in [column.label for column in shown.columns]
    assert shown.note.startswith("按季日均AUM环比由低到高排列。")
    # Each grew by 10,000; the largest branch by the smallest part.
    assert [row[0] for row in shown.rows[:2]] == ["024支行", "023支行"]


def test_growth_is_told_without_branches_opened_this_year() -> None:
    """The bank opened with 240 m, of which 3 in 100 came with new customers; one branch opened."""
    branches = small_evaluation().branches
    opened = ["2026-02-01" if b == "B003" else "2001-01-01" for b in branches["branch_id"]]
    texts = [s.text for s in hq.review_conclusions(page_of()).sentences]
    later = page_of(branches=branches.assign(opened_on=opened))
    assert not any("不含" in text for text in texts)
    words = next(s.text for s in hq.review_conclusions(later).sentences if "不含" in s.text)
    assert words.endswith("不含本年新开的003支行：+6.0%，新增客户+0.07亿元，原有客户+0.07亿元。")
    shown = tables.branch_table(later)
    assert shown is not None
    assert "003支行（2026-02开业）" in [row[0] for row in shown.rows]
    merged = branches.assign(
        opened_on=["2026-02-01" if b in ("B003", "B004") else "" for b in branches["branch_id"]],
        merged_on=["2026-04-01" if b == "B004" else "" for b in branches["branch_id"]],
    )  # what took over others this year is no new branch, however its opening is dated
    texts = [s.text for s in hq.review_conclusions(page_of(branches=merged)).sentences]
    assert any("不含本年新开的003支行：" in text for text in texts)


def test_a_bank_of_few_branches_has_no_comparison() -> None:
    """Without a test there is no count of differences, but the reason."""
    table = small_evaluation().comparison.assign(verdict="", z=float("nan"))
    found = hq.review_conclusions(page_of(comparison=table)).sentences
    sentence = next(s for s in found if s.section == "exceptions")
    assert sentence.lead == "未作比较"
    assert sentence.text == "可比网点太少，或有网点的数字不列，差异是否超出偶然无从判断。"


def test_tables_with_stars_say_what_a_star_is() -> None:
    """The circulated branch table and growth table explain "*"; the internal ones have none."""
    circulated = hq.headquarters_page(small_review(edition="circulated"), language="en")
    for table in (tables.branch_table, tables.growth_table):
        shown, inside = table(circulated), table(page_of())
        assert shown is not None
        assert inside is not None
        assert "* withheld: too few customers" in str(shown.note)
        assert "*" not in str(inside.note)


def test_warnings_and_vetoes_are_named_in_words() -> None:
    """Neither a veto's code nor that of a peer group is printed."""
    page = page_of()
    assert tables.note_words(page, "veto_unknown:unused_openings") == "否决项无数据：新开账户未用"
    warning = tables.name_warning(page, LintWarning("small_peer_group", "all", "(3 < 10)"))
    assert (warning.subject, warning.detail) == ("全行", "（3家，不足10家）")
    for name, detail, words in (
        ("small_denominator", "(1/24 < 30)", "（24家中1家的分母不足30）"),
        ("tiny_base", "(3/23)", "（23家中3家）"),
    ):
        assert tables.name_warning(page, LintWarning(name, "gini", detail)).detail == words
    both = tables.name_warning(page, LintWarning("two", "dormancy_rate, gini"))
    assert both.subject == "睡眠客户占比 × 基尼系数"


def test_every_branch_stands_in_the_table_the_bank_last() -> None:
    """Lowest attainment first, a bar as long as the part reached, the bank in bold."""
    shown = tables.branch_table(page_of())
    assert shown is not None
    assert len(shown.rows) == 25
    named = [column.label for column in shown.columns]
    attained = named.index("完成率")
    assert {row[0]: row[attained] for row in shown.rows[:2]} == BEHIND
    assert shown.columns[attained].bars[:3] == pytest.approx([10.04 / 10.2, 10.14 / 10.2, 1])
    assert (shown.rows[-1][0], shown.rows[-1][attained]) == ("全行", "109.7%")
    assert shown.emphasised == (24,)
    first = dict(zip(named, shown.rows[0], strict=True))
    assert (first["季日均AUM"], first["环比"], first["同比"]) == ("1,004", "▲ 0.1%", "▲ 0.4%")
    assert "0.2%" not in first.values()


def test_a_withheld_figure_is_a_star_in_the_branch_table() -> None:
    """A withheld figure stands in no cell; a large bank's table says what it omits."""
    page = hq.headquarters_page(small_review(60, edition="circulated"), language="zh")
    measures = page.evaluation.measures
    gone = (measures["branch_id"] == "B003") & (measures["measure"] == "multi_product_share")
    hidden = measures.assign(withheld=gone, value=measures["value"].mask(gone))
    page = hq.headquarters_page(
        replace(page.review, evaluation=replace(page.evaluation, measures=hidden)), language="zh"
    )
    rows = {row["branch_id"]: row for row in tables.branch_rows(page)}
    assert rows["B003"]["multi_product"] == "*"
    shown = tables.branch_table(page)
    assert shown is not None
    assert len(shown.rows) == 42
    assert shown.rows[20][0] == "其余20家见总行工作簿"


@pytest.mark.parametrize(("wide", "kind"), [(True, Sentences), (False, Drawing)])
def test_places_are_drawn_only_where_they_say_something(wide: bool, kind: type) -> None:
    """Intervals over all places are a sentence that names whom they leave out, not a figure."""
    compared = small_review().evaluation.comparison
    own, others = compared["branch_id"] == WEAK, compared["branch_id"] != WEAK
    low, high = (1, 24) if wide else (compared["rank"] - 1, compared["rank"] + 1)
    compared = compared.assign(rank_low=low, rank_high=high)
    compared.loc[own, ["rank_low", "rank_high"]] = [23, 24]
    assert others.any()
    found = figures.league_figure(page_of(comparison=compared))
    assert isinstance(found, kind)
    if isinstance(found, Sentences):
        text = found.sentences[0].text
        assert "23家网点的名次在偶然波动之内无法区分（范围多为1–24名）" in text
        assert text.endswith("能区分的：002支行（23–24）。")


def test_what_is_to_be_decided_counts_what_the_figures_show() -> None:
    """The weak branch, and one rule: its scorecard pays for closing dormant accounts."""
    sentences = hq.review_conclusions(page_of()).sentences
    sentence = next(found for found in sentences if found.lead == "待议定2事")
    assert (
        sentence.text == "怎样处置002支行的不利例外（1家）、"
        "是否照用有1项警示的评分规则（睡眠客户占比，见数据质量一章）。"
    )


def test_growth_and_migration_stand_beside_last_quarters() -> None:
    """Last quarter's closing is this one's opening; amounts are 亿元, changes bear their sign.

    The bank went from 240 to 250 million by 10 of new customers, last quarter from 236 by 4.
    """
    steps = (
        {"opening": 240e6, "new": 10e6, "closing": 250e6},
        {"opening": 236e6, "new": 4e6, "closing": 240e6},
    )
    bridges = [
        pd.DataFrame(
            [("today", b, name, 5, amount / parts) for b, parts in (("@bank", 1), ("B001", 2))
             for name, amount in quarter.items()],
            columns=["structure", "branch_id", "component", "customers", "amount"],
        ).assign(withheld=False)
        for quarter in steps
    ]  # fmt: skip
    moves = pd.DataFrame(
        [("today", "@bank", "mid", "mid", 7, 1.0, 1.0)],
        columns=["structure", "branch_id", "from", "to", "customers", "opening_aum", "closing_aum"],
    )
    page = page_of(
        bridge=bridges[0], previous_bridge=bridges[1],
        migration=moves.assign(withheld=False), previous_migration=moves.assign(customers=6),
    )  # fmt: skip
    bridge, growth = tables.bridge_table(page), tables.growth_table(page)
    assert bridge is not None
    assert growth is not None
    assert [column.label for column in bridge.columns[-2:]] == ["上季", "增减"]
    assert [row[-2:] for row in bridge.rows] == [
        ("2.36", "+0.04"),
        ("0.04", "+0.06"),
        ("2.40", "+0.10"),
    ]
    assert [row[1:4] for row in growth.rows if row[0] == "全行"] == [("0.10", "0.04", "+0.06")]
    before, now = (tables.migration_table(page, name) for name in MIGRATIONS)
    assert before is not None
    assert now is not None
    assert (before.rows[0][-1], now.rows[0][-1]) == ("6", "7")
    assert tables.migration_table(page_of(), MIGRATIONS[0]) is None


def test_failed_reports_come_before_those_not_made() -> None:
    """A failure has a reason to read; behind forty branches without one it would be cut off."""
    page = page_of()
    missing = [{"branch_id": f"B{number:03}", "state": "missing"} for number in range(1, 24)]
    failed = {"branch_id": "B024", "state": "failed", "error": "a cell failed"}
    pages = pd.DataFrame([*missing * 2, failed]).fillna("")
    shown = tables.failures_table(replace(page, review=replace(page.review, pages=pages)))
    assert shown is not None
    assert shown.rows[0] == ("024支行", "失败", "a cell failed")
    assert [row[1] for row in shown.rows[1:]] == ["未生成"] * (len(shown.rows) - 1)


def test_too_few_branches_are_not_compared_in_a_funnel() -> None:
    """Among five branches chance cannot be told from difference, so none stands outside."""
    assert figures.funnel_figure(page_of(), 1) is not None
    few = hq.headquarters_page(small_review(5), language="zh")
    assert len(few.evaluation.comparison)
    assert figures.funnel_figure(few, 1) is None
    assert figures.funnel_words(page_of()) is not None
    assert figures.funnel_words(few) is None


def test_the_one_peer_group_is_called_the_bank() -> None:
    """Where all branches are peers, a trap of their group says so in words, not in a code."""
    review = small_review(5)
    assert "all" in set(review.warnings["subject"])
    page = hq.headquarters_page(review, language="zh")
    (text,) = [s.text for s in hq.review_conclusions(page).sentences if "待议定" in s.lead]
    assert "全行" in text
    assert "all" not in text


def with_activity(withheld: str) -> pd.DataFrame:
    """Return the measures with the bank's activity; of one status it is withheld, of one not there.

    4,600 customers, a quarter in each status, of all customers as of funded ones; silent: none.
    """
    table = small_evaluation().measures
    row = {"quarter": "2026Q3", "branch_id": "@bank", "dimension": "", "member": "", "n": 4600}
    row |= {"numerator": 1150.0, "denominator": 4600.0, "value": 0.25, "withheld": False}
    rows = [row | {"measure": m, "base": b} for m in STATUS_RATES for b in ("funded", "all")]
    added = pd.DataFrame([one for one in rows if one["measure"] != "silent_rate"])
    gone = (added["measure"] == withheld) & (added["base"] == "all")
    added = added.assign(withheld=gone, value=added["value"].mask(gone))
    added["numerator"] = added["numerator"].mask(gone)
    table = table[~(table["measure"].isin(STATUS_RATES) & (table["branch_id"] == "@bank"))]
    return pd.concat([table.assign(withheld=False), added], ignore_index=True)


def test_a_withheld_figure_of_the_bank_has_a_star_and_one_that_is_not_there_a_dash() -> None:
    """Of those active among all customers it is withheld; of those silent nothing is known."""
    table = dormancy_table(page_of(measures=with_activity("active_rate")).bank)
    assert isinstance(table, Table)
    labels = [column.label for column in table.columns]
    rows = {row[0]: dict(zip(labels, row, strict=True)) for row in table.rows}
    assert list(rows["活跃"].values())[-2:] == ["*", "*"]
    assert list(rows["睡眠"].values())[-2:] == ["1,150", "25.0%"]
    assert set(list(rows["沉默"].values())[1:]) == {"—"}


def test_attainment_of_a_withheld_figure_is_withheld() -> None:
    """B003 has a plan and its figure a star: the part reached has one too, of 23 others a number.

    The bank's is 268.56 of 244.8 million; with all figures withheld nobody's is known.
    """
    truth = small_evaluation().measures
    for branches, bank in ((["B003"], "109.7%"), ([*truth["branch_id"].unique()], "*")):
        gone = truth["measure"].eq("aum_average_quarter") & truth["branch_id"].isin(branches)
        page = page_of(measures=truth.assign(withheld=gone, value=truth["value"].mask(gone)))
        rows = {row["branch_id"]: row["attained"] for row in tables.branch_rows(page)}
        assert [name for name, part in rows.items() if part == "*"] == [
            name for name in rows if name in branches
        ]
        table = tables.plan_table(page)
        assert table is not None
        attained, _, reached = table.rows[0][-3:]
        assert attained == bank
        assert reached == ("*" if bank == "*" else "21 / 23")


def restated(rows: list[tuple[str, str, float, float]]) -> hq.HeadquartersPage:
    """Return a page with these restatements of 2026Q2: branch, measure, as issued, as of today."""
    table = pd.DataFrame(rows, columns=["branch_id", "measure", "issued", "restated"])
    parts = table["measure"].str.partition(":")
    table = table.assign(quarter="2026Q2", measure=parts[0], member=parts[2], base="funded")
    review = replace(small_review(), restatements=table, issued="2026Q2", issue=1)
    return hq.headquarters_page(review, language="zh")


def test_figures_restated_are_among_the_conclusions_and_another_policy_is_named() -> None:
    """Two figures of one branch and one of the bank; only another policy is spoken of."""
    rows = [("B001", "customers", 5, 6), ("B001", "dormancy_rate", 0.1, 0.2)]
    page = restated([*rows, ("@bank", "customers", 105, 106)])
    assert leads(page_of()) == [lead for lead in leads(page) if "上次签发" not in lead]
    last = next(s for s in hq.review_conclusions(page).sentences if "上次签发" in s.lead)
    assert last.lead == "上次签发的数有3处今天不同，涉及1家网点"
    assert last.text == "与2026Q2第1次签发相比。"
    issued = small_review()
    facts = {**issued.evaluation.policy_facts, "version": "0", "digest": "1" * 64}
    issued = replace(issued, evaluation=replace(issued.evaluation, policy_facts=facts))
    same, other = small_review(issued=small_review()), small_review(issued=issued)
    assert (same.issued_policy, other.issued_policy) == ("", "hand 0 (111111111111)")
    unchanged = hq.restatement_words(hq.headquarters_page(other, language="zh"))
    assert unchanged == Sentences(["与2026Q3第1次签发相比，没有追溯调整。"])
    page = hq.headquarters_page(replace(page.review, issued_policy="hand 0"), language="zh")
    last = next(s for s in hq.review_conclusions(page).sentences if "上次签发" in s.lead)
    assert "签发时的政策文件为hand 0，现在为hand 1 (000000000000)" in last.text


def test_one_row_is_not_left_out_for_a_row_that_says_so() -> None:
    """Of 41 branches in a table of 40 rows all are shown; 42 are 40 and a row for two."""
    for branches, words in ((41, []), (42, ["其余2家见总行工作簿"])):
        page = hq.headquarters_page(small_review(branches), language="zh")
        table = tables.branch_table(page)
        assert table is not None
        assert [row[0] for row in table.rows if "其余" in row[0]] == words


def test_restatements_that_print_alike_are_counted_and_not_listed() -> None:
    """12.31 % and 12.34 % are 12.3 % both: of two, one is shown; of one alike, a sentence is."""
    alike = ("B001", "dormancy_rate", 0.1231, 0.1234)
    table = tables.restatements_table(restated([alike, ("B002", "dormancy_rate", 0.12, 0.13)]))
    assert isinstance(table, Table)
    assert [row[-2:] for row in table.rows] == [("12.0%", "13.0%")]
    assert "共2处" in table.note and "其中1处" in table.note
    only = tables.restatements_table(restated([alike]))
    assert isinstance(only, Remark)
    assert "共1处" in only.text and "其中1处" in only.text


def test_many_restatements_are_told_by_member_and_of_branches_first() -> None:
    """Ten branches in funds, ten in insurance: two rows; the bank's larger one is neither."""
    families = {"fund": range(1, 11), "insurance": range(11, 21)}
    rows = [
        (f"B{n:03}", f"penetration:{family}", 0.1, 0.1 + n / 1000)
        for family, numbers in families.items()
        for n in numbers
    ]
    table = tables.restatements_table(
        restated([*rows, ("@bank", "penetration:fund", 0.1, 0.9), ("@bank", "customers", 5, 9)])
    )
    assert isinstance(table, Table)
    assert {("基金" in row[1], *row[2:4]) for row in table.rows[:2]} == {
        (True, "10", "010支行"),
        (False, "10", "020支行"),
    }
    assert table.rows[2][2:4] == ("0", "全行")


def test_many_restatements_are_told_by_measure() -> None:
    """Twenty branches and the bank in one measure, two in another: a row each, the largest."""
    idle = [(f"B{n:03}", "dormancy_rate", 0.10, 0.10 + n / 1000) for n in range(1, 21)]
    sold = [("B004", "multi_product_share", 0.4, 0.3), ("B009", "multi_product_share", 0.4, 0.6)]
    table = tables.restatements_table(
        restated([*idle, ("@bank", "dormancy_rate", 0.1, 0.104), *sold])
    )
    assert isinstance(table, Table)
    assert [row[2:] for row in table.rows] == [
        ("20", "020支行", "10.0%", "12.0%"),
        ("2", "009支行", "40.0%", "60.0%"),
    ]
    assert "共23处" in table.note
