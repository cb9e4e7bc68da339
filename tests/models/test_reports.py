"""What a model reports is drawn, written into a workbook and given to pandas, as any result is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd

from stockcust_analysis.models.campaign_effect import CampaignReport
from stockcust_analysis.models.early_warning import EarlyWarning
from stockcust_analysis.models.features import Report
from stockcust_analysis.models.next_product import NextProduct
from tests.models.test_early_warning import foreign_table
from tests.models.test_next_product import holders


def names_of(report: Report, language: str) -> list[str]:
    """Return the names beside the points of a report's chart."""
    return [label.get_text() for label in report.plot(language=language).get_yticklabels()]


def test_a_warnings_groups_are_drawn_with_what_was_predicted(tmp_path: Path) -> None:
    """The tenth most at risk comes first; the slide and the workbook have the same bytes twice."""
    table, label = foreign_table()
    report = EarlyWarning(model="logistic").fit(table, label).assess(table, label)
    axes = report.plot(language="en")
    observed, predicted = (line.get_xdata().tolist() for line in axes.lines[:2])
    assert observed == report.deciles["observed"].tolist() == report.to_pandas()["value"].tolist()
    assert predicted == report.deciles["predicted"].tolist()
    assert names_of(report, "en")[0] == "Group 1 by risk"
    assert names_of(report, "zh")[9] == "风险第10组"
    for name in ("a", "b"):
        report.plot().save(tmp_path / f"{name}.png")
        report.to_excel(tmp_path / f"{name}.xlsx")
    for ending in ("png", "xlsx"):
        first, second = ((tmp_path / f"{name}.{ending}").read_bytes() for name in "ab")
        assert first == second
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["report", "scores", "gains", "deciles", "importance"]
    assert [row[0].value for row in book["report"].iter_rows(min_row=2)] == report.sentences("zh")
    assert book["deciles"].max_row == 11


def test_openings_are_drawn_beside_the_baselines() -> None:
    """The model and both baselines stand together for each of four measures."""
    held, opened = holders()
    report = NextProduct().fit(held, opened).assess(held, opened)
    names = names_of(report, "en")
    baselines = ["model", "popularity", "co-holding lift"]
    assert names[:3] == [f"Hit rate at 1 · {name}" for name in baselines]
    assert len(names) == 12
    rows = report.chart_rows("en").set_index("name")["value"]
    own = report.scores.query("score == 'popularity' and measure == 'recall_3'")
    assert rows["Recall at 3 · popularity"] == own["value"].item()


def test_an_effect_is_drawn_before_its_placebo_tests() -> None:
    """The effect, then the quarters without a campaign."""
    tests = pd.DataFrame(
        [("2026Q2", -0.01, -0.02, 0.0)], columns=["quarter", "value", "low", "high"]
    )
    balance = pd.DataFrame({"feature": ["a"], "before": [0.5], "after": [0.1]})
    report = CampaignReport(100, 0.05, 0.01, 0.09, 0.2, balance, tests)
    assert names_of(report, "en") == ["Effect of the campaign", "Placebo test (2026Q2)"]
    np.testing.assert_array_equal(report.to_pandas()["value"], [0.05, -0.01])
    assert not any("名单" in text for text in report.describe("zh"))
    told = replace(report, left_out=3).describe("zh")[1]
    assert told == "名单中有3个号码期初不是有资产客户的，未参与比较：请核对客户号。"
