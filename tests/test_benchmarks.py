"""The rivals of the benchmarks answer as the package does, and banks of millions are banks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest

pytest.importorskip("pyarrow")  # which comes with the engines, for which slow tests are made

from benchmarks import by_pandas, by_sql, table, timing
from benchmarks.bank import stream_bank
from benchmarks.headline import disagreements, package_tables, tables_of
from stockcust_analysis import evaluate, make_bank, open_bank
from stockcust_analysis.bank.contract import TABLES
from stockcust_analysis.bank.sample import write_bank
from stockcust_analysis.errors import UsageError
from tests.bank import test_sample as whole
from tests.bank.sample_counts import NOW, Bank, at

pytestmark = [
    pytest.mark.slow,
    # One branch loses all customers to another on purpose, without being merged into it.
    pytest.mark.filterwarnings("ignore:branch .* has none in:UserWarning"),
]
# The quarter in which two branches are merged away.
QUARTER, OPENING, CLOSING = "2026Q2", pd.Timestamp("2026-03-31"), pd.Timestamp("2026-06-30")
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bank of two quarters: some customers change branch, one branch has nobody funded."""
    folder, bank = tmp_path_factory.mktemp("bank"), make_bank(branches=8, customers=800)
    for name in ("customers", "holdings", "ledger"):
        as_of = pd.to_datetime(bank[name]["as_of"])
        bank[name] = bank[name][as_of.isin([OPENING, CLOSING])].reset_index(drop=True)
    customers, holdings, network = bank["customers"], bank["holdings"], bank["branches"]
    closing = pd.to_datetime(customers["as_of"]) == CLOSING
    movers = closing & (customers["branch_id"] == "B001") & (customers.index % 3 == 0)
    assert movers.sum() > 10
    customers.loc[movers, "branch_id"] = "B003"
    customers.loc[closing & (customers["branch_id"] == "B004"), "branch_id"] = "B005"
    # Many who did not act, or are on a border, or whose deposit matured: every rule decides.
    customers.loc[customers.index % 3 == 1, "last_active_on"] = None
    customers.loc[customers.index % 7 == 1, "aum_average_quarter"] = 50_000.0
    due = pd.Timestamp("2026-04-01")
    matured = (holdings["product"] == "time_deposit") & (holdings.index % 2 == 0)
    matured &= ~(pd.to_datetime(holdings["opened_on"]) > due)
    holdings.loc[matured, "matures_on"] = due
    money = customers.groupby("customer_id")[["aum_average_quarter", "loan_balance"]].max()
    insured = holdings.query("product == 'insurance'")["customer_id"]
    poor = money.index[money.sum(axis=1) < 50].difference(insured)[:3]
    assert len(poor) == 3
    customers.loc[customers["customer_id"].isin(poor), "branch_id"] = "B900"
    bank["branches"] = pd.concat([network, network.head(1).assign(branch_id="B900")])
    del bank["transactions"]  # all of a later quarter
    for name in ("assignments", "contacts"):
        known = bank[name]["customer_id"].isin(customers["customer_id"])
        bank[name] = bank[name][known].reset_index(drop=True)
    write_bank(bank, folder)
    return folder


@pytest.fixture(scope="module")
def package(folder: Path) -> Tables:
    """Return what the package says."""
    with open_bank(folder) as bank:
        return package_tables(evaluate(bank, quarter=QUARTER), QUARTER)


@pytest.mark.parametrize("rival", [by_sql, by_pandas])
def test_every_rival_says_what_the_package_says(
    rival: object, folder: Path, package: Tables
) -> None:
    """SQL and pandas, written by hand, give every figure of the headline measures."""
    assert disagreements(package, tables_of(rival.answer(folder, QUARTER))) == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "column", "off"),
    [
        ("measures", "n", 1),
        ("measures", "numerator", 0.01),
        ("measures", "value", 1e-8),
        ("bridge", "amount", 0.01),
        ("migration", "customers", 1),
    ],
)
def test_the_comparison_sees_one_cent(name: str, column: str, off: float, package: Tables) -> None:
    """A rival that is wrong by one customer, one cent or 1e-8 in one row does not pass."""
    rival = {table: frame.copy() for table, frame in package.items()}
    row = rival[name][column].first_valid_index()
    rival[name].loc[row, column] += off
    assert len(disagreements(package, rival)) == 1
    rival[name] = package[name].drop(index=row)
    assert "1 rows only of the package" in disagreements(package, rival)[0]


def test_pairs_before_the_quarter_are_not_compared(folder: Path, package: Tables) -> None:
    """A bank of five quarters knows last quarter's retention, too, which no rival answers."""
    with open_bank(folder) as bank:
        evaluation = evaluate(bank, quarter=QUARTER)
    earlier = evaluation.measures.assign(quarter="2026Q1")
    earlier = earlier[earlier["measure"] == "asset_retention"]
    longer = replace(evaluation, measures=pd.concat([evaluation.measures, earlier]))
    assert disagreements(package_tables(longer, QUARTER), package) == []


def test_arms_take_turns_and_are_compared_within_them(tmp_path: Path) -> None:
    """An arm that works three times as long has about a third; one that fails says with what."""
    spin = "import sys, time\nwhile time.process_time() < {}: pass\nsys.exit({})"
    arms = [
        timing.Arm(name, ["-S", "-c", spin.format(seconds, code)])
        for name, seconds, code in (("package", 0.2, 0), ("slow", 0.6, 0), ("broken", 0.0, 3))
    ]
    comparison = timing.Comparison("turns", arms, {"title": "Turns", "size": {"things": 1}})
    result = timing.compare(comparison, tmp_path, runs=2, limit=20)
    middle, least, most = result["package_over"]["slow"]["processor_seconds"]
    assert least <= middle <= most
    assert 0.2 < middle < 0.6
    assert result["arms"]["broken"] == {"failed": "exit code 3: "}
    facts = {"machine": "", "versions": "", "date": "", "commit": "", "memory_limit": ""}
    printed = table.tables(facts | {"comparisons": {"turns": json.loads(json.dumps(result))}})
    assert "| this package | " in printed
    assert "| broken | exit code 3" in printed


def test_the_page_is_what_was_measured() -> None:
    """The tables of the page are those that the committed results make."""
    assert table.page() == table.PAGE.read_text(encoding="utf-8")


@cache
def streamed(customers: int) -> Bank:
    """Return a bank of 24 branches that was written in four pieces, sorted by key."""
    with TemporaryDirectory() as parent:
        folder = Path(parent) / "bank"
        stream_bank(folder, branches=24, customers=customers, piece=customers // 4, workers=2)
        assert len(list(folder.glob("customers_*.parquet"))) == 4
        with open_bank(folder) as opened:
            return {
                entry.name: opened.table(entry.name).order(", ".join(entry.key or ("ALL",))).df()
                for entry in TABLES
                if entry.name in opened.columns
            }


@pytest.fixture
def bank() -> Bank:
    """Return a bank as large as the delivered one, for everything that is promised of that."""
    return streamed(12_000)


def shape(bank: Bank) -> pd.Series:
    """Return how a bank's customers, money and products are distributed."""
    now, held = (at(bank[name], NOW) for name in ("customers", "holdings"))
    kind = now["branch_id"].map(bank["branches"].set_index("branch_id")["type"])
    figures = {
        "customers": len(now) / 12_000,
        "top fifth": now["aum_period_end"].nlargest(len(now) // 5).sum()
        / now["aum_period_end"].sum(),
        "empty": (now["aum_period_end"] < 100).mean(),
        "dormant": (~(now["last_active_on"] > pd.Timestamp("2025-09-30"))).mean(),
        "left": now["closed_on"].notna().mean(),
        "managed": now["customer_id"].isin(bank["assignments"]["customer_id"]).mean(),
        "contacts a customer": len(bank["contacts"]) / len(now),
    }
    shares = kind.value_counts(normalize=True), held["product"].value_counts() / len(now)
    return pd.concat([pd.Series(figures), *shares])


def test_distributions_are_those_of_a_bank_made_in_one_piece(bank: Bank) -> None:
    """Shares and rates differ by less than 0.06, as they do between seeds."""
    difference = (shape(bank) - shape(make_bank())).abs()
    assert difference.max() < 0.06, difference.nlargest(3)


class TestContract(whole.TestContract):
    """The pieces together keep the contract: no customer, account or manager appears twice."""


class TestSums(whole.TestSums):
    """The pieces together add up to the cent."""


class TestPanel(whole.TestPanel):
    """The same people are followed, also those who move to another piece's branch."""


def test_workers_do_not_matter(tmp_path: Path) -> None:
    """One process and two write the same bytes."""
    hashes = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        stream_bank(folder, 7, branches=24, customers=2_400, piece=1_200, workers=workers)
        files = sorted(folder.iterdir())
        hashes.append({path.name: hashlib.sha256(path.read_bytes()).digest() for path in files})
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 2 * 5 + 5 + 2


def test_an_interrupted_bank_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C after the first piece leaves neither the folder nor anything beside it."""

    def interrupt(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    size = {"branches": 24, "customers": 2_400, "piece": 1_200, "workers": 1}
    with pytest.raises(KeyboardInterrupt):
        stream_bank(tmp_path / "bank", progress=interrupt, **size)
    assert list(tmp_path.iterdir()) == []


def test_two_banks_are_never_mixed(tmp_path: Path) -> None:
    """A folder that holds files is refused, as `write_bank` refuses another bank's pieces."""
    (tmp_path / "customers_0001.parquet").touch()
    with pytest.raises(UsageError, match="not empty"):
        stream_bank(tmp_path, branches=24, customers=2_400)
    with pytest.raises(UsageError, match="1 files of another bank"):
        write_bank(make_bank(branches=8, customers=800), tmp_path)


def test_a_branch_must_fit_in_a_piece(tmp_path: Path) -> None:
    """Millions in 24 branches are refused, saying how many branches are needed."""
    with pytest.raises(UsageError, match="ask for 200 or more"):
        stream_bank(tmp_path / "bank", branches=24, customers=10_000_000)
