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
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.tier_history import quarters_remembered, with_memory
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
from stockcust_analysis.measures.validation import require_amounts
from stockcust_analysis.periods import Quarter, require_day
from stockcust_analysis.policy import Policy

ISSUED_BRANCH = "issued_branch_id"
"""The branch a customer belonged to when the quarter was issued, before any later merger."""
_KEYS = [PERIOD, "customer_id"]
_LABELS = (*_KEYS, "branch_id", ISSUED_BRANCH, "tier", "status")
_AMOUNTS = ("aum_period_end_cents", "aum_average_quarter_cents", "loan_balance_cents")
_FLAGS = ("obliged", "families", "tenure")
_FLAG_PREFIXES = ("in_", "holds_", "uses_")
_COUNT_PREFIXES = ("opened_9", "opened_6", "unused_")
# What only managed customers are asked; what is looked at of them beside classes and contacts.
_SERVED_BY = (
    "aum_average_month_cents",
    "profile_complete",
    "exclusion",
    "do_not_contact",
    "purchases",
)
_SERVICE = (
    *_KEYS,
    "branch_id",
    "tier",
    "tenure",
    "aum_average_quarter_cents",
    "role",
    "in_managed",
    "contactable",
    *_SERVED_BY,
    *SERVICE_FLAGS,
)
_CLASSED_BY = (
    *_KEYS,
    "branch_id",
    "manager_id",
    "in_managed",
    "managed_from",
    "purchases",
    "last_contact_on",
    "sales",
    "profile_complete",
    "aum_average_quarter_cents",
)


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


def has_managers(bank: Bank) -> bool:
    """Return whether the bank delivers who manages whom, and the contacts made."""
    return {"assignments", "contacts"} <= set(bank.columns)


def source_of(bank: Bank, policy: Policy, calendar: Calendar) -> ServiceSource | None:
    """Return what says who serves whom; None where the bank does not deliver it."""
    if not has_managers(bank):
        return None
    names = {"assignments", "contacts", "managers"} & set(bank.columns)
    tables = {name: as_lazy(bank.table(name)) for name in names}
    return ServiceSource(**tables, rule=policy.coverage, calendar=calendar)


def views_of(bank: Bank, policy: Policy, calendar: Calendar, *, structure: Quarter) -> Views:
    """Return the views of some quarters on the branch structure of one of them, materialised."""
    table = population_of(bank, policy, calendar, structure=structure.end)
    source = source_of(bank, policy, calendar)
    if source is None:
        kept = _materialize_customers(bank, table, policy, calendar, managed=False)
        return Views(calendar, kept, None)
    current = materialize(bank, assignments_in_force(source))
    table = table.join(current.select(*_KEYS, "in_managed"), on=_KEYS, how="left")
    table = table.with_columns(in_managed=flag(nw.col("in_managed") == 1))
    kept = _materialize_customers(bank, table, policy, calendar, managed=True)
    managed = _managed_view(bank, kept, current, source)
    release(bank, current)
    return Views(calendar, kept, managed)


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
    return with_memory(table, policy, calendar)


def customers_on(bank: Bank, policy: Policy, as_of: date, *, structure: date) -> Table:
    """Return the customers in scope on one day, with the tiers that the quarters before give."""
    for name in ("customers", "holdings"):
        require_day(as_of, bank.days(name), name)
    calendar = Calendar((*quarters_remembered(bank, policy, as_of, structure), as_of))
    table = population_of(bank, policy, calendar, structure=structure)
    latest = table.filter(nw.col(PERIOD) == calendar.period_of(as_of))
    return latest.with_columns(ZERO.alias(PERIOD))


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


def _materialize_customers(
    bank: Bank, table: Table, policy: Policy, calendar: Calendar, *, managed: bool
) -> Table:
    """Hold the columns that are summed, flags and small numbers in as few bytes as they need.

    A bank's cells are checked, but one of several files may lack a column of amounts.
    """
    names = table.collect_schema().names()
    judged_by = (f"{rule.value}_cents" for rule in (policy.tiers, policy.dormancy))
    served_by = _SERVED_BY if managed else ()
    wanted = dict.fromkeys((*_LABELS, *_AMOUNTS, *judged_by, *served_by))
    flags = [n for n in names if n in _FLAGS or n.startswith(_FLAG_PREFIXES)]
    counts = [n for n in names if n.startswith(_COUNT_PREFIXES)]
    narrow = table.select(
        *(name for name in wanted if name in names),
        *(nw.col(name).cast(nw.Int8) for name in flags),
        *(nw.col(name).cast(nw.Int32) for name in counts),
    )
    kept = materialize(bank, narrow)
    _require_customers(kept, calendar)
    amounts = ("aum_period_end", "aum_average_quarter", *(["aum_average_month"] if managed else []))
    checked = kept.select(**{name: nw.col(f"{name}_cents") for name in amounts})
    require_amounts(checked, amounts, "customers")
    return kept


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
    both = table.select(service).join(classes, on=_KEYS, how="left")
    both = with_rounds(both, source).with_columns(**profile_columns(both))
    result = materialize(bank, both.drop("customer_id"))
    release(bank, table)
    return result
