"""What is implausible of parts of a table: single columns, branches, customers handed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from itertools import combinations, pairwise
from statistics import median, median_high, median_low

import narwhals.stable.v2 as nw

from stockcust_analysis.bank.contract import table
from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.bank.totals import LEAST_IN_BRANCH, LEAST_ROWS, ORDERED, Totals, are_far
from stockcust_analysis.bank.validation import EVENTS
from stockcust_analysis.core import frames
from stockcust_analysis.core.frames import ONE, Table, after, as_lazy, collect_rows, day, flag, sums
from stockcust_analysis.core.periods import Quarter, as_day
from stockcust_analysis.errors import NOTHING, Words, counted, say
from stockcust_analysis.measures.population import AUM, restate_branches
from stockcust_analysis.policy import load_policy

WRONG_UNIT = 30
"""分 for 元 is 100 times, 元 for 万元 10,000; definitions, and two quarters, less than five."""
FAR_BELOW = 1_000
"""Between branches: 万元 is 10,000 times, and branches of pensions or students ten times, less."""
LEAST_KEPT = 0.6
"""Part of the rows of the quarter before: less is half of a delivery, no bad quarter."""
LEAST_FOUND_AGAIN = 0.5
"""Part of the customers who are there a quarter later: a bank keeps far more than half."""
_SHOWN = 3
_ALWAYS_FILLED = (*AUM, "last_active_on|filled", "relationship_since|filled")
"""What some customers of every branch have; births, say, a branch of companies has none."""
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


def is_another_unit(ratio: float) -> bool:
    """Return whether amounts differ more than definitions and time make them differ."""
    return not 1 / WRONG_UNIT < ratio < WRONG_UNIT


def other_unit(size: float, beside: float) -> Words:
    """Return how many times another an amount of another unit is; nothing of one of the same.

    >>> other_unit(9_960, 1), other_unit(1, 10_000), other_unit(2, 1), other_unit(0, 1)
    ('10,000 times', '1/10,000 of', '', '')
    """
    if min(size, beside) <= 0 or not is_another_unit(size / beside):
        return NOTHING
    name, ratio = ("times", size / beside) if size > beside else ("part", beside / size)
    return say(name, rounded(ratio))


def rounded(size: float) -> str:
    """Return a number with two digits, and without exponent.

    >>> rounded(318_000_000), rounded(0.0051)
    ('320,000,000', '0.0051')
    """
    return f"{float(f'{size:.2g}'):,.15g}"


def find_wrong_branches(bank: Bank, column: str, before: Totals, now: Totals) -> Iterator[Words]:
    """Amounts of some branches alone are of another order than the others', or than before.

    A few large customers do not change the geometric mean of those who have AUM. A private bank's
    may be a hundred times the others', but not all in whole CNY, as 分 for 元 are.
    """
    sizes, earlier = (totals.geometric_means(column) for totals in (now, before))
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
            wrong.setdefault(say("other_branches"), []).append(branch)
        elif is_like and is_another_unit(change) and is_another_unit(change / usual):
            wrong.setdefault(str(before.quarter), []).append(branch)
    for other, branches in wrong.items():
        groups = count_groups(branches, sizes)
        yield say("wrong_branches", bank.named("customers", column), now.quarter, groups, other)


def find_unlike_averages(bank: Bank, now: Totals) -> Iterator[Words]:
    """Averages of some branches alone are of another order than their AUM at the period's end."""
    (end, *averages), enough = AUM, now.large_branches
    for column in averages:
        wrong = [b for b, sizes in enough.items() if other_unit(sizes[column], sizes[end])]
        if 0 < len(wrong) < len(enough):
            name, of_end = (bank.named("customers", name) for name in (column, end))
            yield say("unlike_averages", name, now.quarter, of_end, count_groups(wrong, enough))


def count_groups(some: Collection[str], among: Collection[str], what: str = "branches") -> Words:
    """Return how many of some branches or products they are, and the first of them."""
    return say(f"some_{what}", len(some), len(among), sorted(some)[:_SHOWN])


def find_copied_branches(before: Totals, now: Totals, name: str) -> list[str]:
    """Return the branches whose rows have the count and amount of a quarter before."""
    earlier, least = before.branch_sizes(name), 3 if name == "ledger" else LEAST_IN_BRANCH
    return [
        branch
        for branch, groups in now.branch_sizes(name).items()
        if sum(sizes["rows"] for sizes in groups.values()) >= least
        if groups == earlier.get(branch)
        if any(size for sizes in groups.values() for what, size in sizes.items() if what != "rows")
    ]


def find_vanished(bank: Bank, before: Totals, now: Totals) -> Iterator[Words]:
    """A branch in being has no customers, or none any more, and nothing says why."""
    end = now.quarter.end
    in_being = {
        branch
        for branch, (opened, closed) in now.structure.branches.items()
        if opened <= before.quarter.end and closed > end
    }
    gone = in_being - {*now.customers} - {*_successors(now, end)}
    if not gone:
        return
    closed_on = bank.named("branches", "closed_on")
    moved: dict[str, int] = {}
    if "customer_moves" in bank.columns:
        moves = as_lazy(bank.table("customer_moves"))
        lately = moves.filter(_is_by(moves, end)).select("from_branch_id", "customer_id").unique()
        moved = frames.count_each(lately, "from_branch_id")
    for branch in sorted(gone & {*before.customers}):
        rows = before.customers[branch]["rows"]
        if moved.get(branch, 0) < LEAST_FOUND_AGAIN * rows:
            yield say("branch_gone", branch, rows, before.quarter, now.quarter, closed_on, end)
    never = gone - {*before.customers}
    if never and now.quarter == bank.quarters[-1]:
        facts = count_groups(never, in_being), before.quarter, now.quarter, closed_on, end
        yield say("branches_never_there", *facts)


def find_closed(bank: Bank, now: Totals) -> Iterator[Words]:
    """Branches have closed, nobody took over, and they still have customers."""
    end = now.quarter.end
    closed = {branch for branch, (_, on) in now.structure.branches.items() if on <= end}
    if wrong := (closed - {*_successors(now, end)}) & {*now.customers}:
        groups, closed_on = count_groups(wrong, now.customers), bank.named("branches", "closed_on")
        yield say("branches_closed", groups, end, closed_on)


def _successors(now: Totals, until: date = date.max) -> dict[str, list[str]]:
    """Return old branch → new branches, of those that took over by a day if one is stated."""
    successors: dict[str, list[str]] = {}
    for old, new, since in now.structure.successions:
        if since <= until:
            successors.setdefault(old, []).append(new)
    return successors


def _is_by(table: Table, day_of: date) -> nw.Expr:
    """Return whether a row is in effect by a day; one without a day is not."""
    return ~nw.col("effective_on").is_null() & ~after(day(table, "effective_on"), day_of)


def find_cycles(_: Bank, now: Totals) -> Iterator[Words]:
    """A branch was taken over, directly or not, by itself."""
    successors = _successors(now)
    for first in sorted(successors):
        paths = [[first]]
        for path in paths:  # grows while it is read
            for branch in successors.get(path[-1], ()):
                if branch == first == min(path):
                    yield say("branches_in_circle", " → ".join([*path, first]))
                elif branch not in path:
                    paths.append([*path, branch])


def find_left_behind(bank: Bank, now: Totals) -> Iterator[Words]:
    """Customers of a split branch have no move, and count with a branch that is gone."""
    end = now.quarter.end
    split = sorted(old for old, new in _successors(now, end).items() if len(new) > 1)
    if not split:
        return
    customers = as_lazy(bank.restate_branches(bank.table("customers"), as_of=end))
    rows = customers.filter(nw.col("branch_id").is_in(split)).select("branch_id", "customer_id")
    for branch, count in sorted(frames.count_each(rows.unique(), "branch_id").items()):
        yield say("left_behind", count, branch, branch)


def find_strayed(bank: Bank, now: Totals) -> Iterator[Words]:
    """Customers handed over are not where their moves, or their branch's successor, lead."""
    quarter, before = now.quarter, now.quarter.previous
    if before not in bank.quarters:
        return
    begun, new = (_successors(now, of.end) for of in (before, quarter))
    merged = sorted(old for old in {*new} - {*begun} if len(new[old]) == 1 and old not in new[old])
    has_moves = "customer_moves" in bank.columns
    if not (merged or has_moves):
        return
    opening, closing = (as_lazy(bank.snapshot("customers", as_of=q.end)) for q in (before, quarter))
    opening = opening.with_columns(was="branch_id")
    strayed = nw.col("branch_id") != nw.col("now")
    if has_moves:
        moves = _last_moves(bank, now)
        moved = opening.join(moves.select("customer_id"), on="customer_id", how="semi")
        pairs = _pairs(bank, moved, closing, quarter.end).join(moves, on="customer_id")
        led = strayed | (nw.col("to_branch_id") != nw.col("now"))
        whole = {"rows": ~nw.col("customer_id").is_null(), "strayed": led}
        counts = frames.count_rows(pairs, whole)
        if count := counts["strayed"]:
            ends = [bank.named("customer_moves", f"{end}_branch_id") for end in ("from", "to")]
            yield say("moves_not_followed", counts["rows"], quarter, count, *ends)
    if merged:
        moved = opening.filter(nw.col("was").is_in(merged))
        pairs = _pairs(bank, moved, closing, quarter.end)
        groups = collect_rows(sums(pairs, ["was"], {"rows": ONE, "strayed": flag(strayed)}))
        for branch, rows, count in sorted(zip(*groups.values(), strict=True)):
            if count > LEAST_FOUND_AGAIN * rows:
                new_id = bank.named("branch_successors", "new_branch_id")
                yield say("not_with_successor", rows, branch, quarter, count, new_id)


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
        if found >= LEAST_FOUND_AGAIN * rows and not stale and not far:
            return
    for name, found_in, what in (("delivered_again", stale, ""), ("shuffled", far, "|far")):
        for column in found_in:
            sizes = counts[column + what], counts[f"{column}|filled"]
            facts = bank.named("customers", column), now.quarter, before.quarter, *sizes
            yield name, say(f"column_{name}", *facts)
    if found < LEAST_FOUND_AGAIN * total:
        yield "renumbered", say("customers_renumbered", total, before.quarter, found, now.quarter)


def _count_same(pairs: Table, columns: Sequence[str]) -> dict[str, int]:
    """Return how many customers of two quarters there are, have a value then, and the same now."""
    conditions = {"rows": ~nw.col("customer_id").is_null()}
    for name in columns:
        is_filled = ~nw.col(name).is_null()
        if name != "last_active_on":
            is_filled &= nw.col(name) != 0
        conditions[f"{name}|filled"] = is_filled
        conditions[name] = is_filled & (nw.col(name) == nw.col(f"{name}|now"))
        if name in AUM:
            conditions[f"{name}|far"] = are_far(nw.col(name), nw.col(f"{name}|now"))
    return frames.count_rows(pairs, conditions)


def find_empty_columns(bank: Bank, before: Totals, now: Totals) -> Iterator[Words]:
    """A column holds nothing but zeros, or no day, in a whole quarter or in a branch.

    A branch where it always has, or had, another value.
    """
    ours, theirs = now.figures, before.figures
    for name, size in ours.items():
        column, _mark, what = name.partition("|")
        table_name, _dot, total = name.partition(".")
        rows, where = ours[f"{table_name}.rows"], NOTHING
        if what and (what != "filled" or column in ours):
            continue
        if not size and rows >= LEAST_ROWS and (name not in _MAY_BE_EMPTY or theirs[name]):
            where = say("all_rows", rows)
        elif size and table_name == "customers" and total != "loan_balance":
            empty = [
                branch
                for branch, sizes in now.large_branches.items()
                if not sizes[total]
                if total in _ALWAYS_FILLED or before.customers.get(branch, Counter())[total]
            ]
            where = count_groups(empty, now.customers) if empty else NOTHING
        # A warning names the file that lacks the column.
        is_said = where and bank.lacks(table_name, column.partition(".")[2], now.quarter.end)
        if where and not (is_said and "column_empty" not in bank.as_errors):
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
        elif name in EVENTS and now.figures["customers.rows"] >= LEAST_ROWS:
            yield from _find_gaps(bank, name, now)
        elif name == "ledger" and not now.ledger:
            yield say("no_ledger_then", now.quarter.end)
        elif name == "targets":
            quarters = sorted(collect_rows(frame.select("quarter").unique())["quarter"])
            if str(now.quarter) not in quarters:
                facts = quarters, now.quarter, bank.named(name, "quarter")
                yield say("plans_of_other_quarters", *facts)
            yield from _find_unknown_starts(bank, now.quarter)


def _find_unknown_starts(bank: Bank, quarter: Quarter) -> Iterator[Words]:
    """Plans are increases over a year's start that is not delivered."""
    if "kind" not in bank.columns["targets"] or quarter.year_start in bank.quarters:
        return
    planned = (nw.col("kind") == "increase") & (nw.col("quarter") == str(quarter))
    count = frames.count_rows(as_lazy(bank.table("targets")), {"increases": planned})["increases"]
    if count:
        yield say("no_year_start", counted("plan", count), quarter, quarter.year_start)


def _find_gaps(bank: Bank, name: str, now: Totals) -> Iterator[Words]:
    """Contacts or transactions of some weeks are not there, or nearly all are of one day."""
    column, (begun, end) = EVENTS[name], (now.quarter.previous.end, now.quarter.end)
    counts = frames.count_each(as_lazy(bank.table(name)), column)
    sizes = {as_day(day): n for day, n in counts.items()}
    days, rows = sorted(sizes), sum(sizes.values())
    if LEAST_ROWS <= STALE * rows <= max(sizes.values()):
        yield say("one_value", bank.named(name, column), max(sizes.values()), rows)
    if days[-1] <= begun:
        yield say("ended_before", bank.named(name), days[-1], now.quarter)
        return
    made = now.figures["customers.active_transactions"] if name == "transactions" else 0
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
        most = max(frames.count_each(rows, of).values())
        if most >= STALE * filled:
            yield say("one_value", say("value_of", bank.named(name, of), now.quarter), most, filled)


def find_alike_averages(bank: Bank, before: Totals, now: Totals) -> Iterator[Words]:
    """Two columns of AUM are one, or the averages of month and quarter stand for one another.

    The month lies nearer its end than the quarter does, for most of those where the two differ.
    """
    ours, theirs = now.figures, before.figures
    filled = ours["customers.aum_period_end|filled"]
    same = {pair: ours["customers.{}|{}".format(*pair)] for pair in combinations(AUM, 2)}
    has_moved = 2 * min(same.values()) < filled or any(
        theirs[f"customers.{name}"] not in (0, ours[f"customers.{name}"]) for name in AUM
    )
    alike = [(pair, count) for pair, count in same.items() if has_moved and count > STALE * filled]
    for (one, other), count in alike:
        named = [bank.named("customers", name) for name in (other, one)]
        yield say("averages_alike", named[0], now.quarter, named[1], count)
    nearer, farther = (ours[f"customers.aum|{what}"] for what in ("nearer", "farther"))
    if not alike and farther > max(LEAST_ROWS, 2 * nearer):
        end, month, quarter = (bank.named("customers", name) for name in AUM)
        yield say("averages_swapped", month, now.quarter, end, quarter, farther, nearer)
