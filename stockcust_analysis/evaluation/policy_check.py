"""Whether a policy can be followed: names that are not there, and what does not fit a bank."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict

import pandas as pd

from stockcust_analysis.bank.contract import TABLES
from stockcust_analysis.errors import PolicyError, Words, bulleted, did_you_mean, say
from stockcust_analysis.measures.codebook import all_measures, defined_measures, measure_definition
from stockcust_analysis.measures.holdings import UNMATURED_TIME_DEPOSIT
from stockcust_analysis.policy import AMONG_PEERS, DEFAULT, Policy, PolicyLike, load_policy
from stockcust_analysis.policy.describe import lints
from stockcust_analysis.policy.file import Table, texts_at, values_at

_SHOWN = 5
_ALLOWED = {f"{table.name}.{c.name}": c.allowed for table in TABLES for c in table.columns}
_CODES = {
    "customer_types": "customers.customer_type",
    "families.families.products": "holdings.product",
    "families.channels.products": "holdings.product",
    "families.aum_products": "holdings.product",
    "dormancy.scope": "customers.customer_type",
    "dormancy.products": "holdings.product",
    "dormancy.exempt": "holdings.product",
    "dormancy.active_kinds": "transactions.kind",
    "coverage.effective_outcomes": "contacts.outcome",
    "coverage.counter_roles": "managers.role",
    "coverage.vip_roles": "managers.role",
    "coverage.assistant_roles": "managers.role",
}
"""Where a policy names codes of the extracts, and of which column."""
_MEASURES = {
    "indicator": "scorecard.indicators",
    "veto": "scorecard.vetoes",
    "comparison": "comparison.measures",
}


def read_policy(policy: PolicyLike) -> Policy:
    """Return a policy by name, by path or as it is; PolicyError with all problems of its file."""
    return policy if isinstance(policy, Policy) else load_policy(policy or DEFAULT, check=_problems)


def check_policy_against(policy: Policy, *, branches: pd.DataFrame, targets: pd.DataFrame) -> None:
    """Raise one PolicyError that lists all in which a policy does not fit the bank.

    Parameters
    ----------
    policy : Policy
        What a file alone shows was refused when it was read; of a policy made in Python
        codes, measures and directions are checked here.
    branches : DataFrame
        Those that report: `branch_id`, and `type` where the bank delivers it.
    targets : DataFrame
        `branch_id, measure, target` of the quarter; empty where the bank sets none.

    A measure that this bank has no tables for, or no quarter before, is no problem: indicators
    treat it as missing data, and it is not compared.
    """
    table = asdict(policy)
    problems = [
        *_unknown_codes(table),
        *_unknown_names(table, policy),
        *_wrong_directions(table),
        *_impossible_peers(policy, branches),
        *_missing_plans(policy, targets),
        *_wrong_plans(targets),
    ]
    if problems:
        raise PolicyError(bulleted(say("does_not_fit", policy.name), problems), problems)


def _problems(table: Table) -> Iterator[str]:
    """Yield what is wrong with a file's rules that its own words do not show."""
    # Families that stand for products were reported when the file was read.
    yield from _unknown_codes(table, texts_at(table, "families.families.name"))
    yield from _unknown_names(table)
    yield from _wrong_directions(table)


def _unknown_codes(table: Table, reported: Collection[str] = ()) -> Iterator[str]:
    """Yield codes that no table of the contract may hold: they would match no row."""
    problems = dict[str, None]()
    for path, column in _CODES.items():
        known, where = _ALLOWED[column], "families" if path.startswith("families") else path
        for code in sorted({*texts_at(table, path)} - {*known, *reported, UNMATURED_TIME_DEPOSIT}):
            problems[say("no_such_code", where, column, code, did_you_mean(code, known))] = None
    yield from problems


def _unknown_names(table: Table, policy: Policy | None = None) -> Iterator[str]:
    """Yield measures, bases and warnings that are not there; and members, given the policy."""
    offered = list(all_measures(policy or load_policy()))
    totals = {measure.name for measure, _ in offered if measure.denominator is None}
    for kind, path in _MEASURES.items():
        for entry in _entries(table, path):
            name, measure = entry.get("name"), entry.get("measure") or entry.get("name")
            bases = sorted({base for offer, base in offered if offer.name == measure})
            base, member = entry.get("customer_base", "funded"), entry.get("member", "")
            members = sorted({o.member for o, own in offered if (o.name, own) == (measure, base)})
            subject = say(f"{kind}_rule", name)
            if not bases:
                yield from _unknown_measures(subject, [str(measure)])
            elif base not in bases:
                close = did_you_mean(str(base), bases)
                yield say("not_for_base", subject, measure, bases, base, close)
            elif policy and member not in members:
                yield say("no_such_member", subject, measure, member, members)
            elif kind == "comparison" and measure in totals:
                yield say("compares_total", subject, measure)
    for theme in _entries(table, "themes"):
        subject = say("theme_rule", theme.get("name"))
        yield from _unknown_measures(subject, texts_at(theme, "measures"))
    for name in texts_at(table, "scorecard.overrides.name"):
        if name not in lints():
            yield say("warning_unknown", name, did_you_mean(name, lints()))


def _entries(table: Table, path: str) -> list[Table]:
    """Return the tables at a path."""
    return [entry for entry in values_at(table, path) if isinstance(entry, dict)]


def _unknown_measures(subject: Words, measures: Iterable[str]) -> Iterator[str]:
    """Yield names that the codebook does not know."""
    for measure in measures:
        if measure not in defined_measures():
            close = did_you_mean(measure, defined_measures())
            yield say("measure_unknown", subject, measure, close)


def _wrong_directions(table: Table) -> Iterator[str]:
    """Yield indicators that reward what the codebook calls bad."""
    for entry in _entries(table, "scorecard.indicators"):
        name, direction = entry.get("name"), entry.get("direction", "higher")
        measure = entry.get("measure") or name
        if measure in defined_measures():
            good = measure_definition(measure).higher_is_better
            better = {"yes": "higher", "no": "lower"}.get(good, direction)
            if direction != better and direction in ("higher", "lower"):
                yield say("wrong_direction", say("indicator_rule", name), better)


def _impossible_peers(policy: Policy, branches: pd.DataFrame) -> Iterator[str]:
    """Yield peer groups that cannot be made, or have nobody in them."""
    rule, present = policy.comparison, set(branches["branch_id"])
    if rule.peers in ("type", "type_and_size") and not branches.get("type", pd.Series([""])).any():
        yield say("no_types", rule.peers)
    if rule.peers == "nearest" and rule.nearest >= len(present):
        yield say("too_near", rule.nearest, len(present))
    if rule.peers != "given":
        return
    for group in rule.peer_groups:
        if not present & set(group.branches):
            yield say("peer_group_absent", group.name)
    without = present - {branch for group in rule.peer_groups for branch in group.branches}
    if without:
        yield say("in_no_peer_group", _count_branches(without))


def _missing_plans(policy: Policy, targets: pd.DataFrame) -> Iterator[str]:
    """Yield indicators whose plan is missing among others, or cannot be divided by."""
    if targets.empty:
        return
    for indicator in policy.scorecard.indicators:
        if indicator.target != "plan" or indicator.method in AMONG_PEERS:
            continue
        name, measure = indicator.name, indicator.measure_name
        rows = targets[targets["measure"] == measure]
        useless = rows.loc[~(rows["target"] > 0), "branch_id"]
        if rows.empty:
            yield say("no_plan_of", name, measure)
        elif len(useless):
            yield say("plan_not_above_0", name, _count_branches(useless))


def _wrong_plans(targets: pd.DataFrame) -> Iterator[str]:
    """Yield plans that no figure can be held against: in another unit."""
    for measure, rows in targets.groupby("measure"):
        if measure_definition(str(measure)).kind == "share" and (rows["target"] > 1).any():
            yield say("plans_above_1", len(rows), measure)


def _count_branches(names: Iterable[str]) -> Words:
    """Return how many branches, and the first of them."""
    known = sorted(names)
    first = [*known[:_SHOWN], *(["…"] if len(known) > _SHOWN else [])]
    return say("named_branch" if len(known) == 1 else "named_branches", len(known), first)
