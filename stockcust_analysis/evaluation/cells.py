"""The table of cell facts: what stands behind the figures, for comparison and disclosure control.

It travels inside the evaluation and is never printed: it knows the largest customers' amounts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stockcust_analysis.evaluation.questions import Facts, Question
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.aum_change import AUM_CHANGE
from stockcust_analysis.measures.cell_facts import PARTS, Term, capped, cell_facts
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.measures.frames import EACH, Ratio, collected
from stockcust_analysis.measures.pareto import CONCENTRATION
from stockcust_analysis.policy import ComparisonRule

CELL_COLUMNS = (
    "quarter", "branch_id", "dimension", "member", "measure", "base",
    "contributors", "largest", "second_largest",
    "winsorised_sum", "winsorised_squares", "winsorised_denominator", "denominator_squares",
    "products", "standard_error", "expected",
)  # fmt: skip
_OF_NO_ONE = tuple(ratio.measure for ratio in (*CONCENTRATION, *AUM_CHANGE))
"""Measures that are not made of what each customer brings: of ranks, of means."""
_CENT = 0.01


def cell_table(
    facts: Facts,
    asked: Sequence[Question],
    *,
    measures: pd.DataFrame,
    quarter: str,
    rule: ComparisonRule,
    strata: Sequence[str] = ("tier", "tenure"),
) -> pd.DataFrame:
    """Return the cell facts of every branch and of the whole bank.

    Parameters
    ----------
    facts
        Customer facts of the quarter; each question may look at its own instead.
    asked : list of Question
        As they were asked for the measures of the quarter.
    measures : DataFrame
        The measures of the evaluation, among them those of the quarter.
    quarter : str
        Such as "2026Q3".
    rule : ComparisonRule
        Which measures are compared, and where amounts are winsorised.
    strata : list of str
        Columns by which rates are standardised, as far as the questions' tables have them.

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
    tables = [
        _of_question(facts, question, base, rule, list(strata), known)
        for question in asked
        if not question.ratios[0].measure.startswith(_OF_NO_ONE)
        for base in question.bases
    ]
    told = [table for table in tables if len(table)]
    if not told:
        return pd.DataFrame(columns=CELL_COLUMNS)
    table = pd.concat(told, ignore_index=True).assign(quarter=quarter)
    order = ["branch_id", "dimension", "member", "measure", "base"]
    return table.sort_values(order, kind="stable", ignore_index=True).reindex(
        columns=list(CELL_COLUMNS)
    )


def _of_question(facts: Facts, question: Question, base: str, rule: ComparisonRule,
                 strata: list[str], measures: pd.DataFrame) -> pd.DataFrame:  # fmt: skip
    """Return the cell facts of the measures of one question in one base."""
    compared = {(one.name, one.customer_base) for one in rule.measures}
    standing = [
        one for one in question.ratios if one.denominator and (one.measure, base) in compared
    ]
    wanted = [one for one in question.ratios if one in standing or _is_money(one)]
    if not wanted:
        return pd.DataFrame()
    each = question.totals(facts, ["branch_id", EACH], base)
    amounts = list(dict.fromkeys(one.numerator for one in wanted if _is_money(one)))
    sums = [one for one in standing if _needs_spread(one)]
    terms = capped(
        each, [Term(one.numerator, str(one.denominator)) for one in sums], share=rule.winsorised_at
    )
    expected = pd.DataFrame(_expected(facts, question, base, standing, strata, measures))
    if amounts or terms:
        found = collected(cell_facts(each, by=["branch_id"], amounts=amounts, terms=terms))
        wide = _with_bank(pd.DataFrame(found).set_index("branch_id").sort_index(), amounts)
    else:
        wide = expected
    rows = []
    for one in wanted:
        table = pd.DataFrame({"measure": one.measure, "base": base}, index=wide.index)
        table["dimension"], table["member"] = (one.labels or (("", ""),))[0]
        if _is_money(one):
            names = ("contributors", "largest", "second_largest")
            table[list(names)] = wide[[f"{name}|{one.numerator}" for name in names]].to_numpy()
            table[["largest", "second_largest"]] /= 100
        if one in sums:
            place = sums.index(one)
            table = table.join(_spread(wide, place, terms[place]))
        if one in standing:
            table["expected"] = expected[one.measure]
        rows.append(table.rename_axis("branch_id").reset_index())
    return pd.concat(rows, ignore_index=True)


def _is_money(ratio: Ratio) -> bool:
    return ratio.numerator.endswith("_cents")


def _needs_spread(ratio: Ratio) -> bool:
    """Tell whether a measure is a mean or a ratio of sums, not a share of customers."""
    told = measure_definition(ratio.measure).kind
    return ratio.denominator is not None and (_is_money(ratio) or told == "ratio")


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


def _expected(facts: Facts, question: Question, base: str, ratios: Sequence[Ratio],
              strata: list[str], measures: pd.DataFrame) -> dict[str, pd.Series]:  # fmt: skip
    """Return, by branch, the numerators that the bank's rates by stratum would give."""
    if not ratios:
        return {}
    columns = dict.fromkeys(
        name for one in ratios for name in (one.numerator, str(one.denominator))
    )
    totals = question.totals(facts, ["branch_id", *strata], base)
    told = pd.DataFrame(collected(totals.select("branch_id", *strata, *columns)))
    found = {}
    for one in ratios:
        names = [one.numerator, str(one.denominator)]
        by_stratum = told.groupby(strata)[names].sum()
        rate = (by_stratum[names[0]] / by_stratum[names[1]]).rename("rate").fillna(0.0)
        joined = told.join(rate, on=strata)
        due = (joined[names[1]] * joined["rate"]).groupby(joined["branch_id"]).sum()
        due[WHOLE_BANK] = due.sum()
        known = measures[(measures["measure"] == one.measure) & (measures["base"] == base)]
        parts = told.groupby("branch_id")[one.numerator].sum() / (100 if _is_money(one) else 1)
        gap = parts - known.set_index("branch_id")["numerator"].reindex(parts.index)
        found[one.measure] = due / (100 if _is_money(one) else 1)
        if not (gap.abs() < _CENT).all():
            found[one.measure][:] = np.nan
    return found
