"""Cross-sell: families not accounts, customers without products, pairs and distributions."""

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
from tests.frames import Columns, as_pandas, as_polars, rows_of, two_branches, values_of

Make = Callable[[Columns], Any]


def bank_of(make: Make) -> dict[str, Any]:
    """Return customers and holdings of the two hand-counted branches."""
    customers, holdings = two_branches()
    return {"customers": make(customers), "holdings": make(holdings)}


def test_products_per_customer_by_hand(make: Make) -> None:
    """Funded of A hold 2, 1 and 2 families, funded of B one each."""
    rows = rows_of(products_per_customer(**bank_of(make), by="branch_id"))
    assert [(row["branch_id"], row["n"], row["numerator"]) for row in rows] == [
        ("A", 3, 5),
        ("B", 3, 3),
    ]
    assert [row["value"] for row in rows] == [pytest.approx(5 / 3), 1]


def test_customers_without_products_count(make: Make) -> None:
    """Customer 8 without any account is one of eight all the same."""
    customers, holdings = two_branches()
    accounts = {name: values[:-1] for name, values in holdings.items()}
    rows = rows_of(products_per_customer(make(customers), holdings=make(accounts), base="all"))
    assert (rows[0]["numerator"], rows[0]["denominator"]) == (9, 8)


@pytest.mark.parametrize(("at_least", "share"), [(1, 1), (2, 2 / 6), (3, 0)])
def test_multi_product_share_by_hand(make: Make, at_least: int, share: float) -> None:
    """Of six funded customers all hold one family, two hold two, none holds three."""
    rows = rows_of(multi_product_share(**bank_of(make), at_least=at_least))
    name = "multi_product_share" if at_least == 2 else f"multi_product_share_{at_least}"
    assert [(row["measure"], row["n"], row["value"]) for row in rows] == [
        (name, 6, pytest.approx(share))
    ]


@pytest.mark.parametrize("at_least", [0, 10])
def test_impossible_numbers_of_families_are_refused(at_least: int) -> None:
    """There are nine families: fewer than 1 and more than 9 are refused."""
    with pytest.raises(UsageError, match=f"at_least must be 1 to 9; given {at_least}"):
        multi_product_share(**bank_of(as_pandas), at_least=at_least)


def test_distribution_by_hand(make: Make) -> None:
    """Four of six funded customers hold one family, two hold two; it adds up to 1."""
    found = values_of(product_count_distribution(**bank_of(make)), "families_held")
    assert list(found) == ["0", "1", "2", "3", "4+"]
    assert [found["1"], found["2"], found["0"]] == [pytest.approx(4 / 6), pytest.approx(2 / 6), 0]
    assert sum(found.values()) == pytest.approx(1)


def test_penetration_by_hand(make: Make) -> None:
    """An unused card, an empty deposit and a matured policy do not count; channels stand apart."""
    found = values_of(
        penetration(**bank_of(make), by="branch_id"), "branch_id", "measure", "family"
    )
    third = pytest.approx(1 / 3)
    assert found["A", "penetration", "deposit"] == 1
    assert found["A", "penetration", "fund"] == third
    assert found["A", "penetration", "payroll"] == third
    assert found["A", "penetration", "credit_card"] == 0
    assert found["B", "penetration", "deposit"] == pytest.approx(2 / 3)
    assert found["B", "penetration", "loan"] == third
    assert found["B", "penetration", "insurance"] == 0
    assert found["A", "channel_penetration", "mobile_banking"] == third
    assert ("A", "penetration", "mobile_banking") not in found


def test_co_holding_by_hand(make: Make) -> None:
    """Of six funded customers five hold deposits, one of them a fund: lift 6/5."""
    rows = {(row["family_a"], row["family_b"]): row for row in rows_of(co_holding(**bank_of(make)))}
    assert len(rows) == 9 * 8
    pair = rows["fund", "deposit"]
    assert (pair["n"], pair["holders_a"], pair["holders_b"], pair["both"]) == (6, 1, 5, 1)
    assert (pair["base"], pair["conditional_rate"], pair["lift"]) == ("funded", 1, 1.2)
    assert rows["deposit", "fund"]["conditional_rate"] == pytest.approx(1 / 5)
    assert rows["fund", "payroll"]["both"] == 0
    assert rows["fund", "payroll"]["lift"] == 0


def test_co_holding_has_intervals(make: Make) -> None:
    """One in five holders of a deposit has a fund: Wilson's 3.6 % to 62.4 %; no lift, no width."""
    rows = {(row["family_a"], row["family_b"]): row for row in rows_of(co_holding(**bank_of(make)))}
    pair = rows["deposit", "fund"]
    assert (pair["rate_low"], pair["rate_high"]) == pytest.approx((0.0362, 0.6245), abs=5e-5)
    assert pair["lift_low"] < pair["lift"] < pair["lift_high"]
    apart = rows["fund", "payroll"]
    assert (apart["rate_low"], apart["lift_low"], apart["lift_high"]) == (0, None, None)
    nobody = rows["bond_metal", "fund"]
    assert (nobody["rate_low"], nobody["rate_high"], nobody["lift_low"]) == (None, None, None)


def test_families_nobody_holds_have_no_lift(make: Make) -> None:
    """Where nobody holds the first family there is no rate; where nobody holds either, no lift."""
    rows = {(row["family_a"], row["family_b"]): row for row in rows_of(
        co_holding(**bank_of(make), by="branch_id")) if row["branch_id"] == "A"}  # fmt: skip
    assert rows["loan", "deposit"]["conditional_rate"] is None
    assert rows["deposit", "loan"]["conditional_rate"] == 0
    assert rows["deposit", "loan"]["lift"] is None


def test_branches_add_up_to_the_bank(make: Make) -> None:
    """Holders and customers of the branches add up to the bank's."""
    whole = values_of(penetration(**bank_of(make)), "measure", "family", value="numerator")
    parts = rows_of(penetration(**bank_of(make), by="branch_id"))
    for (measure, family), count in whole.items():
        same = [p for p in parts if (p["measure"], p["family"]) == (measure, family)]
        assert sum(part["numerator"] for part in same) == count


def test_without_use_or_maturity_columns(make: Make) -> None:
    """A bank that delivers neither: cards count by balance, payroll by having the account."""
    customers, holdings = two_branches()
    few = {name: holdings[name] for name in ("customer_id", "product", "balance")}
    found = values_of(penetration(make(customers), holdings=make(few)), "family", value="numerator")
    assert found["credit_card"] == 0
    assert found["payroll"] == 1
    assert found["insurance"] == 0


def test_policy_in_force_by_its_own_as_of_date(make: Make) -> None:
    """A policy without a balance counts until it matures, the day itself no longer."""
    customers, holdings = two_branches()
    holdings["matures_on"][-1] = customers["as_of"][0]
    assert values_of(penetration(make(customers), holdings=make(holdings), base="all"), "family",
                     value="numerator")["insurance"] == 0  # fmt: skip
    holdings["matures_on"][-1] = holdings["as_of"][0].replace(year=2027)
    found = rows_of(penetration(make(customers), holdings=make(holdings)))
    insured = next(row for row in found if row["family"] == "insurance")
    assert (insured["numerator"], insured["n"]) == (1, 7)


def test_empty_and_nan_balances_are_no_holding(make: Make) -> None:
    """A balance that is missing or NaN shows no use on any engine."""
    customers = make({"customer_id": ["1"]})
    for balance in (None, float("nan"), -5.0):
        accounts = make({
            "customer_id": ["1", "x"], "product": ["fund", "fund"], "balance": [balance, 1.0],
        })  # fmt: skip
        assert (
            rows_of(products_per_customer(customers, holdings=accounts, base="all"))[0]["value"]
            == 0
        )


def test_two_engines_do_not_mix() -> None:
    """Customers of one engine and holdings of another are refused in plain words."""
    customers, holdings = two_branches()
    with pytest.raises(UsageError, match="customers are a polars table, holdings a pandas one"):
        products_per_customer(as_polars(customers), holdings=as_pandas(holdings))


def test_unknown_products_are_counted(make: Make) -> None:
    """Two accounts called otherwise than in the policy count towards nothing: a warning says so."""
    customers, holdings = two_branches()
    holdings["product"][:2] = ["基金", "随便"]
    with pytest.warns(UserWarning, match=r"holdings: 2 rows count .* their product \(基金, 随便\)"):
        multi_product_share(make(customers), holdings=make(holdings))
    holdings["product"][:7] = [*"abcdef", None]
    with pytest.warns(UserWarning, match=r"holdings: 7 rows .*\(a, b, c, d, e, … \(6 in all\)\)"):
        penetration(make(customers), holdings=make(holdings))


def test_wrong_holdings_are_refused(make: Make) -> None:
    """Missing columns are named; two as-of dates are recognised."""
    customers, holdings = two_branches()
    holdings["produkt"] = holdings.pop("product")
    with pytest.raises(UsageError, match=r"column of holdings 'product'\. Did you mean 'produkt'"):
        penetration(make(customers), holdings=make(holdings))
    _, holdings = two_branches()
    holdings["as_of"][0] = holdings["as_of"][0].replace(year=2025)
    with pytest.raises(UsageError, match="holdings hold 2 as-of dates"):
        penetration(make(customers), holdings=make(holdings))
