"""Charts of any measure: its groups side by side, and its groups over the quarters."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.results import Result
from stockcust_analysis.errors import UsageError
from stockcust_analysis.show import canvas, result_words, wording
from stockcust_analysis.show.blocks import Language

_MOST_BARS, _MOST_LINES = 40, 6
_GROUPS: Final = canvas.Source(
    "concentration(customers, by=…)", ["measure", "value"], last_quarter=False
)
_SERIES: Final = replace(_GROUPS, columns=["quarter", *_GROUPS.columns])
_ROW_CM: Final = 0.45
_FACTS: Final = ("quarter", "as_of", "measure", "base", "n", "numerator", "denominator", "value")
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
        quarters the last is drawn. At most forty bars: the largest.
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
    rows = rows[rows["value"].rank(ascending=False, method="first") <= _MOST_BARS]
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
    return ax


@canvas.chart
def trend(
    frame: Frame, *, measure: str | None = None, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw one measure of each group over the quarters; the last value stands at the line's end.

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
    quarters = sorted(rows["quarter"].unique())
    now = rows[rows["quarter"] == quarters[-1]]
    last = now.nlargest(_MOST_LINES, "n" if "n" in now else "value").sort_values("value")
    shown = rows[rows["group"].isin(last["group"])]
    low, high = shown["value"].min(), shown["value"].max()
    gap, level = 0.07 * ((high - low) or 1.0), float("-inf")
    for colour, row in zip(_LINES[: len(last)][::-1], last.itertuples(), strict=True):
        line = shown[shown["group"] == row.group].set_index("quarter")["value"].reindex(quarters)
        ax.plot(range(len(quarters)), line, color=colour, marker="o", markersize=3)
        level = max(level + gap, row.value)  # names of equal values stand above one another
        words = f"{row.shown} {row.group}".strip()
        canvas.write(ax, len(quarters) - 0.92, level, words, color=colour)
    ax.set(xlim=(-0.2, 1.35 * len(quarters) - 1), ylim=(low - gap, max(high, level) + gap))
    ax.set_xticks(range(len(quarters)), quarters)
    ax.set_yticks([])
    canvas.name_values(ax, _title(rows, language))
    return ax


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
