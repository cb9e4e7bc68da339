"""What an attacker knows, and which cells he must not come close to.

Every relation is an equation between numbers of one block, or of all units and their whole. Where
it does not hold exactly (a customer moved, and the whole counts him once) the attacker is taken to
know by how much. Columns of numbers that agree in every block are one quantity, whether or not
that is declared: what an attacker can see to be the same is the same here. A cell is sensitive when
few contribute to it, or two hold nearly all of an amount.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from stockcust_analysis.disclosure.numbers import LABELS, RATES, Array, Key, Limits, Quantities

Equation = dict[int, int]
"""Column → coefficient; the sum is a constant."""
Sum = tuple[Key | None, Equation]
"""An equation, and the key of what remains of its whole where the parts are not all."""
Row = tuple[Array, list[int]]
"""The cells of an equation, and their coefficients."""
REASONS = ("complementary", "small_cell", "two_largest", "not_known")
"""Why a cell is withheld: for another's sake, or by itself; too little is known of some amounts."""
_NO_CHANCE = 10  # branches in which two numbers that are not zero agree are one number
_PASSES = 3  # how many wholes up the largest contributor is looked for
_REST, _NOTHING = "rest of a sum: ", "nothing beside a sum: "


@dataclass(frozen=True)
class System:
    """All distinct numbers as cells, and the equations between them.

    `cell` gives the cell of every block and column, -1 where there is none. `block` and `column`
    are the first of each cell. `money` tells amounts from counts; `signed` cells may be negative
    for all an attacker knows.
    """

    quantities: Quantities
    cell: Array
    values: Array
    block: Array
    column: Array
    equations: csr_array
    money: Array
    signed: Array


def system_of(printed: Quantities, quarter: str, previous: str) -> System:
    """Return the cells and equations of the quantities.

    `quarter` is the tables' own, `previous` the one before it, whose closing is its opening.
    """
    declared = printed.declared
    now, then = printed.rows_of(quarter), printed.rows_of(previous)
    units = printed.blocks.get_level_values(1)
    source = units[then].get_indexer(units[now])
    now, then = now[source >= 0], then[source[source >= 0]]
    quantities, equations = _with_rests(_with_openings(printed, now, then))
    first, values = _same_columns(quantities, quantities.rows_of(quarter))
    block, column = np.nonzero(~np.isnan(values) & (first == np.arange(len(first))))
    cell, values = np.full(values.shape, -1), values[block, column]
    cell[block, column] = np.arange(len(block))
    for key, opening in quantities.column.items():
        closing = quantities.column.get(key.named(declared.openings.get(key.label, "")))
        if closing is not None:
            own, before = cell[now, first[opening]], cell[then, first[closing]]
            same = (own >= 0) & (before >= 0) & (values[own] == values[before])
            cell[now[same], first[opening]] = before[same]
    cell = cell[:, first]
    rows = [*_in_blocks(cell, equations), *_across_branches(quantities, cell, first)]
    money = quantities.money[column]
    signed = np.array([key.label in declared.signed for key in quantities.keys])[column]
    equations = _matrix(rows, len(values))
    return System(quantities, cell, values, block, column, equations, money, signed)


def _with_openings(printed: Quantities, now: Array, then: Array) -> Quantities:
    """Return the quantities with numbers of the previous quarter, in the blocks of this one."""
    openings = printed.declared.openings
    labels = {openings[name] for name in openings if name.startswith("opening:")}
    columns = np.flatnonzero([key.label in labels for key in printed.keys])
    values = np.full((len(printed.blocks), len(columns)), np.nan)
    values[now] = printed.values[then][:, columns]
    keys = [printed.keys[column]._replace(kind="opening") for column in columns]
    return printed.with_implied(keys, values, printed.money[columns])


def _with_rests(source: Quantities) -> tuple[Quantities, list[Equation]]:
    """Return the quantities with all that remains of a whole, and the equations."""
    rests: dict[Key, Array] = {}
    money: list[bool] = []
    equations: list[Equation] = []
    column, declared = source.column, [*_sums(source, source.column)]
    for rest_key, equation in (*_complements(source, column), *declared):
        if rest_key is not None:
            rest = source.values[:, list(equation)] @ np.array(list(equation.values()), float)
            if rest_key.part.startswith(_NOTHING):
                rest = np.where(rest == 0, rest, np.nan)
            elif rest_key.part.startswith(_REST):
                rest = np.where(rest < 0, np.nan, rest)
            # Of a complement that is negative somewhere the one number is no part of the other.
            elif not np.nanmin(rest, initial=0) >= 0:
                continue
            money.append(bool(source.money[next(iter(equation))]))
            equation[len(source.keys) + len(rests)] = -1
            rests[rest_key] = rest + 0.0
        equations.append(equation)
    values = np.reshape([*rests.values()], (len(rests), len(source.blocks))).T
    return source.with_implied([*rests], values, np.array(money, bool)), equations


def _complements(source: Quantities, column: Mapping[Key, int]) -> Iterator[Sum]:
    """Yield complements of rates, customers outside a denominator and outside a narrower base."""
    declared = source.declared
    for key, position in column.items():
        wider: dict[str, Key] = {}
        if key.kind == RATES and key.part == "numerator":
            if key.measure not in {*declared.staff, *declared.signed}:
                wider["rest"] = key._replace(part="denominator")
            wider["rest of base"] = key._replace(base=declared.bases.get(key.base, ""))
        elif key.part == "denominator" and not key.dimension and key.measure not in declared.staff:
            wider["rest of n"] = key._replace(part="n")
        for part, name in wider.items():
            whole = column.get(name, position)
            if whole != position and source.money[whole] == source.money[position]:
                yield key._replace(part=part), {whole: 1, position: -1}


def _sums(source: Quantities, column: Mapping[Key, int]) -> Iterator[Sum]:
    """Yield the declared sums, for every number that has all of their parts."""
    special = [own for own in source.declared.sums if "[" in own["whole"] and "for" not in own]
    for relation in source.declared.sums:
        whole, rest = relation["whole"], {"?", "0"} & {*relation["parts"]}
        parts = [name for name in relation["parts"] if name not in rest]
        signs = dict([_term(whole), *((name, -times) for name, times in map(_term, parts))])
        stated_for = relation.get("for", _term(whole)[0])
        for key in column:
            if key == key.named(stated_for) and not _is_stated_for(key, relation, special):
                terms = {n: _matches(source, column, key.named(n)) for n in signs}
                if all(terms.values()):
                    equation = {c: signs[name] for name, cells in terms.items() for c in cells}
                    part = f"{_NOTHING if '0' in rest else _REST}{relation}"
                    yield key._replace(part=part) if rest else None, equation


def _is_stated_for(
    key: Key, relation: Mapping[str, Any], special: Iterable[Mapping[str, Any]]
) -> bool:
    """Return whether another relation says the same for this very member."""
    table = relation["parts"][0].partition("[")[0]
    return any(
        key == key.named(own["whole"]) and own["parts"][0].startswith(f"{table}[")
        for own in special
        if own is not relation
    )


def _term(text: str) -> tuple[str, int]:
    """Return the name in a term of a sum, and how often it counts.

    >>> _term("-2*customers"), _term("customers")
    (('customers', -2), ('customers', 1))
    """
    sign, times, name = re.fullmatch(r"(-?)(?:(\d+)\*)?(.+)", text).groups()  # type: ignore[union-attr]
    return name, int(f"{sign}{times or 1}")


def _matches(source: Quantities, column: Mapping[Key, int], wanted: Key) -> list[int]:
    """Return the columns that a name stands for, "*" being any dimension or member but none."""
    names, rank = (wanted.dimension, wanted.member), source.declared.rank
    if not {*names} & {"*", "<", ">"} and not wanted.member.endswith(".."):
        return [column[wanted]] if wanted in column else []

    def fits(dimension: str, member: str) -> bool:
        if not dimension or names[0] not in ("*", dimension):
            return False
        if names[1] in ("<", ">"):
            low, high = sorted((dimension, member), key=rank)
            return 0 <= rank(low) < rank(high) and (member == low) == (names[1] == "<")
        if names[1].endswith(".."):
            return rank(member) >= rank(names[1].removesuffix("..")) >= 0
        return names[1] in ("*", member)

    alike = (key for key in column if key == wanted._replace(dimension=key[1], member=key[2]))
    return [column[key] for key in alike if fits(key.dimension, key.member)]


def _same_columns(source: Quantities, rows: Array) -> tuple[Array, Array]:
    """Return, per column, the first column that is the same number, and the values of all blocks.

    Declared to be the same and nowhere different; or, declared or not, alike in every block that
    both have, among them `rows`, and not zero in so many branches that it cannot be chance.
    """
    first, filled = np.arange(len(source.keys)), source.values.copy()
    branches = rows[source.of_branch[rows]]
    candidates: dict[Hashable, list[int]] = {}
    equal = source.declared.equal_number
    for column in np.argsort(~source.printed, kind="stable"):
        names: list[Hashable] = [equal(equal(source.keys[column]))]
        if np.count_nonzero(np.nan_to_num(filled[branches, column])) >= _NO_CHANCE:
            names.append((bool(source.money[column]), filled[rows, column].tobytes()))
        for other in [column for name in names for column in candidates.get(name, [])]:
            before, own = filled[:, other], filled[:, column]
            if ((before == own) | np.isnan(before) | np.isnan(own)).all():
                first[column], filled[:, other] = other, np.where(np.isnan(before), own, before)
                break
        else:
            for name in names:
                candidates.setdefault(name, []).append(int(column))
    return first, filled


def _in_blocks(cell: Array, equations: Iterable[Equation]) -> Iterator[Row]:
    """Yield the equations within blocks."""
    for equation in equations:
        cells = cell[:, list(equation)]
        for row in cells[(cells >= 0).all(axis=1)]:
            yield row, list(equation.values())


def _across_branches(source: Quantities, cell: Array, first: Array) -> Iterator[Row]:
    """Yield that the branches add up to the whole, for every printed column and quarter."""
    quarters = source.blocks.get_level_values(0)
    for quarter in quarters.unique():
        now = quarters == quarter
        parts, whole = cell[now & source.of_branch], cell[now & ~source.of_branch]
        for column in np.unique(first[source.printed]):
            cells = parts[parts[:, column] >= 0, column]
            for total in whole[:, column]:
                if len(cells) and total >= 0:
                    yield np.append(cells, total), [1] * len(cells) + [-1]


def _matrix(rows: list[Row], width: int) -> csr_array:
    """Return the equations as a sparse matrix, each once."""
    distinct = [*dict.fromkeys(tuple(sorted(zip(*row, strict=True))) for row in rows)]
    entries = [(row, *term) for row, terms in enumerate(distinct) for term in terms]
    row, cells, signs = np.reshape(entries, (-1, 3)).T
    matrix = csr_array((signs.astype(float), (row, cells)), shape=(len(distinct), width))
    matrix.eliminate_zeros()  # what cancels because two of the numbers are the same
    return matrix


def sensitive_cells(system: System, facts: pd.DataFrame, limits: Limits) -> tuple[Array, Array]:
    """Return why each cell is sensitive, as an index of `REASONS`, and the protection it needs.

    The protection has two rows: how far the cell must be free to move upwards and downwards. A
    count must be free to be anything from 0 up to `smallest_cell`, an amount to be
    `amount_protection` less or more. That covers the upper protection level of an (n, k) rule,
    (x1 + x2) / k - x. Source: Hundepool et al., Statistical Disclosure Control (2012), ch. 4.
    """
    values, money = system.values, system.money
    keys, staff = system.quantities.keys, system.quantities.declared.staff
    of_staff = np.array([k.part == "denominator" and k.measure in staff for k in keys], bool)
    few = (values >= 1) & (values < limits.smallest_cell)
    few &= ~of_staff[system.column] & ~system.signed
    reason = np.where(money, _amount_reasons(system, facts, limits), np.where(few, 1, 0))
    # What stands nowhere in the tables is an opening that is the cell of the closing before it.
    reason[~np.isin(np.arange(len(values)), system.cell)] = 0
    free = np.where(money, limits.amount_protection * abs(values), 0.0)
    need = [np.where(money, free, limits.smallest_cell - values), np.where(money, free, values)]
    return reason, np.where(reason > 0, need, 0.0)


def _amount_reasons(system: System, facts: pd.DataFrame, limits: Limits) -> Array:
    """Return why each amount is sensitive; what it returns for counts has no meaning.

    In an amount without facts of its own nobody holds more than the largest of the whole it is
    part of. What remains of a whole is judged by the facts of both, as far as they go. A net
    change is judged by the number of contributors alone.
    """
    contributors, largest, second = known = _cell_facts(system, facts)
    amounts, implied = np.abs(system.values), ~system.quantities.printed[system.column]
    unknown, few = np.isnan(largest), (contributors >= 1) & (contributors < limits.smallest_cell)
    dominated = _bound(system, largest + second) > limits.two_largest * amounts + 0.5
    enough = contributors >= limits.smallest_cell
    enough |= _bound(system, largest) * limits.smallest_cell <= amounts
    reason = np.where(dominated, np.where(unknown, 3, 2), np.where(enough, 0, 3))
    reason = np.where(implied & unknown, _rest_reasons(system, known, limits), reason)
    reason = np.where(few, 1, np.where(system.signed, 0, reason))
    return np.where(amounts == 0, 0, reason)


def _cell_facts(system: System, facts: pd.DataFrame) -> Array:
    """Return number of contributors, largest and second largest amount of every cell, in cents.

    NaN stands for what is not known. Without facts an amount's contributors are counted beside it;
    a quarter's opening has the facts of the closing it is the same cell as.
    """
    known = np.full((3, len(system.values)), np.nan)
    column = system.quantities.column
    for amount, number in _counted_amounts(system):
        known[0, amount] = system.values[number]
    facts = facts[facts["contributors"].notna()]
    units = pd.MultiIndex.from_frame(facts[["quarter", "branch_id"]])
    block = system.quantities.blocks.get_indexer(units)
    labels = facts[LABELS].astype(str).itertuples(index=False, name=None)
    keys = [Key("", dim, member, "", base).named(name) for dim, member, name, base in labels]
    positions = np.array([column.get(key, -1) for key in keys], np.int64)
    cell = np.where((block >= 0) & (positions >= 0), system.cell[block, positions], -1)
    facts, cell = facts[cell >= 0], cell[cell >= 0]
    largest, second = np.rint(facts[["largest", "second_largest"]].to_numpy(float).T * 100)
    known[:, cell] = facts["contributors"], largest, np.nan_to_num(second)
    return known


def _counted_amounts(system: System) -> Iterator[Array]:
    """Yield the cells of amounts in one row, and those of how many contribute in another."""
    column, count_of = system.quantities.column, system.quantities.declared.count_of
    for key, position in column.items():
        count = count_of(key)
        if count in column:
            cells = system.cell[:, [position, column[count]]]
            yield cells[(cells >= 0).all(axis=1)].T


def empty_cells(system: System) -> Array:
    """Return which cells are amounts of nobody, and their counts: nothing is to be hidden there.

    Neither is it where a sum holds exactly.
    """
    nothing = np.array([key.part.startswith(_NOTHING) for key in system.quantities.keys])
    empty = nothing[system.column]
    for pair in _counted_amounts(system):
        empty[pair[:, (system.values[pair] == 0).all(axis=0)]] = True
    return empty


def _bound(system: System, own: Array) -> Array:
    """Return each amount's own bound, else that of what it is a part of, else infinity."""
    pairs = _wholes_and_parts(system)
    bound = np.where(np.isnan(own), np.inf, own)
    for _ in range(_PASSES):
        passed = np.full(len(bound), np.inf)
        np.minimum.at(passed, pairs["part"], bound[pairs["whole"]])
        bound = np.where(np.isnan(own), np.minimum(bound, passed), own)
    return bound


def _wholes_and_parts(system: System) -> pd.DataFrame:
    """Return every part of a whole by equation: the whole is the only cell of its sign."""
    matrix = system.equations.tocoo()
    terms = pd.DataFrame({"row": matrix.row, "part": matrix.col, "positive": matrix.data > 0})
    alone = ~terms.duplicated(["row", "positive"], keep=False)
    wholes = terms[alone].sort_values("positive", ascending=False).drop_duplicates("row")
    pairs = terms.merge(wholes.rename(columns={"part": "whole"})[["row", "whole"]], on="row")
    return pairs[pairs["part"] != pairs["whole"]]


def _rest_reasons(system: System, known: Array, limits: Limits) -> Array:
    """Return why what remains of a whole less one part is sensitive, as far as facts tell.

    The largest of the whole who is not in the part is the largest of what remains. Where both are
    in the part only the number of contributors counts.
    """
    pairs = _wholes_and_parts(system)
    of_two = pairs[pairs.groupby("row")["part"].transform("size") == 2]
    both = of_two.merge(of_two, on="row", suffixes=("", "_rest"))
    both = both[both["part"] != both["part_rest"]]
    whole, part, rest = both[["whole", "part", "part_rest"]].to_numpy().T
    number = known[0, whole] - known[0, part]
    (largest, second), (own, own_second) = known[1:, whole], known[1:, part]
    inside = (own == largest).astype(int) + (own_second == second)
    two = np.where(own < largest, largest, 0.0)
    two += np.where((own < second) & (inside == 0), second, 0.0)
    few = (number >= 1) & (number < limits.smallest_cell)
    dominated = two > limits.two_largest * np.abs(system.values[rest])
    reason = np.zeros(len(system.values), int)
    np.maximum.at(reason, rest, np.where(few, 1, np.where(dominated, 2, 0)))
    return reason
