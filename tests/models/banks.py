"""Banks with planted effects and with none, opened once for all tests of models."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from stockcust_analysis.bank.sample import make_bank
from stockcust_analysis.bank.source import Bank, open_bank
from stockcust_analysis.models.features import History
from tests.engines.banks import in_polars

FEW = 1_500
"""Customers enough where nothing need be found: to be refused, and to compare features."""


@cache
def tables_with(effects: Any, customers: int = 6000) -> dict[str, pd.DataFrame]:
    """Return the tables of a small bank with `planted` effects or `none`."""
    tables = make_bank(7, branches=10, customers=customers, effects=effects)
    # By chance two transactions are alike, which opening a bank would warn of.
    return tables | {"transactions": tables["transactions"].drop_duplicates()}


@cache
def bank_with(effects: Any, customers: int = 6000) -> Bank:
    """Return a small bank with `planted` effects or `none`."""
    return open_bank(in_polars(tables_with(effects, customers), Path()))


@cache
def history_with(effects: Any, customers: int = 6000) -> History:
    """Return the bank's history, whose quarters are read once for all tests."""
    return History(bank_with(effects, customers))


def visited(effects: Any, customers: int = 6000) -> list[str]:
    """Return the customers of the campaign: visited on the first day of the last quarter."""
    contacts = tables_with(effects, customers)["contacts"]
    there = (contacts["contacted_on"] == "2026-07-01") & (contacts["channel"] == "visit")
    return contacts.loc[there, "customer_id"].unique().tolist()
