"""The data dictionary: the contract written out as the page that a bank's data team reads."""

from __future__ import annotations

from stockcust_analysis.bank.contract import TABLES, Column, Kind, Table

_HEAD = """# Data dictionary

The tables a bank delivers. Columns and tables marked * may be left out. Money is in CNY with two
decimals; dates are days; an empty cell means not known. Files may be CSV (UTF-8 or GB18030/GBK),
compressed CSV, Parquet or Excel; a mapping file renames headers and codes.

This page is printed from the contract in `stockcust_analysis/bank/contract.py`.
"""


def data_dictionary() -> str:
    """Return the whole contract as a Markdown page."""
    return "\n".join([_HEAD, *(_section(table) for table in TABLES)])


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
