"""A model's results are a work list only where the policy says so, and where it is worth one."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.core.frames import to_pandas
from stockcust_analysis.errors import PolicyError
from stockcust_analysis.evaluation.worklists import make_lists
from stockcust_analysis.models.early_warning import EarlyWarning
from stockcust_analysis.policy import load_policy
from stockcust_analysis.policy.service import ModelRule
from tests.models.banks import bank_with
from tests.tiny_bank import CUSTOMERS, HOLDINGS, TinyBank

END = date(2026, 9, 30)
PLAIN = load_policy()
RULE = ModelRule("early_warning", "PIA-2026-014")
LONG = replace(PLAIN.worklists, longest=1_000)
POLICY = replace(PLAIN, worklists=replace(LONG, model=RULE))


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ('model = "early_warning"', "worklists.model.impact_assessment: missing"),
        ('model = "early_warning"\nimpact_assessment = " "', "must name the assessment"),
        (
            'model = "oracle"\nimpact_assessment = "P1"',
            "worklists.model.model: takes early_warning",
        ),
        (
            'model = "early_warning"\nimpact_assessment = "P1"\npersonal = ["birth_date"]',
            "takes age_group, gender, groups; found 'birth_date'",
        ),
        ('model = "early_warning"\nimpact_assessment = "P1"\ntop_share = 0', "top_share must lie"),
    ],
)
def test_no_list_without_an_impact_assessment(section: str, problem: str, tmp_path: Path) -> None:
    """A policy that names no assessment, or features that are none, cannot be followed."""
    file = tmp_path / "own.toml"
    head = 'name = "own"\nversion = "1"\nbase = "rural_commercial_bank"\n[worklists.model]\n'
    file.write_text(head + section, encoding="utf-8")
    with pytest.raises(PolicyError, match=problem):
        load_policy(file)


def test_a_policy_without_a_model_is_as_it_was() -> None:
    """The digest of the rules changes only where a model is stated."""
    assert PLAIN.digest.startswith("b24c60fa76b3c1c2")
    assert POLICY.digest != replace(POLICY, worklists=PLAIN.worklists).digest
    assert (*PLAIN.worklists.lists, "model_warning") == POLICY.worklists.sheets


@pytest.mark.parametrize(
    ("day", "reason"), [("2026-09-30", "nothing to learn from"), ("2026-08-31", "is none")]
)
def test_a_list_that_cannot_be_made_is_said(day: str, reason: str, tiny_bank: TinyBank) -> None:
    """Without quarters to learn from, or within one, a warning says so; other lists are made."""
    tables = {"customers": CUSTOMERS, "holdings": HOLDINGS}
    moved = {name: text.replace("2026-09-30", day) for name, text in tables.items()}
    moved = {name: re.sub("2026-09-(01|29)", "2026-08-01", text) for name, text in moved.items()}
    with (
        open_bank(tiny_bank(**moved)) as bank,
        pytest.warns(UserWarning, match=f"'model_warning' is not made: .*{reason}"),
    ):
        lists = make_lists(bank, as_of=date.fromisoformat(day), policy=POLICY).rows
    assert "dormant" in set(lists["list"])
    assert "model_warning" not in set(lists["list"])


@pytest.mark.slow
def test_whom_the_model_finds_is_on_the_list() -> None:
    """On the list are the most at risk by the model itself, but whom nobody may call."""
    bank = bank_with("planted")
    lists, counts, facts = make_lists(bank, as_of=END, policy=POLICY)
    model = EarlyWarning(policy=POLICY, random_state=0).learn(bank, until="2026Q3")
    scores = model.score_customers(bank, "2026Q3")
    chosen = scores.head(int(np.ceil(0.05 * len(scores)))).set_index("customer_id")
    people = to_pandas(facts).set_index("customer_id").loc[chosen.index]
    listed = people[(people["contactable"] == 1) & (people["set_aside"] != 1)]
    own = lists[lists["list"] == "model_warning"].set_index("customer_id")
    assert len(own) > 100
    assert set(own.index) == set(listed.index)
    for number, row in own.iterrows():
        risk, why = chosen.loc[number, ["probability", "reason"]]
        assert f"概率{risk:.0%}，" in row["reason_zh"]
        assert row["reason_en"].startswith(f"Probability {risk:.0%} by the model")
        assert f"above all for: {why};" in row["reason_en"]
    found = counts[counts["list"] == "model_warning"]
    assert found["customers"].sum() == len(own)
    assert found["left_out"].sum() == (people["contactable"] == 0).sum()
    before = make_lists(bank, as_of=END, policy=replace(PLAIN, worklists=LONG)).rows
    rest = lists[lists["list"] != "model_warning"].reset_index(drop=True)
    pd.testing.assert_frame_equal(rest, before)


@pytest.mark.slow
def test_no_list_where_nothing_can_be_predicted() -> None:
    """A model that is not shown to be better than the plain rules makes no list, and says so."""
    with pytest.warns(UserWarning, match="not show it to be better than the plain rules"):
        lists = make_lists(bank_with("none"), as_of=END, policy=POLICY).rows
    assert "model_warning" not in set(lists["list"])
