"""A bank as warehouses of five kinds unload it, read through what `stockcust map` proposes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from stockcust_analysis.bank.contract import Kind, table
from stockcust_analysis.bank.mapping import read_mapping
from stockcust_analysis.bank.sample import make_bank
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.evaluation.evaluate import evaluate
from tests.test_cli import run

Tables = Mapping[str, pd.DataFrame]


@pytest.fixture(scope="module")
def tables() -> Tables:
    """Return a small bank of two quarters, each cell the text that a plain export has."""
    bank = make_bank(branches=10, customers=1000, quarters=2)
    return {name: as_text(name, frame) for name, frame in bank.items()}


def as_text(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table's cells as text: amounts with two decimals, days as 2026-09-30.

    Columns that the sample has no use for are delivered empty.
    """
    columns = {}
    for column in table(name).columns:
        cells = frame.get(column.name, pd.Series(pd.NA, frame.index))
        if column.kind is Kind.MONEY:
            columns[column.name] = cells.map("{:.2f}".format, na_action="ignore")
        elif column.kind is Kind.DATE:
            columns[column.name] = pd.to_datetime(cells).dt.strftime("%Y-%m-%d")
        elif column.kind is Kind.INTEGER:
            columns[column.name] = cells.astype("Int64").astype("string")
        else:
            columns[column.name] = cells.astype("string")
    return pd.DataFrame(columns).astype(object).where(lambda cells: cells.notna(), "")


def measures(folder: Path) -> pd.DataFrame:
    """Return every measure of every branch for the bank in a folder."""
    with open_bank(folder) as bank:
        return evaluate(bank, quarter="2026Q3").measures


@pytest.fixture(scope="module")
def expected(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Return the measures of the bank opened from plain CSV in the contract's words."""
    folder = tmp_path_factory.mktemp("plain")
    for name, frame in tables.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return measures(folder)


# What a warehouse calls its tables and columns; other columns have the contract's Chinese names.
FILES = {
    "branches": "DIM_ORG",
    "branch_successors": "机构沿革",
    "customers": "M_CUST_INFO",
    "holdings": "M_ACCT_BAL",
    "managers": "DIM_MANAGER",
    "assignments": "管户关系",
    "contacts": "联络记录",
    "transactions": "M_TXN",
    "ledger": "GL_LEDGER",
    "targets": "考核计划",
}
ENGLISH = {
    "as_of": "ETL_DT",
    "customer_id": "CUST_NO",
    "account_id": "ACCT_NO",
    "branch_id": "ORG_NO",
    "manager_id": "MGR_NO",
    "balance": "BAL",
    "product": "PROD_TYPE",
    "name": "ORG_NAME",
    "customer_type": "CUST_TYPE",
    "aum_average_month": "AUM_AVG_M",
    "aum_average_quarter": "AUM_AVG_Q",
    "loan_balance": "LOAN_BAL",
    "booking_branch_id": "OPEN_ORG_NO",
    "transacted_on": "TXN_DT",
    "amount": "TXN_AMT",
    "kind": "TXN_TYPE",
}
CHINESE = {
    "as_of": "数据日期",
    "customer_id": "核心客户号",
    "aum_period_end": "AUM余额",
    "aum_average_month": "月日均",
    "aum_average_quarter": "季日均",
    "booking_branch_id": "开户机构",
}
TYPES = {"personal": "个人", "sole_trader": "个体工商户", "corporate": "对公"}
CODES = {"personal": "1", "sole_trader": "2", "corporate": "3"}


def in_house_words(tables: Tables, types: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """Return the tables with the warehouse's codes for types of customers."""
    customers = tables["customers"].replace({"customer_type": dict(types)})
    return {**tables, "customers": customers}


def definition(name: str, frame: pd.DataFrame, widths: Mapping[str, int] | None = None) -> str:
    """Return the CREATE TABLE that a warehouse delivers with files without a header."""
    fields = []
    for number, column in enumerate(table(name).columns, start=1):
        size = widths[column.name] if widths else 60
        kind = f"CHAR({size})" if widths else f"VARCHAR({size})"
        fields.append(
            f"  {ENGLISH.get(column.name, f'FLD_{number:02}')} {kind} COMMENT '{column.zh}'"
        )
    body = ",\n".join(fields)
    return f"CREATE TABLE DW.{FILES[name]} (\n{body}\n) IN TBS_DATA;\n"


def write_db2(tables: Tables, folder: Path) -> None:
    """Write DB2 DEL in GBK: texts in quotation marks, days as 20260930, amounts as DB2 does."""
    for name, frame in in_house_words(tables, CODES).items():
        kinds = {column.name: column.kind for column in table(name).columns}

        def cell(value: str, kind: Kind) -> str:
            if kind is Kind.MONEY and value:
                return f"{float(value):+021.2f}"
            return value.replace("-", "") if kind is Kind.DATE else f'"{value}"' if value else ""

        rows = [
            ",".join(cell(value, kinds[column]) for column, value in zip(frame, row, strict=True))
            for row in frame.itertuples(index=False)
        ]
        path = folder / f"{FILES[name]}_20260930.del"
        path.write_bytes("".join(f"{row}\r\n" for row in rows).encode("gbk"))
    (folder / "tables.ddl").write_bytes(
        "\n".join(definition(name, frame) for name, frame in tables.items()).encode("gbk")
    )


def write_hive(tables: Tables, folder: Path) -> None:
    r"""Write text of Hive: a folder a table, fields ended by \x01, \N where there is nothing."""
    for name, frame in in_house_words(tables, TYPES).items():
        (folder / FILES[name]).mkdir()
        text = frame.replace("", r"\N").to_csv(index=False, header=False, sep="\x01")
        (folder / FILES[name] / "000000_0").write_text(text, encoding="utf-8")
        (folder / f"{name}.hql").write_text(definition(name, frame), encoding="utf-8")


def write_piped(tables: Tables, folder: Path) -> None:
    """Write `|@|` in GB18030 with a title above and a total line below; amounts in 万元."""
    for name, frame in in_house_words(tables, TYPES).items():
        frame = frame.copy()
        for column in table(name).columns:
            if column.kind is Kind.MONEY:
                cents = frame[column.name].str.replace(".", "").replace("", "0").astype(int)
                texts = cents.map(lambda n: f"{'-' * (n < 0)}{abs(n) // 10**6}.{abs(n) % 10**6:06}")
                frame[column.name] = texts.where(frame[column.name] != "", "")
        headers = [CHINESE.get(column.name, column.zh) for column in table(name).columns]
        rows = ["|@|".join(row) for row in frame.itertuples(index=False)]
        lines = [f"{table(name).zh}明细表（单位：万元）", "|@|".join(headers), *rows]
        lines.append("|@|".join(["合计", *[""] * (len(headers) - 1)]))
        path = folder / f"{FILES[name]}_20260930.dat"
        path.write_bytes("".join(f"{line}\n" for line in lines).encode("gb18030"))


def write_excel(tables: Tables, folder: Path) -> None:
    """Write a workbook a table, with a sheet for each quarter under a title."""
    for name, frame in in_house_words(tables, TYPES).items():
        day = next((c for c in frame if c in ("as_of",)), None)
        parts = dict([*frame.groupby(day)]) if day else {"明细": frame}
        with pd.ExcelWriter(folder / f"{FILES[name]}.xlsx") as book:
            for sheet, part in parts.items():
                part = part.rename(
                    columns={c.name: CHINESE.get(c.name, c.zh) for c in table(name).columns}
                )
                part.to_excel(book, sheet_name=str(sheet), index=False, startrow=1)
                book.sheets[str(sheet)].write(0, 0, table(name).zh)


def write_fixed(tables: Tables, folder: Path) -> None:
    """Write columns of fixed width in GBK, and a file that counts the rows beside each."""
    for name, frame in in_house_words(tables, CODES).items():
        size = {c: max(len(t.encode("gbk")) for t in frame[c]) or 1 for c in frame}
        rows = [
            b"".join(t.encode("gbk").ljust(size[c]) for c, t in zip(frame, row, strict=True))
            for row in frame.itertuples(index=False)
        ]
        path = folder / f"{FILES[name]}_20260930.dat"
        path.write_bytes(b"".join(row + b"\n" for row in rows))
        flag = f"{path.name}|{path.stat().st_size}|{len(rows)}|20260930\n"
        path.with_suffix(".ok").write_text(flag, encoding="gbk")
        ddl = definition(name, frame, size).encode("gbk")
        (folder / f"{name}.sql").write_bytes(ddl)


# What a person reads in the proposal and puts right: codes that only the bank knows.
TYPE_CODES = {
    f'# "{code}" = "?"  # 不认识：应为personal、sole_trader、corporate之一': (
        f'"{code}" = "{word}"'
    )
    for word, code in CODES.items()
}
KINDS: dict[str, tuple[Callable[[Tables, Path], None], dict[str, str]]] = {
    "DB2 DEL": (write_db2, TYPE_CODES),
    "Hive": (write_hive, {}),
    "|@|": (write_piped, {}),
    "Excel": (write_excel, {}),
    "fixed width": (write_fixed, TYPE_CODES),
}


@pytest.mark.parametrize(
    ("write", "corrections"),
    [
        pytest.param(*case, id=name, marks=[] if name == "Hive" else [pytest.mark.slow])
        for name, case in KINDS.items()
    ],
)
def test_a_warehouse_is_read_through_the_proposal(
    write: Callable[[Tables, Path], None],
    corrections: Mapping[str, str],
    tables: Tables,
    expected: pd.DataFrame,
    tmp_path: Path,
) -> None:
    """The proposal and at most three corrections give every measure of the plain bank."""
    write(tables, tmp_path)
    assert run("map", tmp_path) == 0
    path = tmp_path / "mapping.toml"
    read_mapping(path)
    text = path.read_text(encoding="utf-8")
    assert len(corrections) <= 3
    for wrong, right in corrections.items():
        assert wrong in text
        text = text.replace(wrong, right)
    path.write_text(text, encoding="utf-8")
    assert_frame_equal(measures(tmp_path), expected)
