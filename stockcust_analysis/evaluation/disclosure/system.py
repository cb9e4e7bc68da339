"""What an attacker knows: which numbers add up, and which are never below zero.

Every relation is an equation between numbers of one block, or of all branches and the bank. Where
it does not hold exactly (a customer moved, and the bank counts him once) the attacker is taken to
know by how much.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from stockcust_analysis.evaluation.disclosure.quantities import (
    Flags,
    Indices,
    Key,
    Numbers,
    Quantities,
    label,
    members,
    named,
    openings,
    relations,
    same_columns,
)

Relation = dict[int, int]
"""Column → coefficient; the sum is a constant."""


@dataclass(frozen=True)
class System:
    """All distinct numbers as cells, and the equations between them.

    `cell` gives the cell of every block and column, -1 where there is none. `origin` is the first
    block and column of a cell. `signed` cells may be below zero for all an attacker knows.
    """

    quantities: Quantities
    cell: Indices
    values: Numbers
    origin: Indices
    signed: Flags
    equations: csr_array

    @property
    def used(self) -> Flags:
        """Return which cells stand somewhere: an opening is the closing before it."""
        used = np.zeros(len(self.values), bool)
        used[self.cell[self.cell >= 0]] = True
        return used


def system_of(given: Quantities, quarter: str, previous: str) -> System:
    """Return the cells and equations of the quantities.

    `quarter` is the evaluation's, `previous` the one before it, whose closing is its opening.
    """
    quantities, found = _implied(_with_openings(given, quarter, previous))
    first = same_columns(quantities, quantities.rows_of(quarter))
    found = [_renamed(relation, first) for relation in found]
    kept = {tuple(sorted(r.items())): r for r in found if r}
    cell, values, origin = _cells(quantities, first, quarter, previous)
    rows = [*_in_blocks(cell, list(kept.values())), *_across_branches(quantities, cell, first)]
    declared = set(relations()["signed"])
    signed = np.array([k.measure in declared and k.part == "numerator" for k in quantities.keys])
    return System(
        quantities, cell, values, origin, signed[origin[:, 1]], _matrix(rows, len(values))
    )


def _with_openings(given: Quantities, quarter: str, previous: str) -> Quantities:
    """Return the quantities with the previous quarter's tiers beside this quarter's migration."""
    if not any(key.kind == "migration" for key in given.keys):
        return given
    now, then = given.rows_of(quarter), given.rows_of(previous)
    branches = given.blocks[then].get_level_values(1)
    source = branches.get_indexer(given.blocks[now].get_level_values(1))
    added = {}
    for column, key in enumerate(given.keys):
        if key.measure in ("tier_customers", "tier_aum") and key.part == "numerator":
            shifted = np.full(len(given.blocks), np.nan)
            shifted[now[source >= 0]] = given.values[then[source[source >= 0]], column]
            added[key._replace(kind="opening")] = shifted
    return given.with_implied(added)


def _implied(given: Quantities) -> tuple[Quantities, list[Relation]]:
    """Return the quantities with all that remains or adds up, and the relations that say so."""
    column = {key: place for place, key in enumerate(given.keys)}
    added: dict[Key, Numbers] = {}
    found: list[Relation] = []
    for name, wanted in (*_rests(given, column), *_declared(column), *_margins(given, column)):
        relation = {c: coefficient for c, coefficient in wanted.items() if c >= 0}
        if -1 in wanted:
            value = sum(k * given.values[:, c] for c, k in relation.items()) + np.zeros(
                len(given.values)
            )
            if name.part.startswith("rest") and not np.nanmin(value, initial=0) >= 0:
                continue
            relation[len(given.keys) + len(added)] = -1
            added[name] = value + 0.0
        found.append(relation)
    return given.with_implied(added), found


_Named = Iterator[tuple[Key, Relation]]
_NEW = -1  # stands for the column that a relation adds: what remains, or the sum


def _rests(given: Quantities, column: Mapping[Key, int]) -> _Named:
    """Yield complements, the wider base's other customers, totals of dimensions."""
    declared = relations()
    wider, money = dict(declared["bases"]), given.money
    for key, place in column.items():
        if key.kind != "measure":
            continue
        denominator = column.get(key._replace(part="denominator"), -1)
        is_part = key.measure not in {*declared["means"], *declared["staff"], *declared["signed"]}
        if key.part == "numerator" and denominator >= 0 and is_part:
            yield key._replace(part="rest"), {denominator: 1, place: -1, _NEW: -1}
        n = column.get(key._replace(part="n"), -1)
        plain = not key.dimension and key.measure not in declared["staff"]
        if key.part == "denominator" and n >= 0 and plain and not money[place]:
            yield key._replace(part="rest of n"), {n: 1, place: -1, _NEW: -1}
        if key.base in wider and key.part == "numerator":
            whole = column.get(key._replace(base=wider[key.base]), -1)
            if whole >= 0:
                yield key._replace(part=f"rest {key.part}"), {whole: 1, place: -1, _NEW: -1}
    for name, places in members(given.keys).items():
        whole = column.get(named(name, declared["totals"].get(label(name), "")), -1)
        if whole >= 0:
            yield name._replace(part="total"), {**dict.fromkeys(places, -1), whole: 1}


def _declared(column: Mapping[Key, int]) -> _Named:
    """Yield the declared sums, in every base and member that has all of their parts."""
    for relation in relations()["sums"]:
        for key in column:
            if key.kind == "measure" and label(key) == relation["whole"]:
                parts = {_NEW: -1} if "?" in relation["parts"] else {}
                parts |= {
                    column.get(named(key, name.lstrip("-")), len(column)): 1
                    if name[0] == "-"
                    else -1
                    for name in relation["parts"]
                    if name != "?"
                }
                if len(column) not in parts:
                    yield key._replace(part=f"rest {relation['parts']}"), {column[key]: 1, **parts}


def _margins(given: Quantities, column: Mapping[Key, int]) -> _Named:
    """Yield the margins of the migration, the steps of the bridge and the holders of pairs."""
    for part, tiers in (("customers", "tier_customers"), ("opening_aum", "tier_aum")):
        yield from _margin(column, part, tiers, "opening", "dimension")
    for part, tiers in (("customers", "tier_customers"), ("closing_aum", "tier_aum")):
        yield from _margin(column, part, tiers, "measure", "member")
    steps = {k.member: c for k, c in column.items() if k.kind == "bridge" and k.part == "amount"}
    if steps:
        name = Key("bridge", "", "", "bridge", "all", "amount")
        yield name, {c: -1 if step == "closing" else 1 for step, c in steps.items()}
    heads = {k.member: c for k, c in column.items() if k.kind == "bridge" and k.part == "customers"}
    if heads:
        name = Key("bridge", "", "", "bridge", "all", "customers")
        gone = ("closing", "closed", "transferred_out")
        through = ("opening", "new", "transferred_in", *gone)
        yield name, {heads[step]: -1 if step in gone else 1 for step in through}
        stayed = ("new", "returned", "grown", "shrunk", "drained")
        yield name._replace(part="rest"), {
            heads["closing"]: 1, **{heads[step]: -1 for step in stayed}, _NEW: -1,
        }  # fmt: skip
    for key, place in column.items():
        if key.kind == "co_holding":
            for family in (key.dimension, key.member):
                holders = Key("measure", "family", family, "penetration", key.base, "numerator")
                yield key._replace(part=f"rest {family}"), {column[holders]: 1, place: -1, _NEW: -1}


def _margin(column: Mapping[Key, int], part: str, tiers: str, kind: str, side: str) -> _Named:
    """Yield, per tier, that the cells from it (or to it) add up to it.

    Who returned, or drained, stands in no tier; the difference is taken to be known.
    """
    for key, place in column.items():
        if key.kind == kind and key.measure == tiers and key.part == "numerator":
            cells = [
                c
                for k, c in column.items()
                if k.kind == "migration" and k.part == part and getattr(k, side) == key.member
            ]
            if cells:
                yield key._replace(part=f"margin {kind}"), {**dict.fromkeys(cells, 1), place: -1}


def _renamed(relation: Relation, first: Indices) -> Relation:
    """Return the relation between distinct columns; what cancels is gone."""
    told: Relation = {}
    for column, coefficient in relation.items():
        told[int(first[column])] = told.get(int(first[column]), 0) + coefficient
    return {column: coefficient for column, coefficient in told.items() if coefficient}


def _cells(
    given: Quantities, first: Indices, quarter: str, previous: str
) -> tuple[Indices, Numbers, Indices]:
    """Return the cell of every block and column, and each cell's value and first place."""
    values = given.values.copy()
    for column in np.flatnonzero(first != np.arange(len(first))):
        missing = np.isnan(values[:, first[column]])
        values[missing, first[column]] = values[missing, column]
    distinct = np.flatnonzero(first == np.arange(len(first)))
    cell = np.full(values.shape, -1)
    there = ~np.isnan(values[:, distinct])
    block, place = np.nonzero(there)
    cell[block, distinct[place]] = np.arange(len(block))
    origin = np.column_stack([block, distinct[place]])
    told = values[origin[:, 0], origin[:, 1]]
    now, then = given.rows_of(quarter), given.rows_of(previous)
    names = given.blocks[then].get_level_values(1)
    source = names.get_indexer(given.blocks[now].get_level_values(1))
    pairs = [(n, then[s]) for n, s in zip(now, source, strict=True) if s >= 0]
    for place_now, place_then in openings(given).items():
        for row, old in pairs:
            opening, closing = int(cell[row, first[place_now]]), int(cell[old, first[place_then]])
            if opening >= 0 and closing >= 0 and told[opening] == told[closing]:
                cell[row, first[place_now]] = closing
    return cell[:, first], told, origin


def _in_blocks(cell: Indices, found: list[Relation]) -> Iterator[tuple[Indices, list[int]]]:
    """Yield the equations within blocks: their cells and coefficients."""
    for relation in found:
        cells = cell[:, list(relation)]
        for row in cells[(cells >= 0).all(axis=1)]:
            yield row, list(relation.values())


def _across_branches(
    given: Quantities, cell: Indices, first: Indices
) -> Iterator[tuple[Indices, list[int]]]:
    """Yield that the branches add up to the bank, for every printed column and quarter."""
    of_branch = given.of_branch
    printed = np.unique(first[given.printed])
    for quarter in given.blocks.get_level_values(0).unique():
        rows = given.rows_of(quarter)
        branches, bank = rows[of_branch[rows]], rows[~of_branch[rows]]
        for column in printed:
            parts = cell[branches, column]
            parts = parts[parts >= 0]
            for whole in cell[bank, column]:
                if len(parts) and whole >= 0:
                    yield np.append(parts, whole), [1] * len(parts) + [-1]


def _matrix(rows: list[tuple[Indices, list[int]]], width: int) -> csr_array:
    """Return the equations as a sparse matrix, each once."""
    distinct = {(tuple(cells), tuple(signs)): None for cells, signs in rows}
    starts = np.cumsum([0, *(len(cells) for cells, _ in distinct)])
    cells = np.concatenate([np.array(c, int) for c, _ in distinct] or [np.zeros(0, int)])
    signs = np.concatenate([np.array(s, float) for _, s in distinct] or [np.zeros(0)])
    matrix = csr_array((signs, cells, starts), shape=(len(distinct), width))
    matrix.sum_duplicates()
    return matrix
