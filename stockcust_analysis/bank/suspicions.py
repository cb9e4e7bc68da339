"""What reads well and is hardly true: amounts 10,000 times off, a quarter delivered twice.

A few sums of each quarter are held against those of the quarter before. What looks wrong is a
warning with figures, or an error where the mapping says so:

```toml
[suspicions]
as_errors = ["unit", "renumbered"]
```
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import permutations, product

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.contract import Kind, table
from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.core.calendar import PERIOD, Calendar
from stockcust_analysis.core.frames import (
    ONE,
    Table,
    after,
    as_lazy,
    cents_or_zero,
    collect_rows,
    day,
    flag,
    height,
    sums,
)
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import BankDataError
from stockcust_analysis.measures.service import end_with_managers, in_force

LEAST_ROWS = 100
"""Below a hundred rows any change may be true."""
WRONG_UNIT = 30
"""分 for 元 is 100 times, 元 for 万元 10,000; definitions, and two quarters, less than five."""
LEAST_MEAN, MOST_MEAN = 50, 2_000_000
"""AUM per customer, CNY: means lie around 50,000, 分 for 元 and 元 for 万元 beyond these."""
LEAST_KEPT = 0.6
"""Part of the rows of the quarter before: less is half of a delivery, no bad quarter."""
LEAST_FOUND_AGAIN = 0.5
"""Part of the customers who are there a quarter later: a bank keeps far more than half."""
LIKE_SIZE, LEAST_PART = 0.2, 0.01
"""A product comes in place of another if their rows differ by less; smaller ones come and go."""
_LOOKED_UP = 1_000
Groups = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Totals:
    """Sums of one quarter: `rows`, and cents by column, of customers by branch, else by product."""

    quarter: Quarter
    customers: Groups
    holdings: Groups
    ledger: Groups

    def figures(self) -> dict[str, int]:
        """Return table.column → sum over its groups, and table.rows."""
        result: dict[str, int] = {}
        for name in _GROUPS:
            for sizes in getattr(self, name).values():
                for column, size in sizes.items():
                    result[f"{name}.{column}"] = result.get(f"{name}.{column}", 0) + size
        return result


_GROUPS = {"customers": "branch_id", "holdings": "product", "ledger": "product"}
# Sums of one quarter that are of one order.
_ALIKE = (
    ("customers.aum_average_month", "customers.aum_period_end"),
    ("customers.aum_average_quarter", "customers.aum_period_end"),
    ("holdings.average_balance", "holdings.balance"),
    ("customers.aum_period_end", "holdings.balance"),
    ("ledger.balance", "holdings.balance"),
)


def totals_of(bank: Bank, quarters: Sequence[Quarter]) -> list[Totals]:
    """Return the sums of some quarters of a bank, oldest first, in one look at each table."""
    calendar = Calendar(tuple(quarter.end for quarter in quarters))
    found: dict[str, list[dict[str, dict[str, int]]]] = {}
    for name, by in _GROUPS.items():
        found[name] = [{} for _ in quarters]
        if name not in bank.columns or not quarters:
            continue
        money = [c.name for c in table(name).columns if c.kind is Kind.MONEY]
        sizes = {c: cents_or_zero(c).abs() for c in money if c in bank.columns[name]}
        rows = calendar.rows(as_lazy(bank.table(name)))
        groups = collect_rows(sums(rows, [PERIOD, by], {"rows": ONE, **sizes}))
        for index, (period, key) in enumerate(zip(groups[PERIOD], groups[by], strict=True)):
            cells = {column: int(groups[column][index] or 0) for column in ("rows", *sizes)}
            found[name][int(period)][str(key)] = cells
    return [
        Totals(quarter, *(found[name][period] for name in _GROUPS))
        for period, quarter in enumerate(quarters)
    ]


def _wrong_units(_: Bank, before: Totals, now: Totals) -> Iterator[str]:
    """Amounts of a table, a column or a quarter are of another order than those they go with."""
    ours, theirs = now.figures(), before.figures()
    pairs = [(name, other, ours.get(name, 0), ours.get(other, 0)) for name, other in _ALIKE]
    pairs += [(name, str(before.quarter), n, theirs.get(name, 0)) for name, n in ours.items()]
    for name, other, size, beside in pairs:
        if min(size, beside) > 0 and not 1 / WRONG_UNIT < size / beside < WRONG_UNIT:
            yield f"{name} of {now.quarter} is {size / beside:.2g} times that of {other}"
    for name in ("customers.aum_period_end", "customers.aum_average_quarter"):
        mean = ours.get(name, 0) / 100 / ours["customers.rows"]
        if mean and not LEAST_MEAN < mean < MOST_MEAN:
            yield f"{name} of {now.quarter} is {mean:.2g} CNY per customer"


def _same_again(_: Bank, before: Totals, now: Totals) -> Iterator[str]:
    """A table has the rows and amounts of the quarter before, group by group."""
    for name in ("customers", "holdings"):
        if getattr(before, name) == getattr(now, name):
            yield (
                f"{name} of {now.quarter} have the rows and amounts of {before.quarter} in every "
                f"{_GROUPS[name]}: was the file delivered again?"
            )


def _vanished(bank: Bank, before: Totals, now: Totals) -> Iterator[str]:
    """A branch has no customers any more, and nothing says why."""
    gone = {*before.customers} - {*now.customers}
    branches = collect_rows(as_lazy(bank.table("branches"))) if gone else {}
    days = zip(branches.get("branch_id", ()), branches.get("closed_on", ()), strict=False)
    closed = {branch for branch, on in days if on == on and on}
    handed_over = {*_successors(bank)}
    if gone and "customer_moves" in bank.columns:
        moves = as_lazy(bank.table("customer_moves")).select("from_branch_id").unique()
        handed_over |= {*collect_rows(moves)["from_branch_id"]}
    for branch in sorted(gone - closed - handed_over):
        rows = before.customers[branch]["rows"]
        yield (
            f"branch {branch}, with {rows:,} customers in {before.quarter}, has none in "
            f"{now.quarter}, no successor and no closed_on"
        )


def _renumbered(bank: Bank, before: Totals, now: Totals) -> Iterator[str]:
    """Most customers of the quarter before are not found again."""
    earlier, later = (
        as_lazy(bank.snapshot("customers", as_of=of.quarter.end)).select("customer_id")
        for of in (before, now)
    )
    total = before.figures()["customers.rows"]
    # A few of them show whether it is worth to look at all.
    few = earlier.sort("customer_id").head(_LOOKED_UP)
    for some, rows in ((few, min(total, _LOOKED_UP)), (earlier, total)):
        found = height(some.join(later, on="customer_id", how="semi"))
        if found >= LEAST_FOUND_AGAIN * rows:
            return
    yield (
        f"of {rows:,} customers of {before.quarter} {found:,} are found again in {now.quarter}: "
        "were they renumbered?"
    )


def _renamed(_: Bank, before: Totals, now: Totals) -> Iterator[str]:
    """A product is gone, and another of like size has come."""
    least = max(LEAST_ROWS, LEAST_PART * before.figures()["holdings.rows"])
    gone, come = ({*a} - {*b} for a, b in permutations((before.holdings, now.holdings)))
    for old, new in product(sorted(gone), sorted(come)):
        was, rows = before.holdings[old]["rows"], now.holdings[new]["rows"]
        if was >= least and abs(rows - was) < LIKE_SIZE * was:
            yield (
                f"product {old} ({was:,} holdings in {before.quarter}) is gone, and {new} "
                f"({rows:,} in {now.quarter}) has come: see the codes in the mapping"
            )


def _gone(_: Bank, before: Totals, now: Totals) -> Iterator[str]:
    """Much of a table is not there any more."""
    for name in ("customers.rows", "holdings.rows"):
        rows, was = now.figures()[name], before.figures()[name]
        if rows < LEAST_KEPT * was:
            what = name.removesuffix(".rows")
            yield f"{what} have {rows:,} rows in {now.quarter}, and {was:,} in {before.quarter}"


def _successors(bank: Bank, until: date | None = None) -> dict[str, list[str]]:
    """Return old branch → new branches, of those that took over by a day if one is stated."""
    successors: dict[str, list[str]] = {}
    if "branch_successors" in bank.columns:
        frame = as_lazy(bank.table("branch_successors"))
        rows = collect_rows(frame if until is None else frame.filter(_is_by(frame, until)))
        for old, new in zip(rows["old_branch_id"], rows["new_branch_id"], strict=True):
            successors.setdefault(old, []).append(new)
    return successors


def _is_by(table: Table, day_of: date) -> nw.Expr:
    """Return whether a row is in effect by a day."""
    return ~after(day(table, "effective_on"), day_of)


def _cycles(bank: Bank, _: Totals) -> Iterator[str]:
    """A branch was taken over, directly or not, by itself."""
    successors = _successors(bank)
    for first in sorted(successors):
        paths = [[first]]
        for path in paths:  # grows while it is read
            for branch in successors.get(path[-1], ()):
                if branch == first == min(path):
                    yield f"branches succeed one another in a circle: {' → '.join([*path, first])}"
                elif branch not in path:
                    paths.append([*path, branch])


def _left_behind(bank: Bank, now: Totals) -> Iterator[str]:
    """Customers of a split branch have no move, and count with a branch that is gone."""
    end = now.quarter.end
    split = sorted(old for old, new in _successors(bank, end).items() if len(new) > 1)
    if not split:
        return
    customers = as_lazy(bank.restate_branches(bank.table("customers"), as_of=end))
    rows = customers.filter(nw.col("branch_id").is_in(split)).select("branch_id", "customer_id")
    counts = collect_rows(sums(rows.unique(), ["branch_id"], {"n": ONE}))
    for branch, count in sorted(zip(counts["branch_id"], counts["n"], strict=True)):
        yield (
            f"{count:,} customers of branch {branch}, which several took over, have no move in "
            f"customer_moves: they still count with {branch}"
        )


def _strayed(bank: Bank, now: Totals) -> Iterator[str]:
    """Customers who were handed over are not where their moves lead."""
    quarter, before = now.quarter, now.quarter.previous
    if "customer_moves" not in bank.columns or before not in bank.quarters:
        return
    moves = as_lazy(bank.table("customer_moves"))
    lately = after(day(moves, "effective_on"), before.end) & _is_by(moves, quarter.end)
    moved = moves.filter(lately).select("customer_id").unique()
    opening, closing = (
        as_lazy(
            bank.restate_branches(bank.snapshot("customers", as_of=q.end), as_of=quarter.end)
        ).select("customer_id", "branch_id")
        for q in (before, quarter)
    )
    pairs = opening.join(moved, on="customer_id", how="semi")
    pairs = pairs.join(closing.rename({"branch_id": "now"}), on="customer_id")
    strayed = flag(nw.col("branch_id") != nw.col("now"))
    counts = collect_rows(sums(pairs, [], {"rows": ONE, "strayed": strayed}))
    if count := sum(int(n or 0) for n in counts["strayed"]):  # no row where nobody was moved
        yield (
            f"of {counts['rows'][0]:,} customers handed over in {quarter}, {count:,} are not where "
            "customer_moves lead: they count as transferred. See from_branch_id and to_branch_id"
        )


def _two_managers(bank: Bank, now: Totals) -> Iterator[str]:
    """Customers have several managers on the quarter's last day."""
    if "assignments" not in bank.columns:
        return
    managers = as_lazy(bank.table("managers")) if "managers" in bank.columns else None
    rows = end_with_managers(as_lazy(bank.table("assignments")), managers)
    end = now.quarter.end
    calendar = Calendar((end,))
    rows = in_force(calendar.on_every_day(rows), calendar, lambda as_of: as_of)
    several = rows.group_by("customer_id").agg(n=nw.len()).filter(nw.col("n") > 1)
    if count := height(several):
        yield (
            f"{count:,} customers have several managers on {end}: who came last counts. End the "
            "earlier assignments (valid_to)"
        )


_OF_TWO: Mapping[str, Callable[[Bank, Totals, Totals], Iterator[str]]] = {
    "unit": _wrong_units,
    "delivered_again": _same_again,
    "branch_vanished": _vanished,
    "renumbered": _renumbered,
    "product_renamed": _renamed,
    "rows_gone": _gone,
}
_OF_ONE: Mapping[str, Callable[[Bank, Totals], Iterator[str]]] = {
    "successor_cycle": _cycles,
    "two_managers": _two_managers,
    "split_without_moves": _left_behind,
    "moves_not_followed": _strayed,
}


class SuspicionWarning(UserWarning):
    """Extracts that meet the contract look wrong."""


def suspicions_of(bank: Bank, totals: Sequence[Totals]) -> list[tuple[str, str]]:
    """Return what looks wrong in a bank's quarters, oldest first: name and words."""
    found: list[tuple[str, str]] = []
    for index, now in enumerate(totals):
        earlier = totals[index - 1] if index else now
        rules = _OF_TWO if earlier.quarter == now.quarter.previous else {"unit": _wrong_units}
        before = earlier if len(rules) > 1 else Totals(now.quarter.previous, {}, {}, {})
        enough = min(t.figures().get("customers.rows", 0) for t in (earlier, now)) >= LEAST_ROWS
        for name, rule in rules.items() if enough else ():
            found += [(name, words) for words in rule(bank, before, now)]
    for name, look in _OF_ONE.items() if totals else ():
        found += [(name, words) for words in look(bank, totals[-1])]
    return found


def tell(found: Sequence[tuple[str, str]], as_errors: Collection[str], source: str) -> None:
    """Warn of what looks wrong; raise one BankDataError of what the mapping calls an error."""
    errors = [f"{words} ({name})" for name, words in found if name in as_errors]
    if errors:
        listed = "\n".join(f"  {number}. {words}." for number, words in enumerate(errors, 1))
        raise BankDataError(f"{source} looks wrong:\n{listed}", errors)
    for name, words in found:
        warnings.warn(f"{words} ({name}).", SuspicionWarning, stacklevel=3)
