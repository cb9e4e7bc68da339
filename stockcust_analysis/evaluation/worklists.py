"""The work lists in figures: what is to be done now, and what came of the lists a quarter ago.

The customers themselves stay on the lists; these tables hold counts and sums only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.calendar import PERIOD
from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import as_lazy, collect_rows
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.evaluation.views import customers_on
from stockcust_analysis.measures.hold_out import hold_out
from stockcust_analysis.measures.worklist_facts import worklist_facts
from stockcust_analysis.measures.worklist_outcomes import worklist_outcomes
from stockcust_analysis.measures.worklists import worklist_counts, worklists
from stockcust_analysis.periods import Quarter, cutoff
from stockcust_analysis.policy import Policy

WORKLIST_COLUMNS = ("branch_id", "list", "customers", "amount", "left_out", "listed", "due_on")
OUTCOME_COLUMNS = (
    "branch_id", "list", "evidence", "group", "measure", "base",
    "n", "numerator", "denominator", "value",
)  # fmt: skip
_MONTHS_BEFORE = 3
_OUTCOME_FACTS = (
    "customer_id", "status", "aum_period_end_cents", "contacted_on", "outcome",
)  # fmt: skip
_AT_ONCE = 5_000
"""Customers named in one query: databases refuse queries of any length."""
_NOT_A_TASK = ("set_aside",)
_NOTABLE = 0.001


def worklist_tables(
    bank: Bank, *, quarter: Quarter, policy: Policy
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what every list asks of every branch now, and what last quarter's lists brought.

    Returns
    -------
    worklists
        `branch_id, list, customers, amount` (CNY at stake), `left_out, listed` (on the sheet),
        `due_on` (the first day something is due); the whole bank as "@bank".
    outcomes
        The measures of `worklist_outcomes` by branch, on today's structure; empty where the bank
        delivers no contacts, or no customers of the quarter before.
    """
    facts = bank.materialize(bank_worklist_facts(bank, as_of=quarter.end, policy=policy))
    lists, counts = listed(facts, as_of=quarter.end, policy=policy)
    outcomes = pd.DataFrame(columns=OUTCOME_COLUMNS)
    if "contacts" in bank.columns and quarter.previous in bank.quarters:
        outcomes = _outcomes(bank, facts, quarter, policy)
    return _told(lists, counts), outcomes


def listed(facts: Frame, *, as_of: date, policy: Policy) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all branches' lists, with `held_out` if the policy holds any out, and the counts."""
    lists = worklists(facts, policy=policy, as_of=as_of)
    rule = policy.worklists
    if rule.hold_out_share:
        lists = hold_out(lists, share=rule.hold_out_share, seed=rule.hold_out_seed)
    return lists, worklist_counts(facts, policy=policy)


def bank_worklist_facts(
    bank: Bank, *, as_of: date, policy: Policy, structure: date | None = None
) -> Frame:
    """Return what the lists of a day look at, branches as they are on that day or on another.

    Where the bank has customers of three months before, money that is leaving shows.
    """
    days = bank.days("customers") & bank.days("holdings")
    if as_of not in days:
        raise UsageError.unknown("as-of date", as_of, days)
    before, today = cutoff(as_of, _MONTHS_BEFORE), structure or as_of
    tables = {
        name: bank.table(name) if name in bank.columns else None
        for name in ("assignments", "contacts", "managers")
    }
    opening = _facts(bank, before, today, policy) if before in days else None
    facts, holdings = _facts(bank, as_of, today, policy), bank.snapshot("holdings", as_of=as_of)
    return worklist_facts(facts, holdings, policy=policy, as_of=as_of, opening=opening, **tables)


def _told(lists: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Return the counts with what is on the sheets, for every branch and for the whole bank."""
    shown = lists[lists["held_out"] == 0] if "held_out" in lists else lists
    sheets = shown.groupby(["branch_id", "list"], as_index=False).agg(
        listed=("customer_id", "size"), due_on=("due_date", "min")
    )
    table = counts.rename(columns={"amount_at_stake": "amount"})
    table = table.merge(sheets, how="left", on=["branch_id", "list"], validate="1:1")
    table["listed"] = table["listed"].fillna(0).astype("int64")
    table["due_on"] = ["" if pd.isna(day) else str(day)[:10] for day in table["due_on"]]
    order = {name: place for place, name in enumerate(counts["list"].unique())}
    sums = ["customers", "amount", "left_out", "listed"]
    whole = table.groupby("list", as_index=False)[sums].sum().assign(branch_id=WHOLE_BANK)
    table = pd.concat([table, whole.assign(due_on="")], ignore_index=True)
    table = table.assign(place=table["list"].map(order)).sort_values(["branch_id", "place"])
    return table[list(WORKLIST_COLUMNS)].reset_index(drop=True)


def _outcomes(bank: Bank, closing: Frame, quarter: Quarter, policy: Policy) -> pd.DataFrame:
    """Return what became of the customers of the lists of the previous quarter's end."""
    then = quarter.previous.end
    opening = bank.materialize(
        bank_worklist_facts(bank, as_of=then, policy=policy, structure=quarter.end)
    )
    lists, _ = listed(opening, as_of=then, policy=policy)
    who = sorted(set(lists["customer_id"]))
    tables = {"contacts": bank.table("contacts"), "opening": opening, "closing": closing}
    frames = {name: _of_listed(table, who) for name, table in tables.items()}
    found = [
        pd.DataFrame(
            worklist_outcomes(
                lists, frames["contacts"], opening=frames["opening"], closing=frames["closing"],
                listed_on=then, as_of=quarter.end, by=by,
            )
        )
        for by in (["branch_id"], None)
    ]  # fmt: skip
    table = pd.concat([found[0], found[1].assign(branch_id=WHOLE_BANK)], ignore_index=True)
    return table[list(OUTCOME_COLUMNS)]


def _of_listed(table: Frame, who: Sequence[str]) -> pd.DataFrame:
    """Return what outcomes look at, of the listed customers alone: no other row leaves the bank."""
    rows = as_lazy(table)
    present = [name for name in _OUTCOME_FACTS if name in rows.collect_schema().names()]
    rows = rows.select(present)
    parts = [
        pd.DataFrame(
            collect_rows(rows.filter(nw.col("customer_id").is_in(who[at : at + _AT_ONCE])))
        )
        for at in range(0, len(who), _AT_ONCE) or [0]
    ]
    return pd.concat(parts, ignore_index=True)


def _facts(bank: Bank, day: date, as_of: date, policy: Policy) -> Frame:
    """Return the customer facts of a day, branches as they are on the as-of date."""
    facts = customers_on(bank, policy, day, structure=as_of)
    return bank.materialize(facts.drop(PERIOD).to_native())


def most_pressing(
    table: pd.DataFrame, measures: pd.DataFrame, *, branch_id: str, most: int = 5
) -> pd.DataFrame:
    """Return what a branch is to do first, at most five things.

    What falls due before the end of the period comes first, by its day. Then come the lists on
    which the branch has more money at stake than a branch of its size has on average, by how much
    more (a thousandth of its assets and above); then the rest by the money at stake.

    Parameters
    ----------
    table
        `worklists` of `worklist_tables`, with the whole bank.
    measures
        Measure table with `aum_period_end` of all customers, of the branch and of the bank.
    branch_id, most
        Whose, and how many.

    Returns
    -------
    table
        The rows of the branch, in the order in which to do them; empty where there are no lists.
    """
    if table.empty:
        return table
    own = table[(table["branch_id"] == branch_id) & (table["customers"] > 0)]
    own = own[~own["list"].isin(_NOT_A_TASK)]
    if own.empty:
        return own
    assets = measures[(measures["measure"] == "aum_period_end") & (measures["base"] == "all")]
    assets = assets.sort_values("quarter").drop_duplicates("branch_id", keep="last")
    by_branch = assets.set_index("branch_id")["value"]
    assets_here = float(by_branch.get(branch_id, 0))
    part = assets_here / (float(by_branch.get(WHOLE_BANK, 0)) or 1.0)
    whole = table[table["branch_id"] == WHOLE_BANK].set_index("list")["amount"]
    more = own["amount"] - own["list"].map(whole).fillna(0) * part
    more = more.where(more >= _NOTABLE * assets_here, 0)
    early = own["due_on"].where(own["due_on"] < own["due_on"].max(), "9999")
    order = own.assign(early=early, more=more)
    order = order.sort_values(
        ["early", "more", "amount"], ascending=[True, False, False], kind="stable"
    )
    return order.head(most)[list(table.columns)]
