"""Arms that take turns: whole processes, timed with all they start, compared within turns."""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_GROUP = Path("/sys/fs/cgroup/cpuacct") / f"benchmarks-{os.getpid()}"
_PACKAGES = ("duckdb", "narwhals", "numpy", "pandas", "polars", "pyarrow", "pyspark", "papermill")
Cost = dict[str, float]


class Arm(NamedTuple):
    """What follows `python`, `{out}` being a new folder (a copy of `start`), in a checkout."""

    name: str
    command: list[str]
    root: Path = ROOT
    start: Path | None = None
    exit_codes: tuple[int, ...] = (0,)


class Comparison(NamedTuple):
    """Arms that take turns at one thing; `check` returns how the first turn's outputs differ."""

    name: str
    arms: list[Arm]
    facts: dict[str, Any]
    check: Callable[[dict[str, Path]], list[str]] = lambda outputs: []


def compare(comparison: Comparison, scratch: Path, *, runs: int, limit: float) -> dict[str, Any]:
    """Run the arms in turns, each beginning with another one, and return what they cost."""
    turns: list[dict[str, Cost]] = []
    failed: dict[str, dict[str, str]] = {}
    arms = comparison.arms
    for number in range(runs):
        turns.append({})
        outputs = {arm.name: scratch / f"{comparison.name}-{arm.name}-{number}" for arm in arms}
        for arm in arms[number % len(arms) :] + arms[: number % len(arms)]:
            if arm.name not in failed:
                try:
                    turns[-1][arm.name] = run(arm, outputs[arm.name], limit)
                except RuntimeError as error:
                    failed[arm.name] = {"failed": str(error)}
                cost = turns[-1].get(arm.name, failed.get(arm.name))
                print(f"{comparison.name} {number + 1} {arm.name}: {cost}", file=sys.stderr)
        if not number and (wrong := comparison.check({name: outputs[name] for name in turns[0]})):
            raise SystemExit("\n".join(wrong))
        for out in outputs.values():
            shutil.rmtree(out, ignore_errors=True)
    costs, ratios = {}, {}
    ran = [arm.name for arm in arms if arm.name not in failed]
    for name in ran:
        costs[name] = _spread([turn[name] for turn in turns])
        if name != "package" in ran:
            within = [(turn["package"], turn[name].items()) for turn in turns]
            ratios[name] = _spread([{k: p.get(k, 0) / v for k, v in c if v} for p, c in within])
    return {**comparison.facts, "arms": costs | failed, "package_over": ratios}


def _spread(costs: list[Cost]) -> dict[str, list[float]]:
    """Return the median, least and most of what is in all."""
    names = [name for name in costs[0] if all(name in cost for cost in costs)]
    values = {name: [cost[name] for cost in costs] for name in names}
    return {n: [round(f(v), 3) for f in (median, min, max)] for n, v in values.items()}


def run(arm: Arm, out: Path, limit: float) -> Cost:
    """Run an arm once with all it starts; RuntimeError if it fails or exceeds `limit` seconds.

    Processor seconds are those of all processes where a control group can be made, else of those
    that were waited for; peak memory is that of the largest process, and no less than this one's.
    """
    out.mkdir()
    if arm.start:
        shutil.copytree(arm.start, out, dirs_exist_ok=True)
    command = ["timeout", "--foreground", "--signal=KILL", str(limit), sys.executable]
    command += [word.format(out=out) for word in arm.command]
    environment = os.environ | {"PYTHONPATH": str(arm.root)}
    log = out.with_suffix(".log")
    with _processor_counter() as (join, read), log.open("wb") as output:
        before, began = read(), time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, cwd=arm.root, stdout=output, stderr=output, preexec_fn=join
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds, processor = time.perf_counter() - began, read() - before
    if seconds >= limit:
        raise RuntimeError(f"not finished in {limit:,.0f} seconds")
    if process.returncode not in arm.exit_codes:
        last = log.read_text(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeError(f"exit code {process.returncode}: {last}")
    cost = {"seconds": seconds, "processor_seconds": processor}
    cost["peak_mb"] = usage.ru_maxrss * 1024 / 1e6
    phases = out / "phases.json"
    return cost | (json.loads(phases.read_text()) if phases.exists() else {})


@contextmanager
def _processor_counter() -> Iterator[tuple[Callable[[], Any], Callable[[], float]]]:
    """Yield what a new process calls to be counted, and what reads the processor seconds."""
    try:
        _GROUP.mkdir()
    except OSError:
        children = resource.RUSAGE_CHILDREN
        yield lambda: None, lambda: sum(resource.getrusage(children)[:2])
        return
    members, usage = _GROUP / "cgroup.procs", _GROUP / "cpuacct.usage"
    try:
        yield lambda: members.write_text("0"), lambda: int(usage.read_text()) / 1e9
    finally:
        while pids := members.read_text().split():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.1)
        _GROUP.rmdir()


@contextmanager
def checkout(commit: str, scratch: Path) -> Iterator[Path]:
    """Yield a work tree of a commit, with its own entry points; removed in the end."""
    git, path = ["git", "-C", str(ROOT), "worktree"], scratch / f"commit-{commit}"
    subprocess.run([*git, "add", "--detach", path, commit], check=True, capture_output=True)
    try:
        register(path)
        yield path
    finally:
        subprocess.run([*git, "remove", "--force", path], check=True, capture_output=True)


def register(root: Path) -> None:
    """Give a checkout's folder the entry points that its installation would have.

    The environment knows those of the package installed there, whose modules another commit may
    lack; what stands earlier in the path wins.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = root / f"{project['name']}-{version(project['name'])}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\n", encoding="utf-8")
    groups = {**project.get("entry-points", {}), "console_scripts": project.get("scripts", {})}
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[{group}]", *(f"{name} = {target}" for name, target in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def circumstances() -> dict[str, Any]:
    """Return date, commit, machine and versions."""
    describe = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(describe, capture_output=True, text=True, check=True).stdout.strip()
    processor = re.search("model name.*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    versions = [f"{name} {version(name)}" for name in _PACKAGES if find_spec(name)]
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit,
        "machine": f"{processor[1] if processor else ''}, {os.cpu_count()} cores, {memory:.0f} GB",
        "versions": ", ".join([f"Python {platform.python_version()}", *versions]),
        "load_before": os.getloadavg()[0],
    }
