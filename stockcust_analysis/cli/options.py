"""Arguments and options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import click

FOLDER = click.Path(path_type=Path)
DATA = click.argument("data", type=click.Path())  # or the URL of a database
MAPPING = click.option(
    "--mapping",
    type=FOLDER,
    help="TOML file that renames headers and codes. Default: DATA/mapping.toml, if there is one.",
)
MEMORY = click.option(
    "--memory-limit",
    default="60%",
    show_default=True,
    help="What DuckDB may use before it spills to disk: 4GB, or a share of the machine.",
)
QUARTER = click.option(
    "--quarter", required=True, help="Quarter to report, such as 2026Q3, or `latest`."
)
POLICY = click.option(
    "--policy",
    default="rural_commercial_bank",
    show_default=True,
    help="Rules in force: a name that ships with the package, or a TOML file.",
)
OUT = click.option(
    "--out",
    type=FOLDER,
    default=Path("reports"),
    show_default=True,
    help="Folder for the output; the quarter becomes a folder inside it.",
)
LANGUAGE = click.option(
    "--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True
)
FIRST = click.option(
    "--first-quarter", is_flag=True, help="This is the first quarter there is: compare with none."
)
WORKERS = click.option(
    "--workers", type=click.IntRange(min=1), help="Pages at once. Default: one per core."
)


class _FileMode(click.ParamType):  # type: ignore[type-arg]  # not generic in older versions of click
    """Who may read a file, in octal as chmod writes it: 600, 640."""

    name = "mode"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read '640'; the owner must be able to read and write."""
        if isinstance(value, int):
            return value
        octal = str(value)
        if not re.fullmatch("0?[0-7]{3}", octal) or (int(octal, 8) & 0o700) != 0o600:
            self.fail(f"'{value}' is no mode of a file. Write 600, or 640 for a group.", param, ctx)
        return int(octal, 8)


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


def access(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say who may read what a command writes."""
    mode = click.option(
        "--file-mode",
        type=_FileMode(),
        default="600",
        show_default=True,
        help="Mode of every file written; folders may be entered by those who may read.",
    )
    group = click.option(
        "--group", default="", metavar="NAME", help="Group that every file is given to."
    )
    return mode(group(command))
