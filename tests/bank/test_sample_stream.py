"""A bank written in pieces is the same kind of bank: its books, its people and its stories."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from stockcust_analysis.bank import sample
from stockcust_analysis.bank.contract import TABLES
from stockcust_analysis.bank.sample import make_bank, stream_bank, write_bank
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.cli import cli
from stockcust_analysis.errors import UsageError
from tests.bank import test_sample as whole
from tests.bank import test_sample_stories as told
from tests.bank.sample_counts import BEFORE, NOW, Bank, at

SIZE = {"branches": 24, "customers": 40_000}


def read(folder: Path) -> Bank:
    """Return a bank's tables, sorted by key."""
    with open_bank(folder) as opened:
        return {
            entry.name: opened.table(entry.name).order(", ".join(entry.key or ("ALL",))).df()
            for entry in TABLES
        }


@cache
def streamed(customers: int) -> Bank:
    """Return a bank of 24 branches that was written in four pieces."""
    with TemporaryDirectory() as parent:
        folder = Path(parent) / "bank"
        stream_bank(folder, branches=24, customers=customers, piece=customers // 4, workers=2)
        assert len(list(folder.glob("customers_*.parquet"))) == 4
        return read(folder)


@pytest.fixture
def bank() -> Bank:
    """Return a bank as large as the delivered one, for everything that is promised of that."""
    return streamed(12_000)


class TestContract(whole.TestContract):
    """The pieces together keep the contract: no customer, account or manager appears twice."""


class TestSums(whole.TestSums):
    """The pieces together add up to the cent."""


class TestPanel(whole.TestPanel):
    """The same people are followed, also those who move to another piece's branch."""


class TestShape(told.TestShape):
    """The bank looks like one."""


class TestStories(told.TestStories):
    """Each planted story can be found by counting."""


def gini(money: pd.Series) -> float:
    """Return the Gini coefficient: twice the area between the Lorenz curve and the diagonal."""
    share = np.sort(money).cumsum() / money.sum()
    return 1 + 1 / len(money) - 2 * share.sum() / len(money)


def shape(bank: Bank) -> pd.Series:
    """Return figures that describe how a bank's customers, money and products are distributed."""
    now, held = at(bank["customers"], NOW), at(bank["holdings"], NOW)
    before = at(bank["customers"], BEFORE)["customer_id"]
    kind = now["branch_id"].map(bank["branches"].set_index("branch_id")["type"])
    figures = {
        "customers": len(now) / 40_000,
        "gini": gini(now["aum_period_end"]),
        "empty": (now["aum_period_end"] < 100).mean(),
        "dormant": (~(now["last_active_on"] > pd.Timestamp("2025-09-30"))).mean(),
        "products": len(held) / len(now),
        "shared household": now["household_id"].notna().mean(),
        "left": now["closed_on"].notna().mean(),
        "arrived": 1 - now["customer_id"].isin(before).mean(),
        "managed": now["customer_id"].isin(bank["assignments"]["customer_id"]).mean(),
        "contacts a customer": len(bank["contacts"]) / len(now),
    }
    for prefix, share in [
        ("type", kind.value_counts(normalize=True)),
        ("product", held["product"].value_counts() / len(now)),
        ("customer", now["customer_type"].value_counts(normalize=True)),
    ]:
        figures |= {f"{prefix} {name}": value for name, value in share.items()}
    return pd.Series(figures)


def test_distributions_are_those_of_a_bank_made_in_one_piece() -> None:
    """Shares, rates and Gini differ by less than 0.02 (between seeds: up to 0.06).

    There may be a tenth more managers: a branch that people of several pieces have moved to has a
    team for each.
    """
    pieces, one = streamed(40_000), make_bank(**SIZE)
    difference = (shape(pieces) - shape(one)).abs()
    assert difference.max() < 0.02, difference.nlargest(3)
    assert 0.9 < len(pieces["managers"]) / len(one["managers"]) < 1.1


class TestPieces:
    """However it is made, the bank is the same, and whole."""

    def test_workers_do_not_matter(self, tmp_path: Path) -> None:
        """One process and two write the same bytes."""
        hashes = []
        for workers in (1, 2):
            folder = tmp_path / str(workers)
            stream_bank(folder, 7, branches=24, customers=2_400, piece=600, workers=workers)
            files = sorted(folder.iterdir())
            hashes.append({p.name: hashlib.sha256(p.read_bytes()).digest() for p in files})
        assert hashes[0] == hashes[1]
        assert len(hashes[0]) == 4 * 5 + 5 + 2

    def test_an_interrupted_bank_leaves_nothing(self, tmp_path: Path) -> None:
        """Ctrl-C after the first piece leaves neither the folder nor anything beside it."""

        def interrupt(done: int, total: int) -> None:
            if done:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            stream_bank(
                tmp_path / "bank",
                branches=24,
                customers=2_400,
                piece=600,
                workers=1,
                progress=interrupt,
            )
        assert list(tmp_path.iterdir()) == []

    def test_two_banks_are_never_mixed(self, tmp_path: Path) -> None:
        """A folder that holds files is refused, as `write_bank` refuses another bank's pieces."""
        (tmp_path / "customers_0001.parquet").touch()
        with pytest.raises(UsageError, match="not empty"):
            stream_bank(tmp_path, branches=24, customers=2_400)
        with pytest.raises(UsageError, match="1 files of another bank"):
            write_bank(make_bank(branches=8, customers=800), tmp_path)

    def test_a_branch_must_fit_in_a_piece(self, tmp_path: Path) -> None:
        """Millions in 24 branches are refused, saying how many branches are needed."""
        with pytest.raises(UsageError, match="ask for 200 or more"):
            stream_bank(tmp_path / "bank", branches=24, customers=10_000_000)


class TestQuarters:
    """Fewer quarters are the last ones."""

    def test_two_quarters_are_the_last_two_of_five(self) -> None:
        """Customers and accounts are those of the bank of five; plan and managers are the same."""
        five, two = make_bank(**SIZE), make_bank(**SIZE, quarters=2)
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


def test_the_command_writes_a_large_bank_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`stockcust sample` streams from a size on, says how far it is, and counts the rows."""
    monkeypatch.setattr(sample, "HELD_AS_A_WHOLE", 2_000)
    size = ["--branches", "24", "--customers", "2400", "--quarters", "2", "--workers", "1"]
    done = CliRunner().invoke(cli, ["sample", "--out", str(tmp_path / "bank"), *size])
    assert done.exit_code == 0, done.output
    assert "[1/1] pieces written" in done.stderr
    bank = read(tmp_path / "bank")
    assert bank["customers"]["as_of"].nunique() == 2
    assert f"{len(bank['holdings']):,} rows" in done.stdout
    assert "Two quarters, 2026Q2 to 2026Q3." in (tmp_path / "bank" / "README.md").read_text("utf-8")
