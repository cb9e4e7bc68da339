"""Whatever stands in a file, opening a bank gives its sums, a warning or one error of our own."""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.errors import StockcustError
from tests.tiny_bank import BRANCHES, CUSTOMERS, HOLDINGS, write_tiny_bank

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "5"))
"""How many inputs each test tries: few in `make test`, many in `make fuzz`."""
LONG = settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES < 50)
HEAD, *ROWS = [line.split(",") for line in HOLDINGS.splitlines()]
ODD = st.sampled_from(
    [
        *(
            "",
            " ",
            "-",
            "\\N",
            "NULL",
            "0",
            "1,000",
            "1,00",
            "1.5E3",
            "1E+3",
            "(5)",
            "5-",
            "NaN",
            "inf",
        ),
        *("2026-09-30", "20260930", "30/9/2026", "46295", "0001-01-01", "9999-12-31", "\u3000"),
        *(
            '="7"',
            "'7",
            "合计",
            "total",
            "&amp;",
            "???",
            "\ufeff",
            "\u200b7",
            "７",
            "¥7",
            "7元",
            "7万",
        ),
        *("loan", "Loan", "C1", "c1", "A1", '"', ";", "\t", "\0", "\r", "\x1a", "#REF!", "true"),
    ]
)
CELLS = ODD | st.text(max_size=8) | st.decimals(-(10**6), 10**6, places=2).map(str)


@contextmanager
def opened(name: str, content: bytes) -> Iterator[tuple[Decimal | None, str]]:
    """Yield the sum of balances of the tiny bank with one file replaced, or the error's words."""
    folder = Path(tempfile.mkdtemp())
    try:
        (write_tiny_bank(folder) / f"{name}.csv").write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with open_bank(folder) as bank:
                    rows = bank.table("holdings").project("balance").fetchall()
                    yield sum((row[0] for row in rows), Decimal(0)), ""
            except StockcustError as error:
                yield None, str(error)
    finally:
        shutil.rmtree(folder)


@settings(LONG)
@given(name=st.sampled_from(["branches", "customers", "holdings"]), content=st.binary(max_size=200))
@example(name="branches", content=b"\xff\xfe")
@example(name="holdings", content=b'"')
@example(name="customers", content=b"\0" * 40)
def test_any_bytes_are_an_error_of_our_own(name: str, content: bytes) -> None:
    """A required table made of noise is refused, and no engine's exception comes through."""
    with opened(name, content) as (total, message):
        assert total is None
        assert name in message
        assert "Exception" not in message


@settings(LONG)
@given(
    name=st.sampled_from([BRANCHES, CUSTOMERS, HOLDINGS]),
    place=st.integers(0, 10**6),
    piece=st.binary(min_size=1, max_size=4),
    cut=st.integers(0, 6),
)
def test_damaged_bytes_change_no_sum_in_silence(
    name: str, place: int, piece: bytes, cut: int
) -> None:
    """With bytes put in and taken out the bank opens or is refused, by our own error alone."""
    table = {BRANCHES: "branches", CUSTOMERS: "customers", HOLDINGS: "holdings"}[name]
    raw = name.encode()
    place %= len(raw)
    content = raw[:place] + piece + raw[place + cut :]
    with opened(table, content) as (total, message):
        assert "Exception" not in message
        if total is not None and table != "holdings":
            assert total == Decimal("147701.25")


@settings(LONG)
@given(row=st.integers(0, 6), column=st.integers(0, 4), cell=CELLS)
@example(row=0, column=4, cell="1,000")
@example(row=0, column=4, cell="7万")
@example(row=1, column=4, cell="NaN")
@example(row=2, column=0, cell="合计")
def test_a_cell_is_its_value_or_an_error_that_does_not_quote_it(
    row: int, column: int, cell: str
) -> None:
    """The sum is that of an independent reading of the cell, or the bank is refused."""
    cells = [list(line) for line in ROWS]
    cells[row][column] = cell
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([HEAD, *cells])
    with opened("holdings", text.getvalue().encode("utf-8", "surrogatepass")) as (total, message):
        assert "Exception" not in message
        if len(cell.strip()) > 5 and not HOLDINGS.count(cell.strip()):
            assert cell not in message
        if total is not None:
            others = sum(Decimal(line[4]) for index, line in enumerate(ROWS) if index != row)
            expected = independent(cell) if column == 4 else Decimal(ROWS[row][4])
            assert total - others == expected


def independent(cell: str) -> Decimal:
    """Return the number a person reads in a cell that the grammar takes."""
    kept = "".join(c for c in cell if not (c.isspace() or ord(c) in {0x200B, 0xFEFF}))
    kept = kept.strip("'=\"¥￥元").removeprefix("CNY").removeprefix("RMB").replace(",", "")
    return Decimal(kept).quantize(Decimal("0.01"), "ROUND_HALF_UP")


@pytest.mark.parametrize(
    ("cell", "expected"), [("1,000", "1000.00"), ('="7"', "7.00"), ("７", "7.00"), ("7元", "7.00")]
)
def test_the_independent_reading_reads(cell: str, expected: str) -> None:
    """What the properties compare with is right by itself."""
    assert str(independent(cell)) == expected
