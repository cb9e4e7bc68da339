"""A bank's monthly EAST 5.0 files: the sample written as such reads back, and each trap of them."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from stockcust_analysis import open_bank
from stockcust_analysis.bank.source import Bank
from stockcust_analysis.errors import BankDataError, UsageError
from tests.bank.east5_files import MAPPING, ORDERS, write, write_sample

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
DAYS = ("2026-06-30", "2026-09-30")
DAY = "20260930"
CANNOT_SAY = ["wealth", "fund", "insurance", "bond", "metal", "custody", "sms", "etc"]


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bank, Bank]]:
    """Return the sample bank, and what is read of it from EAST files."""
    folder = tmp_path_factory.mktemp("east5")
    write_sample(SAMPLE, folder, DAYS)
    (folder / "mapping.toml").write_text(MAPPING, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        east = open_bank(folder, layout="east5")
    with open_bank(SAMPLE) as sample, east:
        yield sample, east


def rows(bank: Bank, table: str, columns: str, where: str = "true") -> list[tuple[object, ...]]:
    """Return rows of a bank's table of the days that both have, sorted."""
    relation = bank.table(table).filter(where)
    return sorted(relation.project(columns).fetchall(), key=str)


def test_branches_and_regions_are_the_samples(banks: tuple[Bank, Bank]) -> None:
    """Names, regions and opening days come back; a closed branch has the month's last day."""
    sample, east = banks
    for columns in ("branch_id, name, region, opened_on", "branch_id, closed_on IS NULL"):
        assert rows(east, "branches", columns) == rows(sample, "branches", columns)


def test_customers_are_the_samples(banks: tuple[Bank, Bank]) -> None:
    """Persons and sole traders come back, with who left in the quarter, on the same branch."""
    sample, east = banks
    own = f"as_of IN {DAYS} AND customer_type <> 'corporate'"
    columns = (
        "as_of, customer_id, branch_id, customer_type, relationship_since, closed_on, gender, "
        "date_trunc('month', birth_date)"
    )
    left = rows(east, "customers", columns, "closed_on IS NOT NULL")
    assert len(left) == len(rows(sample, "customers", columns, f"{own} AND closed_on IS NOT NULL"))
    # Of who left before the second month nothing is told but what his accounts say.
    told = "closed_on IS NULL OR as_of > '2026-06-30'"
    expected = rows(sample, "customers", columns, f"{own} AND ({told})")
    assert rows(east, "customers", columns, told) == expected


def test_activity_is_the_samples_where_the_transactions_tell_it(banks: tuple[Bank, Bank]) -> None:
    """The number of transactions of the third quarter, and the last of those days, come back."""
    sample, east = banks
    own = "as_of = '2026-09-30' AND customer_type <> 'corporate' AND closed_on IS NULL"
    told = f"{own} AND last_active_on >= '2026-07-01'"
    for columns, where in (
        ("customer_id, active_transactions", own),
        ("customer_id, last_active_on", told),
    ):
        assert rows(east, "customers", columns, where) == rows(sample, "customers", columns, where)


def test_holdings_are_the_samples_to_the_cent(banks: tuple[Bank, Bank]) -> None:
    """Deposits, loans and cards come back with balance, branch and opening day."""
    sample, east = banks
    own = f"as_of IN {DAYS}"
    persons = (
        "customer_id IN (SELECT customer_id FROM customers WHERE customer_type <> 'corporate')"
    )
    for products in ("('demand_deposit', 'time_deposit')", "('loan')", "('credit_card')"):
        columns = "as_of, customer_id, split_part(account_id, '/', 1), product, balance"
        where = f"{own} AND product IN {products}"
        expected = sample._engine.connection.sql(  # type: ignore[attr-defined]
            f"SELECT {columns} FROM holdings WHERE {where} AND {persons}"
        ).fetchall()
        assert len(expected) > 300
        assert rows(east, "holdings", columns, where) == sorted(expected, key=str)


def test_what_east_has_no_positions_of_is_absent(banks: tuple[Bank, Bank]) -> None:
    """No funds, insurance, metal, maturities of deposits, managers or successors are made up."""
    _, east = banks
    assert rows(east, "holdings", "1", f"product IN {tuple(CANNOT_SAY)}") == []
    assert rows(east, "holdings", "1", "matures_on IS NOT NULL AND product <> 'loan'") == []
    assert {"managers", "assignments", "branch_successors"} & {*east.columns} == set()
    assert {"aum_average_quarter", "person_id", "household_id"} & {*east.columns["customers"]} == (
        set()
    )


def test_the_ledger_is_the_monthly_one_of_the_lowest_institutions(
    banks: tuple[Bank, Bank],
) -> None:
    """Daily rows and institutions above others in the same file are not added to it."""
    sample, east = banks
    where = (
        f"as_of IN {DAYS} AND product IN ('demand_deposit', 'time_deposit', 'loan', 'credit_card')"
    )
    columns = "branch_id, as_of, product, balance"
    assert rows(east, "ledger", columns) == rows(sample, "ledger", columns, where)


ACCOUNT = {
    "NBJGH": "B1",
    "KHTYBH": "C1",
    "GRCKZH": "A1",
    "GRCKZHLX": "个人活期存款",
    "BZ": "CNY",
    "CKYE": "100.00",
    "KHRQ": "20200101",
    "XHRQ": "99991231",
    "SCDHRQ": "20260501",
    "CHLB": "人民币",
    "ZHZT": "正常",
}
PERSON = {"NBJGH": "B1", "KHTYBH": "C1", "BXYGBZ": "普通个人客户", "XB": "男", "CSNY": "198001"}
BRANCH = {"NBJGH": "B1", "YHJGMC": "一支行", "JGLB": "营业机构", "XZQHDM": "330102", "YYZT": "营业"}
MOVE = {
    "JYXLH": "1",
    "KHTYBH": "C1",
    "GRCKZH": "A1",
    "JYLX": "转账",
    "JYJDBZ": "借",
    "HXJYRQ": "20260915",
    "HXJYSJ": "120000",
    "BZ": "CNY",
    "JYJE": "50.00",
    "CBMBZ": "正常",
    "JYQD": "柜面",
}
LOAN = {
    "NBJGH": "B1",
    "KHTYBH": "C1",
    "DKFHZH": "L1a",
    "XDJJH": "L1",
    "BZ": "CNY",
    "DKYE": "500",
    "FFRQ": "20250101",
    "DQRQ": "20280101",
    "DKZT": "正常",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the EAST files of a bank of one branch, one person and one account."""
    write(tmp_path, "JGXXB", DAY, [BRANCH])
    write(tmp_path, "GRJCXXB", DAY, [PERSON])
    write(tmp_path, "GRCKFHZ", DAY, [ACCOUNT])
    return tmp_path


def opened(folder: Path) -> tuple[Bank, str]:
    """Open a folder of EAST files; return the bank and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bank = open_bank(folder, layout="east5")
    return bank, "\n".join(str(warning.message) for warning in caught)


def refused(folder: Path) -> str:
    """Return why a folder of EAST files is refused."""
    with warnings.catch_warnings(), pytest.raises(BankDataError) as caught:
        warnings.simplefilter("ignore")
        open_bank(folder, layout="east5")
    return str(caught.value)


def test_a_file_with_the_split_tag_has_one_field_more(folder: Path) -> None:
    """Files have the fields of the standard, or those and the tag of head office's split."""
    write(folder, "GRCKFHZ", DAY, [{**ACCOUNT, "GSFZJG": "3301"}])
    bank, _ = opened(folder)
    assert rows(bank, "holdings", "account_id, balance::VARCHAR") == [("A1/CNY/人民币", "100.00")]


def test_another_number_of_fields_is_refused(folder: Path) -> None:
    """A file with two fields more is no file of this standard."""
    path = write(folder, "GRCKFHZ", DAY, [ACCOUNT])
    path.write_text(path.read_text().rstrip("\n") + "\x01a\x01b\n")
    assert "GRCKFHZ (403): " in refused(folder)
    assert "has 23 fields, not 21 (or one more: the tag)" in refused(folder)


def test_a_line_with_fewer_fields_is_counted(folder: Path) -> None:
    """No line is dropped in silence."""
    path = write(folder, "GRCKFHZ", DAY, [ACCOUNT, {**ACCOUNT, "GRCKZH": "A2"}])
    first, second = path.read_text().splitlines()
    path.write_text(f"{first}\n{second.replace('正常', '正常').rsplit(chr(1), 3)[0]}\n")
    assert "GRCKFHZ (403): 1 row (first: 2)" in refused(folder)


def test_a_shuffled_order_is_not_believed(folder: Path) -> None:
    """With the same number of fields in another order, the cells' forms give it away."""
    write(folder, "GRCKFHZ", DAY, [ACCOUNT])
    path = next(folder.glob("*-GRCKFHZ-*"))
    cells = path.read_text().rstrip("\n").split("\x01")
    at, other = ORDERS["GRCKFHZ"].index("BZ"), ORDERS["GRCKFHZ"].index("CKYE")
    cells[at], cells[other] = cells[other], cells[at]
    path.write_text("\x01".join(cells) + "\n")
    text = refused(folder)
    assert "GRCKFHZ (403).BZ: 1 row: not what this column holds" in text
    assert "GRCKFHZ (403).CKYE: 1 row: not what this column holds" in text
    (folder / "mapping.toml").write_text(
        "[layout.orders]\nGRCKFHZ = "
        + str([{"BZ": "CKYE", "CKYE": "BZ"}.get(c, c) for c in ORDERS["GRCKFHZ"]])
    )
    bank, _ = opened(folder)
    assert rows(bank, "holdings", "balance::VARCHAR") == [("100.00",)]


def test_the_day_in_the_rows_is_that_of_the_name(folder: Path) -> None:
    """A file of August under the name of September is refused."""
    path = write(folder, "GRCKFHZ", "20260831", [ACCOUNT])
    path.rename(folder / path.name.replace("20260831", DAY))
    assert "CJRQ: 1 row: another day than the file's name" in refused(folder)


def test_a_missing_table_is_named(folder: Path) -> None:
    """Without the table of persons there are no customers."""
    next(folder.glob("*-GRJCXXB-*")).unlink()
    assert "GRJCXXB (201): no file of 个人基础信息表. Deliver it." in refused(folder)


def test_a_full_table_lacks_no_month_of_the_accounts(folder: Path) -> None:
    """Loans of September beside accounts of August and September are not all there are."""
    for table, row in (("JGXXB", BRANCH), ("GRJCXXB", PERSON), ("GRCKFHZ", ACCOUNT)):
        write(folder, table, "20260831", [row])
    write(folder, "GRXDFHZ", DAY, [LOAN])
    assert "GRXDFHZ (409): no file of 2026-08-31, which GRCKFHZ has" in refused(folder)


def test_an_increment_within_the_month_is_left_out(folder: Path) -> None:
    """Only files of a month's last day are taken."""
    write(folder, "GRCKFHZ", "20260915", [ACCOUNT])
    bank, _ = opened(folder)
    assert bank.left_out == ("B0001H111000001-GRCKFHZ-20260915.txt (no month's last day)",)


@pytest.mark.parametrize("form", ["zip", "parts", "gbk", "quotes", "header"])
def test_other_forms_of_the_file_read_the_same(folder: Path, form: str) -> None:
    """Archives, parts, GBK, commas with quotation marks, and tables with a header are read."""
    two = [ACCOUNT, {**ACCOUNT, "GRCKZH": "A2", "CKYE": "7"}]
    path = write(folder, "GRCKFHZ", DAY, two)
    if form == "zip":
        with zipfile.ZipFile(folder / "files.zip", "w") as archive:
            archive.write(path, path.name)
        path.unlink()
    elif form == "parts":
        path.unlink()
        for number, row in enumerate(two, start=1):
            write(folder, "GRCKFHZ", DAY, [row], part=f"-{number}")
    elif form == "gbk":
        path.write_bytes(path.read_text(encoding="utf-8").encode("gb18030"))
    else:
        frame = pd.DataFrame(two).assign(CJRQ=DAY)
        if form == "quotes":
            frame = frame.reindex(columns=ORDERS["GRCKFHZ"])
        frame.to_csv(path, index=False, header=form == "header", quoting=1)
    bank, _ = opened(folder)
    found = rows(bank, "holdings", "account_id, balance::VARCHAR")
    assert found == [("A1/CNY/人民币", "100.00"), ("A2/CNY/人民币", "7.00")]


def test_a_quotation_mark_is_an_ordinary_character(folder: Path) -> None:
    """A mark inside a field opens nothing."""
    write(folder, "JGXXB", DAY, [{**BRANCH, "YHJGMC": '"一支行'}])
    bank, _ = opened(folder)
    assert rows(bank, "branches", "name") == [('"一支行',)]


def test_the_log_file_counts_the_rows(folder: Path) -> None:
    """A log beside the file with another number of rows is a problem."""
    path = next(folder.glob("*-GRCKFHZ-*"))
    lines = [path.name, str(path.stat().st_size), "20261010120000", "Y", "2"]
    path.with_suffix(".log").write_text("\r\n".join(lines) + "\r\n")
    assert "GRCKFHZ (403)" in refused(folder)
    path.with_suffix(".log").write_text("\r\n".join([*lines[:-1], "1"]) + "\r\n")
    assert opened(folder)[0].rows("holdings") == 1


def test_the_files_of_branches_overlap(folder: Path) -> None:
    """The same row in two branches' sets is one row."""
    write(folder, "GRCKFHZ", DAY, [ACCOUNT], licence="B0002H333010001")
    bank, told = opened(folder)
    assert rows(bank, "holdings", "balance::VARCHAR") == [("100.00",)]
    assert "GRCKFHZ: 1 rows stand twice" in told
    assert "2 licences" in told


def test_an_account_is_a_number_a_currency_and_a_kind_of_note(folder: Path) -> None:
    """Of one number in dollars, rate for 100, notes and transfers are two accounts, in CNY."""
    dollars = {**ACCOUNT, "BZ": "USD", "CKYE": "10.01", "CHLB": "钞"}
    write(folder, "GRCKFHZ", DAY, [ACCOUNT, dollars, {**dollars, "CHLB": "汇", "CKYE": "20"}])
    assert "BZ: 2 rows: a foreign currency without a rate" in refused(folder)
    rate = {"WBSL": "100", "WBBZ": "USD", "BBBZ": "CNY", "ZBBSL": "712.34", "HLRQ": "20260929"}
    write(folder, "HLXXB", DAY, [rate])
    bank, _ = opened(folder)
    found = rows(bank, "holdings", "account_id, balance::VARCHAR")
    # 10.01 x 7.1234 = 71.305234; 20 x 7.1234 = 142.468
    assert found == [
        ("A1/CNY/人民币", "100.00"),
        ("A1/USD/汇", "142.47"),
        ("A1/USD/钞", "71.31"),
    ]


def test_a_loan_of_several_accounts_is_counted_once(folder: Path) -> None:
    """Each account shows the loan's whole balance: 500, not 1,000."""
    write(folder, "GRXDFHZ", DAY, [LOAN, {**LOAN, "DKFHZH": "L1b"}])
    bank, _ = opened(folder)
    found = rows(bank, "holdings", "account_id, balance::VARCHAR", "product = 'loan'")
    assert found == [("L1", "500.00")]


def test_a_card_owes_what_is_drawn_not_its_balance(folder: Path) -> None:
    """The balance of a card that owes is negative; what is drawn is positive."""
    card = {"NBJGH": "B1", "KHTYBH": "C1", "XYKZH": "K1", "BZ": "CNY", "TZJE": "30", "ZHYE": "-33"}
    write(folder, "XYKSXQKB", DAY, [{**card, "DYLJJYBS": "0", "ZHZT": "正常"}])
    assert "XYKSXQKB (803): no order of its fields is proven" in refused(folder)
    (folder / "mapping.toml").write_text(MAPPING)
    bank, _ = opened(folder)
    found = rows(bank, "holdings", "balance::VARCHAR, used_recently", "product = 'credit_card'")
    assert found == [("30.00", False)]


def test_who_has_no_account_is_no_customer(folder: Path) -> None:
    """Guarantors and spouses in the table of persons are left out, and counted."""
    write(folder, "GRJCXXB", DAY, [PERSON, {**PERSON, "KHTYBH": "C2"}])
    bank, told = opened(folder)
    assert rows(bank, "customers", "customer_id") == [("C1",)]
    assert "1 persons without any account" in told


def test_an_account_of_nobody_is_left_out_and_counted(folder: Path) -> None:
    """Accounts parked without a customer's number are nobody's holdings."""
    write(folder, "GRCKFHZ", DAY, [ACCOUNT, {**ACCOUNT, "GRCKZH": "A2", "KHTYBH": ""}])
    bank, told = opened(folder)
    assert bank.rows("holdings") == 1
    assert "1 accounts whose customer is empty" in told


def test_who_left_has_a_last_row_on_his_accounts_only(folder: Path) -> None:
    """His closed account of July tells in September that he left, and from which branch."""
    gone = {**ACCOUNT, "KHTYBH": "C2", "GRCKZH": "A2", "CKYE": "0", "ZHZT": "销户"}
    for day, accounts in (("20260731", [ACCOUNT, {**gone, "XHRQ": "20260715"}]), (DAY, [ACCOUNT])):
        write(folder, "JGXXB", day, [BRANCH])
        write(folder, "GRJCXXB", day, [PERSON])
        write(folder, "GRCKFHZ", day, accounts)
    bank, _ = opened(folder)
    found = rows(bank, "customers", "as_of::VARCHAR, closed_on::VARCHAR", "customer_id = 'C2'")
    assert found == [("2026-07-31", "2026-07-15"), ("2026-09-30", "2026-07-15")]
    assert rows(bank, "holdings", "1", "customer_id = 'C2'") == []


def test_default_days_are_no_days(folder: Path) -> None:
    """99991231 and 999912 stand for nothing."""
    write(folder, "GRJCXXB", DAY, [{**PERSON, "CSNY": "999912"}])
    bank, _ = opened(folder)
    assert rows(bank, "customers", "birth_date, closed_on") == [(None, None)]


def test_neither_interest_nor_reversals_are_activity(folder: Path) -> None:
    """Interest, salaries, a record and the one that takes it back, and 其他-… do not count."""
    more = [
        {"JYLX": "结息", "JYJDBZ": "贷", "HXJYRQ": "20260921", "JYJE": "0.31"},
        {"JYLX": "代发", "JYJDBZ": "贷", "HXJYRQ": "20260922", "JYJE": "3000"},
        {"HXJYRQ": "20260925", "JYJE": "70", "HXJYSJ": "100000"},
        {"HXJYRQ": "20260925", "JYJE": "-70", "JYLX": "其他-抹账", "CBMBZ": "冲补抹"},
        {"HXJYRQ": "20260926", "JYLX": "其他-调账"},
    ]
    entries = [MOVE, *({**MOVE, **row, "JYXLH": str(n)} for n, row in enumerate(more, start=2))]
    for day in ("20260731", "20260831"):
        write(folder, "GRCKFHZMX", day, [])
    write(folder, "GRCKFHZMX", DAY, entries)
    bank, _ = opened(folder)
    found = rows(bank, "customers", "last_active_on::VARCHAR, active_transactions")
    assert found == [("2026-09-15", 1)]
    assert ("payroll", "C1") in rows(bank, "holdings", "product, customer_id")


def test_the_delivered_transactions_are_cut(folder: Path) -> None:
    """From amounts of 1,000 and more alone nothing is counted, and no salary is absent."""
    write(
        folder, "GRCKFHZMX", DAY, [{**MOVE, "JYJE": "1000"}, {**MOVE, "JYXLH": "2", "JYJE": "2500"}]
    )
    write(folder, "GRCKFHZ", DAY, [{**ACCOUNT, "SCDHRQ": "20260921"}])
    bank, told = opened(folder)
    assert "active_transactions" not in bank.columns["customers"]
    assert rows(bank, "customers", "last_active_on::VARCHAR") == [("2026-09-21",)]
    assert "has nothing below 1,000" in told


def test_sole_traders_without_their_deposits_are_left_out(folder: Path) -> None:
    """Without table 405 they would all be dormant; with it they are customers."""
    trader = pd.DataFrame([{"NBJGH": "B1", "KHTYBH": "T1", "KHLX": "个体工商户", "CJRQ": DAY}])
    trader.to_csv(folder / f"B0001H111000001-DGKHXXB-{DAY}.txt", sep="\x01", index=False)
    bank, told = opened(folder)
    assert rows(bank, "customers", "customer_id") == [("C1",)]
    assert "1 sole traders without an account in DGCKFHZ" in told
    own = {**ACCOUNT, "KHTYBH": "T1", "DGCKZH": "D1", "DGCKZHLX": "单位活期存款"}
    write(folder, "DGCKFHZ", DAY, [own, {**own, "KHTYBH": "T2", "DGCKZH": "D2"}])
    bank, _ = opened(folder)
    found = rows(bank, "customers", "customer_id, customer_type")
    assert found == [("C1", "personal"), ("T1", "sole_trader")]
    assert bank.rows("holdings") == 2


def test_a_sole_trader_among_persons_is_one(folder: Path) -> None:
    """The column that is called after staff holds the type of customer, and several at once."""
    write(folder, "GRJCXXB", DAY, [{**PERSON, "BXYGBZ": "小微企业主;个体工商户", "BHYGBZ": "是"}])
    bank, _ = opened(folder)
    assert rows(bank, "customers", "customer_type, exclusion") == [("sole_trader", "staff")]


def test_an_institution_of_another_kind_with_customers_stays(folder: Path) -> None:
    """Customers of a virtual institution are not dropped, and it is named."""
    write(folder, "JGXXB", DAY, [{**BRANCH, "JGLB": "虚拟机构"}])
    bank, told = opened(folder)
    assert rows(bank, "branches", "branch_id") == [("B1",)]
    assert "1 institutions that are no 营业机构" in told


def test_a_kind_of_account_that_is_not_known_is_refused(folder: Path) -> None:
    """The mapping says what it is; nothing is guessed."""
    write(folder, "GRCKFHZ", DAY, [{**ACCOUNT, "GRCKZHLX": "积存金"}])
    assert "GRCKZHLX: 1 row: a kind of account that is not known" in refused(folder)
    (folder / "mapping.toml").write_text('[layout.products]\n"积存金" = "metal"\n')
    assert rows(opened(folder)[0], "holdings", "product") == [("metal",)]


def test_files_of_the_contract_beside_complete_it(folder: Path) -> None:
    """Positions, managers and the like that EAST lacks are read from small files."""
    (folder / "holdings_wealth.csv").write_text(
        "as_of,account_id,customer_id,product,balance\n2026-09-30,W1,C1,wealth,900\n"
    )
    (folder / "managers.csv").write_text("manager_id,branch_id,role\nM1,B1,vip\n")
    bank, _ = opened(folder)
    found = rows(bank, "holdings", "product, balance::VARCHAR")
    assert found == [("demand_deposit", "100.00"), ("wealth", "900.00")]
    assert bank.rows("managers") == 1


def test_names_and_numbers_of_cards_are_never_read(folder: Path) -> None:
    """What identifies a person beyond the customer number is in no table."""
    write(folder, "GRJCXXB", DAY, [{**PERSON, "KHXM": "张三", "ZJHM": "330102", "LXDH": "138"}])
    bank, _ = opened(folder)
    connection = bank._engine.connection  # type: ignore[attr-defined]
    columns = connection.sql("SELECT column_name FROM duckdb_columns()").fetchall()
    assert {"KHXM", "ZJHM", "LXDH", "ZJLB"} & {name for (name,) in columns} == set()


def test_a_layout_that_is_not_known_is_refused(folder: Path) -> None:
    """A misspelt layout is no guess."""
    with pytest.raises(UsageError, match="unknown layout 'east4'"):
        open_bank(folder, layout="east4")
    with pytest.raises(UsageError, match="a layout is of files in a folder"):
        open_bank("duckdb://bank.duckdb", layout="east5")
