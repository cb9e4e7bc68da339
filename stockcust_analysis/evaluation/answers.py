"""Many questions in one look: what they sum is asked of the big table together.

A pass over ten million customers costs seconds however little it asks, so the questions about one
table share a single group-by on the branch. What adds up over branches gives the whole bank.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.evaluation.questions import (
    FUNDED,
    LEVELS,
    Facts,
    Question,
    concentration_asked,
)
from stockcust_analysis.evaluation.results import MEASURE_COLUMNS, WHOLE_BANK
from stockcust_analysis.measures.co_holding import co_holding_columns, co_holding_rows
from stockcust_analysis.measures.concentration_sums import concentration_sums, sums_without
from stockcust_analysis.measures.frames import Ratio, collected, measures_of, sums
from stockcust_analysis.measures.pareto import curve_points, percent_steps
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import Policy

Sums = dict[str, list[Any]]
"""Collected sums by name, one entry per branch; `branch_id` among them."""


@dataclass(frozen=True)
class Answer:
    """The sums of one question among one base, of every branch and of the whole bank."""

    sums: Sums
    ratios: Sequence[Ratio]
    base: str


def answers(
    facts: Facts, questions: Sequence[Question], branches: Sequence[str] | None = None
) -> list[Answer]:
    """Answer all questions about one table of customers in one look.

    Branches that are not in the table, but in `branches`, have sums of zero.
    """
    columns = _columns(facts, questions)
    return _answered(questions, summed(facts, columns, branches))


def moving_answers(
    facts: Facts, questions: Sequence[Question], *, whole: Facts, branches: Sequence[str]
) -> list[Answer]:
    """Answer questions about a table in which a customer who moved stands in two branches.

    So the branches do not add up to the bank, which is asked of a table of its own, `whole`.
    """
    columns = _columns(facts, questions)
    by_branch = summed(facts, columns, branches)
    together = collected(sums(whole, [], _named(columns)))
    for key, found in by_branch.items():
        for name in columns[key]:
            found[name][-1] = int(together[f"{key}__{name}"][0])
    return _answered(questions, by_branch)


def concentration_answers(steps: Sequence[Facts]) -> list[Answer]:
    """Answer how concentrated assets are, also without the largest: one look at each level's steps.

    The steps are those of the Lorenz curves, of `LEVELS`.
    """
    asked = concentration_asked()
    wanted = [
        f"{name}|{without}"
        for without, ratios in asked.items()
        for name in sorted({"customers", "total_cents", *(ratio.numerator for ratio in ratios)})
    ]
    levels = (
        collected(concentration_sums(each, by=by, without=[*asked]).select(*by, *wanted))
        for by, each in zip(LEVELS, steps, strict=True)
    )
    found = both_levels(*levels)
    return [
        Answer(sums_without(without, found), ratios, FUNDED) for without, ratios in asked.items()
    ]


def summed(
    facts: Facts,
    columns: Mapping[str, Mapping[str, nw.Expr]],
    branches: Sequence[str] | None = None,
) -> dict[str, Sums]:
    """Sum several sets of whole-number columns per branch in one look, and add the whole bank."""
    found = collected(sums(facts, ["branch_id"], _named(columns)))
    ids = found.pop("branch_id")
    missing = sorted(set(branches or ()) - set(ids))
    ids = [*ids, *missing, WHOLE_BANK]
    told = {name: [*map(int, values), *[0] * len(missing)] for name, values in found.items()}
    told = {name: [*values, sum(values)] for name, values in told.items()}
    return {
        key: {"branch_id": ids} | {name: told[f"{key}__{name}"] for name in group}
        for key, group in columns.items()
    }


def _columns(facts: Facts, questions: Sequence[Question]) -> dict[str, Mapping[str, nw.Expr]]:
    """Return what each question sums in each of its bases, by question and base."""
    return {
        f"{place}_{base}": question.columns(facts, base)
        for place, question in enumerate(questions)
        for base in question.bases
    }


def _answered(questions: Sequence[Question], found: Mapping[str, Sums]) -> list[Answer]:
    return [
        Answer(found[f"{place}_{base}"], question.ratios, base)
        for place, question in enumerate(questions)
        for base in question.bases
    ]


def _named(columns: Mapping[str, Mapping[str, nw.Expr]]) -> dict[str, nw.Expr]:
    """Return all columns under names of their own."""
    return {
        f"{key}__{name}": column for key, group in columns.items() for name, column in group.items()
    }


def both_levels(by_branch: Sums, whole: Sums) -> Sums:
    """Put the sums of the whole bank after those of the branches."""
    bank = whole | {"branch_id": [WHOLE_BANK] * len(next(iter(whole.values())))}
    return {name: [*values, *bank[name]] for name, values in by_branch.items()}


def measure_table(answered: Iterable[Answer], quarter: Quarter) -> pd.DataFrame:
    """Return the measures of all answers about a quarter, in order."""
    table = pd.concat([_measures(one) for one in answered], ignore_index=True)
    table["quarter"], table["as_of"] = str(quarter), quarter.end.isoformat()
    keys = ["branch_id", "dimension", "measure", "base"]
    return table.sort_values(keys, kind="stable", ignore_index=True)[list(MEASURE_COLUMNS)]


def _measures(answer: Answer) -> pd.DataFrame:
    """Return one answer's measures, with their label as dimension and member."""
    frames: list[pd.DataFrame] = []
    by, given = ["branch_id"], pd.DataFrame()
    for names, ratios in groupby(answer.ratios, key=lambda ratio: [n for n, _ in ratio.labels]):
        told = measures_of(answer.sums, list(ratios), by=by, base=answer.base, given=given)
        told["dimension"] = names[0] if names else ""
        told["member"] = told[names[0]] if names else ""
        frames.append(told.drop(columns=names))
    return pd.concat(frames, ignore_index=True)


def lorenz_table(steps: Sequence[Facts], quarter: Quarter) -> pd.DataFrame:
    """Return the Lorenz curves of every branch and of the whole bank."""
    levels: list[Sums] = [
        collected(percent_steps(each, by=by)) for by, each in zip(LEVELS, steps, strict=True)
    ]
    table = pd.DataFrame(curve_points(both_levels(*levels), ["branch_id"]))
    table = table.assign(quarter=str(quarter))
    return table[["quarter", "branch_id", "customer_share", "value_share"]]


def co_holding_table(facts: Facts, quarter: Quarter, policy: Policy) -> pd.DataFrame:
    """Return which families are held together, for every branch and the whole bank."""
    columns = co_holding_columns(policy.families, base=FUNDED)
    totals = summed(facts, {"held": columns})["held"]
    rows = co_holding_rows(totals, policy.families, ["branch_id"], FUNDED)
    table = pd.DataFrame(rows)
    table.insert(0, "quarter", str(quarter))
    # A column in which nothing is defined has no type of its own.
    return table.astype(dict.fromkeys(table.select_dtypes("object", exclude="str").columns, float))
