"""The tables of the sample bank, measured from its accounts, and how it serves its customers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stockcust_analysis.bank.contract import PRODUCTS, table
from stockcust_analysis.bank.sample import people
from stockcust_analysis.bank.sample.accounts import average, interest_for_a_quarter, make_accounts
from stockcust_analysis.bank.sample.people import ENDS, LAST, STARTS, Array, Branch, Panel, Random
from stockcust_analysis.core.periods import Quarter

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
    customers = panel.people[lasting].iloc[row]
    customers = customers.assign(
        as_of=ENDS[now[1]],
        branch_id=people.with_names(panel.branch[now], branches["branch_id"]),
        relationship_since=panel.relationship_since[row],
        closed_on=np.where(panel.open[now], people.NO_DAY, panel.stepped_on[now]),
        last_active_on=panel.last_active_on[now],
        active_transactions=panel.active_transactions[now],
        aum_period_end=_total(panel, assets, assets["balance"])[now],
        aum_average_month=month,
        aum_average_quarter=_total(panel, assets, average(assets, panel, STARTS))[now],
        loan_balance=_total(panel, loans, loans["balance"])[now],
        profile_complete=rng.random(len(panel.people))[row] < complete,
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
    account_ids = [f"A{customer_ids[key // 100][1:]}{key % 100 + 10}" for key in distinct]
    booked = np.where(panel.people["books_at_main"], Branch.MAIN, panel.people["home"])[owner]
    # The branches merged away keep no accounts: theirs are booked by the successor.
    booked[(booked >= len(branches) - 2) & (time >= people.MERGER)] = Branch.MERGED
    holdings = held.assign(
        as_of=ENDS[time],
        account_id=people.with_names(number, account_ids),
        customer_id=people.with_names(owner, customer_ids),
        product=people.with_names(product, PRODUCTS),
        balance=held["balance"] / 100,
        booking_branch_id=people.with_names(booked, branches["branch_id"]),
        average_balance=average(held, panel, STARTS) / 100,
    )
    return holdings[list(table("holdings").column_names)].reset_index(drop=True)


def ledger_table(balances: pd.DataFrame) -> pd.DataFrame:
    """Return control totals by branch, date and product, to the cent, of balances in CNY."""
    keys = ["branch_id", "as_of", "product"]
    cents = (balances["balance"] * 100).round().astype("int64")
    total = cents.groupby([balances[key] for key in keys]).sum()
    totals = people.decode_names((total[total > 0] / 100).reset_index())
    return totals.sort_values(keys, ignore_index=True)


def plan_start(customers: pd.DataFrame, branches: pd.DataFrame) -> pd.DataFrame:
    """Return how much AUM and how many funded customers each branch had at the end of 2025."""
    year_end = customers["as_of"] == ENDS[people.YEAR_END]
    funded = year_end & (customers["aum_average_quarter"] >= 100)
    funded = people.decode_names(customers.loc[funded, ["branch_id", "aum_average_quarter"]])
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


MANAGED_FROM, VIP_FROM = 50_000, 500_000
_CUSTOMERS_PER_MANAGER = {"counter": 80, "vip": 40}
_CHANNELS = {"phone": 0.4, "wechat": 0.2, "message": 0.2, "branch": 0.14, "visit": 0.06}
_OUTCOMES = table("contacts").column("outcome").allowed
_OUTCOME_ODDS = (0.22, 0.46, 0.12, 0.06, 0.06, 0.08)
_OWN_KINDS = {"cash": 0.2, "transfer": 0.25, "payment": 0.15, "purchase": 0.1, "wechat_alipay": 0.3}


def managers_table(
    customers: pd.DataFrame, branches: pd.DataFrame, *, before: int = 0
) -> pd.DataFrame:
    """Return as many managers as the customers of the last quarter need; a counter's everywhere.

    `before` managers have numbers already.
    """
    now = customers[customers["as_of"] == customers["as_of"].max()]
    rich = now["aum_average_quarter"] >= MANAGED_FROM
    rich = people.decode_names(now.loc[rich, ["branch_id", "aum_average_quarter"]])
    role = np.where(rich["aum_average_quarter"] >= VIP_FROM, "vip", "counter")
    here = branches["closed_on"].isna() & branches["branch_id"].isin(now["branch_id"].unique())
    operating = branches.loc[here, "branch_id"]
    levels = {"branch_id": operating.to_list(), "role": [*_CUSTOMERS_PER_MANAGER]}
    posts = pd.MultiIndex.from_product([*levels.values()], names=[*levels])
    need = rich.groupby(["branch_id", role]).size().reindex(posts, fill_value=0).to_numpy()
    count = np.ceil(need.reshape(-1, 2) / [*_CUSTOMERS_PER_MANAGER.values()]).astype(int)
    managers = posts.repeat(np.maximum(count, [1, 0]).ravel()).to_frame(index=False)
    managers.insert(0, "manager_id", [f"M{before + number:04d}" for number in managers.index + 1])
    no_day = pd.Series(pd.NaT, index=managers.index, dtype="M8[s]")
    return managers.assign(valid_from=no_day, valid_to=no_day)  # all in office throughout


def managed_customers(customers: pd.DataFrame) -> pd.DataFrame:
    """Return all rows of those who are ever rich enough for a manager."""
    number = customers["customer_id"].cat.codes.to_numpy()
    rich = np.zeros(number.max() + 1, dtype=bool)
    rich[number[customers["aum_average_month"] >= MANAGED_FROM]] = True
    return people.decode_names(customers[rich[number]])


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
    outcome = rng.choice(_OUTCOMES, len(contacts), p=_OUTCOME_ODDS)
    unread = (contacts["channel"] == "message") & (rng.random(len(contacts)) < 0.7)
    contacts["outcome"] = np.where(unread, "none", outcome)
    return contacts[list(table("contacts").column_names)]


def campaign_contacts(
    panel: Panel, customers: pd.DataFrame, managers: pd.DataFrame
) -> pd.DataFrame:
    """Return the visits of the campaign, by a manager of the customer's branch."""
    visited = panel.people.loc[panel.people["campaign"], ["customer_id"]]
    # Whoever leaves within the quarter was visited, too: a list made of who stayed would shine.
    before = people.decode_names(customers[customers["as_of"] == customers["as_of"].unique()[-2]])
    there = before[before["closed_on"].isna() & ~before["do_not_contact"]]
    there = there[there["exclusion"].isna()]
    rows = there[["customer_id", "branch_id"]].merge(people.decode_names(visited))
    manager = managers.drop_duplicates("branch_id").set_index("branch_id")["manager_id"]
    rows = rows.assign(manager_id=rows["branch_id"].map(manager), contacted_on=STARTS[LAST])
    rows = rows.assign(channel="visit", outcome="reached", round=1)
    return rows[rows["manager_id"].notna()]


def transactions_table(rng: Random, panel: Panel, accounts: pd.DataFrame) -> pd.DataFrame:
    """Return the last quarter's transactions: activity to the day, interest to the cent.

    Every customer has as many own transactions as the customers table says, the latest of them on
    `last_active_on`; their amounts do not explain the balances.
    """
    demand = (accounts["product"] == PRODUCTS.index("demand_deposit")) & (accounts["before"] > 0)
    paid = accounts[demand & (accounts["time"] == LAST) & accounts["held"]]
    interest = paid[["owner"]].assign(
        transacted_on=people.POSTED_ON[LAST],
        amount=interest_for_a_quarter(paid["before"].to_numpy()) / 100,
        kind=len(_OWN_KINDS),
    )
    transactions = pd.concat([_own_transactions(rng, panel), interest], ignore_index=True)
    kind = people.with_names(transactions["kind"], [*_OWN_KINDS, "interest"])
    transactions["kind"] = kind.reorder_categories(sorted(kind.categories))
    transactions = transactions.sort_values([*transactions.columns], ignore_index=True)
    customer_ids = panel.people["customer_id"].cat.categories
    transactions["customer_id"] = people.with_names(transactions["owner"], customer_ids)
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


def make_piece(
    rng: Random,
    network: pd.DataFrame,
    everybody: pd.DataFrame,
    *,
    quarters: int,
    managers_before: int = 0,
    effects: str = "",
) -> dict[str, pd.DataFrame]:
    """Return what is known of some branches' people; `plan_start` is where `targets` come from.

    Names in large tables are positions; `plain` turns them into text.
    """
    if effects:
        everybody = everybody.assign(campaign=people.visits(rng, everybody["wealth"].to_numpy()))
        everybody["asleep"] &= effects != "none"
    panel = people.make_panel(rng, everybody, len(network) - 2, quarters=quarters, effects=effects)
    accounts = make_accounts(rng, panel)
    owners = customers_table(rng, panel, accounts, network)
    start = plan_start(owners, network)
    owners = owners[owners["as_of"] >= ENDS[panel.first]].reset_index(drop=True)
    holdings = holdings_table(panel, accounts, network)
    managers = managers_table(owners, network, before=managers_before)
    managed = managed_customers(owners)
    assignments = assignments_table(rng, managed, managers)
    contacts = contacts_table(rng, managed, assignments)
    if effects:
        contacts = pd.concat([contacts, campaign_contacts(panel, owners, managers)], join="inner")
        contacts = contacts.sort_values(["customer_id", "contacted_on"], ignore_index=True)
    return {
        "customers": owners,
        "holdings": holdings,
        "managers": managers,
        "assignments": assignments,
        "contacts": contacts,
        "transactions": transactions_table(rng, panel, accounts),
        "ledger": ledger_table(holdings.rename(columns={"booking_branch_id": "branch_id"})),
        "plan_start": start,
    }


def join_pieces(
    network: pd.DataFrame, pieces: Sequence[dict[str, pd.DataFrame]]
) -> dict[str, pd.DataFrame]:
    """Return the small tables of a whole bank from those of its pieces."""
    together = {
        name: pd.concat([piece[name] for piece in pieces])
        for name in ("managers", "ledger", "plan_start")
    }
    start = together["plan_start"].groupby(level=0).sum()
    ids = network["branch_id"].to_numpy()
    # One branch took over the two that were merged away.
    successors = pd.DataFrame({"old_branch_id": ids[-2:], "new_branch_id": ids[Branch.MERGED]})
    return {
        "branches": network,
        "branch_successors": successors.assign(effective_on=STARTS[people.MERGER]),
        "managers": together["managers"].reset_index(drop=True),
        "ledger": ledger_table(together["ledger"]),
        "targets": targets_table(start, network),
    }
