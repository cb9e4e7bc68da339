"""Cross-sell: how many product families customers hold, which, and which together.

The unit is the customer (or the household), the count is of families and never of accounts, and an
account that is empty or unused does not count (the policy says what shows use). Customers who hold
nothing stay in the denominator. The base `established` leaves out newcomers. Openings that nobody
uses (开而不用) are a check on conduct: quotas breed unwanted accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import reduce
from itertools import combinations, permutations
from operator import or_

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from stockcust_analysis.core.calendar import Calendar
from stockcust_analysis.core.frames import Table, day, flag
from stockcust_analysis.measures.holdings import is_active
from stockcust_analysis.measures.intervals import lift_interval, proportion_interval
from stockcust_analysis.measures.registry import Measure, Question
from stockcust_analysis.periods import cutoff
from stockcust_analysis.policy import Policy, ProductFamilies

OPENING_AGES: dict[str, Callable[[date], date]] = {
    "90_days": lambda as_of: as_of - timedelta(days=90),
    "6_months": lambda as_of: cutoff(as_of, 6),
}
_MOST_COUNTED = 4


def families_held(families: ProductFamilies) -> nw.Expr:
    """Return the number of families of each customer, from its 0/1 columns."""
    return nw.sum_horizontal(*(nw.col(f"holds_{name}") for name in families.names))


def _counts(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: customers, families held, and customers by number of families."""
    counts, held = nw.col(f"in_{base}"), nw.col("families")
    columns = {"customers": counts, "families_held": counts * held}
    for count in range(_MOST_COUNTED):
        columns[f"exactly_{count}"] = counts * flag(held == count)
    for count in range(2, _MOST_COUNTED + 1):
        columns[f"at_least_{count}"] = counts * flag(held >= count)
    return columns


def _count_measures(_: Policy) -> list[Measure]:
    """Return families per customer, and the share of customers with at least 2, 3 and 4."""
    return [
        Measure("products_per_customer", "families_held"),
        *(
            Measure(f"multi_product_share{'' if count == 2 else f'_{count}'}", f"at_least_{count}")
            for count in range(2, _MOST_COUNTED + 1)
        ),
    ]


def _held_columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: customers, and the holders of every family and channel."""
    counts, families = nw.col(f"in_{base}"), policy.families
    names = [f"holds_{name}" for name in families.names]
    names += [f"uses_{name}" for name in families.channel_names]
    return {"customers": counts} | {name: counts * nw.col(name) for name in names}


def _distribution(_: Policy) -> list[Measure]:
    """Return the shares of customers with 0, 1, 2, 3 and more families; they add up to 1."""
    last = f"{_MOST_COUNTED}+"
    return [
        *(
            Measure(
                "product_count_share", f"exactly_{count}", "customers", "families_held", f"{count}"
            )
            for count in range(_MOST_COUNTED)
        ),
        Measure(
            "product_count_share", f"at_least_{_MOST_COUNTED}", "customers", "families_held", last
        ),
    ]


def _penetration(policy: Policy) -> list[Measure]:
    """Return the share of customers with each family, and of users of each channel."""
    families = policy.families
    return [
        *(
            Measure("penetration", f"holds_{name}", "customers", "family", name)
            for name in families.names
        ),
        *(
            Measure("channel_penetration", f"uses_{name}", "customers", "family", name)
            for name in families.channel_names
        ),
    ]


PRODUCT_COUNTS = Question(
    "product_counts", _counts, _count_measures, bases=("funded", "established"), needs=("families",)
)
PRODUCT_DISTRIBUTION = Question("product_distribution", _counts, _distribution)
PENETRATION = Question("penetration", _held_columns, _penetration)


def opening_amounts(
    holdings: Table, families: ProductFamilies, calendar: Calendar
) -> dict[str, nw.Expr]:
    """Return `opened_<age>` and `unused_<age>` of each account, to be summed: 0 or 1.

    A bank that does not deliver `opened_on` has no openings.
    """
    if "opened_on" not in holdings.collect_schema().names():
        return {}
    opened = day(holdings, "opened_on")
    products = [product for family in families.families for product in family.products]
    counts = nw.col("product").is_in(products).fill_null(False)
    unused = ~_is_used(holdings, families, calendar)
    amounts: dict[str, nw.Expr] = {}
    for age, reached_by in OPENING_AGES.items():
        # Every opening is judged once at each age: in the quarter in which it reaches it.
        before = calendar.after(opened, lambda as_of, of=reached_by: of(cutoff(as_of, 3)))
        came_of_age = counts & before & ~calendar.after(opened, reached_by)
        amounts |= {f"opened_{age}": flag(came_of_age), f"unused_{age}": flag(came_of_age & unused)}
    return amounts


def _is_used(holdings: Table, families: ProductFamilies, calendar: Calendar) -> nw.Expr:
    """Return whether an account is active, or was after the day it was opened."""
    active = reduce(or_, (is_active(holdings, one, calendar) for one in families.families))
    if "last_active_on" not in holdings.collect_schema().names():
        return active
    moved = day(holdings, "last_active_on") > day(holdings, "opened_on")
    return active | moved.fill_null(False)


def _opening_columns(_: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: accounts that came of age, and the unused among them."""
    counts = nw.col(f"in_{base}")
    names = [f"{what}_{age}" for what in ("opened", "unused") for age in OPENING_AGES]
    return {"customers": counts} | {name: counts * nw.col(name) for name in names}


_UNUSED = [Measure(f"unused_openings_{a}", f"unused_{a}", f"opened_{a}") for a in OPENING_AGES]
UNUSED_OPENINGS = Question(
    "unused_openings",
    _opening_columns,
    lambda _: _UNUSED,
    bases=("all",),
    needs=("opened_90_days",),
)


def _pair_columns(policy: Policy, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: holders of each family, and of each pair `a|b`."""
    counts, names = nw.col(f"in_{base}"), policy.families.names
    columns = {"customers": counts}
    columns |= {f"holds_{name}": counts * nw.col(f"holds_{name}") for name in names}
    for a, b in combinations(names, 2):
        columns[f"{a}|{b}"] = counts * nw.col(f"holds_{a}") * nw.col(f"holds_{b}")
    return columns


CO_HOLDING = Question("co_holding", _pair_columns, lambda _: ())
"""Its sums become a table of its own: see `co_holding_table`."""


def co_holding_table(
    totals: pd.DataFrame, families: ProductFamilies, by: Sequence[str], base: str
) -> pd.DataFrame:
    """Return which families are held together (联合持有), for every ordered pair, from the sums.

    `conditional_rate` = both / holders_a; `lift` = conditional_rate / (holders_b / n), each with
    its interval of 95 %.
    """
    pairs = list(permutations(families.names, 2))
    groups = range(len(totals))

    def of_pairs(columns: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return totals[[*columns]].to_numpy(dtype="int64").ravel()

    both = [f"{a}|{b}" if f"{a}|{b}" in totals else f"{b}|{a}" for a, b in pairs]
    labels = totals.loc[totals.index.repeat(len(pairs)), [*by]].reset_index(drop=True)
    table = labels.assign(
        family_a=[a for _ in groups for a, _ in pairs],
        family_b=[b for _ in groups for _, b in pairs],
        base=base,
        n=np.repeat(totals["customers"].to_numpy(dtype="int64"), len(pairs)),
        holders_a=of_pairs([f"holds_{a}" for a, _ in pairs]),
        holders_b=of_pairs([f"holds_{b}" for _, b in pairs]),
        both=of_pairs(both),
    )
    return table.assign(**_rates_and_lifts(table))


def _rates_and_lifts(table: pd.DataFrame) -> dict[str, object]:
    """Return conditional rates and lifts with their intervals; empty where undefined."""
    counts = table[["n", "holders_a", "holders_b", "both"]].to_numpy().tolist()
    rates = [proportion_interval(both, a) for _, a, _, both in counts]
    lifts = [lift_interval(n, holders_a=a, holders_b=b, both=both) for n, a, b, both in counts]
    n, a, b, both = (
        table[name].to_numpy(float) for name in ("n", "holders_a", "holders_b", "both")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "conditional_rate": np.where(a > 0, both / a, np.nan),
            "rate_low": [low for low, _ in rates],
            "rate_high": [high for _, high in rates],
            "lift": np.where((a > 0) & (b > 0), both * n / (a * b), np.nan),
            "lift_low": [low for low, _ in lifts],
            "lift_high": [high for _, high in lifts],
        }
