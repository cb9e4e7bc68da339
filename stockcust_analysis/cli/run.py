"""The main job and what belongs to it: `evaluate`, `report`, `verify`, `worklists`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stockcust_analysis.cli import options
from stockcust_analysis.core.files import Access, access
from stockcust_analysis.errors import UsageError

if TYPE_CHECKING:
    from stockcust_analysis.bank.source import Bank
    from stockcust_analysis.report.plan import ReportOptions

FAILED = 1


def _over_a_quarter(command: Callable[..., None]) -> Callable[..., None]:
    """Call the command with the bank, open, and with the options of a run over its quarter."""

    @wraps(command)
    def run(
        data: str,
        quarter: str,
        mapping: Path | None,
        layout: str | None,
        memory_limit: str,
        file_mode: int,
        group: str,
        out: Path,
        plan: bool = False,
        **requested: Any,
    ) -> None:
        from stockcust_analysis.bank.source import open_bank
        from stockcust_analysis.core.files import SOCKET_PATH, WorkingFolder, all_temporary_files_in
        from stockcust_analysis.report.plan import ReportOptions

        # A grammar of addresses that no notebook has; it takes a second to build.
        sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
        # A scheduler's request to end is the same wish as Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        settings = ReportOptions(quarter=quarter, access=Access(file_mode, group), **requested)
        with (
            WorkingFolder(SOCKET_PATH) as scratch,
            all_temporary_files_in(scratch),
            open_bank(
                data, mapping=mapping, layout=layout or "", memory_limit=memory_limit
            ) as bank,
        ):
            settings = replace(settings, quarter=_resolve(bank, quarter))
            command(bank, settings, out, plan)

    return run


def _resolve(bank: Bank, quarter: str) -> str:
    """Return the quarter; `latest` is the newest the bank has delivered whole."""
    if quarter != "latest":
        return quarter
    if not bank.quarters:
        raise UsageError("no quarter is delivered whole: customers and holdings of its last day.")
    click.echo(f"The latest quarter is {bank.quarters[-1]}.", err=True)
    return str(bank.quarters[-1])


@click.command()
@options.DATA
@options.QUARTER
@options.RUN_OPTIONS
@_over_a_quarter
def evaluate(bank: Bank, settings: ReportOptions, out: Path, _: bool) -> None:
    """Compute the measures of every branch in DATA; no pages."""
    from stockcust_analysis.cli.progress import TerminalProgress
    from stockcust_analysis.report.quarter import write_evaluation

    cache = write_evaluation(bank, settings, out=out, progress=TerminalProgress())
    done = "evaluated into" if cache.is_new else "already evaluated in"
    here, folder = Path.cwd(), cache.folder
    shown = folder.relative_to(here) if folder.is_relative_to(here) else folder
    click.echo(f"{len(cache.evaluation.branches)} branches {done} {shown}.")


@click.command()
@options.DATA
@options.QUARTER
@click.option(
    "--branch", "branches", multiple=True, metavar="ID", help="Only this branch; repeatable."
)
@options.LANGUAGE
@options.WORKERS
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
@options.SHARD
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
@options.RUN_OPTIONS
@_over_a_quarter
def report(bank: Bank, settings: ReportOptions, out: Path, plan: bool) -> None:
    """Make every branch's PDF and work lists, and headquarters' set, from the extracts in DATA.

    Headquarters' set is internal: it has every figure of every branch.

    Only what is missing or changed is made: run the same command again to go on.
    """
    from stockcust_analysis.cli.progress import TerminalProgress, describe_plan, describe_run
    from stockcust_analysis.report.quarter import make_reports, plan_reports

    if plan:
        click.echo(describe_plan(plan_reports(bank, settings, out=out)))
        return
    run = make_reports(bank, settings, out=out, progress=TerminalProgress())
    click.echo(describe_run(run))
    if run.failed or run.missing:
        raise click.exceptions.Exit(FAILED)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--data", type=options.FOLDER, help="Extracts: make everything anew.")
@options.MAPPING
@options.LAYOUT
@options.WORKERS
def verify(
    folder: Path,
    data: Path | None,
    mapping: Path | None,
    layout: str | None,
    workers: int | None,
) -> None:
    """Compare a quarter's FOLDER with its manifest: what changed, what is missing.

    Without --data the files' hashes are compared, and every page is printed anew from its
    executed notebook. With --data the whole quarter is made again and compared.
    """
    from stockcust_analysis.report.quarter import verify_folder

    differences = verify_folder(
        folder, data=data, mapping=mapping, layout=layout or "", workers=workers
    )
    for difference in differences:
        click.echo(difference)
    if differences:
        raise click.exceptions.Exit(FAILED)
    click.echo(f"{folder} is as its manifest says.")


@click.command()
@options.DATA
@click.option(
    "--as-of", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Day of a snapshot."
)
@click.option("--branch", "branches", multiple=True, metavar="ID", help="Only this; repeatable.")
@options.LANGUAGE
@options.POLICY
@options.MAPPING
@options.LAYOUT
@options.MEMORY
@options.FOLDER_OPTIONS
def worklists(
    data: str,
    as_of: datetime,
    policy: str,
    mapping: Path | None,
    layout: str | None,
    memory_limit: str,
    out: Path,
    file_mode: int,
    group: str,
    **requested: Any,
) -> None:
    """Write every branch's work lists alone, for the monthly rhythm."""
    from stockcust_analysis.bank.source import open_bank
    from stockcust_analysis.policy import load_policy
    from stockcust_analysis.report.worklists import make_worklists

    day = as_of.date()
    folder = out / "worklists" / day.isoformat()
    with (
        access(Access(file_mode, group)),
        open_bank(data, mapping=mapping, layout=layout or "", memory_limit=memory_limit) as bank,
    ):
        rules = load_policy(policy)
        files = make_worklists(bank, as_of=day, policy=rules, out=folder, **requested)
    click.echo(f"{len(files)} branches' work lists in {folder}.")
