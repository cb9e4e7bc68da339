"""The branches, their peer groups (可比组), and figures branch by branch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.frames import as_lazy, collect_rows
from stockcust_analysis.errors import PolicyError
from stockcust_analysis.policy import ComparisonRule

Values = npt.NDArray[np.float64]
NO_TYPE = "untyped"
"""The peer group of branches whose type the bank does not state."""

Positions = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
_BRANCH = ("branch_id", "name", "region", "type", "opened_on")


class Peers(NamedTuple):
    """The group a branch belongs to and all its branches, itself among them, in order."""

    group: str
    branches: tuple[str, ...]


def branches_of(bank: Bank) -> pd.DataFrame:
    """Return the branches by number; a region or type that is not delivered is empty.

    `merged_on` is the day on which a branch last took over others, where successors are delivered.
    """
    table = as_lazy(bank.table("branches"))
    names = table.collect_schema().names()
    frame = pd.DataFrame(collect_rows(table.select(name for name in _BRANCH if name in names)))
    for name in ("region", "type"):
        values = frame.get(name, pd.Series("", index=frame.index))
        frame[name] = values.astype(object).fillna("").astype("str")
    if "branch_successors" in bank.columns:
        pairs = as_lazy(bank.table("branch_successors")).select("new_branch_id", "effective_on")
        last = pd.DataFrame(collect_rows(pairs)).groupby("new_branch_id")["effective_on"].max()
        frame["merged_on"] = frame["branch_id"].map(last)
    for name in {"opened_on", "merged_on"}.intersection(frame):
        frame[name] = pd.to_datetime(frame[name]).dt.strftime("%Y-%m-%d").fillna("")
    return frame.sort_values("branch_id", ignore_index=True)


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
    table = rows.set_index(index_columns).reindex(columns=list(columns))
    return table.reindex(index).astype(float)


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
        by_type = _sizes(measures, quarter, names).groupby(group_of)
        rank = by_type.rank(method="first", ascending=False)
        size_class = (rank - 1) * rule.size_classes // by_type.transform("size") + 1
        group_of = group_of + "_" + size_class.astype(int).astype(str)
    if rule.peers == "given":
        stated = {branch: group.name for group in rule.peer_groups for branch in group.branches}
        without = [name for name in names if name not in stated]
        if without:
            problem = f"{len(without)} branches in no peer group: {without[:5]}"
            raise PolicyError(f"comparison: {problem}.")
        group_of = pd.Series(stated).loc[names]
    members = {group: tuple(rows.index) for group, rows in group_of.groupby(group_of)}
    return {name: Peers(group_of[name], members[group_of[name]]) for name in names}


def _sizes(measures: pd.DataFrame, quarter: str, names: list[str]) -> pd.Series:
    """Return each branch's quarter-average AUM; a branch without any is of size zero."""
    values = branch_figures(measures, quarter, [("aum_average_quarter", "all", "")], names)["value"]
    return values.droplevel([0, 1, 2]).fillna(0.0)


def _nearest(sizes: pd.Series, nearest: int) -> dict[str, Peers]:
    """Return each branch with those whose AUM is nearest by ratio."""
    logs, groups = np.log1p(sizes), {}
    for branch in sizes.index:
        gaps = (logs - logs[branch]).abs().drop(branch).sort_values(kind="stable")
        groups[branch] = Peers(branch, tuple(sorted([branch, *gaps.index[:nearest]])))
    return groups


def group_positions(peers: Mapping[str, Peers]) -> list[tuple[Positions, Positions]]:
    """Return for each peer group the positions of its members, and of those compared in it."""
    positions = {branch: position for position, branch in enumerate(peers)}
    own: dict[tuple[str, ...], list[int]] = {}
    for branch, position in positions.items():
        own.setdefault(peers[branch].branches, []).append(position)
    return [
        (np.array([positions[branch] for branch in members]), np.array(rows))
        for members, rows in own.items()
    ]


def known_members(
    groups: list[tuple[Positions, Positions]], known: Flags
) -> Iterator[tuple[Positions, Positions, Positions]]:
    """Yield each group's members with a value, the branches compared in it, and their positions."""
    for members, own in groups:
        inside, branches = members[known[members]], own[known[own]]
        if branches.size:
            yield inside, branches, np.searchsorted(inside, branches)


def among_peers(
    values: Values, groups: list[tuple[Positions, Positions]], of_group: Callable[[Values], Values]
) -> Values:
    """Return for each branch what `of_group` makes of its peers' values, the missing left out.

    `of_group` takes the values of a group and returns one value for each.
    """
    result = np.full_like(values, np.nan)
    for inside, branches, rows in known_members(groups, ~np.isnan(values)):
        result[branches] = of_group(values[inside])[rows]
    return result
