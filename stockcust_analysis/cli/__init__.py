"""The command line: `stockcust sample | check | map | lab | evaluate | report | verify | …`.

Exit codes: 0 all done · 1 some branches failed, the others are finished · 2 bad input or usage ·
130 interrupted. Heavy packages are imported inside the commands, so that help is quick.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import click

from stockcust_analysis import __version__
from stockcust_analysis.cli import run, tables
from stockcust_analysis.errors import UNWRITABLE, OutputError, StockcustError, UsageError, say

BAD_INPUT, INTERRUPTED = 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="stockcust")
def cli() -> None:
    """Analyse and report on a bank's existing customers (存量客户)."""


for command in (
    *(tables.sample, tables.check, tables.map_files, tables.contacts, tables.policy, tables.lab),
    *(run.evaluate, run.report, run.deliver, run.verify, run.worklists),
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; errors of this package become one message and exit code 2."""
    chosen = {"language": "zh"}
    warnings.formatwarning = lambda warning, *_, **__: in_chosen("warning", warning)

    def in_chosen(name: str, *said: object) -> str:
        return say(name, *said).text(chosen["language"])

    try:
        code = cli.main(standalone_mode=False, obj=chosen)
    except StockcustError as error:
        click.echo(in_chosen("refusal", error), err=True)
        code = BAD_INPUT
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        click.echo(in_chosen("refusal", _file_error(error)), err=True)
        code = BAD_INPUT
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.UsageError as error:
        error.show()
        code = BAD_INPUT
    except (click.Abort, KeyboardInterrupt, RuntimeError) as error:
        is_query = "Query interrupted" in str(error)  # what DuckDB makes of Ctrl-C in a query
        if not is_query and not isinstance(error, click.Abort | KeyboardInterrupt):
            raise
        click.echo(in_chosen("interrupted"), err=True)
        code = INTERRUPTED
    sys.exit(code or 0)


def _file_error(error: OSError) -> StockcustError:
    """Return what a file that can be neither read nor written means for the person."""
    path = error.filename
    is_there = path and (os.access(path, os.F_OK) or not os.access(Path(path).parent, os.X_OK))
    if is_there and not os.access(path, os.R_OK):
        return UsageError(say("cannot_read", path, error))
    return OutputError.of(error, ".")
