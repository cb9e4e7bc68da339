"""The main job on a bank of two branches: pages, headquarters' tables, failures, exit codes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from pypdf import PdfReader

from stockcust_analysis.evaluation.results import open_evaluation
from stockcust_analysis.report.plan import folder_name
from tests.report.in_process import branch_report
from tests.report.small_notebooks import report_of_one_cell
from tests.test_cli import run
from tests.tiny_bank import BRANCHES, CUSTOMERS, HOLDINGS, TinyBank, write_tiny_bank

HEADQUARTERS = ("headquarters.xlsx", "headquarters_review.pdf", "index.html", "measures.csv")


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Report the tiny bank once and return the quarter's folder."""
    bank = write_tiny_bank(tmp_path_factory.mktemp("bank"), branches=BRANCHES)
    out = tmp_path_factory.mktemp("reports")
    assert run("report", bank, "--quarter", "2026Q3", "--out", out) == 0
    return out / "2026Q3"


@pytest.mark.parametrize(("branch", "name"), [("001", "城关支行"), ("002", "柳树支行")])
def test_every_branch_has_its_own_page(reported: Path, branch: str, name: str) -> None:
    """Each branch's PDF carries its own Chinese name, its title and the as-of date."""
    text = PdfReader(reported / "branches" / branch / "report.pdf").pages[0].extract_text()
    assert name in text
    assert "存量客户分析报告" in text
    assert "2026-09-30" in text


def test_pages_open_with_bookmarks(reported: Path) -> None:
    """The PDF has a bookmark for every chapter that a branch this small has."""
    outline = PdfReader(reported / "branches" / "001" / "report.pdf").outline
    titles = " ".join(str(entry.title) for entry in outline if not isinstance(entry, list))
    for chapter in ("本月先做一件事", "本季结论", "客户与分层", "沉默与睡眠客户", "口径"):
        assert chapter in titles


def test_bold_is_a_bold_font(reported: Path) -> None:
    """Emphasis is set in the bold weight of the shipped font, and only that family is used."""
    fonts = set()
    for page in PdfReader(reported / "branches" / "001" / "report.pdf").pages:
        for font in page["/Resources"]["/Font"].values():
            fonts.add(str(font.get_object()["/BaseFont"]).split("+")[-1])
    assert {name.split("-")[0] for name in fonts} == {"NotoSansCJKsc"}
    assert any("Bold" in name for name in fonts)
    assert any("Regular" in name for name in fonts)


def test_executed_notebooks_stay_beside_the_page(reported: Path) -> None:
    """The executed notebook is kept, and its code ran for that branch."""
    book = nbformat.read(reported / "branches" / "002" / "report.ipynb", as_version=4)
    assert book.metadata["papermill"]["parameters"]["branch_id"] == "002"


def test_measures_for_headquarters(reported: Path) -> None:
    """measures.csv opens in Excel (BOM), names the branches: one of the two of 001 is dormant."""
    path = reported / "measures.csv"
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    table = pd.read_csv(path, dtype={"branch_id": str}, encoding="utf-8-sig")
    here = table[(table["branch_id"] == "001") & (table["quarter"] == "2026Q3")]
    dormancy = here[(here["measure"] == "dormancy_rate") & (here["base"] == "funded")]
    assert dormancy["value"].tolist() == [0.5]
    assert dormancy["branch_name"].tolist() == ["城关支行"]


def test_the_manifest_says_what_the_run_was_made_of(reported: Path) -> None:
    """Outputs and inputs stand in the manifest with their SHA-256; times do not."""
    manifest = json.loads((reported / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["inputs"]) == {"branches.csv", "customers.csv", "holdings.csv"}
    customers = hashlib.sha256(CUSTOMERS.encode()).hexdigest()
    assert manifest["inputs"]["customers.csv"] == customers
    assert set(manifest["outputs"]) == {
        "branches/001/report.pdf",
        "branches/002/report.pdf",
        "branches/001/worklists.xlsx",
        "branches/002/worklists.xlsx",
        *HEADQUARTERS,
    }
    for name, known in manifest["outputs"].items():
        assert hashlib.sha256((reported / name).read_bytes()).hexdigest() == known
    assert manifest["policy"]["name"] == "rural_commercial_bank"
    assert "seconds" not in json.dumps(manifest)
    assert "seconds" in json.loads((reported / "run.json").read_text(encoding="utf-8"))


def test_the_same_input_gives_the_same_bytes(reported: Path, tmp_path: Path) -> None:
    """A second run elsewhere writes the same PDFs, lists and tables, byte for byte."""
    bank = write_tiny_bank(tmp_path, branches=BRANCHES)
    (tmp_path / "house.toml").write_text(f'name = "{_bank_name(reported)}"\n', encoding="utf-8")
    arguments = ("--quarter", "2026Q3", "--mapping", tmp_path / "house.toml")
    run("report", bank, *arguments, "--out", tmp_path / "out")
    branches = ("001/report.pdf", "002/report.pdf", "001/worklists.xlsx", "002/worklists.xlsx")
    for name in (*(f"branches/{each}" for each in branches), *HEADQUARTERS):
        again = (tmp_path / "out" / "2026Q3" / name).read_bytes()
        assert again == (reported / name).read_bytes(), name


def _bank_name(reported: Path) -> str:
    facts = json.loads((reported / "evaluation" / "facts.json").read_text(encoding="utf-8"))
    return str(facts["bank_name"])


def test_english_pages(reported: Path, tmp_path: Path) -> None:
    """The same notebook makes an English page."""
    one = open_evaluation(reported / "evaluation").of_branch("002")
    one = replace(one, branches=one.branches.query("branch_id == '002'"))
    text = branch_report(one, tmp_path, language="en").text()
    assert "Conclusionsofthequarter" in text
    assert "本季结论" not in text


def test_one_failed_branch_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The failed branch keeps its notebook with the traceback; exit code 1; the rest is done."""
    bank, out = write_tiny_bank(tmp_path), tmp_path / "out"
    with report_of_one_cell(tmp_path, 'assert branch_id != "001", "secret balance 1234.56"'):
        asked = ("--quarter", "2026Q3", "--language", "en", "--out", out)
        assert run("report", bank, *asked) == 1
    review = PdfReader(out / "2026Q3" / "headquarters_review.pdf").pages[0].extract_text()
    assert "Headquarters" in review and "总行" not in review
    assert (out / "2026Q3" / "branches" / "002" / "report.pdf").exists()
    assert not (out / "2026Q3" / "branches" / "001").exists()
    kept = nbformat.read(out / "2026Q3" / "failed" / "001" / "report.ipynb", as_version=4)
    assert any("AssertionError" in str(cell.get("outputs")) for cell in kept.cells)
    shown = capsys.readouterr()
    assert "Branch 001 failed: AssertionError in the cell that ran as In [3]." in shown.out
    assert "1234.56" not in shown.err + shown.out
    assert "1 of 2 reports" in shown.out


BAD = {
    "no such quarter": ((), {}, "2027Q1", "没有季度“2027Q1”"),
    "no previous quarter": ((), {}, "2026Q2", "2026Q2没有上一季度"),
    "no such branch": (("--branch", "009"), {}, "2026Q3", "没有2026Q3的网点“009”"),
    "no such policy": (("--policy", "rural"), {}, "2026Q3", "没有政策“rural”"),
    "bad extracts": (
        (),
        {"holdings": HOLDINGS.replace("A4,C4", "A4,C9")},
        "2026Q3",
        "1张表有1个问题",
    ),
}


@pytest.mark.parametrize(("options", "tables", "quarter", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_writes_nothing(
    tiny_bank: TinyBank,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    tables: dict[str, str],
    quarter: str,
    message: str,
) -> None:
    """Each bad input is one clear message, exit code 2, and no output folder."""
    folder = tiny_bank(**tables)
    arguments = ("--quarter", quarter, *options, "--out", folder / "out")
    assert run("report", folder, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_folder_names_cannot_escape() -> None:
    """A branch number that is no safe folder name is encoded, and never like another one."""
    assert folder_name("D01") == "D01"
    assert "/" not in folder_name("../../etc")
    assert folder_name("支行") != folder_name("分行")
    long = "农村商业银行股份有限公司城关支行" * 3
    assert len({folder_name(long), folder_name(f"{long}1"), folder_name(f"1{long}")}) == 3
    assert len(folder_name(long)) < 100
