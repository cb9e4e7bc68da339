"""Sums of a bank's quarters, by branch and product, in one look at each table.

They show what a quarter is, and what in it is implausible (`suspicions`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.contract import Kind, table
from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import ONE, as_lazy, cents_or_zero, collect_rows, flag, sums
from stockcust_analysis.core.periods import Quarter, as_day
from stockcust_analysis.errors import Words, advise
from stockcust_analysis.measures.population import AUM
from stockcust_analysis.policy import load_policy

GROUPS = {"customers": "branch_id", "holdings": "product", "ledger": "product"}
"""Tables that are summed, and by what."""
_BOOKED_AT = {"holdings": ("booking_branch_id",), "ledger": ("branch_id",)}
ORDERED = (
    ("birth_date", "relationship_since"),
    ("relationship_since", "closed_on"),
    ("last_active_on", "closed_on"),
    ("opened_on", "matures_on"),
)
"""Days of one row, the earlier one first."""
LEAST_ROWS = 100
"""Below a hundred rows any change may be true."""
LEAST_IN_BRANCH = 30
"""Customers with AUM: a branch's geometric mean of thirty is known to a fifth of a power of ten."""
_STEPS = 1_000
"""Parts of a power of ten in which the digits of amounts are summed."""
_FAR = 3
"""Few customers have three times what they had, or what their accounts hold, or a third of it."""
Groups = Mapping[str, Counter[str]]


class Structure(NamedTuple):
    """Branch → when it opened and closed; and old and new branches, and since when."""

    branches: Mapping[str, tuple[date, date]]
    successions: Sequence[tuple[str, str, date]]


@dataclass(frozen=True)
class Totals:
    """Sums of one quarter: `rows`, and cents by column, of customers by branch, else by product.

    Names with `|` count rows: of a column that are filled, or of two days in the wrong order.
    `booked` are those of holdings and of the ledger by branch and product.
    """

    quarter: Quarter
    structure: Structure
    booked: Mapping[str, Mapping[str, Groups]]
    customers: Groups
    holdings: Groups
    ledger: Groups

    @cached_property
    def figures(self) -> Counter[str]:
        """Return table.column → sum over its groups, and table.rows."""
        result = Counter[str]()
        for name in GROUPS:
            for sizes in getattr(self, name).values():
                result.update({f"{name}.{column}": size for column, size in sizes.items()})
        return result

    @cached_property
    def large_branches(self) -> Groups:
        """Return the sums of customers by branch, of branches where these are enough."""
        return {b: sizes for b, sizes in self.customers.items() if sizes["rows"] >= LEAST_IN_BRANCH}

    def sizes(self, name: str) -> dict[str, dict[str, int]]:
        """Return a table's rows and amounts by group, without what is counted beside them."""
        groups: Groups = getattr(self, name)
        return {group: _amounts(sizes) for group, sizes in groups.items()}

    def branch_sizes(self, name: str) -> dict[str, dict[str, Any]]:
        """Return a table's rows and amounts by branch, of accounts and the ledger by product."""
        if name == "customers":
            return {branch: {"": sizes} for branch, sizes in self.sizes(name).items()}
        return {
            branch: {product: _amounts(sizes) for product, sizes in groups.items()}
            for branch, groups in self.booked.get(name, {}).items()
        }

    def geometric_means(self, column: str) -> dict[str, float]:
        """Return branch → geometric mean of an AUM in cents, of branches where enough have any."""
        return {
            branch: 10.0 ** (sizes[f"{column}|digits"] / sizes[f"{column}|filled"] / _STEPS)
            for branch, sizes in self.customers.items()
            if sizes[f"{column}|filled"] >= LEAST_IN_BRANCH
        }


def _amounts(sizes: Mapping[str, int]) -> dict[str, int]:
    """Return rows and amounts without what is counted beside them."""
    return {name: size for name, size in sizes.items() if "|" not in name}


def totals_of(bank: Bank, quarters: Sequence[Quarter]) -> list[Totals]:
    """Return the sums of some quarters of a bank, oldest first, in one look at each table."""
    found = defaultdict[tuple[str, date], dict[str, Counter[str]]](lambda: defaultdict(Counter))
    booked: dict[date, dict[str, dict[str, dict[str, Counter[str]]]]] = {}
    for name, by in GROUPS.items():
        if name not in bank.columns or not quarters:
            continue
        rows = _at_ends(bank, name, quarters)
        sizes = {"rows": ONE, **_sizes_of(name, bank.columns[name], rows)}
        at = [column for column in _BOOKED_AT.get(name, ()) if column in bank.columns[name]]
        groups = collect_rows(sums(rows, ["as_of", by, *at], sizes))
        for moment, key, *numbers in zip(*groups.values(), strict=True):
            place, as_of = numbers.pop(0) if at else None, as_day(moment)
            cells = Counter(dict(zip(sizes, [int(n or 0) for n in numbers], strict=True)))
            found[name, as_of][str(key)].update(cells)
            if place and place == place:
                branches = booked.setdefault(as_of, {}).setdefault(name, {})
                branches.setdefault(place, {})[str(key)] = cells
    structure = _structure(bank)
    return [
        Totals(q, structure, booked.get(q.end, {}), *(found.get((n, q.end), {}) for n in GROUPS))
        for q in quarters
    ]


def _structure(bank: Bank) -> Structure:
    """Return a bank's branches and their successors, whatever the quarter."""
    rows = collect_rows(as_lazy(bank.table("branches")))
    empty = [None] * len(rows["branch_id"])
    opened = _days(rows.get("opened_on", empty), otherwise=date.min)
    closed = _days(rows.get("closed_on", empty), otherwise=date.max)
    branches = dict(zip(rows["branch_id"], zip(opened, closed, strict=True), strict=True))
    if "branch_successors" not in bank.columns:
        return Structure(branches, [])
    rows = collect_rows(as_lazy(bank.table("branch_successors")))
    since = _days(rows["effective_on"], otherwise=date.max)
    successions = zip(rows["old_branch_id"], rows["new_branch_id"], since, strict=True)
    return Structure(branches, [*successions])


def _days(cells: Sequence[Any], *, otherwise: date) -> list[date]:
    """Return cells as days; of empty ones another."""
    return [as_day(cell) if cell == cell and cell else otherwise for cell in cells]


def repeated_day(
    name: str, columns: Collection[str], rows: frames.Table, days: Collection[date]
) -> tuple[Words, Words] | None:
    """Say that the newest day of a table adds up to the one before, group by group, if so."""
    ends, by = sorted(days)[-2:], GROUPS.get(name, "-")
    kinds = {column.name: column.kind for column in table(name).columns}
    sizes = {"n": ONE, **{c: cents_or_zero(c) for c in columns if kinds[c] is Kind.MONEY}}
    if len(ends) < 2 or not {"as_of", by} <= {*columns} or len(sizes) < 2:
        return None
    late = rows.filter(frames.after(nw.col("as_of"), ends[0] - timedelta(days=1)))
    groups = [*zip(*collect_rows(sums(late, ["as_of", by], sizes)).values(), strict=True)]
    first, last = ([group[1:] for group in groups if as_day(group[0]) == end] for end in ends)
    is_same = sum(n for _, n, *_ in first) >= LEAST_ROWS and sorted(first) == sorted(last)
    group = Words(by, table(name).column(by).zh)
    return advise("day_again", ends[1], ends[0], group) if is_same else None


def sums_held(
    bank: Bank, quarters: Collection[Quarter], one_in: int = 1
) -> tuple[str, dict[Quarter, dict[str, Counter[str]]]]:
    """Return the column of AUM, and what customers hold against it by quarter and branch.

    That are `rows`, `aum` and `held` of those who hold products of AUM; how many hold the `same`,
    and what is `far` from it; and by average of AUM how many customers hold just that, and (`|end`)
    how many their AUM at the period's end, where these two differ. Only DuckDB and Spark tell it of
    one in so many customers, by the hashes of their numbers.
    """
    customers, holdings = (_at_ends(bank, name, quarters) for name in ("customers", "holdings"))
    if one_in > 1:
        customers, holdings = (
            as_lazy(rows.to_native().filter(f"hash(customer_id) % {one_in} = 0"))
            for rows in (customers, holdings)
        )
    ours = holdings.filter(nw.col("product").is_in([*load_policy().families.aum_products]))
    held = sums(ours, ["as_of", "customer_id"], {"held": cents_or_zero("balance")})
    aum = [name for name in AUM if name in bank.columns["customers"]]
    found: dict[Quarter, dict[str, Counter[str]]] = {quarter: {} for quarter in quarters}
    if not aum:
        return "", found
    amounts = {name: cents_or_zero(name) for name in aum}
    pairs = customers.select("as_of", "customer_id", "branch_id", **amounts)
    pairs = pairs.join(held, on=["as_of", "customer_id"])
    end, total = nw.col(aum[0]), nw.col("held")
    sizes = {"rows": ONE, "aum": end, "held": total}
    sizes |= {"same": flag(end == total), "far": flag(are_far(end, total))}
    for name in aum[1:] if aum[0] == AUM[0] else []:
        differs = nw.col(name) != end
        sizes[name] = flag(differs & (nw.col(name) == total))
        sizes[f"{name}|end"] = flag(differs & (end == total))
    ending = {quarter.end: quarter for quarter in quarters}
    rows = collect_rows(sums(pairs, ["as_of", "branch_id"], sizes))
    for moment, branch, *numbers in zip(*rows.values(), strict=True):
        cells = dict(zip(sizes, map(int, numbers), strict=True))
        found[ending[as_day(moment)]][branch] = Counter(cells)
    return aum[0], found


def _at_ends(bank: Bank, name: str, quarters: Collection[Quarter]) -> frames.Table:
    """Return a table's rows of the last days of some quarters."""
    rows, ends = as_lazy(bank.table(name)), [quarter.end for quarter in quarters]
    if bank.days(name) <= {*ends}:
        return rows
    if rows.collect_schema()["as_of"] != nw.Date:  # pandas has no dates, only their first moments
        ends = [datetime(end.year, end.month, end.day) for end in ends]
    return rows.filter(nw.col("as_of").is_in(ends))


def are_far(one: nw.Expr, other: nw.Expr) -> nw.Expr:
    """Return whether one of two amounts is three times the other."""
    return ((one > other * _FAR) | (other > one * _FAR)) & (one > 0) & (other > 0)


def _sizes_of(name: str, columns: Collection[str], rows: frames.Table) -> dict[str, nw.Expr]:
    """Return what is summed of a table's rows beside their number."""
    kinds = {column.name: column.kind for column in table(name).columns if column.name in columns}
    sizes: dict[str, nw.Expr] = {}
    for column, kind in kinds.items():
        if kind is Kind.MONEY:
            # DuckDB has decimals, which cost it a quarter less than by way of floats.
            is_exact = rows.implementation.is_duckdb()
            sizes[column] = (nw.col(column) * 100 if is_exact else cents_or_zero(column)).abs()
        elif kind is Kind.INTEGER:
            sizes[column] = nw.col(column).fill_null(0).cast(nw.Int64)
        elif column == "person_id" or (kind is Kind.DATE and column not in ("as_of", "closed_on")):
            sizes[f"{column}|filled"] = flag(~nw.col(column).is_null())
    for column in [column for column in AUM if column in sizes][:1]:
        digits = (sizes[column] + 1).cast(nw.Float64).log(10) * _STEPS + 0.5
        sizes[f"{column}|digits"] = digits.floor().cast(nw.Int64)
        sizes[f"{column}|filled"] = flag(sizes[column] > 0)
        amount = nw.col(column).cast(nw.Float64)
        sizes[f"{column}|uneven"] = flag(amount > amount.floor())
    if {*AUM} <= {*sizes}:
        end, *means = map(nw.col, AUM)
        for one, other in combinations(AUM, 2):
            sizes[f"{one}|{other}"] = flag((nw.col(one) == nw.col(other)) & (nw.col(one) > 0))
        near, far = ((mean - end).abs() for mean in means)
        sizes |= {"aum|nearer": flag(near < far), "aum|farther": flag(near > far)}
    if "person_id" in kinds:
        sizes["person_id|odd"] = flag(nw.col("person_id").str.ends_with("1"))
    if "birth_date" in kinds:
        sizes["birth_date|odd"] = flag(nw.col("birth_date").dt.day() % 2 == 1)
    if name == "customers":
        sizes["customer_type|corporate"] = flag(nw.col("customer_type") == "corporate")
    if name in _BOOKED_AT:
        sizes["balance|negative"] = flag(nw.col("balance") < 0)
    for first, last in ORDERED:
        if {first, last} <= {*kinds}:
            sizes[f"{first}|{last}"] = flag(nw.col(first) > nw.col(last))
    if {"closed_on", "aum_period_end"} <= {*kinds}:
        is_closed = frames.day(rows, "closed_on") <= frames.day(rows, "as_of")
        sizes["closed_on|with AUM"] = flag(is_closed & (nw.col("aum_period_end") > 0))
    return sizes
