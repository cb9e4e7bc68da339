"""Days are days: a moment with a time zone is the local day of the bank, on every machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb
import narwhals.stable.v2 as nw
import pandas as pd
import polars as pl
import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.core.frames import as_lazy, collect_rows
from stockcust_analysis.errors import BankDataError, UsageError
from tests.tiny_bank import BRANCHES, CUSTOMERS, HOLDINGS, write_tiny_bank

pytestmark = [  # Ibis's
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'future.infer_string' option"),
]
DATES = ["as_of", "relationship_since", "last_active_on"]
ZONE = "Asia/Shanghai"
Form = Callable[[pd.DataFrame], pd.DataFrame]


def tiny() -> dict[str, pd.DataFrame]:
    """Return the tiny bank as pandas reads it, its dates as moments without a zone."""
    texts = {"branches": BRANCHES, "customers": CUSTOMERS, "holdings": HOLDINGS}
    frames = {k: pd.read_csv(StringIO(v), dtype={"branch_id": "str"}) for k, v in texts.items()}
    for frame in frames.values():
        for name in {*DATES} & {*frame}:
            frame[name] = pd.to_datetime(frame[name])
    return frames


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame as it is: moments without a zone."""
    return frame


def aware(frame: pd.DataFrame, zone: str = ZONE) -> pd.DataFrame:
    """Return the customers with local midnights of Shanghai, shown in a zone."""
    for name in {*DATES} & {*frame}:
        frame[name] = frame[name].dt.tz_localize(ZONE).dt.tz_convert(zone)
    return frame


def aware_objects(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the customers with moments with a zone that are Python objects."""
    frame = aware(frame)
    for name in {*DATES} & {*frame}:
        frame[name] = frame[name].astype(object)
    return frame


def arrow_backed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the customers in pandas' Arrow types."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return aware(frame).convert_dtypes(dtype_backend="pyarrow")


FORMS: dict[str, Form] = {
    "plain": plain,
    "aware": aware,
    "aware in UTC": partial(aware, zone="UTC"),
    "aware objects": aware_objects,
    "arrow-backed": arrow_backed,
}


def in_pandas(form: Form, _: Path) -> Any:
    """Return pandas frames."""
    return {name: form(frame) for name, frame in tiny().items()}


def in_polars(form: Form, _: Path) -> Any:
    """Return Polars frames."""
    frames = {}
    for name, frame in tiny().items():
        cells = form(frame).astype(object)
        frames[name] = pl.DataFrame(
            {n: cells[n].where(cells[n].notna(), None).tolist() for n in cells}
        )
    return frames


def in_parquet(form: Form, folder: Path, kind: str = "TIMESTAMP") -> Any:
    """Return a folder of Parquet files; moments with a zone are stored in UTC."""
    for name, frame in tiny().items():
        moments = [n for n in DATES if n in frame]
        stored = f"timezone('{ZONE}', COLUMNS({moments})::TIMESTAMP)"
        cast = stored if form is not plain else f"COLUMNS({moments})::{kind}"
        others = f"* EXCLUDE ({', '.join(moments)})" if moments else "*"
        query = f"SELECT {others}{f', {cast}' if moments else ''} FROM frame"
        duckdb.sql(query).write_parquet(str(folder / f"{name}.parquet"))
    return folder


def in_int96(form: Form, folder: Path) -> Any:
    """Return a folder of Parquet files whose moments have the old type that knows no zone."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    for name, frame in tiny().items():
        table = pa.Table.from_pandas(form(frame), preserve_index=False)
        path = folder / f"{name}.parquet"
        parquet.write_table(table, path, use_deprecated_int96_timestamps=True)
    return folder


def in_duckdb(form: Form, folder: Path) -> Any:
    """Return a DuckDB database."""
    in_parquet(form, folder)
    with duckdb.connect(str(folder / "bank.duckdb")) as connection:
        for name in tiny():
            connection.execute(f"CREATE TABLE {name} AS FROM '{folder / name}.parquet'")
    return f"duckdb://{folder / 'bank.duckdb'}"


def in_ibis(form: Form, folder: Path) -> Any:
    """Return tables of Ibis."""
    ibis = pytest.importorskip("ibis", reason="ibis is not installed")
    in_parquet(form, folder)
    backend = ibis.duckdb.connect()
    return {name: backend.read_parquet(folder / f"{name}.parquet") for name in tiny()}


PLACES = {
    "pandas": in_pandas,
    "polars": in_polars,
    "parquet": in_parquet,
    "parquet in nanoseconds": partial(in_parquet, kind="TIMESTAMP_NS"),
    "parquet in seconds": partial(in_parquet, kind="TIMESTAMP_S"),
    "parquet as INT96": in_int96,
    "duckdb": in_duckdb,
    "ibis": in_ibis,
}


NEED_ENGINES = {"arrow-backed", "parquet as INT96", "ibis"}
"""What is made with PyArrow or Ibis, which only the slow tests have."""


# DuckDB, which writes these, writes moments with a zone in UTC and in one precision alone.
WRITTEN_BY_SQL = dict.fromkeys(("parquet", "duckdb", "ibis"), ("plain", "aware"))
WRITTEN_BY_SQL |= {name: ("plain",) for name in PLACES if name.startswith("parquet in ")}


def case(*named: tuple[str, Any]) -> Any:
    """Return a case of a test under its names."""
    names, values = zip(*named, strict=True)
    slow = [pytest.mark.slow] if NEED_ENGINES & {*names} else []
    return pytest.param(*values, id="-".join(names), marks=slow)


def days_of(source: Any, **more: Any) -> list[tuple[str, ...]]:
    """Return the dates of all customers as text."""
    with open_bank(source, **more) as bank:
        rows = collect_rows(nw.from_native(bank.table("customers")).lazy())
    dates = [[str(day)[:10] for day in rows[name]] for name in DATES]
    return sorted(zip(rows["customer_id"], *dates, strict=True))


def clean_days() -> list[tuple[str, ...]]:
    """Return the dates of all customers as the tiny bank's text writes them."""
    frame = tiny()["customers"]
    dates = [[str(day)[:10] for day in frame[name]] for name in DATES]
    return sorted(zip(frame["customer_id"], *dates, strict=True))


def without_gaps(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return rows whose empty cells are written alike."""
    return [tuple("" if cell in ("NaT", "None") else cell for cell in row) for row in rows]


@pytest.mark.parametrize(
    ("place", "form"),
    [
        case(place, (name, FORMS[name]))
        for place in PLACES.items()
        for name in WRITTEN_BY_SQL.get(place[0], FORMS)
    ],
)
def test_moments_are_the_same_days(place: Any, form: Form, tmp_path: Path) -> None:
    """Midnights of Shanghai are its days, however they are stored and in whatever zone shown."""
    source = place(form, tmp_path)
    assert without_gaps(days_of(source)) == without_gaps(clean_days())


def test_the_zone_of_the_machine_does_not_matter(tmp_path: Path) -> None:
    """A machine in New York reads the same days from frames, Parquet files and databases."""
    in_parquet(aware, tmp_path)
    in_duckdb(aware, tmp_path)
    code = """
import sys; from pathlib import Path; from tests.reading.test_days import *
folder = Path(sys.argv[1])
sources = [folder, f"duckdb://{folder}/bank.duckdb"]
sources += [in_pandas(aware, folder), in_polars(aware, folder)]
assert all(without_gaps(days_of(source)) == without_gaps(clean_days()) for source in sources)
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "TZ": "America/New_York"},
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    "place", [case(one) for one in PLACES.items() if "aware" in WRITTEN_BY_SQL.get(one[0], FORMS)]
)
def test_a_moment_within_a_day_is_named(place: Any, tmp_path: Path) -> None:
    """UTC midnights are eight in the morning in Shanghai: refused, until the mapping says UTC."""

    def utc(frame: pd.DataFrame) -> pd.DataFrame:
        for name in {*DATES} & {*frame}:
            frame[name] = frame[name].dt.tz_localize("UTC")
        return frame

    global ZONE
    ZONE, zone = "UTC", ZONE
    try:
        source = place(utc, tmp_path)
    finally:
        ZONE = zone
    if place is in_int96:  # midnight is midnight: the old type says no zone
        assert without_gaps(days_of(source)) == without_gaps(clean_days())
        return
    with pytest.raises(BankDataError, match="a moment within a day where a day belongs") as caught:
        open_bank(source)
    assert 'zone = "Asia/Shanghai"' in str(caught.value)
    assert "C1" not in str(caught.value)
    mapping = tmp_path / "house.toml"
    mapping.write_text('zone = "UTC"\n')
    assert without_gaps(days_of(source, mapping=mapping)) == without_gaps(clean_days())


def test_an_unknown_zone_is_said(tmp_path: Path) -> None:
    """A zone that there is not is one clear error of the mapping."""
    (tmp_path / "mapping.toml").write_text('zone = "Beijing"\n')
    with pytest.raises(BankDataError, match=r"unknown zone 'Beijing'. Write one such as"):
        open_bank(write_tiny_bank(tmp_path))


@pytest.mark.parametrize("place", [in_pandas, in_polars], ids=["pandas", "polars"])
@pytest.mark.parametrize(
    ("day", "is_sentinel"),
    [
        ("0001-01-01", True),
        ("1900-01-01", True),
        ("9999-12-31", True),
        ("0202-06-01", False),
    ],
)
def test_sentinels_in_frames_are_no_days(
    place: Any, day: str, is_sentinel: bool, tmp_path: Path
) -> None:
    """A day by which systems write that there is none is empty; one out of the span is refused."""

    def with_birth_dates(frame: pd.DataFrame) -> pd.DataFrame:
        if "aum_period_end" in frame:
            frame["birth_date"] = pd.Series([datetime.fromisoformat(day)] * len(frame))
        return frame

    source = place(with_birth_dates, tmp_path)
    if not is_sentinel:
        with pytest.raises(BankDataError, match=r"birth_date: 7 rows.*: a year before 1900 or"):
            open_bank(source)
        return
    with open_bank(source) as bank:
        rows = collect_rows(nw.from_native(bank.table("customers")).lazy())
    assert {str(value) for value in rows["birth_date"]} <= {"None", "NaT"}


def test_headers_that_are_no_text_are_passed_over() -> None:
    """Only a column of the contract is looked for; two of one name are one clear error."""
    frames = {name: plain(frame) for name, frame in tiny().items()}
    frames["customers"][5] = 1
    open_bank(frames).close()
    frames["customers"] = pd.concat([frames["customers"], frames["customers"]], axis=1)
    with pytest.raises(UsageError, match="customers: a frame has two columns of one name, '5',"):
        open_bank(frames)


def day_first(text: str) -> str:
    """Return a table of text with its days as Britons write them."""
    return re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\3/\2/\1", text)


def test_days_with_the_year_last_are_read_by_the_order_that_the_mapping_states(
    tmp_path: Path,
) -> None:
    """31/12/2026 alone is a problem that names `date_order`; with it the bank is the same."""
    tables = {"customers": day_first(CUSTOMERS), "holdings": day_first(HOLDINGS)}
    folder = write_tiny_bank(tmp_path, **tables)
    with pytest.raises(BankDataError, match="State the table's date_order") as caught:
        open_bank(folder)
    problem = next(p for p in caught.value.problems if p.column == "last_active_on")
    assert problem.rows == 5
    assert "请在映射文件中为该表写明date_order" in problem.text("zh")
    mapping = '[tables.customers]\ndate_order = "dmy"\n[tables.holdings]\ndate_order = "dmy"\n'
    (folder / "mapping.toml").write_text(mapping, encoding="utf-8")
    plain_folder = tmp_path / "plain"
    plain_folder.mkdir()
    with open_bank(folder) as bank, open_bank(write_tiny_bank(plain_folder)) as same:
        read, expected = (collect_rows(as_lazy(each.table("customers"))) for each in (bank, same))
        assert {name: [*read[name]] for name in DATES} == {n: [*expected[n]] for n in DATES}
        assert bank.days("holdings") == same.days("holdings")


def test_days_of_text_in_a_database_are_read_by_the_stated_order(tmp_path: Path) -> None:
    """A DuckDB table may hold days as text; `date_order` says of them what it says of files."""
    path, mapping = tmp_path / "bank.duckdb", tmp_path / "mapping.toml"
    texts = {"branches": BRANCHES, "customers": day_first(CUSTOMERS), "holdings": HOLDINGS}
    with duckdb.connect(str(path)) as connection:
        for name, text in texts.items():
            frame = pd.read_csv(StringIO(text), dtype=str)
            connection.register("frame", frame)
            connection.execute(f"CREATE TABLE {name} AS FROM frame")
    mapping.write_text('[tables.customers]\ndate_order = "dmy"\n', encoding="utf-8")
    with open_bank(f"duckdb://{path}", mapping=mapping) as bank:
        assert [str(quarter) for quarter in bank.quarters] == ["2026Q2", "2026Q3"]
