"""Calendar arithmetic at its edges: quarter ends, month ends, 29 February."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockcust_analysis.core.periods import (
    Quarter,
    add_months,
    as_day,
    as_quarter,
    cutoff,
    require_day,
)
from stockcust_analysis.errors import UsageError

DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))


def test_quarter_reads_any_case_and_blanks() -> None:
    """A quarter is read whatever its case and the blanks around it, and written one way."""
    assert str(Quarter.parse(" 2026q3 ")) == "2026Q3"


@pytest.mark.parametrize("text", ["2026Q5", "2026Q0", "26Q1", "2026-3", "2026Q3x", ""])
def test_quarter_refuses_anything_else(text: str) -> None:
    """What is not a quarter is refused with the way to write one."""
    with pytest.raises(UsageError, match="Write it like 2026Q3"):
        Quarter.parse(text)


def test_a_quarter_is_made_as_it_is_written() -> None:
    """As its help writes it, or of two numbers; what is no quarter is refused at once."""
    assert Quarter("2026Q3") == Quarter(2026, 3)
    assert Quarter("2026Q3-08").end == date(2026, 8, 31)
    for wrong in (
        ("2026Q5",),
        (2026,),
        (2026, 5),
        (2026, 3, 4),
        (0, 1),
        (10000, 1),
        ("0000Q1",),
        (2026, "3"),
        (None, 3),
        (2026.5, 3),
    ):
        with pytest.raises(UsageError, match="Write it like 2026Q3"):
            Quarter(*wrong)  # type: ignore[arg-type]


def test_a_quarter_of_an_early_year_is_read_as_it_is_written() -> None:
    """Years have four digits; what is before the first of them is refused, with the range."""
    assert Quarter(str(Quarter(5, 1))) == Quarter(5, 1)
    with pytest.raises(UsageError, match=r"the year \(1 to 9999\)"):
        _ = Quarter(1, 1).previous


def test_nothing_stands_beside_a_quarter_as_it_is_written() -> None:
    """What was given beside the text was passed over without a word; now the message shows it."""
    for beside in ({"months": 2}, {"number": 1}, {"months": 3}):
        with pytest.raises(UsageError, match="nothing else"):
            Quarter("2026Q3", **beside)
    with pytest.raises(UsageError, match=r"Quarter\(year=2026, number=3, months=4\) is not a"):
        Quarter(2026, 3, 4)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026Q1", date(2026, 1, 1), date(2026, 3, 31)),
        ("2026Q2", date(2026, 4, 1), date(2026, 6, 30)),
        ("2026Q3", date(2026, 7, 1), date(2026, 9, 30)),
        ("2024Q4", date(2024, 10, 1), date(2024, 12, 31)),
    ],
)
def test_quarter_spans_three_calendar_months(text: str, start: date, end: date) -> None:
    """A quarter begins on the first and ends on the last day of its three months."""
    quarter = Quarter.parse(text)
    assert (quarter.start, quarter.end) == (start, end)


def test_neighbouring_quarters() -> None:
    """Previous, year-ago and year-start quarters cross the year correctly."""
    quarter = Quarter.parse("2026Q1")
    assert str(quarter.previous) == "2025Q4"
    assert str(quarter.year_ago) == "2025Q1"
    assert str(quarter.year_start) == "2025Q4"
    assert str(Quarter.parse("2026Q4").year_start) == "2025Q4"


def test_only_a_last_day_names_its_quarter() -> None:
    """A quarter is found by its last day and by no other."""
    assert Quarter.ending_on(date(2026, 9, 30)) == Quarter(2026, 3)
    assert Quarter.ending_on(date(2026, 9, 29)) is None
    assert Quarter.ending_on(date(2026, 8, 31)) is None


def test_quarters_sort_by_time() -> None:
    """Quarters compare as points in time."""
    assert Quarter(2025, 4) < Quarter(2026, 1) < Quarter(2026, 2)


@given(st.integers(1990, 2090), st.integers(1, 4), st.integers(-40, 40))
def test_shifting_there_and_back(year: int, number: int, quarters: int) -> None:
    """A shift undone leads back to where it began."""
    quarter = Quarter(year, number)
    assert quarter.shifted(quarters).shifted(-quarters) == quarter


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 3, 31), 6, date(2026, 9, 30)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2024, 2, 29), 48, date(2028, 2, 29)),
        (date(2026, 1, 15), -1, date(2025, 12, 15)),
        (date(2026, 3, 31), -1, date(2026, 2, 28)),
    ],
)
def test_months_are_held_at_the_last_day(day: date, months: int, expected: date) -> None:
    """Day to day, and where the month is shorter its last day."""
    assert add_months(day, months) == expected


@pytest.mark.parametrize(
    ("as_of", "months", "expected"),
    [
        (date(2026, 9, 30), 6, date(2026, 3, 31)),
        (date(2026, 9, 29), 6, date(2026, 3, 29)),
        (date(2024, 2, 29), 12, date(2023, 2, 28)),
        (date(2025, 2, 28), 12, date(2024, 2, 29)),
        (date(2026, 2, 28), 6, date(2025, 8, 31)),
        (date(2026, 12, 31), 6, date(2026, 6, 30)),
    ],
)
def test_cutoff_at_month_ends_and_leap_days(as_of: date, months: int, expected: date) -> None:
    """On a month's last day the longer month of the past counts whole."""
    assert cutoff(as_of, months) == expected


@given(DAYS, st.integers(1, 60))
def test_cutoff_is_the_latest_day_that_fits(as_of: date, months: int) -> None:
    """The cutoff is idle for the whole period by the as-of date, and the day after is not."""
    day = cutoff(as_of, months)
    assert add_months(day, months) <= as_of < add_months(day + timedelta(days=1), months)


@pytest.mark.parametrize(
    "written",
    [
        date(2026, 9, 30),
        datetime(2026, 9, 30, 23, 59),
        pd.Timestamp("2026-09-30", tz="Asia/Shanghai"),
        np.datetime64("2026-09-30"),
        "2026-09-30",
        " 2026-09-30 ",
        "2026Q3",
        "2026q3",
        Quarter(2026, 3),
    ],
    ids=str,
)
def test_a_day_is_read_however_it_is_written(written: object) -> None:
    """A date, a timestamp, "2026-09-30" and "2026Q3" all mean the quarter's last day."""
    assert as_day(written) == date(2026, 9, 30)  # type: ignore[arg-type]
    assert as_day(written).__class__ is date  # type: ignore[arg-type]
    assert as_quarter(written) == Quarter(2026, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "written", ["30.9.2026", "2026/09/30", "2026-9", "20260930", "", 20260930, None, pd.NaT, True]
)
def test_what_is_no_day_is_refused(written: object) -> None:
    """Whatever else is given is refused with the ways to write a day."""
    with pytest.raises(UsageError, match=r"is not a day\. Give a date, or write 2026-09-30"):
        as_day(written)  # type: ignore[arg-type]


def test_days_that_no_calendar_or_quarter_has() -> None:
    """31 September is no day; 31 August ends no quarter."""
    with pytest.raises(UsageError, match="'2026-09-31' is no day of the calendar"):
        as_day("2026-09-31")
    with pytest.raises(UsageError, match="2026-08-31 is no quarter's last day"):
        as_quarter("2026-08-31")


def test_a_day_without_rows_names_the_days_there_are() -> None:
    """At most eight days are named, the newest, and their number."""
    days = [date(2025, month, 1) for month in range(1, 13)]
    with pytest.raises(UsageError, match=r"holdings have no rows as of 2026-09-30\. .*2025-05-01"):
        require_day(date(2026, 9, 30), days, "holdings")
    with pytest.raises(UsageError, match=r"2025-12-01 \(12 in all\)\.$"):
        require_day(date(2026, 9, 30), days, "holdings")


def test_a_quarter_to_date_is_compared_with_whole_quarters_and_its_own_months() -> None:
    """On 31 August the third quarter is two months old: after June, beside August a year ago."""
    quarter = Quarter.to_date(date(2026, 8, 31))
    assert quarter == Quarter.parse("2026q3-08")
    assert (str(quarter), quarter.end, quarter.is_whole) == ("2026Q3-08", date(2026, 8, 31), False)
    assert (str(quarter.previous), str(quarter.year_start)) == ("2026Q2", "2025Q4")
    assert (str(quarter.year_ago), quarter.year_ago.end) == ("2025Q3-08", date(2025, 8, 31))
    assert str(Quarter.to_date(date(2026, 9, 30))) == "2026Q3"
    assert Quarter.to_date(date(2026, 8, 30)) is None
    for text in ("2026Q3-09", "2026Q3-06", "2026Q3-8"):
        with pytest.raises(UsageError, match="is not a quarter"):
            Quarter.parse(text)
