"""The evaluation of a quarter: all measures of all branches, with up to four quarters before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stockcust_analysis.bank.source import Bank, open_bank
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.answers import (
    Answer,
    answers,
    co_holding_table,
    concentration_answers,
    lorenz_table,
    measure_table,
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
    compared_columns,
    migration_table,
    pair_questions,
)
from stockcust_analysis.evaluation.comparison import comparison
from stockcust_analysis.evaluation.policy_check import check_policy_against, offered
from stockcust_analysis.evaluation.questions import (
    FUNDED,
    PERIOD_END,
    VOLUME,
    Facts,
    Question,
    concentration_asked,
    service_questions,
)
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.evaluation.scorecard import scorecard
from stockcust_analysis.evaluation.snapshots import (
    Snapshot,
    has_managers,
    kept_steps,
    questions_of,
    snapshot_of,
)
from stockcust_analysis.evaluation.surroundings import (
    branches_of,
    families_missing,
    policy_facts,
    reconciliation,
    targets_of,
    without_families,
)
from stockcust_analysis.evaluation.tier_history import QUARTERS_BACK
from stockcust_analysis.measures.aum_change import AUM_CHANGE
from stockcust_analysis.measures.frames import collected, lazily
from stockcust_analysis.periods import Day, Quarter, as_quarter
from stockcust_analysis.policy import DEFAULT, ComparisonRule, Policy, as_policy

Steps = Callable[[int, int], None]
"""Somebody who wants to know how many of how many steps are done."""


def evaluate(
    bank: Bank | str | Path | Any,
    *,
    quarter: Day,
    policy: Policy | str | Path = DEFAULT,
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
        As opened by `open_bank`; or what that takes (a folder, a URL, …), opened and closed.
    quarter
        Such as "2026Q3"; its last day is the as-of date.
    policy
        Name of a shipped policy, a TOML file, or a policy.
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
    >>> evaluation = evaluate("data/sample", quarter="2025Q3", first_quarter=True)
    >>> len(evaluation.branches)
    24
    """
    if not isinstance(bank, Bank):
        with open_bank(bank) as opened:
            options: dict[str, Any] = {"policy": policy, "first_quarter": first_quarter}
            return evaluate(opened, quarter=quarter, progress=progress, **options)
    target, rules = as_quarter(quarter), as_policy(policy)
    told = _quarters_told(bank, target, first_quarter)
    _check(bank, rules, target, paired=target.previous in told)
    steps = len(told) + 2
    measures, cells, before = _earlier(bank, rules, told, lambda done: progress(done, steps))
    progress(len(told) - 1, steps)
    now = _told_of(bank, rules, target, today=target)
    lorenz = lorenz_table(now.steps, target)
    _let_go(bank, now.steps)
    progress(len(told), steps)
    migration = pd.DataFrame(columns=MIGRATION_COLUMNS)
    bridge = pd.DataFrame(columns=BRIDGE_COLUMNS)
    if before is not None:
        changes = _compared(bank, rules, before, now)
        migration, bridge = migration_table(changes, rules), bridge_table(changes)
        cells.append(bridge_cells(changes.by(PERIOD_END), quarter=str(target)))
    measures.append(without_families(measure_table(now.answered, target), now.missing))
    progress(len(told) + 1, steps)
    cells.append(_cells(now, measures[-1], rules.comparison))
    together = pd.concat(measures, ignore_index=True)
    judged = _judged(bank, rules, now, together, pd.concat(cells, ignore_index=True))
    held = co_holding_table(now.snapshot.customers, target, rules)
    progress(steps, steps)
    return Evaluation(
        quarter=target,
        bank_name=bank.name,
        policy_facts=policy_facts(rules, bank, target, now.missing),
        measures=together,
        lorenz=lorenz,
        co_holding=without_families(held, now.missing),
        migration=migration,
        bridge=bridge,
        reconciliation=reconciliation(bank, rules, target),
        **judged,
    )


@dataclass(frozen=True)
class _Told:
    """One quarter's customers, what was asked of them, the answers, families not delivered."""

    snapshot: Snapshot
    steps: list[Facts]
    asked: list[tuple[Facts, list[Question]]]
    answered: list[Answer]
    missing: list[str]

    def let_go(self, bank: Bank) -> None:
        """Make room of the customers; the answers stay."""
        _let_go(bank, (*self.steps, *(facts for facts, _ in self.asked)))


@dataclass(frozen=True)
class _Opening:
    """What is compared of the customers of the quarter before, and their number and assets."""

    customers: Facts
    volume: Answer


def _check(bank: Bank, policy: Policy, target: Quarter, *, paired: bool) -> None:
    """Raise one error for all in which the policy does not fit the bank."""
    asked = questions_of(bank, policy)
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
    return [each for each in delivered if target.shifted(-QUARTERS_BACK) <= each <= target]


def _told_of(bank: Bank, policy: Policy, quarter: Quarter, *, today: Quarter) -> _Told:
    """Answer all questions about the customers of one quarter."""
    snapshot = snapshot_of(bank, policy, quarter, today=today)
    steps = kept_steps(bank, snapshot.customers)
    asked = [(snapshot.customers, questions_of(bank, policy))]
    answered = answers(*asked[0])
    answered += concentration_answers(steps)
    if snapshot.managed is not None:
        asked.append((snapshot.managed, service_questions(policy)))
        answered += answers(*asked[1], _branches(answered))
        _let_go(bank, snapshot.steps)
    return _Told(snapshot, steps, asked, answered, families_missing(bank, policy, quarter))


def _earlier(
    bank: Bank, policy: Policy, quarters: Sequence[Quarter], begun: Callable[[int], None]
) -> tuple[list[pd.DataFrame], list[pd.DataFrame], _Opening | None]:
    """Return measures and cell facts of all quarters but the last, and the last's opening side."""
    measures: list[pd.DataFrame] = []
    cells: list[pd.DataFrame] = []
    before = None
    for done, each in enumerate(quarters[:-1]):
        begun(done)
        told = _told_of(bank, policy, each, today=quarters[-1])
        measures.append(without_families(measure_table(told.answered, each), told.missing))
        compared = each == quarters[-1].previous
        cells.append(_cells(told, measures[-1], policy.comparison if compared else None))
        before = _opening(bank, policy, told) if compared else None
        told.let_go(bank)
    return measures, cells, before


def _opening(bank: Bank, policy: Policy, before: _Told) -> _Opening:
    """Keep of the quarter before what the next one is compared with."""
    compared = bank.keep(compared_columns(before.snapshot.customers, policy).to_native())
    return _Opening(lazily(compared), _volume(before.answered))


def _compared(bank: Bank, policy: Policy, before: _Opening, now: _Told) -> Changes:
    """Answer what became of the customers of the quarter before; return the two side by side."""
    closing = compared_columns(now.snapshot.customers, policy)
    changes = changes_between(bank, before.customers, closing, policy)
    _let_go(bank, [before.customers])
    now.asked.extend(change_tables(changes, policy))
    now.answered.extend(change_answers(changes, policy, _branches(now.answered)))
    now.answered.append(aum_change_answer(before.volume, _volume(now.answered)))
    return changes


def _cells(told: _Told, measures: pd.DataFrame, rule: ComparisonRule | None) -> pd.DataFrame:
    """Return the cell facts of a quarter; where there is a rule, also what is compared by it."""
    return cell_table(told.asked, quarter=str(told.snapshot.quarter), measures=measures, rule=rule)


def _judged(
    bank: Bank, policy: Policy, now: _Told, measures: pd.DataFrame, cells: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Return how the branches stand, and the branches, targets and cell facts it is told from."""
    target, quarter = now.snapshot.quarter, str(now.snapshot.quarter)
    branches, targets = branches_of(bank, _branches(now.answered)), targets_of(bank, target)
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


def _let_go(bank: Bank, tables: Iterable[Facts]) -> None:
    """Make room of kept tables that nobody asks any more."""
    for table in tables:
        bank.let_go(table.to_native())
