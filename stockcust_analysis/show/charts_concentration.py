"""Charts of where the money sits: the Lorenz curve and the tiers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.charts_canvas import (
    ACTUAL,
    HIGHLIGHT,
    MUTED,
    REFERENCE,
    by_member,
    last_quarter,
    name_values,
    narrowness,
    open_axes,
    rows_of,
    say_no_data,
    subject_of,
    without_frame,
)
from stockcust_analysis.show.labels import Words, label, member_words
from stockcust_analysis.show.units import format_share

_TOP = 0.2


def lorenz_chart(frame: pd.DataFrame, *, language: Language = "zh", ax: Axes | None = None) -> Axes:
    """Draw how unevenly assets are spread: the Lorenz curve, with the part of the top 20 %.

    The orange bar at 80 % of customers spans what the 20 % to its right hold.

    Parameters
    ----------
    frame
        Columns quarter, branch_id, customer_share, value_share (0 to 1, smallest customers
        first); the bank's curve is drawn lighter behind the branch's.
    language, ax
        Language of the words; axes to draw on, a new figure if left out.

    >>> curve = pd.DataFrame({"quarter": "2026Q3", "branch_id": "B01",
    ...     "customer_share": [0, 0.8, 1], "value_share": [0, 0.187, 1]})
    >>> lorenz_chart(curve).texts[-1].get_text()
    '前20%客户持有 81.3%'
    """
    ax = open_axes(ax)
    current = last_quarter(frame).dropna(subset=["customer_share", "value_share"])
    subject = subject_of(frame)
    own = rows_of(current, subject).sort_values("customer_share")
    if own.empty:
        return say_no_data(ax, language)
    ax.plot([0, 1], [0, 1], color=MUTED, linewidth=0.6, linestyle=(0, (4, 3)))
    has_bank = _curves(ax, current, own)
    _frame_unit_square(ax, language)
    named = [("branch", ACTUAL), ("bank", REFERENCE)] if has_bank else []
    lines = [(label(word, language, within="word"), colour) for word, colour in named]
    _key(ax, [*lines, _mark_top(ax, own, language)])
    return ax


def _curves(ax: Axes, known: pd.DataFrame, own: pd.DataFrame) -> bool:
    """Draw the branch's curve before the bank's; tell whether the bank's is there."""
    bank = rows_of(known, WHOLE_BANK).sort_values("customer_share")
    ax.plot(bank["customer_share"], bank["value_share"], color=REFERENCE)
    ax.plot(own["customer_share"], own["value_share"], color=ACTUAL)
    return bool(len(bank)) and not own.equals(bank)


def _frame_unit_square(ax: Axes, language: Language) -> None:
    """Set both axes to 0–100 %, with room for the marker and the last tick's label."""
    ax.set(xlim=(0, 1.02), ylim=(0, 1.02))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(np.linspace(0, 1, 6))
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel(label("customers_poorest_first", language, within="word"))
    name_values(ax, label("aum_cumulated", language, within="word"))


def _key(ax: Axes, entries: Sequence[tuple[str, str]]) -> None:
    """Name the lines in the upper left, which a Lorenz curve always leaves free."""
    for position, (words, colour) in enumerate(entries):
        height = 0.93 - 0.11 * position
        ax.plot([0.02, 0.06], [height, height], color=colour, linewidth=2.4)
        ax.text(0.08, height, words, va="center")


def _mark_top(ax: Axes, own: pd.DataFrame, language: Language) -> tuple[str, str]:
    """Span what the top 20 % hold, and return the words for the key with their colour."""
    below = float(np.interp(1 - _TOP, own["customer_share"], own["value_share"]))
    ax.plot([1 - _TOP, 1 - _TOP], [below, 1], color=HIGHLIGHT, linewidth=2.4)
    ax.plot([1 - _TOP], [below], color=HIGHLIGHT, marker="o", markersize=5)
    words = label("top_20_hold", language, within="word").format(format_share(1 - below))
    return words, HIGHLIGHT


def whale_chart(frame: pd.DataFrame, *, language: Language = "zh", ax: Axes | None = None) -> Axes:
    """Draw which share of the profit the best customers bring: the whale curve, with its peak.

    Above the dashed line at 100 % is what some customers earn and others cost again.

    Parameters
    ----------
    frame
        Columns branch_id, customer_share, value_share of contribution, best customers first, as
        `whale_curve` returns them; the bank's curve is drawn lighter.
    language, ax
        Language of the words; axes to draw on, a new figure if left out.

    >>> curve = pd.DataFrame({"branch_id": "B01", "customer_share": [0, 0.25, 0.5, 1],
    ...     "value_share": [0, 0.75, 1.25, 1]})
    >>> whale_chart(curve).texts[-1].get_text()
    '最高 125.0%'
    """
    ax = open_axes(ax)
    subject = subject_of(frame)
    known = frame.dropna(subset=["customer_share", "value_share"])
    own = rows_of(known, subject).sort_values("customer_share")
    if own.empty:
        return say_no_data(ax, language)
    ax.axhline(1, color=MUTED, linewidth=0.6, linestyle=(0, (4, 3)))
    _curves(ax, known, own)
    peak = own.iloc[int(own["value_share"].astype(float).to_numpy().argmax())]
    top = max(float(known["value_share"].max()), 1.0) * 1.22
    ax.plot([peak["customer_share"]], [peak["value_share"]], "o", color=HIGHLIGHT, markersize=5)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set(xlim=(0, 1.02), ylim=(0, top))
    ax.set_xlabel(label("customers_of_size", language, within="word"))
    name_values(ax, label("contribution_cumulated", language, within="word"))
    words = label("peak", language, within="word").format(format_share(peak["value_share"]))
    right = float(peak["customer_share"]) > 0.5
    ax.text(peak["customer_share"], float(peak["value_share"]) + 0.05 * top, words,
            ha="right" if right else "left", fontweight="bold")  # fmt: skip
    return ax


def tier_pyramid(
    frame: pd.DataFrame,
    *,
    language: Language = "zh",
    ax: Axes | None = None,
    words: Words | None = None,
) -> Axes:
    """Draw the tiers from the highest down: their share of customers left, of assets right.

    Parameters
    ----------
    frame
        Measure table with `tier_customer_share` and `tier_aum_share`, one row per tier.
    language, ax
        Language of the words; axes to draw on, a new figure if left out.
    words
        What the policy calls the tiers, in its order; left out, as the shipped policy does.

    >>> rows = [("2026Q3", "B01", "tier", "high", measure, "all", share) for measure, share in
    ...     [("tier_customer_share", 0.01), ("tier_aum_share", 0.4)]]
    >>> columns = ["quarter", "branch_id", "dimension", "member", "measure", "base", "value"]
    >>> [words.get_text() for words in tier_pyramid(pd.DataFrame(rows, columns=columns)).texts]
    ['高端', '1.0%', '40.0%', '客户占比', 'AUM占比']
    """
    ax = open_axes(ax)
    rows = frame[frame["measure"].isin(["tier_customer_share", "tier_aum_share"])]
    tiers = member_words("tier", language, words=words, present=rows["member"])
    subject = subject_of(frame)
    customers = by_member(frame, "tier_customer_share", subject, list(tiers))
    assets = by_member(frame, "tier_aum_share", subject, list(tiers))
    known = [tier for tier in tiers if customers.notna()[tier] or assets.notna()[tier]]
    if not known:
        return say_no_data(ax, language)
    longest = max(float(customers.max()), float(assets.max()), 0.01)
    narrow = narrowness(ax)
    gap = 0.13 * narrow * longest
    for height, tier in enumerate(known):
        ax.text(0, height, tiers[tier], ha="center", va="center")
        _half(ax, height, float(customers[tier]), outwards=-1, gap=gap)
        _half(ax, height, float(assets[tier]), outwards=1, gap=gap)
    for side, word in ((-1, "share_of_customers"), (1, "share_of_aum")):
        ax.text(
            side * gap, len(known) - 0.25, label(word, language, within="word"),
            ha="right" if side < 0 else "left", va="center", color=MUTED,
        )  # fmt: skip
    without_frame(ax)
    # A branch with few tiers keeps bars as thin as those of a branch with many.
    spare = max(0, 5 - len(known)) / 2
    edge = (1.1 + 0.24 * narrow) * longest
    ax.set(xlim=(-edge, edge), ylim=(-0.6 - spare, len(known) + 0.1 + spare))
    return ax


def _half(ax: Axes, height: int, share: float, *, outwards: int, gap: float) -> None:
    """Draw one bar away from the middle, with its value at its end."""
    drawn = 0.0 if np.isnan(share) else share
    ax.barh(height, outwards * drawn, left=outwards * gap, height=0.72, color=ACTUAL)
    ax.text(
        outwards * (1.1 * gap + drawn), height, format_share(share),
        ha="right" if outwards < 0 else "left", va="center",
    )  # fmt: skip
