"""What became of customers between two dates, from sums by opening and closing branch.

A customer who changed branch departs from the old one and arrives in the new one, which tells the
rest of what became of him; the whole bank knows no such move.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.asked import BANK

Frame = pd.DataFrame
STATES = ("new", "returned", "grown", "shrunk", "drained", "closed")
COMPONENTS = ("opening", "new", "returned", "grown", "transferred_in", "transferred_out", "shrunk",
              "drained", "closed", "closing")  # fmt: skip
_OPENING, _CLOSING = "opening_branch", "closing_branch"
# Sums that count where the customer was at the opening, and among those who did not move.
_AT_OPENING = ("starts", "all_opening_cents", *(
    name for base in ("funded", "effective")
    for name in (f"opens_{base}", f"retained_{base}", f"kept_{base}_cents",
                 f"opening_{base}_cents", f"closing_{base}_cents")
))  # fmt: skip
_UNMOVED = ("stayed", "upgraded", "downgraded", "same_opening_cents", "same_change_cents")


def change_sums(pairs: Frame, before: Frame, now: Frame) -> Frame:
    """Return the sums of all measures between two dates, by branch and for the whole bank."""
    moved = pairs[_OPENING] != pairs[_CLOSING]
    rest = [name for name in pairs.columns
            if name not in (*_AT_OPENING, *_UNMOVED, _OPENING, _CLOSING)]  # fmt: skip
    branches = pd.concat(
        [
            pairs.groupby(_OPENING)[list(_AT_OPENING)].sum(),
            pairs.where(~moved, 0).assign(branch=pairs[_CLOSING])
            .groupby("branch")[list(_UNMOVED)].sum(),
            pairs.groupby(_CLOSING)[rest].sum(),
        ],
        axis=1,
    ).fillna(0)  # fmt: skip
    bank = pairs.drop(columns=[_OPENING, _CLOSING]).sum().to_frame(BANK).T
    sums = pd.concat([branches, bank[branches.columns]])
    sums["net_upgraded"] = sums["upgraded"] - sums["downgraded"]
    sums["all_change_cents"] = sums["all_closing_cents"] - sums["all_opening_cents"]
    # A branch that nobody belongs to any more has lost its customers, and has no flow of its own.
    gone = ~sums.index.isin([*pairs[_CLOSING], BANK])
    sums["judged"] = sums["judged"].mask(gone)
    return sums.join(_aum_change(before, now))


def _aum_change(before: Frame, now: Frame) -> Frame:
    """Return the change of assets and what of it is of number and of size."""
    names = ["customers_funded", "end_funded_cents"]
    dates = [sums[names].add_suffix(f"_{date}") for date, sums in enumerate((before, now))]
    both = pd.concat(dates, axis=1).loc[now.index].fillna(0).astype(float)
    n0, m0, n1, m1 = (both[name] for name in both)
    mean0, mean1 = m0 / n0.clip(lower=1), m1 / n1.clip(lower=1)
    by_number = np.where((n0 > 0) & (n1 > 0), (n1 - n0) * (mean0 + mean1) / 2, m1 - m0)
    by_number = np.floor(by_number + 0.5)
    return pd.DataFrame({
        "after_funded": n1, "before_funded_cents": m0, "aum_change_cents": m1 - m0,
        "aum_change_by_number_cents": by_number, "aum_change_by_size_cents": m1 - m0 - by_number,
    })  # fmt: skip


def bridge_of(pairs: dict[str, Frame]) -> Frame:
    """Return the growth bridge of every structure."""
    tables = []
    for structure, sums in pairs.items():
        moved = sums.loc[sums[_OPENING] != sums[_CLOSING]]
        arrived = moved.groupby(_CLOSING)[["opening", "opening_cents"]].sum()
        departed = moved.groupby(_OPENING)[["opening", "opening_cents"]].sum()
        names = [*STATES, *(f"{name}_cents" for name in STATES), "closing", "closing_cents"]
        wide = pd.concat([
            sums.groupby(_OPENING)[["opening", "opening_cents"]].sum(),
            sums.groupby(_CLOSING)[names].sum(),
            arrived.set_axis(["transferred_in", "transferred_in_cents"], axis=1),
            (departed * [1, -1]).set_axis(["transferred_out", "transferred_out_cents"], axis=1),
        ], axis=1).fillna(0)  # fmt: skip
        bank = wide.sum().to_frame(BANK).T
        bank[["transferred_in", "transferred_in_cents", "transferred_out",
              "transferred_out_cents"]] = 0  # fmt: skip
        wide = pd.concat([wide, bank])
        tables += [
            pd.DataFrame({"branch_id": wide.index, "structure": structure, "component": name,
                          "customers": wide[name].astype("int64").to_numpy(),
                          "amount": wide[f"{name}_cents"].to_numpy() / 100})
            for name in COMPONENTS
        ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def migration_of(cells: dict[str, Frame], tiers: tuple[str, ...]) -> Frame:
    """Return the migration matrix of every structure.

    A cell has `opening_branch, closing_branch, opening_tier, closing_tier` (places), `came` ("",
    NEW, RETURNED), `went` ("", DRAINED, CLOSED), `customers, opening_cents, closing_cents`.
    """
    tables = []
    for structure, given in cells.items():
        named = given.assign(
            tier=given["opening_tier"].map(dict(enumerate(tiers))),
            to=given["closing_tier"].map(dict(enumerate(tiers))),
        )
        named["to"] = named["to"].where(named["went"] == "", named["went"])
        named["from"] = named["tier"].where(named["came"] == "", named["came"])
        moved = named[_OPENING] != named[_CLOSING]
        arrived = named[moved].assign(**{"from": "TRANSFERRED", "opening_cents": 0})
        departed = named[moved].assign(to="TRANSFERRED", closing_cents=0)
        departed["from"] = departed["tier"]
        parts = (
            named[~moved].assign(branch_id=named[_CLOSING]),
            arrived.assign(branch_id=arrived[_CLOSING]),
            departed.assign(branch_id=departed[_OPENING]),
            named.assign(branch_id=BANK),
        )
        tables.append(pd.concat(parts).assign(structure=structure))
    keys = ["structure", "branch_id", "from", "to"]
    amounts = ["customers", "opening_cents", "closing_cents"]
    table = pd.concat(tables).groupby(keys, as_index=False)[amounts].sum()
    for date in ("opening", "closing"):
        table[f"{date}_aum"] = table.pop(f"{date}_cents") / 100
    return table
