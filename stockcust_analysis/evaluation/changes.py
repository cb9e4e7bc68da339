"""What became of the customers of the previous quarter: migration, retention, growth, dormancy.

Both quarters are told twice: on today's structure (可比口径, where a merger is no migration) and as
issued (where the customers of a merged branch are transferred). The customers of the two dates are
paired once; every question then looks at those pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.evaluation.answers import (
    Answer,
    Sums,
    answers,
    both_levels,
    moving_answers,
)
from stockcust_analysis.evaluation.questions import (
    AVERAGE,
    FUNDED,
    LEVELS,
    PERIOD_END,
    Facts,
    Question,
)
from stockcust_analysis.evaluation.snapshots import ISSUED_BRANCH
from stockcust_analysis.measures.attrition import ATTRITION, attrition_columns, judged
from stockcust_analysis.measures.aum_change import AUM_CHANGE, change_parts
from stockcust_analysis.measures.dormancy_flow import (
    DORMANCY_FLOW,
    STATES,
    flow_columns,
    with_states,
)
from stockcust_analysis.measures.frames import collected, lazily
from stockcust_analysis.measures.growth import _growth_bridge, bridge_columns
from stockcust_analysis.measures.migration import (
    TIER_MOVES,
    _migration,
    migration_columns,
    move_columns,
)
from stockcust_analysis.measures.pairs import DATES, by_group, funded_by, paired
from stockcust_analysis.measures.retention import (
    ASSET_RETENTION,
    CUSTOMER_RETENTION,
    SAME_CUSTOMER_GROWTH,
    retention_columns,
    same_customer_columns,
)
from stockcust_analysis.policy import Policy

MIGRATION_COLUMNS = (
    "structure", "branch_id", "from", "to", "customers", "opening_aum", "closing_aum",
)  # fmt: skip
BRIDGE_COLUMNS = ("structure", "branch_id", "component", "customers", "amount")
_COMPARED = ("customer_id", "branch_id", ISSUED_BRANCH, "tier", "obliged", "loan_balance_cents")


@dataclass(frozen=True)
class Changes:
    """Customers of two quarters side by side; `issued_differs` where branches have merged since."""

    pairs: Facts
    issued_differs: bool

    def by(self, value: str) -> Facts:
        """Return the pairs with another amount as the one that is compared."""
        if value == AVERAGE:
            return self.pairs
        return self.pairs.with_columns(
            nw.col(f"{date}_{there}").alias(f"{date}_{told}")
            for date in DATES
            for there, told in ((value, "cents"), (f"funded_by_{value}", "funded"))
        )


def compared_columns(customers: Facts, policy: Policy) -> Facts:
    """Return of the customers of one quarter what is looked at beside those of another."""
    values, flags = _compared_by(policy)
    told = with_states(customers, FUNDED).with_columns(
        **{f"funded_by_{value}": funded_by(customers, value, policy.bases) for value in values}
    )
    there = set(customers.collect_schema().names())
    names = [n for n in dict.fromkeys((*_COMPARED, AVERAGE, *values)) if n in there]
    return told.select(*names, *(nw.col(name).cast(nw.Int8) for name in flags))


def changes_between(bank: Bank, opening: Facts, closing: Facts, policy: Policy) -> Changes:
    """Pair the customers of two quarters (`compared_columns`), once for every question."""
    values, flags = _compared_by(policy)
    moved = nw.col("branch_id") != nw.col(ISSUED_BRANCH)
    differs = bool(collected(opening.filter(moved).head(1))["customer_id"])
    pairs = paired(
        opening,
        closing,
        value=AVERAGE,
        labels=["branch_id", "tier", *([ISSUED_BRANCH] if differs else [])],
        numbers=[*flags, *values],
        bases=policy.bases,
    ).drop("customer_id")
    small = [f"{date}_{name}" for date in DATES for name in ("there", "funded", *flags)]
    pairs = pairs.with_columns(nw.col(name).cast(nw.Int8) for name in small)
    return Changes(lazily(bank.keep(pairs.to_native())), differs)


def _compared_by(policy: Policy) -> tuple[list[str], list[str]]:
    """Return the amounts by which customers are compared, and the flags that are looked at."""
    values = list(dict.fromkeys((PERIOD_END, f"{policy.dormancy.value}_cents")))
    flags = ["in_funded", "in_effective", *STATES, *(f"funded_by_{value}" for value in values)]
    return values, flags


def change_tables(changes: Changes, policy: Policy) -> list[tuple[Facts, list[Question]]]:
    """Return the tables about two quarters with their questions; of the first, branches overlap.

    There a customer who moved stands in two branches: in the one that was left, and in the other.
    """
    dormancy = _at_closing(changes, f"{policy.dormancy.value}_cents")
    return [
        (by_group(changes.pairs, ["branch_id"]), _moving_questions(policy)),
        (_at_opening(changes), [_RETENTION]),
        (_judged_at_closing(changes, policy), [_ATTRITION]),
        (dormancy, [_DORMANCY]),
    ]


def change_answers(changes: Changes, policy: Policy, branches: Sequence[str]) -> list[Answer]:
    """Answer the questions about two quarters."""
    moving, *others = change_tables(changes, policy)
    found = moving_answers(*moving, whole=by_group(changes.pairs, []), branches=branches)
    for facts, questions in others:
        found += answers(facts, questions, branches)
    return found


def aum_change_answer(opening: Answer, closing: Answer) -> Answer:
    """Tell what the change of assets is made of, from the volumes of both quarters."""
    before = {
        branch: (customers, cents)
        for branch, customers, cents in zip(
            *(opening.sums[name] for name in ("branch_id", "customers", "end_cents")), strict=True
        )
    }
    now = closing.sums
    customers, cents = zip(
        *(before.get(branch, (0, 0)) for branch in now["branch_id"]), strict=True
    )
    both = {
        "branch_id": now["branch_id"],
        "opening_customers": list(customers),
        "opening_cents": list(cents),
        "customers": now["customers"],
        "closing_cents": now["end_cents"],
    }
    return Answer(change_parts(both), AUM_CHANGE, closing.base)


_RETENTION = Question(
    lambda _, base: retention_columns(base=base),
    (*CUSTOMER_RETENTION, *ASSET_RETENTION),
    (FUNDED, "effective"),
)
_ATTRITION = Question(lambda _, base: attrition_columns(base=base), ATTRITION, ("all",))
_DORMANCY = Question(lambda _, base: flow_columns(), DORMANCY_FLOW)


def pair_questions(policy: Policy) -> list[Question]:
    """Return all questions about two quarters but the change of assets."""
    return [*_moving_questions(policy), _RETENTION, _ATTRITION, _DORMANCY]


def _moving_questions(policy: Policy) -> list[Question]:
    return [
        Question(lambda _, base: move_columns(policy.tiers), TIER_MOVES),
        Question(lambda _, base: same_customer_columns(base=base), SAME_CUSTOMER_GROWTH),
    ]


def _at_opening(changes: Changes) -> Facts:
    """Return the customers of the opening quarter under the branch they then had."""
    pairs = changes.pairs.filter(nw.col("opening_there") == 1)
    return pairs.with_columns(branch_id=nw.col("opening_branch_id"), tier=nw.col("opening_tier"))


def _at_closing(changes: Changes, value: str) -> Facts:
    """Return the pairs under the closing branch."""
    return changes.by(value).with_columns(branch_id=nw.col("closing_branch_id"))


def _judged_at_closing(changes: Changes, policy: Policy) -> Facts:
    """Return the customers of the closing quarter, judged by the attrition rule."""
    present = _at_closing(changes, AVERAGE).filter(nw.col("closing_there") == 1)
    table = present.select(
        "branch_id",
        in_all=nw.col("closing_there"),
        previous_cents=nw.col("opening_cents"),
        aum_average_quarter_cents=nw.col("closing_cents"),
    )
    return judged(table, policy.attrition, scheme=policy.tiers, peers="branch_id")


def migration_table(changes: Changes, policy: Policy) -> pd.DataFrame:
    """Return the migration matrix of every branch and of the whole bank, on both structures."""
    return _on_both_structures(
        changes,
        AVERAGE,
        lambda pairs, by: collected(_migration(pairs, by=by)),
        lambda cells: migration_columns(cells, policy.tiers, ["branch_id"]),
    )[list(MIGRATION_COLUMNS)]


def bridge_table(changes: Changes) -> pd.DataFrame:
    """Return the growth bridge of every branch and of the whole bank, on both structures."""
    return _on_both_structures(
        changes,
        PERIOD_END,
        lambda pairs, by: collected(_growth_bridge(pairs, by=by)),
        lambda sums: bridge_columns(sums, ["branch_id"]),
    )[list(BRIDGE_COLUMNS)]


def _on_both_structures(
    changes: Changes,
    value: str,
    asked: Callable[[Facts, list[str]], Sums],
    told: Callable[[Sums], dict[str, list[object]]],
) -> pd.DataFrame:
    """Ask of the branches on each structure, and once of the whole bank, which has but one."""
    pairs = changes.by(value)
    structures = {"today": pairs}
    if changes.issued_differs:
        structures["issued"] = pairs.with_columns(
            nw.col(f"{date}_{ISSUED_BRANCH}").alias(f"{date}_branch_id") for date in DATES
        )
    by_branch, bank = LEVELS
    whole = asked(pairs, bank)
    tables = [
        pd.DataFrame(told(both_levels(asked(each, by_branch), whole))).assign(structure=structure)
        for structure, each in structures.items()
    ]
    order = ["structure", "branch_id"]
    return pd.concat(tables).sort_values(order, kind="stable", ignore_index=True)
