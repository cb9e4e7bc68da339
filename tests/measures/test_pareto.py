"""Concentration on every engine: published values, hand counts, agreement with the kernels."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.concentration import concentration, lorenz_curve
from stockcust_analysis.measures.inequality import (
    gini,
    herfindahl,
    share_of_customers_holding,
    top_share,
)
from tests.frames import (
    R_INEQ_INCOMES,
    REAT_SALES,
    Columns,
    as_pandas,
    as_polars,
    rows_of,
    two_branches,
    values_of,
    without_activity,
)

Make = Callable[[Columns], Any]


def published() -> dict[str, list[Any]]:
    """Return the two published examples as branches R and T, and a branch Z that holds nothing."""
    amounts = [float(amount) for amount in [*R_INEQ_INCOMES, *REAT_SALES, 0, 0]]
    return {"branch_id": [*"R" * 10, *"T" * 4, *"ZZ"], "aum_period_end": amounts}


def test_published_values_per_branch(make: Make) -> None:
    """R's `ineq` and REAT publish Gini and Herfindahl of the two branches."""
    found = values_of(
        concentration(make(published()), by="branch_id", base="all"), "branch_id", "measure"
    )
    assert found["R", "gini"] == pytest.approx(0.4620911, abs=5e-8)
    assert found["R", "herfindahl"] == pytest.approx(0.1840812, abs=5e-8)
    assert found["T", "gini"] == pytest.approx(0.3)
    assert found["T", "herfindahl"] == pytest.approx(0.34)


def test_hand_counted_shares(make: Make) -> None:
    """Twelve customers, 100 CNY: the shares counted by hand, fractions of a customer included."""
    amounts = [30, 20, 10, 10, 10, 5, 5, 4, 3, 2, 1, 0]
    bank = make({"aum_period_end": [float(amount) for amount in amounts]})
    found = values_of(concentration(bank, base="all"), "measure")
    assert found["top_1_share"] == pytest.approx(0.12 * 0.30)
    assert found["top_5_share"] == pytest.approx(0.60 * 0.30)
    assert found["top_10_share"] == pytest.approx(0.30 + 0.2 * 0.20)
    assert found["top_20_share"] == pytest.approx(0.30 + 0.20 + 0.4 * 0.10)
    assert found["share_of_customers_holding_80"] == pytest.approx(5 / 12)
    assert found["ten_largest_share"] == pytest.approx(0.99)


def test_result_is_the_measure_frame(make: Make) -> None:
    """Each row carries group, base, n, numerator and denominator in CNY or customers.

    Groups are sorted; measures stand in the order people read them, which is not the alphabet's.
    """
    rows = rows_of(concentration(make(published()), by="branch_id", base="all"))
    columns = ["branch_id", "measure", "base", "n", "numerator", "denominator", "value"]
    assert list(rows[0]) == columns
    tops = [(row["branch_id"], row["measure"]) for row in rows if "top_" in row["measure"]]
    ordered = [f"top_{percent}_share" for percent in (1, 5, 10, 20)]
    assert tops == [(branch, name) for branch in "RTZ" for name in ordered]
    top = next(row for row in rows if row["branch_id"] == "T" and row["measure"] == "top_20_share")
    assert (top["base"], top["n"], top["numerator"], top["denominator"]) == ("all", 4, 40, 100)
    few = next(row for row in rows if row["branch_id"] == "T" and "holding" in row["measure"])
    assert (few["numerator"], few["denominator"]) == (pytest.approx(2.5), 4)


def test_branch_without_assets_has_no_concentration(make: Make) -> None:
    """A branch whose total is zero keeps its rows; their values are empty."""
    rows = rows_of(concentration(make(published()), by="branch_id", base="all"))
    empty = [row for row in rows if row["branch_id"] == "Z"]
    assert [row["value"] for row in empty] == [None] * 8
    assert {row["n"] for row in empty} == {2}


def test_base_leaves_customers_out(make: Make) -> None:
    """Among customers from 10,000 CNY only one is left in A, and nobody in B."""
    customers, _ = two_branches()
    found = concentration(make(without_activity(customers)), by="branch_id", base="effective")
    rows = {(row["branch_id"], row["measure"]): row for row in rows_of(found)}
    assert (rows["A", "gini"]["n"], rows["A", "gini"]["value"]) == (1, 0)
    assert (rows["B", "gini"]["n"], rows["B", "gini"]["value"]) == (0, None)
    assert rows["A", "gini"]["base"] == "effective"


def test_managed_customers_are_those_marked(make: Make) -> None:
    """The base of managed customers is the column that says who is."""
    bank = make({"aum_period_end": [9.0, 5.0, 1.0], "in_managed": [True, False, True]})
    found = concentration(bank, base="managed")
    assert {(row["base"], row["n"]) for row in rows_of(found)} == {("managed", 2)}
    assert values_of(found, "measure")["gini"] == pytest.approx(0.4)


def test_whole_bank_and_two_columns(make: Make) -> None:
    """Without `by` the bank is one group; with two columns their pairs are."""
    bank = make(published() | {"region": [*"N" * 10, *"SSSS", *"NN"]})
    assert {row["n"] for row in rows_of(concentration(bank, base="all"))} == {16}
    groups = {(row["region"], row["branch_id"]) for row in rows_of(
        concentration(bank, by=["region", "branch_id"], base="all"))}  # fmt: skip
    assert groups == {("N", "R"), ("S", "T"), ("N", "Z")}


def test_very_large_banks_do_not_overflow(make: Make) -> None:
    """Two customers with 10 trillion CNY each and one with half of that: nothing wraps around."""
    bank = make({"aum_period_end": [1e13, 1e13, 5e12]})
    found = values_of(concentration(bank, base="all"), "measure")
    assert found["gini"] == pytest.approx(2 / 15)
    assert found["top_20_share"] == pytest.approx(0.6 * 0.4)


@pytest.mark.parametrize(
    ("amounts", "message"),
    [
        ([1.0, None, None], r"customers: 'aum_period_end' is missing or infinite in 2 rows"),
        ([1.0, float("nan"), 2.0], r"'aum_period_end' is missing or infinite in 1 rows"),
        ([1.0, float("inf"), 2.0], r"'aum_period_end' is missing or infinite in 1 rows"),
        ([1.0, -2.0, 2.0], r"'aum_period_end' is negative in 1 rows\. Fill them or leave"),
        (["1", "2", "3"], r"column 'aum_period_end' of customers holds text"),
    ],
)
def test_unusable_amounts_are_refused(make: Make, amounts: list[Any], message: str) -> None:
    """Missing, NaN, infinite, negative and text amounts are refused on every engine."""
    with pytest.raises(UsageError, match=message):
        concentration(make({"aum_period_end": amounts}), base="all")


def test_unknown_names_are_refused(make: Make) -> None:
    """Misspelt columns and bases are answered with close matches, missing ones by name."""
    bank = make(published())
    with pytest.raises(UsageError, match=r"unknown column of customers 'brnch_id'.*'branch_id'"):
        concentration(bank, by="brnch_id", base="all")
    with pytest.raises(UsageError, match=r"unknown base 'fundet'\. Did you mean 'funded'"):
        concentration(bank, base="fundet")
    with pytest.raises(
        UsageError, match=r"base 'funded': 'funded' or 'aum_average_quarter' missing.*base='all'"
    ):
        concentration(bank, base="funded")
    with pytest.raises(UsageError, match="base 'managed': 'managed' or 'in_managed' missing"):
        concentration(bank, base="managed")


def test_customers_of_no_group_are_refused(make: Make) -> None:
    """An empty cell in the column to group by is counted in the refusal."""
    bank = make({"branch_id": ["A", None], "aum_period_end": [1.0, 2.0]})
    with pytest.raises(UsageError, match="'branch_id' is empty in 1 rows"):
        concentration(bank, by="branch_id", base="all")


def test_curve_of_two_customers(make: Make) -> None:
    """1 and 3 CNY: straight to (50 %, 25 %), then straight to (100 %, 100 %)."""
    curve = values_of(
        lorenz_curve(make({"aum_period_end": [3.0, 1.0]}), base="all"),
        "customer_share",
        value="value_share",
    )
    assert len(curve) == 101
    assert [curve[share] for share in (0, 0.25, 0.5, 0.75, 1)] == (
        pytest.approx([0, 0.125, 0.25, 0.625, 1])
    )


def test_curve_per_branch(make: Make) -> None:
    """REAT's 10, 20, 20, 50: 10 %, 30 %, 50 % and 100 % at the quarters; no curve for branch Z."""
    curve = values_of(lorenz_curve(make(published()), by="branch_id", base="all"), "branch_id",
                      "customer_share", value="value_share")  # fmt: skip
    assert len(curve) == 3 * 101
    assert [curve["T", share] for share in (0.25, 0.5, 0.75, 1)] == pytest.approx(
        [0.1, 0.3, 0.5, 1]
    )
    assert {curve["Z", percent / 100] for percent in range(101)} == {None}


def test_curve_of_an_empty_base(make: Make) -> None:
    """A branch without customers in the base keeps its 101 rows, without values."""
    customers, _ = two_branches()
    curve = lorenz_curve(make(without_activity(customers)), by="branch_id", base="effective")
    shares = [row["value_share"] for row in rows_of(curve) if row["branch_id"] == "B"]
    assert shares == [None] * 101


AMOUNTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=40).filter(any)


@settings(max_examples=12)
@given(AMOUNTS)
def test_frames_agree_with_kernels(amounts: list[int]) -> None:
    """The grouped measures equal the array functions, which sort and add in another way."""
    values = [amount / 100 for amount in amounts]
    expected = {
        "gini": gini(values),
        "herfindahl": herfindahl(values),
        "top_1_share": top_share(values, 0.01),
        "top_5_share": top_share(values, 0.05),
        "top_10_share": top_share(values, 0.1),
        "top_20_share": top_share(values),
        "share_of_customers_holding_80": share_of_customers_holding(values),
        "ten_largest_share": top_share(values, min(1, 10 / len(values))),
    }
    for table in (as_pandas, as_polars):
        found = values_of(concentration(table({"aum_period_end": values}), base="all"), "measure")
        assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=12)
@given(AMOUNTS)
def test_curve_ends_rises_and_bends_upwards(amounts: list[int]) -> None:
    """The curve runs from 0 to 1, never falls, gets steeper, and agrees with the top share."""
    values = [amount / 100 for amount in amounts]
    curve = [row["value_share"] for row in rows_of(
        lorenz_curve(as_polars({"aum_period_end": values}), base="all"))]  # fmt: skip
    steps = [after - before for before, after in pairwise(curve)]
    assert (curve[0], curve[-1]) == (0, pytest.approx(1))
    assert min(steps) > -1e-12
    assert all(later > earlier - 1e-9 for earlier, later in pairwise(steps))
    assert 1 - curve[80] == pytest.approx(top_share(values))


@settings(max_examples=12)
@given(st.permutations(range(16)))
def test_order_of_rows_changes_nothing(order: list[int]) -> None:
    """The same customers in another order give the same table, to the last bit."""
    columns = published()
    shuffled = {name: [values[row] for row in order] for name, values in columns.items()}
    expected = rows_of(concentration(as_polars(columns), by="branch_id", base="all"))
    assert rows_of(concentration(as_polars(shuffled), by="branch_id", base="all")) == expected


def test_without_the_largest_by_hand(make: Make) -> None:
    """50, 30, 10, 10 without the 50: the top fifth of three customers holds 0.6 · 30 of 50."""
    bank = make({"aum_period_end": [10.0, 50.0, 10.0, 30.0]})
    rows = {row["measure"]: row for row in rows_of(concentration(bank, without=1, base="all"))}
    assert len(rows) == 8
    top = rows["top_20_share_without_1"]
    assert (top["n"], top["numerator"], top["denominator"]) == (3, 18, 50)
    assert rows["gini_without_1"]["value"] == pytest.approx(gini([30, 10, 10]))
    assert rows["herfindahl_without_1"]["value"] == pytest.approx(0.44)


def test_without_more_than_there_are(make: Make) -> None:
    """Branch T of four customers without its ten largest has nobody left, and no values."""
    rows = rows_of(concentration(make(published()), by="branch_id", without=10, base="all"))
    assert {(row["n"], row["value"]) for row in rows if row["branch_id"] != "R"} == {(0, None)}
    assert {row["n"] for row in rows if row["branch_id"] == "R"} == {0}


def test_without_nobody_is_refused_below_zero() -> None:
    """A negative number of customers cannot be left out."""
    with pytest.raises(UsageError, match="without must be 0 or more customers; given -1"):
        concentration(as_pandas(published()), without=-1, base="all")


@settings(max_examples=12)
@given(AMOUNTS, st.integers(0, 12))
def test_without_is_as_if_they_were_not_there(amounts: list[int], without: int) -> None:
    """Leaving out the largest equals a list without them, ties and all."""
    values = [amount / 100 for amount in amounts]
    left = sorted(values)[: max(len(values) - without, 0)]
    found = concentration(as_polars({"aum_period_end": values}), without=without, base="all")
    suffix = f"_without_{without}" if without else ""
    told = {row["measure"].removesuffix(suffix): row["value"] for row in rows_of(found)}
    if sum(left) == 0:
        assert set(told.values()) == {None}
    else:
        alone = values_of(concentration(as_polars({"aum_period_end": left}), base="all"), "measure")
        assert told == pytest.approx(alone, abs=1e-12)


def test_weights_by_hand(make: Make) -> None:
    """REAT's 20, 50, 20, 10 as three rows: n, Gini and the curve are those of four customers."""
    bank = make({"aum_period_end": [20.0, 50.0, 10.0], "people": [2, 1, 1]})
    rows = {
        row["measure"]: row for row in rows_of(concentration(bank, weight="people", base="all"))
    }
    assert (rows["gini"]["n"], rows["gini"]["value"]) == (4, pytest.approx(0.3))
    curve = values_of(
        lorenz_curve(bank, weight="people", base="all"), "customer_share", value="value_share"
    )
    assert [curve[share] for share in (0.25, 0.5, 0.75)] == pytest.approx([0.1, 0.3, 0.5])


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ([1.5, 1.0], "'people' is no whole number in 1 rows"),
        ([-1.0, 1.0], "'people' is negative in 1 rows"),
        ([None, 1.0], "'people' is missing or infinite in 1 rows"),
    ],
)
def test_weights_count_customers(make: Make, people: list[Any], message: str) -> None:
    """Parts of customers, negative and missing numbers of them are refused."""
    bank = make({"aum_period_end": [1.0, 2.0], "people": people})
    with pytest.raises(UsageError, match=message):
        concentration(bank, weight="people", base="all")


@settings(max_examples=12)
@given(AMOUNTS)
def test_a_customer_without_money_never_lowers_the_branch_s_gini(amounts: list[int]) -> None:
    """An empty account more makes the branch more concentrated, never less."""
    values = [float(amount) for amount in amounts]
    before, after = (
        values_of(concentration(as_polars({"aum_period_end": column}), base="all"), "measure")[
            "gini"
        ]
        for column in (values, [*values, 0.0])
    )
    assert after >= before - 1e-12
