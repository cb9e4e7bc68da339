"""The assets of the sample bank's customers (AUM): deposits, wealth, funds and the like.

A customer has one level of wealth, which moves with the season and by chance, but only in
quarters with activity. Investments take a share of it; the rest lies in the demand deposit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from stockcust_analysis.bank.sample_accounts import (
    Accounts,
    eagerness,
    of_owners,
    opened_on,
    taken_up,
)
from stockcust_analysis.bank.sample_panel import Panel
from stockcust_analysis.bank.sample_people import ENDS, LAST, NEW_MONEY, STARTS, Array, Days

SEASON = np.array([0.97, 0.98, 1.03, 1.09, 1.05, 1.08])
"""Year end and the opening campaign (开门红) lift everybody; the trend is about 5 % a year."""
HARVEST = np.array([0.97, 0.97, 1.08, 1.02, 0.94, 0.98])
"""Farmers sell in autumn and buy seed and fertiliser in spring."""
DEMAND_RATE = 0.0005
TIME_RATE = 0.015


@dataclass(frozen=True)
class _Asset:
    """How common an investment is, from which wealth on, and how it moves."""

    product: str
    odds: float
    from_wealth: int
    weight: float
    unit: int
    terms: tuple[int, ...] = ()
    fixed: bool = False
    rolls: bool = False


_ASSETS = (
    _Asset("time_deposit", 0.50, 3_000, 1.6, 1000_00, (12, 24, 36), fixed=True, rolls=True),
    _Asset("wealth", 0.15, 10_000, 0.8, 100_00, (3, 6, 12), rolls=True),
    _Asset("fund", 0.05, 5_000, 0.4, 1),
    _Asset("insurance", 0.05, 5_000, 0.4, 1000_00, (60, 120), fixed=True),
    _Asset("bond", 0.025, 5_000, 0.4, 100_00, (60,), fixed=True),
    _Asset("metal", 0.012, 10_000, 0.2, 1),
    _Asset("custody", 0.30, 2_000_000, 0.3, 100_00),
)


def make_assets(rng: np.random.Generator, people: pd.DataFrame, panel: Panel) -> list[Accounts]:
    """Open everybody's accounts under management and follow their balances through the quarters."""
    level = _levels(rng, people, panel)
    held, share = _portfolio(rng, people, panel)
    in_demand = 1 - np.einsum("kct,kc->ct", held, share)
    demand = _demand_deposits(people, panel, level * in_demand)
    investments = [
        _investment(rng, asset, people, panel, held[k], level * share[k][:, None])
        for k, asset in enumerate(_ASSETS)
    ]
    return [of_owners(accounts) for accounts in (demand, *investments)]


def _levels(rng: np.random.Generator, people: pd.DataFrame, panel: Panel) -> Array:
    """Return each customer's total assets in CNY by quarter; without activity nothing moves."""
    wealth = people["wealth"].to_numpy()
    season = np.where(people["farmer"].to_numpy()[:, None], SEASON * HARVEST, SEASON)
    walk = rng.normal(0, 0.12, season.shape).cumsum(axis=1)
    level = wealth[:, None] * season * np.exp(walk - 0.007 * np.arange(LAST + 1))
    shrinking = (people["home"] == NEW_MONEY) & (people["arrived"] < LAST)
    level[shrinking, LAST] *= 0.78
    for quarter in range(1, LAST + 1):
        idle = ~panel.active[:, quarter]
        level[idle, quarter] = level[idle, quarter - 1]
    return np.asarray(level)


def _portfolio(rng: np.random.Generator, people: pd.DataFrame, panel: Panel) -> tuple[Array, Array]:
    """Return which investment is held when (asset, customer, quarter), and its share of assets."""
    size = len(people)
    wealth, asleep = people["wealth"].to_numpy(), people["asleep"].to_numpy()
    weights = np.zeros((len(_ASSETS), size))
    held = np.zeros((len(_ASSETS), size, LAST + 1), bool)
    gone = np.maximum.accumulate(panel.drained, axis=1)
    for k, asset in enumerate(_ASSETS):
        odds = asset.odds * np.where(people["age"] > 60, 1.15, 1) * eagerness(people)
        if asset.product == "time_deposit":
            # Money that sleeps sleeps in time deposits: an elder's five years, untouched.
            odds = np.where(asleep, 1, asset.odds)
        has = (rng.random(size) < odds) & (wealth > asset.from_wealth)
        since = taken_up(rng, people, panel)
        held[k] = has[:, None] & (np.arange(LAST + 1) >= since[:, None]) & panel.open & ~gone
        weights[k] = has * asset.weight * rng.gamma(2, 1, size)
    in_demand = 0.2 + rng.gamma(1, 0.6, size)
    return held, weights / (weights.sum(axis=0) + in_demand)


def _investment(
    rng: np.random.Generator,
    asset: _Asset,
    people: pd.DataFrame,
    panel: Panel,
    held: Array,
    worth: Array,
) -> Accounts:
    """Follow one investment: fixed at its purchase, or moving with the customer's total."""
    everybody = np.arange(len(people))
    if asset.fixed:
        worth = worth[everybody, held.argmax(axis=1)][:, None]
    units = np.maximum(np.round(worth * 100 / asset.unit), 1).astype(np.int64)
    accounts = Accounts(
        asset.product, everybody, held, units * asset.unit * held, opened_on(rng, panel, held)
    )
    return _with_term(rng, asset, people, panel, accounts) if asset.terms else accounts


def _with_term(
    rng: np.random.Generator, asset: _Asset, people: pd.DataFrame, panel: Panel, accounts: Accounts
) -> Accounts:
    """Give accounts a term and a maturity; a time deposit earns its interest when it rolls over."""
    asleep = people["asleep"].to_numpy()
    terms = rng.choice(asset.terms, len(people))
    if asset.product == "time_deposit":
        terms = np.where(asleep & (people["age"] >= 66), 60, terms)
    rolls_over = ((rng.random(len(people)) < 0.8) | asleep) & asset.rolls
    # What cannot roll over was bought late enough not to mature within these quarters.
    since = _within_months(rng, panel, terms if asset.rolls else terms - 18)
    since = np.where(accounts.held.argmax(axis=1) == 0, since, accounts.opened_on)
    matures_on, rounds = _maturity(since, terms, rolls_over)
    balance = accounts.balance
    if asset.product == "time_deposit":
        balance = np.round(balance * (1 + TIME_RATE * terms[:, None] / 12) ** rounds)
    return replace(
        accounts,
        balance=balance.astype(np.int64),
        opened_on=since,
        matures_on=matures_on,
        rolls_over=rolls_over if asset.rolls else None,
    )


def _within_months(rng: np.random.Generator, panel: Panel, months: Array) -> Days:
    """Draw an opening day in the months before the first quarter, never after the last visit."""
    last_visit = panel.last_active_on[:, 0]
    earliest = np.maximum(panel.relationship_since, STARTS[0] - (months * 30).astype("m8[D]"))
    days = np.maximum((last_visit - earliest).astype(int), 0)
    drawn = earliest + (rng.random(len(months)) * days).astype("m8[D]")
    return np.where(np.isnat(last_visit), panel.relationship_since, np.minimum(drawn, last_visit))


def _maturity(opened_on: Days, terms: Array, rolls_over: Array) -> tuple[Days, Array]:
    """Return the next maturity by quarter, and how often the account has rolled over by then."""
    month = opened_on.astype("M8[M]")
    day = np.minimum((opened_on - month.astype("M8[D]")).astype(int), 27)
    elapsed = (ENDS.astype("M8[M]") - month[:, None]).astype(int)
    rounds = np.where(rolls_over[:, None], np.maximum(elapsed, 0) // terms[:, None], 0)
    matures_in = month[:, None] + (terms[:, None] * (rounds + 1)).astype("m8[M]")
    return matures_in.astype("M8[D]") + day[:, None].astype("m8[D]"), rounds


def _demand_deposits(people: pd.DataFrame, panel: Panel, worth: Array) -> Accounts:
    """Follow demand deposits: moved by their owners, otherwise only interest is posted."""
    target = np.round(worth * 100).astype(np.int64)
    target = np.where(panel.drained, np.minimum(target // 300, 80_00), target)
    balance = target * panel.open
    for quarter in range(1, LAST + 1):
        before = balance[:, quarter - 1]
        resting = ~panel.active[:, quarter] & panel.open[:, quarter]
        balance[resting, quarter] = (before + interest_for_a_quarter(before))[resting]
    owner = np.arange(len(people))
    return Accounts("demand_deposit", owner, panel.open, balance, panel.relationship_since)


def interest_for_a_quarter(balance: Array) -> Array:
    """Return a quarter's interest on demand deposits in cents: at least one.

    >>> interest_for_a_quarter(np.array([800_000, 50])).tolist()  # 8,000 CNY × 0.05 % / 4 = 1 CNY
    [100, 1]
    """
    return np.maximum(np.round(balance * DEMAND_RATE / 4).astype(np.int64), 1)
