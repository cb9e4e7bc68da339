"""A job that is timed in a process of its own: `python -P benchmarks/child.py JOB SOURCE OUT`.

The package is that of the folder in PYTHONPATH, so that a past commit can be timed with this very
file. What the job's phases took, and tables to compare, are written into OUT.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

_SPARK = {"ui.enabled": "false", "ui.showConsoleProgress": "false", "sql.shuffle.partitions": "2"}
MODELS = ("EarlyWarning", "NextProduct", "Segments")
_phases: dict[str, float] = {}


def main() -> None:
    """Do a job once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", help="open, evaluate, spark, sql, …: see run.py")
    parser.add_argument("source", help="bank's folder or URL; of frames and Spark, typed tables")
    parser.add_argument("out", type=Path)
    parser.add_argument("--quarter", default="2026Q3")
    parser.add_argument("--memory-limit", default="")
    parser.add_argument("--master", default="local[2]", help="of Spark")
    parser.add_argument("--branches", nargs="*", default=[], help="of the loop")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.job == "loop":
        pages = [(branch, options.source, options.out) for branch in options.branches]
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            list(pool.map(_print_page, pages))
        return
    answer = _answer_in_sql if options.job == "sql" else _evaluate
    answer = _learn if options.job in MODELS else answer
    for name, table in answer(options).items():
        table.to_parquet(options.out / f"{name}.parquet")
    (options.out / "phases.json").write_text(json.dumps(_phases), encoding="utf-8")


@contextmanager
def _phase(name: str) -> Iterator[None]:
    """Note what the lines inside take."""
    began, used = perf_counter(), sum(os.times()[:4])
    yield
    _phases[f"{name}_seconds"] = perf_counter() - began
    _phases[f"{name}_processor_seconds"] = sum(os.times()[:4]) - used


def _answer_in_sql(options: argparse.Namespace) -> Any:
    from benchmarks.by_sql import answer
    from benchmarks.headline import tables_of

    with _phase("evaluate"):
        folder, limit = Path(options.source), options.memory_limit
        return tables_of(answer(folder, options.quarter, memory_limit=limit))


def _evaluate(options: argparse.Namespace) -> Any:
    """Open a bank and, unless that is all, return the tables of its evaluation."""
    from stockcust_analysis import evaluate, open_bank

    source, more = _source(options)
    if options.memory_limit:
        more["memory_limit"] = options.memory_limit
    with _phase("open"):
        bank = open_bank(source, **more)
    if options.job == "open":
        return {}
    with bank, _phase("evaluate"):
        evaluation = evaluate(bank, quarter=options.quarter)
    return {name: getattr(evaluation, name) for name in ("measures", "migration", "bridge")}


def _learn(options: argparse.Namespace) -> Any:
    """Open a bank, let a model learn from its newest quarters, and rank or divide everybody."""
    import stockcust_analysis
    from stockcust_analysis.models.features import History

    limit = {"memory_limit": options.memory_limit} if options.memory_limit else {}
    model = getattr(stockcust_analysis, options.job)()
    with _phase("open"):
        bank = stockcust_analysis.open_bank(options.source, **limit)
    with bank:
        history = History(bank)
        with _phase("features"):
            for quarter in bank.quarters[-1:] if options.job == "Segments" else bank.quarters:
                history.at(quarter)
        with _phase("fit"):
            newest = {} if options.job == "Segments" else {"until": options.quarter}
            model.learn(history, *[options.quarter] * (not newest), **newest)
        if newest:
            with _phase("predict"):
                rank = {"EarlyWarning": "score_customers", "NextProduct": "rank_customers"}
                getattr(model, rank[options.job])(history, options.quarter)
    return {}


def _source(options: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """Return what is opened, and with which tables."""
    if options.job in ("open", "evaluate"):
        return options.source, {}
    tables = {path.stem: str(path) for path in Path(options.source).glob("*.parquet")}
    if options.job == "spark":
        builder = import_module("pyspark.sql").SparkSession.builder.master(options.master)
        for name, value in _SPARK.items():
            builder = builder.config(f"spark.{name}", value)
        return builder.getOrCreate(), {"tables": tables}
    if options.job == "polars_frames":
        read = import_module("polars").read_parquet
        return {name: read(path) for name, path in tables.items()}, {}
    read = import_module("duckdb").read_parquet
    return {name: read(path).df() for name, path in tables.items()}, {}


def _print_page(job: tuple[str, str, Path]) -> None:
    """Make a branch's page by papermill, nbconvert and headless Chromium."""
    from nbconvert import HTMLExporter
    from papermill import execute_notebook

    branch, evaluation, out = job
    executed = out / f"{branch}.ipynb"
    notebook = Path(__file__).resolve().parents[1] / "notebooks" / "branch_report.ipynb"
    parameters = {"branch_id": branch, "language": "zh", "evaluation": evaluation}
    execute_notebook(notebook, executed, parameters, kernel_name="python3", progress_bar=False)
    html, _ = HTMLExporter(exclude_input=True).from_filename(str(executed))
    page = executed.with_suffix(".html")
    page.write_text(html, encoding="utf-8")
    with tempfile.TemporaryDirectory() as profile:
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu"]
        command += [f"--user-data-dir={profile}", "--no-pdf-header-footer"]
        command += [f"--print-to-pdf={page.with_suffix('.pdf')}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
