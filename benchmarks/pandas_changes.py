"""What became of the customers of one date by the next, in pandas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stockcust_analysis.policy import AttritionRule

Frame = pd.DataFrame
_KEYS = ["opening_branch", "closing_branch"]


def side_by_side(before: Frame, now: Frame) -> Frame:
    """Return one row per customer of either date, `…_o` at the opening and `…_c` at the closing."""
    both = before.merge(now, on="customer_id", how="outer", suffixes=("_o", "_c"), indicator=True)
    both["there_o"], both["there_c"] = both["_merge"] != "right_only", both["_merge"] != "left_only"
    for date, other in (("_o", "_c"), ("_c", "_o")):
        for name in ("funded", "funded_by_end", "effective", "asleep", "awake"):
            both[name + date] = both[name + date].eq(True)
        for name in ("branch_id", "issued_branch_id", "tier"):
            both[name + date] = both[name + date].fillna(both[name + other])
        for name in ("average", "end"):
            both[name + date] = both[name + date].fillna(0).astype("int64")
    return both.drop(columns=["customer_id", "_merge"])


def pair_sums(both: Frame, branch: str) -> Frame:
    """Return the sums by opening and closing branch."""
    funded_o, funded_c = both["funded_o"], both["funded_c"]
    average_o, average_c = both["average_o"], both["average_c"]
    stayed, there_c = funded_o & funded_c, both["there_c"]
    sums = {
        "stayed": stayed,
        "upgraded": stayed & (both["tier_c"] > both["tier_o"]),
        "downgraded": stayed & (both["tier_c"] < both["tier_o"]),
        "starts": funded_o,
        "all_opening_cents": average_o.where(funded_o, 0),
        "all_closing_cents": average_c.where(funded_c, 0),
        "same_opening_cents": average_o.where(funded_o & there_c, 0),
        "same_change_cents": (average_c - average_o).where(funded_o & there_c, 0),
    }
    for base in ("funded", "effective"):
        opens = both[f"{base}_o"]
        sums |= {
            f"opens_{base}": opens,
            f"retained_{base}": opens & both[f"{base}_c"],
            f"opening_{base}_cents": average_o.where(opens, 0),
            f"closing_{base}_cents": average_c.where(opens, 0),
            f"kept_{base}_cents": np.minimum(average_o, average_c).where(opens, 0),
        }
    parts = [_by_branches(both, branch, columns)
             for columns in (sums, _dormancy(both), _bridge(both))]  # fmt: skip
    table = pd.concat(parts, axis=1).reset_index()
    return table.astype(dict.fromkeys(_KEYS, str))


def _by_branches(both: Frame, branch: str, columns: dict[str, Any]) -> Frame:
    keys = [both[f"{branch}_o"], both[f"{branch}_c"]]
    return pd.DataFrame(columns).groupby(keys, observed=True).sum().rename_axis(_KEYS)


def _dormancy(both: Frame) -> dict[str, Any]:
    """Return who fell asleep, who woke, and their money."""
    was_in, is_in = both["funded_o"], both["funded_c"]
    slept, sleeps = both["asleep_o"], both["asleep_c"]
    woken, newly = slept & both["awake_c"], sleeps & was_in & ~slept
    before, after = both["end_o"], both["end_c"]
    return {
        "judged": is_in,
        "awake_opening": was_in & ~slept,
        "dormant_opening": slept,
        "newly_dormant": newly,
        "dormant_arrived": sleeps & ~was_in,
        "reactivated": woken,
        "dormant_moved": slept & is_in & ~sleeps & ~woken,
        "dormant_left": slept & ~is_in,
        "dormant_closing": sleeps,
        "dormant_opening_cents": before.where(slept, 0),
        "newly_dormant_cents": after.where(newly, 0),
        "reactivated_cents": after.where(woken, 0),
        "returned_by_waking_cents": (after - before).where(woken, 0),
        "dormant_closing_cents": after.where(sleeps, 0),
    }


def _bridge(both: Frame) -> dict[str, Any]:
    """Return the components of growth."""
    stays, change = both["there_o"] & both["there_c"], both["end_c"] - both["end_o"]
    had, has = both["funded_by_end_o"], both["funded_by_end_c"]
    other = stays & (had == has)
    states = {
        "new": ~both["there_o"],
        "closed": ~both["there_c"],
        "drained": stays & had & ~has,
        "returned": stays & has & ~had,
        "grown": other & (change > 0),
        "shrunk": other & (change < 0),
    }
    return {
        "opening": both["there_o"], "closing": both["there_c"],
        "opening_cents": both["end_o"], "closing_cents": both["end_c"],
        **states, **{f"{name}_cents": change.where(who, 0) for name, who in states.items()},
    }  # fmt: skip


def cells_of(both: Frame, branch: str) -> Frame:
    """Return customers and cents by branches, tiers and what became of them."""
    stays = both["there_o"] & both["there_c"]
    had, has = both["funded_o"], both["funded_c"]
    came = np.select([~both["there_o"], stays & has & ~had], ["NEW", "RETURNED"], "")
    went = np.select([~both["there_c"], stays & had & ~has], ["CLOSED", "DRAINED"], "")
    keys = {
        "opening_branch": both[f"{branch}_o"], "closing_branch": both[f"{branch}_c"],
        "opening_tier": both["tier_o"], "closing_tier": both["tier_c"],
        "came": pd.Categorical(came), "went": pd.Categorical(went),
    }  # fmt: skip
    cells = both.assign(**keys).groupby(list(keys), observed=True)
    table = cells.agg(customers=("there_o", "size"), opening_cents=("average_o", "sum"),
                      closing_cents=("average_c", "sum")).reset_index()  # fmt: skip
    return table.astype({**dict.fromkeys(_KEYS, str), "came": str, "went": str})


def attrition_of(both: Frame, rule: AttritionRule) -> Frame:
    """Return whose money is leaving faster than that of the branch's others in the same tier."""
    there = both[both["there_c"]]
    customers = there.groupby("branch_id_c", observed=True).size().rename("customers")
    risk = there[there["average_o"] >= round(rule.lowest_average * 100)]
    fall = risk["average_o"] - risk["average_c"]
    change = -fall / risk["average_o"]
    peers = change.groupby([risk["branch_id_c"], risk["tier_o"]], observed=True)
    of_tier = change.groupby(risk["tier_o"]).transform("median")
    enough = peers.transform("size") >= rule.smallest_group
    usual = peers.transform("median").where(enough, of_tier)
    warned = (change < 0) & (change < usual - rule.margin)
    sums = pd.DataFrame({
        "at_risk": warned | True, "at_risk_cents": risk["average_o"], "warned": warned,
        "fall_cents": fall.where(warned, 0),
    }).groupby(risk["branch_id_c"], observed=True).sum()  # fmt: skip
    table = pd.concat([customers, sums], axis=1).fillna(0).rename_axis("branch_id").reset_index()
    return table.astype({"branch_id": str})
