"""A notebook read as a page: cells and outputs in, plain blocks and picture files out.

```
notebook ── read_page ──> Page(document, blocks, files) ── template ──> Typst
```

Every block is plain values with a `kind`; the layout has one function for each kind. What a page
needs before it is typeset is decided here: heading levels, contents, widths of columns.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from nbconvert.filters import strip_ansi
from nbformat import NotebookNode

from stockcust_analysis.errors import MissingAltTextError, ReportError, say
from stockcust_analysis.report.markdown import READERS, Block, Inline, read_texts
from stockcust_analysis.show.blocks import (
    DOCUMENT_MIME,
    KEY_FIGURES_MIME,
    SENTENCES_MIME,
    SVG_MIME,
    TABLE_MIME,
    Document,
)

logger = logging.getLogger(__name__)

_DATA: Final = {TABLE_MIME: "table", KEY_FIGURES_MIME: "key-figures", SENTENCES_MIME: "sentences"}
_PICTURES: Final = {SVG_MIME: "svg", "image/png": "png", "image/jpeg": "jpg"}
_TEXTS: Final = {"text/markdown": "markdown", "text/html": "html"}
_PRIORITY: Final = (DOCUMENT_MIME, *_DATA, *_PICTURES, *_TEXTS, "text/plain")
"""Of an output's forms, the first of these is printed."""

_NUMBERED: Final = re.compile(r"(第?[一二三四五六七八九十]+[、章节]|\d+([.、]|\s))")
_WORD: Final = re.compile(r"[!-~]+")
_CONTENTS_FROM: Final = 3
"""With fewer sections, a table of contents tells nothing."""

_LINE: Final = 56.0
"""Width of a full line of a table, in ems of its ordinary size."""
_NARROW: Final = 0.66
_LEGIBLE_SIZE: Final = 7.3
_ORDINARY_SIZE: Final = 8.5
_SMALLEST_SIZE: Final = 6.5
# A table that would need less, such as pandas' own of twenty columns, gets what it needs: it can be
# read enlarged, letters printed over one another cannot.
_FAR_TOO_WIDE: Final = 5.0
_LAST_SIZE: Final = 8.0
"""Of a report's last table: what its words mean is small print."""
_WIDEST_WORDS: Final = 30.0
_KEPT_TOGETHER: Final = 1700.0
"""Ems of rows that surely fit on one page."""
_GUTTER: Final = 1.3
_EXTRA_GUTTER: Final = 1.3
"""Between a column of numbers, flush right, and a column of words, flush left."""


@dataclass(frozen=True)
class Page:
    """What is printed: facts of the document, blocks in order, pictures by file name."""

    document: dict[str, Any]
    blocks: list[Block]
    files: Mapping[str, bytes]
    is_report: bool


def document_facts(notebook: NotebookNode) -> dict[str, Any] | None:
    """Return what the notebook's first `document(…)` output says, or None for other notebooks."""
    shown = (
        output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])
    )
    return next((dict(data[DOCUMENT_MIME]) for data in shown if DOCUMENT_MIME in data), None)


def read_page(
    notebook: NotebookNode, *, facts: Mapping[str, Any] | None, name: str, shows_code: bool
) -> Page:
    """Read a notebook whose unwanted cells are already gone.

    `facts` are those of its `document(…)` output. Without one, the title is the one in the
    notebook's metadata, else its first heading, else its file name.
    """
    reading = _Reading(requires_alt=facts is not None, shows_code=shows_code)
    for number, cell in enumerate(notebook.cells, start=1):
        reading.read_cell(number, cell)
    blocks = reading.finish()
    headings = [str(block["text"]) for block in blocks if block["kind"] == "heading"]
    title = notebook.metadata.get("title") or next(iter(headings), "") or name
    document = {**Document(title=title).payload(), **(facts or {})}
    document["numbered"] = facts is not None and not any(map(_NUMBERED.match, headings))
    blocks = _arrange(blocks, document["title"], is_report=facts is not None)
    return Page(document, blocks, reading.files, facts is not None)


@dataclass
class _Reading:
    """The state of reading one notebook: blocks and files so far, texts still to be read.

    Texts are not read cell by cell: they wait as `{"kind": "words"}` blocks, and go through
    pandoc together.
    """

    requires_alt: bool
    shows_code: bool
    blocks: list[Block] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    def read_cell(self, number: int, cell: NotebookNode) -> None:
        """Read one cell; raw cells are left out, so no raw Typst comes in by them."""
        if cell.cell_type == "markdown":
            self._add_text("markdown", cell.source, cell.get("attachments", {}))
        elif cell.cell_type == "code":
            hidden = cell.metadata.get("transient", {}).get("remove_source", False)
            if self.shows_code and not hidden and cell.source.strip():
                self.blocks.append({"kind": "code", "text": cell.source})
            for output in cell.outputs:
                self._read_output(number, output)

    def _add_text(self, reader: str, text: str, attachments: Mapping[str, Any]) -> None:
        self.blocks.append(
            {"kind": "words", "reader": reader, "text": text, "attachments": attachments}
        )

    def _add_printed(self, text: str) -> None:
        self.blocks.append({"kind": "output", "text": strip_ansi(text).strip("\n")})

    def _read_output(self, number: int, output: NotebookNode) -> None:
        match output.output_type:
            case "error":
                self._add_printed("\n".join(output.traceback) or f"{output.ename}: {output.evalue}")
            case "stream" if output.name == "stderr":
                logger.warning("cell %d wrote to stderr; this is not printed.", number)
            case "stream":
                self._add_printed(output.text)
            case _:
                self._read_display(number, output)

    def _read_display(self, number: int, output: NotebookNode) -> None:
        mime = next((mime for mime in _PRIORITY if mime in output.data), None)
        if mime is None:
            logger.warning("cell %d shows %s; none can be printed.", number, list(output.data))
        elif mime in _DATA:
            self.blocks.append({"kind": _DATA[mime], **output.data[mime]})
        elif mime in _PICTURES:
            self.blocks.append(self._picture(number, mime, output))
        elif mime in _TEXTS:
            self._add_text(_TEXTS[mime], output.data[mime], {})
        elif mime == "text/plain":
            self._add_printed(output.data[mime])

    def _picture(self, number: int, mime: str, output: NotebookNode) -> Block:
        facts = {**output.metadata.get(mime, {}), **output.metadata}
        alt, caption = str(facts.get("alt", "")), str(facts.get("caption", ""))
        if self.requires_alt and not (alt and caption):
            raise MissingAltTextError(say("no_alt_text", number))
        return {
            "kind": "image",
            "path": self._add_file(mime, output.data[mime]),
            "alt": alt or output.data.get("text/plain", "") or f"cell {number}",
            "caption": caption,
            "half": bool(facts.get("half", False)),
        }

    def _add_file(self, mime: str, content: str) -> str:
        """Store a picture's bytes, and return the file name the page knows it by."""
        path = f"picture-{len(self.files) + 1}.{_PICTURES[mime]}"
        try:
            self.files[path] = content.encode() if mime == SVG_MIME else base64.b64decode(content)
        except binascii.Error as error:
            raise ReportError(say("picture_damaged", error)) from error
        return path

    def finish(self) -> list[Block]:
        """Return the blocks, those of the waiting texts in their places."""
        parts: dict[int, list[Block]] = {}
        for reader in READERS:
            waiting = [i for i, block in enumerate(self.blocks) if block.get("reader") == reader]
            texts = read_texts([self.blocks[i]["text"] for i in waiting], reader=reader)
            for i, part in zip(waiting, texts, strict=True):
                parts[i] = self._attach(part, self.blocks[i]["attachments"])
        return [part for i, block in enumerate(self.blocks) for part in parts.get(i, [block])]

    def _attach(self, value: Any, attachments: Mapping[str, Any]) -> Any:
        """Return a text's values with attached pictures in place; others leave their words."""
        if isinstance(value, list):
            return [self._attach(item, attachments) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("kind") == "picture":
            return self._attached_image(value, attachments)
        return {key: self._attach(item, attachments) for key, item in value.items()}

    def _attached_image(self, picture: Mapping[str, Any], attachments: Mapping[str, Any]) -> Inline:
        name = picture["source"].removeprefix("attachment:")
        for mime, content in attachments.get(name, {}).items():
            if mime in _PICTURES:
                path = self._add_file(mime, content)
                return {"kind": "image", "path": path, "alt": picture["alt"] or name}
        # A picture that is written out in the text itself is named by its kind.
        name = name.partition(",")[0] if name.startswith("data:") else name
        logger.warning("the picture '%s' is not attached to its cell; not printed.", name)
        return f"[{picture['alt'] or name}]"


def _arrange(blocks: Sequence[Block], title: str, *, is_report: bool) -> list[Block]:
    """Return the blocks with heading levels in order, contents in place, columns measured."""
    arranged = list(_with_levels(_without_title(blocks, title)))
    if is_report:
        arranged = _without_empty_sections(arranged)
    for block in arranged:
        if block["kind"] == "table":
            block |= _measure_table(block)
    if is_report:
        first = _unnumber_first_page(arranged)
        if sum(map(_is_chapter, arranged)) - first >= _CONTENTS_FROM:
            arranged.insert(_end_of_opening(arranged, first + 1), {"kind": "contents"})
        _unnumber_lone_sections(arranged)
    for before, block in pairwise(arranged):
        if (before["kind"], block["kind"]) == ("heading", "paragraph"):
            block["opens"] = True  # it never stays behind alone at the end of a page
    paired = list(_pair_halves(arranged))
    for before, block in pairwise(paired):
        if before["kind"] in ("image", "pair") and block["kind"] == "table":
            before["sticky"] = True  # a figure stays with the table of its figures
    if is_report and paired and paired[-1]["kind"] == "table":
        # What follows, on the run, is never alone on the last page.
        rows = (max(sum(map(_width, row)), _LINE) for row in paired[-1]["rows"])
        paired[-1]["ends"] = sum(rows) <= _KEPT_TOGETHER
        paired[-1]["size"] = min(paired[-1]["size"], _LAST_SIZE)
    return paired


def _is_chapter(block: Block) -> bool:
    return bool(block["kind"] == "heading" and block["level"] == 1)


def _without_title(blocks: Sequence[Block], title: str) -> list[Block]:
    """Leave out the heading that only repeats the title, unless it is one section among several."""
    chapters = [block for block in blocks if _is_chapter(block)]
    repeats = len(chapters) == 1 and chapters[0]["text"] == title
    return [block for block in blocks if not (repeats and block is chapters[0])]


def _with_levels(blocks: Sequence[Block]) -> Iterator[Block]:
    """Number heading levels from 1 without gaps, as an accessible PDF requires."""
    above: list[int] = []
    for block in blocks:
        if block["kind"] == "heading":
            while above and above[-1] >= block["level"]:
                above.pop()
            above.append(block["level"])
            block = {**block, "level": len(above)}
        yield block


def _without_empty_sections(blocks: Sequence[Block]) -> list[Block]:
    """Leave out headings under which nothing stands: not every branch has every chapter."""
    filled: list[Block] = []
    for block in reversed(blocks):
        below = filled[-1] if filled else {"kind": "heading", "level": 0}
        ends = below["kind"] == "heading" and block["kind"] == "heading"
        if not (ends and below["level"] <= block["level"]):
            filled.append(block)
    return filled[::-1]


def _unnumber_first_page(blocks: Sequence[Block]) -> int:
    """Take the numbers from the first page's headings, before the conclusions; return how many."""
    kinds = [block["kind"] for block in blocks]
    if "sentences" not in kinds or "key-figures" not in kinds:
        return 0
    chapters = [block for block in blocks[: kinds.index("sentences")] if _is_chapter(block)]
    for heading in chapters[:-1]:
        heading["numbered"] = False
    return max(len(chapters) - 1, 0)


def _unnumber_lone_sections(blocks: Sequence[Block]) -> None:
    """Take the number from a section that is its chapter's only one: a first without a second."""
    chapters: list[list[Block]] = [[]]
    for block in blocks:
        if _is_chapter(block):
            chapters.append([])
        elif block["kind"] == "heading" and block["level"] == 2:
            chapters[-1].append(block)
    for sections in chapters:
        if len(sections) == 1:
            sections[0]["numbered"] = False


def _end_of_opening(blocks: Sequence[Block], last: int) -> int:
    """Return the position after the key figures and conclusions of the first sections."""
    end, sections = 0, 0
    for position, block in enumerate(blocks):
        sections += _is_chapter(block)
        if sections > last:
            break
        if block["kind"] in ("key-figures", "sentences"):
            end = position + 1
    return end


def _pair_halves(blocks: Iterable[Block]) -> Iterator[Block]:
    """Put two halves that follow one another side by side; a table alone keeps its narrow form."""
    waiting = deque(blocks)
    while waiting:
        block = waiting.popleft()
        if block.get("half") and waiting and waiting[0].get("half"):
            yield {"kind": "pair", "items": [block, waiting.popleft()]}
        elif block.get("half") and block["kind"] == "table":
            yield {**block, "share": _NARROW}
        else:
            yield block


def _measure_table(table: Block) -> dict[str, Any]:
    """Return the widths of a table's columns in ems, and the size its lettering needs to fit."""
    half, widths, least, before = table.get("half"), [], [], ""
    for position, column in enumerate(table["columns"]):
        cells = max((_width(row[position]) for row in table["rows"]), default=0.0)
        cells = min(cells, _WIDEST_WORDS)
        label = _width(column["label"])
        longest = max(map(_width, _WORD.findall(column["label"])), default=0.0)
        in_four = max(longest, label / 4 + 1)
        # A long header over short numbers is broken into two lines.
        label = max(longest, min(label, max(label / 2 + 1, 4.5 if half else 8.0)))
        after_numbers = (before, column["align"]) == ("right", "left")
        gutter = _GUTTER + (_EXTRA_GUTTER if after_numbers else 0)
        widths.append(max(cells, label) + gutter)
        least.append(max(cells, min(label, in_four)) + gutter)
        before = column["align"]
    line = _LINE * (0.48 if half else 1)
    is_far_too_wide = sum(least) * _FAR_TOO_WIDE > line * _ORDINARY_SIZE
    if is_far_too_wide:
        widths = least
    else:
        widths = _fit_widths(widths, least, line * _ORDINARY_SIZE / _LEGIBLE_SIZE)
    # What is left of a line is for whole sentences: they are the ones that are broken.
    if (widest := max(widths, default=0.0)) >= _WIDEST_WORDS:
        widths[widths.index(widest)] += max(line - sum(widths), 0)
    total = max(sum(widths), 1.0)
    smallest = 0 if is_far_too_wide else _SMALLEST_SIZE
    size = min(_ORDINARY_SIZE, max(smallest, _ORDINARY_SIZE * line / total))
    # A table of few narrow columns does not stretch over the page: the eye would lose its row.
    share = _NARROW if not half and total < _NARROW * line / 2 else 1.0
    return {"widths": [round(width, 2) for width in widths], "size": round(size, 2), "share": share}


def _fit_widths(widths: Sequence[float], least: Sequence[float], line: float) -> list[float]:
    """Return the widths that fit a line of legible lettering, or come near it.

    Headers break into four lines first, then the longest names into two; then lettering gets
    small.

    >>> _fit_widths([6, 10, 10], [6, 4, 7], 20)
    [6.0, 6.0, 8.0]
    """
    spare = sum(widths) - sum(least)
    over = max(sum(widths) - line, 0)
    broken = min(over / spare, 1) if spare else 0
    fitted = [wide - broken * (wide - narrow) for wide, narrow in zip(widths, least, strict=True)]
    if (over := sum(fitted) - line) > 0:
        widest = fitted.index(max(fitted))
        fitted[widest] -= min(over, max(fitted[widest] / 2 - 2, 0))
    return fitted


def _width(text: str) -> float:
    """Return the width of a text in ems: Chinese characters are one wide, others about half.

    Between the two kinds the typesetter leaves a quarter.

    >>> round(_width("支行a1"), 2), round(_width("AUM%"), 2)
    (3.35, 2.8)
    """
    wide = [unicodedata.east_asian_width(letter) in "WF" for letter in text]
    borders = sum(left != right for left, right in pairwise(wide))
    narrow = [0.7 if letter.isupper() or letter in "%▲▼" else 0.55 for letter in text]
    ems = [1.0 if is_wide else width for is_wide, width in zip(wide, narrow, strict=True)]
    return sum(ems) + 0.25 * borders
