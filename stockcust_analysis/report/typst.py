"""The border between Python and Typst: values go over as literals, a finished PDF comes back.

```
value ── literal ──> ("title": "…", "rows": (…),) ── template ──> source ── compile_pdf ──> PDF
```

`literal` is the only way data reach the typesetter. Inside a string literal nothing is markup, so
a branch named `#read("/etc/passwd")` prints as that text.
"""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

import typst

from stockcust_analysis.errors import TypesettingError
from stockcust_analysis.show.figures import font_folder

logger = logging.getLogger(__name__)

PDF_STANDARDS: Final = ("ua-1", "a-2a")
"""Every PDF is accessible (PDF/UA-1) and fit for the archive (PDF/A-2a)."""

_ESCAPES: Final = str.maketrans(
    {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\u{0}"}
)
_LARGEST_INTEGER: Final = 2**63


def literal(value: object) -> str:
    r"""Write a Python value as a Typst literal: text, numbers, yes and no, none, lists, mappings.

    >>> print(literal({"branch": '#read("/etc/passwd")', "rows": [["1"], []], "note": None}))
    ("branch": "#read(\"/etc/passwd\")", "rows": (("1",), (),), "note": none,)
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPES)}"'
    if isinstance(value, int) and abs(value) < _LARGEST_INTEGER:
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = "".join(f"{literal(str(key))}: {literal(each)}, " for key, each in value.items())
        return f"({pairs.removesuffix(' ')})" if value else "(:)"
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return f"({''.join(f'{literal(each)}, ' for each in value).removesuffix(' ')})"
    raise TypesettingError(f"{value!r:.60} cannot be handed to the typesetter: turn it into text.")


@cache
def _fonts(folders: tuple[Path, ...] = ()) -> typst.Fonts:
    """Load the pinned fonts once per process; Typst's own monospaced font is for code only."""
    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=True,
        font_paths=[*folders, font_folder()],
    )


def compile_pdf(
    source: str,
    *,
    files: Mapping[str, bytes] | None = None,
    as_of: date | None = None,
    font_folders: tuple[Path, ...] = (),
) -> bytes:
    """Typeset a Typst source into a PDF; the same source, files and date give the same bytes.

    `files` (figures, the layout) are all the source can read: it is set in a folder that holds
    nothing else. `font_folders` hold fonts besides the pinned ones. The PDF's creation date is
    `as_of`, never the clock.
    """
    stamp = datetime.combine(as_of or date(1970, 1, 1), time(), tzinfo=UTC)
    with tempfile.TemporaryDirectory(prefix="stockcust-") as root:
        for name, content in (files or {}).items():
            path = Path(root, PurePosixPath(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        compiler = typst.Compiler(
            root=root, font_paths=_fonts(font_folders), ignore_system_fonts=True
        )
        return _compiled(compiler, source, stamp)


def _compiled(compiler: typst.Compiler, source: str, stamp: datetime) -> bytes:
    """Run the typesetter; its warnings go to the log, its error becomes ours."""
    try:
        pdf, warnings = compiler.compile_with_warnings(
            input=_encoded(source),
            format="pdf",
            timestamp=stamp,
            pdf_standards=list(PDF_STANDARDS),
        )
    except typst.TypstError as error:
        hints = "".join(f" Hint: {hint}" for hint in error.hints)
        raise TypesettingError(f"the typesetter says: {error.message}.{hints}") from error
    for warning in warnings:
        logger.warning("typesetter: %s", warning.message)
    if not isinstance(pdf, bytes):
        raise TypesettingError("the typesetter returned no PDF.")
    return pdf


def _encoded(source: str) -> bytes:
    try:
        return source.encode()
    except UnicodeEncodeError as error:
        raise TypesettingError(
            f"a text holds half a character (U+{ord(source[error.start]):04X}): "
            "it was read with a wrong encoding."
        ) from error
