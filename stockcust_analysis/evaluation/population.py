"""The customers the report speaks of (报告客户), one row each, for whoever asks more of them.

They are made by the code that makes the evaluation's: a public measure of them is the page's.
"""

from __future__ import annotations

from datetime import date, datetime

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.calendar import PERIOD, Calendar
from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import ONE, Table, after, as_lazy, day, flag
from stockcust_analysis.core.periods import Day, as_day
from stockcust_analysis.evaluation.views import (
    ISSUED_BRANCH,
    customers_on,
    materialize,
    release,
    source_of,
)
from stockcust_analysis.measures.dormancy import JUDGED_BY
from stockcust_analysis.measures.population import AUM, age_group, require_customers
from stockcust_analysis.measures.service import (
    ServiceSource,
    assignments_in_force,
    contactable,
    serve,
)
from stockcust_analysis.measures.validation import require_amounts
from stockcust_analysis.policy import Policy, PolicyLike, as_policy

_BASES = ("funded", "established", "effective")
_BRANCH = {"name": "branch_name", "type": "branch_type", "region": "region"}
# Evidence of the policy's own rule, which would be taken for that of another one.
_LEFT_OUT = ("closed_on", "in_all", "exempt", "matured_lately", "large_account", "looked_at_cents")


def population(bank: Bank, as_of: Day, *, policy: PolicyLike, structure: Day | None) -> Frame:
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

    Nobody's service is told of customers who are not managed: their flags are 0.
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
