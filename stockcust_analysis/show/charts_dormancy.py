"""Charts of who still moves the money: the statuses of customers, and the flow of the dormant."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.show import chart_frames as frames
from stockcust_analysis.show import charts_canvas as canvas
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.labels import label, names
from stockcust_analysis.show.units import format_count, format_share

_STATUS_COLOURS = {
    "active": canvas.ACTUAL,
    "active_small": canvas.REFERENCE,
    "silent": canvas.PALE_HIGHLIGHT,
    "dormant": canvas.HIGHLIGHT,
}
_CUSTOMER_MEASURES = ("active_rate", "active_small_rate", "silent_rate", "dormancy_rate")
_AUM_MEASURES = ("silent_aum_share", "dormant_aum_share")
_NARROWEST_LABELLED = 0.08
_THICK, _THIN = 0.62, 0.34
_NARROW = 1.5

DORMANT_FLOW = (
    "dormant_opening", "newly_dormant", "dormant_arrived", "reactivated", "dormant_moved",
    "dormant_left", "dormant_closing",
)  # fmt: skip
_DORMANT_ENDS = ("dormant_opening", "dormant_closing")
_FALLS = ("reactivated", "dormant_moved", "dormant_left")


@dataclass(frozen=True)
class _Bar:
    """One bar of 100 %: its name, its thickness, the room below it, the share of each status."""

    name: str
    shares: dict[str, float]
    thick: float = _THICK
    room: float = 0.34


@canvas.in_report_style
def dormancy(
    frame: Frame,
    *,
    group: object = None,
    words: frames.Words | None = None,
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
        `dormancy_rate`, `silent_aum_share`, `dormant_aum_share`), value. With `quarter` the last
        two are drawn.
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
    rows = frames.read_measures(
        frame,
        [*_CUSTOMER_MEASURES, *_AUM_MEASURES],
        source="dormancy_rate(customers, rule, as_of=…)",
    )
    groups = frames.group_columns(rows, ["measure"]) if group is None else []
    if groups:
        bars = _bars_of_groups(frames.last_quarter(rows), groups, language, words)
    else:
        bars = _bars_of_quarters(frames.one_group(rows, ["measure"], group), language)
    height = 0.9 + 0.72 * len(bars)
    ax = canvas.open_axes(ax, height if groups and bars else None)
    if not bars:
        return canvas.say_no_data(ax, language)
    top, ticks = 0.0, []
    for bar in bars:
        top -= bar.thick / 2
        _stack(ax, top, bar, language)
        ticks.append(top)
        top -= bar.thick / 2 + bar.room
    canvas.without_frame(ax)
    ax.tick_params(labelleft=True)
    ax.set_yticks(ticks, [bar.name for bar in bars])
    ax.set(xlim=(0, 1.36), ylim=(top + 0.24, 0.1))
    _status_key(ax, language)
    return ax


def _bars_of_quarters(rows: pd.DataFrame, language: Language) -> list[_Bar]:
    """Return the bars of customers and of assets, the latest first, undefined ones left out."""
    quarters = sorted(rows["quarter"].unique(), reverse=True)[:2]
    bars = []
    for counted, shares_of in (("customers", _customer_shares), ("aum", _aum_shares)):
        name = label(counted, language, within="word")
        for quarter in quarters:
            shares = shares_of(rows[rows["quarter"] == quarter])
            if shares:
                latest = quarter == quarters[0]
                thick, close = _THICK if latest else _THIN, latest and len(quarters) > 1
                bars.append(
                    _Bar(f"{name} {quarter}".strip(), shares, thick, 0.12 if close else 0.34)
                )
    return bars


def _bars_of_groups(
    rows: pd.DataFrame, groups: list[str], language: Language, words: frames.Words | None
) -> list[_Bar]:
    """Return one bar of customers for each group, in the order of its words or of the table."""
    found = rows.groupby(groups, sort=False, dropna=False)
    shares = {key: _customer_shares(own) for key, own in found}
    if len(groups) > 1:
        return [_Bar(" · ".join(map(str, k)), known) for k, known in shares.items() if known]
    by_name = {str(key[0]): known for key, known in shares.items()}
    called = frames.member_words(groups[0], language, words=words, present=by_name)
    return [_Bar(called[name], by_name[name]) for name in called if by_name.get(name)]


def _customer_shares(rows: pd.DataFrame) -> dict[str, float]:
    """Return the share of customers by status; empty where one is undefined."""
    shares = _values(rows, _CUSTOMER_MEASURES)
    return {} if shares.isna().any() else dict(zip(names("status"), shares, strict=True))


def _aum_shares(rows: pd.DataFrame) -> dict[str, float]:
    """Return the share of assets by status; empty where it is undefined."""
    shares = _values(rows, _AUM_MEASURES)
    silent, dormant = shares
    known = {"active": 1 - silent - dormant, "silent": silent, "dormant": dormant}
    return {} if shares.isna().any() else known


def _values(rows: pd.DataFrame, measures: tuple[str, ...]) -> pd.Series[float]:
    """Return the value of each measure, NaN where there is none."""
    chosen = rows[rows["measure"].isin(measures)]
    frames.require_one_base(chosen, ["measure"])
    return chosen.set_index("measure")["value"].reindex(list(measures))


def _stack(ax: Axes, height: float, bar: _Bar, language: Language) -> None:
    """Draw one bar; the parts to act on, silent and dormant, are always named at its right end."""
    start = 0.0
    for status, share in bar.shares.items():
        ax.barh(
            height, share, left=start, height=bar.thick,
            color=_STATUS_COLOURS[status], edgecolor="white", linewidth=0.6,
        )  # fmt: skip
        if status.startswith("active") and share >= _NARROWEST_LABELLED:
            colour = "white" if status == "active" else "black"
            ax.text(
                start + share / 2, height, format_share(share),
                ha="center", va="center_baseline", color=colour,
            )  # fmt: skip
        start += share
    words = "  ".join(
        f"{label(status, language, within='status')} {format_share(bar.shares[status])}"
        for status in ("silent", "dormant")
    )
    ax.text(1.015, height, words, va="center_baseline")


def _status_key(ax: Axes, language: Language) -> None:
    """Name the colours above the bars, in the bars' order."""
    ax.legend(
        handles=[
            Patch(color=colour, label=label(status, language, within="status"))
            for status, colour in _STATUS_COLOURS.items()
        ],
        loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderpad=0, handlelength=0.8,
    )  # fmt: skip


@canvas.in_report_style
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
    rows = frames.read_measures(frame, DORMANT_FLOW, source="dormancy_flow(opening, closing, rule)")
    rows = frames.one_group(frames.last_quarter(rows), ["measure"], group)
    values = _values(rows, DORMANT_FLOW).dropna()
    values = values[(values != 0) | values.index.isin(_DORMANT_ENDS)]
    ends = [name in _DORMANT_ENDS for name in values.index]
    ax = canvas.open_axes(ax)
    if not any(ends):
        return canvas.say_no_data(ax, language)
    signed = [-value if name in _FALLS else value for name, value in values.items()]
    texts = [format_count(value) if end else f"{value:+,.0f}"
             for value, end in zip(signed, ends, strict=True)]  # fmt: skip
    canvas.waterfall(ax, signed, ends, texts)
    words = [label(str(name), language, within="dormant_step") for name in values.index]
    size = "x-small" if canvas.narrowness(ax) > _NARROW else "medium"
    ax.set_xticks(range(len(words)), words, fontsize=size)
    return ax
