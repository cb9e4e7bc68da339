"""The main job and what belongs to it: `evaluate`, `report`, `verify`, `worklists`."""

from __future__ import annotations

import gc
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stockcust_analysis.cli import options
from stockcust_analysis.core.files import Access, access
from stockcust_analysis.core.periods import Quarter
from stockcust_analysis.errors import UsageError, Words, counted, joined, say

if TYPE_CHECKING:
    from stockcust_analysis.bank.source import Bank
    from stockcust_analysis.report.plan import PageJob, ReportOptions
    from stockcust_analysis.report.quarter import ReportRun
    from stockcust_analysis.report.render import PageResult

FAILED = 1
_EDITIONS = ("@internal", "@circulated")
_STEPS = ("evaluation", "headquarters")
_MOST_LINES = 20


def _over_a_quarter(command: Callable[..., None]) -> Callable[..., None]:
    """Call the command with the bank, open, and with the options of a run over its quarter."""

    @wraps(command)
    def run(
        data: str, quarter: str, as_of: datetime | None, out: Path, plan: bool = False, **given: Any
    ) -> None:
        from stockcust_analysis.bank.source import open_bank
        from stockcust_analysis.core.files import SOCKET_PATH, WorkingFolder, all_temporary_files_in
        from stockcust_analysis.report.plan import ReportOptions

        quarter = _named_quarter(quarter, as_of)
        reading = {name: given.pop(name) for name in options.HOW_TO_READ}
        given["access"] = Access(given.pop("file_mode"), given.pop("group"))
        gc.set_threshold(100_000)  # tables and pages make many objects, and few cycles
        # A scheduler's request to end is the same wish as Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        settings = ReportOptions(quarter=quarter, **given)
        with (
            WorkingFolder(SOCKET_PATH) as scratch,
            all_temporary_files_in(scratch),
            open_bank(data, **reading) as bank,
        ):
            settings = replace(settings, quarter=_resolve(bank, quarter))
            command(bank, settings, out, plan)

    return run


def _named_quarter(quarter: str, as_of: datetime | None) -> str:
    """Return the quarter that one of the two options names: `2026Q3-08` as far as 31 August."""
    if as_of is None:
        if not quarter:
            raise UsageError(say("quarter_lacks"))
        return quarter
    if quarter:
        raise UsageError(say("quarter_or_day"))
    to_date = Quarter.to_date(as_of.date())
    if to_date is None:
        raise UsageError(say("not_the_months_last", as_of))
    return str(to_date)


def _resolve(bank: Bank, quarter: str) -> str:
    """Return the quarter; `latest` is the newest the bank has delivered whole."""
    if quarter != "latest":
        return quarter
    if not bank.quarters:
        raise UsageError(say("no_whole_quarter"))
    options.tell("latest_quarter", bank.quarters[-1], err=True)
    return str(bank.quarters[-1])


@click.command()
@options.OF_A_QUARTER
@options.MESSAGES
@options.RUN_OPTIONS
@_over_a_quarter
def evaluate(bank: Bank, settings: ReportOptions, out: Path, _: bool) -> None:
    """Compute the measures of every branch in DATA; no pages."""
    from stockcust_analysis.report.quarter import write_evaluation

    cache = write_evaluation(bank, settings, out=out, progress=TerminalProgress())
    done = "evaluated" if cache.is_new else "already_evaluated"
    here, folder = Path.cwd(), cache.folder
    shown = folder.relative_to(here) if folder.is_relative_to(here) else folder
    options.tell(done, counted("branch", len(cache.evaluation.branches)), shown)


@click.command()
@options.OF_A_QUARTER
@click.option(
    "--branch", "branches", multiple=True, metavar="ID", help="Only this branch; repeatable."
)
@options.LANGUAGE
@options.WORKERS
@options.with_default(
    "--status",
    type=click.Choice(["draft", "reviewed", "issued"]),
    default="draft",
    help="Review status (草稿/复核/签发) on every page; changing it prints without running.",
)
@click.option(
    "--by",
    default="",
    metavar="NAME",
    help="Who gives the pages this status; printed there. Who prepared them (draft) cannot issue "
    "them.",
)
@click.option(
    "--brand",
    default="",
    metavar="FILE",
    help="A bank's look on every page: TOML (colours, logo, fonts) or a .typ layout; changing it "
    "prints without running.",
)
@click.option(
    "--circulated",
    is_flag=True,
    help="Also write circulated/: headquarters' set with figures withheld, so that it may leave "
    "the building. It stays up to date from then on.",
)
@options.SHARD
@click.option("--collect", is_flag=True, help="Make no pages: join what the shards have made.")
@click.option("--force", is_flag=True, help="Make everything anew, even what was issued.")
@click.option("--plan", is_flag=True, help="Say what would be done, and write nothing.")
@options.seconds("--cell-seconds", 300, "Longest time for one cell of the notebook.")
@options.seconds("--page-seconds", 1200, "Longest time for one branch.")
@options.RUN_OPTIONS
@_over_a_quarter
def report(bank: Bank, settings: ReportOptions, out: Path, plan: bool) -> None:
    """Make every branch's PDF and work lists, and headquarters' set, from the extracts in DATA.

    Headquarters' set is internal: it has every figure of every branch.

    Only what is missing or changed is made: run the same command again to go on.
    """
    from stockcust_analysis.report.quarter import make_reports, plan_reports

    if plan:
        options.tell("itself", describe_plan(plan_reports(bank, settings, out=out)))
        return
    run = make_reports(bank, settings, out=out, progress=TerminalProgress())
    options.tell("itself", describe_run(run))
    if run.failed or run.missing:
        raise click.exceptions.Exit(FAILED)


@click.command()
@click.argument("folder", type=options.ReadFolder())
@click.option("--data", type=options.PATH, help="Extracts: make everything anew.")
@options.MAPPING
@options.LAYOUT
@options.MESSAGES
@options.WORKERS
def verify(folder: Path, **requested: Any) -> None:
    """Compare a quarter's FOLDER with its manifest: what changed, what is missing.

    Without --data the files' hashes are compared, and every page is printed anew from its
    executed notebook. With --data the whole quarter is made again and compared.
    """
    from stockcust_analysis.report.quarter import verify_folder

    differences = verify_folder(folder, **requested)
    for difference in differences:
        options.tell("itself", difference)
    if differences:
        raise click.exceptions.Exit(FAILED)
    options.tell("as_manifest", folder)


@click.command()
@options.DATA
@click.option("--as-of", required=True, type=options.DAY, help="Day of a snapshot.")
@click.option("--branch", "branches", multiple=True, metavar="ID", help="Only this; repeatable.")
@options.LANGUAGE
@options.POLICY
@options.READING
@options.FOLDER_OPTIONS
def worklists(
    data: str, as_of: datetime, policy: str, out: Path, file_mode: int, group: str, **given: Any
) -> None:
    """Write every branch's work lists alone, for the monthly rhythm."""
    from stockcust_analysis.bank.source import open_bank
    from stockcust_analysis.evaluation.policy_check import read_policy
    from stockcust_analysis.report.worklists import make_worklists

    day, rules = as_of.date(), read_policy(policy)
    folder = out / "worklists" / day.isoformat()
    reading = {name: given.pop(name) for name in options.HOW_TO_READ}
    with access(Access(file_mode, group)), open_bank(data, **reading) as bank:
        files = make_worklists(bank, as_of=day, policy=rules, out=folder, **given)
    options.tell("written_in", counted("branch_list", len(files)), folder)


@click.command()
@click.argument("folder", type=options.ReadFolder())
@click.option(
    "--to",
    "recipients",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="TOML file: branch, recipient, folder, mode, group.",
)
@click.option("--as-of", required=True, type=options.DAY, help="Day of delivery.")
@click.option("--by", required=True, metavar="NAME", help="Who delivers.")
@options.MESSAGES
def deliver(folder: Path, recipients: Path, as_of: datetime, by: str) -> None:
    """Copy every branch's page and lists from a quarter's FOLDER to its recipient, with receipts.

    Lists bear the recipient, the day, and the status of what is not issued. Nothing is mailed.
    """
    from stockcust_analysis.report.deliver import deliver

    statuses, without = deliver(folder, recipients, on=as_of.date(), by=by)
    if without:
        options.tell("no_recipient", _first_of(without))
    if unissued := Counter(status for status in statuses if status != "issued"):
        words = [say(f"{status}_pages", count) for status, count in unissued.items()]
        options.tell("delivered_unissued", words)
    options.tell("delivered", counted("branch", len(statuses)), folder / "receipts")


class TerminalProgress:
    """Bars with failures and time left on a terminal, plain lines in a log."""

    def __init__(self) -> None:
        self._bars: dict[str, Any] = {}
        self._failed = 0
        self._language = options.chosen_language()  # threads have no command

    def __call__(
        self, stage: str, done: int, total: int, page: PageResult | None = None, /
    ) -> None:
        """Show a step of the evaluation or of headquarters' set, or a finished page."""
        self._failed += page is not None and page.failed
        if not sys.stderr.isatty():
            self._write_line(stage, done, total, page)
            return
        if page is not None and page.edition:  # its steps have moved the bar
            return
        if stage not in self._bars:
            self._bars[stage] = click.progressbar(
                length=total,
                label=self._text(f"{stage}_stage"),
                show_pos=True,
                item_show_func=self._failures,
                file=sys.stderr,
            )
        bar = self._bars[stage]
        bar.update(done - bar.pos, page)
        if done == total:
            bar.render_finish()

    def _text(self, name: str, *facts: object) -> str:
        return say(name, *facts).text(self._language)

    def _failures(self, _: object) -> str:
        return self._text("failures", self._failed) if self._failed else ""

    def _write_line(self, stage: str, done: int, total: int, page: PageResult | None) -> None:
        if page is not None:
            end = say(f"{'failed' if page.failed else page.action}_state")
            subject = _name(page) if page.edition else say("page_of", done, total, page.branch_id)
            click.echo(self._text("ended_in", subject, end, page.seconds), err=True)
        elif done and stage in _STEPS:
            click.echo(self._text(f"{stage}_steps", done, total), err=True)


def _first_of(branches: Sequence[str]) -> list[str]:
    return [*branches[:_MOST_LINES], *(["…"] if len(branches) > _MOST_LINES else [])]


def _name(page: PageJob | PageResult) -> Words:
    return say(page.branch_id) if page.branch_id in _EDITIONS else say("the_branch", page.branch_id)


def describe_plan(jobs: Sequence[PageJob]) -> Words:
    """Say what a run would do, branch by branch where there is something to do."""
    from stockcust_analysis.report.plan import count_actions, count_issued, refuse_own_work

    doing = [job for job in jobs if job.action != "keep" and not job.options.collect]
    lines = [
        say(f"{job.action}_planned", _name(job) if job.branch_id in _EDITIONS else job.branch_id)
        for job in doing[:_MOST_LINES]
    ]
    if len(doing) > _MOST_LINES:
        lines.append(say("more_pages", len(doing) - _MOST_LINES))
    pages = [job for job in jobs if job.branch_id not in _EDITIONS]
    if (issued := count_issued(pages)) and not pages[0].options.force:
        lines.append(say("issued_pages", issued))
    lines += filter(None, [refuse_own_work(pages)])
    return joined([*lines, say("planned", len(doing), count_actions(jobs)["keep"])])


def describe_run(run: ReportRun) -> Words:
    """Return the table a run ends with: how many of each, and every failure."""
    done = [result for result in run.results if not result.failed]
    counts = Counter(result.action for result in done) | Counter(failed=len(run.failed))
    ends = ("run", "print", "keep", "failed")
    lines = [say(f"{end}_pages", counts[end]) for end in ends if counts[end]]
    lines += [say("page_failed", _name(page), page.error) for page in run.failed]
    failed = {page.branch_id for page in run.failed}
    unmade = [branch for branch in run.missing if branch not in failed]
    if unmade:
        lines.append(say("not_made", _first_of(unmade)))
    total = len(run.results) + len(unmade)
    return joined([*lines, say("reports_in", len(done), total, run.folder)])
