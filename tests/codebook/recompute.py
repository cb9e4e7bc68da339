"""All questions put to a bank: every measure of every group in a quarter."""

import pandas as pd

from tests.codebook.recompute_bank import Bank, Row
from tests.codebook.recompute_concentration import concentration
from tests.codebook.recompute_coverage import (
    coverage,
    first_calls,
    managed_of_base,
    rounds,
    with_class,
    with_contacts,
    with_management,
)
from tests.codebook.recompute_cross_sell import (
    cross_sell,
    openings,
    unused_openings,
    with_families,
)
from tests.codebook.recompute_dormancy import (
    attrition,
    dormancy,
    dormancy_flow,
    with_status,
    with_warning,
)
from tests.codebook.recompute_population import scope, volume, volume_change, with_bases
from tests.codebook.recompute_tiers import tiers, with_tier
from tests.codebook.recompute_two_dates import pair, two_dates

BANK = "@bank"


def customers_at(bank: Bank, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the customers of a quarter with all that is known about each of them."""
    customers = with_families(scope(bank, as_of), bank, as_of)
    customers = with_tier(with_status(customers, bank, as_of), bank)
    customers = with_contacts(with_management(customers, bank, as_of), bank, as_of)
    return with_bases(with_class(customers, bank, as_of), bank, as_of)


def of_quarter(bank: Bank, customers: pd.DataFrame, as_of: pd.Timestamp) -> dict[str, list[Row]]:
    """Recompute what one quarter says, for the bank and each branch."""
    accounts = openings(bank, as_of)
    opened = "opened_on" in bank.delivered["holdings"]
    groups = {BANK: customers, **dict(list(customers.groupby("branch_id")))}
    return {
        name: [
            *volume(group),
            *concentration(group),
            *dormancy(group),
            *cross_sell(group, bank),
            *(unused_openings(group, accounts, as_of) if opened else ()),
            *tiers(group, bank),
            *managed_of_base(group, bank),
            *coverage(group, bank, as_of),
            *first_calls(group, bank, as_of),
            *rounds(group, bank, as_of),
        ]
        for name, group in groups.items()
    }


def of_pair(bank: Bank, opening: pd.DataFrame, closing: pd.DataFrame) -> dict[str, list[Row]]:
    """Recompute what the quarter and the one before say together."""
    pairs = with_warning(pair(opening, closing), bank)
    result = {}
    for branch in [None, *sorted({*opening["branch_id"], *closing["branch_id"]})]:
        rows = two_dates(pairs, branch)
        if branch is None or closing["branch_id"].eq(branch).any():
            group_0 = opening if branch is None else opening[opening["branch_id"].eq(branch)]
            group_1 = closing if branch is None else closing[closing["branch_id"].eq(branch)]
            rows += volume_change(group_0, group_1)
            rows += attrition(pairs, branch)
        rows += dormancy_flow(pairs, branch)
        result[branch or BANK] = rows
    return result


def as_table(rows_of: dict[str, list[Row]]) -> pd.DataFrame:
    """Return rows as a table with the value: numerator / denominator, empty over zero."""
    table = pd.DataFrame(
        [(branch, *row) for branch, rows in rows_of.items() for row in rows],
        columns=["branch_id", *Row._fields],
    )
    table["value"] = table["numerator"] / table["denominator"].where(table["denominator"].ne(0))
    return table
