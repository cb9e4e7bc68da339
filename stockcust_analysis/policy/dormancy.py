"""Dormancy rules (睡眠): idle period, clock, cap, exemptions; and the warning of attrition."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from stockcust_analysis.errors import PolicyError
from stockcust_analysis.periods import cutoff

CLOCKS = ("transaction", "maturity", "contact", "opening")
CAPS = ("total", "account")


@dataclass(frozen=True)
class DormancyRule:
    """When a customer counts as dormant (睡眠): idle for the period, below the cap, not exempt.

    Exactly one of `idle_months` (counted day to day, 对年对月对日) and `idle_days` is given. The
    `clock` names what starts the period anew: the last customer-initiated `transaction` (of
    `active_kinds`; any, if empty), the last `maturity`, an answered `contact`, the `opening` of
    the relationship. `cap` is CNY; an amount equal to it is small only when `cap_inclusive`, and
    without a cap every balance above zero is. It is compared with the column `value`, or with the
    balance of `products` where the rule names them; `cap_per` account asks it of each account
    (of `products`, or of all that are AUM). `exempt` names products a dormant customer cannot
    hold, or `unmatured_time_deposit`; `scope` the customer types it judges (all, if empty).

    >>> DormancyRule("half_year", cap=500, idle_months=6).cutoff(date(2026, 9, 30))
    datetime.date(2026, 3, 31)
    """

    name: str
    cap: float | None = None
    idle_months: int | None = None
    idle_days: int | None = None
    cap_inclusive: bool = False
    cap_per: str = "total"
    value: str = "aum_period_end"
    scope: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    clock: tuple[str, ...] = ("transaction", "maturity")
    exempt: tuple[str, ...] = ()
    active_kinds: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse a rule that nobody could follow; everything wrong with it is named at once."""
        periods = [given for given in (self.idle_months, self.idle_days) if given is not None]
        wrong = []
        if len(periods) != 1 or periods[0] < 1:
            wrong.append("needs either idle_months or idle_days, at least 1")
        if self.cap is not None and self.cap < 0:
            wrong.append("the cap cannot be negative")
        if self.cap_per not in CAPS:
            wrong.append(f"cap_per takes {' or '.join(CAPS)}, not '{self.cap_per}'")
        if not self.clock or not set(self.clock) <= set(CLOCKS):
            wrong.append(f"clock takes one or more of {', '.join(CLOCKS)}; not {list(self.clock)}")
        if wrong:
            raise PolicyError(f"dormancy rule '{self.name}': {'; '.join(wrong)}.")

    @property
    def looks_at_accounts(self) -> bool:
        """Whether the cap is compared with balances of accounts, not with the customer's AUM."""
        return bool(self.products) or self.cap_per == "account"

    def cutoff(self, as_of: date) -> date:
        """Return the latest day of last activity on which a customer is idle by `as_of`."""
        if self.idle_months is not None:
            return cutoff(as_of, self.idle_months)
        return as_of - timedelta(days=self.idle_days or 0)


@dataclass(frozen=True)
class AttritionRule:
    """When money is leaving (流失预警): a fall of the quarter's average beyond that of the peers.

    Warned are customers whose average of the previous quarter was `lowest_average` CNY or more,
    and fell, by `margin` more than the median change of their branch's customers in the same tier
    (0.2: twenty percentage points more; with 0 nearly half of all are below their median, and
    warned). Where the branch has fewer than `smallest_group` of them the whole bank's median
    stands in: nobody is his own measure.

    >>> AttritionRule().lowest_average
    10000
    """

    lowest_average: float = 10_000
    margin: float = 0.2
    smallest_group: int = 10
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse a rule under which nobody's fall could be told."""
        if self.lowest_average <= 0 or self.margin < 0 or self.smallest_group < 1:
            raise PolicyError(
                "attrition: lowest_average must be above 0, margin 0 or more, smallest_group 1 "
                "or more."
            )
