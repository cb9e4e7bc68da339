"""Cell facts: what stands behind the sums, for comparison and for disclosure control.

A comparison needs how customers' amounts differ (winsorised sums, squares, products) and what the
bank's rates by stratum would give. Disclosure control needs how many customers stand behind an
amount, and the two largest: those are computed only for a circulated edition. A branch's slice
leaves out what is of few customers elsewhere. Cell facts know amounts of single customers, so they
are never printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from stockcust_analysis.core.frames import PERIOD, Calendar, Table, collect_rows, collect_sums, flag
from stockcust_analysis.evaluation.results import BY_BRANCH, WHOLE_BANK
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.measures.growth import COMPONENTS
from stockcust_analysis.measures.registry import Label, Spec, columns_of, labelled_groups
from stockcust_analysis.policy import Policy

PARTS = 100_000
"""Amounts are squared as whole parts of their cap: 10⁹ customers' squares still fit Int64."""
SIZE_COLUMNS = ("contributors", "largest", "second_largest")
_WINSORISED = ("winsorised_sum", "winsorised_squares", "winsorised_denominator")
_SQUARES = ("denominator_squares", "products", "standard_error")
SPREAD_COLUMNS = (*_WINSORISED, *_SQUARES, "expected")
KEYS = ("quarter", "branch_id", "dimension", "member", "measure", "base")
CELL_COLUMNS = (*KEYS, *SIZE_COLUMNS, *SPREAD_COLUMNS)
# Amounts that are no measure's numerator.
_OWN_DENOMINATOR = ("attrition_outflow_share", "same_customer_growth")

Numbers = npt.NDArray[Any]


def size_table(view: Table, specs: Sequence[Spec], policy: Policy) -> pd.DataFrame:
    """Return the sizes of all money measures of a view by period and branch, and of the bank.

    A denominator that is shown nowhere else is called `<measure>.denominator`.
    """
    labels, columns = _amounts(specs, policy), columns_of(specs, policy)
    return _sizes(view.select(*BY_BRANCH, **{key: columns[key] for key, _ in labels}), labels)


def bridge_sizes(components: Table) -> pd.DataFrame:
    """Return the sizes of the growth bridge's components by branch, and of the bank."""
    steps = [name for name in COMPONENTS if name not in ("opening", "closing")]
    labels = [(f"{step}_cents", ("bridge", "bridge", step, "all")) for step in steps]
    return _sizes(components.select(*BY_BRANCH, *(key for key, _ in labels)), labels)


def contributor_columns(specs: Sequence[Spec], policy: Policy) -> dict[str, nw.Expr]:
    """Return what is summed to count the customers behind each amount."""
    columns = columns_of(specs, policy)
    return {f"contributors|{key}": flag(columns[key] != 0) for key, _ in _amounts(specs, policy)}


def contributor_table(totals: pd.DataFrame, specs: Sequence[Spec], policy: Policy) -> pd.DataFrame:
    """Return the contributors alone of all money measures, from the sums of their columns."""
    labels = _amounts(specs, policy)
    numbers = totals[[f"contributors|{key}" for key, _ in labels]].to_numpy().T
    return _long(totals[BY_BRANCH], [label for _, label in labels], {"contributors": numbers})


def _amounts(specs: Sequence[Spec], policy: Policy) -> list[tuple[str, Label]]:
    """Return the summed column and the labels of every amount of money."""
    amounts = []
    for spec in specs:
        for measure in spec.question.measures(policy):
            if measure.is_money:
                label = measure.label(spec.base)
                amounts.append((f"{spec.key}|{measure.numerator}", label))
                if measure.name in _OWN_DENOMINATOR:
                    label = (f"{measure.name}.denominator", *label[1:])
                    amounts.append((f"{spec.key}|{measure.denominator}", label))
    return amounts


def _long(
    groups: pd.DataFrame, labels: Sequence[Label], figures: Mapping[str, Numbers]
) -> pd.DataFrame:
    """Return one row per label and group; each figure has a row per label, a column per group."""
    rows = labelled_groups(groups, labels)
    return rows.assign(**{name: values.ravel() for name, values in figures.items()})


def _sizes(rows: Table, amounts: Sequence[tuple[str, Label]]) -> pd.DataFrame:
    """Return `SIZE_COLUMNS` in CNY of each labelled amount."""
    keys = list(dict.fromkeys(key for key, _ in amounts))
    wide = pd.DataFrame(collect_rows(_largest_two(rows, keys))).set_index(BY_BRANCH).sort_index()
    if wide.empty:
        return pd.DataFrame(columns=[*BY_BRANCH, *SIZE_COLUMNS])
    wide = pd.concat([wide, _of_bank(wide, keys)])
    figures: dict[str, Numbers] = {}
    for name in SIZE_COLUMNS:
        values = wide[[f"{name}|{key}" for key, _ in amounts]].to_numpy().T
        figures[name] = values if name == "contributors" else values / 100
    return _long(wide.index.to_frame(index=False), [label for _, label in amounts], figures)


def _largest_two(rows: Table, amounts: Sequence[str]) -> Table:
    """Return contributors, the largest and the second largest of each amount, signs apart.

    The second largest equals the largest where two customers have it.
    """
    sized = rows.select(*BY_BRANCH, **{f"size|{name}": nw.col(name).abs() for name in amounts})
    tops = sized.group_by(*BY_BRANCH).agg(
        nw.col(f"size|{name}").max().alias(f"largest|{name}") for name in amounts
    )
    columns: dict[str, nw.Expr] = {}
    for name in amounts:
        size, top = nw.col(f"size|{name}"), nw.col(f"largest|{name}")
        columns[f"contributors|{name}"] = flag(size > 0)
        columns[f"times|{name}"] = flag(size == top)
        columns[f"below|{name}"] = size * flag(size < top)
    largest = [f"largest|{name}" for name in amounts]
    facts = sized.join(tops, on=BY_BRANCH, how="left").select(*BY_BRANCH, *largest, **columns)
    summed = [name for name in columns if not name.startswith("below|")]
    facts = facts.group_by(*BY_BRANCH).agg(
        nw.col(*summed).sum(), nw.col(*(set(columns) - set(summed)), *largest).max()
    )
    second = {
        f"second_largest|{name}": nw.when(nw.col(f"times|{name}") > 1)
        .then(nw.col(f"largest|{name}"))
        .otherwise(nw.col(f"below|{name}"))
        for name in amounts
    }
    whole = nw.col(*(f"contributors|{name}" for name in amounts), *largest).cast(nw.Int64)
    return facts.select(*BY_BRANCH, whole, **second)


def _of_bank(wide: pd.DataFrame, amounts: Sequence[str]) -> pd.DataFrame:
    """Return the whole bank's sizes by period: each customer is in one branch."""
    rows = []
    for period, branches in wide.groupby(level=PERIOD):
        bank = branches.sum()
        for name in amounts:
            both = np.sort(branches[[f"largest|{name}", f"second_largest|{name}"]], axis=None)
            bank[f"largest|{name}"], bank[f"second_largest|{name}"] = both[-1], both[-2]
        rows.append(bank.to_frame((period, WHOLE_BANK)).T)
    return pd.concat(rows).rename_axis(BY_BRANCH)


@dataclass(frozen=True)
class Term:
    """A compared measure and its summed columns, with their caps in cents by period (0: none)."""

    label: Label
    columns: tuple[str, str]
    strata: tuple[str, ...]
    needs_spread: bool
    caps: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())

    @property
    def unit(self) -> float:
        """Cents in what the numerator is shown in."""
        return 100.0 if self.columns[0].endswith("_cents") else 1.0

    @property
    def counts(self) -> nw.Expr:
        """Whether a customer brings anything to the numerator or the denominator."""
        numerator, denominator = self.columns
        return (nw.col(numerator) != 0) | (nw.col(denominator) != 0)


def spread_table(
    view: Table, specs: Sequence[Spec], policy: Policy, calendar: Calendar
) -> pd.DataFrame:
    """Return spreads and expected numerators of the compared measures of a view.

    Parameters
    ----------
    view
        Rows of the calendar's dates with `period` and `branch_id`.
    specs, policy
        The questions put to the view, and the policy that says which measures are compared.
    calendar
        The dates of the view's periods.

    Returns
    -------
    DataFrame
        `period, branch_id`, the labels of a measure and: of means and ratios the sums of
        winsorised numerators x and denominators d, their squares and products, and the ratio's own
        standard error by the delta method; of all `expected`, the numerator that the bank's rates
        by stratum would give.
    """
    terms = _compared_terms(view, specs, policy)
    if not terms:
        return pd.DataFrame()
    columns = columns_of(specs, policy)
    used = dict.fromkeys(name for term in terms for name in term.columns)
    strata = dict.fromkeys(name for term in terms for name in term.strata)
    rows = view.select(*BY_BRANCH, *strata, **{name: columns[name] for name in used})
    spread = _with_caps(rows, [term for term in terms if term.needs_spread], calendar, policy)
    squares = {
        f"{name}|{number}": column
        for number, term in enumerate(spread)
        for name, column in _spread_columns(term, calendar).items()
    }
    sums = collect_sums(rows, [*BY_BRANCH, *strata], squares | {n: nw.col(n) for n in used})
    totals = _with_bank(sums.groupby(BY_BRANCH)[[*squares, *used]].sum())
    figures = {name: np.full((len(terms), len(totals)), np.nan) for name in SPREAD_COLUMNS}
    for names in {term.strata for term in terms} - {()}:
        expected = _with_bank(_expected(sums, terms, names)).reindex(totals.index)
        for row, term in enumerate(terms):
            if term.strata == names:
                figures["expected"][row] = expected["|".join(term.label)] / term.unit
    for number, term in enumerate(spread):
        row = [other.label for other in terms].index(term.label)
        for name, values in _spread_figures(totals, number, term).items():
            figures[name][row] = values
    return _long(totals.index.to_frame(index=False), [term.label for term in terms], figures)


def _compared_terms(view: Table, specs: Sequence[Spec], policy: Policy) -> list[Term]:
    """Return the measures of some questions that the policy compares, with the view's strata."""
    compared = {(measure.name, measure.customer_base) for measure in policy.comparison.measures}
    present = set(view.collect_schema().names())
    return [
        Term(
            measure.label(spec.base),
            (f"{spec.key}|{measure.numerator}", f"{spec.key}|{measure.denominator}"),
            tuple(name for name in spec.question.strata if name in present),
            measure.is_money or measure_definition(measure.name).kind == "ratio",
        )
        for spec in specs
        for measure in spec.question.measures(policy)
        if measure.denominator is not None and (measure.name, spec.base) in compared
    ]


def _with_caps(
    rows: Table, terms: Sequence[Term], calendar: Calendar, policy: Policy
) -> list[Term]:
    """Return the terms with their caps: a percentile of the customers who count in either column.

    The percentile is an amount that exists, without interpolation: ⌈share · m⌉ of m customers in
    ascending order of size, signs apart. Where that is zero nothing is capped.
    """
    if not terms:
        return []
    inside = {str(number): flag(term.counts) for number, term in enumerate(terms)}
    caps = np.zeros((len(terms), 2, len(calendar.days)), dtype=np.int64)
    cells, tops = list[tuple[int, int, int]](), []
    for period, *counts in collect_sums(rows, [PERIOD], inside).to_numpy("int64").tolist():
        here = rows.filter(nw.col(PERIOD) == period)
        for number, (term, count) in enumerate(zip(terms, counts, strict=True)):
            above = count - ceil(policy.comparison.winsorised_at * count) + 1
            for side, name in enumerate(term.columns):
                if name.endswith("_cents"):
                    cell = nw.lit(len(cells), dtype=nw.Int64)
                    sizes = here.select(cell=cell, size=nw.col(name).abs())
                    tops.append(sizes.sort("size", descending=True).head(above))
                    cells.append((number, side, period))
    if tops:
        size = nw.col("size")
        bounds = nw.concat(tops).group_by("cell").agg(low=size.min(), high=size.max())
        for cell, low, high in zip(*collect_rows(bounds).values(), strict=True):
            caps[cells[cell]] = low or high  # the largest where nobody reaches it
    return [
        replace(term, caps=(tuple(numerator), tuple(denominator)))
        for term, (numerator, denominator) in zip(terms, caps.tolist(), strict=True)
    ]


def _spread_columns(term: Term, calendar: Calendar) -> dict[str, nw.Expr]:
    """Return the columns of a term to add up, squares and products in parts of the caps."""
    amounts, parts = [], []
    for name, caps in zip(term.columns, term.caps, strict=True):
        amount = part = nw.col(name)
        if any(caps):
            cap = calendar.choose([cap or 2**62 for cap in caps])
            scale = calendar.choose([PARTS / cap if cap else 1.0 for cap in caps])
            amount = nw.max_horizontal(nw.min_horizontal(name, cap), -cap)
            part = (amount.cast(nw.Float64) * scale + 0.5).floor().cast(nw.Int64)
        amounts.append(amount)
        parts.append(part)
    (x, d), (part, per) = amounts, parts
    products = {"xx": part * part, "dd": per * per, "xd": part * per}
    return {"x": x, "d": d, **products, "customers": flag(term.counts)}


def _with_bank(totals: pd.DataFrame) -> pd.DataFrame:
    """Return sums by period and branch with those of the whole bank after the branches."""
    bank = totals.groupby(level=PERIOD).sum(min_count=1)
    bank.index = pd.MultiIndex.from_product([bank.index, [WHOLE_BANK]], names=BY_BRANCH)
    return pd.concat([totals, bank])


def _spread_figures(totals: pd.DataFrame, number: int, term: Term) -> dict[str, Numbers]:
    """Return the winsorised sums of a term in CNY or counts, and the ratio's standard error."""
    names = ("x", "xx", "d", "dd", "xd", "customers")
    x, xx, d, dd, xd, customers = (totals[f"{name}|{number}"].to_numpy(float) for name in names)
    caps = [np.array(cap)[totals.index.get_level_values(PERIOD)] for cap in term.caps]
    x_unit, d_unit = (np.where(cap, 100.0, 1.0) for cap in caps)
    x_part, d_part = (np.where(cap, cap / 100 / PARTS, 1.0) for cap in caps)
    x, d, xx, dd, xd = x / x_unit, d / d_unit, xx * x_part**2, dd * d_part**2, xd * x_part * d_part
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = x / np.where(d > 0, d, np.nan)
        squares = np.maximum(xx - 2 * ratio * xd + ratio**2 * dd, 0)
        number_of = np.where(customers > 1, customers, np.nan)
        error = (squares * number_of / (number_of - 1)) ** 0.5 / d
    return dict(zip(SPREAD_COLUMNS, (x, xx, d, dd, xd, error), strict=False))


def _expected(sums: pd.DataFrame, terms: Sequence[Term], strata: Sequence[str]) -> pd.DataFrame:
    """Return, by branch, the numerators that the bank's rates by stratum would give.

    Of the terms that are standardised by these strata, under their labels, from the sums by branch
    and all strata.
    """
    own = [term for term in terms if term.strata == strata]
    names = dict.fromkeys(name for term in own for name in term.columns)
    table = sums.groupby([*BY_BRANCH, *strata], as_index=False, dropna=False)[[*names]].sum()
    bank = table.groupby([PERIOD, *strata])[[*names]].transform("sum")
    due = table[BY_BRANCH].copy()
    for term in own:
        numerator, denominator = (bank[name] for name in term.columns)
        rate = (numerator / denominator).fillna(0.0).where(denominator.notna())
        due["|".join(term.label)] = table[term.columns[1]] * rate
    return due.groupby(BY_BRANCH).sum(min_count=1)
