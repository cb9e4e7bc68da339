"""The questions asked of the package: open the bank, evaluate the quarter."""

from __future__ import annotations

import sys
from time import perf_counter, process_time
from typing import Any

import pandas as pd

from benchmarks.agreement import tables
from benchmarks.asked import Asked
from stockcust_analysis.bank.source import Bank, open_bank
from stockcust_analysis.evaluation.evaluate import evaluate

_JUDGING = "_judged"


def opened(asked: Asked, *, memory_limit: str | None = None) -> Bank:
    """Return the bank, checked against the contract."""
    if memory_limit is None:
        return open_bank(asked.folder)
    return open_bank(asked.folder, memory_limit=memory_limit)


def answers(bank: Bank, asked: Asked) -> tuple[dict[str, pd.DataFrame], float, float]:
    """Return the tables of an evaluation that are compared, and what was spent beyond them.

    Beyond the questions of the rivals the evaluation judges the branches: cell facts, scorecard,
    comparison. That is told in seconds and processor seconds.
    """
    module = sys.modules[evaluate.__module__]
    judge, spent = getattr(module, _JUDGING), [0.0, 0.0]

    def timed(*given: Any, **named: Any) -> Any:
        began = perf_counter(), process_time()
        made = judge(*given, **named)
        spent[:] = perf_counter() - began[0], process_time() - began[1]
        return made

    setattr(module, _JUDGING, timed)
    told = tables(evaluate(bank, quarter=str(asked.quarter)), asked.quarter)
    return told, spent[0], spent[1]
