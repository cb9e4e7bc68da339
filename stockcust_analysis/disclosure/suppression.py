"""Tables as they may be published: the entry to this package.

What is withheld is not in them. Whether a cell is withheld by itself or for another's sake is
reported only in total: an attacker would learn from it.

Two things are done to whole tables. Fewer and larger cells need less suppression: the highest
members of a dimension are merged with the one below wherever a unit has a small cell of one.
Concentration measures are no sums. Each top share and each point of a Lorenz curve is a cut through
the contributors in order of size; what lies between two cuts is a cell: it must hold enough of
them, and the group above a cut must not hang on two. The Gini coefficient is one number for all;
a Herfindahl index is never printed: less the squares that the cuts leave at least to all others it
is that of the largest amount. Nothing is proved of what could be worked out from several of them
together; cuts are kept apart instead.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stockcust_analysis.disclosure import numbers as figures
from stockcust_analysis.disclosure import system as linear_system
from stockcust_analysis.disclosure.numbers import LABELS, RATES, Array, Limits, Relations, Tables
from stockcust_analysis.disclosure.search import Matrix, Problem, Protection, find_complementary
from stockcust_analysis.disclosure.system import REASONS, System, empty_cells, sensitive_cells

_UNIT = ["quarter", "branch_id", "base"]
_DECILES = 10
_CENTS = 1e5  # amounts go to the linear programs in thousands
_FACTS, _CURVE = "cells", "lorenz"  # never printed; printed thinned


@dataclass(frozen=True)
class Protected:
    """What may be published.

    Every table has a column `withheld` besides; a number that is withheld is empty. In the table of
    rates it says that the value is; an empty `n` is withheld by itself. The curve is thinned, the
    facts are gone. `merged` names the members that were merged. `report` says how many cells are
    printed and how many withheld, and why; `exposed` counts sensitive cells that are too close all
    the same: beside issued tables because of these, which cannot be taken back; without them the
    tables must not be published.
    """

    tables: Tables
    merged: Mapping[str, str]
    report: pd.DataFrame
    exposed: int


def protect(
    tables: Mapping[str, pd.DataFrame],
    declared: Relations,
    limits: Limits,
    *,
    quarter: str,
    previous: str,
    earlier: Sequence[tuple[str, Tables]] = (),
) -> Protected:
    """Return tables of a quarter as they may be published, with small and dominated cells withheld.

    Parameters
    ----------
    tables
        "measures", the table of rates: `quarter, branch_id, dimension, member, measure, base, n,
        numerator, denominator, value`. Those that `declared.shapes` describes: `branch_id` and
        their own columns. "lorenz", points of curves: `quarter, branch_id, customer_share,
        value_share`. "cells", what stands behind the amounts: `quarter, branch_id, dimension,
        member, measure, base, contributors, largest, second_largest`, where `measure` is the name
        of an amount; an amount of which too little is known is withheld. Amounts are in CNY.
    declared
        What the numbers count, which are the same and which add up.
    limits
        Limits below which a cell is withheld, and the protection it gets.
    quarter, previous
        The quarter of the tables, and the one before it, which may stand in the table of rates too.
    earlier
        Quarter and tables of what was published already: what is printed there is known, what is
        withheld there stays withheld.

    Returns
    -------
    Protected
        The tables with gaps, what was merged, how many cells are withheld and why.

    Examples
    --------
    The three customers of A are withheld, and with them the numbers of B and C: whoever knows one
    of these could otherwise work A's out.

    >>> labels = {"quarter": "2026Q3", "dimension": "", "member": "", "measure": "customers"}
    >>> n = pd.Series([30.0, 3.0, 12.0, 15.0])
    >>> rates = pd.DataFrame({"branch_id": ["@all", "A", "B", "C"], "n": n, "numerator": n})
    >>> rates = rates.assign(**labels, base="all", denominator=1.0, value=n)
    >>> facts = rates.head(0).assign(contributors=[], largest=[], second_largest=[])
    >>> curve = facts[["quarter", "branch_id"]].assign(customer_share=[], value_share=[])
    >>> known = Relations("@all", {"customers": []}, same={"customers.n": "customers"})
    >>> result = protect(
    ...     {"measures": rates, "cells": facts, "lorenz": curve},
    ...     known,
    ...     Limits(smallest_cell=5, two_largest=0.85, amount_protection=0.1, lorenz_customers=100),
    ...     quarter="2026Q3",
    ...     previous="2026Q2",
    ... )
    >>> result.tables["measures"]["value"].isna().tolist()
    [False, True, True, True]
    """
    merged = members_to_merge(tables[RATES], declared, limits)
    facts = merge_facts(tables[_FACTS], merged, declared)
    to_print = merge_members({n: tables[n] for n in (RATES, *declared.shapes)}, merged, declared)
    numbers = figures.numbers_of(to_print, quarter, declared)
    names = _names_by_content(numbers, declared)
    quantities, block, column = figures.quantities_of(_with_names(numbers, names), declared)
    system = linear_system.system_of(quantities, quarter, previous)
    reason, need = sensitive_cells(system, _with_names(facts, names), limits)
    cell = system.cell[block, column]
    issued = [(when, merge_members(then, merged, declared)) for when, then in earlier]
    known, gone = _find_published(numbers, cell, issued, system)
    protection = _protection(system, need, cell, known, gone)
    printed = _with_gaps(to_print, numbers[protection.withheld[cell]], declared)
    largest = largest_amounts(printed[RATES], facts, declared)
    too_close = withheld_concentration(printed[RATES], largest, declared, limits)
    rates = _with_withheld_values(printed[RATES], too_close, declared, [quarter, previous])
    curve = thin_lorenz(tables[_CURVE], largest, declared, limits)
    report = _report(system, reason, cell, protection)
    exposed = int(protection.exposed.sum())
    return Protected(printed | {RATES: rates, _CURVE: curve}, merged, report, exposed)


def _names_by_content(numbers: pd.DataFrame, declared: Relations) -> dict[str, str]:
    """Return a name for every unit that depends on its numbers, not on what it is called.

    The search takes units in this order: neither the order of rows nor a unit's number decides
    what is withheld.
    """
    quantities, _, _ = figures.quantities_of(numbers, declared)
    values = pd.DataFrame(-np.nan_to_num(quantities.values, nan=-1.0), quantities.blocks)
    content = {name: rows.to_numpy().ravel().tolist() for name, rows in values.groupby(level=1)}
    order = sorted(content, key=lambda branch: (content[branch], branch))
    names = {str(branch): f"{rank:06}" for rank, branch in enumerate(order)}
    return names | {declared.whole: declared.whole}


def _with_names(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of named units, under their names."""
    renamed: pd.DataFrame = table.assign(branch_id=table["branch_id"].map(names))
    return renamed[renamed["branch_id"].notna()]


def _find_published(
    numbers: pd.DataFrame, cell: Array, earlier: Sequence[tuple[str, Tables]], system: System
) -> tuple[Array, Array]:
    """Return which cells earlier tables print, and which they withhold.

    A number that has been restated since is neither: it is another number.
    """
    known, gone = np.zeros((2, len(system.values)), bool)
    keys = ["quarter", "branch_id", "kind", *LABELS, "part"]
    value = numbers["value"].to_numpy(float)
    for quarter, tables in earlier:
        then = figures.numbers_of(tables, quarter, system.quantities.declared).drop_duplicates(keys)
        both = numbers[keys].merge(then, on=keys, how="left", indicator=True)
        before, present = both["value"].to_numpy(float), (both["_merge"] == "both").to_numpy()
        known[cell[present & (before == value)]] = True
        gone[cell[present & np.isnan(before) & ~np.isnan(value)]] = True
    return known, gone


def _protection(system: System, need: Array, cell: Array, known: Array, gone: Array) -> Protection:
    """Return the cells to withhold and those too close; counts and amounts never meet."""
    known = _with_consequences(known | (empty_cells(system) & ~gone), system.equations)
    printed = np.bincount(cell, minlength=len(system.values)).astype(float)
    units = system.quantities.blocks.get_level_values(1)
    names = sorted({*units} - {system.quantities.declared.whole})
    branch = pd.Index(names).get_indexer(units)[system.block]  # -1: the whole
    # The whole's total is worth as much as all the units' parts of it.
    printed = np.where(branch < 0, printed * len(names), printed)
    unit = np.where(system.money, _CENTS, 1.0)
    values, need, gone = system.values / unit, need / unit, gone & ~known
    problem = Problem(values, system.equations, branch, printed, need, system.signed, known, gone)
    both = np.zeros((3, len(values)), bool)
    kinds = [np.flatnonzero(system.money == kind) for kind in (False, True)]
    with ThreadPoolExecutor(len(kinds)) as pool:  # the solver works beside Python
        parts = pool.map(lambda cells: find_complementary(problem.within(cells), len(names)), kinds)
        for cells, part in zip(kinds, parts, strict=True):
            both[:, cells] = part
    return Protection(*both)


def _with_consequences(known: Array, equations: Matrix) -> Array:
    """Return which cells are known when the only unknown one in an equation follows from it."""
    incident = abs(equations).sign()
    while (single := incident @ (~known).astype(float) == 1).any():
        known = known | (incident.T @ single.astype(float) > 0)
    return known


def _with_gaps(tables: Tables, gone: pd.DataFrame, declared: Relations) -> Tables:
    """Return the tables with the numbers that go, and all that follows from them, left empty."""
    printed = {}
    for name, table in tables.items():
        frame, gaps = table.copy(), pd.Series(False, index=table.index)
        for column in figures.PARTS if name == RATES else declared.shapes[name]:
            rows = gone.loc[(gone["table"] == name) & (gone["column"] == column), "row"]
            frame[column] = frame[column].astype(float)
            frame.loc[rows, column] = np.nan
            gaps[rows] |= (name, column) != (RATES, "n")
        frame["withheld"] = gaps
        frame.loc[gaps, list(declared.followers.get(name, []))] = np.nan
        printed[name] = frame
    return printed


def _with_withheld_values(
    rates: pd.DataFrame, gone: pd.Series, declared: Relations, quarters: Sequence[str]
) -> pd.DataFrame:
    """Return the rates without rows that are `gone`, and those of which nothing is known.

    What follows from others by more than a sum is made of both `quarters` of its unit and base. A
    value is printed only if its numerator and its denominator are.
    """
    kinds = declared.concentration.get("measures", {})
    gone = gone | ~rates["measure"].isin([*declared.measures, *kinds])
    units = pd.MultiIndex.from_frame(rates[_UNIT[1:]])
    gaps = rates["withheld"] & rates["quarter"].isin(quarters)
    for name, sources in declared.derived.items():
        unknown = units.isin(units[gaps & rates["measure"].isin(sources)])
        gone |= (rates["measure"] == name) & unknown
    parts = {part: rates[part].mask(gone) for part in figures.PARTS}
    gone |= rates["withheld"]
    return rates.assign(**parts, withheld=gone, value=rates["value"].mask(gone))


def _report(system: System, reason: Array, cell: Array, protection: Protection) -> pd.DataFrame:
    """Return how many distinct numbers are printed and withheld, by kind, quarter and reason."""
    why = np.where(protection.known_to_one, "known_to_one", np.array(REASONS)[reason])
    why = np.where(protection.withheld, why, "printed")
    kind = np.where(system.money, "money", "count")
    quarter = system.quantities.blocks.get_level_values(0)[system.block]
    cells = pd.DataFrame({"quarter": quarter, "kind": kind, "reason": why}).iloc[np.unique(cell)]
    return cells.value_counts(sort=False).rename("cells").reset_index()


def members_to_merge(rates: pd.DataFrame, declared: Relations, limits: Limits) -> dict[str, str]:
    """Return the members to merge, and the name of the member each is merged into.

    A member is merged into the one below it, and all above it with it, wherever a unit has a small
    cell of it, or of it and those that it is already one with.
    """
    members, top = declared.merged.get("members", []), declared.merged.get("top", [])
    counted = rates["measure"] == declared.merged.get("counts")
    of_units = rates[counted & (rates["branch_id"] != declared.whole)]
    counts = of_units.pivot_table("numerator", ["quarter", "branch_id"], "member")
    lowest = len(members)
    for place in reversed([place for place, name in enumerate(members) if place and name in top]):
        one = members[place : None if place == lowest else place + 1]
        small = counts.reindex(columns=one).sum(axis=1).between(1, limits.smallest_cell - 1)
        lowest = place - 1 if small.any() else lowest
    return dict.fromkeys(members[lowest:], f"{[*members, ''][lowest]}{figures.MERGED}")


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
    dimension = declared.merged.get("dimension", "")
    chosen = table["dimension"].eq(dimension) & table["member"].isin([*names])
    rows: pd.DataFrame = table[chosen].assign(member=table.loc[chosen, "member"].map(names))
    return rows, table[~chosen]


def largest_amounts(rates: pd.DataFrame, facts: pd.DataFrame, declared: Relations) -> pd.DataFrame:
    """Return the whole amount and the two largest ones of every unit, quarter and base."""
    name: str = declared.concentration.get("amount", "")
    rows, of = (
        frame[(frame["measure"] == name) & (frame["dimension"] == "")] for frame in (rates, facts)
    )
    known = rows.rename(columns={"numerator": "amount", "n": "number"}).merge(of, on=_UNIT)
    two = known["largest"] + known["second_largest"].fillna(0)
    return known.assign(two=two)[[*_UNIT, "number", "amount", "two", "withheld"]]


def withheld_concentration(
    rates: pd.DataFrame, largest: pd.DataFrame, declared: Relations, limits: Limits
) -> pd.Series:
    """Return which rows are concentration measures to withhold; those declared first win."""
    kinds = declared.concentration.get("measures", {})
    own = rates.loc[rates["measure"].isin(kinds), [*_UNIT, "measure", "n", "numerator", "value"]]
    own = own.assign(index=own.index, order=own["measure"].map([*kinds].index))
    gone: list[Hashable] = []
    for _, unit in own.merge(largest, on=_UNIT, how="left").sort_values("order").groupby(_UNIT):
        cuts = (unit["n"].iloc[0] * np.arange(_DECILES + 1) / _DECILES).tolist()
        rows = unit.to_dict("records")
        gone += [r["index"] for r in rows if not _may_print(r, kinds[r["measure"]], cuts, limits)]
    return pd.Series(rates.index.isin(gone), index=rates.index)


def _may_print(
    row: Mapping[Hashable, Any], kind: Sequence[Any], cuts: list[float], limits: Limits
) -> bool:
    """Return whether one measure may be printed beside the cuts so far; add its own cut.

    Its row repeats the unit's whole amount and number: where one is withheld the row is, too.
    """
    known = [row["value"], row["two"], row["amount"], row["number"]]
    if pd.isna(known).any() or row["n"] < limits.lorenz_customers:
        return False
    if kind[0] in ("gini", "never"):
        return bool(kind[0] == "gini")
    if kind[0] == "top":
        fraction = kind[1] if kind[1] < 1 else kind[1] / row["n"]
        cut, above = fraction * row["n"], row["numerator"]
    else:
        cut, above = row["numerator"], kind[1] * row["amount"]
    close = any(1e-6 < abs(cut - other) < limits.smallest_cell for other in cuts)
    if close or row["two"] > limits.two_largest * above:
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
    own = largest["base"] == declared.concentration.get("base", "")
    printed = largest[own & ~largest["withheld"]]
    thin = points[np.isclose(tenths, tenths.round())].merge(printed, on=_UNIT[:2])
    above = (1 - thin["value_share"]) * thin["amount"]
    end = thin["customer_share"] > 1 - 0.5 / _DECILES
    enough = thin["number"] >= limits.lorenz_customers
    shown = enough & (end | (thin["two"] <= limits.two_largest * above))
    return thin.loc[shown, list(points)].reset_index(drop=True)
