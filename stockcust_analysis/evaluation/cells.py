"""The table of cell facts: what stands behind the figures, for comparison and disclosure control.

It travels inside the evaluation and is never printed: it knows the largest customers' amounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from stockcust_analysis.evaluation.questions import Facts, Question
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.cell_facts import PARTS, Term, capped, cell_facts
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.measures.frames import Ratio, collected, sums
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


@dataclass(frozen=True)
class _Wanted:
    """One measure whose cell facts are told: its sums are columns under the key of the question."""

    ratio: Ratio
    base: str
    key: str
    compared: bool
    sized: bool
    """Whether its contributors and largest amounts are told."""

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
    def needs_spread(self) -> bool:
        """Tell whether a compared measure is a mean or a ratio of sums, not a share of people."""
        if not self.compared:
            return False
        return self.is_money or measure_definition(self.ratio.measure).kind == "ratio"


def cell_table(
    asked: Sequence[tuple[Facts, Sequence[Question]]],
    *,
    measures: pd.DataFrame,
    quarter: str,
    rule: ComparisonRule,
    amounts: bool = True,
) -> pd.DataFrame:
    """Return the cell facts of every branch and of the whole bank.

    Parameters
    ----------
    asked : list of (facts, questions)
        Tables of one row per customer and branch, with the questions they were asked for the
        measures of the quarter; each table is looked at three times for all of its questions.
    measures : DataFrame
        The measures of the evaluation, among them those of the quarter.
    quarter : str
        Such as "2026Q3".
    rule : ComparisonRule
        Which measures are compared, and where amounts are winsorised.
    amounts : bool
        Whether to tell the money measures that are not compared too; without them a quarter has
        what movements need, and no contributors or largest amounts.

    Returns
    -------
    DataFrame
        One row per branch and money measure (`contributors`: customers with an amount that is not
        zero; `largest`, `second_largest`: the two largest, signs apart, CNY) and per compared
        measure: of means and ratios the sums of winsorised numerators x and denominators d, their
        squares and products, and the ratio's own standard error by the delta method; of all
        `expected`, the numerator that the bank's rates by stratum would give (empty where strata
        do not add up to the branch).
    """
    known = measures[(measures["quarter"] == quarter) & (measures["member"] == "")]
    tables = [_of_table(facts, questions, rule, known, amounts) for facts, questions in asked]
    told = [table for table in tables if len(table)]
    if not told:
        return pd.DataFrame(columns=CELL_COLUMNS)
    table = pd.concat(told, ignore_index=True).assign(quarter=quarter)
    order = ["branch_id", "dimension", "member", "measure", "base"]
    return table.sort_values(order, kind="stable", ignore_index=True).reindex(
        columns=list(CELL_COLUMNS)
    )


def _of_table(facts: Facts, questions: Sequence[Question], rule: ComparisonRule,
              measures: pd.DataFrame, with_amounts: bool) -> pd.DataFrame:  # fmt: skip
    """Return the cell facts of all questions about one table."""
    wanted, columns = _wanted(facts, questions, rule, with_amounts)
    if not wanted:
        return pd.DataFrame()
    strata = [name for name in STRATA if name in facts.collect_schema().names()]
    each = facts.select("branch_id", **columns)
    amounts = list(dict.fromkeys(one.numerator for one in wanted if one.sized))
    spread = [one for one in wanted if one.needs_spread]
    terms = capped(
        each, [Term(one.numerator, one.denominator) for one in spread], share=rule.winsorised_at
    )
    found = collected(cell_facts(each, by=["branch_id"], amounts=amounts, terms=terms))
    if not found["branch_id"]:
        return pd.DataFrame()  # nobody is managed, or nobody was there before
    wide = _with_bank(pd.DataFrame(found).set_index("branch_id").sort_index(), amounts)
    expected = _expected(facts, columns, [one for one in wanted if one.compared], strata, measures)
    return pd.concat(
        [_rows(one, wide, spread, terms, expected) for one in wanted], ignore_index=True
    )


def _wanted(
    facts: Facts, questions: Sequence[Question], rule: ComparisonRule, with_amounts: bool
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
                sized = with_amounts and ratio.numerator.endswith("_cents")
                one = _Wanted(ratio, base, key, stands, sized)
                if stands or one.sized:
                    wanted.append(one)
                    columns[one.numerator] = sums_of[ratio.numerator]
                if stands:
                    columns[one.denominator] = sums_of[str(ratio.denominator)]
    return wanted, columns


def _rows(one: _Wanted, wide: pd.DataFrame, spread: Sequence[_Wanted], terms: Sequence[Term],
          expected: Mapping[str, pd.Series]) -> pd.DataFrame:  # fmt: skip
    """Return one measure's rows of every branch and of the whole bank."""
    table = pd.DataFrame({"measure": one.ratio.measure, "base": one.base}, index=wide.index)
    table["dimension"], table["member"] = (one.ratio.labels or (("", ""),))[0]
    if one.sized:
        names = ("contributors", "largest", "second_largest")
        table[list(names)] = wide[[f"{name}|{one.numerator}" for name in names]].to_numpy()
        table[["largest", "second_largest"]] /= 100
    if one in spread:
        place = spread.index(one)
        table = table.join(_spread(wide, place, terms[place]))
    if one.compared:
        table["expected"] = expected[one.numerator]
    return table.rename_axis("branch_id").reset_index()


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
