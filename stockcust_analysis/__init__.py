"""Analyse and report on a bank's existing customers (存量客户).

Three questions come first: how concentrated are the assets, who has gone dormant, how many
product families does a customer hold.

    bank ──> measures ──> evaluation ──> show ──> report

Array kernels (`gini`, `top_share`, …) take numbers and return a float. Frame functions
(`concentration`, `dormancy_rate`, …) take a pandas, Polars or DuckDB frame and return the measure
frame: `[*by], measure, base, n, numerator, denominator, value`. Names are loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stockcust_analysis.bank.sample import make_bank
    from stockcust_analysis.bank.source import Bank, open_bank
    from stockcust_analysis.errors import StockcustError
    from stockcust_analysis.evaluation.evaluate import evaluate
    from stockcust_analysis.evaluation.results import Evaluation, open_evaluation
    from stockcust_analysis.measures.co_holding import co_holding
    from stockcust_analysis.measures.cross_sell import (
        multi_product_share,
        penetration,
        products_per_customer,
    )
    from stockcust_analysis.measures.dormancy import dormancy_rate, dormancy_status
    from stockcust_analysis.measures.kernels import (
        gini,
        herfindahl,
        share_of_customers_holding,
        top_share,
    )
    from stockcust_analysis.measures.pareto import concentration, lorenz_curve
    from stockcust_analysis.measures.tiers import assign_tiers, tier_counts
    from stockcust_analysis.periods import Quarter
    from stockcust_analysis.policy import DormancyRule, Policy, TierScheme, load_policy

__version__ = "0.1.0"

_HOMES = {
    "bank.sample": ("make_bank",),
    "bank.source": ("Bank", "open_bank"),
    "errors": ("StockcustError",),
    "evaluation.evaluate": ("evaluate",),
    "evaluation.results": ("Evaluation", "open_evaluation"),
    "measures.co_holding": ("co_holding",),
    "measures.cross_sell": ("multi_product_share", "penetration", "products_per_customer"),
    "measures.dormancy": ("dormancy_rate", "dormancy_status"),
    "measures.kernels": ("gini", "herfindahl", "share_of_customers_holding", "top_share"),
    "measures.pareto": ("concentration", "lorenz_curve"),
    "measures.tiers": ("assign_tiers", "tier_counts"),
    "periods": ("Quarter",),
    "policy": ("DormancyRule", "Policy", "TierScheme", "load_policy"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Bank",
    "DormancyRule",
    "Evaluation",
    "Policy",
    "Quarter",
    "StockcustError",
    "TierScheme",
    "assign_tiers",
    "co_holding",
    "concentration",
    "dormancy_rate",
    "dormancy_status",
    "evaluate",
    "gini",
    "herfindahl",
    "load_policy",
    "lorenz_curve",
    "make_bank",
    "multi_product_share",
    "open_bank",
    "open_evaluation",
    "penetration",
    "products_per_customer",
    "share_of_customers_holding",
    "tier_counts",
    "top_share",
]


def __getattr__(name: str) -> object:
    """Load a public name from its home when it is first used."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__, "__version__"]
