"""Tables, rules, notebooks: `sample`, `check`, `map`, `contacts import`, `policy …`, `lab`."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from stockcust_analysis.cli import options
from stockcust_analysis.core.files import write_text
from stockcust_analysis.errors import UsageError, Words, counted, say

MOST_CUSTOMERS = 200_000
"""More customers than fit in memory with their accounts."""
START = "start_here.ipynb"
_SAMPLE = '"data/sample"'
# Neither news nor versions nor extensions are asked for in the network.
_OFFLINE = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)

if TYPE_CHECKING:
    from stockcust_analysis.bank.sample.people import Effects
    from stockcust_analysis.policy import Policy
    from stockcust_analysis.policy.describe import LintWarning


@click.command()
@options.with_default("--out", type=options.PATH, default=Path("data/sample"))
@click.option("--seed", type=int, help="Another seed makes another bank.")
@options.with_default("--branches", type=click.IntRange(min=10), default=24)
@options.with_default("--customers", type=click.IntRange(min=1000), default=12_000)
@options.with_default(
    "--quarters",
    type=click.IntRange(2, 5),
    default=5,
    help="How many quarters, the last being 2026Q3.",
)
@click.option(
    "--effects",
    type=click.Choice(["planted", "none"]),
    help="For models: planted effects to find, or none, where nothing may be found.",
)
@options.LAYOUT
@options.MESSAGES
@click.option(
    "--form",
    "forms",
    type=click.Choice(["cut", "masked", "split"]),
    multiple=True,
    help="Of EAST files: transactions of 1,000 CNY and more alone, masked, split by branches.",
)
def sample(
    out: Path,
    seed: int | None,
    branches: int,
    customers: int,
    quarters: int,
    effects: Effects | None,
    layout: str | None,
    forms: tuple[str, ...],
) -> None:
    """Make a synthetic bank with all tables and planted stories, of up to 200,000 customers."""
    from stockcust_analysis.bank.sample import SEED, make_bank, write_bank, write_east_files

    if customers > MOST_CUSTOMERS:
        raise UsageError(say("beyond_memory", customers, MOST_CUSTOMERS, out, customers, branches))
    seed = SEED if seed is None else seed
    size = {"branches": branches, "customers": customers, "quarters": quarters}
    tables = make_bank(seed, **size, effects=effects or "")
    if layout:
        write_east_files(tables, out, **dict.fromkeys(forms, True))
        options.tell("east_written", len([*out.glob("*.txt")]), out)
        return
    write_bank(tables, out, effects=effects or "")
    for name, frame in tables.items():
        options.tell("sample_rows", name, len(frame))
    options.tell("sample_written", out)


@click.command()
@options.DATA
@options.READING
@options.LANGUAGE
@click.option("--html", type=options.FILE, help="Also write the profile as one page of HTML.")
def check(data: str, language: Literal["zh", "en"], html: Path | None, **reading: Any) -> None:
    """Check the extracts in DATA, a folder or a database's URL; every problem at once.

    What meets the contract is shown as a profile: sizes, empty cells, amounts, codes, quarters.
    """
    import warnings

    from stockcust_analysis.bank.source import open_bank
    from stockcust_analysis.bank.suspicions import SuspicionWarning, suspicions_of
    from stockcust_analysis.bank.totals import totals_of
    from stockcust_analysis.show.profile import input_lines, page, profile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuspicionWarning)  # shown below, of all quarters
        bank = open_bank(data, **reading)
    with bank:
        totals = totals_of(bank, bank.quarters)
        lines = [say("rows_of", name, bank.rows(name)).text(language) for name in bank.columns]
        lines += input_lines(bank, totals, language)
        lines += [entry.text(language) for entry in bank.set_aside]
        wrong = [say("suspicion", *e).text(language) for e in suspicions_of(bank, totals)]
        lines += wrong
        tables = profile(bank, totals, language)
        end = say("meets", bank.name, bank.quarters or say("none")).text(language)
        end += f"\n{say('wrong_above', len(wrong)).text(language)}" if wrong else ""
    for line in lines:
        click.echo(f"  {line}")
    for shown in tables:
        click.echo(f"\n{shown._repr_mimebundle_()['text/plain']}")
    click.echo(f"\n{end}")
    if html is not None:
        write_text(html, page(bank.name, tables, [*lines, end], language))


@click.command("map")
@click.argument("folder", type=options.ReadFolder())
@click.option(
    "--out",
    type=options.FILE,
    help="File to write; one that is there is not replaced. Default: FOLDER/mapping.toml.",
)
@options.MESSAGES
def map_files(folder: Path, out: Path | None) -> None:
    """Look at the unknown files in FOLDER, and write a proposed mapping for a person to correct.

    It says what each file and each column was taken for, and why; what is in doubt is a comment.
    """
    from stockcust_analysis.bank.proposal import propose_mapping

    out = out or folder / "mapping.toml"
    if out.exists():
        raise UsageError(say("file_is_there", out))
    write_text(out, propose_mapping(folder).text(options.chosen_language()))
    options.tell("proposed", out, folder)


@click.group()
def contacts() -> None:
    """Bring what managers filled in back to the bank's tables."""


@contacts.command("import")
@click.argument("files", nargs=-1, required=True, type=options.PATH)
@options.with_default(
    "--out",
    type=options.FILE,
    default=Path("contacts_imported.csv"),
    help="File to write; beside a bank's contacts it is read as part of them.",
)
@options.MESSAGES
def import_files(files: tuple[Path, ...], out: Path) -> None:
    """Read filled-in work lists FILES as rows of the contacts table."""
    from stockcust_analysis.report.worklists import import_contacts

    rows = import_contacts(files)
    write_text(out, rows.to_csv(index=False, lineterminator="\n"))
    options.tell("written_in", counted("contact", len(rows)), out)


@click.group()
def policy() -> None:
    """Show the rules a policy sets, or how they differ from another's."""


@policy.command()
@click.argument("name", default="rural_commercial_bank")
@options.LANGUAGE
def show(name: str, language: Literal["zh", "en"]) -> None:
    """Print every rule of a policy (a shipped NAME or a TOML file) with its source."""
    from stockcust_analysis.evaluation.policy_check import read_policy
    from stockcust_analysis.policy.describe import describe, text_table

    rules = read_policy(name)
    click.echo(f"{rules.name} {rules.version} ({rules.digest[:12]})")
    click.echo(text_table(describe(rules, language), language))


@policy.command()
@click.argument("name")
@click.argument("base", required=False)
@options.LANGUAGE
def diff(name: str, base: str | None, language: Literal["zh", "en"]) -> None:
    """Print where policy NAME differs from BASE; by default from the one it builds on."""
    from stockcust_analysis.evaluation.policy_check import read_policy
    from stockcust_analysis.policy import DEFAULT
    from stockcust_analysis.policy.describe import differences, text_table

    rules = read_policy(name)
    against = base or rules.base or DEFAULT
    if base is None and against.endswith(".toml"):
        against = str(Path(name).parent / against)
    rows = differences(rules, read_policy(against), language)
    options.tell("itself", text_table(rows, language) if rows else say("same_rules", name, against))


@policy.command()
@click.argument("name", default="rural_commercial_bank")
@click.option(
    "--evaluation",
    type=options.PATH,
    help="Folder of a quarter's evaluation, to look at its figures too.",
)
@options.LANGUAGE
def lint(name: str, evaluation: Path | None, language: Literal["zh", "en"]) -> None:
    """Print the traps that the scorecard of policy NAME steps into: warnings, not errors."""
    from stockcust_analysis.evaluation.policy_check import read_policy
    from stockcust_analysis.measures.codebook import defined_measures, measure_definition
    from stockcust_analysis.policy.describe import lint as lint_rules

    def named(key: str) -> str:
        known = key in defined_measures()
        return str(getattr(measure_definition(key), language)) if known else key

    rules = read_policy(name)
    traps = lint_rules(rules) if evaluation is None else _lint_figures(rules, evaluation)
    for warning in traps:
        click.echo(warning.text(language, named))
    if not traps:
        options.tell("no_trap", name)


def _lint_figures(rules: Policy, folder: Path) -> list[LintWarning]:
    """Return the traps of a quarter's scorecard, its figures looked at too."""
    from stockcust_analysis.evaluation.results import open_evaluation
    from stockcust_analysis.evaluation.scorecard import lint_scorecard, scorecard

    saved = open_evaluation(folder)
    rule: dict[str, Any] = {"policy": rules, "quarter": str(saved.quarter)}
    table, _ = scorecard(saved.measures, saved.branches, targets=saved.targets, **rule)
    return lint_scorecard(replace(saved, scorecard=table), rules)


def _split(
    context: click.Context, parameter: click.Parameter, arguments: tuple[str, ...]
) -> tuple[Path, tuple[str, ...]]:
    """Return the folder, which may be left out, and what is JupyterLab's."""
    has_folder = bool(arguments) and not arguments[0].startswith("-")
    folder = arguments[0] if has_folder else "."
    return Path(options.ReadFolder().convert(folder, parameter, context)), arguments[has_folder:]


@click.command()
@click.argument(
    "arguments",
    nargs=-1,
    type=click.UNPROCESSED,
    callback=_split,
    metavar="[FOLDER] [-- JUPYTER_OPTIONS]",
)
@click.option("--out", type=options.PATH, help="For the notebooks. Default: FOLDER/notebooks.")
@click.option("--no-browser", is_flag=True, help="Print JupyterLab's address, open no browser.")
@click.option("--copy-only", is_flag=True, help="Copy the notebooks, and start nothing.")
@options.MESSAGES
def lab(
    arguments: tuple[Path, tuple[str, ...]], out: Path | None, no_browser: bool, copy_only: bool
) -> None:
    """Copy the notebooks beside the extracts in FOLDER, and open them in JupyterLab.

    A notebook that is there already and differs is left as it is. What follows `--` goes to
    JupyterLab: stockcust lab FOLDER -- --port=9999
    """
    folder, jupyter_options = arguments
    out = (out or folder / "notebooks").resolve()
    for line in copy_notebooks(folder.resolve(), out):
        options.tell("itself", line)
    if copy_only:
        return
    try:
        jupyterlab = import_module("jupyterlab.labapp")
    except ImportError:
        raise UsageError(say("no_jupyterlab", out / START)) from None
    start = f"/lab/tree/{out.name}/{START}"
    browser = ["--no-browser"] if no_browser else []
    where = [f"--ServerApp.root_dir={out.parent}", f"--LabApp.default_url={start}"]
    jupyterlab.LabApp.launch_instance([*_OFFLINE, *where, *browser, *jupyter_options])


def copy_notebooks(data: Path, out: Path) -> list[Words]:
    """Copy the exploring notebooks that open the bank in `data`; return what was done.

    Those that are there and differ stay: somebody may have changed them.
    """
    from stockcust_analysis.report.plan import notebook_path

    source = notebook_path(Path(START).stem).parent
    if out.exists() and out.samefile(source):
        return []
    bank = json.dumps(Path(os.path.relpath(data, out)).as_posix(), ensure_ascii=False)
    # A notebook is JSON that holds Python: what is quoted there is quoted once more.
    sample, own_folder = (json.dumps(text, ensure_ascii=False)[1:-1] for text in (_SAMPLE, bank))
    copied, kept = 0, []
    for path in sorted(source.glob("*.ipynb")):
        text, target = path.read_text(encoding="utf-8"), out / path.name
        if sample not in text:  # a page's notebook, which opens an evaluation
            continue
        text = text.replace(sample, own_folder)
        if not target.exists():
            write_text(target, text)
            copied += 1
        elif target.read_text(encoding="utf-8") != text:
            kept.append(path.name)
    lines = [say("copied", counted("notebook", copied), out)] if copied else []
    return lines + ([say("notebooks_kept", kept)] if kept else [])
