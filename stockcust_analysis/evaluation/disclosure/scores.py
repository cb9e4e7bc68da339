"""Scores and comparisons in the circulated set: what follows from a withheld value goes with it."""

from __future__ import annotations

import pandas as pd

from stockcust_analysis.evaluation.disclosure.withhold import Circulated

_LABELS = {"branch_id", "indicator", "measure", "base", "group", "method", "direction", "weight",
           "peer_group", "kind", "target_source"}  # fmt: skip


def circulated_comparison(comparison: pd.DataFrame, told: Circulated) -> pd.DataFrame:
    """Return the comparison with `withheld`, and nothing but labels where a value is withheld.

    `comparison` has `branch_id, measure, base` and what is told of the quarter's value.
    """
    return _with_gaps(comparison, _is_withheld(comparison, "measure", told))


def circulated_scorecard(scorecard: pd.DataFrame, told: Circulated) -> pd.DataFrame:
    """Return the scorecard with `withheld`, and nothing but labels where a value is withheld.

    A branch's points are printed, so that one withheld indicator alone could be computed from
    them: the lightest of its others is withheld with it. `scorecard` has `branch_id, indicator,
    base, weight` and what is told of each indicator.
    """
    withheld = _is_withheld(scorecard, "indicator", told)
    alone = withheld.groupby(scorecard["branch_id"]).transform("sum") == 1
    others = scorecard[alone & ~withheld].sort_values(["weight", "indicator"], kind="stable")
    withheld[others.groupby("branch_id").head(1).index] = True
    return _with_gaps(scorecard, withheld)


def _is_withheld(table: pd.DataFrame, name: str, told: Circulated) -> pd.Series:
    """Return which rows are of a measure that is withheld, or that is not circulated at all."""
    rows = told.measures
    printed = rows[(rows["quarter"] == str(told.quarter)) & ~rows["withheld"]]
    printed = printed[printed["dimension"] == ""]
    keys = pd.MultiIndex.from_frame(printed[["branch_id", "measure", "base"]])
    asked = pd.MultiIndex.from_frame(table[["branch_id", name, "base"]])
    return pd.Series(~asked.isin(keys), index=table.index)


def _with_gaps(table: pd.DataFrame, withheld: pd.Series) -> pd.DataFrame:
    """Return the table with all but the labels of withheld rows left empty."""
    emptied = {name: column.mask(withheld) for name, column in table.items() if name not in _LABELS}
    return table.assign(
        **{str(name): column for name, column in emptied.items()}, withheld=withheld
    )
