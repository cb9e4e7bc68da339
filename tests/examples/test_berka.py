"""The Berka example: real data where they lie beside the project, a tiny set by hand everywhere."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.errors import BankDataError

ROOT = Path(__file__).parents[2]
# The example is a script, not a package: it finds its second file beside itself.
sys.path.insert(0, str(ROOT / "examples" / "berka"))
import convert as berka_convert  # noqa: E402

EXPLORING = [
    path
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
    if "open_lab" in path.read_text(encoding="utf-8")
]
SOURCE = Path(os.environ.get("BERKA_FOLDER", ROOT.parent / "shared" / "data" / "berka"))
needs_berka = pytest.mark.skipif(
    not (SOURCE / "trans_1993.asc").is_file(),
    reason="the Berka files may not be shipped; set BERKA_FOLDER to a folder that holds them",
)

TINY = {
    "account": 'account_id;district_id;frequency;date\n1;1;"X";930115\n2;2;"X";930601\n',
    "client": 'client_id;birth_number;district_id\n11;"450204";1\n12;"706213";1\n13;"409006";2\n',
    "disp": "disp_id;client_id;account_id;type\n"
    '1;11;1;"OWNER"\n2;12;2;"OWNER"\n3;13;2;"DISPONENT"\n',
    "order": 'order_id;account_id;bank_to;account_to;amount;k_symbol\n1;1;"YZ";"5";100.00;"SIPO"\n',
    "loan": "loan_id;account_id;date;amount;duration;payments;status\n"
    '1;1;930705;12000;12;1000.00;"A"\n',
    "card": 'card_id;disp_id;type;issued\n1;2;"gold";931001 00:00:00\n',
    "district": "A1;A2;A3;A4;A5;A6;A7;A8;A9;A10;A11;A12;A13;A14;A15;A16\n"
    '1;"Praha";"Prague";100;0;0;0;1;1;100.0;1;?;1;1;?;1\n'
    '2;"Benesov";"central Bohemia";100;0;0;0;1;1;46.7;1;?;1;1;?;1\n',
}
TINY_ROWS = {
    "account": 2, "client": 3, "disp": 3, "order": 1, "loan": 1, "card": 1, "district": 2,
}  # fmt: skip
# On 31 March the fee stands before the interest in the file, but was booked after it.
TINY_TRANSACTIONS = """\
trans_id;account_id;date;type;operation;amount;balance;k_symbol;bank;account
1;1;930115;"PRIJEM";"VKLAD";1000.00;1000.00;"";;
2;1;930131;"PRIJEM";"";5.00;1005.00;"UROK";;
3;1;930331;"VYDAJ";"VYBER";14.60;993.40;"SLUZBY";;
4;1;930331;"PRIJEM";"";3.00;1008.00;"UROK";;
5;1;930410;"VYDAJ";"PREVOD NA UCET";100.00;893.40;"POJISTNE";"AB";7
6;2;930601;"PRIJEM";"VKLAD";700.00;700.00;" ";;
7;2;930901;"PRIJEM";"PREVOD Z UCTU";2000.00;2700.00;"DUCHOD";"AB";8
8;1;940105;"PRIJEM";"VKLAD";50.00;943.40;"";;
9;1;9401"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Return a folder with a hand-made set of all eight files, the last line cut off."""
    for name, text in TINY.items():
        (tmp_path / f"{name}.asc").write_text(text, encoding="ascii")
    (tmp_path / "trans_1993.asc").write_text(TINY_TRANSACTIONS, encoding="ascii")
    return tmp_path


def read(folder: Path, name: str) -> pd.DataFrame:
    """Return one written table as text, as a person would see it."""
    return pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)


class TestTinySet:
    """Rules that can be checked in the head."""

    @pytest.fixture
    def out(self, tiny: Path) -> Path:
        """Return the converted tiny set."""
        berka_convert.convert(tiny, tiny / "out", published=TINY_ROWS)
        return tiny / "out"

    def test_balance_and_averages(self, out: Path) -> None:
        """In 1993Q1: 14 days at 0, 16 at 1,000, 59 at 1,005, one at 993.40; in March 30 and one."""
        first = read(out, "customers").iloc[0]
        assert first[["as_of", "customer_id", "branch_id"]].to_list() == [
            "1993-03-31",
            "C00011",
            "D01",
        ]
        assert first["aum_period_end"] == "993.40"
        assert first["aum_average_quarter"] == "847.64"  # 76,288.40 / 90 = 847.648…
        assert first["aum_average_month"] == "1004.62"  # (30 × 1,005 + 993.40) / 31 = 1,004.625…

    def test_customers_appear_with_their_account(self, out: Path) -> None:
        """The owner is a customer from the opening on; the second person with rights never is."""
        customers = read(out, "customers").groupby("customer_id")["as_of"].apply(list)
        assert customers.to_dict() == {
            "C00011": ["1993-03-31", "1993-06-30", "1993-09-30", "1993-12-31"],
            "C00012": ["1993-06-30", "1993-09-30", "1993-12-31"],
        }

    def test_women_have_fifty_added_to_the_month(self, out: Path) -> None:
        """706213 is a woman born on 13 December 1970; 450204 a man born on 4 February 1945."""
        last = read(out, "customers").tail(2)
        assert list(last["birth_date"]) == ["1945-02-04", "1970-12-13"]
        assert list(last["gender"]) == ["male", "female"]

    def test_bank_made_entries_and_standing_orders_are_no_activity(self, out: Path) -> None:
        """Interest, fee, premium and pension do not move the clock; the deposits of money did."""
        last = read(out, "customers").tail(2)
        assert list(last["last_active_on"]) == ["1993-01-15", "1993-06-01"]
        assert list(last["active_transactions"]) == ["0", "0"]

    def test_products(self, out: Path) -> None:
        """Loan and card from their day on, a policy only in the quarter with a premium."""
        held = read(out, "holdings")
        others = held[held["product"] != "demand_deposit"]
        assert others[["as_of", "account_id", "customer_id", "balance"]].to_numpy().tolist() == [
            ["1993-06-30", "P00001", "C00011", "0.00"],
            ["1993-09-30", "L00001", "C00011", "10000.00"],  # two payments of 1,000
            ["1993-12-31", "K00001", "C00012", "0.00"],
            ["1993-12-31", "L00001", "C00011", "7000.00"],  # five payments
        ]

    def test_kinds_and_signs(self, out: Path) -> None:
        """Money out is negative; a blank symbol means none; 1994 is left out."""
        rows = read(out, "transactions")[["amount", "kind"]].to_numpy().tolist()
        assert rows == [
            ["1000.00", "cash"],
            ["5.00", "interest"],
            ["-14.60", "fee"],
            ["3.00", "interest"],
            ["-100.00", "utility_debit"],
            ["700.00", "cash"],
            ["2000.00", "pension"],
        ]

    def test_places(self, out: Path) -> None:
        """All inhabitants in towns make a branch urban, 46.7 % a township."""
        assert list(read(out, "branches")["type"]) == ["urban", "township"]

    def test_regions_as_branches(self, tiny: Path) -> None:
        """With regions as branches there is one branch per region, numbered by name."""
        berka_convert.convert(tiny, tiny / "out", branch="region", published=TINY_ROWS)
        branches = read(tiny / "out", "branches")
        assert list(branches["branch_id"]) == ["R1", "R2"]
        assert list(branches["name"]) == ["Prague", "central Bohemia"]

    def test_the_folder_keeps_the_contract(self, out: Path) -> None:
        """The converted folder opens as a bank of four quarters."""
        with open_bank(out) as bank:
            assert [str(quarter) for quarter in bank.quarters] == [
                "1993Q1",
                "1993Q2",
                "1993Q3",
                "1993Q4",
            ]

    def test_a_cut_line_is_dropped_aloud(
        self, tiny: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The half line at the end is left out; stderr says which line, never what it held."""
        berka_convert.convert(tiny, tiny / "out", published=TINY_ROWS)
        last = len((tiny / "trans_1993.asc").read_text(encoding="ascii").splitlines())
        said = capsys.readouterr().err
        assert f"trans_1993.asc: line {last} is cut off and was dropped." in said
        assert "9401" not in said

    def test_another_number_of_rows_is_an_error(
        self, tiny: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Files that are not the published ones are refused by name, with both numbers printed."""
        with pytest.raises(BankDataError, match="not as many rows as published in: loan"):
            berka_convert.convert(tiny, tiny / "out", published={**TINY_ROWS, "loan": 682})
        assert "loan             1        682" in capsys.readouterr().out

    def test_a_missing_file_is_an_error(
        self, tiny: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The command names the missing file and exits with 2."""
        (tiny / "card.asc").unlink()
        assert berka_convert.main([str(tiny), str(tiny / "out")]) == 2
        assert "card.asc is missing" in capsys.readouterr().err


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the real files converted; their row counts are checked on the way."""
    folder = tmp_path_factory.mktemp("berka")
    assert berka_convert.main([str(SOURCE), str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def raw() -> list[dict[str, str]]:
    """Return the raw rows of 1993 as the standard library reads them."""
    with (SOURCE / "trans_1993.asc").open(encoding="ascii", newline="") as file:
        rows = csv.DictReader(file, delimiter=";")
        return [row for row in rows if (row["date"] or "") < "940101"]


@needs_berka
class TestPublishedData:
    """The real files, counted independently with the standard library's reader."""

    def test_transactions_of_each_quarter(self, converted: Path) -> None:
        """1,248, 4,099, 8,778 and 14,080 transactions; 298, 554, 858 and 1,139 accounts moved."""
        rows = read(converted, "transactions")
        quarter = pd.to_datetime(rows["transacted_on"]).dt.quarter
        assert quarter.value_counts().sort_index().to_list() == [1248, 4099, 8778, 14080]
        moved = [rows.loc[quarter <= number, "customer_id"].nunique() for number in (1, 2, 3, 4)]
        assert moved == [298, 554, 858, 1139]

    def test_an_account_looked_up_by_hand(self, converted: Path) -> None:
        """Account 576 closes 1993 with 23,643.20: after interest of 99.40 a fee of 14.60."""
        held = read(converted, "holdings").set_index(["as_of", "account_id"])
        assert held.loc[("1993-12-31", "A00576"), "balance"] == "23643.20"

    def test_closing_balances(self, converted: Path, raw: list[dict[str, str]]) -> None:
        """A closing balance is the last day's one from which no other entry of that day starts."""
        last_day: dict[str, list[tuple[float, float]]] = {}
        dates: dict[str, str] = defaultdict(str)
        for row in raw:
            account, signed = row["account_id"], float(row["amount"])
            signed = signed if row["type"] == "PRIJEM" else -signed
            entry = (float(row["balance"]), float(row["balance"]) - signed)
            if row["date"] > dates[account]:
                dates[account], last_day[account] = row["date"], []
            last_day[account].append(entry)
        expected = {}
        for account, entries in last_day.items():
            starts = [start for _, start in entries]
            ends = [end for end, _ in entries if min(abs(end - start) for start in starts) > 0.15]
            expected[f"A{int(account):05d}"] = f"{(ends or [entries[0][0]])[0]:.2f}"
        held = read(converted, "holdings").query(
            "as_of == '1993-12-31' and product == 'demand_deposit'"
        )
        assert dict(zip(held["account_id"], held["balance"], strict=True)) == expected

    def test_bank_made_entries_never_count(
        self, converted: Path, raw: list[dict[str, str]]
    ) -> None:
        """Every last active day has an entry the bank did not make; many end with one it did."""
        by_bank = {"UROK", "SANKC. UROK", "SLUZBY"}
        own, latest = defaultdict(set), defaultdict(str)
        for row in raw:
            account = f"A{int(row['account_id']):05d}"
            iso = f"19{row['date'][:2]}-{row['date'][2:4]}-{row['date'][4:]}"
            latest[account] = max(latest[account], iso)
            if row["operation"] and row["k_symbol"] not in by_bank:
                own[account].add(iso)
        held = read(converted, "holdings").query(
            "as_of == '1993-12-31' and product == 'demand_deposit'"
        )
        clock = dict(zip(held["account_id"], held["last_active_on"], strict=True))
        assert all(day in own[account] for account, day in clock.items())
        assert sum(latest[account] > day for account, day in clock.items()) > 900

    @pytest.mark.slow
    @pytest.mark.parametrize("path", EXPLORING, ids=lambda path: path.stem)
    def test_exploring_notebooks_run(self, converted: Path, path: Path, tmp_path: Path) -> None:
        """From papermill's -p, in English; a model that has too few events says so."""
        out = tmp_path / path.name
        command = [sys.executable, "-m", "papermill", str(path), str(out), "--no-progress-bar",
                   "-p", "folder", str(converted), "-p", "language", "en"]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
        cells = nbformat.read(out, as_version=4).cells
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        assert any("<table" in output.get("data", {}).get("text/html", "") for output in outputs)
        refused = any("The data do not suffice" in str(output) for output in outputs)
        assert refused == (path.stem in ("early_warning", "next_product"))

    def test_the_folder_keeps_the_contract(self, converted: Path) -> None:
        """77 branches and an owner for each of the 1,139 accounts at the end of 1993."""
        with open_bank(converted) as bank:
            assert len(bank.table("branches")) == 77
        assert (read(converted, "customers")["as_of"] == "1993-12-31").sum() == 1139
