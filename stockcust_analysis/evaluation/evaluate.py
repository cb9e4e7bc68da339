"""The evaluation of a quarter: all measures of all branches, with up to four quarters before it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.answers import (
    Answer,
    Sums,
    answers,
    both_levels,
    measure_table,
    summed,
)
from stockcust_analysis.evaluation.changes import (
    BRIDGE_COLUMNS,
    MIGRATION_COLUMNS,
    aum_change_answer,
    bridge_table,
    change_answers,
    changes_between,
    migration_table,
)
from stockcust_analysis.evaluation.questions import (
    FUNDED,
    LEVELS,
    VOLUME,
    Facts,
    concentration_asked,
    questions,
    service_questions,
)
from stockcust_analysis.evaluation.results import Evaluation
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
from stockcust_analysis.measures.co_holding import co_holding_columns, co_holding_rows
from stockcust_analysis.measures.frames import collected
from stockcust_analysis.measures.pareto import concentration_sums, curve_points, percent_steps
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import DEFAULT, Policy, load_policy

_QUARTERS_BACK = 4


def evaluate(
    bank: Bank, *, quarter: str, policy: str | Path = DEFAULT, first_quarter: bool = False
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
    rules = load_policy(policy)
    told = _quarters_told(bank, target, first_quarter)
    snapshots: dict[Quarter, Snapshot] = {}
    steps: dict[Quarter, list[Facts]] = {}
    answered: dict[Quarter, list[Answer]] = {}
    for each in told:
        snapshots[each] = snapshot_of(bank, rules, each, today=target)
        steps[each] = kept_steps(bank, snapshots[each].customers)
        answered[each] = _answers(bank, rules, snapshots[each], steps[each])
    present = _branches(answered[target])
    migration = pd.DataFrame(columns=MIGRATION_COLUMNS)
    bridge = pd.DataFrame(columns=BRIDGE_COLUMNS)
    if target.previous in snapshots:
        changes = changes_between(bank, snapshots[target.previous], snapshots[target], rules)
        answered[target] += change_answers(changes, rules, present)
        volumes = (_of_volume(answered[each]) for each in (target.previous, target))
        answered[target].append(aum_change_answer(*volumes))
        migration, bridge = migration_table(changes, rules), bridge_table(changes)
    return Evaluation(
        quarter=target,
        bank_name=bank.name,
        policy_facts=policy_facts(rules, bank),
        branches=branches_of(bank, present),
        measures=pd.concat(
            [measure_table(found, each) for each, found in answered.items()], ignore_index=True
        ),
        lorenz=_lorenz(steps[target], target),
        co_holding=_co_holding(snapshots[target].customers, target, rules),
        migration=migration,
        bridge=bridge,
        targets=targets_of(bank, target),
        reconciliation=reconciliation(bank, rules, target),
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


def _answers(
    bank: Bank, policy: Policy, snapshot: Snapshot, steps: Sequence[Facts]
) -> list[Answer]:
    """Answer all questions about the customers of one quarter."""
    openings = "opened_on" in bank.columns["holdings"]
    asked = questions(policy, openings=openings, managed=has_managers(bank))
    found = answers(snapshot.customers, asked)
    for without, ratios in concentration_asked().items():
        levels = (
            collected(concentration_sums(each, by=by, without=without))
            for by, each in zip(LEVELS, steps, strict=True)
        )
        found.append(Answer(both_levels(*levels), ratios, FUNDED))
    if snapshot.managed is not None:
        found += answers(snapshot.managed, service_questions(policy), _branches(found))
    return found


def _of_volume(answered: Sequence[Answer]) -> Answer:
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
