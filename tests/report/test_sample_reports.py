"""The sample bank's pages tell the stories planted in it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pypdf import PdfReader

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.report.quarter import ReportOptions, make_reports

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
TELLS = {
    "B002": ("最大十户占比偏高", "十户"),
    "B003": ("沉默客户的AUM占比高于全行", "sleeping money"),
    "B004": ("多产品客户占比低于全行", "weak in cross-sell"),
    "B006": ("户数过少，不作比较", "tiny"),
    "B007": ("暂无可比的历史数据", "opened last quarter"),
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PdfReader]:
    """Report five branches of the sample bank and open their PDFs."""
    out = tmp_path_factory.mktemp("reports")
    options = ReportOptions(quarter="2026Q3", branches=tuple(TELLS))
    with open_bank(SAMPLE) as bank:
        run = make_reports(bank, options, out=out)
    assert [result.error for result in run.results] == [""] * len(TELLS)
    folder = run.folder / "branches"
    return {branch: PdfReader(folder / branch / "report.pdf") for branch in TELLS}


def text_of(reader: PdfReader) -> str:
    """Return all text of a PDF without white space, which line ends and fonts put anywhere."""
    return re.sub(r"\s", "", "".join(page.extract_text() for page in reader.pages))


@pytest.mark.parametrize("branch", TELLS)
def test_the_page_tells_the_branchs_story(pages: dict[str, PdfReader], branch: str) -> None:
    """Each planted story is a conclusion of its branch, and of no page it is not true of."""
    expected, _ = TELLS[branch]
    assert expected in text_of(pages[branch])
    if branch in ("B006", "B007"):
        others = set(TELLS) - {branch}
        assert not any(expected in text_of(pages[other]) for other in others)


def test_pages_are_numbered_to_the_last(pages: dict[str, PdfReader]) -> None:
    """Every page says which it is, of how many."""
    reader = pages["B002"]
    for number, page in enumerate(reader.pages, start=1):
        footer = re.sub(r"\s", "", page.extract_text())
        assert f"第{number}页/共{len(reader.pages)}页" in footer


def test_no_page_is_too_heavy_to_mail(pages: dict[str, PdfReader]) -> None:
    """A report stays below 1.5 MB and has between four and ten pages."""
    for reader in pages.values():
        assert 50_000 <= reader.stream.seek(0, 2) <= 1_500_000
        assert 4 <= len(reader.pages) <= 10


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
def test_another_program_reads_the_chinese(pages: dict[str, PdfReader]) -> None:
    """The tool pdftotext gives the chapters and the chart's words back as they were written."""
    stream = pages["B002"].stream
    stream.seek(0)
    found = subprocess.run(
        ["pdftotext", "-", "-"], input=stream.read(), capture_output=True, check=True
    ).stdout.decode("utf-8")
    for words in ("存量客户分析报告", "资产集中度", "云店支行", "前20%客户持有", "联合持有"):
        assert words in re.sub(r"\s", "", found)
