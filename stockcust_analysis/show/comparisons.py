"""What a number is compared with: 环比, 同比, 较年初 and 计划完成率, those that exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from stockcust_analysis.errors import UsageError
from stockcust_analysis.periods import Quarter
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.labels import Kind, label, measure_words
from stockcust_analysis.show.units import change_between, format_change, format_share

ComparisonName = Literal["previous_quarter", "year_ago", "year_start", "target"]


@dataclass(frozen=True)
class Comparison:
    """A measure beside the value it is compared with."""

    name: ComparisonName
    quarter: str
    now: float
    against: float
    kind: Kind

    @property
    def change(self) -> float | None:
        """The change as `change_between` counts it; for a target, the part of it reached."""
        if self.name == "target":
            return self.now / self.against
        change = change_between(self.now, self.against, self.kind)
        return None if change is None else float(change)

    def pair(self, language: Language = "zh") -> tuple[str, str]:
        """Return its name and its value, as a key figure prints them: ("环比", "▲ 3.1%").

        Percentage points are said once for the whole figure, not here.
        """
        points = label("percentage_points", language, within="word").removeprefix("{}")
        change = self._told(language).removesuffix(points)
        return label(self.name, language, within="comparison_short"), change

    def _told(self, language: Language) -> str:
        """Return the change, or the part of the target reached."""
        if self.name == "target":
            return format_share(self.change)
        return format_change(self.now, self.against, kind=self.kind, language=language)

    def text(self, language: Language = "zh") -> str:
        """Return it in one piece, such as "环比 ▲ 3.1%"."""
        words = label(self.name, language, within="comparison")
        change = self._told(language)
        pattern = label("comparison_change", language, within="word")
        return pattern.format(comparison=words, change=change)


def comparisons(
    measures: pd.DataFrame,
    measure: str,
    *,
    branch_id: str,
    quarter: str,
    base: str | None = None,
    dimension: str = "",
    member: str = "",
    targets: pd.DataFrame | None = None,
) -> tuple[Comparison, ...]:
    """Return what a measure is compared with, those comparisons that exist.

    The first and the fourth quarter lead with year-on-year, because of the season. Versus year
    start is left out where it is the same comparison as another one (first and fourth quarter).

    Parameters
    ----------
    measures
        The measure table, with every quarter that is to be compared.
    measure, branch_id, quarter, dimension, member
        Which row.
    base
        May be left out where the table has the measure on one base only.
    targets
        Columns branch_id, quarter, measure, target, in the measure's own unit; targets of zero
        or less are left out.

    >>> table = pd.DataFrame({"quarter": ["2026Q2", "2026Q3"], "branch_id": "B01",
    ...     "dimension": "", "member": "", "measure": "customers", "base": "all",
    ...     "value": [1000.0, 1031.0]})
    >>> [each.text() for each in comparisons(table, "customers", branch_id="B01", quarter="2026Q3")]
    ['环比 ▲ 3.1%']
    """
    kind = measure_words(measure).kind
    values = values_by_quarter(
        measures, measure, base=base, branch_id=branch_id, dimension=dimension, member=member
    )
    now = values.get(str(Quarter.parse(quarter)))
    if now is None:
        return ()
    found = [
        Comparison(name, earlier, now, values[earlier], kind)
        for name, earlier in compared_quarters(quarter).items()
        if earlier in values
    ]
    target = None if dimension else target_of(targets, measure, branch_id, quarter)
    if target is not None:
        found.append(Comparison("target", quarter, now, target, kind))
    return tuple(found)


def target_of(
    targets: pd.DataFrame | None, measure: str, branch_id: str, quarter: str
) -> float | None:
    """Return what a branch is to reach; None without a target, or with one of zero or less."""
    if targets is None:
        return None
    chosen = targets[["branch_id", "quarter", "measure"]].eq([branch_id, quarter, measure])
    positive = [target for target in targets.loc[chosen.all(axis=1), "target"] if target > 0]
    return float(positive[0]) if positive else None


def compared_quarters(quarter: str) -> dict[ComparisonName, str]:
    """Return the earlier quarters a quarter is compared with, the leading one first.

    >>> compared_quarters("2026Q3")
    {'previous_quarter': '2026Q2', 'year_ago': '2025Q3', 'year_start': '2025Q4'}
    >>> compared_quarters("2026Q4")
    {'year_ago': '2025Q4', 'previous_quarter': '2026Q3'}
    """
    this = Quarter.parse(quarter)
    previous, year_ago, year_start = str(this.previous), str(this.year_ago), str(this.year_start)
    if this.number in (1, 4):
        return {"year_ago": year_ago, "previous_quarter": previous}
    return {"previous_quarter": previous, "year_ago": year_ago, "year_start": year_start}


def values_by_quarter(
    measures: pd.DataFrame, measure: str, *, base: str | None, branch_id: str,
    dimension: str = "", member: str = "",
) -> dict[str, float]:  # fmt: skip
    """Return one cell's defined values by quarter."""
    wanted = {
        "measure": measure,
        "branch_id": branch_id,
        "dimension": dimension,
        "member": member,
        **({"base": base} if base is not None else {}),
    }
    rows = measures[measures[list(wanted)].eq(list(wanted.values())).all(axis=1)]
    bases = sorted(rows["base"].unique())
    if len(bases) > 1:
        raise UsageError(f"'{measure}' has the bases {', '.join(bases)}: choose one with base=….")
    defined = rows[rows["value"].notna()]
    return dict(zip(defined["quarter"], defined["value"].astype(float), strict=True))
