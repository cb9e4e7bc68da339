"""What warehouses deliver besides delimited text: columns of fixed width, and files with counts."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.errors import BankDataError
from tests.test_cli import run
from tests.tiny_bank import BRANCHES, CUSTOMERS, TinyBank

FIXED = """[tables.branches]
file = "branches.dat"
header = ["branch_id", "name", "region", "type"]
widths = [5, 10, 6, 10]
"""
WIDTHS = (5, 10, 6, 10)


def fixed(*rows: str, encoding: str = "gbk") -> bytes:
    """Return comma-separated rows with their cells padded to so many bytes."""
    return b"".join(
        b"".join(
            cell.encode(encoding).ljust(n) for cell, n in zip(row.split(","), WIDTHS, strict=True)
        )
        + b"\n"
        for row in rows
    )


ROWS = BRANCHES.splitlines()[1:]


def deliver(folder: Path, files: dict[str, bytes], mapping: str = "") -> Path:
    """Write files, the mapping and, where branches come in another file, no branches.csv."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    if mapping:
        (folder / "mapping.toml").write_text(mapping, encoding="utf-8")
        (folder / "branches.csv").unlink()
    return folder


@pytest.mark.parametrize(
    ("content", "more"),
    [
        (fixed(*ROWS), ""),
        (fixed(*ROWS).replace(b"\n", b"\r\n"), ""),
        (fixed(*ROWS).removesuffix(b"\n"), ""),
        (fixed(*ROWS) + b"\n", ""),
        (
            b"\xef\xbb\xbf" + fixed("001,城关,东,urban", "002,柳树,西,township", encoding="utf-8"),
            "",
        ),
        ("机构\n".encode("gbk") + fixed(*ROWS), "skip_rows = 1\n"),
        (fixed(*ROWS) + "合计 2\n".encode("gbk"), 'drop_rows_where = { branch_id = ["合计"] }\n'),
    ],
    ids=["GBK", "carriage returns", "no last line end", "blank", "UTF-8", "a title", "a total"],
)
def test_columns_are_counted_in_bytes(tiny_bank: TinyBank, content: bytes, more: str) -> None:
    """A Chinese character is two columns in GBK and three in UTF-8; blanks behind are padding."""
    with open_bank(deliver(tiny_bank(), {"branches.dat": content}, FIXED + more)) as bank:
        branches = bank.table("branches").df()
    assert branches["branch_id"].tolist() == ["001", "002"]
    assert [name[:2] for name in branches["name"]] == ["城关", "柳树"]
    assert branches["type"].tolist() == ["urban", "township"]


def test_packed_files_of_fixed_width_are_read(tiny_bank: TinyBank) -> None:
    """A file packed by gzip is measured unpacked."""
    files = {"branches.dat.gz": gzip.compress(fixed(*ROWS))}
    mapping = FIXED.replace("branches.dat", "branches.dat.gz")
    with open_bank(deliver(tiny_bank(), files, mapping)) as bank:
        assert bank.rows("branches") == 2


@pytest.mark.parametrize(
    ("content", "mapping", "expected"),
    [
        (
            fixed(*ROWS)[:-2] + b"\n",
            FIXED,
            "1 row (first: 2): rows of branches.dat are not 31 bytes",
        ),
        (
            fixed(*ROWS),
            FIXED.replace("[5, 10", "[4, 10"),
            "2 rows (first: 1, 2): rows of branches.dat are not 30 bytes long",
        ),
        (
            fixed(*ROWS),
            FIXED.replace("[5, 10, 6", "[6, 10, 5"),
            "2 rows (first: 1, 2): widths cuts characters of branches.dat, which is GB18030",
        ),
        (fixed(*ROWS), FIXED.replace("[5, 10, ", "[15, "), "widths needs header, with as many"),
        (fixed(*ROWS), FIXED.replace("[5", '["5"'), "widths is not a list of numbers of bytes"),
    ],
    ids=["a short row", "a wrong sum", "wrong borders", "a column without width", "text"],
)
def test_rows_of_other_width_are_refused(
    tiny_bank: TinyBank, content: bytes, mapping: str, expected: str
) -> None:
    """Nothing is cut or filled up in silence: the error names the rows."""
    with pytest.raises(BankDataError) as caught:
        open_bank(deliver(tiny_bank(), {"branches.dat": content}, mapping))
    assert expected in str(caught.value)


SIZE = len(CUSTOMERS.encode())
AGREES = {
    "a number": "7",
    "leading zeros": "0000000007\r\n",
    "name, bytes, rows, day": f"customers.csv|{SIZE}|7|20260930",
    "blanks": f"f {SIZE} 7 20260930",
    "a separator of one byte": f"customers.csv\x80{SIZE}\x807\x8020260930\x8020261001123001",
    "a value a line": f"customers.csv\r\n{SIZE}\r\n2026-10-01 12:30:01\r\nY\r\n7\r\n",
    "Chinese words": f"文件名：customers.csv\n文件大小：{SIZE + 5}\n记录数：7\n",
    "an export's messages": (
        "SQL3104N  The Export utility is beginning to export data to file "
        '"customers.csv".\n\nSQL3105N  The Export utility has finished exporting "7" rows.\n'
    ),
    "many files": "branches.csv,2\ncustomers.csv,7\ncards.csv,3\n",
}


@pytest.mark.parametrize("text", AGREES.values(), ids=AGREES.keys())
def test_flag_files_are_compared_with_the_rows(
    tiny_bank: TinyBank, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`check` says that the counts agree."""
    folder = deliver(
        tiny_bank(), {"customers.OK": text.encode("latin-1" if "\x80" in text else "gbk")}
    )
    assert run("check", folder, "--language", "en") == 0
    assert "customers.OK counts 7 rows, too" in capsys.readouterr().out


def test_a_file_with_one_row_less_is_a_problem(
    tiny_bank: TinyBank, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both numbers are named, and what to do."""
    folder = deliver(tiny_bank(), {"customers.OK": AGREES["name, bytes, rows, day"].encode()})
    shorter = CUSTOMERS.replace(CUSTOMERS.splitlines()[-1] + "\n", "")
    (folder / "customers.csv").write_text(shorter.ljust(SIZE - 1) + "\n", encoding="utf-8")
    assert run("check", folder, "--language", "en") == 2
    message = capsys.readouterr().err
    assert "customers: customers.csv has 6 rows, and customers.OK says 7" in message
    assert "Deliver the file again" in message


@pytest.mark.parametrize("kind", ["parquet", "csv.gz", "xlsx"])
def test_rows_of_every_kind_of_file_are_counted(tiny_bank: TinyBank, kind: str) -> None:
    """Parquet, packed text and workbooks are counted as text is."""
    import duckdb
    import pandas as pd

    folder = tiny_bank()
    frame = pd.read_csv(folder / "branches.csv", dtype=str)
    (folder / "branches.csv").unlink()
    path = folder / f"branches.{kind}"
    if kind == "xlsx":
        frame.to_excel(path, index=False)
    elif kind == "parquet":
        duckdb.from_df(frame).to_parquet(str(path))
    else:
        path.write_bytes(gzip.compress(BRANCHES.encode()))
    (folder / "branches.flg").write_text("2", encoding="utf-8")
    with open_bank(folder) as bank:
        notes = [getattr(entry, "notes", ()) for entry in bank.inputs]
    assert any("branches.flg counts 2 rows, too" in note for note in notes)
    (folder / "branches.flg").write_text("3", encoding="utf-8")
    with pytest.raises(BankDataError, match=r"has 2 rows, and branches.flg says 3"):
        open_bank(folder)


def test_a_total_that_is_dropped_may_be_counted_or_not(tiny_bank: TinyBank) -> None:
    """Some warehouses count the total line of a file, others do not."""
    mapping = '[tables.customers]\ndrop_rows_where = { as_of = ["合计"] }\n'
    total = f"{CUSTOMERS}合计{',' * 7}\n"
    folder = deliver(tiny_bank(customers=total), {"customers.ok": b"7"})
    (folder / "mapping.toml").write_text(mapping, encoding="utf-8")
    open_bank(folder).close()
    (folder / "customers.ok").write_bytes(b"8")
    open_bank(folder).close()
    (folder / "customers.ok").write_bytes(b"9")
    with pytest.raises(BankDataError, match=r"has 8 rows, and customers.ok says 9"):
        open_bank(folder)


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("customers.ok", "", "customers.ok left out: it says no number of rows"),
        ("customers.log", "job took 35 s on host 12", "customers.log left out: it says no number"),
        ("customers.ok", "1 2 3 4", "customers.ok left out: it says no number of rows"),
        ("customers.ok", "-7", "customers.ok left out: it says no number of rows"),
        ("customers.ok", "rows: -7", "customers.ok left out: it says no number of rows"),
        ("customers.ok", "记录数=-7", "customers.ok left out: it says no number of rows"),
        ("cards.ok", "12", "cards.ok: left out"),
        ("customers.ctl", "OPTIONS (ROWS=64) LOAD DATA INFILE 'x'", "customers.ctl left out"),
    ],
)
def test_flag_files_that_say_nothing_are_named(
    tiny_bank: TinyBank, name: str, text: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be understood is no problem, and `check` names it."""
    folder = deliver(tiny_bank(), {name: text.encode()})
    assert run("check", folder, "--language", "en") == 0
    assert shown in capsys.readouterr().out
