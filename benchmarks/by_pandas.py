"""The questions in pandas, as an analyst would write them who minds memory.

Only the columns that are needed are read, one date at a time; branches and products are
categories, money is whole cents, and what is asked of many is asked in one `groupby`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.answers import Sums
from benchmarks.asked import OBLIGING, STATUSES, Asked, Days, cents, exempting
from benchmarks.pandas_changes import attrition_of, cells_of, pair_sums, side_by_side
from benchmarks.pandas_concentration import concentration_of, lorenz_of
from benchmarks.pandas_levels import co_holding_of, levels_of
from benchmarks.pandas_served import served_of
from stockcust_analysis.policy import Policy

Frame = pd.DataFrame
_AMOUNTS = {"aum_period_end": "end", "aum_average_month": "month", "aum_average_quarter": "average"}


def sums(asked: Asked, *, memory_limit: str | None = None) -> Sums:
    """Return the sums of a bank's quarter and the one before; pandas knows no memory limit."""
    levels, concentration, facts = {}, {}, {}
    for quarter in asked.quarters:
        days = Days(quarter.end, asked.policy)
        table = customer_facts(asked, days)
        served = served_of(table, asked, days) if asked.has("assignments") else None
        levels[str(quarter)] = levels_of(table, served, asked.policy)
        concentration[str(quarter)] = concentration_of(table)
        if quarter == asked.quarter:
            lorenz = lorenz_of(table)
            co_holding = co_holding_of(table, asked.policy.families.names)
        facts[quarter] = _compared(table)
        del table
    before, now = facts.values()
    moved = (before["branch_id"] != before["issued_branch_id"]).any()
    both, pairs, cells = side_by_side(before, now), {}, {}
    del before, now, facts
    for structure in ("today", "issued") if moved else ("today",):
        branch = "branch_id" if structure == "today" else "issued_branch_id"
        pairs[structure] = pair_sums(both, branch)
        cells[structure] = cells_of(both, branch)
    attrition = attrition_of(both, asked.policy.attrition)
    return Sums(levels, concentration, lorenz, co_holding, attrition, pairs, cells)


def customer_facts(asked: Asked, days: Days) -> Frame:
    """Return one row per customer in scope of a date, with what is counted."""
    policy = asked.policy
    table = _customers(asked, days)
    held = _held(asked, days)
    table = table.merge(held, how="left", left_on="customer_id", right_index=True)
    flags = [name for name in held if not name.startswith(("opened", "unused"))]
    counts = [name for name in held if name not in flags]
    # A customer without accounts holds nothing.
    table[flags] = table[flags].eq(True)
    table[counts] = table[counts].fillna(0).astype("int8")
    owes = (table.pop("loan_balance") > 0) | table["obliged"]
    table["funded"] = (table["average"] >= cents(policy.bases.funded)) | owes
    table["funded_by_end"] = (table["end"] >= cents(policy.bases.funded)) | owes
    table["effective"] = table["average"] >= cents(policy.bases.effective)
    table["established"] = table["funded"] & table.pop("a_year")
    table["families"] = table[[f"holds_{name}" for name in policy.families.names]].sum(axis=1)
    table["families"] = table["families"].astype("int8")
    borders = [cents(tier.lower) for tier in policy.tiers.tiers[1:]]
    table["tier"] = np.searchsorted(borders, table["average"], side="right").astype("int8")
    acted = table.pop("moved_lately") | table.pop("matured_lately")
    small = table["end"] < cents(policy.dormancy.cap or 0)
    dormant = small & ~table.pop("exempt")
    place = np.select([acted & ~small, acted, ~dormant], [0, 1, 2], 3)
    table["status"] = pd.Categorical.from_codes(place, list(STATUSES))
    return table.drop(columns="obliged")


def _customers(asked: Asked, days: Days) -> Frame:
    """Return the customers in scope on today's structure."""
    policy, as_of = asked.policy, pd.Timestamp(days.as_of)
    columns = [
        "customer_id", "branch_id", "customer_type", "relationship_since", "closed_on",
        "last_active_on", *_AMOUNTS, "loan_balance", "profile_complete", "exclusion",
        "do_not_contact",
    ]  # fmt: skip
    categories = ["branch_id", "customer_type", "exclusion"]
    table = read(asked.files("customers"), columns, categories, as_of=days.as_of)
    stays = table["closed_on"].isna() | (table["closed_on"] > as_of)
    table = table[table["customer_type"].isin(policy.customer_types) & stays]
    branches = pd.CategoricalDtype(sorted(asked.csv("branches")["branch_id"]))
    successors = asked.successors()
    issued = table["branch_id"].astype(branches)
    told = {
        "customer_id": table["customer_id"],
        "branch_id": issued.map(lambda one: successors.get(one, one)).astype(branches),
        "issued_branch_id": issued,
        "a_year": table["relationship_since"] <= pd.Timestamp(days.established),
        "moved_lately": table["last_active_on"] > pd.Timestamp(days.idle),
        "profiled": table["profile_complete"].eq(True),
        "contactable": ~table["exclusion"].isin(policy.coverage.never_contact)
        & ~table["do_not_contact"].eq(True),
        "loan_balance": table["loan_balance"],
    }
    money = {to: (table[of] * 100).round().astype("int64") for of, to in _AMOUNTS.items()}
    return pd.DataFrame(told | money)


def _held(asked: Asked, days: Days) -> Frame:
    """Return what each customer holds: flags that one account suffices for, and new accounts."""
    columns = ["customer_id", "product", "balance", "opened_on", "matures_on", "last_active_on",
               "used_recently"]  # fmt: skip
    accounts = read(asked.files("holdings"), columns, ["product"], as_of=days.as_of)
    flags = _account_flags(accounts, asked.policy, days)
    openings = _openings(accounts, flags, asked.policy, days)
    customer = accounts["customer_id"]
    del accounts
    held = flags.groupby(customer, sort=False).max()
    new = openings[openings.any(axis=1)]
    counted = new.groupby(customer[new.index]).sum()
    return held.join(counted).fillna(dict.fromkeys(counted, 0))


def _account_flags(accounts: Frame, policy: Policy, days: Days) -> Frame:
    """Return what each account shows."""
    as_of, idle = pd.Timestamp(days.as_of), pd.Timestamp(days.idle)
    matures, product = accounts["matures_on"], accounts["product"]
    shown = {
        "balance": accounts["balance"] > 0,
        "in_force": matures > as_of,
        "used": accounts["used_recently"].eq(True),
    }

    def active(products: Iterable[str], evidence: Iterable[str]) -> Any:
        of_family = product.isin(list(products))
        found = [shown[name] for name in evidence if name in shown]
        return of_family & np.logical_or.reduce(found) if found else of_family

    families, channels = policy.families.families, policy.families.channels
    flags = {f"holds_{one.name}": active(one.products, one.active_if) for one in families}
    flags |= {f"uses_{one.name}": active(one.products, one.active_if) for one in channels}
    unmatured = (product == "time_deposit") & shown["balance"] & ~(matures <= as_of)
    exempt = [active([name], evidence) for name, evidence in exempting(policy).items()]
    return pd.DataFrame(flags | {
        "obliged": np.logical_or.reduce([active(one.products, one.active_if) for one in OBLIGING]),
        "exempt": np.logical_or.reduce([unmatured, *exempt]),
        "matured_lately": (matures > idle) & (matures <= as_of),
    })  # fmt: skip


def _openings(accounts: Frame, flags: Frame, policy: Policy, days: Days) -> Frame:
    """Return which accounts came of age in the quarter, and which of them nobody uses."""
    opened = accounts["opened_on"]
    families = [f"holds_{name}" for name in policy.families.names]
    used = flags[families].any(axis=1) | (accounts["last_active_on"] > opened)
    products = [product for one in policy.families.families for product in one.products]
    counts = accounts["product"].isin(products)
    columns = {}
    for age, (first, last) in days.came_of_age.items():
        new = counts & (opened > pd.Timestamp(first)) & (opened <= pd.Timestamp(last))
        columns |= {f"opened_{age}": new, f"unused_{age}": new & ~used}
    return pd.DataFrame(columns)


def _compared(facts: Frame) -> Frame:
    """Return what is compared between two dates."""
    names = ["customer_id", "branch_id", "issued_branch_id", "average", "end", "tier", "funded",
             "funded_by_end", "effective"]  # fmt: skip
    return facts[names].assign(
        asleep=facts["funded"] & (facts["status"] == "dormant"),
        awake=facts["funded"] & facts["status"].isin(["active", "active_small"]),
    )


def read(files: list[str], columns: list[str], categories: list[str], *,
         as_of: date | None = None) -> Frame:  # fmt: skip
    """Read columns of Parquet files, money as floats and dates as dates, of one date if any."""
    filters = None if as_of is None else [("as_of", "=", as_of)]
    table = pq.read_table(files, columns=columns, filters=filters, read_dictionary=categories)
    for place, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            amount = table.column(place).cast(pa.float64())
            table = table.set_column(place, field.name, amount)
    frame: Frame = table.to_pandas(date_as_object=False, self_destruct=True, split_blocks=True)
    return frame
