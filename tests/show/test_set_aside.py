"""What a bank's tolerance set aside is told on every page, to each reader as much as is his."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.evaluation.evaluate import evaluate
from stockcust_analysis.evaluation.results import Evaluation, open_evaluation
from stockcust_analysis.evaluation.review import circulate, make_review
from stockcust_analysis.policy import load_policy
from stockcust_analysis.show import headquarters_page
from stockcust_analysis.show.branch_page import cover
from stockcust_analysis.show.page_data import branch_page
from tests.tiny_bank import HOLDINGS, as_frames, write_tiny_bank

HEADER, *ROWS = HOLDINGS.splitlines()
# Two of branch 001, of 12,000 CNY each, and four of branch 002, of one each.
LOST = ["2026-09-30,X1,C8,fund,12000,001", "2026-09-30,X2,C8,fund,12000,001"]
LOST += [f"2026-09-30,Y{number},C9,fund,1,002" for number in range(4)]
BOOKED = [f"{row},{'002' if ',C3,' in row or ',C4,' in row else '001'}" for row in ROWS]
ALLOWED = "[tolerance.holdings]\ncustomer_id = { rows = 9, amount = 1e6 }\n"


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Evaluate the bank, and read what was written."""
    folder = tmp_path_factory.mktemp("bank")
    lines = [f"{HEADER},booking_branch_id", *BOOKED, *LOST]
    write_tiny_bank(folder, holdings="\n".join(lines) + "\n")
    (folder / "mapping.toml").write_text(ALLOWED)
    with open_bank(as_frames(folder), mapping=folder / "mapping.toml") as bank:
        evaluate(bank, quarter="2026Q3", sizes=True).save(folder / "evaluation")
    return open_evaluation(folder / "evaluation")


def test_a_branch_is_told_its_own_count_on_every_page(evaluation: Evaluation) -> None:
    """Footer and facts tell the branch's rows and amount, of the bank the rows alone."""
    shown = cover(branch_page(evaluation, branch_id="001", language="zh"))
    words = "本机构2行 2.40万元，全行6行"
    assert shown.edition == f"未计入：持有·客户号查无 {words}"
    assert shown.run_facts["未计入：持有·客户号查无"] == words
    shown = cover(branch_page(evaluation, branch_id="002", language="en"))
    words = "4 rows CNY 4.00 of this branch, 6 of the bank"
    assert shown.edition == f"Left out: holdings.customer_id unknown {words}"


def test_no_branch_learns_the_amount_of_another(evaluation: Evaluation) -> None:
    """A branch's slice holds its own amount; that of the bank, less its own, would be another's."""
    table = evaluation.of_branch("002").set_aside.set_index("branch_id")
    assert table["rows"].to_dict() == {"002": 4, "@bank": 6}
    assert table.loc["002", "amount"] == 4
    assert pd.isna(table.loc["@bank", "amount"])


def test_headquarters_is_told_all_of_it(evaluation: Evaluation) -> None:
    """Its cover, sheets and index have the bank's rows and amount."""
    page = headquarters_page.headquarters_page(
        make_review(evaluation, policy=load_policy()), language="zh"
    )
    line = "内部 · 未计入：持有·客户号查无 全行6行 2.40万元"
    assert page.edition_line == headquarters_page.cover(page).edition == line


def test_what_may_leave_the_building_tells_no_few_and_no_amount(evaluation: Evaluation) -> None:
    """Counts below the policy's smallest cell are not told, amounts never."""
    circulated, _ = circulate(evaluation, load_policy())
    row = circulated.set_aside.iloc[0].to_dict()
    assert (row["branch_id"], row["rows"], len(circulated.set_aside)) == ("@bank", 6, 1)
    assert pd.isna(row["amount"])
    few = replace(evaluation, set_aside=evaluation.set_aside.assign(rows=4))
    review = make_review(circulate(few, load_policy())[0], policy=load_policy())
    page = headquarters_page.headquarters_page(review, language="en")
    assert "customer_id unknown fewer than 5 rows of the bank" in page.edition_line


def test_without_tolerance_pages_say_nothing(tmp_path: Path) -> None:
    """A bank that allows nothing has no such table, file or line."""
    with open_bank(as_frames(write_tiny_bank(tmp_path))) as bank:
        plain = evaluate(bank, quarter="2026Q3")
    assert plain.set_aside.empty
    assert cover(branch_page(plain, branch_id="001", language="zh")).edition == ""
