"""What all questions share: the tables, the policy, the calendar, and one row of a result."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd

POLICIES = Path("stockcust_analysis/policies")
MONEY = ["aum_period_end", "aum_average_month", "aum_average_quarter", "loan_balance", "balance"]


TRUTHS = ["profile_complete", "do_not_contact", "rolls_over", "used_recently"]
OPTIONAL = {
    "customers": ["closed_on", "loan_balance", "profile_complete", "exclusion", "do_not_contact"],
    "holdings": ["matures_on", "opened_on", "used_recently", "last_active_on"],
    "contacts": ["round"],
}


class Row(NamedTuple):
    """One figure of one group of customers."""

    measure: str
    base: str
    n: int
    numerator: float
    denominator: float
    dimension: str = ""
    member: str = ""


@dataclass(frozen=True)
class Bank:
    """The tables of a bank (money in whole cents) and the policy they are judged by."""

    tables: dict[str, pd.DataFrame]
    policy: dict[str, Any]
    families: dict[str, dict[str, Any]]  # families and channels by name
    delivered: dict[str, set[str]]  # columns each table came with
    today: pd.Timestamp  # as-of date of the newest quarter: its structure holds for all

    def table(self, name: str) -> pd.DataFrame:
        """Return a copy of a table."""
        return self.tables[name].copy()


def read_folder(folder: Path) -> dict[str, pd.DataFrame]:
    """Read every CSV and Parquet file of a folder, named as the table it holds."""
    query = "select * from '{}'"
    files = sorted([*folder.glob("*.csv"), *folder.glob("*.parquet")])
    return {file.stem: duckdb.sql(query.format(file)).df() for file in files}


def make_bank(tables: dict[str, pd.DataFrame], today: str) -> Bank:
    """Put tables beside the shipped policy."""
    delivered = {name: set(table.columns) for name, table in tables.items()}
    tables = {name: tidy(name, table) for name, table in tables.items()}
    policy = tomllib.loads((POLICIES / "rural_commercial_bank.toml").read_text("utf-8"))
    presets = tomllib.loads((POLICIES / "dormancy_presets.toml").read_text("utf-8"))
    rules = {rule["name"]: rule for rule in presets["dormancy_presets"]}
    policy["dormancy"] = rules[policy["dormancy"]["preset"]]
    families = {
        f["name"]: f for f in policy["families"]["families"] + policy["families"]["channels"]
    }
    return Bank(tables, policy, families, delivered, pd.Timestamp(today))


def tidy(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with days as timestamps, money as cents, and a truth unless not known."""
    table = table.reindex(columns=[*table, *(set(OPTIONAL.get(name, ())) - set(table))])
    for column in table.columns:
        if column in ("as_of", "valid_from", "valid_to") or column.endswith(("_on", "_since")):
            table[column] = pd.to_datetime(table[column])
        elif column in MONEY:
            table[column] = (table[column].fillna(0) * 100).round().astype("int64")
        elif column in TRUTHS:
            table[column] = [value is not pd.NA and value == True for value in table[column]]  # noqa: E712
    return table


def add_months(days: pd.Series, months: int) -> pd.Series:
    """Count on by months, day to day; a day the month lacks is its last."""
    return days + pd.DateOffset(months=months)


def cutoff(as_of: pd.Timestamp, months: int) -> pd.Timestamp:
    """Return the latest day from which so many months have gone by on the as-of date."""
    day = as_of - pd.DateOffset(months=months)
    while day + pd.Timedelta(days=1) + pd.DateOffset(months=months) <= as_of:
        day += pd.Timedelta(days=1)
    return day
