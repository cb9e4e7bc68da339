"""Households (家庭): cross-sell counted by family roof instead of by customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.checks import require_columns
from stockcust_analysis.measures.frames import Ratio

UNITS = ("customer", "household")


def require_unit(unit: str) -> None:
    """Raise unless the unit is one that can be counted."""
    if unit not in UNITS:
        raise UsageError.unknown("unit", unit, UNITS)


def households(
    customers: nw.LazyFrame[Any], *, by: Sequence[str], flags: Sequence[str]
) -> nw.LazyFrame[Any]:
    """Return one row per household and group: it has a flag that any of its members there has.

    A customer without `household_id` is a household alone. A household with members in two
    branches counts in both, with what its members there hold; in the whole bank it counts once.
    """
    require_columns(customers, ["customer_id", "household_id"], "customers")
    given = nw.col("household_id").cast(nw.String).fill_null("")
    alone = nw.when(given == "").then(nw.col("customer_id").cast(nw.String))
    keys = [*by, "household", "alone"]
    members = customers.select(*by, *flags, household=given, alone=alone.otherwise(nw.lit("")))
    return members.group_by(*keys).agg(nw.col(name).max() for name in flags)


def household_ratio(ratio: Ratio) -> Ratio:
    """Return a cross-sell measure under the name it has when households are counted.

    >>> household_ratio(Ratio("products_per_customer", "families_held")).measure
    'products_per_household'
    >>> household_ratio(Ratio("penetration", "holds_fund")).measure
    'household_penetration'
    """
    per_household = ratio.measure.replace("per_customer", "per_household")
    same = per_household == ratio.measure
    return replace(ratio, measure=f"household_{per_household}" if same else per_household)
