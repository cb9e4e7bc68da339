"""Complementary suppression: which further cells go, so that no withheld one can be worked out.

A withheld cell is safe when there are other tables that agree with everything printed, in one of
which it is larger by its upward protection, in another smaller by its downward protection: no
attacker can tell those tables from the true one. Such tables are found by linear programs, one
after another: each moves many sensitive cells at once, may move withheld cells at no cost, and
pays for every printed cell it moves; the cells it moves are withheld from then on (Kelly, Golden
and Assad, Networks 22 (1992); Fischetti and Salazar, Management Science 47 (2001)).

Two things keep this small and safe. Branches are assigned to batches, and a program moves the cells
of one batch (all else standing still), so that each is small. And every branch is in batches that
have no other branch in common: whoever knows one branch's own numbers, as its manager does, finds
every other branch protected by a table in which his own does not move (the several intruders of
Salazar, Computers & Operations Research 32 (2005)).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csc_array, csr_array
from scipy.sparse.csgraph import connected_components

from stockcust_analysis.disclosure.numbers import Array

Matrix = Any
"""A sparse matrix of scipy's, equations in rows."""
Batches = list[list[int]]

_LARGEST_BATCH = 10
_LARGEST_SQUARE = 12
_HUB = 12  # printed so often that it is withheld only when nothing else helps
_HELPERS = 12  # so many other branches help one that its batches could not protect
_MOVED = 1e-6
_WISH = 0.1  # cost of a cell short of protection that others may yet give it
_SHORT = 1e4  # cost of a cell short of protection in its last turns
_TURNS = (_WISH, _WISH, _SHORT, _SHORT, _SHORT, _SHORT)


@dataclass(frozen=True)
class Problem:
    """Cells with their equations, and the protection they need.

    `branch` is each cell's branch, -1 for the whole's. `printed` is how often a cell is printed, 0
    when it is only implied. `need` has two rows, how far a cell must be free to move upwards and
    downwards. A `fixed` cell is known already and cannot be withheld; one that is `gone` is
    withheld already.
    """

    values: Array
    equations: Matrix
    branch: Array
    printed: Array
    need: Array
    signed: Array
    fixed: Array
    gone: Array

    def within(self, cells: Array) -> Problem:
        """Return the problem of some cells, all others standing still."""
        part = self.equations[:, cells]
        part = part[np.diff(part.indptr) > 0]
        rest = {name: v[..., cells] for name, v in vars(self).items() if name != "equations"}
        return Problem(equations=part, **rest)


class Protection(NamedTuple):
    """Which printed cells to withhold, and which sensitive cells stay too close even so.

    `exposed` to everybody: what is known already leaves them too little room. `known_to_one`
    branch, which works them out from its own numbers, as where the customer came from it.
    """

    withheld: Array
    exposed: Array
    known_to_one: Array


def find_complementary(problem: Problem, branches: int) -> Protection:
    """Return which printed cells to withhold so that the sensitive ones are protected.

    A cell that is known already is left as it is. Where no withholding could help all is withheld
    that would narrow the cell further.
    """
    sensitive = (problem.need > 0).any(axis=0)
    target = sensitive & ~problem.fixed
    withheld = (sensitive | problem.gone) & (problem.printed > 0) & ~problem.fixed
    dear = (problem.branch < 0) | (problem.printed >= _HUB)
    free = ~problem.fixed & (withheld | ~dear | (problem.printed == 0))
    search = _Search(problem, withheld, connected_parts(problem.equations, free))
    unsafe = np.zeros_like(target)
    for batch in deal_batches(branches):
        unsafe |= search.protect(batch, target & np.isin(problem.branch, batch))
    for yielding in (False, True):
        unsafe = _protect_in_squares(search, unsafe, branches, yielding=yielding)
    exposed, known = _protect_singly(search, unsafe, branches)
    # The whole's own small cells move with those of any branch.
    left = target & (problem.branch < 0)
    for most, yielding in ((6 * _HELPERS, False), (6 * _HELPERS, True), (branches, True)):
        if left.any():
            movers = _helpers(problem, left, branches)[:most]
            left = search.protect(movers, left, yielding=yielding, utmost=most == branches)
    return Protection(search.withheld, exposed | left, known)


def deal_batches(branches: int) -> Batches:
    """Return batches of branches: any two branches are kept apart by a batch of either.

    Few branches are all but one, each left out in turn: larger batches need fewer cells. From nine
    on, branches stand in squares; rows and columns are the batches, and two branches share at most
    one of them.

    >>> deal_batches(3)
    [[1, 2], [0, 2], [0, 1]]
    >>> deal_batches(9)[:4]
    [[0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 1, 2]]
    """
    if branches < 9:
        return [[b for b in range(branches) if b != left] or [left] for left in range(branches)]
    squares = deal_squares(branches, _LARGEST_BATCH)
    return [batch for rows, columns in squares for batch in rows + columns]


def deal_squares(branches: int, largest: int) -> list[tuple[Batches, Batches]]:
    """Return the rows and the columns of squares in which branches stand.

    >>> deal_squares(9, 10)
    [([[0, 3, 6], [1, 4, 7], [2, 5, 8]], [[0, 1, 2], [3, 4, 5], [6, 7, 8]])]
    """
    squares = []
    number = ceil(branches / largest**2)
    for square in range(number):
        inside = list(range(square, branches, number))
        width = ceil(len(inside) / ceil(sqrt(len(inside))))
        columns = [inside[start : start + width] for start in range(0, len(inside), width)]
        rows = [inside[row::width] for row in range(width)]
        # One left over stands in the first column but its own row: with the next row's branch.
        squares.append((rows, [c if len(c) > 1 else [inside[1], c[0]] for c in columns]))
    return squares


def _protect_in_squares(search: _Search, unsafe: Array, branches: int, *, yielding: bool) -> Array:
    """Protect cells that were not safe in their batches in larger ones; return those still unsafe.

    Rows of a square all have the same helpers, columns have others, so that any two batches of one
    branch still have no other branch in common.
    """
    if branches <= _LARGEST_SQUARE**2:
        return unsafe
    order, still_unsafe = _helpers(search.problem, unsafe, branches), np.zeros_like(unsafe)
    for square in deal_squares(branches, _LARGEST_SQUARE):
        inside = {branch for row in square[0] for branch in row}
        others = [branch for branch in order if branch not in inside][: 2 * _HELPERS]
        for side, batches in enumerate(square):
            for batch in batches:
                target = unsafe & np.isin(search.problem.branch, batch)
                batch = [*batch, *others[side::2]]
                still_unsafe |= search.protect(batch, target, yielding=yielding)
    return still_unsafe


def _protect_singly(search: _Search, unsafe: Array, branches: int) -> tuple[Array, Array]:
    """Protect the cells of one branch after another; return what is open to all, and to one.

    First by two halves of the others, neither of which is needed then; at last by all together,
    and without each of those that moved.
    """
    exposed, known, problem = np.zeros_like(unsafe), np.zeros_like(unsafe), search.problem
    for branch in np.unique(problem.branch[unsafe & (problem.branch >= 0)]).tolist():
        target = unsafe & (problem.branch == branch)
        others = [other for other in _helpers(problem, target, branches) if other != branch]
        for most in (2 * _HELPERS, 12 * _HELPERS):
            halves = [others[:most:2], others[1:most:2]]
            missed = [search.protect([branch, *half], target, yielding=True) for half in halves]
            target = missed[0] | missed[1]
        near = [branch, *others[: 12 * _HELPERS]]
        if search.protect(near, target, yielding=True).any():
            near = [branch, *others]
            exposed |= search.protect(near, target, yielding=True, utmost=True)
        moved, target = sorted(search.moved - {branch}), target & ~exposed
        for absent in _indispensable(search, target, near, moved):
            rest = [branch, *(other for other in others if other != absent)]
            known |= search.protect(rest, target, yielding=True)
    return exposed, known


def _indispensable(search: _Search, target: Array, batch: list[int], tried: list[int]) -> list[int]:
    """Return the branches, of those tried, without which some cells cannot be protected.

    All are left out at once where that will do, else one half and then the other.
    """
    if not target.any() or not tried:
        return []
    missed = search.protect([branch for branch in batch if branch not in tried], target)
    if len(tried) == 1 or not missed.any():
        return tried if missed.any() else []
    middle = len(tried) // 2
    halves = (tried[:middle], tried[middle:])
    return [branch for half in halves for branch in _indispensable(search, missed, batch, half)]


def _helpers(problem: Problem, target: Array, branches: int) -> list[int]:
    """Return the branches in order of what they have to give to the equations of some cells."""
    near = abs(problem.equations).T @ (abs(problem.equations) @ target) > 0
    near &= (problem.branch >= 0) & ~problem.fixed
    gives = np.minimum(np.abs(problem.values), problem.need[0].max(initial=0.0))[near]
    sizes = np.bincount(problem.branch[near], gives, minlength=branches)
    return [int(branch) for branch in np.argsort(-sizes, kind="stable")]


@dataclass
class _Search:
    """What is withheld so far.

    `part` numbers the connected parts of what may move cheaply, -1 where a cell stands still;
    `moved` are the branches that the last batch moved.
    """

    problem: Problem
    withheld: Array
    part: Array
    moved: set[int] = field(default_factory=set)

    def protect(
        self, batch: list[int], target: Array, *, yielding: bool = False, utmost: bool = False
    ) -> Array:
        """Protect cells by moving a batch; return those that could not be.

        Only where `yielding` may the dear cells and the whole's be withheld for it. With `utmost` a
        cell that cannot be protected is moved as far as it goes.
        """
        self.moved, missed = set(), target.copy()
        in_batch = (self.problem.branch < 0) | np.isin(self.problem.branch, batch)
        parts = np.unique(self.part[target & (self.part >= 0)])
        cheap, all_free = np.isin(self.part, parts), ~self.problem.fixed
        for members in (cheap, all_free) if yielding else (cheap,):
            if missed.any():
                cells = np.flatnonzero(in_batch & members)
                moves = _Batch(self.problem.within(cells), self.withheld[cells], missed[cells])
                moves.run(yielding, utmost and members is all_free)
                self.moved |= set(self.problem.branch[cells[moves.moved]].tolist()) - {-1}
                self.withheld[cells], missed[cells] = moves.withheld, moves.open.any(axis=0)
        return missed


class _Batch:
    """The search in one batch: what is withheld so far, and who is protected in which direction.

    `open` has two rows, upwards and downwards: True where a cell is not protected yet.
    """

    def __init__(self, problem: Problem, withheld: Array, target: Array) -> None:
        self.problem, self.withheld = problem, withheld.copy()
        self.open = target & (problem.need > 0)
        self.moved = np.zeros_like(target)
        self.groups = Groups.of(problem.equations, problem.values, problem.signed)

    def run(self, last: bool, utmost: bool) -> None:
        """Protect all at once as far as possible; the last time, the rest one by one."""
        for turn, short in enumerate(_TURNS[-2:] if last else _TURNS):
            self._move(self._mixed_goals(turn), short)
        tried = np.full((2, len(self.groups.part)), not last)
        while (goals := self.groups.needs(self.problem.need * self.open) * ~tried).any():
            goals = _largest_by_part(self.groups.part, goals)
            self._move(goals, _SHORT, utmost)
            tried |= goals > 0

    def _mixed_goals(self, turn: int) -> Array:
        """Return the needs of all groups that have one, some upwards, some downwards."""
        needs = self.groups.needs(self.problem.need * self.open)
        mixed = (np.arange(needs.shape[1]) * 2654435761 + (turn // 2) * 40503) >> 7
        upwards = (mixed + turn) % 2 == 0
        both = (needs > 0).all(axis=0)
        return needs * np.where(both, np.stack([upwards, ~upwards]), True)

    def _move(self, goals: Array, short: float, utmost: bool = False) -> None:
        """Find another table that reaches the goals, and withhold what differs in it."""
        if not goals.any():
            return
        price = abs(self.groups.member).T @ np.where(self.withheld, 0, self.problem.printed)
        move = self.groups.solve(goals, price, short)
        slack = _MOVED * np.maximum(1, goals)
        reached = np.stack([move, -move]) >= goals - slack
        missed = ~reached & (goals > 0)
        if not utmost and (np.stack([move, -move])[missed] > 0).any():
            # What was out of reach must not cost anything.
            move = self.groups.solve(goals * reached, price, short)
        moved = self.groups.member @ move
        slack = _MOVED * np.maximum(1, self.problem.need)
        self.open &= np.stack([moved, -moved]) < self.problem.need - slack
        self.moved |= np.abs(moved) > _MOVED
        self.withheld |= self.moved & (self.problem.printed > 0)


def _largest_by_part(part: Array, needs: Array) -> Array:
    """Return only the largest need in every connected part."""
    sign, group = np.nonzero(needs)
    order = np.lexsort((sign, group, -needs[sign, group], part[group]))
    _, first = np.unique(part[group[order]], return_index=True)
    chosen = sign[order[first]], group[order[first]]
    largest = np.zeros_like(needs)
    largest[chosen] = needs[chosen]
    return largest


@dataclass(frozen=True)
class Groups:
    """Cells that can only move together, because an equation has no other free cells.

    A rate's numerator and its complement are one group: one gains what the other loses. `member`
    has cells in rows and groups in columns, +1 or -1; `part` numbers the connected parts.
    """

    member: Matrix
    equations: Matrix
    up: Array
    down: Array
    part: Array

    @classmethod
    def of(cls, equations: Matrix, values: Array, signed: Array) -> Groups:
        """Return the groups of cells that are all free to move."""
        member = _join_cells(equations)
        matrix = csr_array(equations @ member)
        matrix.eliminate_zeros()
        matrix = matrix[np.diff(matrix.indptr) > 0]
        ways = np.where([values < 0, values >= 0], np.where(signed, np.inf, np.abs(values)), np.inf)
        up, down = _extremes(member, ways, np.minimum, np.inf)
        return cls(member, matrix.tocsc(), up, down, connected_parts(matrix))

    def needs(self, cells: Array) -> Array:
        """Return the needs of groups, upwards and downwards, from those of their cells."""
        return _extremes(self.member, cells, np.maximum, 0.0)

    def solve(self, goals: Array, price: Array, short: float) -> Array:
        """Return the cheapest move that comes closest to the goals."""
        sign, goal = np.nonzero(goals)
        movable = np.isin(self.part, self.part[goal])
        movable[goal] = False
        free, dear = np.flatnonzero(movable & (price == 0)), np.flatnonzero(movable & (price > 0))
        ahead, room = 1 - 2 * sign, np.where(sign == 0, self.up[goal], self.down[goal])
        need = np.minimum(goals[sign, goal], room)
        # What is withheld or implied moves freely. What is printed has its price per unit up or
        # down, so that its move down is a number of its own; so is a goal's move beyond its need.
        kinds = (
            (free, 1, -self.down[free], self.up[free], 0),
            (dear, 1, 0, self.up[dear], price[dear]),
            (dear, -1, 0, self.down[dear], price[dear]),
            (goal, ahead, 0, need, price[goal] - short),
            (goal, ahead, 0, room - need, price[goal]),
        )
        table = np.hstack([np.broadcast_arrays(*kind) for kind in kinds])
        numbers, ahead, lower, upper, cost = table[:, (table[2] < 0) | (table[3] > 0)]
        group, move = numbers.astype(int), np.zeros(len(self.part))
        if len(group):
            steps = _cheapest(_signed_columns(self.equations, group, ahead), cost, lower, upper)
            np.add.at(move, group, ahead * steps)
        return move


def _signed_columns(equations: Matrix, which: Array, sign: Array) -> Matrix:
    """Return some columns, those of sign -1 turned round, without the equations they are not in."""
    part = equations[:, which]
    used, row = np.unique(part.indices, return_inverse=True)
    data = part.data * np.repeat(sign, np.diff(part.indptr))
    return csc_array((data, row, part.indptr), shape=(len(used), len(which)))


def _cheapest(equations: Matrix, cost: Array, lower: Array, upper: Array) -> Array:
    """Return the cheapest numbers within bounds that add up to zero in every equation."""
    bounds, options = Bounds(lower, upper), {"presolve": False}
    constraints = LinearConstraint(equations, 0, 0) if equations.shape[0] else ()
    result = milp(cost, bounds=bounds, constraints=constraints, options=options)
    return np.zeros(len(cost)) if result.x is None else np.asarray(result.x)


def _join_cells(equations: Matrix) -> Matrix:
    """Return cells by groups: +1 or -1 where a cell moves with its group, or against it.

    Every cell is two nodes, its move and the opposite; an equation of two cells, each counted
    alike, joins the nodes that are equal. A cell joined to its own opposite cannot move and is in
    no group.
    """
    size = equations.shape[1]
    pairs = equations[np.diff(equations.indptr) == 2]
    pairs = pairs[np.abs(pairs.data.reshape(-1, 2)) @ [1, -1] == 0]
    left, right = pairs.indices.reshape(-1, 2).T
    same = pairs.data.reshape(-1, 2).prod(axis=1) < 0
    equal, opposite = np.where(same, right, right + size), np.where(same, right + size, right)
    ends = np.concatenate([left, left + size]), np.concatenate([equal, opposite])
    graph = coo_array((np.ones(len(ends[0])), ends), shape=(2 * size, 2 * size))
    _, label = connected_components(graph, directed=False)
    plus, minus = label[:size], label[size:]
    cells = np.flatnonzero(plus != minus)
    _, group = np.unique(np.minimum(plus, minus)[cells], return_inverse=True)
    sign = np.where(plus < minus, 1.0, -1.0)[cells]
    return csr_array((sign, (cells, group)), shape=(size, group.max(initial=-1) + 1))


def _extremes(member: Matrix, ways: Array, extreme: np.ufunc, start: float) -> Array:
    """Return the least or largest number of each group's cells, upwards and downwards.

    Where a cell moves against its group, its way up is the group's way down.
    """
    result = np.full((2, member.shape[1]), start)
    cells = np.repeat(np.arange(member.shape[0]), np.diff(member.indptr))
    for row, numbers in zip(result, (ways, ways[::-1]), strict=True):
        extreme.at(row, member.indices, numbers[np.where(member.data > 0, 0, 1), cells])
    return result


def connected_parts(equations: Matrix, free: Array | None = None) -> Array:
    """Return the number of the connected part of every free column; -1 for those not free."""
    columns = np.arange(equations.shape[1]) if free is None else np.flatnonzero(free)
    matrix = coo_array(equations[:, columns])
    rows, width = matrix.shape
    entries = np.ones(matrix.nnz), (matrix.row, matrix.col + rows)
    graph = coo_array(entries, shape=(rows + width, rows + width))
    part = np.full(equations.shape[1], -1)
    part[columns] = connected_components(graph, directed=False)[1][rows:]
    return part
