"""Cells that move together, and the linear program that moves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csc_array, csr_array
from scipy.sparse.csgraph import connected_components

from stockcust_analysis.evaluation.disclosure.quantities import Flags, Indices, Numbers

Matrix = Any
"""A sparse matrix of scipy's, equations in rows."""


@dataclass(frozen=True)
class Groups:
    """Cells that can only move together, because an equation has no other free cells.

    A rate's numerator and its complement are one group: one gains what the other loses. `member`
    has cells in rows and groups in columns, +1 or -1; `part` numbers the connected parts.
    """

    member: Matrix
    equations: Matrix
    up: Numbers
    down: Numbers
    part: Indices

    @classmethod
    def of(cls, equations: Matrix, values: Numbers, signed: Flags) -> Groups:
        """Return the groups of cells that are all free to move."""
        member = _together(equations)
        matrix = csr_array(equations @ member)
        matrix.eliminate_zeros()
        matrix = matrix[np.diff(matrix.indptr) > 0]
        known = ~signed
        down = np.where(known & (values >= 0), values, np.inf)
        up = np.where(known & (values < 0), -values, np.inf)
        upper, lower = (
            _extreme(member, np.stack(two), np.minimum, np.inf) for two in ((up, down), (down, up))
        )
        return cls(member, matrix.tocsc(), upper, lower, parts_of(matrix))

    def needs(self, of_cells: Numbers) -> Numbers:
        """Return the needs of groups, upwards and downwards, from those of their cells."""
        return np.stack([_extreme(self.member, two, np.maximum, 0.0)
                         for two in (of_cells, of_cells[::-1])])  # fmt: skip

    def sums(self, of_cells: Numbers) -> Numbers:
        """Return the sums of the cells of each group."""
        return np.asarray(abs(self.member).T @ of_cells)

    def of_cells(self, move: Numbers) -> Numbers:
        """Return the move of every cell."""
        return np.asarray(self.member @ move)

    def solved(self, goals: Numbers, price: Numbers, short: float) -> Numbers:
        """Return the cheapest move that comes closest to the goals."""
        sign, place = np.nonzero(goals)
        move = np.zeros(len(self.part))
        if not len(place):
            return move
        there = np.isin(self.part, self.part[place])
        there[place] = False
        free, dear = np.flatnonzero(there & (price == 0)), np.flatnonzero(there & (price > 0))
        need, room = goals[sign, place], np.where(sign == 0, self.up[place], self.down[place])
        # What is withheld or implied moves freely. What is printed has its price per unit up or
        # down, so that its move down is a number of its own; so is a goal's move beyond its need.
        first = np.minimum(need, room)
        group = np.concatenate([free, dear, dear, place, place])
        ahead = np.concatenate([np.ones(len(free) + len(dear)), -np.ones(len(dear)),
                                1.0 - 2 * sign, 1.0 - 2 * sign])  # fmt: skip
        lower = np.zeros(len(group))
        lower[: len(free)] = -self.down[free]
        upper = [self.up[free], self.up[dear], self.down[dear], first, room - first]
        cost = price[group]
        cost[len(group) - 2 * len(place) : len(group) - len(place)] -= short
        most = np.concatenate(upper)
        able = np.flatnonzero((most > 0) | (lower < 0))
        if not len(able):
            return move
        group, ahead = group[able], ahead[able]
        equations = _columns(self.equations, group, ahead)
        np.add.at(move, group, ahead * _solution(equations, cost[able], lower[able], most[able]))
        return move


def _columns(equations: Matrix, which: Indices, sign: Numbers) -> Matrix:
    """Return some columns, those of sign -1 turned round, without the equations they are not in."""
    start, length = equations.indptr[which], np.diff(equations.indptr)[which]
    ends = np.cumsum(length)
    taken = np.arange(length.sum()) + np.repeat(start - ends + length, length)
    row, rows = _numbered_rows(equations.indices[taken])
    data = equations.data[taken] * np.repeat(sign, length)
    return csc_array((data, row, np.append(0, ends)), shape=(rows, len(which)))


def _numbered_rows(rows: Indices) -> tuple[Indices, int]:
    """Return rows by number, those alone that there are, and how many."""
    there = np.flatnonzero(np.bincount(rows))
    number = np.zeros(rows.max(initial=0) + 1, np.int32)
    number[there] = np.arange(len(there))
    return number[rows], len(there)


def _solution(equations: Matrix, cost: Numbers, lower: Numbers, upper: Numbers) -> Numbers:
    """Return the cheapest numbers within bounds that add up to zero in every equation."""
    found = milp(
        cost,
        bounds=Bounds(lower, upper),
        constraints=LinearConstraint(equations, 0, 0) if equations.shape[0] else (),
        options={"presolve": False},
    )
    return np.zeros(len(cost)) if found.x is None else np.asarray(found.x)


def _together(equations: Matrix) -> Matrix:
    """Return cells by groups: +1 or -1 where a cell moves with its group, or against it.

    Every cell is two nodes, its move and the opposite; an equation of two cells joins the nodes
    that are equal. A cell joined to its own opposite cannot move and is in no group.
    """
    size = equations.shape[1]
    pairs = equations[np.diff(equations.indptr) == 2]
    one, other = pairs.indices.reshape(-1, 2).T
    same = pairs.data.reshape(-1, 2).prod(axis=1) < 0
    there = np.where(same, other, other + size)
    opposite = np.where(same, other + size, other)
    ends = np.concatenate([one, one + size]), np.concatenate([there, opposite])
    graph = coo_array((np.ones(len(ends[0])), ends), shape=(2 * size, 2 * size))
    _, label = connected_components(graph, directed=False)
    plus, minus = label[:size], label[size:]
    cells = np.flatnonzero(plus != minus)
    _, group = np.unique(np.minimum(plus, minus)[cells], return_inverse=True)
    sign = np.where(plus < minus, 1.0, -1.0)[cells]
    return csr_array((sign, (cells, group)), shape=(size, group.max(initial=-1) + 1))


def _extreme(member: Matrix, two: Numbers, of: np.ufunc, start: float) -> Numbers:
    """Return the least or largest number of each group's cells.

    It is the first row of two where a cell moves with its group, else the second.
    """
    told = np.full(member.shape[1], start)
    cells = np.repeat(np.arange(member.shape[0]), np.diff(member.indptr))
    of.at(told, member.indices, two[np.where(member.data > 0, 0, 1), cells])
    return told


def parts_of(equations: Matrix, free: Flags | None = None) -> Indices:
    """Return the number of the connected part of every free column; -1 for those not free."""
    columns = np.arange(equations.shape[1]) if free is None else np.flatnonzero(free)
    matrix = equations if free is None else equations[:, columns]
    rows, width = matrix.shape
    ends = np.append(matrix.indptr, np.full(width, matrix.nnz))
    entries = np.ones(matrix.nnz), matrix.indices + rows, ends
    graph = csr_array(entries, shape=(rows + width, rows + width))
    part = np.full(equations.shape[1], -1)
    part[columns] = connected_components(graph, directed=False)[1][rows:]
    return part
