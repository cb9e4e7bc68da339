"""The rules in force: `policy show`, `policy diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from stockcust_analysis.cli import options


@click.group()
def policy() -> None:
    """Show the rules a policy sets, or how they differ from another's."""


@policy.command()
@click.argument("name", default="rural_commercial_bank")
@options.LANGUAGE
def show(name: str, language: Literal["zh", "en"]) -> None:
    """Print every rule of a policy (a shipped NAME or a TOML file) with its source."""
    from stockcust_analysis.policy import load_policy
    from stockcust_analysis.policy.describe import describe, text_table

    rules = load_policy(name)
    click.echo(f"{rules.name} {rules.version} ({rules.digest[:12]})")
    click.echo(text_table(describe(rules, language), language))


@policy.command()
@click.argument("name")
@click.argument("base", required=False)
@options.LANGUAGE
def diff(name: str, base: str | None, language: Literal["zh", "en"]) -> None:
    """Print where policy NAME differs from BASE; by default from the one it builds on."""
    from stockcust_analysis.policy import DEFAULT, load_policy
    from stockcust_analysis.policy.describe import differences, text_table

    rules = load_policy(name)
    against = base or rules.base or DEFAULT
    if base is None and against.endswith(".toml"):
        against = str(Path(name).parent / against)
    found = differences(rules, load_policy(against), language)
    click.echo(text_table(found, language) if found else f"{name} sets the rules of {against}.")
