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
from scipy.sparse import coo_array, csr_array, eye_array, hstack
from scipy.sparse.csgraph import connected_components

from stockcust_analysis.evaluation.disclosure.quantities import Flags, Indices, Numbers

Batches = list[list[int]]
_LARGEST_BATCH = 10
_HUB = 12  # printed so often that it is withheld only when nothing else helps
_WIDEST = 12
_MOVED = 1e-6
_IDLE = 1e-3  # cost of moving what is withheld anyway: enough to keep the tables simple
_WISH = 0.1  # cost of a cell short of protection that others may yet give it
_SHORT = 1e4  # cost of a cell short of protection that has its turn
_TURNS = (_WISH, _WISH, _SHORT, _SHORT)


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
    dear = (problem.branch < 0) | (problem.printed >= _HUB)
    free = ~problem.fixed & (withheld | ~dear | (problem.printed == 0))
    state = _State(problem, withheld, sensitive & problem.fixed, _parts(problem.equations, free))
    asked = sensitive & ~problem.fixed
    late = np.zeros_like(asked)
    for batch in batches_of(branches):
        late |= state.search(batch, asked & np.isin(problem.branch, batch))
    for branch in np.unique(problem.branch[late & (problem.branch >= 0)]).tolist():
        open_ = late & (problem.branch == branch)
        for half in _halves(problem, open_, branch, branches):
            state.search([branch, *half], open_, yielding=True)
    # The bank's own small cells move with those of any branch.
    state.search(list(range(branches)), asked & (problem.branch < 0), yielding=True)
    return state.withheld, state.exposed


def _halves(
    problem: Problem, cells: Flags, branch: int, branches: int
) -> tuple[list[int], list[int]]:
    """Return two sets of other branches, none in both, those that have more to give first."""
    size = np.bincount(
        problem.branch[problem.branch >= 0],
        np.abs(problem.values[problem.branch >= 0]),
        minlength=branches,
    )
    del cells
    order = [int(other) for other in np.lexsort((np.arange(branches), -size)) if other != branch]
    some = order[: 2 * _WIDEST]
    return some[::2], some[1::2]


@dataclass
class _State:
    """What is withheld and what is exposed so far.

    `part` numbers the connected parts of what may move cheaply, -1 where a cell stands still.
    """

    problem: Problem
    withheld: Flags
    exposed: Flags
    part: Indices

    def search(self, batch: list[int], asked: Flags, *, yielding: bool = False) -> Flags:
        """Protect cells by moving a batch; return those that could not be.

        Only where `yielding` may the dear cells and the bank's be withheld for it.
        """
        of_batch = (self.problem.branch < 0) | np.isin(self.problem.branch, batch)
        wanted = np.unique(self.part[asked & (self.part >= 0)])
        missed = self._searched(of_batch & np.isin(self.part, wanted), asked, yielding)
        if yielding and missed.any():
            missed = self._searched(of_batch & ~self.problem.fixed, missed, yielding)
            self.exposed |= missed
        return missed

    def _searched(self, member: Flags, asked: Flags, one_by_one: bool) -> Flags:
        """Protect cells by moving some; return those that could not be."""
        cells = np.flatnonzero(member)
        search = _Search(self.problem.within(cells), self.withheld[cells], asked[cells])
        search.run(one_by_one)
        self.withheld[cells] = search.withheld
        missed = asked.copy()
        missed[cells] = search.open.any(axis=0)
        return missed


class _Search:
    """The search in one batch: what is withheld so far, and who is protected in which direction.

    `open` has two rows, upwards and downwards: True where a cell is not protected yet.
    """

    def __init__(self, problem: Problem, withheld: Flags, asked: Flags) -> None:
        self.problem, self.withheld = problem, withheld.copy()
        self.need = np.stack([problem.upwards, problem.downwards])
        self.open = asked & (self.need > 0)

    def run(self, one_by_one: bool) -> None:
        """Protect all at once as far as possible, then the rest one by one."""
        groups = _Groups.of(self.problem)
        for turn, short in enumerate(() if one_by_one else _TURNS):
            self._move(groups, self._mixed(groups, turn), short)
        tried = np.zeros((2, len(groups.part)), bool)
        while (goals := groups.needs(self.need * self.open) * ~tried).any():
            goals = _first_of_each(groups.part, goals)
            self._move(groups, goals, _SHORT)
            tried |= goals > 0

    def _mixed(self, groups: _Groups, turn: int) -> Numbers:
        """Return the needs of all groups that have one, some upwards, some downwards."""
        needs = groups.needs(self.need * self.open)
        mixed = (np.arange(needs.shape[1]) * 2654435761 + (turn // 2) * 40503) >> 7
        upwards = (mixed + turn) % 2 == 0
        both = (needs > 0).all(axis=0)
        return needs * np.where(both, np.stack([upwards, ~upwards]), True)

    def _move(self, groups: _Groups, goals: Numbers, short: float) -> None:
        """Find another table that reaches the goals, and withhold what differs in it."""
        for _ in range(2):
            if not goals.any():
                return
            price = groups.sums(np.where(self.withheld, 0, self.problem.printed))
            move = groups.solved(goals, price, short)
            short_of = np.stack([move, -move]) < goals - _MOVED * np.maximum(1, goals)
            missed = short_of & (goals > 0)
            if not missed.any():
                break
            goals = np.where(missed, 0, goals)
        else:
            return
        moved = groups.of_cells(move)
        slack = _MOVED * np.maximum(1, self.need)
        self.open &= np.stack([moved, -moved]) < self.need - slack
        self.withheld |= (np.abs(moved) > _MOVED) & (self.problem.printed > 0)


@dataclass(frozen=True)
class _Groups:
    """Cells that can only move together, because an equation has no other free cells.

    A rate's numerator and its complement are one group: one gains what the other loses. `member`
    has cells in rows and groups in columns, +1 or -1; `part` numbers the connected parts.
    """

    member: csr_array
    equations: csr_array
    up: Numbers
    down: Numbers
    part: Indices

    @classmethod
    def of(cls, problem: Problem) -> _Groups:
        """Return the groups of cells that are all free to move."""
        member = _together(problem.equations)
        matrix = csr_array(problem.equations @ member)
        matrix.eliminate_zeros()
        matrix = matrix[np.diff(matrix.indptr) > 0]
        known, values = ~problem.signed, problem.values
        down = np.where(known & (values >= 0), values, np.inf)
        up = np.where(known & (values < 0), -values, np.inf)
        bounds = (_extreme(member, np.stack(two), np.minimum, np.inf) for two in
                  ((up, down), (down, up)))  # fmt: skip
        return cls(member, matrix, *bounds, _parts(matrix))

    def needs(self, of_cells: Numbers) -> Numbers:
        """Return the needs of groups, upwards and downwards, from those of their cells."""
        return np.stack([_extreme(self.member, two, np.maximum, 0.0)
                         for two in (of_cells, of_cells[::-1])])  # fmt: skip

    def sums(self, of_cells: Numbers) -> Numbers:
        """Return the sums of the cells of each group."""
        return abs(self.member).T @ of_cells

    def of_cells(self, move: Numbers) -> Numbers:
        """Return the move of every cell."""
        return self.member @ move

    def solved(self, goals: Numbers, price: Numbers, short: float) -> Numbers:
        """Return the cheapest move that comes closest to the goals."""
        sign, place = np.nonzero(goals)
        groups = np.flatnonzero(np.isin(self.part, np.unique(self.part[place])))
        need, size, number = goals[sign, place], len(groups), len(place)
        equations = self.equations[:, groups]
        equations = equations[np.diff(equations.indptr) > 0]
        shape = (number, size)
        pick = csr_array((2.0 * sign - 1, (np.arange(number), np.searchsorted(groups, place))),
                         shape=shape)  # fmt: skip
        cost = price[groups] + _IDLE
        nothing = csr_array((equations.shape[0], number))
        upper = np.concatenate([self.up[groups], self.down[groups], need])
        found = linprog(
            np.concatenate([cost, cost, np.full(number, short)]),
            A_ub=hstack([pick, -pick, -eye_array(number)]).tocsc(),
            b_ub=-need,
            A_eq=hstack([equations, -equations, nothing]).tocsc(),
            b_eq=np.zeros(equations.shape[0]),
            bounds=np.column_stack([np.zeros(len(upper)), upper]),
            method="highs-ds",
            options={"presolve": False},
        )
        move = np.zeros(len(self.part))
        if found.x is not None:
            move[groups] = found.x[:size] - found.x[size : 2 * size]
        return move


def _together(equations: csr_array) -> csr_array:
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


def _extreme(member: csr_array, two: Numbers, of: np.ufunc, start: float) -> Numbers:
    """Return the least or largest number of each group's cells: the first row of two where a cell
    moves with its group, the second where it moves against it.
    """
    told = np.full(member.shape[1], start)
    cells = np.repeat(np.arange(member.shape[0]), np.diff(member.indptr))
    of.at(told, member.indices, two[np.where(member.data > 0, 0, 1), cells])
    return told


def _first_of_each(part: Indices, needs: Numbers) -> Numbers:
    """Return only the largest need in every connected part."""
    sign, group = np.nonzero(needs)
    order = np.lexsort((sign, group, -needs[sign, group], part[group]))
    _, first = np.unique(part[group[order]], return_index=True)
    kept = sign[order[first]], group[order[first]]
    told = np.zeros_like(needs)
    told[kept] = needs[kept]
    return told


def _parts(equations: csr_array, free: Flags | None = None) -> Indices:
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
