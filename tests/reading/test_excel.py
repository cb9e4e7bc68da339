"""Excel cell by cell: a workbook reads as the clean bank, or an error says where and what."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from openpyxl.worksheet.worksheet import Worksheet
from pandas.testing import assert_frame_equal

from stockcust_analysis.bank.contract import table
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.errors import BankDataError
from stockcust_analysis.report.worklists import import_contacts
from tests.tiny_bank import CUSTOMERS, write_tiny_bank

FILES = Path(__file__).parent / "files"
"""Workbooks that LibreOffice 7 saved from `write_customers`, with and without `break_cells`."""
HEADER, *ROWS = CUSTOMERS.splitlines()
Change = Callable[[openpyxl.Workbook, Worksheet], object]


def cells_of(row: str) -> list[Any]:
    """Return a row of text as the cells that a person would have in Excel."""
    return [cell_of(text) for text in row.split(",")]


def cell_of(text: str) -> Any:
    """Return a text as a date, a number, nothing, or the text itself."""
    for kind in (datetime.fromisoformat, float):
        try:
            return text if text.startswith("00") else kind(text)
        except ValueError:
            pass
    return text or None


def write_customers(path: Path, change: Change = lambda book, sheet: None) -> Path:
    """Write the tiny bank's customers as a workbook, changed."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.append(HEADER.split(","))
    for row in ROWS:
        sheet.append(cells_of(row))
    change(book, sheet)
    book.save(path)
    return path


def bank_with(folder: Path, change: Change = lambda book, sheet: None) -> Path:
    """Write the tiny bank with its customers in a changed workbook."""
    write_tiny_bank(folder)
    (folder / "customers.csv").unlink()
    write_customers(folder / "customers.xlsx", change)
    return folder


def customers_of(folder: Path) -> pd.DataFrame:
    """Read the customers in a stable order."""
    with open_bank(folder) as bank:
        columns = ", ".join(HEADER.split(","))
        return bank.table("customers").project(columns).order("as_of, customer_id").df()


def split_by_quarter(book: openpyxl.Workbook, sheet: Worksheet) -> None:
    """Move the second quarter's rows to a sheet of their own, with the columns turned round."""
    more = book.create_sheet("2026Q3")
    for row in sheet.iter_rows(values_only=True):
        if row[0] in ("as_of", datetime(2026, 9, 30)):
            more.append(row[::-1])
    sheet.delete_rows(5, 4)


def add_blank_rows(book: openpyxl.Workbook, sheet: Worksheet) -> None:
    """Leave a row empty, and columns and rows behind the table that only have a format."""
    del book
    sheet.insert_rows(4)
    sheet["K20"].number_format = "0.00"


def shift(book: openpyxl.Workbook, sheet: Worksheet) -> None:
    """Let the table begin in C4."""
    del book
    sheet.insert_rows(1, 3)
    sheet.insert_cols(1, 2)


def as_text(book: openpyxl.Workbook, sheet: Worksheet) -> None:
    """Store numbers as text, with blanks around and behind headers and names."""
    del book
    for row in sheet.iter_rows(min_row=2):
        row[6].value = f" {row[6].value:.2f} "
        row[1].value = f"{row[1].value} "
    sheet["B1"].value = " customer_id "


def with_float_residue(book: openpyxl.Workbook, sheet: Worksheet) -> None:
    """Leave what sums in binary leave behind, in the sixteenth digit."""
    del book
    sheet["G2"].value = 1000.0000000000001
    sheet["G8"].value = 5.684341886080802e-14


def put_plain_title(book: openpyxl.Workbook, sheet: Worksheet) -> None:
    """Put a title above the table and a scribble beside it, and write the headers otherwise."""
    del book
    sheet.insert_rows(1)
    sheet["A1"].value, sheet["K5"].value = "客户清单", "?"
    sheet.merge_cells("A1:H1")
    sheet["A2"].value, sheet["B2"].value = "AS_OF", "customer\n_id"


def put_chinese_header(book: openpyxl.Workbook, sheet: Worksheet) -> None:
    """Put the contract's Chinese names below its own."""
    del book
    sheet.insert_rows(2)
    columns = table("customers")
    for column, cell in enumerate(sheet[1], start=1):
        sheet.cell(2, column, columns.column(str(cell.value)).zh)


def add_chart_and_numbered(book: openpyxl.Workbook, sheet: Worksheet) -> None:
    """Add a sheet that is a chart, and a column that is none of the contract's."""
    book.create_chartsheet("chart")
    for number, cell in enumerate(sheet["I"][:8] or [], start=1):
        cell.value = number if number > 1 else "No."


SAME = {
    "as it is": lambda book, sheet: None,
    "a sheet per quarter": split_by_quarter,
    "blank rows": add_blank_rows,
    "not at A1": shift,
    "numbers as text": as_text,
    "residue of floats": with_float_residue,
    "a title, a scribble": put_plain_title,
    "a header in two languages": put_chinese_header,
    "a chart, another column": add_chart_and_numbered,
    "an empty sheet": lambda book, sheet: book.create_sheet("Sheet2"),
    "a filter that hides rows": lambda book, sheet: setattr(
        sheet.row_dimensions[3], "hidden", True
    ),
}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Return the customers of the clean bank."""
    return customers_of(write_tiny_bank(tmp_path_factory.mktemp("clean")))


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_it_reads_as_the_clean_bank(change: Change, clean: pd.DataFrame, tmp_path: Path) -> None:
    """What a person sees as the same table is read as the same table."""
    assert_frame_equal(customers_of(bank_with(tmp_path, change)), clean)


@pytest.mark.parametrize("name", ["clean.xls", "clean.ods", "clean.et", "xlsx named.xls"])
def test_other_kinds_read_as_the_clean_bank(name: str, clean: pd.DataFrame, tmp_path: Path) -> None:
    """Workbooks of old Excel, LibreOffice and WPS, and those with a wrong ending, are read."""
    write_tiny_bank(tmp_path)
    (tmp_path / "customers.csv").unlink()
    if name.startswith("xlsx"):
        write_customers(tmp_path / "new.xlsx").rename(tmp_path / "customers.xls")
    else:
        source = FILES / name.replace(".et", ".xls")
        shutil.copy(source, tmp_path / f"customers{Path(name).suffix}")
    assert_frame_equal(customers_of(tmp_path), clean)


def set_cells(**cells: Any) -> Change:
    """Return the change that gives cells new values, such as F4=None."""

    def change(book: openpyxl.Workbook, sheet: Worksheet) -> None:
        del book
        for name, value in cells.items():
            sheet[name].value = value
            if isinstance(value, str) and value.startswith("#"):
                sheet[name].data_type = "e"

    return change


def merge(cells: str) -> Change:
    """Return the change that merges cells."""
    return lambda book, sheet: sheet.merge_cells(cells)


def add_sheet(*rows: list[Any], hidden: bool = False) -> Change:
    """Return the change that adds a sheet called "more"."""

    def change(book: openpyxl.Workbook, sheet: Worksheet) -> None:
        del sheet
        more = book.create_sheet("more")
        for row in rows:
            more.append(row)
        more.sheet_state = "hidden" if hidden else "visible"

    return change


def put_title(book: openpyxl.Workbook, sheet: Worksheet) -> None:
    """Put a title and a unit above the header."""
    del book
    sheet.insert_rows(1, 2)
    sheet["A1"].value, sheet["A2"].value = "客户清单", "单位：万元"


def put_two_units(book: openpyxl.Workbook, sheet: Worksheet) -> None:
    """Put a line above the header with one unit over AUM and another beside it."""
    del book
    sheet.insert_rows(1)
    sheet["G1"].value, sheet["H1"].value = "AUM（万元）", "贷款（元）"


def long_numbers(first: float) -> Change:
    """Return the change that makes customer numbers out of long numbers."""

    def change(book: openpyxl.Workbook, sheet: Worksheet) -> None:
        del book
        for row in sheet.iter_rows(min_row=2):
            row[1].value = first + 100_000 * int(str(row[1].value)[1])

    return change


def total_rows(book: openpyxl.Workbook, sheet: Worksheet) -> None:
    """Put sums below the table, one of which is merged over several columns."""
    del book
    sheet.append(["合计", None, None, None, None, None, 142701.25])
    sheet.append([None, "其中：个人", None, None, None, None, "#DIV/0!"])
    sheet.append(["报送说明"])
    sheet.merge_cells("A9:D9")


def as_serial_number(book: openpyxl.Workbook, sheet: Worksheet) -> None:
    """Leave a date without its format, as the number that Excel keeps."""
    set_cells(F4=46162)(book, sheet)
    sheet["F4"].number_format = "General"


def break_cells(book: openpyxl.Workbook, sheet: Worksheet) -> None:
    """Put an error into F4 and merge F6 with F7."""
    set_cells(F4="#REF!")(book, sheet)
    sheet.merge_cells("F6:F7")


BROKEN = {
    "error cell": (
        set_cells(F4="#REF!", F6="#N/A"),
        "customers.last_active_on: 2 rows (first: 4, 6): customers.xlsx, sheet 'Sheet': an error "
        "(#REF!, #N/A and the like) instead of a value. Mend it in Excel",
    ),
    "formula without a value": (
        set_cells(G4="=1000+200"),
        "customers.aum_period_end: 1 row (first: 4): customers.xlsx, sheet 'Sheet': a formula "
        "without its result. Open the workbook in Excel and save it",
    ),
    "header twice": (
        set_cells(H1="AUM_period_end"),
        "customers.aum_period_end: headers 'aum_period_end' and 'AUM_period_end ' both mean this",
    ),
    "a header over two columns": (
        merge("G1:H1"),
        "customers: 1 row (first: 1): customers.xlsx, sheet 'Sheet': merged cells",
    ),
    "rows above the header": (
        lambda book, sheet: sheet.move_range("A1:H1", rows=11),
        "sheet 'Sheet': rows stand above the header. Delete them, or state skip_rows",
    ),
    "a sheet without its header": (
        add_sheet(cells_of(ROWS[0])),
        "sheet 'more': lacks headers that another sheet has (as_of",
    ),
    "number of 18 digits": (
        long_numbers(622_202_123_456_789_000),
        "customers.customer_id: 7 rows (first: 2, 3, 4): number in scientific notation",
    ),
    "number of 16 digits": (
        long_numbers(1_234_567_890_123_456.0),
        "customers.customer_id: 7 rows (first: 2, 3, 4): number in scientific notation",
    ),
    "merged cells": (
        merge("C2:C4"),
        "customers.branch_id: 2 rows (first: 3, 4): customers.xlsx, sheet 'Sheet': merged cells",
    ),
    "a cell far away": (
        set_cells(XFD2100="x"),
        "customers: customers.xlsx, sheet 'Sheet': a cell stands far below or beside all others",
    ),
    "total rows": (
        total_rows,
        ":\n  1. customers: 3 rows (first: 9, 10, 11): customers.xlsx, "
        "sheet 'Sheet': total lines (合计). Export without them and other remarks, or name "
        "them in the mapping's "
        'drop_rows_where, such as { "as_of" = ["合计", "…"] }.',
    ),
    "a unit in the title": (
        put_title,
        "customers: 2 rows (first: 1, 2): customers.xlsx, sheet 'Sheet': a line above the header "
        'states amounts in 万元. Write unit = "万元" in the mapping',
    ),
    "two units above": (
        put_two_units,
        "customers: 1 row (first: 1): customers.xlsx, sheet 'Sheet': a line above the header "
        "states amounts in 万元, 元. Deliver all amounts of a table in one unit.",
    ),
    "a sheet that lacks a header": (
        add_sheet(HEADER.split(",")[:3], ["2026-12-31", "C1", "001"]),
        "sheet 'more': lacks headers that another sheet has (customer_type",
    ),
    "a hidden sheet of the table": (
        add_sheet(HEADER.split(","), cells_of(ROWS[0]), hidden=True),
        "sheet 'more': holds this table and is hidden. Unhide the sheet if its rows count",
    ),
    "a sheet with the same rows": (
        add_sheet(HEADER.split(","), cells_of(ROWS[0])),
        "customers: 1 row (first: customers.xlsx more:2): the key (as_of, customer_id) occurs",
    ),
    "a moment within a day": (
        set_cells(F4=datetime(2026, 5, 20, 8, 30)),
        "customers.last_active_on: 1 row (first: 4): a moment within a day where a day belongs",
    ),
    "a time": (set_cells(F4=datetime(2026, 5, 20, 8, 30).time()), "not a date"),
    "a serial number": (as_serial_number, "a bare number where a date belongs"),
    "a truth": (set_cells(G4=True), "customers.aum_period_end: 1 row (first: 4): not an amount"),
}
SECRETS = ("C1", "C2", "C3", "C4", "6222", "1234567", "1200", "250.75", "70000", "客户清单")


@pytest.mark.parametrize(("change", "expected"), BROKEN.values(), ids=BROKEN)
def test_what_a_reader_would_lose_is_named(change: Change, expected: str, tmp_path: Path) -> None:
    """File, sheet, column, rows and what to do are named; no customer is."""
    with pytest.raises(BankDataError) as caught:
        open_bank(bank_with(tmp_path, change))
    message = str(caught.value)
    assert expected in message
    assert not [secret for secret in SECRETS if secret in message.replace(str(tmp_path), "")]


@pytest.mark.parametrize("name", ["broken.xls", "broken.ods"])
def test_lost_cells_of_other_kinds_are_named(name: str, tmp_path: Path) -> None:
    """Errors and merged cells are found in workbooks of old Excel and LibreOffice as well."""
    write_tiny_bank(tmp_path)
    (tmp_path / "customers.csv").unlink()
    shutil.copy(FILES / name, tmp_path / f"customers{Path(name).suffix}")
    with pytest.raises(BankDataError) as caught:
        open_bank(tmp_path)
    assert "customers.last_active_on: 1 row (first: 4)" in str(caught.value)
    assert "an error (#REF!, #N/A and the like) instead of a value" in str(caught.value)
    assert "1 row (first: 7)" in str(caught.value)
    assert "merged cells, of which only the first has a value" in str(caught.value)


@pytest.mark.parametrize("hidden", [True, False])
def test_a_sheet_of_something_else_is_named(
    hidden: bool, clean: pd.DataFrame, tmp_path: Path
) -> None:
    """Notes and lists of codes are left out, and a warning says which sheets they are."""
    bank_with(tmp_path, add_sheet(["说明"], ["customer_id", "编号"], hidden=hidden))
    what = "sheet 'more' \\(hidden\\)" if hidden else "sheet 'more'"
    with pytest.warns(UserWarning, match=f"customers.xlsx: no table, and left out: {what}."):
        found = customers_of(tmp_path)
    assert_frame_equal(found, clean)


def test_sheets_laid_out_alike_are_blamed_alike(tmp_path: Path) -> None:
    """Headers merged over two lines: neither sheet is called no table, no row is named twice."""

    def merge(book: openpyxl.Workbook, sheet: Worksheet) -> None:
        sheet["G1"], sheet["H1"] = "金融资产", None
        sheet.merge_cells("G1:I1")
        book.copy_worksheet(sheet).merge_cells("G1:I1")

    bank_with(tmp_path, merge)
    with pytest.raises(BankDataError) as caught:
        open_bank(tmp_path)
    merged = [text for text in map(str, caught.value.problems) if "merged cells" in text]
    assert [text[:35] for text in merged] == ["customers: 1 row (first: 1): custom"] * 2
    assert "'Sheet'" in merged[0] and "'Sheet Copy'" in merged[1]


def formatted(code: str) -> Change:
    """Return the step that shows an amount by a number format."""

    def change(book: openpyxl.Workbook, sheet: Worksheet) -> None:
        sheet["G2"].number_format = code

    return change


@pytest.mark.parametrize("code", ['0.00"万元"', '#,##0.00_ "万元"', "0.00万"])
def test_a_number_format_that_shows_a_unit_is_one_warning(code: str, tmp_path: Path) -> None:
    """The cell holds 1.20 and looks like 1.20万元: nothing else says its unit."""
    with pytest.warns(
        UserWarning, match="customers.xlsx: a number format shows 万.* in the mapping"
    ):
        open_bank(bank_with(tmp_path, formatted(code))).close()


def test_a_sheet_whose_name_states_a_unit_is_one_warning(tmp_path: Path) -> None:
    """The name alone says that amounts are in 万元."""
    write_tiny_bank(tmp_path)
    (tmp_path / "customers.csv").unlink()
    rows = [line.split(",") for line in CUSTOMERS.splitlines()]
    frame = pd.DataFrame(rows[1:], columns=rows[0])
    frame.to_excel(tmp_path / "customers.xlsx", sheet_name="客户(万元)", index=False)
    with pytest.warns(UserWarning, match="customers.xlsx: the name of a sheet states 万元"):
        open_bank(tmp_path).close()


def test_a_number_format_that_divides_says_nothing(tmp_path: Path) -> None:
    """12,000.00 is shown as 1.2万, and is in CNY; so is what an unused format shows."""
    open_bank(bank_with(tmp_path, formatted('0!.0,"万"'))).close()


def test_the_mapping_names_the_sheet(clean: pd.DataFrame, tmp_path: Path) -> None:
    """With `sheet` in the mapping others are not read, whatever they hold; a wrong name fails."""
    bank_with(tmp_path, add_sheet(HEADER.split(","), cells_of(ROWS[0])))
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[tables.customers]\nsheet = "Sheet"\n', encoding="utf-8")
    assert_frame_equal(customers_of(tmp_path), clean)
    mapping.write_text('[tables.customers]\nsheet = "sheet"\n', encoding="utf-8")
    expected = "customers.xlsx has no sheet 'sheet'. Name one of 'Sheet', 'more'"
    with pytest.raises(BankDataError, match=expected):
        open_bank(tmp_path)


def test_a_column_that_no_sheet_has_is_the_one_problem(tmp_path: Path) -> None:
    """Sheets of something else are not blamed for what the table's own sheet lacks."""
    wide = [["客户号", "姓名", "手机", "住址", "备注", "网点", "经理", "等级"], [*"12345678"]]
    bank_with(tmp_path, add_sheet(*wide))
    book = openpyxl.load_workbook(tmp_path / "customers.xlsx")
    book["Sheet"]["F1"].value = "no such column"
    book.save(tmp_path / "customers.xlsx")
    with (
        pytest.warns(UserWarning, match="left out: sheet 'more'"),
        pytest.raises(BankDataError, match=r"^1 problem .*\n.*last_active_on: column is missing"),
    ):
        open_bank(tmp_path)


def test_a_workbook_says_what_it_was_taken_as(tmp_path: Path) -> None:
    """The bank's inputs name the sheets that were read, their rows, and those left out."""
    bank_with(tmp_path, add_sheet(["说明"]))
    with pytest.warns(UserWarning, match="left out"), open_bank(tmp_path) as bank:
        (notes,) = [entry.notes for entry in bank.inputs if entry.name == "customers.xlsx"]
    assert notes == ("customers", "Excel", "sheet 'Sheet': 7 rows", "sheet 'more' left out")


NO_WORKBOOKS = {
    "a web page": (b"<html><table><tr><td>as_of</td></tr></table></html>", "customers.xls"),
    "text": (CUSTOMERS.encode(), "customers.xls"),
    "nothing": (b"", "customers.xlsx"),
    "half a file": (b"PK\x03\x04half", "customers.xlsx"),
    "half an old file": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x09" * 700, "customers.et"),
}


@pytest.mark.parametrize(("content", "name"), NO_WORKBOOKS.values(), ids=NO_WORKBOOKS)
def test_a_file_that_is_no_workbook_is_named(content: bytes, name: str, tmp_path: Path) -> None:
    """Text named .xls and torn files are one clear error, without the reader's own words."""
    write_tiny_bank(tmp_path)
    (tmp_path / "customers.csv").unlink()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        BankDataError, match=f"{name} cannot be read as an Excel workbook"
    ) as caught:
        open_bank(tmp_path)
    assert "save it as .xlsx" in str(caught.value)
    assert "Error" not in str(caught.value)


def test_a_torn_workbook_is_named_wherever_it_ends(tmp_path: Path) -> None:
    """However much of a workbook is left, it is refused or read; no other error comes."""
    bank_with(tmp_path)
    for source in (tmp_path / "customers.xlsx", FILES / "clean.xls"):
        raw, torn = source.read_bytes(), tmp_path / f"customers{source.suffix}"
        for part in (2, 5, 7):
            torn.write_bytes(raw[: len(raw) * part // 8])
            with pytest.raises(BankDataError, match="customers"):
                open_bank(tmp_path)
        torn.unlink()


@pytest.mark.parametrize("order", ["", 'date_order = "dmy"', 'date_order = "mdy"'])
def test_days_that_excel_took_half_of_are_named(order: str, tmp_path: Path) -> None:
    """Where 30/04/2026 stayed text, 03/04/2026 has become a date of another month."""
    at = HEADER.split(",").index("relationship_since") + 1
    bank_with(tmp_path, lambda book, sheet: sheet.cell(3, at, "30/04/2016"))
    (tmp_path / "mapping.toml").write_text(f"[tables.customers]\n{order}\n")
    with pytest.raises(BankDataError, match="may have taken the month for the day") as caught:
        open_bank(tmp_path)
    assert "customers.relationship_since: 1 row (first: 3)" in str(caught.value)


def work_list(path: Path, **cells: Any) -> Path:
    """Write a filled-in work list, some of its cells changed."""
    book = openpyxl.Workbook()
    first = book.active
    assert isinstance(first, Worksheet)
    first.append(["统计时点", date(2026, 8, 31)])
    sheet = book.create_sheet("更新")
    sheet.append(["客户号", "经理工号", "联络日", "方式", "结果"])
    sheet.append(["C1", "M1", date(2026, 9, 5), "电话", "已接通"])
    sheet.append(["C2", "M1", date(2026, 9, 6), "电话", "已接通"])
    set_cells(**{k: v for k, v in cells.items() if k != "merged"})(book, sheet)
    if "merged" in cells:
        sheet.merge_cells(cells["merged"])
    book.save(path)
    return path


LISTS = {
    "error": ({"E2": "#N/A"}, "contacts.outcome: 1 row (first: list.xlsx 更新:2): not understood"),
    "error in a number": ({"A2": "#N/A"}, "contacts.customer_id: 1 row (first: list.xlsx 更新:2)"),
    "long number": ({"A2": 622_202_123_456_789_000}, "contacts.customer_id: 1 row (first: list"),
    "merged": ({"merged": "E2:E3"}, "contacts.outcome: 1 row (first: list.xlsx 更新:3)"),
}


@pytest.mark.parametrize(("cells", "expected"), LISTS.values(), ids=LISTS)
def test_filled_in_lists_are_read_as_closely(
    cells: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    """Errors, merged cells and shortened numbers of a work list are named, with file and row."""
    assert len(import_contacts([work_list(tmp_path / "list.xlsx")])) == 2
    with pytest.raises(BankDataError) as caught:
        import_contacts([work_list(tmp_path / "list.xlsx", **cells)])
    assert expected in str(caught.value)
