"""EAST files that are not as they should be: each is refused by one error, or told by a warning."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest

from stockcust_analysis.errors import UsageError
from tests.bank.east5_files import (
    ACCOUNT,
    BRANCH,
    DAY,
    LICENCE,
    LOAN,
    MAPPING,
    MOVE,
    ORDERS,
    PERSON,
    opened,
    refused,
    rows,
    write,
    write_base,
)

LOG_IN_WORDS = "文件名称:{name}\n数据行数:{}\n完成时间:20261010\n"
PLAIN, MASKED = "1330102198001011234", "1" + "a1" * 32
CARD = {"NBJGH": "B1", "XYKZH": "K1", "BZ": "CNY", "TZJE": "30", "DYLJJYBS": "0", "ZHZT": "正常"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the EAST files of a bank of one branch, one person and one account."""
    return write_base(tmp_path)


def pack(folder: Path, *members: str) -> Path:
    """Move the accounts' file into an archive, under one or several names."""
    path, archive = next(folder.glob("*-GRCKFHZ-*")), folder / "files.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for member in members or (path.name,):
            file.write(path, member)
    path.unlink()
    return archive


def swap(folder: Path, table: str, row: dict[str, str], one: str, other: str) -> None:
    """Write a table with two of its columns in each other's place."""
    write(folder, table, DAY, [{**row, one: row[other], other: row[one]}])


@pytest.mark.parametrize("fault", ["cut", "bytes", "password"])
def test_an_archive_that_cannot_be_unpacked_is_named(folder: Path, fault: str) -> None:
    """Damaged or locked: one error, with the archive's name and no other."""
    archive = pack(folder)
    raw = bytearray(archive.read_bytes())
    if fault == "cut":
        raw = raw[:60]
    elif fault == "bytes":
        raw[raw.find(b"CNY")] ^= 1
    else:
        raw[6] |= 1
        raw[raw.find(b"PK\1\2") + 8] |= 1
    archive.write_bytes(raw)
    with pytest.raises(UsageError, match=r"'files\.zip' cannot be unpacked: it is damaged"):
        opened(folder)


def test_files_of_one_name_in_an_archive_are_all_read(folder: Path) -> None:
    """Two branches' folders hold a file of one name each: neither takes the other's place."""
    name = next(folder.glob("*-GRCKFHZ-*")).name
    archive = pack(folder, f"a/{name}")
    write(folder, "GRCKFHZ", DAY, [{**ACCOUNT, "GRCKZH": "A2"}])
    with zipfile.ZipFile(archive, "a") as file:
        file.write(folder / name, f"b/{name}")
        file.writestr("b/清单.xls", "")
    (folder / name).unlink()
    (folder / name).with_suffix(".log").write_text(f"{name}\n0\n20261010120000\nY\n1\n")
    bank, _ = opened(folder)
    assert bank.rows("holdings") == 2
    assert bank.left_out == ("files.zip/b/清单.xls",)
    (folder / name).with_suffix(".log").write_text(f"{name}\n0\n20261010120000\nY\n7\n")
    assert f"{name} has 1 rows, and {Path(name).stem}.log says 0 or 7" in refused(folder)


def test_texts_that_are_not_read_are_named(folder: Path) -> None:
    """In a folder below, or called otherwise: loans are not absent in silence."""
    names = [f"202609/{LICENCE}-GRXDFHZ-{DAY}.txt", f"{LICENCE}-409-{DAY}.txt"]
    names.append(f"{LICENCE}-GRXDFHZ-{DAY} (1).txt")
    (folder / "202609").mkdir()
    for name in names:
        write(folder, "GRXDFHZ", DAY, [LOAN]).rename(folder / name)
    (folder / f"{LICENCE}-GRXDFHZ-{DAY}.log").write_text("5")
    bank, told = opened(folder)
    assert sorted(bank.left_out) == sorted(names)
    assert all(name in told for name in names)
    assert f"logs without their files: {LICENCE}-GRXDFHZ-{DAY}.log" in told


def test_small_letters_are_no_other_licence(folder: Path) -> None:
    """Names in small letters are those of the same bank."""
    path = write(folder, "GRXDFHZ", DAY, [LOAN])
    path.rename(folder / path.name.lower())
    bank, told = opened(folder)
    assert bank.rows("holdings") == 2
    assert "licences" not in told


def test_a_log_counts_the_rows_of_an_empty_file_too(folder: Path) -> None:
    """No loans, where the log says five, is no month without any."""
    path = write(folder, "GRXDFHZ", DAY, [])
    path.with_suffix(".log").write_text(f"{path.name}\n0\n20261010120000\nY\n5\n")
    assert f"{path.name} has 0 rows, and {path.stem}.log says 5" in refused(folder)


def test_columns_in_each_others_place_are_refused_though_their_form_fits(folder: Path) -> None:
    """Numbers of customers and branches are both text, days of opening and closing both days."""
    swap(folder, "GRJCXXB", PERSON, "KHTYBH", "NBJGH")
    assert "GRJCXXB (201).KHTYBH: none of these customers has an account" in refused(folder)
    write_base(folder)
    swap(folder, "GRCKFHZ", ACCOUNT, "KHTYBH", "GRCKZH")
    assert "GRJCXXB (201).KHTYBH: none of these customers has an account" in refused(folder)
    for other in ("XHRQ", "SCDHRQ"):
        swap(folder, "GRCKFHZ", ACCOUNT, "KHRQ", other)
        assert "GRCKFHZ (403).KHRQ, XHRQ, SCDHRQ: 1 row: accounts in use" in refused(folder)


def test_an_order_that_is_stated_has_all_columns_of_a_table_that_is_known(folder: Path) -> None:
    """A column that the order lacks or has twice is named, and so is a misspelt table."""
    order = ["OTHER" if column == "CKYE" else column for column in ORDERS["GRCKFHZ"]]
    (folder / "mapping.toml").write_text(f"[layout.orders]\nGRCKFHZ = {order}\n")
    assert "the order that the mapping states lacks CKYE" in refused(folder)
    (folder / "mapping.toml").write_text(f"[layout.orders]\nGRCKFHZ = {[*order, 'BZ']}\n")
    with pytest.raises(UsageError, match="GRCKFHZ states BZ more than once"):
        opened(folder)
    (folder / "mapping.toml").write_text('[layout.orders]\nGRCKFH = ["BZ"]\n')
    with pytest.raises(UsageError, match=r"unknown table of \[layout.orders\] 'GRCKFH'. Did you"):
        opened(folder)


@pytest.mark.parametrize("table", ["GRXDFHZ", "XYKSXQKB"])
def test_masked_and_plain_numbers_are_found_in_every_table(folder: Path, table: str) -> None:
    """Loans or cards alone under masked numbers are nobody's, and no bank has no loans."""
    (folder / "mapping.toml").write_text(MAPPING)
    write(folder, "GRJCXXB", DAY, [{**PERSON, "KHTYBH": PLAIN}])
    write(folder, "GRCKFHZ", DAY, [{**ACCOUNT, "KHTYBH": PLAIN}])
    write(folder, table, DAY, [{**LOAN, **CARD, "KHTYBH": MASKED}])
    text = refused(folder)
    assert "1 customers' numbers are masked (变形) and 1 hold an identity number" in text
    assert PLAIN not in text
    assert MASKED not in text


def test_accounts_lack_no_month_of_the_persons(folder: Path) -> None:
    """Persons of August without accounts of August would own nothing that month."""
    write(folder, "GRJCXXB", "20260831", [PERSON])
    assert "GRCKFHZ (403): no file of 2026-08-31, which GRJCXXB has" in refused(folder)


def test_currencies_of_a_card_are_one_debt(folder: Path) -> None:
    """30 yuan and 5 dollars at 7 are 65; a guess has the account twice."""
    (folder / "mapping.toml").write_text(MAPPING)
    card = {**CARD, "KHTYBH": "C1", "ZHZT": ""}
    write(folder, "XYKSXQKB", DAY, [card, {**card, "BZ": "USD", "TZJE": "5"}])
    assert "XYKSXQKB (803).BZ: 1 row: a foreign currency without a rate" in refused(folder)
    rate = {"WBSL": "100", "WBBZ": "USD", "BBBZ": "CNY", "ZBBSL": "700", "HLRQ": DAY}
    write(folder, "HLXXB", DAY, [rate])
    found = rows(opened(folder)[0], "holdings", "balance::VARCHAR", "product = 'credit_card'")
    assert found == [("65.00",)]


def test_a_cell_of_the_first_row_may_hold_a_line_break(folder: Path) -> None:
    """With commas and quotation marks the first line is not all of the first row."""
    frame = pd.DataFrame([{**ACCOUNT, "CJRQ": DAY, "ZHMC": "甲\n乙"}])
    frame = frame.reindex(columns=ORDERS["GRCKFHZ"])
    frame.to_csv(next(folder.glob("*-GRCKFHZ-*")), index=False, header=False, quoting=1)
    assert opened(folder)[0].rows("holdings") == 1


def test_every_row_that_is_left_out_is_counted(folder: Path) -> None:
    """Of other tables than 403 as well; what is missing of a quarter or a ledger is named."""
    (folder / "mapping.toml").write_text(MAPPING + '[layout.kinds]\n"其他-微信" = "payment"\n')
    write_base(folder, "20260630")
    write(folder, "JGXXB", DAY, [BRANCH])
    closed = {**ACCOUNT, "GRCKZH": "A2", "ZHZT": "销户", "XHRQ": "20260910", "CKYE": "50"}
    write(folder, "GRCKFHZ", DAY, [ACCOUNT, closed])
    for day in ("20260630", DAY):
        loans = [LOAN, {**LOAN, "DKFHZH": "L1b", "DKYE": "300"}, {**LOAN, "XDJJH": "L2"}]
        write(folder, "GRXDFHZ", day, [*loans[:2], {**loans[2], "KHTYBH": "C9"}])
        write(folder, "XYKSXQKB", day, [{**CARD, "KHTYBH": "", "ZHZT": ""}])
        cards = [{"KHTYBH": owner, "KH": owner, "KKRQ": "20200101"} for owner in ("C1", "C9")]
        write(folder, "JJKXXB", day, cards)
    kinds = [("C1", "其他-微信"), ("C1", "转帐"), ("C9", "转账"), ("", "转账"), ("C1", "其他-调账")]
    moves = [
        {**MOVE, "JYXLH": str(n), "KHTYBH": owner, "JYLX": kind, "ZHYE": "1"}
        for n, (owner, kind) in enumerate(kinds)
    ]
    for day in ("20260731", "20260831", DAY):
        path = write(folder, "GRCKFHZMX", day, moves if day == DAY else [])
        path.with_suffix(".log").write_text(str(len(moves) if day == DAY else 0))
    entry = {"NBJGH": "B1", "KJKMBH": "2003", "BZ": "BWB", "BSZQ": "月报", "KJRQ": DAY}
    write(folder, "ZZKJQKMB", DAY, [entry])
    write(folder, "JGGXB", DAY, [{"NBJGH": "B1", "SJGLNBJGH": "0"}])
    _, told = opened(folder)
    nowhere = "whose customer is empty or in no file of customers"
    for what in (
        f"2 loans {nowhere}",
        f"2 credit cards {nowhere}",
        f"2 debit cards {nowhere}",
        "1 closed accounts (销户) that still have a balance",
        "2 loans whose accounts show different balances",
        "3 records of transactions of other kinds, or of nobody",
        "1 records of transactions of customers that are in no file of customers",
        "1 accounts of 2026-09-30 whose records in GRCKFHZMX (404) do not lead to the balance",
        "GRCKFHZMX (404) lacks months of 2026Q2: no number of transactions",
        "ZZKJQKMB (401) gives no ledger: state products in [layout.subjects]",
    ):
        assert f"EAST 5.0: {what}" in told
    assert "C9" not in told
    write(folder, "ZZKJQKMB", DAY, [{**entry, "BZ": "CNY"}])
    assert "ZZKJQKMB (401) gives no ledger: it has no 月报 in BWB" in opened(folder)[1]


@pytest.mark.parametrize(
    ("table", "row", "message"),
    [
        ("GRCKFHZ", {**ACCOUNT, "CKYE": ""}, "GRCKFHZ (403).CKYE: 1 row: empty. Fill it in"),
        ("GRCKFHZ", {**ACCOUNT, "GRCKZH": ""}, "GRCKFHZ (403).GRCKZH: 1 row: empty"),
        ("GRJCXXB", {**PERSON, "NBJGH": ""}, "GRJCXXB (201).NBJGH: 1 row: empty"),
        ("GRXDFHZ", {**LOAN, "DKZT": ""}, "GRXDFHZ (409).DKZT: 1 row: empty"),
        ("GRJCXXB", {**PERSON, "BXYGBZ": "01"}, "GRJCXXB (201).BXYGBZ: 1 row: not what this"),
        ("GRCKFHZ", {**ACCOUNT, "ZHZT": "已销户"}, "ZHZT: 1 row: a state of an account that is"),
        ("GRXDFHZ", {**LOAN, "DKYE": "-500"}, "GRXDFHZ (409).DKYE: 1 row: loans owe less than"),
        ("GRJCXXB", {**PERSON, "BHYGBZ": "是"}, "BHYGBZ: 1 row: persons are the bank's own staff"),
        ("GRCKFHZMX", {**MOVE, "CBMBZ": "冲补抹"}, "CBMBZ: 1 row: records are reversals"),
        (
            "GRCKFHZMX",
            {**MOVE, "JYLX": "代发"},
            "JYJDBZ: 1 row: records of what customers are paid",
        ),
        ("GRCKFHZMX", {**MOVE, "KHTYBH": "张"}, "KHTYBH: most customers with transactions are in"),
        ("GRCKFHZMX", {**MOVE, "KHTYBH": ""}, "KHTYBH: most customers with transactions are in"),
    ],
)
def test_a_cell_that_is_empty_or_not_known_is_no_guess(
    folder: Path, table: str, row: dict[str, str], message: str
) -> None:
    """No balance is not 0, and a closed account in words of the bank's own is not open."""
    write(folder, table, DAY, [row])
    assert message in refused(folder)


def test_a_number_of_several_customers_is_none_of_a_loan_or_card(folder: Path) -> None:
    """A contract's number in the place of a loan's would make two customers' loans one."""
    write(folder, "GRJCXXB", DAY, [PERSON, {**PERSON, "KHTYBH": "C2"}])
    write(folder, "GRXDFHZ", DAY, [LOAN, {**LOAN, "KHTYBH": "C2", "DKFHZH": "L2"}])
    assert "GRXDFHZ (409).XDJJH: 1 row: one number of several customers" in refused(folder)


@pytest.mark.parametrize("fault", ["link", "gz"])
def test_a_file_that_cannot_be_read_is_named(folder: Path, fault: str) -> None:
    """One error with the file's name, no traceback; a folder of such a name is no file."""
    path = next(folder.glob("*-GRCKFHZ-*"))
    (folder / f"{LICENCE}-GRXDFHZ-{DAY}.txt").mkdir()
    assert opened(folder)[0].rows("holdings") == 1
    if fault == "link":
        path.unlink()
        path.symlink_to(folder / "nowhere")
    else:
        path = path.rename(folder / f"{path.name}.gz")
    with pytest.raises(UsageError, match=f"'{path.name}' cannot be read: it is damaged"):
        opened(folder)


def test_what_hints_at_a_wrong_file_is_told(folder: Path) -> None:
    """The file of another month, one cut off, no states at all, archives that are not opened."""
    accounts = [{**ACCOUNT, "GRCKZH": f"A{n}", "ZHZT": ""} for n in range(101)]
    moves = [{**MOVE, "JYXLH": str(n)} for n in range(101)]
    write_base(folder, "20260831")
    for day, some in (("20260831", moves[:50]), (DAY, moves)):
        write(folder, "GRCKFHZ", day, accounts)
        write(folder, "GRCKFHZMX", day, [{**m, "HXJYRQ": f"{day[:6]}15"} for m in some])
    (folder / "9月.rar").touch()
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("inner.zip", "")
    _, told = opened(folder)
    for what in (
        "EAST 5.0: 202 accounts without a state (ZHZT), taken for accounts in use.",
        "EAST 5.0: 1 month(s) with as many accounts (403) as another, and as much: is one there",
        "EAST 5.0: 1 month(s) of GRCKFHZMX (404) with less than half the records of another",
        "not read, as no table of the layout is called so: all.zip/inner.zip, 9月.rar.",
    ):
        assert what in told


def test_states_of_accounts_may_be_the_banks_own(folder: Path) -> None:
    """What the mapping says is closed is closed; a misspelt word for it is not believed."""
    write(folder, "GRCKFHZ", DAY, [ACCOUNT, {**ACCOUNT, "GRCKZH": "A2", "ZHZT": "已销户"}])
    for word in ("closed", "close"):
        (folder / "mapping.toml").write_text(f'[layout.states]\n"已销户" = "{word}"\n')
        if word == "closed":
            assert opened(folder)[0].rows("holdings") == 1
    assert "ZHZT: 1 row: a state of an account that is not known" in refused(folder)


@pytest.mark.parametrize(
    ("table", "row", "one", "other", "columns"),
    [
        ("GRCKFHZ", ACCOUNT, "KHRQ", "SCDHRQ", "KHRQ, XHRQ, SCDHRQ"),
        ("GRCKFHZ", ACCOUNT, "KHTYBH", "GRCKZH", "KHTYBH"),
        ("GRCKFHZ", ACCOUNT, "NBJGH", "GRCKZH", "NBJGH"),
        ("GRXDFHZ", LOAN, "FFRQ", "DQRQ", "FFRQ, DQRQ"),
        ("GRXDFHZ", LOAN, "KHTYBH", "XDJJH", "KHTYBH"),
    ],
)
def test_columns_that_are_swapped_in_one_month_alone_are_found(
    folder: Path, table: str, row: dict[str, str], one: str, other: str, columns: str
) -> None:
    """June is right and outweighs September's few; a guess asks of both months at once."""
    write_base(folder, "20260630")
    write(folder, table, "20260630", [row])
    if table == "GRCKFHZ":
        write(folder, table, "20260630", [{**row, "GRCKZH": f"A{n}"} for n in range(1, 5)])
    swap(folder, table, row, one, other)
    assert f").{columns}: 1 row" in refused(folder)


def test_a_branch_that_the_list_of_branches_lacks_is_shown_by_its_number(folder: Path) -> None:
    """A merger took B9 from 101; who is still its customer stops no run, and is dropped by none."""
    more = [{**PERSON, "KHTYBH": "C2", "NBJGH": "B9"}, {**PERSON, "KHTYBH": "C3"}]
    write(folder, "GRJCXXB", DAY, [PERSON, *more])
    own = [{**ACCOUNT, **row, "GRCKZH": f"A{n}"} for n, row in enumerate([PERSON, *more])]
    write(folder, "GRCKFHZ", DAY, own)
    bank, told = opened(folder)
    assert rows(bank, "branches", "branch_id, name") == [("B1", "First"), ("B9", "B9")]
    assert "1 institutions of customers or accounts that JGXXB (101) lacks" in told


def test_files_beside_name_customers_that_east_does_not_have(folder: Path) -> None:
    """Those rows are set aside and counted; all of them, as beside masked numbers, are refused."""
    (folder / "managers.csv").write_text("manager_id,branch_id,role\nM1,B1,vip\n")
    head = "customer_id,manager_id,valid_from,valid_to,reason,first_contact_on"
    lines = [head, "C1,M1,2025-01-01,,initial,", "T9,M1,2025-01-01,,initial,"]
    (folder / "assignments.csv").write_text("\n".join(lines))
    bank, _ = opened(folder)
    assert bank.rows("assignments") == 1
    assert [(found.column, found.rows) for found in bank.set_aside] == [("customer_id", 1)]
    for table, row in (("GRJCXXB", PERSON), ("GRCKFHZ", ACCOUNT)):
        write(folder, table, DAY, [{**row, "KHTYBH": MASKED}])
    text = refused(folder)
    assert "assignments.customer_id: 2 rows" in text


def test_a_ledger_is_of_the_lowest_level_that_has_one(folder: Path) -> None:
    """B1 holds B1a and has no row of its own below; without 105 nobody knows, and it is told."""
    tree = {"B1a": "B1", "B1": "R", "R": "H", "H": "0"}
    write(folder, "JGGXB", DAY, [{"NBJGH": a, "SJGLNBJGH": b} for a, b in tree.items()])
    entry = {"KJKMBH": "2003", "BZ": "BWB", "BSZQ": "月报", "KJRQ": DAY, "QMDFYE": "100"}
    write(folder, "ZZKJQKMB", DAY, [{**entry, "NBJGH": n} for n in ("H", "B1")])
    (folder / "mapping.toml").write_text('[layout.subjects]\n2003 = "demand_deposit"\n')
    bank, _ = opened(folder)
    assert rows(bank, "ledger", "branch_id, balance::VARCHAR") == [("B1", "100.00")]
    next(folder.glob("*-JGGXB-*")).unlink()
    bank, told = opened(folder)
    assert "ledger" not in bank.columns
    assert "ZZKJQKMB (401) gives no ledger without JGGXB (105)" in told


def test_a_rate_for_another_number_of_units_is_no_rate(folder: Path) -> None:
    """712.34 for 100 dollars, not 100 for 712.34, nor for one dollar in one of two months."""
    dollars = {**ACCOUNT, "GRCKZH": "A2", "BZ": "USD", "CHLB": "钞", "CKYE": "10"}
    write(folder, "GRCKFHZ", DAY, [ACCOUNT, dollars])
    rate = {"WBSL": "100", "WBBZ": "USD", "BBBZ": "CNY", "ZBBSL": "712.34", "HLRQ": DAY}
    write(folder, "HLXXB", DAY, [{**rate, "WBSL": "712.34", "ZBBSL": "100"}])
    assert "HLXXB (1001).WBSL: 1 row: rates for a number of units" in refused(folder)
    write(folder, "HLXXB", DAY, [{**rate, "WBSL": "1"}])
    assert "1 rates of more than 100 CNY for one unit" in opened(folder)[1]
    write(folder, "HLXXB", "20260831", [{**rate, "HLRQ": "20260831"}])
    assert "WBSL, ZBBSL: 1 row: rates of one currency that differ" in refused(folder)


def test_channels_and_kinds_that_the_standard_lacks_are_counted(folder: Path) -> None:
    """Nobody uses mobile banking where its code is 06, nor is a trader where the code is 3."""
    write(folder, "GRCKFHZMX", DAY, [{**MOVE, "JYQD": "06"}, {**MOVE, "JYQD": "POS;银联交易"}])
    trader = pd.DataFrame([{"NBJGH": "B1", "KHTYBH": "T1", "KHLX": "3", "CJRQ": DAY}])
    trader.to_csv(folder / f"{LICENCE}-DGKHXXB-{DAY}.txt", sep="\x01", index=False)
    _, told = opened(folder)
    assert "1 records of transactions by channels (JYQD) that the standard does not list" in told
    assert "1 customers of DGKHXXB (203), of which none is called 个体" in told


def test_a_rate_that_is_none_or_two_or_old_is_told(folder: Path) -> None:
    """Nothing for a dollar is no rate, 7 beside 700 are two, and one of 2020 is named."""
    dollars = {**ACCOUNT, "GRCKZH": "A2", "BZ": "USD", "CHLB": "钞", "CKYE": "10"}
    write(folder, "GRCKFHZ", DAY, [ACCOUNT, dollars])
    rate = {"WBSL": "100", "WBBZ": "USD", "BBBZ": "CNY", "ZBBSL": "700", "HLRQ": DAY}
    write(folder, "HLXXB", DAY, [{**rate, "ZBBSL": "0"}])
    assert "GRCKFHZ (403).BZ: 1 row: a foreign currency without a rate" in refused(folder)
    write(folder, "HLXXB", DAY, [rate, {**rate, "ZBBSL": "7"}])
    assert "HLXXB (1001).WBBZ, BBBZ, HLRQ: 1 row: rows that differ" in refused(folder)
    write(folder, "HLXXB", DAY, [{**rate, "HLRQ": "20200101"}])
    bank, told = opened(folder)
    assert "1 rates of currencies in use that are more than a month old" in told
    assert ("70.00",) in rows(bank, "holdings", "balance::VARCHAR")


def test_transactions_are_converted_in_months_without_accounts(folder: Path) -> None:
    """July has 404 and no 403: its dollars have the rate of June, and none without one."""
    move = {**MOVE, "BZ": "USD", "HXJYRQ": "20260715", "JYJE": "10"}
    write(folder, "GRCKFHZMX", "20260731", [move, {**move, "JYXLH": "2", "HXJYRQ": "20260515"}])
    assert "GRCKFHZMX (404).BZ: 2 rows: a foreign currency without a rate" in refused(folder)
    rate = {"WBSL": "100", "WBBZ": "USD", "BBBZ": "CNY", "ZBBSL": "700", "HLRQ": "20260630"}
    write(folder, "HLXXB", "20260630", [rate])
    bank, told = opened(folder)
    assert "1 records of transactions of a day that is not in their file's month" in told
    assert rows(bank, "transactions", "amount::VARCHAR") == [("-70.00",), ("-70.00",)]


@pytest.mark.parametrize(("parts", "lacking"), [("13", "2"), ("2", "1"), ("25", "1, 3, 4")])
def test_parts_that_are_not_there_are_named(folder: Path, parts: str, lacking: str) -> None:
    """Parts 1 and 3 without 2, or 2 alone, are no whole table; its file itself is part 1."""
    whole = next(folder.glob("*-GRCKFHZ-*"))
    whole.unlink()
    for part in parts:
        write(folder, "GRCKFHZ", DAY, [{**ACCOUNT, "GRCKZH": f"A{part}"}], part=f"-{part}")
    text = refused(folder)
    assert f"GRCKFHZ (403): no part {lacking} of 2026-09-30, and a part {parts[-1]}" in text
    assert f"Deliver {whole.stem}-{lacking[0]}.txt" in text
    if parts == "2":
        write(folder, "GRCKFHZ", DAY, [ACCOUNT])
        assert opened(folder)[0].rows("holdings") == 2


@pytest.mark.parametrize(
    ("table", "content"),
    [
        ("JGXXB", b"\xef\xbb\xbf"),
        ("GRJCXXB", b"\n \r\n"),
        ("GRCKFHZ", b""),
        ("GRCKFHZ", b"\x01\x01\n"),
        ("GRCKFHZMX", b""),
    ],
)
def test_an_empty_file_is_no_table_without_rows(folder: Path, table: str, content: bytes) -> None:
    """Neither are persons, accounts and transactions of a bank, unless its log says so."""
    path = write(folder, table, DAY, [])
    path.write_bytes(content)
    assert f": {path.name} holds no rows" in refused(folder)
    if table == "GRCKFHZMX":
        lines = [path.name, str(len(content)), "20261010120000", "Y", "0"]
        path.with_suffix(".log").write_text("\r\n".join(lines))
        assert opened(folder)[0].rows("holdings") == 1


def test_a_table_that_has_rows_in_another_month_is_not_empty(folder: Path) -> None:
    """A bank without loans has none in any month; one that had some in June has not lost all."""
    path = write(folder, "GRXDFHZ", DAY, [])
    assert opened(folder)[0].rows("holdings") == 1
    write_base(folder, "20260630")
    write(folder, "GRXDFHZ", "20260630", [LOAN])
    assert f"GRXDFHZ (409): {path.name} holds no rows" in refused(folder)


def test_a_licence_without_a_month_of_a_table_is_told(folder: Path) -> None:
    """Two licences' accounts in June and one's in September: the other's did not close."""
    write_base(folder, "20260630")
    write(folder, "GRCKFHZ", "20260630", [{**ACCOUNT, "GRCKZH": "A2"}], licence="B0001H233010002")
    gap = "GRCKFHZ (403) of 2026-09-30 has 1 of 2 licences, without B0001H233010002"
    _, told = opened(folder)
    assert gap in told
    assert "GRJCXXB (201) of" not in told
    write(folder, "GRCKFHZ", DAY, [{**ACCOUNT, "GRCKZH": "A2"}], licence="B0001H233010002")
    assert gap not in opened(folder)[1]


def test_a_log_says_its_rows_in_words_or_alone(folder: Path) -> None:
    """In every encoding; the number is compared, and a log that says none is named."""
    logs = [path.with_suffix(".log") for path in sorted(folder.glob("*.txt"))]
    forms = [("{}\n", "utf-8-sig"), (LOG_IN_WORDS, "utf-8"), (LOG_IN_WORDS, "gb18030")]
    for number in (1400, 1):
        for log, (form, encoding) in zip(logs, forms, strict=True):
            log.write_text(form.format(number, name=f"{log.stem}.txt"), encoding=encoding)
        if number > 1:
            told = refused(folder)
            assert all(f"{one.stem}.txt has 1 rows, and {one.name} says 1,400" in told
                       for one in logs)  # fmt: skip
    assert "logs" not in opened(folder)[1]
    logs[0].write_text("采集完成", encoding="gb18030")
    assert f"logs that say no number of rows: {logs[0].name}" in opened(folder)[1]
