"""The branches and people of the sample bank: who they are, and what they do each quarter.

B002 to B008 carry a story each. Within the sample a branch, product, customer or quarter is a
position and money is whole cents (分). Words and numbers are held as positions in a list of names,
too: small to hold, quick to copy and sort. The first quarter only sets the balances that the other
five start from.

Banks for models have effects that can be found, or none, where none may be found. `planted` adds to
the stories: customers acquired online drain seven times as often; in the quarter before, a customer
who is to drain makes four more transactions; half of those with a fund take up insurance, and two
fifths of those with payroll a credit card; who was visited on the first day of the last quarter
brings a quarter more. In `none` everybody acts alike, whatever is known of them: who drains, leaves
or takes a product up is left to chance, and the visit brings nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from itertools import compress, product
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stockcust_analysis.bank.contract import table
from stockcust_analysis.core.periods import Quarter

Array = NDArray[Any]
Days = NDArray[np.datetime64]
Random = np.random.Generator

QUARTERS = tuple(Quarter.parse("2025Q2").shifted(step) for step in range(6))
TIMES = np.arange(len(QUARTERS))
LAST = len(QUARTERS) - 1
MERGER = QUARTERS.index(Quarter.parse("2026Q2"))
YEAR_END = QUARTERS.index(Quarter.parse("2025Q4"))
"""The plan starts from it."""
STARTS: Days = np.array([quarter.start for quarter in QUARTERS], "M8[D]")
ENDS: Days = np.array([quarter.end for quarter in QUARTERS], "M8[D]")
POSTED_ON = ENDS.astype("M8[M]").astype("M8[D]") + 20
"""Interest is posted on the 21st of a quarter's last month."""
NO_DAY = np.datetime64("NaT", "D")


def with_names(positions: Array | pd.Series, names: Iterable[str]) -> pd.Categorical:
    """Return positions in a list of names as a column of those names; -1 is an empty cell.

    >>> list(with_names([1, 0, 1], ["loan", "fund"]))
    ['fund', 'loan', 'fund']
    """
    return pd.Categorical.from_codes(positions, pd.Index([*names], dtype=object))


def decode_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with the names themselves."""
    return frame.astype(dict.fromkeys(frame.select_dtypes("category").columns, str))


_FIRST = "青云柳石白金南长双高清竹松桂莲荷梅枫榆槐葛芦杏稻"
_SECOND = "溪桥塘湾岭坪铺渡墩店坝河浦泉沟畈垄圩洲岗滩坞峰集"
_TYPES = ["urban", "urban", "township", "county"]
_TYPES += ["urban", "township", "urban", "county", *["township", "county", "township", "township"]]
_SUFFIX = {"urban": "支行", "county": "支行", "township": "镇支行"}
_REGIONS = ["东片区", "西片区", "北片区"]


class Branch(IntEnum):
    """The branches with a part to play, by position; the last two of all are merged into MERGED."""

    MAIN, CONCENTRATED, SLEEPING, SINGLE_PRODUCT, NEW_MONEY, TINY, OPENED, MERGED = range(8)


def make_branches(rng: Random, operating: int) -> pd.DataFrame:
    """Name the operating branches and, after them, the two that were merged away."""
    total = operating + 2
    place = rng.permutation([first + second for first in _FIRST for second in _SECOND])
    kind = [*np.resize(_TYPES, operating), "county", "township"]
    name = [f"{p}{_SUFFIX[k]}" for p, k in zip(np.resize(place, total), kind, strict=True)]
    opened_on = np.datetime64("1996-01-01") + rng.integers(0, 7000, total)
    opened_on[[Branch.OPENED, Branch.MERGED]] = STARTS[[LAST, MERGER]]
    closed_on = np.full(total, "NaT", "M8[D]")
    closed_on[operating:] = ENDS[MERGER - 1]
    columns = {
        "branch_id": [f"B{position + 1:03d}" for position in range(total)],
        "name": ["总行营业部", *name[1:]],
        "region": np.where(np.equal(kind, "urban"), "城区", np.resize(_REGIONS, total)),
        "type": kind,
        "opened_on": opened_on,
        "closed_on": closed_on,
    }
    return pd.DataFrame(columns)


TINY_CUSTOMERS = 24
_CUSTOMER_TYPES = table("customers").column("customer_type").allowed
_PULL = {"urban": 1.5, "county": 1.1, "township": 0.8}
_CHANNELS = table("customers").column("acquisition_channel").allowed
_CHANNEL_ODDS = (0.4, 0.16, 0.1, 0.09, 0.07, 0.18)
_EXCLUSIONS = {"none": 0.985, "deceased": 0.004, "frozen": 0.002, "staff": 0.009, "minor": 0}
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
        customer_id=with_names(np.arange(size), [f"C{number}" for number in numbers[1:]]),
        customer_type=with_names(np.select([corporate, trader], [2, 1], 0), _CUSTOMER_TYPES),
        wealth=wealth,
        age=age,
        asleep=old & (rng.random(size) < sleepy),
        farmer=rng.random(size) < np.where(kind == "township", 0.45, 0.1),
        merchant=trader | ((age >= 20) & (rng.random(size) < 0.06)),
        executive=(age >= 20) & (rng.random(size) < np.where(wealth > 200_000, 0.3, 0.015)),
        books_at_main=rng.random(size) < 0.03,
        acquisition_channel=with_names(
            rng.choice(len(_CHANNELS), size, p=_CHANNEL_ODDS), _CHANNELS
        ),
        do_not_contact=rng.random(size) < 0.02,
    )
    personal = _personal_columns(rng, people, numbers)
    _plant_second_numbers(rng, people, personal)
    return people.join(personal[~corporate])


def draw_arrivals(rng: Random, branches: pd.DataFrame, customers: int) -> pd.DataFrame:
    """Draw everybody's first branch (`home`) and quarter (`arrived`), in the order of arrival."""
    odds, ordinary, planted = odds_of_arrival(rng, branches, customers)
    arrived = np.repeat(TIMES, ordinary)
    draws = [rng.choice(len(branches), len(arrived), p=odds[time]) for time in (0, LAST)]
    home = np.where(arrived < MERGER, *draws)
    time, branch = (positions[::-1] for positions in np.nonzero(planted))
    more = planted[time, branch]
    home, arrived = np.append(home, branch.repeat(more)), np.append(arrived, time.repeat(more))
    arrivals = {"home": home, "arrived": arrived}
    return pd.DataFrame(arrivals).sort_values("arrived", kind="stable", ignore_index=True)


def odds_of_arrival(
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
    woman = (gender == 0) & (age >= 25) & (age < 60)
    member = [people["executive"], age >= 60, people["merchant"], woman, people["farmer"]]
    groups = [";".join(compress(_GROUPS, bits)) for bits in product([0, 1], repeat=len(_GROUPS))]
    # A household never spans two branches; about two thirds of all customers share one.
    homes, branch = np.unique(people["home"], return_inverse=True)
    household = branch + len(homes) * rng.integers(0, size // len(homes), size)
    household = np.where(np.bincount(household, minlength=size)[household] > 1, household, -1)
    exclusion = rng.choice(len(_EXCLUSIONS), size, p=[*_EXCLUSIONS.values()])
    exclusion[age < 18] = len(_EXCLUSIONS) - 1
    columns = {
        "birth_date": ENDS[LAST] - (age * 365.25).astype("m8[D]"),
        "gender": with_names(gender, ["female", "male"]),
        "groups": with_names(np.dot(2 ** np.arange(len(member))[::-1], member), groups),
        "household_id": with_names(household, [f"H{number}" for number in numbers]),
        "person_id": with_names(np.arange(size), [f"P{number}" for number in numbers[1:]]),
        "exclusion": with_names(exclusion - 1, [*_EXCLUSIONS][1:]),
    }
    return pd.DataFrame(columns)


def _plant_second_numbers(rng: Random, people: pd.DataFrame, personal: pd.DataFrame) -> None:
    """Give one person in a thousand a second customer number, in place."""
    natural = (people["customer_type"] == "personal") & (people["age"] >= 20) & ~people["asleep"]
    drawn = rng.permutation(np.flatnonzero(natural & (people["home"] != Branch.CONCENTRATED)))
    first, second = drawn[: 2 * max(1, len(people) // 1000)].reshape(2, -1)
    for column in ("person_id", "birth_date", "gender", "groups"):
        personal.loc[second, column] = personal.loc[first, column].to_numpy()
    people.loc[second, "age"] = people.loc[first, "age"].to_numpy()


Effects = Literal["", "planted", "none"]
NOTES = {
    "planted": """
## Planted effects

| effect | size |
|---|---|
| acquired online | 30 % drain within the five quarters, of others 4 % |
| the quarter before draining | four more own transactions |
| fund | half of the holders take up insurance within the five quarters |
| payroll | two fifths of the holders take up a credit card |
| visited on 2026-07-01 (a third of the wealthy, a twentieth of others) | a quarter more money |
""",
    "none": """
## No effects

Who drains, leaves or takes up a product is left to chance, and so is who was visited on 2026-07-01
but for their wealth: a model that finds anything is wrong. Nobody sleeps.
""",
}
CAMPAIGN_LIFT = 1.25
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
    effects: str = ""

    @property
    def needed(self) -> Array:
        """The quarters to compute: those shown, and the year end that the plan starts from."""
        return np.asarray((self.first <= TIMES) | (TIMES == YEAR_END))


def make_panel(
    rng: Random, people: pd.DataFrame, operating: int, *, quarters: int, effects: str
) -> Panel:
    """Follow everybody through the quarters: arriving, acting, draining, returning, leaving."""
    arrived = people["arrived"].to_numpy()[:, None]
    left, drained_from, back = _turns(rng, people if effects != "none" else alike(people), effects)
    present = (arrived <= TIMES) & (left >= TIMES)
    turning = (left == TIMES) | (drained_from == TIMES) | (back == TIMES)
    turning |= (arrived == TIMES) & (TIMES > 0)
    active = (_acts(rng, people) | turning | (effects == "none")) & present
    warned = (drained_from == TIMES + 1) & (effects == "planted")
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
        active_transactions=np.where(active, 1 + rng.poisson(1.2, present.shape) + 4 * warned, 0),
        first=len(TIMES) - quarters,
        effects=effects,
    )


def visits(rng: Random, wealth: Array) -> Array:
    """Draw who is visited: the wealthy rather than others, so that the two groups differ."""
    return np.asarray(rng.random(len(wealth)) < np.where(wealth > 20_000, 0.35, 0.05))


def alike(people: pd.DataFrame) -> pd.DataFrame:
    """Return people who differ in nothing that decides what they do."""
    nobody = dict.fromkeys(("asleep", "merchant", "farmer", "executive"), False)
    return people.assign(wealth=20_000.0, age=40, home=-1, **nobody)


def _turns(rng: Random, people: pd.DataFrame, effects: str) -> tuple[Array, Array, Array]:
    """Draw the quarters in which a customer closes, drains and comes back; `_NEVER` for most."""
    size = len(people)
    arrived, wealth = people["arrived"].to_numpy(), people["wealth"].to_numpy()
    closes, drains, returns = rng.integers(1, LAST + 1, (3, size))
    # The planted branches keep their people, so that each tells its own story and no other.
    free = ~people["home"].isin([Branch.CONCENTRATED, Branch.TINY]).to_numpy()
    leaves = free & (rng.random(size) < np.where(wealth < 100, 0.08, 0.03)) & (closes > arrived)
    online = people["acquisition_channel"] == "online"
    often = (0.3, 0.04) if effects == "planted" else (0.06, 0.06)
    empties = free & (rng.random(size) < np.where(online, *often)) & (wealth > 500)
    empties &= (drains > arrived) & ~leaves & ~people["asleep"].to_numpy()
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
