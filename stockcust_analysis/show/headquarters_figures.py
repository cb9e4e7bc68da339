"""Headquarters' figures: funnels, places with their intervals, where growth came from."""

from __future__ import annotations

from typing import Final

import pandas as pd

from stockcust_analysis import plot
from stockcust_analysis.show import headquarters_page as hq
from stockcust_analysis.show.blocks import Drawing, Sentence, Sentences
from stockcust_analysis.show.canvas import HALF_WIDTH, sized_axes
from stockcust_analysis.show.headquarters_page import HeadquartersPage
from stockcust_analysis.show.page_data import rows_of

_MOST_FUNNELS: Final = 4
_MOST_ROWS: Final = 40
_MOST_NAMED: Final = 8


def funnel_words(page: HeadquartersPage) -> Sentences | None:
    """Say how the funnels are read; None where there is none to read."""
    return Sentences([page.text("funnels_read")]) if _funnels(page) else None


def funnel_figure(page: HeadquartersPage, number: int) -> Drawing | None:
    """Draw the n-th funnel, counted from 1; None where fewer measures, or branches, are judged.

    First each exceptional branch's farthest measure, then the leading ones.
    """
    if number > len(funnels := _funnels(page)):
        return None
    measure, base, compared = funnels[number - 1]
    rows = compared.dropna(subset=["centre"])
    drawn = plot.funnel(rows, language=page.language, ax=sized_axes(6.4, HALF_WIDTH))
    beyond = rows.query("compared < lower_95 or compared > upper_95")["name"]
    listed = page.text("list_separator", "page").join(beyond.head(_MOST_NAMED))
    blanks = {"measure": page.measure(measure), "names": listed or page.text("nobody")}
    alt = page.text("funnel_alt", count=len(rows), beyond=len(beyond), **blanks)
    return page.figure(drawn, caption=_caption(page, "funnel_caption", measure, base), alt=alt)


def _funnels(page: HeadquartersPage) -> list[tuple[str, str, pd.DataFrame]]:
    """Return the measures drawn, with their branches; among too few no chance is told."""
    exceptional = page.exceptions.drop_duplicates("branch_id")[["measure", "base"]]
    ordered = [*exceptional.itertuples(index=False, name=None), *hq.leading(page)]
    chosen = [*dict.fromkeys(ordered)][:_MOST_FUNNELS]
    compared = [(m, base, hq.peers_compared(page, m, base, "lower_95")) for m, base in chosen]
    return [funnel for funnel in compared if (funnel[-1]["verdict"] != "").any()]


def league_figure(page: HeadquartersPage) -> Drawing | Sentences | None:
    """Draw the places in the leading measure with their intervals, of the first forty branches.

    How many branches have too few customers to be placed stands below them. Where hardly a branch
    can be told apart from the others, a sentence says so, and names those that can.
    """
    measure, base = next(iter(hq.leading(page)), ("", ""))
    rows = hq.peers_compared(page, measure, base, "rank").sort_values(["rank", "branch_id"])
    placed, unplaced = rows.dropna(subset=["rank"]).head(_MOST_ROWS), rows[rows["rank"].isna()]
    if placed.empty:
        return None
    if not hq.has_distinct_ranks(page, measure, base):
        return Sentences([_ranks_alike(page, rows.dropna(subset=["rank"]))])
    drawn = plot.league(pd.concat([placed, unplaced]), language=page.language)
    first, last = placed["name"].iloc[[0, -1]]
    width = int((placed["rank_high"] - placed["rank_low"]).median()) + 1
    left_out = page.text("unplaced", "word").format(len(unplaced)) if len(unplaced) else ""
    blanks = {"measure": page.measure(measure), "first": first, "last": last, "width": width}
    alt = page.text("league_alt", unplaced=left_out, **blanks)
    return page.figure(drawn, caption=_caption(page, "league_caption", measure, base), alt=alt)


def _ranks_alike(page: HeadquartersPage, placed: pd.DataFrame) -> Sentence:
    """Say that places cannot be told apart, and name the branches whose can."""
    apart = hq.distinct_ranks(placed)
    measure, base = placed["measure"].iloc[0], placed["base"].iloc[0]
    low, high = int(placed["rank_low"].median()), int(placed["rank_high"].median())
    named = {
        row.branch_id: f"{row.rank_low:.0f}–{row.rank_high:.0f}"
        for row in rows_of(apart.head(_MOST_NAMED))
    }
    blanks = {"measure": page.measure(measure), "base": page.text(base, "base")}
    alike = page.text("ranks_alike", count=len(placed) - len(apart), low=low, high=high, **blanks)
    return Sentence(page.join([alike, page.naming("ranks_apart", named)]))


def bridge_figure(page: HeadquartersPage) -> Drawing | None:
    """Draw the bank's assets from last quarter to this one."""
    own = page.own(page.evaluation.bridge)
    if own.empty or own["withheld"].any():
        return None
    drawn = plot.bridge(own, language=page.language, ax=sized_axes(5.2))
    caption = page.text("bridge", "hq_caption")
    alt = page.text("bridge_alt", caption=caption, text=page.text("see_table", "page"))
    return page.figure(drawn, caption=caption, alt=alt)


def _caption(page: HeadquartersPage, key: str, measure: str, base: str) -> str:
    return page.text(key, measure=page.measure(measure), base=page.text(base, "base"))
