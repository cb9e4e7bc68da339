"""Results show themselves: words, units, charts and workbooks, in the reader's language."""

from __future__ import annotations

import pickle
import tomllib
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

import stockcust_analysis
from stockcust_analysis import (
    Result,
    StockcustError,
    concentration,
    growth_bridge,
    load_policy,
    lorenz_curve,
    lost_customers,
    migration_matrix,
    multi_product_share,
    penetration,
    plot,
    products_per_customer,
    set_language,
)
from stockcust_analysis.core.results import About
from stockcust_analysis.errors import UsageError, words_of
from stockcust_analysis.plot import bars, grid, small_multiples, trend
from stockcust_analysis.show.blocks import TABLE_MIME
from stockcust_analysis.show.results import cell_words, table_of

POLICIES = Path(stockcust_analysis.__file__).parent / "policies"
OPENING = pd.DataFrame(
    {
        "customer_id": ["1", "2"],
        "branch_id": ["A", "<b>"],
        "aum_period_end": [30_000.0, 20_000.0],
        "aum_average_quarter": [30_000.0, 20_000.0],
    }
)
RATES = pd.DataFrame({"branch_id": ["A", "B"], "measure": "dormancy_rate", "value": [0.1, 0.2]})
CLOSING = OPENING.assign(aum_period_end=[36_000.0, 0.0], aum_average_quarter=[60_000.0, 0.0])


def cells_of(result: Result) -> list[list[str]]:
    """Return the printed cells of a result."""
    rows: list[list[str]] = result._repr_mimebundle_()[TABLE_MIME]["rows"]
    return rows


def test_values_are_printed_as_their_measure_is() -> None:
    """A share is a percentage, an index has three decimals; base and n stand beside them."""
    amounts = pd.DataFrame({"aum_period_end": [6.0, 1, 1, 1, 1]})
    rows = {row[0]: row[1:] for row in cells_of(concentration(amounts, base="all"))}
    assert rows["基尼系数"] == ["全部客户", "5", "0.400"]
    assert rows["前20%客户AUM占比"] == ["全部客户", "5", "60.0%"]


def test_money_has_one_unit_at_the_top() -> None:
    """The bridge is in 万元, in English in thousands of CNY."""
    bridge = growth_bridge(OPENING, CLOSING)
    assert "单位：万元" in repr(bridge)
    assert ["期初AUM", "2", "5.00"] in cells_of(bridge)
    assert ["转空客户（低于有资产标准）", "1", "-2.00"] in cells_of(bridge)
    set_language("en")
    assert repr(bridge).startswith("CNY thousand")
    assert ["Opening AUM", "2", "50.00"] in cells_of(bridge)


def test_groups_stand_in_the_policys_order() -> None:
    """Tiers from the lowest to the highest within each region, regions as the measure has them."""
    tiers = ["private", "residual", "effective"]
    rows = [(region, tier, "dormancy_rate", 0.1) for region in ("B", "A") for tier in tiers]
    frame = pd.DataFrame(rows, columns=["region", "tier", "measure", "value"])
    shown = [row[:2] for row in table_of(Result(frame)).rows]
    lowest_first = ["零散", "有效", "私行"]
    assert shown == [(region, tier) for region in ("B", "A") for tier in lowest_first]


def test_pivots_and_workbooks_have_the_policys_order(tmp_path: Path) -> None:
    """Tiers from the lowest up, whichever a branch lacks; states behind them; branches as given."""
    cells = [("B", "private"), ("B", "residual"), ("A", "effective"), ("A", "mid")]
    rows = [(branch, tier, "dormancy_rate", 0.1) for branch, tier in cells]
    result = Result(pd.DataFrame(rows, columns=["branch_id", "tier", "measure", "value"]))
    lowest_first = ["residual", "effective", "mid", "private"]
    table = result.pivot("branch_id", "tier")
    assert ([*table.index], [*table.columns]) == (["B", "A"], lowest_first)
    assert [*result.pivot("tier", "branch_id").index] == lowest_first
    assert table.loc["A"].isna().tolist() == [True, False, False, True]
    result.to_excel(tmp_path / "tiers.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "tiers.xlsx").active
    tiers = [row[1].value for row in sheet.iter_rows(min_row=2, max_row=5)]
    assert tiers == ["零散", "私行", "有效", "中端"]
    moves = migration_matrix(OPENING, CLOSING).pivot("from", "to", "customers")
    assert [*moves.columns] == ["mid", "DRAINED"]
    three = migration_matrix(CLOSING, OPENING).pivot("from", "to", "customers")
    assert [*three.index] == ["mid", "RETURNED"]


def test_tiers_and_states_have_the_policys_words() -> None:
    """Whoever went from the tier of 10,000 to that of 50,000, and whoever drained."""
    assert [row[:2] for row in cells_of(migration_matrix(OPENING, CLOSING))] == [
        ["有效", "中端"],
        ["有效", "流失"],
    ]


def test_markup_in_a_name_is_text() -> None:
    """A branch called `<b>` is printed as that."""
    shown = concentration(OPENING, by="branch_id", base="all")._repr_html_()
    assert "&lt;b&gt;" in shown
    assert '<td style="text-align:left"><b></td>' not in shown


def test_an_empty_rate_is_a_dash() -> None:
    """A rate of nobody is no number."""
    nobody = OPENING.assign(holds_none=0, aum_average_quarter=0.0)
    held = pd.DataFrame({"customer_id": ["9"], "product": ["fund"], "balance": [1.0]})
    assert cells_of(multi_product_share(nobody, holdings=held))[0][-1] == "—"


def test_long_results_say_what_is_left_out() -> None:
    """Of the 101 points of a curve sixty are shown."""
    curve = lorenz_curve(OPENING, base="all")
    assert len(cells_of(curve)) == 60
    assert "另有41行未显示。" in repr(curve)
    assert len(curve) == 101


def test_what_pandas_makes_of_a_result() -> None:
    """Chosen rows are a result still, and draw themselves; a table of other columns is pandas'."""
    result = concentration(OPENING, by="branch_id", base="all")
    chosen = result.query("measure == 'gini'")
    assert [row[1] for row in cells_of(chosen)] == ["基尼系数", "基尼系数"]
    indexed = result.set_index("measure")
    assert repr(indexed) == repr(indexed.to_pandas())
    assert "<table" in indexed._repr_html_()
    again = pickle.loads(pickle.dumps(result))
    assert again.about == result.about
    pd.testing.assert_frame_equal(again.to_pandas(), result.to_pandas())


def test_pivot() -> None:
    """Rows and columns in the order of the result; what would be lost is an error."""
    result = concentration(OPENING, by="branch_id", base="all")
    table = result.pivot("branch_id")
    assert type(table) is pd.DataFrame
    assert table["top_1_share"].to_dict() == {"A": 0.01, "<b>": 0.01}
    with pytest.raises(StockcustError, match=r"several rows .* differ in branch_id"):
        result.pivot("base")
    with pytest.raises(StockcustError, match=r"column 'branch'.*branch_id"):
        result.pivot("branch")


def test_plot_draws_the_natural_chart() -> None:
    """A bridge draws its columns; of a table without chart the error names the charts."""
    axes = growth_bridge(OPENING, CLOSING).plot(language="en")
    assert axes.get_xticklabels()[0].get_text() == "Grown"
    with pytest.raises(StockcustError, match=r"lorenz"):
        migration_matrix(OPENING, CLOSING).assign(x=1).to_pandas().pipe(Result).plot()


def test_a_chart_takes_the_size_that_pandas_takes() -> None:
    """In inches, also of axes of one's own; what a chart does not take is named."""
    bridge = growth_bridge(OPENING, CLOSING)
    axes = bridge.plot(figsize=(9, 4))
    assert axes.figure.get_size_inches().tolist() == [9.0, 4.0]
    assert axes.get_xticklabels()[0].get_text() == "存量增长"
    assert bars(RATES, figsize=(3, 2)).figure.get_size_inches().tolist() == [3.0, 2.0]
    assert bridge.plot(ax=axes, figsize=(6, 5)) is axes
    assert axes.figure.get_size_inches().tolist() == [6.0, 5.0]
    said = r"unknown option of the chart bridge 'fig_size'\. Did you mean 'figsize'\?"
    with pytest.raises(UsageError, match=said):
        bridge.plot(fig_size=(9, 4))
    with pytest.raises(UsageError, match="option of the chart bars 'colour'"):
        bars(RATES, colour="red")


def test_the_unit_of_a_bridge_fits_its_steps() -> None:
    """Steps of a hundredth of the assets are read in 万元; steps as large as the assets in 亿元."""
    components = ["opening", "new", "grown", "closed", "closing"]
    rows = pd.DataFrame({"component": components, "amount": [1.2e8, 9e5, 1.1e6, -4e5, 1.216e8]})
    axes = plot.bridge(rows)
    assert axes.get_title("right") == "单位：万元"
    assert [text.get_text() for text in axes.texts] == ["+90.0", "+110.0", "-40.0", "+160.0"]
    large = plot.bridge(rows.assign(amount=[1.2e8, 3e8, 2e8, -1e8, 5.2e8]))
    assert large.get_title("right") == "单位：亿元"


@pytest.mark.parametrize(
    ("language", "said"), [("zh", "颜色越深，占该行"), ("en", "Darker: a larger")]
)
def test_a_migration_says_what_its_colour_is(language: str, said: str) -> None:
    """The number is of customers, the shade of the row's share."""
    matrix = migration_matrix(OPENING, CLOSING)
    assert matrix.plot(language=language).get_xlabel().startswith(said)


def test_bars_that_are_left_out_are_said() -> None:
    """Of 41 groups the largest 40 are drawn, and the line below says so; of 40 nothing is said."""
    columns = ["branch_id", "measure", "base", "n", "value"]
    rates = [(f"B{i:02}", "dormancy_rate", "funded", 5, i / 100) for i in range(41)]
    axes = Result(pd.DataFrame(rates, columns=columns)).pipe(bars, language="en")
    assert axes.get_xlabel() == "The 40 largest of 41 groups."
    assert len(axes.get_yticklabels()) == 40
    assert bars(pd.DataFrame(rates[1:], columns=columns)).get_xlabel() == ""


def test_groups_that_are_left_out_are_said() -> None:
    """Of seven lines six are drawn, of 31 rows thirty, of nine panels eight, as is said."""
    columns = ["branch_id", "quarter", "measure", "n", "value"]
    rates = [
        (f"B{i}", quarter, "gini", i, 0.1) for i in range(7) for quarter in ("2026Q2", "2026Q3")
    ]
    series = pd.DataFrame(rates, columns=columns)
    assert trend(series, language="en").get_xlabel() == "The 6 of 7 groups with most customers."
    assert trend(series[series["n"] > 0]).get_xlabel() == ""
    columns = ["branch_id", "tier", "measure", "n", "value"]
    rates = [(f"B{i}", tier, "gini", i, 0.1) for i in range(31) for tier in ("mid", "high")]
    axes = grid(pd.DataFrame(rates, columns=columns), language="en")
    assert axes.get_xlabel() == "The 30 of 31 groups with most customers."
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"B{i}" for i in range(1, 31)]
    families = [("2026Q3", str(number), number / 10) for number in range(9)]
    panels = pd.DataFrame(families, columns=["quarter", "family", "value"])
    figure = small_multiples(panels, language="en").figure
    assert [panel.get_xlabel() for panel in figure.axes if panel.get_xlabel()] == [
        "The 8 largest of 9 groups."
    ]


def test_a_slide_of_lost_customers_names_none() -> None:
    """Ranks and branches stand beside the bars, which are the falls; 800 of 900 thousand in all."""
    customers = [f"C{number}" for number in range(3)]
    june = {"customer_id": customers, "branch_name": ["东", "东", "西"]}
    opening = pd.DataFrame(june | {"aum_average_quarter": [9e5, 6e5, 3e5]})
    closing = opening.assign(aum_average_quarter=[3e5, 4e5, 2e5])
    axes = lost_customers(opening, closing, top=2).plot(language="en")
    assert [text.get_text() for text in axes.texts] == ["600.0 Shrunk", "200.0 Shrunk"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1 · 东", "2 · 东"]
    assert axes.get_xlabel().splitlines() == ["Together 88.9% of all falls."]


def test_families_lead_a_chart_of_penetration() -> None:
    """By branch, families are drawn and not the channels, which the policy lists first."""
    held = {f"holds_{name}": [1, 0] for name in load_policy().families.names}
    used = {f"uses_{name}": [0, 1] for name in load_policy().families.channel_names}
    customers = pd.DataFrame({"branch_id": ["A", "B"], **held, **used})
    axes = penetration(customers, by="branch_id", base="all").plot(language="en")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["A", "B"]
    families = {label.get_text() for label in axes.get_yticklabels()}
    assert families >= {"Deposits", "Loans"}
    assert "Mobile banking" not in families


def test_workbook(tmp_path: Path) -> None:
    """Headers in words, shares as percentages, text that looks like a formula as text."""
    names = OPENING.assign(branch_id=["=1+1", "B"])
    result = concentration(names, by="branch_id", base="all")
    result.to_excel(tmp_path / "a.xlsx")
    result.to_excel(tmp_path / "b.xlsx")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert [cell.value for cell in sheet[1]][:5] == ["机构", "指标", "口径", "客户数", "分子"]
    row = next(row for row in sheet.iter_rows(min_row=2) if row[1].value == "前1%客户AUM占比")
    assert (row[0].value, row[0].data_type) == ("=1+1", "s")
    assert (row[6].value, row[6].number_format) == (0.01, "0.0%")
    with pytest.raises(StockcustError, match=r"\.xlsx"):
        result.to_excel(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "name", ["机构" * 16, "2026/Q3", "[a]", "a:b", "a*", "a?", "a\\b", "'a", ""]
)
@pytest.mark.parametrize("more", [{}, {"startrow": 1}])
def test_a_sheet_that_cannot_be_called_so_is_said(
    tmp_path: Path, name: str, more: dict[str, Any]
) -> None:
    """32 characters, or one that Excel forbids, is an error of this package, and no file."""
    result = concentration(OPENING, by="branch_id", base="all")
    with pytest.raises(UsageError, match="a sheet's name has up to 31 characters") as caught:
        result.to_excel(tmp_path / "a.xlsx", sheet_name=name, **more)
    assert f"“{name}”，{len(name)}个字符" in words_of(caught.value).zh
    assert not [*tmp_path.iterdir()]
    result.to_excel(tmp_path / "b.xlsx", sheet_name="机" * 31, **more)


def test_a_workbook_is_written_as_pandas_users_write_it(tmp_path: Path) -> None:
    """`index=False` and `sheet_name=` keep headers in words; pandas' writer gets plain cells."""
    result = concentration(OPENING, by="branch_id", base="all")
    result.to_excel(tmp_path / "a.xlsx", index=False, sheet_name="集中度")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")["集中度"]
    assert [cell.value for cell in sheet[1]][:2] == ["机构", "指标"]
    with pd.ExcelWriter(tmp_path / "b.xlsx") as writer:
        result.to_excel(writer, sheet_name="one", index=False)
        result.to_excel(writer, sheet_name="two", startrow=1)
    book = openpyxl.load_workbook(tmp_path / "b.xlsx")
    assert [book[name].cell(row, 1).value for name, row in (("one", 1), ("two", 2))] == [
        "branch_id",
        "branch_id",
    ]


def test_languages() -> None:
    """There are two."""
    with pytest.raises(StockcustError, match="language 'fr'"):
        set_language("fr")


def test_charts_have_the_tables_order_and_words() -> None:
    """Tiers from the lowest to the highest, groups as the policy calls them, rules in words."""
    tiers = [("private", 0.3), ("high", 0.2), ("effective", 0.1)]
    rates = [(tier, "multi_product_share", "funded", 5, value) for tier, value in tiers]
    frame = Result(pd.DataFrame(rates, columns=["tier", "measure", "base", "n", "value"]))
    frame.about = About("bars", "multi_product_share", as_of="2026-09-30")
    axes = frame.plot()
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["有效", "高端", "私行"]
    assert axes.get_xlabel() == "口径：有资产客户；5户；截至2026-09-30"
    assert frame.assign(n=[5, 6, 7]).plot(language="en").get_xlabel() == (
        "Base: funded customers; 5–7 customers each; as of 2026-09-30"
    )
    groups = frame.rename(columns={"tier": "customer_group"})
    groups["customer_group"] = ["seniors", "farmers", "ours"]
    labels = [tick.get_text() for tick in groups.plot().get_yticklabels()]
    assert labels == ["老年", "种养殖户", "ours"]
    rules = frame.rename(columns={"tier": "rule"}).assign(rule=["crm_12m", "cib_2025", "ours"])
    labels = [tick.get_text() for tick in rules.plot().get_yticklabels()]
    assert labels[::2] == ["一年无主动交易、无到期（crm_12m）", "ours"]


def test_a_customary_rule_says_that_a_maturity_is_activity() -> None:
    """Both begin anew with what fell due; the words of those without that clock name none."""
    rules = {rule.name: rule for rule in load_policy().dormancy_presets}
    words = cell_words("rule", "zh", {})
    for name in ("crm_6m", "crm_12m"):
        assert "maturity" in rules[name].clock and "无到期" in words[name]
    assert "maturity" not in rules["nfra_2023"].clock and "到期" not in words["nfra_2023"]


def test_every_dormancy_preset_has_words() -> None:
    """The rules that come with the package have a name in both languages, the code in brackets."""
    words = {language: cell_words("rule", language, {}) for language in ("zh", "en")}
    presets = tomllib.loads((POLICIES / "dormancy_presets.toml").read_text(encoding="utf-8"))
    for preset in presets["dormancy_presets"]:
        assert words["zh"][preset["name"]].endswith(f"（{preset['name']}）")
        assert words["en"][preset["name"]].endswith(f" ({preset['name']})")


def test_a_result_knows_its_day() -> None:
    """From the customers' column, or as given; a table of several days or none has none."""
    dated = CLOSING.assign(as_of=pd.Timestamp("2026-09-30"))
    assert concentration(dated, base="all").about.as_of == "2026-09-30"
    assert concentration(CLOSING, base="all").about.as_of == ""
    bridge = growth_bridge(OPENING.assign(as_of=pd.Timestamp("2026-06-30")), dated)
    assert (bridge.about.since, bridge.about.as_of) == ("2026-06-30", "2026-09-30")
    assert "2026-06-30至2026-09-30" in bridge.plot().get_xlabel()
    assert "from 2026-06-30 to 2026-09-30" in bridge.plot(language="en").get_xlabel()


def test_a_charts_notes_are_those_of_its_table() -> None:
    """A customer of several groups is said to count in each, in the chart's language."""
    customers = OPENING.assign(groups=["farmers;women", "women"])
    result = concentration(customers, by="customer_group", base="all")
    words = result.plot(language="en").get_xlabel()
    assert "counts in each of several entries under Customer group" in words


def test_every_measure_of_a_result_has_a_name(tmp_path: Path) -> None:
    """Without the largest customers, of households, by codes of the contract and by truths."""
    words = cell_words("measure", "zh", {}, ["herfindahl_without_3"])
    assert words["herfindahl_without_3"] == "赫芬达尔指数（剔除最大3户）"
    assert words["gini_without_10"] == "基尼系数（剔除最大10户）"
    customers = OPENING.assign(branch_type=["county", "township"], online=[True, False])
    result = concentration(customers, by=["branch_type", "online"], base="all", without=1)
    printed = cells_of(result)
    assert {tuple(row[:2]) for row in printed} == {("县域", "是"), ("乡镇", "否")}
    assert not [row for row in printed if "_" in row[2]]
    result.to_excel(tmp_path / "cuts.xlsx")
    rows = [*openpyxl.load_workbook(tmp_path / "cuts.xlsx")["Sheet1"].values]
    assert [row[:2] for row in rows[1::8]][:2] == [("县域", "是"), ("乡镇", "否")]
    set_language("en")
    assert not [row for row in cells_of(result) if "_" in row[2]]
    assert cell_words("customer_type", "en", {})["sole_trader"] == "sole trader"


@pytest.mark.parametrize(("language", "head"), [("zh", "家庭数"), ("en", "Households")])
def test_households_are_called_so(language: str, head: str) -> None:
    """Measures, the column of numbers and the line below the chart speak of households."""
    set_language(language)
    held = {"holds_deposit": 1, "household_id": ["H", "H"]}
    families = {f"holds_{name}": 0 for name in load_policy().families.names}
    channels = {f"uses_{name}": 0 for name in load_policy().families.channel_names}
    customers = OPENING.assign(**{**families, **channels, **held})
    shares, rates = (
        measure(customers, unit="household") for measure in (multi_product_share, penetration)
    )
    for result in (shares, rates, products_per_customer(customers, unit="household")):
        table = result._repr_mimebundle_()[TABLE_MIME]
        assert head in [column["label"] for column in table["columns"]]
        assert not [cell for row in table["rows"] for cell in row if "_" in cell]
    assert {"zh": "1个家庭", "en": "1 household"}[language] in shares.plot().get_xlabel()


def test_bands_rise_beside_a_cut_of_several() -> None:
    """A group whose youngest, or newest, are elsewhere does not move their band to the end."""
    customers = pd.concat([OPENING, OPENING.assign(customer_id=["3", "4"])]).assign(
        groups=["farmers", "farmers", "women", "women"],
        age_band=["25-34", "65+", "0-17", "25-34"],
        tenure=[3, 10, 0, 3],
    )
    for cut, bands in (("age_band", ["0-17", "25-34", "65+"]), ("tenure", [0, 3, 10])):
        result = concentration(customers, by=["customer_group", cut], base="all")
        gini = result.query("measure == 'gini'")
        assert gini.pivot("customer_group", cut).columns.tolist() == bands
        axes = result.plot()
        shown = [label.get_text() for label in (*axes.get_yticklabels(), *axes.get_xticklabels())]
        assert [name for name in shown if name in map(str, bands)] == [*map(str, bands)]


def test_a_table_without_measures_says_what_it_can_be() -> None:
    """Over the quarters no chart draws it, of one quarter its own does; a pivot names columns."""
    june, september = (pd.Timestamp(f"2026-{day}") for day in ("06-30", "09-30"))
    both = pd.concat([OPENING.assign(as_of=june), CLOSING.assign(as_of=september)])
    third = both.assign(as_of=both["as_of"] + pd.offsets.QuarterEnd())
    bank = pd.concat([both, third[third["as_of"] > september]])
    bridge = growth_bridge(bank, bank, over="quarter")
    with pytest.raises(StockcustError, match=r"keep the rows of one.*2026Q4"):
        bridge.plot()
    assert bridge[bridge["quarter"] == "2026Q4"].plot().patches
    with pytest.raises(
        StockcustError, match=r"columns=… and values=….*component, customers, amount"
    ):
        bridge.pivot("quarter")
    assert bridge.pivot("quarter", "component", "amount").loc["2026Q3", "closing"] == 36_000
