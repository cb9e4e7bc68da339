"""What is known of a finished page: what it was made from, its files, what it took.

A page's record is written after its files. It is how an interrupted batch, another shard or the
next run knows that the page is there and up to date; it carries times, so no manifest lists it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stockcust_analysis.atomic import sha256, write_json

if TYPE_CHECKING:
    from nbformat import NotebookNode

STATUSES = ("draft", "reviewed", "issued")
_CELLS_KEPT = 5


@dataclass(frozen=True)
class PageRecord:
    """One finished page. `files` maps the names of its files to their hashes."""

    branch_id: str
    made_from: str
    status: str
    files: dict[str, str]
    seconds: float
    look: str = ""
    peak_megabytes: float | None = None
    slowest_cells: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(
        cls, branch_id: str, *, made_from: str, status: str, files: Sequence[Path],
        seconds: float, **facts: Any,
    ) -> PageRecord:  # fmt: skip
        """Describe a page whose files are in place."""
        hashes = {path.name: sha256(path) for path in files}
        return cls(branch_id, made_from, status, hashes, round(seconds, 2), **facts)

    def is_whole(self, folder: Path) -> bool:
        """Tell whether every file is in the folder and as it was written."""
        return all(
            (folder / name).is_file() and sha256(folder / name) == known
            for name, known in self.files.items()
        )


def least_status(statuses: Iterable[str]) -> str:
    """Return the review status that every page has reached."""
    return min(statuses, key=STATUSES.index, default=STATUSES[0])


def status_of(records: Mapping[str, PageRecord]) -> str:
    """Return the review status of a quarter: the least of its pages'."""
    return least_status(record.status for record in records.values())


def write_record(path: Path, record: PageRecord) -> None:
    """Write a page's record whole."""
    write_json(path, asdict(record))


def read_record(path: Path) -> PageRecord | None:
    """Read a page's record; None when there is none, or none that this version understands."""
    try:
        return PageRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def slowest_cells(notebook: NotebookNode) -> list[dict[str, Any]]:
    """Return the cells that took longest, from the times papermill notes: place, words, seconds."""
    timed = [
        {
            "cell": position,
            "source": cell.source.strip().split("\n")[-1][:80],
            "seconds": round(cell.metadata.papermill.duration or 0.0, 3),
        }
        for position, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and "papermill" in cell.metadata
    ]
    return sorted(timed, key=lambda cell: -cell["seconds"])[:_CELLS_KEPT]
