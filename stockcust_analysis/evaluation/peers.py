"""Peer groups (可比组) of branches, and figures branch by branch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from stockcust_analysis.errors import PolicyError, say
from stockcust_analysis.policy import ComparisonRule

Values = npt.NDArray[np.float64]
NO_TYPE = "untyped"
"""The peer group of branches whose type the bank does not state."""

Positions = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Peers:
    """The group that each branch is compared with, and the branches in each group, in order."""

    group_of: Mapping[str, str]
    members: Mapping[str, tuple[str, ...]]

    @cached_property
    def positions(self) -> list[tuple[Positions, Positions]]:
        """For each group the positions of its members, and of the branches compared with it."""
        groups = pd.Series(self.group_of)
        return [
            (groups.index.get_indexer(pd.Index(members)), np.flatnonzero(groups == group))
            for group, members in self.members.items()
        ]

    def known(self, known: Flags) -> Iterator[tuple[Positions, Positions, Positions]]:
        """Yield each group's members with a value, those compared with them, and their places."""
        for members, own in self.positions:
            inside, branches = members[known[members]], own[known[own]]
            if branches.size:
                yield inside, branches, np.searchsorted(inside, branches)

    def among(self, values: Values, of_group: Callable[[Values], Values]) -> Values:
        """Return for each branch what `of_group` makes of its peers' values, the missing left out.

        `of_group` takes the values of a group and returns one value for each.
        """
        result = np.full_like(values, np.nan)
        for inside, branches, places in self.known(~np.isnan(values)):
            result[branches] = of_group(values[inside])[places]
        return result


def branch_figures(
    measures: pd.DataFrame,
    quarter: str,
    keys: Sequence[tuple[str, str, str]],
    branches: Sequence[str],
    columns: Sequence[str] = ("n", "numerator", "denominator", "value"),
) -> pd.DataFrame:
    """Return figures of a quarter: one row per key and branch in their order, NaN where unknown.

    Parameters
    ----------
    measures : DataFrame
        Of an evaluation.
    quarter : str
        Such as "2026Q3".
    keys : sequence of (measure, base, member)
        Which figures; the member is empty where a measure has none.
    branches : sequence of str
    columns : sequence of str
        Those to return, as floats.
    """
    index_columns = ["measure", "base", "member", "branch_id"]
    rows_of = [(*key, branch) for key in keys for branch in branches]
    index = pd.MultiIndex.from_tuples(rows_of, names=index_columns)
    rows = measures[measures["quarter"] == quarter]
    for column, values in zip(index_columns[:3], zip(*keys, strict=True), strict=True):
        rows = rows[rows[column].isin(values)]
    return rows.set_index(index_columns).reindex(columns=list(columns)).reindex(index).astype(float)


def peer_groups(
    branches: pd.DataFrame, measures: pd.DataFrame, *, rule: ComparisonRule, quarter: str
) -> Peers:
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

    Raises
    ------
    PolicyError
        Branches that belong to no group.

    Examples
    --------
    >>> town = pd.DataFrame({"branch_id": ["A", "B", "C"], "type": ["urban", "urban", "county"]})
    >>> none = pd.DataFrame(columns=["quarter", "measure", "base", "member", "branch_id"])
    >>> peer_groups(town, none, rule=ComparisonRule(peers="type"), quarter="2026Q3").members
    {'county': ('C',), 'urban': ('A', 'B')}
    """
    names = sorted(branches["branch_id"])
    if rule.peers == "nearest":
        return _nearest(_sizes(measures, quarter, names), rule.nearest)
    group_of = pd.Series("all", index=names)
    if rule.peers in ("type", "type_and_size"):
        group_of = branches.set_index("branch_id")["type"].loc[names].replace("", NO_TYPE)
    if rule.peers == "type_and_size":
        by_type = _sizes(measures, quarter, names).groupby(group_of)
        rank = by_type.rank(method="first", ascending=False)
        size_class = (rank - 1) * rule.size_classes // by_type.transform("size") + 1
        group_of = group_of + "_" + size_class.astype(int).astype(str)
    if rule.peers == "given":
        stated = {branch: group.name for group in rule.peer_groups for branch in group.branches}
        without = [name for name in names if name not in stated]
        if without:
            shown = say("named_branches", len(without), without[:5])
            raise PolicyError(say("in_no_peer_group", shown))
        group_of = pd.Series(stated).loc[names]
    members = {str(group): tuple(rows.index) for group, rows in group_of.groupby(group_of)}
    return Peers({name: group_of[name] for name in names}, members)


def _sizes(measures: pd.DataFrame, quarter: str, names: list[str]) -> pd.Series:
    """Return each branch's quarter-average AUM; a branch without any is of size zero."""
    values = branch_figures(measures, quarter, [("aum_average_quarter", "all", "")], names)["value"]
    return values.droplevel([0, 1, 2]).fillna(0.0)


def _nearest(sizes: pd.Series, nearest: int) -> Peers:
    """Return each branch with those whose AUM is nearest by ratio."""
    logs, members = np.log1p(sizes), {}
    for branch in sizes.index:
        gaps = (logs - logs[branch]).abs().drop(branch).sort_values(kind="stable")
        members[branch] = tuple(sorted([branch, *gaps.index[:nearest]]))
    return Peers({branch: branch for branch in members}, members)
