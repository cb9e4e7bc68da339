"""The steps of the Lorenz curve: one row per group and amount, with how many customers hold it."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.checks import count_rows, require_amounts, require_columns
from stockcust_analysis.measures.frames import keyed, sums


def lorenz_steps(
    facts: nw.LazyFrame[Any], *, value: str, by: list[str], base: str, without: int = 0
) -> tuple[nw.LazyFrame[Any], list[str]]:
    """Return one row per group and amount, with running totals from the smallest amount up."""
    table, keys = keyed(facts, by)
    steps = sums(table, [*keys, value], {"held_by": nw.col(f"in_{base}")})
    if without:
        held_by = nw.col("held_by")
        through = held_by.cum_sum().over(*keys, order_by=value)
        above = (held_by.sum().over(*keys) - through).cast(nw.Int64)
        left_out = nw.min_horizontal((without - above).clip(0), held_by)
        steps = steps.with_columns(left_out=left_out).with_columns(
            held_by=held_by - nw.col("left_out")
        )
    steps = steps.with_columns(amount=nw.col(value), step_cents=nw.col(value) * nw.col("held_by"))
    steps = steps.with_columns(
        customers=nw.col("held_by").sum().over(*keys).cast(nw.Int64),
        total_cents=nw.col("step_cents").sum().over(*keys).cast(nw.Int64),
        customers_through=nw.col("held_by").cum_sum().over(*keys, order_by=value).cast(nw.Int64),
        cents_through=nw.col("step_cents").cum_sum().over(*keys, order_by=value).cast(nw.Int64),
    )
    return steps.with_columns(above=nw.col("customers") - nw.col("customers_through")), keys


def weighted(table: nw.LazyFrame[Any], weight: str | None, inside: str) -> nw.LazyFrame[Any]:
    """Return the customers with the column of the base multiplied by how many a row stands for."""
    if weight is None:
        return table
    require_columns(table, [weight], "customers")
    require_amounts(table, [weight], "customers")
    number = nw.col(weight).cast(nw.Float64)
    broken = count_rows(table, {"broken": number != number.floor()})["broken"]
    if broken:
        raise UsageError(
            f"customers: '{weight}' is no whole number in {broken:,} rows. "
            "A weight says how many customers a row stands for: scale or round it."
        )
    return table.with_columns(nw.col(inside) * number.cast(nw.Int64))
