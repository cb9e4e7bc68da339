"""How far a batch is, what it will do and how it ended: a bar on a terminal, lines in a log.

Heavy to import: commands import it when they run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from stockcust_analysis.report.quarter import ReportRun
from stockcust_analysis.report.render import PageJob, PageResult, Progress

_STATES = {"run": "made", "print": "printed anew", "keep": "up to date"}
_EDITIONS = {"@internal": "Headquarters' set", "@circulated": "The circulated edition"}
_MOST_LINES = 20


def show_steps(label: str, what: str) -> Callable[[int, int], None]:
    """Return a function that shows how many steps of a long job are done, with the time left."""
    bar = click.progressbar(length=0, label=label, show_pos=True, file=sys.stderr)

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            bar.length = total
            bar.update(done - bar.pos)
            if done == total:
                bar.render_finish()
        elif done:
            click.echo(f"[{done}/{total}] {what}", err=True)

    return show


class TerminalProgress(Progress):
    """A bar with failures and time left on a terminal, a plain line per branch in a log."""

    def __init__(self) -> None:
        self._done = self._failed = 0
        self._bar: Any = None
        self._evaluation = show_steps("Evaluation", "steps of the evaluation done")
        self._headquarters = show_steps("Headquarters", "steps of headquarters' set done")

    def evaluated(self, done: int, total: int) -> None:
        """Show a step of the evaluation."""
        self._evaluation(done, total)

    def headquarters(self, done: int, total: int) -> None:
        """Show a step of headquarters' set."""
        self._headquarters(done, total)

    def start(self, total: int) -> None:
        """Say how many pages there will be."""
        self._total = total
        if total and sys.stderr.isatty():
            self._bar = click.progressbar(
                length=total,
                label="Branches",
                show_pos=True,
                show_eta=True,
                item_show_func=lambda _: f"{self._failed} failed" if self._failed else None,
                file=sys.stderr,
            )

    def __call__(self, result: PageResult) -> None:
        """Show one finished page."""
        self._done += 1
        self._failed += result.failed
        if self._bar is not None:
            self._bar.update(1, result)
            return
        state = "failed" if result.failed else _STATES[result.action]
        line = f"[{self._done}/{self._total}] branch {result.branch_id} {state}"
        click.echo(f"{line} in {result.seconds:.1f} s", err=True)

    def finish(self) -> None:
        """Leave the bar's line."""
        if self._bar is not None:
            self._bar.render_finish()


def describe_plan(jobs: Sequence[PageJob]) -> str:
    """Say what a run would do, branch by branch where there is something to do."""
    words = {"run": "run the notebook and print", "print": "print with another status or look"}
    doing = [job for job in jobs if job.action != "keep"]
    lines = [
        f"{_EDITIONS.get(job.branch_id, job.branch_id):<12} {words[job.action]}"
        for job in doing[:_MOST_LINES]
    ]
    if len(doing) > _MOST_LINES:
        lines.append(f"… and {len(doing) - _MOST_LINES} more")
    kept = len(jobs) - len(doing)
    return "\n".join([*lines, f"{len(doing)} pages to make, {kept} up to date. Nothing written."])


def describe_run(run: ReportRun) -> str:
    """Return the table a run ends with: how many of each, and every failure."""
    done = [result for result in run.results if not result.failed]
    counts = {words: sum(r.action == action for r in done) for action, words in _STATES.items()}
    counts["failed"] = len(run.failed)
    lines = [f"  {words:<14} {count:>6,}" for words, count in counts.items() if count]
    lines += [
        f"{_EDITIONS.get(result.branch_id, f'Branch {result.branch_id}')} failed: {result.error}"
        for result in run.failed
    ]
    unmade = [b for b in run.missing if b not in {result.branch_id for result in run.failed}]
    if unmade:
        more = ", …" if len(unmade) > _MOST_LINES else ""
        lines.append(f"Not made yet: {', '.join(unmade[:_MOST_LINES])}{more}")
    total = len(run.results) + len(unmade)
    return "\n".join([*lines, f"{len(done)} of {total} reports in {run.folder}."])
