"""Cross-sell by household: who belongs together, and in which branch they count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.co_holding import co_holding
from stockcust_analysis.measures.cross_sell import (
    multi_product_share,
    penetration,
    product_count_distribution,
    products_per_customer,
)
from tests.frames import Columns, rows_of, two_branches, values_of

Make = Callable[[Columns], Any]


def bank(make: Make) -> dict[str, Any]:
    """Return the two branches with households: 1 and 2; 3 (not funded) and 4; 5 in B with 1.

    6 has an empty household number and 7 none: each is alone, and not with 8 of household "6".
    """
    customers, holdings = two_branches()
    customers["household_id"] = ["h", "h", "k", "k", "h", "", None, "6"]
    return {"customers": make(customers), "holdings": make(holdings)}


def test_products_per_household_by_hand(make: Make) -> None:
    """A: h holds deposit and fund, k deposit and payroll. B: 5, 6 and 7 hold one each."""
    rows = rows_of(products_per_customer(**bank(make), by="branch_id", unit="household"))
    assert [(row["measure"], row["n"], row["numerator"]) for row in rows] == [
        ("products_per_household", 2, 4), ("products_per_household", 3, 3)]  # fmt: skip


def test_a_household_in_two_branches_counts_once_in_the_bank(make: Make) -> None:
    """The bank has four funded households: h, k, and the lone 6 and 7."""
    rows = rows_of(multi_product_share(**bank(make), unit="household"))
    assert [(row["measure"], row["n"], row["numerator"]) for row in rows] == [
        ("household_multi_product_share", 4, 2)]  # fmt: skip


def test_all_cross_sell_measures_know_households(make: Make) -> None:
    """Penetration, distribution and co-holding count the same four households."""
    found = values_of(penetration(**bank(make), unit="household"), "measure", "family")
    assert found["household_penetration", "deposit"] == pytest.approx(3 / 4)
    assert found["household_channel_penetration", "mobile_banking"] == pytest.approx(1 / 4)
    shares = values_of(product_count_distribution(**bank(make), unit="household"), "families_held")
    assert (shares["1"], shares["2"]) == (0.5, 0.5)
    pairs = {(row["family_a"], row["family_b"]): row
             for row in rows_of(co_holding(**bank(make), unit="household"))}  # fmt: skip
    assert pairs["deposit", "fund"]["conditional_rate"] == pytest.approx(1 / 3)


def test_units_that_cannot_be_counted(make: Make) -> None:
    """Another unit, or households without their column, are refused by name."""
    with pytest.raises(UsageError, match=r"unknown unit 'houshold'\. Did you mean 'household'"):
        products_per_customer(**bank(make), unit="houshold")
    customers, holdings = two_branches()
    with pytest.raises(UsageError, match="unknown column of customers 'household_id'"):
        products_per_customer(make(customers), holdings=make(holdings), unit="household")
