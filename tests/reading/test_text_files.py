"""Text files as warehouses write them: read as the clean bank, or refused with the reason."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest

from stockcust_analysis.bank.file_names import day_in_name
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.errors import BankDataError, UsageError
from tests.test_cli import run
from tests.tiny_bank import BRANCHES, CUSTOMERS, HOLDINGS, TinyBank, together, write_tiny_bank

HEAD, *ROWS = BRANCHES.splitlines()
IN_TAIWAN = BRANCHES.translate(str.maketrans("关树东区", "關樹東區"))
CONTACTS = "customer_id,manager_id,contacted_on,channel,outcome\n"
MOVES = "customer_id,from_branch_id,to_branch_id,effective_on\n"
MANAGERS = "manager_id,branch_id,role\nM1,001,counter\n"
CONTACT = CONTACTS + "C1,M1,2026-09-01,phone,sale\n"
SUCCESSORS = "old_branch_id,new_branch_id,effective_on\n001,002,2026-10-01\n"
NAMES = 'header = ["branch_id", "name", "region", "type"]\n'


def lines(*rows: str) -> str:
    """Return rows as the text of a file."""
    return "\n".join(rows) + "\n"


def customers_of(day: str) -> str:
    """Return the customers of one as-of date, without its column."""
    head, *rows = (line.partition(",") for line in CUSTOMERS.splitlines())
    return lines(head[2], *(rest for start, _, rest in rows if start == day))


FILE = "branches.csv"
# Forms of one table, in which a file alone may be delivered, or one among others.
FORMS: dict[str, str | bytes] = {
    "carriage returns twice": BRANCHES.replace("\n", "\r\r\n"),
    "no line end at the end": BRANCHES.rstrip(),
    "blank lines between": BRANCHES.replace("\n", "\n\n"),
    "a comment above": f"# made by the warehouse\n{BRANCHES}",
    "two bars between cells": BRANCHES.replace(",", "||"),
    "bars around cells": lines(*(f"|{r.replace(',', '|')}|" for r in BRANCHES.splitlines())),
    "a mark of byte order within": BRANCHES.replace("001", "\ufeff001"),
    "a mark of direction within": BRANCHES.replace("城关支行", "城关\u202e支行"),
    "what ends files of DOS": BRANCHES + "\x1a",
    "what ends files of DOS, in GBK": (BRANCHES + "\x1a").encode("gbk"),
    "GBK": BRANCHES.encode("gbk"),
    "a column nobody needs": lines(*(f"{row},x" for row in BRANCHES.splitlines())),
}
READ: dict[str, tuple[Mapping[str, str | bytes], str]] = {
    "a true name that ends as totals do": (
        {"branches.csv": BRANCHES.replace("城关支行", "城关总计")},
        '[tables.branches.codes.name]\n"城关总计" = "城关支行"\n',
    ),
    "a unit of 元 above": ({"customers.csv": f"单位：元\n{CUSTOMERS}"}, ""),
    "a lock file of Excel": ({"~$branches.xlsx": "x"}, ""),
    "other separators": (
        {"branches.csv": BRANCHES.replace(",", "#"), "customers.csv": CUSTOMERS.replace(",", "~")},
        "",
    ),
    "carets": ({"branches.csv": BRANCHES.replace(",", "^")}, ""),
    "files with Chinese names": (
        {
            **{"branches.csv": b"", "customers.csv": b"", "holdings.csv": b""},
            **{"网点.csv": BRANCHES, "客户_2026Q3.CSV": CUSTOMERS, "产品持有.csv": HOLDINGS},
            **{"客户经理.csv": MANAGERS, "营销联系.csv": CONTACT, "机构沿革.csv": SUCCESSORS},
        },
        "",
    ),
    "line feeds and carriage returns": ({"branches.csv": BRANCHES.replace("\n", "\r\n", 1)}, ""),
    "carriage returns alone": ({"branches.csv": BRANCHES.replace("\n", "\r")}, ""),
    "a line break in a header": (
        {"branches.csv": lines(f'{HEAD},"备\n注"', *(f"{row},x" for row in ROWS))},
        "",
    ),
    "headers in other letters": (
        {"branches.csv": lines("\ufeff BRANCH_ID , Name,REGION ,ｔｙｐｅ", *ROWS)},
        "",
    ),
    "headers nobody needs, twice": (
        {"branches.csv": lines(f"{HEAD},备注,备注,Note,note,,", *(f"{r},,,,,," for r in ROWS))},
        "",
    ),
    "separators behind every line": (
        {"branches.csv": lines(f"{HEAD},", *(f"{row}," for row in ROWS))},
        "",
    ),
    "separators behind the rows": (
        {"branches.csv": lines(HEAD, *(f"{row}," for row in ROWS))},
        "",
    ),
    "a separator behind the header": ({"branches.csv": lines(f"{HEAD},", *ROWS)}, ""),
    "a header in two languages": (
        {"branches.csv": lines(HEAD, "机构号,机构名称,区域,机构类型", *ROWS)},
        "",
    ),
    "a title": ({"branches.csv": f"机构清单\n\n{BRANCHES}"}, ""),
    "a title in GBK": ({"branches.csv": f"机构清单,,,\n{BRANCHES}".encode("gbk")}, ""),
    "the separator above": ({"branches.csv": f"sep=;\n{BRANCHES.replace(',', ';')}"}, ""),
    "the header again": ({"branches.csv": f"{BRANCHES}\ufeff{HEAD}\n"}, ""),
    "blank rows": ({"branches.csv": f"{BRANCHES},,,\n\n"}, ""),
    "three characters between cells": ({"branches.csv": BRANCHES.replace(",", "|@|")}, ""),
    "text of Hive": ({"branches.csv": BRANCHES.replace(",", "\x01")}, ""),
    "Excel's Unicode text": (
        {"branches.csv": BRANCHES.replace(",", "\t").encode("utf-16")},
        "",
    ),
    "capital endings": (
        {"branches.csv": b"", "Branches.TXT.GZ": gzip.compress(BRANCHES.encode())},
        "",
    ),
    "a folder": ({"branches.csv": b"", "Branches/part.CSV": BRANCHES}, ""),
    "a folder of Spark": (
        {
            "branches.csv": b"",
            "branches_1.csv/part-0.csv": BRANCHES,
            "branches_1.csv/_SUCCESS": "0",
        },
        "",
    ),
    "files that hold no rows": ({"customer_moves_1.csv": MOVES, "customer_moves_2.csv": MOVES}, ""),
    "a total that the mapping drops": (
        {"branches.csv": f"{BRANCHES}合计,2,,\n"},
        '[tables.branches]\ndrop_rows_where = { branch_id = ["合计"] }\n',
    ),
    "a short total that the mapping drops": (
        {"branches.csv": f"{BRANCHES}合计,2\n"},
        '[tables.branches]\ndrop_rows_where = { branch_id = ["合计"] }\n',
    ),
    "DB2 DEL": (
        {
            "branches.csv": b"",
            "机构[1].del": lines(
                '"001","城关支行","东区","urban"', '"002","柳树支行","西区","township"'
            ).encode("gbk"),
        },
        f'[tables.branches]\nkind = "db2"\nfile = "机构[1].del"\n{NAMES}',
    ),
    "a file of Hive without an ending": (
        {"branches.csv": b"", "000000_0": lines(*ROWS).replace(",", "\x01")},
        f'[tables.branches]\nkind = "hive"\nfile = "000000_?"\n{NAMES}',
    ),
    "no header": (
        {"branches.csv": lines("总行", *ROWS)},
        f"[tables.branches]\nskip_rows = 1\n{NAMES}",
    ),
    "a separator and an encoding that are stated": (
        {"branches.csv": IN_TAIWAN.replace(",", "^").encode("big5hkscs")},
        '[tables.branches]\ndelimiter = "^"\nencoding = "big5hkscs"\n',
    ),
    "constants": (
        {
            "branches.csv": lines(
                "branch_id,name,type", "001,城关支行,urban", "002,柳树支行,township"
            )
        },
        '[tables.branches]\nconstants = { region = "东区" }\n',
    ),
    "a null mark that the mapping translates": (
        {"branches.csv": BRANCHES.replace("urban", r"\N")},
        "[tables.branches.codes.type]\n'\\N' = \"urban\"\n",
    ),
    "as-of dates in names of folders": (
        {
            "customers.csv": b"",
            "customers/as_of=2026-06-30/part-0.csv": customers_of("2026-06-30"),
            "customers/as_of=2026-09-30/part-0.csv": customers_of("2026-09-30"),
        },
        '[tables.customers]\nfile = "customers/*/*.csv"\nas_of = "file name"\n',
    ),
    "as-of dates in names": (
        {
            "customers.csv": b"",
            "customers_20260630.csv": customers_of("2026-06-30"),
            "customers_2026Q3.csv": customers_of("2026-09-30"),
        },
        '[tables.customers]\nas_of = "file name"\n',
    ),
}
REFUSED: dict[str, tuple[Mapping[str, str | bytes], str, str]] = {
    "GBK, then UTF-8": (
        {"branches.csv": BRANCHES.encode("gbk") + "103,石桥支行,丙区,county\n".encode()},
        "",
        "branches: 1 row (first: 4): branches.csv is mostly GB18030, but these rows are UTF-8",
    ),
    "a character cut": (
        {"branches.csv": BRANCHES.encode().replace("柳树支行".encode(), "柳树支行".encode()[:-2])},
        "",
        "branches: 1 row (first: 3): branches.csv is mostly UTF-8, but these rows are",
    ),
    "a total": (
        {"branches.csv": f"{BRANCHES}合计,2,,\n"},
        "",
        "branches: 1 row (first: 4): total lines (合计) in branches.csv",
    ),
    "cells behind the header's last": (
        {"branches.csv": lines(HEAD, f"{ROWS[0]},", f"{ROWS[1]},x")},
        "",
        "branches: 1 row (first: 3): cells behind the header's last in branches.csv",
    ),
    "a packed file": (
        {"branches.csv": gzip.compress(BRANCHES.encode())},
        "",
        "branches: branches.csv is no text, but packed or made by another program. Unpack it",
    ),
    "GBK where the mapping states another": (
        {"branches.csv": BRANCHES.encode("gbk")},
        '[tables.branches]\nencoding = "big5"\n',
        "branches: branches.csv is GB18030/GBK, and the mapping states BIG5. Take encoding out of",
    ),
    "a unit in the title": (
        {"customers.csv": f"客户表,单位:万元\n{CUSTOMERS}"},
        "",
        "a line above the header of customers.csv states amounts in 万元",
    ),
    "no header": (
        {"branches.csv": lines(*ROWS)},
        "",
        "branches: none of the headers is understood",
    ),
    "a column without one day": (
        {"customers.csv": CUSTOMERS.replace("2026-06-30", "x").replace("2026-09-30", "x")},
        "",
        "1 problem in 1 table of",
    ),
    "no header, as the one problem": (
        {"customers.csv": lines(*CUSTOMERS.splitlines()[1:])},
        "",
        "1 problem in 1 table of",
    ),
    "no header in one of several files": (
        {"customers.csv": b"", "客户_1.csv": CUSTOMERS, "客户_2.csv": lines("1,2", "3,4")},
        "",
        "customers: none of the headers is understood, or the first line is none in 客户_2.csv. "
        "Write them there, or say them in the mapping: header = ",
    ),
    "rows above the header": (
        {"branches.csv": f"{ROWS[0]}\n{BRANCHES}"},
        "",
        "branches: 1 row (first: 1): branches.csv: rows stand above the header",
    ),
    "a column twice": (
        {"branches.csv": lines(f"{HEAD},BRANCH_ID", *(f"{row},9" for row in ROWS))},
        "",
        "headers 'branch_id' and 'BRANCH_ID ' both mean this column",
    ),
    "an ending that is not read": (
        {"targets.json": "{}"},
        "",
        "targets: 'targets.json' looks like this table's, and is not read",
    ),
    "a name with a slip": (
        {"target.csv": "x"},
        "",
        "targets: 'target.csv' looks like this table's, and is not read",
    ),
    "a name with a blank": (
        {"targets 2026.csv": "x"},
        "",
        "targets: 'targets 2026.csv' looks like this table's, and is not read",
    ),
    "a name with the quarter in front": (
        {"2026Q3_targets.csv": "x"},
        "",
        "targets: '2026Q3_targets.csv' may hold this table, and is not read",
    ),
    "a Chinese name": (
        {"交易明细202609.csv": "x"},
        "",
        "transactions: '交易明细202609.csv' may hold this table, and is not read",
    ),
    "a table in the quarter's folder": (
        {"2026Q3/targets.csv": "x"},
        "",
        "targets: '2026Q3/targets.csv' may hold this table, and is not read",
    ),
    "a header that begins as a column's": (
        {"branches.csv": lines(f"{HEAD},开业日期(新)", *(f"{row}," for row in ROWS))},
        "",
        "branches.opened_on: optional column is absent, but a header looks like it",
    ),
    "another currency in the title": (
        {"customers.csv": f"客户表,币种:美元\n{CUSTOMERS}"},
        "",
        "a line above the header of customers.csv states amounts in 美元",
    ),
    "a unit in a header that the mapping names": (
        {"customers.csv": CUSTOMERS.replace("aum_period_end", "时点AUM（万元）")},
        '[tables.customers.columns]\n"时点AUM（万元）" = "aum_period_end"\n',
        "customers.aum_period_end ('时点AUM（万元）'): its header states amounts in 万元, "
        'and the mapping in 元. Write unit = "万元" in the mapping',
    ),
    "a unit in a header, in short": (
        {"customers.csv": CUSTOMERS.replace("aum_period_end", "时点AUM（万）")},
        '[tables.customers.columns]\n"时点AUM（万）" = "aum_period_end"\n',
        "customers.aum_period_end ('时点AUM（万）'): its header states amounts in 万元",
    ),
    "a count of rows below": (
        {"branches.csv": BRANCHES + "(2 rows)\n"},
        "",
        "branches.csv has more or fewer cells than the header's 4. No separator is there: remarks",
    ),
    "columns of two units": (
        {"customers.csv": CUSTOMERS.replace("aum_period_end", "时点AUM（元）")},
        '[tables.customers]\nunit = "万元"\n[tables.customers.columns]\n'
        '"时点AUM（元）" = "aum_period_end"\n',
        "customers.aum_period_end ('时点AUM（元）'): its header states amounts in 元",
    ),
    **{
        f"{title} above, where the mapping states {unit}": (
            {"customers.csv": f"{title}\n{CUSTOMERS}"},
            f'[tables.customers]\nunit = "{unit}"\n',
            f"a line above the header of customers.csv states amounts in {said}",
        )
        for unit, title, said in (
            (
                "万元",
                ",,,,,,AUM（万元）,贷款（元）",
                "万元, 元. Deliver all amounts of a table in one unit.",
            ),
            (
                "元",
                ",,,,,,AUM（万元）,贷款（元）",
                "万元, 元. Deliver all amounts of a table in one unit.",
            ),
            (
                "元",
                ",,,,,,AUM/元,贷款/千元",
                "元, 千元. Deliver all amounts of a table in one unit.",
            ),
            ("万元", "单位：元", '元. Write unit = "元" in the mapping'),
            ("万元", "单位：千元", '千元. Write unit = "千元" in the mapping'),
            ("万元", "客户表,币种:美元", "美元. Deliver them in CNY"),
            ("万元", "Unit: USD million", "百万元, USD. Deliver all amounts"),
            ("元", "Unit: CNY 10 000", '万元. Write unit = "万元" in the mapping'),
        )
    },
    "question marks where characters were": (
        {"branches.csv": BRANCHES.replace("城关支行", "????")},
        "",
        "branches.name: 1 row (first: 2): question marks or letters such as Ã",
    ),
    "GBK read as Latin-1": (
        {"branches.csv": BRANCHES.replace("城关支行", "³Ç¹ØÖ§ÐÐ")},
        "",
        "branches.name: 1 row (first: 2): question marks or letters such as Ã",
    ),
    "folders within": (
        {"customers/dt=2026/part.csv": CUSTOMERS},
        "",
        "customers: 'customers/dt=2026/part.csv' (such files: 1) looks like this table's, and",
    ),
    "a file delivered twice": (
        {"managers.csv": MANAGERS, "contacts_1.csv": CONTACT, "contacts_2.csv": CONTACT},
        "",
        "contacts: contacts_2.csv is the same file as contacts_1.csv, delivered twice",
    ),
    "one of two called alike": (
        {
            "managers.csv": MANAGERS,
            "contacts/dt=20260930/part-0.csv": CONTACT,
            "contacts/dt=20261031/part-0.csv": CONTACT,
        },
        '[tables.contacts]\nfile = "contacts/*/*.csv"\n',
        "contacts: dt=20261031/part-0.csv is the same file as dt=20260930/part-0.csv, delivered",
    ),
    "rows of files called alike": (
        {
            "managers.csv": MANAGERS,
            "contacts/dt=20260930/part-0.csv": CONTACT,
            "contacts/dt=20261031/part-0.csv": CONTACT.replace("C1", "C9"),
        },
        '[tables.contacts]\nfile = "contacts/*/*.csv"\n',
        "contacts.customer_id: 1 row (first: dt=20261031/part-0.csv:2)",
    ),
    "an empty file of two called alike": (
        {
            "managers.csv": MANAGERS,
            "contacts/dt=20260930/part-0.csv": CONTACT,
            "contacts/dt=20261031/part-0.csv": " ",
        },
        '[tables.contacts]\nfile = "contacts/*/*.csv"\n',
        "contacts: dt=20261031/part-0.csv is empty",
    ),
    "a file that the mapping names": (
        {},
        '[tables.targets]\nfile = "计划*.csv"\n',
        "targets: the mapping names the file '计划*.csv', and there is none",
    ),
    "a file that bears the table's name, where the mapping names another": (
        {"名单.csv": CUSTOMERS},
        '[tables.customers]\nfile = "名单.csv"\n',
        "'customers.csv' looks like this table's, and is not read: the mapping names another",
    ),
    "one of another kind": (
        {"名单.csv": CUSTOMERS, "customers.csv": b"", "customers_2.json": "{}"},
        '[tables.customers]\nfile = "名单.csv"\n',
        "'customers_2.json' looks like this table's, and is not read: the mapping names another",
    ),
    "one with the quarter in front": (
        {"2026Q2_branches.csv": "x"},
        "",
        "branches: '2026Q2_branches.csv' may hold this table, and is not read. Name it branches",
    ),
    "a header that the mapping drops by": (
        {},
        '[tables.branches]\ndrop_rows_where = { "机构" = ["合计"] }\n',
        "branches: drop_rows_where names the header '机构', which is not there",
    ),
    "no day in the name": (
        {},
        '[tables.customers]\nas_of = "file name"\n',
        "customers: the name of customers.csv holds no day, or several",
    ),
    "a constant beside its column": (
        {},
        '[tables.branches]\nconstants = { region = "东区" }\n',
        "branches: branches.csv has region, which the mapping states, too. Take it out of",
    ),
    "a day in the name beside its column": (
        {"customers.csv": b"", "customers_20260930.csv": CUSTOMERS},
        '[tables.customers]\nas_of = "file name"\n',
        "customers: customers_20260930.csv has as_of, which the mapping states, too. Take it out",
    ),
    "a folder for each day": (
        {
            "customers.csv": b"",
            "customers/as_of=2026-06-30/part-0.csv": customers_of("2026-06-30"),
            "customers/as_of=2026-09-30/part-0.csv": customers_of("2026-09-30"),
        },
        "",
        "is not read: its name is another, or it lies in a folder too deep, by as_of. Name all of "
        'them in the mapping: file = "customers/*/*.csv", and as_of = "file name" if the folder',
    ),
    "folders of folders, a file of each": (
        {
            "customers.csv": b"",
            "customers/dt=20260630/city=A/part-0.csv": customers_of("2026-06-30"),
            "customers/dt=20260930/city=B/part-0.csv": customers_of("2026-09-30"),
        },
        "",
        "'customers/dt=20260630/city=A/part-0.csv' (such files: 2) looks like this table's, and is "
        "not read: its name is another, or it lies in a folder too deep, by dt, city. Name all of "
        'them in the mapping: file = "customers/*/*/*.csv", and as_of = "file name" if the folder',
    ),
    "a folder whose files the mapping leaves out": (
        {
            "customers.csv": b"",
            "customers/dt=20260630/part-0.csv": customers_of("2026-06-30"),
            "customers/dt=20260930/part-0.csv": customers_of("2026-09-30"),
        },
        '[tables.customers]\nfile = "customers/dt=20260930/*.csv"\n',
        "is not read: the mapping names another, by dt. Name all of them in the mapping: file = "
        '"customers/*/*.csv", and as_of',
    ),
    "a damaged file": (
        {"branches.csv": b"", "branches.csv.gz": gzip.compress(BRANCHES.encode())[:-20]},
        "",
        "branches: branches.csv.gz cannot be read: it is damaged, or not what its name says",
    ),
    "a required header that the mapping names": (
        {"branches.csv": BRANCHES.replace("branch_id", "office")},
        '[tables.branches.columns]\n"网点号" = "branch_id"\n',
        "branches.branch_id: column is missing. The mapping reads it from '网点号': correct "
        "the mapping, or add that header.",
    ),
    "a unit that hides no header": (
        {
            "customers.csv": "客户 单位：万元\n"
            + CUSTOMERS.replace("\n", ",x\n").replace(",x\n", ",开户日期\n", 1)
        },
        '[tables.customers.columns]\n"开户日期" = "relationship_since"\n',
        "1 problem in 1 table of",
    ),
    "a broken link": ({"targets.csv": "link"}, "", "the link leads nowhere"),
}


def deliver(folder: Path, files: Mapping[str, str | bytes], mapping: str) -> Path:
    """Write files into the tiny bank's folder; those without a byte are not delivered."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if content == "link":
            path.unlink()
            path.symlink_to(folder / "nowhere.csv")
        elif not content:
            path.unlink()
    if mapping:
        (folder / "mapping.toml").write_text(mapping, encoding="utf-8")
    return folder


ALONE = [(files, mapping) for files, mapping in READ.values() if mapping or {*files} != {FILE}]
FORMS |= {name: files[FILE] for name, (files, mapping) in READ.items()
          if not mapping and {*files} == {FILE}}  # fmt: skip


def test_files_of_any_form_are_one_table(tiny_bank: TinyBank) -> None:
    """Each has the names and types of the clean bank's branches, under numbers of its own."""
    folder = tiny_bank(branches=BRANCHES)
    for place, content in enumerate(FORMS.values(), start=1):
        raw = content.encode() if isinstance(content, str) else content
        encoding = "utf-16-le" if raw.startswith(b"\xff\xfe") else "ascii"
        for number in ("1", "2"):
            own = f"{place:02}{number}".encode(encoding)
            raw = raw.replace(f"00{number}".encode(encoding), own)
        (folder / f"branches_{place}.csv").write_bytes(raw)
    with open_bank(folder) as bank:
        rows = bank.table("branches").project("branch_id, name, type").fetchall()
    found = {number: told for number, *told in rows}
    for place, form in enumerate(["clean", *FORMS]):
        told = [found.pop(f"{place:02}{number}") for number in ("1", "2")]
        assert told == [["城关支行", "urban"], ["柳树支行", "township"]], form
    assert not found


@pytest.mark.parametrize(("files", "mapping"), ALONE)
def test_a_file_is_read_as_the_clean_bank(
    tiny_bank: TinyBank, files: Mapping[str, str | bytes], mapping: str
) -> None:
    """Names, rows and amounts are those of the clean bank."""
    with open_bank(deliver(tiny_bank(branches=BRANCHES), files, mapping)) as bank:
        branches = bank.table("branches").order("branch_id").df()
        customers, holdings = bank.table("customers").df(), bank.table("holdings").df()
    assert branches["branch_id"].tolist() == ["001", "002"]
    assert branches["type"].tolist() == ["urban", "township"]
    if "big5" not in mapping:
        assert branches["name"].tolist() == ["城关支行", "柳树支行"]
    assert sorted({str(day)[:10] for day in customers["as_of"]}) == ["2026-06-30", "2026-09-30"]
    assert customers["aum_period_end"].sum() == 142_701.25
    assert holdings["balance"].sum() == 147_701.25


@pytest.mark.parametrize(
    "cases",
    together(
        {case: files for case, (files, *_) in REFUSED.items()},
        lambda case: bool(REFUSED[case][1]) or REFUSED[case][2].startswith("1 problem"),
    ),
    ids=", ".join,
)
def test_a_file_is_refused_with_its_reason(tiny_bank: TinyBank, cases: list[str]) -> None:
    """The one error names file and rows, no engine's exception and no customer."""
    folder = tiny_bank()
    for files, mapping, _ in (REFUSED[case] for case in cases):
        deliver(folder, files, mapping)
    with pytest.raises(BankDataError) as caught:
        open_bank(folder)
    message = str(caught.value)
    assert [case for case in cases if REFUSED[case][2] not in message] == []
    for word in ("Exception", "Error", "C1", "C2", "1200", "70000"):
        assert word not in message


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (("customers_2026Q3.csv", "customers_2026Q2.csv", "customers.txt"), "customers_2026Q3.csv"),
        (("2026Q3_customers.csv", "2026Q2_customers.csv"), "2026Q3_customers.csv"),
        (("客户_明细.csv", "客户_汇总.csv"), "客户_明细.csv"),
    ],
)
def test_a_mapping_picks_one_of_several_files(
    tiny_bank: TinyBank, names: Sequence[str], pattern: str
) -> None:
    """Of files that are called as the table it names one, and a warning names the others."""
    files = {"customers.csv": b"", **dict.fromkeys(names, CUSTOMERS)}
    folder = deliver(tiny_bank(), files, f'[tables.customers]\nfile = "{pattern}"\n')
    others = ", ".join(sorted({*names} - {pattern}))
    said = f"customers: the mapping names '{pattern}', and left out: {others}."
    with pytest.warns(UserWarning) as caught, open_bank(folder) as bank:
        assert bank.rows("customers") == 7
        assert [name for name in bank.left_out if name in names] == others.split(", ")
    assert [str(warning.message) for warning in caught] == [said]


def test_a_table_that_a_mapping_describes_and_nobody_delivers_is_named(tiny_bank: TinyBank) -> None:
    """A section with columns alone says that the bank has the table: it is missed, with how."""
    mapping = '[tables.contacts.columns]\n"工号" = "manager_id"\n'
    folder = deliver(tiny_bank(), {"联络记录明细.csv.bak": CONTACTS}, mapping)
    said = r"describes contacts, but no file or table has that name.* Name its file or table in"
    with pytest.warns(UserWarning, match=said), open_bank(folder) as bank:
        assert "contacts" not in bank.columns
        frames = {name: bank.table(name).df() for name in bank.columns}
    with pytest.warns(UserWarning, match=said):
        open_bank(frames, mapping=folder / "mapping.toml").close()


def test_characters_of_the_newer_standard_are_read(tiny_bank: TinyBank) -> None:
    """Bytes that GB18030 of 2005 and 2022 give a place are no private characters."""
    raw = BRANCHES.encode("gb18030").replace("城".encode("gbk"), b"\xfe\x59\xa8\xbc\xfe\x51")
    with open_bank(tiny_bank(branches=raw)) as bank:
        assert "\u9fb4\u1e3f\U00020087关支行" in bank.table("branches").df()["name"].tolist()


def test_check_says_what_each_file_was_taken_as(
    tiny_bank: TinyBank, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command lists rows, encoding, separator and what was left out."""
    files = {
        "branches.csv": f"清单\n{BRANCHES}{HEAD}\n".encode("gbk"),
        "customers.csv": CUSTOMERS.replace("\n", ",\n").replace(",\n", ",备注\n", 1),
        "notes.csv": "a,b\n",
        "customers.ok": "7",
    }
    folder = deliver(tiny_bank(), files, "")
    assert run("check", folder, "--language", "en") == 0
    output = capsys.readouterr().out
    assert "branches.csv: branches, 2 rows, GB18030, separator ',', 1 lines above" in output
    assert "1 rows left out: blank, or the header again" in output
    assert "notes.csv: left out, as no table is called so" in output
    assert "  customers.csv: columns not read: 备注\n" in output
    assert "2026Q2, 2026Q3: fewer than 100 customers, so that units" in output
    assert run("check", folder) == 0
    output = capsys.readouterr().out
    assert "branches.csv：机构、2行、GB18030、分隔符','、表头以上1行不读" in output
    assert "notes.csv：不读，既没有这样命名的表" in output
    assert "customers.csv：这些列不读：备注\n" in output
    assert "2026Q2、2026Q3：客户不足100户，" in output
    files = {"branches.csv": f"{BRANCHES}合计,,,\n".encode()}
    deliver(folder, files, '[tables.branches]\ndrop_rows_where = { branch_id = ["合计"] }\n')
    assert run("check", folder, "--language", "en") == 0
    assert "branches, 3 rows, UTF-8, separator ',', 1 of them dropped by" in capsys.readouterr().out
    assert run("check", folder) == 0
    assert "其中1行按drop_rows_where剔除" in capsys.readouterr().out
    pd.read_csv(folder / "branches.csv", dtype=str).to_excel(folder / "branches.xlsx", index=False)
    (folder / "branches.csv").unlink()
    assert run("check", folder) == 0
    assert "3行、其中1行按drop_rows_where剔除" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name = 3\ntables = 4\n", ["name is not text", "tables is not a table"]),
        ("[tables]\nholdings = 1\n", ["[tables.holdings] is not a table"]),
        (
            '[tables.branches]\nunit = "USD"\nskip_rows = "1"\nheader = 3\nencoding = "x"\n',
            ["unit is not one of 元", "skip_rows is not a number", "header is not a list"],
        ),
        ('[tables.branches]\ncodes = { type = 3 }\nnull = "无"\n', ["codes is not", "null is not"]),
        ('[tables.branches]\nkind = "db2"\n', ["kind needs header"]),
        (
            '[tables.customers]\ndate_order = "ydm"\n',
            ['date_order is not "dmy" (31/12/2026) or "mdy" (12/31/2026).'],
        ),
        ('[tables.branches]\nas_of = "file name"\n', ["as_of is no column of this table"]),
        ("[tables.branches]\nconstants = { colour = 1 }\n", ["unknown contract column 'colour'"]),
        (f"[tables.branches]\nskip_rows = {10**30}\n", ["skip_rows is not a number of lines"]),
        ("[tables.branches]\nskip_rows = true\n", ["skip_rows is not a number of lines"]),
        ("name = " + "[" * 3000 + "]" * 3000, ["is not TOML in UTF-8"]),
        ("zone = 8\n", ["unknown zone '8'"]),
        ('zone = "UTC+8"\n', ["unknown zone 'UTC+8'"]),
        ('[tables.branches]\nencoding = "hex"\n', ["encoding is not an encoding"]),
        ('[tables.branches]\nencoding = "undefined"\n', ["encoding is not an encoding"]),
        ('[tables.branches]\nencoding = "a\\u0000"\n', ["encoding is not an encoding"]),
        ('[tables.branches]\nfile = "../other/branches.csv"\n', ["file is not a name within the"]),
        ('[tables.branches]\nfile = "x/../../*.csv"\n', ["file is not a name within the"]),
        (
            '[tables.branches]\ntable = "dm.x"\n',
            ["branches: the mapping names the table 'dm.x', and a folder holds files. Name the"],
        ),
        *(
            (f'[tables.branches]\ndelimiter = "{mark}"\n', ["delimiter is not up to four bytes,"])
            for mark in ('\\"', "\\n", "0", "\\u0000")
        ),
        ('[tables.branches]\nsheet = "A"\n', ["names a sheet, and branches.csv has none"]),
        (
            '[tables.branches.columns]\n"开业" = "opened_on"\n',
            ["branches.opened_on: the mapping reads it from '开业', which is not there"],
        ),
    ],
)
def test_a_mapping_of_wrong_types_is_one_error(
    tiny_bank: TinyBank, text: str, expected: list[str]
) -> None:
    """Whatever stands in the mapping, the error says which key it is."""
    with pytest.raises(BankDataError) as caught:
        open_bank(deliver(tiny_bank(), {}, text))
    assert [words for words in expected if words not in str(caught.value)] == []


def test_a_file_without_permission_is_no_damaged_one(
    tiny_bank: TinyBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said so, and what it may hold is not said to be missing."""
    folder = deliver(
        tiny_bank(),
        {"branches.csv": "", "branches.csv.gz": "x", "branches_2.csv": BRANCHES},
        '[tables.branches]\nfile = "branches*"\n[tables.branches.columns]\n"开业" = "opened_on"\n',
    )
    granted = os.access
    monkeypatch.setattr(
        os, "access", lambda at, mode: Path(at).suffix != ".gz" and granted(at, mode)
    )
    with pytest.raises(BankDataError) as caught:
        open_bank(folder)
    assert "branches.csv.gz cannot be read (no permission). Ask for the" in str(caught.value)
    assert "which is not there" not in str(caught.value)


def test_a_header_that_no_file_has_is_one_problem(tiny_bank: TinyBank) -> None:
    """However often the rows are looked at, it is said once."""
    mapping = '[tables.branches]\ndrop_rows_where = { "机构" = ["合计"] }\n'
    with pytest.raises(BankDataError) as caught:
        open_bank(deliver(tiny_bank(), {}, mapping))
    assert str(caught.value).count("drop_rows_where") == 1


def test_a_mapping_in_another_encoding_is_to_be_saved_again(tiny_bank: TinyBank) -> None:
    """The error says what to do, in no words of a codec."""
    folder = tiny_bank()
    (folder / "mapping.toml").write_bytes('name = "青禾银行"\n'.encode("gbk"))
    with pytest.raises(
        BankDataError, match=r"mapping.toml' is not TOML in UTF-8: save it as UTF-8\.$"
    ):
        open_bank(folder)


def test_what_is_said_of_files_is_refused_for_frames(tmp_path: Path) -> None:
    """A mapping that says how files are read is no mapping of frames."""
    mapping = tmp_path / "mapping.toml"
    mapping.write_text("[tables.branches]\nskip_rows = 1\n", encoding="utf-8")
    with pytest.raises(UsageError, match="skip_rows of branches are for files"):
        open_bank("duckdb://nowhere.duckdb", mapping=mapping)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("customers_20260930.csv", "2026-09-30"),
        ("customers_2026-09-30.csv", "2026-09-30"),
        ("客户2026年9月.csv", "None"),
        ("customers_202602.csv", "2026-02-28"),
        ("customers_2026q3.csv", "2026-09-30"),
        ("customers_20260630_20260930.csv", "None"),
        ("customers_20269999.csv", "None"),
    ],
)
def test_a_name_holds_one_day_or_none(name: str, expected: str) -> None:
    """A month or a quarter stands for its last day; several days are none."""
    assert str(day_in_name(name)) == expected


@pytest.mark.parametrize(
    "title", ["单位：万元", "AUM（万元）,,贷款（万元）", "Unit: 10,000 CNY", "元旦前客户表 单位:万"]
)
def test_a_title_in_the_unit_of_the_mapping_is_read(tiny_bank: TinyBank, title: str) -> None:
    """AUM of 142,701.25 is 10,000 times that, where the title says what the mapping does."""
    folder = tiny_bank(customers=f"{title}\n{CUSTOMERS}")
    deliver(folder, {}, '[tables.customers]\nunit = "万元"\n')
    with open_bank(folder) as bank:
        aum = bank.table("customers").df()["aum_period_end"].sum()
    assert aum == 1_427_012_500.00


def test_a_unit_in_the_name_of_a_file_is_one_warning(tiny_bank: TinyBank) -> None:
    """Nothing else says that amounts are in 万元; the mapping's unit answers it."""
    folder = tiny_bank()
    (folder / "customers.csv").rename(folder / "客户_万元.csv")
    with pytest.warns(
        UserWarning, match="客户_万元.csv: its name states 万元. If amounts are in it"
    ):
        open_bank(folder).close()
    (folder / "mapping.toml").write_text('[tables.customers]\nunit = "万元"\n', encoding="utf-8")
    open_bank(folder).close()


def test_a_folder_of_banks_is_named(tmp_path: Path) -> None:
    """Who gives the folder above is told which folders hold a bank each."""
    for quarter in ("2026Q2", "2026Q3"):
        (tmp_path / quarter).mkdir()
        write_tiny_bank(tmp_path / quarter)
    with pytest.raises(
        UsageError, match=r"holds folders with banks of their own \(2026Q2, 2026Q3\)"
    ):
        open_bank(tmp_path)
    with pytest.raises(UsageError, match=r"no tables are given.*branches, customers, holdings"):
        open_bank({})


def test_a_mapping_under_another_name_is_asked_about(tiny_bank: TinyBank) -> None:
    """A bank whose mapping is not found would be read without it, and without a word."""
    for name in ("Mapping.toml", "mapping.toml.txt", "mapping (1).toml"):
        folder = tiny_bank()
        (folder / name).write_text('[tables.customers]\nunit = "万元"\n')
        with pytest.raises(UsageError, match=re.escape(f"'{name}' is not read: call it mapping")):
            open_bank(folder)
        (folder / name).unlink()


def test_an_empty_cell_that_the_mapping_made_names_its_rule(tiny_bank: TinyBank) -> None:
    """A null mark in a column that may not be empty is no cell to fill in."""
    mapping = '[tables.customers]\nnull = ["personal"]\n'
    with pytest.raises(BankDataError, match=r"out of the mapping's null = \['personal'\]"):
        open_bank(deliver(tiny_bank(), {}, mapping))


def test_headers_to_ignore_are_neither_read_nor_named(tiny_bank: TinyBank) -> None:
    """The mapping answers what looks like a column, and what `check` would name each time."""
    folder, (header, *rows) = tiny_bank(), BRANCHES.splitlines()
    text = lines(f"{header},成立日期,备注", *(f"{row},x,y" for row in rows))
    (folder / "branches.csv").write_text(text, encoding="utf-8")
    with pytest.raises(BankDataError, match=r"opened_on: optional column is absent"):
        open_bank(folder)
    mapping = '[tables.branches]\nignore = ["成立日期", "备注"]\n'
    (folder / "mapping.toml").write_text(mapping, encoding="utf-8")
    with open_bank(folder) as bank:
        assert bank.unread == {}


def test_a_column_of_currencies_is_named(tiny_bank: TinyBank) -> None:
    """Nobody reads it, so that dollars would count as yuan: a warning says so."""
    head, *rows = HOLDINGS.splitlines()
    text = "\n".join([f"{head},币种", *(f"{row},人民币" for row in rows), ""])
    with pytest.warns(UserWarning, match="holdings: '币种' is not read, and every amount counts"):
        open_bank(tiny_bank(holdings=text)).close()


@pytest.mark.parametrize("row", ["", "C1,001,002,2025-08-01\n", "C1,001,002,2027-02-01\n"])
def test_moves_of_other_quarters_say_nothing_of_this_one(tiny_bank: TinyBank, row: str) -> None:
    """A table of moves without rows, or with none in the newest quarter, is an ordinary one."""
    header = "customer_id,from_branch_id,to_branch_id,effective_on\n"
    assert run("check", tiny_bank(customer_moves=header + row)) == 0
