"""Rules of coverage (管户与联络): who is to be managed, how often called, when handed over."""

from __future__ import annotations

from dataclasses import dataclass

from stockcust_analysis.errors import PolicyError


@dataclass(frozen=True)
class CustomerClass:
    """A class of managed customers (A to D): its part of the managed, and how often to call.

    `share` is the part of the managed customers that the class takes, best first; the last class
    but one takes the rest, the last one those whose assets and intent are unknown. Without words
    of its own a class is printed by its name.
    """

    name: str
    share: float
    contact_months: int
    zh: str = ""
    en: str = ""


@dataclass(frozen=True)
class ProfileTarget:
    """The share of a tier's managed customers whose profile is to be complete (建档率)."""

    tier: str
    share: float


@dataclass(frozen=True)
class CoverageRule:
    """When a managed customer counts as served. Money in CNY.

    >>> [(one.name, one.contact_months) for one in CoverageRule().classes]
    [('A', 1), ('B', 2), ('C', 3), ('D', 3)]
    """

    manage_from: float = 50_000
    vip_from: float = 500_000
    contact_months: int = 3
    effective_outcomes: tuple[str, ...] = ("reached", "appointment", "visit", "sale", "refused")
    first_call_days: int = 2
    reclaim_months: int = 6
    set_aside_after: int = 5
    purchase_months: int = 6
    never_contact: tuple[str, ...] = ("deceased", "frozen", "staff", "minor")
    classes: tuple[CustomerClass, ...] = (
        CustomerClass("A", 0.20, 1, "A类", "A"),
        CustomerClass("B", 0.30, 2, "B类", "B"),
        CustomerClass("C", 0.00, 3, "C类", "C"),
        CustomerClass("D", 0.00, 3, "D类", "D"),
    )
    profile_targets: tuple[ProfileTarget, ...] = (
        ProfileTarget("mid", 0.70),
        ProfileTarget("high", 1.00),
        ProfileTarget("private", 1.00),
    )
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse periods below one, borders out of order, and classes that leave no rest."""
        problems = [
            f"{name} must be at least 1"
            for name in ("contact_months", "first_call_days", "reclaim_months", "set_aside_after",
                         "purchase_months")
            if getattr(self, name) < 1
        ]  # fmt: skip
        if not 0 < self.manage_from < self.vip_from:
            problems.append("manage_from must lie above 0 and below vip_from")
        if self.reclaim_months < self.contact_months:
            problems.append("reclaim_months must not be shorter than contact_months")
        if len(self.classes) < 2 or any(one.contact_months < 1 for one in self.classes):
            problems.append("classes must be two or more, each with contact_months from 1")
        if sum(one.share for one in self.classes) > 1 or any(one.share < 0 for one in self.classes):
            problems.append("shares of classes must not be negative or exceed 1 together")
        if any(not 0 <= target.share <= 1 for target in self.profile_targets):
            problems.append("profile_targets must lie between 0 and 1")
        if problems:
            raise PolicyError(f"coverage: {'; '.join(problems)}.")
