"""The facts behind a page's sentences: a branch's cells, the bank's, and how both moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.comparisons import ComparisonName, compared_quarters
from stockcust_analysis.show.labels import Words, measure_words, member_words
from stockcust_analysis.show.units import change_between

_BASE_ORDER: Final = ("funded", "effective", "managed", "all", "established")


@dataclass(frozen=True)
class Cell:
    """One value of the measure table with what it was counted on."""

    value: float
    numerator: float
    n: int
    base: str


@dataclass(frozen=True)
class Movement:
    """A change against an earlier quarter, and the bank's own change if it is known.

    Relative for money and counts, a difference for all else.
    """

    comparison: ComparisonName
    before: Cell
    change: float
    bank_change: float | None


@dataclass(frozen=True)
class Page:
    """One branch's cells and the bank's, by quarter, branch, measure and member."""

    cells: Mapping[tuple[str, str, str, str], Cell]
    branch_id: str
    quarter: str
    language: Language
    families: Words

    def own(self, measure: str, member: str = "", *, quarter: str = "") -> Cell | None:
        """Return the branch's cell, of this quarter unless another is named."""
        return self.cells.get((quarter or self.quarter, self.branch_id, measure, member))

    def bank(self, measure: str, member: str = "", *, quarter: str = "") -> Cell | None:
        """Return the bank's cell to compare with; None on the bank's own page."""
        if self.branch_id == WHOLE_BANK:
            return None
        return self.cells.get((quarter or self.quarter, WHOLE_BANK, measure, member))

    @property
    def current(self) -> list[Cell]:
        """The branch's cells of this quarter."""
        return [
            cell
            for (quarter, branch, _, _), cell in self.cells.items()
            if (quarter, branch) == (self.quarter, self.branch_id)
        ]

    @property
    def has_history(self) -> bool:
        """Whether the branch has figures for any quarter this one is compared with."""
        return any(
            branch == self.branch_id and quarter != self.quarter
            for quarter, branch, _, _ in self.cells
        )

    def movements(self, measure: str, member: str = "") -> list[Movement]:
        """Return how a value moved, the leading comparison first; only within the same base."""
        now, kind = self.own(measure, member), measure_words(measure).kind
        bank_now = self.bank(measure, member)
        found = []
        for comparison, quarter in compared_quarters(self.quarter).items():
            before = self.own(measure, member, quarter=quarter)
            if now is None or before is None or before.base != now.base:
                continue
            change = change_between(now.value, before.value, kind)
            if change is None:
                continue
            bank_before = self.bank(measure, member, quarter=quarter)
            bank_change = None
            if bank_now is not None and bank_before is not None:
                bank_change = change_between(bank_now.value, bank_before.value, kind)
            of_bank = None if bank_change is None else float(bank_change)
            found.append(Movement(comparison, before, float(change), of_bank))
        return found


def read_page(
    measures: pd.DataFrame,
    *,
    branch_id: str,
    quarter: str,
    language: Language,
    families: Words | None = None,
) -> Page:
    """Take from the measure table what one page's sentences need.

    Undefined values are left out. Where a measure stands on several bases, funded customers are
    preferred, then effective, managed and all; those of a year or more speak only alone.
    """
    quarters = [quarter, *compared_quarters(quarter).values()]
    here = measures["branch_id"].isin([branch_id, WHOLE_BANK]) & measures["quarter"].isin(quarters)
    rows = measures[here & measures["value"].notna()]
    rank = rows["base"].map({base: place for place, base in enumerate(_BASE_ORDER)})
    # A later row replaces an earlier one under the same key: the preferred base comes last.
    rows = rows.assign(rank=rank).sort_values("rank", ascending=False, kind="stable")
    columns = ("quarter", "branch_id", "measure", "member", "value", "numerator", "n", "base")
    cells = {
        (when, branch, measure, member): Cell(float(value), float(numerator), int(n), base)
        for when, branch, measure, member, value, numerator, n, base in zip(
            *(rows[column] for column in columns), strict=True
        )
    }
    held = rows.loc[rows["measure"] == "penetration", "member"]
    words = member_words("family", language, words=families, present=held)
    return Page(cells, branch_id, quarter, language, words)
