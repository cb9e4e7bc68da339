"""Concentration of one list: published values, hand counts, laws and refusals."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan, nan

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.inequality import (
    gini,
    herfindahl,
    share_of_customers_holding,
    top_share,
)
from tests.frames import R_INEQ_INCOMES, REAT_SALES

KERNELS = [gini, top_share, share_of_customers_holding, herfindahl]
BALANCES = st.lists(st.integers(0, 10**9), min_size=1, max_size=30).filter(any)


def test_gini_and_herfindahl_of_r_ineq() -> None:
    """The R package `ineq` publishes Gini 0.4620911 and Herfindahl 0.1840812 for its example."""
    assert gini(R_INEQ_INCOMES) == pytest.approx(0.4620911, abs=5e-8)
    assert herfindahl(R_INEQ_INCOMES) == pytest.approx(0.1840812, abs=5e-8)


def test_gini_and_herfindahl_of_reat() -> None:
    """The R package REAT publishes Gini 0.3 and HHI 0.34 for sales of 20, 50, 20 and 10."""
    assert gini(REAT_SALES) == pytest.approx(0.3)
    assert herfindahl(REAT_SALES) == pytest.approx(0.34)


def test_china_merchants_bank_2022() -> None:
    """From its annual report: the top 2.25 % hold 81.4 %; Gini between the three groups 0.798.

    Customers in hundreds, each with the mean of its group (assets in hundred million CNY).
    """
    customers = np.array([1_348, 40_086, 1_798_566])
    assets = np.array([37_924.36, 60_741.60, 22_564.17])
    balances = np.repeat(assets / customers, customers)
    richest = customers[:2].sum() / customers.sum()
    assert richest == pytest.approx(0.0225, abs=5e-5)
    assert top_share(balances, fraction=richest) == pytest.approx(0.814, abs=5e-4)
    assert gini(balances) == pytest.approx(0.798, abs=5e-4)
    assert share_of_customers_holding(balances, assets[:2].sum() / assets.sum()) == (
        pytest.approx(richest)
    )


def test_top_share_takes_part_of_a_customer() -> None:
    """A quarter of five customers is the first and a fourth part of the second."""
    assert top_share([4, 3, 2, 1, 0], fraction=0.25) == pytest.approx((4 + 3 / 4) / 10)


def test_holding_share_takes_part_of_a_customer() -> None:
    """80 % of 10 CNY in 4, 3, 2, 1, 0 is two customers and half of the third."""
    assert share_of_customers_holding([4, 3, 2, 1, 0]) == pytest.approx(2.5 / 5)


def test_order_of_the_list_does_not_matter() -> None:
    """The same balances in another order concentrate the same."""
    shuffled = [11904, 541, 8304, 3438, 22261, 1463, 5401, 4437, 2445, 6392]
    for kernel in KERNELS:
        assert kernel(shuffled) == kernel(R_INEQ_INCOMES)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("values", [[], [0], [0, 0, 0]])
def test_nothing_to_divide_is_nan(kernel: Callable[..., float], values: list[float]) -> None:
    """Without customers or without any assets no concentration is defined."""
    assert isnan(kernel(values))


def test_one_customer() -> None:
    """One customer is equal to himself, and holds everything."""
    assert gini([7]) == 0
    assert top_share([7]) == pytest.approx(0.2)
    assert share_of_customers_holding([7]) == pytest.approx(0.8)
    assert herfindahl([7]) == 1


def test_everybody_holds_everything() -> None:
    """All customers hold 100 %, and those with nothing are not needed for it."""
    assert top_share([3, 2, 0], fraction=1) == 1
    assert share_of_customers_holding([3, 1, 0, 0], share=1) == pytest.approx(0.5)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, -2, -3], r"2 of 3 values are negative.*set them to 0"),
        ([1, nan], r"1 of 2 values are missing or infinite"),
        ([1, None], r"1 of 2 values are missing or infinite"),
        ([1, float("inf")], r"1 of 2 values are missing or infinite"),
        (["a"], "must be numbers"),
        ([[1, 2]], "given 2 dimensions"),
        (pd.Series([1, pd.NA]), "must be numbers"),
    ],
)
def test_unusable_values_are_refused(
    kernel: Callable[..., float], values: object, message: str
) -> None:
    """Negative, missing and infinite balances are counted in the refusal, never computed with."""
    with pytest.raises(UsageError, match=message):
        kernel(values)


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, nan])
def test_fractions_lie_between_0_and_1(fraction: float) -> None:
    """A fraction outside (0, 1] is refused by name."""
    with pytest.raises(UsageError, match="fraction must be above 0 and at most 1"):
        top_share([1, 2], fraction=fraction)
    with pytest.raises(UsageError, match="share must be above 0 and at most 1"):
        share_of_customers_holding([1, 2], share=fraction)


@given(BALANCES)
def test_gini_is_half_the_relative_mean_difference(balances: list[int]) -> None:
    """Gini = Σ|xᵢ − xⱼ| / (2·n·Σx): the definition without any sorting."""
    column = np.array(balances, dtype=float)
    differences = np.abs(column[:, None] - column[None, :]).sum()
    assert gini(balances) == pytest.approx(differences / (2 * len(balances) * column.sum()))


@given(BALANCES, st.integers(2, 5), st.integers(2, 100))
def test_scaling_and_replication_change_nothing(
    balances: list[int], copies: int, factor: int
) -> None:
    """Another currency, or every customer several times: the same Gini and the same top share."""
    for changed in (balances * copies, [balance * factor for balance in balances]):
        assert gini(changed) == pytest.approx(gini(balances), abs=1e-12)
        assert top_share(changed) == pytest.approx(top_share(balances))
        assert share_of_customers_holding(changed) == (
            pytest.approx(share_of_customers_holding(balances))
        )


@given(BALANCES, st.floats(0.01, 1), st.floats(0.01, 1))
def test_top_share_never_falls(balances: list[int], one: float, other: float) -> None:
    """More customers never hold less, and never less than their number."""
    smaller, larger = sorted([one, other])
    assert top_share(balances, smaller) <= top_share(balances, larger) + 1e-12
    assert top_share(balances, smaller) >= smaller - 1e-12


@given(BALANCES, st.floats(0.01, 0.99))
def test_holding_share_inverts_top_share(balances: list[int], share: float) -> None:
    """The customers who hold a share hold exactly that share."""
    customers = share_of_customers_holding(balances, share)
    assume(customers > 0)
    assert top_share(balances, customers) == pytest.approx(share)


@given(BALANCES)
def test_herfindahl_is_the_sum_of_squared_shares(balances: list[int]) -> None:
    """HHI by its definition, in exact integers, and within its bounds."""
    exact = sum(balance**2 for balance in balances) / sum(balances) ** 2
    assert herfindahl(balances) == pytest.approx(exact)
    assert 1 / len(balances) - 1e-12 <= herfindahl(balances) <= 1 + 1e-12


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 5)), min_size=1, max_size=15))
def test_weights_are_customers(weighted: list[tuple[int, int]]) -> None:
    """A balance of weight three is three customers with that balance."""
    values, weights = zip(*weighted, strict=True)
    repeated = [value for value, weight in weighted for _ in range(weight)]
    for kernel in KERNELS:
        expected = kernel(repeated)
        assert kernel(values, weights=weights) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, -1], "1 of 2 weights are negative"),
        ([1, nan], "1 of 2 weights are missing or infinite"),
        ([1], "2 values, but 1 weights: give one for each"),
        (["a", "b"], "weights must be numbers"),
    ],
)
def test_unusable_weights_are_refused(
    kernel: Callable[..., float], weights: object, message: str
) -> None:
    """Weights are checked like values, and there is one for each."""
    with pytest.raises(UsageError, match=message):
        kernel([1, 2], weights=weights)


@given(BALANCES)
def test_a_customer_without_money_never_lowers_gini(balances: list[int]) -> None:
    """One more customer with nothing: the rest is more concentrated, or nobody had anything."""
    assert gini([*balances, 0]) >= gini(balances) - 1e-12


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_table_is_no_column(kernel: Callable[..., float]) -> None:
    """Whoever gives the customers themselves is told what to give, or what takes tables."""
    customers = pd.DataFrame({"customer_id": ["a"], "aum_period_end": [1.0]})
    with pytest.raises(UsageError, match=r"a table of 2: give a column, or use concentration\."):
        kernel(customers)
