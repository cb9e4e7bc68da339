"""Peer groups (可比组): which branches a branch is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from stockcust_analysis.errors import PolicyError
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.measures.codebook import measure_definition
from stockcust_analysis.policy import ComparisonRule, Policy

Values = npt.NDArray[np.float64]
NO_TYPE = "untyped"
"""The peer group of branches whose type the bank does not state."""
_SIZE = ("aum_average_quarter", "all")


class Peers(NamedTuple):
    """The group a branch belongs to and all its branches, itself among them, in order."""

    group: str
    branches: tuple[str, ...]


def values_of(
    measures: pd.DataFrame, *, quarter: str, measure: str, base: str, member: str = ""
) -> pd.DataFrame:
    """Return n, numerator, denominator and value of one measure by branch, the bank left out."""
    rows = measures[
        (measures["quarter"] == quarter)
        & (measures["measure"] == measure)
        & (measures["base"] == base)
        & (measures["member"] == member)
        & (measures["branch_id"] != WHOLE_BANK)
    ]
    return rows.set_index("branch_id")[["n", "numerator", "denominator", "value"]]


def possible_values(measure: str, policy: Policy) -> tuple[float, float]:
    """Return the lowest and the highest value a measure can have under a policy.

    >>> from stockcust_analysis.policy import load_policy
    >>> possible_values("products_per_customer", load_policy())
    (0.0, 9.0)
    """
    defined = measure_definition(measure)
    if measure == "products_per_customer":
        return defined.lowest, float(len(policy.families.families))
    return defined.lowest, defined.highest


def peer_groups(
    branches: pd.DataFrame, measures: pd.DataFrame, *, rule: ComparisonRule, quarter: str
) -> dict[str, Peers]:
    """Return with whom each branch is compared, under a policy's rule.

    Parameters
    ----------
    branches : DataFrame
        `branch_id`, and `type` where the rule looks at it.
    measures : DataFrame
        Of an evaluation: size is the quarter-average AUM of all customers.
    rule : ComparisonRule
        By `type_and_size` the classes of a type hold equally many branches, the largest first
        (`urban_1`), branches without a type being a group of their own; `nearest` has for each
        branch its own group, the branch and so many whose AUM is nearest by ratio, ties by number.
    quarter : str
        Such as "2026Q3".

    Returns
    -------
    dict
        branch_id → its peers.

    Raises
    ------
    PolicyError
        Branches that belong to no group.

    Examples
    --------
    >>> town = pd.DataFrame({"branch_id": ["A", "B", "C"], "type": ["urban", "urban", "county"]})
    >>> none = pd.DataFrame(columns=["quarter", "measure", "base", "member", "branch_id"])
    >>> peer_groups(town, none, rule=ComparisonRule(peers="type"), quarter="2026Q3")["A"]
    Peers(group='urban', branches=('A', 'B'))
    """
    names = sorted(branches["branch_id"])
    if rule.peers == "nearest":
        return _nearest(_sizes(measures, quarter, names), rule.nearest)
    group_of = pd.Series("all", index=names)
    if rule.peers in ("type", "type_and_size"):
        group_of = branches.set_index("branch_id")["type"].loc[names].replace("", NO_TYPE)
    if rule.peers == "type_and_size":
        sizes = _sizes(measures, quarter, names)
        group_of = group_of + "_" + _size_classes(group_of, sizes, rule.size_classes).astype(str)
    if rule.peers == "given":
        group_of = _given(names, rule)
    members = {group: tuple(each.index) for group, each in group_of.groupby(group_of)}
    return {name: Peers(group_of[name], members[group_of[name]]) for name in names}


def among_peers(
    values: pd.Series, peers: Mapping[str, Peers], of_group: Callable[[Values], Values]
) -> pd.Series:
    """Return for each branch what `of_group` makes of its peers' values, the missing left out.

    `of_group` takes the values of a group and returns one value for each.
    """
    alike: dict[tuple[str, ...], list[str]] = {}
    known = values.dropna()
    for branch in known.index:
        alike.setdefault(peers[branch].branches, []).append(branch)
    result = pd.Series(np.nan, index=values.index)
    for members, names in alike.items():
        group = known.loc[known.index.intersection(list(members))]
        result[names] = pd.Series(of_group(group.to_numpy(float)), index=group.index)[names]
    return result


def descending_ranks(group: Values) -> Values:
    """Return the rank of each value, the largest first; equal values share one.

    >>> descending_ranks(np.array([75.0, 90.0, 75.0])).tolist()
    [2.0, 1.0, 2.0]
    """
    larger: Values = (group[:, None] < group).sum(axis=1).astype(float)
    return larger + 1.0


def _sizes(measures: pd.DataFrame, quarter: str, names: list[str]) -> pd.Series:
    """Return each branch's AUM; a branch without any is of size zero."""
    measure, base = _SIZE
    known = values_of(measures, quarter=quarter, measure=measure, base=base)["value"]
    return known.reindex(names).fillna(0.0)


def _size_classes(types: pd.Series, sizes: pd.Series, classes: int) -> pd.Series:
    """Return 1 for the largest of each type, …, `classes` for the smallest."""
    place = sizes.groupby(types).rank(method="first", ascending=False)
    number = sizes.groupby(types).transform("size")
    return ((place - 1) * classes // number).astype(int) + 1


def _nearest(sizes: pd.Series, nearest: int) -> dict[str, Peers]:
    """Return each branch with those whose AUM is nearest by ratio."""
    logs = np.log1p(sizes)
    found = {}
    for branch in sizes.index:
        gaps = (logs - logs[branch]).abs().drop(branch).sort_values(kind="stable")
        found[branch] = Peers(branch, tuple(sorted([branch, *gaps.index[:nearest]])))
    return found


def _given(names: list[str], rule: ComparisonRule) -> pd.Series:
    """Return the stated group of each branch."""
    stated = {branch: group.name for group in rule.peer_groups for branch in group.branches}
    without = [name for name in names if name not in stated]
    if without:
        raise PolicyError(f"comparison: {len(without)} branches in no peer group: {without[:5]}.")
    return pd.Series([stated[name] for name in names], index=names)
