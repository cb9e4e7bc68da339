"""Cells of text: each form is the stated value or the stated fault, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from typing import NamedTuple

import duckdb
import pytest

from stockcust_analysis.bank.contract import table
from stockcust_analysis.bank.conversion import sql_reading, with_steps
from stockcust_analysis.bank.mapping import TableMapping
from stockcust_analysis.errors import advise

COMMA = "a comma that does not part thousands (a decimal comma?)"
SIGN = "a sign behind the number, or brackets around it"
UNIT = "a number with a unit (万, 亿)"
WITHIN = "a moment within a day where a day belongs"
IN_ZONE = "a moment with a time zone where a day belongs"
SPAN = "a year before 1900 or after 2199"
YEAR_LAST = (
    "a date whose year is last, such as 03/04/2026, and the mapping does not say which number is "
    "the day, or says otherwise"
)
SERIAL = "a bare number where a date belongs (an Excel date?)"
SHORTENED = "number in scientific notation"
DAY = date(2026, 9, 30)
MONEY, COUNT = ("holdings", "balance"), ("customers", "active_transactions")
DATE, QUARTER = ("customers", "last_active_on"), ("targets", "quarter")
TEXT, GROUPS, FLAG = (("customers", name) for name in ("customer_id", "groups", "profile_complete"))
CASES = [
    (MONEY, "12.5", Decimal("12.50")),
    (MONEY, "1,234,567.50", Decimal("1234567.50")),
    (MONEY, "-1,000", Decimal(-1000)),
    (MONEY, "+00000000123.45", Decimal("123.45")),
    (MONEY, "１２，３４５．６", Decimal("12345.60")),
    (MONEY, "¥12", Decimal(12)),
    (MONEY, "12.30元", Decimal("12.30")),
    (MONEY, "1.0E7", Decimal(10_000_000)),
    (MONEY, ".5", Decimal("0.50")),
    (MONEY, "\u300012 \t", Decimal(12)),
    (MONEY, '="12"', Decimal(12)),
    (MONEY, "'12.50", Decimal("12.50")),
    (MONEY, "\u202a12.5\u202c", Decimal("12.50")),
    (MONEY, "12,34", COMMA),
    (MONEY, "1.000,00", COMMA),
    (MONEY, "1,23,4", COMMA),
    (MONEY, "1,0000", COMMA),
    (MONEY, "12.00-", SIGN),
    (MONEY, "(12)", SIGN),
    (MONEY, "1.5万", UNIT),
    (MONEY, "1.23E+11", SHORTENED),
    (MONEY, "nan", "NaN or infinite"),
    (MONEY, "-inf", "NaN or infinite"),
    (MONEY, "#DIV/0!", "NaN or infinite"),
    (MONEY, "1_000", "not an amount"),
    (MONEY, "0x1F", "not an amount"),
    (MONEY, "9" * 20, "not an amount"),
    *((MONEY, mark, None) for mark in ("\\N", "NULL", "-", "#N/A", "(null)", "\u3000")),
    *(
        (MONEY, text, Decimal(1000))
        for text in (
            *(
                "1,000.00",
                "+1000",
                "１０００",
                "¥1000.00",
                "1000.00元",
                "1e3",
                "0001000.0",
                "1000.",
            ),
            *(" 1000.00", "1000.00\t", '="1000"', "'1000", "￥1,000.00", "CNY 1000.00", "1000 元"),
            *("1，000.00", "1000.0049", "RMB1000", "1000.000000000000000001"),
        )
    ),
    *(
        (MONEY, text, "not an amount")
        for text in (
            *("1 000.00", "1'000.00", "1000.00DR", "1000.00 CR", "USD1000", "$1000", "1000 CNY"),
            *("--1000", "+-1000", "−1000", "1000%", "1/2", ".", "-.", "TRUE", "1000;", "1000d"),
            *("1000..0", "=1000", "²", "1000.00元整", "one"),
        )
    ),
    *((MONEY, text, COMMA) for text in ("1000,", "10,00", "1,00,000.00", ",5", "1,000,00")),
    *((MONEY, text, SIGN) for text in ("1000-", "(1000)", "（1000）", "1,000.00-", "1000+")),
    *((MONEY, text, UNIT) for text in ("一千", "0.1万", "1亿", "3百万元", "1千")),
    (MONEY, "1E+3", SHORTENED),
    (COUNT, "3.0", 3),
    (COUNT, "3,000", 3000),
    (COUNT, "3.5", "not a whole number"),
    *(
        (DATE, text, DAY)
        for text in (
            *("2026-09-30", "20260930", "2026/9/30", "2026.9.30", "2026年9月30日"),
            *("2026-09-30-00.00.00.000000", "2026-09-30T00:00:00.000", "2026/9/30 0:00"),
        )
    ),
    *(
        (DATE, text, None)
        for text in (
            *("0001-01-01", "1900-01-01", "19000101", "9999-12-31", "99991231", "00000000"),
            *("infinity", "NaT"),
        )
    ),
    *(
        (DATE, text, DAY)
        for text in (
            *("2026-9-30", "2026/09/30", "2026.09.30", "2026年09月30日", " 2026-09-30 "),
            *(
                "2026-09-30 00:00:00",
                "2026-09-30T00:00:00",
                "2026-09-30 0:00",
                "2026/9/30 00:00",
            ),
        )
    ),
    *(
        (DATE, text, "not a date")
        for text in (
            *("9/30/26", "26.9.30", "2026-09-31", "20260931", "2026年09月"),
            *("30-SEP-26", "30-SEP-2026", "Sep 30 2026", "二〇二六年九月三十日", "2026 09 30"),
            *("2026-09-30 星期三", "2026–09–30", "today", "2026-13-01", "2026-9", "2026093"),
            *("民国115年9月30日", "2026-09-30.", "2026-09-30日"),
        )
    ),
    *(
        (DATE, text, WITHIN)
        for text in ("2026-09-30 08:00:00", "2026/9/30 23:59", "20260930 12:00")
    ),
    *((DATE, text, IN_ZONE) for text in ("2026-09-30T00:00:00+08:00", "2026-09-30 00:00:00 UTC")),
    *((DATE, text, SPAN) for text in ("0115-09-30", "1899-12-30", "2200-01-01", "115-09-30")),
    (DATE, "46294.0", SERIAL),
    (DATE, "46294.5", SERIAL),
    (DATE, "26-09-30", "not a date"),
    (DATE, "2026-02-30", "not a date"),
    *((DATE, cell, None) for cell in ("1900/1/1", "1900-1-01", "1900年1月1日", "0001.1.1")),
    (DATE, "1900/1/11", date(1900, 1, 11)),
    *((DATE, cell, YEAR_LAST) for cell in ("30/09/2026", "09/30/2026", "3.4.2026", "03-04-2026")),
    (DATE, "30/09/20261", "not a date"),
    (DATE, "2026-09", "not a date"),
    (DATE, "1026-09-30", SPAN),
    (DATE, "2300-01-01", SPAN),
    (DATE, "0044-03-15 (BC)", SPAN),
    (DATE, "46294", SERIAL),
    (DATE, "2026-09-30 12:30", WITHIN),
    (DATE, "2026-09-30-12.00.00.000000", WITHIN),
    (DATE, "2026-09-29T16:00:00Z", IN_ZONE),
    (DATE, "2026-09-30 00:00:00+08:00", IN_ZONE),
    *((QUARTER, text, "2026Q3") for text in ("2026Q3", "2026q3", "2026-Q3", "2026年第三季度")),
    (QUARTER, "2026Q5", "not a quarter"),
    (QUARTER, "20263", "not a quarter"),
    *((TEXT, text, "K1") for text in ("K1", "K1\t", "\ufeffK1", "K\u200b1", "\u3000K1\xa0")),
    *((TEXT, text, "K1") for text in ("\u200eK1", "K\xad1", "K\u200d1", "K1\ufe0f")),
    (TEXT, "'00123", "00123"),
    (TEXT, "'tis", "'tis"),
    (TEXT, '="00123"', "00123"),
    (TEXT, "王 五", "王 五"),
    (TEXT, "NULL", None),
    *((GROUPS, text, "a;b") for text in ("a;b", "a；b", "a, b", "a、b")),
    (FLAG, "是 ", True),
    (FLAG, "否", False),
    (FLAG, "maybe", "neither true nor false"),
]


class Reading(NamedTuple):
    """What the plain form makes of a cell and whether it leaves it, and what the grammar does."""

    plain: object
    odd: bool
    whole: object
    faults: list[str]

    def outcome(self) -> object:
        """Return the cell's value, or the one fault that says why it has none."""
        assert self.odd or self.plain == self.whole
        assert len(self.faults) <= 1
        assert not (self.faults and self.whole is not None)
        return self.faults[0] if self.faults else self.whole


def readings(where: tuple[str, str], cells: Sequence[str], mapping: TableMapping) -> list[Reading]:
    """Read cells of one column by the plain form and by the whole grammar, all in one query."""
    column = table(where[0]).column(where[1])
    plain, whole = (
        sql_reading(column, "cell", "VARCHAR", mapping, trimmed=trimmed, zone="Asia/Shanghai")
        for trimmed in (False, True)
    )
    columns = [plain.value, plain.odd or "false", whole.value, *whole.faults.values()]
    marks = ", ".join(["(?::VARCHAR)"] * len(cells))
    cells_given = f"(SELECT * FROM (VALUES {marks}) AS cells(cell))"
    sql = f"SELECT {', '.join(columns)} FROM {with_steps(cells_given, [whole])}"
    return [
        Reading(
            value,
            odd,
            careful,
            [str(advise(f)[0]) for f, is_so in zip(whole.faults, wrong, strict=True) if is_so],
        )
        for value, odd, careful, *wrong in duckdb.execute(sql, [*cells]).fetchall()
    ]


def read(where: tuple[str, str], cell: str, mapping: TableMapping) -> object:
    """Return a cell's value or its one fault."""
    (reading,) = readings(where, [cell], mapping)
    return reading.outcome()


@cache
def read_together(where: tuple[str, str]) -> dict[str, Reading]:
    """Read all cells of the cases of a column."""
    cells = [cell for column, cell, _ in CASES if column == where]
    return dict(zip(cells, readings(where, cells, TableMapping()), strict=True))


@pytest.mark.parametrize(("where", "cell", "expected"), CASES, ids=repr)
def test_a_cell_is_its_value_or_its_fault(
    where: tuple[str, str], cell: str, expected: object
) -> None:
    """The plain form and the whole grammar agree, and what is no value has one reason."""
    assert read_together(where)[cell].outcome() == expected


def test_a_bank_states_null_marks_and_the_unit_of_its_amounts() -> None:
    """Marks of the mapping are empty, and amounts in 万元 become CNY."""
    mapping = TableMapping(null=["无"], unit="万元")
    assert read(MONEY, "无", mapping) is None
    coded = TableMapping(codes={"exclusion": {"-": "staff"}})
    assert read(("customers", "exclusion"), " - ", coded) == "staff"
    assert read(("customers", "gender"), " - ", coded) is None
    unstated = TableMapping(codes={"gender": {"9": "", "1": "male"}, "household_id": {"0": ""}})
    for column, cell in (("gender", "9"), ("gender", " 9 "), ("household_id", "0")):
        assert read(("customers", column), cell, unstated) is None
    assert read(("customers", "gender"), "1", unstated) == "male"
    assert read(MONEY, "9", unstated) == Decimal("9.00")
    assert read(MONEY, "1,234.5", mapping) == Decimal("12345000")
    assert read(MONEY, "1.23456", mapping) == Decimal("12345.60")


@pytest.mark.parametrize(
    ("order", "cell", "expected"),
    [
        ("dmy", "03/04/2026", date(2026, 4, 3)),
        ("mdy", "03/04/2026", date(2026, 3, 4)),
        ("dmy", "30/09/2026", DAY),
        ("dmy", "30-9-2026", DAY),
        ("dmy", " 30.09.2026 00:00:00", DAY),
        ("mdy", "9/30/2026", DAY),
        ("dmy", "2026-09-30", DAY),
        ("mdy", "20260930", DAY),
        ("dmy", "2026/03/04", date(2026, 3, 4)),
        ("dmy", "31/12/9999", None),
        ("mdy", "1/1/0001", None),
        ("mdy", "1/1/1900", None),
        ("mdy", "1/2/1900", date(1900, 1, 2)),
        ("mdy", "1/11/1900", date(1900, 1, 11)),
        ("dmy", "09/30/2026", YEAR_LAST),
        ("mdy", "30/09/2026", YEAR_LAST),
        ("dmy", "31/02/2026", "not a date"),
        ("dmy", "30/09/20261", "not a date"),
        ("dmy", "30/09/26", SPAN),
        ("dmy", "30/09/1850", SPAN),
        ("mdy", "9/30/2026 13:30", WITHIN),
    ],
)
def test_a_mapping_says_in_which_order_days_are_written(
    order: str, cell: str, expected: object
) -> None:
    """03/04/2026 is 3 April or 4 March, as `date_order` says; other forms are read as without."""
    assert read(DATE, cell, TableMapping(date_order=order)) == expected


@pytest.mark.parametrize(
    ("order", "mark", "empty", "other"),
    [
        ("dmy", "1970-01-01", "01/01/1970 1.1.1970 1970-01-01 19700101", "01/02/1970"),
        ("mdy", "2050-12-31", "12/31/2050 12-31-2050 2050年12月31日", "11/30/2050"),
        ("dmy", "01/02/1970", "01/02/1970 1970-02-01 1970/2/1", "02/01/1970"),
        ("", "1970-01-01", "1970/01/01 1970.1.1 19700101", "1970-01-02"),
    ],
)
def test_a_day_that_stands_for_nothing_does_so_in_every_form(
    order: str, mark: str, empty: str, other: str
) -> None:
    """`null = ["1970-01-01"]` means 01/01/1970, too, where days come first; and no other day."""
    mapping = TableMapping(null=[mark], date_order=order)
    texts = [*empty.split(), f"{empty.split()[0]} 00:00:00"]
    assert [read(DATE, cell, mapping) for cell in texts] == [None] * len(texts)
    assert isinstance(read(DATE, other, mapping), date)
