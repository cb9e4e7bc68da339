"""The font gate: no page leaves with an empty box where a character should be.

The typesetter says nothing about a character its fonts cannot draw. So every text of a page is
held against the fonts' own character maps first, and a missing character is an error that names
the text it stands in.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from fontTools.ttLib import TTFont

from stockcust_analysis.errors import MissingGlyphError, ReportError
from stockcust_analysis.show.figures import FONT_HASHES, font_files

__all__ = [
    "FONT_HASHES",
    "SUBSTITUTE",
    "check_glyphs",
    "drawable",
    "missing_characters",
    "svg_texts",
    "texts_of",
    "with_substitutes",
]

SUBSTITUTE: Final = "〓"
"""The printers' mark for a character that is not in the case."""

# Line ends, spaces, joiners and variation selectors draw nothing.
_DRAW_NOTHING: Final = {"Zs", "Zl", "Zp", "Cf"}
_LINE_ENDS_AND_TABS: Final = set("\n\r\t")
_VARIATION_SELECTORS: Final = {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}


@cache
def drawable(others: tuple[Path, ...] = ()) -> frozenset[int]:
    """Return the code points that both the regular and the bold font can draw.

    A bank's own font files go before the shipped ones, which draw what those lack.
    """
    if others:
        return drawable() | _in_all(others)
    return _in_all(font_files())


def _in_all(files: tuple[Path, ...]) -> frozenset[int]:
    """Return the code points that every one of the files can draw."""
    maps = []
    for path in files:
        with TTFont(path, lazy=True) as font:
            maps.append(frozenset(font.getBestCmap()))
    return frozenset.intersection(*maps)


def missing_characters(text: str, others: tuple[Path, ...] = ()) -> list[str]:
    """Return the characters of a text that cannot be drawn, each once, in code point order.

    >>> missing_characters("城关支行 ▲ 3.1%")
    []
    """
    known = drawable(others)
    return sorted(each for each in set(text) if ord(each) not in known and _draws(each))


def _draws(character: str) -> bool:
    return (
        unicodedata.category(character) not in _DRAW_NOTHING
        and character not in _LINE_ENDS_AND_TABS
        and ord(character) not in _VARIATION_SELECTORS
    )


def check_glyphs(texts: Iterable[str], others: tuple[Path, ...] = ()) -> None:
    """Raise an error naming every text that holds a character the fonts cannot draw."""
    every_text = list(texts)
    if not missing_characters("".join(every_text), others):
        return
    problems = []
    for text in dict.fromkeys(every_text):
        if missing := missing_characters(text, others):
            codes = ", ".join(f"U+{ord(character):04X}" for character in missing)
            problems.append(f"'{_shortened(text, missing[0])}' needs {codes}")
    raise MissingGlyphError(
        f"{len(problems)} text(s) hold characters the report's fonts cannot draw: "
        f"{'; '.join(problems[:10])}. Replace them, or correct the text's encoding."
    )


def _shortened(text: str, around: str, width: int = 30) -> str:
    """Return the part of a long text that surrounds a character."""
    start = max(text.index(around) - width, 0)
    part = text[start : start + 2 * width]
    return f"{'…' if start else ''}{part}{'…' if start + len(part) < len(text) else ''}"


def with_substitutes(value: Any) -> Any:
    """Return plain values with every character that cannot be drawn replaced by 〓."""
    if isinstance(value, str):
        missing = missing_characters(value)
        return value.translate({ord(character): SUBSTITUTE for character in missing})
    if isinstance(value, dict):
        return {key: with_substitutes(each) for key, each in value.items()}
    if isinstance(value, list):
        return [with_substitutes(each) for each in value]
    return value


def texts_of(value: object) -> Iterator[str]:
    """Yield every text inside plain values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_of(each)


def svg_texts(svg: bytes) -> Iterator[str]:
    """Yield the words of a drawing."""
    if re.search(rb"<!ENTITY", svg):
        raise ReportError("an SVG figure declares XML entities: draw it without them.")
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise ReportError(f"an SVG figure is not valid XML: {error}.") from error
    for element in root.iter("{http://www.w3.org/2000/svg}text"):
        yield "".join(element.itertext())
