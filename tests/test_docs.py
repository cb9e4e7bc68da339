"""The documentation says what is true: its examples run and its links lead somewhere."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from stockcust_analysis.cli import cli

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])


def test_the_readme_shows_real_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's Python session gives exactly the output printed there."""
    monkeypatch.chdir(ROOT)
    text = re.sub(r"^```.*$", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.M)
    session = doctest.DocTestParser().get_doctest(text, {}, "README", "README.md", 0)
    result = doctest.DocTestRunner().run(session)
    assert result.attempted == 8
    assert result.failed == 0


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
