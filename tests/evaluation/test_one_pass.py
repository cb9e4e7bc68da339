"""Quarters measured in one pass do not see one another: each is what it is alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import stockcust_analysis as sca
from stockcust_analysis.bank.sample import make_bank
from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.evaluation.evaluate import evaluate
from stockcust_analysis.evaluation.results import Evaluation
from stockcust_analysis.measures.codebook import measures_of_changes
from stockcust_analysis.policy import Policy, load_policy
from tests.codebook.edge_bank import make_edge_bank
from tests.engines.banks import Tables, in_polars
from tests.evaluation.test_population import OF_ONE_DAY, as_told

QUARTER = "2026Q3"
KEYS = ["branch_id", "dimension", "member", "measure", "base"]
FIGURES = ["n", "numerator", "denominator", "value"]
MEMORY = """
base = "rural_commercial_bank"
name = "own"
version = "1"
[tier_memory]
name = "half_a_year"
months_to_downgrade = 6
"""
evaluate_module = sys.modules[evaluate.__module__]


@pytest.fixture(scope="module")
def made() -> Tables:
    """Make a small bank of four quarters."""
    return make_bank(4, branches=8, customers=800, quarters=4)


@pytest.fixture(scope="module")
def evaluated(made: Tables) -> Evaluation:
    """Evaluate the small bank as it is."""
    return sca.evaluate(in_polars(made, Path()), quarter=QUARTER)


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    """Return a policy whose tiers remember earlier quarters."""
    path = tmp_path / "own.toml"
    path.write_text(MEMORY, "utf-8")
    return load_policy(path)


@contextmanager
def one_quarter_at_once() -> Iterator[None]:
    """Let every quarter be measured in a chunk of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_module, "_ROWS_AT_ONCE", 1)
        yield


def assert_equal(found: Evaluation, expected: Evaluation) -> None:
    """Compare all tables of two evaluations, to the last digit; rows of cells in any order."""
    for name in (field.name for field in fields(Evaluation)):
        ours, theirs = getattr(found, name), getattr(expected, name)
        if name == "cells":
            keys = ["quarter", *KEYS]
            ours, theirs = (table.sort_values(keys, ignore_index=True) for table in (ours, theirs))
        if isinstance(theirs, pd.DataFrame):
            pd.testing.assert_frame_equal(ours, theirs, check_exact=True, obj=name)
        else:
            assert ours == theirs


def assert_chunks_do_not_matter(source: Any) -> None:
    """Evaluate all quarters in one chunk, and each in its own."""
    with open_bank(source) as bank:
        together = evaluate(bank, quarter=QUARTER, sizes=True)
        with one_quarter_at_once():
            alone = evaluate(bank, quarter=QUARTER, sizes=True)
    assert_equal(together, alone)


# A contact that was drawn twice, which opening warns of, counts twice in both evaluations.
@pytest.mark.filterwarnings("ignore:contacts. .* rows are the same as another:UserWarning")
@pytest.mark.filterwarnings("ignore::stockcust_analysis.bank.suspicions.SuspicionWarning")
def test_a_bank_of_edges_in_one_chunk_or_in_two(tmp_path: Path) -> None:
    """So are those of a bank of ties, gaps, merged and empty branches."""
    assert_chunks_do_not_matter(in_polars(make_edge_bank(24), tmp_path))


def test_a_bank_without_service_in_one_chunk_or_in_four(made: Tables, tmp_path: Path) -> None:
    """So are those of a small bank without contacts and assignments."""
    tables = {n: t for n, t in made.items() if n not in ("contacts", "assignments")}
    assert_chunks_do_not_matter(in_polars(tables, tmp_path))


def with_mixed_customers(tables: Tables, quarter: str) -> dict[str, pd.DataFrame]:
    """Return the bank with one quarter's customers mixed up: other branches, days and accounts."""
    end = pd.Timestamp(Quarter.parse(quarter).end)
    mixed = dict(tables)
    for name, columns in (
        ("customers", ["branch_id", "last_active_on", "aum_period_end", "aum_average_quarter"]),
        ("holdings", ["customer_id"]),
    ):
        table = tables[name].copy()
        inside = pd.to_datetime(table["as_of"]) == end
        shuffled = table.loc[inside, columns].sample(frac=1, random_state=1)
        table.loc[inside, columns] = shuffled.to_numpy()
        mixed[name] = table.astype(tables[name].dtypes)
    return mixed


@pytest.mark.filterwarnings("ignore::stockcust_analysis.bank.suspicions.SuspicionWarning")
def test_mixing_up_one_quarter_changes_no_other(made: Tables, evaluated: Evaluation) -> None:
    """Other customers in one quarter, and the measures of all other quarters stay as they were."""
    quarter, measured = "2025Q4", evaluated.measures
    mixed = in_polars(with_mixed_customers(made, quarter), Path())
    after = sca.evaluate(mixed, quarter=QUARTER).measures
    others = [table[table["quarter"] != quarter] for table in (measured, after)]
    pd.testing.assert_frame_equal(*others, check_exact=True)
    assert not measured[measured["quarter"] == quarter].equals(after[after["quarter"] == quarter])


def test_public_measures_of_earlier_quarters_are_the_evaluations(
    policy: Policy, made: Tables
) -> None:
    """A quarter's customers alone give the figures that all quarters in one pass have.

    With tiers that remember, the quarters before it are looked at again.
    """
    with open_bank(in_polars(made, Path())) as bank:
        rows = evaluate(bank, quarter=QUARTER, policy=policy).measures
        quarter = "2026Q2"
        customers = bank.materialize(
            bank.customers_frame(quarter, policy=policy, structure=QUARTER)
        )
        expected = rows[rows["quarter"] == quarter].set_index(KEYS)[FIGURES]
        for function, options in dict(OF_ONE_DAY).items():  # once each
            day = {"as_of": quarter} if "rule" in options else {}
            tables = [
                as_told(function(customers, by=by, **options | day)) for by in ("branch_id", None)
            ]
            public = pd.concat(tables).set_index(KEYS)[FIGURES]
            # Without its largest customers the evaluation has only some of the measures.
            public = public[public.index.isin(expected.index)]
            pd.testing.assert_frame_equal(public, expected.loc[public.index], check_exact=True)


def test_changes_of_the_previous_quarter_are_those_it_was_evaluated_with(
    made: Tables, evaluated: Evaluation
) -> None:
    """What stands beside this quarter's changes is what last quarter's own evaluation says."""
    last = sca.evaluate(in_polars(made, Path()), quarter="2026Q2")
    rows = [
        told.measures[told.measures["quarter"] == "2026Q2"].set_index(KEYS)[FIGURES]
        for told in (evaluated, last)
    ]
    assert {"customer_retention", "upgrade_rate", "all_customer_growth"} <= {
        *rows[0].index.get_level_values("measure")
    }
    changed = rows[0].index[rows[0].index.get_level_values("measure").isin(measures_of_changes())]
    pd.testing.assert_frame_equal(rows[0].loc[changed], rows[1].loc[changed], check_exact=True)
    for name in ("migration", "bridge"):
        table = getattr(last, name)
        expected = table[table["structure"] == "today"].reset_index(drop=True)
        found = getattr(evaluated, f"previous_{name}")
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
