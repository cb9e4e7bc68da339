"""Charts of any measure: its groups side by side, and its groups over the quarters."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.results import Result
from stockcust_analysis.errors import UsageError
from stockcust_analysis.show import canvas, result_words, wording
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.charts_quarters import spread_names

_MOST_BARS, _MOST_LINES = 40, 6
_GROUPS: Final = canvas.Source(
    "concentration(customers, by=…)", ["measure", "value"], last_quarter=False
)
_SERIES: Final = replace(_GROUPS, columns=["quarter", *_GROUPS.columns])
_ROW_CM: Final = 0.45
_FACTS: Final = ("quarter", "as_of", "measure", "base", "n", "numerator", "denominator", "value")
# The value axis of a trend spans a fifth of its highest value or more, and one percentage point.
_LEAST_SPAN, _LEAST_STEP, _NAME_LINE = 0.2, 0.01, 0.07
_LINES: Final = (
    *(canvas.ACTUAL, canvas.HIGHLIGHT, canvas.REFERENCE),
    *(canvas.MUTED, canvas.INK, canvas.PALE_HIGHLIGHT),
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
    everything = canvas.last_quarter(_read(_GROUPS, frame, measure, language))
    rows = everything[everything["value"].rank(ascending=False, method="first") <= _MOST_BARS]
    ax = canvas.axes_for(rows, ax, 1.2 + _ROW_CM * len(rows))
    places = np.arange(len(rows))[::-1]
    reach = float(rows["value"].abs().max()) or 1.0
    for place, value, words in zip(places, rows["value"], rows["shown"], strict=True):
        canvas.draw_bar(ax, 0, place, value, 0.62, canvas.ACTUAL)
        canvas.write(ax, max(value, 0) + 0.01 * reach, place, words, ha="left")
    lowest = min(float(rows["value"].min()), 0.0)
    ax.set(xlim=(1.05 * lowest, 1.15 * reach), ylim=(-0.6, len(rows) - 0.4))
    ax.set_yticks(places, rows["group"])
    canvas.without_frame(ax, names=True)
    canvas.name_values(ax, _title(rows, language))
    if len(rows) < len(everything):
        words = wording.text("largest", language, within="result_note")
        words = words.format(shown=len(rows), groups=len(everything))
        ax.set_xlabel(words, loc="left", fontsize="small")
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
    if empty := [quarter for quarter in quarters if quarter not in {*shown["quarter"]}]:
        separator = wording.text("list_separator", language, within="page")
        words = wording.text("no_value", language, within="result_note")
        ax.set_xlabel(words.format(quarters=separator.join(empty)), loc="left", fontsize="small")
    return ax


def _value_axis(ax: Axes, rows: pd.DataFrame, language: Language) -> tuple[float, float]:
    """Print a trend's value axis, and return its lowest and highest value."""
    low, high = float(rows["value"].min()), float(rows["value"].max())
    definition = result_words.definition_of(str(rows["measure"].iloc[0]))
    is_share = definition is not None and definition.kind == "share"
    top = 1.0 if is_share and high <= 1 else np.inf
    room = max(_LEAST_SPAN * abs(high), _LEAST_STEP, 1.1 * (high - low)) - (high - low)
    floor = max(low - room / 2, 0.0) if low >= 0 else low - room / 2
    ceiling = min(floor + room + high - low, top)
    floor = min(floor, max(ceiling - room - high + low, 0.0)) if low >= 0 else floor
    ticks = np.asarray(MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(floor, ceiling))
    ticks = ticks[(ticks >= floor) & (ticks <= ceiling)]
    unit = wording.money_unit(rows["value"], language)
    ax.set_yticks(ticks, [result_words.format_value(tick, definition, unit) for tick in ticks])
    return floor, ceiling


def _read(
    source: canvas.Source, frame: Frame, measure: str | None, language: Language
) -> pd.DataFrame:
    """Return the rows of one measure with the group's name and the value as printed."""
    rows = source.read_all(frame)
    names = [str(name) for name in rows["measure"].unique()]
    if measure is not None and measure not in names:
        raise UsageError.unknown("measure of the table", measure, names)
    chosen = measure or (names or [""])[0]
    rows = rows[rows["measure"] == chosen].dropna(subset=["value"]).reset_index(drop=True)
    members = frame.about.members if isinstance(frame, Result) else {}
    cuts = [str(name) for name in rows if name not in _FACTS]
    if rows.duplicated([*cuts, "quarter"]).any():
        raise UsageError("several rows stand for one bar: keep the rows of one base.")
    labels = [
        rows[cut].astype(str).replace(result_words.cell_words(cut, language, members))
        for cut in cuts
    ]
    joined = [" · ".join(filter(None, label)) for label in zip(*labels, strict=True)]
    definition, unit = (
        result_words.definition_of(chosen),
        wording.money_unit(rows["value"], language),
    )
    shown = [result_words.format_value(value, definition, unit) for value in rows["value"]]
    return rows.assign(group=joined, shown=shown)


def _title(rows: pd.DataFrame, language: Language) -> str:
    """Return what the measure is called."""
    name = str(rows["measure"].iloc[0])
    return result_words.cell_words("measure", language, {}).get(name, name)
