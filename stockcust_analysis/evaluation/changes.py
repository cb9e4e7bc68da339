"""What became of the customers of the previous quarter: measures, migration and growth bridge.

Both quarters are shown twice: on today's structure (可比口径, where a merger is no migration) and
as issued (where the customers of a merged branch are transferred).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.calendar import PERIOD, Calendar
from stockcust_analysis.core.frames import ZERO, Table, as_lazy, collect_rows
from stockcust_analysis.evaluation.measuring import Measured, put_questions, with_quarters
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.evaluation.sizes import bridge_sizes
from stockcust_analysis.evaluation.views import ISSUED_BRANCH
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
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import Policy

MIGRATION_COLUMNS = (
    "structure", "branch_id", "from", "to", "customers", "opening_aum", "closing_aum",
)  # fmt: skip
BRIDGE_COLUMNS = ("structure", "branch_id", "component", "customers", "amount")
_LABELS = ["tier", "branch_id", ISSUED_BRANCH]


@dataclass(frozen=True)
class Changes:
    """Customers of two quarters side by side; `merged` where branches have merged since."""

    pairs: Table
    merged: bool
    quarter: Quarter
    policy: Policy

    def measured(self, volume: pd.DataFrame, *, sizes: bool) -> Measured:
        """Return all measures of what changed; `volume` has the closing branches' sums."""
        calendar = Calendar((self.quarter.end,))
        by_branch, whole = self._view("branch_id"), self._view(None)
        measured = put_questions(
            by_branch.with_columns(ZERO.alias(PERIOD)),
            PAIR_QUESTIONS,
            self.policy,
            calendar,
            compared=[self.quarter],
            sizes=sizes,
            branches=volume.assign(**{PERIOD: 0}),
            whole=whole.with_columns(ZERO.alias(PERIOD)),
        )
        cells = [measured.cells]
        if sizes:
            bridge = bridge_sizes(with_components(with_states(by_branch, PERIOD_END))).drop(
                columns=PERIOD
            )
            cells.append(bridge.assign(quarter=str(self.quarter)))
        return Measured(
            with_quarters(measured.measures, calendar), pd.concat(cells, ignore_index=True)
        )

    def migration(self) -> pd.DataFrame:
        """Return the migration matrix of every branch and of the bank, on both structures."""
        scheme = self.policy.tiers
        table = self._on_both_structures(lambda view, by: migration_cells(view, scheme, by=by))
        return table[list(MIGRATION_COLUMNS)]

    def bridge(self) -> pd.DataFrame:
        """Return the growth bridge of every branch and of the bank, on both structures."""
        table = self._on_both_structures(
            lambda view, by: bridge_rows(with_components(with_states(view, PERIOD_END)), by=by)
        )
        return table[list(BRIDGE_COLUMNS)]

    def _view(self, place: str | None) -> Table:
        return by_group(self.pairs, {} if place is None else {"branch_id": place})

    def _on_both_structures(
        self, table_of: Callable[[Table, Sequence[str]], pd.DataFrame]
    ) -> pd.DataFrame:
        """Return a table of the branches on each structure, and of the bank, which has but one."""
        places = {"today": "branch_id"} | ({"issued": ISSUED_BRANCH} if self.merged else {})
        bank = table_of(self._view(None), []).assign(branch_id=WHOLE_BANK)
        tables = [
            pd.concat([table_of(self._view(place), ["branch_id"]), bank]).assign(structure=name)
            for name, place in places.items()
        ]
        order = ["structure", "branch_id"]
        return pd.concat(tables).sort_values(order, kind="stable", ignore_index=True)


def comparable_columns(bank: Bank, customers: Table, policy: Policy) -> Table:
    """Hold what of one quarter's customers is looked at beside those of another."""
    narrow = compared_columns(customers, policy, _LABELS)
    return as_lazy(bank.materialize(narrow.to_native()))


def changes_between(
    bank: Bank, opening: Table, closing: Table, policy: Policy, quarter: Quarter
) -> Changes:
    """Pair the customers of two quarters (`comparable_columns`), which are released."""
    moved = opening.filter(nw.col("branch_id") != nw.col(ISSUED_BRANCH)).select("customer_id")
    merged = bool(collect_rows(moved.head(1))["customer_id"])
    pairs = pair_dates(opening, closing, _LABELS).drop("customer_id")
    pairs = as_lazy(bank.materialize(pairs.to_native()))
    for table in (opening, closing):
        bank.release(table.to_native())
    warned = with_attrition(pairs, policy.attrition, policy.tiers, peers="closing_branch_id")
    warned = as_lazy(bank.materialize(warned.to_native()))
    bank.release(pairs.to_native())
    return Changes(warned, merged, quarter, policy)


def aum_change(
    opening: pd.DataFrame, closing: pd.DataFrame, quarter: Quarter, policy: Policy
) -> pd.DataFrame:
    """Return the measures of what a change of assets is made of, from both quarters' volumes."""
    before, now = (table.set_index("branch_id") for table in (opening, closing))
    totals = aum_change_totals(before, now).add_prefix("|").reset_index()
    rows = measure_rows(totals, [Spec("", AUM_CHANGE, "funded")], policy, ["branch_id"])
    return with_quarters(rows.assign(**{PERIOD: 0}), Calendar((quarter.end,)))
