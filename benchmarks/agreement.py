"""Whether a rival says what `evaluate` says: counts alike, money to the cent, rates to 1e-9."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stockcust_analysis.periods import Quarter

KEYS = {
    "measures": ["quarter", "branch_id", "dimension", "member", "measure", "base"],
    "lorenz": ["branch_id", "customer_share"],
    "co_holding": ["branch_id", "family_a", "family_b", "base"],
    "migration": ["structure", "branch_id", "from", "to"],
    "bridge": ["structure", "branch_id", "component"],
}
FIGURES = {
    "measures": ["n", "numerator", "denominator", "value"],
    "lorenz": ["value_share"],
    "co_holding": ["n", "holders_a", "holders_b", "both", "conditional_rate", "rate_low",
                   "rate_high", "lift", "lift_low", "lift_high"],
    "migration": ["customers", "opening_aum", "closing_aum"],
    "bridge": ["customers", "amount"],
}  # fmt: skip
COUNTS = ("n", "customers", "holders_a", "holders_b", "both")
MONEY = ("amount", "opening_aum", "closing_aum")
RATE, CENT = 1e-9, 0.005
# These numerators are shares of the total written as money: as exact as the share itself.
_SHARES = ("gini", "gini_without_1", "gini_without_10", "herfindahl")


def tables(evaluation: object, quarter: Quarter) -> dict[str, pd.DataFrame]:
    """Return the tables of an evaluation that are compared, of the quarter and the one before."""
    found = {name: getattr(evaluation, name) for name in KEYS}
    told = (str(quarter.previous), str(quarter))
    found["measures"] = found["measures"][found["measures"]["quarter"].isin(told)]
    return found


def disagreements(
    wanted: Mapping[str, pd.DataFrame], given: Mapping[str, pd.DataFrame]
) -> list[str]:
    """Return what differs between two sets of tables, one line per table and column."""
    return [line for name in KEYS for line in _compared(name, wanted[name], given[name])]


def cells(tables: Mapping[str, pd.DataFrame]) -> int:
    """Return how many figures are compared."""
    return sum(len(frame) * len(FIGURES[name]) for name, frame in tables.items())


def _compared(name: str, wanted: pd.DataFrame, given: pd.DataFrame) -> list[str]:
    keys = KEYS[name]
    both = wanted.merge(given, on=keys, how="outer", suffixes=("", "_given"), indicator=True,
                        validate="one_to_one")  # fmt: skip
    unmatched = both[both["_merge"] != "both"]
    sides = {"left_only": "the evaluation", "right_only": "the rival"}
    lines = [
        f"{name}: {len(rows):,} rows only in {sides[side]}, the first "
        f"{rows[keys].iloc[0].to_dict()}"
        for side, rows in unmatched.groupby("_merge", observed=True)
    ]
    matched = both[both["_merge"] == "both"]
    for column in FIGURES[name]:
        wrong = ~_alike(matched, name, column)
        if wrong.any():
            first = matched[wrong].iloc[0]
            lines.append(
                f"{name}.{column}: {wrong.sum():,} of {len(matched):,} differ, the first "
                f"{first[keys].to_dict()}: {first[column]}, the rival {first[column + '_given']}"
            )
    return lines


def _alike(rows: pd.DataFrame, name: str, column: str) -> pd.Series:
    wanted, given = (rows[c].astype("float64") for c in (column, f"{column}_given"))
    off = (wanted - given).abs()
    if column in COUNTS:
        near = off == 0
    elif column in MONEY:
        near = off < CENT
    elif name == "measures" and column in ("numerator", "denominator"):
        share = (column == "numerator") & rows["measure"].isin(_SHARES)
        near = off < np.where(share, np.maximum(CENT, RATE * wanted.abs()), CENT)
    else:
        near = off <= RATE * np.maximum(1.0, wanted.abs())
    return near | (wanted.isna() & given.isna())
