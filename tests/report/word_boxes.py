"""Where every word of a PDF stands, as the independent program pdftotext finds it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from html import unescape
from itertools import combinations

import pytest

needs_pdftotext = pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="poppler-utils is not installed"
)
_WORD = re.compile(r'<word xMin="(.+?)" yMin="(.+?)" xMax="(.+?)" yMax="(.+?)">(.*?)</word>')
_MARKS = "，。、；：（）“”,.;:"
_LAST = f"{_MARKS}-"  # a hyphen hangs where it breaks a word, not before a number
MILLIMETRE = 72 / 25.4
LEFT, RIGHT, TOP, BOTTOM = 20 * MILLIMETRE, 190 * MILLIMETRE, 8 * MILLIMETRE, 290 * MILLIMETRE
"""The margins of the page, in points; header and footer stand above and below the text."""


@dataclass(frozen=True)
class Word:
    """A word with its box, in points from the page's upper left corner."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def core(self) -> tuple[float, float, float, float]:
        """The box without the font's room above and below, and without punctuation's blank half.

        A typesetter moves marks together and lets them hang in the margin.
        """
        height = self.bottom - self.top
        before = 0.35 * height if self.text[0] in _MARKS else 0
        after = 0.35 * height if self.text[-1] in _LAST else 0
        spare = 0.28 * height
        return self.left + before, self.top + spare, self.right - after, self.bottom - spare


def word_boxes(pdf: bytes) -> list[list[Word]]:
    """Return the words of every page, in reading order."""
    found = subprocess.run(
        ["pdftotext", "-bbox", "-", "-"], input=pdf, capture_output=True, check=True
    ).stdout.decode("utf-8", errors="replace")  # poppler splits a rare character of the title
    return [
        [Word(unescape(text), *map(float, box)) for *box, text in _WORD.findall(page)]
        for page in found.split("<page ")[1:]
    ]


def badly_placed(pages: list[list[Word]]) -> list[str]:
    """Return the words that leave the page's margins or cover another word, one line each."""
    found = []
    for number, page in enumerate(pages, start=1):
        for word in page:
            left, top, right, bottom = word.core
            before = 6 if word.text[0] in _MARKS else 1
            after = 6 if word.text[-1] in _LAST else 1
            across = left < LEFT - before or right > RIGHT + after
            if across or top < TOP or bottom > BOTTOM:
                found.append(f"page {number}: '{word.text}' leaves the margins")
        for one, other in combinations(page, 2):
            if _overlap(one, other):
                found.append(f"page {number}: '{one.text}' and '{other.text}' overlap")
    return found


def _overlap(one: Word, other: Word) -> bool:
    a, b = one.core, other.core
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return width > 1 and height > 1
