"""Frames as people have them: every type of column gives every measure the same result."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import pandas as pd
import polars as pl
import pytest

import stockcust_analysis as sca
from stockcust_analysis.bank.contract import table
from stockcust_analysis.core.frames import collect_rows
from tests.frames import as_duckdb, as_pandas, as_polars, two_branches
from tests.reading.test_days import tiny
from tests.tiny_bank import TinyBank

ZONE = "Asia/Shanghai"
Convert = Callable[[Any], Any]
pytestmark = [  # Narwhals on DuckDB, and Ibis
    pytest.mark.filterwarnings("ignore:The inplace keyword"),
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'future.infer_string' option"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]
CUSTOMERS, HOLDINGS = two_branches()
TIERS = ["mid", "high", "mid", "high", "mid", "high", "mid", "high"]
OPENING = {**CUSTOMERS, "aum_period_end": [0.9 * x for x in CUSTOMERS["aum_period_end"]]}
OPENING["as_of"] = [date(2026, 6, 30)] * len(CUSTOMERS["as_of"])
OPENING["tier"], CLOSING = TIERS, {**CUSTOMERS, "tier": sorted(TIERS)}
RULE = "rural_6m_500"
AS_OF = date(2026, 9, 30)

FUNCTIONS: dict[str, Callable[[Callable[[Any], Any]], Any]] = {
    "concentration": lambda frame: sca.concentration(frame(CUSTOMERS), by="branch_id"),
    "lorenz_curve": lambda frame: sca.lorenz_curve(frame(CUSTOMERS)),
    "dormancy_rate": lambda frame: sca.dormancy_rate(
        frame(CUSTOMERS), RULE, as_of=AS_OF, by="branch_id", holdings=frame(HOLDINGS)
    ),
    "dormancy_status": lambda frame: sca.dormancy_status(
        frame(CUSTOMERS), RULE, as_of=AS_OF, holdings=frame(HOLDINGS)
    ),
    "compare_rules": lambda frame: sca.compare_rules(
        frame(CUSTOMERS), [RULE, "crm_6m"], as_of=AS_OF, holdings=frame(HOLDINGS)
    ),
    "multi_product_share": lambda frame: sca.multi_product_share(
        frame(CUSTOMERS), holdings=frame(HOLDINGS), by="branch_id"
    ),
    "penetration": lambda frame: sca.penetration(frame(CUSTOMERS), holdings=frame(HOLDINGS)),
    "products_per_customer": lambda frame: sca.products_per_customer(
        frame(CUSTOMERS), holdings=frame(HOLDINGS)
    ),
    "co_holding": lambda frame: sca.co_holding(frame(CUSTOMERS), holdings=frame(HOLDINGS)),
    "growth_bridge": lambda frame: sca.growth_bridge(
        frame(OPENING), frame(CLOSING), by="branch_id"
    ),
    "migration_matrix": lambda frame: sca.migration_matrix(frame(OPENING), frame(CLOSING)),
    "customer_retention": lambda frame: sca.customer_retention(frame(OPENING), frame(CLOSING)),
}


def with_columns(change: Callable[[pd.Series], pd.Series], kind: str) -> Convert:
    """Return the change of the columns of a pandas frame whose type begins with `kind`."""
    return lambda frame: frame.assign(
        **{name: change(frame[name]) for name in frame if str(frame[name].dtype).startswith(kind)}
    )


def as_objects(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of Python objects: dates, Decimals, texts, and None."""

    def plain(cell: Any) -> Any:
        if isinstance(cell, pd.Timestamp):
            return cell.date()
        return Decimal(str(cell)) if isinstance(cell, float) else cell

    columns = {
        name: pd.Series([None if pd.isna(x) else plain(x) for x in frame[name]], dtype=object)
        for name in frame
    }
    return pd.DataFrame(columns)


def arrow_type(kind: str) -> Convert:
    """Return the change of a pandas column into an Arrow type."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    kinds = {"date": pa.date32(), "money": pa.decimal128(18, 2)}
    return lambda column: column.map(
        lambda cell: Decimal(str(cell)) if isinstance(cell, float) else cell.date(),
        na_action="ignore",
    ).astype(pd.ArrowDtype(kinds[kind]))


as_categories = with_columns(lambda column: column.astype("category"), "str")
PANDAS: dict[str, Convert] = {
    "arrow": lambda frame: (
        pytest.importorskip("pyarrow") and frame.convert_dtypes(dtype_backend="pyarrow")
    ),
    "arrow dates": lambda frame: with_columns(arrow_type("date"), "datetime")(frame),
    "arrow decimals": lambda frame: with_columns(arrow_type("money"), "float")(frame),
    "nullable, moments with a zone": lambda frame: with_columns(
        lambda column: column.dt.tz_localize(ZONE).dt.tz_convert("UTC"), "datetime"
    )(frame.convert_dtypes()),
    "categories, nanoseconds": lambda frame: as_categories(
        with_columns(lambda column: column.astype("datetime64[ns]"), "datetime")(frame)
    ),
    "objects": as_objects,
}
POLARS: dict[str, Convert] = {
    "lazy": lambda frame: frame.lazy(),
    "categories, decimals, moments": lambda frame: frame.with_columns(
        pl.col(pl.String).cast(pl.Categorical),
        pl.col(pl.Float64).cast(pl.Decimal(18, 2)),
        pl.col(pl.Date, pl.Datetime).cast(pl.Datetime("ns")),
    ),
    "enums, moments with a zone": lambda frame: frame.with_columns(
        pl.col(pl.Date, pl.Datetime)
        .cast(pl.Datetime("us"))
        .dt.replace_time_zone(ZONE)
        .dt.convert_time_zone("UTC"),
        *(
            pl.col(name).cast(pl.Enum(sorted({*frame[name].drop_nulls()})))
            for name, kind in frame.schema.items()
            if kind == pl.String
        ),
    ),
}


def casting(kind: str, to: str) -> Convert:
    """Return the change of the columns of a DuckDB relation whose type begins with `kind`."""

    def change(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        typed = zip(relation.columns, map(str, relation.types), strict=True)
        cells = {name: to.format(name) if t.startswith(kind) else name for name, t in typed}
        return relation.project(", ".join(f"{cell} AS {name}" for name, cell in cells.items()))

    return change


def as_enums(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Return a relation whose texts are enums."""
    for name, kind in zip(relation.columns, map(str, relation.types), strict=True):
        if kind == "VARCHAR":
            texts = relation.project(name).filter(f"{name} IS NOT NULL").distinct().fetchall()
            labels = ", ".join(repr(text) for (text,) in texts)
            relation = relation.project(f"* REPLACE ({name}::ENUM({labels}) AS {name})")
    return relation


DUCKDB: dict[str, Convert] = {
    "floats, moments": lambda relation: casting("DECIMAL", "{}::DOUBLE")(
        casting("DATE", "{}::TIMESTAMP")(relation)
    ),
    "enums, moments with a zone": lambda relation: as_enums(
        casting("DATE", f"timezone('{ZONE}', {{}}::TIMESTAMP)")(relation)
    ),
}


def as_arrow(change: Convert, frame: pd.DataFrame) -> Any:
    """Return a PyArrow table."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return pa.Table.from_pandas(change(frame), preserve_index=False)


ARROW: dict[str, Convert] = {
    "plain": partial(as_arrow, lambda frame: frame),
    "dictionaries": partial(as_arrow, as_categories),
    "dates": partial(as_arrow, as_objects),
}
ENGINES: Mapping[str, tuple[Callable[[Any], Any], dict[str, Convert]]] = {
    "pandas": (as_pandas, PANDAS),
    "polars": (as_polars, POLARS),
    "duckdb": (as_duckdb, DUCKDB),
    "pyarrow": (as_pandas, ARROW),
}
# PyArrow comes with the engines, which only the slow tests have.
FORMS = [
    pytest.param(
        engine,
        form,
        id=f"{engine} {form}",
        marks=[pytest.mark.slow] if "arrow" in engine + form else [],
    )
    for engine, (_, forms) in ENGINES.items()
    for form in forms
]


def cells_of(result: Any) -> list[list[str]]:
    """Return a result of any engine as sorted rows of text; dates and moments are alike."""
    if isinstance(result, pd.DataFrame):
        rows: dict[str, Any] = result.to_dict("list")
    else:
        rows = collect_rows(nw.from_native(result).lazy())

    def text(cell: Any) -> str:
        if cell is None or cell is pd.NaT or cell is pd.NA or cell != cell:
            return ""
        if isinstance(cell, (str, bool)):
            return str(cell)
        return str(cell)[:10] if hasattr(cell, "year") else f"{float(cell):.6f}"

    names = sorted(rows)
    return sorted(
        [text(rows[name][index]) for name in names] for index in range(len(rows[names[0]]))
    )


@pytest.fixture(scope="module")
def expected() -> dict[str, list[list[str]]]:
    """Return what every function gives for plain pandas frames, whose figures other tests count."""
    return {name: cells_of(function(as_pandas)) for name, function in FUNCTIONS.items()}


@pytest.mark.parametrize(("engine", "form"), FORMS)
def test_types_do_not_change_a_measure(
    engine: str, form: str, expected: dict[str, list[list[str]]]
) -> None:
    """Arrow types, categories, objects, enums, decimals and moments give the plain figures."""
    make, forms = ENGINES[engine]
    made: dict[int, Any] = {}  # each of the four tables once for all functions

    def frame(columns: Any) -> Any:
        if id(columns) not in made:
            made[id(columns)] = forms[form](make(columns))
        return made[id(columns)]

    for name, function in FUNCTIONS.items():
        result = cells_of(function(frame))
        assert result == expected[name], name


def bank_frames() -> dict[str, pd.DataFrame]:
    """Return the tiny bank with whole numbers, flags, amounts and texts that have gaps."""
    frames = tiny()
    return frames | {
        "customers": frames["customers"].assign(
            active_transactions=pd.array([1, None, 3, 4, 5, 6, 7], dtype="Int64"),
            profile_complete=pd.array([True, None, False] * 2 + [None], dtype="boolean"),
            loan_balance=[1.5, None, 2.25, 0.0, 0.0, 0.0, 0.0],
            groups=[None, "a;b", None, None, "a", None, None],
        )
    }


def polars_of(frame: pd.DataFrame) -> pl.DataFrame:
    """Return a Polars frame without the help of pyarrow."""
    cells = frame.astype(object).where(frame.notna(), None)
    return pl.DataFrame({name: cells[name].tolist() for name in cells})


def duckdb_of(frame: pd.DataFrame) -> duckdb.DuckDBPyRelation:
    """Return a table of DuckDB's default connection."""
    name = f"bank_{next(_NUMBERS)}"
    duckdb.from_df(frame).create(name)
    return duckdb.table(name)


_NUMBERS = count(1)
BANKS: dict[str, Convert] = {
    "pandas": lambda frame: frame,
    "polars": polars_of,
    "duckdb": duckdb_of,
    "pyarrow": lambda frame: frame,
}


def tables_of(source: Any, **more: Any) -> dict[str, list[list[str]]]:
    """Return all cells of a bank."""
    with sca.open_bank(source, **more) as bank:
        return {name: cells_of(bank.table(name)) for name in bank.columns}


@pytest.fixture(scope="module")
def same() -> dict[str, list[list[str]]]:
    """Return all cells of the bank in plain pandas frames."""
    return tables_of(bank_frames())


@pytest.mark.parametrize(("engine", "form"), FORMS)
def test_types_do_not_change_a_bank(
    engine: str, form: str, same: dict[str, list[list[str]]]
) -> None:
    """A bank given as frames of any types is the same bank."""
    convert = ENGINES[engine][1][form]
    frames = {name: convert(BANKS[engine](frame)) for name, frame in bank_frames().items()}
    assert tables_of(frames) == same


def test_an_open_connection_is_only_read(same: dict[str, list[list[str]]]) -> None:
    """Tables and views of a DuckDB connection are opened, and the connection stays as it was."""
    with duckdb.connect() as connection:
        for name, frame in bank_frames().items():
            connection.register("frame", frame)
            connection.execute(f"CREATE TABLE {name} AS FROM frame")
        connection.execute("ALTER TABLE holdings RENAME TO raw; CREATE VIEW dm_hold AS FROM raw")
        before = connection.sql("SHOW TABLES").fetchall()
        found = tables_of(connection, tables={"holdings": "dm_hold"})
        assert found == same
        assert connection.sql("SHOW TABLES").fetchall() == before
        with pytest.raises(sca.StockcustError, match="the connection has no table 'gone'"):
            sca.open_bank(connection, tables={"holdings": "gone"})


def test_a_view_of_a_file_is_the_table_it_shows(tiny_bank: TinyBank) -> None:
    """DuckDB's reader takes a bare cast to itself, and sees the file's text of days and halves."""
    folder, tables, views = tiny_bank(), {}, duckdb.connect()
    for file in folder.glob("*.csv"):
        text = re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\3.\2.\1", file.read_text(encoding="utf-8"))
        file.write_text(text.replace("250.50", "250.125"), encoding="utf-8")
        views.execute(f"CREATE VIEW {file.stem} AS FROM '{file}'")
        views.execute(f"CREATE TABLE t_{file.stem} AS FROM '{file}'")
        tables[file.stem] = f"t_{file.stem}"
    shown = tables_of(views)
    assert shown == tables_of(views, tables=tables)
    cells = {cell for row in shown["customers"] for cell in row}
    assert {"2026-06-30", "2021-07-09", "250.130000"} <= cells


@pytest.mark.slow
@pytest.mark.parametrize("backend", [None, "pyarrow", "numpy_nullable"])
def test_the_sample_opens_as_pandas_reads_it(backend: str | None) -> None:
    """Hundreds of gaps before the first text, flag or date of a column hide no type."""
    pytest.importorskip("pyarrow", reason="pandas reads Parquet with pyarrow")
    folder = Path(__file__).parents[2] / "data" / "sample"
    frames = {
        path.stem: pd.read_parquet(path, **({"dtype_backend": backend} if backend else {}))
        for path in folder.glob("*.parquet")
    }
    for path in folder.glob("*.csv"):
        kinds = {column.name: column.kind for column in table(path.stem).columns}
        frame = frames[path.stem] = pd.read_csv(path, dtype="str")
        for name in frame:
            if kinds[name].name == "DATE":
                frame[name] = pd.to_datetime(frame[name])
            elif kinds[name].is_numeric:
                frame[name] = frame[name].astype(float)
    with (
        sca.open_bank(frames, mapping=folder / "mapping.toml") as bank,
        sca.open_bank(folder) as same,
    ):
        assert {name: bank.rows(name) for name in bank.columns} == {
            name: same.rows(name) for name in same.columns
        }


def test_whole_numbers_with_gaps_may_be_names() -> None:
    """Branch numbers that gaps turned into floats are text; numbers with decimals are named."""
    frames = bank_frames()
    for name in ("branches", "customers"):
        frames[name]["branch_id"] = frames[name]["branch_id"].astype(int)
    frames["holdings"]["booking_branch_id"] = [1.0, None, 2.0] * 2 + [1.0]
    for convert in (BANKS["pandas"], polars_of, duckdb_of):
        with sca.open_bank({name: convert(frame) for name, frame in frames.items()}) as bank:
            rows = collect_rows(nw.from_native(bank.table("holdings")).lazy())
        assert {x for x in rows["booking_branch_id"] if isinstance(x, str)} == {"1", "2"}
        broken = frames | {"holdings": frames["holdings"].assign(booking_branch_id=1.5)}
        with pytest.raises(sca.StockcustError, match="a number with decimals, or of more than 15"):
            sca.open_bank({name: convert(frame) for name, frame in broken.items()})


@pytest.mark.slow
def test_spark_gives_the_same(spark: Any, expected: dict[str, list[list[str]]]) -> None:
    """Measures of Spark frames, their dates as dates and as moments, are the plain ones."""

    def in_spark(columns: Any, kind: str) -> Any:
        frame = spark.createDataFrame(
            as_objects(as_pandas(columns)).to_dict("records"), schema(columns)
        )
        dates = [name for name, type_name in frame.dtypes if type_name == "date"]
        return frame.withColumns({name: frame[name].cast(kind) for name in dates})

    def schema(columns: Any) -> str:
        frame = as_pandas(columns)
        kinds = {"f": "decimal(18,2)", "M": "date", "b": "boolean"}
        return ", ".join(f"{n} {kinds.get(frame[n].dtype.kind, 'string')}" for n in frame)

    for kind in ("date", "timestamp_ntz"):
        for name, function in FUNCTIONS.items():
            if name != "lorenz_curve":
                assert cells_of(function(partial(in_spark, kind=kind))) == expected[name], name
