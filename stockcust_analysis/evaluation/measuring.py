"""Measuring: the views of some quarters, the questions put to them, and the measures of their sums.

A view is customers, managed customers or pairs of two quarters. Only what the questions sum is
held, flags as single bytes: a bank of ten million customers must fit beside its previous quarter.

Of the previous quarter and its own an evaluation also measures what changed between them, with
migration and growth bridge: on today's structure (可比口径, where a merger is no migration) and as
issued (where the customers of a merged branch are transferred). In the same pass it measures what
changed in the previous quarter, to print beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank import customers as bank_customers
from stockcust_analysis.bank.customers import ISSUED_BRANCH, materialize, population_of, release
from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import KEYS, PERIOD, Calendar, Table, collect_rows, collect_sums
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.evaluation import cells
from stockcust_analysis.evaluation.results import BY_BRANCH, WHOLE_BANK
from stockcust_analysis.measures import codebook, concentration, growth, service, two_dates
from stockcust_analysis.measures.bases import PERIOD_END, require_amounts
from stockcust_analysis.measures.registry import Question, Spec, columns_of, measure_rows, specs_for
from stockcust_analysis.measures.tiers import VOLUME
from stockcust_analysis.policy import Policy

_CUSTOMER_LABELS = (*KEYS, "branch_id", ISSUED_BRANCH, "tier", "status")
_AMOUNTS = ("aum_period_end_cents", "aum_average_quarter_cents", "loan_balance_cents")
_FLAGS = ("obliged", "families", "tenure")
_FLAG_PREFIXES = ("in_", "holds_", "uses_")
_COUNT_PREFIXES = ("opened_9", "opened_6", "unused_")
# What is looked at of managed customers alone, beside classes and contacts.
_AVERAGES = ("aum_average_quarter_cents", "aum_average_month_cents")
_SERVED_BY = (_AVERAGES[1], "profile_complete", "exclusion", "do_not_contact")
_MANAGED = (*KEYS, "branch_id", "tier", "tenure", "role", "in_managed", "contactable")
_SERVICE = (*_MANAGED, _AVERAGES[0], *_SERVED_BY, *service.SERVICE_FLAGS)


@dataclass(frozen=True)
class Views:
    """The customers of some quarters, and those who are managed with what was done for them."""

    calendar: Calendar
    customers: Table
    managed: Table | None

    def customers_of(self, quarter: Quarter) -> Table:
        """Return the customers of one quarter."""
        return self.customers.filter(nw.col(PERIOD) == self.calendar.period_of(quarter.end))

    @property
    def tables(self) -> list[Table]:
        """What is materialised."""
        return [view for view in (self.customers, self.managed) if view is not None]


def views_of(bank: Bank, policy: Policy, calendar: Calendar, *, structure: Quarter) -> Views:
    """Return the views of some quarters on the branch structure of one of them, materialised."""
    source = bank_customers.source_of(bank, policy, calendar)
    # DuckDB binds again what was built before a table is made: that comes first.
    current = None if source is None else materialize(bank, service.assignments_in_force(source))
    table = population_of(bank, policy, calendar, structure=structure.end)
    if source is None or current is None:
        return Views(calendar, _materialize_customers(bank, table, policy, calendar), None)
    table = table.join(current.select(*KEYS, "in_managed"), on=KEYS, how="left")
    table = table.with_columns(in_managed=frames.flag(nw.col("in_managed") == 1))
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
    columns = dict.fromkeys(
        (*_CUSTOMER_LABELS, *_AMOUNTS, *judged_by, *(_SERVED_BY if managed else ()))
    )
    flags = [n for n in names if n in _FLAGS or n.startswith(_FLAG_PREFIXES)]
    counts = [n for n in names if n.startswith(_COUNT_PREFIXES)]
    narrow = table.select(
        *(name for name in columns if name in names),
        *(nw.col(name).cast(nw.Int8) for name in flags),
        *(nw.col(name).cast(nw.Int32) for name in counts),
    )
    customers = materialize(bank, narrow)
    present = set(collect_rows(customers.group_by(PERIOD).agg(nw.len()))[PERIOD])
    if days := ", ".join(f"{d}" for period, d in enumerate(calendar.days) if period not in present):
        raise UsageError(say("none_in_scope", days))
    amounts = ["aum_period_end", "aum_average_quarter", "aum_average_month"][: 2 + managed]
    checked = customers.select(**{name: nw.col(f"{name}_cents") for name in amounts})
    require_amounts(checked, amounts, "customers")
    return customers


def _managed_view(
    bank: Bank, customers: Table, current: Table, source: service.ServiceSource
) -> Table:
    """Return who is managed and what was done for them."""
    managed = customers.filter(nw.col("in_managed") == 1).drop("in_managed")
    wide = service.with_service(managed, current, source)
    facts = [name for name in wide.collect_schema().names() if name in _SERVICE]
    table = materialize(bank, wide.select(*facts, *service.CLASSED_BY))
    both = service.with_rounds(service.with_classes(table, source), source)
    both = source.known(both.with_columns(**service.profile_columns(both)))
    result = materialize(bank, both.drop("customer_id", *service.CLASSED_BY, strict=False))
    release(bank, table)
    return result


@dataclass(frozen=True)
class Scope:
    """What is measured: the dates, the quarters whose spreads are compared, and whether sizes."""

    policy: Policy
    calendar: Calendar
    compared: Sequence[Quarter]
    sizes: bool


@dataclass(frozen=True)
class Measured:
    """Measures of some quarters, and what stands behind them; `volume` has the sums of `VOLUME`."""

    measures: pd.DataFrame
    cells: pd.DataFrame
    volume: pd.DataFrame = field(default_factory=pd.DataFrame)
    lorenz: pd.DataFrame = field(default_factory=pd.DataFrame)


def measure_views(bank: Bank, views: Views, scope: Scope) -> Measured:
    """Return all measures of the customers and the managed customers of some quarters.

    Spreads are computed of the compared quarters alone, sizes where the scope includes them.
    """
    customers = put_questions(views.customers, codebook.CUSTOMER_QUESTIONS, scope)
    parts = [customers]
    if views.managed is not None:
        questions = codebook.MANAGED_QUESTIONS
        parts.append(put_questions(views.managed, questions, scope, customers.volume))
    concentrated, lorenz = _concentration(bank, views.customers, scope)
    measures = pd.concat([part.measures for part in parts] + [concentrated], ignore_index=True)
    facts = pd.concat([part.cells for part in parts if len(part.cells)] or [customers.cells])
    return Measured(
        with_quarters(measures, scope.calendar),
        facts.reset_index(drop=True),
        with_quarters(customers.volume, scope.calendar),
        lorenz,
    )


def put_questions(
    view: Table,
    questions: Sequence[Question],
    scope: Scope,
    branches: pd.DataFrame | None = None,
    whole: Table | None = None,
) -> Measured:
    """Return the measures of a view by period and branch, the whole bank after the branches.

    Branches that are not in the view, but in `branches`, have sums of zero. The bank is the sum of
    its branches, unless a view of its own is given as `whole`, under the label of the bank.
    """
    policy, specs = scope.policy, specs_for(view, questions)
    counted = {} if scope.sizes else cells.contributor_columns(specs, policy)
    columns = columns_of(specs, policy)
    both = view if whole is None else nw.concat([view, whole])
    totals = collect_sums(both, BY_BRANCH, columns | counted)
    own = totals.loc[totals["branch_id"] == WHOLE_BANK, [PERIOD, *columns]]
    totals = totals[totals["branch_id"] != WHOLE_BANK]
    if branches is not None:
        known = branches.loc[branches["branch_id"] != WHOLE_BANK, BY_BRANCH]
        totals = known.merge(totals, how="outer", on=BY_BRANCH).fillna(0)
    bank = totals.drop(columns="branch_id").groupby(PERIOD, as_index=False).sum()
    if whole is not None:
        bank = own.merge(bank[[PERIOD, *counted]], how="left", on=PERIOD).fillna(0)
    totals = pd.concat([totals, bank.assign(branch_id=WHOLE_BANK)], ignore_index=True)
    if scope.sizes:
        sizes = cells.size_table(view, specs, policy)
    else:
        sizes = cells.contributor_table(totals, specs, policy)
    volumes = (spec for spec in specs if spec.question is VOLUME and spec.base == "funded")
    volume = next((spec.own(totals) for spec in volumes), pd.DataFrame())
    return Measured(
        measure_rows(totals, specs, policy, BY_BRANCH),
        _cells(view, specs, scope, sizes),
        totals[BY_BRANCH].join(volume),
    )


def with_quarters(table: pd.DataFrame, calendar: Calendar) -> pd.DataFrame:
    """Return a table with the quarter and the as-of date of each row's period."""
    period = table[PERIOD].to_numpy(dtype=int)
    ends = pd.Series([end.isoformat() for end in calendar.days], dtype="str")
    quarters = pd.Series([str(Quarter.to_date(end)) for end in calendar.days], dtype="str")
    return table.assign(as_of=ends.take(period).array, quarter=quarters.take(period).array)


def _cells(view: Table, specs: Sequence[Spec], scope: Scope, sizes: pd.DataFrame) -> pd.DataFrame:
    """Return sizes and spreads in one table, by quarter, branch and measure."""
    ends = [quarter.end for quarter in scope.compared]
    periods = [period for period, end in enumerate(scope.calendar.days) if end in ends]
    if len(periods) < len(scope.calendar.days):
        view = view.filter(nw.col(PERIOD).is_in(periods))
    spreads = pd.DataFrame()
    if periods:
        spreads = cells.spread_table(view, specs, scope.policy, scope.calendar)
    tables = [table for table in (spreads, sizes) if len(table)]
    if not tables:
        return pd.DataFrame(columns=list(cells.CELL_COLUMNS))
    table = tables[0]
    if len(tables) == 2:
        table = table.merge(tables[1], how="outer", validate="1:1")
    return with_quarters(table, scope.calendar).reindex(columns=list(cells.CELL_COLUMNS))


def _concentration(bank: Bank, customers: Table, scope: Scope) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how concentrated assets are by branch and in all, and the target's Lorenz curves."""
    branches = customers.select(*BY_BRANCH, "in_funded", PERIOD_END)
    both = nw.concat([branches, branches.with_columns(branch_id=nw.lit(WHOLE_BANK))])
    steps = concentration.lorenz_steps(both, value=PERIOD_END, by=BY_BRANCH, base="funded")
    steps, questions = materialize(bank, steps), concentration.CONCENTRATION
    totals = concentration.concentration_totals(steps, by=BY_BRANCH, questions=questions)
    specs = [Spec(f"{k}", question, "funded") for k, question in questions.items()]
    curves, target = pd.DataFrame(), scope.compared[-1].end
    if target in scope.calendar.days:
        now = nw.col(PERIOD) == scope.calendar.period_of(target)
        curves = concentration.lorenz_points(steps.filter(now), by=BY_BRANCH)
    release(bank, steps)
    return measure_rows(totals, specs, scope.policy, BY_BRANCH), curves


_COLUMNS = {
    "migration": ("from", "to", "customers", "opening_aum", "closing_aum"),
    "bridge": ("component", "customers", "amount"),
}
NO_CHANGES = {
    name: pd.DataFrame(columns=["structure", "branch_id", *columns])
    for name, columns in _COLUMNS.items()
}
NO_CHANGES |= {f"previous_{name}": table for name, table in NO_CHANGES.items()}
"""The tables of a bank's first quarter."""
_LABELS = ["tier", "branch_id", ISSUED_BRANCH]


def comparable_columns(bank: Bank, customers: Table, policy: Policy, *, hold: bool) -> Table:
    """Return the columns of one quarter's customers that are compared, to `hold` by themselves."""
    columns = two_dates.compared_columns(customers, policy, _LABELS)
    return materialize(bank, columns) if hold else columns


def measure_changes(
    bank: Bank, compared: Mapping[Quarter, Table], scope: Scope, volume: pd.DataFrame
) -> tuple[Measured, dict[str, pd.DataFrame]]:
    """Return all measures of what changed from each quarter to the next, migrations and bridges.

    Parameters
    ----------
    bank
        Whose customers they are.
    compared
        Quarters that follow one another, with their `comparable_columns`; all pairs are looked at
        in one pass.
    scope
        What is compared, and whether sizes; its calendar has all quarters but the first.
    volume
        The sums of `VOLUME` of the scope's quarters, by branch.
    """
    calendar, scheme, (*_, target) = scope.calendar, scope.policy.tiers, scope.compared
    periods = [calendar.period_of(quarter.end) for quarter in [*compared][1:]]
    customers = list(compared.values())
    moved = customers[-2].filter(nw.col("branch_id") != nw.col(ISSUED_BRANCH))
    merged = bool(collect_rows(moved.select("customer_id").head(1))["customer_id"])
    pairs = _pairs(bank, customers, periods, scope.policy)
    labels = {"today": "branch_id"} | ({"issued": ISSUED_BRANCH} if merged else {})
    own = {name: two_dates.by_group(pairs, {"branch_id": label}) for name, label in labels.items()}
    whole = two_dates.by_group(pairs.with_columns(branch_id=nw.lit(WHOLE_BANK)), {})
    views = {name: nw.concat([view, whole]) for name, view in own.items()}
    volume = volume[volume[PERIOD].isin(periods)]
    measured = put_questions(own["today"], codebook.PAIR_QUESTIONS, scope, volume, whole)
    steps = {n: growth.with_components(two_dates.with_states(view)) for n, view in views.items()}
    facts = [measured.cells]
    if scope.sizes and target in compared:
        here = nw.col("branch_id") != WHOLE_BANK, nw.col(PERIOD) == calendar.period_of(target.end)
        sizes = with_quarters(cells.bridge_sizes(steps["today"].filter(*here)), calendar)
        facts.append(sizes.drop(columns=[PERIOD, "as_of"]))
    tables = {
        "migration": _by_structure(views, partial(two_dates.migration_cells, scheme=scheme)),
        "bridge": _by_structure(steps, growth.bridge_rows),
    }
    release(bank, pairs)
    found = {}
    for name, table in tables.items():
        when, today = with_quarters(table, calendar)["quarter"], table["structure"] == "today"
        now, before = when == str(target), (when == str(target.previous)) & today
        for key, chosen in {name: now, f"previous_{name}": before}.items():
            if chosen.any():
                found[key] = table.loc[chosen, [*NO_CHANGES[key]]].reset_index(drop=True)
    return Measured(with_quarters(measured.measures, calendar), pd.concat(facts)), found


def _pairs(bank: Bank, customers: Sequence[Table], periods: Sequence[int], policy: Policy) -> Table:
    """Return each quarter's customers beside those of the next, with the attrition warning."""
    numbers = [nw.lit(period, dtype=nw.Int64).alias(PERIOD) for period in periods]
    sides = (zip(side, numbers, strict=True) for side in (customers[:-1], customers[1:]))
    opening, closing = (nw.concat([table.with_columns(n) for table, n in side]) for side in sides)
    pairs = two_dates.pair_dates(opening, closing, _LABELS, ["customer_id", PERIOD])
    pairs = materialize(bank, pairs.drop("customer_id"))
    options: dict[str, Any] = {"peers": "closing_branch_id", "within": [PERIOD]}
    warned = growth.with_attrition(pairs, policy.attrition, policy.tiers, **options)
    result = materialize(bank, warned.drop("change", "median_change"))
    release(bank, pairs)
    return result


def _by_structure(
    views: Mapping[str, Table], table_of: Callable[..., pd.DataFrame]
) -> pd.DataFrame:
    """Return a table of the branches on each structure, and of the bank, which has but one."""
    tables = [table_of(view, by=BY_BRANCH).assign(structure=n) for n, view in views.items()]
    order = ["structure", "branch_id"]
    return pd.concat(tables).sort_values(order, kind="stable", ignore_index=True)


def aum_change(
    opening: pd.DataFrame, closing: pd.DataFrame, quarter: Quarter, policy: Policy
) -> pd.DataFrame:
    """Return the measures of what a change of assets is made of, from both quarters' volumes."""
    before, now = (table.set_index("branch_id") for table in (opening, closing))
    totals = growth.aum_change_totals(before, now).add_prefix("|").reset_index()
    rows = measure_rows(totals, [Spec("", growth.AUM_CHANGE, "funded")], policy, ["branch_id"])
    return with_quarters(rows.assign(**{PERIOD: 0}), Calendar((quarter.end,)))
