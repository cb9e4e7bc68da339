"""A notebook read as a page: cells and outputs in, plain blocks and picture files out.

```
notebook ── read_page ──> Page(document, blocks, files) ── template ──> Typst
```

Every block is plain values with a `kind`; the layout has one function for each kind.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nbconvert.filters import strip_ansi
from nbformat import NotebookNode

from stockcust_analysis.errors import MissingAltTextError, ReportError
from stockcust_analysis.report.layout import arranged, first_heading, has_numbers
from stockcust_analysis.report.markdown import READERS, Block, Inline, read_texts
from stockcust_analysis.show.blocks import (
    DOCUMENT_MIME,
    KEY_FIGURES_MIME,
    SENTENCES_MIME,
    TABLE_MIME,
    Document,
)
from stockcust_analysis.show.figures import SVG_MIME

logger = logging.getLogger(__name__)

_DATA: Final = {TABLE_MIME: "table", KEY_FIGURES_MIME: "key-figures", SENTENCES_MIME: "sentences"}
_PICTURES: Final = {SVG_MIME: "svg", "image/png": "png", "image/jpeg": "jpg"}
PRIORITY: Final = (
    DOCUMENT_MIME,
    *_DATA,
    *_PICTURES,
    "text/markdown",
    "text/html",
    "text/plain",
)
"""Of an output's forms, the first of these is printed."""


@dataclass(frozen=True)
class Page:
    """What is printed: facts of the document, blocks in order, pictures by file name."""

    document: dict[str, Any]
    blocks: list[Block]
    files: Mapping[str, bytes]
    is_report: bool


def document_facts(notebook: NotebookNode) -> dict[str, Any] | None:
    """Return what the notebook's first `document(…)` output says, or None for other notebooks."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if DOCUMENT_MIME in output.get("data", {}):
                return dict(output.data[DOCUMENT_MIME])
    return None


@dataclass
class Reading:
    """The state of reading one notebook: blocks and files so far, texts still to be read.

    Words are not read cell by cell: they wait here as `{"kind": "words"}` blocks, and go through
    pandoc together.
    """

    requires_alt: bool
    shows_code: bool
    blocks: list[Block] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    def cell(self, number: int, cell: NotebookNode) -> None:
        """Read one cell; raw cells are left out, so no raw Typst comes in by them."""
        if cell.cell_type == "markdown":
            self._words("markdown", cell.source, cell.get("attachments", {}))
        elif cell.cell_type == "code":
            hidden = cell.metadata.get("transient", {}).get("remove_source", False)
            if self.shows_code and not hidden and cell.source.strip():
                self.blocks.append({"kind": "code", "text": cell.source})
            for output in cell.outputs:
                self._output(number, output)

    def _words(self, reader: str, text: str, attachments: Mapping[str, Any]) -> None:
        self.blocks.append(
            {"kind": "words", "reader": reader, "text": text, "attachments": attachments}
        )

    def _output(self, number: int, output: NotebookNode) -> None:
        if output.output_type == "stream":
            if output.name == "stderr":
                logger.warning("cell %d wrote to stderr; this is not printed.", number)
            else:
                self._printed(output.text)
        elif output.output_type == "error":
            self._printed("\n".join(output.traceback) or f"{output.ename}: {output.evalue}")
        else:
            self._display(number, output)

    def _printed(self, text: str) -> None:
        self.blocks.append({"kind": "output", "text": strip_ansi(text).strip("\n")})

    def _display(self, number: int, output: NotebookNode) -> None:
        mime = next((each for each in PRIORITY if each in output.data), None)
        if mime is None:
            logger.warning("cell %d shows %s; none can be printed.", number, list(output.data))
        elif mime in _DATA:
            self.blocks.append({"kind": _DATA[mime], **output.data[mime]})
        elif mime in _PICTURES:
            self.blocks.append(self._picture(number, mime, output))
        elif mime in ("text/markdown", "text/html"):
            self._words(mime.removeprefix("text/"), output.data[mime], {})
        elif mime == "text/plain":
            self._printed(output.data[mime])

    def _picture(self, number: int, mime: str, output: NotebookNode) -> Block:
        facts = {**output.metadata.get(mime, {}), **output.metadata}
        alt, caption = str(facts.get("alt", "")), str(facts.get("caption", ""))
        if self.requires_alt and not (alt and caption):
            raise MissingAltTextError(
                f"cell {number} shows a picture without alternative text or caption: end the cell "
                "with show.figure(axes, alt=…, caption=…)."
            )
        path = self._file(mime, output.data[mime])
        alt = alt or output.data.get("text/plain", "") or f"cell {number}"
        half = bool(facts.get("half", False))
        return {"kind": "image", "path": path, "alt": alt, "caption": caption, "half": half}

    def _file(self, mime: str, content: str) -> str:
        """Keep a picture's bytes, and return the file name the page knows it by."""
        path = f"picture-{len(self.files) + 1}.{_PICTURES[mime]}"
        try:
            self.files[path] = content.encode() if mime == SVG_MIME else base64.b64decode(content)
        except binascii.Error as error:
            raise ReportError(f"a picture is damaged: {error}.") from error
        return path

    def read_words(self) -> None:
        """Put the blocks the waiting texts consist of in their places."""
        parts: dict[int, list[Block]] = {}
        for reader in READERS:
            waiting = {
                position: block
                for position, block in enumerate(self.blocks)
                if block["kind"] == "words" and block["reader"] == reader
            }
            texts = read_texts([block["text"] for block in waiting.values()], reader=reader)
            for (position, block), part in zip(waiting.items(), texts, strict=True):
                parts[position] = [self._placed(each, block["attachments"]) for each in part]
        self.blocks = [
            each
            for position, block in enumerate(self.blocks)
            for each in parts.get(position, [block])
        ]

    def _placed(self, value: Any, attachments: Mapping[str, Any]) -> Any:
        """Return words with their attached pictures in place; others leave their description."""
        if isinstance(value, list):
            return [self._placed(each, attachments) for each in value]
        if not isinstance(value, dict):
            return value
        if value.get("kind") == "picture":
            return self._attached(value, attachments)
        return {key: self._placed(each, attachments) for key, each in value.items()}

    def _attached(self, picture: Mapping[str, Any], attachments: Mapping[str, Any]) -> Inline:
        name = picture["source"].removeprefix("attachment:")
        for mime, content in attachments.get(name, {}).items():
            if mime in _PICTURES:
                path = self._file(mime, content)
                return {"kind": "image", "path": path, "alt": picture["alt"] or name}
        logger.warning("the picture '%s' is not attached to its cell; not printed.", name)
        return f"[{picture['alt'] or name}]"


def read_page(
    notebook: NotebookNode,
    *,
    facts: Mapping[str, Any] | None,
    name: str,
    shows_code: bool,
) -> Page:
    """Read a notebook whose unwanted cells are already gone.

    `facts` are those of its `document(…)` output. Without one, the title is the one in the
    notebook's metadata, else its first heading, else its file name.
    """
    reading = Reading(requires_alt=facts is not None, shows_code=shows_code)
    for number, cell in enumerate(notebook.cells, start=1):
        reading.cell(number, cell)
    reading.read_words()
    title = notebook.metadata.get("title") or first_heading(reading.blocks) or name
    document = {**Document(title=title).payload(), **(facts or {})}
    is_report = facts is not None
    document["numbered"] = is_report and not has_numbers(reading.blocks)
    blocks = arranged(reading.blocks, document["title"], is_report=is_report)
    return Page(document, blocks, reading.files, is_report)
