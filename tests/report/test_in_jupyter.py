"""What an analyst does first, in a real kernel: open a bank, run the README, run every notebook.

The kernel has no ipywidgets, as in some banks: DuckDB's progress bar and the picker ask for them.
"""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from stockcust_analysis import StockcustError, set_language
from stockcust_analysis.errors import chosen_language
from stockcust_analysis.report.exporter import export_pdf
from stockcust_analysis.show.pages import open_branch_page
from tests.report.kernels import KERNEL, run, run_cells, run_notebook
from tests.tiny_bank import TinyBank, write_tiny_bank

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "pareto.ipynb"
PAGE = (
    "from stockcust_analysis.show import branch_figures, branch_tables\n"
    "from stockcust_analysis.show.pages import open_branch_page\n"
    "page = open_branch_page('reports/2026Q3/evaluation', branch_id='001', language='zh')",
    "branch_figures.aum_figure(page)",
    "branch_tables.measure_table(page, 'sensitivity')",
)
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the project as after a clone: README, notebooks and data, nothing evaluated."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("notebooks", "data/sample"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints")
        )
    shutil.copy(ROOT / "README.md", folder)
    return folder


def shown(book: NotebookNode, mime: str) -> list[str]:
    """Return what an executed notebook shows in one form."""
    outputs = (output for cell in book.cells for output in cell.get("outputs", []))
    return [output.data[mime] for output in outputs if mime in output.get("data", {})]


def test_banks_open_and_are_made_in_a_plain_kernel(tiny_bank: TinyBank, tmp_path: Path) -> None:
    """A folder, a DuckDB file and a bank that has just been made open without ipywidgets."""
    folder = tiny_bank()
    with duckdb.connect(str(tmp_path / "bank.duckdb")) as connection:
        for name in ("branches", "customers", "holdings"):
            connection.execute(f"CREATE TABLE {name} AS FROM '{folder / name}.csv'")
    told = run_cells(
        "import stockcust_analysis as sca\nfrom stockcust_analysis.bank.sample import write_bank",
        f"print(sca.open_bank({str(folder)!r}).rows('customers'))",
        f"print(sca.open_bank('duckdb://{tmp_path / 'bank.duckdb'}').rows('customers'))",
        "tables = sca.make_bank(1, branches=8, customers=800, quarters=2)",
        "write_bank(tables, 'made')",
        "print(sca.open_bank('made').rows('branches') == len(tables['branches']))",
        folder=tmp_path,
    )
    assert told == ["", "7\n", "7\n", "", "", "True\n"]


def test_each_chart_of_a_kernel_is_seen_and_not_the_first_alone(tmp_path: Path) -> None:
    """The backend loads within the first chart; what it sets holds, and for other figures too."""
    cells = (
        "import pandas as pd, stockcust_analysis as sca",
        "curve = sca.lorenz_curve(pd.DataFrame({'aum_period_end': [1.0, 3]}), base='all')",
        "curve.plot()",
        "curve.plot()",
        "from matplotlib import pyplot as plt\nplt.plot([1, 2])",
    )
    book = new_notebook(cells=[new_code_cell(cell) for cell in cells], metadata=KERNEL)
    pictures = [len(shown(new_notebook(cells=[cell]), "image/png"))
                for cell in run(book, folder=tmp_path).cells]  # fmt: skip
    assert pictures == [0, 0, 1, 1, 1]


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    """Return an empty folder of notebooks beside the tiny bank."""
    for name in ("notebooks", "data/sample"):
        (tmp_path / name).mkdir(parents=True)
    write_tiny_bank(tmp_path / "data" / "sample")
    return tmp_path / "notebooks"


def test_a_notebook_makes_the_evaluation_that_is_missing(notebooks: Path, tmp_path: Path) -> None:
    """It says so while it computes, keeps it for the other notebooks, and shows its page."""
    path = notebooks / "page.ipynb"
    nbformat.write(
        new_notebook(cells=[new_code_cell(cell) for cell in PAGE], metadata=KERNEL), path
    )
    book = run_notebook(path)
    streams = [output for cell in book.cells for output in cell.get("outputs", [])
               if output.output_type == "stream"]  # fmt: skip
    assert {stream.name for stream in streams} == {"stderr"}  # the rest would be printed on a page
    progress = "".join(stream.text for stream in streams)
    assert "正由“data/sample”计算" in progress
    assert (tmp_path / "reports" / "2026Q3" / "evaluation" / "facts.json").exists()
    assert sum("<table" in html for html in shown(book, "text/html")) == 1
    (figure,) = [html for html in shown(book, "text/html") if "data:image/svg+xml" in html]
    assert "<figcaption><b>" in figure


def test_an_exploring_notebook_answers_in_a_plain_kernel(notebooks: Path) -> None:
    """From the newest quarter of the folder above: its tables, its figure, nothing on stderr."""
    book = run_notebook(Path(shutil.copy(ROOT / "notebooks" / NOTEBOOK, notebooks)))
    streams = [output for cell in book.cells for output in cell.get("outputs", [])
               if output.output_type == "stream"]  # fmt: skip
    assert streams == []
    assert sum("<caption" in html for html in shown(book, "text/html")) == 4
    assert len(shown(book, "image/svg+xml")) == 1
    assert "多少客户持有多少资产" in "".join(shown(book, "text/markdown"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_runs_straight_after_a_clone(clone: Path, path: Path) -> None:
    """Each runs to its end from its own folder, shows its tables and figures, and is printed."""
    book = run_notebook(clone / "notebooks" / path.name)
    html = "".join(shown(book, "text/html"))
    assert "<table" in html
    nbformat.write(book, clone / path.name)
    assert export_pdf(clone / path.name).startswith(b"%PDF")
    assert ("data:image/svg+xml" in html) == ("figure" in path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_readme_runs_in_a_kernel(clone: Path) -> None:
    """The README's Python gives in a kernel what it says, cell by cell."""
    text = re.sub(r"^```.*$", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.M)
    examples = doctest.DocTestParser().get_examples(text)
    told = run_cells(*(example.source for example in examples), folder=clone)
    assert examples
    assert [text.split() for text in told] == [example.want.split() for example in examples]


@pytest.mark.slow
def test_papermill_runs_a_notebook_from_the_projects_folder(clone: Path, tmp_path: Path) -> None:
    """The command runs it from there; a branch that -p turned into a number is named, with -r."""
    told = {}
    for option, branch in (("-r", "B002"), ("-p", "0110")):
        out = tmp_path / f"{branch}.ipynb"
        command = [sys.executable, "-m", "papermill", f"notebooks/{NOTEBOOK}", str(out),
                   "--no-progress-bar", option, "branch_id", branch]  # fmt: skip
        ended = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
        told[branch] = ended.returncode, ended.stderr
        assert nbformat.read(out, as_version=4).cells
    assert told["B002"][0] == 0
    code, words = told["0110"]
    assert code != 0
    assert "参数“branch_id”应为文本（str），而不是整数（110）" in words
    assert "-r branch_id" in words


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("zh", "UsageError: 没有政策“rural”（unknown policy）。"),
        ("en", "UsageError: unknown policy 'rural'."),
    ],
)
def test_an_error_says_in_the_chosen_language_which_line_is_wrong(
    language: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No frame of the package stands between the line that is to be mended and the reason."""
    set_language(language)
    shell = InteractiveShell(colors="nocolor")
    shell.run_cell("from stockcust_analysis import load_policy\n\nload_policy('rural')")
    set_language("zh")
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first == "----> 3 load_policy('rural')"
    assert second.startswith(said)


@pytest.mark.parametrize(("language", "said"), [("zh", "“2026Q3”"), ("en", "'2026Q3'")])
def test_a_warning_is_in_the_notebooks_language(language: str, said: str) -> None:
    """A cell's plain warning is told as its errors are; those of others stay as they are."""
    cell = (
        f"import warnings; from stockcust_analysis.errors import either\n"
        f"from stockcust_analysis import set_language; set_language('{language}')\n"
        "warnings.warn(either(['2026Q3'])); warnings.warn('of another')\n"
        "print(warnings.formatwarning(message='m', category=UserWarning, filename='f', lineno=3))"
    )
    shell = "from IPython.core.interactiveshell import InteractiveShell as Shell\n"
    shell += f"Shell.instance(colors='nocolor').run_cell({cell!r})"
    shown = subprocess.run(
        [sys.executable, "-c", shell], capture_output=True, text=True, check=True
    )
    own, other = shown.stderr.splitlines()[:2]
    assert own == f"UserWarning: {said}"  # no file and line of the package before it
    assert re.search(r":\d+: UserWarning: of another$", other)
    assert "f:3: UserWarning: m" in shown.stdout  # as the standard library's is called


def test_opening_a_page_chooses_its_language() -> None:
    """What goes wrong below an English page is said in English."""
    with pytest.raises(StockcustError) as caught:
        open_branch_page("reports/none", branch_id="B001", language="en", data="none")
    assert chosen_language() == "en"
    assert not re.search("[\u4e00-\u9fff]", caught.value._render_traceback_()[-1])


@pytest.mark.parametrize("name", ["branch_report", "headquarters_review", "pareto"])
def test_a_misspelt_parameter_is_named_not_ignored(name: str, tmp_path: Path) -> None:
    """Papermill itself warns only, and runs on with the default: the whole bank, or another one."""
    book = load_notebook_node(str(ROOT / "notebooks" / f"{name}.ipynb"))
    with pytest.raises(CellExecutionError) as caught:
        run(parameterize_notebook(book, {"langage": "en"}), folder=tmp_path)
    assert "没有参数“langage”（unknown parameter）。是否应为“language”？" in str(caught.value)


def test_a_corrected_parameter_runs_in_the_same_kernel(tmp_path: Path) -> None:
    """Papermill's cell counts as it last ran; `limit`, set without a type, is a parameter, too."""
    check = (
        "try:\n    check_texts('zh', folder=folder)\nexcept ValueError as error:\n    print(error)"
    )
    told = run_cells(
        "from stockcust_analysis.show.pages import check_texts\nfolder: str = 'a'\nlimit = 3",
        "# Parameters\nfoldr = 'b'\nlimit = 4",
        check,
        "# Parameters\nfolder = 'b'\nlimit = 4",
        check,
        folder=tmp_path,
    )
    assert "'foldr'. Did you mean 'folder'?" in told[2]
    assert told[4] == ""
