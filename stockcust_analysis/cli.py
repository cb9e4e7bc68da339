"""The command line: `stockcust sample | check | evaluate | report`.

Exit codes: 0 all done · 1 some branches failed, the others are finished · 2 bad input or usage ·
130 interrupted. Heavy packages are imported inside the commands, so that help is quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stockcust_analysis import __version__
from stockcust_analysis.errors import StockcustError

if TYPE_CHECKING:
    from stockcust_analysis.report.render import PageResult

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

_DATA = click.argument("data", type=click.Path(path_type=Path))
_MAPPING = click.option(
    "--mapping",
    type=click.Path(path_type=Path),
    help="TOML file that renames headers and codes. Default: DATA/mapping.toml, if there is one.",
)
_QUARTER = click.option("--quarter", required=True, help="Quarter to report, such as 2026Q3.")
_POLICY = click.option(
    "--policy",
    default="rural_commercial_bank",
    show_default=True,
    help="Rules in force: a name that ships with the package, or a TOML file.",
)
_OUT = click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("reports"),
    show_default=True,
    help="Folder for the output; the quarter becomes a folder inside it.",
)
_FIRST = click.option(
    "--first-quarter", is_flag=True, help="This is the first quarter there is: compare with none."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="stockcust")
def cli() -> None:
    """Analyse and report on a bank's existing customers (存量客户)."""


@cli.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("data/sample"), show_default=True
)
@click.option("--seed", type=int, help="Another seed makes another bank.")
@click.option("--branches", type=click.IntRange(min=10), default=24, show_default=True)
@click.option("--customers", type=click.IntRange(min=1000), default=12_000, show_default=True)
def sample(out: Path, seed: int | None, branches: int, customers: int) -> None:
    """Make a synthetic bank with all tables and planted stories."""
    from stockcust_analysis.bank import sample as bank_sample

    more = {} if seed is None else {"seed": seed}
    tables = bank_sample.make_bank(branches=branches, customers=customers, **more)
    bank_sample.write_bank(tables, out)
    for name, frame in tables.items():
        click.echo(f"  {name:<18} {len(frame):>9,} rows")
    click.echo(f"Sample bank written to {out}.")


@cli.command()
@_DATA
@_MAPPING
def check(data: Path, mapping: Path | None) -> None:
    """Check the extracts in DATA against the contract; every problem at once."""
    from stockcust_analysis.bank.source import open_bank

    with open_bank(data, mapping=mapping) as bank:
        for name in bank.columns:
            click.echo(f"  {name:<18} {bank.table(name).shape[0]:>9,} rows")
        quarters = ", ".join(map(str, bank.quarters)) or "none"
        click.echo(f"{data} meets the contract. Quarters: {quarters}.")


@cli.command()
@_DATA
@_QUARTER
@_POLICY
@_MAPPING
@_FIRST
@_OUT
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


@cli.command()
@_DATA
@_QUARTER
@click.option(
    "--branch", "branches", multiple=True, metavar="ID", help="Only this branch; repeatable."
)
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
@click.option("--workers", type=click.IntRange(min=1), help="Pages at once. Default: one per core.")
@click.option(
    "--status",
    type=click.Choice(["draft", "reviewed", "issued"]),
    default="draft",
    show_default=True,
    help="Review status (草稿/复核/签发) printed on every page.",
)
@_POLICY
@_MAPPING
@_FIRST
@_OUT
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
        run = make_reports(bank, options, out=out, progress=_Progress())
    failed = [result for result in run.results if result.failed]
    for result in failed:
        click.echo(f"Branch {result.branch_id} failed: {result.error}", err=True)
    click.echo(f"{len(run.results) - len(failed)} of {len(run.results)} reports in {run.folder}.")
    if failed:
        raise click.exceptions.Exit(FAILED)


class _Progress:
    """A bar with time left on a terminal, a plain line per branch in a log."""

    def __init__(self) -> None:
        self._done = 0

    def start(self, total: int) -> None:
        """Say how many pages there will be."""
        self._total = total
        self._bar = (
            click.progressbar(length=total, label="Branches", show_pos=True, file=sys.stderr)
            if sys.stderr.isatty()
            else None
        )

    def __call__(self, result: PageResult) -> None:
        """Note one finished page."""
        self._done += 1
        if self._bar is not None:
            self._bar.update(1)
            return
        state = "failed" if result.failed else "done"
        line = f"[{self._done}/{self._total}] branch {result.branch_id} {state}"
        click.echo(f"{line} in {result.seconds:.1f} s", err=True)

    def finish(self) -> None:
        """Leave the bar's line."""
        if self._bar is not None:
            self._bar.render_finish()


def main() -> None:
    """Run the command line; errors of this package become one message and exit code 2."""
    try:
        code = cli.main(standalone_mode=False)
    except StockcustError as error:
        click.echo(f"stockcust: {error}", err=True)
        code = BAD_INPUT
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.UsageError as error:
        error.show()
        code = BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. Run the same command again to go on.", err=True)
        code = INTERRUPTED
    sys.exit(code or 0)
