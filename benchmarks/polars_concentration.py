"""Concentration and the Lorenz curve in Polars."""

from __future__ import annotations

import polars as pl

from benchmarks.asked import BANK, LEFT_OUT, PERCENTS

_X, _I, _N, _TOTAL, _RUNNING = (pl.col(name) for name in ("end", "i", "n", "total", "running"))


def ranked(facts: pl.DataFrame) -> pl.DataFrame:
    """Return the funded by rising balance, in their branch and in the whole bank."""
    funded = facts.lazy().filter("funded").select("branch_id", "end")
    whole = funded.select(pl.lit(BANK).alias("branch_id"), "end").sort("end")
    parts = [
        table.with_columns(
            i=pl.int_range(1, pl.len() + 1).over("branch_id"),
            running=_X.cum_sum().over("branch_id"),
            n=pl.len().cast(pl.Int64).over("branch_id"),
            total=_X.sum().over("branch_id"),
        )
        for table in (funded.sort("branch_id", "end"), whole)
    ]
    return pl.concat(parts).collect()


def concentration_of(placed: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """Return the sums of concentration of every branch and of the whole bank."""
    over, before = 5 * _RUNNING > _TOTAL, 5 * (_RUNNING - _X)
    part = (_TOTAL - before) / (5 * _X)
    sums = {
        "customers": pl.len(),
        "total_cents": _X.sum(),
        "gini_cents": _gini(_N),
        "ten_largest_share_cents": _X.filter(_I > _N - 10).sum(),
        "herfindahl_cents": (_X * (_X / _TOTAL)).sum(),
        "holders_of_80": over.sum() - part.filter(over & (before <= _TOTAL)).sum(),
        **{f"top_{percent}_share_cents": _top(_N, percent) for percent in PERCENTS},
    }
    for k in LEFT_OUT:
        rest, inside = _N - k, _I.le(_N - k)
        sums |= {
            f"customers_without_{k}": inside.sum(),
            f"total_without_{k}_cents": _X.filter(inside).sum(),
            f"gini_without_{k}_cents": _gini(rest, inside),
            f"top_20_share_without_{k}_cents": _top(rest, 20, inside),
        }
    holders = pl.when(pl.col("total_cents") > 0).then("holders_of_80")
    table = placed.group_by("branch_id").agg(**sums).with_columns(holders_of_80=holders)
    filled = pl.exclude("branch_id", "holders_of_80").fill_nan(0).fill_null(0)
    return _groups(facts).join(table, on="branch_id", how="left").with_columns(filled)


def lorenz_of(placed: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """Return the Lorenz curves: what share the smallest 0, 1, …, 100 % of customers hold."""
    percents = pl.int_ranges((_I - 1) * 100 // _N + 1, _I * 100 // _N + 1).alias("percent")
    points = (
        placed.lazy()
        .filter(_TOTAL > 0, _I * 100 // _N > (_I - 1) * 100 // _N)
        .with_columns(percents)
        .explode("percent")
        .with_columns(value_share=(_RUNNING - (_I - _N * pl.col("percent") / 100) * _X) / _TOTAL)
        .select("branch_id", "percent", "value_share")
        .collect()
    )
    begins = points.select("branch_id").unique().select(
        "branch_id", percent=pl.lit(0, dtype=pl.Int64), value_share=pl.lit(0.0)
    )  # fmt: skip
    grid = _groups(facts).join(pl.DataFrame({"percent": range(101)}), how="cross")
    return grid.join(pl.concat([points, begins]), on=["branch_id", "percent"], how="left")


def _groups(facts: pl.DataFrame) -> pl.DataFrame:
    branches = facts.select("branch_id").unique(maintain_order=True)
    return pl.concat([branches, pl.DataFrame({"branch_id": [BANK]})])


def _gini(n: pl.Expr, inside: pl.Expr | None = None) -> pl.Expr:
    """Return the cents by which assets are unequally spread."""
    weighted = (2 * _I - n - 1) / n * _X
    return (weighted if inside is None else weighted.filter(inside)).sum()


def _top(n: pl.Expr, percent: int, inside: pl.Expr | None = None) -> pl.Expr:
    """Return the cents of the largest so many percent, in part where a border cuts a customer."""
    held = (n * percent - 100 * (n - _I)).clip(0, 100) * _X
    return (held if inside is None else held.filter(inside)).sum() / 100
