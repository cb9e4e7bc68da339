"""Files that appear whole or not at all: written beside their place, then renamed into it."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}(\.\w+)?")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a neighbour to write to; it takes the place of `path` only when the block ends well.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "measures.csv"
    >>> with whole(target) as beside:
    ...     _ = beside.write_text("measure,value")
    >>> target.read_text()
    'measure,value'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The ending stays last: writers such as papermill choose the format by it.
    beside = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield beside
        beside.replace(path)
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()


def remove_unfinished(folder: Path) -> None:
    """Remove what `whole` was writing in a folder when its process was killed.

    Only for folders in which nobody else is writing.
    """
    for path in folder.glob(".*"):
        if _UNFINISHED.fullmatch(path.name):
            path.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole."""
    with whole(path) as beside:
        beside.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a text file whole, in UTF-8 with plain line ends."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole, with sorted keys and Chinese as it is."""
    text = json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True)
    write_text(path, text + "\n")


def sha256(path: Path) -> str:
    """Return the hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
