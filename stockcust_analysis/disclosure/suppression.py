"""Tables as they may be published: the entry to this package.

What is withheld is not in them. Whether a cell is withheld by itself or for another's sake is told
only in total: an attacker would learn from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from stockcust_analysis.disclosure import tables as whole_tables
from stockcust_analysis.disclosure.numbers import (
    LABELS,
    PARTS,
    RATES,
    Flags,
    Indices,
    Limits,
    Relations,
    Tables,
    numbers_of,
    quantities_of,
)
from stockcust_analysis.disclosure.search import Problem, Protection, find_complementary
from stockcust_analysis.disclosure.system import (
    REASONS,
    Sensitive,
    System,
    sensitive_cells,
    system_of,
)

_CENTS = 1e5  # amounts go to the linear programs in thousands
FACTS, CURVE = "cells", "lorenz"
"""Tables that are not printed as they are: what stands behind the amounts, points of curves."""


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
    facts = whole_tables.merge_facts(tables[FACTS], merged, declared)
    to_print = {name: tables[name] for name in (RATES, *declared.shapes)}
    to_print = whole_tables.merge_members(to_print, merged, declared)
    numbers = numbers_of(to_print, quarter, declared)
    names = _names_by_content(numbers, declared)
    quantities, block, column = quantities_of(_renamed(numbers, names), declared)
    system = system_of(quantities, quarter, previous)
    sensitive = sensitive_cells(system, _renamed(facts, names), limits)
    cell = system.cell[block, column]
    issued = [(when, whole_tables.merge_members(then, merged, declared)) for when, then in earlier]
    known, gone = _published(numbers, cell, issued, system)
    protection = _protection(system, sensitive, cell, known, gone)
    printed = _with_gaps(to_print, numbers[protection.withheld[cell]], declared)
    rates = _with_withheld_values(printed[RATES], facts, declared, limits)
    curve = whole_tables.thin_lorenz(tables[CURVE], rates, facts, declared, limits)
    report = _report(system, sensitive, cell, protection)
    return Protected(
        printed | {RATES: rates, CURVE: curve}, merged, report, int(protection.exposed.sum())
    )


def _names_by_content(numbers: pd.DataFrame, declared: Relations) -> dict[str, str]:
    """Return a name for every unit that depends on its numbers, not on what it is called.

    The search takes units in this order: neither the order of rows nor a unit's number decides
    what is withheld.
    """
    quantities, _, _ = quantities_of(numbers, declared)
    values = np.nan_to_num(quantities.values, nan=-1.0)
    content: dict[str, list[float]] = {}
    for (_, branch), row in zip(quantities.blocks, values, strict=True):
        content.setdefault(branch, []).extend((-row).tolist())
    order = sorted(content, key=lambda branch: (content[branch], branch))
    names = {branch: f"{rank:06}" for rank, branch in enumerate(order)}
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
    system: System, sensitive: Sensitive, cell: Indices, known: Flags, gone: Flags
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
    values, up, down = (x / unit for x in (system.values, sensitive.upwards, sensitive.downwards))
    problem = Problem(
        values, system.equations, branch, printed, up, down, system.signed, known, gone & ~known
    )
    both = Protection(*(np.zeros(len(printed), bool) for _ in fields(Protection)))
    kinds = [np.flatnonzero(system.money == kind) for kind in (False, True)]
    with ThreadPoolExecutor(len(kinds)) as pool:  # the solver works beside Python
        parts = pool.map(lambda cells: find_complementary(problem.within(cells), len(names)), kinds)
        for cells, part in zip(kinds, parts, strict=True):
            for field in fields(Protection):
                getattr(both, field.name)[cells] = getattr(part, field.name)
    return both


def _with_consequences(known: Flags, equations: csr_array) -> Flags:
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
    rates: pd.DataFrame, facts: pd.DataFrame, declared: Relations, limits: Limits
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
    withheld |= whole_tables.withheld_concentration(rates, facts, declared, limits)
    rates = rates.assign(withheld=withheld, value=rates["value"].mask(withheld))
    rates.loc[withheld & ~additive, list(PARTS)] = np.nan
    return rates


def _report(
    system: System, sensitive: Sensitive, cell: Indices, protection: Protection
) -> pd.DataFrame:
    """Return how many distinct numbers are printed and withheld, by kind, quarter and reason."""
    reasons = np.array([*REASONS, "complementary", "known_to_one"])
    reason = np.where(sensitive.reason > 0, reasons[sensitive.reason], reasons[-2])
    reason = np.where(protection.known_to_one, reasons[-1], reason)
    kind = np.where(system.money, "money", "count")
    quarter = system.quantities.blocks.get_level_values(0)[system.block]
    reason = np.where(protection.withheld, reason, "printed")
    cells = pd.DataFrame({"quarter": quarter, "kind": kind, "reason": reason})
    printed = cells.iloc[np.unique(cell)]
    return printed.value_counts(sort=False).rename("cells").reset_index()
