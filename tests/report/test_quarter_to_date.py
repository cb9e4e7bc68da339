"""A quarter to date: from a month's last day, marked as such wherever a figure is read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
from pypdf import PdfReader

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.evaluate import targets_of
from tests.test_cli import run
from tests.tiny_bank import CUSTOMERS, HOLDINGS, write_tiny_bank

ROOT = Path(__file__).resolve().parents[2]
LATER = {"2026-09-30": "2026-08-31", "2026-09-29": "2026-08-29", "2026-09-01": "2026-08-20"}
MARK = "季中"


def month_ends(folder: Path) -> Path:
    """Write the tiny bank with August in September's place, and August a year before."""
    customers, holdings = CUSTOMERS, HOLDINGS
    for day, earlier in LATER.items():
        customers, holdings = (text.replace(day, earlier) for text in (customers, holdings))
    customers += "2025-08-31,C1,001,personal,2020-01-05,2025-08-01,500.00,400.00\n"
    holdings += "2025-08-31,A1,C1,demand_deposit,500.00\n"
    return write_tiny_bank(folder, customers=customers, holdings=holdings)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Report one branch to the end of August; return the folder."""
    out, bank = tmp_path_factory.mktemp("reports"), month_ends(tmp_path_factory.mktemp("bank"))
    assert run("report", bank, "--as-of", "2026-08-31", "--branch", "001", "--out", out) == 0
    return out / "2026Q3-08"


def test_it_is_marked_on_every_page_sheet_and_index(reported: Path) -> None:
    """No page of a PDF, no sheet of the workbook and no index looks like a whole quarter's."""
    for name in ("branches/001/report.pdf", "headquarters_review.pdf"):
        texts = [page.extract_text() for page in PdfReader(reported / name).pages]
        assert all(MARK in text for text in texts)
        assert "季末最后一日" not in "".join(texts)
    assert MARK in (reported / "index.html").read_text(encoding="utf-8")
    with ZipFile(reported / "headquarters.xlsx") as book:
        sheets = [name for name in book.namelist() if re.match(r"xl/worksheets/sheet\d+", name)]
        assert all(MARK in book.read(name).decode() for name in sheets)


def test_it_is_measured_to_the_month_s_end(reported: Path) -> None:
    """Beside August stand the end of June and August a year ago, as the extracts have them."""
    table = pd.read_csv(reported / "measures.csv", dtype={"branch_id": str}, encoding="utf-8-sig")
    own = table[(table["branch_id"] == "001") & (table["measure"] == "aum_average_quarter")]
    own = own[own["base"] == "all"].set_index("quarter")
    assert own["value"].to_dict() == {"2025Q3-08": 400.0, "2026Q2": 1150.5, "2026Q3-08": 1350.6}
    assert own.loc["2026Q3-08", "as_of"] == "2026-08-31"


def test_plans_are_those_of_the_quarter(tmp_path: Path) -> None:
    """What is to be reached by the end of September is what August is held against."""
    targets = "branch_id,quarter,measure,target\n001,2026Q3,multi_product_share,0.5\n"
    (month_ends(tmp_path) / "targets.csv").write_text(targets, encoding="utf-8")
    with pytest.warns(match="2026Q3"), open_bank(tmp_path) as bank:
        plans = targets_of(bank, Quarter.parse("2026Q3-08"))
    assert plans[["quarter", "target"]].to_numpy().tolist() == [["2026Q3-08", 0.5]]


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (
            ["--as-of", "2026-07-31"],
            "没有2026-07-31的数据。已有日期：2025-08-31、2026-06-30、2026-",
        ),
        (["--as-of", "2026-08-30"], "2026-08-30不是月末日，--as-of须为月末日。"),
        (["--as-of", "2026-08-31", "--quarter", "2026Q2"], "--quarter与--as-of只能写其一。"),
    ],
)
def test_another_day_is_a_clear_error(
    when: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A month that is not delivered, a day within one, and two answers to one question."""
    assert run("evaluate", month_ends(tmp_path), *when, "--out", tmp_path / "out") == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out" / "2026Q3-08" / "evaluation").exists()


@pytest.mark.parametrize("name", ["measures-csv.md", "measures-csv.zh-CN.md"])
def test_the_schema_is_the_documented_one(name: str, reported: Path) -> None:
    """Columns, keys and number of `measures.csv` are those of the reference."""
    page = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, flags=re.MULTILINE)
    table = pd.read_csv(reported / "measures.csv", dtype=str, encoding="utf-8-sig")
    assert [column for column, _ in rows] == list(table)
    keys = [column for column, kind in rows if re.search("key|键", kind)]
    assert not table.duplicated(keys).any()
    manifest = json.loads((reported / "manifest.json").read_text(encoding="utf-8"))
    assert re.search(r"\*\*(?:Schema |第)(\d+)", page)[1] == str(manifest["measures_schema"])
