"""Charts of what moved: the growth bridge, the flow through dormancy, quarters side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from stockcust_analysis.errors import UsageError
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.charts_canvas import (
    ACTUAL,
    FULL_WIDTH,
    HIGHLIGHT,
    MUTED,
    REFERENCE,
    name_values,
    narrowness,
    only_the_zero_line,
    open_axes,
    require_known,
    rows_of,
    say_no_data,
    subject_of,
    without_frame,
)
from stockcust_analysis.show.figures import use_style
from stockcust_analysis.show.labels import Words, label, measure_words, member_words, names
from stockcust_analysis.show.units import (
    format_count,
    format_measure,
    format_money,
    format_share,
    money_unit,
    unit_note,
)

_NARROW = 1.5
_PLOT_ROWS, _PANELS_ABREAST = 2, 4
DORMANT_FLOW = (
    "dormant_opening", "newly_dormant", "dormant_arrived", "reactivated", "dormant_moved",
    "dormant_left", "dormant_closing",
)  # fmt: skip
_DORMANT_ENDS = ("dormant_opening", "dormant_closing")
_FALLS = ("reactivated", "dormant_moved", "dormant_left")


def bridge_chart(frame: pd.DataFrame, *, language: Language = "zh", ax: Axes | None = None) -> Axes:
    """Draw what moved assets from opening to closing as a waterfall, and the net of it all.

    The zero line is the opening amount, named above with the closing one: what moves in a quarter
    is small beside what is there. What came is lighter, what went is orange, each with its amount
    and beginning where the one before ended; the net change is dark and stands on the zero line.

    Parameters
    ----------
    frame
        Growth bridge of one branch on one structure: component, amount (CNY), in order.
    language, ax
        Language of the words; axes to draw on, a new figure if left out.

    >>> steps = pd.DataFrame({"component": ["opening", "new", "drained", "closing"],
    ...     "amount": [1e6, 4e5, -1e5, 1.3e6]})
    >>> [words.get_text() for words in bridge_chart(steps).texts]
    ['+40.0', '-10.0', '+30.0']
    """
    require_known(frame["component"], names("component"), "the bridge")
    amounts = dict(zip(frame["component"], frame["amount"].astype(float), strict=True))
    ends = {name: amounts.pop(name, 0.0) for name in ("opening", "closing")}
    ax = open_axes(ax)
    if not {*ends} <= {*frame["component"]}:
        return say_no_data(ax, language)
    unit = money_unit([ends["closing"] or ends["opening"]], language)
    # A step too small to be printed in this unit is not drawn; the table tells it.
    printed = {name: format_money(amount, unit) for name, amount in amounts.items()}
    steps = [name for name, text in printed.items() if text.strip("-0.,")]
    moved = [*(amounts[name] for name in steps), ends["closing"] - ends["opening"]]
    texts = [format_money(amount, unit) for amount in moved]
    signed = [
        text if amount <= 0 else f"+{text}" for amount, text in zip(moved, texts, strict=True)
    ]
    _waterfall(ax, moved, [*(False for _ in steps), True], signed)
    words = [label(each, language, within="component_short") for each in (*steps, "net")]
    ax.set_xticks(range(len(words)), words)
    told = {name: format_money(amount, unit) for name, amount in ends.items()}
    name_values(ax, label("bridge_ends", language, within="word").format(**told))
    name_values(ax, unit_note(unit, language), side="right")
    return ax


def dormancy_flow(
    frame: pd.DataFrame, *, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw how the dormant of last quarter became those of this one, in customers.

    Parameters
    ----------
    frame
        Measure table of one branch and quarter with the stock and flow of dormant customers:
        `dormant_opening`, `newly_dormant`, `dormant_arrived`, `reactivated`, `dormant_moved`,
        `dormant_left`, `dormant_closing`.
    language, ax
        Language of the words; axes to draw on, a new figure if left out.

    >>> table = pd.DataFrame({"measure": ["dormant_opening", "newly_dormant", "reactivated",
    ...     "dormant_closing"], "value": [10.0, 3.0, 1.0, 12.0]})
    >>> [words.get_text() for words in dormancy_flow(table).texts]
    ['10', '+3', '-1', '12']
    """
    rows = frame[frame["measure"].isin(DORMANT_FLOW)]
    values = rows.set_index("measure")["value"].astype(float)
    values = values.reindex(list(DORMANT_FLOW)).dropna()
    values = values[(values != 0) | values.index.isin(_DORMANT_ENDS)]
    ends = [name in _DORMANT_ENDS for name in values.index]
    ax = open_axes(ax)
    if not any(ends):
        return say_no_data(ax, language)
    signed = [-value if name in _FALLS else value for name, value in values.items()]
    texts = [format_count(value) if end else f"{value:+,.0f}"
             for value, end in zip(signed, ends, strict=True)]  # fmt: skip
    _waterfall(ax, signed, ends, texts)
    words = [label(str(name), language, within="dormant_step") for name in values.index]
    size = "x-small" if narrowness(ax) > _NARROW else "medium"
    ax.set_xticks(range(len(words)), words, fontsize=size)
    return ax


def _waterfall(
    ax: Axes, amounts: Sequence[float], ends: Sequence[bool], texts: Sequence[str]
) -> None:
    """Draw columns from zero at both ends, and steps that hang between them."""
    level, tops, levels = 0.0, [], [0.0]
    for place, (amount, end) in enumerate(zip(amounts, ends, strict=True)):
        start = 0.0 if end else level
        colour = ACTUAL if end else REFERENCE if amount > 0 else HIGHLIGHT
        ax.bar(place, amount, bottom=start, width=0.62, color=colour)
        level = start + amount
        tops.append(max(start, level))
        levels.append(level)
        if place + 1 < len(amounts):
            ax.plot([place - 0.31, place + 1.31], [level, level], color=MUTED, linewidth=0.5)
    lowest, room = min(levels), 0.16 * max(np.ptp([*levels, *tops]), 1e-9)
    for place, (top, text) in enumerate(zip(tops, texts, strict=True)):
        ax.text(place, top + 0.15 * room, text, ha="center", va="bottom")
    ax.set(xlim=(-0.6, len(amounts) - 0.4), ylim=(lowest, max(tops) + room))
    only_the_zero_line(ax)
    if lowest < 0:
        ax.spines["bottom"].set_visible(False)
        ax.axhline(0, color=MUTED, linewidth=0.8)


def small_multiples(
    frame: pd.DataFrame,
    *,
    language: Language = "zh",
    ax: Axes | None = None,
    words: Words | None = None,
) -> Axes:
    """Draw a share by member over the quarters, one small panel each, all to the same scale.

    The branch is dark, the whole bank lighter; the last value stands at the line's end. At most
    eight panels: the members with the highest values of the last quarter, in their usual order.

    Parameters
    ----------
    frame
        Measure table of one measure and dimension, the branch and the bank, several quarters.
    language
        Language of the words.
    ax
        Axes whose place the panels take; a new figure if left out.
    words
        What the policy calls the members, in its order; left out, as the shipped policy does.

    >>> table = pd.DataFrame([("2026Q2", "B01", "family", "fund", "penetration", "funded", 0.1),
    ...     ("2026Q3", "B01", "family", "fund", "penetration", "funded", 0.12)],
    ...     columns=["quarter", "branch_id", "dimension", "member", "measure", "base", "value"])
    >>> small_multiples(table).get_title(loc="left")
    '基金'
    """
    subject = subject_of(frame)
    rows = frame.dropna(subset=["value"])
    now = rows_of(rows[rows["quarter"] == frame["quarter"].max()], subject)
    if now.empty:
        return say_no_data(open_axes(ax), language)
    dimension, measure = str(now["dimension"].iloc[0]), str(now["measure"].iloc[0])
    largest = now.nlargest(_PLOT_ROWS * _PANELS_ABREAST, "value")["member"]
    known = member_words(dimension, language, words=words, present=now["member"])
    members = [member for member in known if member in set(largest)]
    quarters = sorted(rows["quarter"].unique())
    panels = _panels(ax, len(members))
    top = float(rows.loc[rows["member"].isin(members), "value"].max()) or 1.0
    for panel, member in zip(panels, members, strict=True):
        for who, colour in ((WHOLE_BANK, REFERENCE), (subject, ACTUAL)):
            told = rows[(rows["member"] == member) & (rows["branch_id"] == who)]
            line = told.set_index("quarter")["value"].reindex(quarters).astype(float)
            panel.plot(range(len(quarters)), line, color=colour, marker="o", markersize=2)
        last = now.loc[now["member"] == member, "value"].iloc[0]
        panel.set_title(known[member], fontsize="small")
        panel.set_title(format_measure(last, measure), loc="right", fontsize="small")
        panel.set(xlim=(-0.3, len(quarters) - 0.7), ylim=(0, top * 1.08))
        only_the_zero_line(panel)
        panel.set_xticks([])
    ends = sorted({0, len(quarters) - 1})
    panels[0].set_xticks(ends, [quarters[end] for end in ends], fontsize="x-small")
    return panels[0]


def _panels(ax: Axes | None, count: int) -> list[Axes]:
    """Return so many panels to the same scale, in the place of axes or in a new figure."""
    down = -(-count // _PANELS_ABREAST)
    if ax is None:
        use_style()
        size = (FULL_WIDTH / 2.54, (0.4 + 2.3 * down) / 2.54)
        ax = plt.subplots(figsize=size, layout="none")[1]
        room = 0.4 / (0.4 + 2.3 * down)
        ax.figure.subplots_adjust(left=0.02, right=0.98, bottom=room * 1.1, top=1 - room * 1.4)
    drawn, place = ax.figure, ax.get_subplotspec()
    ax.remove()
    if place is None:
        raise UsageError("small_multiples() takes axes that stand in a grid, as subplots() makes.")
    grid = place.subgridspec(down, _PANELS_ABREAST, hspace=0.7, wspace=0.1)
    return [
        drawn.add_subplot(grid[at // _PANELS_ABREAST, at % _PANELS_ABREAST]) for at in range(count)
    ]


def slope_chart(
    frame: pd.DataFrame,
    *,
    language: Language = "zh",
    ax: Axes | None = None,
    words: Words | None = None,
) -> Axes:
    """Draw how a share moved from one quarter to another, one line for each member.

    Rising lines are dark, falling ones orange; names and values stand at both ends.

    Parameters
    ----------
    frame
        Measure table of one branch, measure and dimension; its first and last quarter are drawn.
    language, ax
        Language of the words; axes to draw on, a new figure if left out.
    words
        What the policy calls the members, in its order; left out, as the shipped policy does.

    >>> table = pd.DataFrame({"quarter": ["2025Q3", "2026Q3"], "branch_id": "B01",
    ...     "dimension": "tier", "member": "mid", "measure": "tier_aum_share",
    ...     "value": [0.3, 0.35]})
    >>> [words.get_text() for words in slope_chart(table).texts]
    ['中端 30.0%', '35.0% 中端']
    """
    ax = open_axes(ax)
    quarters = sorted(frame.dropna(subset=["value"])["quarter"].unique())
    if len(quarters) < 2:
        return say_no_data(ax, language)
    ends = frame.pivot(index="member", columns="quarter", values="value")
    ends = ends[[quarters[0], quarters[-1]]].astype(float).dropna()
    dimension = str(frame["dimension"].iloc[0])
    known = member_words(dimension, language, words=words, present=ends.index)
    for before, after in ends.to_numpy():
        colour = ACTUAL if after >= before else HIGHLIGHT
        ax.plot([0, 1], [before, after], color=colour, marker="o")
    spread = _spread(ends, float(np.ptp(ends.to_numpy())) or 1.0)
    for side, places in enumerate(spread):
        for (member, values), place in zip(ends.iterrows(), places, strict=True):
            name, value = known[str(member)], values.iloc[side]
            parts = (name, format_share(value)) if side == 0 else (format_share(value), name)
            ax.text(side + (0.03 if side else -0.03), place, " ".join(parts),
                    ha="left" if side else "right", va="center_baseline")  # fmt: skip
    without_frame(ax)
    ax.tick_params(labelbottom=True)
    ax.set_xticks([0, 1], [quarters[0], quarters[-1]])
    ax.set_xlim(-0.45, 1.45)
    name_values(ax, measure_words(str(frame["measure"].iloc[0])).zh if language == "zh" else
                measure_words(str(frame["measure"].iloc[0])).en)  # fmt: skip
    return ax


def _spread(ends: pd.DataFrame, span: float) -> list[list[float]]:
    """Return where the names stand at both ends: at their value, moved up where they touch."""
    sides = []
    for column in ends:
        order = ends[column].sort_values()
        places: dict[str, float] = {}
        free = -np.inf
        for member, value in order.items():
            places[str(member)] = free = max(float(value), free)
            free += 0.075 * span
        sides.append([places[str(member)] for member in ends.index])
    return sides
