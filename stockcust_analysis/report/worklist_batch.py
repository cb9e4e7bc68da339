"""The monthly rhythm: every branch's work lists from a bank's extracts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.facts import customer_facts
from stockcust_analysis.measures.frames import Frame, collected, lazily
from stockcust_analysis.measures.hold_out import hold_out
from stockcust_analysis.measures.structure import on_structure
from stockcust_analysis.measures.worklist_facts import worklist_facts
from stockcust_analysis.measures.worklists import worklist_counts, worklists
from stockcust_analysis.periods import cutoff
from stockcust_analysis.policy import Policy
from stockcust_analysis.report.slices import folder_name
from stockcust_analysis.report.worklists import Language, write_worklists

_MONTHS_BEFORE = 3


def make_worklists(
    bank: Bank, *, as_of: date, policy: Policy, out: Path, branches: Sequence[str] = (),
    language: Language = "zh",
) -> list[Path]:  # fmt: skip
    """Write the work lists of every branch as of a month's end, and return the files.

    Parameters
    ----------
    bank
        As opened by `open_bank`.
    as_of
        A day of which the bank has customers and holdings.
    policy
        Rules in force; with a `hold_out_share` that part of the customers is on no sheet.
    out
        Folder; a branch's workbook is `<out>/<branch_id>/worklists.xlsx`.
    branches
        Only these; all that have customers when empty.
    language
        "zh" or "en".

    Raises
    ------
    UsageError
        No snapshot of that day, or no such branch.
    """
    facts = bank.keep(bank_worklist_facts(bank, as_of=as_of, policy=policy))
    lists, counts = listed(facts, as_of=as_of, policy=policy)
    names = _branch_names(bank)
    present = sorted(counts["branch_id"].unique())
    for branch in branches:
        if branch not in present:
            raise UsageError.unknown(f"branch on {as_of}", branch, present)
    files = []
    for branch in branches or present:
        path = out / folder_name(branch) / "worklists.xlsx"
        ours = (frame[frame["branch_id"] == branch] for frame in (lists, counts))
        write_worklists(path, *ours, branch_name=names.get(branch, branch), policy=policy,
                        as_of=as_of, language=language)  # fmt: skip
        files.append(path)
    return files


def listed(facts: Frame, *, as_of: date, policy: Policy) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all branches' lists, with `held_out` if the policy holds any out, and the counts."""
    lists = worklists(facts, policy=policy, as_of=as_of)
    rule = policy.worklists
    if rule.hold_out_share:
        lists = hold_out(lists, share=rule.hold_out_share, seed=rule.hold_out_seed)
    return lists, worklist_counts(facts, policy=policy)


def bank_worklist_facts(bank: Bank, *, as_of: date, policy: Policy) -> Frame:
    """Return what the lists of a day look at, branches as they are on that day.

    Where the bank has customers of three months before, money that is leaving shows.
    """
    days = _snapshots(bank)
    if as_of not in days:
        raise UsageError.unknown("as-of date", as_of, days)
    before = cutoff(as_of, _MONTHS_BEFORE)
    tables = {
        name: bank.table(name) if name in bank.columns else None
        for name in ("assignments", "contacts", "managers")
    }
    opening = _facts(bank, before, as_of, policy) if before in days else None
    facts, holdings = _facts(bank, as_of, as_of, policy), bank.snapshot("holdings", as_of=as_of)
    return worklist_facts(facts, holdings, policy=policy, as_of=as_of, opening=opening, **tables)


def _facts(bank: Bank, day: date, as_of: date, policy: Policy) -> Frame:
    """Return the customer facts of a day, branches as they are on the as-of date."""
    customers, holdings = (bank.snapshot(name, as_of=day) for name in ("customers", "holdings"))
    if "branch_successors" in bank.columns:
        customers = on_structure(customers, bank.table("branch_successors"), as_of=as_of)
    contacts = bank.table("contacts") if "contacts" in bank.columns else None
    facts = customer_facts(customers, holdings, policy=policy, as_of=day, contacts=contacts)
    return bank.keep(facts)


def _snapshots(bank: Bank) -> set[date]:
    """Return the days of which the bank has customers and holdings."""
    customers, holdings = (
        collected(lazily(bank.table(name)).select("as_of").unique())["as_of"]
        for name in ("customers", "holdings")
    )
    return {day.date() for day in set(customers) & set(holdings)}


def _branch_names(bank: Bank) -> dict[str, str]:
    """Return branch → its name."""
    rows = collected(lazily(bank.table("branches")).select("branch_id", "name"))
    return dict(zip(rows["branch_id"], rows["name"], strict=True))
