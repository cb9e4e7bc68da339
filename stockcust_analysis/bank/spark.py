"""A Spark session that somebody else started: tables of its catalogue, or Parquet files."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from importlib.util import find_spec
from typing import Any

from stockcust_analysis.bank.bank import Bank
from stockcust_analysis.bank.contract import TABLES
from stockcust_analysis.bank.mapping import Mapping
from stockcust_analysis.bank.tables import bank_of
from stockcust_analysis.core.engines import SparkEngine, class_names
from stockcust_analysis.errors import UsageError


def open_spark(session: Any, words: Mapping, *, tables: Dictionary[str, str]) -> Bank:
    """Open the tables that a Spark session sees; those named in `tables` must be there."""
    if not (hasattr(session, "read") and hasattr(session, "catalog")):
        raise UsageError(
            f"cannot open a bank from {type(session).__name__}. Give a folder, the URL of a "
            "database, a Spark session, or frames by table name."
        )
    if find_spec("pyarrow") is None:
        raise UsageError('Spark needs pyarrow: pip install "stockcust_analysis[spark]"')
    found = {
        contract.name: _table(session, tables.get(contract.name, contract.name))
        for contract in TABLES
        if contract.name in tables or session.catalog.tableExists(contract.name)
    }
    return bank_of(found, words, SparkEngine(), place="the Spark session", name="bank")


def _table(session: Any, place: str) -> Any:
    """Return a table by its name, or the Parquet files of a path."""
    is_path = "/" in place or place.endswith(".parquet")
    try:
        return session.read.parquet(place) if is_path else session.table(place)
    except Exception as error:
        if "AnalysisException" not in class_names(error):
            raise
        raise UsageError(f"Spark cannot read '{place}'. Is it there?") from None
