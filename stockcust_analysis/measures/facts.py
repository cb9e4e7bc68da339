"""Customer facts: one row per customer with everything the measures group and sum.

The evaluation makes them once per as-of date and keeps them; every measure is then one look.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import base_flag
from stockcust_analysis.measures.checks import require_amounts, require_columns
from stockcust_analysis.measures.cross_sell import families_held
from stockcust_analysis.measures.dormancy import (
    require_evidence,
    require_past_activity,
    status_name,
)
from stockcust_analysis.measures.dormancy_evidence import (
    holding_flags,
    looked_at_cents,
    with_contacts,
)
from stockcust_analysis.measures.frames import (
    Frame,
    after,
    cents,
    cents_or_zero,
    collected,
    day,
    lazily,
    like,
)
from stockcust_analysis.measures.holdings import (
    aum_amounts,
    family_flags,
    is_obliged,
    join_flags,
    snapshot,
    with_balance,
)
from stockcust_analysis.measures.openings import opening_amounts
from stockcust_analysis.measures.tenure import tenure_columns
from stockcust_analysis.measures.tiers import tier_name
from stockcust_analysis.periods import Day, as_day
from stockcust_analysis.policy import Policy, PolicyLike, as_policy

AUM = ("aum_period_end", "aum_average_month", "aum_average_quarter")
_NEEDED = ("customer_id", "branch_id", "customer_type", "last_active_on")
_BASES = ("all", "funded", "established", "effective")


def customer_facts(
    customers: Frame,
    holdings: Frame,
    *,
    policy: PolicyLike = None,
    as_of: Day,
    contacts: Frame | None = None,
) -> Frame:
    """Return one row per customer of the as-of date, with all that the measures look at.

    Parameters
    ----------
    customers, holdings : table
        As in the contract, of any number of as-of dates, and of the same engine.
    policy : Policy, name or path, optional
        Customer types in scope, tiers, dormancy rule, families and bases.
    as_of : date, "2026-09-30" or "2026Q3"
        The snapshot; also the day idle periods end on.
    contacts : table, optional
        For a policy whose dormancy rule counts contacts as activity.

    Returns
    -------
    table
        Of the kind given; lazy stays lazy. Customers of the policy's types who had not left by
        `as_of`. Columns: those of customers, with money as Int64 cents (`aum_period_end_cents`,
        `aum_average_month_cents`, `aum_average_quarter_cents`, `loan_balance_cents`); 0/1 columns
        `holds_<family>` and `uses_<channel>` (an empty, unused or matured account does not
        count), `obliged` (a loan or policy in force), `exempt`, `matured_lately` and
        `large_account` (dormancy rule), `in_all`, `in_funded`, `in_established`, `in_effective`;
        the number of `families`; `tier`; `status`; `tenure` and `established` where there is a
        `relationship_since`; new accounts and the unused among them (see `opening_amounts`).
        An AUM column that the bank does not deliver is made from holdings (see `aum_origins`).
        `in_managed` needs assignments and is added by who has them.

    Raises
    ------
    UsageError
        A column or the snapshot is not there; AUM is missing or negative; somebody was last
        active after `as_of`.

    Examples
    --------
    >>> import pandas as pd
    >>> from stockcust_analysis.policy import load_policy
    >>> bank = pd.DataFrame({
    ...     "customer_id": ["1"], "branch_id": ["A"], "customer_type": ["personal"],
    ...     "last_active_on": pd.to_datetime(["2026-09-01"]),
    ... })
    >>> accounts = pd.DataFrame({"customer_id": ["1"], "product": ["fund"], "balance": [60_000.0]})
    >>> facts = customer_facts(bank, accounts, policy=load_policy(), as_of=date(2026, 9, 30))
    >>> facts[["holds_fund", "families", "tier", "status"]].values.tolist()
    [[1, 1, 'mid', 'active']]
    """
    table, policy, as_of = lazily(customers), as_policy(policy), as_day(as_of)
    require_columns(table, _NEEDED, "customers")
    present = in_scope(snapshot(table, as_of), policy, as_of)
    require_somebody(present, as_of)
    delivered = present.collect_schema().names()
    require_amounts(present, [name for name in AUM if name in delivered], "customers")
    require_past_activity(present, as_of)
    facts = _customer_facts(table, lazily(holdings), policy=policy, as_of=as_of, contacts=contacts)
    return like(customers, facts)


def aum_origins(customer_columns: Iterable[str], holding_columns: Iterable[str]) -> dict[str, str]:
    """Return where each AUM column comes from, to be printed with the figures.

    The quarter's and the month's average fall back on the quarter's average balance of the
    accounts, and where there is none on the balance of the as-of date.

    >>> aum_origins(["customer_id", "aum_period_end"], ["balance"])["aum_average_quarter"]
    'holdings.balance'
    """
    delivered = set(customer_columns)
    average = "average_balance" if "average_balance" in set(holding_columns) else "balance"
    made = dict.fromkeys(AUM, f"holdings.{average}") | {"aum_period_end": "holdings.balance"}
    return {name: f"customers.{name}" if name in delivered else made[name] for name in AUM}


def in_scope(customers: nw.LazyFrame[Any], policy: Policy, as_of: date) -> nw.LazyFrame[Any]:
    """Return customers of the policy's types who had not left by the as-of date."""
    kept = customers.filter(nw.col("customer_type").is_in(policy.customer_types))
    columns = kept.collect_schema().names()
    if "closed_on" not in columns:
        return kept
    closed = day(kept, "closed_on")
    return kept.filter(closed.is_null() | after(closed, as_of))


def require_somebody(customers: nw.LazyFrame[Any], as_of: date) -> None:
    """Raise when there is nobody."""
    if collected(customers.select(nw.len().alias("rows")))["rows"] == [0]:
        raise UsageError(f"customers have no rows in scope as of {as_of}. Check the date.")


def _customer_facts(
    customers: nw.LazyFrame[Any], holdings: nw.LazyFrame[Any], *, policy: Policy, as_of: date,
    contacts: Frame | None = None,
) -> nw.LazyFrame[Any]:  # fmt: skip
    """Return the facts of customers whose cells have been checked, as those of a bank are."""
    families, rule = policy.families, policy.dormancy
    customers = in_scope(snapshot(customers, as_of), policy, as_of)
    require_evidence(customers, rule, holdings, contacts)
    holdings = with_balance(snapshot(holdings, as_of, "holdings"))
    flags = family_flags(holdings, families, as_of) | holding_flags(holdings, rule, families, as_of)
    flags["obliged"] = is_obliged(holdings, as_of)
    amounts = aum_amounts(holdings, families) | opening_amounts(holdings, families, as_of)
    amounts["looked_at_cents"] = looked_at_cents(rule, families)
    table = _in_cents(join_flags(customers, holdings, flags, amounts))
    table = with_contacts(table, {"": rule}, as_of, contacts, policy)
    tenure = tenure_columns(table, as_of) if "relationship_since" in table.columns else {}
    table = table.with_columns(families=families_held(families), **tenure)
    bases = {f"in_{base}": base_flag(table, base, policy.bases)
             for base in _BASES if base != "established" or tenure}  # fmt: skip
    amount = nw.col(f"{rule.value}_cents")
    return table.with_columns(
        tier=tier_name(nw.col(f"{policy.tiers.value}_cents"), policy.tiers),
        status=status_name(table, rule, as_of, amount=amount),
        **bases,
    )


def _in_cents(table: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Replace money in CNY by cents, and make the AUM that was not delivered from holdings."""
    columns = table.collect_schema().names()
    money = [name for name in (*AUM, "loan_balance") if name in columns]
    made = {name: nw.col("held_average_cents") for name in AUM if name not in columns}
    if "aum_period_end" in made:
        made["aum_period_end"] = nw.col("held_cents")
    made |= {name: cents(name) for name in money}
    if "loan_balance" in columns:
        made["loan_balance"] = cents_or_zero("loan_balance")
    whole = {f"{name}_cents": amount for name, amount in made.items()}
    return table.with_columns(**whole).drop(*money, "held_cents", "held_average_cents")
