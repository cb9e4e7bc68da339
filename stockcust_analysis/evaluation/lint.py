"""Traps of a scorecard that only the quarter's figures show: few branches, few customers, twins."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from stockcust_analysis.evaluation.peers import Peers, peer_groups, values_of
from stockcust_analysis.policy import Indicator, Policy
from stockcust_analysis.policy.lint import Lint, LintWarning, add_reasons, lint, lints

_FEWEST = 10  # branches, for a correlation to say anything


def lint_scorecard(
    table: pd.DataFrame,
    measures: pd.DataFrame,
    *,
    branches: pd.DataFrame,
    policy: Policy,
    quarter: str,
) -> list[LintWarning]:
    """Return all traps of a quarter's scorecard: those of its rules, and those of its figures.

    Parameters
    ----------
    table : DataFrame
        The scorecard's rows, as `scorecard` returns them.
    measures, branches, policy, quarter
        As for `scorecard`.

    Returns
    -------
    list of LintWarning
        One for each trap and indicator (or peer group), with the bank's reason where it is kept.
    """
    peers = peer_groups(branches, measures, rule=policy.comparison, quarter=quarter)
    found = _small_groups(peers)
    for one in policy.scorecard.indicators:
        values = values_of(
            measures, quarter=quarter, measure=one.measure_name, base=one.customer_base,
            member=one.member,
        )  # fmt: skip
        found += _small_denominators(one, values, lints()["small_denominator"])
        found += _tiny_bases(one, table, values, lints()["tiny_base"])
    found += _twins(table, lints()["correlated"])
    return lint(policy) + add_reasons(found, policy)


def _small_groups(peers: Mapping[str, Peers]) -> list[LintWarning]:
    """Return the peer groups with few branches, each once."""
    limit = lints()["small_peer_group"].limit or 0
    sizes = {each.group: len(each.branches) for each in peers.values()}
    return [
        LintWarning("small_peer_group", group, f"({size} < {limit:g})")
        for group, size in sorted(sizes.items())
        if size < limit
    ]


def _small_denominators(one: Indicator, values: pd.DataFrame, rule: Lint) -> list[LintWarning]:
    """Return whether branches have few customers behind an indicator; a total stands on its n."""
    limit = rule.limit or 0
    number = values["denominator"].where(values["denominator"] != 1, values["n"])
    few = int((number.clip(upper=values["n"]) < limit).sum())
    return [LintWarning(rule.name, one.name, f"({few}/{len(values)} < {limit:g})")] if few else []


def _tiny_bases(
    one: Indicator, table: pd.DataFrame, values: pd.DataFrame, rule: Lint
) -> list[LintWarning]:
    """Return whether growth, or progress on last quarter, is told from next to nothing."""
    if rule.applies_to(one):
        base = values["denominator"]
    elif one.target == "previous_quarter":
        base = table.loc[table["indicator"] == one.name, "target"].dropna()
    else:
        return []
    few = int((base < (rule.limit or 0) * base.median()).sum())
    return [LintWarning(rule.name, one.name, f"({few}/{len(base)})")] if few else []


def _twins(table: pd.DataFrame, rule: Lint) -> list[LintWarning]:
    """Return the pairs of indicators whose attainments go together over the branches."""
    reached = table.pivot(index="branch_id", columns="indicator", values="attainment")
    found = []
    for a, b in combinations(sorted(map(str, reached)), 2):
        both = reached[[a, b]].dropna()
        if len(both) < _FEWEST or (both.nunique() < 2).any():
            continue
        r = float(np.corrcoef(both[a], both[b])[0, 1])
        if abs(r) > (rule.limit or 1):
            found.append(LintWarning(rule.name, f"{a}, {b}", f"(r = {r:.2f})"))
    return found
