"""The customers of one quarter's end, computed once and kept for all questions about them.

Only what the questions sum is kept, flags as single bytes: a bank of ten million customers must
fit beside its previous quarter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.evaluation.questions import (
    FUNDED,
    LEVELS,
    PERIOD_END,
    Facts,
    Question,
    questions,
)
from stockcust_analysis.evaluation.tier_history import with_remembered_tiers
from stockcust_analysis.measures.checks import require_amounts
from stockcust_analysis.measures.contact_rounds import with_rounds
from stockcust_analysis.measures.coverage import SERVICE_FLAGS
from stockcust_analysis.measures.customer_classes import classified
from stockcust_analysis.measures.facts import AUM, _customer_facts, in_scope, require_somebody
from stockcust_analysis.measures.frames import collected, flag, lazily
from stockcust_analysis.measures.lorenz_steps import running_steps
from stockcust_analysis.measures.service import assignments_in_force, served
from stockcust_analysis.measures.structure import on_structure
from stockcust_analysis.periods import Quarter
from stockcust_analysis.policy import Policy

ISSUED_BRANCH = "issued_branch_id"
"""The branch a customer belonged to when the quarter was issued, before any later merger."""
_AMOUNTS = ("aum_period_end_cents", "aum_average_quarter_cents", "loan_balance_cents")
_LABELS = ("customer_id", "branch_id", ISSUED_BRANCH, "tier", "status")
_FLAGS = ("obliged", "families", "tenure")
_FLAG_PREFIXES = ("in_", "holds_", "uses_")
_COUNT_PREFIXES = ("opened_", "unused_")
# What only managed customers are asked; what is looked at of them beside classes and contacts.
_SERVED_BY = ("aum_average_month_cents", "profile_complete", "exclusion", "do_not_contact",
              "purchases")  # fmt: skip
_SERVICE = ("customer_id", "branch_id", "tier", "tenure", "aum_average_quarter_cents", "role",
            "in_managed", "contactable", *_SERVED_BY, *SERVICE_FLAGS)  # fmt: skip
_CLASSED_BY = ("customer_id", "branch_id", "manager_id", "in_managed", "managed_from", "purchases",
               "last_contact_on", "sales", "profile_complete",
               "aum_average_quarter_cents")  # fmt: skip


@dataclass(frozen=True)
class Snapshot:
    """All customers of a quarter's end, and those who are managed with what was done for them."""

    quarter: Quarter
    customers: Facts
    managed: Facts | None = None
    # What `managed` was computed from, to be let go when that has been looked at.
    steps: tuple[Facts, ...] = ()


def has_managers(bank: Bank) -> bool:
    """Tell whether the bank delivers who manages whom, and the contacts made."""
    return {"assignments", "contacts"} <= set(bank.columns)


def questions_of(bank: Bank, policy: Policy) -> list[Question]:
    """Return the questions about all customers that this bank can be asked."""
    return questions(
        policy, openings="opened_on" in bank.columns["holdings"], managed=has_managers(bank),
        tenure="relationship_since" in bank.columns["customers"],
    )  # fmt: skip


def snapshot_of(bank: Bank, policy: Policy, quarter: Quarter, *, today: Quarter) -> Snapshot:
    """Return the customers of a quarter on the structure of `today`, computed and kept."""
    as_of = quarter.end
    facts = facts_on(bank, policy, as_of, structure=today.end)
    if not has_managers(bank):
        return Snapshot(quarter, _kept(bank, facts, policy, as_of, served_by=False))
    assignments = lazily(bank.table("assignments"))
    in_force = assignments_in_force(assignments, policy.coverage, as_of)
    in_force = lazily(bank.keep(in_force.to_native()))
    managed = in_force.select("customer_id", in_managed=nw.lit(1))
    facts = facts.join(managed, on="customer_id", how="left")
    facts = facts.with_columns(in_managed=flag(nw.col("in_managed") == 1))
    kept = _kept(bank, facts, policy, as_of)
    return _with_managed(bank, Snapshot(quarter, kept), in_force, policy)


def facts_on(bank: Bank, policy: Policy, as_of: date, *, structure: date) -> Facts:
    """Return the facts of the customers of a day, under the branches of the structure's day."""
    # One snapshot: the measures need not look for its day again, nor planners guess twice at it.
    customers, holdings = (
        lazily(bank.snapshot(name, as_of=as_of)).drop("as_of") for name in ("customers", "holdings")
    )
    restated = _restated(bank, customers, structure)
    facts = _customer_facts(restated, holdings, policy=policy, as_of=as_of)
    quarter, today = Quarter.ending_on(as_of), Quarter.ending_on(structure)
    if quarter is None or today is None:
        return facts
    return with_remembered_tiers(bank, facts, policy, quarter, today=today)


def reporting_branches(bank: Bank, policy: Policy, quarter: Quarter) -> list[str]:
    """Return the branches that have customers in scope at the end of a quarter, in order."""
    customers = in_scope(lazily(bank.snapshot("customers", as_of=quarter.end)), policy, quarter.end)
    there = _restated(bank, customers, quarter.end).select("branch_id").unique()
    known = set(collected(lazily(bank.table("branches")).select("branch_id"))["branch_id"])
    return sorted(known & set(collected(there)["branch_id"]))


def _restated(bank: Bank, customers: Facts, structure: date) -> Facts:
    """Return customers under the branches of a day, and the one they were issued under."""
    issued = customers.with_columns(nw.col("branch_id").alias(ISSUED_BRANCH))
    if "branch_successors" not in bank.columns:
        return issued
    return lazily(
        on_structure(issued.to_native(), bank.table("branch_successors"), as_of=structure)
    )


def _with_managed(bank: Bank, snapshot: Snapshot, in_force: Facts, policy: Policy) -> Snapshot:
    """Return the snapshot with who is managed and what was done for them, computed and kept.

    Classes need many sorted steps: they carry no more columns than they look at.
    """
    rule, as_of, contacts = policy.coverage, snapshot.quarter.end, lazily(bank.table("contacts"))
    managed = snapshot.customers.filter(nw.col("in_managed") == 1).drop("in_managed")
    managers = lazily(bank.table("managers")) if "managers" in bank.columns else None
    wide = served(managed, lazily(bank.table("assignments")), contacts, managers,
                  rule=rule, as_of=as_of, current=in_force)  # fmt: skip
    names = wide.collect_schema().names()
    told, ranked = ([n for n in names if n in some] for some in (_SERVICE, _CLASSED_BY))
    table = bank.keep(wide.select(dict.fromkeys([*told, *ranked])).to_native())
    classes = classified(lazily(table).select(ranked), rule, as_of)
    classes = classes.select("customer_id", "customer_class", "contact_due", "managers")
    both = lazily(table).select(told).join(classes, on="customer_id", how="left")
    made = bank.keep(with_rounds(both, contacts, rule, as_of).drop("customer_id").to_native())
    return replace(snapshot, managed=lazily(made), steps=(in_force, lazily(table)))


def kept_steps(bank: Bank, customers: Facts) -> list[Facts]:
    """Return the sorted steps of the Lorenz curves, of the branches and of the whole bank."""
    steps = (running_steps(customers, value=PERIOD_END, by=by, base=FUNDED) for by in LEVELS)
    return [lazily(bank.keep(each.to_native())) for each in steps]


def _kept(
    bank: Bank, facts: Facts, policy: Policy, as_of: date, *, served_by: bool = True
) -> Facts:
    """Keep the columns that are asked for, flags and small numbers in as few bytes as they need.

    A bank's cells are checked, but one of several files may lack a column of amounts.
    """
    names = facts.collect_schema().names()
    looked_at = (f"{rule.value}_cents" for rule in (policy.tiers, policy.dormancy))
    wanted = dict.fromkeys((*_LABELS, *_AMOUNTS, *looked_at, *(_SERVED_BY if served_by else ())))
    flags = [n for n in names if n in _FLAGS or n.startswith(_FLAG_PREFIXES)]
    counts = [n for n in names if n.startswith(_COUNT_PREFIXES) and n != "opened_on"]
    narrow = facts.select(
        *(name for name in wanted if name in names),
        *(nw.col(name).cast(nw.Int8) for name in flags),
        *(nw.col(name).cast(nw.Int32) for name in counts),
    )
    kept = lazily(bank.keep(narrow.to_native()))
    require_somebody(kept, as_of)
    amounts = {name: nw.col(f"{name}_cents") / 100 for name in AUM if f"{name}_cents" in wanted}
    require_amounts(kept.select(**amounts), amounts, "customers")
    return kept
