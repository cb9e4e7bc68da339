"""Charts of how branches stand: funnel, league table, places among peers, scorecard."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.show import canvas, wording
from stockcust_analysis.show.blocks import Language

_COMPARISON, _COMPARED = "evaluate(bank, …).comparison", ["branch_id", "measure", "value"]
_LIMITS = ["centre", "lower_95", "upper_95", "lower_998", "upper_998"]
_RANKS = ["rank", "rank_low", "rank_high", "rank_of"]
_FUNNEL = canvas.Source(_COMPARISON, [*_COMPARED, "n", *_LIMITS])
_LEAGUE = canvas.Source(_COMPARISON, [*_COMPARED, *_RANKS[1:3]])
_PLACES = canvas.Source(_COMPARISON, ["measure", *_RANKS], key=["measure"], groups=["branch_id"])
_POINTS = ["indicator", "weight", "attainment", "points"]
_CARD = replace(_PLACES, call="evaluate(bank, …).scorecard", columns=_POINTS, key=_POINTS[:1])
Values = npt.NDArray[np.float64]
_MOST_NAMED = 8
_GRID, _FEWEST_FITTED = 200, 5
_ROW_CM = 0.42


@canvas.chart
def funnel(
    frame: Frame, *, language: Language = "zh", highlight: str = "", ax: Axes | None = None
) -> Axes:
    """Draw branches by size and value between the limits that chance alone would keep to.

    Inside the dark band (95 %) and the light one (99.8 %) a branch differs no more than chance
    may; those outside are named, the farthest first, eight at most. Branches without limits, too
    small to be judged, are no dots; how many stands below.

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
    rows = _read_comparison(_FUNNEL, frame)
    every = len(rows)
    rows = rows.dropna(subset=["n", "compared", *_LIMITS]).sort_values(["n", "branch_id"])
    ax = canvas.axes_for(rows, ax)
    sizes, values, ours = rows["n"], rows["compared"], rows["branch_id"].eq(highlight)
    grid = np.geomspace(sizes.min(), sizes.max(), _GRID)
    for band, shade in (("998", "#E9EEF3"), ("95", "#CFDBE7")):
        lower, upper = (_smooth_limit(rows, f"{side}_{band}", grid) for side in ("lower", "upper"))
        ax.fill_between(grid, lower, upper, color=shade, linewidth=0)
    ax.plot(sizes, rows["centre"], color=canvas.MUTED, linewidth=0.8)
    beyond = (values < rows["lower_95"]) | (values > rows["upper_95"])
    (open_dots,) = ax.plot(sizes[~beyond], values[~beyond], "o", markersize=3.4, color=canvas.MUTED)
    open_dots.set_markerfacecolor("white")
    ax.plot(sizes[beyond], values[beyond], "o", markersize=4.4, color=canvas.ACTUAL)
    ax.plot(sizes[ours], values[ours], "D", markersize=5.5, color=canvas.HIGHLIGHT)
    measure, title, unit = _read_measure(rows, "compared", language)
    canvas.name_values(ax, title)
    ax.yaxis.set_major_formatter(lambda value, _: wording.format_measure(value, measure, unit=unit))
    if wording.measure_words(measure).kind == "share" and values.between(0, 1).all():
        low, high = ax.get_ylim()
        ax.set_ylim(max(low, 0), min(high, 1))
    ax.xaxis.set_major_formatter(lambda value, _: wording.format_count(value))
    left_out = canvas.word("unjudged", language).format(every - len(rows))
    ax.set_xlabel(canvas.word("customers_counted", language) + left_out * (every > len(rows)))
    widest, border = float(sizes.max()), float(rows["upper_998"].iloc[-1])
    ax.set_xlim(0, widest * 1.14)
    if not np.isnan(border):
        canvas.write(ax, widest * 1.01, border, "99.8%", color=canvas.MUTED, fontsize="small")
    named = rows[beyond | ours].assign(far=(values - rows["centre"]).abs(), ours=ours)
    named = named.sort_values(["ours", "far"], ascending=False).head(_MOST_NAMED)
    canvas.name_points(ax, named["n"], named["compared"], named["name"])
    return ax


def _smooth_limit(rows: pd.DataFrame, name: str, grid: Values) -> Values:
    """Return a limit as a curve over sizes: its squared distance from the centre falls as 1 / n.

    A limit at the edge of what is possible says nothing of the curve, which ends there as well.
    """
    sizes, limit = rows["n"].to_numpy(float), rows[name].to_numpy(float)
    inside = (limit > limit.min()) & (limit < limit.max())
    if inside.sum() < _FEWEST_FITTED:
        return np.asarray(np.interp(grid, sizes, limit))
    centre = float(rows["centre"].iloc[0])
    terms = np.vander(1 / sizes[inside], 2)
    slope, floor = np.linalg.lstsq(terms, (limit[inside] - centre) ** 2, rcond=None)[0]
    reach = np.sqrt(np.clip(slope / grid + floor, 0, None))
    curve = centre - reach if name.startswith("lower") else centre + reach
    return np.asarray(np.clip(curve, limit.min(), limit.max()))


def _read_measure(
    rows: pd.DataFrame, column: str, language: Language
) -> tuple[str, str, wording.Unit | None]:
    """Return which measure is compared, what it is called, and its unit if it is money."""
    words = wording.measure_words(str(rows["measure"].iloc[0]))
    title, unit = wording.text(words.name, language), None
    if words.kind == "money":
        unit = wording.money_unit(rows[column], language)
        title += f" · {wording.unit_note(unit, language)}"
    if "value" in rows and not np.allclose(rows[column], rows["value"], equal_nan=True):
        title += canvas.word("winsorised", language)
    return words.name, title, unit


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
    rows = _read_comparison(_LEAGUE, frame)
    every = len(rows)
    rows = rows.dropna(subset=[name for name in ("value", *_RANKS[:3]) if name in rows])
    ax = canvas.axes_for(rows, ax, 1.4 + _ROW_CM * max(len(rows), 4))
    measure, title, unit = _read_measure(rows, "value", language)
    canvas.name_values(ax, title, side="right")
    best_first = wording.measure_words(measure).higher_is_better == "no"
    rows = rows.sort_values(["compared", "branch_id"], ascending=[best_first, True])
    heights = np.arange(len(rows))
    colours = list(np.where(rows["branch_id"] == highlight, canvas.HIGHLIGHT, canvas.ACTUAL))
    low, high, ranks = rows["rank_low"], rows["rank_high"], rows.get("rank", heights + 1)
    ax.hlines(heights, low, high, color=colours, linewidth=3.2, alpha=0.45)
    ax.scatter(ranks, heights, color=colours, s=14, zorder=3)
    last = max(float(high.max()), len(rows))
    for height, value in enumerate(rows["value"]):
        words = wording.format_measure(value, measure, unit=unit)
        canvas.write(ax, last * 1.13, height, words, ha="right")
    ax.set(xlim=(0.4, last * 1.14), ylim=(len(rows) - 0.4, -0.6))
    sizes = (digit * 10**zeros for zeros in count() for digit in (1, 2, 5))
    step = next(size for size in sizes if last / size <= 12)
    ax.set_xticks([1, *(tick for tick in range(step, int(last) + 1, step) if tick > 1)])
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", visible=True)
    ax.spines["left"].set_visible(False)
    left_out = canvas.word("unplaced", language).format(every - len(rows))
    ax.set_xlabel(canvas.word("place", language) + left_out * (every > len(rows)))
    ax.set_yticks(heights, list(rows["name"]))
    return ax


def _read_comparison(source: canvas.Source, frame: Frame) -> pd.DataFrame:
    """Return the rows of a comparison; an error if it mixes measures, bases or peer groups."""
    rows = source.read_all(frame)
    for column in ("measure", "base", "peer_group"):
        if column in rows and rows[column].nunique() > 1:
            kinds = ", ".join(sorted(map(str, rows[column].unique()))[:5])
            raise UsageError(say("several_kinds", column, kinds))
    instead = {"name": "branch_id", "compared": "value"}
    return rows.assign(**{name: rows[instead[name]] for name in instead if name not in rows})


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
    rows = _PLACES.read(frame, group).dropna(subset=["rank_low", "rank_high"])
    ax = canvas.axes_for(rows, ax, 0.8 + 0.46 * max(len(rows), 3))
    last = float(rows["rank_of"].max())
    heights = np.arange(len(rows))
    ax.hlines(heights, 1, last, color="#E4E7EB", linewidth=4.5)
    ax.hlines(heights, rows["rank_low"], rows["rank_high"], color=canvas.REFERENCE, linewidth=4.5)
    ax.plot(rows["rank"], heights, "o", color=canvas.ACTUAL, markersize=5)
    for height, row in enumerate(rows[_RANKS[:3]].itertuples(index=False)):
        words = canvas.word("place_between", language).format(*map(wording.format_count, row))
        canvas.write(ax, last + 0.04 * last, height, words)
    names = wording.member_words("measure", language, present=rows["measure"])
    canvas.without_frame(ax, heights, rows["measure"].map(names))
    ax.tick_params(labelbottom=True)
    ends = [canvas.word(key, language) for key in ("first_of", "last_of")]
    ax.set_xticks([1, last], [end.format(wording.format_count(last)) for end in ends])
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
    rows = _CARD.read(frame, group)
    ax = canvas.axes_for(rows, ax, 0.9 + 0.5 * max(len(rows), 3))
    edge = float(rows["attainment"].fillna(1.2).clip(1.2, _WIDEST).max())
    for height, row in enumerate(rows.to_dict("records")):
        for upper, shade in reversed(_SHADES):
            canvas.draw_bar(ax, 0, height, upper, 0.6, shade)
        if not np.isnan(row["attainment"]):
            colour = canvas.HIGHLIGHT if row["attainment"] < _SHADES[0][0] else canvas.ACTUAL
            canvas.draw_bar(ax, 0, height, min(max(row["attainment"], 0), edge), 0.24, colour)
        points = f"{wording.format_points(row['points'])} / {wording.format_weight(row['weight'])}"
        canvas.write(ax, edge * 1.16, height, wording.format_part(row["attainment"]), ha="right")
        canvas.write(ax, edge * 1.35, height, points, fontweight="bold", ha="right")
    ax.vlines(1.0, -0.42, len(rows) - 0.58, color=canvas.INK, linewidth=1.6)
    headers = [(edge * 1.16, "attainment", "right"), (edge * 1.35, "points_of_weight", "right")]
    for x, key, align in [*headers, (1.0, "target", "center")]:
        canvas.write(ax, x, -0.85, canvas.word(key, language), color=canvas.MUTED, ha=align)
    canvas.write(ax, 0.8, -0.85, "80%", color=canvas.MUTED, ha="center")
    names = wording.member_words("measure", language, present=rows["indicator"])
    labels = rows["name"] if "name" in rows else rows["indicator"].map(names)
    canvas.without_frame(ax, range(len(rows)), labels)
    ax.set(xlim=(0, edge * 1.37), ylim=(len(rows) - 0.5, -1.2))
    return ax
