"""What stands around the measures: branches, targets, reconciliation, the rules in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.bank.tolerance import Part
from stockcust_analysis.core.calendar import PERIOD, Calendar
from stockcust_analysis.core.frames import Table, as_lazy, cents, collect_rows
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.evaluation.views import quarters_remembered
from stockcust_analysis.measures.population import aum_origins, successor_of
from stockcust_analysis.policy import Policy

_BRANCH = ("branch_id", "name", "region", "type", "opened_on")


def branches_of(bank: Bank) -> pd.DataFrame:
    """Return the branches that the bank delivers, in order of their numbers.

    A region or type that is not delivered is empty.
    """
    table = as_lazy(bank.table("branches"))
    names = table.collect_schema().names()
    frame = pd.DataFrame(collect_rows(table.select(name for name in _BRANCH if name in names)))
    for name in ("region", "type"):
        values = frame.get(name, pd.Series("", index=frame.index))
        frame[name] = values.astype(object).fillna("").astype("str")
    if "opened_on" in frame:
        opened = pd.to_datetime(frame["opened_on"])
        frame["opened_on"] = opened.dt.strftime("%Y-%m-%d").fillna("")
    return frame.sort_values("branch_id", ignore_index=True)


def targets_of(bank: Bank, quarter: Quarter) -> pd.DataFrame:
    """Return what the branches are to reach this quarter; empty when the bank sets no targets."""
    names = ["branch_id", "quarter", "measure", "target"]
    if "targets" not in bank.columns:
        return pd.DataFrame(columns=names).astype({"target": float})
    table = as_lazy(bank.table("targets")).filter(nw.col("quarter") == str(quarter))
    frame = pd.DataFrame(collect_rows(table.select(names)))
    return frame.sort_values(["branch_id", "measure"], ignore_index=True)


def reconciliation(bank: Bank, policy: Policy, quarter: Quarter) -> pd.DataFrame:
    """Return totals that must agree: assets by customer, by account and in the ledger, in CNY."""
    aum = nw.col("product").is_in(policy.families.aum_products)
    holdings = as_lazy(bank.snapshot("holdings", as_of=quarter.end))
    by_account = _total(holdings.filter(aum), "balance")
    rows = []
    if "aum_period_end" in bank.columns["customers"]:
        customers = as_lazy(bank.snapshot("customers", as_of=quarter.end))
        rows.append(("customers_and_accounts", _total(customers, "aum_period_end"), by_account))
    if "ledger" in bank.columns:
        ledger = Calendar((quarter.end,)).rows(as_lazy(bank.table("ledger")))
        rows.append(("ledger_and_accounts", _total(ledger.filter(aum), "balance"), by_account))
    table = pd.DataFrame(rows, columns=["check", "left", "right"])
    return table.assign(difference=(table["left"] - table["right"]).round(2))


def set_aside_of(bank: Bank, quarters: Sequence[Quarter]) -> pd.DataFrame:
    """Return what the bank's tolerance left out of these quarters, by branch and of the bank.

    Branches are those of the newest quarter. Of references `by_branch` every row has its branch.
    """
    ends, tables = [None, *(quarter.end for quarter in quarters)], []
    has_successors = bank.set_aside and "branch_successors" in bank.columns
    latest = quarters[-1].end
    now = successor_of(bank.table("branch_successors"), latest) if has_successors else {}
    for entry in bank.set_aside:
        parts = pd.DataFrame(
            [part for part in entry.parts if part.as_of in ends], columns=Part._fields
        )
        if entry.allowed is None or parts.empty:
            continue
        by_branch = bool(parts["branch_id"].notna().all())
        own = parts.assign(branch_id=parts["branch_id"].replace(now))
        both = pd.concat(
            [own[by_branch & own["branch_id"].notna()], parts.assign(branch_id=WHOLE_BANK)]
        )
        sizes = both.groupby("branch_id", as_index=False)[["rows", "cents"]].sum()
        amount = sizes.pop("cents") / 100
        sizes["amount"] = amount if entry.has_amount else float("nan")
        tables.append(sizes.assign(table=entry.table, column=entry.column, by_branch=by_branch))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _total(table: Table, name: str) -> float:
    """Return the sum of a CNY column, exact to the cent."""
    total = collect_rows(table.select(total=cents(name)).select(nw.col("total").sum()))["total"][0]
    return int(total or 0) / 100


def families_missing(
    bank: Bank, policy: Policy, quarters: Sequence[Quarter]
) -> dict[str, list[str]]:
    """Return, by quarter, the families and channels of which the bank delivers no product."""
    calendar = Calendar(tuple(quarter.end for quarter in quarters))
    holdings = calendar.rows(as_lazy(bank.table("holdings")))
    pairs = collect_rows(holdings.group_by(PERIOD, "product").agg(nw.len()))
    delivered = set(zip(pairs[PERIOD], pairs["product"], strict=True))
    rule = policy.families
    return {
        str(quarter): [
            family.name
            for family in (*rule.families, *rule.channels)
            if not any((period, product) in delivered for product in family.products)
        ]
        for period, quarter in enumerate(quarters)
    }


def without_families(table: pd.DataFrame, missing: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return measures or co-holding without what was not delivered: it is unknown, not 0."""
    gone = {(quarter, name) for quarter, names in missing.items() for name in names}
    if not gone:
        return table
    sides = ["member"] if "member" in table else ["family_a", "family_b"]
    dropped = pd.Series(False, index=table.index)
    for side in sides:
        dropped |= pd.MultiIndex.from_frame(table[["quarter", side]]).isin(gone)
    if "dimension" in table:
        dropped &= table["dimension"] == "family"
    return table[~dropped].reset_index(drop=True)


def policy_facts(
    policy: Policy, bank: Bank, quarter: Quarter, missing: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what a page prints of the rules it was made by, and of what was not delivered.

    `missing` are the families of which no product was.
    """
    rule, families = policy.dormancy, (*policy.families.families, *policy.families.channels)
    dormancy = ("name", "idle_months", "idle_days", "cap")
    return {
        "name": policy.name,
        "version": policy.version,
        "digest": policy.digest,
        **policy.members,
        "funded": policy.bases.funded,
        "effective": policy.bases.effective,
        "dormancy": {name: getattr(rule, name) for name in dormancy},
        "tier_memory": _memory_facts(policy, bank, quarter),
        "aum_from": aum_origins(bank.columns["customers"], bank.columns["holdings"]),
        "families_missing": [
            {name: getattr(family, name) for name in ("name", "zh", "en")}
            for family in families
            if family.name in missing
        ],
        "knows_tenure": "relationship_since" in bank.columns["customers"],
        "smallest_cell": policy.disclosure.smallest_cell,
    }


def _memory_facts(policy: Policy, bank: Bank, quarter: Quarter) -> dict[str, Any] | None:
    """Return what a page prints of the memory: its name, and the first quarter it looks at."""
    if policy.tier_memory is None:
        return None
    earlier = quarters_remembered(bank, policy, quarter.end, quarter.end)
    first = Quarter.ending_on(earlier[0]) if earlier else quarter
    return {"name": policy.tier_memory.name, "since": str(first)}
