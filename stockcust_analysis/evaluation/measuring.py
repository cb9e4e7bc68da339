"""Measuring: the questions put to the views of some quarters, and the sums turned into measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.calendar import PERIOD, Calendar
from stockcust_analysis.core.frames import Table, as_lazy
from stockcust_analysis.evaluation.results import BY_BRANCH, MEASURE_COLUMNS, WHOLE_BANK
from stockcust_analysis.evaluation.sizes import (
    SIZE_COLUMNS,
    contributor_columns,
    contributor_table,
    size_table,
)
from stockcust_analysis.evaluation.spreads import LABELS, SPREAD_COLUMNS, spread_table
from stockcust_analysis.evaluation.views import Views
from stockcust_analysis.measures.concentration import (
    CONCENTRATION,
    concentration_totals,
    lorenz_points,
    lorenz_steps,
    totals_without,
)
from stockcust_analysis.measures.questions import CUSTOMER_QUESTIONS, MANAGED_QUESTIONS
from stockcust_analysis.measures.registry import (
    Question,
    Spec,
    measure_rows,
    specs_for,
    sum_view,
)
from stockcust_analysis.measures.tiers import VOLUME
from stockcust_analysis.measures.two_dates import PERIOD_END
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import Policy

CELL_COLUMNS = (
    "quarter", "branch_id", "dimension", "member", "measure", "base", *SIZE_COLUMNS,
    *SPREAD_COLUMNS,
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """Measures of some quarters, and what stands behind them; `volume` has the sums of `VOLUME`."""

    measures: pd.DataFrame
    cells: pd.DataFrame
    volume: pd.DataFrame = field(default_factory=pd.DataFrame)
    lorenz: pd.DataFrame = field(default_factory=pd.DataFrame)


def measure_views(
    bank: Bank, views: Views, policy: Policy, *, compared: Sequence[Quarter], sizes: bool
) -> Measured:
    """Return all measures of the customers and the managed customers of some quarters.

    Spreads are computed of the quarters `compared` alone, sizes where they are asked for.
    """
    calendar = views.calendar
    customers = put_questions(
        views.customers, CUSTOMER_QUESTIONS, policy, calendar, compared=compared, sizes=sizes
    )
    tables, cells = [customers.measures], [customers.cells]
    if views.managed is not None:
        managed = put_questions(
            views.managed, MANAGED_QUESTIONS, policy, calendar,
            compared=compared, sizes=sizes, branches=customers.volume,
        )  # fmt: skip
        tables.append(managed.measures)
        cells.append(managed.cells)
    concentration, lorenz = _concentration(bank, views.customers, policy, calendar, compared[-1])
    tables.append(concentration)
    return Measured(
        with_quarters(pd.concat(tables, ignore_index=True), calendar),
        pd.concat([table for table in cells if len(table)] or cells, ignore_index=True),
        customers.volume,
        lorenz,
    )


def put_questions(
    view: Table,
    questions: Sequence[Question],
    policy: Policy,
    calendar: Calendar,
    *,
    compared: Sequence[Quarter],
    sizes: bool,
    branches: pd.DataFrame | None = None,
    whole: Table | None = None,
) -> Measured:
    """Return the measures of a view by period and branch, the whole bank after the branches.

    Branches that are not in the view, but in `branches`, have sums of zero. The bank is the sum of
    its branches, unless a view of its own is given as `whole`.
    """
    specs = specs_for(view, questions)
    counted = {} if sizes else contributor_columns(specs, policy)
    totals = sum_view(view, specs, policy, BY_BRANCH, extra=counted)
    if branches is not None:
        known = branches.loc[branches["branch_id"] != WHOLE_BANK, BY_BRANCH]
        totals = known.merge(totals, how="outer", on=BY_BRANCH).fillna(0)
    bank = totals.drop(columns="branch_id").groupby(PERIOD, as_index=False).sum()
    if whole is not None:
        own = sum_view(whole, specs, policy, [PERIOD])
        bank = own.merge(bank[[PERIOD, *counted]], how="left", on=PERIOD).fillna(0)
    totals = pd.concat([totals, bank.assign(branch_id=WHOLE_BANK)], ignore_index=True)
    measures = measure_rows(totals, specs, policy, BY_BRANCH)
    behind = size_table(view, specs, policy) if sizes else contributor_table(totals, specs, policy)
    cells = _cells(view, specs, policy, calendar, measures, compared, behind)
    volume = next((spec.own(totals) for spec in specs if is_volume(spec)), pd.DataFrame())
    return Measured(measures, cells, totals[BY_BRANCH].join(volume))


def is_volume(spec: Spec) -> bool:
    """Return whether a spec asks for customers and assets of the funded."""
    return spec.question is VOLUME and spec.base == "funded"


def with_quarters(table: pd.DataFrame, calendar: Calendar) -> pd.DataFrame:
    """Return measures with quarter and as-of date in place of the period."""
    ends = [calendar.days[period] for period in table[PERIOD]]
    table["as_of"] = [end.isoformat() for end in ends]
    table["quarter"] = [str(Quarter.ending_on(end)) for end in ends]
    return table[list(MEASURE_COLUMNS)]


def in_order(measures: pd.DataFrame) -> pd.DataFrame:
    """Return measures by quarter, branch and measure; members stay in the policy's order."""
    keys = ["quarter", "branch_id", "dimension", "measure", "base"]
    return measures.sort_values(keys, kind="stable", ignore_index=True)


def _cells(
    view: Table,
    specs: Sequence[Spec],
    policy: Policy,
    calendar: Calendar,
    measures: pd.DataFrame,
    compared: Sequence[Quarter],
    sizes: pd.DataFrame,
) -> pd.DataFrame:
    """Return sizes and spreads in one table, by quarter, branch and measure."""
    periods = [n for n, end in enumerate(calendar.days) if Quarter.ending_on(end) in compared]
    here = view.filter(nw.col(PERIOD).is_in(periods)) if len(periods) < len(calendar.days) else view
    known = measures[measures[PERIOD].isin(periods)]
    spreads = spread_table(here, specs, policy, calendar, known) if periods else pd.DataFrame()
    tables = [table for table in (spreads, sizes) if len(table)]
    if not tables:
        return pd.DataFrame(columns=list(CELL_COLUMNS))
    table = tables[0]
    if len(tables) == 2:
        table = table.merge(tables[1], how="outer", on=[*BY_BRANCH, *LABELS], validate="1:1")
    table["quarter"] = [str(Quarter.ending_on(calendar.days[period])) for period in table[PERIOD]]
    return table.reindex(columns=list(CELL_COLUMNS))


def _concentration(
    bank: Bank, customers: Table, policy: Policy, calendar: Calendar, target: Quarter
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how concentrated assets are by branch and in all, and the target's Lorenz curves."""
    measures, curves = [], []
    for by in (BY_BRANCH, [PERIOD]):
        steps = lorenz_steps(customers, value=PERIOD_END, by=by, base="funded")
        steps = as_lazy(bank.materialize(steps.to_native()))
        totals = concentration_totals(steps, by=by, questions=CONCENTRATION)
        for number, question in CONCENTRATION.items():
            spec = Spec("", question, "funded")
            own = totals_without(totals, number, by)
            measures.append(_rows(own, spec, policy, by))
        if target.end in calendar.days:
            period = calendar.period_of(target.end)
            points = lorenz_points(steps.filter(nw.col(PERIOD) == period), by=by)
            curves.append(points if "branch_id" in by else points.assign(branch_id=WHOLE_BANK))
        bank.release(steps.to_native())
    lorenz = pd.concat(curves, ignore_index=True) if curves else pd.DataFrame()
    return pd.concat(measures, ignore_index=True), lorenz


def _rows(totals: pd.DataFrame, spec: Spec, policy: Policy, by: Sequence[str]) -> pd.DataFrame:
    """Return the measure rows of sums that already have plain names."""
    keyed = totals.rename(columns={c: f"{spec.key}|{c}" for c in totals if c not in by})
    rows = measure_rows(keyed, [spec], policy, by)
    return rows if "branch_id" in by else rows.assign(branch_id=WHOLE_BANK)
