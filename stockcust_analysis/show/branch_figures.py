"""The figures of a branch's page: a chart, its caption, and words for those who cannot see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from stockcust_analysis.show import charts
from stockcust_analysis.show.branch_page import BranchPage, section_sentence
from stockcust_analysis.show.charts_canvas import HALF_WIDTH, sized_axes
from stockcust_analysis.show.figures import Drawing, figure
from stockcust_analysis.show.findings import Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def aum_figure(page: BranchPage) -> Drawing:
    """Draw the branch's assets quarter by quarter."""
    drawn = charts.aum_trend(_own(page), language=page.language, ax=_half())
    return _finished(page, drawn, "aum", "customers")


def tier_figure(page: BranchPage) -> Drawing:
    """Draw the tiers as a pyramid: customers left, assets right."""
    drawn = charts.tier_pyramid(_now(page), language=page.language, ax=_half())
    return _finished(page, drawn, "tier_pyramid", "customers")


def lorenz_figure(page: BranchPage) -> Drawing | None:
    """Draw the Lorenz curve of the branch before the whole bank's."""
    if page.is_small:
        return None
    drawn = charts.lorenz_chart(page.evaluation.lorenz, language=page.language, ax=_half(6.6))
    return _finished(page, drawn, "lorenz", "concentration")


def dormancy_figure(page: BranchPage) -> Drawing | None:
    """Draw active, silent and dormant customers, quarter by quarter."""
    if page.is_small:
        return None
    drawn = charts.dormancy_bars(_own(page), language=page.language, ax=sized_axes(4.8))
    return _finished(page, drawn, "dormancy_bars", "dormancy")


def product_count_figure(page: BranchPage) -> Drawing | None:
    """Draw how many product families customers hold, beside the whole bank."""
    if page.is_small:
        return None
    drawn = charts.product_count_bars(_now(page), language=page.language, ax=_half(5.6))
    return _finished(page, drawn, "product_count", "cross_sell")


def penetration_figure(page: BranchPage) -> Drawing | None:
    """Draw the penetration of each family beside the whole bank's."""
    if page.is_small:
        return None
    drawn = charts.penetration_dots(_now(page), language=page.language, ax=_half(5.8))
    return _finished(page, drawn, "penetration_dots", "cross_sell")


def co_holding_figure(page: BranchPage) -> Drawing | None:
    """Draw which families are held together."""
    if page.is_small:
        return None
    table = page.evaluation.co_holding
    own = table[table["branch_id"] == page.branch_id]
    drawn = charts.co_holding_heatmap(own, language=page.language, ax=sized_axes(6.2))
    return _finished(page, drawn, "co_holding", "cross_sell")


def bridge_figure(page: BranchPage) -> Drawing:
    """Draw from last quarter's assets to this one's."""
    bridge = page.evaluation.bridge
    own = bridge[(bridge["branch_id"] == page.branch_id) & (bridge["structure"] == "today")]
    drawn = charts.bridge_chart(own, language=page.language, ax=sized_axes(5.2))
    return _finished(page, drawn, "bridge_chart", "customers")


def migration_figure(page: BranchPage) -> Drawing | None:
    """Draw who went from which tier to which."""
    if page.is_small:
        return None
    moves = page.evaluation.migration
    own = moves[(moves["branch_id"] == page.branch_id) & (moves["structure"] == "today")]
    drawn = charts.migration_heatmap(own, language=page.language, ax=_half(6.0))
    return _finished(page, drawn, "migration_heatmap", "customers")


def _half(height: float = 5.4) -> Axes:
    """Return axes for a figure that stands beside another."""
    return sized_axes(height, HALF_WIDTH)


def _now(page: BranchPage) -> pd.DataFrame:
    """Return this quarter's measures of the branch and of the whole bank."""
    measures = _charted(page)
    return measures[measures["quarter"] == page.quarter]


def _own(page: BranchPage) -> pd.DataFrame:
    """Return the branch's measures of all quarters."""
    measures = _charted(page)
    return measures[measures["branch_id"] == page.branch_id]


def _charted(page: BranchPage) -> pd.DataFrame:
    """Return each measure on one base: tiers count all customers, the rest funded ones."""
    measures = page.evaluation.measures
    base = measures["dimension"].map({"tier": "all"}).fillna("funded")
    return measures[measures["base"] == base]


def _finished(page: BranchPage, drawn: Axes, caption: str, section: Section) -> Drawing:
    """Give a chart its caption, and the section's conclusion as words in its place."""
    words = page.word(caption, "caption")
    opening = section_sentence(page, section)
    told = opening.sentences[0].text if opening else page.word("see_table")
    return figure(drawn, caption=words, alt=f"{words}{page.word('colon')}{told}")
