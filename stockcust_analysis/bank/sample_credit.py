"""What the customers of the sample bank hold besides assets: loans, credit cards, services."""

from __future__ import annotations

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
from stockcust_analysis.bank.sample_people import ENDS, LAST, SINGLE_PRODUCT, Array

_SERVICES = {
    "merchant_acquiring": 0.5,
    "payroll": 0.12,
    "mobile_banking": 0.30,
    "sms": 0.10,
    "etc": 0.04,
    "social_security_card": 0.25,
}


def make_contracts(rng: np.random.Generator, people: pd.DataFrame, panel: Panel) -> list[Accounts]:
    """Grant loans and cards and sign up for services; none of them is part of AUM."""
    borrowing = [_loans(rng, people, panel), _credit_cards(rng, people, panel)]
    services = [_service(rng, product, people, panel) for product in _SERVICES]
    return [of_owners(accounts) for accounts in (*borrowing, *services)]


def _borrowers(people: pd.DataFrame, panel: Panel) -> Array:
    """Return who may borrow: of working age, awake, and with the bank to the end."""
    stays = panel.open[:, LAST] & ~panel.drained.any(axis=1) & ~people["asleep"]
    return np.asarray(stays & people["age"].between(22, 65) & (people["wealth"] > 100))


def _loans(rng: np.random.Generator, people: pd.DataFrame, panel: Panel) -> Accounts:
    """Follow loans, paid back in equal parts every quarter."""
    size = len(people)
    business = people["merchant"] | people["farmer"] | people["executive"]
    odds = np.where(business, 0.16, 0.05) * np.where(people["home"] == SINGLE_PRODUCT, 0.3, 1)
    has = (rng.random(size) < odds) & _borrowers(people, panel)
    parts = rng.choice([8, 12, 20, 40], size)
    paid_before = (rng.random(size) * parts).astype(int)
    principal = np.round(60 * np.exp(rng.normal(0, 0.9, size)) + 5).astype(np.int64) * 1000_00
    since = taken_up(rng, people, panel)
    paid = np.arange(LAST + 1) - since[:, None] + np.where(since == 0, paid_before, 0)[:, None]
    held = has[:, None] & panel.open & (paid >= 0) & (paid < parts[:, None])
    balance = principal[:, None] * (parts[:, None] - paid) // parts[:, None] * held
    opened = ENDS[np.minimum(since, LAST)].astype("M8[M]")
    opened = opened - (3 * np.where(since == 0, paid_before, 0)).astype("m8[M]")
    matures_on = (opened + (3 * parts).astype("m8[M]")).astype("M8[D]")
    granted_on = np.maximum(opened.astype("M8[D]"), panel.relationship_since)
    by_quarter = np.repeat(matures_on[:, None], LAST + 1, axis=1)
    return Accounts("loan", np.arange(size), held, balance, granted_on, by_quarter)


def _credit_cards(rng: np.random.Generator, people: pd.DataFrame, panel: Panel) -> Accounts:
    """Follow credit cards: the amount owed at the quarter's end, nothing when the card rests."""
    size = len(people)
    has = (rng.random(size) < 0.07 * eagerness(people)) & _borrowers(people, panel)
    since = taken_up(rng, people, panel)
    held = has[:, None] & panel.open & (np.arange(LAST + 1) >= since[:, None])
    used = panel.active & (rng.random(held.shape) < 0.75)
    owed = np.round(2500_00 * np.exp(rng.normal(0, 0.9, held.shape))).astype(np.int64)
    return Accounts(
        "credit_card",
        np.arange(size),
        held,
        owed * used * held,
        opened_on(rng, panel, held),
        used=used,
    )


def _service(
    rng: np.random.Generator, product: str, people: pd.DataFrame, panel: Panel
) -> Accounts:
    """Follow a contract that never has a balance: payroll, acquiring, a channel or a card."""
    size = len(people)
    fits = {
        "merchant_acquiring": people["merchant"],
        "payroll": people["age"].between(20, 60) & ~people["merchant"] & (people["wealth"] > 100),
    }.get(product, people["age"] > 0)
    slow = product in ("merchant_acquiring", "payroll")
    odds = _SERVICES[product] * (eagerness(people) if slow else 1)
    # A sleeper may well hold a social-security card: dormancy rules exempt it.
    awake = ~people["asleep"] | (product == "social_security_card")
    has = (rng.random(size) < odds) & (fits & awake).to_numpy()
    since = taken_up(rng, people, panel)
    held = has[:, None] & panel.open & (np.arange(LAST + 1) >= since[:, None])
    nothing = np.zeros(held.shape, np.int64)
    since_day = opened_on(rng, panel, held)
    return Accounts(product, np.arange(size), held, nothing, since_day, used=panel.active)
