"""SQL that turns a delivered cell into the contract's type, or into NULL when it does not fit."""

from __future__ import annotations

from collections.abc import Mapping

from stockcust_analysis.bank.contract import Column, Kind
from stockcust_analysis.bank.files import literal, quoted
from stockcust_analysis.bank.rules import CONTROLS, RESERVED_START, is_own_number

_SQL_TYPES = {
    Kind.TEXT: "VARCHAR",
    Kind.CODE: "VARCHAR",
    Kind.DATE: "DATE",
    Kind.MONEY: "DECIMAL(18,2)",
    Kind.INTEGER: "BIGINT",
    Kind.FLAG: "BOOLEAN",
    Kind.QUARTER: "VARCHAR",
    Kind.NUMBER: "DOUBLE",
}
TEXTS = (Kind.TEXT, Kind.CODE)
TRUE_WORDS = ("true", "t", "1", "y", "yes", "是")
FALSE_WORDS = ("false", "f", "0", "n", "no", "否")


def sql_type(kind: Kind) -> str:
    """Return the DuckDB type that holds a column of this kind."""
    return _SQL_TYPES[kind]


def cell_text(header: str) -> str:
    """SQL for the cell as trimmed text, NULL when empty."""
    return f"NULLIF(trim({quoted(header)}::VARCHAR), '')"


def typed(column: Column, header: str, source_type: str, codes: Mapping[str, str], *,
          tidy: bool = False) -> str:  # fmt: skip
    """SQL for the cell in the contract's type; NULL where it cannot be read as such.

    `tidy` says that no text of the column is empty or has blanks around it.
    """
    wanted = sql_type(column.kind)
    if source_type == wanted and not codes and (tidy or column.kind not in TEXTS):
        return quoted(header)
    text = cell_text(header)
    if codes:
        cases = " ".join(f"WHEN {literal(k)} THEN {literal(v)}" for k, v in codes.items())
        text = f"(CASE {text} {cases} ELSE {text} END)"
    if column.kind is Kind.DATE:
        return _date(text, header, source_type)
    if column.kind is Kind.FLAG:
        return (
            f"(CASE WHEN lower({text}) IN {_sql_list(TRUE_WORDS)} THEN true "
            f"WHEN lower({text}) IN {_sql_list(FALSE_WORDS)} THEN false END)"
        )
    if column.kind in (Kind.MONEY, Kind.INTEGER, Kind.NUMBER):
        return _number(text, header, source_type, wanted)
    if column.kind is Kind.QUARTER:
        return f"(CASE WHEN regexp_full_match({text}, '\\d{{4}}Q[1-4]') THEN {text} END)"
    return text


def not_finite(header: str, source_type: str) -> str:
    """SQL condition: the cell says NaN or infinite."""
    if source_type in ("DOUBLE", "FLOAT"):
        return f"NOT isfinite({quoted(header)})"
    if source_type.startswith(("DECIMAL", "BIGINT", "INTEGER")):
        return "false"
    odd = literal("[+-]?(nan|inf|infinity)|#(n/a|num!|div/0!)")
    return f"regexp_full_match(lower({cell_text(header)}), {odd})"


def excel_serial(header: str) -> str:
    """SQL condition: the cell holds a bare number where a date belongs, as Excel stores dates."""
    return f"regexp_full_match({cell_text(header)}, '[1-9]\\d{{4}}(\\.\\d+)?')"


def mangled_number(header: str) -> str:
    """SQL condition: an identifier in scientific notation, as Excel writes long numbers."""
    matches = f"regexp_full_match({cell_text(header)}, '\\d(\\.\\d+)?[eE]\\+\\d+')"
    # Hardly a name has a plus: looking for one first is several times cheaper.
    return f"(CASE WHEN contains({quoted(header)}::VARCHAR, '+') THEN {matches} ELSE false END)"


def has_control(header: str) -> str:
    """SQL condition: the cell holds a control character."""
    return f"regexp_matches({quoted(header)}::VARCHAR, '[\\x00{CONTROLS}]')"


def is_reserved(column: Column, header: str) -> str:
    """SQL condition: the cell is a branch's number that this package keeps for itself."""
    if not is_own_number(column):
        return "false"
    return f"starts_with({cell_text(header)}, {literal(RESERVED_START)})"


def _date(text: str, header: str, source_type: str) -> str:
    if source_type.startswith("TIMESTAMP"):
        return f"TRY_CAST({quoted(header)} AS DATE)"
    compact = f"regexp_full_match({text}, '\\d{{8}}')"
    return (
        f"(CASE WHEN {compact} THEN TRY_CAST(try_strptime({text}, '%Y%m%d') AS DATE) "
        f"ELSE COALESCE(TRY_CAST({text} AS DATE), "
        f"TRY_CAST(try_strptime({text}, '%Y年%m月%d日') AS DATE)) END)"
    )


def _number(text: str, header: str, source_type: str, wanted: str) -> str:
    numeric = source_type.startswith(("DOUBLE", "FLOAT", "DECIMAL", "BIGINT", "INTEGER"))
    plain = quoted(header) if numeric else f"replace({text}, ',', '')"
    double = f"TRY_CAST({plain} AS DOUBLE)"
    whole = f" AND {double} = floor({double})" if wanted == "BIGINT" else ""
    return f"(CASE WHEN isfinite({double}){whole} THEN TRY_CAST({plain} AS {wanted}) END)"


def _sql_list(words: tuple[str, ...]) -> str:
    return f"({', '.join(map(literal, words))})"
