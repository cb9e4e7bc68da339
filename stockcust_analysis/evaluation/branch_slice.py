"""What a branch may know of the whole bank: nothing by which another branch's customer is found.

Its page prints the bank's shares and averages beside its own. Sums from which the amount of one
customer follows (a total less the total without the largest, a tier of one) stand in no slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from stockcust_analysis.measures.codebook import codebook_sections, measure_definition

_KEY: Final = ["quarter", "measure", "base", "dimension", "member"]
_OWN_ALONE: Final = ("migration", "co_holding")
_LEAST: Final = 5
# Of the bank's bridge a page needs the change alone.
_ENDS: Final = ("opening", "closing")
# Told with its change over time, and of a fifth of all customers: the others are told as printed.
_EXACT: Final = "top_20_share"
# Of its tiers the bank's shares alone are printed, and they add up to one.
_AMOUNT, _SHARE = "tier_aum", "tier_aum_share"


def without_others(
    tables: Mapping[str, pd.DataFrame],
    cells: pd.DataFrame,
    *,
    branch_id: str,
    bank: str,
    least: int = _LEAST,
) -> dict[str, pd.DataFrame]:
    """Return a branch's tables without what tells the amount of another branch's customer.

    Parameters
    ----------
    tables
        The branch's rows and the whole bank's, by the names of an evaluation's tables.
    cells
        Cell facts of the same rows; where there are none, those of amounts are taken as checked.
    branch_id, bank
        Whose they are, and under which name the whole bank stands.
    least
        Fewest customers of other branches of whom an amount may stand there.

    Returns
    -------
    dict
        The tables. The bank's measures carry no numerator and denominator; an amount of fewer than
        `least` customers elsewhere is left out; measures of concentration and shares of tiers are
        rounded as they are printed, and left out where there are so few elsewhere. The bank's
        Lorenz curve rises in steps of at least so many customers. Migration and co-holding are the
        branch's alone, and of the bank's bridge there are both ends.
    """
    result, measures = dict(tables), tables["measures"]
    funded = (measures["measure"] == "customers") & (measures["base"] == "funded")
    newest = measures[funded & (measures["quarter"] == measures.loc[funded, "quarter"].max())]
    customers = dict(zip(newest["branch_id"], newest["value"], strict=True))
    number = customers.get(bank, 0)
    few = bank in customers and number - customers.get(branch_id, 0) < least
    hidden = _few_elsewhere(cells, bank, least)
    result["measures"] = _without_few_elsewhere(measures, hidden, bank, few=few)
    if "customer_share" in tables.get("lorenz", ()):
        step = least / number if number and not few else float(few)
        result["lorenz"] = _in_steps(tables["lorenz"], bank, step)
    if "amount" in result.get("set_aside", ()):
        aside = result["set_aside"]
        result["set_aside"] = aside.assign(amount=aside["amount"].mask(aside["branch_id"] == bank))
    for name in (*_OWN_ALONE, "bridge"):
        if name in tables:
            own = tables[name]["branch_id"] != bank
            if name == "bridge" and not few:
                own |= tables[name]["component"].isin(_ENDS)
            result[name] = tables[name][own].reset_index(drop=True)
    return result


def _few_elsewhere(cells: pd.DataFrame, bank: str, least: int) -> list[Any]:
    """Return the amounts behind which fewer than `least` customers of other branches stand."""
    if cells.empty:
        return []
    numbers = cells.assign(
        theirs=np.where(cells["branch_id"] == bank, 1, -1) * cells["contributors"]
    )
    others = numbers.dropna(subset=["theirs"]).groupby(_KEY)["theirs"].sum()
    return others.index[others < least].tolist()


def _without_few_elsewhere(
    measures: pd.DataFrame, amounts: list[Any], bank: str, *, few: bool
) -> pd.DataFrame:
    """Return the measures, the bank's as its branches may know them."""
    theirs = measures["branch_id"] == bank
    rounded = _decimals()
    hidden = pd.MultiIndex.from_frame(measures[_KEY]).isin(amounts)
    hidden &= ~measures["measure"].isin(rounded)
    hidden |= (measures["measure"] == _AMOUNT) | (few & measures["measure"].isin(rounded))
    shown = measures[~(theirs & hidden)].reset_index(drop=True)
    theirs = shown["branch_id"] == bank
    shown.loc[theirs, ["numerator", "denominator"]] = np.nan
    decimals = shown["measure"].map(rounded).where(theirs)
    for number in decimals.dropna().unique():
        rows = decimals == number
        shown.loc[rows, "value"] = shown.loc[rows, "value"].astype(float).round(int(number))
    return shown


def _decimals() -> dict[str, int]:
    """Return what is told as it is printed, with the decimals: shares are parts of one here."""
    section = next(rows for title, rows in codebook_sections().items() if "集中度" in title)
    rounded = [*section, measure_definition(_SHARE)]
    return {
        definition.name: definition.decimals + (2 if definition.kind == "share" else 0)
        for definition in rounded
        if definition.name != _EXACT
    }


def _in_steps(lorenz: pd.DataFrame, bank: str, step: float) -> pd.DataFrame:
    """Return the curves, the bank's in steps of at least that share of its customers."""
    theirs = lorenz[lorenz["branch_id"] == bank].sort_values("customer_share")
    rows, last = list(lorenz.index[lorenz["branch_id"] != bank]), -step
    for row, share in theirs["customer_share"].items() if step < 1 else ():
        # The last step ends with everybody: what lies too close before it is left out.
        if share in (0, 1) or min(share - last, 1 - share) >= step - 1e-12:
            rows.append(row)
            last = share
    return lorenz.loc[sorted(rows)].reset_index(drop=True)
