"""The theme of the quarter (季度主题): which measures lead the review in which quarter."""

from __future__ import annotations

from dataclasses import dataclass

from stockcust_analysis.errors import PolicyError


@dataclass(frozen=True)
class Theme:
    """What one quarter of the year is about, and the measures that lead then, first to last."""

    name: str
    quarter: int
    zh: str
    en: str
    measures: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse a quarter that no year has."""
        if self.quarter not in (1, 2, 3, 4):
            raise PolicyError(f"theme '{self.name}': the quarter is 1, 2, 3 or 4.")
