"""The command line: what a person or a scheduler sees of it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from stockcust_analysis import cli, make_bank
from tests.tiny_bank import BRANCHES, HOLDINGS, TinyBank


def run(*arguments: str | Path) -> int:
    """Run the command line in this process and return its exit code."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr("sys.argv", ["stockcust", *map(str, arguments)])
        cli.main()
    return int(ended.value.code or 0)


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder that nobody may write to; root, whom no mode stops, is refused as others."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    for name in ("mkdir", "open"):
        call = getattr(os, name)

        def refuse(path: Any, *rest: Any, call: Any = call, **named: Any) -> Any:
            if not isinstance(path, int) and Path(os.fsdecode(path)).is_relative_to(folder):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return call(path, *rest, **named)

        monkeypatch.setattr(os, name, refuse)
    return folder


def test_check_counts_rows_and_quarters(
    tiny_bank: TinyBank, capsys: pytest.CaptureFixture[str]
) -> None:
    """Good extracts are answered with their tables, rows and quarters."""
    assert run("check", tiny_bank(), "--language", "en") == 0
    shown = capsys.readouterr().out
    assert "customers                  7 rows" in shown
    assert "Quarters: 2026Q2, 2026Q3." in shown


def test_check_lists_every_problem(tiny_bank: TinyBank, capsys: pytest.CaptureFixture[str]) -> None:
    """Bad extracts end with exit code 2 and a numbered list on stderr."""
    folder = tiny_bank(holdings=HOLDINGS.replace("loan", "loans").replace("A4,C4", "A4,C9"))
    assert run("check", folder, "--language", "en") == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("stockcust: 2 problems in 1 table of")
    assert "unknown product" in shown.err
    assert "Did you mean 'loan'?" in shown.err
    assert "loans" not in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "nowhere"), "“nowhere”不是文件夹。请指定存放数据文件的文件夹。"),
        (("check", "README.md"), "“README.md”是文件。请指定存放数据文件的文件夹；DuckDB数据库请写"),
        (
            ("report", "nowhere", "--quarter", "2026Q3", "--language", "en"),
            "'nowhere' is not a folder",
        ),
        (("report", "nowhere"), "stockcust: 缺少季度：请写--quarter（或--as-of）。\n"),
        (("report", "nowhere", "--language", "en"), "a quarter is needed: give --quarter"),
        (("reprot", "nowhere"), "No such command 'reprot'"),
        (("report", "x", "--quarter", "2026Q3", "--language", "fr"), "'fr' is not one of"),
        (("check", "x", "--html", "."), "File '.' is a directory"),
        (("lab", "nowhere"), "stockcust: 无法读取文件夹“nowhere”：不存在。\n"),
        (("lab", "nowhere", "--language", "en"), "as a folder: No such file or directory."),
        (("verify", "setup.cfg", "--language", "en"), "as a folder: No such file or directory."),
        (("verify", "README.md"), "stockcust: 无法读取文件夹“README.md”：不是文件夹。\n"),
        (("verify", "docs"), "stockcust: “docs”中没有manifest.json：没有一次运行在此完成。\n"),
        (
            ("report", "x", "--quarter", "latest", "--shard", "2-5"),
            "stockcust: “2-5”不是分片。五份中的第二份请写2/5。\n",
        ),
        (
            ("report", "x", "--file-mode", "9", "--quarter", "2026Q3"),
            "stockcust: “9”不是文件权限。请写600，要让用户组读取则写640。\n",
        ),
        (
            ("report", "x", "--quarter", "2026Q3", "--as-of", "2026-08-31"),
            "stockcust: --quarter与--as-of只能写其一。\n",
        ),
        (
            ("evaluate", "x", "--as-of", "2026-08-30"),
            "stockcust: 2026-08-30不是月末日，--as-of须为月末日。\n",
        ),
        (
            ("report", "x", "--quarter", "2026Q3", "--shard", "3/2"),
            "stockcust: 没有第3/2份：请写1/2至2/2。\n",
        ),
        (
            ("report", "x", "--quarter", "2026Q3", "--shard", "2/2", "--collect"),
            "stockcust: --shard与--collect不能同时使用：各份都完成后再--collect。\n",
        ),
        (
            ("evaluate", "{data}", "--quarter", "2026Q5"),
            "stockcust: “2026Q5”不是季度。请写成2026Q3。\n",
        ),
        (
            ("evaluate", "{data}", "--quarter", "2030Q1"),
            "stockcust: 没有季度“2030Q1”（unknown quarter）。是否应为“2026Q3”？"
            "可用的有：2026Q2、2026Q3。\n",
        ),
        (
            ("evaluate", "{data}", "--quarter", "2026Q2"),
            "stockcust: 2026Q2没有上一季度：2026Q1不在数据之中（2026Q2、2026Q3）。"
            "请补报；如确无上季，请加--first-quarter（Python中为first_quarter=True）。\n",
        ),
        (
            ("policy", "show", "rural_comercial_bank"),
            "stockcust: 没有政策“rural_comercial_bank”（unknown policy）。"
            "是否应为“rural_commercial_bank”？可用的有：joint_stock_bank、rural_commercial_bank。\n",
        ),
        (
            ("policy", "show", "own.toml"),
            "stockcust: 所给路径没有文件own.toml。\n",
        ),
        (
            ("worklists", "{data}", "--as-of", "2026-01-15"),
            "stockcust: 没有统计时点“2026-01-15”（unknown as-of date）。",
        ),
        (
            ("evaluate", "{data}", "--quarter", "2026Q3", "--memory-limit", "much"),
            "stockcust: 内存上限“much”无法识别。请写成4GB或60%。\n",
        ),
        (
            ("sample", "--branches", "10", "--customers", "300000"),
            "stockcust: 300000户超出可在内存中生成的上限（200,000户）。请在源代码目录中分批生成：",
        ),
    ],
)
def test_wrong_usage_is_exit_code_2(
    arguments: tuple[str, ...],
    message: str,
    tiny_bank: TinyBank,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A folder that is not there and a wrong option are one message and exit code 2."""
    data = tiny_bank()
    assert run(*(argument.replace("{data}", str(data)) for argument in arguments)) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("map", "{data}", "--out", "{closed}/mapping.toml"),
        ("lab", "{data}", "--out", "{closed}/notebooks", "--copy-only"),
        ("check", "{data}", "--html", "{closed}/x.html"),
        ("sample", "--branches", "10", "--customers", "1000", "--out", "{closed}/bank"),
        ("evaluate", "{data}", "--quarter", "2026Q3", "--out", "{closed}"),
        ("worklists", "{data}", "--as-of", "2026-09-30", "--out", "{closed}"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_folder_that_may_not_be_written_to_is_one_error(
    arguments: tuple[str, ...],
    tiny_bank: TinyBank,
    closed: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every command that writes says where it may not, and what to do; exit code 2."""
    places = {"data": tiny_bank(), "closed": closed}
    assert run(*(argument.format_map(places) for argument in arguments)) == 2
    told = capsys.readouterr().err
    assert f"stockcust: 无法写入“{closed}" in told
    advice = "已完成的保留：请申请写入权限，或换一个文件夹，再运行同一命令。\n"
    assert f"”：没有权限。{advice}" in told
    assert [*closed.iterdir()] == []


@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_a_file_in_place_of_the_output_folder(
    command: str, tiny_bank: TinyBank, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no failure of branches (exit code 1): the folder's name is wrong."""
    file = tmp_path / "reports"
    file.write_text("mine", encoding="utf-8")
    assert run(command, tiny_bank(), "--quarter", "2026Q3", "--out", file) == 2
    told = capsys.readouterr().err
    assert "：不是文件夹。已完成的保留：请指定文件夹而不是文件，" in told
    assert run(command, tiny_bank(), "--quarter", "2026Q3", "--out", file, "--language", "en") == 2
    assert "Not a directory. What was finished is kept: name a folder" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == "mine"


def test_a_file_that_may_not_be_read_is_one_error(
    tiny_bank: TinyBank, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not said to be one that cannot be written."""
    path, granted = tiny_bank() / "customers.sql", os.access
    path.touch()

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("stockcust_analysis.bank.samples.read_fields", refuse)
    monkeypatch.setattr(
        "os.access", lambda at, mode: granted(at, mode) and not (mode and str(at) == str(path))
    )
    assert run("map", path.parent) == 2
    assert capsys.readouterr().err == (f"stockcust: 无法读取“{path}”：没有权限。请申请读取权限。\n")


def test_a_folder_that_may_not_be_read_is_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`verify` says that the folder, or its manifest, may not be read, not that it is not there."""

    def refuse(path: object, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr("os.scandir", refuse)
        assert run("verify", tmp_path) == 2
    assert capsys.readouterr().err == f"stockcust: 无法读取文件夹“{tmp_path}”：没有权限。\n"
    manifest = tmp_path / "manifest.json"
    granted = os.access
    monkeypatch.setattr(
        "os.access", lambda at, mode: granted(at, mode) and not (mode and Path(at) == manifest)
    )
    monkeypatch.setattr("pathlib.Path.open", refuse)
    assert run("verify", tmp_path, "--language", "en") == 2
    assert capsys.readouterr().err == (
        f"stockcust: cannot read '{manifest}': Permission denied. Ask for the right to read it.\n"
    )


def test_warnings_are_lines_without_source(tiny_bank: TinyBank) -> None:
    """A person is told what may be wrong, and no line of the program; `python -m` will do."""
    header, *rows = HOLDINGS.splitlines()
    folder = tiny_bank(holdings="\n".join([f"{header},", *(f"{row},x" for row in rows), ""]))
    command = [sys.executable, "-m", "stockcust_analysis", "check", str(folder), "--language", "en"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "Warning: holdings.csv: " in shown
    assert [line for line in shown.splitlines() if not line.startswith("Warning: ")] == []


def test_an_interrupt_is_exit_code_130(
    tiny_bank: TinyBank, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends with 130 and says how to go on."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stockcust_analysis.report.quarter.make_reports", interrupted)
    assert run("report", tiny_bank(), "--quarter", "2026Q3") == 130
    assert capsys.readouterr().err.strip() == "已中断。重新运行同一命令即可接着做。"


@pytest.mark.parametrize("more", [(), ("--shard", "1/2"), ("--collect",), ("--plan",)], ids=str)
def test_an_unknown_branch_is_told_before_the_evaluation(
    more: tuple[str, ...],
    tiny_bank: TinyBank,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A slip of the pen in a branch's number costs no minutes: nothing is evaluated."""

    def evaluated(*_: object, **__: object) -> None:
        pytest.fail("the evaluation has begun")

    monkeypatch.setattr("stockcust_analysis.evaluation.evaluate.evaluate_with_lists", evaluated)
    asked = ("report", tiny_bank(), "--quarter", "2026Q3", "--branch", "0O1", *more)
    assert run(*asked, "--out", tmp_path / "out") == 2
    assert capsys.readouterr().err == (
        "stockcust: 没有2026Q3的网点“0O1”（unknown branch in 2026Q3）。"
        "是否应为“001”？可用的有：001、002。\n"
    )
    assert run(*asked, "--out", tmp_path / "out", "--language", "en") == 2
    assert "unknown branch in 2026Q3 '0O1'. Did you mean '001'" in capsys.readouterr().err
    assert not [*tmp_path.glob("out/*/evaluation")]


@pytest.mark.parametrize(
    "command", [("report", "--quarter", "2026Q3"), ("worklists", "--as-of", "2026-09-30")]
)
def test_a_branch_by_its_name_is_told_its_number(
    command: tuple[str, ...],
    tiny_bank: TinyBank,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Pages and lists are asked for by numbers; names of branches lead to them."""
    name, *rest = command
    out = tmp_path / "out"
    bank = tiny_bank(branches=BRANCHES)
    assert run(name, bank, *rest, "--branch", "柳树支行", "--out", out) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"stockcust: 没有{rest[-1]}的网点“柳树支行”（unknown branch ")
    assert said.endswith("）。是否应为“002”？可用的有：001、002。\n")


@pytest.mark.parametrize(
    "command", [("evaluate", "--quarter", "2026Q3"), ("worklists", "--as-of", "2026-09-30")]
)
def test_a_code_that_matches_no_row_is_refused(
    command: tuple[str, ...],
    tiny_bank: TinyBank,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every command that computes by a policy reads it as closely: a misspelt code is an error."""
    own = tmp_path / "own.toml"
    own.write_text(
        'base = "rural_commercial_bank"\nname = "own"\nversion = "1"\n'
        'customer_types = ["persnal"]\n',
        "utf-8",
    )
    name, *rest = command
    out = tmp_path / "out"
    assert run(name, tiny_bank(), *rest, "--policy", own, "--out", out) == 2
    assert "customers.customer_type没有代码“persnal”" in capsys.readouterr().err


def test_evaluate_writes_the_facts_alone(tiny_bank: TinyBank, tmp_path: Path) -> None:
    """`stockcust evaluate` leaves an evaluation and no pages."""
    out = tmp_path / "out"
    assert run("evaluate", tiny_bank(), "--quarter", "2026Q3", "--out", out) == 0
    assert (out / "2026Q3" / "evaluation" / "measures.csv").exists()
    assert not (out / "2026Q3" / "branches").exists()


def test_a_sample_of_another_size_meets_the_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`stockcust sample` makes a bank of the size asked for, and `check` finds it good."""
    folder = tmp_path / "bank"
    size = ("--branches", "12", "--customers", "2400", "--seed", "7")
    assert run("sample", "--out", folder, *size) == 0
    assert run("check", folder) == 0
    assert capsys.readouterr().out.endswith("季度：2025Q3、2025Q4、2026Q1、2026Q2、2026Q3。\n")


def test_check_ends_with_how_much_looks_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A quarter in hundredths meets the contract: the last line sends the reader back up."""
    bank = make_bank(branches=10, customers=1000, quarters=2)
    tables = {name: bank[name].copy() for name in ("branches", "customers", "holdings")}
    amounts = {"aum_period_end", "aum_average_month", "aum_average_quarter", "loan_balance"}
    for name, table in tables.items():
        if "as_of" in table:
            newest = table["as_of"] == table["as_of"].max()
            for column in {*table} & {*amounts, "balance", "average_balance"}:
                table[column] = table[column].astype(float).where(~newest, 100 * table[column])
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    assert run("check", tmp_path, "--language", "en") == 0
    shown = capsys.readouterr().out
    number = shown.count("  looks wrong: ")
    assert number > 0
    assert shown.splitlines()[-1].startswith(f"Lines above that look wrong: {number}.")


def test_a_log_names_every_page_and_headquarters(capsys: pytest.CaptureFixture[str]) -> None:
    """Steps, branches and both editions of headquarters' set are lines of their own."""
    from stockcust_analysis.cli.run import TerminalProgress
    from stockcust_analysis.report.render import PageResult

    def shown() -> list[str]:
        show = TerminalProgress()
        show("evaluation", 3, 4)
        show("branches", 0, 2)
        show("branches", 1, 2, PageResult("001", 1.5))
        show("branches", 2, 2, PageResult("002", 2.5, error="no"))
        show("headquarters", 5, 10)
        show("headquarters", 5, 10, PageResult("@internal", 3.0, action="print"))
        show("headquarters", 10, 10, PageResult("@circulated", 4.0, error="exposed"))
        return capsys.readouterr().err.splitlines()

    assert shown() == [
        "[3/4] 评价步骤",
        "[1/2] 网点001已出，1.5秒",
        "[2/2] 网点002失败，2.5秒",
        "[5/10] 总行材料步骤",
        "总行材料重新排印，3.0秒",
        "对外版失败，4.0秒",
    ]
    with click.Context(cli.cli, obj={"language": "en"}):
        english = shown()
    assert english == [
        "[3/4] steps of the evaluation done",
        "[1/2] branch 001 made in 1.5 s",
        "[2/2] branch 002 failed in 2.5 s",
        "[5/10] steps of headquarters' set done",
        "Headquarters' set printed anew in 3.0 s",
        "The circulated edition failed in 4.0 s",
    ]


def test_lab_copies_the_notebooks_beside_the_data(
    tiny_bank: TinyBank, capsys: pytest.CaptureFixture[str]
) -> None:
    """They open the folder they stand in; a changed one is kept, and said to be."""
    notebooks = tiny_bank() / "notebooks"
    assert run("lab", notebooks.parent, "--copy-only") == 0
    names = {path.name for path in notebooks.iterdir()}
    assert {"start_here.ipynb", "pareto.ipynb", "next_product.ipynb"} <= names
    assert not names & {"branch_report.ipynb", "headquarters_review.ipynb"}
    assert capsys.readouterr().out == f"{len(names)}个notebook已复制到{notebooks}。\n"
    changed = notebooks / "pareto.ipynb"
    text = changed.read_text(encoding="utf-8")
    assert r"folder: str = \"..\"" in text
    changed.write_text(text.replace("latest", "2026Q2"), encoding="utf-8")
    (notebooks / "growth.ipynb").unlink()
    assert run("lab", notebooks.parent, "--copy-only", "--language", "en") == 0
    told = capsys.readouterr().out
    assert "1 notebook copied" in told
    assert "pareto.ipynb: differs from the shipped one and is kept" in told
    assert "2026Q2" in changed.read_text(encoding="utf-8")


def test_lab_opens_jupyterlab_on_the_first_notebook(
    tiny_bank: TinyBank, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what is asked for, and nothing fetched; without JupyterLab an error says what to do."""
    folder, started = tiny_bank(), list[str]()
    app = SimpleNamespace(launch_instance=started.extend)
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", SimpleNamespace(LabApp=app))
    assert run("lab", folder, "--no-browser", "--", "--port=9999") == 0
    assert started[-2:] == ["--no-browser", "--port=9999"]
    assert f"--ServerApp.root_dir={folder}" in started
    assert "--LabApp.default_url=/lab/tree/notebooks/start_here.ipynb" in started
    assert "--LabApp.news_url=None" in started
    monkeypatch.chdir(folder)
    assert run("lab", "--", "--allow-root") == 0
    assert started[-1] == "--allow-root"
    assert started.count(f"--ServerApp.root_dir={folder}") == 2
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", None)
    assert run("lab", folder) == 2
    assert "没有安装JupyterLab。请运行：pip install jupyterlab" in capsys.readouterr().err


def test_lab_leaves_the_notebooks_of_a_checkout_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the project itself, as `make lab` calls it, nothing is copied."""
    monkeypatch.chdir(Path(__file__).resolve().parents[1])
    assert run("lab", "--copy-only") == 0
    assert capsys.readouterr().out == ""


def test_make_takes_folders_with_blanks() -> None:
    """What a person gives to `make` is quoted, but for options, which may be several."""
    makefile = (Path(__file__).resolve().parents[1] / "Makefile").read_text(encoding="utf-8")
    recipes = "\n".join(line for line in makefile.splitlines() if line.startswith("\t"))
    for name in ("DATA", "OUT", "QUARTER"):
        assert 0 < recipes.count(f"$({name})") == recipes.count(f'"$({name})"')
    assert "stockcust lab -- $(LAB)" in recipes
