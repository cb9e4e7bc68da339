"""What all charts share: their colours, their axes, and how they read a frame.

A frame is the slice a page is about: rows of one branch, of the whole bank (`@bank`) beside it,
or of both, over one or more quarters. Its last quarter is the actual one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Final, Literal

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.figures import use_style
from stockcust_analysis.show.labels import label

# Positions in the style's colour cycle: blue against orange, and told apart in grey as well.
ACTUAL: Final = "C0"
REFERENCE: Final = "C1"
HIGHLIGHT: Final = "C2"
MUTED: Final = "C3"
PALE_HIGHLIGHT: Final = "#F2D2AE"

NOTHING_DRAWN: Final = "nothing drawn"
"""The label of axes without data, by which a page knows to leave the figure out."""

_DARK_CELL: Final = 0.6
"""From this share on, white letters stand out better than black ones."""

FULL_WIDTH: Final = 17.0
HALF_WIDTH: Final = 8.2
"""Widths of figures in centimetres: the page's column, and two side by side."""


def open_axes(ax: Axes | None) -> Axes:
    """Return the axes to draw on, a new figure in the report's style when none are given."""
    if ax is not None:
        return ax
    use_style()
    return plt.subplots()[1]


def sized_axes(height: float, width: float = FULL_WIDTH) -> Axes:
    """Return the axes of a new figure of so many centimetres."""
    use_style()
    return plt.subplots(figsize=(width / 2.54, height / 2.54))[1]


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
    return FULL_WIDTH / 2.54 / float(ax.figure.get_figwidth())  # type: ignore[union-attr]


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
        cmap=sns.light_palette(to_hex(ACTUAL), as_cmap=True), xticklabels=False, yticklabels=False,
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


def subject_of(frame: pd.DataFrame) -> str:
    """Return the branch a frame is about: its one branch, or the bank if it is alone."""
    branches = sorted(set(frame["branch_id"]) - {WHOLE_BANK})
    if len(branches) > 1:
        raise UsageError(
            f"a chart shows one branch, the frame holds {len(branches)}: keep the rows of one "
            f"branch_id, and those of '{WHOLE_BANK}' to compare with."
        )
    return branches[0] if branches else WHOLE_BANK


def last_quarter(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the frame's last quarter."""
    return frame[frame["quarter"].eq(frame["quarter"].max())]


def rows_of(frame: pd.DataFrame, branch_id: str) -> pd.DataFrame:
    """Return the rows of one branch, or of the bank."""
    return frame[frame["branch_id"] == branch_id]


def by_member(
    frame: pd.DataFrame, measure: str, branch_id: str, members: Sequence[str]
) -> pd.Series[float]:
    """Return a measure's values of the last quarter for each member, NaN where there is none."""
    rows = rows_of(last_quarter(frame), branch_id)
    chosen = rows[rows["measure"] == measure]
    _require_one_base(chosen)
    require_known(chosen["member"], members, measure)
    return chosen.set_index("member")["value"].astype(float).reindex(list(members))


def by_measure(
    frame: pd.DataFrame, measures: Sequence[str], branch_id: str, quarter: str
) -> pd.Series[float]:
    """Return several measures' values of one quarter, NaN where there is none."""
    rows = rows_of(frame[frame["quarter"] == quarter], branch_id)
    chosen = rows[rows["measure"].isin(measures) & (rows["dimension"] == "")]
    _require_one_base(chosen)
    return chosen.set_index("measure")["value"].astype(float).reindex(list(measures))


def require_known(found: Iterable[str], members: Sequence[str], what: str) -> None:
    """Refuse members that have no place on the chart: leaving them out would hide them."""
    for member in sorted(set(found) - set(members)):
        raise UsageError.unknown(f"member of {what}", member, members)


def _require_one_base(rows: pd.DataFrame) -> None:
    """Refuse to mix bases: the same measure of two sets of customers."""
    if rows.duplicated(["measure", "member"]).any():
        bases = ", ".join(sorted(rows["base"].unique()))
        raise UsageError(f"the frame holds several bases ({bases}): keep the rows of one.")
