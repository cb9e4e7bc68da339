"""Running engines in processes of their own, and what is recorded beside the figures."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

from benchmarks.asked import Asked
from stockcust_analysis.atomic import write_text

_PACKAGES = ("duckdb", "narwhals", "numpy", "pandas", "polars", "pyarrow", "stockcust-analysis")
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Cost:
    """What one run cost; `failed` says why there are no figures."""

    seconds: float = 0.0
    processor_seconds: float = 0.0
    judging_seconds: float = 0.0
    judging_processor_seconds: float = 0.0
    opening_seconds: float = 0.0
    opening_processor_seconds: float = 0.0
    peak_mb: float = 0.0
    failed: str = ""


def run(arm: str, asked: Asked, out: Path, *, memory_limit: str | None, most_mb: float) -> Cost:
    """Run one engine in its own process, ended when it holds more than `most_mb`."""
    out.mkdir(parents=True, exist_ok=True)
    limit = ["--memory-limit", memory_limit] if memory_limit else []
    command = [sys.executable, "-m", "benchmarks.arm", arm, str(asked.folder), str(asked.quarter),
               str(out), *limit]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(_ROOT)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        ended = _watch(process, most_mb)
        errors = process.stderr.read() if process.stderr else ""
    if ended:
        return Cost(failed=f"ended at {most_mb:,.0f} MB")
    if process.returncode:
        last = errors.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        return Cost(failed=last[0])
    return Cost(**json.loads((out / "cost.json").read_text(encoding="utf-8")))


def _watch(process: subprocess.Popen[str], most_mb: float) -> bool:
    """Wait for a process; end it when it holds too much, and say so."""
    status = Path(f"/proc/{process.pid}/statm")
    page = os.sysconf("SC_PAGE_SIZE") / 1e6
    while process.poll() is None:
        time.sleep(0.1)
        try:
            held = int(status.read_text().split()[1]) * page
        except (OSError, IndexError):  # ended, or no Linux
            continue
        if held > most_mb:
            process.kill()
            process.wait()
            return True
    return False


def warm(asked: Asked) -> None:
    """Read the bank's files once, so that no engine is the first to fetch them from the disk."""
    for path in asked.folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                while file.read(1 << 24):
                    pass


def summary(costs: list[Cost]) -> dict[str, Any]:
    """Return the medians of several runs, with the runs."""
    failed = [cost.failed for cost in costs if cost.failed]
    if failed:
        return {"failed": failed[0]}
    names = [field.name for field in fields(Cost) if field.name != "failed"]
    middle = {name: round(median(getattr(cost, name) for cost in costs), 3) for name in names}
    return middle | {"runs": [{n: round(getattr(cost, n), 3) for n in names} for cost in costs]}


def bank_size(asked: Asked) -> dict[str, int]:
    """Return how large the bank is, in rows of the quarter asked about."""
    at = ds.field("as_of") == asked.quarter.end

    def rows(table: str) -> int:
        return int(ds.dataset(asked.files(table)).count_rows(filter=at))

    branches = len(asked.csv("branches"))
    return {"customers": rows("customers"), "holdings": rows("holdings"), "branches": branches}


def circumstances() -> dict[str, Any]:
    """Return machine, versions and date."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gb": round(memory / 1e9, 1),
            "system": f"{platform.system()} {platform.machine()}",
            "load_before": round(os.getloadavg()[0], 2),
        },
        "versions": {"python": platform.python_version()} | _versions(),
        "commit": _commit(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines()
             if line.startswith("model name")] if cpuinfo.exists() else []  # fmt: skip
    return names[0] if names else platform.processor()


def _commit() -> str:
    command = ["git", "-C", str(_ROOT), "rev-parse", "--short", "HEAD"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return told.stdout.strip()


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Return the tables an engine wrote."""
    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a result, for people to read as well."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Return k of the line time ~ n^k, by least squares on the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
