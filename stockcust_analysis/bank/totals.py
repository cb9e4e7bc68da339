"""Sums of a bank's quarters, by branch and product, in one look at each table.

They show what a quarter is, and what in it is hardly true (`suspicions`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.contract import Kind, table
from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.core.frames import (
    ONE,
    Table,
    after,
    as_lazy,
    cents_or_zero,
    collect_rows,
    day,
    flag,
    sums,
)
from stockcust_analysis.core.periods import Quarter, as_day
from stockcust_analysis.measures.population import AUM
from stockcust_analysis.policy import load_policy

GROUPS = {"customers": "branch_id", "holdings": "product", "ledger": "product"}
"""Tables that are summed, and by what."""
ORDERED = (
    ("birth_date", "relationship_since"),
    ("relationship_since", "closed_on"),
    ("last_active_on", "closed_on"),
    ("opened_on", "matures_on"),
)
"""Days of one row, the earlier one first."""
_STEPS = 1_000
"""Parts of a power of ten in which the digits of amounts are summed."""
Groups = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Totals:
    """Sums of one quarter: `rows`, and cents by column, of customers by branch, else by product.

    Names with `|` count rows: of a column that are filled, or of two days in the wrong order.
    """

    quarter: Quarter
    customers: Groups
    holdings: Groups
    ledger: Groups

    @cached_property
    def figures(self) -> dict[str, int]:
        """Return table.column → sum over its groups, and table.rows."""
        result: dict[str, int] = {}
        for name in GROUPS:
            for sizes in getattr(self, name).values():
                for column, size in sizes.items():
                    result[f"{name}.{column}"] = result.get(f"{name}.{column}", 0) + size
        return result

    def sizes(self, name: str) -> dict[str, dict[str, int]]:
        """Return a table's rows and amounts by group, without what is counted beside them."""
        groups: Groups = getattr(self, name)
        return {g: {n: s for n, s in sizes.items() if "|" not in n} for g, sizes in groups.items()}

    def geometric_means(self, column: str, least: int) -> dict[str, float]:
        """Return branch → geometric mean of an AUM in cents, of branches where enough have any."""
        return {
            branch: 10.0 ** (sizes[f"{column}|digits"] / sizes[f"{column}|filled"] / _STEPS)
            for branch, sizes in self.customers.items()
            if sizes.get(f"{column}|filled", 0) >= least
        }


def totals_of(bank: Bank, quarters: Sequence[Quarter]) -> list[Totals]:
    """Return the sums of some quarters of a bank, oldest first, in one look at each table."""
    found: dict[tuple[str, date], dict[str, dict[str, int]]] = {}
    before = min([quarter.end for quarter in quarters], default=date.max) - timedelta(days=1)
    for name, by in GROUPS.items():
        if name not in bank.columns or not quarters:
            continue
        rows = as_lazy(bank.table(name))
        if min(bank.days(name), default=before) <= before:
            rows = rows.filter(after(day(rows, "as_of"), before))
        sizes = _sizes_of(name, bank.columns[name], rows)
        groups = collect_rows(sums(rows, ["as_of", by], {"rows": ONE, **sizes}))
        for index, (as_of, key) in enumerate(zip(groups["as_of"], groups[by], strict=True)):
            cells = {column: int(groups[column][index] or 0) for column in ("rows", *sizes)}
            found.setdefault((name, as_day(as_of)), {})[str(key)] = cells
    return [Totals(q, *(found.get((name, q.end), {}) for name in GROUPS)) for q in quarters]


def held_by_branch(
    bank: Bank, quarter: Quarter, least: int
) -> tuple[str, dict[str, float], dict[str, tuple[int, int]]]:
    """Return what customers hold against their AUM on a quarter's last day.

    These are the column of AUM; branch → balances of AUM products / AUM, of branches where at least
    so many customers have any; and average of AUM → how many customers hold just that, and how many
    their AUM at the period's end, where these two differ.
    """
    customers, holdings = (
        as_lazy(bank.snapshot(name, as_of=quarter.end)) for name in ("customers", "holdings")
    )
    ours = holdings.filter(nw.col("product").is_in([*load_policy().families.aum_products]))
    held = sums(ours, ["customer_id"], {"held": cents_or_zero("balance")})
    aum = [name for name in AUM if name in bank.columns["customers"]]
    if not aum:
        return "", {}, {}
    amounts = {name: cents_or_zero(name) for name in aum}
    pairs = customers.select("customer_id", "branch_id", **amounts).join(held, on="customer_id")
    sizes = {"rows": ONE, "aum": nw.col(aum[0]), "held": nw.col("held")}
    averages = aum[1:] if aum[0] == AUM[0] else []
    for name in averages:
        differs = nw.col(name) != nw.col(aum[0])
        sizes[name] = flag(differs & (nw.col(name) == nw.col("held")))
        sizes[f"{name}|end"] = flag(differs & (nw.col(aum[0]) == nw.col("held")))
    groups = collect_rows(sums(pairs, ["branch_id"], sizes))
    rows = zip(*(groups[name] for name in ("branch_id", "rows", "aum", "held")), strict=True)
    parts = {b: held / aum for b, n, aum, held in rows if n >= least and min(aum, held) > 0}
    counts = {name: (sum(groups[name]), sum(groups[f"{name}|end"])) for name in averages}
    return aum[0], parts, counts


def _sizes_of(name: str, columns: Collection[str], rows: Table) -> dict[str, nw.Expr]:
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
        elif kind is Kind.DATE and column not in ("as_of", "closed_on"):
            sizes[f"{column}|filled"] = flag(~nw.col(column).is_null())
    for column in [column for column in AUM if column in sizes][:1]:
        digits = (sizes[column] + 1).cast(nw.Float64).log(10) * _STEPS + 0.5
        sizes[f"{column}|digits"] = digits.floor().cast(nw.Int64)
        sizes[f"{column}|filled"] = flag(sizes[column] > 0)
        amount = nw.col(column).cast(nw.Float64)
        sizes[f"{column}|uneven"] = flag(amount > amount.floor())
    if name == "customers":
        sizes["customer_type|corporate"] = flag(nw.col("customer_type") == "corporate")
    if name == "holdings":
        sizes["balance|negative"] = flag(nw.col("balance") < 0)
    for first, last in ORDERED:
        if {first, last} <= {*kinds}:
            sizes[f"{first}|{last}"] = flag(nw.col(first) > nw.col(last))
    if {"closed_on", "aum_period_end"} <= {*kinds}:
        is_closed = day(rows, "closed_on") <= day(rows, "as_of")
        sizes["closed_on|with AUM"] = flag(is_closed & (nw.col("aum_period_end") > 0))
    return sizes
