"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

DATA = click.argument("data", type=click.Path())  # or the URL of a database
MAPPING = click.option(
    "--mapping",
    type=click.Path(path_type=Path),
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
    type=click.Path(path_type=Path),
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
