"""Concentration and the Lorenz curve in pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.asked import BANK, LEFT_OUT, PERCENTS

Frame = pd.DataFrame


def concentration_of(facts: Frame) -> Frame:
    """Return the sums of concentration of every branch and of the whole bank."""
    sums = pd.concat([_sums(_ranked(facts, whole=whole)) for whole in (False, True)])
    sums = sums.reindex([*facts["branch_id"].unique(), BANK])
    filled = {name: 0 for name in sums if name != "holders_of_80"}
    return sums.fillna(filled).rename_axis("branch_id").reset_index()


def lorenz_of(facts: Frame) -> Frame:
    """Return the Lorenz curves: what share the smallest 0, 1, …, 100 % of customers hold."""
    curves = []
    groups = [*facts["branch_id"].unique(), BANK]
    percent = np.arange(101)
    for whole in (False, True):
        for group, ranked in _ranked(facts, whole=whole).groupby("branch_id", observed=True):
            n, total = len(ranked), ranked["total"].iloc[0]
            if total > 0:
                running = np.concatenate([[0], ranked["running"]])
                shares = np.interp(n * percent / 100, np.arange(n + 1), running) / total
                curves.append(pd.DataFrame({"branch_id": str(group), "percent": percent,
                                            "value_share": shares}))  # fmt: skip
    index = pd.MultiIndex.from_product([groups, percent], names=["branch_id", "percent"])
    told = pd.concat(curves).set_index(["branch_id", "percent"])
    return told.reindex(index).reset_index()


def _ranked(facts: Frame, *, whole: bool) -> Frame:
    """Return the funded by rising balance, in their branch or in the whole bank."""
    table = facts.loc[facts["funded"], ["branch_id", "end"]]
    if whole:
        table = table.assign(branch_id=pd.Categorical.from_codes(np.zeros(len(table), "int8"),
                                                                 [BANK]))  # fmt: skip
        table = table.sort_values("end", ignore_index=True)
    else:
        table = table.sort_values(["branch_id", "end"], ignore_index=True)
    grouped = table.groupby("branch_id", observed=True)["end"]
    return table.assign(
        i=grouped.cumcount() + 1, running=grouped.cumsum(), n=grouped.transform("size"),
        total=grouped.transform("sum"),
    )  # fmt: skip


def _sums(ranked: Frame) -> Frame:
    """Return the sums that the measures of concentration are made of."""
    x, i, n = ranked["end"], ranked["i"], ranked["n"]
    running, total = ranked["running"], ranked["total"]
    crosses = (5 * running > total) & (5 * (running - x) <= total)
    part = (total - 5 * (running - x)) / (5.0 * x)
    columns = {
        "customers": n > 0,
        "total_cents": x,
        "gini_cents": (2 * i - n - 1) / n * x,
        "ten_largest_share_cents": x.where(i > n - 10, 0),
        "herfindahl_cents": x * (x / total),
        "holders_of_80": (5 * running > total) - part.where(crosses, 0),
        **{f"top_{p}_share_cents": _top(i, n, p) * x / 100 for p in PERCENTS},
    }
    for k in LEFT_OUT:
        rest, inside = n - k, i <= n - k
        columns |= {
            f"customers_without_{k}": inside,
            f"total_without_{k}_cents": x.where(inside, 0),
            f"gini_without_{k}_cents": ((2 * i - rest - 1) / rest * x).where(inside, 0),
            f"top_20_share_without_{k}_cents": (_top(i, rest, 20) * x / 100).where(inside, 0),
        }
    sums = pd.DataFrame(columns).groupby(ranked["branch_id"], observed=True).sum()
    sums["holders_of_80"] = sums["holders_of_80"].where(sums["total_cents"] > 0)
    return sums.set_axis(sums.index.astype(str))


def _top(i: pd.Series, n: pd.Series, percent: int) -> pd.Series:
    """Return how many hundredths of a customer are among the largest so many percent."""
    return (n * percent - 100 * (n - i)).clip(0, 100)
