"""`stockcust map`: what files are taken for, what is left to a person, what is never shown."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from stockcust_analysis.bank import samples
from stockcust_analysis.bank.mapping import read_mapping
from stockcust_analysis.bank.proposal import propose_mapping
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.errors import BankDataError
from tests.bank.test_words import ENGLISH
from tests.test_cli import run
from tests.tiny_bank import BRANCHES, CUSTOMERS, HOLDINGS, TinyBank

HEADERS = "客户编号,归属机构,客户类型,最后交易日期,AUM余额(万元),季日均(万元)"
ROWS = "".join(
    f"88001{n},0{n % 2}1,{kind},2026-09-0{n},1{n}.2{n},2{n}.3{n}\n"
    for n, kind in enumerate(("个人", "对公", "个人", "个人", "对公"), start=1)
)


def propose(folder: Path, files: dict[str, str | bytes]) -> str:
    """Write files, and return what is proposed for them, which must be a mapping."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    text = propose_mapping(folder)
    mapping = folder / "proposed.toml"
    mapping.write_text(text, encoding="utf-8")
    read_mapping(mapping)
    return text


def test_names_of_banks_are_known(tmp_path: Path) -> None:
    """Headers, codes, the unit in brackets, the day of the file and its pattern are proposed."""
    text = propose(tmp_path, {"零售客户_20260930.csv": f"{HEADERS}\n{ROWS}"})
    for line in (
        '# name = "Name of the bank"',
        'file = "零售客户_*.csv"',
        'unit = "万元"  # by headers',
        'as_of = "file name"  # no column has it',
        '"客户编号" = "customer_id"  # by its name; whole numbers',
        '"AUM余额(万元)" = "aum_period_end"  # by its name; amounts with two decimals',
        '"个人" = "personal"',
        '"对公" = "corporate"',
        "# No file was taken for: branches,",
    ):
        assert line in text


def test_comments_are_in_the_commands_language(tmp_path: Path) -> None:
    """`stockcust map` gives its reasons in Chinese, and in English where that is asked for."""
    (tmp_path / "零售客户_20260930.csv").write_text(f"{HEADERS}\n{ROWS}", encoding="utf-8")
    (tmp_path / "空.csv").touch()
    assert run("map", tmp_path) == 0
    assert run("map", tmp_path, "--out", tmp_path / "en.toml", "--language", "en") == 0
    zh, en = (tmp_path.joinpath(n).read_text("utf-8") for n in ("mapping.toml", "en.toml"))
    for line in (
        "# stockcust map看过每种文件的前2,000行后提出的建议。请更正，再运行stockcust check。",
        '# name = "本行名称"  # 行名，印在每一页；不写则用文件夹名',
        "# 客户表（customers）：1个文件；UTF-8编码的文本，分隔符','",
        'unit = "万元"  # 按表头',
        'as_of = "file name"  # 没有这一列',
        '"客户编号" = "customer_id"  # 按列名；整数',
        '"AUM余额(万元)" = "aum_period_end"  # 按列名；两位小数的金额',
        '# "空.csv"：',
        "# 没有文件对应：branches、branch_successors、holdings、",
    ):
        assert line in zh
    assert '"客户编号" = "customer_id"  # by its name; whole numbers' in en
    assert not ENGLISH.search(zh.partition("\n\n")[2])


def test_more_words_of_banks_are_known(tmp_path: Path) -> None:
    """Headers and codes of a rural bank's lists mean the contract's."""
    branches = "网点编号,网点名称,区域,网点类型\n"
    branches += "".join(f"0{n}1,支行{n},东区,县域网点\n" for n in range(1, 6))
    customers = "客户编号,网点编号,末次主动交易日期,季度交易笔数\n"
    customers += "".join(f"88{n},0{n}1,2026-09-0{n},{n}\n" for n in range(1, 6))
    holdings = "数据日期,账号,客户编号,产品,余额\n"
    holdings += "".join(f"2026-09-30,A{n},88{n},活期储蓄,{n}.00\n" for n in range(1, 6))
    files = {"网点表.csv": branches, "客户表_20260930.csv": customers, "持有表.csv": holdings}
    text = propose(tmp_path, dict(files))
    for line in (
        '"末次主动交易日期" = "last_active_on"  # by its name',
        '"季度交易笔数" = "active_transactions"  # by its name',
        '"活期储蓄" = "demand_deposit"',
        '"县域网点" = "county"',
    ):
        assert f"\n{line}" in text
    assert text.count('\n"网点编号" = "branch_id"  # by its name') == 2


def test_words_of_a_core_system_are_known(tmp_path: Path) -> None:
    """Headers, the codes of GB/T 2261.1 and closed accounts of a rural bank's lists are known."""
    customers = "数据日期,核心客户号,归属网点,建户日期,最后一次主动交易日期,性别,时点资产余额\n"
    customers += "".join(
        f"20260930,88{n},001,2020-01-0{n},2026-09-0{n},{n % 3},{n}.5\n" for n in range(9)
    )
    holdings = "数据日期,账号,客户编号,产品,余额,账户状态\n"
    holdings += "".join(
        f"20260930,A{n},88{n},活期,{n}.00,{'正常销户'[n % 2 * 2 :][:2]}\n" for n in range(6)
    )
    managers = "工号,所在机构,岗位,离岗日期\n0001,001,低柜,\n0002,001,贵宾,2026-01-05\n"
    files = {
        "客户.csv": customers.replace(",0,", ",9,"),
        "账户.csv": holdings,
        "客户经理.csv": managers,
    }
    text = propose(tmp_path, dict(files))
    for line in (
        '"建户日期" = "relationship_since"',
        '"最后一次主动交易日期" = "last_active_on"',
        '"时点资产余额" = "aum_period_end"',
        '"1" = "male"',
        '"2" = "female"',
        '"9" = ""',
        'drop_rows_where = { "账户状态" = ["销户"] }',
        '"工号" = "manager_id"',
        '"所在机构" = "branch_id"',
        '"离岗日期" = "valid_to"',
    ):
        assert f"\n{line}" in text
    text = propose(tmp_path, {"客户.csv": customers})  # 0, 1 and 2, by the same standard
    assert '\n"0" = ""\n"1" = "male"\n' in text
    text = propose(tmp_path, {"客户.csv": customers.replace(",2,", ",1,")})  # 0 and 1 may be either
    assert '"male"' not in text


def test_totals_at_the_end_of_long_sheets_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """合计 stands behind the rows that are looked at, and above the remarks."""
    monkeypatch.setattr(samples, "ROWS", 3)
    rows = [line.split(",") for line in CUSTOMERS.splitlines()]
    ends = [["合计", *[""] * 5, "9.9", "9.9"], ["制表人：某某", *[""] * 7]]
    rows[0][3:6] = ["客户类型", "管理机构", "LAST_TXN_DT"]
    rows[0][2] = "机构编码"
    frame = pd.DataFrame([*rows, *ends])
    frame.to_excel(tmp_path / "客户(万元).xlsx", index=False, header=False)
    text = propose_mapping(tmp_path)
    assert 'drop_rows_where = { "as_of" = ["合计"] }  # total lines' in text
    assert 'unit = "万元"  # by the name of file or sheet' in text
    assert '\n"机构编码" = "branch_id"  # by its name' in text
    assert '"LAST_TXN_DT" = "last_active_on"  # by its name; days; does it leave out' in text


def test_a_list_of_customers_handed_over_is_known(tmp_path: Path) -> None:
    """划转 of customers between branches are the contract's moves, not its customers."""
    rows = "客户编号,划出机构,划入机构,划转日期\n880011,001,002,2026-07-01\n"
    text = propose(tmp_path, {"客户划转清单.csv": rows})
    assert "[tables.customer_moves]" in text
    for header, column in (("划出机构", "from_branch_id"), ("划转日期", "effective_on")):
        assert f'"{header}" = "{column}"  # by its name' in text


def test_what_is_in_doubt_is_a_comment(tmp_path: Path) -> None:
    """A name with two meanings, values that belie one and unknown codes are left to a person."""
    header = HEADERS.replace("归属机构", "开户机构").replace("AUM余额(万元)", "出生日期")
    rows = ROWS.replace("个人", "1").replace("对公", "9")
    text = propose(tmp_path, {"客户.csv": f"{header},核心客户号,星级\n{rows}"})
    assert '# "开户机构" = "branch_id"  # perhaps, by its name; whole numbers' in text
    assert '# "出生日期" = "birth_date"  # its name says so, but it holds amounts' in text
    assert '# "9" = "?"  # not understood: one of personal, sole_trader, corporate' in text
    assert '# "核心客户号" = "customer_id"  # another header means this column, too' in text
    assert "# lacking: branch_id, text. Owning branch." in text
    header = HEADERS.replace("AUM余额(万元)", "AUM余额")
    text = propose(tmp_path, {"客户.csv": f"{header}\n{ROWS}"})
    assert '# unit = "万元"  # by headers, not of all' in text


def test_names_under_a_shifted_header_are_not_written_down(tmp_path: Path) -> None:
    """A text that is there a few times may be a person's name; one that returns is a code."""
    header = "客户编号,客户类型,归属机构,建档日期"
    names = [f"8800{n},王{'甲乙丙丁戊己'[n]},001,2020-01-05" for n in range(6)]
    text = propose(tmp_path, {"客户.csv": "\n".join([header, *names])})
    assert "王" not in text
    assert '# a rare text, which is not shown, = "?"  # not understood: one of personal' in text
    codes = [f"8800{n},某类客户,001,2020-01-05" for n in range(6)]
    text = propose(tmp_path, {"客户.csv": "\n".join([header, *codes])})
    assert '# "某类客户" = "?"  # not understood: one of personal' in text


def test_values_found_in_a_key_name_the_candidates(tmp_path: Path) -> None:
    """An unknown header whose values are numbers of branches is said to be perhaps the branch."""
    customers = CUSTOMERS.replace("branch_id", "XJGM")
    text = propose(tmp_path, {"branches.csv": BRANCHES, "customers.csv": customers})
    assert '# "XJGM" = "?"  # whole numbers' in text
    assert "perhaps branch_id, by values of branches.branch_id" in text
    strange = CUSTOMERS.replace(",001,", ",柳树,").replace(",002,", ",城关,")
    text = propose(tmp_path, {"customers.csv": strange})
    assert '# "branch_id" = "branch_id"' in text
    assert "but few of its values are numbers of branches" in text


def test_covers_and_notes_are_no_table(tmp_path: Path) -> None:
    """Of a workbook with a cover, contents and notes the one sheet of the table is proposed."""
    header, *rows = (row.split(",") for row in CUSTOMERS.splitlines())
    sheets = {
        "封面": [["零售客户报送", ""], ["报送机构", "城关支行"]],
        "目录": [["序号", "表名"], ["1", "客户"]],
        "客户": [header, *rows],
        "说明": [["customer_id", "核心客户号"], ["as_of", "月末"]],
    }
    with pd.ExcelWriter(tmp_path / "报送.xlsx") as book:
        for name, cells in sheets.items():
            pd.DataFrame(cells).to_excel(book, sheet_name=name, index=False, header=False)
    text = propose_mapping(tmp_path)
    assert 'sheet = "客户"  # the other sheets hold something else' in text
    assert "lacking: as_of" not in text
    assert "column_1" not in text.partition("# No file")[0]
    assert '# "报送.xlsx", sheet "封面": taken for no table' in text


def test_no_value_is_shown(tmp_path: Path) -> None:
    """Names, numbers and amounts of customers never reach the proposal, whatever the form."""
    people = [f"{name}{n}" for n, name in enumerate(["欧阳锋", "令狐冲", "东方白"] * 4)]
    rows = [
        [f"3701021980{n:08}", name, f"6222{n:012}", f"{n}4321.77"] for n, name in enumerate(people)
    ]
    frame = pd.DataFrame(rows, columns=["客户号", "户名", "卡号", "余额"])
    plain = frame.to_csv(index=False, header=False)
    fixed = "".join(f"{a}{b}{c}{d:>10}\n" for a, b, c, d in rows)
    text = propose(
        tmp_path,
        {
            "持有.csv": frame.to_csv(index=False),
            "账户.del": plain,
            "客户.dat": fixed,
            "x.txt": plain,
        },
    )
    words = "".join(f"贷款,账户,{name},{n}\n" for name, _, n, _ in rows)
    text += propose(tmp_path, {"交易.txt": words})
    duckdb.from_df(frame).to_parquet(str(tmp_path / "存款.parquet"))
    frame.to_excel(tmp_path / "客户.xlsx", index=False)
    for shown in (text, propose_mapping(tmp_path)):
        assert [cell for row in rows for cell in row if cell in shown] == []


def test_definitions_in_sql_name_the_columns(tmp_path: Path) -> None:
    """A file without a header takes its names from CREATE TABLE, their comments and CHAR(n)."""
    ddl = (
        "CREATE EXTERNAL TABLE IF NOT EXISTS `dw`.`dim_org` (\n`c1` char(3) COMMENT '机构号',\n"
        "`c2` char(8) COMMENT '名称 (全称), 中文', PRIMARY KEY (c1, c2)\n) STORED AS TEXTFILE;"
    )
    rows = "001城关支行\n002柳树支行\n".encode("gbk")
    text = propose(tmp_path, {"dim_org_20260930.dat": rows, "tables.hql": ddl})
    assert 'header = ["c1", "c2"]  # by the definition in SQL beside it' in text
    assert "widths = [3, 8]  # by CHAR(n)" in text
    assert '"c1" = "branch_id"  # by its name' in text
    ddl = (
        "CREATE TABLE DW.DIM_ORG (C1 CHAR(3) NOT NULL, C2 CHAR(8)) IN TS;\n"
        'COMMENT ON COLUMN "DW"."DIM_ORG"."C1" IS \'机构号\';\n'
        "comment on column dim_org.c2 is '机构名称';\n"
    )
    assert '"C2" = "name"  # by its name' in propose(tmp_path, {"tables.hql": ddl})
    (tmp_path / "tables.hql").unlink()
    text = propose(tmp_path, {"ORG.del": "1,2026-09-30\n2,2026-09-30\n"})
    assert "# No names of columns are there. Lay its CREATE TABLE (.sql, .ddl," in text
    (tmp_path / "ORG.del").unlink()
    text = propose(tmp_path, {"dim_org_20260930.dat": rows.replace(b"\n", b" \n")})
    assert '# header = ["column_1"]' in text


def test_files_without_any_names_get_numbered_headers(tmp_path: Path) -> None:
    """Nothing is mapped by position: every column has its candidates, all of them comments."""
    rows = "".join(f'20260930,"A{n}","C{n}","01",{n}00.50\n' for n in range(9))
    text = propose(tmp_path, {"acct.del": rows})
    assert 'kind = "db2"' in text
    assert 'header = ["column_1", "column_2", "column_3", "column_4", "column_5"]' in text
    assert '# "column_1" = "?"  # days, 1 different; perhaps as_of' in text
    assert (
        '# "column_5" = "?"  # amounts with two decimals; perhaps balance, average_balance' in text
    )
    assert read_mapping(tmp_path / "proposed.toml").of("holdings").columns == {}


def test_titles_totals_and_units_are_seen(tmp_path: Path) -> None:
    """A title with a unit, and a total line at the end of a long file, are in the proposal."""
    rows = "".join(f"2026-09-30|@|A{n}|@|C{n}|@|loan|@|{n}.00\n" for n in range(90_000))
    lines = "统计时点|@|账号|@|客户号|@|产品|@|余额\n"
    text = propose(
        tmp_path, {"M_ACCT.dat": f"持有明细 单位：千元\n{lines}{rows}合计|@||@||@||@|1.00\n"}
    )
    assert 'unit = "千元"  # by a line above the header' in text
    assert 'drop_rows_where = { "统计时点" = ["合计"] }' in text


@pytest.mark.parametrize(
    ("title", "headers", "expected"),
    [
        (
            ",,,,,AUM（万元）,贷款（元）",
            "AUM余额,贷款余额",
            '# unit = "万元", beside "元"  # by a line above',
        ),
        (
            "单位：元",
            "AUM余额(万元),贷款余额(万元)",
            '# unit = "万元", beside "元"  # by headers, not of',
        ),
        (
            "客户表",
            "AUM余额(万元),贷款余额(元)",
            '# unit = "万元", beside "元"  # by headers, not of all',
        ),
        ("AUM,Unit: 10,000 CNY", "AUM余额,贷款余额", 'unit = "万元"  # by a line above the header'),
        ("单位：元", "AUM余额,贷款余额(元)", ""),
    ],
)
def test_several_units_are_in_doubt(
    tmp_path: Path, title: str, headers: str, expected: str
) -> None:
    """One that holds for all is proposed, several are a comment, and CNY goes without saying."""
    rows = "2026-09-30,C1,001,个人,2020-01-01,1.20,3.00\n" * 9
    start = "统计时点,客户号,归属机构,客户类型,开户日期"
    text = propose(tmp_path, {"客户.csv": f"{title}\n{start},{headers}\n{rows}"})
    units = [line for line in text.splitlines() if "unit =" in line]
    assert len(units) == bool(expected)
    assert all(line.startswith(expected) for line in units)


def test_sheets_of_several_tables_are_parted(tmp_path: Path) -> None:
    """A workbook with a sheet for each table is named for each, with the sheet."""
    with pd.ExcelWriter(tmp_path / "全行.xlsx") as book:
        for name, text in (("机构", BRANCHES), ("客户", CUSTOMERS), ("持有", HOLDINGS)):
            rows = [line.split(",") for line in text.splitlines()]
            pd.DataFrame(rows).to_excel(book, sheet_name=name, header=False, index=False)
    (tmp_path / "mapping.toml").write_text(propose_mapping(tmp_path), encoding="utf-8")
    assert 'sheet = "客户"' in (tmp_path / "mapping.toml").read_text(encoding="utf-8")
    with open_bank(tmp_path) as bank:
        assert [bank.rows(name) for name in ("branches", "customers", "holdings")] == [2, 7, 7]


def test_sheets_of_every_quarter_are_named_by_a_pattern(tmp_path: Path) -> None:
    """Of a workbook with two sheets a table the pattern takes both; a note is no table."""
    with pd.ExcelWriter(tmp_path / "存量客户2026.xlsx") as book:
        for name, text in (("机构", BRANCHES), ("客户", CUSTOMERS), ("持有", HOLDINGS)):
            header, *rows = [line.split(",") for line in text.splitlines()]
            quarters = ("",) if name == "机构" else ("2026-06-30", "2026-09-30")
            for day in quarters:
                part = [row for row in rows if not day or row[0] == day]
                frame = pd.DataFrame([header, *part])
                frame.to_excel(book, sheet_name=f"{name}{day}", header=False, index=False)
        pd.DataFrame([["取数口径"]]).to_excel(book, sheet_name="说明", header=False, index=False)
    text = propose_mapping(tmp_path)
    (tmp_path / "mapping.toml").write_text(text, encoding="utf-8")
    for line in ('sheet = "客户2026-0*"', 'sheet = "持有2026-0*"', 'sheet = "机构"'):
        assert line in text
    assert "column_1" not in text.partition("# No file was taken")[0]
    with open_bank(tmp_path) as bank:
        assert [bank.rows(name) for name in ("branches", "customers", "holdings")] == [2, 7, 7]


def test_files_that_hold_no_table_are_named(tmp_path: Path) -> None:
    """Empty, damaged, binary and foreign files are comments, with what is nearest."""
    files: dict[str, str | bytes] = {
        "empty.csv": "",
        "broken.parquet": b"PAR1 and no more",
        "broken.xlsx": b"PK\x03\x04",
        "picture.bin": bytes(range(256)) * 40,
        "one.txt": "hello\n",
        "disp.asc": '"disp_id";"client_id";"account_id";"type"\n1;1;1;"OWNER"\n2;2;2;"OWNER"\n',
        "district.asc": 'A1;A2;A3\n1;"Praha";1204953\n2;"Benesov";88884\n',
    }
    text = propose(tmp_path, files)
    for name in files:
        assert f'# "{name}": ' in text
    assert '#   "client_id": whole numbers; perhaps customer_id' in text
    assert "[tables." not in text


def test_a_header_that_is_a_number_is_none_of_the_data(tmp_path: Path) -> None:
    """Columns called 2025 and 2026 beside known ones made `map` say that there is no header."""
    head, *rows = CUSTOMERS.splitlines()
    customers = "\n".join([f"{head},2025,2026", *(f"{row},1.5,2" for row in rows)])
    text = propose(tmp_path, {"customers.csv": customers})
    assert "column_1" not in text
    assert '# "2025" = "?"  # ' in text
    for name, table in (("branches", BRANCHES), ("holdings", HOLDINGS)):
        (tmp_path / f"{name}.csv").write_text(table, encoding="utf-8")
    with open_bank(tmp_path, mapping=tmp_path / "proposed.toml") as bank:
        assert bank.rows("customers") == 7


@pytest.mark.parametrize(
    ("above", "proposed"),
    [
        ("客户信息,,,,AUM,,,", ""),
        ("9,9,9,9,9,9,9,9", "\n# skip_rows = 1\n"),
        ("甲,乙,丙,丁,戊,己,庚,辛", "\nskip_rows = 1\n"),
        (",,,,,,,\n统计时点,客户号,归属机构,x,x,x,x,x", "\nskip_rows = 2\n"),
        ("\n" * 40, ""),
    ],
    ids=["groups", "perhaps data", "rows", "second header", "empty lines"],
)
@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_lines_above_the_header_are_left_out_as_is_proposed(
    tmp_path: Path, above: str, proposed: str, ending: str
) -> None:
    """What opening a bank takes for rows is skipped, of workbooks, too; a title needs no word."""
    lines = f"{above}\n{CUSTOMERS}".splitlines()
    if ending == "csv":
        (tmp_path / "customers.csv").write_text("\n".join(lines), encoding="utf-8")
    else:
        frame = pd.DataFrame([(line or "," * 7).split(",") for line in lines])
        frame.to_excel(tmp_path / "customers.xlsx", index=False, header=False)
    text = propose(tmp_path, {"branches.csv": BRANCHES, "holdings.csv": HOLDINGS})
    assert proposed in text
    assert ("skip_rows" in text) == bool(proposed)
    mapping = tmp_path / "proposed.toml"  # numbers may be data: whether they are a person says
    mapping.write_text(text.replace("\n# skip_rows", "\nskip_rows"), encoding="utf-8")
    with open_bank(tmp_path, mapping=mapping) as bank:
        assert bank.rows("customers") == 7


def test_words_far_below_are_no_header(tmp_path: Path) -> None:
    """A header stands among the first thirty rows: what is found below them is data."""
    rows = "".join(f"{n},甲,乙,丙\n" for n in range(40))
    text = propose(tmp_path, {"客户.csv": f"{rows}客户号,机构号,客户类型,AUM\n{rows}"})
    assert '= "customer_id"' not in text


LONG = f"{HEADERS}\n{ROWS}" + "".join(f"{n},001,个人,2026-09-01,1.20,2.30\n" for n in range(40_000))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("客户.csv", f"{HEADERS}\n{ROWS}".encode() + b"\x1a", ""),
        ("客户.csv", LONG.encode("utf-16"), ""),
        ("客户.csv", LONG.replace("\n", "\r").encode(), ""),
        (
            "客户.csv.gz",
            gzip.compress((LONG + "合计,,,,1.00,2.00\n").encode("gbk")),
            'drop_rows_where = { "客户编号" = ["合计"] }',
        ),
    ],
    ids=["end of DOS", "UTF-16", "carriage returns", "gzip"],
)
def test_texts_are_read_as_when_the_bank_is_opened(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    """What ends files of DOS is no remark; long files are seen to their end in every encoding."""
    text = propose(tmp_path, {name: content})
    assert '\n"客户编号" = "customer_id"  # by its name' in text
    assert said in text
    assert ("drop_rows_where" in text) == bool(said)


@pytest.mark.parametrize(
    "content",
    [
        CUSTOMERS.replace("C1", "\ufffd"),
        HEADERS.encode("utf-7") + f"\n{'1,' * 5}1\n".encode() * 3,
        '[{"客户号": "C1"}]\n',
        CUSTOMERS.replace("\n", "\u2028"),
        CUSTOMERS.encode("utf-16-le"),
        CUSTOMERS.encode("utf-32"),
        CUSTOMERS.replace("C", "客户").encode("gbk") + "客户\n".encode(),
        b"PK\x03\x04" + b"1,2\n" * 20,
    ],
)
def test_what_cannot_be_read_is_not_proposed(tmp_path: Path, content: str | bytes) -> None:
    """A text that opening the bank refuses is a comment, with the same words."""
    text = propose(tmp_path, {"branches.csv": BRANCHES, "customers.csv": content})
    assert "[tables.customers]" not in text
    with pytest.raises(BankDataError) as caught:
        open_bank(tmp_path)
    said = {str(p.what) for p in caught.value.problems if p.table == "customers"}
    assert any(what.removeprefix("customers.csv: ") in text for what in said)


def test_remarks_below_a_table_are_not_copied(tmp_path: Path) -> None:
    """Of a remark, which may hold a name, the label alone is shown; sums are known by words."""
    rows = "".join(f"0{n}1,支行{n},城区,东区\n" for n in range(1, 6))
    ends = (
        "合计,5,,\n,总计（万元）,5,\n制表人：张三,,,\n审核人:李四,1,2,\n合计（王五）,,,\n赵六,,,\n"
    )
    text = propose(
        tmp_path, {"机构.csv": f"机构号,机构名称,机构类型,区域\n{rows}{ends}备注：孙七\n"}
    )
    assert (
        'drop_rows_where = { "机构号" = ["合计"], "机构名称" = ["总计（万元）"] }  # total lines'
    ) in text
    for label in ("制表人", "审核人", "备注", "合计"):
        assert f'# a remark under "机构号" that begins with "{label}": add its whole cell' in text
    assert '# a remark under "机构号" alone in its row, or a sum: add its whole cell' in text
    assert not any(name in text for name in ("张三", "李四", "王五", "赵六", "孙七"))


def test_an_empty_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file there is one error, and nothing is written."""
    (tmp_path / ".hidden").touch()
    assert run("map", tmp_path) == 2
    assert "中没有数据文件。请把本行的数据文件放在该文件夹。" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [".hidden"]


def test_a_mapping_that_is_there_is_kept(
    tiny_bank: TinyBank, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command writes once, refuses to write again, and makes the same bytes elsewhere."""
    folder = tiny_bank()
    assert run("map", folder) == 0
    assert "stockcust check" in capsys.readouterr().out
    first = (folder / "mapping.toml").read_bytes()
    assert run("map", folder) == 2
    assert "已存在。请用--out指定其他文件，或移走它。" in capsys.readouterr().err
    assert run("map", folder, "--out", folder / "other.toml") == 0
    assert (folder / "other.toml").read_bytes() == first
    assert run("check", folder) == 0


def test_folders_of_each_day_are_proposed_as_one(tmp_path: Path) -> None:
    """Hive's folders of a table are all in one pattern, and the day is read from their names."""
    files: dict[str, str | bytes] = {"branches.csv": BRANCHES}
    for name, text in (("customers", CUSTOMERS), ("holdings", HOLDINGS)):
        head, *rows = (line.partition(",") for line in text.splitlines())
        for day, city in (("2026-06-30", "A"), ("2026-09-30", "B")):
            place = f"{name}/dt={day.replace('-', '')}/city={city}/part-0.csv"
            own = [rest for start, _, rest in rows if start == day]
            files[place] = "".join(f"{line}\n" for line in (head[2], *own))
    text = propose(tmp_path, files)
    for name in ("customers", "holdings"):
        assert f'file = "{name}/dt=*/city=*/part-0.csv"' in text
    assert text.count('as_of = "file name"') == 2
    (tmp_path / "proposed.toml").rename(tmp_path / "mapping.toml")
    with open_bank(tmp_path) as bank:
        assert [*map(str, bank.quarters)] == ["2026Q2", "2026Q3"]


def test_a_day_above_the_extract_is_none_of_its_files(tmp_path: Path) -> None:
    """Neither where folders may stand between, nor where the extract's own folder has the day."""
    rows = [line.split(",", 1) for line in CUSTOMERS.splitlines()]
    now = "".join(f"{rest}\n" for day, rest in rows if day in ("as_of", "2026-09-30"))
    bank = tmp_path / "dt=2025-12-31"
    (bank / "customers").mkdir(parents=True)
    for name, text in (("branches", BRANCHES), ("holdings", HOLDINGS)):
        (bank / f"{name}.csv").write_text(text, encoding="utf-8")
    (bank / "customers" / "late.csv").write_text(now, encoding="utf-8")
    table = '[tables.customers]\nfile = "{}"\nas_of = "file name"\n'
    mapping = bank / "mapping.toml"
    mapping.write_text(table.format("customers/**/*.csv"), encoding="utf-8")
    with pytest.raises(BankDataError, match="holds no day"):
        open_bank(bank)
    (bank / "customers" / "late.csv").rename(bank / "customer.csv")
    mapping.unlink()
    with pytest.raises(BankDataError, match=r"customer\.csv"):
        open_bank(bank)
    text = str(propose_mapping(bank))
    assert "as_of" not in text.partition("[tables.customers]")[2].partition("[")[0].replace("#", "")


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["客户_B001_2026Q3", "客户_B002_2026Q3", "客户_B012_2026Q2"], ""),
        (["KH_B001_20260930", "KH_B002_20260930"], "KH_*.csv"),
        (["B001/KH_20260930", "B002/KH_20260930"], "*/KH_*.csv"),
        (["KHA", "KHB"], "KH*.csv"),
    ],
)
def test_files_of_one_branch_each_are_one_table(
    tmp_path: Path, names: list[str], pattern: str
) -> None:
    """One branch's alone were proposed, the others' in a comment: the bank had one branch."""
    files = {f"{name}.csv": f"{HEADERS}\n{ROWS}" for name in names}
    text = propose(tmp_path, {**files, "其他客户.csv": "客户编号,备注\n1,x\n"})
    assert f"客户): {len(names)} files" in text
    assert ("\nfile = " in text) == bool(pattern)
    assert f'file = "{pattern}"' in text or not pattern
    assert "perhaps of this table" not in text


def test_files_with_other_headers_are_left_to_a_person(tmp_path: Path) -> None:
    """What has other columns may be something else, and stands in a comment as before."""
    more = f"{HEADERS},贷款余额\n" + ROWS.replace("\n", ",0.00\n")
    text = propose(tmp_path, {"KH_B001.csv": f"{HEADERS}\n{ROWS}", "KH_B002.csv": more})
    assert "perhaps of this table" in text


@pytest.mark.parametrize(
    ("form", "proposed"),
    [
        (r"9/1\1/2026", 'date_order = "mdy"  # by a number above 12: of days whose year is last'),
        (r"1\1.9.2026", 'date_order = "dmy"  # by a number above 12: of days whose year is last'),
        (r"0\1/09/2026", '# date_order = "?"  # dmy or mdy, of days whose year is last: no number'),
    ],
)
def test_the_order_of_days_is_proposed_where_one_above_12_says_it(
    tmp_path: Path, form: str, proposed: str
) -> None:
    """9/15/2026 has no fifteenth month; of 05/09/2026 nobody knows, and nothing is guessed."""
    rows = re.sub(r"2026-09-0(\d)", form, ROWS)
    text = propose(tmp_path, {"客户_20260930.csv": f"{HEADERS}\n{rows}"})
    assert f"\n{proposed}" in text
    assert '\n"最后交易日期" = "last_active_on"  # ' in text


def test_a_column_that_does_not_show_its_order_is_named(tmp_path: Path) -> None:
    """15.9.2026 shows that the day comes first; whether 5.6.2020 was written so, too, is asked."""
    rows = re.sub(r"2026-09-0(\d)", r"1\1.9.2026", ROWS).replace("\n", ",5.6.2020\n")
    text = propose(tmp_path, {"客户_20260930.csv": f"{HEADERS},开户日期\n{rows}"})
    assert '\ndate_order = "dmy"' in text
    assert 'whose year is last; no such number in "开户日期": ask whether' in text


def test_days_in_both_forms_are_days(tmp_path: Path) -> None:
    """31/12/9999, which stands for no day beside 2026-09-03, does not make a column text."""
    rows = ROWS.replace("2026-09-02", "31/12/9999").replace("2026-09-04", "31/12/9999")
    text = propose(tmp_path, {"客户_20260930.csv": f"{HEADERS}\n{rows}"})
    assert '\n"最后交易日期" = "last_active_on"  # by its name; days;' in text
    assert '\ndate_order = "dmy"' in text


def test_days_in_two_orders_are_left_to_a_person(tmp_path: Path) -> None:
    """13/09/2026 beside 09/14/2026 is no order: the mapping is asked for it in a comment."""
    rows = re.sub(r"2026-09-0(\d)", r"1\1/09/2026", ROWS).replace("15/09", "09/15")
    text = propose(tmp_path, {"客户_20260930.csv": f"{HEADERS}\n{rows}"})
    assert '\n# date_order = "?"' in text


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("CNY", 1), ("thousand", 1_000), ("Ten thousand", 10_000), ("million", 1_000_000),
     ("hundred million", 100_000_000), ("亿元", 100_000_000)],
)  # fmt: skip
def test_a_mapping_states_its_unit_in_either_language(
    tmp_path: Path, unit: str, factor: int
) -> None:
    """Amounts in thousands are `unit = "千元"` or `unit = "thousand"`."""
    path = tmp_path / "mapping.toml"
    path.write_text(f'[tables.customers]\nunit = "{unit}"\n', "utf-8")
    mapping = read_mapping(path).tables["customers"]
    assert mapping.factor == factor
