"""What became of the customers of the previous quarter: migration, retention, growth, dormancy.

Both quarters are told twice: on today's structure (可比口径, where a merger is no migration) and as
issued (where the customers of a merged branch are transferred).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.evaluation.questions import FUNDED, LEVELS, Facts, Question
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.attrition import ATTRITION, _attrition, with_attrition
from stockcust_analysis.measures.aum_change import AUM_CHANGE, _aum_change
from stockcust_analysis.measures.dormancy_flow import DORMANCY_FLOW, _dormancy_flow
from stockcust_analysis.measures.frames import collected, lazily
from stockcust_analysis.measures.growth import _growth_bridge, bridge_columns
from stockcust_analysis.measures.migration import (
    TIER_MOVES,
    _migration,
    _tier_moves,
    migration_columns,
)
from stockcust_analysis.measures.pairs import paired
from stockcust_analysis.measures.retention import (
    ASSET_RETENTION,
    CUSTOMER_RETENTION,
    SAME_CUSTOMER_GROWTH,
    _retention,
    _same_customer_growth,
)
from stockcust_analysis.policy import Policy

ISSUED_BRANCH = "issued_branch_id"
"""The branch a customer belonged to when the quarter was issued, before any later merger."""

MIGRATION_COLUMNS = (
    "structure", "branch_id", "from", "to", "customers", "opening_aum", "closing_aum",
)  # fmt: skip
BRIDGE_COLUMNS = ("structure", "branch_id", "component", "customers", "amount")
_AVERAGE, _PERIOD_END = "aum_average_quarter_cents", "aum_period_end_cents"


@dataclass(frozen=True)
class Changes:
    """Customers of two quarters side by side, by the quarter's average and by the period's end."""

    opening: Facts
    closing: Facts
    by_average: Facts
    by_period_end: Facts
    warned: Facts


def changes_between(bank: Bank, opening: Facts, closing: Facts, policy: Policy) -> Changes:
    """Pair the customers of two quarters, once for every question about them."""

    def kept(value: str) -> Facts:
        pairs = paired(
            opening,
            closing,
            value=value,
            labels=["branch_id", "tier"],
            numbers=["in_all", "in_funded", "in_effective"],
            bases=policy.bases,
        )
        return lazily(bank.keep(pairs.to_native()))

    warned = with_attrition(
        opening, closing, policy.attrition, scheme=policy.tiers, peers="branch_id"
    )
    return Changes(
        opening, closing, kept(_AVERAGE), kept(_PERIOD_END), lazily(bank.keep(warned.to_native()))
    )


def change_questions(changes: Changes, policy: Policy) -> list[Question]:
    """Return the questions about two quarters; their sums look at the pairs, not at one quarter."""
    pairs = changes.by_average
    return [
        Question(lambda _, by, base: _tier_moves(pairs, policy.tiers, by=by), TIER_MOVES),
        Question(
            lambda _, by, base: _retention(pairs, by=by, base=base),
            (*CUSTOMER_RETENTION, *ASSET_RETENTION),
            (FUNDED, "effective"),
        ),
        Question(
            lambda _, by, base: _same_customer_growth(pairs, by=by, base=base),
            SAME_CUSTOMER_GROWTH,
        ),
        Question(
            lambda _, by, base: _aum_change(
                changes.opening, changes.closing, value=_PERIOD_END, by=by, base=base
            ),
            AUM_CHANGE,
        ),
        Question(
            lambda _, by, base: _attrition(changes.warned, by=by, base=base), ATTRITION, ("all",)
        ),
        Question(
            lambda _, by, base: _dormancy_flow(
                changes.opening,
                changes.closing,
                value=f"{policy.dormancy.value}_cents",
                by=by,
                base=base,
            ),
            DORMANCY_FLOW,
        ),
    ]


def migration_table(bank: Bank, changes: Changes, policy: Policy) -> pd.DataFrame:
    """Return the migration matrix of every branch and of the whole bank, on both structures."""
    tables = []
    for structure, pairs in _structures(bank, changes, policy, _AVERAGE).items():
        for by in LEVELS:
            cells = collected(_migration(pairs, by=by))
            table = pd.DataFrame(migration_columns(cells, policy.tiers, by))
            tables.append(_placed(table, structure, by))
    return _put_together(tables, MIGRATION_COLUMNS)


def bridge_table(bank: Bank, changes: Changes, policy: Policy) -> pd.DataFrame:
    """Return the growth bridge of every branch and of the whole bank, on both structures."""
    tables = []
    for structure, pairs in _structures(bank, changes, policy, _PERIOD_END).items():
        for by in LEVELS:
            table = pd.DataFrame(bridge_columns(collected(_growth_bridge(pairs, by=by)), by))
            tables.append(_placed(table, structure, by))
    return _put_together(tables, BRIDGE_COLUMNS)


def _structures(bank: Bank, changes: Changes, policy: Policy, value: str) -> dict[str, Facts]:
    """Return the pairs on today's structure, and as issued where the two differ."""
    today = changes.by_average if value == _AVERAGE else changes.by_period_end
    moved = nw.col("branch_id") != nw.col(ISSUED_BRANCH)
    if not collected(changes.opening.filter(moved).head(1))["customer_id"]:
        return {"today": today}
    issued = [
        facts.with_columns(branch_id=nw.col(ISSUED_BRANCH))
        for facts in (changes.opening, changes.closing)
    ]
    pairs = paired(
        issued[0], issued[1], value=value, labels=["branch_id", "tier"], bases=policy.bases
    )
    return {"today": today, "issued": lazily(bank.keep(pairs.to_native()))}


def _placed(table: pd.DataFrame, structure: str, by: Sequence[str]) -> pd.DataFrame:
    return table.assign(structure=structure, **({} if by else {"branch_id": WHOLE_BANK}))


def _put_together(tables: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    table = pd.concat(tables, ignore_index=True)
    order = ["structure", "branch_id"]
    return table.sort_values(order, kind="stable", ignore_index=True)[list(columns)]
