"""The sample bank: all its tables, made in one piece or joined from several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stockcust_analysis.bank.contract import TABLES
from stockcust_analysis.bank.sample import books, service
from stockcust_analysis.bank.sample.accounts import make_accounts
from stockcust_analysis.bank.sample.branches import Branch, Random, make_branches, successors_table
from stockcust_analysis.bank.sample.names import plain
from stockcust_analysis.bank.sample.panel import make_panel
from stockcust_analysis.bank.sample.people import draw_arrivals, make_people
from stockcust_analysis.bank.sample.quarters import ENDS, LAST
from stockcust_analysis.errors import UsageError

SEED = 20260930
CUSTOMERS_PER_BRANCH = 100
"""With fewer on average the planted stories drown in chance."""
LARGE = ("customers", "holdings", "assignments", "contacts", "transactions")
"""Tables that grow with the customers; the others are small enough to be read in an editor."""


def make_bank(
    seed: int = SEED, *, branches: int = 24, customers: int = 12_000, quarters: int = LAST
) -> dict[str, pd.DataFrame]:
    """Make every table of the contract for an invented bank; the same seed makes the same bank.

    `branches` are those in business in 2026Q3 (two more were merged away), `customers` those of an
    average quarter, `quarters` (2 to 5) those up to 2026Q3. Money is in CNY; tables are sorted by
    key.

    >>> bank = make_bank(branches=8, customers=800)
    >>> bank["customers"]["as_of"].nunique()
    5
    """
    check_size(branches, customers, quarters)
    rng = np.random.default_rng(seed)
    network = make_branches(rng, branches)
    people = make_people(rng, network, draw_arrivals(rng, network, customers))
    piece = make_piece(rng, network, people, quarters=quarters)
    tables = {name: plain(piece[name]) for name in LARGE} | join_pieces(network, [piece])
    return {entry.name: tables[entry.name] for entry in TABLES}


def check_size(branches: int, customers: int, quarters: int) -> None:
    """Raise UsageError for a bank that cannot hold its stories."""
    if branches < len(Branch):
        raise UsageError(f"branches={branches} is too few: the stories need {len(Branch)}.")
    if customers < branches * CUSTOMERS_PER_BRANCH:
        raise UsageError(
            f"customers={customers} is too few for {branches} branches: "
            f"ask for {branches * CUSTOMERS_PER_BRANCH} or more, or for fewer branches."
        )
    if not 2 <= quarters <= LAST:
        raise UsageError(f"quarters={quarters} is not between 2 and {LAST}.")


def make_piece(
    rng: Random,
    network: pd.DataFrame,
    people: pd.DataFrame,
    *,
    quarters: int,
    managers_before: int = 0,
) -> dict[str, pd.DataFrame]:
    """Return what is known of some branches' people; `plan_start` is where `targets` come from.

    Names in large tables are positions; `plain` turns them into text.
    """
    panel = make_panel(rng, people, len(network) - 2, quarters=quarters)
    accounts = make_accounts(rng, panel)
    owners = books.customers_table(rng, panel, accounts, network)
    start = books.plan_start(owners, network)
    owners = owners[owners["as_of"] >= ENDS[panel.first]].reset_index(drop=True)
    holdings = books.holdings_table(panel, accounts, network)
    managers = service.managers_table(owners, network, before=managers_before)
    managed = service.managed_customers(owners)
    assignments = service.assignments_table(rng, managed, managers)
    return {
        "customers": owners,
        "holdings": holdings,
        "managers": managers,
        "assignments": assignments,
        "contacts": service.contacts_table(rng, managed, assignments),
        "transactions": service.transactions_table(rng, panel, accounts),
        "ledger": books.ledger_table(holdings.rename(columns={"booking_branch_id": "branch_id"})),
        "plan_start": start,
    }


def join_pieces(
    network: pd.DataFrame, pieces: Sequence[dict[str, pd.DataFrame]]
) -> dict[str, pd.DataFrame]:
    """Return the small tables of a whole bank from those of its pieces."""
    together = {
        name: pd.concat([piece[name] for piece in pieces])
        for name in ("managers", "ledger", "plan_start")
    }
    start = together["plan_start"].groupby(level=0).sum()
    return {
        "branches": network,
        "branch_successors": successors_table(network),
        "managers": together["managers"].reset_index(drop=True),
        "ledger": books.ledger_table(together["ledger"]),
        "targets": books.targets_table(start, network),
    }
