"""A notebook's words, read by pandoc into plain values the page can set.

```
markdown cells ── one pandoc call ──> pandoc's tree ── read_texts ──> [{"kind": "heading", …}, …]
```

Only pandoc's reader is used: no Typst is written here, so no text can become Typst. Raw HTML is
printed as its text, formulas as their TeX source, links keep their address if it is a web or mail
address, pictures appear if they are attached to their cell.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from typing import Any, Final, get_args

from pypandoc import convert_text

from stockcust_analysis.errors import ReportError, say
from stockcust_analysis.show.blocks import Alignment, Column, Table, natural_alignment

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
    # Chinese has no italics: emphasis is weight
    **dict.fromkeys(("Strong", "Emph", "Underline"), "strong"),
    "Strikeout": "strike",
    "Superscript": "super",
    "Subscript": "sub",
    "SmallCaps": "plain",
}
# Where an author has a column's cells stand; left to us, numbers stand right, words left.
_SIDES: Final[dict[str, Alignment]] = {f"Align{s.title()}": s for s in get_args(Alignment)}


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
    parts: list[list[Node]] = [[]]
    for node in _pandoc(border.join(texts), reader):
        if node == {"t": "Para", "c": [{"t": "Str", "c": separator}]}:
            parts.append([])
        else:
            parts[-1].append(node)
    if len(parts) != len(texts):
        # An unclosed code fence swallows what follows: then each text is read on its own.
        parts = [_pandoc(text, reader) for text in texts]
    return [_blocks(part) for part in parts]


def _pandoc(text: str, reader: str) -> list[Node]:
    try:
        tree = convert_text(text, "json", READERS[reader], ["--sandbox"], verify_format=False)
    except (OSError, RuntimeError) as error:
        raise ReportError(say("pandoc_failed", reader, error)) from error
    nodes: list[Node] = json.loads(tree)["blocks"]
    return nodes


def _blocks(nodes: Sequence[Node]) -> list[Block]:
    """Return pandoc's block nodes as plain values; what cannot be printed is left out."""
    return [block for node in nodes for block in _block(node["t"], node.get("c"))]


def _block(kind: str, content: Any) -> list[Block]:
    match kind:
        case "Header":
            text = plain_text(_inlines(content[2]))
            return [{"kind": "heading", "level": content[0], "text": text}]
        case "Para" | "Plain":
            return [{"kind": "paragraph", "body": _inlines(content)}]
        case "LineBlock":
            return [{"kind": "paragraph", "body": _inlines(line)} for line in content]
        case "RawBlock":
            return [{"kind": "paragraph", "body": _raw(content[1].strip())}]
        case "CodeBlock":
            return [{"kind": "code", "text": content[1]}]
        case "BlockQuote":
            return [{"kind": "quote", "body": _nested_blocks(content)}]
        case "BulletList" | "OrderedList":
            (start, *_), items = content if kind == "OrderedList" else ([None], content)
            return [{"kind": "list", "start": start, "items": list(map(_nested_blocks, items))}]
        case "Table":
            return [_table(content)]
        case "Div" | "Figure":
            return _blocks(content[-1])
        case "HorizontalRule":
            return [{"kind": "rule"}]
    return []


def _nested_blocks(nodes: Sequence[Node]) -> list[Block]:
    """Return the blocks of a list item or quotation, where a heading is only a bold line."""
    return [
        {"kind": "paragraph", "body": [{"kind": "strong", "body": [block["text"]]}]}
        if block["kind"] == "heading"
        else block
        for block in _blocks(nodes)
    ]


def _table(content: Any) -> Block:
    """Read a markdown or HTML table: the last header row labels the columns."""
    _, caption, specs, (_, head), bodies, (_, foot) = content
    heads = [_cells(row) for row in head] or [[]]
    below = [row for body in bodies for part in (body[2], body[3]) for row in part]
    width = len(specs)
    rows = [
        (cells + [""] * width)[:width]
        for cells in [*heads[:-1], *(_cells(row) for row in [*below, *foot])]
    ]
    labels = (heads[-1] + [""] * width)[:width]
    columns = [
        Column(label, _SIDES.get(spec[0]["t"]) or natural_alignment([row[i] for row in rows]))
        for i, (label, spec) in enumerate(zip(labels, specs, strict=True))
    ]
    table = Table(_one_line(caption[1]), tuple(columns), tuple(map(tuple, rows)))
    return {"kind": "table", **table.payload()}


def _cells(row: Any) -> list[str]:
    """Return a row's cells as text, a wide cell followed by empty ones."""
    cells: list[str] = []
    for _, _, _, width, content in row[1]:
        cells += [_one_line(content), *[""] * (width - 1)]
    return cells


def _one_line(nodes: Sequence[Node]) -> str:
    return " ".join(plain_text(block["body"]) for block in _blocks(nodes) if "body" in block)


def _inlines(nodes: Sequence[Node]) -> list[Inline]:
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
    if kind in _WEIGHTED:
        return [{"kind": _WEIGHTED[kind], "body": _inlines(content)}]
    match kind:
        case "Str":
            return [content]
        case "Space":
            return [" "]
        case "SoftBreak":
            return ["" if _between_wide(nodes, position) else " "]
        case "LineBreak":
            return [{"kind": "break"}]
        case "Code" | "Math":
            return [{"kind": "code", "text": content[1]}]
        case "Link":
            body, address = _inlines(content[1]), content[2][0]
            is_link = address.startswith(_LINKS)
            return [{"kind": "link", "body": body, "to": address}] if is_link else body
        case "Image":
            alt = plain_text(_inlines(content[1]))
            return [{"kind": "picture", "alt": alt, "source": content[2][0]}]
        case "RawInline":
            return [{"kind": "break"}] if content[1].startswith("<br") else _raw(content[1])
        case "Span" | "Quoted" | "Cite":
            return _inlines(content[1])
    return []


def _raw(html: str) -> list[Inline]:
    """Return raw HTML as its text; styles and scripts say nothing to a reader."""
    return [] if html.startswith(("<style", "<script")) else [html]


def _between_wide(nodes: Sequence[Node], position: int) -> bool:
    """Return whether a line ends and the next begins in Chinese: no space belongs between."""
    before = plain_text(_inlines(nodes[position - 1 : position]))
    after = plain_text(_inlines(nodes[position + 1 : position + 2]))
    ends = (before[-1:], after[:1])
    return all(end and unicodedata.east_asian_width(end) in "WF" for end in ends)


def plain_text(inlines: Sequence[Inline]) -> str:
    """Return the words alone.

    >>> plain_text(["季末", {"kind": "strong", "body": ["余额"]}])
    '季末余额'
    """
    return "".join(
        inline
        if isinstance(inline, str)
        else plain_text(inline.get("body", [])) or inline.get("text") or inline.get("alt") or ""
        for inline in inlines
    )
