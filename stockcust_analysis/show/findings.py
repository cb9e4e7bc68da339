"""What one branch's numbers amount to, in sentences: the report's conclusions, a chapter's opening.

```
page ──> findings: a level, its distance from the bank, its change ──> sentences, heaviest first
```

What lies within noise is never called a difference or a change; what has a size and may yet
be chance is printed, and never called steady. No finding names a cause. A branch too small or too
young to be judged gets a sentence that says so instead. The words stand in `labels.toml`.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Literal, NamedTuple, get_args

import pandas as pd

from stockcust_analysis.errors import require_known
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.codebook import measures_of_changes
from stockcust_analysis.show import wording
from stockcust_analysis.show.blocks import Sentence
from stockcust_analysis.show.page_data import FEWEST_CUSTOMERS, BranchPage, Cell, compared_quarters

Section = Literal["customers", "concentration", "dormancy", "cross_sell", "service"]
FEWEST: Final = 3
MOST: Final = 5


# Up to these sizes a difference is noise and gets no words. Money and counts: the relative change.
# Shares: the points, and for shares of customers also so many standard errors.
_RELATIVE: Final = 0.01
_POINTS: Final = 0.01
_STANDARD_ERRORS: Final = 2.0
_MANY: Final = 1e9  # customers whose share has no error
# An unfavourable finding weighs more, so that it comes first.
_UNFAVOURABLE_WEIGHT: Final = 1.5
# The share of assets in the hands of the ten largest that is worth a sentence by itself, where ten
# customers are a small part of the branch's.
_ALARM: Final = 0.5
_ALARM_CUSTOMERS: Final = 200
# Components of the bridge that moved in or out; what others brought but new customers is existing
# customers', who come back as they drain.
_MOVED: Final = ("transferred_in", "transferred_out")


def limits_between(one: float, other: float, customers: float = 0, others: float = 0) -> float:
    """Return how many noise limits a share is above another one; less than one may be chance.

    `customers` and `others` are the numbers that two shares of customers are of: 0 for shares of
    money, and for another share that is taken as exact. The wider of two errors counts. Agresti and
    Caffo (The American Statistician 54, 2000, 280-288) give each side one customer more who has it
    and one who has not: by itself a share of 0 or 1 has no error, and one customer of one would be
    beyond chance. The score test takes both for samples of one share: the error of a rare family is
    that of the rate it is compared with.

    >>> round(limits_between(0.52, 0.5), 2), round(limits_between(0.6, 0.5, 96, 12_000), 2)
    (2.0, 0.98)
    >>> [round(limits_between(1, 0, n, n), 2) for n in (1, 2, 3, 4)]
    [0.43, 0.82, 1.19, 1.41]
    """
    difference = one - other
    if not customers:
        return difference / _POINTS
    others = others if others > 0 else _MANY
    sides = [(p * n + 1) / (n + 2) for p, n in ((one, customers), (other, others))]
    squares = [p * (1 - p) / (n + 2) for p, n in zip(sides, (customers, others), strict=True)]
    common = (one * customers + other * others) / (customers + others)
    pooled = common * (1 - common) * (1 / customers + 1 / others)
    gaps = ((sides[0] - sides[1], sum(squares)), (difference, pooled))
    limits = (gap / max(_POINTS, _STANDARD_ERRORS * math.sqrt(square)) for gap, square in gaps)
    return min(limits, key=abs)


class Story(NamedTuple):
    """A share, less what is taken off it, that can make a sentence; its name is its words' key."""

    name: str
    section: Section
    measure: str
    of_customers: bool = False
    beside_bank: bool = True
    alarming: bool = False
    less: float = 0.0


# The first story of a section always speaks there, the others when they have something to say.
# The bank's ten largest and richest fifth say nothing of a branch's: these look at its own change.
_STORIES: Final = (
    Story("dormancy", "dormancy", "dormancy_rate", of_customers=True),
    Story("multi_product", "cross_sell", "multi_product_share", of_customers=True),
    Story("concentration", "concentration", "top_20_share", beside_bank=False),
    Story("same_customers", "customers", "asset_retention_net", less=1.0),
    Story("retention", "customers", "customer_retention", of_customers=True),
    Story("coverage", "service", "contact_coverage", of_customers=True),
    Story("profiles", "service", "profile_completion", of_customers=True),
    Story("managed", "service", "managed_share", of_customers=True),
    Story("silent_assets", "dormancy", "silent_aum_share"),
    Story("family_gap", "cross_sell", "penetration", of_customers=True),
    Story("ten_largest", "concentration", "ten_largest_share", beside_bank=False, alarming=True),
)


class Finding(NamedTuple):
    """A sentence with its weight: how many noise limits it exceeds, 0 when it exceeds none."""

    sentence: Sentence
    weight: float


class Movement(NamedTuple):
    """A change against an earlier quarter, and the bank's own change if it is known.

    Relative for money and counts, a difference for all else.
    """

    comparison: str
    before: Cell
    change: float
    bank_change: float | None


def conclusions(page: BranchPage) -> list[Sentence]:
    """Return what the quarter's numbers amount to, the most important first.

    The size of the business comes first, then what exceeds its noise limit by most, unfavourable
    findings ahead. Where fewer than three do, the report says what held steady. Fewer than three
    are returned only where the page has fewer measures. Each names the section that shows its
    figures.
    """
    customers = page.cell("customers")
    if customers is None or customers.value < FEWEST_CUSTOMERS:
        return [_say_too_few(page, customers)]
    growth, shares = _findings(page)
    opening = []
    if not _has_history(page):  # nothing can have risen or fallen yet
        key = "caution_new_bank" if page.branch_id == WHOLE_BANK else "caution_new"
        opening.append(_warn(page, key, quarter=str(page.evaluation.quarter.previous)))
    opening += [growth.sentence] if growth else []
    by_weight = sorted(shares, key=lambda finding: -finding.weight)
    notable = sum(finding.weight > 0 for finding in shares)
    wanted = max(FEWEST - len(opening), min(notable, MOST - len(opening)))
    sentences = opening + [finding.sentence for finding in by_weight[:wanted]]
    return sentences or [_warn(page, "caution_empty", quarter=page.quarter)]


def section_conclusion(page: BranchPage, section: Section) -> Sentence:
    """Return the sentence a chapter opens with; a calm chapter's says that it is calm.

    `section` is "customers", "concentration", "dormancy", "cross_sell" or "service".
    """
    require_known("section", section, get_args(Section))
    growth, shares = _findings(page)
    here = [found for found in (growth, *shares) if found and found.sentence.section == section]
    if not here:
        return _warn(page, "caution_empty", quarter=page.quarter)
    speaking = sorted((here[0], *(f for f in here[1:] if f.weight)), key=lambda f: -f.weight)
    joined = _words(page, "between").join(finding.sentence.text for finding in speaking)
    return Sentence(joined, lead=speaking[0].sentence.lead)


def _findings(page: BranchPage) -> tuple[Finding | None, list[Finding]]:
    """Return the finding on growth, and those on shares as they are stated in a calm quarter."""
    shares = (
        (_family_finding if story.measure == "penetration" else _share_finding)(page, story)
        for story in _STORIES
    )
    return _growth_finding(page), [share for share in shares if share]


def _share_finding(page: BranchPage, story: Story, member: str = "") -> Finding | None:
    """Judge a share against the bank's, and against its own leading earlier quarter.

    None when the branch has no such value. A level without difference or change is a finding of
    weight 0.
    """
    cell = page.cell(story.measure, member)
    if cell is None:
        return None
    cell = cell._replace(value=cell.value - story.less)
    family = page.members("family").get(member, member)
    value = _value_words(page, story, cell, family)
    base = page.text(cell.base, "base")
    clauses = [_words(page, story.name, base=base, family=family, value=value)]
    gap = trend = None
    doubtful: list[int] = []  # positions of clauses that may be chance
    # A branch that has just opened has nobody who could have been idle there for long.
    is_young = page.branch_id in page.new_branches and not _has_history(page)
    alone = not story.beside_bank or (is_young and story.section == "dormancy")
    bank = None if alone else page.cell(story.measure, member, branch_id=WHOLE_BANK)
    if bank is not None:
        bank = bank._replace(value=bank.value - story.less)
        difference = cell.value - bank.value
        gap = _limits(story, cell, bank)
        distance = wording.format_difference(difference, "share", page.language)
        side = _name_side(difference / _POINTS, "above", "level", "below")
        doubtful += [len(clauses)] * _is_by_chance(difference, gap)
        clauses.append(_words(page, side, bank=_percent(page, story, bank), gap=distance))
    for movement in _movements(page, story.measure, member)[:1]:
        before = movement.before._replace(value=cell.value - movement.change)
        trend = _limits(story, cell, before)
        if abs(movement.change) >= _POINTS:
            words = _movement_words(page, story.measure, movement, story.beside_bank)
            doubtful += [len(clauses)] * _is_by_chance(movement.change, trend)
            clauses.append(words)
    if doubtful:
        key = "both_by_chance" if len(doubtful) > 1 else "by_chance"
        clauses[doubtful[-1]] = _words(page, key, words=clauses[doubtful[-1]])
    subject = _words(page, story.name, "story", family=family)
    lead = _write_lead(page, subject, gap, trend, "verdict", by_chance=bool(doubtful))
    weight = max(_weigh(gap, story.measure), _weigh(trend, story.measure))
    if story.alarming and cell.value >= _ALARM and cell.n >= _ALARM_CUSTOMERS:
        lead = _words(page, "lead", story=subject, verdict=_words(page, "high", "verdict"))
        weight = max(weight, _weigh((cell.value - _ALARM) / _POINTS + 1, story.measure))
    return Finding(_join(page, clauses, lead=lead, section=story.section), weight)


def _limits(story: Story, cell: Cell, other: Cell) -> float:
    """Return how many noise limits a figure of a story is above another one."""
    numbers = (cell.denominator, other.denominator) if story.of_customers else ()
    return limits_between(cell.value, other.value, *numbers)


def _value_words(page: BranchPage, story: Story, cell: Cell, family: str) -> str:
    """Return a share in words: with its customers, and a growth with that of those who stayed."""
    value = _percent(page, story, cell)
    if story.less and (stayed := page.cell("same_customer_growth")) is not None:
        value += _words(page, "who_stayed", value=_percent(page, story, stayed))
    elif story.of_customers and not family:
        value = _words(page, "with_count", share=value, count=cell.numerator)
    return value


def _percent(page: BranchPage, story: Story, cell: Cell) -> str:
    """Return a share, or with its sign what is left of one: a growth."""
    if story.less:
        return wording.format_signed(cell.value, "money", page.language)
    return wording.format_share(cell.value)


def _family_finding(page: BranchPage, story: Story) -> Finding | None:
    """Return the product family that differs or changed most; None when none does."""
    current = page.cells.get((page.quarter, page.branch_id), {})
    present = (member for measure, member in current if measure == story.measure)
    families = dict.fromkeys([*page.members("family"), *present])
    findings = (_share_finding(page, story, family) for family in families)
    notable = [finding for finding in findings if finding is not None and finding.weight]
    return max(notable, key=lambda finding: finding.weight, default=None)


def _growth_finding(page: BranchPage) -> Finding | None:
    """Judge the growth of assets beside the bank's; the number of customers is said along."""
    cell, customers = page.cell(wording.AVERAGE), page.cell("customers")
    if cell is None:
        return None
    amount = wording.format_amount(cell.value, page.unit([cell.value]))
    movements = _movements(page, wording.AVERAGE)
    clauses = [_words(page, "growth", base=page.text(cell.base, "base"), value=amount)]
    clauses += [_movement_words(page, wording.AVERAGE, movement, True) for movement in movements]
    missed = ""
    if (attained := page.attained(wording.AVERAGE, cell.value)) is not None:
        due = page.targets[wording.AVERAGE].due
        phased = "" if due == 1 else "_phased"
        key, missed = f"attainment{phased}", f"short_of_plan{phased}" if attained < due else ""
        blanks = {
            "value": page.format_attained(attained, page.targets[wording.AVERAGE]),
            "due": wording.format_share(due, decimals=0),
            "until": page.evaluation.quarter.end.isoformat(),
        }
        clauses.append(_words(page, key, **blanks))
    gap = trend = None
    for movement in movements[:1]:
        trend = movement.change / _RELATIVE
        if movement.bank_change is not None:
            gap = (movement.change - movement.bank_change) / _RELATIVE
    counted = []
    if customers is not None:
        base = page.text(customers.base, "base")
        counted.append(_words(page, "customers", base=base, value=customers.value))
        changes = _movements(page, "customers")[:1]
        counted += [_movement_words(page, "customers", movement, True) for movement in changes]
    lead = _write_lead(page, _words(page, "growth", "story"), gap, trend, "growth_verdict")
    if missed:  # comes before what is neither good nor bad
        lead = _words(page, missed, lead=lead)
    weight = max(_weigh(in_limits, wording.AVERAGE) for in_limits in (gap, trend))
    return Finding(_join(page, clauses, counted, lead=lead, section="customers"), weight)


def _movements(page: BranchPage, measure: str, member: str = "") -> list[Movement]:
    """Return how a value, itself no change, moved within its base; leading comparison first."""
    of_bank = partial(page.cell, measure, member, branch_id=WHOLE_BANK)
    now, bank_now = page.cell(measure, member), of_bank()
    quarters = {} if measure in measures_of_changes() else compared_quarters(page.quarter)
    movements = []
    for comparison, quarter in quarters.items():
        before = page.cell(measure, member, quarter=quarter)
        if now is None or before is None or before.base != now.base:
            continue
        if (change := _compare(measure, now, before)) is not None:
            bank_change = _compare(measure, bank_now, of_bank(quarter=quarter))
            movements.append(Movement(comparison, before, change, bank_change))
    return movements


def _compare(measure: str, now: Cell | None, before: Cell | None) -> float | None:
    """Return the change between two cells, if both are there."""
    kind = wording.measure_words(measure).kind
    change = wording.change_between(now and now.value, before and before.value, kind)
    return None if change is None else float(change)


def _is_by_chance(difference: float, in_limits: float) -> bool:
    """Return whether a difference has a size, yet among so few customers may be chance."""
    return abs(difference) >= _POINTS and abs(in_limits) < 1


def _write_lead(
    page: BranchPage,
    story: str,
    gap: float | None,
    trend: float | None,
    within: str,
    *,
    by_chance: bool = False,
) -> str:
    """Say in three words what a finding amounts to; the subject alone when nothing is compared.

    `gap` and `trend` are the distance from the bank and the change, in noise limits. What is
    neither, but differs `by_chance`, is not steady: it cannot be told.
    """
    if gap is None and trend is None:
        return story
    position = _name_side(gap or 0.0, "above", "level", "below")
    direction = "unknown" if trend is None else _name_side(trend, "up", "flat", "down")
    is_told = position != "level" or direction in ("up", "down")
    key = "by_chance" if by_chance and not is_told else f"{position}_{direction}"
    return _words(page, "lead", story=story, verdict=_words(page, key, within))


def _name_side(in_limits: float, above: str, within: str, below: str) -> str:
    """Return the word a difference deserves, counted in noise limits."""
    return within if abs(in_limits) < 1 else above if in_limits > 0 else below


def _weigh(in_limits: float | None, measure: str) -> float:
    """Return how much a difference matters: nothing within noise, more when unfavourable."""
    if in_limits is None or abs(in_limits) < 1:
        return 0.0
    good = {"yes": 1, "no": -1, "neutral": 0}[wording.measure_words(measure).higher_is_better]
    return abs(in_limits) * (_UNFAVOURABLE_WEIGHT if good * in_limits < 0 else 1)


def _movement_words(page: BranchPage, measure: str, movement: Movement, beside_bank: bool) -> str:
    """Say a change, with the bank's own change beside it where it is known."""
    kind = wording.measure_words(measure).kind
    key = "change_beside_bank" if movement.bank_change is not None and beside_bank else "change"
    changes = (movement.change, movement.bank_change)
    change, bank = (wording.format_signed(size, kind, page.language) for size in changes)
    comparison = _words(page, movement.comparison, "comparison")
    return _words(page, key, comparison=comparison, change=change, bank=bank)


def _words(page: BranchPage, key: str, within: str = "sentence", **blanks: Any) -> str:
    """Return a part of a sentence with its blanks filled."""
    return page.text(key, within, **blanks)


def _join(page: BranchPage, *halves: list[str], lead: str, section: str = "") -> Sentence:
    """Join clauses to one sentence, its halves by a semicolon."""
    joined = [_words(page, "comma").join(clauses) for clauses in halves if clauses]
    words = _words(page, "semicolon").join(joined) + _words(page, "stop")
    return Sentence(words[0].upper() + words[1:], lead, section)


def _has_history(page: BranchPage) -> bool:
    """Return whether the branch has figures for any quarter this one is compared with."""
    return any(
        page.cell(measure, member, quarter=quarter) is not None
        for quarter in compared_quarters(page.quarter).values()
        for measure, member in page.cells.get((quarter, page.branch_id), {})
    )


def _say_too_few(page: BranchPage, customers: Cell | None) -> Sentence:
    """Say the size alone: one customer would move every share."""
    if customers is None or not customers.value:
        return _warn(page, "caution_empty", quarter=page.quarter)
    step = wording.format_difference(1 / customers.value, "share", page.language)
    base = page.text(customers.base, "base")
    return _warn(page, "caution_few", base=base, value=customers.value, step=step)


def _warn(page: BranchPage, key: str, **blanks: Any) -> Sentence:
    """Return a sentence that says why there is no judgement."""
    return _join(page, [_words(page, key, **blanks)], lead=_words(page, key, "caution"))


def growth_sentence(page: BranchPage, bridge: pd.DataFrame) -> Sentence | None:
    """Say how much of the change of assets new customers brought, existing ones, and moves.

    New: opened or returned. Moved between branches: in less out, said where there is any. Existing:
    the rest, with those who left. The bank's own change stands beside the branch's; a change within
    noise is called steady, and no cause named: "增长来自新客户，原有客户在减少".

    Parameters
    ----------
    page
        Whose, and in which language.
    bridge
        Growth bridge on one structure, of the branch and of the bank: branch_id, component, amount.
    """
    parts, whole = split_growth(bridge, page.branch_id), split_growth(bridge, WHOLE_BANK)
    opening = parts["opening"]
    if opening <= 0:
        return None
    unit = wording.bridge_unit(parts["closing"], list(parts.values())[2:], page.language)
    key, blanks = "bridge", growth_blanks(page, parts, unit)
    if page.branch_id != WHOLE_BANK and whole["opening"] > 0:
        key, of_bank = "bridge_beside_bank", whole["change"] / whole["opening"]
        blanks["bank"] = wording.format_signed(of_bank, "money", page.language)
    verdict = _judge(*(parts[name] / opening for name in ("change", "new", "existing")))
    lead = page.text(verdict, "bridge_verdict")
    return Sentence(_words(page, key, **blanks), lead=lead, section="growth")


def split_growth(bridge: pd.DataFrame, branch_id: str) -> dict[str, float]:
    """Return a branch's assets at both ends and their change: new, existing and moved together."""
    own = bridge[bridge["branch_id"] == branch_id]
    amounts = defaultdict(float, zip(own["component"], own["amount"].astype(float), strict=True))
    opening, closing = amounts["opening"], amounts["closing"]
    new, moved = amounts["new"], sum(amounts[name] for name in _MOVED)
    change = closing - opening
    parts = {"change": change, "new": new, "existing": change - new - moved, "moved": moved}
    return {"opening": opening, "closing": closing, **parts}


def growth_blanks(
    page: BranchPage, parts: Mapping[Any, float], unit: wording.Unit
) -> dict[str, str]:
    """Return the rate and amounts of `split_growth` in words; moves only where there are any."""
    names = ("change", "new", "existing", "moved")
    words = {name: wording.format_signed_money(parts[name], unit) for name in names}
    rate = parts["change"] / parts["opening"]
    words["rate"] = wording.format_signed(rate, "money", page.language)
    moved = _words(page, "moved").format(words["moved"])
    return words | {"moved": moved if re.search("[1-9]", words["moved"]) else ""}


def _judge(change: float, new: float, existing: float) -> str:
    """Return what the bridge amounts to, in parts of the opening; within noise nothing moved."""
    limit = _RELATIVE
    if abs(change) < limit:
        return "offset" if existing <= -limit <= limit <= new else "steady"
    if change < 0:
        return "falling" if new + existing <= -limit else "moved_out"
    if new + existing < limit:
        return "moved_in"
    if existing <= -limit:
        return "new_alone"
    if (existing < limit) == (new < limit):  # both, or neither but for the other
        return "both"
    return "mostly_new" if existing < limit else "mostly_existing"
