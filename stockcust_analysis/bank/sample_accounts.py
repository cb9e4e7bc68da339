"""An account of the sample bank, and what all products share: opening, holding, daily averages.

Balances are whole cents (分) in arrays over (owner, quarter); they become CNY only in the tables.
Between two quarters a balance changes on one day, so that a daily average is a sum of two terms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from stockcust_analysis.bank.contract import PRODUCTS
from stockcust_analysis.bank.sample_panel import Panel
from stockcust_analysis.bank.sample_people import ENDS, LAST, NEVER, SINGLE_PRODUCT, Array, Days


@dataclass(frozen=True)
class Accounts:
    """All accounts of one product.

    `owner` is the customer's row; `held`, `balance`, `matures_on` and `used` go by quarter too.
    """

    product: str
    owner: Array
    held: Array
    balance: Array
    opened_on: Days
    matures_on: Days | None = None
    rolls_over: Array | None = None
    used: Array | None = None


def of_owners(accounts: Accounts) -> Accounts:
    """Drop the customers who never hold the product."""
    keep = np.flatnonzero(accounts.held[:, 1:].any(axis=1))
    columns = ("owner", "held", "balance", "opened_on", "matures_on", "rolls_over", "used")
    rows = {name: getattr(accounts, name) for name in columns}
    return replace(accounts, **{n: array[keep] for n, array in rows.items() if array is not None})


def eagerness(people: pd.DataFrame) -> Array:
    """Return the factor on every product but deposits: one branch hardly sells any."""
    return np.where(people["home"] == SINGLE_PRODUCT, 0.12, 1.0)


def taken_up(rng: np.random.Generator, people: pd.DataFrame, panel: Panel) -> Array:
    """Draw the quarter a product is taken up: mostly on arrival, otherwise at a later visit."""
    size = len(people)
    arrived = people["arrived"].to_numpy()
    wanted = np.where(rng.random(size) < 0.12, rng.integers(1, LAST + 1, size), arrived)
    wanted = np.maximum(wanted, arrived)
    visits = panel.active & (np.arange(LAST + 1) >= wanted[:, None])
    first_visit = np.where(visits.any(axis=1), visits.argmax(axis=1), NEVER)
    return np.asarray(np.where(wanted == 0, 0, first_visit))


def opened_on(rng: np.random.Generator, panel: Panel, held: Array) -> Days:
    """Return the opening day: the visit in the quarter of opening, or some day before the first."""
    first = held.argmax(axis=1)
    before = panel.last_active_on[:, 0].copy()
    before[np.isnat(before)] = panel.relationship_since[np.isnat(before)]
    days = (before - panel.relationship_since).astype(int)
    earlier = panel.relationship_since + (rng.random(len(first)) * days).astype("m8[D]")
    at_visit = panel.stepped_on[np.arange(len(first)), first]
    return np.asarray(np.where(first == 0, earlier, at_visit))


def average(accounts: Accounts, panel: Panel, starts: Array) -> Array:
    """Return the daily average since `starts` in cents, each balance changing on one known day.

    30 days, 100 CNY until the 21st and 400 CNY from then on: (20 × 100 + 10 × 400) / 30 = 200.
    """
    before = np.hstack([accounts.balance[:, :1], accounts.balance[:, :-1]])
    days = (ENDS - starts).astype(int) + 1
    since_step = (ENDS - panel.stepped_on[accounts.owner]).astype(int) + 1
    change = (accounts.balance - before) * np.minimum(since_step, days)
    return np.asarray(before + change // days)


def code_of(product: str) -> int:
    """Return the two-digit product number inside an account number."""
    return PRODUCTS.index(product) + 10
