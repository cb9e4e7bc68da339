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
    ("call", "message"),
    [
        (lambda: proportion_interval(3, 2), "count must be 0 to n"),
        (lambda: lift_interval(9, holders_a=2, holders_b=2, both=3), "both must be 0 to the hol"),
        (lambda: lift_interval(3, holders_a=2, holders_b=2, both=0), "holders must not be more"),
    ],
)
def test_impossible_questions_are_refused(call: Callable[[], Any], message: str) -> None:
    """Levels, resamples and counts out of range are named."""
    with pytest.raises(UsageError, match=message):
        call()
