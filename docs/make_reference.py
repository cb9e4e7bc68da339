"""Print docs/reference: the contract, all measures, rules, commands and public names.

python docs/make_reference.py
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import nbformat

import stockcust_analysis
from stockcust_analysis import plot
from stockcust_analysis.bank.contract import TABLES, Column, Kind, Table
from stockcust_analysis.cli import cli
from stockcust_analysis.core.files import write_text
from stockcust_analysis.measures.codebook import MeasureDefinition, codebook_sections
from stockcust_analysis.policy import load_policy
from stockcust_analysis.policy.describe import describe

REFERENCE = Path(__file__).resolve().parent / "reference"
PACKAGE = Path(__file__).resolve().parents[1] / "stockcust_analysis"
NOTEBOOKS = PACKAGE.parent / "notebooks"

_DICTIONARY_HEAD = """# Data dictionary

The tables a bank delivers. Columns and tables marked * may be left out. Money is in CNY with two
decimals; dates are days; an empty cell means not known. Files may be CSV (UTF-8 or GB18030/GBK),
compressed CSV, Parquet or Excel; a mapping file renames headers and codes.

This page is printed from the contract in `stockcust_analysis/bank/contract.toml`.
"""


_DIRECTIONS = {"yes": "high is good", "no": "high is bad", "neutral": "neither good nor bad"}
_CODEBOOK_HEAD = """# Codebook

What every measure means. A rate is given with its base (客户口径), its numerator and its
denominator; tiers, dormancy rules, product families and bases are those of the policy in force.

This page is printed from `stockcust_analysis/codebook.toml`.
"""


_NAMES_HEAD = """# Public names

What `import stockcust_analysis as sca` offers. `help(sca.dormancy_rate)`, or `?` in Jupyter, says
the rest. Every other function is imported from its module, as in
`from stockcust_analysis.measures.retention import steep_fall_rate`.

This page is printed from the package.

| name | |
|---|---|
"""


_API_HEAD = """# API

Every public name with its docstring, as `?` shows it in Jupyter; a list of one line each stands in
[public names](public-names.md).

This page is printed from the package.

```{eval-rst}
"""


_COMMANDS_HEAD = """# Command line

Every command of `stockcust` with its options, as `--help` shows them. Exit codes are the same for
all: 0 done, 1 some branches failed and the others are finished, 2 bad input or usage, 130
interrupted and resumable ([read a failed run](../how-to/read-a-failed-run.md)).
Where scripts are not on the path, `python -m stockcust_analysis` is `stockcust`.

This page is printed from the commands themselves.
"""


_PARAMETERS_HEAD = """# Parameters

What can be set: the rules of a policy, and the parameters of a notebook. A mapping's keys stand in
[how files and cells are read](reading.md), options in the [command line](command-line.md), a
brand's in [change the look](../how-to/change-the-look.md).

This page is printed from the policy that is shipped and from the notebooks.

## Rules of a policy

Those of `rural_commercial_bank`, the default, in the order of its file.
`stockcust policy show FILE` prints the same of yours ([how](../how-to/write-your-policy.md)),
and of `joint_stock_bank`, which is shipped as well. A source begins by what it is: [D] law or
official page, [P] press or paper, [W] second-hand: a direction, not a citation.

A key says where a rule stands in the file: `dormancy.idle_months` is `idle_months` in the table
`[dormancy]`, and `tiers.tiers[mid].lower` is `lower` of the entry `name = "mid"` (of `exceptions`
and `profile_targets`: `tier = "mid"`) in the list `tiers` of the table `[tiers]`. The file itself
lies in the package, `policies/rural_commercial_bank.toml` beside its `__init__.py`.

| rule | 规则 | key | value | source |
|---|---|---|---|---|
"""


_PRESETS_HEAD = """
## Presets to choose from

Published rules, taken into a policy by `preset = "…"` in its table. `sca.compare_rules` compares
the dormancy rules on your customers; `stockcust policy show` prints all keys of the one chosen.
The `clock` says what restarts the idle period: with `maturity`, a deposit or other product that
fell due counts as activity, whoever made the last transaction.

| table | preset | clock | source |
|---|---|---|---|
"""


def api() -> str:
    """Return a page that asks Sphinx for the docstrings of all public names."""
    lines = []
    for name in stockcust_analysis.__all__:
        offered = getattr(stockcust_analysis, name)
        if inspect.isclass(offered):
            lines += [f".. autoclass:: stockcust_analysis.{name}", "   :members:", ""]
        elif inspect.isfunction(offered):
            lines += [f".. autofunction:: stockcust_analysis.{name}", ""]
    charts = (f".. autofunction:: stockcust_analysis.plot.{name}\n" for name in dir(plot))
    lines += ["", "Charts", "------", "", *charts]
    return _API_HEAD + "\n".join(lines) + "```\n"


def command_line() -> str:
    """Return all commands with their options as a Markdown page."""
    return "\n".join([_COMMANDS_HEAD, *_command("stockcust", cli)])


def _command(
    name: str, command: click.Command, above: click.Context | None = None
) -> Iterator[str]:
    """Return a command's lines, and those of the commands below it."""
    # With what the commands above set: the names of the option for help, above all.
    context = click.Context(command, above, name, **command.context_settings)
    if isinstance(command, click.Group):
        for below in sorted(command.commands):
            yield from _command(f"{name} {below}", command.commands[below], context)
        return
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    yield from (f"## `{name}`", "", "```", usage, "```", "", inspect.cleandoc(command.help or ""))
    yield from ("", "| option | meaning |", "|---|---|")
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(context)):
            option, meaning = (text.replace("|", "\\|") for text in record)
            yield f"| `{option}` | {meaning} |"
    yield ""


def parameters() -> str:
    """Return the rules of the shipped policy and the notebooks' parameters as a Markdown page."""
    policy = load_policy()
    pairs = zip(describe(policy, "en"), describe(policy, "zh"), strict=True)
    rows = [
        f"| {en.rule} | {zh.rule} | `{en.key}` | {en.value} | {en.source} |\n" for en, zh in pairs
    ]
    names: dict[str, list[str]] = {}
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        source = next(
            cell.source for cell in cells if "parameters" in cell.metadata.get("tags", ())
        )
        names.setdefault(source, []).append(f"`{path.name}`")
    cells = [f"\n{', '.join(names[source])}:\n\n```python\n{source}\n```\n" for source in names]
    rows.append(_PRESETS_HEAD)
    for table, presets in (
        ("dormancy", policy.dormancy_presets),
        ("tier_memory", policy.tier_memory_presets),
    ):
        for rule in presets:
            clock = ", ".join(getattr(rule, "clock", ()))
            rows.append(f"| `[{table}]` | `{rule.name}` | {clock} | {rule.source} |\n")
    return "".join([_PARAMETERS_HEAD, *rows, "\n## Parameters of the notebooks\n", *cells])


def public_names() -> str:
    """Return the public names as a Markdown page, each with the first line of its docstring."""
    names = [name for name in stockcust_analysis.__all__ if not name.startswith("_")]
    first = {name: getattr(stockcust_analysis, name).__doc__.partition("\n")[0] for name in names}
    return _NAMES_HEAD + "".join(f"| `{name}` | {first[name]} |\n" for name in names)


def data_dictionary() -> str:
    """Return the whole contract as a Markdown page."""
    return "\n".join([_DICTIONARY_HEAD, *(_section(table) for table in TABLES)])


def _section(table: Table) -> str:
    star = "" if table.required else "*"
    key = f"Key: {' + '.join(f'`{name}`' for name in table.key)}." if table.key else "No key."
    lines = [
        f"## {table.name}{star} {table.zh}",
        "",
        f"{table.meaning} {key}",
        "",
        "| column | 中文 | type | unit | meaning |",
        "|---|---|---|---|---|",
        *(_row(column) for column in table.columns),
        "",
    ]
    return "\n".join(lines)


def _row(column: Column) -> str:
    star = "" if column.required else "*"
    meaning = column.meaning
    if column.allowed:
        meaning += " One of: " + ", ".join(f"`{code}`" for code in column.allowed) + "."
    if column.references:
        meaning += " Found in `{}.{}`.".format(*column.references)
    if column.minimum is not None:
        meaning += f" At least {column.minimum}."
    if column.maximum is not None:
        meaning += f" At most {column.maximum}."
    kind = column.kind.value if column.kind is not Kind.CODE else "code"
    return f"| `{column.name}`{star} | {column.zh} | {kind} | {column.unit} | {meaning} |"


def codebook() -> str:
    """Return the whole codebook as a Markdown page."""
    lines = [_CODEBOOK_HEAD]
    sections = tomllib.loads((PACKAGE / "codebook.toml").read_text("utf-8")).values()
    rules = {f"{one['en']} {one['zh']}": one.get("rules", ()) for one in sections}
    for title, definitions in codebook_sections().items():
        lines += [f"## {title}", ""]
        for rule in rules[title]:
            lines += [rule["en"], "", rule["zh"], ""]
        for one in definitions:
            lines += _entry(one)
    return "\n".join(lines)


def _entry(one: MeasureDefinition) -> list[str]:
    """Return one measure as lines of Markdown."""
    return [
        f"### `{one.name}` {one.zh}",
        "",
        f"**{one.en}.** {one.definition_en}",
        "",
        one.definition_zh,
        "",
        "| | |",
        "|---|---|",
        f"| formula | {one.formula} |",
        f"| unit, range | {one.unit}, {one.range} |",
        f"| direction | {_DIRECTIONS[one.higher_is_better]} |",
        f"| edge cases | {one.edge_cases} |",
        f"| source | {one.source} |",
        "",
    ]


PAGES = {
    "data-dictionary.md": data_dictionary,
    "codebook.md": codebook,
    "public-names.md": public_names,
    "api.md": api,
    "command-line.md": command_line,
    "parameters.md": parameters,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        write_text(REFERENCE / name, page())
