"""Branches side by side in headquarters' review: funnels, places with intervals, scores, peers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

from stockcust_analysis import plot
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show.charts_canvas import HALF_WIDTH, sized_axes
from stockcust_analysis.show.figures import Drawing, figure
from stockcust_analysis.show.headquarters_page import HeadquartersPage, rows_of
from stockcust_analysis.show.labels import measure_words, names
from stockcust_analysis.show.tables import Table, table
from stockcust_analysis.show.units import (
    MISSING,
    SUPPRESSED,
    format_count,
    format_number,
)

_MOST_ROWS: Final = 40
_FUNNELS: Final = 4
_SCORES: Final = ("rank", "points")


def leading(page: HeadquartersPage) -> list[tuple[str, str]]:
    """Return the measures compared that have limits: those of the quarter's theme first."""
    table_of = page.review.evaluation.comparison
    held = table_of[table_of["centre"].notna() & ~table_of["withheld"]]
    pairs = list(dict.fromkeys(zip(held["measure"], held["base"], strict=True)))
    theme = list(page.review.theme.get("measures", []))
    found = page.exceptions["measure"].tolist()
    judged = set(held.loc[held["verdict"] != "", "measure"])
    return sorted(
        pairs,
        key=lambda pair: (pair[0] not in judged, pair[0] not in theme, pair[0] not in found),
    )


def funnel_figure(page: HeadquartersPage, number: int) -> Drawing | None:
    """Draw the n-th funnel, counted from 1; None where fewer measures have limits."""
    chosen = leading(page)[:_FUNNELS]
    if number > len(chosen):
        return None
    measure, base = chosen[number - 1]
    rows = _compared(page, measure, base)
    rows = rows[rows["centre"].notna()]
    if rows["peer_group"].nunique() > 1:
        # A funnel compares like with like: the largest peer group.
        rows = rows[rows["peer_group"] == rows["peer_group"].value_counts().index[0]]
    drawn = plot.funnel(rows, language=page.language, ax=sized_axes(6.4, HALF_WIDTH))
    held = rows["compared"]
    beyond = rows[(held < rows["lower_95"]) | (held > rows["upper_95"])]
    caption = page.word("funnel_caption").format(
        measure=page.measure(measure), base=page.word(base, "base")
    )
    separator = page.word("list_separator", "page")
    alt = page.word("funnel_alt").format(
        measure=page.measure(measure), count=len(rows), beyond=len(beyond),
        names=separator.join(beyond["name"].head(8)) or page.word("nobody"),
    )  # fmt: skip
    return figure(drawn, caption=caption, alt=alt)


def league_figure(page: HeadquartersPage) -> Drawing | None:
    """Draw the places in the leading measure with their intervals, of the first forty branches."""
    chosen = leading(page)
    if not chosen:
        return None
    measure, base = chosen[0]
    rows = _compared(page, measure, base)
    rows = rows[rows["peer_group"] == rows["peer_group"].value_counts().index[0]]
    best_first = measure_words(measure).higher_is_better == "no"
    order = rows.sort_values(["compared", "branch_id"], ascending=[best_first, True])
    rows = order.head(_MOST_ROWS)
    drawn = plot.league(rows, language=page.language)
    width = int((rows["rank_high"] - rows["rank_low"]).median()) + 1
    alt = page.word("league_alt").format(
        measure=page.measure(measure), first=rows["name"].iloc[0], last=rows["name"].iloc[-1],
        width=width,
    )  # fmt: skip
    caption = page.word("league_caption").format(
        measure=page.measure(measure), base=page.word(base, "base")
    )
    return figure(drawn, caption=caption, alt=alt)


def bridge_figure(page: HeadquartersPage) -> Drawing | None:
    """Draw the bank's assets from last quarter to this one."""
    bridge = page.review.evaluation.bridge
    own = bridge[bridge["branch_id"] == WHOLE_BANK]
    if own.empty or own["withheld"].any():
        return None
    drawn = plot.bridge(own, language=page.language, ax=sized_axes(5.2))
    caption = page.word("bridge", "hq_caption")
    alt = page.word("bridge_alt").format(caption=caption, text=page.word("see_table", "page"))
    return figure(drawn, caption=caption, alt=alt)


def score_table(page: HeadquartersPage) -> Table | None:
    """Return the league table of scores with the points of every indicator; None without scores."""
    if page.review.evaluation.scores.empty:
        return None
    scores = ordered_scores(page)
    card = page.review.evaluation.scorecard
    parts_of = {(row.branch_id, row.indicator): points_told(row) for row in rows_of(card)}
    indicators = list(dict.fromkeys(card["indicator"]))
    shown = _ends(scores)
    told = score_columns(page)
    rows = []
    for row in rows_of(shown):
        parts = [parts_of[row.branch_id, one] for one in indicators]
        rows.append([page.names[row.branch_id], *score_cells(row, told), *parts])
    if len(shown) < len(scores):
        left = page.word("rows_left_out").format(count=format_count(len(scores) - len(shown)))
        rows.insert(_MOST_ROWS // 2, [left, *[""] * (len(indicators) + len(told))])
    columns = ["branch", *told]
    return table(
        pd.DataFrame(rows, columns=[*columns, *indicators]),
        caption=page.word("scores", "hq_caption"),
        labels={**{name: page.word(name, "hq_header") for name in columns},
                **{one: indicator_name(page, one) for one in indicators}},
        align={"branch": "left", **dict.fromkeys([*told, *indicators], "right")},
        note=page.gap_note("score_gaps", "withheld_note", after=page.word("score_note")),
    )  # fmt: skip


def peers_table(page: HeadquartersPage) -> Table | None:
    """Return the peer groups with their sizes and median scores; None without scores."""
    scores = page.review.evaluation.scores
    if scores.empty or scores["peer_group"].nunique() > _MOST_ROWS:
        return None
    columns = ["peer_group", "branches", "scored", "median_points"]
    rows = [
        [peer_name(page, str(name)), format_count(len(rows)),
         format_count(int(rows["rank_of"].notna().sum())),
         SUPPRESSED if rows["withheld"].any()
         else format_number(rows["points"].median(), decimals=1)]
        for name, rows in scores.groupby("peer_group", sort=True)
    ]  # fmt: skip
    return table(
        pd.DataFrame(rows, columns=columns), caption=page.word("peers", "hq_caption"),
        labels={name: page.word(name, "hq_header") for name in columns},
        align={"peer_group": "left", **dict.fromkeys(columns[1:], "right")},
        note=page.gap_note("withheld_note"),
    )  # fmt: skip


def ordered_scores(page: HeadquartersPage) -> pd.DataFrame:
    """Return the scores by peer group, by rank within."""
    return page.review.evaluation.scores.sort_values(
        ["peer_group", "rank", "branch_id"], kind="stable", ignore_index=True
    )


def score_columns(page: HeadquartersPage) -> tuple[str, ...]:
    """Return which of rank and points are known of any branch at all."""
    scores = page.review.evaluation.scores
    return tuple(name for name in _SCORES if name in scores and scores[name].notna().any())


def score_cells(row: Any, columns: Sequence[str]) -> list[str]:
    """Return a branch's `score_columns` as texts; who is ranked among others has them all."""

    def cell(name: str) -> str:
        value = getattr(row, name)
        if pd.isna(value) and not pd.isna(row.rank_of):
            return SUPPRESSED
        return format_number(value, decimals=1 if name == "points" else 0)

    return [cell(name) for name in columns]


def points_told(row: Any) -> str:
    """Return an indicator's points as text; one that is left out has none."""
    if row.withheld:
        return SUPPRESSED
    return MISSING if "left_out" in str(row.note) else format_number(row.points, decimals=1)


def indicator_name(page: HeadquartersPage, indicator: str) -> str:
    """Return what an indicator is called: as its measure, with its member."""
    card = page.review.evaluation.scorecard
    row = card[card["indicator"] == indicator].iloc[0]
    member = str(row["member"])
    return page.measure(row["measure"]) + (f" {member}" if member and member != "nan" else "")


def _compared(page: HeadquartersPage, measure: str, base: str) -> pd.DataFrame:
    """Return the printed rows of one comparison, with the branches' names."""
    rows = page.review.evaluation.comparison
    own = rows[(rows["measure"] == measure) & (rows["base"] == base) & ~rows["withheld"]]
    return own.assign(name=own["branch_id"].map(page.names))


def _ends(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the first and the last rows where there are too many for a page."""
    half = _MOST_ROWS // 2
    if len(rows) <= _MOST_ROWS:
        return rows
    return pd.concat([rows.head(half), rows.tail(half)])


def type_name(page: HeadquartersPage, kind: object) -> str:
    """Return the word for a branch's type; one the package does not know stays as it is."""
    return page.word(str(kind), "branch_type") if kind in names("branch_type") else str(kind)


def peer_name(page: HeadquartersPage, group: str) -> str:
    """Return a peer group's name: the bank, a type with its size class, or as it was given."""
    if group == "all":
        return page.word("bank", "word")
    kind, _, size = group.partition("_")
    if group in page.names:
        return page.names[group]
    return type_name(page, kind) + f" {size}".rstrip() if kind in names("branch_type") else group
