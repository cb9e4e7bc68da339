"""What a run leaves besides its pages: `evaluation/`, `manifest.json`, `run.json` and `run.log`.

An evaluation is taken over while its inputs are the same, else made anew: beside the old one, whose
place it takes in one step, so that no page ever reads half of each. A branch's page reads its slice
alone, a folder of its own inside the evaluation's, which is written when the page is about to be
made:

```
evaluation/                 all branches
evaluation/branches/B001/   the rows of B001 and of the whole bank, written just before its page
```

The manifest says what the files were made of: the same input, policy, notebook and packages give
the same manifest, byte for byte. Times, people, processes and memory differ from run to run; they
stand in `run.json` when the run has ended, and in `run.log` line by line while it goes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from stockcust_analysis.bank.source import Bank
from stockcust_analysis.core.files import make_file, sha256, user_name, write_json
from stockcust_analysis.errors import UsageError, Words, say
from stockcust_analysis.evaluation.policy_check import read_policy
from stockcust_analysis.evaluation.results import WHOLE_BANK, Evaluation
from stockcust_analysis.evaluation.worklists import Lists
from stockcust_analysis.report import plan
from stockcust_analysis.report.plan import PageRecord, ReportOptions, read_json
from stockcust_analysis.report.render import PageResult
from stockcust_analysis.show.blocks import FONT_HASHES

STAMP: Final = "made_from.json"
"""The file beside tables that holds the digest of all they were made from."""
MANIFEST: Final = "manifest.json"
RUN: Final = "run.json"
MEASURES_SCHEMA: Final = 1
"""Of the columns of measures.csv, which `docs/reference/measures-csv.md` promises."""
_PARAMETERS: Final = "quarter policy language brand first_quarter notebook circulated"
_SLOWEST: Final = 10
_package_logger = logging.getLogger("stockcust_analysis")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportRun:
    """Where the output stands, how each page ended, and which no run has made yet.

    `headquarters` says how each edition of headquarters' set ended; a shard makes none.
    """

    folder: Path
    results: tuple[PageResult, ...]
    missing: tuple[str, ...] = ()
    headquarters: tuple[PageResult, ...] = ()

    @property
    def failed(self) -> tuple[PageResult, ...]:
        """The pages that could not be made, headquarters' among them."""
        return tuple(page for page in (*self.results, *self.headquarters) if page.failed)


@dataclass(frozen=True)
class EvaluationCache:
    """An evaluation in its folder, and the digest of each branch's slice of it.

    With the work lists where it is new: they name customers, and are kept in no evaluation.
    """

    folder: Path
    evaluation: Evaluation
    slices: Mapping[str, str]
    is_new: bool
    lists: Lists | None = None

    @cached_property
    def stamp(self) -> str:
        """One hash of what it was made from and says to branches: read once, for every one asks."""
        return plan.digest_of(read_json(self.folder / STAMP) | {"tables": ""})

    def promote(self, folder: Path, *, shared: bool) -> EvaluationCache:
        """Let a new evaluation take the place of the one in a folder.

        One that shards share stays where it is the same: their pages are reading it.
        """
        if not self.is_new:
            return self
        known = plan.folder_digest(folder) if shared and folder.exists() else ""
        if known != plan.folder_digest(self.folder):
            old = folder.with_name(f".{folder.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            if folder.exists():
                folder.rename(old)
            self.folder.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        return replace(self, folder=folder)

    def write_slice(self, branch_id: str) -> None:
        """Write a branch's slice, where it is not there yet."""
        folder = plan.slice_folder(self.folder, branch_id)
        if read_stamp(folder).get("slice") != self.slices[branch_id]:
            shutil.rmtree(folder, ignore_errors=True)
            self.evaluation.of_branch(branch_id).save(folder)
            write_stamp(folder, {"slice": self.slices[branch_id]})


def write_stamp(folder: Path, facts: dict[str, Any]) -> None:
    """Write beside tables what they were made from, and their own hash."""
    write_json(folder / STAMP, facts | {"tables": plan.folder_digest(folder, STAMP)})


def read_stamp(folder: Path) -> dict[str, Any]:
    """Return what tables were made from; nothing where they are not as they were written."""
    facts = read_json(folder / STAMP)
    touched = "tables" in facts and facts["tables"] != plan.folder_digest(folder, STAMP)
    return {} if touched else facts


def slice_digests(evaluation: Evaluation) -> dict[str, str]:
    """Return branch → one hash of all that its page may read, without making any slice."""
    facts = (str(evaluation.quarter), evaluation.bank_name, dict(evaluation.policy_facts))
    common = hashlib.sha256(repr(facts).encode())
    parts: list[tuple[np.ndarray, dict[str, np.ndarray]]] = []
    for table in fields(evaluation):
        frame = getattr(evaluation, table.name)
        if not isinstance(frame, pd.DataFrame) or frame.empty or table.name == "cells":
            continue
        common.update(f"{table.name} {list(frame)} ".encode())
        hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
        rows = evaluation.rows_by_branch.get(table.name)
        common.update((hashes if rows is None else hashes[rows.get(WHOLE_BANK, [])]).tobytes())
        if rows is not None:
            parts.append((hashes, rows))
    digests = {}
    for branch_id in evaluation.branches["branch_id"]:
        own = common.copy()
        for hashes, rows in parts:
            own.update(b"|" + hashes[rows.get(branch_id, [])].tobytes())
        digests[branch_id] = own.hexdigest()
    return digests


def made_from(bank: Bank, options: ReportOptions) -> str:
    """Return a digest of all that an evaluation depends on."""
    return plan.digest_of(
        {
            "bank": bank.name,
            "inputs": {entry.name: entry.fingerprint for entry in bank.inputs},
            "quarter": options.quarter,
            "policy": read_policy(options.policy).digest,
            "first_quarter": options.first_quarter,
            "packages": plan.package_versions(),
            "code": plan.package_digest(),
        }
    )


def write_manifest(
    folder: Path,
    *,
    bank: Bank,
    evaluation: Evaluation,
    options: ReportOptions,
    records: Mapping[str, PageRecord],
    outputs: Sequence[Path],
) -> None:
    """Write what the quarter's files were made of; no time, no number of workers.

    Of people it names those who signed the pages, for they stand there.

    `records` are the finished pages, `outputs` all files that are delivered.
    """
    missing = [branch for branch in evaluation.branches["branch_id"] if branch not in records]
    # Executed notebooks carry time stamps.
    hashed = sorted(path for path in outputs if path.suffix != ".ipynb")
    write_json(
        folder / MANIFEST,
        {
            "quarter": str(evaluation.quarter),
            "measures_schema": MEASURES_SCHEMA,
            "parameters": {name: getattr(options, name) for name in _PARAMETERS.split()},
            "status": plan.least_status(records.values()),
            "policy": evaluation.policy_facts,
            "inputs": {entry.name: entry.fingerprint for entry in bank.inputs},
            **({"set_aside": list(map(str, bank.set_aside))} if bank.set_aside else {}),
            "notebook": sha256(plan.notebook_path(options.notebook)),
            "packages": plan.package_versions(),
            "code": plan.package_digest(),
            "fonts": FONT_HASHES,
            "look": options.look,
            "branches": {
                branch_id: {
                    "made_from": record.made_from,
                    "status": record.status,
                    **({"people": record.people} if record.people else {}),
                }
                for branch_id, record in records.items()
            },
            **({"missing": missing} if missing else {}),
            "outputs": {path.relative_to(folder).as_posix(): sha256(path) for path in hashed},
            "evaluation": evaluation_digests(folder, records),
        },
    )


def evaluation_digests(folder: Path, branches: Iterable[str]) -> dict[str, str]:
    """Return the hashes of the tables that a quarter's figures are explained from.

    Those of all branches file by file, of the slices of the branches given one each.
    """
    evaluation = folder / plan.EVALUATION
    tables = [evaluation.glob(f"{name}*.*") for name in ("", "headquarters/", "circulated/")]
    slices = (plan.slice_folder(evaluation, branch) for branch in branches)
    paths = sorted(chain(*tables, slices))
    return {path.relative_to(folder).as_posix(): _digest(path) for path in paths}


def _digest(path: Path) -> str:
    return plan.folder_digest(path) if path.is_dir() else sha256(path)


def differences(folder: Path, known: Mapping[str, str]) -> Iterator[Words]:
    """Yield which files, or folders of tables, are missing or not as a manifest knows them."""
    for name, expected in known.items():
        if not (folder / name).exists():
            yield say("file_gone", name)
        elif _digest(folder / name) != expected:  # a work list is there to be filled in
            yield say("list_changed" if name.endswith(plan.WORKLISTS) else "file_changed", name)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what the manifest of a quarter's folder says; UsageError where there is none.

    `files` are its outputs and tables as one, each with its hash.
    """
    if os.path.lexists(folder / MANIFEST):
        (folder / MANIFEST).open().close()  # one that may not be read is there
    if facts := read_json(folder / MANIFEST):
        return facts | {"files": facts["outputs"] | facts.get("evaluation", {})}
    raise UsageError(say("no_manifest", folder, MANIFEST))


def write_run(run: ReportRun, records: Mapping[str, PageRecord], seconds: float, by: str) -> None:
    """Write the run's summary: who and when, what each page took, what failed, what was slow.

    Headquarters' editions count as pages; `by` gives the status.
    """
    status = plan.least_status(records.values())
    branches: dict[str, Any] = {
        branch_id: {"seconds": record.seconds, "peak_megabytes": record.peak_megabytes}
        for branch_id, record in records.items()
    }
    for page in run.results:
        if page.failed:
            branches[page.branch_id] = {"seconds": round(page.seconds, 2), "error": page.error}
    pages = [*run.results, *run.headquarters]
    ends = Counter("failed" if page.failed else page.action for page in pages)
    write_json(
        run.folder / RUN,
        {
            "finished": _now(),
            "user": user_name(),
            "host": socket.gethostname(),
            "cores": os.cpu_count(),
            "seconds": round(seconds, 1),
            "status": status,
            "status_history": _status_history(run.folder / RUN, status, by or user_name()),
            "summary": {end: ends[end] for end in ("run", "print", "keep", "failed")},
            "branches": branches,
            "headquarters": {
                page.edition: {
                    "seconds": round(page.seconds, 2),
                    "action": page.action,
                    "error": page.error,
                }
                for page in run.headquarters
            },
            "slowest_cells": _slowest_cells(records.values()),
        },
    )


def _slowest_cells(records: Iterable[PageRecord]) -> list[Any]:
    """Return the notebook's slowest cells over all pages, by their mean time."""
    names = ["cell", "source", "seconds"]
    timed = pd.DataFrame([c for record in records for c in record.slowest_cells], columns=names)
    how = {"mean_seconds": "mean", "longest_seconds": "max", "pages": "size"}
    cells = timed.groupby(names[:2], sort=False, as_index=False)
    table = cells.agg(**{name: ("seconds", function) for name, function in how.items()}).round(3)
    slowest = table.sort_values("mean_seconds", ascending=False, kind="stable")
    return slowest[:_SLOWEST].to_dict("records")


def _status_history(path: Path, status: str, by: str) -> list[dict[str, str]]:
    """Return who gave the quarter which review status, and when; one line more if it changed."""
    history: list[dict[str, str]] = read_json(path).get("status_history", [])
    if not history or history[-1]["status"] != status:
        history.append({"status": status, "by": by, "at": _now()})
    return history


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def log_event(event: str, **facts: Any) -> None:
    """Write one line to the log of the run."""
    _logger.info(event, extra={"facts": facts})


@contextmanager
def run_log(path: Path) -> Iterator[None]:
    """Append what this package logs to a file of JSON lines while the block runs."""
    make_file(path)
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.handleError = lambda record: None  # type: ignore[method-assign]  # no run fails of it
    handler.setFormatter(_JsonLine())
    level = _package_logger.level
    _package_logger.addHandler(handler)
    _package_logger.setLevel(logging.INFO)
    try:
        yield
    except BaseException as error:
        log_event("broken off", reason=type(error).__name__)
        raise
    finally:
        _package_logger.removeHandler(handler)
        _package_logger.setLevel(level)
        handler.close()


def has_ended(path: Path) -> bool:
    """Return whether the last run in a log went on to its end, or there is no log."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return not lines or '"event": "ended"' in lines[-1]


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
