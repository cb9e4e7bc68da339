"""The scorecard as bullet graphs: what was reached, against what was to be reached."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.charts_canvas import (
    ACTUAL,
    HIGHLIGHT,
    MUTED,
    say_no_data,
    sized_axes,
    without_frame,
)
from stockcust_analysis.show.labels import label
from stockcust_analysis.show.units import format_number, format_share

_WIDEST = 1.6
_SHADES = ((0.8, "#D5DDE5"), (1.0, "#E4EAF0"))


def bullet_chart(frame: pd.DataFrame, *, language: Language = "zh", ax: Axes | None = None) -> Axes:
    """Draw every indicator's attainment as a bullet graph, with its points at the right.

    The dark bar is the attainment, the upright line the target (100 %); the grey bands end at
    80 % and at 100 %. Below 80 % the bar is orange. A bar that would leave the figure is cut, and
    its value says so.

    Parameters
    ----------
    frame
        Scorecard of one branch: indicator, weight, attainment (1 is the target), points; `name`
        where an indicator is not to be called by its measure's name.
    language, ax
        Language of the words; axes to draw on, a new figure as high as the rows ask if left out.

    >>> card = pd.DataFrame({"indicator": ["contact_coverage"], "weight": [20.0],
    ...     "attainment": [0.93], "points": [18.6]})
    >>> [words.get_text() for words in bullet_chart(card).texts][:2]
    ['93.0%', '18.6 / 20']
    """
    rows = frame.reset_index(drop=True)
    ax = sized_axes(0.9 + 0.5 * max(len(rows), 3)) if ax is None else ax
    if rows.empty:
        return say_no_data(ax, language)
    attained = rows["attainment"].astype(float)
    edge = (
        float(min(max(attained.max(skipna=True), 1.2), _WIDEST)) if attained.notna().any() else 1.2
    )
    for place, row in rows.iterrows():
        height = float(str(place))
        for upper, shade in reversed(_SHADES):
            ax.barh(height, upper, height=0.6, color=shade)
        value = float(row["attainment"])
        if not np.isnan(value):
            colour = HIGHLIGHT if value < _SHADES[0][0] else ACTUAL
            ax.barh(height, min(max(value, 0), edge), height=0.24, color=colour)
        points = [format_number(row[name], decimals=decimals)
                  for name, decimals in (("points", 1), ("weight", 0))]  # fmt: skip
        ax.text(edge * 1.16, height, format_share(value), ha="right", va="center_baseline")
        ax.text(edge * 1.35, height, " / ".join(points), ha="right", va="center_baseline",
                fontweight="bold")  # fmt: skip
    ax.vlines(1.0, -0.42, len(rows) - 0.58, color="#1F2933", linewidth=1.6)
    for right, word in ((1.16, "attainment"), (1.35, "points_of_weight")):
        ax.text(edge * right, -0.85, label(word, language, within="word"), ha="right",
                va="center_baseline", color=MUTED)  # fmt: skip
    for place, name in ((1.0, label("target", language, within="word")), (0.8, "80%")):
        ax.text(place, -0.85, name, ha="center", va="center_baseline", color=MUTED)
    without_frame(ax)
    ax.tick_params(labelleft=True)
    names = (
        rows["name"] if "name" in rows else [label(each, language) for each in rows["indicator"]]
    )
    ax.set_yticks(range(len(rows)), list(names))
    ax.set(xlim=(0, edge * 1.37), ylim=(len(rows) - 0.5, -1.2))
    return ax
