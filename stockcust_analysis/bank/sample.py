"""The sample bank: a fictitious rural commercial bank (农商行) with stories planted to be found.

Five quarters, 2025Q3 to 2026Q3, in the tables of the contract. People, names and places are
invented; money is drawn. `STORIES` says what was planted, where, and which figure shows it.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from stockcust_analysis.bank.contract import Column, Kind, table
from stockcust_analysis.bank.sample_assets import make_assets
from stockcust_analysis.bank.sample_credit import make_contracts
from stockcust_analysis.bank.sample_panel import make_panel
from stockcust_analysis.bank.sample_people import (
    MERGED,
    MERGER,
    MINIMUM_BRANCHES,
    STARTS,
    make_branches,
    make_people,
)
from stockcust_analysis.bank.sample_service import (
    assignments_table,
    contacts_table,
    managers_table,
    transactions_table,
)
from stockcust_analysis.bank.sample_stories import AS_CSV, STORIES, Story, sample_readme
from stockcust_analysis.bank.sample_tables import (
    customers_table,
    holdings_table,
    ledger_table,
    targets_table,
)
from stockcust_analysis.errors import UsageError

__all__ = ["SEED", "STORIES", "Story", "make_bank", "sample_readme", "write_bank"]

SEED = 20260930
CUSTOMERS_PER_BRANCH = 100
"""With fewer on average the planted stories drown in chance."""
_PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 19, ROW_GROUP_SIZE 1000000"
_SQL_TYPES = {
    Kind.DATE: "DATE",
    Kind.MONEY: "DECIMAL(18,2)",
    Kind.INTEGER: "INTEGER",
    Kind.FLAG: "BOOLEAN",
    Kind.NUMBER: "DOUBLE",
}


def make_bank(
    seed: int = SEED, *, branches: int = 24, customers: int = 12_000
) -> dict[str, pd.DataFrame]:
    """Make every table of the contract for an invented bank; the same seed makes the same bank.

    Parameters
    ----------
    seed : int
        Start of the random numbers.
    branches : int
        Branches in business in 2026Q3, eight at least: seven carry a story. Two more were closed.
    customers : int
        Customers in an average quarter, 100 a branch at least.

    Returns
    -------
    dict of pandas.DataFrame
        Table name to table, in contract columns and sorted by key. Money is in CNY with two
        decimals, dates are midnights, an unknown value is empty.

    Raises
    ------
    UsageError
        For too few branches or customers to hold the stories.

    Examples
    --------
    >>> bank = make_bank(branches=8, customers=800)
    >>> len(bank["branches"])  # two of the ten were merged away
    10
    >>> bank["customers"]["as_of"].nunique()
    5
    """
    if branches < MINIMUM_BRANCHES:
        raise UsageError(f"branches={branches} is too few: the stories need {MINIMUM_BRANCHES}.")
    if customers < branches * CUSTOMERS_PER_BRANCH:
        raise UsageError(
            f"customers={customers} is too few for {branches} branches: "
            f"ask for {branches * CUSTOMERS_PER_BRANCH} or more, or for fewer branches."
        )
    rng = np.random.default_rng(seed)
    network = make_branches(rng, branches)
    branch_ids = network["branch_id"].to_numpy()
    people = make_people(rng, network, customers)
    panel = make_panel(rng, people, operating=branches)
    accounts = [*make_assets(rng, people, panel), *make_contracts(rng, people, panel)]
    owners = customers_table(rng, people, panel, accounts, branch_ids)
    holdings = holdings_table(rng, people, panel, accounts, branch_ids)
    managers = managers_table(owners, network)
    assignments = assignments_table(rng, owners, managers)
    return {
        "branches": network,
        "branch_successors": _successors(network),
        "customers": owners,
        "holdings": holdings,
        "managers": managers,
        "assignments": assignments,
        "contacts": contacts_table(rng, owners, assignments),
        "transactions": transactions_table(rng, people, panel, accounts),
        "ledger": ledger_table(holdings),
        "targets": targets_table(owners, holdings, network),
    }


def _successors(network: pd.DataFrame) -> pd.DataFrame:
    """Return which branch took over the two that were merged away."""
    ids = network["branch_id"]
    return pd.DataFrame(
        {
            "old_branch_id": ids.iloc[-2:].to_numpy(),
            "new_branch_id": ids.iloc[MERGED],
            "effective_on": pd.Timestamp(STARTS[MERGER]),
        }
    )


def write_bank(tables: dict[str, pd.DataFrame], folder: str | Path) -> None:
    """Write a bank's tables and their codebook into a folder: small ones as CSV, others as Parquet.

    CSV is UTF-8 with LF line ends; Parquet is compressed with zstd, with DECIMAL(18,2) money and
    DATE dates. The folder is made when absent; files of the same names are replaced.

    Parameters
    ----------
    tables : dict of pandas.DataFrame
        As `make_bank` returns them.
    folder : str or path
        Where to write.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        # One thread keeps the row order, and so the bytes, the same from run to run.
        connection.execute("SET threads = 1; SET enable_progress_bar = false")
        for name, frame in tables.items():
            connection.register("frame", frame)
            columns = ", ".join(_cast(column) for column in table(name).columns)
            path = str(target / f"{name}.{'csv' if name in AS_CSV else 'parquet'}")
            how = "FORMAT csv, HEADER" if name in AS_CSV else _PARQUET
            connection.execute(f"COPY (SELECT {columns} FROM frame) TO '{_quoted(path)}' ({how})")
    (target / "README.md").write_text(sample_readme(tables), encoding="utf-8", newline="\n")


def _quoted(path: str) -> str:
    """Return a path as it stands between single quotes in SQL."""
    return path.replace("'", "''")


def _cast(column: Column) -> str:
    """Return the SQL that selects one column in its contract type."""
    return f'CAST("{column.name}" AS {_SQL_TYPES.get(column.kind, "VARCHAR")}) AS "{column.name}"'
