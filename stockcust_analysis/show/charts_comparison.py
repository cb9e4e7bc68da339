"""Charts of how branches compare: the funnel, and the league table with its intervals."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.errors import UsageError
from stockcust_analysis.show import chart_frames as frames
from stockcust_analysis.show import charts_canvas as canvas
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.labels import label, measure_words
from stockcust_analysis.show.units import (
    format_count,
    format_measure,
    money_unit,
    unit_note,
)

_SOURCE = "evaluate(bank, …).comparison"
_LIMITS = ["centre", "lower_95", "upper_95", "lower_998", "upper_998"]
_MOST_NAMED = 8
_ROW_CM = 0.42


@canvas.in_report_style
def funnel(
    frame: Frame, *, language: Language = "zh", highlight: str = "", ax: Axes | None = None
) -> Axes:
    """Draw branches by size and value between the limits that chance alone would keep to.

    Inside the dark band (95 %) and the light one (99.8 %) a branch differs no more than chance
    may; those outside are named, the farthest first, eight at most.

    Parameters
    ----------
    frame
        The `comparison` of an evaluation, rows of one measure, base and peer group: branch_id,
        measure, n, value, centre, lower_95, upper_95, lower_998, upper_998; `compared`
        (winsorised) goes before `value`; `name` if branches are to be called so.
    language, ax
        "zh" or "en"; axes to draw on, a new figure if left out.
    highlight
        The branch_id a page is about: drawn orange and named wherever it lies.

    Returns
    -------
    Axes
        The axes drawn on.

    Raises
    ------
    UsageError
        A column is missing; the frame mixes measures, bases or peer groups.

    Examples
    --------
    >>> import pandas as pd
    >>> limits = {"centre": 0.3, "lower_95": 0.2, "upper_95": 0.4, "lower_998": 0.1,
    ...     "upper_998": 0.5}
    >>> rows = [{"branch_id": branch, "measure": "multi_product_share", "base": "funded",
    ...     "peer_group": "town", "n": n, "value": value, **limits}
    ...     for branch, n, value in [("B1", 100, 0.31), ("B2", 400, 0.55)]]
    >>> [words.get_text() for words in funnel(pd.DataFrame(rows)).texts][-1]
    'B2'
    """
    rows = _one_comparison(frame, ["n", *_LIMITS])
    ax = canvas.open_axes(ax)
    rows = rows.assign(value=rows["compared"]) if "compared" in rows else rows
    rows = rows.dropna(subset=["n", "value"]).sort_values(["n", "branch_id"])
    if rows.empty:
        return canvas.say_no_data(ax, language)
    for band, shade in (("998", "#E9EEF3"), ("95", "#CFDBE7")):
        ax.fill_between(
            rows["n"], rows[f"lower_{band}"], rows[f"upper_{band}"],
            color=shade, linewidth=0,
        )  # fmt: skip
    ax.plot(rows["n"], rows["centre"], color=canvas.MUTED, linewidth=0.8)
    beyond = _beyond(rows, "95")
    ours = rows["branch_id"].eq(highlight)
    ax.plot(rows["n"][~beyond], rows["value"][~beyond], "o", markersize=3.4, color=canvas.MUTED,
            markerfacecolor="white")  # fmt: skip
    ax.plot(rows["n"][beyond], rows["value"][beyond], "o", markersize=4.4, color=canvas.ACTUAL)
    ax.plot(rows["n"][ours], rows["value"][ours], "D", markersize=5.5, color=canvas.HIGHLIGHT)
    _frame_funnel(ax, rows, language)
    named = rows[beyond | ours].assign(far=(rows["value"] - rows["centre"]).abs(), ours=ours)
    named = named.sort_values(["ours", "far"], ascending=False).head(_MOST_NAMED)
    canvas.placed_labels(ax, named["n"], named["value"], _names(named))
    return ax


def _frame_funnel(ax: Axes, rows: pd.DataFrame, language: Language) -> None:
    """Set both axes, and name the two bands at their right end."""
    words = measure_words(str(rows["measure"].iloc[0]))
    unit = money_unit(rows["value"], language) if words.kind == "money" else None
    axis = ax.yaxis
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: format_measure(value, words.name, unit=unit))
    )
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(value)))
    ax.set_xlabel(label("customers_counted", language, within="word"))
    title = label(words.name, language)
    canvas.name_values(ax, f"{title} · {unit_note(unit, language)}" if unit else title)
    widest = float(rows["n"].max())
    ax.set_xlim(0, widest * 1.14)
    last = rows.iloc[-1]
    if pd.notna(last["upper_998"]):
        ax.text(widest * 1.01, float(last["upper_998"]), "99.8%", va="center_baseline",
                color=canvas.MUTED, fontsize="small")  # fmt: skip


@canvas.in_report_style
def league(
    frame: Frame, *, language: Language = "zh", highlight: str = "", ax: Axes | None = None
) -> Axes:
    """Draw a league table that admits what it does not know: each place with its interval.

    Best first by `value` in the measure's own direction; the bar spans the places that are
    compatible with chance. At most forty rows are legible: draw more on several figures.

    Parameters
    ----------
    frame
        The `comparison` of an evaluation, rows of one measure, base and peer group: branch_id,
        measure, value, rank_low, rank_high; `name` if branches are to be called so.
    language, ax
        "zh" or "en"; axes to draw on, a new figure as high as the rows ask if left out.
    highlight
        The branch_id a page is about, drawn orange.

    Returns
    -------
    Axes
        The axes drawn on.

    Raises
    ------
    UsageError
        A column is missing; the frame mixes measures, bases or peer groups.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"branch_id": ["B1", "B2"], "measure": "multi_product_share",
    ...     "value": [0.31, 0.55], "rank_low": [1, 1], "rank_high": [2, 2]})
    >>> [name.get_text() for name in league(rows).get_yticklabels()]
    ['B2', 'B1']
    """
    rows = _one_comparison(frame, ["rank_low", "rank_high"])
    rows = rows.dropna(subset=["value", "rank_low", "rank_high"])
    ax = canvas.open_axes(ax, 1.4 + _ROW_CM * max(len(rows), 4))
    if rows.empty:
        return canvas.say_no_data(ax, language)
    words = measure_words(str(rows["measure"].iloc[0]))
    best_first = words.higher_is_better == "no"
    by = "compared" if "compared" in rows else "value"
    rows = rows.sort_values([by, "branch_id"], ascending=[best_first, True])
    places = np.arange(len(rows))
    high = rows["rank_high"]
    colours = [
        canvas.HIGHLIGHT if branch == highlight else canvas.ACTUAL for branch in rows["branch_id"]
    ]
    ax.hlines(places, rows["rank_low"], high, color=colours, linewidth=3.2, alpha=0.45)
    ax.scatter(places + 1, places, color=colours, s=14, zorder=3)
    last = max(float(high.max()), len(rows))
    unit = money_unit(rows["value"], language) if words.kind == "money" else None
    for place, value in enumerate(rows["value"]):
        text = format_measure(value, words.name, unit=unit)
        ax.text(last * 1.13, place, text, ha="right", va="center_baseline")
    _frame_places(ax, last, len(rows), language)
    header = label(words.name, language) + (f" · {unit_note(unit, language)}" if unit else "")
    canvas.name_values(ax, header, side="right")
    ax.set_yticks(places, list(_names(rows)))
    return ax


def _frame_places(ax: Axes, last: float, rows: int, language: Language) -> None:
    """Set the axis of places, first at the left, with a fine grid."""
    ax.set(xlim=(0.4, last * 1.14), ylim=(rows - 0.4, -0.6))
    sizes = (digit * 10**zeros for zeros in count() for digit in (1, 2, 5))
    step = next(size for size in sizes if last / size <= 12)
    ax.set_xticks([1, *(tick for tick in range(step, int(last) + 1, step) if tick > 1)])
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", visible=True)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(label("place", language, within="word"))


def _one_comparison(frame: Frame, columns: list[str]) -> pd.DataFrame:
    """Return the rows of a comparison; an error if it mixes measures, bases or peer groups."""
    rows = frames.read_rows(frame, ["branch_id", "measure", "value", *columns], source=_SOURCE)
    for column in ("measure", "base", "peer_group"):
        if column in rows and rows[column].nunique() > 1:
            kinds = ", ".join(sorted(map(str, rows[column].unique()))[:5])
            raise UsageError(
                f"the chart compares branches on one {column}, the table holds several "
                f"({kinds}): keep the rows of one."
            )
    return rows


def _beyond(rows: pd.DataFrame, band: str) -> Any:
    """Tell which values lie outside a band; none where it has no limits."""
    value = rows["value"]
    return (value < rows[f"lower_{band}"]) | (value > rows[f"upper_{band}"])


def _names(rows: pd.DataFrame) -> pd.Series[str]:
    """Return what the branches are called."""
    return rows["name"] if "name" in rows else rows["branch_id"]
