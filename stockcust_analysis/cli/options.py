"""Arguments and options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from stockcust_analysis.core.files import read_mode
from stockcust_analysis.errors import UsageError, say

Command = Callable[..., None]


class ReadFolder(click.Path):
    """A folder that can be listed; the error says why one cannot."""

    def convert(self, value: Any, param: object, ctx: object) -> Any:
        """Return its path."""
        try:
            os.scandir(value).close()
        except OSError as error:
            raise UsageError(say("folder_unread", value, error)) from None
        return Path(value)


# What an option is worth that nobody gives is said in the help.
with_default = partial(click.option, show_default=True)
DAY = click.DateTime(["%Y-%m-%d"])
PATH = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)
DATA = click.argument("data", type=click.Path())  # or the URL of a database
MAPPING = click.option(
    "--mapping",
    type=PATH,
    help="TOML file that renames headers and codes. Default: DATA/mapping.toml, if there is one.",
)
LAYOUT = click.option(
    "--layout",
    type=click.Choice(["east5"]),
    help="What the files are, if not the contract's: east5, the monthly tables of EAST 5.0.",
)
MEMORY = with_default(
    "--memory-limit",
    default="60%",
    help="Memory to keep to: 4GB, or a share of the machine. What exceeds it is spilled to disk.",
)
QUARTER = click.option(
    "--quarter", default="", help="Quarter to report, such as 2026Q3, or `latest`."
)
AS_OF = click.option(
    "--as-of",
    type=DAY,
    metavar="MONTH_END",
    help="Instead of a quarter: the quarter up to this month's last day (季中).",
)
POLICY = with_default(
    "--policy",
    default="rural_commercial_bank",
    help="Rules in force: a name that ships with the package, or a TOML file.",
)
OUT = with_default(
    "--out",
    type=PATH,
    default=Path("reports"),
    help="Folder for the output; the quarter becomes a folder inside it.",
)


def chosen_language() -> str:
    """Return the language of the command that runs."""
    context = click.get_current_context(silent=True)
    return str(((context and context.obj) or {}).get("language", "zh"))


def tell(name: str, *facts: object, err: bool = False) -> None:
    """Print words in the command's language."""
    click.echo(say(name, *facts).text(chosen_language()), err=err)


def _speak(context: click.Context, _: click.Parameter, language: str) -> str:
    """Keep the language, in which errors and warnings are said, too."""
    context.ensure_object(dict)["language"] = language
    return language


def _language(**more: Any) -> Callable[[Command], Command]:
    """Return the option that names it."""
    more |= {"type": click.Choice(["zh", "en"]), "default": "zh"}
    return with_default("--language", callback=_speak, is_eager=True, **more)


def seconds(name: str, default: int, what: str) -> Callable[[Command], Command]:
    """Return the option that limits a time."""
    return with_default(name, type=click.FloatRange(min=1), default=default, help=what)


LANGUAGE = _language()
MESSAGES = _language(expose_value=False, help="Language of what is printed.")
FIRST = click.option(
    "--first-quarter", is_flag=True, help="This is the first quarter there is: compare with none."
)
WORKERS = click.option(
    "--workers", type=click.IntRange(min=1), help="Pages at once. Default: one per core."
)


MODE = with_default(
    "--file-mode",
    metavar="MODE",
    callback=lambda _, __, octal: read_mode(octal),
    default="600",
    help="Mode of every file written; folders may be entered by those who may read.",
)
GROUP = click.option(
    "--group", default="", metavar="NAME", help="Group that every file is given to."
)


def _read_shard(_: click.Context, __: click.Parameter, text: str) -> tuple[int, int]:
    """Read '2/5': the second of five parts of the branches."""
    number, of = (*text.split("/", 1), "")[:2]
    if not (number.isdigit() and of.isdigit()):
        raise UsageError(say("not_a_shard", text))
    return int(number), int(of)


SHARD = click.option(
    "--shard",
    metavar="K/N",
    callback=_read_shard,
    default="1/1",
    help="Make this part of the pages only.",
)


def in_order(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that adds arguments and options in the order in which help lists them."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


FOLDER_OPTIONS = in_order(OUT, MODE, GROUP)
READING = in_order(MAPPING, LAYOUT, MEMORY)
OF_A_QUARTER = in_order(DATA, QUARTER, AS_OF)
HOW_TO_READ = ("mapping", "layout", "memory_limit")
RUN_OPTIONS = in_order(POLICY, READING, FIRST, FOLDER_OPTIONS)
