"""The engines that the benchmark compares answer alike, and its page is what it measured."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import pandas as pd
import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("polars")

from benchmarks.agreement import disagreements, tables
from benchmarks.answers import tables_of
from benchmarks.arm import RIVALS
from benchmarks.asked import Asked
from benchmarks.runs import exponent
from benchmarks.table import PAGE, page
from stockcust_analysis.bank.sample import make_bank, write_bank
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.evaluation.evaluate import evaluate
from stockcust_analysis.periods import Quarter

# The quarter in which two branches are merged away.
QUARTER = Quarter.parse("2026Q2")
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Return a bank of two quarters: some customers change branch, one branch has nobody funded."""
    folder, bank = tmp_path_factory.mktemp("bank"), make_bank(branches=8, customers=800)
    told = [pd.Timestamp(quarter.end) for quarter in (QUARTER.previous, QUARTER)]
    for name in ("customers", "holdings", "ledger"):
        at = pd.to_datetime(bank[name]["as_of"])
        bank[name] = bank[name][at.isin(told)].reset_index(drop=True)
    owners, network = bank["customers"], bank["branches"]
    closing = pd.to_datetime(owners["as_of"]) == told[1]
    movers = closing & (owners["branch_id"] == "B001") & (owners.index % 3 == 0)
    assert movers.sum() > 10
    owners.loc[movers, "branch_id"] = "B003"
    owners.loc[closing & (owners["branch_id"] == "B004"), "branch_id"] = "B005"
    # Many who did not act, or are on a border, or whose deposit matured: every rule decides.
    owners.loc[owners.index % 3 == 1, "last_active_on"] = None
    owners.loc[owners.index % 7 == 1, "aum_average_quarter"] = 50_000.0
    holdings = bank["holdings"]
    matured = (holdings["product"] == "time_deposit") & (holdings.index % 2 == 0)
    holdings.loc[matured, "matures_on"] = pd.Timestamp(QUARTER.start)
    money = owners.groupby("customer_id")[["aum_average_quarter", "loan_balance"]].max().sum(axis=1)
    insured = holdings.query("product == 'insurance'")["customer_id"]
    poor = money.index[money < 50].difference(insured)[:3]
    assert len(poor) == 3
    owners.loc[owners["customer_id"].isin(poor), "branch_id"] = "B900"
    bank["branches"] = pd.concat([network, network.head(1).assign(branch_id="B900")])
    for name in ("assignments", "contacts", "transactions"):
        known = bank[name]["customer_id"].isin(owners["customer_id"])
        bank[name] = bank[name][known].reset_index(drop=True)
    write_bank(bank, folder)
    return Asked(folder, QUARTER)


@pytest.fixture(scope="module")
def wanted(asked: Asked) -> Tables:
    """Return what the evaluation says."""
    with open_bank(asked.folder) as bank:
        return tables(evaluate(bank, quarter=str(asked.quarter)), asked.quarter)


@pytest.mark.slow
@pytest.mark.parametrize("rival", RIVALS)
def test_every_rival_says_what_the_evaluation_says(
    rival: str, asked: Asked, wanted: Tables
) -> None:
    """SQL, pandas and Polars, written by hand, give every figure of the evaluation."""
    sums: Callable[[Asked], object] = importlib.import_module(f"benchmarks.by_{rival}").sums
    given = tables_of(sums(asked), asked)  # type: ignore[arg-type]
    assert disagreements(wanted, given) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "column", "off"),
    [("measures", "n", 1), ("measures", "numerator", 0.01), ("measures", "value", 1e-8),
     ("lorenz", "value_share", 1e-8), ("bridge", "amount", 0.01), ("migration", "customers", 1)],
)  # fmt: skip
def test_the_comparison_sees_one_cent(table: str, column: str, off: float, wanted: Tables) -> None:
    """A rival that is wrong by one customer, one cent or 1e-8 in one row does not pass."""
    given = {name: frame.copy() for name, frame in wanted.items()}
    row = given[table][column].first_valid_index()
    given[table].loc[row, column] += off
    assert len(disagreements(wanted, given)) == 1
    given[table] = wanted[table].drop(index=row)
    assert "only in the evaluation" in disagreements(wanted, given)[0]


def test_the_exponent_is_the_slope() -> None:
    """Time that grows with the square has the exponent 2."""
    assert exponent([1, 10, 50], [3, 300, 7500]) == pytest.approx(2)


def test_the_page_is_what_was_measured() -> None:
    """The tables of the page are those that the committed results make."""
    assert page() == PAGE.read_text(encoding="utf-8")
