"""A notebook's first call: parameters checked, a missing evaluation made once and kept."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from stockcust_analysis.errors import UsageError
from stockcust_analysis.show.pages import check_texts, open_branch_page
from tests.tiny_bank import BRANCHES, write_tiny_bank

EVALUATION = "reports/2026Q3/evaluation"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project as after a clone, with the tiny bank as its sample; work in `notebooks`."""
    for folder in ("notebooks", "data/sample"):
        (tmp_path / folder).mkdir(parents=True)
    write_tiny_bank(tmp_path / "data" / "sample", branches=BRANCHES)
    monkeypatch.chdir(tmp_path / "notebooks")
    return tmp_path


def test_a_missing_evaluation_is_made_once(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is made with progress beside the bank, then read, from both folders, without a bank."""
    page = open_branch_page(EVALUATION, branch_id="001", language="en")
    assert page.evaluation.branch_name("001") == "城关支行"
    assert page.value("customers", base="all") == 2
    told = capsys.readouterr()
    assert told.out == ""  # that would be printed on the page
    assert "making it from 'data/sample': 0 of 3 steps done" in told.err
    assert told.err.endswith("3 of 3 steps done\n")
    assert (project / EVALUATION / "worklists.csv").exists()
    shutil.rmtree(project / "data")
    for place in (project, project / "notebooks"):
        monkeypatch.chdir(place)
        assert open_branch_page(EVALUATION, branch_id="002", language="zh").branch_id == "002"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("reports/2026Q4/evaluation", "unknown quarter '2026Q4'"),
        ("reports/evaluation", "does not say of which quarter"),
        ("../../2026Q3/evaluation", "holds no evaluation"),
        ("/nowhere/2026Q3/evaluation", "holds no evaluation"),
    ],
)
def test_nothing_is_made_where_it_does_not_belong(project: Path, folder: str, words: str) -> None:
    """A quarter that is not delivered, and a folder outside the project, are errors."""
    with pytest.raises(UsageError, match=words):
        open_branch_page(folder, branch_id="001", language="zh")
    assert not (project / "reports").exists()


def test_without_a_bank_the_error_says_what_to_do(project: Path) -> None:
    """Where there is no bank either, the error names the command that makes the evaluation."""
    shutil.rmtree(project / "data")
    with pytest.raises(UsageError, match="stockcust evaluate"):
        open_branch_page(EVALUATION, branch_id="001", language="zh")


def test_parameters_that_papermill_bent_are_named_at_once(project: Path) -> None:
    """Before anything is made, each parameter that is no text is named, with the remedy."""
    with pytest.raises(UsageError) as caught:
        open_branch_page(2026, branch_id=110, language="zh")  # type: ignore[arg-type]
    message = str(caught.value)
    assert "parameter 'evaluation' must be text (str), not a whole number (2026)" in message
    assert "parameter 'branch_id' must be text (str), not a whole number (110)" in message
    assert "-r branch_id" in message
    with pytest.raises(UsageError, match="Did you mean 'zh'"):
        open_branch_page(EVALUATION, branch_id="001", language="zhh")  # type: ignore[arg-type]
    assert not (project / "reports").exists()


@pytest.mark.parametrize(
    "cell",
    [
        "try:\n    import pandas\nfinally:\n    pass\nlanguage: str = 'zh'\n支行, limit = '', 3",
        "if limit:\n    pass\nelse:\n    pass\nlanguage: str = 'zh'\n支行 = ''",
        "%matplotlib inline\nelse:\nlanguage: str = 'zh'\n支行: str = ''\nlangage == 'zh'",
    ],
)
def test_parameters_are_what_cells_set(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind what is no assignment, in Chinese, of a tuple; names that no cell sets are refused."""
    cells = [cell, "# Parameters\nlanguage = 'zh'\n支行 = '0110'"]
    monkeypatch.setattr(sys.modules["__main__"], "In", cells, raising=False)
    check_texts("zh")
    cells.append("# Parameters\nlangage = 'zh'\n网点 = '0110'")
    with pytest.raises(UsageError, match=r"(?s)'langage'\. Did you mean 'language'\?.*'网点'"):
        check_texts("zh")
