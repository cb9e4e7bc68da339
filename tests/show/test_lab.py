"""Exploring notebooks: a bank opened, a choice made, texts in one language, tables offline."""

from __future__ import annotations

import ast
import json
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import stockcust_analysis
from stockcust_analysis import customer_retention, set_language
from stockcust_analysis.errors import UsageError, say, words_of
from stockcust_analysis.models.features import in_words
from stockcust_analysis.models.next_product import NextProduct
from stockcust_analysis.models.segments import Segments
from stockcust_analysis.policy import load_policy
from stockcust_analysis.show import wording
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.lab import Lab, open_lab
from tests.models.banks import FEW, bank_with
from tests.tiny_bank import BRANCHES, CUSTOMERS, TinyBank, write_tiny_bank

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    path.stem: "\n".join(
        "".join(cell["source"]) for cell in json.loads(path.read_text("utf-8"))["cells"]
    )
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
}
EXPLORING = {name: source for name, source in SOURCES.items() if "open_lab" in source}


def calls_of(source: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what a notebook calls of its lab, each with the texts among the arguments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            constants = [part.value for part in node.args if isinstance(part, ast.Constant)]
            yield node.func.attr, [text for text in constants if isinstance(text, str)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the notebooks' folder, beside that of the tiny bank."""
    parent = tmp_path_factory.mktemp("lab")
    for name in ("notebooks", "bank"):
        (parent / name).mkdir()
    write_tiny_bank(parent / "bank", branches=BRANCHES)
    return parent / "notebooks"


@pytest.fixture(scope="module")
def opened(folder: Path) -> Iterator[Lab]:
    """Open the tiny bank in English from the notebooks' folder, once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        lab = open_lab("pareto", "bank", language="en")
    yield lab
    lab.bank.close()


@pytest.fixture
def lab(folder: Path, opened: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Return a laboratory of the tiny bank, in English, whose choices are the test's own."""
    monkeypatch.chdir(folder)
    set_language("en")
    return replace(opened)


def test_a_rule_without_an_exemption_is_named_by_it(opened: Lab) -> None:
    """Not by the code that tells the rules apart; a product without words keeps its code."""
    names = [f"rural_6m_500{end}" for end in ("", "-loan", "-own_thing", "-all")]
    frame = pd.DataFrame({"rule": names, "n": 1})
    for language, words in {
        "zh": ("本行办法（rural_6m_500）", "不豁免贷款", "不豁免own_thing", "不豁免任何产品"),
        "en": (
            "The policy's (rural_6m_500)",
            "Without exempting loans",
            "Without exempting own_thing",
            "Without exempting anything",
        ),
    }.items():
        shown = replace(opened, topic="dormancy", language=language).table(frame, "rules")
        assert tuple(row[0] for row in shown.rows) == words


def test_a_notebook_opens_the_newest_quarter_of_the_folder_above(lab: Lab) -> None:
    """The whole bank at first, then one branch: names and dates stand in the title."""
    assert (lab.title().branch, str(lab.title().as_of)) == ("Whole bank", "2026-09-30")
    customers = lab.bank.customers(lab.quarter)
    assert len(lab.keep_branch(customers)) == 4
    lab.branch_id = "002"
    assert lab.title().branch == "柳树支行"
    assert sorted(lab.keep_branch(customers)["customer_id"]) == ["C3", "C4"]
    lab.branch_id = "02"
    with pytest.raises(UsageError, match=r"unknown branch '02'\. Did you mean '002'"):
        lab.keep_branch(customers)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"quarter": "2026Q4"}, "unknown quarter '2026Q4'.*2026Q3"),
        ({"branch_id": "02"}, "unknown branch '02'.*Did you mean '002'"),
        ({"branch_id": 110}, "parameter 'branch_id' must be text.*in quotes.*-r branch_id"),
        ({"language": "fr"}, "unknown language 'fr'"),
        ({"policy": "rural"}, "rural"),
    ],
)
def test_parameters_are_checked_before_anything_is_shown(
    lab: Lab, changed: dict[str, str], words: str
) -> None:
    """What is no text, quarter, language or policy is an error that says what there is."""
    with pytest.raises((UsageError, ValueError), match=re.compile(words, re.DOTALL)):
        open_lab("pareto", "bank", **{"language": "en", **changed})  # type: ignore[arg-type]


def test_a_quarter_is_written_as_everywhere_else(lab: Lab) -> None:
    """`bank.customers("2026q2")` is answered, and so is the notebook's parameter."""
    opened = open_lab("pareto", "bank", quarter=" 2026q2", language="en")
    with opened.bank as bank:
        assert str(opened.quarter) == "2026Q2"
        assert len(bank.customers(" 2026q2")) == len(bank.customers(opened.quarter))
    assert str(open_lab("pareto", "bank", quarter="Latest ").quarter) == "2026Q3"


THREE = BRANCHES + "003,桥头支行,西区,township\n"


def test_a_branch_taken_over_is_refused_at_the_start(tiny_bank: TinyBank) -> None:
    """In both languages, with the branch that has its customers and no stranger."""
    mergers = "old_branch_id,new_branch_id,effective_on\n003,001,2026-07-01\n"
    customers = CUSTOMERS.replace("06-30,C2,001", "06-30,C2,003")
    bank = str(tiny_bank(branches=THREE, customers=customers, branch_successors=mergers))
    with pytest.raises(UsageError) as refused:
        open_lab("tier_migration", bank, branch_id="003", language="en")
    said: dict[Language, str] = {
        "zh": "网点“003”已并入“001”，其客户在2026-09-30归属后者：请改用后者。",
        "en": "branch '003' has been merged into '001', which has its customers on 2026-09-30",
    }
    for language, words in said.items():
        assert words_of(refused.value).text(language).startswith(words)
    # Before the merger of 1 July it was a branch like any other.
    with open_lab("tier_migration", bank, branch_id="003", quarter="2026Q2").bank:
        pass


def test_a_branch_opened_this_quarter_has_no_table_without_a_word(tiny_bank: TinyBank) -> None:
    """Nobody was there to stay, and the tables say so; those of a branch that was have a row."""
    customers = CUSTOMERS.replace("09-30,C4,002", "09-30,C4,003")
    folder = str(tiny_bank(branches=THREE, customers=customers))
    for branch, rows in (("003", 0), ("001", 1)):
        lab = open_lab("tier_migration", folder, branch_id=branch)
        with lab.bank as bank:
            before = bank.customers(lab.quarter.previous, structure=lab.quarter)
            now = bank.customers(lab.quarter)
        retention = customer_retention(before, now, by=lab.by)
        table = lab.table(lab.keep_branch(retention), "retention")
        assert table is not None and len(table.rows) == rows
        said = "没有可计入的客户：本季新开的网点，期初没有客户。"
        assert table.note == said or rows


@pytest.mark.parametrize("topic", EXPLORING)
def test_every_text_of_a_notebook_is_there_and_used(topic: str) -> None:
    """A key stands in the notebook's section or the common one; none is left over."""
    used = {"title"}
    for method, words in calls_of(EXPLORING[topic]):
        if method == "text":
            used.add(words[0])
        elif method in ("figure", "table"):
            used.add(f"{words[-1]}_caption")
        elif method == "definitions":
            terms = [word for word in words if word not in wording.names("measure")]
            used |= {f"{term}_{end}" for term in terms for end in ("term", "definition")}
    own, common = set(wording.names(f"lab_{topic}")), set(wording.names("lab"))
    assert used <= own | common
    described = {key.removesuffix("_caption") for key in used}
    assert own <= used | described


@pytest.mark.parametrize("topic", EXPLORING)
def test_the_title_is_among_what_is_run_again_after_a_choice(topic: str) -> None:
    """Above the picker it would go on naming the branch and the day of before."""
    called = [method for method, _ in calls_of(EXPLORING[topic]) if method in ("pick", "title")]
    assert called == ["pick", "title"]


def test_the_picker_changes_what_the_cells_below_take(lab: Lab) -> None:
    """Two boxes hold the quarters, newest first, and the branches by number and name."""
    pytest.importorskip("ipywidgets")
    boxes, hint = lab.pick().children
    quarter, branch = boxes.children
    assert [name for name, _ in quarter.options] == ["2026Q3", "2026Q2"]
    assert [name for name, _ in branch.options] == ["Whole bank", "001 城关支行", "002 柳树支行"]
    quarter.index, branch.index = 1, 2
    assert (str(lab.quarter), lab.branch_id) == ("2026Q2", "002")
    assert "Run Selected Cell and All Below" in hint.value


def test_without_widgets_the_picker_says_where_the_parameters_are(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain kernel is told the quarters and what to change."""
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert "`quarter` (2026Q2, 2026Q3) and `branch_id`" in lab.pick().data


def test_a_large_table_sorts_and_filters_offline(lab: Lab) -> None:
    """The library is in the output; of many rows the first are shown; entries have words."""
    rows = pd.DataFrame({"status": ["silent"] * 2_001, "aum_period_end": range(2_001)})
    html = lab.browse(rows).data
    assert "AUM at period end (CNY)" in html
    assert html.count('\\"Silent\\"') == 2_000
    assert "_TOTAL_ (the first 2,000 of 2,001 in all)" in html
    assert "in all)" not in lab.browse(rows.head(2_000)).data  # the words are not kept
    assert "_TOTAL_ (the first 200 of 2,001 in all)" in lab.browse(rows, most=200).data
    # Texts of digits, as most banks' customer numbers are, are no amounts to be set flush right.
    numbers = lab.browse(pd.DataFrame({"families": [1], "customer_id": ["0017"]})).data
    assert '{"targets": [1], "type": "string"}' in numbers
    assert re.findall(r"""(?:src|href|from|import)\s*[=(]?\s*["']https?:[^"']*""", html) == []


@pytest.mark.parametrize("topic", [name for name in EXPLORING if "lab.browse" in EXPLORING[name]])
def test_a_notebook_cuts_no_list_without_saying_of_how_many(topic: str) -> None:
    """A table that sorts is given all rows: of how many it shows the first, it says itself."""
    assert not re.search(r"lab\.browse\(.*\.head\(", EXPLORING[topic])


def test_a_model_that_refuses_is_told_and_its_cells_stay_empty(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """The refusal is shown in place of the figures, which are not there."""

    def refuse(number: int) -> None:
        raise UsageError(f"{number} events are too few to learn from")

    report = lab.attempt(refuse, 3)
    assert (report, lab.sentences(report), lab.table(report, "measures")) == (None, None, None)
    assert "3 events are too few" in capsys.readouterr().out


def test_a_models_warning_is_a_sentence_in_the_notebooks_language(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Families and features have words, no path of a source stands there, the result comes back."""

    def warn_of(top: int) -> int:
        warnings.warn(say("few_openings", in_words(["loan", "branch_type"])), stacklevel=1)
        warnings.warn(say("columns_left_out", ["x", "y"]), stacklevel=1)
        warnings.warn("of something else", UserWarning, stacklevel=1)
        return top

    lab.language = "zh"
    assert lab.attempt(warn_of, top=1) == 1
    shown = capsys.readouterr()
    assert "'新开户数过少，无法学习，按热销排序：贷款、网点类型。'" in shown.out
    assert "'以下各列只有一个值，或是编号、名称，未用：x、y。'" in shown.out
    assert "'of something else'" in shown.out
    assert shown.err == ""
    assert say("few_openings", in_words(["loan"])).endswith("popularity: Loans.")


def cell_result(topic: str, part: str, names: dict[str, Any]) -> Any:
    """Return what the cell of a notebook shows that holds some text, other cells being done."""
    cells = json.loads((ROOT / "notebooks" / f"{topic}.ipynb").read_text("utf-8"))["cells"]
    (source,) = (text for text in ("".join(cell["source"]) for cell in cells) if part in text)
    *lines, last = ast.parse(source).body
    assert isinstance(last, ast.Expr)
    exec(compile(ast.Module(lines, []), topic, "exec"), names)
    return eval(compile(ast.Expression(last.value), topic, "eval"), names)


def moved(day: str, branch: str, **changed: float) -> pd.DataFrame:
    """Return four customers of one date, C1 in the branch given."""
    amounts = {"C1": 100.0, "C2": 200.0, "C3": 400.0, "C4": 800.0} | changed
    facts = {"branch_id": [branch, "A", "A", "B"], "tier": "potential", "funded": 1}
    aum = {f"aum_{name}": [*amounts.values()] for name in ("period_end", "average_quarter")}
    return pd.DataFrame({"as_of": pd.Timestamp(day), "customer_id": [*amounts], **facts, **aum})


class TestOneBranch:
    """A of three customers: one moves to B, one grows by 50, one stays as he was."""

    @pytest.fixture
    def names(self, opened: Lab) -> Iterator[dict[str, Any]]:
        """Return what the cells of a notebook know when customers have been looked up."""
        set_language("en")
        lab = replace(opened, branch_id="A", language="en")
        both = {"before": moved("2026-06-30", "A"), "now": moved("2026-09-30", "B", C2=250.0)}
        yield {"sca": stockcust_analysis, "policy": None, "language": "en", "lab": lab} | both
        set_language("zh")

    def test_who_moved_is_handed_over_not_closed(self, names: dict[str, Any]) -> None:
        """700 then, 100 handed over, 50 more of C2: 650 now; nobody has closed."""
        names["lab"].topic = "growth"
        cell_result("growth", "sca.growth_bridge", names)
        amounts = names["change"].set_index("component")["amount"]
        moves = {"opening": 700, "grown": 50, "transferred_out": -100, "closing": 650}
        assert amounts[amounts != 0].to_dict() == moves
        shown = cell_result("growth", "same_customer_growth(", names)
        assert "quarter-average AUM" in shown.caption  # the bridge is of the period's end
        assert [row[-1] for row in shown.rows] == ["8.3%", "-7.1%"]
        shown = cell_result("growth", "sca.asset_retention", names)
        rates = {row[:2]: row[-1] for row in shown.rows}
        assert rates["Potential", "Asset retention"] == "100.0%"

    def test_who_moved_is_not_lost_to_the_tiers(self, names: dict[str, Any]) -> None:
        """Three of three are still customers, one of them in B."""
        names["lab"].topic = "tier_migration"
        cell_result("tier_migration", "sca.migration_matrix", names)
        moves = names["moves"].query("customers > 0")
        assert dict(zip(moves["to"], moves["customers"], strict=True)) == {
            "potential": 2,
            "TRANSFERRED": 1,
        }
        (row,) = cell_result("tier_migration", "sca.customer_retention", names).rows
        assert row[-2:] == ("3", "100.0%")


@pytest.mark.parametrize("topic", ["dormancy", "tier_migration"])
def test_what_needs_one_quarter_is_shown_of_a_banks_first(topic: str) -> None:
    """The quarter before is looked up below what does without it, which the first lacks."""
    called = EXPLORING[topic]
    before = called.index("lab.quarter.previous")
    alone = {"dormancy": "compare_rules", "tier_migration": "tier_counts(customers"}[topic]
    assert called.rindex(alone) < before < called.index("before, now")


@pytest.fixture
def branch_lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Return a laboratory of one branch of a bank with effects; a browsed table stays as it is."""
    bank = bank_with("planted", FEW)
    lab = Lab("segments", bank, load_policy(), bank.quarters[-1], "B002", "en")
    monkeypatch.setattr(lab, "browse", lambda frame: frame)
    return lab


@pytest.mark.filterwarnings("ignore:too few openings:UserWarning")
def test_a_branch_is_offered_what_its_own_customers_may_open(branch_lab: Lab) -> None:
    """The list under a branch's name holds no customer of another one."""
    model = NextProduct().learn(branch_lab.bank, until=branch_lab.quarter)
    names = {"lab": branch_lab, "model": model, "report": True}
    offers = cell_result("next_product", "lab.browse", names)
    every = model.rank_customers(branch_lab.bank, branch_lab.quarter, top=1)
    assert set(offers["branch_id"]) == {"B002"}
    assert offers["probability"].is_monotonic_decreasing and offers["probability"].nunique() > 1
    assert len(offers) == (every["branch_id"] == "B002").sum() < len(every)


def test_a_branchs_customers_stand_beside_the_banks_segments(branch_lab: Lab) -> None:
    """Counts of the branch, from the customers themselves, and none where the bank is shown."""
    segments = Segments(n_segments=3).learn(branch_lab.bank, branch_lab.quarter)
    names = {"lab": branch_lab, "segments": segments}
    shown = cell_result("segments", "segments.profile_", names)
    labels = [column.label for column in shown.columns]
    assert labels[-2:] == ["Of them in the branch", "Share of the branch"]
    own = (segments.customers_["branch_id"] == "B002").to_numpy()
    expected = [(own & (segments.labels_ == number)).sum() for number in range(3)]
    assert [int(row[-2]) for row in shown.rows] == expected
    assert [row[-1] for row in shown.rows] == [f"{n / own.sum():.1%}" for n in expected]
    branch_lab.branch_id = ""
    assert len(cell_result("segments", "segments.profile_", names).columns) == 3


def test_tables_have_words_and_units(lab: Lab) -> None:
    """Columns, tiers and shares of one's own table are named; a measure is printed as its kind."""
    frame = pd.DataFrame({"gini": [0.7204], "observed": [0.125]}, pd.Index(["mid"], name="tier"))
    shown = lab.table(frame, "measures", percent=["observed"])
    assert shown is not None
    assert [column.label for column in shown.columns] == ["Tier", "Gini coefficient", "Observed"]
    assert shown.rows == (("Mid", "0.720", "12.5%"),)
    assert lab.table(frame, "measures", percent="observed") == shown
    assert shown.caption.startswith("Concentration")
    twice = lab.table(pd.DataFrame([[1, 2]], columns=["high loans"] * 2), "measures")
    assert twice is not None
    assert twice.rows == (("1", "2"),)


def test_definitions_are_the_codebooks_in_the_notebooks_language(lab: Lab) -> None:
    """Terms stand beside their meaning, and the policy in force below."""
    shown = lab.definitions("gini")
    assert shown.rows[0][0] == wording.text("gini", "en")
    assert shown.note.startswith("Policy rural_commercial_bank")


def test_what_is_not_delivered_is_named(lab: Lab) -> None:
    """Of the tiny bank's branches four columns of six; no contacts at all."""
    rows = {row[0]: row[1:] for row in lab.deliveries().rows}
    assert rows["branches"] == ("4", "opened_on, closed_on")
    assert rows["contacts"][0] == "0"
