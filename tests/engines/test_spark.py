"""The full evaluation on Spark, and how a bank is found there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stockcust_analysis.bank.sample import make_bank
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.core.engines import SparkEngine
from stockcust_analysis.errors import UsageError
from tests.engines.banks import assert_same, evaluated, in_duckdb, population, with_moves
from tests.reading.test_days import DATES, clean_days, days_of, tiny, without_gaps

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]


def test_a_small_bank_is_the_same_on_spark(spark: Any, tmp_path: Path) -> None:
    """Spark gives what DuckDB gives; the bank is small, for there is no cluster here."""
    tables = make_bank(branches=8, customers=800)
    reference = evaluated(in_duckdb(tables, tmp_path))
    paths = {name: str(tmp_path / f"{name}.parquet") for name in tables}
    assert_same(evaluated(spark, tables=paths), reference)


def test_the_population_is_the_same_on_spark(spark: Any, tmp_path: Path) -> None:
    """So are the report's customers, row by row, those who were handed over among them."""
    tables = with_moves(make_bank(branches=8, customers=800))
    reference = population(in_duckdb(tables, tmp_path))
    paths = {name: str(tmp_path / f"{name}.parquet") for name in tables}
    pd.testing.assert_frame_equal(population(spark, tables=paths), reference)


def test_what_spark_does_not_have_is_said(spark: Any, tmp_path: Path) -> None:
    """A path or a name that leads nowhere is named; so is a session without the tables."""
    with pytest.raises(UsageError, match="Spark cannot read 'nowhere'"):
        open_bank(spark, tables={"branches": "nowhere"})
    with pytest.raises(UsageError, match=r"Spark cannot read '.*gone\.parquet'"):
        open_bank(spark, tables={"branches": str(tmp_path / "gone.parquet")})


def test_a_held_step_is_a_table_of_its_own(spark: Any) -> None:
    """It no longer knows how it was made, or each look would plan that again; released, it goes."""
    engine, held = SparkEngine(), spark.sparkContext._jsc.getPersistentRDDs
    before = held().size()
    step = engine.materialize(spark.range(3).selectExpr("id + 1 AS n"))
    assert step._jdf.queryExecution().analyzed().children().isEmpty()
    twice = engine.materialize(step.selectExpr("n * 2 AS n"))
    assert sorted(row["n"] for row in twice.join(step, "n").collect()) == [2]
    assert held().size() == before + 2
    engine.release(step)
    engine.close()
    assert held().size() == before


def test_what_the_session_says_of_held_steps_stays(spark: Any) -> None:
    """A step is held as it is, but what the caller caches is compressed as his session says."""
    name = "spark.sql.inMemoryColumnarStorage.compressed"
    engine, stated = SparkEngine(), spark.conf.get(name)
    for choice in ("true", "false"):
        spark.conf.set(name, choice)
        engine.materialize(spark.range(3))
        with pytest.raises(Exception, match="DIVIDE_BY_ZERO"):
            engine.materialize(spark.range(3).selectExpr("raise_error('DIVIDE_BY_ZERO') AS n"))
        assert spark.conf.get(name) == choice
    spark.conf.set(name, stated)
    engine.close()


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_moments_are_days_of_the_bank(spark: Any, zone: str) -> None:
    """Midnights of Shanghai are its days, whatever the zone of the session."""
    from pyspark.sql import functions as sf

    session_zone = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", zone)
    frames = {}
    for name, frame in tiny().items():
        rows = [[*map(in_plain_python, row)] for row in frame.itertuples(index=False)]
        kinds = {"f": "double", "M": "string"}
        schema = ", ".join(f"{n} {kinds.get(frame[n].dtype.kind, 'string')}" for n in frame)
        table = spark.createDataFrame(rows, schema)
        midnights = {
            n: sf.to_timestamp(sf.concat(n, sf.lit("+08:00"))) for n in {*DATES} & {*frame}
        }
        frames[name] = table.withColumns(midnights) if midnights else table
    try:
        assert without_gaps(days_of(frames)) == without_gaps(clean_days())
    finally:
        spark.conf.set("spark.sql.session.timeZone", session_zone)


def in_plain_python(cell: Any) -> Any:
    """Return a moment as text, a gap as None, anything else as it is."""
    if pd.isna(cell):
        return None
    return str(cell) if isinstance(cell, pd.Timestamp) else cell
