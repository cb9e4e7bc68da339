"""The main job and its steps: `sample`, `check`, `evaluate`, `report`, `verify`."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stockcust_analysis.atomic import Access
from stockcust_analysis.cli import options
from stockcust_analysis.cli.progress import Progress, ended, planned
from stockcust_analysis.errors import UsageError

if TYPE_CHECKING:
    from stockcust_analysis.bank.source import Bank

FAILED = 1
MOST_CUSTOMERS = 200_000
"""More are written in pieces, by a tool of the benchmarks."""


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("data/sample"), show_default=True
)
@click.option("--seed", type=int, help="Another seed makes another bank.")
@click.option("--branches", type=click.IntRange(min=10), default=24, show_default=True)
@click.option("--customers", type=click.IntRange(min=1000), default=12_000, show_default=True)
@click.option(
    "--quarters",
    type=click.IntRange(2, 5),
    default=5,
    show_default=True,
    help="How many quarters, the last being 2026Q3.",
)
def sample(out: Path, seed: int | None, branches: int, customers: int, quarters: int) -> None:
    """Make a synthetic bank with all tables and planted stories, of up to 200,000 customers."""
    from stockcust_analysis.bank.sample import SEED, make_bank, write_bank

    if customers > MOST_CUSTOMERS:
        raise UsageError(
            f"customers={customers} is more than is made in memory ({MOST_CUSTOMERS:,}). In a "
            "checkout of the source write a larger bank in pieces: "
            f"python -m benchmarks.bank {out} --customers {customers} --branches {branches}"
        )
    seed = SEED if seed is None else seed
    tables = make_bank(seed, branches=branches, customers=customers, quarters=quarters)
    write_bank(tables, out)
    for name, frame in tables.items():
        click.echo(f"  {name:<18} {len(frame):>13,} rows")
    click.echo(f"Sample bank written to {out}.")


@click.command()
@options.DATA
@options.MAPPING
@options.MEMORY
def check(data: str, mapping: Path | None, memory_limit: str) -> None:
    """Check the extracts in DATA, a folder or a database's URL; every problem at once."""
    from stockcust_analysis.bank.source import open_bank

    with open_bank(data, mapping=mapping, memory_limit=memory_limit) as bank:
        for name in bank.columns:
            click.echo(f"  {name:<18} {bank.rows(name):>9,} rows")
        quarters = ", ".join(map(str, bank.quarters)) or "none"
        click.echo(f"{bank.name} meets the contract. Quarters: {quarters}.")


@click.command()
@options.DATA
@options.QUARTER
@options.POLICY
@options.MAPPING
@options.MEMORY
@options.FIRST
@options.OUT
@options.access
def evaluate(
    data: str,
    quarter: str,
    policy: str,
    mapping: Path | None,
    memory_limit: str,
    first_quarter: bool,
    out: Path,
    file_mode: int,
    group: str,
) -> None:
    """Compute the measures of every branch in DATA; no pages."""
    from stockcust_analysis.bank.source import open_bank
    from stockcust_analysis.report.plan import ReportOptions
    from stockcust_analysis.report.quarter import write_evaluation

    with open_bank(data, mapping=mapping, memory_limit=memory_limit) as bank:
        asked = ReportOptions(
            quarter=_resolved(bank, quarter), policy=policy, first_quarter=first_quarter,
            access=Access(file_mode, group),
        )  # fmt: skip
        ready = write_evaluation(bank, asked, out=out, progress=Progress())
    done = "evaluated into" if ready.is_new else "already evaluated in"
    click.echo(f"{len(ready.evaluation.branches)} branches {done} {_shown(ready.folder)}.")


class Shard(click.ParamType):  # type: ignore[type-arg]  # not generic in older versions of click
    """A part of the branches, written 2/5: the second of five."""

    name = "k/n"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Read '2/5'."""
        if isinstance(value, tuple):
            return value
        number, _, of = str(value).partition("/")
        if not (number.isdigit() and of.isdigit()):
            self.fail(f"'{value}' is not a shard. Write 2/5 for the second of five.", param, ctx)
        return int(number), int(of)


@click.command()
@options.DATA
@options.QUARTER
@click.option(
    "--branch", "branches", multiple=True, metavar="ID", help="Only this branch; repeatable."
)
@options.LANGUAGE
@click.option("--workers", type=click.IntRange(min=1), help="Pages at once. Default: one per core.")
@click.option(
    "--status",
    type=click.Choice(["draft", "reviewed", "issued"]),
    default="draft",
    show_default=True,
    help="Review status (草稿/复核/签发) on every page; changing it prints without running.",
)
@click.option(
    "--brand",
    default="",
    metavar="FILE",
    help="A bank's look on every page: TOML (colours, logo, fonts) or a .typ layout; changing it "
    "prints without running.",
)
@click.option(
    "--circulated",
    is_flag=True,
    help="Also write circulated/: headquarters' set with figures withheld, so that it may leave "
    "the building. It stays up to date from then on.",
)
@click.option("--shard", type=Shard(), default="1/1", help="Make this part of the pages only.")
@click.option("--collect", is_flag=True, help="Make no pages: join what the shards have made.")
@click.option("--force", is_flag=True, help="Make everything anew, even what was issued.")
@click.option("--plan", is_flag=True, help="Say what would be done, and write nothing.")
@click.option(
    "--cell-seconds",
    type=click.FloatRange(min=1),
    default=300,
    show_default=True,
    help="Longest time for one cell of the notebook.",
)
@click.option(
    "--page-seconds",
    type=click.FloatRange(min=1),
    default=1200,
    show_default=True,
    help="Longest time for one branch.",
)
@options.POLICY
@options.MAPPING
@options.MEMORY
@options.FIRST
@options.OUT
@options.access
def report(
    data: str, quarter: str, mapping: Path | None, memory_limit: str, out: Path, plan: bool,
    file_mode: int, group: str, **asked: Any,
) -> None:  # fmt: skip
    """Make every branch's PDF and work lists, and headquarters' set, from the extracts in DATA.

    Headquarters' set is internal: it has every figure of every branch.

    Only what is missing or changed is made: run the same command again to go on.
    """
    from stockcust_analysis.bank.source import open_bank
    from stockcust_analysis.report.plan import ReportOptions
    from stockcust_analysis.report.quarter import make_reports, plan_reports
    from stockcust_analysis.report.scratch import all_temporary_files_in, working_folder

    # A scheduler's request to end is the same wish as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = ReportOptions(quarter=quarter, access=Access(file_mode, group), **asked)
    with (
        working_folder() as scratch,
        all_temporary_files_in(scratch),
        open_bank(data, mapping=mapping, memory_limit=memory_limit) as bank,
    ):
        options = replace(options, quarter=_resolved(bank, quarter))
        if plan:
            click.echo(planned(plan_reports(bank, options, out=out)))
            return
        run = make_reports(bank, options, out=out, progress=Progress())
    click.echo(ended(run))
    if run.failed or run.missing:
        raise click.exceptions.Exit(FAILED)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--data", type=click.Path(path_type=Path), help="Extracts: make everything anew.")
@options.MAPPING
@click.option("--workers", type=click.IntRange(min=1), help="Pages at once. Default: one per core.")
def verify(folder: Path, data: Path | None, mapping: Path | None, workers: int | None) -> None:
    """Compare a quarter's FOLDER with its manifest: what changed, what is missing.

    Without --data the files' hashes are compared, and every page is printed anew from its
    executed notebook. With --data the whole quarter is made again and compared.
    """
    from stockcust_analysis.report.verify import verify_folder

    differences = verify_folder(folder, data=data, mapping=mapping, workers=workers)
    for difference in differences:
        click.echo(difference)
    if differences:
        raise click.exceptions.Exit(FAILED)
    click.echo(f"{folder} is as its manifest says.")


def _resolved(bank: Bank, quarter: str) -> str:
    """Return the quarter asked for; `latest` is the newest the bank has delivered whole."""
    if quarter != "latest":
        return quarter
    if not bank.quarters:
        raise UsageError("no quarter is delivered whole: customers and holdings of its last day.")
    click.echo(f"The latest quarter is {bank.quarters[-1]}.", err=True)
    return str(bank.quarters[-1])


def _shown(path: Path) -> Path:
    """Return a path as a person would write it: from here, if it is below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
