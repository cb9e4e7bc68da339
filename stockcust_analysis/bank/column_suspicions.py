"""What is implausible of single columns: empty, of one value, as a quarter ago, of others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import combinations, pairwise

import narwhals.stable.v2 as nw

from stockcust_analysis.bank import branch_suspicions as branches
from stockcust_analysis.bank.branch_suspicions import LEAST_IN_BRANCH, LEAST_KEPT
from stockcust_analysis.bank.contract import table
from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.bank.totals import LEAST_ROWS, ORDERED, Totals, are_far
from stockcust_analysis.bank.validation import EVENTS
from stockcust_analysis.core.frames import ONE, Table, as_lazy, collect_rows, flag, sums
from stockcust_analysis.core.periods import as_day
from stockcust_analysis.measures.population import AUM
from stockcust_analysis.policy import load_policy
from stockcust_analysis.words import NOTHING, Words, counted, say

LEAST_PART = 0.01
STALE = 0.98
"""Part of the customers whose days or amounts are as a quarter ago: interest alone moves most."""
MOST_FAR = 0.5
"""Part of the customers whose AUM is not a third, nor three times, of what goes with it."""
_LOOKED_UP, _FEWEST = 1_000, 10
_LONGEST_GAP = 20
"""Days without a row, where many stand as many days before and after."""
_MAY_BE_EMPTY = (
    "customers.active_transactions",
    "customers.loan_balance",
    "holdings.matures_on|filled",
    "customers.person_id|filled",
)
"""What a bank may deliver without any value until it once has some; all else always has."""
_MAY_HAVE_NO_ROWS = ("branch_successors", "customer_moves")


def find_renumbered(bank: Bank, before: Totals, now: Totals) -> Iterator[tuple[str, Words]]:
    """Most customers of the quarter before are not found again, or a column is just as it was."""
    columns = [
        column.name
        for column in table("customers").columns
        if column.name in bank.columns["customers"]
        if column.kind.is_numeric or column.name == "last_active_on"
    ]
    earlier, later = (
        as_lazy(bank.snapshot("customers", as_of=of.quarter.end)).select("customer_id", *columns)
        for of in (before, now)
    )
    was, here = before.figures, now.figures
    total = was["customers.rows"]
    # A few of them show whether it is worth to look at all, mostly those who come first in both.
    few, first = earlier.head(_LOOKED_UP), later.head(2 * _LOOKED_UP)
    for some, others in ((few, first), (few, later), (earlier, later)):
        rows, least = (total, LEAST_ROWS) if some is earlier else (min(total, _LOOKED_UP), _FEWEST)
        counts = _count_same(some.join(others, on="customer_id", suffix="|now"), columns)
        found = counts["rows"]
        stale = [c for c in columns if counts[c] >= max(least, STALE * counts[f"{c}|filled"])]
        far = [
            c
            for c in columns
            if c in AUM
            if counts[f"{c}|far"] >= max(least, MOST_FAR * counts[f"{c}|filled"])
            if LEAST_KEPT * was[f"customers.{c}"] < here[f"customers.{c}"]
            if LEAST_KEPT * here[f"customers.{c}"] < was[f"customers.{c}"]
        ]
        if found >= branches.LEAST_FOUND_AGAIN * rows and not stale and not far:
            return
    for name, found_in, what in (("delivered_again", stale, ""), ("shuffled", far, "|far")):
        for column in found_in:
            sizes = counts[column + what], counts[f"{column}|filled"]
            facts = bank.named("customers", column), now.quarter, before.quarter, *sizes
            yield name, say(f"column_{name}", *facts)
    if found < branches.LEAST_FOUND_AGAIN * total:
        yield "renumbered", say("customers_renumbered", total, before.quarter, found, now.quarter)


def _count_same(pairs: Table, columns: Sequence[str]) -> dict[str, int]:
    """Return how many customers of two quarters there are, have a value then, and the same now."""
    sizes = {"rows": ONE}
    for name in columns:
        is_filled = ~nw.col(name).is_null()
        if name != "last_active_on":
            is_filled &= nw.col(name) != 0
        sizes[f"{name}|filled"] = flag(is_filled)
        sizes[name] = flag(is_filled & (nw.col(name) == nw.col(f"{name}|now")))
        if name in AUM:
            sizes[f"{name}|far"] = are_far(nw.col(name), nw.col(f"{name}|now"))
    counts = collect_rows(sums(pairs, [], sizes))  # no row where nobody is found again
    return {name: sum(int(cell or 0) for cell in cells) for name, cells in counts.items()}


def find_empty_columns(bank: Bank, before: Totals, now: Totals) -> Iterator[Words]:
    """A column holds nothing but zeros, or no day, in a whole quarter or in a branch."""
    ours, theirs = now.figures, before.figures
    for name, size in ours.items():
        column, _mark, what = name.partition("|")
        table_name, _dot, total = name.partition(".")
        rows, where = ours[f"{table_name}.rows"], NOTHING
        if what and (what != "filled" or column in ours):
            continue
        if not size and rows >= LEAST_ROWS and (name not in _MAY_BE_EMPTY or theirs.get(name)):
            where = say("all_rows", rows)
        elif size and table_name == "customers" and total != "loan_balance":
            empty = branches.find_empty_branches(total, before, now)
            where = branches.count_groups(empty, now.customers) if empty else NOTHING
        if where:
            nothing = say("no_value" if what else "only_zeros")
            yield say("column_empty", bank.named(*column.split(".")), nothing, where, now.quarter)


def find_reversed_days(bank: Bank, now: Totals) -> Iterator[Words]:
    """Days of a row are in the wrong order."""
    for name, count in now.figures.items():
        column, _, later = name.partition("|")
        tables, _, first = column.partition(".")
        # Every system has a few wrong days of birth.
        least = LEAST_PART * now.figures[f"{tables}.rows"] if first == "birth_date" else 0
        if (first, later) in ORDERED and count > least:
            days = [bank.named(tables, day) for day in (first, later)]
            yield say("reversed_days", *days, counted("row", count), now.quarter)


def find_negative_balances(bank: Bank, now: Totals) -> Iterator[Words]:
    """What customers own is less than nothing."""
    owned = load_policy().families.aum_products
    for table_name, groups in (("holdings", now.holdings), ("ledger", now.ledger)):
        for name, sizes in sorted(groups.items()):
            rows, count = sizes["rows"], sizes["balance|negative"]
            if count > (LEAST_PART if name in owned else MOST_FAR) * rows:
                facts = bank.named(table_name, "balance"), count, rows, name, now.quarter
                yield say("negative_balances", *facts)


def find_idle_tables(bank: Bank, now: Totals) -> Iterator[Words]:
    """A table is empty, or holds nothing of the newest quarter."""
    for name in (name for name in bank.columns if name not in _MAY_HAVE_NO_ROWS):
        frame = as_lazy(bank.table(name))
        if not bank.rows(name):
            yield say("empty_table", bank.named(name), now.quarter.end)
        elif name in EVENTS and now.figures.get("customers.rows", 0) >= LEAST_ROWS:
            yield from _find_gaps(bank, name, now)
        elif name == "ledger" and not now.ledger:
            yield say("no_ledger_then", now.quarter.end)
        elif name == "targets":
            quarters = sorted(collect_rows(frame.select("quarter").unique())["quarter"])
            if str(now.quarter) not in quarters:
                facts = quarters, now.quarter, bank.named(name, "quarter")
                yield say("plans_of_other_quarters", *facts)


def _find_gaps(bank: Bank, name: str, now: Totals) -> Iterator[Words]:
    """Contacts or transactions of some weeks are not there, or nearly all are of one day."""
    column, (begun, end) = EVENTS[name], (now.quarter.previous.end, now.quarter.end)
    counts = collect_rows(sums(as_lazy(bank.table(name)), [column], {"n": ONE}))
    sizes = {as_day(day): int(n) for day, n in zip(*counts.values(), strict=True)}
    days, rows = sorted(sizes), sum(sizes.values())
    if LEAST_ROWS <= STALE * rows <= max(sizes.values()):
        yield say("one_value", bank.named(name, column), max(sizes.values()), rows)
    if days[-1] <= begun:
        yield say("ended_before", bank.named(name), days[-1], now.quarter)
        return
    made = now.figures.get("customers.active_transactions", 0) if name == "transactions" else 0
    if (there := sum(n for day, n in sizes.items() if begun < day <= end)) < LEAST_KEPT * made:
        counted_there = bank.named("customers", "active_transactions")
        yield say("fewer_transactions", bank.named(name), now.quarter, there, counted_there, made)
    days = [begun] * (days[0] > begun) + days + [end + timedelta(days=1)] * (days[-1] < end)
    for first, last in pairwise(days):
        if (gap := (last - first).days - 1) < _LONGEST_GAP:
            continue
        before = sum(n for day, n in sizes.items() if 0 <= (first - day).days < gap)
        after = sum(n for day, n in sizes.items() if 0 <= (day - last).days < gap)
        beside = [n for day, n in ((first, before), (last, after)) if day in sizes]
        if min(beside) >= LEAST_IN_BRANCH:
            yield say("days_without_rows", bank.named(name), gap, first, sum(beside))


def find_single_values(bank: Bank, now: Totals) -> Iterator[Words]:
    """Nearly all rows have one value; that few, or all, are odd shows whether to look at all."""
    for column in sorted(c.removesuffix("|odd") for c in now.figures if c.endswith("|odd")):
        filled, odd = (now.figures[f"{column}|{what}"] for what in ("filled", "odd"))
        if filled < LEAST_ROWS or max(odd, filled - odd) < STALE * filled:
            continue
        name, _, of = column.partition(".")
        rows = as_lazy(bank.snapshot(name, as_of=now.quarter.end))
        rows = rows.filter(~nw.col(of).is_null())
        most = max(collect_rows(sums(rows, [of], {"n": ONE}))["n"])
        if most >= STALE * filled:
            yield say("one_value", say("value_of", bank.named(name, of), now.quarter), most, filled)


def find_alike_averages(bank: Bank, before: Totals, now: Totals) -> Iterator[Words]:
    """Two columns of AUM are one, or the averages of month and quarter stand for one another.

    The month lies nearer its end than the quarter does, for most of those where the two differ.
    """
    ours, theirs = now.figures, before.figures
    filled = ours.get("customers.aum_period_end|filled", 0)
    same = {
        (one, other): ours.get(f"customers.{one}|{other}", 0) for one, other in combinations(AUM, 2)
    }
    has_moved = 2 * min(same.values()) < filled or any(
        theirs.get(f"customers.{name}", 0) not in (0, ours.get(f"customers.{name}")) for name in AUM
    )
    alike = [(pair, count) for pair, count in same.items() if has_moved and count > STALE * filled]
    for (one, other), count in alike:
        named = [bank.named("customers", name) for name in (other, one)]
        yield say("averages_alike", named[0], now.quarter, named[1], count)
    nearer, farther = (ours.get(f"customers.aum|{what}", 0) for what in ("nearer", "farther"))
    if not alike and farther > max(LEAST_ROWS, 2 * nearer):
        end, month, quarter = (bank.named("customers", name) for name in AUM)
        yield say("averages_swapped", month, now.quarter, end, quarter, farther, nearer)
