"""Memory has a limit, and what is spilled to disk is cleaned up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.core.engines import limited_connection
from stockcust_analysis.core.files import WorkingFolder
from stockcust_analysis.errors import EngineError, UsageError
from tests.tiny_bank import TinyBank


@pytest.mark.parametrize("limit", ["", "much", "0%", "120%", "4", "-1GB"])
def test_a_limit_that_is_no_size_is_refused(limit: str, tiny_bank: TinyBank) -> None:
    """A memory limit is a size with its unit, or a share of the machine."""
    with pytest.raises(UsageError, match="is not a size"):
        open_bank(tiny_bank(), memory_limit=limit)


def test_duckdb_keeps_to_the_limit(place: Path) -> None:
    """A sort of 150 MB under a limit of 50 MB spills into the folder, and gets done.

    DuckDB has nine tenths of the limit, 45,000,000 bytes; the process needs the rest.
    """
    scratch = WorkingFolder()
    connection = limited_connection("50MB", scratch.path)
    shown = connection.sql("SELECT current_setting('memory_limit')").fetchall()[0][0]
    connection.execute("SET threads = 1")
    many = "SELECT hash(i)::VARCHAR || 'xxxxxxxxxxxxxxxxxxxxxxxx' AS a FROM range(3000000) t(i)"
    rows = connection.sql(f"SELECT a FROM ({many}) ORDER BY a")
    rows.create("sorted")
    spilled = list((scratch.path / "spill").iterdir())
    connection.close()
    scratch.remove()
    assert shown == "42.9 MiB"
    assert spilled
    assert list(place.iterdir()) == []


def test_full_memory_and_disk_end_in_one_error(place: Path, tiny_bank: TinyBank) -> None:
    """Where neither memory nor the folder holds a step, the error says which to enlarge."""
    with open_bank(tiny_bank(), memory_limit="60MB") as bank:
        big = "SELECT hash(i)::VARCHAR || repeat('x', 90) AS a FROM range(5000000) t(i)"
        connection = bank._engine.connection  # type: ignore[attr-defined]
        connection.execute("SET max_temp_directory_size = '1MB'; SET threads = 1")
        with pytest.raises(EngineError, match="Raise --memory-limit") as caught:
            bank.materialize(connection.sql(f"SELECT a FROM ({big}) ORDER BY a"))
    assert caught.value.__suppress_context__
    assert list(place.iterdir()) == []


def test_a_forgotten_bank_is_cleaned_up_with_its_process(place: Path, tiny_bank: TinyBank) -> None:
    """Who never closes a bank leaves nothing behind when the program ends."""
    code = "import sys; from stockcust_analysis import open_bank; b = open_bank(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(tiny_bank())], check=True)
    assert list(place.iterdir()) == []
