"""As-of dates as columns: one pass measures several quarters, each with its own cut-off dates.

Rows carry a `period`, the position of their as-of date among the dates measured. A border that
depends on the as-of date is a literal when there is one date, else chosen by the row's period.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import narwhals.stable.v2 as nw

from stockcust_analysis.core.frames import after, day, first_true
from stockcust_analysis.core.periods import cutoff

PERIOD = "period"
Border = Callable[[date], date]


@dataclass(frozen=True)
class Calendar:
    """The as-of dates measured together, in ascending order.

    >>> Calendar((date(2026, 6, 30), date(2026, 9, 30))).period_of(date(2026, 9, 30))
    1
    """

    days: tuple[date, ...]

    def period_of(self, as_of: date) -> int:
        """Return the position of an as-of date."""
        return self.days.index(as_of)

    def rows(self, table: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Return a table's rows of these dates with their `period`, in place of `as_of`.

        A table without `as_of` is one snapshot, and must be the only one.
        """
        schema = table.collect_schema()
        if "as_of" not in schema.names():
            return table.with_columns(nw.lit(0, dtype=nw.Int64).alias(PERIOD))
        # pandas and databases may carry hours; a plain date compares with plain dates alone.
        plain = schema["as_of"] == nw.Date
        as_of = day(table, "as_of")
        days = [on if plain else datetime(on.year, on.month, on.day) for on in self.days]
        rows = table.filter(as_of.is_in(days))
        return rows.with_columns(
            self.choose(list(range(len(days))), as_of, days).alias(PERIOD)
        ).drop("as_of")

    def on_every_day(self, table: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Return the rows of a table that has no as-of date once for every date measured."""
        copies = (
            table.with_columns(nw.lit(period, dtype=nw.Int64).alias(PERIOD))
            for period in range(len(self.days))
        )
        return nw.concat([*copies])

    def choose(
        self, values: list[Any], key: nw.Expr | None = None, keys: list[Any] | None = None
    ) -> nw.Expr:
        """Return the value that belongs to a row's period, given one value per as-of date."""
        key = nw.col(PERIOD) if key is None else key
        pairs = zip(keys or range(len(values)), values, strict=True)
        return first_true([(key == period, value) for period, value in pairs][:-1], values[-1])

    def after(self, days: nw.Expr, of: Border) -> nw.Expr:
        """Return whether days, whatever their hour, lie after a border; an empty day does not.

        Each border is compared by itself: of a number that stands there Spark compares plain days.
        """
        return self.choose([after(days, of(on)) for on in self.days])

    def after_as_of(self, days: nw.Expr) -> nw.Expr:
        """Return whether days lie after the as-of date."""
        return self.after(days, lambda as_of: as_of)


def months_before(months: int) -> Border:
    """Return the border after which less than so many months have passed, day to day."""
    return lambda as_of: cutoff(as_of, months)
