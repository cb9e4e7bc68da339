"""The Berka files, read and understood: owners, kinds of transactions, daily balances.

Amounts are whole hundredths of a Czech crown here; `convert` writes them with two decimals.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from stockcust_analysis.errors import BankDataError

PUBLISHED = {
    "account": 4500,
    "client": 5369,
    "disp": 5369,
    "order": 6471,
    "loan": 682,
    "card": 892,
    "district": 77,
}
"""Rows of each table as published for the PKDD'99 Discovery Challenge."""
STANDING_ORDERS = ("SIPO", "POJISTNE", "LEASING")


def read_table(path: Path, *, may_be_cut: bool = False) -> pd.DataFrame:
    """Return a ';'-separated file as text, quotes and stray spaces removed.

    With `may_be_cut` a last line without a line end is dropped, and a message says so.
    """
    if not path.is_file():
        raise BankDataError(f"{path.name} is missing. Give the folder that holds the .asc files.")
    text = path.read_text(encoding="ascii")
    if may_be_cut and not text.endswith("\n"):
        text = text.rpartition("\n")[0]
        row = text.count("\n") + 2
        print(f"{path.name}: line {row:,} is cut off and was dropped.", file=sys.stderr)
    frame = pd.read_csv(io.StringIO(text), sep=";", dtype=str, keep_default_na=False)
    return frame.apply(lambda column: column.str.strip())


def check_counts(raw: Mapping[str, pd.DataFrame], published: Mapping[str, int]) -> None:
    """Print the rows of every file beside the published number; any difference is an error."""
    print(f"{'file':<10}{'rows':>8}{'published':>11}")
    for name, rows in published.items():
        print(f"{name:<10}{len(raw[name]):>8,}{rows:>11,}")
    wrong = [name for name, rows in published.items() if len(raw[name]) != rows]
    if wrong:
        raise BankDataError(f"not as many rows as published in: {', '.join(wrong)}.", wrong)


def day(text: pd.Series) -> pd.Series:
    """Return YYMMDD (with or without a time after it) as dates of the twentieth century."""
    return pd.to_datetime("19" + text.str[:6], format="%Y%m%d")


def cents(text: pd.Series) -> pd.Series:
    """Return amounts with a decimal point as whole hundredths of a crown."""
    return (text.astype(float) * 100).round().astype("int64")


def accounts_with_owners(raw: Mapping[str, pd.DataFrame], branch: str) -> pd.DataFrame:
    """Return one row per account: its owner, its branch and the day it was opened.

    A second person with rights on the account (DISPONENT) is no customer of ours.
    """
    owners = raw["disp"][raw["disp"]["type"] == "OWNER"].merge(
        raw["client"][["client_id", "birth_number"]], on="client_id", validate="one_to_one"
    )
    accounts = raw["account"].merge(
        owners[["account_id", "client_id", "birth_number"]], on="account_id", validate="one_to_one"
    )
    branch_of = branch_numbers(raw["district"], branch)
    month = accounts["birth_number"].str[2:4].astype(int)
    born = accounts["birth_number"].str[:2] + (month % 50).map("{:02d}".format)
    return pd.DataFrame(
        {
            "account_id": "A" + accounts["account_id"].str.zfill(5),
            "customer_id": "C" + accounts["client_id"].str.zfill(5),
            "branch_id": accounts["district_id"].map(branch_of),
            "relationship_since": day(accounts["date"]),
            "birth_date": day(born + accounts["birth_number"].str[4:6]),
            "gender": np.where(month > 50, "female", "male"),
        }
    ).sort_values("account_id", ignore_index=True)


def branch_numbers(districts: pd.DataFrame, branch: str) -> pd.Series:
    """Return the branch of each district: itself (D01 …) or its region (R1 …, by name)."""
    if branch == "district":
        numbers = "D" + districts["A1"].str.zfill(2)
    else:
        order = {name: f"R{n}" for n, name in enumerate(sorted(set(districts["A3"])), 1)}
        numbers = districts["A3"].map(order)
    return pd.Series(numbers.to_numpy(), index=districts["A1"].to_numpy())


def classified(raw: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """Return the transactions of 1993 with signed amounts and the contract's kinds.

    An entry without an operation was made by the bank itself; so were interest (UROK), penalty
    interest (SANKC. UROK) and fees (SLUZBY), whatever their operation says.
    """
    raw = raw[raw["date"] < "940101"].reset_index(drop=True)
    purpose, operation = raw["k_symbol"], raw["operation"]
    transfer = operation.isin(["PREVOD NA UCET", "PREVOD Z UCTU"])
    kind = np.select(
        [
            purpose.isin(["UROK", "SANKC. UROK"]) | ((operation == "") & (purpose != "SLUZBY")),
            purpose == "SLUZBY",
            transfer & (purpose == "DUCHOD"),
            transfer & (purpose == "UVER"),
            transfer & purpose.isin(STANDING_ORDERS),
            transfer,
        ],
        ["interest", "fee", "pension", "loan_repayment", "utility_debit", "transfer"],
        "cash",
    )
    account_id = "A" + raw["account_id"].str.zfill(5)
    owner = pd.Series(accounts["customer_id"].to_numpy(), index=accounts["account_id"].to_numpy())
    return pd.DataFrame(
        {
            "account_id": account_id,
            "customer_id": account_id.map(owner),
            "transacted_on": day(raw["date"]),
            "amount": cents(raw["amount"]) * np.where(raw["type"] == "PRIJEM", 1, -1),
            "kind": kind,
            "premium": purpose == "POJISTNE",
            "balance_after": cents(raw["balance"]),
        }
    )


def daily_balances(transactions: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """Return the closing balance of every account (row) on every day of 1993 (column), in cents.

    The file does not keep the order within a day, and its amounts are rounded. A day's closing
    balance is therefore the recorded one nearest to the running total of amounts. Before the
    first transaction an account holds 0.
    """
    keys = ["account_id", "transacted_on"]
    total = transactions.groupby(keys)["amount"].sum().groupby("account_id").cumsum()
    rows = transactions.join(total.rename("running"), on=keys)
    rows["distance"] = (rows["balance_after"] - rows["running"]).abs()
    closing = rows.loc[rows.groupby(keys)["distance"].idxmin()]
    matrix = closing.pivot(index="account_id", columns="transacted_on", values="balance_after")
    days = pd.date_range("1993-01-01", "1993-12-31")
    known = matrix.reindex(index=accounts["account_id"], columns=days).ffill(axis=1)
    return known.fillna(0).astype("int64")
