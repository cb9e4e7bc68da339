"""The scorecard of the quarterly evaluation (季度评价): which measures count, and how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stockcust_analysis.errors import PolicyError


@dataclass(frozen=True)
class Indicator:
    """One indicator (指标): a measure by its name in the codebook, and how it earns points.

    `floor` and `ceiling` bound the attainment that counts: with 0.6 and 1.2 a branch earns nothing
    below 60 % of its target and no more than 120 %.
    """

    name: str
    weight: float
    customer_base: str = "funded"
    direction: Literal["higher", "lower"] = "higher"
    target: Literal["plan", "previous_quarter", "peer_median"] = "plan"
    method: Literal["proportional", "min_max", "percentile", "z"] = "proportional"
    floor: float = 0.0
    ceiling: float = 1.2

    def __post_init__(self) -> None:
        """Refuse weights and bounds that cannot be."""
        if self.weight <= 0:
            raise PolicyError(f"indicator '{self.name}': the weight must be above 0.")
        if not 0 <= self.floor < self.ceiling:
            raise PolicyError(f"indicator '{self.name}': the floor must lie below the ceiling.")


@dataclass(frozen=True)
class Scorecard:
    """Indicators whose weights add up to `points`.

    >>> Scorecard("one", (Indicator("customer_retention", 100),)).points
    100
    """

    name: str
    indicators: tuple[Indicator, ...]
    points: float = 100
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse weights that do not add up, and a measure that counts twice."""
        total = sum(indicator.weight for indicator in self.indicators)
        if abs(total - self.points) > 1e-9:
            raise PolicyError(
                f"scorecard '{self.name}': the weights add up to {total:g}, not {self.points:g}."
            )
        names = [indicator.name for indicator in self.indicators]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise PolicyError(f"scorecard '{self.name}' counts twice: {', '.join(twice)}.")
