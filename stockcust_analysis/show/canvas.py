"""What all charts share: how they read their table, the report's style inside a call, their axes.

A measure's frame has the columns of `by` first and no quarter; the evaluation's has `quarter` and
`branch_id`, and may hold the whole bank (`@bank`) beside the branch. An analyst's own frame needs
only the columns that a chart names. Of any engine, all become the same rows of pandas here.

A chart draws in the report's fonts and colours, whatever the reader's own style is, and leaves
that alone: the style holds inside the call. What Matplotlib makes only when a figure is drawn
(tick labels, the grid) is set on the axes, so that it does not fall back to the reader's style.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Sized
from functools import wraps
from itertools import product
from typing import Any, Final, Literal, ParamSpec
from unicodedata import east_asian_width

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from stockcust_analysis.core.engines import Frame
from stockcust_analysis.core.frames import as_lazy, collect_rows
from stockcust_analysis.errors import UsageError, did_you_mean
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.figures import FONT_FAMILY, report_style
from stockcust_analysis.show.wording import text

P = ParamSpec("P")

# The first colours of the style: blue against orange, and told apart in grey as well.
ACTUAL: Final = "#1F4E79"
REFERENCE: Final = "#9DB8D2"
HIGHLIGHT: Final = "#D9822B"
MUTED: Final = "#6B7B8C"
INK: Final = "#1F2933"
PALE_HIGHLIGHT: Final = "#F2D2AE"

NOTHING_DRAWN: Final = "nothing drawn"
"""The label of axes without data, by which a page knows to leave the figure out."""
FULL_WIDTH: Final = 17.0
HALF_WIDTH: Final = 8.2
"""Widths of figures in centimetres: the page's column, and two side by side."""
NARROW: Final = 1.5
"""From this `narrowness` on, long names are set smaller or aslant."""

_GRID: Final = ("color", "linewidth", "linestyle", "alpha")
_DARK_CELL: Final = 0.6
"""From this share on, white letters stand out better than black ones."""
_FILLED: Final = {
    "numbers": "value n compared centre lower_95 upper_95 lower_998 upper_998 rank rank_of "
    "rank_low rank_high attainment points weight customer_share value_share conditional_rate "
    "customers amount",
    "other": "quarter as_of measure dimension member base numerator denominator family_a family_b "
    "holders_a holders_b both rate_low rate_high lift lift_low lift_high from to opening_aum "
    "closing_aum component indicator",
}
"""Columns that measures fill; what a frame has besides are the columns it is grouped by."""
_NUMBERS: Final = frozenset(_FILLED["numbers"].split())
_DESCRIBED: Final = _NUMBERS.union(_FILLED["other"].split())


def read_rows(
    frame: Frame, columns: Sequence[str], *, source: str, member: Sequence[str] = ()
) -> pd.DataFrame:
    """Return a table of any engine as rows of pandas, numbers as floats.

    Parameters
    ----------
    frame
        A pandas, Polars or DuckDB table, or one of any other engine that Narwhals knows.
    columns
        The columns a chart cannot do without.
    source
        The call that returns such a table, for the error.
    member
        Columns that may stand for `member`: the first that the table has is renamed.
    """
    rows = to_pandas(frame)
    if "member" not in rows:
        rows = rows.rename(columns=dict.fromkeys([n for n in member if n in rows][:1], "member"))
    missing = [name for name in columns if name not in rows]
    if missing:
        words = {"member": " or ".join(member) or "member"}
        close = "".join(did_you_mean(name, map(str, rows.columns)) for name in missing)
        needed, lacking = (
            ", ".join(words.get(n, n) for n in names) for names in (columns, missing)
        )
        raise UsageError(
            f"the chart needs the columns {needed}; the table lacks {lacking}.{close} "
            f"{source} returns them."
        )
    numbers = [name for name in rows if name in _NUMBERS]
    try:
        rows[numbers] = rows[numbers].astype(float)
    except (TypeError, ValueError):
        bad = ", ".join(name for name in numbers if not _is_numeric(rows[name]))
        raise UsageError(f"the chart needs numbers; text stands in {bad}.") from None
    absent = {name: "" for name in ("quarter", "branch_id", "base") if name not in rows}
    return rows.assign(**absent)


def read_measures(
    frame: Frame,
    measures: Sequence[str],
    *,
    source: str,
    member: Sequence[str] = (),
    also: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the rows of some measures; a frame of one measure need not name it.

    Measures of households are drawn like those of customers. Where the chart shows no members,
    those of a dimension are left out.
    """
    columns = [*also, "value"]
    columns += [*(["measure"] if len(measures) > 1 else []), *(["member"] if member else [])]
    rows = read_rows(frame, columns, source=source, member=member)
    named = rows["measure"].astype(str) if "measure" in rows else pd.Series(measures[0], rows.index)
    rows["measure"] = named.str.removeprefix("household_")
    chosen = rows["measure"].isin(measures)
    if len(rows) and not chosen.any() and "dimension" not in rows:
        raise UsageError(
            f"the chart draws {', '.join(measures)}; the table holds other measures only. "
            f"{source} returns them."
        )
    if not member and "dimension" in rows:
        chosen &= rows["dimension"] == ""
    return rows[chosen]


def one_group(
    rows: pd.DataFrame,
    key: Sequence[str],
    group: object = None,
    *,
    beside_bank: bool = False,
    groups: Sequence[str] | None = None,
    sparse: bool = False,
) -> pd.DataFrame:
    """Return the rows of the group that a chart is about.

    Parameters
    ----------
    rows
        As `read_rows` returns them.
    key
        The columns of which a group has each combination once.
    group
        The group to keep: a value, or a tuple where the table is grouped by several columns.
    beside_bank
        Keep the rows of the whole bank too, which the chart compares with.
    groups
        The columns to group by, where they are known.
    sparse
        A group need not have all combinations, so that two groups may share none.
    """
    columns = group_columns(rows, [] if sparse else key, beside_bank=beside_bank, groups=groups)
    if group is None and not columns:
        return rows
    if group is None:
        raise UsageError(
            f"a chart shows one group, the table holds {len(rows[columns].drop_duplicates())} "
            f"({', '.join(columns)}): name one with group=…, or keep its rows only."
        )
    values = group if isinstance(group, tuple) else (group,)
    possible = [str(name) for name in rows if _may_group(name, groups)]
    if len(values) != len(columns):
        # A column by which the table holds one group only may be named, too.
        columns = possible if len(values) == len(possible) else columns or possible[:1]
    if len(values) != len(columns):
        raise UsageError(
            f"group= takes one value for each of {', '.join(columns) or 'no column'}; "
            f"{len(values)} given."
        )
    chosen = pd.Series(True, index=rows.index)
    for name, value in zip(columns, values, strict=True):
        column = rows[name].astype(str)
        if str(value) not in set(column):
            raise UsageError.unknown(f"group in {name}", value, column.unique())
        bank = beside_bank and name == "branch_id"
        chosen &= column.isin([str(value), WHOLE_BANK] if bank else [str(value)])
    return rows[chosen]


def group_columns(
    rows: pd.DataFrame,
    key: Sequence[str],
    *,
    beside_bank: bool = False,
    groups: Sequence[str] | None = None,
) -> list[str]:
    """Return the columns by which a table holds several groups; none where it holds one."""
    branch = rows["branch_id"] != WHOLE_BANK
    own = rows[branch] if beside_bank and branch.any() else rows
    by = ["quarter", "base", *key]
    if not own.duplicated([name for name in by if name in own]).any():
        return []
    return [str(n) for n in own if _may_group(n, groups) and own[n].nunique() > 1]


def subject_of(rows: pd.DataFrame) -> str:
    """Return the branch a chart is about: its one branch, or the bank if it is alone."""
    branches = sorted(set(rows["branch_id"]) - {WHOLE_BANK})
    if len(branches) > 1:
        raise UsageError(
            f"a chart shows one branch, the table holds {len(branches)}: keep the rows of one "
            f"branch_id, and those of '{WHOLE_BANK}' to compare with."
        )
    return branches[0] if branches else WHOLE_BANK


def last_quarter(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the table's last quarter."""
    return rows[rows["quarter"].eq(rows["quarter"].max())]


def of_branch(rows: pd.DataFrame, branch_id: str) -> pd.DataFrame:
    """Return the rows of one branch, or of the bank."""
    return rows[rows["branch_id"] == branch_id]


def by_member(
    rows: pd.DataFrame, measure: str, branch_id: str, members: Iterable[str]
) -> pd.Series[float]:
    """Return a measure's values of the last quarter for each member, NaN where there is none."""
    own = of_branch(last_quarter(rows), branch_id)
    chosen = own[own["measure"] == measure]
    require_one_base(chosen)
    return chosen.set_index("member")["value"].reindex(list(members))


def by_measure(rows: pd.DataFrame, measures: Sequence[str]) -> pd.Series[float]:
    """Return the value of each measure, NaN where there is none."""
    chosen = rows[rows["measure"].isin(measures)]
    require_one_base(chosen, ["measure"])
    return chosen.set_index("measure")["value"].reindex(list(measures))


def require_one_base(rows: pd.DataFrame, key: Sequence[str] = ("measure", "member")) -> None:
    """Refuse to mix bases: the same measure of two sets of customers."""
    if rows.duplicated([name for name in key if name in rows]).any():
        bases = ", ".join(sorted(rows["base"].unique()))
        raise UsageError(f"the frame holds several bases ({bases}): keep the rows of one.")


def to_pandas(frame: Frame) -> pd.DataFrame:
    """Return any engine's table as a pandas frame with a plain index."""
    if not isinstance(frame, pd.DataFrame):
        return pd.DataFrame(collect_rows(as_lazy(frame)))
    levels: list[Any] = [n for n in frame.index.names if n is not None and n not in frame]
    return (frame.reset_index(levels) if levels else frame).reset_index(drop=True)


def _may_group(name: object, groups: Sequence[str] | None) -> bool:
    """Return whether a column can be one that a table is grouped by."""
    return name not in _DESCRIBED if groups is None else name in groups


def _is_numeric(column: pd.Series[Any]) -> bool:
    """Return whether all values of a column can be numbers."""
    return bool((pd.to_numeric(column, errors="coerce").notna() | column.isna()).all())


class NothingToDraw(Exception):  # noqa: N818
    """Raised by `axes_for`: the chart's table has no rows."""

    def __init__(self, ax: Axes) -> None:
        self.ax = ax


def chart(draw: Callable[P, Axes]) -> Callable[P, Axes]:
    """Let a chart draw in the report's style, and give the reader's style back afterwards.

    A chart that has nothing to draw says so, so that a page never shows a blank.
    """

    @wraps(draw)
    def draw_in_style(*args: P.args, **kwargs: P.kwargs) -> Axes:
        with report_style():
            try:
                return draw(*args, **kwargs)
            except NothingToDraw as nothing:
                ax = nothing.ax
            without_frame(ax)
            ax.set_label(NOTHING_DRAWN)
            words = word("no_data", kwargs.get("language", "zh"))  # type: ignore[arg-type]
            ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center", color=MUTED)
            return ax

    return draw_in_style


def axes_for(data: Sized, ax: Axes | None, height: float | None = None) -> Axes:
    """Return the axes to draw data on, a new figure (of a height in centimetres) if there are none.

    Raises
    ------
    NothingToDraw
        The data are empty; `chart` says so on the axes.
    """
    if ax is None:
        ax = plt.subplots()[1] if height is None else sized_axes(height)
    elif not isinstance(ax, Axes):
        raise UsageError(f"ax= takes the axes of one plot, given {type(ax).__name__}.")
    style_axes(ax)
    if not len(data):
        raise NothingToDraw(ax)
    return ax


def sized_axes(height: float, width: float = FULL_WIDTH) -> Axes:
    """Return the axes of a new figure, its width and height in centimetres."""
    with report_style():
        return plt.subplots(figsize=(width / 2.54, height / 2.54))[1]


def style_axes(ax: Axes) -> Axes:
    """Return axes set in the style that holds, also what is made when the figure is drawn."""
    style: Any = mpl.rcParams
    ax.tick_params(
        length=0,
        pad=style["xtick.major.pad"],
        labelsize=style["xtick.labelsize"],
        labelcolor=style["xtick.color"],
        labelfontfamily=FONT_FAMILY,
        **{f"grid_{name}": style[f"grid.{name}"] for name in _GRID},
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set(fontsize=style["axes.labelsize"], color=style["axes.labelcolor"])
    words = [child for child in ax.get_children() if isinstance(child, Text)]
    offsets = (ax.xaxis.get_offset_text(), ax.yaxis.get_offset_text())
    for words_of_axes in (*words, ax.xaxis.label, ax.yaxis.label, *offsets):
        words_of_axes.set(fontfamily=FONT_FAMILY, parse_math=False)
    edge = {"color": style["axes.edgecolor"], "linewidth": style["axes.linewidth"]}
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set(**edge)
    ax.grid(visible=False)
    ax.grid(visible=True, axis="y")
    ax.set_axisbelow(True)
    return ax


def name_points(
    ax: Axes, across: Iterable[float], up: Iterable[float], words: Iterable[str]
) -> None:
    """Name points beside them, moving a name up until it touches no other and stays inside.

    Takes the right side of a point, or the left where the axes end; what finds no place is left
    out rather than printed over another.
    """
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    inside, taken = ax.get_window_extent(), [words.get_window_extent() for words in ax.texts]
    for x, y, name in zip(across, up, words, strict=True):
        for side, rise in product(("left", "right"), (0, 8, -8, 16, -16)):
            label = ax.annotate(
                name,
                (x, y),
                xytext=(5 if side == "left" else -5, rise),
                textcoords="offset points",
                ha=side,
                va="center_baseline",
                fontsize="small",
            )
            box = label.get_window_extent()
            fits = inside.x0 <= box.x0 and box.x1 <= inside.x1
            if fits and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            label.remove()


def narrowness(ax: Axes) -> float:
    """Return how much more of the axes a word takes than in a figure of the full width."""
    cell = ax.get_subplotspec()
    part = len(cell.colspan) / cell.get_gridspec().ncols if cell else ax.get_position().width
    return FULL_WIDTH / 2.54 / (float(ax.figure.get_figwidth()) * part)  # type: ignore[union-attr]


def text_width(words: str) -> int:
    """Return how wide a text is, in Latin letters; a Chinese character counts as two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in words)


def word(key: str, language: Language) -> str:
    """Return a word that charts print."""
    return text(key, language, within="word")


def write(ax: Axes, x: float, y: float, words: str, **style: Any) -> None:
    """Write words level with a bar or a point at the same height."""
    ax.text(x, y, words, va="center_baseline", **style)


def draw_bar(
    ax: Axes, left: float, middle: float, length: float, thickness: float, colour: str
) -> Rectangle:
    """Draw a lying bar; `Axes.barh` does the same, and takes ten times as long for it."""
    bar = Rectangle((left, middle - thickness / 2), length, thickness, facecolor=colour)
    ax.add_patch(bar)
    return bar


def without_frame(ax: Axes, *, names: bool = False) -> None:
    """Take away spines, ticks and grid, where direct labels say everything; `names` at the left."""
    ax.grid(visible=False)
    ax.tick_params(length=0, labelbottom=False, labelleft=names)
    for spine in ax.spines.values():
        spine.set_visible(False)


def name_values(ax: Axes, words: str, *, side: Literal["left", "right"] = "left") -> None:
    """Say above the axes what the values are, level with the eye instead of turned on its side."""
    ax.set_title(words, loc=side, fontweight="normal", color=MUTED, fontsize="medium")


def only_the_zero_line(ax: Axes) -> None:
    """Leave the base line and the names below it, where the values stand on the columns."""
    ax.grid(visible=False)
    ax.yaxis.set_visible(False)
    ax.spines["left"].set_visible(False)


def shade_cells(
    ax: Axes,
    shares: pd.DataFrame,
    words: pd.DataFrame,
    *,
    down: Sequence[str],
    across: Sequence[str],
    tilted: bool = False,
) -> Axes:
    """Draw shares as shaded cells with words in them, the columns' names above; NaN stays blank."""
    sns.heatmap(
        shares,
        annot=words,
        fmt="",
        vmin=0,
        vmax=1,
        cbar=False,
        linewidths=0.8,
        linecolor="white",
        cmap=sns.light_palette(ACTUAL, as_cmap=True),
        xticklabels=False,
        yticklabels=False,
        ax=ax,
    )
    for label, share in zip(list(ax.texts), shares.to_numpy()[shares.notna()], strict=True):
        label.set_color("white" if share >= _DARK_CELL else "black")
        label.set_in_layout(False)  # it lies in its cell; measuring it takes time
        if not label.get_text():
            label.remove()
    ax.set_yticks(np.arange(len(down)) + 0.5, down, rotation=0)
    slant: dict[str, Any] = (
        {"rotation": 30, "ha": "left"} if tilted else {"rotation": 0, "ha": "center"}
    )
    ax.set_xticks(np.arange(len(across)) + 0.5, across, **slant)
    ax.xaxis.tick_top()
    ax.set(xlabel="", ylabel="")
    ax.grid(visible=False)
    return ax


def draw_waterfall(
    ax: Axes, amounts: Sequence[float], ends: Sequence[bool], texts: Sequence[str]
) -> None:
    """Draw columns from zero at both ends, and steps that hang between them."""
    level, tops, levels = 0.0, [], [0.0]
    for position, (amount, end) in enumerate(zip(amounts, ends, strict=True)):
        start = 0.0 if end else level
        colour = ACTUAL if end else REFERENCE if amount > 0 else HIGHLIGHT
        ax.add_patch(Rectangle((position - 0.31, start), 0.62, amount, facecolor=colour))
        level = start + amount
        tops.append(max(start, level))
        levels.append(level)
        if position + 1 < len(amounts):
            ax.plot([position - 0.31, position + 1.31], [level, level], color=MUTED, linewidth=0.5)
    lowest, room = min(levels), 0.16 * max(np.ptp([*levels, *tops]), 1e-9)
    for position, (top, words) in enumerate(zip(tops, texts, strict=True)):
        ax.text(position, top + 0.15 * room, words, ha="center", va="bottom")
    ax.set(xlim=(-0.6, len(amounts) - 0.4), ylim=(lowest, max(tops) + room))
    only_the_zero_line(ax)
    if lowest < 0:
        ax.spines["bottom"].set_visible(False)
        ax.axhline(0, color=MUTED, linewidth=0.8)
