"""The views of a bank: customers, managed customers and pairs of quarters, computed once.

Only what the questions sum is held, flags as single bytes: a bank of ten million customers must
fit beside its previous quarter. The customers that an analyst asks for (`bank.customers`, 报告客户)
are made by the same code, so that a public measure of them is the figure on the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.calendar import PERIOD, Calendar
from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import ONE, ZERO, Table, after, as_lazy, collect_rows, day, flag
from stockcust_analysis.core.periods import Day, Quarter, as_day, require_day
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import require_amounts
from stockcust_analysis.measures.dormancy import JUDGED_BY
from stockcust_analysis.measures.population import (
    AUM,
    age_group,
    in_scope,
    population,
    require_customers,
    restate_branches,
)
from stockcust_analysis.measures.service import (
    SERVICE_FLAGS,
    ServiceSource,
    assignments_in_force,
    contactable,
    profile_columns,
    serve,
    with_classes,
    with_rounds,
    with_service,
)
from stockcust_analysis.measures.tiers import tiers_by_period
from stockcust_analysis.policy import Policy, PolicyLike, as_policy

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
    """Raise when a quarter has no customer in scope."""
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


_BASES = ("funded", "established", "effective")
_BRANCH = {"name": "branch_name", "type": "branch_type", "region": "region"}
# Evidence of the policy's own rule, which would be taken for that of another one.
_LEFT_OUT = ("closed_on", "in_all", "exempt", "matured_lately", "large_account", "looked_at_cents")


def report_customers(bank: Bank, as_of: Day, *, policy: PolicyLike, structure: Day | None) -> Frame:
    """Return what `Bank.customers_frame` promises, computed and kept."""
    rules, on = as_policy(policy), as_day(as_of)
    under = on if structure is None else as_day(structure)
    facts = customers_on(bank, rules, on, structure=under)
    table = _with_names(bank, _in_cny(_labelled(bank, facts, rules, on)))
    source = source_of(bank, rules, Calendar((on,)))
    result = materialize(bank, table) if source is None else _with_service(bank, table, source)
    require_customers(result, on)
    require_amounts(result, AUM, "customers")
    return result.to_native()


def _labelled(bank: Bank, facts: Table, policy: Policy, as_of: date) -> Table:
    """Return the facts under the names an analyst meets, with their day and their rule."""
    names = facts.collect_schema().names()
    bases = {base: nw.col(f"in_{base}") for base in _BASES if f"in_{base}" in names}
    # pandas has no dates, only the first moment of a day.
    hours = facts.implementation.is_pandas_like()
    moment = datetime(as_of.year, as_of.month, as_of.day) if hours else as_of
    labels = {"as_of": nw.lit(moment), JUDGED_BY: nw.lit(policy.dormancy.name)}
    if "birth_date" in names:
        labels["age_group"] = age_group(day(facts, "birth_date"), Calendar((as_of,)))
    dropped = {*(f"in_{base}" for base in bases), *_LEFT_OUT, ISSUED_BRANCH, PERIOD}
    facts_shown = [name for name in names if name not in dropped | {*bases}]
    table = facts.select(*facts_shown, **labels, **bases)
    return _with_maturities(bank, table, as_of)


def _with_maturities(bank: Bank, customers: Table, as_of: date) -> Table:
    """Return the customers with the day on which the last of their holdings fell due."""
    holdings = as_lazy(bank.snapshot("holdings", as_of=as_of))
    if "matures_on" not in holdings.collect_schema().names():
        return customers
    due = day(holdings, "matures_on")
    fallen = holdings.filter(~after(due, as_of)).select("customer_id", last_matured_on=due)
    last = fallen.group_by("customer_id").agg(nw.col("last_matured_on").max())
    return customers.join(last, on="customer_id", how="left")


def _in_cny(table: Table) -> Table:
    """Return the table with money in CNY instead of cents, and no branch of an earlier day."""
    names = [name for name in table.collect_schema().names() if name.endswith("_cents")]
    amounts = {name.removesuffix("_cents"): nw.col(name) / 100 for name in names}
    return table.with_columns(**amounts).drop(*names)


def _with_names(bank: Bank, table: Table) -> Table:
    """Return the customers with their branch's name, type and region, where delivered."""
    branches = as_lazy(bank.table("branches"))
    present = branches.collect_schema().names()
    names = {new: nw.col(old) for old, new in _BRANCH.items() if old in present}
    return table.join(branches.select("branch_id", **names), on="branch_id", how="left")


def _with_service(bank: Bank, table: Table, source: ServiceSource) -> Table:
    """Return the customers, kept, with who manages them and what was done for them.

    Customers who are not managed have no service: their flags are 0.
    """
    ours = assignments_in_force(source).select("customer_id", managed=ONE)
    table = table.join(ours, on="customer_id", how="left").with_columns(
        managed=flag(nw.col("managed").fill_null(0) == 1),
        contactable=contactable(table, source.rule),
    )
    everybody = materialize(bank, table)
    known = {*everybody.collect_schema().names(), "in_managed"}
    managed = everybody.filter(nw.col("managed") == 1).with_columns(
        (nw.col(name) * 100 + 0.5).floor().cast(nw.Int64).alias(f"{name}_cents")
        for name in ("aum_average_quarter", "aum_average_month")
    )
    service = serve(managed, source)
    types = service.collect_schema()
    added = [name for name in types if name not in known and not name.endswith("_cents")]
    counts = [name for name in added if types[name].is_integer()]
    result = everybody.join(service.select("customer_id", *added), on="customer_id", how="left")
    result = result.with_columns(
        nw.col(*counts).fill_null(0).cast(nw.Int64), nw.col("customer_class").fill_null("")
    )
    result = materialize(bank, result)
    release(bank, everybody)
    return result
