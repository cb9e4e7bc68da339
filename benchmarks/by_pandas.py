"""The headline measures in pandas, as an analyst would write them who minds memory.

Only the columns that are needed are read, one date at a time; branches and products are
categories, money is whole cents, and everything asked of a group is asked in one `groupby`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import headline
from benchmarks.headline import BANK, FAMILIES, STATUSES, files

_BORDERS = [100_00, 10_000_00, 50_000_00, 500_000_00, 6_000_000_00]
_ANSWERED = ("reached", "appointment", "visit", "sale", "refused")
_UNTOUCHABLE = ("deceased", "frozen", "staff", "minor")
_CATEGORIES = ("branch_id", "customer_type", "exclusion", "product")
_FLAGS = ["funded", "funded_by_end", "effective"]
_COMPARED = ["customer_id", "branch", "tier", "average_cents", "end_cents", *_FLAGS]
Frame = pd.DataFrame


def answer(folder: Path, quarter: str, *, memory_limit: str = "") -> headline.Sums:
    """Return the sums of a bank's quarter and the one before; pandas knows no memory limit."""
    ends, levels, concentration = headline.period_ends(quarter), {}, {}
    merged, compared = headline.successors(folder, ends[quarter]), []
    for name, as_of in ends.items():
        facts = _facts(folder, as_of, merged)
        levels[name] = _levels(facts)
        funded = facts.loc[facts["funded"], ["branch", "end_cents"]]
        by_branch = _concentration(funded).reindex(levels[name]["branch"])
        ranked = pd.concat([by_branch, _concentration(funded.assign(branch=BANK))])
        ranked = ranked.rename_axis("branch").reset_index()
        concentration[name] = ranked.fillna({c: 0 for c in ranked if c != "holders_of_80"})
        compared.append(facts[_COMPARED])
        del facts, funded
    return headline.Sums(levels, concentration, _pairs(*compared))


def _read(names: list[str], columns: list[str], as_of: pd.Timestamp | None = None) -> Frame:
    """Read columns of Parquet files, of one date if any; money as floats."""
    filters = None if as_of is None else [("as_of", "=", as_of.date())]
    texts = [name for name in columns if name in _CATEGORIES]
    table = pq.read_table(names, columns=columns, filters=filters, read_dictionary=texts)
    for position, column in enumerate(table.schema):
        if pa.types.is_decimal(column.type):
            money = table.column(position).cast(pa.float64())
            table = table.set_column(position, column.name, money)
    frame: Frame = table.to_pandas(date_as_object=False, self_destruct=True, split_blocks=True)
    return frame


def _facts(folder: Path, as_of: pd.Timestamp, merged: dict[str, str]) -> Frame:
    """Return one row per customer in scope of a date, with what is counted."""
    columns = ["customer_id", "branch_id", "customer_type", "closed_on", "last_active_on"]
    columns += ["aum_period_end", "aum_average_quarter", "loan_balance"]
    table = _read(files(folder, "customers"), [*columns, "exclusion", "do_not_contact"], as_of)
    leaves = table.pop("closed_on") <= as_of
    table = table[table.pop("customer_type").isin(["personal", "sole_trader"]) & ~leaves]
    idle = as_of - pd.offsets.MonthEnd(6)
    held = _holdings(folder, as_of, idle)
    table = table.merge(held, how="left", left_on="customer_id", right_index=True)
    table[held.columns] = table[held.columns].eq(True)
    branch = table.pop("branch_id").astype(str)
    table["branch"] = branch.map(lambda b: merged.get(b, b)).astype("category")
    for to, money in (("end_cents", "aum_period_end"), ("average_cents", "aum_average_quarter")):
        table[to] = (table.pop(money) * 100).round().astype("int64")
    obliged = (table.pop("loan_balance") > 0) | table["loan"] | table["insurance"]
    table["funded"] = (table["average_cents"] >= 100_00) | obliged
    table["funded_by_end"] = (table["end_cents"] >= 100_00) | obliged
    table["effective"] = table["average_cents"] >= 10_000_00
    table["tier"] = np.searchsorted(_BORDERS, table["average_cents"], side="right").astype("int8")
    table["families"] = table[list(FAMILIES)].sum(axis=1).astype("int8")
    acted = (table.pop("last_active_on") > idle) | table.pop("matured")
    small = table["end_cents"] < 500_00
    status = np.select([acted & ~small, acted, ~small | table.pop("exempt")], [0, 1, 2], 3)
    table["status"] = pd.Categorical.from_codes(status, list(STATUSES))
    return _with_service(table, folder, as_of)


def _holdings(folder: Path, as_of: pd.Timestamp, idle: pd.Timestamp) -> Frame:
    """Return what each customer holds: one account suffices."""
    columns = ["customer_id", "product", "balance", "matures_on", "used_recently"]
    accounts = _read(files(folder, "holdings"), columns, as_of)
    product, matures = accounts["product"], accounts["matures_on"]
    filled, used = accounts["balance"] > 0, accounts["used_recently"].eq(True)
    flags = {
        "deposit": product.isin(["demand_deposit", "time_deposit"]) & filled,
        "wealth": (product == "wealth") & filled,
        "fund": (product == "fund") & filled,
        "insurance": (product == "insurance") & (filled | (matures > as_of)),
        "bond_metal": product.isin(["bond", "metal"]) & filled,
        "loan": (product == "loan") & filled,
        "credit_card": (product == "credit_card") & (filled | used),
        "merchant_acquiring": (product == "merchant_acquiring") & used,
        "payroll": (product == "payroll") & used,
        "matured": (matures > idle) & (matures <= as_of),
    }
    flags["exempt"] = (product == "time_deposit") & filled & ~(matures <= as_of)
    flags["exempt"] |= product == "social_security_card"
    for name in ("loan", "insurance", "merchant_acquiring", "payroll"):
        flags["exempt"] |= flags[name]
    return pd.DataFrame(flags).groupby(accounts["customer_id"], sort=False).max()


def _with_service(table: Frame, folder: Path, as_of: pd.Timestamp) -> Frame:
    """Add who is managed, who was to be spoken to in three months, and who was."""
    quiet, customer = as_of - pd.offsets.MonthEnd(3), table["customer_id"]
    exclusion, refuses = table.pop("exclusion"), table.pop("do_not_contact").eq(True)
    assigned = _read(files(folder, "assignments"), ["customer_id", "valid_from", "valid_to"])
    table["managed"], managed_before = (
        customer.isin(assigned.query("valid_from <= @day and not valid_to < @day")["customer_id"])
        for day in (as_of, quiet)
    )
    contacts = _read(files(folder, "contacts"), ["customer_id", "contacted_on", "outcome"])
    recent = (contacts["contacted_on"] > quiet) & (contacts["contacted_on"] <= as_of)
    answered = contacts.loc[recent & contacts["outcome"].isin(_ANSWERED), "customer_id"]
    contactable = ~exclusion.isin(_UNTOUCHABLE) & ~refuses
    table["coverable"] = table["managed"] & managed_before & contactable
    return table.assign(covered=table["coverable"] & customer.isin(answered))


def _levels(facts: Frame) -> Frame:
    """Return the sums of one date by branch."""
    average, end, funded = facts["average_cents"], facts["end_cents"], facts["funded"]
    sums = {"customers_managed": facts["managed"], "families": facts["families"].where(funded, 0)}
    among = {"all": average >= 0, "funded": funded, "effective": facts["effective"]}
    for base, inside in among.items():
        sums |= {f"customers_{base}": inside, f"end_{base}_cents": end.where(inside, 0)}
        sums[f"average_{base}_cents"] = average.where(inside, 0)
        for status in STATUSES if base != "effective" else ():
            found = inside & (facts["status"] == status)
            sums |= {f"{status}_{base}": found, f"{status}_{base}_cents": end.where(found, 0)}
    sums |= {f"at_least_{k}": funded & (facts["families"] >= k) for k in (2, 3, 4)}
    sums |= {f"holds_{family}": funded & facts[family] for family in FAMILIES}
    for position, tier in enumerate(headline.TIERS):
        inside = facts["tier"] == position
        sums |= {f"tier_{tier}": inside, f"tier_{tier}_cents": average.where(inside, 0)}
    managed, entitled = facts["managed"] & funded, funded & (average >= 50_000_00)
    sums |= {"managed": managed, "managed_cents": average.where(managed, 0), "entitled": entitled}
    sums |= {"entitled_managed": managed & entitled, "coverable": facts["coverable"]}
    sums["covered"] = facts["covered"]
    by_branch = pd.DataFrame(sums).groupby(facts["branch"], observed=True).sum()
    return by_branch.reset_index().astype({"branch": str})


def _concentration(funded: Frame) -> Frame:
    """Return the sums of concentration by branch: customers by rising balance."""
    ranked = funded.sort_values(["branch", "end_cents"], ignore_index=True)
    x, grouped = ranked["end_cents"], ranked.groupby("branch", observed=True)["end_cents"]
    n, total = grouped.transform("size"), grouped.transform("sum")
    i, running = grouped.cumcount() + 1, grouped.cumsum()
    crosses = (5 * running > total) & (5 * (running - x) <= total)
    part = ((total - 5 * (running - x)) / (5.0 * x)).where(crosses, 0)
    sums = {"ranked": n > 0, "ranked_cents": x, "gini_cents": (2 * i - n - 1) / n * x}
    sums["holders_of_80"] = (5 * running > total) - part
    for percent in headline.TOPS:
        inside = (n * percent - 100 * (n - i)).clip(0, 100)
        sums[f"top_{percent}_share_cents"] = inside * x / 100
    by_branch = pd.DataFrame(sums).groupby(ranked["branch"], observed=True).sum()
    by_branch["holders_of_80"] = by_branch["holders_of_80"].where(by_branch["ranked_cents"] > 0)
    return by_branch.set_axis(by_branch.index.astype(str))


def _pairs(opening: Frame, closing: Frame) -> Frame:
    """Return the customers of either date by branches, tiers and what became of them."""
    both = opening.merge(closing, "outer", on="customer_id", suffixes=("_o", "_c"), indicator=True)
    opens, closes = both["_merge"] != "right_only", both["_merge"] != "left_only"
    for date, other in (("_o", "_c"), ("_c", "_o")):
        for name in _FLAGS:
            both[name + date] = both[name + date].eq(True)
        for name in ("average_cents", "end_cents"):
            both[name + date] = both[name + date].fillna(0).astype("int64")
        both["tier" + date] = both["tier" + date].fillna(both["tier" + other])
        both["branch" + date] = both["branch" + date].astype(object)
    old, new, before, after = (both[n] for n in ("branch_o", "branch_c", "funded_o", "funded_c"))
    opening_end, closing_end = both["end_cents_o"], both["end_cents_c"]
    had, has = both["funded_by_end_o"], both["funded_by_end_c"]
    order = [~opens, ~closes, had & ~has, has & ~had]
    order += [closing_end > opening_end, closing_end < opening_end]
    states = ["new", "closed", "drained", "returned", "grown", "shrunk"]
    keys = {
        "opening_branch": old.fillna(new),
        "closing_branch": new.fillna(old),
        "opening_tier": both["tier_o"],
        "closing_tier": both["tier_c"],
        "state": np.select(order, states, "unchanged"),
        "came": np.select([~opens, closes & after & ~before], ["NEW", "RETURNED"], ""),
        "went": np.select([~closes, opens & before & ~after], ["CLOSED", "DRAINED"], ""),
    }
    average, later = both["average_cents_o"], both["average_cents_c"]
    sums = {"customers": opens | closes, "opens": opens, "closes": closes}
    sums |= {"opening_cents": average, "opening_end_cents": opening_end}
    sums |= {"closing_cents": later, "closing_end_cents": closing_end}
    for base in ("funded", "effective"):
        inside = both[f"{base}_o"]
        sums |= {f"opens_{base}": inside, f"retained_{base}": inside & both[f"{base}_c"]}
        sums[f"opening_{base}_cents"] = average.where(inside, 0)
        sums[f"kept_{base}_cents"] = np.minimum(average, later).where(inside, 0)
    labels = pd.DataFrame(keys).astype("category")
    named = pd.DataFrame(sums).groupby([labels[key] for key in keys], observed=True).sum()
    return named.reset_index().astype(dict.fromkeys(keys, object))
