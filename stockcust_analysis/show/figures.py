"""Figures as finished drawings: SVG whose text stays text, the same bytes every time.

`figure(axes, alt=…, caption=…)` takes a Matplotlib figure, draws it and closes it. The words that
describe it travel along as metadata of the notebook's output, where the page machine finds them.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from html import escape
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stockcust_analysis.errors import MissingAltTextError, UsageError
from stockcust_analysis.show.fonts import FONT_FAMILY, font_files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SVG_MIME: Final = "image/svg+xml"
HALF_WIDTH: Final = 8.5
STYLE_FILE: Final = Path(__file__).with_name("stockcust.mplstyle")

# The salt makes element ids, and so the bytes, equal from run to run.
_SAME_BYTES: Final[dict[Any, str]] = {"svg.hashsalt": "stockcust", "svg.fonttype": "none"}
# Settings that decide how a figure looks; how sharp it is shown on a screen stays the reader's.
_DRAWN: Final = ("axes.", "figure.", "font.", "grid.", "hatch.", "image.", "legend.", "lines.",
                 "markers.", "mathtext.", "patch.", "path.", "text.", "xaxis.", "xtick.", "yaxis.",
                 "ytick.")  # fmt: skip
_OWN: Final = "figure.dpi"
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

    whole: Any = drawn if hasattr(drawn, "savefig") else getattr(drawn, "figure", None)
    if whole is None:
        raise UsageError(f"figure() takes Matplotlib axes or a figure, not {type(drawn).__name__}.")
    text = StringIO()
    with report_style(), mpl.rc_context(_SAME_BYTES):
        whole.savefig(text, format="svg", metadata=_NO_METADATA)
    plt.close(whole)
    half = bool(whole.get_figwidth() * 2.54 <= HALF_WIDTH)
    return Drawing(text.getvalue(), alt.strip(), caption.strip(), half)


@cache
def _register_fonts() -> None:
    """Make the pinned files the only ones Matplotlib knows under the report's font family."""
    from matplotlib.font_manager import fontManager

    others = [entry for entry in fontManager.ttflist if entry.name != FONT_FAMILY]
    fontManager.ttflist = others
    for path in font_files():
        fontManager.addfont(path)


@cache
def _style() -> dict[Any, Any]:
    """Return the report's style with Matplotlib's defaults below it, not the reader's own."""
    import matplotlib as mpl

    drawn = {k: v for k, v in mpl.rcParamsDefault.items() if k.startswith(_DRAWN) and k != _OWN}
    return drawn | dict(mpl.rc_params_from_file(STYLE_FILE, use_default_template=False))


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
