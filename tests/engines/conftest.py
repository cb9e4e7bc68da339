"""Servers and sessions that tests of engines share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

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
