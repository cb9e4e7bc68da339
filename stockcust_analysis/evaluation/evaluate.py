"""The evaluation of a quarter: all measures of all branches, with up to four quarters before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.answers import (
    Answer,
    Sums,
    answers,
    both_levels,
    concentration_answers,
    measure_table,
    summed,
)
from stockcust_analysis.evaluation.cells import bridge_cells, cell_table
from stockcust_analysis.evaluation.changes import (
    BRIDGE_COLUMNS,
    MIGRATION_COLUMNS,
    Changes,
    aum_change_answer,
    bridge_table,
    change_answers,
    change_tables,
    changes_between,
    migration_table,
    pair_questions,
)
from stockcust_analysis.evaluation.comparison import comparison
from stockcust_analysis.evaluation.policy_check import check_policy_against, offered
from stockcust_analysis.evaluation.questions import (
    FUNDED,
    LEVELS,
    PERIOD_END,
    VOLUME,
    Facts,
    Question,
    concentration_asked,
    questions,
    service_questions,
)
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.evaluation.scorecard import scorecard
from stockcust_analysis.evaluation.snapshots import (
    Snapshot,
    has_managers,
    kept_steps,
    snapshot_of,
)
from stockcust_analysis.evaluation.surroundings import (
    branches_of,
    policy_facts,
    reconciliation,
    targets_of,
)
from stockcust_analysis.measures.aum_change import AUM_CHANGE
from stockcust_analysis.measures.co_holding import co_holding_columns, co_holding_rows
from stockcust_analysis.measures.frames import collected, lazily
from stockcust_analysis.measures.pareto import curve_points, percent_steps
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import DEFAULT, Policy, load_policy

_QUARTERS_BACK = 4
Steps = Callable[[int, int], None]
"""Somebody who wants to know how many of how many steps are done."""


def evaluate(
    bank: Bank,
    *,
    quarter: str,
    policy: str | Path = DEFAULT,
    first_quarter: bool = False,
    progress: Steps = lambda done, total: None,
) -> Evaluation:
    """Compute every measure of every branch for a quarter and the four before it.

    Earlier quarters are told on today's structure (可比口径): a branch that was merged away counts
    with the branch that took over. Corporate customers and those who have left are out of scope
    unless the policy says otherwise.

    Parameters
    ----------
    bank
        As opened by `open_bank`.
    quarter
        Such as "2026Q3"; its last day is the as-of date.
    policy
        Name of a shipped policy, or a TOML file.
    first_quarter
        State that the bank has no earlier quarter. Without it a missing previous quarter is an
        error, because every comparison would silently be empty.
    progress
        Told how many of all steps are done: a step for each quarter, one for what changed between
        the last two, one for how the branches stand.

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
    >>> from stockcust_analysis import open_bank
    >>> with open_bank("data/sample") as bank:
    ...     evaluation = evaluate(bank, quarter="2025Q3", first_quarter=True)
    >>> len(evaluation.branches)
    24
    """
    target = Quarter.parse(quarter)
    told = _quarters_told(bank, target, first_quarter)
    rules = load_policy(policy)
    _check(bank, rules, target, paired=target.previous in told)
    steps = len(told) + 2
    quarters: dict[Quarter, _Told] = {}
    cells = []
    for each in told:
        progress(len(quarters), steps)
        quarters[each] = _told_of(bank, rules, each, today=target)
        if each < target.previous:  # nothing more is asked of its customers
            cells.append(cell_table(quarters[each].asked, quarter=str(each)))
            quarters[each].let_go(bank)
    progress(len(told), steps)
    now, before = quarters[target], quarters.get(target.previous)
    migration = pd.DataFrame(columns=MIGRATION_COLUMNS)
    bridge = pd.DataFrame(columns=BRIDGE_COLUMNS)
    changes = None if before is None else _compared(bank, rules, before, now)
    if changes is not None:
        migration, bridge = migration_table(changes, rules), bridge_table(changes)
    measures = pd.concat(
        [measure_table(one.answered, each) for each, one in quarters.items()], ignore_index=True
    )
    progress(len(told) + 1, steps)
    judged = _judged(bank, rules, target, quarters, changes, measures, cells)
    progress(steps, steps)
    return Evaluation(
        quarter=target,
        bank_name=bank.name,
        policy_facts=policy_facts(rules, bank),
        measures=measures,
        lorenz=_lorenz(now.steps, target),
        co_holding=_co_holding(now.snapshot.customers, target, rules),
        migration=migration,
        bridge=bridge,
        reconciliation=reconciliation(bank, rules, target),
        **judged,
    )


@dataclass(frozen=True)
class _Told:
    """One quarter's customers, what was asked of them, and the answers."""

    snapshot: Snapshot
    steps: list[Facts]
    asked: list[tuple[Facts, list[Question]]]
    answered: list[Answer]

    def let_go(self, bank: Bank) -> None:
        """Make room of the customers; the answers stay."""
        for table in (*self.steps, *(facts for facts, _ in self.asked)):
            bank.let_go(table.to_native())


def _check(bank: Bank, policy: Policy, target: Quarter, *, paired: bool) -> None:
    """Raise one error for all in which the policy does not fit the bank."""
    asked = _questions(bank, policy)
    asked += service_questions(policy) if has_managers(bank) else []
    asked += pair_questions(policy) if paired else []
    told = [(one.ratios, one.bases) for one in asked]
    told += [(ratios, (FUNDED,)) for ratios in (*concentration_asked().values(), AUM_CHANGE)]
    customers = lazily(bank.snapshot("customers", as_of=target.end))
    present = collected(customers.select("branch_id").unique())["branch_id"]
    check_policy_against(
        policy,
        offers=offered(told),
        branches=branches_of(bank, present),
        targets=targets_of(bank, target),
    )


def _quarters_told(bank: Bank, target: Quarter, first_quarter: bool) -> list[Quarter]:
    """Return the quarters to compute, oldest first."""
    delivered = bank.quarters
    if target not in delivered:
        raise UsageError.unknown("quarter", target, delivered)
    if target.previous not in delivered and not first_quarter:
        raise UsageError(
            f"{target} has no previous quarter: {target.previous} is not among the extracts "
            f"({', '.join(map(str, delivered))}). Deliver it, or state that there is none with "
            "--first-quarter."
        )
    return [each for each in delivered if target.shifted(-_QUARTERS_BACK) <= each <= target]


def _questions(bank: Bank, policy: Policy) -> list[Question]:
    """Return the questions about all customers that this bank can be asked."""
    openings = "opened_on" in bank.columns["holdings"]
    return questions(policy, openings=openings, managed=has_managers(bank))


def _told_of(bank: Bank, policy: Policy, quarter: Quarter, *, today: Quarter) -> _Told:
    """Answer all questions about the customers of one quarter."""
    snapshot = snapshot_of(bank, policy, quarter, today=today)
    steps = kept_steps(bank, snapshot.customers)
    asked = [(snapshot.customers, _questions(bank, policy))]
    answered = answers(*asked[0])
    answered += concentration_answers(steps)
    if snapshot.managed is not None:
        asked.append((snapshot.managed, service_questions(policy)))
        answered += answers(*asked[1], _branches(answered))
        for table in snapshot.steps:
            bank.let_go(table.to_native())
    return _Told(snapshot, steps, asked, answered)


def _compared(bank: Bank, policy: Policy, before: _Told, now: _Told) -> Changes:
    """Answer what became of the customers of the quarter before; return the two side by side."""
    changes = changes_between(bank, before.snapshot, now.snapshot, policy)
    now.asked.extend(change_tables(changes, policy))
    now.answered.extend(change_answers(changes, policy, _branches(now.answered)))
    now.answered.append(aum_change_answer(_volume(before.answered), _volume(now.answered)))
    return changes


def _judged(
    bank: Bank,
    policy: Policy,
    target: Quarter,
    quarters: Mapping[Quarter, _Told],
    changes: Changes | None,
    measures: pd.DataFrame,
    known: Sequence[pd.DataFrame],
) -> dict[str, pd.DataFrame]:
    """Return how the branches stand, and the branches, targets and cell facts it is told from."""
    branches = branches_of(bank, _branches(quarters[target].answered))
    last = [
        cell_table(quarters[each].asked, quarter=str(each), measures=measures,
                   rule=policy.comparison)
        for each in (target.previous, target) if each in quarters
    ]  # fmt: skip
    if changes is not None:
        last.append(bridge_cells(changes.by(PERIOD_END), quarter=str(target)))
    cells = pd.concat([*known, *last], ignore_index=True)
    targets, quarter = targets_of(bank, target), str(target)
    card, scores = scorecard(measures, branches, targets=targets, policy=policy, quarter=quarter)
    compared = comparison(measures, branches, cells=cells, policy=policy, quarter=quarter)
    return {
        "branches": branches, "targets": targets, "cells": cells,
        "scorecard": card, "scores": scores, "comparison": compared,
    }  # fmt: skip


def _volume(answered: Sequence[Answer]) -> Answer:
    """Return the answer that tells customers and their assets, of the funded."""
    return next(one for one in answered if one.ratios is VOLUME and one.base == FUNDED)


def _branches(answered: Sequence[Answer]) -> list[str]:
    """Return the branches that have customers in scope: the whole bank stands after them."""
    return answered[0].sums["branch_id"][:-1]


def _lorenz(steps: Sequence[Facts], quarter: Quarter) -> pd.DataFrame:
    """Return the Lorenz curves of every branch and of the whole bank."""
    levels: list[Sums] = [
        collected(percent_steps(each, by=by)) for by, each in zip(LEVELS, steps, strict=True)
    ]
    table = pd.DataFrame(curve_points(both_levels(*levels), ["branch_id"]))
    table = table.assign(quarter=str(quarter))
    return table[["quarter", "branch_id", "customer_share", "value_share"]]


def _co_holding(facts: Facts, quarter: Quarter, policy: Policy) -> pd.DataFrame:
    """Return which families are held together, for every branch and the whole bank."""
    columns = co_holding_columns(policy.families, base=FUNDED)
    totals = summed(facts, {"held": columns})["held"]
    rows = co_holding_rows(totals, policy.families, ["branch_id"], FUNDED)
    table = pd.DataFrame(rows)
    table.insert(0, "quarter", str(quarter))
    # A column in which nothing is defined has no type of its own.
    return table.astype(dict.fromkeys(table.select_dtypes("object", exclude="str").columns, float))
