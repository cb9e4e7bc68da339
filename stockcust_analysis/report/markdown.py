"""A notebook's words, read by pandoc into plain values the page can set.

```
markdown cells ── one pandoc call ──> pandoc's tree ── blocks_of ──> [{"kind": "heading", …}, …]
```

Only pandoc's reader is used: no Typst is written here, so no text can become Typst. Raw HTML is
printed as its text, formulas as their TeX source, links keep their address if it is a web or mail
address, pictures appear if they are attached to their cell.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, Final

import pypandoc

from stockcust_analysis.errors import ReportError
from stockcust_analysis.show.blocks import natural_alignment

Block = dict[str, Any]
Inline = str | dict[str, Any]
Node = dict[str, Any]

READERS: Final = {
    "markdown": "commonmark+pipe_tables+strikeout+tex_math_dollars+autolink_bare_uris",
    "html": "html",
}
_SEPARATOR: Final = "cellborder"
_LINKS: Final = ("http://", "https://", "mailto:")
_WEIGHTED: Final = {
    "Strong": "strong",
    "Emph": "strong",  # Chinese has no italics: emphasis is weight
    "Underline": "strong",
    "Strikeout": "strike",
    "Superscript": "super",
    "Subscript": "sub",
    "SmallCaps": "plain",
}


def read_texts(texts: Sequence[str], *, reader: str = "markdown") -> list[list[Block]]:
    """Return each text's blocks; all texts go through pandoc in one call.

    >>> read_texts(["# 城关支行", "#read(1)"])[1]
    [{'kind': 'paragraph', 'body': ['#read(1)']}]
    """
    if not texts:
        return []
    separator = _SEPARATOR
    while any(separator in text for text in texts):
        separator += "x"
    border = f"\n\n<p>{separator}</p>\n\n" if reader == "html" else f"\n\n{separator}\n\n"
    parts = _split(_pandoc(border.join(texts), reader), separator)
    if len(parts) != len(texts):
        # An unclosed code fence swallows what follows: then each text is read on its own.
        parts = [_pandoc(text, reader) for text in texts]
    return [blocks_of(part) for part in parts]


def _pandoc(text: str, reader: str) -> list[Node]:
    try:
        tree = pypandoc.convert_text(text, "json", READERS[reader], extra_args=["--sandbox"])
    except (OSError, RuntimeError) as error:
        raise ReportError(f"pandoc could not read the notebook's {reader}: {error}") from error
    nodes: list[Node] = json.loads(tree)["blocks"]
    return nodes


def _split(nodes: Sequence[Node], separator: str) -> list[list[Node]]:
    border = {"t": "Para", "c": [{"t": "Str", "c": separator}]}
    parts: list[list[Node]] = [[]]
    for node in nodes:
        if node == border:
            parts.append([])
        else:
            parts[-1].append(node)
    return parts


def blocks_of(nodes: Sequence[Node]) -> list[Block]:
    """Return pandoc's block nodes as plain values; what cannot be printed is left out."""
    blocks: list[Block] = []
    for node in nodes:
        reads = _BLOCKS.get(node["t"])
        if reads is not None:
            blocks += reads(node.get("c"))
    return blocks


def _heading(content: Any) -> list[Block]:
    level, _, inlines = content
    return [{"kind": "heading", "level": level, "text": plain_text(inlines_of(inlines))}]


def _paragraph(content: Any) -> list[Block]:
    return [{"kind": "paragraph", "body": inlines_of(content)}]


def _bullets(content: Any) -> list[Block]:
    return [{"kind": "list", "start": None, "items": [_inside(item) for item in content]}]


def _numbers(content: Any) -> list[Block]:
    (start, _, _), items = content
    return [{"kind": "list", "start": start, "items": [_inside(item) for item in items]}]


def _inside(nodes: Sequence[Node]) -> list[Block]:
    """Return the blocks of a list item or quotation, where a heading is only a bold line."""
    return [
        {"kind": "paragraph", "body": [{"kind": "strong", "body": [block["text"]]}]}
        if block["kind"] == "heading"
        else block
        for block in blocks_of(nodes)
    ]


def _table(content: Any) -> list[Block]:
    """Read a markdown or HTML table: the last header row labels the columns."""
    _, caption, specs, (_, head), bodies, (_, foot) = content
    heads = [_cells(row) for row in head] or [[""] * len(specs)]
    rows = [_cells(row) for body in bodies for part in (body[2], body[3]) for row in part]
    rows += [_cells(row) for row in foot]
    rows = [_filled(row, len(specs)) for row in [*heads[:-1], *rows]]
    columns = [
        {"label": label, "align": _side(spec[0]["t"], [row[position] for row in rows]), "group": ""}
        for position, (label, spec) in enumerate(
            zip(_filled(heads[-1], len(specs)), specs, strict=True)
        )
    ]
    title = " ".join(block["text"] for block in _plain_blocks(caption[1]))
    return [
        {
            "kind": "table",
            "caption": title,
            "unit": "",
            "note": "",
            "columns": columns,
            "rows": rows,
            "emphasised": [],
        }
    ]


def _side(alignment: str, cells: Sequence[str]) -> str:
    """Return where a column's cells stand: as the author says, else numbers right, words left."""
    said = {"AlignLeft": "left", "AlignRight": "right", "AlignCenter": "center"}
    return said.get(alignment) or natural_alignment(cells)


def _cells(row: Any) -> list[str]:
    """Return a row's cells as text, a wide cell followed by empty ones."""
    cells: list[str] = []
    for _, _, _, width, content in row[1]:
        cells.append(" ".join(block["text"] for block in _plain_blocks(content)))
        cells += [""] * (width - 1)
    return cells


def _filled(cells: list[str], width: int) -> list[str]:
    return (cells + [""] * width)[:width]


def _plain_blocks(nodes: Sequence[Node]) -> list[Block]:
    return [{"text": plain_text(block["body"])} for block in blocks_of(nodes) if "body" in block]


_BLOCKS: Final[dict[str, Callable[[Any], list[Block]]]] = {
    "Header": _heading,
    "Para": _paragraph,
    "Plain": _paragraph,
    "BulletList": _bullets,
    "OrderedList": _numbers,
    "Table": _table,
    "CodeBlock": lambda content: [{"kind": "code", "text": content[1]}],
    "RawBlock": lambda content: [{"kind": "paragraph", "body": _raw(content[1].strip())}],
    "BlockQuote": lambda content: [{"kind": "quote", "body": _inside(content)}],
    "LineBlock": lambda content: [block for line in content for block in _paragraph(line)],
    "Div": lambda content: blocks_of(content[1]),
    "Figure": lambda content: blocks_of(content[2]),
    "HorizontalRule": lambda _: [{"kind": "rule"}],
}


def inlines_of(nodes: Sequence[Node]) -> list[Inline]:
    """Return pandoc's inline nodes as texts and small values, neighbouring texts joined."""
    inlines: list[Inline] = []
    for position, node in enumerate(nodes):
        for inline in _inline(node, nodes, position):
            if isinstance(inline, str) and inlines and isinstance(inlines[-1], str):
                inlines[-1] += inline
            else:
                inlines.append(inline)
    return inlines


def _inline(node: Node, nodes: Sequence[Node], position: int) -> list[Inline]:
    kind: str = node["t"]
    content: Any = node.get("c")
    if kind == "Str":
        return [content]
    if kind == "Space":
        return [" "]
    if kind == "SoftBreak":
        return ["" if _between_wide(nodes, position) else " "]
    if kind in _WEIGHTED:
        return [{"kind": _WEIGHTED[kind], "body": inlines_of(content)}]
    if kind in ("Code", "Math"):
        return [{"kind": "code", "text": content[1]}]
    if kind == "Link":
        body, address = inlines_of(content[1]), content[2][0]
        return [{"kind": "link", "body": body, "to": address}] if _is_link(address) else body
    if kind == "Image":
        words = plain_text(inlines_of(content[1]))
        return [{"kind": "picture", "alt": words, "source": content[2][0]}]
    if kind == "LineBreak" or (kind == "RawInline" and content[1].startswith("<br")):
        return [{"kind": "break"}]
    if kind == "RawInline":
        return _raw(content[1])
    return inlines_of(content[1]) if kind in ("Span", "Quoted", "Cite") else []


def _raw(html: str) -> list[Inline]:
    """Return raw HTML as its text; styles and scripts say nothing to a reader."""
    return [] if html.startswith(("<style", "<script")) else [html]


def _is_link(address: str) -> bool:
    return address.startswith(_LINKS)


def _between_wide(nodes: Sequence[Node], position: int) -> bool:
    """Tell whether a line ends and the next begins in Chinese: then no space belongs between."""
    before = plain_text(inlines_of(nodes[position - 1 : position]))
    after = plain_text(inlines_of(nodes[position + 1 : position + 2]))
    return all(
        text and unicodedata.east_asian_width(text[end]) in "WF"
        for text, end in ((before, -1), (after, 0))
    )


def plain_text(inlines: Sequence[Inline]) -> str:
    """Return the words alone.

    >>> plain_text(["季末", {"kind": "strong", "body": ["余额"]}])
    '季末余额'
    """
    words = []
    for inline in inlines:
        if isinstance(inline, str):
            words.append(inline)
        else:
            words.append(
                plain_text(inline.get("body", [])) or inline.get("text") or inline.get("alt") or ""
            )
    return "".join(words)
