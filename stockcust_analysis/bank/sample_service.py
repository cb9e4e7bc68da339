"""How the sample bank serves its customers: managers, assignments, contacts, transactions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stockcust_analysis.bank.contract import ASSIGNMENTS, CONTACTS
from stockcust_analysis.bank.sample_accounts import Accounts
from stockcust_analysis.bank.sample_assets import interest_for_a_quarter
from stockcust_analysis.bank.sample_panel import Panel
from stockcust_analysis.bank.sample_people import ENDS, LAST, STARTS, Array

MANAGED_FROM, VIP_FROM = 50_000, 500_000
_CUSTOMERS_PER_MANAGER = {"counter": 80, "vip": 40}
_CONTACT_ODDS = {"phone": 0.4, "wechat": 0.2, "message": 0.2, "branch": 0.14, "visit": 0.06}
_ACTIVE_KINDS = ("cash", "transfer", "payment", "purchase", "wechat_alipay")


def managers_table(customers: pd.DataFrame, branches: pd.DataFrame) -> pd.DataFrame:
    """Return as many managers as the managed customers of the last quarter need, one at least."""
    today = customers[customers["as_of"] == customers["as_of"].max()]
    rich = today[today["aum_average_quarter"] >= MANAGED_FROM]
    role = np.where(rich["aum_average_quarter"] >= VIP_FROM, "vip", "counter")
    need = rich.groupby(["branch_id", role]).size()
    rows = [
        (branch, role)
        for branch in branches.loc[branches["closed_on"].isna(), "branch_id"]
        for role in ("counter", "vip")
        for _ in range(_posts(int(need.get((branch, role), 0)), role))
    ]
    managers = pd.DataFrame(rows, columns=["branch_id", "role"])
    managers.insert(0, "manager_id", [f"M{number:04d}" for number in range(1, len(rows) + 1)])
    return managers


def _posts(customers: int, role: str) -> int:
    """Return how many managers a branch has for that many customers; every branch has a counter."""
    posts = -(-customers // _CUSTOMERS_PER_MANAGER[role])
    return max(posts, 1) if role == "counter" else posts


def assignments_table(
    rng: np.random.Generator, customers: pd.DataFrame, managers: pd.DataFrame
) -> pd.DataFrame:
    """Return who manages whom: from 50,000 CNY, handed over at 500,000, not always in time."""
    rich = customers[customers["aum_average_month"] >= MANAGED_FROM]
    first = rich.drop_duplicates("customer_id").set_index("customer_id")
    first = first[rng.random(len(first)) < 0.88]
    known = first["as_of"] == customers["as_of"].min()
    start = first["as_of"] - pd.to_timedelta(rng.integers(0, 60, len(first)), "D")
    earlier = first["as_of"] - pd.to_timedelta(rng.integers(100, 600, len(first)), "D")
    start = start.where(~known, earlier)
    last = customers.drop_duplicates("customer_id", keep="last").set_index("customer_id")
    frame = pd.DataFrame(
        {
            "branch_id": last["branch_id"].reindex(first.index),
            "valid_from": np.maximum(start, first["relationship_since"]),
            "valid_to": last["closed_on"].reindex(first.index),
            "vip": first["aum_average_month"] >= VIP_FROM,
            "reason": "initial",
        }
    ).reset_index()
    frame = pd.concat(_second_assignments(rng, frame, customers), ignore_index=True)
    frame["manager_id"] = _manager_of(rng, frame, managers)
    frame["first_contact_on"] = _first_contact(rng, frame, customers["as_of"].max())
    frame = frame[frame["manager_id"].notna() & ~(frame["valid_to"] < frame["valid_from"])]
    frame = frame.sort_values(["customer_id", "valid_from"])
    return frame[list(ASSIGNMENTS.column_names)].reset_index(drop=True)


def _second_assignments(
    rng: np.random.Generator, frame: pd.DataFrame, customers: pd.DataFrame
) -> list[pd.DataFrame]:
    """Split some assignments in two: handed over to a VIP manager, reclaimed, manager left."""
    grown = customers[customers["aum_average_month"] >= VIP_FROM].drop_duplicates("customer_id")
    over = frame["customer_id"].map(grown.set_index("customer_id")["as_of"])
    draw = pd.Series(rng.random(len(frame)))
    handover = ~frame["vip"] & over.notna() & (draw < 0.6)
    other = ~handover & (draw > 0.96) & frame["valid_to"].isna()
    some_day = pd.Timestamp("2026-01-05") + pd.to_timedelta(rng.integers(0, 250, len(frame)), "D")
    day = (over + pd.Timedelta(days=5)).where(handover, pd.Series(some_day))
    end = frame["valid_to"].fillna(customers["as_of"].max())
    split = (handover | other) & (day > frame["valid_from"] + pd.Timedelta(days=30)) & (day < end)
    second = frame[split].assign(valid_from=day[split])
    why = np.where(draw > 0.98, "manager_left", "reclaim")
    second["reason"] = np.where(handover[split], "handover", why[split])
    second["vip"] |= handover[split]
    first = frame.assign(valid_to=frame["valid_to"].where(~split, day - pd.Timedelta(days=1)))
    return [first, second]


def _manager_of(rng: np.random.Generator, frame: pd.DataFrame, managers: pd.DataFrame) -> pd.Series:
    """Draw a manager of the right role at the customer's branch; nobody where it has none."""
    role = pd.Series(np.where(frame["vip"], "vip", "counter"), index=frame.index)
    groups = managers.groupby(["branch_id", "role"])["manager_id"]
    keys = pd.MultiIndex.from_arrays([frame["branch_id"], role])
    posts = groups.size().reindex(keys).fillna(0).to_numpy().astype(int)
    offset = pd.Series(np.arange(len(managers)), index=managers.index)
    first = offset.groupby([managers["branch_id"], managers["role"]]).min().reindex(keys)
    pick = first.fillna(0).to_numpy().astype(int) + (rng.random(len(frame)) * posts).astype(int)
    chosen = managers["manager_id"].to_numpy()[pick]
    return pd.Series(chosen, index=frame.index).where(posts > 0)


def _first_contact(rng: np.random.Generator, frame: pd.DataFrame, until: pd.Timestamp) -> pd.Series:
    """Draw the day of the first call: a few days after a hand-over, within weeks otherwise."""
    handover = frame["reason"] == "handover"
    wait = np.where(handover, rng.integers(0, 4, len(frame)), rng.integers(0, 25, len(frame)))
    day = frame["valid_from"] + pd.to_timedelta(wait, "D")
    return day.where((day <= frame["valid_to"].fillna(until)) & (rng.random(len(frame)) < 0.95))


def contacts_table(
    rng: np.random.Generator, customers: pd.DataFrame, assignments: pd.DataFrame
) -> pd.DataFrame:
    """Return every contact of the five quarters; nobody is called who asked not to be."""
    unwilling = customers["do_not_contact"] | customers["exclusion"].isin(["deceased", "frozen"])
    refused = assignments["customer_id"].isin(customers.loc[unwilling, "customer_id"])
    served = assignments[~refused & assignments["first_contact_on"].notna()]
    first = served[served["first_contact_on"] >= pd.Timestamp(STARTS[1])]
    parts = [first.assign(contacted_on=first["first_contact_on"])]
    diligence = _diligence(rng, served)
    for time in range(1, LAST + 1):
        for odds in (diligence, diligence * 0.4):
            days = pd.to_timedelta(rng.integers(0, 88, len(served)), "D")
            again = served.assign(contacted_on=pd.Timestamp(STARTS[time]) + days)
            in_force = (again["contacted_on"] > again["first_contact_on"]) & ~(
                again["contacted_on"] > again["valid_to"]
            )
            parts.append(again[in_force & (rng.random(len(served)) < odds)])
    contacts = pd.concat(parts).sort_values(["customer_id", "contacted_on"], ignore_index=True)
    contacts["round"] = contacts.groupby(["customer_id", "valid_from"]).cumcount() + 1
    contacts["channel"] = rng.choice(
        list(_CONTACT_ODDS), len(contacts), p=[*_CONTACT_ODDS.values()]
    )
    contacts["outcome"] = _outcome(rng, contacts["channel"].to_numpy())
    return contacts[list(CONTACTS.column_names)]


def _diligence(rng: np.random.Generator, assignments: pd.DataFrame) -> Array:
    """Draw how likely a manager is to call a customer in a quarter: some are better than others."""
    number, _ = pd.factorize(assignments["manager_id"])
    return np.asarray(rng.uniform(0.55, 0.95, number.max() + 1)[number])


def _outcome(rng: np.random.Generator, channel: Array) -> Array:
    """Draw what came of a contact: a message is mostly left unanswered, a visit never is."""
    size = len(channel)
    spoken = rng.choice(
        ["none", "reached", "appointment", "visit", "sale", "refused"],
        size,
        p=[0.22, 0.46, 0.12, 0.06, 0.06, 0.08],
    )
    written = rng.choice(["none", "reached"], size, p=[0.75, 0.25])
    outcome = np.where(channel == "message", written, spoken)
    unanswered_visit = (channel == "visit") & (outcome == "none")
    return np.asarray(np.where(unanswered_visit, "reached", outcome))


def transactions_table(
    rng: np.random.Generator, people: pd.DataFrame, panel: Panel, accounts: list[Accounts]
) -> pd.DataFrame:
    """Return the last quarter's transactions: a sketch whose amounts do not explain the balances.

    What it does explain exactly is activity: every customer has as many customer-initiated
    transactions as the customers table says, the latest of them on `last_active_on`.
    """
    by_product = {entry.product: entry for entry in accounts}
    parts = [
        _own_transactions(rng, panel),
        _interest(by_product["demand_deposit"]),
        *_regular_entries(rng, people, panel, by_product["payroll"]),
    ]
    transactions = pd.concat(parts, ignore_index=True)
    transactions.insert(0, "customer_id", people["customer_id"].to_numpy()[transactions.pop("who")])
    transactions["transacted_on"] = transactions["transacted_on"].astype("M8[s]")
    order = ["customer_id", "transacted_on", "kind", "amount"]
    return transactions.sort_values(order, ignore_index=True)


def _own_transactions(rng: np.random.Generator, panel: Panel) -> pd.DataFrame:
    """Return what the customers did themselves, ending on their last active day."""
    count = panel.active_transactions[:, LAST]
    who = np.repeat(np.arange(len(count)), count)
    last = panel.last_active_on[who, LAST]
    first = np.maximum(STARTS[LAST], panel.relationship_since[who])
    earlier = first + (rng.random(len(who)) * (last - first).astype(int)).astype("m8[D]")
    is_last = np.diff(who, append=-1) != 0
    yuan = np.round(300 * np.exp(rng.normal(0, 1.3, len(who)))) + 1
    return pd.DataFrame(
        {
            "who": who,
            "transacted_on": np.where(is_last, last, earlier),
            "amount": yuan * rng.choice([-1, 1], len(who)),
            "kind": rng.choice(_ACTIVE_KINDS, len(who), p=[0.2, 0.25, 0.15, 0.1, 0.3]),
        }
    )


def _interest(demand: Accounts) -> pd.DataFrame:
    """Return the interest posted on the 21st to every account that was there the quarter before."""
    kept = np.flatnonzero(demand.held[:, LAST] & demand.held[:, LAST - 1])
    amount = interest_for_a_quarter(demand.balance[kept, LAST - 1]) / 100
    day = ENDS[LAST].astype("M8[M]").astype("M8[D]") + 20
    return pd.DataFrame(
        {"who": demand.owner[kept], "transacted_on": day, "amount": amount, "kind": "interest"}
    )


def _regular_entries(
    rng: np.random.Generator, people: pd.DataFrame, panel: Panel, payroll: Accounts
) -> list[pd.DataFrame]:
    """Return what comes and goes every month by itself, also on accounts that sleep."""
    drawn = rng.random(len(people))
    paid = np.isin(np.arange(len(people)), payroll.owner[payroll.held[:, LAST]])
    receives = {
        "salary": (paid, 10, 4500),
        "pension": ((people["age"] > 62).to_numpy() & (drawn < 0.3), 15, 1200),
        "utility_debit": ((drawn > 0.9) & ~paid, 20, -90),
        "subsidy": (people["farmer"].to_numpy() & (drawn > 0.4) & (drawn < 0.5), 12, 300),
        "fee": ((drawn > 0.85) & (drawn < 0.9), 25, -10),
    }
    entries = []
    for kind, (eligible, day, amount) in receives.items():
        who = np.flatnonzero(eligible & panel.open[:, LAST] & panel.present[:, LAST - 1])
        amounts = np.round(amount * rng.uniform(0.7, 1.5, len(who)))
        for month in range(3):
            on = (STARTS[LAST].astype("M8[M]") + month).astype("M8[D]") + day - 1
            entry = {"who": who, "transacted_on": on, "amount": amounts, "kind": kind}
            entries.append(pd.DataFrame(entry))
    return entries
