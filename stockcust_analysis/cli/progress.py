"""How far a batch is, what it will do and how it ended: a bar on a terminal, lines in a log.

Heavy to import: commands import it when they run.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from stockcust_analysis.report.quarter import ReportRun
from stockcust_analysis.report.render import PageJob, PageResult

_STATES = {"run": "made", "print": "printed anew", "keep": "up to date"}
_EDITIONS = {"@internal": "Headquarters' set", "@circulated": "The circulated edition"}
_STEPS = {
    "evaluation": "steps of the evaluation done",
    "headquarters": "steps of headquarters' set done",
}
_MOST_LINES = 20


class TerminalProgress:
    """Bars with failures and time left on a terminal, plain lines in a log."""

    def __init__(self) -> None:
        self._bars: dict[str, Any] = {}
        self._failed = 0

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
                label=stage.capitalize(),
                show_pos=True,
                item_show_func=lambda _: f"{self._failed} failed" if self._failed else None,
                file=sys.stderr,
            )
        bar = self._bars[stage]
        bar.update(done - bar.pos, page)
        if done == total:
            bar.render_finish()

    def _write_line(self, stage: str, done: int, total: int, page: PageResult | None) -> None:
        if page is not None:
            end = "failed" if page.failed else _STATES[page.action]
            subject = _name(page) if page.edition else f"[{done}/{total}] branch {page.branch_id}"
            click.echo(f"{subject} {end} in {page.seconds:.1f} s", err=True)
        elif done and stage in _STEPS:
            click.echo(f"[{done}/{total}] {_STEPS[stage]}", err=True)


def _name(page: PageJob | PageResult) -> str:
    return _EDITIONS.get(page.branch_id, f"Branch {page.branch_id}")


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
    counts = Counter(_STATES[result.action] for result in done)
    counts["failed"] = len(run.failed)
    ends = (*_STATES.values(), "failed")
    lines = [f"  {end:<14} {counts[end]:>6,}" for end in ends if counts[end]]
    lines += [f"{_name(page)} failed: {page.error}" for page in run.failed]
    failed = {page.branch_id for page in run.failed}
    unmade = [branch for branch in run.missing if branch not in failed]
    if unmade:
        more = ", …" if len(unmade) > _MOST_LINES else ""
        lines.append(f"Not made yet: {', '.join(unmade[:_MOST_LINES])}{more}")
    total = len(run.results) + len(unmade)
    return "\n".join([*lines, f"{len(done)} of {total} reports in {run.folder}."])
