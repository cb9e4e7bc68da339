"""The monthly rhythm: every branch's work lists from a bank's extracts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.worklists import bank_worklist_facts, listed
from stockcust_analysis.measures.frames import collected, lazily
from stockcust_analysis.policy import Policy
from stockcust_analysis.report.slices import folder_name
from stockcust_analysis.report.worklists import Language, write_worklists

WORKLISTS = "worklists.xlsx"


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
        path = out / folder_name(branch) / WORKLISTS
        ours = (frame[frame["branch_id"] == branch] for frame in (lists, counts))
        write_worklists(path, *ours, branch_name=names.get(branch, branch), policy=policy,
                        as_of=as_of, language=language)  # fmt: skip
        files.append(path)
    return files


def _branch_names(bank: Bank) -> dict[str, str]:
    """Return branch → its name."""
    rows = collected(lazily(bank.table("branches")).select("branch_id", "name"))
    return dict(zip(rows["branch_id"], rows["name"], strict=True))
