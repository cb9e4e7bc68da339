"""The three to five sentences a report opens with, and the one that opens each chapter.

```
measures ──> facts (branch, bank, earlier quarters) ──> findings ──> sentences, heaviest first
```

A branch too small or too young to be judged gets a sentence that says so instead.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, get_args

import pandas as pd

from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.periods import Quarter
from stockcust_analysis.show.blocks import Language, Sentence
from stockcust_analysis.show.comparisons import target_of
from stockcust_analysis.show.facts import Page, read_page
from stockcust_analysis.show.findings import (
    NOISE,
    Finding,
    Section,
    Story,
    family_finding,
    growth_finding,
    sentence,
    share_finding,
    words,
)
from stockcust_analysis.show.labels import Words
from stockcust_analysis.show.units import format_count, format_difference

FEWEST: Final = 3
MOST: Final = 5

# The first story of a section always speaks there, the others when they have something to say.
# The bank's ten largest say nothing of a branch's: that story looks at its own change only.
_STORIES: Final = (
    Story("dormancy", "dormancy", "dormancy_rate", of_customers=True),
    Story("multi_product", "cross_sell", "multi_product_share", of_customers=True),
    Story("concentration", "concentration", "top_20_share", of_customers=False),
    Story("same_customers", "customers", "same_customer_growth", of_customers=False),
    Story("retention", "customers", "customer_retention", of_customers=True),
    Story("coverage", "service", "contact_coverage", of_customers=True),
    Story("profiles", "service", "profile_completion", of_customers=True),
    Story("silent_assets", "dormancy", "silent_aum_share", of_customers=False),
    Story(
        "ten_largest",
        "concentration",
        "ten_largest_share",
        of_customers=False,
        beside_bank=False,
        alarming=True,
    ),
)
_FAMILY_STORY: Final = Story("family_gap", "cross_sell", "penetration", of_customers=True)


def conclusions(
    measures: pd.DataFrame,
    *,
    branch_id: str,
    quarter: str,
    language: Language = "zh",
    targets: pd.DataFrame | None = None,
    families: Words | None = None,
) -> list[Sentence]:
    """Return what the quarter's numbers amount to, the most important first.

    The size of the business comes first, then what exceeds its noise limit by most, unfavourable
    findings ahead. Where fewer than three do, the report says what held steady. Fewer than three
    are returned only where the table has fewer measures.

    Parameters
    ----------
    measures
        Measure table of the branch and of the bank (`@bank`), with the quarters to compare with.
    branch_id, quarter
        Whose page, and of when.
    language
        "zh" or "en".
    targets
        Optional targets: branch_id, quarter, measure, target.
    families
        What the policy calls the product families; left out, as the shipped policy does.

    Raises
    ------
    UsageError
        A text that is no quarter, or a branch that is not in the table.

    >>> columns = ["quarter", "branch_id", "measure", "member", "base", "n", "numerator", "value"]
    >>> table = pd.DataFrame([("2026Q3", "B01", "customers", "", "all", 12, 12.0, 12.0)],
    ...     columns=columns)
    >>> [each.lead for each in conclusions(table, branch_id="B01", quarter="2026Q3")]
    ['户数过少，不作判断']
    """
    page = _page(measures, branch_id, quarter, language, families)
    if (customers := _customers(page)) < NOISE.fewest_customers:
        return [_too_few(page, customers)]
    opening = [] if page.has_history else [_without_history(page)]
    growth = growth_finding(page, target_of(targets, "aum_average_quarter", branch_id, quarter))
    if growth is not None:
        opening.append(_leading_to(growth))
    findings = sorted(_share_findings(page), key=lambda finding: -finding.weight)
    notable = sum(finding.weight > 0 for finding in findings)
    wanted = max(FEWEST - len(opening), min(notable, MOST - len(opening)))
    told = opening + [_leading_to(finding) for finding in findings[:wanted]]
    return told or [_caution(page, "caution_empty", quarter=page.quarter)]


def _leading_to(finding: Finding) -> Sentence:
    """Return a finding's sentence with the section that shows its figures."""
    return replace(finding.sentence, section=finding.section)


def section_conclusion(
    measures: pd.DataFrame,
    section: Section,
    *,
    branch_id: str,
    quarter: str,
    language: Language = "zh",
    targets: pd.DataFrame | None = None,
    families: Words | None = None,
) -> Sentence:
    """Return the sentence a chapter opens with; a calm chapter's says that it is calm.

    Parameters
    ----------
    section
        "customers", "concentration", "dormancy", "cross_sell" or "service".
    measures, branch_id, quarter, language, targets, families
        As for `conclusions`.

    >>> columns = ["quarter", "branch_id", "measure", "member", "base", "n", "numerator", "value"]
    >>> table = pd.DataFrame([("2026Q3", "B01", "dormancy_rate", "", "all", 500, 40.0, 0.08)],
    ...     columns=columns)
    >>> section_conclusion(table, "dormancy", branch_id="B01", quarter="2026Q3").text
    '全部客户中睡眠客户占8.0%（40户）。'
    """
    if section not in get_args(Section):
        raise UsageError.unknown("section", section, get_args(Section))
    page = _page(measures, branch_id, quarter, language, families)
    if (customers := _customers(page)) < NOISE.fewest_customers:
        return _too_few(page, customers, "caution_few_here")
    growth = growth_finding(page, target_of(targets, "aum_average_quarter", branch_id, quarter))
    findings = [*([growth] if growth else []), *_share_findings(page)]
    here = [finding for finding in findings if finding.section == section]
    if not here:
        return _caution(page, "caution_empty", quarter=page.quarter)
    told = sorted(
        (each for each in here if each is here[0] or each.weight), key=lambda each: -each.weight
    )
    text = words(page, "between").join(each.sentence.text for each in told)
    return Sentence(text, lead=told[0].sentence.lead)


def _page(
    measures: pd.DataFrame, branch_id: str, quarter: str, language: Language, families: Words | None
) -> Page:
    """Read the page of a branch that the table knows."""
    if branch_id not in set(measures["branch_id"]):
        raise UsageError.unknown("branch", branch_id, measures["branch_id"].unique())
    return read_page(
        measures, branch_id=branch_id, quarter=quarter, language=language, families=families
    )


def _share_findings(page: Page) -> list[Finding]:
    """Return the findings on shares, in the order in which they are told when all is calm."""
    found = [share_finding(page, story) for story in _STORIES]
    found.insert(len(found) - 1, family_finding(page, _FAMILY_STORY))
    return [finding for finding in found if finding is not None]


def _customers(page: Page) -> int:
    """Return how many customers the page is about; 0 when it has no figures."""
    customers = page.own("customers")
    if customers is not None:
        return int(customers.value)
    return max((cell.n for cell in page.current), default=0)


def _too_few(page: Page, customers: int, key: str = "caution_few") -> Sentence:
    """Say the size alone: one customer would move every share."""
    if customers == 0:
        return _caution(page, "caution_empty", quarter=page.quarter)
    return _caution(
        page,
        key,
        base=words(page, page.current[0].base, "base"),
        value=format_count(customers),
        step=format_difference(1 / customers, "share", page.language),
        limit=format_count(NOISE.fewest_customers),
    )


def _without_history(page: Page) -> Sentence:
    """Say that nothing can have risen or fallen yet."""
    earlier = str(Quarter.parse(page.quarter).previous)
    key = "caution_new_bank" if page.branch_id == WHOLE_BANK else "caution_new"
    return _caution(page, key, quarter=earlier)


def _caution(page: Page, key: str, **values: str) -> Sentence:
    """Return a sentence that says why there is no judgement."""
    return sentence(page, [words(page, key, **values)], lead=words(page, key, "caution"))
