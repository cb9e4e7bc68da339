"""Retention: heads and money of the opening customers, and growth with and without new ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.retention import (
    asset_retention,
    customer_retention,
    same_customer_growth,
    steep_fall_rate,
)
from stockcust_analysis.measures.tiers import assign_tiers
from tests.frames import Columns, rows_of, values_of
from tests.measures.two_dates import (
    BANKS,
    FUNDED,
    SCHEME,
    Move,
    nine_customers,
    totals,
    two_tables,
)

Make = Callable[[Columns], Any]
VALUE = "aum_average_quarter"


def told(frame: Any, *keys: str) -> dict[Any, tuple[float, float]]:
    """Return numerator and denominator by the keys."""
    return {
        tuple(row[key] for key in keys): (row["numerator"], row["denominator"])
        for row in rows_of(frame)
    }


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        # funded in A: 1, 2, 4, 5, of whom 1 and 5 still are; in B: 7 (by its loan), 9 closed
        ("funded", {("A",): (2, 4), ("B",): (1, 2)}),
        # customers in A: 1, 2, 3, 4, 5, only 4 left; in B: 7, 8, 9
        ("all", {("A",): (4, 5), ("B",): (2, 3)}),
        # from 10,000: 1, 4, 5, of whom 1 still is; nobody in B
        ("effective", {("A",): (1, 3), ("B",): (0, 0)}),
    ],
)
def test_hand_counted_customers(
    make: Make, base: str, expected: dict[tuple[str], tuple[int, int]]
) -> None:
    """Moving from A to B is no loss, leaving the base is; an empty base has an empty value."""
    opening, closing = nine_customers()
    found = customer_retention(make(opening), make(closing), by="branch_id", base=base)
    assert told(found, "branch_id") == expected
    assert [row["n"] for row in rows_of(found)] == [pair[1] for pair in expected.values()]
    if base == "effective":
        assert values_of(found, "branch_id")["B"] is None


def test_hand_counted_assets(make: Make) -> None:
    """A keeps 60,000 of 1, 50 of 2 and 9,000 of 5; with what 1 added the net is 10,000 more."""
    opening, closing = nine_customers()
    found = asset_retention(make(opening), make(closing), by="branch_id")
    assert told(found, "branch_id", "measure") == {
        ("A", "asset_retention"): (69_050, 777_000),
        ("A", "asset_retention_net"): (79_050, 777_000),
        ("B", "asset_retention"): (50, 200),
        ("B", "asset_retention_net"): (60, 200),
    }


def test_hand_counted_steep_falls(make: Make) -> None:
    """A: 2 drains by 4,950 and 4 takes 700,000; 5 moved and kept 9,000 of 12,000; B: 9 closed."""
    opening, closing = nine_customers()
    found = steep_fall_rate(make(opening), make(closing), by="branch_id")
    assert told(found, "branch_id", "measure") == {
        ("A", "steep_fall_rate"): (2, 4),
        ("A", "steep_fall_outflow_share"): (704_950, 777_000),
        ("B", "steep_fall_rate"): (1, 2),
        ("B", "steep_fall_outflow_share"): (150, 200),
    }


def test_half_is_not_steep(make: Make) -> None:
    """A fall by exactly half is none, by a cent more it is; who is not in the base counts not."""
    opening = {"customer_id": ["1", "2", "3"], VALUE: [1_000.0, 1_000.0, 80.0]}
    closing = {"customer_id": ["1", "2", "3"], VALUE: [500.0, 499.99, 0.0]}
    found = steep_fall_rate(make(opening), make(closing))
    assert told(found, "measure") == {
        ("steep_fall_rate",): (1, 2),
        ("steep_fall_outflow_share",): (500.01, 2_000),
    }


def test_hand_counted_growth(make: Make) -> None:
    """A: 1 and 2 are the same customers; 4 left, 5 moved, 3 was not funded in June."""
    opening, closing = nine_customers()
    found = same_customer_growth(make(opening), make(closing), by="branch_id")
    assert told(found, "branch_id", "measure") == {
        ("A", "same_customer_growth"): (5_050, 65_000),
        ("A", "all_customer_growth"): (70_800 - 777_000, 777_000),
        ("B", "same_customer_growth"): (10, 50),
        ("B", "all_customer_growth"): (9_360 - 200, 200),
    }
    assert [row["n"] for row in rows_of(found)] == [4, 4, 2, 2]


def test_growth_of_another_amount(make: Make) -> None:
    """`value` chooses the amount; the base keeps looking at the quarter's average."""
    opening = {"customer_id": ["1", "2"], VALUE: [500.0, 1.0], "aum_period_end": [10.0, 70.0]}
    closing = opening | {"aum_period_end": [15.0, 70.0]}
    found = same_customer_growth(make(opening), make(closing), value="aum_period_end")
    assert told(found, "measure")["same_customer_growth",] == (5, 10)


def test_tiers_of_the_opening_date_suffice(make: Make) -> None:
    """By tier only the opening table needs the column; the closing tier plays no part."""
    opening, closing = nine_customers()
    tiered = assign_tiers(make(opening), SCHEME)
    found = customer_retention(tiered, make(closing), by="tier")
    assert told(found, "tier") == {
        ("effective",): (1, 1), ("high",): (0, 1), ("mid",): (1, 1), ("potential",): (0, 2),
        ("residual",): (1, 1),
    }  # fmt: skip


def test_heads_need_no_amounts(make: Make) -> None:
    """In the base `all`, and for the managed, customers are counted without any AUM column."""
    june = make({"customer_id": ["1", "2"], "in_managed": [True, True]})
    september = make({"customer_id": ["1", "2"], "in_managed": [True, False]})
    assert told(customer_retention(june, september, base="all"), "base") == {("all",): (2, 2)}
    found = customer_retention(june, september, base="managed")
    assert told(found, "base") == {("managed",): (1, 2)}


def test_an_unknown_base_is_refused(make: Make) -> None:
    """The base is one of four, and the refusal says on which date it was missed."""
    bank = make({"customer_id": ["1"]})
    with pytest.raises(UsageError, match="opening: unknown base 'active'"):
        customer_retention(bank, bank, base="active")


@settings(max_examples=12)
@given(BANKS)
def test_laws_of_retention(moves: list[Move]) -> None:
    """Between 0 and 1, net never below; and the parts of a random bank, customer by customer."""
    tables = two_tables(moves, VALUE)
    here = [(o[1], c[1] if c else 0) for o, c in moves if o and o[1] >= FUNDED]
    heads = values_of(customer_retention(*tables), "measure", value="numerator")
    assert heads.get("customer_retention", 0) == sum(after >= FUNDED for _, after in here)
    assets = told(asset_retention(*tables), "measure")
    if here:
        (kept, opening), (net, _) = assets.values()
        assert round(opening * 100) == sum(before for before, _ in here)
        assert round(kept * 100) == sum(min(pair) for pair in here)
        assert round(net * 100) == sum(after for _, after in here)
        assert 0 <= kept <= min(net, opening)
        steep = told(steep_fall_rate(*tables), "measure")
        fallen = [before - after for before, after in here if 2 * after < before]
        assert steep["steep_fall_rate",] == (len(fallen), len(here))
        assert round(steep["steep_fall_outflow_share",][0] * 100) == sum(fallen)


@settings(max_examples=12)
@given(BANKS)
def test_growth_of_all_is_the_change_of_the_totals(moves: list[Move]) -> None:
    """In the base `all` the change of all customers is closing minus opening, to the cent."""
    tables = two_tables(moves, VALUE)
    growth = told(same_customer_growth(*tables, by="branch_id", base="all"), "branch_id", "measure")
    opening, closing = totals(moves, 0)[1], totals(moves, 1)[1]
    for (branch, measure), (numerator, denominator) in growth.items():
        if measure == "all_customer_growth":
            assert round(numerator * 100) == closing[branch] - opening[branch]
            assert round(denominator * 100) == opening[branch]


@pytest.mark.parametrize("kind", [int, bool, str])
def test_whole_numbers_are_groups(make: Make, kind: type) -> None:
    """Bands of 0 and 1 years: customer 6, who came since, is in none, and keeps nobody out."""
    opening, closing = nine_customers()
    opening["years"] = [kind(place < 5) for place in range(8)]
    # 1 to 5 have been here for a year: of the funded 1, 2, 4, 5 remain 1 and 5; of 7 and 9, 7.
    expected = {(kind(True),): (2, 4), (kind(False),): (1, 2)}
    for years in (None, [kind(True)] * 8):
        later = make(closing if years is None else closing | {"years": years})
        assert told(customer_retention(make(opening), later, by="years"), "years") == expected
    money = told(asset_retention(make(opening), make(closing), by="years"), "years", "measure")
    assert money[kind(False), "asset_retention"] == (200 - 150, 200)
