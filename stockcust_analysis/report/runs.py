"""How a run went: `run.log` line by line while it goes, `run.json` when it has ended.

Times, people, processes and memory stand here and nowhere else: they differ from run to run.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from stockcust_analysis.atomic import make_file, write_json
from stockcust_analysis.report.records import PageRecord, status_of
from stockcust_analysis.report.render import PageResult
from stockcust_analysis.report.scratch import user_name

RUN: Final = "run.json"
_SLOWEST: Final = 10
_package = logging.getLogger("stockcust_analysis")
_logger = logging.getLogger(__name__)


def note(event: str, **facts: Any) -> None:
    """Write one line to the log of the run."""
    _logger.info(event, extra={"facts": facts})


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Append what this package logs to a file of JSON lines while the block runs."""
    make_file(path)
    handler = _Lines(path, encoding="utf-8", delay=True)
    handler.setFormatter(_JsonLine())
    level = _package.level
    _package.addHandler(handler)
    _package.setLevel(logging.INFO)
    try:
        yield
    except BaseException as error:
        note("broken off", reason=type(error).__name__)
        raise
    finally:
        _package.removeHandler(handler)
        _package.setLevel(level)
        handler.close()


class _Lines(logging.FileHandler):
    """A log that nobody can write to must not be what a run fails of."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - its name there
        """Let the line go."""


class _JsonLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "pid": record.process,
            **getattr(record, "facts", {}),
        }
        return json.dumps(line, ensure_ascii=False)


def write_run(
    folder: Path,
    records: Mapping[str, PageRecord],
    results: Sequence[PageResult],
    headquarters: Sequence[PageResult] = (),
    *,
    seconds: float,
) -> None:
    """Write the run's summary: who and when, what each page took, what failed, what was slow.

    `headquarters` are its editions, which the summary counts as pages.
    """
    status = status_of(records)
    write_json(
        folder / RUN,
        {
            "finished": _now(),
            "user": user_name(),
            "host": socket.gethostname(),
            "cores": os.cpu_count(),
            "seconds": round(seconds, 1),
            "status": status,
            "status_history": _status_history(folder / RUN, status),
            "summary": summary([*results, *headquarters]),
            "branches": {**_made(records), **_failed(results)},
            "headquarters": {
                result.branch_id.removeprefix("@"): {
                    "seconds": round(result.seconds, 2),
                    "action": result.action,
                    "error": result.error,
                }
                for result in headquarters
            },
            "slowest_cells": slowest(records.values()),
        },
    )


def summary(results: Sequence[PageResult]) -> dict[str, int]:
    """Return how many pages were run, printed again, kept, and how many failed."""
    well = [result.action for result in results if not result.failed]
    counted = {action: well.count(action) for action in ("run", "print", "keep")}
    return {**counted, "failed": len(results) - len(well)}


def slowest(records: Iterable[PageRecord]) -> list[dict[str, Any]]:
    """Return the notebook's slowest cells over all pages, by their mean time."""
    seconds: defaultdict[tuple[int, str], list[float]] = defaultdict(list)
    for record in records:
        for cell in record.slowest_cells:
            seconds[cell["cell"], cell["source"]].append(cell["seconds"])
    told: list[dict[str, Any]] = [
        {"cell": cell, "source": source, "mean_seconds": round(sum(s) / len(s), 3),
         "longest_seconds": max(s), "pages": len(s)}
        for (cell, source), s in seconds.items()
    ]  # fmt: skip
    return sorted(told, key=lambda row: -row["mean_seconds"])[:_SLOWEST]


def _made(records: Mapping[str, PageRecord]) -> dict[str, dict[str, Any]]:
    return {
        branch_id: {"seconds": record.seconds, "peak_megabytes": record.peak_megabytes}
        for branch_id, record in records.items()
    }


def _failed(results: Sequence[PageResult]) -> dict[str, dict[str, Any]]:
    return {
        result.branch_id: {"seconds": round(result.seconds, 2), "error": result.error}
        for result in results
        if result.failed
    }


def _status_history(path: Path, status: str) -> list[dict[str, str]]:
    """Return who gave the quarter which review status, and when; one line more if it changed."""
    try:
        history: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))[
            "status_history"
        ]
    except (OSError, ValueError, KeyError):
        history = []
    if not history or history[-1]["status"] != status:
        history.append({"status": status, "by": user_name(), "at": _now()})
    return history


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
