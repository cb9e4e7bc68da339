"""Who is counted in a quarter, in which bases, and how much they hold."""

from math import floor

import pandas as pd

from tests.codebook.recompute_bank import Bank, Row, cutoff

VOLUME_BASES = ["all", "funded", "effective"]


def scope(bank: Bank, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the customers of the policy's types who have not left, on today's structure."""
    customers = bank.table("customers")
    here = customers["as_of"].eq(as_of) & customers["customer_type"].isin(
        bank.policy["customer_types"]
    )
    left = customers["closed_on"].le(as_of)
    customers = customers[here & ~left].set_index("customer_id")
    if "customer_moves" in bank.tables:
        moves = bank.table("customer_moves").set_index("customer_id")
        moves = moves[moves["effective_on"].le(bank.today) & moves["effective_on"].gt(as_of)]
        moves = moves.reindex(customers.index)
        moved = customers["branch_id"].eq(moves["from_branch_id"])
        customers["branch_id"] = customers["branch_id"].mask(moved, moves["to_branch_id"])
    customers["branch_id"] = customers["branch_id"].replace(successors(bank))
    return customers


def successors(bank: Bank) -> dict[str, str]:
    """Return for each branch that was merged away by today the branch that took over."""
    table = bank.table("branch_successors")
    table = table[table["effective_on"].le(bank.today)]
    taken_over = dict(zip(table["old_branch_id"], table["new_branch_id"], strict=True))
    for old in taken_over:
        while taken_over[old] in taken_over:
            taken_over[old] = taken_over[taken_over[old]]
    return taken_over


def with_bases(customers: pd.DataFrame, bank: Bank, as_of: pd.Timestamp) -> pd.DataFrame:
    """Add a column of truths for each base; needs families and management."""
    average = customers["aum_average_quarter"]
    owed = customers["loan_balance"].gt(0) | customers["loan"] | customers["insurance"]
    since = customers["relationship_since"]
    customers["all"] = True
    customers["funded"] = average.ge(bank.policy["bases"]["funded"] * 100) | owed
    customers["effective"] = average.ge(bank.policy["bases"]["effective"] * 100)
    customers["established"] = customers["funded"] & since.le(cutoff(as_of, 12))
    return customers


def volume(customers: pd.DataFrame) -> list[Row]:
    """Count customers and add up their AUM."""
    rows = []
    for base in VOLUME_BASES:
        members = customers[customers[base]]
        n = len(members)
        average = members["aum_average_quarter"].sum() / 100
        rows += [
            Row("customers", base, n, n, 1),
            Row("aum_period_end", base, n, members["aum_period_end"].sum() / 100, 1),
            Row("aum_average_quarter", base, n, average, 1),
            Row("aum_per_customer", base, n, average, n),
        ]
    return rows


def volume_change(opening: pd.DataFrame, closing: pd.DataFrame) -> list[Row]:
    """Split the change of period-end AUM of the funded into number and size."""
    opening = opening[opening["funded"]]
    closing = closing[closing["funded"]]
    n0, n1 = len(opening), len(closing)
    aum0, aum1 = opening["aum_period_end"].sum() / 100, closing["aum_period_end"].sum() / 100
    if n0 and n1:
        mean0, mean1 = aum0 / n0, aum1 / n1
        by_number = floor((n1 - n0) * (mean0 + mean1) / 2 * 100 + 0.5) / 100
    else:
        by_number = aum1 - aum0
    by_size = aum1 - aum0 - by_number
    return [
        Row("aum_change", "funded", n1, aum1 - aum0, aum0),
        Row("aum_change_by_number", "funded", n1, by_number, aum0),
        Row("aum_change_by_size", "funded", n1, by_size, aum0),
    ]
