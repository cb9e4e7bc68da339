"""A bank's own tiers, families and classes reach every page in its own words, and no others do."""

from __future__ import annotations

import re
from pathlib import Path

import openpyxl
import pytest
from pypdf import PdfReader

from stockcust_analysis.bank.sample import make_bank, write_bank
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.policy import load_policy
from stockcust_analysis.report.plan import ReportOptions
from stockcust_analysis.report.quarter import make_reports

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.* extension is not supported:UserWarning"),
]

POLICY = """
name = "own"
version = "1"
base = "rural_commercial_bank"
[tiers]
name = "four"
tiers = [
    { name = "residual", remove = true }, { name = "potential", remove = true },
    { name = "effective", remove = true }, { name = "mid", remove = true },
    { name = "high", remove = true }, { name = "private", remove = true },
    { name = "t1", lower = 0, zh = "青铜层", en = "Bronze" },
    { name = "t2", lower = 5_000, zh = "白银层", en = "Silver" },
    { name = "t3", lower = 100_000, zh = "赤金层", en = "Golden" },
    { name = "t4", lower = 1_000_000, zh = "钻石层", en = "Diamond" },
]
[tier_memory]
name = "half_a_year"
months_to_downgrade = 6
[coverage]
profile_targets = [{ tier = "t4", share = 1.0 }]
classes = [{ name = "A", zh = "金牌类", en = "Star" }]
[disclosure]
merged_tiers = ["t4"]
[families]
families = [
    { name = "deposit", zh = "储蓄", en = "Savings" },
    { name = "bond_metal", remove = true },
    { name = "bond", zh = "国债类", en = "Treasuries", products = ["bond"] },
    { name = "metal", zh = "黄金积存", en = "Bullion", products = ["metal"] },
    { name = "payroll", zh = "薪酬代发", en = "Salaries" },
]
"""
TIERS = {
    "zh": ("青铜层", "白银层", "赤金层", "钻石层"),
    "en": ("Bronze", "Silver", "Golden", "Diamond"),
}
FAMILIES = {
    "zh": ("储蓄", "理财", "国债类", "黄金积存", "薪酬代发"),
    "en": ("Savings", "Wealth", "Treasuries", "Bullion", "Salaries"),
}
CLASS = {"zh": "金牌类", "en": "Star"}
# "effective" and "high" are said of other things as well.
SHIPPED = {
    "zh": ("零散", "潜力", "中端", "高端", "私行", "债券贵金属", "代发工资"),
    "en": (
        "Residual",
        "Potential",
        "Mid",
        "Private",
        "residual",
        "potential",
        "mid",
        "private",
        "Payroll",
        "Bonds",
    ),
}
APPROXIMATE = {"zh": "按季近似", "en": "approximated by quarter"}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a bank of eight branches and three quarters."""
    folder = tmp_path_factory.mktemp("bank")
    write_bank(make_bank(branches=8, customers=1_600, quarters=3), folder)
    return folder


@pytest.fixture(scope="module", params=["zh", "en"])
def reported(
    request: pytest.FixtureRequest, bank: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """Report the first branch and headquarters' set; return the language and the folder."""
    out = tmp_path_factory.mktemp("reports")
    policy = out / "own.toml"
    policy.write_text(POLICY, "utf-8")
    options = ReportOptions(
        quarter="2026Q3", branches=("B001",), language=request.param, policy=str(policy)
    )
    with open_bank(bank) as opened:
        run = make_reports(opened, options, out=out)
    assert [result.error for result in run.results] == [""]
    return request.param, run.folder


def pdf_text(path: Path) -> str:
    """Return all text of a PDF."""
    text = " ".join(page.extract_text() for page in PdfReader(path).pages)
    return re.sub(r"\s+", " ", text)


def sheet_text(path: Path) -> str:
    """Return all cells of a workbook."""
    book = openpyxl.load_workbook(path, read_only=True)
    return "\n".join(
        str(cell)
        for sheet in book
        for row in sheet.iter_rows(values_only=True)
        for cell in row
        if cell is not None
    )


def says(text: str, word: str) -> bool:
    """Tell whether a text says a word: between letters of its own kind it is another one."""
    latin = word.isascii()
    return bool(re.search(rf"\b{word}\b" if latin else word, text))


def test_four_tiers_and_ten_families(tmp_path: Path) -> None:
    """The policy can be followed, and has four tiers and ten families of its own."""
    path = tmp_path / "own.toml"
    path.write_text(POLICY, "utf-8")
    policy = load_policy(path)
    assert (len(policy.tiers.names), len(policy.families.names)) == (4, 10)


def test_every_page_says_the_banks_words(reported: tuple[str, Path]) -> None:
    """Branch PDF, review and workbook name the bank's tiers, and the branch its families."""
    language, folder = reported
    branch = pdf_text(folder / "branches" / "B001" / "report.pdf")
    compact = branch.replace(" ", "")
    for word in (*TIERS[language], *FAMILIES[language], CLASS[language]):
        assert word in compact
    assert APPROXIMATE[language].replace(" ", "") in compact
    review = pdf_text(folder / "headquarters_review.pdf").replace(" ", "")
    assert APPROXIMATE[language].replace(" ", "") in review
    book = sheet_text(folder / "headquarters.xlsx")
    for word in (TIERS[language][0], TIERS[language][1]):
        assert word in review
        assert word in book
    for word in FAMILIES[language]:
        assert word in book


def test_no_page_says_a_shipped_tiers_word(reported: tuple[str, Path]) -> None:
    """No tier or family that the bank does not have appears on any of them."""
    language, folder = reported
    texts = {path.name: pdf_text(path) for path in folder.rglob("*.pdf")}
    texts |= {path.name: sheet_text(path) for path in folder.rglob("headquarters*.xlsx")}
    index = (folder / "index.html").read_text("utf-8")
    body = re.sub(r"<(script|style).*?</\1>", " ", index, flags=re.DOTALL)
    texts["index.html"] = re.sub(r"<[^>]*>", " ", body)
    found = {
        (name, word)
        for name, text in texts.items()
        for word in SHIPPED[language]
        if says(text, word)
    }
    assert found == set()


def test_work_lists_name_the_banks_tiers(reported: tuple[str, Path]) -> None:
    """A customer on a list stands under the bank's own tier."""
    language, folder = reported
    book = openpyxl.load_workbook(folder / "branches" / "B001" / "worklists.xlsx")
    heading = {"zh": "客户分层", "en": "Tier"}[language]
    named = set()
    for sheet in book.worksheets[1:]:
        rows = list(sheet.iter_rows(values_only=True))
        column = rows[0].index(heading)
        named |= {row[column] for row in rows[1:]}
    assert named
    assert named <= set(TIERS[language])
