"""Who prepared, reviewed and issued: printed, kept with the pages, four eyes at the least."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
from pypdf import PdfReader

from stockcust_analysis.core import files
from stockcust_analysis.report.quarter import verify_folder
from tests.report.small_notebooks import evaluated_once, report_of_one_cell
from tests.test_cli import run
from tests.tiny_bank import CUSTOMERS, HOLDINGS, write_tiny_bank

SIGNED = "编制：张三 · 复核：李四 · 签发：王五"


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the tiny bank."""
    return write_tiny_bank(tmp_path_factory.mktemp("bank"))


@pytest.fixture(scope="module", autouse=True)
def one_cell_report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let a branch's report be its cover: what is tested is who signs it."""
    cell = "from stockcust_analysis import show\nshow.document(title=branch_id)"
    with report_of_one_cell(tmp_path_factory.mktemp("notebook"), cell), evaluated_once():
        yield


@pytest.fixture(scope="module")
def issued(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepare, review and issue one branch's page, each by somebody else; return the folder.

    It was reviewed once before it was prepared anew: that is forgotten.
    """
    out = tmp_path_factory.mktemp("reports")
    for status, by in (("draft", "赵六"), ("reviewed", "孙七"), ("draft", "张三")):
        assert sign(bank, out, status, by) == 0
    assert sign(bank, out, "issued", "张三") == 2
    for status, by in (("reviewed", "李四"), ("issued", "王五")):
        assert sign(bank, out, status, by) == 0
    return out / "2026Q3"


def sign(bank: Path, out: Path, status: str, by: str, *more: str) -> int:
    """Give a branch's page a status."""
    of = ["--quarter", "2026Q3", "--branch", "001", "--out", out]
    return run("report", bank, *of, "--status", status, "--by", by, *more)


def test_names_are_printed_and_kept(issued: Path) -> None:
    """They stand on the last page of each PDF, in workbook and index, and in the manifest."""
    assert [path.name for path in (issued / "branches").iterdir()] == ["001"]
    for name in ("branches/001/report.pdf", "headquarters_review.pdf"):
        assert SIGNED in PdfReader(issued / name).pages[-1].extract_text()
    assert SIGNED in (issued / "index.html").read_text(encoding="utf-8")
    with ZipFile(issued / "headquarters.xlsx") as book:
        assert SIGNED in book.read("xl/sharedStrings.xml").decode()
    manifest = json.loads((issued / "manifest.json").read_text(encoding="utf-8"))
    known = {"draft": "张三", "reviewed": "李四", "issued": "王五"}
    assert manifest["branches"]["001"]["people"] == known
    assert "张三" not in json.dumps(manifest["policy"], ensure_ascii=False)
    history = json.loads((issued / "run.json").read_text(encoding="utf-8"))["status_history"]
    last = [(entry["status"], entry["by"]) for entry in history][-3:]
    assert last == [*known.items()]


def test_signed_pages_print_again_to_the_byte(issued: Path) -> None:
    """Verification knows the names that the pages bear, and that the other branch has none."""
    assert verify_folder(issued, workers=1) == ["Not made yet: 002"]


@pytest.mark.slow
def test_pages_of_several_people_are_made_again_to_the_byte(
    bank: Path, issued: Path, tmp_path: Path
) -> None:
    """Each page is given its own statuses, by its own people."""
    out = Path(shutil.copytree(issued.parent, tmp_path / "reports"))
    of = ["--quarter", "2026Q3", "--branch", "002", "--out", out]
    assert run("report", bank, *of, "--by", "钱八") == 0
    assert verify_folder(out / "2026Q3", data=bank, workers=1) == []


def test_nobody_issues_what_nobody_prepared(
    bank: Path, issued: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody is named nobody issues, and an issued page keeps its issuer."""
    assert sign(bank, tmp_path, "issued", "王五") == 2
    assert "这1份报告中有1份没有当前版本的编制人记录" in capsys.readouterr().err
    assert not list((tmp_path / "2026Q3").glob("branches/*"))
    assert sign(bank, tmp_path, "issued", "王五", "--plan") == 0  # what it would do, and why not
    plan = capsys.readouterr().out
    assert "001          运行notebook并排印" in plan
    assert "这1份报告中有1份没有当前版本的编制人记录" in plan
    before = (issued / "manifest.json").read_bytes()
    assert sign(bank, issued.parent, "issued", "李四") == 2  # issued already, by somebody else
    assert "”中有1份报告已签发，" in capsys.readouterr().err
    assert (issued / "manifest.json").read_bytes() == before


def test_a_corrected_set_is_prepared_and_issued_anew(
    bank: Path, issued: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With names a correction begins as a draft that somebody prepares; the last issue is kept.

    Broken off wherever, its issuing goes on: no half of it passes for an issue of its own.

    The branch's deposits go from 1,450.75 (1,200.00 and 250.75) to 1,550.75.
    """
    bank = Path(shutil.copytree(bank, tmp_path / bank.name))
    out = Path(shutil.copytree(issued.parent, tmp_path / "reports"))
    folder = out / "2026Q3"
    first = (folder / "issued" / "measures.csv").read_bytes()
    for name, text in (("holdings", HOLDINGS), ("customers", CUSTOMERS)):
        mended = text.replace("1200.00", "1300.00")
        assert mended != text
        (bank / f"{name}.csv").write_text(mended, encoding="utf-8")
    assert sign(bank, out, "issued", "王五", "--force") == 2  # nobody prepared these figures
    assert sign(bank, out, "draft", "李四") == 2
    assert sign(bank, out, "draft", "李四", "--force") == 0
    assert (folder / "issued" / "measures.csv").read_bytes() == first
    assert verify_folder(folder, data=bank, workers=1) == ["Not made yet: 002"]
    for name in ("branches/001/report.pdf", "issued/earlier/001/review.json", "issued/review.json"):
        with monkeypatch.context() as patch:
            break_off_after(folder / name, patch)
            assert sign(bank, out, "issued", "王五") == 130
    assert sign(bank, out, "issued", "王五") == 0
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["branches"]["001"]["people"] == {"draft": "李四", "issued": "王五"}

    kept = folder / "issued" / "earlier" / "001"
    assert (kept / "measures.csv").read_bytes() == first
    assert "issued/earlier/001/measures.csv" in manifest["outputs"]
    told = restated(folder)
    assert ("001", "aum_period_end", 1450.75, 1550.75) in told
    assert json.loads((folder / "issued" / "review.json").read_text(encoding="utf-8"))["issue"] == 1
    with ZipFile(folder / "headquarters.xlsx") as book:
        assert "与2026Q3第1次签发相比。" in book.read("xl/sharedStrings.xml").decode()

    # Made anew from the same, it still tells what the issue before said; so does verification.
    for status, by, *force in (("draft", "李四", "--force"), ("issued", "王五")):
        assert sign(bank, out, status, by, *force) == 0
        assert verify_folder(folder, data=bank, workers=1) == ["Not made yet: 002"]
    assert restated(folder) == told
    assert [path.name for path in kept.parent.iterdir()] == ["001"]
    assert (kept / "measures.csv").read_bytes() == first


def break_off_after(file: Path, patch: pytest.MonkeyPatch) -> None:
    """Interrupt the run as soon as it has written a file."""
    write = files.atomic_write

    @contextmanager
    def write_and_stop(path: Path) -> Iterator[Path]:
        with write(path) as beside:
            yield beside
        if path == file:
            raise KeyboardInterrupt

    patch.setattr(files, "atomic_write", write_and_stop)


def restated(folder: Path) -> list[tuple[str, str, float, float]]:
    """Return what the review lists as restated: branch, measure, as issued, as of today."""
    table = pd.read_csv(folder / "evaluation" / "headquarters" / "restatements.csv", dtype=str)
    numbers = table[["issued", "restated"]].astype(float)
    columns = (table["branch_id"], table["measure"], numbers["issued"], numbers["restated"])
    return list(zip(*columns, strict=True))
