"""The questions asked of the package: open the bank, evaluate the quarter."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

import pandas as pd

from benchmarks.agreement import tables
from benchmarks.asked import Asked
from stockcust_analysis.bank.source import Bank, open_bank
from stockcust_analysis.evaluation.evaluate import evaluate

_JUDGING = ("_cells", "bridge_cells", "_judged")


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
    module, spent = sys.modules[evaluate.__module__], [0.0, 0.0]
    for name in _JUDGING:
        setattr(module, name, _timed(getattr(module, name), spent))
    told = tables(evaluate(bank, quarter=str(asked.quarter)), asked.quarter)
    return told, spent[0], spent[1]


def _timed(step: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    """Return the step; what it takes is added to what was spent."""

    def timed(*given: Any, **named: Any) -> Any:
        began = perf_counter(), process_time()
        made = step(*given, **named)
        spent[0] += perf_counter() - began[0]
        spent[1] += process_time() - began[1]
        return made

    return timed
