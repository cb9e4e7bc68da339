"""The views of a bank: customers, managed customers and pairs of quarters, computed once.

Only what the questions sum is held, flags as single bytes: a bank of ten million customers must
fit beside its previous quarter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.calendar import PERIOD, Calendar
from stockcust_analysis.core.frames import ZERO, Table, as_lazy, collect_rows, flag
from stockcust_analysis.core.periods import Quarter, require_day
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.population import in_scope, population
from stockcust_analysis.measures.service import (
    SERVICE_FLAGS,
    ServiceSource,
    assignments_in_force,
    profile_columns,
    with_classes,
    with_rounds,
    with_service,
)
from stockcust_analysis.measures.structure import restate_branches
from stockcust_analysis.measures.tiers import tiers_by_period
from stockcust_analysis.measures.validation import require_amounts
from stockcust_analysis.policy import Policy

ISSUED_BRANCH = "issued_branch_id"
"""The branch a customer belonged to when the quarter was issued, before any later merger."""
_KEYS = [PERIOD, "customer_id"]
_LABELS = (*_KEYS, "branch_id", ISSUED_BRANCH, "tier", "status")
_AMOUNTS = ("aum_period_end_cents", "aum_average_quarter_cents", "loan_balance_cents")
_FLAGS = ("obliged", "families", "tenure")
_FLAG_PREFIXES = ("in_", "holds_", "uses_")
_COUNT_PREFIXES = ("opened_9", "opened_6", "unused_")
# What is looked at of managed customers alone, beside classes and contacts.
_AVERAGES = ("aum_average_quarter_cents", "aum_average_month_cents")
_SERVED_BY = (_AVERAGES[1], "profile_complete", "exclusion", "do_not_contact", "purchases")
_MANAGED = (*_KEYS, "branch_id", "tier", "tenure", "role", "in_managed", "contactable")
_SERVICE = (*_MANAGED, _AVERAGES[0], *_SERVED_BY, *SERVICE_FLAGS)
# What decides a customer's class.
_ASSIGNED = (*_KEYS, "branch_id", "manager_id", "in_managed", "managed_from")
_INTENT = ("purchases", "last_contact_on", "sales", "profile_complete", _AVERAGES[0])
_CLASSED_BY = (*_ASSIGNED, *_INTENT)
QUARTERS_BACK = 4
"""How many quarters before its own an evaluation looks at."""


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


def materialize(bank: Bank, table: Table) -> Table:
    """Compute a shared step once and hold its result until it is released."""
    return as_lazy(bank.materialize(table.to_native()))


def release(bank: Bank, *tables: Table) -> None:
    """Free the memory of materialised steps."""
    for table in tables:
        bank.release(table.to_native())


def source_of(bank: Bank, policy: Policy, calendar: Calendar) -> ServiceSource | None:
    """Return what says who serves whom; None where the bank does not deliver it."""
    names = {"assignments", "contacts", "managers"} & set(bank.columns)
    if not names >= {"assignments", "contacts"}:
        return None
    tables = {name: as_lazy(bank.table(name)) for name in names}
    return ServiceSource(**tables, rule=policy.coverage, calendar=calendar)


def views_of(bank: Bank, policy: Policy, calendar: Calendar, *, structure: Quarter) -> Views:
    """Return the views of some quarters on the branch structure of one of them, materialised."""
    source = source_of(bank, policy, calendar)
    # DuckDB binds again what was built before a table is made: that comes first.
    current = None if source is None else materialize(bank, assignments_in_force(source))
    table = population_of(bank, policy, calendar, structure=structure.end)
    if source is None or current is None:
        return Views(calendar, _materialize_customers(bank, table, policy, calendar), None)
    table = table.join(current.select(*_KEYS, "in_managed"), on=_KEYS, how="left")
    table = table.with_columns(in_managed=flag(nw.col("in_managed") == 1))
    customers = _materialize_customers(bank, table, policy, calendar)
    managed = _managed_view(bank, customers, current, source)
    release(bank, current)
    return Views(calendar, customers, managed)


def population_of(bank: Bank, policy: Policy, calendar: Calendar, *, structure: date) -> Table:
    """Return the customers in scope on some dates, under the branches of the structure's day."""
    contacts = as_lazy(bank.table("contacts")) if "contacts" in bank.columns else None
    table = population(
        _restated(bank, as_lazy(bank.table("customers")), structure),
        as_lazy(bank.table("holdings")),
        policy=policy,
        calendar=calendar,
        contacts=contacts,
    )
    return _with_memory(table, policy, calendar)


def customers_on(bank: Bank, policy: Policy, as_of: date, *, structure: date) -> Table:
    """Return the customers in scope on one day, with the tiers that the quarters before give."""
    for name in ("customers", "holdings"):
        require_day(as_of, bank.days(name), name)
    calendar = Calendar((*quarters_remembered(bank, policy, as_of, structure), as_of))
    table = population_of(bank, policy, calendar, structure=structure)
    latest = table.filter(nw.col(PERIOD) == calendar.period_of(as_of))
    return latest.with_columns(ZERO.alias(PERIOD))


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


def reporting_branches(bank: Bank, policy: Policy, quarter: Quarter) -> list[str]:
    """Return the branches that have customers in scope at the end of a quarter, in order."""
    calendar = Calendar((quarter.end,))
    customers = in_scope(calendar.rows(as_lazy(bank.table("customers"))), policy, calendar)
    present = _restated(bank, customers, quarter.end).select("branch_id").unique()
    branches = as_lazy(bank.table("branches")).select("branch_id")
    known = set(collect_rows(branches)["branch_id"])
    return sorted(known & set(collect_rows(present)["branch_id"]))


def _restated(bank: Bank, customers: Table, structure: date) -> Table:
    """Return customers under the branches of a day, and the one they were issued under."""
    issued = customers.with_columns(nw.col("branch_id").alias(ISSUED_BRANCH))
    if "branch_successors" not in bank.columns:
        return issued
    successors = bank.table("branch_successors")
    return as_lazy(restate_branches(issued.to_native(), successors, as_of=structure))


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
    """Raise when a quarter has nobody in scope."""
    present = set(collect_rows(customers.select(PERIOD).unique())[PERIOD])
    empty = [day for period, day in enumerate(calendar.days) if period not in present]
    if empty:
        days = ", ".join(map(str, empty))
        raise UsageError(f"customers have no rows in scope as of {days}. Check the date.")


def _managed_view(bank: Bank, customers: Table, current: Table, source: ServiceSource) -> Table:
    """Return who is managed and what was done for them.

    Classes need many sorted steps: they carry no more columns than they look at.
    """
    managed = customers.filter(nw.col("in_managed") == 1).drop("in_managed")
    wide = with_service(managed, current, source)
    names = wide.collect_schema().names()
    service, ranked = ([n for n in names if n in some] for some in (_SERVICE, _CLASSED_BY))
    table = materialize(bank, wide.select(dict.fromkeys([*service, *ranked])))
    classes = with_classes(table.select(ranked), source)
    classes = classes.select(*_KEYS, "customer_class", "contact_due", "managers")
    both = with_rounds(table.select(service), source).join(classes, on=_KEYS, how="left")
    both = both.with_columns(**profile_columns(both))
    result = materialize(bank, both.drop("customer_id"))
    release(bank, table)
    return result


def _with_memory(customers: Table, policy: Policy, calendar: Calendar) -> Table:
    """Return the customers of some quarters with the tiers their history gives (升降级).

    By quarter, months become quarters by calendar (按季近似). The first quarter evaluated has no
    history: its tiers are those of the borders. A quarter that is missing ends the history: the
    next one begins anew.
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


def _consecutive(calendar: Calendar) -> list[list[int]]:
    """Return the periods in runs of two quarters or more that follow one another."""
    runs = list[list[int]]([[]])
    quarters = [Quarter.ending_on(day) for day in calendar.days]
    for period, quarter in enumerate(quarters):
        if not runs[-1] or quarter is None or quarter.previous != quarters[runs[-1][-1]]:
            runs.append([])
        runs[-1] += [] if quarter is None else [period]
    return [run for run in runs if len(run) > 1]
