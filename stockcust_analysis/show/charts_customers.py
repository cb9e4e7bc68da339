"""Charts of where the money sits and what customers hold: curves, tiers, families."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.policy.describe import text_width
from stockcust_analysis.show import canvas, wording
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.canvas import Source

_CURVE = ["customer_share", "value_share"]
_LORENZ = Source("lorenz_curve(customers)", _CURVE, key=_CURVE[:1], beside_bank=True)
_WHALE = replace(_LORENZ, call="whale_curve(customers)")
_TIER_SHARES = ("tier_customer_share", "tier_aum_share")
_TIERS = Source("tier_counts(customers)", measures=_TIER_SHARES, member=["tier"])
_COUNTS = Source(
    "product_count_distribution(customers, holdings=…)",
    measures=["product_count_share"],
    member=["families_held", "families"],
)
_HELD = Source("penetration(customers, holdings=…)", measures=["penetration"], member=["family"])
_PAIR = ["family_a", "family_b"]
_PAIRS = Source("co_holding(customers, holdings=…)", [*_PAIR, "conditional_rate"], key=_PAIR)
_TOP = 0.2
_MANY = 4


@canvas.chart
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
    own, bank = _read_curves(_LORENZ.read(frame, group))
    ax = canvas.axes_for(own, ax)
    ax.plot([0, 1], [0, 1], color=canvas.MUTED, linewidth=0.6, linestyle=(0, (4, 3)))
    _draw_curves(ax, own, bank)
    ax.set(xticks=np.linspace(0, 1, 6), yticks=np.linspace(0, 1, 6))
    _frame_shares(ax, 1.02, "customers_poorest_first", "aum_cumulated", language)
    lines = {"branch": canvas.ACTUAL, "bank": canvas.REFERENCE}
    key = [(canvas.word(name, language), colour) for name, colour in lines.items()]
    key = key if len(bank) and not own.equals(bank) else []
    below = float(np.interp(1 - _TOP, own["customer_share"], own["value_share"]))
    ax.plot([1 - _TOP, 1 - _TOP], [below, 1], color=canvas.HIGHLIGHT, linewidth=2.4)
    ax.plot([1 - _TOP], [below], color=canvas.HIGHLIGHT, marker="o", markersize=5)
    words = canvas.word("top_20_hold", language).format(wording.format_share(1 - below))
    # The key stands in the upper left, which a Lorenz curve always leaves free.
    for position, (name, colour) in enumerate([*key, (words, canvas.HIGHLIGHT)]):
        height = 0.93 - 0.11 * position
        ax.plot([0.02, 0.06], [height, height], color=colour, linewidth=2.4)
        ax.text(0.08, height, name, va="center")
    return ax


def _read_curves(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the known points of the branch's curve and of the bank's, in their order."""
    known = rows.dropna(subset=_CURVE).sort_values("customer_share")
    return canvas.of_branch(known, canvas.subject_of(rows)), canvas.of_branch(known, WHOLE_BANK)


def _draw_curves(ax: Axes, own: pd.DataFrame, bank: pd.DataFrame) -> None:
    """Draw the branch's curve before the bank's."""
    for curve, colour in ((bank, canvas.REFERENCE), (own, canvas.ACTUAL)):
        ax.plot(curve["customer_share"], curve["value_share"], color=colour)


def _frame_shares(ax: Axes, top: float, across: str, up: str, language: Language) -> None:
    """Count both axes in percent, customers up to 100 %, and name them."""
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set(xlim=(0, 1.02), ylim=(0, top))
    ax.set_xlabel(canvas.word(across, language))
    canvas.name_values(ax, canvas.word(up, language))


@canvas.chart
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
    own, bank = _read_curves(_WHALE.read(frame, group))
    ax = canvas.axes_for(own, ax)
    ax.axhline(1, color=canvas.MUTED, linewidth=0.6, linestyle=(0, (4, 3)))
    _draw_curves(ax, own, bank)
    peak = int(own["value_share"].to_numpy().argmax())
    customers, share = own[_CURVE].iloc[peak]
    top = max(share, *bank["value_share"], 1.0) * 1.22
    ax.plot([customers], [share], "o", color=canvas.HIGHLIGHT, markersize=5)
    _frame_shares(ax, top, "customers_of_size", "contribution_cumulated", language)
    words = canvas.word("peak", language).format(wording.format_share(share))
    side = "right" if customers > 0.5 else "left"
    ax.text(customers, share + 0.05 * top, words, ha=side, fontweight="bold")
    return ax


@canvas.chart
def tier_pyramid(
    frame: Frame,
    *,
    group: object = None,
    words: wording.Words | None = None,
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
    rows = _TIERS.read(frame, group)
    tiers = wording.member_words("tier", language, words=words, present=rows["member"])
    by_measure = [rows[rows["measure"] == measure] for measure in _TIER_SHARES]
    columns = [_values_of(canvas.subject_of(rows), own, tiers) for own in by_measure]
    shares = pd.concat(columns, axis="columns").dropna(how="all")
    ax = canvas.axes_for(shares, ax)
    longest, narrow = max(float(shares.max().max()), 0.01), canvas.narrowness(ax)
    widest = max(1.0, *(text_width(tiers[tier]) / 9 for tier in shares.index))
    gap = 0.13 * narrow * longest * widest
    sides = ((-1, "right", "share_of_customers"), (1, "left", "share_of_aum"))
    for height, (tier, *pair) in enumerate(shares.itertuples()):
        ax.text(0, height, tiers[tier], ha="center", va="center")
        for share, (outwards, align, _) in zip(pair, sides, strict=True):
            length = 0.0 if np.isnan(share) else share
            canvas.draw_bar(ax, outwards * gap, height, outwards * length, 0.72, canvas.ACTUAL)
            end, text = outwards * (1.1 * gap + length), wording.format_share(share)
            ax.text(end, height, text, ha=align, va="center")
    for outwards, align, key in sides:
        x, y, header = outwards * gap, len(shares) - 0.25, canvas.word(key, language)
        ax.text(x, y, header, ha=align, va="center", color=canvas.MUTED)
    canvas.without_frame(ax)
    # A branch with few tiers keeps bars as thin as those of a branch with many.
    spare = max(0, 5 - len(shares)) / 2
    edge = (1.1 + 0.24 * narrow) * longest
    ax.set(xlim=(-edge, edge), ylim=(-0.6 - spare, len(shares) + 0.1 + spare))
    return ax


@canvas.chart
def product_count(
    frame: Frame, *, group: object = None, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw the share of customers by number of product families, the bank as an outline.

    Four families and more are one column.

    Parameters
    ----------
    frame
        What `product_count_distribution` returns: families_held (or families: 0, 1, 2, …) and
        value. With `quarter` the last one is drawn; with `branch_id` the whole bank ("@bank")
        stands beside the branch.
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
    >>> shares = pd.DataFrame({"families": [1, 2, 4, 5], "value": [0.6, 0.3, 0.08, 0.02]})
    >>> [words.get_text() for words in product_count(shares).texts]
    ['—', '60.0%', '30.0%', '—', '10.0%']
    """
    rows = _COUNTS.read(frame, group)
    subject, counts = canvas.subject_of(rows), wording.member_words("families_held", language)
    rows = _merge_many(rows)
    own, bank = (_values_of(branch, rows, counts) for branch in (subject, WHOLE_BANK))
    ax = canvas.axes_for(own.dropna(), ax)
    compare = subject != WHOLE_BANK and bank.notna().any()
    positions = np.arange(len(counts))
    ax.bar(positions, own.fillna(0), width=0.56, color=canvas.ACTUAL)
    if compare:
        outline: dict[str, Any] = {"facecolor": "none", "edgecolor": canvas.MUTED, "linewidth": 0.9}
        ax.bar(positions, bank.fillna(0), width=0.74, **outline)
        canvas.name_values(ax, canvas.word("outlined_bank", language), side="right")
    ticks = []
    for position, (count, words) in enumerate(counts.items()):
        top = np.nanmax([own[count], bank[count] if compare else 0, 0]) + 0.015
        share, of_bank = wording.format_share(own[count]), wording.format_share(bank[count])
        ax.text(position, top, share, ha="center", fontweight="bold")
        ticks.append(f"{words}\n{of_bank}" if compare else words)
    ax.set_xticks(positions, ticks, linespacing=1.4)
    ax.set_ylim(0, max(float(own.max()), float(bank.max()) if compare else 0, 0.05) * 1.18)
    canvas.only_the_zero_line(ax)
    return ax


def _values_of(branch_id: str, rows: pd.DataFrame, members: Iterable[str]) -> pd.Series[float]:
    """Return the value of each member of one branch, or of the bank, NaN where there is none."""
    return canvas.values_by("member", canvas.of_branch(rows, branch_id), members)


def _merge_many(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with one share for four families and more."""
    numbers = pd.to_numeric(rows["member"].astype(str).str.removesuffix("+"), errors="coerce")
    many = f"{_MANY}+"
    by = ["quarter", "branch_id", "measure", "base", "member"]
    rows = rows.assign(member=[many if number >= _MANY else f"{number:.0f}" for number in numbers])
    return rows.groupby(by)["value"].sum(min_count=1).reset_index()


@canvas.chart
def penetration(
    frame: Frame,
    *,
    group: object = None,
    words: wording.Words | None = None,
    language: Language = "zh",
    ax: Axes | None = None,
) -> Axes:
    """Draw each product family's penetration: the branch as a dark dot, the bank as a ring.

    The values stand in columns at the right, where neighbouring dots cannot hide them.

    Parameters
    ----------
    frame
        What `penetration` returns: family, value. With `quarter` the last one is drawn; with
        `branch_id` the whole bank ("@bank") stands beside the branch. Channels are left out.
    group
        The group to draw, where the frame has several: a value of `by`, or a tuple of them.
    words
        What the families are called, in their order; the shipped policy's words if left out.
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
    >>> shares = pd.DataFrame({"branch_id": ["B01", "@bank"], "family": "fund",
    ...     "value": [0.062, 0.119]})
    >>> [words.get_text() for words in penetration(shares).texts]
    ['● 本机构', '6.2%', '○ 全行', '11.9%']
    """
    rows = _HELD.read(frame, group)
    subject = canvas.subject_of(rows)
    families = wording.member_words("family", language, words=words, present=rows["member"])
    own, bank = (_values_of(branch, rows, families) for branch in (subject, WHOLE_BANK))
    ends = pd.DataFrame({"bank": own} if subject == WHOLE_BANK else {"branch": own, "bank": bank})
    ends = ends[own.notna()].dropna(axis="columns", how="all")
    own = own.dropna()
    ax = canvas.axes_for(own, ax)
    edge = max(float(ends.max().max()), 0.01)
    heights = np.arange(len(own))
    ax.hlines(heights, 0, ends.max(axis=1), color="#E4E7EB", linewidth=0.8)
    ax.hlines(heights, ends.min(axis=1), ends.max(axis=1), color=canvas.REFERENCE, linewidth=2.4)
    if len(ends.columns) > 1:
        ax.plot(ends["bank"], heights, "o", color=canvas.MUTED, markerfacecolor="white")
    ax.plot(own, heights, "o", color=canvas.ACTUAL)
    # The values stand in columns right of the dots, each under its name and mark.
    for column, (name, values) in enumerate(ends.items()):
        right = edge * (1 + canvas.narrowness(ax) * (0.16 + 0.15 * column))
        if subject:
            header = f"{'●○'[column]} {canvas.word(str(name), language)}"
            canvas.write(ax, right, -0.95, header, color=canvas.MUTED, ha="right")
        colour = (canvas.ACTUAL, canvas.MUTED)[column]
        for height, value in enumerate(values):
            canvas.write(ax, right, height, wording.format_share(value), color=colour, ha="right")
    canvas.without_frame(ax, heights, map(families.get, own.index))
    right = edge * (1 + 0.33 * canvas.narrowness(ax))
    ax.set(xlim=(-0.01 * edge, right), ylim=(len(own) - 0.4, -1.4))
    return ax


@canvas.chart
def co_holding(
    frame: Frame,
    *,
    group: object = None,
    words: wording.Words | None = None,
    language: Language = "zh",
    ax: Axes | None = None,
) -> Axes:
    """Draw which families go together: of the holders of a row, how many hold the column too.

    Parameters
    ----------
    frame
        What `co_holding` returns: family_a (row), family_b (column), conditional_rate (0 to 1); a
        pair without a rate stays blank. With `quarter` the last one is drawn.
    group
        The group to draw, where the frame has several: a value of `by`, or a tuple of them.
    words
        What the families are called, in their order; the shipped policy's words if left out.
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
    >>> pairs = pd.DataFrame({"family_a": ["fund"], "family_b": ["wealth"],
    ...     "conditional_rate": 0.25})
    >>> [words.get_text() for words in co_holding(pairs).texts]
    ['25%']
    """
    rows = _PAIRS.read(frame, group)
    rows = rows[rows["conditional_rate"].notna() & (rows["family_a"] != rows["family_b"])]
    canvas.require_one_base(rows, _PAIRS.key)
    ax = canvas.axes_for(rows, ax)
    present = [*rows["family_a"], *rows["family_b"]]
    families = wording.member_words("family", language, words=words, present=present)
    order = [family for family in families if family in present]
    rates = rows.pivot(index="family_a", columns="family_b", values="conditional_rate")
    rates = rates.reindex(index=order, columns=order)
    broken = {family: families[family].replace(" ", "\n") for family in order}
    texts = rates.map(lambda rate: wording.format_share(rate, decimals=0))
    return canvas.shade_cells(ax, rates.rename(index=families, columns=broken), texts)
