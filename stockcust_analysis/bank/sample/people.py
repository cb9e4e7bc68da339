"""The people of the sample bank, with what never changes of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stockcust_analysis.bank.sample.branches import Array, Branch, Random
from stockcust_analysis.bank.sample.quarters import ENDS, LAST, MERGER, TIMES

TINY_CUSTOMERS = 24
_PULL = {"urban": 1.5, "county": 1.1, "township": 0.8}
_CHANNELS = {"lobby": 0.4, "outreach": 0.16, "payroll": 0.1, "referral": 0.09, "online": 0.07,
             "unknown": 0.18}  # fmt: skip
_EXCLUSIONS = {"none": 0.985, "deceased": 0.004, "frozen": 0.002, "staff": 0.009}


def make_people(rng: Random, branches: pd.DataFrame, customers: int) -> pd.DataFrame:
    """Draw everybody who is a customer in at least one quarter, ordered by arrival.

    Beside contract columns stand the first branch (`home`), the quarter of arrival (`arrived`; 0
    is before), the usual assets in CNY (`wealth`), and who sleeps or is a farmer, merchant, ….
    """
    people = _arrivals(rng, branches, customers)
    size, home = len(people), people["home"].to_numpy()
    kind = branches["type"].to_numpy()[home]
    before, new = (people["arrived"].to_numpy() == time for time in (0, LAST))
    age = np.clip(rng.normal(50, 16, size), 15, 95)
    corporate = rng.random(size) < 0.015
    trader = ~corporate & (age >= 20) & (rng.random(size) < 0.08)
    wealth = _wealth(rng, kind, age, corporate)
    _plant_ten_largest(rng, wealth, (home == Branch.CONCENTRATED) & before & ~corporate)
    # At one branch, the newcomers of the last quarter bring over a fifth of its assets.
    here = home == Branch.NEW_MONEY
    wealth[here & new] *= 0.22 * wealth[here & ~new].sum() / wealth[here & new].sum()
    sleepy = np.where(wealth < 100, 0.55, np.where(age >= 66, 0.15, 0.04))
    sleepy[(home == Branch.TINY) | (wealth > 500_000)] = 0
    sleepy[(home == Branch.SLEEPING) & (wealth > 1000)] = 0.55
    people = people.assign(
        customer_id=[f"C{number:07d}" for number in range(1, size + 1)],
        customer_type=np.select([corporate, trader], ["corporate", "sole_trader"], "personal"),
        wealth=wealth,
        age=age,
        asleep=before & (rng.random(size) < sleepy),
        farmer=rng.random(size) < np.where(kind == "township", 0.45, 0.1),
        merchant=trader | ((age >= 20) & (rng.random(size) < 0.06)),
        executive=(age >= 20) & (rng.random(size) < np.where(wealth > 200_000, 0.3, 0.015)),
        books_at_main=rng.random(size) < 0.03,
        acquisition_channel=rng.choice([*_CHANNELS], size, p=[*_CHANNELS.values()]),
        do_not_contact=rng.random(size) < 0.02,
    )
    personal = _personal_columns(rng, people)
    _plant_second_numbers(rng, people, personal)
    return people.join(personal[~corporate])


def _arrivals(rng: Random, branches: pd.DataFrame, customers: int) -> pd.DataFrame:
    """Draw first branches and arrivals: most were there before, 2.5 % more come every quarter."""
    total = len(branches)
    early = rng.lognormal(0, 0.3, total) * branches["type"].map(_PULL).to_numpy()
    early[[Branch.TINY, Branch.OPENED]] = 0
    late = early.copy()
    early[Branch.MERGED] = late[-2:] = 0
    arrived = np.repeat(TIMES, [customers * 96 // 100 - TINY_CUSTOMERS, *[customers // 40] * LAST])
    draws = [rng.choice(total, len(arrived), p=pull / pull.sum()) for pull in (early, late)]
    extra = max(30, customers // (total - 2) // 5)
    places = [Branch.TINY, Branch.OPENED, Branch.NEW_MONEY]
    planted = np.repeat(places, [TINY_CUSTOMERS, 2 * extra, extra])
    home = np.append(np.where(arrived < MERGER, *draws), planted)
    arrived = np.append(arrived, np.where(planted == Branch.TINY, 0, LAST))
    people = pd.DataFrame({"home": home, "arrived": arrived})
    return people.sort_values("arrived", kind="stable", ignore_index=True)


def _wealth(rng: Random, kind: Array, age: Array, corporate: Array) -> Array:
    """Draw each customer's usual assets in CNY: empty accounts, a lognormal body, a Pareto tail."""
    size = len(age)
    body = 16_000 * np.exp(1.3 * rng.normal(size=size))
    body *= np.select([kind == "urban", kind == "county"], [1.3, 1.05], 0.85)
    body *= np.where(age > 55, 1.25, 1) * np.where(corporate, 3, 1)
    largest = np.where(kind == "urban", 6e6, 1.5e6)
    tail = np.minimum(200_000 * (1 + rng.pareto(1.5, size)), largest)
    wealth = np.where(rng.random(size) < 0.014, tail, np.minimum(body, largest))
    return np.where(rng.random(size) < 0.29, rng.uniform(0.5, 95, size), wealth)


def _plant_ten_largest(rng: Random, wealth: Array, eligible: Array) -> None:
    """Give ten customers of one branch about two thirds of its assets, in place."""
    there = np.flatnonzero(eligible)
    ten = there[np.argsort(wealth[there])[-10:]]
    others = wealth[there].sum() - wealth[ten].sum()
    wealth[ten] = 2.8 * others / 10 * rng.uniform(0.7, 1.3, len(ten))


def _personal_columns(rng: Random, people: pd.DataFrame) -> pd.DataFrame:
    """Return what only a natural person has: birth date, gender, groups, household."""
    size, age = len(people), people["age"].to_numpy()
    gender = rng.choice(["female", "male"], size)
    groups = {
        "executives": people["executive"],
        "seniors": age >= 60,
        "merchants": people["merchant"],
        "women": (gender == "female") & (age >= 25) & (age < 60),
        "farmers": people["farmer"],
    }
    # A household never spans two branches; about two thirds of all customers share one.
    branches = people["home"].max() + 1
    household = people["home"] + branches * pd.Series(rng.integers(0, size // branches, size))
    together = household.duplicated(keep=False)
    words = [np.where(member, f"{name};", "").astype(object) for name, member in groups.items()]
    excluded = rng.choice([*_EXCLUSIONS], size, p=[*_EXCLUSIONS.values()])
    excluded[age < 18] = "minor"
    return pd.DataFrame(
        {
            "birth_date": ENDS[LAST] - (age * 365.25).astype("m8[D]"),
            "gender": gender,
            "groups": pd.Series(np.sum(words, axis=0), dtype=str).str.rstrip(";"),
            "household_id": household.map("H{:07d}".format).where(together),
            "person_id": people["customer_id"].str.replace("C", "P"),
            "exclusion": pd.Series(excluded).replace("none", None),
        }
    )


def _plant_second_numbers(rng: Random, people: pd.DataFrame, personal: pd.DataFrame) -> None:
    """Give one person in a thousand a second customer number, in place."""
    natural = (people["customer_type"] == "personal") & (people["age"] >= 20) & ~people["asleep"]
    drawn = rng.permutation(np.flatnonzero(natural & (people["home"] != Branch.CONCENTRATED)))
    first, second = drawn[: 2 * max(1, len(people) // 1000)].reshape(2, -1)
    for column in ("person_id", "birth_date", "gender", "groups"):
        personal.loc[second, column] = personal.loc[first, column].to_numpy()
    people.loc[second, "age"] = people.loc[first, "age"].to_numpy()
