"""The steps of the Lorenz curve: one row per group and amount, with how many customers hold it.

`running_steps` sorts all customers, which is the dear part; whoever asks several questions keeps
its result. `lorenz_steps` puts the groups' totals beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.checks import count_rows, require_amounts, require_columns
from stockcust_analysis.measures.frames import WHOLE, keyed, sums


def running_steps(
    facts: nw.LazyFrame[Any], *, value: str, by: list[str], base: str
) -> nw.LazyFrame[Any]:
    """Return one row per group and amount, with running totals from the smallest amount up.

    Who is outside the base counts in no step; that of no amount is there for every such group.
    """
    table, keys = keyed(facts, by)
    inside = nw.col(f"in_{base}")
    held = nw.when(inside > 0).then(nw.col(value)).otherwise(0)
    steps = sums(table.with_columns(amount=held), [*keys, "amount"], {"held_by": inside})
    step_cents = nw.col("amount") * nw.col("held_by")
    steps = steps.with_columns(step_cents=step_cents)
    return steps.with_columns(
        customers_through=_running("held_by", keys), cents_through=_running("step_cents", keys)
    )


def lorenz_steps(
    running: nw.LazyFrame[Any], *, by: list[str], without: Sequence[int] = (0,)
) -> nw.LazyFrame[Any]:
    """Return running steps with the totals of their groups, less so many of the largest customers.

    For each number k in `without` there are `held_by|k` and `step_cents|k`, the group's
    `customers|k` and `total_cents|k`, `customers_through|k`, `cents_through|k` and `above|k`.
    Running totals begin at the smallest customer: leaving out the largest only cuts them off.
    """
    keys = by or [WHOLE]
    steps = _without_largest(running, keys, without)
    pairs = (("customers", "held_by"), ("total_cents", "step_cents"))
    totals = {f"{name}|{k}": nw.col(f"{part}|{k}") for k in without for name, part in pairs}
    steps = steps.join(sums(steps, keys, totals), on=keys, how="left")
    through = (("customers_through", "customers"), ("cents_through", "total_cents"))
    steps = steps.with_columns(
        nw.min_horizontal(name, f"{most}|{k}").alias(f"{name}|{k}")
        for k in without
        for name, most in through
    )
    above = {f"above|{k}": left_of("customers", k) - left_of("customers_through", k)
             for k in without}  # fmt: skip
    return steps.with_columns(**above)


def left_of(name: str, without: int) -> nw.Expr:
    """Return a column of `lorenz_steps` without so many of the largest customers."""
    return nw.col(f"{name}|{without}")


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


def _running(name: str, keys: list[str]) -> nw.Expr:
    # Floats add whole numbers exactly up to 2**53, 90 trillion CNY in cents: in the windows of
    # many groups DuckDB takes half the time for them, in that of the whole bank it does not.
    amount = nw.col(name) if keys == [WHOLE] else nw.col(name).cast(nw.Float64)
    return amount.cum_sum().over(*keys, order_by="amount").cast(nw.Int64)


def _without_largest(
    running: nw.LazyFrame[Any], keys: list[str], without: Sequence[int]
) -> nw.LazyFrame[Any]:
    """Return the steps with their holders, and with fewer holders of the largest amounts."""
    steps = running
    if any(without):
        sizes = sums(running, keys, {"size": nw.col("held_by")})
        steps = running.join(sizes, on=keys, how="left")
        steps = steps.with_columns(larger=nw.col("size") - nw.col("customers_through"))
    held = nw.col("held_by")
    left = {k: held - nw.min_horizontal((k - nw.col("larger")).clip(0), held) if k else held
            for k in without}  # fmt: skip
    steps = steps.with_columns(**{f"held_by|{k}": number for k, number in left.items()})
    return steps.with_columns(
        (nw.col("amount") * left_of("held_by", k)).alias(f"step_cents|{k}") for k in without
    )
