"""The main job and its steps: `sample`, `check`, `evaluate`, `report`."""

from __future__ import annotations

from pathlib import Path

import click

from stockcust_analysis.cli import options
from stockcust_analysis.cli.progress import Progress, pieces_written

FAILED = 1


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
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes for a large bank, of up to 1 GB each. Default: one per core.",
)
def sample(
    out: Path,
    seed: int | None,
    branches: int,
    customers: int,
    quarters: int,
    workers: int | None,
) -> None:
    """Make a synthetic bank with all tables and planted stories.

    With more than 200,000 customers it is written in pieces, several files a table, into a new
    folder; memory does not grow with the bank.
    """
    from stockcust_analysis.bank import sample as bank_sample

    seed = bank_sample.SEED if seed is None else seed
    if customers > bank_sample.HELD_AS_A_WHOLE:
        rows = bank_sample.stream_bank(
            out,
            seed,
            branches=branches,
            customers=customers,
            quarters=quarters,
            workers=workers,
            progress=pieces_written(),
        )
    else:
        tables = bank_sample.make_bank(
            seed, branches=branches, customers=customers, quarters=quarters
        )
        bank_sample.write_bank(tables, out)
        rows = {name: len(frame) for name, frame in tables.items()}
    for name, count in rows.items():
        click.echo(f"  {name:<18} {count:>13,} rows")
    click.echo(f"Sample bank written to {out}.")


@click.command()
@options.DATA
@options.MAPPING
def check(data: Path, mapping: Path | None) -> None:
    """Check the extracts in DATA against the contract; every problem at once."""
    from stockcust_analysis.bank.source import open_bank

    with open_bank(data, mapping=mapping) as bank:
        for name in bank.columns:
            click.echo(f"  {name:<18} {bank.table(name).shape[0]:>9,} rows")
        quarters = ", ".join(map(str, bank.quarters)) or "none"
        click.echo(f"{data} meets the contract. Quarters: {quarters}.")


@click.command()
@options.DATA
@options.QUARTER
@options.POLICY
@options.MAPPING
@options.FIRST
@options.OUT
def evaluate(
    data: Path, quarter: str, policy: str, mapping: Path | None, first_quarter: bool, out: Path
) -> None:
    """Compute the measures of every branch in DATA; no pages."""
    from stockcust_analysis.bank.source import open_bank
    from stockcust_analysis.evaluation.evaluate import evaluate as evaluate_bank

    with open_bank(data, mapping=mapping) as bank:
        evaluation = evaluate_bank(
            bank, quarter=quarter, policy=policy, first_quarter=first_quarter
        )
    folder = out / quarter / "evaluation"
    evaluation.save(folder)
    click.echo(f"{len(evaluation.branches)} branches evaluated into {folder}.")


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
    help="Review status (草稿/复核/签发) printed on every page.",
)
@options.POLICY
@options.MAPPING
@options.FIRST
@options.OUT
def report(
    data: Path,
    quarter: str,
    branches: tuple[str, ...],
    language: str,
    workers: int | None,
    status: str,
    policy: str,
    mapping: Path | None,
    first_quarter: bool,
    out: Path,
) -> None:
    """Make every branch's PDF and headquarters' tables from the extracts in DATA."""
    from stockcust_analysis.bank.source import open_bank
    from stockcust_analysis.report.quarter import ReportOptions, make_reports

    options = ReportOptions(
        quarter=quarter,
        policy=policy,
        branches=branches,
        language=language,
        workers=workers,
        status=status,
        first_quarter=first_quarter,
    )
    with open_bank(data, mapping=mapping) as bank:
        run = make_reports(bank, options, out=out, progress=Progress())
    failed = [result for result in run.results if result.failed]
    for result in failed:
        click.echo(f"Branch {result.branch_id} failed: {result.error}", err=True)
    click.echo(f"{len(run.results) - len(failed)} of {len(run.results)} reports in {run.folder}.")
    if failed:
        raise click.exceptions.Exit(FAILED)
