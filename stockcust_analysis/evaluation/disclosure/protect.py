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

from dataclasses import dataclass, field

import numpy as np

from stockcust_analysis.evaluation.disclosure.batches import batches_of, squares_of
from stockcust_analysis.evaluation.disclosure.groups import Groups, Matrix, parts_of
from stockcust_analysis.evaluation.disclosure.quantities import Flags, Indices, Numbers

_LARGEST_SQUARE = 12
_HUB = 12  # printed so often that it is withheld only when nothing else helps
_WIDEST = 12  # so many other branches protect one that its batches could not
_MOVED = 1e-6
_WISH = 0.1  # cost of a cell short of protection that others may yet give it
_SHORT = 1e4  # cost of a cell short of protection that has its turn
_TURNS = (_WISH, _WISH, _SHORT, _SHORT, _SHORT, _SHORT)
_LAST_TURNS = (_SHORT, _SHORT)


@dataclass(frozen=True)
class Problem:
    """Cells with their equations, and what is asked of them.

    `branch` is each cell's branch, -1 for the whole bank's. `printed` is how often a cell is
    printed, 0 when it is only implied. A `fixed` cell is known already and cannot be withheld; one
    that is `gone` is withheld already.
    """

    values: Numbers
    equations: Matrix
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


@dataclass(frozen=True)
class Protection:
    """Which printed cells to withhold, and which sensitive cells stay too close even so.

    `exposed` to everybody: what is known already leaves them too little room. `known_to_one`
    branch, which works them out from its own numbers, as where the customer came from it.
    """

    withheld: Flags
    exposed: Flags
    known_to_one: Flags


def complementary(problem: Problem, branches: int) -> Protection:
    """Return which printed cells to withhold so that the sensitive ones are protected.

    A cell that is known already is not asked about. Where no withholding could help all is withheld
    that would narrow the cell further.
    """
    sensitive = (problem.upwards > 0) | (problem.downwards > 0)
    asked = sensitive & ~problem.fixed
    withheld = (sensitive | problem.gone) & (problem.printed > 0) & ~problem.fixed
    dear = (problem.branch < 0) | (problem.printed >= _HUB)
    free = ~problem.fixed & (withheld | ~dear | (problem.printed == 0))
    state = _State(problem, withheld, parts_of(problem.equations, free))
    late = np.zeros_like(asked)
    for batch in batches_of(branches):
        late |= state.search(batch, asked & np.isin(problem.branch, batch))
    for yielding in (False, True):
        late = _helped(state, late, branches, yielding=yielding)
    exposed, known = _alone(state, late, branches)
    # The bank's own small cells move with those of any branch.
    left = asked & (problem.branch < 0)
    for most, yielding in ((6 * _WIDEST, False), (6 * _WIDEST, True), (branches, True)):
        if left.any():
            movers = _givers(problem, left, branches)[:most]
            left = state.search(movers, left, yielding=yielding, utmost=most == branches)
    return Protection(state.withheld, exposed | left, known)


def _helped(state: _State, late: Flags, branches: int, *, yielding: bool) -> Flags:
    """Protect cells that were not safe in their batches in larger ones; return those that are not.

    Rows of a square all have the same helpers, columns have others, so that any two batches of one
    branch still have no other branch in common.
    """
    if branches <= _LARGEST_SQUARE**2:
        return late
    order, open_ = _givers(state.problem, late, branches), np.zeros_like(late)
    for square in squares_of(branches, _LARGEST_SQUARE):
        inside = {branch for row in square[0] for branch in row}
        others = [branch for branch in order if branch not in inside][: 2 * _WIDEST]
        for side, batches in enumerate(square):
            for batch in batches:
                wanted = late & np.isin(state.problem.branch, batch)
                open_ |= state.search([*batch, *others[side::2]], wanted, yielding=yielding)
    return open_


def _alone(state: _State, late: Flags, branches: int) -> tuple[Flags, Flags]:
    """Protect the cells of one branch after another; return what is open to all, and to one.

    First by two halves of the others, neither of which is needed then; at last by all together,
    and without each of those that moved.
    """
    exposed, known, problem = np.zeros_like(late), np.zeros_like(late), state.problem
    for branch in np.unique(problem.branch[late & (problem.branch >= 0)]).tolist():
        open_ = late & (problem.branch == branch)
        others = [other for other in _givers(problem, open_, branches) if other != branch]
        for most in (2 * _WIDEST, 12 * _WIDEST):
            halves = [state.search([branch, *others[side:most:2]], open_, yielding=True)
                      for side in (0, 1)]  # fmt: skip
            open_ = halves[0] | halves[1]
        near = [branch, *others[: 12 * _WIDEST]]
        if state.search(near, open_, yielding=True).any():
            near = [branch, *others]
            exposed |= state.search(near, open_, yielding=True, utmost=True)
        moved, open_ = sorted(state.moved - {branch}), open_ & ~exposed
        for absent in _needed(state, open_, near, moved):
            there = [branch, *(other for other in others if other != absent)]
            known |= state.search(there, open_, yielding=True)
    return exposed, known


def _needed(state: _State, asked: Flags, there: list[int], tried: list[int]) -> list[int]:
    """Return the branches, of those tried, that some cells cannot be protected without.

    All are left out at once where that will do, else one half and then the other.
    """
    if not asked.any() or not tried:
        return []
    missed = state.search([branch for branch in there if branch not in tried], asked)
    if len(tried) == 1 or not missed.any():
        return tried if missed.any() else []
    middle = len(tried) // 2
    halves = (tried[:middle], tried[middle:])
    return [one for half in halves for one in _needed(state, missed, there, half)]


def _givers(problem: Problem, late: Flags, branches: int) -> list[int]:
    """Return the branches in order of what they have to give to the equations of some cells."""
    near = abs(problem.equations).T @ (abs(problem.equations) @ late) > 0
    near &= (problem.branch >= 0) & ~problem.fixed
    gives = np.minimum(np.abs(problem.values), problem.upwards.max(initial=0.0))[near]
    sizes = np.bincount(problem.branch[near], gives, minlength=branches)
    return [int(branch) for branch in np.argsort(-sizes, kind="stable")]


@dataclass
class _State:
    """What is withheld so far.

    `part` numbers the connected parts of what may move cheaply, -1 where a cell stands still;
    `moved` are the branches that the last search moved.
    """

    problem: Problem
    withheld: Flags
    part: Indices
    moved: set[int] = field(default_factory=set)

    def search(
        self, batch: list[int], asked: Flags, *, yielding: bool = False, utmost: bool = False
    ) -> Flags:
        """Protect cells by moving a batch; return those that could not be.

        Only where `yielding` may the dear cells and the bank's be withheld for it. With `utmost` a
        cell that cannot be protected is moved as far as it goes.
        """
        of_batch = (self.problem.branch < 0) | np.isin(self.problem.branch, batch)
        wanted = np.unique(self.part[asked & (self.part >= 0)])
        self.moved = set()
        missed = self._search(of_batch & np.isin(self.part, wanted), asked, yielding, False)
        if yielding and missed.any():
            missed = self._search(of_batch & ~self.problem.fixed, missed, yielding, utmost)
        return missed

    def _search(self, member: Flags, asked: Flags, last: bool, utmost: bool) -> Flags:
        """Protect cells by moving some; return those that could not be."""
        cells = np.flatnonzero(member)
        search = _Search(self.problem.within(cells), self.withheld[cells], asked[cells])
        search.run(last, utmost)
        self.moved |= set(self.problem.branch[cells[search.moved]].tolist()) - {-1}
        missed = asked.copy()
        self.withheld[cells], missed[cells] = search.withheld, search.open.any(axis=0)
        return missed


class _Search:
    """The search in one batch: what is withheld so far, and who is protected in which direction.

    `open` has two rows, upwards and downwards: True where a cell is not protected yet.
    """

    def __init__(self, problem: Problem, withheld: Flags, asked: Flags) -> None:
        self.problem, self.withheld = problem, withheld.copy()
        self.need = np.stack([problem.upwards, problem.downwards])
        self.open = asked & (self.need > 0)
        self.moved = np.zeros_like(asked)

    def run(self, last: bool, utmost: bool) -> None:
        """Protect all at once as far as possible; the last time, the rest one by one."""
        groups = Groups.of(self.problem.equations, self.problem.values, self.problem.signed)
        for turn, short in enumerate(_LAST_TURNS if last else _TURNS):
            self._move(groups, self._mixed(groups, turn), short)
        tried = np.full((2, len(groups.part)), not last)
        while (goals := groups.needs(self.need * self.open) * ~tried).any():
            goals = _first_of_each(groups.part, goals)
            self._move(groups, goals, _SHORT, utmost)
            tried |= goals > 0

    def _mixed(self, groups: Groups, turn: int) -> Numbers:
        """Return the needs of all groups that have one, some upwards, some downwards."""
        needs = groups.needs(self.need * self.open)
        mixed = (np.arange(needs.shape[1]) * 2654435761 + (turn // 2) * 40503) >> 7
        upwards = (mixed + turn) % 2 == 0
        both = (needs > 0).all(axis=0)
        return needs * np.where(both, np.stack([upwards, ~upwards]), True)

    def _move(self, groups: Groups, goals: Numbers, short: float, utmost: bool = False) -> None:
        """Find another table that reaches the goals, and withhold what differs in it."""
        if not goals.any():
            return
        price = groups.sums(np.where(self.withheld, 0, self.problem.printed))
        move = groups.solved(goals, price, short)
        slack = _MOVED * np.maximum(1, goals)
        ways = np.stack([move, -move])
        reached = ways >= goals - slack
        if not utmost and (ways[~reached & (goals > 0)] > 0).any():
            # What was out of reach must not cost anything.
            move = groups.solved(goals * reached, price, short)
        moved = groups.of_cells(move)
        slack = _MOVED * np.maximum(1, self.need)
        self.open &= np.stack([moved, -moved]) < self.need - slack
        self.moved |= np.abs(moved) > _MOVED
        self.withheld |= self.moved & (self.problem.printed > 0)


def _first_of_each(part: Indices, needs: Numbers) -> Numbers:
    """Return only the largest need in every connected part."""
    sign, group = np.nonzero(needs)
    order = np.lexsort((sign, group, -needs[sign, group], part[group]))
    _, first = np.unique(part[group[order]], return_index=True)
    kept = sign[order[first]], group[order[first]]
    told = np.zeros_like(needs)
    told[kept] = needs[kept]
    return told
