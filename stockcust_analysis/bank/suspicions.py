"""What reads well and is implausible: amounts 10,000 times off, a quarter delivered twice.

A few sums of each quarter are held against those of the quarter before. What looks wrong is a
warning with figures, or an error where the mapping's `[suspicions]` says so.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import permutations, product
from math import inf
from statistics import median

import narwhals.stable.v2 as nw

from stockcust_analysis.bank import part_suspicions as parts_of
from stockcust_analysis.bank.contract import table
from stockcust_analysis.bank.customers import Bank
from stockcust_analysis.bank.part_suspicions import count_groups, is_another_unit, other_unit
from stockcust_analysis.bank.totals import GROUPS, LEAST_IN_BRANCH, LEAST_ROWS, Totals, sums_held
from stockcust_analysis.core.frames import Calendar, as_lazy, collect_rows, height
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import BankDataError, Words, counted, listed, say
from stockcust_analysis.measures.population import AUM
from stockcust_analysis.measures.service import end_with_managers, in_force
from stockcust_analysis.policy import load_policy

LEAST_MEAN, MOST_MEAN = 50, 2_000_000
"""AUM per customer, CNY: means lie around 50,000, 分 for 元 and 元 for 万元 beyond these."""
STEADY, LEAST_HELD = 0.1, 0.6
"""Holdings are the accounts of AUM: what part of it they are is a definition, and no market's."""
_MANY, _PART = 500_000, 10
"""Rows of customers from which on one in so many shows whether to hold all against their AUM."""
LIKE_SIZE = 0.2
"""A product comes in place of another if their rows differ by less; the ledger's parts, too."""
# Sums of one quarter that are of one order.
_ALIKE = (
    ("customers.aum_average_month", "customers.aum_period_end"),
    ("customers.aum_average_quarter", "customers.aum_period_end"),
    ("holdings.average_balance", "holdings.balance"),
    ("customers.aum_period_end", "holdings.balance"),
    ("ledger.balance", "holdings.balance"),
)


def _wrong_units(bank: Bank, before: Totals, now: Totals) -> Iterator[Words]:
    """Amounts of a table, a column or a quarter are of another order than those they go with."""
    ours, theirs = now.figures, before.figures
    pairs: list[tuple[str, object, int]]
    pairs = [(name, bank.named(*other.split(".")), ours[other]) for name, other in _ALIKE]
    pairs += [(name, before.quarter, theirs[name]) for name in ours if "|" not in name]
    for name, other, beside in pairs:
        if ratio := other_unit(ours[name], beside):
            yield say("another_unit", bank.named(*name.split(".")), now.quarter, ratio, other)
    for name in ("customers.aum_period_end", "customers.aum_average_quarter"):
        mean = ours[name] / 100 / ours["customers.rows"]
        if mean and not LEAST_MEAN < mean < MOST_MEAN:
            yield say("mean_aum", bank.named(*name.split(".")), now.quarter, parts_of.rounded(mean))
    for column in (column for column in AUM if f"customers.{column}|digits" in ours):
        yield from parts_of.find_wrong_branches(bank, column, before, now)
    yield from parts_of.find_unlike_averages(bank, now)
    yield from _wrong_products(before, now)


def _wrong_products(before: Totals, now: Totals) -> Iterator[Words]:
    """Amounts of one product are of another order than in the ledger, or than a quarter before."""
    for name, ours in sorted(now.holdings.items()):
        if ours["rows"] < LEAST_IN_BRANCH:
            continue
        booked, theirs = (t.get(name, Counter[str]()) for t in (now.ledger, before.holdings))
        other, ratio = say("the_ledger"), other_unit(ours["balance"], booked["balance"])
        if theirs["rows"] >= LEAST_IN_BRANCH and not ratio:
            means = [sizes["balance"] / sizes["rows"] for sizes in (ours, theirs)]
            other, ratio = Words(str(before.quarter)), other_unit(*means)
        if ratio:
            yield say("wrong_products", name, now.quarter, ratio, other)


def _same_again(bank: Bank, before: Totals, now: Totals) -> Iterator[Words]:
    """A table has the rows and amounts of the quarter before, group by group."""
    for name in (name for name in GROUPS if now.sizes(name)):
        if before.sizes(name) == now.sizes(name):
            by = Words(GROUPS[name], bank.named(name, GROUPS[name]).zh)
            yield say("table_again", bank.named(name), now.quarter, before.quarter, by)
        elif name == "holdings" and (same := _same_amounts(before, now)):
            columns_said = [bank.named(name, column) for column in same]
            yield say("balances_as_before", columns_said, now.quarter, before.quarter)
        elif copied := parts_of.find_copied_branches(before, now, name):
            groups = count_groups(copied, now.branch_sizes(name))
            yield say("branches_again", bank.named(name), now.quarter, before.quarter, groups)


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


def _renamed(_: Bank, before: Totals, now: Totals) -> Iterator[Words]:
    """A product is gone, and another of like size has come."""
    least = max(LEAST_ROWS, parts_of.LEAST_PART * before.figures["holdings.rows"])
    gone, come = ({*a} - {*b} for a, b in permutations((before.holdings, now.holdings)))
    for old, new in product(sorted(gone), sorted(come)):
        was, rows = before.holdings[old]["rows"], now.holdings[new]["rows"]
        if was >= least and abs(rows - was) < LIKE_SIZE * was:
            yield say("product_renamed", old, was, before.quarter, new, rows, now.quarter)


def _gone(bank: Bank, before: Totals, now: Totals) -> Iterator[Words]:
    """Much of a table is not there any more."""
    for name in ("customers", "holdings"):
        rows, was = (totals.figures[f"{name}.rows"] for totals in (now, before))
        if rows < parts_of.LEAST_KEPT * was:
            yield say("rows_gone", bank.named(name), rows, now.quarter, was, before.quarter)


def _incomplete(bank: Bank, before: Totals, now: Totals) -> Iterator[Words]:
    """Holdings are another part of customers' AUM, or of the ledger, than a quarter before."""
    earlier, quarter = _parts_held(before), now.quarter
    for other, ours in _parts_held(now).items():
        theirs = earlier.get(other) or ours
        has_moved = abs(ours / theirs - 1) > STEADY and not is_another_unit(ours / theirs)
        is_whole = LEAST_HELD < ours < 1 / LEAST_HELD or is_another_unit(ours)
        if has_moved or not is_whole:
            where = _where_unlike(bank, now, theirs) if other == "AUM" else ""
            was = say("and_before", theirs, before.quarter) if has_moved else ""
            yield say("part_of_aum", ours, other, quarter, was, where)
    held, booked = (
        {product for product, sizes in groups.items() if sizes["balance"]}
        for groups in (now.holdings, now.ledger)
    )
    if lacking := sorted(booked - held):
        yield say("product_not_held", quarter, lacking)
    yield from _unlike_ledger(now)


def _where_unlike(bank: Bank, now: Totals, usual: float) -> Words | str:
    """Return the branches whose customers hold another part of their AUM than is usual."""
    column, by_quarter = sums_held(bank, [now.quarter])
    held = by_quarter[now.quarter]
    parts = {
        branch: held.get(branch, Counter())["held"] / usual / sizes[column]
        for branch, sizes in now.large_branches.items()
        if sizes[column]
    }
    wrong = [branch for branch, part in parts.items() if abs(part - 1) > STEADY]
    return say("by_branches", count_groups(wrong, parts)) if wrong else ""


def _unlike_ledger(now: Totals) -> Iterator[Words]:
    """Holdings of some products or branches are another part of the ledger than of most."""
    shared = {*now.holdings} & {*now.ledger}
    held, booked = (
        {
            branch: {n: sum(groups[p][n] for p in shared & {*groups}) for n in ("rows", "balance")}
            for branch, groups in now.booked.get(name, {}).items()
        }
        for name in ("holdings", "ledger")
    )
    for what, ours, theirs in (("products", now.holdings, now.ledger), ("branches", held, booked)):
        parts = {  # what the ledger does not know is many times what is there
            key: sizes["balance"] / (theirs.get(key, Counter())["balance"] or 1)
            for key, sizes in ours.items()
            if sizes["rows"] >= LEAST_IN_BRANCH and sizes["balance"]
            if key in theirs or what == "branches"
        }
        usual = median(parts.values()) if parts else 1.0
        wrong = [key for key, part in parts.items() if abs(part / usual - 1) > LIKE_SIZE]
        if wrong:
            yield say("unlike_ledger", now.quarter, count_groups(wrong, parts, what))


def _find_misfits(bank: Bank, totals: Sequence[Totals]) -> dict[Quarter, Suspicions]:
    """Return where AUM is not what customers hold; of many a part shows if anywhere, by hashes."""
    found: dict[Quarter, Suspicions] = {}
    kind = as_lazy(bank.table("customers")).implementation
    has_hashes = kind.is_duckdb() or kind.is_pyspark() or kind.is_pyspark_connect()
    for one_in in (_PART, 1) if has_hashes and bank.rows("customers") > _MANY else (1,):
        column, held = sums_held(bank, [now.quarter for now in totals], one_in)
        for now in totals:
            found[now.quarter] = [*_misfits(bank, now, column, held[now.quarter], one_in)]
        totals = [now for now in totals if found[now.quarter]]
        if not totals:
            break
    return found


def _misfits(
    bank: Bank, now: Totals, column: str, held: Mapping[str, Counter[str]], one_in: int
) -> Iterator[tuple[str, Words]]:
    """AUM of a branch, or of customers, is not what they hold, or AUM's columns are swapped.

    `held` are the sums of one customer in so many.
    """
    quarter, least, few = now.quarter, LEAST_IN_BRANCH / one_in, LEAST_ROWS / one_in
    aum = bank.named("customers", column) if column else ""
    parts = {
        branch: sizes["held"] / sizes["aum"]
        for branch, sizes in held.items()
        if sizes["rows"] >= least and min(sizes["aum"], sizes["held"]) > 0
    }
    usual = median(parts.values()) if parts else 1.0
    same = {branch: held[branch]["same"] / held[branch]["rows"] for branch in parts}
    old = [branch for branch, part in same.items() if part < parts_of.LEAST_KEPT]
    if old and median(same.values()) >= 1 - STEADY:
        yield "part_of_aum", say("not_as_held", aum, quarter, count_groups(old, parts))
    if wrong := sorted(b for b, part in parts.items() if is_another_unit(part / usual)):
        groups = count_groups(wrong, parts)
        yield "part_of_aum", say("unit_of_branches", aum, quarter, groups)
    lacking = [
        branch
        for branch, group in now.customers.items()
        if group[f"{column}|filled"] >= 2 * LEAST_IN_BRANCH and branch not in parts
    ]
    if parts and lacking:
        groups = count_groups(lacking, now.customers)
        yield "part_of_aum", say("branches_hold_nothing", quarter, groups)
    counts = Counter[str]()
    for sizes in held.values():
        counts.update(sizes)
    swapped = [
        name
        for name in AUM
        if counts[name] >= few and counts[f"{name}|end"] < parts_of.LEAST_PART * counts[name]
    ]
    for name in sorted(swapped, key=counts.__getitem__)[-1:]:
        like, end = (bank.named("customers", column) for column in (name, AUM[0]))
        facts = like, counts[name], end, counts[f"{name}|end"]
        yield "part_of_aum", say("aum_swapped", quarter, *facts)
    far, both = counts["far"], counts["rows"]
    if not is_another_unit(usual) and far >= max(few, parts_of.MOST_FAR * both):
        yield "shuffled", say("amounts_not_held", aum, quarter, far, both)


def _parts_held(totals: Totals) -> dict[str, float]:
    """Return what part of customers' AUM, and of the products in the ledger, holdings are."""
    figures = totals.figures
    pairs = {
        "AUM": (load_policy().families.aum_products, figures["customers.aum_period_end"]),
        say("the_ledger"): (totals.ledger, figures["ledger.balance"]),
    }
    return {
        name: sum(totals.holdings[p]["balance"] for p in products if p in totals.holdings) / whole
        for name, (products, whole) in pairs.items()
        if whole and any(totals.holdings.get(p, Counter())["balance"] for p in products)
    }


def _few_persons(bank: Bank, now: Totals) -> Iterator[Words]:
    """Most customers, or most of a branch, are companies."""
    sizes = now.large_branches
    if wrong := [b for b, g in sizes.items() if 2 * g["customer_type|corporate"] > g["rows"]]:
        kind = bank.named("customers", "customer_type")
        yield say("corporate", count_groups(wrong, sizes), now.quarter, kind)


def _closed_with_aum(bank: Bank, now: Totals) -> Iterator[Words]:
    """Customers have left and still own something."""
    if count := now.figures["customers.closed_on|with AUM"]:
        closed_on = bank.named("customers", "closed_on")
        yield say("closed_with_aum", closed_on, counted("row", count), now.quarter)


def _two_managers(bank: Bank, now: Totals) -> Iterator[Words]:
    """Customers have several managers on the quarter's last day."""
    if "assignments" not in bank.columns:
        return
    managers = as_lazy(bank.table("managers")) if "managers" in bank.columns else None
    rows = end_with_managers(as_lazy(bank.table("assignments")), managers)
    calendar = Calendar((now.quarter.end,))
    rows = in_force(calendar.on_every_day(rows), calendar, lambda as_of: as_of)
    if count := height(rows.group_by("customer_id").agg(n=nw.len()).filter(nw.col("n") > 1)):
        yield say("two_managers", count, now.quarter.end, bank.named("assignments", "valid_to"))


def _wrong_plans(bank: Bank, now: Totals) -> Iterator[Words]:
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
            actual = now.customers.get(branch, Counter())[measure]
            sizes.setdefault(measure, []).append((float(target) * 100, actual))
    for measure, pairs in sorted(sizes.items()):
        planned, actual = map(sum, zip(*pairs, strict=True))
        if ratio := other_unit(planned, actual):
            name = Words(measure, f"“{table('customers').column(measure).zh}”")
            yield say("wrong_plans", name, now.quarter, ratio)


Suspicions = list[tuple[str, Words]]
_Rule = Callable[[Bank, Totals, Totals], Iterator[Words]]
_RULES: dict[str, _Rule] = {
    "delivered_again": _same_again,
    "product_renamed": _renamed,
    "rows_gone": _gone,
    "unit": _wrong_units,
    "part_of_aum": _incomplete,
    "column_empty": parts_of.find_empty_columns,
    "branch_vanished": parts_of.find_vanished,
    "averages_alike": parts_of.find_alike_averages,
}
_OF_ROWS: Mapping[str, Callable[[Bank, Totals], Iterator[Words]]] = {
    "closed_with_aum": _closed_with_aum,
    "negative_balance": parts_of.find_negative_balances,
    "days_reversed": parts_of.find_reversed_days,
    "codes_swapped": _few_persons,
}
_OF_ONE: Mapping[str, Callable[[Bank, Totals], Iterator[Words]]] = {
    "unit": _wrong_plans,
    "successor_cycle": parts_of.find_cycles,
    "closed_with_aum": parts_of.find_closed,
    "two_managers": _two_managers,
    "split_without_moves": parts_of.find_left_behind,
    "moves_not_followed": parts_of.find_strayed,
    "nothing_of_quarter": parts_of.find_idle_tables,
    "one_value": parts_of.find_single_values,
}


class SuspicionWarning(UserWarning):
    """Extracts that meet the contract look wrong."""


def too_few(totals: Sequence[Totals]) -> list[Quarter]:
    """Return the quarters with so few customers that any change may be true."""
    return [t.quarter for t in totals if t.figures["customers.rows"] < LEAST_ROWS]


def suspicions_of(bank: Bank, totals: Sequence[Totals], most: float = inf) -> Suspicions:
    """Return what looks wrong in a bank's quarters, oldest first: name and words.

    Up to `most` holdings are held against the AUM of their customers.
    """
    found: Suspicions = []
    few = too_few(totals)
    ample = [now for now in totals if now.quarter not in few and bank.rows("holdings") <= most]
    misfits = _find_misfits(bank, ample) if ample else {}
    for index, now in enumerate(totals):
        earlier = totals[index - 1] if index else now
        follows = earlier.quarter == now.quarter.previous
        before = earlier if follows else Totals(now.quarter.previous, now.structure, {}, {}, {}, {})
        enough = not too_few([earlier, now])
        for name, rule in _RULES.items() if enough else ():
            found += [(name, words) for words in rule(bank, before, now)]
        found += parts_of.find_renumbered(bank, before, now) if enough and follows else ()
        found += misfits.get(now.quarter, ()) if enough else ()
        for name, count in _OF_ROWS.items():
            found += [(name, words) for words in count(bank, now)]
    for name, look in _OF_ONE.items() if totals else ():
        found += [(name, words) for words in look(bank, totals[-1])]
    return found


def tell(found: Sequence[tuple[str, Words]], as_errors: Collection[str], source: str) -> None:
    """Warn of what looks wrong; raise one BankDataError of what the mapping calls an error."""
    said = [(name, say("suspected", words, name)) for name, words in found]
    if errors := [words for name, words in said if name in as_errors]:
        sentences = [say("sentence", words) for words in errors]
        raise BankDataError(listed(say("looks_wrong", source), sentences), errors)
    for _, words in said:
        # The category is made of the words themselves, which know their language.
        warnings.warn(SuspicionWarning(say("sentence", words)), stacklevel=3)
