"""A branch in its first year takes no place, and the others count their places without it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stockcust_analysis.evaluation.comparison import comparison
from stockcust_analysis.evaluation.scorecard import scorecard
from stockcust_analysis.policy import ComparedMeasure, ComparisonRule, Indicator
from tests.evaluation.small_quarters import NOW, named, policy_of, quarter_of

SHARE = "multi_product_share"
OPENED = named("ABCD").assign(
    opened_on=["2026-07-01", "2019-01-01", "", "2025-12-31"], merged_on=["", "", "2026-02-01", ""]
)
FIGURES = quarter_of({(SHARE, "funded"): [0.5, 0.4, 0.3, 0.2]}, branches="ABCD")


def test_points_are_placed_among_those_who_ran_the_whole_year() -> None:
    """A opened and C took over others this year: both have points, B is first of two."""
    rules = policy_of(Indicator(SHARE, 100, target="fixed", fixed=0.5))
    _, scores = scorecard(FIGURES, OPENED, targets=pd.DataFrame(), policy=rules, quarter=NOW)
    scores = scores.set_index("branch_id")
    assert scores["points"].tolist() == [100.0, 80.0, 60.0, 40.0]
    assert scores["rank"].dropna().to_dict() == {"B": 1, "D": 2}
    assert scores["rank_of"].dropna().to_dict() == {"B": 2, "D": 2}


def test_measures_are_placed_so_too_and_a_new_branch_is_not_judged() -> None:
    """A, opened in July, has no limits and moves no mean: (0.4 + 0.3 + 0.2) / 3; C has its limits.

    Of 100 customers each, B, C and D weigh the same.
    """
    rule = ComparisonRule(measures=(ComparedMeasure(SHARE, "funded"),), least_branches=3)
    rules = policy_of(Indicator(SHARE, 100, target="fixed", fixed=0.5), comparison=rule)
    cells = pd.DataFrame(columns=["dimension"])
    table = comparison(FIGURES, OPENED, cells=cells, policy=rules, quarter=NOW)
    table = table.set_index("branch_id")
    assert table["rank"].dropna().to_dict() == {"B": 1, "D": 2}
    assert table["rank_of"].dropna().to_dict() == {"B": 2, "D": 2}
    judged = np.isfinite(table[["lower_95", "upper_95", "z"]].to_numpy(float))
    assert judged.all(axis=1).tolist() == judged.any(axis=1).tolist() == [False, True, True, True]
    assert table["centre"].tolist() == pytest.approx([0.3] * 4)
