"""Which measures make the quarterly evaluation: each question with its sums, bases and ratios."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.contact_rounds import round_columns, round_ratios
from stockcust_analysis.measures.coverage import (
    COVERAGE,
    MANAGEMENT,
    coverage_columns,
    management_columns,
    profile_ratios,
)
from stockcust_analysis.measures.cross_sell import (
    PRODUCT_COUNTS,
    PRODUCTS_PER_CUSTOMER,
    cross_sell_columns,
    multi_product_ratio,
    penetration_ratios,
)
from stockcust_analysis.measures.customer_classes import class_columns, class_ratios
from stockcust_analysis.measures.dormancy import DORMANCY, dormancy_columns
from stockcust_analysis.measures.frames import Ratio
from stockcust_analysis.measures.openings import UNUSED_OPENINGS, opening_columns
from stockcust_analysis.measures.pareto import CONCENTRATION, concentration_ratios
from stockcust_analysis.measures.tiers import tier_columns, tier_ratios
from stockcust_analysis.policy import Policy

Facts = nw.LazyFrame[Any]
Columns = Callable[[Facts, str], Mapping[str, nw.Expr]]
FUNDED, ESTABLISHED, MANAGED = "funded", "established", "managed"
# Every question is told of each branch, and of the whole bank.
LEVELS: tuple[list[str], ...] = (["branch_id"], [])
# Tiers, comparison and scores go by the quarter's average; Pareto by the balance of the day.
AVERAGE, PERIOD_END = "aum_average_quarter_cents", "aum_period_end_cents"


@dataclass(frozen=True)
class Question:
    """Whole-number columns of customers that are summed, and the measures made of the sums.

    The measures may differ in their labels: the sums are made once for all of them.
    """

    columns: Columns
    ratios: Sequence[Ratio]
    bases: tuple[str, ...] = (FUNDED,)


VOLUME = (
    Ratio("customers", "customers", None),
    Ratio("aum_period_end", "end_cents", None),
    Ratio("aum_average_quarter", "average_cents", None),
    Ratio("aum_per_customer", "average_cents"),
)


def questions(
    policy: Policy, *, openings: bool = True, managed: bool = True, tenure: bool = True
) -> list[Question]:
    """Return the questions about all customers; some need openings, managers or tenure."""
    value = f"{policy.dormancy.value}_cents"
    asked = [
        Question(_volume, VOLUME, ("all", FUNDED, "effective")),
        Question(
            lambda _, base: dormancy_columns(value=value, base=base), DORMANCY, ("all", FUNDED)
        ),
        *_cross_sell_questions(policy, tenure=tenure),
        Question(
            lambda _, base: tier_columns(policy.tiers, base=base),
            tier_ratios(policy.tiers),
            ("all",),
        ),
    ]
    if openings:
        asked.append(
            Question(lambda _, base: opening_columns(base=base), UNUSED_OPENINGS, ("all",))
        )
    if managed:
        rule = policy.coverage
        asked.append(Question(lambda _, base: management_columns(rule, base=base), MANAGEMENT))
    return asked


def service_questions(policy: Policy) -> list[Question]:
    """Return the questions about managed customers and the contacts with them."""
    rule = policy.coverage
    return [
        Question(
            lambda facts, base: coverage_columns(facts, rule, base=base),
            (*COVERAGE, *profile_ratios(rule)),
            (MANAGED,),
        ),
        Question(lambda _, base: class_columns(rule, base=base), class_ratios(rule), (MANAGED,)),
        Question(lambda _, base: round_columns(rule, base=base), round_ratios(rule), (MANAGED,)),
    ]


def concentration_asked() -> dict[int, tuple[Ratio, ...]]:
    """Return what is told of concentration: all, and little without the 1 and 10 largest."""
    asked: dict[int, tuple[Ratio, ...]] = {0: CONCENTRATION}
    for without in (1, 10):
        ratios = {ratio.measure: ratio for ratio in concentration_ratios(without)}
        told = ("gini", "top_20_share")
        asked[without] = tuple(ratios[f"{name}_without_{without}"] for name in told)
    return asked


def _volume(_: Facts, base: str) -> dict[str, nw.Expr]:
    """Return what is summed: customers and their assets."""
    counts = nw.col(f"in_{base}")
    return {
        "customers": counts,
        "end_cents": counts * nw.col(PERIOD_END),
        "average_cents": counts * nw.col(AVERAGE),
    }


def _cross_sell_questions(policy: Policy, *, tenure: bool) -> list[Question]:
    """Return the cross-sell questions, and again for customers of a year or more if known."""

    def columns(_: Facts, base: str) -> dict[str, nw.Expr]:
        return cross_sell_columns(policy.families, base=base)

    whole = (PRODUCTS_PER_CUSTOMER, *(multi_product_ratio(k) for k in (2, 3, 4)))
    return [
        Question(columns, (*whole, *PRODUCT_COUNTS, *penetration_ratios(policy.families))),
        *([Question(columns, whole, (ESTABLISHED,))] if tenure else []),
    ]
