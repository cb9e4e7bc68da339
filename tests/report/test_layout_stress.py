"""Reports of odd branches: whole pages, and no word outside the margins or over another word."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from stockcust_analysis import show
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.evaluation.evaluate import evaluate
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.evaluation.worklists import make_lists, worklist_tables
from stockcust_analysis.policy import load_policy
from stockcust_analysis.show.wording import measure_words
from tests.report.in_process import branch_report
from tests.report.printed import COVER, Printed, displayed, printed, shown, words
from tests.report.word_boxes import badly_placed, needs_pdftotext, word_boxes

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
BRANCH = "B003"
LONG = "青禾农村商业银行股份有限公司钅䶮㛃𬭎县杏墩镇农贸市场社区综合服务中心老年客户暨养老金代发业务专营支行（原杏墩信用社）网点"  # noqa: E501
TABLES = ("measures", "bridge", "migration", "worklists", "outcomes", "scorecard")


def named(name: str) -> Callable[[Evaluation], Evaluation]:
    """Return a change of the branch's name."""
    return lambda one: replace(one, branches=one.branches.assign(name=name))


def of_size(customers: int) -> Callable[[Evaluation], Evaluation]:
    """Return a change of the branch's size: every count and amount grows or shrinks alike."""

    def resized(one: Evaluation) -> Evaluation:
        now = one.measures.query("branch_id == @BRANCH and measure == 'customers'")
        factor = customers / now.query("base == 'funded' and quarter == '2026Q3'")["value"].item()
        ours, changed = one.measures["branch_id"] == BRANCH, one.measures.copy()
        grows = changed["measure"].map(lambda name: measure_words(name).kind in ("money", "count"))
        counted = ["n", "numerator", "denominator"]
        changed[[*counted, "value"]] = changed[[*counted, "value"]].astype(float)
        changed.loc[ours, counted] = (changed.loc[ours, counted] * factor).round()
        changed.loc[ours & grows, "value"] = (changed.loc[ours & grows, "value"] * factor).round()
        tables = {"measures": changed}
        for name in ("bridge", "migration", "worklists"):
            table = getattr(one, name).copy()
            here = table["branch_id"] == BRANCH
            for column in table.select_dtypes("number"):
                table[column] = table[column].mask(here, (table[column] * factor).round())
            tables[name] = table
        return replace(one, **tables)

    return resized


def one_tier(one: Evaluation) -> Evaluation:
    """Put all customers and assets of the branch into one tier."""
    measures = one.measures.copy()
    tiers = (measures["branch_id"] == BRANCH) & (measures["dimension"] == "tier")
    shares = tiers & measures["measure"].str.endswith("share")
    measures.loc[tiers, "value"] = measures.loc[tiers, "value"].where(shares, 400.0)
    measures.loc[shares, "value"] = 1.0
    measures.loc[tiers & (measures["member"] != "mid"), ["value", "numerator"]] = 0.0
    moves = one.migration.query("`from` == 'mid' and to == 'mid'")
    return replace(one, measures=measures, migration=moves)


def nobody_idle(one: Evaluation) -> Evaluation:
    """Let every customer of the branch be active."""
    measures = one.measures.copy()
    ours = measures["branch_id"] == BRANCH
    names_of = {"silent_rate", "dormancy_rate", "active_small_rate", "silent_aum_share",
                "dormant_aum_share", "dormant_opening", "dormant_closing", "newly_dormant",
                "dormant_arrived", "reactivated", "dormant_moved", "dormant_left"}  # fmt: skip
    idle = ours & measures["measure"].isin(names_of)
    measures.loc[idle, ["value", "numerator"]] = 0.0
    measures.loc[ours & (measures["measure"] == "active_rate"), "value"] = 1.0
    return replace(one, measures=measures)


def first_quarter(one: Evaluation) -> Evaluation:
    """Leave one quarter of history: nothing to compare with, nobody to have moved."""
    gone = {name: getattr(one, name).head(0) for name in ("bridge", "migration", "outcomes")}
    return replace(one, measures=one.measures.query("quarter == '2026Q3'"), **gone)


def nothing_known(one: Evaluation) -> Evaluation:
    """Withhold every figure of the branch but how many customers it has."""
    known = (one.measures["branch_id"] != BRANCH) | (one.measures["measure"] == "customers")
    measures = one.measures.assign(value=one.measures["value"].where(known))
    gone = {name: getattr(one, name).head(0) for name in ("scorecard", "scores", "comparison")}
    return replace(one, measures=measures, **gone)


ODD: dict[str, Callable[[Evaluation], Evaluation]] = {
    "five quarters": lambda one: one,
    "one quarter": first_quarter,
    "a name of two characters": named("云店"),
    "a name of sixty characters": named(LONG),
    "five customers": of_size(5),
    "eighty thousand customers": of_size(80_000),
    "one tier": one_tier,
    "nobody idle": nobody_idle,
    "all withheld": nothing_known,
}


@pytest.fixture(scope="module")
def normal() -> Evaluation:
    """Evaluate the sample bank, and take the slice of one branch with its lists."""
    with open_bank(SAMPLE) as bank:
        whole = evaluate(bank, quarter="2026Q3")
        policy = load_policy("rural_commercial_bank")
        made = make_lists(bank, as_of=whole.quarter.end, policy=policy)
        lists, outcomes = worklist_tables(bank, made, quarter=whole.quarter, policy=policy)
    one = replace(whole, worklists=lists, outcomes=outcomes).of_branch(BRANCH)
    return replace(one, branches=one.branches.query("branch_id == @BRANCH"))


@needs_pdftotext
@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_branch_gets_a_whole_page(
    normal: Evaluation, tmp_path: Path, odd: str, language: str
) -> None:
    """Whatever the branch is like, its words stand inside the margins and clear of one another."""
    changed = ODD[odd](normal)
    report = branch_report(changed, tmp_path, language=language)
    assert badly_placed(word_boxes(report.content)) == []
    text, (name,) = report.text(), changed.branches["name"]
    assert name in text
    assert ("“—”无此数或不适用" if language == "zh" else "—noneornotapplicable") in text
    assert len(report.reader.pages) <= (4 if odd == "five customers" else 8)


@needs_pdftotext
@pytest.mark.slow
def test_a_withheld_branch_prints_no_invented_number(normal: Evaluation, tmp_path: Path) -> None:
    """Without figures there is no change of a share, and the page says that there is no data."""
    report = branch_report(nothing_known(normal), tmp_path)
    opening = report.text().split("二、")[0].split("本季结论")[1]
    assert "无数据" in opening or "没有可用于判断的指标" in opening
    assert not re.search(r"[▲▼][\d.]+个百分点", report.text())


@needs_pdftotext
def test_a_long_table_repeats_its_header_on_every_page() -> None:
    """A table of eighty branches breaks between rows, and each page begins with its header."""
    frame = pd.DataFrame(
        {"网点": [f"杏墩镇第{row}支行" for row in range(80)], "户数": range(80), "占比": "*"}
    )
    table = show.table(frame, caption="各网点客户数", align={"占比": "right"})
    report = printed(shown(COVER), words("## 网点"), shown(table))
    pages = report.pages()
    assert len(pages) >= 2
    with_rows = [page for page in pages if "杏墩镇第" in page]
    assert len(with_rows) >= 2
    assert all(page.index("网点户数占比") < page.index("杏墩镇第") for page in with_rows)
    assert report.text().count("*") == 80
    assert badly_placed(word_boxes(report.content)) == []


@needs_pdftotext
@pytest.mark.parametrize("name", ["杏", "杏墩", LONG, LONG[:30], "𬭎䶮㛃支行"])
def test_a_name_of_any_length_stands_on_cover_header_and_in_a_table(name: str) -> None:
    """Short, long and rare names are set whole, smaller or on two lines, never cut."""
    cover = show.document(title=name, organisation="示例农村商业银行", branch=name)
    frame = pd.DataFrame({"网点": [name] * 70, "客户数（户）": 1_234_567, "环比": "▲ 12.3个百分点"})
    report: Printed = printed(shown(cover), words("## 甲"), shown(show.table(frame, caption=name)))
    assert badly_placed(word_boxes(report.content)) == []
    pages = report.pages()
    assert len(pages) >= 2
    assert pages[0].startswith("示例农村商业银行")
    assert all(name in page for page in pages)


@needs_pdftotext
def test_pandas_own_table_of_many_columns_can_be_read_enlarged() -> None:
    """Twenty columns of names and amounts get small letters, not letters over one another."""
    columns = [f"aum_average_quarter_{number}" for number in range(10)]
    frame = pd.DataFrame([[123_456.78] * 10 + ["multi_product_share"] * 10] * 5)
    frame.columns = pd.Index([*columns, *(f"holds_{name}" for name in columns)])
    report = printed(displayed({"text/html": frame.to_html(), "text/plain": "…"}))
    assert report.text().count("123456.78") == 50
    assert badly_placed(word_boxes(report.content)) == []


@needs_pdftotext
def test_an_arrow_stays_on_the_line_of_its_number() -> None:
    """Twelve columns of changes in small letters: in none is the arrow left on a line alone."""
    row = ["Xinghuadun Town Market Branch", *["▲ 17.7%", "▼ 1.2 pp"] * 6]
    frame = pd.DataFrame([row] * 3)
    frame.columns = pd.Index(["Branch", *(f"QoQ of {number}" for number in range(12))])
    table = show.table(frame, caption="Key figures of every branch", emphasise=[-1])
    report = printed(shown(COVER), shown(table), language="en")
    found = [word for page in word_boxes(report.content) for word in page]
    beside = [
        after.text
        for word, after in pairwise(found)
        if word.text in ("▲", "▼") and word.top == after.top
    ]
    assert sorted(beside) == ["1.2"] * 18 + ["17.7%"] * 18
    assert badly_placed(word_boxes(report.content)) == []
