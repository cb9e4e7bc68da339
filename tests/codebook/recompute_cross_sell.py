"""Which product families customers hold, and which openings are never used."""

import pandas as pd

from tests.codebook.recompute_bank import Bank, Row, add_months, cutoff


def with_families(customers: pd.DataFrame, bank: Bank, as_of: pd.DataFrame) -> pd.DataFrame:
    """Add a column of truths per family and channel, and the number of families."""
    holdings = holdings_at(bank, as_of)
    for family in bank.families:
        owners = holdings.loc[holdings["family"].eq(family) & holdings["active"], "customer_id"]
        customers[family] = customers.index.isin(owners)
    families = [family["name"] for family in bank.policy["families"]["families"]]
    customers["families"] = customers[families].sum(axis=1)
    return customers


def holdings_at(bank: Bank, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return a quarter's holdings with their family or channel, and whether they are active."""
    holdings = bank.table("holdings")
    holdings = holdings[holdings["as_of"].eq(as_of)].copy()
    family_of = {p: f["name"] for f in bank.families.values() for p in f["products"]}
    holdings["family"] = holdings["product"].map(family_of)
    signs = {
        "held": pd.Series(True, index=holdings.index),
        "balance": holdings["balance"].gt(0),
        "in_force": holdings["matures_on"].gt(as_of),
        "used": holdings["used_recently"],
    }
    holdings["active"] = False
    for name, family in bank.families.items():
        asked = family.get("active_if", ["balance"])
        if asked == ["used"] and "used_recently" not in bank.delivered["holdings"]:
            asked = ["held"]
        for sign in asked:
            holdings["active"] |= holdings["family"].eq(name) & signs[sign]
    return holdings


def cross_sell(customers: pd.DataFrame, bank: Bank) -> list[Row]:
    """Count product families per customer, and customers per family and channel."""
    rows = []
    for base in ("funded", "established"):
        held = customers.loc[customers[base], "families"]
        n = len(held)
        rows += [
            Row("products_per_customer", base, n, held.sum(), n),
            Row("multi_product_share", base, n, held.ge(2).sum(), n),
            Row("multi_product_share_3", base, n, held.ge(3).sum(), n),
            Row("multi_product_share_4", base, n, held.ge(4).sum(), n),
        ]
    funded = customers[customers["funded"]]
    n = len(funded)
    for number in range(5):
        member = "4+" if number == 4 else str(number)
        same = funded["families"].clip(upper=4).eq(number).sum()
        rows.append(Row("product_count_share", "funded", n, same, n, "families_held", member))
    for family in bank.policy["families"]["families"]:
        name = family["name"]
        rows.append(Row("penetration", "funded", n, funded[name].sum(), n, "family", name))
    for channel in bank.policy["families"]["channels"]:
        name = channel["name"]
        rows.append(Row("channel_penetration", "funded", n, funded[name].sum(), n, "family", name))
    return rows


def openings(bank: Bank, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return accounts of the families with the day on which they came of each age."""
    families = [family["name"] for family in bank.policy["families"]["families"]]
    accounts = holdings_at(bank, as_of)
    accounts = accounts[accounts["family"].isin(families)].copy()
    accounts["90_days"] = accounts["opened_on"] + pd.Timedelta(days=90)
    accounts["6_months"] = add_months(accounts["opened_on"], 6)
    return accounts


def unused_openings(
    customers: pd.DataFrame, accounts: pd.DataFrame, as_of: pd.Timestamp
) -> list[Row]:
    """Count accounts that came of age in the last three months, and those still unused."""
    accounts = accounts[accounts["customer_id"].isin(customers.index)]
    rows = []
    for age in ("90_days", "6_months"):
        of_age = accounts[accounts[age].gt(cutoff(as_of, 3)) & accounts[age].le(as_of)]
        acted = of_age["last_active_on"].gt(of_age["opened_on"])
        fell_due = of_age["matures_on"].gt(of_age["opened_on"]) & of_age["matures_on"].le(as_of)
        unused = (~of_age["active"] & ~acted & ~fell_due).sum()
        rows.append(Row(f"unused_openings_{age}", "all", len(customers), unused, len(of_age)))
    return rows
