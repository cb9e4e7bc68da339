"""Which cells must not be told: few customers, or two who hold nearly all of an amount."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stockcust_analysis.evaluation.disclosure.quantities import (
    Indices,
    Key,
    Numbers,
    named,
    relations,
)
from stockcust_analysis.evaluation.disclosure.system import System
from stockcust_analysis.policy import DisclosureRule

REASONS = ("", "small_cell", "two_largest", "not_known")
"""Why a cell is withheld by itself; an amount of which too little is known is withheld, too."""


@dataclass(frozen=True)
class Sensitive:
    """Why each cell is sensitive (a place in `REASONS`), and how far it must be free to move."""

    reason: Indices
    upwards: Numbers
    downwards: Numbers


@dataclass(frozen=True)
class _Known:
    """What is known of the customers of each amount, in cents; NaN where nothing is."""

    contributors: Numbers
    largest: Numbers
    second: Numbers


def sensitive_cells(system: System, facts: pd.DataFrame, rule: DisclosureRule) -> Sensitive:
    """Return the sensitive cells and their protection.

    A count must be free to be anything from 0 up to `smallest_cell`, an amount to be
    `amount_protection` less or more. That covers the upper protection level of an (n, k) rule,
    (x1 + x2) / k - x. Source: Hundepool et al., Statistical Disclosure Control (2012), ch. 4.
    """
    values, small = system.values, rule.smallest_cell
    column = system.origin[:, 1]
    money = system.quantities.money[column]
    staff = np.array([_counts_staff(key) for key in system.quantities.keys], bool)[column]
    few = ~staff & ~system.signed & system.used & (values >= 1) & (values < small)
    reason = np.where(money, _amount_reasons(system, facts, rule), np.where(few, 1, 0))
    free = rule.amount_protection * np.abs(values)
    upwards = np.where(reason > 0, np.where(money, free, small - values), 0.0)
    downwards = np.where(reason > 0, np.where(money, free, values), 0.0)
    return Sensitive(reason, upwards, downwards)


def _counts_staff(key: Key) -> bool:
    return key.part == "denominator" and key.measure in relations()["staff"]


def _amount_reasons(system: System, facts: pd.DataFrame, rule: DisclosureRule) -> Indices:
    """Return why each amount is sensitive; counts get an answer that is not used.

    Of an amount without facts of its own nobody holds more than the largest of the whole it is
    part of. What remains of a whole is judged by the facts of both, as far as these tell. A net
    change is judged by the number of customers alone.
    """
    known = _known(system, facts)
    amounts, implied = np.abs(system.values), ~system.quantities.printed[system.origin[:, 1]]
    without = np.isnan(known.largest)
    largest, two = _bounds(system, known)
    few = (known.contributors >= 1) & (known.contributors < rule.smallest_cell)
    dominated = two > rule.two_largest * amounts + 0.5
    enough = (known.contributors >= rule.smallest_cell) | (largest * rule.smallest_cell <= amounts)
    told = np.where(dominated, np.where(without, 3, 2), np.where(enough, 0, 3))
    told = np.where(implied & without, _remaining(system, known, rule), told)
    told = np.where(system.signed, 0, told)
    told = np.where(few, 1, told)
    return np.where((amounts == 0) | ~system.used, 0, told)


def _known(system: System, facts: pd.DataFrame) -> _Known:
    """Return the cell facts by cell, and how many customers an amount is of where none are given.

    A quarter's opening has the facts of the closing it is the same cell as.
    """
    size = len(system.values)
    known = _Known(*(np.full(size, np.nan) for _ in range(3)))
    keys = system.quantities.keys
    column = {key: place for place, key in enumerate(keys)}
    for key, place in column.items():
        counted = key._replace(part="customers")
        if key.part in ("amount", "opening_aum", "closing_aum") and counted in column:
            here, there = system.cell[:, place], system.cell[:, column[counted]]
            both = (here >= 0) & (there >= 0)
            known.contributors[here[both]] = system.values[there[both]]
    cell, kept = _placed(system, facts[facts["contributors"].notna()])
    known.contributors[cell] = kept["contributors"]
    known.largest[cell] = np.rint(kept["largest"].astype(float) * 100)
    known.second[cell] = np.rint(kept["second_largest"].astype(float).fillna(0) * 100)
    return known


def _placed(system: System, facts: pd.DataFrame) -> tuple[Indices, pd.DataFrame]:
    """Return the cells that facts are given of, and these facts."""
    column = {key: place for place, key in enumerate(system.quantities.keys)}
    blocks = pd.MultiIndex.from_frame(facts[["quarter", "branch_id"]])
    block = system.quantities.blocks.get_indexer(blocks)
    labels = facts[["dimension", "member", "measure", "base"]].astype(str)
    keys = [
        Key("bridge", member, member, "bridge", "all", "amount")
        if dimension == "bridge"
        else named(Key("measure", dimension, member, "", base, ""), measure)
        for dimension, member, measure, base in labels.itertuples(index=False, name=None)
    ]
    place = np.array([column.get(key, -1) for key in keys], np.int64)
    cell = np.where((block >= 0) & (place >= 0), system.cell[block, place], -1)
    return cell[cell >= 0], facts[cell >= 0]


def _bounds(system: System, known: _Known) -> tuple[Numbers, Numbers]:
    """Return bounds of the largest and of the two largest together, infinite where none is known.

    An amount's own facts, or else those of what it is a part of.
    """
    matrix = system.equations
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    positive = np.bincount(row, matrix.data > 0, matrix.shape[0])
    negative = np.diff(matrix.indptr) - positive
    lone = np.where(positive == 1, 1, np.where(negative == 1, -1, 0))[row] * matrix.data > 0
    whole = np.full(matrix.shape[0], -1)
    whole[row[lone]] = matrix.indices[lone]
    part = ~lone & (whole[row] >= 0)
    pairs = np.column_stack([whole[row[part]], matrix.indices[part]])
    found = []
    for own in (known.largest, known.largest + known.second):
        bound = np.where(np.isnan(own), np.inf, own)
        for _ in range(3):
            passed = np.full(len(bound), np.inf)
            np.minimum.at(passed, pairs[:, 1], bound[pairs[:, 0]])
            bound = np.where(np.isnan(own), np.minimum(bound, passed), own)
        found.append(bound)
    return found[0], found[1]


def _remaining(system: System, known: _Known, rule: DisclosureRule) -> Indices:
    """Return why what remains of a whole less one part is sensitive, as far as facts tell.

    The largest of the whole who is not in the part is the largest of what remains. Where both are
    in the part only the number of customers counts.
    """
    matrix = system.equations
    of_three = matrix[np.flatnonzero(np.diff(matrix.indptr) == 3)]
    cells, signs = of_three.indices.reshape(-1, 3), of_three.data.reshape(-1, 3)
    told = np.abs(signs.sum(axis=1)) == 1
    cells, signs = cells[told], signs[told]
    lone = signs == -signs.sum(axis=1, keepdims=True)
    reason = np.zeros(len(system.values), int)
    whole = cells[lone]
    for first, second in ((0, 1), (1, 0)):
        part, rest = (cells[~lone].reshape(-1, 2)[:, side] for side in (first, second))
        count = known.contributors[whole] - known.contributors[part]
        one, other = known.largest[whole], known.second[whole]
        inside = (known.largest[part] == one).astype(int) + (known.second[part] == other)
        two = np.where(known.largest[part] < one, one, 0.0)
        two += np.where((known.largest[part] < other) & (inside == 0), other, 0.0)
        amount = np.abs(system.values[rest])
        few, two_hold = (count >= 1) & (count < rule.smallest_cell), two > rule.two_largest * amount
        np.maximum.at(reason, rest, np.where(few, 1, np.where(two_hold, 2, 0)))
    return reason
