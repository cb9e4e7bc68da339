"""Files of EAST 5.0 written by hand, row by row, in the orders of fields of the sample's writer."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import pytest

from stockcust_analysis import open_bank
from stockcust_analysis.bank.sample import LICENCE, ORDERS
from stockcust_analysis.bank.source import Bank
from stockcust_analysis.errors import BankDataError

MAPPING = f"[layout.orders]\nXYKSXQKB = {ORDERS['XYKSXQKB']}\n"


def write(
    folder: Path,
    table: str,
    day: str,
    rows: pd.DataFrame | Iterable[Mapping[str, object]],
    *,
    licence: str = LICENCE,
    part: str = "",
) -> Path:
    """Write one table's file of one day: 0x01 between fields, no quotation marks, no header."""
    frame = pd.DataFrame(rows).assign(JRXKZH=licence, CJRQ=day)
    path = folder / f"{licence}-{table}-{day}{part}.txt"
    columns = [*ORDERS[table], *(["GSFZJG"] if "GSFZJG" in frame else [])]
    frame.reindex(columns=columns).to_csv(
        path,
        sep="\x01",
        header=False,
        index=False,
        lineterminator="\n",
        quoting=csv.QUOTE_NONE,
        quotechar="\x02",
    )
    return path


DAY = "20260930"
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
BRANCH = {"NBJGH": "B1", "YHJGMC": "First", "JGLB": "营业机构", "XZQHDM": "330102", "YYZT": "营业"}
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


def write_base(folder: Path, day: str = DAY) -> Path:
    """Write the EAST files of a bank of one branch, one person and one account, of one day."""
    for table, row in (("JGXXB", BRANCH), ("GRJCXXB", PERSON), ("GRCKFHZ", ACCOUNT)):
        write(folder, table, day, [row])
    return folder


def rows(bank: Bank, table: str, columns: str, where: str = "true") -> list[tuple[object, ...]]:
    """Return rows of a bank's table of the days that both have, sorted."""
    relation = bank.table(table).filter(where)
    return sorted(relation.project(columns).fetchall(), key=str)


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
