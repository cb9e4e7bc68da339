"""Charts of migration between tiers: who stayed, who rose, who fell."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.charts_canvas import (
    ACTUAL,
    HIGHLIGHT,
    REFERENCE,
    name_values,
    narrowness,
    open_axes,
    say_no_data,
    shaded_cells,
    without_frame,
)
from stockcust_analysis.show.labels import Words, label, member_words, names
from stockcust_analysis.show.units import format_count

_NARROW = 1.5
"""From so narrow a figure on, English names are set aslant."""


def migration_heatmap(
    frame: pd.DataFrame,
    *,
    language: Language = "zh",
    ax: Axes | None = None,
    words: Words | None = None,
) -> Axes:
    """Draw who went from which tier (rows) to which (columns), in customers.

    A cell's shade is its part of the row: it tells how many of a tier's customers went there.

    Parameters
    ----------
    frame
        Migration of one branch on one structure: from, to, customers; tiers and states.
    language, ax
        Language of the words; axes to draw on, a new figure if left out.
    words
        What the policy calls the tiers, in its order; left out, as the shipped policy does.

    >>> moves = pd.DataFrame({"from": ["mid", "mid"], "to": ["mid", "high"], "customers": [9, 1]})
    >>> [words.get_text() for words in migration_heatmap(moves).texts]
    ['1', '9']
    """
    ax = open_axes(ax)
    if frame.empty or frame["customers"].sum() == 0:
        return say_no_data(ax, language)
    # All tiers, so that the picture of a branch with one tier is not one large cell.
    moved = frame[frame["customers"] > 0]
    places = _places(frame, language, words)
    starts, ends = (
        [each for each in places if each not in names("state") or each in set(moved[side])]
        for side in ("from", "to")
    )
    counts = frame.pivot_table(index="from", columns="to", values="customers", aggfunc="sum")
    counts = counts.reindex(index=starts, columns=ends).fillna(0)
    parts = counts.div(counts.sum(axis=1).replace(0, 1), axis=0)
    cells = counts.map(lambda n: format_count(n) if n else "")
    tilted = language == "en" and narrowness(ax) > _NARROW
    return shaded_cells(
        ax, parts, cells, down=[places[each] for each in starts],
        across=[places[each] for each in ends], tilted=tilted,
    )  # fmt: skip


def migration_flow(
    frame: pd.DataFrame,
    *,
    language: Language = "zh",
    ax: Axes | None = None,
    words: Words | None = None,
) -> Axes:
    """Draw the moves between tiers as bands from left to right, those who stayed pale.

    A band is as broad as the square root of its customers, so that a single customer is seen
    beside a thousand; the numbers stand at the ends. Rises are dark, falls orange.

    Parameters
    ----------
    frame
        Migration of one branch on one structure: from, to, customers; tiers and states.
    language, ax
        Language of the words; axes to draw on, a new figure if left out.
    words
        What the policy calls the tiers, in its order; left out, as the shipped policy does.

    >>> moves = pd.DataFrame({"from": ["mid", "mid"], "to": ["mid", "high"], "customers": [9, 1]})
    >>> [words.get_text() for words in migration_flow(moves).texts]
    ['中端 10', '高端 1', '中端 9']
    """
    ax = open_axes(ax)
    rows = frame[frame["customers"] > 0]
    if rows.empty:
        return say_no_data(ax, language)
    places = _places(rows, language, words)
    order = {name: rank for rank, name in enumerate(places)}
    rows = rows.assign(
        breadth=np.sqrt(rows["customers"].astype(float)),
        a=rows["from"].map(order), b=rows["to"].map(order),
    ).sort_values(["a", "b"])  # fmt: skip
    sides = {side: rows.groupby(side)[["breadth", "customers"]].sum().loc[
                 [each for each in places if each in set(rows[side])]]
             for side in ("from", "to")}  # fmt: skip
    gap = 0.06 * float(rows["breadth"].sum())
    tops = {side: _tops(totals["breadth"], gap) for side, totals in sides.items()}
    used = {side: dict(each) for side, each in tops.items()}
    for start, end, breadth in rows[["from", "to", "breadth"]].itertuples(index=False):
        left, right = used["from"][start], used["to"][end]
        used["from"][start] -= breadth
        used["to"][end] -= breadth
        rise = 0 if {start, end} & set(names("state")) else order[start] - order[end]
        colour = ACTUAL if rise > 0 else HIGHLIGHT if rise < 0 else REFERENCE
        _band(ax, left, right, breadth, colour, alpha=0.35 if start == end else 0.85)
    for x, align, side in ((-0.02, "right", "from"), (1.02, "left", "to")):
        for place, breadth, customers in sides[side].itertuples():
            text = f"{places[place]} {format_count(customers)}"
            middle = tops[side][place] - breadth / 2
            ax.text(x, middle, text, ha=align, va="center_baseline")
    without_frame(ax)
    ax.set(xlim=(-0.42, 1.42), ylim=(min(map(min, (each.values() for each in used.values()))), 0.5))
    name_values(ax, label("flow", language, within="word"))
    return ax


def _band(
    ax: Axes, left: float, right: float, breadth: float, colour: str, *, alpha: float
) -> None:
    """Draw one band from the left to the right, in a calm curve."""
    points = [(0, left), (0.5, left), (0.5, right), (1, right),
              (1, right - breadth), (0.5, right - breadth), (0.5, left - breadth),
              (0, left - breadth), (0, left)]  # fmt: skip
    curve = [Path.MOVETO, *(Path.CURVE4,) * 3, Path.LINETO, *(Path.CURVE4,) * 3, Path.CLOSEPOLY]
    ax.add_patch(PathPatch(Path(points, curve), facecolor=colour, alpha=alpha, edgecolor="none"))


def _tops(breadths: pd.Series[float], gap: float) -> dict[str, float]:
    """Return where each place begins, from the top down, with room for its name."""
    room = breadths.clip(lower=gap) + gap / 2
    return dict(-(room.cumsum() - room))


def _places(frame: pd.DataFrame, language: Language, words: Words | None) -> dict[str, str]:
    """Return the words for the tiers from the top down, then for the states outside them."""
    states = {state: label(state, language, within="state") for state in names("state")}
    present = [each for side in ("from", "to") for each in frame[side] if each not in states]
    tiers = member_words("tier", language, words=words, present=present)
    return {**dict(reversed(tiers.items())), **states}
