"""Charts over time: assets by quarter, and who still moves his money."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.charts_canvas import (
    ACTUAL,
    HIGHLIGHT,
    PALE_HIGHLIGHT,
    REFERENCE,
    by_measure,
    name_values,
    only_the_zero_line,
    open_axes,
    rows_of,
    say_no_data,
    subject_of,
    without_frame,
)
from stockcust_analysis.show.labels import label, names
from stockcust_analysis.show.units import format_money, format_share, money_unit, unit_note

_STATUS_COLOURS = {
    "active": ACTUAL,
    "active_small": REFERENCE,
    "silent": PALE_HIGHLIGHT,
    "dormant": HIGHLIGHT,
}
_CUSTOMER_MEASURES = ("active_rate", "active_small_rate", "silent_rate", "dormancy_rate")
_AUM_MEASURES = ("silent_aum_share", "dormant_aum_share")
_NARROWEST_LABELLED = 0.08


def aum_trend(frame: pd.DataFrame, *, language: Language = "zh", ax: Axes | None = None) -> Axes:
    """Draw quarter-average assets as columns, every one with its value, the last one dark.

    Parameters
    ----------
    frame
        Measure table with `aum_average_quarter` (CNY) for each quarter, up to twelve of them.
    language, ax
        Language of the words; axes to draw on, a new figure if left out.

    >>> table = pd.DataFrame({"quarter": ["2026Q2", "2026Q3"], "branch_id": "B01",
    ...     "measure": "aum_average_quarter", "dimension": "", "value": [1.2e9, 1.263e9]})
    >>> [words.get_text() for words in aum_trend(table).texts]
    ['12.00', '12.63']
    """
    ax = open_axes(ax)
    rows = rows_of(frame, subject_of(frame))
    chosen = rows[(rows["measure"] == "aum_average_quarter") & (rows["dimension"] == "")]
    values = chosen.set_index("quarter")["value"].astype(float).sort_index()
    if values.isna().all():
        return say_no_data(ax, language)
    unit = money_unit(values, language)
    colours = [REFERENCE] * (len(values) - 1) + [ACTUAL]
    # Few quarters keep the width that many have: a lone column is not a wall.
    margin = max(0.0, (6 - len(values)) / 2)
    columns = ax.bar(range(len(values)), values.fillna(0), width=0.62, color=colours)
    ax.bar_label(columns, [format_money(value, unit) for value in values], padding=2)
    ax.set_xticks(range(len(values)), list(values.index))
    ax.set_xlim(-0.6 - margin, len(values) - 0.4 + margin)
    ax.set_ylim(0, max(float(values.max()), unit.divisor) * 1.12)
    name_values(ax, unit_note(unit, language), side="right")
    only_the_zero_line(ax)
    return ax


def dormancy_bars(
    frame: pd.DataFrame, *, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw who is active, silent and dormant, by customers and by assets, as bars of 100 %.

    The last quarter has the broad bar, the quarter before a narrow one below it. Assets have no
    part of their own for small balances: there, active takes all that is neither silent nor
    dormant.

    Parameters
    ----------
    frame
        Measure table with `active_rate`, `active_small_rate`, `silent_rate`, `dormancy_rate`,
        `silent_aum_share` and `dormant_aum_share`; of its quarters the last two are drawn.
    language, ax
        Language of the words; axes to draw on, a new figure if left out.

    >>> table = pd.DataFrame({"quarter": "2026Q3", "branch_id": "B01", "dimension": "",
    ...     "member": "", "base": "all", "measure": list(_CUSTOMER_MEASURES),
    ...     "value": [0.5, 0.2, 0.25, 0.05]})
    >>> [words.get_text() for words in dormancy_bars(table).texts][:2]
    ['50.0%', '20.0%']
    """
    ax = open_axes(ax)
    quarters = sorted(frame["quarter"].unique())[-2:]
    bars = _bars_of_statuses(frame, quarters)
    if not bars:
        return say_no_data(ax, language)
    top, ticks = 0.0, []
    for measured, quarter, parts in bars:
        thick = 0.62 if quarter == quarters[-1] else 0.34
        top -= thick / 2
        _stack(ax, top, thick, parts, language)
        ticks.append((top, f"{label(measured, language, within='word')} {quarter}"))
        top -= thick / 2 + (0.12 if quarter == quarters[-1] and len(quarters) > 1 else 0.34)
    without_frame(ax)
    ax.tick_params(labelleft=True)
    ax.set_yticks(*zip(*ticks, strict=True))
    ax.set(xlim=(0, 1.36), ylim=(top + 0.24, 0.1))
    _status_key(ax, language)
    return ax


def _bars_of_statuses(
    frame: pd.DataFrame, quarters: list[str]
) -> list[tuple[str, str, dict[str, float]]]:
    """Return (customers or aum, quarter, share by status), the latest first, undefined ones out."""
    subject, bars = subject_of(frame), []
    for quarter in reversed(quarters):
        shares = by_measure(frame, _CUSTOMER_MEASURES, subject, quarter)
        if shares.notna().all():
            bars.append(("customers", quarter, dict(zip(names("status"), shares, strict=True))))
    for quarter in reversed(quarters):
        silent, dormant = by_measure(frame, _AUM_MEASURES, subject, quarter)
        if not np.isnan(silent + dormant):
            parts = {"active": 1 - silent - dormant, "silent": silent, "dormant": dormant}
            bars.append(("aum", quarter, parts))
    return bars


def _stack(
    ax: Axes, height: float, thick: float, parts: dict[str, float], language: Language
) -> None:
    """Draw one bar; the parts to act on, silent and dormant, are always named at its right end."""
    start = 0.0
    for status, share in parts.items():
        ax.barh(
            height, share, left=start, height=thick,
            color=_STATUS_COLOURS[status], edgecolor="white", linewidth=0.6,
        )  # fmt: skip
        if status.startswith("active") and share >= _NARROWEST_LABELLED:
            colour = "white" if status == "active" else "black"
            ax.text(
                start + share / 2, height, format_share(share),
                ha="center", va="center_baseline", color=colour,
            )  # fmt: skip
        start += share
    words = "  ".join(
        f"{label(status, language, within='status')} {format_share(parts[status])}"
        for status in ("silent", "dormant")
    )
    ax.text(1.015, height, words, va="center_baseline")


def _status_key(ax: Axes, language: Language) -> None:
    """Name the colours above the bars, in the bars' order."""
    ax.legend(
        handles=[
            Patch(color=colour, label=label(status, language, within="status"))
            for status, colour in _STATUS_COLOURS.items()
        ],
        loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderpad=0, handlelength=0.8,
    )  # fmt: skip
