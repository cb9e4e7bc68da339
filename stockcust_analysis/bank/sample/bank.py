"""The sample bank: all its tables, and the files they are written to."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from stockcust_analysis.bank.casting import sql_type
from stockcust_analysis.bank.contract import TABLES, table
from stockcust_analysis.bank.files import literal
from stockcust_analysis.bank.sample import books, service
from stockcust_analysis.bank.sample.accounts import make_accounts
from stockcust_analysis.bank.sample.branches import Branch, make_branches, successors_table
from stockcust_analysis.bank.sample.panel import make_panel
from stockcust_analysis.bank.sample.people import make_people
from stockcust_analysis.errors import UsageError

SEED = 20260930
BANK_NAME = "青禾农村商业银行"
CUSTOMERS_PER_BRANCH = 100
"""With fewer on average the planted stories drown in chance."""
_AS_CSV = ("branches", "branch_successors", "managers", "ledger", "targets")
"""Tables small enough to be read in an editor; the others are written as Parquet."""
_PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 12, ROW_GROUP_SIZE 1000000"


def make_bank(
    seed: int = SEED, *, branches: int = 24, customers: int = 12_000
) -> dict[str, pd.DataFrame]:
    """Make every table of the contract for an invented bank; the same seed makes the same bank.

    `branches` are those in business in 2026Q3 (two more were merged away), `customers` those of an
    average quarter. Money is in CNY; tables are sorted by key.

    >>> bank = make_bank(branches=8, customers=800)
    >>> bank["customers"]["as_of"].nunique()
    5
    """
    if branches < len(Branch):
        raise UsageError(f"branches={branches} is too few: the stories need {len(Branch)}.")
    if customers < branches * CUSTOMERS_PER_BRANCH:
        raise UsageError(
            f"customers={customers} is too few for {branches} branches: "
            f"ask for {branches * CUSTOMERS_PER_BRANCH} or more, or for fewer branches."
        )
    rng = np.random.default_rng(seed)
    network = make_branches(rng, branches)
    panel = make_panel(rng, make_people(rng, network, customers), branches)
    accounts = make_accounts(rng, panel)
    owners = books.customers_table(rng, panel, accounts, network)
    holdings = books.holdings_table(panel, accounts, network)
    managers = service.managers_table(owners, network)
    assignments = service.assignments_table(rng, owners, managers)
    return {
        "branches": network,
        "branch_successors": successors_table(network),
        "customers": owners,
        "holdings": holdings,
        "managers": managers,
        "assignments": assignments,
        "contacts": service.contacts_table(rng, owners, assignments),
        "transactions": service.transactions_table(rng, panel, accounts),
        "ledger": books.ledger_table(holdings),
        "targets": books.targets_table(owners, network),
    }


def write_bank(tables: dict[str, pd.DataFrame], folder: str | Path) -> None:
    """Write a bank's tables, its name (`mapping.toml`) and a README into a folder.

    Small tables become CSV, others Parquet with exact money; files of the same names are replaced.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        # One thread keeps the row order, and so the bytes, the same from run to run.
        connection.execute("SET threads = 1; SET enable_progress_bar = false")
        for name, frame in tables.items():
            connection.register("frame", frame)
            columns = ", ".join(
                f"{c.name}::{sql_type(c.kind)} AS {c.name}" for c in table(name).columns
            )
            path = literal(str(target / _file_name(name)))
            how = "FORMAT csv, HEADER" if name in _AS_CSV else _PARQUET
            connection.execute(f"COPY (SELECT {columns} FROM frame) TO {path} ({how})")
    texts = {"mapping.toml": f'name = "{BANK_NAME}"\n', "README.md": sample_readme(tables)}
    for name, text in texts.items():
        (target / name).write_text(text, encoding="utf-8", newline="\n")


def sample_readme(tables: dict[str, pd.DataFrame]) -> str:
    """Return the page about a sample bank: its stories, its files and how it was made."""
    template = Path(__file__).with_name("readme.md").read_text(encoding="utf-8")
    branches = tables["branches"].head(len(Branch))
    labels = dict(zip(branches["branch_id"], branches["name"], strict=True))
    files = [
        f"| {_file_name(entry.name)} | {entry.zh} | {len(tables[entry.name]):,} | {entry.meaning} |"
        for entry in TABLES
    ]
    people = tables["customers"].drop_duplicates("customer_id").dropna(subset="person_id")
    twice = people[people["person_id"].duplicated(keep=False)].sort_values("person_id")
    pair = " and ".join(twice["customer_id"].head(2))
    return template.format(bank=BANK_NAME, files="\n".join(files), pair=pair, **labels)


def _file_name(table_name: str) -> str:
    return f"{table_name}.{'csv' if table_name in _AS_CSV else 'parquet'}"
