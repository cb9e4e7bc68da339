"""Complementary suppression: which further cells go, so that no withheld one can be worked out.

A withheld cell is safe when there are other tables that agree with everything printed, in one of
which it is larger by its upward protection, in another smaller by its downward protection: no
attacker can tell those tables from the true one. Such tables are found by linear programs, one
after another: each moves many sensitive cells at once, may move withheld cells at no cost, and
pays for every printed cell it moves; the cells it moves are withheld from then on (Kelly, Golden
and Assad, Networks 22 (1992); Fischetti and Salazar, Management Science 47 (2001)).

Two things keep this small and safe. Branches are dealt into batches, and a program moves the cells
of one batch (all else standing still), so that each is small. And every branch is in batches that
have no other branch in common: whoever knows one branch's own numbers, as its manager does, finds
every other branch protected by a table in which his own does not move (the several intruders of
Salazar, Computers & Operations Research 32 (2005)).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, hstack
from scipy.sparse.csgraph import connected_components

from stockcust_analysis.evaluation.disclosure.quantities import Flags, Indices, Numbers

Batches = list[list[int]]
_LARGEST_BATCH = 10
_HUB = 12  # printed so often that it is withheld only when nothing else helps
_MOVED = 1e-6
_IDLE = 1e-3  # cost of moving what is withheld anyway: enough to keep the tables simple
_WISH = 0.1  # cost of a cell short of protection that others may yet give it
_SHORT = 1e4  # cost of a cell short of protection that has its turn


@dataclass(frozen=True)
class Problem:
    """Cells with their equations, and what is asked of them.

    `branch` is each cell's branch, -1 for the whole bank's. `printed` is how often a cell is
    printed, 0 when it is only implied. A `fixed` cell is known already and cannot be withheld; one
    that is `gone` is withheld already.
    """

    values: Numbers
    equations: csr_array
    branch: Indices
    printed: Numbers
    upwards: Numbers
    downwards: Numbers
    signed: Flags
    fixed: Flags
    gone: Flags

    def within(self, cells: Indices) -> Problem:
        """Return the problem of some cells, all others standing still."""
        part = self.equations[:, cells]
        part = part[np.diff(part.indptr) > 0]
        told = {name: getattr(self, name)[cells] for name in self.__dict__ if name != "equations"}
        return Problem(equations=part, **told)


def batches_of(branches: int) -> Batches:
    """Return batches of branches: any two branches are kept apart by a batch of either.

    From nine on, branches stand in squares; rows and columns are the batches, and two branches
    share at most one of them. Fewer stand in a ring of pairs.

    >>> batches_of(4)
    [[0, 1], [1, 2], [2, 3], [0, 3]]
    >>> batches_of(9)[:4]
    [[0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 1, 2]]
    """
    if branches < 3:
        return [[branch] for branch in range(branches)]
    if branches < 9:
        return [sorted({branch, (branch + 1) % branches}) for branch in range(branches)]
    squares = ceil(branches / _LARGEST_BATCH**2)
    found = []
    for square in range(squares):
        inside = list(range(square, branches, squares))
        rows = ceil(len(inside) / ceil(sqrt(len(inside))))
        columns = [inside[start : start + rows] for start in range(0, len(inside), rows)]
        found += [inside[row::rows] for row in range(rows)]
        # One left over stands in the first column but its own row: with the next row's branch.
        found += [c if len(c) > 1 else [inside[1], c[0]] for c in columns]
    return found


def complementary(problem: Problem, branches: int) -> tuple[Flags, Flags]:
    """Return which printed cells to withhold, and which sensitive cells stay exposed even so.

    Only what is already known (an earlier quarter, issued without control) can leave a cell
    exposed.
    """
    sensitive = (problem.upwards > 0) | (problem.downwards > 0)
    withheld = (sensitive | problem.gone) & (problem.printed > 0) & ~problem.fixed
    exposed = sensitive & problem.fixed
    for place, batch in enumerate(batches_of(branches)):
        member = np.isin(problem.branch, [-1, *batch]) & ~problem.fixed
        # Three batches suffice for the bank's own cells: nobody is in all of them.
        asked = sensitive & member & ((problem.branch >= 0) | (place < 3))
        cells = np.flatnonzero(member)
        search = _Search(problem.within(cells), withheld[cells], asked[cells])
        search.run()
        withheld[cells] = search.withheld
        exposed[cells] |= search.open.any(axis=0)
    return withheld, exposed


class _Search:
    """The search in one batch: what is withheld so far, and who is protected in which direction."""

    def __init__(self, problem: Problem, withheld: Flags, asked: Flags) -> None:
        self.problem, self.withheld = problem, withheld.copy()
        # Two rows: upwards and downwards.
        self.need = np.stack([problem.upwards, problem.downwards])
        self.open = asked & (self.need > 0)

    def run(self) -> None:
        """Protect every cell, dear ones standing still as long as that is possible."""
        dear = (self.problem.printed >= _HUB) | (self.problem.branch < 0)
        self._protect(~dear | self.withheld | (self.problem.printed == 0))
        self._protect(np.ones(len(dear), bool))

    def _protect(self, free: Flags) -> None:
        """Take one cell of every connected part in turn, the most demanding first."""
        part = _parts(self.problem.equations, free)
        hopeless = np.zeros_like(self.open)
        for turn in range(self.open.size):
            open_ = self.open & ~hopeless & free
            if not open_.any():
                break
            first = _first_of_each(part, np.where(open_, self.need, 0))
            wished = self._wishes(turn, free & np.isin(part, part[first[1]]))
            reached = self._move(first, wished, part)
            hopeless[first[0][~reached], first[1][~reached]] = True

    def _wishes(self, turn: int, free: Flags) -> Flags:
        """Return in which direction each unprotected cell should move if that costs nothing."""
        mixed = (np.arange(len(free)) * 2654435761 + (turn // 2) * 40503) >> 7
        upwards = (mixed + turn) % 2 == 0
        upwards = np.where(self.open[0] & self.open[1], upwards, self.open[0])
        return self.open & free & np.stack([upwards, ~upwards])

    def _move(self, goals: tuple[Indices, Indices], wishes: Flags, part: Indices) -> Flags:
        """Find another table that reaches the goals, and withhold what differs in it."""
        wishes[:, goals[1]] = False
        wishes[goals] = True
        short = np.full(wishes.shape, _WISH)
        short[goals] = _SHORT
        kept = np.flatnonzero(np.isin(part, part[goals[1]]))
        move = np.zeros(len(part))
        move[kept] = self._solved(kept, wishes[:, kept], short[:, kept])
        moved = np.stack([move, -move])
        slack = _MOVED * np.maximum(1, self.need)
        reached = moved[goals] >= (self.need - slack)[goals]
        good = np.isin(part, part[goals[1]][reached])
        self.open &= ~(good & (moved >= self.need - slack))
        self.withheld |= good & (np.abs(move) > _MOVED) & (self.problem.printed > 0)
        return reached

    def _solved(self, cells: Indices, wishes: Flags, short: Numbers) -> Numbers:
        """Return the cheapest move of the cells that comes closest to the wishes."""
        sign, place = np.nonzero(wishes)
        need = self.need[sign, cells[place]]
        values, size, goals = self.problem.values[cells], len(cells), len(place)
        cost = np.where(self.withheld[cells], 0, self.problem.printed[cells]) + _IDLE
        known = ~self.problem.signed[cells]
        down = np.where(known & (values >= 0), values, np.inf)
        up = np.where(known & (values < 0), -values, np.inf)
        equations = self.problem.equations[:, cells]
        equations = equations[np.diff(equations.indptr) > 0]
        pick = csr_array((2.0 * sign - 1, (np.arange(goals), place)), shape=(goals, size))
        nothing = csr_array((equations.shape[0], goals))
        found = linprog(
            np.concatenate([cost, cost, short[sign, place]]),
            A_ub=hstack([pick, -pick, -eye_array(goals)]).tocsc(),
            b_ub=-need,
            A_eq=hstack([equations, -equations, nothing]).tocsc(),
            b_eq=np.zeros(equations.shape[0]),
            bounds=np.column_stack([np.zeros(2 * size + goals), np.concatenate([up, down, need])]),
            method="highs",
        )
        return np.zeros(size) if found.x is None else found.x[:size] - found.x[size : 2 * size]


def _first_of_each(part: Indices, need: Numbers) -> tuple[Indices, Indices]:
    """Return direction and cell of the largest need in every part that has one."""
    sign, cell = np.nonzero(need)
    order = np.lexsort((sign, cell, -need[sign, cell], part[cell]))
    _, first = np.unique(part[cell[order]], return_index=True)
    return sign[order[first]], cell[order[first]]


def _parts(equations: csr_array, free: Flags) -> Indices:
    """Return the connected part of every cell when only free ones move; others are alone, -1."""
    cells = np.flatnonzero(free)
    matrix = equations[:, cells]
    rows, columns = matrix.shape
    ends = np.append(matrix.indptr, np.full(columns, matrix.nnz))
    entries = np.ones(matrix.nnz), matrix.indices + rows, ends
    graph = csr_array(entries, shape=(rows + columns, rows + columns))
    _, group = connected_components(graph, directed=False)
    part = np.full(len(free), -1)
    part[cells] = group[rows:]
    return part
