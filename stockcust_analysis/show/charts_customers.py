"""Charts of where the money sits and what customers hold: curves, tiers, families."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show import canvas, wording
from stockcust_analysis.show.blocks import Language

_TOP = 0.2
_TIER_SHARES = ("tier_customer_share", "tier_aum_share")
_COUNT_SHARE = "product_count_share"
_COUNTED = ("families_held", "families")
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
    current, own = _curves(frame, group, "lorenz_curve(customers)")
    ax = canvas.axes_for(own, ax)
    ax.plot([0, 1], [0, 1], color=canvas.MUTED, linewidth=0.6, linestyle=(0, (4, 3)))
    has_bank = _draw_curves(ax, current, own)
    _frame_unit_square(ax, language)
    lines = [("branch", canvas.ACTUAL), ("bank", canvas.REFERENCE)] if has_bank else []
    entries = [(canvas.word(key, language), colour) for key, colour in lines]
    _line_key(ax, [*entries, _mark_top(ax, own, language)])
    return ax


def _curves(frame: Frame, group: object, source: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the known points of the last quarter, and those of the subject in their order."""
    shares = ["customer_share", "value_share"]
    rows = canvas.last_quarter(canvas.read_rows(frame, shares, source=source))
    rows = canvas.one_group(rows, ["customer_share"], group, beside_bank=True)
    known = rows.dropna(subset=shares).sort_values("customer_share")
    return known, canvas.of_branch(known, canvas.subject_of(rows))


def _draw_curves(ax: Axes, known: pd.DataFrame, own: pd.DataFrame) -> bool:
    """Draw the branch's curve before the bank's; tell whether the bank's is there."""
    bank = canvas.of_branch(known, WHOLE_BANK)
    ax.plot(bank["customer_share"], bank["value_share"], color=canvas.REFERENCE)
    ax.plot(own["customer_share"], own["value_share"], color=canvas.ACTUAL)
    return bool(len(bank)) and not own.equals(bank)


def _frame_unit_square(ax: Axes, language: Language) -> None:
    """Set both axes to 0–100 %, with room for the marker and the last tick's label."""
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(np.linspace(0, 1, 6))
    _frame_shares(ax, 1.02, canvas.word("customers_poorest_first", language))
    canvas.name_values(ax, canvas.word("aum_cumulated", language))


def _frame_shares(ax: Axes, top: float, across: str) -> None:
    """Count both axes in percent, customers up to 100 %."""
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set(xlim=(0, 1.02), ylim=(0, top))
    ax.set_xlabel(across)


def _line_key(ax: Axes, entries: Sequence[tuple[str, str]]) -> None:
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
    words = canvas.word("top_20_hold", language).format(wording.format_share(1 - below))
    return words, canvas.HIGHLIGHT


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
    known, own = _curves(frame, group, "whale_curve(customers)")
    ax = canvas.axes_for(own, ax)
    ax.axhline(1, color=canvas.MUTED, linewidth=0.6, linestyle=(0, (4, 3)))
    _draw_curves(ax, known, own)
    peak = own.iloc[int(own["value_share"].to_numpy().argmax())]
    customers, share = float(peak["customer_share"]), float(peak["value_share"])
    top = max(float(known["value_share"].max()), 1.0) * 1.22
    ax.plot([customers], [share], "o", color=canvas.HIGHLIGHT, markersize=5)
    _frame_shares(ax, top, canvas.word("customers_of_size", language))
    canvas.name_values(ax, canvas.word("contribution_cumulated", language))
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
    rows = canvas.read_measures(
        frame, _TIER_SHARES, source="tier_counts(customers)", member=["tier"]
    )
    rows = canvas.one_group(rows, ["measure", "member"], group, beside_bank=True)
    subject = canvas.subject_of(rows)
    tiers = wording.member_words("tier", language, words=words, present=rows["member"])
    customers, assets = (canvas.by_member(rows, name, subject, tiers) for name in _TIER_SHARES)
    known = [tier for tier in tiers if customers.notna()[tier] or assets.notna()[tier]]
    ax = canvas.axes_for(known, ax)
    longest = max(float(customers.max()), float(assets.max()), 0.01)
    narrow = canvas.narrowness(ax)
    widest = max(1.0, *(canvas.text_width(tiers[tier]) / 9 for tier in known))
    gap = 0.13 * narrow * longest * widest
    for height, tier in enumerate(known):
        ax.text(0, height, tiers[tier], ha="center", va="center")
        _draw_half(ax, height, float(customers[tier]), outwards=-1, gap=gap)
        _draw_half(ax, height, float(assets[tier]), outwards=1, gap=gap)
    headers: dict[str, Any] = {"va": "center", "color": canvas.MUTED}
    for side, align, key in ((-1, "right", "share_of_customers"), (1, "left", "share_of_aum")):
        header = canvas.word(key, language)
        ax.text(side * gap, len(known) - 0.25, header, ha=align, **headers)
    canvas.without_frame(ax)
    # A branch with few tiers keeps bars as thin as those of a branch with many.
    spare = max(0, 5 - len(known)) / 2
    edge = (1.1 + 0.24 * narrow) * longest
    ax.set(xlim=(-edge, edge), ylim=(-0.6 - spare, len(known) + 0.1 + spare))
    return ax


def _draw_half(ax: Axes, height: int, share: float, *, outwards: int, gap: float) -> None:
    """Draw one bar away from the middle, with its value at its end."""
    length = 0.0 if np.isnan(share) else share
    canvas.draw_bar(ax, outwards * gap, height, outwards * length, 0.72, canvas.ACTUAL)
    end, side = outwards * (1.1 * gap + length), "right" if outwards < 0 else "left"
    ax.text(end, height, wording.format_share(share), ha=side, va="center")


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
    source = "product_count_distribution(customers, holdings=…)"
    rows = canvas.read_measures(frame, [_COUNT_SHARE], member=_COUNTED, source=source)
    rows = canvas.one_group(rows, ["measure", "member"], group, beside_bank=True)
    subject, counts = canvas.subject_of(rows), wording.member_words("families_held", language)
    rows = _with_many_together(rows)
    own, bank = (canvas.by_member(rows, _COUNT_SHARE, b, counts) for b in (subject, WHOLE_BANK))
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
        top = np.nanmax([own[count], bank[count] if compare else 0, 0])
        ax.text(
            position, top + 0.015, wording.format_share(own[count]), ha="center", fontweight="bold"
        )
        ticks.append(f"{words}\n{wording.format_share(bank[count])}" if compare else words)
    ax.set_xticks(positions, ticks, linespacing=1.4)
    ax.set_ylim(0, max(float(own.max()), float(bank.max()) if compare else 0, 0.05) * 1.18)
    canvas.only_the_zero_line(ax)
    return ax


def _with_many_together(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with one share for four families and more."""
    numbers = pd.to_numeric(rows["member"].astype(str).str.removesuffix("+"), errors="coerce")
    many = f"{_MANY}+"
    counts = [many if number >= _MANY else f"{number:.0f}" for number in numbers]
    by = ["quarter", "branch_id", "measure", "base", "member"]
    rows = rows.assign(member=counts)
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
    rows = canvas.read_measures(
        frame, ["penetration"], member=["family"], source="penetration(customers, holdings=…)"
    )
    rows = canvas.one_group(rows, ["measure", "member"], group, beside_bank=True)
    subject = canvas.subject_of(rows)
    families = wording.member_words("family", language, words=words, present=rows["member"])
    own = canvas.by_member(rows, "penetration", subject, families).dropna()
    ax = canvas.axes_for(own, ax)
    bank = canvas.by_member(rows, "penetration", WHOLE_BANK, list(own.index))
    ends = pd.DataFrame({"bank": own} if subject == WHOLE_BANK else {"branch": own, "bank": bank})
    ends = ends.dropna(axis="columns", how="all")
    edge = max(float(ends.max().max()), 0.01)
    heights = np.arange(len(own))
    ax.hlines(heights, 0, ends.max(axis=1), color="#E4E7EB", linewidth=0.8)
    ax.hlines(heights, ends.min(axis=1), ends.max(axis=1), color=canvas.REFERENCE, linewidth=2.4)
    if len(ends.columns) > 1:
        ax.plot(ends["bank"], heights, "o", color=canvas.MUTED, markerfacecolor="white")
    ax.plot(own, heights, "o", color=canvas.ACTUAL)
    headers = [wording.text(str(key), language, within="word") for key in ends] if subject else []
    _write_values(ax, ends, edge, headers)
    canvas.without_frame(ax, names=True)
    ax.set_yticks(heights, [families[family] for family in own.index])
    right = edge * (1 + 0.33 * canvas.narrowness(ax))
    ax.set(xlim=(-0.01 * edge, right), ylim=(len(own) - 0.4, -1.4))
    return ax


def _write_values(ax: Axes, ends: pd.DataFrame, edge: float, headers: Sequence[str]) -> None:
    """Write the values in columns right of the dots, each under its name and mark."""
    for column, (values, mark) in enumerate(zip(ends.to_numpy().T, "●○", strict=False)):
        right = edge * (1 + canvas.narrowness(ax) * (0.16 + 0.15 * column))
        colour = (canvas.ACTUAL, canvas.MUTED)[column]
        if headers:
            canvas.write(
                ax, right, -0.95, f"{mark} {headers[column]}", color=canvas.MUTED, ha="right"
            )
        for height, value in enumerate(values):
            canvas.write(ax, right, height, wording.format_share(value), color=colour, ha="right")


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
    pair = ["family_a", "family_b"]
    rows = canvas.read_rows(
        frame, [*pair, "conditional_rate"], source="co_holding(customers, holdings=…)"
    )
    rows = canvas.one_group(canvas.last_quarter(rows), pair, group)
    rows = rows[rows["conditional_rate"].notna() & (rows["family_a"] != rows["family_b"])]
    canvas.require_one_base(rows, pair)
    ax = canvas.axes_for(rows, ax)
    present = [*rows["family_a"], *rows["family_b"]]
    families = wording.member_words("family", language, words=words, present=present)
    order = [family for family in families if family in present]
    rates = rows.pivot(index="family_a", columns="family_b", values="conditional_rate")
    rates = rates.reindex(index=order, columns=order)
    texts = rates.map(lambda rate: wording.format_share(rate, decimals=0))
    down = [families[family] for family in order]
    broken = [name.replace(" ", "\n") for name in down]
    return canvas.shade_cells(ax, rates, texts, down=down, across=broken)
