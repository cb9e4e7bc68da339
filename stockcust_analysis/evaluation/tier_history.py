"""Tiers with memory (升降级) over the quarters of an evaluation, where the policy states a memory.

By quarter, months become quarters by calendar (按季近似). The first quarter evaluated has no
history: its tiers are those of the borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.evaluation.questions import Facts
from stockcust_analysis.measures.facts import _customer_facts
from stockcust_analysis.measures.frames import lazily
from stockcust_analysis.measures.tier_memory import _tiers_with_memory
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import Policy

QUARTERS_BACK = 4
"""How many quarters before its own an evaluation looks at."""


def remembered_tiers(quarters: Sequence[Facts], policy: Policy) -> Facts:
    """Return `customer_id` and `tier` of the last quarter's customers, by all quarters' amounts.

    Parameters
    ----------
    quarters
        Customers of consecutive quarters, oldest first, with the scheme's column in cents.
    policy
        One that states a memory.
    """
    if policy.tier_memory is None:
        raise ValueError("the policy states no tier memory")
    value = f"{policy.tiers.value}_cents"
    states = _tiers_with_memory(
        quarters, policy.tiers, policy.tier_memory, value=value, months_apart=3
    )
    return states.select("customer_id", "tier")


def with_remembered_tiers(
    bank: Bank, customers: Facts, policy: Policy, quarter: Quarter, *, today: Quarter
) -> Facts:
    """Return a quarter's customers with the tier that their history gives, if there is a memory.

    `today` is the quarter evaluated, whose evaluation begins `QUARTERS_BACK` quarters before.
    """
    earlier = _quarters_before(bank, quarter, today)
    if policy.tier_memory is None or not earlier:
        return customers
    value = f"{policy.tiers.value}_cents"
    past = [_facts(bank, policy, each).select("customer_id", value) for each in earlier]
    tiers = remembered_tiers([*past, customers.select("customer_id", value)], policy)
    return customers.drop("tier").join(tiers, on="customer_id", how="left")


def memory_facts(policy: Policy, bank: Bank, quarter: Quarter) -> dict[str, Any] | None:
    """Return what a page prints of the memory: its name, and the first quarter it looks at."""
    if policy.tier_memory is None:
        return None
    first = [*_quarters_before(bank, quarter, quarter), quarter][0]
    return {"name": policy.tier_memory.name, "since": str(first)}


def _quarters_before(bank: Bank, quarter: Quarter, today: Quarter) -> list[Quarter]:
    """Return the quarters evaluated before one, oldest first, back to the first that is missing."""
    found: list[Quarter] = []
    before, first = quarter.previous, today.shifted(-QUARTERS_BACK)
    while before >= first and before in bank.quarters:
        found.insert(0, before)
        before = before.previous
    return found


def _facts(bank: Bank, policy: Policy, quarter: Quarter) -> Facts:
    """Return the customers of a quarter in scope, with their amounts."""
    as_of = quarter.end
    customers, holdings = (
        lazily(bank.snapshot(name, as_of=as_of)) for name in ("customers", "holdings")
    )
    contacts = bank.table("contacts") if "contacts" in bank.columns else None
    return _customer_facts(customers, holdings, policy=policy, as_of=as_of, contacts=contacts)
