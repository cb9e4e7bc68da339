"""The figures of a branch's page: a chart, its caption, and words for those who cannot see it.

Its place among its peers and its scorecard stand here too, the scorecard also as a table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from stockcust_analysis import plot
from stockcust_analysis.show.blocks import Table
from stockcust_analysis.show.branch_page import section_sentence
from stockcust_analysis.show.branch_tables import page_table
from stockcust_analysis.show.canvas import FULL_WIDTH, HALF_WIDTH, NOTHING_DRAWN, sized_axes
from stockcust_analysis.show.figures import Drawing, figure
from stockcust_analysis.show.findings import Section
from stockcust_analysis.show.pages import BranchPage, rows_of
from stockcust_analysis.show.words import (
    format_count,
    format_points,
    format_share,
    format_with_unit,
    measure_words,
    money_unit,
)

_FEWEST_QUARTERS: Final = 2
_DEPOSITS: Final = {"demand_deposit", "time_deposit"}
"""Products that nearly every customer has: beside them the other families would lie flat."""
_PLACED: Final = (
    "aum_per_customer",
    "customer_retention",
    "silent_rate",
    "multi_product_share",
    "contact_coverage",
    "profile_completion",
)
_MOST_PLACES: Final = 5


def aum_figure(page: BranchPage) -> Drawing | None:
    """Draw the branch's assets quarter by quarter; None of a first quarter."""
    rows = page.own(_on_one_base(page))
    if rows["quarter"].nunique() < _FEWEST_QUARTERS:
        return None
    return _draw(page, plot.aum_trend, rows, "aum", 4.8, HALF_WIDTH, if_small=True)


def tier_figure(page: BranchPage) -> Drawing | None:
    """Draw the tiers as a pyramid: customers left, assets right."""
    rows, names = _this_quarter(page), page.members("tier")
    return _draw(
        page, plot.tier_pyramid, rows, "tier_pyramid", 4.8, HALF_WIDTH, names=names, if_small=True
    )


def lorenz_figure(page: BranchPage) -> Drawing | None:
    """Draw the Lorenz curve of the branch before the whole bank's."""
    rows = page.evaluation.lorenz
    return _draw(page, plot.lorenz, rows, "lorenz", 6.2, HALF_WIDTH, section="concentration")


def dormancy_figure(page: BranchPage) -> Drawing | None:
    """Draw active, silent and dormant customers, quarter by quarter."""
    rows = page.own(_on_one_base(page))
    return _draw(page, plot.dormancy, rows, "dormancy_bars", 4.4, section="dormancy")


def product_count_figure(page: BranchPage) -> Drawing | None:
    """Draw how many product families customers hold, beside the whole bank."""
    rows = _this_quarter(page)
    return _draw(
        page, plot.product_count, rows, "product_count", 5.4, HALF_WIDTH, section="cross_sell"
    )


def penetration_figure(page: BranchPage) -> Drawing | None:
    """Draw the penetration of each family beside the whole bank's."""
    rows, names = _this_quarter(page), page.members("family")
    return _draw(
        page,
        plot.penetration,
        rows,
        "penetration_dots",
        5.8,
        HALF_WIDTH,
        names=names,
        section="cross_sell",
    )


def co_holding_figure(page: BranchPage) -> Drawing | None:
    """Draw which families are held together."""
    rows, names = page.own(page.evaluation.co_holding), page.members("family")
    return _draw(page, plot.co_holding, rows, "co_holding", 5.6, names=names, section="cross_sell")


def bridge_figure(page: BranchPage) -> Drawing | None:
    """Draw what moved last quarter's assets to this one's."""
    rows = page.own(page.evaluation.bridge, structure="today")
    return _draw(page, plot.bridge, rows, "bridge_chart", 4.6, if_small=True)


def migration_figure(page: BranchPage) -> Drawing | None:
    """Draw who went from which tier to which; None where nobody was there before."""
    rows, names = page.own(page.evaluation.migration, structure="today"), page.members("tier")
    if rows.empty or not rows.loc[rows["from"].isin(list(names)), "customers"].any():
        return None
    return _draw(page, plot.migration, rows, "migration_heatmap", 5.4, HALF_WIDTH, names=names)


def migration_flow_figure(page: BranchPage) -> Drawing | None:
    """Draw the moves between tiers as bands, rises dark and falls orange."""
    rows, names = page.own(page.evaluation.migration, structure="today"), page.members("tier")
    return _draw(page, plot.migration_flow, rows, "migration_flow", 8.0, names=names)


def tier_slope_figure(page: BranchPage) -> Drawing | None:
    """Draw how the tiers' shares of assets moved since the first quarter there is."""
    rows, names = page.own(_on_one_base(page), measure="tier_aum_share"), page.members("tier")
    return _draw(page, plot.slope, rows, "tier_slope", 6.5, names=names, if_small=True)


def dormancy_flow_figure(page: BranchPage) -> Drawing | None:
    """Draw how last quarter's dormant customers became this quarter's."""
    rows = page.own(_on_one_base(page), quarter=page.quarter)
    return _draw(page, plot.dormancy_flow, rows, "dormancy_flow", 5.2, section="dormancy")


def penetration_panels_figure(page: BranchPage) -> Drawing | None:
    """Draw each family's penetration over the quarters, all to the same scale, without deposits."""
    families = page.evaluation.policy_facts["families"]
    deposits = [family["name"] for family in families if _DEPOSITS & set(family["products"])]
    rows, names = _on_one_base(page), page.members("family")
    rows = rows[(rows["measure"] == "penetration") & ~rows["member"].isin(deposits)]
    return _draw(
        page, plot.small_multiples, rows, "penetration_panels", names=names, section="cross_sell"
    )


def _draw(
    page: BranchPage,
    chart: Callable[..., Axes],
    rows: pd.DataFrame,
    caption: str,
    height: float | None = None,
    width: float = FULL_WIDTH,
    *,
    names: dict[str, str] | None = None,
    section: Section = "customers",
    if_small: bool = False,
) -> Drawing | None:
    """Return a chart with its caption and the words in its place; None for a chart of nothing.

    The words are those the chapter (`section`) opens with. Shares of a branch too small for them
    are not drawn. Without a height the chart has its own.
    """
    if page.is_small and not if_small:
        return None
    ax = None if height is None else sized_axes(height, width)
    members = {} if names is None else {"words": names}
    drawn = chart(rows, language=page.language, ax=ax, **members)
    if drawn.get_label() == NOTHING_DRAWN:
        plt.close(drawn.figure)  # type: ignore[arg-type]  # charts have a figure of their own
        return None
    words, opening = page.text(caption, "caption"), section_sentence(page, section)
    summary = opening.sentences[0].text if opening else page.text("see_table")
    return figure(drawn, caption=words, alt=f"{words}{page.text('colon')}{summary}")


def _this_quarter(page: BranchPage) -> pd.DataFrame:
    """Return this quarter's measures of the branch and of the whole bank."""
    measures = _on_one_base(page)
    return measures[measures["quarter"] == page.quarter]


def _on_one_base(page: BranchPage) -> pd.DataFrame:
    """Return each measure on one base: tiers count all customers, the rest funded ones."""
    measures = page.evaluation.measures
    base = measures["dimension"].map({"tier": "all"}).fillna("funded")
    return measures[measures["base"] == base]


def place_figure(page: BranchPage) -> Drawing | None:
    """Draw the branch's place among its peers, each with the places chance allows; None alone."""
    own = page.own(page.evaluation.comparison)
    if own.empty or page.is_small:
        return None
    own = own[own["measure"].isin(_PLACED)]
    own = own.sort_values("measure", key=lambda names: names.map(_PLACED.index)).head(_MOST_PLACES)
    if own.empty:
        return None
    peers = format_count(own["rank_of"].max())
    caption = page.text("places", "caption").format(peers=peers) + _score_words(page)
    words = [
        page.text("place_words").format(
            measure=page.text(row.measure, "measure"),
            rank=format_count(row.rank),
            low=format_count(row.rank_low),
            high=format_count(row.rank_high),
        )
        for row in rows_of(own)
    ]
    alt = page.text("list_separator").join([caption, *words])
    return figure(plot.places(own, language=page.language), caption=caption, alt=alt)


def _score_words(page: BranchPage) -> str:
    """Return the score and its rank, where the branch has one."""
    own = page.own(page.evaluation.scores)
    if own.empty or pd.isna(own["rank"].iloc[0]):
        return ""
    score = own.iloc[0]
    return page.text("score_words").format(
        points=format_points(score["points"]),
        rank=format_count(score["rank"]),
        rank_of=format_count(score["rank_of"]),
    )


def scorecard_figure(page: BranchPage) -> Drawing | None:
    """Draw the scorecard as bullet graphs; None where there is no score."""
    card = _scorecard(page)
    if card.empty:
        return None
    caption = page.text("scorecard", "caption") + _score_words(page)
    words = [
        page.text("attained_words").format(
            measure=row.name,
            attainment=format_share(row.attainment),
            points=format_points(row.points),
        )
        for row in rows_of(card)
    ]
    alt = page.text("list_separator").join([caption, *words])
    return figure(plot.scorecard(card, language=page.language), caption=caption, alt=alt)


def _scorecard(page: BranchPage) -> pd.DataFrame:
    """Return the branch's scorecard with names and all points lost, by weight; none if small."""
    card = page.own(page.evaluation.scorecard)
    if card.empty or page.is_small:
        return pd.DataFrame()
    own = card[card["weight"] > 0].copy()
    if "measure" not in own:
        own["measure"] = own["indicator"]
    losses = [name for name in ("lost_to_floor", "lost_to_cap", "lost_to_group") if name in own]
    own["lost"] = own[losses].sum(axis=1)
    own["name"] = [page.text(measure, "measure") for measure in own["measure"]]
    return own.sort_values(["weight", "indicator"], ascending=[False, True], ignore_index=True)


def scorecard_table(page: BranchPage) -> Table | None:
    """Return how every indicator's points are made, and what was lost to floors and caps."""
    card = _scorecard(page)
    if card.empty:
        return None
    money = card[[measure_words(measure).kind == "money" for measure in card["measure"]]]
    unit = money_unit(money[["value", "target"]].to_numpy().ravel(), page.language)
    rows = [
        [
            row.name,
            format_with_unit(row.value, row.measure, unit),
            format_with_unit(row.target, row.measure, unit),
            page.text(row.target_source, "target_source"),
            row.attainment,
            row.weight,
            row.raw_points,
            row.lost,
            row.points,
        ]
        for row in rows_of(card)
    ]
    totals = (card[name].sum() for name in ("weight", "raw_points", "lost", "points"))
    rows.append([page.text("total"), "", "", "", "", *totals])
    columns = [
        "score_indicator",
        "score_value",
        "score_target",
        "score_target_source",
        "score_attainment",
        "score_weight",
        "score_raw_points",
        "score_lost",
        "score_points",
    ]
    note = page.text("scorecard_note")
    return page_table(page, "scorecard_table", columns, rows, note=note, emphasise=[-1])
