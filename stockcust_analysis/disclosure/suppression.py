"""Tables as they may be published: the entry to this package.

What is withheld is not in them. Whether a cell is withheld by itself or for another's sake is
reported only in total: an attacker would learn from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stockcust_analysis.disclosure import tables as whole_tables
from stockcust_analysis.disclosure.numbers import (
    LABELS,
    PARTS,
    RATES,
    Flags,
    Indices,
    Limits,
    Numbers,
    Relations,
    Tables,
    numbers_of,
    quantities_of,
)
from stockcust_analysis.disclosure.search import Matrix, Problem, Protection, find_complementary
from stockcust_analysis.disclosure.system import REASONS, System, sensitive_cells, system_of

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

    Raises
    ------
    PolicyError
        The members that may be merged are not the highest.
    """
    merged = whole_tables.members_to_merge(tables[RATES], declared, limits)
    facts = whole_tables.merge_facts(tables[_FACTS], merged, declared)
    to_print = {name: tables[name] for name in (RATES, *declared.shapes)}
    to_print = whole_tables.merge_members(to_print, merged, declared)
    numbers = numbers_of(to_print, quarter, declared)
    names = _names_by_content(numbers, declared)
    quantities, block, column = quantities_of(_renamed(numbers, names), declared)
    system = system_of(quantities, quarter, previous)
    reason, need = sensitive_cells(system, _renamed(facts, names), limits)
    cell = system.cell[block, column]
    issued = [(when, whole_tables.merge_members(then, merged, declared)) for when, then in earlier]
    known, gone = _published(numbers, cell, issued, system)
    protection = _protection(system, need, cell, known, gone)
    printed = _with_gaps(to_print, numbers[protection.withheld[cell]], declared)
    largest = whole_tables.largest_amounts(printed[RATES], facts, declared)
    rates = _with_withheld_values(printed[RATES], largest, declared, limits)
    curve = whole_tables.thin_lorenz(tables[_CURVE], largest, declared, limits)
    report = _report(system, reason, cell, protection)
    exposed = int(protection.exposed.sum())
    return Protected(printed | {RATES: rates, _CURVE: curve}, merged, report, exposed)


def _names_by_content(numbers: pd.DataFrame, declared: Relations) -> dict[str, str]:
    """Return a name for every unit that depends on its numbers, not on what it is called.

    The search takes units in this order: neither the order of rows nor a unit's number decides
    what is withheld.
    """
    quantities, _, _ = quantities_of(numbers, declared)
    values = pd.DataFrame(-np.nan_to_num(quantities.values, nan=-1.0), quantities.blocks)
    content = {name: rows.to_numpy().ravel().tolist() for name, rows in values.groupby(level=1)}
    order = sorted(content, key=lambda branch: (content[branch], branch))
    names = {str(branch): f"{rank:06}" for rank, branch in enumerate(order)}
    return names | {declared.whole: declared.whole}


def _renamed(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of named units, under their names."""
    renamed: pd.DataFrame = table.assign(branch_id=table["branch_id"].map(names))
    return renamed[renamed["branch_id"].notna()]


def _published(
    numbers: pd.DataFrame, cell: Indices, earlier: Sequence[tuple[str, Tables]], system: System
) -> tuple[Flags, Flags]:
    """Return which cells earlier tables print, and which they withhold.

    A number that has been restated since is neither: it is another number.
    """
    known, gone = np.zeros((2, len(system.values)), bool)
    keys = ["quarter", "branch_id", "kind", *LABELS, "part"]
    value = numbers["value"].to_numpy(float)
    for quarter, tables in earlier:
        then = numbers_of(tables, quarter, system.quantities.declared).drop_duplicates(keys)
        both = numbers[keys].merge(then, on=keys, how="left", indicator=True)
        before, present = both["value"].to_numpy(float), (both["_merge"] == "both").to_numpy()
        known[cell[present & (before == value)]] = True
        gone[cell[present & np.isnan(before) & ~np.isnan(value)]] = True
    return known, gone


def _protection(
    system: System, need: Numbers, cell: Indices, known: Flags, gone: Flags
) -> Protection:
    """Return the cells to withhold and those too close; counts and amounts never meet."""
    known = _with_consequences(known, system.equations)
    printed = np.bincount(cell, minlength=len(system.values)).astype(float)
    blocks, whole = system.quantities.blocks, system.quantities.declared.whole
    units = blocks.get_level_values(1)
    names = sorted({*units} - {whole})
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


def _with_consequences(known: Flags, equations: Matrix) -> Flags:
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
        for column in PARTS if name == RATES else declared.shapes[name]:
            rows = gone.loc[(gone["table"] == name) & (gone["column"] == column), "row"]
            frame[column] = frame[column].astype(float)
            frame.loc[rows, column] = np.nan
            gaps[rows] |= (name, column) != (RATES, "n")
        frame["withheld"] = gaps
        frame.loc[gaps, list(declared.followers.get(name, []))] = np.nan
        printed[name] = frame
    return printed


def _with_withheld_values(
    rates: pd.DataFrame, largest: pd.DataFrame, declared: Relations, limits: Limits
) -> pd.DataFrame:
    """Return the rates with values withheld that are no sums, or of which nothing is known.

    A value is printed only if its numerator and its denominator are.
    """
    additive = rates["measure"].isin(declared.additive)
    concentration = rates["measure"].isin(declared.concentration["measures"])
    withheld = rates["withheld"] | ~(additive | concentration)
    units = pd.MultiIndex.from_frame(rates[["quarter", "branch_id", "base"]])
    for name, sources in declared.derived.items():
        gaps = units[withheld & rates["measure"].isin(sources)]
        withheld |= (rates["measure"] == name) & units.isin(gaps)
    rates = rates.assign(withheld=withheld)
    withheld |= whole_tables.withheld_concentration(rates, largest, declared, limits)
    rates = rates.assign(withheld=withheld, value=rates["value"].mask(withheld))
    rates.loc[withheld & ~additive, list(PARTS)] = np.nan
    return rates


def _report(system: System, reason: Indices, cell: Indices, protection: Protection) -> pd.DataFrame:
    """Return how many distinct numbers are printed and withheld, by kind, quarter and reason."""
    why = np.where(reason > 0, np.array(REASONS)[reason], "complementary")
    why = np.where(protection.known_to_one, "known_to_one", why)
    why = np.where(protection.withheld, why, "printed")
    kind = np.where(system.money, "money", "count")
    quarter = system.quantities.blocks.get_level_values(0)[system.block]
    cells = pd.DataFrame({"quarter": quarter, "kind": kind, "reason": why}).iloc[np.unique(cell)]
    return cells.value_counts(sort=False).rename("cells").reset_index()
