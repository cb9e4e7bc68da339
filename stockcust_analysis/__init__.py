"""Analyse and report on a bank's existing customers (存量客户).

Three questions come first: how concentrated are the assets, who has gone dormant, how many
product families does a customer hold.

    bank ──> measures ──> evaluation ──> show ──> report

Array kernels (`gini`, `top_share`, …) take numbers and return a float. Frame functions
(`concentration`, `dormancy_rate`, …) take a pandas, Polars or DuckDB frame and return the measure
frame: `[*by], measure, base, n, numerator, denominator, value`, a `Result` that shows itself in
words and units. Names are loaded when first used.
"""

from __future__ import annotations

from importlib import import_module

from stockcust_analysis import core

__version__ = "0.1.0"

# Module → its public names. Type checkers read the same from `__init__.pyi`; a test compares them.
_PUBLIC = {
    "bank.sample": ["make_bank"],
    "bank.source": ["Bank", "open_bank"],
    "core.periods": ["Quarter"],
    "core.results": ["Result", "set_language"],
    "errors": ["StockcustError"],
    "evaluation.evaluate": ["evaluate"],
    "evaluation.results": ["Evaluation", "open_evaluation"],
    "measures.co_holding": ["co_holding"],
    "measures.concentration": ["concentration", "lorenz_curve"],
    "measures.coverage": ["coverage"],
    "measures.cross_sell": ["multi_product_share", "penetration", "products_per_customer"],
    "measures.dormancy": ["compare_rules", "dormancy_rate", "dormancy_status"],
    "measures.growth": ["growth_bridge"],
    "measures.inequality": ["gini", "herfindahl", "share_of_customers_holding", "top_share"],
    "measures.retention": ["asset_retention", "cohorts", "customer_retention"],
    "measures.two_dates": ["lost_customers", "migration_matrix"],
    "measures.worklist_outcomes": ["worklist_outcomes"],
    "measures.worklists": ["worklists"],
    "models.campaign_effect": ["CampaignEffect"],
    "models.early_warning": ["EarlyWarning"],
    "models.next_product": ["NextProduct"],
    "models.segments": ["Segments"],
    "policy": ["DormancyRule", "Policy", "TierScheme", "load_policy"],
}
# What a measure returns shows itself by a layer above its own: here alone all layers are known.
core.presentation, core.charts = f"{__name__}.show.results", f"{__name__}.plot"
_HOME_OF = {name: module for module, names in _PUBLIC.items() for name in names}
__all__ = sorted(["__version__", "plot", *_HOME_OF])


def __getattr__(name: str) -> object:
    """Load a public name from its module when it is first used."""
    if name == "plot":
        return import_module(f"{__name__}.plot")
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
