"""The circulated edition of a quarter: the only form in which its numbers may leave the building.

What is withheld is not in it. Whether a cell is withheld by itself or for another's sake is told
only in total: an attacker would learn from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from stockcust_analysis.evaluation.disclosure.concentration import (
    thinned_lorenz,
    withheld_concentration,
)
from stockcust_analysis.evaluation.disclosure.protect import Problem, Protection, complementary
from stockcust_analysis.evaluation.disclosure.quantities import (
    PRINTED,
    Flags,
    Indices,
    numbers_of,
    quantities_of,
    relations,
)
from stockcust_analysis.evaluation.disclosure.recode import (
    Tables,
    merged_facts,
    merged_tiers,
    merged_words,
    recoded,
    with_merged_tiers,
)
from stockcust_analysis.evaluation.disclosure.scores import mask_scores
from stockcust_analysis.evaluation.disclosure.sensitive import REASONS, Sensitive, sensitive_cells
from stockcust_analysis.evaluation.disclosure.system import System, system_of
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from stockcust_analysis.policy import DisclosureRule

_CENTS = 1e5  # amounts go to the linear programs in thousands of CNY


@dataclass(frozen=True)
class Circulated:
    """What may be circulated of a quarter: the tables of an evaluation, with gaps.

    In `evaluation` the tables `measures`, `migration`, `bridge`, `co_holding`, `scorecard`,
    `scores` and `comparison` have a column `withheld` besides; a number that is withheld is empty,
    and is shown as "*". In `measures` it says that the value is; an empty `n` is withheld by
    itself. `merged` names the tiers that were merged. `report` says how many cells are printed and
    how many withheld, and why; `exposed` counts sensitive cells that are too close all the same:
    beside issued sets because of these, which cannot be taken back; without them the set must not
    be circulated.
    """

    evaluation: Evaluation
    merged: Mapping[str, str]
    report: pd.DataFrame
    exposed: int


def circulate(
    evaluation: Evaluation, rule: DisclosureRule, *, earlier: Sequence[Evaluation] = ()
) -> Circulated:
    """Return what may be circulated of an evaluation: recoded, then withheld, nothing else.

    Parameters
    ----------
    evaluation
        The quarter, every number in it. Of its amounts `cells` tell `quarter, branch_id, dimension,
        member, measure, base` and `contributors, largest, second_largest` (CNY); dimension "bridge"
        with the component as member tells of the bridge. An amount of which too little is known
        is withheld.
    rule
        The policy's limits.
    earlier
        Evaluations already circulated: what they print is known, what they withhold stays withheld.

    Raises
    ------
    PolicyError
        The tiers to merge are not the policy's highest.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from stockcust_analysis import evaluate, open_bank
    >>> with open_bank("data/sample") as bank:
    ...     quarter = evaluate(bank, quarter="2025Q3", first_quarter=True)
    >>> names = ["quarter", "branch_id", "dimension", "member", "measure", "base",
    ...          "contributors", "largest", "second_largest"]
    >>> nothing_known = replace(quarter, cells=pd.DataFrame(columns=names))
    >>> result = circulate(nothing_known, DisclosureRule())
    >>> result.merged, result.exposed
    ({}, 0)
    """
    tables, tiers = recoded(evaluation), list(evaluation.policy_facts["tiers"])
    merged = merged_tiers(tables, tiers, rule)
    tables, facts = with_merged_tiers(tables, merged), merged_facts(evaluation.cells, merged)
    numbers = numbers_of(tables, str(evaluation.quarter))
    now, before = str(evaluation.quarter), str(evaluation.quarter.previous)
    names = _by_content(numbers)
    renamed = facts.assign(branch_id=facts["branch_id"].map(names))
    quantities, block, column = quantities_of(
        numbers.assign(branch_id=numbers["branch_id"].map(names))
    )
    system = system_of(quantities, now, before)
    sensitive = sensitive_cells(system, renamed[renamed["branch_id"].notna()], rule)
    place = system.cell[block, column]
    known, gone = _already(numbers, place, earlier, merged, len(system.values))
    known = _with_what_follows(known, system.equations)
    protection = _protection(system, sensitive, place, known, gone & ~known)
    withheld = protection.withheld
    told = _with_gaps(tables, numbers.assign(gone=withheld[place]))
    measures = _judged(told["measures"], facts, rule)
    shown: dict[str, Any] = {
        **told,
        **dict.fromkeys(("cells", "worklists", "outcomes"), pd.DataFrame()),
        "measures": measures,
        "lorenz": thinned_lorenz(evaluation.lorenz, measures, facts, rule),
        "policy_facts": {**evaluation.policy_facts, "tiers": merged_words(tiers, merged)},
    }
    return Circulated(
        evaluation=mask_scores(replace(evaluation, **shown)),
        merged=merged,
        report=_report(system, sensitive, place, protection),
        exposed=int(protection.exposed.sum()),
    )


def _by_content(numbers: pd.DataFrame) -> dict[str, str]:
    """Return a name for every branch that depends on its numbers, not on what it is called.

    The search takes branches in this order: neither the order of rows nor a branch's number
    decides what is withheld.
    """
    quantities, _, _ = quantities_of(numbers)
    values = np.nan_to_num(quantities.values, nan=-1.0)
    content: dict[str, list[float]] = {}
    for (_, branch), row in zip(quantities.blocks, values, strict=True):
        content.setdefault(branch, []).extend((-row).tolist())
    order = sorted(content, key=lambda branch: (content[branch], branch))
    names = {branch: f"{place:06}" for place, branch in enumerate(order)}
    return names | {WHOLE_BANK: WHOLE_BANK}


def _already(
    numbers: pd.DataFrame,
    place: Indices,
    earlier: Sequence[Evaluation],
    merged: Mapping[str, str],
    size: int,
) -> tuple[Flags, Flags]:
    """Return which cells earlier sets print, and which they withhold.

    A number that has been restated since is neither: it is another number.
    """
    known, gone = np.zeros(size, bool), np.zeros(size, bool)
    keys = ["quarter", "branch_id", "kind", "dimension", "member", "measure", "base", "part"]
    for issued in earlier:
        shown = {name: getattr(issued, name).drop(columns="withheld") for name in PRINTED}
        told = numbers_of(with_merged_tiers(shown, merged), str(issued.quarter))
        both = numbers[keys].merge(told.drop_duplicates(keys), on=keys, how="left", indicator=True)
        value = both["value"].to_numpy(float)
        there = (both["_merge"] == "both").to_numpy()
        known[place[there & (value == numbers["value"].to_numpy(float))]] = True
        gone[place[there & np.isnan(value) & numbers["value"].notna().to_numpy()]] = True
    return known, gone


def _with_what_follows(known: Flags, equations: csr_array) -> Flags:
    """Return which cells are known when each that is alone in an equation follows from it."""
    there = abs(equations).sign()
    while (lone := there @ (~known).astype(float) == 1).any():
        known = known | (there.T @ lone.astype(float) > 0)
    return known


def _protection(
    system: System, sensitive: Sensitive, place: Indices, known: Flags, gone: Flags
) -> Protection:
    """Return the cells to withhold and those too close; counts and amounts never meet."""
    printed = np.bincount(place, minlength=len(system.values)).astype(float)
    branches = system.quantities.blocks.get_level_values(1)
    names = sorted(set(branches) - {WHOLE_BANK})
    code = {name: number for number, name in enumerate(names)} | {WHOLE_BANK: -1}
    branch = np.array([code[name] for name in branches])[system.origin[:, 0]]
    # The bank's total is worth as much as all the branches' parts of it.
    printed = np.where(branch < 0, printed * len(names), printed)
    money = system.quantities.money[system.origin[:, 1]]
    unit = np.where(money, _CENTS, 1.0)
    problem = Problem(
        system.values / unit, system.equations, branch, printed, sensitive.upwards / unit,
        sensitive.downwards / unit, system.signed, known, gone,
    )  # fmt: skip
    found = Protection(*(np.zeros(len(printed), bool) for _ in fields(Protection)))
    kinds = [np.flatnonzero(money == kind) for kind in (False, True)]
    with ThreadPoolExecutor(len(kinds)) as pool:  # the solver works beside Python
        tasks = [pool.submit(complementary, problem.within(cells), len(names)) for cells in kinds]
        for cells, task in zip(kinds, tasks, strict=True):
            for each in fields(Protection):
                getattr(found, each.name)[cells] = getattr(task.result(), each.name)
    return found


def _with_gaps(tables: Tables, numbers: pd.DataFrame) -> Tables:
    """Return the tables with the withheld numbers, and all that follows from them, left empty."""
    told = {}
    for name, table in tables.items():
        frame, gaps = table.copy(), pd.Series(False, index=table.index)
        for column in PRINTED[name]:
            here = numbers[(numbers["table"] == name) & (numbers["column"] == column)]
            rows = here.loc[here["gone"], "row"]
            frame[column] = frame[column].astype(float)
            frame.loc[rows, column] = np.nan
            if (name, column) != ("measures", "n"):
                gaps[rows] = True
        frame["withheld"] = gaps
        if name == "co_holding":
            rates = ["conditional_rate", "rate_low", "rate_high", "lift", "lift_low", "lift_high"]
            frame.loc[gaps, rates] = np.nan
        told[name] = frame
    return told


def _judged(measures: pd.DataFrame, facts: pd.DataFrame, rule: DisclosureRule) -> pd.DataFrame:
    """Return the measures with the values withheld that are no sums, or of which nothing is known.

    A value is printed only if its numerator and its denominator are.
    """
    declared = relations()
    judged = {*declared["counts"], *declared["money"], *declared["means"]}
    withheld = measures["withheld"] | ~measures["measure"].isin(
        judged | set(declared["concentration"])
    )
    keys = ["quarter", "branch_id", "base"]
    for name, sources in declared["derived"].items():
        gaps = measures[withheld & measures["measure"].isin(sources)]
        places = pd.MultiIndex.from_frame(measures[keys])
        gone = places.isin(pd.MultiIndex.from_frame(gaps[keys]))
        withheld |= (measures["measure"] == name) & gone
    withheld |= withheld_concentration(measures.assign(withheld=withheld), facts, rule)
    frame = measures.assign(withheld=withheld)
    frame.loc[withheld, "value"] = np.nan
    sums = frame["measure"].isin(judged)
    frame.loc[withheld & ~sums, ["n", "numerator", "denominator"]] = np.nan
    return frame


def _report(
    system: System, sensitive: Sensitive, place: Indices, protection: Protection
) -> pd.DataFrame:
    """Return how many distinct numbers are printed and withheld, by kind, quarter and reason."""
    shown = np.unique(place)
    reason = np.array(["printed", *REASONS[1:], "complementary", "known_to_one"])
    code = np.where(sensitive.reason > 0, sensitive.reason, len(REASONS))
    code = np.where(protection.known_to_one, len(REASONS) + 1, code)
    code = np.where(protection.withheld, code, 0)
    money = system.quantities.money[system.origin[:, 1]]
    frame = pd.DataFrame(
        {
            "quarter": system.quantities.blocks.get_level_values(0)[system.origin[:, 0]],
            "kind": np.where(money, "money", "count"),
            "reason": reason[code],
        }
    ).iloc[shown]
    return frame.value_counts(sort=False).rename("cells").reset_index()
