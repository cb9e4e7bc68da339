"""One population: every public measure of the bank's customers is the figure of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import polars as pl
import pytest

import stockcust_analysis as sca
from stockcust_analysis.bank.source import Bank, open_bank
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from tests.conftest import SAMPLE

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
    (sca.product_count_distribution, {}),
    (sca.penetration, {}),
    (sca.tier_counts, {}),
    (sca.unused_openings, {}),
    (sca.managed_share, {}),
    (sca.coverage, {}),
    (sca.profile_completion, {}),
    (sca.service_by_class, {}),
    (sca.contact_rounds, {}),
]
OF_TWO_DAYS: list[tuple[One, dict[str, Any]]] = [
    (sca.customer_retention, {}),
    (sca.customer_retention, {"base": "effective"}),
    (sca.asset_retention, {}),
    (sca.asset_retention, {"base": "effective"}),
    (sca.same_customer_growth, {}),
    (sca.tier_move_rates, {}),
    (sca.attrition_rate, {}),
    (sca.dormancy_flow, {}),
    (sca.aum_change, {}),
]


@dataclass(frozen=True)
class Case:
    """A bank with its evaluation and its customers of two quarters, on one structure."""

    bank: Bank
    evaluation: Evaluation
    opening: Any
    closing: Any


@pytest.fixture(scope="module", params=["sample", "no AUM delivered"])
def case(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Case]:
    """Return the sample, and the sample without its AUM, which is then made from holdings."""
    folder = SAMPLE
    if request.param != "sample":
        folder = tmp_path_factory.mktemp("bank")
        for path in SAMPLE.iterdir():
            if path.name != "customers.parquet":
                (folder / path.name).symlink_to(path)
        customers = pl.read_parquet(SAMPLE / "customers.parquet")
        amounts = [name for name in customers.columns if name.startswith("aum_")]
        assert len(amounts) == 3
        customers.drop(amounts).write_parquet(folder / "customers.parquet")
    with open_bank(folder) as bank:
        whole = request.getfixturevalue("sample_evaluation") if folder == SAMPLE else None
        evaluation = whole or sca.evaluate(bank, quarter=QUARTER)
        opening = bank.customers_frame(BEFORE, structure=QUARTER)
        yield Case(bank, evaluation, opening, bank.customers_frame(QUARTER))


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
    told = [
        as_told(function(*frames, by=by, **options))
        for by in ("branch_id", None)
        for calls, frames in (
            (OF_ONE_DAY, (case.closing,)),
            (OF_TWO_DAYS, (case.opening, case.closing)),
        )
        for function, options in calls
    ]
    public = pd.concat(told, ignore_index=True).set_index(KEYS)[FIGURES]
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
    for function, options in OF_ONE_DAY:
        lazy, eager = (function(frame, **options) for frame in (case.closing, customers))
        pd.testing.assert_frame_equal(lazy, eager, check_exact=True)
