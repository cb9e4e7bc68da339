"""Notebooks made by hand, and what their PDF says when it is read back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from io import BytesIO
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from pypdf import PdfReader

from stockcust_analysis import show
from stockcust_analysis.report.exporter import TypstPDFExporter

COVER = show.document(
    title="存量客户季度评价报告",
    subtitle="2026年第三季度",
    organisation="示例农村商业银行",
    branch="城关支行",
    as_of=date(2026, 9, 30),
    run_facts={"运行编号": "2026Q3-BR003", "口径": "第2版"},
)

SQUARE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40">'
    '<rect width="60" height="40" fill="#1f4e79"/><text x="5" y="20">{}</text></svg>'
)


def words(text: str, *tags: str) -> NotebookNode:
    """Return a markdown cell."""
    return new_markdown_cell(text, metadata={"tags": list(tags)})


def shown(value: Any, *tags: str) -> NotebookNode:
    """Return an executed cell that shows a value the way the notebook displays it."""
    bundle = value._repr_mimebundle_()
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    return displayed(data, *tags, metadata=metadata)


def displayed(
    data: dict[str, Any], *tags: str, metadata: dict[str, Any] | None = None
) -> NotebookNode:
    """Return an executed cell whose output has these forms."""
    output = new_output("display_data", data=data, metadata=metadata or {})
    return new_code_cell("shown_by_code()", outputs=[output], metadata={"tags": list(tags)})


def notebook(*cells: NotebookNode, **metadata: Any) -> NotebookNode:
    """Return a notebook of these cells."""
    return new_notebook(cells=list(cells), metadata=metadata)


@dataclass(frozen=True)
class Printed:
    """A PDF read back."""

    content: bytes

    @property
    def reader(self) -> PdfReader:
        """Return the file as pypdf reads it."""
        return PdfReader(BytesIO(self.content))

    def pages(self) -> list[str]:
        """Return each page's text without spaces: those are a matter of justification."""
        return self._pages

    @cached_property
    def _pages(self) -> list[str]:
        return ["".join(page.extract_text().split()) for page in self.reader.pages]

    def text(self) -> str:
        """Return the text of all pages."""
        return "".join(self.pages())

    def fonts_of(self, word: str) -> set[str]:
        """Return the fonts a word is set in, without the six letters that mark a subset."""
        found: set[str] = set()

        def visit(text: str, _: Any, __: Any, font: Any, ___: Any) -> None:
            if word in text:
                found.add(str(font["/BaseFont"]).split("+")[-1])

        for page in self.reader.pages:
            page.extract_text(visitor_text=visit)
        return found

    def structure(self) -> Iterator[Any]:
        """Yield every element of the tag tree a screen reader follows."""
        waiting = [self.reader.trailer["/Root"]["/StructTreeRoot"]]
        while waiting:
            element = waiting.pop().get_object()
            if isinstance(element, list):
                waiting.extend(element)
            elif isinstance(element, dict):
                yield element
                waiting.extend([element["/K"]] if "/K" in element else [])


def printed(*cells: NotebookNode, language: str = "", status: str = "", **metadata: Any) -> Printed:
    """Print a notebook of these cells."""
    exporter = TypstPDFExporter(language=language, status=status)
    pdf, _ = exporter.from_notebook_node(notebook(*cells, **metadata))
    return Printed(pdf)
