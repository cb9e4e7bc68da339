"""The views of a bank: customers, managed customers and pairs of quarters, computed once.

Only what the questions sum is held, flags as single bytes: a bank of ten million customers must
fit beside its previous quarter.
"""

from __future__ import annotations

from dataclasses import dataclass

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.customers import (
    ISSUED_BRANCH,
    KEYS,
    Bank,
    materialize,
    population_of,
    release,
    source_of,
)
from stockcust_analysis.core.calendar import PERIOD, Calendar
from stockcust_analysis.core.frames import Table, collect_rows, flag
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures import service
from stockcust_analysis.measures.bases import require_amounts
from stockcust_analysis.policy import Policy

_LABELS = (*KEYS, "branch_id", ISSUED_BRANCH, "tier", "status")
_AMOUNTS = ("aum_period_end_cents", "aum_average_quarter_cents", "loan_balance_cents")
_FLAGS = ("obliged", "families", "tenure")
_FLAG_PREFIXES = ("in_", "holds_", "uses_")
_COUNT_PREFIXES = ("opened_9", "opened_6", "unused_")
# What is looked at of managed customers alone, beside classes and contacts.
_AVERAGES = ("aum_average_quarter_cents", "aum_average_month_cents")
_SERVED_BY = (_AVERAGES[1], "profile_complete", "exclusion", "do_not_contact", "purchases")
_MANAGED = (*KEYS, "branch_id", "tier", "tenure", "role", "in_managed", "contactable")
_SERVICE = (*_MANAGED, _AVERAGES[0], *_SERVED_BY, *service.SERVICE_FLAGS)
# What decides a customer's class.
_ASSIGNED = (*KEYS, "branch_id", "manager_id", "in_managed", "managed_from")
_INTENT = ("purchases", "last_contact_on", "sales", "profile_complete", _AVERAGES[0])
_CLASSED_BY = (*_ASSIGNED, *_INTENT)


@dataclass(frozen=True)
class Views:
    """The customers of some quarters, and those who are managed with what was done for them."""

    calendar: Calendar
    customers: Table
    managed: Table | None

    def customers_of(self, quarter: Quarter) -> Table:
        """Return the customers of one quarter."""
        return self.customers.filter(nw.col(PERIOD) == self.calendar.period_of(quarter.end))

    def release(self, bank: Bank) -> None:
        """Free what the views hold."""
        release(bank, *(view for view in (self.customers, self.managed) if view is not None))


def views_of(bank: Bank, policy: Policy, calendar: Calendar, *, structure: Quarter) -> Views:
    """Return the views of some quarters on the branch structure of one of them, materialised."""
    source = source_of(bank, policy, calendar)
    # DuckDB binds again what was built before a table is made: that comes first.
    current = None if source is None else materialize(bank, service.assignments_in_force(source))
    table = population_of(bank, policy, calendar, structure=structure.end)
    if source is None or current is None:
        return Views(calendar, _materialize_customers(bank, table, policy, calendar), None)
    table = table.join(current.select(*KEYS, "in_managed"), on=KEYS, how="left")
    table = table.with_columns(in_managed=flag(nw.col("in_managed") == 1))
    customers = _materialize_customers(bank, table, policy, calendar)
    managed = _managed_view(bank, customers, current, source)
    release(bank, current)
    return Views(calendar, customers, managed)


def _materialize_customers(bank: Bank, table: Table, policy: Policy, calendar: Calendar) -> Table:
    """Hold the columns that are summed, flags and small numbers in as few bytes as they need.

    A bank's cells are checked, but one of several files may lack a column of amounts.
    """
    names = table.collect_schema().names()
    managed = "in_managed" in names
    judged_by = (f"{rule.value}_cents" for rule in (policy.tiers, policy.dormancy))
    columns = dict.fromkeys((*_LABELS, *_AMOUNTS, *judged_by, *(_SERVED_BY if managed else ())))
    flags = [n for n in names if n in _FLAGS or n.startswith(_FLAG_PREFIXES)]
    counts = [n for n in names if n.startswith(_COUNT_PREFIXES)]
    narrow = table.select(
        *(name for name in columns if name in names),
        *(nw.col(name).cast(nw.Int8) for name in flags),
        *(nw.col(name).cast(nw.Int32) for name in counts),
    )
    customers = materialize(bank, narrow)
    _require_customers(customers, calendar)
    amounts = ["aum_period_end", "aum_average_quarter", "aum_average_month"][: 2 + managed]
    checked = customers.select(**{name: nw.col(f"{name}_cents") for name in amounts})
    require_amounts(checked, amounts, "customers")
    return customers


def _require_customers(customers: Table, calendar: Calendar) -> None:
    """Raise when a quarter has no customer in scope."""
    present = set(collect_rows(customers.select(PERIOD).unique())[PERIOD])
    empty = [day for period, day in enumerate(calendar.days) if period not in present]
    if empty:
        days = ", ".join(map(str, empty))
        raise UsageError(f"customers have no rows in scope as of {days}. Check the date.")


def _managed_view(
    bank: Bank, customers: Table, current: Table, source: service.ServiceSource
) -> Table:
    """Return who is managed and what was done for them.

    Classes need many sorted steps: they carry no more columns than they look at.
    """
    managed = customers.filter(nw.col("in_managed") == 1).drop("in_managed")
    wide = service.with_service(managed, current, source)
    names = wide.collect_schema().names()
    facts, ranked = ([n for n in names if n in some] for some in (_SERVICE, _CLASSED_BY))
    table = materialize(bank, wide.select(dict.fromkeys([*facts, *ranked])))
    classes = service.with_classes(table.select(ranked), source)
    classes = classes.select(*KEYS, "customer_class", "contact_due", "managers")
    both = service.with_rounds(table.select(facts), source).join(classes, on=KEYS, how="left")
    both = both.with_columns(**service.profile_columns(both))
    result = materialize(bank, both.drop("customer_id"))
    release(bank, table)
    return result
