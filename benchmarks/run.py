"""Time the package beside hand-written SQL and a commit of its own, in the same run.

    python -m benchmarks.run engines --bank BANK --json benchmarks/results/engines_10m.json
    python -m benchmarks.run sample report open --commit c115afd --json FILE

Arms are whole processes that take turns; figures are compared before there is a second turn.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pandas as pd
from pypdf import PdfReader

from benchmarks.child import MODELS
from benchmarks.headline import disagreements, package_tables
from benchmarks.table import tables
from benchmarks.timing import ROOT, Arm, Comparison, checkout, circumstances, compare
from stockcust_analysis import make_bank, open_bank

CLI = "from stockcust_analysis.cli import main; main()"
SAMPLE = ROOT / "data" / "sample"


class Run:
    """What the sections share: options, a scratch folder, the past commit's checkout."""

    def __init__(self, options: argparse.Namespace, stack: ExitStack, scratch: Path) -> None:
        self.options, self.stack, self.scratch = options, stack, scratch
        self.past = {name: stack.enter_context(checkout(name, scratch)) for name in options.commit}

    def bank(self, customers: int = 0, branches: int = 500) -> Path:
        """Return the bank given, or one of two quarters written in pieces."""
        if self.options.bank and not customers:
            return Path(self.options.bank).resolve()
        customers = customers or self.options.customers
        folder = self.scratch / f"bank-{customers}-{branches}"
        if not folder.exists():
            size = ["--customers", str(customers), "--branches", str(branches)]
            self.python("-m", "benchmarks.bank", str(folder), *size)
        return folder

    def typed(self, bank: Path) -> Path:
        """Return a folder with each table in one Parquet file, typed as the contract says."""
        folder = self.scratch / f"typed-{bank.name}"
        folder.mkdir(exist_ok=True)
        with open_bank(bank) as opened:
            for name in opened.columns:
                opened.table(name).to_parquet(str(folder / f"{name}.parquet"))
        return folder

    def python(self, *command: str) -> None:
        """Run a command that is not timed."""
        subprocess.run([sys.executable, *command], check=True, cwd=ROOT, stdout=sys.stderr)

    def child(self, job: str, source: Path | str, *more: str) -> list[str]:
        """Return the command of a job in a child."""
        limit = ["--memory-limit", self.options.memory_limit] if self.options.memory_limit else []
        child = ["-P", str(ROOT / "benchmarks" / "child.py"), job, str(source), "{out}"]
        return [*child, "--quarter", self.options.quarter, *limit, *more]

    def cli(self, command: str, data: Path, *more: str) -> list[str]:
        """Return a command of `stockcust`."""
        where = [str(data), "--quarter", self.options.quarter, "--out", "{out}"]
        return ["-P", "-c", CLI, command, *where, *more]

    def beside_commit(self, command: list[str], **more: Any) -> list[Arm]:
        """Return the package and the past commit, doing the same."""
        past = [Arm(name, command, root, **more) for name, root in self.past.items()]
        return [Arm("package", command, **more), *past]

    def facts(self, title: str, bank: Path = SAMPLE) -> dict[str, Any]:
        """Return what is compared, and how many rows the bank has at the end of the quarter."""
        end, size = pd.Period(self.options.quarter).end_time.date(), {}
        for table in ("customers", "holdings"):
            rows = f"read_parquet('{bank}/{table}*.parquet') WHERE as_of = '{end}'"
            size[table] = duckdb.sql(f"SELECT count(*) FROM {rows}").fetchall()[0][0]
        size["branches"] = len(pd.read_csv(bank / "branches.csv"))
        return {"title": title, "size": size}

    def differences(self, outputs: dict[str, Path]) -> list[str]:
        """Return where the arms' figures are not the package's."""
        found = {}
        for arm, out in outputs.items():
            found[arm] = {path.stem: pd.read_parquet(path) for path in out.glob("*.parquet")}
            if "structure" in found[arm]["bridge"]:  # an evaluation, not a rival's answer
                evaluation = SimpleNamespace(**found[arm])
                found[arm] = package_tables(evaluation, self.options.quarter)
        if "package" not in found:
            return ["The package did not finish: nothing can be compared."]
        differences = {arm: disagreements(found["package"], found[arm]) for arm in found}
        return [f"{arm}: {line}" for arm, lines in differences.items() for line in lines]


def engines(run: Run) -> Iterator[Comparison]:
    """A bank's evaluation beside hand-written SQL."""
    bank = run.bank()
    arms = run.beside_commit(run.child("evaluate", bank))
    arms.append(Arm("sql", run.child("sql", bank)))
    for name, root in run.past.items():
        if (root / "benchmarks" / "arm.py").exists():  # its SQL answered every question
            all_questions = ["-m", "benchmarks.arm", "sql", str(bank), run.options.quarter, "{out}"]
            arms.append(Arm(f"{name} SQL", all_questions, root))
    facts = run.facts("Evaluation of two quarters, beside rivals", bank)
    yield Comparison("engines", arms, facts, run.differences)


def sample(run: Run) -> Iterator[Comparison]:
    """The sample bank's evaluation on three engines; the commit's is on DuckDB."""
    arms, typed = run.beside_commit(run.child("evaluate", SAMPLE)), run.typed(SAMPLE)
    arms += [Arm(kind, run.child(f"{kind}_frames", typed)) for kind in ("pandas", "polars")]
    facts = run.facts("Evaluation of the sample bank, by engine")
    yield Comparison("sample", arms, facts, run.differences)


def report(run: Run) -> Iterator[Comparison]:
    """The sample bank's whole set of pages."""
    arms = run.beside_commit(run.cli("report", SAMPLE))
    yield Comparison("report", arms, run.facts("All pages of the sample bank"))


def opening(run: Run) -> Iterator[Comparison]:
    """Opening and checking: a bank, and a table that comes in 200 files of one row."""
    bank, pieces, made = run.bank(), run.scratch / "pieces", make_bank(branches=8, customers=800)
    arms = run.beside_commit(run.child("open", bank))
    yield Comparison("open", arms, run.facts("Opening and checking", bank))
    pieces.mkdir()
    customers = made["customers"].tail(200)
    held = made["holdings"].merge(customers[["customer_id", "as_of"]])
    rows = {f"customers_{row:04d}": customers.iloc[[row]] for row in range(len(customers))}
    for name, table in (rows | {"branches": made["branches"], "holdings": held}).items():
        table.to_csv(pieces / f"{name}.csv", index=False)
    arms = run.beside_commit(run.child("open", pieces))
    facts = {"title": "Opening a table that comes in many files", "size": {"files of one row": 200}}
    yield Comparison("files", arms, facts)


def branches(run: Run) -> Iterator[Comparison]:
    """A bank of thousands of branches: four branches' pages, and headquarters' set alone."""
    bank = run.bank(run.options.many * 100, run.options.many)
    names = pd.read_csv(bank / "branches.csv", dtype=str)["branch_id"][:4]
    four = [word for name in names for word in ("--branch", name)]
    for more, title in ((four, "Pages of four branches"), (["--collect"], "Set for headquarters")):
        arms = run.beside_commit(run.cli("report", bank, *more), exit_codes=(0, 1))
        yield Comparison(title.split()[-1], arms, run.facts(title, bank))


def postgres(run: Run) -> Iterator[Comparison]:
    """The sample bank's evaluation in a local PostgreSQL; the server's own time is not counted."""
    from tests.engines.servers import postgres as start

    server = run.stack.enter_context(start())
    server.load(make_bank())
    arms = run.beside_commit(run.child("evaluate", server.url()))
    facts = run.facts("Evaluation of the sample bank in PostgreSQL")
    yield Comparison("postgres", arms, facts, run.differences)


def spark(run: Run) -> Iterator[Comparison]:
    """A bank's evaluation on Spark, beside DuckDB."""
    bank, master = run.bank(), run.options.master
    arms = run.beside_commit(run.child("spark", run.typed(bank), "--master", master))
    arms.append(Arm("duckdb", run.child("evaluate", bank)))
    facts = run.facts(f"Evaluation of two quarters on Spark ({master.partition(':')[0]})", bank)
    yield Comparison("spark", arms, facts, run.differences)


def models(run: Run) -> Iterator[Comparison]:
    """What models learn from a bank's quarters, and say of all its customers."""
    bank = run.bank()
    arms = [Arm(name, run.child(name, bank)) for name in MODELS]
    yield Comparison("models", arms, run.facts("Models of all customers", bank))


def batch(run: Run) -> Iterator[Comparison]:
    """Pages from an evaluation: this batch, and papermill and nbconvert in a loop with Chromium."""
    ready = run.scratch / "ready"
    run.python(*(word.format(out=ready) for word in run.cli("evaluate", SAMPLE)))
    merged = pd.read_csv(SAMPLE / "branch_successors.csv", dtype=str)["old_branch_id"]
    names = pd.read_csv(SAMPLE / "branches.csv", dtype=str)["branch_id"]
    parts = max(2, len(names) // run.options.pages)  # a part makes no set for headquarters
    names = list(names[~names.isin(merged)][::parts])
    ours = run.cli("report", SAMPLE, "--workers", "2", "--shard", f"1/{parts}")
    loop = run.child("loop", ready / run.options.quarter / "evaluation", "--branches", *names)
    size: dict[str, int] = {"branches": len(names), "workers": 2}

    def count_pages(outputs: dict[str, Path]) -> list[str]:
        for arm, out in outputs.items():
            size[f"pages of {arm}"] = sum(len(PdfReader(page).pages) for page in out.rglob("*.pdf"))
        return []

    arms = [Arm("package", ours, start=ready), Arm("loop", loop)]
    facts = {"title": "A batch of pages, made from an evaluation", "size": size}
    yield Comparison("batch", arms, facts, count_pages)


SECTIONS: dict[str, Callable[[Run], Iterator[Comparison]]] = {
    **{s.__name__: s for s in (engines, sample, report, branches, postgres, spark, models, batch)},
    "open": opening,
}


def main() -> None:
    """Run the sections and write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("sections", nargs="+", choices=SECTIONS)
    parser.add_argument("--bank", help="of engines, open, spark, models; default: one that is made")
    parser.add_argument("--customers", type=int, default=1_000_000, help="of a bank that is made")
    parser.add_argument("--many", type=int, default=3185, help="branches, of branches")
    parser.add_argument("--quarter", default="2026Q3")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--commit", nargs="*", default=[], help="past commits to compare with")
    parser.add_argument("--memory-limit", default="", help="of DuckDB, such as 4GB")
    parser.add_argument("--master", default="local[2]", help="of Spark")
    parser.add_argument("--pages", type=int, default=8, help="branches of the batch")
    parser.add_argument("--limit", type=float, default=3600, help="seconds; ends an arm's run")
    parser.add_argument("--json", type=Path, help="file for the result")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a check-out is not left behind
    result = circumstances() | {"memory_limit": options.memory_limit, "comparisons": {}}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        run = Run(options, stack, Path(folder))
        for comparison in (c for name in options.sections for c in SECTIONS[name](run)):
            costs = compare(comparison, run.scratch, runs=options.runs, limit=options.limit)
            result["comparisons"][comparison.name] = costs
            if options.json:
                options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(tables(result))


if __name__ == "__main__":
    main()
