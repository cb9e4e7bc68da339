"""A bank on two dates whose migration can be counted by hand, random ones, and their arithmetic."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any, NamedTuple

import polars as pl
from hypothesis import strategies as st

from stockcust_analysis.policy import load_policy

SCHEME = load_policy().tiers
JUNE, SEPTEMBER = date(2026, 6, 30), date(2026, 9, 30)
FUNDED = 100_00


class Move(NamedTuple):
    """One customer: branch and cents on both dates; None where not a customer."""

    opening: tuple[str, int] | None
    closing: tuple[str, int] | None


def nine_customers() -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Return (opening, closing), each customer with a story of its own.

    1 grows in A; 2 drains; 3 returns; 4 leaves; 5 moves from A to B and shrinks; 6 is new; 7 has
    a loan and hardly any assets; 8 never has assets; 9 closed in August but is shown once more.
    """
    opening = {
        "1": ("A", 60_000.0), "2": ("A", 5_000.0), "3": ("A", 20.0), "4": ("A", 700_000.0),
        "5": ("A", 12_000.0), "7": ("B", 50.0), "8": ("B", 40.0), "9": ("B", 150.0),
    }  # fmt: skip
    closing = {
        "1": ("A", 70_000.0), "2": ("A", 50.0), "3": ("A", 800.0), "5": ("B", 9_000.0),
        "6": ("B", 300.0), "7": ("B", 60.0), "8": ("B", 40.0), "9": ("B", 0.0),
    }  # fmt: skip
    return _columns(opening, JUNE), _columns(closing, SEPTEMBER)


def _columns(customers: dict[str, tuple[str, float]], as_of: date) -> dict[str, list[Any]]:
    closed = {"9": date(2026, 8, 15)}
    amounts = [amount for _, amount in customers.values()]
    return {
        "as_of": [as_of] * len(customers),
        "customer_id": list(customers),
        "branch_id": [branch for branch, _ in customers.values()],
        "closed_on": [closed.get(number) for number in customers],
        "loan_balance": [1_000.0 if number == "7" else 0.0 for number in customers],
        "aum_average_quarter": amounts,
        "aum_period_end": amounts,
    }


CENTS = st.one_of(st.sampled_from([0, 99_99, 100_00, 10_000_00]), st.integers(0, 10**11))
PLACES = st.none() | st.tuples(st.sampled_from("ABC"), CENTS)
MOVES = st.builds(Move, PLACES, PLACES).filter(any)
BANKS = st.lists(MOVES, min_size=1, max_size=25)


def two_tables(moves: list[Move], value: str) -> list[pl.DataFrame]:
    """Return the opening and the closing table of a random bank; either may have no rows."""
    tables = []
    kinds = {"customer_id": pl.String, "branch_id": pl.String, value: pl.Float64}
    for side in (0, 1):
        there = [(str(number), move[side]) for number, move in enumerate(moves)]
        rows = [(number, place[0], place[1] / 100) for number, place in there if place]
        tables.append(pl.DataFrame(rows, schema=kinds, orient="row"))
    return tables


def totals(moves: list[Move], side: int) -> tuple[Counter[str], Counter[str]]:
    """Return customers and cents per branch on one of the dates."""
    there = [place for move in moves if (place := move[side])]
    cents: Counter[str] = Counter()
    for branch, amount in there:
        cents[branch] += amount
    return Counter(branch for branch, _ in there), cents


def bridge_by_hand(moves: list[Move]) -> Counter[tuple[str, str]]:
    """Return the cents of each (branch, component), one customer at a time."""
    found: Counter[tuple[str, str]] = Counter()
    for opening, closing in moves:
        if opening is None:
            assert closing is not None
            found[closing[0], "new"] += closing[1]
            continue
        if closing is None:
            found[opening[0], "closed"] -= opening[1]
            continue
        (branch, before), (now, after) = opening, closing
        if branch != now:
            found[branch, "transferred_out"] -= before
            found[now, "transferred_in"] += before
        if (before >= FUNDED) == (after >= FUNDED):
            found[now, "grown" if after > before else "shrunk"] += after - before
        else:
            found[now, "returned" if after >= FUNDED else "drained"] += after - before
    return found
