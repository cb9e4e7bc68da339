"""Chinese text files as banks deliver them: UTF-8, with or without BOM, or GB18030/GBK.

The encoding is found out by looking at the whole file, never asked.
"""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

_BLOCK = 1 << 20
_CANDIDATES = ("utf-8", "gb18030")
# What is left where GBK bytes were decoded as UTF-8 with replacement, and encoded once more.
_DAMAGE = ("\ufffd", "锟斤拷")


def open_bytes(path: Path) -> BinaryIO:
    """Open a plain or gzip-compressed file for reading bytes."""
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def detect_encoding(path: Path) -> str | None:
    """Return 'utf-8' or 'gb18030', whichever reads the whole file; None when neither does."""
    for encoding in _CANDIDATES:
        with suppress(UnicodeDecodeError):
            for _ in decoded_blocks(path, encoding):
                pass
            return encoding
    return None


def decoded_blocks(path: Path, encoding: str) -> Iterator[str]:
    """Yield the file's text in blocks; UnicodeDecodeError where the bytes do not fit."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_bytes(path) as file:
        while block := file.read(_BLOCK):
            yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


def damaged_rows(path: Path, encoding: str) -> list[int]:
    """Return the rows (header = 1) whose characters were lost in an earlier conversion."""
    rows: list[int] = []
    ended = 0
    for block in decoded_blocks(path, encoding):
        if any(mark in block for mark in _DAMAGE):
            lines = enumerate(block.split("\n"), start=ended + 1)
            rows += [row for row, line in lines if any(mark in line for mark in _DAMAGE)]
        ended += block.count("\n")
    return rows


def write_utf8(path: Path, encoding: str, target: Path) -> None:
    """Write the file's text to `target` as plain UTF-8."""
    with target.open("w", encoding="utf-8", newline="") as out:
        for block in decoded_blocks(path, encoding):
            out.write(block)
