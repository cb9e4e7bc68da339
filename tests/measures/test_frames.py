"""The kinds of table that go in and come out, and what is not imported on the way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import pandas as pd
import polars as pl
import pytest

from stockcust_analysis.core.frames import as_lazy, cents_of, collect_rows, flag, to_pandas
from stockcust_analysis.core.results import Result
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.concentration import concentration
from stockcust_analysis.measures.cross_sell import multi_product_share
from stockcust_analysis.measures.dormancy import dormancy_rate
from stockcust_analysis.measures.growth import growth_bridge
from stockcust_analysis.measures.retention import customer_retention
from stockcust_analysis.policy import load_policy
from tests.frames import (
    AS_OF,
    Columns,
    as_duckdb,
    as_pandas,
    as_polars,
    as_polars_lazy,
    rows_of,
    two_branches,
)

Make = Callable[[Columns], Any]
BANK = {"branch_id": ["A", "B"], "aum_period_end": [1.0, 2.0]}


def test_kinds_of_result() -> None:
    """Whatever engine went in, one kind of table comes out, which turns into either."""
    for make in (as_pandas, as_polars, as_polars_lazy, as_duckdb):
        result = concentration(make(BANK), base="all")
        assert isinstance(result, Result)
        assert type(result.to_pandas()) is pd.DataFrame
        assert isinstance(result.to_polars(), pl.DataFrame)


@pytest.mark.parametrize("amounts", [[1.0, 2.0], [0.0, 0.0], []])
def test_types_do_not_depend_on_the_data(amounts: list[float]) -> None:
    """N is a whole number, the rest are floats: also when all are empty, or there are no rows."""
    table = pl.DataFrame({"aum_period_end": amounts}, schema={"aum_period_end": pl.Float64})
    result = concentration(table, base="all")
    found = result.to_polars()
    assert found.schema["n"] == pl.Int64
    assert {found.schema[name] for name in ("numerator", "denominator", "value")} == {pl.Float64}
    assert str(result["n"].dtype) == "int64"
    assert str(result["value"].dtype) == "float64"


def test_decimals_in_pandas() -> None:
    """Decimal amounts, as database drivers deliver them, are read like numbers."""
    table = pd.DataFrame({"aum_period_end": [Decimal("1.10"), Decimal("2.20")]})
    row = next(row for row in rows_of(concentration(table, base="all")) if row["measure"] == "gini")
    assert row["denominator"] == pytest.approx(3.3)


def test_policy_amounts_in_cents() -> None:
    """A policy's amount becomes cents without binary drift: 1.15 CNY is 115."""
    assert [cents_of(amount) for amount in (500, 1.15, 0.29, 6_000_000)] == [
        50_000, 115, 29, 600_000_000,
    ]  # fmt: skip


def test_what_is_no_table_is_refused() -> None:
    """A list is not a table."""
    with pytest.raises(UsageError, match="expected a table, given list"):
        concentration([1, 2], base="all")


def test_measures_load_no_heavy_library() -> None:
    """Measures need neither charts, models nor notebooks, nor an engine nobody asked for."""
    heavy = [
        "matplotlib",
        "sklearn",
        "seaborn",
        "papermill",
        "nbconvert",
        "polars",
        "duckdb",
    ]
    code = (
        "import sys, stockcust_analysis.measures.codebook;"
        "import stockcust_analysis.measures.co_holding, stockcust_analysis.measures.growth;"
        f"sys.stdout.write(' '.join(set({heavy}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_what_is_unknown_is_no(make: Make) -> None:
    """A flag of a truth that a join left open is 0, and so is one of an unknown comparison."""
    customers = as_lazy(make({"customer_id": ["1", "2", "3"], "amount": [5.0, 1.0, 2.0]}))
    known = as_lazy(make({"customer_id": ["1", "2"], "asked": [True, False], "role": ["vip", "x"]}))
    table = customers.join(known, on="customer_id", how="left")
    told = table.select(
        "customer_id",
        asked=flag(nw.col("asked").fill_null(False)),
        vip=flag(nw.col("role") == "vip"),
        both=flag((nw.col("role") == "vip") & (nw.col("amount") > 2)),
        kind=flag(nw.col("role") == "vip") * 7,
    )
    rows = collect_rows(told.sort("customer_id"))
    assert rows["asked"] == rows["vip"] == rows["both"] == [1, 0, 0]
    assert rows["kind"] == [7, 0, 0]
    assert told.collect_schema()["asked"] == nw.Int64


def as_arrow(columns: Columns) -> pd.DataFrame:
    """Return a pandas frame whose columns all have Arrow types."""
    return as_pandas(columns).convert_dtypes(dtype_backend="pyarrow")


def as_categories(columns: Columns) -> pd.DataFrame:
    """Return a pandas frame whose labels are categories, one of which nobody has."""
    frame = as_pandas(columns)
    for name in ("customer_id", "branch_id"):
        frame[name] = frame[name].astype("category").cat.add_categories([f"other {len(frame)}"])
    return frame


def as_polars_categories(columns: Columns) -> pl.DataFrame:
    """Return a Polars frame whose branches are of an enumeration of its own."""
    frame = as_polars(columns)
    kind = pl.Enum([f"other {len(frame)}", *frame["branch_id"].unique().sort()])
    return frame.with_columns(pl.col("branch_id").cast(kind))


@pytest.mark.parametrize(
    ("make", "plain"),
    [
        # pyarrow comes with the engines, for which slow tests are made.
        pytest.param(as_arrow, as_pandas, marks=pytest.mark.slow),
        (as_categories, as_pandas),
        (as_polars_categories, as_polars),
    ],
)
def test_types_of_other_readers(make: Make, plain: Make) -> None:
    """Arrow types, categories and enumerations give what plain columns give, of two dates too."""
    customers, _ = two_branches()
    fewer = {name: values[1:] for name, values in customers.items()}
    fewer["as_of"] = [date(2026, 6, 30)] * 7
    calls: list[Callable[[Make], Any]] = [
        lambda table: concentration(table(customers), by="branch_id"),
        lambda table: growth_bridge(table(fewer), table(customers), by="branch_id"),
        lambda table: customer_retention(table(fewer), table(customers), by="branch_id"),
        lambda table: dormancy_rate(
            table(customers), "crm_6m", as_of="2026Q3", by=["branch_id", "customer_type"]
        ),
    ]
    for call in calls:
        assert rows_of(call(make)) == rows_of(call(plain))


@pytest.mark.parametrize("amounts", [[1e15, 1.0], [5e13, 5e13]])
def test_amounts_beyond_exact_cents_are_refused(make: Make, amounts: list[float]) -> None:
    """Amounts that are, or add up to, more than 90 million million CNY are refused, not bent."""
    with pytest.raises(UsageError, match="add up to 90,071,992,547,410 or more"):
        concentration(make({"aum_period_end": amounts}), base="all")


def test_a_customer_in_two_rows_would_count_twice(make: Make) -> None:
    """It is refused by measures of one date as well, with the number of rows and no customer."""
    families = load_policy().families
    held = [f"holds_{name}" for name in families.names]
    held += [f"uses_{name}" for name in families.channel_names]
    ids = {"customer_id": ["7777"] * 2, "last_active_on": [AS_OF] * 2}
    customers = make(BANK | ids | {name: [1, 0] for name in held})
    calls: list[Callable[[], Any]] = [
        lambda: concentration(customers, base="all"),
        lambda: multi_product_share(customers, base="all"),
        lambda: dormancy_rate(customers, "crm_6m", base="all", as_of=AS_OF),
    ]
    for call in calls:
        with pytest.raises(UsageError, match="1 rows repeat a 'customer_id'") as caught:
            call()
        assert "7777" not in str(caught.value)


def test_bare_amounts_count_everybody_and_say_so(make: Make) -> None:
    """A frame that cannot tell who is funded counts everybody; a warning names the way out."""
    with pytest.warns(UserWarning, match=r"'funded' or 'aum_average_quarter' missing.*base='all'"):
        rows = rows_of(concentration(make(BANK)))
    assert {row["base"] for row in rows} == {"all"}


def test_a_base_that_cannot_be_told_is_refused_with_the_way_out(make: Make) -> None:
    """Asked for the funded, a frame of bare amounts is refused, and bank.customers offered."""
    for base in ("funded", "effective", "managed", "established"):
        with pytest.raises(UsageError, match=rf"base '{base}'.*bank\.customers\(quarter\)"):
            concentration(make(BANK), base=base)


def test_pandas_types_do_not_depend_on_the_engine() -> None:
    """A frame of its own: wide whole numbers, days, text and truths, also where cells are empty."""
    days, truths, texts = [date(2026, 9, 30), None], [True, None], ["甲", None]
    bare = duckdb.sql(
        "select date '2026-09-30' d, true t, '甲' s, 1::tinyint n, 1.25::decimal(18,2) m"
        " union all select null, null, null, 2, null"
    )
    own = pl.DataFrame(
        {"d": days, "t": truths, "s": texts, "n": [1, 2], "m": [1.25, None]},
        schema_overrides={"n": pl.Int8},
    )
    for frame in (bare, own, own.lazy()):
        result = to_pandas(frame)
        assert result.dtypes.map(str).to_dict() == {
            "d": "datetime64[us]",
            "t": "object",
            "s": "str",
            "n": "int64",
            "m": "float64",
        }
        assert result["t"].tolist() == truths
        assert result["d"].tolist() == [pd.Timestamp("2026-09-30"), pd.NaT]
        assert result["s"].isna().tolist() == [False, True]
    assert to_pandas(own.clear())["s"].dtype == "str"
