"""The two font files every chart and page is set in, found inside the `mpl-font` wheel.

Noto Sans CJK SC, regular and bold (SIL Open Font License). The files are pinned by hash, because
the same text must give the same bytes wherever the report is made; system fonts are never used.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from stockcust_analysis.errors import ReportError

FONT_FAMILY: Final = "Noto Sans CJK SC"

FONT_HASHES: Final = {
    "NotoSansCJKsc-Regular.otf": "1652500938055a232cfbfa321de6ebaadfc5635dd9f75e369bc991d14a6512dd",
    "NotoSansCJKsc-Bold.otf": "9cd6c106d54cec938405ae19388cb4bc685ad2ff0270d03358bf61aa67e1ccb9",
}
"""SHA-256 of each font file, as recorded in a run's manifest."""


@cache
def font_folder() -> Path:
    """Return the folder that holds the pinned fonts; an error if a file is missing or another.

    The wheel's module is located but not imported: importing it would change Matplotlib's fonts.
    """
    wheel = find_spec("mpl_font")
    if wheel is None or wheel.origin is None:
        raise ReportError("the report fonts are missing: install the package 'mpl-font' 1.1.0.")
    folder = Path(wheel.origin).parent / "fonts" / "noto"
    for name, expected in FONT_HASHES.items():
        path = folder / name
        if not path.is_file():
            raise ReportError(f"the font file {name} is missing: reinstall 'mpl-font' 1.1.0.")
        if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise ReportError(
                f"the font file {name} is not the pinned one (SHA-256 differs): "
                "install exactly 'mpl-font' 1.1.0."
            )
    return folder


def font_files() -> tuple[Path, ...]:
    """Return the paths of the pinned font files, regular first."""
    return tuple(font_folder() / name for name in FONT_HASHES)
