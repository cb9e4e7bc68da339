"""What the work lists look at: customer facts, how each is served, and what is about to mature."""

from __future__ import annotations

from datetime import date, timedelta

import narwhals.stable.v2 as nw

from stockcust_analysis.core.calendar import PERIOD, Calendar
from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import (
    ZERO,
    Table,
    after,
    as_lazy,
    cents_or_zero,
    day,
    flag,
    same_kind,
)
from stockcust_analysis.measures.attrition import with_attrition, with_opening_average
from stockcust_analysis.measures.holdings import snapshot
from stockcust_analysis.measures.service import contactable, serve
from stockcust_analysis.measures.validation import require_same_engine
from stockcust_analysis.periods import Day, add_months, as_day, cutoff
from stockcust_analysis.policy import Policy, PolicyLike, as_policy


def worklist_facts(
    facts: Frame, holdings: Frame, *, policy: PolicyLike = None, as_of: Day,
    assignments: Frame | None = None, contacts: Frame | None = None,
    managers: Frame | None = None, opening: Frame | None = None,
) -> Frame:  # fmt: skip
    """Return customer facts with all that the work lists look at.

    Parameters
    ----------
    facts : table
        As `customer_facts` returns them.
    holdings : table
        As in the contract; those of `as_of` count.
    policy : Policy, name or path, optional
        Its coverage and work-list rules.
    as_of : date, "2026-09-30" or "2026Q3"
        Day of the lists.
    assignments, contacts, managers : table, optional
        As in the contract. Without assignments and contacts nothing is known of service, and the
        lists that look at it are left out.
    opening : table, optional
        Customer facts of the quarter before; without them there is no attrition warning.

    Returns
    -------
    table
        Of the kind given; lazy stays lazy. Added: `maturing_cents` and `maturing_on` (balances in
        AUM that mature in the period and do not roll over, and the first day of it), `purchases`
        (products opened in the purchase period, demand deposits apart), `contactable`, and the
        columns of `customer_service` and of `attrition_warning`.

    Raises
    ------
    UsageError
        A column is missing, or the tables are of several engines.
    """
    policy, as_of = as_policy(policy), as_day(as_of)
    accounts = snapshot(as_lazy(holdings), as_of, "holdings")
    table = _with_accounts(as_lazy(facts), accounts, policy, as_of)
    if opening is not None:
        table = with_opening_average(table, as_lazy(opening))
        table = with_attrition(table, policy.attrition, policy.tiers, peers="branch_id")
        table = table.drop("closing_there", "departed")
    if assignments is not None and contacts is not None:
        table = serve(
            table.with_columns(ZERO.alias(PERIOD)),
            as_lazy(assignments),
            as_lazy(contacts),
            None if managers is None else as_lazy(managers),
            rule=policy.coverage,
            calendar=Calendar((as_of,)),
        ).drop(PERIOD)
    return same_kind(facts, table.with_columns(contactable=contactable(table, policy.coverage)))


def through(as_of: date, months: int) -> date:
    """Return the last day of the next so many months; a month's end leads to a month's end.

    >>> through(date(2026, 9, 30), 3)
    datetime.date(2026, 12, 31)
    """
    one = timedelta(days=1)
    return max(add_months(as_of, months), add_months(as_of + one, months) - one)


def _with_accounts(facts: Table, holdings: Table, policy: Policy, as_of: date) -> Table:
    """Return the facts with what matures soon and what was purchased lately."""
    require_same_engine(facts, holdings)
    in_aum = nw.col("product").is_in(policy.families.aum_products)
    due = in_aum & _matures_soon(holdings, through(as_of, policy.worklists.maturing_months), as_of)
    accounts = holdings.select(
        "customer_id",
        maturing_cents=flag(due) * cents_or_zero("balance").clip(0),
        maturing_on=nw.when(due).then(_matures(holdings)),
        purchases=flag(in_aum & (nw.col("product") != "demand_deposit"))
        * _opened_lately(holdings, cutoff(as_of, policy.coverage.purchase_months)),
    )
    held = accounts.group_by("customer_id").agg(
        nw.col("maturing_cents").sum(), nw.col("maturing_on").min(), nw.col("purchases").sum()
    )
    return facts.join(held, on="customer_id", how="left").with_columns(
        nw.col(name).fill_null(0).cast(nw.Int64) for name in ("maturing_cents", "purchases")
    )


def _matures(holdings: Table) -> nw.Expr:
    """Return the day of maturity, empty where the bank does not deliver it."""
    delivered = "matures_on" in holdings.collect_schema().names()
    return day(holdings, "matures_on") if delivered else nw.lit(None, dtype=nw.Datetime("us"))


def _matures_soon(holdings: Table, until: date, as_of: date) -> nw.Expr:
    """Return whether a balance matures after the as-of date, by `until`, and is then free."""
    matures = _matures(holdings)
    soon = after(matures, as_of) & ~after(matures, until) & (cents_or_zero("balance") > 0)
    if "rolls_over" not in holdings.collect_schema().names():
        return soon
    return soon & ~(nw.col("rolls_over") == nw.lit(True)).fill_null(False)


def _opened_lately(holdings: Table, border: date) -> nw.Expr:
    """Return 1 for accounts opened after the border; 0 where the bank does not say when."""
    if "opened_on" not in holdings.collect_schema().names():
        return flag(nw.lit(False))
    return flag(after(day(holdings, "opened_on"), border))
