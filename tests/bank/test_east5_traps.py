"""The traps of EAST 5.0 files, each with the wrong answer that a guess would give."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.bank.east5_files import (
    ACCOUNT,
    BRANCH,
    DAY,
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

QUARTER = ("20260731", "20260831", "20260930")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the EAST files of a bank of one branch, one person and one account."""
    return write_base(tmp_path)


def write_moves(folder: Path, *moves: dict[str, str], cut: bool = False) -> None:
    """Write a quarter's transactions, each in the month of its day; whole by one of one yuan."""
    small = {**MOVE, "KHTYBH": "", "GRCKZH": "A9", "JYJE": "1", "JYXLH": "9"}
    for day in QUARTER:
        own = [move for move in moves if move["HXJYRQ"][:6] == day[:6]]
        delivered = own if cut else [*own, {**small, "HXJYRQ": day}]
        path = write(folder, "GRCKFHZMX", day, delivered)
        path.with_suffix(".log").write_text(str(len(delivered)))


def test_01_no_header_and_the_definitions_on_the_net_are_shuffled(folder: Path) -> None:
    """In another order BZ and CKYE are refused by their form; a guess reads 'CNY' as no balance."""
    path = write(folder, "GRCKFHZ", DAY, [ACCOUNT])
    cells = path.read_text().rstrip("\n").split("\x01")
    at, other = ORDERS["GRCKFHZ"].index("BZ"), ORDERS["GRCKFHZ"].index("CKYE")
    cells[at], cells[other] = cells[other], cells[at]
    path.write_text("\x01".join(cells) + "\n")
    text = refused(folder)
    assert "GRCKFHZ (403).BZ: 1 row: not what this column holds" in text
    assert "GRCKFHZ (403).CKYE: 1 row: not what this column holds" in text
    swapped = [{"BZ": "CKYE", "CKYE": "BZ"}.get(c, c) for c in ORDERS["GRCKFHZ"]]
    (folder / "mapping.toml").write_text(f"[layout.orders]\nGRCKFHZ = {swapped}\n")
    assert rows(opened(folder)[0], "holdings", "balance::VARCHAR") == [("100.00",)]


def test_01_a_mart_has_columns_of_its_own(folder: Path) -> None:
    """With a header columns are taken by name: shuffled, and what a mart adds is left out."""
    path = write(folder, "GRCKFHZ", DAY, [ACCOUNT])
    frame = pd.DataFrame([{**ACCOUNT, "CJRQ": DAY, "SENSITIVEFLAG": "0", "RID": "7", "KHLB": "1"}])
    frame.iloc[:, ::-1].to_csv(path, index=False)
    assert rows(opened(folder)[0], "holdings", "balance::VARCHAR") == [("100.00",)]


@pytest.mark.parametrize("form", ["quotes", "gbk", "bars", "crlf", "bom", "parts"])
def test_02_other_separators_encodings_and_parts_occur(folder: Path, form: str) -> None:
    """All read the same; a guess takes a quotation mark for an opening one, or half of the rows."""
    two = [ACCOUNT, {**ACCOUNT, "GRCKZH": "A2", "CKYE": "7", "ZHMC": '"甲'}]
    path = write(folder, "GRCKFHZ", DAY, two)
    text = path.read_text(encoding="utf-8")
    if form == "quotes":
        frame = pd.DataFrame(two).assign(CJRQ=DAY).reindex(columns=ORDERS["GRCKFHZ"])
        frame.to_csv(path, index=False, header=False, quoting=1)
    elif form == "parts":
        path.unlink()
        for number, row in enumerate(two, start=1):
            write(folder, "GRCKFHZ", DAY, [row], part=f"-{number}")
    else:
        ends = {"crlf": ("\n", "\r\n"), "bars": ("\x01", "|")}.get(form, ("", ""))
        encoding = {"gbk": "gb18030", "bom": "utf-8-sig"}.get(form, "utf-8")
        text = text.replace('"', "") if form == "bars" else text
        path.write_bytes((text.replace(*ends) if ends[0] else text).encode(encoding))
    found = rows(opened(folder)[0], "holdings", "account_id, balance::VARCHAR")
    assert found == [("A1/CNY/人民币", "100.00"), ("A2/CNY/人民币", "7.00")]


def test_03_what_is_delivered_of_404_is_cut_at_1000(folder: Path) -> None:
    """No number of transactions, no averages, no payroll: a guess says one, and not paid here."""
    write_moves(folder, {**MOVE, "JYJE": "1000"}, cut=True)
    bank, told = opened(folder)
    assert "active_transactions" not in bank.columns["customers"]
    assert "average_balance" not in bank.columns["holdings"]
    assert "transactions" not in bank.columns
    assert "of 2026-09-30 has nothing below 1,000" in told
    assert bank.approximations["cut"] == ["2026Q3"]


def test_04_the_regulators_platform_is_no_source() -> None:
    """The guides say so, in both languages."""
    guide = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "use-your-east-files.md"
    assert "**never** from the regulator's storage platform" in guide.read_text(encoding="utf-8")
    chinese = guide.with_suffix(".zh-CN.md").read_text(encoding="utf-8")
    assert "**切勿**从监管数据存储平台" in chinese


def test_05_an_account_is_a_number_a_currency_and_a_kind_of_note(folder: Path) -> None:
    """Of one number are three accounts, in CNY by a rate for 100; a guess adds 130.01 yuan."""
    dollars = {**ACCOUNT, "BZ": "USD", "CKYE": "10.01", "CHLB": "钞"}
    write(folder, "GRCKFHZ", DAY, [ACCOUNT, dollars, {**dollars, "CHLB": "汇", "CKYE": "20"}])
    assert "BZ: 2 rows: a foreign currency without a rate" in refused(folder)
    rate = {"WBSL": "100", "WBBZ": "USD", "BBBZ": "CNY", "ZBBSL": "712.34", "HLRQ": "20260929"}
    write(folder, "HLXXB", DAY, [rate])
    found = rows(opened(folder)[0], "holdings", "account_id, balance::VARCHAR")
    # 10.01 x 7.1234 = 71.305234; 20 x 7.1234 = 142.468
    assert found == [
        ("A1/CNY/人民币", "100.00"),
        ("A1/USD/汇", "142.47"),
        ("A1/USD/钞", "71.31"),
    ]


def test_06_a_closed_account_has_one_last_row_and_its_customer_none(folder: Path) -> None:
    """July's last row tells in September who left; a guess loses him, or counts the account."""
    gone = {**ACCOUNT, "KHTYBH": "C2", "GRCKZH": "A2", "CKYE": "0", "ZHZT": "销户"}
    for day, accounts in (("20260731", [ACCOUNT, {**gone, "XHRQ": "20260715"}]), (DAY, [ACCOUNT])):
        write_base(folder, day)
        write(folder, "GRCKFHZ", day, accounts)
    bank, _ = opened(folder)
    found = rows(bank, "customers", "as_of::VARCHAR, closed_on::VARCHAR", "customer_id = 'C2'")
    assert found == [("2026-07-31", "2026-07-15"), ("2026-09-30", "2026-07-15")]
    assert rows(bank, "holdings", "1", "customer_id = 'C2'") == []


def test_06_a_branch_that_is_gone_is_closed(folder: Path) -> None:
    """Missing in September is an event, told with its month; a guess leaves it in business."""
    write_base(folder, "20260831")
    write(folder, "JGXXB", "20260831", [BRANCH, {**BRANCH, "NBJGH": "B2", "YHJGMC": "二支行"}])
    bank, told = opened(folder)
    found = rows(bank, "branches", "branch_id, closed_on::VARCHAR")
    assert found == [("B1", None), ("B2", "2026-08-31")]
    assert "1 branches gone from JGXXB without 停业" in told


def test_07_the_sets_of_branches_overlap_and_have_gaps(folder: Path) -> None:
    """The same row is one row, and no average is rebuilt; a guess adds 200."""
    write_base(folder, "20260630")
    write_moves(folder, {**MOVE, "ZHYE": "100"})
    write(folder, "GRCKFHZ", DAY, [ACCOUNT], licence="B0002H333010001")
    bank, told = opened(folder)
    where = "as_of = '2026-09-30'"
    assert rows(bank, "holdings", "balance::VARCHAR", where) == [("100.00",)]
    assert "GRCKFHZ: 1 rows stand twice" in told
    assert "2 licences" in told
    assert "rebuilt" not in bank.approximations


def test_08_guarantors_are_no_customers_and_some_accounts_are_of_nobody(folder: Path) -> None:
    """Both are left out and counted; a guess makes two customers of one."""
    write(folder, "GRJCXXB", DAY, [PERSON, {**PERSON, "KHTYBH": "C2"}])
    write(folder, "GRCKFHZ", DAY, [ACCOUNT, {**ACCOUNT, "GRCKZH": "A2", "KHTYBH": ""}])
    bank, told = opened(folder)
    assert rows(bank, "customers", "customer_id") == [("C1",)]
    assert bank.rows("holdings") == 1
    assert "1 persons without any account" in told
    assert "1 accounts whose customer is empty" in told


def test_09_each_account_of_a_loan_shows_its_whole_balance(folder: Path) -> None:
    """500 are owed; a guess adds 1,000."""
    write(folder, "GRXDFHZ", DAY, [LOAN, {**LOAN, "DKFHZH": "L1b"}])
    found = rows(opened(folder)[0], "holdings", "account_id, balance::VARCHAR", "product = 'loan'")
    assert found == [("L1", "500.00")]


def test_10_a_card_that_owes_has_a_negative_balance(folder: Path) -> None:
    """30 are owed (透支金额); a guess takes −33, or 33 with interest."""
    card = {"NBJGH": "B1", "KHTYBH": "C1", "XYKZH": "K1", "BZ": "CNY", "TZJE": "30", "ZHYE": "-33"}
    write(folder, "XYKSXQKB", DAY, [{**card, "DYLJJYBS": "0", "ZHZT": "正常"}])
    assert "XYKSXQKB (803): no order of its fields is proven" in refused(folder)
    (folder / "mapping.toml").write_text(MAPPING)
    where = "product = 'credit_card'"
    assert rows(opened(folder)[0], "holdings", "balance::VARCHAR, used_recently", where) == [
        ("30.00", False)
    ]


def test_11_interest_may_move_the_day_an_account_last_moved(folder: Path) -> None:
    """Whole transactions show nothing but interest; a guess calls 21 September active."""
    write(folder, "GRCKFHZ", DAY, [{**ACCOUNT, "SCDHRQ": "20260921"}])
    write_moves(folder, {**MOVE, "JYLX": "结息", "JYJDBZ": "贷", "HXJYRQ": "20260921"})
    bank, _ = opened(folder)
    # Before July nothing is told but that the account did not move later.
    found = rows(bank, "customers", "last_active_on::VARCHAR, active_transactions")
    assert found == [("2026-06-30", 0)]


def test_12_a_reversal_is_two_records(folder: Path) -> None:
    """Neither the record nor what takes it back counts; a guess counts three."""
    write_moves(
        folder,
        MOVE,
        {**MOVE, "JYXLH": "2", "HXJYRQ": "20260925", "JYJE": "70"},
        {
            **MOVE,
            "JYXLH": "3",
            "HXJYRQ": "20260925",
            "JYJE": "-70",
            "JYLX": "其他-抹账",
            "CBMBZ": "冲补抹",
        },
    )
    found = rows(opened(folder)[0], "customers", "last_active_on::VARCHAR, active_transactions")
    assert found == [("2026-09-15", 1)]


def test_13_kinds_are_spelt_in_several_ways(folder: Path) -> None:
    """还款-还本 is a repayment as 贷款还本 is, 三方支付 a telephone's; a guess drops all three."""
    write_moves(
        folder,
        {**MOVE, "JYLX": "还款-还本"},
        {**MOVE, "JYXLH": "2", "JYLX": "贷款还本"},
        {**MOVE, "JYXLH": "3", "JYLX": "消费", "JYQD": "三方支付-支付宝"},
        {**MOVE, "JYXLH": "4", "JYLX": "消费", "JYQD": "POS;第三方支付-微信"},
    )
    bank, _ = opened(folder)
    assert rows(bank, "transactions", "kind") == [
        ("loan_repayment",),
        ("loan_repayment",),
        ("wechat_alipay",),
        ("wechat_alipay",),
    ]
    assert rows(bank, "customers", "active_transactions") == [(2,)]


def test_14_kinds_of_account_and_owners_of_small_firms(folder: Path) -> None:
    """积存金 is not guessed to be a deposit; an owner of a small firm is a person, no trader."""
    write(folder, "GRJCXXB", DAY, [{**PERSON, "BXYGBZ": "小微企业主"}])
    assert rows(opened(folder)[0], "customers", "customer_type") == [("personal",)]
    write(folder, "GRJCXXB", DAY, [{**PERSON, "BXYGBZ": "小微企业主;个体工商户"}])
    assert rows(opened(folder)[0], "customers", "customer_type") == [("sole_trader",)]
    write(folder, "GRCKFHZ", DAY, [{**ACCOUNT, "GRCKZHLX": "积存金"}])
    assert "GRCKZHLX: 1 row: a kind of account that is not known" in refused(folder)
    (folder / "mapping.toml").write_text('[layout.products]\n"积存金" = "metal"\n')
    assert rows(opened(folder)[0], "holdings", "product") == [("metal",)]


def test_15_what_is_not_there_is_absent(folder: Path) -> None:
    """No maturity of a deposit, no household, no manager, no successor: a guess makes them up."""
    bank, _ = opened(folder)
    assert rows(bank, "holdings", "1", "matures_on IS NOT NULL") == []
    assert {"managers", "assignments", "branch_successors"} & {*bank.columns} == set()
    unknown = {"person_id", "household_id", "profile_complete", "do_not_contact"}
    assert unknown & {*bank.columns["customers"]} == set()
    assert rows(bank, "customers", "birth_date::VARCHAR") == [("1980-01-01",)]  # a month alone


def test_16_a_renewed_time_deposit_looks_new(folder: Path) -> None:
    """Its first term began in 2020; a guess has it, and its owner, new in September."""
    write_base(folder, "20260831")
    write(folder, "GRCKFHZ", DAY, [{**ACCOUNT, "KHRQ": "20260910", "SCDHRQ": "20260910"}])
    bank, _ = opened(folder)
    where = "as_of = '2026-09-30'"
    assert rows(bank, "holdings", "opened_on::VARCHAR", where) == [("2020-01-01",)]
    assert rows(bank, "customers", "relationship_since::VARCHAR", where) == [("2020-01-01",)]


def test_17_a_ledger_mixes_periods_currencies_and_levels(folder: Path) -> None:
    """100 are in the books; a guess adds days, months, CNY to BWB and the head office: 500."""
    write(folder, "JGGXB", DAY, [{"NBJGH": "B1", "SJGLNBJGH": "H"}, {"NBJGH": "H"}])
    entry = {"NBJGH": "B1", "KJKMBH": "2003", "BZ": "BWB", "QMJFYE": "0", "QMDFYE": "100"}
    entry |= {"BSZQ": "月报", "KJRQ": DAY}
    variants = ({}, {"BSZQ": "日报"}, {"BSZQ": "季报"}, {"BZ": "CNY"}, {"NBJGH": "H"})
    write(folder, "ZZKJQKMB", DAY, [{**entry, **other} for other in variants])
    (folder / "mapping.toml").write_text('[layout.subjects]\n2003 = "demand_deposit"\n')
    found = rows(opened(folder)[0], "ledger", "branch_id, product, balance::VARCHAR")
    assert found == [("B1", "demand_deposit", "100.00")]


def test_18_1108_may_hold_new_positions_alone(folder: Path) -> None:
    """A position that the next month lacks is asked about; a guess says that it was sold."""
    write_base(folder, "20260831")
    position = {"KHTYBH": "C1", "LCCPDM": "P", "SJZHCYLCYE": "900", "BZ": "CNY", "ZHZT": "正常"}
    for day, number in (("20260831", "W1"), (DAY, "W2")):
        frame = pd.DataFrame([{**position, "LCZH": number, "CJRQ": day}])
        frame = frame.assign(LCZHKHRQ="20260101", LCZHXHRQ="99991231")
        frame.to_csv(folder / f"B0001H111000001-KHLCCPCYXXB-{day}.txt", sep="\x01", index=False)
    bank, told = opened(folder)
    assert "1 positions of KHLCCPCYXXB (1108) that the next month lacks" in told
    where = "as_of = '2026-09-30' AND product = 'wealth'"
    assert rows(bank, "holdings", "account_id, balance::VARCHAR", where) == [("W2/P", "900.00")]


def test_19_masked_and_plain_numbers_do_not_join(folder: Path) -> None:
    """One person under a number with an identity number and under its mask is not two customers."""
    numbers = ("1330102198001011234", "1" + "a1" * 32)
    write(folder, "GRJCXXB", DAY, [{**PERSON, "KHTYBH": number} for number in numbers])
    accounts = [{**ACCOUNT, "KHTYBH": n, "GRCKZH": f"A{i}"} for i, n in enumerate(numbers)]
    write(folder, "GRCKFHZ", DAY, accounts)
    text = refused(folder)
    assert "1 customers' numbers are masked (变形) and 1 hold an identity number" in text
    assert not any(number in text for number in numbers)


def test_20_secret_persons_have_no_transactions(folder: Path) -> None:
    """Who is in no transaction stays a customer; a guess has him never active."""
    other = {"KHTYBH": "C2", "GRCKZH": "A2"}
    write(folder, "GRJCXXB", DAY, [PERSON, {**PERSON, "KHTYBH": "C2"}])
    write(folder, "GRCKFHZ", DAY, [{**ACCOUNT, "SCDHRQ": "20260920"}, {**ACCOUNT, **other}])
    write_moves(folder, {**MOVE, **other})
    found = rows(opened(folder)[0], "customers", "last_active_on::VARCHAR, active_transactions")
    assert found == [("2026-06-30", 0), ("2026-09-15", 1)]


def test_21_default_days_are_no_days(folder: Path) -> None:
    """99991231 and 999912 stand for nothing; a guess has somebody born in 9999."""
    write(folder, "GRJCXXB", DAY, [{**PERSON, "CSNY": "999912"}])
    write(folder, "GRCKFHZ", DAY, [{**ACCOUNT, "SCDHRQ": "99991231"}])
    found = rows(opened(folder)[0], "customers", "birth_date, closed_on, last_active_on")
    assert found == [(None, None, None)]


def test_22_customers_of_a_card_centre_stay(folder: Path) -> None:
    """Customers of a virtual institution are counted under it, and it is named; none is dropped."""
    write(folder, "JGXXB", DAY, [{**BRANCH, "JGLB": "虚拟机构"}])
    bank, told = opened(folder)
    assert rows(bank, "branches", "branch_id") == [("B1",)]
    assert bank.rows("customers") == 1
    assert "1 institutions that are no 营业机构" in told


def test_23_keys_are_only_a_reference(folder: Path) -> None:
    """Rows that are equal are one; rows that differ under one key are refused, not chosen from."""
    write(folder, "GRCKFHZ", DAY, [ACCOUNT, ACCOUNT])
    bank, told = opened(folder)
    assert bank.rows("holdings") == 1
    assert "GRCKFHZ: 1 rows stand twice" in told
    write(folder, "GRCKFHZ", DAY, [ACCOUNT, {**ACCOUNT, "CKYE": "101"}])
    assert "GRCKZH, BZ, CHLB: 1 row: rows that differ have the same key" in refused(folder)


def test_24_increments_within_the_month_are_left_out(folder: Path) -> None:
    """Only the full set of the month's last day is taken; a guess has two days."""
    write(folder, "GRCKFHZ", "20260915", [{**ACCOUNT, "CKYE": "1"}])
    bank, _ = opened(folder)
    assert bank.left_out == ("B0001H111000001-GRCKFHZ-20260915.txt (no month's last day)",)
    assert rows(bank, "holdings", "as_of::VARCHAR, balance::VARCHAR") == [("2026-09-30", "100.00")]
