"""Who serves each customer: the assignment in force (管户关系), and what the contacts came to.

An effective contact (有效联络) was answered, whatever the answer; a message sent is none. A period
of three months is counted day to day: a contact on its first border, three full months ago, is
outside; whoever was assigned by that day has been managed for the whole of it.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.checks import require_columns, require_same_engine
from stockcust_analysis.measures.frames import after, cents_of, day, flag
from stockcust_analysis.periods import cutoff
from stockcust_analysis.policy import CoverageRule

Table = nw.LazyFrame[Any]


def served(
    customers: Table, assignments: Table, contacts: Table, managers: Table | None = None,
    *, rule: CoverageRule, as_of: date, current: Table | None = None,
) -> Table:  # fmt: skip
    """Return the customers with who manages them and when they were last spoken to.

    `current` are the assignments in force, for whoever has computed them already.

    Added: `in_managed`, `manager_id`, `role` (empty without managers), `managed_from`,
    `managed_throughout` (managed both at the beginning and at the end of the contact period, by
    whomever), `contactable`, `last_contact_on` (effective), `sales` (in the purchase period),
    `contacts_without_sale` (effective, by this manager, since the last sale), `contacted_lately`,
    `refused_lately`, `coverable`, `covered`, `reclaim_due`, `set_aside`, `handed_over` (in the
    period, the days for the first call are over), `called_in_time`, `first_call_missing`. Flags
    are 0 and 1. What lies after `as_of` is not looked at.
    """
    require_columns(customers, ["customer_id", "branch_id"], "customers")
    require_columns(assignments, _ASSIGNMENT, "assignments")
    require_columns(contacts, ["customer_id", "contacted_on", "outcome"], "contacts")
    for other in (assignments, contacts):
        require_same_engine(customers, other)
    if current is None:
        current = assignments_in_force(assignments, rule, as_of)
    if managers is None:
        current = current.with_columns(role=nw.lit(None, dtype=nw.String))
    else:
        current = current.join(managers.select("manager_id", "role"), on="manager_id", how="left")
    table = customers.join(current, on="customer_id", how="left")
    table = table.join(_throughout(assignments, rule, as_of), on="customer_id", how="left")
    spoken = _spoken(contacts, current, rule, as_of)
    table = table.join(spoken, on="customer_id", how="left").with_columns(
        nw.col(name).fill_null(0).cast(nw.Int64) for name in _COUNTS
    )
    return _judged(table.with_columns(contactable=contactable(table, rule)), rule, as_of)


_ASSIGNMENT = ("customer_id", "manager_id", "valid_from", "valid_to", "reason", "first_contact_on")
_COUNTS = ("in_managed", "handed_over", "called_in_time", "called", "managed_throughout", "sales",
           "contacts_without_sale", "refused_lately")  # fmt: skip


def contactable(customers: Table, rule: CoverageRule) -> nw.Expr:
    """Return 1 unless the customer is excluded from lists or asked not to be contacted."""
    columns = customers.collect_schema().names()
    barred = nw.lit(False)
    if "exclusion" in columns:
        barred = barred | nw.col("exclusion").is_in(rule.never_contact).fill_null(False)
    if "do_not_contact" in columns:
        barred = barred | (nw.col("do_not_contact") == nw.lit(True)).fill_null(False)
    return flag(~barred)


def profile_complete(customers: Table) -> nw.Expr:
    """Return 1 where the profile (建档) is known to be complete."""
    if "profile_complete" not in customers.collect_schema().names():
        return flag(nw.lit(False))
    return flag(nw.col("profile_complete") == nw.lit(True))


def hand_over_due(rule: CoverageRule) -> nw.Expr:
    """Return 1 for customers of a counter manager whose month's average belongs to a VIP one."""
    grown = nw.col("aum_average_month_cents") >= cents_of(rule.vip_from)
    return flag((nw.col("role") == "counter") & grown)


def assignments_in_force(assignments: Table, rule: CoverageRule, as_of: date) -> Table:
    """Return the assignment in force of each customer; the later one where two overlap."""
    valid_from, called_on = day(assignments, "valid_from"), day(assignments, "first_contact_on")
    called = called_on.is_null() | after(called_on, as_of)
    table = assignments.filter(_in_force(assignments, as_of)).with_columns(
        managed_from=valid_from, latest=valid_from.max().over("customer_id"),
        deadline=valid_from.dt.offset_by(f"{rule.first_call_days}d"),
    )  # fmt: skip
    table = table.filter(nw.col("managed_from") == nw.col("latest"))
    days_over = as_of - timedelta(days=rule.first_call_days)
    handed_over = flag(
        (nw.col("reason") == "handover")
        & after(nw.col("managed_from"), cutoff(as_of, rule.contact_months))
        & ~after(nw.col("managed_from"), days_over)
    )
    return table.select(
        "customer_id",
        "manager_id",
        "managed_from",
        in_managed=nw.lit(1),
        handed_over=handed_over,
        called=flag(~called),
        called_in_time=handed_over * flag(called_on <= nw.col("deadline")),
    )


def _throughout(assignments: Table, rule: CoverageRule, as_of: date) -> Table:
    """Return who was managed, by whomever, when the contact period began."""
    began = assignments.filter(_in_force(assignments, cutoff(as_of, rule.contact_months)))
    return began.select("customer_id").unique().with_columns(managed_throughout=nw.lit(1))


def _in_force(assignments: Table, on: date) -> nw.Expr:
    """Return whether an assignment is valid on a day; its last day is one of them."""
    ends = day(assignments, "valid_to")
    return ~after(day(assignments, "valid_from"), on) & (
        ends.is_null() | after(ends, on - timedelta(days=1))
    )


def _spoken(contacts: Table, current: Table, rule: CoverageRule, as_of: date) -> Table:
    """Return, per customer, the last effective contact and what the contacts came to."""
    on = day(contacts, "contacted_on")
    made = contacts.select("customer_id", "outcome", on=on).filter(~after(nw.col("on"), as_of))
    made = made.join(current.select("customer_id", "managed_from"), on="customer_id", how="left")
    made = made.with_columns(
        effective=flag(nw.col("outcome").is_in(rule.effective_outcomes)),
        sold_on=nw.when(nw.col("outcome") == "sale").then(nw.col("on")),
    )
    sold = made.group_by("customer_id").agg(last_sale=nw.col("sold_on").max())
    made = made.join(sold, on="customer_id", how="left")
    since_sale = nw.col("last_sale").is_null() | (nw.col("on") > nw.col("last_sale"))
    ours = flag(since_sale & (nw.col("on") >= nw.col("managed_from")))
    lately = after(nw.col("on"), cutoff(as_of, rule.contact_months))
    made = made.select(
        "customer_id",
        last_contact_on=nw.when(nw.col("effective") == 1).then(nw.col("on")),
        sales=flag(after(nw.col("sold_on"), cutoff(as_of, rule.purchase_months))),
        contacts_without_sale=nw.col("effective") * ours,
        refused_lately=flag((nw.col("outcome") == "refused") & lately),
    )
    return made.group_by("customer_id").agg(
        nw.col("last_contact_on").max(), nw.col("sales").sum(),
        nw.col("contacts_without_sale").sum(), nw.col("refused_lately").max(),
    )  # fmt: skip


def _judged(table: Table, rule: CoverageRule, as_of: date) -> Table:
    """Return the flags that follow from assignment and contacts together."""
    spoken = nw.col("last_contact_on")
    limit = cutoff(as_of, rule.reclaim_months)
    reclaim = ~after(nw.col("managed_from"), limit) & ~after(spoken, limit)
    missing = nw.col("called") + flag(spoken >= nw.col("managed_from")) == 0
    managed = nw.col("in_managed")
    table = table.with_columns(
        contacted_lately=flag(after(spoken, cutoff(as_of, rule.contact_months))),
        coverable=managed * nw.col("managed_throughout") * nw.col("contactable"),
        reclaim_due=managed * flag(reclaim),
        set_aside=managed * flag(nw.col("contacts_without_sale") >= rule.set_aside_after),
        first_call_missing=managed * nw.col("handed_over") * flag(missing),
    )
    return table.with_columns(covered=nw.col("coverable") * nw.col("contacted_lately"))
