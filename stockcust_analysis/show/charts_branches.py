"""Charts of how branches stand: funnel, league table, places among peers, scorecard."""

from __future__ import annotations

from itertools import count

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.errors import UsageError
from stockcust_analysis.show import canvas, wording
from stockcust_analysis.show.blocks import Language

_SOURCE = "evaluate(bank, …).comparison"
_LIMITS = ["centre", "lower_95", "upper_95", "lower_998", "upper_998"]
_MOST_NAMED = 8
_ROW_CM = 0.42


@canvas.chart
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
    rows = rows.assign(value=rows["compared"]) if "compared" in rows else rows
    rows = rows.dropna(subset=["n", "value"]).sort_values(["n", "branch_id"])
    ax = canvas.axes_for(rows, ax)
    for band, shade in (("998", "#E9EEF3"), ("95", "#CFDBE7")):
        lower, upper = rows[f"lower_{band}"], rows[f"upper_{band}"]
        ax.fill_between(rows["n"], lower, upper, color=shade, linewidth=0)
    ax.plot(rows["n"], rows["centre"], color=canvas.MUTED, linewidth=0.8)
    beyond = (rows["value"] < rows["lower_95"]) | (rows["value"] > rows["upper_95"])
    ours = rows["branch_id"].eq(highlight)
    sizes, values = rows["n"], rows["value"]
    (open_dots,) = ax.plot(sizes[~beyond], values[~beyond], "o", markersize=3.4, color=canvas.MUTED)
    open_dots.set_markerfacecolor("white")
    ax.plot(sizes[beyond], values[beyond], "o", markersize=4.4, color=canvas.ACTUAL)
    ax.plot(sizes[ours], values[ours], "D", markersize=5.5, color=canvas.HIGHLIGHT)
    _frame_funnel(ax, rows, language)
    named = rows[beyond | ours].assign(far=(rows["value"] - rows["centre"]).abs(), ours=ours)
    named = named.sort_values(["ours", "far"], ascending=False).head(_MOST_NAMED)
    canvas.name_points(ax, named["n"], named["value"], _names(named))
    return ax


def _frame_funnel(ax: Axes, rows: pd.DataFrame, language: Language) -> None:
    """Set both axes, and name the two bands at their right end."""
    measure, unit, title = _measure_of(rows, language)
    ax.yaxis.set_major_formatter(lambda value, _: wording.format_measure(value, measure, unit=unit))
    ax.xaxis.set_major_formatter(lambda value, _: wording.format_count(value))
    ax.set_xlabel(canvas.word("customers_counted", language))
    canvas.name_values(ax, title)
    widest = float(rows["n"].max())
    ax.set_xlim(0, widest * 1.14)
    last = rows.iloc[-1]
    if pd.notna(last["upper_998"]):
        style = {"color": canvas.MUTED, "fontsize": "small"}
        canvas.write(ax, widest * 1.01, float(last["upper_998"]), "99.8%", **style)


def _measure_of(rows: pd.DataFrame, language: Language) -> tuple[str, wording.Unit | None, str]:
    """Return the measure that is compared, its unit of money, and both in words."""
    words = wording.measure_words(str(rows["measure"].iloc[0]))
    title = wording.text(words.name, language)
    if words.kind != "money":
        return words.name, None, title
    unit = wording.money_unit(rows["value"], language)
    return words.name, unit, f"{title} · {wording.unit_note(unit, language)}"


@canvas.chart
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
    ax = canvas.axes_for(rows, ax, 1.4 + _ROW_CM * max(len(rows), 4))
    measure, unit, title = _measure_of(rows, language)
    best_first = wording.measure_words(measure).higher_is_better == "no"
    by = "compared" if "compared" in rows else "value"
    rows = rows.sort_values([by, "branch_id"], ascending=[best_first, True])
    heights, high = np.arange(len(rows)), rows["rank_high"]
    ours = rows["branch_id"] == highlight
    colours = list(np.where(ours, canvas.HIGHLIGHT, canvas.ACTUAL))
    ax.hlines(heights, rows["rank_low"], high, color=colours, linewidth=3.2, alpha=0.45)
    ax.scatter(heights + 1, heights, color=colours, s=14, zorder=3)
    last = max(float(high.max()), len(rows))
    for height, value in enumerate(rows["value"]):
        words = wording.format_measure(value, measure, unit=unit)
        canvas.write(ax, last * 1.13, height, words, ha="right")
    _frame_places(ax, last, len(rows), language)
    canvas.name_values(ax, title, side="right")
    ax.set_yticks(heights, list(_names(rows)))
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
    ax.set_xlabel(canvas.word("place", language))


def _one_comparison(frame: Frame, columns: list[str]) -> pd.DataFrame:
    """Return the rows of a comparison; an error if it mixes measures, bases or peer groups."""
    rows = canvas.read_rows(frame, ["branch_id", "measure", "value", *columns], source=_SOURCE)
    for column in ("measure", "base", "peer_group"):
        if column in rows and rows[column].nunique() > 1:
            kinds = ", ".join(sorted(map(str, rows[column].unique()))[:5])
            raise UsageError(
                f"the chart compares branches on one {column}, the table holds several "
                f"({kinds}): keep the rows of one."
            )
    return rows


def _names(rows: pd.DataFrame) -> pd.Series[str]:
    """Return what the branches are called."""
    return rows["name"] if "name" in rows else rows["branch_id"]


_WIDEST = 1.6
_SHADES = ((0.8, "#D5DDE5"), (1.0, "#E4EAF0"))


@canvas.chart
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
    rows = canvas.read_rows(frame, ["measure", *ranks], source="evaluate(bank, …).comparison")
    rows = canvas.one_group(rows, ["measure"], group, groups=["branch_id"])
    rows = rows.dropna(subset=["rank_low", "rank_high"])
    ax = canvas.axes_for(rows, ax, 0.8 + 0.46 * max(len(rows), 3))
    last = float(rows["rank_of"].max())
    heights = np.arange(len(rows))
    ax.hlines(heights, 1, last, color="#E4E7EB", linewidth=4.5)
    ax.hlines(heights, rows["rank_low"], rows["rank_high"], color=canvas.REFERENCE, linewidth=4.5)
    ax.plot(rows["rank"], heights, "o", color=canvas.ACTUAL, markersize=5)
    pattern = canvas.word("place_between", language)
    for height, row in enumerate(rows[ranks[:3]].itertuples(index=False)):
        words = pattern.format(*map(wording.format_count, row))
        canvas.write(ax, last + 0.04 * last, height, words)
    canvas.without_frame(ax, names=True)
    ax.tick_params(labelbottom=True)
    ax.set_yticks(heights, [_measure_name(name, language) for name in rows["measure"]])
    ends = [
        canvas.word(f"{end}_of", language).format(wording.format_count(last))
        for end in ("first", "last")
    ]
    ax.set_xticks([1, last], ends)
    ax.set(xlim=(0.6, last * 1.28), ylim=(len(rows) - 0.5, -0.6))
    return ax


@canvas.chart
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
    rows = canvas.read_rows(
        frame, ["indicator", "weight", "attainment", "points"], source="evaluate(bank, …).scorecard"
    )
    rows = canvas.one_group(rows, ["indicator"], group, groups=["branch_id"])
    ax = canvas.axes_for(rows, ax, 0.9 + 0.5 * max(len(rows), 3))
    edge = float(rows["attainment"].fillna(1.2).clip(1.2, _WIDEST).max())
    for height, row in enumerate(rows.to_dict("records")):
        for upper, shade in reversed(_SHADES):
            canvas.draw_bar(ax, 0, height, upper, 0.6, shade)
        if not np.isnan(row["attainment"]):
            colour = canvas.HIGHLIGHT if row["attainment"] < _SHADES[0][0] else canvas.ACTUAL
            canvas.draw_bar(ax, 0, height, min(max(row["attainment"], 0), edge), 0.24, colour)
        points = f"{wording.format_points(row['points'])} / {wording.format_count(row['weight'])}"
        canvas.write(ax, edge * 1.16, height, wording.format_share(row["attainment"]), ha="right")
        canvas.write(ax, edge * 1.35, height, points, fontweight="bold", ha="right")
    ax.vlines(1.0, -0.42, len(rows) - 0.58, color=canvas.INK, linewidth=1.6)
    for right, key in ((1.16, "attainment"), (1.35, "points_of_weight")):
        words = canvas.word(key, language)
        canvas.write(ax, edge * right, -0.85, words, color=canvas.MUTED, ha="right")
    for border, words in ((1.0, canvas.word("target", language)), (0.8, "80%")):
        canvas.write(ax, border, -0.85, words, ha="center", color=canvas.MUTED)
    canvas.without_frame(ax, names=True)
    measures = [_measure_name(name, language) for name in rows["indicator"]]
    ax.set_yticks(range(len(rows)), list(rows["name"]) if "name" in rows else measures)
    ax.set(xlim=(0, edge * 1.37), ylim=(len(rows) - 0.5, -1.2))
    return ax


def _measure_name(name: str, language: Language) -> str:
    """Return what a measure is called; a bank's own indicator by its name."""
    return wording.text(name, language) if name in wording.names("measure") else name
