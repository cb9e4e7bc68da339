"""Charts between two dates: what moved the assets, and who went from which tier to which."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.show import chart_frames as frames
from stockcust_analysis.show import charts_canvas as canvas
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.labels import label, names
from stockcust_analysis.show.units import format_count, format_money, money_unit, unit_note

_NARROW = 1.5
"""From so narrow a figure on, English names are set aslant."""


@canvas.in_report_style
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
    rows = frames.read_rows(
        frame, ["component", "amount"], source="growth_bridge(opening, closing)"
    )
    rows = frames.one_group(frames.last_quarter(rows), ["component"], group)
    amounts = dict(zip(rows["component"], rows["amount"], strict=True))
    has_ends = {"opening", "closing"} <= set(amounts)
    ends = {name: amounts.pop(name, 0.0) for name in ("opening", "closing")}
    ax = canvas.open_axes(ax)
    if not has_ends:
        return canvas.say_no_data(ax, language)
    unit = money_unit([ends["closing"] or ends["opening"]], language)
    # A step too small to be printed in this unit is not drawn; the table tells it.
    printed = {name: format_money(amount, unit) for name, amount in amounts.items()}
    steps = [name for name, text in printed.items() if text.strip("-0.,")]
    moved = [*(amounts[name] for name in steps), ends["closing"] - ends["opening"]]
    texts = [format_money(amount, unit) for amount in moved]
    signed = [
        text if amount <= 0 else f"+{text}" for amount, text in zip(moved, texts, strict=True)
    ]
    canvas.waterfall(ax, moved, [*(False for _ in steps), True], signed)
    known = names("component_short")
    words = [label(name, language, within="component_short") if name in known else name
             for name in (*steps, "net")]  # fmt: skip
    ax.set_xticks(range(len(words)), words)
    amounts_at = {name: format_money(amount, unit) for name, amount in ends.items()}
    canvas.name_values(ax, label("bridge_ends", language, within="word").format(**amounts_at))
    canvas.name_values(ax, unit_note(unit, language), side="right")
    return ax


@canvas.in_report_style
def migration(
    frame: Frame,
    *,
    group: object = None,
    words: frames.Words | None = None,
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
    rows, tiers, states = _moves(frame, group, words, language)
    ax = canvas.open_axes(ax)
    if rows.empty:
        return canvas.say_no_data(ax, language)
    # All tiers, so that the picture of a branch with one tier is not one large cell.
    starts, ends = (
        [*tiers, *(state for state in states if state in set(rows[side]))]
        for side in ("from", "to")
    )
    counts = rows.pivot_table(index="from", columns="to", values="customers", aggfunc="sum")
    counts = counts.reindex(index=starts, columns=ends).fillna(0)
    parts = counts.div(counts.sum(axis=1).replace(0, 1), axis=0)
    texts = counts.map(lambda n: format_count(n) if n else "")
    called = tiers | states
    tilted = language == "en" and canvas.narrowness(ax) > _NARROW
    return canvas.shaded_cells(
        ax, parts, texts, down=[called[name] for name in starts],
        across=[called[name] for name in ends], tilted=tilted,
    )  # fmt: skip


@canvas.in_report_style
def migration_flow(
    frame: Frame,
    *,
    group: object = None,
    words: frames.Words | None = None,
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
    rows, tiers, states = _moves(frame, group, words, language)
    ax = canvas.open_axes(ax)
    if rows.empty:
        return canvas.say_no_data(ax, language)
    called = tiers | states
    order = {name: rank for rank, name in enumerate(called)}
    rows = rows.assign(
        breadth=np.sqrt(rows["customers"]), a=rows["from"].map(order), b=rows["to"].map(order)
    ).sort_values(["a", "b"])
    sides = {}
    for side in ("from", "to"):
        totals = rows.groupby(side)[["breadth", "customers"]].sum()
        sides[side] = totals.loc[[name for name in called if name in totals.index]]
    gap = 0.06 * float(rows["breadth"].sum())
    tops = {side: _tops(totals["breadth"], gap) for side, totals in sides.items()}
    used = {side: dict(places) for side, places in tops.items()}
    for start, end, breadth in rows[["from", "to", "breadth"]].itertuples(index=False):
        left, right = used["from"][start], used["to"][end]
        used["from"][start] -= breadth
        used["to"][end] -= breadth
        rise = order[start] - order[end] if {start, end} <= set(tiers) else 0
        colour = canvas.ACTUAL if rise > 0 else canvas.HIGHLIGHT if rise < 0 else canvas.REFERENCE
        _band(ax, left, right, breadth, colour, alpha=0.35 if start == end else 0.85)
    for x, align, side in ((-0.02, "right", "from"), (1.02, "left", "to")):
        for place, breadth, customers in sides[side].itertuples():
            middle = tops[side][place] - breadth / 2
            text = f"{called[place]} {format_count(customers)}"
            ax.text(x, middle, text, ha=align, va="center_baseline")
    canvas.without_frame(ax)
    lowest = min(level for places in used.values() for level in places.values())
    ax.set(xlim=(-0.42, 1.42), ylim=(lowest, 0.5))
    canvas.name_values(ax, label("flow", language, within="word"))
    return ax


def _moves(
    frame: Frame, group: object, words: frames.Words | None, language: Language
) -> tuple[pd.DataFrame, dict[str, str], dict[str, str]]:
    """Return the moves that happened, the tiers from the top down and the states, with words."""
    rows = frames.read_rows(
        frame, ["from", "to", "customers"], source="migration_matrix(opening, closing, scheme=…)"
    )
    rows = frames.one_group(frames.last_quarter(rows), ["from", "to"], group, sparse=True)
    states = {name: label(name, language, within="state") for name in names("state")}
    present = [name for name in _in_order(rows) if name not in states]
    tiers = frames.member_words("tier", language, words=words, present=present)
    return rows[rows["customers"] > 0], dict(reversed(tiers.items())), states


def _in_order(rows: pd.DataFrame) -> list[str]:
    """Return the names on both sides in the order the table keeps on each of them."""
    order = list(dict.fromkeys(rows["from"]))
    for _, ends in rows.groupby("from", sort=False)["to"]:
        at = 0
        for name in ends:
            if name in order:
                at = max(at, order.index(name) + 1)
            else:
                order.insert(at, name)
                at += 1
    return order


def _band(
    ax: Axes, left: float, right: float, breadth: float, colour: str, *, alpha: float
) -> None:
    """Draw one band from the left to the right, in a calm curve."""
    points = [(0, left), (0.5, left), (0.5, right), (1, right),
              (1, right - breadth), (0.5, right - breadth), (0.5, left - breadth),
              (0, left - breadth), (0, left)]  # fmt: skip
    curve = [Path.MOVETO, *(Path.CURVE4,) * 3, Path.LINETO, *(Path.CURVE4,) * 3, Path.CLOSEPOLY]
    ax.add_patch(PathPatch(Path(points, curve), facecolor=colour, alpha=alpha, edgecolor="none"))


def _tops(breadths: pd.Series[float], gap: float) -> dict[str, float]:
    """Return where each place begins, from the top down, with room for its name."""
    room = breadths.clip(lower=gap) + gap / 2
    return dict(-(room.cumsum() - room))
