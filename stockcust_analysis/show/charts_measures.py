"""Charts of any measure: its groups side by side, crossed, by quarter; falls, intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.results import Result
from stockcust_analysis.errors import UsageError, require_known, say
from stockcust_analysis.measures.registry import OF_RESULT
from stockcust_analysis.show import canvas, results, wording
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.charts_quarters import spread_names

_MOST_BARS, _MOST_LINES = 40, 6
_MOST_CELLS: Final = (30, 12)
_GROUPS: Final = canvas.Source(
    "concentration(customers, by=…)", ["measure", "value"], last_quarter=False
)
_SERIES: Final = replace(_GROUPS, columns=["quarter", *_GROUPS.columns])
_FALLS: Final = canvas.Source("lost_customers(opening, closing)", ["rank", "became", "fall"])
_INTERVALS: Final = canvas.Source("report.chart_rows()", ["name", "value", "low", "high"])
_ROW_CM: Final = 0.45
_FACTS: Final = ("quarter", "as_of", *OF_RESULT, "group", "shown")
# The value axis of a trend spans a fifth of its highest value or more, and one percentage point.
_LEAST_SPAN, _LEAST_STEP, _NAME_LINE = 0.2, 0.01, 0.07
_LINES: Final = (
    *(canvas.ACTUAL, canvas.HIGHLIGHT, canvas.REFERENCE),
    *(canvas.MUTED, canvas.INK, "#8A5A2B"),
)


@canvas.chart
def bars(
    frame: Frame, *, measure: str | None = None, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw one measure of all groups as bars, in the order of the table.

    Parameters
    ----------
    frame
        What a measure returns, or `measure` and `value` with the columns of the groups. Of several
        quarters the last is drawn. At most forty bars: the largest, and a line below says so.
    measure
        The measure to draw; the first of the table if left out.
    language, ax
        "zh" or "en"; axes to draw on, a new figure if left out.

    Raises
    ------
    UsageError
        A column is missing; the table has no such measure, or several rows of a group.

    Examples
    --------
    >>> import pandas as pd
    >>> rates = pd.DataFrame({"branch_id": ["A", "B"], "measure": "dormancy_rate",
    ...                       "value": [0.1, 0.25]})
    >>> [text.get_text() for text in bars(rates).texts]
    ['10.0%', '25.0%']
    """
    rows = canvas.last_quarter(_read(_GROUPS, frame, measure, language))
    ax = _draw_rows(rows, language, ax)
    canvas.name_values(ax, _title(rows, language))
    return ax


@canvas.chart
def grid(
    frame: Frame, *, measure: str | None = None, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw one measure of two cuts at once as cells, the darker the higher, in the table's order.

    Parameters
    ----------
    frame
        What a measure returns, or `measure` and `value` with two columns of groups. Of several
        quarters the last is drawn. At most thirty rows and twelve columns: those of most customers,
        and a line below says so.
    measure
        The measure to draw; the first of the table if left out.
    language, ax
        "zh" or "en"; axes to draw on, a new figure as high as the rows ask if left out.

    Raises
    ------
    UsageError
        A column is missing; the table has no such measure, or its groups are not of two columns.

    Examples
    --------
    >>> import pandas as pd
    >>> rates = pd.DataFrame({"branch_id": ["A", "A", "B"], "tier": ["mid", "high", "mid"],
    ...                       "measure": "dormancy_rate", "value": [0.1, 0.25, 0.05]})
    >>> [text.get_text() for text in grid(rates).texts]
    ['10.0%', '25.0%', '5.0%']
    """
    rows = canvas.last_quarter(_read(_GROUPS, frame, measure, language))
    cuts = [cut for cut in _cuts(rows) if rows[cut].nunique() > 1]
    if len(rows) and len(cuts) != 2:
        raise UsageError(say("grid_crosses", len(cuts)))
    cuts.sort(key=lambda cut: -rows[cut].nunique())
    groups = [rows[cut].nunique() for cut in cuts]
    ax = canvas.axes_for(rows, ax, 2.0 + _ROW_CM * min([*groups, 0][0], _MOST_CELLS[0]))
    kind, weight = ("most_customers", "n") if "n" in rows else ("largest", "value")
    for cut, most in zip(cuts, _MOST_CELLS, strict=True):
        sizes = rows.groupby(cut, sort=False)[weight].sum()
        rows = rows[rows[cut].isin(sizes.nlargest(most).index)]
    lowest = min(float(rows["value"].min()), 0.0)
    shades = (rows["value"] - lowest) / (float(rows["value"].max()) - lowest or 1.0)
    order = [list(_ordered(rows[[cut]], frame)[cut].unique()) for cut in cuts]
    cells = rows.assign(shade=shades).pivot(index=cuts[0], columns=cuts[1])
    shade, shown = (
        pd.DataFrame(cells[name]).loc[order[0], order[1]] for name in ("shade", "shown")
    )
    down, across = (
        [_words_of(frame, cut, language).get(str(name), str(name)) for name in members]
        for cut, members in zip(cuts, order, strict=True)
    )
    canvas.shade_cells(ax, shade.set_axis(down).set_axis(across, axis=1), shown)
    for members, number in zip(order, groups, strict=True):
        canvas.note_left_out(ax, len(members), number, language, kind)
    canvas.name_values(ax, _title(rows, language))
    return ax


@canvas.chart
def falls(frame: Frame, *, language: Language = "zh", ax: Axes | None = None) -> Axes:
    """Draw what each lost customer took as bars, by rank and branch: no number of a customer.

    Parameters
    ----------
    frame
        What `lost_customers` returns: rank, became, fall (CNY); `branch_name` or `branch_id`, and
        `share_of_falls`, which is added up below. At most forty bars: the largest, and a line below
        says so.
    language, ax
        "zh" or "en"; axes to draw on, a new figure if left out.

    Raises
    ------
    UsageError
        A column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> lost = pd.DataFrame({"rank": [1, 2], "branch_id": ["B1", "B2"],
    ...                      "became": ["closed", "shrunk"], "fall": [50_000.0, 20_000.0]})
    >>> [text.get_text() for text in falls(lost).texts]
    ['5.00 销户', '2.00 存量下降']
    """
    rows = _FALLS.read_all(frame).sort_values("rank", kind="stable", ignore_index=True)
    unit = wording.money_unit(rows["fall"], language)
    became = rows["became"].replace(results.cell_words("became", language, {}))
    branch = rows.get("branch_name", rows["branch_id"]).fillna("").astype(str)
    groups = rows["rank"].astype(int).astype(str) + (" · " + branch).where(branch != "", "")
    amounts = pd.Series([wording.format_money(fall, unit) for fall in rows["fall"]], dtype="str")
    shown = rows.assign(value=rows["fall"], group=groups, shown=amounts + " " + became)
    ax = _draw_rows(shown, language, ax)
    title = results.column_word("fall", language)
    canvas.name_values(ax, f"{title} · {wording.unit_note(unit, language)}")
    if "share_of_falls" in rows:
        share = wording.format_share(rows["share_of_falls"].sum())
        canvas.add_note(ax, "part_of_falls", language, share=share)
    return ax


@canvas.chart
def intervals(
    frame: Frame, *, title: str = "", language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw shares as points with their intervals, and what was predicted as rings beside them.

    Parameters
    ----------
    frame
        `name`, `value`, `low`, `high` and, if known, `predicted`; drawn in the table's order.
    title
        What the values are.
    language, ax
        "zh" or "en"; axes to draw on, a new figure as high as the rows ask if left out.

    Raises
    ------
    UsageError
        A column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> effect = pd.DataFrame({"name": ["2026Q3"], "value": [0.1], "low": [0.05], "high": [0.15]})
    >>> intervals(effect).texts[0].get_text()
    '10.0%'
    """
    rows = _INTERVALS.read_all(frame)
    ax = canvas.axes_for(rows, ax, 1.6 + _ROW_CM * len(rows))
    places = np.arange(len(rows))[::-1]
    ax.hlines(places, rows["low"], rows["high"], color=canvas.REFERENCE, linewidth=4.5)
    ax.plot(rows["value"], places, "o", color=canvas.ACTUAL, markersize=5, clip_on=False)
    if "predicted" in rows:
        (rings,) = ax.plot(rows["predicted"], places, "o", color=canvas.HIGHLIGHT, markersize=8)
        rings.set(markerfacecolor="none", clip_on=False)
    low, high = min(rows["low"].min(), 0.0), max(rows["high"].max(), 0.0)
    for place, value in zip(places, rows["value"], strict=True):
        canvas.write(ax, high + 0.03 * (high - low), place, wording.format_share(value))
    ax.set(xlim=(low, high + 0.12 * (high - low)), ylim=(-0.6, len(rows) - 0.4))
    canvas.without_frame(ax, places, rows["name"])
    ax.axvline(0, color=canvas.MUTED, linewidth=0.8)
    canvas.name_values(ax, title)
    canvas.add_note(ax, "predicted" if "predicted" in rows else "interval", language)
    return ax


def _draw_rows(rows: pd.DataFrame, language: Language, ax: Axes | None) -> Axes:
    """Draw the largest `value` as lying bars named by `group`, and say if there are more."""
    drawn = rows[rows["value"].rank(ascending=False, method="first") <= _MOST_BARS]
    ax = canvas.axes_for(drawn, ax, 1.2 + _ROW_CM * len(drawn))
    places = np.arange(len(drawn))[::-1]
    reach = float(drawn["value"].abs().max()) or 1.0
    for place, value, words in zip(places, drawn["value"], drawn["shown"], strict=True):
        canvas.draw_bar(ax, 0, place, value, 0.62, canvas.ACTUAL)
        canvas.write(ax, max(value, 0) + 0.01 * reach, place, words, ha="left")
    lowest = min(float(drawn["value"].min()), 0.0)
    ax.set(xlim=(1.05 * lowest, 1.15 * reach), ylim=(-0.6, len(drawn) - 0.4))
    canvas.without_frame(ax, places, drawn["group"])
    canvas.note_left_out(ax, len(drawn), len(rows), language)
    return ax


@canvas.chart
def trend(
    frame: Frame, *, measure: str | None = None, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw one measure of each group over the quarters; the last value stands at the line's end.

    The value axis spans at least a fifth of the highest value, and a percentage point, so that what
    hardly moves looks level. A quarter without a value is a gap, named below the axis.

    Parameters
    ----------
    frame
        What a measure returns with `over="quarter"`: `quarter`, `measure`, `value` and the columns
        of the groups. At most six lines: the groups of most customers.
    measure
        The measure to draw; the first of the table if left out.
    language, ax
        "zh" or "en"; axes to draw on, a new figure if left out.

    Raises
    ------
    UsageError
        A column is missing; the table has no such measure, or several rows of a group.

    Examples
    --------
    >>> import pandas as pd
    >>> rates = pd.DataFrame({"quarter": ["2026Q2", "2026Q3"], "measure": "dormancy_rate",
    ...                       "value": [0.1, 0.25]})
    >>> trend(rates).lines[0].get_ydata().tolist()
    [0.1, 0.25]
    """
    rows = _read(_SERIES, frame, measure, language)
    ax = canvas.axes_for(rows, ax)
    quarters = sorted(canvas.to_pandas(frame)["quarter"].astype(str).unique())
    latest = rows.sort_values("quarter", kind="stable").drop_duplicates("group", keep="last")
    last = latest.nlargest(_MOST_LINES, "n" if "n" in latest else "value").sort_values("value")
    shown = rows[rows["group"].isin(last["group"])]
    low, high = _value_axis(ax, shown, language)
    heights = spread_names(last.set_index("group")["value"], _NAME_LINE * (high - low))
    for colour, row in zip(_LINES[: len(last)][::-1], last.itertuples(), strict=True):
        line = shown[shown["group"] == row.group].set_index("quarter")["value"].reindex(quarters)
        ax.plot(range(len(quarters)), line, color=colour, marker="o", markersize=3, clip_on=False)
        words = f"{row.shown} {row.group}".strip()
        canvas.write(ax, len(quarters) - 0.92, heights[row.group], words, color=colour)
    ax.set(xlim=(-0.2, 1.35 * len(quarters) - 1), ylim=(low, max(high, *heights.values())))
    ax.set_xticks(range(len(quarters)), quarters)
    canvas.name_values(ax, _title(rows, language))
    kind = "most_customers" if "n" in latest else "largest"
    canvas.note_left_out(ax, len(last), len(latest), language, kind)
    if empty := [quarter for quarter in quarters if quarter not in {*shown["quarter"]}]:
        separator = wording.text("list_separator", language, within="page")
        canvas.add_note(ax, "no_value", language, quarters=separator.join(empty))
    return ax


def _value_axis(ax: Axes, rows: pd.DataFrame, language: Language) -> tuple[float, float]:
    """Print a trend's value axis, and return its lowest and highest value."""
    low, high = float(rows["value"].min()), float(rows["value"].max())
    measure = str(rows["measure"].iloc[0])
    top = 1.0 if results.kind_of(measure) == "share" and high <= 1 else np.inf
    room = max(_LEAST_SPAN * abs(high), _LEAST_STEP, 1.1 * (high - low)) - (high - low)
    floor = max(low - room / 2, 0.0) if low >= 0 else low - room / 2
    ceiling = min(floor + room + high - low, top)
    floor = min(floor, max(ceiling - room - high + low, 0.0)) if low >= 0 else floor
    ticks = np.asarray(MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(floor, ceiling))
    ticks = ticks[(ticks >= floor) & (ticks <= ceiling)]
    unit = wording.money_unit(rows["value"], language)
    ax.set_yticks(ticks, [results.format_value(tick, measure, unit) for tick in ticks])
    return floor, ceiling


def _read(
    source: canvas.Source, frame: Frame, measure: str | None, language: Language
) -> pd.DataFrame:
    """Return the rows of one measure with the group's name and the value as printed."""
    rows = source.read_all(frame)
    names = [str(name) for name in rows["measure"].unique()]
    known = None if measure is None else require_known("measure_in_table", measure, names)
    chosen = known or (names or [""])[0]
    rows = rows[rows["measure"] == chosen].dropna(subset=["value"]).reset_index(drop=True)
    cuts = _cuts(rows)
    if rows.duplicated([*cuts, "quarter"]).any():
        raise UsageError(say("several_rows_of_group"))
    labels = [rows[cut].astype(str).replace(_words_of(frame, cut, language)) for cut in cuts]
    joined = [" · ".join(filter(None, label)) for label in zip(*labels, strict=True)]
    unit = wording.money_unit(rows["value"], language)
    shown = [results.format_value(value, chosen, unit) for value in rows["value"]]
    return rows.assign(group=joined, shown=shown)


def _cuts(rows: pd.DataFrame) -> list[str]:
    """Return the columns of the groups."""
    return [str(name) for name in rows if name not in _FACTS]


def _ordered(labels: pd.DataFrame, frame: Frame) -> pd.DataFrame:
    """Return the labels of a result in the policy's order; of another table as they are."""
    if not isinstance(frame, Result):
        return labels
    return labels.iloc[results.policy_order(labels, frame.about.members)]


def _words_of(frame: Frame, cut: str, language: Language) -> dict[str, str]:
    """Return what the groups of a column are called."""
    members = frame.about.members if isinstance(frame, Result) else {}
    return results.cell_words(cut, language, members)


def _title(rows: pd.DataFrame, language: Language) -> str:
    """Return what the measure is called."""
    name = str(rows["measure"].iloc[0])
    return results.cell_words("measure", language, {}, [name]).get(name, name)
