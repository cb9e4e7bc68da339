"""Branches compared: who is flagged by chance, who is told apart, and what stands beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, norm

from stockcust_analysis.errors import PolicyError
from stockcust_analysis.evaluation.comparison import COMPARISON_COLUMNS, comparison, exceptions
from tests.evaluation.small_quarters import BEFORE, NOW, named, quarter_of
from tests.reference.funnel_coverage import (
    NO_CELLS,
    SUMS,
    cells_of,
    comparing,
    counted,
    flagged_by_chance,
)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.08, 0.35])
def test_proportions_flag_one_in_twenty_by_chance(rate: float) -> None:
    """With no true difference 5 % ± 1 point lie outside, in small and in large branches alike."""
    assert all(4 <= share <= 6 for share in flagged_by_chance(rate, times=400))


@pytest.mark.slow
@pytest.mark.parametrize("measure", SUMS)
def test_means_and_ratios_flag_one_in_twenty_by_chance(measure: str) -> None:
    """Of heavy-tailed amounts, too, 5 % ± 1 point lie outside where no branch differs."""
    assert all(4 <= share <= 6 for share in flagged_by_chance(measure, times=120))


@pytest.fixture(scope="module")
def one_apart() -> pd.DataFrame:
    """Return thirty branches of 1,000, all at 10 % but for the last at 20 %."""
    n = np.full(30, 1000)
    counts = np.full(30, 100)
    counts[::2] += 3
    counts[-1] = 200
    measures = pd.concat([counted(counts, n), counted(counts - 10, n, quarter=BEFORE)])
    names = named(sorted(set(measures["branch_id"])))
    return comparison(
        measures, names, cells=NO_CELLS, policy=comparing("dormancy_rate"), quarter=NOW
    )


def test_a_limit_that_chance_reaches_is_no_border() -> None:
    """0.98⁷⁶ / 2 is 0.11: of 76 customers all may stay by chance, and 76 of 76 is within."""
    n = np.full(30, 1000)
    n[0] = 76
    counts = np.round(0.98 * n).astype(int)
    counts[0] = 76
    measures = pd.concat([counted(counts, n), counted(counts, n, quarter=BEFORE)])
    names = named(sorted(set(measures["branch_id"])))
    rules = comparing("dormancy_rate")
    first = comparison(measures, names, cells=NO_CELLS, policy=rules, quarter=NOW).iloc[0]
    assert (first["value"], first["verdict"]) == (1, "within")
    assert (first["upper_95"], first["upper_998"]) == (1, 1)
    assert 0.9 < first["lower_95"] < 0.98


def test_one_that_differs_is_told_apart(one_apart: pd.DataFrame) -> None:
    """The one at 20 % is far above, everybody else within; low is good: it ranks last for sure."""
    last = one_apart.iloc[-1]
    assert last["verdict"] == "far_above"
    assert set(one_apart["verdict"][:-1]) == {"within"}
    assert (last["rank_low"], last["rank_high"]) == (30, 30)
    assert (last["rank"], last["rank_of"]) == (30, 30)
    assert set(one_apart["rank_low"][:-1]) == {1.0}
    assert set(one_apart["rank_high"][:-1]) == {29.0}
    assert tuple(one_apart.columns) == COMPARISON_COLUMNS
    assert set(one_apart["kind"]) == {"proportion"}
    assert set(one_apart["peer_group"]) == {"all"}


def test_movement_and_its_error(one_apart: pd.DataFrame) -> None:
    """From 190 to 200 of 1,000: one point up, with the error √(.2·.8/1000 + .19·.81/1000)."""
    last = one_apart.iloc[-1]
    assert last["movement"] == pytest.approx(0.01)
    assert last["movement_standard_error"] == pytest.approx(
        (0.2 * 0.8 / 1000 + 0.19 * 0.81 / 1000) ** 0.5
    )


def test_shrunk_values_lie_between_value_and_centre(one_apart: pd.DataFrame) -> None:
    """Shrinkage pulls each towards the centre and never past it."""
    gap = one_apart["value"] - one_apart["centre"]
    shrunk = one_apart["shrunk_value"] - one_apart["centre"]
    assert ((shrunk / gap > 0) & (shrunk / gap < 1)).all()


def test_few_branches_have_limits_but_no_verdict() -> None:
    """Nineteen branches: dots and limits by chance alone, no verdict, nothing shrunk."""
    counts, n = np.full(19, 50), np.full(19, 500)
    counts[0] = 200
    measures = counted(counts, n)
    names = named(sorted(measures["branch_id"]))
    policy = comparing("dormancy_rate")
    table = comparison(measures, names, cells=NO_CELLS, policy=policy, quarter=NOW)
    assert set(table["verdict"]) == {""}
    assert table["shrunk_value"].isna().all()
    assert table["z"][0] > 5
    centre = counts.sum() / n.sum()
    assert table["centre"].to_numpy() == pytest.approx(centre)
    width = norm.ppf(0.975) * (centre * (1 - centre) / 500 * 18 / 19) ** 0.5
    assert table["upper_95"][1] - centre == pytest.approx(width, rel=0.05)


def test_a_mean_by_hand() -> None:
    """Two branches of (1, 3) and (5, 7): mean 4, pooled spread, each half of the centre.

    Σ(x − 4)² = 9 + 1 + 1 + 9 = 20 over 4 customers: variance 5 each, 2.5 of a mean of two; that of
    its distance from a centre it is half of: 2.5 · ½. z = −2 / √1.25.
    """
    x, branch = np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 0, 1, 1])
    cells = cells_of("aum_per_customer", branch, np.array([0.0, 0, 0, 0]), np.ones(4))
    cells = cells.assign(
        winsorised_sum=np.bincount(branch, x),
        winsorised_squares=np.bincount(branch, x * x),
        products=np.bincount(branch, x),
        standard_error=1.0,
        expected=[2.0, 24.0],
    )
    measures = counted(np.array([4.0, 12.0]), np.array([2, 2]), measure="aum_per_customer")
    table = comparison(
        measures,
        named(["00000", "00001"]),
        cells=cells,
        policy=comparing("aum_per_customer", least_customers=1),
        quarter=NOW,
    )
    assert table["kind"].tolist() == ["mean", "mean"]
    assert table["compared"].tolist() == [2.0, 6.0]
    assert table["z"].tolist() == pytest.approx([-2 / 1.25**0.5, 2 / 1.25**0.5])
    assert table["expected_ratio"].tolist() == [2.0, 0.5]
    assert table["lower_95"].tolist() == pytest.approx([4 - norm.ppf(0.975) * 1.25**0.5] * 2)


def products_of(holders: list[tuple[int, ...]]) -> pd.DataFrame:
    """Return the comparison of products per customer, from what each branch's customers hold."""
    branch = np.repeat(np.arange(len(holders)), [len(each) for each in holders])
    held = np.array([number for each in holders for number in each], dtype=float)
    cells = cells_of("products_per_customer", branch, held, np.ones(held.size))
    measures = counted(
        np.bincount(branch, held), np.bincount(branch), measure="products_per_customer"
    )
    names = named(sorted(measures["branch_id"]))
    policy = comparing("products_per_customer")
    return comparison(measures, names, cells=cells, policy=policy, quarter=NOW)


def test_a_branch_of_one_customer_gets_no_verdict() -> None:
    """One customer without a product among 25 branches of 400: no limits, no z, no rank.

    The others are judged as if it were not there: their limits are those of the 25 alone.
    """
    usual = [(1,) * (399 - place) + (2,) * (place + 1) for place in range(25)]
    alone, beside = products_of(usual), products_of([*usual, (0,)])
    last = beside.iloc[-1]
    assert (last["value"], last["n"], last["verdict"]) == (0.0, 1, "")
    assert last[["z", "lower_95", "upper_95", "lower_998", "upper_998"]].isna().all()
    assert "00025" not in set(exceptions(beside)["branch_id"])
    ranks = ["rank", "rank_of", "rank_low", "rank_high"]
    assert last[ranks].isna().all()
    assert beside[ranks][:-1].equals(alone[ranks])
    assert beside["verdict"][:-1].tolist() == alone["verdict"].tolist()
    assert beside["centre"][0] == pytest.approx(alone["centre"][0], abs=1e-12)
    assert beside["upper_95"][:-1].to_numpy() == pytest.approx(alone["upper_95"], rel=1e-4)


@pytest.mark.parametrize(("n", "judged"), [(29, False), (30, True)])
def test_the_least_number_of_customers_is_the_policys(n: int, judged: bool) -> None:
    """Of 29 customers nothing is said, of 30 it is; a branch of 29 is no peer towards the least."""
    counts, numbers = np.array([*[50] * 20, n]), np.array([*[500] * 20, n])
    measures = counted(counts, numbers)
    names = named(sorted(measures["branch_id"]))
    table = comparison(
        measures, names, cells=NO_CELLS, policy=comparing("dormancy_rate"), quarter=NOW
    )
    assert table["verdict"].iloc[-1] == ("far_above" if judged else "")
    fewer = comparison(
        measures[1:], names[1:], cells=NO_CELLS, policy=comparing("dormancy_rate"), quarter=NOW
    )
    assert set(fewer["verdict"]) == ({"within", "far_above"} if judged else {""})


def test_limits_of_few_customers_are_exact() -> None:
    """Of 40 customers among 19 × 2,000 at 10 %, the upper limit is where scipy's mid-P is 2.5 %."""
    numbers = np.array([*[2000] * 19, 40])
    measures = counted(numbers // 10, numbers)
    names = named(sorted(measures["branch_id"]))
    table = comparison(
        measures, names, cells=NO_CELLS, policy=comparing("dormancy_rate"), quarter=NOW
    )
    counts = np.arange(41)
    above = binom.sf(counts, 40, 0.1) + binom.pmf(counts, 40, 0.1) / 2
    expected = np.interp(0.025, above[::-1], counts[::-1]) / 40
    own = (1 - 40 / numbers.sum()) ** 0.5
    assert table["upper_95"].iloc[-1] == pytest.approx(0.1 + (expected - 0.1) * own, rel=1e-9)
    assert table["lower_998"].iloc[-1] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("measure", "lowest", "highest"),
    [("silent_aum_share", 0, 1), ("asset_retention", 0, 1), ("products_per_customer", 0, 9)],
)
def test_limits_stay_within_what_can_be(measure: str, lowest: float, highest: float) -> None:
    """One rich customer in thirty: plain limits would leave what a share or average can be."""
    branch = np.repeat(np.arange(25), 30)
    d = np.where(np.arange(750) % 30 == 0, 1e6, 1.0)
    d = np.ones(750) if measure == "products_per_customer" else d
    for x in (np.where(np.arange(750) % 60 == 0, d * highest, 0.0), d * highest):
        cells = cells_of(measure, branch, x, d)
        measures = counted(np.bincount(branch, x), np.full(25, 30), measure=measure)
        names = named(sorted(measures["branch_id"]))
        table = comparison(measures, names, cells=cells, policy=comparing(measure), quarter=NOW)
        limits = table[["lower_95", "upper_95", "lower_998", "upper_998"]].to_numpy()
        assert limits.min() >= lowest
        assert limits.max() <= highest


def test_nearest_branches_have_their_own_groups() -> None:
    """Each is compared with the two whose AUM is nearest: 100 with 90 and 120, not with 10,000."""
    names = list("ABCDE")
    volume = quarter_of(
        {("aum_average_quarter", "all"): [90.0, 100, 120, 10_000, 11_000]}, branches=names
    )
    rates = quarter_of({("dormancy_rate", "funded"): [0.1, 0.2, 0.3, 0.4, 0.5]}, branches=names)
    policy = comparing("dormancy_rate", peers="nearest", nearest=2)
    table = comparison(
        pd.concat([volume, rates]), named(names), cells=NO_CELLS, policy=policy, quarter=NOW
    )
    assert table["centre"].tolist() == pytest.approx([0.2, 0.2, 0.2, 0.4, 0.4])
    assert table["peer_group"].tolist() == names


def test_type_and_size() -> None:
    """Four urban branches are halved by AUM, a county branch stands alone."""
    names = list("ABCDE")
    volume = quarter_of({("aum_average_quarter", "all"): [5.0, 4, 3, 2, 9]}, branches=names)
    rates = quarter_of({("dormancy_rate", "funded"): [0.1] * 5}, branches=names)
    table = comparison(
        pd.concat([volume, rates]),
        named(names, ["urban"] * 4 + ["county"]),
        cells=NO_CELLS,
        policy=comparing("dormancy_rate", peers="type_and_size"),
        quarter=NOW,
    )
    assert table["peer_group"].tolist() == ["urban_1", "urban_1", "urban_2", "urban_2", "county_1"]


@pytest.mark.parametrize(
    ("values", "message"),
    [([0.5, -0.1, 0.2], "is no proportion"), ([0.0005, 0.1, 0.2], "is no proportion")],
)
def test_what_is_no_proportion_is_refused(values: list[float], message: str) -> None:
    """Negative and fractional counts without winsorised sums cannot be compared."""
    measures = quarter_of({("dormancy_rate", "funded"): values})
    with pytest.raises(PolicyError, match=message):
        comparison(
            measures, named(), cells=NO_CELLS, policy=comparing("dormancy_rate"), quarter=NOW
        )


def test_a_measure_that_is_not_there_is_left_out() -> None:
    """What nobody computed, as retention in a first quarter, is not compared; the columns stay."""
    measures = quarter_of({("dormancy_rate", "funded"): [0.1] * 3})
    table = comparison(
        measures, named(), cells=NO_CELLS, policy=comparing("customer_retention"), quarter=NOW
    )
    assert table.empty
    assert tuple(table.columns) == COMPARISON_COLUMNS


def test_all_alike_differ_by_nothing() -> None:
    """Where nobody is dormant there is no spread: z is 0, limits close on 0."""
    measures = quarter_of({("dormancy_rate", "funded"): [0.0] * 3})
    table = comparison(
        measures, named(), cells=NO_CELLS, policy=comparing("dormancy_rate"), quarter=NOW
    )
    assert table["z"].tolist() == [0, 0, 0]
    assert (table["lower_95"] == 0).all()
