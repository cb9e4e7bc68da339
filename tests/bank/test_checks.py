"""Bad extracts: every way to be wrong gives one clear error that never quotes a customer."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.errors import BankDataError, UsageError
from tests.tiny_bank import BRANCHES, CUSTOMERS, HOLDINGS, TinyBank, as_frames, together


def message_of(folder: Path) -> str:
    """Open the folder, which must fail, and return the error's text."""
    with pytest.raises(BankDataError) as caught:
        open_bank(folder)
    return str(caught.value)


CASES = {
    "customers whose zeros the holdings lack": (
        {"customers": CUSTOMERS.replace(",C", ",000"), "holdings": HOLDINGS.replace(",C", ",")},
        "not in customers.customer_id at the same as_of. Keys there begin with 0, none of ",
    ),
    "holdings whose customers lack their zeros": (
        {"customers": CUSTOMERS.replace(",C", ","), "holdings": HOLDINGS.replace(",C", ",000")},
        "not in customers.customer_id at the same as_of. Some of these begin with 0, no key there",
    ),
    "missing column": (
        {"holdings": HOLDINGS.replace("balance", "amount_total")},
        "holdings.balance: column is missing",
    ),
    "misspelt column": (
        {"holdings": HOLDINGS.replace("balance", "balanse")},
        "Did you mean 'balanse'?",
    ),
    "misspelt optional column": (
        {"customers": CUSTOMERS.replace("aum_average_quarter", "aum_avrage_quarter")},
        "customers.aum_average_quarter: optional column is absent, but a header looks like it",
    ),
    "control character": (
        {"branches": BRANCHES.replace("城关", "城\0关").replace("柳树", "柳\x1f树")},
        "branches.name: 2 rows (first: 2, 3): control characters (NUL and the like)",
    ),
    "the whole bank's name": (
        {"branches": BRANCHES + "@bank,总行,东区,urban\n"},
        "branches.branch_id: 1 row (first: 4): begins with '@', which stands for the whole bank",
    ),
    "wrong type": (
        {"customers": CUSTOMERS.replace("2020-01-05", "long ago")},
        "customers.relationship_since: 2 rows (first: 2, 5): not a date",
    ),
    "duplicate key": (
        {"customers": CUSTOMERS.replace("2026-06-30,C2", "2026-06-30,C1")},
        "customers: 1 row (first: 3): the key (as_of, customer_id) occurs twice",
    ),
    "unknown branch": (
        {"customers": CUSTOMERS.replace("C3,002", "C3,009")},
        "customers.branch_id: 2 rows (first: 4, 7): not in branches.branch_id",
    ),
    "unknown product": (
        {"holdings": HOLDINGS.replace("time_deposit", "time_deposite")},
        "holdings.product: 2 rows (first: 4, 7): unknown product",
    ),
    "holding without customer": (
        {"holdings": HOLDINGS.replace("A4,C4", "A4,C9")},
        "holdings.customer_id: 1 row (first: 8): not in customers.customer_id at the same as_of",
    ),
    "NaN balance": (
        {"customers": CUSTOMERS.replace("250.75", "NaN")},
        "customers.aum_period_end: 1 row (first: 6): NaN or infinite",
    ),
    "infinite balance": (
        {"holdings": HOLDINGS.replace("250.75", "-inf")},
        "holdings.balance: 1 row (first: 6): NaN or infinite",
    ),
    "negative AUM": (
        {"customers": CUSTOMERS.replace("1200.00", "-1200.00")},
        "customers.aum_period_end: 1 row (first: 5): less than 0",
    ),
    "empty table": (
        {"holdings": HOLDINGS.splitlines()[0] + "\n"},
        "holdings: the table has no rows",
    ),
    "empty file": ({"holdings": ""}, "holdings: holdings.csv is empty"),
    "empty cell": (
        {"branches": BRANCHES.replace("柳树支行", "")},
        "branches.name: 1 row (first: 3): the cell is empty",
    ),
    "GBK text read as UTF-8": (
        {"branches": BRANCHES.encode("gbk").decode("utf-8", "replace")},
        "branches.csv: characters were lost when GBK text was read as UTF-8",
    ),
    "neither encoding": (
        {"branches": BRANCHES.encode() + b"\xff\xff,\x81"},
        "branches.csv is neither UTF-8 nor GB18030/GBK",
    ),
    "Excel date as a number": (
        {"customers": CUSTOMERS.replace("2026-09-29", "46294")},
        "customers.last_active_on: 1 row (first: 8): a bare number where a date belongs",
    ),
    "long number shortened by Excel": (
        {"holdings": HOLDINGS.replace("A4,", "6.22E+18,")},
        "holdings.account_id: 1 row (first: 8): number in scientific notation",
    ),
    "too many cells": (
        {"branches": BRANCHES + "003,古塔支行,西区,township,extra\n"},
        "branches: 1 row (first: 4): branches.csv has more or fewer cells than the header's 4",
    ),
    "active after as-of": (
        {"customers": CUSTOMERS.replace("2026-09-29", "2026-10-01")},
        "customers.last_active_on: 1 row (first: 8): later than as_of",
    ),
    "born after as-of": (
        {
            "customers": "\n".join(
                f"{row},{'2061-02-03' if number else 'birth_date'}"
                for number, row in enumerate(CUSTOMERS.splitlines())
            )
        },
        "customers.birth_date: 7 rows (first: 2, 3, 4): later than as_of",
    ),
    "opened after as-of": (
        {
            "holdings": HOLDINGS.replace("balance", "balance,opened_on")
            .replace("5000.00", "5000.00,2026-10-01")
            .replace("00\n", "00,\n")
            .replace("0.50\n", "0.50,\n")
            .replace("0.75\n", "0.75,\n")
        },
        "holdings.opened_on: 1 row (first: 8): later than as_of",
    ),
    "as-of inside a month": (
        {"customers": CUSTOMERS.replace("2026-06-30,", "2026-06-29,")},
        "customers.as_of: 3 rows (first: 2, 3, 4): not the last day of a month",
    ),
}


@pytest.mark.parametrize(
    "cases",
    together(
        {case: tables for case, (tables, _) in CASES.items()},
        lambda case: case == "unknown branch",  # where branches cannot be read none is unknown
    ),
    ids=", ".join,
)
def test_each_bad_input_is_named_and_no_customer(tiny_bank: TinyBank, cases: list[str]) -> None:
    """Table, column, rows and first rows, and no number of a customer or account, no balance."""
    told = message_of(tiny_bank(**{t: text for c in cases for t, text in CASES[c][0].items()}))
    for case in cases:
        assert CASES[case][1] in told
        told = told.replace(CASES[case][1], "")
    for secret in ("C1", "C2", "C3", "C4", "C9", "A4", "1200", "250.75", "70000", "6.22"):
        assert secret not in told


def test_all_problems_come_at_once(tiny_bank: TinyBank) -> None:
    """Problems of several tables and kinds arrive in one error, numbered and counted."""
    folder = tiny_bank(
        branches=BRANCHES.replace("urban", "metropolis"),
        customers=CUSTOMERS.replace("250.75", "nan").replace("C3,002", "C3,009"),
        holdings=HOLDINGS.replace("time_deposit", "time_deposite"),
    )
    with pytest.raises(BankDataError) as caught:
        open_bank(folder)
    assert {problem.table for problem in caught.value.problems} == {
        "branches",
        "customers",
        "holdings",
    }
    assert str(caught.value).startswith("4 problems in 3 tables of")


def test_an_empty_number_hides_no_row_that_comes_twice(tiny_bank: TinyBank) -> None:
    """A customer without a number in row 8, and one of June twice in row 3: both are named."""
    customers = CUSTOMERS.replace("2026-06-30,C2", "2026-06-30,C1").replace(",C4,", ",,")
    message = message_of(tiny_bank(customers=customers))
    assert "customers.customer_id: 1 row (first: 8): " in message
    assert "customers: 1 row (first: 3): the key (as_of, customer_id) occurs twice" in message


def test_moves_that_cannot_be_followed_are_named(tiny_bank: TinyBank) -> None:
    """Unknown customers and branches, moves to nowhere, twice on a day, and a split without any."""
    moves = "C9,001,002", "C1,001,001", "C3,002,001", "C3,002,001", "C4,002,009"
    header = "customer_id,from_branch_id,to_branch_id,effective_on"
    split = "old_branch_id,new_branch_id,effective_on\n002,001,2026-07-01\n002,003,2026-07-01\n"
    folder = tiny_bank(
        branches=BRANCHES + "003,河东支行,东区,urban\n",
        customer_moves="\n".join([header, *(f"{move},2026-07-01" for move in moves), ""]),
    )
    message = message_of(folder)
    for problem in (
        "customer_moves.customer_id: 1 row (first: 2): not in customers.customer_id",
        "customer_moves.to_branch_id: 1 row (first: 3): the same as from_branch_id. Leave the row",
        "customer_moves: 1 row (first: 5): the key (customer_id, effective_on) occurs twice",
        "customer_moves.to_branch_id: 1 row (first: 6): not in branches.branch_id",
    ):
        assert problem in message
    assert message.startswith("4 problems in 1 table of")
    (folder / "customer_moves.csv").write_text(f"{header}\nC1,001,002,2026-07-01\n")
    (folder / "branch_successors.csv").write_text(split)
    assert (
        "branch_successors.old_branch_id: 2 rows (first: 2, 3): several branches took over, and "
        "customer_moves has no customer of the old one. Deliver customer_moves, or keep"
    ) in message_of(folder)
    (folder / "customer_moves.csv").unlink()
    (folder / "branch_successors.csv").write_text(split.replace("2026-07", "2026-10"))
    open_bank(folder).close()


def test_a_code_that_resembles_nothing_is_not_quoted(tiny_bank: TinyBank) -> None:
    """A shifted column may hold names: only codes close to an allowed one are shown."""
    folder = tiny_bank(customers=CUSTOMERS.replace("sole_trader", "王小明"))
    assert "王小明" not in message_of(folder)


def with_genders(genders: list[str]) -> str:
    """Return customers of whom there are as many as genders, at each of two as-of dates."""
    rows = [
        f"{day},C{index},00{1 + index % 2},individual,10,,,2020-01-05,{gender}"
        for day in ("2026-06-30", "2026-09-30")
        for index, gender in enumerate(genders)
    ]
    return "\n".join([f"{CUSTOMERS.partition(chr(10))[0]},gender", *rows, ""])


@pytest.mark.parametrize(
    ("genders", "hint"),
    [
        (["femal"] * 5, "For 'femal': did you mean 'female' or 'male'?"),
        (["femal"] * 4, ". Did you mean 'female' or 'male'?"),
        (["张伟 male", "王芳 female"], "Did you mean 'male' or 'female'?"),
        (["male 62220000103"] * 6, None),
    ],
)
def test_only_a_code_of_several_customers_is_quoted(
    tiny_bank: TinyBank, genders: list[str], hint: str | None
) -> None:
    """What one customer has, at however many dates, may be a name: only the code is named."""
    message = message_of(tiny_bank(customers=with_genders(genders)))
    assert "customers.gender: " in message
    assert hint is None or hint in message
    for secret in ("张伟", "王芳", "62220000103"):
        assert secret not in message
    assert hint is None or ("For '" in message) == hint.startswith("For")


def test_a_number_behind_a_code_is_not_quoted(tiny_bank: TinyBank) -> None:
    """A cell into which the account's number slipped names the code alone."""
    holdings = HOLDINGS.replace("time_deposit", "time_deposit 62220000103", 1)
    message = message_of(tiny_bank(holdings=holdings))
    assert "unknown product" in message and "Did you mean 'time_deposit'?" in message
    assert "62220000103" not in message


@pytest.mark.parametrize("cell", ["赵铁柱", "008871234500", "Zhao"])
def test_a_header_that_holds_a_cell_is_named_by_its_column(tiny_bank: TinyBank, cell: str) -> None:
    """A header into which a customer's name or number slipped is not quoted."""
    head, _, rows = CUSTOMERS.partition("\n")
    rows = rows.replace("\n", ",\n")
    message = message_of(tiny_bank(customers=f"{head},性别 {cell}\n{rows}"))
    column = head.count(",") + 2
    assert "customers.gender: optional column is absent" in message
    assert f"Did you mean the header of column {column}?" in message
    assert cell not in message


def test_a_missing_table_names_the_file_that_may_be_meant(tiny_bank: TinyBank) -> None:
    """A misspelt file name is offered as the table that is missing."""
    folder = tiny_bank()
    shutil.move(folder / "holdings.csv", folder / "holding.csv")
    message = message_of(folder)
    assert "holdings: no file holds this table" in message
    assert "Did you mean 'holding'?" in message


def test_rows_of_several_files_are_told_apart(tiny_bank: TinyBank) -> None:
    """With several files for a table, first rows are given with the file's name."""
    folder = tiny_bank()
    header, *rows = CUSTOMERS.splitlines()
    (folder / "customers.csv").unlink()
    (folder / "customers_2026Q2.csv").write_text("\n".join([header, *rows[:3]]))
    third = [row.replace("70000.00,70000.00", "70000.00,inf") for row in rows[3:]]
    (folder / "customers_2026Q3.csv").write_text("\n".join([header, *third]))
    assert "(first: customers_2026Q3.csv:4): NaN or infinite" in message_of(folder)


def test_rows_of_parquet_files_are_told_apart(tiny_bank: TinyBank) -> None:
    """Files read together still say which of them a row is in, as do those of another type."""
    folder = tiny_bank()
    rows = duckdb.read_csv(str(folder / "holdings.csv"))
    for number in range(4):
        part = rows.limit(2, 2 * number)
        if number == 1:
            part = part.project("* REPLACE (balance::DECIMAL(18,2) AS balance)")
        if number == 3:
            part = part.project("* REPLACE ('C9' AS customer_id)")
        part.write_parquet(str(folder / f"holdings_{number}.parquet"))
    part.write_parquet(str(folder / "holdings_4.parquet"))
    (folder / "holdings.csv").unlink()
    message = message_of(folder)
    assert "(first: holdings_3.parquet:2, holdings_4.parquet:2): not in" in message, message
    assert "(first: holdings_4.parquet:2)" in message, message


def test_an_excel_date_stored_as_a_number_is_explained(tiny_bank: TinyBank) -> None:
    """A date column that Excel holds as a serial number is reported as such."""
    folder = tiny_bank()
    sheet = pd.read_csv(folder / "branches.csv", dtype=str).assign(opened_on=[46294.0, 46295.0])
    (folder / "branches.csv").unlink()
    sheet.to_excel(folder / "branches.xlsx", index=False)
    assert "branches.opened_on: 2 rows (first: 2, 3): a bare number where a date" in message_of(
        folder
    )


def test_a_parquet_nan_is_found(tiny_bank: TinyBank) -> None:
    """NaN and infinity in typed Parquet columns are problems, as they are in text."""
    folder = tiny_bank()
    duckdb.sql(
        "SELECT * REPLACE (CASE account_id WHEN 'A1' THEN 'nan'::DOUBLE WHEN 'A2' THEN "
        f"'inf'::DOUBLE ELSE balance END AS balance) FROM read_csv('{folder}/holdings.csv')"
    ).write_parquet(str(folder / "holdings.parquet"))
    (folder / "holdings.csv").unlink()
    assert "holdings.balance: 4 rows (first: 2, 3, 5): NaN or infinite" in message_of(folder)


def test_keys_in_any_order_are_told_apart(tiny_bank: TinyBank) -> None:
    """Unsorted rows, and files whose keys overlap, are only refused for a key that is twice."""
    folder = tiny_bank()
    header, *rows = CUSTOMERS.splitlines()
    (folder / "customers.csv").unlink()
    parts = {"a": rows[::-2], "b": rows[-2::-2], "c": rows[:1]}
    for name, part in parts.items():
        (folder / f"customers_{name}.csv").write_text("\n".join([header, *part]))
    twice = "customers: 1 row (first: customers_c.csv:2): the key (as_of, customer_id) occurs twice"
    assert twice in message_of(folder)
    (folder / "customers_c.csv").unlink()
    with open_bank(folder) as bank:
        assert bank.rows("customers") == len(rows)
    (folder / "customers_a.csv").write_text("\n".join([header, *rows[::2]]))
    (folder / "customers_b.csv").write_text("\n".join([header, *rows[1::2]]))
    with open_bank(folder) as bank:
        assert bank.rows("customers") == len(rows)


def test_rows_of_many_text_files_are_told_apart(tiny_bank: TinyBank) -> None:
    """Text files read by one scan say in which of them, and where there, a wrong row is."""
    folder = tiny_bank()
    header, *rows = CUSTOMERS.splitlines()
    (folder / "customers.csv").unlink()
    for number, row in enumerate(rows):
        wrong = row.replace("2026-09-29", "soon").replace("personal", "person") if number else row
        text = f"{header}\n{rows[0].replace('C1', f'D{number}')}\n{wrong}\n"
        encoding = "gbk" if number % 2 else "utf-8"
        (folder / f"customers_{number}.csv").write_text(text, encoding=encoding)
    message = message_of(folder)
    assert "(first: customers_6.csv:3): not a date" in message
    first = "(first: customers_1.csv:3, customers_2.csv:3, customers_3.csv:3)"
    assert f"customers.customer_type: 5 rows {first}: unknown customer_type" in message


def test_a_broken_file_among_many_is_named(tiny_bank: TinyBank) -> None:
    """Of files read by one scan each with ragged rows is named, with its rows."""
    folder = tiny_bank()
    header, *rows = CUSTOMERS.splitlines()
    (folder / "customers.csv").unlink()
    for number, row in enumerate(rows):
        ragged = f"{row},more\n" if number in (2, 4) else ""
        (folder / f"customers_{number}.csv").write_text(f"{header}\n{row}\n{ragged}")
    message = message_of(folder)
    for number in (2, 4):
        what = f"customers_{number}.csv has more or fewer cells than the header's 8"
        assert f"customers: 1 row (first: 3): {what}" in message


def test_a_closed_connection_is_said() -> None:
    """A connection that was closed is not taken for one without tables."""
    connection = duckdb.connect()
    connection.close()
    with pytest.raises(UsageError, match="the connection to DuckDB is closed"):
        open_bank(connection)


@pytest.mark.parametrize("held", ["files", "frames"])
def test_a_lacking_column_hides_no_fault_of_the_others(held: str, tiny_bank: TinyBank) -> None:
    """Every problem at once: what a table lacks, and what is wrong in the cells it has."""
    lacking = CUSTOMERS.replace(",branch_id,", ",office,").replace(",70000.00,70000", ",-7,70000")
    folder = tiny_bank(customers=lacking)
    with pytest.raises(BankDataError) as caught:
        open_bank(folder if held == "files" else as_frames(folder))
    problems = [(p.table, p.column, p.what, p.rows) for p in caught.value.problems]
    assert problems == [
        ("customers", "branch_id", "column is missing", 0),
        ("customers", "aum_period_end", "less than 0", 1),
    ]
