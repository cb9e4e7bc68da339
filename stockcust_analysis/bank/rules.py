"""What must hold in and between tables, in words that files and databases share."""

from __future__ import annotations

from dataclasses import dataclass

from stockcust_analysis.bank.contract import Column, Table, table
from stockcust_analysis.bank.problems import Problem

# column, how it must not stand to the other column, what to say, what to do
DATE_ORDER = (
    ("last_active_on", ">", "as_of", "later than as_of", "Correct the date."),
    ("relationship_since", ">", "as_of", "later than as_of", "Correct the date."),
    ("valid_to", "<", "valid_from", "earlier than valid_from", "Correct the dates."),
)
# Lines may break and be indented within a cell; what no page, sheet or file can hold is refused.
CONTROLS = "".join(
    map(chr, (*range(1, 9), 11, 12, *range(14, 32), *range(127, 160), 0xFFFE, 0xFFFF))
)
EMPTY = ("the cell is empty", "Fill it in.")
MANGLED = (
    "number in scientific notation", "Excel shortened a long number; export the column as text.",
)  # fmt: skip
CONTROL = (
    "control characters (NUL and the like), which no page can print",
    "Remove them in the source, or export the column anew: the file is damaged.",
)
RESERVED_START = "@"
"""With which this package begins the names it makes itself, such as the whole bank's."""
RESERVED = (
    f"begins with '{RESERVED_START}', which stands for the whole bank",
    "Give the branch a number without it.",
)
MONTH_END = ("not the last day of a month", "Use month ends.")


def is_own_number(column: Column) -> bool:
    """Tell whether a column holds the numbers of branches themselves, not references to them."""
    return column.name == "branch_id" and column.references is None


def mend_sign(column: Column) -> str:
    """Say what to do about an amount that is too small."""
    if column.name.startswith("aum"):
        return "Overdrafts and loans belong in loan_balance; assets are never negative."
    return "Correct the sign or the value."


def key_twice(contract: Table, rows: int, first: tuple[str, ...] = ()) -> Problem:
    """Complain about rows whose key another row has."""
    what = f"the key ({', '.join(contract.key)}) occurs twice"
    return Problem(contract.name, "", what, "Keep one row for each key.", rows, first)


@dataclass(frozen=True)
class Reference:
    """Where a column leads: the target's keys beside ours, and what to say of those that miss."""

    target: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    what: str
    remedy: str


def reference_of(contract: Table, column: Column) -> Reference:
    """Return where a column that refers to another table leads; dates of both must agree."""
    assert column.references is not None
    target, target_column = column.references
    both = "as_of" in contract.column_names and "as_of" in table(target).column_names
    shared = ("as_of",) if both else ()
    return Reference(
        target,
        (*shared, column.name),
        (*shared, target_column),
        f"not in {target}.{target_column}" + (" at the same as_of" if both else ""),
        f"Deliver the missing {target}, or correct the column.",
    )
