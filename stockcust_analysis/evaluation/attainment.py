"""From values to points: attainment (完成率), the methods of the scorecard, and their bounds.

Array kernels: one entry per branch, missing as NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stockcust_analysis.policy import Indicator

Values = npt.NDArray[np.float64]
_T_MEAN, _T_STEP = 0.5, 0.1


class Earned(NamedTuple):
    """Points before any bound, and what floor and cap took (what a limit gave is negative)."""

    raw: Values
    lost_to_floor: Values
    lost_to_cap: Values


def attainment(values: npt.ArrayLike, targets: npt.ArrayLike, direction: str) -> Values:
    """Return value / target, or 2 − value / target where low is good; NaN unless target > 0.

    >>> attainment([90.0, 0.1], [100.0, 0.0], "higher").tolist()
    [0.9, nan]
    >>> attainment([0.12], [0.1], "lower").round(9).tolist()
    [0.8]
    """
    value, target = np.asarray(values, float), np.asarray(targets, float)
    ratio: Values = np.divide(value, target, out=np.full_like(value, np.nan), where=target > 0)
    return ratio if direction == "higher" else np.subtract(2, ratio)


def place_among_peers(values: npt.ArrayLike, method: str, direction: str) -> Values:
    """Return the attainment of each of a group's branches by the methods that look at peers.

    Alone, a branch has none (NaN); where all are alike each stands in the middle, at 0.5.

    >>> place_among_peers([1.0, 2.0, 4.0], "min_max", "higher").round(3).tolist()
    [0.0, 0.333, 1.0]
    >>> place_among_peers([1.0, 2.0, 2.0], "percentile", "higher").tolist()
    [0.0, 0.75, 0.75]
    >>> place_among_peers([1.0, 3.0], "z", "lower").tolist()
    [0.6, 0.4]
    """
    value: Values = np.asarray(values, float) * (1 if direction == "higher" else -1)
    if value.size < 2:
        return np.full_like(value, np.nan)
    if np.ptp(value) == 0:
        return np.full_like(value, 0.5)
    if method == "min_max":
        place: Values = (value - value.min()) / np.ptp(value)
    elif method == "percentile":
        below = (value[:, None] > value).sum(axis=1)
        alike = (value[:, None] == value).sum(axis=1) - 1
        place = (below + alike / 2) / (value.size - 1)
    else:
        place = _T_MEAN + _T_STEP * (value - value.mean()) / value.std()
    return place


def earned(indicator: Indicator, reached: npt.ArrayLike) -> Earned:
    """Return the points that an attainment earns, with what the bounds took.

    >>> points = earned(Indicator("gini", 20, floor=0.6, ceiling=1.25), [0.5, 1.0, 1.5])
    >>> points.raw.tolist(), points.lost_to_floor.tolist(), points.lost_to_cap.tolist()
    ([10.0, 20.0, 30.0], [10.0, 0.0, 0.0], [0.0, 0.0, 5.0])
    """
    rate, weight = np.asarray(reached, float), indicator.weight
    step = 100 * (indicator.points_per_percent or 0)
    nothing = np.zeros_like(rate)
    if indicator.method == "deduction":
        deducted = step * np.maximum(1 - rate, 0)
        beyond = np.maximum(deducted - (indicator.limit or weight), 0)
        return Earned(weight - deducted, -beyond, nothing)
    if indicator.method == "full_marks_then_bonus":
        bonus = step * np.maximum(rate - 1, 0)
        raw = weight * np.minimum(rate, 1) + bonus
        most = step * max(indicator.ceiling - 1, 0)
        over = np.maximum(bonus - min(indicator.limit or 0, most), 0)
    else:
        raw = weight * rate
        over = weight * np.maximum(rate - indicator.ceiling, 0)
    return Earned(raw, np.where(rate < indicator.floor, raw, 0.0), over)
