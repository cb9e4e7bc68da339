"""Co-holding (联合持有): which product families go together, and how much more than by chance."""

from __future__ import annotations

from itertools import combinations
from math import isnan
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.cross_sell import units
from stockcust_analysis.measures.frames import (
    Frame,
    Groups,
    collected,
    group_names,
    sums,
    table_of,
)
from stockcust_analysis.measures.intervals import Interval, lift_interval, proportion_interval
from stockcust_analysis.policy import PolicyLike, ProductFamilies, as_policy


def co_holding(
    customers: Frame,
    *,
    holdings: Frame | None = None,
    by: Groups = None,
    base: str = "funded",
    policy: PolicyLike = None,
    unit: str = "customer",
) -> Frame:
    """Return which product families are held together (联合持有), for every ordered pair.

    Parameters and errors are those of `products_per_customer`.

    Returns
    -------
    table
        `[*by], family_a, family_b, base, n, holders_a, holders_b, both, conditional_rate,
        rate_low, rate_high, lift, lift_low, lift_high`. `conditional_rate` = both / holders_a: of
        those with a, who also have b. `lift` (提升度) = conditional_rate / (holders_b / n): above 1
        they go together more often than by chance. Each with its interval of 95 % (see
        `proportion_interval`, `lift_interval`); a lift whose interval holds 1 says nothing. Empty
        where nobody holds a (or, for lift, b), a lift's interval also where nobody holds both.
        With `unit="household"` n, holders and both count households.

    Examples
    --------
    >>> import pandas as pd
    >>> accounts = pd.DataFrame({
    ...     "customer_id": ["1", "1", "2"],
    ...     "product": ["demand_deposit", "fund", "demand_deposit"],
    ...     "balance": [5.0, 5.0, 5.0],
    ... })
    >>> bank = pd.DataFrame({"customer_id": ["1", "2", "3", "4"]})
    >>> pairs = co_holding(bank, holdings=accounts, base="all").set_index(["family_a", "family_b"])
    >>> pairs.loc[("deposit", "fund"), ["conditional_rate", "lift"]].tolist()
    [0.5, 2.0]
    """
    policy = as_policy(policy)
    groups = group_names(by)
    facts = units(customers, holdings, groups, base, policy, unit)
    totals = collected(sums(facts, groups, co_holding_columns(policy.families, base=base)))
    return table_of(co_holding_rows(totals, policy.families, groups, base), customers)


def co_holding_rows(
    totals: dict[str, list[Any]], families: ProductFamilies, by: list[str], base: str
) -> dict[str, list[Any]]:
    """Return the co-holding table from the sums of each group."""
    rows: list[dict[str, Any]] = []
    order = range(len(totals["customers"]))
    for row in sorted(order, key=lambda row: [totals[name][row] for name in by]):
        labels = {name: totals[name][row] for name in by}
        n = totals["customers"][row]
        for a in families.names:
            for b in families.names:
                if a != b:
                    pair = f"{a}|{b}" if f"{a}|{b}" in totals else f"{b}|{a}"
                    held = totals[f"holds_{a}"][row], totals[f"holds_{b}"][row], totals[pair][row]
                    rows.append(labels | {"family_a": a, "family_b": b} | _pair(base, n, *held))
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _pair(base: str, n: int, holders_a: int, holders_b: int, both: int) -> dict[str, Any]:
    """Return the figures of one ordered pair."""
    rate_low, rate_high = _told(proportion_interval(both, holders_a))
    lift_low, lift_high = _told(
        lift_interval(n, holders_a=holders_a, holders_b=holders_b, both=both)
    )
    return {
        "base": base,
        "n": n,
        "holders_a": holders_a,
        "holders_b": holders_b,
        "both": both,
        "conditional_rate": both / holders_a if holders_a else None,
        "rate_low": rate_low,
        "rate_high": rate_high,
        "lift": both * n / (holders_a * holders_b) if holders_a and holders_b else None,
        "lift_low": lift_low,
        "lift_high": lift_high,
    }


def _told(interval: Interval) -> tuple[float | None, float | None]:
    """Return an interval with empty ends where it is not defined."""
    return (None, None) if isnan(interval[0]) else interval


def co_holding_columns(families: ProductFamilies, *, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: holders of each family, and of each pair `a|b`."""
    counts = nw.col(f"in_{base}")
    columns = {"customers": counts}
    columns |= {f"holds_{name}": counts * nw.col(f"holds_{name}") for name in families.names}
    for a, b in combinations(families.names, 2):
        columns[f"{a}|{b}"] = counts * nw.col(f"holds_{a}") * nw.col(f"holds_{b}")
    return columns
