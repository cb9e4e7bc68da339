"""How a page is arranged before it is typeset: heading levels, contents, widths of columns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from stockcust_analysis.report.markdown import Block

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
_WIDEST_WORDS: Final = 30.0
_GUTTER: Final = 1.3
_EXTRA_GUTTER: Final = 1.3
"""Between a column of numbers, flush right, and a column of words, flush left."""


def arranged(blocks: Sequence[Block], title: str, *, is_report: bool) -> list[Block]:
    """Return the blocks with heading levels in order, contents in place, columns measured."""
    kept = list(_levelled(_without_title(blocks, title)))
    if is_report:
        kept = _without_empty_sections(kept)
    for block in kept:
        if block["kind"] == "table":
            block |= _measured(block)
    sections = [block for block in kept if block["kind"] == "heading" and block["level"] == 1]
    if is_report:
        first = _first_page(kept)
        if len(sections) - first >= _CONTENTS_FROM:
            kept.insert(_end_of_opening(kept, first + 1), {"kind": "contents"})
        _without_lone_number(kept)
    led = [_led(before, block) for before, block in zip([None, *kept], kept, strict=False)]
    return list(_paired(led))


def _without_empty_sections(blocks: Sequence[Block]) -> list[Block]:
    """Leave out headings under which nothing stands: not every branch has every chapter."""
    kept: list[Block] = []
    for block in reversed(blocks):
        below = kept[-1] if kept else {"kind": "heading", "level": 0}
        ends = below["kind"] == "heading" and block["kind"] == "heading"
        if not (ends and below["level"] <= block["level"]):
            kept.append(block)
    return kept[::-1]


def _without_lone_number(blocks: Sequence[Block]) -> None:
    """Take the number from a section that is its chapter's only one: a first without a second."""
    chapters: list[list[Block]] = [[]]
    for block in blocks:
        if block["kind"] == "heading" and block["level"] == 1:
            chapters.append([])
        elif block["kind"] == "heading" and block["level"] == 2:
            chapters[-1].append(block)
    for sections in chapters:
        if len(sections) == 1:
            sections[0]["numbered"] = False


def _first_page(blocks: Sequence[Block]) -> int:
    """Take the headings before the conclusions as those of the first page: without a number.

    Returns how many such headings there are.
    """
    kinds = [block["kind"] for block in blocks]
    if "sentences" not in kinds or "key-figures" not in kinds:
        return 0
    tops = [
        block
        for block in blocks[: kinds.index("sentences")]
        if block["kind"] == "heading" and block["level"] == 1
    ]
    for heading in tops[:-1]:
        heading["numbered"] = False
    return max(len(tops) - 1, 0)


def _paired(blocks: Sequence[Block]) -> Iterator[Block]:
    """Put two halves that follow one another side by side."""
    waiting: Block | None = None
    for block in blocks:
        if waiting is None and block.get("half"):
            waiting = block
        elif waiting is not None:
            pair = block.get("half")
            together = {"kind": "pair", "items": [waiting, block]}
            yield from [together] if pair else [_alone(waiting), block]
            waiting = None
        else:
            yield block
    if waiting is not None:
        yield _alone(waiting)


def _alone(half: Block) -> Block:
    """Return a half that has no other beside it: a table keeps its narrow form."""
    return {**half, "share": _NARROW} if half["kind"] == "table" else half


def first_heading(blocks: Sequence[Block]) -> str:
    """Return the words of the first heading, or '' when there is none."""
    return next((str(block["text"]) for block in blocks if block["kind"] == "heading"), "")


def has_numbers(blocks: Sequence[Block]) -> bool:
    """Tell whether the author numbered the headings by hand.

    >>> has_numbers([{"kind": "heading", "level": 1, "text": "一、客户结构"}])
    True
    """
    return any(
        _NUMBERED.match(block["text"]) is not None for block in blocks if block["kind"] == "heading"
    )


def _without_title(blocks: Sequence[Block], title: str) -> list[Block]:
    """Leave out the heading that only repeats the title, unless it is one section among several."""
    tops = [block for block in blocks if block["kind"] == "heading" and block["level"] == 1]
    if len(tops) == 1 and tops[0]["text"] == title:
        return [block for block in blocks if block is not tops[0]]
    return list(blocks)


def _levelled(blocks: Sequence[Block]) -> Iterator[Block]:
    """Number heading levels from 1 without gaps, as an accessible PDF requires."""
    above: list[int] = []
    for block in blocks:
        if block["kind"] != "heading":
            yield block
            continue
        while above and above[-1] >= block["level"]:
            above.pop()
        above.append(block["level"])
        yield {**block, "level": len(above)}


def _end_of_opening(blocks: Sequence[Block], last: int) -> int:
    """Return the place after the key figures and conclusions of the first sections."""
    place, sections = 0, 0
    for position, block in enumerate(blocks):
        if block["kind"] == "heading" and block["level"] == 1:
            sections += 1
            if sections > last:
                break
        if block["kind"] in ("key-figures", "sentences"):
            place = position + 1
    return place


def _led(before: Block | None, block: Block) -> Block:
    """Mark the words that open a section: they never stay behind alone at the end of a page."""
    opens = block["kind"] == "paragraph" and before is not None and before["kind"] == "heading"
    return {**block, "opens": True} if opens else block


def _measured(table: Block) -> dict[str, Any]:
    """Return the widths of a table's columns in ems, and the size its lettering needs to fit."""
    widths, least, before = [], [], ""
    for position, column in enumerate(table["columns"]):
        cells = max((_width(row[position]) for row in table["rows"]), default=0.0)
        label = _width(column["label"])
        # A long header over short numbers is broken into two lines.
        unbroken = 4.5 if table.get("half") else 8.0
        longest = max(map(_width, _WORD.findall(column["label"])), default=0.0)
        in_four = max(longest, label / 4 + 1)
        label = max(longest, min(label, max(label / 2 + 1, unbroken)))
        after_numbers = (before, column["align"]) == ("right", "left")
        gutter = _GUTTER + (_EXTRA_GUTTER if after_numbers else 0)
        cells = min(cells, _WIDEST_WORDS)
        widths.append(max(cells, label) + gutter)
        least.append(max(cells, min(label, in_four)) + gutter)
        before = column["align"]
    line = _LINE * (0.48 if table.get("half") else 1)
    widths = _fitted(widths, least, line * _ORDINARY_SIZE / _LEGIBLE_SIZE)
    total = max(sum(widths), 1.0)
    size = min(_ORDINARY_SIZE, max(_SMALLEST_SIZE, _ORDINARY_SIZE * line / total))
    # A table of few narrow columns does not stretch over the page: the eye would lose its row.
    share = _NARROW if not table.get("half") and total < _NARROW * line / 2 else 1.0
    return {
        "widths": [round(width, 2) for width in widths],
        "size": round(size, 2),
        "share": share,
    }


def _fitted(widths: Sequence[float], least: Sequence[float], line: float) -> list[float]:
    """Return the widths that fit a line of legible lettering, or come near it.

    Headers break into four lines first, then the longest names into two; then lettering gets
    small.

    >>> _fitted([6, 10, 10], [6, 4, 7], 20)
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
    wide = [unicodedata.east_asian_width(each) in "WF" for each in text]
    borders = sum(one != other for one, other in pairwise(wide))
    widths = [0.7 if each.isupper() or each in "%▲▼" else 0.55 for each in text]
    ems = [1.0 if is_wide else width for is_wide, width in zip(wide, widths, strict=True)]
    return sum(ems) + 0.25 * borders
