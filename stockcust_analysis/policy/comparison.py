"""How branches are compared with one another, and what of it may be circulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stockcust_analysis.policy.file import refuse, repeated


@dataclass(frozen=True)
class PeerGroup:
    """A peer group (可比组) the bank states itself, by branch."""

    name: str
    branches: tuple[str, ...]


@dataclass(frozen=True)
class ComparedMeasure:
    """A measure of the codebook that branches are compared by."""

    name: str
    customer_base: str = "funded"


@dataclass(frozen=True)
class ComparisonRule:
    """Who is compared with whom (可比组), and by which measures.

    `peers`: the whole `bank`, branches of one `type`, of one `type_and_size` (each type in
    `size_classes` of equal number by AUM), the `nearest` by AUM, or those `given`. Limits allow
    for differences beyond chance, and verdicts are passed, only among `least_branches` or more of
    `least_customers` or more each; a branch of fewer has no limits and no verdict.
    Amounts above the bank's percentile `winsorised_at` count as that amount.

    >>> ComparisonRule().peers, ComparisonRule().least_branches
    ('bank', 20)
    """

    peers: Literal["bank", "type", "type_and_size", "nearest", "given"] = "bank"
    size_classes: int = 2
    nearest: int = 20
    peer_groups: tuple[PeerGroup, ...] = ()
    measures: tuple[ComparedMeasure, ...] = ()
    least_branches: int = 20
    least_customers: int = 30
    winsorised_at: float = 0.995
    rank_level: float = 0.95
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse groups and limits that compare nothing."""
        stated = [branch for group in self.peer_groups for branch in group.branches]
        twice = sorted(repeated(stated))
        empty = sorted(group.name for group in self.peer_groups if not group.branches)
        share = "winsorised_at is a share of the customers, above 0.5 up to 1"
        problems = {
            "size_classes must be at least 2": self.size_classes < 2,
            "nearest must be at least 2 branches": self.nearest < 2,
            "least_branches must be at least 3": self.least_branches < 3,
            "least_customers must be at least 1": self.least_customers < 1,
            share: not 0.5 < self.winsorised_at <= 1,
            "rank_level must lie between 0 and 1": not 0 < self.rank_level < 1,
            "peers are given, but no peer_groups": self.peers == "given" and not stated,
            f"peer groups without a branch: {', '.join(empty)}": empty,
            f"branches in two peer groups: {', '.join(twice)}": twice,
        }
        refuse("comparison: ", problems)


@dataclass(frozen=True)
class DisclosureRule:
    """Limits of the circulated set (对外口径), below which a figure is withheld.

    A branch's own report withholds nothing from that branch. A cell of fewer than `smallest_cell`
    customers is withheld, and an amount of which the two largest customers hold more than
    `two_largest`. What is printed must not allow anybody to work out a withheld number any closer
    than this: a small count may still be anything from 0 up to `smallest_cell`, an amount anything
    within `amount_protection` of it on either side.

    `merged_tiers` are merged with the tier below wherever a branch has a small cell of one, the
    highest first. A Lorenz curve needs `lorenz_customers`.

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
        is_share = 0 < self.two_largest <= 1
        # The upper protection level of an (n,k) rule is (x1 + x2) / k - x, at most (1/k - 1) x.
        least = 1 / self.two_largest - 1 if is_share else 0.0
        protection = f"amount_protection must lie from {least:.3f} (1 / two_largest - 1) to below 1"
        problems = {
            "smallest_cell must be at least 2 customers": self.smallest_cell < 2,
            "two_largest is a share of the amount, above 0 up to 1": not is_share,
            protection: is_share and not least <= self.amount_protection < 1,
            "lorenz_customers must be at least ten times smallest_cell: a point of the curve "
            "stands for a tenth of the customers": self.lorenz_customers < 10 * self.smallest_cell,
        }
        refuse("disclosure: ", problems)
