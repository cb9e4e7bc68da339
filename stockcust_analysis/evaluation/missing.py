"""The evaluation with all that pages show, and how one that is missing is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stockcust_analysis.bank.source import Bank, open_bank
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.evaluate import Steps, evaluate
from stockcust_analysis.evaluation.results import WORKING_FOLDERS, Evaluation, open_evaluation
from stockcust_analysis.evaluation.worklists import worklist_tables
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import DEFAULT, load_policy


def evaluate_with_lists(
    bank: Bank,
    *,
    quarter: str,
    policy: str = DEFAULT,
    first_quarter: bool = False,
    sizes: bool = False,
    progress: Steps = lambda done, total: None,
) -> Evaluation:
    """Return all that a quarter's pages show: what `evaluate` computes, and the work lists."""
    evaluation = evaluate(
        bank,
        quarter=quarter,
        policy=policy,
        first_quarter=first_quarter,
        sizes=sizes,
        progress=progress,
    )
    lists, outcomes = worklist_tables(bank, quarter=evaluation.quarter, policy=load_policy(policy))
    return replace(evaluation, worklists=lists, outcomes=outcomes)


def make_missing_evaluation(
    folder: str | Path, *, data: str | Path, progress: Steps = lambda done, total: None
) -> Evaluation:
    """Make the evaluation that a notebook asks for from a bank beside it, and keep it for the next.

    Parameters
    ----------
    folder
        Such as "reports/2026Q3/evaluation"; the folder around it names the quarter. A relative
        path lies in the working folder or in the one above, whichever holds the bank.
    data
        The bank's folder, relative to the same place.
    progress
        Told how many of all steps are done.

    Raises
    ------
    UsageError
        None can be made: the folder's name tells no quarter, there is no such bank, or the folder
        lies elsewhere.
    """
    root = next((place for place in WORKING_FOLDERS if (place / data).is_dir()), None)
    # Nowhere else: a mistyped path must not fill with the figures of another bank.
    if root is None or not (root / folder).resolve().is_relative_to(root.resolve()):
        return open_evaluation(folder)
    with open_bank(root / data) as bank:
        made = evaluate_with_lists(bank, quarter=_quarter_of(Path(folder)), progress=progress)
    made.save(root / folder)
    return open_evaluation(root / folder)


def _quarter_of(folder: Path) -> str:
    """Return the quarter that the folder around an evaluation is named for."""
    try:
        return str(Quarter.parse(folder.parent.name))
    except UsageError:
        raise UsageError(
            f"'{folder}' holds no evaluation, and its name does not say of which quarter to make "
            "one. Give a folder like reports/2026Q3/evaluation."
        ) from None
