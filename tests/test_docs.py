"""The documentation says what is true: its examples run and its links lead somewhere."""

from __future__ import annotations

import doctest
import re
from configparser import ConfigParser
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest
import yaml
from click.testing import CliRunner

from stockcust_analysis.cli import cli
from stockcust_analysis.core.results import set_language

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_shows_real_output(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's Python session gives exactly the output printed there, in both languages."""
    monkeypatch.chdir(ROOT)
    text = re.sub(r"^```.*$", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.M)
    session = doctest.DocTestParser().get_doctest(text, {}, "README", "README.md", 0)
    result = doctest.DocTestRunner().run(session)
    assert result.attempted == 8
    assert result.failed == 0


@pytest.mark.slow
def test_the_tutorial_shows_real_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten questions, each in at most three statements, give what is printed there, and slides."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sample").symlink_to(ROOT / "data" / "sample")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "tutorial" / "first-morning.md").read_text(encoding="utf-8")
    parser = doctest.DocTestParser()
    answers = [parser.get_examples(part) for part in re.split(r"^## \d+\. ", text, flags=re.M)]
    assert len(answers) == 11
    assert all(1 <= len(lines) <= 3 for lines in answers[1:])
    session = parser.get_doctest(re.sub(r"^```.*$", "", text, flags=re.M), {}, "first", None, 0)
    try:
        result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(session)
    finally:
        set_language("zh")
    assert (result.attempted, result.failed) == (sum(map(len, answers)), 0)
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "groups.png",
        "trend.png",
        "moves.png",
    }


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
