"""The numbers of tables, what they are called, and what is declared about them.

A number's name is written `kind:measure.part[dimension=member]`. `kind` is the table it comes
from, left out for the table of rates; `part` is left out for a numerator, the bracket for the
dimension and member of the number that a relation is stated for, and `@base` behind it for its
base.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]
Tables = dict[str, pd.DataFrame]

RATES = "measures"
"""The table of rates: labels, then `n`, `numerator`, `denominator` and `value`."""
PARTS = ("n", "numerator", "denominator")
LABELS = ["dimension", "member", "measure", "base"]
MERGED = "_and_above"
"""Ends the name of merged members, behind that of the lowest."""
_UNIT = ["quarter", "branch_id"]
_NAME = re.compile(r"(?:(\w+):)?([^.\[@]*)(?:\.(\w+))?(?:\[(.*)=(.*)\])?(?:@(\w+))?")


@dataclass(frozen=True)
class Limits:
    """What may be printed.

    Attributes
    ----------
    smallest_cell
        Counts below it, and amounts of fewer contributors, are withheld.
    two_largest
        Amounts are withheld of which the two largest contributors hold a larger share.
    amount_protection
        Relative distance within which nobody may be able to work out a withheld amount.
    lorenz_customers
        Concentration among fewer contributors is withheld.
    """

    smallest_cell: int
    two_largest: float
    amount_protection: float
    lorenz_customers: int


@dataclass(frozen=True)
class Relations:
    """What an attacker knows of the numbers: what they count, which are equal, which add up.

    Nothing here is believed that the numbers themselves contradict, and numbers that agree in many
    units are taken as equal without being declared here.

    Attributes
    ----------
    whole
        The `branch_id` of the unit that all others add up to.
    measures
        Measures whose numbers are counts or sums, and which parts of each are amounts of money. A
        measure that is not among them, nor a concentration measure, is withheld.
    amounts
        Parts that are amounts in tables other than that of rates; "customers" counts them.
    signed
        Measures whose numerator may be negative and is no part of its denominator.
    staff
        Measures whose denominator may be printed whatever its size.
    bases
        For each base the wider one that it is part of.
    shapes
        For each table other than that of rates, the names of its columns that are numbers;
        "{column}" stands for the label in that column.
    followers
        Columns of these tables that go with a withheld number.
    same
        Names that are another number. An `n` or a denominator is one of no dimension.
    openings
        Names that are a number of the previous quarter. Those of kind "opening" are added.
    sums
        `whole` = the sum of `parts`, for every number called `for` (if left out: `whole`).
        "{dimension}" and "{member}" stand for those of that number, "*" for all; of the members
        that may be merged "mid.." are those from mid upwards, and [*=<] and [*=>] the numbers whose
        member is below their dimension, or above it. "2*" before a name counts it twice. A part "?"
        is what remains: never printed, protected like a printed number, and not there where it
        would be negative. A part "0" is nothing: the sum is known only where it holds exactly. One
        that is stated for a member takes the place of that for all members.
    counted
        For amounts the name of the count of their contributors, where that does not stand beside
        them: where both are 0, both are known.
    derived
        Measures that follow from others by more than a sum: printed only with all of them, those of
        the quarter before as well.
    summed_denominators
        Measures of which denominators, too, add up over members; those of others are the whole.
    merged
        The `dimension` whose top members may be merged, its `members` from the lowest to the
        highest, those that may be merged (`top`), the measure that `counts` them, and the `columns`
        of other tables in which they stand.
    concentration
        The `amount`, the `base` of the Lorenz curve and `measures`: name → ["top", a share or a
        number of customers], ["holding", a share of the amount], ["gini"] or ["never"].
    """

    whole: str
    measures: Mapping[str, Collection[str]]
    amounts: Collection[str] = ()
    signed: Collection[str] = ()
    staff: Collection[str] = ()
    bases: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    followers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    same: Mapping[str, str] = field(default_factory=dict)
    openings: Mapping[str, str] = field(default_factory=dict)
    sums: Sequence[Mapping[str, Any]] = ()
    counted: Mapping[str, str] = field(default_factory=dict)
    derived: Mapping[str, Collection[str]] = field(default_factory=dict)
    summed_denominators: Collection[str] = ()
    merged: Mapping[str, Any] = field(default_factory=dict)
    concentration: Mapping[str, Any] = field(default_factory=dict)

    def is_money(self, key: Key) -> bool:
        """Return whether a number is an amount."""
        money = self.measures.get(key.measure, ()) if key.kind == RATES else self.amounts
        return key.part in money

    def count_of(self, key: Key) -> Key | None:
        """Return the number of contributors to an amount, where one is declared."""
        if key.part in self.amounts:
            return key._replace(part="customers")
        name = self.counted.get(key.label)
        return key.named(name) if name else None

    def rank(self, member: str) -> int:
        """Return how high a member that may be merged is, or was merged into; -1 of others."""
        members, name = [*self.merged.get("members", [])], member.removesuffix(MERGED)
        return members.index(name) if name in members else -1

    def equal_number(self, key: Key) -> Key:
        """Return the number that this one is declared to be, or itself."""
        name = self.same.get(key.label)
        whole = key if key.part == "numerator" else key._replace(dimension="", member="")
        return whole.named(name) if name else key


class Key(NamedTuple):
    """Which number of which row: the same in every unit and quarter."""

    kind: str = RATES
    dimension: str = ""
    member: str = ""
    measure: str = ""
    base: str = "all"
    part: str = "numerator"

    @property
    def label(self) -> str:
        """The name without dimension and member."""
        kind = "" if self.kind == RATES else f"{self.kind}:"
        return f"{kind}{self.measure}{'' if self.part == 'numerator' else '.' + self.part}"

    def named(self, name: str) -> Key:
        """Return the number that a relation calls `name`, on the base of this one or its own.

        >>> key = Key(measure="multi_product_share", base="funded")
        >>> key.named("product_count_share[held=4+]")[1:5]
        ('held', '4+', 'product_count_share', 'funded')
        """
        kind, measure, part, dimension, member, base = _fields(name)
        base = base or self.base
        if not dimension:
            return self._replace(kind=kind, measure=measure, part=part, base=base)
        own = {"{dimension}": self.dimension, "{member}": self.member}
        dimension, member = own.get(dimension, dimension), own.get(member, member)
        return Key(kind, dimension, member, measure, base, part)


@cache
def _fields(name: str) -> tuple[str, str, str, str, str, str]:
    """Return kind, measure, part, dimension, member and base of a name."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"'{name}' is no name of a number.")
    kind, measure, part, dimension, member, base = match.groups("")
    return kind or RATES, measure, part or "numerator", dimension, member, base


def numbers_of(tables: Tables, quarter: str, declared: Relations) -> pd.DataFrame:
    """Return every number of the tables, one row each: table, row, column, unit, key, value."""
    rates = tables[RATES][tables[RATES]["measure"].isin(declared.measures)]
    # A measure that is a total has no denominator.
    total = rates["denominator"].eq(1).groupby(rates["measure"]).transform("all")
    frames = []
    for part in PARTS:
        rows = rates[~total] if part == "denominator" else rates
        keys = rows[[*_UNIT, *LABELS]].assign(kind=RATES, part=part)
        frames.append(keys.assign(table=RATES, row=rows.index, column=part, value=rows[part]))
    for name, columns in declared.shapes.items():
        table = tables[name].assign(quarter=quarter)
        for column, pattern in columns.items():
            key = Key(base="{base}" if "base" in table else "all").named(pattern)._asdict()
            labels = {f: table[v[1:-1]] if v[:1] == "{" else v for f, v in key.items()}
            keys = table[_UNIT].assign(**labels, table=name, row=table.index, column=column)
            frames.append(keys.assign(value=table[column]))
    return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)


@dataclass(frozen=True)
class Quantities:
    """Numbers by block and column; a block is a unit in a quarter.

    `values` holds whole cents or whole counts, NaN where a block has no such number. `blocks` is
    sorted by quarter and unit. A column that is not `printed` is implied by others; `money` tells
    amounts from counts, `of_branch` blocks of a unit from those of the whole.
    """

    declared: Relations
    blocks: pd.MultiIndex
    keys: tuple[Key, ...]
    values: Array
    printed: Array
    money: Array

    @property
    def column(self) -> dict[Key, int]:
        """The column of every key."""
        return {key: column for column, key in enumerate(self.keys)}

    @property
    def of_branch(self) -> Array:
        """Which blocks are of a unit rather than the whole."""
        return np.asarray(self.blocks.get_level_values(1) != self.declared.whole)

    def rows_of(self, quarter: str) -> Array:
        """Return the blocks of a quarter."""
        return np.flatnonzero(self.blocks.get_level_values(0) == quarter)

    def with_implied(self, keys: Sequence[Key], values: Array, money: Array) -> Quantities:
        """Return the quantities with implied columns added."""
        printed = np.append(self.printed, np.zeros(len(keys), bool))
        values, money = np.hstack([self.values, values]), np.append(self.money, money)
        return Quantities(self.declared, self.blocks, (*self.keys, *keys), values, printed, money)


def quantities_of(numbers: pd.DataFrame, declared: Relations) -> tuple[Quantities, Array, Array]:
    """Return the numbers as columns by block, and the block and column of every number."""
    block, blocks = _number_labels(numbers[_UNIT])
    column, columns = _number_labels(numbers[list(Key._fields)])
    keys = tuple(Key(*map(str, name)) for name in columns)
    money = np.array([declared.is_money(key) for key in keys], bool)
    amounts = numbers["value"].to_numpy(float)
    values = np.full((len(blocks), len(keys)), np.nan)
    # Adding 0 turns -0 into 0: columns are compared byte by byte.
    values[block, column] = np.rint(np.where(money[column], amounts * 100, amounts)) + 0.0
    quantities = Quantities(declared, blocks, keys, values, np.ones(len(keys), bool), money)
    return quantities, block, column


def _number_labels(labels: pd.DataFrame) -> tuple[Array, pd.MultiIndex]:
    """Return the rows of labels as numbers, and what each number stands for, sorted."""
    numbers, distinct = pd.MultiIndex.from_frame(labels).factorize(sort=True)
    return numbers.astype(np.int64), pd.MultiIndex.from_tuples(distinct)
