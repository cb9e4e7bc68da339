"""The numbers of the circulated tables as distinct quantities of blocks.

A block is a branch, or the whole bank, in a quarter. The same number is printed many times (the
customers of a base stand in every row of it): columns of numbers that agree in every block are one
quantity, also when one quarter's opening is the closing of the quarter before. What an attacker can
see to be the same is thereby the same here, whether or not anybody has declared it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stockcust_analysis.evaluation.results import WHOLE_BANK

Numbers = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]
PARTS = ("n", "numerator", "denominator")
PRINTED = {
    "measures": PARTS,
    "migration": ("customers", "opening_aum", "closing_aum"),
    "bridge": ("customers", "amount"),
    "co_holding": ("n", "holders_a", "holders_b", "both"),
}
"""The columns of each table that are counts or sums; all others follow from them."""


class Key(NamedTuple):
    """Which number of which row: the same in every block."""

    kind: str
    dimension: str
    member: str
    measure: str
    base: str
    part: str


@cache
def relations() -> dict[str, Any]:
    """Return what is declared about the measures."""
    place = files("stockcust_analysis.evaluation.disclosure") / "relations.toml"
    return tomllib.loads(place.read_text("utf-8"))


def is_money(key: Key) -> bool:
    """Return whether a number counts CNY rather than customers."""
    if key.kind != "measure":
        return key.part not in ("customers", "both")
    declared = relations()
    return (key.part != "n" and key.measure in declared["money"]) or (
        key.part == "numerator" and key.measure in declared["means"]
    )


@dataclass(frozen=True)
class Quantities:
    """Numbers by block and column; a column that is not printed is implied by others.

    `values` holds whole cents or whole counts, NaN where a block has no such number. `blocks` is
    sorted by quarter and branch.
    """

    blocks: pd.MultiIndex
    keys: tuple[Key, ...]
    values: Numbers
    printed: Flags

    @property
    def money(self) -> Flags:
        """Return which columns are CNY."""
        return np.array([is_money(key) for key in self.keys], bool)

    @property
    def of_branch(self) -> Flags:
        """Return which blocks are a branch's rather than the whole bank's."""
        return np.asarray(self.blocks.get_level_values(1) != WHOLE_BANK)

    def rows_of(self, quarter: str) -> Indices:
        """Return the blocks of a quarter."""
        return np.flatnonzero(self.blocks.get_level_values(0) == quarter)

    def with_implied(self, columns: Mapping[Key, Numbers]) -> Quantities:
        """Return the quantities with implied columns added."""
        if not columns:
            return self
        values = np.column_stack([self.values, *columns.values()])
        printed = np.append(self.printed, np.zeros(len(columns), bool))
        return Quantities(self.blocks, (*self.keys, *columns), values, printed)


def numbers_of(tables: Mapping[str, pd.DataFrame], quarter: str) -> pd.DataFrame:
    """Return every number of the tables, one row each: its place, its block and its key."""
    frames = [
        *_measure_numbers(tables["measures"]),
        *_own_numbers(tables["migration"].assign(quarter=quarter), "migration", "from", "to"),
        *_own_numbers(tables["bridge"].assign(quarter=quarter), "bridge", "component", "component"),
        *_pair_numbers(tables["co_holding"]),
    ]
    return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)


def _measure_numbers(measures: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Return the numbers of the measures that are sums; a total has no denominator."""
    declared = relations()
    sums = {*declared["counts"], *declared["money"], *declared["means"]}
    rows = measures[measures["measure"].isin(sums)]
    total = rows["denominator"].eq(1).groupby(rows["measure"]).transform("all")
    for part in PARTS:
        kept = rows[~total] if part == "denominator" else rows
        names = ["quarter", "branch_id", "dimension", "member", "measure", "base"]
        place = {"table": "measures", "row": kept.index, "column": part, "value": kept[part]}
        yield kept[names].assign(kind="measure", part=part, **place)


def _own_numbers(table: pd.DataFrame, name: str, first: str, second: str) -> Iterator[pd.DataFrame]:
    """Return the numbers of a table with a shape of its own, its labels as those of a measure."""
    for part in PRINTED[name]:
        key = {"kind": name, "dimension": table[first], "member": table[second], "measure": name}
        place = {"table": name, "row": table.index, "column": part, "value": table[part]}
        yield table[["quarter", "branch_id"]].assign(**key, base="all", part=part, **place)


def _pair_numbers(pairs: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Return holders as the penetration that they are, and each pair of families once."""
    rows = pairs[["quarter", "branch_id", "base"]].assign(table="co_holding", row=pairs.index)
    families = pairs[["family_a", "family_b"]]
    held = {"kind": "measure", "dimension": "family", "measure": "penetration"}
    keys: dict[str, dict[str, Any]] = {
        "n": {"kind": "measure", "dimension": "", "member": "", "measure": "customers"},
        "holders_a": held | {"member": families["family_a"]},
        "holders_b": held | {"member": families["family_b"]},
        "both": {
            "kind": "co_holding", "measure": "co_holding",
            "dimension": families.min(axis=1), "member": families.max(axis=1),
        },
    }  # fmt: skip
    for column, key in keys.items():
        part = "both" if column == "both" else "numerator"
        yield rows.assign(**key, part=part, column=column, value=pairs[column])


def quantities_of(numbers: pd.DataFrame) -> tuple[Quantities, Indices, Indices]:
    """Return the numbers as columns by block, and the block and column of every number."""
    block, blocks = pd.MultiIndex.from_frame(numbers[["quarter", "branch_id"]]).factorize(sort=True)
    names = pd.MultiIndex.from_frame(numbers[list(Key._fields)])
    column, columns = names.factorize(sort=True)
    keys = tuple(Key(*map(str, name)) for name in columns)
    money = np.array([is_money(key) for key in keys])
    amounts = numbers["value"].to_numpy(float)
    values = np.full((len(blocks), len(keys)), np.nan)
    # Adding 0 turns -0 into 0: columns are compared byte by byte.
    values[block, column] = np.rint(np.where(money[column], amounts * 100, amounts)) + 0.0
    return Quantities(blocks, keys, values, np.ones(len(keys), bool)), block, column


def same_columns(given: Quantities, rows: Indices) -> Indices:
    """Return, per column, the first column that agrees with it in every block that both have.

    They must agree in `rows`, empty or not; a column of the whole bank alone is like no other.
    """
    first = np.arange(len(given.keys))
    filled, money = given.values.copy(), given.money
    looked_up = rows[given.of_branch[rows]]
    alike: dict[tuple[bool, bytes], list[int]] = {}
    for column in np.argsort(~given.printed, kind="stable"):
        if np.isnan(filled[looked_up, column]).all():
            continue
        bucket = alike.setdefault((bool(money[column]), filled[rows, column].tobytes()), [])
        for other in bucket:
            both = ~np.isnan(filled[:, other]) & ~np.isnan(filled[:, column])
            if (filled[both, other] == filled[both, column]).all():
                first[column] = other
                missing = np.isnan(filled[:, other])
                filled[missing, other] = filled[missing, column]
                break
        else:
            bucket.append(int(column))
    return first


def openings(given: Quantities, now: str, before: str) -> dict[int, int]:
    """Return which columns of this quarter are, branch by branch, columns of the one before."""
    at = {name: given.rows_of(name) for name in (now, before)}
    branches = {name: given.blocks[rows].get_level_values(1) for name, rows in at.items()}
    common = branches[now].intersection(branches[before])
    here, there = (at[name][branches[name].get_indexer(common)] for name in (now, before))
    money = given.money
    known: dict[tuple[bool, bytes], int] = {}
    for column in np.flatnonzero(~np.isnan(given.values[there]).any(axis=0)):
        if given.values[there, column].any():
            known.setdefault((bool(money[column]), given.values[there, column].tobytes()), column)
    told = ((c, (bool(money[c]), given.values[here, c].tobytes())) for c in range(len(given.keys)))
    return {column: known[key] for column, key in told if len(common) and key in known}


def members(keys: Sequence[Key]) -> dict[Key, list[int]]:
    """Return the columns of each dimension, under the key that they have in common."""
    found: dict[Key, list[int]] = {}
    for column, key in enumerate(keys):
        if key.kind == "measure" and key.dimension:
            found.setdefault(key._replace(member=""), []).append(column)
    return found
