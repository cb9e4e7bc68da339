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
    from stockcust_analysis.bank.contacts_import import import_contacts
    from stockcust_analysis.bank.sample import make_bank
    from stockcust_analysis.bank.source import Bank, open_bank
    from stockcust_analysis.errors import StockcustError
    from stockcust_analysis.evaluation.evaluate import evaluate
    from stockcust_analysis.evaluation.results import Evaluation, open_evaluation
    from stockcust_analysis.measures.account_state import account_state
    from stockcust_analysis.measures.attrition import attrition_rate, attrition_warning
    from stockcust_analysis.measures.aum_change import aum_change
    from stockcust_analysis.measures.co_holding import co_holding
    from stockcust_analysis.measures.coverage import (
        contact_rounds,
        coverage,
        managed_share,
        profile_completion,
        service_by_class,
    )
    from stockcust_analysis.measures.cross_sell import (
        multi_product_share,
        penetration,
        product_count_distribution,
        products_per_customer,
    )
    from stockcust_analysis.measures.customer_service import customer_service
    from stockcust_analysis.measures.dormancy import dormancy_rate, dormancy_status
    from stockcust_analysis.measures.dormancy_evidence import last_activity
    from stockcust_analysis.measures.dormancy_flow import dormancy_flow
    from stockcust_analysis.measures.growth import family_growth_bridge, growth_bridge
    from stockcust_analysis.measures.hold_out import hold_out
    from stockcust_analysis.measures.intervals import (
        gini_interval,
        lift_interval,
        proportion_interval,
        top_share_interval,
    )
    from stockcust_analysis.measures.kernels import (
        gini,
        herfindahl,
        share_of_customers_holding,
        top_share,
    )
    from stockcust_analysis.measures.migration import migration_matrix, tier_move_rates
    from stockcust_analysis.measures.openings import unused_openings
    from stockcust_analysis.measures.pareto import concentration, lorenz_curve
    from stockcust_analysis.measures.retention import (
        asset_retention,
        customer_retention,
        same_customer_growth,
    )
    from stockcust_analysis.measures.rule_comparison import compare_rules
    from stockcust_analysis.measures.structure import on_structure
    from stockcust_analysis.measures.tenure import assign_tenure
    from stockcust_analysis.measures.tier_memory import tiers_with_memory
    from stockcust_analysis.measures.tiers import assign_tiers, near_border, tier_counts
    from stockcust_analysis.measures.whale_curve import whale_curve
    from stockcust_analysis.measures.worklist_facts import worklist_facts
    from stockcust_analysis.measures.worklist_outcomes import worklist_outcomes
    from stockcust_analysis.measures.worklists import worklist_counts, worklists
    from stockcust_analysis.periods import Quarter
    from stockcust_analysis.policy import (
        AttritionRule,
        CoverageRule,
        DormancyRule,
        Policy,
        TierMemory,
        TierScheme,
        load_policy,
    )

__version__ = "0.1.0"

_HOMES = {
    "bank.contacts_import": ("import_contacts",),
    "bank.sample": ("make_bank",),
    "bank.source": ("Bank", "open_bank"),
    "errors": ("StockcustError",),
    "evaluation.evaluate": ("evaluate",),
    "evaluation.results": ("Evaluation", "open_evaluation"),
    "measures.account_state": ("account_state",),
    "measures.attrition": ("attrition_rate", "attrition_warning"),
    "measures.aum_change": ("aum_change",),
    "measures.co_holding": ("co_holding",),
    "measures.coverage": (
        "contact_rounds",
        "coverage",
        "managed_share",
        "profile_completion",
        "service_by_class",
    ),
    "measures.cross_sell": (
        "multi_product_share",
        "penetration",
        "product_count_distribution",
        "products_per_customer",
    ),
    "measures.customer_service": ("customer_service",),
    "measures.dormancy": ("dormancy_rate", "dormancy_status"),
    "measures.dormancy_evidence": ("last_activity",),
    "measures.dormancy_flow": ("dormancy_flow",),
    "measures.growth": ("family_growth_bridge", "growth_bridge"),
    "measures.hold_out": ("hold_out",),
    "measures.intervals": (
        "gini_interval",
        "lift_interval",
        "proportion_interval",
        "top_share_interval",
    ),
    "measures.kernels": ("gini", "herfindahl", "share_of_customers_holding", "top_share"),
    "measures.migration": ("migration_matrix", "tier_move_rates"),
    "measures.openings": ("unused_openings",),
    "measures.pareto": ("concentration", "lorenz_curve"),
    "measures.retention": ("asset_retention", "customer_retention", "same_customer_growth"),
    "measures.rule_comparison": ("compare_rules",),
    "measures.structure": ("on_structure",),
    "measures.tenure": ("assign_tenure",),
    "measures.tier_memory": ("tiers_with_memory",),
    "measures.tiers": ("assign_tiers", "near_border", "tier_counts"),
    "measures.whale_curve": ("whale_curve",),
    "measures.worklist_facts": ("worklist_facts",),
    "measures.worklist_outcomes": ("worklist_outcomes",),
    "measures.worklists": ("worklist_counts", "worklists"),
    "periods": ("Quarter",),
    "policy": (
        "AttritionRule",
        "CoverageRule",
        "DormancyRule",
        "Policy",
        "TierMemory",
        "TierScheme",
        "load_policy",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AttritionRule",
    "Bank",
    "CoverageRule",
    "DormancyRule",
    "Evaluation",
    "Policy",
    "Quarter",
    "StockcustError",
    "TierMemory",
    "TierScheme",
    "account_state",
    "asset_retention",
    "assign_tenure",
    "assign_tiers",
    "attrition_rate",
    "attrition_warning",
    "aum_change",
    "co_holding",
    "compare_rules",
    "concentration",
    "contact_rounds",
    "coverage",
    "customer_retention",
    "customer_service",
    "dormancy_flow",
    "dormancy_rate",
    "dormancy_status",
    "evaluate",
    "family_growth_bridge",
    "gini",
    "gini_interval",
    "growth_bridge",
    "herfindahl",
    "hold_out",
    "import_contacts",
    "last_activity",
    "lift_interval",
    "load_policy",
    "lorenz_curve",
    "make_bank",
    "managed_share",
    "migration_matrix",
    "multi_product_share",
    "near_border",
    "on_structure",
    "open_bank",
    "open_evaluation",
    "penetration",
    "product_count_distribution",
    "products_per_customer",
    "profile_completion",
    "proportion_interval",
    "same_customer_growth",
    "service_by_class",
    "share_of_customers_holding",
    "tier_counts",
    "tier_move_rates",
    "tiers_with_memory",
    "top_share",
    "top_share_interval",
    "unused_openings",
    "whale_curve",
    "worklist_counts",
    "worklist_facts",
    "worklist_outcomes",
    "worklists",
]


def __getattr__(name: str) -> object:
    """Load a public name from its home when it is first used."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__, "__version__"]
