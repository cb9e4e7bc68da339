"""Charts of migration between tiers: who stayed, who rose, who fell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
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
    require_known,
    say_no_data,
    without_frame,
)
from stockcust_analysis.show.labels import label, names
from stockcust_analysis.show.units import format_count

_DARK_CELL = 0.6


def migration_heatmap(
    frame: pd.DataFrame, *, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw who went from which tier (rows) to which (columns), in customers.

    A cell's shade is its part of the row: it tells how many of a tier's customers went there.

    Parameters
    ----------
    frame
        Migration of one branch on one structure: from, to, customers; tiers and states.
    language, ax
        Language of the words; axes to draw on, a new figure if left out.

    >>> moves = pd.DataFrame({"from": ["mid", "mid"], "to": ["mid", "high"], "customers": [9, 1]})
    >>> [words.get_text() for words in migration_heatmap(moves).texts]
    ['1', '9']
    """
    ax = open_axes(ax)
    if frame.empty or frame["customers"].sum() == 0:
        return say_no_data(ax, language)
    starts, ends = (_places(frame[frame["customers"] > 0], side) for side in ("from", "to"))
    counts = frame.pivot_table(index="from", columns="to", values="customers", aggfunc="sum")
    counts = counts.reindex(index=starts, columns=ends).fillna(0)
    parts = counts.div(counts.sum(axis=1).replace(0, 1), axis=0)
    words = counts.map(lambda n: format_count(n) if n else "")
    sns.heatmap(
        parts, annot=words, fmt="", vmin=0, vmax=1, cbar=False, linewidths=0.8,
        linecolor="white", cmap=sns.light_palette(to_hex(ACTUAL), as_cmap=True), ax=ax,
    )  # fmt: skip
    for text, part in zip(list(ax.texts), parts.to_numpy().ravel(), strict=True):
        text.set_color("white" if part >= _DARK_CELL else "black")
        if not text.get_text():
            text.remove()
    ax.set_yticks(np.arange(len(starts)) + 0.5, _words(starts, language), rotation=0)
    tilted = {"rotation": 30, "ha": "left"} if language == "en" and narrowness(ax) > 1.5 else {}
    ax.set_xticks(np.arange(len(ends)) + 0.5, _words(ends, language), **{"rotation": 0, **tilted})
    ax.xaxis.tick_top()
    ax.set(xlabel="", ylabel="")
    ax.grid(visible=False)
    return ax


def migration_flow(
    frame: pd.DataFrame, *, language: Language = "zh", ax: Axes | None = None
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

    >>> moves = pd.DataFrame({"from": ["mid", "mid"], "to": ["mid", "high"], "customers": [9, 1]})
    >>> [words.get_text() for words in migration_flow(moves).texts]
    ['中端 10', '高端 1', '中端 9']
    """
    ax = open_axes(ax)
    rows = frame[frame["customers"] > 0]
    if rows.empty:
        return say_no_data(ax, language)
    rows = rows.assign(breadth=np.sqrt(rows["customers"].astype(float)))
    sides = {side: _places(rows, side) for side in ("from", "to")}
    tops = {side: _tops(rows, side, places) for side, places in sides.items()}
    order = {name: rank for rank, name in enumerate(_all_places())}
    rows = rows.assign(
        a=rows["from"].map(order), b=rows["to"].map(order)
    ).sort_values(["a", "b"])  # fmt: skip
    used = {side: dict(tops[side]) for side in tops}
    for start, end, breadth in rows[["from", "to", "breadth"]].itertuples(index=False):
        left, right = used["from"][start], used["to"][end]
        used["from"][start] -= breadth
        used["to"][end] -= breadth
        rise = order[start] - order[end] if {start, end} <= set(names("tier")) else 0
        colour = ACTUAL if rise > 0 else HIGHLIGHT if rise < 0 else REFERENCE
        _band(ax, left, right, breadth, colour, alpha=0.35 if start == end else 0.85)
    for x, side in ((0.0, "from"), (1.0, "to")):
        totals = rows.groupby(side)["customers"].sum()
        breadths = rows.groupby(side)["breadth"].sum()
        for place in sides[side]:
            words = f"{_word(place, language)} {format_count(totals[place])}"
            ax.text(x - 0.02 if x == 0 else 1.02, tops[side][place] - breadths[place] / 2, words,
                    ha="right" if x == 0 else "left", va="center_baseline")  # fmt: skip
    without_frame(ax)
    lowest = min(min(tops[side].values()) - rows.groupby(side)["breadth"].sum()[sides[side][-1]]
                 for side in sides)  # fmt: skip
    ax.set(xlim=(-0.42, 1.42), ylim=(lowest, 0.5))
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


def _tops(rows: pd.DataFrame, side: str, places: list[str]) -> dict[str, float]:
    """Return where each place begins, from the top down, with room for its name."""
    breadths = rows.groupby(side)["breadth"].sum()
    gap = 0.06 * max(float(rows.groupby(end)["breadth"].sum().sum()) for end in ("from", "to"))
    top, tops = 0.0, {}
    for place in places:
        tops[place] = top
        top -= max(float(breadths[place]), gap) + gap / 2
    return tops


def _all_places() -> list[str]:
    """Return the tiers from the top down, then the states outside them."""
    return [*reversed(names("tier")), *names("state")]


def _places(frame: pd.DataFrame, side: str) -> list[str]:
    """Return the places found on one side, in their order."""
    found = set(frame[side])
    require_known(found, _all_places(), "the migration")
    return [place for place in _all_places() if place in found]


def _word(place: str, language: Language) -> str:
    """Return the word for a tier or a state."""
    return label(place, language, within="tier" if place in names("tier") else "state")


def _words(places: list[str], language: Language) -> list[str]:
    return [_word(place, language) for place in places]
