"""Make the example report and the README's picture of it, from the sample bank.

python docs/make_page_image.py

Writes reports/example/branch_report.pdf and docs/images/branch-report.png. Made again with the same
package and locks, both have the same bytes.
"""

from __future__ import annotations

import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import typst
from PIL import Image

from stockcust_analysis import open_bank
from stockcust_analysis.core.files import write_bytes
from stockcust_analysis.report.exporter import TypstExporter
from stockcust_analysis.report.quarter import ReportOptions, make_reports
from stockcust_analysis.show.blocks import font_folder

ROOT = Path(__file__).resolve().parent.parent
BRANCH, QUARTER = "B003", "2026Q3"
EXAMPLE = ROOT / "reports" / "example" / "branch_report.pdf"
PICTURE = ROOT / "docs" / "images" / "branch-report.png"
PIXELS_PER_INCH, PAGES, GAP = 84, (0, 4), 12
FINER = 3  # pages are drawn so many times larger and made smaller: small lettering stays whole


def main() -> None:
    """Report one branch; keep its PDF, and two of its pages side by side as a picture."""
    with tempfile.TemporaryDirectory() as folder, open_bank(ROOT / "data" / "sample") as bank:
        options = ReportOptions(quarter=QUARTER, branches=(BRANCH,), status="issued")
        made = make_reports(bank, options, out=Path(folder)).folder / "branches" / BRANCH
        write_bytes(EXAMPLE, (made / "report.pdf").read_bytes())
        pages = page_images(made / "report.ipynb")
    write_bytes(PICTURE, side_by_side([pages[number] for number in PAGES]))


def page_images(notebook: Path) -> list[bytes]:
    """Typeset an executed notebook and return its pages as PNG."""
    exporter: Any = TypstExporter
    source, resources = exporter(status="issued").from_filename(str(notebook))
    fonts = typst.Fonts(include_system_fonts=False, font_paths=[font_folder()])
    with tempfile.TemporaryDirectory() as folder:
        for name, content in resources["outputs"].items():
            (Path(folder) / name).write_bytes(content)
        compiler = typst.Compiler(root=folder, font_paths=fonts, ignore_system_fonts=True)
        pages = compiler.compile(input=source.encode(), format="png", ppi=FINER * PIXELS_PER_INCH)
    return pages if isinstance(pages, list) else [pages]


def side_by_side(pages: list[bytes]) -> bytes:
    """Return pages as one PNG of few colours, with a grey gap between them."""
    images = [Image.open(BytesIO(page)).convert("RGB").reduce(FINER) for page in pages]
    width = sum(image.width for image in images) + GAP * (len(images) + 1)
    sheet = Image.new("RGB", (width, images[0].height + 2 * GAP), "#d5dde5")
    left = GAP
    for image in images:
        sheet.paste(image, (left, GAP))
        left += image.width + GAP
    stream = BytesIO()
    sheet.quantize(200, Image.Quantize.MAXCOVERAGE).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


if __name__ == "__main__":
    main()
