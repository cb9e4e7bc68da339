"""How a chart reads its table: any engine's frame, with the columns that a measure returns.

A measure's frame has the columns of `by` first and no quarter; the evaluation's has `quarter` and
`branch_id`, and may hold the whole bank (`@bank`) beside the branch. An analyst's own frame needs
only the columns that a chart names. All become the same rows of pandas here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pandas as pd

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import collect_rows
from stockcust_analysis.errors import UsageError, did_you_mean
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.frames import lazily
from stockcust_analysis.show.labels import Words as Words
from stockcust_analysis.show.labels import member_words as member_words

_NUMBERS: Final = {
    "value", "n", "compared", "centre", "lower_95", "upper_95", "lower_998", "upper_998", "rank",
    "rank_of", "rank_low", "rank_high", "attainment", "points", "weight", "customer_share",
    "value_share", "conditional_rate", "customers", "amount",
}  # fmt: skip
_DESCRIBED: Final = _NUMBERS | {
    "quarter", "as_of", "measure", "dimension", "member", "base", "numerator", "denominator",
    "family_a", "family_b", "holders_a", "holders_b", "both", "rate_low", "rate_high", "lift",
    "lift_low", "lift_high", "from", "to", "opening_aum", "closing_aum", "component", "indicator",
}  # fmt: skip
"""Columns that measures fill; what a frame has besides are the columns it is grouped by."""


def read_rows(
    frame: Frame, columns: Sequence[str], *, source: str, member: Sequence[str] = ()
) -> pd.DataFrame:
    """Return a table of any engine as rows of pandas, numbers as floats.

    Parameters
    ----------
    frame
        A pandas, Polars or DuckDB table, or one of any other engine that Narwhals knows.
    columns
        The columns a chart cannot do without.
    source
        The call that returns such a table, for the error.
    member
        Columns that may stand for `member`: the first that the table has is renamed.
    """
    rows = to_pandas(frame)
    if "member" not in rows:
        rows = rows.rename(columns=dict.fromkeys([n for n in member if n in rows][:1], "member"))
    missing = [name for name in columns if name not in rows]
    if missing:
        called = {name: name for name in columns} | {"member": " or ".join(member) or "member"}
        close = "".join(did_you_mean(name, map(str, rows.columns)) for name in missing)
        raise UsageError(
            f"the chart needs the columns {', '.join(called[n] for n in columns)}; the "
            f"table lacks {', '.join(called[n] for n in missing)}.{close} {source} returns them."
        )
    numbers = [name for name in rows if name in _NUMBERS]
    try:
        rows[numbers] = rows[numbers].astype(float)
    except (TypeError, ValueError):
        text = ", ".join(name for name in numbers if not _is_numeric(rows[name]))
        raise UsageError(f"the chart needs numbers; text stands in {text}.") from None
    absent = {name: "" for name in ("quarter", "branch_id", "base") if name not in rows}
    return rows.assign(**absent)


def read_measures(
    frame: Frame,
    measures: Sequence[str],
    *,
    source: str,
    member: Sequence[str] = (),
    also: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the rows of some measures; a frame of one measure need not name it.

    Measures of households are drawn like those of customers. Where the chart shows no members,
    those of a dimension are left out.
    """
    columns = [*also, "value"]
    columns += [*(["measure"] if len(measures) > 1 else []), *(["member"] if member else [])]
    rows = read_rows(frame, columns, source=source, member=member)
    if "measure" in rows:
        rows["measure"] = rows["measure"].astype(str).str.removeprefix("household_")
    else:
        rows["measure"] = measures[0]
    chosen = rows["measure"].isin(measures)
    if len(rows) and not chosen.any() and "dimension" not in rows:
        raise UsageError(
            f"the chart draws {', '.join(measures)}; the table holds other measures only. "
            f"{source} returns them."
        )
    if not member and "dimension" in rows:
        chosen &= rows["dimension"] == ""
    return rows[chosen]


def one_group(
    rows: pd.DataFrame,
    key: Sequence[str],
    group: object = None,
    *,
    beside_bank: bool = False,
    groups: Sequence[str] | None = None,
    sparse: bool = False,
) -> pd.DataFrame:
    """Return the rows of the group that a chart is about.

    Parameters
    ----------
    rows
        As `read_rows` returns them.
    key
        The columns of which a group has each combination once.
    group
        The group to keep: a value, or a tuple where the table is grouped by several columns.
    beside_bank
        Keep the rows of the whole bank too, which the chart compares with.
    groups
        The columns to group by, where they are known.
    sparse
        A group need not have all combinations, so that two groups may share none.
    """
    by = [] if sparse else key
    columns = group_columns(rows, by, beside_bank=beside_bank, groups=groups)
    if group is None and not columns:
        return rows
    if group is None:
        raise UsageError(
            f"a chart shows one group, the table holds {len(rows[columns].drop_duplicates())} "
            f"({', '.join(columns)}): name one with group=…, or keep its rows only."
        )
    values = group if isinstance(group, tuple) else (group,)
    possible = [str(name) for name in rows if _may_group(name, groups)]
    if len(values) != len(columns):
        # A column by which the table holds one group only may be named, too.
        columns = possible if len(values) == len(possible) else columns or possible[:1]
    if len(values) != len(columns):
        raise UsageError(
            f"group= takes one value for each of {', '.join(columns) or 'no column'}; "
            f"{len(values)} given."
        )
    kept = pd.Series(True, index=rows.index)
    for name, value in zip(columns, values, strict=True):
        column = rows[name].astype(str)
        if str(value) not in set(column):
            raise UsageError.unknown(f"group in {name}", value, column.unique())
        bank = beside_bank and name == "branch_id"
        kept &= column.isin([str(value), WHOLE_BANK] if bank else [str(value)])
    return rows[kept]


def group_columns(
    rows: pd.DataFrame,
    key: Sequence[str],
    *,
    beside_bank: bool = False,
    groups: Sequence[str] | None = None,
) -> list[str]:
    """Return the columns by which a table holds several groups; none where it holds one."""
    branch = rows["branch_id"] != WHOLE_BANK
    own = rows[branch] if beside_bank and branch.any() else rows
    by = ["quarter", "base", *key]
    if not own.duplicated([name for name in by if name in own]).any():
        return []
    return [str(n) for n in own if _may_group(n, groups) and own[n].nunique() > 1]


def subject_of(rows: pd.DataFrame) -> str:
    """Return the branch a chart is about: its one branch, or the bank if it is alone."""
    branches = sorted(set(rows["branch_id"]) - {WHOLE_BANK})
    if len(branches) > 1:
        raise UsageError(
            f"a chart shows one branch, the table holds {len(branches)}: keep the rows of one "
            f"branch_id, and those of '{WHOLE_BANK}' to compare with."
        )
    return branches[0] if branches else WHOLE_BANK


def last_quarter(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the table's last quarter."""
    return rows[rows["quarter"].eq(rows["quarter"].max())]


def rows_of(rows: pd.DataFrame, branch_id: str) -> pd.DataFrame:
    """Return the rows of one branch, or of the bank."""
    return rows[rows["branch_id"] == branch_id]


def by_member(
    rows: pd.DataFrame, measure: str, branch_id: str, members: Iterable[str]
) -> pd.Series[float]:
    """Return a measure's values of the last quarter for each member, NaN where there is none."""
    own = rows_of(last_quarter(rows), branch_id)
    chosen = own[own["measure"] == measure]
    require_one_base(chosen)
    return chosen.set_index("member")["value"].reindex(list(members))


def require_one_base(rows: pd.DataFrame, key: Sequence[str] = ("measure", "member")) -> None:
    """Refuse to mix bases: the same measure of two sets of customers."""
    if rows.duplicated([name for name in key if name in rows]).any():
        bases = ", ".join(sorted(rows["base"].unique()))
        raise UsageError(f"the frame holds several bases ({bases}): keep the rows of one.")


def to_pandas(frame: Frame) -> pd.DataFrame:
    """Return any engine's table as a pandas frame with a plain index."""
    if not isinstance(frame, pd.DataFrame):
        return pd.DataFrame(collect_rows(lazily(frame)))
    named: list[Any] = [n for n in frame.index.names if n is not None and n not in frame]
    return (
        frame.reset_index(named).reset_index(drop=True) if named else frame.reset_index(drop=True)
    )


def _may_group(name: object, groups: Sequence[str] | None) -> bool:
    """Return whether a column can be one that a table is grouped by."""
    return name not in _DESCRIBED if groups is None else name in groups


def _is_numeric(column: pd.Series[Any]) -> bool:
    """Return whether all values of a column can be numbers."""
    return bool((pd.to_numeric(column, errors="coerce").notna() | column.isna()).all())
