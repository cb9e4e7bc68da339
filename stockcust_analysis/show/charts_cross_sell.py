"""Charts of what customers hold: how many product families, which, and which together."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stockcust_analysis.bank.engines import Frame
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show import chart_frames as frames
from stockcust_analysis.show import charts_canvas as canvas
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.labels import label
from stockcust_analysis.show.units import format_share

_MANY = 4


@canvas.in_report_style
def product_count(
    frame: Frame, *, group: object = None, language: Language = "zh", ax: Axes | None = None
) -> Axes:
    """Draw the share of customers by number of product families, the bank as an outline.

    Four families and more are one column.

    Parameters
    ----------
    frame
        What `product_count_distribution` returns: families_held (0 to 4+), value. With `quarter`
        the last is drawn; with `branch_id` the whole bank ("@bank") stands beside the branch.
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
    rows = frames.read_measures(
        frame,
        ["product_count_share"],
        member=["families_held", "families"],
        source="product_count_distribution(holdings, customers)",
    )
    rows = frames.one_group(rows, ["measure", "member"], group, beside_bank=True)
    subject, counts = frames.subject_of(rows), frames.member_words("families_held", language)
    rows = _with_many_together(rows)
    own, bank = (
        frames.by_member(rows, "product_count_share", who, counts) for who in (subject, WHOLE_BANK)
    )
    ax = canvas.open_axes(ax)
    if own.isna().all():
        return canvas.say_no_data(ax, language)
    compare = subject != WHOLE_BANK and bank.notna().any()
    places = np.arange(len(counts))
    ax.bar(places, own.fillna(0), width=0.56, color=canvas.ACTUAL)
    if compare:
        ax.bar(
            places,
            bank.fillna(0),
            width=0.74,
            facecolor="none",
            edgecolor=canvas.MUTED,
            linewidth=0.9,
        )
        canvas.name_values(ax, label("outlined_bank", language, within="word"), side="right")
    ticks = []
    for place, (count, words) in enumerate(counts.items()):
        top = np.nanmax([own[count], bank[count] if compare else 0, 0])
        ax.text(place, top + 0.015, format_share(own[count]), ha="center", fontweight="bold")
        ticks.append(f"{words}\n{format_share(bank[count])}" if compare else words)
    ax.set_xticks(places, ticks, linespacing=1.4)
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


@canvas.in_report_style
def penetration(
    frame: Frame,
    *,
    group: object = None,
    words: frames.Words | None = None,
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
    rows = frames.read_measures(
        frame, ["penetration"], member=["family"], source="penetration(holdings, customers)"
    )
    rows = frames.one_group(rows, ["measure", "member"], group, beside_bank=True)
    subject = frames.subject_of(rows)
    families = frames.member_words("family", language, words=words, present=rows["member"])
    own = frames.by_member(rows, "penetration", subject, families).dropna()
    ax = canvas.open_axes(ax)
    if own.empty:
        return canvas.say_no_data(ax, language)
    bank = frames.by_member(rows, "penetration", WHOLE_BANK, list(own.index))
    ends = pd.DataFrame({"bank": own} if subject == WHOLE_BANK else {"branch": own, "bank": bank})
    ends = ends.dropna(axis="columns", how="all")
    edge = max(float(ends.max().max()), 0.01)
    places = np.arange(len(own))
    ax.hlines(places, 0, ends.max(axis=1), color="#E4E7EB", linewidth=0.8)
    ax.hlines(places, ends.min(axis=1), ends.max(axis=1), color=canvas.REFERENCE, linewidth=2.4)
    if len(ends.columns) > 1:
        ax.plot(ends["bank"], places, "o", color=canvas.MUTED, markerfacecolor="white")
    ax.plot(own, places, "o", color=canvas.ACTUAL)
    headers = (
        {str(who): label(str(who), language, within="word") for who in ends} if subject else {}
    )
    _value_columns(ax, ends, edge, headers)
    canvas.without_frame(ax)
    ax.tick_params(labelleft=True)
    ax.set_yticks(places, [families[family] for family in own.index])
    ax.set(
        xlim=(-0.01 * edge, edge * (1 + 0.33 * canvas.narrowness(ax))), ylim=(len(own) - 0.4, -1.4)
    )
    return ax


def _value_columns(ax: Axes, ends: pd.DataFrame, edge: float, headers: dict[str, str]) -> None:
    """Write the values in columns right of the dots, each under its name and mark."""
    for column, (who, mark) in enumerate(zip(ends, "●○", strict=False)):
        right = edge * (1 + canvas.narrowness(ax) * (0.16 + 0.15 * column))
        colour = (canvas.ACTUAL, canvas.MUTED)[column]
        if who in headers:
            ax.text(right, -0.95, f"{mark} {headers[who]}", ha="right", va="center_baseline",
                    color=canvas.MUTED)  # fmt: skip
        for place, value in enumerate(ends[who]):
            text = format_share(value)
            ax.text(right, place, text, ha="right", va="center_baseline", color=colour)


@canvas.in_report_style
def co_holding(
    frame: Frame,
    *,
    group: object = None,
    words: frames.Words | None = None,
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
    rows = frames.read_rows(
        frame, [*pair, "conditional_rate"], source="co_holding(holdings, customers)"
    )
    rows = frames.one_group(frames.last_quarter(rows), pair, group)
    rows = rows[rows["conditional_rate"].notna() & (rows["family_a"] != rows["family_b"])]
    frames.require_one_base(rows, pair)
    ax = canvas.open_axes(ax)
    if rows.empty:
        return canvas.say_no_data(ax, language)
    present = [*rows["family_a"], *rows["family_b"]]
    families = frames.member_words("family", language, words=words, present=present)
    order = [family for family in families if family in present]
    rates = rows.pivot(index="family_a", columns="family_b", values="conditional_rate")
    rates = rates.reindex(index=order, columns=order)
    texts = rates.map(lambda rate: format_share(rate, decimals=0))
    down = [families[family] for family in order]
    broken = [name.replace(" ", "\n") for name in down]
    return canvas.shaded_cells(ax, rates, texts, down=down, across=broken)
