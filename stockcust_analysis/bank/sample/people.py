"""The people of the sample bank, with what never changes of them."""

from __future__ import annotations

from itertools import compress, product

import numpy as np
import pandas as pd

from stockcust_analysis.bank.sample.branches import Array, Branch, Random
from stockcust_analysis.bank.sample.names import drawn, named
from stockcust_analysis.bank.sample.quarters import ENDS, LAST, MERGER, TIMES

TINY_CUSTOMERS = 24
_PULL = {"urban": 1.5, "county": 1.1, "township": 0.8}
_CHANNELS = {
    "lobby": 0.4,
    "outreach": 0.16,
    "payroll": 0.1,
    "referral": 0.09,
    "online": 0.07,
    "unknown": 0.18,
}
_EXCLUSIONS = {"none": 0.985, "deceased": 0.004, "frozen": 0.002, "staff": 0.009, "minor": 0}
_TYPES = ["personal", "sole_trader", "corporate"]
_GROUPS = ["executives", "seniors", "merchants", "women", "farmers"]


def make_people(
    rng: Random, branches: pd.DataFrame, arrivals: pd.DataFrame, *, before: int = 0, digits: int = 7
) -> pd.DataFrame:
    """Draw what never changes of everybody who arrives; `before` customers have numbers already.

    Beside contract columns stand the first branch (`home`), the quarter of arrival (`arrived`; 0
    is before), the usual assets in CNY (`wealth`), and who sleeps or is a farmer, merchant, ….
    """
    size, home = len(arrivals), arrivals["home"].to_numpy()
    numbers = [f"{number:0{digits}d}" for number in range(before, before + size + 1)]
    kind = branches["type"].to_numpy()[home]
    old, new = (arrivals["arrived"].to_numpy() == time for time in (0, LAST))
    age = np.clip(rng.normal(50, 16, size), 15, 95)
    corporate = rng.random(size) < 0.015
    trader = ~corporate & (age >= 20) & (rng.random(size) < 0.08)
    wealth = _wealth(rng, kind, age, corporate)
    _plant_ten_largest(rng, wealth, (home == Branch.CONCENTRATED) & old & ~corporate)
    # At one branch, the newcomers of the last quarter bring over a fifth of its assets.
    here = home == Branch.NEW_MONEY
    if here.any():
        wealth[here & new] *= 0.22 * wealth[here & ~new].sum() / wealth[here & new].sum()
    sleepy = np.where(wealth < 100, 0.55, np.where(age >= 66, 0.15, 0.04))
    sleepy[(home == Branch.TINY) | (wealth > 500_000)] = 0
    sleepy[(home == Branch.SLEEPING) & (wealth > 1000)] = 0.55
    people = arrivals.assign(
        customer_id=named(np.arange(size), [f"C{number}" for number in numbers[1:]]),
        customer_type=named(np.select([corporate, trader], [2, 1], 0), _TYPES),
        wealth=wealth,
        age=age,
        asleep=old & (rng.random(size) < sleepy),
        farmer=rng.random(size) < np.where(kind == "township", 0.45, 0.1),
        merchant=trader | ((age >= 20) & (rng.random(size) < 0.06)),
        executive=(age >= 20) & (rng.random(size) < np.where(wealth > 200_000, 0.3, 0.015)),
        books_at_main=rng.random(size) < 0.03,
        acquisition_channel=drawn(rng, _CHANNELS, size),
        do_not_contact=rng.random(size) < 0.02,
    )
    personal = _personal_columns(rng, people, numbers)
    _plant_second_numbers(rng, people, personal)
    return people.join(personal[~corporate])


def draw_arrivals(rng: Random, branches: pd.DataFrame, customers: int) -> pd.DataFrame:
    """Draw everybody's first branch (`home`) and quarter (`arrived`), in the order of arrival."""
    odds, ordinary, planted = _odds_of_arrival(rng, branches, customers)
    arrived = np.repeat(TIMES, ordinary)
    draws = [rng.choice(len(branches), len(arrived), p=odds[time]) for time in (0, LAST)]
    home = np.where(arrived < MERGER, *draws)
    time, branch = (positions[::-1] for positions in np.nonzero(planted))
    people = pd.DataFrame(
        {
            "home": np.append(home, branch.repeat(planted[time, branch])),
            "arrived": np.append(arrived, time.repeat(planted[time, branch])),
        }
    )
    return people.sort_values("arrived", kind="stable", ignore_index=True)


def count_arrivals(rng: Random, branches: pd.DataFrame, customers: int) -> Array:
    """Draw only how many arrive, by quarter and branch: what `draw_arrivals` comes to."""
    odds, ordinary, planted = _odds_of_arrival(rng, branches, customers)
    return np.asarray(rng.multinomial(ordinary, odds) + planted)


def _odds_of_arrival(
    rng: Random, branches: pd.DataFrame, customers: int
) -> tuple[Array, Array, Array]:
    """Return branches' odds by quarter, how many come to any, and those planted at some.

    Most were there before, 2.5 % more come every quarter.
    """
    total = len(branches)
    early = rng.lognormal(0, 0.3, total) * branches["type"].map(_PULL).to_numpy()
    early[[Branch.TINY, Branch.OPENED]] = 0
    late = early.copy()
    early[Branch.MERGED] = late[-2:] = 0
    odds = np.where((TIMES < MERGER)[:, None], early / early.sum(), late / late.sum())
    ordinary = np.array([customers * 96 // 100 - TINY_CUSTOMERS, *[customers // 40] * LAST])
    extra = max(30, customers // (total - 2) // 5)
    planted = np.zeros_like(odds, dtype=int)
    planted[0, Branch.TINY] = TINY_CUSTOMERS
    planted[LAST, [Branch.OPENED, Branch.NEW_MONEY]] = 2 * extra, extra
    return odds, ordinary, planted


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


def _personal_columns(rng: Random, people: pd.DataFrame, numbers: list[str]) -> pd.DataFrame:
    """Return what only a natural person has: birth date, gender, groups, household."""
    size, age = len(people), people["age"].to_numpy()
    gender = rng.integers(0, 2, size)
    member = [
        people["executive"],
        age >= 60,
        people["merchant"],
        (gender == 0) & (age >= 25) & (age < 60),
        people["farmer"],
    ]
    every = [";".join(compress(_GROUPS, bits)) for bits in product([0, 1], repeat=len(_GROUPS))]
    # A household never spans two branches; about two thirds of all customers share one.
    homes, branch = np.unique(people["home"], return_inverse=True)
    household = branch + len(homes) * rng.integers(0, size // len(homes), size)
    together = np.bincount(household, minlength=size)[household] > 1
    exclusion = rng.choice(len(_EXCLUSIONS), size, p=[*_EXCLUSIONS.values()])
    exclusion[age < 18] = len(_EXCLUSIONS) - 1
    return pd.DataFrame(
        {
            "birth_date": ENDS[LAST] - (age * 365.25).astype("m8[D]"),
            "gender": named(gender, ["female", "male"]),
            "groups": named(np.dot(2 ** np.arange(len(member))[::-1], member), every),
            "household_id": named(
                np.where(together, household, -1), [f"H{number}" for number in numbers]
            ),
            "person_id": named(np.arange(size), [f"P{number}" for number in numbers[1:]]),
            "exclusion": named(exclusion - 1, [*_EXCLUSIONS][1:]),
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
