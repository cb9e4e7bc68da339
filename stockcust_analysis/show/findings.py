"""What one branch's numbers amount to: a level, its distance from the bank, its change.

What lies within `NoiseLimits` is never called a difference or a change, and no finding names a
cause. The words stand in `labels.toml`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from stockcust_analysis.show.blocks import Sentence
from stockcust_analysis.show.facts import Cell, Movement, Page
from stockcust_analysis.show.labels import label, measure_words
from stockcust_analysis.show.units import (
    format_count,
    format_difference,
    format_money,
    format_share,
    format_signed,
    money_unit,
)

Section = Literal["customers", "concentration", "dormancy", "cross_sell", "service"]


@dataclass(frozen=True)
class NoiseLimits:
    """The sizes up to which a difference is noise and gets no words.

    Money and counts: `relative` change. Shares: `points`, and for shares of customers also
    `standard_errors` of the branch's own number of customers. With fewer than `fewest_customers`
    nothing is compared. An unfavourable finding weighs more, so that it comes first.

    `alarm` is the share of assets in the hands of the ten largest that is worth a sentence by
    itself, where ten customers are a small part (one in `alarm_customers` / 10) of the branch.
    """

    relative: float = 0.01
    points: float = 0.01
    standard_errors: float = 2.0
    fewest_customers: int = 30
    unfavourable_weight: float = 1.5
    alarm: float = 0.5
    alarm_customers: int = 200

    def of_share(self, share: float, customers: int | None) -> float:
        """Return by how much a share may differ without meaning anything.

        `customers` is their number for a share of customers, None for a share of money.

        >>> NoiseLimits().of_share(0.5, 100), NoiseLimits().of_share(0.5, 1_000_000)
        (0.1, 0.01)
        """
        if not customers:
            return self.points
        error = math.sqrt(max(share * (1 - share), 0) / customers)
        return max(self.points, self.standard_errors * error)


NOISE: Final = NoiseLimits()


@dataclass(frozen=True)
class Story:
    """A share that can make a sentence; its name is the key of its words."""

    name: str
    section: Section
    measure: str
    of_customers: bool
    beside_bank: bool = True
    alarming: bool = False


@dataclass(frozen=True)
class Finding:
    """A sentence with its weight: how many noise limits it exceeds, 0 when it exceeds none."""

    sentence: Sentence
    section: Section
    weight: float


def share_finding(page: Page, story: Story, member: str = "") -> Finding | None:
    """Judge a share against the bank's, and against its own leading earlier quarter.

    None when the branch has no such value. A level without difference or change is a finding of
    weight 0.
    """
    cell = page.own(story.measure, member)
    if cell is None:
        return None
    customers = cell.n if story.of_customers else None
    family = page.families[member] if member else ""
    clauses = [_level(page, story, cell, family)]
    gap = trend = None
    bank = page.bank(story.measure, member) if story.beside_bank else None
    if bank is not None:
        gap = (cell.value - bank.value) / NOISE.of_share(bank.value, customers)
        clauses.append(_beside_bank(page, cell, bank, gap))
    movement = next(iter(page.movements(story.measure, member)), None)
    if movement is not None:
        trend = movement.change / NOISE.of_share(movement.before.value, customers)
        if abs(trend) >= 1:
            clauses.append(movement_words(page, story.measure, movement, story.beside_bank))
    subject = words(page, story.name, "story", family=family)
    lead = _lead(page, subject, gap, trend, "verdict")
    weight = max(_weight(gap, story.measure), _weight(trend, story.measure))
    if story.alarming and cell.value >= NOISE.alarm and cell.n >= NOISE.alarm_customers:
        lead = words(page, "lead", story=subject, verdict=words(page, "high", "verdict"))
        weight = max(weight, _weight((cell.value - NOISE.alarm) / NOISE.points + 1, story.measure))
    return Finding(sentence(page, clauses, lead=lead), story.section, weight)


def family_finding(page: Page, story: Story) -> Finding | None:
    """Return the product family that differs or changed most; None when none does."""
    found = (share_finding(page, story, family) for family in page.families)
    notable = [finding for finding in found if finding is not None and finding.weight]
    return max(notable, key=lambda finding: finding.weight, default=None)


def growth_finding(page: Page, target: float | None) -> Finding | None:
    """Judge the growth of assets beside the bank's; the number of customers is said along."""
    cell = page.own("aum_average_quarter")
    if cell is None:
        return None
    movements = page.movements("aum_average_quarter")
    clauses = [words(page, "growth", base=base_of(page, cell), value=money_words(page, cell))]
    clauses += [movement_words(page, "aum_average_quarter", movement) for movement in movements]
    if target:
        clauses.append(words(page, "attainment", value=format_share(cell.value / target)))
    gap = trend = None
    if movements:
        trend = movements[0].change / NOISE.relative
        if movements[0].bank_change is not None:
            gap = (movements[0].change - movements[0].bank_change) / NOISE.relative
    lead = _lead(page, words(page, "growth", "story"), gap, trend, "growth_verdict")
    weight = max(_weight(each, "aum_average_quarter") for each in (gap, trend))
    return Finding(
        sentence(page, clauses, _customers_clauses(page), lead=lead), "customers", weight
    )


def _customers_clauses(page: Page) -> list[str]:
    """Say how many customers there are, and how that changed."""
    cell = page.own("customers")
    if cell is None:
        return []
    count = words(page, "customers", base=base_of(page, cell), value=format_count(cell.value))
    movements = page.movements("customers")[:1]
    return [count, *(movement_words(page, "customers", movement) for movement in movements)]


def _lead(page: Page, story: str, gap: float | None, trend: float | None, verdicts: str) -> str:
    """Say in three words what a finding amounts to; the subject alone when nothing is compared.

    `gap` and `trend` are the distance from the bank and the change, in noise limits.
    """
    if gap is None and trend is None:
        return story
    position = _side(gap or 0.0, "above", "level", "below")
    direction = "unknown" if trend is None else _side(trend, "up", "flat", "down")
    verdict = words(page, f"{position}_{direction}", verdicts)
    return words(page, "lead", story=story, verdict=verdict)


def _side(in_limits: float, above: str, within: str, below: str) -> str:
    """Return the word a difference deserves, counted in noise limits."""
    return within if abs(in_limits) < 1 else above if in_limits > 0 else below


def _weight(in_limits: float | None, measure: str) -> float:
    """Return how much a difference matters: nothing within noise, more when unfavourable."""
    if in_limits is None or abs(in_limits) < 1:
        return 0.0
    good = {"yes": 1, "no": -1, "neutral": 0}[measure_words(measure).higher_is_better]
    return abs(in_limits) * (NOISE.unfavourable_weight if good * in_limits < 0 else 1)


def _level(page: Page, story: Story, cell: Cell, family: str) -> str:
    """Say a share, with the number of customers behind it, and of whom it is a share."""
    value = format_share(cell.value)
    if story.of_customers and not family:
        value = words(page, "with_count", share=value, count=format_count(cell.numerator))
    return words(page, story.name, base=base_of(page, cell), family=family, value=value)


def _beside_bank(page: Page, cell: Cell, bank: Cell, in_limits: float) -> str:
    """Say how far a share lies from the bank's."""
    gap = format_difference(cell.value - bank.value, "share", page.language)
    side = _side(in_limits, "above", "level", "below")
    return words(page, side, bank=format_share(bank.value), gap=gap)


def movement_words(page: Page, measure: str, movement: Movement, beside_bank: bool = True) -> str:
    """Say a change, with the bank's own change beside it where it is known."""
    kind = measure_words(measure).kind
    comparison = words(page, movement.comparison, "comparison")
    change = format_signed(movement.change, kind, page.language)
    if movement.bank_change is None or not beside_bank:
        return words(page, "change", comparison=comparison, change=change)
    bank = format_signed(movement.bank_change, kind, page.language)
    return words(page, "change_beside_bank", comparison=comparison, change=change, bank=bank)


def money_words(page: Page, cell: Cell) -> str:
    """Say an amount with its unit."""
    unit = money_unit([cell.value], page.language)
    return unit.pattern.format(format_money(cell.value, unit))


def base_of(page: Page, cell: Cell) -> str:
    """Name the customers a cell was counted on."""
    return words(page, cell.base, "base")


def words(page: Page, key: str, within: str = "sentence", **values: str) -> str:
    """Return a part of a sentence with its blanks filled."""
    return label(key, page.language, within=within).format(**values)


def sentence(page: Page, *halves: Sequence[str], lead: str) -> Sentence:
    """Join clauses to one sentence, its halves by a semicolon."""
    joined = [words(page, "comma").join(clauses) for clauses in halves if clauses]
    text = words(page, "semicolon").join(joined) + words(page, "stop")
    return Sentence(text=text[0].upper() + text[1:], lead=lead)
