"""What reads well and is hardly true: amounts 10,000 times off, a quarter delivered twice.

A few sums of each quarter are held against those of the quarter before. What looks wrong is a
warning with figures, or an error where the mapping's `[suspicions]` says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from itertools import permutations, product
from math import inf
from statistics import median, median_high, median_low

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.bank.totals import GROUPS, ORDERED, Totals, held_by_branch
from stockcust_analysis.bank.validation import EVENTS
from stockcust_analysis.core.calendar import Calendar
from stockcust_analysis.core.frames import (
    ONE,
    Table,
    after,
    as_lazy,
    collect_rows,
    day,
    flag,
    height,
    sums,
)
from stockcust_analysis.core.periods import Quarter, as_day
from stockcust_analysis.errors import BankDataError
from stockcust_analysis.measures.population import AUM, restate_branches
from stockcust_analysis.measures.service import end_with_managers, in_force
from stockcust_analysis.policy import load_policy

LEAST_ROWS = 100
"""Below a hundred rows any change may be true."""
WRONG_UNIT = 30
"""分 for 元 is 100 times, 元 for 万元 10,000; definitions, and two quarters, less than five."""
LEAST_MEAN, MOST_MEAN = 50, 2_000_000
"""AUM per customer, CNY: means lie around 50,000, 分 for 元 and 元 for 万元 beyond these."""
LEAST_IN_BRANCH = 30
"""Customers with AUM: a branch's geometric mean of thirty is known to a fifth of a power of ten."""
FAR_BELOW = 1_000
"""Between branches: 万元 is 10,000 times, and branches of pensions or students ten times, less."""
LEAST_KEPT = 0.6
"""Part of the rows of the quarter before: less is half of a delivery, no bad quarter."""
LEAST_FOUND_AGAIN = 0.5
"""Part of the customers who are there a quarter later: a bank keeps far more than half."""
STEADY, LEAST_HELD = 0.1, 0.5
"""Holdings are the accounts of AUM: what part of it they are is a definition, and no market's."""
LIKE_SIZE, LEAST_PART = 0.2, 0.01
"""A product comes in place of another if their rows differ by less; smaller ones come and go."""
_LOOKED_UP, _SHOWN = 1_000, 3
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
        if min(size, beside) > 0 and _is_another_unit(size / beside):
            yield f"{name} of {now.quarter} is {size / beside:.2g} times that of {other}"
    for name in ("customers.aum_period_end", "customers.aum_average_quarter"):
        mean = ours.get(name, 0) / 100 / ours["customers.rows"]
        if mean and not LEAST_MEAN < mean < MOST_MEAN:
            yield f"{name} of {now.quarter} is {mean:.2g} CNY per customer"
    for column in (column for column in AUM if f"customers.{column}|digits" in ours):
        yield from _wrong_branches(column, before, now)


def _is_another_unit(ratio: float) -> bool:
    return not 1 / WRONG_UNIT < ratio < WRONG_UNIT


def _wrong_branches(column: str, before: Totals, now: Totals) -> Iterator[str]:
    """Amounts of some branches alone are of another order than the others', or than before.

    A few large customers do not change the geometric mean of those who have AUM. A private bank's
    may be a hundred times the others', but not all in whole CNY, as 分 for 元 are.
    """
    sizes, earlier = (t.geometric_means(column, LEAST_IN_BRANCH) for t in (now, before))
    if not sizes:
        return
    figures = now.figures
    has_cents = 10 * figures[f"customers.{column}|uneven"] > figures[f"customers.{column}|filled"]
    changes = {branch: sizes[branch] / earlier[branch] for branch in sizes if branch in earlier}
    high, low = median_high(sizes.values()), median_low(sizes.values())
    usual = median(changes.values()) if changes else 1.0
    wrong: dict[str, list[str]] = {}
    for branch, size in sorted(sizes.items()):
        group, change = now.customers[branch], changes.get(branch, 1.0)
        is_whole = has_cents and not group[f"{column}|uneven"]
        rows = before.customers.get(branch, group)["rows"]
        is_like = LEAST_KEPT < group["rows"] / rows < 1 / LEAST_KEPT
        if size < high / FAR_BELOW or (is_whole and size > low * WRONG_UNIT):
            wrong.setdefault("the other branches", []).append(branch)
        elif is_like and _is_another_unit(change) and _is_another_unit(change / usual):
            wrong.setdefault(str(before.quarter), []).append(branch)
    for other, branches in wrong.items():
        shown = ", ".join(branches[:_SHOWN])
        yield (
            f"customers.{column} of {now.quarter} is of another order in {len(branches)} of "
            f"{len(sizes)} branches ({shown}) than in {other}: are they in 万元 or 分 there"
        )


def _same_again(_: Bank, before: Totals, now: Totals) -> Iterator[str]:
    """A table has the rows and amounts of the quarter before, group by group."""
    for name in ("customers", "holdings"):
        if before.sizes(name) == now.sizes(name):
            yield (
                f"{name} of {now.quarter} have the rows and amounts of {before.quarter} in every "
                f"{GROUPS[name]}: was the file delivered again?"
            )


def _vanished(bank: Bank, before: Totals, now: Totals) -> Iterator[str]:
    """A branch has no customers any more, and nothing says why."""
    gone = {*before.customers} - {*now.customers}
    if not gone:
        return
    end = now.quarter.end
    branches = as_lazy(bank.table("branches"))
    closed = set[str]()
    if "closed_on" in bank.columns["branches"]:
        days = branches.filter(~nw.col("closed_on").is_null() & _is_by(branches, end, "closed_on"))
        closed = {*collect_rows(days.select("branch_id"))["branch_id"]}
    moved: dict[str, int] = {}
    if "customer_moves" in bank.columns:
        moves = as_lazy(bank.table("customer_moves"))
        lately = moves.filter(_is_by(moves, end)).select("from_branch_id", "customer_id").unique()
        moved = dict(
            zip(*collect_rows(sums(lately, ["from_branch_id"], {"n": ONE})).values(), strict=True)
        )
    for branch in sorted(gone - closed - {*_successors(bank, end)}):
        rows = before.customers[branch]["rows"]
        if moved.get(branch, 0) < LEAST_FOUND_AGAIN * rows:
            yield (
                f"branch {branch}, with {rows:,} customers in {before.quarter}, has none in "
                f"{now.quarter}, no successor and no closed_on by {end}"
            )


def _renumbered(bank: Bank, before: Totals, now: Totals) -> Iterator[str]:
    """Most customers of the quarter before are not found again."""
    earlier, later = (
        as_lazy(bank.snapshot("customers", as_of=of.quarter.end)).select("customer_id")
        for of in (before, now)
    )
    total = before.figures["customers.rows"]
    # A few of them show whether it is worth to look at all.
    few = earlier.head(_LOOKED_UP)
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
        if theirs and not _is_another_unit(ours / theirs) and abs(ours / theirs - 1) > STEADY:
            yield (
                f"holdings are {ours:.0%} of {other} in {now.quarter}, and {theirs:.0%} in "
                f"{before.quarter}: was a file of one of them cut off"
            )
        elif other == "AUM" and 1 / WRONG_UNIT < ours < LEAST_HELD:
            yield (
                f"holdings are {ours:.0%} of AUM in {now.quarter}: deliver all products that "
                "count as AUM, and files to their end"
            )


def _misfits(bank: Bank, quarter: Quarter) -> Iterator[str]:
    """AUM of a branch is of another order than what its customers hold, or AUM's columns are."""
    column, parts, averages = held_by_branch(bank, quarter, LEAST_IN_BRANCH)
    usual = median(parts.values()) if parts else 1.0
    if wrong := sorted(b for b, part in parts.items() if _is_another_unit(part / usual)):
        yield (
            f"customers.{column} of {quarter} is of another order in {len(wrong)} of {len(parts)} "
            f"branches ({', '.join(wrong[:_SHOWN])}) than what their customers hold: are customers "
            "or holdings in 千元, 万元 or 分 there"
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
    """A column holds nothing but zeros, or no day, in a whole quarter."""
    ours, theirs = now.figures, before.figures
    for name, size in ours.items():
        column, _mark, what = name.partition("|")
        rows = ours[f"{column.partition('.')[0]}.rows"]
        is_sum = what == "" or (what == "filled" and column not in ours)
        may_be = name in _MAY_BE_EMPTY and not theirs.get(name)
        if is_sum and not size and rows >= LEAST_ROWS and not may_be:
            yield (
                f"{column} holds {'no day' if what else 'nothing but 0'} in all {rows:,} rows of "
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
        elif name == "targets":
            quarters = sorted(collect_rows(frame.select("quarter").unique())["quarter"])
            if str(quarter) not in quarters:
                yield (
                    f"targets are of {', '.join(quarters)}, none of {quarter}, whose pages have "
                    "no plan then: see the column quarter"
                )


def _successors(bank: Bank, until: date | None = None) -> dict[str, list[str]]:
    """Return old branch → new branches, of those that took over by a day if one is stated."""
    successors: dict[str, list[str]] = {}
    if "branch_successors" in bank.columns:
        frame = as_lazy(bank.table("branch_successors"))
        rows = collect_rows(frame if until is None else frame.filter(_is_by(frame, until)))
        for old, new in zip(rows["old_branch_id"], rows["new_branch_id"], strict=True):
            successors.setdefault(old, []).append(new)
    return successors


def _is_by(table: Table, day_of: date, column: str = "effective_on") -> nw.Expr:
    """Return whether a row is in effect by a day."""
    return ~after(day(table, column), day_of)


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
    """Customers handed over are not where their moves, or their branch's successor, lead."""
    quarter, before = now.quarter, now.quarter.previous
    if before not in bank.quarters:
        return
    begun, new = (_successors(bank, of.end) for of in (before, quarter))
    merged = sorted(old for old in {*new} - {*begun} if len(new[old]) == 1 and old not in new[old])
    opening, closing = (as_lazy(bank.snapshot("customers", as_of=q.end)) for q in (before, quarter))
    opening = opening.with_columns(was="branch_id")
    strayed = nw.col("branch_id") != nw.col("now")
    if "customer_moves" in bank.columns:
        moves = _last_moves(bank, now)
        moved = opening.join(moves.select("customer_id"), on="customer_id", how="semi")
        pairs = _pairs(bank, moved, closing, quarter.end).join(moves, on="customer_id")
        led = flag(strayed | (nw.col("to_branch_id") != nw.col("now")))
        counts = collect_rows(sums(pairs, [], {"rows": ONE, "strayed": led}))
        if count := sum(int(n or 0) for n in counts["strayed"]):  # no row where nobody was moved
            yield (
                f"of {counts['rows'][0]:,} customers handed over in {quarter}, {count:,} are not "
                "where customer_moves lead: they count as transferred. See from_branch_id and "
                "to_branch_id"
            )
    if merged:
        moved = opening.filter(nw.col("was").is_in(merged))
        pairs = _pairs(bank, moved, closing, quarter.end)
        counts = collect_rows(sums(pairs, ["was"], {"rows": ONE, "strayed": flag(strayed)}))
        for branch, rows, count in sorted(zip(*counts.values(), strict=True)):
            if count > LEAST_FOUND_AGAIN * rows:
                yield (
                    f"of {rows:,} customers of branch {branch}, which was taken over in {quarter}, "
                    f"{count:,} are not with its successor: they count as transferred. See "
                    "new_branch_id"
                )


def _pairs(bank: Bank, opening: Table, closing: Table, end: date) -> Table:
    """Return customers with the branches of a day: as the quarter begins, and `now`."""
    first, last = (as_lazy(bank.restate_branches(rows, as_of=end)) for rows in (opening, closing))
    last = last.select("customer_id", now="branch_id")
    return first.select("customer_id", "branch_id", "was").join(last, on="customer_id")


def _last_moves(bank: Bank, now: Totals) -> Table:
    """Return where each customer's last move of a quarter leads, under the branches of its end."""
    moves, end = as_lazy(bank.table("customer_moves")), now.quarter.end
    lately = after(day(moves, "effective_on"), now.quarter.previous.end) & _is_by(moves, end)
    moves = moves.filter(lately).select("customer_id", "to_branch_id", "effective_on")
    last = moves.group_by("customer_id").agg(effective_on=nw.col("effective_on").max())
    moves = moves.join(last, on=["customer_id", "effective_on"])
    successors = bank.table("branch_successors") if "branch_successors" in bank.columns else None
    now_at = restate_branches(moves.to_native(), successors, as_of=end, branch="to_branch_id")
    return as_lazy(now_at).select("customer_id", "to_branch_id")


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


Suspicions = list[tuple[str, str]]
_Rule = Callable[[Bank, Totals, Totals], Iterator[str]]
_OF_TWO: dict[str, _Rule] = {
    "delivered_again": _same_again,
    "branch_vanished": _vanished,
    "renumbered": _renumbered,
    "product_renamed": _renamed,
    "rows_gone": _gone,
}
_OF_ANY: dict[str, _Rule] = {
    "unit": _wrong_units,
    "part_of_aum": _incomplete,
    "column_empty": _emptied,
}
_OF_ROWS: Mapping[str, Callable[[Totals], Iterator[str]]] = {
    "closed_with_aum": _closed_with_aum,
    "days_reversed": _contradictions,
}
_OF_ONE: Mapping[str, Callable[[Bank, Totals], Iterator[str]]] = {
    "successor_cycle": _cycles,
    "two_managers": _two_managers,
    "split_without_moves": _left_behind,
    "moves_not_followed": _strayed,
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
        if enough and bank.rows("holdings") <= most:
            found += [("part_of_aum", words) for words in _misfits(bank, now.quarter)]
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
