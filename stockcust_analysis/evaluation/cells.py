"""The table of cell facts: what stands behind the figures, for comparison and disclosure control.

It travels inside the evaluation and is never printed: it knows the largest customers' amounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from stockcust_analysis.evaluation.questions import Facts, Question
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.cell_facts import PARTS, Term, capped, cell_facts
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.measures.frames import Ratio, collected, sums
from stockcust_analysis.measures.growth import COMPONENTS, with_components
from stockcust_analysis.measures.pairs import by_group
from stockcust_analysis.policy import ComparisonRule

CELL_COLUMNS = (
    "quarter", "branch_id", "dimension", "member", "measure", "base",
    "contributors", "largest", "second_largest",
    "winsorised_sum", "winsorised_squares", "winsorised_denominator", "denominator_squares",
    "products", "standard_error", "expected",
)  # fmt: skip
STRATA = ("tier", "tenure")
"""Columns by which rates are standardised, as far as the questions' tables have them."""
_CENT = 0.01
# Amounts that are no measure's numerator.
_OWN_DENOMINATOR = ("attrition_outflow_share", "same_customer_growth")


@dataclass(frozen=True)
class _Wanted:
    """One measure whose cell facts are told: its sums are columns under the key of the question."""

    ratio: Ratio
    base: str
    key: str
    compared: bool

    @property
    def numerator(self) -> str:
        return f"{self.key}__{self.ratio.numerator}"

    @property
    def denominator(self) -> str:
        return f"{self.key}__{self.ratio.denominator}"

    @property
    def is_money(self) -> bool:
        return self.ratio.numerator.endswith("_cents")

    @property
    def amounts(self) -> dict[str, str]:
        """Return the columns whose contributors and largest are told, by what they are called."""
        told = {self.ratio.measure: self.numerator} if self.is_money else {}
        if self.ratio.measure in _OWN_DENOMINATOR:
            told[f"{self.ratio.measure}.denominator"] = self.denominator
        return told

    @property
    def needs_spread(self) -> bool:
        """Tell whether a compared measure is a mean or a ratio of sums, not a share of people."""
        if not self.compared:
            return False
        return self.is_money or measure_definition(self.ratio.measure).kind == "ratio"


def cell_table(
    asked: Sequence[tuple[Facts, Sequence[Question]]],
    *,
    quarter: str,
    measures: pd.DataFrame | None = None,
    rule: ComparisonRule | None = None,
) -> pd.DataFrame:
    """Return the cell facts of every branch and of the whole bank.

    Parameters
    ----------
    asked : list of (facts, questions)
        Tables of one row per customer and branch, with the questions they were asked for the
        measures of the quarter; each table is looked at three times for all of its questions.
    quarter : str
        Such as "2026Q3".
    measures : DataFrame, optional
        The measures of the evaluation, among them those of the quarter, where any are compared.
    rule : ComparisonRule, optional
        Which measures are compared, and where amounts are winsorised; none are when left out.

    Returns
    -------
    DataFrame
        One row per branch and money measure (`contributors`: customers with an amount that is not
        zero; `largest`, `second_largest`: the two largest, signs apart, CNY; a denominator that
        is told nowhere else is `<measure>.denominator`) and per compared measure: of means and
        ratios the sums of winsorised numerators x and denominators d, their squares and products,
        and the ratio's own standard error by the delta method; of all `expected`, the numerator
        that the bank's rates by stratum would give (empty where strata do not add up to the
        branch).
    """
    known = pd.DataFrame() if measures is None else measures[
        (measures["quarter"] == quarter) & (measures["member"] == "")
    ]  # fmt: skip
    rule = rule or ComparisonRule()
    tables = [_of_table(facts, questions, rule, known) for facts, questions in asked]
    return _in_order(tables, quarter)


def bridge_cells(pairs: Facts, *, quarter: str) -> pd.DataFrame:
    """Return the cell facts of the growth bridge of every branch and of the whole bank.

    Parameters
    ----------
    pairs : table
        Customers of two quarters side by side, as the bridge is made of.
    quarter : str
        The later of the two.

    Returns
    -------
    DataFrame
        As `cell_table`, dimension "bridge", the component as member.
    """
    steps = [name for name in COMPONENTS if name not in ("opening", "closing")]
    amounts = [f"{name}_cents" for name in steps]
    each = with_components(by_group(pairs, ["branch_id"])).select("branch_id", *amounts)
    wide = _sized(each, amounts)
    tables = [
        _sizes(wide, name, measure="bridge", base="all", dimension="bridge", member=step)
        for name, step in zip(amounts, steps, strict=True)
    ]
    return _in_order([pd.concat(tables).rename_axis("branch_id").reset_index()], quarter)


def _in_order(tables: Sequence[pd.DataFrame], quarter: str) -> pd.DataFrame:
    """Return the cell facts of a quarter in one table, sorted."""
    told = [table for table in tables if len(table)]
    if not told:
        return pd.DataFrame(columns=CELL_COLUMNS)
    table = pd.concat(told, ignore_index=True).assign(quarter=quarter)
    order = ["branch_id", "dimension", "member", "measure", "base"]
    return table.sort_values(order, kind="stable", ignore_index=True).reindex(
        columns=list(CELL_COLUMNS)
    )


def _of_table(facts: Facts, questions: Sequence[Question], rule: ComparisonRule,
              measures: pd.DataFrame) -> pd.DataFrame:  # fmt: skip
    """Return the cell facts of all questions about one table."""
    wanted, columns = _wanted(facts, questions, rule)
    if not wanted:
        return pd.DataFrame()
    strata = [name for name in STRATA if name in facts.collect_schema().names()]
    each = facts.select("branch_id", **columns)
    spread = [one for one in wanted if one.needs_spread]
    terms = capped(
        each, [Term(one.numerator, one.denominator) for one in spread], share=rule.winsorised_at
    )
    amounts = dict.fromkeys(name for one in wanted for name in one.amounts.values())
    wide = _sized(each, list(amounts), terms)
    if wide.empty:
        return wide  # nobody is managed, or nobody was there before
    expected = _expected(facts, columns, [one for one in wanted if one.compared], strata, measures)
    return pd.concat(
        [_rows(one, wide, spread, terms, expected) for one in wanted], ignore_index=True
    )


def _wanted(
    facts: Facts, questions: Sequence[Question], rule: ComparisonRule
) -> tuple[list[_Wanted], dict[str, nw.Expr]]:
    """Return the measures of money and those compared, and the columns they are made of."""
    compared = {(one.name, one.customer_base) for one in rule.measures}
    wanted: list[_Wanted] = []
    columns: dict[str, nw.Expr] = {}
    for place, question in enumerate(questions):
        for base in question.bases:
            key, sums_of = f"{place}_{base}", question.columns(facts, base)
            for ratio in question.ratios:
                stands = ratio.denominator is not None and (ratio.measure, base) in compared
                one = _Wanted(ratio, base, key, stands)
                if stands or one.is_money:
                    wanted.append(one)
                    columns[one.numerator] = sums_of[ratio.numerator]
                if stands or one.denominator in one.amounts.values():
                    columns[one.denominator] = sums_of[str(ratio.denominator)]
    return wanted, columns


def _sized(
    each: nw.LazyFrame[Any], amounts: Sequence[str], terms: Sequence[Term] = ()
) -> pd.DataFrame:
    """Return the cell facts of columns of customers by branch and of the whole bank."""
    found = collected(cell_facts(each, by=["branch_id"], amounts=amounts, terms=terms))
    if not found["branch_id"]:
        return pd.DataFrame()
    return _with_bank(pd.DataFrame(found).set_index("branch_id").sort_index(), amounts)


def _rows(one: _Wanted, wide: pd.DataFrame, spread: Sequence[_Wanted], terms: Sequence[Term],
          expected: Mapping[str, pd.Series]) -> pd.DataFrame:  # fmt: skip
    """Return one measure's rows of every branch and of the whole bank."""
    dimension, member = (one.ratio.labels or (("", ""),))[0]
    labels = {"base": one.base, "dimension": dimension, "member": str(member)}
    plain = pd.DataFrame({"measure": one.ratio.measure, **labels}, index=wide.index)
    sized = [_sizes(wide, name, measure=told, **labels) for told, name in one.amounts.items()]
    own, *others = sized or [plain]
    if one in spread:
        place = spread.index(one)
        own = own.join(_spread(wide, place, terms[place]))
    if one.compared:
        own["expected"] = expected[one.numerator]
    return pd.concat([own, *others]).rename_axis("branch_id").reset_index()


def _sizes(wide: pd.DataFrame, amount: str, **labels: str) -> pd.DataFrame:
    """Return how many customers stand behind an amount, and the two largest in CNY."""
    names = ("contributors", "largest", "second_largest")
    table = wide[[f"{name}|{amount}" for name in names]].set_axis(list(names), axis=1)
    table[["largest", "second_largest"]] /= 100
    return table.assign(**labels)


def _with_bank(wide: pd.DataFrame, amounts: Sequence[str]) -> pd.DataFrame:
    """Return the branches' facts with the whole bank's: each customer is in one branch."""
    bank = wide.sum()
    for name in amounts:
        both = np.sort(wide[[f"largest|{name}", f"second_largest|{name}"]].to_numpy(), axis=None)
        bank[f"largest|{name}"], bank[f"second_largest|{name}"] = both[-1], both[-2]
    return pd.concat([wide, bank.to_frame(WHOLE_BANK).T])


def _spread(wide: pd.DataFrame, place: int, term: Term) -> pd.DataFrame:
    """Return the winsorised sums of a term in CNY or counts, and the ratio's standard error."""
    of = {name: wide[f"{name}|{place}"].astype(float)
          for name in ("x", "xx", "d", "dd", "xd", "customers")}  # fmt: skip
    unit, part = zip(
        *((100, cap / 100 / PARTS) if cap else (1, 1.0)
          for cap in (term.numerator_cap, term.denominator_cap)), strict=True
    )  # fmt: skip
    table = pd.DataFrame({
        "winsorised_sum": of["x"] / unit[0],
        "winsorised_squares": of["xx"] * part[0] ** 2,
        "winsorised_denominator": of["d"] / unit[1],
        "denominator_squares": of["dd"] * part[1] ** 2,
        "products": of["xd"] * part[0] * part[1],
    })  # fmt: skip
    x, xx, d, dd, xd = (table[name] for name in table)
    ratio = x / d.where(d > 0)
    squares = (xx - 2 * ratio * xd + ratio**2 * dd).clip(lower=0)
    number = of["customers"].where(of["customers"] > 1)
    return table.assign(standard_error=np.sqrt(squares * number / (number - 1)) / d)


def _expected(facts: Facts, columns: Mapping[str, nw.Expr], compared: Sequence[_Wanted],
              strata: list[str], measures: pd.DataFrame) -> dict[str, pd.Series]:  # fmt: skip
    """Return, by branch, the numerators that the bank's rates by stratum would give."""
    if not compared:
        return {}
    names = dict.fromkeys(name for one in compared for name in (one.numerator, one.denominator))
    totals = sums(facts, ["branch_id", *strata], {name: columns[name] for name in names})
    # Engines return groups in any order, and fractions are added up in it.
    told = pd.DataFrame(collected(totals)).sort_values(["branch_id", *strata], ignore_index=True)
    return {one.numerator: _due(told, one, strata, measures) for one in compared}


def _due(told: pd.DataFrame, one: _Wanted, strata: list[str], measures: pd.DataFrame) -> pd.Series:
    """Return one measure's expected numerators; empty where strata do not add up."""
    numerator, denominator = one.numerator, one.denominator
    unit = 100 if one.is_money else 1
    if strata:
        by_stratum = told.groupby(strata)[[numerator, denominator]].sum()
        rate = (by_stratum[numerator] / by_stratum[denominator]).rename("rate").fillna(0.0)
        joined = told.join(rate, on=strata)
    else:
        joined = told.assign(rate=np.nan)
    due = (joined[denominator] * joined["rate"]).groupby(joined["branch_id"]).sum(min_count=1)
    due[WHOLE_BANK] = due.sum(min_count=1)
    stands = (measures["measure"] == one.ratio.measure) & (measures["base"] == one.base)
    parts = told.groupby("branch_id")[numerator].sum() / unit
    known = measures[stands].set_index("branch_id")["numerator"].reindex(parts.index)
    if not ((parts - known).abs() < _CENT).all():
        due[:] = np.nan
    return due / unit
