"""Headquarters' set as a run writes it: states, the same numbers as the branch's, restatements."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from openpyxl.worksheet.worksheet import Worksheet
from pypdf import PdfReader

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.cli.run import describe_run
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import FileInUseError, ReportError
from stockcust_analysis.evaluation import review as reviews
from stockcust_analysis.report import headquarters
from stockcust_analysis.report.headquarters import write_measures
from stockcust_analysis.report.plan import REVIEW, ReportOptions
from stockcust_analysis.report.quarter import make_reports, plan_reports, verify_folder
from stockcust_analysis.report.workbook import HEADER_ROW
from stockcust_analysis.show import headquarters_tables
from stockcust_analysis.show.blocks import Language
from stockcust_analysis.show.branch_page import measures_of
from stockcust_analysis.show.headquarters_page import headquarters_page
from stockcust_analysis.show.wording import format_measure, measure_words, text
from tests.report.small_notebooks import report_of_one_cell
from tests.report.small_review import rules, small_evaluation, small_review
from tests.tiny_bank import BRANCHES, as_frames, write_tiny_bank

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
EXTENSIONS = "ignore:.* extension is not supported:UserWarning"


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """Report one branch of the tiny bank, then issue it; return the folder, the first notebook."""
    out, bank_folder = (tmp_path_factory.mktemp(name) for name in ("reports", "bank"))
    asked = ReportOptions(quarter="2026Q3", branches=("001",), circulated=True)
    with (
        report_of_one_cell(bank_folder),
        open_bank(as_frames(write_tiny_bank(bank_folder, branches=BRANCHES))) as bank,
    ):
        folder = make_reports(bank, asked, out=out).folder
        notebook = (folder / "headquarters_review.ipynb").read_bytes()
        issue = replace(asked, status="issued", circulated=False)
        run = make_reports(bank, issue, out=out)  # what is there is kept up to date
        assert {job.action for job in plan_reports(bank, issue, out=out)} == {"keep"}
    assert run.failed == ()
    return folder, notebook


def text_of(path: Path) -> str:
    """Return all text of a PDF, without white space."""
    return re.sub(r"\s", "", "".join(page.extract_text() for page in PdfReader(path).pages))


@pytest.mark.filterwarnings(EXTENSIONS)
def test_the_review_status_stands_on_every_page(issued: tuple[Path, bytes]) -> None:
    """PDF page, workbook sheet and index all say that the quarter is issued."""
    folder, _ = issued
    for page in PdfReader(folder / "headquarters_review.pdf").pages:
        assert "签发" in page.extract_text()
    for sheet in openpyxl.load_workbook(folder / "headquarters.xlsx"):
        assert "签发" in sheet["A1"].value
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert '<span class="status">签发</span>' in index


def test_issuing_prints_without_running_and_is_written_down(issued: tuple[Path, bytes]) -> None:
    """The notebook is the one that ran; who issued, and when, stands in run.json."""
    folder, notebook = issued
    assert (folder / "headquarters_review.ipynb").read_bytes() == notebook
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    history = run["status_history"]
    assert [each["status"] for each in history] == ["draft", "issued"]
    assert all(each["by"] and each["at"] for each in history)


def test_a_branch_without_a_page_is_seen(issued: tuple[Path, bytes]) -> None:
    """The branch that was not asked for stands in review and index as not made."""
    folder, _ = issued
    assert "柳树支行未生成" in text_of(folder / "headquarters_review.pdf")
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert 'href="branches/001/report.pdf"' in index
    assert "branches/002" not in index


@pytest.mark.filterwarnings(EXTENSIONS)
def test_each_edition_says_whom_it_is_for(issued: tuple[Path, bytes]) -> None:
    """内部 stands on every page, sheet and index of the one, 对外 of the other."""
    for place, word in ((issued[0], "内部"), (issued[0] / "circulated", "对外")):
        for page in PdfReader(place / "headquarters_review.pdf").pages:
            assert word in page.extract_text()
        for sheet in openpyxl.load_workbook(place / "headquarters.xlsx"):
            assert word in sheet["A1"].value
        assert word in (place / "index.html").read_text(encoding="utf-8")


def test_both_editions_are_issued_verified_and_written_down(issued: tuple[Path, bytes]) -> None:
    """Tables of both stay for later quarters; the manifest and run.json know both."""
    folder, _ = issued
    assert (folder / "issued" / "review.json").exists()
    assert (folder / "issued" / "circulated" / "review.json").exists()
    outputs = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["outputs"]
    for name in ("index.html", "headquarters.xlsx", "headquarters_review.pdf", "measures.csv"):
        assert {name, f"circulated/{name}"} <= set(outputs)
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert verify_folder(folder) == ["Not made yet: 002"]
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert sorted(run["headquarters"]) == ["circulated", "internal"]
    assert "branches/" not in (folder / "circulated" / "index.html").read_text(encoding="utf-8")


def test_a_circulated_edition_that_cannot_be_proved_leaves_the_internal_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run says that it failed, in run.json and run.log too; nothing stands in circulated/.

    Later runs try again, until somebody removes the folder.
    """

    def refuse(*_: object, **__: object) -> None:
        raise ReportError("3 figures could be worked out.")

    monkeypatch.setattr(reviews, "circulate", refuse)
    asked = ReportOptions(quarter="2026Q3", branches=("001",), circulated=True)
    with report_of_one_cell(tmp_path), open_bank(as_frames(write_tiny_bank(tmp_path))) as bank:
        run = make_reports(bank, asked, out=tmp_path / "out")
        left = [*(run.folder / "circulated").iterdir()]
        again = make_reports(bank, replace(asked, circulated=False), out=tmp_path / "out")
    assert [page.edition for page in again.failed] == ["circulated"]
    assert [page.error for page in run.failed] == ["3 figures could be worked out."]
    assert describe_run(run).startswith(
        "  made                1\n  failed              1\nThe circulated"
    )
    assert (run.folder / "headquarters_review.pdf").exists()
    assert not left
    summary = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert summary["summary"]["failed"] == 1
    assert "3 figures" in summary["headquarters"]["circulated"]["error"]
    last = (run.folder / "run.log").read_text(encoding="utf-8").splitlines()[-1]
    assert json.loads(last)["failed"] == 1


def cells_of(index: Path, name: str) -> dict[str, str]:
    """Return the row of a branch in the index: header → text."""
    table = index.read_text(encoding="utf-8").split('<table id="branches"')[1]
    head, *rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
    row = next(row for row in rows if f">{name}<" in row)
    texts = [
        re.findall(r"<t[hd][^>]*>(?:\s*<a[^>]*>)?([^<]*)", line, re.DOTALL) for line in (head, row)
    ]
    return {label.strip(): text.strip() for label, text in zip(*texts, strict=True)}


SHORT = {
    "customers": "有资产客户数",
    "customer_retention": "留存率",
    "multi_product_share": "两类以上",
    "contact_coverage": "联络率",
}
"""What the index calls its narrow columns."""


@pytest.mark.filterwarnings(EXTENSIONS)
@pytest.mark.slow
def test_there_is_one_number_for_one_measure(tmp_path: Path) -> None:
    """Branch PDF, review, workbook, index, CSV and evaluation print the same score, place, figures.

    The truth is read from the tables of the evaluation; every other place has to print it.
    """
    branches = ("B002", "B004", "B013")
    with open_bank(SAMPLE) as bank:
        run = make_reports(bank, ReportOptions(quarter="2026Q3", branches=branches), out=tmp_path)
    assert run.failed == ()
    folder, keys = run.folder, ["branch_id", "measure", "base", "member"]
    facts = pd.read_csv(folder / "evaluation" / "measures.csv", keep_default_na=False)
    truth = facts[facts["quarter"] == "2026Q3"].set_index(keys)["value"]
    scores = pd.read_csv(folder / "evaluation" / "scores.csv").set_index("branch_id")
    names = pd.read_csv(folder / "evaluation" / "branches.csv").set_index("branch_id")["name"]
    csv = pd.read_csv(folder / "measures.csv", keep_default_na=False, encoding="utf-8-sig")
    csv = csv[csv["quarter"] == "2026Q3"].set_index(keys)["value"]
    book = openpyxl.load_workbook(folder / "headquarters.xlsx")
    long, league = (rows_of_sheet(book[name]) for name in ("指标长表", "得分"))
    review = "\n".join(p.extract_text() for p in PdfReader(folder / f"{REVIEW}.pdf").pages)
    for branch in branches:
        printed = text_of(folder / "branches" / branch / "report.pdf")
        index = cells_of(folder / "index.html", names[branch])
        rank, points = f"{scores.loc[branch, 'rank']:.0f}", f"{scores.loc[branch, 'points']:.1f}"
        assert f"季度评价{points}分，第{rank}名" in printed
        assert re.search(rf"{names[branch]}\s+{rank}\s+{re.escape(points)}\s", review)
        assert (index["名次"], index["得分"]) == (rank, points)
        row = league[league["网点号"] == branch].iloc[0]
        assert (f"{row['名次']:.0f}", f"{row['得分']:.1f}") == (rank, points)
        for measure, base in measures_of("overview"):
            if measure_words(measure).kind == "money":
                continue
            value = float(truth[branch, measure, base, ""])
            shown = format_measure(value, measure)
            # The overview's row: name, unit if any, this quarter.
            name = re.escape(re.sub(r"\s", "", text(measure)))
            assert shown in re.findall(rf"{name}[类户]?([\d,.]+%?)", printed), (branch, measure)
            assert float(csv[branch, measure, base, ""]) == value
            own = (long["网点号"] == branch) & (long["指标"] == text(measure))
            own &= (long["口径"] == text(base, within="base")) & long["成员"].fillna("").eq("")
            assert long.loc[own, "实际"].tolist() == [pytest.approx(value, rel=1e-15)]
            if (measure, base) in measures_of("key")[:6]:
                assert index[SHORT.get(measure, text(measure))] == shown


def rows_of_sheet(sheet: Worksheet) -> pd.DataFrame:
    """Return a sheet of the workbook under its header."""
    head, *rows = sheet.iter_rows(min_row=HEADER_ROW + 1, values_only=True)
    return pd.DataFrame(rows, columns=list(head))


def test_the_long_table_has_nothing_that_pages_do_not_compare(tmp_path: Path) -> None:
    """Averages of month ends beside rebuilt ones: no retention, and no earlier averages."""
    review = small_review()
    rows = []
    for made in ({}, {"month_ends": ["2026Q2"], "rebuilt": ["2026Q3"]}):
        facts = {**review.evaluation.policy_facts, "approximations": made}
        write_measures(
            replace(review, evaluation=replace(review.evaluation, policy_facts=facts)),
            tmp_path / "measures.csv",
        )
        table = pd.read_csv(tmp_path / "measures.csv")
        rows.append(set(zip(table["quarter"], table["measure"], strict=True)))
    both, alone = rows
    for gone in (("2026Q3", "customer_retention"), ("2026Q2", "aum_average_quarter")):
        assert gone in both and gone not in alone
    assert ("2026Q3", "aum_average_quarter") in alone


def test_a_number_of_customers_is_whole_or_withheld_by_itself(tmp_path: Path) -> None:
    """In the circulated long table `n` is "*" where it is withheld, elsewhere a whole number."""
    review = small_review(edition="circulated")
    numbers = review.evaluation.measures["n"].astype(float)
    gap = numbers.index == numbers.index[0]
    measures = review.evaluation.measures.assign(n=numbers.mask(gap))
    path = tmp_path / "measures.csv"
    write_measures(replace(review, evaluation=replace(review.evaluation, measures=measures)), path)
    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    assert table["n"].eq("*").sum() == 1
    assert table.loc[table["n"].ne("*"), "n"].str.fullmatch(r"\d+").all()
    assert table.loc[table["n"].eq("*"), "value"].tolist() != ["*"]


@pytest.mark.parametrize(
    ("language", "member", "named"),
    [("zh", "", "客户数"), ("zh", "A", "客户数 · A类"), ("en", "A", "Customers · A")],
)
def test_a_restated_figure_is_listed_with_both_readings(
    language: Language, member: str, named: str
) -> None:
    """What an issued quarter said of whom and what it says today stand side by side."""
    now = small_review()
    measures = now.evaluation.measures.copy()
    place = (
        (measures["quarter"] == "2026Q2")
        & (measures["branch_id"] == "B001")
        & (measures["measure"] == "customers")
    )
    measures.loc[place, "member"] = member
    then = measures.assign(value=measures["value"].mask(place, 195.0))  # the branch has 200
    last = replace(now.evaluation, quarter=Quarter.parse("2026Q2"), measures=then)
    told = reviews.make_review(
        replace(now.evaluation, measures=measures),
        policy=rules(),
        issued=[replace(now, evaluation=last)],
    )
    page = headquarters_page(told, language=language)
    shown = headquarters_tables.restatements_table(page)
    assert shown is not None
    base, branch = page.text("funded", "base"), page.names["B001"]
    assert shown.rows == (("2026Q2", branch, f"{named} · {base}", "195", "200"),)
    note = {"zh": "与2026Q2第1次签发相比。", "en": "Compared with issue 1 of 2026Q2."}
    assert shown.note.startswith(note[language])


def test_why_a_page_failed_is_not_circulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell of the bank's own notebook may fail with a customer's number in its words."""
    told: dict[str, pd.DataFrame] = {}

    def page(review: reviews.Review, **_: object) -> None:
        told[review.edition] = review.pages
        raise FileInUseError(["headquarters.xlsx"], "open elsewhere")

    monkeypatch.setattr(headquarters, "headquarters_page", page)
    monkeypatch.setattr(headquarters._Edition, "made_from", lambda _: ({}, []))
    monkeypatch.setattr(
        headquarters._Edition, "_review", lambda one, *_: small_review(edition=one.edition)
    )
    options, failed = ReportOptions(quarter="2026Q3", circulated=True), "KeyError: 'C0012345'"
    both = headquarters.editions(tmp_path / "2026Q3", options, {}, {"B002": failed})
    headquarters.write_headquarters(small_evaluation(), both)
    rows = {edition: pages.set_index("branch_id").loc["B002"] for edition, pages in told.items()}
    assert {edition: row["error"] for edition, row in rows.items()} == {
        "internal": "KeyError: 'C0012345'",
        "circulated": "",
    }
    assert {row["state"] for row in rows.values()} == {"failed"}


def test_progress_never_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edition whose workbook is open elsewhere ends early; the next begins where it should."""
    seen: list[int] = []

    def write(edition: object, evaluation: object, step: Callable[[], None]) -> None:
        step()
        step()
        raise FileInUseError(["headquarters.xlsx"], "open elsewhere")

    monkeypatch.setattr(headquarters._Edition, "write", write)
    options = ReportOptions(quarter="2026Q3", circulated=True)
    results = headquarters.write_headquarters(
        None,  # type: ignore[arg-type]
        headquarters.editions(tmp_path / "2026Q3", options, {}, {}),
        progress=lambda done, total, page=None: seen.append(done),
    )
    assert all(result.failed for result in results)
    assert seen == [1, 2, 5, 6, 7, 10]
