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
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal, ParamSpec

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from stockcust_analysis.core.files import atomic_write
from stockcust_analysis.core.frames import Frame, as_lazy, collect_rows
from stockcust_analysis.errors import UsageError, did_you_mean, joined, require_known, say
from stockcust_analysis.evaluation.results import WHOLE_BANK
from stockcust_analysis.show.blocks import FONT_FAMILY, Language, figure, report_style
from stockcust_analysis.show.wording import text

P = ParamSpec("P")

# The first colours of the style: blue against orange, and told apart in grey as well.
ACTUAL: Final = "#1F4E79"
REFERENCE: Final = "#9DB8D2"
HIGHLIGHT: Final = "#D9822B"
MUTED: Final = "#6B7B8C"
INK: Final = "#1F2933"
PALE_HIGHLIGHT: Final = "#F2D2AE"

# The label of axes without data, by which a page knows to leave the figure out.
NOTHING_DRAWN: Final = "nothing drawn"
# Widths of figures in centimetres: the page's column, and two side by side.
FULL_WIDTH: Final = 17.0
HALF_WIDTH: Final = 8.2
# From this `narrowness` on, long names are set smaller or aslant.
NARROW: Final = 1.5

_GRID: Final = ("color", "linewidth", "linestyle", "alpha")
_SLIDE: Final = 16 / 9
# What each kind of file says of itself: no date, so that the same chart gives the same bytes.
_METADATA: Final[dict[str, dict[str, Any]]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_SHADED: Final = ("co_holding", "grid", "migration")
# From this share on, white letters stand out better than black ones.
_DARK_CELL: Final = 0.6
_NUMBERS: Final = (
    "value n compared centre lower_95 upper_95 lower_998 upper_998 rank rank_of rank_low rank_high "
    "attainment points weight fall customer_share value_share conditional_rate customers amount"
)
# Columns that measures fill; what a frame has besides are the columns it is grouped by.
_DESCRIBED: Final = (
    f"{_NUMBERS} quarter as_of measure dimension member base numerator denominator indicator from "
    "to family_a family_b holders_a holders_b both rate_low rate_high lift lift_low lift_high "
    "opening_aum closing_aum component"
)


@dataclass(frozen=True)
class Source:
    """What a chart reads: the call that returns such a table, and what of it is drawn.

    Parameters
    ----------
    call
        The call, for the error.
    columns
        The columns a chart cannot do without, beside those that `measures` and `member` need.
    key
        The columns of which a group has each combination once; none where a group need not have
        all of them, so that two groups may share none.
    measures
        The measures drawn. A table of one measure need not name it, and those of households are
        drawn like those of customers; without a `member` those of a dimension are left out.
    member
        Columns that may stand for `member`: the first that the table has is renamed.
    groups
        The columns a table can be grouped by; all that no measure fills, if not named.
    beside_bank
        Keep the rows of the whole bank too, which the chart compares with.
    last_quarter
        Read the table's last quarter alone.
    """

    call: str
    columns: Sequence[str] = ()
    key: Sequence[str] = ()
    measures: Sequence[str] = ()
    member: Sequence[str] = ()
    groups: Sequence[str] | None = None
    beside_bank: bool = False
    last_quarter: bool = True

    def __post_init__(self) -> None:
        """Measures of members are compared with the bank's, and stand once for each member."""
        if self.measures:
            members = ["member"] if self.member else []
            object.__setattr__(self, "key", ["measure", *members])
            object.__setattr__(self, "beside_bank", bool(members))

    def read(self, frame: Frame, group: object = None) -> pd.DataFrame:
        """Return the rows of the group that a chart is about, numbers as floats."""
        return self.choose_group(self.read_all(frame), group)

    def read_all(self, frame: Frame) -> pd.DataFrame:
        """Return the rows of all groups; UsageError if a column or a number is missing."""
        rows = to_pandas(frame)
        if "member" not in rows:
            first = [name for name in self.member if name in rows][:1]
            rows = rows.rename(columns=dict.fromkeys(first, "member"))
        self._check_columns(rows)
        numbers = [name for name in rows if name in _NUMBERS.split()]
        values = rows[numbers].apply(pd.to_numeric, errors="coerce")
        if texts := [name for name in numbers if (values[name].isna() & rows[name].notna()).any()]:
            raise UsageError(say("chart_needs_numbers", texts))
        rows[numbers] = values.astype(float)
        absent = {name: "" for name in ("quarter", "branch_id", "base") if name not in rows}
        rows = self._choose_measures(rows.assign(**absent))
        return last_quarter(rows) if self.last_quarter else rows

    def _check_columns(self, rows: pd.DataFrame) -> None:
        """Refuse a table that lacks columns; close matches are offered."""
        columns = [*self.columns, *(["value"] if self.measures else [])]
        columns += ["measure"] if len(self.measures) > 1 else []
        columns += ["member"] if self.member and "member" not in columns else []
        missing = [name for name in columns if name not in rows]
        if missing:
            words: dict[str, object] = {"member": joined(self.member, " or ", "或")}
            close = joined((did_you_mean(n, map(str, rows.columns)) for n in missing), "", "")
            needed, lacking = ([words.get(n, n) for n in names] for names in (columns, missing))
            raise UsageError(say("chart_needs_columns", needed, lacking, close, self.call))

    def _choose_measures(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of the chart's measures."""
        if not self.measures:
            return rows
        named = rows["measure"].astype(str) if "measure" in rows else self.measures[0]
        rows = rows.assign(measure=named)
        rows["measure"] = rows["measure"].str.removeprefix("household_")
        chosen = rows["measure"].isin(self.measures)
        if len(rows) and not chosen.any() and "dimension" not in rows:
            raise UsageError(say("other_measures", [*self.measures], self.call))
        if not self.member and "dimension" in rows:
            chosen &= rows["dimension"] == ""
        return rows[chosen]

    def choose_group(self, rows: pd.DataFrame, group: object = None) -> pd.DataFrame:
        """Return the rows of one group: a value, or a tuple where several columns group a table."""
        columns = self.group_columns(rows)
        if group is None and not columns:
            return rows
        if group is None:
            number = len(rows[columns].drop_duplicates())
            raise UsageError(say("several_groups", number, [*columns]))
        values = group if isinstance(group, tuple) else (group,)
        if len(values) != len(columns):
            # A column by which the table holds one group only may be named, too.
            possible = [str(name) for name in rows if self._may_group(name)]
            columns = possible if len(values) == len(possible) else columns or possible[:1]
        if len(values) != len(columns):
            problem = "group_takes" if columns else "group_takes_none"
            raise UsageError(say(problem, columns, len(values)))
        chosen = pd.Series(True, index=rows.index)
        for name, value in zip(columns, map(str, values), strict=True):
            column = rows[name].astype(str)
            require_known("group_in", value, {*column}, name)
            bank = self.beside_bank and name == "branch_id"
            chosen &= column.isin([value, WHOLE_BANK] if bank else [value])
        return rows[chosen]

    def group_columns(self, rows: pd.DataFrame) -> list[str]:
        """Return the columns by which a table holds several groups; none where it holds one."""
        branch = rows["branch_id"] != WHOLE_BANK
        own = rows[branch] if self.beside_bank and branch.any() else rows
        by = [name for name in ("quarter", "base", *self.key) if name in own]
        if not own.duplicated(by).any():
            return []
        return [str(name) for name in own if self._may_group(name) and own[name].nunique() > 1]

    def _may_group(self, name: object) -> bool:
        """Return whether a column can be one that a table is grouped by."""
        return name not in _DESCRIBED.split() if self.groups is None else name in self.groups


def subject_of(rows: pd.DataFrame) -> str:
    """Return the branch a chart is about: its one branch, or the bank if it is alone."""
    branches = sorted(set(rows["branch_id"]) - {WHOLE_BANK})
    if len(branches) > 1:
        raise UsageError(say("several_branches", len(branches), WHOLE_BANK))
    return branches[0] if branches else WHOLE_BANK


def last_quarter(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the table's last quarter."""
    return rows[rows["quarter"].eq(rows["quarter"].max())]


def of_branch(rows: pd.DataFrame, branch_id: str) -> pd.DataFrame:
    """Return the rows of one branch, or of the bank."""
    return rows[rows["branch_id"] == branch_id]


def values_by(column: str, rows: pd.DataFrame, names: Iterable[str]) -> pd.Series[float]:
    """Return the value of each measure or member of one group, NaN where there is none."""
    require_one_base(rows, [column])
    return rows.set_index(column)["value"].reindex(list(names))


def require_one_base(rows: pd.DataFrame, key: Sequence[str]) -> None:
    """Refuse to mix bases: the same measure of two sets of customers."""
    if rows.duplicated(list(key)).any():
        raise UsageError(say("several_bases_held", sorted(rows["base"].unique())))


def to_pandas(frame: Frame) -> pd.DataFrame:
    """Return any engine's table as a pandas frame with a plain index."""
    if not isinstance(frame, pd.DataFrame):
        return pd.DataFrame(collect_rows(as_lazy(frame)))
    plain = pd.DataFrame(frame)  # of a result the plain table
    levels: list[Any] = [n for n in plain.index.names if n is not None and n not in plain]
    return (plain.reset_index(levels) if levels else plain).reset_index(drop=True)


class NothingToDraw(Exception):  # noqa: N818
    """Raised by `axes_for`: the chart's table has no rows."""

    def __init__(self, ax: Axes) -> None:
        self.ax = ax


def chart(draw: Callable[P, Axes]) -> Callable[P, Axes]:
    """Let a chart draw in the report's style, and give the reader's style back afterwards.

    A chart that has nothing to draw says so, so that a page never shows a blank. With `figsize`
    (inches) its figure has that size, as pandas' charts have.
    """
    known = [*signature(draw).parameters, "figsize"]

    @wraps(draw)
    def draw_in_style(*args: P.args, **kwargs: P.kwargs) -> Axes:
        options: Any = kwargs
        for name in options:
            require_known("chart_option", name, known, draw.__name__)
        if (size := options.pop("figsize", None)) is not None:
            options["ax"] = options.get("ax") or sized_axes(1)
            options["ax"].figure.set_size_inches(size)
        if draw.__name__ in _SHADED:
            import seaborn  # noqa: F401 - it keeps the settings that it finds, to reset them

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


class ChartAxes(Axes):
    """The axes of a chart in a figure of its own, which can be saved for a slide."""

    def save(self, path: str | Path) -> None:
        """Write the figure at the shape of a slide (16:9): .png (3840 × 2160), .svg or .pdf.

        Letters are in the file, so that it reads the same without the report's fonts; the same
        chart gives the same bytes. The figure itself stays as it is.

        Raises
        ------
        UsageError
            Another ending.
        """
        path = Path(path)
        if path.suffix.lower() not in _METADATA:
            raise UsageError(say("ends_in", [*_METADATA], path.name))
        figure: Any = self.figure
        size = figure.get_size_inches()
        width = max(size[0], size[1] * _SLIDE)
        options = {"dpi": 3840 / width, "metadata": _METADATA[path.suffix.lower()]}
        with report_style(), mpl.rc_context({"svg.hashsalt": "stockcust"}):
            try:
                figure.set_size_inches(width, width / _SLIDE, forward=False)
                with atomic_write(path) as beside:
                    figure.savefig(beside, facecolor="white", **options)
            finally:
                figure.set_size_inches(size, forward=False)


OWN_AXES: Final = {"axes_class": ChartAxes}
"""What makes the axes of a new figure those of a chart."""


def axes_for(data: Sized, ax: Axes | None, height: float | None = None) -> Axes:
    """Return the axes to draw data on, a new figure (of a height in centimetres) if there are none.

    Raises
    ------
    NothingToDraw
        The data are empty; `chart` says so on the axes.
    """
    if ax is None:
        ax = plt.subplots(subplot_kw=OWN_AXES)[1] if height is None else sized_axes(height)
    elif not isinstance(ax, Axes):
        raise UsageError(say("ax_takes", type(ax).__name__))
    style_axes(ax)
    if not len(data):
        raise NothingToDraw(ax)
    return ax


def sized_axes(height: float, width: float = FULL_WIDTH) -> Axes:
    """Return the axes of a new figure, its width and height in centimetres."""
    with report_style():
        return plt.subplots(figsize=(width / 2.54, height / 2.54), subplot_kw=OWN_AXES)[1]


def prepare_drawing() -> None:
    """Draw an empty figure: what Matplotlib loads for its first is there for all that follow."""
    with report_style():  # without pyplot, which would ask for a kernel's backend
        figure(style_axes(Figure().subplots()), alt="empty", caption="empty")


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
    axes = (ax.xaxis, ax.yaxis)
    for axis in axes:
        axis.label.set(fontsize=style["axes.labelsize"], color=style["axes.labelcolor"])
    words = [child for child in ax.get_children() if isinstance(child, Text)]
    words += [part for axis in axes for part in (axis.label, axis.get_offset_text())]
    for label in words:
        label.set(fontfamily=FONT_FAMILY, parse_math=False)
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
            style: Any = {"ha": side, "va": "center_baseline", "fontsize": "small"}
            offset = (5 if side == "left" else -5, rise)
            label = ax.annotate(name, (x, y), xytext=offset, textcoords="offset points", **style)
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


def without_frame(ax: Axes, rows: Sized = (), names: Iterable[object] = ()) -> None:
    """Take away spines, ticks and grid, where direct labels say everything; name rows, if any."""
    ax.grid(visible=False)
    ax.tick_params(length=0, labelbottom=False, labelleft=len(rows) > 0)
    if len(rows):
        ax.set_yticks(np.asarray(rows), list(map(str, names)))
    ax.spines[:].set_visible(False)


def name_values(ax: Axes, words: str, *, side: Literal["left", "right"] = "left") -> None:
    """Say above the axes what the values are, level with the eye instead of turned on its side."""
    ax.set_title(words, loc=side, fontweight="normal", color=MUTED, fontsize="medium")


def add_note(ax: Axes, key: str, language: Language, **blanks: object) -> None:
    """Add a sentence below the axes."""
    add_line(ax, text(key, language, within="result_note").format(**blanks))


def add_line(ax: Axes, words: str) -> None:
    """Add a line below the axes, under those that stand there."""
    lines = "\n".join(filter(None, [ax.get_xlabel(), words]))
    ax.set_xlabel(lines, loc="left", fontsize="small", linespacing=1.6)


def note_left_out(
    ax: Axes, shown: int, groups: int, language: Language, kind: str = "largest"
) -> None:
    """Say below the axes how many groups are drawn, where there are more."""
    if shown < groups:
        add_note(ax, kind, language, shown=shown, groups=groups)


def only_the_zero_line(ax: Axes) -> None:
    """Leave the base line and the names below it, where the values stand on the columns."""
    ax.grid(visible=False)
    ax.yaxis.set_visible(False)
    ax.spines["left"].set_visible(False)


def shade_cells(
    ax: Axes, shares: pd.DataFrame, words: pd.DataFrame, *, tilted: bool = False
) -> Axes:
    """Draw shares as shaded cells with words in them, the columns' names above; NaN stays blank."""
    import seaborn as sns  # here alone: it loads SciPy's statistics, as long as all else takes

    values = np.ma.masked_invalid(shares.to_numpy(dtype=float))
    palette = sns.light_palette(ACTUAL, as_cmap=True)
    # Not seaborn's heatmap, which draws the whole figure once to see whether its labels overlap
    ax.pcolormesh(values, cmap=palette, vmin=0, vmax=1, linewidths=0.8, edgecolor="white")
    ax.set(xlim=(0, shares.shape[1]), ylim=(shares.shape[0], 0))
    for row, column in np.argwhere(~values.mask):
        if text := str(words.iat[row, column]):
            colour = "white" if values[row, column] >= _DARK_CELL else "black"
            label = ax.text(column + 0.5, row + 0.5, text, color=colour, ha="center", va="center")
            label.set_in_layout(False)  # it lies in its cell; measuring it takes time
    ax.spines[:].set_visible(False)
    ax.set_yticks(np.arange(len(shares)) + 0.5, list(shares.index), rotation=0)
    angle, side = (30, "left") if tilted else (0, "center")
    names = list(shares.columns)
    ax.set_xticks(np.arange(len(names)) + 0.5, names, rotation=angle, ha=side)
    ax.xaxis.tick_top()
    ax.grid(visible=False)
    return ax
