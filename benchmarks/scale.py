"""How the time of the whole evaluation grows with the number of customers.

    python -m benchmarks.scale BANK1 BANK10 BANK50 --memory-limit 8GB --json FILE
    python -m benchmarks.scale --customers 1000000,10000000 --branches 500

Banks are folders, or are made by `stockcust sample` in a temporary folder and thrown away. Every
run is a process of its own; told is the exponent k of time ~ n^k.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.arm import ARMS
from benchmarks.asked import Asked
from benchmarks.runs import bank_size, circumstances, exponent, run, summary, warm, write_json
from stockcust_analysis.periods import Quarter


def main() -> int:
    """Time every bank, print a table and write the JSON."""
    given = _arguments()
    told = [_measured(folder, given) for folder in _banks(given)]
    done = [one for one in told if "failed" not in one]
    sizes = [one["customers"] for one in done]
    result = {
        **circumstances(),
        "quarter": given.quarter,
        "engine": given.arm,
        "memory_limit": given.memory_limit,
        "banks": told,
    }
    if len(set(sizes)) > 1:
        for name in ("seconds", "processor_seconds"):
            result[f"exponent_of_{name}"] = round(exponent(sizes, [one[name] for one in done]), 3)
    print(_table(result))
    if given.json:
        write_json(given.json, result)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("banks", nargs="*", type=Path)
    parser.add_argument("--customers", default="", help="sizes of banks to make, with commas")
    parser.add_argument("--branches", type=int, default=500)
    parser.add_argument("--scratch", type=Path, help="where banks are made; default: temporary")
    parser.add_argument("--quarter", default="2026Q3")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--arm", choices=ARMS, default="package")
    parser.add_argument("--memory-limit", help="such as 8GB")
    parser.add_argument("--most-gb", type=float, default=16, help="end a run that holds more")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _banks(given: argparse.Namespace) -> Iterator[Path]:
    """Return the folders given, then those made; one bank is on the disk at a time."""
    yield from given.banks
    for size in filter(None, given.customers.split(",")):
        with tempfile.TemporaryDirectory(dir=given.scratch) as folder:
            command = [sys.executable, "-c", "from stockcust_analysis.cli import main; main()",
                       "sample", "--out", folder, "--customers", size, "--quarters", "2",
                       "--branches", str(given.branches)]  # fmt: skip
            subprocess.run(command, check=True)
            yield Path(folder)


def _measured(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Return what one bank costs."""
    asked = Asked(folder, Quarter.parse(given.quarter))
    warm(asked)
    costs = []
    with tempfile.TemporaryDirectory() as scratch:
        for _ in range(given.runs):
            cost = run(given.arm, asked, Path(scratch), memory_limit=given.memory_limit,
                       most_mb=given.most_gb * 1000)  # fmt: skip
            print(f"{folder.name}: {cost}", file=sys.stderr, flush=True)
            costs.append(cost)
    return bank_size(asked) | summary(costs)


def _table(result: dict[str, Any]) -> str:
    """Return the result as lines of text."""
    lines = [f"{'customers':>12}{'seconds':>10}{'processor':>11}{'peak MB':>10}"]
    for one in result["banks"]:
        figures = one.get("failed") or (f"{one['seconds']:>10.1f}{one['processor_seconds']:>11.1f}"
                                        f"{one['peak_mb']:>10,.0f}")  # fmt: skip
        lines.append(f"{one['customers']:>12,}{figures}")
    lines += [f"{name}: {value}" for name, value in result.items() if name.startswith("exponent")]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
