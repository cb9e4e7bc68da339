"""The work-list workbook: sheets, input columns, same bytes; and filled in, the way back."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from functools import cache, partial, partialmethod
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from stockcust_analysis.bank.contract import table
from stockcust_analysis.bank.sample import make_bank, write_bank
from stockcust_analysis.bank.source import Bank, open_bank
from stockcust_analysis.core.files import sha256, write_json
from stockcust_analysis.errors import BankDataError, FileInUseError, UsageError, words_of
from stockcust_analysis.evaluation.worklists import make_lists
from stockcust_analysis.measures.worklists import worklist_counts, worklists
from stockcust_analysis.policy import LISTS, load_policy
from stockcust_analysis.report import worklists as workbooks
from stockcust_analysis.report.worklists import import_contacts, make_worklists, write_worklists
from tests.frames import AS_OF, as_pandas
from tests.measures.test_worklists import facts_of
from tests.tiny_bank import CUSTOMERS, HOLDINGS, TinyBank, as_frames, write_tiny_bank

POLICY = load_policy()


@cache
def listed() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the lists of the bank served by hand, and their counts."""
    facts = facts_of(as_pandas)
    return worklists(facts, policy=POLICY, as_of=AS_OF), worklist_counts(facts, policy=POLICY)


def written(path: Path, language: str = "zh", **changes: object) -> Path:
    """Write branch A's workbook, some columns of its lists changed, and return its path."""
    mine, counts = (table[table["branch_id"] == "A"] for table in listed())
    write_worklists(path, mine.assign(**changes), counts, branch_name="城关支行",
                    policy=POLICY, as_of=AS_OF, language=language)  # type: ignore[arg-type]  # fmt: skip
    return path


def cells(sheet: Any) -> list[tuple[Any, ...]]:
    """Return a sheet's rows as plain values."""
    return list(sheet.iter_rows(values_only=True))


def test_a_sheet_per_list_that_has_customers(tmp_path: Path) -> None:
    """After the first sheet come the lists in the policy's order; empty ones have no sheet."""
    book = openpyxl.load_workbook(written(tmp_path / "a.xlsx"))
    assert " ".join(book.sheetnames) == (
        "说明 移交 到期 联络逾期 应管未管 临界提升 沉默待访 下一产品 转介来源 待建档"
    )


def test_the_lines_of_a_list(tmp_path: Path) -> None:
    """Names in words, amounts as numbers, dates as dates; the columns to fill in are empty."""
    header, two, one = cells(openpyxl.load_workbook(written(tmp_path / "a.xlsx"))["到期"])
    line = dict(zip(header, one, strict=True))
    assert " ".join(line) == (
        "优先级 客户号 经理工号 客户分层 客群 涉及金额(元) 截止日 上榜原因 建议动作 合规提示 "
        "最近有效联络 方式 结果 联络日 下次联络 备注"
    )
    assert (line["客户号"], line["经理工号"], line["客户分层"]) == ("1", "M1", "高端")
    assert (line["客群"], line["涉及金额(元)"]) == ("女性、种养殖户", 100_000)
    assert line["截止日"] == datetime(2026, 12, 31)
    assert line["最近有效联络"] == datetime(2026, 9, 20)
    assert [line[name] for name in ("结果", "联络日", "下次联络", "备注")] == [None] * 4
    assert two[:4] == (2, "5", None, "中端")


def test_header_frozen_filtered_and_choices_offered(tmp_path: Path) -> None:
    """The header stays in sight, results are chosen from a list, dates must be dates."""
    sheet = openpyxl.load_workbook(written(tmp_path / "a.xlsx"))["移交"]
    assert sheet.freeze_panes == "C2"
    assert sheet.auto_filter.ref == "A1:O2"
    assert (sheet.print_title_rows, sheet.page_setup.orientation) == ("$1:$1", "landscape")
    rules = {str(rule.sqref).split(":")[0]: rule for rule in sheet.data_validations.dataValidation}
    assert rules["K2"].formula1 == '"电话,短信,微信,上门,网点"'
    assert rules["L2"].formula1 == '"未接通,已接通,已预约,已面访,已成交,拒绝"'
    assert (rules["M2"].type, rules["N2"].type) == ("date", "date")


def test_the_first_sheet_counts_found_listed_and_left_out(tmp_path: Path) -> None:
    """Day, branch and policy; per list how many there are and how many must not be contacted."""
    sheet = openpyxl.load_workbook(written(tmp_path / "a.xlsx"))["说明"]
    assert sheet.page_setup.orientation == "landscape"
    rows = cells(sheet)
    assert rows[1][:2] == ("统计时点", "2026-09-30")
    assert rows[2][1] == "城关支行"
    assert rows[3][1] == f"{POLICY.name} {POLICY.version}"
    silent = next(row for row in rows if row[0] == "沉默待访")
    assert silent[1:6] == (1, 1, 60_000, 1, 1)


def test_rows_are_as_high_as_their_texts(tmp_path: Path) -> None:
    """LibreOffice makes no row higher for a text that breaks: 130 letters are four lines of 42."""
    sheet = openpyxl.load_workbook(written(tmp_path / "a.xlsx", reason_zh="字" * 65))["移交"]
    assert sheet.row_dimensions[2].height == 4 * 15
    about = openpyxl.load_workbook(tmp_path / "a.xlsx")["说明"]
    heads = [row for row in about.iter_rows() if row[1].value == "符合客户数"]
    assert about.row_dimensions[heads[0][0].row].height == 30


def test_english(tmp_path: Path) -> None:
    """The same workbook in English."""
    book = openpyxl.load_workbook(written(tmp_path / "a.xlsx", language="en"))
    assert book.sheetnames[:3] == ["About", "Hand-over", "Maturing"]
    line = dict(zip(*cells(book["Maturing"])[::2], strict=True))
    assert (line["Customer"], line["Tier"], line["Groups"]) == ("1", "High", "Women, Farmers")
    assert line["Reason"].startswith("CNY 100,000 matures")


def test_same_lists_same_bytes(tmp_path: Path) -> None:
    """Nothing of the clock gets into the file."""
    assert sha256(written(tmp_path / "a.xlsx")) == sha256(written(tmp_path / "b.xlsx"))


def test_held_out_customers_are_not_written(tmp_path: Path) -> None:
    """They stay off the sheets, and the first sheet says that there are such."""
    path = written(tmp_path / "a.xlsx", held_out=lambda lists: lists["customer_id"].eq("1") * 1)
    book = openpyxl.load_workbook(path)
    assert "移交" not in book.sheetnames
    assert [row[1] for row in cells(book["到期"])[1:]] == ["5"]
    assert "随机" in str(cells(book["说明"]))


def test_text_is_never_a_formula(tmp_path: Path) -> None:
    """A bank's own group that looks like a formula or a link stays text."""
    book = openpyxl.load_workbook(written(tmp_path / "a.xlsx", groups="=1+1;http://x"))
    assert cells(book["移交"])[1][4] == "=1+1、http://x"
    assert book["移交"]["E2"].data_type == "s"


def filled(path: Path, lines: dict[tuple[str, int], dict[str, object]],
           language: str = "zh") -> Path:  # fmt: skip
    """Write the workbook and fill in lines, by sheet and row."""
    book = openpyxl.load_workbook(written(path, language=language))
    for (sheet, row), entries in lines.items():
        header = [cell.value for cell in book[sheet][1]]
        for name, value in entries.items():
            book[sheet].cell(row, header.index(name) + 1).value = value
    book.save(path)
    return path


def test_round_trip(tmp_path: Path) -> None:
    """What is filled in comes back as contacts; the same contact noted on two lists is one."""
    one = filled(tmp_path / "a.xlsx", {
        ("移交", 2): {"结果": "已接通", "联络日": datetime(2026, 10, 8), "备注": "改日面谈"},
        ("转介来源", 2): {"方式": "电话", "结果": "已接通", "联络日": "2026/10/8"},
        ("到期", 2): {"经理工号": "M1", "方式": "微信", "结果": "sale", "联络日": "2026年10月9日"},
    })  # fmt: skip
    two = filled(tmp_path / "b.xlsx", {
        ("Overdue contact", 2): {"Result": "Refused", "Contacted on": 20261010.0},
    }, "en")  # fmt: skip
    found = import_contacts([one, two])
    assert tuple(found) == table("contacts").column_names[:5]
    assert found.assign(contacted_on=found["contacted_on"].dt.date).values.tolist() == [
        ["1", "M1", date(2026, 10, 8), "phone", "reached"],
        ["2", "M1", date(2026, 10, 10), "phone", "refused"],
        ["5", "M1", date(2026, 10, 9), "wechat", "sale"],
    ]


def test_what_comes_back_is_a_contacts_table(tmp_path: Path, tiny_bank: TinyBank) -> None:
    """Saved beside the tables of the next quarter it meets the contract."""
    path = filled(tmp_path / "a.xlsx", {
        ("移交", 2): {"客户号": "C1", "结果": "已接通", "联络日": datetime(2026, 10, 8)},
    })  # fmt: skip
    text = import_contacts(path).to_csv(index=False)
    assert import_contacts(str(path)).to_csv(index=False) == text
    quarter_later = {
        name: rows.replace("2026-09-30,", "2026-12-31,").replace("2026-06-30,", "2026-09-30,")
        for name, rows in {"customers": CUSTOMERS, "holdings": HOLDINGS}.items()
    }
    managers = "manager_id,branch_id,role\nM1,001,counter\n"
    folder = tiny_bank(contacts=text, managers=managers, **quarter_later)
    with open_bank(folder) as bank:
        assert bank.table("contacts").fetchall() == [
            ("C1", "M1", date(2026, 10, 8), "phone", "reached")
        ]


def test_an_unfilled_workbook_has_no_contacts(tmp_path: Path) -> None:
    """Lines without a result and a date are lists, not contacts."""
    assert len(import_contacts([written(tmp_path / "a.xlsx")])) == 0


def test_all_problems_in_one_error(tmp_path: Path) -> None:
    """Column, count, places and what to do, from all files and sheets; no customer's number."""
    path = filled(tmp_path / "a.xlsx", {
        ("移交", 2): {"结果": "还行", "联络日": datetime(2026, 10, 8)},
        ("到期", 3): {"结果": "已接通"},
        ("到期", 2): {"结果": "已接通", "联络日": datetime(2026, 9, 29), "方式": "飞鸽"},
        ("下一产品", 2): {"联络日": datetime(2027, 10, 2), "客户号": None},
    })  # fmt: skip
    other = tmp_path / "other.xlsx"
    openpyxl.Workbook().save(other)
    torn = tmp_path / "torn.xlsx"
    torn.write_bytes(b"PK")
    with pytest.raises(BankDataError) as error:
        import_contacts([path, other, torn])
    message = str(error.value)
    assert message.startswith("9 problems in 1 table of the work lists:")
    for part in (
        "contacts: other.xlsx is no work list. Give workbooks that",
        "contacts: torn.xlsx cannot be read",
        "contacts.outcome: 1 row (first: a.xlsx 移交:2): not understood. Choose one of Not an",
        "contacts.outcome: 1 row (first: a.xlsx 下一产品:2): empty.",
        "contacts.contacted_on: 1 row (first: a.xlsx 到期:3): empty. Write the day",
        "contacts.contacted_on: 2 rows (first: a.xlsx 到期:2, a.xlsx 下一产品:2): before",
        "contacts.channel: 1 row (first: a.xlsx 到期:2): not understood.",
        "contacts.manager_id: 1 row (first: a.xlsx 到期:2): empty. Fill in who made",
        "contacts.customer_id: 1 row (first: a.xlsx 下一产品:2): empty.",
    ):
        assert part in message


def test_a_sheet_that_lacks_a_heading_is_named(tmp_path: Path) -> None:
    """Its contacts are never left out silently; notes of one's own are no list.

    Columns may be moved or added, and lines written above the headings.
    """
    path = filled(tmp_path / "a.xlsx", {
        ("Hand-over", 2): {"Result": "Refused", "Contacted on": datetime(2026, 10, 8)},
        ("Maturing", 3): {"Result": "Refused", "Contacted on": datetime(2026, 10, 9)},
    }, "en")  # fmt: skip
    book = openpyxl.load_workbook(path)
    for heading, name in (("Result", "Outcome"), ("Customer", "Cust no")):
        (cell,) = (cell for cell in book["Maturing"][1] if cell.value == heading)
        cell.value = name
        book.save(path)
        said = f"a.xlsx, sheet 'Maturing': no column is headed {heading}. Write the headings as"
        with pytest.raises(BankDataError, match=re.escape(said)):
            import_contacts([path])
        cell.value = heading
    book["Hand-over"].insert_rows(1)
    book["Hand-over"].insert_cols(1)
    book["Hand-over"]["A1"], book["Hand-over"]["A2"] = "Calls of October", "Mine"
    book.create_sheet("Notes").append(["Customer", "Birthday"])
    book.create_sheet("Pivot").append(["Manager", "Result", "Count"])
    book.save(path)
    assert len(import_contacts([path])) == 2


def test_choices_are_offered_in_the_language_of_the_message(tmp_path: Path) -> None:
    """An English message offers the English words, a Chinese one the Chinese."""
    path = filled(tmp_path / "a.xlsx", {
        ("Hand-over", 2): {"Result": "Reached", "Channel": "Pigeon", "Contacted on": 20261010.0},
    }, "en")  # fmt: skip
    with pytest.raises(BankDataError) as error:
        import_contacts([path])
    said = words_of(error.value)
    assert "Choose one of Phone, Message, WeChat, Visit, Branch." in said.text("en")
    assert "请从中选择：电话、短信、微信、上门、网点。" in said.text("zh")


def test_lists_of_several_branches_are_told_apart(tmp_path: Path) -> None:
    """All are called worklists.xlsx: their folders, which are the branches', say which is meant."""
    files = [tmp_path / branch / "worklists.xlsx" for branch in ("B001", "B002", "B003", "B004")]
    for file in files:
        file.parent.mkdir()
    filled(files[0], {("移交", 2): {"结果": "还行", "联络日": datetime(2026, 10, 8)}})
    filled(files[1], {("移交", 2): {"结果": "还行", "联络日": datetime(2026, 10, 8)}})
    openpyxl.Workbook().save(files[2])
    files[3].write_bytes(b"PK")
    with pytest.raises(BankDataError) as error:
        import_contacts(files)
    message = str(error.value)
    assert "(first: B001/worklists.xlsx 移交:2, B002/worklists.xlsx 移交:2)" in message
    assert "contacts: B003/worklists.xlsx is no work list" in message
    assert "contacts: B004/worklists.xlsx cannot be read" in message


def test_lists_of_one_branch_are_told_apart(tmp_path: Path) -> None:
    """Those of two months lie in folders of one name: the months are named as well."""
    files = [tmp_path / month / "B001" / "worklists.xlsx" for month in ("08-31", "09-30")]
    for file in files:
        file.parent.mkdir(parents=True)
        filled(file, {("移交", 2): {"结果": "还行", "联络日": datetime(2026, 10, 8)}})
    positions = r"\(first: 08-31/B001/worklists.xlsx 移交:2, 09-30/B001/worklists.xlsx 移交:2\)"
    with pytest.raises(BankDataError, match=positions):
        import_contacts(files)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    """A wrong path is a usage error with the file's name; so is no file at all."""
    with pytest.raises(UsageError, match=r"no such file: gone\.xlsx"):
        import_contacts([tmp_path / "gone.xlsx"])
    with pytest.raises(UsageError, match="give a file"):
        import_contacts([])


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """Return a sample bank, opened once."""
    folder = tmp_path_factory.mktemp("bank")
    write_bank(make_bank(branches=8, customers=1_600, quarters=2), folder)
    with open_bank(folder) as opened:
        yield opened


def test_every_branch_gets_its_lists(bank: Bank, tmp_path: Path) -> None:
    """Eight branches, each with its own customers only; a hold-out is followed."""
    rule = replace(POLICY.worklists, hold_out_share=0.1, longest=3)
    files = make_worklists(bank, as_of=AS_OF, policy=replace(POLICY, worklists=rule), out=tmp_path)
    assert len(files) == 8
    book = openpyxl.load_workbook(tmp_path / "B001" / "worklists.xlsx")
    assert set(book.sheetnames[1:]) <= {"说明", *(_zh(name) for name in LISTS)}
    mine = bank.snapshot("customers", as_of=AS_OF).filter("branch_id = 'B001'")
    ours = {row[0] for row in mine.select("customer_id").fetchall()}
    listed = {row[1] for sheet in book.worksheets[1:] for row in cells(sheet)[1:]}
    assert listed <= ours
    assert "随机" in str(cells(book["说明"]))


def _zh(name: str) -> str:
    from stockcust_analysis.measures.worklists import list_name

    return list_name(name, "zh")


@pytest.fixture(scope="module")
def tiny_lists(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., list[Path]]]:
    """Return what writes the tiny bank's lists, which are made once."""
    with open_bank(as_frames(write_tiny_bank(tmp_path_factory.mktemp("tiny")))) as bank:
        lists = make_lists(bank, as_of=AS_OF, policy=POLICY)
        yield partial(make_worklists, bank, as_of=AS_OF, policy=POLICY, lists=lists)


def test_only_the_branches_asked_for(tiny_bank: TinyBank, tmp_path: Path) -> None:
    """One branch, or an error that offers close names."""
    with open_bank(as_frames(tiny_bank())) as bank:
        make = partial(make_worklists, bank, as_of=AS_OF, policy=POLICY, out=tmp_path)
        assert make(branches=["001"]) == [tmp_path / "001" / "worklists.xlsx"]
        assert make(branches="001") == [tmp_path / "001" / "worklists.xlsx"]
        with pytest.raises(UsageError, match=r"unknown branch on 2026-09-30 '01'\. Did you"):
            make(branches=["01"])


def test_lists_made_again_lose_nothing(
    tiny_lists: Callable[..., list[Path]], tmp_path: Path
) -> None:
    """What was written into them is kept, twice, too; those of a branch that is no more go."""
    book = tmp_path / "out" / "001" / "worklists.xlsx"
    for written in (b"by somebody", b"by another", b""):
        tiny_lists(out=tmp_path / "out")
        assert book.read_bytes().startswith(b"PK")
        book.write_bytes(written or book.read_bytes())
    merged = write_tiny_bank(tmp_path, customers=CUSTOMERS.replace(",002,", ",001,"))
    with open_bank(as_frames(merged)) as bank:
        make_worklists(bank, as_of=AS_OF, policy=POLICY, out=tmp_path / "out")
    assert book.read_bytes().startswith(b"PK")
    kept = ("worklists.filled.xlsx", "worklists.filled-2.xlsx")
    assert [book.with_name(name).read_bytes() for name in kept] == [b"by somebody", b"by another"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".pages", "001"]


def test_all_that_was_filled_in_is_imported_as_the_guide_says(tmp_path: Path) -> None:
    """Its command finds lists kept beside as well; a list that was made anew adds nothing."""
    entries = {("移交", 2): {"结果": "已接通", "联络日": datetime(2026, 10, 8)}}
    (tmp_path / "B001").mkdir()
    written(tmp_path / "B001" / "worklists.xlsx")
    for ending in ("", "-2"):
        filled(tmp_path / "B001" / f"worklists.filled{ending}.xlsx", entries)
    for guide in Path("docs/how-to").glob("monthly-work-lists*.md"):
        (pattern,) = re.findall(r"contacts import \S+/2026-08-31/(\S+)", guide.read_text("utf-8"))
        assert len(found := [*tmp_path.glob(pattern)]) == 3
        assert import_contacts(found)["outcome"].tolist() == ["reached"]


def test_a_run_killed_at_a_list_keeps_no_list_as_filled_in(
    tiny_lists: Callable[..., list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its stamp is written or after: nobody has written into it."""
    make = partial(tiny_lists, out=tmp_path / "out")

    def before(*_: object) -> None:
        raise KeyboardInterrupt

    def after(*stamp: Any) -> None:
        write_json(*stamp)
        raise KeyboardInterrupt

    for kill in (before, after):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(workbooks, "write_json", kill)
            make()
        assert [path.parent.name for path in make()] == ["001", "002"]
    assert not [*tmp_path.rglob("worklists.filled*")]


@pytest.mark.parametrize("content", [b"", b"by somebody"])
def test_lists_open_elsewhere_stay_as_they_are(
    tiny_lists: Callable[..., list[Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
) -> None:
    """They are named, untouched or filled in, and the next run knows which they were."""
    book = tmp_path / "001" / "worklists.xlsx"

    def refuse(self: Path, allowed: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        if self == book:
            raise PermissionError(errno.EACCES, "open elsewhere")
        return allowed(self, *arguments, **more)

    tiny_lists(out=tmp_path)
    book.write_bytes(known := content or book.read_bytes())
    with monkeypatch.context() as patched:
        for name in ("unlink", "replace"):
            patched.setattr(Path, name, partialmethod(refuse, getattr(Path, name)))
        with pytest.raises(FileInUseError, match=r"001/worklists\.xlsx'.*open elsewhere"):
            tiny_lists(out=tmp_path)
    assert book.read_bytes() == known
    tiny_lists(out=tmp_path)
    kept = [path.read_bytes() for path in book.parent.glob("worklists.filled*")]
    assert kept == [content] * bool(content)


def test_a_branch_keeps_its_folder(tiny_lists: Callable[..., list[Path]], tmp_path: Path) -> None:
    """With the rights that somebody has given it."""
    modes = []
    for _ in range(2):
        book = tiny_lists(out=tmp_path)[0]
        modes.append(book.parent.stat().st_mode & 0o777)
        book.parent.chmod(0o755)
    assert modes == [0o700, 0o755]


def test_a_day_without_customers_is_refused(bank: Bank, tmp_path: Path) -> None:
    """The days there are stand in the message."""
    with pytest.raises(UsageError, match=r"unknown as-of date '2026-08-31'.*2026-09-30\."):
        make_worklists(bank, as_of=date(2026, 8, 31), policy=POLICY, out=tmp_path)


def test_a_bank_with_required_tables_only(tiny_bank: TinyBank, tmp_path: Path) -> None:
    """Without managers, assignments, contacts and mergers there are still lists."""
    with open_bank(as_frames(tiny_bank())) as bank:
        files = make_worklists(bank, as_of=AS_OF, policy=POLICY, out=tmp_path / "out")
    assert [path.parent.name for path in files] == ["001", "002"]
    assert openpyxl.load_workbook(files[1]).sheetnames == ["说明", "下一产品"]
