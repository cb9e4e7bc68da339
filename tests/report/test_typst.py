"""The border between Python and Typst."""

from __future__ import annotations

import json
from datetime import date
from io import BytesIO
from typing import Any

import pytest
import typst
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from stockcust_analysis.errors import TypesettingError
from stockcust_analysis.report.typst import _fonts, compile_pdf, literal

# A document that PDF/UA and PDF/A accept.
HEAD = '#set document(title: "t")\n#set text(font: "Noto Sans CJK SC")\n'


def read_back(value: Any) -> Any:
    """Return a value as Typst understands its literal."""
    return json.loads(typst.eval(b"", literal(value)))


class TestLiteral:
    """`literal`: any plain value, written so that Typst reads the same value."""

    @pytest.mark.parametrize(
        "value",
        [
            None,
            True,
            0,
            -7,
            2**62,
            1.5,
            -1e-9,
            "",
            '#read("/etc/passwd")',
            '$x$ */ // "\\ `',
            "\\u{41} \\n",
            "一\n二\t三\r\0",
            [],
            [1],
            [[], ["a", None]],
            {},
            {"#a b": {"c": [1.25, False]}},
        ],
    )
    def test_read_back(self, value: object) -> None:
        """Typst reads exactly the value that was written."""
        assert read_back(value) == value

    @settings(max_examples=12)
    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def test_any_text(self, text: str) -> None:
        """No text, whatever it holds, is anything but that text."""
        assert read_back(text) == text

    @pytest.mark.parametrize(
        "value", [float("nan"), float("inf"), 2**63, b"bytes", object(), date(2026, 9, 30)]
    )
    def test_refused(self, value: object) -> None:
        """What has no literal is an error, not a guess."""
        with pytest.raises(TypesettingError, match="cannot be handed to the typesetter"):
            literal(value)


class TestCompile:
    """`compile_pdf`: a source becomes a PDF, and nothing else is read."""

    def test_date(self) -> None:
        """The PDF's date is the as-of date, not today."""
        pdf = compile_pdf(HEAD + "文", as_of=date(2026, 9, 30))
        metadata = PdfReader(BytesIO(pdf)).metadata
        assert metadata is not None
        assert metadata.creation_date is not None
        assert metadata.creation_date.date() == date(2026, 9, 30)

    def test_files(self) -> None:
        """The source reads the files it is given, also in folders."""
        pdf = compile_pdf(HEAD + '#read("a/b.txt")', files={"a/b.txt": "文字".encode()})
        assert "文字" in PdfReader(BytesIO(pdf)).pages[0].extract_text()

    @pytest.mark.parametrize("path", ["/etc/passwd", "../../etc/passwd", "nothing.txt"])
    def test_no_other_files(self, path: str) -> None:
        """A file that was not handed over cannot be read."""
        with pytest.raises(TypesettingError, match="the typesetter says"):
            compile_pdf(HEAD + f'#read("{path}")')

    def test_error(self) -> None:
        """A broken source is one clear error."""
        with pytest.raises(TypesettingError, match="unknown variable: nothing"):
            compile_pdf(HEAD + "#nothing")

    def test_half_a_character(self) -> None:
        """Text read with a wrong encoding is named as such."""
        with pytest.raises(TypesettingError, match=r"half a character \(U\+D83C\)"):
            compile_pdf(HEAD + "\ud83c")

    def test_fonts(self) -> None:
        """Only the pinned fonts and Typst's own are known: no system font, no WenQuanYi."""
        from_files = {font.family for font in _fonts().fonts() if font.path is not None}
        assert from_files == {"Noto Sans CJK SC"}
        assert {"DejaVu Sans Mono", "Noto Sans CJK SC"} <= set(_fonts().families())
