"""What happened to a branch's customers, and how they are looked after, as tables of its page."""

from __future__ import annotations

from stockcust_analysis.show.branch_page import BranchPage
from stockcust_analysis.show.branch_tables import finished_table, measure_table
from stockcust_analysis.show.charts_dormancy import DORMANT_FLOW
from stockcust_analysis.show.tables import Table
from stockcust_analysis.show.units import format_count, format_money, format_share, money_unit

_RETENTION = (
    "customer_retention", "asset_retention", "same_customer_growth", "all_customer_growth",
    "upgrade_rate", "downgrade_rate",
)  # fmt: skip
_COVERAGE = (
    ("managed_customers", "funded"), ("managed_aum", "funded"), ("managed_share", "funded"),
    ("vip_share", "funded"), ("contact_coverage", "managed"), ("profile_completion", "managed"),
    ("contact_due_share", "managed"), ("reclaim_due_share", "managed"),
    ("customers_per_manager", "funded"),
)  # fmt: skip
_ATTRITION = (
    ("attrition_warning_rate", "all"), ("attrition_outflow_share", "all"),
    ("newly_dormant_rate", "funded"), ("reactivation_rate", "funded"),
)  # fmt: skip


def retention_table(page: BranchPage) -> Table | None:
    """Return how many of last quarter's customers and assets stayed, and who rose or fell."""
    if page.is_small:
        return None
    rows = [(measure, _base(page, measure)) for measure in _RETENTION]
    return measure_table(page, rows, "retention", half=True)


def attrition_table(page: BranchPage) -> Table | None:
    """Return who is leaving, who fell asleep, and who woke."""
    if page.is_small:
        return None
    return measure_table(page, _ATTRITION, "attrition", half=True)


def coverage_table(page: BranchPage) -> Table | None:
    """Return who is managed and how many were contacted; None without managers' data."""
    if page.is_small:
        return None
    rows = [(measure, _base(page, measure, base)) for measure, base in _COVERAGE]
    return measure_table(page, rows, "coverage", half=True)


def class_table(page: BranchPage) -> Table | None:
    """Return the managed customers by class with their contacts; None without managers' data."""
    words = page.members("customer_class")
    classes = [name for name in words if page.value("class_customers", name)]
    if page.is_small or not classes:
        return None
    amounts = [page.value("class_aum", name) for name in classes]
    unit = money_unit(amounts, page.language)
    rows = [
        [
            words[name],
            format_count(page.value("class_customers", name)),
            format_money(amount, unit),
            format_share(page.value("class_contact_coverage", name)),
        ]
        for name, amount in zip(classes, amounts, strict=True)
    ]
    columns = ["class", "customers", "class_aum", "coverage"]
    return finished_table(page, rows, columns, "classes", unit=unit, half=True)


def dormancy_flow_table(page: BranchPage) -> Table | None:
    """Return how last quarter's dormant customers became this quarter's."""
    steps = {name: page.value(name, base="funded") for name in DORMANT_FLOW}
    if page.is_small or not any(steps.values()):
        return None
    rows = [
        [page.word(name, "dormant_step"), format_count(value)]
        for name, value in steps.items()
        if value or name in ("dormant_opening", "dormant_closing")
    ]
    columns = ["step", "task_customers"]
    return finished_table(page, rows, columns, "dormancy_flow", emphasise=[0, -1], half=True)


def _base(page: BranchPage, measure: str, wanted: str = "funded") -> str:
    """Return the wanted base if the measure stands on it, else its first one."""
    return wanted if page.value(measure, base=wanted) is not None else ""
