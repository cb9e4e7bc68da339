"""Charts of how one branch stands: its places among its peers, and its scorecard."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.show import chart_frames as frames
from stockcust_analysis.show import charts_canvas as canvas
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.labels import label, names
from stockcust_analysis.show.units import format_count, format_number, format_share

_WIDEST = 1.6
_SHADES = ((0.8, "#D5DDE5"), (1.0, "#E4EAF0"))


@canvas.in_report_style
def places(
    frame: Frame, *, group: object = None, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw one branch's place among its peers, one row per measure, each with its interval.

    Parameters
    ----------
    frame
        The `comparison` of an evaluation, rows of one branch and base: measure, rank (its place by
        the plain value), rank_low, rank_high, rank_of (how many peers).
    group
        The branch_id to draw, where the frame has several.
    language, ax
        "zh" or "en"; axes to draw on, a new figure as high as the rows ask if left out.

    Returns
    -------
    Axes
        The axes drawn on.

    Raises
    ------
    UsageError
        A column is missing; the frame holds several groups and `group` names none.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"branch_id": "B1", "measure": ["multi_product_share"],
    ...     "rank_low": [3], "rank_high": [8], "rank": [5], "rank_of": [24]})
    >>> [words.get_text() for words in places(rows).texts]
    ['第5名（3–8）']
    """
    ranks = ["rank", "rank_low", "rank_high", "rank_of"]
    rows = frames.read_rows(frame, ["measure", *ranks], source="evaluate(bank, …).comparison")
    rows = frames.one_group(rows, ["measure"], group, groups=["branch_id"])
    rows = rows.dropna(subset=["rank_low", "rank_high"])
    ax = canvas.open_axes(ax, 0.8 + 0.46 * max(len(rows), 3))
    if rows.empty:
        return canvas.say_no_data(ax, language)
    last = float(rows["rank_of"].max())
    places = np.arange(len(rows))
    ax.hlines(places, 1, last, color="#E4E7EB", linewidth=4.5)
    ax.hlines(places, rows["rank_low"], rows["rank_high"], color=canvas.REFERENCE, linewidth=4.5)
    ax.plot(rows["rank"], places, "o", color=canvas.ACTUAL, markersize=5)
    for place, (_, row) in enumerate(rows.iterrows()):
        text = label("place_between", language, within="word").format(
            *(format_count(row[name]) for name in ("rank", "rank_low", "rank_high"))
        )
        ax.text(last + 0.04 * last, place, text, va="center_baseline")
    canvas.without_frame(ax)
    ax.tick_params(labelleft=True, labelbottom=True)
    ax.set_yticks(places, [_measure_name(name, language) for name in rows["measure"]])
    ends = [label(f"{end}_of", language, within="word").format(format_count(last))
            for end in ("first", "last")]  # fmt: skip
    ax.set_xticks([1, last], ends)
    ax.set(xlim=(0.6, last * 1.28), ylim=(len(rows) - 0.5, -0.6))
    return ax


@canvas.in_report_style
def scorecard(
    frame: Frame, *, group: object = None, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw every indicator's attainment as a bullet graph, with its points at the right.

    The dark bar is the attainment, the upright line the target (100 %); the grey bands end at
    80 % and at 100 %. Below 80 % the bar is orange. A bar that would leave the figure is cut, and
    its value says so.

    Parameters
    ----------
    frame
        The `scorecard` of an evaluation, rows of one branch: indicator, weight, attainment (1 is
        the target), points; `name` where an indicator is not to be called by its measure's name.
    group
        The branch_id to draw, where the frame has several.
    language, ax
        "zh" or "en"; axes to draw on, a new figure as high as the rows ask if left out.

    Returns
    -------
    Axes
        The axes drawn on.

    Raises
    ------
    UsageError
        A column is missing; the frame holds several groups and `group` names none.

    Examples
    --------
    >>> import pandas as pd
    >>> card = pd.DataFrame({"indicator": ["contact_coverage"], "weight": [20.0],
    ...     "attainment": [0.93], "points": [18.6]})
    >>> [words.get_text() for words in scorecard(card).texts][:2]
    ['93.0%', '18.6 / 20']
    """
    rows = frames.read_rows(
        frame, ["indicator", "weight", "attainment", "points"], source="evaluate(bank, …).scorecard"
    )
    rows = frames.one_group(rows, ["indicator"], group, groups=["branch_id"]).reset_index(drop=True)
    ax = canvas.open_axes(ax, 0.9 + 0.5 * max(len(rows), 3))
    if rows.empty:
        return canvas.say_no_data(ax, language)
    edge = float(rows["attainment"].fillna(1.2).clip(1.2, _WIDEST).max())
    for place, row in rows.iterrows():
        height = float(str(place))
        for upper, shade in reversed(_SHADES):
            ax.barh(height, upper, height=0.6, color=shade)
        value = float(row["attainment"])
        if not np.isnan(value):
            colour = canvas.HIGHLIGHT if value < _SHADES[0][0] else canvas.ACTUAL
            ax.barh(height, min(max(value, 0), edge), height=0.24, color=colour)
        points = [format_number(row[name], decimals=decimals)
                  for name, decimals in (("points", 1), ("weight", 0))]  # fmt: skip
        ax.text(edge * 1.16, height, format_share(value), ha="right", va="center_baseline")
        ax.text(edge * 1.35, height, " / ".join(points), ha="right", va="center_baseline",
                fontweight="bold")  # fmt: skip
    ax.vlines(1.0, -0.42, len(rows) - 0.58, color=canvas.INK, linewidth=1.6)
    for right, word in ((1.16, "attainment"), (1.35, "points_of_weight")):
        ax.text(edge * right, -0.85, label(word, language, within="word"), ha="right",
                va="center_baseline", color=canvas.MUTED)  # fmt: skip
    for place, name in ((1.0, label("target", language, within="word")), (0.8, "80%")):
        ax.text(place, -0.85, name, ha="center", va="center_baseline", color=canvas.MUTED)
    canvas.without_frame(ax)
    ax.tick_params(labelleft=True)
    called = (
        rows["name"]
        if "name" in rows
        else rows["indicator"].map(lambda x: _measure_name(x, language))
    )
    ax.set_yticks(range(len(rows)), list(called))
    ax.set(xlim=(0, edge * 1.37), ylim=(len(rows) - 0.5, -1.2))
    return ax


def _measure_name(name: str, language: Language) -> str:
    """Return what a measure is called; a bank's own indicator by its name."""
    return label(name, language) if name in names("measure") else name
