"""What all charts share: the report's style inside a call, their colours, their axes.

A chart draws in the report's fonts and colours, whatever the reader's own style is, and leaves
that alone: the style holds inside the call. What Matplotlib makes only when a figure is drawn
(tick labels, the grid) is set on the axes, so that it does not fall back to the reader's style.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from itertools import product
from typing import Final, Literal, ParamSpec
from unicodedata import east_asian_width

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.text import Text

from stockcust_analysis.errors import UsageError
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.figures import report_style
from stockcust_analysis.show.fonts import FONT_FAMILY
from stockcust_analysis.show.labels import label

P = ParamSpec("P")

# The first colours of the style: blue against orange, and told apart in grey as well.
ACTUAL: Final = "#1F4E79"
REFERENCE: Final = "#9DB8D2"
HIGHLIGHT: Final = "#D9822B"
MUTED: Final = "#6B7B8C"
INK: Final = "#1F2933"
PALE_HIGHLIGHT: Final = "#F2D2AE"

NOTHING_DRAWN: Final = "nothing drawn"
"""The label of axes without data, by which a page knows to leave the figure out."""

_DARK_CELL: Final = 0.6
"""From this share on, white letters stand out better than black ones."""

FULL_WIDTH: Final = 17.0
HALF_WIDTH: Final = 8.2
"""Widths of figures in centimetres: the page's column, and two side by side."""


def in_report_style(draw: Callable[P, Axes]) -> Callable[P, Axes]:
    """Let a chart draw in the report's style, and give the reader's style back afterwards."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Axes:
        with report_style():
            return draw(*args, **kwargs)

    return drawn


def open_axes(ax: Axes | None, height: float | None = None) -> Axes:
    """Return the axes to draw on, a new figure (of a height in centimetres) if none are given."""
    if ax is None:
        return dressed(plt.subplots()[1]) if height is None else sized_axes(height)
    if not isinstance(ax, Axes):
        raise UsageError(f"ax= takes the axes of one plot, given {type(ax).__name__}.")
    return dressed(ax)


def sized_axes(height: float, width: float = FULL_WIDTH) -> Axes:
    """Return the axes of a new figure, its width and height in centimetres."""
    with report_style():
        return dressed(plt.subplots(figsize=(width / 2.54, height / 2.54))[1])


def dressed(ax: Axes) -> Axes:
    """Return axes set in the style that holds, also what is made when the figure is drawn."""
    style = mpl.rcParams
    ax.tick_params(
        length=0, pad=style["xtick.major.pad"], labelsize=style["xtick.labelsize"],
        labelcolor=style["xtick.color"], labelfontfamily=FONT_FAMILY,
        grid_color=style["grid.color"], grid_linewidth=style["grid.linewidth"],
        grid_linestyle=style["grid.linestyle"], grid_alpha=style["grid.alpha"],
    )  # fmt: skip
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set(fontsize=style["axes.labelsize"], color=style["axes.labelcolor"])
    words = [text for text in ax.get_children() if isinstance(text, Text)]
    offsets = (ax.xaxis.get_offset_text(), ax.yaxis.get_offset_text())
    for text in (*words, ax.xaxis.label, ax.yaxis.label, *offsets):
        text.set(fontfamily=FONT_FAMILY, parse_math=False)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set(
        color=style["axes.edgecolor"], linewidth=style["axes.linewidth"]
    )
    ax.grid(visible=False)
    ax.grid(visible=True, axis="y")
    ax.set_axisbelow(True)
    return ax


def placed_labels(
    ax: Axes, across: Iterable[float], up: Iterable[float], words: Iterable[str]
) -> None:
    """Name points beside them, moving a name up until it touches no other and stays inside.

    Takes the right side of a point, or the left where the axes end; what finds no place is left
    out rather than printed over another.
    """
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    inside, taken = ax.get_window_extent(), [text.get_window_extent() for text in ax.texts]
    for x, y, name in zip(across, up, words, strict=True):
        for side, rise in product(("left", "right"), (0, 8, -8, 16, -16)):
            offset = (5 if side == "left" else -5, rise)
            text = ax.annotate(
                name, (x, y), xytext=offset, textcoords="offset points",
                ha=side, va="center_baseline", fontsize="small",
            )  # fmt: skip
            box = text.get_window_extent()
            fits = inside.x0 <= box.x0 and box.x1 <= inside.x1
            if fits and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def narrowness(ax: Axes) -> float:
    """Return how much more of the axes a word takes than in a figure of the full width."""
    place = ax.get_subplotspec()
    part = len(place.colspan) / place.get_gridspec().ncols if place else ax.get_position().width
    return FULL_WIDTH / 2.54 / (float(ax.figure.get_figwidth()) * part)  # type: ignore[union-attr]


def text_width(words: str) -> int:
    """Return how wide a text is, in Latin letters; a Chinese character counts as two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in words)


def without_frame(ax: Axes) -> None:
    """Take away spines, ticks and grid, where direct labels say everything."""
    ax.grid(visible=False)
    ax.tick_params(length=0, labelbottom=False, labelleft=False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def name_values(ax: Axes, words: str, *, side: Literal["left", "right"] = "left") -> None:
    """Say above the axes what the values are, level with the eye instead of turned on its side."""
    ax.set_title(words, loc=side, fontweight="normal", color=MUTED, fontsize="medium")


def only_the_zero_line(ax: Axes) -> None:
    """Leave the base line and the names below it, where the values stand on the columns."""
    ax.grid(visible=False)
    ax.yaxis.set_visible(False)
    ax.spines["left"].set_visible(False)


def shaded_cells(
    ax: Axes, shares: pd.DataFrame, words: pd.DataFrame, *, down: Sequence[str],
    across: Sequence[str], tilted: bool = False,
) -> Axes:  # fmt: skip
    """Draw shares as shaded cells with words in them, the columns' names above; NaN stays blank."""
    sns.heatmap(
        shares, annot=words, fmt="", vmin=0, vmax=1, cbar=False, linewidths=0.8, linecolor="white",
        cmap=sns.light_palette(ACTUAL, as_cmap=True), xticklabels=False, yticklabels=False,
        ax=ax,
    )  # fmt: skip
    for text, share in zip(list(ax.texts), shares.to_numpy()[shares.notna()], strict=True):
        text.set_color("white" if share >= _DARK_CELL else "black")
        text.set_in_layout(False)  # it lies in its cell; measuring it takes time
        if not text.get_text():
            text.remove()
    ax.set_yticks([place + 0.5 for place in range(len(down))], down, rotation=0)
    ax.set_xticks([place + 0.5 for place in range(len(across))], across,
                  rotation=30 if tilted else 0, ha="left" if tilted else "center")  # fmt: skip
    ax.xaxis.tick_top()
    ax.set(xlabel="", ylabel="")
    ax.grid(visible=False)
    return ax


def say_no_data(ax: Axes, language: Language) -> Axes:
    """Draw the words for an empty chart, so that a page never shows a blank."""
    without_frame(ax)
    ax.set_label(NOTHING_DRAWN)
    words = label("no_data", language, within="word")
    ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center", color=MUTED)
    return ax


def waterfall(
    ax: Axes, amounts: Sequence[float], ends: Sequence[bool], texts: Sequence[str]
) -> None:
    """Draw columns from zero at both ends, and steps that hang between them."""
    level, tops, levels = 0.0, [], [0.0]
    for place, (amount, end) in enumerate(zip(amounts, ends, strict=True)):
        start = 0.0 if end else level
        colour = ACTUAL if end else REFERENCE if amount > 0 else HIGHLIGHT
        ax.bar(place, amount, bottom=start, width=0.62, color=colour)
        level = start + amount
        tops.append(max(start, level))
        levels.append(level)
        if place + 1 < len(amounts):
            ax.plot([place - 0.31, place + 1.31], [level, level], color=MUTED, linewidth=0.5)
    lowest, room = min(levels), 0.16 * max(np.ptp([*levels, *tops]), 1e-9)
    for place, (top, text) in enumerate(zip(tops, texts, strict=True)):
        ax.text(place, top + 0.15 * room, text, ha="center", va="bottom")
    ax.set(xlim=(-0.6, len(amounts) - 0.4), ylim=(lowest, max(tops) + room))
    only_the_zero_line(ax)
    if lowest < 0:
        ax.spines["bottom"].set_visible(False)
        ax.axhline(0, color=MUTED, linewidth=0.8)
