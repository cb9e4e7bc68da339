"""The figures of a branch's page: a chart, its caption, and words for those who cannot see it.

Its place among its peers and its scorecard stand here too, the scorecard also as a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from stockcust_analysis import plot
from stockcust_analysis.evaluation.results import UNKNOWN
from stockcust_analysis.show import wording
from stockcust_analysis.show.blocks import MISSING, Drawing, Table
from stockcust_analysis.show.branch_page import Remark, score_words
from stockcust_analysis.show.branch_tables import page_table
from stockcust_analysis.show.canvas import FULL_WIDTH, HALF_WIDTH, NOTHING_DRAWN, sized_axes
from stockcust_analysis.show.page_data import WIDE_INTERVAL, BranchPage, rows_of

# Key of the caption → the chart, its height and width, and the dimension whose names it takes from
# the policy.
_FIGURES: Final[dict[str, tuple[Callable[..., Axes], float, float, str]]] = {
    "aum": (plot.aum_trend, 4.8, HALF_WIDTH, ""),
    "tier_pyramid": (plot.tier_pyramid, 4.8, HALF_WIDTH, "tier"),
    "lorenz": (plot.lorenz, 6.2, HALF_WIDTH, ""),
    "dormancy_bars": (plot.dormancy, 4.4, FULL_WIDTH, ""),
    "product_count": (plot.product_count, 5.4, HALF_WIDTH, ""),
    "co_holding": (plot.co_holding, 5.6, FULL_WIDTH, "family"),
    "bridge_chart": (plot.bridge, 4.6, FULL_WIDTH, ""),
    "migration_heatmap": (plot.migration, 5.4, HALF_WIDTH, "tier"),
}
# What is drawn of a small branch, too: the others are shares of too few.
_IF_SMALL: Final = ("aum", "tier_pyramid", "bridge_chart")
_FEWEST_QUARTERS: Final = 2
# Measures in which the branch's place is shown, in their order.
_PLACED: Final = (
    "aum_per_customer customer_retention silent_rate multi_product_share contact_coverage "
    "profile_completion"
)
_MOST_PLACES: Final = 5


def aum_figure(page: BranchPage) -> Drawing | None:
    """Draw the branch's assets quarter by quarter; None of a first quarter."""
    rows = page.own(page.on_one_base)
    return _draw(page, "aum", rows) if rows["quarter"].nunique() >= _FEWEST_QUARTERS else None


def tier_figure(page: BranchPage) -> Drawing | None:
    """Draw the tiers as a pyramid: customers left, assets right."""
    return _draw(page, "tier_pyramid", _this_quarter(page))


def lorenz_figure(page: BranchPage) -> Drawing | None:
    """Draw the Lorenz curve of the branch before the whole bank's."""
    return _draw(page, "lorenz", page.evaluation.lorenz)


def dormancy_figure(page: BranchPage) -> Drawing | None:
    """Draw active, silent and dormant customers, quarter by quarter."""
    return _draw(page, "dormancy_bars", page.own(page.on_one_base))


def product_count_figure(page: BranchPage) -> Drawing | None:
    """Draw how many product families customers hold, beside the whole bank."""
    return _draw(page, "product_count", _this_quarter(page))


def co_holding_figure(page: BranchPage) -> Drawing | None:
    """Draw which families are held together."""
    return _draw(page, "co_holding", page.own(page.evaluation.co_holding))


def bridge_figure(page: BranchPage) -> Drawing | None:
    """Draw what moved last quarter's assets to this one's."""
    return _draw(page, "bridge_chart", page.own(page.evaluation.bridge, structure="today"))


def migration_figure(page: BranchPage) -> Drawing | None:
    """Draw who went from which tier to which; None where nobody was there before."""
    rows = page.own(page.evaluation.migration, structure="today")
    if rows.empty or not rows.loc[rows["from"].isin(list(page.members("tier"))), "customers"].any():
        return None
    return _draw(page, "migration_heatmap", rows)


def _draw(page: BranchPage, name: str, rows: pd.DataFrame) -> Drawing | None:
    """Return a figure with its caption and the words in its place; None for a chart of nothing."""
    chart, height, width, dimension = _FIGURES[name]
    if page.is_small and name not in _IF_SMALL:
        return None
    members = {"words": page.members(dimension)} if dimension else {}
    drawn = chart(rows, language=page.language, ax=sized_axes(height, width), **members)
    if drawn.get_label() == NOTHING_DRAWN:
        plt.close(drawn.figure)  # type: ignore[arg-type]  # charts have a figure of their own
        return None
    caption = page.text(name, "caption")
    summary = page.text("list_separator").join(_words_on(drawn)) or page.text("see_table")
    return page.figure(drawn, caption=caption, alt=f"{caption}{page.text('colon')}{summary}")


def _words_on(drawn: Axes) -> list[str]:
    """Return what a chart says in letters: the names on its axes, then the words and numbers."""
    axes = drawn.figure.axes
    parts: list[Any] = [p for ax in axes for p in (ax.xaxis, ax.yaxis, ax) if p.get_visible()]
    texts = [t for p in parts for t in (p.texts if p in axes else p.get_ticklabels())]
    return [words for text in texts if (words := text.get_text().strip())]


def _this_quarter(page: BranchPage) -> pd.DataFrame:
    """Return this quarter's measures of the branch and of the whole bank."""
    return page.on_one_base[page.on_one_base["quarter"] == page.quarter]


def place_figure(page: BranchPage) -> Drawing | Remark | None:
    """Draw the branch's place among its peers, each with the places chance allows; None alone.

    A sentence stands instead where no place can be told apart from chance, and for a branch that
    opened or merged this year.
    """
    own, order = page.own(page.evaluation.comparison), _PLACED.split()
    if own.empty or page.is_small:
        return None
    if page.branch_id in page.new_branches:
        event, day = page.new_branches[page.branch_id]
        return Remark(page.text("places_ramp_up", day=day, event=page.text(f"event_{event}")))
    own = own[own["measure"].isin(order) & own["rank"].notna()]
    if own.empty:
        return None
    own = own.sort_values("measure", key=lambda names: names.map(order.index)).head(_MOST_PLACES)
    peers = own["rank_of"].max()
    if not (own["rank_high"] - own["rank_low"] < WIDE_INTERVAL * own["rank_of"]).any():
        return Remark(page.text("places_alike", peers=peers))
    caption = page.text("places", "caption", peers=peers)
    words = []
    for row in rows_of(own):
        ranks = {"rank": row.rank, "low": row.rank_low, "high": row.rank_high}
        words.append(page.text("place_words", measure=page.text(row.measure, "measure"), **ranks))
    alt = page.text("list_separator").join([caption, *words])
    return page.figure(plot.places(own, language=page.language), caption=caption, alt=alt)


def scorecard_figure(page: BranchPage) -> Drawing | Remark | None:
    """Draw the scorecard as bullet graphs; None where there is none, a sentence without points."""
    card = _scorecard(page)
    if card.empty:
        return Remark(_no_score(page)) if _no_score(page) else None
    if page.deposits == UNKNOWN and card["points"].isna().all():
        return Remark(page.text("no_score"))
    caption = page.text("scorecard", "caption") + score_words(page, before=False)
    words = []
    for row in rows_of(card):
        attainment, points = wording.format_part(row.attainment), wording.format_points(row.points)
        blanks = {"measure": row.name, "attainment": attainment, "points": points}
        words.append(page.text("attained_words", **blanks))
    alt = page.text("list_separator").join([caption, *words])
    return page.figure(plot.scorecard(card, language=page.language), caption=caption, alt=alt)


def scorecard_table(page: BranchPage) -> Table | None:
    """Return how every indicator's points are made, and what was lost to floors and caps."""
    card = _scorecard(page)
    if card.empty or (page.deposits == UNKNOWN and card["attainment"].isna().all()):
        return None
    money = card[[wording.measure_words(measure).kind == "money" for measure in card["measure"]]]
    unit = page.unit(money[["value", "target"]].to_numpy().ravel())
    summed = ("weight", "raw_points", "lost", "points", "points_before")
    unknown = page.text("not_provided") if page.deposits == UNKNOWN else MISSING
    if page.deposits == UNKNOWN:  # no plan of AUM is met by them, but what they are is known
        own = [page.value(m, base=b) for m, b in zip(card["measure"], card["base"], strict=True)]
        card["value"] = card["value"].fillna(pd.Series(own, dtype=float))
    rows: list[dict[str, Any]] = [
        {
            "score_indicator": row.name,
            "score_value": unknown
            if pd.isna(row.value)
            else wording.format_with_unit(row.value, row.measure, unit),
            "score_start": wording.format_with_unit(row.start, row.measure, unit),
            "score_target": wording.format_with_unit(row.target, row.measure, unit),
            "score_target_source": page.text(row.target_source, "target_source"),
            **{f"score_{name}": getattr(row, name) for name in ("attainment", *summed)},
        }
        for row in rows_of(card)
    ]
    total = {f"score_{name}": card[name].sum(min_count=1) for name in summed}
    rows.append({"score_indicator": page.text("total"), **total})
    added = page.text("increase_note") if card["start"].notna().any() else ""
    note = page.join([_no_score(page), page.text("scorecard_note"), added])
    return page_table(page, "scorecard_table", rows, note=note, emphasise=[-1])


def _no_score(page: BranchPage) -> str:
    """Return why a branch has no score; nothing where it has one or is too small for a chapter."""
    notes = " ".join(page.own(page.evaluation.scores).get("note", ()))
    is_told = page.is_small or page.deposits == UNKNOWN
    reason = None if is_told else re.search(r"not_scored:(\w+)", notes)
    return page.text("not_scored", reason=page.text(reason[1], "score_note")) if reason else ""


def _indicator_name(page: BranchPage, measure: str, base: str, member: str) -> str:
    """Return an indicator's name, with its base where the page shows the measure on another."""
    shown = page.cell(measure, member)
    return page.measure(measure, base if shown and shown.base != base else "", member)


def _scorecard(page: BranchPage) -> pd.DataFrame:
    """Return the branch's scorecard with names and all points lost, by weight; none if small."""
    card = page.own(page.evaluation.scorecard)
    if card.empty or page.is_small:
        return pd.DataFrame()
    own = card[(card["weight"] > 0) | (page.deposits == UNKNOWN)].copy()
    # An evaluation that an earlier release wrote knows neither.
    own = own.assign(**{name: own.get(name, float("nan")) for name in ("start", "points_before")})
    own["lost"] = own[["lost_to_floor", "lost_to_cap", "lost_to_group"]].sum(axis=1, min_count=1)
    named = zip(own["measure"], own["base"], own["member"].fillna(""), strict=True)
    own["name"] = [_indicator_name(page, *indicator) for indicator in named]
    return own.sort_values(["weight", "indicator"], ascending=[False, True], ignore_index=True)
