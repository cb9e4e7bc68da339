"""How the sample bank serves its customers: managers, assignments, contacts, transactions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stockcust_analysis.bank.contract import PRODUCTS, table
from stockcust_analysis.bank.sample.accounts import interest_for_a_quarter
from stockcust_analysis.bank.sample.branches import Array, Random
from stockcust_analysis.bank.sample.names import named, plain
from stockcust_analysis.bank.sample.panel import Panel
from stockcust_analysis.bank.sample.quarters import ENDS, LAST, POSTED_ON, STARTS

MANAGED_FROM, VIP_FROM = 50_000, 500_000
_CUSTOMERS_PER_MANAGER = {"counter": 80, "vip": 40}
_CHANNELS = {"phone": 0.4, "wechat": 0.2, "message": 0.2, "branch": 0.14, "visit": 0.06}
_OUTCOMES = {
    "none": 0.22,
    "reached": 0.46,
    "appointment": 0.12,
    "visit": 0.06,
    "sale": 0.06,
    "refused": 0.08,
}
_OWN_KINDS = {"cash": 0.2, "transfer": 0.25, "payment": 0.15, "purchase": 0.1, "wechat_alipay": 0.3}


def managers_table(
    customers: pd.DataFrame, branches: pd.DataFrame, *, before: int = 0
) -> pd.DataFrame:
    """Return as many managers as the customers of the last quarter need; a counter's everywhere.

    `before` managers have numbers already.
    """
    now = customers[customers["as_of"] == customers["as_of"].max()]
    rich = now["aum_average_quarter"] >= MANAGED_FROM
    rich = plain(now.loc[rich, ["branch_id", "aum_average_quarter"]])
    role = np.where(rich["aum_average_quarter"] >= VIP_FROM, "vip", "counter")
    here = branches["closed_on"].isna() & branches["branch_id"].isin(now["branch_id"].unique())
    operating = branches.loc[here, "branch_id"]
    posts = pd.MultiIndex.from_product(
        [operating.to_list(), [*_CUSTOMERS_PER_MANAGER]], names=["branch_id", "role"]
    )
    need = rich.groupby(["branch_id", role]).size().reindex(posts, fill_value=0).to_numpy()
    count = np.ceil(need.reshape(-1, 2) / [*_CUSTOMERS_PER_MANAGER.values()]).astype(int)
    managers = posts.repeat(np.maximum(count, [1, 0]).ravel()).to_frame(index=False)
    managers.insert(0, "manager_id", [f"M{before + number:04d}" for number in managers.index + 1])
    return managers


def managed_customers(customers: pd.DataFrame) -> pd.DataFrame:
    """Return all rows of those who are ever rich enough for a manager."""
    number = customers["customer_id"].cat.codes.to_numpy()
    rich = np.zeros(number.max() + 1, dtype=bool)
    rich[number[customers["aum_average_month"] >= MANAGED_FROM]] = True
    return plain(customers[rich[number]])


def assignments_table(rng: Random, customers: pd.DataFrame, managers: pd.DataFrame) -> pd.DataFrame:
    """Return who manages which managed customer: from 50,000 CNY, handed over at 500,000.

    Not all are, nor always in time.
    """
    there = customers[customers["closed_on"].isna()]
    rich = there[there["aum_average_month"] >= MANAGED_FROM]
    first = rich.drop_duplicates("customer_id").set_index("customer_id")
    first = first[rng.random(len(first)) < 0.88]
    last = customers.drop_duplicates("customer_id", keep="last").set_index("customer_id")
    vip = rich[rich["aum_average_month"] >= VIP_FROM].drop_duplicates("customer_id")
    known = first["as_of"] == customers["as_of"].min()
    days = rng.integers(np.where(known, 100, 0), np.where(known, 600, 60))
    frame = first[["as_of", "relationship_since"]].assign(
        branch_id=last["branch_id"],
        valid_from=np.maximum(first["as_of"] - _days(days), first["relationship_since"]),
        valid_to=last["closed_on"],
        vip_on=vip.set_index("customer_id")["as_of"],
        reason="initial",
    )
    frame["role"] = np.where(frame["vip_on"] == frame["as_of"], "vip", "counter")
    grown = frame["vip_on"].notna() & (frame["role"] == "counter") & (rng.random(len(frame)) < 0.5)
    second = frame[grown].assign(valid_from=frame["vip_on"], reason="handover", role="vip")
    frame["valid_to"] = frame["valid_to"].mask(grown, frame["vip_on"] - pd.Timedelta(days=1))
    frame = pd.concat([frame, second]).reset_index()
    frame["manager_id"] = _managers(rng, frame, managers)
    called = rng.integers(0, np.where(frame["reason"] == "handover", 4, 25))
    called_on = frame["valid_from"] + _days(called)
    until = frame["valid_to"].fillna(customers["as_of"].max())
    in_time = (called_on <= until) & (rng.random(len(frame)) < 0.95)
    frame["first_contact_on"] = called_on.where(in_time)
    frame = frame[frame["manager_id"].notna() & ~(frame["valid_to"] < frame["valid_from"])]
    frame = frame.sort_values(["customer_id", "valid_from"], ignore_index=True)
    return frame[list(table("assignments").column_names)]


def _days(count: Array) -> Array:
    return np.asarray(count).astype("m8[D]")


def _managers(rng: Random, frame: pd.DataFrame, managers: pd.DataFrame) -> list[str | None]:
    """Draw a manager of the right role at the customer's branch; nobody where it has none."""
    teams = managers.groupby(["branch_id", "role"])["manager_id"].agg(list).to_dict()
    posts = zip(frame["branch_id"], frame["role"], rng.random(len(frame)), strict=True)
    staffed = ((teams.get((branch, role), [None]), draw) for branch, role, draw in posts)
    return [team[int(draw * len(team))] for team, draw in staffed]


def contacts_table(rng: Random, customers: pd.DataFrame, assignments: pd.DataFrame) -> pd.DataFrame:
    """Return every contact of the quarters shown; nobody is called who asked not to be."""
    starts = STARTS[np.isin(ENDS, customers["as_of"].unique())]
    unwilling = customers["do_not_contact"] | customers["exclusion"].isin(["deceased", "frozen"])
    refused = assignments["customer_id"].isin(customers.loc[unwilling, "customer_id"])
    served = assignments[~refused & assignments["first_contact_on"].notna()]
    first = served[served["first_contact_on"] >= pd.Timestamp(starts[0])]
    # A good manager calls nearly every quarter, and may call twice.
    number, names = pd.factorize(served["manager_id"])
    diligence = rng.uniform(0.55, 0.95, len(names))[number]
    odds = np.outer(diligence, np.tile([1, 0.4], len(starts))).ravel()
    again = served.loc[served.index.repeat(2 * len(starts))]
    quarter = np.tile(starts.repeat(2), len(served))
    again = again.assign(contacted_on=quarter + _days(rng.integers(0, 88, len(again))))
    in_force = again["contacted_on"] > again["first_contact_on"]
    in_force &= ~(again["contacted_on"] > again["valid_to"]) & (rng.random(len(again)) < odds)
    contacts = pd.concat([first.assign(contacted_on=first["first_contact_on"]), again[in_force]])
    contacts = contacts.sort_values(["customer_id", "contacted_on"], ignore_index=True)
    contacts["round"] = contacts.groupby(["customer_id", "valid_from"]).cumcount() + 1
    contacts["channel"] = rng.choice([*_CHANNELS], len(contacts), p=[*_CHANNELS.values()])
    outcome = rng.choice([*_OUTCOMES], len(contacts), p=[*_OUTCOMES.values()])
    unread = (contacts["channel"] == "message") & (rng.random(len(contacts)) < 0.7)
    contacts["outcome"] = np.where(unread, "none", outcome)
    return contacts[list(table("contacts").column_names)]


def transactions_table(rng: Random, panel: Panel, accounts: pd.DataFrame) -> pd.DataFrame:
    """Return the last quarter's transactions: activity to the day, interest to the cent.

    Every customer has as many own transactions as the customers table says, the latest of them on
    `last_active_on`; their amounts do not explain the balances.
    """
    demand = (accounts["product"] == PRODUCTS.index("demand_deposit")) & (accounts["before"] > 0)
    paid = accounts[demand & (accounts["time"] == LAST) & accounts["held"]]
    interest = paid[["owner"]].assign(
        transacted_on=POSTED_ON[LAST],
        amount=interest_for_a_quarter(paid["before"].to_numpy()) / 100,
        kind=len(_OWN_KINDS),
    )
    transactions = pd.concat([_own_transactions(rng, panel), interest], ignore_index=True)
    kind = named(transactions["kind"], [*_OWN_KINDS, "interest"])
    transactions["kind"] = kind.reorder_categories(sorted(kind.categories))
    transactions = transactions.sort_values([*transactions.columns], ignore_index=True)
    customer_ids = panel.people["customer_id"].cat.categories
    transactions["customer_id"] = named(transactions["owner"], customer_ids)
    return transactions[list(table("transactions").column_names)]


def _own_transactions(rng: Random, panel: Panel) -> pd.DataFrame:
    """Return what the customers did themselves, ending on their last active day."""
    count = panel.active_transactions[:, LAST]
    owner = np.repeat(np.arange(len(count)), count)
    last = panel.last_active_on[owner, LAST]
    first = np.maximum(STARTS[LAST], panel.relationship_since[owner])
    earlier = first + _days(rng.random(len(owner)) * (last - first).astype(int))
    on = np.where(np.diff(owner, append=-1) != 0, last, earlier)
    yuan = np.round(300 * np.exp(rng.normal(0, 1.3, len(owner)))) + 1
    kind = rng.choice(len(_OWN_KINDS), len(owner), p=[*_OWN_KINDS.values()])
    amount = yuan * rng.choice([-1, 1], len(owner))
    return pd.DataFrame({"owner": owner, "transacted_on": on, "amount": amount, "kind": kind})
