"""What stands around the measures: branches, targets, reconciliation, the rules in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.calendar import PERIOD, Calendar
from stockcust_analysis.core.frames import Table, after, as_lazy, cents, collect_rows, day
from stockcust_analysis.evaluation.views import quarters_remembered
from stockcust_analysis.measures.population import aum_origins
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import Policy


def branches_of(bank: Bank, present: Sequence[str]) -> pd.DataFrame:
    """Return the branches that have customers in scope, in order of their numbers.

    A region or type that is not delivered is empty.
    """
    table = as_lazy(bank.table("branches"))
    columns = [
        c for c in ("branch_id", "name", "region", "type", "opened_on") if c in table.columns
    ]
    frame = pd.DataFrame(collect_rows(table.select(columns)))
    for name in ("region", "type"):
        values = frame[name].astype(object).fillna("") if name in frame else ""
        frame[name] = pd.Series(values, index=frame.index, dtype="str")
    if "opened_on" in frame:
        opened = pd.to_datetime(frame["opened_on"])
        frame["opened_on"] = opened.dt.strftime("%Y-%m-%d").fillna("")
    kept = frame[frame["branch_id"].isin(present)]
    return kept.sort_values("branch_id", ignore_index=True)


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
        ledger = _of_day(as_lazy(bank.table("ledger")), quarter.end)
        rows.append(("ledger_and_accounts", _total(ledger.filter(aum), "balance"), by_account))
    table = pd.DataFrame(rows, columns=["check", "left", "right"])
    return table.assign(difference=(table["left"] - table["right"]).round(2))


def _of_day(ledger: Table, day_of: date) -> Table:
    """Return the ledger's rows of a day; none where it has not that day."""
    days = day(ledger, "as_of")
    return ledger.filter(after(days, day_of - timedelta(days=1)) & ~after(days, day_of))


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
    pairs = collect_rows(holdings.select(PERIOD, "product").unique())
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
        pairs = zip(table["quarter"], table[side], strict=True)
        dropped |= pd.Series([pair in gone for pair in pairs], index=table.index)
    if "dimension" in table:
        dropped &= table["dimension"] == "family"
    return table[~dropped].reset_index(drop=True)


def policy_facts(
    policy: Policy, bank: Bank, quarter: Quarter, missing: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what a page prints of the rules it was made by, and of what was not delivered.

    `missing` are the families of which no product was.
    """
    rule = policy.dormancy
    return {
        "name": policy.name,
        "version": policy.version,
        "digest": policy.digest,
        **policy.members,
        "funded": policy.bases.funded,
        "effective": policy.bases.effective,
        "dormancy": {
            "name": rule.name,
            "idle_months": rule.idle_months,
            "idle_days": rule.idle_days,
            "cap": rule.cap,
        },
        "tier_memory": _memory_facts(policy, bank, quarter),
        "aum_from": aum_origins(bank.columns["customers"], bank.columns["holdings"]),
        "families_missing": [
            {"name": family.name, "zh": family.zh, "en": family.en}
            for family in (*policy.families.families, *policy.families.channels)
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
