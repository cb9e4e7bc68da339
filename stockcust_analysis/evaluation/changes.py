"""What became of the customers of the previous quarter: measures, migration and growth bridge.

Both quarters are shown twice: on today's structure (可比口径, where a merger is no migration) and
as issued (where the customers of a merged branch are transferred).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.calendar import PERIOD, Calendar
from stockcust_analysis.core.frames import ZERO, Table, collect_rows
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.cells import bridge_sizes
from stockcust_analysis.evaluation.measuring import Measured, Scope, put_questions, with_quarters
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.evaluation.views import ISSUED_BRANCH, materialize, release
from stockcust_analysis.measures.attrition import with_attrition
from stockcust_analysis.measures.growth import (
    AUM_CHANGE,
    aum_change_totals,
    bridge_rows,
    with_components,
)
from stockcust_analysis.measures.questions import PAIR_QUESTIONS
from stockcust_analysis.measures.registry import Spec, measure_rows
from stockcust_analysis.measures.two_dates import (
    PERIOD_END,
    by_group,
    compared_columns,
    migration_cells,
    pair_dates,
    with_states,
)
from stockcust_analysis.policy import Policy

_COLUMNS = {
    "migration": ("from", "to", "customers", "opening_aum", "closing_aum"),
    "bridge": ("component", "customers", "amount"),
}
NO_CHANGES = {
    name: pd.DataFrame(columns=["structure", "branch_id", *columns])
    for name, columns in _COLUMNS.items()
}
"""The tables of a bank's first quarter."""
_LABELS = ["tier", "branch_id", ISSUED_BRANCH]


def comparable_columns(bank: Bank, customers: Table, policy: Policy) -> Table:
    """Materialise the columns of one quarter's customers that are compared with another's."""
    return materialize(bank, compared_columns(customers, policy, _LABELS))


def measure_changes(
    bank: Bank, opening: Table, closing: Table, scope: Scope, volume: pd.DataFrame
) -> tuple[Measured, dict[str, pd.DataFrame]]:
    """Return all measures of what changed between two quarters, the migration and the bridge.

    Parameters
    ----------
    bank
        Whose customers they are.
    opening, closing
        As `comparable_columns` returns them; they are released.
    scope
        Of the closing quarter alone.
    volume
        The sums of `VOLUME` of the closing quarter's branches.
    """
    moved = opening.filter(nw.col("branch_id") != nw.col(ISSUED_BRANCH)).select("customer_id")
    merged = bool(collect_rows(moved.head(1))["customer_id"])
    pairs = _pairs(bank, opening, closing, scope.policy)
    labels = {"today": "branch_id"} | ({"issued": ISSUED_BRANCH} if merged else {})
    views = {name: by_group(pairs, {"branch_id": label}) for name, label in labels.items()}
    views[""] = by_group(pairs, {})
    by_branch, whole = (views[name].with_columns(ZERO.alias(PERIOD)) for name in ("today", ""))
    measured = put_questions(
        by_branch, PAIR_QUESTIONS, scope, volume.assign(**{PERIOD: 0}), whole=whole
    )
    steps = {n: with_components(with_states(view, PERIOD_END)) for n, view in views.items()}
    cells = [measured.cells]
    if scope.sizes:
        sizes = bridge_sizes(steps["today"].with_columns(ZERO.alias(PERIOD)))
        (quarter,) = scope.compared
        cells.append(sizes.drop(columns=PERIOD).assign(quarter=str(quarter)))
    scheme = scope.policy.tiers
    tables = {
        "migration": _by_structure(views, lambda view, by: migration_cells(view, scheme, by=by)),
        "bridge": _by_structure(steps, lambda view, by: bridge_rows(view, by=by)),
    }
    tables = {name: table[list(NO_CHANGES[name])] for name, table in tables.items()}
    release(bank, pairs)
    rows = with_quarters(measured.measures, scope.calendar)
    return Measured(rows, pd.concat(cells, ignore_index=True)), tables


def _pairs(bank: Bank, opening: Table, closing: Table, policy: Policy) -> Table:
    """Return the customers of two quarters side by side, with who is on the attrition warning."""
    pairs = materialize(bank, pair_dates(opening, closing, _LABELS).drop("customer_id"))
    release(bank, opening, closing)
    warned = with_attrition(pairs, policy.attrition, policy.tiers, peers="closing_branch_id")
    result = materialize(bank, warned)
    release(bank, pairs)
    return result


def _by_structure(
    views: Mapping[str, Table], table_of: Callable[[Table, Sequence[str]], pd.DataFrame]
) -> pd.DataFrame:
    """Return a table of the branches on each structure, and of the bank, which has but one."""
    bank = table_of(views[""], []).assign(branch_id=WHOLE_BANK)
    tables = [
        pd.concat([table_of(view, ["branch_id"]), bank]).assign(structure=name)
        for name, view in views.items()
        if name
    ]
    order = ["structure", "branch_id"]
    return pd.concat(tables).sort_values(order, kind="stable", ignore_index=True)


def aum_change(
    opening: pd.DataFrame, closing: pd.DataFrame, quarter: Quarter, policy: Policy
) -> pd.DataFrame:
    """Return the measures of what a change of assets is made of, from both quarters' volumes."""
    before, now = (table.set_index("branch_id") for table in (opening, closing))
    totals = aum_change_totals(before, now).add_prefix("|").reset_index()
    rows = measure_rows(totals, [Spec("", AUM_CHANGE, "funded")], policy, ["branch_id"])
    return with_quarters(rows.assign(**{PERIOD: 0}), Calendar((quarter.end,)))
