"""Who is active, silent or dormant, how that changed, and whose assets fall early."""

import numpy as np
import pandas as pd

from tests.codebook.recompute_bank import Bank, Row, cutoff
from tests.codebook.recompute_cross_sell import holdings_at

RATES = {
    "active_rate": "active",
    "active_small_rate": "active_small",
    "silent_rate": "silent",
    "dormancy_rate": "dormant",
}


def with_status(customers: pd.DataFrame, bank: Bank, as_of: pd.Timestamp) -> pd.DataFrame:
    """Add the status by the policy's dormancy rule; needs families."""
    rule = bank.policy["dormancy"]
    holdings = holdings_at(bank, as_of)
    start = cutoff(as_of, rule["idle_months"])
    matured = holdings["matures_on"].gt(start) & holdings["matures_on"].le(as_of)
    acted = customers["last_active_on"].gt(start)
    acted |= customers.index.isin(holdings.loc[matured, "customer_id"])
    large = customers["aum_period_end"].ge(rule["cap"] * 100)
    unmatured = holdings["product"].eq("time_deposit") & holdings["balance"].gt(0)
    unmatured &= ~holdings["matures_on"].le(as_of)
    exempt = customers.index.isin(holdings.loc[unmatured, "customer_id"])
    for family in rule["exempt"]:
        if family != "unmatured_time_deposit":
            exempt |= customers[family]
    customers["acted"] = acted
    customers["status"] = np.select(
        [acted & large, acted, large | exempt],
        ["active", "active_small", "silent"],
        "dormant",
    )
    return customers


def dormancy(customers: pd.DataFrame) -> list[Row]:
    """Count customers by status, and the AUM the idle ones hold."""
    rows = []
    for base in ("all", "funded"):
        members = customers[customers[base]]
        n = len(members)
        aum = members["aum_period_end"].sum() / 100
        for measure, status in RATES.items():
            rows.append(Row(measure, base, n, members["status"].eq(status).sum(), n))
        rows.append(Row("inactive_rate", base, n, (~members["acted"]).sum(), n))
        for measure, status in (("silent_aum_share", "silent"), ("dormant_aum_share", "dormant")):
            idle = members.loc[members["status"].eq(status), "aum_period_end"].sum() / 100
            rows.append(Row(measure, base, n, idle, aum))
    return rows


def dormancy_flow(pairs: pd.DataFrame, branch: str | None) -> list[Row]:
    """Follow the dormant of the funded from the opening to the closing date."""
    group = pairs["branch_id_1"].fillna(pairs["branch_id_0"])
    pairs = pairs if branch is None else pairs[group.eq(branch)]
    if pairs.empty:
        return []
    was, is_ = pairs["funded_0"], pairs["funded_1"]
    slept = was & pairs["status_0"].eq("dormant")
    sleeps = is_ & pairs["status_1"].eq("dormant")
    awake = was & ~slept
    acted = slept & is_ & pairs["status_1"].isin(["active", "active_small"])
    x, y = pairs["aum_period_end_0"], pairs["aum_period_end_1"]
    n = is_.sum()
    figures = {
        "dormant_opening": (slept.sum(), 1),
        "newly_dormant": ((awake & sleeps).sum(), 1),
        "dormant_arrived": ((~was & sleeps).sum(), 1),
        "reactivated": (acted.sum(), 1),
        "dormant_moved": ((slept & is_ & pairs["status_1"].eq("silent")).sum(), 1),
        "dormant_left": ((slept & ~is_).sum(), 1),
        "dormant_closing": (sleeps.sum(), 1),
        "newly_dormant_rate": ((awake & sleeps).sum(), awake.sum()),
        "reactivation_rate": (acted.sum(), slept.sum()),
        "dormant_opening_aum": (x[slept].sum() / 100, 1),
        "newly_dormant_aum": (y[awake & sleeps].sum() / 100, 1),
        "reactivated_aum": (y[acted].sum() / 100, 1),
        "dormant_closing_aum": (y[sleeps].sum() / 100, 1),
        "returned_aum": ((y - x)[acted].sum() / 100, 1),
    }
    return [Row(measure, "funded", n, *figure) for measure, figure in figures.items()]


def with_warning(pairs: pd.DataFrame, bank: Bank) -> pd.DataFrame:
    """Add who is at risk and who is warned, against peers of branch and previous tier."""
    rule = bank.policy["attrition"]
    x, y = pairs["aum_average_quarter_0"], pairs["aum_average_quarter_1"]
    pairs["at_risk"] = x.ge(rule["lowest_average"] * 100) & pairs["all_0"] & pairs["all_1"]
    risky = pairs[pairs["at_risk"]]
    change = ((y - x) / x)[pairs["at_risk"]]
    peers = change.groupby([risky["branch_id_1"], risky["tier_0"]])
    of_bank = change.groupby(risky["tier_0"]).transform("median")
    enough = peers.transform("size").ge(rule["smallest_group"])
    median = peers.transform("median").where(enough, of_bank)
    warned = change.lt(0) & change.lt(median - rule["margin"])
    pairs["warned"] = warned.reindex(pairs.index, fill_value=False)
    return pairs


def attrition(pairs: pd.DataFrame, branch: str | None) -> list[Row]:
    """Count the warned among those at risk, and what they drew."""
    pairs = pairs if branch is None else pairs[pairs["branch_id_1"].eq(branch)]
    risky, warned = pairs["at_risk"], pairs["warned"]
    x, y = pairs["aum_average_quarter_0"] / 100, pairs["aum_average_quarter_1"] / 100
    n = pairs["all_1"].sum()
    return [
        Row("attrition_warning_rate", "all", n, warned.sum(), risky.sum()),
        Row("attrition_outflow_share", "all", n, (x - y)[warned].sum(), x[risky].sum()),
    ]
