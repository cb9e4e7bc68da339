"""What is said of a delivery, in both languages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from string import Formatter

import pandas as pd
import pytest

from stockcust_analysis import open_bank
from stockcust_analysis.errors import WORD_FILES, BankDataError, Words, say, templates
from stockcust_analysis.policy.file import read_toml
from tests.bank.east5_files import ACCOUNT, DAY, PERSON, write
from tests.test_cli import run
from tests.tiny_bank import BRANCHES, CUSTOMERS, HOLDINGS, TinyBank, together

PACKAGE = Path("stockcust_analysis")
ENGLISH = re.compile(r"(?:[A-Za-z]{2,}[,;:]? ){2,}[A-Za-z]{2,}")
"""Three words of English or more, one after the other."""


def blanks(text: str) -> list[tuple[str, str]]:
    """Return which facts a template shows, and in which form."""
    fields = [(name, form) for _, name, form, _ in Formatter().parse(text) if name is not None]
    return sorted({(name or str(n), form or "") for n, (name, form) in enumerate(fields)})


def pairs(name: str) -> list[tuple[str, str]]:
    """Return the English and the Chinese texts of a name, side by side."""
    english, chinese = (
        [texts] if isinstance(texts, str) else texts
        for texts in (templates()[name]["en"], templates()[name]["zh"])
    )
    return list(zip(english, chinese, strict=True))


def test_both_languages_say_the_same_facts() -> None:
    """Each name has as many words in Chinese as in English, and they show the same facts alike.

    But for what is not known: in Chinese the English words stand behind, for scripts.
    """
    assert {tuple(entry) for entry in templates().values()} == {("en", "zh")}
    unlike = [
        name
        for name in templates()
        if any(blanks(english) != blanks(chinese) for english, chinese in pairs(name))
    ]
    assert unlike == ["unknown_name"]


def test_no_name_is_in_two_files() -> None:
    """What one file says does not hide what another says."""
    names = [name for file in WORD_FILES for name in read_toml(PACKAGE / file)]
    assert sorted(names) == sorted({*names})


def test_chinese_is_chinese() -> None:
    """No English sentence, no half-width mark of punctuation beside Chinese; remedies end."""
    chinese = {f"{name} {n}": zh for name in templates() for n, (_, zh) in enumerate(pairs(name))}
    half_width = "[\u4e00-\u9fff][,;:?!]|[,;:?!][\u4e00-\u9fff]"
    # What is typed, in Python or to a shell, is no sentence.
    code = re.compile(r"(pip install|python -m|stockcust|GRANT) [^。；，]*|\w+\.ipynb|\[[^\]]*\]")
    said = {name: code.sub("", text) for name, text in chinese.items()}
    odd = [n for n, text in said.items() if ENGLISH.search(text) or re.search(half_width, text)]
    assert odd == []
    remedies = {name: pairs(name)[1][1] for name in templates() if len(pairs(name)) > 1}
    assert [name for name, text in remedies.items() if not text.endswith(("。", "？"))] == []


def test_words_stay_in_both_languages() -> None:
    """Words added to others, and facts in words, are said in the language of the whole."""
    assert Words("a", "甲") + " b" == "a b"
    assert (Words("a", "甲") + Words("b", "乙")).text("zh") == "甲乙"
    nested = say("of_place", Words("a", "甲"), [Words("b", "乙"), 2])
    assert (str(nested), nested.text("en"), nested.text("zh")) == (
        "a: b, 2",
        "a: b, 2",
        "甲：乙、2",
    )


# The bank's own headers, mapped to the contract's columns; and one fault of each kind in its cells.
HEADERS = {
    "branches": "网点号,网点名,片区,网点类型",
    "customers": "数据日期,客户编号,管户网点,客户类别,开户日,末次动账日,AUM余额,AUM季日均",
    "holdings": "数据日期,账户编号,客户编号,产品名称,账面余额",
}
COLUMNS = {
    "branches": BRANCHES.partition("\n")[0].split(","),
    "customers": CUSTOMERS.partition("\n")[0].split(","),
    "holdings": HOLDINGS.partition("\n")[0].split(","),
}
ROWS = {
    "branches": """\
001,城关支行,东区,urban
002,柳树支行,西区,townshipp
002,,西区,township
""",
    "customers": """\
2026-06-30,C1,001,personal,2020-01-05,2026-06-01,1000.00,900.00
2026-09-30,C1,001,personal,2020-01-05,2026-09-01,1200.00,一二
2026-09-30,C2,001,personal,2019-03-01,2026-10-01,-250.75,250.60
2026-09-30,C3,009,personal,2021-07-09,2026-06-31,70000.00,70000.00
2026-09-29,C4,002,sole_trader,2026-08-01,2026-09-29,0.00,12.34
""",
    "holdings": """\
2026-06-30,A1,C1,demand_deposit,1000.00
2026-09-30,A1,C1,demand_deposit,1200.00
2026-09-30,A2,C2,demand_deposit,"250,75"
2026-09-30,A3,C9,time_deposit,12万
""",
}
SAID = """\
的3张表有12个问题：
  1. 机构表（branches）“网点名”列（name）：1行（首见行：4）：单元格为空。请补齐。
  2. 机构表（branches）“网点类型”列（type）：1行（首见行：3）：未知的机构类型代码。\
请在映射文件的codes中写明行内代码的含义。允许的代码：urban、county、township。是否应为“township”？
  3. 机构表（branches）：1行（首见行：4）：主键（“网点号”列（branch_id））重复。\
每个主键请只保留一行。
  4. 客户表（customers）“AUM余额”列（aum_period_end）：1行（首见行：4）：小于0。\
透支计为0，贷款记入“贷款余额”（loan_balance）；资产不为负数。
  5. 客户表（customers）“末次动账日”列（last_active_on）：1行（首见行：5）：不是日期。\
请写成YYYY-MM-DD。
  6. 客户表（customers）“AUM季日均”列（aum_average_quarter）：1行（首见行：3）：不是金额。\
请以元为单位，保留两位小数。
  7. 客户表（customers）“末次动账日”列（last_active_on）：1行（首见行：4）：\
晚于“数据日期”列（as_of）。请更正日期。
  8. 客户表（customers）“数据日期”列（as_of）：1行（首见行：6）：不是月末日。请使用月末日期。
  9. 客户表（customers）“管户网点”列（branch_id）：1行（首见行：5）：\
在“网点号”（branches.branch_id）中不存在。请补报缺少的机构表（branches），或更正该列。
  10. 持有表（holdings，产品持有.csv）“账面余额”列（balance）：1行（首见行：4）：\
逗号不是千位分隔符（当作小数点？）。\
小数请用点号；逗号只用于千位分隔，或不用。
  11. 持有表（holdings，产品持有.csv）“账面余额”列（balance）：1行（首见行：5）：\
数字带有单位（万、亿）。\
单元格请只写数字，单位写在映射文件中，如unit = "万元"。
  12. 持有表（holdings，产品持有.csv）“客户编号”列（customer_id）：1行（首见行：5）：\
在同一统计时点的“客户编号”（customers.customer_id）中不存在。请补报缺少的客户表（customers），或更正该列。
"""


def write_mapping(folder: Path) -> Path:
    """Write which of the bank's headers is which column."""
    lines = [
        line
        for name, header in HEADERS.items()
        for line in (
            f"[tables.{name}.columns]",
            *(f'"{h}" = "{c}"' for h, c in zip(header.split(","), COLUMNS[name], strict=True)),
        )
    ]
    path = folder / "mapping.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_faulty_bank_is_told_of_its_own_headers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`check` says in Chinese where, how often, what is wrong and what to do; no cell is quoted."""
    for name, header in HEADERS.items():
        (tmp_path / f"{name}.csv").write_text(f"{header}\n{ROWS[name]}", encoding="utf-8")
    (tmp_path / "holdings.csv").rename(tmp_path / "产品持有.csv")
    write_mapping(tmp_path)
    assert run("check", tmp_path) == 2
    said = capsys.readouterr().err
    assert said == f"stockcust: '{tmp_path}'{SAID}"
    assert run("check", tmp_path, "--language", "en") == 2
    said = capsys.readouterr().err
    assert "  2. branches.type ('网点类型'): 1 row (first: 3): unknown type. Map the bank's" in said
    assert run("evaluate", tmp_path, "--quarter", "2026Q3") == 2
    assert capsys.readouterr().err == f"stockcust: '{tmp_path}'{SAID}"


SAID_OF_FRAMES = """\
pandas frames的2张表有5个问题：
  1. 客户表（customers）“末次动账日”列（last_active_on）：该列的值是文本，应为日期。\
请转为日期：在传入的表（DataFrame）中，或在源系统及其视图中。
  2. 机构表（branches）“网点名”列（name）：1行：单元格为空。请补齐。
  3. 客户表（customers）“AUM余额”列（aum_period_end）：1行：小于0。\
透支计为0，贷款记入“贷款余额”（loan_balance）；资产不为负数。
  4. 客户表（customers）“客户类别”列（customer_type）：1行：未知的客户类型代码。\
请在映射文件的codes中写明行内代码的含义。允许的代码：personal、sole_trader、corporate。\
是否应为“personal”？
  5. 客户表（customers）“管户网点”列（branch_id）：1行：\
在“网点号”（branches.branch_id）中不存在。请补报缺少的机构表（branches），或更正该列。"""


def test_frames_are_told_of_their_own_headers(tmp_path: Path) -> None:
    """A frame's rows have no numbers, and its columns the names that the bank gave them."""
    frames = {
        "branches": pd.DataFrame(
            {
                "网点号": ["001", "002"],
                "网点名": ["城关", None],
                "片区": ["东", "西"],
                "网点类型": ["urban", "urban"],
            }
        ),
        "customers": pd.DataFrame(
            {
                "数据日期": pd.to_datetime(["2026-09-30", "2026-09-30"]),
                "客户编号": ["C1", "C2"],
                "管户网点": ["001", "003"],
                "客户类别": ["personal", "person"],
                "末次动账日": ["2026-09-01", "2026-09-01"],
                "开户日": pd.to_datetime(["2020-09-01", "2020-09-01"]),
                "AUM余额": [1.0, -1.0],
                "AUM季日均": [1.0, 1.0],
            }
        ),
        "holdings": pd.DataFrame(
            {
                "数据日期": pd.to_datetime(["2026-09-30"]),
                "账户编号": ["A1"],
                "客户编号": ["C1"],
                "产品名称": ["fund"],
                "账面余额": [1.0],
            }
        ),
    }
    with pytest.raises(BankDataError) as caught:
        open_bank(frames, mapping=write_mapping(tmp_path))
    said = str(caught.value.args[0].text("zh"))
    assert said == SAID_OF_FRAMES
    assert "customers.customer_type ('客户类别'): 1 row: unknown customer_type." in str(
        caught.value
    )


SAID_OF_EAST = """\
的3张表有3个问题：
  1. 机构信息表（JGXXB，101）：没有机构信息表的文件。请补报。
  2. 个人基础信息表（GRJCXXB，201）“内部机构号”列（NBJGH）：1行：为空。请补齐，没有金额的填0。
  3. 个人存款分户账（GRCKFHZ，403）“开户日期”列（KHRQ）：1行：不是该列应有的内容。\
字段次序是否不同？请写明：[layout.orders] GRCKFHZ = [...]。"""


def test_east_is_told_of_its_own_titles(tmp_path: Path) -> None:
    """Tables of EAST 5.0 have the titles, codes and numbers that the standard gives them."""
    write(tmp_path, "GRCKFHZ", DAY, [ACCOUNT | {"KHRQ": "一月"}])
    write(tmp_path, "GRJCXXB", DAY, [PERSON | {"NBJGH": ""}])
    with pytest.raises(BankDataError) as caught:
        open_bank(tmp_path, layout="east5")
    assert str(caught.value.args[0].text("zh")) == f"“{tmp_path}”（布局east5）{SAID_OF_EAST}"
    assert "GRCKFHZ (403).KHRQ: 1 row: not what this column holds" in str(caught.value)


FAULTS: Mapping[str, dict[str, str | bytes]] = {
    "a column less": {"customers": CUSTOMERS.replace("customer_type", "memo", 1)},
    "a header twice": {"customers": CUSTOMERS.replace("customer_type", "客户号", 1)},
    "no header": {"branches": BRANCHES.partition("\n")[2]},
    "an empty file": {"holdings": ""},
    "no rows": {"holdings": HOLDINGS.partition("\n")[0] + "\n"},
    "two encodings": {"branches": BRANCHES.encode() + "003,北门支行,东区,urban\n".encode("gbk")},
    "characters lost": {"branches": BRANCHES.replace("城关支行", "锟斤拷")},
    "question marks": {"branches": BRANCHES.replace("城关支行", "????")},
    "a control character": {"branches": BRANCHES.replace("城关支行", "城\x07关")},
    "a cell more": {"holdings": HOLDINGS + "2026-09-30,A9,C1,loan,1.00,2.00\n"},
    "a total": {"holdings": HOLDINGS + "合计,,,,1.00\n"},
    "an open quotation mark": {"holdings": HOLDINGS.replace("A4", '"A4')},
    "JSON": {"holdings": '[{"as_of": 1}]'},
    "an archive": {"holdings": b"PK\3\4"},
    "a number shortened": {"holdings": HOLDINGS.replace("A4", "6.22E+18")},
    "an Excel date": {"holdings": HOLDINGS.replace("2026-09-30", "46295")},
    "a moment": {"holdings": HOLDINGS.replace("2026-09-30", "2026-09-30 10:00")},
    "a year of two digits": {"holdings": HOLDINGS.replace("2026-09-30", "26-09-30")},
    "a year far away": {"holdings": HOLDINGS.replace("2026-09-30", "1026-09-30")},
    "a sign behind": {"holdings": HOLDINGS.replace("5000.00", "5000.00-")},
    "an unknown code": {"holdings": HOLDINGS.replace("loan", "loans")},
    "a masked name": {"branches": BRANCHES.replace("城关支行", "城**")},
    "zeros lost": {"branches": BRANCHES.replace("001,", "1,").replace("002,", "2,")},
    "a row twice": {"holdings": HOLDINGS + HOLDINGS.splitlines()[-1] + "\n"},
    "a file twice": {"holdings_2026Q3": HOLDINGS},
    "a unit in a header": {"holdings": HOLDINGS.replace("balance", "余额（万元）", 1)},
    "a file called alike": {"holding": HOLDINGS},
    "a successor who is not there": {
        "branch_successors": "old_branch_id,new_branch_id,effective_on\n001,009,2026-09-01\n"
    },
}


@pytest.mark.parametrize(
    "faults", together(FAULTS, lambda fault: fault.startswith("a successor")), ids=", ".join
)
def test_no_fault_is_told_in_english(
    faults: list[str], tiny_bank: TinyBank, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a bank with one fault of each kind nothing but names is said in English."""
    folder = tiny_bank(**{t: text for fault in faults for t, text in FAULTS[fault].items()})
    mapping = '[tables.holdings.columns]\n"余额（万元）" = "balance"\n'
    is_mapped = any("unit" in fault for fault in faults)
    (folder / "mapping.toml").write_text(mapping if is_mapped else "", encoding="utf-8")
    assert run("check", folder) == 2
    told = capsys.readouterr()
    assert "问题：\n  1. " in told.err
    assert len(re.findall(r"^  \d+\. ", told.err, re.M)) >= len(faults)
    assert not ENGLISH.search(told.err.replace(str(folder), ""))


def test_a_table_less_is_told_in_chinese(
    tiny_bank: TinyBank, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table is named, and the file that is looked for."""
    folder = tiny_bank()
    (folder / "holdings.csv").unlink()
    assert run("check", folder) == 2
    assert capsys.readouterr().err == (
        f"stockcust: '{folder}'的1张表有1个问题：\n  1. 持有表（holdings）：没有这张表的文件。"
        "请提供holdings.csv、.parquet或.xlsx，或在映射文件中写明文件名：stockcust map可代拟。\n"
    )


def test_what_is_doubtful_is_told_in_chinese(
    tiny_bank: TinyBank, capsys: pytest.CaptureFixture[str]
) -> None:
    """Warnings of a bank that meets the contract are in Chinese, too."""
    header, *rows = HOLDINGS.splitlines()
    folder = tiny_bank(
        holdings="\n".join([f"{header},币种,", *(f"{row},CNY,x" for row in rows), ""]),
        customers=CUSTOMERS.replace("2026-06-30", "2016-06-30"),
    )
    with pytest.warns(UserWarning) as caught:
        assert run("check", folder) == 2
    told = [entry.message.args[0].text("zh") for entry in caught]
    assert told == [
        "holdings.csv：7行有单元格没有表头，不读。如果应计入，请给该列写上表头。",
        "持有表（holdings）：列“币种”不读，所有金额一律视为人民币：请折算其他币种，或删去这些行。",
    ]
    assert not ENGLISH.search(capsys.readouterr().err.replace(str(folder), ""))


def test_faults_of_the_mapping_and_of_work_lists_are_told_in_chinese(
    tiny_bank: TinyBank, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be followed in the mapping is listed, too, and so are files that are no lists."""
    folder = tiny_bank()
    mapping = folder / "mapping.toml"
    mapping.write_text(
        '[tables.customers]\nunit = "角"\n[tables.holding]\n'
        '[tables.holdings.columns]\n"余额" = "balanse"\n[tolerance.holdings]\nproduct = 1\n',
        encoding="utf-8",
    )
    assert run("report", folder, "--quarter", "2026Q3") == 2
    assert capsys.readouterr().err == (
        f"stockcust: 映射文件“{mapping}”有误：\n"
        "  1. 未知的表“holding”。是否应为“holdings”？\n"
        "  2. [tables.customers] unit应为元、千元、万元、百万元、亿元之一。\n"
        "  3. [tables.holdings] 未知的列“balanse”。是否应为“balance”？\n"
        "  4. [tolerance.holdings] “product”不引用任何表。"
        "可写的列：customer_id、booking_branch_id。\n"
    )
    filled = tmp_path / "名单.xlsx"
    filled.write_text("no workbook", encoding="utf-8")
    assert run("contacts", "import", filled, "--out", tmp_path / "out.csv") == 2
    assert capsys.readouterr().err == (
        "stockcust: 名单回填的1张表有1个问题：\n"
        "  1. 联络表（contacts）：名单.xlsx不能作为Excel工作簿读取。"
        "请用Excel打开并另存为.xlsx；文本和网页常被命名为.xls。\n"
    )
