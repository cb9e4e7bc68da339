"""Tiers with memory (升降级) over the quarters of an evaluation, where the policy states a memory.

By quarter, months become quarters by calendar (按季近似). The first quarter evaluated has no
history: its tiers are those of the borders.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.calendar import PERIOD, Calendar
from stockcust_analysis.core.frames import Table
from stockcust_analysis.measures.tiers import tiers_by_period
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import Policy

QUARTERS_BACK = 4
"""How many quarters before its own an evaluation looks at."""
_KEYS = [PERIOD, "customer_id"]


def with_memory(customers: Table, policy: Policy, calendar: Calendar) -> Table:
    """Return the customers of some quarters with the tiers their history gives, if there is any.

    A quarter that is missing ends the history: the next one begins anew.
    """
    if policy.tier_memory is None:
        return customers
    table = customers
    value = f"{policy.tiers.value}_cents"
    for run in _consecutive(calendar):
        periods = [
            customers.filter(nw.col(PERIOD) == period).select("customer_id", value)
            for period in run
        ]
        tiers = tiers_by_period(periods, policy.tiers, policy.tier_memory, value=value)
        remembered = tiers.with_columns(nw.col(PERIOD) + run[0])
        table = table.join(remembered, on=_KEYS, how="left")
        table = table.with_columns(tier=nw.coalesce("remembered", "tier")).drop("remembered")
    return table


def memory_facts(policy: Policy, bank: Bank, quarter: Quarter) -> dict[str, Any] | None:
    """Return what a page prints of the memory: its name, and the first quarter it looks at."""
    if policy.tier_memory is None:
        return None
    earlier = quarters_remembered(bank, policy, quarter.end, quarter.end)
    first = Quarter.ending_on(earlier[0]) if earlier else quarter
    return {"name": policy.tier_memory.name, "since": str(first)}


def quarters_remembered(bank: Bank, policy: Policy, as_of: date, structure: date) -> list[date]:
    """Return the quarter ends before a day that its tiers remember, oldest first.

    They reach back to the first that is missing, within the evaluation of the structure's quarter.
    """
    quarter, today = Quarter.ending_on(as_of), Quarter.ending_on(structure)
    if policy.tier_memory is None or quarter is None or today is None:
        return []
    ends: list[date] = []
    before, first = quarter.previous, today.shifted(-QUARTERS_BACK)
    while before >= first and before in bank.quarters:
        ends.insert(0, before.end)
        before = before.previous
    return ends


def _consecutive(calendar: Calendar) -> list[list[int]]:
    """Return the periods in runs of two quarters or more that follow one another."""
    runs: list[list[int]] = []
    before = None
    for period, day in enumerate(calendar.days):
        quarter = Quarter.ending_on(day)
        if quarter is None:
            continue
        if before is not None and quarter.previous == before:
            runs[-1].append(period)
        else:
            runs.append([period])
        before = quarter
    return [run for run in runs if len(run) > 1]
