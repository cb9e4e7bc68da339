"""A branch's slice tells nothing by which another branch's customer could be found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.evaluation.evaluate import evaluate
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation, open_evaluation
from stockcust_analysis.report.manifest import EvaluationCache, slice_digests
from stockcust_analysis.report.plan import slice_folder
from tests.tiny_bank import as_frames

RICH, OTHER = 987_654.32, 7_000_001.11


def write_bank(folder: Path) -> Path:
    """Write two branches of 60 customers; the second has a rich one, and one who went private."""
    customers = ["as_of,customer_id,branch_id,customer_type,last_active_on,aum_period_end,"
                 "aum_average_quarter"]  # fmt: skip
    holdings = ["as_of,account_id,customer_id,product,balance"]
    for day in ("2026-06-30", "2026-09-30"):
        for number in range(120):
            branch = f"00{1 + number // 60}"
            amount = f"{1000 + 37 * number + (day > '2026-07') * number % 11}.00"
            if number == 119:
                amount = f"{OTHER}" if day == "2026-09-30" else "0.00"
            if number == 118:
                amount = f"{RICH}"
            customers.append(f"{day},C{number},{branch},personal,{day},{amount},{amount}")
            holdings.append(f"{day},A{number},C{number},demand_deposit,{amount}")
    texts = {"branches": ["branch_id,name", "001,甲", "002,乙"], "customers": customers,
             "holdings": holdings}  # fmt: skip
    for name, lines in texts.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Evaluate the bank."""
    with open_bank(as_frames(write_bank(tmp_path_factory.mktemp("bank")))) as bank:
        return evaluate(bank, quarter="2026Q3")


def numbers(evaluation: Evaluation) -> Iterator[float]:
    """Yield every number of a slice, and every difference of two of the bank's sums."""
    for name in ("measures", "lorenz", "bridge", "migration", "co_holding", "comparison"):
        table = getattr(evaluation, name)
        for column in table.select_dtypes("number"):
            yield from table[column].dropna()
    rows = evaluation.measures[evaluation.measures["branch_id"] == WHOLE_BANK]
    sums = rows[["numerator", "denominator", "value"]].to_numpy(float).ravel()
    sums = np.unique(sums[np.isfinite(sums) & (np.abs(sums) > 1e4)])
    yield from np.abs(sums[:, None] - sums[None, :]).ravel()


def test_no_amount_of_another_branchs_customer_follows(whole: Evaluation) -> None:
    """Neither stands there nor is the difference of two sums: here both did before."""
    amounts = (RICH, OTHER)
    theirs = np.array(list(numbers(whole.of_branch("001"))))
    assert not [amount for amount in amounts if np.isclose(theirs, amount, atol=0.01, rtol=0).any()]
    # The branch itself knows them: its own tiers and bridge tell of one customer each.
    own = np.array(list(numbers(whole.of_branch("002"))))
    assert [amount for amount in amounts if np.isclose(own, amount, atol=0.01, rtol=0).any()]


def test_what_the_page_prints_of_the_bank_stays(whole: Evaluation) -> None:
    """Shares, averages and the bank's growth stand beside the branch's own."""
    rows = whole.of_branch("001").measures
    told = rows[(rows["branch_id"] == WHOLE_BANK) & (rows["quarter"] == "2026Q3")]
    measures = set(told["measure"])
    assert {"aum_per_customer", "multi_product_share", "gini", "top_20_share"} <= measures
    assert told["numerator"].isna().all()
    exact = whole.measures.set_index(["branch_id", "quarter", "measure", "base"])["value"]
    gini = told.loc[told["measure"] == "gini", "value"].item()
    assert gini == round(exact[WHOLE_BANK, "2026Q3", "gini", "funded"], 3)
    bridge = whole.of_branch("001").bridge
    assert set(bridge.loc[bridge["branch_id"] == WHOLE_BANK, "component"]) == {"opening", "closing"}


def test_the_banks_curve_rises_in_steps_of_five(whole: Evaluation) -> None:
    """Of 120 customers no point of the bank's Lorenz curve lies nearer than 5/120 to the next."""
    curve = whole.of_branch("001").lorenz
    shares = curve.loc[curve["branch_id"] == WHOLE_BANK, "customer_share"].to_numpy(float)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert np.diff(shares).min() >= 5 / 120 - 1e-9


def test_saved_slices_are_the_same(whole: Evaluation, tmp_path: Path) -> None:
    """What a run writes for a branch's page is what `of_branch` returns, and stays so if taken."""
    whole.save(tmp_path)
    EvaluationCache(tmp_path, whole, slice_digests(whole), is_new=True).write_slice("001")
    saved = open_evaluation(slice_folder(tmp_path, "001"))
    for name in ("measures", "lorenz", "bridge"):
        expected, found = getattr(whole.of_branch("001"), name), getattr(saved, name)
        assert len(expected) == len(found) == len(getattr(saved.of_branch("001"), name))


def test_texts_that_are_all_blank_stay_texts(whole: Evaluation, tmp_path: Path) -> None:
    """A branch that neither opened nor merged has no day, and nothing that could be a number."""
    blank = whole.branches.assign(opened_on="", merged_on="", region="", type="")
    replace(whole, branches=blank).save(tmp_path)
    pd.testing.assert_frame_equal(open_evaluation(tmp_path).branches, blank.astype("str"))
