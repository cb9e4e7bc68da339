"""Headquarters' workbook: typed cells that read back, "*" where withheld, no repair prompt."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Literal

import openpyxl
import pandas as pd
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from stockcust_analysis.evaluation.review import Review
from stockcust_analysis.report.workbook import HEADER_ROW
from stockcust_analysis.report.workbook_sheets import write_workbook
from stockcust_analysis.show.headquarters_page import definitions_table, headquarters_page
from stockcust_analysis.show.wording import text
from tests.report.small_review import WITHHELD, small_review, without_ranks

# openpyxl does not know lines in cells; Excel and LibreOffice do.
pytestmark = pytest.mark.filterwarnings("ignore:.* extension is not supported:UserWarning")


@pytest.fixture(scope="module")
def review() -> Review:
    """Return a circulated review of 24 branches, one of which has no report."""
    made = small_review(edition="circulated")
    branches = made.evaluation.branches["branch_id"]
    return made.with_pages((b, "failed" if b == "B005" else "made", "") for b in branches)


@pytest.fixture(scope="module")
def written(review: Review, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the workbook once."""
    path = tmp_path_factory.mktemp("book") / "headquarters.xlsx"
    write_workbook(path, headquarters_page(review, language="zh"), status="issued")
    return path


def rows_of(sheet: Worksheet) -> pd.DataFrame:
    """Return a sheet as a frame under its header."""
    head, *rows = sheet.iter_rows(min_row=HEADER_ROW + 1, values_only=True)
    return pd.DataFrame(rows, columns=list(head))


def test_every_figure_reads_back(review: Review, written: Path) -> None:
    """Each figure of the quarter is a number in the long sheet, the same to the last digit."""
    told = rows_of(openpyxl.load_workbook(written)["指标长表"])
    table = review.evaluation.measures
    now = table[table["quarter"] == "2026Q3"].reset_index(drop=True)
    assert len(told) == len(now)
    for name, column in (("户数", "n"), ("分子", "numerator"), ("实际", "value")):
        known = now[column].notna()
        # A workbook keeps 16 significant digits of a float.
        assert told.loc[known, name].astype(float).tolist() == pytest.approx(
            now.loc[known, column].tolist(), rel=1e-15
        )


def test_what_is_withheld_is_a_star(review: Review, written: Path) -> None:
    """A withheld figure is the text "*" in every sheet that would tell it: not blank, not 0."""
    book = openpyxl.load_workbook(written)
    long = rows_of(book["指标长表"])
    name = text(WITHHELD[1])
    own = long[(long["网点号"] == WITHHELD[0]) & (long["指标"] == name)].iloc[0]
    assert own[["分子", "实际"]].tolist() == ["*", "*"]
    scores = rows_of(book["得分"]).set_index("网点号")
    assert scores.loc[WITHHELD[0], "得分"] == "*"
    assert "名次" not in scores
    assert scores.drop(index=WITHHELD[0])["得分"].map(type).eq(float).all()
    parts = rows_of(book["得分分解"])
    gone = parts[(parts["网点号"] == WITHHELD[0]) & parts["指标"].str.startswith("睡眠")]
    assert gone[["实际", "完成率", "原始分", "得分"]].to_numpy().tolist() == [["*"] * 4]


def test_points_are_named_in_the_language_of_the_workbook(tmp_path: Path) -> None:
    """A share changes by 个百分点, in English by pp; no sheet has those of the other."""
    for language, own, other in (("zh", "个百分点", " pp"), ("en", " pp", "百分点")):
        path = tmp_path / f"{language}.xlsx"
        write_workbook(path, headquarters_page(small_review(), language=language), status="draft")
        with zipfile.ZipFile(path) as book:
            styles = book.read("xl/styles.xml").decode("utf-8")
        assert own in styles
        assert other not in styles


def test_in_the_internal_edition_nothing_is_withheld(tmp_path: Path) -> None:
    """No cell of it is "*", every branch has place and points, and every sheet says 内部."""
    path, review = tmp_path / "internal.xlsx", small_review()
    write_workbook(path, headquarters_page(review, language="zh"), status="draft")
    book = openpyxl.load_workbook(path)
    for sheet in book:
        assert "内部" in sheet["A1"].value
        assert "内部" in str(sheet.oddFooter.left.text)
        assert not [cell for row in sheet.iter_rows(values_only=True) for cell in row
                    if "*" in str(cell)]  # fmt: skip
    shown = rows_of(book["得分"]).set_index("网点号")
    truth = review.evaluation.scores.set_index("branch_id")
    assert shown["名次"].to_dict() == truth["rank"].to_dict()
    assert shown["得分"].to_dict() == pytest.approx(truth["points"].to_dict())


def test_a_branch_without_rank_has_a_dash_and_the_reason(tmp_path: Path) -> None:
    """Too few customers for a rank: "—" in its cells, and why; all others have their ranks."""
    path = tmp_path / "few.xlsx"
    review = without_ranks(small_review(), "B003")
    write_workbook(path, headquarters_page(review, language="zh"), status="draft")
    sheet = openpyxl.load_workbook(path)["网点比较"]
    assert "户数过少的网点不排名次" in sheet["A2"].value
    shown = rows_of(sheet).set_index("网点号")[["名次下限", "名次上限"]]
    assert set(shown.loc["B003"].to_numpy().ravel()) == {"—"}
    assert shown.drop(index="B003").map(type).isin([int, float]).all(axis=None)


def test_the_first_sheet_has_every_branch_the_lowest_attainment_first(written: Path) -> None:
    """Branch n of 24, from 0, has 10.04 + 0.1 n million of a plan of 10.2; the bank is last."""
    sheet = openpyxl.load_workbook(written).worksheets[0]
    shown = rows_of(sheet)
    assert shown["网点"].tolist()[:2] == ["001支行", "002支行"]
    assert shown["完成率"].tolist()[:2] == pytest.approx([10.04 / 10.2, 10.14 / 10.2])
    assert shown["季日均AUM"].tolist()[0] == pytest.approx(1004.0)
    assert shown["环比"].tolist()[0] == pytest.approx(1e4 / 10.03e6)
    assert (len(shown), shown["网点"].tolist()[-1]) == (25, "全行")
    assert "万元" in sheet["A2"].value


def test_the_overview_speaks_of_the_bank_in_ten_thousands(written: Path) -> None:
    """AUM of 24 branches of some 10 million each stands in 万元, with plan and attainment."""
    overview = rows_of(openpyxl.load_workbook(written)["总览"]).set_index("指标")
    # 24 · (10,000,000 + 40,000) + 100,000 · (0 + 1 + … + 23), against 24 · 10,200,000.
    assert overview.loc["季日均AUM", "实际"] == pytest.approx(26_856.0)
    assert overview.loc["季日均AUM", "计划"] == pytest.approx(24_480.0)
    assert overview.loc["季日均AUM", "完成率"] == pytest.approx(26_856 / 24_480)
    assert overview.loc["季日均AUM", "单位"] == "万元"


def test_every_sheet_has_status_frozen_header_and_filter(written: Path) -> None:
    """The review status stands on every sheet and in its printed footer; headers stay."""
    for sheet in openpyxl.load_workbook(written):
        assert "签发" in sheet["A1"].value
        assert "签发" in str(sheet.oddFooter.left.text)
        assert sheet.freeze_panes.endswith(str(HEADER_ROW + 2))
        assert sheet.auto_filter.ref


def test_it_prints_on_few_pages_and_its_explanations_on_one(review: Review, tmp_path: Path) -> None:
    """Sheets of more than 80 rows print 80 and say so; all definitions fit one page, in Chinese."""
    rows = review.evaluation.measures
    names = ["customers_per_manager", "products_per_customer"]
    evaluation = replace(
        review.evaluation, measures=pd.concat([rows, rows.head(2).assign(measure=names)])
    )
    page = headquarters_page(replace(review, evaluation=evaluation), language="zh")
    write_workbook(tmp_path / "a.xlsx", page, status="draft")
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    long = [sheet for sheet in book if sheet.max_row > HEADER_ROW + 81 and sheet.title != "口径"]
    assert long
    for sheet in long:
        assert sheet.print_area.rpartition("$")[2] == str(HEADER_ROW + 81)
        assert "打印前80行" in sheet["A2"].value
    sheet = book["口径"]
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    # Left out where they are 1; the other sheets are as many pages high as they need: 0.
    assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (None, None)
    assert sheet.page_setup.orientation == "portrait"
    assert book["例外"].page_setup.fitToHeight == 0
    heads, *rows = sheet.iter_rows(min_row=HEADER_ROW + 1, values_only=True)
    assert heads == ("指标", "单位", "方向", "口径")
    # First what the review's pages say of the policy's rules, in the same words.
    terms = [(term, meaning) for term, _, _, meaning in rows]
    rules = definitions_table(page).rows
    assert tuple(terms[: len(rules)]) == rules
    units = {row[0]: row[1] for row in rows}
    assert (units["人均管户数"], units["户均产品数"]) == ("户", "类")


def test_whatever_is_printed_fits_its_cell(written: Path) -> None:
    """A change of "▼ 12.3个百分点" is 15 letters wide; a definition has a row of as many lines."""
    book = openpyxl.load_workbook(written)
    changes = [
        cell
        for row in book["总览"].iter_rows(min_row=HEADER_ROW + 2)
        for cell in row
        if "个百分点" in cell.number_format
    ]
    groups = book["总览"].column_dimensions.values()  # one for columns of one width
    widths = {place: each.width for each in groups for place in range(each.min, each.max + 1)}
    assert changes
    assert all(widths[cell.column] >= 15 for cell in changes)
    sheet, wrapped = book["口径"], 0
    letters = sheet.column_dimensions["D"].width
    for row in range(HEADER_ROW + 2, sheet.max_row + 1):
        # In GBK a Chinese character takes two bytes, as in a cell it takes two letters.
        is_long = len(str(sheet.cell(row, 4).value).encode("gbk", "replace")) > letters
        wrapped += is_long
        assert (sheet.row_dimensions[row].height or 15) >= (30 if is_long else 15)
    assert wrapped > 3


# Each column of figures of the comparison, and what its definition must say.
_TERMS = {
    "zh": {
        "用于比较（缩尾）": "超过全行分位",
        "收缩估计（仅供展示）": "拉向可比组平均",
        "较上季变动（缩尾）": "不是实际值之差。资产留存率",
        "变动标准误": "仅因偶然",
        "实际/按结构应有": "都不缩尾",
        "可比组平均": "加权平均",
        "95%、99.8%界限": "落在其内",
        "z": "多少个标准误",
        "判断": "在99.8%界限之外",
        "名次下限、名次上限": "与偶然波动相容",
    },
    "en": {
        "Compared (winsorised)": "counts as that percentile",
        "Shrunk (display only)": "drawn towards the peers' mean",
        "Movement on last quarter (winsorised)": "not of the values. Asset retention",
        "Its standard error": "chance alone",
        "Observed / expected": "neither winsorised",
        "Peers' mean": "Weighted mean",
        "95% and 99.8% limits": "lie within",
        "z": "Standard errors",
        "Verdict": "99.8% limits",
        "Best rank, worst rank": "compatible with chance",
    },
}
_TERM_OF = {
    **dict.fromkeys(("95%下限", "95%上限", "99.8%下限", "99.8%上限"), "95%、99.8%界限"),
    **dict.fromkeys(("名次下限", "名次上限"), "名次下限、名次上限"),
    **dict.fromkeys(
        ("95% lower", "95% upper", "99.8% lower", "99.8% upper"), "95% and 99.8% limits"
    ),
    **dict.fromkeys(("Best rank", "Worst rank"), "Best rank, worst rank"),
}


@pytest.mark.parametrize("language", _TERMS)
def test_what_the_comparison_says_is_defined(
    review: Review, tmp_path: Path, language: Literal["zh", "en"]
) -> None:
    """Each column of its figures has a definition under its own header, in both languages."""
    circulated, review = review, small_review()
    page = headquarters_page(review, language=language)
    write_workbook(tmp_path / "a.xlsx", page, status="draft")
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    last = book.worksheets[-1]
    heads, *rows = last.iter_rows(min_row=HEADER_ROW + 1, values_only=True)
    term = heads.index("指标" if language == "zh" else "Measure")
    meaning = heads.index("口径" if language == "zh" else "Definition")
    told = {row[term]: row[meaning] for row in rows}
    for header, words in _TERMS[language].items():
        assert words in told[header]
    sheet = book["网点比较" if language == "zh" else "Comparison"]
    headers = [cell.value for cell in sheet[HEADER_ROW + 1]]
    own = headers[
        headers.index("用于比较（缩尾）" if language == "zh" else "Compared (winsorised)") :
    ]
    assert {_TERM_OF.get(header, header) for header in own} == {*_TERMS[language]}
    # What is circulated has no such column, and a review without a comparison speaks of none.
    page = headquarters_page(circulated, language=language)
    write_workbook(tmp_path / "c.xlsx", page, status="draft")
    rows = openpyxl.load_workbook(tmp_path / "c.xlsx").worksheets[-1].iter_rows(values_only=True)
    ratio = "实际/按结构应有" if language == "zh" else "Observed / expected"
    assert {row[term] for row in rows} & {*_TERMS[language]} == {*_TERMS[language]} - {ratio}
    alone = replace(review.evaluation, comparison=review.evaluation.comparison.head(0))
    page = headquarters_page(replace(review, evaluation=alone), language=language)
    write_workbook(tmp_path / "b.xlsx", page, status="draft")
    rows = openpyxl.load_workbook(tmp_path / "b.xlsx").worksheets[-1].iter_rows(values_only=True)
    assert not {row[term] for row in rows} & {*_TERMS[language]}


def test_there_is_a_sheet_per_question(written: Path) -> None:
    """A question without an answer, here restatements, has no sheet; all others have one."""
    names = openpyxl.load_workbook(written).sheetnames
    assert " ".join(names) == (
        "网点一览 总览 例外 得分 得分分解 网点比较 客户迁徙 增长来源 集中度 指标长表 数据质量 "
        "网点报告 口径"
    )


def test_the_same_review_gives_the_same_bytes(
    review: Review, written: Path, tmp_path: Path
) -> None:
    """No time and no chance gets into the file."""
    again = tmp_path / "again.xlsx"
    write_workbook(again, headquarters_page(review, language="zh"), status="issued")
    assert again.read_bytes() == written.read_bytes()


def test_bars_colours_and_lines_are_there(written: Path) -> None:
    """Points carry bars, quarters lines; both are in the file's own markup."""
    with zipfile.ZipFile(written) as file:
        sheets = {name: file.read(name).decode() for name in file.namelist() if "sheet" in name}
    assert "dataBar" in sheets["xl/worksheets/sheet1.xml"]
    assert "sparkline" in sheets["xl/worksheets/sheet2.xml"]
    assert "dataBar" in sheets["xl/worksheets/sheet4.xml"]


def test_english_sheets(review: Review, tmp_path: Path) -> None:
    """In English no Chinese is left but names of branches, regions and the bank."""
    path = tmp_path / "en.xlsx"
    write_workbook(path, headquarters_page(review, language="en"), status="draft")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames[:2] == ["Branches", "Overview"]
    for sheet in book:
        heads = [str(cell.value) for cell in sheet[HEADER_ROW + 1]]
        assert all(head.isascii() or "–" in head for head in heads), sheet.title


def test_english_money_is_in_millions_as_on_the_pages(tmp_path: Path) -> None:
    """Of 24 branches of 10.04 to 12.34 million the AUM is 268.56 million; of a customer, CNY."""
    review, path = small_review(), tmp_path / "en.xlsx"
    write_workbook(path, headquarters_page(review, language="en"), status="draft")
    book = openpyxl.load_workbook(path)
    overview = rows_of(book["Overview"]).set_index("Measure")
    name = text("aum_average_quarter", "en")
    assert overview.loc[name, "Unit"] == "CNY million"
    assert overview.loc[name, "2026Q3"] == pytest.approx(268.56)
    assert overview.loc[name, "Plan"] == pytest.approx(244.8)
    sheet = book["Branches"]
    assert rows_of(sheet).iloc[0, 1] == pytest.approx(10.04)
    assert str(sheet["A2"].value).count("CNY million") == 1
    own = rows_of(book["Comparison"])
    own = own[own["Measure"] == text("aum_per_customer", "en")]
    told = review.evaluation.comparison
    told = told[told["measure"] == "aum_per_customer"]
    assert own["Value"].tolist() == pytest.approx(told["value"].tolist())
    assert set(own["Unit"]) <= {"CNY"}
    assert not [cell for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row
                if "10,000 CNY" in str(cell)]  # fmt: skip


def test_a_score_is_taken_apart_in_the_words_of_the_page(tmp_path: Path) -> None:
    """What it is held against is a target, as on a branch's page: a plan only where it is one."""
    path = tmp_path / "en.xlsx"
    write_workbook(path, headquarters_page(small_review(), language="en"), status="draft")
    heads = set(rows_of(openpyxl.load_workbook(path)["Score decomposition"]))
    assert {"Target", "Attainment"} <= heads
    assert heads.isdisjoint({"Plan", "Of plan"})


@pytest.mark.skipif(not shutil.which("soffice"), reason="LibreOffice is not installed")
def test_libreoffice_opens_it(written: Path, tmp_path: Path) -> None:
    """A second program reads the workbook and writes its sheets anew."""
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    subprocess.run(
        ["soffice", profile, "--headless", "--convert-to", "ods", "--outdir", str(tmp_path),
         str(written)], check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    with zipfile.ZipFile(tmp_path / "headquarters.ods") as file:
        content = file.read("content.xml").decode()
    assert content.count("<table:table ") == 13
    assert 'office:value="26856"' in content
