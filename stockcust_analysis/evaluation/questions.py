"""Which measures make the quarterly evaluation: each question with its sums, bases and ratios."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.contact_rounds import _round_sums, round_ratios
from stockcust_analysis.measures.coverage import COVERAGE, MANAGEMENT, _coverage, profile_ratios
from stockcust_analysis.measures.cross_sell import (
    PRODUCTS_PER_CUSTOMER,
    _cross_sell,
    multi_product_ratio,
    penetration_ratios,
)
from stockcust_analysis.measures.customer_classes import _class_sums, class_ratios
from stockcust_analysis.measures.dormancy import DORMANCY, _dormancy
from stockcust_analysis.measures.frames import Ratio, sums
from stockcust_analysis.measures.openings import UNUSED_OPENINGS, _unused_openings
from stockcust_analysis.measures.pareto import CONCENTRATION, _concentration, concentration_ratios
from stockcust_analysis.measures.tiers import _tier_sums, tier_ratios
from stockcust_analysis.policy import Policy

Facts = nw.LazyFrame[Any]
Totals = Callable[[Facts, list[str], str], Facts]
FUNDED, ESTABLISHED, MANAGED = "funded", "established", "managed"
# Every question is told of each branch, and of the whole bank.
LEVELS: tuple[list[str], ...] = (["branch_id"], [])
_LEFT_OUT = (1, 10)  # the largest customers without whom concentration is told again
# Tiers, comparison and scores go by the quarter's average; Pareto by the balance of the day.
_AVERAGE, _PERIOD_END = "aum_average_quarter_cents", "aum_period_end_cents"


@dataclass(frozen=True)
class Question:
    """Sums of customer facts per group and base, and the measures that are made of them.

    The measures may differ in their labels: the sums are made once for all of them.
    """

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
        *(_sensitivity(without) for without in _LEFT_OUT),
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


def _sensitivity(without: int) -> Question:
    """Return the question how concentrated assets would be without the largest customers."""
    ratios = {ratio.measure: ratio for ratio in concentration_ratios(without)}
    told = tuple(ratios[f"{name}_without_{without}"] for name in ("gini", "top_20_share"))
    return Question(
        lambda facts, by, base: _concentration(
            facts, value=_PERIOD_END, by=by, base=base, without=without
        ),
        told,
    )


def opening_questions() -> list[Question]:
    """Return the question which new accounts are not used; holdings must tell when they opened."""
    return [
        Question(
            lambda facts, by, base: _unused_openings(facts, by=by, base=base),
            UNUSED_OPENINGS,
            ("all",),
        )
    ]


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
    """Return the cross-sell questions, and again for customers of a year or more."""

    def totals(facts: nw.LazyFrame[Any], by: list[str], base: str) -> nw.LazyFrame[Any]:
        return _cross_sell(facts, policy.families, by=by, base=base)

    whole = (PRODUCTS_PER_CUSTOMER, *(multi_product_ratio(k) for k in (2, 3, 4)))
    return [
        Question(totals, (*whole, *_DISTRIBUTION, *penetration_ratios(policy.families))),
        Question(totals, whole, (ESTABLISHED,)),
    ]


def service_questions(policy: Policy) -> list[Question]:
    """Return the questions about managers and contacts; the facts must tell who is managed."""
    rule = policy.coverage

    def coverage(facts: Facts, by: list[str], base: str) -> Facts:
        return _coverage(facts, rule, by=by, base=base)

    return [
        Question(coverage, (*COVERAGE, *profile_ratios(rule)), (MANAGED,)),
        Question(coverage, MANAGEMENT),
        Question(
            lambda facts, by, base: _class_sums(facts, rule, by=by, base=base),
            class_ratios(rule),
            (MANAGED,),
        ),
        Question(
            lambda facts, by, base: _round_sums(facts, rule, by=by, base=base),
            round_ratios(rule),
            (MANAGED,),
        ),
    ]
