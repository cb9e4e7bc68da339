"""Print docs/reference: the contract as a bank's data team reads it, all measures, public names.

python docs/make_reference.py
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import stockcust_analysis
from stockcust_analysis.bank.contract import TABLES, Column, Kind, Table
from stockcust_analysis.core.files import write_text
from stockcust_analysis.measures.codebook import MeasureDefinition, codebook_sections

REFERENCE = Path(__file__).resolve().parent / "reference"
PACKAGE = Path(__file__).resolve().parents[1] / "stockcust_analysis"

_DICTIONARY_HEAD = """# Data dictionary

The tables a bank delivers. Columns and tables marked * may be left out. Money is in CNY with two
decimals; dates are days; an empty cell means not known. Files may be CSV (UTF-8 or GB18030/GBK),
compressed CSV, Parquet or Excel; a mapping file renames headers and codes.

This page is printed from the contract in `stockcust_analysis/bank/contract.toml`.
"""


_DIRECTIONS = {"yes": "high is good", "no": "high is bad", "neutral": "neither good nor bad"}
_CODEBOOK_HEAD = """# Codebook

What every measure means. A rate is told with its base (客户口径), its numerator and its
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


if __name__ == "__main__":
    write_text(REFERENCE / "data-dictionary.md", data_dictionary())
    write_text(REFERENCE / "codebook.md", codebook())
    write_text(REFERENCE / "public-names.md", public_names())
