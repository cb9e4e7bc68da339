"""What reads well and is hardly true: amounts 10,000 times off, a quarter delivered twice.

A few sums of each quarter are held against those of the quarter before. What looks wrong is a
warning with figures, or an error where the mapping's `[suspicions]` says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import permutations, product
from math import inf
from statistics import median

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.branch_suspicions import (
    LEAST_FOUND_AGAIN,
    LEAST_IN_BRANCH,
    LEAST_KEPT,
    WRONG_UNIT,
    count_branches,
    find_closed,
    find_copied_branches,
    find_cycles,
    find_empty_branches,
    find_left_behind,
    find_strayed,
    find_unlike_averages,
    find_vanished,
    find_wrong_branches,
    is_another_unit,
)
from stockcust_analysis.bank.contract import table
from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.bank.totals import GROUPS, ORDERED, Totals, held_by_branch
from stockcust_analysis.bank.validation import EVENTS
from stockcust_analysis.core.calendar import Calendar
from stockcust_analysis.core.frames import ONE, Table, as_lazy, collect_rows, flag, height, sums
from stockcust_analysis.core.periods import Quarter, as_day
from stockcust_analysis.errors import BankDataError
from stockcust_analysis.measures.population import AUM
from stockcust_analysis.measures.service import end_with_managers, in_force
from stockcust_analysis.policy import load_policy

LEAST_ROWS = 100
"""Below a hundred rows any change may be true."""
LEAST_MEAN, MOST_MEAN = 50, 2_000_000
"""AUM per customer, CNY: means lie around 50,000, 分 for 元 and 元 for 万元 beyond these."""
STEADY, LEAST_HELD = 0.1, 0.5
"""Holdings are the accounts of AUM: what part of it they are is a definition, and no market's."""
LIKE_SIZE, LEAST_PART = 0.2, 0.01
"""A product comes in place of another if their rows differ by less; smaller ones come and go."""
STALE = 0.98
"""Part of the customers whose days or amounts are as a quarter ago: interest alone moves most."""
_LOOKED_UP, _FEWEST = 1_000, 10
_MAY_BE_EMPTY = (
    "customers.active_transactions",
    "customers.loan_balance",
    "holdings.matures_on|filled",
)
"""What a bank may deliver without any value until it once has some; all else always has."""
_MAY_HAVE_NO_ROWS = ("branch_successors", "customer_moves")
# Sums of one quarter that are of one order.
_ALIKE = (
    ("customers.aum_average_month", "customers.aum_period_end"),
    ("customers.aum_average_quarter", "customers.aum_period_end"),
    ("holdings.average_balance", "holdings.balance"),
    ("customers.aum_period_end", "holdings.balance"),
    ("ledger.balance", "holdings.balance"),
)


def _wrong_units(_: Bank, before: Totals, now: Totals) -> Iterator[str]:
    """Amounts of a table, a column or a quarter are of another order than those they go with."""
    ours, theirs = now.figures, before.figures
    pairs = [(name, other, ours.get(name, 0), ours.get(other, 0)) for name, other in _ALIKE]
    pairs += [
        (name, str(before.quarter), n, theirs.get(name, 0))
        for name, n in ours.items()
        if "|" not in name
    ]
    for name, other, size, beside in pairs:
        if min(size, beside) > 0 and is_another_unit(size / beside):
            yield f"{name} of {now.quarter} is {size / beside:.2g} times that of {other}"
    for name in ("customers.aum_period_end", "customers.aum_average_quarter"):
        mean = ours.get(name, 0) / 100 / ours["customers.rows"]
        if mean and not LEAST_MEAN < mean < MOST_MEAN:
            yield f"{name} of {now.quarter} is {mean:.2g} CNY per customer"
    for column in (column for column in AUM if f"customers.{column}|digits" in ours):
        yield from find_wrong_branches(column, before, now)
    yield from find_unlike_averages(now)
    yield from _wrong_products(before, now)


def _wrong_products(before: Totals, now: Totals) -> Iterator[str]:
    """Amounts of one product are of another order than in the ledger, or than a quarter before."""
    for name, ours in sorted(now.holdings.items()):
        if ours["rows"] < LEAST_IN_BRANCH:
            continue
        booked, theirs = now.ledger.get(name, {}), before.holdings.get(name, {"rows": 0})
        pairs: list[tuple[str, float, float]]
        pairs = [("the ledger", ours["balance"], booked.get("balance", 0))]
        if theirs["rows"] >= LEAST_IN_BRANCH:
            means = [sizes["balance"] / sizes["rows"] for sizes in (ours, theirs)]
            pairs.append((str(before.quarter), means[0], means[1]))
        for other, size, beside in pairs:
            if min(size, beside) > 0 and is_another_unit(size / beside):
                yield (
                    f"holdings of {name} in {now.quarter} are {size / beside:.2g} times those of "
                    f"{other}"
                )
                break


def _same_again(_: Bank, before: Totals, now: Totals) -> Iterator[str]:
    """A table has the rows and amounts of the quarter before, group by group."""
    for name in (name for name in GROUPS if now.sizes(name)):
        if before.sizes(name) == now.sizes(name):
            yield (
                f"{name} of {now.quarter} have the rows and amounts of {before.quarter} in every "
                f"{GROUPS[name]}: was the file delivered again?"
            )
        elif name == "holdings" and (same := _same_amounts(before, now)):
            yield (
                f"holdings.{', '.join(same)} of {now.quarter} adds up to that of {before.quarter} "
                "in every product: was the column not computed anew"
            )
        elif name == "customers" and (copied := find_copied_branches(before, now)):
            yield (
                f"customers of {now.quarter} have the rows and amounts of {before.quarter} in "
                f"{count_branches(copied, now.customers)}: was a file delivered again?"
            )


def _same_amounts(before: Totals, now: Totals) -> list[str]:
    """Return the columns of holdings whose sums are those of the quarter before, by product."""
    ours, theirs = now.sizes("holdings"), before.sizes("holdings")
    names = {name for sizes in ours.values() for name in sizes} - {"rows"}
    return [
        name
        for name in sorted(names)
        if now.figures[f"holdings.{name}"] and ours.keys() == theirs.keys()
        if all(sizes[name] == theirs[product][name] for product, sizes in ours.items())
    ]


def _found_again(bank: Bank, before: Totals, now: Totals) -> Iterator[tuple[str, str]]:
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
    total = before.figures["customers.rows"]
    # A few of them show whether it is worth to look at all, mostly those who come first in both.
    few, first = earlier.head(_LOOKED_UP), later.head(2 * _LOOKED_UP)
    for some, others in ((few, first), (few, later), (earlier, later)):
        rows, least = (total, LEAST_ROWS) if some is earlier else (min(total, _LOOKED_UP), _FEWEST)
        counts = _count_same(some.join(others, on="customer_id", suffix="|now"), columns)
        found = counts["rows"]
        stale = [c for c in columns if counts[c] >= max(least, STALE * counts[f"{c}|filled"])]
        if found >= LEAST_FOUND_AGAIN * rows and not stale:
            return
    for column in stale:
        yield (
            "delivered_again",
            f"customers.{column} of {now.quarter} is that of {before.quarter} for "
            f"{counts[column]:,} of {counts[f'{column}|filled']:,} customers who have any: was the "
            "column not computed anew",
        )
    if found < LEAST_FOUND_AGAIN * total:
        yield (
            "renumbered",
            f"of {total:,} customers of {before.quarter} {found:,} are found again in "
            f"{now.quarter}: were they renumbered?",
        )


def _count_same(pairs: Table, columns: Sequence[str]) -> dict[str, int]:
    """Return how many customers of two quarters there are, have a value then, and the same now."""
    sizes = {"rows": ONE}
    for name in columns:
        is_filled = ~nw.col(name).is_null()
        if name != "last_active_on":
            is_filled &= nw.col(name) != 0
        sizes[f"{name}|filled"] = flag(is_filled)
        sizes[name] = flag(is_filled & (nw.col(name) == nw.col(f"{name}|now")))
    counts = collect_rows(sums(pairs, [], sizes))  # no row where nobody is found again
    return {name: sum(int(cell or 0) for cell in cells) for name, cells in counts.items()}


def _renamed(_: Bank, before: Totals, now: Totals) -> Iterator[str]:
    """A product is gone, and another of like size has come."""
    least = max(LEAST_ROWS, LEAST_PART * before.figures["holdings.rows"])
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
        rows, was = now.figures[name], before.figures[name]
        if rows < LEAST_KEPT * was:
            what = name.removesuffix(".rows")
            yield f"{what} have {rows:,} rows in {now.quarter}, and {was:,} in {before.quarter}"


def _incomplete(_: Bank, before: Totals, now: Totals) -> Iterator[str]:
    """Holdings are another part of customers' AUM, or of the ledger, than a quarter before."""
    earlier = _parts_held(before)
    for other, ours in _parts_held(now).items():
        theirs = earlier.get(other)
        if theirs and not is_another_unit(ours / theirs) and abs(ours / theirs - 1) > STEADY:
            yield (
                f"holdings are {ours:.0%} of {other} in {now.quarter}, and {theirs:.0%} in "
                f"{before.quarter}: was a file of one of them cut off"
            )
        elif other == "AUM" and 1 / WRONG_UNIT < ours < LEAST_HELD:
            yield (
                f"holdings are {ours:.0%} of AUM in {now.quarter}: deliver all products that "
                "count as AUM, and files to their end"
            )
    held = {product for product, sizes in now.holdings.items() if sizes["balance"]}
    booked = {product for product, sizes in now.ledger.items() if sizes["balance"]}
    if lacking := ", ".join(sorted(booked - held)):
        yield (
            f"holdings of {now.quarter} hold nothing of {lacking}, and the ledger does: deliver "
            "them, or see the codes in the mapping"
        )


def _misfits(bank: Bank, now: Totals) -> Iterator[str]:
    """AUM of a branch is of another order than what its customers hold, or AUM's columns are."""
    quarter = now.quarter
    column, parts, averages = held_by_branch(bank, quarter, LEAST_IN_BRANCH)
    usual = median(parts.values()) if parts else 1.0
    if wrong := sorted(b for b, part in parts.items() if is_another_unit(part / usual)):
        yield (
            f"customers.{column} of {quarter} is of another order in "
            f"{count_branches(wrong, parts)} than what their customers hold: are customers or "
            "holdings in 千元, 万元 or 分 there"
        )
    lacking = [
        branch
        for branch, group in now.customers.items()
        if group.get(f"{column}|filled", 0) >= 2 * LEAST_IN_BRANCH and branch not in parts
    ]
    if parts and lacking:
        yield (
            f"customers of {quarter} with AUM hold nothing in "
            f"{count_branches(lacking, now.customers)}: deliver their holdings"
        )
    for name, (average, end) in sorted(averages.items(), key=lambda item: item[1])[-1:]:
        if average >= LEAST_ROWS and end < LEAST_PART * average:
            yield (
                f"holdings of {quarter} are what customers.{name} says of {average:,} customers, "
                f"and aum_period_end of {end:,}: are two columns swapped in the mapping"
            )


def _parts_held(totals: Totals) -> dict[str, float]:
    """Return what part of customers' AUM, and of the products in the ledger, holdings are."""
    aum = totals.figures.get("customers.aum_period_end", 0)
    ledger = sum(sizes["balance"] for sizes in totals.ledger.values())
    pairs = {
        "AUM": (load_policy().families.aum_products, aum),
        "the ledger": (totals.ledger, ledger),
    }
    return {
        name: sum(totals.holdings[p]["balance"] for p in products if p in totals.holdings) / whole
        for name, (products, whole) in pairs.items()
        if whole
    }


def _emptied(_: Bank, before: Totals, now: Totals) -> Iterator[str]:
    """A column holds nothing but zeros, or no day, in a whole quarter or in a branch."""
    ours, theirs = now.figures, before.figures
    for name, size in ours.items():
        column, _mark, what = name.partition("|")
        table_name, _dot, total = name.partition(".")
        rows, where = ours[f"{table_name}.rows"], ""
        if what and (what != "filled" or column in ours):
            continue
        if not size and rows >= LEAST_ROWS and (name not in _MAY_BE_EMPTY or theirs.get(name)):
            where = f"all {rows:,} rows"
        elif size and table_name == "customers" and total != "loan_balance":
            empty = find_empty_branches(total, before, now)
            where = count_branches(empty, now.customers) if empty else ""
        if where:
            yield (
                f"{column} holds {'no day' if what else 'nothing but 0'} in {where} of "
                f"{now.quarter}: deliver its values, or leave the column out if it is optional"
            )


def _contradictions(now: Totals) -> Iterator[str]:
    """Days of a row are in the wrong order."""
    figures = now.figures
    for name, count in figures.items():
        column, _, later = name.partition("|")
        tables, _, first = column.partition(".")
        # Every system has a few wrong days of birth.
        least = LEAST_PART * figures[f"{tables}.rows"] if first == "birth_date" else 0
        if (first, later) in ORDERED and count > least:
            yield (
                f"{column} is later than {later} in {count:,} row{'s' if count > 1 else ''} of "
                f"{now.quarter}: correct the days; are two columns swapped in the mapping"
            )


def _negative_balances(now: Totals) -> Iterator[str]:
    """What customers own is less than nothing."""
    for name in sorted({*load_policy().families.aum_products} & {*now.holdings}):
        rows, count = now.holdings[name]["rows"], now.holdings[name]["balance|negative"]
        if count > LEAST_PART * rows:
            yield (
                f"balance is negative in {count:,} of {rows:,} holdings of {name} in "
                f"{now.quarter}: see its sign, and the codes of products in the mapping"
            )


def _few_persons(now: Totals) -> Iterator[str]:
    """Most customers, or most of a branch, are companies."""
    sizes = {
        branch: (group["customer_type|corporate"], group["rows"])
        for branch, group in now.customers.items()
        if group["rows"] >= LEAST_IN_BRANCH
    }
    if wrong := [branch for branch, (companies, rows) in sizes.items() if 2 * companies > rows]:
        yield (
            f"more than half of the customers are corporate in {count_branches(wrong, sizes)} of "
            f"{now.quarter}: see the codes of customer_type in the mapping"
        )


def _closed_with_aum(now: Totals) -> Iterator[str]:
    """Customers have left and still own something."""
    if count := now.figures.get("customers.closed_on|with AUM", 0):
        yield (
            f"closed_on is not later than as_of in {count:,} row{'s' if count > 1 else ''} of "
            f"customers with AUM in {now.quarter}, and they are in no figure: empty closed_on, or "
            "the amounts"
        )


def _nothing_of_quarter(bank: Bank, now: Totals) -> Iterator[str]:
    """A table is empty, or holds nothing of the newest quarter."""
    quarter = now.quarter
    for name in (name for name in bank.columns if name not in _MAY_HAVE_NO_ROWS):
        frame = as_lazy(bank.table(name))
        if not bank.rows(name):
            yield f"{name} hold no row up to {quarter.end}: deliver them, or take the file away"
        elif name in EVENTS and not too_few([now]):
            (last,) = collect_rows(frame.select(last=nw.col(EVENTS[name]).max()))["last"]
            if as_day(last) <= quarter.previous.end:
                yield f"{name} end on {as_day(last)}, before {quarter} began: deliver those of it"
        elif name == "ledger" and not now.ledger:
            yield f"ledger holds nothing of {quarter.end}: deliver it, or take the file away"
        elif name == "targets":
            quarters = sorted(collect_rows(frame.select("quarter").unique())["quarter"])
            if str(quarter) not in quarters:
                yield (
                    f"targets are of {', '.join(quarters)}, none of {quarter}, whose pages have "
                    "no plan then: see the column quarter"
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


def _wrong_plans(bank: Bank, now: Totals) -> Iterator[str]:
    """Plans of AUM are of another order than the AUM of the branches that have them."""
    if "targets" not in bank.columns or too_few([now]):
        return
    plans = as_lazy(bank.table("targets")).filter(nw.col("measure").is_in([*AUM]))
    if "kind" in bank.columns["targets"]:
        plans = plans.filter(nw.col("kind").is_null() | (nw.col("kind") != "increase"))
    rows = collect_rows(plans.select("measure", "branch_id", "quarter", "target"))
    sizes: dict[str, list[tuple[float, int]]] = {}
    for measure, branch, quarter, target in zip(*rows.values(), strict=True):
        if quarter == str(now.quarter):
            actual = now.customers.get(branch, {}).get(measure, 0)
            sizes.setdefault(measure, []).append((float(target) * 100, actual))
    for measure, pairs in sorted(sizes.items()):
        planned, actual = map(sum, zip(*pairs, strict=True))
        if min(planned, actual) > 0 and is_another_unit(planned / actual):
            yield (
                f"targets of {measure} in {now.quarter} are {planned / actual:.2g} times what the "
                "branches have: are they in 万元? They are read in 元, whatever unit is stated"
            )


Suspicions = list[tuple[str, str]]
_Rule = Callable[[Bank, Totals, Totals], Iterator[str]]
_OF_TWO: dict[str, _Rule] = {
    "delivered_again": _same_again,
    "product_renamed": _renamed,
    "rows_gone": _gone,
}
_OF_ANY: dict[str, _Rule] = {
    "unit": _wrong_units,
    "part_of_aum": _incomplete,
    "column_empty": _emptied,
    "branch_vanished": find_vanished,
}
_OF_ROWS: Mapping[str, Callable[[Totals], Iterator[str]]] = {
    "closed_with_aum": _closed_with_aum,
    "negative_balance": _negative_balances,
    "days_reversed": _contradictions,
    "codes_swapped": _few_persons,
}
_OF_ONE: Mapping[str, Callable[[Bank, Totals], Iterator[str]]] = {
    "unit": _wrong_plans,
    "successor_cycle": find_cycles,
    "closed_with_aum": find_closed,
    "two_managers": _two_managers,
    "split_without_moves": find_left_behind,
    "moves_not_followed": find_strayed,
    "nothing_of_quarter": _nothing_of_quarter,
}


class SuspicionWarning(UserWarning):
    """Extracts that meet the contract look wrong."""


def too_few(totals: Sequence[Totals]) -> list[Quarter]:
    """Return the quarters with so few customers that any change may be true."""
    return [t.quarter for t in totals if t.figures.get("customers.rows", 0) < LEAST_ROWS]


def suspicions_of(bank: Bank, totals: Sequence[Totals], most: float = inf) -> Suspicions:
    """Return what looks wrong in a bank's quarters, oldest first: name and words.

    Up to `most` holdings are held against the AUM of their customers.
    """
    found: Suspicions = []
    for index, now in enumerate(totals):
        earlier = totals[index - 1] if index else now
        follows = earlier.quarter == now.quarter.previous
        before = earlier if follows else Totals(now.quarter.previous, {}, {}, {})
        enough = min(t.figures.get("customers.rows", 0) for t in (earlier, now)) >= LEAST_ROWS
        for name, rule in (_OF_TWO | _OF_ANY if follows else _OF_ANY).items() if enough else ():
            found += [(name, words) for words in rule(bank, before, now)]
        found += _found_again(bank, before, now) if enough and follows else ()
        if enough and bank.rows("holdings") <= most:
            found += [("part_of_aum", words) for words in _misfits(bank, now)]
        for name, count in _OF_ROWS.items():
            found += [(name, words) for words in count(now)]
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
