"""Files keep to their owner, one file that is open elsewhere stops only itself, names are names."""

from __future__ import annotations

import errno
import grp
import os
import stat
from pathlib import Path

import openpyxl
import pytest
from pypdf import PdfReader

from stockcust_analysis import cli
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.errors import UsageError
from stockcust_analysis.report import plan
from stockcust_analysis.report.plan import ReportOptions
from stockcust_analysis.report.quarter import make_reports
from tests.report.small_notebooks import find_instead, small_notebook
from tests.tiny_bank import BRANCHES, write_tiny_bank

pytestmark = pytest.mark.skipif(os.name == "nt", reason="modes and groups are of Unix")
ODD_NAMES = ('=HYPERLINK("x") $1 $', "#1 *东*_行_<b@x`y`\\~^{}[]🏦")
PAGE = "branch_id"


def modes(folder: Path) -> set[tuple[str, int]]:
    """Return the modes of all files and folders that stand in a folder, and its own."""
    return {
        ("folder" if path.is_dir() else "file", stat.S_IMODE(path.stat().st_mode))
        for path in (folder, *folder.rglob("*"))
    }


@pytest.fixture
def short_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a branch's page be one cell long."""
    path = small_notebook(tmp_path / "branch_report.ipynb", PAGE)
    monkeypatch.setattr(plan, "notebook_path", find_instead(path))


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Report a bank whose branches have every mark in their names; the second's cannot be drawn."""
    names = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in ODD_NAMES]
    branches = BRANCHES.replace("城关支行", names[0]).replace("柳树支行", names[1])
    bank = write_tiny_bank(tmp_path_factory.mktemp("bank"), branches=branches)
    out = tmp_path_factory.mktemp("out")
    before = os.umask(0o022)
    try:
        with open_bank(bank) as tables:
            run = make_reports(tables, ReportOptions(quarter="2026Q3"), out=out)
    finally:
        os.umask(before)
    assert [result.branch_id for result in run.failed] == ["002"]
    return out / "2026Q3"


@pytest.mark.slow
def test_all_that_a_run_writes_is_its_owners_alone(odd: Path) -> None:
    """Pages, work lists, evaluation, failed notebooks, log: 0600 in 0700, whatever the umask."""
    assert modes(odd) == {("folder", 0o700), ("file", 0o600)}
    assert (odd / "branches" / "001" / "worklists.xlsx").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* extension is not supported")
def test_marks_in_a_name_are_printed_as_themselves(odd: Path) -> None:
    """Dollars, stars, brackets and a leading '=' stand in PDF, workbook and index as written."""
    for pdf in (odd / "branches" / "001" / "report.pdf", odd / "headquarters_review.pdf"):
        text = "".join(page.extract_text() for page in PdfReader(pdf).pages)
        assert ODD_NAMES[0] in text
    cells = [
        cell
        for sheet in openpyxl.load_workbook(odd / "headquarters.xlsx")
        for row in sheet.iter_rows()
        for cell in row
    ]
    assert {cell.data_type for cell in cells if cell.value in ODD_NAMES} == {"s"}
    assert set(ODD_NAMES) <= {cell.value for cell in cells}
    index = (odd / "index.html").read_text(encoding="utf-8")
    assert "<b@x" not in index
    assert "&lt;b@x`y`" in index


@pytest.mark.slow
def test_a_name_no_font_can_draw_fails_its_page_alone(odd: Path) -> None:
    """The branch's page says which character; the review prints 〓 in its place."""
    review = "".join(
        page.extract_text() for page in PdfReader(odd / "headquarters_review.pdf").pages
    )
    assert "#1 *东*_行_<b@x`y`\\~^{}[]〓" in review.replace("\n", "")
    assert "U+1F3E6" in review


@pytest.mark.slow
@pytest.mark.usefixtures("short_pages")
def test_mode_and_group_are_settings(tmp_path: Path) -> None:
    """A later run with other modes gives them also to what it keeps; folders can be entered."""
    bank = write_tiny_bank(tmp_path)
    group = grp.getgrgid(os.getgid()).gr_name
    command = ["report", str(bank), "--quarter", "2026Q3", "--out", str(tmp_path / "out")]
    folder = tmp_path / "out" / "2026Q3"
    cli.cli.main(command, standalone_mode=False)
    assert modes(folder) == {("folder", 0o700), ("file", 0o600)}
    cli.cli.main([*command, "--file-mode", "640", "--group", group], standalone_mode=False)
    assert modes(folder) == {("folder", 0o750), ("file", 0o640)}
    with pytest.raises(UsageError, match="group 'nobody_has_this'"):
        cli.cli.main([*command, "--group", "nobody_has_this"], standalone_mode=False)


@pytest.mark.slow
@pytest.mark.usefixtures("short_pages")
@pytest.mark.parametrize(
    ("name", "number"), [("report.pdf", errno.EACCES), ("worklists.xlsx", errno.EPERM)]
)
def test_one_open_file_fails_its_branch_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    """What cannot be replaced is its branch's failure; the others and headquarters are made."""
    bank = write_tiny_bank(tmp_path)
    opened, replace = tmp_path / "out" / "2026Q3" / "branches" / "001" / name, Path.replace

    def refusing(self: Path, target: Path) -> Path:
        if Path(target) == opened.resolve():
            raise OSError(number, os.strerror(number), str(self), None, str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refusing)
    with open_bank(bank) as tables:
        run = make_reports(tables, ReportOptions(quarter="2026Q3"), out=tmp_path / "out")
    assert {result.branch_id: result.failed for result in run.results} == {
        "001": True,
        "002": False,
    }
    assert f"cannot replace '{opened.resolve()}'" in run.failed[0].error
    assert (run.folder / "branches" / "002" / name).exists()
    assert (run.folder / "headquarters.xlsx").exists()
