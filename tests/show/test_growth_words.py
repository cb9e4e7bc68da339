"""Where growth came from: the planted story is told, and only where it is true."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.show.blocks import Language, Sentence
from stockcust_analysis.show.findings import growth_sentence
from stockcust_analysis.show.page_data import BranchPage


def page(language: Language = "zh") -> BranchPage:
    """Return the page of a branch of a whole quarter, whose assets are known."""
    evaluation: Any = SimpleNamespace(quarter=Quarter("2026Q3"), policy_facts={})
    return BranchPage(evaluation, language, "B01")


def bridge(branch_id: str = "B01", **amounts: float) -> pd.DataFrame:
    """Return a growth bridge from 10 million CNY; what is not named did not happen."""
    steps = {"opening": 1e7, **amounts}
    steps["closing"] = sum(steps.values())
    frame = pd.DataFrame({"component": list(steps), "amount": list(steps.values())})
    return frame.assign(branch_id=branch_id)


def test_new_customers_alone() -> None:
    """+150 万元 of new customers, −50 万元 of existing ones: +10.0 % beside the bank's +2.0 %."""
    table = pd.concat([bridge(new=1.5e6, shrunk=-5e5), bridge("@bank", grown=2e5)])
    assert growth_sentence(page(), table) == Sentence(
        lead="增长来自新客户，原有客户在减少",
        text="期末AUM较上季末+100万元（+10.0%，全行+2.0%）：新增客户+150万元，原有客户-50万元。",
        section="growth",
    )


@pytest.mark.parametrize(
    ("amounts", "lead"),
    [
        ({"new": 1.5e6}, "增长来自新客户，原有客户持平"),
        ({"grown": 1.5e6}, "增长来自原有客户"),
        ({"returned": 1.5e6}, "增长来自原有客户"),
        ({"new": 5e5, "grown": 5e5}, "新客户与原有客户都有增长"),
        ({"new": 5e5, "shrunk": -4.9e5}, "资产基本持平：新客户大体补上了原有客户的减少"),
        ({"new": 1e5, "closed": -9e5}, "资产下降"),
        ({"grown": 9e4, "shrunk": -9e4}, "资产基本持平"),
        ({"new": 9e4}, "资产基本持平"),
        ({"transferred_in": 1.5e6, "shrunk": -3e5}, "增长来自行内划入"),
        ({"transferred_in": 5e5, "shrunk": -5e5}, "资产基本持平"),
        ({"new": 6e4, "grown": 8e4}, "新客户与原有客户都有增长"),
        ({"new": 5e4, "grown": 2e5, "transferred_out": -5e5}, "下降来自行内划出"),
    ],
)
def test_verdicts(amounts: dict[str, float], lead: str) -> None:
    """A change below 1 % of the opening is steady; each other case has its own words."""
    told = growth_sentence(page(), bridge(**amounts))
    assert told is not None
    assert told.lead == lead


def test_english() -> None:
    """The same facts in English, without a bank to compare with."""
    told = growth_sentence(page("en"), bridge(new=1.5e6, shrunk=-5e5))
    assert told is not None
    assert told.lead == "All growth came from new customers; existing customers' assets fell"
    assert told.text == (
        "Period-end AUM +CNY 1.00 million from last quarter (+10.0%): new customers "
        "+CNY 1.50 million, existing customers -CNY 0.50 million."
    )


def test_who_moved_between_branches_is_neither_new_nor_existing() -> None:
    """100 万元 = 150 new + 40 moved in − 10 moved out − 80 of existing customers."""
    moves = {"transferred_in": 4e5, "transferred_out": -1e5}
    told = growth_sentence(page(), bridge(new=1.5e6, shrunk=-8e5, **moves))
    assert told is not None
    assert told.text.endswith("新增客户+150万元，原有客户-80万元，行内划转+30万元。")


def test_a_new_branch_has_nothing_to_grow_from() -> None:
    """Without opening assets there is no growth rate, and nothing is said."""
    assert growth_sentence(page(), bridge(new=1e6).replace(1e7, 0.0)) is None
