"""Charts: what they say, that it is legible, and that an odd branch still gets a picture."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import combinations
from typing import cast

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from stockcust_analysis import plot
from stockcust_analysis.errors import UsageError
from stockcust_analysis.show import canvas
from stockcust_analysis.show.blocks import Language, report_style
from stockcust_analysis.show.canvas import HALF_WIDTH, sized_axes
from stockcust_analysis.show.wording import member_words, names
from tests.show.measure_tables import assets, co_holding, lorenz, members, quarter_of

TIERS, FAMILIES = (tuple(member_words(kind)) for kind in ("tier", "family"))
BRANCH_FAMILIES = [0.974, 0.301, 0.062, 0.118, 0.031, 0.082, 0.151, 0.094, 0.224]
BANK_FAMILIES = [0.969, 0.282, 0.119, 0.124, 0.025, 0.101, 0.149, 0.031, 0.301]


def statuses(quarter: str, *shares: float) -> pd.DataFrame:
    """Return the shares of active, small, silent, dormant customers, then silent, dormant AUM."""
    measures = (
        "active_rate", "active_small_rate", "silent_rate", "dormancy_rate",
        "silent_aum_share", "dormant_aum_share",
    )  # fmt: skip
    return quarter_of(quarter, "B01", dict(zip(measures, shares, strict=False)))


def tiers(customers: list[float], aum: list[float]) -> pd.DataFrame:
    """Return both shares of the tiers, the lowest first."""
    return pd.concat(
        [members("tier_customer_share", "tier", customers), members("tier_aum_share", "tier", aum)]
    )


def beside_bank(measure: str, dimension: str, own: list[float], bank: list[float]) -> pd.DataFrame:
    """Return a measure of the branch and of the bank."""
    return pd.concat(
        [
            members(measure, dimension, own),
            members(measure, dimension, bank, branch_id="@bank"),
        ]
    )


def every_pair(rate: float) -> pd.DataFrame:
    """Return a full co-holding table with the same rate everywhere."""
    return co_holding({(a, b): rate for a in FAMILIES for b in FAMILIES if a != b})


def compared(count: int, measure: str = "multi_product_share", level: float = 0.33) -> pd.DataFrame:
    """Return that many branches between normal limits, the third and the last far outside."""
    n = 60 + 37 * np.arange(count)
    error = np.sqrt(level * (1 - level) / n)
    value = level + error * np.where(np.arange(count) == 2, -6, np.sin(np.arange(count)))
    value[-1] = level + 5 * error[-1]
    place = pd.Series(-value).rank()
    return pd.DataFrame(
        {
            "branch_id": [f"B{number:02}" for number in range(count)], "measure": measure,
            "name": [f"云店第{number}支行" for number in range(count)],
            "n": n, "value": value, "centre": level,
            "lower_95": level - 1.96 * error, "upper_95": level + 1.96 * error,
            "lower_998": level - 3.09 * error, "upper_998": level + 3.09 * error,
            "rank_low": np.maximum(1, place - 5), "rank_high": np.minimum(count, place + 5),
        }
    )  # fmt: skip


def places() -> pd.DataFrame:
    """Return one branch's places in five measures."""
    measures = ["customer_retention", "silent_rate", "multi_product_share", "contact_coverage"]
    frame = pd.DataFrame({"branch_id": "B01", "measure": measures, "rank_of": 500})
    return frame.assign(
        rank=[2, 118, 260, 500], rank_low=[1, 60, 101, 480], rank_high=[30, 200, 400, 500]
    )


def steps(**amounts: float) -> pd.DataFrame:
    """Return a growth bridge, in CNY."""
    return pd.DataFrame({"component": list(amounts), "amount": list(amounts.values())})


def moves(**rows: list[int]) -> pd.DataFrame:
    """Return a migration: from each place so many customers to residual, potential, …, CLOSED."""
    ends = [*TIERS, "CLOSED"]
    cells = [
        {"from": start, "to": end, "customers": count}
        for start, counts in rows.items()
        for end, count in zip(ends, counts, strict=True)
    ]
    return pd.DataFrame(cells)


def dormant(*counts: float) -> pd.DataFrame:
    """Return the stock and flow of dormant customers."""
    return quarter_of("2026Q3", "B01", dict(zip(names("dormant_step"), counts, strict=True)))


def card(attainment: list[float]) -> pd.DataFrame:
    """Return a scorecard of six indicators."""
    indicators = ["multi_product_share", "aum_average_quarter", "profile_completion",
                  "contact_coverage", "vip_share", "managed_aum"]  # fmt: skip
    frame = pd.DataFrame({"indicator": indicators, "weight": [20, 25, 15, 20, 10, 10.0]})
    return frame.assign(attainment=attainment, points=frame["weight"] * np.minimum(attainment, 1.2))


def panels(quarters: int) -> pd.DataFrame:
    """Return the penetration of every family in the branch and the bank, quarter by quarter."""
    both = beside_bank("penetration", "family", BRANCH_FAMILIES, BANK_FAMILIES)
    names_of = [f"{2025 + (2 + at) // 4}Q{(2 + at) % 4 + 1}" for at in range(quarters)]
    return pd.concat([both.assign(quarter=name) for name in names_of])


EVERYWHERE = moves(
    private=[0, 0, 0, 1, 2, 40, 1], high=[0, 1, 2, 30, 400, 20, 3], mid=[1, 9, 80, 4000, 60, 1, 20],
    effective=[9, 200, 9000, 300, 4, 0, 80], potential=[900, 20000, 700, 20, 1, 0, 300],
    residual=[30000, 800, 60, 9, 0, 0, 900], NEW=[500, 900, 300, 90, 9, 1, 0],
)  # fmt: skip
WHALE = pd.DataFrame(
    {
        "branch_id": "B01",
        "customer_share": [0, 0.1, 0.3, 0.6, 1],
        "value_share": [0, 0.9, 1.6, 1.5, 1],
    }
)


def groups(values: dict[str, list[float]]) -> pd.DataFrame:
    """Return quarter → one rate of each branch as a measure's table."""
    rows = [
        (quarter, f"B{number:02}", "dormancy_rate", value)
        for quarter, rates in values.items()
        for number, value in enumerate(rates, start=1)
    ]
    return pd.DataFrame(rows, columns=["quarter", "branch_id", "measure", "value"])


FIGURES: dict[str, tuple[str, pd.DataFrame]] = {
    "lorenz": ("lorenz", pd.concat([lorenz(7.5), lorenz(6.2, branch_id="@bank")])),
    "lorenz of an even branch": ("lorenz", lorenz(1)),
    "lorenz of one rich customer": ("lorenz", lorenz(400)),
    "lorenz of three customers": ("lorenz", lorenz(2, points=4)),
    "tiers": (
        "tier_pyramid",
        tiers([0.31, 0.4, 0.17, 0.1, 0.013, 0.001], [0.001, 0.02, 0.11, 0.43, 0.32, 0.114]),
    ),
    "one tier only": ("tier_pyramid", tiers([1.0], [1.0])),
    "tiers without assets": ("tier_pyramid", tiers([1.0, 0.0], [np.nan, np.nan])),
    "statuses": (
        "dormancy",
        pd.concat(
            [
                statuses("2026Q2", 0.58, 0.11, 0.214, 0.096, 0.31, 0.004),
                statuses("2026Q3", 0.601, 0.119, 0.198, 0.082, 0.295, 0.003),
            ]
        ),
    ),
    "nobody dormant": ("dormancy", statuses("2026Q3", 0.95, 0.05, 0, 0, 0, 0)),
    "everybody dormant": ("dormancy", statuses("2026Q3", 0, 0, 0, 1, 0, 1)),
    "statuses of all-zero assets": (
        "dormancy",
        statuses("2026Q3", 0, 0.5, 0, 0.5, np.nan, np.nan),
    ),
    "product counts": (
        "product_count",
        beside_bank(
            "product_count_share",
            "families_held",
            [0.02, 0.602, 0.221, 0.112, 0.045],
            [0.018, 0.552, 0.241, 0.132, 0.057],
        ),
    ),
    "one product each": ("product_count", members("product_count_share", "families_held", [0, 1, 0, 0, 0])),  # noqa: E501
    "penetration": ("penetration", beside_bank("penetration", "family", BRANCH_FAMILIES, BANK_FAMILIES)),  # noqa: E501
    "penetration of nothing": ("penetration", members("penetration", "family", [0] * 9)),
    "penetration of the bank": (
        "penetration",
        members("penetration", "family", BANK_FAMILIES, branch_id="@bank"),
    ),
    "co-holding": ("co_holding", every_pair(0.35)),
    "everybody holds all": ("co_holding", every_pair(1.0)),
    "one pair": ("co_holding", co_holding({("fund", "wealth"): 0.5})),
    "one measure by branch": ("bars", groups({"2026Q3": [0.1, 0.25, 0.0]})),
    "one measure by quarter": ("trend", groups({"2026Q2": [0.1, 0.2], "2026Q3": [0.12, 0.2]})),
    "assets": ("aum_trend", assets([9.8e8, 1.01e9, 1.08e9, 1.05e9, 1.21e9, 1.263e9])),
    "three years of assets": ("aum_trend", assets([1.1e10 + 1e9 * step for step in range(12)])),
    "one quarter of assets": ("aum_trend", assets([1.263e9])),
    "no assets": ("aum_trend", assets([0, 0])),
    "a quarter without figures": ("aum_trend", assets([1.1e9, np.nan, 1.2e9])),
    "funnel": ("funnel", compared(24)),
    "funnel of five hundred": ("funnel", compared(500)),
    "funnel of one": ("funnel", compared(1)),
    "league": ("league", compared(40)),
    "league of two": ("league", compared(2)),
    "places": ("places", places()),
    "bridge": (
        "bridge",
        steps(opening=8e8, new=9e7, returned=1e6, grown=7e7, transferred_in=5e6,
              transferred_out=-5e6, shrunk=-6e7, drained=-2e7, closed=-1e6, closing=8.8e8),
    ),
    "bridge of a new branch": ("bridge", steps(opening=0, new=4e6, closing=4e6)),
    "nothing moved": ("bridge", steps(opening=4e6, closing=4e6)),
    "dormant flow": ("dormancy_flow", dormant(812, 93, 4, 41, 12, 6, 850)),
    "nobody was dormant": ("dormancy_flow", dormant(0, 0, 0, 0, 0, 0, 0)),
    "migration": ("migration", EVERYWHERE),
    "one tier stays": ("migration", moves(mid=[0, 0, 0, 5, 0, 0, 0])),
    "flow": ("migration_flow", EVERYWHERE),
    "flow of one tier": ("migration_flow", moves(mid=[0, 0, 0, 5, 0, 0, 0])),
    "scorecard": ("scorecard", card([1.03, 0.945, 0.7, 0.93, 1.9, np.nan])),
    "scorecard of a bad quarter": ("scorecard", card([0, 0, -0.2, 0.1, 0, 0])),
    "panels": ("small_multiples", panels(5)),
    "panels of one quarter": ("small_multiples", panels(1)),
    "slope": (
        "slope",
        pd.concat([members("tier_aum_share", "tier", [0.001, 0.009, 0.061, 0.173, 0.249, 0.507]),
                   members("tier_aum_share", "tier", [0.002, 0.009, 0.061, 0.198, 0.404, 0.326])
                   .assign(quarter="2027Q3")]),
    ),
    "whale": ("whale", WHALE),
    "lost": ("falls", pd.DataFrame({"rank": [1, 2], "branch_id": ["B1", "B2"],
                                    "became": ["closed", "shrunk"], "fall": [5e4, 2e4]})),
    "two cuts": (
        "grid",
        pd.DataFrame({"branch_id": ["A", "A", "B"], "tier": ["mid", "high", "mid"],
                      "measure": "dormancy_rate", "value": [0.1, 0.25, 0.05]}),
    ),
    "intervals": (
        "intervals",
        pd.DataFrame({"name": ["2026Q2", "2026Q3"], "value": [0.1, -0.02],
                      "low": [0.05, -0.1], "high": [0.15, 0.06], "predicted": [0.12, 0.0]}),
    ),
}  # fmt: skip


def drawn(name: str, language: Language = "zh") -> Axes:
    """Draw one of the figures above."""
    function, frame = FIGURES[name]
    chart: Callable[..., Axes] = getattr(plot, function)
    return chart(frame, language=language)


def words_and_boxes(ax: Axes) -> list[tuple[str, Bbox]]:
    """Return every visible text of a figure with its place in pixels, as rendered by Agg."""
    figure = ax.figure
    assert isinstance(figure, Figure)
    agg = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    renderer = agg.get_renderer()  # type: ignore[no-untyped-call]
    labels = labels_of(figure)
    return [
        (text.get_text(), text.get_window_extent(renderer))
        for text in cast("list[Text]", figure.findobj(Text))
        if text.get_visible() and text.get_text().strip() and labels.get(text, True)
    ]


def labels_of(figure: Figure) -> dict[Text, bool]:
    """Tell of the labels of all axes whether they are drawn: not those of one switched off."""
    shown = dict[Text, bool]()
    for axis in (one for part in figure.axes for one in (part.xaxis, part.yaxis)):
        (low, high), ticks = sorted(axis.get_view_interval()), axis.get_ticklabels()
        place = 0 if axis.axis_name == "x" else 1
        inside = {text: low <= text.get_position()[place] <= high for text in ticks}
        others = dict.fromkeys((axis.label, axis.get_offset_text()), True)
        shown |= {
            text: is_in and bool(axis.get_visible()) for text, is_in in (others | inside).items()
        }
    return shown


def said(ax: Axes) -> list[str]:
    """Return the words of a figure."""
    return [words for words, _ in words_and_boxes(ax)]


def lengths(ax: Axes) -> list[float]:
    """Return the lengths of the horizontal bars, without those of zero."""
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    return [round(abs(bar.get_width()), 6) for bar in bars if bar.get_width()]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", FIGURES)
def test_no_label_is_clipped_or_hidden_and_no_bar_cut_off(name: str, language: Language) -> None:
    """In both languages every text lies inside the figure and covers no other text.

    The axes are long enough for every bar, so that lengths can be compared.
    """
    ax = drawn(name, language)
    assert_labels_stand_free(ax)
    for bar in (patch for patch in ax.patches if isinstance(patch, Rectangle)):
        left, right = sorted([bar.get_x(), bar.get_x() + bar.get_width()])
        assert min(ax.get_xlim()) <= left <= right <= max(ax.get_xlim())
        assert min(ax.get_ylim()) <= bar.get_y() + bar.get_height() <= max(ax.get_ylim())


def assert_labels_stand_free(ax: Axes) -> None:
    """Hold every text of a figure against the figure's edges and against all other texts."""
    found = words_and_boxes(ax)
    whole = ax.figure.bbox
    assert found
    for words, box in found:
        inside = whole.x0 <= box.x0 and whole.y0 <= box.y0
        inside = inside and box.x1 <= whole.x1 and box.y1 <= whole.y1
        assert inside, f"'{words}' is clipped"
    for (one, box), (other, second) in combinations(found, 2):
        shared = Bbox.intersection(box, second)
        if shared is None or shared.width < 1 or shared.height < 1:
            continue
        # Slanted words lie in boxes that cross; their lines are apart when their feet are.
        labels = [text for text in ax.get_xticklabels() if text.get_text() in (one, other)]
        slant = labels[0].get_rotation() if len(labels) == 2 else 0
        apart = abs(box.x0 - second.x0) * np.sin(np.radians(slant % 90)) >= 8
        assert apart, f"'{one}' and '{other}' overlap"


HALVES = ("lorenz", "lorenz of one rich customer", "tiers", "one tier only", "assets",
          "product counts", "penetration", "migration", "dormant flow", "whale")  # fmt: skip


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", HALVES)
def test_labels_fit_beside_another_figure(name: str, language: Language) -> None:
    """What stands two abreast on the page keeps its labels apart in half the width too."""
    function, frame = FIGURES[name]
    ax = sized_axes(6.0, HALF_WIDTH)
    getattr(plot, function)(frame, language=language, ax=ax)
    assert_labels_stand_free(ax)


# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
COLOUR_BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
INKS = {"actual": "#1F4E79", "reference": "#9DB8D2", "highlight": "#D9822B", "pale": "#F2D2AE"}


def seen(colour: str, eyes: list[list[float]] | None = None) -> np.ndarray:
    """Return a colour's place in CIE Lab (D65) as it looks, to colour-blind eyes if given."""
    parts = np.array(to_rgb(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(eyes) @ linear, 0, 1) if eyes else linear
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.array(to_xyz) @ linear / [0.95047, 1.0, 1.08883]
    fx, fy, fz = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])


@pytest.mark.parametrize("eyes", COLOUR_BLIND)
def test_colours_are_told_apart_by_colour_blind_readers(eyes: str) -> None:
    """Every two inks of the charts differ clearly (20 steps of Lab) to each kind of eye."""
    for one, other in combinations(INKS.values(), 2):
        distance = np.linalg.norm(seen(one, COLOUR_BLIND[eyes]) - seen(other, COLOUR_BLIND[eyes]))
        assert distance > 20, f"{one} and {other}"


def test_colours_are_told_apart_in_grey() -> None:
    """Printed without colour every two inks differ by ten steps of lightness or more."""
    for one, other in combinations(INKS.values(), 2):
        assert abs(seen(one)[0] - seen(other)[0]) >= 10, f"{one} and {other}"


def test_the_inks_tested_are_those_of_the_style() -> None:
    """The style's colours are the ones whose contrast is measured above."""
    with report_style():
        cycle = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    assert cycle[:3] == [INKS[name] for name in list(INKS)[:3]]
    drawn_with = ("ACTUAL", "REFERENCE", "HIGHLIGHT", "PALE_HIGHLIGHT")
    assert [getattr(canvas, name) for name in drawn_with] == [*INKS.values()]


@pytest.mark.parametrize("function", plot.__all__)
def test_a_frame_without_rows_says_no_data(function: str) -> None:
    """A chart of nothing states that there is nothing, in the page's language."""
    frame = next(frame for chart, frame in FIGURES.values() if chart == function).iloc[:0]
    assert said(getattr(plot, function)(frame)) == ["无数据"]
    assert said(getattr(plot, function)(frame, language="en")) == ["No data"]


def test_undefined_values_say_no_data() -> None:
    """All-zero assets leave a curve undefined: no curve is drawn in its place."""
    frame = lorenz(2).assign(value_share=np.nan)
    assert said(plot.lorenz(frame)) == ["无数据"]


def test_tied_branches_share_a_place_in_the_league() -> None:
    """Equal values are drawn at the rank they share, whatever rows they stand in."""
    frame = compared(4).assign(value=[0.5, 0.4, 0.4, 0.3], rank=[1, 2, 2, 4])
    dots = plot.league(frame).collections[-1].get_offsets()
    assert np.asarray(dots).tolist() == [[1, 0], [2, 1], [2, 2], [4, 3]]


@pytest.mark.parametrize(
    ("language", "words"), [("zh", "另有2家客户过少"), ("en", "too few customers: 2")]
)
def test_branches_without_a_rank_are_counted_below_the_league(
    language: Language, words: str
) -> None:
    """Too few customers give no place: such branches are left out, and the axis says how many."""
    frame = compared(4).assign(rank=[1, np.nan, 2, np.nan])
    ax = plot.league(frame, language=language)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(frame["name"][[0, 2]])
    assert words in ax.get_xlabel()
    assert words not in plot.league(compared(4), language=language).get_xlabel()


def test_lorenz_names_what_the_top_fifth_holds() -> None:
    """With L(p) = p² the top 20 % hold 1 - 0.8² = 36 %, spanned from 0.64 up to 1."""
    ax = plot.lorenz(lorenz(2))
    assert "前20%客户持有 36.0%" in said(ax)
    ends = [np.asarray(line.get_xydata()).tolist() for line in ax.lines]
    assert [[0.8, pytest.approx(0.64)], [0.8, 1.0]] in ends


def test_lorenz_of_a_branch_shows_the_bank_lighter() -> None:
    """Both curves are named, and the branch's ink is darker than the bank's."""
    ax = drawn("lorenz")
    assert {"本机构", "全行"} <= set(said(ax))
    brightness = [sum(to_rgb(line.get_color())) for line in ax.lines[1:3]]
    assert brightness[0] > brightness[1]


def test_lorenz_of_the_bank_alone_needs_no_key() -> None:
    """The bank compares with nobody, so nothing needs a name."""
    assert "全行" not in said(plot.lorenz(lorenz(2, branch_id="@bank")))


def test_tiers_are_drawn_to_scale_with_private_on_top() -> None:
    """Bars are as long as the shares on both sides, and the richest tier stands highest."""
    ax = plot.tier_pyramid(tiers([0.9, 0.1], [0.2, 0.8]))
    assert sorted(lengths(ax)) == [0.1, 0.2, 0.8, 0.9]
    heights = {text.get_text(): text.get_position()[1] for text in ax.texts}
    assert heights["潜力"] > heights["零散"]


def test_status_bars_fill_100_percent() -> None:
    """Each bar adds up to 1; active assets are what is neither silent nor dormant."""
    ax = plot.dormancy(statuses("2026Q3", 0.5, 0.2, 0.25, 0.05, 0.3, 0.1))
    assert lengths(ax) == [0.5, 0.2, 0.25, 0.05, 0.6, 0.3, 0.1]


def test_status_bars_show_the_last_two_quarters() -> None:
    """An older quarter is left out, and the actual one has the broader bar."""
    shares = (0.5, 0.2, 0.25, 0.05)
    frame = pd.concat([statuses(quarter, *shares) for quarter in ("2026Q1", "2026Q2", "2026Q3")])
    ax = plot.dormancy(frame)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["客户 2026Q3", "客户 2026Q2"]
    thick = [round(bar.get_height(), 2) for bar in ax.patches if isinstance(bar, Rectangle)]
    assert thick[0] > thick[-1]


def test_zero_dormant_is_stated() -> None:
    """Nobody dormant is a result: the page prints 0.0 %, not a gap."""
    assert "沉默 0.0% · 睡眠 0.0%" in said(drawn("nobody dormant"))


def test_product_counts_stand_beside_the_bank() -> None:
    """Each column carries the branch's share on top and the bank's below its name."""
    words = said(drawn("product counts"))
    assert "60.2%" in words
    assert "1类\n55.2%" in words


def test_penetration_lists_branch_and_bank_for_each_family() -> None:
    """The numbers of both stand in the order of the families."""
    ax = drawn("penetration")
    written = [text.get_text() for text in ax.texts if text.get_text().endswith("%")]
    expected = [f"{100 * share:.1f}%" for share in [*BRANCH_FAMILIES, *BANK_FAMILIES]]
    assert written == expected


def test_co_holding_leaves_the_diagonal_and_unknown_pairs_blank() -> None:
    """One known pair of a row and a column gives one number."""
    assert [text.get_text() for text in drawn("one pair").texts] == ["50%"]


def test_co_holding_rows_are_the_holders() -> None:
    """Of fund holders 80 % hold wealth: the number stands in the row of funds."""
    ax = plot.co_holding(co_holding({("fund", "wealth"): 0.8, ("wealth", "fund"): 0.2}))
    rows = {tick.get_position()[1]: tick.get_text() for tick in ax.get_yticklabels()}
    assert {text.get_text(): rows[text.get_position()[1]] for text in ax.texts} == {
        "80%": "基金",
        "20%": "理财",
    }


def test_assets_start_at_zero_and_share_one_unit() -> None:
    """Columns grow from an honest zero and print in one unit, named once."""
    ax = plot.aum_trend(assets([0.9e8, 2e8]))
    assert ax.get_ylim()[0] == 0
    assert {"单位：亿元", "0.90", "2.00"} <= set(said(ax))


def test_a_missing_quarter_is_marked_not_drawn() -> None:
    """A quarter without a value keeps its place with a dash."""
    assert "—" in said(drawn("a quarter without figures"))


def test_given_axes_are_used() -> None:
    """A notebook may put charts into its own figure."""
    ax = plt.figure().add_subplot()
    assert plot.aum_trend(assets([1e9]), ax=ax) is ax


def test_two_branches_in_one_frame_are_refused() -> None:
    """A chart of two branches would draw one of them at random."""
    frame = pd.concat([lorenz(2), lorenz(3, branch_id="B02")])
    with pytest.raises(UsageError, match=r"shows one group, the table holds 2 \(branch_id\)"):
        plot.lorenz(frame)


def test_a_bank_s_own_tiers_and_families_are_drawn_by_their_names() -> None:
    """Tiers and families that the shipped policy does not know stand in the frame's order."""
    frame = tiers([0.9, 0.1], [0.2, 0.8]).replace({"member": {"potential": "platinum"}})
    heights = {text.get_text(): text.get_position()[1] for text in plot.tier_pyramid(frame).texts}
    assert heights["platinum"] > heights["零散"]
    pair = co_holding({("funds", "wealth"): 0.5})
    assert {"funds", "理财"} <= set(said(plot.co_holding(pair)))


def test_words_name_tiers_and_put_them_in_order() -> None:
    """What the policy calls its tiers goes before the shipped words, in the policy's order."""
    moves = pd.DataFrame(
        [
            ("gold", "silver", 1),
            ("gold", "gold", 3),
            ("silver", "silver", 5),
            ("silver", "CLOSED", 2),
        ],
        columns=["from", "to", "customers"],
    )
    ax = plot.migration(moves, words={"silver": "白银", "gold": "黄金"})
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["黄金", "白银"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["黄金", "白银", "销户"]


def test_two_bases_in_one_frame_are_refused() -> None:
    """Shares of all and of funded customers must not share a chart."""
    funded = members("penetration", "family", BRANCH_FAMILIES)
    with pytest.raises(UsageError, match="several bases"):
        plot.penetration(pd.concat([funded, funded.assign(base="all")]))


def test_words_and_numbers_need_no_matplotlib() -> None:
    """Numbers, labels and sentences are used where nothing is drawn."""
    modules = ("show", *map("show.{}".format, ("wording", "pages", "findings", "branch_tables")))
    code = f"import sys, {', '.join(map('stockcust_analysis.{}'.format, modules))}; "
    code += "sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
