"""The sample bank keeps the contract, adds up to the cent, and follows the same people."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from stockcust_analysis.bank.contract import TABLES, Kind
from stockcust_analysis.bank.mapping import Mapping, read_mapping
from stockcust_analysis.bank.sample import make_bank, write_bank
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.errors import UsageError
from tests.bank.sample_counts import AS_OF, BEFORE, NOW, Bank, at, cents, sample_bank

DELIVERED = [entry for entry in TABLES if entry.name != "customer_moves"]
"""What the sample delivers: its branches merge, none is split."""

INVESTMENTS = ["time_deposit", "wealth", "fund", "insurance", "bond", "metal", "custody"]
ASSETS = ["demand_deposit", *INVESTMENTS]


@pytest.fixture
def bank() -> Bank:
    """Return the sample bank as it is delivered."""
    return sample_bank()


class TestContract:
    """The tables keep the contract."""

    def test_columns_are_those_of_the_contract(self, bank: Bank) -> None:
        """Every table has exactly the contract's columns, in its order; its plans are levels."""
        assert set(bank) == {entry.name for entry in DELIVERED}
        for entry in DELIVERED:
            absent = ("kind", "phased_share") if entry.name == "targets" else ()
            names = tuple(name for name in entry.column_names if name not in absent)
            assert tuple(bank[entry.name].columns) == names

    def test_keys_are_unique_and_sorted(self, bank: Bank) -> None:
        """No key appears twice, and the large tables are sorted by it."""
        for entry in DELIVERED:
            if entry.key:
                assert not bank[entry.name].duplicated(list(entry.key)).any(), entry.name
        for name in ("customers", "holdings"):
            keys = bank[name].iloc[:, :2]
            pd.testing.assert_frame_equal(keys, keys.sort_values(list(keys.columns)))

    def test_codes_are_allowed(self, bank: Bank) -> None:
        """A coded column holds only the contract's codes, and the sample uses every product."""
        for entry in DELIVERED:
            for column in entry.columns:
                if column.kind is Kind.CODE and column.name in bank[entry.name]:
                    used = set(bank[entry.name][column.name].dropna())
                    assert used <= set(column.allowed), (entry.name, column.name)
        assert bank["holdings"]["product"].nunique() == 16

    def test_money_has_two_decimals(self, bank: Bank) -> None:
        """No amount hides a fraction of a cent."""
        for entry in DELIVERED:
            for column in entry.columns:
                if column.kind is Kind.MONEY:
                    money = bank[entry.name][column.name]
                    pd.testing.assert_series_equal(money, money.round(2), check_exact=True)

    def test_the_written_bank_has_a_name(self, tmp_path: Path) -> None:
        """`mapping.toml` names the bank, and nothing else."""
        write_bank(make_bank(branches=8, customers=800), tmp_path)
        assert read_mapping(tmp_path / "mapping.toml") == Mapping(name="青禾农村商业银行")

    def test_files_hold_exact_money_and_real_dates(self, tmp_path: Path) -> None:
        """Parquet holds DECIMAL(18,2) and DATE; CSV has LF line ends and no byte order mark."""
        write_bank(make_bank(branches=8, customers=800), tmp_path)
        described = duckdb.sql(f"DESCRIBE FROM '{tmp_path / 'holdings.parquet'}'").fetchall()
        types = {row[0]: row[1] for row in described}
        assert types["balance"] == "DECIMAL(18,2)"
        assert types["as_of"] == "DATE"
        assert types["rolls_over"] == "BOOLEAN"
        text = (tmp_path / "branches.csv").read_bytes()
        assert text.startswith(b"branch_id,name,region,type,opened_on,closed_on\nB001,")
        assert b"\r" not in text


class TestSeed:
    """Randomness is under control."""

    def test_same_seed_same_bytes(self, tmp_path: Path) -> None:
        """Two banks of the same seed are written as the same bytes."""
        hashes = []
        for folder in (tmp_path / "one", tmp_path / "two"):
            write_bank(make_bank(7, branches=8, customers=800), folder)
            files = sorted(folder.iterdir())
            hashes.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
        assert hashes[0] == hashes[1]

    def test_another_seed_is_another_bank(self) -> None:
        """The seed matters."""
        one, two = (make_bank(seed, branches=8, customers=800)["customers"] for seed in (1, 2))
        assert not one.equals(two)

    @pytest.mark.parametrize(("branches", "customers"), [(7, 12_000), (24, 2_399)])
    def test_too_small_is_refused(self, branches: int, customers: int) -> None:
        """A bank too small for its stories is a usage error that says how large it must be."""
        with pytest.raises(UsageError, match=r"too few.*(8|2400)"):
            make_bank(branches=branches, customers=customers)


class TestQuarters:
    """Fewer quarters are the last ones."""

    def test_two_quarters_are_the_last_two_of_five(self) -> None:
        """Customers and accounts are those of the bank of five; plan and managers are the same."""
        size = {"branches": 8, "customers": 2_400}
        five, two = make_bank(**size), make_bank(**size, quarters=2)
        for name in ("customers", "holdings", "ledger"):
            expected = five[name][five[name]["as_of"] >= BEFORE].reset_index(drop=True)
            pd.testing.assert_frame_equal(two[name], expected)
        for name in ("managers", "targets"):
            pd.testing.assert_frame_equal(two[name], five[name])
        assert set(two["assignments"]["customer_id"]) <= set(two["customers"]["customer_id"])
        assert two["contacts"]["contacted_on"].min() >= pd.Timestamp("2026-04-01")

    @pytest.mark.parametrize("quarters", [1, 6])
    def test_too_few_or_many_are_refused(self, quarters: int) -> None:
        """A quarter needs one before it, and there are five in all."""
        with pytest.raises(UsageError, match="between 2 and 5"):
            make_bank(quarters=quarters)


class TestSums:
    """Everything adds up to the cent."""

    def test_assets_are_the_sum_of_holdings(self, bank: Bank) -> None:
        """AUM is the sum of the balances of AUM products, for every customer and quarter."""
        held = bank["holdings"][bank["holdings"]["product"].isin(ASSETS)]
        expected = cents(held["balance"]).groupby([held["as_of"], held["customer_id"]]).sum()
        customers = bank["customers"].set_index(["as_of", "customer_id"])
        found = cents(customers["aum_period_end"])
        assert (found - expected.reindex(found.index, fill_value=0)).abs().max() == 0

    def test_loans_are_the_sum_of_loans(self, bank: Bank) -> None:
        """The loan balance is the sum of loans; credit cards are no part of it."""
        held = bank["holdings"][bank["holdings"]["product"] == "loan"]
        expected = cents(held["balance"]).groupby([held["as_of"], held["customer_id"]]).sum()
        customers = bank["customers"].set_index(["as_of", "customer_id"])
        found = cents(customers["loan_balance"])
        assert (found - expected.reindex(found.index, fill_value=0)).abs().max() == 0
        assert (found > 0).sum() > 1000

    def test_ledger_is_the_sum_by_booking_branch(self, bank: Bank) -> None:
        """The ledger reconciles with holdings by booking branch, date and product."""
        holdings = bank["holdings"]
        keys = [holdings["booking_branch_id"], holdings["as_of"], holdings["product"]]
        expected = cents(holdings["balance"]).groupby(keys).sum()
        ledger = cents(bank["ledger"].set_index(["branch_id", "as_of", "product"])["balance"])
        assert ledger.to_dict() == expected[expected > 0].to_dict()

    def test_booking_and_owning_branch_differ_for_some(self, bank: Bank) -> None:
        """A few accounts in a hundred are booked at another branch than the owner's."""
        owner = at(bank["customers"], NOW).set_index("customer_id")["branch_id"]
        holdings = at(bank["holdings"], NOW)
        elsewhere = holdings["booking_branch_id"] != holdings["customer_id"].map(owner)
        assert 0.01 < elsewhere.mean() < 0.08

    def test_averages_follow_from_one_step_a_quarter(self, bank: Bank) -> None:
        """Without investments: (old balance × days before + new balance × days since) / 92 days."""
        customers = bank["customers"]
        old = at(customers, BEFORE).set_index("customer_id")["aum_period_end"]
        now = at(customers, NOW).set_index("customer_id")
        invested = bank["holdings"]["product"].isin(INVESTMENTS)
        investors = bank["holdings"].loc[invested, "customer_id"]
        plain = now[now.index.isin(old.index) & ~now.index.isin(investors)]
        plain = plain[plain["closed_on"].isna()]
        step = plain["last_active_on"].where(
            plain["last_active_on"] >= pd.Timestamp("2026-07-01"), pd.Timestamp("2026-09-21")
        )
        since = (NOW - step).dt.days + 1
        expected = (old[plain.index] * (92 - since) + plain["aum_period_end"] * since) / 92
        assert len(plain) > 5000
        assert (plain["aum_average_quarter"] - expected).abs().max() < 0.011


class TestPanel:
    """The same people are followed from quarter to quarter."""

    def test_dates_are_possible(self, bank: Bank) -> None:
        """Nobody acts after the as-of date or before the relationship, and no clock runs back."""
        customers = bank["customers"]
        assert not (customers["last_active_on"] > customers["as_of"]).any()
        assert not (customers["last_active_on"] < customers["relationship_since"]).any()
        clocks = customers.sort_values("as_of").groupby("customer_id")["last_active_on"]
        assert (clocks.diff().dropna() >= pd.Timedelta(0)).all()
        assert (customers.groupby("customer_id")["relationship_since"].nunique() == 1).all()

    def test_the_closed_are_shown_once_more_and_then_gone(self, bank: Bank) -> None:
        """`closed_on` stands in a customer's last row only, in that quarter, with no money left."""
        customers = bank["customers"]
        last = customers.groupby("customer_id")["as_of"].transform("max")
        closed = customers[customers["closed_on"].notna()]
        assert len(closed) > 200
        assert (closed["as_of"] == last[closed.index]).all()
        assert (closed["closed_on"].dt.to_period("Q") == closed["as_of"].dt.to_period("Q")).all()
        assert (closed["aum_period_end"] == 0).all()
        assert (last[customers["closed_on"].isna() & (customers["as_of"] == last)] == NOW).all()

    def test_interest_is_no_activity(self, bank: Bank) -> None:
        """On a sleeping customer's deposit interest is posted, and the clock does not move."""
        both = at(bank["customers"], BEFORE).merge(
            at(bank["customers"], NOW), on="customer_id", suffixes=("_before", "")
        )
        asleep = both[(both["active_transactions"] == 0) & both["last_active_on"].notna()]
        posted = bank["transactions"][bank["transactions"]["kind"] == "interest"]
        interest = cents(asleep["customer_id"].map(posted.set_index("customer_id")["amount"]))
        assert len(asleep) > 1000
        assert (asleep["last_active_on"] == asleep["last_active_on_before"]).all()
        assert (interest >= 1).all()
        deposits = bank["holdings"][bank["holdings"]["product"] == "demand_deposit"]
        old, new = (
            cents(asleep["customer_id"].map(at(deposits, day).set_index("customer_id")["balance"]))
            for day in (BEFORE, NOW)
        )
        assert ((new - old) == interest).all()

    def test_transactions_agree_with_the_clock(self, bank: Bank) -> None:
        """Own transactions are as many as the customers table says, the last one on its date."""
        kinds = ["cash", "transfer", "payment", "purchase", "wechat_alipay"]
        own = bank["transactions"][bank["transactions"]["kind"].isin(kinds)]
        found = own.groupby("customer_id")["transacted_on"].agg(["size", "max"])
        customers = at(bank["customers"], NOW).set_index("customer_id")
        active = customers[customers["active_transactions"] > 0]
        assert found["size"].to_dict() == active["active_transactions"].to_dict()
        assert found["max"].to_dict() == active["last_active_on"].to_dict()

    def test_customers_come_drain_return_and_wake(self, bank: Bank) -> None:
        """All fates of the migration occur: new, drained, returned, woken, transferred."""
        customers = bank["customers"]
        money = customers.pivot(index="customer_id", columns="as_of", values="aum_period_end")
        assert ((money[BEFORE] > 5000) & (money[NOW] < 100)).sum() >= 20
        assert ((money[AS_OF[2]] < 100) & (money[NOW] > 5000)).sum() >= 20
        assert (money[BEFORE].isna() & money[NOW].notna()).sum() >= 200
        staying = customers[customers["closed_on"].isna()]
        clock = staying.pivot(index="customer_id", columns="as_of", values="last_active_on")
        long_idle = clock[BEFORE] <= pd.Timestamp("2024-06-30")
        assert (long_idle & (clock[NOW] >= pd.Timestamp("2026-07-01"))).sum() >= 10
        home = customers.pivot(index="customer_id", columns="as_of", values="branch_id")
        assert (home[[BEFORE, NOW]].dropna().nunique(axis=1) == 2).sum() >= 10


def test_the_delivered_sample_is_what_make_bank_writes(bank: Bank, tmp_path: Path) -> None:
    """`data/sample` holds the bank of the default seed, cell for cell, in four megabytes."""
    write_bank(bank, tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4_000_000
    delivered = Path(__file__).parents[2] / "data" / "sample"
    with open_bank(delivered) as old, open_bank(tmp_path) as new:
        assert [str(quarter) for quarter in new.quarters][::4] == ["2025Q3", "2026Q3"]
        for name, frame in bank.items():
            written = new.table(name).df()
            assert len(written) == len(frame)
            pd.testing.assert_frame_equal(written, old.table(name).df())
    for name in ("README.md", "mapping.toml"):
        assert (tmp_path / name).read_bytes() == (delivered / name).read_bytes()
