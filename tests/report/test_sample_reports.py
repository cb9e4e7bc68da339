"""The sample bank's pages tell the stories planted in it, in both languages, for all readers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.report.quarter import ReportOptions, make_reports
from tests.report.word_boxes import badly_placed, needs_pdftotext, word_boxes

pytestmark = pytest.mark.slow

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
TELLS = {
    "B002": ("最大十户占比达半数以上", "十户"),
    "B003": ("沉默客户的AUM占比高于全行", "sleeping money"),
    "B004": ("多产品客户占比低于全行", "weak in cross-sell"),
    "B005": ("增长来自新客户，原有客户在减少", "grows by new customers alone"),
    "B006": ("户数过少，不作判断", "tiny"),
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


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> PdfReader:
    """Report one branch of the sample bank in English and open its PDF."""
    out = tmp_path_factory.mktemp("reports")
    options = ReportOptions(quarter="2026Q3", branches=("B002",), language="en")
    with open_bank(SAMPLE) as bank:
        run = make_reports(bank, options, out=out)
    return PdfReader(run.folder / "branches" / "B002" / "report.pdf")


def elements(reader: PdfReader) -> list[Any]:
    """Return every element of the tag tree, in reading order."""
    found, waiting = [], [reader.trailer["/Root"]["/StructTreeRoot"]]
    while waiting:
        element = waiting.pop().get_object()
        if isinstance(element, list):
            waiting.extend(reversed(element))
        elif isinstance(element, dict):
            found.append(element)
            waiting.extend([element["/K"]] if "/K" in element else [])
    return found


def text_of(reader: PdfReader) -> str:
    """Return all text of a PDF without white space, which line ends and fonts put anywhere."""
    return re.sub(r"\s", "", "".join(page.extract_text() for page in reader.pages))


@pytest.mark.parametrize("branch", TELLS)
def test_the_page_tells_the_branchs_story(pages: dict[str, PdfReader], branch: str) -> None:
    """Each planted story is a conclusion of its branch, and of no page it is not true of."""
    expected, _ = TELLS[branch]
    assert expected in text_of(pages[branch])
    if branch in ("B005", "B006", "B007"):
        others = set(TELLS) - {branch}
        assert not any(expected in text_of(pages[other]) for other in others)


def test_pages_are_numbered_to_the_last(pages: dict[str, PdfReader]) -> None:
    """Every page says which it is, of how many."""
    reader = pages["B002"]
    for number, page in enumerate(reader.pages, start=1):
        footer = re.sub(r"\s", "", page.extract_text())
        assert f"第{number}页/共{len(reader.pages)}页" in footer


def test_no_page_is_too_heavy_to_mail(pages: dict[str, PdfReader]) -> None:
    """A report stays below 1.5 MB and has six to ten pages; that of a tiny branch is shorter."""
    for branch, reader in pages.items():
        assert 50_000 <= reader.stream.seek(0, 2) <= 1_500_000
        least = 2 if branch == "B006" else 6
        assert least <= len(reader.pages) <= (4 if branch == "B006" else 10)


def test_the_first_page_says_what_to_do(pages: dict[str, PdfReader]) -> None:
    """Five numbered tasks and six numbers stand on page 1, before any conclusion."""
    first = re.sub(r"\s", "", pages["B003"].pages[0].extract_text())
    order = [
        "本月先做五件事",
        "1联系到期客户，谈续作",
        "2走访有资产的沉默客户",
        "六个数",
        "季日均AUM",
        "在可比网点中的位置",
        "上季名单带来了什么",
    ]
    places = [first.index(words) for words in order]
    assert places == sorted(places)
    assert all(f"{number}" in first for number in range(1, 6))


def test_the_first_page_counts_its_tasks(pages: dict[str, PdfReader]) -> None:
    """The tiny branch has three lists to work on: its page says three things, not five."""
    first = re.sub(r"\s", "", pages["B006"].pages[0].extract_text())
    assert "本月先做三件事" in first
    assert "五件事" not in first


@needs_pdftotext
def test_no_word_is_cut_or_covered(pages: dict[str, PdfReader], english: PdfReader) -> None:
    """On every page of all stories, in both languages, words stand inside the margins and apart."""
    for reader in (*pages.values(), english):
        reader.stream.seek(0)
        assert badly_placed(word_boxes(reader.stream.read())) == []


def test_the_file_is_accessible_and_archival(pages: dict[str, PdfReader]) -> None:
    """Each report declares PDF/UA-1 and PDF/A-2a, is tagged, has its title and its language."""
    for branch, reader in pages.items():
        root = reader.trailer["/Root"]
        metadata = root["/Metadata"].get_object().get_data().decode()
        for claim in ("pdfuaid:part>1<", "pdfaid:part>2<", "pdfaid:conformance>A<"):
            assert claim in metadata, branch
        assert root["/MarkInfo"]["/Marked"]
        assert str(root["/Lang"]).startswith("zh")
        assert reader.metadata is not None
        assert "2026年第3季度" in str(reader.metadata.title)


def test_conclusions_link_to_the_page_they_name(pages: dict[str, PdfReader]) -> None:
    """The page number behind a conclusion is that of the page its link goes to."""
    reader = pages["B002"]
    opening = reader.pages[1]
    text = re.sub(r"\s", "", opening.extract_text()).split("目录")[0]
    named = [int(number) for number in re.findall(r"第(\d+)页", text)]
    number_of = {page.indirect_reference: at for at, page in enumerate(reader.pages, start=1)}
    links = [each.get_object() for each in opening["/Annots"]]
    led_to = []
    for link in links:
        place = link["/Dest"] if "/Dest" in link else link["/A"]["/D"]
        place = reader.named_destinations[place].dest_array if isinstance(place, str) else place
        led_to.append(number_of[place[0]])
    assert len(named) == 5
    assert led_to[: len(named)] == named


def test_no_chinese_in_the_english_report(english: PdfReader) -> None:
    """But for the names of bank and branch, every character is a Western one."""
    text = text_of(english)
    for name in ("青禾农村商业银行", "云店支行"):
        text = text.replace(name, "")
    assert re.findall(r"[\u3400-\u9fff，。；：（）、]+", text) == []


def test_no_english_in_the_chinese_report(pages: dict[str, PdfReader]) -> None:
    """Latin letters spell AUM, quarters and formula signs, and the policy's name at the end."""
    text = text_of(pages["B002"]).replace("rural_commercial_bank", "")
    found = set(re.findall(r"[A-Za-z]{2,}", text.split("运行信息")[0]))
    assert {word.replace("AUM", "") for word in found} == {""}


def test_figures_and_tables_are_tagged(pages: dict[str, PdfReader]) -> None:
    """Title, chapters and sections are H1 to H3; at most ten figures, each told in words."""
    found = elements(pages["B002"])
    kinds = [str(element.get("/S")) for element in found]
    assert kinds.count("/H1") == 1
    assert kinds.count("/H2") >= 8
    assert kinds.count("/H3") >= 1
    assert kinds.count("/Table") >= 8
    assert kinds.count("/TH") >= 40
    figures = [element for element in found if element.get("/S") == "/Figure"]
    assert 6 <= len(figures) <= 10
    for element in figures:
        assert len(str(element["/Alt"])) > 20


def test_bookmarks_follow_the_numbers(pages: dict[str, PdfReader]) -> None:
    """The bookmarks name the chapters in the order in which they are numbered."""
    numbered = [str(title.title) for title in pages["B002"].outline if not isinstance(title, list)]
    chapters = [title for title in numbered if "、" in title]
    assert [title.split("、")[0] for title in chapters] == list("一二三四五六七八九十")[
        : len(chapters)
    ]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
def test_another_program_reads_the_chinese(pages: dict[str, PdfReader]) -> None:
    """The tool pdftotext gives the chapters and the chart's words back as they were written."""
    stream = pages["B002"].stream
    stream.seek(0)
    found = subprocess.run(
        ["pdftotext", "-", "-"], input=stream.read(), capture_output=True, check=True
    ).stdout.decode("utf-8")
    text = re.sub(r"\s", "", found)
    order = (
        "云店支行",
        "本月先做五件事",
        "六个数",
        "一、本季结论",
        "前20%客户持有",
        "联合持有",
        "运行信息",
    )
    places = [text.index(words) for words in order]
    assert places == sorted(places)
