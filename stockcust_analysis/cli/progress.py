"""How far a batch is, what it will do and how it ended: a bar on a terminal, lines in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from stockcust_analysis.report.quarter import ReportRun
    from stockcust_analysis.report.render import PageJob, PageResult

_TOLD = {"run": "made", "print": "printed anew", "keep": "up to date"}
_EDITIONS = {"@internal": "Headquarters' set", "@circulated": "The circulated edition"}
_MOST_LINES = 20


def steps_done(label: str, told: str) -> Callable[[int, int], None]:
    """Return what shows how many steps of a long job are done, with the time left."""
    bar = click.progressbar(length=0, label=label, show_pos=True, file=sys.stderr)

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            bar.length = total
            bar.update(done - bar.pos)
            if done == total:
                bar.render_finish()
        elif done:
            click.echo(f"[{done}/{total}] {told}", err=True)

    return show


class Progress:
    """A bar with failures and time left on a terminal, a plain line per branch in a log."""

    def __init__(self) -> None:
        self._done = self._failed = 0
        self.evaluated = steps_done("Evaluation", "steps of the evaluation done")

    def start(self, total: int) -> None:
        """Say how many pages there will be."""
        self._total = total
        self._bar: Any = (
            click.progressbar(
                length=total,
                label="Branches",
                show_pos=True,
                show_eta=True,
                item_show_func=lambda _: f"{self._failed} failed" if self._failed else None,
                file=sys.stderr,
            )
            if total and sys.stderr.isatty()
            else None
        )

    def __call__(self, result: PageResult) -> None:
        """Note one finished page."""
        self._done += 1
        self._failed += result.failed
        if self._bar is not None:
            self._bar.update(1, result)
            return
        state = "failed" if result.failed else _TOLD[result.action]
        line = f"[{self._done}/{self._total}] branch {result.branch_id} {state}"
        click.echo(f"{line} in {result.seconds:.1f} s", err=True)

    def finish(self) -> None:
        """Leave the bar's line."""
        if self._bar is not None:
            self._bar.render_finish()


def planned(jobs: Sequence[PageJob]) -> str:
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


def ended(run: ReportRun) -> str:
    """Return the table a run ends with: how many of each, and every failure."""
    well = [result for result in run.results if not result.failed]
    lines = [
        f"  {words:<14} {count:>6,}"
        for action, words in _TOLD.items()
        if (count := sum(result.action == action for result in well))
    ]
    lines += [f"  {'failed':<14} {len(run.failed):>6,}"] if run.failed else []
    lines += [
        f"{_EDITIONS.get(result.branch_id, f'Branch {result.branch_id}')} failed: {result.error}"
        for result in run.failed
    ]
    unmade = [b for b in run.missing if b not in {result.branch_id for result in run.failed}]
    if unmade:
        more = ", …" if len(unmade) > _MOST_LINES else ""
        lines.append(f"Not made yet: {', '.join(unmade[:_MOST_LINES])}{more}")
    asked = len(run.results) + len(unmade)
    return "\n".join([*lines, f"{len(well)} of {asked} reports in {run.folder}."])
