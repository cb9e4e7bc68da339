"""Turn the Berka data of a Czech bank into a bank folder by this package's contract, for 1993.

    python examples/berka/convert.py SOURCE OUT [--branch district|region]

SOURCE holds account, client, disp, order, loan, card, district and trans_1993 (.asc). The rules
(what a branch, a customer, an activity is) are in the README beside this file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from berka import (
    PUBLISHED,
    accounts_with_owners,
    branch_numbers,
    cents,
    check_counts,
    classified,
    daily_balances,
    day,
    read_table,
)

from stockcust_analysis.bank.contract import Kind, table
from stockcust_analysis.core.periods import Quarter, add_months
from stockcust_analysis.errors import BankDataError

QUARTERS = tuple(Quarter(1993, number) for number in (1, 2, 3, 4))
ACTIVE_KINDS = ("cash", "transfer")
"""What the customer does; pensions, standing orders, interest and fees come by themselves."""


def convert(
    source: Path, out: Path, *, branch: str = "district", published: Mapping[str, int] = PUBLISHED
) -> dict[str, pd.DataFrame]:
    """Read SOURCE, write one CSV file per contract table to OUT, and return the tables.

    `branch` is 'district' (77 branches) or 'region' (8). Raises BankDataError when a file is
    missing or holds another number of rows than `published` says.
    """
    raw = {name: read_table(source / f"{name}.asc") for name in PUBLISHED}
    check_counts(raw, published)
    accounts = accounts_with_owners(raw, branch)
    transactions = classified(read_table(source / "trans_1993.asc", may_be_cut=True), accounts)
    daily = daily_balances(transactions, accounts)
    holdings = holdings_table(raw, accounts, transactions, daily)
    tables = {
        "branches": branches_table(raw["district"], branch),
        "customers": customers_table(accounts, transactions, daily, holdings),
        "holdings": holdings,
        "transactions": transactions[list(table("transactions").column_names)],
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        write_csv(frame, name, out / f"{name}.csv")
    (out / "mapping.toml").write_text('name = "Czech bank (PKDD\'99)"\n', encoding="utf-8")
    return tables


def branches_table(districts: pd.DataFrame, branch: str) -> pd.DataFrame:
    """Return the branches; a place is urban when all its inhabitants live in towns (A10 = 100).

    From 60 % it is a county, below a township. A region weighs its districts by inhabitants (A4).
    """
    inhabitants = districts["A4"].astype(int)
    frame = pd.DataFrame(
        {
            "branch_id": branch_numbers(districts, branch).to_numpy(),
            "name": districts["A2" if branch == "district" else "A3"],
            "region": districts["A3"],
            "inhabitants": inhabitants,
            "in_towns": inhabitants * districts["A10"].astype(float),
        }
    )
    keys = ["branch_id", "name", "region"]
    places = frame.groupby(keys, as_index=False)[["inhabitants", "in_towns"]].sum()
    urban = places["in_towns"] / places["inhabitants"]
    kinds = np.select([urban >= 100, urban >= 60], ["urban", "county"], "township")
    return places[keys].assign(type=kinds)


def daily_average(daily: pd.DataFrame, start: date, end: date) -> pd.Series:
    """Return the mean closing balance from `start` to `end`, a fraction of a cent dropped."""
    days = daily.loc[:, str(start) : str(end)]
    return days.sum(axis=1) // days.shape[1]


def last_active(transactions: pd.DataFrame, end: date) -> pd.Series:
    """Return each customer's last own transaction up to `end`; nobody else is in the index."""
    own = transactions[transactions["kind"].isin(ACTIVE_KINDS)]
    return own[own["transacted_on"] <= str(end)].groupby("customer_id")["transacted_on"].max()


def holdings_table(
    raw: Mapping[str, pd.DataFrame],
    accounts: pd.DataFrame,
    transactions: pd.DataFrame,
    daily: pd.DataFrame,
) -> pd.DataFrame:
    """Return what every customer held at the end of each quarter, money in cents."""
    loans, cards = loans_of(raw["loan"]), cards_of(raw)
    parts = []
    for quarter in QUARTERS:
        there = accounts[accounts["relationship_since"] <= str(quarter.end)]
        deposits = there[["account_id"]].assign(
            product="demand_deposit",
            holder=there["account_id"],
            balance=daily[str(quarter.end)].reindex(there["account_id"]).to_numpy(),
            average_balance=daily_average(daily, quarter.start, quarter.end)
            .reindex(there["account_id"])
            .to_numpy(),
            opened_on=there["relationship_since"],
            last_active_on=there["customer_id"].map(last_active(transactions, quarter.end)),
        )
        products = [deposits, loans_at(loans, quarter), policies_at(transactions, quarter)]
        products.append(cards[cards["opened_on"] <= str(quarter.end)])
        parts.append(pd.concat(products).assign(as_of=pd.Timestamp(quarter.end)))
    owner = accounts.set_index("account_id")[["customer_id", "branch_id"]]
    holdings = pd.concat(parts).join(owner, on="holder")
    holdings = holdings.rename(columns={"branch_id": "booking_branch_id"})
    return holdings.sort_values(["as_of", "account_id"], ignore_index=True)


def loans_of(raw: pd.DataFrame) -> pd.DataFrame:
    """Return the loans with their last day of payment; amounts in cents, one payment a month."""
    granted = day(raw["date"])
    months = raw["duration"].astype(int)
    ends = [add_months(start.date(), n) for start, n in zip(granted, months, strict=True)]
    return pd.DataFrame(
        {
            "account_id": "L" + raw["loan_id"].str.zfill(5),
            "product": "loan",
            "holder": "A" + raw["account_id"].str.zfill(5),
            "amount": cents(raw["amount"]),
            "payment": cents(raw["payments"]),
            "opened_on": granted,
            "matures_on": pd.to_datetime(ends),
        }
    )


def loans_at(loans: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    """Return the loans granted by the quarter's end and what is owed if every month was paid."""
    there = loans[loans["opened_on"] <= str(quarter.end)]
    opened = there["opened_on"].dt
    # A quarter ends on a month's last day, so every month begun after the grant is complete.
    months = (quarter.year - opened.year) * 12 + 3 * quarter.number - opened.month
    owed = (there["amount"] - there["payment"] * months).clip(lower=0)
    return there.drop(columns=["amount", "payment"]).assign(balance=owed)


def cards_of(raw: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the cards, held by the owner of the account; what is owed on them is not known."""
    cards = raw["card"].merge(raw["disp"][["disp_id", "account_id"]], on="disp_id")
    return pd.DataFrame(
        {
            "account_id": "K" + cards["card_id"].str.zfill(5),
            "product": "credit_card",
            "holder": "A" + cards["account_id"].str.zfill(5),
            "balance": 0,
            "opened_on": day(cards["issued"]),
        }
    )


def policies_at(transactions: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    """Return a policy for every account that paid an insurance premium in the quarter."""
    paid = transactions[transactions["premium"]].groupby("account_id")["transacted_on"]
    first, within = paid.min(), quarter_of(transactions[transactions["premium"]], quarter)
    holders = pd.Series(sorted(set(within["account_id"])), dtype=object)
    return pd.DataFrame(
        {
            "account_id": holders.str.replace("A", "P"),
            "product": "insurance",
            "holder": holders,
            "balance": 0,
            "opened_on": holders.map(first),
            "used_recently": True,
        }
    )


def quarter_of(transactions: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    """Return the transactions of one quarter."""
    return transactions[transactions["transacted_on"].between(str(quarter.start), str(quarter.end))]


def customers_table(
    accounts: pd.DataFrame, transactions: pd.DataFrame, daily: pd.DataFrame, holdings: pd.DataFrame
) -> pd.DataFrame:
    """Return every owner at the end of each quarter; an overdraft counts as assets of 0."""
    own = transactions[transactions["kind"].isin(ACTIVE_KINDS)]
    loans = holdings[holdings["product"] == "loan"]
    owed_at = loans.groupby(["as_of", "customer_id"])["balance"].sum()
    assets = daily.clip(lower=0)
    parts = []
    for quarter in QUARTERS:
        end, month = str(quarter.end), quarter.end.replace(day=1)
        there = accounts[accounts["relationship_since"] <= end].set_index("account_id")
        acts = quarter_of(own, quarter).groupby("customer_id").size()
        customer = there["customer_id"]
        owed = owed_at[owed_at.index.get_level_values("as_of") == end].droplevel("as_of")
        parts.append(
            there.assign(
                as_of=pd.Timestamp(end),
                customer_type="personal",
                last_active_on=customer.map(last_active(transactions, quarter.end)),
                active_transactions=customer.map(acts).fillna(0).astype(int),
                aum_period_end=assets[end],
                aum_average_month=daily_average(assets, month, quarter.end),
                aum_average_quarter=daily_average(assets, quarter.start, quarter.end),
                loan_balance=customer.map(owed).fillna(0).astype("int64"),
            )
        )
    return pd.concat(parts).sort_values(["as_of", "customer_id"], ignore_index=True)


def write_csv(frame: pd.DataFrame, name: str, path: Path) -> None:
    """Write a table's contract columns as CSV, cents as crowns with two decimals."""
    columns = [column for column in table(name).columns if column.name in frame.columns]
    text = frame[[column.name for column in columns]].copy()
    for column in columns:
        if column.kind is Kind.MONEY:
            crowns = text[column.name] / 100
            text[column.name] = crowns.map("{:.2f}".format, na_action="ignore")
    text.to_csv(path, index=False, lineterminator="\n", encoding="utf-8", date_format="%Y-%m-%d")


def main(arguments: list[str] | None = None) -> int:
    """Convert as the command line says; 2 when the data cannot be used."""
    parser = argparse.ArgumentParser(description="Turn the Berka data into a bank folder, 1993.")
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--branch", choices=("district", "region"), default="district")
    given = parser.parse_args(arguments)
    try:
        tables = convert(given.source, given.out, branch=given.branch)
    except BankDataError as error:
        print(error, file=sys.stderr)
        return 2
    for name, frame in tables.items():
        print(f"{name}.csv: {len(frame):,} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
