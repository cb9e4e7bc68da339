"""Is a branch different, or was it chance? Array kernels of the funnel plot and of ranks.

One entry per branch. Sources: Spiegelhalter, *Funnel plots for comparing institutional
performance* (Statistics in Medicine, 2005) for limits and additive overdispersion; Paule and
Mandel (1982), DerSimonian and Kacker (2007) for its estimate; Klein, Wright and Wieczorek, *A
joint confidence region for an overall ranking of populations* (JRSS C, 2020) for ranks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

Values = npt.NDArray[np.float64]
LEVELS = (0.95, 0.998)
"""Of the two pairs of limits: two and three standard errors, in round numbers."""

_TESTED_AT = 0.05
_FARTHEST = 37.0  # standard errors; beyond, the probability is too small for a float


def mid_p_limits(n: npt.ArrayLike, centre: float, level: float) -> tuple[Values, Values]:
    """Return the proportions of n between which chance stays, by mid-P, when the rate is `centre`.

    A count is outside when P(less) + P(equal)/2 falls below (1 − level)/2, or likewise above; in
    between counts the limits are interpolated. Exact limits without the half would flag too few.

    >>> low, high = mid_p_limits([10], 0.5, 0.95)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.171], [0.829])
    """
    number = np.asarray(n, float)
    tail = (1 - level) / 2
    return _lower(number, centre, tail) / number, 1 - _lower(number, 1 - centre, tail) / number


def mid_p_z(count: npt.ArrayLike, n: npt.ArrayLike, centre: float) -> Values:
    """Return how many standard errors of a normal the mid-P of a count amounts to.

    Beyond the limits of `mid_p_limits` exactly when beyond their normal quantile. Counts between
    whole numbers are interpolated.

    >>> mid_p_z([9, 1], [10, 10], 0.5).round(3).tolist()
    [2.521, -2.521]
    """
    y, number = np.asarray(count, float), np.asarray(n, float)
    below, above = _mid_p(y, number, centre), _mid_p(number - y, number, 1 - centre)
    z = np.where(below < above, special.ndtri(below), -special.ndtri(above))
    return np.asarray(np.clip(z, -_FARTHEST, _FARTHEST))


def paule_mandel(values: npt.ArrayLike, variances: npt.ArrayLike) -> tuple[float, float]:
    """Return the mean and the variance τ² of what lies behind values of known variances.

    τ² ≥ 0 makes Σ (vᵢ − mean)² / (sᵢ² + τ²) the number of values less one, the mean weighing each
    by 1 / (sᵢ² + τ²); 0 where even without it the sum is no larger.

    >>> paule_mandel([1.0, 2.0, 3.0], [0.0001] * 3)[1].__round__(4)
    0.9999
    """
    value, variance = np.asarray(values, float), np.asarray(variances, float)
    free, tau2 = value.size - 1, 0.0
    for _ in range(200):
        weight = 1 / (variance + tau2)
        mean = float(weight @ value / weight.sum())
        excess = float(weight @ (value - mean) ** 2) - free
        if excess <= 1e-10 * max(free, 1):
            break
        tau2 += excess / float(weight**2 @ (value - mean) ** 2)
    return mean, tau2


def overdispersion(values: npt.ArrayLike, variances: npt.ArrayLike) -> tuple[float, float]:
    """Return centre and τ² for limits: τ² is 0 unless the spread is more than chance (Q, 5 %).

    Without the test the estimate, which cannot be negative, would on average be above zero where
    nothing differs, and large branches would escape their limits.
    """
    value, variance = np.asarray(values, float), np.asarray(variances, float)
    weight = 1 / variance
    mean = float(weight @ value / weight.sum())
    spread = float(weight @ (value - mean) ** 2)
    if value.size < 2 or special.chdtrc(value.size - 1, spread) > _TESTED_AT:
        return mean, 0.0
    return paule_mandel(value, variance)


def proportion_intervals(
    count: npt.ArrayLike, n: npt.ArrayLike, level: float
) -> tuple[Values, Values]:
    """Return exact (Clopper-Pearson) intervals: they hold at least the level, also for few.

    >>> low, high = proportion_intervals([0, 5], [10, 10], 0.95)
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.0, 0.1871], [0.3085, 0.8129])
    """
    y, number, tail = np.asarray(count, float), np.asarray(n, float), (1 - level) / 2
    low = special.betaincinv(np.maximum(y, 1), number - y + 1, tail)
    high = special.betaincinv(y + 1, np.maximum(number - y, 1), 1 - tail)
    return np.where(y > 0, low, 0.0), np.where(y < number, high, 1.0)


def normal_quantile(level: float) -> float:
    """Return how many standard errors each side hold the level.

    >>> round(normal_quantile(0.95), 3)
    1.96
    """
    return float(special.ndtri((1 + level) / 2))


def sidak(level: float, number: int) -> float:
    """Return the level of each of so many intervals that together hold `level`.

    >>> round(sidak(0.95, 10), 6)
    0.994884
    """
    return float(level ** (1 / number))


def rank_sets(low: npt.ArrayLike, high: npt.ArrayLike) -> tuple[Values, Values]:
    """Return the best and worst rank of each, all at once, from joint intervals; 1 is the highest.

    Best: 1 + how many lie wholly above; worst: all but those that lie wholly below.

    >>> best, worst = rank_sets([5.0, 2.0, 1.0], [6.0, 4.0, 3.0])
    >>> best.tolist(), worst.tolist()
    ([1.0, 2.0, 2.0], [1.0, 3.0, 3.0])
    """
    lower, upper = np.asarray(low, float), np.asarray(high, float)
    above = (lower[None, :] > upper[:, None]).sum(axis=1)
    below = (upper[None, :] < lower[:, None]).sum(axis=1)
    return 1.0 + above, lower.size - below.astype(float)


def _mid_p(y: Values, n: Values, p: float) -> Values:
    """Return P(less than y) + P(y)/2, linear between whole numbers."""
    whole = np.floor(y)
    up_to = [_binomial(whole + step, n, p) for step in (-1, 0, 1)]
    here, after = (up_to[0] + up_to[1]) / 2, (up_to[1] + up_to[2]) / 2
    return np.asarray(here + (y - whole) * (after - here))


def _binomial(count: Values, n: Values, p: float) -> Values:
    """Return the probability of at most so many of n."""
    inside = special.betainc(np.maximum(n - count, 1), np.maximum(count, 0) + 1, 1 - p)
    return np.where(count < 0, 0.0, np.where(count >= n, 1.0, inside))


def _lower(n: Values, p: float, tail: float) -> Values:
    """Return the count at which the mid-P reaches the tail; 0 where it is above it all along."""
    start = np.ceil(np.nan_to_num(special.bdtrik(tail, n, p)))
    start = np.where(_mid_p(start, n, p) >= tail, start - 1, start)
    at, step = _mid_p(start, n, p), _mid_p(start + 1, n, p)
    return np.asarray(np.maximum(start + (tail - at) / (step - at), 0.0))
