"""Intervals: published tables, independent standard errors, coverage by simulation, refusals."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan, log
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.co_holding import lift_interval, proportion_interval
from stockcust_analysis.measures.inequality import (
    gini,
    gini_and_error,
    gini_interval,
    top_share,
    top_share_and_error,
    top_share_interval,
)
from tests.frames import R_INEQ_INCOMES
from tests.reference.interval_coverage import coverage, log_normal


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
     (1, 29, 0.0061, 0.1718), (20, 20, 0.8389, 1.0)],
)  # fmt: skip
def test_wilson_as_newcombe_published_it(count: int, n: int, low: float, high: float) -> None:
    """Table I of Newcombe (1998), method 3; the last row is the mirror image of the third."""
    assert proportion_interval(count, n) == pytest.approx((low, high), abs=5e-5)


def test_a_rate_of_nobody_has_no_interval() -> None:
    """Without customers there is nothing to tell."""
    assert all(isnan(end) for end in proportion_interval(0, 0))


@given(st.integers(0, 300), st.integers(1, 300))
def test_wilson_holds_the_rate(count: int, n: int) -> None:
    """The interval lies in 0 to 1 and holds the rate."""
    low, high = proportion_interval(min(count, n), n)
    assert 0 <= low <= min(count, n) / n <= high <= 1


@given(*[st.integers(1, 500)] * 4)
def test_lift_s_error_by_the_delta_method_on_four_cells(
    both: int, only_a: int, only_b: int, neither: int
) -> None:
    """The width is that of gradient and covariance of the four cells, worked out numerically."""
    n, a, b = both + only_a + only_b + neither, both + only_a, both + only_b
    cells = np.array([both, only_a, only_b, neither]) / n
    gradient = np.array([1 / cells[0] - n / a - n / b, -n / a, -n / b, 0])
    covariance = (np.diag(cells) - np.outer(cells, cells)) / n
    low, high = lift_interval(n, holders_a=a, holders_b=b, both=both)
    width = 1.959963985 * np.sqrt(max(gradient @ covariance @ gradient, 0))
    assert log(high / low) / 2 == pytest.approx(width, rel=1e-6, abs=1e-6)
    assert log(high * low) / 2 == pytest.approx(log(n * both / (a * b)), abs=1e-9)


def test_lift_and_rate_cover_as_often_as_promised() -> None:
    """Two families held independently by 20 % and 30 % of 2,000: 95 % of the intervals hold it."""
    random = np.random.default_rng(20260930)
    cells = random.multinomial(2_000, [0.06, 0.14, 0.24, 0.56], size=2_000)
    held = np.zeros(2)
    for both, only_a, only_b, _ in cells.tolist():
        low, high = lift_interval(
            2_000, holders_a=both + only_a, holders_b=both + only_b, both=both
        )
        held[0] += low <= 1 <= high
        low, high = proportion_interval(both, both + only_a)
        held[1] += low <= 0.3 <= high
    assert held / 2_000 == pytest.approx([0.95, 0.95], abs=0.015)


def test_families_never_held_together_have_no_lift_interval() -> None:
    """A lift of zero has no logarithm."""
    assert all(isnan(end) for end in lift_interval(10, holders_a=2, holders_b=0, both=0))


@pytest.mark.parametrize(
    "estimate",
    [(gini_and_error, gini), (lambda x, c: top_share_and_error(x, c, 0.2), top_share)],
)
def test_linearised_errors_agree_with_the_jackknife(
    estimate: tuple[Callable[..., Any], Callable[..., float]],
) -> None:
    """Leaving out one customer after the other gives the same standard error to a few per cent."""
    linearised, kernel = estimate
    balances = np.sort(np.random.default_rng(1).lognormal(0, 1, 1_000))
    value, error = linearised(balances, np.ones(1_000))
    left_out = [kernel(np.delete(balances, place)) for place in range(0, 1_000)]
    jackknife = np.sqrt(999 * np.var(left_out))
    assert value == pytest.approx(kernel(balances))
    assert error == pytest.approx(jackknife, rel=0.03)


def test_counts_stand_for_repeated_customers() -> None:
    """A balance drawn twice is that balance twice: same estimate, same error."""
    for linearised in (gini_and_error, lambda x, c: top_share_and_error(x, c, 0.3)):
        once = linearised(np.array([1.0, 2, 2, 5]), np.ones(4))
        drawn = linearised(np.array([1.0, 2, 3, 5]), np.array([1.0, 2, 0, 1]))
        assert drawn == pytest.approx(once, rel=1e-9)


def test_intervals_hold_the_sample_and_follow_the_seed() -> None:
    """Same seed, same interval; a higher level is wider; the sample's own value is inside."""
    low, high = gini_interval(R_INEQ_INCOMES, seed=1)
    assert (
        (low, high)
        == gini_interval(R_INEQ_INCOMES, seed=1)
        != gini_interval(R_INEQ_INCOMES, seed=2)
    )
    assert 0 < low < gini(R_INEQ_INCOMES) < high < 1
    wide = gini_interval(R_INEQ_INCOMES, seed=1, level=0.99)
    assert wide[0] < low < high < wide[1]
    low, high = top_share_interval(R_INEQ_INCOMES, 0.3, seed=1)
    assert low < top_share(R_INEQ_INCOMES, 0.3) < high


def test_coverage_of_a_mild_population() -> None:
    """Log-normal incomes of σ = 0.8, 200 customers: about nine of ten intervals hold the truth."""
    of_gini, of_top_share = coverage(log_normal(0.8), 200, samples=50)
    assert of_gini == pytest.approx(0.92, abs=0.07)
    assert of_top_share == pytest.approx(0.92, abs=0.07)


@pytest.mark.parametrize("values", [[], [0, 0], [5], [3, 3, 3]])
def test_no_spread_no_interval(values: list[float]) -> None:
    """Nobody, no assets, one customer, all the same: nothing can be said."""
    assert all(isnan(end) for end in gini_interval(values, seed=1))
    assert all(isnan(end) for end in top_share_interval(values, 0.5, seed=1))


def test_a_share_of_everything_has_no_interval() -> None:
    """Where the top half holds all there are no odds to take."""
    assert all(isnan(end) for end in top_share_interval([0, 0, 9], 0.5, seed=1))


def test_resamples_without_spread_are_left_out() -> None:
    """Of two customers, samples of one twice say nothing; the others are the sample itself."""
    assert gini_interval([0, 1], seed=1, resamples=99) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gini_interval([1, 2], seed=1, level=1), "level must lie between 0 and 1; given 1"),
        (lambda: gini_interval([1, 2], seed=1, resamples=9), "resamples must be 99 or more; given"),
        (lambda: gini_interval([1, -2], seed=1), "1 of 2 values are negative"),
        (lambda: top_share_interval([1, 2], 2, seed=1), "fraction must be above 0"),
        (lambda: proportion_interval(3, 2), "count must be 0 to n"),
        (lambda: lift_interval(9, holders_a=2, holders_b=2, both=3), "both must be 0 to the hol"),
        (lambda: lift_interval(3, holders_a=2, holders_b=2, both=0), "holders must not be more"),
    ],
)
def test_impossible_questions_are_refused(call: Callable[[], Any], message: str) -> None:
    """Levels, resamples and counts out of range are named."""
    with pytest.raises(UsageError, match=message):
        call()
