"""The evaluation of a quarter: all measures of all branches, with up to four quarters before it.

Quarters are measured together, in one pass over each view, grouped by quarter and branch. Only a
bank too large for that is measured quarter by quarter: one pass then saves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from stockcust_analysis.bank.source import Bank, open_bank
from stockcust_analysis.bank.suspicions import tell
from stockcust_analysis.core.calendar import Calendar
from stockcust_analysis.core.frames import Table, as_lazy, collect_rows
from stockcust_analysis.core.periods import Day, Quarter, as_quarter
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.comparison import comparison
from stockcust_analysis.evaluation.context import (
    branches_of,
    families_missing,
    policy_facts,
    reconciliation,
    set_aside_of,
    targets_of,
    without_families,
)
from stockcust_analysis.evaluation.measuring import (
    NO_CHANGES,
    Measured,
    Scope,
    aum_change,
    comparable_columns,
    measure_changes,
    measure_views,
)
from stockcust_analysis.evaluation.policy_check import check_policy_against, read_policy
from stockcust_analysis.evaluation.results import (
    MEASURE_COLUMNS,
    WHOLE_BANK,
    WORKING_FOLDERS,
    Evaluation,
    open_evaluation,
)
from stockcust_analysis.evaluation.scorecard import scorecard
from stockcust_analysis.evaluation.views import QUARTERS_BACK, views_of
from stockcust_analysis.evaluation.worklists import worklist_tables
from stockcust_analysis.measures.co_holding import CO_HOLDING, co_holding_table
from stockcust_analysis.measures.registry import specs_for, sum_view
from stockcust_analysis.policy import DEFAULT, Policy, load_policy

_ROWS_AT_ONCE = 2_000_000
"""Customer-quarters measured in one pass; above that one pass only costs memory."""
Steps = Callable[[int, int], None]
"""Called with the number of steps done, and of all steps."""


def evaluate(
    bank: Bank | str | Path | Any,
    *,
    quarter: Day,
    policy: Policy | str | Path = DEFAULT,
    first_quarter: bool = False,
    sizes: bool = False,
    progress: Steps = lambda done, total: None,
) -> Evaluation:
    """Compute every measure of every branch for a quarter and the four before it.

    Earlier quarters are restated on today's structure (可比口径): a branch that was merged away
    counts with the branch that took over. Corporate customers and those who have left are out of
    scope unless the policy says otherwise.

    Parameters
    ----------
    bank
        As opened by `open_bank`; or what that takes (a folder, a URL, …), opened and closed.
    quarter
        Such as "2026Q3"; its last day is the as-of date.
    policy
        Name of a shipped policy, a TOML file, or a policy.
    first_quarter
        State that the bank has no earlier quarter. Without it a missing previous quarter is an
        error, because every comparison would silently be empty.
    sizes
        Also compute the two largest customers behind each amount: what a circulated edition needs
        to decide what must be suppressed.
    progress
        Called with the number of steps done, and of all steps.

    Returns
    -------
    Evaluation
        Small pandas tables.

    Raises
    ------
    UsageError
        No such quarter, or none before it.
    PolicyError
        The policy cannot be followed.

    Examples
    --------
    >>> evaluation = evaluate("data/sample", quarter="2025Q3", first_quarter=True)
    >>> len(evaluation.branches)
    24
    """
    if not isinstance(bank, Bank):
        options: dict[str, Any] = {"policy": policy, "first_quarter": first_quarter}
        with open_bank(bank) as opened:
            return evaluate(opened, quarter=quarter, sizes=sizes, progress=progress, **options)
    target, rules = as_quarter(quarter), read_policy(policy)
    quarters = _quarters(bank, target, first_quarter)
    branches, targets = branches_of(bank), targets_of(bank, target)
    customers = as_lazy(bank.snapshot("customers", as_of=target.end)).select("branch_id").unique()
    present = branches["branch_id"].isin(collect_rows(customers)["branch_id"])
    check_policy_against(rules, branches=branches[present], targets=targets)
    chunks = _chunks(bank, rules, quarters)
    steps = len(chunks) + 2
    parts, compared, closing = _measure(bank, rules, chunks, target, sizes, progress)
    tables = NO_CHANGES | closing
    progress(len(chunks), steps)
    if len(compared) == 2:
        volumes = pd.concat([part.volume for part in parts])
        before, now = (volumes[volumes["quarter"] == str(q)] for q in (target.previous, target))
        scope = Scope(rules, Calendar((target.end,)), [target], sizes)
        changes, changed = measure_changes(bank, compared[0], compared[1], scope, now)
        tables |= changed
        parts += [changes, Measured(aum_change(before, now, target, rules), pd.DataFrame())]
    progress(len(chunks) + 1, steps)
    missing = families_missing(bank, rules, quarters)
    tell(_unused_families(rules, target, missing[str(target)]), bank.as_errors, bank.name)
    tables["co_holding"] = without_families(tables["co_holding"], missing)
    tables["set_aside"] = set_aside_of(bank, quarters)
    tables |= _standing(rules, parts, target, missing, branches, targets)
    progress(steps, steps)
    return Evaluation(
        quarter=target,
        bank_name=bank.name,
        policy_facts=policy_facts(rules, bank, target, missing[str(target)]),
        reconciliation=reconciliation(bank, rules, target),
        **tables,
    )


def _unused_families(
    policy: Policy, target: Quarter, missing: Sequence[str]
) -> list[tuple[str, str]]:
    """Return the suspicion of families that a policy adds to those shipped, and no row bears."""
    own, shipped = (
        {family.name for family in rules.families.families} for rules in (policy, load_policy())
    )
    words = "no holding of {} is of the family '{}' of {}"
    return [
        ("family_unused", words.format(target, name, policy.name))
        for name in missing
        if name in own - shipped
    ]


def _measure(
    bank: Bank,
    policy: Policy,
    chunks: Sequence[Calendar],
    target: Quarter,
    sizes: bool,
    progress: Steps,
) -> tuple[list[Measured], list[Table], dict[str, pd.DataFrame]]:
    """Return the measures of each chunk, the customers to compare, and the target's own tables.

    Compared are the customers of the previous quarter and of the target, where there are both.
    """
    parts, compared = [], list[Table]()
    both = [target.previous, target]
    for done, chunk in enumerate(chunks):
        progress(done, len(chunks) + 2)
        views = views_of(bank, policy, chunk, structure=target)
        parts.append(measure_views(bank, views, Scope(policy, chunk, both, sizes)))
        for quarter in both:
            if quarter.end in chunk.days and (compared or quarter != target):
                customers = views.customers_of(quarter)
                compared.append(comparable_columns(bank, customers, policy))
        if target.end in chunk.days:
            co_holding = _co_holding(views.customers_of(target), policy, target)
        views.release(bank)
    lorenz = _lorenz(parts[-1].lorenz, target)
    return parts, compared, {"co_holding": co_holding, "lorenz": lorenz}


def _quarters(bank: Bank, target: Quarter, first_quarter: bool) -> list[Quarter]:
    """Return the quarters to measure, oldest first."""
    delivered = bank.quarters
    if target not in delivered:
        raise UsageError.unknown("quarter", target, delivered)
    if target.previous not in delivered and not first_quarter:
        raise UsageError(
            f"{target} has no previous quarter: {target.previous} is not among the extracts "
            f"({', '.join(map(str, delivered))}). Deliver it, or state that there is none with "
            "--first-quarter, in Python first_quarter=True."
        )
    earliest = target.shifted(-QUARTERS_BACK)
    return [quarter for quarter in delivered if earliest <= quarter <= target]


def _chunks(bank: Bank, policy: Policy, quarters: Sequence[Quarter]) -> list[Calendar]:
    """Return the quarters in chunks that are measured in one pass."""
    days = len(bank.days("customers"))
    at_once = max(1, _ROWS_AT_ONCE * days // max(bank.rows("customers"), 1))
    if policy.tier_memory is not None:  # the tiers of a quarter remember those before
        at_once = len(quarters)
    ends = [quarter.end for quarter in quarters]
    # The newest quarters stand together: they are compared.
    starts = range(len(ends) % at_once or at_once, len(ends) + 1, at_once)
    return [Calendar(tuple(ends[max(0, stop - at_once) : stop])) for stop in starts]


def _lorenz(points: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    table = points.assign(quarter=str(quarter))
    table = table.sort_values("branch_id", kind="stable", ignore_index=True)
    return table[["quarter", "branch_id", "customer_share", "value_share"]]


def _co_holding(customers: Table, policy: Policy, quarter: Quarter) -> pd.DataFrame:
    """Return which families are held together, for every branch and the whole bank."""
    (spec,) = specs_for(customers, [CO_HOLDING])
    totals = sum_view(customers, [spec], policy, ["branch_id"])
    sums = pd.concat([totals[["branch_id"]], spec.own(totals)], axis=1)
    bank = sums.drop(columns="branch_id").sum().to_frame().T.assign(branch_id=WHOLE_BANK)
    sums = pd.concat([sums, bank], ignore_index=True).sort_values("branch_id", ignore_index=True)
    table = co_holding_table(sums, policy.families, ["branch_id"], spec.base)
    table.insert(0, "quarter", str(quarter))
    return table


def _standing(
    policy: Policy,
    parts: Sequence[Measured],
    target: Quarter,
    missing: Mapping[str, Sequence[str]],
    branches: pd.DataFrame,
    targets: pd.DataFrame,
) -> dict[str, pd.DataFrame]:
    """Return all measures, and how the branches stand by scorecard and comparison."""
    quarter = str(target)
    measures = pd.concat([part.measures for part in parts], ignore_index=True)
    # Members stay in the policy's order.
    order = ["quarter", "branch_id", "dimension", "measure", "base"]
    measures = measures.sort_values(order, kind="stable", ignore_index=True)
    measures = without_families(measures[list(MEASURE_COLUMNS)], missing)
    cells = pd.concat([part.cells for part in parts if len(part.cells)], ignore_index=True)
    reporting = measures.loc[measures["quarter"] == quarter, "branch_id"].unique()
    branches = branches[branches["branch_id"].isin(reporting)].reset_index(drop=True)
    card, scores = scorecard(measures, branches, targets=targets, policy=policy, quarter=quarter)
    compared = comparison(measures, branches, cells=cells, policy=policy, quarter=quarter)
    tables = {"measures": measures, "cells": cells, "branches": branches, "targets": targets}
    return tables | {"scorecard": card, "scores": scores, "comparison": compared}


def evaluate_with_lists(
    bank: Bank, *, quarter: str, policy: str = DEFAULT, **options: Any
) -> Evaluation:
    """Return all that a quarter's pages show: what `evaluate` computes, and the work lists."""
    rules = read_policy(policy)
    evaluation = evaluate(bank, quarter=quarter, policy=rules, **options)
    lists, outcomes = worklist_tables(bank, quarter=evaluation.quarter, policy=rules)
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
    root = next((path for path in WORKING_FOLDERS if (path / data).is_dir()), None)
    # Nowhere else: a mistyped path must not fill with the figures of another bank.
    if root is None or not (root / folder).resolve().is_relative_to(root.resolve()):
        return open_evaluation(folder)
    with open_bank(root / data) as bank:
        quarter = _quarter_of(Path(folder))
        evaluation = evaluate_with_lists(bank, quarter=quarter, progress=progress)
    evaluation.save(root / folder)
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
