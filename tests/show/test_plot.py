"""`sca.plot`: every chart takes its measure's own frame, on every engine, and changes no style."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

import stockcust_analysis as sca
from stockcust_analysis import plot
from stockcust_analysis.errors import StockcustError, UsageError
from stockcust_analysis.measures.concentration import whale_curve
from stockcust_analysis.measures.cross_sell import product_count_distribution
from stockcust_analysis.measures.dormancy import dormancy_flow
from stockcust_analysis.measures.tiers import tier_counts
from stockcust_analysis.policy import DormancyRule, load_policy
from tests.frames import AS_OF, BACKENDS, Columns, as_pandas, two_branches

CUSTOMERS, HOLDINGS = two_branches()
TIERS = load_policy().tiers
AUM = CUSTOMERS["aum_period_end"]
PROFIT: Columns = {"customer_id": ["1", "2", "3", "4"], "contribution": [-1.0, 0.0, 2.0, 3.0]}
OPENING = CUSTOMERS | {
    "as_of": [date(2026, 6, 30)] * 8,
    "aum_period_end": [70_000.0, 5_000.0, 50.0, 150.0, 400.0, 0.0, 9.0, 200.0],
}
RULE = DormancyRule("plain", cap=500, idle_months=6)
QUARTERS = ["2026Q1", "2026Q2", "2026Q3"]
FLOWS: tuple[Columns, Columns] = (
    {"customer_id": ["1", "2", "3"], "status": ["dormant", "dormant", "active"],
     "branch_id": ["A", "A", "B"], "aum_period_end": [9.0, 9.0, 9.0]},
    {"customer_id": ["1", "2", "3"], "status": ["dormant", "active", "dormant"],
     "branch_id": ["A", "A", "B"], "aum_period_end": [9.0, 9.0, 9.0]},
)  # fmt: skip
MOVES: tuple[Columns, Columns] = (
    {"customer_id": ["1", "2", "3"], "branch_id": ["A", "A", "B"],
     "aum_average_quarter": [60_000.0, 60_000.0, 150.0]},
    {"customer_id": ["1", "2", "3"], "branch_id": ["A", "A", "B"],
     "aum_average_quarter": [70_000.0, 900_000.0, 60_000.0]},
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A chart, the frame of its measure (grouped by `by`), and what the picture must hold."""

    frame: Callable[[Callable[[Columns], Any], str | None], Any]
    drawn: Callable[[Axes], Any]
    expected: Any


def own(columns: Columns) -> Callable[[Callable[[Columns], Any], str | None], Any]:
    """Return an analyst's own frame, on any engine."""
    return lambda make, by: make(columns)


def columns_of(ax: Axes) -> list[float]:
    """Return the heights of the upright bars."""
    return [bar.get_height() for bar in ax.patches if isinstance(bar, Rectangle)]


def bars_of(ax: Axes) -> list[float]:
    """Return the lengths of the lying bars, without empty ones."""
    return [abs(b.get_width()) for b in ax.patches if isinstance(b, Rectangle) and b.get_width()]


def line_of(number: int) -> Callable[[Axes], list[list[float]]]:
    """Return the points of a line."""
    return lambda ax: np.asarray(ax.lines[number].get_xydata()).tolist()


def texts_of(ax: Axes) -> list[str]:
    """Return the words in the axes."""
    return [text.get_text() for text in ax.texts]


def lorenz_by_hand(values: list[float]) -> list[list[float]]:
    """Return the Lorenz curve at whole percents, from sorted sums."""
    running = np.concatenate([[0], np.cumsum(sorted(values))]) / sum(values)
    at = np.linspace(0, 1, 101)
    shares = np.interp(at, np.linspace(0, 1, len(values) + 1), running)
    return np.column_stack([at, shares]).tolist()


def tier_shares() -> list[float]:
    """Return each tier's share of customers and of AUM, side by side, from sorted borders."""
    amounts = np.array(CUSTOMERS["aum_average_quarter"])
    tier = np.searchsorted([tier.lower for tier in TIERS.tiers], amounts, side="right") - 1
    both = [(np.mean(tier == t), amounts[tier == t].sum() / amounts.sum()) for t in range(6)]
    return [share for pair in both for share in pair if share]


def limits(**columns: Any) -> Columns:
    """Return a comparison of three branches."""
    table = {"branch_id": ["B1", "B2", "B3"], "measure": ["multi_product_share"] * 3}
    return {**table, "value": [0.3, 0.5, 0.2], **columns}


CASES: dict[str, Case] = {
    "lorenz": Case(
        lambda make, by: sca.lorenz_curve(make(CUSTOMERS), base="all", by=by),
        line_of(2), lorenz_by_hand(AUM),
    ),
    "whale": Case(
        lambda make, by: whale_curve(make(PROFIT | {"branch_id": list("AAAB")}), by=by),
        lambda ax: np.asarray(ax.lines[2].get_xydata())[[25, 50, 75, 100], 1].tolist(),
        [0.75, 1.25, 1.25, 1],
    ),
    "tier_pyramid": Case(
        lambda make, by: tier_counts(make(CUSTOMERS), TIERS, base="all", by=by),
        bars_of, tier_shares(),
    ),
    "dormancy": Case(
        lambda make, by: sca.dormancy_rate(
            make(CUSTOMERS), load_policy().dormancy, as_of=AS_OF, base="all", by=by,
            holdings=make(HOLDINGS)),
        lambda ax: bars_of(ax)[:4], [1 / 8, 2 / 8, 2 / 8, 3 / 8],
    ),
    "dormancy_flow": Case(
        lambda make, by: dormancy_flow(*map(make, FLOWS), RULE, base="all", by=by),
        texts_of, ["2", "+1", "-1", "2"],
    ),
    "product_count": Case(
        lambda make, by: product_count_distribution(
            make(CUSTOMERS), holdings=make(HOLDINGS), base="all", by=by),
        columns_of, [1 / 8, 5 / 8, 2 / 8, 0, 0],
    ),
    "penetration": Case(
        lambda make, by: sca.penetration(
            make(CUSTOMERS), holdings=make(HOLDINGS), base="all", by=by),
        lambda ax: ax.lines[0].get_xdata().tolist(), [6 / 8, 0, 1 / 8, 0, 0, 1 / 8, 0, 0, 1 / 8],
    ),
    "co_holding": Case(
        lambda make, by: sca.co_holding(
            make(CUSTOMERS), holdings=make(HOLDINGS), base="all", by=by),
        lambda ax: [text for text in texts_of(ax) if text != "0%"], ["17%", "17%", "100%", "100%"],
    ),
    "bridge": Case(
        lambda make, by: sca.growth_bridge(make(OPENING), make(CUSTOMERS), by=by),
        lambda ax: round(sum(columns_of(ax)[:-1]) - columns_of(ax)[-1]), 0,
    ),
    "migration": Case(
        lambda make, by: sca.migration_matrix(*map(make, MOVES), scheme=TIERS, by=by),
        texts_of, ["1", "1", "1"],
    ),
    "migration_flow": Case(
        lambda make, by: sca.migration_matrix(*map(make, MOVES), scheme=TIERS, by=by),
        texts_of, ["中端 2", "潜力 1", "高端 1", "中端 2"],
    ),
    "falls": Case(
        lambda make, by: sca.lost_customers(*map(make, reversed(MOVES))), bars_of,
        [840_000.0, 59_850.0, 10_000.0],
    ),
    "aum_trend": Case(
        own({"quarter": QUARTERS, "value": [1e8, 2e8, 4e8]}), columns_of, [1e8, 2e8, 4e8]
    ),
    "slope": Case(
        own({"quarter": QUARTERS * 2, "tier": ["mid"] * 3 + ["high"] * 3,
             "value": [0.1, 0.2, 0.3, 0.5, 0.5, 0.4]}),
        lambda ax: sorted(line.get_ydata().tolist() for line in ax.lines), [[0.1, 0.3], [0.5, 0.4]],
    ),
    "small_multiples": Case(
        own({"quarter": QUARTERS, "family": ["fund"] * 3, "value": [0.1, 0.2, 0.3]}),
        lambda ax: ax.lines[1].get_ydata().tolist(), [0.1, 0.2, 0.3],
    ),
    "funnel": Case(
        own(limits(n=[100, 400, 900], centre=[0.3] * 3, lower_95=[0.2] * 3, upper_95=[0.4] * 3,
                   lower_998=[0.1] * 3, upper_998=[0.45] * 3)),
        line_of(2), [[400, 0.5]],
    ),
    "league": Case(
        own(limits(rank_low=[1, 1, 2], rank_high=[3, 2, 3])),
        lambda ax: [tick.get_text() for tick in ax.get_yticklabels()], ["B2", "B1", "B3"],
    ),
    "places": Case(
        own({"branch_id": ["B1"], "measure": ["multi_product_share"], "rank": [5],
             "rank_low": [3], "rank_high": [8], "rank_of": [24]}),
        texts_of, ["第5名（3–8）"],
    ),
    "scorecard": Case(
        own({"indicator": ["contact_coverage", "our own"], "weight": [20.0, 10.0],
             "attainment": [0.93, 0.5], "points": [18.6, 5.0]}),
        lambda ax: [bar.get_width() for bar in ax.patches if bar.get_height() == 0.24], [0.93, 0.5],
    ),
    "bars": Case(
        own({"tier": ["mid", "high"], "measure": ["dormancy_rate"] * 2, "value": [0.1, 0.25]}),
        bars_of, [0.1, 0.25],
    ),
    "grid": Case(
        own({"branch_id": ["A", "A", "B"], "tier": ["mid", "high", "mid"],
             "measure": ["dormancy_rate"] * 3, "value": [0.1, 0.25, 0.05]}),
        texts_of, ["10.0%", "25.0%", "5.0%"],
    ),
    "intervals": Case(
        own({"name": ["a", "b"], "value": [0.1, -0.2], "low": [0.0, -0.3], "high": [0.2, 0.1],
             "predicted": [0.15, -0.1]}),
        lambda ax: [line.get_xdata().tolist() for line in ax.lines[:2]],
        [[0.1, -0.2], [0.15, -0.1]],
    ),
    "trend": Case(
        own({"quarter": QUARTERS, "measure": ["gini"] * 3, "value": [0.1, 0.2, 0.3]}),
        line_of(0), [[0, 0.1], [1, 0.2], [2, 0.3]],
    ),
}  # fmt: skip
BY_BRANCH = [name for name in list(CASES)[:11] if name != "dormancy"]


@cache
def frame_of(name: str, by: str | None = None) -> Any:
    """Return a chart's frame in pandas, made once: charts only look at it."""
    return CASES[name].frame(as_pandas, by)


def test_all_charts_are_tried() -> None:
    """The table above knows every public chart."""
    assert sorted(CASES) == plot.__all__


@pytest.mark.parametrize("name", CASES)
def test_a_chart_draws_its_measures_own_frame(name: str) -> None:
    """What a measure returns, or a frame of one's own, is drawn to scale."""
    case = CASES[name]
    ax = getattr(plot, name)(frame_of(name))
    drawn = case.drawn(ax)
    if isinstance(case.expected, list) and drawn and isinstance(drawn[0], str):
        assert drawn == case.expected
    else:
        np.testing.assert_allclose(drawn, case.expected, atol=1e-9)


@pytest.mark.parametrize("engine", BACKENDS)
def test_a_frame_of_ones_own_is_of_any_engine(engine: str) -> None:
    """Measures return one kind of table; an analyst may have any."""
    case = CASES["trend"]
    np.testing.assert_allclose(
        case.drawn(plot.trend(case.frame(BACKENDS[engine], None))), case.expected
    )


@pytest.mark.parametrize("name", BY_BRANCH)
def test_a_frame_of_several_groups_asks_which(name: str) -> None:
    """Frames made by branch are refused until `group` names the branch; then its rows are drawn."""
    frame = frame_of(name, "branch_id")
    chart = getattr(plot, name)
    with pytest.raises(UsageError, match=r"holds 2 \(branch_id\): name one with group="):
        chart(frame)
    with pytest.raises(UsageError, match="unknown group in branch_id 'C'"):
        chart(frame, group="C")
    of_a = chart(frame[frame["branch_id"] == "A"])
    assert texts_of(chart(frame, group="A")) == texts_of(of_a)


def test_dormancy_draws_a_bar_for_each_group() -> None:
    """By branch the four customers of each fill a bar of their own, named at its left."""
    frame = CASES["dormancy"].frame(as_pandas, "branch_id")
    ax = plot.dormancy(frame)
    assert bars_of(ax) == [1 / 4, 1 / 4, 1 / 4, 1 / 4, 1 / 4, 1 / 4, 2 / 4]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["A", "B"]
    assert bars_of(plot.dormancy(frame, group="B"))[:3] == [1 / 4, 1 / 4, 2 / 4]


def test_several_columns_of_groups_are_named_together() -> None:
    """A frame by branch and another column takes a tuple."""
    customers = as_pandas(CUSTOMERS | {"sex": list("fmfmfmfm")})
    frame = sca.lorenz_curve(customers, base="all", by=["branch_id", "sex"])
    with pytest.raises(UsageError, match="one value for each of branch_id, sex; 1 given"):
        plot.lorenz(frame, group="A")
    ax = plot.lorenz(frame, group=("A", "f"))
    assert line_of(2)(ax) == pytest.approx(np.array(lorenz_by_hand([80_000, 20])))


def test_households_are_drawn_like_customers() -> None:
    """Cross-sell measures of households have other names and the same charts."""
    customers = as_pandas(CUSTOMERS | {"household_id": ["a", "a", "b", "b", "c", "c", "d", "d"]})
    held = as_pandas(HOLDINGS)
    frame = sca.penetration(customers, holdings=held, base="all", unit="household")
    assert plot.penetration(frame).lines[0].get_xdata()[0] == 3 / 4


@pytest.mark.parametrize("name", CASES)
def test_missing_columns_are_named_with_the_call_that_gives_them(name: str) -> None:
    """A frame of something else is refused with what is missing and where to get it."""
    with pytest.raises(UsageError, match=r"needs the columns .* lacks .* returns them\."):
        getattr(plot, name)(pd.DataFrame({"colour": ["red"]}))


def test_a_frame_of_other_measures_is_refused() -> None:
    """The pyramid of a concentration frame would be empty: the error says what it draws."""
    frame = sca.concentration(as_pandas(CUSTOMERS), base="all").assign(tier="mid")
    with pytest.raises(UsageError, match="draws tier_customer_share, tier_aum_share"):
        plot.tier_pyramid(frame)


def test_texts_instead_of_numbers_are_refused() -> None:
    """A column read as text is named; its contents are not."""
    frame = pd.DataFrame({"quarter": ["2026Q3"], "value": ["12,5"]})
    with pytest.raises(UsageError, match=r"needs numbers; text stands in value\.$"):
        plot.aum_trend(frame)


def test_axes_of_several_plots_are_refused() -> None:
    """`plt.subplots(1, 2)` gives an array: the error says that one of them is meant."""
    with pytest.raises(UsageError, match="axes of one plot, given ndarray"):
        plot.lorenz(CASES["lorenz"].frame(as_pandas, None), ax=plt.subplots(1, 2)[1])


@pytest.mark.parametrize(("language", "kinds"), [("zh", ["svg", "pdf"]), ("en", ["png"])])
@pytest.mark.parametrize("name", CASES)
def test_a_bare_figure_shows_every_letter(
    name: str, language: str, kinds: list[str], tmp_path: Path
) -> None:
    """In a reader's plain figure all words have glyphs in PNG, SVG and PDF: warnings are errors."""
    figure = plt.figure()
    frame = frame_of(name)
    getattr(plot, name)(frame, language=language, ax=figure.add_subplot())
    for kind in kinds:
        figure.savefig(tmp_path / f"chart.{kind}")


@pytest.mark.parametrize("name", CASES)
def test_the_readers_settings_stay(name: str) -> None:
    """A call leaves every rcParam as it was, with axes given and without, and when it fails."""
    frame = frame_of(name)
    with mpl.rc_context({"font.size": 13, "axes.grid": True, "font.family": ["serif"]}):
        ax = plt.figure().add_subplot()
        before = dict(mpl.rcParams)
        getattr(plot, name)(frame)
        getattr(plot, name)(frame, ax=ax)
        with pytest.raises(UsageError):
            getattr(plot, name)(frame, language="fr")
        assert dict(mpl.rcParams) == before


@pytest.mark.filterwarnings("error")
def test_a_chart_of_ones_own_has_the_reports_letters() -> None:
    """Chinese names and a minus sign are drawn, also after the block, by no font without them."""
    before = dict(mpl.rcParams)
    with sca.plot.report_style():
        ax = pd.Series([-1.0, 2.0], ["云店支行", "松湾镇支行"]).plot.barh(title="资产")
    assert dict(mpl.rcParams) == before
    ax.figure.savefig(BytesIO())  # type: ignore[union-attr]
    labels = [*ax.get_yticklabels(), *ax.get_xticklabels(), ax.title]
    assert {label.get_fontname() for label in labels} == {"Noto Sans CJK SC"}


def test_importing_the_charts_changes_no_setting() -> None:
    """Nor does the import touch rcParams; the package alone does not load Matplotlib.

    Seaborn is loaded by the charts that use it: its import takes as long as all others.
    """
    code = (
        "import sys, stockcust_analysis as sca\n"
        "assert 'matplotlib' not in sys.modules and 'plot' in dir(sca)\n"
        "import matplotlib as mpl; mpl.use('agg'); before = dict(mpl.rcParams)\n"
        "assert 'lorenz' in dir(sca.plot)\n"
        "assert dict(mpl.rcParams) == before\n"
        "assert 'seaborn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_figure_is_saved_for_a_slide(tmp_path: Path, kind: str) -> None:
    """16:9, the same bytes each time, and the figure itself stays as it was."""
    written = []
    for name in ("first", "second"):
        axes = sca.plot.bars(sca.concentration(as_pandas(CUSTOMERS), base="all", by="branch_id"))
        size = axes.figure.get_size_inches().tolist()
        axes.save(tmp_path / f"{name}.{kind}")
        assert axes.figure.get_size_inches().tolist() == size
        written.append((tmp_path / f"{name}.{kind}").read_bytes())
    assert written[0] == written[1]
    if kind == "png":
        assert plt.imread(tmp_path / "first.png").shape[:2] == (2160, 3840)
    if kind == "svg":
        width, height = re.findall(rb'(?:width|height)="([\d.]+)pt"', written[0])[:2]
        assert float(width) / float(height) == pytest.approx(16 / 9, rel=1e-3)
        assert b"<text" not in written[0]  # letters are drawn: no font is needed to read them


def test_a_figure_of_unknown_kind_is_refused(tmp_path: Path) -> None:
    """The error names the endings there are."""
    axes = sca.plot.trend(CASES["trend"].frame(as_pandas, None))
    with pytest.raises(StockcustError, match=r"\.png, \.svg, \.pdf; given 'a\.bmp'"):
        axes.save(tmp_path / "a.bmp")
    assert list(tmp_path.iterdir()) == []


def test_names_at_the_ends_of_lines_stand_apart() -> None:
    """Two groups of equal values: their names are not printed over one another."""
    equal = {"quarter": QUARTERS * 2, "branch_id": ["A"] * 3 + ["B"] * 3,
             "measure": ["gini"] * 6, "value": [0.1, 0.2, 0.3] * 2}  # fmt: skip
    axes = sca.plot.trend(as_pandas(equal))
    first, second = (text.get_position()[1] for text in axes.texts)
    assert second - first >= 0.07 * 0.2
    assert texts_of(axes) == ["0.300 A", "0.300 B"]


def test_several_bases_are_not_drawn_as_one() -> None:
    """Two rows of one group differ in the base: an error instead of a bar over a bar."""
    rates = as_pandas({"tier": ["mid"] * 2, "measure": ["gini"] * 2, "base": ["all", "funded"],
                       "value": [0.1, 0.2]})  # fmt: skip
    with pytest.raises(StockcustError, match="one base"):
        sca.plot.bars(rates)
    with pytest.raises(StockcustError, match="measure of the table 'gino'"):
        sca.plot.bars(rates, measure="gino")


def test_the_axis_of_a_trend_does_not_exaggerate() -> None:
    """From 75.0 to 75.1 % is level: the axis spans a fifth of it or more, and is printed."""
    rates = {"quarter": QUARTERS, "measure": ["top_20_share"] * 3, "value": [0.751, 0.750, 0.751]}
    axes = sca.plot.trend(as_pandas(rates))
    low, high = axes.get_ylim()
    assert high - low == pytest.approx(0.2 * 0.751)
    assert low < 0.75 < 0.751 < high
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels == ["70.0%", "75.0%", "80.0%"]


@pytest.mark.parametrize(("values", "ends"), [([0.002, 0.003], (0, 0.01)), ([0.99, 1], (0.8, 1))])
def test_the_axis_of_a_rate_stays_between_nothing_and_all(
    values: list[float], ends: tuple[float, float]
) -> None:
    """No tick below 0 nor above 100 %, and no two with the same words."""
    rates = {"quarter": QUARTERS[:2], "measure": ["dormancy_rate"] * 2, "value": values}
    axes = sca.plot.trend(as_pandas(rates))
    assert axes.get_ylim() == pytest.approx(ends)
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert len({*labels}) == len(labels) > 2


def test_a_quarter_without_a_value_is_a_gap_that_is_named() -> None:
    """The quarter keeps its place on the axis, the line is broken there, and it is said why."""
    rates = {"quarter": QUARTERS, "measure": ["gini"] * 3, "value": [0.1, np.nan, 0.3]}
    axes = sca.plot.trend(as_pandas(rates))
    assert [tick.get_text() for tick in axes.get_xticklabels()] == QUARTERS
    assert np.isnan(axes.lines[0].get_ydata()[1])
    assert axes.get_xlabel().startswith("2026Q2无数值：口径内没有客户")


def test_the_axis_of_a_funnel_of_rates_stays_between_nothing_and_all() -> None:
    """Limits below nothing and above all draw no axis there."""
    wide = {"centre": [0.1] * 3, "lower_95": [-0.3] * 3, "upper_95": [0.5] * 3}
    table = limits(n=[5, 20, 40], lower_998=[-0.5] * 3, upper_998=[1.4] * 3, **wide)
    assert plot.funnel(as_pandas(table)).get_ylim() == (0, 1)


def test_the_limits_of_a_funnel_are_curves_over_the_sizes() -> None:
    """Drawn on a grid they narrow smoothly as 1/√n, whatever a branch's own limit adds to it."""
    sizes = np.array([60, 90, 100, 150, 220, 300, 420, 700, 1000])
    reach, shake = 1.96 * np.sqrt(0.3 * 0.7 / sizes), 1 + 0.02 * np.array([1, -1] * 4 + [1])
    rows = {"branch_id": [f"B{i}" for i in range(9)], "measure": ["multi_product_share"] * 9}
    bands = {
        f"{side}_{band}": 0.3 + sign * wide * reach * shake
        for side, sign in (("lower", -1), ("upper", 1))
        for band, wide in (("95", 1.0), ("998", 1.58))
    }
    table = rows | {"n": sizes, "value": [0.3] * 9, "centre": [0.3] * 9} | bands
    axes = sca.plot.funnel(as_pandas(table))
    for band, wide in zip(axes.collections, (1.58, 1.0), strict=True):
        x, y = band.get_paths()[0].vertices.T
        upper = y > 0.3
        assert len(np.unique(x)) >= 100
        assert y[upper] == pytest.approx(0.3 + 1.96 * wide * np.sqrt(0.21 / x[upper]), rel=0.03)


def test_a_branch_too_small_to_be_judged_is_no_dot() -> None:
    """It has no limits, so it is neither within nor beyond them; below it says how many."""
    table = limits(
        n=[17, 400, 900],
        **{
            name: [np.nan, 0.3, 0.3]
            for name in ("centre", "lower_95", "upper_95", "lower_998", "upper_998")
        },
    )
    axes = sca.plot.funnel(as_pandas(table))
    assert sorted(x for line in axes.lines[1:] for x in line.get_xdata()) == [400, 900]
    assert axes.get_xlabel().endswith("另有1家客户过少或本年新开，不判断")


@pytest.mark.parametrize("name", ["grid", "co_holding", "migration"])
def test_seaborn_keeps_the_readers_settings_to_go_back_to(name: str) -> None:
    """It keeps those it finds when it is loaded: a chart that loads it must not hand it its own."""
    code = (
        "import sys, matplotlib as mpl; mpl.use('agg'); mpl.rcParams['font.size'] = 13\n"
        "from stockcust_analysis import plot\n"
        "from tests.show.test_plot import frame_of\n"
        "assert 'seaborn' not in sys.modules\n"
        f"plot.{name}(frame_of('{name}'))\n"
        "import seaborn; seaborn.reset_orig()\n"
        "assert mpl.rcParams['font.size'] == 13, mpl.rcParams['font.size']\n"
        "assert mpl.rcParams['font.family'] == ['sans-serif'], mpl.rcParams['font.family']\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
