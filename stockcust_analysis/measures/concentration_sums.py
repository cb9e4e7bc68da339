"""The sums behind the measures of concentration, made of the steps of the Lorenz curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.frames import ONE, flag, sums
from stockcust_analysis.measures.lorenz_steps import left_of, lorenz_steps

_PERCENTS = (1, 5, 10, 20)

# Shares are added up as whole numbers of this size, which fills Int64: the order in which an
# engine adds them cannot show in the result.
_PARTS = 1e18


def concentration_sums(
    running: nw.LazyFrame[Any], *, by: list[str], without: Sequence[int] = (0,)
) -> nw.LazyFrame[Any]:
    """Return the sums of `CONCENTRATION` per group, of what `running_steps` returned.

    They are told without each number k of the largest customers, under names that end in `|k`.
    """
    columns = {
        f"{name}|{k}": column for k in without for name, column in _summed_without(k).items()
    }
    steps = lorenz_steps(running, by=by, without=without)
    totals = sums(steps, by, columns)
    finished = (column for k in without for column in _finished(k))
    return totals.select(*by, *finished)


def sums_without(number: int, found: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Return those of collected `concentration_sums` that leave out so many, under plain names."""
    ending = f"|{number}"
    labels = {name: values for name, values in found.items() if "|" not in name}
    return labels | {
        name.removesuffix(ending): values for name, values in found.items() if name.endswith(ending)
    }


def _summed_without(k: int) -> dict[str, nw.Expr]:
    """Return what is summed of the steps without so many of the largest customers."""
    return {
        "customers": left_of("held_by", k),
        "total_cents": left_of("step_cents", k),
        "gini_parts": _parts(_gini_weight(k) * _share_of(left_of("step_cents", k), k)),
        "herfindahl_parts": _parts(
            _share_of(nw.col("amount"), k) * _share_of(left_of("step_cents", k), k)
        ),
        "ten_largest_cents": _ten_largest(k),
        **{f"top_{percent}_percents": _top(percent, k) for percent in _PERCENTS},
        **_smallest_with_20(k),
    }


def _finished(k: int) -> list[nw.Expr]:
    """Turn sums of parts into cents and customers; undefined where a group's total is zero."""
    total = left_of("total_cents", k).cast(nw.Float64)
    part = left_of("part_wanted", k) / nw.max_horizontal(left_of("part_held", k), ONE)
    holders = left_of("customers", k) - left_of("smallest", k) - part
    told = {
        "customers": left_of("customers", k),
        "total_cents": left_of("total_cents", k),
        "ten_largest_cents": left_of("ten_largest_cents", k),
        "gini_cents": left_of("gini_parts", k) / _PARTS * total,
        "herfindahl_cents": left_of("herfindahl_parts", k) / _PARTS * total,
        "holders_of_80": nw.when(total > 0).then(holders),
        **{f"top_{p}_cents": left_of(f"top_{p}_percents", k) / 100 for p in _PERCENTS},
    }
    return [column.alias(f"{name}|{k}") for name, column in told.items()]


def _gini_weight(k: int) -> nw.Expr:
    """Return (2i − n − 1)/n averaged over the ranks i of the step's customers."""
    customers = left_of("customers", k)
    ranks = 2 * left_of("customers_through", k) - left_of("held_by", k) - customers
    return ranks.cast(nw.Float64) / nw.max_horizontal(customers, ONE).cast(nw.Float64)


def _share_of(amount: nw.Expr, k: int) -> nw.Expr:
    """Return cents as a share of the group's total, 0 where that is 0."""
    total = nw.max_horizontal(left_of("total_cents", k), ONE).cast(nw.Float64)
    return amount.cast(nw.Float64) / total


def _parts(share: nw.Expr) -> nw.Expr:
    """Return a share as a whole number of parts."""
    return (share * _PARTS + 0.5).floor().cast(nw.Int64)


def _top(percent: int, k: int) -> nw.Expr:
    """Return the cents of the largest `percent` % of customers, times a hundred to stay whole."""
    inside = left_of("customers", k) * percent - left_of("above", k) * 100
    return nw.min_horizontal(inside.clip(0), left_of("held_by", k) * 100) * nw.col("amount")


def _ten_largest(k: int) -> nw.Expr:
    """Return the cents of the ten largest customers."""
    inside = 10 - left_of("above", k)
    return nw.min_horizontal(inside.clip(0), left_of("held_by", k)) * nw.col("amount")


def _smallest_with_20(k: int) -> dict[str, nw.Expr]:
    """Return the smallest customers that hold 20 %: those inside, and the part of the next one.

    The others hold 80 %. The step that crosses the border gives `part_wanted / part_held`.
    """
    total, through = left_of("total_cents", k), left_of("cents_through", k) * 5
    before = through - left_of("step_cents", k) * 5
    crosses = flag((before <= total) & (through > total))
    return {
        "smallest": flag(through <= total) * left_of("held_by", k),
        "part_wanted": crosses * (total - before),
        "part_held": crosses * nw.col("amount") * 5,
    }
