"""Rules of the work lists (名单): from which amount, how long, and due when."""

from __future__ import annotations

from dataclasses import dataclass

from stockcust_analysis.errors import PolicyError

LISTS = (
    "hand_over", "maturing", "attrition_warning", "overdue_contact", "reclaim", "unassigned",
    "upgrade_candidates", "silent_with_assets", "next_product", "referral_sources",
    "incomplete_profile", "dormant", "set_aside",
)  # fmt: skip
"""All lists there are, the most pressing first: the order of the sheets."""


@dataclass(frozen=True)
class WorkListRule:
    """Which lists a branch gets and who comes on them. Money in CNY.

    `longest` is the number of customers on one list of one branch (ties at its end are kept);
    `near_border` the part of the next tier's border from which a customer is a candidate;
    `next_products` the families to offer, first the one to offer first.

    >>> WorkListRule(longest=10).due_months
    1
    """

    lists: tuple[str, ...] = LISTS
    longest: int = 30
    due_months: int = 1
    near_border: float = 0.8
    upgrade_from: float = 10_000
    silent_from: float = 10_000
    maturing_months: int = 3
    next_product_below: int = 2
    next_products: tuple[str, ...] = ("deposit", "wealth", "insurance", "fund")
    hold_out_share: float = 0.0
    hold_out_seed: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse unknown lists, and lengths, periods and shares out of range."""
        problems = [f"there is no list '{name}'" for name in self.lists if name not in LISTS]
        problems += [
            f"{name} must be at least 1"
            for name in ("longest", "due_months", "maturing_months", "next_product_below")
            if getattr(self, name) < 1
        ]
        if not 0 < self.near_border < 1:
            problems.append("near_border must lie between 0 and 1")
        if not 0 <= self.hold_out_share < 1:
            problems.append("hold_out_share must be 0 or more, and below 1")
        if problems:
            raise PolicyError(f"worklists: {'; '.join(problems)}.")
