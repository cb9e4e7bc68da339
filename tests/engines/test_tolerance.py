"""What a bank's tolerance sets aside is in no figure, and counted, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.errors import BankDataError
from stockcust_analysis.evaluation.evaluate import evaluate
from tests.engines.banks import in_duckdb, in_pandas, in_polars
from tests.engines.servers import Server
from tests.tiny_bank import BRANCHES, CUSTOMERS, HOLDINGS, write_tiny_bank

BOOKED = """\
as_of,account_id,customer_id,product,balance,booking_branch_id
2026-06-30,A1,C1,demand_deposit,1000.00,001
2026-06-30,A2,C2,demand_deposit,250.50,001
2026-06-30,A3,C3,time_deposit,70000.00,002
2026-06-30,A9,C9,time_deposit,77.00,002
2026-09-30,A1,C1,demand_deposit,1200.00,001
2026-09-30,A2,C2,demand_deposit,250.75,001
2026-09-30,A3,C3,time_deposit,70000.00,002
2026-09-30,A4,C4,loan,5000.00,002
2026-09-30,A8,C8,fund,123.45,001
2026-09-30,A7,C8,loan,-6.55,002
"""
MANAGERS = "manager_id,branch_id,role\nM1,001,vip\n"
ASSIGNMENTS = """\
customer_id,valid_from,manager_id,valid_to,reason,first_contact_on
C1,2026-01-01,M1,,initial,
C2,2026-01-01,M9,,initial,
C3,2026-01-01,M9,,initial,
"""
CONTACTS = """\
customer_id,manager_id,contacted_on,channel,outcome
C1,M1,2026-09-01,phone,reached
C9,M9,2026-09-01,phone,reached
C3,M9,2026-09-02,phone,reached
C1,M1,2026-10-01,phone,reached
C1,M1,2026-10-02,phone,reached
"""
TABLES = {
    "holdings": BOOKED,
    "managers": MANAGERS,
    "assignments": ASSIGNMENTS,
    "contacts": CONTACTS,
}
# Three holdings of unknown customers, of 77.00 + 123.45 + 6.55 CNY without their signs.
ALLOWED = """
[tolerance.holdings]
customer_id = { rows = 3, amount = 207 }
[tolerance.assignments]
manager_id = { rows = 2 }
[tolerance.contacts]
customer_id = { rows = 1 }
manager_id = { rows = 2 }
"""
SET_ASIDE = {
    ("holdings", "customer_id"): (3, 207.0),
    ("assignments", "manager_id"): (2, None),
    # The contact whose customer is unknown as well counts once.
    ("contacts", "customer_id"): (1, None),
    ("contacts", "manager_id"): (1, None),
    ("contacts", "contacted_on"): (2, None),
}


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    """Write the mapping with the tolerance."""
    path = tmp_path / "allowed.toml"
    path.write_text(ALLOWED)
    return path


def frames() -> dict[str, pd.DataFrame]:
    """Return the bank's tables in pandas."""
    days = {"as_of", "relationship_since", "last_active_on", "valid_from", "valid_to"}
    days |= {"first_contact_on", "contacted_on"}
    texts = {"branches": BRANCHES, "customers": CUSTOMERS, **TABLES}
    tables = {}
    for name, text in texts.items():
        head, *rows = (line.split(",") for line in text.splitlines())
        frame = pd.DataFrame(rows, columns=head).replace("", None)
        money = [c for c in head if c.startswith(("aum", "balance"))]
        frame = frame.astype(dict.fromkeys(money, float))
        dates = {c: pd.to_datetime(frame[c]) for c in head if c in days}
        tables[name] = frame.assign(**dates)
    return tables


def check_the_counts(source: Any, **more: Any) -> None:
    """Open a source and compare what it sets aside with the counts by hand."""
    with open_bank(source, **more) as bank:
        found = {(entry.table, entry.column): entry for entry in bank.set_aside}
        assert {key: (e.rows, e.amount) for key, e in found.items()} == SET_ASIDE
        assert {name: bank.rows(name) for name in TABLES} == {
            "holdings": 7,
            "managers": 1,
            "assignments": 1,
            "contacts": 1,
        }
        evaluation = evaluate(bank, quarter="2026Q3")
    table = evaluation.set_aside.fillna({"amount": -1.0})
    counts = table.set_index(["table", "column", "branch_id"])[["rows", "amount"]]
    # Who booked them tells the branch of holdings, whose customer they manage that of assignments.
    assert {key: tuple(row) for key, row in zip(counts.index, counts.to_numpy(), strict=True)} == {
        ("holdings", "customer_id", "001"): (1, 123.45),
        ("holdings", "customer_id", "002"): (2, 83.55),
        ("holdings", "customer_id", "@bank"): (3, 207.0),
        ("assignments", "manager_id", "001"): (1, -1),
        ("assignments", "manager_id", "002"): (1, -1),
        ("assignments", "manager_id", "@bank"): (2, -1),
        # Neither customer nor manager is known: no branch.
        ("contacts", "customer_id", "@bank"): (1, -1),
        ("contacts", "manager_id", "002"): (1, -1),
        ("contacts", "manager_id", "@bank"): (1, -1),
    }
    checks = evaluation.reconciliation.set_index("check")["right"]
    assert checks["customers_and_accounts"] == 71_450.75


def test_files_are_read_without_what_is_set_aside(tmp_path: Path, mapping: Path) -> None:
    """Extracts in files: what leads nowhere is in no figure, and counted by branch."""
    check_the_counts(write_tiny_bank(tmp_path, **TABLES), mapping=mapping)


@pytest.mark.parametrize("place", [in_pandas, in_polars, in_duckdb])
def test_frames_and_databases_are_too(
    place: Callable[[Any, Path], Any], tmp_path: Path, mapping: Path
) -> None:
    """Pandas, Polars and a DuckDB database give the same counts."""
    check_the_counts(place(frames(), tmp_path), mapping=mapping)


# Ibis asks pandas for an option that pandas 4 will no longer have.
@pytest.mark.filterwarnings("ignore:The 'future.infer_string' option:DeprecationWarning")
@pytest.mark.slow
def test_postgresql_is_too(server: Server, mapping: Path) -> None:
    """A server gives the same counts."""
    server.load(frames())
    check_the_counts(server.url(), mapping=mapping)


@pytest.mark.slow
def test_spark_is_too(spark: Any, tmp_path: Path, mapping: Path) -> None:
    """A Spark session gives the same counts."""
    in_duckdb(frames(), tmp_path)
    paths = {name: str(tmp_path / f"{name}.parquet") for name in frames()}
    check_the_counts(spark, tables=paths, mapping=mapping)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rows = 3", "rows = 2", "allows 2 rows, 207 CNY, there are 3 rows\\."),
        (
            "amount = 207",
            "amount = 206.99",
            "allows 3 rows, 206.99 CNY, there are 3 rows, more CNY",
        ),
    ],
)
def test_beyond_it_one_error_says_allowed_and_found(
    tmp_path: Path, mapping: Path, old: str, new: str, said: str
) -> None:
    """One row, or one cent, more than is allowed stops the run; the amount is told roughly."""
    mapping.write_text(ALLOWED.replace(old, new))
    folder = write_tiny_bank(tmp_path, **TABLES)
    with pytest.raises(BankDataError, match=said) as caught:
        open_bank(folder, mapping=mapping)
    assert "holdings.customer_id: 3 rows (first: 5, 10, 11)" in str(caught.value)


def test_what_hangs_on_rows_set_aside_is_judged_without_them(tmp_path: Path) -> None:
    """Holdings of a customer who was set aside have no customer any more."""
    folder = write_tiny_bank(tmp_path, customers=CUSTOMERS.replace("C4,002", "C4,009"))
    allowed = "[tolerance.customers]\nbranch_id = { rows = 1, amount = 0 }\n"
    (folder / "mapping.toml").write_text(allowed)
    with pytest.raises(BankDataError, match=r"holdings.customer_id: 1 row \(first: 8\)"):
        open_bank(folder)
    more = "[tolerance.holdings]\ncustomer_id = { rows = 1, amount = 5_000 }\n"
    (folder / "mapping.toml").write_text(allowed + more)
    with open_bank(folder) as bank:
        assert [entry.rows for entry in bank.set_aside] == [1, 1]
        assert (bank.rows("customers"), bank.rows("holdings")) == (6, 6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tolerance = 3", "is no table: write .tolerance.holdings"),
        ("[tolerance.holding]\ncustomer_id = { rows = 1 }", "'holding' is no table"),
        (
            "[tolerance.holdings]\nproduct = { rows = 1, amount = 1 }",
            "'product' refers to no table",
        ),
        ("[tolerance.holdings]\ncustomer_id = { rows = 1 }", "must state { rows = 20, amount"),
        ("[tolerance.contacts]\nmanager_id = { rows = 1, amount = 1 }", "must state { rows = 20 }"),
        ("[tolerance.contacts]\nmanager_id = { rows = -1 }", "must state numbers from 0"),
        ("[tolerance.contacts]\nmanager_id = 3", "must state { rows = 20 }"),
    ],
)
def test_a_tolerance_that_cannot_be_followed_is_said(tmp_path: Path, text: str, said: str) -> None:
    """Tables, columns and shapes that mean nothing are problems of the mapping."""
    folder = write_tiny_bank(tmp_path, holdings=HOLDINGS)
    (folder / "mapping.toml").write_text(text)
    with pytest.raises(BankDataError, match=said):
        open_bank(folder)
