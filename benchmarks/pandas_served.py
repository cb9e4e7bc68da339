"""The managed customers of one date in pandas: manager, contacts, class, calls due."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from benchmarks.asked import APPOINTED, STEPS, Asked, Days
from stockcust_analysis.policy import CoverageRule

Frame = pd.DataFrame
_FACTS = ["customer_id", "branch_id", "tier", "average", "month", "profiled", "contactable",
          "funded"]  # fmt: skip


def served_of(facts: Frame, asked: Asked, days: Days) -> Frame:
    """Return one row per managed customer."""
    cover = asked.policy.coverage
    assigned = _read(asked, "assignments")
    current = _current(assigned, cover, days)
    table = facts[_FACTS].merge(current, on="customer_id")
    roles = asked.csv("managers").set_index("manager_id")["role"]
    table["role"] = table["manager_id"].map(roles)
    began = assigned.loc[_in_force(assigned, days.contact), "customer_id"]
    table["coverable"] = table["customer_id"].isin(began) & table["contactable"]
    spoken = _spoken(_read(asked, "contacts"), table, cover, days)
    counts = [name for name in spoken if name != "last_contact_on"]
    table = table.join(spoken, on="customer_id").fillna(dict.fromkeys(counts, 0))
    table["class"] = _class(table, cover)
    last = table["last_contact_on"]
    table["contacted_lately"] = last > pd.Timestamp(days.contact)
    table["reclaim_due"] = _since(table, pd.Timestamp(days.reclaim))
    due_by = table["class"].map({name: pd.Timestamp(day) for name, day in days.classes.items()})
    table["contact_due"] = _since(table, due_by)
    return table.assign(managed=True)


def _read(asked: Asked, name: str) -> Frame:
    table: Frame = pq.read_table(asked.files(name)).to_pandas(date_as_object=False)
    return table


def _in_force(assigned: Frame, day: Any) -> Any:
    """Return which assignments are in force on a day."""
    ends, on = assigned["valid_to"], pd.Timestamp(day)
    return (assigned["valid_from"] <= on) & (ends.isna() | (ends >= on))


def _current(assigned: Frame, cover: CoverageRule, days: Days) -> Frame:
    """Return the assignment in force of each customer, the later where two overlap."""
    current = assigned[_in_force(assigned, days.as_of)].sort_values("valid_from")
    current = current.drop_duplicates("customer_id", keep="last")
    since, called = current["valid_from"], current["first_contact_on"]
    handed_over = (
        (current["reason"] == "handover")
        & (since > pd.Timestamp(days.contact))
        & (since <= pd.Timestamp(days.first_call))
    )
    in_time = called <= since + pd.Timedelta(days=cover.first_call_days)
    return pd.DataFrame({
        "customer_id": current["customer_id"], "manager_id": current["manager_id"],
        "managed_from": since, "handed_over": handed_over, "called_in_time": handed_over & in_time,
    })  # fmt: skip


def _spoken(contacts: Frame, table: Frame, cover: CoverageRule, days: Days) -> Frame:
    """Return what the contacts of each managed customer came to."""
    made = contacts[contacts["contacted_on"] <= pd.Timestamp(days.as_of)]
    made = made.merge(table[["customer_id", "managed_from"]], on="customer_id")
    on, outcome = made["contacted_on"], made["outcome"]
    effective, sold = outcome.isin(cover.effective_outcomes), outcome == "sale"
    last_sale = on.where(sold).groupby(made["customer_id"]).transform("max")
    since_sale = last_sale.isna() | (on > last_sale)
    columns = {
        "last_contact_on": on.where(effective),
        "sales": sold & (on > pd.Timestamp(days.purchase)),
        "without_sale": effective & since_sale & (on >= made["managed_from"]),
    }
    recent = on > pd.Timestamp(days.contact)
    steps = (recent, recent & effective, recent & outcome.isin(APPOINTED), recent & sold)
    round_of = made["round"].clip(upper=cover.set_aside_after)
    for number in range(1, cover.set_aside_after + 1):
        for step, counts in zip(STEPS, steps, strict=True):
            columns[f"round_{number}_{step}"] = counts & (round_of == number)
    how = {name: "max" if name == "last_contact_on" else "sum" for name in columns}
    return pd.DataFrame(columns).groupby(made["customer_id"]).agg(how)


def _class(table: Frame, cover: CoverageRule) -> Any:
    """Return the class A to D of each customer among those of his manager."""
    known = (table["profiled"] | (table["sales"] > 0)).rename("known")
    peers = [table["manager_id"], known]
    places = table[["average", "sales"]].groupby(peers).rank("min", ascending=False)
    place = places.sum(axis=1).groupby(peers).rank("min").astype("int64")
    size = table.groupby("manager_id")["customer_id"].transform("size")
    *shared, rest, unknown = cover.classes
    taken = np.cumsum([round(one.share * 100) for one in shared])
    within = [(place - 1) * 100 < size * share for share in taken]
    names = [unknown.name, *(one.name for one in shared)]
    return pd.Series(np.select([~known, *within], names, rest.name), index=table.index)


def _since(table: Frame, limit: Any) -> Any:
    """Return who has been managed, and not spoken to, since a day."""
    last = table["last_contact_on"]
    return (table["managed_from"] <= limit) & ~(last > limit)
