"""The branches and the people of the sample bank, with what never changes of them.

In all modules of the sample a customer is a row number, a branch a position in the table of
branches and a quarter a column: they work on arrays over (customer,) or (customer, quarter).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stockcust_analysis.periods import Quarter

Array = NDArray[Any]
Days = NDArray[np.datetime64]

QUARTERS = tuple(Quarter.parse("2025Q2").shifted(step) for step in range(6))
"""The first quarter only sets the opening balances; the five after it are delivered."""
STARTS: Days = np.array([quarter.start for quarter in QUARTERS], "M8[D]")
ENDS: Days = np.array([quarter.end for quarter in QUARTERS], "M8[D]")
LAST = len(QUARTERS) - 1
MERGER = QUARTERS.index(Quarter.parse("2026Q2"))
NEVER = 99

MAIN, CONCENTRATED, SLEEPING, SINGLE_PRODUCT, NEW_MONEY, TINY, OPENED, MERGED = range(8)
"""Positions of the branches that carry a story: B001 (ordinary) to B008."""
MINIMUM_BRANCHES = 8
TINY_CUSTOMERS = 24

_FIRST = "青云柳石白金南长双高清竹松桂莲荷梅枫榆槐葛芦杏稻"
_SECOND = "溪桥塘湾岭坪铺渡墩店坝河浦泉沟畈垄圩洲岗滩坞峰集"
_REGIONS = {
    "urban": ("城区",),
    "county": ("东片区", "西片区"),
    "township": ("东片区", "西片区", "北片区"),
}
_TYPES = ("urban", "urban", "township", "county", "urban", "township", "urban", "county",
          "township", "county", "township", "township")  # fmt: skip
_SUFFIX = {"urban": "支行", "county": "支行", "township": "镇支行"}


def make_branches(rng: np.random.Generator, count: int) -> pd.DataFrame:
    """Name `count` operating branches and, after them, the two that were merged away."""
    places = rng.permutation([first + second for first in _FIRST for second in _SECOND])
    total = count + 2
    types = [_TYPES[position % len(_TYPES)] for position in range(count)] + ["county", "township"]
    names = [_branch_name(places, position, types[position]) for position in range(total)]
    regions = [
        _REGIONS[kind][position % len(_REGIONS[kind])] for position, kind in enumerate(types)
    ]
    opened_on = np.datetime64("1996-01-01") + rng.integers(0, 7000, total)
    opened_on[OPENED] = STARTS[LAST]
    opened_on[MERGED] = STARTS[MERGER]
    closed_on = np.full(total, "NaT", "M8[D]")
    closed_on[count:] = ENDS[MERGER - 1]
    return pd.DataFrame(
        {
            "branch_id": [f"B{position + 1:03d}" for position in range(total)],
            "name": ["总行营业部", *names[1:]],
            "region": regions,
            "type": types,
            "opened_on": opened_on.astype("M8[s]"),
            "closed_on": closed_on.astype("M8[s]"),
        }
    )


def _branch_name(places: Array, position: int, kind: str) -> str:
    """Return an invented place and the suffix of its kind; a second round gets a number."""
    lap = position // len(places)
    return f"{places[position % len(places)]}{lap + 1 if lap else ''}{_SUFFIX[kind]}"


def make_people(rng: np.random.Generator, branches: pd.DataFrame, customers: int) -> pd.DataFrame:
    """Draw everybody who is a customer in at least one quarter, with what never changes of them.

    `customers` is the size of the bank in an average quarter. One row per customer, ordered by
    the quarter of arrival: column 0 of `QUARTERS` holds those who were there before.
    """
    home, arrived = _homes(rng, branches, customers)
    size = len(home)
    kind = branches["type"].to_numpy()[home]
    age = np.clip(rng.normal(50, 16, size), 15, 95)
    corporate = rng.random(size) < 0.015
    adult = age >= 20
    trader = ~corporate & adult & (rng.random(size) < 0.08)
    wealth = _wealth(rng, kind, age, corporate)
    _plant_ten_largest(rng, wealth, (home == CONCENTRATED) & (arrived == 0) & ~corporate)
    _plant_new_money(wealth, home == NEW_MONEY, arrived)
    asleep_odds = np.where(wealth < 100, 0.55, np.where(age >= 66, 0.15, 0.04))
    asleep_odds = np.where((home == SLEEPING) & (wealth > 1000), 0.55, asleep_odds)
    people = pd.DataFrame(
        {
            "home": home,
            "arrived": arrived,
            "wealth": wealth,
            "asleep": (rng.random(size) < asleep_odds) & (arrived == 0) & (wealth < 3e6),
            "age": age,
            "customer_type": np.select(
                [corporate, trader], ["corporate", "sole_trader"], "personal"
            ),
            "female": rng.random(size) < 0.5,
            "farmer": rng.random(size) < np.where(kind == "township", 0.45, 0.1),
            "merchant": trader | (adult & (rng.random(size) < 0.06)),
            "executive": adult & (rng.random(size) < np.where(wealth > 200_000, 0.3, 0.015)),
        }
    )
    _plant_second_numbers(rng, people)
    people.insert(0, "customer_id", [f"C{number:07d}" for number in range(1, size + 1)])
    return people


def _homes(rng: np.random.Generator, branches: pd.DataFrame, customers: int) -> tuple[Array, Array]:
    """Return the first branch and the arrival quarter of everybody, ordered by arrival."""
    total = len(branches)
    pull = (
        rng.lognormal(0, 0.3, total)
        * branches["type"].map({"urban": 1.5, "county": 1.1, "township": 0.8}).to_numpy()
    )
    pull[[TINY, OPENED]] = 0
    before, after = pull.copy(), pull.copy()
    before[MERGED] = 0
    after[total - 2 :] = 0
    start = customers * 96 // 100 - TINY_CUSTOMERS
    homes = [rng.choice(total, start, p=before / before.sum()), np.full(TINY_CUSTOMERS, TINY)]
    arrived = [np.zeros(start + TINY_CUSTOMERS, int)]
    for quarter in range(1, LAST + 1):
        odds = before if quarter < MERGER else after
        coming = rng.choice(total, customers * 25 // 1000, p=odds / odds.sum())
        if quarter == LAST:
            extra = max(30, customers // (total - 2) // 5)
            coming = np.concatenate([coming, np.repeat([OPENED, NEW_MONEY], [2 * extra, extra])])
        homes.append(coming)
        arrived.append(np.full(len(coming), quarter))
    return np.concatenate(homes), np.concatenate(arrived)


def _wealth(rng: np.random.Generator, kind: Array, age: Array, corporate: Array) -> Array:
    """Draw each customer's usual assets in CNY: empty accounts, a lognormal body, a Pareto tail."""
    size = len(age)
    body = 16_000 * np.exp(1.3 * rng.normal(size=size))
    place = np.select([kind == "urban", kind == "county"], [1.3, 1.05], 0.85)
    body *= place * np.where(age > 55, 1.25, 1) * np.where(corporate, 3, 1)
    tail = np.minimum(200_000 * (1 + rng.pareto(1.5, size)), 6e6)
    wealth = np.where(rng.random(size) < 0.012, tail, np.minimum(body, 3e6))
    return np.where(rng.random(size) < 0.29, rng.uniform(0.5, 95, size), wealth)


def _plant_ten_largest(rng: np.random.Generator, wealth: Array, eligible: Array) -> None:
    """Give ten customers of one branch about two thirds of its assets, in place."""
    there = np.flatnonzero(eligible)
    ten = there[np.argsort(wealth[there])[-10:]]
    others = wealth[there].sum() - wealth[ten].sum()
    wealth[ten] = 2.8 * others / 10 * rng.uniform(0.7, 1.3, len(ten))


def _plant_new_money(wealth: Array, here: Array, arrived: Array) -> None:
    """Let the newcomers of the last quarter bring a fifth of their branch's assets, in place."""
    new = here & (arrived == LAST)
    wealth[new] *= 0.2 * wealth[here & ~new].sum() / wealth[new].sum()


def _plant_second_numbers(rng: np.random.Generator, people: pd.DataFrame) -> None:
    """Give one person in a thousand a second customer number, alike in age and gender, in place."""
    people["person"] = np.arange(1, len(people) + 1)
    personal = (people["customer_type"] == "personal") & (people["age"] >= 20)
    eligible = np.flatnonzero(personal & ~people["asleep"] & (people["home"] != CONCENTRATED))
    first, second = rng.permutation(eligible)[: 2 * max(1, len(people) // 1000)].reshape(2, -1)
    for column in ("person", "age", "female"):
        people.loc[second, column] = people.loc[first, column].to_numpy()
