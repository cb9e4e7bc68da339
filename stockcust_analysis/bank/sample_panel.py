"""Who is a customer of the sample bank in which quarter, at which branch, and active or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stockcust_analysis.bank.sample_people import (
    CONCENTRATED,
    ENDS,
    LAST,
    MAIN,
    MERGED,
    MERGER,
    NEVER,
    OPENED,
    SLEEPING,
    STARTS,
    TINY,
    Array,
    Days,
)


@dataclass(frozen=True)
class Panel:
    """Who is there, where and active, by customer and quarter; both axes as in `QUARTERS`.

    `branch` holds branch positions; `present` counts the quarter of leaving, `open` does not;
    `drained` is true while the money is gone; `stepped_on` is the one day of the quarter on which
    the customer's balances change.
    """

    branch: Array
    relationship_since: Days
    closed_on: Days
    present: Array
    open: Array
    active: Array
    drained: Array
    last_active_on: Days
    stepped_on: Days
    active_transactions: Array


def make_panel(rng: np.random.Generator, people: pd.DataFrame, *, operating: int) -> Panel:
    """Follow everybody through the quarters: arriving, acting, draining, returning, leaving.

    `operating` is the number of branches still open; the two after them are merged away.
    """
    columns = np.arange(LAST + 1)
    arrived = people["arrived"].to_numpy()
    left, drained_from, back = _departures(rng, people)
    present = (columns >= arrived[:, None]) & (columns <= left[:, None])
    turning = [times[:, None] == columns for times in (left, drained_from, back)]
    turning.append((arrived[:, None] == columns) & (columns > 0))
    active = (_acts(rng, people) | np.logical_or.reduce(turning)) & present
    acted_on = STARTS + rng.integers(0, 88, present.shape).astype("m8[D]")
    last_active_on = _last_active_on(rng, people, active, acted_on)
    everybody = np.arange(len(people))
    closed_on = acted_on[everybody, np.minimum(left, LAST)]
    closed_on[left == NEVER] = np.datetime64("NaT")
    known = _known_since(rng, last_active_on[:, 0])
    return Panel(
        branch=_branches(rng, people, operating),
        relationship_since=np.where(arrived == 0, known, acted_on[everybody, arrived]),
        closed_on=closed_on,
        present=present,
        open=present & (columns < left[:, None]),
        active=active,
        drained=(columns >= drained_from[:, None]) & (columns < back[:, None]) & present,
        last_active_on=last_active_on,
        # Interest is posted on the 21st of the last month, whether or not anybody came.
        stepped_on=np.where(active, acted_on, ENDS.astype("M8[M]").astype("M8[D]") + 20),
        active_transactions=np.where(active, 1 + rng.poisson(1.2, present.shape), 0),
    )


def _known_since(rng: np.random.Generator, last_active_on: Days) -> Days:
    """Draw the first day of a relationship: a month to sixteen years before the last activity."""
    last = np.where(np.isnat(last_active_on), np.datetime64("2018-01-01"), last_active_on)
    return np.asarray(last - (30 + rng.integers(0, 5800, len(last))).astype("m8[D]"))


def _departures(rng: np.random.Generator, people: pd.DataFrame) -> tuple[Array, Array, Array]:
    """Draw the quarters in which a customer closes, drains and comes back; NEVER for most."""
    size = len(people)
    arrived, wealth = people["arrived"].to_numpy(), people["wealth"].to_numpy()
    later = rng.integers(1, LAST + 1, (3, size))
    # The planted branches keep their people, so that each tells its own story and no other.
    planted = people["home"].isin([CONCENTRATED, TINY]).to_numpy()
    leaves = (rng.random(size) < np.where(wealth < 100, 0.08, 0.03)) & ~planted
    left = np.where(leaves & (later[0] > arrived), later[0], NEVER)
    drains = (rng.random(size) < 0.06) & (wealth > 500) & ~planted & ~people["asleep"].to_numpy()
    drains &= (later[1] > arrived) & (left == NEVER)
    drained_from = np.where(drains, later[1], NEVER)
    returns = drains & (rng.random(size) < 0.5) & (later[2] > later[1])
    return left, drained_from, np.where(returns, later[2], NEVER)


def _acts(rng: np.random.Generator, people: pd.DataFrame) -> Array:
    """Draw who makes a transaction in which quarter; some sleepers wake up and stay awake."""
    size = len(people)
    asleep = people["asleep"].to_numpy()
    wakes = rng.random(size) < np.where(people["home"] == SLEEPING, 0, 0.08)
    awake_from = np.where(wakes, rng.integers(1, LAST + 1, size), NEVER)
    awake_from = np.where(asleep, awake_from, 0)
    habit = rng.beta(7, 1, size)
    habit = np.where(people["wealth"] < 100, habit * 0.8, habit)
    often = rng.random((size, LAST + 1)) < habit[:, None]
    return np.asarray(often & (np.arange(LAST + 1) >= awake_from[:, None]))


def _last_active_on(
    rng: np.random.Generator, people: pd.DataFrame, active: Array, acted_on: Days
) -> Days:
    """Return the day of the last own transaction by the end of each quarter."""
    last = np.where(active, acted_on, np.datetime64("NaT"))
    last[:, 0] = _acted_before(rng, people, active[:, 0], last[:, 0])
    for quarter in range(1, LAST + 1):
        idle = ~active[:, quarter]
        last[idle, quarter] = last[idle, quarter - 1]
    return last


def _acted_before(rng: np.random.Generator, people: pd.DataFrame, active: Array, on: Days) -> Days:
    """Return the last activity by the opening quarter; NaT for those who never acted."""
    size = len(people)
    rich = people["wealth"].to_numpy() > 1000
    first = np.where(rich, np.datetime64("2021-11-01"), np.datetime64("2016-01-01"))
    days = (np.datetime64("2025-02-20") - first).astype(int)
    long_ago = first + (rng.random(size) * days).astype("m8[D]")
    long_ago[~rich & (rng.random(size) < 0.05)] = np.datetime64("NaT")
    recent = STARTS[0] - rng.integers(1, 80, size).astype("m8[D]")
    before = np.where(people["asleep"], long_ago, np.where(active, on, recent))
    before[people["arrived"] > 0] = np.datetime64("NaT")
    return before


def _branches(rng: np.random.Generator, people: pd.DataFrame, operating: int) -> Array:
    """Return the owning branch by customer and quarter: a merger, and a few who move."""
    home = people["home"].to_numpy()
    branch = np.repeat(home[:, None], LAST + 1, axis=1)
    merged_away = home >= operating
    branch[merged_away, MERGER:] = MERGED
    ordinary = (home == MAIN) | ((home > MERGED) & ~merged_away)
    moves = ordinary & (people["arrived"] == 0).to_numpy() & (rng.random(len(home)) < 0.012)
    moved_in = rng.integers(1, LAST + 1, len(home))
    # Those who move in the last quarter follow the new branch; earlier ones go to headquarters.
    target = np.where(moved_in == LAST, OPENED, MAIN)
    here = moves[:, None] & (np.arange(LAST + 1) >= moved_in[:, None])
    return np.where(here, target[:, None], branch)
