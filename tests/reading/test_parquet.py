"""Parquet columns of other types than the contract's: read by the same rules, or refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.errors import BankDataError
from tests.tiny_bank import TinyBank

UNIT = '[tables.customers]\nunit = "万元"\n'
MANAGERS = "manager_id,branch_id,role\nM1,001,counter\n"
CONTACTS = "customer_id,manager_id,contacted_on,channel,outcome\nC1,M1,2026-09-01,phone,sale\n"
_UNSTATED = '[tables.customers.codes.gender]\n"9" = ""\n"1" = "male"\n'
READ = [
    ("aum_period_end", "'1,000.00'", "", Decimal(1000)),
    ("aum_period_end", "encode('1000.00')", "", Decimal(1000)),
    ("aum_period_end", "1000::DECIMAL(38,10)", "", Decimal(1000)),
    ("aum_period_end", "0.1::DOUBLE", UNIT, Decimal(1000)),
    ("aum_average_quarter", "0.1::DECIMAL(28,6)", UNIT, Decimal(1000)),
    ("aum_average_month", "12::BIGINT", UNIT, Decimal(120_000)),
    ("last_active_on", "20260601", "", date(2026, 6, 1)),
    ("last_active_on", "DATE '9999-12-31'", "", None),
    ("last_active_on", "DATE 'infinity'", "", None),
    ("last_active_on", "DATE '0001-01-01'", "", None),
    ("last_active_on", "DATE '1900-01-01'", "", None),
    ("last_active_on", "TIMESTAMP '9999-12-31'", "", None),
    ("aum_average_quarter", "12.5::FLOAT", "", Decimal("12.50")),
    ("household_id", "17::DECIMAL(20,4)", "", "17"),
    ("groups", "['women', 'seniors']", "", "women;seniors"),
    ("groups", "encode('women，seniors')", "", "women;seniors"),
    ("groups", "'women;seniors'", "", "women;seniors"),
    ("groups", "'women;;seniors'", "", "women;seniors"),
    ("groups", "'women, seniors;'", "", "women;seniors"),
    ("groups", "'women;-;N/A'", "", "women;-;N/A"),
    ("groups", "'--'", "", None),
    ("gender", "' male'", "", "male"),
    ("gender", "''", "", None),
    ("gender", "'male'", '[tables.customers]\nnull = ["male"]\n', None),
    ("gender", "9", _UNSTATED, None),
    ("gender", "9.0::DOUBLE", _UNSTATED, None),
    ("gender", "1", _UNSTATED, "male"),
    ("household_id", "17::DOUBLE", "", "17"),
    ("household_id", "'NULL'", "", None),
    ("profile_complete", "1", "", True),
]
REFUSED = [
    ("last_active_on", "DATE '0026-06-01'", "a year before 1900 or after 2199"),
    ("last_active_on", "TIMESTAMP '0202-06-01'", "a year before 1900 or after 2199"),
    ("last_active_on", "TIME '10:00'", "not a date"),
    ("aum_period_end", "271828.18::FLOAT", "an amount in 32 bits, which have lost its cents"),
    ("household_id", "{'a': 1}", "a value of a type that is no text"),
    ("household_id", "DATE '2026-06-01'", "a value of a type that is no text"),
    ("household_id", "17.5::DECIMAL(20,4)", "a number with decimals, or of more than 15 digits"),
    ("person_id", "17.5::DOUBLE", "a number with decimals, or of more than 15 digits"),
    ("person_id", "1e15::DOUBLE", "a number with decimals, or of more than 15 digits"),
    ("person_id", "'\\xC3\\x28'::BLOB", "bytes that are not text in UTF-8"),
    ("profile_complete", "2", "neither true nor false"),
    ("gender", "'other'", "unknown gender"),
    ("aum_period_end", "NULL::DECIMAL(18,2)", "the cell is empty"),
    ("aum_period_end", "-1::DECIMAL(18,2)", "less than 0"),
    ("birth_date", "DATE '2100-01-01'", "later than as_of"),
]


@pytest.fixture(params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read every bank as a small one, and as one whose columns are each asked alone."""
    if request.param == "large":
        monkeypatch.setattr("stockcust_analysis.bank.folder._LARGE", 0)


Case = tuple[str, str, str, object]
ROWS = 7


def banks(cases: Iterable[Case], most: int) -> list[list[Case]]:
    """Share the cases out to as few banks as have one mapping, and each column in one type.

    Of a column at most so many values stand in one bank, a row each.
    """
    shared: list[list[Case]] = []
    for case in cases:
        fitting = (bank for bank in shared if bank[0][2] == case[2] and fits(case, bank, most))
        bank = next(fitting, None)
        if bank is None:
            shared.append(bank := [])
        bank.append(case)
    return shared


def fits(case: Case, bank: list[Case], most: int) -> bool:
    """Return whether a column of a bank may hold one value more."""
    own = [sql for column, sql, *_ in bank if column == case[0]]
    kinds = {str(duckdb.sql(f"SELECT {sql}").types[0]) for sql in [*own, case[1]]}
    return len(own) < most and (not own or len(kinds) == 1)


def deliver(folder: Path, cases: Iterable[Case], mapping: str = "") -> Path:
    """Replace the customers by Parquet, some of whose columns hold values of SQL in turn."""
    values: dict[str, list[str]] = {}
    for column, sql, *_ in cases:
        values.setdefault(column, []).append(sql)
    rows = duckdb.read_csv(str(folder / "customers.csv"), all_varchar=True)
    kept = [name for name in rows.columns if name not in values]
    made = (
        f"list_value({', '.join(some)})[1 + n % {len(some)}] AS {column.upper()}"
        for column, some in values.items()
    )
    numbered = rows.project("*, row_number() OVER () - 1 AS n")
    numbered.project(", ".join([*kept, *made])).write_parquet(str(folder / "customers.parquet"))
    (folder / "customers.csv").unlink()
    if mapping:
        (folder / "mapping.toml").write_text(mapping, encoding="utf-8")
    return folder


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("bank", banks(READ, most=ROWS), ids=lambda bank: bank[0][1] + bank[0][2])
def test_a_column_of_another_type_is_read(tiny_bank: TinyBank, bank: list[Case]) -> None:
    """Text, bytes, lists and numbers of other types have the value that they write."""
    values: dict[str, list[object]] = {}
    for column, *_, expected in bank:
        values.setdefault(column, []).append(expected)
    with open_bank(deliver(tiny_bank(), bank, bank[0][2])) as opened:
        for column, some in values.items():
            cells = [row for (row,) in opened.table("customers").project(column).fetchall()]
            assert cells == [some[row % len(some)] for row in range(ROWS)], column


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize(
    "bank",
    banks(((column, value, "", expected) for column, value, expected in REFUSED), most=1),
    ids=lambda bank: bank[0][1],
)
def test_a_column_that_cannot_be_read_is_refused(tiny_bank: TinyBank, bank: list[Case]) -> None:
    """The error names columns and rows, and what is wrong."""
    with pytest.raises(BankDataError) as caught:
        open_bank(deliver(tiny_bank(), bank))
    found = sorted(map(str, caught.value.problems))
    assert len(found) == len(bank)
    for column, _, _, expected in bank:
        problem = f"customers.{column}: 7 rows (first: 2, 3, 4): {expected}"
        assert sum(text.startswith(problem) for text in found) == 1, problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ({"customers": "skip_rows = 1"}, "the mapping says how text is read, and"),
        ({"customers": 'as_of = "file name"'}, "the name of customers.parquet holds no day"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(
    tiny_bank: TinyBank, text: Mapping[str, str], expected: str
) -> None:
    """What the mapping says of a file is never passed over."""
    mapping = "".join(f"[tables.{name}]\n{line}\n" for name, line in text.items())
    with pytest.raises(BankDataError, match=expected):
        open_bank(deliver(tiny_bank(), [("household_id", "'1'", "", "1")], mapping))


def test_rows_delivered_again_in_another_kind_of_file_are_named(tiny_bank: TinyBank) -> None:
    """Contacts have no key: a file with the rows of another is found by its rows."""
    folder = tiny_bank(managers=MANAGERS)
    (folder / "contacts_1.csv").write_text(CONTACTS)
    duckdb.read_csv(str(folder / "contacts_1.csv")).write_parquet(
        str(folder / "contacts_2.parquet")
    )
    with pytest.raises(BankDataError) as caught:
        open_bank(folder)
    assert "contacts: 1 row: contacts_2.parquet holds the rows of contacts_1.csv again" in str(
        caught.value
    )
    more = CONTACTS + "C2,M1,2026-09-02,phone,sale\n"
    (folder / "contacts_1.csv").write_text(more)
    with pytest.raises(BankDataError) as caught:
        open_bank(folder)
    assert "contacts: 1 row: contacts_2.parquet holds the rows of contacts_1.csv again" in str(
        caught.value
    )
    (folder / "contacts_1.csv").write_text(more.replace("C1", "C3"))
    with open_bank(folder) as bank:
        assert bank.rows("contacts") == 3


def test_files_that_share_rows_are_not_delivered_again(tiny_bank: TinyBank) -> None:
    """Of large files a part of the rows is compared first; one row of its own makes a file new."""
    folder = tiny_bank(managers=MANAGERS)
    rows = "range({}, {}) AS days(n)"
    contact = "'C1' AS customer_id, 'M1' AS manager_id, DATE '2020-01-01' + n::INT AS contacted_on"
    for number, (first, end) in enumerate([(0, 900), (1, 901), (0, 300)], start=1):
        sql = f"SELECT {contact}, 'phone' AS channel, 'sale' AS outcome FROM {rows}"
        duckdb.sql(sql.format(first, end)).write_parquet(f"{folder}/contacts_{number}.parquet")
    with pytest.raises(BankDataError) as caught:
        open_bank(folder)
    again = "holds the rows of contacts_1.parquet again, and nothing else. Keep one."
    assert [*map(str, caught.value.problems)] == [f"contacts: 300 rows: contacts_3.parquet {again}"]


def test_a_damaged_page_is_the_files_fault(tiny_bank: TinyBank) -> None:
    """A footer that is whole and pages that are not end in no error of the engine."""
    folder = tiny_bank()
    path = folder / "customers.parquet"
    rows = duckdb.sql(f"SELECT * FROM read_csv('{folder}/customers.csv', all_varchar=true)")
    rows.write_parquet(str(path))
    (folder / "customers.csv").unlink()
    content = bytearray(path.read_bytes())
    content[10:60] = b"\xff" * 50
    path.write_bytes(content)
    with pytest.raises(BankDataError, match=r"1\. customers: customers.parquet cannot be read: it"):
        open_bank(folder)


def test_two_columns_of_one_name_are_a_problem(tiny_bank: TinyBank) -> None:
    """DuckDB gives the second another name; a column that is called so is none."""
    folder = tiny_bank()
    path = folder / "branches.parquet"
    (folder / "branches.csv").rename(folder / "x.txt")
    rows = duckdb.sql(f"SELECT *, name AS name_1 FROM read_csv('{folder}/x.txt', all_varchar=true)")
    rows.write_parquet(str(path))
    open_bank(folder).close()
    path.write_bytes(path.read_bytes().replace(b"name_1", b"region"))
    with pytest.raises(BankDataError, match=r"branches\.parquet has two columns called 'region'"):
        open_bank(folder)


def test_columns_of_folders_keep_their_zeros(tiny_bank: TinyBank) -> None:
    """Days and branches that stand in names of folders alone are read as any text."""
    folder = tiny_bank()
    options = "FORMAT parquet, PARTITION_BY (as_of, branch_id)"
    duckdb.sql(
        f"COPY (FROM read_csv('{folder}/customers.csv', all_varchar=true)) TO '{folder}/by_day' "
        f"({options})"
    )
    (folder / "customers.csv").unlink()
    (folder / "mapping.toml").write_text('[tables.customers]\nfile = "by_day/*/*/*.parquet"\n')
    with open_bank(folder) as bank:
        rows = bank.table("customers").df()
    assert {*rows["branch_id"]} == {"001", "002"}
    assert rows["aum_period_end"].sum() == 142_701.25


def test_a_name_that_begins_another_is_not_read_with_it(tiny_bank: TinyBank) -> None:
    """Of headers that may be in Hive's 000000_0, unread, nothing is said beside 000000_0_copy_1."""
    folder = tiny_bank()
    (folder / "branches").mkdir()
    rows = f"SELECT branch_id, name FROM read_csv('{folder}/branches.csv', all_varchar=true)"
    duckdb.sql(rows).write_parquet(str(folder / "branches" / "000000_0_copy_1"))
    (folder / "branches" / "000000_0").write_bytes(b"PAR1")
    (folder / "branches.csv").unlink()
    mapping = '[tables.branches]\nfile = "branches/*"\ncolumns = { "大区" = "region" }\n'
    (folder / "mapping.toml").write_text(mapping, encoding="utf-8")
    with pytest.raises(BankDataError, match="branches: 000000_0 cannot be read") as caught:
        open_bank(folder)
    assert "大区" not in str(caught.value)


def test_files_without_an_ending_are_read_as_what_they_are(tiny_bank: TinyBank) -> None:
    """Hive calls its Parquet files 000000_0: one line of the mapping names all of a table's."""
    folder = tiny_bank()
    for day in ("2026-06-30", "2026-09-30"):
        place = folder / "customers" / f"dt={day}"
        place.mkdir(parents=True)
        rows = f"FROM '{folder}/customers.csv' WHERE as_of = DATE '{day}'"
        duckdb.sql(rows).write_parquet(str(place / "000000_0"))
    (folder / "customers.csv").unlink()
    with pytest.raises(BankDataError) as caught:
        open_bank(folder)
    said = [text for text in map(str, caught.value.problems) if "000000_0" in text]
    assert len(said) == 1 and 'file = "customers/*/*"' in said[0]
    mapping = '[tables.customers]\nfile = "customers/*/*"\n'
    (folder / "mapping.toml").write_text(mapping, encoding="utf-8")
    with open_bank(folder) as bank:
        assert bank.customers_frame("2026Q3").shape[0] == 4
    (folder / "customers" / "dt=2026-09-30" / "000000_0").write_bytes(b"PAR1 and no more")
    with pytest.raises(BankDataError, match="dt=2026-09-30/000000_0 cannot be read: it is damaged"):
        open_bank(folder)
