"""Charts of what moved between two dates: dormant customers, assets, tiers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.show import canvas, wording
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.canvas import Source

_STEPS = Source("dormancy_flow(opening, closing, rule)", measures=wording.names("dormant_step"))
_BRIDGE = Source("growth_bridge(opening, closing)", ["component", "amount"], key=["component"])
# Two groups may have no move in common: a table of moves has no key.
_MOVES = Source("migration_matrix(opening, closing, scheme=…)", ["from", "to", "customers"])
_DORMANT_ENDS = ("dormant_opening", "dormant_closing")
_FALLS = ("reactivated", "dormant_moved", "dormant_left")


@canvas.chart
def dormancy_flow(
    frame: Frame, *, group: object = None, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw how the dormant of last quarter became those of this one, in customers.

    Parameters
    ----------
    frame
        What `dormancy_flow` returns: measure (`dormant_opening`, `newly_dormant`,
        `dormant_arrived`, `reactivated`, `dormant_moved`, `dormant_left`, `dormant_closing`),
        value. With `quarter` the last one is drawn.
    group
        The group to draw, where the frame has several: a value of `by`, or a tuple of them.
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
    >>> flow = pd.DataFrame({"measure": ["dormant_opening", "newly_dormant", "reactivated",
    ...     "dormant_closing"], "value": [10.0, 3.0, 1.0, 12.0]})
    >>> [words.get_text() for words in dormancy_flow(flow).texts]
    ['10', '+3', '-1', '12']
    """
    values = canvas.values_by("measure", _STEPS.read(frame, group), _STEPS.measures).dropna()
    values = values[(values != 0) | values.index.isin(_DORMANT_ENDS)]
    ends = [name in _DORMANT_ENDS for name in values.index]
    ax = canvas.axes_for([end for end in ends if end], ax)
    signed = [-value if name in _FALLS else value for name, value in values.items()]
    texts = [
        wording.format_count(value) if end else f"{value:+,.0f}"
        for value, end in zip(signed, ends, strict=True)
    ]
    _draw_waterfall(ax, signed, ends, texts)
    words = [wording.text(name, language, within="dormant_step") for name in values.index]
    size = "x-small" if canvas.narrowness(ax) > canvas.NARROW else "medium"
    ax.set_xticks(range(len(words)), words, fontsize=size)
    return ax


@canvas.chart
def bridge(
    frame: Frame, *, group: object = None, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw what moved assets from opening to closing as a waterfall, and the net of it all.

    The zero line is the opening amount, named above with the closing one: what moves in a quarter
    is small beside what is there. What came is lighter, what went is orange, each with its amount
    and beginning where the one before ended; the net change is dark and stands on the zero line.

    Parameters
    ----------
    frame
        What `growth_bridge` returns: component (with `opening` and `closing`), amount (CNY), in
        order. Components of other names are drawn under their own.
    group
        The group to draw, where the frame has several: a value of `by`, or a tuple of them.
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
    >>> steps = pd.DataFrame({"component": ["opening", "new", "drained", "closing"],
    ...     "amount": [1e6, 4e5, -1e5, 1.3e6]})
    >>> [words.get_text() for words in bridge(steps).texts]
    ['+40.0', '-10.0', '+30.0']
    """
    rows = _BRIDGE.read(frame, group)
    amounts = dict(zip(rows["component"], rows["amount"], strict=True))
    ax = canvas.axes_for(amounts if {"opening", "closing"} <= set(amounts) else {}, ax)
    ends = {name: amounts.pop(name) for name in ("opening", "closing")}
    unit = wording.bridge_unit(ends["closing"] or ends["opening"], rows["amount"], language)
    # A step too small to be printed in this unit is not drawn; the table tells it.
    steps = {n: a for n, a in amounts.items() if wording.format_money(a, unit).strip("-0.,")}
    steps["net"] = ends["closing"] - ends["opening"]
    texts = [f"{'+' if a > 0 else ''}{wording.format_money(a, unit)}" for a in steps.values()]
    _draw_waterfall(ax, list(steps.values()), [name == "net" for name in steps], texts)
    known = wording.member_words("component_short", language, present=steps)
    ax.set_xticks(range(len(steps)), [known[name] for name in steps])
    printed = {name: wording.format_money(amount, unit) for name, amount in ends.items()}
    canvas.name_values(ax, canvas.word("bridge_ends", language).format(**printed))
    canvas.name_values(ax, wording.unit_note(unit, language), side="right")
    return ax


def _draw_waterfall(
    ax: Axes, amounts: Sequence[float], ends: Sequence[bool], texts: Sequence[str]
) -> None:
    """Draw columns from zero at both ends, and steps that hang between them."""
    level, tops, levels = 0.0, [], [0.0]
    for position, (amount, end) in enumerate(zip(amounts, ends, strict=True)):
        start = 0.0 if end else level
        colour = canvas.ACTUAL if end else canvas.REFERENCE if amount > 0 else canvas.HIGHLIGHT
        ax.add_patch(Rectangle((position - 0.31, start), 0.62, amount, facecolor=colour))
        level = start + amount
        tops.append(max(start, level))
        levels.append(level)
        if position + 1 < len(amounts):
            across = [position - 0.31, position + 1.31]
            ax.plot(across, [level, level], color=canvas.MUTED, linewidth=0.5)
    lowest, room = min(levels), 0.16 * max(np.ptp([*levels, *tops]), 1e-9)
    for position, (top, words) in enumerate(zip(tops, texts, strict=True)):
        ax.text(position, top + 0.15 * room, words, ha="center", va="bottom")
    ax.set(xlim=(-0.6, len(amounts) - 0.4), ylim=(lowest, max(tops) + room))
    canvas.only_the_zero_line(ax)
    if lowest < 0:
        ax.spines["bottom"].set_visible(False)
        ax.axhline(0, color=canvas.MUTED, linewidth=0.8)


@canvas.chart
def migration(
    frame: Frame,
    *,
    group: object = None,
    words: wording.Words | None = None,
    language: Language = "zh",
    ax: Axes | None = None,
) -> Axes:
    """Draw who went from which tier (rows) to which (columns), in customers.

    A cell's shade is its part of the row: it tells how many of a tier's customers went there.

    Parameters
    ----------
    frame
        What `migration_matrix` returns: from, to (tiers and states), customers.
    group
        The group to draw, where the frame has several: a value of `by`, or a tuple of them.
    words
        What the tiers are called, from the lowest up; the shipped policy's words if left out.
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
    >>> moves = pd.DataFrame({"from": ["mid", "mid"], "to": ["mid", "high"], "customers": [9, 1]})
    >>> [words.get_text() for words in migration(moves).texts]
    ['1', '9']
    """
    rows, tiers, states = _read_moves(frame, group, words, language)
    ax = canvas.axes_for(rows, ax)
    # All tiers, so that the picture of a branch with one tier is not one large cell.
    starts, ends = (
        [*tiers, *(state for state in states if state in set(rows[side]))]
        for side in ("from", "to")
    )
    counts = rows.pivot_table(index="from", columns="to", values="customers", aggfunc="sum")
    counts = counts.reindex(index=starts, columns=ends).fillna(0)
    counts = counts.rename(index=tiers | states, columns=tiers | states)
    parts = counts.div(counts.sum(axis=1).replace(0, 1), axis=0)
    texts = counts.map(lambda n: wording.format_count(n) if n else "")
    tilted = language == "en" and canvas.narrowness(ax) > canvas.NARROW
    canvas.add_note(ax, "shade", language)
    return canvas.shade_cells(ax, parts, texts, tilted=tilted)


@canvas.chart
def migration_flow(
    frame: Frame,
    *,
    group: object = None,
    words: wording.Words | None = None,
    language: Language = "zh",
    ax: Axes | None = None,
) -> Axes:
    """Draw the moves between tiers as bands from left to right, those who stayed pale.

    A band is as broad as the square root of its customers, so that a single customer is seen
    beside a thousand; the numbers stand at the ends. Rises are dark, falls orange.

    Parameters
    ----------
    frame
        What `migration_matrix` returns: from, to (tiers and states), customers.
    group
        The group to draw, where the frame has several: a value of `by`, or a tuple of them.
    words
        What the tiers are called, from the lowest up; the shipped policy's words if left out.
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
    >>> moves = pd.DataFrame({"from": ["mid", "mid"], "to": ["mid", "high"], "customers": [9, 1]})
    >>> [words.get_text() for words in migration_flow(moves).texts]
    ['中端 10', '高端 1', '中端 9']
    """
    rows, tiers, states = _read_moves(frame, group, words, language)
    ax = canvas.axes_for(rows, ax)
    members = tiers | states
    order = {name: rank for rank, name in enumerate(members)}
    rows = rows.assign(breadth=np.sqrt(rows["customers"]))
    rows = rows.sort_values(["from", "to"], key=lambda column: column.map(order))
    gap = 0.06 * float(rows["breadth"].sum())
    sides, tops = {}, {}
    for side in ("from", "to"):
        totals = rows.groupby(side)[["breadth", "customers"]].sum()
        sides[side] = totals.loc[[name for name in members if name in totals.index]]
        room = sides[side]["breadth"].clip(lower=gap) + gap / 2  # for each name
        tops[side] = dict(room - room.cumsum())
    used = {side: dict(levels) for side, levels in tops.items()}
    for start, end, breadth in rows[["from", "to", "breadth"]].itertuples(index=False):
        left, right = used["from"][start], used["to"][end]
        used["from"][start] -= breadth
        used["to"][end] -= breadth
        rise = order[start] - order[end] if {start, end} <= set(tiers) else 0
        colour = canvas.ACTUAL if rise > 0 else canvas.HIGHLIGHT if rise < 0 else canvas.REFERENCE
        _draw_band(ax, left, right, breadth, colour, alpha=0.35 if start == end else 0.85)
    for x, align, side in ((-0.02, "right", "from"), (1.02, "left", "to")):
        for name, breadth, customers in sides[side].itertuples():
            label = f"{members[name]} {wording.format_count(customers)}"
            canvas.write(ax, x, tops[side][name] - breadth / 2, label, ha=align)
    canvas.without_frame(ax)
    lowest = min(level for levels in used.values() for level in levels.values())
    ax.set(xlim=(-0.42, 1.42), ylim=(lowest, 0.5))
    canvas.name_values(ax, canvas.word("flow", language))
    return ax


def _read_moves(
    frame: Frame, group: object, words: wording.Words | None, language: Language
) -> tuple[pd.DataFrame, dict[str, str], dict[str, str]]:
    """Return the moves that happened, the tiers from the top down and the states, with words."""
    rows, states = _MOVES.read(frame, group), wording.member_words("state", language)
    present = [name for name in _list_names(rows) if name not in states]
    tiers = wording.member_words("tier", language, words=words, present=present)
    return rows[rows["customers"] > 0], dict(reversed(tiers.items())), states


def _list_names(rows: pd.DataFrame) -> list[str]:
    """Return the names on both sides in the order the table keeps on each of them."""
    order = list(dict.fromkeys(rows["from"]))
    for _, ends in rows.groupby("from", sort=False)["to"]:
        position = 0
        for name in ends:
            if name not in order:
                order.insert(position, name)
            position = max(position, order.index(name) + 1)
    return order


def _draw_band(
    ax: Axes, left: float, right: float, breadth: float, colour: str, *, alpha: float
) -> None:
    """Draw one band from the left to the right, in a calm curve."""
    upper = [(0.0, left), (0.5, left), (0.5, right), (1.0, right)]
    points = [*upper, *[(x, level - breadth) for x, level in reversed(upper)], (0.0, left)]
    curve = [Path.MOVETO, *(Path.CURVE4,) * 3, Path.LINETO, *(Path.CURVE4,) * 3, Path.CLOSEPOLY]
    ax.add_patch(PathPatch(Path(points, curve), facecolor=colour, alpha=alpha, edgecolor="none"))
