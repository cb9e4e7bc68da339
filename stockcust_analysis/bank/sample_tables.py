"""The tables of the sample bank that follow from its people and accounts, in contract columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stockcust_analysis.bank.contract import CUSTOMERS, HOLDINGS, TARGETS
from stockcust_analysis.bank.sample_accounts import Accounts, average, code_of
from stockcust_analysis.bank.sample_panel import Panel
from stockcust_analysis.bank.sample_people import (
    ENDS,
    LAST,
    MAIN,
    MERGED,
    MERGER,
    OPENED,
    STARTS,
    Array,
)
from stockcust_analysis.periods import Quarter

NOT_ASSETS = ("loan", "credit_card")
_GROUPS = ("executives", "seniors", "merchants", "women", "farmers")
_CHANNELS = ("lobby", "outreach", "payroll", "referral", "online", "unknown")
_FAMILIES = {
    "demand_deposit": "deposit",
    "time_deposit": "deposit",
    "bond": "bond_metal",
    "metal": "bond_metal",
    "custody": "wealth",
    **{name: name for name in ("wealth", "fund", "insurance", "loan", "credit_card")},
    **{name: name for name in ("merchant_acquiring", "payroll")},
}
_OPENING_PLAN = {"aum_average_quarter": 3e6, "multi_product_share": 0.3, "customers": 100}
_TARGET_GROWTH = {"2026Q1": 1.05, "2026Q2": 1.06, "2026Q3": 1.07, "2026Q4": 1.08}


def customers_table(
    rng: np.random.Generator,
    people: pd.DataFrame,
    panel: Panel,
    accounts: list[Accounts],
    branch_ids: Array,
) -> pd.DataFrame:
    """Return every customer present at each as-of date, with money summed from the accounts."""
    balance, month, quarter = _assets_in_cents(panel, accounts)
    owed = _total(panel, [entry for entry in accounts if entry.product == "loan"])
    traits = _traits(rng, people, panel)
    effort = rng.random(len(people))
    slices = []
    for time in range(1, LAST + 1):
        rows = np.flatnonzero(panel.present[:, time])
        here = traits.iloc[rows].assign(
            as_of=ENDS[time].astype("M8[s]"),
            branch_id=branch_ids[panel.branch[rows, time]],
            relationship_since=panel.relationship_since[rows].astype("M8[s]"),
            closed_on=pd.Series(panel.closed_on[rows]).where(~panel.open[rows, time]).to_numpy(),
            last_active_on=panel.last_active_on[rows, time].astype("M8[s]"),
            active_transactions=panel.active_transactions[rows, time],
            aum_period_end=balance[rows, time] / 100,
            aum_average_month=month[rows, time] / 100,
            aum_average_quarter=quarter[rows, time] / 100,
            loan_balance=owed[rows, time] / 100,
            profile_complete=effort[rows] < _profile_odds(month[rows, time], time),
        )
        slices.append(here)
    return pd.concat(slices, ignore_index=True)[list(CUSTOMERS.column_names)]


def _profile_odds(assets: Array, time: int) -> Array:
    """Return how likely a profile is complete, by the month's assets in cents; it gets better."""
    odds = np.select([assets >= 500_000_00, assets >= 50_000_00], [0.82, 0.6], 0.15)
    return np.asarray(odds + 0.02 * time)


def _total(panel: Panel, accounts: list[Accounts]) -> Array:
    """Return the balances of some accounts, in cents by customer and quarter."""
    total = np.zeros(panel.open.shape, np.int64)
    for entry in accounts:
        total[entry.owner] += entry.balance
    return total


def _assets_in_cents(panel: Panel, accounts: list[Accounts]) -> tuple[Array, Array, Array]:
    """Return the period end, month average and quarter average of assets under management."""
    assets = [entry for entry in accounts if entry.product not in NOT_ASSETS]
    month = np.zeros(panel.open.shape, np.int64)
    quarter = np.zeros(panel.open.shape, np.int64)
    month_starts = ENDS.astype("M8[M]").astype("M8[D]")
    for entry in assets:
        month[entry.owner] += average(entry, panel, month_starts)
        quarter[entry.owner] += average(entry, panel, STARTS)
    return _total(panel, assets), month, quarter


def _traits(rng: np.random.Generator, people: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """Return what never changes of a customer, in contract columns."""
    size = len(people)
    natural = (people["customer_type"] != "corporate").to_numpy()
    born = (ENDS[LAST] - (people["age"].to_numpy() * 365.25).astype("m8[D]")).astype("M8[s]")
    gender = np.where(people["female"], "female", "male")
    exclusion = rng.choice(
        ["", "deceased", "frozen", "staff"], size, p=[0.985, 0.004, 0.002, 0.009]
    )
    exclusion = np.where(people["age"] < 18, "minor", exclusion)
    return pd.DataFrame(
        {
            "customer_id": people["customer_id"],
            "customer_type": people["customer_type"],
            "birth_date": np.where(natural, born, np.datetime64("NaT", "s")),
            "gender": pd.Series(gender).where(natural),
            "groups": pd.Series(_groups(people)).where(natural),
            "acquisition_channel": rng.choice(
                _CHANNELS, size, p=[0.4, 0.16, 0.1, 0.09, 0.07, 0.18]
            ),
            "household_id": _households(rng, people).where(natural),
            "person_id": people["person"].map("P{:07d}".format).where(natural),
            "exclusion": pd.Series(exclusion).where((exclusion != "") & natural),
            "do_not_contact": rng.random(size) < 0.02,
        }
    )


def _groups(people: pd.DataFrame) -> Array:
    """Return the groups of each customer, separated by ';', from a table of all combinations."""
    flags = [
        people["executive"],
        people["age"] >= 60,
        people["merchant"],
        people["female"] & people["age"].between(25, 59),
        people["farmer"],
    ]
    combinations = [
        ";".join(name for bit, name in enumerate(_GROUPS) if number >> bit & 1)
        for number in range(2 ** len(_GROUPS))
    ]
    number = sum(flag.to_numpy().astype(int) << bit for bit, flag in enumerate(flags))
    return np.asarray(np.array(combinations, object)[number])


def _households(rng: np.random.Generator, people: pd.DataFrame) -> pd.Series:
    """Put about half of all customers into households of the same branch."""
    order = np.lexsort([rng.random(len(people)), people["home"].to_numpy()])
    home = people["home"].to_numpy()[order]
    starts = (rng.random(len(order)) < 0.65) | (np.diff(home, prepend=-1) != 0)
    number = pd.Series(np.cumsum(starts), index=order).sort_index()
    together = number.map(number.value_counts()) > 1
    return number.map("H{:07d}".format).where(together)


def holdings_table(
    rng: np.random.Generator,
    people: pd.DataFrame,
    panel: Panel,
    accounts: list[Accounts],
    branch_ids: Array,
) -> pd.DataFrame:
    """Return every account held at each as-of date, sorted by date and account."""
    parts = []
    for entry in accounts:
        elsewhere = rng.random(len(entry.owner)) < 0.03
        home = people["home"].to_numpy()[entry.owner]
        booked = np.where(elsewhere, MAIN, home)
        row, time = np.nonzero(entry.held[:, 1:])
        part = _holdings_of(entry, people, panel, row, time + 1)
        # The branches merged away keep no accounts: theirs are booked by the successor.
        merged = (booked[row] >= len(branch_ids) - 2) & (time + 1 >= MERGER)
        part["booking_branch_id"] = branch_ids[np.where(merged, MERGED, booked[row])]
        parts.append(part)
    holdings = pd.concat(parts, ignore_index=True).sort_values("order", ignore_index=True)
    return holdings[list(HOLDINGS.column_names)]


def _holdings_of(
    entry: Accounts, people: pd.DataFrame, panel: Panel, row: Array, time: Array
) -> pd.DataFrame:
    """Return one product's accounts, a line for every account and quarter in which it is held."""
    owner = entry.owner[row]
    numbers = people["customer_id"].to_numpy()
    code = code_of(entry.product)
    account_ids = np.array([f"A{numbers[who][1:]}{code}" for who in entry.owner], object)
    nothing = np.full(len(row), np.datetime64("NaT"))
    own_clock = entry.product == "demand_deposit"
    last_active_on = panel.last_active_on[owner, time] if own_clock else nothing
    matures_on = nothing if entry.matures_on is None else entry.matures_on[row, time]
    return pd.DataFrame(
        {
            "as_of": ENDS[time].astype("M8[s]"),
            "account_id": account_ids[row],
            "customer_id": numbers[owner],
            "product": entry.product,
            "balance": entry.balance[row, time] / 100,
            "average_balance": average(entry, panel, STARTS)[row, time] / 100,
            "opened_on": entry.opened_on[row].astype("M8[s]"),
            "matures_on": matures_on.astype("M8[s]"),
            "rolls_over": _flag(entry.rolls_over, (row,)),
            "last_active_on": last_active_on.astype("M8[s]"),
            "used_recently": _flag(entry.used, (row, time)),
            # Account numbers sort by customer and product; whole numbers sort faster than they do.
            "order": (time * len(people) + owner) * 100 + code,
        }
    )


def _flag(values: Array | None, at: tuple[Array, ...]) -> pd.Series:
    """Return true or false where the product knows the answer, and nothing where it does not."""
    flags = np.full(len(at[0]), None, object) if values is None else values[at]
    return pd.Series(flags).astype("boolean")


def ledger_table(holdings: pd.DataFrame) -> pd.DataFrame:
    """Return the control totals by booking branch, date and product, to the cent."""
    cents = holdings.assign(balance=np.round(holdings["balance"] * 100).astype(np.int64))
    keys = ["booking_branch_id", "as_of", "product"]
    total = cents.groupby(keys)["balance"].sum()
    ledger = (total[total > 0] / 100).reset_index()
    return ledger.rename(columns={"booking_branch_id": "branch_id"})


def targets_table(
    customers: pd.DataFrame, holdings: pd.DataFrame, branches: pd.DataFrame
) -> pd.DataFrame:
    """Return the plan of 2026: somewhat more than at the end of 2025, for branches in business."""
    start = _year_end_2025(customers, holdings, branches).to_dict("index")
    rows = [
        (branch.branch_id, quarter, measure, _target(str(measure), value, growth))
        for branch in branches.itertuples()
        for quarter, growth in _TARGET_GROWTH.items()
        if _in_business(branch, Quarter.parse(quarter))
        for measure, value in start[branch.branch_id].items()
    ]
    return pd.DataFrame(rows, columns=list(TARGETS.column_names))


def _in_business(branch: Any, quarter: Quarter) -> bool:
    """Return whether the branch still works on the last day of the quarter."""
    end = pd.Timestamp(quarter.end)
    return bool(branch.opened_on <= end and not branch.closed_on < end)


def _target(measure: str, start: float, growth: float) -> float:
    """Return what is planned, rounded to 10,000 CNY, a tenth of a point or a whole customer."""
    if measure == "aum_average_quarter":
        return float(round(start * growth, -4))
    if measure == "multi_product_share":
        return round(start + (growth - 1) / 4, 3)
    return float(round(start * (1 + (growth - 1) / 5)))


def _year_end_2025(
    customers: pd.DataFrame, holdings: pd.DataFrame, branches: pd.DataFrame
) -> pd.DataFrame:
    """Return the planned measures of every branch at the end of 2025, on old and new structure."""
    year_end = pd.Timestamp("2025-12-31")
    there = customers[customers["as_of"] == year_end].set_index("customer_id")
    held = holdings[holdings["as_of"] == year_end]
    insured = there.index.isin(held.loc[held["product"] == "insurance", "customer_id"])
    funded = there[(there["aum_average_quarter"] >= 100) | (there["loan_balance"] > 0) | insured]
    in_use = (held["balance"] > 0) | held["used_recently"].fillna(False)
    family = held["product"].map(_FAMILIES).where(in_use)
    families = family.groupby(held["customer_id"]).nunique().reindex(funded.index, fill_value=0)
    facts = funded.assign(multi_product_share=families >= 2, customers=1)
    rules = {"aum_average_quarter": "sum", "multi_product_share": "mean", "customers": "sum"}
    start = facts.groupby("branch_id").agg(rules)
    merged_away = branches["branch_id"].iloc[-2:].to_list()
    successor = branches["branch_id"].iloc[MERGED]
    together = facts[facts["branch_id"].isin(merged_away)].assign(branch_id=successor)
    opened = pd.DataFrame(_OPENING_PLAN, index=[branches["branch_id"].iloc[OPENED]])
    return pd.concat([start, together.groupby("branch_id").agg(rules), opened])
