"""All questions of the evaluation, by the view they are put to: nothing lists measures twice."""

from __future__ import annotations

from collections.abc import Iterator

from stockcust_analysis.measures.attrition import ATTRITION
from stockcust_analysis.measures.concentration import CONCENTRATION
from stockcust_analysis.measures.coverage import CLASSES, COVERAGE, MANAGEMENT, ROUNDS
from stockcust_analysis.measures.cross_sell import (
    PENETRATION,
    PRODUCT_COUNTS,
    PRODUCT_COUNTS_ESTABLISHED,
    PRODUCT_DISTRIBUTION,
)
from stockcust_analysis.measures.dormancy import DORMANCY, DORMANCY_FLOW
from stockcust_analysis.measures.growth import AUM_CHANGE
from stockcust_analysis.measures.holdings import UNUSED_OPENINGS
from stockcust_analysis.measures.registry import Measure
from stockcust_analysis.measures.retention import RETENTION, SAME_CUSTOMER_GROWTH
from stockcust_analysis.measures.tiers import TIERS, VOLUME
from stockcust_analysis.measures.two_dates import TIER_MOVES
from stockcust_analysis.policy import Policy

CUSTOMER_QUESTIONS = (
    VOLUME,
    DORMANCY,
    PRODUCT_COUNTS,
    PRODUCT_DISTRIBUTION,
    PENETRATION,
    PRODUCT_COUNTS_ESTABLISHED,
    TIERS,
    UNUSED_OPENINGS,
    MANAGEMENT,
)
MANAGED_QUESTIONS = (COVERAGE, CLASSES, ROUNDS)
PAIR_QUESTIONS = (TIER_MOVES, SAME_CUSTOMER_GROWTH, RETENTION, ATTRITION, DORMANCY_FLOW)
QUESTIONS = (
    *CUSTOMER_QUESTIONS,
    *CONCENTRATION.values(),
    AUM_CHANGE,
    *MANAGED_QUESTIONS,
    *PAIR_QUESTIONS,
)


def all_measures(policy: Policy) -> Iterator[tuple[Measure, str]]:
    """Yield every measure of an evaluation with each of its bases."""
    for question in QUESTIONS:
        for base in question.bases:
            for measure in question.measures(policy):
                yield measure, base
