"""The sums of one date by branch, in pandas."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from benchmarks.asked import STATUSES, cents
from stockcust_analysis.policy import Policy

Frame = pd.DataFrame


def levels_of(facts: Frame, served: Frame | None, policy: Policy) -> Frame:
    """Return the sums of one date, one row per branch."""
    by_branch = facts.groupby("branch_id", observed=True)
    counts = ["opened_90_days", "unused_90_days", "opened_6_months", "unused_6_months"]
    parts = [by_branch[counts].sum(), _tiers(facts, policy)]
    for base in ("all", "funded", "effective", "established"):
        among = facts if base == "all" else facts[facts[base]]
        grouped = among.groupby("branch_id", observed=True)
        parts.append(grouped.size().to_frame(f"customers_{base}"))
        if base != "established":
            money = grouped[["end", "average"]].sum()
            parts.append(money.set_axis([f"end_{base}_cents", f"average_{base}_cents"], axis=1))
        if base in ("all", "funded"):
            parts += _statuses(among, base)
        if base in ("funded", "established"):
            parts.append(_families(among, base))
        if base == "funded":
            flags = [name for name in facts if name.startswith(("holds_", "uses_"))]
            parts.append(grouped[flags].sum())
            parts.append(_large(among, policy))
    if served is not None:
        parts += served_sums(served, policy)
    sums = pd.concat(parts, axis=1).fillna(0)
    return sums.rename_axis("branch_id").reset_index().astype({"branch_id": str})


def _tiers(facts: Frame, policy: Policy) -> Frame:
    """Return customers and cents by tier."""
    cells = facts.groupby(["branch_id", "tier"], observed=True)["average"].agg(["size", "sum"])
    wide = cells.unstack("tier", fill_value=0)
    names = policy.tiers.names
    places = range(len(names))
    customers = wide["size"].reindex(columns=places, fill_value=0)
    money = wide["sum"].reindex(columns=places, fill_value=0)
    return pd.concat([customers.set_axis([f"tier_{name}" for name in names], axis=1),
                      money.set_axis([f"tier_{name}_cents" for name in names], axis=1)],
                     axis=1)  # fmt: skip


def _statuses(among: Frame, base: str) -> list[Frame]:
    """Return customers and cents by status."""
    cells = among.groupby(["branch_id", "status"], observed=True)["end"].agg(["size", "sum"])
    wide = cells.unstack("status", fill_value=0)
    return [
        wide[what].reindex(columns=list(STATUSES), fill_value=0).add_suffix(suffix)
        for what, suffix in (("size", f"_{base}"), ("sum", f"_{base}_cents"))
    ]


def _families(among: Frame, base: str) -> Frame:
    """Return how many families are held."""
    held, branch = among["families"], among["branch_id"]
    sums = {f"families_{base}": held}
    sums |= {f"at_least_{least}_{base}": held >= least for least in (2, 3, 4)}
    if base == "funded":
        sums |= {f"exactly_{count}": held == count for count in range(4)}
    return pd.DataFrame(sums).groupby(branch, observed=True).sum()


def _large(funded: Frame, policy: Policy) -> Frame:
    """Return who is large enough for a manager."""
    return pd.DataFrame({
        "entitled": funded["average"] >= cents(policy.coverage.manage_from),
        "vip": funded["average"] >= cents(policy.coverage.vip_from),
    }).groupby(funded["branch_id"], observed=True).sum()  # fmt: skip


def co_holding_of(facts: Frame, families: tuple[str, ...]) -> Frame:
    """Return how many funded customers hold each family, and each pair of them."""
    held = facts[[f"holds_{name}" for name in families]].mul(facts["funded"], axis=0)
    both = {f"{a}|{b}": held[f"holds_{a}"] & held[f"holds_{b}"]
            for a, b in combinations(families, 2)}  # fmt: skip
    counted = held.assign(n=facts["funded"], **both)
    sums = counted.groupby(facts["branch_id"], observed=True).sum()
    return sums.rename_axis("branch_id").reset_index().astype({"branch_id": str})


def served_sums(served: Frame, policy: Policy) -> list[Frame]:
    """Return the sums over the managed, one row per branch."""
    cover, free = policy.coverage, served["contactable"]
    funded, money = served["funded"], served["average"]
    tiers = {one.tier: policy.tiers.names.index(one.tier) for one in cover.profile_targets}
    wanted = {f"_{name}": served["tier"] == place for name, place in tiers.items()}
    wanted[""] = served["tier"].isin(list(tiers.values()))
    sums = {
        "customers_managed": served["managed"],
        "managed_funded": funded,
        "managed_funded_cents": money.where(funded, 0),
        "entitled_managed": funded & (money >= cents(cover.manage_from)),
        "coverable": served["coverable"],
        "covered": served["coverable"] & served["contacted_lately"],
        "contact_due": free & served["contact_due"],
        "hand_over_due": free & (served["role"] == "counter")
        & (served["month"] >= cents(cover.vip_from)),
        "handed_over": free & served["handed_over"],
        "called_in_time": free & served["called_in_time"],
        "reclaim_due": free & served["reclaim_due"],
        "set_aside": free & (served["without_sale"] >= cover.set_aside_after),
        **{f"managed_{role}": served["role"] == role for role in ("counter", "vip")},
        **{f"to_profile{name}": who for name, who in wanted.items()},
        **{f"profiled{name}": who & served["profiled"] for name, who in wanted.items()},
        **{name: served[name] for name in served if name.startswith("round_")},
    }  # fmt: skip
    for one in cover.classes:
        inside = served["class"] == one.name
        sums |= {
            f"class_{one.name}": inside,
            f"class_{one.name}_cents": money.where(inside, 0),
            f"contactable_{one.name}": inside & free,
            f"in_time_{one.name}": inside & free & ~served["contact_due"],
        }
    managers = served.drop_duplicates(["branch_id", "manager_id"])
    counted = {"managers": managers["managed"]}
    counted |= {f"managers_{role}": managers["role"] == role for role in ("counter", "vip")}
    return [
        pd.DataFrame(sums).groupby(served["branch_id"], observed=True).sum(),
        pd.DataFrame(counted).groupby(managers["branch_id"], observed=True).sum(),
    ]
