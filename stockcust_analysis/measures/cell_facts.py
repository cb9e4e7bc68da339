"""Cell facts (单元格事实): what a group's sum hides, for comparison and disclosure control.

How many customers stand behind an amount, the two largest of them, and sums of winsorised amounts
with their squares, for spreads. All look at a table of one row per customer with whole numbers:
what each customer brings to the sums of a measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.measures.frames import ONE, collected, flag, keyed

PARTS = 100_000
"""Amounts are squared as whole parts of their cap: 10⁹ customers' squares still fit Int64."""


@dataclass(frozen=True)
class Term:
    """One mean or ratio of sums: its two columns, and above which amount each counts as that.

    Only money has a cap; counts have none (0).
    """

    numerator: str
    denominator: str
    numerator_cap: int = 0
    denominator_cap: int = 0


def capped(each: nw.LazyFrame[Any], terms: Sequence[Term], *, share: float) -> list[Term]:
    """Return the terms with their caps: the percentile `share` of the customers of either column.

    The percentile is an amount that exists, without interpolation: ⌈share · m⌉ of m customers in
    ascending order of size, signs apart. Where that is zero nothing is capped.
    """
    inside = {f"inside_{place}": flag(_of_either(term)) for place, term in enumerate(terms)}
    counts = collected(each.select(**inside).select(nw.all().sum())) if terms else {}
    made = []
    for term, (number,) in zip(terms, counts.values(), strict=True):
        above = int(number or 0) - ceil(share * int(number or 0)) + 1
        within = each.filter(_of_either(term))
        names = (term.numerator, term.denominator)
        caps = [_order_statistic(within, x, above) if x.endswith("_cents") else 0 for x in names]
        made.append(Term(*names, *caps))
    return made


def cell_facts(
    each: nw.LazyFrame[Any], *, by: list[str], amounts: Sequence[str], terms: Sequence[Term] = ()
) -> nw.LazyFrame[Any]:
    """Return the cell facts of each group, all amounts and terms in two looks at the customers.

    Parameters
    ----------
    each
        One row per customer: the columns of `by`, and whole numbers.
    by
        Columns to group by; none for all together.
    amounts
        Columns of which to tell `contributors|x`, `largest|x` and `second_largest|x`, signs apart.
    terms
        With caps: `x|0`, `xx|0`, `d|0`, `dd|0`, `xd|0` of the first term, …, squares and
        products of money in whole `PARTS` of its cap, and `customers|0` of either column.
    """
    table, keys = keyed(each, by)
    sized = table
    if amounts:
        sized = table.with_columns(nw.col(name).abs().alias(f"size|{name}") for name in amounts)
        tops = sized.group_by(*keys).agg(
            nw.col(f"size|{name}").max().alias(f"largest|{name}") for name in amounts
        )
        sized = sized.join(tops, on=keys, how="left")
    counts = {"rows": ONE}  # a group has its row also where nothing is asked of it
    counts |= {name: one for term in enumerate(terms) for name, one in _term_sums(*term).items()}
    lower = {}
    for name in amounts:
        size, top = nw.col(f"size|{name}"), nw.col(f"largest|{name}")
        counts[f"contributors|{name}"] = flag(size > 0)
        counts[f"times|{name}"] = flag(size == top)
        lower[f"below|{name}"] = size * flag(size < top)
    told = sized.select(*keys, *(f"largest|{name}" for name in amounts), **counts, **lower)
    facts = told.group_by(*keys).agg(
        *(nw.col(name).sum() for name in counts),
        *(nw.col(name).max() for name in lower),
        *(nw.col(f"largest|{name}").max() for name in amounts),
    )
    return facts.select(*by, *_finished(amounts, counts))


def _finished(amounts: Sequence[str], counts: dict[str, nw.Expr]) -> list[nw.Expr]:
    """Return the columns of the result: the second largest equals the largest where two have it."""
    kept = [name for name in counts if not name.startswith("times|")]
    columns = [nw.col(name).cast(nw.Int64) for name in kept]
    for name in amounts:
        twice = nw.when(nw.col(f"times|{name}") > 1)
        second = twice.then(nw.col(f"largest|{name}")).otherwise(nw.col(f"below|{name}"))
        columns += [nw.col(f"largest|{name}"), second.alias(f"second_largest|{name}")]
    return columns


def _of_either(term: Term) -> nw.Expr:
    """Return whether a customer brings anything to a term."""
    return (nw.col(term.numerator) != 0) | (nw.col(term.denominator) != 0)


def _order_statistic(within: nw.LazyFrame[Any], name: str, above: int) -> int:
    """Return the amount that so many customers reach, itself among them; the largest where 0."""
    largest = within.select(size=nw.col(name).abs()).sort("size", descending=True).head(above)
    found = collected(largest.select(low=nw.col("size").min(), high=nw.col("size").max()))
    return int(found["low"][0] or found["high"][0] or 0)


def _term_sums(place: int, term: Term) -> dict[str, nw.Expr]:
    """Return the columns of one term to add up."""
    x = _within(nw.col(term.numerator), term.numerator_cap)
    d = _within(nw.col(term.denominator), term.denominator_cap)
    parts, per = _parts(x, term.numerator_cap), _parts(d, term.denominator_cap)
    columns = {"x": x, "xx": parts * parts, "d": d, "dd": per * per, "xd": parts * per}
    columns["customers"] = flag(_of_either(term))
    return {f"{name}|{place}": expression for name, expression in columns.items()}


def _within(amount: nw.Expr, cap: int) -> nw.Expr:
    """Return an amount that is no further from zero than its cap, if it has one."""
    return amount.clip(-cap, cap) if cap else amount


def _parts(amount: nw.Expr, cap: int) -> nw.Expr:
    """Return an amount as whole parts of its cap, a count as it is."""
    return (amount.cast(nw.Float64) * (PARTS / cap) + 0.5).floor().cast(nw.Int64) if cap else amount
