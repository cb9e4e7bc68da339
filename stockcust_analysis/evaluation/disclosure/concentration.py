"""Concentration in the circulated set: points of a Lorenz curve are everybody's balance.

Each top share and each point of the curve is a cut through the customers in order of size. What
lies between two cuts is a cell: it must hold enough customers, and the group above a cut must not
hang on two of them. Gini and Herfindahl are one number for all, but the Herfindahl index bounds the
largest balance from both sides. Here nothing is proved about what could be worked out from several
of them together; cuts are kept apart instead.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from stockcust_analysis.evaluation.disclosure.quantities import relations
from stockcust_analysis.policy import DisclosureRule

_FRACTIONS = {"top_1_share": 0.01, "top_5_share": 0.05, "top_10_share": 0.1, "top_20_share": 0.2}
_DECILES = 10
_KEYS = ["quarter", "branch_id", "base"]


def withheld_concentration(
    measures: pd.DataFrame, facts: pd.DataFrame, rule: DisclosureRule
) -> pd.Series:
    """Return which rows are concentration measures to withhold; those that come first win."""
    names = relations()["concentration"]
    order = {name: place for place, name in enumerate(names)}
    rows = measures.loc[
        measures["measure"].isin(names), [*_KEYS, "measure", "n", "numerator", "value"]
    ]
    rows = rows.assign(place=rows.index, order=rows["measure"].map(order))
    known = rows.merge(_largest(measures, facts), on=_KEYS, how="left")
    gone: list[Hashable] = []
    cuts: dict[Hashable, list[float]] = {}
    for row in known.sort_values("order").to_dict("records"):
        tenths = (row["n"] * np.arange(_DECILES + 1) / _DECILES).tolist()
        so_far = cuts.setdefault(tuple(row[key] for key in _KEYS), tenths)
        if not _may_print(row, so_far, rule):
            gone.append(row["place"])
    return pd.Series(measures.index.isin(gone), index=measures.index)


def _largest(measures: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """Return the AUM and the two largest balances of every quarter, branch and base."""
    rows, of = (
        frame[(frame["measure"] == "aum_period_end") & (frame["dimension"] == "")]
        for frame in (measures, facts)
    )
    known = rows.rename(columns={"numerator": "aum", "n": "customers"}).merge(of, on=_KEYS)
    known["two"] = known["largest"] + known["second_largest"].fillna(0)
    return known[[*_KEYS, "customers", "aum", "largest", "two"]]


def _may_print(row: Mapping[Hashable, Any], cuts: list[float], rule: DisclosureRule) -> bool:
    """Return whether one measure may be printed beside the cuts so far; note its own cut."""
    known = not pd.isna([row["value"], row["two"]]).any()
    if not known or row["n"] < rule.lorenz_customers:
        return False
    if row["measure"] == "gini":
        return True
    if row["measure"] == "herfindahl":
        # HHI · AUM <= the largest <= √HHI · AUM
        low, high = row["value"] * row["aum"], np.sqrt(row["value"]) * row["aum"]
        free, largest = rule.amount_protection, row["largest"]
        return bool(low <= (1 - free) * largest and high >= (1 + free) * largest)
    cut, above = row["numerator"], 0.8 * row["aum"]
    if row["measure"] != "share_of_customers_holding_80":
        cut, above = _FRACTIONS.get(row["measure"], 10 / row["n"]) * row["n"], row["numerator"]
    apart = [abs(cut - other) for other in cuts]
    if any(1e-6 < gap < rule.smallest_cell for gap in apart):
        return False
    if row["two"] > rule.two_largest * above:
        return False
    cuts.append(cut)
    return True


def thinned_lorenz(
    lorenz: pd.DataFrame, measures: pd.DataFrame, facts: pd.DataFrame, rule: DisclosureRule,
) -> pd.DataFrame:  # fmt: skip
    """Return the curves at deciles, those of too few customers left out.

    Points at the top are left out until the group above the last one does not hang on two
    customers.
    """
    tenths = lorenz["customer_share"].astype(float) * _DECILES
    thin = lorenz[np.isclose(tenths, tenths.round())]
    funded = measures[(measures["base"] == "funded") & ~measures["withheld"]]
    table = thin.merge(_largest(funded, facts), on=_KEYS[:2])
    above = (1 - table["value_share"]) * table["aum"]
    end = table["customer_share"] > 1 - 0.5 / _DECILES
    enough = table["customers"] >= rule.lorenz_customers
    kept = enough & (end | (table["two"] <= rule.two_largest * above))
    return table.loc[kept, list(lorenz.columns)].reset_index(drop=True)
