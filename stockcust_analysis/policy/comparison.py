"""How branches are compared: who with whom, by which measures, and how much is chance."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from stockcust_analysis.errors import PolicyError


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
        given = [branch for group in self.peer_groups for branch in group.branches]
        twice = sorted(branch for branch, number in Counter(given).items() if number > 1)
        empty = sorted(group.name for group in self.peer_groups if not group.branches)
        problems = {
            "size_classes must be at least 2": self.size_classes < 2,
            "nearest must be at least 2 branches": self.nearest < 2,
            "least_branches must be at least 3": self.least_branches < 3,
            "least_customers must be at least 1": self.least_customers < 1,
            "winsorised_at is a share of the customers, above 0.5 up to 1": not (
                0.5 < self.winsorised_at <= 1
            ),
            "rank_level must lie between 0 and 1": not 0 < self.rank_level < 1,
            "peers are given, but no peer_groups": self.peers == "given" and not given,
            f"peer groups without a branch: {', '.join(empty)}": bool(empty),
            f"branches in two peer groups: {', '.join(twice)}": bool(twice),
        }
        found = [problem for problem, holds in problems.items() if holds]
        if found:
            raise PolicyError(f"comparison: {'; '.join(found)}.")
