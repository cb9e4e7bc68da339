"""The accounts of the sample bank: what everybody holds, in cents, quarter by quarter.

A customer has one level of wealth, which moves with the season and by chance, but only in
quarters with activity. Investments take a share of it; the rest lies in the demand deposit.
Loans, credit cards and services are none of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from stockcust_analysis.bank.contract import PRODUCTS
from stockcust_analysis.bank.sample import people
from stockcust_analysis.bank.sample.people import ENDS, LAST, TIMES, Array, Branch, Panel, Random

SEASON = np.array([0.97, 0.98, 1.03, 1.09, 1.04, 1.08])
"""Year end and the opening campaign (开门红) lift everybody; the trend is about 5 % a year."""
DEMAND_RATE, TIME_RATE = 0.0005, 0.015


class _Investment(NamedTuple):
    """How an investment moves: in units, for a term in months, fixed at its purchase or not."""

    weight: float
    unit: int
    terms: tuple[int, ...] = ()
    fixed: bool = False
    renewed: bool = False


_INVESTMENTS = {
    "time_deposit": _Investment(1.6, 1000_00, (12, 24, 36), fixed=True, renewed=True),
    "wealth": _Investment(0.8, 100_00, (3, 6, 12), renewed=True),
    "fund": _Investment(0.4, 1),
    "insurance": _Investment(0.4, 1000_00, (60, 120), fixed=True),
    "bond": _Investment(0.4, 100_00, (60,), fixed=True),
    "metal": _Investment(0.2, 1),
    "custody": _Investment(0.3, 100_00),
}


def make_accounts(rng: Random, panel: Panel) -> pd.DataFrame:
    """Return a line for every account and quarter in which it is held, or was just before.

    `owner`, `product` and `time` are positions; `before` and `balance` are in cents.
    """
    held = {product: _held(rng, panel, odds) for product, odds in _odds(panel).items()}
    together = (("fund", "insurance", 0.5), ("payroll", "credit_card", 0.4))
    for first, second, chance in together if panel.effects == "planted" else ():
        # Holders of one product take up another at a later visit.
        odds = np.where(held[first].any(axis=1) & ~held[second].any(axis=1), chance, 0)
        held[second] |= _held(rng, panel, odds, late=1.0)
    invested = np.stack([held.pop(product) for product in _INVESTMENTS])
    weight = np.array([[entry.weight] for entry in _INVESTMENTS.values()]) * invested.any(axis=2)
    weight *= rng.gamma(2, 1, weight.shape)
    share = weight / (weight.sum(axis=0) + 0.2 + rng.gamma(1, 0.6, len(panel.people)))
    level = _levels(rng, panel)
    lines = [_demand_deposits(panel, level * (1 - np.einsum("kct,kc->ct", invested, share)))]
    for product, there, part in zip(_INVESTMENTS, invested, share, strict=True):
        lines.append(_investment(rng, panel, product, there, level * part[:, None]))
    lines.append(_loans(rng, panel, held.pop("loan")))
    used = panel.active & (rng.random(panel.active.shape) < 0.75)
    owed = np.round(2500_00 * np.exp(rng.normal(0, 0.9, used.shape))) * used
    for product, there in held.items():
        card = product == "credit_card"
        opened_on = _opened_on(rng, panel, there)
        more = {"opened_on": opened_on, "used_recently": used if card else panel.active}
        lines.append(_lines(panel, product, there, owed if card else np.zeros_like(owed), **more))
    return pd.concat(lines)


def average(accounts: pd.DataFrame, panel: Panel, starts: people.Days) -> Array:
    """Return the daily average since `starts` in cents, each balance changing on one known day.

    30 days, 100 CNY until the 21st and 400 CNY from then on: (20 × 100 + 10 × 400) / 30 = 200.
    """
    time, before = accounts["time"].to_numpy(), accounts["before"].to_numpy()
    days = (ENDS - starts).astype(int)[time] + 1
    since_step = (ENDS[time] - panel.stepped_on[accounts["owner"], time]).astype(int) + 1
    change = (accounts["balance"].to_numpy() - before) * np.minimum(since_step, days)
    return np.asarray(before + change // days)


def interest_for_a_quarter(balance: Array) -> Array:
    """Return a quarter's interest on demand deposits in cents: at least one.

    >>> interest_for_a_quarter(np.array([800_000, 50])).tolist()  # 8,000 CNY × 0.05 % / 4 = 1 CNY
    [100, 1]
    """
    return np.maximum(np.round(balance * DEMAND_RATE / 4).astype(np.int64), 1)


def _odds(panel: Panel) -> dict[str, Array]:
    """Return how likely everybody takes a product up; one branch sells hardly any but deposits."""
    owners = panel.people if panel.effects != "none" else people.alike(panel.people)
    wealth, age, asleep, merchant = (owners[n] for n in ("wealth", "age", "asleep", "merchant"))
    eager = np.where(owners["home"] == Branch.SINGLE_PRODUCT, 0.12, 1.0)
    business = merchant | owners["farmer"] | owners["executive"]
    stays = panel.open[:, LAST] & ~panel.drained.any(axis=1) & ~asleep
    stays |= panel.effects == "none"
    borrows = stays & age.between(22, 65) & (wealth > 100)
    employed = age.between(20, 60) & ~merchant & ~asleep & (wealth > 100)
    odds = {
        # Money that sleeps sleeps in time deposits: an elder's five years, untouched.
        "time_deposit": np.where(asleep, 1, 0.5) * (wealth > 3_000),
        "wealth": 0.18 * eager * (wealth > 10_000),
        "fund": 0.07 * eager * (wealth > 5_000),
        "insurance": 0.07 * eager * (wealth > 5_000),
        "bond": 0.025 * eager * (wealth > 5_000),
        "metal": 0.012 * eager * (wealth > 10_000),
        "custody": 0.3 * eager * (wealth > 2_000_000),
        "loan": np.where(business, 0.16, 0.05) * eager * borrows,
        "credit_card": 0.07 * eager * borrows,
        "merchant_acquiring": 0.5 * eager * (merchant & ~asleep),
        "payroll": 0.15 * eager * employed,
        "mobile_banking": 0.3 * ~asleep,
        "sms": 0.1 * ~asleep,
        "etc": 0.04 * ~asleep,
        # A sleeper may well hold a social-security card: dormancy rules exempt it.
        "social_security_card": np.full(len(owners), 0.25),
    }
    return {product: np.asarray(chance) for product, chance in odds.items()}


def _held(rng: Random, panel: Panel, odds: Array, *, late: float = 0.12) -> Array:
    """Draw who takes a product up, on arrival or at a later visit, until they drain or leave."""
    size = len(odds)
    later = np.where(rng.random(size) < late, rng.integers(1, LAST + 1, size), 0)
    wanted = np.maximum(later, panel.people["arrived"].to_numpy())[:, None]
    visits = (panel.active | (wanted == 0)) & (wanted <= TIMES)
    kept = panel.open & ~np.logical_or.accumulate(panel.drained, axis=1)
    likes = (rng.random(size) < odds)[:, None]
    return np.asarray(likes & kept & np.logical_or.accumulate(visits, axis=1))


def _levels(rng: Random, panel: Panel) -> Array:
    """Return each customer's total assets in CNY by quarter; without activity nothing moves."""
    owners = panel.people
    walk = rng.normal(0, 0.12, panel.active.shape).cumsum(axis=1) - 0.007 * TIMES
    level = owners["wealth"].to_numpy()[:, None] * SEASON * np.exp(walk)
    level[(owners["home"] == Branch.NEW_MONEY) & (owners["arrived"] < LAST), LAST] *= 0.78
    if panel.effects == "planted":
        level[owners["campaign"], LAST] *= people.CAMPAIGN_LIFT
    last_moved = np.maximum.accumulate(np.where(panel.active, TIMES, 0), axis=1)
    return np.take_along_axis(level, last_moved, axis=1)


def _lines(panel: Panel, product: str, held: Array, balance: Array, **more: Array) -> pd.DataFrame:
    """Put one product's arrays over (customer, quarter) or (customer,) into lines."""
    owner, before = np.nonzero((held[:, 1:] | held[:, :-1]) & panel.needed[1:])
    now = (owner, before + 1)
    cents = (balance * held).astype(np.int64)
    columns = {"owner": owner, "product": PRODUCTS.index(product), "time": now[1]}
    columns |= {"held": held[now], "before": cents[owner, before], "balance": cents[now]}
    for name, values in more.items():
        cells = values[now[: values.ndim]]
        columns[name] = pd.array(cells, "boolean") if values.dtype == bool else cells
    return pd.DataFrame(columns)


def _demand_deposits(panel: Panel, worth: Array) -> pd.DataFrame:
    """Follow demand deposits: moved by their owners, otherwise only interest is posted."""
    target = np.round(worth * 100).astype(np.int64)
    balance = np.where(panel.drained, np.minimum(target // 300, 80_00), target) * panel.open
    for time in TIMES[1:]:
        before = balance[:, time - 1]
        resting = ~panel.active[:, time] & panel.open[:, time]
        with_interest = before + interest_for_a_quarter(before)
        balance[:, time] = np.where(resting, with_interest, balance[:, time])
    days = {"opened_on": panel.relationship_since, "last_active_on": panel.last_active_on}
    return _lines(panel, "demand_deposit", panel.open, balance, **days)


def _investment(rng: Random, panel: Panel, product: str, held: Array, worth: Array) -> pd.DataFrame:
    """Follow one investment: fixed at its purchase, or moving with the customer's total."""
    kind, asleep = _INVESTMENTS[product], panel.people["asleep"].to_numpy()
    if kind.fixed:
        worth = np.take_along_axis(worth, held.argmax(axis=1)[:, None], axis=1)
    balance = np.maximum(np.round(worth * 100 / kind.unit), 1) * kind.unit
    if not kind.terms:
        return _lines(panel, product, held, balance, opened_on=_opened_on(rng, panel, held))
    terms = rng.choice(kind.terms, len(held))
    if product == "time_deposit":
        terms = np.where(asleep & (panel.people["age"] >= 66), 60, terms)
    # What is not renewed was bought late enough not to mature within these quarters.
    opened_on = _opened_on(rng, panel, held, terms if kind.renewed else terms - 18)
    matures_on, rounds = _maturity(opened_on, terms, renewed=kind.renewed)
    more = {"opened_on": opened_on, "matures_on": matures_on}
    if kind.renewed:
        more["rolls_over"] = np.asarray(asleep | (rng.random(len(held)) < 0.8))
    if product == "time_deposit":
        balance = np.round(balance * (1 + TIME_RATE * terms[:, None] / 12) ** rounds)
    return _lines(panel, product, held, balance, **more)


def _loans(rng: Random, panel: Panel, held: Array) -> pd.DataFrame:
    """Follow loans, paid back in equal parts every quarter."""
    parts = rng.choice([8, 12, 20, 40], len(held))
    principal = np.round(60 * np.exp(rng.normal(0, 0.9, len(held))) + 5).astype(int) * 1000_00
    opened_on = _opened_on(rng, panel, held, 3 * parts)
    matures_on, _ = _maturity(opened_on, 3 * parts, renewed=False)
    paid = np.minimum((ENDS - opened_on[:, None]).astype(int) // 91, parts[:, None])
    balance = principal[:, None] - principal[:, None] * paid // parts[:, None]
    more = {"opened_on": opened_on, "matures_on": matures_on}
    return _lines(panel, "loan", held & (balance > 0), balance, **more)


def _opened_on(rng: Random, panel: Panel, held: Array, months: Array | int = 200) -> people.Days:
    """Draw the opening day: a visit in these quarters, or a day in the months before them."""
    last = np.fmax(panel.last_active_on[:, 0], panel.relationship_since)
    before = people.STARTS[0] - np.asarray(months * 30, "m8[D]")
    earliest = np.minimum(np.maximum(before, panel.relationship_since), last)
    earlier = earliest + (rng.random(len(last)) * (last - earliest).astype(int)).astype("m8[D]")
    first = held.argmax(axis=1)
    return np.asarray(np.where(first == 0, earlier, panel.stepped_on[np.arange(len(first)), first]))


def _maturity(opened_on: Array, terms: Array, *, renewed: bool) -> tuple[Array, Array]:
    """Return the next maturity by quarter, and how often the account was renewed by then."""
    month, terms = opened_on.astype("M8[M]")[:, None], terms[:, None]
    rounds = np.maximum((ENDS.astype("M8[M]") - month).astype(int), 0) // terms * renewed
    first_of_month = (month + (terms * (rounds + 1)).astype("m8[M]")).astype("M8[D]")
    day = np.minimum((opened_on[:, None] - month.astype("M8[D]")).astype(int), 27)
    return first_of_month + day.astype("m8[D]"), rounds
