"""The command line: `stockcust sample | check | map | lab | evaluate | report | verify | …`.

Exit codes: 0 all done · 1 some branches failed, the others are finished · 2 bad input or usage ·
130 interrupted. Heavy packages are imported inside the commands, so that help is quick.
"""

from __future__ import annotations

import os
import sys
import warnings

import click

from stockcust_analysis import __version__
from stockcust_analysis.cli import run, tables
from stockcust_analysis.errors import UNWRITABLE, OutputError, StockcustError, UsageError

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
    warnings.formatwarning = lambda warning, *_, **__: _say("warning", warning, chosen)
    try:
        code = cli.main(standalone_mode=False, obj=chosen)
    except StockcustError as error:
        click.echo(_say("refusal", error, chosen), err=True)
        code = BAD_INPUT
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        click.echo(f"stockcust: {_file_error(error)}", err=True)
        code = BAD_INPUT
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.UsageError as error:
        error.show()
        code = BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        code = _interrupted()
    except RuntimeError as error:
        if "Query interrupted" not in str(error):  # what DuckDB makes of Ctrl-C in a query
            raise
        code = _interrupted()
    sys.exit(code or 0)


def _say(name: str, said: Exception | str, chosen: dict[str, str]) -> str:
    """Return an error or a warning in the language chosen, as far as it has words in it."""
    from stockcust_analysis.bank.words import say

    return say(name, said).text(chosen["language"])


def _file_error(error: OSError) -> StockcustError:
    """Return what a file that can be neither read nor written means for the person."""
    path = error.filename
    if path and os.access(path, os.F_OK) and not os.access(path, os.R_OK):
        return UsageError(f"cannot read '{path}': {error.strerror}. Ask for the right to read it.")
    return OutputError.of(error, ".")


def _interrupted() -> int:
    click.echo("Interrupted. Run the same command again to go on.", err=True)
    return INTERRUPTED
