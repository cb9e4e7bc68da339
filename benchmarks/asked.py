"""What every engine is asked: a bank's folder, two quarters, and the rules that are in force.

Constants come from the policy; what is done with them each rival writes for itself. They are
written for the default policy: its one dormancy rule, without scope, with a cap on total assets.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pandas as pd

from stockcust_analysis.periods import Quarter, cutoff
from stockcust_analysis.policy import DEFAULT, Family, Policy, load_policy

BANK = "@bank"
"""Under this the whole bank stands, as in the evaluation."""
STATUSES = ("active", "active_small", "silent", "dormant")
LEFT_OUT = (1, 10)
PERCENTS = (1, 5, 10, 20)
STEPS = ("contacts", "answers", "appointments", "sales")
APPOINTED = ("appointment", "visit", "sale")
OBLIGING = (Family("loan", "", "", ("loan",)),
            Family("insurance", "", "", ("insurance",), ("balance", "in_force")))  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A bank's folder and the quarter asked about."""

    folder: Path
    quarter: Quarter

    @property
    def policy(self) -> Policy:
        """The rules in force."""
        return load_policy(DEFAULT)

    @property
    def quarters(self) -> tuple[Quarter, Quarter]:
        """The quarter before, and the one asked about."""
        return self.quarter.previous, self.quarter

    def files(self, table: str, ending: str = "parquet") -> list[str]:
        """Return the files of a table."""
        shapes = (f"{table}.{ending}", f"{table}_*.{ending}", f"{table}/*.{ending}")
        return sorted(str(path) for shape in shapes for path in self.folder.glob(shape))

    def has(self, table: str) -> bool:
        """Tell whether the bank delivers a table."""
        return bool(self.files(table) or self.files(table, "csv"))

    def csv(self, table: str) -> pd.DataFrame:
        """Read a small table, texts as texts."""
        return pd.concat([pd.read_csv(name, dtype=str) for name in self.files(table, "csv")])

    def successors(self) -> dict[str, str]:
        """Return old branch → the branch that has its customers at the end of the quarter."""
        if not self.has("branch_successors"):
            return {}
        mergers = self.csv("branch_successors").sort_values("effective_on")
        now: dict[str, str] = {}
        for old, new in mergers.loc[
            mergers["effective_on"] <= str(self.quarter.end), ["old_branch_id", "new_branch_id"]
        ].itertuples(index=False):
            now = {branch: new if last == old else last for branch, last in now.items()}
            now[old] = new
        return now


@dataclass(frozen=True)
class Days:
    """The borders in time of one as-of date: what lies after them is inside."""

    as_of: date
    policy: Policy

    @property
    def idle(self) -> date:
        """Who last acted by this day is idle."""
        return self.policy.dormancy.cutoff(self.as_of)

    @property
    def established(self) -> date:
        """Who came by this day is established."""
        return cutoff(self.as_of, 12)

    @property
    def contact(self) -> date:
        """The contact period begins after this day."""
        return cutoff(self.as_of, self.policy.coverage.contact_months)

    @property
    def purchase(self) -> date:
        """Sales after this day are recent."""
        return cutoff(self.as_of, self.policy.coverage.purchase_months)

    @property
    def reclaim(self) -> date:
        """Who was not spoken to after this day is to be given to somebody else."""
        return cutoff(self.as_of, self.policy.coverage.reclaim_months)

    @property
    def first_call(self) -> date:
        """For who was handed over by this day the days of the first call are over."""
        return self.as_of - timedelta(days=self.policy.coverage.first_call_days)

    @property
    def classes(self) -> dict[str, date]:
        """Who was not spoken to after this day is to be called, by class."""
        return {
            one.name: cutoff(self.as_of, one.contact_months) for one in self.policy.coverage.classes
        }

    @property
    def came_of_age(self) -> dict[str, tuple[date, date]]:
        """Accounts opened after the first day, and by the second, came of age in the quarter."""
        begin = cutoff(self.as_of, 3)
        ninety = timedelta(days=90)
        return {
            "90_days": (begin - ninety, self.as_of - ninety),
            "6_months": (cutoff(begin, 6), cutoff(self.as_of, 6)),
        }


def exempting(policy: Policy) -> dict[str, tuple[str, ...]]:
    """Return product → evidence that exempts from dormancy, but for the unmatured time deposit."""
    known = {
        product: one.active_if
        for one in policy.families.families + policy.families.channels
        for product in one.products
    }
    return {product: known[product] for product in policy.dormancy.exempt if product in known}


def cents(amount: float) -> int:
    """Return a policy's CNY as whole cents."""
    return int((Decimal(str(amount)) * 100).quantize(Decimal(1), ROUND_HALF_UP))
