"""How each customer is served: manager, last contact, class and calls due, one row per customer.

The measures of `coverage` and the work lists look at nothing else.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.checks import (
    require_amounts,
    require_columns,
    require_snapshot,
)
from stockcust_analysis.measures.contact_rounds import with_rounds
from stockcust_analysis.measures.customer_classes import classified
from stockcust_analysis.measures.frames import Frame, cents, lazily, like
from stockcust_analysis.measures.service import served
from stockcust_analysis.measures.tiers import tier_name
from stockcust_analysis.periods import Day, as_day
from stockcust_analysis.policy import Policy, PolicyLike, as_policy

_AMOUNTS = ("aum_average_quarter", "aum_average_month")


def customer_service(
    customers: Frame,
    assignments: Frame,
    *,
    contacts: Frame,
    as_of: Day,
    managers: Frame | None = None,
    policy: PolicyLike = None,
) -> Frame:
    """Return the customers with who manages them, their class A to D and what is due.

    Parameters
    ----------
    customers : table
        One row per customer of the as-of date: `customer_id, branch_id, aum_average_quarter,
        aum_average_month` (CNY), and, where the bank has them, `profile_complete`, `exclusion`,
        `do_not_contact`, and `purchases` (number in the purchase period; else sales in contacts).
    assignments, contacts : table
        As in the contract. The assignment in force on `as_of` counts; later contacts do not.
    as_of : date, "2026-09-30" or "2026Q3"
        Last day of the contact period.
    managers : table, optional
        Without it nobody's role is known, and no hand-over is due.
    policy : Policy, name or path, optional
        Its coverage rule and tiers; the shipped policy when left out.

    Returns
    -------
    table
        Of the kind given; lazy stays lazy. Added: `tier`, `customer_class`, `contact_due`,
        `managers` (1 for one customer of each manager in each branch), the columns of
        `service.served`, and the contacts by round. Flags are 0 and 1; dates are empty for who
        was never spoken to. Nobody without a contact counts as contacted.

    Raises
    ------
    UsageError
        A missing column, a missing or negative amount, or tables of several engines.

    Examples
    --------
    >>> import pandas as pd
    >>> bank = pd.DataFrame({"customer_id": ["1", "2"], "branch_id": "A",
    ...     "aum_average_quarter": 60_000.0, "aum_average_month": 60_000.0})
    >>> given = pd.DataFrame({"customer_id": ["1"], "manager_id": "M", "reason": "initial",
    ...     "valid_from": pd.Timestamp("2026-01-01"), "valid_to": pd.NaT,
    ...     "first_contact_on": pd.NaT})
    >>> calls = pd.DataFrame({"customer_id": ["1"], "outcome": ["sale"],
    ...     "contacted_on": pd.Timestamp("2026-09-01")})
    >>> served = customer_service(bank, given, contacts=calls, as_of=date(2026, 9, 30))
    >>> served[["in_managed", "customer_class", "covered"]].values.tolist()
    [[1, 'A', 1], [0, '', 0]]
    """
    policy, table, as_of = as_policy(policy), lazily(customers), as_day(as_of)
    require_columns(table, _AMOUNTS, "customers")
    require_snapshot(table, "customers")
    require_amounts(table, _AMOUNTS, "customers")
    made = {f"{name}_cents": cents(name) for name in _AMOUNTS}
    table = table.with_columns(**made)
    table = table.with_columns(tier=tier_name(nw.col("aum_average_quarter_cents"), policy.tiers))
    served_by = None if managers is None else lazily(managers)
    table = _customer_service(
        table, lazily(assignments), lazily(contacts), served_by, policy=policy, as_of=as_of
    )
    return like(customers, table.drop(*made))


def _customer_service(
    facts: nw.LazyFrame[Any], assignments: nw.LazyFrame[Any], contacts: nw.LazyFrame[Any],
    managers: nw.LazyFrame[Any] | None = None, *, policy: Policy, as_of: date,
) -> nw.LazyFrame[Any]:  # fmt: skip
    """Return customer facts with the columns of `customer_service`."""
    rule = policy.coverage
    table = served(facts, assignments, contacts, managers, rule=rule, as_of=as_of)
    return with_rounds(classified(table, rule, as_of), contacts, rule, as_of)
