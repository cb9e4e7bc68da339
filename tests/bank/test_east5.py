"""A bank's monthly EAST 5.0 files: how they are found, checked and completed."""

from __future__ import annotations

import re
import tomllib
import warnings
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas as pd
import pytest

from stockcust_analysis import load_policy, open_bank
from stockcust_analysis.bank.layouts import east5
from stockcust_analysis.bank.layouts.east5 import make_tables
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import BankDataError, UsageError
from stockcust_analysis.evaluation.provided import (
    comparable_measures,
    lists_left_out,
    unlike_quarters,
)
from stockcust_analysis.evaluation.worklists import make_lists
from stockcust_analysis.report.worklists import make_worklists
from tests.bank.east5_files import (
    ACCOUNT,
    BRANCH,
    DAY,
    LOAN,
    MOVE,
    PERSON,
    opened,
    refused,
    rows,
    write,
    write_base,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the EAST files of a bank of one branch, one person and one account."""
    return write_base(tmp_path)


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


def test_a_quotation_mark_is_an_ordinary_character(folder: Path) -> None:
    """A mark inside a field opens nothing."""
    write(folder, "JGXXB", DAY, [{**BRANCH, "YHJGMC": '"一支行'}])
    bank, _ = opened(folder)
    assert rows(bank, "branches", "name") == [('"一支行',)]


def test_a_bar_in_quotes_parts_no_fields(folder: Path) -> None:
    """The first line was parted at every bar, while the rows are read with their quotes."""
    for path in folder.glob("*.txt"):
        text = path.read_text(encoding="utf-8").replace("\x01", "|")
        path.write_text(text.replace("First", '"F|irst"'), encoding="utf-8")
    bank, _ = opened(folder)
    assert rows(bank, "branches", "name") == [("F|irst",)]


def test_files_may_be_zipped(folder: Path) -> None:
    """Archives are read as what they hold."""
    path = next(folder.glob("*-GRCKFHZ-*"))
    with zipfile.ZipFile(folder / "files.zip", "w") as archive:
        archive.write(path, path.name)
    path.unlink()
    assert rows(opened(folder)[0], "holdings", "balance::VARCHAR") == [("100.00",)]


class _Statements:
    """A connection to DuckDB that remembers what it ran."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection, self.ran = connection, list[str]()

    def __getattr__(self, name: str) -> Any:
        def run(sql: str, *parameters: Any) -> Any:
            self.ran.append(sql)
            return getattr(self.connection, name)(sql, *parameters)

        return run if name in ("execute", "sql") else getattr(self.connection, name)


@pytest.mark.parametrize("separator", ["\x01", "|"])
def test_a_text_that_is_sound_is_scanned_once(folder: Path, separator: str) -> None:
    """Of every file there is one scan, which copies and checks it; Python reads its first line."""
    for path in folder.glob("*.txt"):
        path.write_text(path.read_text(encoding="utf-8").replace("\x01", separator))
    (folder / "copies").mkdir()
    with duckdb.connect() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        statements: Any = _Statements(connection)
        make_tables(statements, folder / "copies", folder, {})
        scanned = [name for sql in statements.ran for name in re.findall(r"[^/']+\.txt", sql)]
    assert sorted(scanned) == sorted(path.name for path in folder.glob("*.txt"))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (
            "张\ufffd",
            "1 row (first: 2): B0001H111000001-GRCKFHZ-20260930.txt: characters were lost when GBK "
            "text was read as UTF-8",
        ),
        (
            "张".encode("gbk"),
            "1 row (first: 2): B0001H111000001-GRCKFHZ-20260930.txt is neither UTF-8",
        ),
        (
            "a\x01b",
            "1 row (first: 2): B0001H111000001-GRCKFHZ-20260930.txt has more or fewer cells",
        ),
    ],
)
def test_what_is_wrong_with_a_column_that_is_not_read_is_told(
    folder: Path, cell: str | bytes, message: str
) -> None:
    """The one scan sees all cells: a text that lost characters is not half of it right."""
    path = write(folder, "GRCKFHZ", DAY, [ACCOUNT, {**ACCOUNT, "GRCKZH": "A2", "ZHMC": "ZHMC"}])
    lost = cell if isinstance(cell, bytes) else cell.encode()
    path.write_bytes(path.read_bytes().replace(b"ZHMC", lost))
    text = refused(folder)
    assert message in text
    assert "张" not in text


@pytest.mark.parametrize("rows", ["\x01" * 20, "合计" + "\x01" * 20, "\x01" * 20 + "20260930"])
def test_rows_that_are_none_of_the_table_are_told(folder: Path, rows: str) -> None:
    """A sum, or a row of nothing but its day, is refused; a blank one alone is left out."""
    path = next(folder.glob("*-GRCKFHZ-*"))
    path.write_text(path.read_text(encoding="utf-8") + f"{rows}\n", encoding="utf-8")
    if rows.strip("\x01"):
        assert "GRCKFHZ (403): 1 row (first: 2): total lines (合计)" in refused(folder)
    else:
        assert opened(folder)[0].rows("holdings") == 1


def test_the_log_file_counts_the_rows(folder: Path) -> None:
    """A log beside the file with another number of rows is a problem."""
    path = next(folder.glob("*-GRCKFHZ-*"))
    lines = [path.name, str(path.stat().st_size), "20261010120000", "Y", "2"]
    path.with_suffix(".log").write_text("\r\n".join(lines) + "\r\n")
    assert "GRCKFHZ (403)" in refused(folder)
    path.with_suffix(".log").write_text("\r\n".join([*lines[:-1], "1"]) + "\r\n")
    assert opened(folder)[0].rows("holdings") == 1


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
        write(folder, "GRCKFHZMX", day, []).with_suffix(".log").write_text("0")
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


def test_tables_of_a_mart_are_read_where_they_are(folder: Path) -> None:
    """In a DuckDB database: by names, typed or as text, what the mart adds left out, day by CJRQ.

    A view makes a table of EAST from one of 一表通 2.0, whose names and codes are others.
    """
    (folder / "mapping.toml").write_text('[layout.kinds]\n"01" = "transfer"\n')
    path = folder / "mart.duckdb"
    account = pd.DataFrame([{**ACCOUNT, "CJRQ": DAY, "ZHMC": "张三", "RID": 7}])
    dollars = {"BZ": "USD", "CHLB": "钞", "CKYE": "10", "CJRQ": "20260915"}
    accounts = pd.concat([account, account.assign(**dollars)])
    agreement = {"F010003": "C1", "F010007": "A9", "F010019": "2026-01-31", "H140013": 5}
    tables = {
        "grckfhz_all": accounts,
        "agreements": pd.DataFrame([agreement]),
        "managers": pd.DataFrame([{"manager_id": "M1", "branch_id": "B1", "role": "vip"}]),
    }
    for name, row in (("JGXXB", BRANCH), ("GRJCXXB", PERSON)):
        tables[name] = pd.DataFrame([{**row, "CLRQ": "20000101", "SFNH": "是", "BHYGBZ": "否"}])
        tables[name] = tables[name].assign(CJRQ=pd.Timestamp(DAY), KHXM="张三")
    tables["GRJCXXB"] = tables["GRJCXXB"].rename(columns={"KHTYBH": "客户统一编号"})
    with duckdb.connect(str(path)) as connection:
        for name, frame in tables.items():
            connection.register("rows", frame)
            connection.execute(f"CREATE TABLE {name} AS FROM rows")
        connection.execute("""CREATE VIEW GRCKFHZ AS
            SELECT * REPLACE (CKYE::DECIMAL(20, 2) AS CKYE) FROM grckfhz_all
            UNION ALL BY NAME SELECT 'B1' AS NBJGH, F010003 AS KHTYBH, F010007 AS GRCKZH,
                '个人定期存款' AS GRCKZHLX, 'CNY' AS BZ, H140013 AS CKYE, '人民币' AS CHLB,
                replace(F010019, '-', '') AS KHRQ, '正常' AS ZHZT, '20260930' AS CJRQ
            FROM agreements""")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bank = open_bank(f"duckdb://{path}", layout="east5", mapping=folder / "mapping.toml")
    with bank:
        found = rows(bank, "holdings", "account_id, balance::VARCHAR, opened_on::VARCHAR")
        assert found == [
            ("A1/CNY/人民币", "100.00", "2020-01-01"),
            ("A9/CNY/人民币", "5.00", "2026-01-31"),
        ]
        assert rows(bank, "customers", "customer_id, groups") == [("C1", "farmers")]
        assert bank.rows("managers") == 1
        assert bank.left_out == ("GRCKFHZ of 20260915 (no month's last day)",)
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE OR REPLACE VIEW GRCKFHZ AS SELECT * EXCLUDE (BZ) FROM grckfhz_all"
        )
        connection.execute("DROP TABLE JGXXB")
    with pytest.raises(BankDataError, match="no table of 机构信息表") as caught:
        open_bank(f"duckdb://{path}", layout="east5")
    assert "GRCKFHZ (403).BZ: the table lacks the column. Deliver it." in str(caught.value)


def test_a_layout_that_is_not_known_is_refused(folder: Path) -> None:
    """A misspelt layout is no guess."""
    with pytest.raises(UsageError, match="unknown layout 'east4'"):
        open_bank(folder, layout="east4")
    with pytest.raises(UsageError, match="a layout is of files in a folder"):
        open_bank("postgresql://db/mart", layout="east5")


def test_without_the_layout_it_is_named(folder: Path) -> None:
    """A folder of EAST files that is read as a contract's says how it is to be read."""
    with pytest.raises(BankDataError, match=r"no file holds this table.*--layout east5"):
        open_bank(folder)


def test_lists_that_rest_on_what_is_not_told_are_named_and_not_made(folder: Path) -> None:
    """Who stands above a border of AUM, or holds no fund, is unknown: no list, no tier."""
    write_base(folder, "20260630")
    (folder / "managers.csv").write_text("manager_id,branch_id,role\nM1,B1,counter\n")
    given = "customer_id,manager_id,valid_from,valid_to,reason,first_contact_on\n"
    (folder / "assignments.csv").write_text(f"{given}C1,M1,2025-01-01,,initial,\n")
    (folder / "contacts.csv").write_text(
        "customer_id,manager_id,contacted_on,channel,outcome\nC1,M1,2026-09-01,phone,none\n"
    )
    bank, _ = opened(folder)
    day, rules = date(2026, 9, 30), load_policy()
    by_deposits = replace(rules, aum="deposits_only")
    tiers = ["hand_over", "overdue_contact", "unassigned", "upgrade_candidates"]
    tiers += ["referral_sources", "incomplete_profile"]
    untold = {"no_positions": ["next_product"], "no_maturities": ["maturing"]}
    changes = {"no_changes": ["attrition_warning", "emptied"]}
    assert lists_left_out(bank, rules, day) == {"no_tiers": tiers, **changes, **untold}
    assert lists_left_out(bank, by_deposits, day) == untold
    lists, counts, _ = make_lists(bank, as_of=day, policy=rules)
    assert {*counts["list"]} == {"reclaim", "silent_with_assets", "dormant", "set_aside"}
    assert lists["list"].tolist() == ["reclaim"]
    assert lists["tier"].isna().all()
    assert lists["reason_zh"].str.contains("超过时限，存款").all()
    assert lists["reason_en"].str.contains("deposits").all()
    lists, counts, _ = make_lists(bank, as_of=day, policy=by_deposits)
    assert {*tiers} - {"incomplete_profile"} <= {*counts["list"]}
    assert lists["tier"].notna().all()
    # An average of June's balances beside one rebuilt for September tells no fall.
    bank.approximations = {**bank.approximations, "rebuilt": ["2026Q3"]}
    assert lists_left_out(bank, by_deposits, day) == {**changes, **untold}
    (path,) = make_worklists(bank, as_of=day, policy=rules, out=folder / "lists")
    first = openpyxl.load_workbook(path).worksheets[0]
    told = [str(row[0]) for row in first.iter_rows(values_only=True)]
    assert any("未提供的名单：移交、联络逾期、应管未管" in text for text in told)
    assert any("流失预警、存款转空" in text for text in told)
    assert "沉默待访" in [row[0] for row in first.iter_rows(values_only=True)]


def test_averages_that_were_delivered_are_not_compared_with_rebuilt_ones() -> None:
    """A quarter that no way of making averages names has its own: 42 of it beside 40 is no rise."""
    now = Quarter(2026, 3)
    assert unlike_quarters({}, now) == []
    made = {"rebuilt": ["2026Q2", "2026Q3"]}
    assert unlike_quarters(made, now) == ["2025Q3", "2025Q4", "2026Q1"]
    names = ["aum_period_end", "aum_average_quarter", "gini", "customers", "contact_coverage"]
    bases = ["all", "all", "funded", "effective", "managed"]
    table = pd.DataFrame({"measure": names, "base": bases, "value": 42.0})
    table = pd.concat(table.assign(quarter=quarter) for quarter in ("2026Q1", "2026Q3"))
    kept = comparable_measures(table, made, now)
    assert kept.groupby("quarter")["measure"].agg(list).to_dict() == {
        "2026Q1": ["aum_period_end", "contact_coverage"],
        "2026Q3": names,
    }


DEPOSIT = (
    "JRXKZH NBJGH YHJGMC MXKMBH MXKMMC KHTYBH ZHMC {0}CKZH {0}CKZHLX BZJZHBZ LL BZ CKYE KHRQ KHGYH "
    "XHRQ SCDHRQ CHLB ZHZT BBZ CJRQ"
)
FIELDS = {
    "JGXXB": "YHJGDM NBJGH JRXKZH YYZZH YHJGMC JGLB XZQHDM YYZT CLRQ JGDZ JGLXDH FZRXM FZRZW "
    "FZRLXDH BBZ CJRQ",
    "JGGXB": "YHJGDM JRXKZH NBJGH YHJGMC SJGLJGDM SJGLNBJGH SJGLJGMC BBZ CJRQ",
    "GRJCXXB": "JRXKZH NBJGH YHJGMC KHTYBH KHXM ZJLB ZJHM BXYGBZ GJHDQ MZ XB XL CSNY SFYH GZDWMC "
    "GZDWDZ GZDWDH DWXZ ZY ZW GRNSR TXDZ LXDH XDKHBZ SCJLXDGXNY SFNH BHYGBZ SHMDBZ SHMDRQ BBZ CJRQ",
    "JJKXXB": "JRXKZH NBJGH KHTYBH KHMC ZJLB ZJHM KH HQCKZH JJKCPMC XNKBZ YGKBZ KKRQ KKGYH KPZT "
    "BBZ CJRQ",
    "ZZKJQKMB": "JRXKZH NBJGH YHJGMC KJKMBH KJKMMC BZ QCJFYE QCDFYE JFFSE DFFSE QMJFYE QMDFYE "
    "BSZQ KJRQ BBZ CJRQ",
    "GRCKFHZ": DEPOSIT.format("GR"),
    "GRCKFHZMX": "JYXLH JRXKZH NBJGH YWBLJGH YHJGMC MXKMBH MXKMMC KHTYBH ZHMC ZJLB ZJHM GRCKZH "
    "WBZH JYLX JYJDBZ HXJYRQ HXJYSJ BZ JYJE ZHYE DFZH DFHM DFXH DFXM ZY FY CBMBZ XZBZ JYQD IPDZ "
    "MACDZ DBRXM DBRZJLB DBRZJHM JYGYH SQGYH BBZ CJRQ",
    "DGCKFHZ": DEPOSIT.format("DG"),
    "GRXDFHZ": "JRXKZH NBJGH YHJGMC MXKMBH MXKMMC KHTYBH ZHMC DKFHZH XDHTH XDJJH DKLL BZ DKJE DKYE "
    "FFRQ DQRQ KHRQ XHRQ DKZT ZHZT BBZ CJRQ",
    "HLXXB": "JRXKZH NBJGH YHJGMC WBSL WBBZ BBBZ ZBBSL HLRQ BBZ CJRQ",
}


def test_orders_of_fields_are_those_of_public_sources() -> None:
    """The layout's orders are those that public sources state, and no others are proven."""
    path = Path(east5.__file__).with_suffix(".toml")
    tables = tomllib.loads(path.read_text(encoding="utf-8"))["tables"]
    orders = {code: entry["columns"] for code, entry in tables.items() if "columns" in entry}
    assert orders == {table: fields.split() for table, fields in FIELDS.items()}
