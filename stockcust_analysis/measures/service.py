"""Who serves each customer: the assignment in force (管户关系), contacts, classes and rounds.

An effective contact (有效联络) was answered, whatever the answer; a message sent is none. A period
of three months is counted day to day: a contact on its first border, three full months ago, is
outside; a customer assigned by that day has been managed for the whole of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.core import frames
from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import KEYS, ONE, PERIOD, Table, as_lazy, day, flag, is_true
from stockcust_analysis.core.periods import Day, as_day
from stockcust_analysis.measures import bases
from stockcust_analysis.measures.tiers import tier_name
from stockcust_analysis.policy import CoverageRule, PolicyLike, as_policy

_CALL_FLAGS = ("coverable", "covered", "contact_due", "handed_over", "called_in_time")
SERVICE_FLAGS = (*_CALL_FLAGS, "reclaim_due", "set_aside")
_STEPS = ("contacts", "answers", "appointments", "sales")
_APPOINTED = ("appointment", "visit", "sale")
_ASSIGNMENT = ("customer_id", "manager_id", "valid_from", "valid_to", "reason", "first_contact_on")
# Columns that stay empty for a customer without a manager or contacts; counts are then 0.
_LABELS = (*KEYS, "manager_id", "managed_from", "role", "last_contact_on", "customer_class")
# What only contacts tell, beside their rounds.
_BY_CONTACTS = (
    *("last_contact_on", "contacted_lately", "refused_lately", "covered", "reclaim_due"),
    *("sales", "contacts_without_sale", "set_aside", "customer_class", "contact_due"),
    *("called_in_time", "first_call_missing"),
)
CLASSED_BY = ("manager_id", "managed_from", "last_contact_on", "sales")
"""What `with_service` adds that a customer's class is made from."""


@dataclass(frozen=True)
class ServiceSource:
    """The tables that say who serves whom, the rule by which and the dates on which they count.

    Without `contacts` it is known who manages whom, and not who was spoken to.
    """

    assignments: Table
    rule: CoverageRule
    calendar: frames.Calendar
    contacts: Table | None = None
    managers: Table | None = None

    @property
    def events(self) -> Table:
        """The contacts, or a table of none."""
        none = self.assignments.filter(nw.col("customer_id").is_null())
        empty = none.select("customer_id", contacted_on="valid_from", outcome="reason")
        return empty if self.contacts is None else self.contacts

    @property
    def ended_assignments(self) -> Table:
        """The assignments that count, those of a manager who left ended on his last day."""
        table, managers = self.assignments, self.managers
        if managers is not None and self.rule.assistant_roles:
            assist = nw.col("role").is_in(self.rule.assistant_roles)
            assistants = managers.filter(assist).select("manager_id")
            table = table.join(assistants, on="manager_id", how="anti")
        return end_with_managers(table, managers)

    def after(self, days: nw.Expr, months: int) -> nw.Expr:
        """Return whether days lie in the last so many months of the as-of date, or after it."""
        return self.calendar.after(days, frames.months_before(months))

    def known(self, table: Table) -> Table:
        """Return customers with rounds; without what contacts tell, where there are none."""
        unknown = (*_BY_CONTACTS, *round_columns(self.rule).values())
        return table.drop(*unknown, strict=False) if self.contacts is None else table


def end_with_managers(assignments: Table, managers: Table | None, by: str = "manager_id") -> Table:
    """Return assignments that end with their manager's last day, where that comes first.

    Or, by another column, with that of another one, such as the customer.
    """
    if managers is None or "valid_to" not in managers.collect_schema().names():
        return assignments
    last_days = managers.select(by, _left_on=day(managers, "valid_to"))
    table = assignments.join(last_days, on=by, how="left")
    ends, left = day(table, "valid_to"), nw.col("_left_on")
    goes_on = ends.is_null() | (ends > left).fill_null(False)
    end = nw.when(~left.is_null() & goes_on).then(left).otherwise(ends)
    return table.with_columns(valid_to=end).drop("_left_on")


def customer_service(
    customers: Frame,
    assignments: Frame,
    *,
    contacts: Frame | None = None,
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
    assignments : table
        As in the contract. The assignment in force on `as_of` counts.
    contacts : table, optional
        As in the contract; later ones do not count. Without it classes, sales, contacts and first
        calls are not known: their columns are absent.
    as_of : date, "2026-09-30" or "2026Q3"
        Last day of the contact period.
    managers : table, optional
        Without it no role is known, and no hand-over is due.
    policy : Policy, name or path, optional
        Its coverage rule and tiers; the shipped policy when left out.

    Returns
    -------
    table
        Of the kind given; lazy stays lazy. Added: `tier`, `customer_class`, `contact_due`,
        `managers` (1 for one customer of each manager in each branch), the columns of
        `with_service`, and the contacts by round. Flags are 0 and 1; dates are empty for who
        was never spoken to. A customer without a contact does not count as contacted.

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
    rules, amounts = as_policy(policy), ("aum_average_quarter", "aum_average_month")
    table = bases.with_base(as_lazy(customers), bases.Request(customers, [], "all", rules), amounts)
    table = table.with_columns(tier=tier_name(nw.col("aum_average_quarter_cents"), rules.tiers))
    tables = {"assignments": assignments, "contacts": contacts, "managers": managers}
    source = service_source(rules.coverage, as_of, **tables)
    own = ("in_all", *(f"{name}_cents" for name in amounts))
    return frames.same_kind(customers, serve(table, source).drop(*own))


def service_source(rule: CoverageRule, as_of: Day, **tables: Frame | None) -> ServiceSource:
    """Return the tables of any engine that are given as the source of one day."""
    given: Any = {name: as_lazy(table) for name, table in tables.items() if table is not None}
    return ServiceSource(**given, rule=rule, calendar=frames.Calendar((as_day(as_of),)))


def serve(customers: Table, source: ServiceSource) -> Table:
    """Return the customers of one day with who manages them, their class, and contacts by round."""
    customers = customers.with_columns(frames.ZERO.alias(PERIOD))
    table = with_classes(with_service(customers, assignments_in_force(source), source), source)
    rounds = with_rounds(customers.select(*KEYS), source)
    return source.known(table.join(rounds, on=KEYS, how="left")).drop(PERIOD)


def with_service(customers: Table, current: Table, source: ServiceSource) -> Table:
    """Return the customers with who manages them and when they were last spoken to.

    `current` are the assignments in force, as `assignments_in_force` returns them.

    Added: `in_managed`, `manager_id`, `role` (empty without managers), `managed_from`,
    `managed_throughout` (managed both at the beginning and at the end of the contact period, by
    whomever), `contactable`, `last_contact_on` (effective), `sales` (in the purchase period),
    `contacts_without_sale` (effective, by this manager, since the last sale), `contacted_lately`,
    `refused_lately`, `coverable`, `covered`, `reclaim_due`, `set_aside`, `handed_over` (in the
    period, the days for the first call are over), `called_in_time`, `first_call_missing`. Flags
    are 0 and 1. What lies after the as-of date does not count.
    """
    bases.require_columns(customers, ["customer_id", "branch_id"], "customers")
    for other in (source.assignments, source.events):
        bases.require_joinable(customers, other)
    if source.managers is None:
        current = current.with_columns(role=nw.lit(None, dtype=nw.String))
    else:
        roles = source.managers.select("manager_id", "role")
        current = current.join(roles, on="manager_id", how="left")
    table = _join_facts(customers, current)
    dated = source.ended_assignments.join(table.select(*KEYS), on="customer_id", how="inner")
    began = in_force(dated, source.calendar, frames.months_before(source.rule.contact_months))
    throughout = began.select(*KEYS).unique().with_columns(managed_throughout=ONE)
    for facts in (throughout, _contact_facts(table.select(*KEYS, "managed_from"), source)):
        table = _join_facts(table, facts)
    return _with_flags(table.with_columns(contactable=contactable(table, source.rule)), source)


def _join_facts(customers: Table, facts: Table) -> Table:
    """Return the customers with the facts of some of them; counts of the others are 0."""
    counts = [name for name in facts.collect_schema().names() if name not in _LABELS]
    return customers.join(facts, on=KEYS, how="left").with_columns(
        nw.col(name).fill_null(0).cast(nw.Int64) for name in counts
    )


def contactable(customers: Table, rule: CoverageRule) -> nw.Expr:
    """Return 1 unless the customer is excluded from lists or does not wish to be contacted."""
    barred = is_true(customers, "do_not_contact")
    if "exclusion" in customers.collect_schema().names():
        barred = barred | nw.col("exclusion").is_in(rule.never_contact).fill_null(False)
    return flag(~barred)


def profile_columns(customers: Table) -> dict[str, nw.Expr]:
    """Return `profile_known` and `profile_done` (建档): 0 for all where none are delivered."""
    known = nw.lit(int("profile_complete" in customers.collect_schema().names()), nw.Int64)
    return {"profile_known": known, "profile_done": flag(is_true(customers, "profile_complete"))}


def hand_over_due(rule: CoverageRule) -> nw.Expr:
    """Return 1 for customers of a counter manager whose month's average belongs to a VIP one."""
    grown = nw.col("aum_average_month_cents") >= frames.cents_of(rule.vip_from)
    return flag(nw.col("role").is_in(rule.counter_roles) & grown)


def assignments_in_force(source: ServiceSource) -> Table:
    """Return each customer's assignment on every as-of date; the later one where two overlap.

    Of those of a person's numbers that began on one day it is the leading number's.
    """
    bases.require_columns(source.assignments, _ASSIGNMENT, "assignments")
    rule, calendar = source.rule, source.calendar
    days = timedelta(days=rule.first_call_days)
    table = calendar.on_every_day(source.ended_assignments)
    table = in_force(table, calendar, lambda as_of: as_of)
    began, called_on = day(table, "valid_from"), day(table, "first_contact_on")
    table = table.with_columns(managed_from=began, latest=began.max().over(*KEYS))
    table = table.filter(nw.col("managed_from") == nw.col("latest"))
    if bases.OWN_NUMBER in table.collect_schema().names():
        leads = nw.col(bases.OWN_NUMBER) == nw.col("customer_id")
        order = nw.when(leads).then(nw.lit("")).otherwise(nw.col(bases.OWN_NUMBER))
        table = table.with_columns(_order=order)
        table = table.with_columns(_first=nw.col("_order").min().over(*KEYS))
        table = table.filter(nw.col("_order") == nw.col("_first"))
    recent = source.after(began, rule.contact_months)
    judged = recent & ~calendar.after(began, lambda as_of: as_of - days)
    handed_over = flag((nw.col("reason") == "handover") & judged)
    in_time = called_on <= began.dt.offset_by(f"{rule.first_call_days}d")
    return table.select(
        *KEYS,
        "manager_id",
        "managed_from",
        in_managed=ONE,
        handed_over=handed_over,
        called=flag(~called_on.is_null() & ~calendar.after_as_of(called_on)),
        called_in_time=handed_over * flag(in_time),
    )


def in_force(table: Table, calendar: frames.Calendar, on: frames.Border) -> Table:
    """Return the assignments valid on a day of their as-of date; their last day is included."""
    ends = day(table, "valid_to")
    lasts = ends.is_null() | calendar.after(ends, lambda as_of: on(as_of) - timedelta(days=1))
    return table.filter(~calendar.after(day(table, "valid_from"), on) & lasts)


def _past_contacts(customers: Table, source: ServiceSource) -> Table:
    """Return the contacts of customers up to every as-of date, with their day `on`."""
    table = source.events
    bases.require_columns(table, ["customer_id", "contacted_on", "outcome"], "contacts")
    rounds = [name for name in table.collect_schema().names() if name == "round"]
    table = table.select("customer_id", "outcome", *rounds, on=day(table, "contacted_on"))
    table = table.join(customers, on="customer_id", how="inner")
    return table.filter(~source.calendar.after_as_of(nw.col("on")))


def _contact_facts(customers: Table, source: ServiceSource) -> Table:
    """Return, per customer, the last effective contact and what the contacts came to."""
    rule, on, outcome = source.rule, nw.col("on"), nw.col("outcome")
    effective, lately = nw.col("effective"), source.after(on, rule.contact_months)
    table = _past_contacts(customers, source).with_columns(
        effective=flag(outcome.is_in(rule.effective_outcomes)),
        sold_on=nw.when(outcome == "sale").then(on),
    )
    table = table.with_columns(last_sale=nw.col("sold_on").max().over(*KEYS))
    since_sale = nw.col("last_sale").is_null() | (on > nw.col("last_sale"))
    table = table.select(
        *KEYS,
        last_contact_on=nw.when(effective == 1).then(on),
        sales=flag(source.after(nw.col("sold_on"), rule.purchase_months)),
        contacts_without_sale=effective * flag(since_sale & (on >= nw.col("managed_from"))),
        refused_lately=flag((outcome == "refused") & lately),
    )
    return table.group_by(*KEYS).agg(
        nw.col("last_contact_on").max(),
        nw.col("sales", "contacts_without_sale").sum(),
        nw.col("refused_lately").max(),
    )


def _with_flags(table: Table, source: ServiceSource) -> Table:
    """Return the flags that follow from assignment and contacts together."""
    rule, managed, last = source.rule, nw.col("in_managed"), nw.col("last_contact_on")
    missing = nw.col("called") + flag(last >= nw.col("managed_from")) == 0
    table = table.with_columns(
        contacted_lately=flag(source.after(last, rule.contact_months)),
        coverable=managed * nw.col("managed_throughout") * nw.col("contactable"),
        reclaim_due=managed * flag(_unspoken_for(rule.reclaim_months, source)),
        set_aside=managed * flag(nw.col("contacts_without_sale") >= rule.set_aside_after),
        first_call_missing=managed * nw.col("handed_over") * flag(missing),
    )
    return table.with_columns(covered=nw.col("coverable") * nw.col("contacted_lately"))


def _unspoken_for(months: int, source: ServiceSource) -> nw.Expr:
    """Return whether a customer has been managed, but not spoken to, for so many months."""
    managed_from, last = nw.col("managed_from"), nw.col("last_contact_on")
    return ~source.after(managed_from, months) & ~source.after(last, months)


def with_classes(customers: Table, source: ServiceSource) -> Table:
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
    known = flag((bought > 0) | is_true(customers, "profile_complete"))
    # Ranks need many sorted steps: they carry no more rows and columns than they look at.
    owner = nw.col("manager_id").fill_null("")
    table = customers.filter(nw.col("in_managed") == 1).with_columns(owner)
    names = (*KEYS, "branch_id", "in_managed", "aum_average_quarter_cents", *CLASSED_BY)
    table = table.select(*names, _known=known, _bought=bought)
    # The widest groups first: where Spark has brought them together, their parts are, too.
    table = table.with_columns(_size=nw.col("in_managed").sum().over("manager_id", PERIOD))

    def rank(name: str, *, descending: bool) -> nw.Expr:
        peers = ("manager_id", PERIOD, "_known")
        return nw.col(name).rank("min", descending=descending).over(*peers).cast(nw.Int64)

    # Which customer of a manager is marked must not change from run to run.
    first = nw.col("customer_id").min().over("manager_id", PERIOD, "branch_id")
    table = table.with_columns(
        _score=rank("aum_average_quarter_cents", descending=True)
        + rank("_bought", descending=True),
        managers=flag(nw.col("customer_id") == first),
    )
    table = table.with_columns(_rank=rank("_score", descending=False))
    table = table.with_columns(customer_class=_class_name(source.rule))
    due = nw.lit(False)
    for group in source.rule.classes:
        late = _unspoken_for(group.contact_months, source)
        due = due | ((nw.col("customer_class") == group.name) & late)
    classes = table.select(*KEYS, "managers", "customer_class", contact_due=flag(due))
    return _join_facts(customers, classes).with_columns(nw.col("customer_class").fill_null(""))


def _class_name(rule: CoverageRule) -> nw.Expr:
    """Return the class of a rank: the last one for the unknown."""
    *shared, rest, unknown = rule.classes
    before, percent = nw.col("_rank") - 1, accumulate(round(group.share * 100) for group in shared)
    inside = (before * 100 < nw.col("_size") * part for part in percent)
    ranked = zip(inside, (group.name for group in shared), strict=True)
    return frames.first_true([(nw.col("_known") == 0, unknown.name), *ranked], rest.name)


def round_columns(rule: CoverageRule) -> dict[tuple[int, str], str]:
    """Return the columns of `with_rounds` by their round and step.

    >>> round_columns(CoverageRule())[1, "answers"]
    'round_1_answers'
    """
    rounds = range(1, rule.set_aside_after + 1)
    return {(number, step): f"round_{number}_{step}" for number in rounds for step in _STEPS}


def with_rounds(customers: Table, source: ServiceSource) -> Table:
    """Return the customers with the `round_columns`: contacts of the contact period.

    Rounds beyond `rule.set_aside_after` count with it. Without a column `round` a customer's
    contacts are numbered by date.
    """
    outcome, number = nw.col("outcome"), nw.col("round")
    table = _past_contacts(customers.select(*KEYS), source)
    if "round" not in table.collect_schema().names():
        table = table.with_columns(round=nw.col("on").rank("min").over(*KEYS))
    table = table.filter(source.after(nw.col("on"), source.rule.contact_months))
    effective = outcome.is_in(source.rule.effective_outcomes)
    met, sold = outcome.is_in(_APPOINTED), outcome == "sale"
    steps = dict(zip(_STEPS, (ONE, flag(effective), flag(met), flag(sold)), strict=True))
    last = source.rule.set_aside_after
    columns = {
        name: flag(number == at if at < last else number >= last) * steps[step]
        for (at, step), name in round_columns(source.rule).items()
    }
    per_customer = table.select(*KEYS, **columns).group_by(*KEYS).agg(nw.col(*columns).sum())
    return _join_facts(customers, per_customer)
