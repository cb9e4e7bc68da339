"""The full evaluation is the same on every engine: counts, money to the cent, rates to 1e-9."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stockcust_analysis.bank.contract import TABLES
from stockcust_analysis.bank.sample import make_bank
from stockcust_analysis.errors import StockcustError
from stockcust_analysis.evaluation.results import Evaluation
from tests.conftest import SAMPLE
from tests.engines.banks import (
    Tables,
    assert_same,
    evaluated,
    in_duckdb,
    in_pandas,
    in_polars,
    moved_by_hand,
    population,
    with_moves,
)

pytestmark = [
    pytest.mark.slow,
    # Banks that are drawn with columns emptied are odd on purpose.
    pytest.mark.filterwarnings("ignore::stockcust_analysis.bank.suspicions.SuspicionWarning"),
]


@pytest.mark.parametrize("place", [in_pandas, in_polars, in_duckdb])
def test_the_sample_is_the_same_here(
    place: Callable[[Tables, Path], Any],
    sample_evaluation: Evaluation,
    tmp_path: Path,
) -> None:
    """Frames and a DuckDB database give what the folder of files gives."""
    assert_same(evaluated(place(make_bank(), tmp_path)), sample_evaluation)


@pytest.mark.parametrize("place", [in_pandas, in_polars, in_duckdb])
def test_the_population_is_the_same_here(
    place: Callable[[Tables, Path], Any], tmp_path: Path
) -> None:
    """So are the report's customers, row by row, with the types of pandas; also those moved."""
    tables = with_moves(make_bank())
    expected = moved_by_hand(population(SAMPLE), tables)
    found = population(place(tables, tmp_path)).drop(columns="managers")
    pd.testing.assert_frame_equal(found, expected)


OPTIONAL_TABLES = sorted(contract.name for contract in TABLES if not contract.required)
OPTIONAL_COLUMNS = sorted(
    (contract.name, column.name)
    for contract in TABLES
    for column in contract.columns
    if not column.required and column.nullable
)


@st.composite
def banks(draw: st.DrawFn) -> dict[str, pd.DataFrame]:
    """Draw a bank that delivers less than the sample does: fewer tables, columns, cells, customers.

    Left out are tables and columns that may be; further columns are empty in all or some rows.
    """
    tables = make_bank(draw(st.integers(0, 3)), branches=8, customers=800)
    for name in draw(st.sets(st.sampled_from(OPTIONAL_TABLES), max_size=4)):
        tables.pop(name, None)
    few = draw(st.sampled_from([1, 3, 40, None]))
    if few:
        tables = _of_customers(tables, few)
    for columns, empty in (
        (draw(st.sets(st.sampled_from(OPTIONAL_COLUMNS), max_size=8)), None),
        (draw(st.sets(st.sampled_from(OPTIONAL_COLUMNS), max_size=8)), 1.0),
        (draw(st.sets(st.sampled_from(OPTIONAL_COLUMNS), max_size=8)), 0.3),
    ):
        for name, column in sorted(columns):
            if name not in tables or column not in tables[name]:
                continue
            if empty is None:
                tables[name] = tables[name].drop(columns=column)
            else:
                drawn = np.random.default_rng(len(column)).random(len(tables[name]))
                tables[name] = tables[name].assign(
                    **{column: tables[name][column].mask(drawn < empty)}
                )
    return tables


def _of_customers(tables: Tables, number: int) -> dict[str, pd.DataFrame]:
    """Return the bank with only some of the customers who were there in every quarter."""
    present = tables["customers"]["customer_id"].value_counts()
    kept = sorted(present[present == present.max()].index)[:number]
    return {
        name: frame[frame["customer_id"].isin(kept)] if "customer_id" in frame else frame
        for name, frame in tables.items()
    }


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(tables=banks())
def test_random_banks_are_the_same_here(
    tables: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """pandas, Polars and DuckDB agree on banks that deliver little; also on what is wrong."""
    folder = tmp_path_factory.mktemp("random")
    first, *others = (
        _outcome(place(tables, folder)) for place in (in_duckdb, in_pandas, in_polars)
    )
    for other in others:
        if isinstance(first, Evaluation) and isinstance(other, Evaluation):
            assert_same(other, first)
        else:
            assert other == first


def _outcome(source: Any) -> Evaluation | str:
    """Return the evaluation, or what is wrong with the bank."""
    try:
        return evaluated(source)
    except StockcustError as error:
        return str(error).partition(":")[2]
