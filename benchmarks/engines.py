"""The whole evaluation of a quarter: the package against hand-written SQL, pandas and Polars.

    python -m benchmarks.engines DATA --runs 3 --json benchmarks/results/engines.json

First every rival must agree with the package on every figure, or nothing is timed. Then the engines
take turns (A B C D, A B C D, …), each run in a process of its own; told are medians, and medians of
the ratios within one turn. Files are read once beforehand, so that all find them in the cache.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.agreement import cells, disagreements
from benchmarks.arm import ARMS
from benchmarks.asked import Asked
from benchmarks.runs import (
    Cost,
    bank_size,
    circumstances,
    read_tables,
    run,
    summary,
    warm,
    write_json,
)
from stockcust_analysis.periods import Quarter


def main() -> int:
    """Check agreement, time, print a table and write the JSON."""
    given = _arguments()
    asked = Asked(given.data, Quarter.parse(given.quarter))
    if not asked.files("customers"):
        print(f"'{given.data}' holds no customers.parquet.", file=sys.stderr)
        return 2
    limits = {"memory_limit": given.memory_limit, "most_mb": given.most_gb * 1000}
    warm(asked)
    with tempfile.TemporaryDirectory() as scratch:
        turns, wrong, compared = _turns(asked, given, limits, Path(scratch))
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    result = {
        **circumstances(),
        "quarter": str(asked.quarter),
        "bank": bank_size(asked),
        "memory_limit": given.memory_limit,
        "figures_compared": compared,
        "engines": {arm: summary([turn[arm] for turn in turns]) for arm in given.arms},
        "package_against": _ratios(turns, given.arms),
    }
    print(_table(result))
    if given.json:
        write_json(given.json, result)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--quarter", default="2026Q3")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--arms", default=",".join(ARMS), type=lambda text: text.split(","))
    parser.add_argument("--memory-limit", help="of the two that run on DuckDB, such as 4GB")
    parser.add_argument("--most-gb", type=float, default=16, help="end an engine that holds more")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _turns(
    asked: Asked, given: argparse.Namespace, limits: dict[str, Any], scratch: Path
) -> tuple[list[dict[str, Cost]], list[str], int]:
    """Return what every turn cost; there is a second turn only if the first one's tables agree."""
    turns: list[dict[str, Cost]] = []
    compared = 0
    for number in range(given.runs):
        turn = {}
        for arm in given.arms:
            turn[arm] = run(arm, asked, scratch / arm, **limits)
            print(f"{number + 1} {arm}: {turn[arm]}", file=sys.stderr, flush=True)
        turns.append(turn)
        if number == 0:
            done = [arm for arm in given.arms if not turn[arm].failed]
            if not done:
                return turns, ["no engine came to an end"], 0
            tables = {arm: read_tables(scratch / arm) for arm in done}
            compared = cells(tables[done[0]])
            wrong = [f"{arm}: {line}" for arm in done[1:]
                     for line in disagreements(tables[done[0]], tables[arm])]  # fmt: skip
            if wrong:
                return turns, wrong, compared
    return turns, [], compared


def _ratios(turns: list[dict[str, Cost]], arms: list[str]) -> dict[str, dict[str, float]]:
    """Return the package's time and memory over each rival's, the median over the turns."""
    if "package" not in arms:
        return {}
    failed = {arm for turn in turns for arm in arms if turn[arm].failed}
    if "package" in failed:
        return {}
    return {
        arm: {
            name: round(median(getattr(turn["package"], name) / getattr(turn[arm], name)
                               for turn in turns), 3)
            for name in ("seconds", "processor_seconds", "peak_mb")
        }
        for arm in arms
        if arm not in {"package", *failed}
    }  # fmt: skip


def _table(result: dict[str, Any]) -> str:
    """Return the result as lines of text."""
    lines = [f"{'engine':<10}{'seconds':>10}{'processor':>11}{'peak MB':>10}{'package / it':>14}"]
    for arm, cost in result["engines"].items():
        if "failed" in cost:
            lines.append(f"{arm:<10}{cost['failed']}")
            continue
        ratio = result["package_against"].get(arm, {}).get("seconds", "")
        lines.append(f"{arm:<10}{cost['seconds']:>10.2f}{cost['processor_seconds']:>11.2f}"
                     f"{cost['peak_mb']:>10,.0f}{ratio:>14}")  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
