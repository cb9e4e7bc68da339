"""Which measures make the quarterly evaluation: each question with its sums, bases and ratios."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.cross_sell import (
    PRODUCTS_PER_CUSTOMER,
    _cross_sell,
    multi_product_ratio,
    penetration_ratios,
)
from stockcust_analysis.measures.dormancy import DORMANCY, _dormancy
from stockcust_analysis.measures.frames import Ratio, sums
from stockcust_analysis.measures.pareto import CONCENTRATION, _concentration
from stockcust_analysis.measures.tiers import _tier_sums, tier_ratios
from stockcust_analysis.policy import Policy

Totals = Callable[[nw.LazyFrame[Any], list[str], str], nw.LazyFrame[Any]]
FUNDED = "funded"
# Tiers, comparison and scores go by the quarter's average; Pareto by the balance of the day.
_AVERAGE, _PERIOD_END = "aum_average_quarter_cents", "aum_period_end_cents"


@dataclass(frozen=True)
class Question:
    """Sums of customer facts per group and base, and the measures that are made of them."""

    totals: Totals
    ratios: Sequence[Ratio]
    bases: tuple[str, ...] = (FUNDED,)


def questions(policy: Policy) -> list[Question]:
    """Return all questions of the evaluation under a policy's rules."""
    return [
        Question(_volume, VOLUME, ("all", FUNDED, "effective")),
        Question(
            lambda facts, by, base: _concentration(facts, value=_PERIOD_END, by=by, base=base),
            CONCENTRATION,
        ),
        Question(
            lambda facts, by, base: _dormancy(
                facts, value=f"{policy.dormancy.value}_cents", by=by, base=base
            ),
            DORMANCY,
            ("all", FUNDED),
        ),
        *_cross_sell_questions(policy),
        Question(
            lambda facts, by, base: _tier_sums(facts, policy.tiers, by=by, base=base),
            tier_ratios(policy.tiers),
            ("all",),
        ),
    ]


VOLUME = (
    Ratio("customers", "customers", None),
    Ratio("aum_period_end", "end_cents", None),
    Ratio("aum_average_quarter", "average_cents", None),
    Ratio("aum_per_customer", "average_cents"),
)
_DISTRIBUTION = (
    *(
        Ratio("product_count_share", f"exactly_{count}", labels=(("families_held", str(count)),))
        for count in range(4)
    ),
    Ratio("product_count_share", "at_least_4", labels=(("families_held", "4+"),)),
)
_THREE_PRODUCTS = Ratio("three_product_share", "at_least_3")


def _volume(facts: nw.LazyFrame[Any], by: list[str], base: str) -> nw.LazyFrame[Any]:
    """Return customers and their assets per group."""
    counts = nw.col(f"in_{base}")
    columns = {
        "customers": counts,
        "end_cents": counts * nw.col(_PERIOD_END),
        "average_cents": counts * nw.col(_AVERAGE),
    }
    return sums(facts, by, columns)


def _cross_sell_questions(policy: Policy) -> list[Question]:
    """Return the cross-sell questions: they share their sums, their labels differ."""

    def totals(facts: nw.LazyFrame[Any], by: list[str], base: str) -> nw.LazyFrame[Any]:
        return _cross_sell(facts, policy.families, by=by, base=base)

    return [
        Question(totals, (PRODUCTS_PER_CUSTOMER, multi_product_ratio(2), _THREE_PRODUCTS)),
        Question(totals, _DISTRIBUTION),
        Question(totals, penetration_ratios(policy.families)),
    ]
