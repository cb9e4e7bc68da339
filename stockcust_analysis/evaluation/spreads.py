"""Spreads and sizes: what stands behind the sums, for comparison and for disclosure control.

A comparison needs how customers' amounts differ (winsorised sums, squares, products) and what the
bank's rates by stratum would give. Disclosure control needs how many customers stand behind an
amount, and the two largest: that is computed only for a circulated edition.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from stockcust_analysis.core.calendar import PERIOD, Calendar
from stockcust_analysis.core.frames import ONE, Table, collect_rows, flag, sums
from stockcust_analysis.evaluation.results import BY_BRANCH, WHOLE_BANK
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.measures.registry import Measure, Spec, columns_of
from stockcust_analysis.policy import Policy

PARTS = 100_000
"""Amounts are squared as whole parts of their cap: 10⁹ customers' squares still fit Int64."""
SPREAD_COLUMNS = (
    "winsorised_sum", "winsorised_squares", "winsorised_denominator", "denominator_squares",
    "products", "standard_error", "expected",
)  # fmt: skip
LABELS = ("measure", "base", "dimension", "member")
_CENT = 0.01


@dataclass(frozen=True)
class Term:
    """A compared measure, its summed columns, and its caps in cents by period (0: none)."""

    measure: Measure
    spec: Spec
    needs_spread: bool
    numerator_caps: tuple[int, ...] = (0,)
    denominator_caps: tuple[int, ...] = (0,)

    @property
    def numerator(self) -> str:
        """Column of what a customer brings to the numerator."""
        return f"{self.spec.key}|{self.measure.numerator}"

    @property
    def denominator(self) -> str:
        """Column of what a customer brings to the denominator."""
        return f"{self.spec.key}|{self.measure.denominator}"

    @property
    def unit(self) -> float:
        """Cents in what the numerator is shown in."""
        return 100.0 if self.measure.is_money else 1.0


def spread_table(
    view: Table, specs: Sequence[Spec], policy: Policy, calendar: Calendar, measures: pd.DataFrame
) -> pd.DataFrame:
    """Return spreads and expected numerators of the compared measures of a view.

    Parameters
    ----------
    view
        Rows of the calendar's dates with `period` and `branch_id`.
    specs, policy
        The questions put to the view, and the policy that says which measures are compared.
    measures
        Measure frame of the same view with `period` and `branch_id`, to see whether strata add up.

    Returns
    -------
    DataFrame
        `period, branch_id`, the labels of a measure and: of means and ratios the sums of
        winsorised numerators x and denominators d, their squares and products, and the ratio's own
        standard error by the delta method; of all `expected`, the numerator that the bank's rates
        by stratum would give (empty where strata do not add up to the branch).
    """
    terms = compared_terms(specs, policy)
    if not terms:
        return pd.DataFrame()
    columns = columns_of(specs, policy)
    used = dict.fromkeys(name for term in terms for name in (term.numerator, term.denominator))
    strata = {spec.key: _strata(view, spec) for spec in specs}
    labels = dict.fromkeys(name for names in strata.values() for name in names)
    rows = view.select(*BY_BRANCH, *labels, **{name: columns[name] for name in used})
    spread = [term for term in terms if term.needs_spread]
    spread = _with_caps(view, columns, spread, calendar, policy.comparison.winsorised_at)
    totals = _with_bank(
        _sorted(sums(rows, BY_BRANCH, _spread_columns(spread, calendar) | {"rows": ONE}))
    )
    stratified = {
        names: _stratified(rows, terms, names, strata)
        for names in {strata[term.spec.key] for term in terms}
    }
    tables = []
    for term in terms:
        table = totals[BY_BRANCH].copy()
        for number, other in enumerate(spread):
            if other.measure == term.measure and other.spec == term.spec:
                table = table.assign(**_spread_figures(totals, number, other))
        names = strata[term.spec.key]
        expected = _expected(stratified[names], term, names, measures)
        table = table.merge(expected, how="left", on=BY_BRANCH, validate="1:1")
        tables.append(table.assign(**_labels(term.measure, term.spec.base)))
    return pd.concat(tables, ignore_index=True)


def compared_terms(specs: Sequence[Spec], policy: Policy) -> list[Term]:
    """Return the measures of some questions that the policy compares."""
    compared = {(one.name, one.customer_base) for one in policy.comparison.measures}
    return [
        Term(measure, spec, needs_spread=measure.is_money or _is_ratio(measure))
        for spec in specs
        for measure in spec.question.measures(policy)
        if measure.denominator is not None and (measure.name, spec.base) in compared
    ]


def _is_ratio(measure: Measure) -> bool:
    return measure_definition(measure.name).kind == "ratio"


def _labels(measure: Measure, base: str) -> dict[str, str]:
    values = (measure.name, base, measure.dimension, measure.member)
    return dict(zip(LABELS, values, strict=True))


def _strata(view: Table, spec: Spec) -> tuple[str, ...]:
    present = set(view.collect_schema().names())
    return tuple(name for name in spec.question.strata if name in present)


def _stratified(
    rows: Table, terms: Sequence[Term], names: Sequence[str], strata: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Return the sums by stratum of all terms that are standardised by the same strata."""
    own = [term for term in terms if strata[term.spec.key] == names]
    columns = {name: nw.col(name) for term in own for name in (term.numerator, term.denominator)}
    table = pd.DataFrame(collect_rows(sums(rows, [*BY_BRANCH, *names], columns)))
    # Engines return groups in any order, and fractions are added up in it.
    return table.sort_values([*BY_BRANCH, *names], ignore_index=True)


def _with_caps(
    view: Table,
    columns: Mapping[str, nw.Expr],
    terms: Sequence[Term],
    calendar: Calendar,
    share: float,
) -> list[Term]:
    """Return the terms with their caps: the percentile `share` of the customers of either column.

    The percentile is an amount that exists, without interpolation: ⌈share · m⌉ of m customers in
    ascending order of size, signs apart. Where that is zero nothing is capped.
    """
    if not terms:
        return []
    names = {name for term in terms for name in (term.numerator, term.denominator)}
    rows = view.select(PERIOD, **{name: columns[name] for name in names})
    inside = {f"inside_{n}": flag(_of_either(term)) for n, term in enumerate(terms)}
    counts = pd.DataFrame(collect_rows(sums(rows, [PERIOD], inside))).set_index(PERIOD)
    capped = []
    for number, term in enumerate(terms):
        caps = []
        for name in (term.numerator, term.denominator):
            found = [0] * len(calendar.days)
            if name.endswith("_cents"):
                for period, customers in counts[f"inside_{number}"].items():
                    above = int(customers) - ceil(share * int(customers)) + 1
                    found[int(str(period))] = _largest(view, columns, term, name, period, above)
            caps.append(tuple(found))
        capped.append(Term(term.measure, term.spec, True, *caps))
    return capped


def _largest(
    view: Table,
    columns: Mapping[str, nw.Expr],
    term: Term,
    name: str,
    period: Hashable,
    above: int,
) -> int:
    """Return the amount that so many customers of a period reach, itself among them.

    Where nobody reaches so much it is the largest amount. No column but the term's is computed.
    """
    own = {column: columns[column] for column in (term.numerator, term.denominator)}
    rows = view.filter(nw.col(PERIOD) == period).select(**own).filter(_of_either(term))
    largest = rows.select(size=nw.col(name).abs()).sort("size", descending=True).head(above)
    found = collect_rows(largest.select(low=nw.col("size").min(), high=nw.col("size").max()))
    low, high = (
        0 if value is None or value != value else int(value) for (value,) in found.values()
    )
    return low or high


def _of_either(term: Term) -> nw.Expr:
    """Return whether a customer brings anything to a term."""
    return (nw.col(term.numerator) != 0) | (nw.col(term.denominator) != 0)


def _spread_columns(terms: Sequence[Term], calendar: Calendar) -> dict[str, nw.Expr]:
    """Return the columns of all terms to add up, squares and products in parts of the caps."""
    columns: dict[str, nw.Expr] = {}
    for number, term in enumerate(terms):
        x = _within(term.numerator, term.numerator_caps, calendar)
        d = _within(term.denominator, term.denominator_caps, calendar)
        parts = _parts(x, term.numerator_caps, calendar)
        per = _parts(d, term.denominator_caps, calendar)
        own = {"x": x, "xx": parts * parts, "d": d, "dd": per * per, "xd": parts * per}
        own["customers"] = flag(_of_either(term))
        columns |= {f"{name}|{number}": expression for name, expression in own.items()}
    return columns


def _within(name: str, caps: Sequence[int], calendar: Calendar) -> nw.Expr:
    """Return an amount that is no further from zero than its period's cap, if it has one."""
    if not any(caps):
        return nw.col(name)
    cap = calendar.choose([cap or 2**62 for cap in caps])
    return nw.max_horizontal(nw.min_horizontal(name, cap), -cap)


def _parts(amount: nw.Expr, caps: Sequence[int], calendar: Calendar) -> nw.Expr:
    """Return an amount as whole parts of its cap, a count as it is."""
    if not any(caps):
        return amount
    scale = calendar.choose([PARTS / cap if cap else 1.0 for cap in caps])
    return (amount.cast(nw.Float64) * scale + 0.5).floor().cast(nw.Int64)


def _sorted(totals: Table) -> pd.DataFrame:
    """Collect sums by period and branch in order."""
    return pd.DataFrame(collect_rows(totals)).sort_values(BY_BRANCH, ignore_index=True)


def _with_bank(totals: pd.DataFrame) -> pd.DataFrame:
    """Return sums with those of the whole bank after the branches of each period."""
    bank = totals.drop(columns="branch_id").groupby(PERIOD, as_index=False).sum(min_count=1)
    return pd.concat([totals, bank.assign(branch_id=WHOLE_BANK)], ignore_index=True)


def _spread_figures(totals: pd.DataFrame, number: int, term: Term) -> dict[str, pd.Series]:
    """Return the winsorised sums of a term in CNY or counts, and the ratio's standard error."""
    names = ("x", "xx", "d", "dd", "xd", "customers")
    x, xx, d, dd, xd, customers = (totals[f"{name}|{number}"].astype(float) for name in names)
    period = totals[PERIOD]
    x_part, d_part = (
        period.map(lambda at, caps=caps: caps[at] / 100 / PARTS if caps[at] else 1.0)
        for caps in (term.numerator_caps, term.denominator_caps)
    )
    x_unit, d_unit = (
        period.map(lambda at, caps=caps: 100.0 if caps[at] else 1.0)
        for caps in (term.numerator_caps, term.denominator_caps)
    )
    x, d, xx, dd, xd = x / x_unit, d / d_unit, xx * x_part**2, dd * d_part**2, xd * x_part * d_part
    ratio = x / d.where(d > 0)
    squares = (xx - 2 * ratio * xd + ratio**2 * dd).clip(lower=0)
    count = customers.where(customers > 1)
    return {
        "winsorised_sum": x,
        "winsorised_squares": xx,
        "winsorised_denominator": d,
        "denominator_squares": dd,
        "products": xd,
        "standard_error": (squares * count / (count - 1)) ** 0.5 / d,
    }


def _expected(
    table: pd.DataFrame, term: Term, strata: Sequence[str], measures: pd.DataFrame
) -> pd.DataFrame:
    """Return, by branch, the numerator that the bank's rates by stratum would give."""
    if strata:
        by_stratum = table.groupby([PERIOD, *strata])[[term.numerator, term.denominator]].sum()
        rate = (by_stratum[term.numerator] / by_stratum[term.denominator]).fillna(0.0)
        table = table.join(rate.rename("rate"), on=[PERIOD, *strata])
    else:
        table = table.assign(rate=np.nan)
    due = (table[term.denominator] * table["rate"]).groupby([table[key] for key in BY_BRANCH])
    expected = due.sum(min_count=1).rename("expected").reset_index()
    expected = _with_bank(expected)
    complete = _strata_add_up(table, term, measures)
    expected["expected"] = expected["expected"].where(expected[PERIOD].map(complete)) / term.unit
    return expected


def _strata_add_up(table: pd.DataFrame, term: Term, measures: pd.DataFrame) -> pd.Series:
    """Return by period whether the numerators by stratum add up to those of every branch."""
    parts = table.groupby(BY_BRANCH)[term.numerator].sum() / term.unit
    labels = _labels(term.measure, term.spec.base)
    own = (measures[[*labels]] == pd.Series(labels)).all(axis=1)
    known = measures[own].set_index(BY_BRANCH)["numerator"].reindex(parts.index)
    return ((parts - known).abs() < _CENT).groupby(PERIOD).all()
