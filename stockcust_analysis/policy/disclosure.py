"""What may leave the building: limits below which a figure of the circulated set is withheld."""

from __future__ import annotations

from dataclasses import dataclass

from stockcust_analysis.errors import PolicyError


@dataclass(frozen=True)
class DisclosureRule:
    """Limits of the circulated set (对外口径); a branch's own report is not withheld from it.

    A cell of fewer than `smallest_cell` customers is withheld, and an amount of which the two
    largest customers hold more than `two_largest`.

    >>> DisclosureRule().smallest_cell, DisclosureRule().two_largest
    (5, 0.85)
    """

    smallest_cell: int = 5
    two_largest: float = 0.85
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse limits that withhold nothing."""
        if self.smallest_cell < 2:
            raise PolicyError("disclosure: smallest_cell must be at least 2 customers.")
        if not 0 < self.two_largest <= 1:
            raise PolicyError("disclosure: two_largest is a share of the amount, above 0 up to 1.")
