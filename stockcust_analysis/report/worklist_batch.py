"""The monthly rhythm: every branch's work lists from a bank's extracts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.frames import as_lazy, collect_rows
from stockcust_analysis.errors import FileInUseError, UsageError
from stockcust_analysis.evaluation.worklists import bank_worklist_facts, listed
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import Policy, load_policy
from stockcust_analysis.report.plan import ReportOptions
from stockcust_analysis.report.render import PageJob
from stockcust_analysis.report.slices import folder_name
from stockcust_analysis.report.staging import Staged
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
    FileInUseError
        Some cannot be replaced, as those open elsewhere; all others are written.
    """
    facts = bank.materialize(bank_worklist_facts(bank, as_of=as_of, policy=policy))
    lists, counts = listed(facts, as_of=as_of, policy=policy)
    names = _branch_names(bank)
    present = sorted(counts["branch_id"].unique())
    for branch in branches:
        if branch not in present:
            raise UsageError.unknown(f"branch on {as_of}", branch, present)
    files: list[Path] = []
    in_use: list[FileInUseError] = []
    for branch in branches or present:
        path = out / folder_name(branch) / WORKLISTS
        ours = (frame[frame["branch_id"] == branch] for frame in (lists, counts))
        try:
            write_worklists(path, *ours, branch_name=names.get(branch, branch), policy=policy,
                            as_of=as_of, language=language)  # fmt: skip
            files.append(path)
        except FileInUseError as error:
            in_use.append(error)
    if in_use:
        raise FileInUseError([path for error in in_use for path in error.files], in_use[0].reason)
    return files


def lists_beside_pages(
    bank: Bank, ready: Staged, jobs: Sequence[PageJob], options: ReportOptions
) -> dict[str, str]:
    """Write the work lists that are missing or old, beside the pages that are there.

    Return the branches whose lists are open elsewhere, with the error that says so.
    """
    listed = set(ready.evaluation.worklists.get("branch_id", ()))
    wanted = [
        job for job in jobs
        if job.branch_id in listed
        and job.record.exists()
        and (ready.is_new or not (job.folder / WORKLISTS).exists())
    ]  # fmt: skip
    if not wanted:
        return {}
    try:
        make_worklists(
            bank, as_of=Quarter.parse(options.quarter).end, policy=load_policy(options.policy),
            out=wanted[0].folder.parent, branches=[job.branch_id for job in wanted],
            language=options.language,  # type: ignore[arg-type]
        )  # fmt: skip
    except FileInUseError as error:
        folders = {Path(str(file)).parent for file in error.files}
        return {job.branch_id: str(error) for job in wanted if job.folder in folders}
    return {}


def _branch_names(bank: Bank) -> dict[str, str]:
    """Return branch → its name."""
    rows = collect_rows(as_lazy(bank.table("branches")).select("branch_id", "name"))
    return dict(zip(rows["branch_id"], rows["name"], strict=True))
