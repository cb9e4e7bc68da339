"""The branch network over time: customers of an earlier date on a later structure (可比口径)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import groupby
from operator import itemgetter

import narwhals.stable.v2 as nw

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import as_lazy, collect_rows, same_kind
from stockcust_analysis.core.periods import Day, as_day
from stockcust_analysis.measures.validation import require_columns

_COLUMNS = ("old_branch_id", "new_branch_id", "effective_on")


def restate_branches(
    customers: Frame, successors: Frame, *, as_of: Day, branch: str = "branch_id"
) -> Frame:
    """Return the table with each branch replaced by the one that has its customers on a date.

    With `as_of` the closing date, an earlier table is shown on today's structure and a merger is no
    migration; left as it is, or with `as_of` its own date, it is shown as issued.

    Parameters
    ----------
    customers : table
        With the column `branch`; customers, holdings or any other.
    successors : table
        `old_branch_id, new_branch_id, effective_on`, of any engine; mergers follow one another in
        the order they took effect, those after `as_of` do not count.
    as_of : date, "2026-09-30" or "2026Q3"
        Day of the structure.
    branch : str
        Column of branch numbers.

    Returns
    -------
    table
        Of the kind given; a branch without successor keeps its number.

    Raises
    ------
    UsageError
        A column is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> mergers = pd.DataFrame({"old_branch_id": ["A"], "new_branch_id": ["B"],
    ...                         "effective_on": [date(2026, 4, 1)]})
    >>> bank = pd.DataFrame({"branch_id": ["A", "B"]})
    >>> restate_branches(bank, mergers, as_of=date(2026, 6, 30))["branch_id"].tolist()
    ['B', 'B']
    >>> restate_branches(bank, mergers, as_of=date(2026, 3, 31))["branch_id"].tolist()
    ['A', 'B']
    """
    table = as_lazy(customers)
    require_columns(table, [branch], "customers")
    merged = successor_of(successors, as_day(as_of))
    if not merged:
        return customers
    now = nw.coalesce(
        *(nw.when(nw.col(branch) == old).then(nw.lit(new)) for old, new in merged.items()),
        nw.col(branch),
    )
    return same_kind(customers, table.with_columns(now.alias(branch)))


def successor_of(successors: Frame, as_of: date) -> Mapping[str, str]:
    """Return old branch → the branch that has its customers on the date, over all mergers."""
    table = as_lazy(successors)
    require_columns(table, _COLUMNS, "branch_successors")
    rows = collect_rows(table.select(_COLUMNS))
    days = map(as_day, rows["effective_on"])
    events = sorted(zip(days, rows["old_branch_id"], rows["new_branch_id"], strict=True))
    now: dict[str, str] = {}
    for effective, merged in groupby(events, key=itemgetter(0)):
        if effective > as_of:
            break
        direct = {old: new for _, old, new in merged}
        now |= {old: old for old in direct}
        for _ in direct:  # mergers of one day may follow one another
            now = {old: direct.get(branch, branch) for old, branch in now.items()}
    return {old: branch for old, branch in now.items() if old != branch}
