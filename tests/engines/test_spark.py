"""The full evaluation on Spark, and how a bank is found there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stockcust_analysis.bank.sample import make_bank
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.errors import UsageError
from tests.engines.banks import assert_same, evaluated, in_duckdb, population

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
    """So are the report's customers, row by row."""
    tables = make_bank(branches=8, customers=800)
    reference = population(in_duckdb(tables, tmp_path))
    paths = {name: str(tmp_path / f"{name}.parquet") for name in tables}
    pd.testing.assert_frame_equal(population(spark, tables=paths), reference)


def test_what_spark_does_not_have_is_said(spark: Any, tmp_path: Path) -> None:
    """A path or a name that leads nowhere is named; so is a session without the tables."""
    with pytest.raises(UsageError, match="Spark cannot read 'nowhere'"):
        open_bank(spark, tables={"branches": "nowhere"})
    with pytest.raises(UsageError, match=r"Spark cannot read '.*gone\.parquet'"):
        open_bank(spark, tables={"branches": str(tmp_path / "gone.parquet")})
