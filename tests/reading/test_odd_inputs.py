"""Odd inputs as banks deliver them: the clean bank, one clear error, or a named warning."""

from __future__ import annotations

import gzip
import re
import tarfile
import warnings
from collections.abc import Mapping
from decimal import Decimal
from io import BytesIO

import duckdb
import narwhals.stable.v2 as nw
import pandas as pd
import polars as pl
import pytest

from stockcust_analysis.bank.contract import table
from stockcust_analysis.bank.conversion import (
    frame_reading,
    sql_reading,
    with_plain_types,
    with_steps,
)
from stockcust_analysis.bank.doubts import text_tests
from stockcust_analysis.bank.grammar import TOTALS
from stockcust_analysis.bank.headers import match_headers
from stockcust_analysis.bank.mapping import TableMapping
from stockcust_analysis.bank.problems import Problem
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.core.frames import collect_rows
from stockcust_analysis.errors import BankDataError
from tests.reading.test_text_files import CONTACTS, IN_TAIWAN, MANAGERS, deliver, lines
from tests.tiny_bank import BRANCHES, CUSTOMERS, HOLDINGS, TinyBank, together

Files = Mapping[str, str | bytes]
HEAD, *ROWS = BRANCHES.splitlines()
WIDE_HEAD, *WIDE_ROWS = CUSTOMERS.splitlines()
PAIR = ("C1,M1,2026-09-01,phone,sale", "C2,M1,2026-09-02,visit,none")
DAMAGED = "question marks or letters such as Ã"
AS_MARKUP = "characters written as for web pages or programs"
IN_PLACE = "#REF!, ####, *** or a formula in place of a value"
TOTAL = "a total (合计, 全行) where a name belongs"
TOTAL_LINE = "total lines (合计) in branches.csv"
FORM = "more or fewer cells than the header's 4"
RARE = "branches.csv is neither UTF-8 nor GB18030/GBK: read so, most characters are rare"
CONTROL = "control characters (NUL and the like) or a line break"
HIDDEN = "may hold this table, and is not read"
EMPTY = "looks like this table's, and is not read: the folder is empty"


def named(name: str) -> Files:
    """Return branches of which one has another name."""
    return {"branches.csv": BRANCHES.replace("城关支行", name)}


def parted(separator: str) -> Files:
    """Return branches with something else between cells."""
    return {"branches.csv": BRANCHES.replace(",", separator)}


def ending(*rows: str) -> Files:
    """Return branches with further lines."""
    return {"branches.csv": BRANCHES + lines(*rows)}


def with_column(header: str, *cells: str) -> Files:
    """Return customers with one more column."""
    rows = (f"{row},{cell}" for row, cell in zip(WIDE_ROWS, cells * 7, strict=False))
    return {"customers.csv": lines(f"{WIDE_HEAD},{header}", *rows)}


def renumbered(*numbers: str) -> Files:
    """Return customers and holdings under other numbers."""
    tables = {"customers.csv": CUSTOMERS, "holdings.csv": HOLDINGS}
    for index, number in enumerate(numbers, start=1):
        tables = {name: text.replace(f"C{index}", number) for name, text in tables.items()}
    return tables


def archive(name: str, content: bytes) -> bytes:
    """Return an archive of tar that holds one file."""
    entry, packed = tarfile.TarInfo(name), BytesIO()
    entry.size = len(content)
    with tarfile.open(fileobj=packed, mode="w") as file:
        file.addfile(entry, BytesIO(content))
    return packed.getvalue()


def contacts(*rows: str) -> str:
    """Return contacts as a file."""
    return CONTACTS + lines(*rows)


TEXTS = {"branches": BRANCHES, "customers": CUSTOMERS, "holdings": HOLDINGS}
KEYS = ("branches.branch_id", "customers.as_of", "holdings.as_of")
WIDE = ("utf-32", "utf-32-le", "utf-32-be")
PACKED = {
    "targets": "zip",
    "transactions": "bz2",
    "ledger": "zst",
    "managers": "7z",
    "customer_moves": "rar",
}
PLANS = "branch_id,quarter,measure,target\n"
WITHOUT_ZEROS = {
    "customers.csv": re.sub(r"\bC(?=\d)", "", CUSTOMERS),
    "holdings.csv": re.sub(r"\bC(?=\d)", "00", HOLDINGS),
    "managers.csv": MANAGERS,
    "contacts.csv": re.sub(r"\bC(?=\d)", "00", contacts(*PAIR)),
}


def mojibake(text: str) -> str:
    """Return what Chinese in UTF-8 becomes when it is read as GBK."""
    return text.encode().decode("gb18030", "replace")


REFUSED: dict[str, tuple[Files, *tuple[str, ...]]] = {
    **{
        f"separators {marks!r}": (
            {
                f"{name}.csv": text.replace(",", mark)
                for (name, text), mark in zip(TEXTS.items(), marks, strict=False)
            },
            *(f"{name}: column is missing" for name, _ in zip(KEYS, marks, strict=False)),
        )
        for marks in ((" ", "，", "、"), ("\x1e", "\x02", "^|"), ("!|",))
    },
    **{
        f"ending {row!r}": (ending(row), what)
        for row, what in {
            "合计,2,,": TOTAL_LINE,
            "一支行合计,2,urban,1": "by its text under 'branch_id', which may hold a name",
            "B3 Total,2,,1": TOTAL_LINE,
            ",合计,2,": 'such as { "name" = ["合计"] }',
            "小计,2,,\n合计,2,,\n一支行小计,1,,": '{ "branch_id" = ["小计", "合计", "…"] }',
            "其中：东区,1,,": TOTAL_LINE,
            "TRAILER,2,,": TOTAL_LINE,
            "总记录数：2,,,": TOTAL_LINE,
            "制表人：某,,,": TOTAL_LINE,
            ",,合计,2": TOTAL_LINE,
            ",说明：见附件,,": TOTAL_LINE,
            "rows=2": FORM,
            "EOF": FORM,
            "小计": 'such as { "branch_id" = ["小计"] }',
            "(2 rows)": FORM,
            "\n2 rows selected.": FORM,
            "\x1a": FORM,
            "\0\0": FORM,
            "制表人：某": FORM,
            "003,石桥支行,东区": FORM,
            "003,石桥支行,东区,county,x": FORM,
        }.items()
    },
    **{
        f"lines that end in {ends!r}": (
            {
                f"{name}.csv": text.replace("\n", end).replace("001", "008871234500")
                for (name, text), end in zip(TEXTS.items(), ends, strict=False)
            },
            *(
                f"the lines of {name}.csv end in U+{ord(end):04X}. Export it again"
                for name, end in zip(TEXTS, ends, strict=False)
            ),
        )
        for ends in ("\x0b\x0c\x1c", "\x1d\x1e\x85", "\u2028\u2029")
    },
    "UTF-32": (
        {
            f"{name}.csv": text.encode(form)
            for (name, text), form in zip(TEXTS.items(), WIDE, strict=True)
        },
        *(f"{name}.csv is in UTF-32" for name in TEXTS),
    ),
    "HZ": ({"branches.csv": BRANCHES.encode("hz")}, "branches.csv is in HZ"),
    "UTF-7": ({"branches.csv": BRANCHES.encode("utf-7")}, "branches.csv is in UTF-7"),
    "Big5": (
        {"branches.csv": IN_TAIWAN.encode("big5")},
        RARE,
    ),
    "Shift JIS": (
        {"branches.csv": BRANCHES.translate(str.maketrans("关树东", "関樹東")).encode("shift_jis")},
        RARE,
    ),
    "UTF-16 without its mark": (
        {"branches.csv": BRANCHES.encode("utf-16-le")},
        "branches.csv is neither UTF-8 nor GB18030/GBK in these rows",
    ),
    "UTF-8 twice": ({"branches.csv": BRANCHES.encode().decode("latin-1").encode()}, DAMAGED),
    "text called Parquet": (
        {"targets.parquet": "x"},
        "targets.parquet cannot be read: it is damaged, or not what its name says",
    ),
    "text called Excel": (
        {"targets.xlsx": "x"},
        "targets.xlsx cannot be read as an Excel workbook",
    ),
    "a web page called Excel": (
        {"targets.xls": "<table><tr><td>branch_id</td></tr></table>"},
        "targets.xls cannot be read as an Excel workbook",
    ),
    "lines of JSON": (
        {"customers.csv": '{"as_of": "2026-09-30", "customer_id": "C1", "branch_id": "001"}\n'},
        "customers.csv is JSON, and no table of text. Export it as CSV.",
    ),
    "an array of JSON": (
        {"branches.csv": '[\n  {"branch_id": "001", "name": "城关支行"}\n]\n'},
        "branches.csv is JSON, and no table of text",
    ),
    "an archive called packed text": (
        {"targets.csv.gz": gzip.compress(archive("targets.csv", b"branch_id,quarter\n"))},
        "targets.csv.gz is no text, but packed or made by another program. Unpack it",
    ),
    "text called packed": ({"targets.csv.gz": "x"}, "targets.csv.gz cannot be read"),
    "packed by other programs": (
        {f"{name}.csv.{end}": "x" for name, end in PACKED.items()},
        *(f"{name}: '{name}.csv." for name in PACKED),
    ),
    **{
        f"hidden {names}": (
            dict.fromkeys(names, "x"),
            *(f"'{name}' {HIDDEN}" for name in names),
        )
        for names in ((".targets.csv", "_transactions.csv", ".ledger.parquet"), ("_targets.csv",))
    },
    "an empty folder": ({"targets/_SUCCESS": "0"}, EMPTY),
    "an empty folder called as a file": ({"transactions.csv/_SUCCESS": "0"}, EMPTY),
    "an empty file": ({"targets.csv": "\ufeff"}, "targets.csv is empty"),
    "a unit above, in English": (
        {"customers.csv": f"Unit: CNY 10,000\n{CUSTOMERS}"},
        "a line above the header of customers.csv states amounts in",
    ),
    "a month within a quarter": (
        {
            "managers.csv": MANAGERS,
            "contacts_2026Q3.csv": contacts(*PAIR),
            "contacts_202609.csv": contacts(PAIR[1]),
        },
        "contacts: 1 row: contacts_202609.csv holds the rows of contacts_2026Q3.csv again",
    ),
    "groups within groups": (
        with_column(
            "groups",
            *(
                '"' + cell.replace('"', '""') + '"'
                for cell in (
                    '[["代发"],["社保"]]',
                    '["代发", ["社保"]]',
                    '{{"a"},{"b"}}',
                    '[{"code": "a"}]',
                )
            ),
        ),
        "customers.groups: 7 rows (first: 2, 3, 4): a list within a list",
    ),
    **{
        f"a customer called {name}": (
            {"customers.csv": CUSTOMERS + f"2026-09-30,{name},001,personal,,,9.00,9.00\n"},
            f"customers.customer_id: 1 row (first: 9): {TOTAL}",
        )
        for name in ("总计", "TOTAL")
    },
    "accounts that Excel rounded": (
        {"holdings.csv": re.sub(",A.,", ",6222021234567890000,", HOLDINGS)},
        "holdings: 5 rows (first: 4, 8): the key (as_of, account_id) occurs twice. Most end in "
        "zeros from the 16th digit on, as a spreadsheet writes long numbers: export the column",
    ),
    "customers without their zeros": (
        WITHOUT_ZEROS,
        "1 problem in 1 table of '",
        "customers.customer_id: none of its values is in holdings.customer_id, "
        "contacts.customer_id. Deliver all of them as text",
    ),
    **{
        f"the customer {name}": (
            {"customers.csv": CUSTOMERS + f"2026-09-30,{name},001,personal,,,9.00,9.00\n"},
            f"customers.customer_id: 1 row (first: 9): {TOTAL}",
        )
        for name in ("一支行合计", "001_TOTAL", "共计3户")
    },
    "a manager who is a sum": (
        {"managers.csv": MANAGERS.replace("M1", "001小计")},
        "managers: 1 row (first: 2): total lines (合计) in managers.csv",
    ),
    "an account called 合计": (
        {"holdings.csv": HOLDINGS + "2026-09-30,合计,C1,demand_deposit,9.00\n"},
        f"holdings.account_id: 1 row (first: 9): {TOTAL}",
    ),
    "groups parted otherwise": (
        with_column("groups", *(f"women{mark}farmers" for mark in "/:\\")),
        "customers.groups: 7 rows (first: 2, 3, 4): a / or : or \\, which part no entries",
    ),
    "a plan of no measure": (
        {"targets.csv": PLANS + "001,2026Q3,aum_avarage_quarter,1\n"},
        "targets.measure: 1 row (first: 2): unknown measure. Write a name of the codebook: custom",
        "Did you mean 'aum_average_quarter'",
    ),
    "a plan with more due than all": (
        {"targets.csv": PLANS.replace("target", "target,phased_share") + "001,2026Q3,gini,1,75\n"},
        "targets.phased_share: 1 row (first: 2): more than 1. A share of 75 % is 0.75.",
    ),
    "a plan with another word for what is due": (
        {"targets.csv": PLANS.replace("target", "target,phased") + "001,2026Q3,gini,1,1\n"},
        "targets.phased_share: optional column is absent, but a header looks like it",
    ),
    "dashes below the header": (
        {"branches.csv": lines(HEAD, "---,---,---,---", *ROWS)},
        "branches.type: 1 row (first: 2): unknown type",
    ),
}
LOST_ZEROS = [999, *range(98_765, 9_999_999, 98_765)]
"""Some hundred numbers that had seven digits, of which nine in ten still have."""
WARNED: dict[str, tuple[Files, str]] = {
    "numbers of which a few have lost many zeros": (
        {
            "customers.csv": lines(
                CUSTOMERS.partition("\n")[0],
                *(f"2026-09-30,{n},001,personal,2020-01-05,,1.00,1.00" for n in LOST_ZEROS),
            ),
            "holdings.csv": lines(
                HOLDINGS.partition("\n")[0],
                *(f"2026-09-30,A{n},{n},demand_deposit,1.00" for n in LOST_ZEROS),
            ),
        },
        "customers.customer_id: numbers of 3 to 7 digits, none of which begins with 0",
    ),
    "amounts that a null mark empties": (
        {
            **with_column("loan_balance", "9", "0", "9.00", "", "-", "9", "12"),
            "mapping.toml": '[tables.customers]\nnull = ["9", "无"]\n',
        },
        "customers.loan_balance: 2 rows: '9' counts as empty here, too",
    ),
    "flags that a null mark empties": (
        {
            **with_column("do_not_contact", "1", "0", "1", "y", "", "true", "1"),
            "mapping.toml": '[tables.customers]\nnull = ["1", "-1"]\n',
        },
        "customers.do_not_contact: 3 rows: '1' counts as empty here, too",
    ),
    "numbers without zeros": (
        renumbered("1234567", "12345678", "87654321", "7654321"),
        "customers.customer_id: numbers of 7 to 8 digits, none of which begins with 0",
    ),
    "numbers written as amounts are": (
        renumbered("12345.0", "12346.0", "12347.0", "12348.0"),
        "customers.customer_id: numbers written as amounts are (12345.0, 1.2e9)",
    ),
    "numbers written as large amounts are": (
        renumbered("1.23457e11", "12346", "12347", "12348"),
        "customers.customer_id: numbers written as amounts are (12345.0, 1.2e9)",
    ),
    "a customer in small letters": (
        {"customers.csv": CUSTOMERS + CUSTOMERS.splitlines()[-1].replace("C4", "c4") + "\n"},
        "customers.customer_id: 1 differ from others in upper and lower case alone",
    ),
    "an account in small letters": (
        {"holdings.csv": HOLDINGS + "2026-09-30,a4,C4,loan,5000.00\n"},
        "holdings.account_id: 1 differ from others in upper and lower case alone",
    ),
    "numbers that Excel rounded": (
        renumbered(*(f"62220212345678{n}0000" for n in range(1, 5))),
        "customers.customer_id: numbers that end in zeros from the 16th digit on, in 7 rows",
    ),
    "accounts that Excel rounded": (
        {"holdings.csv": HOLDINGS.replace(",A", ",62220212345678").replace(",C", "000,C")},
        "holdings.account_id: numbers that end in zeros from the 16th digit on, in 7 rows",
    ),
    "a year of another century": (
        {
            "customers.csv": CUSTOMERS
            + "2062-09-30,C1,001,personal,2020-01-05,2062-09-01,1.00,1.00\n",
            "holdings.csv": HOLDINGS + "2062-09-30,A1,C1,demand_deposit,1.00\n",
        },
        "customers.as_of: 2062-09-30 lies 36 years after 2026-09-30",
    ),
    "one day, of another century": (
        {
            name: text.replace("2026-09-30", "2062-09-30").replace("2026-06-30", "2062-06-30")
            for name, text in {"customers.csv": CUSTOMERS, "holdings.csv": HOLDINGS}.items()
        },
        "customers.as_of: nobody was active within two years before 2062-09-30",
    ),
    "a day with which systems begin": (
        {"customers.csv": CUSTOMERS.replace("2026-05-20", "1970-01-01")},
        "customers.last_active_on: some are 1970-01-01, with which systems begin to count",
    ),
    "a day without holdings": (
        {"holdings.csv": lines(HOLDINGS.splitlines()[0], *HOLDINGS.splitlines()[4:])},
        "customers.as_of: no holdings of 2026-06-30",
    ),
    "a ledger of another day": (
        {"ledger.csv": "branch_id,as_of,product,balance\n001,2026-03-31,loan,1\n"},
        "ledger.as_of: no customers of 2026-03-31",
    ),
    "a quarter between two that are there": (
        {
            "customers.csv": CUSTOMERS + "2025-12-31,C2,001,personal,2019-03-01,,250.50,250.50\n",
            "holdings.csv": HOLDINGS + "2025-12-31,A2,C2,demand_deposit,250.50\n",
        },
        "customers.as_of: no 2026Q1 between 2025Q4 and 2026Q2. Deliver it",
    ),
    "a ledger without a quarter between two": (
        {
            "customers.csv": CUSTOMERS + "2026-03-31,C2,001,personal,2019-03-01,,250.50,250.50\n",
            "holdings.csv": HOLDINGS + "2026-03-31,A2,C2,demand_deposit,250.50\n",
            "ledger.csv": "branch_id,as_of,product,balance\n001,2026-03-31,demand_deposit,250.50\n"
            "001,2026-09-30,demand_deposit,1450.75\n",
        },
        "ledger.as_of: none of 2026-06-30, within the quarters there. Deliver them",
    ),
    "a row twice": (
        {"managers.csv": MANAGERS, "contacts.csv": contacts(*PAIR, PAIR[0])},
        "contacts: 1 rows are the same as another in every column",
    ),
    "a row in two files": (
        {
            "managers.csv": MANAGERS,
            "contacts_1.csv": contacts(*PAIR),
            "contacts_2.csv": contacts(PAIR[0], PAIR[1].replace("none", "sale")),
        },
        "contacts: 1 rows are the same as another in every column",
    ),
    "files that hold no rows": (
        {"managers.csv": MANAGERS, "contacts_1.csv": CONTACTS, "contacts_2.csv": CONTACTS},
        "contacts hold no row up to 2026-09-30: deliver them, or take the file away",
    ),
    "a column without a header": (
        with_column("", "1990-01-01"),
        "customers.csv: 7 rows have cells without a header, left out",
    ),
    "a file without a column": (
        {
            "customers.csv": b"",
            "customers_1.csv": with_column("loan_balance", "1")["customers.csv"].split(
                "2026-09-30"
            )[0],  # type: ignore[arg-type]
            "customers_2.csv": lines(WIDE_HEAD, *WIDE_ROWS[3:]),
        },
        "customers_2.csv: no loan_balance, which other files of customers have",
    ),
}


@pytest.mark.parametrize(
    "cases",
    together(
        {case: files for case, (files, *_) in REFUSED.items()},
        # That rows are repeated is looked at where all tables can be read.
        lambda case: REFUSED[case][1].startswith("1 problem") or "month" in case,
    ),
    ids=lambda cases: ascii(", ".join(cases)),
)
def test_an_odd_input_is_refused_with_its_reason(tiny_bank: TinyBank, cases: list[str]) -> None:
    """The one error says what and where, and names no customer and no engine's exception."""
    folder = tiny_bank()
    for case in cases:
        deliver(folder, REFUSED[case][0], "")
    with pytest.raises(BankDataError) as caught:
        open_bank(folder)
    message = str(caught.value)
    expected = (what for case in cases for what in REFUSED[case][1:])
    assert [what for what in expected if what not in message] == []
    for word in ("Exception", "Error", "C1", "C2", "1200", "70000"):
        assert word not in message


def test_a_part_of_what_is_counted_from_one_is_not_doubted(tiny_bank: TinyBank) -> None:
    """Five hundred of twelve million: the longest begin with 1, and no zeros are lost."""
    some = range(12_345, 12_000_000, 23_456)
    people = (f"2026-09-30,{n},001,personal,2020-01-05,,1.00,1.00" for n in some)
    held = (f"2026-09-30,A{n},{n},demand_deposit,1.00" for n in some)
    files = {
        "customers.csv": lines(CUSTOMERS.partition("\n")[0], *people),
        "holdings.csv": lines(HOLDINGS.partition("\n")[0], *held),
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_bank(deliver(tiny_bank(), files, "")).close()
    assert not any("begins with 0" in str(warning.message) for warning in caught)


@pytest.mark.parametrize(
    "numbers", [("7", "12345678", "1234567", "87654321"), ("1", "2", "3", "9")]
)
def test_numbers_that_lost_no_zeros_are_not_doubted(
    tiny_bank: TinyBank, numbers: tuple[str, ...]
) -> None:
    """Seven zeros are not lost by one of seven rows, and small numbers are counted from 1."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_bank(deliver(tiny_bank(), renumbered(*numbers), "")).close()
    assert not any("begins with 0" in str(warning.message) for warning in caught)


@pytest.mark.parametrize("marks", ['"-", "无"', '"-1", "1970-01-01"', '"8"'])
def test_marks_that_empty_no_value_are_not_doubted(tiny_bank: TinyBank, marks: str) -> None:
    """A dash, what no column can mean by a minus or a day, and a mark that no cell holds."""
    files = with_column("loan_balance", "9", "-1", "无", "", "-", "0", "12")
    mapping = f'[tables.customers]\nnull = [{marks}, "无", "-1"]\n'
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_bank(deliver(tiny_bank(), files, mapping)).close()
    assert not any("counts as empty" in str(warning.message) for warning in caught)


def test_the_files_that_hold_total_lines_are_named(tiny_bank: TinyBank) -> None:
    """Those beside them that one scan reads are not; where several hold some, rows have a file."""
    head, *rows = BRANCHES.splitlines()
    names = ("branches_1.csv", "branches_2.csv", "branches_3.csv", "branches_4.csv")
    own = (rows[0], rows[1], "003,石桥支行,丙区,county", "004,青山支行,丙区,county")
    files = {name: lines(head, row) for name, row in zip(names, own, strict=True)}
    for name in names[1:3]:
        files[name] = files[name] + "合计,1,,\n"
    files["branches_4.csv"] = lines(head, own[3], "小计,1,2,3,4,5", "合计,1,,")  # cannot be read
    folder = deliver(tiny_bank(), files, "")
    (folder / "branches.csv").unlink()
    with pytest.raises(BankDataError) as caught:
        open_bank(folder)
    said = "total lines (合计) in branches_2.csv, branches_3.csv. Export without"
    rows_of = "branches: 2 rows (first: branches_2.csv:3, branches_3.csv:3): "
    assert rows_of + said in str(caught.value)
    files["branches_2.csv"] = lines(head, own[1])
    with pytest.raises(BankDataError, match=r"1 row \(first: 3\): .* in branches_3\.csv\. Export"):
        open_bank(deliver(folder, files, ""))
    files["branches_3.csv"] = lines(head, own[2])
    with pytest.raises(BankDataError, match=r"1 problem .*\n.* branches_4\.csv has more or fewer"):
        open_bank(deliver(folder, files, ""))


@pytest.mark.parametrize(("files", "expected"), WARNED.values(), ids=WARNED.keys())
def test_what_may_not_be_meant_is_one_warning(
    tiny_bank: TinyBank, files: Files, expected: str
) -> None:
    """What cannot be wrong for sure is read, and said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_bank(deliver(tiny_bank(), files, "")).close()
    assert any(str(warning.message).startswith(expected) for warning in caught)


def test_a_header_by_which_rows_are_dropped_is_read(tiny_bank: TinyBank) -> None:
    """Of seven accounts one is closed; the column that says so is none of those not read."""
    states = ("open", "open", "closed", "open", "open", "open", "open")
    head, *rows = HOLDINGS.splitlines()
    text = lines(f"{head},state,branch", *(f"{r},{s},1" for r, s in zip(rows, states, strict=True)))
    mapping = '[tables.holdings]\ndrop_rows_where = { " STATE" = ["closed"] }\n'
    with open_bank(deliver(tiny_bank(), {"holdings.csv": text}, mapping)) as bank:
        assert bank.rows("holdings") == 6
        assert bank.unread == {"holdings.csv": ["branch"]}


NAMES = {
    mojibake("城关支行"): DAMAGED,
    mojibake("城关营业部"): DAMAGED,
    mojibake("农村商业银行"): DAMAGED,
    mojibake("营业部"): DAMAGED,
    "城?支行": DAMAGED,
    "??支行": DAMAGED,
    "???": DAMAGED,
    "城□支行": DAMAGED,
    "城关支行■": DAMAGED,
    "城\ue5e5支行": DAMAGED,
    "³Ç¹ØÖ§ÐÐ": DAMAGED,
    "&#22478;关支行": AS_MARKUP,
    "&#x57CE;关支行": AS_MARKUP,
    "&#x57CE;": AS_MARKUP,
    "城关&nbsp;支行": AS_MARKUP,
    "City&amp;Gate": AS_MARKUP,
    r"\u57ce\u5173": AS_MARKUP,
    "%E5%9F%8E": AS_MARKUP,
    "~{3G9X~}": AS_MARKUP,
    "城关\n支行": CONTROL,
    "城关\r\n支行": CONTROL,
    "城关\t支行": CONTROL,
    "城关\x0b支行": CONTROL,
    "城关\u2028支行": CONTROL,
    "城关\x7f": CONTROL,
    "#REF!": IN_PLACE,
    "#VALUE!": IN_PLACE,
    "#NAME?": IN_PLACE,
    "########": IN_PLACE,
    "城**行": IN_PLACE,
    "6222********1234": IN_PLACE,
    "=VLOOKUP(A1)": IN_PLACE,
    "城关_x000D_": AS_MARKUP,
    "B001_x000D_": AS_MARKUP,
    "“城关支行”": AS_MARKUP,
    "城<br>关": AS_MARKUP,
    "城关\\\\支行": AS_MARKUP,
    "'城关支行'": AS_MARKUP,
    '"城关支行"': AS_MARKUP,
    "全行": TOTAL,
    "全行合计": TOTAL,
    "合计（万元）": TOTAL,
    "全辖": TOTAL,
    "合计": TOTAL,
    "Sum": TOTAL,
    "SUM": TOTAL,
    "trailer": TOTAL,
    "EOF": TOTAL,
    "Total:": TOTAL,
    "总 计": TOTAL,
    "总计：": TOTAL,
    "其中：城区": TOTAL,
    **dict.fromkeys(
        (
            *("一支行合计", "总行合计", "本支行合计", "以上合计", "各网点合计", "青禾农商行合计"),
            *(
                "B3小计",
                "B小计",
                "001 小 计",
                "三支行汇总",
                "【合计】",
                "（合计）",
                "《小计》",
                "合计：",
            ),
            *(
                "共计150户",
                "合计150户",
                "城关支行共150户",
                "城关支行合计（万元）",
                "一支行小计户数",
            ),
            *("--合计--", "网点平均", "B3 计数", "B3 Total", "B3_total", "B3-TOTAL", "B3Total"),
            *("Grand Total", "Subtotal", "b3 sub-total", "(TOTAL)", "Total of B3", "【全行】"),
        ),
        TOTAL,
    ),
    "1.2E+05": "number in scientific notation",
    "6.22202E+18": "number in scientific notation",
    # What is as it should be, though it looks odd.
    "城关支行": "",
    "合计镇支行": "",
    "合计镇支行营业部": "",
    "一汇总镇支行": "",
    "小计庄分理处": "",
    "总计划处支行": "",
    "城关统计支行": "",
    "王小计": "",
    "马 合计": "",
    "Totaltown": "",
    "Total Plaza": "",
    "Capitol": "",
    "Ada Sum": "",
    "全行通支行": "",
    "喆淼骉垚支行": "",
    "鍩桥支行": "",
    "淇滨区支行": "",
    "瑾瑜路支行": "",
    "溴水淇县联通营业厅": "",
    "城关\U0002000b支行": "",
    "Café Müller": "",
    "O'Hara's": "",
    "A<B": "",
    "A&B支行": "",
    "C&A; 100%": "",
    "#1 Branch": "",
    "Q&A?": "",
    "5*8": "",
    "R&D": "",
}


def judge(name: str) -> list[str]:
    """Return what is said of a branch's name, by reading and by the tests of text."""
    column = table("branches").column("name")
    plain, whole = (
        sql_reading(column, "cell", "VARCHAR", TableMapping(), trimmed=trimmed, zone="UTC")
        for trimmed in (False, True)
    )
    cells = with_steps("(SELECT ?::VARCHAR AS cell)", [whole])
    row = duckdb.execute(f"SELECT {plain.odd}, {whole.value} FROM {cells}", [name])
    is_odd, text = row.fetchall()[0]
    tests = text_tests(column, nw.col("name"), has_nul=True)
    frame = nw.from_native(pl.DataFrame({"name": [text]}))
    said = [test.what for test in tests if frame.select(test.wrong)["name"][0]]
    assert is_odd or not said
    return said


@pytest.mark.parametrize(("name", "expected"), NAMES.items(), ids=map(ascii, NAMES))
def test_a_name_is_text_or_its_fault(name: str, expected: str) -> None:
    """What cannot be a name has one reason, and rare characters have none."""
    said = judge(name)
    assert len(said) == bool(expected) and all(what.startswith(expected) for what in said)


HEADERS = {
    "birth_date": (
        "生日",
        "出生年月",
        "出生年月日",
        "DOB",
        "Birthday",
        "birth-date",
        "出生日期(公历)",
    ),
    "groups": ("标签", "客户标签", "分群", "客群标签", "group"),
    "gender": ("sex", "SEX", "性别代码"),
    "loan_balance": ("贷款", "贷款金额", "贷款余额(万元)", "loan balances"),
    "person_id": ("统一客户号", "自然人编号"),
    "household_id": ("户编号", "家庭编号", "household"),
    "aum_average_quarter": ("季日均", "aum_average_quarter(万元)", "季日均AUM(万元)"),
    "acquisition_channel": ("渠道", "获客渠道代码"),
    "do_not_contact": ("勿扰", "免打扰标志"),
}
NO_COLUMN = (
    "备注",
    "姓名",
    "贷款五级分类",
    "到期收益率",
    "渠道代码",
    "手机号",
    "证件号码",
    "身份证号",
    "ID_NO",
    "note",
    "serial",
    "序号",
)


OF_TABLES = {
    "customers.closed_on": "CLOSE_DATE close_dt 销户时间 关系终止日 cancel_date",
    "customers.loan_balance": "LOAN_AMT 贷款合计 贷款本金 授信余额 loans",
    "customers.do_not_contact": "DND_FLAG 不可营销 拒绝营销标志 黑名单 谢绝来电 是否免打扰",
    "customers.exclusion": "EXCL_REASON 剔除原因代码",
    "customers.aum_average_quarter": "AUM_QAVG 季均 季日均金融资产",
    "customers.aum_period_end": "AUM_BAL 时点 金融资产 总资产 管理资产余额 期末AUM",
    "customers.groups": "TAGS CUST_TAG",
    "holdings.matures_on": "MATURITY_DATE 止息日 到期时间 due_dt",
    "holdings.opened_on": "OPEN_DATE open_dt 起息日 购买日 开户时间",
    "holdings.average_balance": "AVG_BAL 季均余额",
    "branches.closed_on": "CLOSE_DT 停业日期 撤并时间",
    "managers.valid_to": "END_DT 离职日期 任职终止日 离任时间",
}


@pytest.mark.parametrize(
    ("column", "header"), [(name, h) for name, some in OF_TABLES.items() for h in some.split()]
)
def test_a_house_header_is_asked_about_in_every_table(column: str, header: str) -> None:
    """The words that `map` knows are no longer lost where there is no mapping."""
    name, _, optional = column.partition(".")
    (problem,) = complaints(header, name)
    assert (problem.column, header in problem.remedy) == (optional, True)


@pytest.mark.parametrize("header", ["CURR_CD", "CCY_CD", "CCY", "币种代码", "CURRENCY_CODE"])
def test_a_column_of_currencies_is_warned_of(header: str) -> None:
    """Amounts of other currencies would count as CNY."""
    with pytest.warns(UserWarning, match=f"'{header}' is not read, and every amount counts as CNY"):
        assert complaints(header, "holdings") == []


@pytest.mark.parametrize(
    "header", ["死亡标志", "是否死亡", "冻结标志", "是否员工", "staff_flag", "IS_DECEASED"]
)
def test_a_flag_of_whom_to_leave_out_is_warned_of(header: str) -> None:
    """A reason is what the contract has; a flag leaves nobody out, and stops nothing."""
    with pytest.warns(UserWarning, match=f"'{header}' is not read, and nobody is left out by it"):
        assert complaints(header) == []


def complaints(header: str, name: str = "customers") -> list[Problem]:
    """Return what is said of a table with the required headers and one more."""
    contract = table(name)
    headers = [[*contract.required_names, header]]
    return match_headers(contract, headers, TableMapping())[0]


@pytest.mark.parametrize(
    ("column", "header"), [(name, header) for name, some in HEADERS.items() for header in some]
)
def test_a_header_that_may_mean_a_column_is_asked_about(column: str, header: str) -> None:
    """An optional column that is there under another name is not taken for absent."""
    (problem,) = complaints(header)
    assert problem.column == column
    assert problem.what == "optional column is absent, but a header looks like it"
    assert header in problem.remedy


@pytest.mark.parametrize("header", NO_COLUMN)
def test_a_header_of_nothing_in_the_contract_is_left_out(header: str) -> None:
    """What a bank delivers besides stops nothing."""
    assert complaints(header) == []


GROUPS = (
    *("elder;farmer", "elder；farmer", "elder,farmer", "elder、farmer", "elder|farmer"),
    *('["elder", "farmer"]', "['elder', 'farmer']", "{elder,farmer}", "elder;;farmer"),
    *("elder;farmer;", ";elder;farmer", "elder ; farmer", '"elder","farmer"', "elder;\u3000farmer"),
    "elder\x02farmer",
)


@pytest.mark.parametrize("cell", GROUPS)
def test_lists_of_groups_are_read_alike(cell: str) -> None:
    """Whatever stands between and around the entries of a list, on files and on frames."""
    column, mapping = table("customers").column("groups"), TableMapping()
    plain, whole = (
        sql_reading(column, "cell", "VARCHAR", mapping, trimmed=trimmed, zone="UTC")
        for trimmed in (False, True)
    )
    source = with_steps("(SELECT ?::VARCHAR AS cell)", [whole])
    sql = f"SELECT {plain.value}, {plain.odd}, {whole.value} FROM {source}"
    value, is_odd, careful = duckdb.execute(sql, [cell]).fetchall()[0]
    assert careful == "elder;farmer"
    assert is_odd or value == careful
    reading = frame_reading(column, nw.String(), mapping, trimmed=True, has_dates=True)
    assert reading is not None
    assert (
        nw.from_native(pl.DataFrame({"groups": [cell]})).select(reading.value)["groups"][0]
        == careful
    )


def test_a_list_within_a_list_is_no_group_of_frames() -> None:
    """Brackets twice are a fault, and a slash between entries is; within a name they are none."""
    column = table("customers").column("groups")
    reading = frame_reading(column, nw.String(), TableMapping(), trimmed=True, has_dates=True)
    assert reading is not None
    nested, parted = reading.faults.values()
    groups = ['[["a"],["b"]]', '["a[1]"]', "a;b", "a/b", "N/A", None]
    cells = nw.from_native(pl.DataFrame({"groups": groups}))
    assert cells.select(nested)["groups"].to_list() == [True, *[False] * 5]
    assert cells.select(parted)["groups"].to_list() == [*[False] * 3, True, False, False]


@pytest.mark.parametrize(
    ("kind", "source", "cell", "marks"),
    [
        ("closed_on", "VARCHAR", "'1970-01-01'", ["1970-01-01", "2999-99-99"]),
        ("closed_on", "DATE", "DATE '1970-01-01'", ["1970-01-01", "2999-99-99"]),
        ("closed_on", "TIMESTAMP", "TIMESTAMP '1970-01-01'", ["1970-01-01"]),
        ("loan_balance", "VARCHAR", "' -1'", ["-1"]),
        ("loan_balance", "DOUBLE", "-1::DOUBLE", ["-1", "none"]),
        ("loan_balance", "DECIMAL(18,2)", "-1.5::DECIMAL(18,2)", ["-1.5"]),
    ],
)
def test_null_marks_may_be_numbers_and_days(
    kind: str, source: str, cell: str, marks: list[str]
) -> None:
    """What the bank writes for nothing is nothing, in files and in frames."""
    column, mapping = table("customers").column(kind), TableMapping(null=marks)
    given = duckdb.sql(f"SELECT {cell}").fetchall()[0]
    for trimmed in (False, True):
        reading = sql_reading(column, "cell", source, mapping, trimmed=trimmed, zone="UTC")
        cells = with_steps(f"(SELECT {cell} AS cell)", [reading])
        assert duckdb.sql(f"SELECT {reading.value} FROM {cells}").fetchall() == [(None,)]
    frame = nw.from_native(pl.DataFrame({kind: given}))
    read = frame_reading(column, frame.schema[kind], mapping, trimmed=True, has_dates=True)
    if source != "VARCHAR":
        assert read is not None
        assert frame.select(read.value)[kind].to_list() == [None]


@pytest.mark.parametrize(
    "cell",
    [
        *("本页小计", "合计（家）", "**合计**", "共 2 家", "共7条记录", "总 计：", "全行合计"),
        *("一支行合计", "B3小计", "三支行汇总", "【合计】", "共计150户"),
    ],
)
def test_sums_have_many_names(cell: str) -> None:
    """What reports write in front of sums is known; branches called nearly so are not taken."""
    assert re.fullmatch(TOTALS, cell)
    assert not re.fullmatch(TOTALS, f"{cell.strip('*：【】')}镇支行".replace("共", "同"))


LISTS: tuple[object, ...] = (["elder", None, "farmer"], None, ["elder", "farmer"], [])


@pytest.mark.parametrize("engine", [pd.DataFrame, pl.DataFrame, pl.LazyFrame])
def test_lists_and_gaps_of_frames_are_text(engine: type[pd.DataFrame]) -> None:
    """Lists become the text that files have; a column of gaps alone has the contract's type."""
    columns = [table("customers").column(name) for name in ("groups", "closed_on", "loan_balance")]
    given = {"groups": LISTS, "closed_on": [None] * 4, "loan_balance": [None] * 4}
    frame = with_plain_types(nw.from_native(engine(given)), columns)
    kinds = frame.collect_schema()
    assert kinds["groups"] == nw.String and kinds["loan_balance"] == nw.Float64
    assert isinstance(kinds["closed_on"], (nw.Date, nw.Datetime))
    texts = collect_rows(frame.lazy().select(nw.col("groups").fill_null("")))["groups"]
    assert [*texts] == ["elder;farmer", "", "elder;farmer", ""]
    given["groups"] = ([1], None, [2], [])
    frame = with_plain_types(nw.from_native(engine(given)), columns)
    assert frame.collect_schema()["groups"] in (nw.Object, nw.List(nw.Int64))


def test_missing_decimals_of_pandas_are_gaps() -> None:
    """A column of Decimals may have any mark of a gap."""
    column = table("customers").column("loan_balance")
    cells = pd.DataFrame({"loan_balance": [Decimal("1.50"), pd.NA, None]}, dtype=object)
    frame = with_plain_types(nw.from_native(cells), [column])
    filled = frame.select(nw.col("loan_balance").fill_null(0)).to_native()
    assert filled["loan_balance"].to_list() == [1.5, 0, 0]


def test_a_list_that_says_nothing_is_no_group() -> None:
    """Brackets and separators alone are an empty cell."""
    column = table("customers").column("groups")
    reading = sql_reading(column, "cell", "VARCHAR", TableMapping(), trimmed=True, zone="UTC")
    source = with_steps("(SELECT ?::VARCHAR AS cell)", [reading])
    for cell in (";", "[]", "{}", " ; ", '""'):
        row = duckdb.execute(f"SELECT {reading.value} FROM {source}", [cell])
        assert row.fetchall() == [(None,)]
