"""The books of the sample bank: customers, holdings, the ledger and the plan."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stockcust_analysis.bank.contract import PRODUCTS, table
from stockcust_analysis.bank.sample.accounts import average
from stockcust_analysis.bank.sample.branches import Array, Branch, Random
from stockcust_analysis.bank.sample.names import named, plain
from stockcust_analysis.bank.sample.panel import Panel
from stockcust_analysis.bank.sample.quarters import ENDS, MERGER, NO_DAY, STARTS, YEAR_END
from stockcust_analysis.periods import Quarter

LOAN, CARD = PRODUCTS.index("loan"), PRODUCTS.index("credit_card")
_GROWTH = {"2026Q1": 0.05, "2026Q2": 0.06, "2026Q3": 0.07, "2026Q4": 0.08}


def customers_table(
    rng: Random, panel: Panel, accounts: pd.DataFrame, branches: pd.DataFrame
) -> pd.DataFrame:
    """Return every customer present at each as-of date, with money summed from the accounts."""
    time, row = np.nonzero((panel.present & panel.needed)[:, 1:].T)
    now = (row, time + 1)
    assets = accounts[~accounts["product"].isin([LOAN, CARD])]
    loans = accounts[accounts["product"] == LOAN]
    month_starts = ENDS.astype("M8[M]").astype("M8[D]")
    month = _total(panel, assets, average(assets, panel, month_starts))[now]
    complete = np.select([month >= 500_000, month >= 50_000], [0.82, 0.6], 0.15) + 0.02 * now[1]
    lasting = panel.people.columns.intersection([*table("customers").column_names])
    customers = (
        panel.people[lasting]
        .iloc[row]
        .assign(
            as_of=ENDS[now[1]],
            branch_id=named(panel.branch[now], branches["branch_id"]),
            relationship_since=panel.relationship_since[row],
            closed_on=np.where(panel.open[now], NO_DAY, panel.stepped_on[now]),
            last_active_on=panel.last_active_on[now],
            active_transactions=panel.active_transactions[now],
            aum_period_end=_total(panel, assets, assets["balance"])[now],
            aum_average_month=month,
            aum_average_quarter=_total(panel, assets, average(assets, panel, STARTS))[now],
            loan_balance=_total(panel, loans, loans["balance"])[now],
            profile_complete=rng.random(len(panel.people))[row] < complete,
        )
    )
    return customers[list(table("customers").column_names)].reset_index(drop=True)


def _total(panel: Panel, accounts: pd.DataFrame, cents: Array | pd.Series) -> Array:
    """Return the sum over accounts in CNY by customer and quarter; whole cents add up exactly."""
    cells = np.ravel_multi_index((accounts["owner"], accounts["time"]), panel.open.shape)
    return np.bincount(cells, cents, panel.open.size).reshape(panel.open.shape) / 100


def holdings_table(panel: Panel, accounts: pd.DataFrame, branches: pd.DataFrame) -> pd.DataFrame:
    """Return every account held at each as-of date, sorted by date and account."""
    order = np.lexsort([accounts[name] for name in ("product", "owner", "time")])
    shown = accounts["held"] & (accounts["time"] >= panel.first)
    held = accounts.iloc[order[shown.to_numpy()[order]]]
    owner, time, product = (held[name].to_numpy() for name in ("owner", "time", "product"))
    number, distinct = pd.factorize(owner * 100 + product)
    customer_ids = [*panel.people["customer_id"].cat.categories]
    booked = np.where(panel.people["books_at_main"], Branch.MAIN, panel.people["home"])[owner]
    # The branches merged away keep no accounts: theirs are booked by the successor.
    booked[(booked >= len(branches) - 2) & (time >= MERGER)] = Branch.MERGED
    holdings = held.assign(
        as_of=ENDS[time],
        account_id=named(
            number, [f"A{customer_ids[key // 100][1:]}{key % 100 + 10}" for key in distinct]
        ),
        customer_id=named(owner, customer_ids),
        product=named(product, PRODUCTS),
        balance=held["balance"] / 100,
        booking_branch_id=named(booked, branches["branch_id"]),
        average_balance=average(held, panel, STARTS) / 100,
    )
    return holdings[list(table("holdings").column_names)].reset_index(drop=True)


def ledger_table(balances: pd.DataFrame) -> pd.DataFrame:
    """Return control totals by branch, date and product, to the cent, of balances in CNY."""
    keys = ["branch_id", "as_of", "product"]
    cents = (balances["balance"] * 100).round().astype("int64")
    total = cents.groupby([balances[key] for key in keys]).sum()
    return plain((total[total > 0] / 100).reset_index()).sort_values(keys, ignore_index=True)


def plan_start(customers: pd.DataFrame, branches: pd.DataFrame) -> pd.DataFrame:
    """Return how much AUM and how many funded customers each branch had at the end of 2025."""
    year_end = customers["as_of"] == ENDS[YEAR_END]
    funded = year_end & (customers["aum_average_quarter"] >= 100)
    funded = plain(customers.loc[funded, ["branch_id", "aum_average_quarter"]])
    *_, old, older = ids = branches["branch_id"].to_list()
    merged = funded[funded["branch_id"].isin([old, older])].assign(branch_id=ids[Branch.MERGED])
    by_branch = pd.concat([funded, merged]).groupby("branch_id")["aum_average_quarter"]
    return by_branch.agg(["sum", "size"])


def targets_table(start: pd.DataFrame, branches: pd.DataFrame) -> pd.DataFrame:
    """Return the plan of 2026: somewhat more than at its start, for branches in business."""
    start = start.reindex(branches["branch_id"]).fillna({"sum": 3e6, "size": 100})
    parts = []
    for quarter, growth in _GROWTH.items():
        end = pd.Timestamp(Quarter.parse(quarter).end)
        working = (branches["opened_on"] <= end) & ~(branches["closed_on"] < end)
        plan = {
            "aum_average_quarter": (start["sum"] * (1 + growth)).round(-4),
            "customers": (start["size"] * (1 + growth / 5)).round(),
            "multi_product_share": 0.35 + growth / 4,
        }
        plan_of = pd.DataFrame(plan, start.index)[working.to_numpy()].reset_index()
        parts.append(plan_of.melt("branch_id", var_name="measure", value_name="target"))
        parts[-1].insert(1, "quarter", quarter)
    return pd.concat(parts).sort_values(["branch_id", "quarter", "measure"], ignore_index=True)
