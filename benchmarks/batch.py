"""Seconds per branch: this batch, a papermill loop with nbconvert, and their commands.

    python -m benchmarks.batch                     # 6 branches of the sample bank, 2 workers
    python -m benchmarks.batch --branches 22 --arms batch loop --json benchmarks/results/batch.json

Every arm runs the same notebook for the same branches, from the same slices of one evaluation,
with the same number of workers:

batch     this package: one process, a thread a worker, kernels forked warm, Typst
loop      a process a worker; papermill.execute_notebook and nbconvert's HTML exporter in a loop,
          printed by headless Chromium (nbconvert's webpdf needs playwright and a download of its
          own browser; this is the same HTML and the same kind of browser, one launch a page)
commands  the same by `papermill …`, `jupyter nbconvert …` and `chromium …` for each branch
cells     the notebook's code alone in a process that has run it before: the floor

All arms run one after the other in one call, because machines are not equally quiet. Every arm's
PDFs are opened and their pages counted. On a machine that is shared, CPU seconds say more than the
clock: run all of it in a control group and name its counter,

    mkdir /sys/fs/cgroup/cpuacct/bench && echo $$ > /sys/fs/cgroup/cpuacct/bench/tasks
    python -m benchmarks.batch --cpu-counter /sys/fs/cgroup/cpuacct/bench/cpuacct.usage

They include each arm's start, spread over its branches.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ARMS = ("cells", "batch", "loop", "commands")
CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome")
                 if (path := shutil.which(name))), "")  # fmt: skip


def main() -> None:
    """Run the arms and print what each took; as JSON too, where a file is named."""
    arguments = parsed()
    if arguments.arm:
        ARM[arguments.arm](json.loads(sys.stdin.read()))
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        tasks = prepared(Path(folder), arguments)
        rows = []
        for arm in arguments.arms:
            before = cpu_seconds(arguments.cpu_counter)
            row = measured(arm, tasks, Path(folder), arguments.workers)
            used = cpu_seconds(arguments.cpu_counter) - before
            rows.append({**row, "cpu_seconds_per_branch": round(used / len(tasks), 3)})
    told = {row["arm"]: row["seconds_per_branch"] for row in rows}
    heads = ("arm", "s/branch", "ratio", "CPU s", "start s", "peak MB", "pages")
    print("{:<10} {:>9} {:>6} {:>7} {:>8} {:>8} {:>6}".format(*heads))
    for row in rows:
        ratio = row["seconds_per_branch"] / told.get("batch", row["seconds_per_branch"])
        print(
            f"{row['arm']:<10} {row['seconds_per_branch']:>9.2f} {ratio:>6.2f} "
            f"{row['cpu_seconds_per_branch']:>7.2f} {row['start_seconds']:>8.1f} "
            f"{row['peak_megabytes']:>8.0f} {row['pages']:>6}"
        )
    if arguments.json:
        from benchmarks.runs import circumstances, write_json

        facts = {"quarter": arguments.quarter, "workers": arguments.workers, "arms": rows}
        write_json(arguments.json, circumstances() | facts)


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", default=ROOT / "data" / "sample", type=Path)
    parser.add_argument("--quarter", default="2026Q3")
    parser.add_argument("--branches", default=6, type=int)
    parser.add_argument("--workers", default=2, type=int)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--cpu-counter", type=Path, help="File of nanoseconds used so far.")
    parser.add_argument("--json", type=Path, help="File for the result.")
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    return parser.parse_args()


def cpu_seconds(counter: Path | None) -> float:
    """Return the CPU time a control group has used; 0 when none is named."""
    return int(counter.read_text()) / 1e9 if counter else 0.0


def prepared(folder: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Evaluate once and return what each branch's page is made from."""
    from stockcust_analysis import evaluate, open_bank, open_evaluation
    from stockcust_analysis.report.cache import slice_folder

    with open_bank(arguments.data) as bank:
        evaluate(bank, quarter=arguments.quarter).save(folder / "evaluation")
    evaluation = open_evaluation(folder / "evaluation")
    branches = evaluation.branches["branch_id"]
    # One more per worker: the first page of a worker pays for its start, and is told apart.
    chosen = list(branches[: arguments.branches + arguments.workers])
    slices = {branch: slice_folder(folder / "evaluation", branch) for branch in chosen}
    for branch, beside in slices.items():
        evaluation.of_branch(branch).save(beside)
    return [
        {"branch_id": branch, "language": "zh", "evaluation": str(beside)}
        for branch, beside in slices.items()
    ]


def measured(arm: str, tasks: list[dict[str, Any]], folder: Path, workers: int) -> dict[str, Any]:
    """Run one arm in processes of its own; its start and its branches are timed apart."""
    out = folder / arm
    out.mkdir()
    shares = (
        [tasks] if arm in ("batch", "commands") else [tasks[n::workers] for n in range(workers)]
    )
    processes, answers = [], []
    for share in shares:
        process = subprocess.Popen(
            [sys.executable, __file__, "--arm", arm],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=out,
        )  # fmt: skip
        process.stdin.write(json.dumps({"tasks": share, "out": str(out), "workers": workers}))
        process.stdin.close()
        processes.append(process)
    with peak_memory([process.pid for process in processes]) as peak:
        for process in processes:
            answers.append(json.loads(process.stdout.read().splitlines()[-1]))
            if process.wait():
                raise SystemExit(f"arm {arm} failed")
    timed = len(tasks) - workers
    seconds = max(answer["seconds"] for answer in answers)
    return {
        "arm": arm,
        "branches": timed,
        "seconds_per_branch": round(seconds / timed, 3),
        "start_seconds": round(max(answer["start"] for answer in answers), 2),
        "peak_megabytes": round(peak()),
        "pages": pages(out, tasks) if arm != "cells" else 0,
    }


def pages(out: Path, tasks: list[dict[str, Any]]) -> int:
    """Count the pages of every branch's PDF; none may be without."""
    from pypdf import PdfReader

    found = [len(PdfReader(path).pages) for path in sorted(out.rglob("*.pdf"))]
    if len(found) != len(tasks) or not all(found):
        raise SystemExit(f"{out.name} made {len(found)} PDFs of {len(tasks)}: {found}")
    return sum(found)


class peak_memory:  # noqa: N801 - used as a function
    """Watch the memory of processes and all they start; call it for the largest sum, in MB."""

    def __init__(self, pids: list[int]) -> None:
        self._pids, self._peak, self._end = pids, 0.0, threading.Event()

    def __enter__(self) -> peak_memory:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def __call__(self) -> float:
        """Return the largest sum so far, in MB."""
        return self._peak / 2**20

    def _watch(self) -> None:
        import psutil

        while not self._end.wait(1.0):
            total = 0
            for pid in self._pids:
                try:
                    top = psutil.Process(pid)
                    family = [top, *top.children(recursive=True)]
                    total += sum(each.memory_full_info().pss for each in family)
                except psutil.Error:
                    continue
            self._peak = max(self._peak, total)


def timed(asked: dict[str, Any], make: Any, *, together: bool) -> None:
    """Make one page per worker, then the rest, and print how long each took."""
    tasks, workers = asked["tasks"], asked["workers"] if together else 1
    with ThreadPoolExecutor(workers) as threads:
        started = time.perf_counter()
        list(threads.map(make, tasks[:workers]))
        between = time.perf_counter()
        list(threads.map(make, tasks[workers:]))
    print(json.dumps({"start": between - started, "seconds": time.perf_counter() - between}))


def run_cells(asked: dict[str, Any]) -> None:
    """Run the notebook's code, and nothing else, one branch after another."""
    import nbformat
    from IPython.core.interactiveshell import InteractiveShell

    from stockcust_analysis.report.records import notebook_path

    shell = InteractiveShell.instance()
    cells = nbformat.read(notebook_path("branch_report"), as_version=4).cells
    code = [
        c.source for c in cells if c.cell_type == "code" and "parameters" not in c.metadata.tags
    ]

    def make(task: dict[str, Any]) -> None:
        shell.user_ns.update(task)
        for source in code:
            # What the cell shows is turned into data, as a kernel does.
            result = shell.run_cell(source, silent=True)
            result.raise_error()
            shell.display_formatter.format(result.result)

    timed(asked, make, together=False)


def run_batch(asked: dict[str, Any]) -> None:
    """Make the pages as this package does."""
    from stockcust_analysis.report.records import notebook_path
    from stockcust_analysis.report.render import PageJob, render_page

    out = Path(asked["out"])

    def make(task: dict[str, Any]) -> None:
        name = task["branch_id"]
        job = PageJob(
            branch_id=name, notebook=notebook_path("branch_report"), parameters=task,
            folder=out / name, failed_folder=out / "failed" / name, record=out / f"{name}.json",
        )  # fmt: skip
        if error := render_page(job).error:
            raise SystemExit(error)

    timed(asked, make, together=True)


def run_loop(asked: dict[str, Any]) -> None:
    """Make the pages with papermill and nbconvert in a loop."""
    import papermill
    from nbconvert import HTMLExporter

    from stockcust_analysis.report.records import notebook_path

    out = Path(asked["out"])

    def make(task: dict[str, Any]) -> None:
        executed = out / f"{task['branch_id']}.ipynb"
        papermill.execute_notebook(
            notebook_path("branch_report"), executed, parameters=task, kernel_name="python3",
            progress_bar=False,
        )  # fmt: skip
        html, _ = HTMLExporter(exclude_input=True).from_filename(str(executed))
        executed.with_suffix(".html").write_text(html, encoding="utf-8")
        print_html(executed.with_suffix(".html"))

    timed(asked, make, together=False)


def run_commands(asked: dict[str, Any]) -> None:
    """Make the pages with one command after another for each branch."""
    from stockcust_analysis.report.records import notebook_path

    out, commands = Path(asked["out"]), Path(sys.executable).parent

    def make(task: dict[str, Any]) -> None:
        executed = out / f"{task['branch_id']}.ipynb"
        given = [word for name, value in task.items() for word in ("-r", name, value)]
        quiet = {"check": True, "capture_output": True}
        subprocess.run(
            [commands / "papermill", notebook_path("branch_report"), executed, "-k", "python3",
             "--no-progress-bar", *given], **quiet,
        )  # fmt: skip
        subprocess.run(
            [commands / "jupyter-nbconvert", "--to", "html", "--no-input", executed], **quiet
        )
        print_html(executed.with_suffix(".html"))

    timed(asked, make, together=True)


def print_html(path: Path) -> None:
    """Print a page with headless Chromium, which has its settings in a folder of its own."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
             "--no-pdf-header-footer", f"--print-to-pdf={path.with_suffix('.pdf')}", path.as_uri()],
            check=True, capture_output=True,
        )  # fmt: skip


ARM = {"cells": run_cells, "batch": run_batch, "loop": run_loop, "commands": run_commands}

if __name__ == "__main__":
    main()
