"""Charts of what customers hold: how many product families, which, and which together."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.charts_canvas import (
    ACTUAL,
    MUTED,
    REFERENCE,
    by_member,
    last_quarter,
    name_values,
    narrowness,
    only_the_zero_line,
    open_axes,
    rows_of,
    say_no_data,
    shaded_cells,
    subject_of,
    without_frame,
)
from stockcust_analysis.show.labels import Words, label, member_words, names
from stockcust_analysis.show.units import format_share


def product_count_bars(
    frame: pd.DataFrame, *, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw the share of customers by number of product families, the bank as an outline.

    Parameters
    ----------
    frame
        Measure table with `product_count_share` for the members "0", "1", "2", "3" and "4+".
    language, ax
        Language of the words; axes to draw on, a new figure if left out.

    >>> table = pd.DataFrame({"quarter": "2026Q3", "branch_id": "B01", "base": "funded",
    ...     "member": ["1", "2"], "measure": "product_count_share", "value": [0.6, 0.4]})
    >>> [words.get_text() for words in product_count_bars(table).texts]
    ['—', '60.0%', '40.0%', '—', '—']
    """
    ax = open_axes(ax)
    subject, counts = subject_of(frame), names("families_held")
    own = by_member(frame, "product_count_share", subject, counts)
    bank = by_member(frame, "product_count_share", WHOLE_BANK, counts)
    if own.isna().all():
        return say_no_data(ax, language)
    compare = subject != WHOLE_BANK and bank.notna().any()
    places = np.arange(len(counts))
    ax.bar(places, own.fillna(0), width=0.56, color=ACTUAL)
    if compare:
        ax.bar(places, bank.fillna(0), width=0.74, facecolor="none", edgecolor=MUTED, linewidth=0.9)
    ticks = []
    for place, count in enumerate(counts):
        top = np.nanmax([own[count], bank[count] if compare else 0, 0])
        ax.text(place, top + 0.015, format_share(own[count]), ha="center", fontweight="bold")
        words = label(count, language, within="families_held")
        ticks.append(f"{words}\n{format_share(bank[count])}" if compare else words)
    if compare:
        name_values(ax, label("outlined_bank", language, within="word"), side="right")
    ax.set_xticks(places, ticks, linespacing=1.4)
    ax.set_ylim(0, max(float(own.max()), float(bank.max()) if compare else 0, 0.05) * 1.18)
    only_the_zero_line(ax)
    return ax


def penetration_dots(
    frame: pd.DataFrame,
    *,
    language: Language = "zh",
    ax: Axes | None = None,
    words: Words | None = None,
) -> Axes:
    """Draw each product family's penetration: the branch as a dark dot, the bank as a ring.

    The values stand in columns at the right, where neighbouring dots cannot hide them.

    Parameters
    ----------
    frame
        Measure table with `penetration`, one row per product family.
    language, ax
        Language of the words; axes to draw on, a new figure if left out.
    words
        What the policy calls the families, in its order; left out, as the shipped policy does.

    >>> table = pd.DataFrame({"quarter": "2026Q3", "branch_id": ["B01", "@bank"], "base": "funded",
    ...     "member": "fund", "measure": "penetration", "value": [0.062, 0.119]})
    >>> [words.get_text() for words in penetration_dots(table).texts]
    ['● 本机构', '6.2%', '○ 全行', '11.9%']
    """
    ax = open_axes(ax)
    held = frame.loc[frame["measure"] == "penetration", "member"]
    families = member_words("family", language, words=words, present=held)
    subject = subject_of(frame)
    own = by_member(frame, "penetration", subject, list(families))
    own = own[own.notna()]
    if own.empty:
        return say_no_data(ax, language)
    bank = by_member(frame, "penetration", WHOLE_BANK, list(own.index))
    ends = pd.DataFrame({"bank": own} if subject == WHOLE_BANK else {"branch": own, "bank": bank})
    ends = ends.dropna(axis="columns", how="all")
    edge = max(float(ends.max().max()), 0.01)
    places = np.arange(len(own))
    ax.hlines(places, 0, ends.max(axis=1), color="#E4E7EB", linewidth=0.8)
    ax.hlines(places, ends.min(axis=1), ends.max(axis=1), color=REFERENCE, linewidth=2.4)
    if len(ends.columns) > 1:
        ax.plot(ends["bank"], places, "o", color=MUTED, markerfacecolor="white")
    ax.plot(own, places, "o", color=ACTUAL)
    narrow = narrowness(ax)
    _value_columns(ax, ends, edge, language)
    without_frame(ax)
    ax.tick_params(labelleft=True)
    ax.set_yticks(places, [families[family] for family in own.index])
    ax.set(xlim=(-0.01 * edge, edge * (1 + 0.33 * narrow)), ylim=(len(own) - 0.4, -1.4))
    return ax


def _value_columns(ax: Axes, ends: pd.DataFrame, edge: float, language: Language) -> None:
    """Write the values in columns right of the dots, each under its name and mark."""
    for column, (word, mark) in enumerate(zip(ends, "●○", strict=False)):
        right = edge * (1 + narrowness(ax) * (0.16 + 0.15 * column))
        colour = (ACTUAL, MUTED)[column]
        header = f"{mark} {label(str(word), language, within='word')}"
        ax.text(right, -0.95, header, ha="right", va="center_baseline", color=MUTED)
        for place, value in enumerate(ends[word]):
            text = format_share(value)
            ax.text(right, place, text, ha="right", va="center_baseline", color=colour)


def co_holding_heatmap(
    frame: pd.DataFrame,
    *,
    language: Language = "zh",
    ax: Axes | None = None,
    words: Words | None = None,
) -> Axes:
    """Draw which families go together: of the holders of a row, how many hold the column too.

    Parameters
    ----------
    frame
        Co-holding table: quarter, branch_id, family_a (row), family_b (column),
        conditional_rate (0 to 1); a pair without a rate stays blank.
    language, ax
        Language of the words; axes to draw on, a new figure if left out.
    words
        What the policy calls the families, in its order; left out, as the shipped policy does.

    >>> table = pd.DataFrame({"quarter": "2026Q3", "branch_id": "B01", "conditional_rate": 0.25,
    ...     "family_a": ["fund"], "family_b": ["wealth"]})
    >>> [words.get_text() for words in co_holding_heatmap(table).texts]
    ['25%']
    """
    ax = open_axes(ax)
    rows = rows_of(last_quarter(frame), subject_of(frame))
    rows = rows[rows["conditional_rate"].notna() & (rows["family_a"] != rows["family_b"])]
    if rows.empty:
        return say_no_data(ax, language)
    present = dict.fromkeys([*rows["family_a"], *rows["family_b"]])
    families = member_words("family", language, words=words, present=present)
    order = [family for family in families if family in present]
    rates = rows.pivot(index="family_a", columns="family_b", values="conditional_rate")
    rates = rates.reindex(index=order, columns=order).astype(float)
    cells = rates.map(lambda rate: format_share(rate, decimals=0))
    shown = [families[family] for family in order]
    broken = [name.replace(" ", "\n") for name in shown]
    return shaded_cells(ax, rates, cells, down=shown, across=broken)
