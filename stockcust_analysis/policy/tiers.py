"""Tiers (客户分层): borders that are data, never computed from the quarter's own figures."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from stockcust_analysis.errors import PolicyError


@dataclass(frozen=True)
class Tier:
    """One tier (客户分层): from `lower` CNY up to the next tier's border, which is not in it."""

    name: str
    lower: float
    zh: str
    en: str


@dataclass(frozen=True)
class TierScheme:
    """Tiers in ascending order over one AUM column, half-open [lower, upper).

    >>> small, large = Tier("small", 0, "小", "Small"), Tier("large", 100, "大", "Large")
    >>> TierScheme("two", (small, large)).names
    ('small', 'large')
    """

    name: str
    tiers: tuple[Tier, ...]
    value: str = "aum_average_quarter"
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse a scheme in which some amount would have no tier, or two."""
        borders = [tier.lower for tier in self.tiers]
        if not borders or borders[0] != 0:
            raise PolicyError(f"tier scheme '{self.name}' must begin at 0 CNY.")
        if any(low >= high for low, high in pairwise(borders)):
            raise PolicyError(f"tier scheme '{self.name}': borders must rise from tier to tier.")
        if len(set(self.names)) < len(self.names):
            raise PolicyError(f"tier scheme '{self.name}' uses a tier's name twice.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tiers, lowest first."""
        return tuple(tier.name for tier in self.tiers)


LANDINGS = ("last", "mean", "maximum")


@dataclass(frozen=True)
class TierMonths:
    """How many short months in a row it takes to leave one tier, where it is not the usual."""

    tier: str
    months: int


@dataclass(frozen=True)
class TierMemory:
    """How a tier is kept (升降级规则): up by one month, down after a row of short months.

    `months_to_downgrade` short months in a row end a tier (`exceptions`: other tiers, other
    months); until then the customer is on watch (关注). `landing` says which amount gives the tier
    after it: the `last` short month's, the `mean` or the `maximum` of them. `lag_months` is 1
    where a tier is in force from the month after the one that earned or lost it.

    >>> memory = TierMemory("own", exceptions=(TierMonths("private", 6),))
    >>> memory.months_of("mid"), memory.months_of("private")
    (3, 6)
    >>> memory.periods_of("private", months_apart=3)
    2
    """

    name: str
    months_to_downgrade: int = 3
    exceptions: tuple[TierMonths, ...] = ()
    lag_months: int = 0
    landing: str = "last"
    value: str = "aum_average_month"
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse no months, another lag than 0 or 1, unknown landings, a tier named twice."""
        tiers = [one.tier for one in self.exceptions]
        wrong = {
            "needs at least 1 month before a downgrade": min(
                self.months_to_downgrade, *(one.months for one in self.exceptions), 1) < 1,
            "takes lag_months 0 or 1": self.lag_months not in (0, 1),
            f"takes landing {', '.join(LANDINGS)}": self.landing not in LANDINGS,
            "has two exceptions for one tier": len(set(tiers)) < len(tiers),
        }  # fmt: skip
        found = [rule for rule, broken in wrong.items() if broken]
        if found:
            raise PolicyError(f"tier memory '{self.name}' {'; '.join(found)}.")

    def months_of(self, tier: str) -> int:
        """Return how many short months in a row end a tier."""
        months = {one.tier: one.months for one in self.exceptions}
        return months.get(tier, self.months_to_downgrade)

    def periods_of(self, tier: str, *, months_apart: int) -> int:
        """Return the same in snapshots, by calendar: 3 months are 1 quarter, 4 to 6 are 2."""
        return -(-self.months_of(tier) // months_apart)
