"""An empty selection, as of a branch without customers or one opened this quarter."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd
import pytest

import stockcust_analysis as sca
from tests.frames import BACKENDS
from tests.measures.test_rules_of_columns import SHIPPED, customers_of

OF_ONE_DATE: dict[str, Callable[..., sca.Result]] = {
    "concentration": sca.concentration,
    "lorenz_curve": sca.lorenz_curve,
    "dormancy_rate": sca.dormancy_rate,
    "multi_product_share": sca.multi_product_share,
    "products_per_customer": sca.products_per_customer,
    "penetration": sca.penetration,
    "co_holding": sca.co_holding,
}
OF_TWO_DATES: dict[str, Callable[..., sca.Result]] = {
    "customer_retention": sca.customer_retention,
    "asset_retention": sca.asset_retention,
    "growth_bridge": sca.growth_bridge,
    "migration_matrix": sca.migration_matrix,
    "lost_customers": sca.lost_customers,
}
ENGINES = sorted(BACKENDS)


def tables(engine: str) -> tuple[Any, Any, Any]:
    """Return three customers of June, as many of September, and nobody, as a filter leaves it."""
    channels = {f"uses_{name}": 0 for name in SHIPPED.families.channel_names}
    columns = [
        customers_of(SHIPPED, day).assign(branch_id="001", **channels).to_dict("list")
        for day in ("2026-06-30", "2026-09-30")
    ]
    june, september = (BACKENDS[engine](each) for each in columns)
    nobody = nw.from_native(september).filter(nw.col("branch_id") == "002").to_native()
    return june, september, nobody


@cache
def columns_of_some(name: str, **given: str) -> list[str]:
    """Return the columns of a measure of customers there are, the same on every engine."""
    june, september, _ = tables("polars")
    if name in OF_ONE_DATE:
        return [*OF_ONE_DATE[name](september, **given)]
    return [*OF_TWO_DATES[name](june, september)]


def is_of_nobody(found: sca.Result, columns: list[str]) -> bool:
    """Whether a result has the columns that it has of some, counts nobody and divides nothing."""
    counts = [name for name in ("n", "customers", "numerator") if name in found]
    assert [*found.columns] == columns
    return not found[counts].to_numpy().any() and not found.get("value", pd.Series()).any()


@pytest.mark.parametrize("engine", ENGINES)
def test_nobody_has_an_empty_result(engine: str) -> None:
    """Whatever is asked of nobody, by no cut or any, counts nobody and has no value."""
    *_, nobody = tables(engine)
    for name, measure in OF_ONE_DATE.items():
        for given in ({}, {"by": "branch_id"}, {"by": "tier", "base": "all"}, {"over": "quarter"}):
            assert is_of_nobody(measure(nobody, **given), columns_of_some(name, **given)), name
        assert measure(nobody, by="branch_id").empty


@pytest.mark.parametrize("engine", ENGINES)
def test_who_came_or_left_is_compared_with_nobody(engine: str) -> None:
    """A branch opened this quarter kept none of none; all three of one that closed have left."""
    june, september, nobody = tables(engine)
    for name, measure in OF_TWO_DATES.items():
        columns = columns_of_some(name)
        assert is_of_nobody(measure(nobody, nobody), columns), name
        assert [*measure(nobody, september)] == columns
        assert [*measure(june, nobody)] == columns
    opened = sca.customer_retention(nobody, september)
    assert opened["n"].tolist() == [0] and opened["value"].isna().all()
    left = sca.customer_retention(june, nobody)
    assert (left["n"].tolist(), left["numerator"].tolist()) == ([3], [0])
    assert sca.lost_customers(nobody, september).empty
    # 500 + 15,000 + 60,000 CNY
    assert sca.asset_retention(june, nobody)["denominator"].tolist() == [75_500, 75_500]
    assert len(sca.lost_customers(june, nobody)) == 3
    came = sca.migration_matrix(nobody, september)
    assert [*zip(came["from"], came["customers"], strict=True)] == [("NEW", 1)] * 3


@pytest.mark.parametrize("engine", ENGINES)
def test_cohorts_of_nobody(engine: str) -> None:
    """There are none, and no quarter of them."""
    _, september, nobody = tables(engine)
    whole = sca.cohorts(september, "tier")
    assert whole["n"].sum() == 9  # three measures of three customers, each alone in a tier
    found = sca.cohorts(nobody, "tier")
    assert [*found.columns] == [*whole.columns] and found.empty
