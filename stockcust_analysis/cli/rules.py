"""The rules in force: `policy show`, `policy diff`, `policy lint`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from stockcust_analysis.cli import options

if TYPE_CHECKING:
    from stockcust_analysis.policy import Policy
    from stockcust_analysis.policy.lint import LintWarning


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


@policy.command()
@click.argument("name", default="rural_commercial_bank")
@click.option(
    "--evaluation",
    type=click.Path(path_type=Path),
    help="Folder of a quarter's evaluation, to look at its figures too.",
)
@options.LANGUAGE
def lint(name: str, evaluation: Path | None, language: Literal["zh", "en"]) -> None:
    """Print the traps that the scorecard of policy NAME steps into: warnings, not errors."""
    from stockcust_analysis.measures.codebook import defined_measures, measure_definition
    from stockcust_analysis.policy import load_policy
    from stockcust_analysis.policy.lint import lint as lint_rules

    def named(key: str) -> str:
        known = key in defined_measures()
        return str(getattr(measure_definition(key), language)) if known else key

    rules = load_policy(name)
    found = lint_rules(rules) if evaluation is None else _lint_figures(rules, evaluation)
    for warning in found:
        click.echo(warning.text(language, named))
    if not found:
        click.echo(f"{name}: no trap found.")


def _lint_figures(rules: Policy, folder: Path) -> list[LintWarning]:
    """Return the traps of a quarter's scorecard, its figures looked at too."""
    from stockcust_analysis.evaluation.results import open_evaluation
    from stockcust_analysis.evaluation.scorecard import lint_scorecard, scorecard

    told = open_evaluation(folder)
    quarter = str(told.quarter)
    table, _ = scorecard(
        told.measures, told.branches, targets=told.targets, policy=rules, quarter=quarter
    )
    return lint_scorecard(
        table, told.measures, branches=told.branches, policy=rules, quarter=quarter
    )
