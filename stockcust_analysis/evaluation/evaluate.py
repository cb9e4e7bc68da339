"""The evaluation of a quarter: all measures of all branches, with up to four quarters before it."""

from __future__ import annotations

from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.changes import (
    BRIDGE_COLUMNS,
    ISSUED_BRANCH,
    MIGRATION_COLUMNS,
    bridge_table,
    change_questions,
    changes_between,
    migration_table,
)
from stockcust_analysis.evaluation.questions import (
    FUNDED,
    LEVELS,
    Facts,
    Question,
    opening_questions,
    questions,
    service_questions,
)
from stockcust_analysis.evaluation.results import MEASURE_COLUMNS, WHOLE_BANK, Evaluation
from stockcust_analysis.evaluation.worklists import worklist_tables
from stockcust_analysis.measures.co_holding import _co_holding, co_holding_rows
from stockcust_analysis.measures.customer_service import _customer_service
from stockcust_analysis.measures.facts import aum_origins, customer_facts
from stockcust_analysis.measures.frames import cents, collected, lazily, measures_of
from stockcust_analysis.measures.pareto import _lorenz_steps, curve_points
from stockcust_analysis.measures.structure import on_structure
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
    facts = {each: _facts(bank, rules, each.end, target.end) for each in told}
    asked = questions(rules) + _further_questions(bank, rules)
    measures = [_measures(facts[each], each, asked) for each in told]
    migration, bridge = (
        pd.DataFrame(columns=MIGRATION_COLUMNS),
        pd.DataFrame(columns=BRIDGE_COLUMNS),
    )
    if target.previous in facts:
        changes = changes_between(bank, facts[target.previous], facts[target], rules)
        measures.append(_measures(facts[target], target, change_questions(changes, rules)))
        migration = migration_table(bank, changes, rules)
        bridge = bridge_table(bank, changes, rules)
    lists, outcomes = worklist_tables(bank, quarter=target, policy=rules)
    return Evaluation(
        quarter=target,
        bank_name=bank.name,
        policy_facts=_policy_facts(rules, bank),
        branches=_branches(bank, facts[target]),
        measures=pd.concat(measures, ignore_index=True),
        lorenz=_lorenz(facts[target], target),
        co_holding=_co_holding_table(facts[target], target, rules),
        migration=migration,
        bridge=bridge,
        targets=_targets(bank, target),
        reconciliation=_reconciliation(bank, rules, target),
        worklists=lists,
        outcomes=outcomes,
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


def _facts(bank: Bank, policy: Policy, as_of: date, today: date) -> Facts:
    """Return the customer facts of a date on today's structure, computed once and kept."""
    customers = lazily(bank.snapshot("customers", as_of=as_of))
    told = customers.with_columns(nw.col("branch_id").alias(ISSUED_BRANCH)).to_native()
    if "branch_successors" in bank.columns:
        told = on_structure(told, bank.table("branch_successors"), as_of=today)
    holdings = bank.snapshot("holdings", as_of=as_of)
    facts = lazily(customer_facts(told, holdings, policy=policy, as_of=as_of))
    if _is_managed(bank):
        facts = _with_service(bank, facts, policy, as_of)
    return lazily(bank.keep(facts.to_native()))


def _further_questions(bank: Bank, policy: Policy) -> list[Question]:
    """Return the questions that only some banks deliver the tables or columns for."""
    asked = opening_questions() if "opened_on" in bank.columns["holdings"] else []
    return asked + (service_questions(policy) if _is_managed(bank) else [])


def _is_managed(bank: Bank) -> bool:
    """Tell whether the bank delivers who manages whom, and the contacts made."""
    return {"assignments", "contacts"} <= set(bank.columns)


def _with_service(bank: Bank, facts: Facts, policy: Policy, as_of: date) -> Facts:
    """Return the facts with who manages each customer and what came of it."""
    managers = lazily(bank.table("managers")) if "managers" in bank.columns else None
    kept = lazily(bank.keep(facts.to_native()))
    assignments, contacts = lazily(bank.table("assignments")), lazily(bank.table("contacts"))
    return _customer_service(kept, assignments, contacts, managers, policy=policy, as_of=as_of)


def _measures(facts: Facts, quarter: Quarter, asked: list[Question]) -> pd.DataFrame:
    """Return all measures of one quarter, for every branch and for the whole bank."""
    frames = [
        _told(question.totals(facts, by, base), question, by, base, facts)
        for question in asked
        for base in question.bases
        for by in LEVELS
    ]
    table = pd.concat(frames, ignore_index=True)
    table["quarter"], table["as_of"] = str(quarter), quarter.end.isoformat()
    keys = ["branch_id", "dimension", "measure", "base"]
    return table.sort_values(keys, kind="stable", ignore_index=True)[list(MEASURE_COLUMNS)]


def _told(
    totals: Facts, question: Question, by: list[str], base: str, facts: Facts
) -> pd.DataFrame:
    """Return one question's measures, with their label as dimension and member."""
    sums, given = collected(totals), facts.to_native()
    frames = []
    for names, ratios in groupby(question.ratios, key=lambda ratio: [n for n, _ in ratio.labels]):
        frame: pd.DataFrame = measures_of(sums, list(ratios), by=by, base=base, given=given)
        frame["dimension"] = names[0] if names else ""
        frame["member"] = frame[names[0]] if names else ""
        frames.append(frame.drop(columns=names))
    table = pd.concat(frames, ignore_index=True)
    return table if by else table.assign(branch_id=WHOLE_BANK)


def _lorenz(facts: Facts, quarter: Quarter) -> pd.DataFrame:
    """Return the Lorenz curves of every branch and of the whole bank."""
    curves = []
    for by in LEVELS:
        steps = _lorenz_steps(facts, value="aum_period_end_cents", by=by, base=FUNDED)
        curve = pd.DataFrame(curve_points(collected(steps), by))
        curves.append(curve if by else curve.assign(branch_id=WHOLE_BANK))
    table = pd.concat(curves, ignore_index=True).assign(quarter=str(quarter))
    return table[["quarter", "branch_id", "customer_share", "value_share"]]


def _co_holding_table(facts: Facts, quarter: Quarter, policy: Policy) -> pd.DataFrame:
    """Return which families are held together, for every branch and the whole bank."""
    tables = []
    for by in LEVELS:
        totals = collected(_co_holding(facts, policy.families, by=by, base=FUNDED))
        table = pd.DataFrame(co_holding_rows(totals, policy.families, by, FUNDED))
        tables.append(table if by else table.assign(branch_id=WHOLE_BANK))
    table = pd.concat(tables, ignore_index=True)
    table.insert(0, "quarter", str(quarter))
    # A column in which nothing is defined has no type of its own.
    return table.astype(dict.fromkeys(table.select_dtypes("object", exclude="str").columns, float))


def _branches(bank: Bank, facts: Facts) -> pd.DataFrame:
    """Return the branches that have customers in scope, in order of their numbers."""
    present = collected(facts.select("branch_id").unique())["branch_id"]
    table = lazily(bank.table("branches"))
    columns = [
        c for c in ("branch_id", "name", "region", "type", "opened_on") if c in table.columns
    ]
    frame = pd.DataFrame(collected(table.select(columns)))
    if "opened_on" in frame:
        opened = pd.to_datetime(frame["opened_on"])
        frame["opened_on"] = opened.dt.strftime("%Y-%m-%d").fillna("")
    kept = frame[frame["branch_id"].isin(present)]
    return kept.sort_values("branch_id", ignore_index=True)


def _targets(bank: Bank, quarter: Quarter) -> pd.DataFrame:
    """Return what the branches are to reach this quarter; empty when the bank sets no targets."""
    names = ["branch_id", "quarter", "measure", "target"]
    if "targets" not in bank.columns:
        return pd.DataFrame(columns=names).astype({"target": float})
    table = lazily(bank.table("targets")).filter(nw.col("quarter") == str(quarter))
    frame = pd.DataFrame(collected(table.select(names)))
    return frame.sort_values(["branch_id", "measure"], ignore_index=True)


def _reconciliation(bank: Bank, policy: Policy, quarter: Quarter) -> pd.DataFrame:
    """Return totals that must agree: assets by customer, by account and in the ledger, in CNY."""
    aum = nw.col("product").is_in(policy.families.aum_products)
    holdings = lazily(bank.snapshot("holdings", as_of=quarter.end))
    by_account = _total(holdings.filter(aum), "balance")
    rows = []
    if "aum_period_end" in bank.columns["customers"]:
        customers = lazily(bank.snapshot("customers", as_of=quarter.end))
        rows.append(("customers_and_accounts", _total(customers, "aum_period_end"), by_account))
    if "ledger" in bank.columns:
        ledger = lazily(bank.snapshot("ledger", as_of=quarter.end))
        rows.append(("ledger_and_accounts", _total(ledger.filter(aum), "balance"), by_account))
    table = pd.DataFrame(rows, columns=["check", "left", "right"])
    return table.assign(difference=(table["left"] - table["right"]).round(2))


def _total(table: Facts, name: str) -> float:
    """Return the sum of a CNY column, exact to the cent."""
    total = collected(table.select(total=cents(name)).select(nw.col("total").sum()))["total"][0]
    return int(total or 0) / 100


def _policy_facts(policy: Policy, bank: Bank) -> dict[str, Any]:
    """Return what a page prints of the rules it was made by."""
    rule = policy.dormancy
    return {
        "name": policy.name,
        "version": policy.version,
        "digest": policy.digest,
        "tiers": [
            {"name": tier.name, "lower": tier.lower, "zh": tier.zh, "en": tier.en}
            for tier in policy.tiers.tiers
        ],
        "funded": policy.bases.funded,
        "effective": policy.bases.effective,
        "dormancy": {
            "name": rule.name,
            "idle_months": rule.idle_months,
            "idle_days": rule.idle_days,
            "cap": rule.cap,
        },
        "aum_from": aum_origins(bank.columns["customers"], bank.columns["holdings"]),
    }
