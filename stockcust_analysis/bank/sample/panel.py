"""Who is a customer of the sample bank in which quarter, at which branch, and active or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stockcust_analysis.bank.sample.branches import Array, Branch, Days, Random
from stockcust_analysis.bank.sample.quarters import (
    LAST,
    MERGER,
    NO_DAY,
    POSTED_ON,
    STARTS,
    TIMES,
    YEAR_END,
)

_NEVER = 99


@dataclass(frozen=True)
class Panel:
    """The people and what they do; arrays are by customer, or by customer and quarter.

    `branch` holds branch positions; `present` counts the quarter of leaving, `open` does not;
    `drained` is true while the money is gone; balances change on one day a quarter, `stepped_on`.
    The tables show the quarters from position `first` on.
    """

    people: pd.DataFrame
    branch: Array
    relationship_since: Days
    present: Array
    open: Array
    active: Array
    drained: Array
    last_active_on: Days
    stepped_on: Days
    active_transactions: Array
    first: int

    @property
    def needed(self) -> Array:
        """The quarters to compute: those shown, and the year end that the plan starts from."""
        return np.asarray((self.first <= TIMES) | (TIMES == YEAR_END))


def make_panel(rng: Random, people: pd.DataFrame, operating: int, *, quarters: int = LAST) -> Panel:
    """Follow everybody through the quarters: arriving, acting, draining, returning, leaving."""
    arrived = people["arrived"].to_numpy()[:, None]
    left, drained_from, back = _turns(rng, people)
    present = (arrived <= TIMES) & (left >= TIMES)
    turning = (left == TIMES) | (drained_from == TIMES) | (back == TIMES)
    turning |= (arrived == TIMES) & (TIMES > 0)
    active = (_acts(rng, people) | turning) & present
    acted_on = STARTS + rng.integers(0, 88, present.shape).astype("m8[D]")
    last = np.where(active, acted_on, NO_DAY)
    last[:, 0] = _acted_before(rng, people, last[:, 0])
    first_known = np.where(np.isnat(last[:, 0]), np.datetime64("2018-01-01"), last[:, 0])
    first_known -= rng.integers(30, 5830, len(people)).astype("m8[D]")
    arrived_on = np.take_along_axis(acted_on, arrived, axis=1)[:, 0]
    return Panel(
        people=people,
        branch=_branches(rng, people, operating),
        relationship_since=np.where(arrived[:, 0] == 0, first_known, arrived_on),
        present=present,
        open=present & (left > TIMES),
        active=active,
        drained=(drained_from <= TIMES) & (back > TIMES) & present,
        last_active_on=np.fmax.accumulate(last, axis=1),
        stepped_on=np.where(active, acted_on, POSTED_ON),
        active_transactions=np.where(active, 1 + rng.poisson(1.2, present.shape), 0),
        first=len(TIMES) - quarters,
    )


def _turns(rng: Random, people: pd.DataFrame) -> tuple[Array, Array, Array]:
    """Draw the quarters in which a customer closes, drains and comes back; `_NEVER` for most."""
    size = len(people)
    arrived, wealth = people["arrived"].to_numpy(), people["wealth"].to_numpy()
    closes, drains, returns = rng.integers(1, LAST + 1, (3, size))
    # The planted branches keep their people, so that each tells its own story and no other.
    free = ~people["home"].isin([Branch.CONCENTRATED, Branch.TINY]).to_numpy()
    leaves = free & (rng.random(size) < np.where(wealth < 100, 0.08, 0.03)) & (closes > arrived)
    empties = free & (rng.random(size) < 0.06) & (wealth > 500) & (drains > arrived)
    empties &= ~leaves & ~people["asleep"].to_numpy()
    refills = empties & (rng.random(size) < 0.5) & (returns > drains)
    happening = ((leaves, closes), (empties, drains), (refills, returns))
    left, drained_from, back = (np.where(who, when, _NEVER)[:, None] for who, when in happening)
    return left, drained_from, back


def _acts(rng: Random, people: pd.DataFrame) -> Array:
    """Draw who makes a transaction in which quarter; some sleepers wake up and stay awake."""
    size = len(people)
    wakes = (rng.random(size) < 0.08) & (people["home"] != Branch.SLEEPING).to_numpy()
    awake_from = np.where(wakes, rng.integers(1, LAST + 1, size), _NEVER)
    awake_from = np.where(people["asleep"], awake_from, 0)
    wealth, habit = people["wealth"], rng.beta(7, 1, size)
    habit = np.select([wealth < 100, wealth > 500_000], [habit * 0.8, 0.95], habit)
    often = rng.random((size, LAST + 1)) < habit[:, None]
    return np.asarray(often & (awake_from[:, None] <= TIMES))


def _acted_before(rng: Random, people: pd.DataFrame, acted_on: Days) -> Days:
    """Return the last activity by the opening quarter; no day for those who never acted."""
    size = len(people)
    rich = people["wealth"].to_numpy() > 1000
    first = np.where(rich, np.datetime64("2021-11-01"), np.datetime64("2016-01-01"))
    days = (np.datetime64("2025-02-20") - first).astype(int)
    long_ago = first + (rng.random(size) * days).astype("m8[D]")
    long_ago[~rich & (rng.random(size) < 0.05)] = NO_DAY
    recent = STARTS[0] - rng.integers(1, 80, size).astype("m8[D]")
    before = np.where(people["asleep"], long_ago, np.fmax(recent, acted_on))
    return np.where(people["arrived"] > 0, NO_DAY, before)


def _branches(rng: Random, people: pd.DataFrame, operating: int) -> Array:
    """Return the owning branch by customer and quarter: a merger, and a few who move."""
    home = people["home"].to_numpy()[:, None]
    merged_away = home >= operating
    branch = np.where(merged_away & (TIMES >= MERGER), Branch.MERGED, home)
    ordinary = (home == Branch.MAIN) | ((home > Branch.MERGED) & ~merged_away)
    moves = ordinary[:, 0] & (people["arrived"] == 0) & (rng.random(len(people)) < 0.012)
    moved_in = np.where(moves, rng.integers(1, LAST + 1, len(people)), _NEVER)[:, None]
    # Those who move in the last quarter follow the new branch; earlier ones go to headquarters.
    target = np.where(moved_in == LAST, Branch.OPENED, Branch.MAIN)
    return np.where(moved_in <= TIMES, target, branch)
