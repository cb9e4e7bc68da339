"""What is done to whole tables: merging small members beforehand, withholding concentration.

Fewer and larger cells need less suppression: the highest members of a dimension are merged with
the one below wherever a unit has a small cell of one. Concentration measures are no sums. Each top
share and each point of a Lorenz curve is a cut through the contributors in order of size; what lies
between two cuts is a cell: it must hold enough of them, and the group above a cut must not hang on
two. The Gini coefficient is one number for all; the Herfindahl index bounds the largest amount from
both sides. Nothing is proved of what could be worked out from several of them together; cuts are
kept apart instead.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from stockcust_analysis.disclosure.numbers import LABELS, RATES, Limits, Relations, Tables
from stockcust_analysis.errors import PolicyError

_DECILES = 10
_UNIT = ["quarter", "branch_id", "base"]


def members_to_merge(rates: pd.DataFrame, declared: Relations, limits: Limits) -> dict[str, str]:
    """Return the members to merge, and the name of the member each is merged into.

    The highest is merged first, into the one below it, wherever a unit has a small cell of it.
    Raises PolicyError when those that may be merged are not the highest members, or are all.
    """
    dimension, members, top = (declared.merged[name] for name in ("dimension", "members", "top"))
    highest = [name for name in members if name in top]
    below = members[: len(members) - len(highest)]
    if [*below, *highest] != list(members) or not below:
        raise PolicyError(
            f"disclosure: merged_{dimension}s must be the highest {dimension}s, and not all of "
            f"them: {', '.join(top)} of {', '.join(members)}."
        )
    counted = rates["measure"] == declared.merged["counts"]
    counts = rates[counted & (rates["branch_id"] != declared.whole)].pivot_table(
        index=["quarter", "branch_id"], columns="member", values="numerator", sort=True
    )
    merged: list[str] = []
    for name in reversed(highest):
        cell = counts.reindex(columns=[*merged, name]).sum(axis=1)
        if not ((cell >= 1) & (cell < limits.smallest_cell)).any():
            break
        merged.append(name)
    into = members[len(members) - len(merged) - 1]
    return dict.fromkeys([*merged, into], f"{into}_and_above") if merged else {}


def merge_members(tables: Tables, names: Mapping[str, str], declared: Relations) -> Tables:
    """Return the tables with members merged."""
    if not names:
        return tables
    merged = tables | {RATES: _merge_rates(tables[RATES], names, declared)}
    for name, columns in declared.merged["columns"].items():
        table = tables[name].assign(**{c: tables[name][c].replace(names) for c in columns})
        labels = [c for c in table if c not in declared.shapes[name]]
        merged[name] = table.groupby(labels, sort=False, as_index=False).sum()
    return merged


def _merge_rates(
    rates: pd.DataFrame, names: Mapping[str, str], declared: Relations
) -> pd.DataFrame:
    """Return the rates with merged members; their denominators add up only where declared."""
    rows, rest = _of_members(rates, names, declared)
    labels = [c for c in rates if c not in ("n", "numerator", "denominator", "value")]
    groups = rows.groupby(labels, sort=False)
    merged = groups[["n", "denominator"]].first().assign(numerator=groups["numerator"].sum())
    adds_up = merged.index.get_level_values("measure").isin(declared.summed_denominators)
    whole = merged["denominator"].mask(adds_up, groups["denominator"].sum())
    merged = merged.assign(denominator=whole, value=merged["numerator"] / whole.where(whole != 0))
    ordered = merged.reset_index().set_axis(rows.index[~rows.duplicated(labels)])
    return pd.concat([rest, ordered[list(rates)]]).sort_index().reset_index(drop=True)


def merge_facts(facts: pd.DataFrame, names: Mapping[str, str], declared: Relations) -> pd.DataFrame:
    """Return the facts of amounts with those of merged members put together."""
    rows, rest = _of_members(facts, names, declared)
    if rows.empty:
        return facts
    labels = ["quarter", "branch_id", *LABELS]
    amounts = rows.melt(labels, ["largest", "second_largest"], value_name="amount").dropna()
    largest = amounts.sort_values("amount", ascending=False).groupby(labels)["amount"]
    merged = rows.groupby(labels)[["contributors"]].sum()
    merged["largest"] = largest.max()
    merged["second_largest"] = largest.apply(lambda amounts: amounts.iloc[1:2].sum())
    return pd.concat([rest, merged.reset_index()], ignore_index=True)


def _of_members(
    table: pd.DataFrame, names: Mapping[str, str], declared: Relations
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of members to merge, under their new name, and all others."""
    chosen = table["dimension"].eq(declared.merged["dimension"]) & table["member"].isin([*names])
    rows: pd.DataFrame = table[chosen].assign(member=table.loc[chosen, "member"].map(names))
    return rows, table[~chosen]


def largest_amounts(rates: pd.DataFrame, facts: pd.DataFrame, declared: Relations) -> pd.DataFrame:
    """Return the whole amount and the two largest ones of every unit, quarter and base."""
    name: str = declared.concentration["amount"]
    rows, of = (
        frame[(frame["measure"] == name) & (frame["dimension"] == "")] for frame in (rates, facts)
    )
    known = rows.rename(columns={"numerator": "amount", "n": "number"}).merge(of, on=_UNIT)
    two = known["largest"] + known["second_largest"].fillna(0)
    return known.assign(two=two)[[*_UNIT, "number", "amount", "largest", "two", "withheld"]]


def withheld_concentration(
    rates: pd.DataFrame, largest: pd.DataFrame, declared: Relations, limits: Limits
) -> pd.Series:
    """Return which rows are concentration measures to withhold; those declared first win."""
    kinds = declared.concentration["measures"]
    columns = [*_UNIT, "measure", "n", "numerator", "value"]
    rows = rates.loc[rates["measure"].isin(kinds), columns]
    rows = rows.assign(index=rows.index, order=rows["measure"].map([*kinds].index))
    known = rows.merge(largest, on=_UNIT, how="left")
    gone: list[Hashable] = []
    cuts: dict[Hashable, list[float]] = {}
    for row in known.sort_values("order").to_dict("records"):
        tenths = (row["n"] * np.arange(_DECILES + 1) / _DECILES).tolist()
        own_cuts = cuts.setdefault(tuple(row[key] for key in _UNIT), tenths)
        if not _may_print(row, kinds[row["measure"]], own_cuts, limits):
            gone.append(row["index"])
    return pd.Series(rates.index.isin(gone), index=rates.index)


def _may_print(
    row: Mapping[Hashable, Any], kind: Sequence[Any], cuts: list[float], limits: Limits
) -> bool:
    """Return whether one measure may be printed beside the cuts so far; add its own cut."""
    known = not pd.isna([row["value"], row["two"]]).any()
    if not known or row["n"] < limits.lorenz_customers or kind[0] == "gini":
        return bool(known and row["n"] >= limits.lorenz_customers)
    if kind[0] == "herfindahl":
        # HHI · amount <= the largest <= √HHI · amount
        low, high = row["value"] * row["amount"], np.sqrt(row["value"]) * row["amount"]
        free, largest = limits.amount_protection, row["largest"]
        return bool(low <= (1 - free) * largest and high >= (1 + free) * largest)
    if kind[0] == "top":
        fraction = kind[1] if kind[1] < 1 else kind[1] / row["n"]
        cut, above = fraction * row["n"], row["numerator"]
    else:
        cut, above = row["numerator"], kind[1] * row["amount"]
    if any(1e-6 < abs(cut - other) < limits.smallest_cell for other in cuts):
        return False
    if row["two"] > limits.two_largest * above:
        return False
    cuts.append(cut)
    return True


def thin_lorenz(
    points: pd.DataFrame, largest: pd.DataFrame, declared: Relations, limits: Limits
) -> pd.DataFrame:
    """Return the points of curves at deciles, without curves of too few contributors.

    Points at the top are left out until the group above the last one does not hang on two of them.
    """
    tenths = points["customer_share"].astype(float) * _DECILES
    printed = largest[(largest["base"] == declared.concentration["base"]) & ~largest["withheld"]]
    thin = points[np.isclose(tenths, tenths.round())].merge(printed, on=_UNIT[:2])
    above = (1 - thin["value_share"]) * thin["amount"]
    end = thin["customer_share"] > 1 - 0.5 / _DECILES
    enough = thin["number"] >= limits.lorenz_customers
    shown = enough & (end | (thin["two"] <= limits.two_largest * above))
    return thin.loc[shown, list(points)].reset_index(drop=True)
