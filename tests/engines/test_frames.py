"""A bank given as frames, or as a DuckDB database: found, renamed, checked, refused."""

from __future__ import annotations

import builtins
import contextlib
import doctest
import re
import sqlite3
from datetime import date
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import pandas as pd
import polars as pl
import pytest

from stockcust_analysis.bank.source import open_bank, without_secrets
from stockcust_analysis.core.frames import collect_rows
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import BankDataError, EngineError, UsageError
from tests.engines.banks import in_duckdb, in_pandas, in_polars
from tests.tiny_bank import BRANCHES, CUSTOMERS, HOLDINGS

PLACES = [in_pandas, in_polars, in_duckdb]
_DATES = ["as_of", "relationship_since", "last_active_on"]


def tiny() -> dict[str, pd.DataFrame]:
    """Return the tiny bank as pandas reads it."""
    texts = {"branches": BRANCHES, "customers": CUSTOMERS, "holdings": HOLDINGS}
    frames = {
        name: pd.read_csv(StringIO(text), dtype={"branch_id": "str"})
        for name, text in texts.items()
    }
    for frame in frames.values():
        for name in set(_DATES) & set(frame):
            frame[name] = pd.to_datetime(frame[name])
    return frames


def _polars(frame: pd.DataFrame) -> pl.DataFrame:
    """Return a Polars frame without the help of pyarrow, which is no dependency."""
    cells = frame.astype(object).where(frame.notna(), None)
    return pl.DataFrame({name: cells[name].tolist() for name in frame})


def problems_of(source: Any) -> list[str]:
    """Open a bank that must be refused, and return the problems as they are numbered."""
    with pytest.raises(BankDataError) as caught:
        open_bank(source)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


@pytest.mark.parametrize("place", PLACES)
def test_tables_columns_and_quarters_are_found(place: Any, tmp_path: Path) -> None:
    """Every source tells its tables, the contract's columns among others, and its quarters."""
    tables = tiny()
    if place is in_pandas:  # the others' columns are typed by the contract
        tables["branches"]["colour"] = "blue"
    with open_bank(place(tables, tmp_path)) as bank:
        assert set(bank.columns) == {"branches", "customers", "holdings"}
        assert bank.columns["branches"] == ("branch_id", "name", "region", "type")
        assert bank.quarters == (Quarter(2026, 2), Quarter(2026, 3))
        september = nw.from_native(bank.snapshot("customers", as_of=date(2026, 9, 30))).lazy()
        assert collect_rows(september.select(n=nw.len()))["n"] == [4]
        assert bank.rows("customers") == 7
        with pytest.raises(UsageError, match="unknown table 'contacts'"):
            bank.table("contacts")


@pytest.mark.parametrize("place", PLACES)
def test_the_same_faults_are_found_everywhere(place: Any, tmp_path: Path) -> None:
    """Codes, empty cells, signs, keys, references and dates are checked on every engine alike."""
    tables = tiny()
    customers, holdings = tables["customers"], tables["holdings"]
    customers.loc[0, "customer_type"] = "robot"
    customers.loc[1, "aum_period_end"] = -1.0
    customers.loc[2, "aum_average_quarter"] = float("nan")
    customers.loc[3, "last_active_on"] = pd.Timestamp("2026-10-01")
    customers.loc[5, "branch_id"] = "009"
    customers.loc[6, "as_of"] = pd.Timestamp("2026-09-29")
    holdings.loc[1, "account_id"] = "A1"
    holdings.loc[2, "product"] = None
    found = sorted(line.split(". ", 1)[1] for line in problems_of(place(tables, tmp_path)))
    # Files and DuckDB tables have row numbers; others have none to name.
    without_rows = [line.partition(" (first")[0].partition(" row")[0] for line in found]
    assert without_rows == [
        "customers.as_of: 1", "customers.aum_average_quarter: 1", "customers.aum_period_end: 1",
        "customers.branch_id: 1", "customers.customer_type: 1", "customers.last_active_on: 1",
        "holdings.customer_id: 1", "holdings.product: 1", "holdings: 1",
    ]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_text_is_looked_at_closely_everywhere(place: Any, tmp_path: Path) -> None:
    """Control characters, shortened numbers, our own names and odd quarters are found."""
    tables = tiny()
    tables["branches"].loc[1, ["branch_id", "name"]] = ["@bank", "柳\x1f树"]
    tables["holdings"].loc[0, "account_id"] = "6.22E+18"
    tables["targets"] = pd.DataFrame(
        {"branch_id": ["001"], "quarter": ["2026-3"], "measure": ["customers"], "target": [2.0]}
    )
    found = sorted(line.split(". ", 1)[1] for line in problems_of(place(tables, tmp_path)))
    told = "\n".join(found)
    assert "begins with '@', which stands for the whole bank" in told
    assert "control characters" in told
    assert "holdings.account_id" in told
    assert "number in scientific notation" in told
    assert "targets.quarter" in told
    assert "not a quarter. Write it as 2026Q3." in told
    assert "customers.branch_id" in told
    assert len(found) == 5


@pytest.mark.parametrize("place", PLACES)
def test_a_reference_may_be_empty_where_the_contract_says_so(place: Any, tmp_path: Path) -> None:
    """An empty branch of booking refers to nothing; an empty owner is missed, once."""
    tables = tiny()
    holdings = tables["holdings"].assign(booking_branch_id=["001", None, "002"] * 2 + ["001"])
    with open_bank(place(tables | {"holdings": holdings}, tmp_path)) as bank:
        assert bank.rows("holdings") == 7
    holdings.loc[0, "customer_id"] = None
    (problem,) = problems_of(place(tables | {"holdings": holdings}, tmp_path))
    assert "holdings.customer_id: 1 row" in problem
    assert "the cell is empty" in problem


def test_a_missing_table_column_or_type_is_one_error() -> None:
    """What is missing or of the wrong type stands in one list, with what may have been meant."""
    tables = tiny()
    tables["customers"] = tables["customers"].astype({"as_of": "str"})
    tables["branches"] = tables["branches"].rename(columns={"region": "regoin"})
    del tables["holdings"]
    told = "\n".join(problems_of(tables))
    assert "holdings: it is not among the tables" in told
    assert "branches.region: optional column is absent" in told
    assert "Did you mean 'regoin'?" in told
    assert (
        "customers.as_of: the column holds text, where dates belong. Convert them to dates in the "
        "data frame you pass" in told
    )


def test_objects_of_pandas_are_understood() -> None:
    """Dates, Decimals and flags with gaps, which pandas keeps as objects, become what they are."""
    tables = tiny()
    customers = tables["customers"]
    customers["as_of"] = customers["as_of"].dt.date.astype(object)
    customers["aum_period_end"] = [Decimal(str(x)) for x in customers["aum_period_end"]]
    customers["profile_complete"] = pd.Series([True, None, False] * 2 + [None], dtype=object)
    customers["do_not_contact"] = ["是", "N", "0", "true", " ", None, "1"]
    with open_bank(tables) as bank:
        told = bank.table("customers")
    assert told["as_of"].tolist()[0] == pd.Timestamp("2026-06-30")
    assert told["aum_period_end"].sum() == pytest.approx(142_701.25)
    assert told["profile_complete"].isna().sum() == 3
    flags = [None if pd.isna(cell) else bool(cell) for cell in told["do_not_contact"]]
    assert flags == [True, False, False, True, None, None, True]


@pytest.mark.parametrize("kind", ["float64", "str", "polars"])
def test_columns_of_gaps_alone_are_empty(kind: str) -> None:
    """What reads CSV and Excel gives a column without any value a type that is no date."""
    tables: dict[str, Any] = tiny()
    gaps = pd.Series([None] * 7, dtype="float64" if kind == "polars" else kind)
    names = ("closed_on", "do_not_contact", "loan_balance", "household_id")
    tables["customers"] = tables["customers"].assign(**dict.fromkeys(names, gaps))
    if kind == "polars":
        tables = {name: _polars(frame) for name, frame in tables.items()}
        empty = [pl.lit(None, dtype=pl.String).alias(name) for name in names]
        tables["customers"] = tables["customers"].lazy().with_columns(*empty)
    with open_bank(tables) as bank:
        told = nw.from_native(bank.table("customers")).lazy().collect()
    assert [told[name].null_count() for name in names] == [7] * 4


def test_numbers_that_are_names_and_blanks_are_text() -> None:
    """A branch number kept as a number becomes text; blanks around text go, blank text is empty."""
    tables = {name: _polars(frame) for name, frame in tiny().items()}
    number = pl.col("branch_id").cast(pl.Int64)
    for name in ("branches", "customers"):
        tables[name] = tables[name].with_columns(number)
    padded = pl.lit("  ").alias("groups"), pl.col("customer_type") + "  "
    tables["customers"] = tables["customers"].with_columns(*padded)
    with open_bank(tables) as bank:
        told = bank.table("customers").collect()
    assert told["branch_id"].unique().sort().to_list() == ["1", "2"]
    assert told["groups"].null_count() == 7
    assert "personal" in told["customer_type"].to_list()


@pytest.mark.parametrize("codes", [["9", "1"], [9, 1], [9.0, 1.0]], ids=["text", "whole", "float"])
@pytest.mark.parametrize("engine", [pd.DataFrame, lambda frame: _polars(pd.DataFrame(frame))])
def test_a_code_may_mean_nothing(tmp_path: Path, engine: Any, codes: list[Any]) -> None:
    """Of seven customers the first, third, … have not stated their gender; no amount is lost."""
    tables: dict[str, Any] = tiny()
    tables["customers"]["gender"] = (codes * 4)[:7]
    tables["customers"].loc[0, "aum_period_end"] = 9.0
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[tables.customers.codes.gender]\n"9" = ""\n"1" = "male"\n')
    frames = {name: engine(frame) for name, frame in tables.items()}
    with open_bank(frames, mapping=mapping) as bank:
        told = collect_rows(nw.from_native(bank.table("customers")).lazy())
    assert [value if isinstance(value, str) else None for value in told["gender"]] == [
        *([None, "male"] * 3),
        None,
    ]
    assert told["aum_period_end"][0] == 9


def test_frames_of_several_engines_are_refused() -> None:
    """Tables that could not be joined, that are no frames, or of no known name are refused."""
    tables: dict[str, Any] = tiny()
    with pytest.raises(UsageError, match="of one engine, given pandas, polars"):
        open_bank(tables | {"branches": _polars(tables["branches"])})
    with pytest.raises(UsageError, match=r"must be frames, given .*list"):
        open_bank({"branches": [1]})
    with pytest.raises(UsageError, match="unknown table 'customer'"):
        open_bank({"customer": tables["customers"]})
    with pytest.raises(UsageError, match="cannot open a bank from int"):
        open_bank(7)


def test_a_duckdb_database_is_only_read(tmp_path: Path) -> None:
    """Views count as tables, `tables` renames them, rows are named, and the file stays as it is."""
    url = in_duckdb(tiny(), tmp_path)
    path = Path(url.removeprefix("duckdb://"))
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE customers RENAME TO raw")
        connection.execute("CREATE SCHEMA dm; CREATE VIEW dm.cust AS FROM raw")
        connection.execute("CREATE TABLE bad AS FROM holdings; UPDATE bad SET balance = NULL")
    before = path.read_bytes()
    with open_bank(url, tables={"customers": "dm.cust"}) as bank:
        bank.materialize(bank.table("customers"))
        assert [one.name for one in bank.inputs] == ["bank.duckdb"]
    assert path.read_bytes() == before
    with pytest.raises(BankDataError, match=r"7 rows \(first: 1, 2, 3\): the cell is empty"):
        open_bank(url, tables={"customers": "dm.cust", "holdings": "bad"})


@pytest.mark.parametrize("name", ["a.b", '"a.b"', "dm.cust", '"dm"."cust"', 'dm."a.b"', "dm.a.b"])
def test_a_table_of_a_duckdb_database_may_have_a_dot_in_its_name(tmp_path: Path, name: str) -> None:
    """With or without a schema and SQL's quotation marks it is that table."""
    url = in_duckdb(tiny(), tmp_path)
    with duckdb.connect(url.removeprefix("duckdb://")) as connection:
        connection.execute("ALTER TABLE customers RENAME TO raw; CREATE SCHEMA dm")
        for made in ('"a.b"', "dm.cust", 'dm."a.b"'):
            connection.execute(f"CREATE TABLE {made} AS FROM raw")
        connection.execute('CREATE TABLE "dm.cust" AS FROM raw LIMIT 1')  # not the one of dm
    with open_bank(url, tables={"customers": name}) as bank:
        assert bank.rows("customers") == len(tiny()["customers"])


NAMES = {'"a.b"': 7, "a.b": 6, '"a"."b"': 6, 'A."B"': 6, "main.raw": 7, 'main."a.b"': 7, "RAW": 7}


@pytest.mark.parametrize("name", NAMES)
def test_quotation_marks_tell_a_table_with_a_dot_from_one_of_a_schema(
    tmp_path: Path, name: str
) -> None:
    """As SQL reads them, in a DuckDB file and by an open connection: `"a.b"` is no table b of a."""
    url = in_duckdb(tiny(), tmp_path)
    with duckdb.connect(url.removeprefix("duckdb://")) as connection:
        connection.execute("ALTER TABLE customers RENAME TO raw; CREATE SCHEMA a")
        connection.execute('CREATE TABLE "a.b" AS FROM raw')
        connection.execute("CREATE TABLE a.b AS FROM raw WHERE customer_id <> 'C4'")
        connection.execute("DELETE FROM holdings WHERE customer_id = 'C4'")
    with open_bank(url, tables={"customers": name}) as bank:
        assert bank.rows("customers") == NAMES[name]
    connection = duckdb.connect(url.removeprefix("duckdb://"), read_only=True)
    with connection, open_bank(connection, tables={"customers": name}) as bank:
        assert bank.rows("customers") == NAMES[name]


@pytest.mark.parametrize("table", ["customers", "contacts"])
def test_a_table_that_a_duckdb_file_lacks_is_named(tmp_path: Path, table: str) -> None:
    """An optional one, too: a misspelt name is no table that was not delivered."""
    url = in_duckdb(tiny(), tmp_path)
    with pytest.raises(UsageError, match=r"the database has no table 'dm\.cust'\."):
        open_bank(url, tables={table: "dm.cust"})


def test_a_table_of_sqlite_may_have_a_dot_in_its_name(tmp_path: Path) -> None:
    """SQLite cannot compute measures, but it is found; without quotation marks it is a schema's."""
    pytest.importorskip("ibis.backends.sqlite")
    path = tmp_path / "bank.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for name, frame in tiny().items():
            frame.to_sql("a.b" if name == "customers" else name, connection, index=False)
    for name in ('"a.b"', 'main."a.b"'):
        with pytest.raises(EngineError, match="lacks a computation"):
            open_bank(f"sqlite://{path}", tables={"customers": name})
    with pytest.raises(UsageError, match=r"the database has no table 'a\.b'"):
        open_bank(f"sqlite://{path}", tables={"customers": "a.b"})


def test_a_file_of_sqlite_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """SQLite makes an empty database of a misspelt name."""
    for place in (tmp_path / "gone.db", tmp_path / "no" / "gone.db"):
        for scheme in ("sqlite", "sqlite+pysqlite", "file"):
            with pytest.raises(
                UsageError, match=r"no such file: '.*gone.db'.* The URL .* is \w+://gone"
            ):
                open_bank(f"{scheme}://{place}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The 'future.infer_string' option:DeprecationWarning")
def test_what_sqlite_cannot_do_is_said(tmp_path: Path) -> None:
    """An option that its driver refuses is no traceback, nor is a test of amounts it has not."""
    pytest.importorskip("ibis.backends.sqlite", reason="the extra for SQLite is not installed")
    url = f"sqlite://{tmp_path / 'bank.db'}"
    with sqlite3.connect(tmp_path / "bank.db") as connection:
        for name, frame in tiny().items():
            frame.to_sql(name, connection, index=False)
    with pytest.raises(UsageError, match="unexpected keyword argument 'mode'"):
        open_bank(f"{url}?mode=ro")
    with pytest.raises(EngineError, match=r"lacks a computation .* Use PostgreSQL or DuckDB"):
        open_bank(url)


def test_a_database_file_that_is_none_is_said(tmp_path: Path) -> None:
    """No file, or a file of something else, is a usage error that names the file."""
    with pytest.raises(UsageError, match=r"no such file: .*gone.duckdb"):
        open_bank(f"duckdb://{tmp_path / 'gone.duckdb'}")
    other = tmp_path / "other.duckdb"
    other.write_bytes(b"not a database" * 1000)
    with pytest.raises(UsageError, match="cannot be opened as a DuckDB database"):
        open_bank(f"duckdb://{other}")


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Ibis, or without a driver, the error holds the command that installs it."""
    real = builtins.__import__

    def without_ibis(name: str, *more: Any, **named: Any) -> Any:
        if name == "ibis":
            raise ModuleNotFoundError("No module named 'ibis'")
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without_ibis)
    with pytest.raises(UsageError, match=r'pip install "stockcust_analysis\[postgres\]"'):
        open_bank("postgresql+psycopg2://u:geheim@127.0.0.1/bank")
    with pytest.raises(UsageError, match=r'pip install "ibis-framework\[mysql\]"') as caught:
        open_bank("mysql://u:geheim@127.0.0.1/bank")
    assert "geheim" not in str(caught.value)


def test_the_page_shows_real_output() -> None:
    """The session with frames in the how-to gives exactly the output printed there."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "use-a-database-or-spark.md"
    text = re.sub(r"^```.*$", "", page.read_text(encoding="utf-8"), flags=re.M)
    session = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    result = doctest.DocTestRunner().run(session)
    assert (result.attempted, result.failed) == (3, 0)


def test_secrets_are_cut_from_urls() -> None:
    """What stands in messages and manifests holds neither user, password nor options."""
    url = "trino://ana:s%40crets@host:8080/hive/dm?password=more"
    assert without_secrets(url) == "trino://host:8080/hive/dm"
