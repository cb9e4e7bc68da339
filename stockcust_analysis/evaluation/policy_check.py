"""Whether a bank's quarter can be evaluated under a policy: all that is wrong, at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import pandas as pd

from stockcust_analysis.bank.contract import TABLES
from stockcust_analysis.errors import PolicyError, did_you_mean
from stockcust_analysis.measures.codebook import defined_measures, measure_definition
from stockcust_analysis.measures.dormancy_evidence import UNMATURED_TIME_DEPOSIT
from stockcust_analysis.measures.registry import Measure
from stockcust_analysis.policy import AMONG_PEERS, Policy
from stockcust_analysis.policy.lint import lints

_SHOWN = 5
_ALLOWED = {f"{one.name}.{column.name}": column.allowed for one in TABLES for column in one.columns}


class Offer(NamedTuple):
    """A measure the evaluation computes: its base, its member, and whether it is a plain total."""

    measure: str
    base: str
    member: str
    total: bool


def offered(measures: Iterable[tuple[Measure, str]]) -> set[Offer]:
    """Return what an evaluation computes: measures, each with its base.

    >>> len(offered([(Measure("gini", "gini_cents", "total_cents"), "funded")]))
    1
    """
    return {
        Offer(measure.name, base, measure.member, measure.denominator is None)
        for measure, base in measures
    }


def check_policy_against(
    policy: Policy, *, offers: Collection[Offer], branches: pd.DataFrame, targets: pd.DataFrame
) -> None:
    """Raise one PolicyError that lists all in which a policy does not fit the bank.

    Parameters
    ----------
    policy : Policy
        Already read: what can be told from the file alone (weights that do not add up, a floor
        above the cap, a fixed target of zero) was refused then, likewise all at once.
    offers
        As `offered` returns them.
    branches : DataFrame
        Those that report: `branch_id`, and `type` where the bank tells it.
    targets : DataFrame
        `branch_id, measure, target` of the quarter; empty where the bank sets none.

    A measure that this bank has no tables for, or no quarter before, is no problem: indicators
    treat it as missing data, and it is not compared.
    """
    problems = [
        *_codes(policy),
        *_unknown(policy, offers),
        *_directions(policy),
        *_peers(policy, branches),
        *_plans(policy, targets),
    ]
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise PolicyError(f"{policy.name} does not fit this bank:\n{listed}")


def _codes(policy: Policy) -> Iterator[str]:
    """Yield codes that no table of the contract may hold: they would match no row."""
    families, rule = policy.families, policy.dormancy
    named = [name for one in families.families + families.channels for name in one.products]
    places: list[tuple[str, str, Iterable[str]]] = [
        ("customer_types", "customers.customer_type", policy.customer_types),
        ("families", "holdings.product", dict.fromkeys([*named, *families.aum_products])),
        ("dormancy.scope", "customers.customer_type", rule.scope),
        ("dormancy.products", "holdings.product", rule.products),
        ("dormancy.exempt", "holdings.product", set(rule.exempt) - {UNMATURED_TIME_DEPOSIT}),
        ("dormancy.active_kinds", "transactions.kind", rule.active_kinds),
        ("coverage.effective_outcomes", "contacts.outcome", policy.coverage.effective_outcomes),
    ]
    for where, column, codes in places:
        known = _ALLOWED[column]
        for code in sorted(set(codes) - set(known)):
            yield f"{where}: {column} has no code '{code}'.{did_you_mean(code, known)}"


def _unknown(policy: Policy, offers: Collection[Offer]) -> Iterator[str]:
    """Yield measures, bases, members and warnings that are not there."""
    wanted = [
        (f"indicator '{one.name}'", one.measure_name, one.customer_base, one.member)
        for one in policy.scorecard.indicators
    ]
    wanted += [
        (f"veto '{one.name}'", one.measure, one.customer_base, "")
        for one in policy.scorecard.vetoes
    ]
    compared = [
        ("comparison", one.name, one.customer_base, "") for one in policy.comparison.measures
    ]
    totals = {offer.measure for offer in offers if offer.total}
    for where, measure, base, member in [*wanted, *compared]:
        problem = _missing(measure, base, member, offers)
        if problem:
            yield f"{where}: {problem}"
        elif where == "comparison" and measure in totals:
            yield f"{where}: '{measure}' is a total. Compare a mean or a share."
    for theme in policy.themes:
        for measure in theme.measures:
            if measure not in defined_measures():
                close = did_you_mean(measure, defined_measures())
                yield f"theme '{theme.name}': unknown measure '{measure}'.{close}"
    for one in policy.scorecard.overrides:
        if one.name not in lints():
            yield f"overrides: unknown warning '{one.name}'.{did_you_mean(one.name, lints())}"


def _missing(measure: str, base: str, member: str, offers: Collection[Offer]) -> str:
    """Return what is wrong with a measure asked for; one the bank has no data for is not wrong."""
    named = [offer for offer in offers if offer.measure == measure]
    if not named:
        known = measure in defined_measures()
        close = did_you_mean(measure, defined_measures())
        return "" if known else f"unknown measure '{measure}'.{close}"
    bases = sorted({offer.base for offer in named})
    if base not in bases:
        return f"'{measure}' is told of {', '.join(bases)}, not of '{base}'."
    members = sorted({offer.member for offer in named})
    if member not in members:
        return f"'{measure}' has no member '{member}'; its members: {', '.join(members)}."
    return ""


def _directions(policy: Policy) -> Iterator[str]:
    """Yield indicators that reward what the codebook calls bad."""
    for one in policy.scorecard.indicators:
        if one.measure_name in defined_measures():
            good = {"yes": "higher", "no": "lower"}.get(
                measure_definition(one.measure_name).higher_is_better, one.direction
            )
            if good != one.direction:
                yield (
                    f"indicator '{one.name}': by the codebook {good} is better; "
                    f"state direction = '{good}'."
                )


def _peers(policy: Policy, branches: pd.DataFrame) -> Iterator[str]:
    """Yield peer groups that cannot be made, or have nobody in them."""
    rule, present = policy.comparison, set(branches["branch_id"])
    if rule.peers in ("type", "type_and_size") and not branches.get("type", pd.Series([""])).any():
        yield f"comparison: peers by {rule.peers}, but no branch has a 'type'."
    if rule.peers == "nearest" and rule.nearest >= len(present):
        yield f"comparison: nearest = {rule.nearest}, but only {len(present)} branches report."
    if rule.peers != "given":
        return
    for group in rule.peer_groups:
        if not present & set(group.branches):
            yield f"comparison: peer group '{group.name}' is empty: none of its branches reports."
    without = present - {branch for group in rule.peer_groups for branch in group.branches}
    if without:
        yield f"comparison: {_some(without)} in no peer group."


def _plans(policy: Policy, targets: pd.DataFrame) -> Iterator[str]:
    """Yield indicators whose plan is missing among others, or cannot be divided by."""
    if targets.empty:
        return
    for one in policy.scorecard.indicators:
        if one.target != "plan" or one.method in AMONG_PEERS:
            continue
        rows = targets[targets["measure"] == one.measure_name]
        if rows.empty:
            measure = one.measure_name
            yield f"indicator '{one.name}': targets hold no plan of '{measure}' this quarter."
            continue
        useless = rows.loc[~(rows["target"] > 0), "branch_id"]
        if len(useless):
            yield f"indicator '{one.name}': the target is not above 0 for {_some(useless)}."


def _some(names: Iterable[str]) -> str:
    """Return how many branches, and the first of them."""
    known = sorted(names)
    more = ", …" if len(known) > _SHOWN else ""
    word = "branch" if len(known) == 1 else "branches"
    return f"{len(known)} {word} ({', '.join(known[:_SHOWN])}{more})"
