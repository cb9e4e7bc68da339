"""Figures as finished drawings: SVG whose text stays text, the same bytes every time.

`figure(axes, alt=…, caption=…)` takes a Matplotlib figure, draws it and closes it. The words that
describe it travel along as metadata of the notebook's output, where the page machine finds them.

Charts and pages are set in two font files inside the `mpl-font` wheel: Noto Sans CJK SC, regular
and bold (SIL Open Font License). They are pinned by hash, because the same text must give the same
bytes wherever the report is made; system fonts are never used.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stockcust_analysis.errors import MissingAltTextError, ReportError, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SVG_MIME: Final = "image/svg+xml"
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
_READERS_OWN: Final = "figure.dpi"
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
            raise MissingAltTextError(
                f"figure(…, {name}='') is empty: say in words what the figure shows."
            )
    import matplotlib as mpl
    from matplotlib import pyplot as plt
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    whole: Any = drawn if hasattr(drawn, "savefig") else getattr(drawn, "figure", None)
    if whole is None:
        raise UsageError(f"figure() takes Matplotlib axes or a figure, not {type(drawn).__name__}.")
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

    _register_fonts()
    with mpl.rc_context(_style()):
        yield


@cache
def _style() -> dict[Any, Any]:
    """Return the report's style with Matplotlib's defaults below it, not the reader's own."""
    import matplotlib as mpl

    looks = [name for name in mpl.rcParamsDefault if _LOOKS.match(name) and name != _READERS_OWN]
    defaults = {name: mpl.rcParamsDefault[name] for name in looks}
    return defaults | dict(mpl.rc_params_from_file(_STYLE_FILE, use_default_template=False))


@cache
def _register_fonts() -> None:
    """Make the pinned files the only ones Matplotlib knows under the report's font family."""
    from matplotlib.font_manager import fontManager

    others = [entry for entry in fontManager.ttflist if entry.name != FONT_FAMILY]
    fontManager.ttflist = others
    for path in font_files():
        fontManager.addfont(path)


@cache
def font_folder() -> Path:
    """Return the folder that holds the pinned fonts; an error if a file is missing or another.

    The wheel's module is located but not imported: importing it would change Matplotlib's fonts.
    """
    wheel = find_spec("mpl_font")
    if wheel is None or wheel.origin is None:
        raise ReportError("the report fonts are missing: install the package 'mpl-font' 1.1.0.")
    folder = Path(wheel.origin).parent / "fonts" / "noto"
    for name, expected in FONT_HASHES.items():
        path = folder / name
        if not path.is_file():
            raise ReportError(f"the font file {name} is missing: reinstall 'mpl-font' 1.1.0.")
        if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise ReportError(
                f"the font file {name} is not the pinned one (SHA-256 differs): "
                "install exactly 'mpl-font' 1.1.0."
            )
    return folder


def font_files() -> tuple[Path, ...]:
    """Return the paths of the pinned font files, regular first."""
    return tuple(font_folder() / name for name in FONT_HASHES)
