"""Two dates side by side: one row per customer, and what became of each in between.

Who left is told by absence at the closing date; who has no money any more by `funded`, judged by
the very amount that is compared. A customer of another branch (or other group) at the closing date
has two rows in `by_group`: one leaves, one arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import base_flag, counted
from stockcust_analysis.measures.checks import require_columns, require_labels
from stockcust_analysis.measures.frames import ONE, ZERO, Frame, collected, day, flag, lazily
from stockcust_analysis.policy import Bases

DATES = ("opening", "closing")


def customers_of(
    frame: Frame,
    date: str,
    *,
    by: Sequence[str],
    value: str | None,
    base: str = "all",
    bases: Bases | None = None,
) -> nw.LazyFrame[Any]:
    """Return an analyst's checked customers of one date, `value` in cents, the base as 0 and 1.

    Who had left by then (`closed_on`) is not among them.
    """
    table = lazily(frame)
    try:
        require_columns(table, ["customer_id"], "customers")
        present = _still_customers(table)
        amounts = [value] if value else []
        judged = counted(present, by=by, base=base, amounts=amounts, bases=bases)
        require_labels(present, ["customer_id"], "customers")
        _require_once(present)
    except UsageError as error:
        raise UsageError(f"{date}: {error}") from None
    return judged


def paired(
    opening: nw.LazyFrame[Any],
    closing: nw.LazyFrame[Any],
    *,
    value: str | None,
    labels: Sequence[str] = (),
    numbers: Sequence[str] = (),
    bases: Bases | None = None,
) -> nw.LazyFrame[Any]:
    """Return one row per customer of either date.

    Parameters
    ----------
    opening, closing
        Customers, or customer facts, of the two dates, each customer once.
    value
        The column of cents to compare; None where only heads count.
    labels, numbers
        Columns to carry along: groups and tiers (the opening date's suffice), whole numbers.
    bases
        Border of `funded`, for the amount compared; a loan or policy in force also counts.

    Returns
    -------
    LazyFrame
        `customer_id` and, each as `opening_…` and `closing_…`: `cents`, `there`, `funded`, the
        numbers and labels. Of a date on which a customer is not there, numbers are 0 and labels
        those of the other date.
    """
    whole = ["cents", "there", "funded", *numbers]
    before = _dated(opening, "opening", value, [*whole, *labels], bases or Bases())
    after = _dated(closing, "closing", value, [*whole, *labels], bases or Bases())
    both = before.join(after, on="customer_id", how="full", suffix="_closing")
    names, kinds = set(both.collect_schema().names()), opening.collect_schema()
    return both.with_columns(
        nw.coalesce("customer_id", "customer_id_closing"),
        *(nw.col(f"{date}_{name}").fill_null(0).cast(nw.Int64) for date in DATES for name in whole),
        *(
            nw.coalesce(*(nw.col(f"{each}_{name}") for each in order if f"{each}_{name}" in names))
            .cast(kinds[name])
            .alias(f"{order[0]}_{name}")
            for order in (DATES, DATES[::-1])
            for name in labels
        ),
    ).drop("customer_id_closing")


def by_group(pairs: nw.LazyFrame[Any], by: Sequence[str]) -> nw.LazyFrame[Any]:
    """Return the pairs under the groups they count in, with 0/1 columns of what became of them.

    `new`, `closed`, `drained` (left `funded`), `returned` (entered it again) exclude each other;
    `departed` and `arrived` mark the two rows of a customer whose group changed. What becomes of
    such a customer is told where it arrived; the old group sees it depart.
    """
    states = pairs.with_columns(
        new=1 - nw.col("opening_there"),
        closed=1 - nw.col("closing_there"),
        drained=nw.col("closing_there") * flag(_funded("opening") > _funded("closing")),
        returned=nw.col("opening_there") * flag(_funded("opening") < _funded("closing")),
    )
    if not by:
        return states.with_columns(arrived=ZERO, departed=ZERO)
    moved = nw.any_horizontal(
        *(nw.col(f"opening_{name}") != nw.col(f"closing_{name}") for name in by), ignore_nulls=True
    )
    here = states.with_columns(
        **{name: nw.col(f"closing_{name}") for name in by}, arrived=flag(moved), departed=ZERO
    )
    gone = states.filter(moved).with_columns(
        **{name: nw.col(f"opening_{name}") for name in by}, arrived=ZERO, departed=ONE,
        drained=ZERO, returned=ZERO,
    )  # fmt: skip
    return nw.concat([here, gone])


def _funded(date: str) -> nw.Expr:
    """Return the 0/1 column that says who was funded on one of the dates."""
    return nw.col(f"{date}_funded")


def funded_by(table: nw.LazyFrame[Any], value: str, bases: Bases) -> nw.Expr:
    """Return 1 for customers who are funded by an amount in cents, or by a loan or policy."""
    return base_flag(table, "funded", bases, amount=nw.col(value))


def _dated(table: nw.LazyFrame[Any], date: str, value: str | None, names: Sequence[str],
           bases: Bases) -> nw.LazyFrame[Any]:  # fmt: skip
    """Return the columns of one date under the date's name; funded is judged by `value`."""
    amount = nw.col(value) if value else ONE - 1
    funded = base_flag(table, "funded", bases, amount=amount)
    told = table.with_columns(cents=amount, there=ONE, funded=funded)
    present = set(told.collect_schema().names())
    columns = {f"{date}_{name}": nw.col(name) for name in names if name in present}
    return told.select("customer_id", **columns)


def _still_customers(table: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return who has no `closed_on`, or one after the row's own as-of date."""
    columns = table.collect_schema().names()
    if "closed_on" not in columns:
        return table
    closed = day(table, "closed_on")
    stays = closed.is_null()
    if "as_of" in columns:
        stays = stays | (closed > day(table, "as_of")).fill_null(False)
    return table.filter(stays)


def _require_once(table: nw.LazyFrame[Any]) -> None:
    """Raise when a customer has several rows: each would be paired with each."""
    ids = nw.col("customer_id")
    counts = collected(table.select(rows=ids.len(), customers=ids.n_unique()))
    twice = int(counts["rows"][0]) - int(counts["customers"][0])
    if twice > 0:
        raise UsageError(
            f"customers: {twice:,} rows repeat a 'customer_id'. Keep one row per customer."
        )
