"""How far a batch is: a bar with time left on a terminal, a plain line a branch in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from stockcust_analysis.report.render import PageResult


def pieces_written() -> Callable[[int, int], None]:
    """Return what shows how many pieces of a large table are written."""
    bar = click.progressbar(length=0, label="Pieces", show_pos=True, file=sys.stderr)

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            bar.length = total
            bar.update(done - bar.pos)
            if done == total:
                bar.render_finish()
        elif done:
            click.echo(f"[{done}/{total}] pieces written", err=True)

    return show


class Progress:
    """A bar with time left on a terminal, a plain line per branch in a log."""

    def __init__(self) -> None:
        self._done = 0

    def start(self, total: int) -> None:
        """Say how many pages there will be."""
        self._total = total
        self._bar = (
            click.progressbar(length=total, label="Branches", show_pos=True, file=sys.stderr)
            if sys.stderr.isatty()
            else None
        )

    def __call__(self, result: PageResult) -> None:
        """Note one finished page."""
        self._done += 1
        if self._bar is not None:
            self._bar.update(1)
            return
        state = "failed" if result.failed else "done"
        line = f"[{self._done}/{self._total}] branch {result.branch_id} {state}"
        click.echo(f"{line} in {result.seconds:.1f} s", err=True)

    def finish(self) -> None:
        """Leave the bar's line."""
        if self._bar is not None:
            self._bar.render_finish()
