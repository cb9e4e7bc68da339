"""Hand-made measure tables: one branch beside its bank, with the story the test plants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from stockcust_analysis.policy import load_policy
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.page_data import BranchPage, branch_page
from stockcust_analysis.show.wording import member_words

Key = str | tuple[str, str, str]
"""A measure, or (measure, dimension, member)."""

NORMAL: Mapping[Key, float] = {
    "customers": 5000,
    "aum_average_quarter": 1.2e9,
    "top_20_share": 0.80,
    "ten_largest_share": 0.05,
    "active_rate": 0.60,
    "active_small_rate": 0.12,
    "silent_rate": 0.18,
    "dormancy_rate": 0.10,
    "inactive_rate": 0.28,
    "silent_aum_share": 0.25,
    "dormant_aum_share": 0.01,
    "multi_product_share": 0.40,
    ("penetration", "family", "deposit"): 0.97,
    ("penetration", "family", "wealth"): 0.30,
    ("penetration", "family", "fund"): 0.12,
}
"""A quarter without any news; every story starts from it."""

ROW = [
    "quarter", "branch_id", "dimension", "member", "measure", "base",
    "n", "numerator", "denominator", "value",
]  # fmt: skip


def quarter_of(
    quarter: str, branch_id: str, values: Mapping[Key, float], *, base: str = "funded"
) -> pd.DataFrame:
    """Return one branch's measures of one quarter, counted on the customers stated in them."""
    n = int(values.get("customers", 5000))
    rows = []
    for key, value in values.items():
        measure, dimension, member = (key, "", "") if isinstance(key, str) else key
        rows.append(
            (quarter, branch_id, dimension, member, measure, base, n, value * n, n, float(value))
        )
    return pd.DataFrame(rows, columns=ROW)


def story(
    now: Mapping[Key, float] | None = None,
    *,
    before: Mapping[Key, float] | None = None,
    bank_now: Mapping[Key, float] | None = None,
    bank_before: Mapping[Key, float] | None = None,
    quarters: Sequence[str] = ("2026Q2", "2026Q3"),
) -> pd.DataFrame:
    """Return two normal quarters of branch B01 and the bank, changed where the story says so."""
    earlier, later = quarters
    bank_size: Mapping[Key, float] = {"customers": 500_000, "aum_average_quarter": 1.2e11}
    return pd.concat(
        [
            quarter_of(earlier, "B01", {**NORMAL, **(before or {})}),
            quarter_of(later, "B01", {**NORMAL, **(now or {})}),
            quarter_of(earlier, "@bank", {**NORMAL, **bank_size, **(bank_before or {})}),
            quarter_of(later, "@bank", {**NORMAL, **bank_size, **(bank_now or {})}),
        ],
        ignore_index=True,
    )


def members(
    measure: str, dimension: str, values: Sequence[float], *, branch_id: str = "B01"
) -> pd.DataFrame:
    """Return one measure's rows of 2026Q3 for the first members of a dimension."""
    keys: dict[Key, float] = {
        (measure, dimension, member): value
        for member, value in zip(member_words(dimension), values, strict=False)
    }
    return quarter_of("2026Q3", branch_id, keys)


def lorenz(power: float, *, branch_id: str = "B01", points: int = 101) -> pd.DataFrame:
    """Return the Lorenz curve L(p) = p**power, whose top 20 % hold 1 - 0.8**power."""
    share = np.linspace(0, 1, points)
    return pd.DataFrame(
        {
            "quarter": "2026Q3",
            "branch_id": branch_id,
            "customer_share": share,
            "value_share": share**power,
        }
    )


def assets(values: Sequence[float]) -> pd.DataFrame:
    """Return quarter-average assets (CNY) of branch B01 for the quarters up to 2026Q3."""
    last = 2026 * 4 + 2
    quarters = [divmod(last - back, 4) for back in reversed(range(len(values)))]
    return pd.concat(
        [
            quarter_of(f"{year}Q{index + 1}", "B01", {"aum_average_quarter": value})
            for (year, index), value in zip(quarters, values, strict=True)
        ],
        ignore_index=True,
    )


def co_holding(rates: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """Return a co-holding table of branch B01 from conditional rates by (row, column) family."""
    return pd.DataFrame(
        [("2026Q3", "B01", a, b, rate) for (a, b), rate in rates.items()],
        columns=["quarter", "branch_id", "family_a", "family_b", "conditional_rate"],
    )


def page_of(
    measures: pd.DataFrame,
    language: Language = "zh",
    *,
    branch_id: str = "B01",
    quarter: str = "2026Q3",
    **tables: pd.DataFrame,
) -> BranchPage:
    """Return a branch's page on these measures; other tables are empty unless they are named."""
    empty = pd.DataFrame(columns=["branch_id", "structure", "component", "amount", "customers"])
    names = ("lorenz", "co_holding", "migration", "bridge", "reconciliation")
    targets = pd.DataFrame(columns=["branch_id", "quarter", "measure", "target"])
    branches = pd.DataFrame({"branch_id": ["B01"], "name": ["城关支行"]})
    evaluation = Evaluation(
        quarter=Quarter.parse(quarter),
        bank_name="示例银行",
        policy_facts=load_policy().members,
        measures=measures,
        **{**dict.fromkeys(names, empty), "branches": branches, "targets": targets, **tables},
    )
    if branch_id == WHOLE_BANK:
        return BranchPage(evaluation, language, WHOLE_BANK)
    return branch_page(evaluation, branch_id=branch_id, language=language)
