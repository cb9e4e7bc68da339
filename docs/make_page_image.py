"""Draw the README's picture: the first page of a sample branch's report, from its notebook.

stockcust report data/sample --quarter 2026Q3 --branch B002
python docs/make_page_image.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import typst

from stockcust_analysis.report.exporter import TypstExporter
from stockcust_analysis.show.fonts import font_folder

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "reports" / "2026Q3" / "branches" / "B002" / "report.ipynb"
PICTURE = ROOT / "docs" / "images" / "branch-report.png"
PIXELS_PER_INCH = 96


def main() -> None:
    """Typeset the notebook and write its first page as PNG."""
    exporter: Any = TypstExporter
    source, resources = exporter().from_filename(str(NOTEBOOK))
    fonts = typst.Fonts(include_system_fonts=False, font_paths=[font_folder()])
    with tempfile.TemporaryDirectory() as folder:
        for name, content in resources["outputs"].items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        compiler = typst.Compiler(root=folder, font_paths=fonts, ignore_system_fonts=True)
        pages = compiler.compile(input=source.encode(), format="png", ppi=PIXELS_PER_INCH)
    PICTURE.write_bytes(pages[0] if isinstance(pages, list) else pages)


if __name__ == "__main__":
    main()
