"""The numbers of the circulated tables as distinct quantities of blocks.

A block is a branch, or the whole bank, in a quarter. The same number is printed many times (the
customers of a base stand in every row of it): columns of numbers that agree in every block are one
quantity, also when one quarter's opening is the closing of the quarter before. What an attacker can
see to be the same is thereby the same here, whether or not anybody has declared it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Hashable, Iterator, Mapping, Sequence
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
_NO_CHANCE = 10  # branches in which two numbers that are not zero agree are one number
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
    if key.kind in ("bridge", "migration", "co_holding"):
        return key.part in ("amount", "opening_aum", "closing_aum")
    declared = relations()
    return (key.part != "n" and key.measure in declared["money"]) or (
        key.part.removeprefix("rest ") == "numerator" and key.measure in declared["means"]
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
        yield _placed(kept[names], "measures", part, kept[part]).assign(kind="measure", part=part)


def _own_numbers(table: pd.DataFrame, name: str, first: str, second: str) -> Iterator[pd.DataFrame]:
    """Return the numbers of a table with a shape of its own, its labels as those of a measure."""
    for part in PRINTED[name]:
        rows = _placed(table[["quarter", "branch_id"]], name, part, table[part])
        yield rows.assign(
            kind=name, dimension=table[first], member=table[second], measure=name, base="all",
            part=part,
        )  # fmt: skip


def _pair_numbers(pairs: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Return holders as the penetration that they are, and each pair of families once."""
    rows = pairs[["quarter", "branch_id", "base"]]
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
        yield _placed(rows, "co_holding", column, pairs[column]).assign(**key, part=part)


def _placed(rows: pd.DataFrame, table: str, column: str, value: pd.Series) -> pd.DataFrame:
    """Return rows with the place and the value of one number of each."""
    return rows.assign(table=table, row=rows.index, column=column, value=value)


def quantities_of(numbers: pd.DataFrame) -> tuple[Quantities, Indices, Indices]:
    """Return the numbers as columns by block, and the block and column of every number."""
    block, blocks = _numbered(numbers[["quarter", "branch_id"]])
    column, columns = _numbered(numbers[list(Key._fields)])
    keys = tuple(Key(*map(str, name)) for name in columns)
    money = np.array([is_money(key) for key in keys])
    amounts = numbers["value"].to_numpy(float)
    values = np.full((len(blocks), len(keys)), np.nan)
    # Adding 0 turns -0 into 0: columns are compared byte by byte.
    values[block, column] = np.rint(np.where(money[column], amounts * 100, amounts)) + 0.0
    return Quantities(blocks, keys, values, np.ones(len(keys), bool)), block, column


def _numbered(labels: pd.DataFrame) -> tuple[Indices, pd.MultiIndex]:
    """Return the rows of labels as numbers, and what each number stands for, sorted."""
    numbers, distinct = pd.MultiIndex.from_frame(labels).factorize(sort=True)
    return numbers.astype(np.int64), pd.MultiIndex.from_tuples(distinct)


def named(key: Key, name: str) -> Key:
    """Return the number that a declared relation calls `name`, on the base of another number.

    >>> named(Key("measure", "", "", "multi_product_share", "funded", "numerator"),
    ...       "product_count_share[4+]")[1:4]
    ('families_held', '4+', 'product_count_share')
    """
    label, _, member = name.rstrip("]").partition("[")
    measure, _, part = label.partition(".")
    found = key._replace(measure=measure, part=part or "numerator")
    return found._replace(dimension="families_held", member=member) if member else found


def label(key: Key) -> str:
    """Return what a number is called in the declared relations."""
    return key.measure if key.part == "numerator" else f"{key.measure}.{key.part}"


def _told_elsewhere(key: Key) -> Key:
    """Return the number that this one is, by declaration."""
    declared = relations()
    if key.kind == "bridge":
        measure = "customers" if key.part == "customers" else "aum_period_end"
        return (
            Key("measure", "", "", measure, "all", "numerator") if key.member == "closing" else key
        )
    same = declared["same"].get(label(key))
    if key.part == "n" or (key.part == "denominator" and key.measure in declared["of_customers"]):
        same = same or "customers"
    if same is None:
        return key
    whole = key.part != "numerator"
    return named(key._replace(dimension="", member="") if whole else key, same)


def same_columns(given: Quantities, rows: Indices) -> Indices:
    """Return, per column, the first column that is the same number.

    Declared to be the same and nowhere different; or, declared or not, alike in every block that
    both have, among them `rows`, and not zero in so many branches that it cannot be chance.
    """
    first = np.arange(len(given.keys))
    filled, money = given.values.copy(), given.money
    looked_up = rows[given.of_branch[rows]]
    alike: dict[Hashable, list[int]] = {}
    for column in np.argsort(~given.printed, kind="stable"):
        key = given.keys[column]
        names: list[Hashable] = [_told_elsewhere(_told_elsewhere(key))]
        if np.count_nonzero(np.nan_to_num(filled[looked_up, column])) >= _NO_CHANCE:
            names.append((bool(money[column]), filled[rows, column].tobytes()))
        for other in [one for name in names for one in alike.get(name, [])]:
            both = ~np.isnan(filled[:, other]) & ~np.isnan(filled[:, column])
            if (filled[both, other] == filled[both, column]).all():
                first[column] = other
                missing = np.isnan(filled[:, other])
                filled[missing, other] = filled[missing, column]
                break
        else:
            for name in names:
                alike.setdefault(name, []).append(int(column))
    return first


def openings(given: Quantities) -> dict[int, int]:
    """Return which columns of this quarter are columns of the one before, branch by branch."""
    column = {key: place for place, key in enumerate(given.keys)}
    declared, found = relations()["openings"], {}
    for key, place in column.items():
        then = key
        if key.kind == "bridge" and key.member == "opening":
            then = _told_elsewhere(key._replace(dimension="closing", member="closing"))
        elif key.kind == "measure" and label(key) in declared:
            then = named(key, declared[label(key)])
        elif key.kind == "opening":
            then = key._replace(kind="measure")
        if then != key and then in column:
            found[place] = column[then]
    return found


def members(keys: Sequence[Key]) -> dict[Key, list[int]]:
    """Return the columns of each dimension, under the key that they have in common."""
    found: dict[Key, list[int]] = {}
    for column, key in enumerate(keys):
        if key.kind == "measure" and key.dimension:
            found.setdefault(key._replace(member="", dimension=""), []).append(column)
    return found
