"""The documentation says what is true: its examples run and its links lead somewhere."""

from __future__ import annotations

import ast
import builtins
import doctest
import inspect
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import click
import pytest
import yaml
from click.testing import CliRunner

import stockcust_analysis as sca
from stockcust_analysis.cli import cli

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])


TEN_QUESTIONS = ("first-morning.md", "first-morning.zh-CN.md")


@pytest.mark.slow
@pytest.mark.parametrize("name", TEN_QUESTIONS)
def test_the_tutorial_shows_real_output(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten questions, each in at most three statements, give what is printed there, and slides."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sample").symlink_to(ROOT / "data" / "sample")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "tutorial" / name).read_text(encoding="utf-8")
    parser = doctest.DocTestParser()
    answers = [parser.get_examples(part) for part in re.split(r"^## \d+\. ", text, flags=re.M)]
    assert len(answers) == 11
    assert all(1 <= len(lines) <= 3 for lines in answers[1:])
    session = parser.get_doctest(re.sub(r"^```.*$", "", text, flags=re.M), {}, "first", None, 0)
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(session)
    assert (result.attempted, result.failed) == (sum(map(len, answers)), 0)
    assert {path.name for path in tmp_path.glob("*.png")} == {f"{n}.png" for n in range(1, 10)}


def sessions() -> dict[tuple[tuple[str, str], ...], Path]:
    """Return what pages type into Python and print below it, with the first page that does so.

    The README and the guides are there in both languages, with the same examples but for comments.
    """
    found: dict[tuple[tuple[str, str], ...], Path] = {}
    for page in sorted([*ROOT.glob("README*.md"), *DOCS.rglob("*.md")]):
        if page.name not in TEN_QUESTIONS:
            examples = doctest.DocTestParser().get_examples(unfenced(page))
            typed = ((re.sub("  #.*", "", one.source), one.want) for one in examples)
            found.setdefault(tuple(typed), page)
    del found[()]
    return found


def unfenced(page: Path) -> str:
    """Return a page without the lines around its blocks, which are no output."""
    return re.sub(r"^```.*$", "", page.read_text(encoding="utf-8"), flags=re.M)


@pytest.mark.parametrize("page", sessions().values(), ids=lambda page: page.name)
def test_the_examples_of_a_page_give_what_it_prints(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the README or a page of the docs types into Python gives the output below it."""
    monkeypatch.chdir(ROOT)
    session = doctest.DocTestParser().get_doctest(unfenced(page), {}, page.name, str(page), 0)
    result = doctest.DocTestRunner().run(session)
    assert result.attempted
    assert not result.failed


def test_the_readme_has_examples_in_both_languages() -> None:
    """Its Python session is there in full on both pages."""
    for name in ("README.md", "README.zh-CN.md"):
        assert len(doctest.DocTestParser().get_examples(unfenced(ROOT / name))) == 8


def test_the_navigation_leads_to_every_page_once() -> None:
    """The site's contents name each page of the docs, and none twice."""
    contents = re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text("utf-8"), re.S)
    named = [line for part in contents for line in part.splitlines() if line and line[0] != ":"]
    there = {str(page.relative_to(DOCS))[: -len(".md")] for page in DOCS.rglob("*.md")}
    assert sorted(named) == sorted(there - {"index"})


@pytest.mark.parametrize("folder", ["tutorial", "how-to"])
def test_every_guide_is_there_in_both_languages(folder: str) -> None:
    """Each guide has a Chinese page with the same commands; how-tos end by what may go wrong."""
    pages = {page.name for page in (DOCS / folder).glob("*.md")}
    english = {name for name in pages if not name.endswith(".zh-CN.md")}
    assert {name.replace(".md", ".zh-CN.md") for name in english} == pages - english
    for name in english:
        chinese = name.replace(".md", ".zh-CN.md")
        texts = [(DOCS / folder / page).read_text(encoding="utf-8") for page in (name, chinese)]
        assert f"]({chinese})" in texts[0]
        assert f"]({name})" in texts[1]
        ends = [re.findall("^## (.*)", text, re.M)[-1] for text in texts]
        assert folder != "how-to" or ends == ["What may go wrong", "可能出的问题"], name
        first, second = (
            set(re.findall(r"stockcust [a-z]+|--[a-z][a-z-]+", text)) for text in texts
        )
        assert second <= first, f"{chinese} alone has {second - first}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_options_a_page_names_exist(page: Path) -> None:
    """Every `stockcust …` line in a block of a page is a command with options that there are."""
    blocks = re.findall(r"^ *```(?:bash)?\n(.*?)^ *```", page.read_text("utf-8"), re.S | re.M)
    lines = re.findall(r"^ *(?:\S+/)?stockcust ([a-z]+)(?: ([^#\n]*))?", "\n".join(blocks), re.M)
    for name, rest in lines:
        command = cli.commands[name]
        below = list(command.commands.values()) if isinstance(command, click.Group) else [command]
        known = {text for each in below for option in each.params for text in option.opts}
        assert set(re.findall(r"--[a-z][a-z-]*", rest)) <= known | {"--help"}, f"{name} {rest}"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_asks_no_network(tmp_path: Path) -> None:
    """Sphinx prints all pages; none loads anything from elsewhere; Chinese words are found."""
    pytest.importorskip("myst_parser")
    options = ["--fail-on-warning", "--quiet", "-d", str(tmp_path / "trees")]
    command = [sys.executable, "-m", "sphinx", *options, str(DOCS), str(tmp_path / "site")]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    site = tmp_path / "site"
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|link)\b[^>]*?(?:src|href)=\"([^\"]+)", text)
        assert not [address for address in loaded if "//" in address], page
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)[\"' ]*(?:https?:)?//", style.read_text("utf-8"))
    assert "浏览器或中文字体" in (site / "tutorial" / "first-branch-report.zh-CN.html").read_text(
        "utf-8"
    )
    signatures = re.findall(r"<dt.*?</dt>", (site / "reference" / "api.html").read_text(), re.S)
    assert any('id="stockcust_analysis.Bank"' in signature for signature in signatures)
    assert not [one for one in signatures if re.search(r'"n"><span class="pre">_', one)]
    if chromium := shutil.which("chromium"):
        for words, guide in (
            ("网点报告", "first-branch-report.zh-CN"),
            ("intranet", "on-an-intranet"),
        ):
            address = f"{(site / 'search.html').as_uri()}?q={quote(words)}"
            flags = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/b")
            looked = [chromium, *flags, "--virtual-time-budget=9000", "--dump-dom", address]
            page = subprocess.run(looked, capture_output=True, text=True, timeout=120).stdout
            assert re.search(f'id="search-results".*{guide}.html" data-score', page), words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture of a page exists."""
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", text)
    for target in (first or second for first, second in targets):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_has_help(name: str) -> None:
    """Each command explains itself, and each of its options has a help text or a default."""
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert cli.commands[name].help
    for option in cli.commands[name].params:
        if isinstance(option, click.Option):
            assert option.help or option.show_default, f"{name} {option.name}"


SCHEDULES = sorted((ROOT / "examples" / "schedule").iterdir())


@pytest.mark.parametrize("path", SCHEDULES, ids=lambda path: path.name)
def test_scheduled_commands_are_commands(path: Path) -> None:
    """Every `stockcust …` in the schedulers' examples has only options that there are."""
    raw = path.read_bytes()
    text = raw.decode("utf-16" if raw[:2] == b"\xff\xfe" else "utf-8")
    if path.suffix == ".py":
        compile(text, path.name, "exec")
    for name, words in re.findall(
        r"(?:stockcust(?:\.exe)?|COMMAND\}) (report|evaluate) ([^>\n)]*)", text
    ):
        options = {word for parameter in cli.commands[name].params for word in parameter.opts}
        used = re.findall(r"--[a-z-]+", words)
        assert used
        assert set(used) <= options, path.name


def test_the_schedulers_files_are_well_formed() -> None:
    """The task, the job and the timer are files that their schedulers can read."""
    folder = ROOT / "examples" / "schedule"
    task = ElementTree.parse(folder / "stockcust-report.xml").getroot()
    days = task.iter("{http://schemas.microsoft.com/windows/2004/02/mit/task}Day")
    assert [int(day.text or 0) for day in days] == list(range(1, 22))
    job = yaml.safe_load((folder / "kubernetes.yaml").read_text(encoding="utf-8"))
    assert job["spec"]["completions"] == 8
    assert "/8 " in job["spec"]["template"]["spec"]["containers"][0]["args"][0]
    for name in ("stockcust-report.service", "stockcust-report.timer"):
        unit = ConfigParser(strict=True)
        unit.read(folder / name, encoding="utf-8")
        assert unit.has_section("Unit")


def test_examples_of_public_names_run_as_they_are_typed() -> None:
    """`?` shows them in Jupyter, where only public names, pandas and NumPy are at hand."""
    at_hand = {*sca.__all__, *dir(builtins), "pd", "np"}
    charts = {name: getattr(sca.plot, name) for name in sca.plot.__all__}
    public = {name: getattr(sca, name) for name in sca.__all__ if name != "plot"}
    for name, each in [*public.items(), *charts.items()]:
        examples = doctest.DocTestParser().get_examples(inspect.getdoc(each) or "")
        nodes = [*ast.walk(ast.parse("".join(example.source for example in examples)))]
        names = [node for node in nodes if isinstance(node, ast.Name)]
        made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        made |= {(node.asname or node.name) for node in nodes if isinstance(node, ast.alias)}
        made |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        made |= {*charts} if each in charts.values() else set()
        assert {node.id for node in names} - made - at_hand == set(), name
