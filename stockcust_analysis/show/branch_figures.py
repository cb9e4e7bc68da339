"""The figures of a branch's page: a chart, its caption, and words for those who cannot see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import pyplot as plt

from stockcust_analysis import plot
from stockcust_analysis.show.branch_page import BranchPage, section_sentence
from stockcust_analysis.show.charts_canvas import (
    FULL_WIDTH,
    HALF_WIDTH,
    NOTHING_DRAWN,
    sized_axes,
)
from stockcust_analysis.show.figures import Drawing, figure
from stockcust_analysis.show.findings import Section

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

_FEWEST_QUARTERS = 2
_DEPOSITS = {"demand_deposit", "time_deposit"}
"""Products that nearly every customer has: beside them the other families would lie flat."""
_MEMBERS = {
    **dict.fromkeys(("tier_pyramid", "migration_heatmap", "migration_flow", "tier_slope"), "tier"),
    **dict.fromkeys(("penetration_dots", "penetration_panels", "co_holding"), "family"),
}
"""The dimension whose members a figure calls as the policy does."""
_SECTIONS: dict[str, Section] = {
    **dict.fromkeys(("dormancy_bars", "dormancy_flow"), "dormancy"),
    **dict.fromkeys(("product_count", "penetration_dots", "co_holding"), "cross_sell"),
    "penetration_panels": "cross_sell",
    "lorenz": "concentration",
}
"""The chapter whose sentence tells a figure; the others stand among the customers."""


def aum_figure(page: BranchPage) -> Drawing | None:
    """Draw the branch's assets quarter by quarter; None of a first quarter."""
    rows = _own(page)
    if rows["quarter"].nunique() < _FEWEST_QUARTERS:
        return None
    return _drawn(page, plot.aum_trend, rows, "aum", 4.8, HALF_WIDTH, if_small=True)


def tier_figure(page: BranchPage) -> Drawing | None:
    """Draw the tiers as a pyramid: customers left, assets right."""
    rows = _now(page)
    return _drawn(page, plot.tier_pyramid, rows, "tier_pyramid", 4.8, HALF_WIDTH, if_small=True)


def lorenz_figure(page: BranchPage) -> Drawing | None:
    """Draw the Lorenz curve of the branch before the whole bank's."""
    rows = page.evaluation.lorenz
    return _drawn(page, plot.lorenz, rows, "lorenz", 6.2, HALF_WIDTH)


def dormancy_figure(page: BranchPage) -> Drawing | None:
    """Draw active, silent and dormant customers, quarter by quarter."""
    return _drawn(page, plot.dormancy, _own(page), "dormancy_bars", 4.4)


def product_count_figure(page: BranchPage) -> Drawing | None:
    """Draw how many product families customers hold, beside the whole bank."""
    return _drawn(page, plot.product_count, _now(page), "product_count", 5.4, HALF_WIDTH)


def penetration_figure(page: BranchPage) -> Drawing | None:
    """Draw the penetration of each family beside the whole bank's."""
    return _drawn(page, plot.penetration, _now(page), "penetration_dots", 5.8, HALF_WIDTH)


def co_holding_figure(page: BranchPage) -> Drawing | None:
    """Draw which families are held together."""
    table = page.evaluation.co_holding
    rows = table[table["branch_id"] == page.branch_id]
    return _drawn(page, plot.co_holding, rows, "co_holding", 5.6)


def bridge_figure(page: BranchPage) -> Drawing | None:
    """Draw what moved last quarter's assets to this one's."""
    rows = _today(page, page.evaluation.bridge)
    return _drawn(page, plot.bridge, rows, "bridge_chart", 4.6, if_small=True)


def migration_figure(page: BranchPage) -> Drawing | None:
    """Draw who went from which tier to which; None where nobody was there before."""
    rows = _today(page, page.evaluation.migration)
    if rows.empty or not rows.loc[rows["from"].isin(list(page.members("tier"))), "customers"].any():
        return None
    return _drawn(page, plot.migration, rows, "migration_heatmap", 5.4, HALF_WIDTH)


def migration_flow_figure(page: BranchPage) -> Drawing | None:
    """Draw the moves between tiers as bands, rises dark and falls orange."""
    rows = _today(page, page.evaluation.migration)
    return _drawn(page, plot.migration_flow, rows, "migration_flow", 8.0)


def tier_slope_figure(page: BranchPage) -> Drawing | None:
    """Draw how the tiers' shares of assets moved since the first quarter told."""
    own = _own(page)
    rows = own[own["measure"] == "tier_aum_share"]
    return _drawn(page, plot.slope, rows, "tier_slope", 6.5, if_small=True)


def dormancy_flow_figure(page: BranchPage) -> Drawing | None:
    """Draw how last quarter's dormant customers became this quarter's."""
    own = _own(page)
    rows = own[own["quarter"] == page.quarter]
    return _drawn(page, plot.dormancy_flow, rows, "dormancy_flow", 5.2)


def penetration_panels_figure(page: BranchPage) -> Drawing | None:
    """Draw each family's penetration over the quarters, all to the same scale, without deposits."""
    rows = _charted(page)
    deposits = [
        family["name"]
        for family in page.evaluation.policy_facts["families"]
        if _DEPOSITS & set(family["products"])
    ]
    rows = rows[(rows["measure"] == "penetration") & ~rows["member"].isin(deposits)]
    return _drawn(page, plot.small_multiples, rows, "penetration_panels")


def _drawn(
    page: BranchPage, chart: Callable[..., Axes], rows: pd.DataFrame, caption: str,
    height: float | None = None, width: float = FULL_WIDTH, *, if_small: bool = False,
) -> Drawing | None:  # fmt: skip
    """Return a chart with its caption and the words in its place; None for a chart of nothing.

    Shares of a branch too small for them are not drawn. Without a height the chart has its own.
    """
    if page.is_small and not if_small:
        return None
    ax = None if height is None else sized_axes(height, width)
    named = {"words": page.members(_MEMBERS[caption])} if caption in _MEMBERS else {}
    drawn = chart(rows, language=page.language, ax=ax, **named)
    if drawn.get_label() == NOTHING_DRAWN:
        plt.close(drawn.figure)  # type: ignore[arg-type]  # charts have a figure of their own
        return None
    words = page.word(caption, "caption")
    opening = section_sentence(page, _SECTIONS.get(caption, "customers"))
    told = opening.sentences[0].text if opening else page.word("see_table")
    return figure(drawn, caption=words, alt=f"{words}{page.word('colon')}{told}")


def _today(page: BranchPage, table: pd.DataFrame) -> pd.DataFrame:
    """Return the branch's rows on today's structure."""
    return table[(table["branch_id"] == page.branch_id) & (table["structure"] == "today")]


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
