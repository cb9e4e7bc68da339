"""Servers and sessions that tests of engines share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stockcust_analysis.core.engines import DuckDBEngine
from tests.engines.servers import Server, postgres, spark_session


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    """Start one PostgreSQL server for all tests that leave it running."""
    with postgres() as started:
        yield started


@pytest.fixture(scope="package")
def spark() -> Iterator[Any]:
    """Start one Spark session."""
    with spark_session() as session:
        yield session


@pytest.fixture(scope="package", autouse=True)
def duckdb_measures() -> Iterator[None]:
    """Let DuckDB measure its banks here, as it does those too large for Polars."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DuckDBEngine, "has_room_for", lambda engine, rows: False)
        yield
