"""Two dates side by side: one row per customer, and what became of each in between.

Who left is told by absence at the closing date; who has no money any more by `funded`, judged by
the very amount that is compared. In groups a customer who moved has two rows: one departs from the
opening group, one arrives in the closing group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import narwhals.stable.v2 as nw

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import ONE, ZERO, Table, as_lazy, collect_rows, day, flag
from stockcust_analysis.errors import UsageError
from stockcust_analysis.measures.bases import base_flag, with_base
from stockcust_analysis.measures.validation import require_columns, require_labels
from stockcust_analysis.policy import Policy

AVERAGE, PERIOD_END = "aum_average_quarter_cents", "aum_period_end_cents"
DATES = ("opening", "closing")
COMPARED_BASES = ("funded", "effective")


def compared_columns(customers: Table, policy: Policy, labels: Sequence[str]) -> Table:
    """Return of the customers of one date what is looked at beside those of another."""
    values = list(dict.fromkeys((AVERAGE, PERIOD_END, f"{policy.dormancy.value}_cents")))
    bases = {f"in_{base}": nw.col(f"in_{base}") for base in COMPARED_BASES}
    funded = {
        f"funded_by_{value}": base_flag(customers, "funded", policy.bases, amount=nw.col(value))
        for value in values
    }
    flags = {"there": ONE, **bases, **dormancy_states("funded"), **funded}
    narrow = {name: expression.cast(nw.Int8) for name, expression in flags.items()}
    return customers.select("customer_id", *labels, *values, **narrow)


def dormancy_states(base: str) -> dict[str, nw.Expr]:
    """Return `inside` (in the base, with a status), `dormant` and `acted` as 0 and 1."""
    status = nw.col("status")
    inside = nw.col(f"in_{base}") * flag(~status.is_null())
    return {
        "inside": inside,
        "dormant": inside * flag(status == "dormant"),
        "acted": inside * flag(status.is_in(("active", "active_small"))),
    }


def pair_dates(opening: Table, closing: Table, labels: Sequence[str]) -> Table:
    """Return one row per customer of either date, columns under `opening_…` and `closing_…`.

    Of a date on which a customer is not there, numbers are 0 and labels those of the other date.
    A label may be missing on the closing date.
    """
    sides = []
    for date, table in zip(DATES, (opening, closing), strict=True):
        names = [name for name in table.collect_schema().names() if name != "customer_id"]
        sides.append(table.select("customer_id", **{f"{date}_{n}": nw.col(n) for n in names}))
    both = sides[0].join(sides[1], on="customer_id", how="full", suffix="_closing")
    present, kinds = set(both.collect_schema().names()), opening.collect_schema()
    numbers = [name for name in kinds.names() if name not in (*labels, "customer_id")]
    texts = {
        f"{date}_{name}": nw.coalesce(
            *(f"{side}_{name}" for side in (date, other) if f"{side}_{name}" in present)
        ).cast(kinds[name])
        for date, other in (DATES, DATES[::-1])
        for name in labels
    }
    filled = {
        f"{date}_{name}": nw.col(f"{date}_{name}").fill_null(0).cast(kinds[name])
        for date in DATES
        for name in numbers
    }
    customer = nw.coalesce("customer_id", "customer_id_closing")
    return both.with_columns(customer, **filled, **texts).drop("customer_id_closing")


def by_group(pairs: Table, groups: Sequence[str] | Mapping[str, str]) -> Table:
    """Return the pairs under the groups they count in, with `arrived` and `departed` (0 or 1).

    What becomes of a customer who moved is told where he arrived; the old group sees him depart.
    Without groups all pairs are of one whole, in which nobody moves. A mapping names a group after
    another label.
    """
    labels = groups if isinstance(groups, Mapping) else {name: name for name in groups}
    if not labels:
        return pairs.with_columns(arrived=ZERO, departed=ZERO)
    opening = {name: nw.col(f"opening_{label}") for name, label in labels.items()}
    closing = {name: nw.col(f"closing_{label}") for name, label in labels.items()}
    changes = (opening[name] != closing[name] for name in labels)
    moved = nw.any_horizontal(*changes, ignore_nulls=True)
    here = pairs.with_columns(**closing, arrived=flag(moved), departed=ZERO)
    gone = pairs.filter(moved).with_columns(**opening, arrived=ZERO, departed=ONE)
    return nw.concat([here, gone])


def with_states(view: Table, value: str) -> Table:
    """Return the view with 0/1 columns of what became of its customers, judged by an amount.

    `new`, `closed`, `drained` (left `funded`) and `returned` (entered it again) exclude each other.
    """
    opening, closing = (nw.col(f"{date}_funded_by_{value}") for date in DATES)
    stays = 1 - nw.col("departed")
    return view.with_columns(
        new=1 - nw.col("opening_there"),
        closed=1 - nw.col("closing_there"),
        drained=nw.col("closing_there") * stays * flag(opening > closing),
        returned=nw.col("opening_there") * stays * flag(opening < closing),
        opening_cents=nw.col(f"opening_{value}"),
        closing_cents=nw.col(f"closing_{value}"),
    )


def pair_customers(
    opening: Frame,
    closing: Frame,
    *,
    policy: Policy,
    labels: Sequence[str],
    value: str | None = None,
    base: str = "all",
    closing_labels: Sequence[str] | None = None,
    extra: Mapping[str, nw.Expr] | None = None,
) -> Table:
    """Return an analyst's customers of two dates as pairs.

    The amount `value` (CNY) stands for the one that a question compares. Labels that are missing
    on the closing date are those of the opening one. `extra` are 0/1 columns to carry along.
    """
    sides = []
    for date, frame in zip(DATES, (opening, closing), strict=True):
        by = closing_labels if date == "closing" and closing_labels is not None else labels
        table = customers_of(frame, date, by=by, value=value, base=base, policy=policy)
        sides.append(_columns_of(table, by, value, base, policy, extra or {}))
    return pair_dates(sides[0], sides[1], labels)


def _columns_of(
    table: Table,
    labels: Sequence[str],
    value: str | None,
    base: str,
    policy: Policy,
    extra: Mapping[str, nw.Expr],
) -> Table:
    """Return the columns of one date under the names that questions know."""
    amount = nw.col(f"{value}_cents") if value else ZERO
    funded = base_flag(table, "funded", policy.bases, amount=amount)
    values = dict.fromkeys((AVERAGE, PERIOD_END, f"{policy.dormancy.value}_cents"), amount)
    return table.select(
        "customer_id",
        *labels,
        nw.col(f"in_{base}"),
        there=ONE,
        **values,
        **{f"funded_by_{name}": funded for name in values},
        **extra,
    )


def customers_of(
    frame: Frame,
    date: str,
    *,
    by: Sequence[str],
    value: str | None,
    policy: Policy | None = None,
    base: str = "all",
) -> Table:
    """Return an analyst's checked customers of one date, `value` in cents, the base as 0 and 1.

    Who had left by then (`closed_on`) is not among them.
    """
    table = as_lazy(frame)
    try:
        require_columns(table, ["customer_id"], "customers")
        present = _still_customers(table)
        amounts = [value] if value else []
        bases = None if policy is None else policy.bases
        result = with_base(present, by=by, base=base, amounts=amounts, bases=bases)
        require_labels(present, ["customer_id"], "customers")
        _require_once(present)
    except UsageError as error:
        raise UsageError(f"{date}: {error}") from None
    return result


def _still_customers(table: Table) -> Table:
    """Return who has no `closed_on`, or one after the row's own as-of date."""
    columns = table.collect_schema().names()
    if "closed_on" not in columns:
        return table
    closed = day(table, "closed_on")
    stays = closed.is_null()
    if "as_of" in columns:
        stays = stays | (closed > day(table, "as_of")).fill_null(False)
    return table.filter(stays)


def _require_once(table: Table) -> None:
    """Raise when a customer has several rows: each would be paired with each."""
    ids = nw.col("customer_id")
    counts = collect_rows(table.select(rows=ids.len(), customers=ids.n_unique()))
    twice = int(counts["rows"][0]) - int(counts["customers"][0])
    if twice > 0:
        raise UsageError(
            f"customers: {twice:,} rows repeat a 'customer_id'. Keep one row per customer."
        )
