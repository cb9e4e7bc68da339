"""Charts over the quarters: statuses, assets, shares from one quarter to another, panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show import canvas, wording
from stockcust_analysis.show.blocks import Language

_AUM_SHARES = ("silent_aum_share", "dormant_aum_share")
_STATUSES = canvas.Source(
    "dormancy_rate(customers, rule, as_of=…)",
    measures=(*wording.STATUS_RATES, *_AUM_SHARES),
    last_quarter=False,
)
_ASSETS = canvas.Source(
    "evaluate(bank, …).measures", ["quarter"], measures=[wording.AVERAGE], last_quarter=False
)
_SHARES = canvas.Source(
    _ASSETS.call,
    ["quarter", "member", "value"],
    key=["member"],
    member=["tier", "family", "families"],
    last_quarter=False,
)
_PANELS = replace(_SHARES, beside_bank=True)
_PANEL_ROWS, _PANELS_ABREAST = 2, 4
_COLOURS = (canvas.ACTUAL, canvas.REFERENCE, canvas.PALE_HIGHLIGHT, canvas.HIGHLIGHT)
_STATUS_COLOURS = dict(zip(wording.names("status"), _COLOURS, strict=True))
_NARROWEST_LABELLED = 0.08
_THICK, _THIN = 0.62, 0.34
_CLOSE, _APART = 0.12, 0.34


class _Bar(NamedTuple):
    """One bar of 100 %: its name, the share of each status, its thickness, the room below it."""

    name: str
    shares: dict[str, float]
    thick: float = _THICK
    room: float = _APART


@canvas.chart
def dormancy(
    frame: Frame,
    *,
    group: object = None,
    words: wording.Words | None = None,
    language: Language = "zh",
    ax: Axes | None = None,
) -> Axes:
    """Draw who is active, silent and dormant, by customers and by assets, as bars of 100 %.

    With several quarters the last has the broad bar, the one before a narrow one below it. Assets
    have no part of their own for small balances: there, active takes all that is neither silent
    nor dormant. A frame of several groups gives one bar of customers for each of them.

    Parameters
    ----------
    frame
        What `dormancy_rate` returns: measure (`active_rate`, `active_small_rate`, `silent_rate`,
        `dormancy_rate`, `inactive_rate`, `silent_aum_share`, `dormant_aum_share`), value. With
        `quarter` the last two are drawn.
    group
        The only group to draw, where the frame has several: a value of `by`, or a tuple of them.
    words
        What the groups are called; tiers have the shipped policy's words if left out.
    language, ax
        "zh" or "en"; axes to draw on, a new figure if left out.

    Returns
    -------
    Axes
        The axes drawn on.

    Raises
    ------
    UsageError
        A column is missing; the frame holds several bases; an unknown group.

    Examples
    --------
    >>> import pandas as pd
    >>> names = ["active_rate", "active_small_rate", "silent_rate", "dormancy_rate"]
    >>> rates = pd.DataFrame({"measure": names, "value": [0.5, 0.2, 0.25, 0.05]})
    >>> [words.get_text() for words in dormancy(rates).texts][:2]
    ['50.0%', '20.0%']
    """
    rows = _STATUSES.read_all(frame)
    groups = _STATUSES.group_columns(rows) if group is None else []
    if groups:
        bars = _bars_of_groups(canvas.last_quarter(rows), groups, language, words)
    else:
        bars = _bars_of_quarters(_STATUSES.choose_group(rows, group), language)
    ax = canvas.axes_for(bars, ax, 0.9 + 0.72 * len(bars) if groups and bars else None)
    top, ticks = 0.0, []
    for bar in bars:
        ticks.append(top - bar.thick / 2)
        _draw_bar(ax, ticks[-1], bar, language)
        top -= bar.thick + bar.room
    canvas.without_frame(ax, ticks, [bar.name for bar in bars])
    ax.set(xlim=(0, 1.4), ylim=(top + 0.24, 0.1))
    words = wording.member_words("status", language)
    handles = [Patch(color=colour, label=words[name]) for name, colour in _STATUS_COLOURS.items()]
    key = ax.legend(handles=handles, loc="lower left", ncols=4, borderpad=0, handlelength=0.8)
    key.set_bbox_to_anchor((0, 1), transform=ax.transAxes)
    return ax


def _bars_of_quarters(rows: pd.DataFrame, language: Language) -> list[_Bar]:
    """Return the bars of customers and of assets, the latest first, undefined ones left out."""
    quarters = sorted(rows["quarter"].unique(), reverse=True)[:2]
    bars = []
    for key, measures in (("customers", wording.STATUS_RATES), ("aum", _AUM_SHARES)):
        for quarter in quarters:
            shares = _status_shares(rows[rows["quarter"] == quarter], measures)
            name = f"{canvas.word(key, language)} {quarter}".strip()
            latest = quarter == quarters[0]
            room = _CLOSE if latest and len(quarters) > 1 else _APART
            bars += [_Bar(name, shares, _THICK if latest else _THIN, room)] if shares else []
    return bars


def _bars_of_groups(
    rows: pd.DataFrame, groups: list[str], language: Language, words: wording.Words | None
) -> list[_Bar]:
    """Return one bar of customers for each group, in the order of its words or of the table."""
    shares = {
        " · ".join(map(str, key)): _status_shares(own, wording.STATUS_RATES)
        for key, own in rows.groupby(groups, sort=False, dropna=False)
    }
    labels = {name: name for name in shares}
    if len(groups) == 1:
        labels = wording.member_words(groups[0], language, words=words, present=shares)
    return [_Bar(label, shares[name]) for name, label in labels.items() if shares.get(name)]


def _status_shares(rows: pd.DataFrame, measures: Sequence[str]) -> dict[str, float]:
    """Return the share of customers or of assets by status; empty where one is undefined."""
    shares = canvas.values_by("measure", rows[rows["measure"].isin(measures)], measures)
    if shares.isna().any():
        return {}
    if measures is not _AUM_SHARES:
        return dict(zip(wording.names("status"), shares, strict=True))
    silent, dormant = shares
    return {"active": 1 - silent - dormant, "silent": silent, "dormant": dormant}


def _draw_bar(ax: Axes, height: float, bar: _Bar, language: Language) -> None:
    """Draw one bar; the parts to act on, silent and dormant, are always named at its right end."""
    start, named = 0.0, []
    for status, share in bar.shares.items():
        part = canvas.draw_bar(ax, start, height, share, bar.thick, _STATUS_COLOURS[status])
        part.set(edgecolor="white", linewidth=0.6)
        text = wording.format_share(share)
        if not status.startswith("active"):
            named.append(f"{wording.text(status, language, within='status')} {text}")
        elif share >= _NARROWEST_LABELLED:
            letters = "white" if status == "active" else "black"
            canvas.write(ax, start + share / 2, height, text, ha="center", color=letters)
        start += share
    canvas.write(ax, 1.015, height, " · ".join(named))


@canvas.chart
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
    rows = _ASSETS.read(frame, group)
    values = canvas.values_by("quarter", rows, sorted(rows["quarter"]))
    ax = canvas.axes_for(values.dropna(), ax)
    unit = wording.money_unit(values, language)
    colours = [canvas.REFERENCE] * (len(values) - 1) + [canvas.ACTUAL]
    # Few quarters keep the width that many have: a lone column is not a wall.
    margin = max(0.0, (6 - len(values)) / 2)
    columns = ax.bar(range(len(values)), values.fillna(0), width=0.62, color=colours)
    ax.bar_label(columns, [wording.format_money(value, unit) for value in values], padding=2)
    ax.set_xticks(range(len(values)), list(values.index))
    ax.set_xlim(-0.6 - margin, len(values) - 0.4 + margin)
    ax.set_ylim(0, max(float(values.max()), unit.divisor) * 1.12)
    canvas.name_values(ax, wording.unit_note(unit, language), side="right")
    canvas.only_the_zero_line(ax)
    return ax


@canvas.chart
def slope(
    frame: Frame,
    *,
    group: object = None,
    words: wording.Words | None = None,
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
    rows, dimension, measure = _read(_SHARES, frame, group)
    rows = rows.dropna(subset=["value"])
    canvas.require_one_base(rows, ["quarter", "member"])
    quarters = sorted(rows["quarter"].unique())
    ax = canvas.axes_for(quarters[1:], ax)
    ends = rows.pivot(index="member", columns="quarter", values="value")
    ends = ends[[quarters[0], quarters[-1]]].dropna()
    labels = wording.member_words(dimension, language, words=words, present=rows["member"])
    unit = wording.money_unit(ends.to_numpy().ravel(), language)
    for before, after in ends.to_numpy():
        colour = canvas.ACTUAL if after >= before else canvas.HIGHLIGHT
        ax.plot([0, 1], [before, after], color=colour, marker="o")
    span = float(np.ptp(ends.to_numpy())) or 1.0
    for side, (x, align) in enumerate(((-0.03, "right"), (1.03, "left"))):
        heights = spread_names(ends.iloc[:, side], 0.075 * span)
        for member, value in ends.iloc[:, side].items():
            parts = [labels[str(member)], _print_value(value, measure, unit)]
            label = " ".join(reversed(parts) if side else parts)
            canvas.write(ax, x, heights[member], label, ha=align)
    canvas.without_frame(ax)
    ax.tick_params(labelbottom=True)
    ax.set_xticks([0, 1], [quarters[0], quarters[-1]])
    ax.set_xlim(-0.45, 1.45)
    canvas.name_values(ax, wording.text(measure, language) if measure else "")
    return ax


def _read(source: canvas.Source, frame: Frame, group: object) -> tuple[pd.DataFrame, str, str]:
    """Return the rows of the frame's one measure, its dimension and its name ("" if unnamed)."""
    table = canvas.to_pandas(frame)
    rows = source.read_all(table)
    measures = list(rows["measure"].unique()) if "measure" in rows else []
    if len(measures) > 1:
        raise UsageError(say("several_measures", len(measures), [*sorted(measures)[:5]]))
    column = next((name for name in source.member if name in table), "")
    dimension = str(rows["dimension"].iloc[0]) if "dimension" in rows and len(rows) else column
    return source.choose_group(rows, group), dimension, str(measures[0]) if measures else ""


def spread_names(values: pd.Series[float], line: float) -> dict[Any, float]:
    """Return where names stand: at their value, moved up by lines where they touch."""
    heights, free = {}, -np.inf
    for member, value in values.sort_values().items():
        heights[member] = max(float(value), free)
        free = heights[member] + line
    return heights


@canvas.chart
def small_multiples(
    frame: Frame,
    *,
    group: object = None,
    words: wording.Words | None = None,
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
    rows, dimension, measure = _read(_PANELS, frame, group)
    canvas.require_one_base(rows, ["quarter", "branch_id", "member"])
    subject = canvas.subject_of(rows)
    now = canvas.of_branch(canvas.last_quarter(rows), subject).dropna(subset=["value"])
    largest = set(now.nlargest(_PANEL_ROWS * _PANELS_ABREAST, "value")["member"])
    labels = wording.member_words(dimension, language, words=words, present=now["member"])
    members = [member for member in labels if member in largest]
    quarters = sorted(rows.dropna(subset=["value"])["quarter"].unique())
    panels = _make_panels(members, ax)
    top = float(rows.loc[rows["member"].isin(members), "value"].max()) or 1.0
    unit = wording.money_unit(now["value"], language)
    for panel, member in zip(panels, members, strict=True):
        for branch_id, colour in ((WHOLE_BANK, canvas.REFERENCE), (subject, canvas.ACTUAL)):
            values = canvas.of_branch(rows[rows["member"] == member], branch_id)
            line = values.set_index("quarter")["value"].reindex(quarters)
            panel.plot(range(len(quarters)), line, color=colour, marker="o", markersize=2)
        last = now.loc[now["member"] == member, "value"].iloc[0]
        panel.set_title(labels[member], fontsize="small")
        panel.set_title(_print_value(last, measure, unit), loc="right", fontsize="small")
        panel.set(xlim=(-0.3, len(quarters) - 0.7), ylim=(0, top * 1.08))
        canvas.only_the_zero_line(panel)
        panel.set_xticks([])
    ends = sorted({0, len(quarters) - 1})
    panels[0].set_xticks(ends, [quarters[end] for end in ends], fontsize="x-small")
    below = panels[(len(panels) - 1) // _PANELS_ABREAST * _PANELS_ABREAST]
    canvas.note_left_out(below, len(members), now["member"].nunique(), language)
    return panels[0]


def _print_value(value: float, measure: str, unit: wording.Unit) -> str:
    """Return a value as its measure is printed; a share if the measure has no name."""
    if not measure:
        return wording.format_share(value)
    return wording.format_with_unit(value, measure, unit)


def _make_panels(members: Sequence[str], ax: Axes | None) -> list[Axes]:
    """Return a panel for each member, in the place of axes or in a new figure."""
    down = -(-len(members) // _PANELS_ABREAST)
    if ax is None and members:
        height = 1.1 + 2.3 * down
        size = (canvas.FULL_WIDTH / 2.54, height / 2.54)
        ax = plt.subplots(figsize=size, layout="none", subplot_kw=canvas.OWN_AXES)[1]
        # Below stand the quarters and a line on what is left out, above the first panels' names.
        bottom, top = 1.1 / height, 1 - 0.56 / height
        ax.figure.subplots_adjust(left=0.02, right=0.98, bottom=bottom, top=top)
    ax = canvas.axes_for(members, ax)
    cell = ax.get_subplotspec()
    if cell is None:
        raise UsageError(say("panels_take"))
    whole = ax.figure
    ax.remove()
    grid = cell.subgridspec(down, _PANELS_ABREAST, hspace=0.7, wspace=0.1)
    panels = (whole.add_subplot(grid[n], **canvas.OWN_AXES) for n in range(len(members)))
    return [*map(canvas.style_axes, panels)]
