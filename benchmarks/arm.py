"""One engine's run, in a process of its own: `python -m benchmarks.arm sql DATA 2026Q3 OUT`.

Writes the tables as Parquet and what they cost as JSON into OUT. Imports are not timed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import sys
from pathlib import Path
from time import perf_counter, process_time

from benchmarks.answers import tables_of
from benchmarks.asked import Asked
from stockcust_analysis.periods import Quarter

RIVALS = ("sql", "pandas", "polars")
ARMS = ("package", *RIVALS)


def main() -> None:
    """Ask one engine everything once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arm", choices=ARMS)
    parser.add_argument("data", type=Path)
    parser.add_argument("quarter")
    parser.add_argument("out", type=Path)
    parser.add_argument("--memory-limit")
    given = parser.parse_args()
    asked = Asked(given.data, Quarter.parse(given.quarter))
    engine = importlib.import_module(f"benchmarks.by_{given.arm}")
    began = perf_counter(), process_time()
    asks, beyond = began, (0.0, 0.0)
    if given.arm == "package":
        with engine.opened(asked, memory_limit=given.memory_limit) as bank:
            asks = perf_counter(), process_time()
            tables, *beyond = engine.answers(bank, asked)
    else:
        tables = tables_of(engine.sums(asked, memory_limit=given.memory_limit), asked)
    cost = {
        "seconds": perf_counter() - asks[0] - beyond[0],
        "processor_seconds": process_time() - asks[1] - beyond[1],
        "judging_seconds": beyond[0],
        "judging_processor_seconds": beyond[1],
        "opening_seconds": asks[0] - began[0],
        "opening_processor_seconds": asks[1] - began[1],
        "peak_mb": _peak_mb(),
    }
    for name, table in tables.items():
        table.reset_index(drop=True).to_parquet(given.out / f"{name}.parquet")
    (given.out / "cost.json").write_text(json.dumps(cost), encoding="utf-8")


def _peak_mb() -> float:
    """Return the most memory this process has held, in MB of a million bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # a parent's peak would show in getrusage
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    main()
