"""What a key figure is compared with: the right quarters, only those that exist, by season."""

from __future__ import annotations

import pandas as pd

from stockcust_analysis.show.branch_page import key_figures
from tests.show.measure_tables import page_of, quarter_of


def customers(**by_quarter: float) -> pd.DataFrame:
    """Return the number of customers by quarter, written q2026Q3=1031."""
    return pd.concat(
        [quarter_of(name[1:], "B01", {"customers": value}) for name, value in by_quarter.items()],
        ignore_index=True,
    )


def texts(table: pd.DataFrame, quarter: str, **tables: pd.DataFrame) -> list[str]:
    """Return what the number of customers is compared with, in words."""
    tiles = key_figures(page_of(table, quarter=quarter, **tables)).figures
    return tiles[0].comparison_texts if tiles else []


def test_each_comparison_has_its_quarter() -> None:
    """Third quarter 2026 against 2026Q2 (+10 %), 2025Q3 (×2) and 2025Q4 (-20 %)."""
    table = customers(q2025Q3=550, q2025Q4=1375, q2026Q2=1000, q2026Q3=1100)
    expected = ["环比 ▲10.0%", "同比 ▲100.0%", "较年初 ▼20.0%"]
    assert texts(table, "2026Q3") == expected


def test_fourth_quarter_leads_with_the_year_and_does_not_say_it_twice() -> None:
    """At the year's end, versus year start is year-on-year: it is said once, and first."""
    table = customers(q2025Q4=1000, q2026Q3=1250, q2026Q4=1100)
    assert texts(table, "2026Q4") == ["同比 ▲10.0%", "环比 ▼12.0%"]


def test_first_quarter_compares_with_year_start_once() -> None:
    """In the first quarter, versus year start is quarter-on-quarter."""
    table = customers(q2025Q1=1000, q2025Q4=1250, q2026Q1=1100)
    assert texts(table, "2026Q1") == ["同比 ▲10.0%", "环比 ▼12.0%"]


def test_what_does_not_exist_is_left_out() -> None:
    """A new branch has nothing to compare with; an undefined earlier value is nothing too."""
    assert texts(customers(q2026Q3=1100), "2026Q3") == []
    undefined = customers(q2026Q2=1000, q2026Q3=1100).assign(value=[float("nan"), 1100])
    assert texts(undefined, "2026Q3") == []
    assert texts(customers(q2026Q2=1000), "2026Q3") == []


def test_attainment_of_target() -> None:
    """1,100 of 1,250 planned is 88 %; other branches' and quarters' targets do not count."""
    targets = pd.DataFrame(
        [
            ("B01", "2026Q3", "customers", 1250),
            ("B02", "2026Q3", "customers", 10),
            ("B01", "2026Q2", "customers", 10),
            ("B01", "2026Q3", "aum_period_end", 10),
        ],
        columns=["branch_id", "quarter", "measure", "target"],
    )
    assert texts(customers(q2026Q3=1100), "2026Q3", targets=targets) == ["计划完成率 88.0%"]
    nothing_planned = targets.assign(target=0)
    assert texts(customers(q2026Q3=1100), "2026Q3", targets=nothing_planned) == []


def test_shares_change_in_points() -> None:
    """From 10 % to 12 % is two percentage points, said beside the number."""
    now, before = (
        quarter_of(quarter, "B01", {"customers": 1000, "multi_product_share": share})
        for quarter, share in (("2026Q3", 0.12), ("2026Q2", 0.10))
    )
    zh, en = (
        key_figures(page_of(pd.concat([before, now]), language)).figures[-1]
        for language in ("zh", "en")
    )
    assert (zh.unit, zh.comparisons) == ("", (("环比", "▲2.0个百分点"),))
    assert en.comparisons == (("QoQ", "▲2.0 pp"),)


def test_money_on_a_tile_reads_as_its_language_says_it() -> None:
    """CNY stands before the number, 万元 behind it."""
    figures = quarter_of("2026Q3", "B01", {"customers": 1000, "aum_average_quarter": 85_600_000})
    shown = [key_figures(page_of(figures, language)).figures[0] for language in ("zh", "en")]
    assert [(one.value, one.unit) for one in shown] == [
        ("8,560", "万元"),
        ("CNY 85.60", "million"),
    ]


def test_members_are_compared_with_themselves() -> None:
    """A figure of a dimension's member is found by its name, and by no other."""
    page = page_of(quarter_of("2026Q3", "B01", {("penetration", "family", "fund"): 0.12}))
    assert page.value("penetration", "fund") == 0.12
    assert page.value("penetration", "wealth") is None
    assert page.value("penetration") is None


def test_of_several_bases_the_named_one_is_compared() -> None:
    """All and funded customers are different numbers: each figure keeps to its own base."""
    table = customers(q2026Q2=1000, q2026Q3=1100)
    both = pd.concat([table, table.assign(base="all", value=[5000.0, 4000.0])])
    assert texts(both, "2026Q3") == ["环比 ▲10.0%"]
    page = page_of(both)
    assert page.value("customers", base="all") == 4000
    assert page.value("customers") == 1100
