"""Headquarters' set as a run writes it: states, the same numbers as the branch's, restatements."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from pypdf import PdfReader

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.periods import Quarter
from stockcust_analysis.report.plan import ReportOptions
from stockcust_analysis.report.quarter import make_reports
from stockcust_analysis.report.workbook import HEADER_ROW
from stockcust_analysis.show import headquarters_quality
from stockcust_analysis.show.branch_tables import _OVERVIEW
from stockcust_analysis.show.headquarters_page import headquarters_page
from stockcust_analysis.show.labels import label, measure_words
from stockcust_analysis.show.units import format_measure
from tests.report.small_review import small_review
from tests.tiny_bank import write_tiny_bank

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
EXTENSIONS = "ignore:.* extension is not supported:UserWarning"


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """Report one branch of the tiny bank, then issue it; return the folder, the first notebook."""
    out = tmp_path_factory.mktemp("reports")
    asked = ReportOptions(quarter="2026Q3", branches=("001",))
    with open_bank(write_tiny_bank(tmp_path_factory.mktemp("bank"))) as bank:
        folder = make_reports(bank, asked, out=out).folder
        notebook = (folder / "headquarters_review.ipynb").read_bytes()
        run = make_reports(bank, replace(asked, status="issued"), out=out)
    assert run.failed == ()
    return folder, notebook


def text_of(path: Path) -> str:
    """Return all text of a PDF, without white space."""
    return re.sub(r"\s", "", "".join(page.extract_text() for page in PdfReader(path).pages))


@pytest.mark.filterwarnings(EXTENSIONS)
def test_the_review_status_stands_on_every_page(issued: tuple[Path, bytes]) -> None:
    """PDF page, workbook sheet and index all say that the quarter is issued."""
    folder, _ = issued
    for page in PdfReader(folder / "headquarters_review.pdf").pages:
        assert "签发" in page.extract_text()
    for sheet in openpyxl.load_workbook(folder / "headquarters.xlsx"):
        assert "签发" in sheet["A1"].value
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert '<span class="status">签发</span>' in index


def test_issuing_prints_without_running_and_is_written_down(issued: tuple[Path, bytes]) -> None:
    """The notebook is the one that ran; who issued, and when, stands in run.json."""
    folder, notebook = issued
    assert (folder / "headquarters_review.ipynb").read_bytes() == notebook
    assert (folder / "issued" / "review.json").exists()
    history = json.loads((folder / "run.json").read_text(encoding="utf-8"))["status_history"]
    assert [each["status"] for each in history] == ["draft", "issued"]
    assert all(each["by"] and each["at"] for each in history)


def test_a_branch_without_a_page_is_seen(issued: tuple[Path, bytes]) -> None:
    """The branch that was not asked for stands in review and index as not made."""
    folder, _ = issued
    assert "柳树支行未出" in text_of(folder / "headquarters_review.pdf")
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert 'href="branches/001/report.pdf"' in index
    assert "branches/002" not in index


@pytest.mark.filterwarnings(EXTENSIONS)
@pytest.mark.slow
def test_branch_and_headquarters_say_the_same_or_nothing(tmp_path: Path) -> None:
    """A figure of a branch's PDF is the same in headquarters' workbook, or a "*" there."""
    with open_bank(SAMPLE) as bank:
        run = make_reports(bank, ReportOptions(quarter="2026Q3", branches=("B002",)), out=tmp_path)
    assert run.failed == ()
    report = run.folder / "branches" / "B002" / "report.pdf"
    text = text_of(report)
    sheet = openpyxl.load_workbook(run.folder / "headquarters.xlsx")["指标长表"]
    head, *rows = sheet.iter_rows(min_row=HEADER_ROW + 1, values_only=True)
    table = pd.DataFrame(rows, columns=list(head))
    own = table[(table["网点号"] == "B002") & (table["成员"].fillna("") == "")]
    told = []
    for measure, base in _OVERVIEW:
        if measure_words(measure).kind == "money" or measure == "customers":
            continue
        name, within = label(measure), own["代码"].eq(measure)
        value = own[within & own["口径"].eq(label(base, within="base"))]["实际"].iloc[0]
        # The overview's row: name, unit if any, this quarter.
        shown = re.findall(re.escape(re.sub(r"\s", "", name)) + r"类?([\d,.]+%?)", text)
        assert shown, name
        told.append(value if value == "*" else format_measure(value, measure) in shown)
    assert set(told) <= {True, "*"}
    assert told.count(True) >= 3


def test_a_restated_figure_is_listed_with_both_readings() -> None:
    """What an issued quarter said and what it says today stand side by side in the review."""
    now = small_review().circulated
    measures = now.measures.copy()
    place = measures.index[(measures["quarter"] == "2026Q2") & (measures["branch_id"] == "B001")
                           & (measures["measure"] == "customers")][0]  # fmt: skip
    measures.loc[place, "value"] = 195.0  # the branch has 200
    before = replace(now, quarter=Quarter.parse("2026Q2"), measures=measures)
    page = headquarters_page(small_review(issued=before), language="zh")
    shown = headquarters_quality.restatements_table(page)
    assert shown is not None
    assert shown.rows == (("2026Q2", "001支行", "客户数 · 有资产客户", "195", "200"),)
