"""What may leave the building: limits below which a figure of the circulated set is withheld."""

from __future__ import annotations

from dataclasses import dataclass

from stockcust_analysis.errors import PolicyError


@dataclass(frozen=True)
class DisclosureRule:
    """Limits of the circulated set (对外口径); a branch's own report is not withheld from it.

    A cell of fewer than `smallest_cell` customers is withheld, and an amount of which the two
    largest customers hold more than `two_largest`. From all that is printed nobody may work out a
    withheld number any closer than this: a small count may still be anything from 0 up to
    `smallest_cell`, an amount anything within `amount_protection` of it on either side.

    `merged_tiers` are told together with the tier below wherever a branch has a small cell of one,
    the highest first. A Lorenz curve needs `lorenz_customers`.

    >>> DisclosureRule().smallest_cell, DisclosureRule().two_largest
    (5, 0.85)
    """

    smallest_cell: int = 5
    two_largest: float = 0.85
    amount_protection: float = 0.2
    merged_tiers: tuple[str, ...] = ("private",)
    lorenz_customers: int = 100
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse limits that withhold nothing."""
        if self.smallest_cell < 2:
            raise PolicyError("disclosure: smallest_cell must be at least 2 customers.")
        if not 0 < self.two_largest <= 1:
            raise PolicyError("disclosure: two_largest is a share of the amount, above 0 up to 1.")
        # The upper protection level of an (n,k) rule is (x1 + x2) / k - x, at most (1/k - 1) x.
        least = 1 / self.two_largest - 1
        if not least <= self.amount_protection < 1:
            raise PolicyError(
                f"disclosure: amount_protection must lie from {least:.3f} (1 / two_largest - 1) "
                "to below 1."
            )
        if self.lorenz_customers < 10 * self.smallest_cell:
            raise PolicyError(
                "disclosure: lorenz_customers must be at least ten times smallest_cell: a point "
                "of the curve stands for a tenth of the customers."
            )
