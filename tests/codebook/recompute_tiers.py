"""In which tier a customer is, by quarter-average AUM."""

import pandas as pd

from tests.codebook.recompute_bank import Bank, Row


def with_tier(customers: pd.DataFrame, bank: Bank) -> pd.DataFrame:
    """Add the tier's number, 0 for the lowest; the lower border belongs to the tier."""
    customers["tier"] = -1
    for tier in bank.policy["tiers"]["tiers"]:
        customers["tier"] += customers["aum_average_quarter"].ge(tier["lower"] * 100)
    return customers


def tiers(customers: pd.DataFrame, bank: Bank) -> list[Row]:
    """Count the customers of every tier and add up their AUM."""
    n, total = len(customers), customers["aum_average_quarter"].sum() / 100
    rows = []
    for number, tier in enumerate(bank.policy["tiers"]["tiers"]):
        members = customers[customers["tier"].eq(number)]
        aum = members["aum_average_quarter"].sum() / 100
        for measure, numerator, denominator in (
            ("tier_customers", len(members), 1),
            ("tier_customer_share", len(members), n),
            ("tier_aum", aum, 1),
            ("tier_aum_share", aum, total),
        ):
            rows.append(Row(measure, "all", n, numerator, denominator, "tier", tier["name"]))
    return rows
