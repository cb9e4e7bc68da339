"""Opening a bank: every way banks deliver files reads as the same tables."""

from __future__ import annotations

import datetime
import gzip
import tempfile
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.core.engines import DuckDBEngine
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import BankDataError, EngineError, UsageError
from stockcust_analysis.evaluation.evaluate import evaluate
from tests.tiny_bank import BRANCHES, CUSTOMERS, HOLDINGS, TinyBank, write_tiny_bank


def customers_of(folder: Path, mapping: Path | None = None) -> pd.DataFrame:
    """Read the customers as a frame in a stable order."""
    with open_bank(folder, mapping=mapping) as bank:
        return bank.table("customers").order("as_of, customer_id").df()


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Return the customers of the tiny bank as it is."""
    return customers_of(write_tiny_bank(tmp_path_factory.mktemp("clean")))


def test_money_is_exact_and_dates_are_dates(tiny_bank: TinyBank) -> None:
    """Money arrives as DECIMAL with two places, dates as DATE, an empty cell as nothing."""
    with open_bank(tiny_bank()) as bank:
        row = bank.table("customers").filter("customer_id = 'C2' AND aum_period_end = 250.75")
        values = dict(zip(row.columns, row.fetchall()[0], strict=True))
    assert values["aum_period_end"] == Decimal("250.75")
    assert values["relationship_since"] == datetime.date(2019, 3, 1)
    assert values["last_active_on"] is None


def test_a_bank_says_what_it_holds_and_how_to_go_on(tiny_bank: TinyBank) -> None:
    """Tables with their rows, the quarters, the next call: in a few lines."""
    with open_bank(tiny_bank()) as bank:
        shown, html = repr(bank), bank._repr_html_()
    assert "quarters 2026Q2 to 2026Q3 (2)" in shown
    assert f"customers {len(CUSTOMERS.splitlines()) - 1}," in shown
    assert "bank.customers('2026Q3')" in shown
    assert "Fewer than 100 customers in 2026Q2, 2026Q3: units, lost branches" in shown
    assert len(shown) < 500
    assert "&lt;Bank" in html


def test_customers_of_several_quarters(tiny_bank: TinyBank) -> None:
    """Each quarter's customers below one another; more than there are is an error."""
    with open_bank(tiny_bank()) as bank:
        both = bank.customers("2026Q3", quarters=2)
        for quarter in ("2026Q2", "2026Q3"):
            one = bank.customers(quarter, structure="2026Q3")
            rows = both[both["as_of"] == one["as_of"].iloc[0]].reset_index(drop=True)
            assert rows["customer_id"].tolist() == one["customer_id"].tolist()
            assert rows["aum_period_end"].tolist() == one["aum_period_end"].tolist()
        with pytest.raises(UsageError, match=r"quarters=3: up to 2026Q3 the bank has 2"):
            bank.customers("2026Q3", quarters=3)


def test_quarters_need_customers_and_holdings(tiny_bank: TinyBank) -> None:
    """Only as-of dates with both customers and holdings make a quarter."""
    with open_bank(tiny_bank()) as bank:
        assert bank.quarters == (Quarter(2026, 2), Quarter(2026, 3))
    only_one = "\n".join(HOLDINGS.splitlines()[:1] + HOLDINGS.splitlines()[4:])
    folder = tiny_bank(holdings=only_one)
    with pytest.warns(UserWarning, match="no holdings of 2026-06-30"), open_bank(folder) as bank:
        assert bank.quarters == (Quarter(2026, 3),)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gbk", "gb18030"])
def test_encodings_are_found_out_by_looking(tiny_bank: TinyBank, encoding: str) -> None:
    """UTF-8 with BOM, GBK and GB18030 read as the same names."""
    with open_bank(tiny_bank(branches=BRANCHES.encode(encoding))) as bank:
        assert bank.table("branches").order("branch_id").df()["name"].tolist() == [
            "城关支行",
            "柳树支行",
        ]


def test_rare_characters_survive_gb18030(tiny_bank: TinyBank) -> None:
    """A four-byte GB18030 character (𬭎) is read whole."""
    raw = BRANCHES.replace("柳", "𬭎").encode("gb18030")
    with open_bank(tiny_bank(branches=raw)) as bank:
        assert "𬭎树支行" in bank.table("branches").df()["name"].tolist()


def as_gzip(folder: Path) -> None:
    """Replace a CSV file by its compressed self."""
    raw = (folder / "customers.csv").read_bytes()
    (folder / "customers.csv.gz").write_bytes(gzip.compress(raw.decode().encode("gbk")))


def as_parquet(folder: Path) -> None:
    """Replace a CSV file by Parquet with the types that DuckDB guesses (DOUBLE money)."""
    duckdb.read_csv(str(folder / "customers.csv")).write_parquet(str(folder / "customers.parquet"))


def as_excel(folder: Path) -> None:
    """Replace a CSV file by an Excel sheet with real dates and numbers."""
    dates = ["as_of", "relationship_since", "last_active_on"]
    sheet = pd.read_csv(folder / "customers.csv", parse_dates=dates, dtype={"branch_id": str})
    sheet.to_excel(folder / "customers.xlsx", index=False)


def as_two_files(folder: Path) -> None:
    """Split a CSV file by quarter, with the columns of one in another order."""
    sheet = pd.read_csv(folder / "customers.csv", dtype=str)
    for quarter, part in sheet.groupby("as_of"):
        part[sheet.columns[::-1]].to_csv(folder / f"customers_{quarter}.csv", index=False)


def as_blanks_in_one_file(folder: Path) -> None:
    """Write a Parquet file a quarter, the texts of one with blanks around them."""
    sheet = pd.read_csv(folder / "customers.csv", dtype={"branch_id": str})
    days = ["as_of", "relationship_since", "last_active_on"]
    sheet[days] = sheet[days].apply(pd.to_datetime)
    padded = ["customer_id", "branch_id", "customer_type"]
    for quarter, part in sheet.groupby("as_of"):
        if quarter.month == 6:
            part[padded] = " " + part[padded] + "\u3000"
        duckdb.sql("FROM part").write_parquet(str(folder / f"customers_{quarter:%Y%m}.parquet"))


def as_a_file_for_each_row(folder: Path) -> None:
    """Split a CSV file into one a row, every other one compressed and in GBK."""
    header, *rows = (folder / "customers.csv").read_text().splitlines()
    for number, row in enumerate(rows):
        text = f"{header}\n{row}\n"
        if number % 2:
            packed = gzip.compress(text.encode("gbk"))
            (folder / f"customers_{number}.csv.gz").write_bytes(packed)
        else:
            (folder / f"customers_{number}.csv").write_text(text)


def as_parquet_of_several_types(folder: Path) -> None:
    """Split a CSV file into a Parquet file a row, some with other types and in another order."""
    rows = duckdb.read_csv(str(folder / "customers.csv"), dtype={"branch_id": "VARCHAR"})
    for number in range(7):
        row = rows.limit(1, number)
        if number % 3 == 1:
            row = row.project("aum_average_quarter::DECIMAL(18,2) AS aum_average_quarter, "
                              "* EXCLUDE (aum_average_quarter)")  # fmt: skip
        row.write_parquet(str(folder / f"customers_{number}.parquet"))


def as_tab_separated(folder: Path) -> None:
    """Use semicolons between cells, slashes in dates and commas in thousands."""
    sheet = pd.read_csv(folder / "customers.csv", dtype=str)
    sheet["as_of"] = sheet["as_of"].str.replace("-", "/")
    sheet["relationship_since"] = sheet["relationship_since"].str.replace("-", "")
    sheet["aum_period_end"] = sheet["aum_period_end"].astype(float).map("{:,.2f}".format)
    sheet.to_csv(folder / "customers.tsv", index=False, sep="\t")


@pytest.mark.parametrize(
    "deliver",
    [
        as_gzip,
        as_parquet,
        as_excel,
        as_two_files,
        as_blanks_in_one_file,
        as_tab_separated,
        as_a_file_for_each_row,
        as_parquet_of_several_types,
    ],
)
def test_every_file_kind_reads_the_same(  # type: ignore[no-untyped-def]
    tiny_bank: TinyBank, clean: pd.DataFrame, deliver
) -> None:
    """Compressed CSV, Parquet, Excel, several files and odd formats give equal tables."""
    folder = tiny_bank()
    deliver(folder)
    (folder / "customers.csv").unlink()
    assert_frame_equal(customers_of(folder), clean)


@pytest.mark.parametrize(
    ("deliver", "kinds"), [(as_a_file_for_each_row, 1), (as_parquet_of_several_types, 2)]
)
def test_files_that_are_alike_are_read_by_one_scan(  # type: ignore[no-untyped-def]
    tiny_bank: TinyBank, deliver, kinds, monkeypatch
) -> None:
    """Seven files make a scan for each kind of them: each scan of a union has its own memory.

    They are read by that scan once; later looks find what they were converted to.
    """
    folder, plans, create = tiny_bank(), [], DuckDBEngine.create

    def explain_and_create(engine: DuckDBEngine, sql: str) -> object:
        plans.append(engine.connection.sql(sql).explain())
        return create(engine, sql)

    monkeypatch.setattr(DuckDBEngine, "create", explain_and_create)
    deliver(folder)
    (folder / "customers.csv").unlink()
    with open_bank(folder) as bank:
        assert len(bank.inputs) == 7 + 2
        plans.append(bank.table("customers").explain())
    of_customers = [plan for plan in plans if "relationship_since" in plan]
    assert [plan.count("Function: READ_") for plan in of_customers if "READ_" in plan] == [kinds]


def test_chinese_headers_and_codes_by_mapping(
    tiny_bank: TinyBank, clean: pd.DataFrame, tmp_path: Path
) -> None:
    """House headers, house codes and a house file name are translated by the mapping."""
    folder = tiny_bank()
    text = CUSTOMERS.replace("customer_id", "客户编号").replace("branch_id", "归属机构")
    text = text.replace("personal", "01").replace("sole_trader", "02")
    (folder / "customers.csv").unlink()
    (folder / "客户信息_三季度.csv").write_bytes(text.encode("gb18030"))
    mapping = tmp_path / "house.toml"
    mapping.write_text(
        '[tables.customers]\nfile = "客户信息*.csv"\n'
        '[tables.customers.columns]\n"客户编号" = "customer_id"\n'
        '[tables.customers.codes.customer_type]\n"01" = "personal"\n"02" = "sole_trader"\n',
        encoding="utf-8",
    )
    assert_frame_equal(customers_of(folder, mapping), clean)


def test_a_wrong_mapping_is_one_error(tiny_bank: TinyBank, tmp_path: Path) -> None:
    """Unknown tables, columns and codes of a mapping are listed together with close matches."""
    mapping = tmp_path / "house.toml"
    mapping.write_text(
        '[tables.customer]\nfile = "x.csv"\n[tables.holdings.columns]\n"余额" = "balanse"\n'
        '[tables.holdings.codes.product]\n"01" = "demand"\n',
        encoding="utf-8",
    )
    with pytest.raises(BankDataError) as caught:
        open_bank(tiny_bank(), mapping=mapping)
    message = str(caught.value)
    assert "unknown table 'customer'. Did you mean 'customers'" in message
    assert "unknown contract column 'balanse'. Did you mean 'balance'" in message
    assert "unknown code of product 'demand'" in message


def test_what_is_not_there_is_said(tiny_bank: TinyBank, tmp_path: Path) -> None:
    """A folder that does not exist and a table that was not delivered are usage errors."""
    with pytest.raises(UsageError, match="is not a folder"):
        open_bank(tmp_path / "nowhere")
    with (
        open_bank(tiny_bank()) as bank,
        pytest.raises(UsageError, match="unknown table 'contacts'"),
    ):
        bank.table("contacts")


def test_nothing_is_left_behind(tiny_bank: TinyBank) -> None:
    """Closing a bank removes the converted copies it made."""
    bank = open_bank(tiny_bank(branches=BRANCHES.encode("gbk")))
    scratch = bank._engine.folder  # type: ignore[attr-defined]
    assert list(scratch.glob("*.csv"))
    bank.close()
    assert not scratch.exists()
    for question in (lambda: bank.customers("2026Q3"), lambda: bank.table("holdings")):
        with pytest.raises(UsageError, match=r"is closed\. Open it again"):
            question()
    assert repr(bank).endswith(", closed>")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_too_little_memory_is_no_fault_of_a_file(
    tiny_bank: TinyBank, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that does not do for opening is told as such, and no scratch folder stays."""
    folder = tiny_bank()
    if ending == "parquet":
        as_parquet(folder)
        (folder / "customers.csv").unlink()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(EngineError, match="--memory-limit"):
        open_bank(folder, memory_limit="100KB")
    assert not list(tmp_path.glob("stockcust-*"))


def test_a_materialised_step_is_computed_once(tiny_bank: TinyBank) -> None:
    """A materialised frame no longer changes with the files it came from."""
    folder = tiny_bank()
    with open_bank(folder) as bank:
        step = bank.materialize(bank.snapshot("customers", as_of=datetime.date(2026, 9, 30)))
        (folder / "customers.csv").write_text("as_of\n")
        assert len(step.fetchall()) == 4


def test_amounts_that_one_file_lacks_are_missed(tiny_bank: TinyBank) -> None:
    """A quarter whose file lacks a column of amounts that another has is no quarter of zeros."""
    folder = tiny_bank()
    as_two_files(folder)
    (folder / "customers.csv").unlink()
    before = folder / "customers_2026-06-30.csv"
    pd.read_csv(before, dtype=str).drop(columns="aum_average_quarter").to_csv(before, index=False)
    missed = "'aum_average_quarter' is missing or infinite in 3 rows"
    lacking = (
        "customers_2026-06-30.csv: no aum_average_quarter, which other files of customers have"
    )
    with pytest.warns(UserWarning, match=lacking):
        bank = open_bank(folder)
    with bank, pytest.raises(UsageError, match=missed):
        evaluate(bank, quarter="2026Q3")


def test_an_evaluation_leaves_no_customers_in_the_engine(tiny_bank: TinyBank) -> None:
    """Once the measures are there, the customers of no quarter are held any longer."""
    with open_bank(tiny_bank()) as bank:
        connection = bank._engine.connection  # type: ignore[attr-defined]
        before = connection.sql("FROM duckdb_tables()").fetchall()
        evaluate(bank, quarter="2026Q3")
        assert connection.sql("FROM duckdb_tables()").fetchall() == before
