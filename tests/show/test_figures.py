"""Figures as finished drawings."""

from __future__ import annotations

import subprocess
import sys

import matplotlib as mpl
import pytest
from matplotlib import font_manager
from matplotlib import pyplot as plt

from stockcust_analysis.errors import MissingAltTextError, UsageError
from stockcust_analysis.show import Drawing, figure, report_style
from stockcust_analysis.show.blocks import FONT_FAMILY, font_files, register_fonts


@pytest.fixture(autouse=True)
def _report_style():
    mpl.use("svg")
    with report_style():
        yield


def _drawn(title: str = "季末余额") -> Drawing:
    _, axes = plt.subplots()
    axes.bar(["城关", "东街"], [1, -2])
    axes.set_title(title)
    return figure(axes, alt="两个条形", caption="余额")


def _with_markers() -> Drawing:
    """Draw what Matplotlib names by a salted hash."""
    _, axes = plt.subplots()
    axes.plot([1, 2], [3, 1], marker="o")
    return figure(axes, alt="a", caption="c")


def test_mimebundle() -> None:
    """A figure displays as SVG; alternative text and caption are the output's metadata."""
    data, metadata = _drawn()._repr_mimebundle_()
    assert data["image/svg+xml"].startswith("<?xml")
    assert metadata == {"alt": "两个条形", "caption": "余额", "half": False}


def test_text_stays_text() -> None:
    """The words of a chart are words in the report's font, not outlines."""
    svg = _drawn().svg
    assert "季末余额</text>" in svg
    assert FONT_FAMILY in svg


def test_same_bytes() -> None:
    """The same figure gives the same bytes in any style, and holds no date."""
    mpl.rcdefaults()
    first, second = (_with_markers().svg for _ in range(2))
    assert first == second
    assert "<dc:date>" not in first


def test_size() -> None:
    """A figure is as wide as the page's text, 16 cm, and 6.5 cm high: nothing is cropped."""
    assert 'width="453.5424pt" height="184.2552pt"' in _drawn().svg


def test_figure_is_closed() -> None:
    """A finished figure takes no memory, and the notebook does not show it twice."""
    _drawn()
    assert plt.get_fignums() == []


def test_takes_a_whole_figure() -> None:
    """Several axes are handed over as their figure."""
    whole, _ = plt.subplots(1, 2)
    assert figure(whole, alt="a", caption="c").svg.count('id="axes_') == 2


@pytest.mark.parametrize("words", [{"alt": " ", "caption": "c"}, {"alt": "a", "caption": ""}])
def test_missing_words(words: dict[str, str]) -> None:
    """A figure without alternative text or caption is an error."""
    with pytest.raises(MissingAltTextError, match="is empty: say in words"):
        figure(plt.figure(), **words)


def test_something_else() -> None:
    """What is not a Matplotlib figure is an error that names what it is."""
    with pytest.raises(UsageError, match="not str"):
        figure("axes", alt="a", caption="c")  # type: ignore[arg-type]


def test_the_style_holds_inside_only() -> None:
    """After drawing in the report's style the reader's own holds again."""
    with mpl.rc_context({"font.size": 31, "axes.grid": False}):
        before = dict(mpl.rcParams)
        with report_style():
            assert mpl.rcParams["font.size"] == 8
        assert dict(mpl.rcParams) == before


def test_the_readers_style_does_not_show() -> None:
    """A figure looks the same whatever style the notebook has chosen for itself."""
    first = _with_markers().svg
    mine = {"lines.linewidth": 9, "axes.facecolor": "black", "xtick.labelsize": 31}
    with mpl.rc_context(mine), report_style():
        second = _with_markers().svg
    assert first == second


def test_only_the_pinned_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the report's font family Matplotlib knows the pinned files, not the system's."""
    installed = font_manager.FontEntry(fname="/usr/share/fonts/noto.ttc", name=FONT_FAMILY)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [installed])
    register_fonts.__wrapped__()
    known = {e.fname for e in font_manager.fontManager.ttflist if e.name == FONT_FAMILY}
    assert known == {str(path) for path in font_files()}
    bold = font_manager.findfont(font_manager.FontProperties(family=FONT_FAMILY, weight="bold"))
    assert bold.endswith("NotoSansCJKsc-Bold.otf")


def test_import_is_light() -> None:
    """Importing `show` loads no Matplotlib: tables alone should not wait for it."""
    code = "import sys, stockcust_analysis.show; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
