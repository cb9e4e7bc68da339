"""The sample bank: all its tables, made in one piece or joined from several, and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from stockcust_analysis.bank.contract import TABLES, table
from stockcust_analysis.bank.conversion import SQL_TYPES
from stockcust_analysis.bank.duckdb_connection import literal, quiet_connection
from stockcust_analysis.bank.file_names import assign_files
from stockcust_analysis.bank.mapping import Mapping as HouseMapping
from stockcust_analysis.bank.sample.people import (
    LAST,
    NOTES,
    QUARTERS,
    Branch,
    Effects,
    decode_names,
    draw_arrivals,
    make_branches,
    make_people,
)
from stockcust_analysis.bank.sample.tables import join_pieces, make_piece
from stockcust_analysis.errors import UsageError

SEED = 20260930
CUSTOMERS_PER_BRANCH = 100
"""With fewer on average the planted stories drown in chance."""
LARGE = ("customers", "holdings", "assignments", "contacts", "transactions")
"""Tables that grow with the customers; the others are small enough to be read in an editor."""
BANK_NAME = "青禾农村商业银行"
SMALLEST = "COMPRESSION zstd, COMPRESSION_LEVEL 12, ROW_GROUP_SIZE 1000000"
_COUNT = {2: "Two", 3: "Three", 4: "Four", 5: "Five"}


def make_bank(
    seed: int = SEED,
    *,
    branches: int = 24,
    customers: int = 12_000,
    quarters: int = LAST,
    effects: Effects = "",
) -> dict[str, pd.DataFrame]:
    """Make an invented bank, every table of the contract, to learn and to test with.

    Parameters
    ----------
    seed : int
        The same seed and sizes make the same bank.
    branches : int
        Branches in business in 2026Q3; two more were merged away before.
    customers : int
        Customers of an average quarter.
    quarters : int
        Number of quarters up to 2026Q3, 2 to 5.
    effects : str
        `planted`: with effects that models can find; `none`: where they must find nothing.

    Returns
    -------
    dict of str to DataFrame
        Table by name, sorted by key; money in CNY. `open_bank` opens it as it is.

    Raises
    ------
    UsageError
        Sizes for which no such bank can be made.

    Examples
    --------
    >>> bank = make_bank(branches=8, customers=800)
    >>> bank["customers"]["as_of"].nunique()
    5
    """
    check_size(branches, customers, quarters)
    rng = np.random.default_rng(seed)
    network = make_branches(rng, branches)
    people = make_people(rng, network, draw_arrivals(rng, network, customers))
    piece = make_piece(rng, network, people, quarters=quarters, effects=effects)
    tables = {name: decode_names(piece[name]) for name in LARGE} | join_pieces(network, [piece])
    return {entry.name: tables[entry.name] for entry in TABLES if entry.name in tables}


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


def write_bank(
    tables: dict[str, pd.DataFrame], folder: str | Path, *, effects: Effects = ""
) -> None:
    """Write a bank's tables, its name (`mapping.toml`) and a README into a folder.

    Small tables become CSV, others Parquet with exact money; files of the same names are replaced.
    Raises UsageError when the folder holds customers of another bank, which would be read along.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    customers = assign_files(target, HouseMapping())[0]["customers"]
    others = [path for path in customers if path.name != file_name("customers")]
    if others:
        raise UsageError(
            f"'{target}' holds {len(others)} files of another bank, such as {others[0].name}. "
            "Give another folder, or remove them."
        )
    for name, frame in tables.items():
        write_table(name, frame, target / file_name(name))
    write_texts(
        target,
        branches=tables["branches"],
        rows={name: len(frame) for name, frame in tables.items()},
        quarters=tables["customers"]["as_of"].nunique(),
        pair=first_pair(tables["customers"]),
        notes=NOTES.get(effects, ""),
    )


def write_table(name: str, frame: pd.DataFrame, path: Path, *, parquet: str = SMALLEST) -> None:
    """Write one table; `parquet` says how those that are Parquet are compressed."""
    own = (column for column in table(name).columns if column.name in frame)
    columns = ", ".join(f"{c.name}::{SQL_TYPES[c.kind]} AS {c.name}" for c in own)
    how = f"FORMAT parquet, {parquet}" if name in LARGE else "FORMAT csv, HEADER"
    with quiet_connection() as connection:
        # One thread keeps the row order, and so the bytes, the same from run to run.
        connection.execute("SET threads = 1")
        connection.register("frame", frame)
        connection.execute(f"COPY (SELECT {columns} FROM frame) TO {literal(str(path))} ({how})")


def write_texts(
    folder: Path,
    *,
    branches: pd.DataFrame,
    rows: Mapping[str, int],
    quarters: int,
    pair: Sequence[str],
    part: str = "",
    notes: str = "",
) -> None:
    """Write a bank's name and the page about it: its stories, its files and how it was made."""
    template = Path(__file__).with_name("readme.md").read_text(encoding="utf-8")
    stories = branches.head(len(Branch))
    files = [
        f"| {file_name(entry.name, part)} | {entry.zh} | {rows[entry.name]:,} | {entry.meaning} |"
        for entry in TABLES
        if entry.name in rows
    ]
    page = template.format(
        bank=BANK_NAME,
        quarters=f"{_COUNT[quarters]} quarters, {QUARTERS[-quarters]} to {QUARTERS[-1]}",
        files="\n".join(files),
        pair=" and ".join(pair),
        **dict(zip(stories["branch_id"], stories["name"], strict=True)),
    )
    name = f'name = "{BANK_NAME}"\n'
    (folder / "mapping.toml").write_text(name, encoding="utf-8", newline="\n")
    (folder / "README.md").write_text(page + notes, encoding="utf-8", newline="\n")


def first_pair(customers: pd.DataFrame) -> list[str]:
    """Return the first two customer numbers of one person."""
    people = customers.drop_duplicates("customer_id").dropna(subset="person_id")
    twice = people[people["person_id"].duplicated(keep=False)].sort_values("person_id")
    return [*twice["customer_id"].head(2)]


def file_name(table_name: str, part: str = "") -> str:
    """Return the name of a table's file."""
    return f"{table_name}{part}.parquet" if table_name in LARGE else f"{table_name}.csv"
