"""Delivery: every branch's files at its place, with its rights; lists marked, receipts kept."""

from __future__ import annotations

import csv
import errno
import hashlib
import stat
from pathlib import Path

import openpyxl
import pytest
from pypdf import PdfReader

from stockcust_analysis.report.quarter import verify_folder
from stockcust_analysis.report.worklists import import_contacts
from tests.report.small_notebooks import report_of_one_cell
from tests.test_cli import run
from tests.tiny_bank import write_tiny_bank

DAY = ["--as-of", "2026-10-12", "--by", "张三"]
MARK = "王 & <主任> · 2026-10-12 · 张三 · 草稿"
GOOD = """
[branches.001]
recipient = "王 & <主任>"
folder = "share/001"
mode = "640"
[branches.002]
recipient = "李主任"
folder = "share/002"
"""


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Report the tiny bank on pages of one cell; return the quarter's folder."""
    out, bank = tmp_path_factory.mktemp("reports"), write_tiny_bank(tmp_path_factory.mktemp("bank"))
    with report_of_one_cell(bank):
        assert run("report", bank, "--quarter", "2026Q3", "--out", out) == 0
    return out / "2026Q3"


def to(folder: Path, text: str) -> list[str | Path]:
    """Write who is given what, and return the option that names it."""
    (folder / "share").mkdir(exist_ok=True)
    (folder / "recipients.toml").write_text(text, encoding="utf-8")
    return ["--to", folder / "recipients.toml", *DAY]


def receipts(path: Path) -> list[dict[str, str]]:
    """Read receipts."""
    return [*csv.DictReader(path.read_text("utf-8-sig").splitlines())]


def test_files_arrive_with_their_rights_and_receipts(
    reported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each branch has its page and its lists, readable as stated, and hashes that are true."""
    assert run("deliver", reported, *to(tmp_path, GOOD)) == 0
    assert "尚未签发，名单与回执已注明：草稿2家。\n2个网点已送出，回执在" in capsys.readouterr().out
    place = tmp_path / "share" / "001"
    assert {path.name for path in place.iterdir()} == {
        "report.pdf",
        "worklists.xlsx",
        "receipt.csv",
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {0o640}
    assert stat.S_IMODE((tmp_path / "share" / "002" / "report.pdf").stat().st_mode) == 0o600
    source = reported / "branches" / "001" / "report.pdf"
    assert (place / "report.pdf").read_bytes() == source.read_bytes()
    rows = receipts(reported / "receipts" / "2026-10-12.csv")
    assert len(rows) == 4
    for row in rows:
        content = (Path(row["place"]) / row["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
        assert (row["date"], row["by"], row["status"]) == ("2026-10-12", "张三", "draft")
    assert receipts(place / "receipt.csv") == [r for r in rows if r["place"] == str(place)]
    before = (reported / "receipts" / "2026-10-12.csv").read_bytes()
    assert run("deliver", reported, *to(tmp_path, GOOD)) == 0
    assert (reported / "receipts" / "2026-10-12.csv").read_bytes() == before
    later = [*to(tmp_path, GOOD)[:2], "--as-of", "2026-10-13", "--by", "张三"]
    for name in (".worklists.0123abcd.xlsx", ".receipt.0123abcd.csv", ".theirs.0123abcd.csv"):
        (place / name).touch()
    (reported / "receipts" / ".2026-10-13.0123abcd.csv").touch()
    assert run("deliver", reported, *later) == 0
    # A delivery that was killed leaves nothing behind; what is not ours stays.
    assert [path.name for path in place.glob(".*")] == [".theirs.0123abcd.csv"]
    assert not [*(reported / "receipts").glob(".*")]
    days = sorted(row["date"] for row in receipts(place / "receipt.csv"))
    assert days == ["2026-10-12", "2026-10-12", "2026-10-13", "2026-10-13"]
    assert verify_folder(reported, workers=1) == []


def test_lists_bear_the_recipient_and_can_be_read_back(reported: Path, tmp_path: Path) -> None:
    """The mark stands on the first sheet and below each page; all cells else are as they were."""
    assert run("deliver", reported, *to(tmp_path, GOOD)) == 0
    delivered = tmp_path / "share" / "001" / "worklists.xlsx"
    before, after = map(
        openpyxl.load_workbook, (reported / "branches" / "001" / "worklists.xlsx", delivered)
    )
    assert after.worksheets[0]["A1"].value == f"{before.worksheets[0]['A1'].value} · {MARK}"
    after.worksheets[0]["A1"].value = before.worksheets[0]["A1"].value
    for old, new in zip(before.worksheets, after.worksheets, strict=True):
        assert [*new.values] == [*old.values]
        assert new.oddFooter.left.text == MARK.replace("&", "&&")
    assert import_contacts([delivered]).empty


def test_all_problems_are_said_and_nothing_is_written(
    reported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A branch without a page, a share that is not mounted, a shared place, a mode and more."""
    bad = """
    [branches.001]
    recipient = "王主任"
    folder = "not_mounted/001"
    mode = "460"
    [branches.002]
    recipient = " "
    folder = "share/002"
    group = "no such group"
    [branches.003]
    recipient = "李主任"
    folder = "share/002"
    right = "640"
    """
    assert run("deliver", reported, *to(tmp_path, bad)) == 2
    message = capsys.readouterr().err
    for words in (
        "的文件都没有送出：\n  1. ",
        f"branches.001：folder：上级文件夹“{tmp_path / 'not_mounted'}”不存在。",
        "branches.001：mode：“460”不是文件权限。",
        "branches.002：recipient：请写明接收人。",
        "branches.002：group：文件不能交给用户组“no such group”：没有这个组。",
        "branches.003：没有成品报告。",
        "branches.003.right：未知的键。",
        "”是几个网点共同的文件夹。",
    ):
        assert words in message
    assert not [*(tmp_path / "share").iterdir()]


def test_a_file_that_was_changed_is_not_delivered(
    reported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the manifest does not know is nobody's page."""
    page = reported / "branches" / "002" / "report.pdf"
    content = page.read_bytes()
    assert PdfReader(page).pages
    page.write_bytes(content + b"\n")
    try:
        assert run("deliver", reported, *to(tmp_path, GOOD)) == 2
    finally:
        page.write_bytes(content)
    assert "branches/002/report.pdf在运行之后被改动。" in capsys.readouterr().err
    assert not [*(tmp_path / "share").iterdir()]


def test_who_is_given_nothing_is_listed(
    reported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A branch that nobody is named for is no error, and is not passed over in silence."""
    assert run("deliver", reported, *to(tmp_path, GOOD.split("[branches.002]")[0])) == 0
    shown = capsys.readouterr().out
    assert "没有指定接收人的网点：002\n" in shown
    assert "1个网点已送出" in shown
    english = (*to(tmp_path, GOOD.split("[branches.002]")[0]), "--language", "en")
    assert run("deliver", reported, *english) == 0
    assert "1 branch delivered; receipts in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("full", "beginning", "delivered"),
    [
        ("{share}/002", ".worklists.", ["001", "001", "002"]),
        ("{share}/002", ".receipt.", ["001", "001"]),
        ("{reported}/receipts", ".2026-11-12.", []),
    ],
    ids=["lists", "receipt", "receipts"],
)
def test_a_disk_that_fills_up_leaves_no_file_without_its_receipts(
    reported: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    full: str,
    beginning: str,
    delivered: list[str],
) -> None:
    """What is there is receipted in both places; the message names the full one and no option."""
    share, day = tmp_path / "share", reported / "receipts" / "2026-11-12.csv"
    no_room, write = Path(full.format(share=share, reported=reported)), Path.write_bytes

    def fill_up(path: Path, content: bytes) -> int:
        if path.parent == no_room and path.name.startswith(beginning):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    command = [*to(tmp_path, GOOD)[:2], "--as-of", "2026-11-12", "--by", "张三"]
    monkeypatch.setattr(Path, "write_bytes", fill_up)
    assert run("deliver", reported, *command) == 2
    advice = "已完成的保留：请腾出空间，或换一个文件夹，再运行同一命令。\n"
    assert f"无法写入“{no_room}”：磁盘空间不足。{advice}" in capsys.readouterr().err
    there = sorted(path for path in share.rglob("*") if path.suffix in {".pdf", ".xlsx"})
    assert [path.parent.name for path in there] == delivered
    in_run = receipts(day) if day.exists() else []
    beside = [row for path in share.rglob("receipt.csv") for row in receipts(path)]
    for rows in (in_run, beside):
        assert sorted(Path(row["place"]) / row["file"] for row in rows) == there
    monkeypatch.undo()
    assert run("deliver", reported, *command) == 0
    assert len(receipts(day)) == 4
    day.unlink()
