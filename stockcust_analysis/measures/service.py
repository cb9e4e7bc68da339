"""Who serves each customer: the assignment in force (管户关系), contacts, classes and rounds.

An effective contact (有效联络) was answered, whatever the answer; a message sent is none. A period
of three months is counted day to day: a contact on its first border, three full months ago, is
outside; whoever was assigned by that day has been managed for the whole of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import narwhals.stable.v2 as nw

from stockcust_analysis.core.calendar import PERIOD, Border, Calendar
from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import (
    ONE,
    ZERO,
    Table,
    as_lazy,
    cents,
    cents_of,
    day,
    flag,
    same_kind,
)
from stockcust_analysis.measures.tiers import tier_name
from stockcust_analysis.measures.validation import (
    require_amounts,
    require_columns,
    require_same_engine,
    require_snapshot,
)
from stockcust_analysis.periods import Day, as_day, cutoff
from stockcust_analysis.policy import CoverageRule, CustomerClass, PolicyLike, as_policy

SERVICE_FLAGS = (
    "coverable", "covered", "contact_due", "handed_over", "called_in_time", "reclaim_due",
    "set_aside",
)  # fmt: skip
ROUND_STEPS = ("contacts", "answers", "appointments", "sales")
_APPOINTED = ("appointment", "visit", "sale")
_KEYS = [PERIOD, "customer_id"]
_AMOUNT = "aum_average_quarter_cents"
_ASSIGNMENT = ("customer_id", "manager_id", "valid_from", "valid_to", "reason", "first_contact_on")
_COUNTS = (
    "in_managed", "handed_over", "called_in_time", "called", "managed_throughout", "sales",
    "contacts_without_sale", "refused_lately",
)  # fmt: skip


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
    >>> served = customer_service(bank, given, contacts=calls, as_of="2026-09-30")
    >>> served[["in_managed", "customer_class", "covered"]].values.tolist()
    [[1, 'A', 1], [0, '', 0]]
    """
    rules, table = as_policy(policy), as_lazy(customers)
    amounts = ("aum_average_quarter", "aum_average_month")
    require_columns(table, amounts, "customers")
    require_snapshot(table, "customers")
    require_amounts(table, amounts, "customers")
    in_cents = {f"{name}_cents": cents(name) for name in amounts}
    table = table.with_columns(**in_cents)
    table = table.with_columns(tier=tier_name(nw.col(_AMOUNT), rules.tiers), **{PERIOD: ZERO})
    result = serve(
        table,
        as_lazy(assignments),
        as_lazy(contacts),
        None if managers is None else as_lazy(managers),
        rule=rules.coverage,
        calendar=Calendar((as_day(as_of),)),
    )
    return same_kind(customers, result.drop(*in_cents, PERIOD))


def serve(
    customers: Table,
    assignments: Table,
    contacts: Table,
    managers: Table | None = None,
    *,
    rule: CoverageRule,
    calendar: Calendar,
) -> Table:
    """Return customers with who manages them, their class, and contacts by round."""
    table = with_service(customers, assignments, contacts, managers, rule=rule, calendar=calendar)
    return with_rounds(with_classes(table, rule, calendar), contacts, rule, calendar)


def with_service(
    customers: Table,
    assignments: Table,
    contacts: Table,
    managers: Table | None = None,
    *,
    rule: CoverageRule,
    calendar: Calendar,
    current: Table | None = None,
) -> Table:
    """Return the customers with who manages them and when they were last spoken to.

    `current` are the assignments in force, where they have been computed already.

    Added: `in_managed`, `manager_id`, `role` (empty without managers), `managed_from`,
    `managed_throughout` (managed both at the beginning and at the end of the contact period, by
    whomever), `contactable`, `last_contact_on` (effective), `sales` (in the purchase period),
    `contacts_without_sale` (effective, by this manager, since the last sale), `contacted_lately`,
    `refused_lately`, `coverable`, `covered`, `reclaim_due`, `set_aside`, `handed_over` (in the
    period, the days for the first call are over), `called_in_time`, `first_call_missing`. Flags
    are 0 and 1. What lies after the as-of date is not looked at.
    """
    require_columns(customers, ["customer_id", "branch_id"], "customers")
    for table in (assignments, contacts):
        require_same_engine(customers, table)
    if current is None:
        current = assignments_in_force(assignments, rule, calendar)
    if managers is None:
        current = current.with_columns(role=nw.lit(None, dtype=nw.String))
    else:
        current = current.join(managers.select("manager_id", "role"), on="manager_id", how="left")
    table = customers.join(current, on=_KEYS, how="left")
    table = table.join(_managed_throughout(assignments, rule, calendar), on=_KEYS, how="left")
    contacted = _contact_facts(contacts, current, rule, calendar)
    table = table.join(contacted, on=_KEYS, how="left").with_columns(
        nw.col(name).fill_null(0).cast(nw.Int64) for name in _COUNTS
    )
    return _with_service_flags(
        table.with_columns(contactable=contactable(table, rule)), rule, calendar
    )


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


def profile_columns(customers: Table) -> dict[str, nw.Expr]:
    """Return `profile_known` and `profile_done`: 0 for all where profiles are not delivered."""
    known = "profile_complete" in customers.collect_schema().names()
    return {"profile_known": ONE if known else ZERO, "profile_done": profile_complete(customers)}


def hand_over_due(rule: CoverageRule) -> nw.Expr:
    """Return 1 for customers of a counter manager whose month's average belongs to a VIP one."""
    grown = nw.col("aum_average_month_cents") >= cents_of(rule.vip_from)
    return flag((nw.col("role") == "counter") & grown)


def assignments_in_force(assignments: Table, rule: CoverageRule, calendar: Calendar) -> Table:
    """Return each customer's assignment on every as-of date; the later one where two overlap."""
    require_columns(assignments, _ASSIGNMENT, "assignments")
    table = calendar.on_every_day(assignments)
    valid_from, called_on = day(table, "valid_from"), day(table, "first_contact_on")
    called = called_on.is_null() | calendar.after_as_of(called_on)
    table = table.filter(_is_in_force(table, calendar, lambda as_of: as_of)).with_columns(
        managed_from=valid_from,
        latest=valid_from.max().over(*_KEYS),
        deadline=valid_from.dt.offset_by(f"{rule.first_call_days}d"),
    )
    table = table.filter(nw.col("managed_from") == nw.col("latest"))
    began = _months_before(rule.contact_months)
    handed_over = flag(
        (nw.col("reason") == "handover")
        & calendar.after(nw.col("managed_from"), began)
        & ~calendar.after(nw.col("managed_from"), _days_before(rule.first_call_days))
    )
    return table.select(
        *_KEYS,
        "manager_id",
        "managed_from",
        in_managed=ONE,
        handed_over=handed_over,
        called=flag(~called),
        called_in_time=handed_over * flag(called_on <= nw.col("deadline")),
    )


def _managed_throughout(assignments: Table, rule: CoverageRule, calendar: Calendar) -> Table:
    """Return who was managed, by whomever, when the contact period began."""
    table = calendar.on_every_day(assignments)
    began = table.filter(_is_in_force(table, calendar, _months_before(rule.contact_months)))
    return began.select(*_KEYS).unique().with_columns(managed_throughout=ONE)


def _is_in_force(assignments: Table, calendar: Calendar, on: Border) -> nw.Expr:
    """Return whether an assignment is valid on a day; its last day is included."""
    ends = day(assignments, "valid_to")
    return ~calendar.after(day(assignments, "valid_from"), on) & (
        ends.is_null() | calendar.after(ends, lambda as_of: on(as_of) - timedelta(days=1))
    )


def _contact_facts(
    contacts: Table, current: Table, rule: CoverageRule, calendar: Calendar
) -> Table:
    """Return, per customer, the last effective contact and what the contacts came to."""
    require_columns(contacts, ["customer_id", "contacted_on", "outcome"], "contacts")
    table = calendar.on_every_day(contacts)
    table = table.select(*_KEYS, "outcome", on=day(table, "contacted_on"))
    table = table.filter(~calendar.after_as_of(nw.col("on")))
    table = table.join(current.select(*_KEYS, "managed_from"), on=_KEYS, how="left")
    table = table.with_columns(
        effective=flag(nw.col("outcome").is_in(rule.effective_outcomes)),
        sold_on=nw.when(nw.col("outcome") == "sale").then(nw.col("on")),
    )
    sold = table.group_by(*_KEYS).agg(last_sale=nw.col("sold_on").max())
    table = table.join(sold, on=_KEYS, how="left")
    since_sale = nw.col("last_sale").is_null() | (nw.col("on") > nw.col("last_sale"))
    by_manager = flag(since_sale & (nw.col("on") >= nw.col("managed_from")))
    lately = calendar.after(nw.col("on"), _months_before(rule.contact_months))
    bought = calendar.after(nw.col("sold_on"), _months_before(rule.purchase_months))
    table = table.select(
        *_KEYS,
        last_contact_on=nw.when(nw.col("effective") == 1).then(nw.col("on")),
        sales=flag(bought),
        contacts_without_sale=nw.col("effective") * by_manager,
        refused_lately=flag((nw.col("outcome") == "refused") & lately),
    )
    return table.group_by(*_KEYS).agg(
        nw.col("last_contact_on").max(),
        nw.col("sales").sum(),
        nw.col("contacts_without_sale").sum(),
        nw.col("refused_lately").max(),
    )


def _with_service_flags(table: Table, rule: CoverageRule, calendar: Calendar) -> Table:
    """Return the flags that follow from assignment and contacts together."""
    contacted = nw.col("last_contact_on")
    reclaim = _unspoken_since(calendar, _months_before(rule.reclaim_months))
    missing = nw.col("called") + flag(contacted >= nw.col("managed_from")) == 0
    lately = calendar.after(contacted, _months_before(rule.contact_months))
    managed = nw.col("in_managed")
    table = table.with_columns(
        contacted_lately=flag(lately),
        coverable=managed * nw.col("managed_throughout") * nw.col("contactable"),
        reclaim_due=managed * flag(reclaim),
        set_aside=managed * flag(nw.col("contacts_without_sale") >= rule.set_aside_after),
        first_call_missing=managed * nw.col("handed_over") * flag(missing),
    )
    return table.with_columns(covered=nw.col("coverable") * nw.col("contacted_lately"))


def _unspoken_since(calendar: Calendar, limit: Border) -> nw.Expr:
    """Return whether a customer was managed by a day, and not spoken to since."""
    managed_after = calendar.after(nw.col("managed_from"), limit)
    return ~managed_after & ~calendar.after(nw.col("last_contact_on"), limit)


def _months_before(months: int) -> Border:
    return lambda as_of: cutoff(as_of, months)


def _days_before(days: int) -> Border:
    return lambda as_of: as_of - timedelta(days=days)


def with_classes(customers: Table, rule: CoverageRule, calendar: Calendar) -> Table:
    """Return served customers with `customer_class` A to D, `contact_due` and `managers`.

    A customer's score is his rank by assets plus his rank by purchases (`purchases`, or where
    there is no such column the `sales`) among the known customers of his manager; equal scores
    share a rank. The rank of the last of a class is its share of all the manager's customers,
    rounded up. Known is whose profile is complete, or who purchased; the others are of the last
    class. `customer_class` is empty for who is not managed. `contact_due` marks customers managed
    without an effective contact for as long as their class allows; `managers` marks one customer
    per manager and branch, so that its sum counts managers.
    """
    columns = customers.collect_schema().names()
    bought = nw.col("purchases" if "purchases" in columns else "sales")
    known = flag((bought > 0) | (profile_complete(customers) == 1))
    owner = nw.col("manager_id").fill_null("")
    table = customers.with_columns(_owner=owner, _known=known, _bought=bought, _one=ONE)
    peers = (PERIOD, "_owner", "in_managed", "_known")
    # Which customer of a manager is marked must not change from run to run.
    first = nw.col("customer_id") == nw.col("customer_id").min().over(PERIOD, "branch_id", "_owner")
    table = table.with_columns(
        _score=_rank(_AMOUNT, peers, descending=True) + _rank("_bought", peers, descending=True),
        _size=nw.col("_one").sum().over(PERIOD, "_owner", "in_managed"),
        managers=flag(first) * nw.col("in_managed"),
    )
    table = table.with_columns(_rank=_rank("_score", peers, descending=False))
    table = table.with_columns(customer_class=_class_name(rule))
    drop = ("_owner", "_known", "_bought", "_one", "_score", "_size", "_rank")
    return table.with_columns(contact_due=_contact_due(rule, calendar)).drop(*drop)


def _rank(name: str, peers: Sequence[str], *, descending: bool) -> nw.Expr:
    """Return the rank among the peers, the best first; equals share one."""
    return nw.col(name).rank("min", descending=descending).over(*peers).cast(nw.Int64)


def _class_name(rule: CoverageRule) -> nw.Expr:
    """Return the class of a rank: the last one for the unknown, none for the unmanaged."""
    *shared, rest, unknown = rule.classes
    name, taken = nw.lit(rest.name), sum(map(_percent, shared))
    for one in reversed(shared):
        within = (nw.col("_rank") - 1) * 100 < nw.col("_size") * taken
        name = nw.when(within).then(nw.lit(one.name)).otherwise(name)
        taken -= _percent(one)
    name = nw.when(nw.col("_known") == 1).then(name).otherwise(nw.lit(unknown.name))
    return nw.when(nw.col("in_managed") == 1).then(name).otherwise(nw.lit(""))


def _percent(customer_class: CustomerClass) -> int:
    """Return a class's part of the managed in whole percent."""
    return round(customer_class.share * 100)


def _contact_due(rule: CoverageRule, calendar: Calendar) -> nw.Expr:
    """Return 1 for customers managed, but not spoken to, for as long as their class allows."""
    due = nw.lit(False)
    for customer_class in rule.classes:
        late = _unspoken_since(calendar, _months_before(customer_class.contact_months))
        due = due | ((nw.col("customer_class") == customer_class.name) & late)
    return flag(due)


def with_rounds(customers: Table, contacts: Table, rule: CoverageRule, calendar: Calendar) -> Table:
    """Return the customers with `round_<number>_<step>`: contacts of the contact period.

    Rounds beyond `rule.set_aside_after` count with it. Without a column `round` a customer's
    contacts are numbered by date.
    """
    table = calendar.on_every_day(contacts)
    table = table.with_columns(_on=day(table, "contacted_on"))
    table = table.filter(~calendar.after_as_of(nw.col("_on")))
    if "round" not in contacts.collect_schema().names():
        table = table.with_columns(round=nw.col("_on").rank("min").over(*_KEYS))
    table = table.filter(calendar.after(nw.col("_on"), _months_before(rule.contact_months)))
    outcome = nw.col("outcome")
    steps = (
        ONE,
        flag(outcome.is_in(rule.effective_outcomes)),
        flag(outcome.is_in(_APPOINTED)),
        flag(outcome == "sale"),
    )
    columns = {
        f"round_{number}_{step}": _is_of_round(number, rule) * counts
        for number in range(1, rule.set_aside_after + 1)
        for step, counts in zip(ROUND_STEPS, steps, strict=True)
    }
    per_customer = table.select(*_KEYS, **columns).group_by(*_KEYS).agg(nw.col(*columns).sum())
    return customers.join(per_customer, on=_KEYS, how="left").with_columns(
        nw.col(name).fill_null(0).cast(nw.Int64) for name in columns
    )


def _is_of_round(number: int, rule: CoverageRule) -> nw.Expr:
    """Return 1 for contacts of a round; the last one takes those beyond."""
    if number == rule.set_aside_after:
        return flag(nw.col("round") >= number)
    return flag(nw.col("round") == number)
