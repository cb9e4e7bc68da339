"""How branches are scored (季度评价) and compared, and what of it may be circulated.

A scorecard says which measures count and how much; a theme is what a quarter of the year is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from stockcust_analysis.policy.file import duplicates, outside, refuse, take_one_as_list

Method = Literal["proportional", "full_marks_then_bonus", "deduction", "min_max", "percentile", "z"]
AMONG_PEERS: tuple[Method, ...] = ("min_max", "percentile", "z")
"""Methods that look at the peers instead of a target."""


@dataclass(frozen=True)
class Indicator:
    """One indicator (指标): a measure of the codebook, and how it earns points.

    `measure` is the indicator's name unless stated; `member` chooses one member of a measure that
    has several, such as the family "wealth" of `penetration`.

    Attainment (完成率) a is value / target, or 2 − value / target where low is good. Among peers it
    is, best first, the position between their lowest and highest (`min_max`), the share of the
    peers left behind, ties by halves (`percentile`), or 0.5 + z / 10 (`z`, the T score of
    50 + 10z).

    Nothing is earned below `floor`, and what lies above `ceiling` does not count.

    - `proportional`, and among peers: weight × a.
    - `full_marks_then_bonus`: weight × a up to the target, then `points_per_percent` for every
      percentage point of attainment above it, `limit` points at most.
    - `deduction`: the weight less `points_per_percent` for every percentage point of attainment
      short of the target, `limit` points at most (the whole weight unless stated).

    `missing` decides what happens without a value or a target: the indicator is `left_out` and the
    others weigh more, it earns `no_points`, or the branch is `not_scored`.
    """

    name: str
    weight: float
    measure: str = ""
    member: str = ""
    customer_base: str = "funded"
    direction: Literal["higher", "lower"] = "higher"
    target: Literal["plan", "fixed", "previous_quarter", "peer_median"] = "plan"
    fixed: float | None = None
    method: Method = "proportional"
    floor: float = 0.0
    ceiling: float = 1.2
    points_per_percent: float | None = None
    limit: float | None = None
    group: str = ""
    missing: Literal["left_out", "no_points", "not_scored"] = "left_out"

    def __post_init__(self) -> None:
        """Refuse what cannot be followed, all of it at once."""
        bonus, deduction = self.method == "full_marks_then_bonus", self.method == "deduction"
        by_step, fixed = bonus or deduction, self.fixed
        rate, limit = self.points_per_percent, self.limit
        too_much = limit is not None and not 0 < limit <= self.weight
        problems = {
            "weight_above_0": self.weight <= 0,
            "floor_below_ceiling": not 0 <= self.floor <= 1 or self.floor >= self.ceiling,
            "needs_fixed": self.target == "fixed" and fixed is None,
            "fixed_unused": self.target != "fixed" and fixed is not None,
            "target_above_0": fixed is not None and fixed <= 0,
            "needs_rate": by_step and not (rate or 0) > 0,
            "bonus_needs_limit": bonus and not (limit or 0) > 0,
            "deduction_within_weight": deduction and too_much,
            "deduction_has_no_floor": deduction and self.floor > 0,
            "rate_unused": not by_step and (rate, limit) != (None, None),
        }
        refuse(problems, "indicator_rule", self.name)

    @property
    def measure_name(self) -> str:
        """The measure's name in the codebook."""
        return self.measure or self.name


@dataclass(frozen=True)
class IndicatorGroup:
    """Indicators that together earn at most so many points; what is more is cut pro rata."""

    name: str
    most_points: float

    def __post_init__(self) -> None:
        """Refuse a group that could earn nothing."""
        refuse({"most_points_above_0": self.most_points <= 0}, "group_rule", self.name)


@dataclass(frozen=True)
class Veto:
    """A value of a measure beyond which a branch earns at most `most_points` in all (一票否决)."""

    name: str
    measure: str
    customer_base: str = "funded"
    above: float | None = None
    below: float | None = None
    most_points: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a veto without a border, or with two, and points below zero."""
        problems = {
            "above_or_below": (self.above is None) == (self.below is None),
            "not_negative": outside(self, 0, inf, "most_points"),
        }
        refuse(problems, "veto_rule", self.name)


@dataclass(frozen=True)
class Override:
    """A trap of the scorecard that the bank has seen and keeps; the review prints the reason."""

    name: str
    reason: str


@dataclass(frozen=True)
class Scorecard:
    """Indicators whose weights add up to `points`, with groups, vetoes and overridden warnings.

    A branch that lacks data for more than 1 − `least_weight` of the weights is not scored.

    >>> Scorecard("one", (Indicator("customer_retention", 100),)).points
    100
    """

    name: str
    indicators: tuple[Indicator, ...]
    points: float = 100
    indicator_groups: tuple[IndicatorGroup, ...] = ()
    vetoes: tuple[Veto, ...] = ()
    overrides: tuple[Override, ...] = ()
    least_weight: float = 0.5
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse weights that do not add up, a measure that counts twice, an unknown group."""
        total = sum(indicator.weight for indicator in self.indicators)
        twice = {
            f"{measure} {member}".strip()
            for measure, member, _ in duplicates(
                (i.measure_name, i.member, i.customer_base) for i in self.indicators
            )
        }.union(duplicates(indicator.name for indicator in self.indicators))
        groups = {"", *(group.name for group in self.indicator_groups)}
        unknown = sorted({indicator.group for indicator in self.indicators} - groups)
        problems = {
            "weights_sum": abs(total - self.points) > 1e-9 and (f"{total:g}", f"{self.points:g}"),
            "counts_twice": sorted(twice),
            "group_unknown": unknown,
            "are_shares": outside(self, 0, 1, "least_weight"),
        }
        refuse(problems, "scorecard_rule", self.name)


@dataclass(frozen=True)
class Theme:
    """What one quarter of the year is about (季度主题), and its leading measures, in order."""

    name: str
    quarter: int
    zh: str
    en: str
    measures: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse a quarter that no year has."""
        take_one_as_list(self)
        refuse({"theme_quarter": self.quarter not in (1, 2, 3, 4)}, "theme_rule", self.name)


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
        problems = {
            "size_classes_from_2": self.size_classes < 2,
            "nearest_from_2": self.nearest < 2,
            "least_branches_from_3": self.least_branches < 3,
            "least_customers_from_1": self.least_customers < 1,
            "winsorised_at_is_share": not 0.5 < self.winsorised_at <= 1,
            "rank_level_is_share": not 0 < self.rank_level < 1,
            "peers_not_given": self.peers == "given" and not stated,
            "peer_groups_empty": sorted(g.name for g in self.peer_groups if not g.branches),
            "branches_in_two_groups": sorted(duplicates(stated)),
        }
        refuse(problems, "comparison_rule")


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
        take_one_as_list(self)
        is_share = 0 < self.two_largest <= 1
        # The upper protection level of an (n,k) rule is (x1 + x2) / k - x, at most (1/k - 1) x.
        least = 1 / self.two_largest - 1 if is_share else 0.0
        too_close = is_share and not least <= self.amount_protection < 1
        problems = {
            "smallest_cell_from_2": self.smallest_cell < 2,
            "two_largest_is_share": not is_share,
            "amount_protection_from": too_close and f"{least:.3f}",
            "lorenz_ten_times": self.lorenz_customers < 10 * self.smallest_cell,
        }
        refuse(problems, "disclosure_rule")
