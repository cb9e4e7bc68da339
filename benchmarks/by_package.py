"""The questions asked of the package: open the bank, evaluate the quarter."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import pandas as pd

from benchmarks.agreement import tables
from benchmarks.asked import Asked
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.evaluation.evaluate import evaluate


def answers(
    asked: Asked, *, memory_limit: str | None = None
) -> tuple[dict[str, pd.DataFrame], float]:
    """Return the tables of an evaluation, and the seconds it took to open and check the bank."""
    began = perf_counter()
    with open_bank(Path(asked.folder)) as bank:
        if memory_limit:
            bank.connection.execute(f"SET memory_limit = '{memory_limit}'")
        opened = perf_counter() - began
        return tables(evaluate(bank, quarter=str(asked.quarter)), asked.quarter), opened
