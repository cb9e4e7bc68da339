"""Charts of where the money sits: the Lorenz curve, the whale curve and the tiers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show import chart_frames as frames
from stockcust_analysis.show import charts_canvas as canvas
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.labels import label
from stockcust_analysis.show.units import format_share

_TOP = 0.2
_TIER_SHARES = ("tier_customer_share", "tier_aum_share")


@canvas.in_report_style
def lorenz(
    frame: Frame, *, group: object = None, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw how unevenly assets are spread: the Lorenz curve, with the part of the top 20 %.

    The orange bar at 80 % of customers spans what the 20 % to its right hold.

    Parameters
    ----------
    frame
        What `lorenz_curve` returns: customer_share, value_share (0 to 1, smallest customers
        first). With `quarter` the last one is drawn; with `branch_id` the curve of the whole bank
        ("@bank") stands lighter behind the branch's.
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
    >>> curve = pd.DataFrame({"customer_share": [0, 0.8, 1], "value_share": [0, 0.187, 1]})
    >>> lorenz(curve).texts[-1].get_text()
    '前20%客户持有 81.3%'
    """
    current, own = _curves(frame, group, "lorenz_curve(customers)")
    ax = canvas.open_axes(ax)
    if own.empty:
        return canvas.say_no_data(ax, language)
    ax.plot([0, 1], [0, 1], color=canvas.MUTED, linewidth=0.6, linestyle=(0, (4, 3)))
    has_bank = _draw_curves(ax, current, own)
    _frame_unit_square(ax, language)
    named = [("branch", canvas.ACTUAL), ("bank", canvas.REFERENCE)] if has_bank else []
    lines = [(label(word, language, within="word"), colour) for word, colour in named]
    _key(ax, [*lines, _mark_top(ax, own, language)])
    return ax


def _curves(frame: Frame, group: object, source: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the known points of the last quarter, and those of the subject in their order."""
    shares = ["customer_share", "value_share"]
    rows = frames.last_quarter(frames.read_rows(frame, shares, source=source))
    rows = frames.one_group(rows, ["customer_share"], group, beside_bank=True)
    known = rows.dropna(subset=shares).sort_values("customer_share")
    return known, frames.rows_of(known, frames.subject_of(rows))


def _draw_curves(ax: Axes, known: pd.DataFrame, own: pd.DataFrame) -> bool:
    """Draw the branch's curve before the bank's; tell whether the bank's is there."""
    bank = frames.rows_of(known, WHOLE_BANK)
    ax.plot(bank["customer_share"], bank["value_share"], color=canvas.REFERENCE)
    ax.plot(own["customer_share"], own["value_share"], color=canvas.ACTUAL)
    return bool(len(bank)) and not own.equals(bank)


def _frame_unit_square(ax: Axes, language: Language) -> None:
    """Set both axes to 0–100 %, with room for the marker and the last tick's label."""
    ax.set(xlim=(0, 1.02), ylim=(0, 1.02))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(np.linspace(0, 1, 6))
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel(label("customers_poorest_first", language, within="word"))
    canvas.name_values(ax, label("aum_cumulated", language, within="word"))


def _key(ax: Axes, entries: Sequence[tuple[str, str]]) -> None:
    """Name the lines in the upper left, which a Lorenz curve always leaves free."""
    for position, (words, colour) in enumerate(entries):
        height = 0.93 - 0.11 * position
        ax.plot([0.02, 0.06], [height, height], color=colour, linewidth=2.4)
        ax.text(0.08, height, words, va="center")


def _mark_top(ax: Axes, own: pd.DataFrame, language: Language) -> tuple[str, str]:
    """Span what the top 20 % hold, and return the words for the key with their colour."""
    below = float(np.interp(1 - _TOP, own["customer_share"], own["value_share"]))
    ax.plot([1 - _TOP, 1 - _TOP], [below, 1], color=canvas.HIGHLIGHT, linewidth=2.4)
    ax.plot([1 - _TOP], [below], color=canvas.HIGHLIGHT, marker="o", markersize=5)
    words = label("top_20_hold", language, within="word").format(format_share(1 - below))
    return words, canvas.HIGHLIGHT


@canvas.in_report_style
def whale(
    frame: Frame, *, group: object = None, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw which share of the profit the best customers bring: the whale curve, with its peak.

    Above the dashed line at 100 % is what some customers earn and others cost again.

    Parameters
    ----------
    frame
        What `whale_curve` returns: customer_share, value_share of contribution, best customers
        first. With `branch_id` the curve of the whole bank ("@bank") stands lighter behind.
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
    >>> curve = pd.DataFrame({"customer_share": [0, 0.5, 1], "value_share": [0, 1.25, 1]})
    >>> whale(curve).texts[-1].get_text()
    '最高 125.0%'
    """
    known, own = _curves(frame, group, "whale_curve(customers)")
    ax = canvas.open_axes(ax)
    if own.empty:
        return canvas.say_no_data(ax, language)
    ax.axhline(1, color=canvas.MUTED, linewidth=0.6, linestyle=(0, (4, 3)))
    _draw_curves(ax, known, own)
    peak = own.iloc[int(own["value_share"].to_numpy().argmax())]
    top = max(float(known["value_share"].max()), 1.0) * 1.22
    ax.plot(
        [peak["customer_share"]], [peak["value_share"]], "o", color=canvas.HIGHLIGHT, markersize=5
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set(xlim=(0, 1.02), ylim=(0, top))
    ax.set_xlabel(label("customers_of_size", language, within="word"))
    canvas.name_values(ax, label("contribution_cumulated", language, within="word"))
    words = label("peak", language, within="word").format(format_share(peak["value_share"]))
    right = float(peak["customer_share"]) > 0.5
    ax.text(peak["customer_share"], float(peak["value_share"]) + 0.05 * top, words,
            ha="right" if right else "left", fontweight="bold")  # fmt: skip
    return ax


@canvas.in_report_style
def tier_pyramid(
    frame: Frame,
    *,
    group: object = None,
    words: frames.Words | None = None,
    language: Language = "zh",
    ax: Axes | None = None,
) -> Axes:
    """Draw the tiers, the highest on top: their share of customers left, of assets right.

    Parameters
    ----------
    frame
        What `tier_counts` returns: measure (`tier_customer_share`, `tier_aum_share`), tier, value.
        With `quarter` the last one is drawn.
    group
        The group to draw, where the frame has several: a value of `by`, or a tuple of them.
    words
        What the tiers are called, from the lowest up; the shipped policy's words if left out. A
        tier without words is called by its name.
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
    >>> shares = pd.DataFrame({"measure": ["tier_customer_share", "tier_aum_share"],
    ...     "tier": "high", "value": [0.01, 0.4]})
    >>> [words.get_text() for words in tier_pyramid(shares).texts]
    ['高端', '1.0%', '40.0%', '客户占比', 'AUM占比']
    """
    rows = frames.read_measures(
        frame, _TIER_SHARES, source="tier_counts(customers)", member=["tier"]
    )
    rows = frames.one_group(rows, ["measure", "member"], group, beside_bank=True)
    subject, tiers = (
        frames.subject_of(rows),
        frames.member_words("tier", language, words=words, present=rows["member"]),
    )
    customers, assets = (frames.by_member(rows, name, subject, tiers) for name in _TIER_SHARES)
    known = [tier for tier in tiers if customers.notna()[tier] or assets.notna()[tier]]
    ax = canvas.open_axes(ax)
    if not known:
        return canvas.say_no_data(ax, language)
    longest = max(float(customers.max()), float(assets.max()), 0.01)
    narrow = canvas.narrowness(ax)
    gap = (
        0.13 * narrow * longest * max(1.0, *(canvas.text_width(tiers[tier]) / 9 for tier in known))
    )
    for height, tier in enumerate(known):
        ax.text(0, height, tiers[tier], ha="center", va="center")
        _half(ax, height, float(customers[tier]), outwards=-1, gap=gap)
        _half(ax, height, float(assets[tier]), outwards=1, gap=gap)
    for side, word in ((-1, "share_of_customers"), (1, "share_of_aum")):
        ax.text(
            side * gap, len(known) - 0.25, label(word, language, within="word"),
            ha="right" if side < 0 else "left", va="center", color=canvas.MUTED,
        )  # fmt: skip
    canvas.without_frame(ax)
    # A branch with few tiers keeps bars as thin as those of a branch with many.
    spare = max(0, 5 - len(known)) / 2
    edge = (1.1 + 0.24 * narrow) * longest
    ax.set(xlim=(-edge, edge), ylim=(-0.6 - spare, len(known) + 0.1 + spare))
    return ax


def _half(ax: Axes, height: int, share: float, *, outwards: int, gap: float) -> None:
    """Draw one bar away from the middle, with its value at its end."""
    drawn = 0.0 if np.isnan(share) else share
    ax.barh(height, outwards * drawn, left=outwards * gap, height=0.72, color=canvas.ACTUAL)
    ax.text(
        outwards * (1.1 * gap + drawn), height, format_share(share),
        ha="right" if outwards < 0 else "left", va="center",
    )  # fmt: skip
