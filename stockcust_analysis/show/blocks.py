"""What a page consists of, as data: cover, key figures, conclusions, tables, figures.

```
frame ── table(frame, caption=…, unit=…, formats=…) ──> Table ──> html, JSON for the page, text
```

Each is a small frozen value that displays itself three ways: as data for the printed page, as
escaped HTML for JupyterLab, as text for a log. None of them holds markup: a branch named `<b>` or
`#read("x")` is text. What a cell says is decided here, how it looks is decided by the page.

A figure is SVG whose text stays text, its description metadata of the notebook's output. Charts and
pages are set in Noto Sans CJK SC (SIL Open Font License) of the `mpl-font` wheel, pinned by hash.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cache
from html import escape
from importlib.util import find_spec
from io import StringIO
from numbers import Integral, Number
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import pandas as pd

from stockcust_analysis.errors import MissingAltTextError, ReportError, UsageError, say
from stockcust_analysis.policy.describe import align_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOCUMENT_MIME: Final = "application/vnd.stockcust.document+json"
KEY_FIGURES_MIME: Final = "application/vnd.stockcust.keyfigures+json"
SENTENCES_MIME: Final = "application/vnd.stockcust.sentences+json"
TABLE_MIME: Final = "application/vnd.stockcust.table+json"
SVG_MIME: Final = "image/svg+xml"

# What a value that does not exist prints as.
MISSING: Final = "—"

Language = Literal["zh", "en"]
Look = Literal["rules", "steps"]
Alignment = Literal["left", "right", "center"]
_LOOKS_LIKE_A_NUMBER = re.compile(r"[▲▼+\-−*\s]*([\d,]+(\.\d+)?)?\s*(%|‰|个百分点|pp)?|—|持平|flat")


def known_language(language: object) -> str:
    """Return a language if pages are written in it; UsageError with close matches if not."""
    if language not in get_args(Language):
        raise UsageError.unknown("language", language, get_args(Language))
    return str(language)


@dataclass(frozen=True)
class Block:
    """What a page consists of: a frozen value that shows itself as data, as HTML and as text."""

    def payload(self) -> dict[str, Any]:
        """Return the fields as plain values, ready for JSON."""
        return dict(json.loads(json.dumps(asdict(self))))


@dataclass(frozen=True, kw_only=True)
class Document(Block):
    """What the page is about: the first output of a printed notebook.

    The facts of the cover, of every page's header and footer, and of the PDF's properties.
    `run_facts` (policy version, run id, reconciliation, …) are printed at the end, in order;
    `edition` says for whom the page is meant.

    >>> document(title="季度评价", branch="城关支行", as_of=date(2026, 9, 30)).payload()["as_of"]
    '2026-09-30'
    """

    title: str
    subtitle: str = ""
    organisation: str = ""
    branch: str = ""
    as_of: date | None = None
    language: Language = "zh"
    run_facts: Mapping[str, str] = field(default_factory=dict)
    edition: str = ""

    def __post_init__(self) -> None:
        """Refuse a language in which no page is written."""
        known_language(self.language)

    def payload(self) -> dict[str, Any]:
        """Return the facts as plain values, ready for JSON."""
        return {
            **vars(self),
            "as_of": self.as_of.isoformat()[:10] if self.as_of else "",
            # Pairs, because notebooks are stored with the names of a mapping sorted.
            "run_facts": [[str(name), str(fact)] for name, fact in self.run_facts.items()],
        }

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        facts = self.payload()
        names = ("organisation", "branch", "as_of", "edition")
        below = [self.subtitle, " · ".join(facts[name] for name in names if facts[name])]
        small = "".join(f"<div>{escape(line)}</div>" for line in below if line)
        return {
            DOCUMENT_MIME: facts,
            "text/html": f'<div style="font-size:1.6em"><b>{escape(self.title)}</b></div>{small}',
            "text/plain": "\n".join(line for line in (self.title, *below) if line),
        }


document = Document


@dataclass(frozen=True)
class KeyFigure:
    """One number of the first page: label, value, unit, and what it is compared with.

    A comparison is a text, or its name and its value, which then stand below one another.
    """

    label: str
    value: str
    unit: str = ""
    comparisons: tuple[str | tuple[str, str], ...] = ()

    @property
    def comparison_texts(self) -> list[str]:
        """The comparisons, each in one piece."""
        return [text if isinstance(text, str) else " ".join(text) for text in self.comparisons]


@dataclass(frozen=True)
class KeyFigures(Block):
    """The numbers a manager looks at first, as tiles three abreast.

    >>> tiles = KeyFigures([KeyFigure("季日均AUM", "12.6", "亿元", ("环比 ▲ 3.1%",))])
    >>> tiles.payload()["figures"][0]["comparisons"]
    ['环比 ▲ 3.1%']
    """

    figures: Sequence[KeyFigure]

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        # Equal widths: left alone, JupyterLab breaks the label of a short tile over several lines.
        width = 100 // max(len(self.figures), 1)
        cell = f'<td style="width:{width}%;text-align:left;vertical-align:top">'
        tiles, lines = "", []
        for tile in self.figures:
            label, value, unit = map(escape, (tile.label, tile.value, tile.unit))
            beside = "<br>".join(map(escape, tile.comparison_texts))
            tiles += f"{cell}<small>{label}</small><br><b>{value}</b> {unit}<br>"
            tiles += f"<small>{beside}</small></td>"
            lines.append(" ".join((tile.label, tile.value, tile.unit, *tile.comparison_texts)))
        html, plain = f"<table><tr>{tiles}</tr></table>", "\n".join(lines)
        return {KEY_FIGURES_MIME: self.payload(), "text/html": html, "text/plain": plain}


@dataclass(frozen=True)
class Sentence:
    """One conclusion; `lead` names its subject and is printed in bold.

    `section` is the anchor of the chapter that shows its figures; the page links to it.
    """

    text: str
    lead: str = ""
    section: str = ""


@dataclass(frozen=True, init=False)
class Sentences(Block):
    """Conclusions, most important first; plain strings are sentences without a lead.

    With an `anchor` they open the chapter to which other sentences lead.

    >>> Sentences(["客户数持平。", Sentence("前10户占比 38%。", lead="集中度")]).sentences[0]
    Sentence(text='客户数持平。', lead='', section='')
    """

    sentences: tuple[Sentence, ...]
    anchor: str = ""

    def __init__(self, sentences: Iterable[Sentence | str], anchor: str = "") -> None:
        finished = (Sentence(text) if isinstance(text, str) else text for text in sentences)
        object.__setattr__(self, "sentences", tuple(finished))
        object.__setattr__(self, "anchor", anchor)

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        pairs = [(sentence.lead, sentence.text) for sentence in self.sentences]
        items = "".join(f"<li><b>{escape(lead)}</b> {escape(text)}</li>" for lead, text in pairs)
        lines = (f"{n}. {f'{lead} {text}'.strip()}" for n, (lead, text) in enumerate(pairs, 1))
        html, plain = f"<ol>{items}</ol>", "\n".join(lines)
        return {SENTENCES_MIME: self.payload(), "text/html": html, "text/plain": plain}


@dataclass(frozen=True)
class Column:
    """One column: header, alignment, the part of each cell that a bar fills."""

    label: str
    align: Alignment = "left"
    bars: tuple[float, ...] = ()


@dataclass(frozen=True)
class Table(Block):
    """A finished table (三线表): caption, unit, columns, rows of strings, note.

    `emphasised`: positions of the rows in bold, such as a total. The look "steps" is for what is to
    be done: large numbers, the task in bold. Two halves in a row stand side by side.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    unit: str = ""
    note: str = ""
    emphasised: tuple[int, ...] = ()
    look: Look = "rules"
    half: bool = False

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        title = "  ".join(filter(None, (self.caption, self.unit)))
        rows = ([column.label for column in self.columns], *self.rows)
        right = [n for n, column in enumerate(self.columns) if column.align == "right"]
        plain = "\n".join(filter(None, (title, *align_columns(rows, right), self.note)))
        return {TABLE_MIME: self.payload(), "text/html": _html(self), "text/plain": plain}


def table(
    frame: pd.DataFrame,
    *,
    caption: str,
    unit: str = "",
    note: str = "",
    labels: Mapping[str, str] | None = None,
    formats: Mapping[str, Callable[[Any], str]] | None = None,
    align: Mapping[str, Alignment] | None = None,
    bars: Mapping[str, Sequence[float]] | None = None,
    emphasise: Collection[int] = (),
    look: Look = "rules",
    half: bool = False,
) -> Table:
    """Make a table of a frame's columns; the index is not shown.

    `formats` turns values into text; strings and whole numbers need none, other numbers do.
    `bars` are the parts of the cells' width that bars behind them fill. `labels`, `formats`,
    `align` and `bars` speak of the frame's own column names. `emphasise` holds row positions, from
    the end when negative.

    >>> people = pd.DataFrame({"branch": ["城关支行", "合计"], "customers": [1200, 1200]})
    >>> shown = table(people, caption="客户数", unit="单位:户", emphasise=[-1])
    >>> shown.rows
    (('城关支行', '1,200'), ('合计', '1,200'))
    >>> [column.align for column in shown.columns], shown.emphasised
    (['left', 'right'], (1,))
    """
    labels, formats, align, bars = labels or {}, formats or {}, align or {}, bars or {}
    for unknown in sorted({*labels, *formats, *align} - set(map(str, frame.columns))):
        raise UsageError.unknown("column", unknown, frame.columns)
    columns, cells = [], []
    for key, values in ((str(name), values) for name, values in frame.items()):
        texts = [_cell_text(value, key, formats.get(key)) for value in values]
        side = align.get(key) or natural_alignment(texts)
        columns.append(Column(labels.get(key, key), side, tuple(bars.get(key, ()))))
        cells.append(texts)
    emphasised = tuple(range(len(frame))[position] for position in emphasise)
    rows = tuple(zip(*cells, strict=True))
    return Table(caption, tuple(columns), rows, unit, note, emphasised, look, half)


def _cell_text(value: Any, column: str, text_of: Callable[[Any], str] | None) -> str:
    """Return a cell as text; the column's name is for the error message only."""
    if pd.isna(value):
        return MISSING
    if text_of is not None:
        return text_of(value)
    if isinstance(value, (str, bool)):
        return str(value)
    if isinstance(value, Integral):
        return f"{value:,}"
    if isinstance(value, Number):
        raise ReportError(say("no_format", column, column))
    return str(value)


def natural_alignment(texts: Sequence[str]) -> Alignment:
    """Return "right" for a column of numbers, "left" for one of words."""
    numbers = texts and all(_LOOKS_LIKE_A_NUMBER.fullmatch(text) for text in texts)
    return "right" if numbers else "left"


def _html(shown: Table) -> str:
    """Return the table as escaped HTML with its three rules, for JupyterLab."""
    thick, thin, bare = "1.5px solid #333", "0.75px solid #333", "border:0;background:none"

    def cells(tag: str, texts: Iterable[str]) -> str:
        return "".join(
            f'<{tag} style="text-align:{column.align}">{escape(text)}</{tag}>'
            for column, text in zip(shown.columns, texts, strict=True)
        )

    body = "".join(
        f'<tr style="{bare};font-weight:{700 if position in shown.emphasised else 400}">'
        f"{cells('td', row)}</tr>"
        for position, row in enumerate(shown.rows)
    )
    labels = cells("th", (column.label for column in shown.columns))
    return (
        f'<table style="border-collapse:collapse;border-top:{thick};border-bottom:{thick}">'
        f'<caption style="text-align:left"><b>{escape(shown.caption)}</b>'
        f'<span style="float:right">{escape(shown.unit)}</span></caption>'
        f'<thead style="border-bottom:{thin}"><tr style="{bare}">{labels}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
        + (f"<small>{escape(shown.note)}</small>" if shown.note else "")
    )


# Up to this width in centimetres two figures stand side by side.
HALF_PAGE: Final = 8.5
FONT_FAMILY: Final = "Noto Sans CJK SC"
# SHA-256 of each font file, as recorded in a run's manifest.
FONT_HASHES: Final = {
    "NotoSansCJKsc-Regular.otf": "1652500938055a232cfbfa321de6ebaadfc5635dd9f75e369bc991d14a6512dd",
    "NotoSansCJKsc-Bold.otf": "9cd6c106d54cec938405ae19388cb4bc685ad2ff0270d03358bf61aa67e1ccb9",
}

_STYLE_FILE: Final = Path(__file__).with_name("stockcust.mplstyle")
# The salt makes element ids, and so the bytes, equal from run to run.
_SAME_BYTES: Final[dict[Any, str]] = {"svg.hashsalt": "stockcust", "svg.fonttype": "none"}
# Settings that decide how a figure looks; how sharp it is shown on a screen stays the reader's.
_LOOKS: Final = re.compile(
    r"(axes|figure|font|grid|hatch|image|legend|lines|markers|mathtext|patch|path|text"
    r"|xaxis|xtick|yaxis|ytick)\."
)
_NO_METADATA: Final = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Drawing:
    """A finished figure: the SVG, the words that replace it, the words above it."""

    svg: str
    alt: str
    caption: str
    half: bool = False

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        data = {
            SVG_MIME: self.svg,
            # JupyterLab shows this one: the SVG alone has no caption. A picture of its own, because
            # the ids of several drawings would meet on one page.
            "text/html": f"<figure style='margin:0'><figcaption><b>{escape(self.caption)}</b>"
            f'</figcaption><img alt="{escape(self.alt)}" src="data:{SVG_MIME};base64,'
            f'{b64encode(self.svg.encode()).decode()}"></figure>',
            "text/plain": f"{self.caption}\n{self.alt}",
        }
        return data, {"alt": self.alt, "caption": self.caption, "half": self.half}


def figure(drawn: Axes | Figure, *, alt: str, caption: str) -> Drawing:
    """Finish a Matplotlib figure for the page, and close it.

    `alt` says what the figure shows to a reader who cannot see it; `caption` stands above it.
    Both are required by the archival and accessible form of the PDF. Two figures in a row that
    are no wider than half the page (8.5 cm) stand side by side.
    """
    for name, words in (("alt", alt), ("caption", caption)):
        if not words.strip():
            raise MissingAltTextError(say("alt_text_empty", name))
    import matplotlib as mpl
    from matplotlib import pyplot as plt
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    whole: Any = drawn if hasattr(drawn, "savefig") else getattr(drawn, "figure", None)
    if whole is None:
        raise UsageError(say("figure_takes", type(drawn).__name__))
    svg = StringIO()
    with report_style(), mpl.rc_context(_SAME_BYTES):
        canvas: Any = FigureCanvasSVG(whole)
        whole.set_facecolor("none")
        if (layout := whole.get_layout_engine()) is not None:
            # `savefig` would draw everything once more, unseen, only to lay the axes out.
            whole.dpi = 72
            layout.execute(whole)
            whole.set_layout_engine("none")
        canvas.print_svg(svg, metadata=_NO_METADATA)
    plt.close(whole)
    half = bool(whole.get_figwidth() * 2.54 <= HALF_PAGE)
    return Drawing(svg.getvalue(), alt.strip(), caption.strip(), half)


@contextmanager
def report_style() -> Iterator[None]:
    """Draw in the report's fonts, sizes and colours; the reader's style holds again afterwards.

    >>> from matplotlib import pyplot as plt
    >>> before = plt.rcParams["font.size"]
    >>> with report_style():
    ...     plt.rcParams["font.family"], plt.rcParams["font.size"]
    (['Noto Sans CJK SC'], 8.0)
    >>> plt.rcParams["font.size"] == before
    True
    """
    import matplotlib as mpl

    register_fonts()
    style = _style()
    before = {name: mpl.rcParams[name] for name in style}
    mpl.rcParams.update(style)
    try:
        yield
    finally:  # these alone: the backend of a kernel, loaded by the first figure, sets one as well
        mpl.rcParams.update(before)


@cache
def _style() -> dict[Any, Any]:
    """Return the report's style with Matplotlib's defaults below it, not the reader's own."""
    import matplotlib as mpl

    looks = [name for name in mpl.rcParamsDefault if _LOOKS.match(name) and name != "figure.dpi"]
    defaults = {name: mpl.rcParamsDefault[name] for name in looks}
    return defaults | dict(mpl.rc_params_from_file(_STYLE_FILE, use_default_template=False))


@cache
def register_fonts() -> None:
    """Make the pinned files the only ones Matplotlib knows under the report's font family."""
    from matplotlib.font_manager import fontManager

    fontManager.ttflist = [entry for entry in fontManager.ttflist if entry.name != FONT_FAMILY]
    for path in font_files():
        fontManager.addfont(path)


@cache
def font_folder() -> Path:
    """Return the folder that holds the pinned fonts; an error if a file is missing or another.

    The wheel's module is located but not imported: importing it would change Matplotlib's fonts.
    """
    wheel = find_spec("mpl_font")
    if wheel is None or wheel.origin is None:
        raise ReportError(say("fonts_missing"))
    folder = Path(wheel.origin).parent / "fonts" / "noto"
    for name, expected in FONT_HASHES.items():
        path = folder / name
        if not path.is_file():
            raise ReportError(say("font_missing", name))
        if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise ReportError(say("font_changed", name))
    return folder


def font_files() -> tuple[Path, ...]:
    """Return the paths of the pinned font files, regular first."""
    return tuple(font_folder() / name for name in FONT_HASHES)
