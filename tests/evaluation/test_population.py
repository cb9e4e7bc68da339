"""One population: every public measure of the bank's customers is the figure of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

import stockcust_analysis as sca
from stockcust_analysis.bank.sample import make_bank
from stockcust_analysis.bank.source import Bank, open_bank
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from stockcust_analysis.measures.coverage import (
    contact_rounds,
    managed_share,
    profile_completion,
    service_by_class,
)
from stockcust_analysis.measures.cross_sell import product_count_distribution
from stockcust_analysis.measures.dormancy import dormancy_flow
from stockcust_analysis.measures.growth import attrition_rate, aum_change
from stockcust_analysis.measures.holdings import unused_openings
from stockcust_analysis.measures.retention import (
    asset_retention,
    same_customer_growth,
    steep_fall_rate,
)
from stockcust_analysis.measures.tiers import tier_counts
from stockcust_analysis.measures.two_dates import tier_move_rates
from tests.engines.banks import Tables, in_polars
from tests.tiny_bank import BRANCHES, TinyBank, as_frames

QUARTER, BEFORE = "2026Q3", "2026Q2"
FIGURES = ["n", "numerator", "denominator", "value"]
KEYS = ["branch_id", "dimension", "member", "measure", "base"]
# Volumes are counts and sums that need no function; the test of totals counts them.
WITHOUT_FUNCTION = {"customers", "aum_period_end", "aum_average_quarter", "aum_per_customer"}
BASES = ("funded", "established")
One = Callable[..., Any]

OF_ONE_DAY: list[tuple[One, dict[str, Any]]] = [
    *((sca.concentration, {"without": number}) for number in (0, 1, 10)),
    (sca.dormancy_rate, {}),
    (sca.dormancy_rate, {"base": "all", "rule": "rural_6m_500", "as_of": QUARTER}),
    *((sca.products_per_customer, {"base": base}) for base in BASES),
    *(
        (sca.multi_product_share, {"base": base, "at_least": number})
        for base in BASES
        for number in (2, 3, 4)
    ),
    (product_count_distribution, {}),
    (sca.penetration, {}),
    (tier_counts, {}),
    (unused_openings, {}),
    (managed_share, {}),
    (sca.coverage, {}),
    (profile_completion, {}),
    (service_by_class, {}),
    (contact_rounds, {}),
]
OF_TWO_DAYS: list[tuple[One, dict[str, Any]]] = [
    (sca.customer_retention, {}),
    (sca.customer_retention, {"base": "effective"}),
    (asset_retention, {}),
    (asset_retention, {"base": "effective"}),
    (steep_fall_rate, {}),
    (steep_fall_rate, {"base": "effective"}),
    (same_customer_growth, {}),
    (tier_move_rates, {}),
    (attrition_rate, {}),
    (dormancy_flow, {}),
    (aum_change, {}),
]


@dataclass(frozen=True)
class Case:
    """A bank with its evaluation and its customers of two quarters, on one structure."""

    bank: Bank
    evaluation: Evaluation
    opening: Any
    closing: Any
    of_the_bank: list[pd.DataFrame]


@pytest.fixture(scope="module", params=["AUM delivered", "no AUM delivered"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """Return a small bank, as it is and without AUM, which is then made from holdings."""
    tables = with_rare_events(make_bank(10, branches=8, customers=1600, quarters=3))
    if request.param == "no AUM delivered":
        amounts = [name for name in tables["customers"] if name.startswith("aum_")]
        assert len(amounts) == 3
        tables["customers"] = tables["customers"].drop(columns=amounts)
    with open_bank(in_polars(tables, Path())) as bank:
        evaluation = sca.evaluate(bank, quarter=QUARTER)
        opening, closing = (
            bank.materialize(bank.customers_frame(quarter, structure=QUARTER))
            for quarter in (BEFORE, QUARTER)
        )
        of_the_bank = [function(closing, **options) for function, options in OF_ONE_DAY]
        yield Case(bank, evaluation, opening, closing, of_the_bank)


def with_rare_events(tables: Tables) -> dict[str, pd.DataFrame]:
    """Return the bank of seed 10 with what happens to nobody in it.

    Of its dormant customers one turns into a company, one was one, and one is given 60,000; who was
    given a manager in July or August was handed over, and called at once.
    """
    customers, holdings, assigned = (
        tables[name].copy() for name in ("customers", "holdings", "assignments")
    )
    now, before = (customers["as_of"] == day for day in ("2026-09-30", "2026-06-30"))
    company = (now & (customers["customer_id"] == "C0000972")) | (
        before & (customers["customer_id"] == "C0001081")
    )
    customers["customer_type"] = customers["customer_type"].mask(company, "corporate")
    for table in (customers, holdings):
        given = (table["customer_id"] == "C0000026") & (table["as_of"] == "2026-09-30")
        amounts = [name for name in table if name.startswith(("aum_", "balance"))]
        table.loc[given, amounts] += 60_000
    late = assigned["valid_from"].between("2026-07-01", "2026-08-31")
    assigned["reason"] = assigned["reason"].mask(late, "handover")
    assigned["first_contact_on"] = assigned["first_contact_on"].mask(late, assigned["valid_from"])
    return {**tables, "customers": customers, "holdings": holdings, "assignments": assigned}


def as_told(table: pd.DataFrame) -> pd.DataFrame:
    """Return a public measure frame in the columns of the evaluation's."""
    (label,) = [
        name for name in table if name not in {"branch_id", "measure", "base", *FIGURES}
    ] or [""]
    table = table.assign(dimension=label, member=table[label] if label else "")
    return table if "branch_id" in table else table.assign(branch_id=WHOLE_BANK)


def test_every_measure_is_the_pages(case: Case) -> None:
    """Of the bank and each branch, each public function gives what the evaluation says, exactly.

    A measure of the evaluation that no function here gives must be listed as having none.
    """
    pair = (case.opening, case.closing)
    tables = [
        *case.of_the_bank,
        *(function(case.closing, by="branch_id", **options) for function, options in OF_ONE_DAY),
        *(
            function(*pair, by=by, **options)
            for by in ("branch_id", None)
            for function, options in OF_TWO_DAYS
        ),
    ]
    public = pd.concat(map(as_told, tables), ignore_index=True).set_index(KEYS)[FIGURES]
    assert public.index.is_unique
    page = case.evaluation.measures.query("quarter == @QUARTER")
    with_function = page[~page["measure"].isin(WITHOUT_FUNCTION)]
    assert set(page["measure"]) > WITHOUT_FUNCTION
    expected = with_function.set_index(KEYS)[FIGURES]
    there = expected.index.isin(public.index)
    # A branch without customers in question has no row of its own, and zeros on the page.
    assert not expected.loc[~there, "n"].any()
    measures = with_function.loc[there, "measure"]
    assert set(measures) == set(with_function["measure"])
    happened = expected["numerator"] != 0
    assert set(with_function["measure"]) == set(happened[happened].reset_index()["measure"])
    pd.testing.assert_frame_equal(
        public.loc[expected.index[there]], expected[there], check_exact=True
    )


def test_the_totals_are_counted(case: Case) -> None:
    """Customers and assets of each base, summed by hand from the population, are the page's."""
    customers = case.bank.customers(QUARTER)
    page = case.evaluation.measures.query("quarter == @QUARTER").set_index(
        ["branch_id", "measure", "base"]
    )["numerator"]
    for base in ("all", "funded", "effective"):
        among = customers if base == "all" else customers[customers[base] == 1]
        groups = [(WHOLE_BANK, among), *among.groupby("branch_id")]
        for branch, rows in groups:
            assert len(rows) == page[branch, "customers", base]
            for amount in ("aum_period_end", "aum_average_quarter"):
                assert rows[amount].sum() == pytest.approx(page[branch, amount, base], abs=0.005)


def test_tables_of_their_own_shape_are_the_pages(case: Case) -> None:
    """So are the Lorenz curve, co-holding, the migration matrix and the growth bridge."""
    pair = (case.opening, case.closing)
    today = "structure == 'today'"
    for function, frames, page in (
        (sca.lorenz_curve, (case.closing,), case.evaluation.lorenz),
        (sca.co_holding, (case.closing,), case.evaluation.co_holding),
        (sca.migration_matrix, pair, case.evaluation.migration.query(today)),
        (sca.growth_bridge, pair, case.evaluation.bridge.query(today)),
    ):
        branches = function(*frames, by="branch_id")
        bank = function(*frames).assign(branch_id=WHOLE_BANK)
        told = pd.concat([branches, bank])[list(branches)]
        order = ["branch_id"]
        told = told.sort_values(order, kind="stable", ignore_index=True)
        expected = page.sort_values(order, kind="stable", ignore_index=True)[list(told)]
        pd.testing.assert_frame_equal(told, expected, check_exact=True)


def test_pandas_and_the_engines_own_frame_agree(case: Case) -> None:
    """What `customers` returns in pandas gives the same figures as the lazy frame."""
    customers = case.bank.customers(QUARTER)
    assert customers["customer_id"].is_unique
    assert customers["customer_id"].is_monotonic_increasing
    for (function, options), lazy in zip(OF_ONE_DAY, case.of_the_bank, strict=True):
        pd.testing.assert_frame_equal(lazy, function(customers, **options), check_exact=True)


def test_a_tiny_banks_customers_by_hand(tiny_bank: TinyBank) -> None:
    """C1 has 1,100, C2 has slept with 250.60 for ever, C3's deposit is silent, C4 owes a loan."""
    with open_bank(tiny_bank(branches=BRANCHES)) as bank:
        customers = bank.customers("2026Q3").set_index("customer_id")
        assert customers["branch_name"].tolist() == ["城关支行"] * 2 + ["柳树支行"] * 2
        assert customers["status"].tolist() == ["active", "dormant", "active", "active_small"]
        assert customers["tier"].tolist() == ["potential", "potential", "mid", "residual"]
        assert customers["funded"].tolist() == [1, 1, 1, 1]
        assert customers["established"].tolist() == [1, 1, 1, 0]
        assert customers["effective"].tolist() == [0, 0, 1, 0]
        assert customers["families"].tolist() == [1, 1, 1, 1]
        assert "managed" not in customers
        with pytest.raises(UsageError, match="base 'managed': 'managed' or 'in_managed' missing"):
            managed_share(customers)


@pytest.mark.parametrize("kind", ["pandas", "polars", "folder"])
def test_days_as_people_write_them(tiny_bank: TinyBank, kind: str) -> None:
    """On every engine the day may be written in any way; one without rows names those there are."""
    folder = tiny_bank()
    with open_bank(folder) as bank:
        tables = {name: bank.table(name) for name in bank.columns}
        made = {
            "pandas": lambda: {name: table.df() for name, table in tables.items()},
            "polars": lambda: {
                name: pl.DataFrame(table.fetchall(), table.columns, orient="row")
                for name, table in tables.items()
            },
            "folder": lambda: folder,
        }[kind]()
        with open_bank(made) as other:
            expected = other.customers("2026Q3")
            for written in ("2026-09-30", date(2026, 9, 30), pd.Timestamp(2026, 9, 30)):
                pd.testing.assert_frame_equal(other.customers(written), expected)
            for name in ("customers", "holdings"):
                with pytest.raises(UsageError, match=f"{name} have no rows as of 2026-03-31") as no:
                    other.snapshot(name, as_of="2026Q1")
                assert "Days there are: 2026-06-30, 2026-09-30." in str(no.value)
            with pytest.raises(UsageError, match="no rows as of 2026-08-31"):
                other.customers("2026-08-31")


def test_a_rule_by_its_name(case: Case) -> None:
    """The population knows what matured: another rule needs no holdings, and a slip is caught."""
    by_name = sca.dormancy_rate(case.closing, "crm_6m", as_of="2026-09-30", by="tier")
    rule = sca.load_policy().dormancy_rule("crm_6m")
    holdings = case.bank.table("holdings")
    by_rule = sca.dormancy_rate(
        case.closing, rule, as_of=date(2026, 9, 30), by="tier", holdings=holdings
    )
    pd.testing.assert_frame_equal(by_name, by_rule)
    with pytest.raises(UsageError, match=r"unknown dormancy rule 'crm_6'\. Did you mean 'crm_6m'"):
        sca.dormancy_rate(case.closing, "crm_6", as_of="2026Q3")
    with pytest.raises(UsageError, match=r"no 'status' by the rule 'crm_6m'\. Give as_of="):
        sca.dormancy_rate(case.closing, "crm_6m")
    with pytest.raises(UsageError, match=r"'status' is by rural_6m_500#\w+, not crm_6m#"):
        dormancy_flow(case.opening, case.closing, "crm_6m")


def test_a_policy_of_ones_own(tiny_bank: TinyBank, tmp_path: Path) -> None:
    """By name, by path or as it is: the policy decides who is funded, of one date and of two."""
    own = tmp_path / "own.toml"
    own.write_text(
        'base = "rural_commercial_bank"\nname = "own"\nversion = "1"\n[bases]\nfunded = 1000\n',
        encoding="utf-8",
    )
    frames = as_frames(tiny_bank())
    evaluation = sca.evaluate(frames, quarter="2026-09-30", policy=sca.load_policy(own))
    bridge = evaluation.bridge.query("branch_id == '@bank'").set_index("component")["amount"]
    with open_bank(frames) as bank:
        closing = bank.customers("2026Q3", policy=str(own))
        opening = bank.customers("2026Q2", policy=own)
        assert closing["funded"].tolist() == [1, 0, 1, 1]
        told = sca.growth_bridge(opening, closing, policy=own).set_index("component")["amount"]
    pd.testing.assert_series_equal(told, bridge)


def test_evaluating_what_has_yet_to_be_opened(tiny_bank: TinyBank) -> None:
    """`evaluate` opens a folder itself; a quarter that ends no quarter is refused."""
    folder = tiny_bank()
    expected = sca.evaluate(as_frames(folder), quarter="2026Q3").measures
    pd.testing.assert_frame_equal(sca.evaluate(str(folder), quarter="2026Q3").measures, expected)
    with pytest.raises(UsageError, match="2026-08-31 is no quarter's last day"):
        sca.evaluate(folder, quarter="2026-08-31")
    with pytest.raises(UsageError, match="nowhere"):
        sca.evaluate(folder / "nowhere", quarter="2026Q3")
