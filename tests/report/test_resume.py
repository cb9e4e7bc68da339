"""A run that goes on where another stopped: what is kept, printed again, refused, joined."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from stockcust_analysis.bank.source import open_bank
from stockcust_analysis.cli.run import describe_plan
from stockcust_analysis.core.files import Access, exclusive_lock, sha256
from stockcust_analysis.errors import UsageError, in_language
from stockcust_analysis.evaluation.results import Evaluation, open_evaluation
from stockcust_analysis.report import render
from stockcust_analysis.report.manifest import EvaluationCache, slice_digests
from stockcust_analysis.report.plan import ReportOptions, count_actions
from stockcust_analysis.report.quarter import (
    ReportRun,
    make_reports,
    plan_reports,
    verify_folder,
    write_evaluation,
)
from tests.report.small_notebooks import report_of_one_cell
from tests.tiny_bank import CUSTOMERS, HOLDINGS, IN_LATIN, write_tiny_bank

OPTIONS = ReportOptions(quarter="2026Q3")
# Says something of every table, so that other numbers make another page.
PAGE = (
    "from stockcust_analysis import open_evaluation\n"
    "facts = open_evaluation(evaluation)\n"
    "facts.branch_name(branch_id), facts.bank_name, facts.reconciliation.to_numpy().tolist()"
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def one_cell_report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let a branch's report be one cell long: what is tested here is the batch around it."""
    with report_of_one_cell(tmp_path_factory.mktemp("notebook"), PAGE):
        yield


class Quarter:
    """The tiny bank's quarter: its extracts, its output folder, and how to make it."""

    def __init__(self, folder: Path) -> None:
        self.data = write_tiny_bank(folder)
        (folder / "mapping.toml").write_text('name = "柳江银行"\n', encoding="utf-8")
        self.out = folder / "out"
        self.folder = self.out / "2026Q3"

    def make(self, options: ReportOptions = OPTIONS) -> ReportRun:
        """Run and return how it went."""
        with open_bank(self.data) as bank:
            return make_reports(bank, options, out=self.out)

    def plan(self, options: ReportOptions = OPTIONS) -> dict[str, int]:
        """Return how many pages a run would run, print again and keep."""
        with open_bank(self.data) as bank:
            return count_actions(plan_reports(bank, options, out=self.out))

    def told(self, options: ReportOptions) -> list[str]:
        """Return the lines that `--plan` shows."""
        with open_bank(self.data) as bank:
            return describe_plan(plan_reports(bank, options, out=self.out)).splitlines()

    def page(self, branch: str, name: str = "report.pdf") -> Path:
        """Return a file of a branch."""
        return self.folder / "branches" / branch / name

    def written(self) -> dict[str, bytes]:
        """Return all that must be the same in every run."""
        paths = sorted(p for p in self.folder.rglob("*") if p.is_file())
        named = {path.relative_to(self.folder).as_posix(): path for path in paths}
        return {
            name: path.read_bytes()
            for name, path in named.items()
            if path.suffix != ".ipynb" and not name.startswith((".", "run"))
        }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Quarter:
    """Make the quarter once, for tests that only look."""
    quarter = Quarter(tmp_path_factory.mktemp("whole"))
    assert not quarter.make().failed
    return quarter


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quarter]:
    """Make the quarter for tests that change it and put it right again."""
    quarter = Quarter(tmp_path_factory.mktemp("again"))
    quarter.make()
    yield quarter
    assert quarter.plan() == {"run": 0, "print": 0, "keep": 3}


def test_a_second_run_makes_nothing(whole: Quarter) -> None:
    """Nothing is run twice, what a killed run left is gone, the manifest stays as it is."""
    before = whole.written()
    evaluation = whole.folder / "evaluation"
    tables = (evaluation, evaluation / "branches" / "001", evaluation / "headquarters")
    for place in (whole.page("001").parent, *tables):
        (place / ".measures.0123abcd.csv").write_bytes(b"")
    assert [result.action for result in whole.make().results] == ["keep", "keep"]
    assert whole.written() == before


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    """A dry run tells both pages and leaves no folder behind."""
    quarter = Quarter(tmp_path)
    assert quarter.plan() == {"run": 3, "print": 0, "keep": 0}
    assert not quarter.out.exists()


@pytest.mark.parametrize("name", ["report.pdf", "report.ipynb"])
def test_a_file_that_was_touched_is_made_anew(again: Quarter, name: str) -> None:
    """Only the branch whose file is missing or not as it was written is made again."""
    good = again.page("001").read_bytes()
    again.page("001", name).write_bytes(b"half a file")
    made = {result.branch_id: result.action for result in again.make().results}
    assert made == {"001": "run", "002": "keep"}
    assert again.page("001").read_bytes() == good


def test_other_numbers_make_other_pages(tmp_path: Path) -> None:
    """When an extract changes, its pages are run again; an unchanged one's are not."""
    quarter = Quarter(tmp_path)
    quarter.make()
    before = quarter.page("001").read_bytes()
    path = quarter.data / "holdings.csv"
    path.write_text(HOLDINGS.replace("1200.00", "1300.00"), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != HOLDINGS
    assert quarter.plan() == {"run": 3, "print": 0, "keep": 0}
    quarter.make(replace(OPTIONS, branches=("001",)))
    assert quarter.page("001").read_bytes() != before


@pytest.mark.parametrize("other", ["extract", "language"])
def test_other_lists_take_the_place_of_old_ones(tmp_path: Path, other: str) -> None:
    """Made branch by branch, work lists are of today's extracts and in the language asked for."""
    folders = [tmp_path / name for name in ("made_twice", "made_once")]
    for folder in folders:
        folder.mkdir()
    quarters, options = list(map(Quarter, folders)), OPTIONS
    quarters[0].make()
    old = quarters[0].page("002", "worklists.xlsx").read_bytes()
    if other == "language":
        options = replace(OPTIONS, language="en")
    else:
        for quarter in quarters:
            text = CUSTOMERS.replace("2026-05-20", "2025-01-20")  # C3 of 002 is dormant
            (quarter.data / "customers.csv").write_text(text, encoding="utf-8")
    for quarter in quarters:
        for branch in ("001", "002"):
            quarter.make(replace(options, branches=(branch,)))
    lists = [quarter.page("002", "worklists.xlsx").read_bytes() for quarter in quarters]
    assert lists[0] == lists[1] != old


def test_a_part_that_is_forced_leaves_the_rest_in_the_manifest(
    whole: Quarter, tmp_path: Path
) -> None:
    """A branch or a shard made by force evaluates anew; the others' lists are delivered as ever."""
    quarter, manifest = Quarter(tmp_path), (whole.folder / "manifest.json").read_bytes()
    quarter.make()
    quarter.make(replace(OPTIONS, branches=("001",), force=True))
    assert (quarter.folder / "manifest.json").read_bytes() == manifest
    # The other's page can still be run again in Jupyter.
    assert (quarter.folder / "evaluation" / "branches" / "002" / "facts.json").exists()
    for number in (1, 2):
        quarter.make(replace(OPTIONS, shard=(number, 2), force=True))
    # The second left the first what its pages may still be reading.
    assert (quarter.folder / "evaluation" / "branches" / "001" / "facts.json").exists()
    quarter.make(replace(OPTIONS, collect=True))
    assert (quarter.folder / "manifest.json").read_bytes() == manifest
    assert verify_folder(quarter.folder) == []


def test_nothing_is_left_of_what_failed_or_is_no_branch_any_more(tmp_path: Path) -> None:
    """No earlier page or list stands where a page failed, or where customers are another's now."""
    quarter = Quarter(tmp_path)
    branches, customers = (
        IN_LATIN + "003,Sanjiang,East,urban\n",
        CUSTOMERS.replace("C2,001", "C2,003"),
    )
    write_tiny_bank(quarter.data, branches=branches, customers=customers)
    quarter.make()
    assert quarter.page("003", "worklists.xlsx").exists()
    write_tiny_bank(quarter.data)
    quarter.make()
    left = sorted(path.name for path in (quarter.folder / "branches").iterdir())
    assert (left, verify_folder(quarter.folder)) == (["001", "002"], [])
    with report_of_one_cell(tmp_path, "1 / 0"):
        assert len(quarter.make().failed) == 2
        assert not [*(quarter.folder / "branches").iterdir()]
        one = CUSTOMERS.replace(",002,", ",001,")
        write_tiny_bank(quarter.data, branches=IN_LATIN.split("002")[0], customers=one)
        quarter.make()
    assert [path.name for path in (quarter.folder / "failed").iterdir()] == ["001"]


def test_what_was_written_into_lists_is_not_lost(tmp_path: Path) -> None:
    """A run of the same facts leaves them as they are, others keep them beside the new ones."""
    quarter = Quarter(tmp_path)
    quarter.make()
    lists, filled = quarter.page("001", "worklists.xlsx"), b"with contacts"
    lists.write_bytes(filled)
    quarter.make(replace(OPTIONS, status="reviewed"))
    assert lists.read_bytes() == filled
    later = {
        "holdings": HOLDINGS + "2026-12-31,A1,C1,demand_deposit,1200.00\n",
        "customers": CUSTOMERS + "2026-12-31,C1,001,personal,2020-01-05,2026-12-01,1200.00,0.00\n",
    }
    for name, text in later.items():
        (quarter.data / f"{name}.csv").write_text(text, encoding="utf-8")
    quarter.make(replace(OPTIONS, status="reviewed", branches=("002",)))
    assert quarter.page("001", "worklists.filled.xlsx").read_bytes() == filled
    assert lists.read_bytes().startswith(b"PK")
    outputs = json.loads((quarter.folder / "manifest.json").read_text(encoding="utf-8"))["outputs"]
    assert {f"branches/{branch}/worklists.xlsx" for branch in ("001", "002")} <= {*outputs}
    assert not [found for found in verify_folder(quarter.folder) if "filled" in str(found)]
    lists.write_bytes(filled)
    quarter.page("001", "worklists.filled.xlsx").unlink()
    with open_bank(quarter.data) as bank:
        plan_reports(bank, OPTIONS, out=quarter.out)[0].withdraw()
    assert quarter.page("001", "worklists.filled.xlsx").read_bytes() == filled


def test_a_mapping_that_changed_is_noticed(tmp_path: Path) -> None:
    """What the files are read by decides the numbers as much as the files do."""
    quarter = Quarter(tmp_path)
    quarter.make()
    (tmp_path / "mapping.toml").write_text('name = "别的银行"\n', encoding="utf-8")
    assert quarter.plan()["keep"] == 0


def test_review_prints_again_and_issuing_protects(tmp_path: Path) -> None:
    """Another status prints without running, is signed, and holds against all but force."""
    quarter = Quarter(tmp_path)
    quarter.make()
    draft, notebook = quarter.page("001").read_bytes(), quarter.page("001", "report.ipynb")
    executed = notebook.stat().st_mtime_ns
    issue = replace(OPTIONS, status="issued")
    assert [result.action for result in quarter.make(issue).results] == ["print", "print"]
    assert quarter.page("001").read_bytes() != draft
    assert notebook.stat().st_mtime_ns == executed
    written = json.loads((quarter.folder / "manifest.json").read_text(encoding="utf-8"))
    assert written["status"] == "issued"
    history = json.loads((quarter.folder / "run.json").read_text(encoding="utf-8"))
    assert [entry["status"] for entry in history["status_history"]] == ["draft", "issued"]
    assert all(entry["by"] and entry["at"] for entry in history["status_history"])

    issued = quarter.written()
    with pytest.raises(UsageError, match=r"2 pages in '.*2026Q3' are issued.*add --force"):
        quarter.make()
    path = quarter.data / "holdings.csv"
    path.write_text(HOLDINGS.replace("1200.00", "1300.00"), encoding="utf-8")
    with pytest.raises(UsageError, match="Nothing was written"):
        quarter.make(issue)
    with open_bank(quarter.data) as bank:
        shown = describe_plan(plan_reports(bank, issue, out=quarter.out)).splitlines()
    # Every page has the bank's figures beside its branch's.
    assert [line.split()[0] for line in shown[:2]] == ["001", "002"]
    assert "2 of these pages are issued: to change them, a run needs --force." in shown
    assert quarter.written() == issued
    assert [r.action for r in quarter.make(replace(issue, force=True)).results] == ["run", "run"]
    assert quarter.written() != issued


def test_an_issue_of_the_same_figures_is_no_other(tmp_path: Path) -> None:
    """Circulated later, or with a later quarter in the extracts, it is not compared with itself."""
    quarter, issue = Quarter(tmp_path), replace(OPTIONS, status="issued")
    quarter.make(issue)
    first = quarter.written()
    quarter.make(replace(issue, circulated=True))
    path = quarter.data / "holdings.csv"
    path.write_text(HOLDINGS + "2026-12-31,A1,C1,demand_deposit,1.00\n", encoding="utf-8")
    path = quarter.data / "customers.csv"
    later = "2026-12-31,C1,001,personal,2020-01-05,2026-12-01,1.00,1.00\n"
    path.write_text(CUSTOMERS + later, encoding="utf-8")
    quarter.make(issue)
    now = quarter.written()
    ours = ("branches/", "issued/", "headquarters", "measures")
    assert {name: now[name] for name in first if name.startswith(ours)} == {
        name: first[name] for name in first if name.startswith(ours)
    }
    assert not [*quarter.folder.glob("issued/**/earlier")]


def test_a_quarter_may_stand_elsewhere(tmp_path: Path) -> None:
    """Behind a link, the quarters that it is compared with are still those beside the link."""
    (tmp_path / "disk" / "2026Q3").mkdir(parents=True)
    (tmp_path / "2026Q3").symlink_to(tmp_path / "disk" / "2026Q3")
    assert OPTIONS.folder(tmp_path) == tmp_path.resolve() / "2026Q3"


def test_another_look_prints_again_and_is_verified(tmp_path: Path) -> None:
    """A brand, or a change of it, prints without running; it is in the manifest and verified."""
    quarter = Quarter(tmp_path)
    quarter.make()
    plain, notebook = quarter.page("001").read_bytes(), quarter.page("001", "report.ipynb")
    executed = notebook.stat().st_mtime_ns
    path = tmp_path / "brand.toml"
    path.write_text('[colours]\nbrand = "#0B5D3B"', encoding="utf-8")
    branded = replace(OPTIONS, brand=str(path))
    assert [result.action for result in quarter.make(branded).results] == ["print", "print"]
    green = quarter.page("001").read_bytes()
    assert green != plain
    assert notebook.stat().st_mtime_ns == executed
    assert [result.action for result in quarter.make(branded).results] == ["keep", "keep"]
    written = json.loads((quarter.folder / "manifest.json").read_text(encoding="utf-8"))
    assert (written["parameters"]["brand"], written["look"]) == (str(path), branded.look)
    assert verify_folder(quarter.folder) == []
    assert verify_folder(quarter.folder, data=quarter.data) == []

    path.write_text('[colours]\nbrand = "#5D0B3B"', encoding="utf-8")
    found = verify_folder(quarter.folder)
    assert "branches/001/report.pdf prints differently from its notebook." in found
    assert quarter.plan(branded) == {"run": 0, "print": 3, "keep": 0}
    quarter.make()
    assert quarter.page("001").read_bytes() == plain
    quarter.make(replace(branded, branches=("001",)))
    written = json.loads((quarter.folder / "manifest.json").read_text(encoding="utf-8"))
    assert written["missing"] == ["002"]  # its page is in another look


def test_shards_make_what_one_run_makes(whole: Quarter, tmp_path: Path) -> None:
    """Two shards and a collecting run leave the very bytes of one undivided run."""
    quarter = Quarter(tmp_path)
    first = quarter.make(replace(OPTIONS, shard=(1, 2)))
    assert [result.branch_id for result in first.results] == ["001"]
    assert not (quarter.folder / "manifest.json").exists()
    early = quarter.make(replace(OPTIONS, collect=True))
    assert early.missing == ("002",)
    quarter.make(replace(OPTIONS, shard=(2, 2)))
    late = quarter.make(replace(OPTIONS, collect=True))
    assert (late.missing, len(late.results)) == ((), 2)
    assert quarter.written() == whole.written()


def test_every_run_says_why_a_page_failed(tmp_path: Path) -> None:
    """Who collects shards, or makes another branch, tells the failure as the run that had it."""
    told = []
    for name in ("once", "shards", "branches"):
        (tmp_path / name).mkdir()
        quarter = Quarter(tmp_path / name)
        with report_of_one_cell(tmp_path, "assert branch_id == '001'"):
            if name == "shards":
                for number in (1, 2):
                    quarter.make(replace(OPTIONS, shard=(number, 2)))
            run = quarter.make(replace(OPTIONS, collect=name == "shards"))
            if name == "branches":
                quarter.make(replace(OPTIONS, branches=("001",)))
                assert quarter.plan(replace(OPTIONS, branches=("001",)))["keep"] == 2
        pages = (quarter.folder / "evaluation/headquarters/pages.csv").read_text(encoding="utf-8")
        link = "failed/002/report.ipynb" in (quarter.folder / "index.html").read_text("utf-8")
        told.append((words_of_pages(run), run.missing, pages, link))
    assert told[0] == told[1] == told[2]
    assert "002,failed,单元In [3]出错（AssertionError）" in told[0][2]
    assert told[0][3]


def words_of_pages(run: ReportRun) -> list[tuple[str, str, str]]:
    """Return of each page that failed its branch, and why, in both languages."""
    return [(p.branch_id, p.error, str(in_language(p.error, "zh"))) for p in run.failed]


def test_verifying_works_from_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by `..`, a quarter is compared with the issues it was compared with."""
    quarter = Quarter(tmp_path)
    quarter.make(ReportOptions(quarter="2026Q2", first_quarter=True, status="issued"))
    quarter.make()
    monkeypatch.chdir(quarter.folder / "branches")
    assert verify_folder(Path(".."), data=quarter.data) == []


def test_an_impossible_shard_is_refused(whole: Quarter) -> None:
    """There is no third of two, and no part of what joins all parts."""
    with pytest.raises(UsageError, match="there is no shard 3/2"):
        whole.plan(replace(OPTIONS, shard=(3, 2)))
    with pytest.raises(UsageError, match="--shard and --collect exclude each other"):
        replace(OPTIONS, shard=(1, 2), collect=True)


def test_a_plan_knows_of_a_group_that_cannot_be(whole: Quarter) -> None:
    """What a run would refuse at its first file is refused by its plan."""
    with pytest.raises(UsageError, match="cannot be given to the group 'nosuch'"):
        whole.plan(replace(OPTIONS, access=Access(0o640, "nosuch")))


def test_parts_of_a_quarter_add_up_to_its_manifest(whole: Quarter, tmp_path: Path) -> None:
    """Branch after branch gives the manifest of all at once."""
    quarter = Quarter(tmp_path)
    for branch in ("002", "001"):
        quarter.make(replace(OPTIONS, branches=(branch,)))
    assert quarter.written() == whole.written()


def _hold(lock: Path, ready: multiprocessing.synchronize.Event) -> None:
    with exclusive_lock(lock, what="it"):
        ready.set()
        multiprocessing.Event().wait(60)


@pytest.mark.parametrize(
    ("lock", "shard"),
    [(".lock", (1, 1)), (".lock", (1, 2)), (".lock-1-of-2", (1, 1)), (".lock-1-of-3", (1, 2))],
)
def test_two_runs_do_not_share_a_folder(whole: Quarter, lock: str, shard: tuple[int, int]) -> None:
    """Beside another run, be it a shard's, a run is refused at once and told who is at work.

    So is a shard beside those of another cut, but not beside its own. A dead run holds nothing.
    """
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=_hold, args=(whole.folder / lock, ready))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(UsageError) as refused:
            whole.make(replace(OPTIONS, shard=shard))
        if shard == (1, 2) and lock != ".lock":
            assert not whole.make(replace(OPTIONS, shard=(2, 3))).failed
    finally:
        other.kill()
        other.join()
    assert f"2026Q3' is in use by process {other.pid} of " in str(refused.value)
    assert not whole.make().failed
    assert not (whole.folder / lock).exists()


def test_the_log_is_lines_of_json(whole: Quarter) -> None:
    """Every line stands alone, says when, and tells each page once."""
    lines = (whole.folder / "run.log").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    assert all(event["time"] and event["level"] for event in events)
    pages = [event["branch"] for event in events if event["event"] == "page"]
    assert sorted(pages) == ["001", "002"]
    assert events[-1]["event"] == "ended"
    assert "forked" in events[-1]["kernels"] or "ordinary way" in events[-1]["kernels"]


def test_run_json_tells_what_each_page_took(whole: Quarter) -> None:
    """Seconds and peak memory per branch, the slowest cells, and nothing of it in the manifest."""
    run = json.loads((whole.folder / "run.json").read_text(encoding="utf-8"))
    assert set(run["branches"]) == {"001", "002"}
    assert all(b["seconds"] > 0 and b["peak_megabytes"] > 50 for b in run["branches"].values())
    assert run["slowest_cells"][0]["mean_seconds"] >= run["slowest_cells"][-1]["mean_seconds"] > 0
    written = (whole.folder / "manifest.json").read_text(encoding="utf-8")
    assert "seconds" not in written
    assert "megabytes" not in written


def test_a_slice_is_what_the_evaluation_says_of_the_branch(
    sample_evaluation: Evaluation, tmp_path: Path
) -> None:
    """Each slice holds the rows of `Evaluation.of_branch`, table by table."""
    sample_evaluation.save(tmp_path / "whole")
    evaluation = open_evaluation(tmp_path / "whole")
    cache = EvaluationCache(tmp_path, evaluation, slice_digests(evaluation), is_new=True)
    for branch in ("B001", "B024"):
        cache.write_slice(branch)
        ours, theirs = open_evaluation(tmp_path / "branches" / branch), evaluation.of_branch(branch)
        for name in ("measures", "lorenz", "co_holding", "migration", "bridge", "targets"):
            assert_frame_equal(getattr(ours, name), getattr(theirs, name))


def test_a_circulated_edition_that_was_removed_leaves_a_quarter_without_it(tmp_path: Path) -> None:
    """Verification says that it is gone; after another run nothing is left of it or differs."""
    quarter = Quarter(tmp_path)
    quarter.make(replace(OPTIONS, circulated=True))
    assert (quarter.folder / "evaluation" / "circulated").is_dir()
    shutil.rmtree(quarter.folder / "circulated")
    gone = "circulated/index.html is missing. Run `stockcust report` again."
    assert gone in verify_folder(quarter.folder)
    quarter.make()
    assert not [*quarter.folder.rglob("*circulated*")]
    assert verify_folder(quarter.folder, data=quarter.data) == []


def test_an_evaluation_alone_keeps_what_the_circulated_edition_needs(tmp_path: Path) -> None:
    """`stockcust evaluate` takes over what is there: the files stay those of the manifest."""
    quarter = Quarter(tmp_path)
    quarter.make(replace(OPTIONS, circulated=True))
    with open_bank(quarter.data) as bank:
        assert not write_evaluation(bank, OPTIONS, out=quarter.out).is_new
    assert verify_folder(quarter.folder) == []


def test_a_touched_quarter_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verification names the page that was changed, the one that is gone and the stranger.

    And it tells of a run that was broken off since, be the files as they were.
    """
    quarter = Quarter(tmp_path)
    quarter.make()
    assert verify_folder(quarter.folder) == []
    assert verify_folder(quarter.folder, data=quarter.data) == []
    quarter.page("001").write_bytes(quarter.page("002").read_bytes())
    quarter.page("002").unlink()
    (quarter.folder / "branches" / "001" / "other.pdf").touch()
    found = verify_folder(quarter.folder)
    assert "branches/001/report.pdf was changed after the run." in found
    assert "branches/001/report.pdf prints differently from its notebook." in found
    assert "branches/002/report.pdf is missing. Run `stockcust report` again." in found
    assert "branches/001/other.pdf is not in the manifest." in found

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(render, "run_batch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        quarter.make()
    told = "The last run was broken off (run.log): run the report again to make the rest."
    assert told not in found and told in verify_folder(quarter.folder)


def test_figures_that_were_changed_are_found_out(tmp_path: Path) -> None:
    """Tables beside the pages are verified too; a list that was filled in is not called touched."""
    quarter = Quarter(tmp_path)
    quarter.make()
    folder = quarter.folder / "evaluation"
    for name in ("measures.csv", "headquarters/restatements.csv", "branches/002/measures.csv"):
        with (folder / name).open("a", encoding="utf-8") as table:
            table.write("1")
    (folder / "scores.csv").unlink()
    with quarter.page("001", "worklists.xlsx").open("ab") as book:
        book.write(b"filled in")
    assert sorted(verify_folder(quarter.folder)) == [
        "branches/001/worklists.xlsx was filled in or changed after the run.",
        "evaluation/branches/002 was changed after the run.",
        "evaluation/headquarters/restatements.csv was changed after the run.",
        "evaluation/measures.csv was changed after the run.",
        "evaluation/scores.csv is missing. Run `stockcust report` again.",
    ]


@pytest.mark.parametrize(
    "name", ["measures", "scores", "headquarters/measures", "branches/002/measures"]
)
def test_changed_figures_do_not_become_the_known_ones(again: Quarter, name: str) -> None:
    """The next run makes such tables anew; hashed by hand, they differ from what the data say."""
    good, folder = again.written(), again.folder
    table = folder / "evaluation" / f"{name}.csv"
    if name == "scores":
        table.unlink()
    else:
        table.write_bytes(table.read_bytes().replace(b",4,", b",5,"))  # customers of the bank
    assert again.written() != good
    again.make()
    assert again.written() == good
    assert verify_folder(folder) == []


@pytest.mark.parametrize("old", [False, True])
def test_changed_figures_and_hashes_differ_from_what_is_made_again(
    again: Quarter, old: bool
) -> None:
    """An old manifest, which knows of no tables, speaks of the other files alone."""
    table, path = again.folder / "evaluation" / "measures.csv", again.folder / "manifest.json"
    good = {file: file.read_bytes() for file in (table, path)}
    facts, name = json.loads(good[path]), "evaluation/measures.csv"
    table.write_bytes(good[table].replace(b",4,", b",5,"))
    facts["evaluation"][name] = sha256(table)
    if old:
        del facts["evaluation"]
    path.write_text(json.dumps(facts), encoding="utf-8")
    told = [] if old else [f"{name} differs when made again."]
    assert verify_folder(again.folder) == []
    assert verify_folder(again.folder, data=again.data) == told
    for file, content in good.items():
        file.write_bytes(content)


def test_a_page_that_failed_says_why_in_its_language(tmp_path: Path) -> None:
    """On headquarters' Chinese index the reason is Chinese, in the English one English."""
    cells = (
        "from stockcust_analysis.show.pages import open_branch_page",
        "open_branch_page(evaluation, branch_id=branch_id + '0', language=language)",
    )
    reasons = {"zh": "网点“0010”", "en": "unknown branch"}
    with report_of_one_cell(tmp_path, "\n".join(cells)):
        for language, words in reasons.items():
            (tmp_path / language).mkdir()
            quarter = Quarter(tmp_path / language)
            run = quarter.make(replace(OPTIONS, language=language))
            assert words in str(in_language(run.failed[0].error, language))
            index = (quarter.folder / "index.html").read_text(encoding="utf-8")
            assert words in index


def test_a_plan_to_collect_lists_no_page_that_nobody_would_make(tmp_path: Path) -> None:
    """Collecting makes headquarters' set of the pages that are there."""
    quarter = Quarter(tmp_path)
    collect = replace(OPTIONS, collect=True)
    assert quarter.told(collect)[-1].startswith("1 to make, 0 up to date")
    quarter.make(replace(OPTIONS, shard=(1, 2)))
    told = quarter.told(collect)
    assert (len(told), told[-1][:24]) == (2, "1 to make, 1 up to date,")


def test_a_plan_to_collect_shows_what_collecting_would_refuse(tmp_path: Path) -> None:
    """Issued pages that would be others, and pages of which nobody is known to be the preparer."""
    quarter = Quarter(tmp_path)
    quarter.make(replace(OPTIONS, status="issued"))
    draft = replace(OPTIONS, collect=True)
    for options, told, refused in (
        (draft, "2 of these pages are issued", "2 pages in '.*' are issued"),
        (
            replace(draft, status="issued", by="B"),
            *["no preparer is recorded for 2 of these 2"] * 2,
        ),
    ):
        assert any(line.startswith(told) for line in quarter.told(options))
        force = options.status == "issued"  # without it, both are refused as issued
        with pytest.raises(UsageError, match=refused):
            quarter.make(replace(options, force=force))


def test_a_folder_without_manifest_cannot_be_verified(tmp_path: Path) -> None:
    """There is nothing to compare with."""
    with pytest.raises(UsageError, match=r"has no manifest\.json"):
        verify_folder(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_only_the_owner_reads_the_evaluation(whole: Quarter) -> None:
    """The folder of facts is closed to others, slices included."""
    for folder in ("evaluation", "evaluation/branches/001"):
        assert (whole.folder / folder).stat().st_mode & 0o777 == 0o700
