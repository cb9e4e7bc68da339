"""Calendar arithmetic of banking: quarters, and idle periods counted day to day (对年对月对日)."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime
from numbers import Integral
from typing import Any, TypeAlias

from stockcust_analysis.errors import UsageError, say

_QUARTER = re.compile(r"(\d{4})Q([1-4])(?:-(\d\d))?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, order=True, init=False)
class Quarter:
    """A calendar quarter, written 2026Q3; after one or two of its months (季中) 2026Q3-08.

    >>> Quarter("2026Q3") == Quarter(2026, 3)
    True
    >>> Quarter.parse("2026Q3").end
    datetime.date(2026, 9, 30)
    >>> str(Quarter.parse("2026Q1").previous)
    '2025Q4'
    >>> str(Quarter.parse("2026Q3").year_start)
    '2025Q4'
    >>> Quarter.parse("2026Q3-08").end, str(Quarter.parse("2026Q3-08").previous)
    (datetime.date(2026, 8, 31), '2026Q2')
    """

    year: int
    number: int
    months: int

    def __init__(
        self, year: int | str, number: int | None = None, months: int | None = None
    ) -> None:
        """Take a quarter as it is written, or its numbers; UsageError where there is none."""
        given: dict[str, Any] = {"year": year, "number": number, "months": months}
        if isinstance(year, str) and number is months is None:
            given = vars(Quarter.parse(year))
        elif months is None:
            given["months"] = 3
        are_whole = all(isinstance(value, Integral) for value in given.values())
        most = {"year": MAXYEAR, "number": 4, "months": 3}
        if not are_whole or any(not 1 <= value <= most[name] for name, value in given.items()):
            raise UsageError(say("no_quarter_of", year, number, months))
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @classmethod
    def parse(cls, text: str) -> Quarter:
        """Read '2026Q3', or '2026Q3-08' to the end of August; anything else is a UsageError."""
        match = _QUARTER.fullmatch(text.strip().upper())
        months = int(match[3]) - 3 * int(match[2]) + 3 if match and match[3] else 3
        if match is None or (match[3] and months not in (1, 2)):
            raise UsageError(say("no_quarter", text))
        return cls(int(match[1]), int(match[2]), months)

    @classmethod
    def to_date(cls, day: date) -> Quarter | None:
        """Return the quarter as far as a month's last day, or None on any other day."""
        quarter = cls(day.year, (day.month + 2) // 3, (day.month - 1) % 3 + 1)
        return quarter if quarter.end == day else None

    @classmethod
    def ending_on(cls, day: date) -> Quarter | None:
        """Return the quarter whose last day is `day`, or None when no quarter ends then."""
        quarter = cls.to_date(day)
        return quarter if quarter and quarter.is_whole else None

    @property
    def is_whole(self) -> bool:
        """Whether all its three months are over."""
        return self.months == 3

    @property
    def start(self) -> date:
        """First day of the quarter."""
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def end(self) -> date:
        """Last day of the quarter, or of the months that are over: its as-of date (统计时点)."""
        month = 3 * self.number - 3 + self.months
        return date(self.year, month, monthrange(self.year, month)[1])

    @property
    def previous(self) -> Quarter:
        """The quarter before, for quarter-on-quarter (环比)."""
        return self.shifted(-1)

    @property
    def year_ago(self) -> Quarter:
        """The same quarter, or months of it, of the year before, for year-on-year (同比)."""
        return self.shifted(-4)

    @property
    def year_start(self) -> Quarter:
        """The last quarter of the year before, for versus-year-start (较年初)."""
        return Quarter(self.year - 1, 4)

    def shifted(self, quarters: int) -> Quarter:
        """Return the quarter `quarters` later (earlier when negative).

        It is whole, but for the same months of another year.
        """
        index = self.year * 4 + self.number - 1 + quarters
        return Quarter(index // 4, index % 4 + 1, 3 if quarters % 4 else self.months)

    def __str__(self) -> str:
        return f"{self.year:04}Q{self.number}" + ("" if self.is_whole else f"-{self.end:%m}")


Day: TypeAlias = date | str | Quarter
"""A day as people write it: a date, "2026-09-30", or "2026Q3" for the quarter's last day."""


def as_day(value: Day) -> date:
    """Return the day that a date, a timestamp, "2026-09-30" or "2026Q3" (its last day) means.

    >>> as_day("2026-09-30") == as_day("2026Q3") == date(2026, 9, 30)
    True
    """
    moment: Any = value
    if isinstance(moment, Quarter):
        return moment.end
    if isinstance(moment, str):
        text = moment.strip().upper()
        if _QUARTER.fullmatch(text):
            return Quarter.parse(text).end
        if _DAY.fullmatch(text):
            try:
                return date.fromisoformat(text)
            except ValueError:
                raise UsageError(say("no_calendar_day", text)) from None
    elif not isinstance(moment, date) and hasattr(moment, "item"):  # a NumPy datetime64
        moment = moment.item()
    if isinstance(moment, datetime) and moment == moment:  # NaT, no day at all, is not
        return moment.date()
    if isinstance(moment, date) and not isinstance(moment, datetime):
        return moment
    raise UsageError(say("no_day", value))


def as_quarter(value: Day) -> Quarter:
    """Return the quarter that "2026Q3", or a quarter's last day, means.

    >>> str(as_quarter("2026Q3")), str(as_quarter(date(2026, 9, 30)))
    ('2026Q3', '2026Q3')
    """
    if isinstance(value, str) and not _DAY.fullmatch(value.strip()):
        return Quarter.parse(value)
    quarter = Quarter.ending_on(as_day(value))
    if quarter is None:
        raise UsageError(say("no_quarter_end", as_day(value)))
    return quarter


def require_day(day: date, days: Iterable[date], what: object) -> None:
    """Raise unless a table has rows of the day; the error names the days it has."""
    known = sorted(set(days))
    if day not in known:
        newest = known[-8:] or say("none")
        shown = say("days_in_all", newest, len(known)) if len(known) > 8 else newest
        raise UsageError(say("no_rows_then", what, day, shown))


def is_month_end(day: date) -> bool:
    """Return whether a day is the last of its month."""
    return day.day == monthrange(day.year, day.month)[1]


def add_months(day: date, months: int) -> date:
    """Return the day `months` later, held at the month's last day (31 August + 6 = 28 February).

    >>> add_months(date(2026, 8, 31), 6)
    datetime.date(2027, 2, 28)
    """
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def cutoff(as_of: date, months: int) -> date:
    """Return the latest day from which a full `months` have passed by `as_of`, day to day.

    A customer who last acted on this day or earlier has been idle for the whole period. On a
    month's last day the longer earlier month counts whole: by 30 September, everybody last
    active up to and including 31 March has been idle for six months.

    >>> cutoff(date(2026, 9, 30), 6)
    datetime.date(2026, 3, 31)
    >>> cutoff(date(2026, 9, 29), 6)
    datetime.date(2026, 3, 29)
    """
    day = add_months(as_of, -months)
    last = day.replace(day=monthrange(day.year, day.month)[1])
    return last if add_months(last, months) <= as_of else day
