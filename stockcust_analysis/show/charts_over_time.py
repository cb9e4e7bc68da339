"""Charts over the quarters: assets, shares from one quarter to another, small panels."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show import chart_frames as frames
from stockcust_analysis.show import charts_canvas as canvas
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.labels import label, measure_words
from stockcust_analysis.show.units import (
    Unit,
    format_measure,
    format_money,
    format_share,
    money_unit,
    unit_note,
)

_SOURCE = "evaluate(bank, …).measures"
_MEMBERS = ("tier", "family", "families")
_PANEL_ROWS, _PANELS_ABREAST = 2, 4


@canvas.in_report_style
def aum_trend(
    frame: Frame, *, group: object = None, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw quarter-average assets as columns, every one with its value, the last one dark.

    Parameters
    ----------
    frame
        quarter, value (CNY); with `measure` the rows of `aum_average_quarter`, as the `measures`
        of an evaluation hold them. Up to twelve quarters are legible.
    group
        The group to draw, where the frame has several, such as the branch_id.
    language, ax
        "zh" or "en"; axes to draw on, a new figure if left out.

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
    >>> assets = pd.DataFrame({"quarter": ["2026Q2", "2026Q3"], "value": [1.2e9, 1.263e9]})
    >>> [words.get_text() for words in aum_trend(assets).texts]
    ['12.00', '12.63']
    """
    rows = frames.read_measures(frame, ["aum_average_quarter"], source=_SOURCE, also=["quarter"])
    rows = frames.one_group(rows, ["measure"], group)
    frames.require_one_base(rows, ["quarter"])
    values = rows.set_index("quarter")["value"].sort_index()
    ax = canvas.open_axes(ax)
    if values.isna().all():
        return canvas.say_no_data(ax, language)
    unit = money_unit(values, language)
    colours = [canvas.REFERENCE] * (len(values) - 1) + [canvas.ACTUAL]
    # Few quarters keep the width that many have: a lone column is not a wall.
    margin = max(0.0, (6 - len(values)) / 2)
    columns = ax.bar(range(len(values)), values.fillna(0), width=0.62, color=colours)
    ax.bar_label(columns, [format_money(value, unit) for value in values], padding=2)
    ax.set_xticks(range(len(values)), list(values.index))
    ax.set_xlim(-0.6 - margin, len(values) - 0.4 + margin)
    ax.set_ylim(0, max(float(values.max()), unit.divisor) * 1.12)
    canvas.name_values(ax, unit_note(unit, language), side="right")
    canvas.only_the_zero_line(ax)
    return ax


@canvas.in_report_style
def slope(
    frame: Frame,
    *,
    group: object = None,
    words: frames.Words | None = None,
    language: Language = "zh",
    ax: Axes | None = None,
) -> Axes:
    """Draw how a share moved from one quarter to another, one line for each member.

    Rising lines are dark, falling ones orange; names and values stand at both ends.

    Parameters
    ----------
    frame
        quarter, tier (or family, or member), value: the rows of one measure, from the `measures`
        of an evaluation or of several quarters put together. The first and the last quarter are
        drawn; with `measure` its name stands above.
    group
        The group to draw, where the frame has several, such as the branch_id.
    words
        What the members are called; the shipped policy's words if left out.
    language, ax
        "zh" or "en"; axes to draw on, a new figure if left out.

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
    >>> quarters = ["2025Q3", "2026Q3"]
    >>> shares = pd.DataFrame({"quarter": quarters, "tier": "mid", "value": [0.3, 0.35]})
    >>> [words.get_text() for words in slope(shares).texts]
    ['中端 30.0%', '35.0% 中端']
    """
    rows, dimension, measure = _one_measure(frame)
    rows = frames.one_group(rows, ["member"], group).dropna(subset=["value"])
    frames.require_one_base(rows, ["quarter", "member"])
    quarters = sorted(rows["quarter"].unique())
    ax = canvas.open_axes(ax)
    if len(quarters) < 2:
        return canvas.say_no_data(ax, language)
    ends = rows.pivot(index="member", columns="quarter", values="value")
    ends = ends[[quarters[0], quarters[-1]]].dropna()
    called = frames.member_words(dimension, language, words=words, present=rows["member"])
    unit = money_unit(ends.to_numpy().ravel(), language)
    for before, after in ends.to_numpy():
        colour = canvas.ACTUAL if after >= before else canvas.HIGHLIGHT
        ax.plot([0, 1], [before, after], color=colour, marker="o")
    spread = _spread(ends, float(np.ptp(ends.to_numpy())) or 1.0)
    for side, places in enumerate(spread):
        for (member, values), place in zip(ends.iterrows(), places, strict=True):
            name, value = called[str(member)], _formatted(values.iloc[side], measure, unit)
            parts = (name, value) if side == 0 else (value, name)
            ax.text(side + (0.03 if side else -0.03), place, " ".join(parts),
                    ha="left" if side else "right", va="center_baseline")  # fmt: skip
    canvas.without_frame(ax)
    ax.tick_params(labelbottom=True)
    ax.set_xticks([0, 1], [quarters[0], quarters[-1]])
    ax.set_xlim(-0.45, 1.45)
    canvas.name_values(ax, label(measure, language) if measure else "")
    return ax


def _one_measure(frame: Frame) -> tuple[pd.DataFrame, str, str]:
    """Return the rows of the frame's one measure, its dimension and its name ("" if unnamed)."""
    table = frames.to_pandas(frame)
    rows = frames.read_rows(table, ["quarter", "member", "value"], source=_SOURCE, member=_MEMBERS)
    measures = list(rows["measure"].unique()) if "measure" in rows else []
    if len(measures) > 1:
        raise UsageError(
            f"the chart shows one measure, the table holds {len(measures)} "
            f"({', '.join(sorted(measures)[:5])}): keep the rows of one."
        )
    column = next((name for name in _MEMBERS if name in table), "")
    dimension = str(rows["dimension"].iloc[0]) if "dimension" in rows and len(rows) else column
    return rows, dimension, str(measures[0]) if measures else ""


def _spread(ends: pd.DataFrame, span: float) -> list[list[float]]:
    """Return where the names stand at both ends: at their value, moved up where they touch."""
    sides = []
    for column in ends:
        places: dict[str, float] = {}
        free = -np.inf
        for member, value in ends[column].sort_values().items():
            places[str(member)] = free = max(float(value), free)
            free += 0.075 * span
        sides.append([places[str(member)] for member in ends.index])
    return sides


@canvas.in_report_style
def small_multiples(
    frame: Frame,
    *,
    group: object = None,
    words: frames.Words | None = None,
    language: Language = "zh",
    ax: Axes | None = None,
) -> Axes:
    """Draw a value by member over the quarters, one small panel each, all to the same scale.

    The branch is dark, the whole bank lighter; the last value stands at the line's end. At most
    eight panels: the members with the highest values of the last quarter, in their usual order.

    Parameters
    ----------
    frame
        As for `slope`; with `branch_id` the whole bank ("@bank") is drawn behind the branch.
    group
        The group to draw, where the frame has several, such as the branch_id.
    words
        What the members are called, in their order; the shipped policy's words if left out.
    language, ax
        "zh" or "en"; axes whose place the panels take, a new figure if left out.

    Returns
    -------
    Axes
        The first panel.

    Raises
    ------
    UsageError
        A column is missing; the frame holds several groups and `group` names none.

    Examples
    --------
    >>> import pandas as pd
    >>> quarters = ["2026Q2", "2026Q3"]
    >>> shares = pd.DataFrame({"quarter": quarters, "family": "fund", "value": [0.1, 0.12]})
    >>> small_multiples(shares).get_title(loc="left")
    '基金'
    """
    rows, dimension, measure = _one_measure(frame)
    rows = frames.one_group(rows, ["member"], group, beside_bank=True)
    frames.require_one_base(rows, ["quarter", "branch_id", "member"])
    subject = frames.subject_of(rows)
    now = frames.rows_of(frames.last_quarter(rows), subject).dropna(subset=["value"])
    if now.empty:
        return canvas.say_no_data(canvas.open_axes(ax), language)
    largest = set(now.nlargest(_PANEL_ROWS * _PANELS_ABREAST, "value")["member"])
    called = frames.member_words(dimension, language, words=words, present=now["member"])
    members = [member for member in called if member in largest]
    quarters = sorted(rows.dropna(subset=["value"])["quarter"].unique())
    panels = _panels(ax, len(members))
    top = float(rows.loc[rows["member"].isin(members), "value"].max()) or 1.0
    unit = money_unit(now["value"], language)
    for panel, member in zip(panels, members, strict=True):
        for who, colour in ((WHOLE_BANK, canvas.REFERENCE), (subject, canvas.ACTUAL)):
            values = frames.rows_of(rows[rows["member"] == member], who)
            line = values.set_index("quarter")["value"].reindex(quarters)
            panel.plot(range(len(quarters)), line, color=colour, marker="o", markersize=2)
        last = now.loc[now["member"] == member, "value"].iloc[0]
        panel.set_title(called[member], fontsize="small")
        panel.set_title(_formatted(last, measure, unit), loc="right", fontsize="small")
        panel.set(xlim=(-0.3, len(quarters) - 0.7), ylim=(0, top * 1.08))
        canvas.only_the_zero_line(panel)
        panel.set_xticks([])
    ends = sorted({0, len(quarters) - 1})
    panels[0].set_xticks(ends, [quarters[end] for end in ends], fontsize="x-small")
    return panels[0]


def _formatted(value: float, measure: str, unit: Unit) -> str:
    """Return a value as its measure is printed; a share if the measure has no name."""
    if not measure:
        return format_share(value)
    if measure_words(measure).kind == "money":
        return unit.short.format(format_money(value, unit))
    return format_measure(value, measure)


def _panels(ax: Axes | None, count: int) -> list[Axes]:
    """Return so many panels to the same scale, in the place of axes or in a new figure."""
    down = -(-count // _PANELS_ABREAST)
    if ax is None:
        size = (canvas.FULL_WIDTH / 2.54, (0.4 + 2.3 * down) / 2.54)
        ax = plt.subplots(figsize=size, layout="none")[1]
        room = 0.4 / (0.4 + 2.3 * down)
        ax.figure.subplots_adjust(left=0.02, right=0.98, bottom=room * 1.1, top=1 - room * 1.4)
    place = canvas.open_axes(ax).get_subplotspec()
    if place is None:
        raise UsageError("small_multiples() takes axes that stand in a grid, as subplots() makes.")
    drawn = ax.figure
    ax.remove()
    grid = place.subgridspec(down, _PANELS_ABREAST, hspace=0.7, wspace=0.1)
    return [
        canvas.dressed(drawn.add_subplot(grid[at // _PANELS_ABREAST, at % _PANELS_ABREAST]))
        for at in range(count)
    ]
